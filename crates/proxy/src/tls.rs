//! TLS on both sides: certificates that reload, and the ways to trust a mail server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Why TLS cannot be set up: which file, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct BadTls {
    file: PathBuf,
    why: String,
}

impl fmt::Display for BadTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.why)
    }
}

impl std::error::Error for BadTls {}

fn bad(file: &Path, why: impl fmt::Display) -> BadTls {
    BadTls {
        file: file.into(),
        why: why.to_string(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Where distributions keep the certificates that they trust.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// What a server shows: a chain and its key, from PEM files. Reading them again is how they are renewed; sessions that
/// run keep theirs. TLS 1.2 is the oldest that is spoken.
pub fn acceptor(certificate: &Path, key: &Path, only_tls13: bool) -> Result<TlsAcceptor, BadTls> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .map_err(|error| {
            bad(
                certificate,
                format!("cannot be read as a PEM certificate chain: {error}"),
            )
        })?
        .collect::<Result<_, _>>()
        .map_err(|error| bad(certificate, format!("is no PEM certificate chain: {error}")))?;
    if chain.is_empty() {
        return Err(bad(
            certificate,
            "holds no certificate; expected PEM, the server's own first",
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| bad(key, format!("cannot be read as a PEM private key: {error}")))?;
    let versions: &[&rustls::SupportedProtocolVersion] = if only_tls13 {
        &[&rustls::version::TLS13]
    } else {
        rustls::ALL_VERSIONS
    };
    // Each listener has a config, and so session tickets, of its own: a ticket of one is nothing to another (P-14).
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| bad(certificate, error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| {
            bad(
                key,
                format!(
                    "does not belong to the certificate in {}: {error}",
                    certificate.display()
                ),
            )
        })?;
    config.send_tls13_tickets = 1;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How a mail server's certificate is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust<'a> {
    /// Not at all: opportunistic TLS, against listeners only (RFC 7435).
    Anyone,
    /// It must be issued by the system's authorities, for the name.
    System,
    /// It must be issued by an authority in this PEM file, for the name.
    Authority(&'a Path),
}

/// How we are a client of a mail server.
pub fn connector(trust: Trust<'_>) -> Result<TlsConnector, BadTls> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(Path::new("TLS"), error))?;
    let file = match trust {
        Trust::Anyone => {
            let config = builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Whoever(algorithms)))
                .with_no_client_auth();
            return Ok(TlsConnector::from(Arc::new(config)));
        }
        Trust::Authority(file) => file,
        Trust::System => SYSTEM_ROOTS
            .iter()
            .map(Path::new)
            .find(|file| file.exists())
            .ok_or_else(|| {
                bad(
                    Path::new(SYSTEM_ROOTS[0]),
                    "is not there: install the package ca-certificates, or name a `ca_file`",
                )
            })?,
    };
    let mut roots = RootCertStore::empty();
    let authorities = CertificateDer::pem_file_iter(file)
        .map_err(|error| bad(file, format!("cannot be read as PEM certificates: {error}")))?;
    roots.add_parsable_certificates(authorities.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(bad(file, "holds no certificate of an authority; expected PEM"));
    }
    Ok(TlsConnector::from(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    )))
}

/// The name that a mail server's certificate must be for.
pub fn server_name(name: &str) -> Result<ServerName<'static>, BadTls> {
    ServerName::try_from(name.to_owned()).map_err(|_| bad(Path::new(name), "is no host name for a certificate"))
}

/// Takes any certificate, but its signature over the handshake must be right.
#[derive(Debug)]
struct Whoever(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Whoever {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

//! Whom a command asks about DNS: a server that its line names, else those of the configuration.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gatepost_dns::{Resolver, Settings};

use crate::clock::SystemClock;
use crate::config::{Loaded, Mistakes};
use crate::services;

/// Who is asked.
#[derive(Args, Debug)]
pub(super) struct Server {
    /// The DNS server to ask, port 53 where none is given; else those of the configuration, which is not read with this.
    #[arg(long, value_name = "HOST:PORT", value_parser = server)]
    dns: Option<SocketAddr>,
}

/// What a command asks with.
pub(super) struct Asking {
    /// DNS.
    pub dns: Resolver,
    /// Our own name; `unknown` where no configuration was read (RFC 7208 section 7.3).
    pub receiver: String,
    /// The sealers that the configuration trusts; none where none was read.
    pub arc_sealers: Vec<String>,
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let bare = |_| text.parse().map(|address| SocketAddr::new(address, 53));
    if let Ok(server) = text.parse().or_else(bare) {
        return Ok(server);
    }
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| "expected the address of a DNS server such as 127.0.0.1:53".into())
}

impl Server {
    /// Does `work` with a resolver, which reads the configuration only where no server was named.
    pub fn ask<F>(&self, find: impl FnOnce() -> Result<Loaded, Mistakes>, work: F) -> Result<ExitCode, Mistakes>
    where
        F: AsyncFnOnce(Asking) -> ExitCode,
    {
        let loaded = match self.dns {
            Some(_) => None,
            None => Some(find()?),
        };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Ok(super::failed(&format!("the runtime cannot be started: {error}"))),
        };
        let done = runtime.block_on(async {
            let clock = Arc::new(SystemClock::new());
            let resolver = match &loaded {
                Some(loaded) => services::resolver(&loaded.config, clock),
                None => {
                    let settings = Settings {
                        servers: self.dns.into_iter().collect(),
                        ..Settings::default()
                    };
                    Resolver::new(&settings, clock).map_err(|error| error.to_string())
                }
            };
            match resolver {
                Ok(dns) => {
                    let own = |loaded: &Loaded| loaded.config.hostname().to_owned();
                    let receiver = loaded.as_ref().map_or_else(|| "unknown".to_owned(), own);
                    let trusted = loaded.iter().flat_map(|loaded| &loaded.config.identity.arc_sealers);
                    let arc_sealers = trusted.map(|sealer| sealer.to_string()).collect();
                    work(Asking {
                        dns,
                        receiver,
                        arc_sealers,
                    })
                    .await
                }
                Err(why) => super::failed(&why),
            }
        });
        // Questions that nobody waits for any more are not waited for.
        runtime.shutdown_background();
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        for (text, address) in [
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("127.0.0.1", "127.0.0.1:53"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(server(text).map(|it| it.to_string()).as_deref(), Ok(address), "{text}");
        }
        for text in ["", "127.0.0.1:", "127.0.0.1:x", ":53"] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}

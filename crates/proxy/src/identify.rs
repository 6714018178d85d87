//! Reverse names by DNS: the part of [`Identify`] that needs no filter crate.

use std::net::IpAddr;
use std::sync::Arc;

use gatepost_core::{Dns, Fault, Identify, Identity, Message, Reverse, Sender, Spf, async_trait};

/// How many PTR records are followed (RFC 7208 §5.5 has the same bound).
const PTR_MAX: usize = 10;

/// Reverse names, forward-confirmed. SPF and identity are unknown.
pub struct ByDns {
    dns: Arc<dyn Dns>,
}

impl ByDns {
    /// Over a DNS service.
    pub fn new(dns: Arc<dyn Dns>) -> ByDns {
        ByDns { dns }
    }

    async fn leads_back(&self, name: &str, origin: IpAddr) -> Result<bool, Fault> {
        Ok(match origin {
            IpAddr::V4(ip) => self.dns.a(name).await?.records().contains(&ip),
            IpAddr::V6(ip) => self.dns.aaaa(name).await?.records().contains(&ip),
        })
    }
}

/// Whether a text from DNS may be called a name: what comes from PTR is a stranger's (CVE-2026-28753).
pub fn is_name(text: &str) -> bool {
    text.len() <= 255
        && !text.is_empty()
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[async_trait]
impl Identify for ByDns {
    async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault> {
        let names = self.dns.ptr(origin).await?.into_records();
        let (mut first, mut trouble) = (None, None);
        for name in names.into_iter().filter(|name| is_name(name)).take(PTR_MAX) {
            match self.leads_back(&name, origin).await {
                Ok(true) => return Ok(Reverse::new(Some(name), true)),
                Ok(false) => {}
                Err(fault) => trouble = Some(fault),
            }
            first.get_or_insert(name);
        }
        // A name that could not be asked for may lead back.
        trouble.map_or(Ok(Reverse::new(first, false)), Err)
    }

    async fn spf(&self, _: &Sender) -> Result<Spf, Fault> {
        Ok(Spf::default())
    }

    async fn identity(&self, _: &Sender, _: &Arc<Message>) -> Result<Identity, Fault> {
        Ok(Identity::unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        for name in ["mail.example.org", "a-b.c_d.e", "localhost", "xn--mnchen-3ya.example"] {
            assert!(is_name(name), "{name}");
        }
        let long = format!("{}.example", "a".repeat(300));
        for text in [
            "",
            ".",
            "a..b",
            "a\r\nRCPT TO:<x@y>",
            "a b",
            "-a.example",
            "a-.example",
            "ä.example",
            &long,
        ] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_asked_for_is_not_held_against_anybody() {
        let zone = gatepost_testkit::Zone::parse(
            "192.0.2.1 PTR broken.example\nSERVFAIL broken.example\n192.0.2.2 PTR other.example\n\
             192.0.2.3 PTR broken.example\n192.0.2.3 PTR own.example\nown.example A 192.0.2.3",
        );
        let names = ByDns::new(Arc::new(zone.unwrap()));
        let reverse = |text: &str| names.reverse(text.parse().unwrap());
        assert!(reverse("192.0.2.1").await.is_err());
        assert_eq!(
            reverse("192.0.2.2").await,
            Ok(Reverse::new(Some("other.example".into()), false))
        );
        assert_eq!(
            reverse("192.0.2.3").await,
            Ok(Reverse::new(Some("own.example".into()), true))
        );
    }
}

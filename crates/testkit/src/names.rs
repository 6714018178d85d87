//! Reverse names from a zone; SPF and identity as a test says.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gatepost_core::{Dns, Fault, Identify, Identity, Message, Reverse, Sender, Spf};

use crate::zone::Zone;

/// Reverse names by PTR and A or AAAA of a zone. SPF and identity are what was told last; unknown at first.
pub struct ZoneNames {
    zone: Arc<Zone>,
    spf: Mutex<Spf>,
    identity: Mutex<Identity>,
}

impl ZoneNames {
    /// Names of a zone.
    pub fn new(zone: Arc<Zone>) -> Arc<ZoneNames> {
        Arc::new(ZoneNames {
            zone,
            spf: Mutex::default(),
            identity: Mutex::new(Identity::unknown()),
        })
    }

    /// From now on SPF says this.
    pub fn tell_spf(&self, spf: Spf) {
        *self.spf.lock().unwrap_or_else(PoisonError::into_inner) = spf;
    }

    /// From now on this is who mail is proven to be from.
    pub fn tell_identity(&self, identity: Identity) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

#[async_trait]
impl Identify for ZoneNames {
    async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault> {
        let Some(name) = self.zone.ptr(origin).await?.into_records().into_iter().next() else {
            return Ok(Reverse::default());
        };
        let confirmed = match origin {
            IpAddr::V4(v4) => self.zone.a(&name).await?.records().contains(&v4),
            IpAddr::V6(v6) => self.zone.aaaa(&name).await?.records().contains(&v6),
        };
        Ok(Reverse::new(Some(name), confirmed))
    }

    async fn spf(&self, _: &Sender) -> Result<Spf, Fault> {
        Ok(self.spf.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn identity(&self, _: &Sender, _: &Spf, _: &Arc<Message>) -> Result<Identity, Fault> {
        Ok(self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reverse_name_is_confirmed_by_its_own_addresses() {
        let zone = Zone::parse("192.0.2.1 PTR a.example\na.example A 192.0.2.1\n192.0.2.2 PTR a.example").unwrap();
        let names = ZoneNames::new(Arc::new(zone));
        let reverse = |text: &str| names.reverse(text.parse().unwrap());
        assert_eq!(
            reverse("192.0.2.1").await,
            Ok(Reverse::new(Some("a.example".into()), true))
        );
        assert_eq!(
            reverse("192.0.2.2").await,
            Ok(Reverse::new(Some("a.example".into()), false))
        );
        assert_eq!(reverse("192.0.2.3").await, Ok(Reverse::default()));
    }
}

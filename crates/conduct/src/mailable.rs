//! Whether a domain can get mail, by DNS (RFC 5321 §5.1, RFC 7505).

use gatepost_core::{Dns, Lookup};

/// What DNS says of a domain that mail is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mailable {
    /// It has MX, or an address.
    Yes,
    /// It says that it has no mail.
    Never,
    /// It has neither MX nor address.
    Nowhere,
    /// DNS has trouble: nobody knows.
    Unknown,
}

/// Asks about a domain: one look-up, and two more where it has no MX.
pub async fn ask(dns: &dyn Dns, domain: &str) -> Mailable {
    match dns.mx(domain).await {
        Err(_) => Mailable::Unknown,
        Ok(Lookup::Found { records, .. }) => match records.as_slice() {
            [only] if only.host.is_empty() || &*only.host == "." => Mailable::Never,
            _ => Mailable::Yes,
        },
        Ok(Lookup::NxDomain { .. }) => Mailable::Nowhere,
        Ok(Lookup::NoData { .. }) => match futures_util::future::join(dns.a(domain), dns.aaaa(domain)).await {
            (Ok(Lookup::Found { .. }), _) | (_, Ok(Lookup::Found { .. })) => Mailable::Yes,
            (Err(_), _) | (_, Err(_)) => Mailable::Unknown,
            _ => Mailable::Nowhere,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_testkit::Zone;

    #[tokio::test]
    async fn mx_or_address_is_enough_and_trouble_is_nobodys_fault() {
        let zone = Zone::parse(
            "mx.example MX 10 a.mx.example\na.example A 192.0.2.1\nsix.example AAAA 2001:db8::1\n\
             never.example MX 0 .\ntxt.example TXT \"x\"\nSERVFAIL broken.example",
        )
        .unwrap();
        for (domain, answer) in [
            ("mx.example", Mailable::Yes),
            ("a.example", Mailable::Yes),
            ("six.example", Mailable::Yes),
            ("never.example", Mailable::Never),
            ("txt.example", Mailable::Nowhere),
            ("none.example", Mailable::Nowhere),
            ("broken.example", Mailable::Unknown),
        ] {
            assert_eq!(ask(&zone, domain).await, answer, "{domain}");
        }
    }
}

//! What several servers offer together. Pure.

use gatepost_core::smtp::Offer;

/// The smaller of two limits; zero and none are no limit.
fn limit(size: Option<u64>) -> u64 {
    size.filter(|size| *size != 0).unwrap_or(u64::MAX)
}

fn size(limit: u64) -> Option<u64> {
    Some(if limit == u64::MAX { 0 } else { limit })
}

fn mechanisms(one: &Offer, other: &Offer) -> Vec<Box<str>> {
    let both = one.auth.iter().filter(|mechanism| other.has_auth(mechanism));
    both.cloned().collect()
}

/// What both hosts of one route offer, since each may have to take the other's mail.
pub fn both(one: &Offer, other: &Offer) -> Offer {
    Offer {
        size: size(limit(one.size).min(limit(other.size))),
        eight_bit_mime: one.eight_bit_mime && other.eight_bit_mime,
        smtputf8: one.smtputf8 && other.smtputf8,
        dsn: one.dsn && other.dsn,
        prdr: one.prdr && other.prdr,
        auth: mechanisms(one, other),
        ..Offer::default()
    }
}

/// What either of two routes offers, since nobody knows yet for whom a client's mail is. What the one that it is for does
/// not offer is left out there (BODY, DSN), or refused to that recipient (SIZE, SMTPUTF8).
pub fn either(one: &Offer, other: &Offer) -> Offer {
    Offer {
        size: size(limit(one.size).max(limit(other.size))),
        eight_bit_mime: one.eight_bit_mime || other.eight_bit_mime,
        smtputf8: one.smtputf8 || other.smtputf8,
        dsn: one.dsn || other.dsn,
        prdr: one.prdr || other.prdr,
        auth: mechanisms(one, other),
        ..Offer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poor() -> Offer {
        Offer::parse(["SIZE 1000", "8BITMIME", "AUTH PLAIN LOGIN"])
    }

    fn rich() -> Offer {
        Offer::parse(["SIZE 5000", "8BITMIME", "SMTPUTF8", "DSN", "AUTH LOGIN SCRAM-SHA-256"])
    }

    #[test]
    fn hosts_of_one_route_offer_what_both_do() {
        let both = both(&poor(), &rich());
        assert_eq!(both.size, Some(1000));
        assert!(both.eight_bit_mime && !both.smtputf8 && !both.dsn);
        assert_eq!(both.auth, ["LOGIN".into()]);
    }

    #[test]
    fn routes_offer_what_either_does_but_passwords_only_as_both_take_them() {
        let either = either(&poor(), &rich());
        assert_eq!(either.size, Some(5000));
        assert!(either.eight_bit_mime && either.smtputf8 && either.dsn);
        assert_eq!(either.auth, ["LOGIN".into()]);
    }

    #[test]
    fn no_limit_is_the_largest() {
        for unlimited in [None, Some(0)] {
            let unlimited = Offer {
                size: unlimited,
                ..Offer::default()
            };
            assert_eq!(either(&poor(), &unlimited).size, Some(0));
            assert_eq!(both(&poor(), &unlimited).size, Some(1000));
        }
    }
}

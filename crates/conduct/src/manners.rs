//! What a client's manners show: pure functions of what the session saw and of what the client calls itself.

use std::net::IpAddr;

use gatepost_core::{Domain, Facts, Helo};

/// Something bad about a client's manners. Each is told once in the life of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trait {
    /// It spoke before it was greeted.
    EarlyTalk,
    /// It sent several commands at once where that was not offered.
    UnaskedPipelining,
    /// Its message had lines that ended in LF alone.
    BareLf,
    /// Its message had a line over 998 octets.
    LongLine,
    /// Its message had a line that nearly is the end of a message, a NUL or a bare CR, and the operator lets that pass.
    NearMiss,
    /// Many of its commands were refused.
    Errors,
    /// What it calls itself is neither a name nor an address literal.
    HeloSyntax,
    /// It calls itself by an address literal that is not its own.
    HeloNotItsOwn,
}

impl Trait {
    /// What the log says.
    pub fn note(self) -> &'static str {
        match self {
            Trait::EarlyTalk => "spoke before the greeting",
            Trait::UnaskedPipelining => "sent commands at once without being offered to",
            Trait::BareLf => "lines end in LF alone",
            Trait::LongLine => "a line over 998 octets",
            Trait::NearMiss => "a line that nearly ends the message, a NUL or a bare CR",
            Trait::Errors => "many refused commands",
            Trait::HeloSyntax => "HELO is neither a name nor an address literal",
            Trait::HeloNotItsOwn => "HELO is the address of somebody else",
        }
    }
}

/// What is known when the client has said who it is.
pub fn at_helo(facts: &Facts, helo: &Helo, origin: IpAddr) -> impl Iterator<Item = Trait> + use<> {
    let early = facts.early_talk.then_some(Trait::EarlyTalk);
    early.into_iter().chain(of_helo(&helo.name, origin))
}

/// What is known when the message is there, and was not known at HELO. Errors count from `many` on.
pub fn at_message(facts: &Facts, many: u32) -> impl Iterator<Item = Trait> + use<> {
    [
        (facts.unasked_pipelining, Trait::UnaskedPipelining),
        (facts.bare_lf, Trait::BareLf),
        (facts.long_line, Trait::LongLine),
        (facts.near_miss || facts.nul || facts.bare_cr, Trait::NearMiss),
        (facts.errors >= many, Trait::Errors),
    ]
    .into_iter()
    .filter_map(|(seen, what)| seen.then_some(what))
}

/// What is wrong with what a client calls itself (RFC 5321 §4.1.1.1: a name, or its own address as a literal).
pub fn of_helo(name: &str, origin: IpAddr) -> Option<Trait> {
    // A trailing dot is a fault of taste, and an address without brackets parses as a name.
    let bare = name.strip_suffix('.').unwrap_or(name);
    let own = |address: IpAddr| (address.to_canonical() != origin.to_canonical()).then_some(Trait::HeloNotItsOwn);
    match Domain::parse(bare, true) {
        Ok(Domain::V4(literal)) => own(literal.into()),
        Ok(Domain::V6(literal)) => own(literal.into()),
        Ok(Domain::Name(_)) if bare.parse::<IpAddr>().is_err() => None,
        _ => Some(Trait::HeloSyntax),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helo(name: &str) -> Option<Trait> {
        of_helo(name, "192.0.2.1".parse().unwrap())
    }

    #[test]
    fn a_name_and_ones_own_address_are_good_manners() {
        for name in [
            "mail.b.example",
            "mail.b.example.",
            "localhost",
            "under_score.example",
            "[192.0.2.1]",
            "[IPv6:::ffff:192.0.2.1]",
        ] {
            assert_eq!(helo(name), None, "{name}");
        }
        assert_eq!(of_helo("[IPv6:2001:DB8::1]", "2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn nonsense_and_a_bare_address_are_not() {
        for name in [
            "192.0.2.1",
            "2001:db8::1",
            "[192.0.2.300]",
            "[192.0.2.1",
            "a..b",
            "-a.example",
            ".",
            "<a>",
            "a,b",
        ] {
            assert_eq!(helo(name), Some(Trait::HeloSyntax), "{name}");
        }
    }

    #[test]
    fn somebody_elses_address_is_not() {
        assert_eq!(helo("[192.0.2.2]"), Some(Trait::HeloNotItsOwn));
        assert_eq!(helo("[127.0.0.1]"), Some(Trait::HeloNotItsOwn));
        assert_eq!(helo("[IPv6:2001:db8::1]"), Some(Trait::HeloNotItsOwn));
    }

    #[test]
    fn each_fact_is_told_once() {
        let mut facts = Facts::default();
        facts.early_talk = true;
        facts.unasked_pipelining = true;
        facts.bare_lf = true;
        facts.near_miss = true;
        facts.nul = true;
        facts.errors = 5;
        let origin = "192.0.2.1".parse().unwrap();
        let helo = Helo {
            name: "a.example".into(),
            extended: true,
        };
        assert_eq!(at_helo(&facts, &helo, origin).collect::<Vec<_>>(), [Trait::EarlyTalk]);
        let all: Vec<_> = at_message(&facts, 5).collect();
        assert_eq!(
            all,
            [Trait::UnaskedPipelining, Trait::BareLf, Trait::NearMiss, Trait::Errors]
        );
        assert!(!at_message(&facts, 6).any(|what| what == Trait::Errors));
    }
}

//! A domain's record (RFC 9989 §4.7): read strictly where it says who it is, leniently in the rest.
//!
//! **Bounds:** a record is read up to [`RECORD_MAX`] octets and as many tags as a list may have. Unknown tags, `pct` among
//! them, are ignored; a tag that cannot be read is as if it were not there, but for a policy: a record with a policy that
//! is none counts only as `p=none`, and only where it asks for reports.

use gatepost_core::{Alignment, DmarcPolicy};

use crate::tags;

/// The most octets of a record that are read.
pub const RECORD_MAX: usize = 4_096;

/// What a record says of public suffixes (`psd=`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Suffix {
    /// It is a public suffix: organisations lie one label below.
    Yes,
    /// It is an organisation.
    No,
    /// It does not say.
    #[default]
    Unknown,
}

/// A record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// `p=`; none where it is missing or no policy, or one of the others is no policy.
    pub p: Option<DmarcPolicy>,
    /// `sp=`.
    pub sp: Option<DmarcPolicy>,
    /// `np=`.
    pub np: Option<DmarcPolicy>,
    /// `adkim=`.
    pub adkim: Alignment,
    /// `aspf=`.
    pub aspf: Alignment,
    /// `psd=`.
    pub psd: Suffix,
    /// `t=y`.
    pub testing: bool,
}

fn policy(value: &[u8]) -> Option<DmarcPolicy> {
    [DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject]
        .into_iter()
        .find(|policy| value.eq_ignore_ascii_case(policy.name().as_bytes()))
}

/// Whether a list of report addresses has one that is an address.
fn has_address(value: &[u8]) -> bool {
    value.split(|&b| b == b',').any(|uri| {
        let uri = uri.trim_ascii();
        let Some((scheme, rest)) = uri.split_at_checked(7) else {
            return false;
        };
        let at = rest.iter().position(|&b| b == b'@');
        scheme.eq_ignore_ascii_case(b"mailto:")
            && at.is_some_and(|at| at > 0 && at + 1 < rest.len())
            && rest.iter().all(|b| b.is_ascii_graphic())
    })
}

impl Record {
    /// Reads a TXT record; `None` if it is none of DMARC.
    pub fn parse(text: &[u8]) -> Option<Record> {
        let text = text.get(..RECORD_MAX).unwrap_or(text);
        let mut parts = tags::parts(text).take(tags::TAGS_MAX);
        if parts.next() != Some(Ok((b"v", b"DMARC1"))) {
            return None;
        }
        let mut record = Record::default();
        let (mut seen, mut reports, mut spoilt): (Vec<&[u8]>, bool, bool) = (Vec::new(), false, false);
        for (name, value) in parts.flatten() {
            // Of a tag that is there twice the first counts: what follows is no part of the grammar.
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let strict = || value.eq_ignore_ascii_case(b"s");
            let alignment = |strict| if strict { Alignment::Strict } else { Alignment::Relaxed };
            match name {
                b"p" | b"sp" | b"np" => {
                    let policy = policy(value);
                    spoilt |= policy.is_none();
                    match name {
                        b"p" => record.p = policy,
                        b"sp" => record.sp = policy,
                        _ => record.np = policy,
                    }
                }
                b"adkim" => record.adkim = alignment(strict()),
                b"aspf" => record.aspf = alignment(strict()),
                b"psd" => {
                    record.psd = match value {
                        b"y" | b"Y" => Suffix::Yes,
                        b"n" | b"N" => Suffix::No,
                        _ => Suffix::Unknown,
                    }
                }
                b"t" => record.testing = value.eq_ignore_ascii_case(b"y"),
                b"rua" => reports |= has_address(value),
                _ => {}
            }
        }
        if spoilt || record.p.is_none() {
            (record.p, record.sp, record.np) = (reports.then_some(DmarcPolicy::None), None, None);
        }
        Some(record)
    }

    /// The policy for mail that claims to be from the record's own domain.
    pub fn for_domain(&self) -> Option<DmarcPolicy> {
        self.p.map(|policy| self.weighed(policy))
    }

    /// The policy for a domain below, which exists or does not.
    pub fn for_below(&self, exists: bool) -> Option<DmarcPolicy> {
        let p = self.p?;
        let existing = self.sp.unwrap_or(p);
        let policy = if exists { existing } else { self.np.unwrap_or(existing) };
        Some(self.weighed(policy))
    }

    /// Whether it matters if a domain below exists.
    pub fn asks_whether_below_exists(&self) -> bool {
        self.np.is_some() && self.for_below(true) != self.for_below(false)
    }

    fn weighed(&self, policy: DmarcPolicy) -> DmarcPolicy {
        match (self.testing, policy) {
            (true, DmarcPolicy::Reject) => DmarcPolicy::Quarantine,
            (true, _) => DmarcPolicy::None,
            (false, policy) => policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use DmarcPolicy::{None as Nothing, Quarantine, Reject};

    fn read(text: &str) -> Record {
        Record::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn a_record_begins_with_its_version() {
        for text in ["v=DMARC1", "v=DMARC1;", " v = DMARC1 ; p=none", "v=DMARC1;p=reject"] {
            assert!(Record::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            "v=dmarc1; p=none",
            "v=DMARC2; p=none",
            "p=none; v=DMARC1",
            "V=DMARC1",
            "v=spf1 -all",
        ] {
            assert_eq!(Record::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn each_tag_says_what_it_says() {
        let record = read("v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=s; aspf=S; psd=n; t=y; pct=0; x=y; junk");
        let want = Record {
            p: Some(Reject),
            sp: Some(Quarantine),
            np: Some(Nothing),
            adkim: Alignment::Strict,
            aspf: Alignment::Strict,
            psd: Suffix::No,
            testing: true,
        };
        assert_eq!(record, want);
        let odd = read("v=DMARC1; p=reject; adkim=x; aspf=; psd=maybe; t=1; rua=;");
        assert_eq!((odd.adkim, odd.aspf, odd.psd, odd.testing), Default::default());
    }

    #[test]
    fn a_missing_or_odd_policy_is_none_where_reports_are_asked_for_and_nothing_else() {
        for policy in ["", "p=", "p=maybe", "p=reject; sp=maybe", "p=reject; np=x"] {
            assert_eq!(read(&format!("v=DMARC1; {policy}")).for_domain(), None, "{policy}");
            let asked = read(&format!("v=DMARC1; {policy}; rua=mailto:a@b.example"));
            assert_eq!((asked.for_domain(), asked.sp), (Some(Nothing), None), "{policy}");
        }
        for rua in ["a@b.example", "mailto:", "mailto:a", "https://b.example", "mailto:a@"] {
            assert_eq!(read(&format!("v=DMARC1; rua={rua}")).p, None, "{rua}");
        }
        assert_eq!(read("v=DMARC1; rua=x, mailto:a@b.example!10m").p, Some(Nothing));
    }

    #[test]
    fn subdomains_have_their_own_policies_and_a_test_is_one_level_lower() {
        let table = [
            ("p=reject", [Reject, Reject, Reject]),
            ("p=reject; sp=none", [Reject, Nothing, Nothing]),
            ("p=none; np=reject", [Nothing, Nothing, Reject]),
            ("p=none; sp=quarantine; np=reject", [Nothing, Quarantine, Reject]),
            ("p=reject; t=y", [Quarantine, Quarantine, Quarantine]),
            ("p=quarantine; np=reject; t=y", [Nothing, Nothing, Quarantine]),
        ];
        for (text, want) in table {
            let record = read(&format!("v=DMARC1; {text}"));
            let got = [record.for_domain(), record.for_below(true), record.for_below(false)];
            assert_eq!(got, want.map(Some), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not_and_unknown_tags_change_nothing(
            text in "(v=DMARC1)?[;a-z= ]{0,60}", octets in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            let _ = Record::parse(&octets);
            if let Some(record) = Record::parse(text.as_bytes()) {
                prop_assert_eq!(Record::parse(format!("{text}; zz=1").as_bytes()), Some(record));
            }
        }
    }
}

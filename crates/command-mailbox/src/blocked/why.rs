//! Why a mail was refused or kept back, in a few kinds that people tell apart.

use gatepost_core::{Tag, Terms};

/// Why a mail was refused or kept back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Why {
    /// Something in it is dangerous.
    Danger,
    /// It carries a file of a kind that is not taken.
    Attachment,
    /// It could not be checked for what is dangerous.
    Unchecked,
    /// Its sender is on a list of unwanted ones, the reader's or the site's.
    Denied,
    /// Where it comes from is on a list of spam sources.
    Listed,
    /// It does not come from whom it says.
    Forged,
    /// Its content looks like spam.
    Content,
    /// The server that sent it behaves as those of spammers do.
    Manners,
    /// The mail server did not take it.
    Server,
    /// There is no such recipient.
    Nobody,
    /// A rule of the site.
    Rule,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 11] = [
        Why::Danger,
        Why::Attachment,
        Why::Unchecked,
        Why::Denied,
        Why::Listed,
        Why::Forged,
        Why::Content,
        Why::Manners,
        Why::Server,
        Why::Nobody,
        Why::Rule,
    ];

    /// Its name in the files of words.
    pub const fn name(self) -> &'static str {
        match self {
            Why::Danger => "danger",
            Why::Attachment => "attachment",
            Why::Unchecked => "unchecked",
            Why::Denied => "denied",
            Why::Listed => "listed",
            Why::Forged => "forged",
            Why::Content => "content",
            Why::Manners => "manners",
            Why::Server => "server",
            Why::Nobody => "nobody",
            Why::Rule => "rule",
        }
    }

    /// What a finding is about; none where it speaks for a mail, or only says how much points there are.
    fn of_tag(tag: &str) -> Option<Why> {
        let (filter, name) = tag.split_once('.').unwrap_or((tag, ""));
        Some(match (filter, name) {
            // A filter that failed has said nothing else.
            (_, "fault")
            | ("clamav" | "icap", "unscanned" | "too_large")
            | ("attachments", "unread" | "damaged" | "bounds") => Why::Unchecked,
            ("clamav" | "icap", _) => Why::Danger,
            ("attachments", _) => Why::Attachment,
            ("whitelist", "denied" | "denied_author" | "deny" | "reject") => Why::Denied,
            ("whitelist", "refuted") => Why::Forged,
            ("whitelist" | "resend", _) => return None,
            ("dnsbl", _) => Why::Listed,
            ("spf_dkim_dmarc", _) | ("conduct", "forged_sender" | "forged_author" | "helo_ours") => Why::Forged,
            ("conduct", _) | ("greylist", _) => Why::Manners,
            ("bayes" | "hmm" | "ngram", _) => Why::Content,
            ("upstream", _) => Why::Server,
            ("policy", "unknown_recipient" | "known_unknown") => Why::Nobody,
            // The step that the points reached: what gave them says more.
            ("policy", "low" | "medium" | "high" | "none") => return None,
            _ => Why::Rule,
        })
    }

    /// By what decided, the weightiest first, and by why a copy is kept, where one is.
    pub fn of(because: &[Tag], kept: Option<&str>) -> Why {
        let of_tags = || because.iter().find_map(|tag| Why::of_tag(tag.as_str()));
        match kept {
            Some(Terms::DANGEROUS) => of_tags()
                .filter(|why| matches!(why, Why::Attachment | Why::Unchecked))
                .unwrap_or(Why::Danger),
            Some("undelivered") => Why::Server,
            _ => of_tags().unwrap_or(Why::Content),
        }
    }

    /// Whether such mail is left out where nobody says what to leave out: there is nothing in it to want, or it is known that
    /// its sender is not wanted. A file that is not let in, and what could not be checked, may well be wanted.
    pub const fn is_left_out(self) -> bool {
        matches!(self, Why::Danger | Why::Denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weightiest_finding_that_tells_something_is_the_reason() {
        let of = |tags: &[&str], kept| {
            let tags: Vec<Tag> = tags.iter().map(|tag| Tag::owned((*tag).into())).collect();
            Why::of(&tags, kept)
        };
        assert_eq!(
            of(&["dnsbl.spamcop", "bayes.odds", "policy.high"], Some("refused")),
            Why::Listed
        );
        assert_eq!(of(&["policy.high", "hmm.odds"], None), Why::Content);
        assert_eq!(of(&["whitelist.contact", "conduct.no_reverse"], None), Why::Manners);
        assert_eq!(of(&["whitelist.denied"], None), Why::Denied);
        assert_eq!(of(&["policy.unknown_recipient"], None), Why::Nobody);
        assert_eq!(of(&["upstream.rcpt"], None), Why::Server);
        assert_eq!(of(&["acme.odd"], None), Why::Rule);
        assert_eq!(of(&[], Some("held")), Why::Content);
        assert_eq!(of(&[], Some("dangerous")), Why::Danger);
        assert_eq!(of(&["attachments.blocked"], Some("dangerous")), Why::Attachment);
        assert_eq!(
            of(&["clamav.fault"], Some("dangerous")),
            Why::Unchecked,
            "nobody knows what is in it"
        );
        assert_eq!(of(&["whitelist.deny"], None), Why::Denied);
        assert_eq!(of(&["acme.virus"], Some("dangerous")), Why::Danger);
    }
}

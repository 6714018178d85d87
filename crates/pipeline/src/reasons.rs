//! Findings in plain words: what the sender of a refused mail and the one it was for are told.
//!
//! **Invariants:** every tag has its words, those of filters that nobody here knows included; the words are a sentence about
//! the mail ("Its content looks like spam"), printable ASCII of at most [`REASON_MAX`] octets, without a full stop at their
//! end. **Absent on purpose:** notes, points and names of lists, which the log has, and whatever a stranger wrote.

use gatepost_core::Tag;

/// The most octets of a reason.
pub const REASON_MAX: usize = 80;

const CONTENT: &str = "Its content looks like spam";
const LISTED: &str = "Its sender or a link in it is on a list of spam sources";
const FORGED: &str = "It does not come from whom it says";
const AUTHOR: &str = "It does not clearly say whom it is from";
const SERVER: &str = "The server that sent it is not set up as a mail server should be";
const DANGEROUS: &str = "A file in it may be dangerous";
const UNREADABLE: &str = "A file in it could not be looked into";
const UNSCANNED: &str = "It could not be checked for viruses";
const UNCHECKED: &str = "It could not be checked at that time";
const DENIED: &str = "Its sender is on a list of those whose mail is not wanted";
const WELCOME: &str = "Its sender is on a list of those whose mail is welcome";
const NO_RECIPIENT: &str = "There is no such recipient";
const APART: &str = "Its recipients take a mail of their own";
const SPAM: &str = "It looks like spam";
const OTHER: &str = "A check of this mail server speaks against it";

/// What a finding or a rule means, in plain words.
pub fn plain(tag: &Tag) -> &'static str {
    let (filter, what) = tag.as_str().split_once('.').unwrap_or((tag.as_str(), ""));
    // Where a filter failed, `because` gives its name and this.
    if what == "fault" {
        return UNCHECKED;
    }
    match filter {
        "bayes" | "hmm" | "ngram" => CONTENT,
        "dnsbl" => dnsbl(what),
        "spf_dkim_dmarc" => proofs(what),
        "conduct" => conduct(what),
        "greylist" => "Its sender is new here and shall send it once more, some minutes later",
        "whitelist" => match what {
            "denied" | "denied_author" | "reject" | "deny" => DENIED,
            "refuted" => FORGED,
            _ => WELCOME,
        },
        "attachments" => attachments(what),
        "clamav" | "icap" => match what {
            "found" | "reject" => "It carries a virus",
            "heuristic" => "A virus scanner takes it for dangerous",
            "too_large" => "It is too large to be checked for viruses",
            _ => UNSCANNED,
        },
        "resend" => "It came with the code of an earlier refusal",
        "policy" => policy(what),
        "upstream" if what == "away" => "The mail server did not answer",
        "upstream" => "The mail server did not accept this recipient",
        _ => OTHER,
    }
}

/// The plain words for a list of reasons, the weightiest first: those of the first that says more than how much it weighs.
pub fn first<'a>(because: impl IntoIterator<Item = &'a Tag>) -> &'static str {
    let says_more = |tag: &&Tag| !tag.as_str().starts_with("policy.");
    let mut because = because.into_iter().peekable();
    match because.peek() {
        // A rule that stands alone is the reason.
        Some(tag) if !is_level(tag) && tag.as_str().starts_with("policy.") => plain(tag),
        _ => because.find(says_more).map_or(SPAM, plain),
    }
}

/// The same as a sender is told it: without what a person's own list says.
pub fn for_the_sender(because: &[Tag]) -> &'static str {
    first(because.iter().filter(|tag| !tag.as_str().starts_with("whitelist.")))
}

fn is_level(tag: &Tag) -> bool {
    matches!(
        tag.as_str(),
        "policy.none" | "policy.low" | "policy.medium" | "policy.high"
    )
}

fn dnsbl(what: &str) -> &'static str {
    match what {
        "disguised_link" | "other_shown" => "A link in it leads elsewhere than it shows",
        "shortener" => "It hides where its links lead",
        "too_many_links" => "It has very many links",
        "unread" | "broken" => "Its links could not be read",
        "unusable" => UNCHECKED,
        _ => LISTED,
    }
}

fn proofs(what: &str) -> &'static str {
    match what {
        "spf_fail" | "spf_softfail" => "It comes from a server that may not send for its sender",
        "spf_none" | "spf_permerror" => "Nothing says which servers may send for its sender",
        "spf_temperror" | "dmarc_temperror" => "Whom it comes from could not be checked at that time",
        "dkim_fail" => "Its signature is forged, or it was changed on its way",
        "many_signatures" => "It has very many signatures",
        "author_ambiguous" => AUTHOR,
        "aligned" | "spf_forgiven" | "dmarc_forwarded" | "dmarc_vouched" => "It comes from whom it says",
        _ => FORGED,
    }
}

fn conduct(what: &str) -> &'static str {
    match what {
        "forged_sender" | "forged_author" => FORGED,
        "no_author" | "several_authors" => AUTHOR,
        "no_message_id" | "no_date" | "no_to" | "bare_lf" | "long_line" | "near_miss" => {
            "It is not written as mail programs write"
        }
        "sender_domain" | "null_mx" => "Nobody could answer to the address of its sender",
        "twice" => "It names a recipient twice",
        "trap" => "It was also sent to an address that only spammers know",
        "reputation" => "Much unwanted mail came from its server before",
        "banned" => "Its server is turned away for a while for what it sent before",
        "rate" => "Its server sends more at once than is allowed",
        _ => SERVER,
    }
}

fn attachments(what: &str) -> &'static str {
    match what {
        "encrypted" => "A file in it is locked with a password",
        "damaged" | "unread" | "bounds" => UNREADABLE,
        "audio" | "video" | "blocked" => "A file in it is of a kind that is not accepted here",
        "mismatch" | "disguised_name" => "A file in it is not what its name says",
        "partial" | "external_body" | "ambiguous" | "mime" => "It is put together in a way that hides what is in it",
        _ => DANGEROUS,
    }
}

fn policy(what: &str) -> &'static str {
    match what {
        "relay" => "No mail for this recipient is taken here",
        "unknown_recipient" | "known_unknown" => NO_RECIPIENT,
        "no_route" => "There is no way to its mail server at the moment",
        "other_route" | "other_class" => APART,
        "loop" => "It goes round in a loop",
        "author" => "It names an author that its sender may not write for",
        "spam_lover" => "It is for somebody who wants all mail, unwanted or not",
        "role_account" => "It is for an address that takes all mail",
        "low" | "medium" | "high" => SPAM,
        "none" => "Nothing speaks against it",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tags: &[&'static str]) -> Vec<Tag> {
        tags.iter().map(|tag| Tag::new(tag)).collect()
    }

    #[test]
    fn the_weightiest_finding_is_the_reason_and_the_level_says_least() {
        let tags = said(&["bayes.odds", "dnsbl.zen", "policy.high"]);
        assert_eq!(first(&tags), CONTENT);
        assert_eq!(first(&said(&["policy.high"])), SPAM);
        assert_eq!(first(&[]), SPAM);
        assert_eq!(first(&said(&["policy.loop"])), "It goes round in a loop");
        assert_eq!(
            first(&said(&["policy.role_account", "policy.low"])),
            policy("role_account")
        );
    }

    #[test]
    fn the_sender_is_not_told_what_a_persons_own_list_says() {
        let tags = said(&["whitelist.denied_author", "conduct.no_date", "policy.high"]);
        assert_eq!(first(&tags), DENIED);
        assert_eq!(for_the_sender(&tags), "It is not written as mail programs write");
        assert_eq!(for_the_sender(&said(&["whitelist.denied_author", "policy.high"])), SPAM);
    }

    #[test]
    fn listed_and_forged_senders_and_viruses_are_told_apart() {
        for (tag, words) in [
            ("dnsbl.zen", LISTED),
            ("dnsbl.some-list-of-ours", LISTED),
            ("dnsbl.shortener", "It hides where its links lead"),
            ("spf_dkim_dmarc.dmarc_reject", FORGED),
            ("spf_dkim_dmarc.own_domain", FORGED),
            ("conduct.forged_author", FORGED),
            ("conduct.helo_syntax", SERVER),
            ("clamav.found", "It carries a virus"),
            ("clamav.fault", UNCHECKED),
            ("icap.found", "It carries a virus"),
            ("attachments.bomb", DANGEROUS),
            ("upstream.away", "The mail server did not answer"),
            ("upstream.rcpt", "The mail server did not accept this recipient"),
        ] {
            assert_eq!(plain(&Tag::new(tag)), words, "{tag}");
        }
    }

    #[test]
    fn every_tag_has_plain_words_in_one_short_line() {
        let known = [
            "policy.relay",
            "policy.no_route",
            "policy.known_unknown",
            "policy.other_class",
            "policy.author",
            "policy.none",
            "greylist.waiting",
            "conduct.rate",
            "conduct.trap",
            "conduct.twice",
            "conduct.banned",
            "conduct.null_mx",
            "conduct.reputation",
            "clamav.too_large",
            "clamav.heuristic",
            "clamav.unscanned",
            "attachments.partial",
            "attachments.disguised_name",
            "attachments.video",
            "attachments.damaged",
            "attachments.encrypted",
            "spf_dkim_dmarc.spf_fail",
            "spf_dkim_dmarc.spf_none",
            "spf_dkim_dmarc.dkim_fail",
            "spf_dkim_dmarc.aligned",
            "dnsbl.too_many_links",
            "dnsbl.other_shown",
            "dnsbl.broken",
            "resend.code",
            "whitelist.contact",
            "acme.dots",
            "nonsense",
            "",
            ".",
        ];
        for tag in known {
            let words = plain(&Tag::new(tag));
            assert!(!words.is_empty() && words.len() <= REASON_MAX, "{tag}: {words}");
            assert!(words.bytes().all(|b| matches!(b, b' '..=b'~')), "{tag}: {words}");
            assert!(!words.ends_with('.') && !words.contains(['{', '}']), "{tag}: {words}");
        }
    }
}

//! The standard set is what it is meant to be.

use gatepost_filters as _;

#[test]
fn the_standard_set_is_this() {
    let names: Vec<_> = gatepost_core::registry().expect("a registry").into_keys().collect();
    assert_eq!(
        names,
        [
            "attachments",
            "bayes",
            "clamav",
            "command_mailbox",
            "conduct",
            "dnsbl",
            "greylist",
            "hmm",
            "icap",
            "ngram",
            "resend",
            "spf_dkim_dmarc",
            "whitelist"
        ]
    );
}

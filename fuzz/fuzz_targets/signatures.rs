//! Any mail has an author or none, at most five signatures that are looked at, and a chain of ARC that is whole or not; any
//! octets are a key or none; and a body is hashed alike wherever it is cut.
#![no_main]

use gatepost_core::Author;
use gatepost_message::Message;
use gatepost_spf_dkim_dmarc::canon::{Body, without_signature};
use gatepost_spf_dkim_dmarc::claim::{Claim, Kind, NAMES_MAX};
use gatepost_spf_dkim_dmarc::dkim::{Canonicalization, Plan, SIGNATURES_MAX};
use gatepost_spf_dkim_dmarc::fields::Fields;
use gatepost_spf_dkim_dmarc::key::Key;
use gatepost_spf_dkim_dmarc::{arc, names};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for kind in [Kind::Dkim, Kind::ArcMessage, Kind::ArcSeal] {
        if let Ok(claim) = Claim::parse(kind, data) {
            assert!(claim.names.len() <= NAMES_MAX && names::is_name(&claim.key_name()));
            assert!(claim.agent.is_none_or(|agent| names::is_within(&agent, &claim.domain)));
        }
    }
    let bare = without_signature(data);
    assert_eq!(without_signature(&bare), bare);
    let _ = Key::parse(data);
    let message = Message::from_bytes(data.to_vec());
    let headers = message.headers();
    let plan = Plan::of(headers, Some("b.example"));
    let all = headers.all("DKIM-Signature").count();
    assert_eq!(plan.candidates.len(), all.min(SIGNATURES_MAX));
    assert_eq!(plan.left as usize, all - plan.candidates.len());
    if matches!(Author::of(headers), Author::One(_)) {
        assert_eq!(headers.all("From").count(), 1);
    }
    if let arc::Found::Sets(sets) = arc::find(headers) {
        assert!((1..=arc::SETS_MAX).contains(&sets.count()) && sets.key_names().all(|name| names::is_name(&name)));
        let _ = sets.vouch(headers, &|_| true, "b.example");
    }
    let fields = Fields::of(headers);
    let wanted: Vec<String> = headers
        .iter()
        .map(|one| String::from_utf8_lossy(one.name()).to_lowercase())
        .collect();
    assert_eq!(fields.signed(&wanted).len(), headers.len());
    for form in [Canonicalization::Simple, Canonicalization::Relaxed] {
        let mut whole = Body::new(form, None);
        whole.write(data);
        let mut cut = Body::new(form, None);
        data.chunks(7).for_each(|piece| cut.write(piece));
        assert_eq!(whole.finish(), cut.finish());
    }
});

//! By what the same mail, and nearly the same mail, is known again: from its features, which are keyed hashes.
//!
//! **Absent on purpose:** text. Two mails that no classifier can tell apart are the same mail here.

use gatepost_core::Seed;

use crate::entry::{Named, SKETCH};

/// How many parts of two sketches must be equal in nearly the same mail: about half of their features are the same then.
pub const ALIKE: usize = 4;

/// What the same mail has again.
pub fn identity(seed: Seed, features: &Named) -> u64 {
    let mut octets = Vec::with_capacity(features.iter().map(|(_, one)| 8 + one.hashes.len() * 8).sum());
    for (name, features) in features {
        octets.extend_from_slice(name.as_bytes());
        octets.extend_from_slice(&features.extractor.to_le_bytes());
        for hash in &features.hashes {
            octets.extend_from_slice(&hash.to_le_bytes());
        }
    }
    seed.hash(&[b"identity", &octets])
}

/// What nearly the same mail has nearly the same: of each eighth of all hashes the smallest that occurs.
pub fn sketch(features: &Named) -> [u32; SKETCH] {
    let mut least = [u32::MAX; SKETCH];
    for hash in features.iter().flat_map(|(_, features)| &features.hashes) {
        // Some classifiers use few bits of their hashes: spread them.
        let spread = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let part = (spread >> 61) as usize;
        if let Some(least) = least.get_mut(part) {
            *least = (*least).min((spread >> 16) as u32);
        }
    }
    least
}

/// Whether two sketches are of nearly the same mail. Of a part in which neither has a feature nothing is known.
pub fn alike(one: &[u32; SKETCH], other: &[u32; SKETCH]) -> bool {
    let same = |(one, other): &(&u32, &u32)| one == other && **one != u32::MAX;
    one.iter().zip(other).filter(same).count() >= ALIKE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    use gatepost_core::message::{Edits, Message};
    use gatepost_core::{
        Client, Direction, Envelope, Features, Helo, Learner, Level, MailParams, Path, RcptParams, Recipient,
        RecipientId, Score, Spf, SpfResult, Visit,
    };
    use gatepost_pipeline::policy::Rules;
    use gatepost_pipeline::stamp::{self, Ours, Stamp};

    fn mail(hashes: impl Iterator<Item = u64>) -> Named {
        let hashes = hashes.map(|n| n.wrapping_mul(0xd6e8_feb8_6659_fd93)).collect();
        vec![("one".into(), Features { extractor: 1, hashes })]
    }

    #[test]
    fn a_mail_with_a_few_other_words_is_alike_and_another_mail_is_not() {
        let first = sketch(&mail(0..1_000));
        let changed = sketch(&mail((0..950).chain(5_000..5_050)));
        let other = sketch(&mail(20_000..21_000));
        assert!(alike(&first, &changed) && alike(&first, &first));
        assert!(!alike(&first, &other));
        assert!(
            !alike(&sketch(&mail(0..0)), &sketch(&mail(0..0))),
            "of nothing nothing is known"
        );
    }

    #[test]
    fn the_same_features_are_the_same_mail_for_this_installation() {
        let (one, other) = (Seed::new([1; 16]), Seed::new([2; 16]));
        assert_eq!(identity(one, &mail(0..9)), identity(one, &mail(0..9)));
        assert_ne!(identity(one, &mail(0..9)), identity(one, &mail(0..8)));
        assert_ne!(identity(one, &mail(0..9)), identity(other, &mail(0..9)));
    }

    fn features(message: &Message) -> Named {
        let seed = Seed::new([1; 16]);
        let members: [(&str, Box<dyn Learner>); 3] = [
            ("bayes", Box::new(gatepost_bayes::Model::new(seed))),
            ("hmm", Box::new(gatepost_hmm::model::Model::new(seed))),
            ("ngram", Box::new(gatepost_ngram::model::Model::new(seed))),
        ];
        let named = members
            .iter()
            .map(|(name, one)| ((*name).into(), one.features(message)));
        named.collect()
    }

    /// The mail as it lies in a mailbox: stamped by us, and with what a server behind us puts above that.
    fn delivered(message: &Message, level: Level) -> Message {
        let client = Client::new("192.0.2.7".parse().expect("an address"), 4711);
        let mut visit = Visit::new(Direction::Inbound, "mx".into(), client);
        visit.helo = Some(Helo {
            name: "mail.client.example".into(),
            extended: true,
        });
        let mut envelope = Envelope::new(Path::Null, MailParams::default());
        let path = Path::forward("ann@d.example", false).expect("a path");
        let params = RcptParams::default();
        envelope.recipients.push(Recipient::new(RecipientId(0), path, params));
        let stamp = Stamp {
            ours: &Ours::new("gate.d.example"),
            visit: &visit,
            envelope: &envelope,
            id: "x1",
            seed: Seed::new([7; 16]),
            at_millis: 0,
            reverse: None,
            spf: Some(&Spf::new(SpfResult::Fail, None, None)),
            identity: None,
        };
        let rules = Rules::default();
        let (mut edits, _) = stamp.edits(&rules, message);
        edits.extend(stamp::marks(&rules, level, Score::points(7), None, None));
        let mut octets = b"Return-Path: <>\r\nDelivered-To: ann@d.example\r\nReceived: from gate.d.example \
            (gate.d.example [192.0.2.1])\r\n\tby mail.d.example (Postfix) with ESMTP id 5ABC\r\n\t\
            for <ann@d.example>; Thu, 26 Nov 2026 10:00:02 +0000 (UTC)\r\n"
            .to_vec();
        let edited = Edits::from(edits).apply(message);
        edited.read().read_to_end(&mut octets).expect("in memory");
        Message::from_bytes(octets)
    }

    #[test]
    fn a_mail_in_a_mailbox_is_the_same_mail_that_came() {
        let seed = Seed::new([1; 16]);
        for (subject, words) in [
            ("Subject: hello\r\n", 10),
            ("Subject: hello\r\n", 700),
            ("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", 40),
            ("Subject: Gr\u{fc}\u{df}e\r\n", 90),
            ("X-Spam-Status: No\r\n", 170),
            ("Subject:\r\n", 390),
        ] {
            let came = Message::from_bytes(format!(
                "Received: from a.example by b.example with ESMTP id 7; today\r\nFrom: bob@b.example\r\n{subject}\
                 To: ann@d.example\r\n\r\n{}\r\n",
                "word ".repeat(words)
            ));
            for level in [Level::None, Level::Low, Level::Medium, Level::High] {
                let kept = delivered(&came, level);
                let (came, kept) = (features(&came), features(&kept));
                assert_eq!(came, kept, "{subject} {words} {level:?}");
                assert_eq!(identity(seed, &came), identity(seed, &kept));
            }
        }
    }
}

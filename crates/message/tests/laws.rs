//! What holds for any octets, any edits and any words of strangers.

mod oracle;

use bytes::Bytes;
use gatepost_message::{
    Edit, Edits, Field, Message, Name, Protocol, Received, Results, SignedNames, SubjectTag, SubjectWord, received,
    results, split,
};
use oracle::{US, is_one_field, octets};
use proptest::prelude::*;

const CASES: u32 = 20_000;

/// Mail that is nasty on purpose: whole fields, pieces of fields, line ends of all kinds, any octets.
fn mail() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", ":", ".", "\0", "\u{e4}", ";", "(", ")", "\"",
            "\\", ">", "From ", "From a@b Thu\r\n", "X-Spam-A", "Subject", "h=", "by ", US, "text", "[SPAM]",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        5 => prop::sample::select(vec![
            "From: a@b.example\r\n", "Subject: hi\r\n", "subject :\r\n", "Subject: one\r\n two\r\n",
            "X-Spam-A: 1\r\n", "X-SPAM-B:\r\n\t2\r\n", "X-Gatepost-C: 3\r\n", "X: y\r\n",
            "Authentication-Results: gate.example.org; spf=pass\r\n",
            "Authentication-Results: (c) \"Gate.Example.org\" 1;\r\n spf=pass\r\n",
            "Authentication-Results: other; spf=pass\r\n", "DKIM-Signature: h=From:X-Spam-A:subject; b=x\r\n",
            "Received: from a by gate.example.org; Thu\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "Subject",
        "X-Spam-A",
        "x",
        "From",
        "authentication-results",
        "X-New",
    ])
    .prop_map(str::to_owned)
}

/// Words of strangers.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ a-z\r\n\0\t:;()\"<>\\[\\]@.=?\u{e4}\u{2028}]{0,120}",
        "[a-z ]{0,1200}",
        (0_usize..3_000, any::<char>()).prop_map(|(n, c)| c.to_string().repeat(n)),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (name(), words()).prop_map(|(name, value)| Edit::prepend(name, &value).unwrap()),
        name().prop_map(|name| Edit::remove(name).unwrap()),
        (name(), name()).prop_map(|(name, to)| Edit::rename(name, to).unwrap()),
        prop::sample::select(vec!["[SPAM]", "*** x ***"]).prop_map(|tag| Edit::Subject(SubjectTag::new(tag).unwrap())),
        word().prop_map(|word| Edit::SubjectWithout(SubjectWord::new(&word).unwrap())),
        Just(Edit::Separate),
    ]
}

/// Words that stand in the nasty Subjects, and some that do not.
fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["hi", "one", "two", "text", "[SPAM]", ":", "absent"]).prop_map(str::to_owned)
}

/// The words of a value: what stands between spaces, tabs and line ends.
fn words_of(value: &[u8]) -> Vec<Vec<u8>> {
    let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    value
        .split(space)
        .filter(|word| !word.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn removes(edits: &[Edit], field: &[u8]) -> bool {
    edits.iter().any(|edit| match edit {
        Edit::Remove { name, .. } => field.eq_ignore_ascii_case(name.as_str().as_bytes()),
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn viewing_changes_no_octet(bytes in mail()) {
        oracle::viewing_changes_no_octet(&bytes);
    }

    #[test]
    fn the_head_ends_where_the_slow_rule_says(bytes in mail()) {
        oracle::the_head_ends_where_the_slow_rule_says(&bytes);
    }

    #[test]
    fn the_view_is_total(bytes in prop_oneof![mail(), prop::collection::vec(any::<u8>(), 0..300)], name in ".{0,8}") {
        // Whatever head a caller hands in, split or not.
        for head in [bytes.clone(), bytes[..split(&bytes)].to_vec()] {
            let message = Message::new(head.into(), std::sync::Arc::new(Bytes::from(bytes.clone())));
            let headers = message.headers();
            for header in headers.iter() {
                let _ = (header.name(), header.unfolded(), header.value(), header.is(&name));
                prop_assert_eq!(header.lines(), header.raw().split_inclusive(|&b| b == b'\n').count());
                let _ = results::authserv_id(header.value());
            }
            let _ = (headers.get(&name), received::received_count(headers), received::names_us(headers, US));
            let _ = (SignedNames::of(headers), message.excess(), message.unseparated());
            let edits: Edits = [Edit::prepend("X", "y").unwrap(), Edit::remove("Subject").unwrap(), Edit::Separate]
                .into_iter()
                .collect();
            prop_assert!(octets(&edits.apply(&message)).ends_with(&bytes));
        }
    }

    #[test]
    fn prepending_only_puts_octets_before_the_original(bytes in mail(), values in prop::collection::vec(words(), 1..4)) {
        let message = Message::from_bytes(bytes.clone());
        let fields: Vec<Field> =
            values.iter().map(|value| Field::text(&Name::new("X-Us").unwrap(), value)).collect();
        let edits: Edits = fields.iter().cloned().map(Edit::Prepend).collect();
        let edited = edits.apply(&message);
        let mbox = message.headers().mbox_line().unwrap_or_default();
        let out = octets(&edited);
        prop_assert!(!edited.touched() && out.starts_with(mbox) && out.ends_with(&bytes[mbox.len()..]));
        prop_assert_eq!(edited.head().as_ptr(), message.head()[mbox.len()..].as_ptr());
        let added = &out[mbox.len()..out.len() - (bytes.len() - mbox.len())];
        let ours: Vec<u8> = fields.iter().flat_map(|field| field.as_bytes().to_vec()).collect();
        let lead: &[u8] = if mbox.is_empty() || mbox.ends_with(b"\n") { b"" } else { b"\r\n" };
        let plain = [lead, &ours].concat();
        prop_assert!(added == plain || added == [&plain, &b"\r\n"[..]].concat());
        // The fields that came are seen as before, under ours.
        let again = Message::from_bytes(out);
        let seen: Vec<_> = again.headers().iter().map(|header| header.raw().to_vec()).collect();
        let came = message.headers().iter().map(|header| header.raw().to_vec());
        let wanted: Vec<_> = fields.iter().map(|field| field.as_bytes().to_vec()).chain(came).collect();
        prop_assert!(seen == wanted);
    }

    #[test]
    fn what_no_edit_touches_stays_in_octets_and_order(bytes in mail(), edits in prop::collection::vec(edit(), 0..5)) {
        let message = Message::from_bytes(bytes.clone());
        let edited = Edits::from(edits.clone()).apply(&message);
        let out = octets(&edited);
        prop_assert!(out.ends_with(message.body().whole().unwrap()));
        prop_assert_eq!(out.len() as u64, edited.len());
        if edits.is_empty() {
            prop_assert_eq!(&out, &bytes);
        }

        let again = Message::from_bytes(out);
        prop_assert_eq!(again.body().whole(), message.body().whole());
        prop_assert_eq!(again.headers().mbox_line().map(<[u8]>::trim_ascii_end), message.headers().mbox_line().map(<[u8]>::trim_ascii_end));
        let touched = |field: &[u8]| removes(&edits, field) || edits.iter().any(|edit| match edit {
            Edit::Rename { name, .. } => field.eq_ignore_ascii_case(name.as_str().as_bytes()),
            Edit::Subject(_) | Edit::SubjectWithout(_) => field.eq_ignore_ascii_case(b"Subject"),
            _ => false,
        });
        let mut seen = again.headers().iter().map(|header| header.raw());
        for header in message.headers().iter().filter(|header| !touched(header.name())) {
            prop_assert!(seen.any(|raw| raw == header.raw()), "lost or moved: {:?}", header.raw());
        }
        let removed = message.headers().iter().filter(|header| removes(&edits, header.name())).count();
        let prepended = edits.iter().filter(|edit| matches!(edit, Edit::Prepend(_))).count();
        let tagged = again.headers().len() + removed - prepended - message.headers().len();
        prop_assert!(tagged <= 1, "only a tag adds a field, the original or the new Subject");
    }

    #[test]
    fn a_word_goes_out_of_the_subject_and_nothing_else_does(bytes in mail(), pieces in prop::collection::vec(
        prop::sample::select(vec!["hi", "two", "one", " ", "\t", "\r\n ", "\n\t", "  ", ":", "\r", "\u{e4}"]), 0..12,
    ), word in word()) {
        let bytes = [format!("Subject:{}\r\n", pieces.concat()).as_bytes(), &bytes].concat();
        let message = Message::from_bytes(bytes.clone());
        let edits: Edits = [Edit::SubjectWithout(SubjectWord::new(&word).unwrap())].into_iter().collect();
        let out = octets(&edits.apply(&message));
        let (Some(came), again) = (message.headers().get("Subject"), Message::from_bytes(out.clone())) else {
            prop_assert_eq!(&out, &bytes);
            return Ok(());
        };
        let left = again.headers().get("Subject").expect("the field stays");
        let mut want = words_of(came.value());
        let last = want.iter().rposition(|one| one == word.as_bytes());
        match last {
            Some(at) => drop(want.remove(at)),
            None => prop_assert_eq!(&out, &bytes),
        }
        prop_assert_eq!(words_of(left.value()), want);
        let longest = |raw: &[u8]| raw.split(|&b| b == b'\n').map(|line| line.trim_ascii_end().len()).max();
        prop_assert!(longest(left.raw()) <= longest(came.raw()));
        let blank = |raw: &[u8]| raw.split(|&b| b == b'\n').skip(1).filter(|line| !line.is_empty() && line.trim_ascii().is_empty()).count();
        prop_assert!(blank(left.raw()) <= blank(came.raw()), "{:?} of {:?}", left.raw(), came.raw());
        prop_assert_eq!(again.headers().len(), message.headers().len());
        prop_assert_eq!(again.body().whole(), message.body().whole());
    }

    #[test]
    fn removing_twice_is_removing_once(bytes in mail(), names in prop::collection::vec(name(), 1..4)) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        oracle::removing_twice_is_removing_once(&bytes, &names);
    }

    #[test]
    fn tagging_twice_is_tagging_once(bytes in mail()) {
        oracle::tagging_twice_is_tagging_once(&bytes);
    }

    #[test]
    fn nothing_forged_is_left_but_what_is_signed(bytes in mail()) {
        oracle::nothing_forged_is_left_but_what_is_signed(&bytes);
    }

    #[test]
    fn our_name_is_found_in_every_disguise_and_nowhere_else(bytes in mail()) {
        oracle::our_name_is_found_in_every_disguise(&bytes);
        oracle::our_trace_names_its_writer(&bytes);
        oracle::a_trace_is_read_without_comments(&bytes);
    }

    #[test]
    fn no_value_has_a_line_of_its_own(value in words(), more in words(), name in "[!-9;-~]{1,64}") {
        let checked = Name::new(name.clone()).unwrap();
        is_one_field(&name, &Field::text(&checked, &value));
        is_one_field(&name, &Field::structured(&checked, &value));
        is_one_field(&name, &Field::clauses(&checked, [value.as_str(), &more, "", &value]));
        let mut ours = Results::new(&more);
        ours.add("spf", "fail", &[("smtp.mailfrom", &value), ("smtp.helo", &more)]);
        is_one_field("Authentication-Results", &ours.field());
    }

    #[test]
    fn no_stranger_spoils_our_received_field(
        helo in words(), reverse in words(), id in words(), path in words(), ip in any::<[u8; 16]>(), at in any::<u64>(),
    ) {
        let field = Received {
            helo: &helo,
            client_ip: ip.into(),
            reverse: Some(&reverse),
            by: US,
            with: Protocol::Esmtp,
            id: &id,
            for_: Some(&path),
            at_millis: at,
            tls: Some((&id, &helo)),
        }
        .field();
        is_one_field("Received", &field);
        let message = Message::from_bytes(field.as_bytes().to_vec());
        prop_assert_eq!(received::names_us(message.headers(), US), 1);
        let text = std::str::from_utf8(field.as_bytes()).unwrap();
        prop_assert_eq!((text.matches('(').count(), text.matches(')').count(), text.matches(';').count()), (2, 2, 1));
    }
}

/// Hosts that are believed.
fn is_ours(address: std::net::IpAddr) -> bool {
    matches!(address, std::net::IpAddr::V4(v4) if v4.octets()[..3] == [192, 0, 2])
}

/// A line of a host that is believed about whoever it got the mail from, as different servers write it. HELO and reverse
/// name are a stranger's.
fn line(form: u8, from: std::net::Ipv4Addr, helo: &str, reverse: &str) -> Vec<u8> {
    // As servers do it: what cannot be part of a name is masked.
    let masked = |text: &str| -> String {
        let clean = text.chars().take(60).map(|c| match c {
            c if c.is_ascii_alphanumeric() || "-._:[]=@".contains(c) => c,
            _ => '?',
        });
        let clean: String = clean.collect();
        if clean.is_empty() { "unknown".into() } else { clean }
    };
    let (helo_masked, name) = (masked(helo), masked(reverse).replace(['[', ']', '=', ':', '@'], "?"));
    let text = match form % 4 {
        0 => format!("from {helo_masked} ({name} [{from}]) by mx (Postfix) with ESMTP; d"),
        1 => format!("from {name} ([{from}] helo={helo_masked}) by mx with esmtp (Exim 4.96); d"),
        2 => format!("from {name} (HELO {helo_masked}) ({from}) by mx with SMTP; d"),
        _ => {
            let received = Received {
                helo,
                client_ip: from.into(),
                reverse: Some(reverse),
                by: "mx.example.org",
                with: Protocol::Esmtp,
                id: "x1",
                for_: None,
                at_millis: 0,
                tls: Some((helo, reverse)),
            };
            return received.field().as_bytes().to_vec();
        }
    };
    format!("Received: {text}\r\n").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Whatever a stranger calls itself and writes below, the trail ends at the stranger's own address.
    #[test]
    fn no_forged_field_changes_where_the_trail_ends(
        hops in prop::collection::vec((any::<u8>(), any::<u8>(), words(), words()), 0..6),
        last in (any::<u8>(), words(), words()),
        below in mail(),
        forged in prop::collection::vec((any::<u8>(), any::<u32>(), words(), words()), 0..4),
    ) {
        let address = std::net::Ipv4Addr::new(203, 0, 113, 9);
        let mut octets = Vec::new();
        for (form, host, helo, reverse) in &hops {
            octets.extend(line(*form, std::net::Ipv4Addr::new(192, 0, 2, *host), helo, reverse));
        }
        octets.extend(line(last.0, address, &last.1, &last.2));
        for (form, host, helo, reverse) in &forged {
            octets.extend(line(*form, (*host).into(), helo, reverse));
        }
        octets.extend(below);
        let message = Message::from_bytes(octets);
        let trail = gatepost_message::trail::follow(message.headers(), [192, 0, 2, 1].into(), is_ours);
        match trail {
            gatepost_message::trail::Trail::Stranger { address: found, .. } => prop_assert_eq!(found, address),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// Any octets have a trail, and none makes a panic.
    #[test]
    fn any_octets_have_a_trail(octets in mail(), any in prop::collection::vec(any::<u8>(), 0..200)) {
        let received = [b"Received: from ".as_slice(), &any, b"\r\n", &octets].concat();
        let message = Message::from_bytes(received);
        gatepost_message::trail::follow(message.headers(), [192, 0, 2, 1].into(), is_ours);
    }
}

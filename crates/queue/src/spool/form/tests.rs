//! Laws of the form: whatever the parser of SMTP yields reads back as it was, and no changed octet goes unseen.

use std::sync::Arc;

use gatepost_core::queue::Caller;
use gatepost_core::smtp::command::Command;
use gatepost_core::smtp::{MailParams, Offer, Path, RcptParams, Time};
use gatepost_core::{Client, Direction, Visit};
use gatepost_folder::{behind, read_behind};
use proptest::prelude::*;

use super::*;
use crate::spool::id::{Id, Ids};
use crate::spool::name::Marks;

fn offer() -> Offer {
    Offer::parse(["SIZE", "8BITMIME", "SMTPUTF8", "DSN", "AUTH PLAIN", "PRDR"])
}

fn caller() -> Caller {
    Caller::of(&Visit::new(
        Direction::Inbound,
        "mx".into(),
        Client::new([192, 0, 2, 1].into(), 25),
    ))
}

fn head(from: Path, params: MailParams, recipients: Vec<(Path, RcptParams)>) -> Head {
    Head {
        domain: "d.example".into(),
        transaction: "t0123456789abcd".into(),
        at: Time::from_secs(1_767_614_400),
        route: "default".into(),
        caller: caller(),
        from,
        params,
        recipients,
        proven: true,
        notice: false,
    }
}

fn plain() -> Head {
    let to = Path::forward("carl@d.example", false).unwrap();
    let from = Path::reverse("ann@b.example", false).unwrap();
    head(from, MailParams::default(), vec![(to, RcptParams::default())])
}

fn entry(head: &Head) -> Entry {
    Entry {
        id: Ids::above(Id::FIRST).next(head.at),
        domain: Arc::from(head.domain.as_str()),
        at: head.at,
        size: 3,
        marks: Marks::default(),
    }
}

fn read(file: &[u8], entry: &Entry) -> Result<Head, Unreadable> {
    let (len, sum) = read_prefix(file.get(..PREFIX).unwrap_or(file))?;
    read_head(file.get(PREFIX..PREFIX + len).unwrap_or_default(), sum, entry)
}

/// What the parser makes of a line, where it makes anything of it.
fn mail(line: &str) -> Option<(Path, MailParams)> {
    match Command::parse(line.as_bytes(), &offer()) {
        Ok(Command::Mail(from, params)) => Some((from, params)),
        _ => None,
    }
}

fn rcpt(line: &str) -> Option<(Path, RcptParams)> {
    match Command::parse(line.as_bytes(), &offer()) {
        Ok(Command::Rcpt(to, params)) => Some((to, params)),
        _ => None,
    }
}

fn mail_lines() -> impl Strategy<Value = (Path, MailParams)> {
    let path = prop_oneof![
        Just(String::new()),
        "[a-zA-Z0-9.+-]{1,20}@[a-zA-Z0-9-]{1,20}(\\.[a-z]{2,5})?",
        "\"[ -~]{0,20}\"@[a-z]{1,9}",
        "[a-zäöü\u{4e00}-\u{4e10}]{1,9}@[a-zäöü]{1,9}\\.example",
        "@[a-z]{1,5}:[a-z]{1,5}@\\[IPv6:2001:db8::[0-9a-f]{1,4}\\]",
    ];
    let params = concat!(
        "( SIZE=[0-9]{1,20})?",
        "( BODY=(7BIT|8bitmime))?",
        "( SMTPUTF8)?",
        "( RET=(FULL|hdrs))?",
        "( ENVID=([!-*,-<>-~]|\\+2[0-9A-F]){1,30})?",
        "( AUTH=(<>|[a-z]{1,9}\\+40[a-z]{1,9}))?",
        "( PRDR)?",
    );
    (path, params).prop_filter_map("the parser refuses it", |(path, params)| {
        mail(&format!("MAIL FROM:<{path}>{params}"))
    })
}

fn rcpt_lines() -> impl Strategy<Value = (Path, RcptParams)> {
    let path = prop_oneof![
        Just("Postmaster".to_owned()),
        "[a-zA-Z0-9.+-]{1,20}@[a-zA-Z0-9-]{1,20}",
        "\"[ -~]{0,20}\"@\\[192\\.0\\.2\\.[0-9]\\]",
        "[a-zäöü]{1,9}@[a-zäöü]{1,9}\\.example",
    ];
    let params = "( NOTIFY=(NEVER|SUCCESS|failure,DELAY|DELAY))?( ORCPT=(rfc822;[a-z]{1,9}\\+2B[a-z]{0,9}@x|utf-8;[a-zä]{1,9}@x))?";
    (path, params).prop_filter_map("the parser refuses it", |(path, params)| {
        rcpt(&format!("RCPT TO:<{path}>{params}"))
    })
}

proptest! {
    #[test]
    fn whatever_the_parser_yields_reads_back((from, params) in mail_lines(), to in prop::collection::vec(rcpt_lines(), 1..5)) {
        let head = head(from, params, to);
        let entry = entry(&head);
        let file = before(&head, &entry).unwrap();
        prop_assert_eq!(read(&file, &entry), Ok(head));
    }

    #[test]
    fn any_line_reads_back_where_it_can_be_read(line in "MAIL FROM:<[ -~ä]{0,30}>( [A-Z]{3,8}=[!-~]{1,9}){0,2}") {
        if let Some((from, params)) = mail(&line) {
            let head = Head { from, params, ..plain() };
            let entry = entry(&head);
            prop_assert_eq!(read(&before(&head, &entry).unwrap(), &entry), Ok(head));
        }
    }

    #[test]
    fn no_changed_octet_of_a_head_goes_unseen(at in 0..1_000usize, to: u8) {
        let (head, entry) = (plain(), entry(&plain()));
        let mut file = before(&head, &entry).unwrap();
        let at = at % file.len();
        prop_assume!(file[at] != to);
        file[at] = to;
        prop_assert!(read(&file, &entry).is_err());
    }

    #[test]
    fn no_changed_or_missing_octet_of_progress_goes_unseen(
        done in prop::collection::btree_set(any::<u32>(), 0..5),
        failed in prop::collection::btree_map(any::<u32>(), ".{0,9}", 0..3),
        given_up: Option<u64>,
        at in 0..1_000usize,
        to: u8,
    ) {
        let written = Progress { done, failed, given_up };
        let mut file = progress(&written).unwrap();
        prop_assert_eq!(read_progress(&file), Ok(written));
        let at = at % file.len();
        prop_assert!(read_progress(&file[..at]).is_err());
        prop_assume!(file[at] != to);
        file[at] = to;
        prop_assert!(read_progress(&file).is_err());
    }

    #[test]
    fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&octets, &entry(&plain()));
        let _ = read_behind(&octets);
        let _ = read_progress(&octets);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let (head, entry) = (plain(), entry(&plain()));
    let file = before(&head, &entry).unwrap();
    let newer = String::from_utf8(file.clone()).unwrap().replacen(" 1 ", " 2 ", 1);
    assert_eq!(read(newer.as_bytes(), &entry), Err(Unreadable::Newer("2".into())));
    assert!(read(b"From: a@b\r\n", &entry).is_err());
    for other in [
        Entry {
            size: 4,
            ..entry.clone()
        },
        Entry {
            at: Time::ZERO,
            ..entry.clone()
        },
        Entry {
            domain: "e.example".into(),
            ..entry.clone()
        },
        Entry {
            id: Ids::above(entry.id).next(head.at),
            ..entry.clone()
        },
    ] {
        assert!(read(&file, &other).is_err(), "{other:?}");
    }
    assert_eq!(read_behind(&behind(7)), Some(7));
    assert_eq!(read_behind(b"\n000000000000000G\n"), None);
}

#[test]
fn what_a_newer_one_added_to_a_head_does_no_harm() {
    let (head, entry) = (plain(), entry(&plain()));
    let file = before(&head, &entry).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&file[PREFIX..]).unwrap();
    json["later"] = serde_json::json!([1, 2]);
    json.as_object_mut().unwrap().remove("notice");
    let octets = serde_json::to_vec(&json).unwrap();
    assert_eq!(read_head(&octets, new_sum().of(&octets), &entry), Ok(head));
}

#[test]
fn an_envelope_that_smtp_does_not_know_is_refused_before_it_is_written() {
    let utf8 = Path::reverse("ä@b.example", true).unwrap();
    let unannounced = Head { from: utf8, ..plain() };
    assert!(before(&unannounced, &entry(&unannounced)).is_err());
    let params = MailParams {
        envid: Some("a b".into()),
        ..MailParams::default()
    };
    let smuggled = Head { params, ..plain() };
    assert!(before(&smuggled, &entry(&smuggled)).is_err());
}

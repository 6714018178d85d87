//! What a mail's recipients are told, and who is told what.

use gatepost_attachments::look::{Contents, File};
use gatepost_attachments::opinion::{self, Audience, audiences};
use gatepost_containers::{Kind, Mark};
use gatepost_core::{Evidence, Finding, Opinion, RecipientId, Scope, Score, Standing, Wish};
use serde_json::{Value, json};

use crate::scene::{carrying, config, file, marked};

fn told(options: Value, contents: &Contents, outbound: bool, audiences: &[Audience]) -> Opinion {
    let config = config(options);
    let (policy, words) = (config.policy().expect("a policy"), config.words().expect("words"));
    opinion::of(&policy, &words, contents, outbound, audiences)
}

fn everybody() -> Vec<Audience> {
    audiences([(RecipientId(0), Vec::new()), (RecipientId(1), Vec::new())])
}

fn shown(opinion: &Opinion) -> (Vec<String>, Vec<String>) {
    let whom = |scope: Scope| match scope {
        Scope::Everyone => String::new(),
        Scope::Only(who) => format!("{}: ", who.0),
    };
    let finding = |finding: &Finding| {
        let Evidence::Points(points) = finding.evidence else {
            panic!("points")
        };
        let standing = match finding.standing {
            Standing::Any => String::new(),
            other => format!("{other:?} "),
        };
        format!(
            "{}{standing}{} {points} {}",
            whom(finding.scope),
            finding.tag,
            finding.note
        )
    };
    let wish = |(scope, standing, wish): &(Scope, Standing, Wish)| {
        let what = match wish {
            Wish::Reject(reply) => reply.to_string(),
            Wish::Hold => "hold".into(),
            Wish::Edit(_) => "edit".into(),
            other => panic!("{other:?}"),
        };
        format!("{}{standing:?} {what}", whom(*scope))
    };
    (
        opinion.findings().iter().map(finding).collect(),
        opinion.wishes().iter().map(wish).collect(),
    )
}

#[test]
fn a_refusal_names_the_file_and_the_way_to_it() {
    let contents = carrying(vec![file("outer.zip > inner.exe", Kind::Pe)]);
    let (findings, wishes) = shown(&told(json!({}), &contents, false, &everybody()));
    assert_eq!(
        findings,
        [
            "attachments.blocked 10 outer.zip > inner.exe (pe): level 1, class:executable",
            "attachments.executable 5 outer.zip > inner.exe (pe): by its content",
        ]
    );
    let refused = "550 5.7.1 Attachment \"outer.zip > inner.exe\" refused: files of its type are not accepted here";
    assert_eq!(wishes, [format!("Any {refused}")]);
}

#[test]
fn a_refusal_is_one_line_of_printable_ascii_whatever_the_name() {
    for name in [
        "a\r\n250 ok.exe",
        "\u{202e}\u{e4}\0\"'.exe",
        &"x ".repeat(400),
        "{contact}{why}.exe",
    ] {
        let file = File {
            path: vec![name.into(), name.into(), name.into()],
            ..file("a.exe", Kind::Pe)
        };
        let opinion = told(json!({}), &carrying(vec![file]), false, &everybody());
        let [(_, _, Wish::Reject(reply))] = opinion.wishes() else {
            panic!("{opinion:?}")
        };
        let text = reply.to_string();
        assert!(
            text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.len() < 200,
            "{text}"
        );
        assert!(!text.contains("postmaster"), "{text}");
        assert!(
            opinion
                .findings()
                .iter()
                .all(|finding| finding.note.len() <= Finding::NOTE_MAX)
        );
    }
}

#[test]
fn levels_that_differ_are_said_for_whom_they_hold() {
    let contents = carrying(vec![file("disk.iso", Kind::Iso)]);
    let (_, wishes) = shown(&told(json!({}), &contents, false, &everybody()));
    let refused = "550 5.7.1 Attachment \"disk.iso\" refused: files of its type are not accepted here";
    assert_eq!(wishes, [format!("NotExempt {refused}")]);
    let (_, wishes) = shown(&told(json!({ "exempt": 2 }), &contents, false, &everybody()));
    assert_eq!(wishes, [format!("Any {refused}")]);
    let held = json!({ "exempt": 2, "findings": { "blocked": { "exempt": "hold" } } });
    let (_, wishes) = shown(&told(held, &contents, false, &everybody()));
    assert_eq!(wishes, [format!("NotExempt {refused}"), "Exempt hold".into()]);
    let (findings, _) = shown(&told(json!({}), &contents, false, &everybody()));
    assert_eq!(
        findings,
        [
            "NotExempt attachments.blocked 10 disk.iso (iso): level 2, class:image",
            "attachments.disk_image 4 disk.iso (iso): by its content",
        ]
    );
    let (findings, wishes) = shown(&told(json!({}), &contents, true, &everybody()));
    assert_eq!((findings.len(), wishes.len()), (0, 0), "our own people's level is 1");
}

#[test]
fn a_rule_counts_once_however_many_files_it_finds() {
    let many = (0..300).map(|n| marked(&format!("{n}.zip"), Kind::Zip, Mark::Encrypted));
    let opinion = told(json!({}), &carrying(many.collect()), false, &everybody());
    let [finding] = opinion.findings() else {
        panic!("{opinion:?}")
    };
    assert_eq!(finding.evidence, Evidence::Points(Score::hundredths(150)));
    assert!(finding.note.ends_with("300 in all"), "{}", finding.note);
    let (_, wishes) = shown(&opinion);
    assert_eq!(wishes, ["Any edit"], "one field says so");
}

#[test]
fn the_strongest_wish_is_the_only_one() {
    let files = || {
        vec![
            marked("a.zip", Kind::Zip, Mark::Encrypted),
            marked("b.zip", Kind::Zip, Mark::Damaged),
            file("c.js", Kind::JScript),
        ]
    };
    let (_, wishes) = shown(&told(json!({}), &carrying(files()), false, &everybody()));
    assert!(wishes.len() == 1 && wishes[0].contains("c.js"), "{wishes:?}");
    let hold = json!({ "external": 0, "exempt": 0, "findings": { "encrypted": { "action": "hold" } } });
    let (findings, wishes) = shown(&told(hold, &carrying(files()), false, &everybody()));
    assert_eq!(wishes, ["Any hold"]);
    assert_eq!(findings.len(), 3);
    let off = json!({ "external": 0, "exempt": 0, "findings": {
        "encrypted": { "action": "off" }, "damaged": { "action": "score" }, "script": { "action": "score" } } });
    let (findings, wishes) = shown(&told(off, &carrying(files()), false, &everybody()));
    assert_eq!((findings.len(), wishes.len()), (2, 0));
}

#[test]
fn recipients_with_rules_of_their_own_are_told_their_own() {
    let options = json!({ "people": { "ann@d.example": { "allow": ["exe"] }, "bob@d.example": { "only": ["pdf"] } } });
    let people = config(options.clone()).policy().expect("a policy").people;
    let all = ["ann@d.example", "bob@d.example", "cat@d.example", "dan@d.example"];
    let audiences = audiences((0..).map(RecipientId).zip(all.map(|address| people.of(address))));
    assert_eq!(audiences.len(), 3);
    let contents = carrying(vec![
        file("a.exe", Kind::Pe),
        marked("b.zip", Kind::Zip, Mark::Encrypted),
    ]);
    let (findings, wishes) = shown(&told(options, &contents, false, &audiences));
    let refused = |who: u16, name: &str| {
        format!("{who}: Any 550 5.7.1 Attachment \"{name}\" refused: files of its type are not accepted here")
    };
    let mut wishes = wishes;
    wishes.sort();
    assert_eq!(
        wishes,
        [
            "0: Any edit".into(),
            refused(1, "a.exe"),
            refused(2, "a.exe"),
            refused(3, "a.exe")
        ]
    );
    assert_eq!(
        findings[0], "attachments.encrypted 1.5 b.zip (zip): encrypted: seen",
        "said once for all"
    );
    let mut own: Vec<_> = findings[1..].iter().map(|finding| &finding[..26]).collect();
    own.sort_unstable();
    assert_eq!(
        own,
        [
            "1: attachments.blocked 15 a",
            "2: attachments.blocked 15 a",
            "3: attachments.blocked 15 a"
        ]
        .map(|text| &text[..26])
    );
}

#[test]
fn where_there_is_no_room_for_a_word_for_each_the_strictest_holds_for_all() {
    let options = json!({
        "findings": { "blocked": { "action": "replace", "exempt": "strip" } },
        "people": { "ann@d.example": { "allow": ["exe"] } },
    });
    let groups = (0..1_000).map(|n| (RecipientId(n), if n == 0 { vec![0] } else { Vec::new() }));
    let place = {
        let text = "Content-Type: application/octet-stream; name=a.exe\r\n\r\nMZ";
        let how = config(json!({})).how().expect("bounds");
        let message = gatepost_core::Message::from_bytes(text);
        gatepost_attachments::look::look(&message, &how, &|| false).files[0].place
    };
    let contents = carrying(vec![File {
        place,
        ..file("a.exe", Kind::Pe)
    }]);
    let opinion = told(options, &contents, false, &audiences(groups));
    assert!(opinion.wishes().len() < Opinion::WISHES_MAX);
    for who in [0, 1, 999] {
        let takes_out = |(scope, _, wish): &&(Scope, Standing, Wish)| {
            scope.covers(RecipientId(who)) && matches!(wish, Wish::Edit(gatepost_core::message::Edit::Replace(_)))
        };
        assert_eq!(opinion.wishes().iter().filter(takes_out).count(), 2, "{who}");
    }
}

#[test]
fn what_is_taken_out_weighs_where_it_is_not() {
    let place = |n: usize| {
        let part = "--b\r\nContent-Type: application/octet-stream; name=a.exe\r\n\r\nMZ\r\n";
        let text = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}{part}--b--\r\n");
        let how = config(json!({})).how().expect("bounds");
        let message = gatepost_core::Message::from_bytes(text);
        gatepost_attachments::look::look(&message, &how, &|| false).files[n].place
    };
    let at = |n: usize, name: &str, kind: Kind| File {
        place: place(n),
        ..file(name, kind)
    };
    let weighs = |files: Vec<File>, action: &str| {
        let options = json!({ "exempt": 2, "findings": { "blocked": { "action": action } } });
        let opinion = told(options, &carrying(files), false, &everybody());
        let told = opinion
            .findings()
            .iter()
            .map(|finding| (finding.tag.to_string(), finding.instead));
        told.collect::<Vec<_>>()
    };
    let tags = |instead: [bool; 2]| {
        let names = ["attachments.blocked", "attachments.executable"];
        names.map(str::to_owned).into_iter().zip(instead).collect::<Vec<_>>()
    };
    let exe = || vec![at(0, "a.exe", Kind::Pe)];
    assert_eq!(weighs(exe(), "replace"), tags([true, true]));
    assert_eq!(weighs(exe(), "strip"), tags([true, true]));
    assert_eq!(weighs(exe(), "mark"), tags([false, false]));
    // What is found elsewhere, too, stays in the mail.
    let both = vec![at(0, "a.exe", Kind::Pe), marked("b.zip", Kind::Zip, Mark::Encrypted)];
    let told = weighs(both, "replace");
    assert_eq!(told[2], ("attachments.encrypted".to_owned(), false));
}

#[test]
fn wishes_reach_every_recipient_of_a_large_mail_with_rules() {
    let options = json!({ "people": { "ann@d.example": { "allow": ["exe"] } } });
    let groups = (0..500).map(|n| (RecipientId(n), if n == 0 { vec![0] } else { Vec::new() }));
    let contents = carrying(vec![file("a.exe", Kind::Pe)]);
    let opinion = told(options, &contents, false, &audiences(groups));
    let refused: Vec<_> = opinion
        .wishes()
        .iter()
        .filter(|(.., wish)| matches!(wish, Wish::Reject(_)))
        .collect();
    assert_eq!(refused.len(), 499);
    assert!(opinion.findings().len() < Opinion::FINDINGS_MAX);
}

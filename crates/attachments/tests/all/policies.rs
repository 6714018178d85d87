//! What is blocked and what is found, as tables.

use gatepost_attachments::look::File;
use gatepost_attachments::rule::{Action, Rule, Side};
use gatepost_containers::{Kind, Mark};
use proptest::prelude::*;
use serde_json::json;

use crate::scene::{carrying, config, file, found, happens, is_blocked, marked, policy, rules};

/// A file, and the lowest of levels 1 to 3 that blocks it (9: none), and whether level 4 lets it through.
const TABLE: [(&str, Kind, u8, bool); 40] = [
    ("setup.exe", Kind::Pe, 1, false),
    ("setup.txt", Kind::Pe, 1, false),
    ("", Kind::Pe, 1, false),
    ("tool", Kind::Elf, 1, false),
    ("tool", Kind::MachO, 1, false),
    ("app.apk", Kind::Apk, 1, false),
    ("a.jar", Kind::Jar, 1, false),
    ("x.msi", Kind::Msi, 1, false),
    ("run.bat", Kind::Batch, 1, false),
    ("run.ps1", Kind::PowerShell, 1, false),
    ("run.js", Kind::JScript, 1, false),
    ("run.vbs", Kind::Unknown, 1, false),
    ("run.hta", Kind::Hta, 1, false),
    ("x.lnk", Kind::Lnk, 1, false),
    ("x.url", Kind::Url, 1, false),
    ("x.pif", Kind::Empty, 1, false),
    ("disk.iso", Kind::Iso, 2, false),
    ("disk.dat", Kind::Vhd, 2, false),
    ("x.reg", Kind::Reg, 2, false),
    ("x.dmg", Kind::Dmg, 1, false),
    ("help.chm", Kind::Chm, 1, false),
    ("x.py", Kind::Shell, 2, false),
    ("tool", Kind::Shell, 3, false),
    ("m.docm", Kind::Docm, 3, false),
    ("m.doc", Kind::Docm, 3, true),
    ("m.xlsb", Kind::Xlsb, 3, false),
    ("n.one", Kind::OneNote, 3, false),
    ("page.html", Kind::Html, 3, false),
    ("x.svg", Kind::Svg, 3, false),
    ("x.ace", Kind::Ace, 3, false),
    ("x.cab", Kind::Cab, 3, false),
    ("a.zip", Kind::Zip, 9, true),
    ("a.7z", Kind::SevenZ, 9, true),
    ("a.pdf", Kind::Pdf, 9, true),
    ("", Kind::Png, 9, true),
    ("a.docx", Kind::Docx, 9, true),
    ("a.mp3", Kind::Mp3, 9, true),
    ("a.xyz", Kind::Unknown, 9, false),
    ("a.pdf", Kind::Zip, 9, false),
    ("letter.eml", Kind::Eml, 9, true),
];

#[test]
fn levels_block_what_the_table_says_on_every_side() {
    for level in 0..=4_u8 {
        for (side, key) in [
            (Side::External, "external"),
            (Side::Exempt, "exempt"),
            (Side::Outbound, "outbound"),
        ] {
            let policy = policy(json!({ key: level, "findings": {} }));
            for (name, kind, from, allowed) in TABLE {
                let blocked = match level {
                    0 => false,
                    4 => !allowed,
                    level => level >= from,
                };
                for path in [name.to_owned(), format!("outer.zip > {name}")] {
                    let it = is_blocked(&policy, file(&path, kind), side);
                    assert_eq!(it, blocked, "level {level}, {side:?}: {path:?}, {}", kind.name());
                }
            }
        }
    }
}

#[test]
fn levels_of_the_three_sides_are_their_own() {
    let policy = policy(json!({ "external": 3, "exempt": 1, "outbound": 0 }));
    let exe = || file("a.exe", Kind::Pe);
    let page = || file("a.html", Kind::Html);
    let blocked = [Side::External, Side::Exempt, Side::Outbound];
    assert_eq!(
        blocked.map(|side| is_blocked(&policy, exe(), side)),
        [true, true, false]
    );
    assert_eq!(
        blocked.map(|side| is_blocked(&policy, page(), side)),
        [true, false, false]
    );
}

#[test]
fn out_of_the_box_what_runs_is_refused_and_what_is_usual_is_not() {
    let policy = policy(json!({}));
    for (file, side, action) in [
        (file("a.exe", Kind::Pe), Side::External, Action::Reject),
        (file("a.exe", Kind::Pe), Side::Exempt, Action::Reject),
        (file("a.exe", Kind::Pe), Side::Outbound, Action::Reject),
        (file("a.zip > b.js", Kind::JScript), Side::External, Action::Reject),
        (file("a.iso", Kind::Iso), Side::External, Action::Reject),
        (file("a.iso", Kind::Iso), Side::Outbound, Action::Off),
        (file("a.pdf", Kind::Pdf), Side::External, Action::Off),
        (file("a.docx", Kind::Docx), Side::External, Action::Off),
        (file("a.mp4", Kind::Mp4), Side::External, Action::Off),
        (file("page.html", Kind::Html), Side::External, Action::Off),
        (
            marked("a.doc", Kind::Doc, Mark::AutoMacro),
            Side::External,
            Action::Reject,
        ),
        (
            marked("a.doc", Kind::Doc, Mark::AutoMacro),
            Side::Outbound,
            Action::Score,
        ),
        (marked("a.doc", Kind::Doc, Mark::Macro), Side::External, Action::Score),
        (
            marked("a.zip", Kind::Zip, Mark::Encrypted),
            Side::External,
            Action::Mark,
        ),
        (marked("a.zip", Kind::Zip, Mark::Encrypted), Side::Outbound, Action::Off),
        (marked("a.zip", Kind::Zip, Mark::Damaged), Side::External, Action::Mark),
        (marked("a.zip", Kind::Zip, Mark::Ratio), Side::External, Action::Mark),
        (
            marked("a.html", Kind::Html, Mark::Smuggling),
            Side::External,
            Action::Score,
        ),
    ] {
        assert_eq!(happens(&policy, file.clone(), side), action, "{side:?}: {file:?}");
    }
}

#[test]
fn every_mark_that_means_that_not_all_was_seen_is_a_finding_by_itself() {
    let policy = policy(json!({ "external": 0 }));
    let blind = [
        (Mark::Encrypted, Rule::Encrypted),
        (Mark::Damaged, Rule::Damaged),
        (Mark::Unread, Rule::Unread),
        (Mark::Depth, Rule::Bounds),
        (Mark::Files, Rule::Bounds),
        (Mark::Octets, Rule::Bounds),
        (Mark::Time, Rule::Bounds),
        (Mark::Ratio, Rule::Bomb),
    ];
    for (mark, rule) in blind {
        assert!(mark.is_blind());
        assert_eq!(found(&policy, marked("a.zip", Kind::Zip, mark), Side::External), [rule]);
        assert!(
            rule.terms().action(Side::External) >= Action::Mark,
            "{rule} passes unmarked"
        );
    }
    let cut = File {
        whole: false,
        ..file("a.dat", Kind::Unknown)
    };
    assert_eq!(found(&policy, cut, Side::External), [Rule::Bounds]);
}

#[test]
fn the_marks_of_what_acts_and_hides_have_rules() {
    let policy = policy(json!({ "external": 0, "findings": { "embedded": { "action": "score" } } }));
    for (mark, rule) in [
        (Mark::Ambiguous, Rule::Ambiguous),
        (Mark::Path, Rule::Path),
        (Mark::Macro, Rule::Macro),
        (Mark::AutoMacro, Rule::AutoMacro),
        (Mark::Fetches, Rule::Fetches),
        (Mark::Embedded, Rule::Embedded),
        (Mark::Script, Rule::DocumentScript),
        (Mark::Action, Rule::DocumentAction),
        (Mark::Smuggling, Rule::Smuggling),
        (Mark::Polyglot, Rule::Polyglot),
    ] {
        assert_eq!(found(&policy, marked("a.doc", Kind::Doc, mark), Side::External), [rule]);
    }
}

#[test]
fn classes_are_findings_whatever_the_level() {
    let off = json!({ "external": 0, "findings": { "audio": { "action": "score" }, "video": { "action": "hold" } } });
    let policy = policy(off);
    for (name, kind, rule) in [
        ("a.exe", Kind::Pe, Rule::Executable),
        ("a.js", Kind::JScript, Rule::Script),
        ("a.lnk", Kind::Lnk, Rule::Shortcut),
        ("a.iso", Kind::Iso, Rule::DiskImage),
        ("a.mp3", Kind::Mp3, Rule::Audio),
        ("a.mp4", Kind::Mp4, Rule::Video),
    ] {
        assert_eq!(found(&policy, file(name, kind), Side::External), [rule], "{name}");
    }
    assert_eq!(happens(&policy, file("a.mp4", Kind::Mp4), Side::External), Action::Hold);
}

#[test]
fn content_that_is_not_what_its_name_or_type_says_is_a_finding() {
    let policy = policy(json!({ "external": 0, "findings": { "executable": { "action": "off" } } }));
    let declared = |mime: &str, file: File| File {
        declared: vec![mime.into()],
        ..file
    };
    let of = |file| found(&policy, file, Side::External);
    assert_eq!(of(file("photo.jpg", Kind::Pe)), [Rule::Mismatch]);
    assert_eq!(of(declared("image/jpeg", file("x.exe", Kind::Pe))), [Rule::Mismatch]);
    assert_eq!(of(declared("application/octet-stream", file("x.exe", Kind::Pe))), []);
    assert_eq!(of(declared("image/jpeg", file("photo.jpg", Kind::Png))), []);
    assert_eq!(of(declared("application/octet-stream", file("a.pdf", Kind::Pdf))), []);
}

#[test]
fn text_that_is_shown_is_no_attachment_but_a_program_is() {
    let policy = policy(json!({ "external": 4 }));
    let shown = |kind| File {
        shown: true,
        ..file("", kind)
    };
    assert_eq!(found(&policy, shown(Kind::Text), Side::External), []);
    assert_eq!(found(&policy, shown(Kind::Html), Side::External), []);
    assert_eq!(found(&policy, shown(Kind::Shell), Side::External), []);
    assert!(is_blocked(&policy, shown(Kind::Pe), Side::External));
    let smuggling = File {
        shown: true,
        ..marked("", Kind::Html, Mark::Smuggling)
    };
    assert_eq!(found(&policy, smuggling, Side::External), [Rule::Smuggling]);
}

#[test]
fn what_a_document_is_made_of_is_judged_as_what_runs_and_no_stricter() {
    let strict = policy(json!({ "external": 4 }));
    let member = |name: &str, kind| File {
        of_package: true,
        ..file(&format!("a.docx > {name}"), kind)
    };
    for (name, kind, blocked) in [
        ("word/_rels/document.xml.rels", Kind::Xml, false),
        ("word/media/image1.svg", Kind::Svg, false),
        ("xl/printerSettings/printerSettings1.bin", Kind::Unknown, false),
        ("word/embeddings/setup.exe", Kind::Pe, true),
        ("word/embeddings/a.bin", Kind::Pe, true),
    ] {
        assert_eq!(
            is_blocked(&strict, member(name, kind), Side::External),
            blocked,
            "{name}"
        );
    }
}

#[test]
fn a_known_file_is_good_or_bad_whatever_it_is() {
    let (good, bad) = ("07".repeat(32), "08".repeat(32));
    let policy = policy(json!({ "known_good": [good], "known_bad": [bad] }));
    let with = |hash: u8, piece: usize, file: File| File {
        sha256: Some([hash; 32]),
        piece,
        ..file
    };
    let good = with(7, 0, file("setup.zip", Kind::Zip));
    let inner = with(9, 0, file("setup.zip > setup.exe", Kind::Pe));
    let other = with(9, 1, file("other.zip > setup.exe", Kind::Pe));
    let judged = |files: Vec<File>| rules(&policy.judge(&carrying(files), Side::External, &[]));
    assert_eq!(
        judged(vec![inner.clone(), good.clone()]),
        [],
        "what lies in it is good with it"
    );
    assert!(
        judged(vec![good, inner.clone(), other]).contains(&Rule::Blocked),
        "in that part alone"
    );
    let member = with(7, 0, file("outer.zip > tools.exe", Kind::Pe));
    assert_eq!(judged(vec![member.clone()]), []);
    assert!(
        judged(vec![member, inner]).contains(&Rule::Blocked),
        "a good member vouches for itself only"
    );
    let bad = with(8, 0, file("letter.txt", Kind::Text));
    assert_eq!(judged(vec![bad]), [Rule::KnownBad]);
}

#[test]
fn a_file_on_both_lists_is_bad() {
    let both = "07".repeat(32);
    let policy = policy(json!({ "known_good": [both], "known_bad": [both] }));
    assert_eq!(
        found(&policy, file("a.txt", Kind::Text), Side::External),
        [Rule::KnownBad]
    );
}

#[test]
fn patterns_name_extensions_names_kinds_classes_and_members() {
    let policy = |pattern: &str| policy(json!({ "external": 1, "level_1": [pattern] }));
    for (pattern, path, kind, blocked) in [
        ("exe", "a.exe", Kind::Unknown, true),
        ("*.exe", "a.exe", Kind::Unknown, true),
        (".EXE", "a.exe", Kind::Unknown, true),
        ("ex?", "a.exe", Kind::Unknown, true),
        ("exe", "exe", Kind::Unknown, false),
        ("name:invoice*", "Invoice 7.pdf", Kind::Pdf, true),
        ("name:invoice*", "my invoice.pdf", Kind::Pdf, false),
        ("kind:pe", "a.txt", Kind::Pe, true),
        ("class:video", "a.txt", Kind::Mp4, true),
        ("zip:exe", "a.exe", Kind::Unknown, false),
        ("zip:exe", "a.zip > a.exe", Kind::Unknown, true),
        ("zip:class:executable", "a.zip > a.txt", Kind::Pe, true),
        ("png", "", Kind::Png, true),
        ("png", "a.jpg", Kind::Png, false),
    ] {
        assert_eq!(
            is_blocked(&policy(pattern), file(path, kind), Side::External),
            blocked,
            "{pattern} {path}"
        );
    }
}

#[test]
fn mistakes_are_named_by_their_keys() {
    for (options, key) in [
        (json!({ "external": 5 }), "external"),
        (json!({ "level_2": ["exe", "class:nonsense"] }), "level_2[1]"),
        (json!({ "allowed": [""] }), "allowed[0]"),
        (json!({ "level_1": ["kinds:pe"] }), "level_1[0]"),
        (json!({ "level_1": ["kind:exe"] }), "level_1[0]"),
        (json!({ "level_1": ["exe|scr"] }), "level_1[0]"),
        (json!({ "level_1": ["exe, scr"] }), "level_1[0]"),
        (json!({ "level_1": ["*.tar.gz"] }), "level_1[0]"),
        (json!({ "level_1": ["name:folder/*.exe"] }), "level_1[0]"),
        (json!({ "people": { "d.example": {} } }), "people.\"d.example\""),
        (
            json!({ "people": { "*@d.example": { "allow": ["a", ""] } } }),
            "people.\"*@d.example\".allow[1]",
        ),
        (json!({ "known_good": ["abc"] }), "known_good[0]"),
        (json!({ "known_bad_files": ["/nowhere/at/all"] }), "known_bad_files[0]"),
    ] {
        assert_eq!(
            config(options.clone()).policy().expect_err("a mistake").key,
            key,
            "{options}"
        );
    }
    for (options, key) in [
        (json!({ "depth": 0 }), "depth"),
        (json!({ "depth": 17 }), "depth"),
        (json!({ "files": 0 }), "files"),
        (json!({ "ratio": 0 }), "ratio"),
        (json!({ "time": "0s" }), "time"),
    ] {
        assert_eq!(
            config(options.clone()).how().expect_err("a mistake").key,
            key,
            "{options}"
        );
    }
    let nonsense = json!({ "findings": { "nonsense": {} } });
    assert!(serde_json::from_value::<gatepost_attachments::Config>(nonsense).is_err());
}

proptest! {
    #[test]
    fn levels_one_to_three_are_cumulative(name in "[a-z.]{0,12}", kind in proptest::sample::select(Kind::ALL)) {
        let mut before = false;
        for level in 0..=3 {
            let policy = policy(json!({ "external": level }));
            let blocked = is_blocked(&policy, file(&name, kind), Side::External);
            prop_assert!(blocked || !before, "level {level} lets through what a lower one blocks");
            before = blocked;
        }
    }
}

#[test]
fn hashes_are_made_where_somebody_reads_them() {
    let hash = "ab".repeat(32);
    for (options, wanted) in [
        (json!({}), false),
        (json!({"findings": {"macro": {"action": "reject"}}}), false),
        (json!({"known_bad": [hash]}), true),
        (json!({"known_good_files": ["/etc/gatepost/good"]}), true),
        (json!({"findings": {"macro": {"outbound": "replace"}}}), true),
    ] {
        assert_eq!(
            config(options.clone()).how().expect("bounds").limits.hashes,
            wanted,
            "{options}"
        );
    }
}

//! Rules of people and domains.

use gatepost_attachments::look::File;
use gatepost_attachments::rule::{Rule, Side};
use gatepost_containers::Kind;
use serde_json::{Value, json};

use crate::scene::{carrying, file, policy};

fn blocked(people: &Value, address: &str, side: Side, file: File) -> bool {
    let policy = policy(json!({ "people": people, "external": 1, "exempt": 1, "outbound": 1 }));
    let rules = policy.people.of(address);
    let contents = carrying(vec![file]);
    let hits = policy.judge(&contents, side, &rules);
    hits.iter().any(|hit| hit.rule == Rule::Blocked)
}

#[test]
fn people_get_and_send_what_their_rules_say() {
    let people = json!({
        "ann@d.example": { "allow": ["exe"], "block": ["pdf"] },
        "bob@d.example": { "allow_in": ["class:executable"], "block_out": ["zip"] },
        "cat@d.example": { "only_in": ["pdf", "png"] },
        "dan@d.example": { "allow": ["zip:js"], "block": ["zip:txt"] },
        "*@d.example": { "block": ["mp4"] },
        "*@*.example": { "allow": ["mp4", "vbs"] },
    });
    let (inward, outward) = (Side::External, Side::Outbound);
    for (address, side, path, kind, is) in [
        ("ann@d.example", inward, "a.exe", Kind::Pe, false),
        ("ANN@D.example", inward, "a.exe", Kind::Pe, false),
        ("ann@d.example", Side::Exempt, "a.exe", Kind::Pe, false),
        ("ann@d.example", outward, "a.exe", Kind::Pe, false),
        ("ann@d.example", inward, "a.zip > a.exe", Kind::Pe, false),
        ("ann@d.example", inward, "a.js", Kind::JScript, true),
        ("ann@d.example", inward, "a.pdf", Kind::Pdf, true),
        ("ann@d.example", inward, "a.mp4", Kind::Mp4, true),
        ("ann@d.example", inward, "a.vbs", Kind::Unknown, false),
        ("bob@d.example", inward, "a.exe", Kind::Pe, false),
        ("bob@d.example", outward, "a.exe", Kind::Pe, true),
        ("bob@d.example", inward, "a.zip", Kind::Zip, false),
        ("bob@d.example", outward, "a.zip", Kind::Zip, true),
        ("cat@d.example", inward, "a.pdf", Kind::Pdf, false),
        ("cat@d.example", inward, "a.docx", Kind::Docx, true),
        ("cat@d.example", inward, "", Kind::Png, false),
        ("cat@d.example", outward, "a.docx", Kind::Docx, false),
        ("cat+list@d.example", inward, "a.docx", Kind::Docx, true),
        ("+cat@d.example", inward, "a.docx", Kind::Docx, false),
        ("dan@d.example", inward, "a.js", Kind::JScript, true),
        ("dan@d.example", inward, "a.zip > a.js", Kind::JScript, false),
        ("dan@d.example", inward, "a.txt", Kind::Text, false),
        ("dan@d.example", inward, "a.zip > a.txt", Kind::Text, true),
        ("eve@other.example", inward, "a.vbs", Kind::Unknown, false),
        ("eve@else.test", inward, "a.vbs", Kind::Unknown, true),
    ] {
        assert_eq!(
            blocked(&people, address, side, file(path, kind)),
            is,
            "{address} {side:?} {path}"
        );
    }
}

#[test]
fn who_is_let_have_programs_is_not_let_have_them_in_disguise() {
    let people = json!({ "ann@d.example": { "allow": ["exe", "jpg", "pdf", "dat"] } });
    let blocked = |name, kind| blocked(&people, "ann@d.example", Side::External, file(name, kind));
    assert!(!blocked("setup.exe", Kind::Pe));
    assert!(blocked("setup.dat", Kind::Pe), "it is not called a program");
    assert!(blocked("photo.jpg", Kind::Pe), "the content is another");
    assert!(blocked("invoice.pdf.exe", Kind::Pe), "a second extension");
    assert!(blocked("invoice_\u{202e}fdp.exe", Kind::Pe), "the direction of writing");
    assert!(
        blocked("setup.js:setup.exe", Kind::Pe),
        "one of its names is not let through"
    );
}

#[test]
fn what_is_let_through_by_its_content_is_not_where_its_name_has_it_run() {
    let people = json!({ "ann@d.example": { "only": ["class:picture", "kind:zip"] } });
    let blocked = |name, kind| blocked(&people, "ann@d.example", Side::External, file(name, kind));
    for name in ["photo.jpg", "photo", "", "photo.dat", "photo.tiff"] {
        assert!(!blocked(name, Kind::Jpeg), "{name}");
    }
    for name in [
        "photo.hta",
        "photo.bat",
        "photo.jpg.js",
        "photo.html",
        "photo.lnk",
        "photo.hta:photo.jpg",
    ] {
        assert!(blocked(name, Kind::Jpeg), "{name}");
    }
    assert!(!blocked("a.zip", Kind::Zip) && !blocked("a.docx", Kind::Zip));
    assert!(blocked("a.jar", Kind::Zip));
}

#[test]
fn what_is_let_through_for_one_of_its_names_is_not_for_another() {
    let people = json!({ "ann@d.example": { "allow": ["exe"] } });
    let two = File {
        names: vec![
            gatepost_attachments::name::Name::read("a.exe"),
            gatepost_attachments::name::Name::read("a.js"),
        ],
        ..file("a.exe", Kind::Pe)
    };
    assert!(blocked(&people, "ann@d.example", Side::External, two));
}

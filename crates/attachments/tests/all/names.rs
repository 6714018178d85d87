//! Names that are written to be taken for others.

use gatepost_attachments::name::{NAME_MAX, Name, READING_MAX, READINGS_MAX, Trick};
use gatepost_attachments::rule::{Rule, Side};
use gatepost_containers::Kind;
use proptest::prelude::*;
use serde_json::json;

use crate::scene::{file, found, is_blocked, policy};

fn extensions(name: &str) -> Vec<String> {
    Name::read(name).extensions().map(str::to_owned).collect()
}

#[test]
fn names_of_many_streams_leave_room_for_the_other_ways_to_read_them() {
    for n in [1, 3, 20, 60] {
        let streams: String = (0..n).map(|n| format!("{n}:")).collect();
        let name = format!("{streams}setup%2eexe");
        assert!(extensions(&name).contains(&"exe".to_owned()), "{name}");
    }
}

/// Each hides an extension that level 1 blocks; what comes beside is by which the hiding is told, if it is any.
const EVASIONS: [(&str, &[Trick]); 56] = [
    ("setup.exe", &[]),
    ("SETUP.EXE", &[]),
    ("invoice.pdf.exe", &[Trick::Double]),
    (
        "invoice.pdf                                   .exe",
        &[Trick::Spaces, Trick::Double],
    ),
    (
        "invoice.pdf\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}.scr",
        &[Trick::Spaces],
    ),
    ("photo.jpg_________________________________.exe", &[Trick::Double]),
    ("setup.exe.", &[Trick::Trailing]),
    ("setup.exe...", &[Trick::Trailing]),
    ("setup.exe ", &[]),
    ("setup.exe . . .", &[Trick::Trailing]),
    ("setup.exe\u{3000}", &[]),
    ("setup.exe\"", &[Trick::Trailing]),
    ("setup.exe'", &[Trick::Trailing]),
    ("setup.exe>", &[Trick::Trailing]),
    ("setup.exe;", &[Trick::Trailing]),
    ("setup.exe\0", &[Trick::Null]),
    ("setup.exe\0.jpg", &[Trick::Null]),
    ("\0setup.exe", &[Trick::Null]),
    ("set\0up.exe", &[Trick::Null]),
    ("setup.e\0xe", &[Trick::Null]),
    ("setup.e\r\nxe", &[Trick::Control]),
    ("setup.exe\r\n", &[Trick::Control]),
    ("setup\u{8}.exe\u{7f}", &[Trick::Control]),
    ("setup.ex\u{ad}e", &[Trick::Invisible]),
    ("setup.exe\u{200b}", &[Trick::Invisible]),
    ("setup\u{200d}.\u{2060}e\u{feff}xe", &[Trick::Invisible]),
    ("setup.exe\u{e0001}", &[Trick::Invisible]),
    ("setup.exe\u{fe0f}", &[Trick::Invisible]),
    ("Report_\u{202e}fdp.exe", &[Trick::Direction]),
    ("Report_\u{202e}gpj.\u{202c}scr", &[Trick::Direction]),
    ("\u{202d}Report.scr", &[Trick::Direction]),
    ("\u{200f}\u{200e}setup.exe", &[Trick::Invisible]),
    ("setup\u{ff0e}exe", &[Trick::Wide]),
    ("setup.\u{ff45}\u{ff58}\u{ff45}", &[Trick::Wide]),
    ("setup\u{2024}exe", &[Trick::Wide]),
    ("setup\u{3002}exe", &[Trick::Wide]),
    ("setup\u{fe52}exe", &[Trick::Wide]),
    ("setup.\u{1d41e}\u{1d431}\u{1d41e}", &[Trick::Wide]),
    ("setup.e\u{2179}e", &[Trick::Wide]),
    ("setup.j\u{17f}", &[Trick::Wide]),
    ("setup%2Eexe", &[Trick::Escaped]),
    ("setup.%65%78%65", &[Trick::Escaped]),
    ("setup.exe%00.jpg", &[Trick::Escaped]),
    ("..\\..\\startup\\setup.exe", &[]),
    ("../../etc/setup.exe", &[]),
    ("C:\\x.jpg\\setup.exe", &[]),
    ("setup.exe/", &[]),
    ("setup.exe\\\\", &[]),
    ("\u{ff3c}share\u{ff3c}setup.exe", &[Trick::Wide]),
    ("setup.exe:jpg", &[Trick::Stream]),
    ("setup.exe:stream.jpg:$DATA", &[Trick::Stream]),
    ("setup.exe::$DATA", &[Trick::Stream]),
    ("picture.jpg:setup.exe", &[Trick::Stream]),
    ("setup.exe;.jpg", &[]),
    ("setup.exe\".jpg", &[]),
    ("photo.jpg.{3f4daea4-bb5c-11d0-8e94-00c04fc324b0}", &[Trick::Double]),
];

#[test]
fn every_evasion_is_read_as_what_it_is() {
    let policy = policy(json!({ "external": 1 }));
    for (name, tricks) in EVASIONS {
        let read = Name::read(name);
        for trick in tricks {
            assert!(
                read.tricks.contains(trick),
                "{name:?}: {:?} instead of {trick:?}",
                read.tricks
            );
        }
        for path in [name.to_owned(), format!("outer.zip > {name}")] {
            let kind = Kind::Unknown;
            assert!(
                is_blocked(&policy, file(&path, kind), Side::External),
                "{path:?}: {read:?}"
            );
        }
    }
}

#[test]
fn a_name_longer_than_windows_reads_is_read_to_there_as_well() {
    let name = format!("{}.exe.jpg", "x".repeat(251));
    assert!(extensions(&name).contains(&"exe".to_owned()));
    let huge = format!("{}.exe", "x".repeat(100_000));
    let read = Name::read(&huge);
    assert!(read.tricks.contains(&Trick::Long) && read.extensions().any(|extension| extension == "exe"));
}

#[test]
fn names_that_hide_something_are_told_and_honest_ones_are_not() {
    let policy = policy(json!({ "external": 0 }));
    for name in [
        "invoice.pdf.exe",
        "invoice.pdf            .scr",
        "Report_\u{202e}fdp.exe",
        "setup\u{ff0e}exe",
        "setup.exe\0.jpg",
        "setup.exe::$DATA",
        "photo.jpg.lnk",
        "invoice.docx.iso",
    ] {
        let rules = found(&policy, file(name, Kind::Unknown), Side::External);
        assert_eq!(rules, [Rule::DisguisedName], "{name:?}");
    }
    for name in [
        "setup.exe",
        "report.2024.pdf",
        "Re: minutes of the meeting.eml",
        "archive.tar.gz",
        "r\u{e9}sum\u{e9}.pdf",
        "re\u{301}sume\u{301}.pdf",
        "\u{5d3}\u{5d5}\u{5d7}\u{200f}.pdf",
        "photo.jpg.zip",
        "a.b.c.d.docx",
        "\u{65e5}\u{672c}\u{8a9e}\u{3002}pdf",
        "100%.pdf",
        "mail.example.com.txt",
        "README",
        "notes. ",
        "",
    ] {
        assert_eq!(
            found(&policy, file(name, Kind::Unknown), Side::External),
            [],
            "{name:?}"
        );
    }
}

#[test]
fn honest_names_are_blocked_by_no_level_below_four() {
    let policy = policy(json!({ "external": 3 }));
    for name in [
        "report.pdf",
        "minutes.docx",
        "photo.jpeg",
        "song.mp3",
        "data.csv",
        "book.epub",
        "x.tar.gz",
        "smime.p7s",
    ] {
        assert!(
            !is_blocked(&policy, file(name, Kind::Unknown), Side::External),
            "{name}"
        );
    }
}

proptest! {
    #[test]
    fn any_name_has_few_and_short_readings(raw in ".{0,400}", repeat in 1_usize..20) {
        let name = Name::read(&raw.repeat(repeat));
        prop_assert!(name.readings.len() <= READINGS_MAX);
        for reading in &name.readings {
            prop_assert!(!reading.name.is_empty() && reading.name.len() <= READING_MAX);
            prop_assert!(reading.name.ends_with(&*reading.extension));
            prop_assert!(!reading.name.contains(['\0', '\r', '\n', '/', '\\']));
        }
        prop_assert!(name.tricks.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn what_stands_before_an_extension_never_hides_it(before in ".{0,200}") {
        let name = format!("{before}x.exe");
        prop_assume!(name.len() <= NAME_MAX);
        let extensions = extensions(&name);
        prop_assert!(extensions.iter().any(|extension| extension == "exe"), "{name:?}: {extensions:?}");
    }
}

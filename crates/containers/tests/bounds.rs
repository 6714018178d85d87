//! Bombs, depths and broken octets: every bound holds and is told.

mod oracle;
mod seen;
mod written;

use std::cell::Cell;

use gatepost_containers::{Limits, Mark, examine};
use oracle::bounded;
use proptest::prelude::*;
use seen::{all, fixture, is_any, marks, named, whole, within};
use written::{deflated, gzip, overlapping, stored, tape, zip};

#[test]
fn a_file_of_much_the_same_is_a_bomb() {
    let bomb = zip(&[deflated("zeros", &vec![0; 20 * 1_024 * 1_024])]);
    let seen = all("a.zip", &bomb);
    assert!(
        whole(&seen).has(Mark::Ratio) && named(&seen, "zeros")[0].has(Mark::Ratio),
        "{:?}",
        marks(&seen)
    );
    assert!(named(&seen, "zeros")[0].item.octets < 4 * 1_024 * 1_024);
    assert!(named(&seen, "zeros")[0].item.sha256.is_none() && named(&seen, "zeros")[0].octets.is_none());
}

#[test]
fn a_bomb_of_bombs_goes_off_once() {
    let mut bomb = zip(&[deflated("zeros", &vec![0; 4 * 1_024 * 1_024])]);
    for level in 0..4 {
        let members: Vec<_> = (0..16)
            .map(|number| deflated(&format!("{level}-{number}.zip"), &bomb))
            .collect();
        bomb = zip(&members);
    }
    let seen = all("a.zip", &bomb);
    assert!(is_any(&seen, Mark::Ratio), "{:?}", marks(&seen));
    assert!(seen.iter().map(|one| one.item.octets).sum::<u64>() < 110 * 1_024 * 1_024);
    assert!(seen.len() <= 1_001);
}

#[test]
fn a_small_bomb_in_a_large_archive_is_bounded_by_its_octets() {
    let limits = Limits {
        ratio: u64::MAX,
        octets: 8 * 1_024 * 1_024,
        ..Limits::default()
    };
    let seen = within(
        "a.zip",
        &zip(&[deflated("zeros", &vec![0; 20 * 1_024 * 1_024]), stored("b", b"2")]),
        &limits,
    );
    assert!(whole(&seen).has(Mark::Octets) && named(&seen, "zeros")[0].has(Mark::Octets));
    assert!(named(&seen, "zeros")[0].item.octets <= 8 * 1_024 * 1_024 + 65_536);
    assert!(named(&seen, "b").is_empty());
}

#[test]
fn members_that_lie_upon_one_another_are_ambiguous_and_bounded() {
    let seen = all("a.zip", &overlapping("a", &deflated("a", &vec![7; 600 * 1_024]), 900));
    assert!(whole(&seen).has(Mark::Ratio), "{:?}", marks(&seen));
    let seen = all("a.zip", &overlapping("a", &stored("a", b"one"), 3));
    assert!(whole(&seen).has(Mark::Ambiguous), "{:?}", marks(&seen));
}

#[test]
fn of_ten_thousand_members_a_thousand_are_seen() {
    let members: Vec<_> = (0..10_000)
        .map(|number| stored(&format!("{number}.txt"), b"x"))
        .collect();
    let tar: Vec<u8> = (0..10_000)
        .flat_map(|number| tape(&format!("{number}.txt"), b'0', b"x"))
        .collect();
    for (name, octets) in [("a.zip", zip(&members)), ("a.tar", tar)] {
        let seen = all(name, &octets);
        assert!(whole(&seen).has(Mark::Files), "{name}");
        assert_eq!(seen.len(), 1_001, "{name}");
    }
}

#[test]
fn a_thousand_containers_within_one_another_end_at_the_depth() {
    let (mut zips, mut gzips) = (b"end".to_vec(), b"end".to_vec());
    for _ in 0..1_000 {
        zips = zip(&[stored("a.zip", &zips)]);
        gzips = gzip(None, &gzips);
    }
    for (name, octets) in [("a.zip", zips), ("a.gz", gzips)] {
        for (depth, reached) in [(0, 0), (1, 1), (5, 5), (16, 16), (1_000, Limits::DEPTH_MAX)] {
            let seen = within(
                name,
                &octets,
                &Limits {
                    depth,
                    ..Limits::default()
                },
            );
            assert_eq!(seen.len(), reached + 1, "{name}");
            assert!(seen[0].has(Mark::Depth), "{name}: {:?}", marks(&seen));
        }
    }
}

#[test]
fn what_is_too_large_for_the_memory_is_hashed_and_not_opened() {
    let inner = zip(&[stored("a.exe", &vec![1; 300_000])]);
    let outer = zip(&[stored("inner.zip", &inner)]);
    let seen = within(
        "a.zip",
        &outer,
        &Limits {
            memory: 200_000,
            ..Limits::default()
        },
    );
    let large = named(&seen, "inner.zip")[0];
    assert!(
        large.has(Mark::Octets) && large.octets.is_none() && large.item.sha256.is_some(),
        "{:?}",
        marks(&seen)
    );
    assert_eq!(large.item.octets, inner.len() as u64);
    assert!(named(&seen, "a.exe").is_empty());
    // The larger one within takes what the one around it leaves.
    let seen = within(
        "a.zip",
        &outer,
        &Limits {
            memory: 500_000,
            ..Limits::default()
        },
    );
    assert!(
        named(&seen, "a.exe")[0].has(Mark::Octets) && named(&seen, "a.exe")[0].octets.is_none(),
        "{:?}",
        marks(&seen)
    );
}

#[test]
fn when_the_time_is_over_it_is_told() {
    let octets = zip(&[deflated("a", &vec![1; 900_000]), stored("b", b"2")]);
    for calls in 0..6 {
        let (left, mut seen) = (Cell::new(calls), Vec::new());
        let spent = || {
            left.set(left.get() - 1);
            left.get() < 0
        };
        examine("a.zip", None, &octets, &Limits::default(), &spent, &mut |item, _| {
            seen.push(item.clone())
        });
        assert!(
            seen.last().is_some_and(|item| item.has(Mark::Time)),
            "{calls}: {seen:?}"
        );
        assert!(!seen.iter().any(|item| item.path.len() == 2 && &*item.path[1] == "b"));
    }
}

#[test]
fn files_behind_damage_in_a_7z_folder_end_and_are_damaged() {
    let mut octets = fixture("plain.7z");
    // The properties of the first chunk of LZMA2, behind its head of five octets.
    octets[32 + 5] = 0xff;
    let seen = all("a.7z", &octets);
    assert!(
        seen.len() >= 4
            && seen
                .iter()
                .all(|one| one.item.path.len() == 1 || one.has(Mark::Damaged)),
        "{:?}",
        marks(&seen)
    );
}

#[test]
fn the_same_octets_give_the_same_items() {
    for archive in ARCHIVES {
        let once: Vec<_> = all(archive, &fixture(archive))
            .into_iter()
            .map(|one| one.item)
            .collect();
        let twice: Vec<_> = all(archive, &fixture(archive))
            .into_iter()
            .map(|one| one.item)
            .collect();
        assert_eq!(once, twice);
    }
}

const ARCHIVES: [&str; 44] = [
    "aes.zip",
    "bcj2.7z",
    "bin.cpio",
    "both.iso.xz",
    "bzip2.7z",
    "bzip2.zip",
    "copy.7z",
    "copy.zip",
    "crc.cpio",
    "deflate.7z",
    "deflate.zip",
    "deflate64.zip",
    "encrypted-names5.rar",
    "encrypted.7z",
    "encrypted.arj",
    "encrypted.zip",
    "encrypted4.rar",
    "encrypted5.rar",
    "gnu.tar.gz",
    "info.zip",
    "lzma.zip",
    "mszip.cab",
    "newc.cpio",
    "odc.cpio",
    "packed.arj",
    "packed4.rar",
    "packed5.rar",
    "pax.tar.gz",
    "plain.7z",
    "plain.a",
    "plain.iso.xz",
    "ppmd.7z",
    "ppmd.zip",
    "same.txt.Z",
    "same.txt.bz2",
    "same.txt.gz",
    "same.txt.lzma",
    "same.txt.xz",
    "same.txt.zst",
    "stored.ace",
    "stored.arj",
    "stored.cab",
    "stored.lzh",
    "stored5.rar",
];

#[test]
fn a_cut_anywhere_breaks_nothing() {
    for archive in ARCHIVES {
        let octets = fixture(archive);
        let step = (octets.len() / 300).max(1);
        for cut in (0..octets.len()).step_by(step) {
            bounded(archive, &octets[..cut]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn flipped_octets_break_nothing(number in 0..ARCHIVES.len(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut octets = fixture(ARCHIVES[number]);
        for (at, with) in flips {
            let at = at.index(octets.len());
            octets[at] = with;
        }
        bounded(ARCHIVES[number], &octets);
    }

    #[test]
    fn an_image_with_flipped_octets_breaks_nothing(flips in prop::collection::vec((0_usize..200_000, any::<u8>()), 1..40)) {
        let mut octets = image();
        let len = octets.len() - 32_768;
        for (at, with) in flips {
            octets[32_768 + at % len] = with;
        }
        bounded("a.iso", &octets);
    }

    #[test]
    fn any_octets_break_nothing(number in 0..HEADS.len(), rest in prop::collection::vec(any::<u8>(), 0..600), name in "[a-z]{0,3}\\.(zip|lzma|bin|exe|tgz)") {
        bounded(&name, &[HEADS[number], &rest].concat());
        bounded(&name, &[b"MZ".as_slice(), &rest, HEADS[number], &rest].concat());
    }
}

/// The octets of a disc with all three trees and UDF.
fn image() -> Vec<u8> {
    thread_local!(static IMAGE: Vec<u8> = all("udf.iso.xz", &fixture("udf.iso.xz")).into_iter()
        .find(|one| one.item.kind == gatepost_containers::Kind::Iso)
        .and_then(|one| one.octets)
        .expect("an image"));
    IMAGE.with(Clone::clone)
}

const HEADS: [&[u8]; 22] = [
    b"",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x01\x02",
    b"\x1f\x8b\x08",
    b"\x1f\x9d\x90",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0\0\x04",
    b"\x5d\0\0\x80\0",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07\0",
    b"Rar!\x1a\x07\x01\0",
    b"MSCF\0\0\0\0",
    b"!<arch>\n",
    b"070701",
    b"070707",
    b"\xc7\x71",
    b"\x60\xea",
    b"\0\0\0\0\0\0\0**ACE**",
    b"\0\0-lh0-",
];

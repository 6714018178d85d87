//! Ends that nobody planned: kill -9 at any moment.
//!
//! It needs a process of its own: this test binary again, told by its environment what to be.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test that is started again by itself is told so by the environment, and talks by its output"
)]

mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatepost_core::{Learning, Unlearn};
use gatepost_training::Settings;
use house::{School, block, class, from_the_log, often};

/// How often the child is killed.
const KILLS: u64 = 14;

/// The child: learns, forgets and goes back until it is killed, and says each thing before and after it is done.
#[test]
fn child_that_is_killed() {
    let Ok(root) = std::env::var("LEARNING_CHILD_ROOT") else {
        return;
    };
    let round: u64 = std::env::var("LEARNING_CHILD_ROUND").unwrap().parse().unwrap();
    let school = School::open(Path::new(&root), often(3));
    block(async {
        let mut mine = Vec::new();
        for n in round * 10_000.. {
            let sequence = school.label(n, class(n), "ann").await.unwrap();
            println!("\nlearned {sequence}");
            mine.push(sequence);
            if n % 5 == 4 {
                let gone = mine.remove((n as usize * 7) % mine.len());
                println!("\nforgetting {gone}");
                school.teacher.unlearn(&Unlearn::Sample(gone)).await.unwrap();
                println!("\nforgotten {gone}");
            }
            if n % 23 == 22 && school.teacher.rollback(None).await.is_ok() {
                println!("\nback {n}");
            }
        }
    });
}

#[test]
fn nothing_that_was_answered_is_lost_by_kill_9_and_the_models_are_those_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut fates: BTreeMap<u64, &str> = BTreeMap::new();
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"])
            .env("LEARNING_CHILD_ROOT", dir.path())
            .env("LEARNING_CHILD_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut seen, mut killed) = (0, false);
        for line in &mut lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let [what, sequence] = words[..] else { continue };
            let fate = ["learned", "forgetting", "forgotten", "back"]
                .into_iter()
                .find(|fate| *fate == what);
            let Some(fate) = fate else { continue };
            if fate != "back" {
                fates.insert(sequence.parse().unwrap(), fate);
            }
            seen += 1;
            // It is killed after so many lines: in the middle of whatever it does then.
            if seen == 4 + round * 5 && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself after {seen} lines");
        let expected = from_the_log(dir.path());
        let school = School::open(dir.path(), often(3));
        assert_eq!(school.models(), expected, "round {round}");
        let there = sequences(dir.path());
        for (sequence, fate) in &fates {
            match *fate {
                "learned" => assert!(there.contains(sequence), "{sequence} was learned and is lost"),
                "forgotten" => assert!(!there.contains(sequence), "{sequence} was forgotten and is there"),
                _ => {}
            }
        }
        block(school.teacher.close());
    }
    assert!(fates.len() as u64 > KILLS * 4);
}

/// The samples that lie on the disk.
fn sequences(root: &Path) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for file in std::fs::read_dir(root.join("samples")).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        for placed in gatepost_training::segment::read(&octets).lines {
            if let gatepost_training::entry::Line::Sample(head) = placed.line {
                all.insert(head.sequence);
            }
        }
    }
    all
}

#[test]
fn a_log_that_is_cut_anywhere_opens_and_has_what_lies_before_the_cut() {
    let dir = tempfile::tempdir().unwrap();
    block(async {
        let school = School::open(dir.path(), Settings::default());
        for n in 0..6 {
            school.label(n, class(n), "ann").await.unwrap();
        }
        school.teacher.unlearn(&Unlearn::Sample(2)).await.unwrap();
        school.teacher.close().await;
    });
    let name = std::fs::read_dir(dir.path().join("samples"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let octets = Arc::new(std::fs::read(name.path()).unwrap());
    let frames = gatepost_training::segment::read(&octets).lines;
    for cut in (0..octets.len()).step_by(37) {
        let other = tempfile::tempdir().unwrap();
        std::fs::create_dir(other.path().join("samples")).unwrap();
        std::fs::write(other.path().join("samples").join(name.file_name()), &octets[..cut]).unwrap();
        let school = School::open(other.path(), Settings::default());
        let whole = frames.iter().filter(|frame| frame.at + frame.len <= cut);
        let samples = whole.filter(|frame| matches!(frame.line, gatepost_training::entry::Line::Sample(_)));
        assert_eq!(school.teacher.found().samples, samples.count() as u64, "{cut}");
        let torn = frames.iter().all(|frame| frame.at + frame.len != cut) && cut > 0;
        assert_eq!(school.teacher.found().notes.len(), usize::from(torn), "{cut}");
    }
}

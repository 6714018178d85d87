//! Files of the sample log that are not there any more: what is told, and what the models still know.

mod house;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::{Ground, Learning, Lesson, Message, Unlearn};
use gatepost_training::Settings;
use house::{School, block, class, from_the_log, often, when};

fn settings() -> Settings {
    Settings {
        log_mib: 1,
        ..often(10)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder.join("samples")).unwrap();
    let mut all: Vec<PathBuf> = all.map(|file| file.unwrap().path()).collect();
    all.sort();
    all
}

/// Mails so long that the log has several files.
async fn taught(school: &School, range: std::ops::Range<u64>) {
    let long = "filler ".repeat(500);
    for n in range {
        let text = format!("Subject: about{n}\r\n\r\nword{n} {long}");
        let message = Arc::new(Message::from_bytes(text.into_bytes()));
        let mut lesson = Lesson::new(message, class(n), "ann", when(n));
        lesson.ground = Ground::Corpus;
        school.teacher.label(lesson).await.unwrap();
    }
}

#[test]
fn a_file_that_is_missing_in_the_middle_is_told_and_the_models_keep_what_they_know() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), settings());
        taught(&school, 0..45).await;
        school.teacher.close().await;
        let models = school.models();
        drop(school);
        let all = files(dir.path());
        assert!(all.len() > 2, "{all:?}");
        std::fs::remove_file(&all[1]).unwrap();
        let school = School::open(dir.path(), settings());
        let notes = &school.teacher.found().notes;
        let first: u64 = all[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let next: u64 = all[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert!(
            notes[0].contains(&format!("samples {first} to {} are missing", next - 1)),
            "{notes:?}"
        );
        assert!(notes[1].contains("is the base from now on"), "{notes:?}");
        assert_eq!(school.models(), models);
        taught(&school, 45..50).await;
        school.teacher.close().await;
        let models = school.models();
        assert_eq!(from_the_log(dir.path()), models);
        drop(school);
        let school = School::open(dir.path(), settings());
        assert_eq!(school.teacher.found().notes, Vec::<String>::new(), "it is told once");
        assert_eq!(school.models(), models);
    });
}

#[test]
fn a_missing_file_that_no_version_knows_is_told_and_the_others_are_used() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), settings());
        taught(&school, 0..45).await;
        school.teacher.close().await;
        drop(school);
        std::fs::remove_dir_all(dir.path().join("versions")).unwrap();
        std::fs::remove_file(&files(dir.path())[0]).unwrap();
        let school = School::open(dir.path(), settings());
        let found = school.teacher.found();
        assert!(
            found.notes.len() == 1 && found.notes[0].contains("samples 1 to "),
            "{found:?}"
        );
        assert!(found.samples > 0 && found.samples < 45, "{found:?}");
    });
}

#[test]
fn samples_that_were_forgotten_are_not_missing() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), settings());
        taught(&school, 0..45).await;
        let all = files(dir.path());
        let next: u64 = all[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
        // The last ones of the first file: between it and the next there is a gap now.
        for sequence in [next - 1, next - 2] {
            assert_eq!(school.teacher.unlearn(&Unlearn::Sample(sequence)).await, Ok(1));
        }
        school.teacher.close().await;
        let models = school.models();
        drop(school);
        let school = School::open(dir.path(), settings());
        assert_eq!(school.teacher.found().notes, Vec::<String>::new());
        assert_eq!(school.models(), models);
    });
}

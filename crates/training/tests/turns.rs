//! Collections that are handed over one class after the other are learned in turns.

mod house;

use std::path::Path;
use std::sync::Arc;

use gatepost_core::{Ground, Label, Learning, Lesson, Message, Taught, Unlearn};
use gatepost_training::entry::Line;
use gatepost_training::{Settings, segment};
use house::{School, block, from_the_log, often, when};

/// Words that all mails have, a few of their class's, and one of its own.
fn mail(n: u64, label: Label) -> Arc<Message> {
    let own = match label {
        Label::Ham => ["lunch", "minutes", "regards"],
        Label::Spam => ["pills", "cheap", "winner"],
    };
    let text = format!(
        "From: a@b.example\r\nSubject: hello there\r\n\r\nthis is the mail that you wanted, about {} only{n}\r\n",
        own[n as usize % 3]
    );
    Arc::new(Message::from_bytes(text.into_bytes()))
}

/// Mails of a collection: so many of one class from the n-th on.
fn collected(n: u64, count: u64, label: Label) -> Vec<Lesson> {
    let class = if n < 1_000 { Label::Ham } else { Label::Spam };
    let of = |n| {
        let mut lesson = Lesson::new(mail(n, class), label, "train", when(n));
        lesson.ground = Ground::Corpus;
        lesson
    };
    (n..n + count).map(of).collect()
}

/// The samples that the log repeats, in order.
fn repeated(folder: &Path) -> Vec<u64> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("samples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let octets = std::fs::read(file).unwrap();
        let lines = segment::read(&octets).lines.into_iter();
        all.extend(lines.filter_map(|placed| match placed.line {
            Line::Again(_, of, _) => Some(of),
            _ => None,
        }));
    }
    all
}

#[test]
fn ham_that_came_before_all_spam_is_learned_once_more_between_it() {
    block(async {
        let folder = tempfile::tempdir().unwrap();
        let mut school = School::open(folder.path(), often(50));
        school.teacher.label_all(collected(0, 200, Label::Ham)).await.unwrap();
        school
            .teacher
            .label_all(collected(1_000, 400, Label::Spam))
            .await
            .unwrap();
        let again = repeated(folder.path());
        assert!((200..=1_200).contains(&again.len()), "{}", again.len());
        assert_eq!(
            again.iter().copied().take(200).collect::<Vec<_>>(),
            (1..=200).collect::<Vec<_>>()
        );
        // The same as ever follows from the log, and nobody is told of what was learned once more.
        assert_eq!(school.models(), from_the_log(folder.path()));
        let learned = school.models();
        school.teacher.close().await;
        drop(school);
        school = School::open(folder.path(), often(50));
        assert_eq!(school.teacher.found().samples, 600);
        assert_eq!(school.models(), learned);
        let newest = school.teacher.versions().await.unwrap().remove(0);
        assert_eq!((newest.ham, newest.spam), (200, 400));
        let again = school.teacher.label_all(collected(0, 200, Label::Ham)).await.unwrap();
        assert!(again.iter().all(|one| matches!(one, Taught::Known(_))), "{again:?}");
        school.teacher.rebuild().await.unwrap();
        assert_eq!(school.models(), learned);
    });
}

#[test]
fn what_is_forgotten_is_also_forgotten_where_it_was_learned_once_more() {
    block(async {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(folder.path(), Settings::default());
        let mut ham = Vec::new();
        for taught in school.teacher.label_all(collected(0, 40, Label::Ham)).await.unwrap() {
            match taught {
                Taught::Learned(sequence) => ham.push(sequence),
                other => panic!("{other:?}"),
            }
        }
        school
            .teacher
            .label_all(collected(1_000, 400, Label::Spam))
            .await
            .unwrap();
        for sequence in ham {
            assert_eq!(school.teacher.unlearn(&Unlearn::Sample(sequence)).await, Ok(1));
        }
        let only = School::open(other.path(), Settings::default());
        only.teacher
            .label_all(collected(1_000, 400, Label::Spam))
            .await
            .unwrap();
        assert_eq!(school.models(), only.models());
        school.teacher.close().await;
        drop(school);
        let school = School::open(folder.path(), Settings::default());
        assert_eq!(school.teacher.found().notes, Vec::<String>::new());
        assert_eq!(school.models(), only.models());
        assert_eq!(school.teacher.unlearn(&Unlearn::By("train".into())).await, Ok(400));
    });
}

#[test]
fn a_correction_takes_the_wrong_word_away_wherever_it_was_learned() {
    block(async {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(folder.path(), Settings::default());
        school.teacher.label_all(collected(0, 40, Label::Ham)).await.unwrap();
        school
            .teacher
            .label_all(collected(1_000, 400, Label::Spam))
            .await
            .unwrap();
        // All of the ham was spam, and in one batch with it comes more that would have it learned once more.
        let mut all = collected(0, 40, Label::Spam);
        all.extend(collected(2_000, 400, Label::Spam));
        school.teacher.label_all(all).await.unwrap();
        let only = School::open(other.path(), Settings::default());
        let mut all = collected(1_000, 400, Label::Spam);
        all.extend(collected(0, 40, Label::Spam));
        all.extend(collected(2_000, 400, Label::Spam));
        only.teacher.label_all(all).await.unwrap();
        school.teacher.sweep().await.unwrap();
        assert_eq!(school.models(), only.models());
        assert_eq!(school.models(), from_the_log(folder.path()));
    });
}

#[test]
fn who_is_forgotten_leaves_nothing_that_was_learned_once_more_for_his_sake() {
    block(async {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(folder.path(), Settings::default());
        school.teacher.label_all(collected(0, 40, Label::Ham)).await.unwrap();
        let mut spam = collected(1_000, 400, Label::Spam);
        spam.iter_mut().for_each(|lesson| lesson.by = "eve".into());
        school.teacher.label_all(spam).await.unwrap();
        assert!(!repeated(folder.path()).is_empty());
        assert_eq!(school.teacher.unlearn(&Unlearn::By("eve".into())).await, Ok(400));
        let never = School::open(other.path(), Settings::default());
        never.teacher.label_all(collected(0, 40, Label::Ham)).await.unwrap();
        assert_eq!(school.models(), never.models());
    });
}

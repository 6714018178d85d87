//! Collections that are handed over one class after the other are learned in turns.

mod house;

use gatepost_core::{Ground, Label, Learning, Lesson, Unlearn};
use gatepost_training::Settings;
use house::{School, block, from_the_log, lesson, often};

/// Mails of a collection: so many of one class from the n-th on.
fn collected(n: u64, count: u64, label: Label) -> Vec<Lesson> {
    let of = |n| {
        let mut lesson = lesson(n, label, "train");
        lesson.ground = Ground::Corpus;
        lesson
    };
    (n..n + count).map(of).collect()
}

#[test]
fn ham_and_then_spam_give_the_models_that_both_give_in_turns() {
    block(async {
        let (apart, mixed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(apart.path(), often(7));
        school.teacher.label_all(collected(0, 40, Label::Ham)).await.unwrap();
        assert_eq!(school.teacher.take_turns().await, Ok(0), "there is only one class");
        school.teacher.label_all(collected(100, 20, Label::Spam)).await.unwrap();
        let leaning = school.models();
        assert_eq!(school.teacher.take_turns().await, Ok(60));
        assert_eq!(school.teacher.take_turns().await, Ok(0), "they take turns already");

        let other = School::open(mixed.path(), Settings::default());
        let (mut ham, mut spam) = (collected(0, 40, Label::Ham), collected(100, 20, Label::Spam));
        let mut turns = Vec::new();
        for _ in 0..20 {
            turns.push(ham.remove(0));
            turns.push(ham.remove(0));
            turns.push(spam.remove(0));
        }
        other.teacher.label_all(turns).await.unwrap();
        assert_eq!(school.models(), other.models());
        assert_ne!(school.models(), leaning);
        assert_eq!(from_the_log(apart.path()), other.models());

        let again = collected(0, 40, Label::Ham);
        let known = school.teacher.label_all(again).await.unwrap();
        assert!(
            known.iter().all(|one| matches!(one, gatepost_core::Taught::Known(_))),
            "{known:?}"
        );
        school.teacher.close().await;
        drop(school);
        let school = School::open(apart.path(), often(7));
        assert_eq!(school.models(), other.models());
        assert_eq!(school.teacher.unlearn(&Unlearn::By("train".into())).await, Ok(60));
    });
}

#[test]
fn what_people_said_stays_where_it_is() {
    block(async {
        let folder = tempfile::tempdir().unwrap();
        let school = School::open(folder.path(), Settings::default());
        school.teacher.label_all(collected(0, 40, Label::Ham)).await.unwrap();
        let told = school.label(500, Label::Spam, "ann").await.unwrap();
        school.teacher.label_all(collected(100, 40, Label::Spam)).await.unwrap();
        assert_eq!(school.teacher.take_turns().await, Ok(80));
        assert_eq!(school.teacher.unlearn(&Unlearn::Sample(told)).await, Ok(1));
    });
}

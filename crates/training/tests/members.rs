//! The law of forgetting with the three classifiers that there are: by id, by whom and since, across a restart.

mod house;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost_core::classifier::Shelf;
use gatepost_core::{
    BadModel, Clue, Domain, Fault, Features, Label, Learner, Learning, Lesson, LogOdds, Message, ModelSlot, Models,
    Sample, Unlearn,
};
use gatepost_testkit::Fakes;
use house::{School, Toy, block, class, from_the_log_with, often, when};

fn shelf(make: impl Fn() -> Arc<dyn Learner> + Send + Sync + 'static) -> Arc<dyn ModelSlot> {
    Arc::new(Shelf::new(make))
}

fn three() -> Fakes {
    let fakes = Fakes::new();
    let seed = Fakes::SEED;
    fakes.models.slot("bayes", &|| {
        shelf(move || Arc::new(gatepost_bayes::model::Model::new(seed)))
    });
    fakes.models.slot("hmm", &|| {
        shelf(move || Arc::new(gatepost_hmm::model::Model::new(seed)))
    });
    fakes.models.slot("ngram", &|| {
        shelf(move || Arc::new(gatepost_ngram::model::Model::new(seed)))
    });
    fakes
}

fn school(folder: &Path) -> School {
    School::with(three(), folder, often(20))
}

#[test]
fn what_was_forgotten_was_never_learned_by_any_classifier() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let who = |n: u64| ["ann", "carl", "eve"][n as usize % 3];
        let first = school(dir.path());
        let mut sequences = Vec::new();
        for n in 0..50 {
            sequences.push(first.label(n, class(n), who(n)).await.unwrap());
        }
        assert_eq!(first.teacher.unlearn(&Unlearn::Sample(sequences[22])).await, Ok(1));
        first.teacher.close().await;
        drop(first);
        let second = school(dir.path());
        for n in 50..60 {
            second.label(n, class(n), who(n)).await.unwrap();
        }
        assert_eq!(second.teacher.unlearn(&Unlearn::By("eve".into())).await, Ok(20));
        assert_eq!(second.teacher.unlearn(&Unlearn::Since(when(57).millis())).await, Ok(2));
        let never = school(other.path());
        for n in (0..57).filter(|n| *n != 22 && n % 3 != 2) {
            never.label(n, class(n), who(n)).await.unwrap();
        }
        let equal = |one: &School, other: &School, what: &str| {
            for (name, slot) in one.fakes.models.all() {
                let same = slot.live().save() == other.fakes.models.all()[name].live().save();
                assert!(same, "{what}: {name}");
            }
            assert_eq!(*one.fusion.lock().unwrap(), *other.fusion.lock().unwrap(), "{what}");
        };
        equal(&second, &never, "the models in use");
        second.teacher.close().await;
        drop(second);
        equal(&school(dir.path()), &never, "a version and the log behind it");
        equal(&from_the_log_with(three(), dir.path()), &never, "the log alone");
    });
}

#[test]
fn a_mail_that_was_not_read_to_its_end_is_refused_and_teaches_nothing() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = school(dir.path());
        let before = school.models();
        let body = "<b>words</b>".repeat(500);
        let cut = Message::from_bytes(format!("Content-Type: text/html\r\n\r\n{body}\r\n"));
        cut.reading(&|| true);
        let cut = Arc::new(cut);
        let told = school
            .teacher
            .label(Lesson::new(Arc::clone(&cut), Label::Spam, "ann", when(1)))
            .await;
        assert!(
            matches!(told, Err(Fault::Unavailable(why)) if why.contains("to its end")),
            "{told:?}"
        );
        assert_eq!(school.models(), before);
        // The same mail, read in peace, is learned.
        let whole = Message::from_bytes(format!("Content-Type: text/html\r\n\r\n{body}\r\n"));
        let told = school
            .teacher
            .label(Lesson::new(Arc::new(whole), Label::Spam, "ann", when(1)))
            .await;
        assert!(told.is_ok(), "{told:?}");
    });
}

/// A toy that can be told to load nothing.
struct Stubborn(Toy, Arc<AtomicBool>);

impl Learner for Stubborn {
    fn features(&self, message: &Message) -> Features {
        self.0.features(message)
    }
    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        self.0.score(features, domain)
    }
    fn learn(&self, features: &Features, sample: &Sample) {
        self.0.learn(features, sample);
    }
    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        self.0.explain(message, domain)
    }
    fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        match self.1.load(Ordering::Relaxed) {
            true => Err(BadModel("not today".into())),
            false => self.0.load(saved),
        }
    }
}

#[test]
fn where_one_model_refuses_what_is_put_into_use_none_is_put_into_use() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let (fakes, refuses) = (Fakes::new(), Arc::new(AtomicBool::new(false)));
        fakes.models.slot("toy_a", &|| shelf(|| Arc::new(Toy::new(3))));
        fakes.models.slot("toy_b", &|| {
            let refuses = Arc::clone(&refuses);
            shelf(move || Arc::new(Stubborn(Toy::new(77), Arc::clone(&refuses))))
        });
        let school = School::with(fakes, dir.path(), often(1_000));
        for n in 0..8 {
            school.label(n, class(n), "ann").await.unwrap();
        }
        let forgotten = school.label(8, class(8), "carl").await.unwrap();
        let before = school.models();
        refuses.store(true, Ordering::Relaxed);
        let told = school.teacher.unlearn(&Unlearn::Sample(forgotten)).await;
        assert!(
            matches!(&told, Err(Fault::Broken(why)) if why.contains("not today")),
            "{told:?}"
        );
        assert_eq!(school.models(), before, "no mix of both");
    });
}

//! The law of forgetting with the three classifiers that there are: by id, by whom and since, across a restart.

mod house;

use std::path::Path;
use std::sync::Arc;

use gatepost_core::classifier::Shelf;
use gatepost_core::{Learner, Learning, ModelSlot, Models, Unlearn};
use gatepost_testkit::Fakes;
use house::{School, block, class, from_the_log_with, often, when};

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

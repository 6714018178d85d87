//! The laws of learning: what was forgotten was never learned; a version and the log behind it are the models in use.

mod house;

use gatepost_core::{Learning, Unlearn};
use house::{School, block, class, from_the_log, lesson, often, when};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Label(usize),
    Restart,
    Unlearn(prop::sample::Index),
    By(usize),
    Since(u64),
}

const WHO: [&str; 3] = ["ann", "carl", "eve"];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0..WHO.len()).prop_map(Act::Label),
        1 => Just(Act::Restart),
        2 => any::<prop::sample::Index>().prop_map(Act::Unlearn),
        1 => (0..WHO.len()).prop_map(Act::By),
        1 => (0..40_u64).prop_map(Act::Since),
    ]
}

/// A sample that was told, and is not forgotten.
#[derive(Clone, Debug)]
struct Told {
    n: u64,
    by: &'static str,
    sequence: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_was_forgotten_was_never_learned_bit_for_bit(acts in vec(act(), 1..60), samples in 1..9_u32) {
        block(async {
            let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut school = School::open(dir.path(), often(samples));
            let mut told: Vec<Told> = Vec::new();
            for (n, act) in acts.iter().enumerate() {
                let n = n as u64;
                match act {
                    Act::Label(who) => {
                        let by = WHO[*who];
                        let sequence = school.label(n, class(n), by).await.unwrap();
                        told.push(Told { n, by, sequence });
                    }
                    Act::Restart => {
                        school.teacher.close().await;
                        drop(school);
                        school = School::open(dir.path(), often(samples));
                    }
                    Act::Unlearn(index) if !told.is_empty() => {
                        let gone = told.remove(index.index(told.len()));
                        assert_eq!(school.teacher.unlearn(&Unlearn::Sample(gone.sequence)).await, Ok(1));
                    }
                    Act::Unlearn(_) => {}
                    Act::By(who) => {
                        let before = told.len();
                        told.retain(|one| one.by != WHO[*who]);
                        let gone = (before - told.len()) as u64;
                        assert_eq!(school.teacher.unlearn(&Unlearn::By(WHO[*who].into())).await, Ok(gone));
                    }
                    Act::Since(since) => {
                        let before = told.len();
                        told.retain(|one| one.n < *since);
                        let gone = (before - told.len()) as u64;
                        let what = Unlearn::Since(when(*since).millis());
                        assert_eq!(school.teacher.unlearn(&what).await, Ok(gone));
                    }
                }
            }
            let never = School::open(other.path(), often(1_000));
            for one in &told {
                never.label(one.n, class(one.n), one.by).await.unwrap();
            }
            let expected = never.models();
            assert_eq!(school.models(), expected, "the models in use");
            school.teacher.close().await;
            assert_eq!(from_the_log(dir.path()), expected, "the log alone");
            assert_eq!(School::open(dir.path(), often(samples)).models(), expected, "a version and the log behind it");
        });
    }
}

#[test]
fn what_is_forgotten_is_gone_from_the_disk() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(5));
        let mut sequences = Vec::new();
        for n in 0..20 {
            sequences.push(school.label(n, class(n), "ann").await.unwrap());
        }
        let size = |dir: &std::path::Path| -> u64 {
            let files = std::fs::read_dir(dir.join("samples")).unwrap();
            files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
        };
        let before = size(dir.path());
        let what = Unlearn::Since(when(10).millis());
        assert_eq!(school.teacher.unlearn(&what).await, Ok(10));
        assert!(size(dir.path()) < before * 6 / 10, "{} of {before}", size(dir.path()));
        assert_eq!(
            school.teacher.unlearn(&Unlearn::Sample(sequences[15])).await,
            Ok(0),
            "it is gone already"
        );
        let versions = school.teacher.versions().await.unwrap();
        assert!(
            versions.iter().all(|version| version.ham + version.spam <= 10),
            "{versions:?}"
        );
    });
}

#[test]
fn a_mail_that_is_told_again_after_it_was_forgotten_is_learned_again() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(5));
        let first = school.label(1, class(1), "ann").await.unwrap();
        assert_eq!(school.label(1, class(1), "ann").await, Ok(first), "twice is once");
        school.teacher.unlearn(&Unlearn::Sample(first)).await.unwrap();
        let again = school.label(1, class(1), "ann").await.unwrap();
        assert!(again > first, "no number is given twice");
        let never = School::open(other.path(), often(5));
        never.teacher.label(lesson(1, class(1), "ann")).await.unwrap();
        assert_eq!(school.models(), never.models());
    });
}

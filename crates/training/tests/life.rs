//! The life of models: corrections, versions, going back, rebuilding, folding, damage.

mod house;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::classifier::Shelf;
use gatepost_core::{Fault, Ground, KeptId, Label, Learning, ModelSlot, Models, Unlearn, Version};
use gatepost_testkit::Fakes;
use gatepost_training::{Settings, Teacher};
use house::{School, Toy, block, class, from_the_log, lesson, mail, means, often, two, when};

fn files(folder: &Path, of: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder.join(of)).unwrap();
    let mut all: Vec<PathBuf> = all.map(|file| file.unwrap().path()).collect();
    all.sort();
    all
}

fn numbers(versions: &[Version]) -> Vec<u64> {
    versions.iter().map(|version| version.number).collect()
}

async fn taught(school: &School, range: std::ops::Range<u64>) {
    for n in range {
        school.label(n, class(n), "ann").await.unwrap();
    }
}

#[test]
fn a_label_is_in_the_models_when_it_is_answered_and_in_the_log() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), Settings::default());
        assert_eq!(school.odds(&mail(1)), 0.0);
        school.label(1, Label::Spam, "ann").await.unwrap();
        assert!(school.odds(&mail(1)) > 0.0);
        assert!(school.fusion.lock().unwrap().is_some());
        assert_eq!(from_the_log(dir.path()), school.models());
    });
}

#[test]
fn a_correction_takes_the_place_of_what_was_learned() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(4));
        taught(&school, 0..10).await;
        let spam = mail(4);
        let before = school.odds(&spam);
        let mut correction = lesson(4, Label::Ham, "ann");
        correction.at = when(50);
        school.teacher.label(correction).await.unwrap();
        assert!(school.odds(&spam) < before);
        school.teacher.close().await;
        // It counts three times as much as a label, so it is compared with one that does.
        let mut settings = often(4);
        let without = School::open(other.path(), settings.clone());
        for n in (0..10).filter(|n| *n != 4) {
            without.label(n, class(n), "ann").await.unwrap();
        }
        settings.person_weight = settings.correction_weight;
        without.teacher.settings(settings).await;
        without.label(4, Label::Ham, "ann").await.unwrap();
        assert_eq!(school.models(), without.models());
        assert_eq!(from_the_log(dir.path()), school.models());
    });
}

#[test]
fn who_contradicts_another_erases_nothing_and_is_unlearned_without_a_trace() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(1_000));
        taught(&school, 0..10).await;
        let before = school.models();
        school.label(4, Label::Ham, "eve").await.unwrap();
        let beside = school.models();
        assert_ne!(beside, before);
        assert_eq!(school.teacher.unlearn(&Unlearn::By("eve".into())).await, Ok(1));
        assert_eq!(school.models(), before);
        let never = School::open(other.path(), often(1_000));
        taught(&never, 0..10).await;
        assert_eq!(school.models(), never.models());
    });
}

#[test]
fn the_last_three_versions_are_kept_and_the_newest_is_what_is_loaded() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(5));
        taught(&school, 0..27).await;
        let versions = school.teacher.versions().await.unwrap();
        assert_eq!(numbers(&versions), [5, 4, 3]);
        assert_eq!(
            (versions[0].ham, versions[0].spam, &*versions[0].why),
            (9, 16, "learned")
        );
        let models = school.models();
        school.teacher.close().await;
        drop(school);
        let school = School::open(dir.path(), often(5));
        assert_eq!(school.teacher.found().version, Some(6));
        assert_eq!(school.teacher.found().replayed, 0);
        assert_eq!(school.models(), models);
    });
}

#[test]
fn models_are_written_down_after_a_while_even_if_little_was_learned() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), Settings::default());
        taught(&school, 0..3).await;
        school.teacher.sweep().await.unwrap();
        assert_eq!(school.teacher.versions().await, Ok(Vec::new()));
        school.fakes.clock.forward(Duration::from_secs(3_600));
        school.teacher.sweep().await.unwrap();
        assert_eq!(numbers(&school.teacher.versions().await.unwrap()), [1]);
    });
}

#[test]
fn who_goes_back_stays_there_until_a_rebuild() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(10));
        taught(&school, 0..10).await;
        let early = school.models();
        taught(&school, 10..25).await;
        let version = school.teacher.rollback(Some(1)).await.unwrap();
        assert_eq!(
            (version.ham + version.spam, &*version.why),
            (10, "rolled back to version 1")
        );
        assert_eq!(school.models(), early);
        school.teacher.close().await;
        assert_eq!(from_the_log(dir.path()), early, "also by the log alone");
        drop(school);
        let school = School::open(dir.path(), often(10));
        assert_eq!(school.models(), early);
        taught(&school, 25..30).await;
        let never = School::open(other.path(), often(10));
        taught(&never, 0..10).await;
        taught(&never, 25..30).await;
        assert_eq!(school.models(), never.models());
        let rebuilt = school.teacher.rebuild().await.unwrap();
        assert!(rebuilt.taken, "{rebuilt:?}");
        let whole = School::open(other.path().join("whole").as_path(), often(10));
        taught(&whole, 0..30).await;
        assert_eq!(school.models(), whole.models());
    });
}

#[test]
fn going_back_twice_goes_further_and_forwards_is_possible_too() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(10));
        taught(&school, 0..10).await;
        let one = school.models();
        taught(&school, 10..20).await;
        let two = school.models();
        taught(&school, 20..30).await;
        let three = school.models();
        school.teacher.rollback(None).await.unwrap();
        assert_eq!(school.models(), two);
        school.teacher.rollback(Some(3)).await.unwrap();
        assert_eq!(school.models(), three);
        school.teacher.rollback(None).await.unwrap();
        assert_eq!(school.models(), two);
        assert!(one != two);
        assert!(matches!(school.teacher.rollback(Some(99)).await, Err(Fault::Broken(_))));
        std::fs::write(&files(dir.path(), "versions")[0], "rubbish").unwrap();
        let refused = school.teacher.rollback(Some(3)).await;
        assert!(
            matches!(&refused, Err(Fault::Broken(why)) if !why.contains("is used")),
            "nothing else is used instead: {refused:?}"
        );
    });
}

#[test]
fn a_version_that_holds_what_was_forgotten_cannot_be_gone_back_to() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(5));
        taught(&school, 0..4).await;
        let poison = school.label(4, Label::Ham, "eve").await.unwrap();
        taught(&school, 5..15).await;
        assert_eq!(numbers(&school.teacher.versions().await.unwrap()), [3, 2, 1]);
        school.teacher.unlearn(&Unlearn::Sample(poison)).await.unwrap();
        let versions = school.teacher.versions().await.unwrap();
        assert_eq!(numbers(&versions), [4]);
        assert_eq!(versions[0].why, "unlearned");
    });
}

#[test]
fn past_the_cap_old_samples_become_the_base_and_say_so_when_they_shall_be_forgotten() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let long = "filler ".repeat(500);
        let message = |n: u64| {
            let text = format!("Subject: about{n}\r\n\r\nword{n} {long}");
            Arc::new(gatepost_core::Message::from_bytes(text.into_bytes()))
        };
        let settings = Settings { log_mib: 1, ..often(5) };
        let school = School::open(dir.path(), settings.clone());
        let never = School::open(other.path(), often(1_000));
        let mut sequences = Vec::new();
        // Each has five hundred features of two classifiers.
        for n in 0..200_u64 {
            let by = if n < 3 { "eve" } else { "ann" };
            let mut lesson = gatepost_core::Lesson::new(message(n), class(n), by, when(n));
            lesson.ground = Ground::Corpus;
            sequences.push(school.teacher.label(lesson.clone()).await.unwrap());
            never.teacher.label(lesson).await.unwrap();
        }
        school.teacher.sweep().await.unwrap();
        let octets: u64 = files(dir.path(), "samples")
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .sum();
        assert!(octets <= 1 << 20, "{octets}");
        assert!(dir.path().join("versions/base.models").exists());
        assert_eq!(school.models(), never.models());
        let refused = school.teacher.unlearn(&Unlearn::Sample(sequences[0])).await;
        assert!(
            matches!(&refused, Err(Fault::Broken(why)) if why.contains("base")),
            "{refused:?}"
        );
        let refused = school.teacher.unlearn(&Unlearn::By("eve".into())).await;
        assert!(
            matches!(&refused, Err(Fault::Broken(why)) if why.contains("3 more")),
            "{refused:?}"
        );
        let last = sequences[199];
        assert_eq!(school.teacher.unlearn(&Unlearn::Sample(last)).await, Ok(1));
        never.teacher.unlearn(&Unlearn::Sample(last)).await.unwrap();
        assert_eq!(school.models(), never.models());
        school.teacher.close().await;
        assert_eq!(from_the_log(dir.path()), never.models());
    });
}

#[test]
fn a_damaged_sample_is_told_and_the_others_are_used() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(4));
        taught(&school, 0..12).await;
        school.teacher.close().await;
        drop(school);
        let file = &files(dir.path(), "samples")[0];
        let mut octets = std::fs::read(file).unwrap();
        let frames = gatepost_training::segment::read(&octets).lines;
        let sixth = &frames[5];
        octets[sixth.at + sixth.len / 2] ^= 0x55;
        std::fs::write(file, octets).unwrap();
        let school = School::open(dir.path(), often(4));
        assert_eq!(school.teacher.found().samples, 11);
        assert!(school.teacher.found().notes[0].contains("damaged"));
        let never = School::open(other.path(), often(4));
        taught(&never, 0..5).await;
        taught(&never, 6..12).await;
        assert_eq!(school.models(), never.models());
    });
}

#[test]
fn a_log_that_was_lost_does_not_take_the_models_with_it() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(4));
        taught(&school, 0..12).await;
        school.teacher.close().await;
        let models = school.models();
        drop(school);
        std::fs::remove_dir_all(dir.path().join("samples")).unwrap();
        let school = School::open(dir.path(), often(4));
        assert_eq!(school.models(), models);
        assert!(
            school.teacher.found().notes[0].contains("base"),
            "{:?}",
            school.teacher.found()
        );
        let refused = school.teacher.unlearn(&Unlearn::Sample(3)).await;
        assert!(matches!(refused, Err(Fault::Broken(_))), "{refused:?}");
        taught(&school, 12..20).await;
        // Nobody may write versions while the folder is copied.
        school.teacher.close().await;
        assert_eq!(from_the_log(dir.path()), school.models());
    });
}

#[test]
fn a_corrupt_version_is_refused_in_words_and_the_one_before_is_used() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(4));
        taught(&school, 0..12).await;
        school.teacher.close().await;
        let models = school.models();
        drop(school);
        let newest = files(dir.path(), "versions").pop().unwrap();
        let mut octets = std::fs::read(&newest).unwrap();
        let middle = octets.len() - 40;
        octets[middle] ^= 1;
        std::fs::write(&newest, octets).unwrap();
        let school = School::open(dir.path(), often(4));
        assert_eq!(school.models(), models);
        let found = school.teacher.found();
        assert_eq!((found.version, found.replayed), (Some(2), 4));
        assert!(found.notes[0].contains("the version before it is used"), "{found:?}");
    });
}

#[test]
fn a_rebuild_that_calls_more_confirmed_ham_spam_is_not_taken() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(60));
        let ham = |n: u64| {
            let text = format!("Subject: about{n}\r\n\r\nmeeting agenda minutes only{n} {}", n % 7);
            Arc::new(gatepost_core::Message::from_bytes(text.into_bytes()))
        };
        let say = |n: u64, label, by: &'static str, ground| {
            let mut lesson = gatepost_core::Lesson::new(ham(n), label, by, when(n));
            lesson.ground = ground;
            lesson
        };
        for n in 0..60 {
            school
                .teacher
                .label(say(n, Label::Ham, "ann", Ground::Person))
                .await
                .unwrap();
        }
        school.teacher.settings(Settings::default()).await;
        // Somebody poisons, and the operator goes back.
        for n in 1_000..1_400 {
            let mut poison = say(n, Label::Spam, "eve", Ground::Corpus);
            poison.weight = Some(1_000);
            school.teacher.label(poison).await.unwrap();
        }
        school.teacher.rollback(Some(1)).await.unwrap();
        let before = school.models();
        let rebuilt = school.teacher.rebuild().await.unwrap();
        assert!(
            !rebuilt.taken && rebuilt.before == 0 && rebuilt.after > 0 && rebuilt.held_out > 5,
            "{rebuilt:?}"
        );
        assert_eq!(school.models(), before);
        assert_eq!(school.teacher.concerned(&Unlearn::By("eve".into())).await, Ok(400));
        assert_eq!(school.models(), before, "nothing is forgotten by counting");
        assert_eq!(school.teacher.unlearn(&Unlearn::By("eve".into())).await, Ok(400));
        assert_eq!(school.teacher.concerned(&Unlearn::By("eve".into())).await, Ok(0));
        let rebuilt = school.teacher.rebuild().await.unwrap();
        assert!(rebuilt.taken && rebuilt.after == 0, "{rebuilt:?}");
    });
}

#[test]
fn a_rebuild_is_tried_with_ham_of_collections_where_nobody_reported_any() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(60));
        assert_eq!(school.teacher.rebuild().await.unwrap().held_out, 0);
        for n in 0..60 {
            let mut lesson = lesson(n, class(n), "ann");
            lesson.ground = Ground::Corpus;
            school.teacher.label(lesson).await.unwrap();
        }
        let rebuilt = school.teacher.rebuild().await.unwrap();
        assert!(rebuilt.taken && rebuilt.held_out > 0, "{rebuilt:?}");
    });
}

#[test]
fn erasing_a_kept_mail_unlearns_it() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(4));
        taught(&school, 0..5).await;
        let mut kept = lesson(5, Label::Spam, "carl");
        kept.kept = Some(KeptId("k5".into()));
        school.teacher.label(kept).await.unwrap();
        assert_eq!(school.teacher.erase(&KeptId("k4".into())).await, Ok(0));
        assert_eq!(school.teacher.erase(&KeptId("k5".into())).await, Ok(1));
        // The models follow when nothing waits.
        school.teacher.sweep().await.unwrap();
        let never = School::open(other.path(), often(4));
        taught(&never, 0..5).await;
        assert_eq!(school.models(), never.models());
    });
}

#[test]
fn a_classifier_that_comes_later_learns_from_then_on_and_the_log_says_the_same() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let fakes = Fakes::new();
        fakes.models.slot("toy_a", &|| {
            Arc::new(Shelf::new(|| Arc::new(Toy::new(3)))) as Arc<dyn ModelSlot>
        });
        let school = School::with(fakes, dir.path(), often(4));
        taught(&school, 0..10).await;
        two(&school.fakes);
        school.teacher.settings(often(4)).await;
        taught(&school, 10..20).await;
        let models = school.models();
        assert_ne!(models.0[1], Toy::new(77).save_empty());
        school.teacher.close().await;
        assert_eq!(from_the_log(dir.path()), models);
    });
}

#[test]
fn two_teachers_never_have_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let school = School::open(dir.path(), Settings::default());
    let fusion = Arc::default();
    let second = Teacher::open(means(&school.fakes, dir.path(), &fusion), Settings::default());
    assert!(second.is_err_and(|error| error.0.contains("another process")));
}

/// A school that has a base, three versions, and a log; and what its models are at its end.
async fn with_base(dir: &Path) -> (Vec<Vec<u8>>, Option<gatepost_pipeline::Fusion>) {
    let long = "filler ".repeat(500);
    let school = School::open(
        dir,
        Settings {
            log_mib: 1,
            ..often(20)
        },
    );
    for n in 0..203_u64 {
        let text = format!("Subject: about{n}\r\n\r\nword{n} {long}");
        let message = Arc::new(gatepost_core::Message::from_bytes(text.into_bytes()));
        let mut lesson = gatepost_core::Lesson::new(message, class(n), "ann", when(n));
        lesson.ground = Ground::Corpus;
        school.teacher.label(lesson).await.unwrap();
    }
    school.teacher.close().await;
    assert!(dir.join("versions/base.models").exists());
    assert_eq!(files(dir, "versions").len(), 4);
    school.models()
}

fn damage(file: &Path, at: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut octets = std::fs::read(file).unwrap();
    let at = at(octets.len());
    octets[at] ^= 1;
    std::fs::write(file, &octets).unwrap();
    octets
}

#[test]
fn a_damaged_base_is_replaced_by_the_newest_version_and_nothing_that_was_learned_is_lost() {
    block(async {
        for of_the_end in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let models = with_base(dir.path()).await;
            let base = dir.path().join("versions/base.models");
            let bad = damage(&base, |len| if of_the_end { len - 40 } else { 20 });
            let school = School::open(dir.path(), often(20));
            assert_eq!(school.models(), models, "{of_the_end}");
            let found = school.teacher.found();
            assert!(
                found.notes.iter().any(|note| note.contains("is the base from now on")),
                "{found:?}"
            );
            assert!(
                school
                    .fakes
                    .alarms
                    .book
                    .take()
                    .iter()
                    .any(|alarm| format!("{alarm:?}").contains("base.models.bad"))
            );
            assert_eq!(std::fs::read(dir.path().join("versions/base.models.bad")).unwrap(), bad);
            assert_ne!(std::fs::read(&base).unwrap(), bad);
            let refused = school.teacher.unlearn(&Unlearn::By("ann".into())).await;
            assert!(
                matches!(&refused, Err(Fault::Broken(why)) if why.contains("base")),
                "{refused:?}"
            );
            taught(&school, 300..363).await;
            let later = school.models();
            school.teacher.close().await;
            drop(school);
            // Also by the base and the log alone.
            assert_eq!(from_the_log(dir.path()), later);
            let again = School::open(dir.path(), often(20));
            assert_eq!(again.models(), later);
            assert_eq!(again.teacher.found().notes, Vec::<String>::new());
        }
    });
}

#[test]
fn a_damaged_base_without_any_version_is_told_and_kept_and_the_log_is_used() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        with_base(dir.path()).await;
        for file in files(dir.path(), "versions").iter().take(3) {
            std::fs::remove_file(file).unwrap();
        }
        damage(&dir.path().join("versions/base.models"), |len| len - 40);
        let school = School::open(dir.path(), often(1_000));
        let found = school.teacher.found();
        assert!(
            found.notes.iter().any(|note| note.contains("put back a backup")),
            "{found:?}"
        );
        assert_eq!(found.replayed, found.samples);
        assert!(dir.path().join("versions/base.models.bad").exists());
        assert!(!dir.path().join("versions/base.models").exists());
        taught(&school, 300..303).await;
    });
}

#[test]
fn a_base_of_another_form_is_told_and_kept_and_learning_goes_on_from_the_log() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        with_base(dir.path()).await;
        let base = std::fs::read(dir.path().join("versions/base.models")).unwrap();
        let newer = || {
            let fakes = Fakes::new();
            for (name, salt) in [("toy_a", 3), ("toy_b", 77)] {
                fakes.models.slot(name, &|| {
                    Arc::new(Shelf::new(move || Arc::new(Toy::newer(salt)))) as Arc<dyn ModelSlot>
                });
            }
            fakes
        };
        let school = School::with(newer(), dir.path(), often(20));
        let found = school.teacher.found();
        assert!(
            found
                .notes
                .iter()
                .any(|note| note.contains("this is no toy") && note.contains("base.models.bad")),
            "{found:?}"
        );
        assert_eq!(found.replayed, found.samples);
        assert_eq!(
            std::fs::read(dir.path().join("versions/base.models.bad")).unwrap(),
            base
        );
        taught(&school, 300..363).await;
        let later = school.models();
        school.teacher.close().await;
        drop(school);
        let again = School::with(newer(), dir.path(), often(20));
        assert_eq!(again.models(), later);
        let notes = &again.teacher.found().notes;
        assert!(notes.iter().all(|note| note.contains("are missing")), "{notes:?}");
    });
}

#[test]
fn a_base_that_is_damaged_while_it_is_needed_takes_no_models_with_it() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let models = with_base(dir.path()).await;
        let school = School::open(
            dir.path(),
            Settings {
                log_mib: 1,
                ..often(20)
            },
        );
        let newest = files(dir.path(), "versions");
        for file in &newest {
            damage(file, |len| len - 40);
        }
        let last = school.label(400, Label::Spam, "eve").await.unwrap();
        let known = school.models();
        assert_ne!(known, models);
        let refused = school.teacher.unlearn(&Unlearn::Sample(last)).await;
        assert!(
            matches!(&refused, Err(Fault::Broken(why)) if why.contains("base")),
            "{refused:?}"
        );
        assert_eq!(school.models(), known, "they stay as they are");
    });
}

#[test]
fn an_erasure_that_learning_cannot_do_now_is_noted_and_done_at_the_next_start() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), often(4));
        taught(&school, 0..5).await;
        let mut kept = lesson(5, Label::Spam, "carl");
        kept.kept = Some(KeptId("k5".into()));
        school.teacher.label(kept).await.unwrap();
        school.teacher.close().await;
        let told = school.teacher.erase(&KeptId("k5".into())).await;
        assert!(
            matches!(told, Err(Fault::Unavailable(why)) if why.contains("as soon as")),
            "{told:?}"
        );
        drop(school);
        let school = School::open(dir.path(), often(4));
        assert_eq!(school.teacher.found().samples, 5);
        let never = School::open(other.path(), often(4));
        taught(&never, 0..5).await;
        assert_eq!(school.models(), never.models());
        assert!(!dir.path().join("erasures").exists());
    });
}

#[test]
fn fifty_erasures_are_one_replay() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), often(1_000));
        let id = |n: u64| KeptId(format!("k{n}").as_str().into());
        for n in 0..100 {
            let mut kept = lesson(n, class(n), "ann");
            kept.kept = Some(id(n));
            school.teacher.label(kept).await.unwrap();
        }
        let all = (0..50).map(|n| {
            let (teacher, id) = (Arc::clone(&school.teacher), id(n));
            async move { teacher.erase(&id).await }
        });
        for done in futures_util::future::join_all(all).await {
            assert_eq!(done, Ok(1));
        }
        school.teacher.sweep().await.unwrap();
        let versions = school.teacher.versions().await.unwrap();
        // Each replay is written down: one at a time there would be fifty.
        assert!(versions[0].number < 10, "{versions:?}");
        assert_eq!(school.models(), from_the_log(dir.path()));
    });
}

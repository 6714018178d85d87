//! Finished transactions: what they teach by themselves, and reports by reference.

mod house;

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use gatepost_core::classifier::Shelf;
use gatepost_core::{
    BadModel, Clue, Direction, Domain, End, Evidence, Fault, Features, Finding, FindingRecord, Ground, KeptId, Label,
    Learner, Learning, Lesson, LogOdds, Login, LoginBy, Message, ModelSlot, Models, Observer, Phase, RecipientId,
    RecipientRecord, Record, Sample, Score, Tag, Unlearn,
};
use gatepost_testkit::Fakes;
use gatepost_training::Settings;
use gatepost_training::entry::{Head, Line};
use house::{School, Toy, block, lesson, mail, when};

fn record(n: u64, direction: Direction) -> Record {
    let client = IpAddr::from([192, 0, 2, n as u8]);
    let mut record = Record::new(format!("t{n}"), when(n).millis(), direction, "mx".into(), client, 25);
    record.from = Some(format!("a{n}@s{n}.example"));
    record.end = End::Answered;
    let mut row = RecipientRecord::new(RecipientId(0), "carl@d.example".into());
    (row.fate, row.reply) = ("deliver".into(), "250 OK".into());
    record.recipients = vec![row];
    record
}

/// The samples in the log of a school.
fn samples(dir: &std::path::Path) -> Vec<Head> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(dir.join("samples")).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        for placed in gatepost_training::segment::read(&octets).lines {
            if let Line::Sample(head) = placed.line {
                all.push(head);
            }
        }
    }
    all
}

/// Waits until what was observed is learned: the writer answers in order.
async fn learned(school: &School) {
    school.teacher.sweep().await.unwrap();
}

#[test]
fn sent_mail_teaches_ham_at_low_weight_and_is_unlearned_by_who_sent_it() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), Settings::default());
        let mut sent = record(1, Direction::Outbound);
        sent.login = Some(Login::new("a1@s1.example", LoginBy::Auth));
        school.teacher.observe(&sent, Some(&mail(1))).await;
        learned(&school).await;
        let all = samples(dir.path());
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].label, all[0].ground, all[0].weight),
            (Label::Ham, Ground::Outbound, 25)
        );
        assert_eq!(
            (&*all[0].by, all[0].domain.as_deref()),
            ("a1@s1.example", Some("s1.example"))
        );
        let by = Unlearn::By("a1@s1.example".into());
        assert_eq!(school.teacher.unlearn(&by).await, Ok(1));
        assert_eq!(samples(dir.path()), []);
    });
}

#[test]
fn what_is_switched_off_teaches_nothing() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.outbound.learn = false;
        let school = School::open(dir.path(), settings);
        let mut sent = record(1, Direction::Outbound);
        sent.login = Some(Login::new("a1@s1.example", LoginBy::Auth));
        school.teacher.observe(&sent, Some(&mail(1))).await;
        learned(&school).await;
        assert_eq!(samples(dir.path()), []);
    });
}

#[test]
fn a_report_about_delivered_mail_is_learned_without_the_mail_as_if_it_were_there() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), Settings::default());
        for n in 1..6 {
            school
                .teacher
                .observe(&record(n, Direction::Inbound), Some(&mail(n)))
                .await;
        }
        let report = |id: &'static str| {
            school
                .teacher
                .label_by_reference(id, Label::Spam, Ground::Person, "carl", when(9))
        };
        report("t3").await.unwrap();
        assert!(matches!(report("t77").await, Err(Fault::Unavailable(_))));
        let all = samples(dir.path());
        assert_eq!(
            (all.len(), all[0].domain.as_deref(), &*all[0].by),
            (1, Some("d.example"), "carl")
        );
        let with = School::open(other.path(), Settings::default());
        let mut whole = lesson(3, Label::Spam, "carl");
        whole.domain = Some("d.example".into());
        let sequence = with.teacher.label(whole).await.unwrap();
        assert_eq!(school.models(), with.models());
        // The mail itself, told again, is the same mail.
        assert_eq!(school.label(3, Label::Spam, "carl").await, Ok(sequence));
    });
}

#[test]
fn what_was_told_of_delivered_mail_is_unlearned_by_the_same_number() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::open(dir.path(), Settings::default());
        for n in 1..4 {
            school
                .teacher
                .observe(&record(n, Direction::Inbound), Some(&mail(n)))
                .await;
        }
        let report = |id: &'static str| {
            school
                .teacher
                .label_by_reference(id, Label::Spam, Ground::Person, "carl", when(9))
        };
        report("t1").await.unwrap();
        let before = school.models();
        report("t2").await.unwrap();
        let of = |id: &str| Unlearn::Kept(KeptId(id.into()));
        assert_eq!(school.teacher.unlearn(&of("t3")).await, Ok(0));
        assert_eq!(school.teacher.unlearn(&of("t2")).await, Ok(1));
        assert_eq!(school.models(), before);
        // Also when nothing is remembered of it any more.
        school.fakes.clock.forward(Duration::from_secs(9 * 86_400));
        school.teacher.sweep().await.unwrap();
        assert_eq!(school.teacher.unlearn(&of("t1")).await, Ok(1));
        assert_eq!(samples(dir.path()), []);

        // One that was told as a file is the same mail.
        let school = School::open(other.path(), Settings::default());
        school
            .teacher
            .observe(&record(1, Direction::Inbound), Some(&mail(1)))
            .await;
        school.label(1, Label::Spam, "ann").await.unwrap();
        assert_eq!(school.teacher.unlearn(&of("t1")).await, Ok(1));
    });
}

#[test]
fn a_report_that_comes_too_late_finds_nothing_and_nothing_is_on_the_disk() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), Settings::default());
        school
            .teacher
            .observe(&record(1, Direction::Inbound), Some(&mail(1)))
            .await;
        let files = || std::fs::read_dir(dir.path().join("recent")).unwrap().count();
        learned(&school).await;
        assert_eq!(files(), 1);
        let late = when(1) + Duration::from_secs(7 * 86_400 + 1);
        let report = school
            .teacher
            .label_by_reference("t1", Label::Spam, Ground::Person, "carl", late);
        assert!(matches!(report.await, Err(Fault::Unavailable(_))));
        school.fakes.clock.forward(Duration::from_secs(9 * 86_400));
        school.teacher.sweep().await.unwrap();
        assert_eq!(files(), 0);
    });
}

#[test]
fn a_person_who_calls_welcome_mail_spam_is_right() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let school = School::open(dir.path(), Settings::default());
        let mut welcome = record(4, Direction::Inbound);
        welcome.proven = Some("s4.example".into());
        let finding = Finding::new(Tag::new("whitelist.proven"), Evidence::Points(Score::ZERO), "");
        welcome
            .findings
            .push(FindingRecord::new("whitelist", Phase::Message, &finding, true));
        school.teacher.observe(&welcome, Some(&mail(4))).await;
        let report = school
            .teacher
            .label_by_reference("t4", Label::Spam, Ground::Person, "carl", when(5));
        report.await.unwrap();
        learned(&school).await;
        let all = samples(dir.path());
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(
            (all[0].label, all[0].ground, all[0].weight),
            (Label::Spam, Ground::Correction, 300)
        );
    });
}

/// A classifier that waits before it learns.
struct Slow(Toy, Arc<(Mutex<bool>, Condvar)>);

impl Learner for Slow {
    fn features(&self, message: &Message) -> Features {
        self.0.features(message)
    }
    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        self.0.score(features, domain)
    }
    fn learn(&self, features: &Features, sample: &Sample) {
        let (open, changed) = &*self.1;
        drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        self.0.learn(features, sample);
    }
    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        self.0.explain(message, domain)
    }
    fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        self.0.load(saved)
    }
}

#[test]
fn a_full_queue_is_told_to_whoever_brings_a_lesson_and_nothing_taken_is_lost() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let fakes = Fakes::new();
        let held = Arc::clone(&gate);
        fakes.models.slot("slow", &|| {
            let held = Arc::clone(&held);
            Arc::new(Shelf::new(move || Arc::new(Slow(Toy::new(1), Arc::clone(&held))))) as Arc<dyn ModelSlot>
        });
        let settings = Settings {
            queue: 4,
            ..Settings::default()
        };
        let school = School::with(fakes, dir.path(), settings);
        let all: Vec<_> = (0..40)
            .map(|n| {
                let teacher = Arc::clone(&school.teacher);
                tokio::spawn(async move { teacher.label(Lesson::new(mail(n), Label::Spam, "ann", when(n))).await })
            })
            .collect();
        // Everything has been brought once the runtime has nothing else to do.
        while school.teacher.missed() == 0 {
            tokio::task::yield_now().await;
            school
                .teacher
                .observe(&record(50, Direction::Inbound), Some(&mail(50)))
                .await;
        }
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        let (mut taken, mut refused) = (0, 0);
        for one in all {
            match one.await.unwrap() {
                Ok(_) => taken += 1,
                Err(Fault::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(taken > 0 && refused > 0, "{taken} {refused}");
        school.teacher.close().await;
        assert_eq!(samples(dir.path()).len(), taken);
        let after = school.label(60, Label::Spam, "ann").await;
        assert!(matches!(after, Err(Fault::Unavailable(_))), "it has ended");
    });
}

/// A classifier that panics at some mail.
struct Weak(Toy);

impl Learner for Weak {
    fn features(&self, message: &Message) -> Features {
        self.0.features(message)
    }
    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        self.0.score(features, domain)
    }
    fn learn(&self, features: &Features, sample: &Sample) {
        self.0.learn(features, sample);
        assert!(sample.domain.as_deref() != Some("weak.example"), "a bug");
    }
    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        self.0.explain(message, domain)
    }
    fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        self.0.load(saved)
    }
}

fn weak() -> Fakes {
    let fakes = Fakes::new();
    fakes.models.slot("weak", &|| {
        Arc::new(Shelf::new(|| Arc::new(Weak(Toy::new(1))))) as Arc<dyn ModelSlot>
    });
    fakes
}

#[test]
fn a_sample_at_which_a_classifier_panics_is_forgotten_and_learning_goes_on() {
    block(async {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let school = School::with(weak(), dir.path(), Settings::default());
        let never = School::with(weak(), other.path(), Settings::default());
        for n in 0..9 {
            let mut one = lesson(n, Label::Spam, "ann");
            if n == 4 {
                one.domain = Some("weak.example".into());
                school.teacher.label(one).await.unwrap();
            } else {
                school.teacher.label(one.clone()).await.unwrap();
                never.teacher.label(one).await.unwrap();
            }
        }
        learned(&school).await;
        assert_eq!(school.models(), never.models());
        assert_eq!(samples(dir.path()).len(), 8);
        let told = school.fakes.alarms.book.take();
        assert!(
            told.iter().any(|alarm| format!("{alarm:?}").contains("is forgotten")),
            "{told:?}"
        );
        school.teacher.close().await;
        drop(school);
        let again = School::with(weak(), dir.path(), Settings::default());
        assert_eq!(again.models(), never.models());
    });
}

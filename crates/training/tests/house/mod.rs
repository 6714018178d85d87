//! What all tests of learning share: two small classifiers that really learn, in an order that matters, and a teacher.
#![allow(dead_code, reason = "each test uses its part of the house")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gatepost_core::classifier::Shelf;
use gatepost_core::{
    BadModel, Clue, Domain, Features, Label, Learner, Learning, Lesson, LogOdds, Message, ModelSlot, Models, Sample,
    Site, Time,
};
use gatepost_pipeline::Fusion;
use gatepost_testkit::{FakeClock, Fakes};
use gatepost_training::{House, Means, Settings, Teacher};

const SIZE: usize = 512;

/// Logistic regression over words, as small as it can be and still learn: what it says depends on all it was taught, in
/// the order in which it was taught.
pub struct Toy {
    salt: u64,
    /// Whether it reads what a toy saves; a newer one may not.
    reads: bool,
    weights: Vec<AtomicU32>,
    seen: [AtomicU64; 2],
}

impl Toy {
    pub fn new(salt: u64) -> Toy {
        Toy {
            salt,
            reads: true,
            weights: (0..SIZE).map(|_| AtomicU32::new(0)).collect(),
            seen: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// One that saves in a form of its own, of the same features.
    pub fn newer(salt: u64) -> Toy {
        Toy {
            reads: false,
            ..Toy::new(salt)
        }
    }

    fn weight(&self, hash: u64) -> &AtomicU32 {
        &self.weights[(hash >> 32) as usize % SIZE]
    }

    fn odds(&self, features: &Features) -> f32 {
        let weights = features.hashes.iter().map(|hash| self.weight(*hash));
        weights
            .map(|weight| f32::from_bits(weight.load(Ordering::Relaxed)))
            .sum()
    }
}

impl Learner for Toy {
    fn features(&self, message: &Message) -> Features {
        let mut octets = Vec::new();
        std::io::Read::read_to_end(&mut message.read(), &mut octets).unwrap();
        let words = octets.split(|octet| !octet.is_ascii_alphanumeric());
        let hash = |word: &[u8]| {
            word.iter().fold(self.salt, |hash, octet| {
                (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3).rotate_left(23)
            })
        };
        let hashes = words.filter(|word| !word.is_empty()).map(hash).collect();
        Features { extractor: 1, hashes }
    }

    fn score(&self, features: &Features, _: Option<&Domain>) -> LogOdds {
        let seen = self.seen.iter().map(|seen| seen.load(Ordering::Relaxed)).sum::<u64>();
        LogOdds {
            value: self.odds(features),
            support: seen as u32,
        }
    }

    fn learn(&self, features: &Features, sample: &Sample) {
        let spam = sample.label == Label::Spam;
        let likely = 1.0 / (1.0 + (-self.odds(features)).exp());
        let step = 0.003 * sample.weight as f32 * (f32::from(u8::from(spam)) - likely);
        for hash in &features.hashes {
            let weight = self.weight(*hash);
            let new = f32::from_bits(weight.load(Ordering::Relaxed)) + step;
            weight.store(new.to_bits(), Ordering::Relaxed);
        }
        self.seen[usize::from(spam)].fetch_add(1, Ordering::Relaxed);
    }

    fn explain(&self, _: &Message, _: Option<&Domain>) -> Vec<Clue> {
        Vec::new()
    }

    fn save(&self) -> Vec<u8> {
        let weights = self
            .weights
            .iter()
            .flat_map(|weight| weight.load(Ordering::Relaxed).to_le_bytes());
        let seen = self
            .seen
            .iter()
            .flat_map(|seen| seen.load(Ordering::Relaxed).to_le_bytes());
        weights.chain(seen).chain((!self.reads).then_some(2)).collect()
    }

    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        if saved.len() != SIZE * 4 + 16 + usize::from(!self.reads) {
            return Err(BadModel("this is no toy".into()));
        }
        for (weight, octets) in self.weights.iter().zip(saved.chunks_exact(4)) {
            weight.store(u32::from_le_bytes(octets.try_into().unwrap()), Ordering::Relaxed);
        }
        for (seen, octets) in self.seen.iter().zip(saved[SIZE * 4..].chunks_exact(8)) {
            seen.store(u64::from_le_bytes(octets.try_into().unwrap()), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A teacher, and what it works with.
pub struct School {
    pub fakes: Fakes,
    pub teacher: Arc<Teacher>,
    pub fusion: Arc<Mutex<Option<Fusion>>>,
}

/// Slots of two toys.
pub fn two(fakes: &Fakes) {
    for (name, salt) in [("toy_a", 3), ("toy_b", 77)] {
        fakes.models.slot(name, &|| {
            Arc::new(Shelf::new(move || Arc::new(Toy::new(salt)))) as Arc<dyn ModelSlot>
        });
    }
}

pub fn means(fakes: &Fakes, folder: &Path, fusion: &Arc<Mutex<Option<Fusion>>>) -> Means {
    let services = fakes.services();
    let fusion = Arc::clone(fusion);
    Means {
        folder: folder.into(),
        models: services.models,
        compute: services.compute,
        clock: services.clock,
        seed: services.seed,
        house: House {
            site: Arc::new(Site::new("mx.s1.example").with_domains(["s1.example", "d.example"])),
            ..House::default()
        },
        alarms: services.alarms,
        publish: Box::new(move |new| *fusion.lock().unwrap() = Some(new)),
    }
}

impl School {
    pub fn open(folder: &Path, settings: Settings) -> School {
        let fakes = Fakes::new();
        two(&fakes);
        School::with(fakes, folder, settings)
    }

    pub fn with(fakes: Fakes, folder: &Path, settings: Settings) -> School {
        let fusion = Arc::default();
        let teacher = Teacher::open(means(&fakes, folder, &fusion), settings).unwrap();
        School {
            fakes,
            teacher: Arc::new(teacher),
            fusion,
        }
    }

    /// What the models in use save, and the fusion.
    pub fn models(&self) -> (Vec<Vec<u8>>, Option<Fusion>) {
        let saved = self.fakes.models.all().into_values().map(|slot| slot.live().save());
        (saved.collect(), self.fusion.lock().unwrap().clone())
    }

    pub async fn label(&self, n: u64, label: Label, by: &str) -> Result<u64, gatepost_core::Fault> {
        self.teacher.label(lesson(n, label, by)).await
    }

    /// The log-odds that the first toy gives to a mail.
    pub fn odds(&self, message: &Message) -> f32 {
        let live = self.fakes.models.all()["toy_a"].live();
        live.score(&live.features(message), None).value
    }
}

/// The text of a mail: each has words of its own and words that many have.
pub fn mail(n: u64) -> Arc<Message> {
    let words: String = (0..12).map(|k| format!(" word{}", (n * 7 + k * k * 3) % 40)).collect();
    let text = format!("From: a{n}@s{n}.example\r\nSubject: about{n}\r\n\r\n{words} only{n} also{n}\r\n");
    Arc::new(Message::from_bytes(text.into_bytes()))
}

/// When a mail is told: a minute after the one before.
pub fn when(n: u64) -> Time {
    FakeClock::START + std::time::Duration::from_secs(60 * n)
}

pub fn lesson(n: u64, label: Label, by: &str) -> Lesson {
    Lesson::new(mail(n), label, by, when(n))
}

pub fn class(n: u64) -> Label {
    if n.is_multiple_of(3) { Label::Ham } else { Label::Spam }
}

/// Settings under which versions come often.
pub fn often(samples: u32) -> Settings {
    Settings {
        snapshot_samples: samples,
        ..Settings::default()
    }
}

pub fn block<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// The models that follow from the log alone: without any version.
pub fn from_the_log(folder: &Path) -> (Vec<Vec<u8>>, Option<Fusion>) {
    let fakes = Fakes::new();
    two(&fakes);
    from_the_log_with(fakes, folder).models()
}

/// A teacher who knows nothing but a copy of the log, and the base.
pub fn from_the_log_with(fakes: Fakes, folder: &Path) -> School {
    let other = tempfile::tempdir().unwrap();
    copy(folder, other.path());
    for entry in std::fs::read_dir(other.path().join("versions")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "base.models" {
            std::fs::remove_file(path).unwrap();
        }
    }
    School::with(fakes, other.path(), Settings::default())
}

impl Toy {
    /// What one that learned nothing saves.
    pub fn save_empty(&self) -> Vec<u8> {
        Toy::new(self.salt).save()
    }
}

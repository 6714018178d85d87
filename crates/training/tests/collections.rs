//! Collections as other programs write them: Python's mailbox and tarfile, tar, gzip and zstd.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gatepost_core::Label;
use gatepost_training::sources::{Bad, Found, Item, LANES_MAX, Mix, plan};
use tempfile::TempDir;

const MAX: usize = 100_000;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(path: impl AsRef<Path>, octets: impl AsRef<[u8]>) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, octets).expect("a file");
}

/// Runs a program in a folder.
fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).current_dir(folder).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}; tools/packages.sh test installs it"));
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn python(folder: &Path, script: &str) {
    run(folder, "python3", &["-c", script]);
}

#[derive(Default)]
struct Read {
    mails: Vec<Found>,
    bad: Vec<Bad>,
    corrected: usize,
}

fn read(path: impl AsRef<Path>, label: Option<Label>) -> Read {
    read_all(&[path.as_ref().to_owned()], label)
}

fn read_all(paths: &[PathBuf], label: Option<Label>) -> Read {
    let mut read = Read::default();
    for item in Mix::new(plan(paths, label).expect("a plan"), MAX) {
        match item {
            Item::Mail(found) => read.mails.push(found),
            Item::Bad(bad) => read.bad.push(bad),
            Item::Corrected => read.corrected += 1,
        }
    }
    read
}

impl Read {
    /// The subjects, in the order in which the mails came.
    fn subjects(&self) -> Vec<String> {
        self.mails.iter().map(|mail| subject(&mail.octets)).collect()
    }

    fn sorted(&self) -> Vec<String> {
        let mut all = self.subjects();
        all.sort();
        all
    }

    fn why(&self) -> String {
        let all: Vec<String> = self
            .bad
            .iter()
            .map(|bad| format!("{}: {}", bad.place, bad.why))
            .collect();
        all.join("\n")
    }
}

fn subject(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail);
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.unwrap_or("none").to_owned()
}

fn mail(subject: &str) -> String {
    format!("From: a@b.example\nSubject: {subject}\n\nbody of {subject}\n")
}

#[test]
fn a_maildir_is_read_with_its_folders_and_without_what_is_not_delivered_yet() {
    let home = folder();
    python(
        home.path(),
        "import mailbox
box = mailbox.Maildir('Maildir')
for name in ('one', 'two'):
    m = mailbox.MaildirMessage(f'From: a@b.example\\nSubject: {name}\\n\\nbody\\n')
    m.set_subdir('cur'); m.set_flags('S')
    box.add(m)
box.add('Subject: new\\n\\nFrom a line that looks like an mbox\\n')
sub = box.add_folder('Lists.rust'); sub.add('Subject: in a folder\\n\\nbody\\n')
junk = box.add_folder('Junk'); junk.add('Subject: unwanted\\n\\nbody\\n')
open('Maildir/tmp/half', 'w').write('Subject: half\\n\\n')
open('Maildir/dovecot.index', 'w').write('no mail')",
    );
    let path = home.path().join("Maildir");
    let ham = read(&path, Some(Label::Ham));
    assert_eq!(ham.sorted(), ["in a folder", "new", "one", "two"]);
    assert_eq!(ham.why(), "");
    let plan = plan(std::slice::from_ref(&path), Some(Label::Ham)).expect("a plan");
    assert_eq!(plan.left_out, [path.join(".Junk")]);
    let spam = read(path.join(".Junk"), Some(Label::Spam));
    assert_eq!(spam.subjects(), ["unwanted"]);
    assert_eq!(read(path.join("cur"), Some(Label::Ham)).sorted(), ["one", "two"]);
    assert!(
        ham.mails
            .iter()
            .all(|mail| mail.label == Label::Ham && !mail.correction)
    );
    let new = ham.mails.iter().find(|mail| mail.octets.starts_with(b"Subject: new"));
    assert_eq!(
        new.map(|mail| mail.octets.as_slice()),
        Some(&b"Subject: new\r\n\r\nFrom a line that looks like an mbox\r\n"[..])
    );
}

#[test]
fn a_folder_within_that_is_called_otherwise_is_never_read_as_what_it_is_not() {
    let home = folder();
    let ham = home.path().join("mails");
    write(ham.join("2025/1.eml"), mail("wanted"));
    write(ham.join("2025/Junk mail/2.eml"), mail("unwanted"));
    let of = |label| plan(std::slice::from_ref(&ham), Some(label));
    assert_eq!(read(&ham, Some(Label::Ham)).subjects(), ["wanted"]);
    assert_eq!(of(Label::Ham).expect("a plan").left_out, [ham.join("2025/Junk mail")]);
    assert_eq!(read(&ham, Some(Label::Spam)).sorted(), ["unwanted", "wanted"]);
    write(ham.join("2025/spam/3.eml"), mail("spam"));
    let why = of(Label::Ham).expect_err("a contradiction");
    assert!(
        why.contains("2025/spam: by its name") && why.contains("--ham was given"),
        "{why}"
    );
    write(ham.join("2024/notspam/4.eml"), mail("ham"));
    let why = of(Label::Spam).expect_err("a contradiction");
    assert!(why.contains("2024/notspam: by its name"), "{why}");
}

#[test]
fn an_mbox_that_python_wrote_comes_back_octet_for_octet() {
    let home = folder();
    python(
        home.path(),
        "import mailbox
box = mailbox.mbox('all')
for n in range(3):
    m = mailbox.mboxMessage(f'Subject: {n}\\n\\nFrom here on\\nFrom a@b.example Thu Aug 22 13:17:22 2002\\n\\nend {n}\\n')
    m.set_from('a@b.example', (2002, 8, 22, 13, 17, 22, 3, 234, 0))
    box.add(m)
box.flush()",
    );
    let all = read(home.path().join("all"), Some(Label::Spam));
    let expected = |n: usize| {
        format!("Subject: {n}\r\n\r\nFrom here on\r\nFrom a@b.example Thu Aug 22 13:17:22 2002\r\n\r\nend {n}\r\n")
    };
    let octets: Vec<Vec<u8>> = all.mails.iter().map(|mail| mail.octets.clone()).collect();
    assert_eq!(octets, (0..3).map(|n| expected(n).into_bytes()).collect::<Vec<_>>());
    assert!(all.mails[2].place.ends_with("all:3"), "{}", all.mails[2].place);
}

#[test]
fn archives_of_every_form_and_packing_hold_the_same_mails() {
    let home = folder();
    let long = "a-long-name/".repeat(20);
    write(home.path().join("in/1.eml"), mail("1"));
    write(home.path().join("in").join(&long).join("2"), mail("2"));
    write(home.path().join("in/._1.eml"), "what another system puts beside it");
    write(
        home.path().join("in/box"),
        format!(
            "From - Thu Aug 22 13:17:22 2002\n{}\nFrom - Thu Aug 22 13:17:22 2002\n{}\n",
            mail("3"),
            mail("4")
        ),
    );
    write(home.path().join("in/readme"), "This is the folder of mails.\n");
    std::os::unix::fs::symlink("1.eml", home.path().join("in/link")).expect("a link");
    python(
        home.path(),
        "import tarfile
for name, form in (('u', tarfile.USTAR_FORMAT), ('g', tarfile.GNU_FORMAT), ('p', tarfile.PAX_FORMAT)):
    with tarfile.open(f'{name}.tar', 'w', format=form) as tar:
        try: tar.add('in')
        except ValueError: assert name == 'u'
with tarfile.open('t.tgz', 'w:gz') as tar: tar.add('in')",
    );
    run(home.path(), "tar", &["-cf", "gnu.tar", "in"]);
    run(
        home.path(),
        "tar",
        &["--format=v7", "-cf", "old.tar", "in/1.eml", "in/box"],
    );
    for name in ["gnu", "p"] {
        run(home.path(), "zstd", &["-q", "-19", &format!("{name}.tar")]);
    }
    for name in ["g.tar", "p.tar", "p.tar.zst", "t.tgz", "gnu.tar", "gnu.tar.zst"] {
        let all = read(home.path().join(name), Some(Label::Ham));
        assert_eq!(all.sorted(), ["1", "2", "3", "4"], "{name}");
        let (bad, why) = (all.bad.len(), all.why());
        assert!(
            bad == 1 && why.contains("in/readme: it is neither a mail"),
            "{name}: {why}"
        );
    }
    let old = read(home.path().join("old.tar"), Some(Label::Ham));
    assert_eq!(
        (old.subjects(), old.why()),
        (vec!["1".into(), "3".into(), "4".into()], String::new())
    );
    let places: Vec<&str> = old
        .mails
        .iter()
        .filter_map(|mail| mail.place.split_once("old.tar"))
        .map(|(_, at)| at)
        .collect();
    assert_eq!(places, [":in/1.eml", ":in/box:1", ":in/box:2"]);
}

#[test]
fn mboxes_and_mails_may_be_packed() {
    let home = folder();
    let from = "From - Thu Aug 22 13:17:22 2002\n";
    write(
        home.path().join("box"),
        format!("{from}{}\n{from}{}\n", mail("1"), mail("2")),
    );
    write(home.path().join("mail.eml"), mail("3"));
    for name in ["box", "mail.eml"] {
        run(home.path(), "zstd", &["-q", name]);
        run(home.path(), "gzip", &["-k", name]);
    }
    // A file with a checksum and one whose length nobody knew.
    run(
        home.path(),
        "sh",
        &[
            "-c",
            "cat box | zstd -q --check -o piped.zst; cat box.gz box.gz > twice.gz",
        ],
    );
    run(home.path(), "sh", &["-c", "zstd -q < box.zst > packed-twice.zst"]);
    for (name, subjects) in [
        ("box.zst", vec!["1", "2"]),
        ("box.gz", vec!["1", "2"]),
        ("piped.zst", vec!["1", "2"]),
        ("twice.gz", vec!["1", "2", "1", "2"]),
        ("mail.eml.zst", vec!["3"]),
        ("mail.eml.gz", vec!["3"]),
    ] {
        let all = read(home.path().join(name), Some(Label::Spam));
        assert_eq!(
            (all.subjects(), all.why()),
            (subjects.into_iter().map(String::from).collect(), String::new()),
            "{name}"
        );
    }
    let twice = read(home.path().join("packed-twice.zst"), Some(Label::Spam));
    assert!(
        twice.mails.is_empty() && twice.why().contains("packed twice"),
        "{}",
        twice.why()
    );
}

#[test]
fn what_is_damaged_or_no_mail_is_named_with_its_reason_and_the_rest_is_read() {
    let home = folder();
    write(home.path().join("1.eml"), mail("1"));
    write(home.path().join("deep/er/2.eml"), mail("2"));
    write(home.path().join("crlf.eml"), mail("3").replace('\n', "\r\n"));
    write(home.path().join("empty.eml"), "");
    write(
        home.path().join("only-a-line.eml"),
        "From a@b.example Thu Aug 22 13:17:22 2002\n",
    );
    write(
        home.path().join("large.eml"),
        format!("{}{}", mail("4"), "x".repeat(MAX)),
    );
    write(home.path().join("readme.txt"), "No mail.\n");
    write(home.path().join(".hidden"), mail("5"));
    write(home.path().join("bad.zst"), [0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3, 4, 5]);
    write(home.path().join("whole.tar.part"), mail("6"));
    run(home.path(), "tar", &["-cf", "cut.tar", "1.eml", "whole.tar.part"]);
    let tar = fs::read(home.path().join("cut.tar")).expect("a file");
    write(home.path().join("cut.tar"), &tar[..1024 + 540]);
    fs::remove_file(home.path().join("whole.tar.part")).expect("it is there");
    std::os::unix::fs::symlink("nowhere", home.path().join("dangling")).expect("a link");
    std::os::unix::fs::symlink("..", home.path().join("deep/round")).expect("a link");
    run(home.path(), "mkfifo", &["pipe"]);
    let all = read(home.path(), Some(Label::Ham));
    assert_eq!(all.sorted(), ["1", "1", "2", "3"]);
    let reasons: BTreeMap<String, &str> = all
        .bad
        .iter()
        .map(|bad| {
            (
                bad.place.rsplit('/').next().unwrap_or_default().to_owned(),
                bad.why.as_str(),
            )
        })
        .collect();
    for (name, why) in [
        ("empty.eml", "it is empty"),
        ("only-a-line.eml", "the mail is empty"),
        ("large.eml", "more than 100000 octets"),
        ("readme.txt", "neither a mail"),
        ("bad.zst", ""),
        ("cut.tar", "middle of an entry"),
        ("dangling", "No such file"),
        ("pipe", "it is no file"),
    ] {
        assert!(
            reasons.get(name).is_some_and(|told| told.contains(why)),
            "{name}: {reasons:?}"
        );
    }
    let same = all.mails.iter().filter(|mail| {
        mail.octets
            .starts_with(b"From: a@b.example\r\nSubject: 3\r\n\r\nbody of 3\r\n")
    });
    assert_eq!(same.count(), 1);
}

#[test]
fn an_empty_folder_has_no_mail_and_a_path_that_says_nothing_is_told_what_was_looked_for() {
    let home = folder();
    fs::create_dir(home.path().join("empty")).expect("a folder");
    let empty = read(home.path().join("empty"), Some(Label::Spam));
    assert!(empty.mails.is_empty() && empty.bad.is_empty());
    let told = |path: &str, label| plan(&[home.path().join(path)], label).expect_err("a reason");
    assert!(told("empty", None).contains("is it --spam or --ham?") && told("empty", None).contains("errors/notspam"));
    assert!(told("nowhere", Some(Label::Ham)).contains("no such file or folder"));
    fs::create_dir(home.path().join("empty/notspam")).expect("a folder");
    assert!(told("empty", Some(Label::Spam)).contains("what --ham would say"));
    assert!(told("empty/notspam", Some(Label::Spam)).contains("what --ham would say"));
    assert!(plan(&[home.path().join("empty")], Some(Label::Ham)).is_ok());
}

/// A corpus as the original keeps it: files without a name that tells, its own fields above the mail.
fn corpus(home: &Path) {
    let assp = |subject: &str| {
        format!(
            "X-Assp-Version: 2.6.8\nX-Assp-Spam: YES\n {subject}\n{}",
            mail(subject).replace('\n', "\r\n")
        )
    };
    for n in 0..40 {
        write(home.join(format!("spam/s{n}")), assp(&format!("s{n}")));
    }
    for n in 0..10 {
        write(home.join(format!("notspam/h{n}--5.eml")), assp(&format!("h{n}")));
    }
    // Two that somebody corrected: the copy in spam is the same but for its head.
    write(
        home.join("errors/notspam/h.rpt.eml"),
        format!("X-Assp-Reported-By: x\n{}", mail("s7")),
    );
    write(home.join("errors/spam/1"), assp("missed"));
    write(home.join("okmail/1"), assp("not looked at"));
}

#[test]
fn the_originals_folders_give_labels_and_corrections_take_the_place_of_their_copies() {
    let home = folder();
    corpus(home.path());
    let all = read(home.path(), None);
    assert_eq!((all.mails.len(), all.corrected, all.why()), (51, 1, String::new()));
    let of = |wanted: fn(&Found) -> bool| all.mails.iter().filter(|mail| wanted(mail)).count();
    assert_eq!(of(|mail| mail.label == Label::Spam && !mail.correction), 39);
    assert_eq!(of(|mail| mail.label == Label::Ham && !mail.correction), 10);
    let corrections: BTreeMap<String, Label> = all
        .mails
        .iter()
        .filter(|mail| mail.correction)
        .map(|mail| (subject(&mail.octets), mail.label))
        .collect();
    assert_eq!(
        corrections,
        [("missed".into(), Label::Spam), ("s7".into(), Label::Ham)].into()
    );
    assert!(
        all.mails.iter().all(|mail| mail.octets.starts_with(b"From: ")),
        "no field of the original is left"
    );
    for (folder, count, correction) in [
        ("spam", 40, false),
        ("errors/spam", 1, true),
        ("notspam", 10, false),
        ("errors", 2, true),
    ] {
        let plan = plan(&[home.path().join(folder)], None).expect("a plan");
        assert_eq!(plan.files().count(), count, "{folder}");
        assert!(plan.parts.iter().all(|part| part.correction == correction), "{folder}");
    }
}

#[test]
fn classes_come_mixed_from_the_first_mail_to_the_last_and_in_the_same_order_each_time() {
    let home = folder();
    corpus(home.path());
    let all = read(home.path(), None);
    let plain: Vec<bool> = all
        .mails
        .iter()
        .filter(|mail| !mail.correction)
        .map(|mail| mail.label == Label::Spam)
        .collect();
    for part in plain.chunks(10).take(4) {
        let spam = part.iter().filter(|spam| **spam).count();
        assert!((6..=9).contains(&spam), "{spam} of ten are spam where four fifths are");
    }
    assert_eq!(read(home.path(), None).mails, all.mails);
    let both = [home.path().join("notspam"), home.path().join("spam")];
    assert_eq!(read_all(&both, None).mails.len(), 50, "as paths of their own, too");
}

#[test]
fn of_many_files_few_are_open_at_once_and_all_are_read_with_the_classes_mixed() {
    let home = folder();
    let name = |at: usize| home.path().join(format!("{at:03}.mbox"));
    for at in 0..200 {
        let one = |n: usize| {
            format!(
                "From a@b.example Thu Jan  1 00:00:00 1970\n{}\n",
                mail(&format!("{at}.{n}"))
            )
        };
        write(name(at), (0..5).map(one).collect::<String>());
    }
    let paths = |spam: bool| {
        (0..200)
            .filter(|at| (at % 4 == 0) == spam)
            .map(name)
            .collect::<Vec<_>>()
    };
    let mut all = plan(&paths(true), Some(Label::Spam)).expect("a plan");
    all.parts
        .extend(plan(&paths(false), Some(Label::Ham)).expect("a plan").parts);
    assert_eq!(all.parts.len(), 200);
    let open = || {
        let held = fs::read_dir("/proc/self/fd").expect("a list of open files");
        let held = held.filter_map(|one| fs::read_link(one.ok()?.path()).ok());
        held.filter(|path| path.starts_with(home.path())).count()
    };
    let mut labels = Vec::new();
    for item in Mix::new(all, MAX) {
        let Item::Mail(found) = item else { panic!("{item:?}") };
        labels.push(found.label == Label::Spam);
        assert!(open() <= 2 * LANES_MAX, "{} files are open", open());
    }
    assert_eq!(labels.len(), 1_000);
    // A file this small is read at once, and its mails come one by one.
    for part in labels.chunks(200) {
        let spam = part.iter().filter(|spam| **spam).count();
        assert!(
            (25..=75).contains(&spam),
            "{spam} of two hundred are spam where a quarter is"
        );
    }
}

#[test]
fn within_a_folder_the_order_is_that_of_time() {
    let home = folder();
    for (name, at) in [("a", 3_000), ("b", 1_000), ("c", 2_000)] {
        let path = home.path().join(format!("{name}.eml"));
        write(&path, mail(name));
        let file = fs::File::options().append(true).open(&path).expect("a file");
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
        file.set_modified(at).expect("a time");
    }
    for (name, seconds) in [("x", 1_000_000_002), ("y", 1_000_000_001)] {
        write(
            home.path().join(format!("box/cur/{seconds}.{name}.host:2,S")),
            mail(name),
        );
        fs::create_dir_all(home.path().join("box/new")).expect("a folder");
    }
    assert_eq!(
        read(home.path(), Some(Label::Ham)).subjects(),
        ["b", "c", "a", "y", "x"]
    );
}

#[test]
fn any_collection_is_read_to_its_end_whatever_was_done_to_it() {
    let home = folder();
    corpus(home.path());
    run(home.path(), "tar", &["-cf", "all.tar", "spam", "notspam"]);
    run(home.path(), "sh", &["-c", "zstd -q all.tar; gzip -k all.tar"]);
    for name in ["all.tar", "all.tar.zst", "all.tar.gz"] {
        let whole = fs::read(home.path().join(name)).expect("a file");
        let path = home.path().join("hurt");
        for n in 0..60_usize {
            let mut hurt = whole.clone();
            let at = n * 7_919 % hurt.len();
            match n % 3 {
                0 => hurt.truncate(at),
                1 => hurt[at] ^= 1 << (n % 8),
                _ => drop(hurt.drain(at..(at + n).min(whole.len()))),
            }
            write(&path, hurt);
            let read = read(&path, Some(Label::Spam));
            assert!(read.mails.len() <= 50 && read.bad.len() <= 51);
        }
    }
}

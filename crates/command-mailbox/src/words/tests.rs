use std::fs;

use gatepost_core::Message;
use tempfile::TempDir;

use super::*;

fn shipped() -> Words {
    Words::shipped().unwrap_or_else(|mistake| panic!("{mistake}"))
}

#[test]
fn each_letter_and_phrase_is_there_in_each_shipped_language() {
    let words = shipped();
    assert_eq!(words.languages().collect::<Vec<_>>(), ["de", "en", "es", "fr"]);
    for (name, language) in &words.0 {
        let letters: Vec<_> = LETTERS.iter().map(|(name, _)| *name).collect();
        assert_eq!(language.letters.keys().copied().collect::<Vec<_>>(), letters, "{name}");
        for (phrase, _) in PHRASES {
            assert!(language.phrases.contains_key(phrase), "{name}: {phrase}");
        }
    }
}

#[test]
fn the_languages_use_the_same_places() {
    let words = shipped();
    let mark = |places: &'static [&'static str]| {
        places
            .iter()
            .map(|place| (*place, "\u{1}mark\u{1}"))
            .collect::<Vec<_>>()
    };
    let used = |text: &str| text.matches("\u{1}mark\u{1}").count();
    for (name, places) in PHRASES {
        let counts: Vec<usize> = words
            .languages()
            .map(|language| used(&words.phrase(language, name, &mark(places))))
            .collect();
        assert!(counts.iter().all(|count| *count == places.len()), "{name}: {counts:?}");
    }
    for (name, places) in LETTERS {
        let counts: Vec<(usize, usize)> = words
            .languages()
            .map(|language| {
                let (subject, text) = words.letter(language, name, &mark(places));
                (used(&subject), used(&text))
            })
            .collect();
        assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {counts:?}");
    }
}

#[test]
fn the_language_is_the_first_that_is_named_and_there() {
    let words = shipped();
    for (head, usual, want) in [
        ("", "en", "en"),
        ("", "fr-FR", "fr"),
        ("", "tlh", "en"),
        ("Content-Language: de-DE\r\n", "en", "de"),
        ("Accept-Language: nl-NL, fr;q=0.8, de\r\n", "en", "fr"),
        ("X-Language: ES\r\n", "de", "es"),
        ("Content-Language: nl\r\nAccept-Language: de\r\n", "fr", "de"),
        ("Content-Language: ,,;;-\r\n", "fr", "fr"),
    ] {
        let message = Message::from_bytes(format!("{head}\r\n").into_bytes());
        assert_eq!(words.language(message.headers(), usual), want, "{head:?}");
    }
}

#[test]
fn a_subject_is_one_line_and_unknown_names_say_nothing() {
    let words = shipped();
    let (subject, text) = words.letter("de", "list", &[("title", "a\r\nBcc: x"), ("done", "eins\nzwei")]);
    assert_eq!((subject.as_str(), text.as_str()), ("a Bcc: x", "eins\nzwei\n"));
    assert_eq!(words.letter("de", "nobody", &[]), (String::new(), String::new()));
    assert_eq!(words.phrase("xx", "no-subject", &[]), "(no subject)");
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (file, text) in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

#[test]
fn a_folder_replaces_single_files_and_brings_languages() {
    let folder = folder(&[
        ("de/spam.txt", "Subject: Gemeldet\n\nDanke, {person}.\n"),
        ("nl/phrases.txt", "# nieuw\nno-subject: (geen onderwerp)\n"),
    ]);
    let words = shipped().with_folder(folder.path()).expect("words");
    assert_eq!(
        words.letter("de", "spam", &[("person", "Carl")]),
        ("Gemeldet".into(), "Danke, Carl.\n".into())
    );
    assert_eq!(words.phrase("nl", "no-subject", &[]), "(geen onderwerp)");
    assert_eq!(
        words.phrase("nl", "level.high", &[]),
        "high",
        "English where nothing is said"
    );
    assert_eq!(words.letter("de", "help", &[]), shipped().letter("de", "help", &[]));
}

#[test]
fn a_mistake_in_a_folder_is_told_with_file_and_line() {
    for (file, text, told) in [
        (
            "de/spam.txt",
            "Hallo\n",
            "de/spam.txt:1: a letter begins with a line `Subject: ..`",
        ),
        ("de/spam.txt", "Subject: x\nHallo\n", "de/spam.txt:2: behind the line"),
        (
            "de/spam.txt",
            "Subject: x\n\n",
            "de/spam.txt:3: a letter without a text",
        ),
        (
            "de/spam.txt",
            "Subject: x\n\n\n{wem}\n",
            "de/spam.txt:4: there is no place `{wem}` here; there are {person}",
        ),
        (
            "de/spma.txt",
            "Subject: x\n\nx\n",
            "de/spma.txt:1: no letter is called `spma`",
        ),
        (
            "de/phrases.txt",
            "\nlevel.hihg: x\n",
            "de/phrases.txt:2: no phrase is called `level.hihg`",
        ),
        (
            "de/phrases.txt",
            "level.high\n",
            "de/phrases.txt:1: a line is `name: text`",
        ),
        (
            "de/phrases.txt",
            "level.high: {x}\n",
            "de/phrases.txt:1: there is no place `{x}` here, nor any other",
        ),
        ("de/spam.text", "", "de/spam.text: expected a file `.txt`"),
        ("De/spam.txt", "", "De: expected a folder for a language"),
        ("spam.txt", "", "spam.txt: expected a folder for a language"),
    ] {
        let folder = folder(&[(file, text)]);
        let mistake = shipped().with_folder(folder.path()).expect_err(file);
        let told = folder.path().join(told).display().to_string();
        assert!(mistake.starts_with(&told), "{mistake}");
    }
    let nowhere = shipped()
        .with_folder(Path::new("/no/such/folder"))
        .expect_err("no folder");
    assert!(nowhere.starts_with("/no/such/folder: "), "{nowhere}");
    let large = folder(&[("de/spam.txt", &"x".repeat(FILE_MAX + 1))]);
    assert!(
        shipped()
            .with_folder(large.path())
            .is_err_and(|mistake| mistake.contains("at most 65536 octets"))
    );
}

//! What a file is called, and every way in which some system reads that name.
//!
//! **Invariant:** a name has at most [`READINGS_MAX`] readings, each of at most [`READING_MAX`] octets; the extension by which
//! a system would choose a program is that of one of them. **Absent on purpose:** which extensions are dangerous
//! ([`levels`](crate::levels)), and any shortening of what is shown to people ([`words`](crate::words)).

use unicode_normalization::UnicodeNormalization as _;

/// Octets of a name that are looked at: of a longer one its begin and its end.
pub const NAME_MAX: usize = 1_024;
/// Octets of one reading.
pub const READING_MAX: usize = 2_048;
/// The most readings of a name.
pub const READINGS_MAX: usize = 32;
/// Names of streams within one name that are read: a system knows two, `file:stream:$DATA`.
const STREAMS: usize = 3;
/// Characters beyond which Windows cuts a name off.
const CUT: usize = 255;
/// Space characters in a row that push an extension out of sight.
const SPACES: usize = 6;

/// Extensions that stand before another one in order to be seen in its place.
const SHOWN: [&str; 28] = [
    "avi", "bmp", "csv", "doc", "docm", "docx", "eml", "gif", "htm", "html", "jpeg", "jpg", "mov", "mp3", "mp4",
    "mpeg", "odt", "pdf", "png", "pps", "ppt", "pptx", "rtf", "tif", "txt", "xls", "xlsx", "xml",
];

/// What is done to a name so that people and systems read it differently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Trick {
    /// A character that turns the direction of writing round.
    Direction,
    /// A null octet: some read to it only.
    Null,
    /// Other control characters.
    Control,
    /// Characters that nobody sees.
    Invisible,
    /// Letters or dots that stand for the plain ones.
    Wide,
    /// Octets written as `%41`.
    Escaped,
    /// The name of a stream within a file, or what looks like it.
    Stream,
    /// Dots, spaces or quotes at the end, which Windows takes off.
    Trailing,
    /// Many spaces before the extension.
    Spaces,
    /// So long that it is cut off before its end.
    Long,
    /// A second extension behind a harmless one.
    Double,
}

impl Trick {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Trick::Direction => "direction turned round",
            Trick::Null => "null octet",
            Trick::Control => "control characters",
            Trick::Invisible => "invisible characters",
            Trick::Wide => "letters in disguise",
            Trick::Escaped => "escaped octets",
            Trick::Stream => "name of a stream",
            Trick::Trailing => "dots or spaces at its end",
            Trick::Spaces => "many spaces before the extension",
            Trick::Long => "longer than is read",
            Trick::Double => "two extensions",
        }
    }
}

/// One reading of a name, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reading {
    /// The name without folders.
    pub name: Box<str>,
    /// What stands behind its last dot; empty where there is none.
    pub extension: Box<str>,
}

/// A name with its readings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Name {
    /// At least one where the name is not empty, each once.
    pub readings: Vec<Reading>,
    /// Sorted, each once.
    pub tricks: Vec<Trick>,
    /// The extension that a person believes to see: that of the name as it is written.
    pub plain: Box<str>,
}

impl Name {
    /// Reads a name as a mail or a container has it, control characters included.
    pub fn read(raw: &str) -> Name {
        let (raw, long) = bounded(raw);
        let mut name = Name {
            plain: extension(raw.trim_end()).to_lowercase().into(),
            ..Name::default()
        };
        name.trick(long, Trick::Long);
        name.trick(raw.contains(TURNS), Trick::Direction);
        name.trick(raw.contains('\0'), Trick::Null);
        name.trick(raw.contains(|c: char| c.is_control() && c != '\0'), Trick::Control);
        name.trick(raw.contains(is_invisible), Trick::Invisible);
        name.trick(has_gap(&raw), Trick::Spaces);
        name.cut(&raw);
        if let Some(unescaped) = unescaped(&raw) {
            let before = name.readings.len();
            name.cut(&unescaped);
            name.trick(name.readings.len() > before, Trick::Escaped);
        }
        let double = name.readings.iter().any(|reading| is_double(&reading.name));
        name.trick(double, Trick::Double);
        name.tricks.sort_unstable();
        name.tricks.dedup();
        name
    }

    /// Whether there is nothing of a name.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    /// The extensions of all readings that have one.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        self.readings
            .iter()
            .map(|reading| &*reading.extension)
            .filter(|extension| !extension.is_empty())
    }

    fn trick(&mut self, is: bool, trick: Trick) {
        if is {
            self.tricks.push(trick);
        }
    }

    /// What is written up to a null octet, and beyond it.
    fn cut(&mut self, written: &str) {
        self.written(written);
        if let Some((before, _)) = written.split_once('\0') {
            self.written(before);
        }
    }

    fn written(&mut self, written: &str) {
        let visible: String = written
            .chars()
            .filter(|c| !is_invisible(*c) && !c.is_control() && !TURNS.contains(c))
            .collect();
        let plain: String = visible.nfkc().map(dot).collect();
        // What is only composed in another way is the same letter (macOS writes them apart).
        self.trick(
            !visible.is_ascii() && plain.as_str() != visible.nfc().collect::<String>(),
            Trick::Wide,
        );
        let slashes = ['/', '\\'];
        let whole = plain.trim_end_matches(slashes);
        let file = whole.rsplit(slashes).next().unwrap_or_default();
        self.add(file);
        // Windows: `name:stream:$DATA`; some mail programs end a name at a semicolon or a quote.
        if let Some((before, behind)) = file.split_once(':') {
            self.trick(true, Trick::Stream);
            self.add(before);
            // More of them would leave no room for the other ways to read the name.
            behind.split(':').take(STREAMS).for_each(|part| self.add(part));
        }
        if let Some((before, _)) = file.split_once([';', '"']) {
            self.add(before);
        }
        if let Some((end, _)) = file.char_indices().nth(CUT) {
            self.trick(true, Trick::Long);
            self.add(file.get(..end).unwrap_or_default());
        }
    }

    fn add(&mut self, text: &str) {
        const ENDS: [char; 12] = [
            ' ', '.', '"', '\'', '`', '>', ')', ';', ',', '\u{b4}', '\u{2019}', '\u{201d}',
        ];
        let text = text.trim();
        let ended = text.trim_end_matches(|c: char| ENDS.contains(&c) || c.is_whitespace());
        self.trick(ended.len() < text.len() && ended.contains('.'), Trick::Trailing);
        let mut lower = ended.to_lowercase();
        let cut = (0..=READING_MAX).rev().find(|at| lower.is_char_boundary(*at));
        if lower.len() > READING_MAX {
            lower.truncate(cut.unwrap_or(0));
        }
        if lower.is_empty() || self.readings.len() >= READINGS_MAX {
            return;
        }
        let reading = Reading {
            extension: extension(&lower).trim().into(),
            name: lower.into(),
        };
        if !self.readings.contains(&reading) {
            self.readings.push(reading);
        }
    }
}

/// Overrides of the direction of writing (Unicode Bidirectional Algorithm): what follows is shown from its end.
const TURNS: [char; 2] = ['\u{202d}', '\u{202e}'];

/// Characters without a shape: of zero width, marks of direction, fillers, tags, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202c}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Full stops of other scripts that normalisation leaves.
fn dot(c: char) -> char {
    match c {
        '\u{3002}' | '\u{6d4}' | '\u{701}' | '\u{702}' | '\u{a4f8}' | '\u{10a50}' => '.',
        c => c,
    }
}

fn extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((_, extension)) => extension,
        None => "",
    }
}

fn has_gap(name: &str) -> bool {
    let is_space = |c: char| c.is_whitespace() || is_invisible(c);
    let Some((before, _)) = name.trim_end().rsplit_once('.') else {
        return false;
    };
    before.chars().rev().take_while(|c| is_space(*c)).count() >= SPACES
}

fn is_double(name: &str) -> bool {
    let Some((before, last)) = name.rsplit_once('.') else {
        return false;
    };
    let before = before.trim_end_matches([' ', '_', '-', '.']);
    SHOWN.contains(&extension(before)) && !last.is_empty() && !SHOWN.contains(&last)
}

/// `%65xe` is `exe`; none where nothing is escaped. What does not become text stays as it is.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let octets = text.as_bytes();
    let digit = |at: usize| {
        let octet = octets.get(at).copied()?;
        u8::try_from(char::from(octet).to_digit(16)?).ok()
    };
    let (mut out, mut at) = (Vec::with_capacity(octets.len()), 0);
    while let Some(octet) = octets.get(at) {
        let pair = (*octet == b'%')
            .then(|| Some((digit(at + 1)?, digit(at + 2)?)))
            .flatten();
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(*octet);
                at += 1;
            }
        }
    }
    let out = String::from_utf8_lossy(&out).into_owned();
    (out != text).then_some(out)
}

/// A name of bearable length: of a longer one its begin and its end.
fn bounded(raw: &str) -> (String, bool) {
    if raw.len() <= NAME_MAX {
        return (raw.to_owned(), false);
    }
    let half = NAME_MAX / 2;
    let head = (0..=half).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or(0);
    let tail = (raw.len() - half..=raw.len()).find(|at| raw.is_char_boundary(*at));
    let head = raw.get(..head).unwrap_or_default();
    let tail = tail.and_then(|tail| raw.get(tail..)).unwrap_or_default();
    (format!("{head}{tail}"), true)
}

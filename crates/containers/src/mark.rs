//! What is to be known of a file beside its kind.

/// A property of a file that a policy may act on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Mark {
    /// It, or a file in it, cannot be read without a password.
    Encrypted,
    /// It is broken, and not all of it could be read.
    Damaged,
    /// We have no reader for this form or method, so nobody looked inside.
    Unread,
    /// Readers of this form would see different files in it (two directories that differ, overlapping members, names in
    /// two ways).
    Ambiguous,
    /// Containers within containers beyond [`Limits::depth`](crate::Limits::depth).
    Depth,
    /// More files than [`Limits::files`](crate::Limits::files).
    Files,
    /// More octets than [`Limits::octets`](crate::Limits::octets) or [`Limits::memory`](crate::Limits::memory).
    Octets,
    /// Packed beyond [`Limits::ratio`](crate::Limits::ratio).
    Ratio,
    /// The time was over before the file was.
    Time,
    /// A name that leads out of the folder it is unpacked to, or a link.
    Path,
    /// A macro (VBA, or the older ones of Excel).
    Macro,
    /// A macro that runs when the document is opened.
    AutoMacro,
    /// It starts a program or fetches from elsewhere when opened: DDE, a template or object that lies elsewhere, an
    /// action of a shortcut.
    Fetches,
    /// Another file is embedded as an object (OLE package, attachment of a PDF or a notebook).
    Embedded,
    /// JavaScript in a document.
    Script,
    /// Acts when opened (PDF OpenAction, AA, Launch).
    Action,
    /// HTML or SVG that puts a file together by itself and hands it to the reader.
    Smuggling,
    /// More than one form at once: a PDF that is a ZIP too.
    Polyglot,
}

impl Mark {
    /// Its name in findings and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Mark::Encrypted => "encrypted",
            Mark::Damaged => "damaged",
            Mark::Unread => "unread",
            Mark::Ambiguous => "ambiguous",
            Mark::Depth => "depth",
            Mark::Files => "files",
            Mark::Octets => "octets",
            Mark::Ratio => "ratio",
            Mark::Time => "time",
            Mark::Path => "path",
            Mark::Macro => "macro",
            Mark::AutoMacro => "auto-macro",
            Mark::Fetches => "fetches",
            Mark::Embedded => "embedded",
            Mark::Script => "script",
            Mark::Action => "action",
            Mark::Smuggling => "smuggling",
            Mark::Polyglot => "polyglot",
        }
    }

    /// Whether it means that not all was seen.
    pub const fn is_blind(self) -> bool {
        matches!(
            self,
            Mark::Encrypted
                | Mark::Damaged
                | Mark::Unread
                | Mark::Depth
                | Mark::Files
                | Mark::Octets
                | Mark::Ratio
                | Mark::Time
        )
    }
}

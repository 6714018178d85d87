//! The readers of mail: in what they differ, and which of them a mail needs.

use super::Ambiguity;
use super::said::Type;

/// Which of several types and boundaries a reader takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pick {
    /// All of them: any boundary is one.
    All,
    First,
    Second,
    Third,
    Last,
}

impl Pick {
    /// What of this is picked; where there are fewer, the last.
    pub(super) fn of(self, mut choices: Vec<Type>) -> Vec<Type> {
        let last = choices.len().saturating_sub(1);
        let at = match self {
            Pick::All => return choices,
            Pick::First => 0,
            Pick::Second => last.min(1),
            Pick::Third => last.min(2),
            Pick::Last => last,
        };
        choices.drain(..).skip(at).take(1).collect()
    }
}

/// Where a reader lets a header end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ends {
    /// At a blank line or before a line that is no field, as [`split`](crate::split) has it.
    Usual,
    /// Not before a blank line: what is no field is passed over. The mail's own header ends as usual.
    Late,
    /// At a line of spaces as well.
    Early,
}

/// How one reader of mail settles what is in doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reader {
    pub(super) pick: Pick,
    pub(super) ends: Ends,
    /// The mail's own header does not end before a blank line. [`Separate`](crate::Edit::Separate) puts one there, so
    /// nobody reads the mail so whom we give it to; but others have it from elsewhere.
    pub(super) root: bool,
    /// A CR alone ends a line, and NUL in a header is nothing.
    pub(super) bare: bool,
    /// A multipart is decoded by its transfer encoding.
    pub(super) decodes: bool,
    /// A line that only begins with the boundary is one.
    pub(super) loose: bool,
}

impl Reader {
    pub(super) const USUAL: Reader = Reader {
        pick: Pick::All,
        ends: Ends::Usual,
        root: false,
        bare: false,
        decodes: false,
        loose: false,
    };

    /// Those who are asked where there is a doubt: each of them differs in one thing, and the last two in all.
    pub(super) const ALL: [Reader; 12] = [
        Reader {
            pick: Pick::First,
            ..Reader::USUAL
        },
        Reader {
            pick: Pick::Second,
            ..Reader::USUAL
        },
        Reader {
            pick: Pick::Third,
            ..Reader::USUAL
        },
        Reader {
            pick: Pick::Last,
            ..Reader::USUAL
        },
        Reader {
            ends: Ends::Late,
            ..Reader::USUAL
        },
        Reader {
            ends: Ends::Early,
            ..Reader::USUAL
        },
        Reader {
            root: true,
            ..Reader::USUAL
        },
        Reader {
            bare: true,
            ..Reader::USUAL
        },
        Reader {
            decodes: true,
            ..Reader::USUAL
        },
        Reader {
            loose: true,
            ..Reader::USUAL
        },
        Reader {
            pick: Pick::First,
            ends: Ends::Late,
            root: false,
            bare: true,
            decodes: true,
            loose: true,
        },
        Reader {
            pick: Pick::Last,
            ends: Ends::Early,
            root: false,
            bare: true,
            decodes: true,
            loose: true,
        },
    ];

    /// Whether it reads a mail with these doubts in a way of its own.
    pub(super) fn settles(self, doubts: Doubts) -> bool {
        let own = [
            (self.pick != Pick::All, doubts.pick),
            (matches!(self.pick, Pick::Second | Pick::Third), doubts.more),
            (self.ends == Ends::Late, doubts.late),
            (self.ends == Ends::Early, doubts.early),
            (self.root, doubts.root),
            (self.bare, doubts.bare),
            (self.decodes, doubts.decodes),
            (self.loose, doubts.loose),
        ];
        let differs = own.iter().filter(|(differs, _)| *differs).count();
        let settled = own.iter().filter(|(differs, doubted)| *differs && *doubted).count();
        settled >= differs.min(2)
    }

    /// Notes that it sees a file that the usual reader does not.
    pub(super) fn tell(self, doubts: Doubts, ambiguity: &mut Ambiguity) {
        ambiguity.boundaries |= self.pick != Pick::All && doubts.pick;
        let ends = match self.ends {
            Ends::Usual => false,
            Ends::Late => doubts.late,
            Ends::Early => doubts.early,
        };
        ambiguity.heads |= ends || (self.bare && doubts.bare);
        ambiguity.multipart |= self.decodes && doubts.decodes;
        ambiguity.delimiters |= self.loose && doubts.loose;
    }
}

/// What readers differ in, where a mail has it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Doubts {
    pub(super) pick: bool,
    /// There are more than two to pick from.
    pub(super) more: bool,
    pub(super) late: bool,
    pub(super) early: bool,
    pub(super) root: bool,
    pub(super) bare: bool,
    pub(super) decodes: bool,
    pub(super) loose: bool,
}

impl Doubts {
    pub(super) fn any(self) -> bool {
        self != Doubts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_are_asked_who_settle_a_doubt() {
        let asked = |doubts: Doubts| Reader::ALL.iter().filter(|reader| reader.settles(doubts)).count();
        assert_eq!(asked(Doubts::default()), 0);
        let pick = Doubts {
            pick: true,
            ..Doubts::default()
        };
        assert_eq!(asked(pick), 2);
        assert_eq!(asked(Doubts { more: true, ..pick }), 4);
        assert_eq!(
            asked(Doubts {
                bare: true,
                ..Doubts::default()
            }),
            1
        );
        assert_eq!(asked(Doubts { bare: true, ..pick }), 5);
    }
}

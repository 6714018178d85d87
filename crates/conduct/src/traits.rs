//! What there is to notice about a client, a sender or a mail: each with its tag and its words.

/// Something bad. Each is told at most once in the life of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trait {
    /// It spoke before it was greeted.
    EarlyTalk,
    /// It sent several commands at once where that was not offered.
    UnaskedPipelining,
    /// Its message had lines that ended in LF alone.
    BareLf,
    /// Its message had a line over 998 octets.
    LongLine,
    /// Its message had a line that nearly is the end of a message, a NUL or a bare CR, and the operator lets that pass.
    NearMiss,
    /// Many of its commands were refused.
    Errors,
    /// What it calls itself is neither a name nor an address literal.
    HeloSyntax,
    /// It calls itself by a name without a dot.
    HeloUnqualified,
    /// It calls itself by an address literal that is not its own.
    HeloNotItsOwn,
    /// It calls itself as we do.
    HeloOurs,
    /// It calls itself by a name that belongs to other addresses.
    HeloElsewhere,
    /// It calls itself by a name that does not exist.
    HeloUnknown,
    /// Its address has no reverse name.
    NoReverse,
    /// Its reverse name does not lead back.
    ReverseUnconfirmed,
    /// Its reverse name is one of a customer's line.
    ReverseGeneric,
    /// The sender's domain has neither MX nor address.
    SenderDomain,
    /// The sender's domain says that it has no mail.
    NullMx,
    /// The sender is of a local domain, and there is no proof.
    ForgedSender,
    /// The author is of a local domain, and there is no proof.
    ForgedAuthor,
    /// There is no From.
    NoAuthor,
    /// There are several From fields, or one that can be read in two ways.
    SeveralAuthors,
    /// There is no Message-ID.
    NoMessageId,
    /// There is no Date.
    NoDate,
    /// There is neither To nor Cc.
    NoTo,
    /// One recipient is named twice.
    Twice,
    /// A recipient is a trap.
    Trap,
    /// It is turned away for what it did before.
    Banned,
    /// There is more of it than the operator allows.
    Rate,
}

impl Trait {
    /// All of them.
    pub const ALL: [Trait; 28] = [
        Trait::EarlyTalk,
        Trait::UnaskedPipelining,
        Trait::BareLf,
        Trait::LongLine,
        Trait::NearMiss,
        Trait::Errors,
        Trait::HeloSyntax,
        Trait::HeloUnqualified,
        Trait::HeloNotItsOwn,
        Trait::HeloOurs,
        Trait::HeloElsewhere,
        Trait::HeloUnknown,
        Trait::NoReverse,
        Trait::ReverseUnconfirmed,
        Trait::ReverseGeneric,
        Trait::SenderDomain,
        Trait::NullMx,
        Trait::ForgedSender,
        Trait::ForgedAuthor,
        Trait::NoAuthor,
        Trait::SeveralAuthors,
        Trait::NoMessageId,
        Trait::NoDate,
        Trait::NoTo,
        Trait::Twice,
        Trait::Trap,
        Trait::Banned,
        Trait::Rate,
    ];

    /// The name of its finding.
    pub const fn tag(self) -> &'static str {
        match self {
            Trait::EarlyTalk => "conduct.early_talk",
            Trait::UnaskedPipelining => "conduct.unasked_pipelining",
            Trait::BareLf => "conduct.bare_lf",
            Trait::LongLine => "conduct.long_line",
            Trait::NearMiss => "conduct.near_miss",
            Trait::Errors => "conduct.errors",
            Trait::HeloSyntax => "conduct.helo_syntax",
            Trait::HeloUnqualified => "conduct.helo_unqualified",
            Trait::HeloNotItsOwn => "conduct.helo_not_its_own",
            Trait::HeloOurs => "conduct.helo_ours",
            Trait::HeloElsewhere => "conduct.helo_elsewhere",
            Trait::HeloUnknown => "conduct.helo_unknown",
            Trait::NoReverse => "conduct.no_reverse",
            Trait::ReverseUnconfirmed => "conduct.reverse_unconfirmed",
            Trait::ReverseGeneric => "conduct.reverse_generic",
            Trait::SenderDomain => "conduct.sender_domain",
            Trait::NullMx => "conduct.null_mx",
            Trait::ForgedSender => "conduct.forged_sender",
            Trait::ForgedAuthor => "conduct.forged_author",
            Trait::NoAuthor => "conduct.no_author",
            Trait::SeveralAuthors => "conduct.several_authors",
            Trait::NoMessageId => "conduct.no_message_id",
            Trait::NoDate => "conduct.no_date",
            Trait::NoTo => "conduct.no_to",
            Trait::Twice => "conduct.twice",
            Trait::Trap => "conduct.trap",
            Trait::Banned => "conduct.banned",
            Trait::Rate => "conduct.rate",
        }
    }

    /// What the log says.
    pub const fn note(self) -> &'static str {
        match self {
            Trait::EarlyTalk => "spoke before the greeting",
            Trait::UnaskedPipelining => "sent commands at once without being offered to",
            Trait::BareLf => "lines end in LF alone",
            Trait::LongLine => "a line over 998 octets",
            Trait::NearMiss => "a line that nearly ends the message, a NUL or a bare CR",
            Trait::Errors => "many refused commands",
            Trait::HeloSyntax => "HELO is neither a name nor an address literal",
            Trait::HeloUnqualified => "HELO has no dot",
            Trait::HeloNotItsOwn => "HELO is the address of somebody else",
            Trait::HeloOurs => "HELO is ours",
            Trait::HeloElsewhere => "HELO has other addresses",
            Trait::HeloUnknown => "HELO is not in DNS",
            Trait::NoReverse => "no reverse name",
            Trait::ReverseUnconfirmed => "the reverse name does not lead back",
            Trait::ReverseGeneric => "the reverse name is that of a customer's line",
            Trait::SenderDomain => "the sender's domain has neither MX nor address",
            Trait::NullMx => "the sender's domain says that it has no mail",
            Trait::ForgedSender => "a sender of ours from outside, without proof",
            Trait::ForgedAuthor => "an author of ours from outside, without proof",
            Trait::NoAuthor => "no From",
            Trait::SeveralAuthors => "several From fields, or one that can be read in two ways",
            Trait::NoMessageId => "no Message-ID",
            Trait::NoDate => "no Date",
            Trait::NoTo => "neither To nor Cc",
            Trait::Twice => "a recipient is named twice",
            Trait::Trap => "a recipient is a trap",
            Trait::Banned => "turned away for a while",
            Trait::Rate => "more than is allowed",
        }
    }
}

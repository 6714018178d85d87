//! Which header fields become features: some never do, and of a flood those that tell most.

use gatepost_message::{Header, Message};

use crate::ours::Ours;

/// Names, or beginnings of names with `*`, of fields that other filters, mailboxes and we ourselves write: they tell what
/// somebody made of the mail, not what the mail is. In lower case.
pub const NEVER: &[&str] = &[
    // What mailboxes write.
    "status",
    "x-status",
    "x-keywords",
    "x-uid",
    "x-uidl",
    "x-imap",
    "x-imapbase",
    "x-mozilla-*",
    "x-evolution*",
    "x-gmail-*",
    "x-gm-*",
    "x-folder",
    "x-label",
    "x-tuid",
    "x-pmflags",
    "delivery-date",
    "return-path",
    "delivered-to",
    "x-delivered-to",
    "x-original-to",
    "envelope-to",
    "lines",
    "content-length",
    "x-from-line",
    "x-apparently-to",
    "x-envelope-to",
    "x-resolved-to",
    "x-sieve",
    "x-rcpt-*",
    "x-mdrcpt-to",
    "x-message-info",
    "x-message-delivery",
    // What other filters write, by whom.
    "x-spam*", // SpamAssassin, rspamd, SpamProbe, SpamBayes, SpamCop and most others
    "x-ham*",
    "x-sa-*",
    "x-exiscan*",
    "x-rspam*",
    "x-bogosity",
    "x-dspam*",
    "x-crm114*",
    "x-text-classification", // POPFile
    "x-popfile*",
    "x-pyzor*",
    "x-razor*",
    "x-dcc-*",
    "x-assp*",
    "x-intended-for",
    "x-amavis*",
    "x-quarantine*",
    "x-banned*",
    "x-virus*",
    "x-antivirus*",
    "x-anti-spam*",
    "x-antispam*",
    "x-clam*",
    "x-mailscanner*",
    "x-mailcleaner*",
    "x-mimedefang*",
    "x-scanned*",
    "x-policyd*",
    "x-greylist*",
    "x-rbl*",
    "x-dnsbl*",
    "x-surbl*",
    "x-whitelist*",
    "x-blacklist*",
    "x-junk*",
    "x-filter*",
    "x-bulkmail*",
    "x-classified*",
    "x-recommended-action", // SpamExperts
    "x-stalwart*",
    "x-haraka*",
    "x-hmailserver-*",
    "x-kerio*",
    "x-halon*",
    "x-barracuda*",
    "x-bess-*",
    "x-asg-*",
    "x-proofpoint*",
    "x-pp-*",
    "x-ironport*",
    "x-amp-*",
    "x-forefront*",
    "x-microsoft-antispam*",
    "x-ms-exchange-*",
    "x-ms-office365-filtering*",
    "x-exchange-antispam*",
    "x-eop*",
    "spamdiagnostic*", // Exchange, too
    "x-sid-*",
    "x-mimecast-*",
    "x-cloudmark*",
    "x-cmae-*",
    "x-brightmail*",
    "x-starscan*", // MessageLabs
    "x-viruschecked",
    "x-vr-*", // Vade
    "x-vade*",
    "x-ovh-*",
    "x-pmx-*",
    "x-perlmx*",
    "x-sophos*",
    "x-tm-*", // Trend Micro
    "x-tmase*",
    "x-imss*",
    "x-nai-*", // McAfee
    "x-mcafee*",
    "x-feas-*", // Fortinet
    "x-fortinet*",
    "x-fireeye*",
    "x-libraesva*",
    "x-mdav*", // MDaemon
    "x-mdspam*",
    "x-kaspersky*",
    "x-klms-*",
    "x-esafe*",
    "x-eset*",
    "x-avg*",
    "x-avast*",
    "x-drweb*",
    "x-zonealarm*",
    "x-gmx-anti*",
    "x-ui-*", // GMX and web.de
    "x-yandex-spam*",
    "x-mras",
    "x-ymailisg", // Yahoo
    "x-yahoofiltered*",
    "x-mail-filter",
    "x-purgate*",
    "x-kse-*",  // Kaspersky
    "x-ctch-*", // Cyren
    "x-pstn*",  // Postini
    "x-symantec*",
    "x-nas-*", // Norton
    "x-bti-*",
    "x-aol-*",
    "x-bitdefender*",
    "x-watchguard*",
    "x-sender-verification",
    "x-backscatter",
    "authentication-results*",
    "x-authentication-*",
    "received-spf",
    "x-spf*",
    "dmarc-filter",
    "dkim-filter",
    "arc-*",
    // What we write.
    "x-gatepost-*",
    "x-original-subject",
];

/// What the name of a verdict has in it. Not "score" alone: senders count their readers, too.
const TELLING: [&[u8]; 6] = [b"spam", b"virus", b"junk", b"bogo", b"verdict", b"quarantine"];

/// The most fields of a header section whose fields are all taken as they stand; of more the telling ones are chosen.
pub const FIELDS_MAX: usize = 60;
/// The most octets of such a header section: the beginning of it at which classifiers look.
pub const OCTETS_MAX: usize = 5_000;
/// The most fields of one name in such a header section, Received aside.
pub const SAME_MAX: usize = 4;

/// Fields that are chosen first, and how many of each; names, or beginnings of names with `*`.
const FIRST: [(&str, usize); 16] = [
    ("from", 1),
    ("subject", 1),
    ("to", 1),
    ("message-id", 1),
    ("reply-to", 1),
    ("date", 1),
    ("content-*", 4),
    ("mime-version", 1),
    ("x-mailer", 1),
    ("user-agent", 1),
    ("cc", 1),
    ("sender", 1),
    ("list-*", 6),
    ("in-reply-to", 1),
    ("references", 1),
    ("received", crate::head::RECEIVED_MAX),
];
/// Fields that are chosen besides, in their order, and how many of one name.
const OTHERS: (usize, usize) = (30, 2);
/// Octets of the head that are for the fields of [`FIRST`], and of each.
const FIRST_OCTETS: (usize, usize) = (3_500, 300);
/// Octets of the head that are for the others, and of each.
const OTHER_OCTETS: (usize, usize) = (1_500, 200);
const _: () = assert!(FIRST_OCTETS.0 + OTHER_OCTETS.0 <= OCTETS_MAX);

/// Whether a name is this one, or begins like it where it ends in `*`.
fn means(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_last() {
        Some((b'*', start)) => name
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start)),
        _ => name.eq_ignore_ascii_case(pattern),
    }
}

/// Whether a field may become a feature.
pub fn may(name: &[u8]) -> bool {
    let letter = |at: usize| name.get(at).map_or(0, u8::to_ascii_lowercase);
    // Most names differ in the first letter or in the third, the one after `X-`.
    let start = [letter(0), letter(2)];
    let alike = |same: bool, at: &[u8; 2]| same | (*at == start);
    // Looks at all of them, which is faster than to stop at the first.
    if STARTS.iter().fold(false, alike) {
        let starts = STARTS.iter().zip(NEVER).filter(|(at, _)| **at == start);
        let mut never = starts.map(|(_, never)| never.as_bytes());
        if never.any(|never| means(never, name)) {
            return false;
        }
    }
    !tells(name)
}

/// The first and the third letter of each of [`NEVER`].
const STARTS: [[u8; 2]; NEVER.len()] = {
    let mut starts = [[0; 2]; NEVER.len()];
    let mut at = 0;
    while at < NEVER.len() {
        let name = NEVER[at].as_bytes();
        starts[at] = [name[0], name[2]];
        at += 1;
    }
    starts
};

/// Whether the name of a field says that it is a verdict.
fn tells(name: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|begin| begin.eq_ignore_ascii_case(part));
    means(b"x-*", name) && TELLING.iter().any(|part| has(part))
}

/// The fields of a message that may become features.
pub(crate) struct Fields<'m> {
    /// All in their order, or where that is too much those that were chosen; and which of [`FIRST`] each is.
    pub(crate) list: Vec<(Header<'m>, Option<usize>)>,
    /// How many there are.
    pub(crate) count: usize,
    /// How many octets the message has without what never becomes a feature.
    pub(crate) size: usize,
    /// Whether not all are in the list, so that those of each kind have room of their own.
    pub(crate) flooded: bool,
    /// What of the header section is ours.
    pub(crate) ours: Ours,
}

impl<'m> Fields<'m> {
    /// The fields of a message.
    pub(crate) fn of(message: &'m Message) -> Fields<'m> {
        let ours = Ours::of(message.headers());
        let theirs = message.headers().iter().skip(ours.fields);
        let list: Vec<_> = theirs
            .filter(|field| may(field.name()))
            .map(|field| (field, None))
            .collect();
        let octets: usize = list.iter().map(|(field, _)| field.raw().len()).sum();
        let mut fields = Fields {
            count: list.len(),
            size: size(message, &ours, octets),
            list,
            flooded: false,
            ours,
        };
        if fields.count > FIELDS_MAX || octets > OCTETS_MAX || fields.repeat() {
            fields.choose();
        }
        fields
    }

    /// Whether one name occurs too often.
    fn repeat(&self) -> bool {
        self.list.iter().enumerate().any(|(at, (field, _))| {
            let before = self.list[..at].iter();
            let same = before.filter(|(other, _)| other.name().eq_ignore_ascii_case(field.name()));
            same.count() >= SAME_MAX && !field.is("Received")
        })
    }

    /// Leaves those of [`FIRST`], wherever they stand, and few others.
    pub(crate) fn choose(&mut self) {
        if std::mem::replace(&mut self.flooded, true) {
            return;
        }
        let mut first = [0; FIRST.len()];
        let mut others: Vec<&[u8]> = Vec::with_capacity(OTHERS.0);
        self.list.retain_mut(|(field, which)| {
            let name = field.name();
            let found = FIRST.iter().position(|(pattern, _)| means(pattern.as_bytes(), name));
            if let Some(found) = found {
                first[found] += 1;
                *which = Some(found);
                return first[found] <= FIRST[found].1;
            }
            let same = others.iter().filter(|other| other.eq_ignore_ascii_case(name)).count();
            let taken = others.len() < OTHERS.0 && same < OTHERS.1;
            if taken {
                others.push(name);
            }
            taken
        });
    }

    /// These fields as they came, without a "From " line and without the tags of the Subject; at most [`OCTETS_MAX`]
    /// octets.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut lengths = vec![usize::MAX; self.list.len()];
        if self.flooded {
            let (mut for_first, mut for_others) = (FIRST_OCTETS.0, OTHER_OCTETS.0);
            let mut share = |at: usize, left: &mut usize, most: usize| {
                let length = self.list[at].0.raw().len().min(most).min(*left);
                *left -= length;
                lengths[at] = length;
            };
            let mut order: Vec<usize> = (0..self.list.len()).collect();
            order.sort_by_key(|at| self.list[*at].1.unwrap_or(FIRST.len()));
            for at in order {
                match self.list[at].1 {
                    Some(_) => share(at, &mut for_first, FIRST_OCTETS.1),
                    None => share(at, &mut for_others, OTHER_OCTETS.1),
                }
            }
        }
        let mut head = Vec::with_capacity(OCTETS_MAX);
        for ((field, _), length) in self.list.iter().zip(lengths) {
            let [begin, rest] = self.ours.raw(field);
            let begin = begin.get(..length).unwrap_or(begin);
            head.extend_from_slice(begin);
            let left = length - begin.len();
            head.extend_from_slice(rest.get(..left).unwrap_or(rest));
        }
        head
    }
}

/// How many octets a message has without what never becomes a feature, where its other fields have so many.
fn size(message: &Message, ours: &Ours, taken: usize) -> usize {
    let headers: usize = message.headers().iter().map(|field| field.raw().len()).sum();
    let without = headers.saturating_sub(taken);
    let subject = message
        .headers()
        .iter()
        .skip(ours.fields)
        .find(|field| field.is("Subject"));
    let tags = subject.map_or(0, |field| ours.tags(field.value()));
    let all = usize::try_from(message.len()).unwrap_or(usize::MAX);
    all.saturating_sub(without + tags)
}

//! Header fields that never become features.

use gatepost_message::{Header, Message};

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
];

/// Fields of a header section that are looked at.
pub const FIELDS_MAX: usize = 200;

/// Whether a field may become a feature.
pub fn may(name: &[u8]) -> bool {
    let letter = |name: &[u8], at: usize| name.get(at).map_or(0, u8::to_ascii_lowercase);
    // Most names differ in the first letter or in the third, the one after `X-`.
    let (first, third) = (letter(name, 0), letter(name, 2));
    !NEVER.iter().any(|never| {
        let never = never.as_bytes();
        if never[0] != first || never[2] != third {
            return false;
        }
        match never.split_last() {
            Some((b'*', start)) => name
                .get(..start.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(start)),
            _ => name.eq_ignore_ascii_case(never),
        }
    })
}

/// The fields of a message that may become features, in their order.
pub fn known(message: &Message) -> Vec<Header<'_>> {
    message
        .headers()
        .iter()
        .take(FIELDS_MAX)
        .filter(|field| may(field.name()))
        .collect()
}

/// These fields as they came, without a "From " line; at most `most` octets.
pub fn head(fields: &[Header<'_>], most: usize) -> Vec<u8> {
    let length: usize = fields.iter().map(|field| field.raw().len()).sum();
    let mut head = Vec::with_capacity(most.min(length));
    for field in fields {
        let raw = field.raw();
        let room = most - head.len();
        head.extend_from_slice(&raw[..raw.len().min(room)]);
        if head.len() == most {
            break;
        }
    }
    head
}

//! Header fields that never become features.

use gatepost_message::Message;

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
    "x-rcpt-*",
    // What other filters write.
    "x-spam*",
    "x-ham*",
    "x-mailscanner*",
    "x-virus*",
    "x-antivirus*",
    "x-bogosity",
    "x-rspamd*",
    "x-assp-*",
    "x-dspam*",
    "x-crm114*",
    "x-spamprobe",
    "x-spambayes*",
    "x-spamcop*",
    "x-pyzor",
    "x-razor*",
    "x-dcc-*",
    "x-barracuda*",
    "x-proofpoint*",
    "x-ironport*",
    "x-forefront*",
    "x-microsoft-antispam*",
    "x-ms-exchange-organization-*",
    "x-ms-exchange-antispam*",
    "x-ms-exchange-forest*",
    "x-ms-exchange-crosstenant*",
    "x-amavis*",
    "x-policyd*",
    "x-greylist*",
    "x-junk*",
    "x-filter*",
    "x-scanned*",
    "x-sophos*",
    "x-mimecast-*",
    "x-cloudmark*",
    "x-brightmail*",
    "x-vr-*",
    "x-pmx-*",
    "x-mdav*",
    "x-hmailserver-*",
    "x-bulkmail*",
    "x-classified*",
    "x-text-classification",
    "x-stalwart*",
    "x-haraka*",
    "x-kaspersky*",
    "x-clam*",
    "x-esafe*",
    "x-esetresult",
    "x-nai-*",
    "x-sender-verification",
    "authentication-results",
    "x-authentication-*",
    "received-spf",
    "arc-*",
    // What we write.
    "x-gatepost-*",
];

/// Whether a field may become a feature.
pub fn may(name: &[u8]) -> bool {
    !NEVER.iter().any(|never| match never.strip_suffix('*') {
        Some(start) => name
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes())),
        None => name.eq_ignore_ascii_case(never.as_bytes()),
    })
}

/// The header section as it came, without those fields and without a "From " line; at most `most` octets.
pub fn head(message: &Message, most: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(most.min(message.head().len()));
    for field in message.headers().iter().filter(|field| may(field.name())) {
        let raw = field.raw();
        let room = most - head.len();
        head.extend_from_slice(&raw[..raw.len().min(room)]);
        if head.len() == most {
            break;
        }
    }
    head
}

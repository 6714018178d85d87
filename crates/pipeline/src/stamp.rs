//! What is written on a mail that is delivered: our trace, the marks of its level, and what must come off it.
//!
//! **Invariant:** every edit prepends a field of ours, tags the subject, separates head and body, or removes or renames a
//! field that passes for ours. Nothing else of a mail is touched (P-53).

use gatepost_core::message::{
    Edit, Excess, Headers, Message, Name, NamePattern, Protocol, Received, SignedNames, beyond, own, results,
};
use gatepost_core::{Direction, Envelope, Fate, Fused, Identity, Level, Reference, Score, Seed, Spf, Tag, Visit};

use crate::policy::{Action, Rules};
use crate::reasons;

mod proofs;

/// Who we say we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ours {
    /// Our host name: in the greeting and in `Received`.
    pub hostname: Box<str>,
    /// Our name in Authentication-Results; usually the host name.
    pub authserv_id: Box<str>,
    /// What we call ourselves in the greeting, behind the host name; may be empty.
    pub product: Box<str>,
    /// Whether what is proven stands on every mail from the world, or only where a filter asked.
    pub results: bool,
}

impl Ours {
    /// A host that calls itself by its name only.
    pub fn new(hostname: impl Into<Box<str>>) -> Ours {
        let hostname = hostname.into();
        Ours {
            authserv_id: hostname.clone(),
            hostname,
            product: "".into(),
            results: false,
        }
    }
}

/// An edit that prepends a field of ours; none for a name that is no name, which ours are not.
fn field(name: &'static str, value: &str) -> Option<Edit> {
    Edit::prepend(name, value).ok()
}

/// The fields that tell of one recipient's level.
const OF_LEVEL: [&str; 4] = ["X-Gatepost-Level", "X-Gatepost-Score", "X-Gatepost-Classifiers", WOULD];

/// The field that tells what would have been without a dry run.
const WOULD: &str = "X-Gatepost-Would";

/// Whether an edit tells what a filter found or did not look at, and nothing of a recipient's level: true of the mail,
/// whoever gets it.
pub(crate) fn is_of_filter(edit: &Edit) -> bool {
    matches!(edit, Edit::Prepend(field) if !OF_LEVEL.contains(&field.name()))
}

/// The marks of a level: what its action asks for, or all of them where a stronger action is not taken since the recipient
/// loves spam; and in a dry run what would have happened, and why, in place of the tag.
pub fn marks(
    rules: &Rules,
    level: Level,
    score: Score,
    fused: Option<&Fused>,
    would: Option<(&Fate, &[Tag])>,
) -> Vec<Edit> {
    let grade = rules.grade(level);
    let mut edits = Vec::new();
    if grade.action >= Action::Header {
        edits.extend(field("X-Gatepost-Level", level.name()));
        edits.extend(field("X-Gatepost-Score", &score.to_string()));
        edits.extend(fused.and_then(classifiers));
    }
    let tag = grade.tag.as_ref().filter(|_| grade.action >= Action::Subject);
    if let Some((fate, because)) = would {
        edits.extend(self::would(fate, because));
    } else if let (Some(tag), true) = (tag, rules.dry_run) {
        let words = format!("subject; tag=\"{}\"", tag.as_str().replace(['"', '\\'], ""));
        edits.extend(field(WOULD, &words));
    } else {
        edits.extend(tag.cloned().map(Edit::Subject));
    }
    edits
}

/// What would have become of the mail, and why in plain words.
pub(crate) fn would(fate: &Fate, because: &[Tag]) -> Option<Edit> {
    field(
        WOULD,
        &format!("{}; reason=\"{}\"", fate.name(), reasons::first(because)),
    )
}

/// Whether an edit tells what would have been.
pub(crate) fn is_would(edit: &Edit) -> bool {
    name_of(edit) == Some(WOULD)
}

/// What all classifiers together say: how many of the score's points, and how sure they are.
fn classifiers(fused: &Fused) -> Option<Edit> {
    let Fused {
        odds,
        threshold,
        points,
        ..
    } = fused;
    let words = format!("{points} points; log-odds {odds:+.2}, refused alone from {threshold:+.2}");
    field("X-Gatepost-Classifiers", &words)
}

/// The mark of mail that a filter did not look at.
pub fn unchecked(filter: &str) -> Option<Edit> {
    field("X-Gatepost-Unchecked", filter)
}

/// What the stamp is made from.
pub struct Stamp<'a> {
    /// Who we are.
    pub ours: &'a Ours,
    /// Where the mail came from.
    pub visit: &'a Visit,
    /// The envelope with the granted recipients.
    pub envelope: &'a Envelope,
    /// The transaction's id.
    pub id: &'a str,
    /// By what it is sealed, so that whoever brings it back shows that they have it from us.
    pub seed: Seed,
    /// When the mail came, in milliseconds since the epoch.
    pub at_millis: u64,
    /// The reverse name, where somebody asked for it.
    pub reverse: Option<&'a str>,
    /// What SPF says of the sender, where somebody asked.
    pub spf: Option<&'a Spf>,
    /// What is proven of the mail, where somebody asked.
    pub identity: Option<&'a Identity>,
}

impl Stamp<'_> {
    /// Whether the mail comes from a stranger, whose word about us is not believed.
    pub(crate) fn is_external(&self) -> bool {
        self.visit.direction == Direction::Inbound && self.visit.login.is_none()
    }

    /// The edits that every delivery of this mail gets, before the marks; and what there is to say about it in words.
    pub fn edits(&self, rules: &Rules, message: &Message) -> (Vec<Edit>, Vec<String>) {
        let headers = message.headers();
        let (mut edits, mut notes) = (vec![Edit::Prepend(self.received())], Vec::new());
        if self.is_external() {
            edits.extend(proofs::fields(self).into_iter().map(Edit::Prepend));
        }
        edits.extend(field("X-Gatepost-Id", &Reference::write(&self.seed, self.id)));
        let Excess {
            head,
            lines,
            field: long,
            ..
        } = message.excess();
        if head || lines || long {
            edits.extend(field(
                "X-Gatepost-Excess",
                "the header section was too long to be read whole",
            ));
            notes.push("the header section was too long to be read whole".into());
        }
        if message.unseparated() {
            edits.push(Edit::Separate);
        }
        edits.extend(results::strip(headers, &[&self.ours.authserv_id]));
        let mut beyond = vec![NamePattern::RESULTS];
        if self.is_external() {
            self.strip(rules, headers, &mut edits, &mut notes);
            beyond.push(NamePattern::OURS);
            beyond.extend(rules.strip_headers.iter().map(|pattern| pattern.0.clone()));
        }
        edits.extend(beyond::rename(headers, beyond));
        (edits, notes)
    }

    fn strip(&self, rules: &Rules, headers: &Headers, edits: &mut Vec<Edit>, notes: &mut Vec<String>) {
        let patterns: Vec<_> = rules.strip_headers.iter().map(|pattern| pattern.0.clone()).collect();
        let found = own::forged(headers, &patterns, &SignedNames::of(headers));
        edits.extend(found.edits(headers));
        if !found.signed_kept.is_empty() {
            notes.push(format!(
                "{} fields that pass for ours are signed and stay",
                found.signed_kept.len()
            ));
        }
    }

    fn received(&self) -> gatepost_core::message::Field {
        let visit = self.visit;
        let only = match self.envelope.recipients.as_slice() {
            [only] => Some(only.path.to_string()),
            _ => None,
        };
        let extended = visit.helo.as_ref().is_some_and(|helo| helo.extended);
        let tls = visit.client.tls.as_deref();
        Received {
            helo: visit.helo.as_ref().map_or("unknown", |helo| &helo.name),
            client_ip: visit.client.address,
            reverse: self.reverse,
            by: &self.ours.hostname,
            with: Protocol::of(
                extended,
                tls.is_some(),
                visit.login.is_some(),
                self.envelope.params.smtputf8,
            ),
            id: self.id,
            for_: only.as_deref(),
            at_millis: self.at_millis,
            tls: tls.map(|tls| (&*tls.version, &*tls.cipher)),
        }
        .field()
    }
}

/// The name of a field of ours, for tests and readers of mail.
pub fn name_of(edit: &Edit) -> Option<&str> {
    match edit {
        Edit::Prepend(field) => Some(field.name()),
        Edit::Remove { name, .. } | Edit::Rename { name, .. } => Some(Name::as_str(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::message::Edits;
    use gatepost_core::{Client, Helo, Login, LoginBy, MailParams, Path, RcptParams, Recipient, RecipientId};
    use std::io::Read;

    fn visit() -> Visit {
        let client = Client::new("192.0.2.7".parse().expect("an address"), 4711);
        let mut visit = Visit::new(Direction::Inbound, "mx".into(), client);
        visit.helo = Some(Helo {
            name: "mail.client.example".into(),
            extended: true,
        });
        visit
    }

    fn stamped(visit: &Visit, recipients: u16, mail: &'static str) -> (String, Vec<String>) {
        let mut envelope = Envelope::new(Path::Null, MailParams::default());
        for n in 0..recipients {
            let path = Path::forward(&format!("user{n}@d.example"), false).expect("a path");
            envelope
                .recipients
                .push(Recipient::new(RecipientId(n), path, RcptParams::default()));
        }
        let ours = Ours::new("mx.d.example");
        let stamp = Stamp {
            ours: &ours,
            visit,
            envelope: &envelope,
            id: "x1",
            seed: Seed::new([7; 16]),
            at_millis: 0,
            reverse: None,
            spf: None,
            identity: None,
        };
        let message = Message::from_bytes(mail.as_bytes());
        let (edits, notes) = stamp.edits(&Rules::default(), &message);
        let mut out = String::new();
        Edits::from(edits)
            .apply(&message)
            .read()
            .read_to_string(&mut out)
            .expect("ASCII");
        (out, notes)
    }

    #[test]
    fn our_trace_stands_on_top_and_the_rest_is_untouched() {
        let (out, notes) = stamped(&visit(), 1, "Subject: hi\r\n\r\n.body\r\n");
        let want = "Received: from mail.client.example ([192.0.2.7])";
        assert!(out.starts_with(want), "{out}");
        assert!(
            out.contains("by mx.d.example") && out.contains("with ESMTP id x1"),
            "{out}"
        );
        assert!(out.contains("for <user0@d.example>"), "{out}");
        let number = Reference::write(&Seed::new([7; 16]), "x1");
        assert!(number.starts_with("x1.") && number.len() > 10);
        assert!(
            out.ends_with(&format!("X-Gatepost-Id: {number}\r\nSubject: hi\r\n\r\n.body\r\n")),
            "{out}"
        );
        assert!(notes.is_empty());
        assert!(!stamped(&visit(), 2, "A: b\r\n\r\n").0.contains("for <"));
    }

    #[test]
    fn what_passes_for_ours_comes_off_a_strangers_mail_only() {
        let mail = "Authentication-Results: MX.d.example; spf=pass\r\nX-Spam-Status: No\r\nX-Gatepost-Level: none\r\n\
                    Authentication-Results: other.example; spf=pass\r\n\r\nbody\r\n";
        let (out, _) = stamped(&visit(), 1, mail);
        assert!(
            !out.contains("MX.d.example") && !out.contains("X-Spam") && !out.contains("-Level"),
            "{out}"
        );
        assert!(out.contains("other.example"));
        let mut ours = visit();
        ours.login = Some(Login::new("user", LoginBy::Auth));
        let (out, _) = stamped(&ours, 1, mail);
        assert!(out.contains("X-Spam-Status") && !out.contains("MX.d.example"), "{out}");
        assert!(out.contains("with ESMTPA"), "{out}");
    }

    #[test]
    fn a_signed_field_that_passes_for_ours_stays_and_is_told() {
        let mail = "DKIM-Signature: v=1; h=from:x-spam-status; b=x\r\nX-Spam-Status: No\r\n\r\nbody\r\n";
        let (out, notes) = stamped(&visit(), 1, mail);
        assert!(out.contains("X-Spam-Status") && notes.len() == 1, "{out} {notes:?}");
    }

    #[test]
    fn each_action_has_its_marks() {
        let rules = Rules::default();
        let names = |level, would| {
            let edits = marks(&rules, level, Score::points(7), None, would);
            edits
                .iter()
                .map(|edit| name_of(edit).unwrap_or("tag").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Level::None, None), Vec::<String>::new());
        assert_eq!(names(Level::Low, None), ["X-Gatepost-Level", "X-Gatepost-Score"]);
        assert_eq!(
            names(Level::Medium, None),
            ["X-Gatepost-Level", "X-Gatepost-Score", "tag"]
        );
        assert_eq!(
            names(Level::High, Some((&Fate::Discard, &[]))),
            ["X-Gatepost-Level", "X-Gatepost-Score", "X-Gatepost-Would"]
        );
        // A stronger action that is not taken leaves all marks.
        assert_eq!(names(Level::High, None), names(Level::Medium, None));
    }

    #[test]
    fn a_dry_run_tells_of_the_tag_and_does_not_write_it() {
        let rules = Rules {
            dry_run: true,
            ..Rules::default()
        };
        let edits = marks(&rules, Level::Medium, Score::points(7), None, None);
        let want = Edit::prepend("X-Gatepost-Would", "subject; tag=\"[SPAM: med]\"").expect("a field");
        assert_eq!(edits.last(), Some(&want));
        let because = [Tag::new("bayes.odds"), Tag::new("policy.high")];
        let edits = marks(
            &rules,
            Level::High,
            Score::points(12),
            None,
            Some((&Fate::Hold, &because)),
        );
        let want = Edit::prepend("X-Gatepost-Would", "hold; reason=\"Its content looks like spam\"").expect("a field");
        assert_eq!(edits.last(), Some(&want));
    }
}

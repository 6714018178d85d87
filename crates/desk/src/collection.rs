//! What the desk does with a collection of mail: many lessons at once, under a name by which they can be taken back.

use std::sync::Arc;

use gatepost_core::{Domain, Fault, Ground, Labelled, Learning, Lesson, Message, Receipt, Taught, Time};

/// The longest name.
const NAME_MAX: usize = 200;
/// The heaviest weight, in hundredths.
const WEIGHT_MAX: u32 = 1_000;

/// Teaches the mails in their order.
pub async fn train(
    learning: &dyn Learning,
    mails: &[Labelled],
    by: &str,
    domain: Option<&str>,
    now: Time,
) -> Result<Receipt, Fault> {
    if let Some(why) = refusal(mails, by, domain) {
        return Ok(Receipt::Refused(why));
    }
    let domain = domain.and_then(key);
    let lesson = |message: Message, mail: &Labelled| {
        let message = Arc::new(message);
        let mut lesson = Lesson::new(message, mail.label, by, now);
        (lesson.ground, lesson.weight) = (Ground::Corpus, mail.weight);
        lesson.domain.clone_from(&domain);
        lesson
    };
    let read: Vec<_> = mails
        .iter()
        .map(|mail| (Message::from_bytes(mail.mail.0.clone()), mail))
        .collect();
    let are: Vec<bool> = read.iter().map(|(message, _)| is_mail(message)).collect();
    let lessons = read.into_iter().filter(|(message, _)| is_mail(message));
    let lessons = lessons.map(|(message, mail)| lesson(message, mail)).collect();
    let mut learned = learning.label_all(lessons).await?.into_iter();
    let each = are.into_iter().map(|is| match is {
        true => learned.next(),
        false => Some(Taught::Refused(NO_MAIL.into())),
    });
    Ok(Receipt::Trained(each.flatten().collect()))
}

/// What is said of octets that are no mail.
pub const NO_MAIL: &str = "it is no mail: it does not begin with a header";

/// Whether octets can be a mail: any field at all. A picture, a program or a web page has none.
pub fn is_mail(message: &Message) -> bool {
    !message.headers().is_empty()
}

fn key(domain: &str) -> Option<String> {
    Domain::parse(domain, true).ok().map(|domain| domain.key())
}

fn refusal(mails: &[Labelled], by: &str, domain: Option<&str>) -> Option<String> {
    if mails.len() > Labelled::MAX {
        let most = Labelled::MAX;
        return Some(format!("{} mails at once, and at most {most} are taken", mails.len()));
    }
    if by.trim().is_empty() || by.len() > NAME_MAX || by.chars().any(char::is_control) {
        return Some(format!(
            "name who teaches, in at most {NAME_MAX} octets: by that name it is unlearned"
        ));
    }
    if let Some(domain) = domain.filter(|domain| key(domain).is_none()) {
        return Some(format!("`{domain}` is no domain"));
    }
    let heavy = mails
        .iter()
        .filter_map(|mail| mail.weight)
        .find(|weight| !(1..=WEIGHT_MAX).contains(weight));
    heavy.map(|weight| format!("a weight is 1 to {WEIGHT_MAX} hundredths, and {weight} is none"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use gatepost_core::{Label, Rebuilt, Unlearn, Version, async_trait};

    use super::*;

    /// Learns whatever it is told.
    #[derive(Default)]
    struct Pupil(Mutex<Vec<Lesson>>);

    const NOT: Fault = Fault::Unavailable("not asked here");

    #[async_trait]
    impl Learning for Pupil {
        async fn label(&self, lesson: Lesson) -> Result<u64, Fault> {
            let mut lessons = self.0.lock().expect("one thread");
            lessons.push(lesson);
            Ok(lessons.len() as u64)
        }
        async fn unlearn(&self, _: &Unlearn) -> Result<u64, Fault> {
            Err(NOT)
        }
        async fn versions(&self) -> Result<Vec<Version>, Fault> {
            Err(NOT)
        }
        async fn rollback(&self, _: Option<u64>) -> Result<Version, Fault> {
            Err(NOT)
        }
        async fn rebuild(&self) -> Result<Rebuilt, Fault> {
            Err(NOT)
        }
    }

    fn mails(count: usize) -> Vec<Labelled> {
        let mail = |n| Labelled::new(format!("Subject: {n}\r\n\r\n").into_bytes(), Label::Ham);
        (0..count).map(mail).collect()
    }

    #[tokio::test]
    async fn lessons_come_in_their_order_as_of_a_collection_and_by_its_name() {
        let pupil = Pupil::default();
        let mut two = mails(2);
        two[1].weight = Some(300);
        let receipt = train(&pupil, &two, "archive 2026", Some("D.example"), Time::from_millis(5)).await;
        assert_eq!(
            receipt,
            Ok(Receipt::Trained(vec![Taught::Learned(1), Taught::Learned(2)]))
        );
        let lessons = pupil.0.into_inner().expect("nobody panicked");
        let told: Vec<_> = lessons
            .iter()
            .map(|one| {
                (
                    one.message.head(),
                    one.ground,
                    one.weight,
                    one.by.as_str(),
                    one.domain.as_deref(),
                )
            })
            .collect();
        let of = |head: &'static str, weight| {
            (
                head.as_bytes(),
                Ground::Corpus,
                weight,
                "archive 2026",
                Some("d.example"),
            )
        };
        assert_eq!(
            told,
            [of("Subject: 0\r\n\r\n", None), of("Subject: 1\r\n\r\n", Some(300))]
        );
    }

    #[tokio::test]
    async fn what_is_no_mail_is_not_learned_and_told_in_its_place() {
        let pupil = Pupil::default();
        let mut all = mails(3);
        for (n, octets) in [
            (0, &b"\xff\xd8\xff\xe0\0\x10JFIF\0\r\n\r\n"[..]),
            (2, b"<html>\r\n<p>hello\r\n"),
        ] {
            all[n] = Labelled::new(octets.to_vec(), Label::Spam);
        }
        let receipt = train(&pupil, &all, "train", None, Time::from_millis(5)).await;
        let no = || Taught::Refused(NO_MAIL.into());
        assert_eq!(receipt, Ok(Receipt::Trained(vec![no(), Taught::Learned(1), no()])));
    }

    #[tokio::test]
    async fn nonsense_is_refused_before_anything_is_learned() {
        let pupil = Pupil::default();
        let mut heavy = mails(1);
        heavy[0].weight = Some(1_001);
        for (mails, by, domain, why) in [
            (mails(Labelled::MAX + 1), "x", None, "at most 1024"),
            (mails(1), " ", None, "name who"),
            (mails(1), "a\nb", None, "name who"),
            (mails(1), "x", Some("no domain"), "`no domain`"),
            (heavy, "x", None, "hundredths"),
        ] {
            let receipt = train(&pupil, &mails, by, domain, Time::ZERO).await;
            assert!(
                matches!(&receipt, Ok(Receipt::Refused(told)) if told.contains(why)),
                "{receipt:?}"
            );
        }
        assert!(pupil.0.into_inner().expect("nobody panicked").is_empty());
    }
}

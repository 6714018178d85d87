use std::path::Path as FilePath;

use gatepost_core::null::NoIdentify;
use gatepost_core::smtp::command::rcpt_line;
use gatepost_core::smtp::offer::Offer;
use gatepost_core::{Identify, Keeping, LoginBy, Services, Terms};
use gatepost_desk::Handlers;
use gatepost_testkit::Fakes;

use super::*;
use crate::config::{Config, Registry};
use crate::wiring;

/// A courier whose one mail server is a Maildir.
fn courier(fakes: &Fakes, maildir: &FilePath) -> Courier {
    courier_beside(fakes, maildir, "inbound")
}

/// The same, with one listener for mail that goes in this direction.
fn courier_beside(fakes: &Fakes, maildir: &FilePath, direction: &str) -> Courier {
    let config: Config = serde_json::from_value(serde_json::json!({
        "hostname": "mx.example.org", "local_domains": ["example.org"],
        "listen": [{"name": "mx", "bind": "127.0.0.1:25", "direction": direction}],
        "route": {"default": {"upstream": format!("maildir:{}", maildir.display())}},
    }))
    .expect("a configuration");
    let config = Arc::new(config);
    let ways = Arc::new(Ways::new(&config, None).expect("ways"));
    ways.prepare(None, |_| false).expect("a Maildir");
    let mut services = Services::null(fakes.clock.clone(), Fakes::SEED);
    services.identify = Arc::new(NoIdentify) as Arc<dyn Identify>;
    let sentry = Sentry::new(&config, &Registry::new(), &Handlers::new(), &services);
    let courier = Courier::new(fakes.kept.clone(), fakes.clock.clone(), Fakes::SEED);
    courier.publish(Arc::new(wiring::outlet(&config, &ways, sentry)));
    courier
}

/// All that the Maildir holds.
fn delivered(maildir: &FilePath) -> Vec<String> {
    let files = std::fs::read_dir(maildir.join("new")).expect("a Maildir");
    let text = |file: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(file.expect("a file").path());
    files.map(|file| text(file).expect("a mail")).collect()
}

fn bob() -> Address {
    Address::parse("bob@example.org", true).expect("an address")
}

async fn keep(fakes: &Fakes, terms: Terms) -> KeptId {
    let (from, to) = (
        Path::reverse("ann@there.example", true),
        Path::forward("bob@example.org", true),
    );
    let (from, to) = (from.expect("a path"), to.expect("a path"));
    let message = "X-Gatepost-Level: none\r\nSubject: kept\r\n\r\nGr\u{fc}\u{df}e\r\n";
    let message = Arc::new(Message::from_bytes(message.as_bytes()));
    let keeping = Keeping::new("t1", fakes.clock.now(), &from, vec![&to], &message, &terms).at_listener("mx");
    fakes.kept.keep(keeping).await.expect("kept")
}

#[tokio::test]
async fn a_letter_is_delivered_to_people_of_ours_and_to_nobody_else() {
    let (fakes, folder) = (Fakes::new(), tempfile::tempdir().expect("a folder"));
    let courier = courier(&fakes, folder.path());
    for stranger in [
        "ann@there.example",
        "bob@sub.example.org",
        "bob@[127.0.0.1]",
        "a%there.example@example.org",
    ] {
        let to = Address::parse(stranger, true).expect("an address");
        let sent = courier.send(Letter::new(to, "s", "t")).await;
        assert!(matches!(sent, Err(Fault::Broken(_))), "{stranger}: {sent:?}");
    }
    assert_eq!(delivered(folder.path()), Vec::<String>::new());
    for _ in 0..2 {
        courier
            .send(Letter::new(bob(), "Report", "Hello\n"))
            .await
            .expect("sent");
    }
    let mails = delivered(folder.path());
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        assert!(mail.contains("Delivered-To: bob@example.org\n"), "{mail}");
        assert!(
            mail.contains("From: Gatepost\n <gatepost@example.org>\nTo: <bob@example.org>\n"),
            "{mail}"
        );
        assert!(
            mail.contains("Subject: Report\n") && mail.ends_with("\n\nHello\n"),
            "{mail}"
        );
    }
    let id = |mail: &String| {
        mail.lines()
            .find(|line| line.starts_with("Message-ID: "))
            .map(str::to_owned)
    };
    assert_ne!(id(&mails[0]), id(&mails[1]));
}

#[tokio::test]
async fn letters_go_out_where_only_our_own_people_send() {
    let (fakes, folder) = (Fakes::new(), tempfile::tempdir().expect("a folder"));
    let courier = courier_beside(&fakes, folder.path(), "outbound");
    courier
        .send(Letter::new(bob(), "Report", "Hello\n"))
        .await
        .expect("sent");
    let stranger = Address::parse("ann@there.example", true).expect("an address");
    assert!(courier.send(Letter::new(stranger, "s", "t")).await.is_err());
    assert_eq!(delivered(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_copy_is_marked_and_goes_to_an_address_of_ours_only() {
    let (fakes, folder) = (Fakes::new(), tempfile::tempdir().expect("a folder"));
    let courier = courier(&fakes, folder.path());
    let address = |text: &str| Address::parse(text, true).expect("an address");
    let (spambox, ann) = (address("spambox@example.org"), address("ann@there.example"));
    let refused = keep(&fakes, Terms::copy("refused")).await;
    let dangerous = keep(&fakes, Terms::copy(Terms::DANGEROUS)).await;
    for (id, meant_for, to) in [
        (&refused, &bob(), &ann),
        (&refused, &ann, &spambox),
        (&dangerous, &bob(), &spambox),
    ] {
        assert!(courier.copy(id, meant_for, to).await.is_err(), "{id} {meant_for} {to}");
    }
    assert_eq!(delivered(folder.path()), Vec::<String>::new());
    courier.copy(&refused, &bob(), &spambox).await.expect("sent");
    let mails = delivered(folder.path());
    assert_eq!(mails.len(), 1);
    for words in [
        "Delivered-To: spambox@example.org\n",
        "X-Gatepost-Spam: yes\n",
        "X-Gatepost-Level: high\n",
        "id t1",
    ] {
        assert!(mails[0].contains(words), "{words}: {}", mails[0]);
    }
    assert!(
        !mails[0].contains("Level: none"),
        "the stranger's word came off: {}",
        mails[0]
    );
    assert!(
        mails[0].ends_with("\nSubject: kept\n\nGr\u{fc}\u{df}e\n"),
        "{}",
        mails[0]
    );
}

#[tokio::test]
async fn a_released_mail_says_who_released_it_and_is_junk_no_more() {
    let (fakes, folder) = (Fakes::new(), tempfile::tempdir().expect("a folder"));
    let courier = courier(&fakes, folder.path());
    let id = keep(&fakes, Terms::copy("refused")).await;
    let by = Login::new("carl\r\nX-Evil: yes", LoginBy::Auth);
    assert_eq!(courier.release(&id, &bob(), &by).await, Ok(Released::Delivered));
    let mail = delivered(folder.path()).remove(0);
    assert!(
        mail.contains("\nX-Gatepost-Level: none\n") && !mail.contains("\nX-Evil"),
        "{mail}"
    );
    assert!(mail.contains("\nX-Gatepost-Released: by carl"), "{mail}");
    assert!(mail.ends_with("\nSubject: kept\n\nGr\u{fc}\u{df}e\n"), "{mail}");
}

#[test]
fn no_bounce_is_asked_for_what_is_released() {
    let path = |text: &str| Path::forward(text, true).expect("a path");
    let message = Message::from_bytes("\r\n".as_bytes());
    let mut envelope = envelope(path("ann@there.example"), path("bob@example.org"), &message);
    never_notify(&mut envelope);
    let mut line = Vec::new();
    let offer = Offer {
        dsn: true,
        ..Offer::default()
    };
    rcpt_line(
        &envelope.recipients[0].path,
        &envelope.recipients[0].params,
        &offer,
        &mut line,
    );
    assert_eq!(line, b"RCPT TO:<bob@example.org> NOTIFY=NEVER\r\n");
}

#[test]
fn whoever_may_not_have_a_mail_reads_why() {
    let because = [Tag::new("attachments.blocked"), Tag::new("clamav.found")];
    let reply = Reply::new(550, None, "Attachment \"a.exe\" refused");
    assert!(dangerous(&because, Some(&reply)).ends_with("dangerous: Attachment \"a.exe\" refused"));
    let unworded = Reply::new(550, None, "no: {id}");
    for reply in [None, Some(&unworded)] {
        assert!(dangerous(&because, reply).ends_with("dangerous: attachments.blocked, clamav.found"));
    }
}

#[test]
fn a_copy_says_whose_it_is_and_what_was_thought_of_it() {
    let bob = Address::parse("bob@example.org", true).expect("an address");
    let mut row = RecipientRecord::new(RecipientId(0), bob.to_string());
    row.level = Level::Medium;
    row.score = gatepost_core::Score::points(7);
    let written = |row| {
        let edits = Edits::from(copied(row, &bob));
        let mut out = String::new();
        let message = Message::from_bytes("\r\n".as_bytes());
        std::io::Read::read_to_string(&mut edits.apply(&message).read(), &mut out).expect("ASCII");
        out
    };
    assert_eq!(
        written(Some(&row)),
        "X-Gatepost-Level: medium\r\nX-Gatepost-Score: 7\r\nX-Gatepost-Spam: yes\r\n\
         X-Gatepost-Copy-For: <bob@example.org>\r\n\r\n"
    );
    assert!(written(None).starts_with("X-Gatepost-Level: high\r\nX-Gatepost-Spam"));
    // A wish refused it, and not its points.
    let mut of_no_points = row.clone();
    of_no_points.level = Level::None;
    assert!(written(Some(&of_no_points)).starts_with("X-Gatepost-Level: high\r\n"));
}

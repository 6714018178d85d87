//! A day of the people behind it: bob logs in, sends, receives, reports and is answered, asks what was kept from him, has it
//! back and finds it by IMAP; who wrote to him is refused, comes again with the code and gets through; an outsider finds no
//! door.

use crate::house::tls::Authority;
use crate::house::{Client, Dovecot, Gatepost, Postfix, Reply, Setup, eventually, holds, mail, passwords};

/// `\0bob@example.org\0correct horse`, as AUTH PLAIN says it.
const BOB: &str = "AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl";
const NAME: &str = "mx.example.org";

struct Town {
    authority: Authority,
    _folder: tempfile::TempDir,
    dovecot: Dovecot,
    _postfix: Postfix,
    gatepost: Gatepost,
}

impl Town {
    fn build() -> Town {
        let checker = passwords::serve(BOB, "bob@example.org");
        let dovecot = Dovecot::start();
        let postfix = Postfix::start(&format!(
            "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:{checker}\n\
             smtpd_tls_auth_only = no\n{}",
            dovecot.behind()
        ));
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = authority.issue(NAME).write(folder.path());
        let setup = Setup::before(postfix.address)
            .set("tls.certificate", format!("'{}'", certificate.display()))
            .set("tls.key", format!("'{}'", key.display()))
            .set(
                "pipeline.inbound.tiers",
                "[['command_mailbox'], ['conduct', 'whitelist', 'resend']]",
            )
            .set("pipeline.outbound.tiers", "[['command_mailbox'], ['whitelist']]")
            // Whoever says a nonsensical HELO has eight points.
            .set("filters.conduct.options.helo_syntax_points", "8")
            .set("policy.medium.action", "'reject'")
            .listener("submission", "outbound", &[("tls", "'starttls'"), ("auth", "true")]);
        Town {
            gatepost: Gatepost::start(&setup),
            authority,
            _folder: folder,
            dovecot,
            _postfix: postfix,
        }
    }

    /// Bob's mail client, logged in.
    fn bob(&self) -> Client {
        let mut client = Client::introduced(self.gatepost.address("submission"));
        client.starttls(self.authority.client(), NAME);
        client.ask("EHLO laptop.example.org").is(250);
        client.ask(&format!("AUTH PLAIN {BOB}")).is(235);
        client
    }

    /// What bob writes to a mailbox, with a body of one line.
    #[track_caller]
    fn writes(&self, to: &str, subject: &str, body: &str) {
        let text = format!(
            "From: Bob <bob@example.org>\r\nTo: {to}@example.org\r\nSubject: {subject}\r\nMessage-ID: <{}.{to}@laptop>\r\n\
             Date: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\n{body}\r\n",
            subject.len() + body.len()
        );
        let mut client = self.bob();
        client
            .mail("bob@example.org", &[&format!("{to}@example.org")], text.as_bytes())
            .is(250);
        client.quit();
    }

    /// A stranger's mail, by a server that calls itself so.
    #[track_caller]
    fn stranger(&self, helo: &str, from: &str, content: &[u8]) -> Reply {
        let mut client = Client::greeted(self.gatepost.address("mx"));
        client.ask(&format!("EHLO {helo}")).is(250);
        let reply = client.mail(from, &["bob@example.org"], content);
        client.quit();
        reply
    }
}

/// The code that a refusal offers.
fn code(reply: &Reply) -> String {
    let text = reply.text();
    let after = text.split("with the code ").nth(1);
    let code = after.and_then(|after| after.split(' ').next());
    code.unwrap_or_else(|| panic!("no code in {text}")).to_owned()
}

fn text(mail: &[u8]) -> String {
    String::from_utf8_lossy(mail).replace("\r\n", "\n")
}

#[test]
fn bob_steers_it_with_nothing_but_his_mail_client() {
    let town = Town::build();
    let dovecot = &town.dovecot;

    // Bob sends and receives.
    let mut client = town.bob();
    client
        .mail("bob@example.org", &["alice@example.org"], &mail("hello"))
        .is(250);
    client.quit();
    dovecot.holds("alice", "INBOX", &["Subject: hello"]);
    town.stranger("there.example", "pest@pest.example", &mail("pestering"))
        .is(250);
    let pest = dovecot.holds("bob", "INBOX", &["Subject: pestering", "X-Gatepost-Id: "]);

    // He reports it, as his client attaches it, and is answered; the pest writes to him no more.
    let boundary = "=-=";
    let report = [
        format!(
            "From: Bob <bob@example.org>\r\nTo: assp-spam@example.org\r\nSubject: Fwd: pestering\r\n\
             Message-ID: <report@laptop>\r\nDate: Mon, 1 Jun 2026 11:00:00 +0000\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\r\nlook at that\r\n--{boundary}\r\n\
             Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"pestering.eml\"\r\n\r\n"
        )
        .into_bytes(),
        pest,
        format!("\r\n--{boundary}--\r\n").into_bytes(),
    ]
    .concat();
    let mut client = town.bob();
    client
        .mail("bob@example.org", &["assp-spam@example.org"], &report)
        .is(250);
    client.quit();
    let answer = dovecot.holds(
        "bob",
        "INBOX",
        &["In-Reply-To: <report@laptop>", "Auto-Submitted: auto-replied"],
    );
    assert!(text(&answer).contains("Return-Path: <>"), "{}", text(&answer));
    let denied = eventually("the pest on bob's list", || {
        let list = town
            .gatepost
            .tells(&["whitelist", "list", "--deny", "--person", "bob@example.org"]);
        list.contains("pest@pest.example").then_some(list)
    });
    assert!(!denied.is_empty());
    let mut client = Client::introduced(town.gatepost.address("mx"));
    client.ask("MAIL FROM:<pest@pest.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").is(550);
    client.quit();

    // What was refused, bob finds in a report, has it back by its link and finds it by IMAP.
    let refused = town.stranger("not_a..name", "ann@there.example", &mail("mistaken"));
    let refused = refused.begins("554 5.7.1");
    let code = code(&refused);
    eventually("a copy of the refused mail", || {
        let list = town.gatepost.tells(&["quarantine", "list", "--to", "bob@example.org"]);
        list.contains("mistaken").then_some(list)
    });
    town.writes("assp-blockreport", "1", "");
    let report = dovecot.holds("bob", "INBOX", &["In-Reply-To: <1.assp-blockreport@laptop>"]);
    let report = text(&report).replace("=\n", "").replace("=3D", "=");
    assert!(report.contains("ann@there.example"), "{report}");
    let link = report
        .split("mailto:assp-release@example.org?subject=")
        .nth(1)
        .expect("a link");
    let subject: String = link
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '%'))
        .collect();
    town.writes("assp-release", &subject.replace("%20", " "), "");
    let released = dovecot.holds("bob", "INBOX", &["Subject: mistaken", "X-Gatepost-Released: "]);
    assert!(text(&released).contains("Return-Path: <ann@there.example>"));

    // The sender comes again with the code, and gets through; once.
    let with_code = mail("mistaken");
    let with_code =
        String::from_utf8_lossy(&with_code).replace("Subject: mistaken\r\n", &format!("Subject: mistaken {code}\r\n"));
    town.stranger("not_a..name", "ann@there.example", with_code.as_bytes())
        .is(250);
    eventually("the mail that came again", || {
        let there = dovecot.mails("bob", "INBOX");
        // The report names its subject, too.
        let is_hers = |mail: &&Vec<u8>| holds(mail, b"Message-ID: <mistaken@") && holds(mail, b"Subject: mistaken\r\n");
        let count = there.iter().filter(is_hers).count();
        (count == 2).then_some(())
    });
    let other = with_code.replace(".a\r\n", ".another\r\n");
    town.stranger("not_a..name", "ann@there.example", other.as_bytes())
        .begins("554 5.7.1");

    // His own list, by mail.
    town.writes("assp-white", "", "friend@far.example");
    eventually("a friend on bob's list", || {
        let list = town
            .gatepost
            .tells(&["whitelist", "list", "--person", "bob@example.org"]);
        list.contains("friend@far.example").then_some(())
    });
}

#[test]
fn an_outsider_finds_no_door() {
    let town = Town::build();
    let unknown = {
        let mut client = Client::introduced(town.gatepost.address("mx"));
        client.ask("MAIL FROM:<bob@example.org>").is(250);
        let reply = client.ask("RCPT TO:<nobody@example.org>");
        client.quit();
        reply.is(550).text()
    };
    assert!(unknown.starts_with("550 5.1.1"), "{unknown}");
    for local in [
        "assp-spam",
        "asspspam",
        "assp-notspam",
        "asspnotspam",
        "assp-white",
        "asspwhite",
        "assp-notwhite",
        "asspnotwhite",
        "assp-red",
        "asspred",
        "assp-notred",
        "asspnotred",
        "assp-persblack",
        "assp-notpersblack",
        "assp-persnotblack",
        "assp-black",
        "assp-notblack",
        "assp-analyze",
        "asspanalyze",
        "assp-blockreport",
        "asspblock",
        "assp-help",
        "assphelp",
        "assp-release",
        "ASSP-Spam",
    ] {
        let mut client = Client::introduced(town.gatepost.address("mx"));
        client.ask("MAIL FROM:<bob@example.org>").is(250);
        client
            .ask(&format!("RCPT TO:<{local}@example.org>"))
            .begins("550 5.1.1");
        client.quit();
    }
}

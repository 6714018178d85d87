//! What people see of it: a real Postfix behind the proxy, a real Dovecot behind that, and the folders of their mailboxes.

use crate::house::dovecot::JUNK;
use crate::house::{Client, Dovecot, Gatepost, Postfix, Setup, mail};

/// Mail of whoever says a nonsensical HELO has eight points, and so the level medium.
fn setup(postfix: &Postfix) -> Setup {
    Setup::before(postfix.address).set("filters.conduct.options.helo_syntax_points", "8")
}

/// Sends a mail with that HELO, and these fields on top of it.
#[track_caller]
fn odd_mail(gatepost: &Gatepost, to: &str, fields: &str, subject: &str) -> crate::house::Reply {
    let mut client = Client::greeted(gatepost.address("mx"));
    client.ask("EHLO not_a..name").is(250);
    let reply = client.mail("ann@there.example", &[to], &[fields.as_bytes(), &mail(subject)].concat());
    client.quit();
    reply
}

/// A stranger's word about the level, which a signature keeps in the mail.
fn signed(level: &str) -> String {
    format!("DKIM-Signature: v=1; h=from:x-gatepost-level; b=x\r\nX-Gatepost-Level: {level}\r\n")
}

#[test]
fn a_site_that_never_refuses_files_marked_mail_by_our_word_and_nobody_elses() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot.behind());
    let gatepost = Gatepost::start(&setup(&postfix).set("policy.medium.action", "'header'"));
    odd_mail(&gatepost, "bob@example.org", "", "junk").is(250);
    odd_mail(&gatepost, "bob@example.org", &signed("none"), "disguised").is(250);
    let mut client = Client::introduced(gatepost.address("mx"));
    client.mail("ann@there.example", &["bob@example.org"], &mail("wanted")).is(250);
    client.quit();

    dovecot.holds("bob", "INBOX", &["Subject: wanted"]);
    for subject in ["Subject: junk", "Subject: disguised"] {
        dovecot.holds("bob", JUNK, &[subject, "X-Gatepost-Level: medium"]);
    }
    let counts = ["INBOX", JUNK].map(|folder| dovecot.mails("bob", folder).len());
    assert_eq!(counts, [1, 2], "{}", dovecot.log());
}

//! A word on each recipient (PRDR), with a real Exim on either side.

use crate::house::{Client, Exim, Gatepost, Script, Setup, Upstream, mail};

/// A mail with a program, which is refused for all but those whose domain asked for it.
const PROGRAM: &str = "From: A <a@there.example>\r\nTo: list@example.org\r\nSubject: the program\r\nMIME-Version: 1.0\r\n\
    Content-Type: application/octet-stream; name=\"setup.exe\"\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAE\r\n";

#[test]
fn an_exim_that_sends_hears_about_each_and_bounces_for_the_refused_one_alone() {
    let upstream = Upstream::start(Script::new().offering(&["SIZE 1000000", "8BITMIME"]));
    let setup = Setup::before(upstream.address)
        .set("local_domains", "['example.org', 'lax.example']")
        .set("pipeline.inbound.tiers", "[['attachments']]")
        .set("domain.'lax.example'.filters.attachments.mode", "'off'");
    let gatepost = Gatepost::start(&setup);
    let exim = Exim::before(gatepost.address("mx"));
    exim.sends(&["bob@example.org", "ann@lax.example"], PROGRAM.as_bytes());

    let went = exim.logs(1, &["=> ann@lax.example"]).remove(0);
    assert!(went.contains(" PRDR"), "{went}");
    let refused = exim.logs(1, &["** bob@example.org"]).remove(0);
    assert!(refused.contains("PRDR error after DATA: 550"), "{refused}");
    // The mail and its bounce: nothing is left to be tried again.
    exim.logs(2, &["Completed"]);
    exim.settled();
    let bounces = exim.mailbox("a");
    assert_eq!(bounces.len(), 1, "{}", exim.log());
    assert!(
        bounces[0].contains("bob@example.org") && !bounces[0].contains("ann@lax.example"),
        "{}",
        bounces[0]
    );

    let taken = upstream.taken();
    assert_eq!(taken.len(), 1);
    assert!(
        taken[0].to.len() == 1 && taken[0].to[0].contains("ann@lax.example"),
        "{:?}",
        taken[0].to
    );
    let record = gatepost.record("the mail", |record| record["recipients"][1]["fate"] == "deliver");
    assert_eq!(record["recipients"][0]["fate"], "refuse");
}

#[test]
fn an_exim_behind_us_tells_about_each_and_so_do_we() {
    let exim = Exim::start();
    let gatepost = Gatepost::start(&Setup::before(exim.address));
    let mut client = Client::introduced(gatepost.address("mx"));
    let to = ["alice@example.org", "full@example.org", "bob@example.org"];
    let mut sends = |params: &str, subject: &str| {
        client.ask(&format!("MAIL FROM:<a@there.example>{params}")).is(250);
        for to in to {
            client.ask(&format!("RCPT TO:<{to}>")).is(250);
        }
        client.data();
        let first = client.content(&mail(subject));
        match first.code {
            353 => (0..4).map(|_| client.reply()).collect(),
            _ => vec![first],
        }
    };
    let replies = sends(" PRDR", "apart");
    let codes: Vec<u16> = replies.iter().map(|reply| reply.code).collect();
    assert_eq!(codes, [250, 550, 250, 250], "{replies:?}");
    assert!(replies[1].text().contains("this mailbox is full"), "{:?}", replies[1]);
    // Without a word on each Exim does not ask itself, either.
    let replies = sends("", "together");
    assert_eq!(replies.len(), 1);
    replies.into_iter().for_each(|reply| drop(reply.is(250)));
    client.quit();

    exim.settled();
    let subjects = |name: &str| {
        let of = |subject: &str| exim.mailbox(name).iter().filter(|mail| mail.contains(subject)).count();
        (of("Subject: apart"), of("Subject: together"))
    };
    assert_eq!(
        (subjects("alice"), subjects("full"), subjects("bob")),
        ((1, 1), (0, 1), (1, 1))
    );
}

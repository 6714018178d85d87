//! A queue whose disk is full: the sender's own queue has the mail until there is room.

use crate::disks::{self, Disk};
use crate::house::{Gatepost, Script, Setup, Upstream, eventually, free_address, mail};

const BOB: &str = "bob@away.example";

/// Sends a mail; the last thing it heard, as far as it came.
fn send(gatepost: &Gatepost, subject: &str) -> String {
    let mut client = gatepost.client();
    for line in ["MAIL FROM:<ann@there.example>", &format!("RCPT TO:<{BOB}>")] {
        let reply = client.ask(line);
        if reply.code != 250 {
            return reply.text();
        }
    }
    client.data();
    client.content(&mail(subject)).text()
}

#[test]
fn a_full_disk_is_told_with_452_and_mail_waits_when_there_is_room() {
    if !disks::may_mount() {
        println!("skipped: this user may not mount (unshare -rm)");
        return;
    }
    // Nobody is there yet.
    let at = free_address();
    let setup = Setup::new()
        .without("local_domains")
        .listener("mx", "inbound", &[("route", "'away.example'")])
        .set("pipeline.inbound.tiers", "[]")
        .set("queue.disk_reserve", "'1 MiB'")
        .set("domain.'away.example'.hold", "'2d'")
        .set("domain.'away.example'.recipients", "['bob']")
        .set("domain.'away.example'.server.upstream", format!("'{at}'"))
        .set("domain.'away.example'.server.tls", "'none'");
    let gatepost = Gatepost::start_by(&setup, disks::command);
    let mut taken = Vec::new();
    let mut waits = |subject: &str| {
        eventually("room", || {
            let heard = send(&gatepost, subject);
            assert!(heard.starts_with("250 2.0.0") || heard.starts_with('4'), "{heard}");
            heard.starts_with('2').then_some(())
        });
        taken.push(subject.to_owned());
    };
    waits("before");
    for round in 0..3 {
        disks::fill(&gatepost, Disk::Data);
        for subject in ["full1", "full2", "full3"] {
            let heard = send(&gatepost, subject);
            assert!(heard.starts_with("452 4.3.1"), "round {round}: {heard}");
        }
        disks::empty(&gatepost, Disk::Data);
        waits(&format!("after{round}"));
    }
    let upstream = Upstream::at(at, Script::new());
    eventually("all that waited", || {
        (upstream.taken().len() >= taken.len()).then_some(())
    });
    let subjects: Vec<_> = upstream
        .taken()
        .iter()
        .filter_map(|mail| mail.field("Subject"))
        .collect();
    assert_eq!(subjects, taken, "what was not taken left nothing behind");
}

//! Clients whom a filter keeps waiting for their replies (G-10, G-11).

use std::time::{Duration, Instant};

use crate::house::{Client, Gatepost, Script, Setup, Upstream, eventually};

/// Whoever calls itself by a name without a dot waits for half a minute, among at most so many.
fn stage(sessions: &str, tarpitted: &str) -> (Upstream, Gatepost) {
    stage_for(sessions, tarpitted, "'10s'")
}

/// The same with another time to wait, three times over.
fn stage_for(sessions: &str, tarpitted: &str, time: &str) -> (Upstream, Gatepost) {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address)
        .set("capacity.sessions", sessions)
        .set("capacity.tarpitted", tarpitted)
        .set("filters.conduct.options.helo_unqualified_points", "3")
        .set("timeouts.busy_command", "'1s'")
        .set("filters.conduct.options.waiting.tarpit", time)
        .set("filters.conduct.options.waiting.tarpit_most", "'30s'");
    let gatepost = Gatepost::start(&setup);
    (upstream, gatepost)
}

fn waits(gatepost: &Gatepost) -> Client {
    let mut client = Client::greeted(gatepost.address("mx"));
    client.send("EHLO office\r\n");
    client
}

fn waiting(gatepost: &Gatepost, count: f64) {
    eventually("so many wait", || {
        (gatepost.metric("gatepost_tarpitted") == count).then_some(())
    });
}

#[test]
fn the_one_that_has_waited_longest_is_released_for_the_one_that_comes() {
    let (_upstream, gatepost) = stage("10", "2");
    let began = Instant::now();
    let mut first = waits(&gatepost);
    waiting(&gatepost, 1.0);
    let second = waits(&gatepost);
    waiting(&gatepost, 2.0);
    let third = waits(&gatepost);
    first.reply().is(250);
    waiting(&gatepost, 2.0);
    // Nobody else waits, and one that hangs up gives its place back at once.
    gatepost.client().ask("NOOP").is(250);
    drop((second, third));
    waiting(&gatepost, 0.0);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

#[test]
fn those_that_wait_take_nobodys_place_and_hold_up_no_end() {
    let (_upstream, mut gatepost) = stage("2", "3");
    let mut crowd = Vec::new();
    for count in 1..=3 {
        crowd.push(waits(&gatepost));
        waiting(&gatepost, f64::from(count));
    }
    let mut one = gatepost.client();
    let _other = gatepost.client();
    Client::connect(gatepost.address("mx")).reply().begins("421 4.7.0");
    one.ask("NOOP").is(250);
    let began = Instant::now();
    gatepost.signal("TERM");
    for client in &mut crowd {
        client.reply().is(250);
    }
    assert!(gatepost.ends_within(Duration::from_secs(20)).success());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn whoever_has_waited_finds_a_place_that_is_free_or_comes_again() {
    let (_upstream, gatepost) = stage_for("4", "6", "'3s'");
    let mut crowd = Vec::new();
    for count in 1..=6 {
        crowd.push(waits(&gatepost));
        waiting(&gatepost, f64::from(count));
    }
    let mut stays = gatepost.client();
    let (mut placed, mut told) = (Vec::new(), 0);
    for mut client in crowd {
        let reply = client.reply();
        if reply.code == 250 {
            placed.push(client);
        } else {
            reply.begins("421 4.7.0 Too many connections");
            client.ends();
            told += 1;
        }
    }
    assert_eq!((placed.len(), told), (3, 3));
    // Whoever has one of the last places must hurry, and does not.
    let mut next = eventually("a place is free", || {
        let mut client = Client::connect(gatepost.address("mx"));
        (client.reply().code == 220).then_some(client)
    });
    next.ask("NOOP").is(250);
    stays.ask("NOOP").is(250);
}

//! What a crowd of slow and idle clients costs everybody else.
//!
//! ```text
//! crowd TARGET NAME SLOW IDLE TARPITTED MAILS PER-SECOND
//! ```
//!
//! Sends mails of 4 kB one by one, so many a second, each over a connection of its own: alone, while a crowd is connected,
//! and when it has left. Half of the slow clients send a command, half a message, an octet every two seconds; the idle
//! ones say EHLO and nothing more; the tarpitted ones say EHLO with a name for which they are kept waiting, and come again
//! when they have waited. Whoever is shown the door comes again. Prints a line of CSV for each of the three:
//! who, when, slow, idle, tarpitted, mails, failed, p50, p99 and the longest in milliseconds, and how often one of the crowd had to
//! come again. A mail's time counts from when it was due, not from when somebody had time to send it.
//!
//! It needs a descriptor for each client: `ulimit -Sn "$(ulimit -Hn)"` first. `tools/crowd.sh` runs it.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_types, reason = "it is a client")]
#![allow(clippy::disallowed_methods, reason = "it measures")]
#![allow(clippy::disallowed_macros, reason = "it prints what it measured")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many mails may be under way at once, so that one that takes long keeps none of the others waiting.
const AT_ONCE: usize = 64;
/// How many open the crowd's connections at once.
const OPENERS: usize = 8;
/// How long a slow client lets an octet wait for the next.
const PACE: Duration = Duration::from_secs(2);
/// The slow ones take turns in so many groups, so that they do not all send at once.
const GROUPS: usize = 100;
/// Nothing may take longer; a mail that does has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one of the crowd does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Sends commands slowly.
    Command,
    /// Sends a message slowly.
    Message,
    /// Nothing.
    Idle,
    /// Waits for the reply to its EHLO.
    Tarpitted,
}

/// Connects, and reads what must be said before anything else can be.
fn greeted(target: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    hear(&mut stream, b"220")?;
    Ok(stream)
}

/// And says who it is.
fn known(target: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let mut stream = greeted(target)?;
    ask(&mut stream, "EHLO client.b.example\r\n", b"250")?;
    Ok(stream)
}

/// Reads a reply, which must have this code.
fn hear(stream: &mut BufReader<TcpStream>, code: &[u8]) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        stream.by_ref().take(1_000).read_until(b'\n', &mut line)?;
        if !line.starts_with(code) {
            return Err(io::Error::other(String::from_utf8_lossy(&line).into_owned()));
        }
        if line.get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

fn ask(stream: &mut BufReader<TcpStream>, words: &str, code: &[u8]) -> io::Result<()> {
    stream.get_mut().write_all(words.as_bytes())?;
    hear(stream, code)
}

/// Up to 354.
fn envelope(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    // A literal, so that nobody asks DNS about it.
    ask(stream, "MAIL FROM:<ann@[127.0.0.1]>\r\n", b"250")?;
    ask(stream, "RCPT TO:<carl@example.net>\r\n", b"250")?;
    ask(stream, "DATA\r\n", b"354")
}

/// One mail.
fn mail(target: SocketAddr, content: &str) -> io::Result<()> {
    let mut stream = known(target)?;
    envelope(&mut stream)?;
    ask(&mut stream, content, b"250")?;
    // It was answered; what comes of the goodbye is of no interest.
    let _ = stream.get_mut().write_all(b"QUIT\r\n");
    Ok(())
}

/// One of the crowd.
fn member(target: SocketAddr, manner: Manner) -> io::Result<TcpStream> {
    if manner == Manner::Tarpitted {
        let mut stream = greeted(target)?;
        stream.get_mut().write_all(b"EHLO office\r\n")?;
        stream.get_ref().set_nonblocking(true)?;
        return Ok(stream.into_inner());
    }
    let mut stream = known(target)?;
    if manner == Manner::Message {
        envelope(&mut stream)?;
    }
    Ok(stream.into_inner())
}

/// The times of those that were answered, sorted, and how many failed.
fn send(target: SocketAddr, mails: usize, per_second: u32) -> (Vec<Duration>, usize) {
    let content = format!(
        "Subject: paced\r\nFrom: <ann@b.example>\r\n\r\n{}.\r\n",
        "Sixty-two octets of a line, as long as lines of mail often are.\r\n".repeat(60)
    );
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (times, begin) = (Mutex::new(Vec::new()), Instant::now() + Duration::from_millis(100));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= mails {
                        return;
                    }
                    let due = begin + Duration::from_secs(1) * u32::try_from(number).expect("a number") / per_second;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    match mail(target, &content) {
                        Ok(()) => times.lock().expect("a lock").push(due.elapsed()),
                        Err(_) => {
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            });
        }
    });
    let mut times = times.into_inner().expect("a lock");
    times.sort();
    (times, failed.into_inner())
}

/// Sends mails and prints what they took. Whether all were answered.
fn measure(what: &str, target: SocketAddr, mails: usize, per_second: u32, again: &AtomicUsize) -> bool {
    let before = again.load(Ordering::SeqCst);
    let (times, failed) = send(target, mails, per_second);
    let at = |share: f64| {
        let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "{what},{mails},{failed},{:.2},{:.2},{:.2},{}",
        at(0.5),
        at(0.99),
        at(1.0),
        again.load(Ordering::SeqCst) - before
    );
    failed == 0
}

/// Opens the crowd.
fn gather(target: SocketAddr, manners: &[Manner]) -> io::Result<Vec<(Manner, TcpStream)>> {
    let parts: Vec<_> = thread::scope(|scope| {
        let openers: Vec<_> = manners
            .chunks(manners.len().div_ceil(OPENERS).max(1))
            .map(|part| {
                scope.spawn(move || {
                    let opened = part.iter().map(|manner| Ok((*manner, member(target, *manner)?)));
                    opened.collect::<io::Result<Vec<_>>>()
                })
            })
            .collect();
        openers
            .into_iter()
            .map(|opener| opener.join().expect("an opener"))
            .collect()
    });
    Ok(parts
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// Has the slow ones of the crowd send an octet in their turn, and those that have waited come again, until told to stop.
fn drip(target: SocketAddr, crowd: &mut [(Manner, TcpStream)], stop: &AtomicBool, again: &AtomicUsize) {
    let words = b"NOOP\r\n";
    for turn in 0.. {
        let (group, word) = (turn % GROUPS, words[(turn / GROUPS) % words.len()]);
        let began = Instant::now();
        for (manner, stream) in crowd.iter_mut().skip(group).step_by(GROUPS) {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            let over = match manner {
                Manner::Idle => false,
                Manner::Command => stream.write_all(&[word]).is_err(),
                Manner::Message => stream.write_all(b"x").is_err(),
                // There is something to read, or its end.
                Manner::Tarpitted => stream.peek(&mut [0]).is_ok(),
            };
            if over {
                again.fetch_add(1, Ordering::SeqCst);
                if let Ok(anew) = member(target, *manner) {
                    *stream = anew;
                }
            }
        }
        thread::sleep((PACE / GROUPS as u32).saturating_sub(began.elapsed()));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [target, name, slow, idle, tarpitted, mails, per_second] = given.as_slice() else {
        return Err("crowd TARGET NAME SLOW IDLE TARPITTED MAILS PER-SECOND".into());
    };
    let target: SocketAddr = target.parse()?;
    let (slow, idle, mails): (usize, usize, usize) = (slow.parse()?, idle.parse()?, mails.parse()?);
    let tarpitted: usize = tarpitted.parse()?;
    let per_second: u32 = per_second.parse()?;
    let mut manners = vec![Manner::Idle; idle];
    manners.extend(vec![Manner::Tarpitted; tarpitted]);
    manners.extend((0..slow).map(|n| if n % 2 == 0 { Manner::Command } else { Manner::Message }));
    let (again, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut whole = measure(&format!("{name},before,0,0,0"), target, mails, per_second, &again);
    let mut crowd = gather(target, &manners)?;
    thread::scope(|scope| {
        scope.spawn(|| drip(target, &mut crowd, &stop, &again));
        let what = format!("{name},crowd,{slow},{idle},{tarpitted}");
        whole &= measure(&what, target, mails, per_second, &again);
        stop.store(true, Ordering::SeqCst);
    });
    drop(crowd);
    // The target has all their ends to notice.
    thread::sleep(PACE);
    whole &= measure(&format!("{name},after,0,0,0"), target, mails, per_second, &again);
    if whole {
        Ok(())
    } else {
        Err("some mails were not answered with 250".into())
    }
}

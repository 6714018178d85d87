//! Raw messages of other mail libraries' tests, many broken on purpose: each is read in bounded time and memory, and
//! relayed byte for byte or refused the same way every time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatepost_message::reading::{LINKS_MAX, PARTS_MAX};
use gatepost_message::{Message, split};

use crate::house::gatepost::BINARY;
use crate::house::{Client, Gatepost, Reply, Script, Setup, Upstream, timed};

/// How long the reading of one message may take, on a machine that has other things to do and without optimisation.
const PATIENCE: Duration = Duration::from_secs(5);

/// The messages with CR LF at their line ends.
fn messages() -> Vec<(PathBuf, Vec<u8>)> {
    let root = crate::suite("mime");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["LICENSE", "MIT-LICENSE", "NOTICE"].contains(&name.as_str()) {
                let octets = fs::read(&path).expect("a message");
                let short = path.strip_prefix(&root).expect("below the root").to_owned();
                found.push((short, canonical(&octets)));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 263, "only {} messages", found.len());
    found
}

/// As it goes over the wire: each line ends in CR LF, the last too.
fn canonical(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 20);
    for line in octets.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
#[ignore = "the suite lies outside this tree"]
fn every_message_is_read_in_bounded_time_and_memory() {
    let messages = messages();
    let (mut links, mut parts, mut broken, mut excess) = (0, 0, 0, 0);
    let (mut slowest, mut whole) = (Duration::ZERO, Duration::ZERO);
    for (path, octets) in &messages {
        let message = Message::from_bytes(octets.clone());
        let (reading, took) = timed(|| message.reading(&|| false));
        assert!(took < PATIENCE, "{}: {took:?}", path.display());
        assert!(reading.links().iter().len() <= LINKS_MAX, "{}", path.display());
        assert!(reading.parts().len() <= PARTS_MAX, "{}", path.display());
        // An octet of windows-1252 may take three in UTF-8, and what stands in <noscript> is read twice.
        let texts = reading.text().len() + reading.hidden().len();
        assert!(texts <= 6 * octets.len(), "{}: {texts} octets of text", path.display());
        (slowest, whole) = (slowest.max(took), whole + took);
        links += reading.links().iter().len();
        parts += reading.parts().len();
        broken += usize::from(reading.anomalies().any());
        excess += usize::from(reading.excess().any());
    }
    println!(
        "mime: {} messages read in {whole:?}, the slowest in {slowest:?}; {parts} parts, {links} links; {broken} with something \
         broken, {excess} past a bound",
        messages.len()
    );
}

/// How a message came through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Came {
    /// As it was, below our fields.
    Whole,
    /// As it was, the line of an mbox above our fields.
    BelowMboxLine,
    /// With a blank line between header and body, which it lacked.
    Separated,
}

fn came(sent: &[u8], got: &[u8]) -> Option<Came> {
    if got.ends_with(sent) {
        return Some(Came::Whole);
    }
    let message = Message::from_bytes(sent.to_vec());
    let mbox = message.headers().mbox_line().map_or(0, <[u8]>::len);
    let (line, rest) = sent.split_at(mbox);
    if mbox > 0 && got.starts_with(line) && got.ends_with(rest) {
        return Some(Came::BelowMboxLine);
    }
    let (head, body) = sent.split_at(split(sent));
    let separated = [&head[mbox..], b"\r\n", body].concat();
    (message.unseparated() && got.starts_with(line) && got.ends_with(&separated)).then_some(Came::Separated)
}

fn send(gatepost: &Gatepost, path: &Path, content: &[u8]) -> Reply {
    let mut client: Client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    let reply = client.content(content);
    assert!(matches!(reply.code, 250 | 500..=599), "{}: {reply}", path.display());
    reply
}

/// A reply without the number of the mail, which differs each time.
fn without_number(reply: &Reply) -> String {
    let words = reply.text();
    let same = |word: &str| !(word.len() >= 8 && word.bytes().any(|byte| byte.is_ascii_digit()));
    words
        .split_whitespace()
        .filter(|word| same(word))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
#[ignore = "the suite lies outside this tree"]
fn every_message_is_relayed_byte_for_byte_or_refused_the_same_way_every_time() {
    let upstream = Upstream::start(Script::new());
    // Fields that readers would believe to be ours are taken off by default, and some of these mails have them.
    let setup = Setup::before(upstream.address)
        .set("limits.mails", "10000")
        .set("policy.strip_headers", "[]");
    let gatepost = Gatepost::start_by(&setup, |_| {
        let mut command = Command::new(BINARY);
        // It would be taken for a key of the configuration.
        command.env_remove("GATEPOST_SUITES");
        command
    });
    let messages = messages();
    let (mut ways, mut refusals) = (Vec::new(), Vec::new());
    for (path, content) in &messages {
        let before = upstream.taken().len();
        let reply = send(&gatepost, path, content);
        let taken = upstream.taken();
        if reply.code == 250 {
            assert_eq!(taken.len(), before + 1, "{}", path.display());
            let got = taken.last().expect("what was granted").content();
            let way = came(content, &got);
            let shown = || got[..got.len().min(3_000)].escape_ascii().to_string();
            ways.push(way.unwrap_or_else(|| panic!("{} came otherwise: {}", path.display(), shown())));
        } else {
            assert_eq!(taken.len(), before, "{} was refused and delivered", path.display());
            let again = send(&gatepost, path, content);
            assert_eq!(without_number(&again), without_number(&reply), "{}", path.display());
            assert_eq!(
                upstream.taken().len(),
                before,
                "{} was refused and delivered",
                path.display()
            );
            refusals.push(format!("  {}: {}", path.display(), without_number(&reply)));
        }
    }
    let count = |wanted: Came| ways.iter().filter(|way| **way == wanted).count();
    println!(
        "mime: {} messages sent, {} relayed byte for byte ({} below an mbox line, {} given the blank line they lacked), {} \
         refused twice with the same reply\n{}",
        messages.len(),
        ways.len(),
        count(Came::BelowMboxLine),
        count(Came::Separated),
        refusals.len(),
        refusals.join("\n")
    );
    assert!(ways.len() >= 200, "only {} were relayed", ways.len());
}

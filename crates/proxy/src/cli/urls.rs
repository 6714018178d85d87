//! `gatepost urls`: the links of a mail, as the filters see them.

use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use gatepost_core::Message;
use gatepost_message::{Host, Link, Reading};
use serde_json::json;

use super::replay::canonical;

/// The mail whose links are wanted.
#[derive(Args, Debug)]
pub(super) struct Mail {
    /// The mail, a file with header and body; `-` for standard input.
    file: PathBuf,
    /// Prints an object of JSON a line.
    #[arg(long)]
    json: bool,
}

/// What stands in the mail, and what is to be said about how it was read.
pub(super) fn run(mail: &Mail) -> Result<(String, String), String> {
    let octets = octets(&mail.file).map_err(|error| format!("{}: cannot be read: {error}", mail.file.display()))?;
    let message = Message::from_bytes(canonical(&octets));
    let reading = message.reading(&|| false);
    let lines = if mail.json { objects(reading) } else { table(reading) };
    Ok((lines, notes(reading)))
}

pub(super) fn octets(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut octets = Vec::new();
    std::io::stdin().lock().read_to_end(&mut octets)?;
    Ok(octets)
}

/// What a list is asked for: the registrable domain, or the address.
fn about(link: &Link) -> String {
    match (&link.domain, &link.host) {
        (Some(domain), _) => domain.to_string(),
        (None, Host::V4(address)) => address.to_string(),
        (None, Host::V6(address)) => address.to_string(),
        (None, Host::Name(_)) => "-".into(),
    }
}

fn tricks(link: &Link) -> Vec<&'static str> {
    link.tricks.iter().map(|trick| trick.as_str()).collect()
}

fn table(reading: &Reading) -> String {
    let mut out = String::new();
    for link in reading.links().iter() {
        let tricks = match tricks(link) {
            none if none.is_empty() => "-".into(),
            some => some.join(","),
        };
        // Writing to a string never fails.
        let _ = writeln!(out, "{}\t{}\t{}\t{tricks}", link.url, about(link), link.place.as_str());
    }
    out
}

fn objects(reading: &Reading) -> String {
    let mut out = String::new();
    for link in reading.links().iter() {
        let object = json!({
            "url": link.url,
            "host": link.host.to_string(),
            "domain": link.domain,
            "place": link.place.as_str(),
            "tricks": tricks(link),
        });
        let _ = writeln!(out, "{object}");
    }
    out
}

fn notes(reading: &Reading) -> String {
    let mut out = Vec::new();
    if reading.excess().any() {
        let names: Vec<_> = reading.excess().names().collect();
        out.push(format!(
            "not all of it was looked at, bounds passed: {}",
            names.join(", ")
        ));
    }
    if reading.anomalies().any() {
        let names: Vec<_> = reading.anomalies().names().collect();
        out.push(format!("broken in it: {}", names.join(", ")));
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(mail: &str) -> Message {
        Message::from_bytes(canonical(mail.as_bytes()))
    }

    const MAIL: &str = "Content-Type: text/html\n\n<a href='http://bank@evil.example.com/%61'>x</a>\
                        <img src='http://3221225985/'><p>http://[2001:db8::1]/ http://intranet/</p>\n";

    #[test]
    fn a_line_has_the_link_what_lists_are_asked_for_the_place_and_the_tricks() {
        assert_eq!(
            table(reading(MAIL).reading(&|| false)),
            "http://evil.example.com/a\texample.com\tanchor\tuserinfo\n\
             http://[2001:db8::1]/\t2001:db8::1\ttext\t-\n\
             http://intranet/\t-\ttext\t-\n\
             http://192.0.2.1/\t192.0.2.1\tloaded\todd-address\n"
        );
    }

    #[test]
    fn an_object_has_the_same() {
        let lines = objects(reading(MAIL).reading(&|| false));
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(
            first,
            json!({"url": "http://evil.example.com/a", "host": "evil.example.com", "domain": "example.com", "place": "anchor",
                   "tricks": ["userinfo"]})
        );
        assert_eq!(lines.lines().count(), 4);
    }

    #[test]
    fn what_was_not_looked_at_is_said() {
        let many: String = (0..1_001).map(|n| format!("http://x{n}.example.com/\n")).collect();
        assert_eq!(notes(reading(MAIL).reading(&|| false)), "");
        assert_eq!(
            notes(reading(&format!("Content-Transfer-Encoding: x\n\n{many}")).reading(&|| false)),
            "not all of it was looked at, bounds passed: links\nbroken in it: transfer"
        );
    }
}

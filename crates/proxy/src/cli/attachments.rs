//! `gatepost attachments`: the files of a mail, as the filter sees them, and what its policy says of each.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use gatepost_attachments::hashes::hex;
use gatepost_attachments::kinds::class_name;
use gatepost_attachments::look::{Contents, File, look};
use gatepost_attachments::policy::{Hit, Policy};
use gatepost_attachments::rule::Side;
use gatepost_core::{BuildError, Message, Options};
use serde_json::{Value, json};

use super::replay::canonical;
use super::urls::octets;
use crate::config::Config;
use crate::log::harmless;

/// The mail whose files are wanted.
#[derive(Args, Debug)]
pub(super) struct Mail {
    /// The mail, a file with header and body; `-` for standard input.
    file: PathBuf,
    /// Judges by the options of this recipient's domain and the rules for this address, for what goes out as its sender.
    #[arg(long, value_name = "ADDRESS")]
    person: Option<String>,
    /// Prints an object of JSON a line.
    #[arg(long)]
    json: bool,
}

/// The filter whose options they are.
const NAME: &str = "attachments";
/// The sides in the order in which they are told.
const SIDES: [(Side, &str); 3] = [
    (Side::External, "inbound"),
    (Side::Exempt, "exempt"),
    (Side::Outbound, "outbound"),
];

/// The files, and what is to be said about the mail as a whole.
pub(super) fn run(config: &Config, mail: &Mail) -> Result<(String, String), String> {
    let person = mail.person.as_deref();
    let built = |options: Options| {
        let options = options.read::<gatepost_attachments::Config>()?;
        let mut how = options.how()?;
        // Whoever lists files may want to put one on a list.
        how.limits.hashes = true;
        Ok((options.policy()?, how))
    };
    let (out, how) =
        built(config.filter(NAME).options()).map_err(|error: BuildError| format!("filters.{NAME}.options: {error}"))?;
    // What comes in is judged as the domain of its recipient wants it.
    let own = person
        .and_then(|person| of_domain(config, person))
        .map(built)
        .transpose();
    let own = own.map_err(|error| format!("{NAME} for {}: {error}", person.unwrap_or_default()))?;
    let (inward, how) = own.unwrap_or_else(|| (out.clone(), how));
    let octets = octets(&mail.file).map_err(|error| format!("{}: cannot be read: {error}", mail.file.display()))?;
    let message = Message::from_bytes(canonical(&octets));
    let contents = look(&message, &how, &|| false);
    Ok(told(&[inward, out], &contents, person, mail.json))
}

/// The options of the domain of an address, where it has some of its own.
fn of_domain(config: &Config, person: &str) -> Option<Options> {
    let (_, domain) = person.rsplit_once('@')?;
    let (_, own) = config.own(domain.trim())?;
    own.filters.get(NAME)?.options()
}

/// By two policies: of what comes in and of what goes out.
fn told([inward, out]: &[Policy; 2], contents: &Contents, person: Option<&str>, as_json: bool) -> (String, String) {
    let hits = SIDES.map(|(side, name)| {
        let policy = if side == Side::Outbound { out } else { inward };
        let rules = person.map(|person| policy.people.of(person)).unwrap_or_default();
        (name, policy.judge(contents, side, &rules))
    });
    let mut out = String::new();
    for file in &contents.files {
        let about = |hit: &&Hit<'_>| hit.file.is_some_and(|other| std::ptr::eq(other, file));
        if as_json {
            // Writing to a string never fails.
            let _ = writeln!(out, "{}", harmless(&object(file, &hits, about).to_string()));
        } else {
            table(&mut out, file, &hits, about);
        }
    }
    let mut notes: Vec<String> = Vec::new();
    let of_mail = hits.iter().flat_map(|(_, hits)| hits).filter(|hit| hit.file.is_none());
    for hit in of_mail {
        let note = format!("{}: {}", hit.rule, hit.why);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    (out, notes.join("\n"))
}

type Judged<'a> = [(&'static str, Vec<Hit<'a>>); 3];

fn table(out: &mut String, file: &File, hits: &Judged<'_>, about: impl Fn(&&Hit<'_>) -> bool) {
    let named = |name: &str| match name {
        "" => "(unnamed)".to_owned(),
        name => harmless(name),
    };
    let path: Vec<_> = file.path.iter().map(|name| named(name)).collect();
    let declared: Vec<_> = file.declared.iter().map(|mime| harmless(mime)).collect();
    let shown = if file.shown { ", shown as text" } else { "" };
    let _ = writeln!(out, "{}", path.join(" > "));
    let (kind, class) = (file.kind.name(), class_name(file.kind.class()));
    let _ = writeln!(
        out,
        "  {kind} ({class}), {} octets, part {}{shown}",
        file.octets, file.part
    );
    if !declared.is_empty() {
        let _ = writeln!(out, "  declared {}", declared.join(", "));
    }
    if let Some(hash) = &file.sha256 {
        let _ = writeln!(out, "  SHA-256 {}", hex(hash));
    }
    let readings = file.names.iter().flat_map(|name| &name.readings).collect::<Vec<_>>();
    if readings.len() > 1 {
        let names: Vec<_> = readings.iter().map(|reading| harmless(&reading.name)).collect();
        let _ = writeln!(out, "  read as {}", names.join(" | "));
    }
    for (mark, note) in &file.marks {
        let _ = writeln!(out, "  {}: {}", mark.name(), harmless(note));
    }
    for (side, hits) in hits {
        for hit in hits.iter().filter(|hit| about(hit)) {
            let action = format!("{:?}", hit.action).to_lowercase();
            let _ = writeln!(out, "  {side}: {action}, {}: {}", hit.rule, harmless(&hit.why));
        }
    }
}

fn object(file: &File, hits: &Judged<'_>, about: impl Fn(&&Hit<'_>) -> bool) -> Value {
    let said = |hits: &[Hit<'_>]| -> Value {
        hits.iter()
            .filter(|hit| about(hit))
            .map(|hit| {
                let action = format!("{:?}", hit.action).to_lowercase();
                json!({ "rule": hit.rule.name(), "action": action, "why": hit.why })
            })
            .collect()
    };
    let marks = file
        .marks
        .iter()
        .map(|(mark, note)| json!({ "mark": mark.name(), "note": note }));
    let readings = file
        .names
        .iter()
        .flat_map(|name| &name.readings)
        .map(|reading| &reading.name);
    let mut object = json!({
        "part": file.part,
        "path": file.path,
        "read_as": readings.collect::<Vec<_>>(),
        "declared": file.declared,
        "kind": file.kind.name(),
        "class": class_name(file.kind.class()),
        "octets": file.octets,
        "whole": file.whole,
        "shown": file.shown,
        "sha256": file.sha256.as_ref().map(hex),
        "marks": marks.collect::<Vec<_>>(),
    });
    if let Some(object) = object.as_object_mut() {
        object.extend(hits.iter().map(|(side, hits)| ((*side).to_owned(), said(hits))));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(mail: &str) -> (Policy, Contents) {
        let options = gatepost_attachments::Config::default();
        let mut how = options.how().expect("the shipped bounds");
        how.limits.hashes = true;
        let contents = look(&Message::from_bytes(canonical(mail.as_bytes())), &how, &|| false);
        (options.policy().expect("the shipped policy"), contents)
    }

    const MAIL: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello.\n--b\n\
                        Content-Type: application/octet-stream; name=\"run.bat\"\n\n@echo off\n--b--\n";

    #[test]
    fn a_file_is_told_with_its_kind_and_what_the_policy_says_of_it() {
        let (policy, contents) = looked(MAIL);
        let (table, notes) = told(&[policy.clone(), policy], &contents, None, false);
        let bat = table.split_once("run.bat\n").expect("it is named").1;
        assert!(bat.starts_with("  batch (script), "), "{table}");
        for side in ["inbound", "exempt", "outbound"] {
            let line = format!("  {side}: reject, blocked: level 1, kind:batch\n");
            assert!(bat.contains(&line), "{line} is not in {table}");
        }
        assert_eq!(notes, "");
    }

    #[test]
    fn a_persons_domain_has_options_of_its_own_for_what_comes_in() {
        let text = "local_domains = [\"d.example\", \"e.example\"]\n[[listen]]\nname = \"mx\"\nbind = \"127.0.0.1:0\"\n\
                    direction = \"inbound\"\n[route.default]\nupstream = \"127.0.0.1:10025\"\n[pipeline.inbound]\ntiers = [[\"attachments\"]]\n\
                    [pipeline.outbound]\ntiers = []\n[filters.attachments.options]\nexternal = 0\nexempt = 0\n\
                    outbound = 0\n[domain.\"E.example\".filters.attachments.options]\nexternal = 4\n";
        let sources = crate::config::Sources {
            file: Some(("a.toml".into(), text.into())),
            ..Default::default()
        };
        let registry = gatepost_core::registry().expect("a registry");
        let loaded = crate::config::load(&sources, &registry);
        let config = match &loaded {
            Ok(loaded) => &loaded.config,
            Err(mistakes) => panic!("{mistakes}"),
        };
        let external = |person: &str| {
            let options = of_domain(config, person).map(|options| options.read::<gatepost_attachments::Config>());
            options.map(|options| options.expect("options").external)
        };
        assert_eq!(external("ann@e.EXAMPLE"), Some(4));
        assert_eq!(external("ann@d.example"), None);
        assert_eq!(external("ann"), None);
    }

    #[test]
    fn an_object_has_the_same() {
        let (policy, contents) = looked(MAIL);
        let (lines, _) = told(&[policy.clone(), policy], &contents, None, true);
        let objects: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let bat = objects
            .iter()
            .find(|object| object["path"][0] == "run.bat")
            .expect("it is named");
        assert_eq!((&bat["kind"], &bat["class"]), (&json!("batch"), &json!("script")));
        assert_eq!(bat["sha256"].as_str().map(str::len), Some(64));
        assert_eq!(bat["inbound"][0]["rule"], "blocked");
        assert_eq!(bat["inbound"][0]["action"], "reject");
    }
}

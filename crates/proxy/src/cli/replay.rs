//! `gatepost replay`: what would be made of a mail, and why.
//!
//! It asks DNS and nobody else, and begins with nothing remembered: the store belongs to the proxy that runs. So
//! classifiers, which have learned nothing here, say nothing; `gatepost explain` asks the proxy that runs.

use std::fmt::Write;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gatepost_core::{
    AuthRecord, Backend, Bytes, Chain, Compute, DmarcResult, Evidence, Fault, Message, Page, Path, Record, Scope, Seed,
    Services, Store, Swap, Time, async_trait,
};
use gatepost_pipeline::replay;

use crate::clock::SystemClock;
use crate::config::{Config, Registry};
use crate::rehearsal::{Rehearsal, listener, rehearse};
use crate::services;
use crate::threads::Cores;

/// The most characters that a column shows.
const SHOWN: usize = 100;
/// The most links that are shown.
const LINKS: usize = 20;

/// The mail and the session that it came in.
#[derive(Args, Debug)]
pub(super) struct Mail {
    /// The mail, a file with header and body.
    file: PathBuf,
    /// The envelope sender; empty for the null sender.
    #[arg(long, value_name = "ADDRESS", value_parser = reverse)]
    from: Path,
    /// A recipient; may be given several times.
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = forward)]
    to: Vec<Path>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS")]
    ip: IpAddr,
    /// What the client calls itself.
    #[arg(long, value_name = "NAME")]
    helo: String,
    /// As whom it authenticated.
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// The listener that it came to; the first inbound one without this.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Prints the record as JSON, one line.
    #[arg(long)]
    json: bool,
}

/// Runs the pipeline over a mail and words what came of it.
pub(super) fn run(config: &Config, registry: &Registry, mail: &Mail) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    let (record, message) = runtime.block_on(record(config, registry, mail))?;
    if mail.json {
        serde_json::to_string(&record).map_err(|error| error.to_string())
    } else {
        Ok(links(&message) + &table(&record))
    }
}

async fn record(config: &Config, registry: &Registry, mail: &Mail) -> Result<(Record, Arc<Message>), String> {
    let listen = listener(config, mail.listener.as_deref())?;
    let octets =
        std::fs::read(&mail.file).map_err(|error| format!("{}: cannot be read: {error}", mail.file.display()))?;

    let mut services = Services::null(Arc::new(SystemClock::new()), Seed::new([0; 16]));
    services.dns = Arc::new(services::resolver(config, Arc::new(SystemClock::new()))?);
    services.compute = Compute::new(Arc::new(Cores::new(config.capacity.threads.into())));
    services.identify = services::identify(config, &services);
    services.store = Store::new(Arc::new(Empty));
    services.kept = Arc::new(replay::Pretence);
    let message = Arc::new(Message::from_bytes(canonical(&octets)));
    let mail = Rehearsal {
        message: Arc::clone(&message),
        from: mail.from.clone(),
        to: mail.to.clone(),
        ip: mail.ip,
        helo: mail.helo.clone(),
        login: mail.login.clone(),
    };
    let record = rehearse(config, registry, &services, Arc::default(), listen, mail).await?;
    Ok((record, message))
}

const NO_ADDRESS: &str = "expected an address such as a@example.org";

pub(super) fn reverse(address: &str) -> Result<Path, &'static str> {
    Path::reverse(bare(address), true).map_err(|_| NO_ADDRESS)
}

pub(super) fn forward(address: &str) -> Result<Path, &'static str> {
    Path::forward(bare(address), true).map_err(|_| NO_ADDRESS)
}

/// An address without the brackets that it may have been copied with.
fn bare(address: &str) -> &str {
    let address = address.trim();
    address
        .strip_prefix('<')
        .and_then(|inner| inner.strip_suffix('>'))
        .unwrap_or(address)
}

/// The mail as it would be after DATA: files often end their lines in LF alone.
pub(super) fn canonical(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line
            .strip_suffix(b"\n")
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        {
            Some(line) => out.extend_from_slice(&[line, b"\r\n"].concat()),
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// A store into which nothing was ever written. Replays write above it.
struct Empty;

const ABOVE: Fault = Fault::Unavailable("a replay writes to memory");

#[async_trait]
impl Backend for Empty {
    async fn get(&self, _: &[u8], _: Time) -> Result<Option<Bytes>, Fault> {
        Ok(None)
    }
    async fn put(&self, _: &[u8], _: &[u8], _: Option<Time>) -> Result<(), Fault> {
        Err(ABOVE)
    }
    async fn swap(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: Option<&[u8]>,
        _: Option<Time>,
        _: Time,
    ) -> Result<Swap, Fault> {
        Err(ABOVE)
    }
    async fn add(&self, _: &[u8], _: i64, _: Time, _: Time) -> Result<i64, Fault> {
        Err(ABOVE)
    }
    async fn insert(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(ABOVE)
    }
    async fn remove(&self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(ABOVE)
    }
    async fn range(&self, _: &[u8], _: Range<&[u8]>, _: bool, _: usize) -> Result<Page, Fault> {
        Ok(Page::default())
    }
    async fn trim(&self, _: &[u8], _: &[u8]) -> Result<u64, Fault> {
        Ok(0)
    }
}

/// The links that the filters saw, the first of them.
fn links(message: &Message) -> String {
    let links = message.reading(&|| false).links();
    let mut out = String::new();
    for link in links.iter().take(LINKS) {
        let tricks: String = link
            .tricks
            .iter()
            .map(|trick| format!(", {}", trick.as_str()))
            .collect();
        let _ = writeln!(out, "link: {} ({}{tricks})", shown(&link.url), link.place.as_str());
    }
    match links.iter().len() {
        0 => return out,
        all if all > LINKS => {
            let _ = writeln!(out, "and {} more: `gatepost urls` lists all", all - LINKS);
        }
        _ => {}
    }
    out + "\n"
}

/// The findings, the filters that failed, and what becomes of each recipient.
pub(super) fn table(record: &Record) -> String {
    let mut rows = vec![["filter", "phase", "points", "tag", "note"].map(str::to_owned)];
    for finding in &record.findings {
        let points = match finding.evidence {
            Evidence::Points(score) => score.to_string(),
            Evidence::LogOdds { value, support } => format!("{value:+.2} ({support})"),
            _ => "?".into(),
        };
        let points = if finding.counts { points } else { format!("[{points}]") };
        let whom = match finding.scope {
            Scope::Everyone => None,
            Scope::Only(id) => record.recipients.iter().find(|recipient| recipient.id == id),
        };
        let note = whom.map_or(finding.note.clone(), |whom| {
            format!("{} (for {})", finding.note, whom.to)
        });
        rows.push([
            finding.filter.clone(),
            finding.phase.name().into(),
            points,
            finding.tag.to_string(),
            shown(&note),
        ]);
    }
    for call in &record.calls {
        if let Some(fault) = &call.fault {
            rows.push([
                call.filter.clone(),
                call.phase.name().into(),
                "-".into(),
                "fault".into(),
                shown(fault),
            ]);
        }
    }
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (filter, phase, points, tag) = (wide(0), wide(1), wide(2), wide(3));
    let mut out = String::new();
    for [f, p, n, t, note] in &rows {
        let line = format!("{f:filter$}  {p:phase$}  {n:>points$}  {t:tag$}  {note}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if record.findings.iter().any(|finding| !finding.counts) {
        out += "[points] are only logged: the filter's mode is monitor.\n";
    }
    if let Some(auth) = &record.auth {
        let _ = write!(out, "\n{}", proofs(auth));
    }
    out += "\n";
    for recipient in &record.recipients {
        let would = recipient
            .would
            .as_ref()
            .map_or(String::new(), |would| format!(" (without dry_run: {would})"));
        let because = recipient
            .because
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let because = if because.is_empty() {
            because
        } else {
            format!("; because of {because}")
        };
        let (to, level, score, fate) = (shown(&recipient.to), recipient.level, recipient.score, &recipient.fate);
        let fused = recipient.fused.map_or(String::new(), |fused| {
            format!(
                " ({} of the classifiers: log-odds {:+.2}, all their points from {:+.2} on)",
                fused.points, fused.odds, fused.threshold
            )
        });
        let _ = writeln!(
            out,
            "{to}: {fate}{would}, level {level}, {score} points{fused}{because}"
        );
    }
    for note in &record.notes {
        let _ = writeln!(out, "note: {}", shown(note));
    }
    let _ = write!(out, "answer: {}", shown(&record.reply));
    out
}

/// What proves the mail, and what does not.
fn proofs(auth: &AuthRecord) -> String {
    let mut out = String::new();
    let mut line = |head: String, words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        let _ = writeln!(out, "{}", shown(&format!("{head}  {}", words.join("; "))));
    };
    let aligned = |aligned| if aligned { "aligned" } else { "" };
    if let Some(spf) = &auth.spf {
        line(
            format!("spf={}", spf.result.name()),
            &[&spf.domain, &spf.reason, aligned(spf.aligned)],
        );
    }
    if auth.dmarc == DmarcResult::Unknown {
        return out;
    }
    for one in &auth.dkim {
        line(
            format!("dkim={}", one.result.name()),
            &[&one.domain, &one.reason, aligned(one.aligned)],
        );
    }
    if auth.dkim.is_empty() {
        line("dkim=none".into(), &["there is no signature"]);
    }
    let chain = auth.arc.as_ref();
    let none = Chain::default();
    let result = chain.map_or("none", |chain| chain.result.name());
    let chain = chain.unwrap_or(&none);
    let vouches = if chain.vouches { "it vouches for the author" } else { "" };
    line(format!("arc={result}"), &[&chain.sealer, &chain.reason, vouches]);
    let policy = match (&auth.policy, &auth.published) {
        (Some(policy), Some(published)) => format!("policy {} from {}", policy.name(), published.domain),
        _ => String::new(),
    };
    let author = auth.header_from.as_deref().unwrap_or_default();
    line(format!("dmarc={}", auth.dmarc.name()), &[author, &auth.reason, &policy]);
    out
}

/// A stranger's text for a terminal: no control characters, not too long.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim_end();
    let mut out: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        out += "...";
    }
    out
}

#[cfg(test)]
mod tests {
    use gatepost_core::{
        CallRecord, Direction, Finding, FindingRecord, Level, Phase, RecipientId, RecipientRecord, Score, Tag,
    };

    use super::*;

    #[test]
    fn a_record_becomes_a_table() {
        let client = IpAddr::from([192, 0, 2, 1]);
        let mut record = Record::new("1".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        let mut to = RecipientRecord::new(RecipientId(0), "a@b.example".into());
        (to.level, to.score, to.fate) = (Level::High, Score::points(12), "refuse".into());
        to.because = vec![Tag::new("conduct.no_dot")];
        record.recipients.push(to);
        let finding = Finding::new(
            Tag::new("conduct.no_dot"),
            Evidence::Points(Score::hundredths(150)),
            "a\u{1b}[2Jb",
        );
        record
            .findings
            .push(FindingRecord::new("conduct", Phase::Helo, &finding, true));
        record
            .findings
            .push(FindingRecord::new("conduct", Phase::Message, &finding, false));
        record.calls.push(CallRecord::new(
            "dnsbl",
            Phase::Connect,
            5,
            Some("unavailable: no DNS".into()),
        ));
        record.reply = "550 5.7.1 no\r\n".into();
        assert_eq!(
            table(&record),
            "filter   phase    points  tag             note\n\
             conduct  helo        1.5  conduct.no_dot  a\\u{1b}[2Jb\n\
             conduct  message   [1.5]  conduct.no_dot  a\\u{1b}[2Jb\n\
             dnsbl    connect       -  fault           unavailable: no DNS\n\
             [points] are only logged: the filter's mode is monitor.\n\n\
             a@b.example: refuse, level high, 12 points; because of conduct.no_dot\n\
             answer: 550 5.7.1 no"
        );
    }

    #[test]
    fn a_file_with_bare_lf_is_made_canonical() {
        assert_eq!(canonical(b"A: b\n\r\nc\rd\n\ne"), b"A: b\r\n\r\nc\rd\r\n\r\ne");
        assert_eq!(
            [bare("<a@b.example>"), bare(" a@b.example"), bare("<>"), bare("")],
            ["a@b.example", "a@b.example", "", ""]
        );
    }

    #[test]
    fn the_first_links_stand_above_the_table() {
        let many: String = (0..22).map(|n| format!("http://d{n}.example/ ")).collect();
        let mail = format!("Content-Type: text/html\r\n\r\n<a href='http://a@b.example/x'>y</a>{many}\r\n");
        let told = links(&Message::from_bytes(mail.into_bytes()));
        assert!(told.starts_with("link: http://b.example/x (anchor, userinfo)\nlink: http://d0.example/ (text)\n"));
        assert!(told.ends_with("and 3 more: `gatepost urls` lists all\n\n") && told.lines().count() == 22);
        assert_eq!(links(&Message::from_bytes(&b"A: b\r\n\r\nhello\r\n"[..])), "");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(shown(&"\u{fc}".repeat(101)), "\u{fc}".repeat(100) + "...");
    }
}

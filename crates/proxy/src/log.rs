//! The log: one line a transaction, and the proxy's own events beside it.
//!
//! **Invariant:** a stranger's text cannot make a line of its own, nor reach a terminal as a control sequence, nor be
//! longer than its field's bound. Nor does a key of a DNS list get there: the library that asks DNS, which tells whole
//! questions where it complains, is not heard at any level.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::sync::Arc;

use gatepost_core::{Ended, Evidence, Message, Observer, Record, async_trait};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Full, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// The target of transaction lines.
const MAIL: &str = "mail";
/// The most characters that a text line shows of one stranger's string.
const SHOWN: usize = 200;

/// Lines that are written together have hardly more octets.
const WRITTEN: usize = 64 * 1024;

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// A JSON object a line.
    Json,
    /// Words, for people.
    Text,
}

impl Style {
    /// Words on a terminal, JSON elsewhere.
    pub fn for_stderr() -> Style {
        if std::io::stderr().is_terminal() {
            Style::Text
        } else {
            Style::Json
        }
    }
}

/// The names that DNS lists are asked for may hold a key. What the library has to say comes as a fault, without them.
const UNHEARD: &str = "hickory_resolver=off,hickory_net=off,hickory_proto=off";

fn heard(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(format!("{filter},{UNHEARD}")).map_err(|error| format!("log.level `{filter}`: {error}"))
}

/// Begins to log to standard error. `filter` is of `tracing_subscriber`'s `EnvFilter`, `info` or `warn,mail=info`.
pub fn begin(style: Style, filter: &str) -> Result<(), String> {
    let filter = heard(filter)?;
    let registry = tracing_subscriber::registry();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let set = match style {
        Style::Json => {
            let layer = layer
                .fmt_fields(JsonFields::new())
                .event_format(Lines(Format::default().json().flatten_event(true)));
            registry.with(layer.with_filter(filter)).try_init()
        }
        Style::Text => registry
            .with(layer.event_format(TextLines(Format::default())).with_filter(filter))
            .try_init(),
    };
    set.map_err(|error| error.to_string())
}

/// JSON lines: a transaction's line is already one.
struct Lines(Format<Json>);

/// Text lines: a transaction's line stands for itself.
struct TextLines(Format<Full>);

/// Finds the ready-made line of an event.
#[derive(Default)]
struct Line(Option<String>);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line" {
            self.0 = Some(value.to_owned());
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

fn line(event: &Event<'_>) -> Option<String> {
    if event.metadata().target() != MAIL {
        return None;
    }
    let mut line = Line::default();
    event.record(&mut line);
    line.0
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Lines {
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match line(event) {
            Some(line) => writeln!(writer, "{line}"),
            None => {
                let mut text = String::new();
                self.0.format_event(cx, Writer::new(&mut text), event)?;
                writeln!(writer, "{}", harmless(text.trim_end()))
            }
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for TextLines {
    fn format_event(&self, cx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let _: Option<&FormattedFields<N>> = None;
        match line(event) {
            Some(line) => writeln!(writer, "{line}"),
            None => {
                let mut text = String::new();
                self.0.format_event(cx, Writer::new(&mut text), event)?;
                writeln!(writer, "{}", harmless(text.trim_end()))
            }
        }
    }
}

/// Whether a character may stand in a log as it is.
fn is_harmless(c: char) -> bool {
    // Controls move cursors and colours; the directional ones make text read as what it is not.
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with every harmful character as `\uXXXX`, which is what JSON calls it, too.
pub fn harmless(text: &str) -> String {
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            out.push(c);
        } else {
            // Infallible: it is a string.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
    }
    out
}

/// One line of JSON about a transaction, `kind` first.
pub fn json_line(record: &Record) -> String {
    let json = serde_json::to_string(record).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    let mut line = harmless(&json);
    line.replace_range(..1, "{\"kind\":\"mail\",");
    line
}

struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN) {
            if is_harmless(c) {
                f.write_char(c)?
            } else {
                write!(f, "\\u{:04x}", u32::from(c))?
            }
        }
        if self.0.chars().nth(SHOWN).is_some() {
            f.write_str("...")
        } else {
            Ok(())
        }
    }
}

/// One line of words about a transaction.
pub fn text_line(record: &Record) -> String {
    let mut line = format!(
        "{} {} from=<{}>",
        record.id,
        record.client,
        Shown(record.from.as_deref().unwrap_or(""))
    );
    for to in record.recipients.iter().take(5) {
        let _ = write!(line, " to=<{}> {}", Shown(&to.to), to.fate);
        if let Some(would) = &to.would {
            let _ = write!(line, " (would {would})");
        }
        if let Some(went) = to.went.as_deref().filter(|_| to.fate == "deliver") {
            let _ = write!(line, " went={}", Shown(went));
        }
        if to.score != gatepost_core::Score::ZERO {
            let _ = write!(line, " {} points {}", to.score, to.level);
        }
        if let Some(fused) = &to.fused {
            let _ = write!(line, " classifiers={:+.2} ({} points)", fused.odds, fused.points);
        }
    }
    if record.recipients.len() > 5 {
        let _ = write!(line, " and {} more", record.recipients.len() - 5);
    }
    let _ = write!(
        line,
        " size={} took={}ms reply=\"{}\"",
        record.size,
        record.took,
        Shown(&record.reply)
    );
    if let Some(auth) = &record.auth {
        let spf = auth.spf.as_ref().map(|spf| spf.result.name());
        let _ = write!(line, " spf={} dmarc={}", spf.unwrap_or("unknown"), auth.dmarc.name());
    }
    for finding in record.findings.iter().take(10) {
        let weight = match finding.evidence {
            Evidence::Points(points) => points.to_string(),
            Evidence::LogOdds { value, .. } => format!("{value:.2} log-odds"),
            _ => String::new(),
        };
        let _ = write!(line, " {}={weight}", finding.tag);
    }
    line
}

/// Writes each transaction's line.
pub struct Log(pub Style);

#[async_trait]
impl Observer for Log {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        let line = self.line(record);
        tracing::info!(target: MAIL, line = line.as_str());
    }

    /// One write for several lines.
    async fn observe_all(&self, ended: &[Ended]) {
        let mut lines = String::new();
        for one in ended {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(&self.line(&one.record));
            if lines.len() >= WRITTEN {
                tracing::info!(target: MAIL, line = lines.as_str());
                lines.clear();
            }
        }
        if !lines.is_empty() {
            tracing::info!(target: MAIL, line = lines.as_str());
        }
    }
}

impl Log {
    fn line(&self, record: &Record) -> String {
        match self.0 {
            Style::Json => json_line(record),
            Style::Text => text_line(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::Direction;

    use super::*;

    fn record(helo: &str) -> Record {
        let client = "192.0.2.1".parse().unwrap();
        let mut record = Record::new("id1".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        record.helo = Some(helo.into());
        record.from = Some(helo.into());
        record
    }

    #[test]
    fn a_strangers_text_stays_within_one_valid_line() {
        for text in [
            "\u{1b}]0;x\u{7}",
            "\"}\n{\"",
            "a\u{9b}31mb",
            "\u{202e}gpj.exe",
            "line\r\nline",
            "\u{7f}",
            "ä€𝄞",
        ] {
            let line = json_line(&record(text));
            assert!(line.chars().all(is_harmless), "{line}");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["helo"], text);
            assert_eq!(value["kind"], "mail");
            assert!(text_line(&record(text)).chars().all(is_harmless));
        }
        assert!(text_line(&record(&"x".repeat(100_000))).len() < 1_000);
    }

    #[derive(Clone, Default)]
    struct Written(Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_question_of_dns_and_so_no_key_of_a_list_is_logged_at_any_level() {
        use crate::config::LogLevel::{Debug, Error, Info, Trace, Warn};
        for level in [Error, Warn, Info, Debug, Trace].map(crate::run::level) {
            let written = Written::default();
            let writer = written.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(heard(level).unwrap())
                .with_writer(move || writer.clone())
                .finish();
            tracing::subscriber::with_default(subscriber, || {
                tracing::error!(target: "hickory_resolver::name_server_pool", "key.zen.example");
                tracing::warn!(target: "hickory_net::udp::udp_client_stream", "key.zen.example");
                tracing::error!(target: "hickory_proto::op", "key.zen.example");
                tracing::error!(target: "gatepost_dns::pulse", "the resolver is silent");
            });
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("key.zen.example"), "{level}: {text}");
            assert!(text.contains("the resolver is silent"), "{level}: {text}");
        }
    }
}

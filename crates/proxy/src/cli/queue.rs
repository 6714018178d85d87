//! `gatepost queue`: mail that waits until its mail server takes it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use gatepost_core::{Depth, Receipt, Request, Waiting, WaitingId, WaitingMail, WaitingOrder};

use super::kept::{nothing, object, print, remark};
use super::office::{Office, say, tell};
use super::when::{now, shown, span};
use crate::log::harmless;

/// Mail that waits: how much, or what is done with it.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Queue {
    /// How much waits for this domain.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Prints an object of JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    what: Option<Verb>,
}

/// What is done with mail that waits.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Lists it, the oldest first: how old, when it is tried next, what the mail server said.
    List {
        #[command(flatten)]
        which: Which,
        /// Behind the one with this id: the next page.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Prints an object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Tells what is known of one, and prints the mail itself where you say why you read it.
    Show {
        /// The mail, or the number of its transaction.
        id: String,
        /// Why you read it: it is noted.
        #[arg(long, value_name = "REASON")]
        why: Option<String>,
        /// Prints what is known as an object of JSON.
        #[arg(long, conflicts_with = "why")]
        json: bool,
    },
    /// Has it tried now.
    Flush(Meant),
    /// Lets it stay until you release it, beyond its time, too.
    Hold {
        #[command(flatten)]
        meant: Meant,
        /// Lets it go on.
        #[arg(long)]
        release: bool,
    },
    /// Gives it more time before it is given up.
    Extend {
        /// How much more: 2d, 12h.
        #[arg(value_name = "TIME", value_parser = humantime::parse_duration)]
        by: Duration,
        #[command(flatten)]
        meant: Meant,
    },
    /// Deletes it. Nobody is told.
    Delete {
        #[command(flatten)]
        meant: Meant,
        /// Without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Gives it up now: proven senders are told, what is left goes to the archive as undelivered.
    Bounce {
        #[command(flatten)]
        meant: Meant,
        /// Without asking.
        #[arg(long)]
        yes: bool,
    },
}

/// By what mail that waits is found. All that is given must hold.
#[derive(Args, Debug, Default, Clone)]
struct Which {
    /// For this domain.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// To this recipient.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// From this envelope sender; '' is the null sender.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Only what was set aside, since it cannot be read or can end nowhere.
    #[arg(long)]
    damaged: bool,
}

impl Which {
    fn waiting(&self) -> Waiting {
        let mut which = Waiting::default();
        which.domain.clone_from(&self.domain);
        which.recipient.clone_from(&self.to);
        which.sender.clone_from(&self.from);
        which.damaged = self.damaged;
        which
    }
}

/// With which mail something is done: it must be named somehow.
#[derive(Args, Debug)]
struct Meant {
    /// Mails by id or by the number of their transaction, domains, recipients.
    #[arg(value_name = "ID|DOMAIN|ADDRESS")]
    named: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// All that waits.
    #[arg(long, conflicts_with = "named")]
    all: bool,
}

impl Meant {
    /// What is meant, one thing after the other.
    fn each(&self) -> Result<Vec<Waiting>, String> {
        let narrow = self.which.waiting();
        if self.named.is_empty() {
            return match narrow.is_all() && !self.all {
                true => Err("name what is meant: an id, a domain, a recipient, --from, or --all".into()),
                false => Ok(vec![narrow]),
            };
        }
        self.named.iter().map(|text| named(&narrow, text)).collect()
    }
}

/// What a word means: an address has an @, a domain a dot, an id neither.
fn named(narrow: &Waiting, text: &str) -> Result<Waiting, String> {
    let mut which = narrow.clone();
    let (place, kind) = match text.trim() {
        "" => return Err("an empty word names no mail".into()),
        text if text.contains('@') => (&mut which.recipient, "recipient"),
        text if text.contains('.') => (&mut which.domain, "domain"),
        _ => (&mut which.id, "id"),
    };
    if place.is_some() {
        return Err(format!("`{text}` is a second {kind}: name one at a time"));
    }
    *place = Some(text.trim().into());
    Ok(which)
}

/// Does it through a desk.
pub async fn run(office: &mut Office, queue: &Queue) -> Result<ExitCode, String> {
    match &queue.what {
        None => depth(office, queue.domain.clone(), queue.json).await,
        Some(Verb::List {
            which,
            after,
            limit,
            json,
        }) => {
            let mut asked = which.waiting();
            asked.after.clone_from(after);
            asked.limit = Some((*limit).into());
            list(office, asked, *json).await
        }
        Some(Verb::Show { id, why, json }) => show(office, id, why.clone(), *json).await,
        Some(Verb::Flush(meant)) => {
            office.runs("it is tried as soon as the daemon runs")?;
            order(office, meant, &WaitingOrder::Flush).await
        }
        Some(Verb::Hold { meant, release }) => order(office, meant, &WaitingOrder::Hold(!release)).await,
        Some(Verb::Extend { by, meant }) => order(office, meant, &WaitingOrder::Extend(*by)).await,
        Some(Verb::Delete { meant, yes }) => {
            if *yes || sure(office, meant, "Delete", "Nobody is told.").await? {
                return order(office, meant, &WaitingOrder::Delete).await;
            }
            Ok(ExitCode::FAILURE)
        }
        Some(Verb::Bounce { meant, yes }) => {
            office.runs("only the daemon can tell senders")?;
            let end = "Proven senders are told, what is left goes to the archive.";
            if *yes || sure(office, meant, "Give up", end).await? {
                return order(office, meant, &WaitingOrder::Bounce).await;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn depth(office: &mut Office, domain: Option<String>, json: bool) -> Result<ExitCode, String> {
    match office.submit(Request::CountWaiting { domain }).await? {
        Receipt::Depth(depth) if json => say(&object(&depth)),
        Receipt::Depth(depth) => summary(&depth, now()).iter().for_each(|line| say(line)),
        other => return Ok(tell(&other)),
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(depth: &Depth, now: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let (mails, octets) = (count(depth.mails), depth.octets);
    lines.push(match depth.oldest {
        _ if depth.mails == 0 => "no mail waits".into(),
        None => format!("{mails}, {octets} octets"),
        Some(oldest) => {
            let age = span(now.saturating_sub(oldest));
            format!(
                "{mails}, {octets} octets, the oldest for {age}, since {}",
                shown(oldest)
            )
        }
    });
    if depth.damaged > 0 {
        lines.push(format!("{} set aside: gatepost queue list --damaged", depth.damaged));
    }
    lines
}

fn count(mails: u64) -> String {
    match mails {
        1 => "1 mail waits".into(),
        mails => format!("{mails} mails wait"),
    }
}

async fn list(office: &mut Office, which: Waiting, json: bool) -> Result<ExitCode, String> {
    match office.submit(Request::Waiting { which }).await? {
        Receipt::Waiting(found, next) => {
            let now = now();
            for mail in &found {
                say(&if json { object(mail) } else { row(mail, now) });
            }
            nothing(found.is_empty());
            if let Some(next) = next {
                remark(&harmless(&format!("there are more: --after {next}")));
            }
            Ok(ExitCode::SUCCESS)
        }
        other => Ok(tell(&other)),
    }
}

fn row(mail: &WaitingMail, now: u64) -> String {
    let more = match mail.recipients.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let to = match mail.recipients.first() {
        Some(to) => format!("to <{to}>{more}"),
        None => format!("to {}", mail.domain),
    };
    let (id, age, size) = (&mail.id, span(now.saturating_sub(mail.at)), mail.size);
    if mail.damaged {
        let why = or(&mail.said, "it cannot be read");
        return harmless(&format!("{id}  {age} old  set aside  {size} octets  {to}  {why}"));
    }
    let (next, said) = (next(mail, now), said(mail));
    harmless(&format!(
        "{id}  {age} old  {next}  {size} octets  from <{}>  {to}  {said}",
        mail.from
    ))
}

fn next(mail: &WaitingMail, now: u64) -> String {
    match mail.next {
        _ if mail.held => "held".into(),
        Some(at) if at > now => format!("next in {}", span(at - now)),
        _ => "next now".into(),
    }
}

fn said(mail: &WaitingMail) -> String {
    match (mail.said.is_empty(), mail.tries) {
        (true, _) => "not tried since the start".into(),
        (false, tries) => format!("tried {tries}: {}", mail.said),
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

async fn show(office: &mut Office, id: &str, why: Option<String>, json: bool) -> Result<ExitCode, String> {
    let id = WaitingId(id.trim().into());
    match office.submit(Request::ShowWaiting { id, why }).await? {
        Receipt::WaitingMail(mail, None) => {
            if json {
                say(&object(&mail));
            } else {
                about(&mail, now()).iter().for_each(|line| say(&harmless(line)));
            }
            Ok(ExitCode::SUCCESS)
        }
        Receipt::WaitingMail(_, Some(octets)) => Ok(print(&octets.0)),
        other => Ok(tell(&other)),
    }
}

/// All that is known of a mail.
fn about(mail: &WaitingMail, now: u64) -> Vec<String> {
    if mail.damaged {
        return vec![
            format!("id       {}", mail.id),
            format!("domain   {}", mail.domain),
            format!("since    {} ({})", shown(mail.at), span(now.saturating_sub(mail.at))),
            format!("size     {} octets", mail.size),
            format!("damaged  it was set aside: {}", or(&mail.said, "it cannot be read")),
        ];
    }
    let left = match mail.until.checked_sub(now) {
        Some(left) => format!("in {}", span(left)),
        None => "overdue".into(),
    };
    let mut lines = vec![
        format!("id       {}", mail.id),
        format!("number   {}", mail.transaction),
        format!("domain   {}", mail.domain),
        format!(
            "route    {}",
            mail.route.as_deref().unwrap_or("none: no route leads there now")
        ),
        format!("since    {} ({})", shown(mail.at), span(now.saturating_sub(mail.at))),
        format!("until    {} ({left})", shown(mail.until)),
        format!("next     {}", next(mail, now)),
        format!("said     {}", said(mail)),
        format!("size     {} octets", mail.size),
        format!("from     <{}>", mail.from),
    ];
    lines.extend(mail.recipients.iter().map(|to| format!("to       <{to}>")));
    lines
}

async fn order(office: &mut Office, meant: &Meant, order: &WaitingOrder) -> Result<ExitCode, String> {
    let mut code = ExitCode::SUCCESS;
    for which in meant.each()? {
        let order = order.clone();
        let told = tell(&office.submit(Request::OrderWaiting { which, order }).await?);
        if told != ExitCode::SUCCESS {
            code = told;
        }
    }
    Ok(code)
}

/// Asks whoever sits there.
async fn sure(office: &mut Office, meant: &Meant, what: &str, end: &str) -> Result<bool, String> {
    const MOST: usize = 1_000;
    if !std::io::stdin().is_terminal() {
        return Err("nobody can be asked here: say --yes".into());
    }
    let mut mails = 0;
    for mut which in meant.each()? {
        which.limit = Some(MOST);
        match office.submit(Request::Waiting { which }).await? {
            Receipt::Waiting(found, next) if next.is_some() => {
                return ask(&format!("{what} more than {} mails? {end}", mails + found.len()));
            }
            Receipt::Waiting(found, None) => mails += found.len(),
            Receipt::Refused(why) | Receipt::Failed(why) => return Err(harmless(&why)),
            _ => return Err("expected a list of mail".into()),
        }
    }
    match mails {
        0 => Err("no such mail waits".into()),
        1 => ask(&format!("{what} 1 mail? {end}")),
        mails => ask(&format!("{what} {mails} mails? {end}")),
    }
}

fn ask(question: &str) -> Result<bool, String> {
    let mut terminal = std::io::stderr().lock();
    let asked = write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
        .map_err(|error| format!("nobody answers: {error}"))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        queue: Queue,
    }

    fn meant(words: &str) -> Result<Vec<Waiting>, String> {
        let words = words.split_whitespace();
        let line = Line::try_parse_from(["queue"].into_iter().chain(words)).map_err(|error| error.to_string())?;
        match line.queue.what {
            Some(
                Verb::Flush(meant)
                | Verb::Hold { meant, .. }
                | Verb::Extend { meant, .. }
                | Verb::Delete { meant, .. }
                | Verb::Bounce { meant, .. },
            ) => meant.each(),
            other => panic!("{other:?}"),
        }
    }

    fn shape(which: &Waiting) -> [Option<&str>; 4] {
        [&which.id, &which.domain, &which.recipient, &which.sender].map(|part| part.as_deref())
    }

    #[test]
    fn a_word_names_an_id_a_domain_or_a_recipient() {
        for (words, expected) in [
            ("flush d.example", [None, Some("d.example"), None, None]),
            ("hold 0AB12 --release", [Some("0AB12"), None, None, None]),
            ("extend 2d c@d.example", [None, None, Some("c@d.example"), None]),
            (
                "delete --from a@b.example --yes",
                [None, None, None, Some("a@b.example")],
            ),
            (
                "bounce d.example --from a@b.example",
                [None, Some("d.example"), None, Some("a@b.example")],
            ),
            ("flush --all", [None; 4]),
            ("flush --domain localhost", [None, Some("localhost"), None, None]),
        ] {
            let each = meant(words).expect(words);
            assert_eq!(each.iter().map(shape).collect::<Vec<_>>(), [expected], "{words}");
        }
        assert_eq!(meant("flush d.example e.example").map(|each| each.len()), Ok(2));
    }

    #[test]
    fn whoever_names_nothing_means_nothing() {
        for words in ["flush", "delete --yes", "hold --release", "extend 2d", "bounce"] {
            assert!(meant(words).is_err_and(|why| why.contains("--all")), "{words}");
        }
        assert!(meant("flush d.example --domain e.example").is_err_and(|why| why.contains("second domain")));
        assert!(meant("flush --all d.example").is_err());
        assert!(meant("extend soon d.example").is_err());
    }

    fn mail() -> WaitingMail {
        let mut mail = WaitingMail::new(WaitingId("0AB12".into()), "d.example", 0, 172_800_000);
        (mail.from, mail.size, mail.tries) = ("a@b.example".into(), 1_234, 3);
        mail.recipients = vec!["c@d.example".into(), "e@d.example".into()];
        mail.said = "421 4.3.2 \u{1b}[2J".into();
        mail.next = Some(8_000_000);
        mail
    }

    #[test]
    fn a_row_tells_age_next_try_and_what_the_server_said() {
        let row = |mail: &WaitingMail| row(mail, 7_940_000);
        let known = row(&mail());
        let end = "1234 octets  from <a@b.example>  to <c@d.example> and 1 more  tried 3: 421 4.3.2 ";
        assert!(
            known.starts_with("0AB12  2h 12m old  next in 1m  ") && known.contains(end),
            "{known}"
        );
        assert!(!known.contains('\u{1b}'), "what would move a cursor");
        let (mut held, mut damaged, mut due) = (mail(), mail(), mail());
        (held.held, held.next) = (true, None);
        (damaged.damaged, damaged.said) = (true, String::new());
        (due.next, due.said) = (Some(1), String::new());
        assert!(row(&held).contains("  held  "));
        assert!(row(&damaged).ends_with("to <c@d.example> and 1 more  it cannot be read"));
        assert!(row(&due).contains("  next now  ") && row(&due).ends_with("not tried since the start"));
    }

    #[test]
    fn the_depth_is_told_in_words() {
        let mut depth = Depth::default();
        assert_eq!(summary(&depth, 0), ["no mail waits"]);
        (depth.mails, depth.octets, depth.oldest) = (2, 300, Some(0));
        assert_eq!(
            summary(&depth, 60_000),
            ["2 mails wait, 300 octets, the oldest for 1m, since 1970-01-01T00:00:00Z"]
        );
        depth.damaged = 1;
        assert!(summary(&depth, 0)[1].contains("list --damaged"));
    }
}

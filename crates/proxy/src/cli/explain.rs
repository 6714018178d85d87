//! `gatepost explain`: why a mail is judged as it is, in plain words first and then in all detail.
//!
//! **Invariant:** nothing of the mail reaches the terminal unescaped.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use gatepost_core::{Came, Explanation, Fused, Path, Receipt, Request, Score, Witness};

use super::office::{Office, say, tell};
use super::replay::{forward, reverse, table};
use super::teach::{domain, mail};
use crate::log::harmless;

/// Clues that are shown of one classifier, each way.
const CLUES: usize = 10;
/// Log-odds that are shown as nothing.
const NOTHING: f32 = 0.005;
/// The most characters of a clue.
const CLUE: usize = 60;
/// The support below which a classifier is said to know little.
const LITTLE: u32 = 50;

/// A mail, and how it came.
#[derive(Args, Debug)]
pub struct Asked {
    /// A file with header and body (`-`: standard input), the id of a kept mail, or the number of its transaction.
    #[arg(value_name = "FILE|ID")]
    mail: String,
    /// Of a file: the client's address. With this and the next three all filters are asked again, else the classifiers.
    #[arg(long, value_name = "ADDRESS", requires_all = ["helo", "from", "to"])]
    ip: Option<IpAddr>,
    /// What the client calls itself.
    #[arg(long, value_name = "NAME", requires = "ip")]
    helo: Option<String>,
    /// The envelope sender; empty for the null sender.
    #[arg(long, value_name = "ADDRESS", requires = "ip", value_parser = reverse)]
    from: Option<Path>,
    /// A recipient; may be given several times.
    #[arg(long, value_name = "ADDRESS", requires = "ip", value_parser = forward)]
    to: Vec<Path>,
    /// As whom it authenticated.
    #[arg(long, value_name = "NAME", requires = "ip")]
    login: Option<String>,
    /// Whose mail it is: one of our domains; without this as its recipients say.
    #[arg(long, value_parser = domain)]
    domain: Option<String>,
    /// Prints all of it as JSON, one line.
    #[arg(long)]
    json: bool,
}

impl Asked {
    fn came(&self) -> Option<Came> {
        let bare = |path: &Path| match path.is_null() {
            true => String::new(),
            false => path.to_string(),
        };
        Some(Came {
            from: bare(self.from.as_ref()?),
            to: self.to.iter().map(bare).collect(),
            ip: self.ip?,
            helo: self.helo.clone()?,
            login: self.login.clone(),
        })
    }
}

/// Asks and tells.
pub async fn run(office: &mut Office, asked: &Asked) -> Result<ExitCode, String> {
    let request = Request::Explain {
        mail: mail(office, &asked.mail).await?,
        came: asked.came(),
        domain: asked.domain.clone(),
    };
    match office.submit(request).await? {
        Receipt::Explained(told) => {
            say(&match asked.json {
                true => harmless(&serde_json::to_string(&told).map_err(|error| error.to_string())?),
                false => worded(&told),
            });
            Ok(ExitCode::SUCCESS)
        }
        other => Ok(tell(&other)),
    }
}

/// A stranger's text, cut.
fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(CLUE).collect();
    if text.chars().nth(CLUE).is_some() {
        short.push_str("...");
    }
    harmless(&short)
}

/// How sure somebody is, in a word.
fn sure(odds: f32) -> &'static str {
    match odds.abs() {
        far if far < 0.5 => "undecided",
        far if far < 2.0 => "hardly sure",
        far if far < 5.0 => "fairly sure",
        _ => "sure",
    }
}

fn side(odds: f32) -> &'static str {
    match odds > 0.0 {
        true => "spam",
        false => "wanted",
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Whether the classifiers' points alone keep it from its recipient.
fn stops(fused: &Fused, from: Option<Score>) -> bool {
    from.is_some_and(|from| fused.points >= from)
}

/// All of it.
fn worded(told: &Explanation) -> String {
    let mut out = summary(told);
    out.push_str(&changes(told));
    for witness in &told.witnesses {
        out.push_str(&details(witness));
    }
    match &told.record {
        Some(record) => {
            let when = match told.recorded {
                true => "When it came",
                false => "All filters, as they are now",
            };
            let _ = write!(out, "\n{when}:\n{}", table(record));
        }
        None => out.push_str(
            "\nThe other filters were not asked: how the mail came is not known. --ip, --helo, --from and --to tell it.\n",
        ),
    }
    out
}

/// What the classifiers say, in words.
fn summary(told: &Explanation) -> String {
    let mut out = String::new();
    let known = told.witnesses.iter().filter(|witness| witness.odds.support > 0);
    let Some(fused) = &told.fused else {
        out.push_str(match (told.witnesses.is_empty(), known.count()) {
            (true, _) => "No classifier stands in a tier of this pipeline.\n",
            (false, 0) => "The classifiers say nothing: they have learned nothing that helps here.\n",
            (false, _) => "The classifiers that know something are in mode `monitor`, so their word does not count.\n",
        });
        return out;
    };
    let words = match sure(fused.odds) {
        "undecided" => "The classifiers are undecided about it".into(),
        sure => format!("The classifiers are {sure} that it is {}", side(fused.odds)),
    };
    let _ = writeln!(
        out,
        "{words}: log-odds {:+.2}, for which they give {} points.",
        fused.odds, fused.points
    );
    let whose = told
        .domain
        .as_ref()
        .map_or(String::new(), |domain| format!(" for mail to {}", cut(domain)));
    let _ = writeln!(
        out,
        "At the risk that is chosen{whose}, {} wanted mails, they give all their points from {:+.2} on.",
        told.risk, fused.threshold
    );
    if !told.vouched {
        out.push_str(
            "Too little wanted mail is confirmed to vouch for that risk yet, so they must be surer than later.\n",
        );
    }
    let little: Vec<String> = known
        .filter(|witness| witness.odds.support < LITTLE)
        .map(|witness| witness.filter.clone())
        .collect();
    if !little.is_empty() {
        let _ = writeln!(out, "Little learned mail stands behind {}.", little.join(", "));
    }
    out
}

/// What would have changed it.
fn changes(told: &Explanation) -> String {
    let Some(fused) = &told.fused else {
        return String::new();
    };
    let mut out = String::from("\nWhat would change it:\n");
    let missing = fused.threshold - fused.odds;
    match (stops(fused, told.stopped_from), told.stopped_from) {
        (true, _) => {
            let _ = writeln!(
                out,
                "- their points alone keep it from its recipient; {:.2} less log-odds, and they would give fewer",
                -missing
            );
        }
        (false, Some(from)) if missing > 0.0 => {
            let _ = writeln!(
                out,
                "- {missing:.2} more log-odds, and they would give all their points; mail is kept from its recipient from {from}"
            );
        }
        (false, Some(from)) => {
            let _ = writeln!(
                out,
                "- they give all their points, and mail is kept from its recipient only from {from}"
            );
        }
        (false, None) => out.push_str("- no score keeps mail from its recipient here\n"),
    }
    for witness in told
        .witnesses
        .iter()
        .filter(|witness| witness.counts && witness.odds.support > 0)
    {
        let _ = match &witness.without {
            None => writeln!(out, "- without {} none would say anything", witness.filter),
            Some(without) => {
                let turns = match (stops(fused, told.stopped_from), stops(without, told.stopped_from)) {
                    (true, false) => ": their points alone would not keep it from its recipient",
                    (false, true) => ": their points alone would keep it from its recipient",
                    _ if (without.odds > 0.0) != (fused.odds > 0.0) => ": it would lean the other way",
                    _ => "",
                };
                writeln!(
                    out,
                    "- without {} the others would say {:+.2}, {} points{turns}",
                    witness.filter, without.odds, without.points
                )
            }
        };
    }
    if let Some(record) = &told.record {
        for recipient in &record.recipients {
            let of_classifiers = recipient.fused.map_or(Score::ZERO, |fused| fused.points);
            let others = recipient.score - of_classifiers;
            let _ = writeln!(
                out,
                "- for {} all filters together gave {} points: {of_classifiers} the classifiers, {others} the others",
                cut(&recipient.to),
                recipient.score
            );
        }
    }
    out
}

/// One classifier and what it saw.
fn details(witness: &Witness) -> String {
    let Witness {
        filter,
        counts,
        odds,
        share,
        clues,
        ..
    } = witness;
    let mut out = String::new();
    let mode = if *counts { "" } else { " (mode monitor: does not count)" };
    if odds.support == 0 {
        let _ = writeln!(out, "\n{filter}{mode}: has learned nothing that helps here");
        return out;
    }
    let _ = writeln!(
        out,
        "\n{filter}{mode}: {:+.2}, by {}; adds {share:+.2}",
        odds.value,
        count(odds.support as usize, "learned mail")
    );
    for (title, wanted) in [("for spam", true), ("for wanted mail", false)] {
        let mut shown = clues
            .iter()
            .filter(|clue| clue.value.abs() >= NOTHING && (clue.value > 0.0) == wanted)
            .take(CLUES)
            .peekable();
        if shown.peek().is_some() {
            let _ = writeln!(out, "  {title}:");
        }
        for clue in shown {
            let _ = writeln!(out, "  {:+7.2} {:>6}  {}", clue.value, clue.support, cut(&clue.what));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Clue, LogOdds};

    use super::*;

    fn clue(what: &str, value: f32) -> Clue {
        Clue {
            what: what.into(),
            value,
            support: 3,
        }
    }

    fn explanation() -> Explanation {
        let mut told = Explanation::new("1 in 1000");
        told.fused = Some(Fused::new(8.0, 6.9, Score::points(10)));
        told.stopped_from = Some(Score::points(10));
        let mut witness = Witness::new(
            "bayes",
            LogOdds {
                value: 9.0,
                support: 12,
            },
        );
        witness.share = 8.5;
        witness.without = Some(Fused::new(-0.5, 6.9, Score::points(-1)));
        witness.clues = vec![clue("cheap\u{1b}[2J", 4.0), clue("meeting", -1.5)];
        told.witnesses.push(witness);
        told
    }

    #[test]
    fn plain_words_come_first_and_details_below() {
        let text = worded(&explanation());
        assert!(
            text.starts_with(
                "The classifiers are sure that it is spam: log-odds +8.00, for which they give 10 points.\n\
                 At the risk that is chosen, 1 in 1000 wanted mails, they give all their points from +6.90 on.\n\
                 Too little wanted mail is confirmed"
            ),
            "{text}"
        );
        for words in [
            "Little learned mail stands behind bayes.",
            "- without bayes the others would say -0.50, -1 points: their points alone would not keep it",
            "bayes: +9.00, by 12 learned mails; adds +8.50\n  for spam:\n    +4.00      3  cheap\\u001b[2J\n  for wanted mail:\n    -1.50",
            "--ip, --helo, --from and --to tell it",
        ] {
            assert!(text.contains(words), "{words}\nin\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn who_knows_nothing_says_so() {
        let mut told = explanation();
        told.fused = None;
        assert!(worded(&told).starts_with("The classifiers that know something are in mode `monitor`"));
        told.witnesses[0].odds.support = 0;
        assert!(worded(&told).starts_with("The classifiers say nothing: they have learned nothing"));
        told.witnesses.clear();
        assert!(worded(&told).starts_with("No classifier stands in a tier"));
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut told = explanation();
        told.vouched = true;
        told.fused = Some(Fused::new(5.6, 6.9, Score::hundredths(810)));
        let text = worded(&told);
        assert!(
            text.contains("- 1.30 more log-odds, and they would give all their points"),
            "{text}"
        );
        assert!(!text.contains("Too little wanted mail"), "{text}");
    }
}

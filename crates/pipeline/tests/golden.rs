//! The golden table: levels, users and recipients of one mail against what becomes of it (P-30, O-01). The table is
//! `fixtures/policy/what-becomes-of-a-mail.table`, written for administrators; each line is a whole transaction here.

mod house;

use std::fmt::Write as _;
use std::sync::Arc;

use gatepost_core::{Concern, Opinion, Phase, RecipientId, Reply, Scope, Score, Standing, Tag, Wish};
use gatepost_pipeline::Slot;
use house::*;
use serde_json::{Map, Value};

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/policy/what-becomes-of-a-mail.table"
);

/// What the lines of a section have in common.
#[derive(Clone, Default)]
struct Setting {
    queue: bool,
    no_archive: bool,
    policy: Map<String, Value>,
}

/// `high.action=hold` as JSON; what is no JSON is a text.
fn set(table: &mut Map<String, Value>, word: &str) {
    let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("key=value, not {word}"));
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    match key.split_once('.') {
        None => drop(table.insert(key.into(), value)),
        Some((level, key)) => {
            let inner = table.entry(level).or_insert_with(|| Map::new().into());
            inner.as_object_mut().expect("a table").insert(key.into(), value);
        }
    }
}

/// A filter that says one thing about a mail, at a moment.
fn witness(name: &str, concern: Concern, at_phase: Phase, opinion: Opinion) -> Slot {
    Slot {
        concern,
        ..at(name, at_phase, opinion)
    }
}

fn weighs(words: &str) -> Opinion {
    let hundredths = words.parse::<f64>().unwrap_or_else(|_| panic!("points, not {words}")) * 100.0;
    Opinion::points(
        Tag::new("golden.points"),
        Score::hundredths(hundredths.round() as i32),
        "",
    )
}

/// The filters that find what a line says.
fn witnesses(found: &str) -> Vec<Slot> {
    use Concern::{Danger, Spam};
    let refuse = |words| wish(Wish::Reject(Reply::plain(550, words)));
    let one = |found: &str| match found.split_once(' ') {
        Some(("infected", points)) => witness("infected", Danger, Phase::Message, weighs(points)),
        None if found == "virus" => witness("virus", Danger, Phase::Message, refuse("a virus")),
        None if found == "listed" => witness("listed", Spam, Phase::Rcpt, refuse("listed")),
        None if found == "greylist" => witness("greylist", Spam, Phase::Rcpt, defer()),
        None if found == "hold" => witness("hold", Spam, Phase::Message, wish(Wish::Hold)),
        _ => witness("points", Spam, Phase::Message, weighs(found)),
    };
    found.split('+').map(|found| one(found.trim())).collect()
}

/// The lists of single recipients: who has the sender on its white one, who on its black one.
fn lists(to: &[&str]) -> Vec<Slot> {
    let friends: Vec<RecipientId> = (0..)
        .zip(to)
        .filter(|(_, to)| **to == "friend")
        .map(|(n, _)| RecipientId(n))
        .collect();
    let mut denied = slot("black", |phase, about| {
        let is_denier = phase == Phase::Rcpt && about.starts_with("denier@");
        let deny = || wish(Wish::Deny(Reply::plain(550, "denied")));
        Ok(if is_denier { deny() } else { Opinion::none() })
    });
    denied.name = "black".into();
    let welcome = friends.into_iter().fold(Opinion::none(), |opinion, who| {
        opinion.wish_for(Scope::Only(who), Standing::Any, Wish::Exempt)
    });
    // It speaks at RCPT and before, as the white list does; the recipients are told by their numbers.
    vec![at("white", Phase::Mail, welcome), denied]
}

/// The marks of a delivered mail, in words.
fn marks(mail: &str) -> String {
    let field = |name: &str| {
        let mut lines = mail.lines().take_while(|line| !line.is_empty());
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let mut marks: Vec<String> = field("X-Gatepost-Level").map(str::to_owned).into_iter().collect();
    let subject = field("Subject").unwrap_or_default();
    marks.extend(subject.strip_suffix(" hi").map(|tag| format!("\"{tag}\"")));
    marks.extend(field("X-Gatepost-Would").map(|would| format!("would {}", would.split(';').next().unwrap_or(would))));
    if marks.is_empty() {
        "as it is".into()
    } else {
        marks.join(", ")
    }
}

/// Plays a line; what became of it, in the columns of the table.
async fn play(users: &[(String, String)], setting: &Setting, found: &str, to: &[&str]) -> String {
    let mut filters = lists(to);
    filters.extend(witnesses(found));
    let mut house = house(filters);
    house.policy = Value::Object(setting.policy.clone()).to_string();
    house.users = users.to_vec();
    let archive = Arc::new(Archive::default());
    house.archive = (!setting.no_archive).then(|| Arc::clone(&archive));
    house.queue = setting.queue.then(Arc::default);
    let mut session = house.session().await;
    let addresses: Vec<String> = to.iter().map(|to| format!("{to}@d.example")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let replies = session.transaction(&addresses).await;
    let codes = codes(&replies);
    let (at_rcpt, at_dot) = codes.split_at(to.len());
    let away = to.iter().zip(at_rcpt).filter(|(_, code)| **code != "250");
    let away: Vec<String> = away.map(|(to, code)| format!("{to} {code}")).collect();
    let granted: Vec<&str> = to
        .iter()
        .zip(at_rcpt)
        .filter(|(_, code)| **code == "250")
        .map(|(to, _)| *to)
        .collect();
    let delivered: Vec<String> = session
        .server
        .heard()
        .iter()
        .filter_map(|line| line.strip_prefix("DELIVER "))
        .zip(session.server.mail())
        .map(|(places, mail)| {
            let places: Vec<usize> = serde_json::from_str(places).expect("numbers");
            let who: Vec<&str> = places.iter().map(|place| granted[*place]).collect();
            format!("{}: {}", who.join(" "), marks(&mail))
        })
        .collect();
    session.records().await;
    let kept: Vec<String> = archive
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|line| line.replace("@d.example", "").replacen(' ', ": ", 1))
        .collect();
    let or_none = |all: Vec<String>, between: &str| if all.is_empty() { "-".into() } else { all.join(between) };
    format!(
        "{} | {} | {} | {}",
        or_none(away, ", "),
        at_dot.first().unwrap_or(&"-"),
        or_none(delivered, " / "),
        or_none(kept, ", ")
    )
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_mail_is_as_the_table_says() {
    let text = std::fs::read_to_string(FILE).expect("the table");
    let (mut users, mut setting, mut played, mut wrong) = (Vec::new(), Setting::default(), 0, Vec::new());
    let mut table = String::new();
    for line in text.lines() {
        let plain = line.split(" #").next().unwrap_or(line).trim();
        if plain.is_empty() || plain.starts_with('#') {
        } else if plain.starts_with("==") {
            setting = Setting::default();
        } else if let Some(words) = plain.strip_prefix("user ") {
            let mut words = words.split_whitespace();
            let mut layer = Map::new();
            let name = words.next().expect("a name").to_owned();
            words.for_each(|word| set(&mut layer, word));
            users.push((name, Value::Object(layer).to_string()));
        } else if let Some(words) = plain.strip_prefix("setting ") {
            for word in words.split_whitespace() {
                match word {
                    "queue" => setting.queue = true,
                    "no_archive" => setting.no_archive = true,
                    word => set(&mut setting.policy, word),
                }
            }
        } else {
            let mut columns = plain.splitn(3, '|').map(str::trim);
            let (found, to) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
            let to_all: Vec<&str> = to.split_whitespace().collect();
            let became = play(&users, &setting, found, &to_all).await;
            let said = columns.next().unwrap_or_default();
            let said = said.split('|').map(str::trim).collect::<Vec<_>>().join(" | ");
            played += 1;
            let now = format!("{found:<14} | {to:<34} | {became}");
            if said != became {
                wrong.push(now.clone());
            }
            let _ = writeln!(table, "{now}");
            continue;
        }
        let _ = writeln!(table, "{line}");
    }
    assert!(played > 100, "{played}");
    #[allow(
        clippy::disallowed_methods,
        reason = "whoever runs it may want the table as it is now"
    )]
    let wanted = std::env::var("GOLDEN");
    if let Ok(file) = wanted {
        std::fs::write(file, &table).expect("the table as it is played");
    }
    assert!(
        wrong.is_empty(),
        "{} of {played} lines are not so; they are\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

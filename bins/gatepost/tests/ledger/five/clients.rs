//! The clients: each sends its letters until every recipient has heard yes or no.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::{CUSTOMERS, Stage};
use crate::chance::Chance;
use crate::house::{Client, stuffed};
use crate::plan::Mail;

/// Whom there is at each customer.
pub const NAMES: [&str; 4] = ["bob", "carl", "eve", NEVER];
/// Whom the servers refuse, although he is on the list of the customer.
pub const NEVER: &str = "never";

/// A letter: its mail, and who has not heard yes or no.
#[derive(Clone)]
pub struct Letter {
    mail: Mail,
    pending: Vec<String>,
}

impl Letter {
    /// The letter of this number: to one or two of one customer, some to people of two.
    pub fn new(seed: u64, number: u32) -> Letter {
        let mut chance = Chance::new(seed, u64::from(number) << 21);
        let mut one = || {
            let name = NAMES[usize::try_from(chance.below(3)).expect("an index")];
            let customer = &CUSTOMERS[usize::try_from(chance.below(4)).expect("an index")];
            (name, customer.domain)
        };
        let ((first, domain), (second, other)) = (one(), one());
        let pending = match number % 10 {
            0 => vec![format!("{NEVER}@{domain}")],
            1 => vec![format!("{first}@{domain}"), format!("{NEVER}@{domain}")],
            2 | 3 => vec![format!("{first}@{domain}"), format!("{second}@{other}")],
            _ => vec![format!("{first}@{domain}")],
        };
        let mut letter = Letter {
            mail: Mail::new(seed, number),
            pending,
        };
        letter.pending.dedup();
        letter
    }
}

/// One try to send a letter.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u32,
    pub letter: u32,
    /// The recipients, and with which code each was answered.
    pub to: Vec<(String, Option<u16>)>,
    /// The answer to the message, or to DATA.
    pub answer: Option<u16>,
    /// The final dot was sent, or perhaps sent.
    pub dot: bool,
}

impl Attempt {
    /// The last word that was heard about a recipient.
    pub fn heard(&self, to: &str) -> Option<u16> {
        let (_, code) = self.to.iter().find(|(one, _)| one == to)?;
        match code {
            Some(250) => self.answer,
            code => *code,
        }
    }
}

/// Sends letters, and gives up only when it is over.
pub fn send(stage: &Stage, mx: SocketAddr, who: u64, letters: Vec<Letter>) {
    let mut chance = Chance::new(stage.seed, who);
    let mut waiting = VecDeque::from(letters);
    while let Some(mut letter) = waiting.pop_front() {
        if stage.over.load(Ordering::SeqCst) {
            return;
        }
        let mut attempt = Attempt {
            number: u32::try_from(stage.numbers.fetch_add(1, Ordering::SeqCst)).expect("a number"),
            letter: letter.mail.number,
            to: letter.pending.iter().map(|to| (to.clone(), None)).collect(),
            answer: None,
            dot: false,
        };
        let ended = converse(mx, &letter, &mut attempt);
        letter
            .pending
            .retain(|to| !matches!(attempt.heard(to), Some(200..=299 | 500..=599)));
        stage.sent.lock().expect("a lock").push(attempt);
        if letter.pending.is_empty() {
            stage.finished.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        if ended.is_none() {
            chance.pause(20);
        }
        chance.pause(60);
        waiting.push_back(letter);
    }
}

/// One connection; nothing where it ended before QUIT.
fn converse(mx: SocketAddr, letter: &Letter, attempt: &mut Attempt) -> Option<()> {
    let mut client = Client::try_connect(mx).ok()?;
    if client.try_greeting()?.code != 220 {
        return None;
    }
    let mut ask = |line: &str| {
        client
            .try_send(format!("{line}\r\n"))
            .then(|| client.try_reply())
            .flatten()
            .map(|reply| reply.code)
    };
    ask("EHLO client.there.example")?;
    let mail = ask("MAIL FROM:<ann@there.example>")?;
    for (to, code) in &mut attempt.to {
        *code = Some(match mail {
            250 => ask(&format!("RCPT TO:<{to}>"))?,
            mail => mail,
        });
    }
    if attempt.to.iter().any(|(_, code)| *code == Some(250)) {
        let data = ask("DATA")?;
        if data == 354 {
            attempt.dot = true;
            let mut content = stuffed(&letter.mail.content(attempt.number));
            content.extend_from_slice(b".");
            // Whatever is in it, what is asked ends in CR LF.
            let content = String::from_utf8(content).expect("text");
            attempt.answer = Some(ask(&content)?);
        } else {
            attempt.answer = Some(data);
        }
    }
    ask("QUIT").map(|_| ())
}

//! One round of questions: all lists at the same time, under one deadline.
//!
//! **Invariants:** a list counts only where it is known to be well, or is seen to be in the same round; what one list or
//! one stranger's name server does costs the others nothing but the deadline; all rounds of a session share one deadline,
//! whatever they wait for. When that is over, each has a quarter of it for lists that do answer: a list that was late is
//! not asked again in that session, and where all were, none is. What such a short round does not hear is nobody's fault.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, OptionFuture, Shared, join, join_all, select};
use gatepost_core::prelude::*;
use gatepost_core::{Dns, Lookup};
use tokio::time::Instant;

use crate::answer::{Answer, Meaning, Unusable};
use crate::health::{self, Health, Part};
use crate::list::List;
use crate::memory::Memory;
use crate::options::Check;

/// The share of the deadline that a round has in any case.
const SHARE: u32 = 4;
/// Shorter waits are not counted.
const NOTED: Duration = Duration::from_millis(20);
/// The most octets of a list's own text that are told.
const TEXT_MAX: usize = 200;
/// The most octets of it that are read.
const TEXT_READ: usize = 4096;

/// One question to a list.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The list.
    pub list: &'a List,
    /// Which part of it.
    pub part: Part,
    /// What is asked.
    pub name: String,
    /// About what, for people.
    pub subject: Arc<str>,
    /// Whether that is a client that connects to us itself.
    pub connecting: bool,
}

/// What a list has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit<'a> {
    /// The list.
    pub list: &'a List,
    /// About what.
    pub subject: Arc<str>,
    /// What it says; at least one.
    pub meanings: Vec<(&'a Meaning, Ipv4Addr)>,
    /// Its own text, where that is wanted.
    pub text: Option<String>,
    /// Whether it may refuse: it has just been seen not to answer for everything.
    pub proven: bool,
}

/// What a round has shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown<'a> {
    /// What lists have.
    pub hits: Vec<Hit<'a>>,
    /// Lists of which nothing may be concluded, and why; each once, by name.
    pub unusable: BTreeMap<&'a str, String>,
    /// Those of them that have shown in this round that they are of no use at all.
    pub condemned: Vec<&'a str>,
}

/// The end of a round, for whoever waits in it.
#[derive(Clone)]
pub struct Deadline(Shared<Pin<Box<tokio::time::Sleep>>>);

impl Deadline {
    /// Begins.
    pub fn after(time: Duration) -> Deadline {
        Deadline(Box::pin(tokio::time::sleep(time)).shared())
    }

    /// The result, if it comes in time.
    pub async fn wait<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let work = std::pin::pin!(work);
        match select(work, self.0.clone()).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(((), _)) => None,
        }
    }
}

/// Questions that depend on what DNS says of something else first: a stranger's name servers, or the client's name.
pub type Chain<'a> = BoxFuture<'a, Vec<Query<'a>>>;

/// Whom a round asks, and what it remembers.
pub struct Round<'a> {
    /// DNS.
    pub dns: &'a dyn Dns,
    /// What is known of lists.
    pub memory: &'a Memory,
    /// The moment.
    pub cx: &'a Context<'a>,
    deadline: Deadline,
    began: Instant,
    /// How long the session had waited before.
    spent: Duration,
    /// Whether all of the deadline is there, so that who does not answer in it may be blamed.
    whole: bool,
    /// Whether it is the first of its session.
    first: bool,
}

type Records = Result<Vec<Ipv4Addr>, Unusable>;

/// What came of one question.
struct Got {
    records: Records,
    text: Option<String>,
    /// Where the list may refuse for it: what it answers to a question that no list has.
    fresh: Option<Records>,
}

/// Those questions, one for each list that refuses; asked once something is listed there.
type Fresh<'f> = Vec<(&'f List, Part, Shared<BoxFuture<'f, Records>>)>;

/// A moment of the clock by which the deadline sleeps.
#[expect(clippy::disallowed_methods, reason = "a wait is measured, no time of day is taken")]
fn instant() -> Instant {
    Instant::now()
}

impl<'a> Round<'a> {
    /// Begins; `most` is how long a session waits in all.
    pub async fn begin(dns: &'a dyn Dns, memory: &'a Memory, cx: &'a Context<'a>, most: Duration) -> Round<'a> {
        let spent = memory.spent(cx).await;
        let left = most.saturating_sub(spent).max(most / SHARE);
        Round {
            dns,
            memory,
            cx,
            deadline: Deadline::after(left),
            began: instant(),
            spent,
            whole: left == most,
            first: false,
        }
    }

    /// That it is the first one of its session: nobody has answered yet.
    #[must_use]
    pub fn first(self) -> Round<'a> {
        Round { first: true, ..self }
    }

    async fn a(&self, name: &str) -> Records {
        let answer = self.deadline.wait(health::ask(self.dns, name)).await;
        answer.unwrap_or(Err(Unusable::Late))
    }

    async fn text(&self, query: &Query<'_>) -> Option<String> {
        if !(query.list.refuse && query.list.txt) {
            return None;
        }
        let found = self.deadline.wait(self.dns.txt(&query.name)).await?.ok()?;
        let Lookup::Found { records, .. } = found else {
            return None;
        };
        let text = query.list.zone.masked(&printable(records.first()?));
        // Cut only now: half a key is one, too.
        Some(text.chars().take(TEXT_MAX).collect()).filter(|text: &String| !text.is_empty())
    }

    /// The questions that no list has, to lists that may refuse.
    fn fresh<'f>(&'f self, all: &[(&'f List, Part)]) -> Fresh<'f> {
        let refusing = all.iter().filter(|(list, _)| list.refuse && list.check != Check::None);
        let asked = refusing.map(|&(list, part)| {
            let name = health::fresh(list, part, self.memory.token(list, part, self.cx));
            let asking = async move {
                match name {
                    Some(name) => self.a(&name).await,
                    None => Err(Unusable::Fault("no such name can be asked for")),
                }
            };
            (list, part, asking.boxed().shared())
        });
        asked.collect()
    }

    /// An ordinary question; where the list has it, its text and whether it has everything.
    async fn one(&self, query: &Query<'_>, fresh: &Fresh<'_>) -> Got {
        let records = self.a(&query.name).await;
        let listed = matches!(&records, Ok(records) if matches!(query.list.code.read(records), Answer::Listed(_)));
        if !listed {
            return Got {
                records,
                text: None,
                fresh: None,
            };
        }
        let fresh = fresh
            .iter()
            .find(|(list, part, _)| std::ptr::eq(*list, query.list) && *part == query.part)
            .map(|(_, _, asking)| asking.clone());
        let (text, fresh) = join(self.text(query), OptionFuture::from(fresh)).await;
        Got { records, text, fresh }
    }

    /// How a list is, and why nothing is to be concluded where that is not its own fault.
    async fn check(&self, list: &List, part: Part) -> (Health, Option<Unusable>) {
        let probes = health::probes(list, part);
        let answers = join_all(probes.iter().map(|probe| self.a(&probe.name))).await;
        let ours = answers.iter().find_map(|answer| match answer {
            Err(why @ Unusable::Ours(_)) => Some(*why),
            _ => None,
        });
        let health = health::judge(&list.code, probes.iter().zip(answers));
        (health, ours.filter(|_| health == Health::Silent))
    }

    /// Questions that come later, to lists that are not out.
    async fn chain(&self, chain: Chain<'a>, open: &[(&List, Part)], fresh: &Fresh<'_>) -> Vec<(Query<'a>, Got)> {
        let mut queries = self.deadline.wait(chain).await.unwrap_or_default();
        queries.retain(|query| holds(open, query.list, query.part));
        let answers = join_all(queries.iter().map(|query| self.one(query, fresh))).await;
        queries.into_iter().zip(answers).collect()
    }

    /// Asks. `ahead` are the lists that chains are going to ask: they are checked meanwhile.
    pub async fn ask(&self, queries: Vec<Query<'a>>, chains: Vec<Chain<'a>>, ahead: &[(&'a List, Part)]) -> Shown<'a> {
        let mut shown = Shown::default();
        if queries.is_empty() && chains.is_empty() {
            return shown;
        }
        let (cx, memory) = (self.cx, self.memory);
        let mut all = parts(&queries);
        let more = ahead.iter().filter(|(list, part)| !holds(&all, list, *part));
        all.extend(more.copied().collect::<Vec<_>>());
        if memory.has_waited(cx).await {
            let why = "not asked: DNS was too slow earlier in this session";
            shown
                .unusable
                .extend(all.iter().map(|(list, _)| (&*list.name, why.to_owned())));
            return shown;
        }
        let (mut well, mut unknown) = (Vec::new(), Vec::new());
        for (list, part) in all {
            if !self.spent.is_zero() && memory.has_waited_for(list, part, cx).await {
                let why = "not asked: no answer in time earlier in this session";
                shown.unusable.insert(&list.name, why.to_owned());
                continue;
            }
            match memory.health(list, part, cx.now()).await {
                Some(Health::Well) => well.push((list, part)),
                Some(out) => drop(shown.unusable.insert(&list.name, out.to_string())),
                None => unknown.push((list, part)),
            }
        }
        let open = [well.as_slice(), unknown.as_slice()].concat();
        let fresh = self.fresh(&open);
        let mut asked = queries;
        asked.retain(|query| holds(&open, query.list, query.part));
        let answers = join_all(asked.iter().map(|query| self.one(query, &fresh)));
        let checks = join_all(unknown.iter().map(|(list, part)| self.check(list, *part)));
        let chains = join_all(chains.into_iter().map(|chain| self.chain(chain, &open, &fresh)));
        let ((answers, checks), chained) = join(join(answers, checks), chains).await;
        let mut late = Vec::new();
        for ((list, part), (health, ours)) in unknown.into_iter().zip(checks) {
            if let Some(why) = ours {
                shown.unusable.insert(&list.name, why.to_string());
                continue;
            }
            // A short round shows nothing by silence.
            if self.whole || health != Health::Silent {
                memory.checked(list, part, health, cx.now()).await;
            } else {
                memory.waited_for(list, part, cx).await;
            }
            match health {
                Health::Well => well.push((list, part)),
                out => drop(shown.unusable.insert(&list.name, out.to_string())),
            }
        }
        let asked_of = parts(&asked);
        for (query, got) in asked.into_iter().zip(answers) {
            // Who did not answer in time is noted once a round, however often it was asked.
            if matches!(got.records, Err(Unusable::Late)) && !holds(&late, query.list, query.part) {
                late.push((query.list, query.part));
            }
            if holds(&well, query.list, query.part) {
                self.read(query, got, &mut shown).await;
            }
        }
        // A stranger's name server may have left them no time: that is not the lists' fault.
        for (query, got) in chained.into_iter().flatten() {
            if holds(&well, query.list, query.part) {
                self.read(query, got, &mut shown).await;
            }
        }
        self.waited(&asked_of, &late).await;
        // What is of no use now was of no use a moment ago.
        let Shown { hits, condemned, .. } = &mut shown;
        hits.retain(|hit| !condemned.contains(&&*hit.list.name));
        shown
    }

    /// Notes how long this took, and who was late.
    async fn waited(&self, asked: &[(&List, Part)], late: &[(&List, Part)]) {
        let (memory, cx) = (self.memory, self.cx);
        let took = self.began.elapsed();
        // An answer at once is no wait.
        if took >= NOTED {
            memory.spend(cx, took).await;
        }
        // One list alone says nothing of the resolver once others have answered.
        if !late.is_empty() && late.len() == asked.len() && (late.len() > 1 || self.first) {
            memory.waited(cx).await;
        }
        for (list, part) in late {
            memory.waited_for(list, *part, cx).await;
            if self.whole {
                memory.late(list, *part, cx.now()).await;
            }
        }
    }

    /// What an answer of a list that is well shows.
    async fn read(&self, query: Query<'a>, got: Got, shown: &mut Shown<'a>) {
        let list = query.list;
        let proven = match got.fresh.as_ref().map(|fresh| fresh.as_deref()) {
            None | Some(Ok([])) => true,
            Some(Ok(_)) => {
                let health = Health::Everything;
                self.memory.condemned(list, query.part, health, self.cx.now()).await;
                shown.condemned.push(&list.name);
                shown.unusable.insert(&list.name, health.to_string());
                return;
            }
            Some(Err(why)) => {
                let why = format!("refuses nobody, as nothing shows that it does not answer for everything: {why}");
                shown.unusable.insert(&list.name, why);
                false
            }
        };
        let why = match got.records.as_deref().map(|records| list.code.read(records)) {
            Ok(Answer::Clear) => return,
            Ok(Answer::Listed(meanings)) => {
                let counts = |(meaning, _): &(&Meaning, Ipv4Addr)| query.connecting || !meaning.connecting_only;
                let meanings: Vec<_> = meanings.into_iter().filter(counts).collect();
                if !meanings.is_empty() {
                    shown.hits.push(Hit {
                        list,
                        subject: query.subject,
                        meanings,
                        text: got.text,
                        proven,
                    });
                }
                return;
            }
            Ok(Answer::Unusable(why)) => why,
            Err(why) => *why,
        };
        if let Some(health) = Health::after(why) {
            self.memory.condemned(list, query.part, health, self.cx.now()).await;
            shown.condemned.push(&list.name);
        }
        shown.unusable.insert(&list.name, why.to_string());
    }
}

fn holds(all: &[(&List, Part)], list: &List, part: Part) -> bool {
    all.iter().any(|(known, of)| std::ptr::eq(*known, list) && *of == part)
}

/// The lists that are asked, and which parts of them, each once.
fn parts<'a>(queries: &[Query<'a>]) -> Vec<(&'a List, Part)> {
    let mut all = Vec::new();
    for query in queries {
        if !holds(&all, query.list, query.part) {
            all.push((query.list, query.part));
        }
    }
    all
}

/// A stranger's text as one line of printable ASCII, without the braces that replies fill in.
fn printable(text: &[u8]) -> String {
    let legible = |b: &u8| match b {
        b'{' | b'}' => ' ',
        b' '..=b'~' => char::from(*b),
        _ => ' ',
    };
    let line: String = text.iter().take(TEXT_READ).map(legible).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lists_text_is_one_line_of_printable_ascii() {
        assert_eq!(
            printable(b"see\r\n250 ok {id} \xc3\xa4\0 https://l.example/"),
            "see 250 ok id https://l.example/"
        );
        assert_eq!(printable(&[b'a'; 10_000]).len(), TEXT_READ);
    }
}

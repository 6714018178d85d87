//! The statements that order the mail server about, and those that look at what came of it all.

use gatepost_core::{Fault, Record};

use super::script::{BadScript, bad, span, word};
use super::talk::{Talk, Trouble, differs, same};
use crate::alarms::Alarm;
use crate::told::reply;
use crate::upstream::{Delivered, Dies};

impl Talk {
    /// What the mail server is told to do.
    pub(super) fn upstream(&mut self, rest: &str) -> Result<(), Trouble> {
        let server = &self.house.upstream;
        let (what, how) = word(rest.trim());
        let answer = |text: &str| match text.trim() {
            "ok" => Ok(None),
            text => reply(text)
                .map(Some)
                .ok_or_else(|| BadScript("a reply such as `451 4.3.0 later`, or `ok`".into())),
        };
        match what {
            "rcpt" => {
                let (address, text) = word(how);
                let Some(reply) = reply(text) else {
                    return Ok(bad("`upstream rcpt ADDRESS 550 5.1.1 words`")?);
                };
                server.rcpt(address, reply);
            }
            "mail" => server.mail(answer(how)?),
            "dot" => server.dot(answer(how)?),
            "auth" => server.auth(answer(how)?),
            "each" => {
                let (address, text) = word(how);
                let Some(reply) = reply(text) else {
                    return Ok(bad("`upstream each ADDRESS 550 5.7.1 words`")?);
                };
                server.each(address, reply);
            }
            "down" => server.down(true),
            "away" if how.trim().is_empty() => server.away(Some("default")),
            "away" => server.away(Some(how.trim())),
            "up" => {
                server.down(false);
                server.away(None);
            }
            "slow" => server.slow(span(how)?),
            "missing" => server.missing(Some(how)),
            "dies" => server.dies(match how.trim() {
                "at rcpt" => Some(Dies::AtRcpt),
                "before the dot" => Some(Dies::BeforeDot),
                "at the dot" => Some(Dies::AtDot),
                "after the dot" => Some(Dies::AfterDot),
                "never" => None,
                _ => {
                    return Ok(bad(
                        "`at rcpt`, `before the dot`, `at the dot`, `after the dot` or `never`",
                    )?);
                }
            }),
            _ => {
                return Ok(bad(
                    "`upstream` rcpt, each, mail, dot, auth, down, away, up, slow, missing or dies",
                )?);
            }
        }
        Ok(())
    }

    /// What the mail server has taken.
    pub(super) fn delivered(&self, rest: &str) -> Result<(), Trouble> {
        let all = self.house.upstream.delivered();
        let (what, how) = word(rest.trim());
        if what.parse::<usize>().is_ok() {
            return same("delivered", what, all.len());
        }
        let Some(last) = all.last() else {
            return differs(rest, "nothing was delivered");
        };
        let Delivered {
            from, to, bytes, route, ..
        } = last;
        let content = String::from_utf8_lossy(bytes);
        let told = |expected: &str, got: String| {
            if expected.trim().eq_ignore_ascii_case(&got) {
                Ok(())
            } else {
                differs(expected, got)
            }
        };
        match what {
            "from" => told(how, if from.is_null() { "<>".into() } else { from.to_string() }),
            "to" => told(how, to.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            "route" => told(how, route.to_string()),
            "canonical" => {
                let bare = content.replace("\r\n", "");
                if bare.contains(['\r', '\n', '\0']) {
                    differs("CR LF line ends and nothing odd", content)
                } else {
                    Ok(())
                }
            }
            "has" if content.contains(how) => Ok(()),
            "lacks" if !content.contains(how) => Ok(()),
            "has" | "lacks" => differs(rest, content),
            _ => Ok(bad("`delivered` NUMBER, from, to, route, canonical, has or lacks")?),
        }
    }

    /// What the queue is told to say, and what it has taken.
    pub(super) fn queue(&self, rest: &str) -> Result<(), Trouble> {
        let queue = &self.house.queue;
        queue.fill(rest == "full");
        queue.book.fail(match rest {
            "fails" => Some(Fault::Unavailable("queue")),
            "full" | "well" => None,
            _ => return Ok(bad("`queue full`, `queue fails` or `queue well`")?),
        });
        Ok(())
    }

    /// What the queue has taken.
    pub(super) fn queued(&self, rest: &str) -> Result<(), Trouble> {
        let (what, how) = word(rest.trim());
        if what.parse::<usize>().is_ok() {
            return same("queued", what, self.house.queue.book.len());
        }
        let Some(last) = self.house.queue.book.last() else {
            return differs(rest, "nothing was queued");
        };
        let mut octets = Vec::new();
        // What is in memory can be read.
        let _ = std::io::Read::read_to_end(&mut last.message.read(), &mut octets);
        let content = String::from_utf8_lossy(&octets);
        let to: Vec<_> = last.recipients.iter().map(|(to, _)| to.to_string()).collect();
        let got = match what {
            "to" => to.join(" "),
            "from" if last.from.is_null() => "<>".into(),
            "from" => last.from.to_string(),
            "route" => last.route.clone(),
            "proven" => if last.proven { "yes" } else { "no" }.into(),
            "has" if content.contains(how) => return Ok(()),
            "lacks" if !content.contains(how) => return Ok(()),
            "has" | "lacks" => return differs(rest, content),
            _ => return Ok(bad("`queued` NUMBER, to, from, route, proven yes|no, has or lacks")?),
        };
        match how.trim().eq_ignore_ascii_case(&got) {
            true => Ok(()),
            false => differs(how, got),
        }
    }

    /// How often DNS was asked.
    pub(super) fn asked(&self, rest: &str) -> Result<(), Trouble> {
        let (count, name) = word(rest.trim());
        same("asked", count, self.house.fakes.zone.asked_below(name.trim()))
    }

    /// What an operator was told.
    pub(super) fn alarm(&self, rest: &str) -> Result<(), Trouble> {
        let said = self.house.fakes.alarms.book.all();
        let mut words = rest.split_whitespace();
        let told = match (words.next(), words.next(), words.next()) {
            (Some("raised"), Some(kind), Some(about)) => said
                .iter()
                .any(|alarm| matches!(alarm, Alarm::Raised(known, of, _) if *known == kind && of == about)),
            (Some("over"), Some(kind), Some(about)) => said
                .iter()
                .any(|alarm| matches!(alarm, Alarm::Over(known, of) if *known == kind && of == about)),
            (Some("lacks"), Some(text), None) => !format!("{said:?}").contains(text),
            _ => return Ok(bad("`alarm raised|over KIND ABOUT` or `alarm lacks WORD`")?),
        };
        if told {
            Ok(())
        } else {
            differs(rest, format!("{said:?}"))
        }
    }

    /// What the last record says.
    pub(super) async fn record(&self, rest: &str) -> Result<(), Trouble> {
        let Some(record) = self.house.records().await.pop() else {
            return differs(rest, "no record");
        };
        let Record {
            recipients,
            findings,
            notes,
            end,
            ..
        } = &record;
        let (what, how) = word(rest.trim());
        let json = serde_json::to_string(&record).unwrap_or_default();
        let list = |all: Vec<String>, how: &str| {
            if all.iter().any(|one| one == how) {
                Ok(())
            } else {
                differs(rest, format!("{all:?}"))
            }
        };
        match what {
            "fate" => list(recipients.iter().map(|to| to.fate.clone()).collect(), how),
            "would" => list(recipients.iter().filter_map(|to| to.would.clone()).collect(), how),
            "because" => list(
                recipients
                    .iter()
                    .flat_map(|to| to.because.iter().map(ToString::to_string))
                    .collect(),
                how,
            ),
            "level" => list(recipients.iter().map(|to| to.level.to_string()).collect(), how),
            "score" => list(recipients.iter().map(|to| to.score.to_string()).collect(), how),
            "finding" => list(findings.iter().map(|finding| finding.tag.to_string()).collect(), how),
            "end" => list(
                vec![
                    serde_json::to_value(end)
                        .ok()
                        .and_then(|end| end.as_str().map(str::to_owned))
                        .unwrap_or_default(),
                ],
                how,
            ),
            "note" if notes.iter().any(|note| note.contains(how)) => Ok(()),
            "note" => differs(rest, format!("{notes:?}")),
            "has" if json.contains(how) => Ok(()),
            "lacks" if !json.contains(how) => Ok(()),
            "has" | "lacks" => differs(rest, json),
            _ => Ok(bad(
                "`record` fate, would, because, level, score, finding, end, note, has or lacks",
            )?),
        }
    }
}

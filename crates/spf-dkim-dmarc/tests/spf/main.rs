//! SPF by zones of our own: a case for each rule of RFC 7208, the limits as DNS counts them, trouble with DNS, and strangers'
//! octets of any kind.

mod limits;
mod macros;
#[path = "../oracle/mod.rs"]
mod oracle;
mod records;
mod rules;
mod shaken;
mod trouble;

use gatepost_core::{SpfResult, Time};
use gatepost_spf_dkim_dmarc::spf::{Answer, Question, check};
use gatepost_testkit::Zone;

/// A client at 192.0.2.1 that says `HELO mail.example.net` and sends as `ann@example.org`, until told otherwise.
#[derive(Clone, Debug)]
struct Asked {
    client: &'static str,
    helo: String,
    local: String,
    domain: String,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked {
            client: "192.0.2.1",
            helo: "mail.example.net".into(),
            local: "ann".into(),
            domain: "example.org".into(),
        }
    }
}

impl Asked {
    fn by(client: &'static str) -> Asked {
        Asked {
            client,
            ..Asked::default()
        }
    }

    fn of(domain: &str) -> Asked {
        Asked {
            domain: domain.into(),
            ..Asked::default()
        }
    }

    async fn in_zone(&self, zone: &Zone) -> Answer {
        let question = Question {
            client: self.client.parse().expect("an address"),
            helo: &self.helo,
            local: &self.local,
            domain: &self.domain,
            receiver: "mx.example.com",
            now: Time::from_secs(1_000_000),
        };
        let answer = check(zone, &question).await;
        assert!(!answer.reason.is_empty(), "{self:?}: no reason");
        assert_eq!(
            answer.authorised_by.is_some(),
            answer.result == SpfResult::Pass,
            "{answer:?}"
        );
        answer
    }

    async fn gets(&self, text: &str, result: SpfResult) -> Answer {
        let answer = self.in_zone(&zone(text)).await;
        assert_eq!(answer.result, result, "{self:?} in {text}: {answer:?}");
        answer
    }
}

fn zone(text: &str) -> Zone {
    Zone::parse(text).unwrap_or_else(|bad| panic!("{bad}: {text}"))
}

/// A zone in which example.org has this record, and some more lines.
fn record(record: &str, more: &str) -> String {
    format!("example.org TXT \"{record}\"\n{more}")
}

/// A record that errs, each time for the same reason.
async fn errs(text: &str, result: SpfResult, why: &str) {
    let answer = Asked::default().gets(text, result).await;
    assert!(answer.reason.contains(why), "{text}: {}", answer.reason);
}

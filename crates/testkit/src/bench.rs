//! What benches stand on: the same mail each time, and any filter of the registry to measure.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gatepost_core::registry::{BadRegistry, Options};
use gatepost_core::{
    Client, Context, Direction, Envelope, Facts, Fault, Filter, Helo, MailParams, Memo, Message, Opinion, Path, Phase,
    RcptParams, Recipient, RecipientId, Services, Visit, registry,
};

use crate::clock::FakeClock;
use crate::fakes::Fakes;

/// Sizes of the corpus in octets, with the names that benches give them.
pub const SIZES: [(&str, usize); 3] = [("2KiB", 2 << 10), ("20KiB", 20 << 10), ("200KiB", 200 << 10)];

const WORDS: [&str; 32] = [
    "the", "and", "of", "invoice", "meeting", "please", "regards", "report", "to", "we", "have", "your", "order",
    "number", "is", "on", "Monday", "free", "offer", "click", "here", "with", "attached", "thank", "you", "for",
    "reply", "team", "project", "budget", "draft", "soon",
];

/// A mail of about `size` octets, always the same for one size and number: a usual header, and words in lines of about
/// 70 octets.
pub fn mail(size: usize, number: u64) -> Vec<u8> {
    // Knuth's MMIX generator: spread enough for words, and never another on another machine.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut mail = format!(
        "Received: from mail.b.example (mail.b.example [192.0.2.1])\r\n\tby mx.d.example with ESMTPS id {number};\r\n\tMon, 05 Jan 2026 12:00:00 +0000\r\n\
         From: Ann <ann@b.example>\r\nTo: Carl <carl@d.example>\r\nSubject: {} {} {}\r\nDate: Mon, 05 Jan 2026 12:00:00 +0000\r\n\
         Message-ID: <{number}@b.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
        WORDS[next() % 32],
        WORDS[next() % 32],
        WORDS[next() % 32],
    );
    let mut line = 0;
    while mail.len() + 2 < size {
        let word = WORDS[next() % 32];
        let (gap, length) = if line + word.len() > 70 {
            ("\r\n", 0)
        } else {
            (" ", line + 1)
        };
        if line > 0 {
            mail.push_str(gap);
            line = length;
        }
        mail.push_str(word);
        line += word.len();
    }
    mail.push_str("\r\n");
    mail.into_bytes()
}

/// One mail of each size.
pub fn corpus() -> Vec<(&'static str, Arc<Message>)> {
    SIZES
        .iter()
        .map(|(name, size)| (*name, Arc::new(Message::from_bytes(mail(*size, 1)))))
        .collect()
}

/// A filter by its name.
pub type Named = (&'static str, Arc<dyn Filter>);

/// Every registered filter with its default options, by name, over memory services; those whose defaults do not build
/// are left out.
pub fn filters(services: &Services) -> Result<Vec<Named>, BadRegistry> {
    Ok(registry()?
        .into_iter()
        .filter_map(|(name, entry)| Some((name, entry.build(Options::default(), services).ok()?)))
        .collect())
}

/// A mail on its way, and a runtime, so that a bench can ask a filter without a word of its own.
pub struct Bench {
    runtime: tokio::runtime::Runtime,
    services: Services,
    visit: Visit,
    envelope: Envelope,
}

impl Bench {
    /// An ordinary client with an ordinary envelope.
    pub fn new() -> Bench {
        let path = |text| Path::reverse(text, false).unwrap_or(Path::Null);
        let mut visit = Visit::new(
            Direction::Inbound,
            "bench".into(),
            Client::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 25_000),
        );
        visit.helo = Some(Helo {
            name: "mail.b.example".into(),
            extended: true,
        });
        let mut envelope = Envelope::new(path("ann@b.example"), MailParams::default());
        envelope.recipients.push(Recipient::new(
            RecipientId(0),
            path("carl@d.example"),
            RcptParams::default(),
        ));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        Bench {
            runtime,
            services: Fakes::new().services(),
            visit,
            envelope,
        }
    }

    /// The services that [`filters`] are built over.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Waits for anything.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Asks a filter at one phase.
    pub fn ask(&self, filter: &dyn Filter, phase: Phase, message: &Arc<Message>) -> Result<Opinion, Fault> {
        let memo = Memo::new(self.services.identify.clone());
        let cx = Context::new(FakeClock::START, &self.visit, &memo).with_facts(Facts::default());
        self.wait(async {
            match (phase, self.visit.helo.as_ref(), self.envelope.recipients.first()) {
                (Phase::Helo, Some(helo), _) => filter.helo(&cx, helo).await,
                (Phase::Mail, _, _) => {
                    filter
                        .mail(&cx.with_envelope(&self.envelope), &self.envelope.from)
                        .await
                }
                (Phase::Rcpt, _, Some(to)) => filter.rcpt(&cx.with_envelope(&self.envelope), to).await,
                (Phase::Message, _, _) => {
                    filter
                        .message(&cx.with_envelope(&self.envelope).with_message(message), message)
                        .await
                }
                _ => filter.connect(&cx).await,
            }
        })
    }
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_of_the_sizes_that_it_says_and_the_same_each_time() {
        for (name, size) in SIZES {
            let mail = mail(size, 1);
            assert!((size..size + 80).contains(&(mail.len() + 16)), "{name}: {}", mail.len());
            assert_eq!(mail, super::mail(size, 1));
            assert_ne!(mail, super::mail(size, 2));
        }
    }
}

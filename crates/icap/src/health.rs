//! What is remembered of each server, through every reload: whether it is out for a moment, how it wants to be asked.
//!
//! Nothing but first-seen values with a time to go, and counters; a store that fails means that a server is asked more
//! often, and nothing else.

use std::sync::Arc;

use gatepost_core::prelude::*;
use gatepost_core::{Alarms, Seed, Store, Swap};

use crate::door::Asked;
use crate::head::Head;
use crate::place::Place;
use crate::request::Method;
use crate::words::words;

/// For so long a server that was not there is not asked, the first time.
const OUT: Duration = Duration::from_secs(1);
/// For so long at most, however often it was not there.
const OUT_MAX: Duration = Duration::from_mins(1);
/// For so long it counts how often it was not there.
const COUNTED: Duration = Duration::from_hours(1);
/// How long its options hold at least and at most, whatever it says of that.
const HOLD: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));
/// The largest preview that is sent.
const PREVIEW_MAX: usize = 64 * 1024;

/// A server is not there, or does not answer.
pub const GONE: &str = "icap_gone";
/// It says that it has no such service, or that this one scans nothing.
pub const SERVICE: &str = "icap_service";
/// There is none.
pub const NONE: &str = "icap_not_configured";

/// One server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Where its service is.
    pub place: Place,
    /// The same in words.
    pub shown: String,
}

impl Server {
    /// The server of a place.
    pub fn new(place: Place) -> Server {
        Server {
            shown: place.to_string(),
            place,
        }
    }
}

/// How a service is asked whose options are not known.
const PLAIN: Asked = Asked {
    method: Method::Respmod,
    preview: None,
};

/// What is remembered, and who is told.
pub struct Health {
    store: Store,
    alarms: Arc<dyn Alarms>,
    seed: Seed,
}

impl Health {
    /// Over the filter's own part of the store.
    pub fn new(services: &Services) -> Health {
        Health {
            store: services.store.clone(),
            alarms: Arc::clone(&services.alarms),
            seed: services.seed,
        }
    }

    fn key(&self, what: &[u8], server: &Server) -> Vec<u8> {
        let hash = self.seed.hash(&[b"icap.server", server.shown.as_bytes()]);
        [what, &hash.to_le_bytes()].concat()
    }

    /// Whether a server was not there a moment ago, so that it is not asked now.
    pub async fn is_out(&self, server: &Server, now: Time) -> bool {
        matches!(self.store.get(&self.key(b"out\0", server), now).await, Ok(Some(mark)) if *mark == *b"out")
    }

    /// Notes that a server is not there. However many mails notice it at once, it counts once.
    pub async fn is_gone(&self, server: &Server, why: &str, now: Time) {
        let counter = self.key(b"times\0", server);
        let times = self.store.get(&counter, now).await.ok().flatten();
        let times = times.and_then(|octets| <[u8; 8]>::try_from(&*octets).ok());
        let times = times.map_or(0, i64::from_be_bytes).clamp(0, 16);
        let pause = OUT.saturating_mul(1 << times).min(OUT_MAX);
        let out = self.key(b"out\0", server);
        let first = self.store.swap(&out, None, Some(b"out"), Some(now + pause), now).await;
        if matches!(first, Ok(Swap::Done)) {
            let _ = self.store.add(&counter, 1, now + COUNTED, now).await;
        }
        let why = format!(
            "{} does not scan ({why}): what becomes of mail is filters.icap.on_fault's; it is asked again after {} s",
            server.shown,
            pause.as_secs()
        );
        self.alarms.raise(GONE, &server.shown, &why);
    }

    /// Notes that a server has scanned a mail.
    pub fn is_there(&self, server: &Server) {
        self.alarms.over(GONE, &server.shown);
    }

    /// How a server wants to be asked, where that is known.
    pub async fn asked(&self, server: &Server, now: Time) -> Option<Asked> {
        let stored = self.store.get(&self.key(b"asked\0", server), now).await.ok()??;
        let (method, preview) = stored.split_first()?;
        let preview = u32::from_be_bytes(preview.try_into().ok()?) as usize;
        let whole = preview == 0 || matches!(self.store.get(&self.key(b"whole\0", server), now).await, Ok(Some(_)));
        Some(Asked {
            method: if *method == b'q' {
                Method::Reqmod
            } else {
                Method::Respmod
            },
            preview: (!whole).then_some(preview),
        })
    }

    /// Reads how a server wants to be asked out of its options, and remembers it; where it gave none, for a moment.
    pub async fn says(&self, server: &Server, options: Option<&Head>, now: Time) -> Asked {
        let good = options.filter(|head| head.status == 200);
        let (asked, held) = good.map_or((PLAIN, HOLD.0), read);
        let wrong = match (options, good) {
            (Some(head), None) => Some(format!(
                "it answers OPTIONS with {} {}",
                head.status,
                words(&head.reason)
            )),
            (_, Some(head)) if !scans(head) => Some("it says that it knows neither RESPMOD nor REQMOD".into()),
            _ => None,
        };
        match wrong {
            Some(why) => {
                let why = format!(
                    "{}: {why}: see whether its name in filters.icap.options.servers is right",
                    server.shown
                );
                self.alarms.raise(SERVICE, &server.shown, &why);
            }
            None => self.alarms.over(SERVICE, &server.shown),
        }
        let method = if asked.method == Method::Reqmod { b'q' } else { b's' };
        let preview = u32::try_from(asked.preview.unwrap_or(0)).unwrap_or(0);
        let value = [&[method][..], &preview.to_be_bytes()].concat();
        let key = self.key(b"asked\0", server);
        let _ = self.store.swap(&key, None, Some(&value), Some(now + held), now).await;
        asked
    }

    /// Notes that a server lets mail go by its preview, so that it gets the whole at once for a while.
    pub async fn wants_no_preview(&self, server: &Server, now: Time) {
        let key = self.key(b"whole\0", server);
        let _ = self
            .store
            .swap(&key, None, Some(b"whole"), Some(now + HOLD.1), now)
            .await;
    }

    /// Says that there is no server at all.
    pub fn nobody(&self) {
        let why = "filters.icap.options.servers names no service: no mail is scanned; name one, or take `icap` out of the tiers";
        self.alarms.raise(NONE, "icap", why);
    }
}

fn methods(head: &Head) -> impl Iterator<Item = &str> {
    head.field("methods")
        .unwrap_or_default()
        .split([',', ' ', '\n'])
        .map(str::trim)
}

/// Whether a service says that it scans something, or says nothing of it.
fn scans(head: &Head) -> bool {
    let is = |name: &str| {
        ["RESPMOD", "REQMOD"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    };
    head.field("methods").is_none() || methods(head).any(is)
}

fn read(head: &Head) -> (Asked, Duration) {
    let knows = |name: &str| methods(head).any(|known| known.eq_ignore_ascii_case(name));
    let number = |name: &str| head.field(name).and_then(|value| value.parse::<u64>().ok());
    let preview = number("preview").map_or(0, |octets| {
        usize::try_from(octets).unwrap_or(PREVIEW_MAX).min(PREVIEW_MAX)
    });
    let asked = Asked {
        method: if knows("REQMOD") && !knows("RESPMOD") {
            Method::Reqmod
        } else {
            Method::Respmod
        },
        preview: Some(preview).filter(|preview| *preview > 0),
    };
    let held = number("options-ttl").map_or(HOLD.1, Duration::from_secs);
    (asked, held.clamp(HOLD.0, HOLD.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_say_how_a_service_is_asked_and_for_how_long() {
        let of = |fields: &str| {
            let head = Head::trailer(fields.as_bytes()).expect("fields");
            let (asked, held) = read(&head);
            (asked.method, asked.preview, held.as_secs(), scans(&head))
        };
        use Method::{Reqmod, Respmod};
        for (fields, expected) in [
            ("", (Respmod, None, 3_600, true)),
            (
                "Methods: RESPMOD, REQMOD\r\nPreview: 1024\r\nOptions-TTL: 600\r\n",
                (Respmod, Some(1_024), 600, true),
            ),
            (
                "Methods: reqmod\r\nPreview: 0\r\nOptions-TTL: 1\r\n",
                (Reqmod, None, 60, true),
            ),
            (
                "Preview: 99999999999\r\nOptions-TTL: 99999\r\n",
                (Respmod, Some(PREVIEW_MAX), 3_600, true),
            ),
            ("Methods: OPTIONS\r\nPreview: x\r\n", (Respmod, None, 3_600, false)),
        ] {
            assert_eq!(of(fields), expected, "{fields:?}");
        }
    }
}

//! How each server wants to be asked, as it says itself.

use gatepost_core::prelude::*;
use gatepost_scanner::{Health, Server};

use crate::door::Asked;
use crate::head::Head;
use crate::place::Place;
use crate::request::Method;
use crate::words::words;

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

/// How a service is asked whose options are not known.
const PLAIN: Asked = Asked {
    method: Method::Respmod,
    preview: None,
};

/// What is remembered of servers, and who is told.
pub struct Notes<'a>(pub &'a Health);

impl Notes<'_> {
    /// How a server wants to be asked, where that is known.
    pub async fn asked(&self, server: &Server<Place>, now: Time) -> Option<Asked> {
        let stored = self.0.noted("asked", server, now).await?;
        let (method, preview) = stored.split_first()?;
        let preview = u32::from_be_bytes(preview.try_into().ok()?) as usize;
        let whole = preview == 0 || self.0.noted("whole", server, now).await.is_some();
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
    pub async fn says(&self, server: &Server<Place>, options: Option<&Head>, now: Time) -> Asked {
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
                self.0.alarms.raise(SERVICE, &server.shown, &why);
            }
            None => self.0.alarms.over(SERVICE, &server.shown),
        }
        let method = if asked.method == Method::Reqmod { b'q' } else { b's' };
        let preview = u32::try_from(asked.preview.unwrap_or(0)).unwrap_or(0);
        let value = [&[method][..], &preview.to_be_bytes()].concat();
        self.0.note("asked", server, &value, held, now).await;
        asked
    }

    /// Notes that a server lets mail go by its preview, so that it gets the whole at once for a while.
    pub async fn wants_no_preview(&self, server: &Server<Place>, now: Time) {
        self.0.note("whole", server, b"whole", HOLD.1, now).await;
    }

    /// Says that there is no server at all.
    pub fn nobody(&self) {
        let why = "filters.icap.options.servers names no service: no mail is scanned; name one, or take `icap` out of the tiers";
        self.0.alarms.raise(NONE, "icap", why);
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

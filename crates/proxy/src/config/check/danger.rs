//! What the filters of danger are told that they cannot see by themselves to be doubtful: how long they are waited for, and
//! how large a mail may be.

use std::time::Duration;

use gatepost_attachments as attachments;
use gatepost_clamav as clamav;
use gatepost_icap as icap;

use super::Check;

/// What is said of one filter: its key for a time and that, its key for octets and those.
type Told = (&'static str, (&'static str, Duration), (&'static str, u64));

impl Check<'_> {
    pub(super) fn danger(&mut self) {
        let config = self.config;
        let largest = config.listen.iter().map(|listen| listen.limits.message_size);
        let Some(largest) = largest.max_by_key(|size| size.0) else {
            return;
        };
        // What cannot be read is told by the filter itself.
        let attachments = config.filter("attachments").options().read::<attachments::Config>();
        let attachments = attachments.map(|options| -> Told {
            let octets = u64::from(options.part_megabytes) << 20;
            ("attachments", ("time", options.time.0), ("part_megabytes", octets))
        });
        let clamav = config.filter("clamav").options().read::<clamav::Config>();
        let clamav = clamav.map(|options| -> Told {
            (
                "clamav",
                ("deadline", options.deadline.0),
                ("max_size", options.max_size),
            )
        });
        let icap = config.filter("icap").options().read::<icap::Config>();
        let icap =
            icap.map(|options| -> Told { ("icap", ("deadline", options.deadline.0), ("max_size", options.max_size)) });
        for (name, (time_key, time), (size_key, octets)) in [attachments, clamav, icap].into_iter().flatten() {
            if !config.asks(name) {
                continue;
            }
            let patience = config.filter(name).patience;
            if time >= *patience {
                self.warning(
                    &["filters", name, "options", time_key],
                    format!("expected less than filters.{name}.patience, {patience}: else it is given up before it has an answer"),
                );
            }
            if octets < largest.0 {
                self.warning(
                    &["filters", name, "options", size_key],
                    format!(
                        "mail may have {largest} (limits.message_size), and what is larger than this is not looked at"
                    ),
                );
            }
        }
    }
}

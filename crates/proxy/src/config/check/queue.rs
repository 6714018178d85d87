//! A queue that could not work, or of which nobody would be told.

use super::Check;

impl Check<'_> {
    pub(super) fn queue(&mut self) {
        let queue = &self.config.queue;
        if queue.retries.is_empty() {
            self.error(
                &["queue", "retries"],
                "expected one time or more, such as [\"1m\", \"5m\"]",
            );
        }
        for (n, retry) in queue.retries.iter().enumerate() {
            if retry.as_secs() == 0 {
                self.error(&["queue", "retries", &n.to_string()], "expected a second or more");
            }
        }
        for (key, count) in [("at_once", queue.at_once), ("connections", queue.connections)] {
            if count == 0 {
                self.error(&["queue", key], "nothing would be delivered: expected 1 or more");
            }
        }
        if queue.at_once > queue.connections {
            self.warning(
                &["queue", "at_once"],
                format!(
                    "there are never more deliveries than connections, {}",
                    queue.connections
                ),
            );
        }
        if queue.hold.is_zero() {
            self.error(
                &["queue", "hold"],
                "mail would be given up at once: expected more than no time",
            );
        }
        if let Some(notices) = &queue.notices {
            self.reference(&["queue", "notices"], "route", notices);
        }
        self.holding();
    }

    /// What domains say of mail that waits for them.
    fn holding(&mut self) {
        let config = self.config;
        let holding = config
            .domain
            .iter()
            .filter_map(|(name, domain)| Some((name, domain.hold?)));
        let mut first = true;
        for (name, hold) in holding {
            let path = ["domain", name, "hold"];
            if hold.is_zero() {
                self.error(
                    &path,
                    "mail would be given up at once: expected more than no time, or no hold",
                );
            } else if config.queue.notices.is_none() && std::mem::take(&mut first) {
                self.warning(
                    &path,
                    "no sender is told of mail that is late, or that nobody took in time: expected a route to the world as \
                     notices in [queue]; without one such mail lies in the archive only",
                );
            }
            if config.queue.size.0 == 0 || config.queue.mails == 0 {
                self.warning(&path, "no mail waits, since [queue] has no room for any");
            }
        }
    }
}

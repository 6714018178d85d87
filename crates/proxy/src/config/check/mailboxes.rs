//! Command mailboxes that nobody could use, or that anybody could see.

use gatepost_core::Direction;
use gatepost_pipeline::Mode;

use super::Check;
use crate::config::memory::UsersWelcome;

/// The filter that has them.
const FILTER: &str = "command_mailbox";

impl Check<'_> {
    pub(super) fn mailboxes(&mut self) {
        let config = self.config;
        let asked_by = |pipeline: &str| config.tiers(pipeline).iter().flatten().any(|filter| filter == FILTER);
        let (mut inbound, mut outbound): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for listen in &config.listen {
            match listen.direction {
                Direction::Inbound => inbound.push(listen.pipeline()),
                Direction::Outbound => outbound.push(listen.pipeline()),
            }
        }
        if !outbound.iter().any(|pipeline| asked_by(pipeline)) {
            // Without it the addresses are nobody's, which is what outbound listeners without the filter want.
            return;
        }
        if config.local_domains.is_empty() && !self.wrong(&["local_domains"]) {
            self.warning(
                &["local_domains"],
                "there are none, so there are no command mailboxes: they are addresses at local domains",
            );
        }
        if let Some(open) = inbound.into_iter().find(|pipeline| !asked_by(pipeline)) {
            self.warning(
                &["pipeline", open],
                format!(
                    "`{FILTER}` is in a pipeline of your own people and not in this one: from outside its addresses are \
                     whatever the mail server makes of them; name it in a first tier here, too"
                ),
            );
        }
        let filter = config.filter(FILTER);
        let wanted = match filter.options.get("white_reach").and_then(|reach| reach.as_str()) {
            Some("domain") => UsersWelcome::Domain,
            Some("site") => UsersWelcome::Site,
            _ => UsersWelcome::Person,
        };
        if wanted > config.desk.users_welcome {
            self.warning(
                &["filters", FILTER, "options", "white_reach"],
                "whom a user makes welcome is welcome to that user alone: the desk lets users do no more; say the same in [desk] \
                 users_welcome",
            );
        }
        let mode = filter.mode;
        if mode != Mode::Enforce {
            self.warning(
                &["filters", FILTER, "mode"],
                "command mailboxes open only in mode `enforce`; to have none take the filter out of the tiers",
            );
        }
    }
}

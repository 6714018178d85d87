//! Metrics: a fold over records, and gauges that the wiring sets.
//!
//! Names are documented where they are counted. Labels come from configuration and from filters' own tags, never from
//! mail.

use std::sync::Arc;

use gatepost_core::{Message, Observer, Record, async_trait};
use metrics::{counter, histogram};

/// Counts transactions.
pub struct Meter;

#[async_trait]
impl Observer for Meter {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        let listener = record.listener.clone();
        let class = record.reply.get(..1).map_or("none", |digit| match digit {
            "2" => "2xx",
            "4" => "4xx",
            "5" => "5xx",
            _ => "none",
        });
        counter!("gatepost_transactions_total", "listener" => listener.clone(), "reply" => class).increment(1);
        for recipient in &record.recipients {
            counter!("gatepost_recipients_total", "listener" => listener.clone(), "fate" => recipient.fate.clone(), "level" => recipient.level.name()).increment(1);
            if let Some(would) = &recipient.would {
                counter!("gatepost_overruled_total", "listener" => listener.clone(), "would" => would.clone())
                    .increment(1);
            }
        }
        if record.size > 0 {
            counter!("gatepost_message_bytes_total", "listener" => listener.clone()).increment(record.size);
            histogram!("gatepost_transaction_seconds", "listener" => listener.clone()).record(record.took as f64 / 1e3);
            histogram!("gatepost_upstream_seconds", "listener" => listener).record(record.upstream_took as f64 / 1e3);
        }
        for call in &record.calls {
            let (filter, phase) = (call.filter.clone(), call.phase.name());
            histogram!("gatepost_filter_seconds", "filter" => filter.clone(), "phase" => phase)
                .record(call.micros as f64 / 1e6);
            if let Some(fault) = &call.fault {
                let kind = fault.split(':').next().unwrap_or("fault").to_owned();
                counter!("gatepost_filter_faults_total", "filter" => filter, "phase" => phase, "kind" => kind)
                    .increment(1);
            }
        }
        for finding in &record.findings {
            counter!("gatepost_findings_total", "filter" => finding.filter.clone(), "tag" => finding.tag.to_string())
                .increment(1);
        }
    }
}

/// Says in words what each metric is; once, at start.
pub fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "gatepost_transactions_total",
        "Transactions that ended, by listener and class of the last reply"
    );
    describe_counter!(
        "gatepost_recipients_total",
        "Recipients of ended transactions, by listener, fate and level"
    );
    describe_counter!(
        "gatepost_overruled_total",
        "Recipients for whom a dry run overruled the policy, by listener and what would have become of their mail"
    );
    describe_counter!(
        "gatepost_message_bytes_total",
        "Octets of messages that came to their end"
    );
    describe_histogram!(
        "gatepost_transaction_seconds",
        "From MAIL to the answer, for messages that came to their end"
    );
    describe_histogram!(
        "gatepost_upstream_seconds",
        "Time spent waiting for the mail server, for messages that came to their end"
    );
    describe_histogram!("gatepost_filter_seconds", "One call of a filter, by filter and phase");
    describe_counter!(
        "gatepost_filter_faults_total",
        "Calls without an opinion, by filter, phase and kind"
    );
    describe_counter!("gatepost_findings_total", "Findings, by filter and tag");
    describe_counter!("gatepost_sessions_total", "Connections that were accepted, by listener");
    describe_counter!(
        "gatepost_sessions_refused_total",
        "Connections over a limit, by listener and limit"
    );
    describe_counter!("gatepost_auth_failures_total", "Failed authentications, by listener");
    describe_counter!(
        "gatepost_auth_alarms_total",
        "User names with many failed authentications within an hour"
    );
    describe_gauge!("gatepost_sessions", "Sessions that are open");
    describe_gauge!("gatepost_tarpitted", "Sessions that filters keep waiting for a reply");
    describe_counter!(
        "gatepost_tarpit_released_total",
        "Sessions that waited no longer, because another needed their place"
    );
    describe_gauge!("gatepost_spool_memory_bytes", "Octets of messages in memory");
    describe_gauge!("gatepost_spool_disk_bytes", "Octets of messages in the spool");
    describe_gauge!(
        "gatepost_upstream_up",
        "Whether a mail server answers, by route; NaN where the route is configured no longer"
    );
    describe_gauge!(
        "gatepost_upstream_host_up",
        "Whether each mail server answers, by route and host; NaN where it is configured no longer"
    );
    describe_gauge!("gatepost_routes_down", "Routes of whose mail servers none answers");
    describe_counter!(
        "gatepost_upstream_failovers_total",
        "Mails that another host of the route took over, by route and step (mail, rcpt, data)"
    );
    describe_counter!(
        "gatepost_upstream_full_total",
        "Recipients deferred because all connections to the route's hosts were taken, by route"
    );
    describe_gauge!(
        "gatepost_ham_confirmed",
        "Wanted mails that the classifiers' fusion stands on, each judged before it was learned"
    );
    describe_gauge!(
        "gatepost_ham_risk_unvouched",
        "Settings of ham_risk for which too little wanted mail is confirmed yet"
    );
    describe_gauge!(
        "gatepost_followers_waiting",
        "Finished transactions that observers were not told of yet"
    );
    describe_counter!(
        "gatepost_upstream_missing_total",
        "Connections to a mail server that lacks what configuration asks for, by route"
    );
    describe_counter!(
        "gatepost_upstream_faults_total",
        "Connections to a mail server that failed or were lost within a transaction, by route"
    );
    describe_counter!(
        "gatepost_faults_total",
        "Faults of what mail is checked and stored with, by service (dns, store, archive, spool) and reason"
    );
    describe_counter!(
        "gatepost_alarms_total",
        "What an operator should look at, by kind and subject, counted each time it is noticed"
    );
    describe_counter!("gatepost_reloads_total", "Reloads, by result");
    describe_counter!(
        "gatepost_records_lost_total",
        "Records of transactions that could not be kept and are in the log only"
    );
    describe_counter!(
        "gatepost_spambox_copies_total",
        "Copies of refused mail for those who gather it, by result: sent, failed, dropped since too many waited"
    );
}

//! A machine that has no thread for a mail: that is no mail in which nothing was found.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use gatepost_attachments::Attachments;
use gatepost_core::compute::{Budget, Job, Threads};
use gatepost_core::{
    Client, Clock, Compute, Context, Direction, Envelope, Fault, Filter, FilterKind, MailParams, Memo, Message,
    Opinion, Path, Visit, async_trait,
};
use gatepost_testkit::Fakes;
use serde_json::json;

use crate::scene::config;

/// Begins a job after so long.
struct After(Duration);

#[async_trait]
impl Threads for After {
    async fn run(&self, job: Job) -> Result<Box<dyn Any + Send>, Fault> {
        tokio::time::sleep(self.0).await;
        Ok(job(&Budget::new()))
    }
}

async fn said(wait: Duration) -> Result<Opinion, Fault> {
    let fakes = Fakes::new();
    let mut services = fakes.services();
    services.compute = Compute::new(Arc::new(After(wait)));
    let filter = Attachments::build(config(json!({ "time": "4s" })), &services).expect("a filter");
    let text = "Content-Type: application/octet-stream; name=run.bat\r\n\r\n@echo off";
    let message = Arc::new(Message::from_bytes(text));
    let client = Client::new("192.0.2.1".parse().expect("an address"), 25_000);
    let visit = Visit::new(Direction::Inbound, "mx".into(), client);
    let memo = Memo::new(fakes.names.clone());
    let envelope = Envelope::new(Path::Null, MailParams::default());
    let cx = Context::new(fakes.clock.now(), &visit, &memo)
        .with_envelope(&envelope)
        .with_message(&message);
    filter.message(&cx, &message).await
}

#[tokio::test(start_paused = true)]
async fn what_is_waited_for_a_thread_is_no_time_of_the_look() {
    let opinion = said(Duration::from_secs(8)).await.expect("a look");
    let tags: Vec<_> = opinion
        .findings()
        .iter()
        .map(|finding| finding.tag.to_string())
        .collect();
    assert!(tags.contains(&"attachments.blocked".to_owned()), "{tags:?}");
    assert!(!tags.contains(&"attachments.bounds".to_owned()), "{tags:?}");
}

//! Who is told of finished transactions, besides filters.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;

use crate::record::Record;

/// A transaction that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// All that is known of it.
    pub record: Record,
    /// The message, if one came to its end.
    pub message: Option<Arc<Message>>,
}

/// Told after a mail's fate is settled and answered: the log, the metrics, the trainer.
#[async_trait]
pub trait Observer: Send + Sync {
    /// A transaction has ended.
    async fn observe(&self, record: &Record, message: Option<&Arc<Message>>);
    /// Some have, within a moment. Who writes something down may write all of them at once; the others are told of one
    /// after the other.
    async fn observe_all(&self, ended: &[Ended]) {
        for one in ended {
            self.observe(&one.record, one.message.as_ref()).await;
        }
    }
}

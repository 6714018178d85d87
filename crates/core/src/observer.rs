//! Who is told of each finished transaction, besides filters.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;

use crate::record::Record;

/// Told after a mail's fate is settled and answered: the log, the metrics, the trainer.
#[async_trait]
pub trait Observer: Send + Sync {
    /// A transaction has ended.
    async fn observe(&self, record: &Record, message: Option<&Arc<Message>>);
}

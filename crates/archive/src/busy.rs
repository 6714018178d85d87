//! Who works on which mail: one at a time for each id.
//!
//! **Invariant:** whoever waits holds nothing else of this kind; whoever wants several only tries. So nobody waits in a
//! circle.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::KeptId;
use tokio::sync::Notify;

/// The ids that somebody works on. Never more than there are calls under way.
#[derive(Default)]
pub struct Busy {
    ids: Mutex<HashSet<KeptId>>,
    freed: Notify,
}

/// The right to work on a mail; it ends when this is dropped.
pub struct Hold {
    busy: Arc<Busy>,
    id: KeptId,
}

impl Busy {
    /// The right to work on a mail, if nobody else has it now.
    pub fn try_hold(self: &Arc<Busy>, id: &KeptId) -> Option<Hold> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(id.clone()).then(|| Hold {
            busy: Arc::clone(self),
            id: id.clone(),
        })
    }

    /// The right to work on a mail, after whoever has it now.
    pub async fn hold(self: &Arc<Busy>, id: &KeptId) -> Hold {
        loop {
            let freed = self.freed.notified();
            let mut freed = std::pin::pin!(freed);
            // Listening begins before the look, so that nothing is missed between them.
            freed.as_mut().enable();
            if let Some(hold) = self.try_hold(id) {
                return hold;
            }
            freed.await;
        }
    }

    /// Waits until nobody works on anything.
    pub async fn idle(&self) {
        loop {
            let freed = self.freed.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            if self.ids.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut ids = self.busy.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(&self.id);
        drop(ids);
        self.busy.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_works_on_a_mail_at_a_time() {
        let busy = Arc::new(Busy::default());
        let (one, other) = (KeptId("1".into()), KeptId("2".into()));
        let held = busy.hold(&one).await;
        assert!(busy.try_hold(&one).is_none());
        assert!(busy.try_hold(&other).is_some(), "another mail is free");
        let waiting = tokio::spawn({
            let (busy, one) = (Arc::clone(&busy), one.clone());
            async move { drop(busy.hold(&one).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
        busy.idle().await;
    }
}

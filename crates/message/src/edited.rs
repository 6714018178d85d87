//! What the edits make of a message.

use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::message::{Message, Reader};

/// A message after its edits: what goes on top, the head (shared when no field of it was touched), the body.
#[derive(Clone, Debug)]
pub struct Edited {
    pub(crate) prefix: Bytes,
    pub(crate) head: Bytes,
    pub(crate) body: Arc<dyn Content>,
    pub(crate) touched: bool,
}

impl Edited {
    /// What precedes the head: the mbox line if there is one, then the prepended fields, then a blank line if the
    /// message has no header section of its own.
    pub fn prefix(&self) -> &Bytes {
        &self.prefix
    }

    /// What follows the prefix: the head that came, or what the edits left of it.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// The body, the one that came unless parts of it were replaced.
    pub fn body(&self) -> &Arc<dyn Content> {
        &self.body
    }

    /// Whether a field that came with the message was removed, renamed or tagged, or a part replaced. If not, every DKIM
    /// signature that held still holds, unless it signs the absence of a field that was prepended.
    pub fn touched(&self) -> bool {
        self.touched
    }

    /// Octets in all.
    pub fn len(&self) -> u64 {
        let memory = (self.prefix.len() as u64).saturating_add(self.head.len() as u64);
        memory.saturating_add(self.body.len())
    }

    /// Whether there is no octet at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Streams the edited message from its first octet.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(&self.prefix, &self.head, &*self.body)
    }

    /// The edited message as a message of its own; the body is shared, the head copied if something was prepended.
    pub fn to_message(&self) -> Message {
        let head = if self.prefix.is_empty() {
            self.head.clone()
        } else {
            [&self.prefix[..], &self.head[..]].concat().into()
        };
        Message::new(head, self.body.clone())
    }
}

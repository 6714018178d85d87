//! What `[learning]` means.

use super::Check;

impl Check<'_> {
    pub(super) fn learning(&mut self) {
        for (key, why) in self.config.learning.faults() {
            let path: Vec<&str> = std::iter::once("learning").chain(key.split('.')).collect();
            self.error(&path, why);
        }
    }
}

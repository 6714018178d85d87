//! The models in use, written down as a version.
//!
//! **Invariant:** what is written down is what was learned up to one sample, whole: the models are saved before anything else
//! is learned, and packed and written after that, perhaps on another thread. What is not written yet is no version.

use std::io;

use gatepost_core::{Fault, Version};

use crate::rework::named;
use crate::versions::Header;
use crate::writer::Writer;

impl Writer {
    /// Writes down the models in use. They must be exact.
    pub(crate) fn write_down(&mut self, why: &str, of: Option<u64>) -> Result<Version, Fault> {
        let header = self.header(why, of);
        let version = header.version.clone();
        let written = self
            .versions
            .add(header, &self.live.save(), &self.live.trainer.fit().save());
        self.written_down(written, version)
    }

    /// Begins to write down the models in use, as they are now. They must be exact.
    pub(crate) fn write_down_soon(&mut self, why: &str) -> Result<Version, Fault> {
        let header = self.header(why, None);
        let version = header.version.clone();
        let written = self
            .versions
            .add_soon(header, self.live.save(), self.live.trainer.fit().save());
        self.written_down(written, version)
    }

    fn written_down(&mut self, written: io::Result<()>, version: Version) -> Result<Version, Fault> {
        written.map_err(|error| Fault::Broken(format!("the models cannot be written down: {error}")))?;
        (self.young, self.written) = (0, version.at);
        Ok(version)
    }

    /// Waits for the version that is being written, if one is, and says why it is none if so.
    pub(crate) fn settle_versions(&mut self) {
        self.versions.settle();
        if let Some(error) = self.versions.failure() {
            // The log has it all.
            self.complain(&Fault::Broken(format!("the models cannot be written down: {error}")));
        }
    }

    fn header(&self, why: &str, of: Option<u64>) -> Header {
        let (ham, spam) = self.counts();
        Header {
            version: Version {
                number: self.versions.next(),
                at: self.clock.now().millis(),
                through: self.log.last(),
                ham,
                spam,
                why: why.to_owned(),
            },
            of,
            chain: self.live.chain,
            aside: self.log.aside().to_vec(),
            members: named(&self.kinds),
            folded: None,
        }
    }
}

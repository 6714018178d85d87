//! How long and how much is kept.

/// How long and how much is kept. Of the bounds, 0 stands for "no bound".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Days after which kept mail goes, where its terms do not say; 14.
    pub days: u32,
    /// Days after which a copy of mail that was not accepted goes, where its terms do not say; 14.
    pub refused_days: u32,
    /// The most mails of one domain; 100,000.
    pub per_domain: u64,
    /// The most octets of the mails of one domain; 4 GiB.
    pub per_domain_bytes: u64,
    /// The most octets of all mails; 16 GiB.
    pub total_bytes: u64,
    /// Days after which records go; 30.
    pub records_days: u32,
    /// The most records; 1,000,000.
    pub records: u64,
    /// Whether mails that are kept durably at the same time share the syncing of their folder; yes. Without it each
    /// syncs alone, which is never better: for measurements.
    pub group_commit: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            days: 14,
            refused_days: 14,
            per_domain: 100_000,
            per_domain_bytes: 4 << 30,
            total_bytes: 16 << 30,
            records_days: 30,
            records: 1_000_000,
            group_commit: true,
        }
    }
}

/// Milliseconds of a day.
pub const DAY: u64 = 86_400_000;

impl Settings {
    /// When mail goes that was kept at `at`, in milliseconds since the epoch.
    pub fn until(&self, at: u64, terms: Option<u32>, durable: bool) -> Option<u64> {
        let own = if durable { self.days } else { self.refused_days };
        let days = terms.or((own > 0).then_some(own))?;
        // The last number of all stands for "never" in the index.
        Some(at.saturating_add(u64::from(days).saturating_mul(DAY)).min(u64::MAX - 1))
    }

    /// Records that began before this are gone, in milliseconds since the epoch.
    pub fn records_since(&self, now: u64) -> u64 {
        match self.records_days {
            0 => 0,
            days => now.saturating_sub(u64::from(days).saturating_mul(DAY)),
        }
    }
}

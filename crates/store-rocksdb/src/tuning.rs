//! How RocksDB is set up: little memory, bounded files, and what has expired goes.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Clock;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, CompactionDecision, DBCompressionType,
    DBRecoveryMode, Options,
};

use crate::db::{KEYS, ORDERED};
use crate::entry;

/// So many files of what was just written are merged with what is there.
const L0_FILES: i32 = 8;

/// How much the store takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Octets of memory for blocks of files.
    pub cache: usize,
    /// Octets of memory for what was just written, at most, for each of the two parts.
    pub write_buffer: usize,
    /// After so long, at most, what was written is on the disk itself: what a power cut may take. The end of the process
    /// takes nothing.
    pub sync_after: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            cache: 32 << 20,
            write_buffer: 4 << 20,
            sync_after: Duration::from_secs(1),
        }
    }
}

/// The options of the whole database.
pub fn whole(settings: Settings) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_open_files(256);
    // A log stays as long as something in it is in memory only, were it one entry of the part that is hardly used.
    options.set_max_total_wal_size(4 * settings.write_buffer as u64);
    options.set_max_background_jobs(2);
    // After a power cut the log's end may be torn anywhere: all before that is taken, nothing behind it.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // RocksDB's own report of what it does: four files of a mebioctet, not one without end.
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options
}

/// The column families, which share a cache.
pub fn families(settings: Settings, clock: Arc<dyn Clock>) -> [ColumnFamilyDescriptor; 2] {
    let cache = Cache::new_lru_cache(settings.cache);
    let mut keys = family(settings, &cache);
    keys.set_compaction_filter("expiry", move |_, _, value: &[u8]| {
        if entry::is_over(value, clock.now()) {
            CompactionDecision::Remove
        } else {
            CompactionDecision::Keep
        }
    });
    [
        ColumnFamilyDescriptor::new(KEYS, keys),
        ColumnFamilyDescriptor::new(ORDERED, family(settings, &cache)),
    ]
}

fn family(settings: Settings, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_cache_index_and_filter_blocks(true);
    // A file that was just written is asked for every key: its index and filter shall not have to be read first.
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // The filter of a large file is larger than a shard of the cache: in one piece it would be read again and again, only
    // to learn that a key is not there. In pages, the pages that are asked for stay.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(4096);
    blocks.set_pin_top_level_index_and_filter(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // What was just written is soon merged with what is there, and compressed then.
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_compression_per_level(&[
        DBCompressionType::None,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
        DBCompressionType::Lz4,
    ]);
    // Each merge reads and writes all that lies below: fewer are cheaper, and filters spare a read the files above.
    options.set_level_zero_file_num_compaction_trigger(L0_FILES);
    options.set_write_buffer_size(settings.write_buffer);
    // What is merged lies all over the first level with files of many parts of the store, so all of that level is written
    // again each time: it holds no more than what is merged with it. Files below it that hold one part move as they are.
    options.set_max_bytes_for_level_base(L0_FILES as u64 * settings.write_buffer as u64);
    // Small files: what is merged with what it overlaps drags less along that it does not.
    options.set_target_file_size_base(8 << 20);
    // What nobody touches is looked at once a day, so that what has expired goes.
    options.set_periodic_compaction_seconds(24 * 3600);
    options
}

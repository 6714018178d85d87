//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside sessions: listeners, the store's files, kept mail.
const OTHERS: u64 = 256;

/// Takes all that the system lets us have: what a shell gives at first is little, for the sake of programs that count on
/// small numbers. Warns where that is too little for so many sessions, each of which may have a way to a mail server.
pub fn raise(sessions: u32, tarpitted: u32) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    // Nothing is lost where it fails: then it stays as it was.
    let may = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let needed = needed(sessions, tarpitted);
    if let Some(may) = may.filter(|may| *may < needed) {
        tracing::warn!(
            may,
            needed,
            "too few descriptors for `capacity.sessions` and `capacity.tarpitted`: raise LimitNOFILE or ulimit -Hn, or allow fewer"
        );
    }
}

fn needed(sessions: u32, tarpitted: u32) -> u64 {
    2 * (u64::from(sessions) + u64::from(tarpitted)) + OTHERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_may_be_had_is_taken() {
        raise(1, 0);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(needed(1_000, 5_000), 12_256);
    }
}

//! How often somebody may come: a window that slides over two hours' counters, the older one fading.

use std::time::Duration;

use gatepost_core::{Fault, Login, LoginBy, Seed, Store, Time};

const WINDOW: Duration = Duration::from_hours(1);

/// Counts a request and says whether it is one too many: more than `most` within an hour, estimated. What a network says in
/// somebody's name uses up nothing of what they may do themselves.
pub async fn is_over(store: &Store, seed: &Seed, login: &Login, now: Time, most: u32) -> Result<bool, Fault> {
    let window = WINDOW.as_millis() as u64;
    let (number, into) = (now.millis() / window, now.millis() % window);
    let key = |number: u64| {
        let (name, vouched) = (login.name.to_lowercase(), login.by == LoginBy::Vouched);
        let who = seed.hash(&[b"desk limit", &[u8::from(vouched)], name.as_bytes()]);
        [b"limit".as_slice(), &who.to_be_bytes(), &number.to_be_bytes()].concat()
    };
    let until = Time::from_millis((number + 2) * window);
    let this = store.add(&key(number), 1, until, now).await?;
    let last = match number {
        0 => 0,
        number => {
            store
                .add(&key(number - 1), 0, Time::from_millis((number + 1) * window), now)
                .await?
        }
    };
    let faded = u128::from(last.max(0).unsigned_abs()) * u128::from(window - into) / u128::from(window);
    Ok(u128::from(this.max(0).unsigned_abs()) + faded > u128::from(most))
}

#[cfg(test)]
mod tests {
    use gatepost_testkit::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_window_slides_and_forgets() {
        let (store, seed) = (MemoryStore::store(), Seed::new([7; 16]));
        let carl = Login::new("carl", LoginBy::Auth);
        let hour = |hours: f64| Time::from_millis((1_000.0 * 3_600_000.0 + hours * 3_600_000.0) as u64);
        let mut over = Vec::new();
        for (at, login) in [
            (0.0, &Login::new("carl", LoginBy::Vouched)),
            (0.0, &carl),
            (0.5, &carl),
            (0.9, &carl),
            (1.01, &Login::new("CARL", LoginBy::Auth)),
            (1.9, &Login::new("eva", LoginBy::Auth)),
            (3.0, &carl),
        ] {
            over.push(is_over(&store, &seed, login, hour(at), 2).await.unwrap());
        }
        assert_eq!(over, [false, false, false, true, true, false, false]);
    }
}

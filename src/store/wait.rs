//! Waiting for the write lock.
//!
//! Left to itself, `SQLite` looks for a lock ever more rarely, down to ten times a second. Among many, whoever has waited
//! longest then has the least chance, and while all of them sleep nobody writes: of sixty-four commands at once some did
//! not get it within ten seconds. Here whoever has waited longer looks more often.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

/// Begins a transaction that writes, waiting up to `wait` for the lock. Every other statement waits as long by itself.
pub(super) fn begin(db: &Connection, wait: Duration) -> rusqlite::Result<Transaction<'_>> {
    db.busy_timeout(Duration::ZERO)?;
    let (mut waited, mut looks) = (Duration::ZERO, 0);
    let begun = loop {
        let begun = Transaction::new_unchecked(db, TransactionBehavior::Immediate);
        let busy = begun
            .as_ref()
            .is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !busy || waited >= wait {
            break begun;
        }
        let pause = pause(looks, waited, wait).min(wait.saturating_sub(waited));
        rest(pause);
        waited += pause;
        looks += 1;
    };
    db.busy_timeout(wait)?;
    begun
}

/// How long to wait until the next look. The first looks come soon, for most locks are held for milliseconds.
fn pause(looks: u32, waited: Duration, wait: Duration) -> Duration {
    let soon = 1u64 << looks.min(4);
    let quarter = waited.as_millis() * 4 / wait.as_millis().max(1);
    let patient = match quarter {
        0 => 16,
        1 => 8,
        2 => 4,
        _ => 1,
    };
    Duration::from_millis(soon.min(patient))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for is another process, which no clock of a test holds still"
)]
fn rest(length: Duration) {
    std::thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_waited_longer_looks_more_often() {
        let wait = Duration::from_secs(10);
        let pauses = |waited: u64| {
            let waited = Duration::from_millis(waited);
            pause(100, waited, wait).as_millis()
        };
        assert_eq!(
            [0, 2_499, 2_500, 5_000, 7_500, 9_999].map(pauses),
            [16, 16, 8, 4, 1, 1]
        );
        let first = [0, 1, 2, 3, 4].map(|looks| pause(looks, Duration::ZERO, wait).as_millis());
        assert_eq!(first, [1, 2, 4, 8, 16]);
        // However short the wait is.
        assert_eq!(pause(0, Duration::ZERO, Duration::ZERO).as_millis(), 1);
    }
}

//! Time and randomness: the two things a test holds still.
//!
//! Nothing else in the crate asks the system for either; a lint (`clippy.toml`) holds that line. Times are whole Unix
//! seconds in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};

use crate::error::{Error, Kind, Result};

/// A moment: whole seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// How a date is written, by its length.
const DATE: &str = "2026-01-31";

impl Time {
    /// The moment `seconds` later.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Time {
        Time(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to here; negative when it is later.
    #[must_use]
    pub(crate) fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads a time option: RFC 3339, a date (midnight, UTC), `15m ago`, `in 7d`.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`], naming the forms.
    pub fn parse(text: &str, now: Time) -> Result<Time> {
        let trimmed = text.trim();
        let bad = |why: &str| {
            Error::new(
                Kind::InvalidValue,
                format!("`{}` {why}", crate::name::visible(text)),
            )
            .hint("write 2026-01-31T12:00:00Z, 2026-01-31, `15m ago` or `in 7d`")
        };
        // A moment that no calendar names could be kept, and not be shown.
        let named = |time: Time| match Timestamp::from_second(time.0) {
            Ok(_) => Ok(time),
            Err(_) => Err(bad("is beyond the years that can be written")),
        };
        if let Ok(stamp) = Timestamp::from_str(trimmed) {
            return Ok(Time(stamp.as_second()));
        }
        // The library reads a date out of more than one: a time of day must not be lost with it.
        if trimmed.len() > DATE.len() && trimmed.parse::<jiff::civil::DateTime>().is_ok() {
            return Err(bad("does not say in which zone it is"));
        }
        if let Ok(date) = Date::from_str(trimmed)
            && trimmed.len() == DATE.len()
            && let Ok(stamp) = jiff::tz::TimeZone::UTC
                .to_timestamp(date.to_datetime(jiff::civil::Time::midnight()))
        {
            return Ok(Time(stamp.as_second()));
        }
        if trimmed.eq_ignore_ascii_case("now") {
            return Ok(now);
        }
        if let Some(span) = trimmed.strip_suffix("ago") {
            return named(now.plus(-seconds(span)?));
        }
        if let Some(span) = trimmed.strip_prefix("in ") {
            return named(now.plus(seconds(span)?));
        }
        Err(bad("is not a time"))
    }
}

/// Reads a duration such as `90s`, `5m`, `1h30m` or `7d`, in whole seconds. A day is 24 hours.
///
/// # Errors
/// [`Kind::InvalidValue`] for anything else, and for what is negative or not a whole second.
pub fn seconds(text: &str) -> Result<i64> {
    let bad = || {
        Error::new(
            Kind::InvalidValue,
            format!("`{}` is not a duration", text.trim()),
        )
        .hint("write it as 90s, 5m, 1h30m or 7d")
    };
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    // jiff counts days only beside a calendar, and a day here is 24 hours; weeks and days are taken off first.
    for (unit, length) in [("w", 7 * 86_400), ("d", 86_400)] {
        if let Some(at) = rest.find(unit) {
            let digits = &rest[..at];
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let count: i64 = digits.parse().map_err(|_| bad())?;
            total = count
                .checked_mul(length)
                .and_then(|more| total.checked_add(more))
                .ok_or_else(bad)?;
            let after = rest[at..].trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let word = &rest[at..rest.len() - after.len()];
            if !matches!(word, "w" | "week" | "weeks" | "d" | "day" | "days") {
                return Err(bad());
            }
            rest = after.trim_start();
        }
    }
    if !rest.is_empty() {
        let span = SignedDuration::from_str(rest).map_err(|_| bad())?;
        if span.is_negative() || span.subsec_nanos() != 0 {
            return Err(bad());
        }
        total = total.checked_add(span.as_secs()).ok_or_else(bad)?;
    }
    Ok(total)
}

/// Says a number of seconds in the largest units that fit: `90` is `1m 30s`.
#[must_use]
pub(crate) fn spoken(seconds: i64) -> String {
    let mut rest = seconds.max(0);
    let mut words = Vec::new();
    for (length, unit) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if rest >= length {
            words.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if rest > 0 || words.is_empty() {
        words.push(format!("{rest}s"));
    }
    words.join(" ")
}

impl fmt::Display for Time {
    /// `2026-01-31T12:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(stamp) => write!(f, "{stamp}"),
            // Beyond the calendar's years; a number is better than a lie.
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Time)
    }
}

/// Where the time and the random bytes of one command come from.
pub trait Source {
    /// The moment.
    fn now(&self) -> Time;

    /// Fills `bytes` from the system's secure generator.
    ///
    /// # Errors
    /// [`Kind::Io`] when the system gives no randomness; never bytes that only look random.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;

    /// Waits.
    fn pause(&self, length: std::time::Duration);
}

/// The machine's clock and secure generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct System;

impl Source for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system for the time"
    )]
    fn now(&self) -> Time {
        Time(Timestamp::now().as_second())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system for randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| {
            Error::new(Kind::Io, "the system gives no random bytes")
                .because(anyhow::anyhow!("{error}"))
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that waits for time to pass"
    )]
    fn pause(&self, length: std::time::Duration) {
        std::thread::sleep(length);
    }
}

/// Another source whose clock stands at one moment: to look at a store as at that time.
pub(crate) struct Standing {
    /// The moment.
    pub(crate) at: Time,
    /// Where everything else comes from.
    pub(crate) other: std::rc::Rc<dyn Source>,
}

impl Source for Standing {
    fn now(&self) -> Time {
        self.at
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        self.other.fill(bytes)
    }

    fn pause(&self, length: std::time::Duration) {
        self.other.pause(length);
    }
}

/// A clock that stands still and bytes that repeat: for tests, and never for a real store. A release has none.
#[cfg(any(test, debug_assertions))]
#[derive(Debug)]
pub struct Fixed {
    now: std::cell::Cell<Time>,
    seed: u64,
    drawn: std::cell::Cell<u64>,
}

#[cfg(any(test, debug_assertions))]
impl Fixed {
    /// A source that always says `now` and draws the bytes that `seed` leads to.
    #[must_use]
    pub fn new(now: Time, seed: u64) -> Self {
        Fixed {
            now: std::cell::Cell::new(now),
            seed,
            drawn: std::cell::Cell::new(0),
        }
    }

    /// Sets the clock.
    #[cfg(test)]
    pub(crate) fn set(&self, now: Time) {
        self.now.set(now);
    }
}

#[cfg(any(test, debug_assertions))]
impl Source for Fixed {
    fn now(&self) -> Time {
        self.now.get()
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        use sha2::{Digest, Sha256};
        for chunk in bytes.chunks_mut(32) {
            let count = self.drawn.get();
            self.drawn.set(count + 1);
            let block = Sha256::digest([self.seed.to_be_bytes(), count.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }

    /// Where the clock stands still, nothing is to be waited for.
    fn pause(&self, _length: std::time::Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_767_225_600); // 2026-01-01T00:00:00Z

    #[test]
    fn times_are_read_in_every_form() {
        for (text, want) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("15m ago", "2025-12-31T23:45:00Z"),
            ("in 7d", "2026-01-08T00:00:00Z"),
            ("now", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(Time::parse(text, NOW).unwrap().to_string(), want, "{text}");
        }
        for text in [
            "",
            "soon",
            "2026-13-01",
            "5",
            "-5m ago",
            "in",
            "1.5s ago",
            // A time of day is not lost, and a zone is not guessed.
            "2026-12-31T12:00",
            "2026-12-31 12:00",
            "2026-12-31 23:59:59",
            "20261231T120000",
            "in 9999999999d",
            "9999999999d ago",
        ] {
            assert!(Time::parse(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_whole_seconds() {
        for (text, want) in [
            ("90s", 90),
            ("5m", 300),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("1d 2h", 93_600),
            ("2w", 1_209_600),
        ] {
            assert_eq!(seconds(text).unwrap(), want, "{text}");
        }
        for text in ["", "5", "-5m", "1.5s", "99999999999999999999d", "5 dog"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(spoken(90), "1m 30s");
        assert_eq!(spoken(0), "0s");
        assert_eq!(spoken(90_000), "1d 1h");
    }
}

//! A share in percent, compared as it was written and shown so that it never promises too much.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// Parts of a percent a share is kept in.
const PARTS: u64 = 10_000;

/// A share: `99%`, `99.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// In parts of a percent.
    parts: u64,
}

impl Share {
    /// Whether `part` of `all` is less than this share. Of nobody, everybody is there.
    pub(super) fn is_more_than(self, part: u64, all: u64) -> bool {
        u128::from(part) * u128::from(100 * PARTS) < u128::from(all) * u128::from(self.parts)
    }
}

impl FromStr for Share {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`].
    fn from_str(text: &str) -> Result<Share> {
        let refused = || {
            Error::new(Kind::Usage, format!("`{text}` is not a share"))
                .hint("write it as 99% or 99.5%, from 0% to 100%")
        };
        let number = text.trim().strip_suffix('%').unwrap_or(text.trim());
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(rest) || rest.len() > 4 {
            return Err(refused());
        }
        let whole: u64 = whole.parse().map_err(|_| refused())?;
        let rest: u64 = format!("{rest:0<4}").parse().map_err(|_| refused())?;
        let parts = whole.checked_mul(PARTS).map(|parts| parts + rest);
        match parts {
            Some(parts) if parts <= 100 * PARTS => Ok(Share { parts }),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.parts / PARTS, self.parts % PARTS);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let rest = format!("{rest:04}");
        write!(f, "{whole}.{}%", rest.trim_end_matches('0'))
    }
}

/// `part` of `all` in percent, rounded down to a tenth: 100 means everybody.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
pub(super) fn percent(part: u64, all: u64) -> f64 {
    let tenths = if all == 0 {
        1_000
    } else {
        u128::from(part) * 1_000 / u128::from(all)
    };
    tenths as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_written() {
        for (text, shown) in [
            ("99%", "99%"),
            ("99.5", "99.5%"),
            (" 0 ", "0%"),
            ("100%", "100%"),
            ("0.0001%", "0.0001%"),
            ("99.90%", "99.9%"),
        ] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "%",
            "100.1",
            "101%",
            "-1",
            "1e2",
            "99%%",
            "1.",
            ".5",
            "0.00001",
            "99 %",
            "99999999999999999999",
            "18446744073709551615",
            "½",
        ] {
            assert_eq!(
                text.parse::<Share>().unwrap_err().kind(),
                Kind::Usage,
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_rounded_up() {
        let share = |text: &str| text.parse::<Share>().unwrap();
        assert!(share("99%").is_more_than(98, 99));
        assert!(!share("99%").is_more_than(99, 100));
        assert!(share("100%").is_more_than(999_999_999, 1_000_000_000));
        assert!(!share("100%").is_more_than(0, 0));
        assert!(!share("0%").is_more_than(0, 7));
        assert!((percent(999_999, 1_000_000) - 99.9).abs() < f64::EPSILON);
        assert!((percent(0, 0) - 100.0).abs() < f64::EPSILON);
        assert!((percent(1, 3) - 33.3).abs() < f64::EPSILON);
    }
}

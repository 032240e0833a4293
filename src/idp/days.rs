//! The days of the certificates that a provider signs with: one verdict on each, for `idp test`, `doctor` and whoever
//! enables it.
//!
//! While certificates roll over, an older one that ends is no fault as long as another is there in time.

use super::{Idp, Stored, certificates};
use crate::clock::Time;
use crate::error::Result;
use crate::name::{argument, visible};
use crate::plan::Warning;
use crate::store::Store;

/// How long before its end a certificate is worth a word: time enough for a roll-over.
pub(crate) const SOON: i64 = 30 * 86_400;

/// How much of a fingerprint is shown, and named in a command.
const SHOWN: usize = 16;

/// What is to be said of the days of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day<'a> {
    /// Nothing.
    Good,
    /// It is not valid yet, and nothing else is.
    Early,
    /// It is not valid yet, and takes over from one that is.
    Coming,
    /// It ends soon, and nothing takes over.
    Ends,
    /// It is over, and nothing took over.
    Over,
    /// It ends soon or is over, and this one takes over.
    Followed(&'a Stored),
}

impl<'a> Day<'a> {
    /// The verdict on one certificate of `all`.
    pub(crate) fn of(one: &Stored, all: &'a [Stored], now: Time) -> Day<'a> {
        let is_valid = |other: &Stored| other.not_before <= now && other.not_after >= now;
        let mut others = all
            .iter()
            .filter(|other| other.fingerprint != one.fingerprint);
        if one.not_before > now {
            return if others.any(is_valid) {
                Day::Coming
            } else {
                Day::Early
            };
        }
        if one.not_after < now {
            let took_over = others.find(|other| is_valid(other));
            return took_over.map_or(Day::Over, Day::Followed);
        }
        if one.not_after >= now.plus(SOON) {
            return Day::Good;
        }
        let takes_over = |other: &&Stored| {
            other.not_after >= now.plus(SOON) && other.not_before <= one.not_after
        };
        others.find(takes_over).map_or(Day::Ends, Day::Followed)
    }
}

/// The beginning of a fingerprint, which names a certificate.
pub(crate) fn beginning(stored: &Stored) -> &str {
    stored
        .fingerprint
        .get(..SHOWN)
        .unwrap_or(&stored.fingerprint)
}

/// How many days that is, for people.
pub(crate) fn in_days(seconds: i64) -> String {
    match seconds / 86_400 {
        0 => "less than a day".to_owned(),
        days => crate::name::counted(days.unsigned_abs(), "day", "days"),
    }
}

/// What is worth saying to whoever has a provider used none of whose certificates is valid today.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn warning(store: &Store, idp: &Idp) -> Result<Option<Warning>> {
    let now = store.now();
    let all = certificates(store, idp.id)?;
    let days = all.iter().map(|one| (one, Day::of(one, &all, now)));
    let early = days
        .clone()
        .filter(|(_, day)| *day == Day::Early)
        .map(|(one, _)| one)
        .min_by_key(|one| one.not_before);
    let over = days
        .filter(|(_, day)| *day == Day::Over)
        .map(|(one, _)| one)
        .max_by_key(|one| one.not_after);
    let name = visible(&idp.name);
    let (kind, message) = match (early, over) {
        (Some(one), _) => (
            "certificate_not_yet_valid",
            format!(
                "the certificate of `{name}` is not valid before {}",
                one.not_before
            ),
        ),
        (None, Some(one)) => (
            "certificate_expired",
            format!(
                "the certificate of `{name}` was valid until {}",
                one.not_after
            ),
        ),
        (None, None) => return Ok(None),
    };
    Ok(Some(Warning {
        kind,
        message: format!("{message}; signatures are checked with it all the same."),
        hint: Some(format!(
            "get the new one from the provider, then `twofa idp edit {} --metadata FILE`",
            argument(&idp.name)
        )),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000 * 86_400);

    fn stored(fingerprint: &str, from: i64, until: i64) -> Stored {
        Stored {
            der: Vec::new(),
            fingerprint: fingerprint.to_owned(),
            not_before: NOW.plus(from * 86_400),
            not_after: NOW.plus(until * 86_400),
        }
    }

    #[test]
    fn one_that_takes_over_in_time_makes_the_end_of_another_good() {
        let old = stored("old", -100, 10);
        let new = stored("new", -1, 1_000);
        let late = stored("late", 11, 1_000);
        let coming = stored("coming", 9, 1_000);
        let gone = stored("gone", -100, -1);
        let day = |one: &Stored, others: &[&Stored]| {
            let all: Vec<Stored> = std::iter::once(one)
                .chain(others.iter().copied())
                .cloned()
                .collect();
            format!("{:?}", Day::of(one, &all, NOW))
                .split('(')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(day(&new, &[]), "Good");
        assert_eq!(day(&old, &[]), "Ends");
        assert_eq!(day(&old, &[&new]), "Followed");
        assert_eq!(day(&old, &[&coming]), "Followed");
        // Between the two there is none.
        assert_eq!(day(&old, &[&late]), "Ends");
        assert_eq!(day(&old, &[&gone]), "Ends");
        assert_eq!(day(&coming, &[&old]), "Coming");
        assert_eq!(day(&coming, &[&gone]), "Early");
        assert_eq!(day(&gone, &[&coming]), "Over");
        assert_eq!(day(&gone, &[&old]), "Followed");
    }
}

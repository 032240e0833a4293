//! The first factor: comparing a password, and what is said when it is refused.
//!
//! Logins and changes of a password go through here. A try is reserved and committed, the hash is computed with no
//! transaction open, and the verdict is written in the caller's transaction. Every answer, whether the login exists or
//! not, costs one Argon2id and the same commits.

use super::decide::First;
use super::facts::{Person, System};
use super::tries;
use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, counted};
use crate::password::{self, Stored};
use crate::plan::Warning;
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::{self, User};
use crate::vault::NewPassword;

/// A password that was compared. Its try stays reserved until it is settled.
pub(crate) struct Compared {
    /// The user, as they were when the try was reserved; `None`: nobody has this login.
    pub(crate) user: Option<User>,
    stored: Stored,
    came: First,
    /// Our own hash of a right password, where an imported one stands.
    upgrade: Option<NewPassword>,
}

/// Reserves a try, commits it, and compares.
///
/// # Errors
/// Storage and key errors.
pub(crate) fn compare(
    store: &Store,
    who: &Who,
    login: &str,
    password: &Secret,
) -> Result<Compared> {
    store.vault()?;
    let system = System::load(store)?;
    let (user, reserved, stored) = store.write(|tx| {
        let user = user::lookup(tx, login)?
            .map(|user| tries::settle(tx, who, user))
            .transpose()?;
        let reserved = tries::reserve_password(tx, &system, user.as_ref())?;
        let stored = password::stored(tx, user.as_ref())?;
        Ok((user, reserved, stored))
    })?;
    let compared = password::compare(store, &stored, password)?;
    let came = match compared.right {
        true if reserved != First::TooMany => First::Right,
        true => First::TooMany,
        false => First::Wrong,
    };
    Ok(Compared {
        user,
        stored,
        came,
        upgrade: compared.upgrade,
    })
}

impl Compared {
    /// Writes what it came to, and gives it with the user as they are now. `None`: another login has just put our own
    /// hash in the place of an imported one, and the password is to be compared with that; the try is given back.
    ///
    /// The lock was let go for the comparison: what was compared must still be what is stored.
    pub(crate) fn settle(
        &self,
        tx: &Tx<'_>,
        who: &Who,
        system: &System,
        user: &User,
    ) -> Result<Option<(First, Person)>> {
        let now = password::stored(tx, Some(user))?;
        if now != self.stored && self.stored.is_imported() && !now.is_imported() {
            tries::settle_password(tx, who, system, user, First::TooMany)?;
            return Ok(None);
        }
        let first = if now == self.stored {
            self.came
        } else {
            First::Wrong
        };
        tries::settle_password(tx, who, system, user, first)?;
        if first == First::Right
            && let Some(new) = &self.upgrade
        {
            password::upgrade(tx, user.id, new)?;
            let entry = Entry::new(Event::PASSWORD_UPGRADED, Outcome::Ok);
            append(tx, who, &entry.user(user.id, user.login.as_str()))?;
        }
        let person = Person::load(tx, user::get(tx, user.id)?)?;
        Ok(Some((first, person)))
    }

    /// What [`Compared::settle`] costs, where nobody has the login: as many reads, of somebody else's row, and as many
    /// writes. Its time would tell else who exists.
    pub(crate) fn settle_nobody(tx: &Tx<'_>, instead: i64) -> Result<()> {
        password::stored(tx, Some(&user::get(tx, instead)?))?;
        tries::settle_unknown(tx)?;
        Person::load(tx, user::get(tx, instead)?)?;
        Ok(())
    }

    /// Whether what it was compared with is still what is stored, or our own hash of the same password that took its
    /// place.
    pub(crate) fn still_holds(&self, tx: &Tx<'_>) -> Result<bool> {
        let now = password::stored(tx, self.user.as_ref())?;
        let upgraded = self.upgrade.as_ref().is_some_and(|new| now.is(new));
        Ok(now == self.stored || upgraded)
    }
}

/// What the words of a refused first factor tell. The exit status and the document do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing but the refusal.
    Refused,
    /// That the login or the password is wrong: `DisplayIncorrectPasswordMessageAtLogin`.
    Wrong,
    /// That the user is locked: `DisplayAccountLockoutMessageAtLogin`.
    Locked(Time),
}

impl Told {
    /// What is told of a refusal for this reason. `person`: `None` for a login nobody has.
    #[must_use]
    pub(crate) fn of(system: &System, person: Option<&Person>, kind: Kind, now: Time) -> Told {
        let until = person.and_then(|person| person.user.locked_until);
        match until.filter(|until| now < *until) {
            Some(until) if system.show_lockout => Told::Locked(until),
            _ if system.show_wrong_password && kind == Kind::FirstFactorWrong => Told::Wrong,
            _ => Told::Refused,
        }
    }

    /// The refusal in words. `login`: as it may be said.
    #[must_use]
    pub fn refusal(self, kind: Kind, login: &str) -> Error {
        match self {
            Told::Refused => Error::new(kind, "the login was refused"),
            Told::Wrong => Error::new(kind, "the login or the password is wrong"),
            Told::Locked(until) => Error::new(kind, format!("the user is locked until {until}"))
                .hint(format!(
                    "an administrator can take the lock off with `twofa user unlock {}`",
                    argument(login)
                )),
        }
    }
}

/// Tells how many wrong passwords are left before the lock, once there were `LoginAttemptBeforeWarningCount` of them.
#[must_use]
pub(crate) fn tries_left(system: &System, user: &User) -> Option<Warning> {
    let counts = system.password_attempts > 0 && system.lockout > 0;
    let due = system.warn_after > 0 && user.password_failures >= system.warn_after;
    // The lock comes with the first failure above what is allowed.
    let left = system.password_attempts + 1 - user.password_failures;
    (counts && due && left > 0).then(|| Warning {
        kind: "tries_left",
        message: format!(
            "{} left.",
            counted(left.unsigned_abs(), "try is", "tries are")
        ),
        hint: None,
    })
}

/// Reminds of a password that expires within `PasswordChangeReminding`.
#[must_use]
pub(crate) fn reminder(system: &System, user: &User, now: Time) -> Option<Warning> {
    if system.max_age == 0 || system.remind_days == 0 {
        return None;
    }
    let expires = user.password_changed_at?.plus(system.max_age * DAY);
    let left = expires.since(now);
    (left > 0 && left <= system.remind_days * DAY).then(|| Warning {
        kind: "password_expires",
        message: format!("The password expires at {expires}."),
        hint: Some(format!("twofa password change {}", argument(&user.login))),
    })
}

const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::{self, About, Purpose};
    use crate::error::Kind;
    use crate::login::run;
    use crate::method::Method;
    use crate::store::tests::{Fresh, fresh};
    use crate::user::edit::IMPORTED;

    /// `alice`, whose password was imported.
    fn imported() -> (Fresh, User) {
        let fresh = fresh();
        let store = &fresh.store;
        let hash = "$2b$04$szS2u1041Frh9mk3IEBL.e3Qa9C.fQia0g.hqkdSUJi.NOxFCDFDi";
        let write = |tx: &Tx<'_>| {
            let sealed = tx
                .vault()?
                .seal(IMPORTED, 1, hash.as_bytes(), tx.source())?;
            tx.db().execute(
                "INSERT INTO user (id, login, type, created_at) VALUES (1, 'alice', 'employee', 0)",
                [],
            )?;
            tx.db()
                .execute("INSERT INTO identity VALUES ('alice', 1, 1, 0)", [])?;
            tx.db()
                .execute("UPDATE user SET password_imported = ?1", [sealed])?;
            tx.db().execute(
                "INSERT INTO setting (code, number) VALUES ('LoginAttemptCount', 1)",
                [],
            )?;
            user::get(tx, 1)
        };
        let user = store.write(write).unwrap();
        (fresh, user)
    }

    /// Of two right passwords at once the first puts our hash in the place of the imported one; the second is none of the
    /// wrong ones, and is compared once more.
    #[test]
    fn two_right_passwords_at_once_are_both_right() {
        let (fresh, user) = imported();
        let (store, who) = (&fresh.store, Who::default());
        let right = Secret::from("correct horse");
        let settle = |compared: &Compared| {
            let write = |tx: &Tx<'_>| {
                let system = System::load(tx)?;
                let settled = compared.settle(tx, &who, &system, &user)?;
                Ok(settled.map(|(first, _)| first))
            };
            store.write(write).unwrap()
        };
        let both = [(); 2].map(|()| compare(store, &who, "alice", &right).unwrap());
        assert_eq!(settle(&both[0]), Some(First::Right));
        assert_eq!(settle(&both[1]), None, "once more");
        let again = compare(store, &who, "alice", &right).unwrap();
        assert_eq!(settle(&again), Some(First::Right));
        let wrong = compare(store, &who, "alice", &"correct horsf".into()).unwrap();
        assert_eq!(settle(&wrong), Some(First::Wrong));
        let after = user::get(store, 1).unwrap();
        assert_eq!((after.password_failures, after.locked_until), (1, None));
    }

    /// While a password is compared, a rotation of the keys seals its imported hash anew: it is the same hash.
    #[test]
    fn a_right_password_is_right_while_keys_are_rotated() {
        let (fresh, user) = imported();
        let (store, who) = (&fresh.store, Who::default());
        let compared = compare(store, &who, "alice", &"correct horse".into()).unwrap();
        let settle = |tx: &Tx<'_>| {
            let sealed: Vec<u8> =
                tx.db()
                    .query_row("SELECT password_imported FROM user", [], |row| row.get(0))?;
            let plain = tx.unseal(IMPORTED, 1, &sealed)?;
            let anew = tx.vault()?.seal(IMPORTED, 1, &plain, tx.source())?;
            assert_ne!(anew, sealed);
            tx.db()
                .execute("UPDATE user SET password_imported = ?1", [anew])?;
            let settled = compared.settle(tx, &who, &System::load(tx)?, &user)?;
            Ok(settled.map(|(first, _)| first))
        };
        assert_eq!(store.write(settle).unwrap(), Some(First::Right));
        assert_eq!(user::get(store, 1).unwrap().password_failures, 0);
    }

    /// A challenge of anything but a login lets nobody in, whoever judges it.
    #[test]
    fn only_a_login_is_answered_as_one() {
        let (fresh, _) = imported();
        for purpose in [Purpose::Confirmation, Purpose::Password, Purpose::Recovery] {
            let open =
                |tx: &Tx<'_>| challenge::open(tx, 1, purpose, Method::Email, About::default());
            let token = fresh.store.write(open).unwrap().token;
            let answered = run::answer(&fresh.store, &Who::default(), &token, &"1".into(), None);
            assert_eq!(answered.unwrap_err().kind(), Kind::NotFound);
        }
    }
}

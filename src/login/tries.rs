//! Tries: the counters of wrong answers, and what they cost.
//!
//! One counter of second factors for a user, over all methods and challenges, and one of passwords. A try is counted in
//! the transaction that compares the answer; a password's is reserved before, for its hash is computed with no
//! transaction open. This module is one of the two that write declared state (locked, active) besides `change.rs`, with
//! audit rows of their own.

use rusqlite::named_params;

use super::decide::{First, Penalty, password_lock, penalty};
use super::facts::System;
use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::error::{Kind, Result};
use crate::permission;
use crate::store::{Store, Tx};
use crate::user::state::reset_counters;
use crate::user::{User, get};
use crate::verb::Operation;

/// A lock that has run out is taken off, with both counters, and kept as an event of its own. Returns the user as they
/// are now.
pub(crate) fn settle(tx: &Tx<'_>, who: &Who, user: User) -> Result<User> {
    match user.locked_until {
        Some(until) if until <= tx.now() => {
            reset_counters(tx, user.id)?;
            let entry = Entry::new(Event::USER_LOCK_ENDED, Outcome::Ok)
                .user(user.id, user.login.as_str())
                .detail(serde_json::json!({ "locked_until": until }));
            append(tx, who, &entry)?;
            get(tx, user.id)
        }
        _ => Ok(user),
    }
}

/// Counts a wrong second factor and brings the penalty when it is due. `user` must have been read under this very lock:
/// the count goes on from what it says.
pub(crate) fn count(tx: &Tx<'_>, who: &Who, system: &System, user: &User) -> Result<Penalty> {
    let failures = user.second_factor_failures + 1;
    tx.db()
        .prepare_cached("UPDATE user SET second_factor_failures = ?1 WHERE id = ?2")?
        .execute([failures, user.id])?;
    let due = system.attempts > 0 && failures >= system.attempts;
    // Only a penalty of deactivation needs to know, and it is rare.
    let last = due && system.lockout == 0 && is_last(tx, user)?;
    let penalty = penalty(failures, system, last, tx.now());
    let entry = |event| {
        Entry::new(event, Outcome::Ok)
            .user(user.id, user.login.as_str())
            .reason("second_factor_attempts")
            .detail(serde_json::json!({ "failures": failures }))
    };
    match penalty {
        Penalty::Nothing { .. } => {}
        Penalty::Lock { until } => {
            tx.db().execute(
                "UPDATE user SET locked_until_at = ?1 WHERE id = ?2",
                rusqlite::params![until, user.id],
            )?;
            let detail = serde_json::json!({ "failures": failures, "locked_until": until });
            append(tx, who, &entry(Event::USER_LOCKED).detail(detail))?;
        }
        Penalty::Deactivate => {
            tx.db()
                .execute("UPDATE user SET active = 0 WHERE id = ?1", [user.id])?;
            append(tx, who, &entry(Event::USER_DEACTIVATED))?;
        }
    }
    Ok(penalty)
}

/// Whether nobody else active is an administrator, or can change who may: whoever is that is locked, and not deactivated.
pub(super) fn is_last(store: &Store, user: &User) -> Result<bool> {
    if permission::in_administrators(store, user.id, user.kind)?
        && !permission::another_administrator(store, user.id)?
    {
        return Ok(true);
    }
    let holders = permission::active_holders(store, Operation::CanChangeAdminOperationGrantee, 2)?;
    Ok(holders.len() == 1 && holders.contains(&user.login))
}

/// A right second factor: the counter starts anew.
pub(crate) fn succeed(tx: &Tx<'_>, user: i64) -> Result<()> {
    tx.db()
        .prepare_cached("UPDATE user SET second_factor_failures = 0 WHERE id = ?1 AND second_factor_failures > 0")?
        .execute([user])?;
    Ok(())
}

/// How long a password may be under comparison, in seconds. A command that was killed meanwhile holds its try no longer.
const RESERVED: i64 = 60;

/// Counts a password before it is compared. `TooMany`: tries reserved by logins under way have used up what the limit
/// allows, so this one does not log in even if it is right; `Wrong` stands until [`settle_password`] says otherwise.
pub(crate) fn reserve_password(tx: &Tx<'_>, system: &System, user: Option<&User>) -> Result<First> {
    let Some(user) = user else {
        // An unknown login costs the same write.
        tx.db()
            .prepare_cached("UPDATE unknown_login SET failures = failures + 1")?
            .execute([])?;
        return Ok(First::Wrong);
    };
    let now = tx.now();
    let (reserved, failures): (i64, i64) = tx
        .db()
        .prepare_cached(
            "UPDATE user SET password_reserved = iif(password_reserved_at > :stale, password_reserved + 1, 1),
                 password_reserved_at = :now
             WHERE id = :id RETURNING password_reserved, password_failures",
        )?
        .query_row(
            named_params! { ":stale": now.plus(-RESERVED), ":now": now, ":id": user.id },
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    // The only one under way is judged by itself, however many failures an earlier limit let pass.
    let over = system.password_attempts > 0
        && system.lockout > 0
        && reserved > 1
        && failures + reserved > system.password_attempts + 1;
    Ok(if over { First::TooMany } else { First::Wrong })
}

/// Writes what the comparison came to: a right password starts the counter anew, a wrong one locks when it is due.
pub(crate) fn settle_password(
    tx: &Tx<'_>,
    who: &Who,
    system: &System,
    user: &User,
    first: First,
) -> Result<()> {
    let settled = match first {
        First::Right => {
            "UPDATE user SET password_failures = 0, password_reserved = max(password_reserved - 1, 0) WHERE id = ?1"
        }
        // Right as well: it gives its own try back, so that right passwords alone never lock.
        First::TooMany => {
            "UPDATE user SET password_reserved = max(password_reserved - 1, 0) WHERE id = ?1"
        }
        First::Wrong => {
            "UPDATE user SET password_failures = password_failures + 1, password_reserved = max(password_reserved - 1, 0) WHERE id = ?1"
        }
    };
    tx.db().prepare_cached(settled)?.execute([user.id])?;
    // Read for a right one too: somebody inactive is told nothing, and not by the time either.
    let now = get(tx, user.id)?;
    if first != First::Wrong {
        return Ok(());
    }
    let locked = now.locked_until.is_some_and(|until| tx.now() < until);
    let Some(until) = password_lock(now.password_failures, system, tx.now()).filter(|_| !locked)
    else {
        return Ok(());
    };
    tx.db().execute(
        "UPDATE user SET locked_until_at = :until WHERE id = :id",
        named_params! { ":until": until, ":id": user.id },
    )?;
    let entry = Entry::new(Event::USER_LOCKED, Outcome::Ok)
        .user(user.id, user.login.as_str())
        .reason(Kind::FirstFactorWrong.code())
        .detail(serde_json::json!({ "failures": now.password_failures, "locked_until": until }));
    append(tx, who, &entry)?;
    Ok(())
}

/// Writes as often as [`settle_password`] and the log write the row of a user, where nobody has the login.
pub(crate) fn settle_unknown(tx: &Tx<'_>) -> Result<()> {
    for _ in 0..2 {
        tx.db()
            .prepare_cached("UPDATE unknown_login SET failures = failures")?
            .execute([])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::authenticator::{self, Confirmed};
    use crate::challenge::{self, About, LIFE, Purpose};
    use crate::clock::Time;
    use crate::login::run;
    use crate::login::verdict::Outcome as Came;
    use crate::method::Method;
    use crate::plan::Plan as _;
    use crate::recovery::GenerateCodes;
    use crate::secret::Secret;
    use crate::store::tests::{Fresh, START, fresh};
    use crate::user::state::{SetActive, Unlock};

    const TTL: i64 = 60;
    const PERIOD: i64 = 30;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// A login begins, and a code goes out by email.
        Open,
        /// The code that was sent last for a login.
        Right(usize),
        /// The one sent first for it, which a resend replaced.
        First(usize),
        Wrong(usize),
        /// What the app shows so many steps from now.
        App(usize, i64),
        Recovery(usize, usize),
        Resend(usize),
        Cancel(usize),
        /// Time passes, or the clock is set back.
        Wait(i64),
        Unlock,
        Activate,
    }

    fn step() -> impl Strategy<Value = Step> {
        let which = 0usize..4;
        prop_oneof![
            3 => Just(Step::Open),
            4 => which.clone().prop_map(Step::Right),
            1 => which.clone().prop_map(Step::First),
            6 => which.clone().prop_map(Step::Wrong),
            4 => (which.clone(), -2i64..=2).prop_map(|(which, out)| Step::App(which, out)),
            2 => (which.clone(), 0usize..3).prop_map(|(which, code)| Step::Recovery(which, code)),
            1 => which.clone().prop_map(Step::Resend),
            1 => which.prop_map(Step::Cancel),
            3 => prop_oneof![1i64..40, Just(59), Just(60), Just(899), Just(900), Just(LIFE), -40i64..0].prop_map(Step::Wait),
            1 => Just(Step::Unlock),
            1 => Just(Step::Activate),
        ]
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Compared {
        Right,
        Replay,
        Wrong,
    }

    struct Login {
        id: i64,
        token: String,
        codes: Vec<String>,
        code_expires: Time,
        expires: Time,
        closed: bool,
    }

    /// What SEMANTICS says of one user, kept beside the store.
    struct Model {
        world: Fresh,
        user: i64,
        last_administrator: bool,
        attempts: i64,
        lockout: i64,
        now: Time,
        failures: i64,
        locked_until: Option<Time>,
        active: bool,
        logins: Vec<Login>,
        secret: Vec<u8>,
        watermark: i64,
        recovery: Vec<String>,
        /// What has let somebody in.
        spent: BTreeSet<String>,
        granted: i64,
    }

    fn code_at(secret: &[u8], step: i64) -> String {
        let totp = totp_rs::Builder::new()
            .with_secret(secret.to_vec())
            .build()
            .unwrap();
        totp.generate(u64::try_from(step * PERIOD).unwrap())
            .to_string()
    }

    impl Model {
        fn new(attempts: i64, lockout: i64, last_administrator: bool) -> Model {
            let world = fresh();
            let who = Who::default();
            let db = world.store.tampered();
            // Thousands of commits; what a power cut does is not asked here.
            db.execute_batch(&format!(
                "PRAGMA synchronous = OFF;
                 UPDATE method SET enabled = 1;
                 INSERT INTO setting (code, number) VALUES
                   ('SecondFactorAttemptCount', {attempts}), ('UserLockoutDuration', {lockout});
                 INSERT INTO user (login, type, created_at) VALUES ('alice', 'employee', 0), ('bob', 'employee', 0);"
            ))
            .unwrap();
            let id = |login: &str| -> i64 {
                db.query_row("SELECT id FROM user WHERE login = ?1", [login], |row| {
                    row.get(0)
                })
                .unwrap()
            };
            let (user, other) = (id("alice"), id("bob"));
            let administrator = if last_administrator { user } else { other };
            db.execute(
                "INSERT INTO group_user (\"group\", user) SELECT id, ?1 FROM \"group\" WHERE built_in = 'administrators'",
                [administrator],
            )
            .unwrap();
            let (secret, recovery) = world
                .store
                .write(|tx| {
                    let alice = get(tx, user)?;
                    let (_, enrolment) = authenticator::begin(tx, &who, &alice, 120)?;
                    let secret = data_encoding::BASE32_NOPAD
                        .decode(enrolment.secret.expose().as_bytes())
                        .unwrap();
                    let code = Secret::new(code_at(&secret, START.0 / PERIOD));
                    let came = authenticator::confirm(tx, &who, &alice, &code, None, 1)?;
                    assert_eq!(came, Confirmed::Connected);
                    let codes = GenerateCodes::new(user);
                    codes.write(tx)?;
                    Ok((secret, codes.into_codes()))
                })
                .unwrap();
            Model {
                world,
                user,
                last_administrator,
                attempts,
                lockout,
                now: START,
                failures: 0,
                locked_until: None,
                active: true,
                logins: Vec::new(),
                secret,
                watermark: START.0 / PERIOD,
                recovery: recovery
                    .iter()
                    .map(|code| code.expose().to_owned())
                    .collect(),
                spent: BTreeSet::new(),
                granted: 0,
            }
        }

        fn is_locked(&self) -> bool {
            self.locked_until.is_some_and(|until| self.now < until)
        }

        /// Sends a code for the challenge of row `id`.
        fn send(&self, id: i64) -> String {
            let code = self.world.store.write(|tx| {
                let code = challenge::new_code(tx, id, Method::Email)?;
                challenge::accepted(tx, id, &code, TTL)?;
                Ok(code)
            });
            code.unwrap().expose().to_owned()
        }

        fn reset(&mut self) {
            self.failures = 0;
            self.locked_until = None;
        }

        #[expect(clippy::too_many_lines, reason = "one arm for each step")]
        fn take(&mut self, step: Step) {
            match step {
                Step::Open => {
                    let opened = self.world.store.write(|tx| {
                        let about = About::default();
                        challenge::open(tx, self.user, Purpose::Login, Method::Email, about)
                    });
                    let opened = opened.unwrap();
                    let code = self.send(opened.id);
                    self.logins.push(Login {
                        id: opened.id,
                        token: opened.token,
                        codes: vec![code],
                        code_expires: self.now.plus(TTL),
                        expires: self.now.plus(LIFE),
                        closed: false,
                    });
                    // The newest four are the interesting ones.
                    if self.logins.len() > 4 {
                        self.logins.remove(0);
                    }
                }
                Step::Resend(which) => {
                    let Some(at) = self.pick(which).filter(|at| !self.logins[*at].closed) else {
                        return;
                    };
                    let code = self.send(self.logins[at].id);
                    self.logins[at].codes.push(code);
                    self.logins[at].code_expires = self.now.plus(TTL);
                }
                Step::Cancel(which) => {
                    let Some(at) = self.pick(which).filter(|at| !self.logins[*at].closed) else {
                        return;
                    };
                    let id = self.logins[at].id;
                    let closed = challenge::Closed::Cancelled;
                    self.world
                        .store
                        .write(|tx| challenge::close(tx, id, closed))
                        .unwrap();
                    self.logins[at].closed = true;
                }
                Step::Wait(seconds) => {
                    self.now = self.now.plus(seconds);
                    self.world.clock.set(self.now);
                }
                Step::Unlock => {
                    let plan = Unlock { id: self.user };
                    self.world.store.write(|tx| plan.write(tx)).unwrap();
                    self.reset();
                }
                Step::Activate => {
                    let plan = SetActive {
                        id: self.user,
                        active: true,
                    };
                    self.world.store.write(|tx| plan.write(tx)).unwrap();
                    self.active = true;
                    self.reset();
                }
                Step::Right(which) => self.by_email(which, |login| {
                    login.codes.last().cloned().unwrap_or_default()
                }),
                Step::First(which) => {
                    self.by_email(which, |login| {
                        login.codes.first().cloned().unwrap_or_default()
                    });
                }
                Step::Wrong(which) => self.by_email(which, |_| "no code".to_owned()),
                Step::App(which, out) => {
                    let Some(at) = self.pick(which) else { return };
                    let here = self.now.0 / PERIOD;
                    let code = code_at(&self.secret, here + out);
                    let matching = (here - 1..=here + 1)
                        .filter(|step| code_at(&self.secret, *step) == code)
                        .max();
                    let compared = match matching {
                        None => Compared::Wrong,
                        Some(step) if step <= self.watermark => Compared::Replay,
                        Some(_) => Compared::Right,
                    };
                    let granted = self.answer(at, Method::Totp, &code, Some(compared));
                    if granted {
                        assert!(self.spent.insert(format!("app {matching:?}")));
                        self.watermark = matching.unwrap_or(i64::MAX);
                    }
                }
                Step::Recovery(which, code) => {
                    let Some(at) = self.pick(which) else { return };
                    let code = self.recovery[code].clone();
                    let compared = if self.spent.contains(&code) {
                        Compared::Replay
                    } else {
                        Compared::Right
                    };
                    if self.answer(at, Method::RecoveryCodes, &code, Some(compared)) {
                        assert!(self.spent.insert(code));
                    }
                }
            }
        }

        fn pick(&self, which: usize) -> Option<usize> {
            (!self.logins.is_empty()).then(|| which % self.logins.len())
        }

        fn by_email(&mut self, which: usize, code: fn(&Login) -> String) {
            let Some(at) = self.pick(which) else { return };
            let login = &self.logins[at];
            let code = code(login);
            // Neither before the server took it nor once it has run out.
            let valid = login.code_expires.plus(-TTL) <= self.now && self.now < login.code_expires;
            let compared = valid.then(|| {
                if login.codes.last() == Some(&code) {
                    Compared::Right
                } else {
                    Compared::Wrong
                }
            });
            let token = login.token.clone();
            if self.answer(at, Method::Email, &code, compared) {
                assert!(self.spent.insert(format!("{token} {code}")));
            }
        }

        /// Answers, and holds the verdict against the order of judgement. `None`: the code has run out.
        fn answer(
            &mut self,
            at: usize,
            method: Method,
            code: &str,
            compared: Option<Compared>,
        ) -> bool {
            if self.locked_until.is_some_and(|until| until <= self.now) {
                self.reset();
            }
            let login = &self.logins[at];
            let expected = if login.closed {
                Err(Kind::SecondFactorUsed)
            } else if !self.active {
                Err(Kind::Deactivated)
            } else if self.is_locked() {
                Err(Kind::Locked)
            } else if login.expires <= self.now {
                Err(Kind::SecondFactorExpired)
            } else {
                match compared {
                    None => Err(Kind::SecondFactorExpired),
                    Some(Compared::Right) => Ok(()),
                    Some(Compared::Replay) => Err(self.counted(Kind::SecondFactorUsed)),
                    Some(Compared::Wrong) => Err(self.counted(Kind::SecondFactorWrong)),
                }
            };
            let token = self.logins[at].token.clone();
            let verdict = run::answer(
                &self.world.store,
                &Who::default(),
                &token,
                &Secret::new(code.to_owned()),
                Some(method),
            )
            .unwrap();
            match expected {
                Ok(()) => {
                    assert_eq!(verdict.outcome, Came::Granted);
                    self.logins[at].closed = true;
                    self.failures = 0;
                    self.granted += 1;
                    true
                }
                Err(kind) => {
                    assert_eq!(verdict.outcome, Came::Denied(kind));
                    false
                }
            }
        }

        /// A wrong or replayed answer counts, and the one that reaches the limit answers with the penalty.
        fn counted(&mut self, kind: Kind) -> Kind {
            self.failures += 1;
            if self.attempts == 0 || self.failures < self.attempts {
                return kind;
            }
            if self.lockout == 0 && !self.last_administrator {
                self.active = false;
                return Kind::Deactivated;
            }
            let minutes = if self.lockout == 0 { 15 } else { self.lockout };
            self.locked_until = Some(self.now.plus(minutes * 60));
            Kind::Locked
        }

        /// The store says what the model says.
        fn holds(&self) {
            let user = get(&self.world.store, self.user).unwrap();
            assert_eq!(user.second_factor_failures, self.failures);
            assert_eq!(user.locked_until, self.locked_until);
            assert_eq!(user.active, self.active);
            let count = |sql: &str| -> i64 {
                let db = self.world.store.db();
                db.query_row(sql, [], |row| row.get(0)).unwrap()
            };
            assert_eq!(
                count("SELECT count(*) FROM audit WHERE event = 'login.granted'"),
                self.granted
            );
            assert_eq!(
                count("SELECT count(*) FROM challenge WHERE closed_as = 'answered'"),
                self.granted
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// Failures are counted exactly for wrong and replayed answers, the penalty comes exactly at the limit, nobody
        /// gets in while locked or inactive, and nothing lets two in.
        #[test]
        fn whatever_is_answered_the_counters_hold(
            steps in prop::collection::vec(step(), 1..60),
            attempts in 0i64..5,
            lockout in prop_oneof![Just(0i64), Just(1), Just(15)],
            last_administrator: bool,
        ) {
            let mut model = Model::new(attempts, lockout, last_administrator);
            for step in steps {
                model.take(step);
                model.holds();
            }
        }
    }
}

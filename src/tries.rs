//! Tries: the counters of wrong answers, and what they cost.
//!
//! One counter of second factors for a user, over all methods and challenges, and one of passwords. A try is counted in
//! the transaction that compares the answer; a password's is reserved before, for its hash is computed with no
//! transaction open. This module is one of the two that write declared state (locked, active) besides `change.rs`, with
//! audit rows of their own.

use rusqlite::named_params;

use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::error::{Kind, Result};
use crate::login::decide::{First, Penalty, password_lock, penalty};
use crate::login::facts::System;
use crate::permission;
use crate::store::Tx;
use crate::user::state::reset_counters;
use crate::user::{User, get};

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

/// Counts a wrong second factor and brings the penalty when it is due.
pub(crate) fn count(tx: &Tx<'_>, who: &Who, system: &System, user: &User) -> Result<Penalty> {
    let failures: i64 = tx
        .db()
        .prepare_cached(
            "UPDATE user SET second_factor_failures = second_factor_failures + 1 WHERE id = ?1 RETURNING second_factor_failures",
        )?
        .query_row([user.id], |row| row.get(0))?;
    let due = system.attempts > 0 && failures >= system.attempts;
    // Only a penalty of deactivation needs to know, and it is rare.
    let last = due && system.lockout == 0 && is_last_administrator(tx, user)?;
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

fn is_last_administrator(tx: &Tx<'_>, user: &User) -> Result<bool> {
    Ok(permission::in_administrators(tx, user.id, user.kind)?
        && !permission::another_administrator(tx, user.id)?)
}

/// A right second factor: the counter starts anew.
pub(crate) fn succeed(tx: &Tx<'_>, user: i64) -> Result<()> {
    tx.db()
        .prepare_cached("UPDATE user SET second_factor_failures = 0 WHERE id = ?1 AND second_factor_failures > 0")?
        .execute([user])?;
    Ok(())
}

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
    let reserved: i64 = tx
        .db()
        .prepare_cached("UPDATE user SET password_failures = password_failures + 1 WHERE id = ?1 RETURNING password_failures")?
        .query_row([user.id], |row| row.get(0))?;
    let over = system.password_attempts > 0
        && system.lockout > 0
        && reserved > system.password_attempts + 1;
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
        First::Right => Some("UPDATE user SET password_failures = 0 WHERE id = ?1"),
        // Right as well: it gives its own try back, so that right passwords alone never lock.
        First::TooMany => {
            Some("UPDATE user SET password_failures = max(password_failures - 1, 0) WHERE id = ?1")
        }
        First::Wrong => None,
    };
    if let Some(sql) = settled {
        tx.db().prepare_cached(sql)?.execute([user.id])?;
        return Ok(());
    }
    let now = get(tx, user.id)?;
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

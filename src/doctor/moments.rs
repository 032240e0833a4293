//! What the clock decides: whether it has gone back itself, and what is locked, over or run out now.

use rusqlite::named_params;

use super::finding::{Findings, Tally, by_hand};
use super::{Looked, Patient};
use crate::clock::Time;
use crate::error::Result;
use crate::name::{argument, counted};
use crate::store::Store;

/// How many steps beyond its drift an app's last code may end. Two clocks are never one.
const FEW_STEPS: i64 = 2;

/// The newest moment that the store remembers.
const NEWEST: &str = "SELECT max(at) FROM (
    SELECT at FROM (SELECT at FROM audit ORDER BY seq DESC LIMIT 1)
    UNION ALL SELECT max(max(created_at), coalesce(max(password_changed_at), 0), coalesce(max(last_login_at), 0)) FROM user)";

/// Codes that were consumed before their time: until then none of the app is accepted.
const AHEAD: &str = "SELECT login FROM authenticator JOIN user ON user.id = authenticator.user
    WHERE consumed_until_at > :now + period * :steps";

pub(super) fn clock(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let now = store.now();
    let newest: Option<Time> = store.db().query_row(NEWEST, [], |row| row.get(0))?;
    if let Some(newest) = newest.filter(|newest| *newest > now) {
        let message = format!(
            "The clock of this machine says {now}, and the store remembers {newest}: codes and locks end too late."
        );
        out.add("clock_behind", 1, message)
            .mend("timedatectl set-ntp true");
    }
    let settings = crate::setting::Settings::load(store)?;
    let drift = settings.number(&crate::setting::TOTP_DRIFT);
    let ahead = logins(
        store,
        AHEAD,
        named_params! { ":now": now, ":steps": drift + 1 + FEW_STEPS },
    )?;
    if ahead.count > 0 {
        let message = format!(
            "{} accepted a code of a time that has not come, and no other is accepted before it: {}.",
            counted(ahead.count, "app", "apps"),
            ahead.listed()
        );
        out.add("code_ahead", ahead.count, message)
            .names(&ahead.names)
            .mend_each(|login| format!("twofa authenticator connect {}", argument(login)));
    }
    Ok(Looked::Whole)
}

/// The names that a statement gives.
pub(super) fn logins(store: &Store, sql: &str, params: impl rusqlite::Params) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut query = store.db().prepare(sql)?;
    let mut rows = query.query(params)?;
    while let Some(row) = rows.next()? {
        tally.add(row.get::<_, String>(0)?);
    }
    Ok(tally)
}

/// How long after its end nobody has to have cleared what was pending, in seconds. The next set-up or question of anybody
/// clears what has been over for a day: a store that is used has none of a week ago.
const STALE: i64 = 7 * 86_400;

const STALE_SETUPS: &str =
    "SELECT login FROM authenticator_setup JOIN user ON user.id = authenticator_setup.user
    WHERE expires_at <= ?1 ORDER BY expires_at";

/// A login is cancelled by its name; what else was asked is not.
const STALE_LOGINS: &str = "SELECT token FROM challenge
    WHERE closed_at IS NULL AND expires_at <= ?1 AND purpose IN ('login', 'enrolment') ORDER BY expires_at";

const STALE_OTHERS: &str = "SELECT token FROM challenge
    WHERE closed_at IS NULL AND expires_at <= ?1 AND purpose NOT IN ('login', 'enrolment') ORDER BY expires_at";

pub(super) fn pending(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let over = store.now().plus(-STALE);
    let setups = logins(store, STALE_SETUPS, [over])?;
    if setups.count > 0 {
        let message = format!(
            "{} begun and not confirmed more than a week ago: {}. The next one clears some.",
            counted(setups.count, "set-up of an app was", "set-ups of apps were"),
            setups.listed()
        );
        out.add("stale_setup", setups.count, message)
            .names(&setups.names)
            .mend_each(|login| format!("twofa authenticator connect {}", argument(login)));
    }
    let cancelled = logins(store, STALE_LOGINS, [over])?;
    let others = logins(store, STALE_OTHERS, [over])?;
    let count = cancelled.count + others.count;
    if count > 0 {
        let message = format!(
            "{} that nobody answered {} been over for more than a week. The next login clears some.",
            counted(count, "question", "questions"),
            if count == 1 { "has" } else { "have" }
        );
        let names = [cancelled.names.clone(), others.names].concat();
        let finding = out.add("stale_challenge", count, message).names(&names);
        for token in &cancelled.names {
            finding.mend(format!("twofa login cancel {token}"));
        }
        if others.count > 0 {
            finding.mend(by_hand(
                store,
                &format!(
                    "UPDATE challenge SET closed_at = expires_at, closed_as = 'expired', code_hash = NULL \
                     WHERE closed_at IS NULL AND expires_at <= {}",
                    over.0
                ),
            ));
        }
    }
    Ok(Looked::Whole)
}

const LOCKED: &str =
    "SELECT login FROM user WHERE locked_until_at > ?1 ORDER BY locked_until_at, login";

pub(super) fn locks(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let locked = logins(patient.store, LOCKED, [patient.store.now()])?;
    if locked.count > 0 {
        let message = format!(
            "{} locked now: {}.",
            counted(locked.count, "user is", "users are"),
            locked.listed()
        );
        out.add("locked", locked.count, message)
            .names(&locked.names)
            .mend_each(|login| format!("twofa user unlock {}", argument(login)));
    }
    Ok(Looked::Whole)
}

const RUN_OUT: &str = "SELECT operation, login, \"group\".name FROM grantee
    LEFT JOIN user ON user.id = grantee.user LEFT JOIN \"group\" ON \"group\".id = grantee.\"group\"
    WHERE until_at <= ?1 ORDER BY operation, position";

pub(super) fn grants(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let mut tally = Tally::default();
    let mut revoke = Vec::new();
    let mut query = patient.store.db().prepare(RUN_OUT)?;
    let mut rows = query.query([patient.store.now()])?;
    while let Some(row) = rows.next()? {
        let (operation, user, group): (String, Option<String>, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let (option, name) = match (user, group) {
            (Some(user), _) => ("--user", user),
            (None, Some(group)) => ("--group", group),
            // Whom it names is not there: that is another finding.
            (None, None) => continue,
        };
        revoke.push(format!(
            "twofa permission revoke {operation} {option} {}",
            argument(&name)
        ));
        tally.add(format!("{operation} of {name}"));
        revoke.truncate(tally.names.len());
    }
    if tally.count > 0 {
        let message = format!(
            "{} run out: {}.",
            counted(tally.count, "permission has", "permissions have"),
            tally.listed()
        );
        let finding = out
            .add("expired_grant", tally.count, message)
            .names(&tally.names);
        finding.mend.extend(revoke);
    }
    Ok(Looked::Whole)
}

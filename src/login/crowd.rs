//! Everybody at once: what the second factor of each person is decided on, in one pass over the store.
//!
//! People, their memberships, apps, codes and providers are read side by side in the order of their ids, so that a million of them
//! take as long as the rows do, and no more memory than one. The passes belong to one another: they see one state of the
//! store.

use std::collections::BTreeSet;

use rusqlite::Rows;

use super::decide::{self, Means};
use super::facts::{Person, System};
use crate::clock::Time;
use crate::error::Result;
use crate::permission::{self, Nesting, built_in, built_in_group};
use crate::plan::Reach;
use crate::store::Store;
use crate::user::{self, Type};

/// Somebody active who is no technical user, in passing.
pub(crate) struct Passer<'a> {
    /// Row id.
    pub(crate) id: i64,
    /// Login, as written.
    pub(crate) login: &'a str,
    /// Whether they have a password.
    pub(crate) has_password: bool,
    /// Until when they are locked; may have run out.
    pub(crate) locked_until: Option<Time>,
    /// Whether the next login asks for a new password.
    pub(crate) must_change: bool,
    /// When the password was set.
    pub(crate) password_changed_at: Option<Time>,
    /// Every group they are in, through nesting and by type.
    pub(crate) groups: &'a BTreeSet<i64>,
    /// Whether they are an administrator.
    pub(crate) administrator: bool,
    /// What they could use; whether they must, nobody was asked yet.
    means: Means,
}

impl Passer<'_> {
    /// What their second factor is decided on, where `CanUse2FA` allows them or does not.
    pub(crate) fn means(&self, can_use: bool) -> Means {
        Means {
            can_use,
            ..self.means
        }
    }

    /// Whether they are locked at a moment.
    pub(crate) fn is_locked(&self, now: Time) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Whether a login with the right password is held up at a moment before any second factor: by a lock, or by a new
    /// password that is due.
    pub(crate) fn is_held_up(&self, system: &System, now: Time) -> bool {
        self.is_locked(now)
            || self.must_change
            || decide::is_older(system, self.password_changed_at, now)
    }
}

/// Whether it matters who came through a provider. Where it does not, everybody is handed out as if nobody had, and that is
/// not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// It does.
    Matters,
    /// It does not.
    DoesNot,
}

/// Hands every active employee and external user to `each`, in the order of their ids. `what` is a few words for whoever
/// watches.
///
/// # Errors
/// [`crate::error::Kind::Storage`], and what `each` returns.
pub(crate) fn each(
    store: &Store,
    brought: Brought,
    what: &str,
    each: &mut dyn FnMut(&Passer<'_>) -> Result<()>,
) -> Result<()> {
    let db = store.db();
    let most: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM user", [], |row| {
        row.get(0)
    })?;
    let mut nesting = Nesting::load(store)?;
    let mut users = db.prepare(
        "SELECT id, login, email, phone IS NOT NULL, type, coalesce(password_hash, password_imported) IS NOT NULL,
             locked_until_at, must_change, password_changed_at
         FROM user WHERE active = 1 AND type <> 'technical' ORDER BY id",
    )?;
    let mut apps = db.prepare("SELECT user, id FROM authenticator ORDER BY user")?;
    let mut codes =
        db.prepare("SELECT user, id FROM recovery_code WHERE used_at IS NULL ORDER BY user")?;
    let mut members = db.prepare("SELECT user, \"group\" FROM group_user ORDER BY user")?;
    let mut logins = match brought {
        Brought::Matters => Some(db.prepare("SELECT user, idp FROM idp_user ORDER BY user")?),
        Brought::DoesNot => None,
    };
    let administrators = built_in_group(store, built_in::ADMINISTRATORS)?;
    store.watched(what, u64::try_from(most).ok(), |at| {
        // As long as the first of them runs, what the others read is of the same state.
        let mut users = users.query([])?;
        let mut apps = Ahead::of(apps.query([])?)?;
        let mut codes = Ahead::of(codes.query([])?)?;
        let mut members = Ahead::of(members.query([])?)?;
        let mut logins = match &mut logins {
            Some(logins) => Some((Ahead::of(logins.query([])?)?, Takers::load(store)?)),
            None => None,
        };
        while let Some(row) = users.next()? {
            let id = row.get(0)?;
            let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
            let login = text(1)?;
            let email = row
                .get_ref(2)?
                .as_str_or_null()
                .map_err(rusqlite::Error::from)?;
            let kind: Type = row.get(4)?;
            let mut direct: Vec<i64> = Vec::new();
            members.take(id, |group| direct.push(group))?;
            direct.sort_unstable();
            let groups = nesting.groups(direct, kind);
            let administrator = groups.contains(&administrators);
            let mut brought = false;
            if let Some((logins, takers)) = &mut logins {
                logins.take(id, |idp| brought |= takers.take(kind, idp))?;
            }
            each(&Passer {
                id,
                login,
                has_password: row.get(5)?,
                locked_until: row.get(6)?,
                must_change: row.get(7)?,
                password_changed_at: row.get(8)?,
                groups,
                administrator,
                means: Means {
                    kind,
                    can_use: false,
                    administrator,
                    brought,
                    address: user::address(email, login).is_some(),
                    phone: row.get(3)?,
                    authenticator: apps.has(id)?,
                    recovery_codes: codes.has(id)?,
                },
            })?;
            at(u64::try_from(id).unwrap_or_default());
        }
        Ok(())
    })
}

/// Hands those active employees and external users to `each` whom a change can reach. `what` is a few words for whoever
/// watches.
///
/// # Errors
/// [`crate::error::Kind::Storage`], and what `each` returns.
pub(crate) fn within(
    store: &Store,
    reach: &Reach,
    brought: Brought,
    what: &str,
    each: &mut dyn FnMut(&Passer<'_>) -> Result<()>,
) -> Result<()> {
    let ids = match reach {
        Reach::Nobody => return Ok(()),
        Reach::Everyone => return self::each(store, brought, what, each),
        Reach::Users(ids) => ids,
    };
    let mut nesting = Nesting::load(store)?;
    for id in ids {
        let user = user::maybe(store, *id)?;
        if let Some(user) = user.filter(|user| user.active && user.kind != Type::Technical) {
            let groups = nesting.groups(permission::direct_groups(store, *id)?, user.kind);
            let person = Person::with(store, user, false, groups)?;
            each(&Passer {
                id: *id,
                login: &person.user.login,
                has_password: person.user.has_password,
                locked_until: person.user.locked_until,
                must_change: person.user.must_change,
                password_changed_at: person.user.password_changed_at,
                groups,
                administrator: person.administrator,
                means: (&person).into(),
            })?;
        }
    }
    Ok(())
}

/// The providers that are enabled, by whom they take.
struct Takers {
    employees: BTreeSet<i64>,
    externals: BTreeSet<i64>,
}

impl Takers {
    fn load(store: &Store) -> Result<Takers> {
        let of = |column: &str| -> Result<BTreeSet<i64>> {
            let sql = format!("SELECT id FROM idp WHERE enabled = 1 AND {column} <> 'none'");
            let mut query = store.db().prepare(&sql)?;
            let ids = query.query_map([], |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        };
        Ok(Takers {
            employees: of("employees")?,
            externals: of("externals")?,
        })
    }

    /// Whether users of a type come through a provider.
    fn take(&self, kind: Type, idp: i64) -> bool {
        match kind {
            Type::Employee => self.employees.contains(&idp),
            Type::External => self.externals.contains(&idp),
            Type::Technical => false,
        }
    }
}

/// Rows of a user and a number, in the order of users, read beside these.
struct Ahead<'s> {
    rows: Rows<'s>,
    /// The row at hand. `None`: nothing is left.
    at: Option<(i64, i64)>,
}

impl<'s> Ahead<'s> {
    fn of(rows: Rows<'s>) -> Result<Ahead<'s>> {
        let mut ahead = Ahead { rows, at: None };
        ahead.step()?;
        Ok(ahead)
    }

    /// Hands the number of every row of a user to `each`, and tells whether there was one. Users are asked for in
    /// ascending order; who has passed does not come again.
    fn take(&mut self, user: i64, mut each: impl FnMut(i64)) -> Result<bool> {
        let mut found = false;
        while let Some((at, number)) = self.at
            && at <= user
        {
            if at == user {
                found = true;
                each(number);
            }
            self.step()?;
        }
        Ok(found)
    }

    /// Whether a user has a row.
    fn has(&mut self, user: i64) -> Result<bool> {
        self.take(user, |_| ())
    }

    fn step(&mut self) -> Result<()> {
        self.at = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?)),
            None => None,
        };
        Ok(())
    }
}

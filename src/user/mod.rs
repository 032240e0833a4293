//! Users: people and technical accounts that log in.
//!
//! A user is found by login or by email address, in any case; both share one space of names, so each name leads to
//! exactly one user. What a user is stands in [`edit`] and [`rules`], whether they may log in in [`state`], and what brings
//! many in in [`import`].

mod candidates;
pub mod edit;
pub mod export;
pub mod import;
pub(crate) mod kind;
pub mod rules;
pub mod state;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use rusqlite::{OptionalExtension as _, Row, Statement, named_params};
use serde::Serialize;

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold};
use crate::permission::{self, Grantees, Nesting};
use crate::store::Store;
use crate::verb::Operation;

pub use self::candidates::{Among, candidates};
pub use self::kind::Type;

/// A user, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Row id.
    pub id: i64,
    /// Login, as written.
    pub login: String,
    /// Full name.
    pub name: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Phone, E.164.
    pub phone: Option<String>,
    /// Type.
    pub kind: Type,
    /// Language of messages.
    pub language: String,
    /// Whether they may log in at all.
    pub active: bool,
    /// Until when they are locked; may have run out.
    pub locked_until: Option<Time>,
    /// Wrong second factors since the last success.
    pub second_factor_failures: i64,
    /// Wrong passwords since the last success.
    pub password_failures: i64,
    /// Whether they have a password. Its hash never leaves `password.rs`.
    pub has_password: bool,
    /// When the password was set.
    pub password_changed_at: Option<Time>,
    /// Whether the next login asks for a new password.
    pub must_change: bool,
    /// The account of the machine that acts as this user.
    pub os_user: Option<String>,
    /// The last granted login.
    pub last_login_at: Option<Time>,
}

impl User {
    /// Where codes by email go: the address, else the login if it is one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        address(self.email.as_deref(), &self.login)
    }
}

/// Where codes by email go that are for somebody with this address and login.
pub(crate) fn address<'a>(email: Option<&'a str>, login: &'a str) -> Option<&'a str> {
    let is_address = |text: &&str| text.parse::<lettre::Address>().is_ok();
    email
        .filter(is_address)
        .or_else(|| Some(login).filter(is_address))
}

const COLUMNS: &str = "user.id, login, name, email, phone, type, language, active, locked_until_at, second_factor_failures, \
     password_failures, coalesce(password_hash, password_imported) IS NOT NULL, password_changed_at, must_change, os_user, last_login_at";

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        login: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        phone: row.get(4)?,
        kind: row.get(5)?,
        language: row.get(6)?,
        active: row.get(7)?,
        locked_until: row.get(8)?,
        second_factor_failures: row.get(9)?,
        password_failures: row.get(10)?,
        has_password: row.get(11)?,
        password_changed_at: row.get(12)?,
        must_change: row.get(13)?,
        os_user: row.get(14)?,
        last_login_at: row.get(15)?,
    })
}

/// The user a login or email address leads to, if there is one.
///
/// # Errors
/// [`Kind::Storage`].
pub fn lookup(store: &Store, name: &str) -> Result<Option<User>> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM identity JOIN user ON user.id = identity.user WHERE key = ?1"
    ))?;
    Ok(query.query_row([fold(name)], read).optional()?)
}

/// The user a login or email address leads to.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss; [`Kind::BlankLogin`].
pub fn find(store: &Store, name: &str) -> Result<User> {
    if name.trim().is_empty() {
        return Err(Error::new(Kind::BlankLogin, "the login is blank"));
    }
    match lookup(store, name)? {
        Some(user) => Ok(user),
        None => Err(name::not_found(
            "user",
            name,
            neighbours(store, name)?,
            "twofa user list",
        )),
    }
}

/// The user of a row id.
///
/// # Errors
/// [`Kind::NotFound`] when there is none any more.
pub fn get(store: &Store, id: i64) -> Result<User> {
    maybe(store, id)?.ok_or_else(|| Error::new(Kind::NotFound, "the user was removed meanwhile"))
}

/// The user of a row id, if there still is one.
pub(crate) fn maybe(store: &Store, id: i64) -> Result<Option<User>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM user WHERE id = ?1"))?;
    Ok(query.query_row([id], read).optional()?)
}

/// What is declared of a user, as it stands in a row: read in passing, and not kept.
#[derive(Debug)]
pub(crate) struct Passing<'r> {
    pub(crate) id: i64,
    pub(crate) name: Option<&'r str>,
    pub(crate) email: Option<&'r str>,
    pub(crate) phone: Option<&'r str>,
    pub(crate) kind: Type,
    pub(crate) language: &'r str,
    pub(crate) active: bool,
    pub(crate) os_user: Option<&'r str>,
}

/// Hands those users to `each` whose login is one of these folded names, with the name. A few are looked up one by one; for
/// many, the names are read once.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn pass(
    store: &Store,
    keys: &HashSet<Cow<'_, str>>,
    each: &mut dyn FnMut(&str, Passing<'_>),
) -> Result<()> {
    let most: i64 = store
        .db()
        .query_row("SELECT coalesce(max(id), 0) FROM user", [], |row| {
            row.get(0)
        })?;
    let columns = "key, user.id, name, email, phone, type, language, active, os_user
         FROM identity JOIN user ON user.id = identity.user WHERE is_login = 1";
    let mut hand = |row: &Row<'_>| -> rusqlite::Result<()> {
        let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
        let maybe = |at| {
            row.get_ref(at)?
                .as_str_or_null()
                .map_err(rusqlite::Error::from)
        };
        let key = text(0)?;
        if keys.contains(key) {
            let passing = Passing {
                id: row.get(1)?,
                name: maybe(2)?,
                email: maybe(3)?,
                phone: maybe(4)?,
                kind: row.get(5)?,
                language: text(6)?,
                active: row.get(7)?,
                os_user: maybe(8)?,
            };
            each(key, passing);
        }
        Ok(())
    };
    // A name looked up costs what some ten names read in their order do.
    let few = i64::try_from(keys.len())
        .unwrap_or(i64::MAX)
        .saturating_mul(10)
        < most;
    if few {
        let mut query = store
            .db()
            .prepare(&format!("SELECT {columns} AND key = ?1"))?;
        for key in keys {
            let mut rows = query.query([key.as_ref()])?;
            if let Some(row) = rows.next()? {
                hand(row)?;
            }
        }
        return Ok(());
    }
    let mut query = store.db().prepare(&format!("SELECT {columns}"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        hand(row)?;
    }
    Ok(())
}

/// Hands every name that leads to a user to `each`, in order: folded, with the user's id, and whether it is the login.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn each_name(store: &Store, each: &mut dyn FnMut(&str, i64, bool)) -> Result<()> {
    let mut query = store
        .db()
        .prepare("SELECT key, user, is_login FROM identity ORDER BY key")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        each(
            row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
            row.get(1)?,
            row.get(2)?,
        );
    }
    Ok(())
}

/// Hands every user to `each`, in no order.
pub(crate) fn each(store: &Store, each: &mut dyn FnMut(User) -> Result<()>) -> Result<()> {
    let mut query = store.db().prepare(&format!("SELECT {COLUMNS} FROM user"))?;
    every(store, "Reading users", &mut query, each)
}

/// Hands every row to `each`, while somebody watches.
fn every(
    store: &Store,
    what: &str,
    query: &mut Statement<'_>,
    each: &mut dyn FnMut(User) -> Result<()>,
) -> Result<()> {
    let most: i64 = store
        .db()
        .query_row("SELECT coalesce(max(id), 0) FROM user", [], |row| {
            row.get(0)
        })?;
    store.watched(what, u64::try_from(most).ok(), |at| {
        let mut rows = query.query([])?;
        let mut done = 0;
        while let Some(row) = rows.next()? {
            each(read(row)?)?;
            done += 1;
            at(done);
        }
        Ok(())
    })
}

/// The user an account of the machine is mapped to.
///
/// # Errors
/// [`Kind::Storage`].
pub fn by_os_user(store: &Store, account: &str) -> Result<Option<User>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM user WHERE os_user = ?1"))?;
    Ok(query.query_row([account], read).optional()?)
}

/// The user `init` made.
///
/// # Errors
/// [`Kind::Storage`].
pub fn first_administrator(store: &Store) -> Result<Option<User>> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM store JOIN user ON user.id = store.first_administrator"
    ))?;
    Ok(query.query_row([], read).optional()?)
}

/// Logins and addresses near `name` in the order of names, and some that begin like it: a bounded number, however many
/// users there are.
fn neighbours(store: &Store, name: &str) -> Result<Vec<String>> {
    let key = fold(name);
    let first: String = key.chars().take(1).collect();
    let mut query = store.db().prepare(
        "SELECT CASE WHEN is_login THEN login ELSE email END FROM identity JOIN user ON user.id = identity.user
         WHERE key IN (
             SELECT key FROM (SELECT key FROM identity WHERE key >= :key ORDER BY key LIMIT 400)
             UNION SELECT key FROM (SELECT key FROM identity WHERE key < :key ORDER BY key DESC LIMIT 400)
             UNION SELECT key FROM (SELECT key FROM identity WHERE key >= :first ORDER BY key LIMIT 800)
             UNION SELECT key FROM (SELECT key FROM identity ORDER BY key LIMIT 200))
         ORDER BY key",
    )?;
    let rows = query.query_map(named_params! { ":key": key, ":first": first }, |row| {
        row.get(0)
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A user as `list` and `show` give them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserRow {
    /// Login, as written.
    pub login: String,
    /// Full name.
    pub name: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Phone, E.164.
    pub phone: Option<String>,
    /// Type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Language of messages.
    pub language: String,
    /// Whether they may log in at all.
    pub active: bool,
    /// Until when they are locked, if they are locked now.
    pub locked_until: Option<Time>,
    /// The groups they are a direct member of.
    pub groups: Vec<String>,
    /// Whether an authenticator app is connected.
    pub authenticator: bool,
    /// Recovery codes not yet used.
    pub recovery_codes_left: i64,
    /// Whether `CanUse2FA` allows them.
    pub can_use_2fa: bool,
    /// The account of the machine that acts as this user.
    pub os_user: Option<String>,
    /// Whether the next login asks for a new password.
    pub must_change: bool,
    /// When the password was set.
    pub password_changed_at: Option<Time>,
    /// The last granted login.
    pub last_login_at: Option<Time>,
}

/// SQL that holds for a user codes can be sent to by email: the address, else the login if it is one.
pub(crate) const HAS_ADDRESS: &str = "EXISTS (SELECT 1 FROM identity AS address WHERE address.user = user.id AND address.is_email = 1)";

/// What [`list`] leaves out.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only members of this group, through any nesting.
    pub group: Option<i64>,
    /// Only this type.
    pub kind: Option<Type>,
    /// Only those locked now.
    pub locked: bool,
    /// Only those who are deactivated.
    pub inactive: bool,
    /// Only those who could not use this method: no address, no phone, no app, no code left.
    pub without: Option<crate::method::Method>,
    /// At most so many.
    pub limit: Option<i64>,
}

/// Hands the users to `each` in the order of their logins, without holding them all.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn list(
    store: &Store,
    filter: &Filter,
    each: &mut dyn FnMut(UserRow) -> Result<()>,
) -> Result<()> {
    use crate::method::Method;
    let rows = Rows::load(store)?;
    let mut nesting = Nesting::load(store)?;
    let now = store.now();
    let without = match filter.without {
        None => "1",
        Some(Method::Email) => &format!("NOT {HAS_ADDRESS}"),
        Some(Method::Sms) => "phone IS NULL",
        Some(Method::Totp) => {
            "NOT EXISTS (SELECT 1 FROM authenticator WHERE authenticator.user = user.id)"
        }
        Some(Method::RecoveryCodes) => {
            "NOT EXISTS (SELECT 1 FROM recovery_code WHERE recovery_code.user = user.id AND used_at IS NULL)"
        }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM identity JOIN user ON user.id = identity.user WHERE is_login = 1
         AND (:type IS NULL OR type = :type) AND (:locked = 0 OR locked_until_at > :now)
         AND (:inactive = 0 OR active = 0) AND {without} ORDER BY key"
    );
    let mut query = store.db().prepare(&sql)?;
    let mut users = query.query(named_params! {
        ":type": filter.kind, ":locked": filter.locked, ":now": now, ":inactive": filter.inactive,
    })?;
    let mut left = filter.limit.unwrap_or(i64::MAX);
    while left > 0 {
        let Some(row) = users.next()? else { break };
        let user = read(row)?;
        let direct = permission::direct_groups(store, user.id)?;
        let groups = nesting.groups(direct.clone(), user.kind);
        if filter.group.is_some_and(|group| !groups.contains(&group)) {
            continue;
        }
        let allowed = rows.can_use.allow(user.id, groups, now);
        each(rows.row(store, user, &direct, allowed, now)?)?;
        left -= 1;
    }
    Ok(())
}

/// One user as `show` gives them.
///
/// # Errors
/// [`Kind::Storage`].
pub fn show(store: &Store, user: &User) -> Result<UserRow> {
    let rows = Rows::load(store)?;
    let now = store.now();
    let groups = permission::groups_of(store, user.id, user.kind)?;
    let allowed = rows.can_use.allow(user.id, &groups, now);
    rows.row(
        store,
        user.clone(),
        &permission::direct_groups(store, user.id)?,
        allowed,
        now,
    )
}

/// What is read once for many rows.
struct Rows {
    group_names: HashMap<i64, String>,
    can_use: Grantees,
}

impl Rows {
    fn load(store: &Store) -> Result<Rows> {
        let mut query = store
            .db()
            .prepare_cached("SELECT id, name FROM \"group\"")?;
        let names = query
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Rows {
            group_names: names,
            can_use: Grantees::load(store, Operation::CanUse2FA)?,
        })
    }

    fn row(
        &self,
        store: &Store,
        user: User,
        direct: &[i64],
        can_use_2fa: bool,
        now: Time,
    ) -> Result<UserRow> {
        let (authenticator, recovery_codes_left) = store
            .db()
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM authenticator WHERE user = ?1),
                        (SELECT count(*) FROM recovery_code WHERE user = ?1 AND used_at IS NULL)",
            )?
            .query_row([user.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut groups: Vec<String> = direct
            .iter()
            .filter_map(|id| self.group_names.get(id))
            .cloned()
            .collect();
        groups.sort_by_cached_key(|group| fold(group));
        Ok(UserRow {
            login: user.login,
            name: user.name,
            email: user.email,
            phone: user.phone,
            kind: user.kind,
            language: user.language,
            active: user.active,
            locked_until: user.locked_until.filter(|until| now < *until),
            groups,
            authenticator,
            recovery_codes_left,
            can_use_2fa,
            os_user: user.os_user,
            must_change: user.must_change,
            password_changed_at: user.password_changed_at,
            last_login_at: user.last_login_at,
        })
    }
}

/// The logins of users who are locked now, at most so many: those whose lock ends first.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn locked(store: &Store, most: usize) -> Result<Vec<String>> {
    let mut query = store.db().prepare_cached(
        "SELECT login FROM user WHERE locked_until_at > ?1 ORDER BY locked_until_at, id LIMIT ?2",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = query.query_map(rusqlite::params![store.now(), most], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many users there are, active ones and locked ones.
///
/// # Errors
/// [`Kind::Storage`].
pub fn counts(store: &Store) -> Result<(i64, i64, i64)> {
    Ok(store.db().query_row(
        "SELECT count(*), coalesce(sum(active), 0), (SELECT count(*) FROM user WHERE locked_until_at > ?1) FROM user",
        [store.now()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?)
}

//! Permissions as people and scripts read them: with names, and with the way that leads to a row.

use serde::Serialize;

use super::{Access, Grantee, Grantees, Nesting, Whom, direct_groups, groups_of, kind_of};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::plan::Warning;
use crate::store::Store;
use crate::user::kind::Type;
use crate::verb::{Operation, VERBS};

/// Whom a row names. Users and groups are different things even under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Named {
    /// A user, by login.
    User(String),
    /// A group, by name.
    Group(String),
}

/// A row of an operation's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GranteeRow {
    /// 1 is judged first.
    pub position: i64,
    /// Whom it names: one key, `user` or `group`.
    #[serde(flatten)]
    pub whom: Named,
    /// Allow, or deny.
    pub access: Access,
    /// From when on it does not match.
    pub until: Option<Time>,
    /// Whether that moment has come.
    pub expired: bool,
}

/// An operation with its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationRow {
    /// The code.
    pub code: &'static str,
    /// The name.
    pub name: String,
    /// Who may, in order.
    pub grantees: Vec<GranteeRow>,
    /// The commands it opens.
    pub opens: Vec<&'static str>,
}

/// Whether somebody may, and which row says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The operation's code.
    pub operation: &'static str,
    /// The user's login.
    pub user: String,
    /// Whether they may.
    pub granted: bool,
    /// The row that decides; `null`: none matches, which means no.
    pub row: Option<GranteeRow>,
    /// How the user is in the group of that row: from the group they are a direct member of to that one.
    pub through: Vec<String>,
    /// Where no row decides: one that did until it ran out.
    #[serde(skip)]
    pub expired: Option<GranteeRow>,
}

/// Finds an operation by code or name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, text: &str) -> Result<Operation> {
    let wanted = fold(text);
    for operation in Operation::ALL {
        if fold(operation.code()) == wanted || fold(&name_of(store, *operation)?) == wanted {
            return Ok(*operation);
        }
    }
    let codes = Operation::ALL.iter().map(|operation| operation.code());
    Err(name::not_found(
        "operation",
        text,
        codes,
        "twofa permission list",
    ))
}

fn name_of(store: &Store, operation: Operation) -> Result<String> {
    Ok(store
        .db()
        .prepare_cached("SELECT name FROM operation WHERE code = ?1")?
        .query_row([operation.code()], |row| row.get(0))?)
}

/// The kind and the name of whom a row names.
pub(crate) fn named(store: &Store, whom: Whom) -> Result<(&'static str, String)> {
    let (kind, sql, id) = match whom {
        Whom::User(id) => ("user", "SELECT login FROM user WHERE id = ?1", id),
        Whom::Group(id) => ("group", "SELECT name FROM \"group\" WHERE id = ?1", id),
    };
    match store
        .db()
        .prepare_cached(sql)?
        .query_row([id], |row| row.get(0))
    {
        Ok(name) => Ok((kind, name)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(Error::new(
            Kind::NotFound,
            format!("the {kind} was removed meanwhile"),
        )),
        Err(error) => Err(error.into()),
    }
}

fn shown(store: &Store, row: &Grantee) -> Result<GranteeRow> {
    let (_, name) = named(store, row.whom)?;
    Ok(GranteeRow {
        position: row.position,
        whom: match row.whom {
            Whom::User(_) => Named::User(name),
            Whom::Group(_) => Named::Group(name),
        },
        access: row.access,
        until: row.until,
        expired: row.has_expired(store.now()),
    })
}

/// One operation with its list.
///
/// # Errors
/// [`Kind::Storage`].
pub fn show(store: &Store, operation: Operation) -> Result<OperationRow> {
    let list = Grantees::load(store, operation)?;
    let opened = |verb: &&crate::verb::Verb| verb.needs.operation() == Some(operation);
    Ok(OperationRow {
        code: operation.code(),
        name: name_of(store, operation)?,
        grantees: list
            .0
            .iter()
            .map(|row| shown(store, row))
            .collect::<Result<_>>()?,
        opens: VERBS.iter().filter(opened).map(|verb| verb.path).collect(),
    })
}

/// Every operation with its list.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<OperationRow>> {
    Operation::ALL
        .iter()
        .map(|operation| show(store, *operation))
        .collect()
}

/// What is worth saying of a row that others above it may keep from deciding: of a user's, whether one does; of a group's,
/// which of them give the opposite.
///
/// # Errors
/// [`Kind::Storage`].
pub fn shadowed(store: &Store, operation: Operation, whom: Whom) -> Result<Option<Warning>> {
    let (list, now) = (Grantees::load(store, operation)?, store.now());
    let Some(row) = list.0.iter().find(|row| row.whom == whom) else {
        return Ok(None);
    };
    let (_, name) = named(store, whom)?;
    let message = match whom {
        Whom::User(id) => {
            let kind = kind_of(store, id)?;
            match list.deciding(id, &groups_of(store, id, kind)?, now) {
                Some(above) if above.position < row.position => {
                    format!(
                        "row {} decides for `{}` before this one.",
                        above.position,
                        visible(&name)
                    )
                }
                _ => return Ok(None),
            }
        }
        Whom::Group(_) => {
            let is_other = |above: &&Grantee| {
                above.position < row.position
                    && above.access != row.access
                    && !above.has_expired(now)
            };
            let above: Vec<String> = list
                .0
                .iter()
                .filter(is_other)
                .map(|above| above.position.to_string())
                .collect();
            if above.is_empty() {
                return Ok(None);
            }
            format!(
                "whoever of `{}` a row above names is decided for there: row {}.",
                visible(&name),
                above.join(", ")
            )
        }
    };
    Ok(Some(Warning {
        kind: "shadowed",
        message,
        hint: Some("--position 1 puts a row before all others".to_owned()),
    }))
}

/// Judges one user, and says by which row. `login` is how the answer calls them.
///
/// # Errors
/// [`Kind::Storage`].
pub fn check(
    store: &Store,
    operation: Operation,
    user: i64,
    kind: Type,
    login: &str,
) -> Result<Decision> {
    let mut nesting = Nesting::load(store)?;
    let direct = direct_groups(store, user)?;
    let groups = nesting.groups(direct.clone(), kind).clone();
    let list = Grantees::load(store, operation)?;
    let row = list.deciding(user, &groups, store.now());
    let mut through = Vec::new();
    if let Some(Whom::Group(group)) = row.map(|row| row.whom) {
        let mut from = direct;
        from.extend(nesting.computed(kind));
        for id in nesting.path(&from, group).unwrap_or_default() {
            through.push(named(store, Whom::Group(id))?.1);
        }
    }
    let ran_out =
        |one: &&Grantee| row.is_none() && one.names(user, &groups) && one.has_expired(store.now());
    let expired = list.0.iter().find(ran_out);
    let expired = expired.map(|row| shown(store, row)).transpose()?;
    Ok(Decision {
        expired,
        operation: operation.code(),
        user: login.to_owned(),
        granted: row.is_some_and(|row| row.access == Access::Allow),
        row: row.map(|row| shown(store, row)).transpose()?,
        through,
    })
}

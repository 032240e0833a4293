//! The "2FA methods" lookup: which second factors there are, which are enabled, which one is asked first.
//!
//! At most one row is primary. Making a row primary enables it and clears the former primary; disabling the primary
//! clears its primary. Recovery codes cannot be primary: the source page gives them no such step.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, named_params};
use serde::{Serialize, Serializer};

use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name;
use crate::plan::{Change, Op, Plan, Reach};
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};

/// A second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// A code by email.
    Email,
    /// A code by SMS.
    Sms,
    /// A code of an authenticator app (TOTP, RFC 6238).
    Totp,
    /// A recovery code.
    RecoveryCodes,
}

impl Method {
    /// All of them, in lookup order.
    pub const ALL: [Method; 4] = [
        Method::Email,
        Method::Sms,
        Method::Totp,
        Method::RecoveryCodes,
    ];

    /// The code, as on the command line and in the store.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Method::Email => "email",
            Method::Sms => "sms",
            Method::Totp => "totp",
            Method::RecoveryCodes => "recovery-codes",
        }
    }

    /// The display name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Email => "Email",
            Method::Sms => "SMS",
            Method::Totp => "Authenticator app",
            Method::RecoveryCodes => "Recovery codes",
        }
    }

    /// Whether we send its code, instead of the user having it.
    #[must_use]
    pub(crate) fn is_sent(self) -> bool {
        matches!(self, Method::Email | Method::Sms)
    }

    /// Reads a code or a display name, in any case.
    ///
    /// # Errors
    /// [`Kind::NotFound`] with the near miss.
    pub fn parse(text: &str) -> Result<Method> {
        let wanted = name::fold(text);
        Method::ALL
            .into_iter()
            .find(|method| method.code() == wanted || name::fold(method.name()) == wanted)
            .ok_or_else(|| {
                let names = Method::ALL
                    .iter()
                    .flat_map(|method| [method.code(), method.name()]);
                name::not_found("2FA method", text, names, "twofa method list")
            })
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl ToSql for Method {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.code().to_sql()
    }
}

impl FromSql for Method {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_str()?;
        Method::ALL
            .into_iter()
            .find(|method| method.code() == code)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// A row of the lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MethodRow {
    /// Which method.
    pub code: Method,
    /// Its display name.
    pub name: &'static str,
    /// Whether it may be used.
    pub enabled: bool,
    /// Whether it is asked first.
    pub primary: bool,
}

fn read(row: &Row<'_>) -> rusqlite::Result<MethodRow> {
    let code: Method = row.get(0)?;
    Ok(MethodRow {
        code,
        name: code.name(),
        enabled: row.get(1)?,
        primary: row.get(2)?,
    })
}

/// The rows in lookup order.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<MethodRow>> {
    let mut query = store
        .db()
        .prepare_cached("SELECT code, enabled, is_primary FROM method ORDER BY position")?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One row.
///
/// # Errors
/// [`Kind::Storage`].
pub fn show(store: &Store, method: Method) -> Result<MethodRow> {
    let mut query = store
        .db()
        .prepare_cached("SELECT code, enabled, is_primary FROM method WHERE code = ?1")?;
    Ok(query.query_row([method], read)?)
}

/// Enables, disables or makes primary.
#[derive(Debug, Clone, Copy)]
pub enum Set {
    /// Enabled; and primary, if so.
    Enable {
        /// Also primary.
        primary: bool,
    },
    /// Disabled.
    Disable,
    /// Enabled and primary.
    Primary,
    /// Not primary, and otherwise as it is.
    NotPrimary,
}

/// What `method enable|disable|primary` asks for.
#[derive(Debug, Clone, Copy)]
pub struct SetMethod {
    /// Which row.
    pub method: Method,
    /// What it shall be.
    pub set: Set,
}

impl SetMethod {
    /// Whether it takes a method from everybody who uses 2FA, administrators among them.
    fn takes_away(self, store: &Store) -> Result<bool> {
        Ok(matches!(self.set, Set::Disable) && Settings::load(store)?.flag(&setting::ENABLE_2FA))
    }
}

/// The rows as they shall be.
fn wanted(have: &[MethodRow], plan: SetMethod) -> Vec<MethodRow> {
    let becomes_primary = matches!(plan.set, Set::Primary | Set::Enable { primary: true });
    have.iter()
        .map(|row| {
            let mut row = *row;
            if row.code == plan.method {
                match plan.set {
                    Set::NotPrimary => row.primary = false,
                    Set::Disable => (row.enabled, row.primary) = (false, false),
                    Set::Enable { .. } | Set::Primary => {
                        row.enabled = true;
                        row.primary = row.primary || becomes_primary;
                    }
                }
            } else if becomes_primary {
                row.primary = false;
            }
            row
        })
        .collect()
}

/// What differs between two states of the lookup.
fn changes(have: &[MethodRow], want: &[MethodRow]) -> Vec<Change> {
    have.iter()
        .zip(want)
        .flat_map(|(have, want)| {
            Change::new("method", have.code.code(), Op::Edit, Event::METHOD_CHANGED)
                .field("enabled", have.enabled, want.enabled)
                .field("primary", have.primary, want.primary)
                .if_any()
        })
        .collect()
}

impl Plan for SetMethod {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        if self.method == Method::RecoveryCodes
            && matches!(self.set, Set::Primary | Set::Enable { primary: true })
        {
            return Err(Error::new(
                Kind::InvalidValue,
                "recovery codes cannot be the primary method",
            )
            .hint(
                "they stand in when another method fails; `twofa method enable recovery-codes`",
            ));
        }
        let have = list(store)?;
        Ok(changes(&have, &wanted(&have, *self)))
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let mut rows = wanted(&list(tx)?, *self);
        // The former primary gives it up before another takes it, for at most one row may be primary at any moment.
        rows.sort_by_key(|row| row.primary);
        let mut update = tx.db().prepare(
            "UPDATE method SET enabled = :enabled, is_primary = :primary WHERE code = :code",
        )?;
        for row in rows {
            update.execute(named_params! { ":enabled": row.enabled, ":primary": row.primary, ":code": row.code })?;
        }
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        // Enabling can take nothing from anybody.
        Ok(if matches!(self.set, Set::Disable) {
            Reach::Everyone
        } else {
            Reach::Nobody
        })
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        self.takes_away(store)
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(self
            .takes_away(store)?
            .then(|| format!("disabling {} for administrators too", self.method.name())))
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        if !matches!(self.set, Set::Disable) {
            return Ok(None);
        }
        let primary = if show(store, self.method)?.primary {
            ", and no method will be primary"
        } else {
            ""
        };
        Ok(Some(format!(
            "{} will be disabled{primary}.",
            self.method.name()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(states: [(bool, bool); 4]) -> Vec<MethodRow> {
        Method::ALL
            .into_iter()
            .zip(states)
            .map(|(code, (enabled, primary))| MethodRow {
                code,
                name: code.name(),
                enabled,
                primary,
            })
            .collect()
    }

    fn states(rows: &[MethodRow]) -> Vec<(bool, bool)> {
        rows.iter().map(|row| (row.enabled, row.primary)).collect()
    }

    #[test]
    fn primary_enables_and_moves_and_disable_clears_it() {
        const OFF: (bool, bool) = (false, false);
        const ON: (bool, bool) = (true, false);
        const FIRST: (bool, bool) = (true, true);
        for (have, method, set, want) in [
            (
                [OFF; 4],
                Method::Email,
                Set::Enable { primary: false },
                [ON, OFF, OFF, OFF],
            ),
            (
                [OFF; 4],
                Method::Email,
                Set::Enable { primary: true },
                [FIRST, OFF, OFF, OFF],
            ),
            (
                [FIRST, OFF, OFF, OFF],
                Method::Totp,
                Set::Primary,
                [ON, OFF, FIRST, OFF],
            ),
            (
                [FIRST, OFF, OFF, OFF],
                Method::Email,
                Set::Disable,
                [OFF; 4],
            ),
            (
                [FIRST, OFF, OFF, OFF],
                Method::Email,
                Set::Enable { primary: false },
                [FIRST, OFF, OFF, OFF],
            ),
            (
                [FIRST, OFF, OFF, ON],
                Method::RecoveryCodes,
                Set::Disable,
                [FIRST, OFF, OFF, OFF],
            ),
        ] {
            assert_eq!(
                states(&wanted(&rows(have), SetMethod { method, set })),
                want,
                "{method:?} {set:?}"
            );
        }
    }

    #[test]
    fn codes_and_names_are_read_in_any_case() {
        assert_eq!(Method::parse("Authenticator APP").unwrap(), Method::Totp);
        assert_eq!(Method::parse(" TOTP ").unwrap(), Method::Totp);
        let error = Method::parse("emial").unwrap_err();
        assert_eq!(
            (error.kind(), error.hint_text()),
            (Kind::NotFound, Some("did you mean `email`?"))
        );
    }
}

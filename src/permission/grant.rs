//! Granting, denying, revoking and moving: the edits of one operation's list.

use rusqlite::named_params;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Effect, For, Grantee, Grantees, State, Whom, effect, named};
use crate::audit::Event;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};
use crate::verb::Operation;

/// What a row gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// The operation.
    Allow,
    /// A no, whatever stands below it.
    Deny,
}

impl Access {
    /// The word in the store and in answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Access::Allow => "allow",
            Access::Deny => "deny",
        }
    }
}

impl ToSql for Access {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.code().to_sql()
    }
}

impl FromSql for Access {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "allow" => Ok(Access::Allow),
            "deny" => Ok(Access::Deny),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// What is done to the row that names somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// It is there, and gives this: `permission grant` and `permission deny`.
    Put {
        /// What it gives.
        access: Access,
        /// From when on it does not match; `None`: it always does.
        until: Option<Time>,
        /// Where it stands; `None`: where it is, and a new one at the end.
        position: Option<i64>,
    },
    /// It is not there: `permission revoke`.
    Remove,
    /// It stands here: `permission move`.
    Move {
        /// From 1.
        position: i64,
    },
}

/// `permission grant`, `deny`, `revoke` and `move`.
#[derive(Debug, Clone)]
pub struct SetGrantees {
    /// Whose list.
    pub operation: Operation,
    /// Whom the row names: at most one row of a list names them.
    pub whom: Whom,
    /// What is done to that row.
    pub edit: Edit,
    /// How the moment until which it matches was said.
    pub said: Option<String>,
}

impl SetGrantees {
    /// The list as it shall be, numbered 1..n.
    fn wanted(&self, have: &Grantees) -> Result<Grantees> {
        let mut rows = have.0.clone();
        let at = rows.iter().position(|row| row.whom == self.whom);
        let old = at.map(|at| rows.remove(at));
        let (new, position) = match self.edit {
            Edit::Remove => (None, None),
            Edit::Move { position } => (old, Some(position)),
            Edit::Put {
                access,
                until,
                position,
            } => {
                let new = Grantee {
                    position: 0,
                    whom: self.whom,
                    access,
                    until,
                };
                (Some(new), position)
            }
        };
        if let Some(new) = new {
            let last = rows.len() + 1;
            let place = match position {
                Some(position) => within(position, last, self.operation)?,
                None => at.unwrap_or(rows.len()),
            };
            rows.insert(place, new);
        }
        for (row, position) in rows.iter_mut().zip(1..) {
            row.position = position;
        }
        Ok(Grantees(rows))
    }

    /// What it would do to administrators.
    fn effect(&self, store: &Store, what: For) -> Result<Option<Effect>> {
        let users = match self.whom {
            Whom::User(id) => Some([id]),
            Whom::Group(_) => None,
        };
        let users = users.as_ref().map(<[i64; 1]>::as_slice);
        let want = self.wanted(&Grantees::load(store, self.operation)?)?;
        effect_of(store, self.operation, want, users, what)
    }

    fn row<'g>(&self, of: &'g Grantees) -> Option<&'g Grantee> {
        of.0.iter().find(|row| row.whom == self.whom)
    }
}

/// What it would do to administrators that an operation has another list: to `users`, or to everybody.
pub(super) fn effect_of(
    store: &Store,
    operation: Operation,
    want: Grantees,
    users: Option<&[i64]>,
    what: For,
) -> Result<Option<Effect>> {
    if operation != Operation::CanUse2FA {
        return Ok(None);
    }
    let mut before = State::load(store)?;
    let mut after = before.clone();
    after.can_use = want;
    effect(store, &mut before, &mut after, users, what)
}

/// A position as an index.
fn within(position: i64, last: usize, operation: Operation) -> Result<usize> {
    match usize::try_from(position) {
        Ok(place) if (1..=last).contains(&place) => Ok(place - 1),
        _ => Err(Error::new(
            Kind::InvalidValue,
            format!(
                "{position} is no position in the list of `{}`",
                operation.code()
            ),
        )
        .hint(format!("it is from 1 to {last}"))),
    }
}

pub(super) fn until_json(row: Option<&Grantee>) -> Value {
    row.and_then(|row| row.until)
        .map_or(Value::Null, |until| until.to_string().into())
}

impl Plan for SetGrantees {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = Grantees::load(store, self.operation)?;
        let (kind, name) = named(store, self.whom)?;
        if matches!(self.edit, Edit::Move { .. }) && self.row(&have).is_none() {
            return Err(Error::new(
                Kind::NotFound,
                format!(
                    "no row of `{}` names the {kind} `{}`",
                    self.operation.code(),
                    visible(&name)
                ),
            )
            .hint(format!(
                "`twofa permission show {}` lists its rows",
                self.operation.code()
            )));
        }
        let want = self.wanted(&have)?;
        if want == have {
            return Ok(Vec::new());
        }
        if let Edit::Put {
            until: Some(until), ..
        } = self.edit
            && until <= store.now()
        {
            return Err(Error::new(
                Kind::InvalidValue,
                format!("{until} has passed, and the row would never match"),
            )
            .hint("write a time to come: 2026-12-31T12:00:00Z, 2026-12-31 (its first second, UTC) or `in 7d`"));
        }
        let (old, new) = (self.row(&have), self.row(&want));
        let op = match (old, new) {
            (None, _) => Op::Add,
            (_, None) => Op::Remove,
            _ => Op::Edit,
        };
        let change = Change::new(
            "permission",
            self.operation.code(),
            op,
            Event::GRANTEE_CHANGED,
        )
        .always(kind, name.as_str(), name.as_str())
        .field(
            "position",
            old.map(|row| row.position),
            new.map(|row| row.position),
        )
        .field(
            "access",
            old.map(|row| row.access.code()),
            new.map(|row| row.access.code()),
        )
        .field("until", until_json(old), until_json(new))
        .said("until", self.said.as_deref());
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let want = self.wanted(&Grantees::load(tx, self.operation)?)?;
        want.store(tx, self.operation)
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(match (self.operation, self.whom) {
            (Operation::CanUse2FA, Whom::User(id)) => Reach::Users(vec![id]),
            (Operation::CanUse2FA, Whom::Group(_)) => Reach::Everyone,
            _ => Reach::Nobody,
        })
    }

    fn confirms(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(self
            .effect(store, For::Confirmation)?
            .as_ref()
            .map(Effect::words))
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        Ok(self.effect(store, For::Right)?.is_some())
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        if self.edit != Edit::Remove {
            return Ok(None);
        }
        let (kind, name) = named(store, self.whom)?;
        Ok(self
            .row(&Grantees::load(store, self.operation)?)
            .map(|row| {
                format!(
                    "Row {} of `{}` goes: {} for the {kind} `{}`.",
                    row.position,
                    self.operation.code(),
                    row.access.code(),
                    visible(&name)
                )
            }))
    }
}

impl Grantees {
    /// Writes the whole list of an operation.
    pub(super) fn store(&self, tx: &Tx<'_>, operation: Operation) -> Result<()> {
        let code = operation.code();
        tx.db()
            .execute("DELETE FROM grantee WHERE operation = ?1", [code])?;
        let mut insert = tx.db().prepare(
            "INSERT INTO grantee (operation, position, user, \"group\", access, until_at)
             VALUES (:operation, :position, :user, :group, :access, :until)",
        )?;
        for row in &self.0 {
            let (user, group) = match row.whom {
                Whom::User(id) => (Some(id), None),
                Whom::Group(id) => (None, Some(id)),
            };
            insert.execute(named_params! {
                ":operation": code, ":position": row.position, ":user": user, ":group": group,
                ":access": row.access, ":until": row.until,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(ids: &[i64]) -> Grantees {
        let row = |(id, position): (&i64, i64)| Grantee {
            position,
            whom: Whom::Group(*id),
            access: Access::Allow,
            until: None,
        };
        Grantees(ids.iter().zip(1..).map(row).collect())
    }

    fn ids(of: &Grantees) -> Vec<i64> {
        let id = |row: &Grantee| match row.whom {
            Whom::Group(id) => id,
            Whom::User(id) => -id,
        };
        of.0.iter().map(id).collect()
    }

    fn edit(have: &[i64], id: i64, edit: Edit) -> Result<Vec<i64>> {
        let plan = SetGrantees {
            operation: Operation::CanUse2FA,
            whom: Whom::Group(id),
            edit,
            said: None,
        };
        plan.wanted(&list(have)).map(|want| ids(&want))
    }

    fn put(position: Option<i64>) -> Edit {
        Edit::Put {
            access: Access::Allow,
            until: None,
            position,
        }
    }

    #[test]
    fn rows_come_go_and_move() {
        for (id, what, want) in [
            (4, put(None), vec![1, 2, 3, 4]),
            (4, put(Some(1)), vec![4, 1, 2, 3]),
            (4, put(Some(4)), vec![1, 2, 3, 4]),
            (2, put(None), vec![1, 2, 3]),
            (2, put(Some(3)), vec![1, 3, 2]),
            (3, put(Some(1)), vec![3, 1, 2]),
            (2, Edit::Remove, vec![1, 3]),
            (4, Edit::Remove, vec![1, 2, 3]),
            (1, Edit::Move { position: 3 }, vec![2, 3, 1]),
            (3, Edit::Move { position: 3 }, vec![1, 2, 3]),
        ] {
            assert_eq!(edit(&[1, 2, 3], id, what).unwrap(), want, "{id} {what:?}");
        }
        for (id, what, last) in [
            (4, put(Some(5)), 4),
            (4, put(Some(0)), 4),
            (2, put(Some(4)), 3),
            (2, Edit::Move { position: -1 }, 3),
        ] {
            let error = edit(&[1, 2, 3], id, what).unwrap_err();
            assert_eq!(
                error.hint_text(),
                Some(format!("it is from 1 to {last}").as_str())
            );
        }
    }

    /// A user and a group of one id are different grantees.
    #[test]
    fn a_user_is_not_the_group_of_that_id() {
        let plan = SetGrantees {
            operation: Operation::CanUse2FA,
            whom: Whom::User(2),
            edit: put(None),
            said: None,
        };
        assert_eq!(ids(&plan.wanted(&list(&[1, 2])).unwrap()), [1, 2, -2]);
    }

    proptest! {
        /// Whatever is done, positions are 1..n without gaps and nobody stands twice.
        #[test]
        fn positions_have_no_gaps(edits in prop::collection::vec((1i64..6, 0i64..8, 0u8..3), 0..24)) {
            let mut have = list(&[]);
            for (id, position, what) in edits {
                let edit = match what {
                    0 => put(Some(position).filter(|position| *position > 0)),
                    1 => Edit::Remove,
                    _ => Edit::Move { position },
                };
                let plan = SetGrantees { operation: Operation::CanReset2FA, whom: Whom::Group(id), edit, said: None };
                if let Ok(want) = plan.wanted(&have) {
                    have = want;
                }
                let positions: Vec<i64> = have.0.iter().map(|row| row.position).collect();
                let numbered: Vec<i64> = (1..).take(positions.len()).collect();
                prop_assert_eq!(positions, numbered);
                let mut names = ids(&have);
                names.sort_unstable();
                names.dedup();
                prop_assert_eq!(names.len(), have.0.len());
            }
        }
    }
}

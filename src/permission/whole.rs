//! The whole list of an operation at once, as a policy file declares it.

use serde_json::Value;

use super::grant::{effect_of, until_json};
use super::{Access, Effect, For, Grantee, Grantees, Whom, built_in, built_in_group, named};
use crate::audit::Event;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::plan::{Change, Op, Plan, Reach};
use crate::store::{Store, Tx};
use crate::verb::Operation;

/// The list of an operation as it shall be: who, what they get, and from when on the row does not match.
#[derive(Debug, Clone)]
pub(crate) struct ReplaceGrantees {
    pub(crate) operation: Operation,
    pub(crate) rows: Vec<(Whom, Access, Option<Time>)>,
}

impl ReplaceGrantees {
    /// The list that a new store has.
    pub(crate) fn initial(store: &Store, operation: Operation) -> Result<ReplaceGrantees> {
        let everybody: &[&str] = &[built_in::EMPLOYEES, built_in::EXTERNALS];
        let groups = match operation {
            Operation::CanUse2FA => everybody,
            _ => &[built_in::ADMINISTRATORS],
        };
        let row = |group: &&str| {
            let whom = Whom::Group(built_in_group(store, group)?);
            Ok((whom, Access::Allow, None))
        };
        Ok(ReplaceGrantees {
            operation,
            rows: groups.iter().map(row).collect::<Result<_>>()?,
        })
    }

    fn wanted(&self) -> Grantees {
        let row =
            |((whom, access, until), position): (&(Whom, Access, Option<Time>), i64)| Grantee {
                position,
                whom: *whom,
                access: *access,
                until: *until,
            };
        Grantees(self.rows.iter().zip(1..).map(row).collect())
    }

    fn effect(&self, store: &Store, what: For) -> Result<Option<Effect>> {
        effect_of(store, self.operation, self.wanted(), None, what)
    }
}

/// What differs between two lists, one change for each row, in the order of the new list; those that go come last.
fn changes(
    store: &Store,
    operation: Operation,
    have: &Grantees,
    want: &Grantees,
) -> Result<Vec<Change>> {
    let row = |of: &Grantees, whom: Whom| of.0.iter().copied().find(|row| row.whom == whom);
    let gone = have.0.iter().filter(|old| row(want, old.whom).is_none());
    let mut found = Vec::new();
    for whom in want.0.iter().chain(gone).map(|row| row.whom) {
        let (old, new) = (row(have, whom), row(want, whom));
        if old == new {
            continue;
        }
        let op = match (old, new) {
            (None, _) => Op::Add,
            (_, None) => Op::Remove,
            _ => Op::Edit,
        };
        let (kind, name) = named(store, whom)?;
        let position = |row: Option<Grantee>| row.map_or(Value::Null, |row| row.position.into());
        let access = |row: Option<Grantee>| row.map(|row| row.access.code());
        found.push(
            Change::new("permission", operation.code(), op, Event::GRANTEE_CHANGED)
                .always(kind, name.as_str(), name.as_str())
                .field("position", position(old), position(new))
                .field("access", access(old), access(new))
                .field("until", until_json(old.as_ref()), until_json(new.as_ref())),
        );
    }
    Ok(found)
}

impl Plan for ReplaceGrantees {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let want = self.wanted();
        for (at, row) in want.0.iter().enumerate() {
            if want.0[..at].iter().any(|earlier| earlier.whom == row.whom) {
                let (kind, name) = named(store, row.whom)?;
                return Err(Error::new(
                    Kind::InvalidValue,
                    format!("the {kind} `{}` stands in the list twice", visible(&name)),
                )
                .hint("the first row that matches decides: the second one would never count"));
            }
        }
        let have = Grantees::load(store, self.operation)?;
        changes(store, self.operation, &have, &want)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        self.wanted().store(tx, self.operation)
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        Ok(match self.operation {
            Operation::CanUse2FA => Reach::Everyone,
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn the_first_list_is_that_of_a_new_store() {
        let fresh = fresh();
        for operation in Operation::ALL {
            let initial = ReplaceGrantees::initial(&fresh.store, *operation).unwrap();
            let changes = initial.changes(&fresh.store).unwrap();
            assert!(changes.is_empty(), "{changes:?}");
        }
    }

    #[test]
    fn rows_come_change_and_go() {
        let fresh = fresh();
        let group = |which| Whom::Group(built_in_group(&fresh.store, which).unwrap());
        let (employees, externals, administrators) = (
            group(built_in::EMPLOYEES),
            group(built_in::EXTERNALS),
            group(built_in::ADMINISTRATORS),
        );
        let plan = |rows: &[(Whom, Access)]| ReplaceGrantees {
            operation: Operation::CanUse2FA,
            rows: rows
                .iter()
                .map(|(whom, access)| (*whom, *access, None))
                .collect(),
        };
        let wanted = plan(&[(administrators, Access::Allow), (employees, Access::Deny)]);
        let said: Vec<String> = wanted
            .changes(&fresh.store)
            .unwrap()
            .iter()
            .map(|change| serde_json::to_string(change).unwrap())
            .collect();
        assert_eq!(
            said,
            [
                r#"{"noun":"permission","key":"CanUse2FA","op":"add","fields":[{"name":"group","old":"System administrators","new":"System administrators"},{"name":"position","old":null,"new":1},{"name":"access","old":null,"new":"allow"}]}"#,
                r#"{"noun":"permission","key":"CanUse2FA","op":"edit","fields":[{"name":"group","old":"All employees","new":"All employees"},{"name":"position","old":1,"new":2},{"name":"access","old":"allow","new":"deny"}]}"#,
                r#"{"noun":"permission","key":"CanUse2FA","op":"remove","fields":[{"name":"group","old":"All external users","new":"All external users"},{"name":"position","old":2,"new":null},{"name":"access","old":"allow","new":null}]}"#,
            ]
        );
        fresh.store.write(|tx| wanted.write(tx)).unwrap();
        assert!(wanted.changes(&fresh.store).unwrap().is_empty());
        let twice = plan(&[(externals, Access::Allow), (externals, Access::Deny)]);
        assert_eq!(
            twice.changes(&fresh.store).unwrap_err().message(),
            "the group `All external users` stands in the list twice"
        );
    }
}

//! Resolution, against the words themselves.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::store::tests::fresh;

fn row(position: i64, whom: Whom, allow: bool, until: Option<i64>) -> Grantee {
    Grantee {
        position,
        whom,
        access: if allow { Access::Allow } else { Access::Deny },
        until: until.map(Time),
    }
}

#[test]
fn the_smallest_matching_position_decides() {
    let list = Grantees(vec![
        row(1, Whom::Group(1), false, Some(100)),
        row(2, Whom::User(1), true, None),
        row(3, Whom::Group(2), false, None),
    ]);
    let groups = |ids: &[i64]| ids.iter().copied().collect::<BTreeSet<_>>();
    assert!(list.allow(1, &groups(&[2]), Time(0)));
    assert!(
        !list.allow(1, &groups(&[1]), Time(99)),
        "a denial before it"
    );
    assert!(list.allow(1, &groups(&[1]), Time(100)), "which has expired");
    assert!(!list.allow(2, &groups(&[2]), Time(0)));
    assert!(!list.allow(2, &groups(&[]), Time(0)), "nothing matches: no");
    assert!(
        !list.allow(2, &groups(&[]), Time(0)),
        "user 1 is not group 1"
    );
}

#[test]
fn administrators_are_found_through_every_kind_of_group() {
    let fresh = fresh();
    let store = &fresh.store;
    let run = |sql: &str| {
        let done = store.write(|tx| Ok(tx.db().execute_batch(sql)?));
        done.unwrap();
    };
    let found = |limit| active_administrators(store, limit).unwrap();
    run("INSERT INTO user (id, login, type, active, created_at) VALUES
             (1, 'ada', 'external', 1, 0), (2, 'bea', 'employee', 1, 0), (3, 'cy', 'employee', 0, 0);
         INSERT INTO identity VALUES ('ada', 1, 1, 0), ('bea', 2, 1, 0), ('cy', 3, 1, 0);
         INSERT INTO \"group\" (id, name, name_key, created_at) VALUES (10, 'Inner', 'inner', 0);
         INSERT INTO group_user VALUES (10, 1), (10, 3);");
    assert_eq!(found(5), [""; 0]);
    run("INSERT INTO group_group SELECT id, 10 FROM \"group\" WHERE built_in = 'administrators'");
    assert_eq!(found(5), ["ada"], "through a nested group, if active");
    run("INSERT INTO group_group SELECT 10, id FROM \"group\" WHERE built_in = 'employees'");
    assert_eq!(found(5), ["ada", "bea"], "through a computed group too");
    assert_eq!(found(1), ["ada"]);
    assert!(another_administrator(store, 1).unwrap());
}

/// A store's worth of groups and one list, small enough to be judged by hand.
#[derive(Debug, Clone)]
struct Model {
    /// `(group, member)`, with `member` below `group` in number, so that there is no cycle. 1 to 3 are built in.
    nested: Vec<(i64, i64)>,
    /// `(group, user)`.
    members: Vec<(i64, i64)>,
    /// Users by id, from 1.
    kinds: Vec<Type>,
    /// `(names a group, id, allow, until)`, in order.
    rows: Vec<(bool, i64, bool, Option<i64>)>,
}

const GROUPS: i64 = 9;
/// As many as [`model`] draws kinds for.
const USERS: i64 = 4;
const EMPLOYEES: i64 = 1;
const EXTERNALS: i64 = 2;

fn model() -> impl Strategy<Value = Model> {
    let kind = prop::sample::select(Type::ALL.to_vec());
    // The computed ones take no members.
    let nested = prop::collection::vec((3..=GROUPS, 1..=GROUPS), 0..14);
    let members = prop::collection::vec((3..=GROUPS, 1..=USERS), 0..10);
    let until = prop::option::of(-2..3i64);
    let rows = prop::collection::vec((any::<bool>(), 1..=GROUPS, any::<bool>(), until), 0..6);
    let kinds = prop::collection::vec(kind, 4);
    (nested, members, kinds, rows).prop_map(|(nested, members, kinds, rows)| Model {
        nested: nested
            .into_iter()
            .filter(|(group, member)| member < group)
            .collect(),
        members,
        kinds,
        rows,
    })
}

impl Model {
    /// Whether a user is in a group, straight from the words: a member, of its type, or in a group that is in it.
    fn is_in(&self, user: i64, group: i64) -> bool {
        let kind = self.kinds[usize::try_from(user - 1).unwrap()];
        self.members.contains(&(group, user))
            || group == EMPLOYEES && kind == Type::Employee
            || group == EXTERNALS && kind == Type::External
            || self
                .nested
                .iter()
                .any(|(outer, inner)| *outer == group && self.is_in(user, *inner))
    }

    fn names(&self, row: (bool, i64), user: i64) -> bool {
        match row {
            (true, group) => self.is_in(user, group),
            (false, id) => id == user,
        }
    }

    /// The rows as they stand in a list: whom one names twice stands there once, and a user there is.
    fn list(&self) -> Vec<(bool, i64, bool, Option<i64>)> {
        let mut seen = HashSet::new();
        self.rows
            .iter()
            .copied()
            .filter(|(group, id, ..)| (*group || *id <= USERS) && seen.insert((*group, *id)))
            .collect()
    }

    fn allowed(&self, user: i64) -> bool {
        self.list()
            .iter()
            .find(|(group, id, _, until)| {
                until.is_none_or(|until| 0 < until) && self.names((*group, *id), user)
            })
            .is_some_and(|(_, _, allow, _)| *allow)
    }

    fn write(&self, store: &Store) {
        let mut sql = String::from("DELETE FROM grantee WHERE operation = 'CanReset2FA';");
        for (id, kind) in (1..).zip(&self.kinds) {
            sql += &format!(
                "INSERT INTO user (id, login, type, created_at) VALUES ({id}, 'u{id}', '{}', 0);",
                kind.code()
            );
        }
        for id in 4..=GROUPS {
            sql += &format!(
                "INSERT INTO \"group\" (id, name, name_key, created_at) VALUES ({id}, 'g{id}', 'g{id}', 0);"
            );
        }
        for (group, member) in &self.nested {
            sql += &format!("INSERT OR IGNORE INTO group_group VALUES ({group}, {member});");
        }
        for (group, user) in &self.members {
            sql += &format!("INSERT OR IGNORE INTO group_user VALUES ({group}, {user});");
        }
        for (position, (group, id, allow, until)) in (1..).zip(self.list()) {
            let whom = if group { "\"group\"" } else { "user" };
            let access = if allow { "allow" } else { "deny" };
            let until = until.map_or("NULL".to_owned(), |until| {
                (store.now().0 + until).to_string()
            });
            sql += &format!(
                "INSERT INTO grantee (operation, position, {whom}, access, until_at) VALUES ('CanReset2FA', {position}, {id}, '{access}', {until});"
            );
        }
        store.write(|tx| Ok(tx.db().execute_batch(&sql)?)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One user by statements, many by the nesting in memory, and the plain words come to the same.
    #[test]
    fn resolution_is_what_the_words_say(model in model()) {
        let fresh = fresh();
        let store = &fresh.store;
        model.write(store);
        let mut nesting = Nesting::load(store).unwrap();
        let within: Vec<BTreeSet<i64>> = (1..=GROUPS).map(|group| nesting.within(group)).collect();
        for user in 1..=USERS {
            let kind = model.kinds[usize::try_from(user - 1).unwrap()];
            let want: BTreeSet<i64> = (1..=GROUPS).filter(|group| model.is_in(user, *group)).collect();
            prop_assert_eq!(&groups_of(store, user, kind).unwrap(), &want);
            let direct = direct_groups(store, user).unwrap();
            prop_assert_eq!(nesting.groups(direct.clone(), kind), &want);
            let granted = allowed(store, Operation::CanReset2FA, user, kind).unwrap();
            prop_assert_eq!(granted, model.allowed(user));
            let decision = check(store, Operation::CanReset2FA, user, kind, "u").unwrap();
            prop_assert_eq!(decision.granted, granted);
            // The way to a group goes up step by step, from where the user is.
            let mut from = direct;
            from.extend(nesting.computed(kind));
            for group in 1..=GROUPS {
                let path = nesting.path(&from, group);
                prop_assert_eq!(path.is_some(), want.contains(&group));
                for pair in path.iter().flat_map(|path| path.windows(2)) {
                    prop_assert!(model.nested.contains(&(pair[1], pair[0])));
                }
                let users = users_in(store, &nesting, group).unwrap();
                prop_assert_eq!(users.contains(&user), want.contains(&group));
                if let Some(path) = path {
                    prop_assert!(within[usize::try_from(group - 1).unwrap()].contains(&path[0]));
                }
            }
        }
    }

    /// What a change would do to administrators is what it does.
    #[test]
    fn the_overlay_is_the_store_after_the_change(model in model(), group in 3..=GROUPS, user in 1..=USERS, other in 4..=GROUPS) {
        let fresh = fresh();
        let store = &fresh.store;
        model.write(store);
        let mut after = State::load(store).unwrap();
        after.set_member(store, group, user, !model.members.contains(&(group, user))).unwrap();
        after.remove_group(other);
        let write = |tx: &Tx<'_>| {
            let put = if model.members.contains(&(group, user)) {
                "DELETE FROM group_user WHERE \"group\" = ?1 AND user = ?2"
            } else {
                "INSERT INTO group_user VALUES (?1, ?2)"
            };
            tx.db().execute(put, [group, user])?;
            Ok(tx.db().execute("DELETE FROM \"group\" WHERE id = ?1", [other])?)
        };
        store.write(write).unwrap();
        for user in 1..=USERS {
            let kind = model.kinds[usize::try_from(user - 1).unwrap()];
            prop_assert_eq!(after.groups(store, user, kind).unwrap(), &groups_of(store, user, kind).unwrap());
        }
        prop_assert_eq!(after.can_use.0.len(), Grantees::load(store, Operation::CanUse2FA).unwrap().0.len());
    }
}

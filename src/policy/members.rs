//! Who is in which group, of what a file declares: users and groups that come in, and with --prune those that leave.

use std::collections::HashSet;

use super::Policy;
use super::declared::{Joined, Stored, entries, step};
use super::read::Place;
use super::step::{At, Step, What, Written};
use crate::error::Result;
use crate::group;
use crate::name::fold;
use crate::store::Store;

impl Policy {
    /// Who is in which group.
    pub(super) fn members<'p>(
        &'p self,
        store: &Store,
        stored: &Stored<'_>,
        joined: &Joined<'p>,
        steps: &mut Vec<Step<'p>>,
    ) -> Result<()> {
        let document = &self.source.document;
        let mut comes = Vec::new();
        for (name, group) in entries(document.groups.as_ref()) {
            let have = stored.groups.get(&fold(name));
            let inside: HashSet<i64> = match have {
                Some(have) => group::member::groups(store, have.id)?.into_iter().collect(),
                None => HashSet::new(),
            };
            let declared = group.groups.iter().flatten();
            let ids: HashSet<i64> = declared
                .clone()
                .filter_map(|name| stored.groups.get(&fold(name)).map(|group| group.id))
                .collect();
            if let Some(have) = have.filter(|_| self.prune && group.groups.is_some()) {
                let groups: Vec<i64> = sorted(inside.difference(&ids).copied());
                leave(
                    steps,
                    &["groups", name, "groups"],
                    have.id,
                    Vec::new(),
                    groups,
                );
            }
            let new = declared.enumerate().filter(|(_, name)| {
                let known = stored.groups.get(&fold(name));
                !known.is_some_and(|group| inside.contains(&group.id))
            });
            let groups: Vec<Written<'p>> = new
                .map(|(at, inner)| (At::new("groups", name, "groups", at), inner.as_str()))
                .collect();
            if !groups.is_empty() {
                let users = Vec::new();
                comes.push(step(
                    &["groups", name],
                    What::Join {
                        group: name,
                        users,
                        groups,
                    },
                ));
            }
        }
        steps.append(&mut comes);
        self.users_of_groups(store, stored, joined, steps)
    }

    /// Which users are in which group.
    fn users_of_groups<'p>(
        &'p self,
        store: &Store,
        stored: &Stored<'_>,
        joined: &Joined<'p>,
        steps: &mut Vec<Step<'p>>,
    ) -> Result<()> {
        let document = &self.source.document;
        // A user whose groups are declared leaves those that are not; for a group whose users are declared it is theirs.
        let bound: HashSet<i64> = entries(document.users.as_ref())
            .filter(|(_, declared)| self.prune && declared.groups.is_some())
            .filter_map(|(login, _)| stored.user(login))
            .collect();
        let mut groups: Vec<&String> = joined.keys().collect();
        if self.prune {
            groups.extend(
                stored
                    .groups
                    .keys()
                    .filter(|key| !joined.contains_key(*key)),
            );
        }
        groups.sort_unstable();
        let mut comes = Vec::new();
        for key in groups {
            let users = self.users_of(store, stored, joined, (key, &bound), steps)?;
            let Some((at, _)) = users.first() else {
                continue;
            };
            let place = at.place();
            let group = self.group_name(&place, key);
            let groups = Vec::new();
            let what = What::Join {
                group,
                users,
                groups,
            };
            comes.push(Step { place, what });
        }
        steps.append(&mut comes);
        Ok(())
    }

    /// Who comes into a group; who leaves it becomes a step at once. `bound` are the users who leave every group that they
    /// do not declare.
    fn users_of<'p>(
        &'p self,
        store: &Store,
        stored: &Stored<'_>,
        joined: &Joined<'p>,
        (key, bound): (&str, &HashSet<i64>),
        steps: &mut Vec<Step<'p>>,
    ) -> Result<Vec<Written<'p>>> {
        let groups = self.source.document.groups.as_ref();
        let entry = groups.and_then(|groups| groups.entry(key));
        let whole = self.prune && entry.is_some_and(|(_, group)| group.users.is_some());
        let declared = joined.get(key).map_or(&[][..], Vec::as_slice);
        if declared.is_empty() && !whole && bound.is_empty() {
            return Ok(Vec::new());
        }
        let Some(have) = stored.groups.get(key) else {
            return Ok(declared.to_vec());
        };
        let inside: HashSet<i64> = group::member::users(store, have.id)?.into_iter().collect();
        if whole || !bound.is_empty() {
            let ids = declared.iter().filter_map(|(_, name)| stored.user(name));
            let ids: HashSet<i64> = ids.collect();
            let out = inside.difference(&ids).copied();
            let users = sorted(out.filter(|user| whole || bound.contains(user)));
            leave(steps, &["groups", key, "users"], have.id, users, Vec::new());
        }
        let is_in = |name: &str| stored.user(name).is_some_and(|id| inside.contains(&id));
        let new = declared.iter().filter(|(_, name)| !is_in(name));
        Ok(new.copied().collect())
    }

    /// The name of a group as the file writes it, given where it names a member.
    fn group_name<'p>(&'p self, place: &Place, key: &str) -> &'p str {
        let document = &self.source.document;
        let entry = document
            .groups
            .as_ref()
            .and_then(|groups| groups.entry(key));
        if let Some((name, _)) = entry {
            return name;
        }
        let user = place
            .get(1)
            .and_then(|login| document.users.as_ref()?.get(login));
        user.and_then(|user| user.groups.iter().flatten().find(|name| fold(name) == key))
            .map_or("", String::as_str)
    }
}

fn sorted(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids
}

fn leave(steps: &mut Vec<Step<'_>>, at: &[&str], group: i64, users: Vec<i64>, groups: Vec<i64>) {
    if !(users.is_empty() && groups.is_empty()) {
        let what = What::Leave {
            group,
            users,
            groups,
        };
        steps.push(step(at, what));
    }
}

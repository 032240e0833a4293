//! The nesting of groups, read once for many users, and as it would be after a change.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{built_in, built_in_group, everybody};
use crate::error::Result;
use crate::store::Store;
use crate::user::kind::Type;

/// Which group is in which. Each set of direct groups is resolved once.
#[derive(Debug, Clone)]
pub(crate) struct Nesting {
    above: HashMap<i64, Vec<i64>>,
    computed: HashMap<&'static str, i64>,
    resolved: HashMap<(Vec<i64>, Type), BTreeSet<i64>>,
}

impl Nesting {
    /// Reads the nesting of groups.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store) -> Result<Nesting> {
        let mut above: HashMap<i64, Vec<i64>> = HashMap::new();
        let mut query = store
            .db()
            .prepare("SELECT member, \"group\" FROM group_group")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            above.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let mut computed = HashMap::new();
        for which in [built_in::EMPLOYEES, built_in::EXTERNALS] {
            computed.insert(which, built_in_group(store, which)?);
        }
        Ok(Nesting {
            above,
            computed,
            resolved: HashMap::new(),
        })
    }

    /// `member` comes into `group`.
    pub(crate) fn add(&mut self, group: i64, member: i64) {
        self.above.entry(member).or_default().push(group);
        self.resolved.clear();
    }

    /// `member` leaves `group`.
    pub(crate) fn remove(&mut self, group: i64, member: i64) {
        if let Some(above) = self.above.get_mut(&member) {
            above.retain(|have| *have != group);
        }
        self.resolved.clear();
    }

    /// A group goes, out of everything it is in and with everything in it.
    pub(crate) fn remove_group(&mut self, group: i64) {
        self.above.remove(&group);
        for above in self.above.values_mut() {
            above.retain(|have| *have != group);
        }
        self.resolved.clear();
    }

    /// All groups of a user of type `kind` whose direct groups, in ascending order, are `direct`.
    pub(crate) fn groups(&mut self, direct: Vec<i64>, kind: Type) -> &BTreeSet<i64> {
        // Organisations have few combinations of groups; a store that has many pays in memory only up to here.
        if self.resolved.len() > 100_000 {
            self.resolved.clear();
        }
        let (above, computed) = (&self.above, &self.computed);
        self.resolved
            .entry((direct, kind))
            .or_insert_with_key(|(direct, kind)| {
                let mut open: Vec<i64> = direct.clone();
                open.extend(everybody(*kind).and_then(|which| computed.get(which)));
                let mut inside = BTreeSet::new();
                while let Some(group) = open.pop() {
                    if inside.insert(group) {
                        open.extend(above.get(&group).into_iter().flatten());
                    }
                }
                inside
            })
    }

    /// `group` and every group that is in it, through any nesting.
    pub(crate) fn within(&self, group: i64) -> BTreeSet<i64> {
        let mut below: HashMap<i64, Vec<i64>> = HashMap::new();
        for (member, above) in &self.above {
            for group in above {
                below.entry(*group).or_default().push(*member);
            }
        }
        let mut open = vec![group];
        let mut inside = BTreeSet::new();
        while let Some(group) = open.pop() {
            if inside.insert(group) {
                open.extend(below.get(&group).into_iter().flatten());
            }
        }
        inside
    }

    /// The shortest way up from one of `from` to the group `to`, both ends included; of equally short ones, the one
    /// through the smallest ids. `None`: there is none.
    pub(crate) fn path(&self, from: &[i64], to: i64) -> Option<Vec<i64>> {
        let mut reached: HashMap<i64, Option<i64>> = from.iter().map(|one| (*one, None)).collect();
        let mut open: VecDeque<i64> = from.iter().copied().collect();
        while let Some(group) = open.pop_front() {
            if group == to {
                let mut path = vec![group];
                let mut at = group;
                while let Some(Some(below)) = reached.get(&at) {
                    path.push(*below);
                    at = *below;
                }
                path.reverse();
                return Some(path);
            }
            let mut above = self.above.get(&group).cloned().unwrap_or_default();
            above.sort_unstable();
            for next in above {
                reached.entry(next).or_insert_with(|| {
                    open.push_back(next);
                    Some(group)
                });
            }
        }
        None
    }

    /// The computed group of everybody of a type.
    pub(crate) fn computed(&self, kind: Type) -> Option<i64> {
        everybody(kind)
            .and_then(|which| self.computed.get(which))
            .copied()
    }
}

/// Who would be an administrator: the nesting is read once for many users.
pub(crate) struct Administrators {
    nesting: Nesting,
    group: i64,
}

impl Administrators {
    /// Reads the nesting of groups.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn load(store: &Store) -> Result<Administrators> {
        Ok(Administrators {
            nesting: Nesting::load(store)?,
            group: built_in_group(store, built_in::ADMINISTRATORS)?,
        })
    }

    /// Whether somebody of a type who is directly in these groups is one.
    pub(crate) fn have(&mut self, direct: &BTreeSet<i64>, kind: Type) -> bool {
        let direct = direct.iter().copied().collect();
        self.nesting.groups(direct, kind).contains(&self.group)
    }
}

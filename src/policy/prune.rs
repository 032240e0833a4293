//! What goes with --prune: what a section of the file does not declare.

use std::collections::HashSet;

use super::Policy;
use super::declared::{Joined, Stored, entries, step};
use super::document;
use super::step::{At, Step, What, Written};
use crate::error::{Error, Kind, Result};
use crate::name::{fold, visible};
use crate::plan::Warning;
use crate::store::Store;
use crate::{mailbox, sms_provider, template, user};

impl Policy {
    /// Users who are not declared.
    pub(super) fn goes_first<'p>(
        &'p self,
        store: &Store,
        joined: &Joined<'_>,
        steps: &mut Vec<Step<'p>>,
        warnings: &mut Vec<Warning>,
    ) -> Result<()> {
        let document = &self.source.document;
        let Some(users) = &document.users else {
            return Ok(());
        };
        let declared: HashSet<String> = users.iter().map(|(login, _)| fold(login)).collect();
        let first = user::first_administrator(store)?;
        let mut ids: HashSet<i64> = HashSet::new();
        user::each_name(store, &mut |key, id, is_login| {
            let is_first = first.as_ref().is_some_and(|first| first.id == id);
            if is_login && !is_first && !declared.contains(key) {
                steps.push(step(&["users"], What::RemoveUser(id)));
                ids.insert(id);
            }
        })?;
        // They are named by address as well.
        let mut gone: HashSet<String> = HashSet::new();
        user::each_name(store, &mut |key, id, _| {
            if ids.contains(&id) {
                gone.insert(key.to_owned());
            }
        })?;
        if let Some(first) = first.filter(|first| !declared.contains(&fold(&first.login))) {
            warnings.push(Warning {
                kind: "first_administrator_kept",
                message: format!(
                    "the first administrator `{}` is not declared, and stays.",
                    visible(&first.login)
                ),
                hint: None,
            });
        }
        let in_lists = self.listed(|row| row.user.as_deref());
        let members = joined.values().flatten().copied();
        self.none_goes("user", &gone, members.chain(in_lists))
    }

    /// What the rows of permissions name.
    fn listed(
        &self,
        name: fn(&document::Grantee) -> Option<&str>,
    ) -> impl Iterator<Item = Written<'_>> {
        let lists = entries(self.source.document.permissions.as_ref());
        lists.flat_map(move |(code, rows)| {
            rows.iter().enumerate().filter_map(move |(at, row)| {
                name(row).map(|name| (At::new("permissions", code, "", at), name))
            })
        })
    }

    /// Refuses a file that names what --prune would remove.
    fn none_goes<'p>(
        &self,
        noun: &str,
        gone: &HashSet<String>,
        mut named: impl Iterator<Item = Written<'p>>,
    ) -> Result<()> {
        match named.find(|(_, name)| gone.contains(&fold(name))) {
            None => Ok(()),
            Some((at, name)) => {
                let message = format!(
                    "the {noun} `{}` is named here and would go: `{noun}s` does not declare it",
                    visible(name)
                );
                let error = Error::new(Kind::Conflict, message)
                    .hint(format!("declare it under `{noun}s`, or leave --prune out"));
                Err(self.source.blame(&at.place(), error))
            }
        }
    }

    /// Things that are not declared, and that nothing refers to any more.
    pub(super) fn goes_last<'p>(
        &'p self,
        store: &Store,
        stored: &Stored<'_>,
        joined: &Joined<'_>,
        steps: &mut Vec<Step<'p>>,
    ) -> Result<()> {
        let document = &self.source.document;
        if let Some(templates) = &document.templates {
            for row in template::list(store)? {
                let languages = row.modified.into_iter().filter(|language| {
                    let declared = templates.get(&row.name);
                    declared.is_none_or(|words| words.get(language).is_none())
                });
                steps.extend(languages.map(|language| {
                    step(&["templates"], What::ResetWords(row.name.clone(), language))
                }));
            }
        }
        if let Some(mailboxes) = &document.mailboxes {
            for have in mailbox::list(store)? {
                if mailboxes.get(&have.name).is_none() {
                    steps.push(step(&["mailboxes"], What::RemoveMailbox(have.id)));
                }
            }
        }
        if let Some(providers) = &document.sms_providers {
            for have in sms_provider::list(store)? {
                if providers.get(&have.name).is_none() {
                    steps.push(step(&["sms_providers"], What::RemoveProvider(have.id)));
                }
            }
        }
        let Some(groups) = &document.groups else {
            return Ok(());
        };
        let mut gone = HashSet::new();
        let mut keys: Vec<&String> = stored.groups.keys().collect();
        keys.sort_unstable();
        for key in keys {
            let have = &stored.groups[key];
            if have.built_in.is_none() && groups.get(&have.name).is_none() {
                steps.push(step(&["groups"], What::RemoveGroup(have.id)));
                gone.insert(key.clone());
            }
        }
        let nested = groups.iter().flat_map(|(name, group)| {
            let inner = group.groups.iter().flatten().enumerate();
            inner.map(move |(at, inner)| (At::new("groups", name, "groups", at), inner.as_str()))
        });
        let of_users = joined
            .iter()
            .filter(|(key, _)| gone.contains(*key))
            .flat_map(|(key, who)| who.iter().map(move |(at, _)| (*at, key.as_str())));
        let in_lists = self.listed(|row| row.group.as_deref());
        self.none_goes("group", &gone, nested.chain(of_users).chain(in_lists))
    }
}

//! What a file declares, as steps in the order in which they can be taken: who is not declared goes first, for their names
//! may be given to others; then everything that is referred to comes before what refers to it, and things that nothing
//! refers to any more go last.
//!
//! Users and members are many and mostly so already: they are compared with what is stored in one pass, and only those
//! that differ become steps. That may take a step too many, which then changes nothing, and never one too few.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Policy;
use super::document::{self, Named};
use super::read::Place;
use super::step::{At, Step, What, Written};
use crate::error::{Error, Kind, Result};
use crate::group;
use crate::method::{Method, Set};
use crate::name::{fold, folded};
use crate::permission;
use crate::plan::Warning;
use crate::setting;
use crate::store::Store;
use crate::user::{self, Passing};
use crate::verb::Operation;

/// A place in the file.
pub(super) fn place(parts: &[&str]) -> Place {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

pub(super) fn step<'p>(parts: &[&str], what: What<'p>) -> Step<'p> {
    Step {
        place: place(parts),
        what,
    }
}

/// The steps of a file, and what is worth saying of them.
pub(super) struct Steps<'p> {
    pub(super) steps: Vec<Step<'p>>,
    pub(super) warnings: Vec<Warning>,
}

/// What is stored of a user whom the file names.
#[derive(Clone, Copy)]
pub(super) struct Known {
    id: i64,
    active: bool,
    /// Whether they are as declared, for certain, but for whether they are active.
    so: bool,
}

/// What was looked up in the store for all steps.
pub(super) struct Stored<'p> {
    /// By folded name: the users whose login is declared, or named.
    pub(super) logins: HashMap<Cow<'p, str>, Known>,
    /// By folded name: the users whose address is named.
    addresses: HashMap<Cow<'p, str>, i64>,
    /// Every group, by folded name.
    pub(super) groups: HashMap<String, group::Group>,
}

impl Stored<'_> {
    /// The id of a user, by login or address.
    pub(super) fn user(&self, name: &str) -> Option<i64> {
        let key = folded(name);
        let known = self.logins.get(&key).map(|known| known.id);
        known.or_else(|| self.addresses.get(&key).copied())
    }
}

/// Which users are in which group, as far as the file declares it: by folded name of the group.
pub(super) type Joined<'p> = HashMap<String, Vec<Written<'p>>>;

impl Policy {
    /// The steps that may change something.
    pub(super) fn steps(&self, store: &Store) -> Result<Steps<'_>> {
        let joined = self.joined();
        let stored = self.stored(store, &joined)?;
        let mut steps = Vec::new();
        let mut warnings = Vec::new();
        if self.prune {
            self.goes_first(store, &joined, &mut steps, &mut warnings)?;
        }
        self.comes(&stored, &mut steps);
        self.members(store, &stored, &joined, &mut steps)?;
        self.rules(store, &mut steps)?;
        if self.prune {
            self.goes_last(store, &stored, &joined, &mut steps)?;
        }
        Ok(Steps { steps, warnings })
    }

    /// Who joins which group: what groups say of users, and users of groups.
    fn joined(&self) -> Joined<'_> {
        let mut joined: Joined<'_> = HashMap::new();
        let document = &self.source.document;
        for (name, group) in entries(document.groups.as_ref()) {
            let users = group.users.iter().flatten().enumerate();
            let written =
                users.map(|(at, user)| (At::new("groups", name, "users", at), user.as_str()));
            joined.entry(fold(name)).or_default().extend(written);
        }
        for (login, user) in entries(document.users.as_ref()) {
            for (at, name) in user.groups.iter().flatten().enumerate() {
                let at = At::new("users", login, "groups", at);
                joined.entry(fold(name)).or_default().push((at, login));
            }
        }
        joined
    }

    /// What is stored of the users whom the file declares or names, and of groups.
    fn stored<'p>(&'p self, store: &Store, joined: &Joined<'p>) -> Result<Stored<'p>> {
        let declared: HashMap<Cow<'p, str>, &document::User> =
            entries(self.source.document.users.as_ref())
                .map(|(login, user)| (folded(login), user))
                .collect();
        let members = joined.values().flatten().map(|(_, name)| folded(name));
        let names: HashSet<Cow<'p, str>> = declared.keys().cloned().chain(members).collect();
        let mut logins = HashMap::with_capacity(names.len());
        user::pass(store, &names, &mut |key, have| {
            let Some(name) = names.get(key) else { return };
            let known = Known {
                id: have.id,
                active: have.active,
                so: declared
                    .get(name)
                    .is_none_or(|declared| is_so(&have, declared)),
            };
            logins.insert(name.clone(), known);
        })?;
        let mut addresses = HashMap::new();
        for name in names.iter().filter(|name| !logins.contains_key(*name)) {
            if let Some(user) = user::lookup(store, name)? {
                addresses.insert(name.clone(), user.id);
            }
        }
        Ok(Stored {
            logins,
            addresses,
            groups: group::all(store)?,
        })
    }

    /// Things that others refer to.
    fn comes<'p>(&'p self, stored: &Stored<'_>, steps: &mut Vec<Step<'p>>) {
        let document = &self.source.document;
        for (name, _) in entries(document.groups.as_ref()) {
            if !stored.groups.contains_key(&fold(name)) {
                steps.push(step(&["groups", name], What::Group(name)));
            }
        }
        for (name, declared) in entries(document.mailboxes.as_ref()) {
            steps.push(step(&["mailboxes", name], What::Mailbox(name, declared)));
        }
        for (name, declared) in entries(document.sms_providers.as_ref()) {
            steps.push(step(
                &["sms_providers", name],
                What::Provider(name, declared),
            ));
        }
        for (template, languages) in entries(document.templates.as_ref()) {
            for (language, words) in languages.iter() {
                let what = What::Words(template, language, words);
                steps.push(step(&["templates", template, language], what));
            }
        }
        let mut active = Vec::new();
        for (login, declared) in entries(document.users.as_ref()) {
            let have = stored.logins.get(&folded(login));
            if !have.is_some_and(|have| have.so) {
                steps.push(step(&["users", login], What::User(login, declared)));
            }
            if let (Some(have), Some(wanted)) = (have, declared.active)
                && have.active != wanted
            {
                active.push(step(
                    &["users", login, "active"],
                    What::Active(login, wanted),
                ));
            }
        }
        steps.append(&mut active);
    }

    /// Permissions, settings and methods: they name things, and nothing names them.
    fn rules<'p>(&'p self, store: &Store, steps: &mut Vec<Step<'p>>) -> Result<()> {
        let document = &self.source.document;
        if let Some(lists) = &document.permissions {
            let mut named = HashSet::new();
            for (code, rows) in lists.iter() {
                let here = place(&["permissions", code]);
                let operation = permission::find(store, code)
                    .map_err(|error| self.source.blame(&here, error))?;
                // An operation has a code and a name.
                if !named.insert(operation) {
                    let twice = format!("`{}` stands twice", operation.code());
                    let error = Error::new(Kind::InvalidValue, twice);
                    return Err(self.source.blame(&here, error));
                }
                steps.push(Step {
                    place: here,
                    what: What::List(operation, Some(rows)),
                });
            }
            let unnamed = Operation::ALL
                .iter()
                .filter(|operation| self.prune && !named.contains(*operation));
            steps.extend(
                unnamed.map(|operation| step(&["permissions"], What::List(*operation, None))),
            );
        }
        if let Some(settings) = &document.settings {
            let mut pairs: Vec<(&str, Option<String>)> = settings
                .iter()
                .map(|(code, value)| (code, Some(value.typed())))
                .collect();
            let unnamed = setting::ALL
                .iter()
                .filter(|setting| self.prune && settings.get(setting.code).is_none());
            pairs.extend(unnamed.map(|setting| (setting.code, None)));
            steps.push(step(&["settings"], What::Settings(pairs)));
        }
        if let Some(methods) = &document.methods {
            self.methods(methods, steps)?;
        }
        Ok(())
    }

    /// Methods: what is taken away comes before what takes its place.
    fn methods<'p>(
        &'p self,
        methods: &Named<document::Method>,
        steps: &mut Vec<Step<'p>>,
    ) -> Result<()> {
        let mut sets: Vec<(u8, Step<'p>)> = Vec::new();
        let mut primary: Option<Method> = None;
        let mut named = HashSet::new();
        for (code, declared) in methods.iter() {
            let here = place(&["methods", code]);
            let blame = |error| self.source.blame(&here, error);
            let method = Method::parse(code).map_err(blame)?;
            if !named.insert(method) {
                let twice = format!("{} stands twice", method.name());
                return Err(blame(Error::new(Kind::InvalidValue, twice)));
            }
            if declared.primary == Some(true) {
                if declared.enabled == Some(false) {
                    let message = "a method that is primary is enabled";
                    return Err(blame(Error::new(Kind::InvalidValue, message)));
                }
                if let Some(other) = primary.replace(method) {
                    let message = format!("{} is primary already: only one is", other.name());
                    return Err(blame(Error::new(Kind::InvalidValue, message)));
                }
            }
            let mut add = |order, set| {
                let what = What::Method(method, set);
                let place = here.clone();
                sets.push((order, Step { place, what }));
            };
            match (declared.enabled, declared.primary) {
                (Some(false), _) => add(1, Set::Disable),
                (_, Some(true)) => add(3, Set::Primary),
                (enabled, primary) => {
                    if primary == Some(false) {
                        add(0, Set::NotPrimary);
                    }
                    if enabled == Some(true) {
                        add(2, Set::Enable { primary: false });
                    }
                }
            }
        }
        if self.prune {
            let unnamed = Method::ALL
                .into_iter()
                .filter(|method| !named.contains(method));
            sets.extend(
                unnamed.map(|method| (1, step(&["methods"], What::Method(method, Set::Disable)))),
            );
        }
        sets.sort_by_key(|(order, _)| *order);
        steps.extend(sets.into_iter().map(|(_, step)| step));
        Ok(())
    }
}

/// The entries of a section that may be absent.
pub(super) fn entries<T>(section: Option<&Named<T>>) -> impl Iterator<Item = (&str, &T)> + Clone {
    section.into_iter().flat_map(Named::iter)
}

/// Whether a user is as declared, for certain, but for whether they are active.
fn is_so(have: &Passing<'_>, declared: &document::User) -> bool {
    let same = |wanted: Option<&String>, have: Option<&str>| match wanted.map(|text| text.trim()) {
        None => true,
        Some("") => have.is_none(),
        wanted => have == wanted,
    };
    same(declared.name.as_ref(), have.name)
        && same(declared.email.as_ref(), have.email)
        && same(declared.phone.as_ref(), have.phone)
        && same(declared.os_user.as_ref(), have.os_user)
        && declared
            .language
            .as_ref()
            .is_none_or(|language| language == have.language)
        && declared.kind.is_none_or(|kind| kind == have.kind)
}

//! One step of a policy: a thing that the file declares, or that goes because it does not. Its turn makes a plan of its
//! noun out of it, the same that the single commands carry out; names are looked up then, for an earlier step may have
//! made what they name.

use super::Policy;
use super::document;
use super::read::Place;
use super::senders;
use crate::error::{Error, Kind, Result};
use crate::group::edit::{AddGroup, RemoveGroup};
use crate::group::{self, member::SetMembers};
use crate::mailbox::RemoveMailbox;
use crate::method::{Method, Set, SetMethod};
use crate::name::fold;
use crate::permission::{ReplaceGrantees, Whom};
use crate::plan::Plan;
use crate::setting::{self, SetSettings, Shape};
use crate::sms_provider::RemoveProvider;
use crate::store::Store;
use crate::template::{self, Html, ResetWords, SetWords};
use crate::user::edit::{AddUser, EditUser, Fields, Patch};
use crate::user::state::{RemoveUser, SetActive};
use crate::user::{self, rules};
use crate::verb::Operation;

/// A step, and where in the file it stands.
#[derive(Debug)]
pub(super) struct Step<'p> {
    pub(super) place: Place,
    pub(super) what: What<'p>,
}

/// A name in the file, and where it stands.
pub(super) type Written<'p> = (At<'p>, &'p str);

/// Where a name of a list stands. There are many, and few are ever told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'p> {
    section: &'static str,
    thing: &'p str,
    /// Empty: the thing is the list.
    key: &'static str,
    index: usize,
}

impl<'p> At<'p> {
    pub(super) fn new(
        section: &'static str,
        thing: &'p str,
        key: &'static str,
        index: usize,
    ) -> At<'p> {
        At {
            section,
            thing,
            key,
            index,
        }
    }

    pub(super) fn place(self) -> Place {
        let index = self.index.to_string();
        [self.section, self.thing, self.key, &index]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// What a step does.
#[derive(Debug)]
pub(super) enum What<'p> {
    /// A user who is not declared goes.
    RemoveUser(i64),
    /// There is a group of this name.
    Group(&'p str),
    /// There is a mailbox, and it is so.
    Mailbox(&'p str, &'p document::Mailbox),
    /// There is an SMS provider, and it is so.
    Provider(&'p str, &'p document::SmsProvider),
    /// The words of a template in a language.
    Words(&'p str, &'p str, &'p document::Words),
    /// There is a user, and they are so, but for whether they are active.
    User(&'p str, &'p document::User),
    /// A user is active, or is not.
    Active(&'p str, bool),
    /// These are in a group.
    Join {
        group: &'p str,
        users: Vec<Written<'p>>,
        groups: Vec<Written<'p>>,
    },
    /// These are not declared, and leave a group.
    Leave {
        group: i64,
        users: Vec<i64>,
        groups: Vec<i64>,
    },
    /// The list of an operation; `None`: that of a new store.
    List(Operation, Option<&'p [document::Grantee]>),
    /// All settings: each with its text; `None` resets it.
    Settings(Vec<(&'p str, Option<String>)>),
    /// A method.
    Method(Method, Set),
    /// Words that are not declared are the shipped ones again.
    ResetWords(String, String),
    /// A mailbox that is not declared goes.
    RemoveMailbox(i64),
    /// An SMS provider that is not declared goes.
    RemoveProvider(i64),
    /// A group that is not declared goes.
    RemoveGroup(i64),
}

/// An error, and what in the file it is about.
pub(super) type Blamed = (Place, Error);

impl Step<'_> {
    /// What the acting user needs for it, as for the single command.
    pub(super) fn operation(&self) -> Operation {
        match self.what {
            What::RemoveUser(_)
            | What::User(..)
            | What::Active(..)
            | What::Group(_)
            | What::Join { .. }
            | What::Leave { .. }
            | What::RemoveGroup(_) => Operation::CanManageUsers,
            What::Mailbox(..)
            | What::Provider(..)
            | What::Settings(_)
            | What::RemoveMailbox(_)
            | What::RemoveProvider(_) => Operation::CanManageSysSettings,
            What::Words(..) | What::ResetWords(..) | What::Method(..) => {
                Operation::CanManageLookups
            }
            What::List(..) => Operation::CanChangeAdminOperationGrantee,
        }
    }

    /// The plan, on the state that the steps before it have made.
    pub(super) fn plan(&self, store: &Store, policy: &Policy) -> Result<Box<dyn Plan>, Blamed> {
        let here = |error| (self.place.clone(), error);
        Ok(match &self.what {
            What::RemoveUser(id) => Box::new(RemoveUser { id: *id }),
            What::Group(name) => Box::new(AddGroup {
                name: (*name).to_owned(),
            }),
            What::Mailbox(name, declared) => {
                let found = policy.secret("mailboxes", name);
                Box::new(senders::mailbox(store, name, declared, found).map_err(here)?)
            }
            What::Provider(name, declared) => {
                let found = policy.secret("sms_providers", name);
                Box::new(senders::provider(store, name, declared, found).map_err(here)?)
            }
            What::Words(template, language, declared) => {
                Box::new(words(store, template, language, declared).map_err(here)?)
            }
            What::User(login, declared) => user(store, login, declared).map_err(here)?,
            What::Active(login, active) => {
                let id = user::find(store, login).map_err(here)?.id;
                Box::new(SetActive {
                    id,
                    active: *active,
                })
            }
            What::Join {
                group,
                users,
                groups,
            } => Box::new(SetMembers {
                group: group::find(store, group).map_err(here)?.id,
                users: found(users, |name| user::find(store, name).map(|user| user.id))?,
                groups: found(groups, |name| {
                    group::find(store, name).map(|group| group.id)
                })?,
                member: true,
            }),
            What::Leave {
                group,
                users,
                groups,
            } => Box::new(SetMembers {
                group: *group,
                users: users.clone(),
                groups: groups.clone(),
                member: false,
            }),
            What::List(operation, None) => {
                Box::new(ReplaceGrantees::initial(store, *operation).map_err(here)?)
            }
            What::List(operation, Some(rows)) => Box::new(self.list(store, *operation, rows)?),
            What::Settings(pairs) => Box::new(settings(store, pairs)?),
            What::Method(method, set) => Box::new(SetMethod {
                method: *method,
                set: *set,
            }),
            What::ResetWords(template, language) => Box::new(ResetWords {
                template: template::find(store, template).map_err(here)?,
                language: Some(language.clone()),
            }),
            What::RemoveMailbox(id) => Box::new(RemoveMailbox { id: *id }),
            What::RemoveProvider(id) => Box::new(RemoveProvider { id: *id }),
            What::RemoveGroup(id) => Box::new(RemoveGroup { id: *id }),
        })
    }

    fn list(
        &self,
        store: &Store,
        operation: Operation,
        rows: &[document::Grantee],
    ) -> Result<ReplaceGrantees, Blamed> {
        let mut wanted = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let whom = match (&row.user, &row.group) {
                (Some(user), None) => user::find(store, user).map(|user| Whom::User(user.id)),
                (None, Some(group)) => group::find(store, group).map(|group| Whom::Group(group.id)),
                _ => Err(Error::new(
                    Kind::InvalidValue,
                    "a row names either a `user` or a `group`",
                )),
            };
            let blame = |error| {
                let place = self.place.iter().cloned();
                (place.chain([at.to_string()]).collect(), error)
            };
            wanted.push((whom.map_err(blame)?, row.access, row.until));
        }
        Ok(ReplaceGrantees {
            operation,
            rows: wanted,
        })
    }
}

/// The ids of names.
fn found(names: &[Written<'_>], find: impl Fn(&str) -> Result<i64>) -> Result<Vec<i64>, Blamed> {
    names
        .iter()
        .map(|(at, name)| find(name).map_err(|error| (at.place(), error)))
        .collect()
}

fn words(
    store: &Store,
    template: &str,
    language: &str,
    declared: &document::Words,
) -> Result<SetWords> {
    Ok(SetWords {
        template: template::find(store, template)?,
        language: rules::language(language)?,
        subject: declared.subject.clone(),
        text: declared.text.clone(),
        html: match declared.html.as_deref() {
            None => Html::Keep,
            Some("") => Html::Clear,
            Some(html) => Html::Set(html.to_owned()),
        },
        based_on: None,
    })
}

fn settings(store: &Store, pairs: &[(&str, Option<String>)]) -> Result<SetSettings, Blamed> {
    let mut wanted = Vec::new();
    for (code, text) in pairs {
        let here = |error| (vec!["settings".to_owned(), (*code).to_owned()], error);
        let setting = setting::find(code).map_err(here)?;
        let points = matches!(
            setting.shape,
            Shape::Mailbox | Shape::Template { .. } | Shape::Provider | Shape::Idp
        );
        let text = text
            .clone()
            .filter(|text| !(points && text.trim().is_empty()));
        if let Some(text) = &text {
            setting.parse(store, text).map_err(here)?;
        }
        wanted.push((setting, text));
    }
    Ok(SetSettings(wanted))
}

/// An optional text of a user: an empty one clears it.
fn patch(declared: Option<&String>) -> Patch {
    match declared.map(|text| text.trim()) {
        None => Patch::Keep,
        Some("") => Patch::Clear,
        Some(text) => Patch::Set(text.to_owned()),
    }
}

fn user(store: &Store, login: &str, declared: &document::User) -> Result<Box<dyn Plan>> {
    let fields = Fields {
        name: patch(declared.name.as_ref()),
        email: patch(declared.email.as_ref()),
        phone: patch(declared.phone.as_ref()),
        kind: declared.kind,
        language: declared.language.clone(),
        os_user: patch(declared.os_user.as_ref()),
        ..Fields::default()
    };
    let wanted = rules::login(login)?;
    Ok(match user::lookup(store, &wanted)? {
        Some(have) if fold(&have.login) == fold(&wanted) => Box::new(EditUser {
            id: have.id,
            fields,
        }),
        _ => Box::new(AddUser {
            login: wanted,
            fields: Fields {
                active: declared.active,
                ..fields
            },
            password: None,
            imported: None,
        }),
    })
}

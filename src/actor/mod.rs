//! The acting user: derived from the process, not claimed.
//!
//! Three authorities, one type (DESIGN, section 4): root, delegated, owner; any other account acts as the user it is
//! mapped to. The permissions of the acting user are always enforced.

mod authority;

pub use self::authority::{Authority, Process};

use std::rc::Rc;
use std::time::Duration;

use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::name::visible;
use crate::permission;
use crate::store::{Place, Store, Tx, account_name};
use crate::user::{self, Type, User};
use crate::verb::{Needs, Opens, Operation, Verb};

/// Who runs the command, as the store knows them.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The user.
    pub user: User,
    /// By what right.
    pub authority: Authority,
    /// The account of the machine.
    pub os_user: Option<String>,
}

/// One command at work: the store, who acts, which command it is, what was said beside it.
#[derive(Debug)]
pub struct Session {
    /// The open store.
    pub store: Store,
    /// Who acts.
    pub actor: Actor,
    /// Which command it is.
    pub verb: &'static Verb,
    /// `--reason`.
    pub note: Option<String>,
}

impl Session {
    /// Finds out who acts, and refuses at once what no user it is about could allow. A refusal is kept.
    ///
    /// # Errors
    /// [`Kind::NotPermitted`]; [`Kind::NotFound`] for `as_login`.
    pub fn begin(
        store: Store,
        verb: &'static Verb,
        process: &Process,
        as_login: Option<&str>,
        note: Option<String>,
    ) -> Result<Session> {
        let actor = match identify(&store, process, as_login) {
            Ok(actor) => actor,
            Err(error) if error.kind() == Kind::NotPermitted => {
                let actor = error.detail().get("user").and_then(|login| login.as_str());
                let owner = crate::store::owner_of(&store.place().db);
                let who = Who {
                    actor: actor.map(str::to_owned),
                    os_user: process.caller(owner).and_then(account_name),
                    note,
                };
                return Err(keep_denial(&store, &who, verb, None, error));
            }
            Err(error) => return Err(error),
        };
        let session = Session {
            store,
            actor,
            verb,
            note,
        };
        if !session.verb.needs.depends_on_whom() {
            session.permit(None)?;
        }
        Ok(session)
    }

    /// A session for completion: whoever may not run the verb gets nothing, and no row tells of it.
    ///
    /// # Errors
    /// As [`Session::begin`].
    pub fn look(store: Store, verb: &'static Verb, process: &Process) -> Result<Session> {
        let actor = identify(&store, process, None)?;
        let session = Session {
            store,
            actor,
            verb,
            note: None,
        };
        session.judge(None)??;
        Ok(session)
    }

    /// Who acts, as the audit log keeps it.
    #[must_use]
    pub fn who(&self) -> Who {
        Who {
            actor: Some(self.actor.user.login.clone()),
            os_user: self.actor.os_user.clone(),
            note: self.note.clone(),
        }
    }

    /// Whether the acting user has an operation.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn has(&self, operation: Operation) -> Result<bool> {
        self.allowed_in(&self.store, operation)
    }

    fn allowed_in(&self, store: &Store, operation: Operation) -> Result<bool> {
        let user = user::get(store, self.actor.user.id)?;
        permission::allowed(store, operation, user.id, user.kind)
    }

    /// Whether the acting user has all of these operations, as `store` knows things now. The inner result is the judgement.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub(crate) fn has_all(&self, store: &Store, operations: &[Operation]) -> Result<Result<()>> {
        for operation in operations {
            if !self.allowed_in(store, *operation)? {
                let lacks = format!("lacks the operation `{}`", operation.code());
                return self.denied(&lacks, Some(*operation)).map(Err);
            }
        }
        Ok(Ok(()))
    }

    /// Refuses the command unless the acting user has this operation too. A refusal is kept.
    ///
    /// # Errors
    /// [`Kind::NotPermitted`].
    pub fn needs_too(&self, operation: Operation) -> Result<()> {
        self.has_all(&self.store, &[operation])?
            .map_err(|denied| self.refuse(None, denied))
    }

    /// Refuses the command unless the acting user may run it; `about` is the user it is about. A refusal is kept.
    ///
    /// # Errors
    /// [`Kind::NotPermitted`].
    pub fn permit(&self, about: Option<&User>) -> Result<()> {
        match self.judge(about.map(|user| user.id))? {
            Ok(()) => Ok(()),
            Err(denied) => Err(self.refuse(about.map(|user| user.id), denied)),
        }
    }

    /// The same under the write lock: the row of a refusal belongs to the caller's transaction, which must commit.
    pub(crate) fn permit_in(&self, tx: &Tx<'_>, about: Option<i64>) -> Result<Result<()>> {
        // Somebody may have shut the acting user out while they were asked something.
        let now = user::get(tx, self.actor.user.id)?;
        let first = || Ok(user::first_administrator(tx)?.is_some_and(|first| first.id == now.id));
        if let Err(unfit) = fit(tx, self.actor.authority, &now, first)? {
            return self.refuse_in(tx, about, unfit).map(Err);
        }
        match self.judge_in(tx, about)? {
            Ok(()) => Ok(Ok(())),
            Err(denied) => self.refuse_in(tx, about, denied).map(Err),
        }
    }

    /// Whether the acting user may still run a command that is about nobody, as `store` knows things now: nothing is kept.
    /// The inner result is the judgement.
    pub(crate) fn still_may(&self, store: &Store) -> Result<Result<()>> {
        let now = user::get(store, self.actor.user.id)?;
        let first =
            || Ok(user::first_administrator(store)?.is_some_and(|first| first.id == now.id));
        match fit(store, self.actor.authority, &now, first)? {
            Ok(()) => self.judge_in(store, None),
            unfit => Ok(unfit),
        }
    }

    /// The judgement alone: nothing is kept. The inner result is the judgement.
    fn judge(&self, about: Option<i64>) -> Result<Result<()>> {
        self.judge_in(&self.store, about)
    }

    /// The same as `store` knows things now, and the acting user among them.
    fn judge_in(&self, store: &Store, about: Option<i64>) -> Result<Result<()>> {
        let oneself = about == Some(self.actor.user.id);
        let operation = match self.verb.needs {
            Needs::Nothing | Needs::Mapped => return Ok(Ok(())),
            needs if oneself && needs.depends_on_whom() => return Ok(Ok(())),
            Needs::OneselfConfirmedOrAdministrator(_) if !self.is_administrator(store)? => {
                return Ok(Err(self.denied("is not an administrator", None)?));
            }
            Needs::OneselfOr(operation)
            | Needs::OneselfConfirmedOr(operation)
            | Needs::OneselfConfirmedOrAdministrator(operation)
            | Needs::Operation(operation) => operation,
            Needs::OwnerAsAdministrator => {
                return Ok(if !self.actor.authority.is_own() {
                    Err(Error::new(
                        Kind::NotPermitted,
                        format!(
                            "`twofa {}` is for root or the store's owner",
                            self.verb.path
                        ),
                    ))
                } else if self.is_administrator(store)? {
                    Ok(())
                } else {
                    Err(self.denied("is not an administrator", None)?)
                });
            }
        };
        self.has_all(store, &[operation])
    }

    /// Whether the acting user, whom the command is about, must prove it with their second factor: the operation does
    /// not open it to them.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub(crate) fn must_prove(&self, store: &Store, about: Option<i64>) -> Result<bool> {
        let allowed = |operation| self.allowed_in(store, operation);
        if about != Some(self.actor.user.id) {
            return Ok(false);
        }
        Ok(match self.verb.needs {
            Needs::OneselfConfirmedOr(operation) => !allowed(operation)?,
            Needs::OneselfConfirmedOrAdministrator(operation) => {
                !(self.is_administrator(store)? && allowed(operation)?)
            }
            _ => false,
        })
    }

    /// Keeps the row of a refusal, and hands the refusal back.
    pub(crate) fn refuse(&self, about: Option<i64>, denied: Error) -> Error {
        keep_denial(&self.store, &self.who(), self.verb, about, denied)
    }

    /// The same under the write lock: the row belongs to the caller's transaction, which must commit.
    pub(crate) fn refuse_in(
        &self,
        tx: &Tx<'_>,
        about: Option<i64>,
        denied: Error,
    ) -> Result<Error> {
        append(tx, &self.who(), &denial(self.verb, about, &denied))?;
        Ok(denied)
    }

    /// Whether the acting user is an administrator, as `store` knows them now.
    fn is_administrator(&self, store: &Store) -> Result<bool> {
        let user = user::get(store, self.actor.user.id)?;
        Ok(user.active && permission::in_administrators(store, user.id, user.kind)?)
    }

    /// Whether the acting user may change an administrator, their group, or the mapping of accounts.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn may_change_administrators(&self, store: &Store) -> Result<bool> {
        Ok(self.actor.authority.is_own() || self.is_administrator(store)?)
    }

    /// The refusal of whoever may not.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub(crate) fn not_an_administrator(&self, store: &Store) -> Result<Error> {
        let message = format!(
            "`{}` is not an administrator, and only administrators change administrators and the mapping of accounts",
            visible(&self.actor.user.login)
        );
        Ok(Error::new(Kind::NotPermitted, message).hint(format!(
            "ask an administrator, such as {}",
            some_administrators(store)?
        )))
    }

    /// Refuses to touch an administrator, other than oneself, where one may not. A refusal is kept.
    ///
    /// # Errors
    /// [`Kind::NotPermitted`].
    pub fn permit_on(&self, user: &User) -> Result<()> {
        self.permit(Some(user))?;
        let other =
            user.id != self.actor.user.id && !self.may_change_administrators(&self.store)?;
        if other && permission::in_administrators(&self.store, user.id, user.kind)? {
            let denied = self.not_an_administrator(&self.store)?;
            return Err(self.refuse(Some(user.id), denied));
        }
        Ok(())
    }

    fn denied(&self, lack: &str, operation: Option<Operation>) -> Result<Error> {
        let error = Error::new(
            Kind::NotPermitted,
            format!(
                "`{}` {lack}, which `twofa {}` needs",
                visible(&self.actor.user.login),
                self.verb.path
            ),
        );
        let Some(operation) = operation else {
            let names = some_administrators(&self.store)?;
            return Ok(error.hint(format!("ask an administrator, such as {names}")));
        };
        let grants = Operation::CanChangeAdminOperationGrantee;
        let names = listed(&permission::active_holders(&self.store, grants, 3)?);
        let act = if self.actor.authority.is_own() {
            ", or act as them with --as"
        } else {
            ""
        };
        Ok(error
            .hint(if names.is_empty() {
                format!("nobody active has `{}` to grant it", grants.code())
            } else {
                let code = grants.code();
                format!("ask whoever has `{code}` to grant it, such as {names}{act}")
            })
            .with("operation", operation.code()))
    }

    /// Whom a list is about: everybody, for whoever has the operation, else the acting user alone.
    ///
    /// # Errors
    /// [`Kind::Storage`].
    pub fn only_oneself(&self) -> Result<Option<i64>> {
        let judged = self.judge(None)?;
        Ok(judged.is_err().then_some(self.actor.user.id))
    }

    /// Finds a user a command is about, so that being refused does not tell whether the login exists.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for whoever may run the command on others, [`Kind::NotPermitted`] for everybody else.
    pub fn about(&self, login: &str) -> Result<User> {
        match user::find(&self.store, login) {
            Ok(user) => {
                self.permit(Some(&user))?;
                Ok(user)
            }
            Err(error) => {
                self.permit(None)?;
                Err(error)
            }
        }
    }
}

/// Opens a store that is too damaged to say who acts, for those who need nobody's leave to look at it: root, and the
/// account that the file belongs to when it acts for itself. A verb that writes gets none, and nobody else does: a caller
/// behind sudo and any other account are told by a sound store what they may, or nothing.
///
/// # Errors
/// [`Kind::NotPermitted`]; those of opening the file.
pub fn open_damaged(
    place: &Place,
    verb: &Verb,
    process: &Process,
    wait: Duration,
    source: Rc<dyn Source>,
) -> Result<Store> {
    let authority = process.authority(crate::store::owner_of(&place.db));
    if !authority.is_own() || verb.opens != Opens::Read {
        return Err(Error::new(
            Kind::NotPermitted,
            "only root and the store's owner look at a store that cannot say who acts",
        ));
    }
    Store::open_damaged(place, wait, source)
}

/// A few administrators one could ask.
fn some_administrators(store: &Store) -> Result<String> {
    Ok(listed(&permission::active_administrators(store, 3)?))
}

fn listed(logins: &[String]) -> String {
    let names: Vec<String> = logins
        .iter()
        .map(|login| format!("`{}`", visible(login)))
        .collect();
    names.join(", ")
}

/// Finds out who acts.
fn identify(store: &Store, process: &Process, as_login: Option<&str>) -> Result<Actor> {
    let owner = crate::store::owner_of(&store.place().db);
    let authority = process.authority(owner);
    let os_user = process.caller(owner).and_then(account_name);
    let user = acting_user(store, authority, os_user.as_deref(), as_login)?;
    Ok(Actor {
        user,
        authority,
        os_user,
    })
}

fn acting_user(
    store: &Store,
    authority: Authority,
    account: Option<&str>,
    as_login: Option<&str>,
) -> Result<User> {
    let mapped = match account {
        Some(account) => user::by_os_user(store, account)?,
        None => None,
    };
    if !authority.is_own() && as_login.is_some() {
        return Err(Error::new(
            Kind::NotPermitted,
            "only root and the store's owner choose the acting user with --as",
        ));
    }
    let first = user::first_administrator(store)?;
    let user = match (as_login, mapped) {
        (Some(login), _) => user::find(store, login)?,
        (None, Some(user)) => user,
        (None, None) if authority.is_own() => first
            .clone()
            .ok_or_else(|| Error::new(Kind::Storage, "the store has no first administrator"))?,
        (None, None) => {
            let Some(account) = account else {
                return Err(Error::new(
                    Kind::NotPermitted,
                    "the account that called cannot be told",
                )
                .hint("SUDO_UID, DOAS_USER and PKEXEC_UID must name one account of this machine"));
            };
            return Err(Error::new(
                Kind::NotPermitted,
                format!(
                    "no user of the store is mapped to the account `{}`",
                    visible(account)
                ),
            )
            .hint(format!(
                "an administrator maps one with `twofa user edit LOGIN --os-user {}`",
                visible(account)
            )));
        }
    };
    let is_first = || Ok(first.is_some_and(|first| first.id == user.id));
    fit(store, authority, &user, is_first)??;
    Ok(user)
}

/// Whether a user may act at all: neither technical, nor deactivated, nor locked. The first administrator may, under
/// root and the owner.
fn fit(
    store: &Store,
    authority: Authority,
    user: &User,
    is_first: impl FnOnce() -> Result<bool>,
) -> Result<Result<()>> {
    let why = if user.kind == Type::Technical {
        "is a technical user"
    } else if !user.active {
        "is deactivated"
    } else if user.locked_until.is_some_and(|until| store.now() < until) {
        "is locked"
    } else {
        return Ok(Ok(()));
    };
    if authority.is_own() && is_first()? {
        return Ok(Ok(()));
    }
    let message = format!("the acting user `{}` {why}", visible(&user.login));
    Ok(Err(
        Error::new(Kind::NotPermitted, message).with("user", user.login.as_str())
    ))
}

/// The row of a refused command.
fn denial(verb: &Verb, about: Option<i64>, denied: &Error) -> Entry {
    let entry = Entry::new(Event::PERMISSION_DENIED, Outcome::Denied)
        .subject(verb.path)
        .reason(denied.kind().code())
        .user_id(about);
    match denied.detail().get("operation") {
        Some(operation) => entry.detail(serde_json::json!({ "operation": operation })),
        None => entry,
    }
}

/// Writes the row of a refused command. A reading command opens a writing connection for that one row; if it cannot,
/// the answer is the same, and says so.
fn keep_denial(store: &Store, who: &Who, verb: &Verb, about: Option<i64>, denied: Error) -> Error {
    let entry = denial(verb, about, &denied);
    let write = |store: &Store| store.write(|tx| append(tx, who, &entry));
    let kept = if store.is_writable() {
        write(store)
    } else {
        store.writing_twin().and_then(|twin| write(&twin))
    };
    match kept {
        Ok(_) => denied,
        Err(error) => denied.with("not_recorded", error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;
    use crate::verb::verb;

    /// What a sound store refuses, a damaged one does not give.
    #[test]
    fn a_damaged_store_is_for_root_and_its_owner() {
        let world = fresh();
        let place = world.store.place().clone();
        let owner = crate::store::owner_of(&place.db);
        let other = owner.map(|owner| owner + 1);
        let run = |real: Option<u32>, effective: Option<u32>, named: &[Option<u32>]| Process {
            effective,
            real,
            named: named.to_vec(),
        };
        let opened = |process: &Process, path: &str| {
            let source: Rc<dyn Source> = world.clock.clone();
            open_damaged(&place, verb(path).unwrap(), process, Duration::ZERO, source)
        };
        for process in [run(Some(0), Some(0), &[]), run(owner, owner, &[])] {
            let store = opened(&process, "doctor").unwrap();
            assert_eq!(store.id(), world.store.id());
            assert!(!store.is_writable());
            let denied = opened(&process, "user add").unwrap_err();
            assert_eq!(denied.kind(), Kind::NotPermitted);
        }
        let lesser = [
            run(other, other, &[]),
            run(Some(4_321), Some(4_321), &[Some(0)]),
        ];
        for process in lesser {
            let denied = opened(&process, "doctor").unwrap_err();
            assert_eq!(denied.kind(), Kind::NotPermitted, "{process:?}");
        }
        if owner != Some(0) {
            let delegated = run(owner, owner, &[other]);
            let denied = opened(&delegated, "doctor").unwrap_err();
            assert_eq!(denied.kind(), Kind::NotPermitted);
        }
    }
}

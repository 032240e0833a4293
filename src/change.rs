//! The one write path for declared state.
//!
//! Plan, permission, questions, confirmation; then, under the write lock: permission again, plan again, confirmation
//! checked and consumed, write, guards on before and after, audit rows, commit. What it promises: a change is whole and
//! in the log, or it did not happen; a refusal undoes the change but keeps the try it cost, the code it consumed, and a
//! row that tells of it. Nothing waits on a person or a network once the lock is held.

use std::path::Path;

use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::{Entry, Event, Outcome, append};
use crate::confirmation::{self, Given, Need, Prepared};
use crate::error::{Error, Kind, Result};
use crate::guard::{self, Allowance};
use crate::plan::{Change, Plan, Warning};
use crate::store::{Store, Tx};

/// What the command line says beside the change itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The confirmation.
    pub confirm: Given,
    /// How many users the change may lock out.
    pub allowance: Allowance,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Committed {
    /// What changed; empty when it was so already.
    pub changes: Vec<Change>,
    /// What is worth saying beside the answer.
    pub warnings: Vec<Warning>,
}

impl Committed {
    /// Whether anything changed.
    #[must_use]
    pub fn changed(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// Carries out a plan.
///
/// # Errors
/// What the plan refuses; [`Kind::NotPermitted`], the confirmation kinds, [`Kind::Declined`], [`Kind::Guard`],
/// [`Kind::Lockout`]; storage and key errors.
pub fn commit(
    session: &Session,
    plan: &dyn Plan,
    options: &Options,
    ask: &mut dyn Ask,
) -> Result<Committed> {
    let store = &session.store;
    let about = plan
        .about()
        .map(|id| crate::user::get(store, id))
        .transpose()?;
    session.permit(about.as_ref())?;
    let planned = match plan.changes(store) {
        Err(error) if matches!(error.kind(), Kind::Guard | Kind::InUse) => {
            store.write(|tx| append(tx, &session.who(), &refused(session, plan, &error)))?;
            return Err(error);
        }
        planned => planned?,
    };
    if planned.is_empty() {
        return Ok(Committed::default());
    }
    // Nobody is asked for what would be refused anyway.
    if let Err(error) = session.has_all(store, &plan.operations())? {
        return Err(session.refuse(plan.about(), error));
    }
    if let Err(error) = only_administrators(session, store, plan, &planned)? {
        return Err(session.refuse(plan.about(), error));
    }
    let mut shown = false;
    if let Some(question) = plan
        .question(store, &planned)?
        .filter(|_| session.verb.severe)
    {
        shown = ask.sure(&question)?;
    }
    let prepared = match need(session, store, plan, &planned)? {
        Some(need) => {
            let beside = beside(session, plan, options)?;
            let need = Need { beside, ..need };
            confirmation::prepare(session, &need, &planned, &options.confirm, ask)
                .map_err(|error| unconfirmed(session, plan, error))?
        }
        None => Prepared::NotNeeded,
    };
    // Whoever said yes, or gave a code, meant what was planned then.
    let meant = (shown || matches!(prepared, Prepared::Code { .. })).then_some(planned.as_slice());
    let changes = store.write(|tx| perform(tx, session, plan, options, &prepared, meant))??;
    Ok(Committed {
        changes,
        warnings: prepared.warning().into_iter().collect(),
    })
}

/// Makes the directories that a change needs: last of all, for what is refused leaves none.
fn make_directories(store: &Store, directories: &[String]) -> Result<()> {
    for directory in directories {
        crate::delivery::prepare_directory(store, Path::new(directory)).map_err(|error| {
            let message = format!("cannot make the directory `{directory}`");
            Error::new(Kind::Io, message).because(error)
        })?;
    }
    Ok(())
}

/// Under the write lock. The inner error is a refusal: what was written of it stays.
fn perform(
    tx: &Tx<'_>,
    session: &Session,
    plan: &dyn Plan,
    options: &Options,
    prepared: &Prepared,
    meant: Option<&[Change]>,
) -> Result<Result<Vec<Change>>> {
    let denied = |error: Error| session.refuse_in(tx, plan.about(), error).map(Err);
    if let Err(error) = session.permit_in(tx, plan.about())? {
        return Ok(Err(error));
    }
    let changes = plan.changes(tx)?;
    if changes.is_empty() {
        return Ok(Ok(changes));
    }
    if let Err(error) = session.has_all(tx, &plan.operations())? {
        return denied(error);
    }
    if let Err(error) = only_administrators(session, tx, plan, &changes)? {
        return denied(error);
    }
    let is_meant = |meant: &[Change]| {
        let mut pairs = meant.iter().zip(&changes);
        meant.len() == changes.len() && pairs.all(|(one, now)| one.is_like(now))
    };
    if !meant.is_none_or(is_meant) {
        let message = "the store changed in the meantime, and with it what would be done";
        return Ok(Err(Error::new(Kind::Conflict, message)
            .hint("nothing was changed; repeat the command, and look again")));
    }
    // What the change became in the meantime may need a confirmation that nobody was asked for.
    if let (Some(need), Prepared::NotNeeded) = (need(session, tx, plan, &changes)?, prepared)
        && (need.own || confirmation::applies(tx, session)?)
    {
        let message = "the store changed in the meantime";
        return denied(Error::new(Kind::ConfirmationRequired, message).hint("repeat the command"));
    }
    if let Err(error) = confirmation::consume(tx, session, prepared, &changes)? {
        return denied(error);
    }
    let reach = plan.reach(tx)?;
    let before = guard::Standing::of(tx, &reach)?;
    let done = tx.savepoint(|| {
        plan.write(tx)?;
        guard::check(tx, &reach, &before, options.allowance)?;
        for change in &changes {
            append(tx, &session.who(), &entry(tx, change)?)?;
        }
        if let Some((event, summary)) = plan.summary(&changes) {
            let whole = Entry::new(event, Outcome::Ok);
            append(tx, &session.who(), &whole.detail(summary))?;
        }
        make_directories(tx, &plan.directories())
    })?;
    match done {
        Ok(()) => Ok(Ok(changes)),
        Err(error) if matches!(error.kind(), Kind::Guard | Kind::Lockout) => {
            append(tx, &session.who(), &refused(session, plan, &error))?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

/// What a confirmation is bound to beside the changes.
fn beside(session: &Session, plan: &dyn Plan, options: &Options) -> Result<Vec<u8>> {
    let mut bytes = plan.binds(&session.store)?;
    bytes.extend(format!("{:?}", options.allowance).into_bytes());
    Ok(bytes)
}

/// Keeps a row of a change that was not confirmed. Where a code was sent for it, the row of that is enough.
fn unconfirmed(session: &Session, plan: &dyn Plan, error: Error) -> Error {
    if error.kind().exit() == Kind::NotPermitted.exit() && !error.detail().contains_key("challenge")
    {
        return session.refuse(plan.about(), error);
    }
    error
}

/// What has to be confirmed before these changes, if anything has.
fn need(
    session: &Session,
    store: &Store,
    plan: &dyn Plan,
    changes: &[Change],
) -> Result<Option<Need>> {
    if session.must_prove(store, plan.about())? {
        return Ok(Some(Need {
            what: plan.own().to_owned(),
            own: true,
            beside: Vec::new(),
        }));
    }
    let what = plan.confirms(store, changes)?;
    Ok(what.map(|what| Need {
        what,
        own: false,
        beside: Vec::new(),
    }))
}

/// Administrators, their group and the mapping of accounts are changed by an administrator, root or the owner only.
fn only_administrators(
    session: &Session,
    store: &Store,
    plan: &dyn Plan,
    changes: &[Change],
) -> Result<Result<()>> {
    if session.may_change_administrators(store)? {
        return Ok(Ok(()));
    }
    let mut touches = plan.touches_administrators(store, changes)?;
    for user in changes.iter().filter_map(|change| change.user) {
        touches = touches || crate::permission::is_administrator(store, user)?;
    }
    if touches {
        session.not_an_administrator(store).map(Err)
    } else {
        Ok(Ok(()))
    }
}

fn entry(tx: &Tx<'_>, change: &Change) -> Result<Entry> {
    // A new user has an id only now that they are written.
    let user = match change.user {
        None if change.event == Event::USER_ADDED => {
            crate::user::lookup(tx, &change.key)?.map(|user| user.id)
        }
        user => user,
    };
    let entry = Entry::new(change.event, Outcome::Ok)
        .subject(change.key.as_str())
        .user_id(user);
    Ok(match change.detail() {
        Some(detail) => entry.detail(detail),
        None => entry,
    })
}

/// The row of a change that a guard refused.
fn refused(session: &Session, plan: &dyn Plan, error: &Error) -> Entry {
    Entry::new(Event::CHANGE_REFUSED, Outcome::Refused)
        .subject(session.verb.path)
        .reason(error.kind().code())
        .user_id(plan.about())
}

//! The one write path for declared state.
//!
//! Plan, permission, questions, confirmation; then, under the write lock: permission again, plan again, confirmation
//! checked and consumed, write, guards on before and after, audit rows, commit. What it promises: a change is whole and
//! in the log, or it did not happen; a refusal undoes the change but keeps the try it cost, the code it consumed, and a
//! row that tells of it. Nothing waits on a person or a network once the lock is held.

use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, append};
use crate::confirmation::{self, Ask, Given, Need, Prepared};
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
    /// What the acting user does to their own second factor, where that is not theirs to do unconfirmed.
    pub own: Option<String>,
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
    let planned = plan.changes(store)?;
    if planned.is_empty() {
        return Ok(Committed::default());
    }
    // Nobody is asked for what would be refused anyway.
    if let Err(error) = only_administrators(session, store, plan, &planned)? {
        store.write(|tx| {
            refused(
                tx,
                session,
                Event::PERMISSION_DENIED,
                Outcome::Denied,
                &error,
            )
        })?;
        return Err(error);
    }
    if let Some(question) = plan
        .question(store, &planned)?
        .filter(|_| session.verb.severe)
    {
        ask.sure(&question)?;
    }
    let need = match &options.own {
        Some(what) => Some(Need {
            what: what.clone(),
            own: true,
        }),
        None => plan
            .confirms(store, &planned)?
            .map(|what| Need { what, own: false }),
    };
    let prepared = match need {
        Some(need) => confirmation::prepare(session, &need, &planned, &options.confirm, ask)?,
        None => Prepared::NotNeeded,
    };
    let changes = store.write(|tx| perform(tx, session, plan, options, &prepared))??;
    Ok(Committed {
        changes,
        warnings: prepared.warning().into_iter().collect(),
    })
}

/// Under the write lock. The inner error is a refusal: what was written of it stays.
fn perform(
    tx: &Tx<'_>,
    session: &Session,
    plan: &dyn Plan,
    options: &Options,
    prepared: &Prepared,
) -> Result<Result<Vec<Change>>> {
    let denied = |error: Error| -> Result<Result<Vec<Change>>> {
        refused(
            tx,
            session,
            Event::PERMISSION_DENIED,
            Outcome::Denied,
            &error,
        )?;
        Ok(Err(error))
    };
    if let Err(error) = session.judge_in(tx, plan.about())? {
        return denied(error);
    }
    let changes = plan.changes(tx)?;
    if changes.is_empty() {
        return Ok(Ok(changes));
    }
    if let Err(error) = only_administrators(session, tx, plan, &changes)? {
        return denied(error);
    }
    // What the change became in the meantime may need a confirmation that nobody was asked for.
    let needs = plan.confirms(tx, &changes)?.is_some();
    if needs && matches!(prepared, Prepared::NotNeeded) && confirmation_applies(tx, session)? {
        return denied(
            Error::new(
                Kind::ConfirmationRequired,
                "the store changed in the meantime",
            )
            .hint("repeat the command"),
        );
    }
    if let Err(error) = confirmation::consume(tx, session, prepared, &changes)? {
        return denied(error);
    }
    let reach = plan.reach(tx)?;
    let before = guard::locked_out(tx, &reach)?;
    let done = tx.savepoint(|| {
        plan.write(tx)?;
        guard::check(tx, &reach, &before, options.allowance)?;
        for change in &changes {
            append(tx, &session.who(), &entry(tx, change)?)?;
        }
        Ok(())
    })?;
    match done {
        Ok(()) => Ok(Ok(changes)),
        Err(error) if matches!(error.kind(), Kind::Guard | Kind::Lockout) => {
            refused(tx, session, Event::CHANGE_REFUSED, Outcome::Refused, &error)?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

fn confirmation_applies(store: &Store, session: &Session) -> Result<bool> {
    use crate::login::{decide, facts};
    let person = facts::Person::load(store, crate::user::get(store, session.actor.user.id)?)?;
    Ok(decide::uses(&facts::System::load(store)?, &person))
}

/// Administrators, their group and the mapping of accounts are changed by an administrator, root or the owner only.
fn only_administrators(
    session: &Session,
    store: &Store,
    plan: &dyn Plan,
    changes: &[Change],
) -> Result<Result<()>> {
    if session.may_change_administrators() || !plan.touches_administrators(store, changes)? {
        return Ok(Ok(()));
    }
    session.not_an_administrator(store).map(Err)
}

fn entry(tx: &Tx<'_>, change: &Change) -> Result<Entry> {
    // A new user has an id only now that it is written.
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

fn refused(
    tx: &Tx<'_>,
    session: &Session,
    event: Event,
    outcome: Outcome,
    error: &Error,
) -> Result<()> {
    let entry = Entry::new(event, outcome)
        .subject(session.verb.path)
        .reason(error.kind().code());
    append(tx, &session.who(), &entry)?;
    Ok(())
}

//! Connecting an authenticator app by command: `connect` and `confirm`, each its own transaction.

use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::Event;
use crate::authenticator::{self, Confirmed, Enrolment};
use crate::confirmation::{self, Given, Need, Prepared};
use crate::error::{Error, Kind, Result};
use crate::login::decide;
use crate::login::facts::{Person, System};
use crate::name::{argument, counted, visible};
use crate::permission::is_administrator;
use crate::plan::{Change, Op, Warning};
use crate::secret::Secret;
use crate::store::Store;
use crate::user::User;

/// Makes a pending secret and a setup token; an earlier pending one is void.
///
/// # Errors
/// [`Kind::NotPermitted`]; [`Kind::InvalidValue`] for a login the URI cannot carry; storage and key errors.
pub fn connect(session: &Session, user: &User) -> Result<Enrolment> {
    session.permit_on(user)?;
    let life = authenticator::setup_life(&session.store)?;
    session.store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, Some(user.id))? {
            return Ok(Err(denied));
        }
        let (_, enrolment) = authenticator::begin(tx, &session.who(), user, life)?;
        Ok(Ok(enrolment))
    })?
}

/// What has to be confirmed before an app is connected: whoever has a second factor adds or replaces one with it, and
/// an administrator's is an administrator action. The first one needs nothing.
fn need(session: &Session, store: &Store, user: &User) -> Result<Option<Need>> {
    let (system, person) = (System::load(store)?, Person::load(store, user.clone())?);
    if user.id == session.actor.user.id {
        let has = decide::uses(&system, &person) && !decide::usable(&system, &person).is_empty();
        return Ok((person.authenticator || has).then(|| Need {
            what: "connecting another authenticator app".to_owned(),
            own: true,
            beside: Vec::new(),
        }));
    }
    Ok(is_administrator(store, user.id)?.then(|| Need {
        what: format!(
            "connecting an app of the administrator `{}`",
            visible(&user.login)
        ),
        own: false,
        beside: Vec::new(),
    }))
}

/// Confirms a pending app with one of its codes, and with its setup token: only root and the store's owner, who act
/// directly, need none. Whoever has a second factor already confirms with it.
///
/// # Errors
/// [`Kind::MissingAnswer`] without a token; [`Kind::NotFound`] when nothing is pending; [`Kind::SecondFactorWrong`],
/// [`Kind::SecondFactorExpired`]; the confirmation kinds.
pub fn confirm(
    session: &Session,
    user: &User,
    code: &Secret,
    token: Option<&Secret>,
    given: &Given,
    ask: &mut dyn Ask,
) -> Result<Vec<Warning>> {
    session.permit_on(user)?;
    if token.is_none() && !session.actor.authority.is_own() {
        return Err(Error::new(Kind::MissingAnswer, "the setup token is needed")
            .hint("give it with --setup-token; `twofa authenticator connect` printed it"));
    }
    let change = Change::new(
        "authenticator",
        &user.login,
        Op::Add,
        Event::AUTHENTICATOR_CONNECTED,
    )
    .about(user.id);
    let changes = [change];
    let prepared = match need(session, &session.store, user)? {
        Some(need) => confirmation::prepare(session, &need, &changes, given, ask)?,
        None => Prepared::NotNeeded,
    };
    let drift = System::load(&session.store)?.drift;
    let came = session.store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, Some(user.id))? {
            return Ok(Err(denied));
        }
        let late = matches!(prepared, Prepared::NotNeeded)
            && need(session, tx, user)?.is_some_and(|need| need.own);
        if late {
            let error = Error::new(
                Kind::ConfirmationRequired,
                "the store changed in the meantime",
            );
            return session.refuse_in(tx, Some(user.id), error).map(Err);
        }
        if let Err(refused) = confirmation::consume(tx, session, &prepared, &changes)? {
            return Ok(Err(refused));
        }
        authenticator::confirm(tx, &session.who(), user, code, token, drift).map(Ok)
    })??;
    let again = format!(
        "`twofa authenticator connect {}` begins anew",
        argument(&user.login)
    );
    match came {
        Confirmed::Connected => Ok(prepared.warning().into_iter().collect()),
        Confirmed::Wrong { left } => Err(Error::new(
            Kind::SecondFactorWrong,
            "the code or the setup token is wrong",
        )
        .hint(format!(
            "{} left; is the clock of the device right?",
            counted(left.unsigned_abs(), "try is", "tries are")
        ))
        .with("tries_left", left)),
        Confirmed::Void => Err(Error::new(
            Kind::SecondFactorWrong,
            "the code or the setup token is wrong, and the set-up is void",
        )
        .hint(again)),
        Confirmed::Expired => Err(Error::new(
            Kind::SecondFactorExpired,
            "the time to confirm has run out",
        )
        .hint(again)),
    }
}

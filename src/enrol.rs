//! Connecting an authenticator app by command: `connect` and `confirm`, each its own transaction.

use crate::actor::Session;
use crate::authenticator::{self, Confirmed, Enrolment};
use crate::error::{Error, Kind, Result};
use crate::login::facts::System;
use crate::name::{counted, visible};
use crate::secret::Secret;
use crate::user::User;

/// Makes a pending secret and a setup token; an earlier pending one is void.
///
/// # Errors
/// [`Kind::NotPermitted`]; [`Kind::InvalidValue`] for a login the URI cannot carry; storage and key errors.
pub fn connect(session: &Session, user: &User) -> Result<Enrolment> {
    session.permit_on(user)?;
    let life = authenticator::setup_life(&session.store)?;
    session.store.write(|tx| {
        authenticator::begin(tx, &session.who(), user, life).map(|(_, enrolment)| enrolment)
    })
}

/// Confirms a pending app with one of its codes, and with its setup token where one is given.
///
/// # Errors
/// [`Kind::NotFound`] when nothing is pending; [`Kind::SecondFactorWrong`], [`Kind::SecondFactorExpired`].
pub fn confirm(
    session: &Session,
    user: &User,
    code: &Secret,
    token: Option<&Secret>,
) -> Result<()> {
    session.permit_on(user)?;
    let drift = System::load(&session.store)?.drift;
    let came = session
        .store
        .write(|tx| authenticator::confirm(tx, &session.who(), user, code, token, drift))?;
    let login = visible(&user.login).into_owned();
    let again = format!("`twofa authenticator connect {login}` begins anew");
    match came {
        Confirmed::Connected => Ok(()),
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

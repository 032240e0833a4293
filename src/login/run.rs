//! Running a login: start, resend, verify, cancel.
//!
//! A verdict, refusals included, is an answer and not an error; errors are what kept us from judging. Every verdict is
//! an event, written in the transaction that decided it.

use super::decide::{self, Channel, Next};
use super::facts::{Person, System};
use super::first::{self, Compared, Told};
use super::second::{self, Answer, Asked, Compare, Question};
use super::tries;
use super::verdict::{Outcome as Came, Verdict};
use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::authenticator::{self, Confirmed};
use crate::challenge::{self, About, Challenge, ChallengeRow, Closed, Purpose};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::name::{argument, fold};
use crate::plan::Warning;
use crate::recovery;
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::state::logged_in;
use crate::user::{self, User};
use crate::vault::Label;

const UNKNOWN: Label = Label("audit.unknown_login");

/// What `login start` is told.
#[derive(Debug)]
pub struct Start<'a> {
    /// Login or email, as typed.
    pub login: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The method to ask for.
    pub method: Option<Method>,
    /// How the login comes in.
    pub channel: Channel,
}

/// Whether the acting user may begin a login, judged before anything is asked of them.
///
/// # Errors
/// [`Kind::BlankLogin`], [`Kind::NotPermitted`].
pub fn may_start(session: &Session, login: &str) -> Result<()> {
    if login.trim().is_empty() {
        return Err(Error::new(Kind::BlankLogin, "the login is blank"));
    }
    session.permit(user::lookup(&session.store, login)?.as_ref())
}

/// Judges the first factor and asks for the second. Every answer, whether the login exists or not, costs one Argon2id
/// and two commits.
///
/// # Errors
/// [`Kind::BlankLogin`]; [`Kind::NotPermitted`]; [`Kind::Delivery`], [`Kind::SendLimit`]; storage and key errors.
pub fn start(session: &Session, start: &Start<'_>) -> Result<Verdict> {
    let (store, who) = (&session.store, session.who());
    may_start(session, start.login)?;
    let compared = first::compare(store, &who, start.login, start.password)?;
    let Some(user) = compared.user.clone() else {
        return unknown(session, start.login).map_err(|error| begun(error, None))?;
    };
    let decided = store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, Some(user.id))? {
            return Ok(Err(denied));
        }
        let system = System::load(tx)?;
        let Some((first, person)) = compared.settle(tx, &who, &system, &user)? else {
            return Ok(Ok(None));
        };
        let next = decide::after_first(
            &system,
            &person,
            first,
            start.channel,
            start.method,
            tx.now(),
            &mut (),
        );
        record(tx, &who, &user, &next)?;
        Ok(Ok(Some((system, person, next))))
    });
    let Some((system, person, next)) = decided.map_err(|error| begun(error, None))?? else {
        return self::start(session, start);
    };
    let methods = decide::usable(&system, &person);
    match next {
        Next::Granted => {
            let mut verdict = Verdict::new(Came::Granted, &user.login);
            verdict
                .warnings
                .extend(first::reminder(&system, &person.user, store.now()));
            Ok(verdict)
        }
        Next::Denied(kind, why) => Ok(not_started(start, &system, &person, kind, why, store.now())),
        Next::NotUsable(method) => Ok(not_usable(&person, method, methods)),
        Next::Ask(method) => {
            let question = Question::New {
                purpose: Purpose::Login,
                about: About::default(),
                entry: Entry::new(Event::LOGIN_STARTED, Outcome::Ok),
            };
            let asked = second::ask(store, &who, &system, &person, method, question)?;
            Ok(required(&user.login, asked, methods))
        }
        Next::Enrol => enrol(store, &who, &user).map_err(|error| begun(error, None)),
    }
}

/// The verdict of a login that is denied. After a wrong first factor it says what was typed, and not who that is.
fn not_started(
    start: &Start<'_>,
    system: &System,
    person: &Person,
    kind: Kind,
    why: &str,
    now: Time,
) -> Verdict {
    let public = kind == Kind::FirstFactorWrong;
    let login = if public {
        start.login.trim()
    } else {
        &person.user.login
    };
    let mut verdict = Verdict::new(Came::Denied(kind), login);
    verdict.expires_at = person.user.locked_until.filter(|_| kind == Kind::Locked);
    if public || kind == Kind::Locked {
        verdict.told = Some(Told::of(system, Some(person), kind, now));
    }
    if why == "wrong_password" {
        verdict
            .warnings
            .extend(first::tries_left(system, &person.user));
    }
    verdict
}

/// Writes down what the first factor alone decides.
fn record(tx: &Tx<'_>, who: &Who, user: &User, next: &Next) -> Result<()> {
    match next {
        Next::Granted => granted(tx, who, user, None),
        Next::Denied(_, why) => deny(tx, who, user, why),
        Next::NotUsable(_) => deny(tx, who, user, Kind::MethodNotUsable.code()),
        Next::Ask(_) | Next::Enrol => Ok(()),
    }
}

/// The method asked for is none of those this user could use.
fn not_usable(person: &Person, method: Method, methods: Vec<Method>) -> Verdict {
    let mut verdict = Verdict::new(Came::Denied(Kind::MethodNotUsable), &person.user.login);
    verdict.method = Some(method);
    verdict.methods = methods;
    verdict
}

/// A store that stays busy once a login has begun is a failure: something was changed, though nothing that lets anybody
/// in.
pub(super) fn begun(error: Error, challenge: Option<&str>) -> Error {
    if error.kind() != Kind::Busy {
        return error;
    }
    let failed = Error::new(
        Kind::Storage,
        "the store stayed busy, and the login was left half-way",
    )
    .hint("begin it anew");
    match challenge {
        Some(challenge) => failed.with("challenge", challenge),
        None => failed,
    }
}

fn required(login: &str, asked: Asked, methods: Vec<Method>) -> Verdict {
    let mut verdict = Verdict::new(Came::SecondFactorRequired, login);
    verdict.challenge = Some(asked.challenge);
    verdict.method = Some(asked.method);
    verdict.methods = methods;
    verdict.destination = asked.destination;
    verdict.expires_at = Some(asked.expires_at);
    verdict
}

/// What the log keeps of a login nobody has: people type passwords there, so it is the keyed hash and the length only.
pub(super) fn unknown_login(store: &Store, login: &str) -> Result<serde_json::Value> {
    let hash = store.vault()?.hash(UNKNOWN, &[fold(login).as_bytes()])?;
    Ok(serde_json::json!({
        "login_hash": data_encoding::HEXLOWER.encode(&hash), "length": login.trim().chars().count(),
    }))
}

/// The same two commits and the same answer as a wrong password, and the same time. The outer error is what kept us from
/// judging.
fn unknown(session: &Session, login: &str) -> Result<Result<Verdict>> {
    let (store, who) = (&session.store, session.who());
    let refused = store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, None)? {
            return Ok(Err(denied));
        }
        let system = System::load(tx)?;
        Compared::settle_nobody(tx, session.actor.user.id)?;
        let detail = unknown_login(tx, login)?;
        let entry = Entry::new(Event::LOGIN_DENIED, Outcome::Denied)
            .reason("unknown_user")
            .detail(detail);
        append(tx, &who, &entry)?;
        Ok(Ok(system))
    })?;
    Ok(refused.map(|system| {
        let kind = Kind::FirstFactorWrong;
        let mut verdict = Verdict::new(Came::Denied(kind), login.trim());
        verdict.told = Some(Told::of(&system, None, kind, store.now()));
        verdict
    }))
}

fn granted(tx: &Tx<'_>, who: &Who, user: &User, method: Option<Method>) -> Result<()> {
    logged_in(tx, user.id)?;
    let entry = Entry::new(Event::LOGIN_GRANTED, Outcome::Ok)
        .user(user.id, user.login.as_str())
        .detail(serde_json::json!({ "method": method }));
    append(tx, who, &entry)?;
    Ok(())
}

/// No method is usable, but an app can be connected: the challenge is answered with its first code.
fn enrol(store: &Store, who: &Who, user: &User) -> Result<Verdict> {
    let life = authenticator::setup_life(store)?;
    let (challenge, enrolment) = store.write(|tx| {
        let (setup, enrolment) = authenticator::begin(tx, who, user, life)?;
        let about = About {
            setup: Some(setup),
            ..About::default()
        };
        let challenge = challenge::open(tx, user.id, Purpose::Enrolment, Method::Totp, about)?;
        let entry = Entry::new(Event::LOGIN_STARTED, Outcome::Ok)
            .user(user.id, user.login.as_str())
            .detail(serde_json::json!({ "method": Method::Totp, "enrolment": true }));
        append(tx, who, &entry)?;
        Ok((challenge, enrolment))
    })?;
    let mut verdict = Verdict::new(Came::EnrolmentRequired, &user.login);
    verdict.challenge = Some(challenge.token);
    verdict.method = Some(Method::Totp);
    verdict.expires_at = Some(enrolment.expires_at.min(challenge.expires_at));
    verdict.enrolment = Some(enrolment);
    Ok(verdict)
}

/// The challenge and its user, if the acting user may touch it.
fn reached(session: &Session, token: &str) -> Result<(Challenge, User)> {
    match challenge::find(&session.store, token) {
        Ok(challenge) => {
            let user = user::get(&session.store, challenge.user)?;
            session.permit(Some(&user))?;
            Ok((challenge, user))
        }
        Err(error) => {
            session.permit(None)?;
            Err(error)
        }
    }
}

/// To a login, the challenges of confirmations are not there.
fn only_login(challenge: &Challenge) -> Result<()> {
    if matches!(challenge.purpose, Purpose::Login | Purpose::Enrolment) {
        return Ok(());
    }
    let repeat = match challenge.purpose {
        Purpose::Password => {
            "it is of a new password: repeat its command with --challenge and --code"
        }
        Purpose::Recovery => {
            "it is of a recovery: `twofa password recover` takes the token that was mailed"
        }
        _ => "it is a confirmation: repeat its command with --confirm-challenge and --confirm-code",
    };
    let message = format!("no login waits for the challenge `{}`", challenge.token);
    Err(Error::new(Kind::NotFound, message).hint(repeat))
}

/// Sends a new code, or switches the method.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::TooSoon`], [`Kind::SendLimit`], [`Kind::Delivery`]; [`Kind::InvalidValue`] for a login that
/// waits for an app.
pub fn resend(session: &Session, token: &str, method: Option<Method>) -> Result<Verdict> {
    let (store, who) = (&session.store, session.who());
    let (challenge, user) = reached(session, token)?;
    only_login(&challenge)?;
    let system = System::load(store)?;
    let user = store.write(|tx| tries::settle(tx, &who, user))?;
    let person = Person::load(store, user)?;
    if let Some(kind) =
        decide::before_compare(challenge.standing(store.now()), &person.user, store.now())
    {
        store.write(|tx| deny(tx, &who, &person.user, kind.code()))?;
        return Ok(denied(
            &challenge,
            &person.user,
            kind,
            None,
            person.user.locked_until.filter(|_| kind == Kind::Locked),
        ));
    }
    if challenge.purpose == Purpose::Enrolment {
        return Err(Error::new(
            Kind::InvalidValue,
            "this login waits for an authenticator app to be connected, and nothing is sent for it",
        )
        .hint(format!(
            "answer with a code of the app, or begin anew with `twofa login start {}`",
            argument(&person.user.login)
        )));
    }
    let methods = decide::usable(&system, &person);
    let method = method.unwrap_or(challenge.method);
    if !methods.contains(&method) {
        store.write(|tx| deny(tx, &who, &person.user, Kind::MethodNotUsable.code()))?;
        let mut verdict = not_usable(&person, method, methods);
        verdict.challenge = Some(challenge.token);
        return Ok(verdict);
    }
    let asked = second::ask(
        store,
        &who,
        &system,
        &person,
        method,
        Question::Again(&challenge),
    )?;
    Ok(required(&person.user.login, asked, methods))
}

/// Whether the acting user may answer a challenge, judged before anything is asked of them.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::NotPermitted`].
pub fn may_answer(session: &Session, token: &str) -> Result<()> {
    reached(session, token).map(|_| ())
}

/// Judges an answer: the permission of the acting user and the code, in one transaction.
///
/// # Errors
/// [`Kind::NotFound`] for an unknown challenge; storage and key errors, which are never a wrong code.
pub fn verify(
    session: &Session,
    token: &str,
    code: &Secret,
    method: Option<Method>,
) -> Result<Verdict> {
    let store = &session.store;
    store.vault()?;
    store.write_for_one(|tx| {
        let challenge = match challenge::find(tx, token) {
            // Whoever may not answer for others does not learn which challenges there are.
            Err(error) if error.kind() == Kind::NotFound => {
                return Ok(session.permit_in(tx, None)?.and(Err(error)));
            }
            found => found?,
        };
        if let Err(denied) = session.permit_in(tx, Some(challenge.user))? {
            return Ok(Err(denied));
        }
        judged(tx, &session.who(), &challenge, code, method).map(Ok)
    })?
}

/// The same without asking who acts: for a process that is the login itself.
///
/// # Errors
/// As [`verify`].
pub fn answer(
    store: &Store,
    who: &Who,
    token: &str,
    code: &Secret,
    method: Option<Method>,
) -> Result<Verdict> {
    store.vault()?;
    store.write_for_one(|tx| judged(tx, who, &challenge::find(tx, token)?, code, method))
}

fn judged(
    tx: &Tx<'_>,
    who: &Who,
    challenge: &Challenge,
    code: &Secret,
    method: Option<Method>,
) -> Result<Verdict> {
    only_login(challenge)?;
    let system = tx.kept((), || System::load(tx))?;
    let user = tries::settle(tx, who, user::get(tx, challenge.user)?)?;
    if challenge.purpose == Purpose::Enrolment {
        return enrolled(tx, who, &system, challenge, &user, code);
    }
    let method = method.unwrap_or(challenge.method);
    let open = decide::before_compare(challenge.standing(tx.now()), &user, tx.now()).is_none();
    if open && !system.is_enabled(method) {
        deny(tx, who, &user, Kind::NoSecondFactor.code())?;
        return Ok(denied(challenge, &user, Kind::NoSecondFactor, None, None));
    }
    let compare = Compare {
        challenge: Some(challenge),
        method,
        code,
        count_replay: true,
    };
    match second::judge(tx, who, &system, &user, compare)? {
        Answer::Right { recovery_codes } => {
            granted(tx, who, &user, Some(method))?;
            let mut verdict = Verdict::new(Came::Granted, &user.login);
            verdict.challenge = Some(challenge.token.clone());
            verdict.method = Some(method);
            verdict.warnings.extend(
                recovery_codes
                    .filter(|left| *left <= recovery::FEW)
                    .map(|left| few_left(left, &user.login)),
            );
            let person = Person::load(tx, user)?;
            verdict
                .warnings
                .extend(first::reminder(&system, &person.user, tx.now()));
            if decide::offers_connection(&system, &person) {
                let (_, enrolment) =
                    authenticator::begin(tx, who, &person.user, authenticator::setup_life(tx)?)?;
                verdict.enrolment = Some(enrolment);
            }
            verdict.methods = decide::usable(&system, &person);
            Ok(verdict)
        }
        Answer::Refused {
            kind,
            why,
            left,
            until,
        } => {
            deny(tx, who, &user, why)?;
            let mut verdict = denied(challenge, &user, kind, left, until);
            verdict.method = Some(method);
            Ok(verdict)
        }
    }
}

fn few_left(left: i64, login: &str) -> Warning {
    Warning {
        kind: "few_recovery_codes",
        message: format!(
            "{} left.",
            crate::name::counted(
                left.unsigned_abs(),
                "recovery code is",
                "recovery codes are"
            )
        ),
        hint: Some(format!("twofa recovery-codes generate {}", argument(login))),
    }
}

fn deny(tx: &Tx<'_>, who: &Who, user: &User, why: &str) -> Result<()> {
    let entry = Entry::new(Event::LOGIN_DENIED, Outcome::Denied)
        .user(user.id, user.login.as_str())
        .reason(why);
    append(tx, who, &entry)?;
    Ok(())
}

fn denied(
    challenge: &Challenge,
    user: &User,
    kind: Kind,
    left: Option<i64>,
    until: Option<Time>,
) -> Verdict {
    let mut verdict = Verdict::new(Came::Denied(kind), &user.login);
    verdict.challenge = Some(challenge.token.clone());
    verdict.method = Some(challenge.method);
    verdict.expires_at = until;
    verdict
        .warnings
        .extend(left.filter(|left| *left > 0).map(|left| Warning {
            kind: "tries_left",
            message: format!(
                "{} left.",
                crate::name::counted(left.unsigned_abs(), "try is", "tries are")
            ),
            hint: None,
        }));
    verdict
}

/// The answer to an enrolment: connects the app and grants in one step, with one code.
fn enrolled(
    tx: &Tx<'_>,
    who: &Who,
    system: &System,
    challenge: &Challenge,
    user: &User,
    code: &Secret,
) -> Result<Verdict> {
    if let Some(kind) = decide::before_compare(challenge.standing(tx.now()), user, tx.now()) {
        deny(tx, who, user, kind.code())?;
        return Ok(denied(
            challenge,
            user,
            kind,
            None,
            user.locked_until.filter(|_| kind == Kind::Locked),
        ));
    }
    if !system.is_enabled(Method::Totp) {
        deny(tx, who, user, Kind::NoSecondFactor.code())?;
        return Ok(denied(challenge, user, Kind::NoSecondFactor, None, None));
    }
    // A later `connect` replaced the set-up this challenge was about.
    if challenge.setup.is_none() {
        challenge::close(tx, challenge.id, Closed::Void)?;
        deny(tx, who, user, "setup_replaced")?;
        return Ok(denied(challenge, user, Kind::SecondFactorUsed, None, None));
    }
    let refuse = |kind: Kind, left: Option<i64>, why: &str| -> Result<Verdict> {
        deny(tx, who, user, why)?;
        Ok(denied(challenge, user, kind, left, None))
    };
    match authenticator::confirm(tx, who, user, code, None, system.drift)? {
        Confirmed::Connected => {
            challenge::close(tx, challenge.id, Closed::Answered)?;
            tries::succeed(tx, user.id)?;
            granted(tx, who, user, Some(Method::Totp))?;
            let mut verdict = Verdict::new(Came::Granted, &user.login);
            verdict.challenge = Some(challenge.token.clone());
            verdict.method = Some(Method::Totp);
            verdict.methods = decide::usable(system, &Person::load(tx, user.clone())?);
            verdict
                .warnings
                .extend(first::reminder(system, user, tx.now()));
            Ok(verdict)
        }
        Confirmed::Wrong { left } => refuse(
            Kind::SecondFactorWrong,
            Some(left),
            Kind::SecondFactorWrong.code(),
        ),
        Confirmed::Void => {
            challenge::close(tx, challenge.id, Closed::Void)?;
            let mut verdict = refuse(Kind::SecondFactorWrong, None, "setup_void")?;
            verdict.warnings.push(Warning {
                kind: "setup_void",
                message: "It was the last try: the set-up is void.".to_owned(),
                hint: Some(format!("twofa login start {}", argument(&user.login))),
            });
            Ok(verdict)
        }
        Confirmed::Expired => refuse(
            Kind::SecondFactorExpired,
            None,
            Kind::SecondFactorExpired.code(),
        ),
    }
}

/// Cancels a pending login. `false`: it was closed already.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn cancel(session: &Session, token: &str) -> Result<(ChallengeRow, bool)> {
    let (challenge, user) = reached(session, token)?;
    only_login(&challenge)?;
    let who = session.who();
    let changed = session.store.write(|tx| {
        let challenge = challenge::get(tx, challenge.id)?;
        if challenge.standing(tx.now()) == challenge::Standing::Closed {
            return Ok(false);
        }
        challenge::close(tx, challenge.id, Closed::Cancelled)?;
        append(
            tx,
            &who,
            &Entry::new(Event::LOGIN_CANCELLED, Outcome::Ok).user(user.id, user.login.as_str()),
        )?;
        Ok(true)
    })?;
    let row = ChallengeRow {
        challenge: challenge.token.clone(),
        user: Some(user.login),
        purpose: challenge.purpose.code(),
        method: Some(challenge.method),
        created_at: challenge.expires_at.plus(-challenge::LIFE),
        expires_at: challenge.expires_at,
    };
    Ok((row, changed))
}

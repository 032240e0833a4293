//! A new password that its user proves with what they have: the old one, and the second factor when 2FA applies.
//!
//! Whoever changes a password proves the first factor exactly as at a login: the same tries, the same locks, the same
//! cost whether or not the login exists. What stands in for it at a recovery is in [`super::recover`].

use super::decide::{self, First};
use super::facts::{Person, System};
use super::first::{self, Compared, Told};
use super::run::{self, may_start};
use super::second::{self, Answer, Compare, Question};
use super::tries;
use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::{Entry, Event, Outcome, append};
use crate::challenge::{self, About, Challenge, Purpose, Standing};
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::name::{argument, counted};
use crate::password;
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user::{self, Type, User};
use crate::vault::NewPassword;

/// The second factor, as far as the command line gives it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The code.
    pub code: Option<&'a Secret>,
    /// The method it is of, or by which to ask.
    pub method: Option<Method>,
    /// The challenge a code was sent for.
    pub challenge: Option<&'a str>,
}

/// `password change`.
#[derive(Debug)]
pub struct Change<'a> {
    /// Login or email, as typed.
    pub login: &'a str,
    /// The password that holds.
    pub old: &'a Secret,
    /// The one that shall.
    pub new: &'a Secret,
    /// The second factor.
    pub second: Given<'a>,
}

/// Changes a password. Returns the user.
///
/// # Errors
/// [`Kind::FirstFactorWrong`], [`Kind::Locked`]; [`Kind::PasswordPolicy`]; [`Kind::SecondFactorRequired`] with the
/// challenge and what to do next; the kinds of a wrong second factor; storage and key errors.
pub fn change(session: &Session, change: &Change<'_>, ask: &mut dyn Ask) -> Result<User> {
    may_start(session, change.login)?;
    let (store, who) = (&session.store, session.who());
    let compared = first::compare(store, &who, change.login, change.old)?;
    let Some(user) = compared.user.clone() else {
        return Err(unknown(session, change.login, |tx| {
            Compared::settle_nobody(tx, session.actor.user.id)
        })?);
    };
    let settled = store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, Some(user.id))? {
            return Ok(Err(denied));
        }
        let system = System::load(tx)?;
        let Some((first, person)) = compared.settle(tx, &who, &system, &user)? else {
            return Ok(Ok(None));
        };
        let Some((kind, why)) = refused(&person, first, tx.now()) else {
            return Ok(Ok(Some(person)));
        };
        deny(tx, session, &user, why)?;
        let told = Told::of(&system, Some(&person), kind, tx.now());
        let shown = match kind {
            Kind::FirstFactorWrong => change.login.trim(),
            _ => user.login.as_str(),
        };
        let refusal = told.refusal(kind, shown);
        let left = first::tries_left(&system, &person.user).filter(|_| why == "wrong_password");
        Ok(Err(match left {
            Some(warning) => refusal.hint(warning.message),
            None => refusal,
        }))
    })??;
    let Some(person) = settled else {
        return self::change(session, change, ask);
    };
    password::check_words(store, &person.user.login, change.new)?;
    if change.new.expose() == change.old.expose() && must_differ(store, &person.user)? {
        let message = "the password is the one they have, and must be changed";
        return Err(Error::new(Kind::PasswordPolicy, message));
    }
    let proof = prove(session, &person, By::Anything, &change.second, ask)?;
    let holds = |tx: &Tx<'_>| -> Result<Result<()>> {
        if let Err(denied) = session.permit_in(tx, Some(user.id))? {
            return Ok(Err(denied));
        }
        // What was proved was proved of the password that stood there then.
        if compared.still_holds(tx)? {
            return Ok(Ok(()));
        }
        deny(tx, session, &user, "password_replaced")?;
        let message = "the password was changed meanwhile";
        Ok(Err(Error::new(Kind::FirstFactorWrong, message)))
    };
    store.write(|tx| match holds(tx)? {
        Ok(()) => consume(tx, session, user.id, By::Anything, &proof),
        refused => Ok(refused),
    })??;
    // Only now: what the passwords before it were is nothing that this one alone may find out.
    let new = accept(session, &person.user, change.new)?;
    store.write(|tx| {
        if let Err(refused) = holds(tx)? {
            return Ok(Err(refused));
        }
        let reason = matches!(proof, Proof::NotYet).then_some("not_connected_yet");
        write(tx, session, user.id, &new, Event::PASSWORD_CHANGED, reason)?;
        user::get(tx, user.id).map(Ok)
    })?
}

/// Whether a login asks this user for another password.
fn must_differ(store: &Store, user: &User) -> Result<bool> {
    let system = System::load(store)?;
    Ok(user.must_change || decide::is_expired(&system, user, store.now()))
}

/// Why a first factor does not let anybody change their password: one answer for everything that whoever lacks the
/// password may not learn. A password that has expired or must be changed is no reason, but what this is for.
fn refused(person: &Person, first: First, now: crate::clock::Time) -> Option<(Kind, &'static str)> {
    let wrong = |why| Some((Kind::FirstFactorWrong, why));
    if person.user.kind == Type::Technical {
        return wrong("technical_user");
    }
    if !person.user.active {
        return wrong("inactive");
    }
    match first {
        First::Wrong if person.user.has_password => wrong("wrong_password"),
        First::Wrong => wrong("no_password"),
        _ if person.is_locked(now) => Some((Kind::Locked, Kind::Locked.code())),
        First::TooMany => wrong("too_many_at_once"),
        First::Right => None,
    }
}

/// The refusal of a login nobody has, with its row. `settle`: what the refusal of somebody else costs before that.
pub(super) fn unknown(
    session: &Session,
    login: &str,
    settle: impl FnOnce(&Tx<'_>) -> Result<()>,
) -> Result<Error> {
    let store = &session.store;
    let system = store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, None)? {
            return Ok(Err(denied));
        }
        let system = System::load(tx)?;
        settle(tx)?;
        let detail = run::unknown_login(tx, login)?;
        let entry = Entry::new(Event::PASSWORD_DENIED, Outcome::Denied)
            .reason("unknown_user")
            .detail(detail);
        append(tx, &session.who(), &entry)?;
        Ok(Ok(system))
    })??;
    let kind = Kind::FirstFactorWrong;
    let told = Told::of(&system, None, kind, store.now());
    Ok(told.refusal(kind, login.trim()))
}

/// Hashes a new password of a user that keeps the rules. A refusal is kept: whoever may set a password could else find
/// out by the history, unseen, what it is.
///
/// # Errors
/// [`Kind::PasswordPolicy`]; storage and key errors.
pub fn accept(session: &Session, user: &User, new: &Secret) -> Result<NewPassword> {
    let accepted = password::hash(&session.store, &user.login, Some(user), new);
    match accepted {
        Err(error) if error.kind() == Kind::PasswordPolicy => {
            session.store.write(|tx| {
                let entry = Entry::new(Event::CHANGE_REFUSED, Outcome::Refused)
                    .subject(session.verb.path)
                    .reason(error.kind().code())
                    .user_id(Some(user.id));
                append(tx, &session.who(), &entry)
            })?;
            Err(error)
        }
        accepted => accepted,
    }
}

/// The row of a refusal.
pub(super) fn deny(tx: &Tx<'_>, session: &Session, user: &User, why: &str) -> Result<()> {
    let entry = Entry::new(Event::PASSWORD_DENIED, Outcome::Denied)
        .user(user.id, user.login.as_str())
        .reason(why);
    append(tx, &session.who(), &entry).map(drop)
}

/// By which methods a new password may be proved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Whatever a login asks for, beside the old password.
    Anything,
    /// What proves something beside a token that came by mail: email only where nothing else is left.
    BesideMail,
}

impl By {
    fn methods(self, system: &System, person: &Person) -> Vec<Method> {
        let all = decide::usable(system, person);
        let is_other = |method: &Method| self == By::Anything || *method != Method::Email;
        let others: Vec<Method> = all.iter().copied().filter(is_other).collect();
        if others.is_empty() { all } else { others }
    }

    /// Whether the old password is enough: a login would connect the app of this user with nothing more, and before that
    /// it refuses a password that must be changed.
    fn may_wait(self, system: &System, person: &Person) -> bool {
        self == By::Anything
            && decide::usable(system, person).is_empty()
            && decide::may_connect(system, person)
    }
}

/// The second factor that will be judged with the change.
pub(super) enum Proof {
    /// 2FA does not apply to this user.
    None,
    /// It does, and the next login connects the app that it will be asked of.
    NotYet,
    /// This code has to be right.
    Code {
        method: Method,
        code: Secret,
        challenge: Option<String>,
    },
}

impl Proof {
    /// The method it is of.
    pub(super) fn method(&self) -> Option<Method> {
        match self {
            Proof::None | Proof::NotYet => None,
            Proof::Code { method, .. } => Some(*method),
        }
    }
}

/// Gets the second factor where 2FA applies: given, asked for, or sent.
///
/// # Errors
/// [`Kind::SecondFactorRequired`] with what to do next; [`Kind::NoSecondFactor`], [`Kind::MethodNotUsable`];
/// [`Kind::Delivery`].
pub(super) fn prove(
    session: &Session,
    person: &Person,
    by: By,
    given: &Given<'_>,
    ask: &mut dyn Ask,
) -> Result<Proof> {
    let store = &session.store;
    let system = System::load(store)?;
    if !decide::uses(&system, person) {
        return Ok(Proof::None);
    }
    if let Some(token) = given.challenge {
        let code = match given.code {
            Some(code) => Some(code.clone()),
            None => ask.code("Code")?,
        };
        let code =
            code.ok_or_else(|| required("the code is missing").hint("give it with --code"))?;
        let asked = challenge::find(store, token).map(|challenge| challenge.method);
        return Ok(Proof::Code {
            method: given.method.or(asked.ok()).unwrap_or(Method::Email),
            code,
            challenge: Some(token.to_owned()),
        });
    }
    if by.may_wait(&system, person) {
        return Ok(Proof::NotYet);
    }
    let usable = by.methods(&system, person);
    let Some(first) = usable.first().copied() else {
        return Err(
            Error::new(Kind::NoSecondFactor, Kind::NoSecondFactor.meaning())
                .hint("an administrator sets the password with `twofa password set`"),
        );
    };
    let method = given.method.unwrap_or(first);
    if !usable.contains(&method) {
        return Err(not_usable(&usable));
    }
    if method.is_sent() {
        if given.code.is_some() {
            return Err(
                Error::new(Kind::Usage, "a code that was sent needs its challenge")
                    .hint("give it with --challenge, or leave --code out to have one sent"),
            );
        }
        return send(session, &system, person, method, ask);
    }
    let code = match given.code {
        Some(code) => Some(code.clone()),
        None => ask.code(&format!("{} code", method.name()))?,
    };
    match code {
        Some(code) => Ok(Proof::Code {
            method,
            code,
            challenge: None,
        }),
        None => Err(required("the second factor is needed")
            .hint("repeat the command with --code N")
            .with("method", method.code())),
    }
}

/// The refusal of a method that is none of these.
fn not_usable(usable: &[Method]) -> Error {
    let codes: Vec<&str> = usable.iter().map(|method| method.code()).collect();
    Error::new(Kind::MethodNotUsable, Kind::MethodNotUsable.meaning())
        .hint(format!("it can be {}", codes.join(", ")))
        .with("methods", codes)
}

fn required(why: &str) -> Error {
    Error::new(Kind::SecondFactorRequired, why)
}

fn send(
    session: &Session,
    system: &System,
    person: &Person,
    method: Method,
    ask: &mut dyn Ask,
) -> Result<Proof> {
    let question = Question::New {
        purpose: Purpose::Password,
        about: About::default(),
        entry: Entry::new(Event::PASSWORD_ASKED, Outcome::Ok).reason(session.verb.path),
    };
    let asked = second::ask(
        &session.store,
        &session.who(),
        system,
        person,
        method,
        question,
    )?;
    let destination = asked.destination.clone().unwrap_or_default();
    match ask.code(&format!("The code sent to {destination}"))? {
        Some(code) => Ok(Proof::Code {
            method,
            code,
            challenge: Some(asked.challenge),
        }),
        None => Err(required(&format!("a code was sent to {destination}"))
            .hint(format!(
                "repeat the command with --challenge {} --code N",
                asked.challenge
            ))
            .with("challenge", asked.challenge)
            .with("method", method.code())
            .with("destination", destination)
            .with("expires_at", asked.expires_at.to_string())),
    }
}

/// Judges the second factor in the transaction of the change. The inner error is a refusal, to be committed with what
/// it counted.
pub(super) fn consume(
    tx: &Tx<'_>,
    session: &Session,
    user: i64,
    by: By,
    proof: &Proof,
) -> Result<Result<()>> {
    let who = session.who();
    let (system, user) = (
        System::load(tx)?,
        tries::settle(tx, &who, user::get(tx, user)?)?,
    );
    let (method, code, token) = match proof {
        Proof::Code {
            method,
            code,
            challenge,
        } => (*method, code, challenge.as_deref()),
        Proof::None | Proof::NotYet => return nothing_to_judge(tx, session, &system, &user, by),
    };
    let open = decide::before_compare(Standing::Open, &user, tx.now()).is_none();
    let person = Person::load(tx, user.clone())?;
    if open && !by.methods(&system, &person).contains(&method) {
        deny(tx, session, &user, Kind::MethodNotUsable.code())?;
        return Ok(Err(not_usable(&by.methods(&system, &person))));
    }
    let challenge = match token
        .map(|token| own_challenge(tx, token, &user))
        .transpose()?
    {
        Some(None) => {
            deny(tx, session, &user, "no_such_challenge")?;
            return Ok(Err(Error::new(
                Kind::SecondFactorWrong,
                "the challenge is not of this change",
            )));
        }
        found => found.flatten(),
    };
    let compare = Compare {
        challenge: challenge.as_ref(),
        method,
        code,
        count_replay: true,
    };
    let (kind, why, left) = match second::judge(tx, &who, &system, &user, compare)? {
        Answer::Right { .. } => return Ok(Ok(())),
        Answer::Refused {
            kind, why, left, ..
        } => (kind, why, left),
    };
    deny(tx, session, &user, why)?;
    let error = Error::new(kind, kind.meaning());
    Ok(Err(match left {
        Some(left) if left > 0 => error.hint(format!(
            "{} left",
            counted(left.unsigned_abs(), "try is", "tries are")
        )),
        _ => error,
    }))
}

/// Without a second factor the state of the user is still judged, and whether one is asked for since.
fn nothing_to_judge(
    tx: &Tx<'_>,
    session: &Session,
    system: &System,
    user: &User,
    by: By,
) -> Result<Result<()>> {
    let person = Person::load(tx, user.clone())?;
    let kind = match decide::before_compare(Standing::Open, user, tx.now()) {
        Some(kind) => kind,
        None if decide::uses(system, &person) && !by.may_wait(system, &person) => {
            Kind::SecondFactorRequired
        }
        None => return Ok(Ok(())),
    };
    deny(tx, session, user, kind.code())?;
    Ok(Err(Error::new(kind, kind.meaning()).hint(format!(
        "`{}` changed meanwhile; repeat the command",
        argument(&user.login)
    ))))
}

fn own_challenge(store: &Store, token: &str, user: &User) -> Result<Option<Challenge>> {
    match challenge::find(store, token) {
        Ok(challenge) => {
            let own = challenge.user == user.id && challenge.purpose == Purpose::Password;
            Ok(Some(challenge).filter(|_| own))
        }
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the new password and its row.
pub(super) fn write(
    tx: &Tx<'_>,
    session: &Session,
    user: i64,
    new: &NewPassword,
    event: Event,
    reason: Option<&str>,
) -> Result<()> {
    password::replace(tx, user, new, false)?;
    let login = user::get(tx, user)?.login;
    let entry = Entry::new(event, Outcome::Ok).user(user, login);
    let entry = match reason {
        Some(reason) => entry.reason(reason),
        None => entry,
    };
    append(tx, &session.who(), &entry).map(drop)
}

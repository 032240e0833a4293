//! Recovering a password: a single-use token by mail, then the second factor when 2FA applies, then a new password.
//!
//! Whoever asks learns nothing of the login: the answer is the same for one that nobody has, requests are limited by what
//! was typed and not by whom it names, and the mail leaves after the answer.

use rusqlite::{OptionalExtension as _, named_params};

use super::facts::Person;
use super::renew::{By, Given, accept, consume, deny, prove, unknown, write};
use super::run::{may_start, unknown_login};
use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::challenge::{self, About, Closed, Purpose};
use crate::clock::Time;
use crate::delivery::{self, LONGEST, outbox};
use crate::error::{Error, Kind, Result};
use crate::mailbox::{self, Mailbox};
use crate::method::Method;
use crate::name::{counted, fold};
use crate::password;
use crate::secret::Secret;
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};
use crate::template;
use crate::user::{self, Type, User};
use crate::vault::Label;

const REQUEST: Label = Label("recovery.login");

/// What a request comes to, whoever it names.
#[derive(Debug, Clone, Copy)]
pub struct Requested {
    /// Until when a token that was mailed is valid.
    pub expires_at: Time,
    /// The message to [`deliver`] once the answer is out; 0: there is none.
    pub message: i64,
}

/// Asks for a token.
///
/// # Errors
/// [`Kind::NotPermitted`], [`Kind::BlankLogin`]; [`Kind::SendLimit`]; [`Kind::Delivery`] when no mailbox is set for
/// anybody; storage and key errors. None of them depends on whether the login exists.
pub fn request(session: &Session, login: &str) -> Result<Requested> {
    may_start(session, login)?;
    let store = &session.store;
    store.vault()?;
    store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, user::lookup(tx, login)?.map(|user| user.id))? {
            return Ok(Err(denied));
        }
        let settings = Settings::load(tx)?;
        let mailbox = sender(tx, &settings)?;
        if let Some(full) = limited(tx, &settings, login)? {
            let entry = Entry::new(Event::RECOVERY_REQUESTED, Outcome::Refused)
                .reason(Kind::SendLimit.code())
                .detail(unknown_login(tx, login)?);
            append(tx, &session.who(), &entry)?;
            return Ok(Err(full));
        }
        let life = settings.number(&setting::RECOVERY_TTL) * 60;
        let message = match recoverable(tx, &settings, login)? {
            Ok(person) => mail(tx, &session.who(), &settings, &mailbox, &person, life)?,
            Err((user, why)) => {
                let entry = Entry::new(Event::RECOVERY_REQUESTED, Outcome::Refused).reason(why);
                let entry = match user {
                    Some(user) => entry.user(user.id, user.login),
                    None => entry.detail(unknown_login(tx, login)?),
                };
                append(tx, &session.who(), &entry)?;
                0
            }
        };
        Ok(Ok(Requested {
            expires_at: tx.now().plus(life),
            message,
        }))
    })?
}

/// The mailbox that recovery mails leave by.
fn sender(store: &Store, settings: &Settings) -> Result<Mailbox> {
    let set = settings.thing(&setting::RECOVERY_MAILBOX);
    let id = set.ok_or_else(|| {
        Error::new(Kind::Delivery, "nothing is set up to send recovery mails")
            .hint("`twofa setting set SSPRegistrationMailbox NAME`")
    })?;
    mailbox::get(store, id)
}

/// Counts the request, and refuses it when there were too many for the same login within the hour.
fn limited(tx: &Tx<'_>, settings: &Settings, login: &str) -> Result<Option<Error>> {
    let (now, limit) = (tx.now(), settings.number(&setting::RECOVERY_LIMIT));
    let hash = tx.vault()?.hash(REQUEST, &[fold(login).as_bytes()])?;
    let over = now.plus(-3_600);
    tx.db().execute(
        "DELETE FROM recovery_request WHERE created_at <= ?1",
        [over],
    )?;
    let oldest: Option<Time> = tx
        .db()
        .prepare_cached(
            "SELECT created_at FROM recovery_request WHERE login_hash = :hash
             ORDER BY created_at DESC LIMIT 1 OFFSET :skip",
        )?
        .query_row(
            named_params! { ":hash": hash, ":skip": (limit - 1).max(0) },
            |row| row.get(0),
        )
        .optional()?;
    if limit > 0
        && let Some(oldest) = oldest
    {
        let left = 3_600 - now.since(oldest);
        let asked = counted(limit.unsigned_abs(), "recovery was", "recoveries were");
        return Ok(Some(
            Error::new(
                Kind::SendLimit,
                format!("{asked} asked for within the hour"),
            )
            .hint(format!("try again in {left} s"))
            .with("retry_after", left),
        ));
    }
    tx.db().execute(
        "INSERT INTO recovery_request (login_hash, created_at) VALUES (?1, ?2)",
        rusqlite::params![hash, now],
    )?;
    Ok(None)
}

type Refused = (Option<User>, &'static str);

/// The user of a login, if they may recover their password and can be reached.
fn recoverable(
    store: &Store,
    settings: &Settings,
    login: &str,
) -> Result<std::result::Result<Person, Refused>> {
    let Some(user) = user::lookup(store, login)? else {
        return Ok(Err((None, "unknown_user")));
    };
    let internal = settings.flag(&setting::RECOVERY_INTERNAL);
    let why = match user.kind {
        _ if !user.active => Some("inactive"),
        Type::Technical => Some("technical_user"),
        Type::Employee if !internal => Some("not_for_employees"),
        Type::Employee | Type::External if user.address().is_none() => Some("no_address"),
        Type::Employee | Type::External => None,
    };
    match why {
        Some(why) => Ok(Err((Some(user), why))),
        None => Person::load(store, user).map(Ok),
    }
}

/// Draws the token and keeps the message that will carry it.
fn mail(
    tx: &Tx<'_>,
    who: &Who,
    settings: &Settings,
    mailbox: &Mailbox,
    person: &Person,
    life: i64,
) -> Result<i64> {
    let user = &person.user;
    let about = About::default();
    let challenge = challenge::open(tx, user.id, Purpose::Recovery, Method::Email, about)?;
    let token = challenge::new_token(tx, challenge.id, life)?;
    let template = settings.text(&setting::RECOVERY_TEMPLATE);
    let name = user.name.as_deref().unwrap_or(&user.login);
    let values = [("Username", name), ("RecoveryToken", token.expose())];
    let words = template::render(template, &values)?;
    let entry = Entry::new(Event::RECOVERY_REQUESTED, Outcome::Ok);
    append(tx, who, &entry.user(user.id, user.login.as_str()))?;
    let outgoing = outbox::Outgoing {
        challenge: challenge.id,
        user: user.id,
        method: Method::Email,
        recipient: person.address().unwrap_or_default(),
        template,
        sender: &mailbox.name,
        words: &words,
        now: false,
    };
    outbox::enqueue(tx, &outgoing)
}

/// Sends the message of a request, once its answer is out. Nobody waits for it, so what goes wrong is kept in the log
/// and in the outbox. Any other message is left alone, and so is one that is being sent already.
///
/// # Errors
/// Storage and key errors.
pub fn deliver(session: &Session, message: i64) -> Result<()> {
    let (store, who) = (&session.store, session.who());
    let claimed = store.write(|tx| outbox::claim(tx, message, Purpose::Recovery))?;
    let Some(pending) = claimed else {
        return Ok(());
    };
    let mailbox = sender(store, &Settings::load(store)?)?;
    let came = delivery::send(store, &mailbox, &pending.recipient, &pending.words, LONGEST)?;
    store.write(|tx| {
        let (event, outcome) = match &came {
            Ok(_) => (Event::RECOVERY_SENT, Outcome::Ok),
            Err(_) => (Event::RECOVERY_FAILED, Outcome::Failed),
        };
        let said = came.as_ref().map(String::as_str);
        outbox::close(tx, message, said.map_err(|failure| failure.said.as_str()))?;
        let login = user::get(tx, pending.user)?.login;
        let entry =
            Entry::new(event, outcome)
                .user(pending.user, login)
                .detail(serde_json::json!({
                    "sender": mailbox.name,
                    "said": came.as_ref().err().map(|failure| failure.said.as_str()),
                }));
        append(tx, &who, &entry).map(drop)
    })
}

/// `password recover` with the token.
#[derive(Debug)]
pub struct Finish<'a> {
    /// Login or email, as typed.
    pub login: &'a str,
    /// The token that was mailed.
    pub token: &'a Secret,
    /// The new password.
    pub new: &'a Secret,
    /// The second factor.
    pub second: Given<'a>,
}

/// Sets a new password for whoever has the token. Returns the user.
///
/// # Errors
/// [`Kind::FirstFactorWrong`] for a wrong, used or expired token and a login nobody has; as [`super::renew::change`].
pub fn finish(session: &Session, finish: &Finish<'_>, ask: &mut dyn Ask) -> Result<User> {
    may_start(session, finish.login)?;
    let store = &session.store;
    store.vault()?;
    let Some(user) = user::lookup(store, finish.login)? else {
        unknown(session, finish.login)?;
        return Err(wrong_token());
    };
    let person = Person::load(store, user.clone())?;
    store.write(|tx| holds(tx, session, &user, finish.token))??;
    password::check_words(store, &user.login, finish.new)?;
    let proof = prove(session, &person, By::BesideMail, &finish.second, ask)?;
    store.write(|tx| {
        if let Err(refused) = holds(tx, session, &user, finish.token)? {
            return Ok(Err(refused));
        }
        consume(tx, session, user.id, By::BesideMail, &proof)
    })??;
    // Only now: whether a password is one of theirs is nothing that a token alone may find out.
    let new = accept(session, &user, finish.new)?;
    store.write(|tx| {
        if let Err(refused) = holds(tx, session, &user, finish.token)? {
            return Ok(Err(refused));
        }
        if let Some(challenge) = challenge::of_token(tx, user.id, finish.token)? {
            challenge::close(tx, challenge.id, Closed::Answered)?;
        }
        // The token came by mail as well: one channel proved both.
        let single = proof.method() == Some(Method::Email);
        let reason = single.then_some("single_channel");
        write(
            tx,
            session,
            user.id,
            &new,
            Event::PASSWORD_RECOVERED,
            reason,
        )?;
        user::get(tx, user.id).map(Ok)
    })?
}

/// Whether a token lets its user choose a new password. The inner error is a refusal, to be committed with its row.
fn holds(tx: &Tx<'_>, session: &Session, user: &User, token: &Secret) -> Result<Result<()>> {
    if let Err(denied) = session.permit_in(tx, Some(user.id))? {
        return Ok(Err(denied));
    }
    let user = user::get(tx, user.id)?;
    let (why, error) = if user.kind == Type::Technical || !user.active {
        ("inactive", wrong_token())
    } else if challenge::of_token(tx, user.id, token)?.is_none() {
        ("wrong_token", wrong_token())
    } else if user.locked_until.is_some_and(|until| tx.now() < until) {
        ("locked", Error::new(Kind::Locked, Kind::Locked.meaning()))
    } else {
        return Ok(Ok(()));
    };
    deny(tx, session, &user, why)?;
    Ok(Err(error))
}

/// One answer for whatever is wrong with a token.
fn wrong_token() -> Error {
    Error::new(
        Kind::FirstFactorWrong,
        "the recovery token is wrong, was used, or has expired",
    )
    .hint("`twofa password recover LOGIN` mails a new one")
}

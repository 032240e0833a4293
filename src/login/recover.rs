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
use crate::challenge::{self, About, Challenge, Closed, Purpose};
use crate::clock::Time;
use crate::delivery::{self, Came, LONGEST, Sender, outbox};
use crate::error::{Error, Kind, Result};
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
    /// Until when a token that is mailed at once is valid.
    pub expires_at: Time,
    /// The request to [`deliver`] once the answer is out.
    pub request: i64,
}

/// Asks for a token. Whoever it names, the same is written; all that differs is left to [`deliver`].
///
/// # Errors
/// [`Kind::NotPermitted`], [`Kind::BlankLogin`]; [`Kind::SendLimit`]; [`Kind::Delivery`] when no mailbox is set for
/// anybody; storage and key errors. None of them depends on whether the login exists.
pub fn request(session: &Session, login: &str) -> Result<Requested> {
    may_start(session, login)?;
    let store = &session.store;
    store.vault()?;
    store.write(|tx| {
        let user = user::lookup(tx, login)?;
        if let Err(denied) = session.permit_in(tx, user.as_ref().map(|user| user.id))? {
            return Ok(Err(denied));
        }
        let settings = Settings::load(tx)?;
        sender(tx, &settings)?;
        let unnamed = unknown_login(tx, login)?;
        let hash = tx.vault()?.hash(REQUEST, &[fold(login).as_bytes()])?;
        let full = limited(tx, &settings, &hash)?;
        let (outcome, reason) = match &full {
            Some(full) => (Outcome::Refused, Some(full.kind().code())),
            None => (Outcome::Ok, None),
        };
        // Of a user or of nobody: the same row, which does not say whose login it is.
        let entry = Entry::new(Event::RECOVERY_REQUESTED, outcome).detail(unnamed);
        let entry = match reason {
            Some(reason) => entry.reason(reason),
            None => entry,
        };
        append(tx, &session.who(), &entry)?;
        if let Some(full) = full {
            return Ok(Err(full));
        }
        tx.db().execute(
            "INSERT INTO recovery_request (login_hash, user, created_at) VALUES (?1, ?2, ?3)",
            rusqlite::params![hash, user.map(|user| user.id), tx.now()],
        )?;
        let life = settings.number(&setting::RECOVERY_TTL) * 60;
        Ok(Ok(Requested {
            expires_at: tx.now().plus(life),
            request: tx.db().last_insert_rowid(),
        }))
    })?
}

/// The mailbox that recovery mails leave by.
fn sender(store: &Store, settings: &Settings) -> Result<Sender> {
    let set = settings.thing(&setting::RECOVERY_MAILBOX);
    let id = set.ok_or_else(|| {
        Error::new(Kind::Delivery, "nothing is set up to send recovery mails")
            .hint("`twofa setting set SSPRegistrationMailbox NAME`")
    })?;
    delivery::mailbox_of(store, id)
}

/// How many requests that are over one command forgets: more than come between two, and few enough not to be felt.
const SWEPT: i64 = 20;

/// Forgets requests that are over: they count for an hour.
pub(super) fn sweep(tx: &Tx<'_>) -> Result<()> {
    tx.db()
        .prepare_cached(
            "DELETE FROM recovery_request WHERE id IN
                 (SELECT id FROM recovery_request WHERE created_at <= :over ORDER BY created_at LIMIT :most)",
        )?
        .execute(named_params! { ":over": tx.now().plus(-HOUR), ":most": SWEPT })?;
    Ok(())
}

/// How long a request counts, in seconds.
const HOUR: i64 = 3_600;

/// Refuses a request when there were too many for the same login within the hour, and forgets some of those before it.
fn limited(tx: &Tx<'_>, settings: &Settings, hash: &[u8]) -> Result<Option<Error>> {
    let (now, limit) = (tx.now(), settings.number(&setting::RECOVERY_LIMIT));
    sweep(tx)?;
    let oldest: Option<Time> = tx
        .db()
        .prepare_cached(
            "SELECT created_at FROM recovery_request WHERE login_hash = :hash AND created_at > :over
             ORDER BY created_at DESC LIMIT 1 OFFSET :skip",
        )?
        .query_row(
            named_params! { ":hash": hash, ":over": now.plus(-HOUR), ":skip": (limit - 1).max(0) },
            |row| row.get(0),
        )
        .optional()?;
    Ok(oldest.filter(|_| limit > 0).map(|oldest| {
        let left = HOUR - now.since(oldest);
        let asked = counted(limit.unsigned_abs(), "recovery was", "recoveries were");
        let message = format!("{asked} asked for within the hour");
        Error::new(Kind::SendLimit, message)
            .hint(format!("try again in {left} s"))
            .with("retry_after", left)
    }))
}

/// Forgets every request: no mail follows one any more.
pub(crate) fn forget_requests(tx: &Tx<'_>) -> Result<()> {
    tx.db().execute("DELETE FROM recovery_request", [])?;
    Ok(())
}

/// Why a user may not recover their password, or cannot be reached.
fn barred(settings: &Settings, user: &User) -> Option<&'static str> {
    let internal = settings.flag(&setting::RECOVERY_INTERNAL);
    match user.kind {
        _ if !user.active => Some("inactive"),
        Type::Technical => Some("technical_user"),
        Type::Employee if !internal => Some("not_for_employees"),
        Type::Employee | Type::External if user.address().is_none() => Some("no_address"),
        Type::Employee | Type::External => None,
    }
}

/// A message that is about to leave.
struct Mail {
    mailbox: Sender,
    user: User,
    to: String,
    words: template::Filled,
    /// Its row of the outbox.
    row: i64,
    challenge: i64,
    token: Secret,
    /// How long the token lives once the server has it, in seconds.
    life: i64,
}

/// Takes up a request, which nobody else does then, and keeps the message that will carry the token. `None`: it names
/// nobody, was taken up before, or its user may not recover.
fn take_up(tx: &Tx<'_>, who: &Who, request: i64) -> Result<Option<Mail>> {
    let user: Option<Option<i64>> = tx
        .db()
        .prepare_cached("SELECT user FROM recovery_request WHERE id = ?1")?
        .query_row([request], |row| row.get(0))
        .optional()?;
    let Some(user) = user.flatten() else {
        return Ok(None);
    };
    tx.db().execute(
        "UPDATE recovery_request SET user = NULL WHERE id = ?1",
        [request],
    )?;
    let (user, settings) = (user::get(tx, user)?, Settings::load(tx)?);
    let entry = |event, outcome| Entry::new(event, outcome).user(user.id, user.login.as_str());
    if let Some(why) = barred(&settings, &user) {
        let refused = entry(Event::RECOVERY_FAILED, Outcome::Refused).reason(why);
        append(tx, who, &refused)?;
        return Ok(None);
    }
    let about = About::default();
    let challenge = challenge::open(tx, user.id, Purpose::Recovery, Method::Email, about)?;
    written(tx, &settings, user, challenge.id).map(Some)
}

/// Draws the token of a recovery, an earlier one being void at once, and keeps the message that will carry it.
fn written(tx: &Tx<'_>, settings: &Settings, user: User, challenge: i64) -> Result<Mail> {
    let mailbox = sender(tx, settings)?;
    let minutes = settings.number(&setting::RECOVERY_TTL);
    let token = challenge::new_token(tx, challenge)?;
    let template = settings.text(&setting::RECOVERY_TEMPLATE);
    let name = user.name.as_deref().unwrap_or(&user.login);
    let minutes = minutes.to_string();
    let values = [
        ("Username", name),
        ("RecoveryToken", token.expose()),
        ("RecoveryTokenTTL", minutes.as_str()),
    ];
    let words = template::render(tx, template, &user.language, &values)?;
    let to = user.address().unwrap_or_default().to_owned();
    let outgoing = outbox::Outgoing {
        challenge: Some(challenge),
        user: Some(user.id),
        method: Method::Email,
        recipient: &to,
        template: Some(template),
        sender: mailbox.name(),
        words: &words,
    };
    let row = outbox::enqueue(tx, &outgoing)?;
    Ok(Mail {
        mailbox,
        user,
        to,
        words,
        row,
        challenge,
        token,
        life: settings.number(&setting::RECOVERY_TTL) * 60,
    })
}

/// Mails the token of a request, once its answer is out. Nobody waits for it, so what goes wrong is kept in the log and
/// in the outbox.
///
/// # Errors
/// Storage and key errors.
pub fn deliver(session: &Session, request: i64) -> Result<()> {
    let (store, who) = (&session.store, session.who());
    match store.write(|tx| take_up(tx, &who, request))? {
        Some(mail) => leave(session, &mail).map(drop),
        None => Ok(()),
    }
}

/// Mails a new token of a recovery whose mail did not leave; `waits` judges, under the write lock, that it still waits.
///
/// # Errors
/// [`Kind::Delivery`]; storage and key errors.
pub(crate) fn again(session: &Session, waits: &dyn Fn(&Store) -> Result<Challenge>) -> Result<()> {
    let mail = session.store.write(|tx| {
        if let Err(denied) = session.permit_in(tx, None)? {
            return Ok(Err(denied));
        }
        let challenge = waits(tx)?;
        let settings = Settings::load(tx)?;
        let user = user::get(tx, challenge.user)?;
        if let Some(why) = barred(&settings, &user) {
            let message = format!("this user may not recover their password ({why})");
            return Err(Error::new(Kind::InvalidValue, message));
        }
        written(tx, &settings, user, challenge.id).map(Ok)
    })??;
    let came = leave(session, &mail)?;
    came.outcome
        .map(drop)
        .map_err(|failure| failure.into_error(&mail.mailbox))
}

/// Sends a message, and keeps what came of it.
fn leave(session: &Session, mail: &Mail) -> Result<Came> {
    let (store, who) = (&session.store, session.who());
    let came = delivery::send(store, &mail.mailbox, &mail.to, &mail.words, LONGEST)?;
    store.write(|tx| {
        let (event, outcome) = match &came.outcome {
            Ok(_) => (Event::RECOVERY_SENT, Outcome::Ok),
            Err(_) => (Event::RECOVERY_FAILED, Outcome::Failed),
        };
        outbox::close(tx, mail.row, &came)?;
        if came.outcome.is_ok() {
            challenge::token_accepted(tx, mail.challenge, &mail.token, mail.life)?;
        }
        let entry = Entry::new(event, outcome)
            .user(mail.user.id, mail.user.login.as_str())
            .detail(serde_json::json!({
                "sender": mail.mailbox.name(),
                "said": came.outcome.as_ref().err().map(|failure| failure.said.as_str()),
            }));
        append(tx, &who, &entry)
    })?;
    Ok(came)
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
        unknown(session, finish.login, |_| Ok(()))?;
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

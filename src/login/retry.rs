//! Sending a message once more that did not leave: with a new code, for what was sent before is never kept.

use super::decide;
use super::facts::{Person, System};
use super::recover;
use super::second::{self, Question};
use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, append};
use crate::challenge::{self, Challenge, Purpose, Standing};
use crate::delivery::outbox::{self, Message, State};
use crate::error::{Error, Kind, Result};
use crate::name::argument;
use crate::store::Store;
use crate::user;

/// Sends what `message` was about to the same user by the same method. Returns the new message.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::InvalidValue`] for a message that was accepted, or whose question is closed;
/// [`Kind::TooSoon`], [`Kind::SendLimit`], [`Kind::Delivery`].
pub fn retry(session: &Session, message: i64) -> Result<Message> {
    let store = &session.store;
    let (have, challenge) = waits(store, message)?;
    let sent = if challenge.purpose == Purpose::Recovery {
        // Under the write lock it is judged once more: of several at once one is sent.
        recover::again(session, &|tx| {
            waits(tx, message).map(|(_, challenge)| challenge)
        })
    } else {
        again(session, &have, &challenge)
    };
    let outcome = match &sent {
        Ok(()) => Outcome::Ok,
        Err(error) if error.kind() == Kind::Delivery => Outcome::Failed,
        // What the store cannot take is no decision about the message.
        Err(error) if error.kind().exit() == Kind::Storage.exit() || error.kind() == Kind::Busy => {
            return sent.and_then(|()| outbox::newest(store, challenge.id));
        }
        Err(_) => Outcome::Refused,
    };
    store.write(|tx| {
        let entry = Entry::new(Event::OUTBOX_RETRIED, outcome)
            .user_id(Some(challenge.user))
            .subject(have.user.as_deref().unwrap_or_default())
            .detail(serde_json::json!({ "message": message }));
        let entry = match &sent {
            Ok(()) => entry,
            Err(error) => entry.reason(error.kind().code()),
        };
        append(tx, &session.who(), &entry)
    })?;
    sent?;
    outbox::newest(store, challenge.id)
}

/// Asks once more by the method of a message.
fn again(session: &Session, have: &Message, challenge: &Challenge) -> Result<()> {
    let store = &session.store;
    let system = System::load(store)?;
    let person = Person::load(store, user::get(store, challenge.user)?)?;
    if !decide::usable(&system, &person).contains(&have.method) {
        return Err(Error::new(
            Kind::MethodNotUsable,
            format!("this user cannot use {} now", have.method.name()),
        ));
    }
    let question = Question::Again(challenge);
    second::ask(
        store,
        &session.who(),
        &system,
        &person,
        have.method,
        question,
    )
    .map(drop)
}

/// A message, and the question that still waits for what it should have brought.
fn waits(store: &Store, message: i64) -> Result<(Message, Challenge)> {
    let have = outbox::show(store, message)?;
    let no = |why: &str, hint: String| Err(Error::new(Kind::InvalidValue, why).hint(hint));
    let Some(login) = &have.user else {
        return no(
            "a test message is not sent once more",
            "`twofa mailbox test NAME` and `twofa sms-provider test NAME` send another".to_owned(),
        );
    };
    match have.state {
        State::Accepted => {
            return no(
                "the message was accepted by its server",
                "whoever waits for it asks for another: `twofa login resend`, or the command they ran".to_owned(),
            );
        }
        State::Pending => {
            let left = have.at.plus(outbox::OVER).since(store.now());
            return Err(Error::new(Kind::TooSoon, "the message may be on its way")
                .hint(format!("try again in {left} s"))
                .with("retry_after", left));
        }
        State::Failed | State::Unknown => {}
    }
    let waiting = match have.challenge {
        Some(id) => Some(challenge::get(store, id)?),
        None => None,
    };
    match waiting.filter(|challenge| challenge.standing(store.now()) == Standing::Open) {
        None => no(
            "what the message was for is over",
            format!("`twofa login start {}` begins anew", argument(login)),
        ),
        Some(challenge) if outbox::replaced(store, have.id, challenge.id)? => no(
            "a later message took its place",
            format!("`twofa outbox list --user {}` shows it", argument(login)),
        ),
        Some(challenge) => Ok((have, challenge)),
    }
}

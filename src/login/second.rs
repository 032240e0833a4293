//! The second factor: asking for it and judging the answer.
//!
//! Every purpose goes through here: login, confirmation, generating codes. Asking commits the challenge and the sealed
//! message, sends with no transaction open, and commits the outcome. Judging is one transaction of the caller's: look,
//! compare, consume, count.

use std::time::Duration;

use super::decide::{self, Penalty};
use super::facts::{Person, System};
use super::recover;
use super::run;
use super::tries;
use super::verdict::masked;
use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::authenticator;
use crate::challenge::{self, About, Challenge, Closed, Purpose};
use crate::clock::Time;
use crate::delivery::{self, LONGEST, outbox};
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::recovery::{self, Used};
use crate::secret::Secret;
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};
use crate::template;
use crate::totp::Judged;
use crate::user::{self, User};

/// A question that was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The challenge to answer.
    pub challenge: String,
    /// The method that is asked for.
    pub method: Method,
    /// Where the code went, masked.
    pub destination: Option<String>,
    /// Until when the answer is accepted.
    pub expires_at: Time,
}

/// What to ask: a new challenge, or an open one again.
pub(crate) enum Question<'a> {
    New {
        purpose: Purpose,
        about: About,
        entry: Entry,
    },
    Again(&'a Challenge),
}

/// Asks `person` by `method`, and sends the code where one is sent.
///
/// # Errors
/// [`Kind::TooSoon`], [`Kind::SendLimit`]; [`Kind::Delivery`] with the challenge and the other methods in the error.
pub(crate) fn ask(
    store: &Store,
    who: &Who,
    system: &System,
    person: &Person,
    method: Method,
    question: Question<'_>,
) -> Result<Asked> {
    if !method.is_sent() {
        let challenge = store.write(|tx| {
            outbox::sweep(tx)?;
            recover::sweep(tx)?;
            let challenge = pose(tx, who, &person.user, method, question)?;
            challenge::switch(tx, challenge.id, method)?;
            challenge::get(tx, challenge.id)
        })?;
        return Ok(Asked {
            expires_at: challenge.answerable_until(),
            challenge: challenge.token,
            method,
            destination: None,
        });
    }
    let (challenge, sender, sent) = store.write(|tx| {
        recover::sweep(tx)?;
        // Under the write lock: of several at once one is sent, and to the address that holds now.
        if let Question::Again(challenge) = &question {
            too_soon(tx, system, challenge, method)?;
        }
        let person = Person::load(tx, user::get(tx, person.user.id)?)?;
        let sender = sender(tx, &person, method)?;
        let challenge = pose(tx, who, &person.user, method, question)?;
        let sent = match full(tx, system, person.user.id)? {
            Some(full) => Err(full),
            None => Ok(enqueue(tx, system, &person, method, &sender, challenge.id)?),
        };
        Ok((challenge, sender, sent))
    })?;
    let elsewhere =
        |error: Error| elsewhere(error, &challenge, decide::usable(system, person), method);
    let (row, code, words) = sent.map_err(elsewhere)?;
    let deadline = Duration::from_secs(system.code_ttl.unsigned_abs()).min(LONGEST);
    let came = delivery::send(store, &sender.through, &sender.to, &words, deadline)?;
    let closed = store.write(|tx| {
        let (event, outcome) = match &came.outcome {
            Ok(_) => (Event::LOGIN_CODE_SENT, Outcome::Ok),
            Err(_) => (Event::LOGIN_CODE_FAILED, Outcome::Failed),
        };
        outbox::close(tx, row, &came)?;
        if came.outcome.is_ok() {
            challenge::accepted(tx, challenge.id, &code, system.code_ttl)?;
        }
        let detail = serde_json::json!({ "method": method, "sender": sender.through.name() });
        append(
            tx,
            who,
            &Entry::new(event, outcome)
                .user(person.user.id, person.user.login.as_str())
                .detail(detail),
        )?;
        challenge::get(tx, challenge.id)
    });
    let challenge = closed.map_err(|error| run::begun(error, Some(&challenge.token)))?;
    came.outcome
        .map_err(|failure| elsewhere(failure.into_error(&sender.through).with("outbox", row)))?;
    Ok(Asked {
        expires_at: challenge.answerable_until(),
        challenge: challenge.token,
        method,
        destination: Some(masked(&sender.to)),
    })
}

/// Opens the challenge of a new question, or takes the open one.
fn pose(
    tx: &Tx<'_>,
    who: &Who,
    user: &User,
    method: Method,
    question: Question<'_>,
) -> Result<Challenge> {
    match question {
        Question::New {
            purpose,
            about,
            entry,
        } => {
            let challenge = challenge::open(tx, user.id, purpose, method, about)?;
            let detail = serde_json::json!({ "method": method });
            append(
                tx,
                who,
                &entry.user(user.id, user.login.as_str()).detail(detail),
            )?;
            Ok(challenge)
        }
        Question::Again(challenge) => {
            let challenge = challenge::get(tx, challenge.id)?;
            let user = user::get(tx, user.id)?;
            match decide::before_compare(challenge.standing(tx.now()), &user, tx.now()) {
                Some(kind) => Err(Error::new(kind, kind.meaning())),
                None => Ok(challenge),
            }
        }
    }
}

/// Draws the code and keeps the message that will carry it.
fn enqueue(
    tx: &Tx<'_>,
    system: &System,
    person: &Person,
    method: Method,
    sender: &Sender,
    challenge: i64,
) -> Result<(i64, Secret, template::Filled)> {
    let code = challenge::new_code(tx, challenge, method)?;
    let words = words(tx, system, person, &sender.template, &code)?;
    let outgoing = outbox::Outgoing {
        challenge: Some(challenge),
        user: Some(person.user.id),
        method,
        recipient: &sender.to,
        template: Some(&sender.template),
        sender: sender.through.name(),
        words: &words,
    };
    Ok((outbox::enqueue(tx, &outgoing)?, code, words))
}

/// What else a user could do where a code could not be sent.
fn elsewhere(error: Error, challenge: &Challenge, usable: Vec<Method>, method: Method) -> Error {
    let others: Vec<&str> = usable
        .into_iter()
        // Over the limit of what is sent, nothing that is sent is another way.
        .filter(|other| *other != method && (error.kind() != Kind::SendLimit || !other.is_sent()))
        .map(Method::code)
        .collect();
    let hinted = match others.first() {
        Some(first) if challenge.purpose == Purpose::Confirmation => error.hint(format!(
            "repeat the command with --confirm-method {first} to confirm by another method"
        )),
        Some(first) if challenge.purpose == Purpose::Password => error.hint(format!(
            "repeat the command with --method {first} to use another method"
        )),
        Some(first) => error.hint(format!(
            "`twofa login resend {} --method {first}` asks by another method",
            challenge.token
        )),
        None if error.kind() == Kind::Delivery => {
            let tells = error
                .hint_text()
                .map_or_else(String::new, |hint| format!("; {hint}"));
            error.hint(format!("this user has no other method{tells}"))
        }
        None => error,
    };
    hinted
        .with("challenge", challenge.token.as_str())
        .with("methods", others)
}

/// Who sends a code, where it goes, and with which words.
pub(super) struct Sender {
    pub(super) through: delivery::Sender,
    pub(super) to: String,
    template: String,
}

pub(super) fn sender(store: &Store, person: &Person, method: Method) -> Result<Sender> {
    let settings = Settings::load(store)?;
    let unset = || {
        Error::new(
            Kind::Delivery,
            format!("nothing is set up to send codes by {}", method.name()),
        )
    };
    let thing = |setting| settings.thing(setting).ok_or_else(unset);
    let (through, to, template) = if method == Method::Sms {
        (
            delivery::provider_of(store, thing(&setting::SMS_PROVIDER)?)?,
            person.phone(),
            &setting::SMS_TEMPLATE,
        )
    } else {
        (
            delivery::mailbox_of(store, thing(&setting::MAILBOX_2FA)?)?,
            person.address(),
            &setting::EMAIL_TEMPLATE,
        )
    };
    Ok(Sender {
        through,
        to: to.ok_or_else(unset)?.to_owned(),
        template: settings.text(template).to_owned(),
    })
}

fn words(
    store: &Store,
    system: &System,
    person: &Person,
    template: &str,
    code: &Secret,
) -> Result<template::Filled> {
    let user = &person.user;
    let ttl = system.code_ttl.to_string();
    let values = [
        ("Username", user.name.as_deref().unwrap_or(&user.login)),
        ("SecondFactorCode", code.expose()),
        ("SecondFactorCodeTTL", &ttl),
    ];
    template::render(store, template, &user.language, &values)
}

fn too_soon(store: &Store, system: &System, challenge: &Challenge, method: Method) -> Result<()> {
    let Some(last) = outbox::last_sent(store, challenge.id, challenge.user, method)? else {
        return Ok(());
    };
    let left = system.resend_interval - store.now().since(last);
    if left <= 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::TooSoon,
        format!("a code was sent by {} a moment ago", method.name()),
    )
    .hint(format!(
        "try again in {left} s, or ask by another method with --method"
    ))
    .with("retry_after", left))
}

/// What is said when the limit of codes within the hour is reached; `None`: it is not.
pub(super) fn full(store: &Store, system: &System, user: i64) -> Result<Option<Error>> {
    if system.send_limit == 0 {
        return Ok(None);
    }
    Ok(
        outbox::full_since(store, user, system.send_limit)?.map(|since| {
            let left = 3_600 - store.now().since(since);
            Error::new(
                Kind::SendLimit,
                format!(
                    "{} sent to this user within the hour",
                    crate::name::counted(
                        system.send_limit.unsigned_abs(),
                        "code was",
                        "codes were"
                    )
                ),
            )
            .hint(format!("try again in {left} s"))
            .with("retry_after", left)
        }),
    )
}

/// What an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Right, and consumed.
    Right {
        /// Recovery codes left, where one was used.
        recovery_codes: Option<i64>,
    },
    /// Refused, for this reason.
    Refused {
        /// One of the kinds with exit codes 11 to 16.
        kind: Kind,
        /// Why, for the audit log.
        why: &'static str,
        /// Tries left before the penalty, where they are counted.
        left: Option<i64>,
        /// The end of the lock, where there is one.
        until: Option<Time>,
    },
}

impl Answer {
    fn refused(kind: Kind) -> Answer {
        Answer::Refused {
            kind,
            why: kind.code(),
            left: None,
            until: None,
        }
    }
}

/// What is compared: the answer to a challenge, or a code given with the command itself.
#[derive(Clone, Copy)]
pub(crate) struct Compare<'a> {
    pub(crate) challenge: Option<&'a Challenge>,
    pub(crate) method: Method,
    pub(crate) code: &'a Secret,
    /// Whether a code used before counts as a try: not where an administrator confirms.
    pub(crate) count_replay: bool,
}

/// Judges an answer in the order of SEMANTICS, consumes a right one, counts a wrong one. A right one closes the
/// challenge and starts the counter anew.
pub(crate) fn judge(
    tx: &Tx<'_>,
    who: &Who,
    system: &System,
    user: &User,
    compare: Compare<'_>,
) -> Result<Answer> {
    let now = tx.now();
    let standing = compare
        .challenge
        .map_or(challenge::Standing::Open, |challenge| {
            challenge.standing(now)
        });
    if let Some(kind) = decide::before_compare(standing, user, now) {
        let until = user.locked_until.filter(|_| kind == Kind::Locked);
        return Ok(Answer::Refused {
            kind,
            why: kind.code(),
            left: None,
            until,
        });
    }
    let compared = match compare.method {
        Method::Totp => match authenticator::consume(tx, user.id, compare.code, system.drift)? {
            Some(Judged::Right { .. }) => Compared::Right {
                recovery_codes: None,
            },
            Some(Judged::Replay) => Compared::Replay,
            Some(Judged::Wrong) => Compared::Wrong,
            None => return Ok(Answer::refused(Kind::NoSecondFactor)),
        },
        Method::RecoveryCodes => match recovery::consume(tx, user.id, compare.code)? {
            Used::Right { left } => Compared::Right {
                recovery_codes: Some(left),
            },
            Used::Before => Compared::Replay,
            Used::Wrong => Compared::Wrong,
        },
        Method::Email | Method::Sms => match compare.challenge {
            Some(challenge) if challenge.method == compare.method => {
                sent_code(tx, challenge, compare.code)?
            }
            _ => {
                return Ok(Answer::Refused {
                    kind: Kind::SecondFactorExpired,
                    why: "no_code_sent",
                    left: None,
                    until: None,
                });
            }
        },
    };
    match compared {
        Compared::Right { recovery_codes } => {
            if let Some(challenge) = compare.challenge {
                challenge::close(tx, challenge.id, Closed::Answered)?;
            }
            tries::succeed(tx, user.id)?;
            Ok(Answer::Right { recovery_codes })
        }
        Compared::Expired(why) => Ok(Answer::Refused {
            kind: Kind::SecondFactorExpired,
            why,
            left: None,
            until: None,
        }),
        Compared::Replay if !compare.count_replay => Ok(Answer::refused(Kind::SecondFactorUsed)),
        Compared::Replay => counted(tx, who, system, user, Kind::SecondFactorUsed),
        Compared::Wrong => counted(tx, who, system, user, Kind::SecondFactorWrong),
    }
}

enum Compared {
    Right {
        recovery_codes: Option<i64>,
    },
    Replay,
    Wrong,
    /// Not compared.
    Expired(&'static str),
}

/// A sent code is valid from the moment the server took it; outside its life it is not even compared.
fn sent_code(tx: &Tx<'_>, challenge: &Challenge, code: &Secret) -> Result<Compared> {
    match challenge.code_expires_at {
        None => Ok(Compared::Expired("code_not_sent")),
        // A clock that was set back: the code was taken at a moment that is yet to come.
        Some(_)
            if challenge
                .accepted_at
                .is_some_and(|accepted| tx.now() < accepted) =>
        {
            Ok(Compared::Expired("code_not_sent"))
        }
        Some(expires) if expires <= tx.now() => {
            Ok(Compared::Expired(Kind::SecondFactorExpired.code()))
        }
        Some(_) if challenge.is_code(tx, code)? => Ok(Compared::Right {
            recovery_codes: None,
        }),
        Some(_) => Ok(Compared::Wrong),
    }
}

/// Counts a try; the one that brings the penalty already answers with it.
fn counted(tx: &Tx<'_>, who: &Who, system: &System, user: &User, kind: Kind) -> Result<Answer> {
    let why = kind.code();
    Ok(match tries::count(tx, who, system, user)? {
        Penalty::Nothing { left } => Answer::Refused {
            kind,
            why,
            left,
            until: None,
        },
        Penalty::Lock { until } => Answer::Refused {
            kind: Kind::Locked,
            why,
            left: Some(0),
            until: Some(until),
        },
        Penalty::Deactivate => Answer::Refused {
            kind: Kind::Deactivated,
            why,
            left: Some(0),
            until: None,
        },
    })
}

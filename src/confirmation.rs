//! Confirming with the acting user's own second factor: administrator actions, and changes of one's own second factor.
//!
//! A confirmation is bound to the command and to what it would change: a code asked for one change confirms no other.
//! By an app or a recovery code it is one step; by email or SMS the first run sends the code and is refused with the
//! challenge, and the same command with the code performs it.

use serde_json::json;

use crate::actor::Session;
use crate::ask::Ask;
use crate::audit::{Entry, Event, Outcome, append};
use crate::challenge::{self, About, Purpose};
use crate::error::{Error, Kind, Result};
use crate::login::decide;
use crate::login::facts::{Person, System};
use crate::login::second::{self, Answer, Compare, Question};
use crate::login::tries;
use crate::method::Method;
use crate::plan::{Change, Warning};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::user;
use crate::vault::{Label, same};

const BINDING: Label = Label("challenge.binding");

/// What the command line says about the confirmation.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--confirm-code`.
    pub code: Option<Secret>,
    /// `--confirm-method`.
    pub method: Option<Method>,
    /// `--confirm-challenge`.
    pub challenge: Option<String>,
    /// `--override`.
    pub skip: bool,
}

/// What has to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// A few words that end the sentence "confirm …".
    pub what: String,
    /// What the confirmation is bound to beside the changes.
    pub beside: Vec<u8>,
    /// It is the acting user's own second factor that changes: asked for whether or not logins ask for it, and never
    /// passed over.
    pub own: bool,
}

/// What was found out before the transaction.
#[derive(Debug)]
pub enum Prepared {
    /// Nothing is asked of this user for this command.
    NotNeeded,
    /// It goes unconfirmed, for this reason.
    Skipped(&'static str),
    /// This code has to be right.
    Code {
        /// The method.
        method: Method,
        /// The code.
        code: Secret,
        /// The challenge it answers, where a code was sent.
        challenge: Option<String>,
        /// What it is bound to beside the changes.
        beside: Vec<u8>,
    },
}

impl Prepared {
    /// What is said beside the answer.
    #[must_use]
    pub fn warning(&self) -> Option<Warning> {
        let Prepared::Skipped(why) = self else {
            return None;
        };
        let message = if *why == "override" {
            "this administrator action was not confirmed: --override."
        } else {
            "this administrator action was not confirmed: the acting user has no usable second factor."
        };
        Some(Warning {
            kind: "unconfirmed",
            message: message.to_owned(),
            hint: None,
        })
    }
}

/// What exactly is confirmed: the command and its changes, without the values they replace by others, and what neither
/// shows: secrets, and how many users may be locked out.
fn binding(session: &Session, store: &Store, changes: &[Change], beside: &[u8]) -> Result<Vec<u8>> {
    let changes: Vec<_> = changes
        .iter()
        .map(|change| {
            let fields: Vec<_> = change
                .fields
                .iter()
                .map(|field| {
                    // What goes is named by what it was.
                    let gone = field.new.is_null().then_some(&field.old);
                    json!([field.name, field.said.as_ref().unwrap_or(&field.new), gone])
                })
                .collect();
            json!([change.noun, change.key, change.op, fields])
        })
        .collect();
    let bound = store.vault()?.hash(
        BINDING,
        &[
            session.verb.path.as_bytes(),
            json!(changes).to_string().as_bytes(),
            beside,
        ],
    )?;
    Ok(bound.to_vec())
}

/// Whether logins of the acting user ask for a second factor, so that administrator actions do too.
pub(crate) fn applies(store: &Store, session: &Session) -> Result<bool> {
    let person = Person::load(store, user::get(store, session.actor.user.id)?)?;
    Ok(decide::uses(&System::load(store)?, &person))
}

/// `--override`: who may, with a reason.
fn skip(session: &Session) -> Result<Prepared> {
    if !session.actor.authority.is_own() {
        return Err(Error::new(
            Kind::NotPermitted,
            "--override is for root and the store's owner",
        ));
    }
    if session
        .note
        .as_ref()
        .is_none_or(|note| note.trim().is_empty())
    {
        return Err(Error::new(Kind::Usage, "--override needs a reason")
            .hint("say why with --reason TEXT; it is kept in the audit log"));
    }
    Ok(Prepared::Skipped("override"))
}

/// Finds out whether this command must be confirmed, and gets the code: given, asked for, or sent.
///
/// # Errors
/// [`Kind::ConfirmationRequired`] with what to do next; [`Kind::Delivery`]; [`Kind::Usage`] for `--override` without
/// `--reason`.
pub fn prepare(
    session: &Session,
    need: &Need,
    changes: &[Change],
    given: &Given,
    ask: &mut dyn Ask,
) -> Result<Prepared> {
    let store = &session.store;
    let what = need.what.as_str();
    let system = System::load(store)?;
    let person = Person::load(store, session.actor.user.clone())?;
    if !need.own && !decide::uses(&system, &person) {
        return Ok(Prepared::NotNeeded);
    }
    if given.skip && !need.own {
        return skip(session);
    }
    let mut usable = decide::usable(&system, &person);
    if need.own && person.authenticator && !usable.contains(&Method::Totp) {
        usable.push(Method::Totp);
    }
    let Some(first) = usable.first().copied() else {
        return if session.actor.authority.is_own() && !need.own {
            Ok(Prepared::Skipped("no_usable_method"))
        } else {
            Err(required(what, "you have no usable second factor")
                .hint("connect one, or ask another administrator"))
        };
    };
    let method = given.method.unwrap_or(first);
    if let Some(token) = &given.challenge {
        let code = match &given.code {
            Some(code) => code.clone(),
            None => ask.code("Confirmation code")?.ok_or_else(|| {
                required(what, "the code is missing").hint("give it with --confirm-code")
            })?,
        };
        let method = challenge::find(store, token).map_or(method, |challenge| challenge.method);
        return Ok(Prepared::Code {
            method,
            code,
            challenge: Some(token.clone()),
            beside: need.beside.clone(),
        });
    }
    if !usable.contains(&method) {
        let names: Vec<&str> = usable.iter().map(|method| method.code()).collect();
        return Err(Error::new(
            Kind::InvalidValue,
            format!("you cannot confirm by {} now", method.name()),
        )
        .hint(format!("you can use {}", names.join(", "))));
    }
    if method.is_sent() {
        return send(session, &system, &person, method, need, changes, ask);
    }
    let code = match &given.code {
        Some(code) => Some(code.clone()),
        None => ask.code(&format!("To confirm {what}: {} code", method.name()))?,
    };
    match code {
        Some(code) => Ok(Prepared::Code {
            method,
            code,
            challenge: None,
            beside: Vec::new(),
        }),
        None => Err(required(what, "your second factor is needed")
            .hint(format!(
                "repeat the command with --confirm-code N, a code of {}",
                article(method)
            ))
            .with("method", method.code())),
    }
}

fn article(method: Method) -> &'static str {
    match method {
        Method::Totp => "your authenticator app",
        Method::RecoveryCodes => "your recovery codes",
        Method::Email | Method::Sms => "the message",
    }
}

fn required(what: &str, why: &str) -> Error {
    Error::new(Kind::ConfirmationRequired, format!("confirm {what}: {why}"))
}

fn send(
    session: &Session,
    system: &System,
    person: &Person,
    method: Method,
    need: &Need,
    changes: &[Change],
    ask: &mut dyn Ask,
) -> Result<Prepared> {
    let (store, what) = (&session.store, need.what.as_str());
    let question = Question::New {
        purpose: Purpose::Confirmation,
        about: About {
            binding: Some(binding(session, store, changes, &need.beside)?),
            ..About::default()
        },
        entry: Entry::new(Event::CONFIRMATION_ASKED, Outcome::Ok).reason(session.verb.path),
    };
    let asked = second::ask(store, &session.who(), system, person, method, question)?;
    let destination = asked.destination.clone().unwrap_or_default();
    match ask.code(&format!(
        "To confirm {what}: the code sent to {destination}"
    ))? {
        Some(code) => Ok(Prepared::Code {
            method,
            code,
            challenge: Some(asked.challenge),
            beside: need.beside.clone(),
        }),
        None => Err(required(what, &format!("a code was sent to {destination}"))
            .hint(format!(
                "repeat the command with --confirm-challenge {} --confirm-code N",
                asked.challenge
            ))
            .with("challenge", asked.challenge)
            .with("method", method.code())
            .with("expires_at", asked.expires_at.to_string())),
    }
}

/// Checks and consumes the confirmation in the transaction of the change. The inner error is a refusal that must be
/// committed with what it counted.
pub(crate) fn consume(
    tx: &Tx<'_>,
    session: &Session,
    prepared: &Prepared,
    changes: &[Change],
) -> Result<Result<()>> {
    let came = match prepared {
        Prepared::NotNeeded => return Ok(Ok(())),
        Prepared::Skipped(why) => {
            keep(
                tx,
                session,
                Event::CONFIRMATION_SKIPPED,
                Outcome::Ok,
                Some(why),
            )?;
            return Ok(Ok(()));
        }
        Prepared::Code {
            method,
            code,
            challenge,
            beside,
        } => {
            let bound = binding(session, tx, changes, beside)?;
            judge(tx, session, *method, code, challenge.as_deref(), &bound)?
        }
    };
    match came {
        Ok(()) => {
            keep(tx, session, Event::CONFIRMATION_GIVEN, Outcome::Ok, None)?;
            Ok(Ok(()))
        }
        Err((kind, message)) => {
            keep(
                tx,
                session,
                Event::CONFIRMATION_WRONG,
                Outcome::Denied,
                Some(kind.code()),
            )?;
            Ok(Err(
                Error::new(kind, message).hint("repeat the command to confirm it anew")
            ))
        }
    }
}

fn keep(
    tx: &Tx<'_>,
    session: &Session,
    event: Event,
    outcome: Outcome,
    reason: Option<&str>,
) -> Result<()> {
    let user = &session.actor.user;
    let mut entry = Entry::new(event, outcome)
        .user(user.id, user.login.as_str())
        .detail(json!({ "command": session.verb.path }));
    if let Some(reason) = reason {
        entry = entry.reason(reason);
    }
    append(tx, &session.who(), &entry).map(|_| ())
}

type Refusal = (Kind, &'static str);

/// Judges the code: the challenge must be this user's and bound to this very change.
fn judge(
    tx: &Tx<'_>,
    session: &Session,
    method: Method,
    code: &Secret,
    token: Option<&str>,
    want: &[u8],
) -> Result<Result<(), Refusal>> {
    let user = tries::settle(tx, &session.who(), user::get(tx, session.actor.user.id)?)?;
    let challenge = match token.map(|token| challenge::find(tx, token)).transpose() {
        Ok(challenge) => challenge,
        Err(error) if error.kind() == Kind::NotFound => {
            return Ok(Err((
                Kind::ConfirmationWrong,
                "there is no such confirmation challenge",
            )));
        }
        Err(error) => return Err(error),
    };
    if let Some(challenge) = &challenge {
        let bound = challenge
            .binding
            .as_deref()
            .is_some_and(|bound| same(want, bound));
        let own = challenge.user == user.id && challenge.purpose == Purpose::Confirmation;
        // What it confirmed has changed things, so a used one no longer fits; it is said to be used.
        let closed = challenge.standing(tx.now()) == challenge::Standing::Closed;
        if !own || !(bound || closed) {
            return Ok(Err((
                Kind::ConfirmationWrong,
                "the challenge confirms another command",
            )));
        }
    }
    let system = System::load(tx)?;
    let person = Person::load(tx, user.clone())?;
    let usable = decide::usable(&system, &person).contains(&method)
        || method == Method::Totp && person.authenticator;
    if decide::before_compare(challenge::Standing::Open, &user, tx.now()).is_none() && !usable {
        return Ok(Err((
            Kind::ConfirmationWrong,
            "the confirmation is refused: you cannot use that method now",
        )));
    }
    let compare = Compare {
        challenge: challenge.as_ref(),
        method,
        code,
        count_replay: false,
    };
    let refused = match second::judge(tx, &session.who(), &system, &user, compare)? {
        Answer::Right { .. } => return Ok(Ok(())),
        Answer::Refused { kind, .. } => kind,
    };
    Ok(Err(match refused {
        Kind::SecondFactorUsed => (
            Kind::ConfirmationUsed,
            "the confirmation code was used before",
        ),
        Kind::SecondFactorExpired => (
            Kind::ConfirmationExpired,
            "the confirmation code has expired",
        ),
        Kind::Locked => (
            Kind::ConfirmationWrong,
            "the confirmation is refused: you are locked",
        ),
        Kind::Deactivated => (
            Kind::ConfirmationWrong,
            "the confirmation is refused: you are deactivated",
        ),
        _ => (Kind::ConfirmationWrong, "the confirmation code is wrong"),
    }))
}

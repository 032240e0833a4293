//! What a login would do, and why: the decision that judges logins, told rule by rule.
//!
//! It takes the password as right, and decides with [`super::decide`] on the facts that a login would load. Nothing is
//! sent, counted, consumed or written. The moment is that of the store's clock, which may stand anywhere
//! ([`Store::stand_still`]); the state is the one the store is in, or would be in after a policy.

mod asked;
mod sso;
#[cfg(test)]
mod tests;
mod words;

use serde::Serialize;
use serde_json::{Value, json};

use self::words::Teller;
use super::decide::{self, Channel, First, Next};
use super::facts::{Person, System};
use super::second;
use super::verdict::{Outcome, masked};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::method::Method;
use crate::setting;
use crate::store::Store;
use crate::user::User;

/// What is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// How the login comes in.
    pub channel: Channel,
    /// The method it wishes for.
    pub method: Option<Method>,
    /// The identity provider it names: of a login through that, whoever it is of.
    pub idp: Option<&'a str>,
}

/// The answer. Its keys are never left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// What the login comes to before its second factor, as `login start` answers; through an identity provider, what it
    /// comes to if that lets them in: `redirect`, or what keeps them out all the same.
    pub outcome: Outcome,
    /// Why, when it is not granted: the word of a kind.
    pub reason: Option<&'static str>,
    /// Login of the user.
    pub user: String,
    /// The moment it is about.
    pub at: Time,
    /// How the login comes in.
    pub channel: &'static str,
    /// The identity provider it goes through; `null`: it goes by password.
    pub idp: Option<String>,
    /// The method that is asked for.
    pub method: Option<Method>,
    /// All methods this user could use, in the order in which they are asked.
    pub methods: Vec<Method>,
    /// The verdict as a sentence.
    pub summary: String,
    /// The commands that would make it another one.
    pub change_with: Vec<String>,
    /// Each rule in the order in which it was asked.
    pub steps: Vec<Rule>,
}

/// A rule that was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// The word scripts match on: `type`, `active`, `password`, `lock`, `channel`, `sso`, `must_change`,
    /// `password_age`, `enable_2fa`, `can_use_2fa`, `method` (once for each), `order`, `connect`, `send_limit`, `delivery`, `tries`,
    /// `offer`; through an identity provider `type`, `sso`, `idp`, `active`, `lock`, `second_factor`.
    pub rule: &'static str,
    /// The fact it looked at.
    pub fact: Value,
    /// The row or setting that decided: `setting Enable2FA`, `permission CanUse2FA row 1`, `user active`.
    pub decided_by: String,
    /// The sentence.
    pub because: String,
    /// `continues`; of a method, whether it is usable; of the rule that decides, the outcome.
    pub effect: &'static str,
    /// The command that would make it another; `null`: there is none.
    pub change_with: Option<String>,
}

/// Explains the login of a user, at the moment of the store's clock.
///
/// # Errors
/// [`Kind::NotFound`] for a provider that is named; [`Kind::Storage`].
pub fn explain(store: &Store, user: &User, question: Question<'_>) -> Result<Explanation> {
    let system = System::load(store)?;
    let person = Person::load(store, user.clone())?;
    let teller = Teller {
        store,
        system: &system,
        person: &person,
    };
    match sso::sent(&teller, &question)? {
        Some(sent) => sso::explain(&teller, &question, &sent),
        None => by_password(&teller, question),
    }
}

/// Explains a login by password.
fn by_password(teller: &Teller<'_>, question: Question<'_>) -> Result<Explanation> {
    let (store, system, person) = (teller.store, teller.system, teller.person);
    let user = &person.user;
    // Where no password is of use, it matters to nobody whether there is one.
    let first = if user.has_password || decide::must_use_sso(system, person) {
        First::Right
    } else {
        First::Wrong
    };
    let mut trail = Vec::new();
    let next = decide::after_first(
        system,
        person,
        first,
        question.channel,
        question.method,
        store.now(),
        &mut trail,
    );
    let mut steps = trail
        .into_iter()
        .map(|step| teller.tell(step))
        .collect::<Result<Vec<Rule>>>()?;
    let password = steps.iter().position(|rule| rule.rule == "password");
    if let Some(at) = password.filter(|_| steps.iter().all(|rule| rule.rule != "sso"))
        && let Some(gone) = teller.gone()?
    {
        steps.insert(at, gone);
    }
    let full = match next {
        Next::Ask(method) if method.is_sent() => second::full(store, system, user.id)?,
        _ => None,
    };
    let (outcome, method) = came(&next, full.as_ref());
    // The last rule that was asked is the one that decided, unless its code cannot leave.
    let decided = steps.len().saturating_sub(1);
    if let Some(last) = steps.get_mut(decided)
        && full.is_none()
    {
        last.effect = outcome.code();
    }
    if let Next::Ask(method) = next {
        steps.extend(after(teller, method, full.as_ref())?);
    }
    let change_with = changes(&next, &steps, decided, full.as_ref());
    Ok(Explanation {
        summary: teller.summary(&next, full.as_ref())?,
        outcome,
        reason: outcome.kind().map(Kind::code),
        user: user.login.clone(),
        at: store.now(),
        channel: question.channel.code(),
        idp: None,
        method,
        methods: match next {
            Next::Ask(_) | Next::NotUsable(_) => decide::usable(system, person),
            _ => Vec::new(),
        },
        change_with,
        steps,
    })
}

/// What would change the verdict: the rule that decided, and where no method was usable, each of them.
fn changes(next: &Next, steps: &[Rule], decided: usize, full: Option<&Error>) -> Vec<String> {
    let lacking = |rule: &Rule| {
        let is = |method: &Method| rule.fact["method"] == json!(method);
        match next {
            Next::Denied(Kind::NoSecondFactor, _) | Next::Enrol => rule.rule == "method",
            Next::NotUsable(wished) => is(wished),
            // Whoever has no password may have had a provider.
            Next::Denied(_, "no_password") => rule.rule == "sso",
            _ => false,
        }
    };
    let mut changes = Vec::new();
    for (at, rule) in steps.iter().enumerate() {
        let is_full = rule.effect == "denied" && rule.rule == "send_limit";
        if (at == decided && full.is_none() || lacking(rule) || is_full)
            && let Some(command) = &rule.change_with
            && !changes.contains(command)
        {
            changes.push(command.clone());
        }
    }
    changes
}

fn came(next: &Next, full: Option<&Error>) -> (Outcome, Option<Method>) {
    match (next, full) {
        (_, Some(full)) => (Outcome::Denied(full.kind()), None),
        (Next::Granted, None) => (Outcome::Granted, None),
        (Next::Ask(method), None) => (Outcome::SecondFactorRequired, Some(*method)),
        (Next::Enrol, None) => (Outcome::EnrolmentRequired, Some(Method::Totp)),
        (Next::Denied(kind, _), None) => (Outcome::Denied(*kind), None),
        (Next::NotUsable(method), None) => (Outcome::Denied(Kind::MethodNotUsable), Some(*method)),
    }
}

/// What follows once a method is asked for: whether its code leaves, where it goes, what wrong ones cost.
fn after(teller: &Teller<'_>, method: Method, full: Option<&Error>) -> Result<Vec<Rule>> {
    let mut steps = Vec::new();
    if method.is_sent() {
        steps.push(teller.send_limit(full));
        if full.is_none() {
            let sender = second::sender(teller.store, teller.person, method)?;
            let setting = if method == Method::Sms {
                &setting::SMS_PROVIDER
            } else {
                &setting::MAILBOX_2FA
            };
            steps.push(teller.delivery(setting.code, sender.through.name(), &masked(&sender.to)));
        }
    }
    if full.is_none() {
        steps.push(teller.tries()?);
        if decide::offers_connection(teller.system, teller.person) {
            steps.push(teller.offer());
        }
    }
    Ok(steps)
}

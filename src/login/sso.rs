//! Logging in through an identity provider: sending a browser there, and judging what comes back.
//!
//! A login that is sent makes a request and waits for its answer; the answer is judged by `sso`, which knows no store, with no
//! transaction open. Then, in one transaction: the login is open, the provider is as it was judged by, the assertion counts
//! for the first time, it leads to a user whom this provider may speak for, and they are let in. Whatever is refused has a
//! word of its own in the log.

use super::decide;
use super::facts::{Person, System};
use super::provision::{self, NotAdded};
use super::redirected::{self, Closed, For, Redirected};
use super::run::{self, unknown_login};
use super::tries;
use super::verdict::{Outcome as Came, Sso, Verdict};
use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, Who, append};
use crate::challenge;
use crate::error::{Error, Kind, Result};
use crate::idp::subject::{self, Called, user_of};
use crate::idp::{self, Idp, Stored, trust};
use crate::name::visible;
use crate::plan::Warning;
use crate::sso::request::{Wanted, redirect};
use crate::sso::response::{Expected, SKEW, judge};
use crate::sso::{Asserted, Ours, Provider, Refusal, Refused, line};
use crate::store::{Store, Tx};
use crate::user::state::logged_in;
use crate::user::{self, User};

/// What `login start` is told of a login through a provider.
#[derive(Debug)]
pub struct Send<'a> {
    /// Login or email, as typed; `None`: the provider is to say who it is.
    pub login: Option<&'a str>,
    /// The provider.
    pub idp: &'a Idp,
    /// Whether whoever is logged in there has to log in again.
    pub force: bool,
}

/// The provider through which a login goes for which no password was given; `None`: it goes by password.
///
/// # Errors
/// [`Kind::BlankLogin`], [`Kind::NotPermitted`]; [`Kind::NotFound`] for `named`; [`Kind::Storage`].
pub fn way(session: &Session, login: Option<&str>, named: Option<&str>) -> Result<Option<Idp>> {
    let store = &session.store;
    match login {
        Some(login) => run::may_start(session, login)?,
        None => session.permit(None)?,
    }
    if let Some(name) = named {
        return idp::find(store, name).map(Some);
    }
    let known = login.map(|login| user::lookup(store, login)).transpose()?;
    let Some(user) = known.flatten() else {
        return Ok(None);
    };
    let (system, person) = (System::load(store)?, Person::load(store, user)?);
    let own = decide::goes_through(&system, &person);
    own.map(|id| idp::get(store, id)).transpose()
}

/// Sends a login to a provider.
///
/// # Errors
/// [`Kind::NotPermitted`]; [`Kind::InvalidValue`] when the provider is not enabled; storage and key errors.
pub fn send(session: &Session, send: &Send<'_>) -> Result<Verdict> {
    let (store, who, idp) = (&session.store, session.who(), send.idp);
    if !idp.enabled {
        return Err(idp::disabled(&idp.name));
    }
    let (provider, ours) = (trust::provider(store, idp)?, trust::ours(store, idp)?);
    let token = challenge::draw_token(store)?;
    let wanted = Wanted {
        force: send.force,
        relay_state: Some(&token),
    };
    let request = redirect(&provider, &ours, wanted, store.source())?;
    let (sent, user) = store.write(|tx| {
        let user = send
            .login
            .map(|login| user::lookup(tx, login))
            .transpose()?
            .flatten();
        if let Err(denied) = session.permit_in(tx, user.as_ref().map(|user| user.id))? {
            return Ok(Err(denied));
        }
        let whom = match (&user, send.login) {
            (Some(user), _) => For::User(user.id),
            (None, Some(login)) => For::Login(login),
            (None, None) => For::Anybody,
        };
        let sent = redirected::open(tx, &token, idp.id, whom, &request.id, send.force)?;
        let mut detail = serde_json::json!({ "idp": idp.name });
        if let For::Login(login) = whom {
            merge(&mut detail, unknown_login(tx, login)?);
        }
        let mut entry = Entry::new(Event::LOGIN_REDIRECTED, Outcome::Ok).detail(detail);
        if let Some(user) = &user {
            entry = entry.user(user.id, user.login.as_str());
        }
        append(tx, &who, &entry)?;
        Ok(Ok((sent, user)))
    })??;
    let login = match (&user, send.login) {
        (Some(user), _) => user.login.clone(),
        (None, login) => login.unwrap_or_default().trim().to_owned(),
    };
    let mut verdict = Verdict::new(Came::Redirect, login);
    verdict.challenge = Some(sent.token);
    verdict.expires_at = Some(sent.expires_at);
    verdict.sso = Some(Sso {
        redirect_url: Some(request.url),
        ..Sso::of(&idp.name)
    });
    Ok(verdict)
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    if let (Some(into), serde_json::Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

/// What an answer of a provider is to.
#[derive(Debug, Clone, Copy)]
pub enum To<'a> {
    /// A login that was sent.
    Challenge(&'a str),
    /// Nothing: the provider of this name began.
    Nothing(&'a str),
}

/// Whether the acting user may hand in an answer, judged before anything is read of it.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::NotPermitted`]; [`Kind::Usage`] for a challenge that waits for a code.
pub fn may_answer(session: &Session, to: To<'_>) -> Result<()> {
    waiting(session, to).map(|_| ())
}

/// The login that waits, and its provider.
fn waiting(session: &Session, to: To<'_>) -> Result<(Option<Redirected>, i64)> {
    let store = &session.store;
    let token = match to {
        To::Nothing(name) => {
            session.permit(None)?;
            return Ok((None, idp::find(store, name)?.id));
        }
        To::Challenge(token) => token,
    };
    let Some(sent) = redirected::find(store, token)? else {
        run::may_answer(session, token)?;
        let message = format!("the challenge `{}` waits for a code", visible(token.trim()));
        return Err(Error::new(Kind::Usage, message).hint("give it with --code N"));
    };
    let user = sent.user.map(|id| user::get(store, id)).transpose()?;
    session.permit(user.as_ref())?;
    let idp = sent.idp;
    Ok((Some(sent), idp))
}

/// A provider as an answer is judged by it.
struct Judge {
    idp: Idp,
    certificates: Vec<Stored>,
    provider: Provider,
    ours: Ours,
}

impl Judge {
    fn load(store: &Store, id: i64) -> Result<Judge> {
        let idp = idp::get(store, id)?;
        Ok(Judge {
            certificates: idp::certificates(store, id)?,
            provider: trust::provider(store, &idp)?,
            ours: trust::ours(store, &idp)?,
            idp,
        })
    }

    /// Whether the provider is what it was when this was loaded.
    fn still_holds(&self, store: &Store) -> Result<bool> {
        let now = idp::maybe(store, self.idp.id)?;
        Ok(now.as_ref() == Some(&self.idp)
            && idp::certificates(store, self.idp.id)? == self.certificates)
    }
}

/// Judges what a provider answered: the form field `SAMLResponse`.
///
/// # Errors
/// As [`may_answer`]; storage and key errors, which are never a refusal.
pub fn verify(session: &Session, to: To<'_>, field: &str) -> Result<Verdict> {
    let store = &session.store;
    store.vault()?;
    loop {
        let (sent, idp) = waiting(session, to)?;
        let by = Judge::load(store, idp)?;
        let expected = Expected {
            provider: &by.provider,
            ours: &by.ours,
            request: sent.as_ref().map(|sent| sent.request.as_str()),
            now: store.now(),
            skew: SKEW,
        };
        // With no transaction open: signatures take their time.
        let judged = judge(field, &expected);
        let verdict = store.write(|tx| {
            let about = sent.as_ref().and_then(|sent| sent.user);
            if let Err(denied) = session.permit_in(tx, about)? {
                return Ok(Err(denied));
            }
            if !by.still_holds(tx)? {
                return Ok(Ok(None));
            }
            let sent = sent.map(|sent| redirected::get(tx, sent.id)).transpose()?;
            let answer = Answer {
                tx,
                who: &session.who(),
                idp: &by.idp,
                sent: sent.as_ref(),
            };
            answer.decide(judged).map(Some).map(Ok)
        })??;
        if let Some(verdict) = verdict {
            return Ok(verdict);
        }
    }
}

/// An answer about to be decided, under the write lock.
struct Answer<'a> {
    tx: &'a Tx<'a>,
    who: &'a Who,
    idp: &'a Idp,
    sent: Option<&'a Redirected>,
}

/// Why an answer lets nobody in.
struct Denied {
    kind: Kind,
    why: &'static str,
    sentence: String,
    found: Option<String>,
}

impl Denied {
    fn new(kind: Kind, why: &'static str, sentence: impl Into<String>) -> Denied {
        Denied {
            kind,
            why,
            sentence: sentence.into(),
            found: None,
        }
    }

    /// With what stood there, which may be as long as a response.
    fn found(mut self, found: &str) -> Denied {
        self.found = Some(line(found));
        self
    }
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Denied {
        let kind = match refused.why {
            Refusal::Expired | Refusal::SessionOver => Kind::SsoExpired,
            _ => Kind::SsoRefused,
        };
        Denied {
            kind,
            why: refused.why.word(),
            sentence: refused.to_string(),
            found: refused.found,
        }
    }
}

impl From<NotAdded> for Denied {
    fn from(not: NotAdded) -> Denied {
        let sentence = match not.why {
            "sso_unknown_user" => format!(
                "nobody here is called `{}`, and the provider may not add them",
                visible(&not.found)
            ),
            "sso_other_user" => {
                "the provider logged somebody else in than this login was begun for".to_owned()
            }
            _ => format!(
                "whoever the provider logged in cannot be added: {}",
                not.found
            ),
        };
        Denied::new(Kind::SsoRefused, not.why, sentence).found(&not.found)
    }
}

impl Answer<'_> {
    fn decide(&self, judged: std::result::Result<Asserted, Refused>) -> Result<Verdict> {
        if let Some(denied) = self.not_open() {
            return self.deny(denied, None, None);
        }
        let asserted = match judged {
            Ok(asserted) => asserted,
            Err(refused) => return self.deny(refused.into(), None, None),
        };
        // It counts now, whatever becomes of it: a second time it would be somebody else's.
        let first = redirected::count(
            self.tx,
            self.idp.id,
            &asserted.assertion_id,
            asserted.remember_until,
        )?;
        if !first {
            let why = "the provider's answer counted before";
            let denied = Denied::new(Kind::SsoUsed, "saml_replay", why);
            return self.deny(denied, None, Some(&asserted));
        }
        if let Some(sent) = self.sent {
            redirected::close(self.tx, sent.id, Closed::Answered)?;
        }
        if let Some(denied) = self.not_anew(&asserted) {
            return self.deny(denied, None, Some(&asserted));
        }
        match self.user(&asserted)? {
            Ok(found) => self.judge_user(found, &asserted),
            Err(denied) => self.deny(denied, None, Some(&asserted)),
        }
    }

    /// Why nothing is looked at: the login is over, or nobody comes through this provider.
    fn not_open(&self) -> Option<Denied> {
        let now = self.tx.now();
        match self.sent {
            Some(sent) if sent.closed => {
                let why = "the login was answered or cancelled";
                Some(Denied::new(Kind::SsoUsed, Kind::SsoUsed.code(), why))
            }
            Some(sent) if sent.expires_at <= now => {
                let why = "the provider answered too late";
                Some(Denied::new(Kind::SsoExpired, Kind::SsoExpired.code(), why))
            }
            _ if !self.idp.enabled => {
                let why = "the identity provider is not enabled";
                Some(Denied::new(Kind::SsoRefused, "sso_disabled", why))
            }
            _ => None,
        }
    }

    /// Why an answer is not enough that the provider gave without asking again. Whoever carries a request that is not signed
    /// could have taken the wish out of it.
    fn not_anew(&self, asserted: &Asserted) -> Option<Denied> {
        let sent = self.sent.filter(|sent| sent.forced)?;
        let since = sent.created_at.plus(-SKEW);
        if asserted.authn_at.is_some_and(|at| at >= since) {
            return None;
        }
        let why = "the provider did not ask anew, as this login wants it";
        let denied = Denied::new(Kind::SsoRefused, "sso_not_anew", why);
        let at = asserted.authn_at.map(|at| at.to_string());
        Some(denied.found(&at.unwrap_or_default()))
    }

    /// The user whom an assertion leads to, added where nobody is there yet.
    fn user(&self, asserted: &Asserted) -> Result<std::result::Result<Found, Denied>> {
        let called = match subject::called(self.idp, asserted) {
            Ok(called) => called,
            Err(unnamed) => {
                let why = unnamed.why(self.idp);
                let denied = Denied::new(Kind::SsoRefused, "sso_no_login", why);
                let attribute = self.idp.login_attribute.as_deref();
                return Ok(Err(denied.found(attribute.unwrap_or("NameID"))));
            }
        };
        let Called {
            subject,
            login,
            persistent,
        } = called.clone();
        if let Some(user) = user_of(self.tx, self.idp, &subject, &login)? {
            if subject::is_anothers(self.tx, self.idp, user.id, &called)? {
                let why = "the provider knows this user by another identifier, so that this one is somebody else";
                let denied = Denied::new(Kind::SsoRefused, "sso_other_subject", why);
                return Ok(Err(denied.found(&user.login)));
            }
            return Ok(Ok(Found {
                persistent,
                user,
                subject,
                created: false,
                warnings: Vec::new(),
            }));
        }
        if self.sent.is_some_and(|sent| sent.user.is_some()) {
            let why = "the provider logged somebody else in than this login was begun for";
            let denied = Denied::new(Kind::SsoRefused, "sso_other_user", why);
            return Ok(Err(denied.found(&login)));
        }
        let is_for = |names: &[&str]| match self.sent {
            Some(sent) => sent.is_for(self.tx, names),
            None => Ok(true),
        };
        let added = provision::add(self.tx, self.who, self.idp, &login, asserted, is_for)?;
        Ok(match added {
            Ok((user, warnings)) => Ok(Found {
                persistent,
                user,
                subject,
                created: true,
                warnings,
            }),
            Err(not) => Err(not.into()),
        })
    }

    /// Whether the login was begun for this user, or for nobody in particular.
    fn is_for(&self, user: &User) -> Result<bool> {
        let Some(sent) = self.sent else {
            return Ok(true);
        };
        if let Some(id) = sent.user {
            return Ok(id == user.id);
        }
        let email = user.email.as_deref().unwrap_or_default();
        sent.is_for(self.tx, &[&user.login, email])
    }

    /// Lets the user in, or says why not.
    fn judge_user(&self, found: Found, asserted: &Asserted) -> Result<Verdict> {
        let (tx, who) = (self.tx, self.who);
        let user = tries::settle(tx, who, found.user)?;
        if !self.is_for(&user)? {
            let why = "the provider logged somebody else in than this login was begun for";
            let denied = Denied::new(Kind::SsoRefused, "sso_other_user", why);
            return self.deny(denied.found(&user.login), Some(&user), Some(asserted));
        }
        let person = Person::load(tx, user.clone())?;
        let takes = self.idp.takes(user.kind);
        let administrators = self.idp.administrators;
        let taken = decide::after_sso(&person, administrators, takes, tx.now(), &mut ());
        if let decide::Next::Denied(kind, why) = taken {
            let sentence = refusal(kind, why);
            let denied = Denied::new(kind, why, sentence);
            return self.deny(denied, Some(&user), Some(asserted));
        }
        let mut warnings = found.warnings;
        let mut login = user.login.clone();
        if self.idp.update_users && !found.created {
            warnings.extend(provision::update(tx, who, self.idp, &user, asserted)?);
            login = user::get(tx, user.id)?.login;
        }
        let came = subject::Came {
            subject: &found.subject,
            contexts: &asserted.contexts,
            mfa: asserted.second_factor,
            created: found.created,
            persistent: found.persistent,
        };
        subject::keep(tx, self.idp, user.id, &came)?;
        logged_in(tx, user.id)?;
        let entry = Entry::new(Event::LOGIN_GRANTED, Outcome::Ok)
            .user(user.id, login.as_str())
            .detail(serde_json::json!({
                "method": null, "idp": self.idp.name, "subject": found.subject, "contexts": asserted.contexts,
                "second_factor": asserted.second_factor,
            }));
        append(tx, who, &entry)?;
        let mut verdict = Verdict::new(Came::Granted, login);
        verdict.challenge = self.sent.map(|sent| sent.token.clone());
        verdict.sso = Some(Sso {
            created: found.created,
            ..self.told(Some(asserted))
        });
        verdict.warnings = warnings;
        Ok(verdict)
    }

    fn deny(
        &self,
        denied: Denied,
        user: Option<&User>,
        asserted: Option<&Asserted>,
    ) -> Result<Verdict> {
        let tx = self.tx;
        let begun_for = match (user, self.sent.and_then(|sent| sent.user)) {
            (Some(user), _) => Some(user.clone()),
            (None, Some(id)) => user::maybe(tx, id)?,
            (None, None) => None,
        };
        let mut entry = Entry::new(Event::LOGIN_DENIED, Outcome::Denied)
            .reason(denied.why)
            .detail(serde_json::json!({ "idp": self.idp.name, "found": denied.found }));
        if let Some(user) = &begun_for {
            entry = entry.user(user.id, user.login.as_str());
        }
        append(tx, self.who, &entry)?;
        let login = begun_for.as_ref().map(|user| user.login.clone());
        let mut verdict = Verdict::new(Came::Denied(denied.kind), login.unwrap_or_default());
        verdict.challenge = self.sent.map(|sent| sent.token.clone());
        verdict.expires_at = user
            .and_then(|user| user.locked_until)
            .filter(|_| denied.kind == Kind::Locked);
        verdict.sso = Some(Sso {
            refusal: Some(denied.why),
            found: denied.found,
            sentence: Some(denied.sentence),
            ..self.told(asserted)
        });
        Ok(verdict)
    }

    /// What the provider said, as far as it is believed.
    fn told(&self, asserted: Option<&Asserted>) -> Sso {
        let sso = Sso::of(&self.idp.name);
        let Some(asserted) = asserted else { return sso };
        Sso {
            name_id: Some(asserted.name_id.value.clone()),
            name_id_format: asserted.name_id.format.clone(),
            session_index: asserted.session_index.clone(),
            contexts: asserted.contexts.clone(),
            second_factor: Some(asserted.second_factor),
            attributes: asserted.by_name(),
            ..sso
        }
    }
}

/// The user that was found.
struct Found {
    user: User,
    /// What the provider calls them.
    subject: String,
    persistent: bool,
    created: bool,
    warnings: Vec<Warning>,
}

fn refusal(kind: Kind, why: &str) -> String {
    match why {
        "sso_administrator" => "administrators may not come through this provider".to_owned(),
        "sso_type" => "users of this type may not come through this provider".to_owned(),
        "technical_user" => "a technical user logs in through OAuth only".to_owned(),
        _ => kind.meaning().to_owned(),
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;

//! What a login comes to: the one document of `login start`, `verify` and `simulate`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::first::Told;
use crate::authenticator::Enrolment;
use crate::clock::Time;
use crate::error::Kind;
use crate::method::Method;
use crate::plan::Warning;

/// The outcome of a login, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// In.
    Granted,
    /// The first factor was right; the second is asked for.
    SecondFactorRequired,
    /// The first factor was right; an app must be connected with it.
    EnrolmentRequired,
    /// It goes on at an identity provider.
    Redirect,
    /// Out, for this reason: one of the kinds with exit codes 4 and 10 to 17.
    Denied(Kind),
}

impl Outcome {
    /// The word of the document.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Outcome::Granted => "granted",
            Outcome::SecondFactorRequired => "second_factor_required",
            Outcome::EnrolmentRequired => "enrolment_required",
            Outcome::Redirect => "redirect",
            Outcome::Denied(_) => "denied",
        }
    }

    /// Why it is not granted.
    #[must_use]
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Outcome::Granted => None,
            Outcome::SecondFactorRequired => Some(Kind::SecondFactorRequired),
            Outcome::EnrolmentRequired => Some(Kind::EnrolmentRequired),
            Outcome::Redirect => Some(Kind::SsoRedirect),
            Outcome::Denied(kind) => Some(kind),
        }
    }

    /// The exit status.
    #[must_use]
    pub fn exit(self) -> u8 {
        self.kind().map_or(0, Kind::exit)
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// The part of an identity provider in a login. Its keys are never left out; what it said stands there only once it is
/// believed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sso {
    /// The provider's name.
    pub idp: String,
    /// Where the browser is sent.
    pub redirect_url: Option<String>,
    /// What the provider calls whoever logged in.
    pub name_id: Option<String>,
    /// What kind of name that is.
    pub name_id_format: Option<String>,
    /// The session there, for a logout.
    pub session_index: Option<String>,
    /// How it says they were authenticated.
    pub contexts: Vec<String>,
    /// Whether it says that they gave a second factor.
    pub second_factor: Option<bool>,
    /// What else it says of them.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Whether they were added by this login.
    pub created: bool,
    /// Why its answer lets nobody in: the word of the audit log.
    pub refusal: Option<&'static str>,
    /// What stood there instead. Nobody vouches for it.
    pub found: Option<String>,
    /// The refusal in words.
    #[serde(skip)]
    pub sentence: Option<String>,
}

#[cfg(feature = "saml")]
impl Sso {
    /// Of this provider, with everything else empty.
    #[must_use]
    pub(crate) fn of(idp: &str) -> Sso {
        Sso {
            idp: idp.to_owned(),
            ..Sso::default()
        }
    }
}

/// The document. Its keys are never left out.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, when it is not granted: the word of a kind.
    pub reason: Option<&'static str>,
    /// Login of the user; what was typed, when the first factor was wrong.
    pub user: String,
    /// The challenge to answer.
    pub challenge: Option<String>,
    /// The method that is asked for.
    pub method: Option<Method>,
    /// All methods this user could use now, in the order in which they are asked.
    pub methods: Vec<Method>,
    /// Where the code went, masked.
    pub destination: Option<String>,
    /// Until when the answer is accepted; when locked, until when.
    pub expires_at: Option<Time>,
    /// The app to connect.
    pub enrolment: Option<Enrolment>,
    /// The identity provider, and what it said.
    pub sso: Option<Sso>,
    /// What is worth saying beside it.
    pub warnings: Vec<Warning>,
    /// What the words tell, where the first factor was refused.
    #[serde(skip)]
    pub told: Option<Told>,
}

impl Verdict {
    /// `outcome` for `user`, with everything else empty.
    #[must_use]
    pub(crate) fn new(outcome: Outcome, user: impl Into<String>) -> Verdict {
        Verdict {
            outcome,
            reason: outcome.kind().map(Kind::code),
            user: user.into(),
            challenge: None,
            method: None,
            methods: Vec::new(),
            destination: None,
            expires_at: None,
            enrolment: None,
            sso: None,
            warnings: Vec::new(),
            told: None,
        }
    }
}

/// An address or a number as a bystander may see it: `a***e@example.com`, `+49*****678`.
#[must_use]
pub(crate) fn masked(destination: &str) -> String {
    if let Some((name, domain)) = destination.rsplit_once('@') {
        let mut letters = name.chars();
        let first = letters.next().unwrap_or('*');
        return match letters.next_back() {
            Some(last) => format!("{first}***{last}@{domain}"),
            None => format!("{first}***@{domain}"),
        };
    }
    let digits: Vec<char> = destination.chars().collect();
    if digits.len() < 7 {
        return "*".repeat(digits.len());
    }
    let (head, tail) = (&digits[..3], &digits[digits.len() - 3..]);
    head.iter()
        .copied()
        .chain(std::iter::repeat_n('*', digits.len() - 6))
        .chain(tail.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_masked() {
        for (plain, shown) in [
            ("alice@example.com", "a***e@example.com"),
            ("a@example.com", "a***@example.com"),
            ("+493012345678", "+49*******678"),
            ("+1234567", "+12**567"),
        ] {
            assert_eq!(masked(plain), shown);
        }
    }
}

//! `login start` and `login verify` through an identity provider.

use clap::Args;
use twofa::actor::Session;
use twofa::error::{Error, Kind, Result};
use twofa::login::decide::Channel;
use twofa::login::sso::{self, Send, To};
use twofa::login::verdict::{Sso, Verdict};
use twofa::name::{argument, unabridged};

use crate::commands::idp::response as whole;
use crate::complete;
use crate::session::Context;

/// Whether a login goes through a provider, and through which.
#[derive(Debug, Args)]
pub struct Through {
    /// Log in through this identity provider [default: the user's own]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["password_stdin", "password_file", "method"], add = complete::idps())]
    pub idp: Option<String>,
    /// Have the provider ask again whoever is logged in there
    #[arg(long)]
    pub force_authn: bool,
}

impl Through {
    /// Whether a login of this channel may go through a provider: people come through the web.
    pub fn goes(&self, channel: Channel) -> Result<bool> {
        if channel == Channel::Web {
            return Ok(true);
        }
        if self.idp.is_none() {
            return Ok(false);
        }
        let message = format!(
            "an identity provider logs people in, and the channel `{}` is for integrations",
            channel.code()
        );
        Err(Error::new(Kind::Usage, message).hint("leave --channel away"))
    }
}

/// Where the answer of a provider comes from.
#[derive(Debug, Args)]
pub struct Response {
    /// Read the provider's answer, the form field SAMLResponse, from standard input
    #[arg(long, conflicts_with_all = ["code", "code_stdin", "method"])]
    pub saml_response_stdin: bool,
    /// The provider that began this login by itself
    #[arg(
        long,
        value_name = "NAME",
        requires = "saml_response_stdin",
        conflicts_with = "challenge",
        add = complete::idps()
    )]
    pub idp: Option<String>,
}

impl Response {
    /// Refuses --idp where no response is given. The parser lets it pass beside what excludes a response.
    pub fn needs_response(&self) -> Result<()> {
        if self.idp.is_none() {
            return Ok(());
        }
        let message = "--idp is of a login that a provider began, and takes its answer";
        Err(Error::new(Kind::Usage, message).hint("give that with --saml-response-stdin"))
    }
}

/// Sends a login to a provider; `None`: it goes by password.
pub fn start(
    session: &Session,
    login: Option<&str>,
    by_password: bool,
    through: &Through,
) -> Result<Option<Verdict>> {
    if by_password {
        return Ok(None);
    }
    let Some(idp) = sso::way(session, login, through.idp.as_deref())? else {
        if through.force_authn {
            let message = "--force-authn is of a login through an identity provider";
            return Err(Error::new(Kind::Usage, message).hint("--idp NAME names one"));
        }
        return Ok(None);
    };
    let send = Send {
        login,
        idp: &idp,
        force: through.force_authn,
    };
    sso::send(session, &send).map(Some)
}

/// Judges what a provider answered.
pub fn verify(
    context: &Context,
    session: &Session,
    challenge: Option<&str>,
    response: &Response,
) -> Result<Verdict> {
    let to = match (challenge, &response.idp) {
        (Some(challenge), _) => To::Challenge(challenge),
        (None, Some(idp)) => To::Nothing(idp),
        (None, None) => {
            let message = "the challenge is missing that the provider answers";
            return Err(Error::new(Kind::Usage, message)
                .hint("`login start` gave it; --idp NAME is for a login that the provider began"));
        }
    };
    sso::may_answer(session, to)?;
    sso::verify(session, to, &whole(context)?)
}

/// What the provider said, for people.
pub fn table(told: &Sso) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("{name:<13}{}\n", unabridged(value)));
    };
    line("idp", &told.idp);
    for (name, value) in [("redirect", &told.redirect_url), ("name id", &told.name_id)] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if let Some(word) = told.refusal {
        line("refusal", word);
    }
    if !told.contexts.is_empty() {
        line("contexts", &told.contexts.join(", "));
    }
    if let Some(asserted) = told.second_factor {
        line(
            "2nd factor",
            if asserted { "asserted" } else { "not asserted" },
        );
    }
    text
}

/// What is said beside a login that goes on at a provider.
pub fn next(verdict: &Verdict) -> String {
    let challenge = verdict.challenge.as_deref().unwrap_or_default();
    format!("Send the browser there, then `twofa login verify {challenge} --saml-response-stdin`.")
}

/// Why a provider's answer lets nobody in.
pub fn refusal(kind: Kind, told: &Sso) -> Error {
    let sentence = told.sentence.clone().unwrap_or_default();
    let error = Error::new(kind, sentence);
    let name = argument(&told.idp);
    let hint = match told.refusal {
        // What a provider sent is over, and the login with it.
        Some("saml_replay" | "sso_used" | "sso_expired" | "sso_other_user") => {
            format!("begin anew: `twofa login start --idp {name}`")
        }
        Some(word) if word.starts_with("saml_") => {
            format!("`twofa idp test {name} --saml-response-stdin` tells more")
        }
        Some("sso_unknown_user") => {
            format!("add them, or let the provider: `twofa idp edit {name} --employees create`")
        }
        Some("sso_no_login") => {
            format!(
                "let the provider send it, or name another: `twofa idp edit {name} --login-attribute NAME`"
            )
        }
        Some("sso_other_subject") => format!(
            "`twofa idp edit {name} --unlink LOGIN` forgets the other, where they are the same person"
        ),
        Some("sso_administrator") => {
            format!("`twofa idp edit {name} --administrators yes` would let them")
        }
        Some("sso_disabled") => format!("`twofa idp enable {name}`"),
        _ => return error,
    };
    error.hint(hint)
}

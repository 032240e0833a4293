//! `login`: running logins.

#[cfg(feature = "saml")]
mod sso;

use clap::{Args, Subcommand, ValueEnum};
use twofa::actor::Session;
use twofa::challenge::{self, ChallengeRow};
use twofa::error::{Error, Kind, Result};
use twofa::login::decide::Channel;
use twofa::login::explain::{self, Explanation, Question};
#[cfg(feature = "saml")]
use twofa::login::redirected;
use twofa::login::run;
use twofa::login::verdict::{Outcome, Verdict};
use twofa::method::Method;
use twofa::name::{argument, unabridged, visible};
use twofa::user;

use super::authenticator::on_terminal;
use crate::answer::{self, Answer, row};
use crate::cli::{CodeFrom, Format, PasswordFrom};
use crate::complete;
use crate::session::Context;
use crate::ui::{Lines, Wanted};
use crate::what_if::WhatIf;

/// Run logins
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa login simulate alice\n  twofa login start alice --password-stdin -o json\n  twofa login verify CHALLENGE --code 123456 -o json"
)]
pub enum Login {
    /// Judge the password and ask for the second factor, or send to a provider
    #[command(
        after_help = "Examples:\n  twofa login start alice\n  printf '%s\\n' \"$PASSWORD\" | twofa login start alice --password-stdin\n  twofa login start alice --idp corp -o json"
    )]
    Start(Start),
    /// Send a new code, or switch the method
    #[command(
        after_help = "Examples:\n  twofa login resend CHALLENGE\n  twofa login resend CHALLENGE --method sms -o json"
    )]
    Resend(Resend),
    /// Judge the second factor, or what an identity provider answered
    #[command(
        after_help = "Examples:\n  twofa login verify CHALLENGE --code 123456\n  printf '%s\\n' \"$CODE\" | twofa login verify CHALLENGE --code-stdin\n  twofa login verify CHALLENGE --saml-response-stdin < response.txt"
    )]
    Verify(Verify),
    /// Cancel a pending login
    #[command(
        after_help = "Examples:\n  twofa login cancel CHALLENGE\n  twofa login cancel CHALLENGE -o json"
    )]
    Cancel(Named),
    /// List pending logins and confirmations
    #[command(
        after_help = "Examples:\n  twofa login list\n  twofa login list --user alice -o json"
    )]
    List(List),
    /// Explain what a login of a user would do, and why, without touching anything
    ///
    /// The rules are asked in the order in which a login asks them, by the same code; the password is taken to be typed
    /// right. Nothing is sent, counted or written.
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// Run a whole login, for real
    ///
    /// It sends codes, counts tries and can lock the user, exactly as a login of theirs would.
    #[command(
        after_help = "Examples:\n  twofa login simulate alice\n  printf '%s\\n' \"$PASSWORD\" | twofa login simulate alice --password-stdin\n  twofa login simulate alice --method totp --code 123456"
    )]
    Simulate(Simulate),
}

const EXPLAIN: &str = "Examples:
  twofa login explain alice
  twofa login explain alice --at 'in 30d'
  twofa login explain alice --policy policy.toml -o json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// A person, through a page
    Web,
    /// An integration with login and password
    Forms,
    /// An integration through OAuth
    Oauth,
}

impl From<By> for Channel {
    fn from(by: By) -> Channel {
        match by {
            By::Web => Channel::Web,
            By::Forms => Channel::Forms,
            By::Oauth => Channel::Oauth,
        }
    }
}

/// `login start`.
#[derive(Debug, Args)]
pub struct Start {
    /// Login or email address, in any case
    #[cfg_attr(feature = "saml", arg(required_unless_present = "idp"))]
    #[cfg_attr(not(feature = "saml"), arg(required = true))]
    #[arg(value_name = "USER", add = complete::users())]
    user: Option<String>,
    #[command(flatten)]
    begin: Begin,
    #[cfg(feature = "saml")]
    #[command(flatten)]
    through: sso::Through,
}

/// How somebody logs in.
#[derive(Debug, Args)]
pub struct Begin {
    #[command(flatten)]
    password: PasswordFrom,
    /// The method to ask for [default: the primary one]
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    method: Option<String>,
    /// How the login comes in
    #[arg(long, value_name = "CHANNEL", default_value = "web")]
    channel: By,
}

/// A challenge.
#[derive(Debug, Args)]
pub struct Named {
    /// The challenge that `start` answered with
    #[arg(value_name = "CHALLENGE", add = complete::challenges())]
    challenge: String,
}

/// `login resend`.
#[derive(Debug, Args)]
pub struct Resend {
    #[command(flatten)]
    named: Named,
    /// Switch to this method
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    method: Option<String>,
}

/// `login verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The challenge that `start` answered with
    #[cfg_attr(feature = "saml", arg(required_unless_present = "idp"))]
    #[cfg_attr(not(feature = "saml"), arg(required = true))]
    #[arg(value_name = "CHALLENGE", add = complete::challenges())]
    challenge: Option<String>,
    #[command(flatten)]
    code: CodeFrom,
    #[cfg(feature = "saml")]
    #[command(flatten)]
    response: sso::Response,
    /// The method the code is of [default: the one that was asked for]
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    method: Option<String>,
}

/// `login list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this user
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
}

/// `login explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Login or email address, in any case
    #[arg(value_name = "USER", add = complete::users())]
    user: String,
    #[command(flatten)]
    what_if: WhatIf,
    /// How the login comes in
    #[arg(long, value_name = "CHANNEL", default_value = "web")]
    channel: By,
    /// The method the login wishes for [default: the primary one]
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    method: Option<String>,
    /// The identity provider the login goes through [default: the user's own, for whom it goes through one]
    #[cfg(feature = "saml")]
    #[arg(long, value_name = "NAME", conflicts_with = "method", add = complete::idps())]
    idp: Option<String>,
}

/// `login simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// Login or email address, in any case
    #[arg(value_name = "USER", add = complete::users())]
    user: String,
    #[command(flatten)]
    begin: Begin,
    #[command(flatten)]
    code: CodeFrom,
}

const COLUMNS: &[&str] = &[
    "challenge",
    "user",
    "purpose",
    "method",
    "created_at",
    "expires_at",
];

pub fn run(context: &mut Context, verb: Login) -> Result<Answer> {
    match verb {
        Login::Start(args) => {
            #[cfg(feature = "saml")]
            {
                let by_password = args.begin.password.is_given() || args.begin.method.is_some();
                let (login, session) = (args.user.as_deref(), context.session()?);
                let channel = Channel::from(args.begin.channel);
                let by_password = by_password || !args.through.goes(channel)?;
                if let Some(verdict) = sso::start(&session, login, by_password, &args.through)? {
                    return answer(context, &verdict);
                }
            }
            let login = args.user.unwrap_or_default();
            let verdict = start(context, &login, &args.begin, false)?.1;
            answer(context, &verdict)
        }
        Login::Resend(args) => {
            let session = context.session()?;
            #[cfg(feature = "saml")]
            redirected::takes_codes(&session, &args.named.challenge)?;
            let verdict = run::resend(
                &session,
                &args.named.challenge,
                method(args.method.as_deref())?,
            )?;
            answer(context, &verdict)
        }
        Login::Verify(args) => verify(context, &args),
        Login::Cancel(named) => {
            let session = context.session()?;
            #[cfg(feature = "saml")]
            let sent = redirected::cancel(&session, &named.challenge)?;
            #[cfg(not(feature = "saml"))]
            let sent = None;
            let (row, changed) = match sent {
                Some(sent) => sent,
                None => run::cancel(&session, &named.challenge)?,
            };
            let sentence = if changed {
                "The login was cancelled."
            } else {
                "The login was over already."
            };
            Ok(Answer::thing(&row)?
                .changed(changed, Vec::new())
                .say(sentence))
        }
        Login::List(args) => list(context, &args),
        Login::Explain(args) => explain(context, &args),
        Login::Simulate(args) => simulate(context, &args),
    }
}

fn method(text: Option<&str>) -> Result<Option<Method>> {
    text.map(Method::parse).transpose()
}

/// Judges the first factor. What is left of standard input may hold the code.
fn start(
    context: &mut Context,
    login: &str,
    args: &Begin,
    code_stdin: bool,
) -> Result<(Session, Verdict, Lines)> {
    let session = context.session()?;
    run::may_start(&session, login)?;
    let method = method(args.method.as_deref())?;
    let mut lines = context.lines(Wanted {
        password: args.password.password_stdin,
        code: code_stdin,
        ..Wanted::default()
    })?;
    let password = context.password(&args.password, &mut lines, "Password", false)?;
    let verdict = run::start(
        &session,
        &run::Start {
            login,
            password: &password,
            method,
            channel: args.channel.into(),
        },
    )?;
    Ok((session, verdict, lines))
}

fn verify(context: &mut Context, args: &Verify) -> Result<Answer> {
    let session = context.session()?;
    let challenge = args.challenge.as_deref();
    #[cfg(feature = "saml")]
    if args.response.saml_response_stdin {
        let verdict = sso::verify(context, &session, challenge, &args.response)?;
        return answer(context, &verdict);
    }
    #[cfg(feature = "saml")]
    args.response.needs_response()?;
    let challenge = challenge.unwrap_or_default();
    #[cfg(feature = "saml")]
    redirected::takes_codes(&session, challenge)?;
    run::may_answer(&session, challenge)?;
    let method = method(args.method.as_deref())?;
    let mut lines = context.lines(Wanted {
        code: args.code.code_stdin,
        ..Wanted::default()
    })?;
    let code = context.code(&args.code, &mut lines, "Code")?;
    let verdict = run::verify(&session, challenge, &code, method)?;
    answer(context, &verdict)
}

fn list(context: &mut Context, args: &List) -> Result<Answer> {
    let session = context.session()?;
    let user = match &args.user {
        Some(login) => Some(session.about(login)?.id),
        None => session.only_oneself()?,
    };
    let mut rows: Vec<ChallengeRow> = challenge::list(&session.store, user)?;
    #[cfg(feature = "saml")]
    rows.extend(redirected::list(&session.store, user)?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
    Ok(Answer::list(COLUMNS, COLUMNS, rows))
}

fn explain(context: &mut Context, args: &Explain) -> Result<Answer> {
    context.only(&[Format::Table, Format::Json, Format::Ndjson])?;
    let session = context.session()?;
    // Whom only the policy knows is somebody else to whoever asks.
    let known = user::lookup(&session.store, &args.user)?;
    session.permit(known.as_ref())?;
    #[cfg(feature = "saml")]
    let idp = args.idp.as_deref();
    #[cfg(not(feature = "saml"))]
    let idp = None;
    let question = Question {
        channel: args.channel.into(),
        method: method(args.method.as_deref())?,
        idp,
    };
    if idp.is_some() && question.channel != Channel::Web {
        let message = "a login through an identity provider comes by the channel `web`";
        return Err(Error::new(Kind::Usage, message));
    }
    let looked = args.what_if.look(context, session, |store| {
        let user = match &known {
            Some(known) => user::get(store, known.id)?,
            None => user::find(store, &args.user)?,
        };
        explain::explain(store, &user, question)
    })?;
    let shown = explained(&looked.found, &looked.preface, crate::terminal_width())?;
    Ok(looked.said(Answer::thing(&looked.found)?.shown_as(shown)))
}

/// The trail as a helpdesk reads it.
fn explained(found: &Explanation, preface: &str, width: Option<u16>) -> Result<String> {
    let mut text = format!("{preface}{}\n\n", found.summary);
    let rows = found
        .steps
        .iter()
        .map(row)
        .collect::<Result<Vec<answer::Row>>>()?;
    text.push_str(&answer::table(
        &["rule", "because", "effect"],
        &rows,
        width,
    )?);
    if !found.change_with.is_empty() {
        text.push_str("\nWhat would change it:\n");
    }
    for command in &found.change_with {
        text.push_str(&format!("  {command}\n"));
    }
    Ok(text)
}

fn simulate(context: &mut Context, args: &Simulate) -> Result<Answer> {
    let has_code = args.code.code_stdin;
    let (session, verdict, mut lines) = start(context, &args.user, &args.begin, has_code)?;
    let Some(challenge) = verdict.challenge.clone() else {
        return answer(context, &verdict);
    };
    let prompt = match (&verdict.destination, verdict.method) {
        (Some(destination), _) => format!("Code sent to {destination}"),
        (None, Some(method)) => format!("{} code", method.name()),
        (None, None) => "Code".to_owned(),
    };
    if let Some(enrolment) = &verdict.enrolment
        && context.ui.can_ask()
    {
        context.ui.status(&on_terminal(enrolment, false)?);
    }
    let has_code = args.code.code.is_some() || args.code.code_stdin;
    // Without a code and without anybody to ask, this is as far as the login goes.
    if !has_code && !context.ui.can_ask() {
        return answer(context, &verdict);
    }
    let code = context.code(&args.code, &mut lines, &prompt)?;
    let verdict = run::verify(&session, &challenge, &code, verdict.method)?;
    answer(context, &verdict)
}

/// A verdict: one document on stdout, its exit code, a sentence for people.
fn answer(context: &Context, verdict: &Verdict) -> Result<Answer> {
    let mut answer = Answer::thing(verdict)?.exits(verdict.outcome.exit());
    if context.globals.output == Format::Table {
        answer = answer.shown_as(table(verdict)?);
    }
    answer.warnings.clone_from(&verdict.warnings);
    let login = visible(&verdict.user).into_owned();
    let challenge = verdict.challenge.clone().unwrap_or_default();
    Ok(match verdict.outcome {
        Outcome::Granted => answer.say(format!("`{login}` is logged in.")),
        #[cfg(feature = "saml")]
        Outcome::Redirect => answer.say(sso::next(verdict)),
        #[cfg(not(feature = "saml"))]
        Outcome::Redirect => answer,
        Outcome::SecondFactorRequired => {
            answer.say(format!("Next: `twofa login verify {challenge} --code N`."))
        }
        Outcome::EnrolmentRequired => answer.say(format!(
            "Connect the app, then `twofa login verify {challenge} --code N`."
        )),
        Outcome::Denied(kind) => {
            let mut refusal = match (&verdict.told, &verdict.sso) {
                (Some(told), _) => told.refusal(kind, &verdict.user),
                #[cfg(feature = "saml")]
                (None, Some(told)) => sso::refusal(kind, told),
                _ => Error::new(kind, kind.meaning()),
            };
            if kind == Kind::MethodNotUsable {
                let codes: Vec<&str> = verdict.methods.iter().map(|method| method.code()).collect();
                let codes = if codes.is_empty() {
                    "none".to_owned()
                } else {
                    codes.join(", ")
                };
                refusal = refusal.hint(format!("`{login}` can use {codes}"));
            }
            if kind == Kind::Locked
                && verdict.told.is_none()
                && let Some(until) = verdict.expires_at
            {
                refusal = refusal.hint(format!("the lock ends at {until}; an administrator can take it off with `twofa user unlock {}`", argument(&verdict.user)));
            }
            if kind == Kind::ChannelRefused {
                refusal = refusal.hint(
                    "an integration gets in by OAuth: `twofa oauth-client add NAME --user LOGIN`",
                );
            }
            if kind == Kind::SsoRequired {
                refusal = refusal.hint(format!(
                    "`twofa login start {0}` without a password sends them there, and `twofa login explain {0}` tells more",
                    argument(&verdict.user)
                ));
            }
            if matches!(kind, Kind::PasswordExpired | Kind::PasswordMustChange) {
                refusal = refusal.hint(format!(
                    "`twofa password change {}`",
                    argument(&verdict.user)
                ));
            }
            answer.refusal = Some(refusal);
            answer
        }
    })
}

fn table(verdict: &Verdict) -> Result<String> {
    let mut text = String::new();
    let fields = row(verdict)?;
    for (name, value) in &fields {
        let shown = match value {
            serde_json::Value::String(text) if !text.is_empty() => unabridged(text).into_owned(),
            serde_json::Value::Array(items) if name == "methods" && !items.is_empty() => items
                .iter()
                .filter_map(|item| item.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            _ => continue,
        };
        text.push_str(&format!("{:<13}{shown}\n", name.replace('_', " ")));
    }
    #[cfg(feature = "saml")]
    if let Some(told) = &verdict.sso {
        text.push_str(&sso::table(told));
    }
    if let Some(enrolment) = &verdict.enrolment {
        text.push('\n');
        text.push_str(&on_terminal(enrolment, false)?);
    }
    Ok(text)
}

//! `method`: the "2FA methods" lookup.

use clap::{Args, Subcommand};
use twofa::change::Committed;
use twofa::error::Result;
use twofa::guard::Allowance;
use twofa::method::{self, Method as Which, MethodRow, Set, SetMethod};
use twofa::name::counted;
use twofa::plan::Warning;
use twofa::setting::{self, Settings};
use twofa::status::lacking;
use twofa::store::Store;

use crate::answer::Answer;
use crate::cli::Lockout;
use crate::complete;
use crate::session::Context;

/// Manage the 2FA methods: email, SMS, authenticator app, recovery codes
///
/// `twofa lookup` is the same command under the name of the lookup that keeps them.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa method enable email --primary\n  twofa method list -o json"
)]
pub enum Method {
    /// List the methods
    #[command(after_help = "Examples:\n  twofa method list\n  twofa method list -o json")]
    List,
    /// Show one method
    #[command(
        after_help = "Examples:\n  twofa method show email\n  twofa method show totp -o json"
    )]
    Show(Named),
    /// Enable a method
    #[command(
        after_help = "Examples:\n  twofa method enable email --primary\n  twofa method enable totp"
    )]
    Enable(Enable),
    /// Disable a method
    #[command(
        after_help = "Examples:\n  twofa method disable sms\n  twofa method disable sms --yes --allow-lockout=3"
    )]
    Disable(Disable),
    /// Make a method the one that is asked first
    #[command(
        after_help = "Examples:\n  twofa method primary totp\n  twofa method primary email --reason 'apps come later'"
    )]
    Primary(Named),
}

/// A method by code or name.
#[derive(Debug, Args)]
pub struct Named {
    /// email, sms, totp or recovery-codes; the display names too
    #[arg(value_name = "METHOD", add = complete::methods())]
    method: String,
}

/// `method enable`.
#[derive(Debug, Args)]
pub struct Enable {
    #[command(flatten)]
    named: Named,
    /// Ask this method first
    #[arg(long)]
    primary: bool,
}

/// `method disable`.
#[derive(Debug, Args)]
pub struct Disable {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    lockout: Lockout,
}

const COLUMNS: &[&str] = &["code", "name", "enabled", "primary"];

pub fn run(context: &mut Context, verb: Method) -> Result<Answer> {
    match verb {
        Method::List => {
            let session = context.session()?;
            Ok(Answer::list(
                COLUMNS,
                COLUMNS,
                method::list(&session.store)?,
            ))
        }
        Method::Show(named) => {
            let session = context.session()?;
            Answer::thing(&method::show(&session.store, Which::parse(&named.method)?)?)
        }
        Method::Enable(args) => set(
            context,
            &args.named,
            Set::Enable {
                primary: args.primary,
            },
            Allowance::Nobody,
        ),
        Method::Disable(args) => set(context, &args.named, Set::Disable, args.lockout.allowance()),
        Method::Primary(named) => set(context, &named, Set::Primary, Allowance::Nobody),
    }
}

fn set(context: &mut Context, named: &Named, set: Set, allowance: Allowance) -> Result<Answer> {
    let session = context.session()?;
    let method = Which::parse(&named.method)?;
    let mut done = context.commit(&session, &SetMethod { method, set }, allowance, None)?;
    let row = method::show(&session.store, method)?;
    if row.enabled {
        done.warnings.extend(unready(&session.store, method)?);
    }
    let next = if row.enabled {
        next(&session.store, method)?
    } else {
        None
    };
    let sentences = sentences(&done, row, next);
    let changed = done.changed();
    let answer = Answer::thing(&row)?.changed(changed, done.warnings);
    Ok(sentences.into_iter().fold(answer, Answer::say))
}

/// What is worth saying of an enabled method whose codes nothing sends.
pub fn senderless(store: &Store, method: Which) -> Result<Option<Warning>> {
    let setting = match method {
        Which::Email => &setting::MAILBOX_2FA,
        Which::Sms => &setting::SMS_PROVIDER,
        Which::Totp | Which::RecoveryCodes => return Ok(None),
    };
    let lacks =
        method::show(store, method)?.enabled && Settings::load(store)?.thing(setting).is_none();
    Ok(lacks.then(|| Warning {
        kind: "prerequisite",
        message: format!(
            "{} is enabled, but `{}` is not set.",
            method.name(),
            setting.code
        ),
        hint: Some(format!("twofa setting set {} NAME", setting.code)),
    }))
}

/// The page's prerequisites, reported without failing.
fn unready(store: &Store, method: Which) -> Result<Vec<Warning>> {
    let mut warnings: Vec<Warning> = senderless(store, method)?.into_iter().collect();
    let count = lacking(store, method)?;
    if count > 0 {
        let lack = match method {
            Which::Email => ("has no address", "have no address"),
            Which::Sms => ("has no phone", "have no phone"),
            Which::Totp => (
                "has no authenticator app connected",
                "have no authenticator app connected",
            ),
            Which::RecoveryCodes => ("has no recovery codes", "have no recovery codes"),
        };
        let verb = if count == 1 { lack.0 } else { lack.1 };
        warnings.push(Warning {
            kind: "users_lack",
            message: format!(
                "{} {verb}.",
                counted(count.unsigned_abs(), "active user", "active users")
            ),
            hint: Some(format!("twofa user list --without {}", method.code())),
        });
    }
    Ok(warnings)
}

fn sentences(done: &Committed, row: MethodRow, next: Option<String>) -> Vec<String> {
    let state = match (row.enabled, row.primary) {
        (_, true) => "enabled and primary",
        (true, false) => "enabled",
        (false, false) => "disabled",
    };
    let already = if done.changed() { "" } else { " already" };
    let is = if row.code == Which::RecoveryCodes {
        "are"
    } else {
        "is"
    };
    let mut sentences = vec![format!("{} {is}{already} {state}.", row.name)];
    for change in done
        .changes
        .iter()
        .filter(|change| change.key != row.code.code())
    {
        if let Ok(other) = Which::parse(&change.key) {
            sentences.push(format!("{} is no longer primary.", other.name()));
        }
    }
    let was_primary = done
        .changes
        .iter()
        .any(|change| change.key == row.code.code() && change.changes("primary"));
    if was_primary && !row.enabled {
        sentences.push("No method is primary now.".to_owned());
    }
    sentences.extend(next.map(|next| format!("Next: `{next}`.")));
    sentences
}

/// What a set-up of this method still lacks.
fn next(store: &Store, method: Which) -> Result<Option<String>> {
    let settings = Settings::load(store)?;
    Ok(match method {
        Which::Email if settings.thing(&setting::MAILBOX_2FA).is_none() => {
            Some("twofa setting set 2FAmailbox NAME".to_owned())
        }
        Which::Sms if settings.thing(&setting::SMS_PROVIDER).is_none() => {
            Some("twofa setting set SmsProvider NAME".to_owned())
        }
        Which::Totp => Some("twofa authenticator connect LOGIN".to_owned()),
        Which::RecoveryCodes => Some("twofa recovery-codes generate LOGIN".to_owned()),
        Which::Email | Which::Sms if !settings.flag(&setting::ENABLE_2FA) => {
            Some("twofa setting set Enable2FA on".to_owned())
        }
        Which::Email | Which::Sms => None,
    })
}

//! `recovery-codes`: single-use codes that stand in for a lost device.

use clap::{Args, Subcommand};
use twofa::confirmation::Given;
use twofa::error::Result;
use twofa::guard::Allowance;
use twofa::method::{self, Method};
use twofa::name::visible;
use twofa::plan::Warning;
use twofa::recovery::{self, DeleteCodes, GenerateCodes};

use crate::answer::{Answer, only};
use crate::cli::{CodeFrom, Lockout};
use crate::complete;
use crate::session::Context;
use crate::ui::Wanted;

/// Manage recovery codes
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa recovery-codes generate alice\n  twofa recovery-codes show alice"
)]
pub enum RecoveryCodes {
    /// Make ten new codes and void the old ones; they are shown this once
    #[command(
        after_help = "Examples:\n  twofa recovery-codes generate alice\n  twofa recovery-codes generate alice --code 123456 -o json"
    )]
    Generate(Generate),
    /// Show how many codes a user has left
    #[command(
        after_help = "Examples:\n  twofa recovery-codes show alice\n  twofa recovery-codes show alice -o json"
    )]
    #[command(mut_arg("user", |it| it.add(complete::users_with_codes())))]
    Show(Named),
    /// Void a user's codes
    #[command(
        after_help = "Examples:\n  twofa recovery-codes delete alice\n  twofa recovery-codes delete alice --yes --reason 'the sheet was lost'"
    )]
    #[command(mut_arg("user", |it| it.add(complete::users_with_codes())))]
    Delete(Delete),
}

/// A user by login or email.
#[derive(Debug, Args)]
pub struct Named {
    /// Login or email address, in any case
    #[arg(value_name = "USER", add = complete::users())]
    user: String,
}

/// `recovery-codes generate`.
#[derive(Debug, Args)]
pub struct Generate {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    code: CodeFrom,
    /// The method to confirm by, for oneself
    #[arg(long, value_name = "M", add = complete::methods())]
    method: Option<String>,
    /// The challenge a code was sent for
    #[arg(long, value_name = "ID", add = complete::challenges())]
    challenge: Option<String>,
}

/// `recovery-codes delete`.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    lockout: Lockout,
}

pub fn run(context: &mut Context, verb: RecoveryCodes) -> Result<Answer> {
    match verb {
        RecoveryCodes::Generate(args) => generate(context, args),
        RecoveryCodes::Show(named) => {
            let session = context.session()?;
            let user = session.about(&named.user)?;
            Answer::thing(&recovery::show(&session.store, user.id)?)
        }
        RecoveryCodes::Delete(args) => {
            let session = context.session()?;
            let user = session.about(&args.named.user)?;
            let done = context.commit(
                &session,
                &DeleteCodes { user: user.id },
                args.lockout.allowance(),
                None,
            )?;
            let changed = done.changed();
            let login = visible(&user.login);
            let sentence = if changed {
                format!("The recovery codes of `{login}` are void.")
            } else {
                format!("`{login}` has no recovery codes.")
            };
            Ok(Answer::thing(&recovery::show(&session.store, user.id)?)?
                .changed(changed, done.warnings)
                .say(sentence))
        }
    }
}

fn generate(context: &mut Context, args: Generate) -> Result<Answer> {
    let session = context.session()?;
    let user = session.about(&args.named.user)?;
    let mut lines = context.lines(Wanted {
        code: args.code.code_stdin,
        ..Wanted::default()
    })?;
    let given = context.given_with(&args.code, &mut lines)?;
    let method = args.method.as_deref().map(Method::parse).transpose()?;
    let confirm = Given {
        method: method.or(given.method),
        challenge: args.challenge.or(given.challenge),
        ..given
    };
    let plan = GenerateCodes::new(user.id);
    let mut done = context.commit_with(&session, &plan, Allowance::Nobody, confirm)?;
    if !method::show(&session.store, Method::RecoveryCodes)?.enabled {
        done.warnings.push(Warning {
            kind: "prerequisite",
            message: "Recovery codes are not enabled yet.".to_owned(),
            hint: Some("twofa method enable recovery-codes".to_owned()),
        });
    }
    let codes: Vec<String> = plan
        .into_codes()
        .iter()
        .map(|code| code.expose().to_owned())
        .collect();
    let shown = codes.join("\n") + "\n";
    Ok(Answer::thing(&only("codes", codes))?
        .changed(done.changed(), done.warnings)
        .shown_as(shown)
        .say(format!(
            "These codes of `{}` are shown this once; each works once. Older ones are void.",
            visible(&user.login)
        )))
}

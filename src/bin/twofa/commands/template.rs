//! `template`: the words in which a code leaves us.

use clap::{Args, Subcommand};
use twofa::error::Result;
use twofa::setting::{self, Settings};
use twofa::template::{self, TemplateRow, TemplateText, Words};
use twofa::user;

use crate::answer::Answer;
use crate::cli::Format;
use crate::complete;
use crate::session::Context;

/// Manage message templates
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa template show '2FA verification code'\n  twofa template preview '2FA verification code' --user alice"
)]
pub enum Template {
    /// List the templates
    List,
    /// Show the words of a template
    Show(Named),
    /// Show a template as a user would get it; nothing is sent
    Preview(Preview),
}

/// A template by name.
#[derive(Debug, Args)]
pub struct Named {
    /// The name, in any case
    #[arg(value_name = "TEMPLATE", add = complete::templates())]
    name: String,
}

/// `template preview`.
#[derive(Debug, Args)]
pub struct Preview {
    #[command(flatten)]
    named: Named,
    /// The user it would go to [default: the acting user]
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
}

const COLUMNS: &[&str] = &["name", "kind", "languages", "macros"];

pub fn run(context: &mut Context, verb: Template) -> Result<Answer> {
    match verb {
        Template::List => {
            let session = context.session()?;
            Ok(Answer::list(
                COLUMNS,
                COLUMNS,
                template::list(&session.store)?,
            ))
        }
        Template::Show(named) => {
            let session = context.session()?;
            let row = template::find(&session.store, &named.name)?;
            let words = template::words(&row.name)?;
            text(context, row, words)
        }
        Template::Preview(args) => {
            let session = context.session()?;
            let row = template::find(&session.store, &args.named.name)?;
            let user = match &args.user {
                Some(login) => user::find(&session.store, login)?,
                None => session.actor.user.clone(),
            };
            let settings = Settings::load(&session.store)?;
            let life = |setting| settings.number(setting).to_string();
            let seconds = life(&setting::SECOND_FACTOR_CODE_TTL);
            let minutes = life(&setting::RECOVERY_TTL);
            let name = user.name.as_deref().unwrap_or(&user.login);
            // A code and a token that nothing accepts.
            let values = [
                ("Username", name),
                ("SecondFactorCode", "123456"),
                ("SecondFactorCodeTTL", seconds.as_str()),
                ("RecoveryToken", "example-token"),
                ("RecoveryTokenTTL", minutes.as_str()),
            ];
            let words = template::render(&row.name, &values)?;
            text(context, row, words)
        }
    }
}

fn text(context: &Context, row: TemplateRow, words: Words) -> Result<Answer> {
    let mut shown = String::new();
    if let Some(subject) = &words.subject {
        shown.push_str(&format!("Subject: {subject}\n\n"));
    }
    shown.push_str(&words.text);
    let hidden = words.html.is_some() && context.globals.output == Format::Table;
    let answer = Answer::thing(&TemplateText {
        name: row.name,
        kind: row.kind,
        language: "en",
        words,
    })?
    .shown_as(shown);
    Ok(if hidden {
        answer.say("There is an HTML part too: --output json shows it.")
    } else {
        answer
    })
}

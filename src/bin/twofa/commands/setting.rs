//! `setting`: the system settings.

use clap::{Args, Subcommand};
use serde_json::Value;
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::method::Method;
use twofa::name::visible;
use twofa::setting::{self, SetSettings, SettingRow, Shape};

use super::method;
use crate::answer::{Answer, Row, only, row};
use crate::cli::{Format, Lockout};
use crate::complete;
use crate::session::Context;

/// Manage system settings
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa setting set Enable2FA on\n  twofa setting set SecondFactorCodeTTL 5m UserLockoutDuration 30\n  twofa setting get Enable2FA"
)]
pub enum Setting {
    /// List every setting with its value
    #[command(after_help = "Examples:\n  twofa setting list\n  twofa setting list -o json")]
    List,
    /// Show one setting: its type, bounds, default and meaning
    #[command(
        after_help = "Examples:\n  twofa setting show Enable2FA\n  twofa setting show UserLockoutDuration -o json"
    )]
    Show(Named),
    /// Print the bare value of a setting
    #[command(
        after_help = "Examples:\n  twofa setting get Enable2FA\n  twofa setting get SecondFactorCodeTTL -o json"
    )]
    Get(Named),
    /// Set one setting or several, together or not at all
    ///
    /// A bool is true or false (on, off, yes, no). An int with a unit of time is taken as 90s or 5m too.
    #[command(
        after_help = "Examples:\n  twofa setting set Enable2FA on\n  twofa setting set SecondFactorCodeTTL 5m UserLockoutDuration 30\n  twofa setting set 2FAmailbox ops"
    )]
    Set(Set),
    /// Set settings back to their default
    #[command(
        after_help = "Examples:\n  twofa setting reset SecondFactorCodeTTL\n  twofa setting reset MinPasswordLength MaxPasswordAge"
    )]
    Reset(Reset),
}

/// A setting by code.
#[derive(Debug, Args)]
pub struct Named {
    /// The code, in any case
    #[arg(value_name = "CODE", add = complete::settings())]
    code: String,
}

/// `setting set`.
#[derive(Debug, Args)]
pub struct Set {
    /// Codes and values in turn
    #[arg(value_name = "CODE VALUE", required = true, num_args = 2.., allow_negative_numbers = true, add = complete::settings_and_values())]
    pairs: Vec<String>,
    #[command(flatten)]
    lockout: Lockout,
}

/// `setting reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// The codes, in any case
    #[arg(value_name = "CODE", required = true, add = complete::settings())]
    codes: Vec<String>,
    #[command(flatten)]
    lockout: Lockout,
}

const COLUMNS: &[&str] = &[
    "code", "name", "type", "unit", "value", "default", "modified",
];
const TABLE: &[&str] = &["code", "value", "unit", "default"];

pub fn run(context: &mut Context, verb: Setting) -> Result<Answer> {
    match verb {
        Setting::List => {
            let session = context.session()?;
            Ok(Answer::list(COLUMNS, TABLE, setting::list(&session.store)?))
        }
        Setting::Show(named) => {
            let session = context.session()?;
            show(setting::show(&session.store, setting::find(&named.code)?)?)
        }
        Setting::Get(named) => {
            context.only(&[Format::Table, Format::Json, Format::Ndjson])?;
            let session = context.session()?;
            let row = setting::show(&session.store, setting::find(&named.code)?)?;
            Ok(Answer::text(match &row.value {
                Value::Null if !context.globals.output.is_json() => "\n".to_owned(),
                Value::String(text) if !context.globals.output.is_json() => text.clone(),
                value => value.to_string(),
            }))
        }
        Setting::Set(args) => {
            let session = context.session()?;
            let (pairs, odd) = args.pairs.as_chunks::<2>();
            if let [code] = odd {
                return Err(
                    Error::new(Kind::Usage, format!("`{}` has no value", visible(code)))
                        .hint("codes and values come in turn"),
                );
            }
            let plan = SetSettings::read(
                pairs
                    .iter()
                    .map(|[code, value]| (code.as_str(), Some(value.as_str()))),
            )?;
            commit(context, &session, &plan, args.lockout.allowance())
        }
        Setting::Reset(args) => {
            let session = context.session()?;
            let plan = SetSettings::read(args.codes.iter().map(|code| (code.as_str(), None)))?;
            commit(context, &session, &plan, args.lockout.allowance())
        }
    }
}

/// `show` tells the bounds and the meaning too.
pub fn show(of: SettingRow) -> Result<Answer> {
    let setting = setting::find(of.code)?;
    let mut whole = row(&of)?;
    let (minimum, maximum) = match setting.shape {
        Shape::Int { min, max, .. } => (Value::from(min), Value::from(max)),
        Shape::Text { max } => (Value::Null, Value::from(max)),
        _ => (Value::Null, Value::Null),
    };
    whole.insert("minimum".into(), minimum);
    whole.insert("maximum".into(), maximum);
    whole.insert("meaning".into(), setting.meaning.into());
    Answer::thing(&whole)
}

fn commit(
    context: &mut Context,
    session: &twofa::actor::Session,
    plan: &SetSettings,
    allowance: Allowance,
) -> Result<Answer> {
    let mut done = context.commit(session, plan, allowance, None)?;
    let changed = done.changed();
    for (setting, method) in [
        (&setting::MAILBOX_2FA, Method::Email),
        (&setting::SMS_PROVIDER, Method::Sms),
    ] {
        if plan.0.iter().any(|(named, _)| named.code == setting.code) {
            done.warnings
                .extend(method::senderless(&session.store, method)?);
        }
    }
    let mut sentences = Vec::new();
    let mut rows = Vec::new();
    for (setting, _) in &plan.0 {
        let row = setting::show(&session.store, setting)?;
        let is_changed = done.changes.iter().any(|change| change.key == row.code);
        sentences.push(format!(
            "{} is {}{}.",
            row.code,
            if is_changed { "" } else { "already " },
            row.shown
        ));
        rows.push(row);
    }
    let turned_on = rows
        .iter()
        .any(|row| row.code == setting::ENABLE_2FA.code && row.value == Value::Bool(true));
    if changed && turned_on {
        sentences.push("Next: `twofa login simulate LOGIN`.".to_owned());
    }
    // One setting is shown as `show` would; of several the list.
    let answer = if let [only] = rows.as_slice() {
        show(only.clone())?.changed(changed, done.warnings)
    } else {
        let rows: Vec<Row> = rows.iter().map(row).collect::<Result<_>>()?;
        let listed: Vec<Value> = rows.iter().cloned().map(Value::Object).collect();
        Answer::thing(&only("settings", listed))?
            .changed(changed, done.warnings)
            .shown_as_list(TABLE, &rows, crate::terminal_width())?
    };
    Ok(sentences.into_iter().fold(answer, Answer::say))
}

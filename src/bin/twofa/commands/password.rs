//! `password`: setting passwords.

use clap::{Args, Subcommand};
use twofa::error::Result;
use twofa::guard::Allowance;
use twofa::name::visible;
use twofa::password::{self, SetPassword};
use twofa::status::stranded;
use twofa::user;

use crate::answer::Answer;
use crate::cli::PasswordFrom;
use crate::complete;
use crate::session::Context;
use crate::ui::Wanted;

/// Manage passwords
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa password set alice\n  printf '%s\\n' \"$PASSWORD\" | twofa password set alice --password-stdin --must-change"
)]
pub enum Password {
    /// Set a user's password
    Set(Set),
}

/// `password set`.
#[derive(Debug, Args)]
pub struct Set {
    /// Login or email address, in any case
    #[arg(value_name = "LOGIN", add = complete::users())]
    login: String,
    #[command(flatten)]
    password: PasswordFrom,
    /// Ask for a new password at the next login
    #[arg(long)]
    must_change: bool,
}

pub fn run(context: &mut Context, verb: Password) -> Result<Answer> {
    let Password::Set(args) = verb;
    let session = context.session()?;
    let user = user::find(&session.store, &args.login)?;
    // 5 goes before 2: whoever may not is asked for nothing.
    session.permit_on(&user)?;
    let mut lines = context.lines(Wanted {
        password: args.password.password_stdin,
        ..Wanted::default()
    })?;
    let secret = context.password(&args.password, &mut lines, "New password", true)?;
    let plan = SetPassword {
        user: user.id,
        password: password::hash(&session.store, &user.login, Some(&user), &secret)?,
        must_change: args.must_change,
    };
    let mut done = context.commit(&session, &plan, Allowance::Nobody, Some(lines))?;
    let now = user::get(&session.store, user.id)?;
    let login = visible(&now.login).into_owned();
    done.warnings.extend(stranded(&session.store, &now)?);
    let changed = done.changed();
    let row = user::show(&session.store, &now)?;
    Ok(Answer::thing(&row)?
        .changed(changed, done.warnings)
        .say(format!("The password of `{login}` was set.")))
}

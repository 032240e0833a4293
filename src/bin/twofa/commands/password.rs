//! `password`: setting, changing and recovering passwords.

use clap::{Args, Subcommand};
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::login::recover::{self, Finish};
use twofa::login::renew::{self, Change, Given};
use twofa::login::run::may_start;
use twofa::method::Method;
use twofa::name::{argument, visible};
use twofa::password::SetPassword;
use twofa::secret::Secret;
use twofa::status::stranded;
use twofa::store::Store;
use twofa::user::{self, User};

use crate::answer::{Answer, only};
use crate::cli::{CodeFrom, NewPasswordFrom, PasswordFrom};
use crate::complete;
use crate::process;
use crate::session::{Context, own_code};
use crate::ui::{Lines, Wanted, read_file};

/// Manage passwords
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa password set alice\n  twofa password recover alice@example.com"
)]
pub enum Password {
    /// Set a user's password
    #[command(
        after_help = "Examples:\n  twofa password set alice\n  printf '%s\\n' \"$PASSWORD\" | twofa password set alice --password-stdin\n  twofa password set bob --password-file secret --must-change"
    )]
    Set(Set),
    /// Change a password: with the one that holds, and the second factor when 2FA applies
    #[command(
        after_help = "Examples:\n  twofa password change alice\n  printf '%s\\n' \"$OLD\" \"$NEW\" | twofa password change alice \\\n      --password-stdin --new-password-stdin"
    )]
    Change(ChangeArgs),
    /// Recover a password: mail a token, or set a new one with it
    ///
    /// Without a token it mails one, and says the same whether or not there is such a user. With the token it asks for
    /// the second factor when 2FA applies, and sets the new password. On standard input the new password comes first,
    /// then the token, then the code.
    #[command(
        after_help = "Examples:\n  twofa password recover alice@example.com\n  twofa password recover alice --token-file token\n  printf '%s\\n' \"$NEW\" \"$TOKEN\" | twofa password recover alice \\\n      --new-password-stdin --token-stdin"
    )]
    Recover(Recover),
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

/// The second factor of whoever chooses a new password.
#[derive(Debug, Args)]
pub struct SecondFactor {
    #[command(flatten)]
    code: CodeFrom,
    /// The method to ask by [default: as at a login]
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    method: Option<String>,
    /// The challenge a code was sent for
    #[arg(long, value_name = "ID", add = complete::challenges())]
    challenge: Option<String>,
}

/// `password change`.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Login or email address, in any case
    #[arg(value_name = "LOGIN", add = complete::users())]
    login: String,
    #[command(flatten)]
    password: PasswordFrom,
    #[command(flatten)]
    new: NewPasswordFrom,
    #[command(flatten)]
    second: SecondFactor,
}

/// `password recover`.
#[derive(Debug, Args)]
pub struct Recover {
    /// Login or email address, in any case
    #[arg(value_name = "LOGIN", add = complete::users())]
    login: String,
    #[command(flatten)]
    token: TokenFrom,
    #[command(flatten)]
    new: NewPasswordFrom,
    #[command(flatten)]
    second: SecondFactor,
}

/// The token of a recovery.
#[derive(Debug, Args)]
pub struct TokenFrom {
    /// Read the token that was mailed from standard input, one line
    #[arg(long, conflicts_with = "token_file")]
    token_stdin: bool,
    /// Read the token from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<std::path::PathBuf>,
}

/// `deliver`.
#[derive(Debug, Args)]
pub struct Deliver {
    /// The request
    request: i64,
}

pub fn run(context: &mut Context, verb: Password) -> Result<Answer> {
    match verb {
        Password::Set(args) => set(context, &args),
        Password::Change(args) => change(context, &args),
        Password::Recover(args) => recover(context, &args),
    }
}

fn set(context: &mut Context, args: &Set) -> Result<Answer> {
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
        password: renew::accept(&session, &user, &secret)?,
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

/// What the command line gives of the second factor.
struct Second {
    code: Option<Secret>,
    method: Option<Method>,
}

impl Second {
    fn read(args: &SecondFactor, lines: &mut Lines) -> Result<Second> {
        Ok(Second {
            code: own_code(&args.code, lines)?,
            method: args.method.as_deref().map(Method::parse).transpose()?,
        })
    }

    fn given<'a>(&'a self, args: &'a SecondFactor) -> Given<'a> {
        Given {
            code: self.code.as_ref(),
            method: self.method,
            challenge: args.challenge.as_deref(),
        }
    }
}

/// The user as `user show` gives them, after their password was renewed.
fn renewed(store: &Store, user: &User, done: &str) -> Result<Answer> {
    let row = user::show(store, user)?;
    Ok(Answer::thing(&row)?.changed(true, Vec::new()).say(format!(
        "The password of `{}` was {done}.",
        visible(&user.login)
    )))
}

fn change(context: &mut Context, args: &ChangeArgs) -> Result<Answer> {
    let session = context.session()?;
    may_start(&session, &args.login)?;
    let mut lines = context.lines(Wanted {
        password: args.password.password_stdin,
        new_password: args.new.new_password_stdin,
        code: args.second.code.code_stdin,
        ..Wanted::default()
    })?;
    let second = Second::read(&args.second, &mut lines)?;
    let change = Change {
        login: &args.login,
        old: &context.password(&args.password, &mut lines, "Password", false)?,
        new: &context.new_password(&args.new, &mut lines)?,
        second: second.given(&args.second),
    };
    let user = renew::change(&session, &change, &mut context.ui)?;
    renewed(&session.store, &user, "changed")
}

fn recover(context: &mut Context, args: &Recover) -> Result<Answer> {
    let session = context.session()?;
    may_start(&session, &args.login)?;
    let mut lines = context.lines(Wanted {
        new_password: args.new.new_password_stdin,
        token: args.token.token_stdin.then_some("--token-stdin"),
        code: args.second.code.code_stdin,
        ..Wanted::default()
    })?;
    let token = match (lines.token.take(), &args.token.token_file) {
        (Some(token), _) => token,
        (None, Some(path)) => read_file(path, "--token-file")?,
        (None, None) => {
            let given = [
                (
                    args.new.new_password_stdin || args.new.new_password_file.is_some(),
                    "a new password",
                ),
                (
                    args.second.code.code.is_some() || args.second.code.code_stdin,
                    "a code",
                ),
                (args.second.challenge.is_some(), "a challenge"),
            ];
            return match given.into_iter().find(|(given, _)| *given) {
                Some((_, what)) => Err(Error::new(
                    Kind::Usage,
                    format!("{what} comes with the token that was mailed"),
                )
                .hint("give it with --token-stdin, or leave both out to have one mailed")),
                None => request(context, args),
            };
        }
    };
    let second = Second::read(&args.second, &mut lines)?;
    let finish = Finish {
        login: &args.login,
        token: &token,
        new: &context.new_password(&args.new, &mut lines)?,
        second: second.given(&args.second),
    };
    let user = recover::finish(&session, &finish, &mut context.ui)?;
    renewed(&session.store, &user, "recovered")
}

/// Asks for a token. What comes of it is not told, and takes its time when the answer is out.
fn request(context: &mut Context, args: &Recover) -> Result<Answer> {
    let session = context.session()?;
    let requested = recover::request(&session, &args.login)?;
    let mut answer = only("login", args.login.trim());
    answer.insert("expires_at".into(), requested.expires_at.to_string().into());
    let globals = context.globals.clone();
    let passphrase = context.passphrase();
    let request = requested.request.to_string();
    Ok(Answer::thing(&answer)?
        .changed(true, Vec::new())
        .say("If there is such a user who may recover their password, a token is on its way.")
        .say(format!(
            "Next: `twofa password recover {} --token-stdin`, until {}.",
            argument(args.login.trim()),
            requested.expires_at
        ))
        .then(move || process::spawn_self(&globals, passphrase, &["deliver", &request])))
}

/// Mails what a request left for after its answer.
pub fn deliver(context: &mut Context, args: &Deliver) -> Result<Answer> {
    let session = context.session()?;
    recover::deliver(&session, args.request)?;
    Ok(Answer::text(""))
}

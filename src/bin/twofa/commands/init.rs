//! `init`: the beginning.

use clap::Args;
use twofa::error::{Error, Kind, Result};
use twofa::init;
use twofa::name::argument;
use twofa::store::NewKeys;

use crate::answer::Answer;
use crate::cli::KeyForm;
use crate::complete;
use crate::process;
use crate::session::Context;

/// Make a store, its key file and the first administrator
///
/// The first administrator has no password yet, and nobody can log in as them until `twofa password set`. On an
/// existing store nothing changes. Keep a copy of the key file in a safe place: without it every authenticator app,
/// recovery code, mailbox password and user password of the store is lost.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa init --admin alice --email alice@example.com\n  twofa init --owner twofa\n  twofa init --passphrase\n  twofa --db ./twofa.db init"
)]
pub struct Init {
    /// Login of the first administrator [default: Supervisor]
    #[arg(long, value_name = "LOGIN")]
    admin: Option<String>,
    /// Their email address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The account of this machine that acts as them
    #[arg(long, value_name = "NAME", add = complete::accounts())]
    os_user: Option<String>,
    /// Give what is made to this account of the machine (root only)
    #[arg(long, value_name = "ACCOUNT", add = complete::accounts())]
    owner: Option<String>,
    /// Lock the key file with a passphrase, which every command that needs it asks for; --passphrase-stdin and
    /// --passphrase-file do it without asking
    #[arg(long)]
    passphrase: bool,
    /// How the keys are written
    #[arg(long, value_name = "FORM")]
    key_form: Option<KeyForm>,
}

pub fn init(context: &mut Context, args: &Init) -> Result<Answer> {
    if args.owner.is_some() && context.process.effective != Some(0) {
        return Err(Error::new(
            Kind::NotPermitted,
            "only root gives files to another account",
        )
        .hint("leave --owner out"));
    }
    let place = context.place()?;
    let globals = &context.globals;
    // Who says how it is come by wants it: a line that is read and used for nothing would leave the keys open.
    let locked = args.passphrase || globals.passphrase_stdin || globals.passphrase_file.is_some();
    let wanted = init::Init {
        admin: args.admin.clone(),
        email: args.email.clone(),
        os_user: args.os_user.clone(),
        owner: args.owner.clone(),
        keys: NewKeys {
            form: args.key_form.map(KeyForm::form),
            locked,
        },
        reason: context.globals.reason.clone(),
    };
    let made = init::init(
        &place,
        &wanted,
        &context.process,
        process::wait(&context.globals)?,
        &context.source,
    )?;
    let changed = made.changed;
    let admin = argument(&made.admin);
    let answer = Answer::thing(&made)?.changed(changed, Vec::new());
    Ok(if changed {
        let (and, it) = if locked {
            (", and the passphrase,", "them")
        } else {
            ("", "it")
        };
        answer
            .say(format!("The store is ready. Keep a copy of {}{and} in a safe place: without {it} everything sealed in the store is lost.", made.key_file))
            .say(format!("Next: `twofa password set {admin}`."))
    } else {
        answer.say("The store was there already; nothing was changed.")
    })
}

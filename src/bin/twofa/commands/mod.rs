//! One file for each noun: what it takes, in the words of its help, and a handler that only translates.

pub mod audit;
pub mod authenticator;
pub mod backup;
pub mod completions;
pub mod coverage;
pub mod doctor;
pub mod group;
pub mod help;
#[cfg(feature = "saml")]
pub mod idp;
pub mod init;
pub mod key;
pub mod login;
pub mod mailbox;
pub mod man;
pub mod method;
pub mod oauth_client;
pub mod outbox;
pub mod password;
pub mod permission;
pub mod policy;
pub mod recovery_codes;
pub mod setting;
pub mod sms_provider;
pub mod status;
pub mod template;
pub mod user;

use twofa::error::{Kind, Result};
use twofa::name::visible;

use crate::answer::{Answer, only};
use crate::cli::Command;
use crate::session::Context;

/// Runs a command.
pub fn run(context: &mut Context, command: Command) -> Result<Answer> {
    match command {
        Command::Init(args) => init::init(context, &args),
        Command::Status(_) => status::run(context),
        Command::Coverage(args) => coverage::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Method(verb) => method::run(context, verb),
        Command::Setting(verb) => setting::run(context, verb),
        Command::User(verb) => user::run(context, verb),
        Command::Group(verb) => group::run(context, verb),
        Command::Permission(verb) => permission::run(context, verb),
        Command::Authenticator(verb) => authenticator::run(context, verb),
        Command::RecoveryCodes(verb) => recovery_codes::run(context, verb),
        Command::Password(verb) => password::run(context, verb),
        Command::Mailbox(verb) => mailbox::run(context, verb),
        Command::SmsProvider(verb) => sms_provider::run(context, verb),
        #[cfg(feature = "saml")]
        Command::Idp(verb) => idp::run(context, verb),
        Command::OauthClient(verb) => oauth_client::run(context, verb),
        Command::Outbox(verb) => outbox::run(context, verb),
        Command::Template(verb) => template::run(context, verb),
        Command::Login(verb) => login::run(context, verb),
        Command::Apply(args) => policy::apply(context, &args),
        Command::Diff(args) => policy::diff(context, &args),
        Command::Export(args) => policy::export(context, &args),
        Command::Backup(args) => backup::backup(context, &args),
        Command::Restore(args) => backup::restore(context, &args),
        Command::Audit(verb) => audit::run(context, verb),
        Command::Key(verb) => key::run(context, verb),
        Command::Deliver(args) => password::deliver(context, &args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
        Command::Help(args) => help::run(context, &args),
    }
}

/// What was found of a thing that is to be removed; where there is none, and `--if-exists` says that this is fine, the answer
/// instead. `what` is its noun in a sentence, `field` its name in JSON.
pub fn or_none<T>(
    found: Result<T>,
    is_fine: bool,
    what: &str,
    field: &str,
    name: &str,
) -> Result<std::result::Result<T, Answer>> {
    match found {
        Err(error) if is_fine && error.kind() == Kind::NotFound => {
            let answer = Answer::thing(&only(field, name))?.changed(false, Vec::new());
            Ok(Err(
                answer.say(format!("There is no {what} `{}`.", visible(name)))
            ))
        }
        found => found.map(Ok),
    }
}

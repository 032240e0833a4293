//! The command line: global options and the nouns. What a noun takes stands in its own file under `commands`.

use std::path::PathBuf;

use clap::builder::{BoolishValueParser, PossibleValue, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use twofa::vault::Form;

#[cfg(feature = "saml")]
use crate::commands::idp;
use crate::commands::{
    audit, authenticator, backup, completions, coverage, doctor, group, help, init, key, login,
    mailbox, man, method, oauth_client, outbox, password, permission, policy, recovery_codes,
    setting, sms_provider, status, template, user,
};
use crate::complete;

/// Administer and run two-factor authentication kept in one SQLite file
///
/// Everything lives in one store: users, 2FA methods, settings, authenticator apps, recovery codes, mailboxes, and a
/// tamper-evident audit log. Begin with `twofa init`; `twofa status` always tells what to do next.
#[derive(Debug, Parser)]
#[command(
    name = "twofa",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:\n  twofa init --admin alice --email alice@example.com\n  twofa status\n  twofa user add bob --name 'Bob Brown' --email bob@example.com\n\n`twofa help exit-codes` lists what a script can match on, `twofa help environment` the variables."
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// A path is no markup, and in a doc comment clippy wants it to be.
const DB: &str = "The store\n\nWithout it: the system store /var/lib/twofa/twofa.db if it exists or you are root, else $XDG_DATA_HOME/twofa/twofa.db.";
const KEY: &str = "The key file, or credential:NAME for what systemd gives a service (LoadCredential=NAME:FILE)\n\nWithout it: the keys in the variable TWOFA_KEY if that is set, else the store's path and .key.";
const STORE: &str = "Store";
const OUTPUT: &str = "Output";
const ANSWERS: &str = "Answers";
const CONFIRMATION: &str = "Confirmation of administrator actions";

/// Where `-` is a stream: a command and the id of its argument. To every other argument it is a file of that name.
pub const STREAMS: &[(&str, &str)] = &[
    ("apply", "file"),
    ("authenticator connect", "out"),
    ("coverage", "policy"),
    ("diff", "file"),
    #[cfg(feature = "saml")]
    ("idp add", "metadata"),
    #[cfg(feature = "saml")]
    ("idp edit", "metadata"),
    #[cfg(feature = "saml")]
    ("idp metadata", "out"),
    ("login explain", "policy"),
    ("template set", "html_file"),
    ("template set", "text_file"),
    ("user import", "file"),
];

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    #[arg(long, global = true, value_name = "FILE", env = "TWOFA_DB", value_hint = ValueHint::FilePath, help_heading = STORE, hide_env_values = true, help = "The store", long_help = DB)]
    pub db: Option<PathBuf>,

    #[arg(long, global = true, value_name = "FILE", env = "TWOFA_KEY_FILE", value_hint = ValueHint::FilePath, help_heading = STORE, hide_short_help = true, hide_env_values = true, help = "The key file, or credential:NAME", long_help = KEY)]
    pub key_file: Option<PathBuf>,

    /// Read the passphrase of the key file from the first line of a file
    #[arg(long, global = true, value_name = "FILE", env = "TWOFA_PASSPHRASE_FILE", value_hint = ValueHint::FilePath, help_heading = STORE, hide_short_help = true, hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,

    /// Read it from standard input, before every other secret
    #[arg(long, global = true, env = "TWOFA_PASSPHRASE_STDIN", value_parser = clap::builder::BoolishValueParser::new(), help_heading = STORE, hide_short_help = true, hide_env_values = true)]
    pub passphrase_stdin: bool,

    /// Act as this user (root and the store's owner only)
    #[arg(long = "as", global = true, value_name = "LOGIN", env = "TWOFA_AS", help_heading = STORE, hide_short_help = true, hide_env_values = true, add = complete::users())]
    pub as_login: Option<String>,

    /// How long to wait for a busy store
    #[arg(long, global = true, value_name = "DURATION", env = "TWOFA_WAIT", default_value = "10s", help_heading = STORE, hide_short_help = true, hide_env_values = true, add = complete::waits())]
    pub wait: String,

    /// How the answer is printed
    #[arg(short, long, global = true, value_name = "FORMAT", env = "TWOFA_OUTPUT", default_value = "table", help_heading = OUTPUT, hide_env_values = true)]
    pub output: Format,

    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", env = "TWOFA_COLOR", default_value = "auto", help_heading = OUTPUT, hide_short_help = true, hide_env_values = true)]
    pub color: Color,

    /// Say nothing but answers, warnings and errors
    #[arg(short, long, global = true, env = "TWOFA_QUIET", value_parser = clap::builder::BoolishValueParser::new(), help_heading = OUTPUT, hide_env_values = true)]
    pub quiet: bool,

    /// Answer "are you sure?" with yes, and nothing else
    #[arg(short, long, global = true, env = "TWOFA_YES", value_parser = clap::builder::BoolishValueParser::new(), help_heading = ANSWERS, hide_env_values = true)]
    pub yes: bool,

    /// Never ask: a missing answer is an error that names its option
    #[arg(long, global = true, env = "TWOFA_NO_INPUT", value_parser = clap::builder::BoolishValueParser::new(), help_heading = ANSWERS, hide_short_help = true, hide_env_values = true)]
    pub no_input: bool,

    /// Why, for the audit log
    #[arg(long, global = true, value_name = "TEXT", env = "TWOFA_REASON", help_heading = ANSWERS, hide_short_help = true, hide_env_values = true)]
    pub reason: Option<String>,

    /// A code of your own second factor
    #[arg(long, global = true, value_name = "N", env = "TWOFA_CONFIRM_CODE", help_heading = CONFIRMATION, hide_short_help = true, hide_env_values = true)]
    pub confirm_code: Option<String>,

    /// Read that code from standard input, after every other secret
    #[arg(long, global = true, env = "TWOFA_CONFIRM_CODE_STDIN", value_parser = clap::builder::BoolishValueParser::new(), help_heading = CONFIRMATION, hide_short_help = true, hide_env_values = true)]
    pub confirm_code_stdin: bool,

    /// The method to confirm by
    #[arg(long, global = true, value_name = "METHOD", env = "TWOFA_CONFIRM_METHOD", help_heading = CONFIRMATION, hide_short_help = true, hide_env_values = true, add = complete::methods())]
    pub confirm_method: Option<String>,

    /// The challenge a code was sent for
    #[arg(long, global = true, value_name = "ID", env = "TWOFA_CONFIRM_CHALLENGE", help_heading = CONFIRMATION, hide_short_help = true, hide_env_values = true, add = complete::challenges())]
    pub confirm_challenge: Option<String>,

    /// Go without confirmation (root and the store's owner only; needs --reason)
    #[arg(long = "override", global = true, env = "TWOFA_OVERRIDE", value_parser = clap::builder::BoolishValueParser::new(), help_heading = CONFIRMATION, hide_short_help = true, hide_env_values = true)]
    pub skip_confirmation: bool,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For eyes
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Ndjson,
    /// Comma-separated values with a header
    Csv,
    /// A policy file (`export` only)
    Toml,
}

impl Format {
    /// Whether a program reads it, so that an error ends stderr as JSON too.
    pub fn is_json(self) -> bool {
        matches!(self, Format::Json | Format::Ndjson)
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Init),
    Status(status::Status),
    Coverage(coverage::CoverageArgs),
    Doctor(doctor::Doctor),
    // Hidden: completion offers visible aliases beside the name, and sorts `lookup` before it.
    #[command(subcommand, alias = "lookup")]
    Method(method::Method),
    #[command(subcommand)]
    Setting(setting::Setting),
    #[command(subcommand)]
    User(user::User),
    #[command(subcommand)]
    Group(group::Group),
    #[command(subcommand)]
    Permission(permission::Permission),
    #[command(subcommand)]
    Authenticator(authenticator::Authenticator),
    #[command(subcommand)]
    RecoveryCodes(recovery_codes::RecoveryCodes),
    #[command(subcommand)]
    Password(password::Password),
    #[command(subcommand)]
    Mailbox(mailbox::Mailbox),
    #[command(subcommand)]
    SmsProvider(sms_provider::SmsProvider),
    #[command(subcommand)]
    Template(template::Template),
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    #[command(subcommand)]
    Login(login::Login),
    #[cfg(feature = "saml")]
    #[command(subcommand)]
    Idp(idp::Idp),
    #[command(subcommand)]
    OauthClient(oauth_client::OauthClient),
    Apply(policy::Apply),
    Diff(policy::Diff),
    Export(policy::Export),
    Backup(backup::Backup),
    Restore(backup::Restore),
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(subcommand)]
    Key(key::Key),
    /// Mail the token of a request that was answered already
    #[command(hide = true)]
    Deliver(password::Deliver),
    Completions(completions::Completions),
    Man(man::Man),
    Help(help::Help),
}

/// `--allow-lockout[=N]`, of commands that could take somebody's last method.
#[derive(Debug, Args)]
pub struct Lockout {
    /// Go on although users are left with no way to log in; with N, at most so many
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    #[expect(
        clippy::option_option,
        reason = "clap's way to tell an option without a value from none"
    )]
    pub allow_lockout: Option<Option<u64>>,
}

impl Lockout {
    /// What the guard is told.
    pub fn allowance(&self) -> twofa::guard::Allowance {
        match self.allow_lockout {
            None => twofa::guard::Allowance::Nobody,
            Some(None) => twofa::guard::Allowance::Anybody,
            Some(Some(limit)) => twofa::guard::Allowance::UpTo(limit),
        }
    }
}

/// A password, from standard input or a file; without either it is asked for.
#[derive(Debug, Args)]
pub struct PasswordFrom {
    /// Read the password from standard input, one line
    #[arg(long, conflicts_with = "password_file")]
    pub password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

#[cfg(feature = "saml")]
impl PasswordFrom {
    /// Whether the command line says where the password comes from.
    pub fn is_given(&self) -> bool {
        self.password_stdin || self.password_file.is_some()
    }
}

/// A new password, from standard input or a file; without either it is asked for.
#[derive(Debug, Args)]
pub struct NewPasswordFrom {
    /// Read the new password from standard input, one line
    #[arg(long, conflicts_with = "new_password_file")]
    pub new_password_stdin: bool,
    /// Read the new password from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub new_password_file: Option<PathBuf>,
}

/// How keys are written into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyForm {
    /// One key a line
    Lines,
    /// An environment file: all keys in the one line TWOFA_KEY=…
    Environment,
}

impl KeyForm {
    /// What the library calls it.
    pub fn form(self) -> Form {
        match self {
            KeyForm::Lines => Form::Lines,
            KeyForm::Environment => Form::Environment,
        }
    }
}

/// A one-time code, as an argument or from standard input; without either it is asked for.
#[derive(Debug, Args)]
pub struct CodeFrom {
    /// The code
    #[arg(long, value_name = "N", conflicts_with = "code_stdin")]
    pub code: Option<String>,
    /// Read the code from standard input, one line
    #[arg(long)]
    pub code_stdin: bool,
}

/// A value that is yes or no, or another word for it; these two are shown and offered.
#[derive(Debug, Clone, Copy)]
pub struct YesOrNo;

impl TypedValueParser for YesOrNo {
    type Value = bool;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<bool, clap::Error> {
        BoolishValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(["yes", "no"].into_iter().map(PossibleValue::new)))
    }
}

/// An option of `edit`, where leaving it out changes nothing: it has no default there.
pub fn without_default(argument: clap::Arg) -> clap::Arg {
    let help = argument.get_help().map(ToString::to_string);
    match help
        .as_deref()
        .and_then(|help| help.split_once(" [default:"))
    {
        Some((help, _)) => {
            let help = help.to_owned();
            argument.help(help)
        }
        None => argument,
    }
}

//! `sms-provider`: where codes leave by SMS.

mod way;

use clap::{Args, Subcommand};
use twofa::delivery::{self, Sender};
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::name::visible;
use twofa::plan::{Plan as _, Warning};
use twofa::secret::Secret;
use twofa::sms_provider::{
    self, FIELDS, ProviderRow, PutProvider, RemoveProvider, SmsProvider as Stored, Transport,
};
use twofa::store::Store;
use twofa::user::rules;

use self::way::Way;
use super::or_none;
use crate::answer::Answer;
use crate::complete;
use crate::sending;
use crate::session::Context;
use crate::ui::{Lines, Wanted, read_file};

/// Manage SMS providers
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa sms-provider add carrier --twilio --account AC1 --token-file token\n  twofa sms-provider test carrier --to +493012345678"
)]
pub enum SmsProvider {
    /// Add an SMS provider
    Add(Box<Add>),
    /// List SMS providers
    #[command(
        after_help = "Examples:\n  twofa sms-provider list\n  twofa sms-provider list -o json"
    )]
    List,
    /// Show one SMS provider
    #[command(
        after_help = "Examples:\n  twofa sms-provider show carrier\n  twofa sms-provider show carrier -o json"
    )]
    Show(Named),
    /// Change an SMS provider
    Edit(Box<Edit>),
    /// Remove an SMS provider
    #[command(
        after_help = "Examples:\n  twofa sms-provider remove carrier\n  twofa sms-provider remove carrier --if-exists --yes"
    )]
    Remove(Remove),
    /// Send a test message, show each step, and say what came of it
    #[command(
        after_help = "Examples:\n  twofa sms-provider test carrier --to +493012345678\n  twofa sms-provider test carrier -o json"
    )]
    Test(Test),
}

/// An SMS provider by name.
#[derive(Debug, Args)]
pub struct Named {
    /// The name, in any case
    #[arg(value_name = "NAME", add = complete::sms_providers())]
    name: String,
}

/// What `--http` understands.
const MACROS: &str = "Over HTTP, these stand for their values, written as their place wants them:
  #Phone#        the number, as +493012345678
  #PhoneDigits#  the same without the +
  #Text#         the words
  #Sender#       whom the message is from
  #Token#        the token, in headers and the body only

A rule of success is conditions with blanks between them, which all must hold:
  status=200,202           the status is one of these; else 200 to 299
  /messages/0/status=0|ok  the value at this JSON pointer is one of these
  text~accepted            these words are in the answer; %20 is a blank";

const ADD: &str = r##"Examples:
  twofa sms-provider add carrier --twilio --account AC1 --token-file token
  twofa sms-provider add trial --file ./sms
  twofa sms-provider add centre --smpp smsc.example.com:2775 \
      --username ops --password-file secret --from Example
  twofa sms-provider add api --http https://sms.example.com/send \
      --token-file token --header 'Authorization: Bearer #Token#' \
      --body '{"to": "#Phone#", "text": "#Text#"}' \
      --success 'status=202 /status=queued' --receipt /id
  twofa sms-provider add form --http https://sms.example.com/ \
      --username ops --password-file secret --success text~OK \
      --body 'to=#PhoneDigits#&from=#Sender#&text=#Text#'"##;

const EDIT: &str = "Examples:
  twofa sms-provider edit carrier --from Example
  twofa sms-provider edit carrier --token-file token
  twofa sms-provider edit api --success 'status=200' --no-receipt";

/// `sms-provider add`.
#[derive(Debug, Args)]
#[command(after_help = ADD, after_long_help = format!("{MACROS}\n\n{ADD}"))]
pub struct Add {
    /// Name of the new SMS provider
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    way: Way,
}

/// `sms-provider edit`.
#[derive(Debug, Args)]
#[command(after_help = EDIT, after_long_help = format!("{MACROS}\n\n{EDIT}"))]
pub struct Edit {
    #[command(flatten)]
    named: Named,
    /// New name
    #[arg(long = "name", value_name = "NEW", id = "new_name")]
    new_name: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Leave to SmsSenderName whom messages say they are from
    #[arg(long, conflicts_with = "from")]
    no_from: bool,
    /// Log in without a name
    #[arg(long, conflicts_with = "username")]
    no_username: bool,
    /// Send without headers of its own
    #[arg(long, conflicts_with = "headers")]
    no_headers: bool,
    /// Take every good status for success
    #[arg(long, conflicts_with = "success")]
    no_success: bool,
    /// Look for no receipt
    #[arg(long, conflicts_with = "receipt")]
    no_receipt: bool,
    /// Bind without a system type
    #[arg(long, conflicts_with = "system_type")]
    no_system_type: bool,
    /// Trust the system's certificates
    #[arg(long, conflicts_with = "ca_file")]
    no_ca_file: bool,
}

impl Edit {
    /// Nothing is ignored in silence: what is taken away must be there to have.
    fn only_of(&self, kind: &str) -> Result<()> {
        let given: [(bool, &str, &[&str]); 6] = [
            (self.no_username, "--no-username", &["http"]),
            (self.no_headers, "--no-headers", &["http"]),
            (self.no_success, "--no-success", &["http"]),
            (self.no_receipt, "--no-receipt", &["http"]),
            (self.no_system_type, "--no-system-type", &["smpp"]),
            (self.no_ca_file, "--no-ca-file", &["twilio", "http", "smpp"]),
        ];
        way::only_of(kind, &given)
    }

    /// Takes away what the `--no-…` options name.
    fn clear(&self, transport: &mut Transport) {
        let ca_file = match transport {
            Transport::Twilio(twilio) => Some(&mut twilio.ca_file),
            Transport::Http(http) => {
                for (gone, field) in [
                    (self.no_username, &mut http.username),
                    (self.no_success, &mut http.success),
                    (self.no_receipt, &mut http.receipt),
                ] {
                    if gone {
                        *field = None;
                    }
                }
                if self.no_headers {
                    http.headers.clear();
                }
                Some(&mut http.ca_file)
            }
            Transport::Smpp(smpp) => {
                if self.no_system_type {
                    smpp.system_type = None;
                }
                Some(&mut smpp.ca_file)
            }
            Transport::Command { .. } | Transport::File { .. } => None,
        };
        if let Some(ca_file) = ca_file.filter(|_| self.no_ca_file) {
            *ca_file = None;
        }
    }
}

/// `sms-provider remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    named: Named,
    /// It is fine if there is no such SMS provider
    #[arg(long)]
    if_exists: bool,
}

/// `sms-provider test`.
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    named: Named,
    /// Where the message goes [default: the acting user's phone]
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
}

const TABLE: &[&str] = &["name", "kind", "from", "secret"];

pub fn run(context: &mut Context, verb: SmsProvider) -> Result<Answer> {
    match verb {
        SmsProvider::Add(args) => add(context, &args),
        SmsProvider::List => {
            let session = context.session()?;
            let rows: Vec<ProviderRow> = sms_provider::list(&session.store)?
                .iter()
                .map(ProviderRow::from)
                .collect();
            Ok(Answer::list(FIELDS, TABLE, rows))
        }
        SmsProvider::Show(named) => {
            let session = context.session()?;
            let have = sms_provider::find(&session.store, &named.name)?;
            shown(&have)
        }
        SmsProvider::Edit(args) => edit(context, &args),
        SmsProvider::Remove(args) => remove(context, &args),
        SmsProvider::Test(args) => test(context, &args),
    }
}

/// A provider of one kind has few of the fields that there are.
fn shown(provider: &Stored) -> Result<Answer> {
    Ok(Answer::thing(&ProviderRow::from(provider))?.shown_without_nothing())
}

/// The token or password, where there is a use for one: from the options, or asked for.
fn secret(
    context: &Context,
    way: &Way,
    transport: &Transport,
    lines: &mut Lines,
    have: Option<&Stored>,
) -> Result<Option<Secret>> {
    let (by_password, by_token) = (way.gives_password(), way.gives_token());
    let named = match transport {
        Transport::Smpp(_) => true,
        Transport::Http(http) => http.username.is_some(),
        _ => false,
    };
    if (by_password || by_token) && !transport.takes_secret() {
        return Err(Error::new(
            Kind::Usage,
            "a program and a directory take no token and no password",
        ));
    }
    if by_password && !named {
        return Err(Error::new(Kind::Usage, "a password goes with a username")
            .hint("a token comes with --token-stdin, a username with --username NAME"));
    }
    if by_token && named {
        return Err(Error::new(Kind::Usage, "a username goes with a password")
            .hint("give it with --password-stdin"));
    }
    if by_token {
        return match (lines.token.take(), &way.token_file) {
            (Some(token), _) => Ok(Some(token)),
            (None, Some(path)) => read_file(path, "--token-file").map(Some),
            (None, None) => Ok(None),
        };
    }
    let keeps =
        have.is_some_and(|have| have.has_secret() && !transport.wants_secret_anew(&have.transport));
    let had = have.is_some_and(Stored::has_secret);
    if by_password || (named && !keeps && transport.uses_secret()) {
        let prompt = if by_password || !had {
            "Password of the provider"
        } else {
            "The password, which is not kept for another server or without protection,"
        };
        return context
            .password(&way.password, lines, prompt, false)
            .map(Some);
    }
    if matches!(transport, Transport::Twilio(_)) && !keeps {
        return context
            .ui
            .secret("Token of the account", "--token-stdin", false)
            .map(Some);
    }
    Ok(None)
}

fn warnings(store: &Store, have: &Stored) -> Vec<Warning> {
    let ca_file = match &have.transport {
        Transport::Twilio(twilio) => twilio.ca_file.as_deref(),
        Transport::Http(http) => http.ca_file.as_deref(),
        Transport::Smpp(smpp) => smpp.ca_file.as_deref(),
        Transport::Command { .. } | Transport::File { .. } => None,
    };
    let program = match &have.transport {
        Transport::Command { program, .. } => Some(program.as_str()),
        _ => None,
    };
    [
        exposed(store, have),
        ca_file.and_then(|path| sending::absent(path, "--ca-file")),
        program.and_then(|path| sending::absent(path, "--command")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is worth saying of who could read what is sent.
fn exposed(store: &Store, have: &Stored) -> Option<Warning> {
    let bare = |host: Option<&str>| {
        let near = host.is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "::1"));
        (!near).then(|| Warning {
            kind: "password_in_clear",
            message: "messages, and the secret, go over the network unprotected.".to_owned(),
            hint: Some("https:// or --tls tls".to_owned()),
        })
    };
    match &have.transport {
        Transport::File { directory } => {
            delivery::open_directory(store, std::path::Path::new(directory))
        }
        Transport::Smpp(smpp) if smpp.tls == twofa::mailbox::Tls::None => bare(Some(&smpp.host)),
        Transport::Twilio(twilio) => {
            way::plain_host(&twilio.url).and_then(|host| bare(Some(&host)))
        }
        Transport::Http(http) => way::plain_host(&http.url).and_then(|host| bare(Some(&host))),
        Transport::Smpp(_) | Transport::Command { .. } => None,
    }
}

fn put(
    context: &mut Context,
    plan: &PutProvider,
    lines: Lines,
    session: &twofa::actor::Session,
) -> Result<Answer> {
    // What is refused makes no directory, and a provider whose directory cannot be made is not added.
    plan.changes(&session.store)?;
    if let Transport::File { directory } = &plan.transport {
        sending::prepare(&session.store, directory)?;
    }
    let mut done = context.commit(session, plan, Allowance::Nobody, Some(lines))?;
    let stored = sms_provider::find(&session.store, &plan.name)?;
    done.warnings.extend(warnings(&session.store, &stored));
    let name = visible(&stored.name);
    let changed = done.changed();
    let sentence = match (changed, plan.id) {
        (false, _) => format!("The SMS provider `{name}` is like that already."),
        (true, None) => format!("The SMS provider `{name}` was added."),
        (true, Some(_)) => format!("The SMS provider `{name}` was changed."),
    };
    let answer = shown(&stored)?
        .changed(changed, done.warnings)
        .say(sentence);
    let next = sending::next(&session.store, &Sender::Provider(stored))?;
    Ok(answer.say(next))
}

fn wanted(way: &Way) -> Wanted {
    Wanted {
        password: way.password.password_stdin,
        token: way.token_stdin.then_some("--token-stdin"),
        ..Wanted::default()
    }
}

fn add(context: &mut Context, args: &Add) -> Result<Answer> {
    let session = context.session()?;
    let mut lines = context.lines(wanted(&args.way))?;
    let transport = args.way.transport(None)?;
    let secret = secret(context, &args.way, &transport, &mut lines, None)?;
    let plan = PutProvider {
        id: None,
        name: args.name.clone(),
        from: args.way.sender()?,
        transport,
        secret,
    };
    put(context, &plan, lines, &session)
}

fn edit(context: &mut Context, args: &Edit) -> Result<Answer> {
    let session = context.session()?;
    let have = sms_provider::find(&session.store, &args.named.name)?;
    let mut lines = context.lines(wanted(&args.way))?;
    let mut transport = args.way.transport(Some(&have.transport))?;
    args.only_of(transport.kind())?;
    args.clear(&mut transport);
    let secret = secret(context, &args.way, &transport, &mut lines, Some(&have))?;
    let from = args.way.sender()?.or_else(|| have.from.clone());
    let plan = PutProvider {
        id: Some(have.id),
        name: args.new_name.clone().unwrap_or_else(|| have.name.clone()),
        from: from.filter(|_| !args.no_from),
        transport,
        secret,
    };
    put(context, &plan, lines, &session)
}

fn remove(context: &mut Context, args: &Remove) -> Result<Answer> {
    let session = context.session()?;
    let name = args.named.name.as_str();
    let found = sms_provider::find(&session.store, name);
    let have = match or_none(found, args.if_exists, "SMS provider", "name", name)? {
        Ok(have) => have,
        Err(none) => return Ok(none),
    };
    let plan = RemoveProvider { id: have.id };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let changed = done.changed();
    Ok(shown(&have)?.changed(changed, done.warnings).say(format!(
        "The SMS provider `{}` was removed.",
        visible(&have.name)
    )))
}

fn test(context: &mut Context, args: &Test) -> Result<Answer> {
    let session = context.session()?;
    let have = sms_provider::find(&session.store, &args.named.name)?;
    let to = match &args.to {
        Some(to) => rules::phone(to)?,
        None => session.actor.user.phone.clone().ok_or_else(|| {
            Error::new(
                Kind::MissingAnswer,
                "you have no phone the message could go to",
            )
            .hint("name one with --to NUMBER")
        })?,
    };
    let mut warnings = warnings(&session.store, &have);
    warnings.extend(rules::improbable(&to));
    let sender = Sender::Provider(have);
    sending::test(context, &session, &sender, &to, warnings)
}

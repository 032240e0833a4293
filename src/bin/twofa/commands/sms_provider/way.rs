//! How an SMS provider sends, as the options say.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};
use twofa::error::{Error, Kind, Result};
use twofa::mailbox::Tls;
use twofa::sms_provider::{self, Http, Smpp, Transport, Twilio};

use crate::cli::PasswordFrom;
use crate::sending::absolute;

const TWILIO: &str = "An interface in Twilio's shape";
const HTTP: &str = "Any other interface over HTTP";
const SMPP: &str = "A message centre";
const LOCAL: &str = "This machine";

/// How the connection to a message centre is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protection {
    /// No protection
    None,
    /// TLS from the first byte
    Tls,
}

/// How an SMS provider sends.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("way").args(["twilio", "http", "smpp", "command", "file"]))]
pub struct Way {
    /// Send through a REST interface in Twilio's shape
    #[arg(long, help_heading = TWILIO)]
    twilio: bool,
    /// The account there
    #[arg(long, value_name = "SID", help_heading = TWILIO)]
    account: Option<String>,
    #[arg(long, value_name = "URL", help_heading = TWILIO, help = "Where the interface is [default: https://api.twilio.com]")]
    base_url: Option<String>,
    /// Send to this address; it may have macros
    #[arg(long, value_name = "URL", help_heading = HTTP)]
    http: Option<String>,
    /// GET, POST or PUT [default: POST with a body, else GET]
    #[arg(long, value_name = "METHOD", value_parser = ["GET", "POST", "PUT"], ignore_case = true, help_heading = HTTP)]
    method: Option<String>,
    /// Send this header as well, 'Name: value'; it may have macros
    #[arg(long = "header", value_name = "HEADER", help_heading = HTTP)]
    headers: Vec<String>,
    /// What is sent; #Phone#, #PhoneDigits#, #Text#, #Sender# and #Token# stand for their values
    #[arg(long, value_name = "TEXT", help_heading = HTTP, conflicts_with = "body_file")]
    body: Option<String>,
    /// Read what is sent from a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = HTTP)]
    body_file: Option<PathBuf>,
    /// What counts as success, such as 'status=200 /messages/0/status=0'
    #[arg(long, value_name = "RULE", help_heading = HTTP)]
    success: Option<String>,
    /// Where in the answer the receipt is: /json/pointer or header:NAME
    #[arg(long, value_name = "WHERE", help_heading = HTTP)]
    receipt: Option<String>,
    /// Send to a message centre over SMPP 3.4
    #[arg(long, value_name = "HOST:PORT", help_heading = SMPP)]
    smpp: Option<String>,
    /// How the connection is protected [default: none]
    #[arg(long, value_name = "HOW", help_heading = SMPP)]
    tls: Option<Protection>,
    /// The system type that binds
    #[arg(long, value_name = "TYPE", help_heading = SMPP)]
    system_type: Option<String>,
    /// Run this program; the words come on its standard input
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::ExecutablePath, help_heading = LOCAL)]
    command: Option<PathBuf>,
    /// An argument of the program; #Phone#, #PhoneDigits# and #Sender# stand for their values [default: #Phone#]
    #[arg(long = "arg", value_name = "ARGUMENT", value_hint = ValueHint::CommandString, allow_hyphen_values = true, help_heading = LOCAL)]
    arguments: Vec<String>,
    /// Write messages into this directory, one file each
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = LOCAL)]
    file: Option<PathBuf>,
    /// Log in with this name
    #[arg(long)]
    username: Option<String>,
    #[command(flatten)]
    pub password: PasswordFrom,
    /// Read the token from standard input, one line
    #[arg(long, conflicts_with_all = ["token_file", "password_stdin", "password_file"])]
    pub token_stdin: bool,
    /// Read the token from the first line of a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["password_stdin", "password_file"])]
    pub token_file: Option<PathBuf>,
    /// Trust the certificates in this file instead of the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Whom messages say they are from: a number, or up to 11 letters and digits [default: SmsSenderName]
    #[arg(long, value_name = "SENDER")]
    from: Option<String>,
}

/// The kinds of providers, by their option.
const KINDS: [&str; 5] = ["twilio", "http", "smpp", "command", "file"];

impl Way {
    pub fn gives_password(&self) -> bool {
        self.password.password_stdin || self.password.password_file.is_some()
    }

    pub fn gives_token(&self) -> bool {
        self.token_stdin || self.token_file.is_some()
    }

    /// Whom messages say they are from, where an option tells.
    pub fn sender(&self) -> Result<Option<String>> {
        self.from.as_deref().map(sms_provider::sender).transpose()
    }

    /// Which kind it is: the one that is named, or the one it was.
    fn kind(&self, have: Option<&Transport>) -> Result<&'static str> {
        let named = [
            self.twilio,
            self.http.is_some(),
            self.smpp.is_some(),
            self.command.is_some(),
            self.file.is_some(),
        ];
        let at = named.iter().position(|named| *named);
        match (at.and_then(|at| KINDS.get(at)), have) {
            (Some(kind), _) => Ok(kind),
            (None, Some(have)) => Ok(have.kind()),
            (None, None) => Err(Error::new(
                Kind::MissingAnswer,
                "how the SMS provider sends is not said",
            )
            .hint("give --twilio, --http URL, --smpp HOST:PORT, --command PROGRAM or --file DIR")),
        }
    }

    /// Nothing is ignored in silence: each option goes with some kinds only.
    fn only_of(&self, kind: &str) -> Result<()> {
        let given: [(bool, &str, &[&str]); 14] = [
            (self.account.is_some(), "--account", &["twilio"]),
            (self.base_url.is_some(), "--base-url", &["twilio"]),
            (self.method.is_some(), "--method", &["http"]),
            (!self.headers.is_empty(), "--header", &["http"]),
            (self.body.is_some(), "--body", &["http"]),
            (self.body_file.is_some(), "--body-file", &["http"]),
            (self.success.is_some(), "--success", &["http"]),
            (self.receipt.is_some(), "--receipt", &["http"]),
            (self.tls.is_some(), "--tls", &["smpp"]),
            (self.system_type.is_some(), "--system-type", &["smpp"]),
            (!self.arguments.is_empty(), "--arg", &["command"]),
            (self.username.is_some(), "--username", &["http", "smpp"]),
            (self.gives_token(), "a token", &["twilio", "http"]),
            (
                self.ca_file.is_some(),
                "--ca-file",
                &["twilio", "http", "smpp"],
            ),
        ];
        only_of(kind, &given)
    }

    /// How it sends; what the options leave out is taken from `have`, where it is of the same kind.
    pub fn transport(&self, have: Option<&Transport>) -> Result<Transport> {
        let kind = self.kind(have)?;
        self.only_of(kind)?;
        match (kind, have) {
            ("twilio", Some(Transport::Twilio(have))) => self.twilio(Some(have)),
            ("twilio", _) => self.twilio(None),
            ("http", Some(Transport::Http(have))) => self.http(Some(have)),
            ("http", _) => self.http(None),
            ("smpp", Some(Transport::Smpp(have))) => self.smpp(Some(have)),
            ("smpp", _) => self.smpp(None),
            ("command", have) => self.command(have),
            (_, have) => self.file(have),
        }
    }

    fn ca_file(&self, have: Option<&String>) -> Result<Option<String>> {
        match &self.ca_file {
            Some(path) => absolute(path).map(Some),
            None => Ok(have.cloned()),
        }
    }

    fn twilio(&self, have: Option<&Twilio>) -> Result<Transport> {
        let account = self
            .account
            .clone()
            .or_else(|| have.map(|have| have.account.clone()))
            .ok_or_else(|| missing("the account", "--account SID"))?;
        let url = self
            .base_url
            .clone()
            .or_else(|| have.map(|have| have.url.clone()))
            .unwrap_or_else(|| Twilio::URL.to_owned());
        Ok(Transport::Twilio(Twilio {
            account: account.trim().to_owned(),
            url: url.trim().trim_end_matches('/').to_owned(),
            ca_file: self.ca_file(have.and_then(|have| have.ca_file.as_ref()))?,
        }))
    }

    fn http(&self, have: Option<&Http>) -> Result<Transport> {
        let or = |new: &Option<String>, old: fn(&Http) -> Option<String>| {
            new.clone().or_else(|| have.and_then(old))
        };
        let body = match &self.body_file {
            Some(path) => Some(read(path)?),
            None => or(&self.body, |have| have.body.clone()),
        };
        let headers = if self.headers.is_empty() {
            have.map(|have| have.headers.clone()).unwrap_or_default()
        } else {
            self.headers
                .iter()
                .map(|text| sms_provider::header(text))
                .collect::<Result<_>>()?
        };
        let method = or(&self.method, |have| Some(have.method.clone()));
        let usual = if body.is_some() { "POST" } else { "GET" };
        Ok(Transport::Http(Http {
            url: or(&self.http, |have| Some(have.url.clone()))
                .ok_or_else(|| missing("the address", "--http URL"))?
                .trim()
                .to_owned(),
            method: method.map_or_else(|| usual.to_owned(), |method| method.to_ascii_uppercase()),
            headers,
            body,
            username: or(&self.username, |have| have.username.clone()),
            success: or(&self.success, |have| have.success.clone()),
            receipt: or(&self.receipt, |have| have.receipt.clone()),
            ca_file: self.ca_file(have.and_then(|have| have.ca_file.as_ref()))?,
        }))
    }

    fn smpp(&self, have: Option<&Smpp>) -> Result<Transport> {
        let (host, port) = match (&self.smpp, have) {
            (Some(text), _) => Smpp::address(text)?,
            (None, Some(have)) => (have.host.clone(), have.port),
            (None, None) => return Err(missing("the message centre", "--smpp HOST:PORT")),
        };
        let tls = self.tls.map(|tls| match tls {
            Protection::None => Tls::None,
            Protection::Tls => Tls::Tls,
        });
        Ok(Transport::Smpp(Smpp {
            host,
            port,
            tls: tls.or(have.map(|have| have.tls)).unwrap_or(Tls::None),
            username: self
                .username
                .clone()
                .or_else(|| have.map(|have| have.username.clone()))
                .ok_or_else(|| missing("the username", "--username NAME"))?,
            system_type: self
                .system_type
                .clone()
                .or_else(|| have.and_then(|have| have.system_type.clone())),
            ca_file: self.ca_file(have.and_then(|have| have.ca_file.as_ref()))?,
        }))
    }

    fn command(&self, have: Option<&Transport>) -> Result<Transport> {
        let (had_program, had_arguments) = match have {
            Some(Transport::Command { program, arguments }) => {
                (Some(program.clone()), Some(arguments.clone()))
            }
            _ => (None, None),
        };
        let program = match &self.command {
            Some(path) => absolute(path)?,
            None => had_program.ok_or_else(|| missing("the program", "--command PROGRAM"))?,
        };
        let arguments = if self.arguments.is_empty() {
            had_arguments.unwrap_or_else(|| vec!["#Phone#".to_owned()])
        } else {
            self.arguments.clone()
        };
        Ok(Transport::Command { program, arguments })
    }

    fn file(&self, have: Option<&Transport>) -> Result<Transport> {
        match (&self.file, have) {
            (Some(path), _) => Ok(Transport::File {
                directory: absolute(path)?,
            }),
            (None, Some(have)) => Ok(have.clone()),
            (None, None) => Err(missing("the directory", "--file DIR")),
        }
    }
}

/// Refuses the first option that was given and goes with other kinds only.
pub fn only_of(kind: &str, given: &[(bool, &str, &[&str])]) -> Result<()> {
    let foreign = given
        .iter()
        .find(|(is_given, _, kinds)| *is_given && !kinds.contains(&kind));
    let Some((_, option, kinds)) = foreign else {
        return Ok(());
    };
    let with: Vec<String> = kinds.iter().map(|kind| format!("--{kind}")).collect();
    Err(Error::new(
        Kind::Usage,
        format!("{option} goes with {}", with.join(" or ")),
    ))
}

fn missing(what: &str, option: &str) -> Error {
    Error::new(Kind::MissingAnswer, format!("{what} is needed")).hint(format!("give {option}"))
}

/// The most that a body may be, in bytes.
const LONGEST_BODY: u64 = 64 * 1024;

/// The text of a file.
fn read(path: &std::path::Path) -> Result<String> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| {
        Error::new(Kind::Io, format!("cannot read `{}`", path.display())).because(error)
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(LONGEST_BODY + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// The host of an address that is not protected.
pub fn plain_host(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (url.scheme() == "http").then(|| host.to_owned())
}

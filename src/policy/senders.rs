//! Mailboxes and SMS providers of a policy file: what they declare, as plans of their nouns.

use std::path::Path;

use super::declared::entries;
use super::document::{self, Document, MailboxKind, ProviderKind};
use super::reference::Reference;
use crate::error::{Error, Kind, Result};
use crate::mailbox::{self, From, PutMailbox, Smtp, Tls, Transport as Mail};
use crate::name::visible;
use crate::secret::Secret;
use crate::sms_provider::{self, Http, PutProvider, Smpp, Transport as Sms, Twilio};
use crate::store::Store;

/// A text that may be left out: as it was; an empty one clears it.
fn text(declared: Option<&String>, had: Option<&String>) -> Option<String> {
    match declared.map(|text| text.trim()) {
        None => had.cloned(),
        Some("") => None,
        Some(text) => Some(text.to_owned()),
    }
}

/// A text that must be there.
fn needed(what: &str, text: Option<String>) -> Result<String> {
    text.ok_or_else(|| missing(what))
}

fn missing(key: &str) -> Error {
    Error::new(Kind::InvalidValue, format!("`{key}` is missing"))
}

/// A path that means the same wherever the file is applied from.
fn absolute(path: String) -> Result<String> {
    if Path::new(&path).is_absolute() {
        return Ok(path);
    }
    Err(Error::new(
        Kind::InvalidValue,
        format!("the path `{path}` does not begin at the root"),
    )
    .hint("a policy is applied from anywhere: write the whole path"))
}

fn ca_file(declared: Option<&String>, had: Option<&String>) -> Result<Option<String>> {
    text(declared, had).map(absolute).transpose()
}

/// Refuses a key that goes with another kind: nothing is ignored in silence.
fn only_of(kind: &str, given: &[(bool, &str, &[&str])]) -> Result<()> {
    let foreign = given
        .iter()
        .find(|(is_given, _, kinds)| *is_given && !kinds.contains(&kind));
    match foreign {
        None => Ok(()),
        Some((_, key, kinds)) => Err(Error::new(
            Kind::InvalidValue,
            format!("`{key}` does not go with the kind `{kind}`"),
        )
        .hint(format!("it goes with {}", kinds.join(", ")))),
    }
}

/// What became of a secret that a file refers to.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// It was read.
    Read(Secret),
    /// It could not be read, and nothing is written: it stays as it is where it may, else something stands for it.
    Unread,
}

/// The plan of a mailbox.
pub(super) fn mailbox(
    store: &Store,
    name: &str,
    declared: &document::Mailbox,
    password: Option<&Found>,
) -> Result<PutMailbox> {
    let have = mailbox::lookup(store, name)?;
    let transport = mail(declared, have.as_ref().map(|have| &have.transport))?;
    let from = match (&declared.from, &have) {
        (Some(from), _) => From::parse(from)?,
        (None, Some(have)) => have.from.clone(),
        (None, None) => return Err(missing("from")),
    };
    let logs_in = transport.username().is_some();
    if password.is_some() && !logs_in {
        return Err(Error::new(
            Kind::InvalidValue,
            "`password` goes with a `username`",
        ));
    }
    let keeps = have
        .as_ref()
        .is_some_and(|have| have.has_password() && !transport.wants_password_anew(&have.transport));
    if logs_in && password.is_none() && !keeps {
        return Err(Error::new(Kind::InvalidValue, "`password` is missing")
            .hint("say where it is, as password = \"env:NAME\", \"file:/PATH\" or \"credential:NAME\""));
    }
    Ok(PutMailbox {
        id: have.as_ref().map(|have| have.id),
        name: have.map_or_else(|| name.to_owned(), |have| have.name),
        from,
        transport,
        password: given(password, keeps),
    })
}

/// The secret a plan gets.
fn given(found: Option<&Found>, keeps: bool) -> Option<Secret> {
    match found {
        None => None,
        Some(Found::Read(secret)) => Some(secret.clone()),
        Some(Found::Unread) => (!keeps).then(|| Secret::from("unread")),
    }
}

fn mail(declared: &document::Mailbox, have: Option<&Mail>) -> Result<Mail> {
    let kind = match (declared.kind, have) {
        (Some(kind), _) => kind,
        (None, Some(Mail::Smtp(_))) => MailboxKind::Smtp,
        (None, Some(Mail::File { .. })) => MailboxKind::File,
        (None, Some(Mail::Sendmail { .. })) => MailboxKind::Sendmail,
        (None, None) => return Err(missing("kind").hint("it is smtp, file or sendmail")),
    };
    let word = match kind {
        MailboxKind::Smtp => "smtp",
        MailboxKind::File => "file",
        MailboxKind::Sendmail => "sendmail",
    };
    let smtp: &[&str] = &["smtp"];
    only_of(
        word,
        &[
            (declared.host.is_some(), "host", smtp),
            (declared.port.is_some(), "port", smtp),
            (declared.tls.is_some(), "tls", smtp),
            (declared.username.is_some(), "username", smtp),
            (declared.auth.is_some(), "auth", smtp),
            (declared.password.is_some(), "password", smtp),
            (declared.ca_file.is_some(), "ca_file", smtp),
            (declared.path.is_some(), "path", &["file", "sendmail"]),
        ],
    )?;
    let path = || {
        let had = match (kind, have) {
            (MailboxKind::File, Some(Mail::File { directory: path }))
            | (MailboxKind::Sendmail, Some(Mail::Sendmail { program: path })) => Some(path),
            _ => None,
        };
        absolute(needed("path", text(declared.path.as_ref(), had))?)
    };
    Ok(match kind {
        MailboxKind::File => Mail::File { directory: path()? },
        MailboxKind::Sendmail => Mail::Sendmail { program: path()? },
        MailboxKind::Smtp => {
            let had = match have {
                Some(Mail::Smtp(smtp)) => Some(smtp),
                _ => None,
            };
            Mail::Smtp(smtp_server(declared, had)?)
        }
    })
}

fn smtp_server(declared: &document::Mailbox, had: Option<&Smtp>) -> Result<Smtp> {
    let host = needed(
        "host",
        text(declared.host.as_ref(), had.map(|had| &had.host)),
    )?;
    let tls = declared
        .tls
        .or(had.map(|had| had.tls))
        .unwrap_or(Tls::Starttls);
    let port = match declared.port.or(had.map(|had| had.port)) {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    // An IPv6 address has colons of its own.
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    let server = Smtp::parse(&format!("smtp://{host}{port}"), Some(tls))?;
    let username = text(
        declared.username.as_ref(),
        had.and_then(|had| had.username.as_ref()),
    );
    let auth = declared
        .auth
        .or(had.and_then(|had| had.auth).filter(|_| username.is_some()));
    Ok(Smtp {
        username,
        auth,
        ca_file: ca_file(
            declared.ca_file.as_ref(),
            had.and_then(|had| had.ca_file.as_ref()),
        )?,
        ..server
    })
}

/// The plan of an SMS provider.
pub(super) fn provider(
    store: &Store,
    name: &str,
    declared: &document::SmsProvider,
    secret: Option<&Found>,
) -> Result<PutProvider> {
    let have = sms_provider::lookup(store, name)?;
    let transport = sms(declared, have.as_ref().map(|have| &have.transport))?;
    let keeps = have
        .as_ref()
        .is_some_and(|have| have.has_secret() && !transport.wants_secret_anew(&have.transport));
    if transport.uses_secret() && secret.is_none() && !keeps {
        return Err(Error::new(Kind::InvalidValue, "`secret` is missing").hint(
            "say where it is, as secret = \"env:NAME\", \"file:/PATH\" or \"credential:NAME\"",
        ));
    }
    let had_from = have.as_ref().and_then(|have| have.from.as_ref());
    Ok(PutProvider {
        id: have.as_ref().map(|have| have.id),
        from: text(declared.from.as_ref(), had_from),
        name: have.map_or_else(|| name.to_owned(), |have| have.name),
        transport,
        secret: given(secret, keeps),
    })
}

fn sms(declared: &document::SmsProvider, have: Option<&Sms>) -> Result<Sms> {
    let kind = match (declared.kind, have) {
        (Some(kind), _) => kind,
        (None, Some(Sms::Twilio(_))) => ProviderKind::Twilio,
        (None, Some(Sms::Http(_))) => ProviderKind::Http,
        (None, Some(Sms::Smpp(_))) => ProviderKind::Smpp,
        (None, Some(Sms::Command { .. })) => ProviderKind::Command,
        (None, Some(Sms::File { .. })) => ProviderKind::File,
        (None, None) => {
            return Err(missing("kind").hint("it is twilio, http, smpp, command or file"));
        }
    };
    only_of(word(kind), &given_keys(declared))?;
    match (kind, have) {
        (ProviderKind::Twilio, Some(Sms::Twilio(had))) => twilio(declared, Some(had)),
        (ProviderKind::Twilio, _) => twilio(declared, None),
        (ProviderKind::Http, Some(Sms::Http(had))) => http(declared, Some(had)),
        (ProviderKind::Http, _) => http(declared, None),
        (ProviderKind::Smpp, Some(Sms::Smpp(had))) => smpp(declared, Some(had)),
        (ProviderKind::Smpp, _) => smpp(declared, None),
        (ProviderKind::Command, have) => command(declared, have),
        (ProviderKind::File, have) => {
            let had = match have {
                Some(Sms::File { directory }) => Some(directory),
                _ => None,
            };
            let path = needed("path", text(declared.path.as_ref(), had))?;
            Ok(Sms::File {
                directory: absolute(path)?,
            })
        }
    }
}

fn word(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Twilio => "twilio",
        ProviderKind::Http => "http",
        ProviderKind::Smpp => "smpp",
        ProviderKind::Command => "command",
        ProviderKind::File => "file",
    }
}

/// Each key: whether it is there, and with which kinds it goes.
fn given_keys(
    declared: &document::SmsProvider,
) -> [(bool, &'static str, &'static [&'static str]); 16] {
    [
        (declared.account.is_some(), "account", &["twilio"]),
        (declared.username.is_some(), "username", &["http", "smpp"]),
        (
            declared.secret.is_some(),
            "secret",
            &["twilio", "http", "smpp"],
        ),
        (declared.url.is_some(), "url", &["twilio", "http"]),
        (declared.method.is_some(), "method", &["http"]),
        (declared.headers.is_some(), "headers", &["http"]),
        (declared.body.is_some(), "body", &["http"]),
        (declared.success.is_some(), "success", &["http"]),
        (declared.receipt.is_some(), "receipt", &["http"]),
        (declared.host.is_some(), "host", &["smpp"]),
        (declared.port.is_some(), "port", &["smpp"]),
        (declared.tls.is_some(), "tls", &["smpp"]),
        (declared.system_type.is_some(), "system_type", &["smpp"]),
        (
            declared.ca_file.is_some(),
            "ca_file",
            &["twilio", "http", "smpp"],
        ),
        (declared.path.is_some(), "path", &["command", "file"]),
        (declared.arguments.is_some(), "arguments", &["command"]),
    ]
}

fn twilio(declared: &document::SmsProvider, had: Option<&Twilio>) -> Result<Sms> {
    let account = text(declared.account.as_ref(), had.map(|had| &had.account));
    let url = text(declared.url.as_ref(), had.map(|had| &had.url))
        .unwrap_or_else(|| Twilio::URL.to_owned());
    Ok(Sms::Twilio(Twilio {
        account: needed("account", account)?,
        url: url.trim_end_matches('/').to_owned(),
        ca_file: ca_file(
            declared.ca_file.as_ref(),
            had.and_then(|had| had.ca_file.as_ref()),
        )?,
    }))
}

fn http(declared: &document::SmsProvider, had: Option<&Http>) -> Result<Sms> {
    let body = match &declared.body {
        // Blanks at its ends belong to it.
        Some(body) if body.is_empty() => None,
        Some(body) => Some(body.clone()),
        None => had.and_then(|had| had.body.clone()),
    };
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = text(declared.method.as_ref(), had.map(|had| &had.method));
    let headers = match &declared.headers {
        Some(headers) => headers
            .iter()
            .map(|text| sms_provider::header(text))
            .collect::<Result<_>>()?,
        None => had.map(|had| had.headers.clone()).unwrap_or_default(),
    };
    let or = |new: &Option<String>, old: fn(&Http) -> Option<&String>| {
        text(new.as_ref(), had.and_then(old))
    };
    Ok(Sms::Http(Http {
        url: needed("url", or(&declared.url, |had| Some(&had.url)))?,
        method: method.map_or_else(|| usual.to_owned(), |method| method.to_ascii_uppercase()),
        headers,
        body,
        username: or(&declared.username, |had| had.username.as_ref()),
        success: or(&declared.success, |had| had.success.as_ref()),
        receipt: or(&declared.receipt, |had| had.receipt.as_ref()),
        ca_file: ca_file(
            declared.ca_file.as_ref(),
            had.and_then(|had| had.ca_file.as_ref()),
        )?,
    }))
}

fn smpp(declared: &document::SmsProvider, had: Option<&Smpp>) -> Result<Sms> {
    let host = needed(
        "host",
        text(declared.host.as_ref(), had.map(|had| &had.host)),
    )?;
    let port = declared
        .port
        .or(had.map(|had| had.port))
        .unwrap_or(Smpp::PORT);
    let (host, port) = Smpp::address(&format!("{host}:{port}"))?;
    let tls = declared.tls.or(had.map(|had| had.tls)).unwrap_or(Tls::None);
    if tls == Tls::Starttls {
        return Err(Error::new(
            Kind::InvalidValue,
            "a message centre is reached with `tls` none or tls",
        ));
    }
    let username = text(declared.username.as_ref(), had.map(|had| &had.username));
    Ok(Sms::Smpp(Smpp {
        host,
        port,
        tls,
        username: needed("username", username)?,
        system_type: text(
            declared.system_type.as_ref(),
            had.and_then(|had| had.system_type.as_ref()),
        ),
        ca_file: ca_file(
            declared.ca_file.as_ref(),
            had.and_then(|had| had.ca_file.as_ref()),
        )?,
    }))
}

fn command(declared: &document::SmsProvider, have: Option<&Sms>) -> Result<Sms> {
    let (had_program, had_arguments) = match have {
        Some(Sms::Command { program, arguments }) => (Some(program), Some(arguments.clone())),
        _ => (None, None),
    };
    let program = needed("path", text(declared.path.as_ref(), had_program))?;
    let arguments = declared.arguments.clone().or(had_arguments);
    Ok(Sms::Command {
        program: absolute(program)?,
        arguments: arguments.unwrap_or_else(|| vec!["#Phone#".to_owned()]),
    })
}

/// What a mailbox or an SMS provider says of files and secrets.
pub(super) struct Sender<'d> {
    pub(super) section: &'static str,
    pub(super) name: &'d str,
    /// The key of its secret, and where that is.
    pub(super) secret: Option<(&'static str, &'d Reference)>,
    /// The first key that names a file, a program, what it is given, or a place of secrets.
    pub(super) names_file: Option<&'static str>,
}

impl Document {
    /// Every mailbox and SMS provider.
    pub(super) fn senders(&self) -> impl Iterator<Item = Sender<'_>> {
        let first = |keys: &[(bool, &'static str)]| {
            let given = keys.iter().find(|(is_given, _)| *is_given);
            given.map(|(_, key)| *key)
        };
        let mailboxes = entries(self.mailboxes.as_ref()).map(move |(name, mailbox)| Sender {
            section: "mailboxes",
            name,
            secret: mailbox.password.as_ref().map(|secret| ("password", secret)),
            names_file: first(&[
                (mailbox.path.is_some(), "path"),
                (mailbox.ca_file.is_some(), "ca_file"),
                (mailbox.password.is_some(), "password"),
            ]),
        });
        let providers = entries(self.sms_providers.as_ref()).map(move |(name, provider)| Sender {
            section: "sms_providers",
            name,
            secret: provider.secret.as_ref().map(|secret| ("secret", secret)),
            names_file: first(&[
                (provider.path.is_some(), "path"),
                (provider.arguments.is_some(), "arguments"),
                (provider.ca_file.is_some(), "ca_file"),
                (provider.secret.is_some(), "secret"),
            ]),
        });
        mailboxes.chain(providers)
    }
}

/// Refuses a file that names a file, a program or a place of secrets.
pub(super) fn name_no_file(document: &Document) -> Result<()> {
    let named = document.senders().find_map(|sender| {
        let key = sender.names_file?;
        Some(format!("{}.{}.{key}", sender.section, visible(sender.name)))
    });
    match named {
        None => Ok(()),
        Some(place) => Err(Error::new(
            Kind::NotPermitted,
            format!(
                "`{place}` names a file, a program or a secret, which is not for delegated callers"
            ),
        )
        .hint("only root and the store's owner choose files, programs and secrets")),
    }
}

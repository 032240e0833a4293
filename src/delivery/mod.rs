//! Delivery: how a message leaves us, and what came of it.
//!
//! Nothing here runs inside a transaction, and nothing takes longer than the deadline it is given: a server that hangs
//! costs that much and is then said to hang. What is wrong for now is tried again as long as the deadline allows; what is
//! wrong for good is not.

pub mod outbox;

mod conversation;
mod http;
mod letter;
mod local;
mod smpp;
mod smtp;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use self::conversation::{Ear, Line, Speaker};
pub use self::local::{open_directory, prepare_directory};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::{smpp::fuzz as fuzz_smpp, smtp::fuzz as fuzz_smtp};

use self::conversation::{Deadline, converse};
use zeroize::Zeroizing;

use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, append};
use crate::error::{Error, Kind, Result};
use crate::mailbox::{self, Mailbox};
use crate::name::{argument, unabridged, visible};
use crate::secret::Secret;
use crate::setting::{self, Settings};
use crate::sms_provider::http::Mask;
use crate::sms_provider::{self, SmsProvider};
use crate::store::Store;
use crate::template::Words;

/// The longest a delivery may take, whatever the life of its code (SEMANTICS, "Second factor").
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// How long is waited before each further try. Whoever logs in waits with us, so there are few, and soon.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1_500)];

/// Through what a message leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A mailbox.
    Mailbox(Mailbox),
    /// An SMS provider.
    Provider(SmsProvider),
}

impl Sender {
    /// Its noun, for sentences.
    fn noun(&self) -> &'static str {
        match self {
            Sender::Mailbox(_) => "mailbox",
            Sender::Provider(_) => "SMS provider",
        }
    }

    /// Its noun, as a word of the command line.
    #[must_use]
    pub fn command(&self) -> &'static str {
        match self {
            Sender::Mailbox(_) => "mailbox",
            Sender::Provider(_) => "sms-provider",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Sender::Mailbox(mailbox) => &mailbox.name,
            Sender::Provider(provider) => &provider.name,
        }
    }
}

/// A message for a phone. It has no `Debug`: a code is in it.
#[derive(Clone)]
pub(crate) struct Sms {
    /// The number: `+` and digits (E.164).
    pub to: String,
    /// Whom it says it is from: a number, or a name of letters and digits; `None` leaves that to the provider.
    pub from: Option<String>,
    /// The words.
    pub text: Zeroizing<String>,
}

/// Why a message did not leave.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What the server or the system said.
    pub said: String,
    /// Whether trying again may help.
    pub temporary: bool,
}

impl Failure {
    fn temporary(said: impl Into<String>) -> Failure {
        Failure {
            said: said.into(),
            temporary: true,
        }
    }

    fn permanent(said: impl Into<String>) -> Failure {
        Failure {
            said: said.into(),
            temporary: false,
        }
    }

    /// The failure as the error of a command.
    #[must_use]
    pub(crate) fn into_error(self, sender: &Sender) -> Error {
        Error::new(
            Kind::Delivery,
            format!(
                "the {} `{}` could not send: {}",
                sender.noun(),
                visible(sender.name()),
                unabridged(&self.said)
            ),
        )
        .hint(format!(
            "`twofa {} test {}` shows how far it comes",
            sender.command(),
            argument(sender.name())
        ))
        .with("temporary", self.temporary)
    }
}

/// What came of a message.
#[derive(Debug)]
pub(crate) struct Came {
    /// What the server called it, or why it did not leave.
    pub outcome: std::result::Result<String, Failure>,
    /// How often it was tried.
    pub tries: i64,
}

/// Sends `words` to `to` through `sender`, within `whole`. What is refused for now is tried again after a pause.
///
/// # Errors
/// About us: a key that is missing. What becomes of the message is in the answer.
pub(crate) fn send(
    store: &Store,
    sender: &Sender,
    to: &str,
    words: &Words,
    whole: Duration,
) -> Result<Came> {
    let deadline = Deadline::within(whole);
    let mut tries = 1;
    loop {
        let outcome = once(store, sender, to, words, deadline, &mut |_| {})?;
        let pause = PAUSES.get(usize::try_from(tries - 1).unwrap_or(usize::MAX));
        match (&outcome, pause) {
            (Err(failure), Some(pause)) if failure.temporary && deadline.allows(*pause) => {
                store.source().pause(*pause);
                tries += 1;
            }
            _ => return Ok(Came { outcome, tries }),
        }
    }
}

/// The longest receipt that is kept, in characters.
const LONGEST_RECEIPT: usize = 200;

/// The longest failure that is kept, in characters.
const LONGEST_FAILURE: usize = 600;

/// One try. Whatever the way: what comes back holds no secret, no code and no line break, and has an end.
fn once(
    store: &Store,
    sender: &Sender,
    to: &str,
    words: &Words,
    deadline: Deadline,
    ear: Ear<'_>,
) -> Result<std::result::Result<String, Failure>> {
    let mask = Arc::new(mask(store, sender, words)?);
    let mut ear = |line: &Line| {
        ear(&Line {
            from: line.from,
            text: mask.hide(&line.text),
        });
    };
    let came = match sender {
        Sender::Mailbox(mailbox) => by_mail(store, mailbox, to, words, deadline, &mask, &mut ear)?,
        Sender::Provider(provider) => {
            by_sms(store, provider, to, words, deadline, &mask, &mut ear)?
        }
    };
    Ok(match came {
        Ok(receipt) => Ok(one_line(&mask.hide(&receipt), LONGEST_RECEIPT)),
        Err(failure) => Err(Failure {
            said: one_line(&mask.hide(&failure.said), LONGEST_FAILURE),
            ..failure
        }),
    })
}

/// What a server or a program may repeat, and nobody may read: the secret that it was given, and the words.
fn mask(store: &Store, sender: &Sender, words: &Words) -> Result<Mask> {
    let mut secrets: Vec<Secret> = Vec::new();
    match sender {
        Sender::Mailbox(mailbox) => {
            if let (Some(password), Some(username)) =
                (mailbox.password(store)?, mailbox.transport.username())
            {
                let password = password.expose();
                // PLAIN and XOAUTH2 write name and secret as one.
                secrets.push(Secret::new(format!("\0{username}\0{password}")));
                secrets.push(Secret::new(format!(
                    "user={username}\u{1}auth=Bearer {password}\u{1}\u{1}"
                )));
                secrets.push(Secret::new(password.to_owned()));
            }
        }
        Sender::Provider(provider) => secrets.extend(provider.secret(store)?),
    }
    let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
    let parts = [
        Some(&words.text),
        words.subject.as_ref(),
        words.html.as_ref(),
    ];
    let text: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    Ok(Mask::new(&secrets, &Zeroizing::new(text.join("\n"))))
}

/// `text` on one line, its control characters made visible, and not longer than this.
fn one_line(text: &str, longest: usize) -> String {
    let text = unabridged(text.trim());
    let mut line: String = text.chars().take(longest).collect();
    let more = text.chars().count().saturating_sub(longest);
    if more > 0 {
        line.push_str(&format!(" … and {more} characters more"));
    }
    line
}

fn by_mail(
    store: &Store,
    mailbox: &Mailbox,
    to: &str,
    words: &Words,
    deadline: Deadline,
    mask: &Arc<Mask>,
    ear: Ear<'_>,
) -> Result<std::result::Result<String, Failure>> {
    use crate::mailbox::Transport;
    let letter = match letter::letter(store, mailbox, to, words)? {
        Ok(letter) => letter,
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(match &mailbox.transport {
        Transport::File { directory } => {
            local::to_file(store, directory, "eml", &letter.bytes, ear)
        }
        Transport::Sendmail { program } => {
            let arguments = ["-i", "-f", letter.from.as_ref(), "--", letter.to.as_ref()];
            local::to_program(program, &arguments, letter.bytes.clone(), deadline, ear)
        }
        Transport::Smtp(server) => {
            let password = mailbox.password(store)?;
            let server = server.clone();
            let name = wire::named(&server.host, server.port);
            converse(&name, deadline, mask, ear, move |talk| {
                smtp::send(&server, password.as_ref(), &letter, deadline, talk)
            })
        }
    })
}

fn by_sms(
    store: &Store,
    provider: &SmsProvider,
    to: &str,
    words: &Words,
    deadline: Deadline,
    mask: &Arc<Mask>,
    ear: Ear<'_>,
) -> Result<std::result::Result<String, Failure>> {
    use crate::sms_provider::Transport;
    let settings = Settings::load(store)?;
    let name = Some(settings.text(&setting::SMS_SENDER_NAME)).filter(|name| !name.is_empty());
    let sms = Sms {
        to: to.to_owned(),
        from: provider.from.as_deref().or(name).map(str::to_owned),
        text: Zeroizing::new(words.text.trim_end().to_owned()),
    };
    let secret = provider.secret(store)?;
    Ok(match &provider.transport {
        Transport::File { directory } => {
            local::to_file(store, directory, "sms", &local::note(store, &sms), ear)
        }
        Transport::Command { program, arguments } => {
            let arguments: Vec<String> = arguments
                .iter()
                .map(|argument| sms_provider::argument(argument, &sms.to, sms.from.as_deref()))
                .collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let input = Zeroizing::new(format!("{}\n", *sms.text).into_bytes());
            local::to_program(program, &arguments, input, deadline, ear)
        }
        Transport::Smpp(server) => {
            let mut reference = [0u8; 1];
            store.source().fill(&mut reference)?;
            let server = server.clone();
            let name = wire::named(&server.host, server.port);
            converse(&name, deadline, mask, ear, move |talk| {
                smpp::send(&server, secret.as_ref(), &sms, reference[0], deadline, talk)
            })
        }
        Transport::Twilio(server) => {
            let server = server.clone();
            converse(
                &wire::of_url(&server.url),
                deadline,
                mask,
                ear,
                move |talk| http::send_twilio(&server, secret.as_ref(), &sms, deadline, talk),
            )
        }
        Transport::Http(server) => {
            let server = server.clone();
            converse(
                &wire::of_url(&server.url),
                deadline,
                mask,
                ear,
                move |talk| http::send_http(&server, secret.as_ref(), &sms, deadline, talk),
            )
        }
    })
}

/// The longest a server is called, to see whether it answers.
const CALL: Duration = Duration::from_secs(10);

/// Whether what codes leave by answers: connected, protected and logged in as for a message, and then left with none. What
/// writes a file or runs a program calls nobody.
///
/// # Errors
/// About us: a key that is missing. What the server says is in the answer.
pub(crate) fn reach(store: &Store, sender: &Sender) -> Result<std::result::Result<(), Failure>> {
    let deadline = Deadline::within(CALL);
    let nothing = Words {
        subject: None,
        text: String::new(),
        html: None,
    };
    let mask = Arc::new(mask(store, sender, &nothing)?);
    let came = match sender {
        Sender::Mailbox(mailbox) => call_mailbox(store, mailbox, deadline, &mask)?,
        Sender::Provider(provider) => call_provider(store, provider, deadline, &mask)?,
    };
    Ok(came.map(drop).map_err(|failure| Failure {
        said: one_line(&mask.hide(&failure.said), LONGEST_FAILURE),
        ..failure
    }))
}

fn call_mailbox(
    store: &Store,
    mailbox: &Mailbox,
    deadline: Deadline,
    mask: &Arc<Mask>,
) -> Result<std::result::Result<String, Failure>> {
    let mailbox::Transport::Smtp(server) = &mailbox.transport else {
        return Ok(Ok(String::new()));
    };
    let password = mailbox.password(store)?;
    let (server, name) = (server.clone(), wire::named(&server.host, server.port));
    Ok(converse(&name, deadline, mask, &mut |_| {}, move |talk| {
        smtp::call(&server, password.as_ref(), deadline, talk)
    }))
}

fn call_provider(
    store: &Store,
    provider: &SmsProvider,
    deadline: Deadline,
    mask: &Arc<Mask>,
) -> Result<std::result::Result<String, Failure>> {
    use crate::sms_provider::Transport;
    let (url, ca_file) = match &provider.transport {
        Transport::Smpp(server) => {
            let secret = provider.secret(store)?;
            let (server, name) = (server.clone(), wire::named(&server.host, server.port));
            return Ok(converse(&name, deadline, mask, &mut |_| {}, move |talk| {
                smpp::call(&server, secret.as_ref(), deadline, talk)
            }));
        }
        Transport::Twilio(server) => (server.url.clone(), server.ca_file.clone()),
        Transport::Http(server) => (server.url.clone(), server.ca_file.clone()),
        Transport::Command { .. } | Transport::File { .. } => return Ok(Ok(String::new())),
    };
    Ok(converse(
        &wire::of_url(&url),
        deadline,
        mask,
        &mut |_| {},
        move |talk| http::call(&url, ca_file.as_deref(), deadline, talk),
    ))
}

/// In how many parts a message goes to a phone, each of which is paid for: one holds 160 characters of the GSM alphabet, or
/// 70 where one of them is not in it.
#[must_use]
pub fn sms_parts(text: &str) -> usize {
    smpp::parts(text)
}

/// What a test message came to.
#[derive(Debug)]
pub struct Tested {
    /// What the server called it.
    pub receipt: String,
    /// All that was said.
    pub conversation: Vec<Line>,
}

/// Sends a test message once, and keeps what came of it in the outbox and in the log. `ear` hears each step while it is
/// done.
///
/// # Errors
/// [`Kind::Delivery`] with the server's words and, as `conversation`, all that was said; key errors.
pub fn test(session: &Session, sender: &Sender, to: &str, ear: Ear<'_>) -> Result<Tested> {
    let text = format!(
        "This message shows that the {} \"{}\" can send.\n",
        sender.noun(),
        sender.name()
    );
    let (subject, event, method) = match sender {
        Sender::Mailbox(_) => (
            Some("twofa test message".to_owned()),
            Event::MAILBOX_TESTED,
            crate::method::Method::Email,
        ),
        Sender::Provider(_) => (None, Event::SMS_PROVIDER_TESTED, crate::method::Method::Sms),
    };
    let words = Words {
        subject,
        text,
        html: None,
    };
    let outgoing = outbox::Outgoing {
        challenge: None,
        user: None,
        method,
        recipient: to,
        template: None,
        sender: sender.name(),
        words: &words,
    };
    let row = session.store.write(|tx| outbox::enqueue(tx, &outgoing))?;
    let mut conversation = Vec::new();
    let mut both = |line: &Line| {
        ear(line);
        conversation.push(line.clone());
    };
    let deadline = Deadline::within(LONGEST);
    let outcome = once(&session.store, sender, to, &words, deadline, &mut both)?;
    let came = Came { outcome, tries: 1 };
    session.store.write(|tx| {
        outbox::close(tx, row, &came)?;
        let (outcome, said) = match &came.outcome {
            Ok(receipt) => (Outcome::Ok, receipt.as_str()),
            Err(failure) => (Outcome::Failed, failure.said.as_str()),
        };
        let entry = Entry::new(event, outcome)
            .subject(sender.name())
            .detail(serde_json::json!({ "to": to, "said": said }));
        append(tx, &session.who(), &entry)
    })?;
    match came.outcome {
        Ok(receipt) => Ok(Tested {
            receipt,
            conversation,
        }),
        Err(failure) => {
            let (noun, name) = (sender.command(), argument(sender.name()));
            let lines = serde_json::to_value(&conversation).unwrap_or_default();
            Err(failure
                .into_error(sender)
                .hint(format!(
                    "`twofa {noun} show {name}` tells how it sends, `twofa {noun} edit {name}` changes it"
                ))
                .with("conversation", lines))
        }
    }
}

/// The mailbox that a setting points at, as a sender.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn mailbox_of(store: &Store, id: i64) -> Result<Sender> {
    mailbox::get(store, id).map(Sender::Mailbox)
}

/// The same of an SMS provider.
///
/// # Errors
/// [`Kind::Storage`].
pub(crate) fn provider_of(store: &Store, id: i64) -> Result<Sender> {
    sms_provider::get(store, id).map(Sender::Provider)
}

//! Delivery: how a message leaves us, and what came of it.
//!
//! Nothing here runs inside a transaction, and nothing takes longer than the deadline it is given: a server that hangs
//! costs that much and is then said to hang.

pub(crate) mod outbox;

mod conversation;
#[cfg_attr(not(test), expect(dead_code, reason = "called once the noun is there"))]
mod http;
mod local;
mod smtp;
mod wire;

use std::time::{Duration, UNIX_EPOCH};

pub use self::conversation::{Line, Speaker};
pub use self::local::{open_directory, prepare_directory};

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart};

use crate::actor::Session;
use crate::audit::{Entry, Event, Outcome, append};
use crate::error::{Error, Kind, Result};
use crate::mailbox::{Mailbox, Transport};
use crate::store::Store;
use crate::template::Words;

/// The longest a delivery may take, whatever the life of its code (SEMANTICS, "Second factor").
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// A message for a phone.
#[derive(Debug, Clone)]
pub(crate) struct Sms {
    /// The number: `+` and digits (E.164).
    pub to: String,
    /// Whom it says it is from: a number, or a name of letters and digits; `None` leaves that to the provider.
    pub from: Option<String>,
    /// The words.
    pub text: String,
}

/// Why a message did not leave.
#[derive(Debug)]
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
    pub(crate) fn into_error(self, mailbox: &str) -> Error {
        Error::new(
            Kind::Delivery,
            format!(
                "the mailbox `{}` could not send: {}",
                crate::name::visible(mailbox),
                crate::name::unabridged(&self.said)
            ),
        )
        .with("temporary", self.temporary)
    }
}

/// Sends `words` to `to` through `mailbox`, within `deadline`. Returns what the server called it.
///
/// # Errors
/// The outer result is about us (a key that is missing), the inner one about the message.
pub(crate) fn send(
    store: &Store,
    mailbox: &Mailbox,
    to: &str,
    words: &Words,
    deadline: Duration,
) -> Result<Result<String, Failure>> {
    let message = match letter(store, mailbox, to, words)? {
        Ok(message) => message,
        Err(failure) => return Ok(Err(failure)),
    };
    match &mailbox.transport {
        Transport::File { directory } => Ok(local::to_file(store, directory, &message)),
        Transport::Sendmail { program } => Ok(local::to_program(
            program,
            &mailbox.from.address,
            to,
            &message,
            deadline,
        )),
        Transport::Smtp(server) => {
            let password = mailbox.password(store)?;
            Ok(smtp::send(server.clone(), password, message, deadline))
        }
    }
}

/// Sends a test message, and keeps what came of it. Returns the receipt.
///
/// # Errors
/// [`Kind::Delivery`] with the server's words; key errors.
pub fn test(session: &Session, mailbox: &Mailbox, to: &str) -> Result<String> {
    let words = Words {
        subject: Some("twofa test message".to_owned()),
        text: format!(
            "This message shows that the mailbox \"{}\" can send.\n",
            mailbox.name
        ),
        html: None,
    };
    let came = send(&session.store, mailbox, to, &words, LONGEST)?;
    session.store.write(|tx| {
        let (outcome, said) = match &came {
            Ok(receipt) => (Outcome::Ok, receipt.as_str()),
            Err(failure) => (Outcome::Failed, failure.said.as_str()),
        };
        let entry = Entry::new(Event::MAILBOX_TESTED, outcome)
            .subject(mailbox.name.as_str())
            .detail(serde_json::json!({ "to": to, "said": said }));
        append(tx, &session.who(), &entry)
    })?;
    came.map_err(|failure| {
        let name = crate::name::argument(&mailbox.name);
        failure.into_error(&mailbox.name).hint(format!(
            "`twofa mailbox show {name}` tells how it sends, `twofa mailbox edit {name}` changes it"
        ))
    })
}

/// The message, with the headers of a transactional mail: Message-ID and Date of our own (RFC 5322, section 3.6),
/// Auto-Submitted (RFC 3834, section 5), text first and HTML beside it.
fn letter(
    store: &Store,
    mailbox: &Mailbox,
    to: &str,
    words: &Words,
) -> Result<Result<Message, Failure>> {
    let mut random = [0u8; 16];
    store.source().fill(&mut random)?;
    let now = store.now();
    let seconds = u64::try_from(now.0).unwrap_or(0);
    let domain = mailbox
        .from
        .address
        .rsplit_once('@')
        .map_or("localhost", |(_, domain)| domain);
    let id = format!(
        "<{seconds}.{}@{domain}>",
        data_encoding::HEXLOWER.encode(&random)
    );
    let unfit = |what: &str, error: &dyn std::fmt::Display| {
        Ok(Err(Failure::permanent(format!("{what}: {error}"))))
    };
    // The library panics at what it cannot write; such a name can only have come past this program.
    if let Some(name) = &mailbox.from.name
        && name.chars().any(char::is_control)
    {
        return unfit("the sender's name", &"it has a control character in it");
    }
    let from = match mailbox.from.address.parse() {
        Ok(address) => Address::new(mailbox.from.name.clone(), address),
        Err(error) => return unfit("the sender is no address", &error),
    };
    let to = match to.parse() {
        Ok(address) => Address::new(None, address),
        Err(error) => return unfit("the recipient is no address", &error),
    };
    let builder = Message::builder()
        .from(from)
        .to(to)
        .subject(words.subject.clone().unwrap_or_default())
        .message_id(Some(id))
        .date(UNIX_EPOCH + Duration::from_secs(seconds))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    let message = match &words.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(
            words.text.clone(),
            html.clone(),
        )),
        None => builder.singlepart(lettre::message::SinglePart::plain(words.text.clone())),
    };
    match message {
        Ok(message) => Ok(Ok(message)),
        Err(error) => unfit("the message cannot be written", &error),
    }
}

//! A letter: the headers of a transactional mail, the text, and HTML beside it.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::address::{Address, Envelope};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Party, MultiPart, SinglePart};

use zeroize::Zeroizing;

use super::Failure;
use crate::error::Result;
use crate::mailbox::Mailbox;
use crate::store::Store;
use crate::template::Words;

/// A message for a mail server, with its envelope. lettre, which makes it, keeps no copy, but may leave pieces of what it
/// wrote in memory: its buffers are its own.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Letter {
    /// Whom it says it is from.
    pub from: Address,
    /// Where it goes.
    pub to: Address,
    /// Headers and body, lines ended by CR LF.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Writes `words` as a letter: Message-ID and Date of our own (RFC 5322, section 3.6), Auto-Submitted (RFC 3834,
/// section 5), text first and HTML beside it.
///
/// # Errors
/// The outer result is about us (no randomness), the inner one about the letter.
pub(super) fn letter(
    store: &Store,
    mailbox: &Mailbox,
    to: &str,
    words: &Words,
) -> Result<std::result::Result<Letter, Failure>> {
    let mut random = [0u8; 16];
    store.source().fill(&mut random)?;
    Ok(written(store.now().0, random, mailbox, to, words))
}

fn written(
    now: i64,
    random: [u8; 16],
    mailbox: &Mailbox,
    to: &str,
    words: &Words,
) -> std::result::Result<Letter, Failure> {
    let unfit =
        |what: &str, why: &dyn std::fmt::Display| Failure::permanent(format!("{what}: {why}"));
    // The library panics at what it cannot write; such a name can only have come past this program.
    if let Some(name) = &mailbox.from.name
        && name.chars().any(char::is_control)
    {
        return Err(unfit(
            "the sender's name",
            &"it has a control character in it",
        ));
    }
    let from = address(&mailbox.from.address)
        .map_err(|error| unfit("the sender is no address", &error))?;
    let to = address(to).map_err(|error| unfit("the recipient is no address", &error))?;
    let seconds = u64::try_from(now).unwrap_or(0);
    let id = format!(
        "<{seconds}.{}@{}>",
        data_encoding::HEXLOWER.encode(&random),
        from.domain()
    );
    // Read out of the headers, an address in quotes would not be found again.
    let envelope = Envelope::new(Some(from.clone()), vec![to.clone()])
        .map_err(|error| unfit("the message cannot be addressed", &error))?;
    let builder = Message::builder()
        .envelope(envelope)
        .from(Party::new(mailbox.from.name.clone(), from.clone()))
        .to(Party::new(None, to.clone()))
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
        None => builder.singlepart(SinglePart::plain(words.text.clone())),
    };
    let message = message.map_err(|error| unfit("the message cannot be written", &error))?;
    Ok(Letter {
        from,
        to,
        bytes: Zeroizing::new(message.formatted()),
    })
}

/// An address as mail servers take it: a domain in its ASCII form (RFC 5890), which every server knows; what stands
/// before the `@` cannot be written otherwise.
fn address(text: &str) -> std::result::Result<Address, String> {
    let (local, domain) = text.rsplit_once('@').ok_or("it has no @")?;
    let domain = if domain.is_ascii() {
        domain.to_owned()
    } else {
        match url::Host::parse(domain) {
            Ok(url::Host::Domain(ascii)) => ascii,
            Ok(_) => return Err("its domain is a number".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    };
    Address::new(local, domain).map_err(|error| error.to_string())
}

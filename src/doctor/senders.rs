//! Whether what codes leave by answers. Nothing is sent.

use super::finding::Findings;
use super::{Looked, Patient};
use crate::delivery::{self, Sender};
use crate::error::Result;
use crate::name::{argument, unabridged, visible};
use crate::setting::{self, Settings};
use crate::sms_provider::{SmsProvider, Transport};
use crate::store::Store;

/// The mailboxes and the provider that settings point at, each once.
pub(super) fn in_use(store: &Store) -> Result<Vec<Sender>> {
    let settings = Settings::load(store)?;
    let mut senders: Vec<Sender> = Vec::new();
    for setting in [&setting::MAILBOX_2FA, &setting::RECOVERY_MAILBOX] {
        if let Some(id) = settings.thing(setting) {
            let sender = delivery::mailbox_of(store, id)?;
            if !senders.contains(&sender) {
                senders.push(sender);
            }
        }
    }
    if let Some(id) = settings.thing(&setting::SMS_PROVIDER) {
        senders.push(delivery::provider_of(store, id)?);
    }
    Ok(senders)
}

/// The option that names another server.
fn way(provider: &SmsProvider) -> &'static str {
    match provider.transport {
        Transport::Smpp(_) => "--smpp HOST:PORT",
        Transport::Http(_) => "--http URL",
        _ => "--base-url URL",
    }
}

pub(super) fn senders(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    if !patient.online {
        return Ok(Looked::Not("nobody is called without --online".to_owned()));
    }
    for sender in in_use(patient.store)? {
        let Err(failure) = delivery::reach(patient.store, &sender)? else {
            continue;
        };
        let (kind, noun, way) = match &sender {
            Sender::Mailbox(_) => ("mailbox_unreachable", "mailbox", "--smtp URL"),
            Sender::Provider(provider) => ("provider_unreachable", "SMS provider", way(provider)),
        };
        let (command, name) = (sender.command(), argument(sender.name()));
        let message = format!(
            "The {noun} `{}` cannot be reached: {}.",
            visible(sender.name()),
            unabridged(failure.said.trim_end_matches('.'))
        );
        out.add(kind, 1, message)
            .names(&[sender.name().to_owned()])
            .mend(format!("twofa {command} edit {name} {way}"));
    }
    Ok(Looked::Whole)
}

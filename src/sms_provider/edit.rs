//! `sms-provider add|edit|remove`: what they change, and how it is written.

use rusqlite::{OptionalExtension as _, named_params};
use serde_json::Value;
use zeroize::Zeroizing;

use super::transport::{Transport, sender};
use super::{FIELDS, ProviderRow, SECRET, SmsProvider, get, lookup};
use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::plan::{Change, Op, Plan, Reach, added_again, in_use};
use crate::secret::Secret;
use crate::store::{Store, Tx};

/// `sms-provider add`, and with `id`, `sms-provider edit`: the provider as it shall be.
#[derive(Debug, Clone)]
pub struct PutProvider {
    /// The provider to edit; `None` adds one.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Whom its messages say they are from.
    pub from: Option<String>,
    /// How it sends.
    pub transport: Transport,
    /// A new token or password; `None` keeps the one it has, where it still belongs to the same account.
    pub secret: Option<Secret>,
}

impl PutProvider {
    fn checked_name(&self) -> Result<String> {
        name::check_typed("name of an SMS provider", &self.name, 100)
    }

    fn keeps_secret(&self, have: Option<&SmsProvider>) -> bool {
        have.is_some_and(|have| {
            have.has_secret() && !self.transport.wants_secret_anew(&have.transport)
        })
    }

    /// Whether there will be a secret.
    fn has_secret(&self, have: Option<&SmsProvider>) -> bool {
        self.secret.is_some() || (self.transport.uses_secret() && self.keeps_secret(have))
    }

    fn have(&self, store: &Store) -> Result<Option<SmsProvider>> {
        match self.id {
            Some(id) => get(store, id).map(Some),
            None => lookup(store, &self.name),
        }
    }

    fn change(&self, store: &Store, have: Option<&SmsProvider>) -> Result<Vec<Change>> {
        let name = self.checked_name()?;
        if let Some(from) = &self.from {
            sender(from)?;
        }
        let has_secret = self.has_secret(have);
        if self.transport.uses_secret() && have.is_some_and(SmsProvider::has_secret) && !has_secret
        {
            return Err(Error::new(
                Kind::Usage,
                "another account, another server, or no protection, needs the secret anew",
            )
            .hint(format!("give it with {}", self.transport.secret_option())));
        }
        self.transport.check(has_secret)?;
        let want = ProviderRow::of(&name, self.from.as_deref(), &self.transport, has_secret);
        let mut want = serde_json::to_value(&want).unwrap_or_default();
        // A secret carries no bytes: another one shows as `set` becoming `changed`.
        if let (Some(new), Some(have)) = (&self.secret, have)
            && have.has_secret()
            && !is_same(store, have, new)?
        {
            want["secret"] = Value::from("changed");
        }
        let old = have.map(ProviderRow::from);
        let old = old
            .and_then(|row| serde_json::to_value(row).ok())
            .unwrap_or_default();
        let (op, event, key) = match have {
            None => (Op::Add, Event::SMS_PROVIDER_ADDED, name),
            Some(have) => (Op::Edit, Event::SMS_PROVIDER_EDITED, have.name.clone()),
        };
        Ok(Change::new("sms-provider", key, op, event)
            .fields_of(FIELDS, &old, &want)
            .if_any())
    }
}

/// Whether a new secret is the one it has. One that was damaged is another one, and is put right by the new one.
fn is_same(store: &Store, have: &SmsProvider, new: &Secret) -> Result<bool> {
    match have.secret(store) {
        Ok(old) => Ok(old.is_some_and(|old| {
            crate::vault::same(old.expose().as_bytes(), new.expose().as_bytes())
        })),
        Err(error) if error.kind() == Kind::Storage => Ok(false),
        Err(error) => Err(error),
    }
}

impl Plan for PutProvider {
    fn directories(&self) -> Vec<String> {
        match &self.transport {
            Transport::File { directory } => vec![directory.clone()],
            _ => Vec::new(),
        }
    }

    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = self.have(store)?;
        let changes = self.change(store, have.as_ref())?;
        if self.id.is_some() {
            return match lookup(store, &self.name)?.filter(|other| Some(other.id) != self.id) {
                None => Ok(changes),
                Some(other) => Err(Error::new(
                    Kind::Conflict,
                    format!(
                        "there is an SMS provider `{}` already",
                        visible(&other.name)
                    ),
                )),
            };
        }
        let Some(have) = have else { return Ok(changes) };
        added_again("SMS provider", "sms-provider", &have.name, changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let have = self.have(tx)?;
        let id = match &have {
            Some(have) => have.id,
            None => tx.next_id("sms_provider")?,
        };
        let name = self.checked_name()?;
        let sealed = match &self.secret {
            _ if !self.has_secret(have.as_ref()) => None,
            Some(new) => Some(tx.vault()?.seal(
                SECRET,
                id,
                Zeroizing::new(new.expose().as_bytes().to_vec()).as_ref(),
                tx.source(),
            )?),
            None => have.and_then(|have| have.secret),
        };
        let row = ProviderRow::of(&name, self.from.as_deref(), &self.transport, false);
        let headers = match &self.transport {
            Transport::Http(http) => serde_json::to_string(&http.headers).ok(),
            _ => None,
        };
        let arguments = row
            .arguments
            .as_ref()
            .and_then(|arguments| serde_json::to_string(arguments).ok());
        tx.db().execute(
            "INSERT INTO sms_provider (id, name, name_key, kind, sender, username, secret, url, http_method, headers, body,
                 success, receipt, host, port, tls, system_type, ca_file, path, arguments, created_at)
             VALUES (:id, :name, :key, :kind, :sender, :username, :secret, :url, :http_method, :headers, :body,
                 :success, :receipt, :host, :port, :tls, :system_type, :ca_file, :path, :arguments, :now)
             ON CONFLICT (id) DO UPDATE SET name = :name, name_key = :key, kind = :kind, sender = :sender,
                 username = :username, secret = :secret, url = :url, http_method = :http_method, headers = :headers,
                 body = :body, success = :success, receipt = :receipt, host = :host, port = :port, tls = :tls,
                 system_type = :system_type, ca_file = :ca_file, path = :path, arguments = :arguments",
            named_params! {
                ":id": id, ":name": name, ":key": fold(&name), ":kind": row.kind, ":sender": row.from,
                ":username": row.account.or(row.username), ":secret": sealed, ":url": row.url,
                ":http_method": row.method, ":headers": headers, ":body": row.body, ":success": row.success,
                ":receipt": row.receipt, ":host": row.host, ":port": row.port, ":tls": row.tls,
                ":system_type": row.system_type, ":ca_file": row.ca_file, ":path": row.path, ":arguments": arguments,
                ":now": tx.now(),
            },
        )?;
        Ok(())
    }
}

/// `sms-provider remove`.
#[derive(Debug, Clone, Copy)]
pub struct RemoveProvider {
    /// The provider.
    pub id: i64,
}

impl Plan for RemoveProvider {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = get(store, self.id)?;
        if let Some(code) = setting_that_points_at(store, self.id)? {
            return Err(in_use("SMS provider", &have.name, &code));
        }
        let row = ProviderRow::from(&have);
        let change = Change::new(
            "sms-provider",
            have.name,
            Op::Remove,
            Event::SMS_PROVIDER_REMOVED,
        )
        .field("kind", row.kind, Value::Null)
        .field("from", row.from, Value::Null);
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM sms_provider WHERE id = ?1", [self.id])?;
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        // A provider that a setting points at is not removed at all.
        Ok(Reach::Nobody)
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(Some(format!(
            "The SMS provider `{}` will be removed.",
            visible(&get(store, self.id)?.name)
        )))
    }
}

/// The code of the setting whose provider this is.
fn setting_that_points_at(store: &Store, provider: i64) -> Result<Option<String>> {
    Ok(store
        .db()
        .query_row(
            "SELECT code FROM setting WHERE provider = ?1 LIMIT 1",
            [provider],
            |row| row.get(0),
        )
        .optional()?)
}

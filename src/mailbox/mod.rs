//! Mailboxes: where codes leave by mail.
//!
//! Over SMTP (plain, STARTTLS, TLS, with or without a password), into a directory of `.eml` files (the embedded way, for
//! trying things out), or through a sendmail program. Passwords are sealed.

mod transport;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{OptionalExtension as _, Row, named_params};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

pub use self::transport::{Auth, From, Smtp, Tls, Transport};

use crate::audit::Event;
use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};
use crate::plan::{Change, Op, Plan, Reach, added_again, in_use};
use crate::secret::Secret;
use crate::store::{Store, Tx};
use crate::vault::Label;

pub(crate) const PASSWORD: Label = Label("mailbox.password");

/// A mailbox, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Row id.
    pub id: i64,
    /// Its name, as written.
    pub name: String,
    /// Who its messages come from.
    pub from: From,
    /// How it sends.
    pub transport: Transport,
    password: Option<Vec<u8>>,
}

impl Mailbox {
    /// Whether it has a password.
    #[must_use]
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The password of the SMTP server.
    ///
    /// # Errors
    /// [`Kind::KeyMissing`] and the like.
    pub(crate) fn password(&self, store: &Store) -> Result<Option<Secret>> {
        let Some(sealed) = &self.password else {
            return Ok(None);
        };
        let plain = store.unseal(PASSWORD, self.id, sealed)?;
        let text = std::str::from_utf8(&plain)
            .map_err(|_| Error::new(Kind::Storage, "a mailbox password is damaged"))?;
        Ok(Some(Secret::new(text.to_owned())))
    }
}

const COLUMNS: &str = "id, name, kind, from_name, from_address, host, port, tls, username, password, ca_file, path, auth";

/// The column `kind`.
enum Stored {
    Smtp,
    File,
    Sendmail,
}

impl FromSql for Stored {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "smtp" => Ok(Stored::Smtp),
            "file" => Ok(Stored::File),
            "sendmail" => Ok(Stored::Sendmail),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Mailbox> {
    let transport = match row.get(2)? {
        Stored::File => Transport::File {
            directory: row.get(11)?,
        },
        Stored::Sendmail => Transport::Sendmail {
            program: row.get(11)?,
        },
        Stored::Smtp => Transport::Smtp(Smtp {
            host: row.get(5)?,
            port: row.get(6)?,
            tls: row.get(7)?,
            username: row.get(8)?,
            auth: row.get(12)?,
            ca_file: row.get(10)?,
        }),
    };
    Ok(Mailbox {
        id: row.get(0)?,
        name: row.get(1)?,
        from: From {
            name: row.get(3)?,
            address: row.get(4)?,
        },
        transport,
        password: row.get(9)?,
    })
}

/// Every mailbox, by name.
///
/// # Errors
/// [`Kind::Storage`].
pub fn list(store: &Store) -> Result<Vec<Mailbox>> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM mailbox ORDER BY name_key"))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The mailbox of a name, in any case, if there is one.
pub(crate) fn lookup(store: &Store, name: &str) -> Result<Option<Mailbox>> {
    let mut query = store.db().prepare_cached(&format!(
        "SELECT {COLUMNS} FROM mailbox WHERE name_key = ?1"
    ))?;
    Ok(query.query_row([fold(name)], read).optional()?)
}

/// Finds a mailbox by name, in any case.
///
/// # Errors
/// [`Kind::NotFound`] with the near miss.
pub fn find(store: &Store, name: &str) -> Result<Mailbox> {
    match lookup(store, name)? {
        Some(mailbox) => Ok(mailbox),
        None => Err(name::not_found(
            "mailbox",
            name,
            candidates(store)?,
            "twofa mailbox list",
        )),
    }
}

/// The mailbox of a row id.
pub(crate) fn get(store: &Store, id: i64) -> Result<Mailbox> {
    let mut query = store
        .db()
        .prepare_cached(&format!("SELECT {COLUMNS} FROM mailbox WHERE id = ?1"))?;
    Ok(query.query_row([id], read)?)
}

/// Names of mailboxes, for near misses and completion.
///
/// # Errors
/// [`Kind::Storage`].
pub fn candidates(store: &Store) -> Result<Vec<String>> {
    Ok(list(store)?
        .into_iter()
        .map(|mailbox| mailbox.name)
        .collect())
}

/// What a setting that points at a mailbox keeps.
pub(crate) fn reference(store: &Store, name: &str) -> Result<(i64, String)> {
    find(store, name).map(|mailbox| (mailbox.id, mailbox.name))
}

/// A mailbox as `list` and `show` give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailboxRow {
    /// Its name.
    pub name: String,
    /// `smtp`, `file` or `sendmail`.
    pub kind: &'static str,
    /// Who its messages come from.
    pub from: String,
    /// The SMTP server.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub tls: Option<&'static str>,
    /// Who logs in there.
    pub username: Option<String>,
    /// How the server is told so; `null`: as it offers.
    pub auth: Option<&'static str>,
    /// `set`, if there is a password.
    pub password: Option<&'static str>,
    /// Certificates to trust.
    pub ca_file: Option<String>,
    /// The directory or the program.
    pub path: Option<String>,
}

/// The fields of [`MailboxRow`].
pub const FIELDS: &[&str] = &[
    "name", "kind", "from", "host", "port", "tls", "username", "auth", "password", "ca_file",
    "path",
];

impl MailboxRow {
    /// The row of a mailbox that is, or that shall be.
    fn of(
        name: &str,
        from: &From,
        transport: &Transport,
        password: Option<&'static str>,
    ) -> MailboxRow {
        let smtp = transport.smtp();
        MailboxRow {
            name: name.to_owned(),
            kind: transport.kind(),
            from: from.to_string(),
            host: smtp.map(|smtp| smtp.host.clone()),
            port: smtp.map(|smtp| smtp.port),
            tls: smtp.map(|smtp| smtp.tls.code()),
            username: smtp.and_then(|smtp| smtp.username.clone()),
            auth: smtp.and_then(|smtp| smtp.auth).map(Auth::code),
            password,
            ca_file: smtp.and_then(|smtp| smtp.ca_file.clone()),
            path: transport.path().map(str::to_owned),
        }
    }
}

impl std::convert::From<&Mailbox> for MailboxRow {
    fn from(mailbox: &Mailbox) -> Self {
        let password = mailbox.password.as_ref().map(|_| "set");
        MailboxRow::of(&mailbox.name, &mailbox.from, &mailbox.transport, password)
    }
}

/// `mailbox add`, and with `id`, `mailbox edit`: the mailbox as it shall be.
#[derive(Debug, Clone)]
pub struct PutMailbox {
    /// The mailbox to edit; `None` adds one.
    pub id: Option<i64>,
    /// Its name.
    pub name: String,
    /// Who its messages come from.
    pub from: From,
    /// How it sends.
    pub transport: Transport,
    /// A new password; `None` keeps the one it has.
    pub password: Option<Secret>,
}

impl PutMailbox {
    fn checked_name(&self) -> Result<String> {
        name::check_typed("mailbox name", &self.name, 100)
    }

    fn password_after(&self, have: Option<&Mailbox>) -> Option<&'static str> {
        let user = self
            .transport
            .smtp()
            .and_then(|smtp| smtp.username.as_ref());
        let has = self.password.is_some() || have.is_some_and(|have| have.password.is_some());
        user.filter(|_| has).map(|_| "set")
    }

    fn change(&self, store: &Store, have: Option<&Mailbox>) -> Result<Vec<Change>> {
        let name = self.checked_name()?;
        let smtp = self.transport.smtp();
        if let Some(smtp) = smtp
            && smtp.username.is_some() != self.password_after(have).is_some()
        {
            return Err(
                Error::new(Kind::Usage, "a username and a password go together")
                    .hint("give --username NAME with --password-stdin"),
            );
        }
        if smtp.is_some_and(|smtp| smtp.auth.is_some() && smtp.username.is_none()) {
            return Err(Error::new(Kind::Usage, "--auth goes with a username")
                .hint("give --username NAME with --password-stdin"));
        }
        if self.password.is_none()
            && have.is_some_and(|have| self.transport.wants_password_anew(&have.transport))
        {
            return Err(Error::new(
                Kind::Usage,
                "another server, another name, or no protection, needs the password anew",
            )
            .hint("give it with --password-stdin"));
        }
        let json = |row: MailboxRow| serde_json::to_value(row).unwrap_or_default();
        let old = have.map(|have| json(MailboxRow::from(have)));
        let password = self.password_word(store, have)?;
        let new = json(MailboxRow::of(&name, &self.from, &self.transport, password));
        let (op, event, key) = match have {
            None => (Op::Add, Event::MAILBOX_ADDED, name),
            Some(have) => (Op::Edit, Event::MAILBOX_EDITED, have.name.clone()),
        };
        Ok(Change::new("mailbox", key, op, event)
            .fields_of(FIELDS, &old.unwrap_or_default(), &new)
            .if_any())
    }

    /// What a change says of the password. A secret carries no bytes: another password shows as `set` becoming
    /// `changed`.
    fn password_word(&self, store: &Store, have: Option<&Mailbox>) -> Result<Option<&'static str>> {
        if let Some(new) = &self.password
            && let Some(have) = have
            && have.has_password()
        {
            // One that was damaged is another one, and is put right by the new one.
            let same = match have.password(store) {
                Ok(old) => old.is_some_and(|old| {
                    crate::vault::same(old.expose().as_bytes(), new.expose().as_bytes())
                }),
                Err(error) if error.kind() == Kind::Storage => false,
                Err(error) => return Err(error),
            };
            return Ok(Some(if same { "set" } else { "changed" }));
        }
        Ok(self.password_after(have))
    }

    fn have(&self, store: &Store) -> Result<Option<Mailbox>> {
        match self.id {
            Some(id) => get(store, id).map(Some),
            None => lookup(store, &self.name),
        }
    }
}

impl Plan for PutMailbox {
    fn directories(&self) -> Vec<String> {
        match &self.transport {
            Transport::File { directory } => vec![directory.clone()],
            _ => Vec::new(),
        }
    }

    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = self.have(store)?;
        if self.id.is_some() {
            if let Some(other) =
                lookup(store, &self.name)?.filter(|other| Some(other.id) != self.id)
            {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("there is a mailbox `{}` already", visible(&other.name)),
                ));
            }
            return self.change(store, have.as_ref());
        }
        let changes = self.change(store, have.as_ref())?;
        let Some(have) = have else { return Ok(changes) };
        added_again("mailbox", "mailbox", &have.name, changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        let have = self.have(tx)?;
        let id = match &have {
            Some(have) => have.id,
            None => tx.next_id("mailbox")?,
        };
        let name = self.checked_name()?;
        let smtp = self.transport.smtp();
        let sealed = match (&self.password, smtp.and_then(|smtp| smtp.username.as_ref())) {
            (_, None) => None,
            (Some(new), Some(_)) => Some(tx.vault()?.seal(
                PASSWORD,
                id,
                Zeroizing::new(new.expose().as_bytes().to_vec()).as_ref(),
                tx.source(),
            )?),
            (None, Some(_)) => have.and_then(|have| have.password),
        };
        tx.db().execute(
            "INSERT INTO mailbox (id, name, name_key, kind, from_name, from_address, host, port, tls, username, auth, password, ca_file, path, created_at)
             VALUES (:id, :name, :key, :kind, :from_name, :from_address, :host, :port, :tls, :username, :auth, :password, :ca_file, :path, :now)
             ON CONFLICT (id) DO UPDATE SET name = :name, name_key = :key, kind = :kind, from_name = :from_name,
                 from_address = :from_address, host = :host, port = :port, tls = :tls, username = :username, auth = :auth,
                 password = :password, ca_file = :ca_file, path = :path",
            named_params! {
                ":id": id, ":name": name, ":key": fold(&name), ":kind": self.transport.kind(),
                ":from_name": self.from.name, ":from_address": self.from.address, ":host": smtp.map(|smtp| &smtp.host),
                ":port": smtp.map(|smtp| smtp.port), ":tls": smtp.map(|smtp| smtp.tls.code()),
                ":username": smtp.and_then(|smtp| smtp.username.as_ref()), ":password": sealed,
                ":auth": smtp.and_then(|smtp| smtp.auth).map(Auth::code),
                ":ca_file": smtp.and_then(|smtp| smtp.ca_file.as_ref()), ":path": self.transport.path(), ":now": tx.now(),
            },
        )?;
        Ok(())
    }
}

/// `mailbox remove`.
#[derive(Debug, Clone, Copy)]
pub struct RemoveMailbox {
    /// The mailbox.
    pub id: i64,
}

impl Plan for RemoveMailbox {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let have = get(store, self.id)?;
        if let Some(code) = setting_that_points_at(store, self.id)? {
            return Err(in_use("mailbox", &have.name, &code));
        }
        let row = MailboxRow::from(&have);
        let change = Change::new("mailbox", have.name, Op::Remove, Event::MAILBOX_REMOVED)
            .field("kind", row.kind, Value::Null)
            .field("from", row.from, Value::Null);
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.db()
            .execute("DELETE FROM mailbox WHERE id = ?1", [self.id])?;
        Ok(())
    }

    fn reach(&self, _store: &Store) -> Result<Reach> {
        // A mailbox that a setting points at is not removed at all.
        Ok(Reach::Nobody)
    }

    fn question(&self, store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        Ok(Some(format!(
            "The mailbox `{}` will be removed.",
            visible(&get(store, self.id)?.name)
        )))
    }
}

/// The code of a setting whose mailbox this is.
fn setting_that_points_at(store: &Store, mailbox: i64) -> Result<Option<String>> {
    Ok(store
        .db()
        .query_row(
            "SELECT code FROM setting WHERE mailbox = ?1 LIMIT 1",
            [mailbox],
            |row| row.get(0),
        )
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn an_unknown_word_of_a_stored_mailbox_is_damage() {
        for (kind, tls) in [("smtp", "ssl"), ("carrier pigeon", "tls")] {
            let world = fresh();
            let tampered = format!(
                "PRAGMA ignore_check_constraints = ON;
                 INSERT INTO mailbox (id, name, name_key, kind, from_address, host, port, tls, created_at)
                 VALUES (1, 'm', 'm', '{kind}', 'a@example.com', 'h', 25, '{tls}', 0)"
            );
            world.store.tampered().execute_batch(&tampered).unwrap();
            let error = get(&world.store, 1).unwrap_err();
            assert_eq!(error.kind(), Kind::Storage, "{kind} {tls}");
        }
    }
}

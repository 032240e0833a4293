//! The audit log: what happened, in a chain that shows tampering.
//!
//! A row is written in the transaction of the change it tells of. `digest` is SHA-256 over the length-prefixed columns;
//! `mac` is HMAC(audit key, seq ‖ previous mac ‖ digest); the keyed head row finds a cut tail. Rows are never rewritten.
//! Editing, inserting, deleting or reordering rows shows without more; a whole file set back to an earlier state shows
//! only against an anchor kept elsewhere.
//!
//! The next event is one row of the table below.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::store::{Store, Tx};
use crate::vault::{Vault, same};

macro_rules! events {
    ($($constant:ident $code:literal $meaning:literal;)*) => {
        /// What can happen: dotted nouns and verbs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Event(&'static str);

        #[allow(missing_docs)]
        impl Event {
            $(pub const $constant: Event = Event($code);)*

            /// Every event with its meaning.
            pub const ALL: &'static [(Event, &'static str)] = &[$((Event($code), $meaning),)*];
        }
    };
}

events! {
    STORE_CREATED "store.created" "the store was made";
    PERMISSION_DENIED "permission.denied" "a command was refused for lack of an operation or of a confirmation";
    CHANGE_REFUSED "change.refused" "a command was refused by a guard";
    CONFIRMATION_ASKED "confirmation.asked" "the acting user was asked to confirm with a second factor";
    CONFIRMATION_GIVEN "confirmation.given" "the acting user confirmed with a second factor";
    CONFIRMATION_WRONG "confirmation.wrong" "a confirmation code was wrong, used or expired";
    CONFIRMATION_SKIPPED "confirmation.skipped" "an administrator action went unconfirmed";
    METHOD_CHANGED "method.changed" "a 2FA method was enabled, disabled or made primary";
    SETTING_CHANGED "setting.changed" "a system setting was set or reset";
    USER_ADDED "user.added" "a user was added";
    USER_EDITED "user.edited" "a user was edited";
    USER_REMOVED "user.removed" "a user was removed";
    USER_ACTIVATED "user.activated" "a user was activated";
    USER_DEACTIVATED "user.deactivated" "a user was deactivated, by command or by penalty";
    USER_LOCKED "user.locked" "a user was locked by penalty";
    USER_UNLOCKED "user.unlocked" "a user was unlocked by command";
    USER_LOCK_ENDED "user.lock_ended" "a lock ran out";
    USERS_IMPORTED "user.imported" "users were imported from a file";
    PASSWORD_SET "password.set" "an administrator set a password";
    MAILBOX_ADDED "mailbox.added" "a mailbox was added";
    MAILBOX_EDITED "mailbox.edited" "a mailbox was edited";
    MAILBOX_REMOVED "mailbox.removed" "a mailbox was removed";
    MAILBOX_TESTED "mailbox.tested" "a test message was sent";
    AUTHENTICATOR_STARTED "authenticator.started" "connecting an authenticator app was begun";
    AUTHENTICATOR_WRONG "authenticator.wrong" "a code that should confirm an authenticator app was wrong";
    AUTHENTICATOR_CONNECTED "authenticator.connected" "an authenticator app was connected";
    AUTHENTICATOR_DISCONNECTED "authenticator.disconnected" "an authenticator app was disconnected";
    RECOVERY_CODES_GENERATED "recovery_codes.generated" "recovery codes were generated; older ones are void";
    RECOVERY_CODES_DELETED "recovery_codes.deleted" "recovery codes were deleted";
    LOGIN_STARTED "login.started" "a first factor was right and the second is asked for";
    LOGIN_CODE_SENT "login.code_sent" "a code was accepted for delivery";
    LOGIN_CODE_FAILED "login.code_failed" "a code could not be delivered";
    LOGIN_GRANTED "login.granted" "a login was granted";
    LOGIN_DENIED "login.denied" "a login was denied";
    LOGIN_CANCELLED "login.cancelled" "a pending login was cancelled";
}

impl Event {
    /// The dotted words.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// A right or a factor is lacking.
    Denied,
    /// A guard or rule forbids it.
    Refused,
    /// It was tried and did not work.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 4] = [
        Outcome::Ok,
        Outcome::Denied,
        Outcome::Refused,
        Outcome::Failed,
    ];

    /// The word in the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Denied => "denied",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// Who runs the command, as the log keeps it.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// Login of the acting user.
    pub actor: Option<String>,
    /// Account of the machine.
    pub os_user: Option<String>,
    /// `--reason`.
    pub note: Option<String>,
}

/// One thing to be kept.
#[derive(Debug, Clone)]
pub struct Entry {
    event: Event,
    outcome: Outcome,
    subject: Option<String>,
    user: Option<i64>,
    reason: Option<String>,
    detail: Option<Value>,
}

impl Entry {
    /// `event` ended as `outcome`.
    #[must_use]
    pub fn new(event: Event, outcome: Outcome) -> Entry {
        Entry {
            event,
            outcome,
            subject: None,
            user: None,
            reason: None,
            detail: None,
        }
    }

    /// What it is about, by the name it has now.
    #[must_use]
    pub fn subject(mut self, name: impl Into<String>) -> Entry {
        self.subject = Some(name.into());
        self
    }

    /// The user it is about: name and id.
    #[must_use]
    pub fn user(mut self, id: i64, login: impl Into<String>) -> Entry {
        self.user = Some(id);
        self.subject = Some(login.into());
        self
    }

    /// The id of the user it is about, beside a subject of its own.
    #[must_use]
    pub fn user_id(mut self, id: Option<i64>) -> Entry {
        self.user = id;
        self
    }

    /// Why it was decided so.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Entry {
        self.reason = Some(reason.into());
        self
    }

    /// Old and new values. Never a secret.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Entry {
        self.detail = Some(detail);
        self
    }
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When.
    pub at: Time,
    /// Login of the acting user.
    pub actor: Option<String>,
    /// Account of the machine.
    pub os_user: Option<String>,
    /// What happened.
    pub event: String,
    /// What it is about.
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// `--reason` of the command.
    pub note: Option<String>,
    /// Old and new values.
    pub detail: Option<Value>,
    /// The user it is about; in the digest, but not a column of the contract.
    #[serde(skip)]
    pub user: Option<i64>,
}

const COLUMNS: &str =
    "seq, at, actor, os_user, event, subject, user, outcome, reason, note, detail";

/// The row as it lies in the table; `detail` is still the text whose bytes are in the digest.
struct Raw {
    record: Record,
    detail: Option<String>,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
        Ok(Raw {
            record: Record {
                seq: row.get(0)?,
                at: row.get(1)?,
                actor: row.get(2)?,
                os_user: row.get(3)?,
                event: row.get(4)?,
                subject: row.get(5)?,
                user: row.get(6)?,
                outcome: row.get(7)?,
                reason: row.get(8)?,
                note: row.get(9)?,
                detail: None,
            },
            detail: row.get(10)?,
        })
    }

    /// SHA-256 over the columns in table order; each is its length as eight bytes, big-endian, and its bytes, and an
    /// absent one is the length 2^64 − 1 alone.
    fn digest(&self) -> [u8; 32] {
        let record = &self.record;
        let mut hash = Sha256::new();
        let mut add = |part: Option<&[u8]>| match part {
            Some(bytes) => {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            None => hash.update(u64::MAX.to_be_bytes()),
        };
        let text = |part: &Option<String>| part.as_ref().map(|text| text.as_bytes().to_vec());
        add(Some(&record.seq.to_be_bytes()));
        add(Some(&record.at.0.to_be_bytes()));
        add(text(&record.actor).as_deref());
        add(text(&record.os_user).as_deref());
        add(Some(record.event.as_bytes()));
        add(text(&record.subject).as_deref());
        add(record
            .user
            .map(i64::to_be_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice));
        add(Some(record.outcome.as_bytes()));
        add(text(&record.reason).as_deref());
        add(text(&record.note).as_deref());
        add(text(&self.detail).as_deref());
        hash.finalize().into()
    }

    fn into_record(self) -> Record {
        let detail = self
            .detail
            .map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        Record {
            detail,
            ..self.record
        }
    }
}

struct Head {
    seq: i64,
    mac: Vec<u8>,
    proof: Vec<u8>,
    key: i64,
}

fn read_head(db: &Connection) -> Result<Option<Head>> {
    let mut query = db.prepare_cached("SELECT seq, mac, proof, \"key\" FROM audit_head")?;
    let head = query.query_row([], |row| {
        Ok(Head {
            seq: row.get(0)?,
            mac: row.get(1)?,
            proof: row.get(2)?,
            key: row.get(3)?,
        })
    });
    Ok(head.optional()?)
}

/// The mac before the first row.
const GENESIS: [u8; 32] = [0; 32];

fn head_proof(vault: &Vault, key: i64, store_id: &str, seq: i64, mac: &[u8]) -> Result<[u8; 32]> {
    vault.audit_mac(
        key,
        &[b"head", store_id.as_bytes(), &seq.to_be_bytes(), mac],
    )
}

fn link(vault: &Vault, key: i64, seq: i64, before: &[u8], digest: &[u8]) -> Result<[u8; 32]> {
    vault.audit_mac(key, &[&seq.to_be_bytes(), before, digest])
}

/// Writes the head of an empty log: part of making a store.
pub(crate) fn begin(db: &Connection, store_id: &str, vault: &Vault) -> Result<()> {
    let key = vault.audit_key()?;
    let proof = head_proof(vault, key, store_id, 0, &GENESIS)?;
    db.execute(
        "INSERT INTO audit_head (id, seq, mac, proof, \"key\") VALUES (1, 0, :mac, :proof, :key)",
        named_params! { ":mac": GENESIS, ":proof": proof, ":key": key },
    )?;
    Ok(())
}

/// Appends one row to the chain, in the transaction of what it tells of.
///
/// # Errors
/// [`Kind::Storage`], also when the head does not prove itself: nothing is chained onto a broken end.
pub(crate) fn append(tx: &Tx<'_>, who: &Who, entry: &Entry) -> Result<i64> {
    let vault = tx.vault()?;
    let broken = || {
        Error::new(
            Kind::Storage,
            "the audit log's head does not prove itself: the store was changed by something else",
        )
        .hint("`twofa audit verify` says where; restore a backup")
    };
    let head = read_head(tx.db())?.ok_or_else(broken)?;
    if !same(
        &head_proof(vault, head.key, tx.id(), head.seq, &head.mac)?,
        &head.proof,
    ) {
        return Err(broken());
    }
    let key = vault.audit_key()?;
    let raw = Raw {
        record: Record {
            seq: head.seq + 1,
            at: tx.now(),
            actor: who.actor.clone(),
            os_user: who.os_user.clone(),
            event: entry.event.0.to_owned(),
            subject: entry.subject.clone(),
            user: entry.user,
            outcome: entry.outcome.code().to_owned(),
            reason: entry.reason.clone(),
            note: who.note.clone(),
            detail: None,
        },
        detail: entry.detail.as_ref().map(ToString::to_string),
    };
    let digest = raw.digest();
    let mac = link(vault, key, raw.record.seq, &head.mac, &digest)?;
    let proof = head_proof(vault, key, tx.id(), raw.record.seq, &mac)?;
    let row = &raw.record;
    tx.db()
        .prepare_cached(
            "INSERT INTO audit (seq, at, actor, os_user, event, subject, user, outcome, reason, note, detail, digest, mac, \"key\")
             VALUES (:seq, :at, :actor, :os_user, :event, :subject, :user, :outcome, :reason, :note, :detail, :digest, :mac, :key)",
        )?
        .execute(named_params! {
            ":seq": row.seq, ":at": row.at, ":actor": row.actor, ":os_user": row.os_user, ":event": row.event,
            ":subject": row.subject, ":user": row.user, ":outcome": row.outcome, ":reason": row.reason,
            ":note": row.note, ":detail": raw.detail, ":digest": digest, ":mac": mac, ":key": key,
        })?;
    tx.db()
        .prepare_cached(
            "UPDATE audit_head SET seq = :seq, mac = :mac, proof = :proof, \"key\" = :key",
        )?
        .execute(named_params! { ":seq": row.seq, ":mac": mac, ":proof": proof, ":key": key })?;
    Ok(row.seq)
}

/// What [`list`] leaves out.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not before.
    pub since: Option<Time>,
    /// Not after.
    pub until: Option<Time>,
    /// About this user, under any name.
    pub user: Option<i64>,
    /// By this acting user.
    pub actor: Option<String>,
    /// These events; a word before the dot stands for all of its events.
    pub events: Vec<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// At most so many.
    pub limit: Option<i64>,
}

/// Hands the rows to `each`, newest first.
///
/// # Errors
/// [`Kind::Storage`], and what `each` returns.
pub fn list(
    store: &Store,
    filter: &Filter,
    each: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let mut sql = format!(
        "SELECT {COLUMNS} FROM audit
         WHERE (:since IS NULL OR at >= :since) AND (:until IS NULL OR at <= :until)
           AND (:actor IS NULL OR actor = :actor) AND (:outcome IS NULL OR outcome = :outcome)"
    );
    if filter.user.is_some() {
        sql.push_str(" AND user = :user");
    } else {
        sql.push_str(" AND :user IS NULL");
    }
    sql.push_str(" ORDER BY seq DESC");
    let mut query = store.db().prepare(&sql)?;
    let mut rows = query.query(named_params! {
        ":since": filter.since, ":until": filter.until, ":actor": filter.actor, ":outcome": filter.outcome, ":user": filter.user,
    })?;
    let wanted = |event: &str| {
        filter.events.is_empty()
            || filter
                .events
                .iter()
                .any(|want| event == want || event.split('.').next() == Some(want.as_str()))
    };
    let mut left = filter.limit.unwrap_or(i64::MAX);
    while left > 0 {
        let Some(row) = rows.next()? else { break };
        let raw = Raw::read(row)?;
        if wanted(&raw.record.event) {
            each(raw.into_record())?;
            left -= 1;
        }
    }
    Ok(())
}

/// One row of the log.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn show(store: &Store, seq: i64) -> Result<Record> {
    store
        .db()
        .query_row(
            &format!("SELECT {COLUMNS} FROM audit WHERE seq = ?1"),
            [seq],
            Raw::read,
        )
        .optional()?
        .map(Raw::into_record)
        .ok_or_else(|| {
            Error::new(Kind::NotFound, format!("the audit log has no row {seq}"))
                .hint("`twofa audit list` shows the newest")
        })
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether the whole chain holds.
    pub intact: bool,
    /// Rows looked at.
    pub rows: i64,
    /// The newest row there should be.
    pub head: i64,
    /// The first row that does not fit.
    pub first_bad: Option<i64>,
    /// What kind of damage it is: `edited`, `inserted`, `deleted`, `cut_tail`, `head`.
    pub damage: Option<String>,
}

/// Follows the chain from the first row to the head.
///
/// # Errors
/// [`Kind::KeyMissing`], [`Kind::KeyWrong`], [`Kind::Storage`]. Damage is not an error but an answer.
pub fn verify(store: &Store) -> Result<Verified> {
    let vault = store.vault()?;
    let mut answer = Verified {
        intact: false,
        rows: 0,
        head: 0,
        first_bad: None,
        damage: None,
    };
    let mut query = store.db().prepare(&format!(
        "SELECT {COLUMNS}, digest, mac, \"key\" FROM audit ORDER BY seq"
    ))?;
    let mut rows = query.query([])?;
    let mut before = GENESIS.to_vec();
    let mut expected = 1;
    let bad = |mut answer: Verified, seq: i64, damage: &str| {
        answer.first_bad = Some(seq);
        answer.damage = Some(damage.to_owned());
        Ok(answer)
    };
    let head = read_head(store.db())?;
    answer.head = head.as_ref().map_or(0, |head| head.seq);
    while let Some(row) = rows.next()? {
        let raw = Raw::read(row)?;
        let (digest, mac, key): (Vec<u8>, Vec<u8>, i64) =
            (row.get(11)?, row.get(12)?, row.get(13)?);
        answer.rows += 1;
        let seq = raw.record.seq;
        if seq > expected {
            return bad(answer, expected, "deleted");
        }
        if seq < expected {
            return bad(answer, seq, "inserted");
        }
        let chained = link(vault, key, seq, &before, &digest).is_ok_and(|want| same(&want, &mac));
        if !same(&raw.digest(), &digest) || !chained {
            let damage = if answer.head < seq {
                "inserted"
            } else {
                "edited"
            };
            return bad(answer, seq, damage);
        }
        before = mac;
        expected += 1;
    }
    let Some(head) = head else {
        return bad(answer, expected, "head");
    };
    let proven = head_proof(vault, head.key, store.id(), head.seq, &head.mac)
        .is_ok_and(|want| same(&want, &head.proof));
    if !proven {
        return bad(answer, head.seq, "head");
    }
    if head.seq >= expected {
        return bad(answer, expected, "cut_tail");
    }
    if head.seq + 1 < expected {
        return bad(answer, head.seq + 1, "inserted");
    }
    if !same(&head.mac, &before) {
        return bad(answer, head.seq, "edited");
    }
    answer.intact = true;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tests::{Fresh, fresh};

    fn filled(rows: i64) -> Fresh {
        let fresh = fresh();
        fresh
            .store
            .write(|tx| {
                for row in 0..rows {
                    let entry = Entry::new(Event::SETTING_CHANGED, Outcome::Ok)
                        .subject(format!("s{row}"))
                        .detail(serde_json::json!({ "new": row }));
                    append(tx, &Who::default(), &entry)?;
                }
                Ok(())
            })
            .unwrap();
        fresh
    }

    fn damage_after(rows: i64, sql: &str) -> (Option<i64>, Option<String>) {
        let fresh = filled(rows);
        fresh.store.db().execute_batch(sql).unwrap();
        let found = verify(&fresh.store).unwrap();
        assert!(!found.intact, "{sql}");
        (found.first_bad, found.damage)
    }

    #[test]
    fn an_untouched_log_verifies() {
        for rows in [0, 1, 5] {
            let found = verify(&filled(rows).store).unwrap();
            assert_eq!(
                found,
                Verified {
                    intact: true,
                    rows,
                    head: rows,
                    first_bad: None,
                    damage: None
                }
            );
        }
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let named = |seq, damage: &str| (Some(seq), Some(damage.to_owned()));
        assert_eq!(
            damage_after(5, "UPDATE audit SET subject = 'x' WHERE seq = 3"),
            named(3, "edited")
        );
        assert_eq!(
            damage_after(5, "DELETE FROM audit WHERE seq = 2"),
            named(2, "deleted")
        );
        assert_eq!(
            damage_after(5, "DELETE FROM audit WHERE seq = 1"),
            named(1, "deleted")
        );
        assert_eq!(
            damage_after(5, "DELETE FROM audit WHERE seq >= 4"),
            named(4, "cut_tail")
        );
        assert_eq!(
            damage_after(
                5,
                "INSERT INTO audit SELECT 6, at, actor, os_user, event, subject, user, outcome, reason, note, detail, digest, mac, \"key\" FROM audit WHERE seq = 5"
            ),
            named(6, "inserted")
        );
        assert_eq!(
            damage_after(
                5,
                "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 100"
            ),
            named(2, "edited")
        );
        assert_eq!(damage_after(5, "DELETE FROM audit_head"), named(6, "head"));
        assert_eq!(
            damage_after(
                5,
                "UPDATE audit_head SET seq = 4; DELETE FROM audit WHERE seq = 5"
            ),
            named(4, "head")
        );
    }

    #[test]
    fn nothing_is_chained_onto_a_forged_head() {
        let fresh = filled(3);
        fresh
            .store
            .db()
            .execute_batch("UPDATE audit_head SET seq = 2; DELETE FROM audit WHERE seq = 3")
            .unwrap();
        let error = fresh
            .store
            .write(|tx| {
                append(
                    tx,
                    &Who::default(),
                    &Entry::new(Event::LOGIN_GRANTED, Outcome::Ok),
                )
            })
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Storage);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_changed_column_of_any_row_is_found(
            rows in 1i64..8, pick in 0i64..8,
            column in prop::sample::select(vec!["at", "actor", "os_user", "event", "subject", "user", "reason", "note", "detail"]),
        ) {
            let seq = pick % rows + 1;
            let value = if column == "at" || column == "user" { "coalesce(at, 0) + 1" } else { "'changed'" };
            let (first, damage) = damage_after(rows, &format!("UPDATE audit SET {column} = {value} WHERE seq = {seq}"));
            prop_assert_eq!((first, damage.as_deref()), (Some(seq), Some("edited")));
        }
    }
}

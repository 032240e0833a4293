//! The key file: whether it opens what is sealed, and whether the log that is chained with it was tampered with.

use std::collections::BTreeMap;

use super::finding::{Findings, NAMED, Tally, by_hand, copy_back, sentence};
use super::{Looked, Patient};
use crate::audit::Damage;
use crate::error::{Error, Kind, Result};
use crate::files::with_suffix;
use crate::name::{argument, counted};
use crate::store::Store;
use crate::vault::{KeySource, WRONG};
use crate::{audit, rotation, sealed};

/// A sealed column: what a value of it is, whose, and what puts another in its place.
struct Column {
    /// Table and column, as [`sealed::Broken`] names them.
    name: &'static str,
    kind: &'static str,
    one: &'static str,
    many: &'static str,
    /// The name of a row's owner, by its id.
    whose: &'static str,
    mend: Mend,
}

enum Mend {
    /// A command for each name.
    Command(fn(&Store, &str) -> Result<String>),
    /// SQL before the row ids.
    Sql(&'static str),
}

const CONNECT: Mend =
    Mend::Command(|_, login| Ok(format!("twofa authenticator connect {}", argument(login))));

const OF_USER: &str = "SELECT login FROM user WHERE id = ?1";

const COLUMNS: &[Column] = &[
    Column {
        name: "authenticator.secret",
        kind: "sealed_app",
        one: "secret of an app",
        many: "secrets of apps",
        whose: "SELECT login FROM authenticator JOIN user ON user.id = authenticator.user WHERE authenticator.id = ?1",
        mend: CONNECT,
    },
    Column {
        name: "authenticator_setup.secret",
        kind: "sealed_setup",
        one: "secret of an app about to be connected",
        many: "secrets of apps about to be connected",
        whose: "SELECT login FROM authenticator_setup JOIN user ON user.id = authenticator_setup.user WHERE authenticator_setup.id = ?1",
        mend: CONNECT,
    },
    Column {
        name: "idp.private_key",
        kind: "sealed_idp",
        one: "key of ours with an identity provider",
        many: "keys of ours with identity providers",
        whose: "SELECT name FROM idp WHERE id = ?1",
        mend: Mend::Command(|_, name| Ok(format!("twofa idp edit {} --make-key", argument(name)))),
    },
    Column {
        name: "mailbox.password",
        kind: "sealed_mailbox",
        one: "password of a mailbox",
        many: "passwords of mailboxes",
        whose: "SELECT name FROM mailbox WHERE id = ?1",
        mend: Mend::Command(|_, name| {
            Ok(format!(
                "twofa mailbox edit {} --password-stdin",
                argument(name)
            ))
        }),
    },
    Column {
        name: "outbox.body",
        kind: "sealed_message",
        one: "message that did not leave",
        many: "messages that did not leave",
        whose: "SELECT 'message ' || id FROM outbox WHERE id = ?1",
        mend: Mend::Sql("UPDATE outbox SET body = NULL WHERE id IN"),
    },
    Column {
        name: "password_history.imported",
        kind: "sealed_history",
        one: "earlier password",
        many: "earlier passwords",
        whose: "SELECT login FROM password_history JOIN user ON user.id = password_history.user WHERE password_history.id = ?1",
        mend: Mend::Sql("DELETE FROM password_history WHERE id IN"),
    },
    Column {
        name: "sms_provider.secret",
        kind: "sealed_provider",
        one: "secret of an SMS provider",
        many: "secrets of SMS providers",
        whose: "SELECT name FROM sms_provider WHERE id = ?1",
        mend: Mend::Command(provider),
    },
    Column {
        name: "user.password_imported",
        kind: "sealed_password",
        one: "imported password",
        many: "imported passwords",
        whose: OF_USER,
        mend: Mend::Command(|_, login| Ok(format!("twofa password set {}", argument(login)))),
    },
];

/// A provider takes its secret as a password or as a token.
fn provider(store: &Store, name: &str) -> Result<String> {
    let provider = crate::sms_provider::find(store, name)?;
    let option = provider.transport.secret_option();
    Ok(format!(
        "twofa sms-provider edit {} {option}",
        argument(name)
    ))
}

/// Opens every sealed value, one by one.
pub(super) fn key(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let checked = match sealed::check(store) {
        Ok(checked) => checked,
        Err(error) if matches!(error.kind(), Kind::KeyMissing | Kind::KeyWrong) => {
            let key = &store.place().key;
            out.add(error.kind().code(), 1, sentence(&error.message()))
                .names(&[key.shown()])
                .mend(right_keys(key, &error));
            return Ok(Looked::Not(error.message()));
        }
        Err(error) => return Err(error),
    };
    // What does not open holds its key back, and is a finding of its own.
    if checked.broken.is_empty() && rotation::is_unfinished(store)? {
        let message =
            "A rotation of keys was stopped: some of what is sealed waits for the new key.";
        out.add("unfinished_rotation", 1, message)
            .mend("twofa key rotate --yes");
    }
    let mut broken: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for value in &checked.broken {
        broken.entry(&value.column).or_default().push(value.row);
    }
    for (column, rows) in broken {
        if let Some(column) = COLUMNS.iter().find(|known| known.name == column) {
            column.broken(store, &rows, out)?;
        }
    }
    Ok(Looked::Whole)
}

/// The line that gets the right keys to where they are looked for; where others give them, the one that tries a file.
fn right_keys(key: &KeySource, error: &Error) -> String {
    if error.detail().contains_key(WRONG) {
        // Nothing is wrong but what was typed.
        return "twofa key check".to_owned();
    }
    let Some(path) = key.as_file() else {
        return "twofa key check --key-file KEYFILE".to_owned();
    };
    let file = argument(&path.to_string_lossy());
    let put = format!("cp KEYFILE {file} && chmod 600 {file}");
    if error.kind() == Kind::KeyMissing {
        return put;
    }
    // Another store's key is worth that store: it is never written over.
    let aside = argument(&with_suffix(path, ".other").to_string_lossy());
    format!("mv {file} {aside} && {put}")
}

impl Column {
    fn broken(&self, store: &Store, rows: &[i64], out: &mut Findings<'_>) -> Result<()> {
        let mut tally = Tally {
            count: rows.len() as u64,
            names: Vec::new(),
        };
        for row in rows.iter().take(NAMED) {
            let name = store.db().query_row(self.whose, [row], |row| row.get(0))?;
            tally.names.push(name);
        }
        let message = format!(
            "{} cannot be opened: {}.",
            counted(tally.count, self.one, self.many),
            tally.listed()
        );
        let finding = out.add(self.kind, tally.count, message).names(&tally.names);
        match self.mend {
            Mend::Command(command) => {
                tally.names.dedup();
                for name in &tally.names {
                    finding.mend(command(store, name)?);
                }
            }
            Mend::Sql(sql) => {
                let ids: Vec<String> = rows.iter().take(NAMED).map(i64::to_string).collect();
                finding.mend(by_hand(store, &format!("{sql} ({})", ids.join(", "))));
            }
        }
        Ok(())
    }
}

/// Follows the chain of the log.
pub(super) fn audit(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let found = audit::verify(patient.store, None)?;
    let (Some(damage), Some(seq)) = (found.damage, found.first_bad) else {
        return Ok(Looked::Whole);
    };
    if damage == Damage::Hidden {
        let (first, last) = audit::block_of(seq);
        let message = format!(
            "`audit list` does not find some of the rows {first} to {last} of the audit log: their summary was changed."
        );
        let sql = format!("DELETE FROM audit_block WHERE last = {last}");
        out.add("hidden", 1, message)
            .names(&[seq.to_string()])
            .mend(by_hand(patient.store, &sql));
        return Ok(Looked::Whole);
    }
    let damage = damage.words();
    let message = format!(
        "The audit log was tampered with: row {seq} ({damage}). Nothing mends that; a copy from before may show what it said."
    );
    out.add("tampered", 1, message)
        .names(&[seq.to_string()])
        .mend(copy_back(patient.store));
    Ok(Looked::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sealed_column_has_its_words() {
        let sealed: Vec<String> = sealed::COLUMNS
            .iter()
            .map(|(table, column, _)| format!("{table}.{column}"))
            .collect();
        let known: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(known, sealed);
    }
}

//! What is wrong with a store, and what mends it.
//!
//! One table, [`CHECKS`], in the order in which they are told; the next check is one row, and a test that provokes each of its
//! findings. What this promises: it looks at everything, whatever another check came to; what it
//! could not look at is said with the reason, and never passed over; each finding names the command that mends it, or says
//! that none does; nothing is written and, unless it is asked for, nobody is called.
//!
//! A check answers by an index or in one pass over a table: the file, its references and the log are read from one end to
//! the other as it is, and the rest shall not be felt beside that.

mod database;
mod files;
mod finding;
#[cfg(feature = "saml")]
mod idps;
mod keys;
mod moments;
mod orphans;
mod prerequisites;
mod secrets;
mod senders;
mod settings;
mod values;

use std::cell::Cell;
use std::iter;

use serde::Serialize;

use self::Severity::{Error as E, Warning as W};
pub use self::finding::{Finding, Severity};
use self::finding::{Findings, copy_back, sentence};
use crate::error::{Error, Kind, Result};
use crate::store::{Reading, Store};

/// What a check works with.
pub(crate) struct Patient<'s> {
    pub(crate) store: &'s Store,
    /// Whether the servers that codes leave by may be called.
    pub(crate) online: bool,
    /// The file, as it is being read.
    reading: Cell<Option<Reading>>,
}

/// What became of a check that did not fail.
pub(crate) enum Looked {
    /// It looked at all there is.
    Whole,
    /// It did not look, and why.
    Not(String),
}

type Look = fn(&Patient<'_>, &mut Findings<'_>) -> Result<Looked>;

/// One check.
pub struct Check {
    /// Its word.
    pub code: &'static str,
    /// What it looks at.
    pub looks_at: &'static str,
    /// What it can find, and how bad that is.
    pub finds: &'static [(&'static str, Severity)],
    look: Look,
}

const fn check(
    code: &'static str,
    looks_at: &'static str,
    finds: &'static [(&'static str, Severity)],
    look: Look,
) -> Check {
    Check {
        code,
        looks_at,
        finds,
        look,
    }
}

/// What any check finds when it fails.
pub const FAILED: (&str, Severity) = ("failed", Severity::Error);

/// Every check, in order: first what the others stand on.
pub static CHECKS: &[Check] = &[
    check(
        "integrity",
        "the file, page by page, and each index against its table",
        &[
            ("damaged", E),
            ("index_disagrees", E),
            ("forbidden_value", E),
        ],
        database::integrity,
    ),
    check(
        "foreign_keys",
        "rows that name rows which are not there",
        &[("broken_reference", E)],
        database::foreign_keys,
    ),
    check(
        "schema",
        "tables, indexes, views, triggers, and the rows every store has",
        &[
            ("missing_table", E),
            ("missing_object", E),
            ("altered_table", E),
            ("altered_object", E),
            ("foreign_trigger", E),
            ("foreign_object", W),
            ("missing_row", E),
        ],
        database::schema,
    ),
    check(
        "files",
        "modes and owners of the store, its log, its key and their directories",
        &[
            ("open_file", E),
            ("open_directory", E),
            ("other_owner", E),
            ("unwritable", W),
        ],
        files::files,
    ),
    check(
        "key",
        "whether the key file opens every sealed value",
        &[
            ("key_missing", E),
            ("key_wrong", E),
            ("unfinished_rotation", W),
            ("sealed_app", E),
            ("sealed_setup", E),
            ("sealed_idp", E),
            ("sealed_mailbox", E),
            ("sealed_message", E),
            ("sealed_history", E),
            ("sealed_provider", E),
            ("sealed_password", E),
        ],
        keys::key,
    ),
    check(
        "audit",
        "the chain of the audit log",
        &[("tampered", E), ("hidden", E)],
        keys::audit,
    ),
    check(
        "clock",
        "whether the clock has gone back",
        &[("clock_behind", E), ("code_ahead", W)],
        moments::clock,
    ),
    check(
        "methods",
        "what the enabled methods need to send",
        &[
            ("no_method", E),
            ("no_mailbox", E),
            ("no_provider", E),
            ("directory_gone", E),
            ("directory_unwritable", E),
            ("directory_open", W),
            ("program_gone", E),
            ("program_not_executable", E),
            ("certificates_gone", E),
        ],
        prerequisites::methods,
    ),
    check(
        "second_factors",
        "people who have nothing to answer with, or nobody to go to, and cannot log in",
        &[
            ("no_identity_provider", E),
            ("no_second_factor", E),
            ("nobody_asked", W),
        ],
        prerequisites::second_factors,
    ),
    check(
        "addresses",
        "people without an address, where email is primary",
        &[("no_address", W)],
        prerequisites::addresses,
    ),
    check(
        "phones",
        "people without a phone, where SMS is primary",
        &[("no_phone", W)],
        prerequisites::phones,
    ),
    check(
        "apps",
        "people without an app, where the app is primary",
        &[("no_app", W)],
        prerequisites::apps,
    ),
    #[cfg(feature = "saml")]
    check(
        "idps",
        "certificates of identity providers, and whether they can be used",
        &[
            ("no_certificate", E),
            ("certificate_over", E),
            ("certificate_ends", W),
            ("certificate_early", W),
            ("certificate_disagrees", E),
            ("own_certificate_ends", W),
            ("sha1_allowed", W),
            ("default_disabled", E),
        ],
        idps::idps,
    ),
    check(
        "settings",
        "settings outside of what is recommended",
        &[("unwise", W)],
        settings::settings,
    ),
    check(
        "values",
        "passwords, addresses, phones and settings that cannot be read",
        &[
            ("unreadable_password", E),
            ("unreadable_address", E),
            ("unreadable_phone", E),
            ("foreign_value", E),
            ("unknown_setting", W),
        ],
        values::values,
    ),
    check(
        "secrets",
        "weak, published and shared secrets of apps",
        &[
            ("short_secret", E),
            ("published_secret", E),
            ("shared_secret", E),
        ],
        secrets::secrets,
    ),
    check(
        "pending",
        "set-ups and questions that were over long ago",
        &[("stale_setup", W), ("stale_challenge", W)],
        moments::pending,
    ),
    check(
        "locks",
        "users who are locked now",
        &[("locked", W)],
        moments::locks,
    ),
    check(
        "grants",
        "permissions that have run out",
        &[("expired_grant", W)],
        moments::grants,
    ),
    check(
        "orphans",
        "rows that do not fit together",
        &[
            ("identity", E),
            ("grantee_positions", E),
            ("group_cycle", E),
            ("computed_members", W),
            ("row_numbers", E),
            ("archived_rows", E),
            ("tombstones", E),
        ],
        orphans::orphans,
    ),
    check(
        "administrators",
        "whether somebody can administer the store",
        &[("no_administrator", E), ("no_first_administrator", E)],
        orphans::administrators,
    ),
    check(
        "senders",
        "whether the mailbox and the provider in use answer",
        &[("mailbox_unreachable", E), ("provider_unreachable", E)],
        senders::senders,
    ),
];

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// Something is.
    Found,
    /// It could not look.
    NotChecked,
}

/// A check, as it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its word.
    pub check: &'static str,
    /// How it ended.
    pub state: State,
    /// Why it did not look.
    pub why: Option<String>,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was found.
    pub healthy: bool,
    /// Every check, in order.
    pub checks: Vec<Checked>,
    /// What was found: errors first, each part in the order of the checks.
    pub findings: Vec<Finding>,
}

/// Whether the store has no active administrator: then nobody can be permitted to look, and whoever owns it looks all the
/// same.
#[must_use]
pub fn is_ungoverned(store: &Store) -> bool {
    crate::permission::active_administrators(store, 1).is_ok_and(|some| some.is_empty())
}

/// Runs every check. `online`: the mailbox and the provider in use are called too, and nothing is sent.
///
/// The file is read from one end to the other beside all other checks, for that takes the longest; what it came to is
/// told first all the same.
#[must_use]
pub fn examine(store: &Store, online: bool) -> Report {
    let patient = Patient {
        store,
        online,
        reading: Cell::new(Some(store.begin_integrity())),
    };
    let look = |check: &'static Check| {
        let mut found = Vec::new();
        let looked = (check.look)(&patient, &mut Findings::of(check, &mut found));
        (check, looked, found)
    };
    let (integrity, others) = (&CHECKS[0], &CHECKS[1..]);
    let others: Vec<_> = others.iter().map(look).collect();
    let mut report = Report {
        healthy: false,
        checks: Vec::new(),
        findings: Vec::new(),
    };
    for (check, looked, found) in iter::once(look(integrity)).chain(others) {
        report.add(&patient, check, looked, found);
    }
    report.findings.sort_by_key(|finding| finding.severity);
    report.healthy = report.findings.is_empty();
    report
}

impl Report {
    /// Adds what became of the next check.
    fn add(
        &mut self,
        patient: &Patient<'_>,
        check: &'static Check,
        looked: Result<Looked>,
        found: Vec<Finding>,
    ) {
        let before = self.findings.len();
        self.findings.extend(found);
        let why = match looked {
            Ok(Looked::Whole) => None,
            Ok(Looked::Not(why)) => Some(why),
            Err(error) => {
                let mut out = Findings::of(check, &mut self.findings);
                failed(patient, &error, &mut out);
                Some(error.message())
            }
        };
        let state = match (&why, self.findings.len() > before) {
            (Some(_), _) => State::NotChecked,
            (None, true) => State::Found,
            (None, false) => State::Ok,
        };
        self.checks.push(Checked {
            check: check.code,
            state,
            why,
        });
    }
}

/// A check that failed is a finding of its own, unless what it failed of was found already: a key that does not open, a
/// file that is damaged.
fn failed(patient: &Patient<'_>, error: &Error, out: &mut Findings<'_>) {
    let known = match error.kind() {
        Kind::KeyMissing | Kind::KeyWrong => out.has("key"),
        Kind::Storage | Kind::ForeignStore => {
            out.has("integrity")
                || out.has("foreign_keys")
                || out.has("schema")
                || out.says(&sentence(&error.message()))
        }
        _ => false,
    };
    if known {
        return;
    }
    let mend = match error.kind() {
        Kind::Busy => "twofa doctor --wait 1m".to_owned(),
        _ => copy_back(patient.store),
    };
    out.add(FAILED.0, 1, sentence(&error.message())).mend(mend);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn the_table_is_sound() {
        let mut words = BTreeSet::new();
        for check in CHECKS {
            assert!(words.insert(check.code), "{}", check.code);
            for (kind, _) in check.finds {
                assert!(words.insert(kind), "{kind}");
            }
        }
        assert!(words.insert(FAILED.0));
    }

    #[test]
    fn a_check_that_fails_is_said_and_the_next_one_runs() {
        let fresh = fresh();
        // A view in the place of a table that only one check reads.
        let broken =
            "DROP TABLE audit_tombstone; CREATE VIEW audit_tombstone AS SELECT absent FROM nowhere";
        fresh.store.tampered().execute_batch(broken).unwrap();
        let report = examine(&fresh.store, false);
        assert_eq!(report.checks.len(), CHECKS.len());
        let state = |code: &str| {
            let found = report.checks.iter().find(|checked| checked.check == code);
            let found = found.unwrap();
            (found.state, found.why.clone())
        };
        let (orphans, why) = state("orphans");
        assert_eq!(orphans, State::NotChecked);
        assert!(why.unwrap().contains("no such table"), "{report:?}");
        assert_eq!(state("administrators").0, State::Found);
        assert!(!report.healthy);
    }
}

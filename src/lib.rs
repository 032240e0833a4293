//! twofa keeps and runs two-factor authentication in one `SQLite` file.
//!
//! This is the library: the rules, which know no terminal, no clock and no process exit. The words, the arguments and
//! the terminal are the binary's (`src/bin/twofa`).
//!
//! # The map
//! * [`error`], [`clock`], [`name`], [`secret`], [`files`]: what everything stands on. Errors have a kind, a sentence and
//!   a hint; time and randomness are handed in.
//! * [`store`], [`vault`]: the file and its keys. Only the store opens a connection, only the vault sees a raw key, and where
//!   a key comes from is for [`vault::KeySource`] alone to know.
//! * [`verb`], [`actor`], [`permission`], [`ask`], [`progress`]: what a command needs, who runs it, whether they may, how
//!   they are asked, and how they are told how far it is.
//! * [`plan`], [`change`], [`confirmation`], [`guard`], [`audit`]: how declared state is written, and what is kept of it.
//! * [`method`], [`setting`], [`user`], [`group`], [`mailbox`], [`sms_provider`], [`template`], [`authenticator`],
//!   [`recovery`], [`password`], [`oauth_client`], [`idp`]: the nouns, each with its rules and its SQL.
//! * [`challenge`], [`totp`], [`login`]: the questions, the login decision and what runs it.
//! * `sso`: single sign-on by SAML 2.0, the protocol alone, as bytes in and a verdict out; with the cargo feature `saml`.
//! * [`delivery`]: how a code leaves us, and the outbox, which keeps what became of it. [`archive`], [`backup`], [`enrol`], [`init`],
//!   [`coverage`], [`rotation`], [`status`], [`sealed`], [`doctor`]: commands with no noun of their own.
//! * [`policy`]: a whole set-up as one file, made of the plans of the nouns.
//!
//! # Ground rules
//! * Arrows point one way: policy → change → guard → login → nouns → store, vault, clock, error.
//! * A function that changes a row takes a [`store::Tx`], the proof that the write lock is held.
//! * Nothing waits on a network, a hash or a person inside a transaction.
//! * The next noun costs `src/<noun>.rs`, `src/bin/twofa/commands/<noun>.rs`, `tests/cli/<noun>.rs`, its table in
//!   `schema.sql`, its rows in [`verb::VERBS`] and among the events of [`audit`], and a line where nouns are listed: here,
//!   in the binary's `cli.rs` and `commands/mod.rs`, and in the orders of `tests/cli/fences.rs`, which fails without it.
//! * What `doctor` looks for is a row of [`doctor::CHECKS`] and a test that provokes it.
//! * A setting is a row of `setting/catalogue.rs`, an event a row of `audit/event.rs`, an exit code a row of
//!   [`error::Kind`]; help, completion and checks are made from the row.

#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod actor;
pub mod archive;
pub mod ask;
pub mod audit;
pub mod authenticator;
pub mod backup;
pub mod challenge;
pub mod change;
pub mod clock;
pub mod confirmation;
pub mod coverage;
pub mod delivery;
pub mod doctor;
pub mod enrol;
pub mod error;
pub mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod group;
pub mod guard;
pub mod idp;
pub mod init;
pub mod login;
pub mod mailbox;
pub mod method;
pub mod name;
pub mod oauth_client;
pub mod password;
pub mod permission;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod recovery;
pub mod rotation;
pub mod sealed;
pub mod secret;
pub mod setting;
pub mod sms_provider;
#[cfg(feature = "saml")]
pub mod sso;
pub mod status;
pub mod store;
pub mod template;
pub mod totp;
pub mod user;
pub mod vault;
pub mod verb;

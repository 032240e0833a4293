//! The command line, end to end: every command with stdout, stderr and exit status asserted whole, in a cleared
//! environment with a fixed clock.
//!
//! One binary for all nouns; one file for each. A snapshot is filled in or renewed with `SNAPSHOTS=overwrite cargo test
//! --test cli`, and then read.

// A test that cannot go on panics; a snapshot is as long as what it shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines
)]
#![allow(
    clippy::needless_raw_string_hashes,
    clippy::needless_raw_strings,
    missing_docs
)]

#[cfg(unix)]
mod account;
mod confirmation;
mod confirmation_mail;
mod delivery;
mod lints;
mod mailbox;
mod mailbox_edit;
mod method;
mod output;
mod permission;
#[cfg(unix)]
mod sendmail;
mod setting;
mod store;
#[cfg(unix)]
mod store_full;
#[cfg(unix)]
mod terminal;
mod world;

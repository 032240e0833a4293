//! Tests with real peers: mail servers, message centres, oathtool, zbarimg, other shells, other accounts, kill -9, and sixty-four
//! processes at once.
//!
//! `cargo test --features peer-tests --test peer`; `.ci/run` installs what they need. A peer that is missing is a
//! failure that names it, never a test that quietly passes.

// A test that cannot go on panics.
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

mod accounts;
mod ansible;
mod faults;
mod helpdesk;
mod http_provider;
mod httpd;
mod jwt;
mod kill;
mod kill_cases;
#[path = "../cli/lines.rs"]
mod lines;
mod machine;
mod man;
mod memory;
mod oathtool;
mod postfix;
mod postfix_cases;
mod qr;
mod remains;
#[cfg(feature = "saml")]
mod saml;
#[cfg(feature = "saml")]
mod saml_cli;
mod schema;
mod scripted;
mod sendmail;
mod shells;
mod shells_lines;
mod smpp;
mod smsc;
mod smtp;
mod smtpd;
mod storm;
mod storm_acts;
mod storm_judge;
mod systemd;
#[path = "../cli/world.rs"]
#[allow(
    dead_code,
    reason = "the harness of another suite, of which this one needs a part"
)]
mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::RwLock;

/// Whether this machine has a system store: those who make one take it to write, those who need it away to read.
static SYSTEM_STORE: RwLock<()> = RwLock::new(());

/// The program of a peer, or a failure that says how to get it.
#[track_caller]
fn peer(program: &str, how: &str) -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "peers are where the machine has them"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("this test needs the peer `{program}`, which is not installed: {how}, or run .ci/run")
        })
}

/// Runs a peer, which must succeed, and returns what it printed.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        status.success(),
        "{command:?}: {status}\n{}\n{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).unwrap()
}

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

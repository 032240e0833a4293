//! What is completed without a store: words that are always the same, accounts of this machine, and columns of a file.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use twofa::audit;
use twofa::user::import::COLUMNS;

use super::line::given;
use super::{fixed, sound};

/// Outcomes of events.
pub fn outcomes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(audit::Outcome::ALL.map(audit::Outcome::code)))
}

/// How long something may take.
pub fn waits() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(["0s", "10s", "1m", "5m"]))
}

/// How long something is good.
pub fn lives() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(["10m", "1h", "2h", "1d"]))
}

/// Times that have been.
pub fn times_past() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(PAST))
}

/// Times to come.
pub fn times_to_come() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(TO_COME))
}

/// Times.
pub fn times() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(TO_COME.into_iter().chain(PAST)))
}

const PAST: [&str; 4] = ["1h ago", "1d ago", "7d ago", "30d ago"];
const TO_COME: [&str; 4] = ["in 1h", "in 1d", "in 7d", "in 30d"];

/// Accounts of this machine.
pub fn accounts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let prefix = current.to_string_lossy().into_owned();
        let accounts = start_of(Path::new("/etc/passwd"));
        let names = accounts
            .lines()
            .filter_map(|line| Some(line.split_once(':')?.0))
            .filter(|name| name.starts_with(&prefix))
            .map(str::to_owned);
        sound(names.collect())
    })
}

/// Columns of the file of the line, and after a `=` the fields of a user.
pub fn mappings() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_string_lossy().into_owned();
        if let Some((column, begun)) = current.split_once('=') {
            let fields = COLUMNS.iter().filter(|field| field.starts_with(begun));
            return sound(fields.map(|field| format!("{column}={field}")).collect());
        }
        let file = given("file").map(|path| start_of(Path::new(&path)));
        let file = file.unwrap_or_default();
        let heads = file.lines().next().unwrap_or_default();
        let columns = heads
            .split([',', ';', '\t'])
            .map(|head| head.trim_matches(['"', '\u{feff}', ' ']))
            .filter(|head| !head.is_empty() && head.starts_with(&current))
            .map(|head| format!("{head}="));
        sound(columns.collect())
    })
}

/// The first 64 KiB of a file, if it is one: nothing else is waited for.
fn start_of(path: &Path) -> String {
    let mut bytes = Vec::new();
    if path.is_file()
        && let Ok(file) = std::fs::File::open(path)
    {
        // What cannot be read has nothing to offer.
        let _ = file.take(65_536).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

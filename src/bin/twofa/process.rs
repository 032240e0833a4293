//! What this process is: who runs it, where the store is, and what a delegated caller may not say.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, ValueHint};
use twofa::actor::{Authority, Process};
use twofa::clock::{Source, System};
use twofa::error::{Error, Kind, Result};
use twofa::secret::Secret;
use twofa::store::{Place, owner_of};
use twofa::vault::{CREDENTIAL, KEY_VARIABLE, KeySource};
use twofa::verb::{Opens, Verb};

use crate::cli::{Globals, STREAMS};

/// A variable of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A variable of the environment that is text.
pub fn text(name: &str) -> Option<String> {
    variable(name)?.into_string().ok()
}

/// The words of the command line; the program's own name is the first.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the command line"
)]
pub fn words() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// Reads who runs this process.
pub fn process() -> Process {
    // One that is set and cannot be read must not look like one that is not set.
    let named = |name: &str, read: fn(&str) -> Option<u32>| {
        variable(name).map(|value| value.to_str().and_then(read))
    };
    let uid = |text: &str| text.parse().ok();
    let account = |name: &str| twofa::store::account(name).ok().map(|account| account.uid);
    let process = Process {
        named: [
            named("SUDO_UID", uid),
            named("DOAS_USER", account),
            named("PKEXEC_UID", uid),
        ]
        .into_iter()
        .flatten()
        .collect(),
        ..Process::default()
    };
    #[cfg(unix)]
    let process = Process {
        effective: Some(nix::unistd::geteuid().as_raw()),
        real: Some(nix::unistd::getuid().as_raw()),
        ..process
    };
    process
}

/// Runs this program once more, with the store of this run, without waiting for it: what is left to do takes a time
/// that an answer must not tell.
///
/// A passphrase that was needed here is handed on through a pipe, where nobody else reads it.
pub fn spawn_self(globals: &Globals, passphrase: Option<Secret>, words: &[&str]) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, "cannot run this program once more").because(error)
    };
    let mut command = std::process::Command::new(std::env::current_exe().map_err(failed)?);
    command.args(words);
    if let Some(db) = &globals.db {
        command.arg("--db").arg(db);
    }
    if let Some(key) = &globals.key_file {
        command.arg("--key-file").arg(key);
    }
    command
        .stdin(match &passphrase {
            Some(_) => std::process::Stdio::piped(),
            None => std::process::Stdio::null(),
        })
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    // What ends the terminal's job does not end it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    if passphrase.is_some() {
        command.arg("--passphrase-stdin");
    }
    let mut child = command.spawn().map_err(failed)?;
    if let (Some(mut pipe), Some(passphrase)) = (child.stdin.take(), passphrase) {
        // As long as the longest secret, it fits into the pipe.
        for part in [passphrase.expose(), "\n"] {
            pipe.write_all(part.as_bytes()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Files made from here on are for their owner alone, and what this process has in memory is written into none.
///
/// Keys, codes and passwords are in memory, so it leaves no core dump. On Linux the process is also made one that its
/// account cannot trace, nor read its memory or environment (`prctl`, `PR_SET_DUMPABLE`); that holds where a program takes
/// the dump too, which no limit of length keeps from it. Only the soft limit is lowered: whoever writes a program that sends,
/// and wants its dumps, raises it there. The other half goes with `execve` by itself. To give a child its limit back would
/// take code between fork and exec, which is unsafe; and what a child of ours has in memory is a code.
///
/// # Errors
/// [`Kind::Io`] where the system lets neither be done, as with a filter of system calls that forbids both.
pub fn restrict() -> Result<()> {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        let limited = getrlimit(Resource::RLIMIT_CORE)
            .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_CORE, 0, hard));
        #[cfg(target_os = "linux")]
        let limited = nix::sys::prctl::set_dumpable(false).or(limited);
        limited.map_err(|error| {
            Error::new(Kind::Io, "cannot keep keys out of core dumps")
                .because(error)
                .hint("allow this process to call setrlimit or prctl")
        })?;
    }
    Ok(())
}

/// Where the store and its keys are (DESIGN, section 2, "Store").
pub fn place(globals: &Globals, process: &Process) -> Result<Place> {
    let db = store(globals, process)?;
    Ok(Place::new(db, key_source(globals.key_file.as_deref())?))
}

/// Where the store is.
pub fn store(globals: &Globals, process: &Process) -> Result<PathBuf> {
    let system = Path::new(Place::SYSTEM);
    match &globals.db {
        Some(path) => Ok(path.clone()),
        None if process.effective == Some(0) || system.exists() => Ok(system.to_owned()),
        None => default_store(),
    }
}

/// Where the keys are, if not beside the store. What the command line or its variable names comes before keys that stand in
/// the environment themselves: after a rotation into a new file that is how the file is used.
pub fn key_source(named: Option<&Path>) -> Result<Option<KeySource>> {
    if let Some(path) = named {
        let credential = path.to_str().and_then(|text| text.strip_prefix(CREDENTIAL));
        return Ok(Some(match credential {
            Some(name) => {
                let directory = variable("CREDENTIALS_DIRECTORY").map(PathBuf::from);
                KeySource::credential(name, directory)?
            }
            None => KeySource::file(path),
        }));
    }
    // One that cannot be read must not look like one that is not set.
    let ring = variable(KEY_VARIABLE).map(|value| match value.into_string() {
        Ok(text) => Secret::new(text),
        Err(_) => Secret::new(String::new()),
    });
    Ok(ring.map(KeySource::environment))
}

/// What the environment may hold of keys and codes, or leads to them.
const SECRET: &[&str] = &[KEY_VARIABLE, "TWOFA_CONFIRM_CODE", "CREDENTIALS_DIRECTORY"];

/// Takes that out of the environment of a program that somebody else wrote and that has no use for it.
pub fn keep_secrets_from(command: &mut std::process::Command) {
    for name in SECRET {
        command.env_remove(name);
    }
}

/// Where the store of an ordinary account is.
pub fn default_store() -> Result<PathBuf> {
    Ok(data_home()?.join("twofa").join("twofa.db"))
}

fn data_home() -> Result<PathBuf> {
    let directory = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    directory("XDG_DATA_HOME")
        .or_else(|| directory("LOCALAPPDATA"))
        .or_else(|| directory("HOME").map(|home| home.join(".local").join("share")))
        .ok_or_else(|| {
            Error::new(Kind::Usage, "nothing tells where the store is")
                .hint("name it with --db FILE")
        })
}

/// Seconds of the longest wait for a busy store.
const LONGEST_WAIT: i64 = 20 * 86_400;

/// How long to wait for a busy store.
pub fn wait(globals: &Globals) -> Result<Duration> {
    // A bare number is one of seconds, as with most tools that wait.
    let bare: Option<i64> = globals.wait.parse().ok().filter(|seconds| *seconds >= 0);
    let seconds = bare
        .map_or_else(|| twofa::clock::seconds(&globals.wait), Ok)
        .map_err(|error| {
            Error::new(Kind::Usage, format!("--wait: {}", error.message()))
                .hint("write it as 10s or 1m")
        })?;
    // SQLite counts milliseconds in 32 bits.
    if seconds > LONGEST_WAIT {
        return Err(
            Error::new(Kind::Usage, "--wait: more than 20 days is too long")
                .hint("write it as 10s or 1m"),
        );
    }
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

/// The clock and the random bytes. A build for tests takes both from its environment; a release never does.
pub fn source() -> Rc<dyn Source> {
    #[cfg(debug_assertions)]
    if let Some(fixed) = fixed() {
        return Rc::new(fixed);
    }
    Rc::new(System)
}

#[cfg(debug_assertions)]
fn fixed() -> Option<twofa::clock::Fixed> {
    let now = text("TWOFA_TEST_NOW")?;
    let now = twofa::clock::Time::parse(&now, twofa::clock::Time(0)).ok()?;
    let seed = text("TWOFA_TEST_SEED")
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    Some(twofa::clock::Fixed::new(now, seed))
}

/// Whether somebody else runs this process with the rights of a store's owner: of the store that is named, the system
/// store, or the one the account has by default. To name a store of one's own is then no way to use those rights.
pub fn is_delegated(process: &Process, store: Option<&Path>, verb: Option<&Verb>) -> bool {
    // A store that is yet to be made, or was lost, has no owner; it would be of whoever's rights these are.
    let makes = verb.is_some_and(|verb| verb.opens == Opens::Create || verb.path == "restore");
    if makes && process.authority(process.effective) == Authority::Delegated {
        return true;
    }
    let default = default_store().ok();
    [store, default.as_deref()]
        .into_iter()
        .flatten()
        .chain([Path::new(Place::SYSTEM)])
        .any(|path| process.authority(owner_of(path)) == Authority::Delegated)
}

/// The first variable of this program in the environment: the name alone, for a value may be anything.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn own_variable() -> Option<String> {
    std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .find(|name| name.starts_with("TWOFA_"))
}

/// Refuses what a delegated caller may not say, before anything is opened (DESIGN, section 4, "Acting user").
pub fn refuse_delegated(
    process: &Process,
    store: Option<&Path>,
    verb: &Verb,
    command: &Command,
    matches: &ArgMatches,
) -> Result<()> {
    if !is_delegated(process, store, Some(verb)) {
        return Ok(());
    }
    let refuse = |what: &str| {
        Err(Error::new(
            Kind::NotPermitted,
            format!("{what} is not for delegated callers"),
        )
        .hint("only root and the store's owner choose the store, its key, files and programs"))
    };
    if let Some(name) = own_variable() {
        return refuse(&format!("the variable {name}"));
    }
    let (mut command, mut matches) = (command, matches);
    loop {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let said = matches!(
                matches.value_source(id),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            );
            let names = matches!(
                argument.get_value_hint(),
                ValueHint::FilePath
                    | ValueHint::DirPath
                    | ValueHint::AnyPath
                    | ValueHint::ExecutablePath
                    // What a program is given is as good as the program.
                    | ValueHint::CommandString
            );
            let is_stream = || {
                STREAMS.contains(&(verb.path, id))
                    && matches
                        .get_raw(id)
                        .is_some_and(|mut values| values.all(|value| value == "-"))
            };
            if said && (id == "as_login" || (names && !is_stream())) {
                return refuse(&format!(
                    "the option --{}",
                    argument.get_long().unwrap_or(id)
                ));
            }
        }
        let Some((name, below)) = matches.subcommand() else {
            break;
        };
        let Some(next) = command.find_subcommand(name) else {
            break;
        };
        (command, matches) = (next, below);
    }
    if verb.is_delegable() {
        Ok(())
    } else {
        refuse(&format!("`twofa {}`", verb.path))
    }
}

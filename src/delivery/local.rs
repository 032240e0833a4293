//! Sending on this machine: into a directory, or through a program.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::conversation::{Deadline, Ear, Line, Speaker};
use super::{Failure, Sms};
use crate::files::{Owner, PrivateFile, make_private_directory};
use crate::name::{argument, visible};
use crate::plan::Warning;
use crate::store::Store;

/// Says a step that is done here.
fn step(ear: Ear<'_>, text: String) {
    ear(&Line {
        from: Speaker::Note,
        text,
    });
}

/// An SMS as a file: to whom, from whom and when, then the words.
pub(super) fn note(store: &Store, sms: &Sms) -> Zeroizing<Vec<u8>> {
    let from = sms.from.as_deref().unwrap_or("-");
    let text = format!(
        "To: {}\nFrom: {from}\nDate: {}\n\n{}\n",
        sms.to,
        store.now(),
        *sms.text
    );
    Zeroizing::new(text.into_bytes())
}

/// Writes one file, mode 0600, complete or not at all. Returns its name.
pub(super) fn to_file(
    store: &Store,
    directory: &str,
    extension: &str,
    message: &[u8],
    ear: Ear<'_>,
) -> Result<String, Failure> {
    let directory = Path::new(directory);
    let failed = |error: &std::io::Error| {
        Failure::temporary(format!(
            "cannot write into `{}`: {error}",
            directory.display()
        ))
    };
    if !directory.is_dir() {
        return Err(Failure::temporary(format!(
            "the directory `{}` is not there",
            directory.display()
        )));
    }
    let mut random = [0u8; 8];
    store
        .source()
        .fill(&mut random)
        .map_err(|error| Failure::temporary(error.message()))?;
    // Names sort by time.
    let name = format!(
        "{}-{}.{extension}",
        store.now().to_string().replace(':', ""),
        data_encoding::HEXLOWER.encode(&random)
    );
    let path = directory.join(&name);
    let mut file = PrivateFile::begin(&path).map_err(|error| failed(&error))?;
    file.fill(message)
        .and_then(|()| file.finish())
        .map_err(|error| failed(&error))?;
    step(ear, format!("wrote {}", path.display()));
    Ok(name)
}

/// What a program that sends gets of our environment: where programs are, whose files it may want, language and time
/// zone. Our own variables are not its business.
const INHERITED: &[&str] = &["PATH", "HOME", "LANG", "LC_ALL", "TZ", "SystemRoot"];

/// What a program says at length helps nobody.
const SAID: usize = 2_000;

/// How long the pipes of a program that has ended are waited for: another that it left running may hold them.
const GRACE: Duration = Duration::from_millis(200);

/// Pipes a message to a program. Never through a shell. Returns the first line that it printed, if it printed any.
pub(super) fn to_program(
    program: &str,
    arguments: &[&str],
    message: Zeroizing<Vec<u8>>,
    deadline: Deadline,
    ear: Ear<'_>,
) -> Result<String, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "handed on to the program, unread"
    )]
    let inherited = INHERITED
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A group of its own, to be ended with all that it starts.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    step(ear, format!("running {program} {}", arguments.join(" ")));
    let mut child = command.spawn().map_err(|error| {
        let said = format!("cannot run `{program}`: {error}");
        if error.kind() == std::io::ErrorKind::NotFound {
            Failure::permanent(said)
        } else {
            Failure::temporary(said)
        }
    })?;
    let id = child.id();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Each pipe has its own thread: a program may fill the one before it reads the other.
    apart(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&message)));
    let printed = apart(move || stdout.map_or_else(String::new, beginning));
    let said = apart(move || stderr.map_or_else(String::new, beginning));
    let ended = apart(move || child.wait());
    let Ok(status) = ended.recv_timeout(deadline.left()) else {
        stop(id);
        return Err(deadline.unfinished(program));
    };
    let printed = printed.recv_timeout(GRACE).unwrap_or_default();
    let said = said.recv_timeout(GRACE).unwrap_or_default();
    let said = match said.trim() {
        "" => String::new(),
        words => format!(": {words}"),
    };
    if let Ok(status) = status {
        step(ear, format!("it ended with {status}"));
    }
    match status {
        // Whether it read all of the message is its business: a short one fits into the pipe, and nobody would know.
        Ok(status) if status.success() => Ok(receipt(program, &printed)),
        // 75 is EX_TEMPFAIL of sysexits.h.
        Ok(status) if status.code() == Some(75) => Err(Failure::temporary(format!(
            "`{program}` failed for now ({status}){said}"
        ))),
        Ok(status) => Err(Failure::permanent(format!(
            "`{program}` failed ({status}){said}"
        ))),
        Err(error) => Err(Failure::temporary(format!("`{program}`: {error}"))),
    }
}

/// The longest receipt that is kept, in characters.
const RECEIPT: usize = 200;

fn receipt(program: &str, printed: &str) -> String {
    let first = printed.lines().map(str::trim).find(|line| !line.is_empty());
    match first {
        Some(line) => line.chars().take(RECEIPT).collect(),
        None => format!("{program}: accepted"),
    }
}

/// Runs `work` in a thread, and hands over what comes of it.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        let _ = give.send(work());
    });
    take
}

/// The first of what is said. All of it is read: whoever has no more room for words stops.
fn beginning(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.by_ref().take(SAID as u64).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut from, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ends a program that took too long, with what it started; without that it might still send a code that has been
/// given up.
fn stop(id: u32) {
    #[cfg(unix)]
    if let Ok(id) = i32::try_from(id) {
        let _ = nix::sys::signal::killpg(
            nix::unistd::Pid::from_raw(id),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    #[cfg(not(unix))]
    let _ = id;
}

/// Makes the directory that messages go into, private, if it is absent. It belongs to the store's owner, who sends.
///
/// # Errors
/// What the system says.
pub fn prepare_directory(store: &Store, directory: &Path) -> std::io::Result<()> {
    make_private_directory(directory, Owner::of(&store.place().db))
}

/// What is worth saying of a directory that messages go into: whether others than its owner may write there. A group
/// may, when it is the store's own.
#[must_use]
pub fn open_directory(store: &Store, directory: &Path) -> Option<Warning> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = directory.metadata().ok()?;
        let mode = found.mode() & 0o7777;
        let foreign = Owner::of(&store.place().db).is_none_or(|owner| owner.gid != found.gid());
        (mode & 0o002 != 0 || (mode & 0o020 != 0 && foreign)).then(|| Warning {
            kind: "directory_open",
            message: format!(
                "others may write into `{}` (mode {mode:04o}), and so take messages away.",
                visible(&directory.to_string_lossy())
            ),
            hint: Some(format!(
                "`chmod go-w {}`",
                argument(&directory.to_string_lossy())
            )),
        })
    }
    #[cfg(not(unix))]
    {
        let _ = (store, directory);
        None
    }
}

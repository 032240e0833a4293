//! Sending on this machine: into a directory, or through a program.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lettre::Message;

use super::Failure;
use crate::files::PrivateFile;
use crate::store::Store;

/// Writes one `.eml` file, mode 0600, complete or not at all. Returns its name.
pub(super) fn to_file(
    store: &Store,
    directory: &str,
    message: &Message,
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
        "{}-{}.eml",
        store.now().to_string().replace(':', ""),
        data_encoding::HEXLOWER.encode(&random)
    );
    let path = directory.join(&name);
    let mut file = PrivateFile::begin(&path).map_err(|error| failed(&error))?;
    file.fill(&message.formatted())
        .and_then(|()| file.finish_new())
        .map_err(|error| failed(&error))?;
    Ok(name)
}

/// Pipes the message to a sendmail program: `PROGRAM -i -f FROM -- TO`. Never through a shell.
pub(super) fn to_program(
    program: &str,
    from: &str,
    to: &str,
    message: &Message,
    deadline: Duration,
) -> Result<String, Failure> {
    let mut child = Command::new(program)
        .args(["-i", "-f", from, "--", to])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let said = format!("cannot run `{program}`: {error}");
            if error.kind() == std::io::ErrorKind::NotFound {
                Failure::permanent(said)
            } else {
                Failure::temporary(said)
            }
        })?;
    let bytes = message.formatted();
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let id = child.id();
    let (answer, wait) = mpsc::channel();
    thread::spawn(move || {
        let written = stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&bytes));
        let mut said = String::new();
        if let Some(stderr) = stderr {
            // What a program says at length helps nobody.
            let _ =
                std::io::Read::read_to_string(&mut std::io::Read::take(stderr, 2_000), &mut said);
        }
        let _ = answer.send((child.wait(), written, said));
    });
    let Ok((status, written, said)) = wait.recv_timeout(deadline) else {
        stop(id);
        return Err(Failure::temporary(format!(
            "`{program}` did not finish within {} s",
            deadline.as_secs()
        )));
    };
    let said = said.trim();
    match status {
        Ok(status) if status.success() => match written {
            Ok(()) => Ok(format!("{program}: accepted")),
            Err(error) => Err(Failure::temporary(format!(
                "`{program}` did not read the message: {error}"
            ))),
        },
        // 75 is EX_TEMPFAIL of sysexits.h.
        Ok(status) if status.code() == Some(75) => Err(Failure::temporary(format!(
            "`{program}` failed for now ({status}): {said}"
        ))),
        Ok(status) => Err(Failure::permanent(format!(
            "`{program}` failed ({status}): {said}"
        ))),
        Err(error) => Err(Failure::temporary(format!("`{program}`: {error}"))),
    }
}

/// Ends a program that took too long; without that it might still send a code that has been given up.
fn stop(id: u32) {
    #[cfg(unix)]
    if let Ok(id) = i32::try_from(id) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(id),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    #[cfg(not(unix))]
    let _ = id;
}

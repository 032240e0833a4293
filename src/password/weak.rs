//! Common passwords: the list shipped with the program, or one of the store's owner.
//!
//! A file beside the store, its path and `.weak-passwords`, takes the place of the shipped list: one password a line,
//! UTF-8. Case does not matter.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;

use passwords::analyzer::is_common_password;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::files::with_suffix;
use crate::secret::Secret;
use crate::store::Store;

/// Whether a password is on the list.
///
/// # Errors
/// [`Kind::Io`] for a file that is there and cannot be read.
pub(super) fn is_common(store: &Store, password: &Secret) -> Result<bool> {
    let own = with_suffix(&store.place().db, ".weak-passwords");
    match File::open(&own) {
        Ok(file) => stands_in(file, password).map_err(|error| unreadable(&own, error)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let plain = password.expose();
            Ok(is_common_password(plain)
                || is_common_password(Zeroizing::new(plain.to_lowercase()).as_str()))
        }
        Err(error) => Err(unreadable(&own, error)),
    }
}

fn stands_in(file: File, password: &Secret) -> std::io::Result<bool> {
    let wanted = Zeroizing::new(password.expose().to_lowercase());
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if std::str::from_utf8(line).is_ok_and(|line| line.to_lowercase() == *wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        Kind::Io,
        format!(
            "cannot read the list of common passwords `{}`",
            path.display()
        ),
    )
    .because(error)
}

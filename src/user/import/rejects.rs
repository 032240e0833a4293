//! The rows that were not taken, as a file that can be fed again once they are mended.

use std::path::Path;

use super::columns::{Columns, REJECTED};
use crate::error::{Error, Kind, Result};
use crate::files::PrivateFile;

/// A file of rejected rows. It has its name at once, so that nothing else can take it, and its contents once it is whole.
pub(super) struct Rejects<'p> {
    name: Reserved<'p>,
    file: PrivateFile<'p>,
    path: &'p Path,
    rows: csv::Writer<Vec<u8>>,
}

/// How many bytes are gathered before they are written.
const PART: usize = 64 << 10;

impl<'p> Rejects<'p> {
    pub(super) fn begin(path: &'p Path, columns: &Columns) -> Result<Rejects<'p>> {
        let mut rejects = Rejects {
            name: Reserved::new(path)?,
            file: PrivateFile::begin(path).map_err(|error| failed(path, error))?,
            path,
            rows: csv::WriterBuilder::new()
                .flexible(true)
                .from_writer(Vec::new()),
        };
        let names = REJECTED
            .iter()
            .copied()
            .chain(columns.headers.iter().map(String::as_str));
        rejects.record(names.map(str::as_bytes))?;
        Ok(rejects)
    }

    /// Adds a row with its line and the reason.
    pub(super) fn add(
        &mut self,
        columns: &Columns,
        line: u64,
        reason: &str,
        record: &csv::ByteRecord,
    ) -> Result<()> {
        let line = line.to_string();
        let own = [line.as_bytes(), reason.as_bytes()];
        let rest = record.iter().skip(columns.skips);
        self.record(own.into_iter().chain(rest))
    }

    fn record<'a>(&mut self, fields: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let unwritten = |error: csv::Error| Error::new(Kind::Io, "cannot write CSV").because(error);
        self.rows.write_record(fields).map_err(unwritten)?;
        if self.rows.get_ref().len() >= PART {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let fresh = csv::WriterBuilder::new()
            .flexible(true)
            .from_writer(Vec::new());
        let full = std::mem::replace(&mut self.rows, fresh);
        let bytes = full
            .into_inner()
            .map_err(|error| failed(self.path, std::io::Error::other(error.to_string())))?;
        self.file
            .fill(&bytes)
            .map_err(|error| failed(self.path, error))
    }

    /// Puts the contents in the place that was kept for them.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        let path = self.path;
        let replaced = self.file.replace();
        // Where only its directory could not be synced, they are there, and stay.
        if replaced.is_ok() || path.metadata().is_ok_and(|file| file.len() > 0) {
            self.name.keep();
        }
        replaced.map_err(|error| failed(path, error))
    }
}

/// A name that is ours: an empty file, which goes again unless it is kept.
struct Reserved<'p>(Option<&'p Path>);

impl<'p> Reserved<'p> {
    fn new(path: &'p Path) -> Result<Reserved<'p>> {
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| failed(path, error))?;
        Ok(Reserved(Some(path)))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot write the rejected rows to `{}`", path.display());
    Error::new(Kind::Io, message).because(error)
}

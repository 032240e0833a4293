//! The file of an import: read record by record, several times over, in little memory.

use std::cell::{Cell, RefCell};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::columns::Columns;
use crate::error::{Error, Kind, Result};
use crate::name::counted;

/// The longest file, in bytes: tens of millions of users.
pub(super) const LONGEST_FILE: u64 = 4 << 30;

/// The longest record, in bytes: far more than its fields may hold. Without it one open quote would swallow the file.
pub(super) const LONGEST_RECORD: u64 = 64 << 10;

/// A file that can be read from its beginning again.
pub trait Rereadable: Read + Seek + std::fmt::Debug {}

impl<T: Read + Seek + std::fmt::Debug> Rereadable for T {}

/// Keeps what can be read once in a file that has no name and goes with the process.
///
/// # Errors
/// [`Kind::Io`]; [`Kind::InvalidValue`] for what is too long.
pub fn spool(input: impl Read) -> Result<std::fs::File> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, "cannot keep the file for a second reading").because(error)
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    let copied = std::io::copy(&mut input.take(LONGEST_FILE + 1), &mut file).map_err(failed)?;
    if copied > LONGEST_FILE {
        return Err(too_long_file());
    }
    file.flush().map_err(failed)?;
    Ok(file)
}

fn too_long_file() -> Error {
    let message = format!("the file is longer than {} GiB", LONGEST_FILE >> 30);
    Error::new(Kind::InvalidValue, message).hint("split it into several")
}

/// A file that ends with an error where a limit is reached, and tells what it has read.
struct Watched<R> {
    input: R,
    read: u64,
    /// The reader of records moves it on.
    limit: Rc<Cell<u64>>,
    digest: Rc<RefCell<Sha256>>,
    /// The last bytes.
    tail: Rc<RefCell<Vec<u8>>>,
}

/// How many of the last bytes are kept: enough for the quotes that end a file.
const TAIL: usize = 1024;

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read > self.limit.get() {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let read = self.input.read(buffer)?;
        self.read += read as u64;
        if let Some(bytes) = buffer.get(..read) {
            self.digest.borrow_mut().update(bytes);
            let mut tail = self.tail.borrow_mut();
            tail.extend(bytes.iter().skip(read.saturating_sub(TAIL)));
            let over = tail.len().saturating_sub(TAIL);
            tail.drain(..over);
        }
        Ok(read)
    }
}

/// One record: its line, and its fields where it could be read.
pub(super) struct Found<'r> {
    pub(super) line: u64,
    /// Bytes read so far.
    pub(super) at: u64,
    pub(super) record: &'r csv::ByteRecord,
}

/// Reads the whole file and hands its records to `each`. Returns the SHA-256 of the bytes.
///
/// # Errors
/// [`Kind::InvalidValue`] for a first line that names no columns, and for a file or a record that is too long;
/// [`Kind::Io`]; those of `each`.
pub(super) fn read(
    file: &mut dyn Rereadable,
    columns: &dyn Fn(&csv::StringRecord) -> Result<Columns>,
    each: &mut dyn FnMut(&Columns, Found<'_>) -> Result<()>,
) -> Result<[u8; 32]> {
    let failed =
        |error: std::io::Error| Error::new(Kind::Io, "cannot read the file").because(error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let delimiter = delimiter(file).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let limit = Rc::new(Cell::new(LONGEST_RECORD));
    let digest = Rc::new(RefCell::new(Sha256::new()));
    let tail = Rc::new(RefCell::new(Vec::new()));
    // With its own reading of CRLF the csv crate counts lines from before the LF; so read, the CR is trimmed.
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .trim(csv::Trim::Headers)
        .flexible(true)
        .buffer_capacity(256 << 10)
        .from_reader(Watched {
            input: file,
            read: 0,
            limit: Rc::clone(&limit),
            digest: Rc::clone(&digest),
            tail: Rc::clone(&tail),
        });
    let headers = reader.headers().map_err(|error| broken(1, &error))?.clone();
    let columns = columns(&headers)?;
    let mut record = csv::ByteRecord::new();
    // The last record: its line, and whether its last field has a line break.
    let (mut line, mut open) = (1, false);
    loop {
        let begin = reader.position().clone();
        if begin.byte() > LONGEST_FILE {
            return Err(too_long_file());
        }
        limit.set(begin.byte() + LONGEST_RECORD);
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(broken(begin.line(), &error)),
        }
        line = record.position().map_or(0, csv::Position::line);
        let last = record.len().checked_sub(1).and_then(|at| record.get(at));
        open = last.is_some_and(|field| field.contains(&b'\n'));
        record.trim();
        // A blank line is one empty field, where a CR stands before the LF; the csv crate leaves out the others.
        if record.len() == 1 && record.get(0).is_some_and(<[u8]>::is_empty) {
            continue;
        }
        let at = begin.byte();
        each(
            &columns,
            Found {
                line,
                at,
                record: &record,
            },
        )?;
    }
    // Only a quoted field has a line break in it, and then the file ends with the quote that closes it; doubled ones stand
    // for one of the field's own.
    if open && closing_quotes(&tail.borrow()).is_multiple_of(2) {
        let message = format!("line {line}: a quote is not closed");
        return Err(Error::new(Kind::InvalidValue, message)
            .hint("it takes in the lines below it")
            .with("line", line));
    }
    let digest = digest.borrow().clone();
    Ok(digest.finalize().into())
}

/// How many quotes end a file, white space aside.
fn closing_quotes(tail: &[u8]) -> usize {
    let end = tail.trim_ascii_end();
    end.iter().rev().take_while(|byte| **byte == b'"').count()
}

/// What stands between the fields: of comma, semicolon and tab the one that stands most often in the first line outside
/// quotes.
fn delimiter(file: &mut dyn Rereadable) -> std::io::Result<u8> {
    let mut head = Vec::new();
    file.take(LONGEST_RECORD).read_to_end(&mut head)?;
    let mut counts = [(b',', 0u32), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            byte if !quoted => {
                for (delimiter, count) in &mut counts {
                    *count += u32::from(*delimiter == byte);
                }
            }
            _ => {}
        }
    }
    // The first of those that stand equally often.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    Ok(most.map_or(b',', |(delimiter, _)| *delimiter))
}

/// Why the record that begins in `line` cannot be read, nor what follows it.
fn broken(line: u64, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            let message = format!(
                "line {line}: it is longer than {} KiB",
                LONGEST_RECORD >> 10
            );
            Error::new(Kind::InvalidValue, message)
                .hint("a quote that is not closed takes in the lines below it")
        }
        csv::ErrorKind::Io(error) => Error::new(Kind::Io, format!("cannot read the file: {error}")),
        csv::ErrorKind::Utf8 { .. } => {
            Error::new(Kind::InvalidValue, format!("line {line}: it is not UTF-8"))
                .with("line", line)
        }
        _ => Error::new(Kind::InvalidValue, format!("the file is no CSV: {error}")),
    }
}

/// What is wrong with a number of fields.
pub(super) fn ragged(fields: usize, columns: usize) -> Error {
    let fields = counted(fields as u64, "field", "fields");
    let message = format!("it has {fields} where the first line names {columns}");
    Error::new(Kind::InvalidValue, message)
}

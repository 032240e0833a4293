//! Bringing users in from a CSV file: all of them, or none.
//!
//! The first line names the columns; only `login` is required. An empty field is one that is not given. A line whose
//! user exists and is the same in the fields given is unchanged; one that differs is an error with its line number.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;
use std::rc::Rc;

use super::Type;
use super::edit::{AddUser, Fields, Patch};
use crate::error::{Error, Kind, Result};
use crate::name::{self, counted, fold, visible};
use crate::permission::Administrators;
use crate::plan::{Change, Plan};
use crate::store::{Store, Tx};
use crate::vault::Imported;

/// The columns there are.
pub const COLUMNS: [&str; 9] = [
    "login",
    "name",
    "email",
    "phone",
    "type",
    "language",
    "groups",
    "password_hash",
    "active",
];

const NO_PASSWORDS: &str = "a file has hashes and no passwords: the column is `password_hash`; `twofa password set` sets a password";

/// How many problems a message tells of; a program gets them all.
const SHOWN: usize = 10;

/// The longest file, in bytes: some half a million users of ordinary length. All of them are held at once, for all of
/// them are written or none.
const LONGEST_FILE: u64 = 64 << 20;

/// The longest record, in bytes: far more than its fields may hold. Without it one open quote would swallow the file.
const LONGEST_RECORD: u64 = 64 << 10;

/// `user import`: the lines of a file, and what is wrong with those that cannot be taken as they are. That is told with
/// what the store has against the others, so that one run tells everything.
#[derive(Debug, Default)]
pub struct ImportUsers {
    lines: Vec<(u64, AddUser)>,
    bad: Vec<Problem>,
}

/// What is wrong with a line.
#[derive(Debug, Clone)]
struct Problem {
    line: u64,
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Problem {
    fn new(line: u64, error: &Error) -> Problem {
        Problem {
            line,
            kind: error.kind(),
            message: error.message(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

/// A file that ends with an error where a limit is reached. The reader of records moves the limit on.
struct Bounded<R> {
    input: R,
    read: u64,
    limit: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read > self.limit.get() {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let read = self.input.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl ImportUsers {
    /// Reads a file: UTF-8 with or without a byte order mark, any line ends. What is wrong with single lines is told by
    /// [`Plan::changes`].
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] for a first line that names no columns, and for a file or a record that is too long;
    /// [`Kind::Io`].
    pub fn read(input: impl Read) -> Result<ImportUsers> {
        let limit = Rc::new(Cell::new(LONGEST_RECORD));
        // With its own reading of CRLF the csv crate counts lines from before the LF; so read, the CR is trimmed.
        let mut reader = csv::ReaderBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(Bounded {
                input,
                read: 0,
                limit: Rc::clone(&limit),
            });
        let headers = reader.headers().map_err(|error| broken(1, &error))?.clone();
        let columns = columns(&headers)?;
        let mut whole = ImportUsers::default();
        let mut seen: HashMap<String, u64> = HashMap::new();
        let mut record = csv::StringRecord::new();
        loop {
            let begin = reader.position().clone();
            if begin.byte() > LONGEST_FILE {
                return Err(too_long(&format!(
                    "the file is longer than {} MiB",
                    LONGEST_FILE >> 20
                ))
                .hint("split it into several"));
            }
            limit.set(begin.byte() + LONGEST_RECORD);
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let error = broken(begin.line(), &error);
                    if error.detail().contains_key("line") {
                        let line = error.detail()["line"].as_u64().unwrap_or_default();
                        whole.bad.push(Problem::new(line, &error));
                        continue;
                    }
                    return Err(error);
                }
            }
            let line = record.position().map_or(0, csv::Position::line);
            // A blank line is one empty field, where a CR stands before the LF; the csv crate leaves out the others.
            if record.len() == 1 && record[0].is_empty() {
                continue;
            }
            if let Err(error) = whole.take(line, &columns, &record, &mut seen) {
                whole.bad.push(Problem::new(line, &error));
            }
        }
        Ok(whole)
    }

    /// Takes in one record.
    fn take(
        &mut self,
        line: u64,
        columns: &[&'static str],
        record: &csv::StringRecord,
        seen: &mut HashMap<String, u64>,
    ) -> Result<()> {
        if record.len() != columns.len() {
            return Err(Error::new(
                Kind::InvalidValue,
                format!(
                    "it has {} where the first line names {}",
                    counted(record.len() as u64, "field", "fields"),
                    columns.len()
                ),
            ));
        }
        let fields: HashMap<&str, &str> = columns
            .iter()
            .copied()
            .zip(record)
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // A name that stands twice is told whatever else is wrong with the line.
        for name in [fields.get("login"), fields.get("email")]
            .into_iter()
            .flatten()
        {
            if let Some(earlier) = seen
                .insert(fold(name), line)
                .filter(|earlier| *earlier != line)
            {
                let error = Error::new(
                    Kind::Conflict,
                    format!("`{}` stands in line {earlier} already", visible(name)),
                );
                self.bad.push(Problem::new(line, &error));
            }
        }
        self.lines.push((line, user(&fields)?));
        Ok(())
    }

    /// How many lines it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The columns that the first line names.
fn columns(headers: &csv::StringRecord) -> Result<Vec<&'static str>> {
    let mut columns = Vec::new();
    for header in headers {
        let wanted = fold(header);
        let column = COLUMNS
            .into_iter()
            .find(|column| *column == wanted)
            .ok_or_else(|| {
                let error = Error::new(
                    Kind::InvalidValue,
                    format!("line 1: `{}` is no column", visible(header)),
                );
                if headers.len() == 1 && header.contains([';', '\t']) {
                    return error.hint("commas stand between the fields: `login,email`");
                }
                if wanted.starts_with("password") {
                    return error.hint(NO_PASSWORDS);
                }
                match name::nearest(header, COLUMNS) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("the columns are {}", COLUMNS.join(", "))),
                }
            })?;
        if columns.contains(&column) {
            return Err(Error::new(
                Kind::InvalidValue,
                format!("line 1: the column `{column}` stands twice"),
            ));
        }
        columns.push(column);
    }
    if !columns.contains(&"login") {
        return Err(
            Error::new(Kind::InvalidValue, "line 1: the column `login` is missing").hint(format!(
                "the first line names the columns: {}",
                COLUMNS.join(",")
            )),
        );
    }
    Ok(columns)
}

/// One error for all the bad lines, in their order.
fn refuse(mut bad: Vec<Problem>) -> Result<()> {
    bad.sort_by_key(|problem| problem.line);
    let Some(first) = bad.first() else {
        return Ok(());
    };
    let said = |problem: &Problem| format!("line {}: {}", problem.line, problem.message);
    let mut lines: Vec<u64> = bad.iter().map(|problem| problem.line).collect();
    lines.dedup();
    let error = if bad.len() == 1 {
        let error = Error::new(first.kind, said(first)).with("line", first.line);
        match &first.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    } else {
        let mut shown: Vec<String> = bad.iter().take(SHOWN).map(said).collect();
        if bad.len() > SHOWN {
            shown.push(format!("and {} more", bad.len() - SHOWN));
        }
        Error::new(
            first.kind,
            format!(
                "{} cannot be imported:\n  {}",
                counted(lines.len() as u64, "line", "lines"),
                shown.join("\n  ")
            ),
        )
        .hint("nothing was imported; mend the lines and run it again")
    };
    let problems: Vec<serde_json::Value> = bad
        .iter()
        .map(|problem| serde_json::json!({ "line": problem.line, "message": problem.message }))
        .collect();
    Err(error.with("lines", lines).with("problems", problems))
}

fn too_long(message: &str) -> Error {
    Error::new(Kind::InvalidValue, message)
}

/// Why the record that begins in `line` cannot be read. One that leaves the next ones readable has the field `line`.
fn broken(line: u64, error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            too_long(&format!(
                "line {line}: it is longer than {} KiB",
                LONGEST_RECORD >> 10
            ))
            .hint("a quote that is not closed takes in the lines below it")
        }
        csv::ErrorKind::Io(error) => Error::new(Kind::Io, format!("cannot read the file: {error}")),
        csv::ErrorKind::Utf8 { pos: Some(at), .. } => {
            Error::new(Kind::InvalidValue, "it is not UTF-8").with("line", at.line())
        }
        _ => Error::new(Kind::InvalidValue, format!("the file is no CSV: {error}")),
    }
}

fn user(fields: &HashMap<&str, &str>) -> Result<AddUser> {
    let text = |column: &str| fields.get(column).map(|value| (*value).to_owned());
    let patch = |column: &str| Patch::from_options(text(column), false);
    let active = match fields.get("active").map(|value| fold(value)).as_deref() {
        None => None,
        Some("true" | "yes" | "on" | "1") => Some(true),
        Some("false" | "no" | "off" | "0") => Some(false),
        Some(other) => {
            return Err(Error::new(
                Kind::InvalidValue,
                format!("`{}` is neither true nor false", visible(other)),
            ));
        }
    };
    let groups = fields.get("groups").map(|list| {
        list.split(';')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    });
    let add = AddUser {
        login: text("login").unwrap_or_default(),
        fields: Fields {
            name: patch("name"),
            email: patch("email"),
            phone: patch("phone"),
            kind: fields
                .get("type")
                .map(|kind| Type::parse(kind))
                .transpose()?,
            language: text("language"),
            groups,
            active,
            ..Fields::default()
        },
        password: None,
        imported: fields
            .get("password_hash")
            .map(|hash| Imported::read(hash))
            .transpose()?,
    };
    add.check()?;
    Ok(add)
}

impl Plan for ImportUsers {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut bad = self.bad.clone();
        for (line, add) in &self.lines {
            match add.changes(store) {
                Ok(more) => changes.extend(more),
                Err(error) if error.kind().exit() == 1 => return Err(error),
                Err(error) => bad.push(Problem::new(*line, &error)),
            }
        }
        refuse(bad)?;
        Ok(changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        for (_, add) in &self.lines {
            if !add.changes(tx)?.is_empty() {
                add.write(tx)?;
            }
        }
        Ok(())
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        let mut administrators = Administrators::load(store)?;
        for (_, add) in &self.lines {
            // A line that is so already changes nobody. A file maps no account.
            if add.joins(store, &mut administrators)? && !add.changes(store)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn binds(&self, store: &Store) -> Result<Vec<u8>> {
        let parts = self.lines.iter().map(|(_, add)| add.binds(store));
        Ok(parts.collect::<Result<Vec<_>>>()?.concat())
    }

    fn confirms(&self, store: &Store, changes: &[Change]) -> Result<Option<String>> {
        Ok(self
            .touches_administrators(store, changes)?
            .then(|| "importing administrators".to_owned()))
    }

    fn question(&self, _store: &Store, changes: &[Change]) -> Result<Option<String>> {
        Ok(Some(format!(
            "{} will be added.",
            counted(changes.len() as u64, "user", "users")
        )))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tests::fresh;

    #[test]
    fn files_are_read_with_bom_crlf_and_quoted_breaks() {
        let text = "\u{feff}login,Name,email,groups,active\r\nalice,\"Alice\nA.\",alice@example.com,System administrators; ,yes\r\nbob,,,,\r\n";
        // A line break inside a name is a control character, and refused with its line.
        let fresh = fresh();
        let error = ImportUsers::read(text.as_bytes())
            .and_then(|import| import.changes(&fresh.store))
            .unwrap_err();
        assert_eq!(
            error.message(),
            "line 2: the name `Alice\\u{a}A.` has a control character in it"
        );
        let text = text.replace("Alice\nA.", "Alice A.");
        let import = ImportUsers::read(text.as_bytes()).unwrap();
        assert_eq!(import.changes(&fresh.store).unwrap().len(), 2);
        fresh.store.write(|tx| import.write(tx)).unwrap();
        assert!(
            import.changes(&fresh.store).unwrap().is_empty(),
            "again is fine"
        );
        assert_eq!(
            crate::user::find(&fresh.store, "ALICE@example.com")
                .unwrap()
                .login,
            "alice"
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let fresh = fresh();
        for (text, said) in [
            ("", "line 1: the column `login` is missing"),
            ("login,emial\na,b\n", "line 1: `emial` is no column"),
            (
                "login,login\na,b\n",
                "line 1: the column `login` stands twice",
            ),
            (
                "login,phone\nalice,123\n",
                "line 2: `123` is no phone number: it is + and 7 to 15 digits, the first not 0",
            ),
            (
                "login\nalice\nALICE\n",
                "line 3: `ALICE` stands in line 2 already",
            ),
            (
                "login,active\nalice,maybe\n",
                "line 2: `maybe` is neither true nor false",
            ),
            ("login,name\n,x\n", "line 2: the login is blank"),
            (
                "login,password_hash\na,$2b$x\n",
                "line 2: the password hash is of a kind that is not read",
            ),
        ] {
            assert_eq!(
                ImportUsers::read(text.as_bytes())
                    .and_then(|import| import.changes(&fresh.store))
                    .unwrap_err()
                    .message(),
                said
            );
        }
    }

    #[test]
    fn records_and_files_have_a_limit() {
        let long = |length: u64| std::io::repeat(b'x').take(length);
        // An open quote swallows what follows: reading stops long before the end of the file.
        let mut input = b"login,name\nalice,\"".chain(long(LONGEST_FILE));
        let error = ImportUsers::read(&mut input).unwrap_err();
        assert_eq!(error.message(), "line 2: it is longer than 64 KiB");
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).unwrap();
        assert!(rest.len() as u64 > LONGEST_FILE - 2 * LONGEST_RECORD);
        let header = ImportUsers::read(long(LONGEST_FILE)).unwrap_err();
        assert_eq!(header.message(), "line 1: it is longer than 64 KiB");
        // Blank lines are no records, and no memory either.
        let blank =
            b"login\n".chain(std::io::repeat(b'\n').take(LONGEST_FILE + 2 * LONGEST_RECORD));
        assert!(ImportUsers::read(blank).is_err());
    }

    #[test]
    fn one_run_tells_every_kind_of_problem() {
        let fresh = fresh();
        let text = b"login,phone,groups\nalice\nbob,123,\n\xff,,\ncarol,,Nowhere\nBOB,,\ndave,,\n";
        let error = ImportUsers::read(&text[..])
            .and_then(|import| import.changes(&fresh.store))
            .unwrap_err();
        assert_eq!(
            error.message(),
            "5 lines cannot be imported:\n  line 2: it has 1 field where the first line names 3\n  line 3: `123` is no phone number: it is + and 7 to 15 digits, the first not 0\n  line 4: it is not UTF-8\n  line 5: no group is named `Nowhere`\n  line 6: `BOB` stands in line 3 already"
        );
        assert_eq!(error.detail()["lines"], serde_json::json!([2, 3, 4, 5, 6]));
        assert_eq!(
            error.detail()["problems"][2],
            serde_json::json!({ "line": 4, "message": "it is not UTF-8" })
        );
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ImportUsers::read(bytes.as_slice());
        }
    }
}

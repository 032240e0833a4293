//! Bringing users in from a CSV file: all of them, or none.
//!
//! The first line names the columns; only `login` is required. An empty field is one that is not given. A line whose
//! user exists and is the same in the fields given is unchanged; one that differs is an error with its line number.

use std::collections::HashMap;
use std::io::Read;

use super::Type;
use super::edit::{AddUser, Fields, Patch};
use crate::error::{Error, Kind, Result};
use crate::name::{self, counted, fold, visible};
use crate::plan::{Change, Plan};
use crate::store::{Store, Tx};

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

/// How many bad lines an error tells of.
const SHOWN: usize = 10;

/// `user import`: the lines of a file.
#[derive(Debug, Clone, Default)]
pub struct ImportUsers(Vec<(u64, AddUser)>);

/// The columns that the first line names, in its order.
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

impl ImportUsers {
    /// Reads a file: UTF-8 with or without a byte order mark, any line ends.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] naming the line; [`Kind::Io`].
    pub fn read(input: impl Read) -> Result<ImportUsers> {
        // With its own reading of CRLF the csv crate counts lines from before the LF; so read, the CR is trimmed.
        let mut reader = csv::ReaderBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(input);
        let columns = columns(reader.headers().map_err(|error| broken(&error))?)?;
        let mut lines = Vec::new();
        let mut bad: Vec<Error> = Vec::new();
        let mut seen: HashMap<String, u64> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| broken(&error))?;
            let line = record.position().map_or(0, csv::Position::line);
            // A blank line is one empty field, where a CR stands before the LF; the csv crate leaves out the others.
            if record.len() == 1 && record[0].is_empty() {
                continue;
            }
            if record.len() != columns.len() {
                let error = Error::new(
                    Kind::InvalidValue,
                    format!(
                        "it has {} where the first line names {}",
                        counted(record.len() as u64, "field", "fields"),
                        columns.len()
                    ),
                );
                bad.push(at(line, &error));
                continue;
            }
            let fields: HashMap<&str, &str> = columns
                .iter()
                .copied()
                .zip(&record)
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let add = match user(&fields) {
                Ok(add) => add,
                Err(error) => {
                    bad.push(at(line, &error));
                    continue;
                }
            };
            for name in std::iter::once(add.login.as_str()).chain(fields.get("email").copied()) {
                if let Some(earlier) = seen
                    .insert(fold(name), line)
                    .filter(|earlier| *earlier != line)
                {
                    let error = Error::new(
                        Kind::Conflict,
                        format!("`{}` stands in line {earlier} already", visible(name)),
                    );
                    bad.push(at(line, &error));
                }
            }
            lines.push((line, add));
        }
        refuse(bad)?;
        Ok(ImportUsers(lines))
    }

    /// How many lines it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn at(line: u64, error: &Error) -> Error {
    let whole =
        Error::new(error.kind(), format!("line {line}: {}", error.message())).with("line", line);
    match error.hint_text() {
        Some(hint) => whole.hint(hint),
        None => whole,
    }
}

/// One error for all the bad lines.
fn refuse(mut bad: Vec<Error>) -> Result<()> {
    match bad.len() {
        0 => Ok(()),
        1 => Err(bad.remove(0)),
        count => {
            let shown: Vec<String> = bad.iter().take(SHOWN).map(Error::message).collect();
            let more = count.saturating_sub(SHOWN);
            let and = if more > 0 {
                format!("; and {more} more")
            } else {
                String::new()
            };
            let lines: Vec<serde_json::Value> = bad
                .iter()
                .filter_map(|error| error.detail().get("line").cloned())
                .collect();
            Err(Error::new(
                bad[0].kind(),
                format!(
                    "{} cannot be imported: {}{and}",
                    counted(count as u64, "line", "lines"),
                    shown.join("; ")
                ),
            )
            .hint("nothing was imported; mend the lines and run it again")
            .with("lines", lines))
        }
    }
}

fn broken(error: &csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(error) => Error::new(Kind::Io, format!("cannot read the file: {error}")),
        csv::ErrorKind::Utf8 { pos: Some(at), .. } => Error::new(
            Kind::InvalidValue,
            format!("line {}: it is not UTF-8", at.line()),
        ),
        _ => Error::new(Kind::InvalidValue, format!("the file is no CSV: {error}")),
    }
}

fn user(fields: &HashMap<&str, &str>) -> Result<AddUser> {
    let text = |column: &str| fields.get(column).map(|value| (*value).to_owned());
    let patch = |column: &str| Patch::from_options(text(column), false);
    if fields.contains_key("password_hash") {
        return Err(Error::new(
            Kind::InvalidValue,
            "password hashes cannot be imported by this version",
        )
        .hint("leave the column out, and set passwords with `twofa password set`"));
    }
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
    };
    add.check()?;
    Ok(add)
}

impl Plan for ImportUsers {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut bad: Vec<Error> = Vec::new();
        for (line, add) in &self.0 {
            match add.changes(store) {
                Ok(more) => changes.extend(more),
                Err(error) if error.kind().exit() == 1 => return Err(error),
                Err(error) => bad.push(at(*line, &error)),
            }
        }
        refuse(bad)?;
        Ok(changes)
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        for (_, add) in &self.0 {
            if !add.changes(tx)?.is_empty() {
                add.write(tx)?;
            }
        }
        Ok(())
    }

    fn touches_administrators(&self, store: &Store, _changes: &[Change]) -> Result<bool> {
        for (_, add) in &self.0 {
            // A line that is so already changes nobody.
            if add.touches_administrators(store, &[])? && !add.changes(store)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
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
        let error = ImportUsers::read(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.message(),
            "line 2: the name `Alice\\u{a}A.` has a control character in it"
        );
        let text = text.replace("Alice\nA.", "Alice A.");
        let import = ImportUsers::read(text.as_bytes()).unwrap();
        let fresh = fresh();
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
                "line 2: password hashes cannot be imported by this version",
            ),
        ] {
            assert_eq!(
                ImportUsers::read(text.as_bytes()).unwrap_err().message(),
                said
            );
        }
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ImportUsers::read(bytes.as_slice());
        }
    }
}

//! Which column of the file is which field of a user.

use crate::error::{Error, Kind, Result};
use crate::name::{self, fold, visible};

/// The fields there are, by the names of their columns.
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

/// The first columns of a file of rejected rows: it can be imported as it is, once its rows are mended.
pub(super) const REJECTED: [&str; 2] = ["line", "reason"];

const NO_PASSWORDS: &str = "a file has hashes and no passwords: the column is `password_hash`; `twofa password set` sets a password";

/// A column of the file, and the field it is to be; `None`: none at all.
pub type Mapping = (String, Option<String>);

/// Reads `COLUMN=FIELD`; without a field the column is left out.
///
/// # Errors
/// [`Kind::Usage`] for anything else, [`Kind::NotFound`] for a field there is not.
pub fn mapping(text: &str) -> Result<Mapping> {
    let Some((column, field)) = text.split_once('=') else {
        return Err(Error::new(
            Kind::Usage,
            format!("`{}` maps no column to a field", visible(text)),
        )
        .hint("write it as COLUMN=FIELD, or COLUMN= to leave the column out"));
    };
    let wanted = fold(field);
    if wanted.is_empty() {
        return Ok((column.trim().to_owned(), None));
    }
    match COLUMNS.into_iter().find(|field| *field == wanted) {
        Some(field) => Ok((column.trim().to_owned(), Some(field.to_owned()))),
        None => Err(name::not_found(
            "field of a user",
            field,
            COLUMNS,
            "twofa user import --help",
        )),
    }
}

/// The columns of a file: for each field, where it stands.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// How many columns there are.
    pub(super) count: usize,
    /// The place of each of [`COLUMNS`].
    at: [Option<usize>; COLUMNS.len()],
    /// The names, as they stand in the file, without those of [`REJECTED`].
    pub(super) headers: Vec<String>,
    /// How many columns at the front are those of [`REJECTED`].
    pub(super) skips: usize,
}

impl Columns {
    /// Reads the first line.
    pub(super) fn read(headers: &csv::StringRecord, mappings: &[Mapping]) -> Result<Columns> {
        let mut columns = Columns {
            count: headers.len(),
            at: [None; COLUMNS.len()],
            headers: Vec::new(),
            skips: 0,
        };
        for (at, (column, _)) in mappings.iter().enumerate() {
            let is_it = |(other, _): &Mapping| fold(other) == fold(column);
            if mappings.iter().take(at).any(is_it) {
                let message = format!("--map names the column `{}` twice", visible(column));
                return Err(Error::new(Kind::Usage, message));
            }
            if !headers.iter().any(|header| fold(header) == fold(column)) {
                let names = headers.iter();
                let error = Error::new(
                    Kind::NotFound,
                    format!("line 1: no column is named `{}`", visible(column)),
                );
                return Err(match name::nearest(column, names) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        // A file of rejected rows begins with these two; anywhere else they are columns like any other.
        let first = headers.iter().take(REJECTED.len()).map(fold);
        let is_rejects = first.eq(REJECTED.iter().map(|name| (*name).to_owned()));
        if is_rejects {
            columns.skips = REJECTED.len();
        }
        for (at, header) in headers.iter().enumerate() {
            let wanted = fold(header);
            if is_rejects && at < REJECTED.len() {
                continue;
            }
            columns.headers.push(header.to_owned());
            let mapped = mappings.iter().find(|(column, _)| fold(column) == wanted);
            let field = match mapped {
                Some((_, None)) => continue,
                Some((_, Some(field))) => field.clone(),
                None => wanted,
            };
            let place = COLUMNS
                .iter()
                .position(|column| *column == field)
                .and_then(|field| columns.at.get_mut(field))
                .ok_or_else(|| unknown(header))?;
            if place.replace(at).is_some() {
                return Err(Error::new(
                    Kind::InvalidValue,
                    format!("line 1: the column `{field}` stands twice"),
                ));
            }
        }
        if columns.at[0].is_none() {
            return Err(
                Error::new(Kind::InvalidValue, "line 1: the column `login` is missing").hint(
                    format!("the first line names the columns: {}", COLUMNS.join(",")),
                ),
            );
        }
        Ok(columns)
    }

    /// The text of a field of a record; `None`: it is empty, which is not given.
    pub(super) fn text<'r>(
        &self,
        record: &'r csv::ByteRecord,
        field: Field,
    ) -> Result<Option<&'r str>> {
        let place = self.at.get(field as usize).copied().flatten();
        let Some(bytes) = place
            .and_then(|at| record.get(at))
            .filter(|text| !text.is_empty())
        else {
            return Ok(None);
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(Kind::InvalidValue, "it is not UTF-8"))?;
        Ok(Some(bare(text.trim())).filter(|text| !text.is_empty()))
    }
}

/// The fields, in the order of [`COLUMNS`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Login,
    Name,
    Email,
    Phone,
    Type,
    Language,
    Groups,
    PasswordHash,
    Active,
}

/// A cell without the quote that `user export` puts before what a spreadsheet would run as a formula.
fn bare(text: &str) -> &str {
    let rest = text.trim_start_matches('\'');
    if rest.len() < text.len() && rest.starts_with(['=', '+', '-', '@']) {
        text.strip_prefix('\'').unwrap_or(text)
    } else {
        text
    }
}

fn unknown(header: &str) -> Error {
    let error = Error::new(
        Kind::InvalidValue,
        format!("line 1: `{}` is no column", visible(header)),
    );
    if fold(header).starts_with("password") {
        return error.hint(NO_PASSWORDS);
    }
    match name::nearest(header, COLUMNS) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!(
            "the columns are {}; --map names another",
            COLUMNS.join(", ")
        )),
    }
}

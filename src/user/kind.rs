//! What kind of user it is: a word, known to permissions too, which know no user.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::name::{fold, visible};

/// What kind of user it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Of the company.
    Employee,
    /// Of a customer or partner.
    External,
    /// A program: never logs in with a password.
    Technical,
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 3] = [Type::Employee, Type::External, Type::Technical];

    /// The word on the command line and in the store.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Type::Employee => "employee",
            Type::External => "external",
            Type::Technical => "technical",
        }
    }

    /// Reads the word, in any case.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] with the three words.
    pub fn parse(text: &str) -> Result<Type> {
        let wanted = fold(text);
        Type::ALL
            .into_iter()
            .find(|kind| kind.code() == wanted)
            .ok_or_else(|| {
                Error::new(
                    Kind::InvalidValue,
                    format!("`{}` is no user type", visible(text)),
                )
                .hint("it is employee, external or technical")
            })
    }
}

impl ToSql for Type {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.code().to_sql()
    }
}

impl FromSql for Type {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_str()?;
        Type::ALL
            .into_iter()
            .find(|kind| kind.code() == code)
            .ok_or(FromSqlError::InvalidType)
    }
}

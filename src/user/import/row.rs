//! A row of the file: its values, checked by the rules that single commands use.

use std::cell::RefCell;
use std::collections::HashMap;

use super::columns::{Columns, Field};
use super::file::ragged;
use crate::error::{Error, Kind, Result};
use crate::group;
use crate::name::{self, fold, visible};
use crate::store::Store;
use crate::user::{Type, rules};
use crate::vault::Imported;

/// A user as a row gives them. What is `None` is not given.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) login: String,
    pub(super) key: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) email_key: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) kind: Option<Type>,
    pub(super) language: Option<String>,
    /// Ids of groups to be in, each once.
    pub(super) groups: Vec<i64>,
    pub(super) active: Option<bool>,
    pub(super) imported: Option<Imported>,
}

/// The groups that rows name, looked up once.
#[derive(Debug, Default)]
pub(super) struct Groups(RefCell<HashMap<String, i64>>);

impl Groups {
    fn id(&self, store: &Store, name: &str) -> Result<i64> {
        let key = fold(name);
        if let Some(id) = self.0.borrow().get(&key) {
            return Ok(*id);
        }
        let id = group::find(store, name)?.takes_members()?.id;
        self.0.borrow_mut().insert(key, id);
        Ok(id)
    }

    /// Forgets all of them: another may have been given the name since.
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// The names of a row, folded: what leads to one user only.
pub(super) fn names(columns: &Columns, record: &csv::ByteRecord) -> [Option<String>; 2] {
    [Field::Login, Field::Email].map(|field| {
        let text = columns.text(record, field).ok().flatten();
        text.map(fold)
    })
}

impl Row {
    /// Reads and checks a record.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] and the like, about the first thing that is wrong; [`Kind::Storage`].
    pub(super) fn read(
        store: &Store,
        groups: &Groups,
        columns: &Columns,
        record: &csv::ByteRecord,
    ) -> Result<Row> {
        if record.len() != columns.count {
            return Err(ragged(record.len(), columns.count));
        }
        let text = |field| columns.text(record, field);
        let login = rules::login(text(Field::Login)?.unwrap_or_default())?;
        let email = text(Field::Email)?.map(rules::email).transpose()?;
        let mut ids = Vec::new();
        for name in text(Field::Groups)?.unwrap_or_default().split(';') {
            let name = name.trim();
            if !name.is_empty() {
                let id = groups.id(store, name)?;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        Ok(Row {
            key: fold(&login),
            name: text(Field::Name)?
                .map(|name| name::check_display("name", name, 250))
                .transpose()?,
            email_key: email.as_deref().map(fold),
            email,
            phone: text(Field::Phone)?.map(rules::phone).transpose()?,
            kind: text(Field::Type)?.map(Type::parse).transpose()?,
            language: text(Field::Language)?.map(rules::language).transpose()?,
            groups: ids,
            active: text(Field::Active)?.map(active).transpose()?,
            imported: text(Field::PasswordHash)?.map(Imported::read).transpose()?,
            login,
        })
    }
}

fn active(text: &str) -> Result<bool> {
    match fold(text).as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        other => Err(Error::new(
            Kind::InvalidValue,
            format!("`{}` is neither true nor false", visible(other)),
        )),
    }
}

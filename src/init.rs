//! Making a store ready for use: the store, its key, the first administrator.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use crate::actor::Process;
use crate::audit::{self, Entry, Event, Outcome, Who, append};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::name::{argument, fold, visible};
use crate::plan::Plan as _;
use crate::store::{self, Created, NewKeys, Place, Store, account, account_name, owner_of};
use crate::user::edit::{AddUser, Fields, Patch, add_first};
use crate::user::first_administrator;
use crate::verb::verb;

/// The login of the first administrator, unless another is named.
pub(crate) const ADMINISTRATOR: &str = "Supervisor";

/// What `init` is told.
#[derive(Debug, Clone, Default)]
pub struct Init {
    /// Login of the first administrator.
    pub admin: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// The account of the machine that acts as them.
    pub os_user: Option<String>,
    /// The account that what is made shall belong to.
    pub owner: Option<String>,
    /// How a new key file is written.
    pub keys: NewKeys,
    /// Why, for the audit log.
    pub reason: Option<String>,
}

/// What `init` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitRow {
    /// The store.
    pub store: String,
    /// Its key file.
    pub key_file: String,
    /// Login of the first administrator.
    pub admin: String,
    /// Whether anything was made.
    #[serde(skip)]
    pub changed: bool,
}

/// Makes the store at `place`, or finds it there.
///
/// # Errors
/// [`Kind::Io`] and [`Kind::Storage`] when it cannot be made; [`Kind::KeyMissing`] for an existing store without its key,
/// never a new key; [`Kind::NotFound`] for an owner this machine does not have; a value of the first
/// administrator that breaks its rule.
pub fn init(
    place: &Place,
    init: &Init,
    process: &Process,
    wait: Duration,
    source: &Rc<dyn Source>,
) -> Result<InitRow> {
    let owner = init.owner.as_deref().map(account).transpose()?;
    let add = AddUser {
        login: init
            .admin
            .clone()
            .unwrap_or_else(|| ADMINISTRATOR.to_owned()),
        fields: Fields {
            email: Patch::from_options(init.email.clone(), false),
            os_user: Patch::from_options(init.os_user.clone(), false),
            ..Fields::default()
        },
        password: None,
        imported: None,
    };
    add.check()?;
    let mut changed =
        store::create(place, &init.keys, owner, source.as_ref(), audit::begin)? == Created::New;
    let store = Store::open(place, verb("init")?, wait, Rc::clone(source))?;
    // A key file that belongs to another store must not pass for this one's.
    store.vault()?;
    refuse_open(place, &init.keys)?;
    // A store without its first administrator is one whose `init` was killed half-way, or is still at work.
    if first_administrator(&store)?.is_none() {
        let who = Who {
            actor: None,
            os_user: process.caller(owner_of(&place.db)).and_then(account_name),
            note: init.reason.clone(),
        };
        changed |= store.write(|tx| {
            if first_administrator(tx)?.is_some() {
                return Ok(false);
            }
            add.changes(tx)?;
            let id = add_first(tx, &add)?;
            append(
                tx,
                &who,
                &Entry::new(Event::STORE_CREATED, Outcome::Ok).user(id, add.login.trim()),
            )?;
            Ok(true)
        })?;
    }
    let admin = first_administrator(&store)?
        .ok_or_else(|| Error::new(Kind::Storage, "the store has no first administrator"))?;
    let is_other = |wanted: &String| fold(wanted) != fold(&admin.login);
    if init.admin.as_ref().is_some_and(is_other) {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "the store's first administrator is `{}`",
                visible(&admin.login)
            ),
        )
        .hint(format!(
            "`twofa user edit {} --login NEW` renames them",
            argument(&admin.login)
        )));
    }
    Ok(InitRow {
        store: place.db.display().to_string(),
        key_file: place.key.shown(),
        admin: admin.login,
        changed,
    })
}

/// Keys that were there already, and open, must not pass for locked.
fn refuse_open(place: &Place, wanted: &NewKeys) -> Result<()> {
    if !wanted.locked || place.key.is_locked() {
        return Ok(());
    }
    let message = format!("{} is there already, and is not locked", place.key.named());
    Err(Error::new(Kind::Conflict, message)
        .hint("`twofa key rotate --new-passphrase` locks it, with new keys in it"))
}

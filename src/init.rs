//! Making a store ready for use: the store, its key, the first administrator.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use crate::actor::Process;
use crate::audit::{self, Entry, Event, Outcome, Who, append};
use crate::clock::Source;
use crate::error::{Error, Kind, Result};
use crate::files::with_suffix;
use crate::name::{argument, visible};
use crate::plan::Plan as _;
use crate::store::{self, Created, Place, Store, account_id};
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
    /// The account the files shall belong to.
    pub owner: Option<String>,
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
    let owner = init.owner.as_deref().map(account_id).transpose()?;
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
    };
    add.check()?;
    let mut changed = store::create(place, source.as_ref(), audit::begin)? == Created::New;
    let store = Store::open(place, verb("init")?, wait, Rc::clone(source))?;
    // A store without its first administrator is one whose `init` was killed half-way.
    if first_administrator(&store)?.is_none() {
        add.changes(&store)?;
        let who = Who {
            actor: None,
            os_user: process.caller_name(),
            note: init.reason.clone(),
        };
        store.write(|tx| {
            if first_administrator(tx)?.is_some() {
                return Ok(());
            }
            let id = add_first(tx, &add)?;
            append(
                tx,
                &who,
                &Entry::new(Event::STORE_CREATED, Outcome::Ok).user(id, add.login.trim()),
            )?;
            Ok(())
        })?;
        changed = true;
    }
    let admin = first_administrator(&store)?
        .ok_or_else(|| Error::new(Kind::Storage, "the store has no first administrator"))?;
    if !changed
        && init
            .admin
            .as_deref()
            .is_some_and(|wanted| crate::name::fold(wanted) != crate::name::fold(&admin.login))
    {
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
    drop(store);
    if let Some(owner) = owner {
        give_to(place, owner)?;
    }
    Ok(InitRow {
        store: place.db.display().to_string(),
        key_file: place.key.display().to_string(),
        admin: admin.login,
        changed,
    })
}

/// Gives the store, its log and its key to an account, and the directory too when it holds nothing else.
fn give_to(place: &Place, (uid, gid): (u32, u32)) -> Result<()> {
    #[cfg(unix)]
    {
        let mut paths = vec![place.key.clone()];
        for suffix in ["", "-wal", "-shm"] {
            paths.push(with_suffix(&place.db, suffix));
        }
        paths.extend(
            place
                .db
                .parent()
                .filter(|dir| !dir.as_os_str().is_empty())
                .map(std::path::Path::to_owned),
        );
        for path in paths.iter().filter(|path| path.exists()) {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|error| {
                Error::new(
                    Kind::Io,
                    format!("cannot give `{}` to its owner", path.display()),
                )
                .because(error)
            })?;
        }
    }
    #[cfg(not(unix))]
    let _ = (place, uid, gid);
    Ok(())
}

//! What is completed of identity providers.

use std::ffi::OsStr;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use twofa::error::Result;
use twofa::group;
use twofa::idp::subject::linked;
use twofa::idp::{self, Mapped, vendor};
use twofa::store::Store;

use super::line::given;
use super::{MOST, ask, ask_as, begun, fixed, sound};

/// Names of identity providers.
pub fn idps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        ask_as("idp list", |store| begun(idp::candidates(store)?, current))
    })
}

/// The identity provider of the line.
fn idp_of_line(store: &Store) -> Result<Option<idp::Idp>> {
    given("name")
        .map(|name| idp::find(store, &name.to_string_lossy()))
        .transpose()
}

/// Fingerprints of the certificates of the provider of the line.
pub fn fingerprints() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        ask_as("idp list", |store| {
            let Some(idp) = idp_of_line(store)? else {
                return Ok(Vec::new());
            };
            let stored = idp::certificates(store, idp.id)?;
            begun(
                stored.into_iter().map(|one| one.fingerprint).collect(),
                current,
            )
        })
    })
}

/// Values that stand for groups at the provider of the line.
pub fn group_values() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        ask_as("idp list", |store| {
            let Some(idp) = idp_of_line(store)? else {
                return Ok(Vec::new());
            };
            begun(idp::groups(store, idp.id)?.into_keys().collect(), current)
        })
    })
}

/// Logins of those who came through the provider of the line.
pub fn linked_users() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        ask(|store| {
            let Some(idp) = idp_of_line(store)? else {
                return Ok(Vec::new());
            };
            let most = usize::try_from(MOST).unwrap_or(usize::MAX);
            linked(store, &idp, &current.to_string_lossy(), most)
        })
    })
}

/// Names of providers that are enabled, or that are not.
pub fn idps_that(are_enabled: bool) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        ask_as("idp list", |store| {
            let all = idp::list(store)?.into_iter();
            let fitting = all.filter(|idp| idp.enabled == are_enabled);
            begun(fitting.map(|idp| idp.name).collect(), current)
        })
    })
}

/// Groups, behind a value and an equals sign.
pub fn valued_groups() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = current.to_string_lossy();
        let Some((value, prefix)) = typed.rsplit_once('=') else {
            return Vec::new();
        };
        ask(|store| {
            let groups = group::beginning(store, prefix, MOST)?;
            Ok(groups
                .iter()
                .map(|name| format!("{value}={name}"))
                .collect())
        })
    })
}

/// Words for formats of `NameID`.
pub fn name_id_formats() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let words = vendor::FORMATS.iter();
        fixed(words.map(|(word, _)| *word))
    })
}

/// Fields, behind an attribute and an equals sign.
pub fn mapped() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let typed = current.to_string_lossy();
        let Some((attribute, prefix)) = typed.rsplit_once('=') else {
            return Vec::new();
        };
        let fields = Mapped::ALL.iter().map(|field| field.code());
        let begun = fields.filter(|field| field.starts_with(prefix));
        sound(begun.map(|field| format!("{attribute}={field}")).collect())
    })
}

//! A response that somebody copied out of a browser, judged as a login would judge it, and nothing of it counted.
//!
//! What it answers is not known any more, so that is taken as it says. Everything else is as strict as a login, and the
//! refusal of one is explained here by what nearly fitted.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::CheckRow;
use crate::clock::{Time, spoken};
use crate::error::Result;
use crate::idp::subject::{Unnamed, called, is_anothers, kind_of_new, user_of};
use crate::idp::{Idp, Taken, groups};
use crate::name::{argument, visible};
use crate::permission;
use crate::sso::response::{Expected, SKEW, answered, judge as judge_response};
use crate::sso::{Asserted, Ours, Provider, Refusal, Refused};
use crate::store::Store;
use crate::user::{Type, User, rules};

/// What a response comes to that is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rehearsed {
    /// Who logged in, as the provider calls them.
    pub name_id: String,
    /// What kind of name that is.
    pub name_id_format: Option<String>,
    /// How the provider says they were authenticated.
    pub contexts: Vec<String>,
    /// Whether it says that a second factor was given.
    pub second_factor: bool,
    /// What else it says.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Attributes whose values are no text.
    pub unread: Vec<String>,
    /// The groups that it stands for.
    pub groups: Vec<String>,
    /// The name by which a user is looked up who did not come through this provider before.
    pub login: Option<String>,
    /// The user it leads to.
    pub user: Option<String>,
    /// Whether that user would be added.
    pub added: bool,
}

/// Judges the form field `SAMLResponse`; what is told of it, and what it comes to where it is believed.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub(super) fn judge(
    store: &Store,
    idp: &Idp,
    provider: &Provider,
    ours: &Ours,
    field: &str,
) -> Result<(Vec<CheckRow>, Option<Rehearsed>)> {
    let asked = answered(field);
    let lenient = Provider {
        may_begin: true,
        ..provider.clone()
    };
    let expected = Expected {
        provider: &lenient,
        ours,
        request: asked.as_deref(),
        now: store.now(),
        skew: SKEW,
    };
    let asserted = match judge_response(field, &expected) {
        Ok(asserted) => asserted,
        Err(refused) => {
            let (message, hint) = explained(idp, ours, store.now(), &refused);
            return Ok((vec![CheckRow::bad("response", message, hint)], None));
        }
    };
    let mut rows = vec![CheckRow::good("response", "The response is believed.")];
    if asked.is_none() && !provider.may_begin {
        rows.push(CheckRow::bad(
            "idp_initiated",
            "The provider began this login itself, which it may not do here.",
            format!(
                "begin at the application; or `twofa idp edit {} --idp-initiated yes`",
                argument(&idp.name)
            ),
        ));
    }
    if has_counted(store, idp, &asserted)? {
        rows.push(CheckRow::bad(
            "replay",
            "Its assertion has counted already: a login would be refused.",
            "log in once more, and copy the response before it is handed on",
        ));
    }
    let rehearsed = rehearse(store, idp, &asserted, &mut rows)?;
    Ok((rows, Some(rehearsed)))
}

/// Whether a login was granted with it. The hash is the one of `login/redirected.rs`.
fn has_counted(store: &Store, idp: &Idp, asserted: &Asserted) -> Result<bool> {
    let id: [u8; 32] = Sha256::digest(asserted.assertion_id.as_bytes()).into();
    let mut query = store.db().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM sso_assertion WHERE idp = ?1 AND id_hash = ?2)",
    )?;
    Ok(query.query_row(rusqlite::params![idp.id, id], |row| row.get(0))?)
}

fn sentence(refused: &Refused) -> String {
    let text = refused.to_string();
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .map(char::to_uppercase)
        .into_iter()
        .flatten()
        .collect();
    format!("{first}{}.", letters.as_str())
}

/// Why a response is refused, with what nearly fitted, and what to do.
fn explained(idp: &Idp, ours: &Ours, now: Time, refused: &Refused) -> (String, String) {
    let found = refused.found.as_deref().unwrap_or_default();
    let wanted = match refused.why {
        Refusal::Issuer => Some(idp.entity_id.as_str()),
        Refusal::Audience => Some(ours.entity_id.as_str()),
        Refusal::Destination | Refusal::Recipient => Some(ours.acs_url.as_str()),
        _ => None,
    };
    let mut message = moment(now, refused).unwrap_or_else(|| sentence(refused));
    if let Some(wanted) = wanted.filter(|_| !found.is_empty()) {
        message.push_str(&format!(" It should be `{wanted}`"));
        message.push_str(difference(found, wanted));
        message.push('.');
    }
    (message, what_to_do(idp, ours, refused.why, found))
}

fn what_to_do(idp: &Idp, ours: &Ours, why: Refusal, found: &str) -> String {
    let edit = format!("twofa idp edit {}", argument(&idp.name));
    let found = argument(found);
    match why {
        Refusal::Issuer => format!("if that is the provider, `{edit} --entity-id {found}`"),
        Refusal::Audience => format!(
            "set the audience (entity id) at the provider to {}, or `{edit} --own-entity-id {found}`",
            ours.entity_id
        ),
        Refusal::Destination | Refusal::Recipient => format!(
            "set the address (ACS, recipient) at the provider to {}, or `{edit} --acs-url {found}`",
            ours.acs_url
        ),
        Refusal::Sha1 => format!(
            "let the provider sign with SHA-256; as long as it cannot, `{edit} --allow-sha1 yes`"
        ),
        Refusal::Signature => format!(
            "if the provider has a new certificate, `{edit} --metadata FILE` or --add-certificate FILE"
        ),
        Refusal::NoKey | Refusal::NotDecrypted => format!(
            "let the provider encrypt for the certificate of our metadata; `{edit} --make-key` makes a key"
        ),
        Refusal::Context => format!(
            "let the provider ask for a second factor; `{edit} --mfa-context URI` says what asserts one"
        ),
        Refusal::Expired | Refusal::NotYetValid | Refusal::SessionOver => {
            "copy a fresh response, and look at the clocks of both sides".to_owned()
        }
        Refusal::Base64 | Refusal::TooLarge | Refusal::Encoding | Refusal::NotAResponse => {
            "it is the value of the form field SAMLResponse, whole and as it was posted".to_owned()
        }
        Refusal::Status => "the log of the provider says why".to_owned(),
        _ => "the provider has to send it otherwise; its documentation says how".to_owned(),
    }
}

/// How far a moment is from now.
fn moment(now: Time, refused: &Refused) -> Option<String> {
    let at = Time::parse(refused.found.as_deref()?, now).ok()?;
    match refused.why {
        Refusal::Expired | Refusal::SessionOver => Some(format!(
            "{}: it was valid until {at}, {} ago.",
            sentence(&refused.why.into()).trim_end_matches('.'),
            spoken(now.since(at))
        )),
        Refusal::NotYetValid => Some(format!(
            "{}: it is valid from {at} on, in {}.",
            sentence(&refused.why.into()).trim_end_matches('.'),
            spoken(at.since(now))
        )),
        _ => None,
    }
}

/// In what little the one differs from the other.
fn difference(found: &str, wanted: &str) -> &'static str {
    let bare = |text: &str| text.trim_end_matches('/').to_owned();
    if bare(found) == bare(wanted) {
        ": only the slash at the end differs"
    } else if found.eq_ignore_ascii_case(wanted) {
        ": only capitals differ"
    } else if found.split_once("://").map(|(_, rest)| rest)
        == wanted.split_once("://").map(|(_, rest)| rest)
        && found.contains("://")
    {
        ": only the scheme differs"
    } else {
        ""
    }
}

fn rehearse(
    store: &Store,
    idp: &Idp,
    asserted: &Asserted,
    rows: &mut Vec<CheckRow>,
) -> Result<Rehearsed> {
    let named = called(idp, asserted);
    let mut rehearsed = Rehearsed {
        name_id: asserted.name_id.value.clone(),
        name_id_format: asserted.name_id.format.clone(),
        contexts: asserted.contexts.clone(),
        second_factor: asserted.second_factor,
        attributes: asserted.by_name(),
        unread: asserted.unread.clone(),
        groups: stood_for(store, idp, asserted)?,
        login: named.as_ref().ok().map(|named| named.login.clone()),
        user: None,
        added: false,
    };
    let named = match named {
        Ok(named) => named,
        Err(unnamed) => {
            rows.push(nameless(idp, unnamed));
            return Ok(rehearsed);
        }
    };
    let user = user_of(store, idp, &named.subject, &named.login)?;
    let row = match user {
        Some(user) => {
            rehearsed.user = Some(user.login.clone());
            if is_anothers(store, idp, user.id, &named)? {
                let login = argument(&user.login);
                let message = format!("It knows `{}` by another identifier.", visible(&user.login));
                let name = argument(&idp.name);
                CheckRow::bad(
                    "user",
                    message,
                    format!("`twofa idp edit {name} --unlink {login}` forgets it"),
                )
            } else {
                known(store, idp, &user)?
            }
        }
        None => unknown(idp, asserted, &mut rehearsed),
    };
    rows.push(row);
    Ok(rehearsed)
}

/// A response that does not say who it is.
fn nameless(idp: &Idp, unnamed: Unnamed) -> CheckRow {
    let why = unnamed.why(idp);
    let (first, rest) = why.split_at(1);
    let hint = match unnamed {
        Unnamed::Transient => "--login-attribute names the attribute that says who it is",
        Unnamed::Values(0) => "let the provider send it, or name another with --login-attribute",
        Unnamed::Values(_) => "let the provider send one, or name another with --login-attribute",
    };
    CheckRow::bad("user", format!("{}{rest}.", first.to_uppercase()), hint)
}

/// The names of the groups that the values stand for.
fn stood_for(store: &Store, idp: &Idp, asserted: &Asserted) -> Result<Vec<String>> {
    let Some(name) = &idp.groups_attribute else {
        return Ok(Vec::new());
    };
    let map = groups(store, idp.id)?;
    let mut names: Vec<String> = asserted
        .values(name)
        .filter_map(|value| map.get(value))
        .flat_map(|stands_for| stands_for.iter().map(|(_, name)| name.clone()))
        .collect();
    names.sort_by_cached_key(|name| crate::name::fold(name));
    names.dedup();
    Ok(names)
}

/// What a login of somebody who is here would come to.
fn known(store: &Store, idp: &Idp, user: &User) -> Result<CheckRow> {
    let shown = visible(&user.login);
    let edit = format!("twofa idp edit {}", argument(&idp.name));
    let refused = |why: &str, hint: String| {
        CheckRow::bad("user", format!("It leads to `{shown}`, {why}."), hint)
    };
    if user.kind == Type::Technical {
        return Ok(refused(
            "a technical user, who never logs in",
            "let the provider send another name".to_owned(),
        ));
    }
    if permission::is_administrator(store, user.id)? && !idp.administrators {
        return Ok(refused(
            "an administrator, for whom it may not speak",
            format!("`{edit} --administrators yes`"),
        ));
    }
    if idp.takes(user.kind) == Taken::None {
        let (word, option) = match user.kind {
            Type::External => ("an external user", "--externals"),
            Type::Employee | Type::Technical => ("an employee", "--employees"),
        };
        return Ok(refused(
            &format!("{word}, for whom it may not speak"),
            format!("`{edit} {option} existing`"),
        ));
    }
    if !user.active {
        return Ok(refused(
            "who is deactivated",
            format!("`twofa user activate {}`", argument(&user.login)),
        ));
    }
    Ok(CheckRow::good("user", format!("It leads to `{shown}`.")))
}

/// What a login of somebody who is not here would come to.
fn unknown(idp: &Idp, asserted: &Asserted, rehearsed: &mut Rehearsed) -> CheckRow {
    let login = rehearsed.login.clone().unwrap_or_default();
    let shown = visible(&login);
    let edit = format!("twofa idp edit {}", argument(&idp.name));
    let kind = kind_of_new(idp, asserted);
    let (word, option) = match kind {
        Type::External => ("an external user", "--externals"),
        Type::Employee | Type::Technical => ("an employee", "--employees"),
    };
    if idp.takes(kind) != Taken::Create {
        return CheckRow::bad(
            "user",
            format!("Nobody here is called `{shown}`, and it may not add {word}."),
            format!("`twofa user add`, or `{edit} {option} create`"),
        );
    }
    match rules::login(&login) {
        Ok(_) => {
            rehearsed.added = true;
            CheckRow::good("user", format!("`{shown}` would be added as {word}."))
        }
        Err(error) => CheckRow::bad(
            "user",
            format!("`{shown}` cannot be added: {}.", error.message()),
            "--login-attribute names another attribute that says who it is",
        ),
    }
}

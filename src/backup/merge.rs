//! What a restored store keeps of the live one, and what it takes at its worst where there is none to ask.
//!
//! Watermarks, tries, locks, used codes: of two moments the stricter one. What waited for an answer, or was about to
//! leave, is void. Ids go on behind those of both, for a sealed value and the hash of a code are bound to theirs.

use crate::audit::{Entry, Who, append};
use crate::error::Result;
use crate::login::{recover, tries};
use crate::permission;
use crate::setting::{self, Settings};
use crate::store::{Store, Tx};
use crate::user::{self, state};
use crate::verb::Operation;
use crate::{authenticator, challenge, delivery::outbox, idp, oauth_client, recovery};

/// What a restore could not keep, or could not undo: logins.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Users whose recovery codes are void.
    pub(super) codes_void: Vec<String>,
    /// Users who had been removed.
    pub(super) users_back: Vec<String>,
    /// Users whose app is one that had been disconnected or replaced.
    pub(super) apps_back: Vec<String>,
    /// Users whose password is one that had been replaced.
    pub(super) passwords_back: Vec<String>,
    /// Users who had been deactivated and stay active, for nobody else could administer the store.
    pub(super) kept_active: Vec<String>,
}

/// Makes a copy of a backup fit to take the place of `live`, in one transaction, of which `entry` is the first row in the
/// log. `live` must not change meanwhile.
pub(super) fn merge(tx: &Tx<'_>, who: &Who, live: Option<&Store>, entry: &Entry) -> Result<Merged> {
    tx.room_for_many()?;
    append(tx, who, entry)?;
    challenge::void_all(tx)?;
    outbox::forget_bodies(tx)?;
    recover::forget_requests(tx)?;
    authenticator::void_setups(tx)?;
    oauth_client::keep_stricter(tx, live)?;
    idp::kept::keep_stricter(tx, live)?;
    // A lock of the backup that has run out meanwhile would take off the tries that came after it.
    for user in state::with_lock_over(tx)? {
        tries::settle(tx, who, user::get(tx, user)?)?;
    }
    // A code is good so many steps before its own: in either store, where they differ.
    let drift =
        |store: &Store| -> Result<i64> { Ok(Settings::load(store)?.number(&setting::TOTP_DRIFT)) };
    let drift = match live {
        Some(live) => drift(tx)?.max(drift(live)?),
        None => drift(tx)?,
    };
    let mut merged = Merged {
        codes_void: recovery::keep_unused(tx, live)?,
        ..Merged::default()
    };
    let apps = authenticator::keep_consumed(tx, live, drift)?;
    let Some(live) = live else {
        return Ok(merged);
    };
    tx.ids_behind(live)?;
    merged.apps_back = apps;
    merged.users_back = state::not_in(tx, live)?;
    merged.passwords_back = state::with_other_password(tx, live)?;
    let changing = Operation::CanChangeAdminOperationGrantee;
    let changeable = permission::is_always_had(tx, changing)?;
    let deactivated = state::keep_stricter(tx, live)?;
    merged.kept_active = keep_administrators(tx, &deactivated, changeable)?;
    Ok(merged)
}

/// Of users whom the live store has inactive, keeps those active without whom nobody could administer the store, or, where
/// it was `changeable`, change who may: one after the other, until somebody can.
fn keep_administrators(tx: &Tx<'_>, deactivated: &[i64], changeable: bool) -> Result<Vec<String>> {
    let changing = Operation::CanChangeAdminOperationGrantee;
    let mut kept = Vec::new();
    for id in deactivated {
        let lacks_administrator = permission::active_administrators(tx, 1)?.is_empty();
        let lacks_holder = changeable && !permission::is_always_had(tx, changing)?;
        if !lacks_administrator && !lacks_holder {
            break;
        }
        let user = user::get(tx, *id)?;
        let helps = lacks_administrator && permission::is_administrator(tx, *id)?
            || lacks_holder && permission::allowed(tx, changing, *id, user.kind)?;
        if helps {
            state::keep_active(tx, *id)?;
            kept.push(user.login);
        }
    }
    Ok(kept)
}

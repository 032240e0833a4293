//! What `idp test` looks at, beside a response: everything of a login that can go wrong before anybody tries one.
//!
//! It sends nothing and writes nothing. A row says what is, and where that is not good, what to do.

mod rehearsal;

use serde::Serialize;

pub use self::rehearsal::Rehearsed;

use super::days::{Day, SOON, beginning, in_days};
use super::{Idp, Stored, Taken, certificates, trust};
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::name::argument;
use crate::sso::certificate::Certificate;
use crate::sso::request::{Wanted, redirect};
use crate::sso::{Ours, Provider, pair};
use crate::store::Store;

/// What was looked at, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckRow {
    /// Its word.
    pub check: &'static str,
    /// Whether it is good.
    pub ok: bool,
    /// What is.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl CheckRow {
    pub(super) fn good(check: &'static str, message: impl Into<String>) -> CheckRow {
        CheckRow {
            check,
            ok: true,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn bad(
        check: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> CheckRow {
        CheckRow {
            check,
            ok: false,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// What failed, in the words of the failure.
    fn failed(check: &'static str, error: &Error) -> CheckRow {
        CheckRow {
            check,
            ok: false,
            message: error.message(),
            hint: error.hint_text().map(str::to_owned),
        }
    }
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tested {
    /// The provider.
    pub name: String,
    /// Whether everything is good.
    pub ok: bool,
    /// What was looked at.
    pub checks: Vec<CheckRow>,
    /// The address that a browser would be sent to.
    pub url: Option<String>,
    /// What a response comes to, where one was given and is believed.
    pub response: Option<Rehearsed>,
}

/// Looks at a provider, and at `response`, the form field `SAMLResponse` as somebody copied it.
///
/// # Errors
/// [`crate::error::Kind::Storage`].
pub fn look(store: &Store, idp: &Idp, response: Option<&str>) -> Result<Tested> {
    let mut tested = Tested {
        name: idp.name.clone(),
        ok: false,
        checks: Vec::new(),
        url: None,
        response: None,
    };
    let checks = &mut tested.checks;
    theirs(store, idp, checks)?;
    checks.push(address(idp));
    let ours = match trust::ours(store, idp) {
        Ok(ours) => Some(ours),
        // That nobody has said the address is told already.
        Err(_) if idp.acs_url.is_none() => None,
        Err(error) => {
            checks.push(CheckRow::failed("key_pair", &error));
            None
        }
    };
    checks.extend(ours.as_ref().and_then(|ours| own(store.now(), idp, ours)));
    checks.push(sha1(idp));
    checks.push(people(idp));
    checks.extend(second_factor(idp));
    let provider = match trust::provider(store, idp) {
        Ok(provider) => Some(provider),
        Err(error) => {
            checks.push(CheckRow::failed("certificate", &error));
            None
        }
    };
    if let (Some(ours), Some(provider)) = (&ours, &provider) {
        match request(store, provider, ours) {
            Ok((row, url)) => {
                checks.push(row);
                tested.url = Some(url);
            }
            Err(error) => checks.push(CheckRow::failed("request", &error)),
        }
        if let Some(field) = response {
            let (rows, rehearsed) = rehearsal::judge(store, idp, provider, ours, field)?;
            checks.extend(rows);
            tested.response = rehearsed;
        }
    } else if response.is_some() {
        checks.push(CheckRow::bad(
            "response",
            "A response cannot be judged as long as that is not good.",
            "mend it, and give the response again",
        ));
    }
    tested.ok = checks.iter().all(|row| row.ok);
    Ok(tested)
}

fn edit(idp: &Idp) -> String {
    format!("twofa idp edit {}", argument(&idp.name))
}

/// The certificates that it signs with, one row each.
fn theirs(store: &Store, idp: &Idp, checks: &mut Vec<CheckRow>) -> Result<()> {
    let stored = certificates(store, idp.id)?;
    if stored.is_empty() {
        checks.push(CheckRow::bad(
            "certificate",
            "It has no certificate: its signatures cannot be checked.",
            format!("`{} --add-certificate FILE`", edit(idp)),
        ));
    }
    for one in &stored {
        let day = Day::of(one, &stored, store.now());
        checks.push(certificate(store.now(), idp, one, day));
    }
    Ok(())
}

fn certificate(now: Time, idp: &Idp, stored: &Stored, day: Day<'_>) -> CheckRow {
    let short = beginning(stored);
    let key = Certificate::from_der(&stored.der).map(|one| one.key_in_words());
    let what = match key {
        Ok(key) => format!("{short}… ({key})"),
        Err(error) => return CheckRow::failed("certificate", &error),
    };
    let (from, until) = (stored.not_before, stored.not_after);
    let validity = if until < now {
        let ago = in_days(now.since(until));
        format!("{what} was valid until {until}, {ago} ago")
    } else if from > now {
        format!("{what} is valid from {from} on, not yet")
    } else if until < now.plus(SOON) {
        let left = in_days(until.since(now));
        format!("{what} is valid until {until}, for {left} more")
    } else {
        format!("{what} is valid until {until}")
    };
    let replace = format!(
        "get the new one from the provider, then `{} --metadata FILE` or --add-certificate FILE",
        edit(idp)
    );
    let all_the_same = "Signatures are checked with it all the same.";
    match day {
        Day::Good | Day::Coming => CheckRow::good("certificate", format!("{validity}.")),
        Day::Early => CheckRow::bad(
            "certificate",
            format!("{validity}."),
            "signatures are checked with it all the same; look at the clocks of both sides",
        ),
        Day::Ends => CheckRow::bad("certificate", format!("{validity}."), replace),
        Day::Over => CheckRow::bad(
            "certificate",
            format!("{validity}. {all_the_same}"),
            replace,
        ),
        Day::Followed(newer) => CheckRow {
            hint: Some(format!(
                "once the provider signs with the newer one, `{} --remove-certificate {short}`",
                edit(idp)
            )),
            ..CheckRow::good(
                "certificate",
                format!("{validity}; {}… takes over from it.", beginning(newer)),
            )
        },
    }
}

fn address(idp: &Idp) -> CheckRow {
    match &idp.acs_url {
        Some(url) => CheckRow::good("acs_url", format!("Responses go to {url}.")),
        None => CheckRow::bad(
            "acs_url",
            "Nobody has said where the application takes responses.",
            format!("`{} --acs-url URL`", edit(idp)),
        ),
    }
}

/// Our key pair, if there is one.
fn own(now: Time, idp: &Idp, ours: &Ours) -> Option<CheckRow> {
    let own = ours.decryption.as_ref()?;
    let again = format!(
        "`{} --make-key`, then give the provider our metadata",
        edit(idp)
    );
    let until = own.certificate.not_after();
    Some(match pair::is_whole(own) {
        Ok(true) if until < now.plus(SOON) => {
            let message = format!("Our certificate is valid until {until}.");
            CheckRow::bad("key_pair", message, again)
        }
        Ok(true) => CheckRow::good(
            "key_pair",
            format!("Our key is the one of its certificate, which is valid until {until}."),
        ),
        Ok(false) => {
            let message = "Our key is not the one of its certificate.";
            CheckRow::bad("key_pair", message, again)
        }
        Err(error) => CheckRow::bad("key_pair", error.message(), again),
    })
}

fn sha1(idp: &Idp) -> CheckRow {
    if idp.sha1 {
        CheckRow::bad(
            "sha1",
            "Signatures with SHA-1 are taken, which can be forged.",
            format!(
                "let the provider sign with SHA-256, then `{} --allow-sha1 no`",
                edit(idp)
            ),
        )
    } else {
        CheckRow::good("sha1", "Signatures with SHA-1 are not taken.")
    }
}

/// Who comes through it.
fn people(idp: &Idp) -> CheckRow {
    if idp.employees == Taken::None && idp.externals == Taken::None {
        return CheckRow::bad(
            "users",
            "It may speak for nobody.",
            format!("`{} --employees existing`, or --externals", edit(idp)),
        );
    }
    let words = |taken: Taken| match taken {
        Taken::None => "none",
        Taken::Existing => "those who are here",
        Taken::Create => "whomever it sends",
    };
    let administrators = if idp.administrators {
        "administrators too"
    } else {
        "no administrators"
    };
    CheckRow::good(
        "users",
        format!(
            "It speaks for employees: {}; external users: {}; {administrators}.",
            words(idp.employees),
            words(idp.externals)
        ),
    )
}

/// What asserts a second factor, where one is wanted.
fn second_factor(idp: &Idp) -> Option<CheckRow> {
    if !idp.require_mfa {
        return None;
    }
    if idp.mfa_contexts.is_empty() && idp.mfa_attribute.is_none() {
        return Some(CheckRow::bad(
            "second_factor",
            "A second factor has to be asserted, and nothing that it sends would do so.",
            format!(
                "`{} --mfa-context URI` or --mfa-attribute NAME=VALUE",
                edit(idp)
            ),
        ));
    }
    Some(CheckRow::good(
        "second_factor",
        "A second factor has to be asserted.",
    ))
}

/// A request as a login would make it. Nobody waits for its answer.
fn request(store: &Store, provider: &Provider, ours: &Ours) -> Result<(CheckRow, String)> {
    let made = redirect(provider, ours, Wanted::default(), store.source())?;
    let signed = if ours.signing.is_some() {
        "signed"
    } else {
        "not signed"
    };
    let message = format!(
        "A request can be made, {signed}. Who asks is {}.",
        ours.entity_id
    );
    Ok((CheckRow::good("request", message), made.url))
}

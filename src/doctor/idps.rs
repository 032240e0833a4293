//! Identity providers: certificates and their days, and what would keep everybody out who comes through one.
//!
//! Of what is not enabled only damage is told: nobody comes through it.

use super::finding::Findings;
use super::{Looked, Patient};
use crate::clock::Time;
use crate::error::Result;
use crate::idp::days::{Day, SOON};
use crate::idp::{self, Idp, Stored};
use crate::name::{argument, visible};
use crate::setting::{DEFAULT_SSO, Settings};
use crate::sso::certificate::Certificate;

pub(super) fn idps(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let default = Settings::load(store)?.thing(&DEFAULT_SSO);
    for idp in idp::list(store)? {
        let stored = idp::certificates(store, idp.id)?;
        disagreeing(&idp, &stored, out);
        if default == Some(idp.id) && !idp.enabled {
            let message = format!(
                "The setting `{}` points at `{}`, which is not enabled.",
                DEFAULT_SSO.code,
                visible(&idp.name)
            );
            found(&idp, out, "default_disabled", message, "enable", "");
        }
        if idp.enabled {
            theirs(&idp, &stored, store.now(), out);
            ours(&idp, store.now(), out);
            if idp.sha1 {
                let message = format!(
                    "Signatures with SHA-1 are taken from `{}`, which can be forged.",
                    visible(&idp.name)
                );
                found(
                    &idp,
                    out,
                    "sha1_allowed",
                    message,
                    "edit",
                    " --allow-sha1 no",
                );
            }
        }
    }
    Ok(Looked::Whole)
}

fn found(
    idp: &Idp,
    out: &mut Findings<'_>,
    kind: &'static str,
    message: String,
    verb: &str,
    options: &str,
) {
    let name = argument(&idp.name);
    out.add(kind, 1, message)
        .names(std::slice::from_ref(&idp.name))
        .mend(format!("twofa idp {verb} {name}{options}"));
}

const ANEW: &str = " --metadata FILE";

/// The days of the certificates that it signs with. One from which another takes over is no finding.
fn theirs(idp: &Idp, stored: &[Stored], now: Time, out: &mut Findings<'_>) {
    let shown = visible(&idp.name);
    if stored.is_empty() {
        let message =
            format!("`{shown}` is enabled and has no certificate: nobody comes through it.");
        found(idp, out, "no_certificate", message, "edit", ANEW);
    }
    let is = |wanted: Day<'static>| {
        let all = stored.iter();
        all.filter(move |one| Day::of(one, stored, now) == wanted)
    };
    for one in is(Day::Over) {
        let message = format!(
            "A certificate of `{shown}` was valid until {}.",
            one.not_after
        );
        found(idp, out, "certificate_over", message, "edit", ANEW);
    }
    if let Some(until) = is(Day::Ends).map(|one| one.not_after).max() {
        let message = format!("The certificate of `{shown}` is valid until {until}.");
        found(idp, out, "certificate_ends", message, "edit", ANEW);
    }
    if let Some(from) = is(Day::Early).map(|one| one.not_before).min() {
        let message = format!("The certificate of `{shown}` is not valid before {from}.");
        found(idp, out, "certificate_early", message, "edit", ANEW);
    }
}

/// The days of our own.
fn ours(idp: &Idp, now: Time, out: &mut Findings<'_>) {
    let Some(own) = &idp.own else { return };
    let Ok(certificate) = Certificate::from_der(&own.certificate) else {
        return;
    };
    let until = certificate.not_after();
    if until < now.plus(SOON) {
        let message = format!(
            "Our certificate with `{}` is valid until {until}.",
            visible(&idp.name)
        );
        found(
            idp,
            out,
            "own_certificate_ends",
            message,
            "edit",
            " --make-key",
        );
    }
}

/// What the columns say of a certificate and what it says itself.
fn disagreeing(idp: &Idp, stored: &[Stored], out: &mut Findings<'_>) {
    let agrees = |one: &Stored| {
        Certificate::from_der(&one.der).is_ok_and(|read| {
            read.fingerprint() == one.fingerprint
                && read.not_before() == one.not_before
                && read.not_after() == one.not_after
        })
    };
    let count = stored.iter().filter(|one| !agrees(one)).count();
    if count > 0 {
        let message = format!(
            "What is kept of a certificate of `{}` is not what it says.",
            visible(&idp.name)
        );
        found(idp, out, "certificate_disagrees", message, "edit", ANEW);
    }
}

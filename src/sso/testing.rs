//! Judging the responses of a provider for tests, as the answer to one request.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::response::{self, Expected, SKEW};
use super::{Asserted, Binding, Endpoint, KeyPair, Ours, Provider, Refused, SecondFactor};
use crate::clock::Time;

#[allow(unreachable_pub, reason = "other suites are crates of their own")]
#[path = "../../tests/saml/made.rs"]
mod made;

pub(crate) use self::made::*;

pub(crate) const SHORT: &str = include_str!("../../tests/keys/short.pem");

/// 2026-01-31T12:00:00Z.
pub(crate) const NOW: Time = Time(1_769_860_800);

pub(crate) fn pair(pem: &str) -> KeyPair {
    KeyPair {
        key: Zeroizing::new(private(pem)),
        certificate: Certificate::from_text(pem).unwrap(),
    }
}

pub(crate) fn provider() -> Provider {
    Provider {
        entity_id: ENTITY.to_owned(),
        sso: Endpoint {
            url: "https://idp.example.com/sso".to_owned(),
            binding: Binding::Redirect,
        },
        slo: None,
        certificates: vec![Certificate::from_text(PROVIDER).unwrap()],
        name_id_format: None,
        sha1: false,
        may_begin: false,
        second_factor: SecondFactor::default(),
    }
}

pub(crate) fn ours() -> Ours {
    Ours {
        entity_id: "https://sp.example.org".to_owned(),
        acs_url: ACS.to_owned(),
        decryption: Some(pair(OURS)),
        signing: None,
    }
}

/// Judges `xml` as the answer to [`REQUEST`], by a provider and for us as `change` wants them.
pub(crate) fn judged_by(
    xml: &str,
    request: Option<&str>,
    now: Time,
    change: impl FnOnce(&mut Provider, &mut Ours),
) -> Result<Asserted, Refused> {
    let (mut provider, mut ours) = (provider(), ours());
    change(&mut provider, &mut ours);
    let expected = Expected {
        provider: &provider,
        ours: &ours,
        request,
        now,
        skew: SKEW,
    };
    response::judge(&BASE64.encode(xml.as_bytes()), &expected)
}

/// Judges `xml` as the answer to [`REQUEST`].
pub(crate) fn judged(xml: &str) -> Result<Asserted, Refused> {
    judged_by(xml, Some(REQUEST), NOW, |_, _| {})
}

/// The word that `xml` is refused with, or that it was not.
pub(crate) fn word(xml: &str) -> &'static str {
    judged(xml).map_or_else(|refused| refused.why.word(), |_| "believed")
}

//! What an identity provider sends, and what an administrator gets from one.

use data_encoding::BASE64;

use super::text;
use crate::clock::Time;
use crate::sso::certificate::Certificate;
use crate::sso::response::{Expected, SKEW, judge};
use crate::sso::{self, Binding, Endpoint, Ours, Provider, SecondFactor};

/// A response that is believed, and one that nobody signed.
pub(super) const RESPONSES: &[&[u8]] = &[
    include_bytes!("../../tests/saml/signed.xml"),
    br#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0" ID="a"><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="b"/></samlp:Response>"#,
];

pub(super) const METADATA: &[&[u8]] = &[
    br#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="urn:a" validUntil="2030-01-01T00:00:00Z"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:NameIDFormat>urn:x</md:NameIDFormat><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://a.example/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>"#,
];

pub(super) const CERTIFICATES: &[&[u8]] = &[
    include_bytes!("../../tests/keys/provider.pem"),
    include_bytes!("../../tests/keys/curve.pem"),
];

/// 2026-01-31T12:00:00Z, when the response that is believed was made.
const NOON: Time = Time(1_769_860_800);

fn provider() -> Provider {
    let certificate = include_str!("../../tests/keys/provider.pem");
    Provider {
        entity_id: "https://idp.example.com/metadata".to_owned(),
        sso: Endpoint {
            url: "https://idp.example.com/sso".to_owned(),
            binding: Binding::Redirect,
        },
        slo: None,
        certificates: vec![Certificate::from_text(certificate).unwrap()],
        name_id_format: None,
        sha1: true,
        may_begin: true,
        second_factor: SecondFactor::default(),
    }
}

/// As it is, and as what its base64 would mean. Nothing is believed but what the provider signed.
pub(super) fn response(bytes: &[u8]) {
    let provider = provider();
    let ours = Ours {
        entity_id: "https://sp.example.org".to_owned(),
        acs_url: "https://sp.example.org/acs".to_owned(),
        decryption: None,
        signing: None,
    };
    let expected = Expected {
        provider: &provider,
        ours: &ours,
        request: Some("_request"),
        now: NOON,
        skew: SKEW,
    };
    for field in [text(bytes).to_owned(), BASE64.encode(bytes)] {
        match judge(&field, &expected) {
            Ok(asserted) => assert_eq!(asserted.name_id.value, "alice@example.com", "forged"),
            Err(refused) => {
                let found = refused.found.unwrap_or_default();
                assert!(!found.chars().any(char::is_control), "{found:?}");
            }
        }
    }
}

pub(super) fn metadata(bytes: &[u8]) {
    if let Ok(described) = sso::metadata::read(text(bytes), None, NOON) {
        assert!(!described.entity_id.is_empty());
        assert!(described.sso.url.starts_with("http"));
    }
}

/// DER, PEM, and the base64 that stands in metadata.
pub(super) fn certificate(bytes: &[u8]) {
    let read = [
        Certificate::from_der(bytes),
        Certificate::from_text(text(bytes)),
    ];
    for read in read.into_iter().flatten() {
        assert_eq!(read.fingerprint().len(), 64);
        let again = Certificate::from_der(read.der()).unwrap();
        assert_eq!(again.fingerprint(), read.fingerprint());
    }
}

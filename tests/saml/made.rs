//! A provider for tests: it makes responses and signs them, so that each attack differs from a good one by one thing.
//!
//! It knows nothing of twofa, so that the library's own tests and those of the command line both sign with it.

use bergshamra_dsig::{DsigContext, sign};
use bergshamra_enc::EncContext;
use bergshamra_keys::KeysManager;
use bergshamra_keys::key::{Key, KeyData, KeyUsage};
use data_encoding::BASE64;
use kryptering::{EcCurve, KeyAlgorithm};

pub(crate) const PROVIDER: &str = include_str!("../keys/provider.pem");
pub(crate) const STRANGER: &str = include_str!("../keys/stranger.pem");
pub(crate) const OURS: &str = include_str!("../keys/ours.pem");
pub(crate) const CURVE: &str = include_str!("../keys/curve.pem");

pub(crate) const ENTITY: &str = "https://idp.example.com/metadata";
pub(crate) const ACS: &str = "https://sp.example.org/acs";
pub(crate) const REQUEST: &str = "_request";
pub(crate) const ASSERTION_ID: &str = "_assertion";
pub(crate) const RESPONSE_ID: &str = "_response";

/// What stands between the lines of a file of `tests/keys` that name `label`.
fn decoded(pem: &str, label: &str) -> Vec<u8> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----")).unwrap();
    let (inner, _) = rest.split_once(&format!("-----END {label}-----")).unwrap();
    let bare: String = inner.split_ascii_whitespace().collect();
    BASE64.decode(bare.as_bytes()).unwrap()
}

/// The private key of such a file, PKCS#8 in DER.
pub(crate) fn private(pem: &str) -> Vec<u8> {
    decoded(pem, "PRIVATE KEY")
}

/// What a signature is made of.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) key: &'static str,
    pub(crate) uri: Option<&'static str>,
    pub(crate) method: &'static str,
    pub(crate) digest: &'static str,
    pub(crate) canonical: &'static str,
    pub(crate) transforms: String,
    pub(crate) key_info: String,
    pub(crate) object: String,
}

pub(crate) const ENVELOPED: &str =
    r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#;
pub(crate) const EXCLUSIVE: &str =
    r#"<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#;

impl Default for Signing {
    fn default() -> Self {
        Signing {
            key: PROVIDER,
            uri: None,
            method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            digest: "http://www.w3.org/2001/04/xmlenc#sha256",
            canonical: "http://www.w3.org/2001/10/xml-exc-c14n#",
            transforms: format!("{ENVELOPED}{EXCLUSIVE}"),
            key_info: String::new(),
            object: String::new(),
        }
    }
}

impl Signing {
    fn template(&self, id: &str) -> String {
        let own = format!("#{id}");
        format!(
            concat!(
                r#"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>"#,
                r#"<ds:CanonicalizationMethod Algorithm="{}"/><ds:SignatureMethod Algorithm="{}"/>"#,
                r#"<ds:Reference URI="{}"><ds:Transforms>{}</ds:Transforms><ds:DigestMethod Algorithm="{}"/>"#,
                r#"<ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>"#,
                r#"<ds:SignatureValue></ds:SignatureValue>{}{}</ds:Signature>"#
            ),
            self.canonical,
            self.method,
            self.uri.unwrap_or(&own),
            self.transforms,
            self.digest,
            self.key_info,
            self.object
        )
    }

    fn context(&self) -> DsigContext {
        let mut keys = KeysManager::new();
        if self.method.contains("#hmac") {
            // Confusion: the public key as a shared secret.
            let shared = decoded(self.key, "CERTIFICATE");
            let data = KeyData::from_symmetric_bytes(KeyAlgorithm::Hmac, &shared).unwrap();
            keys.add_key(Key::new(data, KeyUsage::Any));
        } else {
            let kind = match self.key {
                CURVE => KeyAlgorithm::Ec(EcCurve::P256),
                _ => KeyAlgorithm::Rsa,
            };
            let data = KeyData::from_pkcs8_der(kind, &private(self.key)).unwrap();
            keys.add_key(Key::new(data, KeyUsage::Any));
        }
        DsigContext::new(keys)
    }
}

/// A response before it is signed.
#[derive(Clone)]
pub(crate) struct Made {
    /// The id of the assertion.
    pub(crate) id: String,
    pub(crate) response: Option<Signing>,
    pub(crate) assertion: Option<Signing>,
    pub(crate) status: &'static str,
    /// What stands on the response, after its id.
    pub(crate) head: String,
    pub(crate) issuer: String,
    pub(crate) name_id: String,
    pub(crate) confirmation: String,
    pub(crate) conditions: String,
    pub(crate) statement: String,
    pub(crate) attributes: String,
    /// What follows the assertion within the response.
    pub(crate) after: String,
}

impl Default for Made {
    fn default() -> Self {
        Made {
            id: ASSERTION_ID.to_owned(),
            response: None,
            assertion: Some(Signing::default()),
            status: r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>"#,
            head: format!(r#"Version="2.0" IssueInstant="2026-01-31T12:00:00Z" Destination="{ACS}" InResponseTo="{REQUEST}""#),
            issuer: ENTITY.to_owned(),
            name_id: r#"<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">alice@example.com</saml:NameID>"#.to_owned(),
            confirmation: format!(
                r#"<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-01-31T12:05:00Z" Recipient="{ACS}" InResponseTo="{REQUEST}"/></saml:SubjectConfirmation>"#
            ),
            conditions: r#"<saml:Conditions NotBefore="2026-01-31T11:55:00Z" NotOnOrAfter="2026-01-31T12:05:00.500Z"><saml:AudienceRestriction><saml:Audience>https://sp.example.org</saml:Audience></saml:AudienceRestriction></saml:Conditions>"#.to_owned(),
            statement: r#"<saml:AuthnStatement AuthnInstant="2026-01-31T12:00:00Z" SessionIndex="_session" SessionNotOnOrAfter="2026-01-31T20:00:00Z"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"#.to_owned(),
            attributes: r#"<saml:AttributeStatement><saml:Attribute Name="groups" FriendlyName="Groups"><saml:AttributeValue>Staff</saml:AttributeValue><saml:AttributeValue>Ops</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#.to_owned(),
            after: String::new(),
        }
    }
}

/// Where a signature will stand.
const HERE: &str = "<!--signature-->";

impl Made {
    /// The response, signed.
    pub(crate) fn xml(&self) -> String {
        let assertion = format!(
            concat!(
                r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{}" Version="2.0" IssueInstant="2026-01-31T12:00:00Z">"#,
                r#"<saml:Issuer>{}</saml:Issuer>{}<saml:Subject>{}{}</saml:Subject>{}{}{}</saml:Assertion>"#
            ),
            self.id,
            self.issuer,
            self.assertion
                .as_ref()
                .map_or_else(String::new, |one| one.template(&self.id)),
            self.name_id,
            self.confirmation,
            self.conditions,
            self.statement,
            self.attributes,
        );
        let mut xml = format!(
            concat!(
                r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="{}" {}>"#,
                r#"<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{}</saml:Issuer>{}<samlp:Status>{}</samlp:Status>{}{}</samlp:Response>"#
            ),
            RESPONSE_ID, self.head, self.issuer, HERE, self.status, assertion, self.after
        );
        if let Some(signing) = &self.assertion {
            xml = sign::sign(&signing.context(), &xml).unwrap();
        }
        let Some(signing) = &self.response else {
            return xml.replace(HERE, "");
        };
        sign::sign(
            &signing.context(),
            &xml.replace(HERE, &signing.template(RESPONSE_ID)),
        )
        .unwrap()
    }

    /// The response with its assertion, signed or not, encrypted for us; the response is signed afterwards.
    pub(crate) fn encrypted(&self, cipher: &str, transport: &str) -> String {
        let inner = Made {
            response: None,
            ..self.clone()
        }
        .xml();
        let (head, rest) = inner.split_once("<saml:Assertion").unwrap();
        let (assertion, tail) = rest.split_once("</saml:Assertion>").unwrap();
        let assertion = format!("<saml:Assertion{assertion}</saml:Assertion>");
        let template = format!(
            concat!(
                r#"<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">"#,
                r#"<xenc:EncryptionMethod Algorithm="{}"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>"#,
                r#"<xenc:EncryptionMethod Algorithm="{}"/><xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData>"#,
                r#"</xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"#
            ),
            cipher, transport
        );
        let mut keys = KeysManager::new();
        let data = KeyData::from_pkcs8_der(KeyAlgorithm::Rsa, &private(OURS)).unwrap();
        keys.add_key(Key::new(data, KeyUsage::Any));
        let data = bergshamra_enc::encrypt::encrypt(
            &EncContext::new(keys),
            &template,
            assertion.as_bytes(),
        )
        .unwrap();
        let whole = format!(
            r#"{head}<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{data}</saml:EncryptedAssertion>{tail}"#
        );
        let Some(signing) = &self.response else {
            return whole;
        };
        let template = format!("{}<samlp:Status>", signing.template(RESPONSE_ID));
        sign::sign(
            &signing.context(),
            &whole.replacen("<samlp:Status>", &template, 1),
        )
        .unwrap()
    }
}

//! Metadata: what a provider says of itself in a file, and what we say of us.
//!
//! The file is believed as it is given, since an administrator gives it: a signature in it is not checked. It is bounded
//! like every foreign file, and what it does not say is never made up.

use data_encoding::BASE64;

use super::assertion::moment;
use super::certificate::Certificate;
use super::xml::{self, Element, Limits, escaped, ns};
use super::{Binding, Endpoint, Ours, Refusal};
use crate::clock::Time;
use crate::error::{Error, Kind, Result};

/// What a file may be: a provider's own has a few kilobytes, a federation's some hundred providers.
const FILE: Limits = Limits {
    bytes: 4 << 20,
    depth: 40,
    elements: 50_000,
    attributes: 40,
    all_attributes: 200_000,
    namespaces: 64,
    strict: false,
};

/// The longest file that is read, in bytes.
pub const LONGEST: usize = FILE.bytes;

/// How many certificates of a provider are taken.
const MOST_CERTIFICATES: usize = 16;

/// How many names an error lists.
const MOST_NAMES: usize = 10;

/// What metadata says of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub entity_id: String,
    /// Where a login is asked for; HTTP-Redirect before HTTP-POST.
    pub sso: Endpoint,
    /// Where a logout is asked for.
    pub slo: Option<Endpoint>,
    /// What it signs with.
    pub certificates: Vec<Certificate>,
    /// The formats of `NameID` that it offers, in its order.
    pub name_id_formats: Vec<String>,
    /// Whether it wants requests to be signed.
    pub wants_signed_requests: bool,
    /// Until when it vouches for all this.
    pub valid_until: Option<Time>,
}

/// Reads a provider's metadata. Of a file that describes several, `entity_id` says which one is meant.
///
/// # Errors
/// [`Kind::InvalidValue`] when it cannot be read, has expired or lacks what a login needs; [`Kind::NotFound`] when it does
/// not describe `entity_id`; [`Kind::Conflict`] when it describes several and none was named.
pub fn read(text: &str, entity_id: Option<&str>, now: Time) -> Result<Described> {
    if let Some(error) = mistaken(text) {
        return Err(error);
    }
    let document = xml::parse(text, FILE).map_err(unreadable)?;
    let root = Element::root(&document).ok_or_else(|| unreadable(Refusal::Malformed))?;
    let described: Vec<_> = root
        .all()
        .into_iter()
        .filter(|one| one.is(ns::METADATA, "EntityDescriptor"))
        .filter(|one| one.named(ns::METADATA, "IDPSSODescriptor").next().is_some())
        .collect();
    let is_of_services = |one: Element<'_>| one.is(ns::METADATA, "SPSSODescriptor");
    if described.is_empty() && root.all().into_iter().any(is_of_services) {
        return Err(
            wrong("it describes a service, as we are one, and no identity provider")
                .hint("ours is for the provider; download what the provider says of itself"),
        );
    }
    let entity = choose(&described, entity_id)?;
    let name = entity
        .attribute("entityID")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| lacking("an entity id"))?;
    let role = entity
        .only(ns::METADATA, "IDPSSODescriptor")
        .ok_or_else(|| wrong("it describes the provider twice"))?;
    let valid_until = still_valid(role, now)?;
    let sso = endpoint(role, "SingleSignOnService")?
        .ok_or_else(|| lacking("an address for logins by HTTP-Redirect or HTTP-POST"))?;
    Ok(Described {
        entity_id: name.to_owned(),
        sso,
        slo: endpoint(role, "SingleLogoutService")?,
        certificates: certificates(role)?,
        name_id_formats: role
            .named(ns::METADATA, "NameIDFormat")
            .filter_map(Element::text)
            .collect(),
        wants_signed_requests: role
            .attribute("WantAuthnRequestsSigned")
            .is_some_and(|word| matches!(word, "true" | "1")),
        valid_until,
    })
}

/// What somebody took for metadata.
fn mistaken(text: &str) -> Option<Error> {
    let text = text.trim_start();
    let beginning: String = text.chars().take(15).collect();
    let beginning = beginning.to_ascii_lowercase();
    if text.is_empty() {
        Some(wrong("it is empty"))
    } else if !text.starts_with('<') && text.contains("-----BEGIN CERTIFICATE-----") {
        Some(wrong("it is a certificate").hint(
            "a new provider takes it with --certificate, one that is here with --add-certificate",
        ))
    } else if !text.starts_with('<') && text.contains("PRIVATE KEY-----") {
        Some(wrong("it is a private key"))
    } else if beginning.starts_with("<!doctype html") || beginning.starts_with("<html") {
        Some(wrong("it is a page for a browser (HTML)").hint("download the metadata itself"))
    } else {
        None
    }
}

fn wrong(why: &str) -> Error {
    Error::new(
        Kind::InvalidValue,
        format!("the metadata cannot be used: {why}"),
    )
}

fn lacking(what: &str) -> Error {
    wrong(&format!("it lacks {what}"))
}

fn unreadable(why: Refusal) -> Error {
    wrong(match why {
        Refusal::TooLarge => "it is longer than 4 MiB",
        Refusal::Dtd => "it has a document type",
        Refusal::TooDeep => "it is nested too deeply",
        Refusal::TooMany => "it has too many elements or attributes",
        Refusal::Encoding => "it is not UTF-8",
        _ => "it is not well-formed XML",
    })
}

fn choose<'d>(described: &[Element<'d>], wanted: Option<&str>) -> Result<Element<'d>> {
    let names = || {
        let all = described.iter().filter_map(|one| one.attribute("entityID"));
        let mut names: Vec<_> = all
            .take(MOST_NAMES)
            .map(|name| format!("`{name}`"))
            .collect();
        if described.len() > MOST_NAMES {
            names.push(format!("{} more", described.len() - MOST_NAMES));
        }
        names.join(", ")
    };
    match (described, wanted) {
        ([], _) => Err(wrong("it describes no identity provider")),
        ([one], None) => Ok(*one),
        (several, None) => Err(Error::new(
            Kind::Conflict,
            format!(
                "the metadata describes {} providers: {}",
                several.len(),
                names()
            ),
        )),
        (all, Some(wanted)) => {
            let mut meant = all
                .iter()
                .filter(|one| one.attribute("entityID") == Some(wanted));
            match (meant.next(), meant.next()) {
                (Some(one), None) => Ok(*one),
                (Some(_), Some(_)) => Err(wrong("it describes the provider twice")),
                (None, _) => Err(Error::new(
                    Kind::NotFound,
                    format!("the metadata does not describe `{wanted}`, but {}", names()),
                )),
            }
        }
    }
}

/// The earliest `validUntil` of the role and of everything around it.
fn still_valid(role: Element<'_>, now: Time) -> Result<Option<Time>> {
    let around = std::iter::successors(Some(role), |one| one.parent());
    let mut earliest: Option<Time> = None;
    for text in around.filter_map(|one| one.attribute("validUntil")) {
        let until = moment(text).ok_or_else(|| wrong("its validUntil is no time"))?;
        if until <= now {
            return Err(wrong(&format!("it was valid until {until}")));
        }
        earliest = Some(earliest.map_or(until, |other| other.min(until)));
    }
    Ok(earliest)
}

fn endpoint(role: Element<'_>, name: &str) -> Result<Option<Endpoint>> {
    for binding in [Binding::Redirect, Binding::Post] {
        let found = role
            .children()
            .filter(|one| one.is(ns::METADATA, name))
            .find(|one| one.attribute("Binding") == Some(binding.uri()));
        let Some(found) = found else { continue };
        let url = found.attribute("Location").unwrap_or_default();
        let of_the_web =
            url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !of_the_web {
            return Err(wrong(&format!("`{url}` is no address of the web")));
        }
        return Ok(Some(Endpoint {
            url: url.to_owned(),
            binding,
        }));
    }
    Ok(None)
}

/// The certificates to check signatures with: of each key, the first that stands there, for others are of those who issued
/// it.
fn certificates(role: Element<'_>) -> Result<Vec<Certificate>> {
    let mut found: Vec<Certificate> = Vec::new();
    for key in role.named(ns::METADATA, "KeyDescriptor") {
        if key
            .attribute("use")
            .is_some_and(|purpose| purpose != "signing")
        {
            continue;
        }
        let certificates = key
            .named(ns::DSIG, "KeyInfo")
            .flat_map(|info| info.named(ns::DSIG, "X509Data"))
            .filter_map(|data| data.named(ns::DSIG, "X509Certificate").next());
        for one in certificates {
            let text = one
                .text()
                .ok_or_else(|| wrong("a certificate in it is no text"))?;
            let certificate = Certificate::from_text(&text)?;
            if !found.contains(&certificate) {
                found.push(certificate);
            }
        }
    }
    if found.is_empty() {
        return Err(lacking("a certificate to check signatures with"));
    }
    if found.len() > MOST_CERTIFICATES {
        return Err(wrong(&format!(
            "it has more than {MOST_CERTIFICATES} certificates"
        )));
    }
    Ok(found)
}

/// Our metadata, for the other side.
#[must_use]
pub fn print(ours: &Ours) -> String {
    let key = |purpose: &str, certificate: &Certificate| {
        format!(
            concat!(
                "    <md:KeyDescriptor use=\"{purpose}\">\n",
                "      <ds:KeyInfo xmlns:ds=\"{dsig}\">\n",
                "        <ds:X509Data>\n",
                "          <ds:X509Certificate>{certificate}</ds:X509Certificate>\n",
                "        </ds:X509Data>\n",
                "      </ds:KeyInfo>\n",
                "    </md:KeyDescriptor>\n"
            ),
            purpose = purpose,
            dsig = ns::DSIG,
            certificate = BASE64.encode(certificate.der())
        )
    };
    let mut keys = String::new();
    if let Some(pair) = &ours.signing {
        keys.push_str(&key("signing", &pair.certificate));
    }
    if let Some(pair) = &ours.decryption {
        keys.push_str(&key("encryption", &pair.certificate));
    }
    format!(
        concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<md:EntityDescriptor xmlns:md=\"{md}\" entityID=\"{entity}\">\n",
            "  <md:SPSSODescriptor AuthnRequestsSigned=\"{signed}\" WantAssertionsSigned=\"true\"",
            " protocolSupportEnumeration=\"{protocol}\">\n",
            "{keys}",
            "    <md:AssertionConsumerService Binding=\"{post}\" Location=\"{acs}\" index=\"0\" isDefault=\"true\"/>\n",
            "  </md:SPSSODescriptor>\n",
            "</md:EntityDescriptor>\n"
        ),
        md = ns::METADATA,
        entity = escaped(&ours.entity_id),
        signed = ours.signing.is_some(),
        protocol = ns::PROTOCOL,
        keys = keys,
        post = Binding::Post.uri(),
        acs = escaped(&ours.acs_url),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CURVE, ENTITY, NOW, OURS, PROVIDER, ours, pair};
    use super::*;

    /// The base64 of a certificate, in lines, as vendors write it.
    fn certificate(pem: &str) -> String {
        data_encoding::BASE64_MIME.encode(Certificate::from_text(pem).unwrap().der())
    }

    /// In the shape of Entra ID: roles of other protocols before the one that matters, no formats of names, three bindings.
    fn entra() -> String {
        let signing = certificate(PROVIDER);
        format!(
            concat!(
                r#"<?xml version="1.0" encoding="utf-8"?><EntityDescriptor ID="_5c" entityID="https://sts.windows.net/0000/" "#,
                r#"xmlns="urn:oasis:names:tc:SAML:2.0:metadata"><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>"#,
                r#"<RoleDescriptor xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="fed:SecurityTokenServiceType" "#,
                r#"xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706"><KeyDescriptor use="signing"/></RoleDescriptor>"#,
                r#"<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">"#,
                r#"<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo>"#,
                r#"</KeyDescriptor><SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" "#,
                r#"Location="https://login.example.com/0000/saml2"/><SingleSignOnService "#,
                r#"Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://login.example.com/0000/saml2"/>"#,
                r#"<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" "#,
                r#"Location="https://login.example.com/0000/saml2"/></IDPSSODescriptor></EntityDescriptor>"#
            ),
            signing
        )
    }

    /// In the shape of Okta, `OneLogin` and Shibboleth: `until` and `keys` are put in.
    fn prefixed(entity: &str, until: &str, keys: &str) -> String {
        format!(
            concat!(
                "<!-- made by a vendor -->\n",
                r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" "#,
                r#"entityID="{entity}"{until}><md:IDPSSODescriptor WantAuthnRequestsSigned="true" "#,
                r#"protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}"#,
                "<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified</md:NameIDFormat>",
                "<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>",
                r#"<md:SingleSignOnService Binding="urn:mace:shibboleth:1.0:profiles:AuthnRequest" Location="https://idp.example.com/shib"/>"#,
                r#"<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/post"/>"#,
                "</md:IDPSSODescriptor></md:EntityDescriptor>"
            ),
            entity = entity,
            until = until,
            keys = keys
        )
    }

    fn key(purpose: &str, certificates: &[&str]) -> String {
        let all: Vec<_> = certificates
            .iter()
            .map(|pem| {
                format!(
                    "<ds:X509Certificate>\n{}\n</ds:X509Certificate>",
                    certificate(pem)
                )
            })
            .collect();
        let all = all.concat();
        format!(
            "<md:KeyDescriptor{purpose}><ds:KeyInfo><ds:X509Data>{all}</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        )
    }

    fn why(text: &str, entity: Option<&str>) -> (Kind, String) {
        let error = read(text, entity, NOW).unwrap_err();
        (error.kind(), error.message())
    }

    #[test]
    fn entra_id_is_read() {
        let read = read(&entra(), None, NOW).unwrap();
        assert_eq!(
            read,
            Described {
                entity_id: "https://sts.windows.net/0000/".to_owned(),
                sso: Endpoint {
                    url: "https://login.example.com/0000/saml2".to_owned(),
                    binding: Binding::Redirect,
                },
                slo: Some(Endpoint {
                    url: "https://login.example.com/0000/saml2".to_owned(),
                    binding: Binding::Redirect,
                }),
                certificates: vec![Certificate::from_text(PROVIDER).unwrap()],
                name_id_formats: Vec::new(),
                wants_signed_requests: false,
                valid_until: None,
            }
        );
    }

    #[test]
    fn two_keys_take_over_from_each_other_and_others_are_left_out() {
        let keys = [
            key(r#" use="signing""#, &[PROVIDER, OURS]),
            key("", &[CURVE]),
            key(r#" use="signing""#, &[PROVIDER]),
            key(r#" use="encryption""#, &[OURS]),
        ];
        let read = read(&prefixed(ENTITY, "", &keys.concat()), Some(ENTITY), NOW).unwrap();
        let wanted = [PROVIDER, CURVE].map(|pem| Certificate::from_text(pem).unwrap());
        assert_eq!(read.certificates, wanted);
        assert_eq!(read.sso.binding, Binding::Post);
        assert_eq!(read.slo, None);
        assert!(read.wants_signed_requests);
        assert_eq!(read.name_id_formats.len(), 2);
        let none = prefixed(ENTITY, "", &key(r#" use="encryption""#, &[OURS]));
        assert_eq!(
            why(&none, None).1,
            "the metadata cannot be used: it lacks a certificate to check signatures with"
        );
    }

    #[test]
    fn what_has_expired_is_refused() {
        let keys = key("", &[PROVIDER]);
        let until = |time: &str| prefixed(ENTITY, &format!(r#" validUntil="{time}""#), &keys);
        let read = read(&until("2026-01-31T12:00:01.5Z"), None, NOW).unwrap();
        assert_eq!(read.valid_until, Some(NOW.plus(1)));
        assert_eq!(
            why(&until("2026-01-31T12:00:00Z"), None),
            (
                Kind::InvalidValue,
                "the metadata cannot be used: it was valid until 2026-01-31T12:00:00Z".to_owned()
            )
        );
        assert_eq!(
            why(&until("soon"), None).1,
            "the metadata cannot be used: its validUntil is no time"
        );
    }

    #[test]
    fn of_several_providers_one_is_meant() {
        let keys = key("", &[PROVIDER]);
        let one = |name: &str| prefixed(name, "", &keys).replace("<!-- made by a vendor -->", "");
        let all: String = ["urn:a", "urn:b"].map(one).concat();
        let federation = |until: &str| {
            format!(
                concat!(
                    r#"<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"{}>"#,
                    r#"<EntityDescriptor entityID="urn:sp"><SPSSODescriptor/></EntityDescriptor>{}</EntitiesDescriptor>"#
                ),
                until, all
            )
        };
        assert_eq!(
            read(&federation(""), Some("urn:b"), NOW).unwrap().entity_id,
            "urn:b"
        );
        assert_eq!(
            why(&federation(""), None),
            (
                Kind::Conflict,
                "the metadata describes 2 providers: `urn:a`, `urn:b`".to_owned()
            )
        );
        assert_eq!(
            why(&federation(""), Some("urn:sp")),
            (
                Kind::NotFound,
                "the metadata does not describe `urn:sp`, but `urn:a`, `urn:b`".to_owned()
            )
        );
        let old = federation(r#" validUntil="2025-01-01T00:00:00Z""#);
        assert_eq!(
            why(&old, Some("urn:a")).1,
            "the metadata cannot be used: it was valid until 2025-01-01T00:00:00Z"
        );
        let twice = federation("").replace("urn:a", "urn:b");
        assert_eq!(
            why(&twice, Some("urn:b")).1,
            "the metadata cannot be used: it describes the provider twice"
        );
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        let laughs = format!("<!DOCTYPE x [<!ENTITY a 'b'>]>{}", entra());
        let deep = "<a>".repeat(1 << 20);
        let script = entra().replace(
            "https://login.example.com/0000/saml2",
            "javascript:alert(1)",
        );
        for (text, reason) in [
            ("", "it is empty"),
            ("<!DOCTYPE html><p>", "it is a page for a browser (HTML)"),
            ("{}", "it is not well-formed XML"),
            ("<x/>", "it describes no identity provider"),
            (&laughs, "it has a document type"),
            (&deep, "it is nested too deeply"),
            (&"x".repeat(FILE.bytes + 1), "it is longer than 4 MiB"),
            (&script, "`javascript:alert(1)` is no address of the web"),
        ] {
            assert_eq!(
                why(text, None),
                (
                    Kind::InvalidValue,
                    format!("the metadata cannot be used: {reason}")
                )
            );
        }
    }

    #[test]
    fn ours_says_what_we_are() {
        let mut ours = ours();
        ours.entity_id = "https://sp.example.org/?a=1&b='2'".to_owned();
        ours.signing = Some(pair(PROVIDER));
        let text = print(&ours);
        let document = xml::parse(&text, FILE).unwrap();
        let root = Element::root(&document).unwrap();
        assert_eq!(root.attribute("entityID"), Some(ours.entity_id.as_str()));
        let role = root.only(ns::METADATA, "SPSSODescriptor").unwrap();
        assert_eq!(role.attribute("AuthnRequestsSigned"), Some("true"));
        let uses: Vec<_> = role
            .named(ns::METADATA, "KeyDescriptor")
            .map(|key| {
                let text = key.all().last().unwrap().text().unwrap();
                (
                    key.attribute("use").unwrap(),
                    Certificate::from_text(&text).unwrap(),
                )
            })
            .collect();
        let certificates = [("signing", PROVIDER), ("encryption", OURS)]
            .map(|(purpose, pem)| (purpose, Certificate::from_text(pem).unwrap()));
        assert_eq!(uses, certificates);
        let acs = role.only(ns::METADATA, "AssertionConsumerService").unwrap();
        assert_eq!(acs.attribute("Location"), Some(ours.acs_url.as_str()));
        assert_eq!(acs.attribute("Binding"), Some(Binding::Post.uri()));
    }
}

//! A response of a provider, as a browser posted it, and what may be believed of it.
//!
//! The order is that of trust: bytes are counted, XML is parsed once, shapes are looked at, signatures are checked, and only
//! then is the signed element read. What stands around it is held against what was expected and used for nothing else.

use data_encoding::BASE64;
use uppsala::Document;

use super::xml::{self, Element, RESPONSE, ns};
use super::{Asserted, Ours, Provider, Refusal, Refused, assertion, decrypt, signature};
use crate::clock::Time;

/// The longest form field that is read, in bytes: base64 is a third longer than what it means; a line break after every 64
/// signs is one more in 32.
pub const LONGEST: usize = RESPONSE.bytes / 2 * 3;

/// How far the provider's clock may be from ours, in seconds, unless a caller wants it otherwise.
pub const SKEW: i64 = 180;

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// What a response is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who is to have sent it.
    pub provider: &'a Provider,
    /// Who is to receive it.
    pub ours: &'a Ours,
    /// The id of the request that it is to answer; none where nothing was asked.
    pub request: Option<&'a str>,
    /// The moment.
    pub now: Time,
    /// How far the provider's clock may be from ours, in seconds.
    pub skew: i64,
}

/// Judges the form field `SAMLResponse`.
///
/// # Errors
/// The first reason not to believe it.
pub fn judge(field: &str, expected: &Expected<'_>) -> Result<Asserted, Refused> {
    let text = decoded(field)?;
    let document = xml::parse(&text, RESPONSE)?;
    let root = response(&document)?;
    let parts = Parts::of(root)?;
    let signed = signature::look(root, &parts.places(root), expected.provider.sha1)?;
    signature::check(&document, &text, &signed, expected.provider)?;
    around(root, expected, root_is_signed(root))?;
    let Some(encrypted) = parts.encrypted else {
        let one = parts.plain.ok_or(Refusal::NoAssertion)?;
        if signed.is_empty() {
            return Err(Refusal::Unsigned.into());
        }
        return assertion::judge(one, expected);
    };
    let plain = decrypt::decrypt(&text, encrypted, root, expected.ours.decryption.as_ref())?;
    decrypted(&plain, expected, root_is_signed(root))
}

/// The request that a response says it answers, for whoever has no other way to know. Nobody vouches for it.
#[must_use]
pub fn answered(field: &str) -> Option<String> {
    let text = decoded(field).ok()?;
    let document = xml::parse(&text, RESPONSE).ok()?;
    let root = Element::root(&document)?;
    root.attribute("InResponseTo").map(str::to_owned)
}

/// Judges what an encrypted assertion turned out to be.
fn decrypted(text: &str, expected: &Expected<'_>, covered: bool) -> Result<Asserted, Refused> {
    let document = xml::parse(text, RESPONSE)?;
    let root = response(&document)?;
    unique_ids(root)?;
    let around = root
        .only(ns::ASSERTION, "EncryptedAssertion")
        .ok_or(Refusal::NoAssertion)?;
    if assertions(root).len() > 2 {
        return Err(Refusal::SeveralAssertions.into());
    }
    let one = around
        .only(ns::ASSERTION, "Assertion")
        .ok_or(Refusal::NoAssertion)?;
    // The response's own signature was over what was encrypted, and was checked there.
    let mut signed = signature::look(root, &[root, one], expected.provider.sha1)?;
    signed.retain(|seen| seen.is_in(one));
    signature::check(&document, text, &signed, expected.provider)?;
    if signed.is_empty() && !covered {
        return Err(Refusal::Unsigned.into());
    }
    assertion::judge(one, expected)
}

fn decoded(field: &str) -> Result<String, Refusal> {
    if field.len() > LONGEST {
        return Err(Refusal::TooLarge);
    }
    let bare: String = field.split_ascii_whitespace().collect();
    // The decoder takes one text after another.
    if bare.trim_end_matches('=').contains('=') {
        return Err(Refusal::Base64);
    }
    let bytes = BASE64
        .decode(bare.as_bytes())
        .map_err(|_| Refusal::Base64)?;
    String::from_utf8(bytes).map_err(|_| Refusal::Encoding)
}

fn response<'d>(document: &'d Document<'d>) -> Result<Element<'d>, Refusal> {
    let root = Element::root(document).ok_or(Refusal::Malformed)?;
    let is = root.is(ns::PROTOCOL, "Response") && root.attribute("Version") == Some("2.0");
    if is {
        Ok(root)
    } else {
        Err(Refusal::NotAResponse)
    }
}

/// The assertion of a response: as it is, or encrypted.
struct Parts<'d> {
    plain: Option<Element<'d>>,
    encrypted: Option<Element<'d>>,
}

impl<'d> Parts<'d> {
    fn of(root: Element<'d>) -> Result<Self, Refused> {
        status(root)?;
        unique_ids(root)?;
        let found = assertions(root);
        let [one] = found[..] else {
            return Err(match found.len() {
                0 => Refusal::NoAssertion.into(),
                _ => Refusal::SeveralAssertions.into(),
            });
        };
        if one.parent() != Some(root) {
            return Err(Refusal::NoAssertion.into());
        }
        let plain = one.is(ns::ASSERTION, "Assertion").then_some(one);
        let encrypted = one.is(ns::ASSERTION, "EncryptedAssertion").then_some(one);
        if plain.is_none() && encrypted.is_none() {
            return Err(Refusal::NoAssertion.into());
        }
        Ok(Parts { plain, encrypted })
    }

    /// Where signatures may stand.
    fn places(&self, root: Element<'d>) -> Vec<Element<'d>> {
        std::iter::once(root).chain(self.plain).collect()
    }
}

/// Everything that anybody could take for an assertion, of whatever namespace and however deep.
fn assertions(root: Element<'_>) -> Vec<Element<'_>> {
    root.all()
        .into_iter()
        .filter(|one| matches!(one.local_name(), "Assertion" | "EncryptedAssertion"))
        .collect()
}

/// Every attribute that some parser takes for an id has a value of its own.
fn unique_ids(root: Element<'_>) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    for element in root.all() {
        for (_, name, value) in element.attributes() {
            let is_id = name.eq_ignore_ascii_case("id") || name == "AssertionID";
            if is_id && !seen.insert(value) {
                return Err(Refusal::DuplicateId);
            }
        }
    }
    Ok(())
}

fn status(root: Element<'_>) -> Result<(), Refused> {
    let status = root
        .only(ns::PROTOCOL, "Status")
        .ok_or(Refusal::NotAResponse)?;
    let code = status
        .only(ns::PROTOCOL, "StatusCode")
        .ok_or(Refusal::NotAResponse)?;
    let value = code.attribute("Value").unwrap_or_default();
    if value == SUCCESS {
        return Ok(());
    }
    let second = code
        .only(ns::PROTOCOL, "StatusCode")
        .and_then(|code| code.attribute("Value"));
    let message = status
        .only(ns::PROTOCOL, "StatusMessage")
        .and_then(Element::text);
    let short = |uri: &str| uri.rsplit(':').next().unwrap_or_default().to_owned();
    let told: Vec<String> = [Some(short(value)), second.map(short), message]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    Err(Refused::found(Refusal::Status, &told.join(": ")))
}

fn root_is_signed(root: Element<'_>) -> bool {
    root.named(ns::DSIG, "Signature").next().is_some()
}

/// What stands on the response itself. Where only the assertion is signed, nobody vouches for it: then it can spoil a login
/// and not make one.
fn around(root: Element<'_>, expected: &Expected<'_>, signed: bool) -> Result<(), Refused> {
    match root.attribute("Destination") {
        Some(to) if to == expected.ours.acs_url => {}
        Some(to) => return Err(Refused::found(Refusal::Destination, to)),
        // A signed message says where it goes (saml-bindings-2.0, section 3.5.5.2).
        None if signed => return Err(Refusal::Destination.into()),
        None => {}
    }
    answers(root.attribute("InResponseTo"), expected)?;
    let mut issuers = root.named(ns::ASSERTION, "Issuer");
    match (issuers.next(), issuers.next()) {
        (None, _) => Ok(()),
        (Some(one), None) => assertion::issuer(one, expected),
        _ => Err(Refusal::Issuer.into()),
    }
}

/// Whether what answers `request` is what was expected.
pub(super) fn answers(request: Option<&str>, expected: &Expected<'_>) -> Result<(), Refused> {
    match (request, expected.request) {
        (Some(answered), Some(asked)) if answered == asked => Ok(()),
        (Some(answered), _) => Err(Refused::found(Refusal::InResponseTo, answered)),
        (None, Some(_)) => Err(Refusal::InResponseTo.into()),
        (None, None) if expected.provider.may_begin => Ok(()),
        (None, None) => Err(Refusal::Unsolicited.into()),
    }
}

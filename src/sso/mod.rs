//! Single sign-on by SAML 2.0: what is asked of an identity provider, and what is believed of its answer.
//!
//! This is the protocol alone: bytes and a moment in, a verdict out. It knows no store, no user and no network. [`request`]
//! makes the address that a browser is sent to, [`response`] judges what comes back, [`metadata`] reads what a provider says
//! of itself and prints what we say of us.
//!
//! # What it promises
//! * A response is believed only as far as a signature of one of the provider's certificates covers it: what is read is the
//!   very node whose digest was compared, in the same tree; nothing is looked up a second time. The key that a response
//!   names or carries (`KeyInfo`) is never looked at.
//! * Everything that is not on a list is refused: algorithms, transforms, canonicalisations, the shape of a signature, a
//!   second assertion wherever it hides, document types, comments and processing instructions.
//! * Every refusal has a word of its own ([`Refusal`]), which goes into the audit log.
//! * Work is bounded before any parser sees the bytes: their number, the depth, the nodes, the attributes. Nothing that comes
//!   from outside is inflated: responses are taken by HTTP-POST, which does not compress.
//!
//! Replay is the caller's: [`Asserted`] has the id of the assertion, and until when it has to be remembered.
//!
//! # Whose cryptography it is
//! XML signatures and encryption are bergshamra's, which saml-rs stands on too. saml-rs itself is not used: it reads a
//! response with another parser than it verifies with and finds what is signed again by its id, takes the first of several
//! assertions, leaves transforms open unless told otherwise, and draws ids and the time from the system, which here come through
//! [`clock`](crate::clock). What bergshamra leaves to its caller is checked in `signature.rs`, over the tree that it is
//! given.

mod assertion;
#[cfg(test)]
mod attacks;
pub mod certificate;
mod decrypt;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod judgement;
pub mod metadata;
pub mod pair;
pub mod request;
pub mod response;
mod signature;
#[cfg(test)]
pub(crate) mod testing;
mod xml;

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use certificate::Certificate;

/// The binding by which a browser carries a message to an address of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// In the address itself.
    Redirect,
    /// In a form that the browser posts.
    Post,
}

impl Binding {
    /// The URI of the specification (saml-bindings-2.0, sections 3.4 and 3.5).
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Binding::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Binding::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
        }
    }
}

/// An address of the provider, and how messages get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub url: String,
    /// How messages get there.
    pub binding: Binding,
}

/// What is known of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name in every message, compared letter by letter.
    pub entity_id: String,
    /// Where a login is asked for.
    pub sso: Endpoint,
    /// Where a logout is asked for.
    pub slo: Option<Endpoint>,
    /// The certificates whose keys it signs with. Several while one takes over from another.
    pub certificates: Vec<Certificate>,
    /// The format of `NameID` to ask for.
    pub name_id_format: Option<String>,
    /// Whether signatures and digests with SHA-1 are taken.
    pub sha1: bool,
    /// Whether it may begin a login that nobody asked for here.
    pub may_begin: bool,
    /// How it asserts a second factor.
    pub second_factor: SecondFactor,
}

/// How a provider asserts that somebody gave a second factor, and whether that is wanted. Vendors differ: some name a class
/// of authentication, others an attribute with the methods that were used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondFactor {
    /// Whether it has to be asserted.
    pub required: bool,
    /// Whether requests name the contexts. Some providers refuse a login for it that was made with more than was asked for.
    pub asked: bool,
    /// Classes of authentication that assert it.
    pub contexts: Vec<String>,
    /// An attribute that asserts it where it has this value.
    pub attribute: Option<(String, String)>,
}

impl SecondFactor {
    /// Whether contexts and attributes assert it.
    #[must_use]
    pub fn is_asserted(&self, contexts: &[String], attributes: &[Attribute]) -> bool {
        let told = |(name, value): &(String, String)| {
            let mut named = attributes.iter().filter(|one| one.name == *name);
            named.any(|one| one.values.contains(value))
        };
        contexts.iter().any(|one| self.contexts.contains(one))
            || self.attribute.as_ref().is_some_and(told)
    }
}

/// A private key of ours with its certificate.
#[derive(Clone)]
pub struct KeyPair {
    /// An RSA key, PKCS#8 in DER.
    pub key: Zeroizing<Vec<u8>>,
    /// What the other side is given.
    pub certificate: Certificate,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// What a provider knows of us.
#[derive(Debug, Clone)]
pub struct Ours {
    /// Our name in every message.
    pub entity_id: String,
    /// Where responses are posted to (assertion consumer service).
    pub acs_url: String,
    /// What assertions are encrypted for.
    pub decryption: Option<KeyPair>,
    /// What requests are signed with.
    pub signing: Option<KeyPair>,
}

/// Who the provider says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameId {
    /// The identifier, without white space around it.
    pub value: String,
    /// What kind of identifier it is.
    pub format: Option<String>,
}

/// One attribute that the provider asserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub friendly_name: Option<String>,
    /// Its values, in their order.
    pub values: Vec<String>,
}

/// What a response asserted, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asserted {
    /// Who logged in.
    pub name_id: NameId,
    /// The assertion's id: it counts once.
    pub assertion_id: String,
    /// Until when the assertion's id has to be remembered, so that it counts once.
    pub remember_until: crate::clock::Time,
    /// The session at the provider, for a logout.
    pub session_index: Option<String>,
    /// How the provider says it was authenticated.
    pub contexts: Vec<String>,
    /// Whether it says that a second factor was given.
    pub second_factor: bool,
    /// When it was authenticated: of several statements the earliest.
    pub authn_at: Option<crate::clock::Time>,
    /// What else it says.
    pub attributes: Vec<Attribute>,
    /// The names of attributes whose values are no text, which were left out.
    pub unread: Vec<String>,
    /// The request that is answered; none where the provider began.
    pub in_response_to: Option<String>,
    /// From when on the assertion is not valid any more.
    pub not_on_or_after: crate::clock::Time,
}

impl Asserted {
    /// Every value of an attribute, without white space around it.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.attributes.iter().filter(move |one| one.name == name);
        named.flat_map(|one| one.values.iter().map(|value| value.trim()))
    }

    /// All attributes by their names; what stands there twice has the values of both.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in &self.attributes {
            let values = all.entry(one.name.clone()).or_default();
            values.extend(one.values.iter().cloned());
        }
        all
    }
}

macro_rules! refusals {
    ($($variant:ident $word:literal $sentence:literal;)*) => {
        /// Why a response is not believed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $(#[doc = $sentence] $variant,)*
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)*];

            /// The word that the audit log keeps as the reason.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Refusal::$variant => $word,)* }
            }

            /// One line for people, which begins in lower case and has no full stop.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Refusal::$variant => $sentence,)* }
            }
        }
    };
}

refusals! {
    TooLarge "saml_too_large" "the response is longer than what is read";
    Base64 "saml_base64" "the response is not base64";
    Encoding "saml_encoding" "the response is not UTF-8";
    Dtd "saml_dtd" "the response has a document type";
    Comment "saml_comment" "the response has a comment";
    Instruction "saml_instruction" "the response has a processing instruction";
    TooDeep "saml_too_deep" "the response is nested too deeply";
    TooMany "saml_too_many" "the response has too many elements or attributes";
    Malformed "saml_malformed" "the response is not well-formed XML";
    NotAResponse "saml_not_a_response" "this is not a SAML 2.0 response";
    Status "saml_status" "the provider did not log the user in";
    DuplicateId "saml_duplicate_id" "an id stands on two elements";
    NoAssertion "saml_no_assertion" "the response has no assertion";
    SeveralAssertions "saml_several_assertions" "the response has more than one assertion";
    Unsigned "saml_unsigned" "neither the response nor its assertion is signed";
    Misplaced "saml_misplaced_signature" "a signature stands where none belongs";
    Shape "saml_signature_shape" "a signature has parts that do not belong there";
    Reference "saml_reference" "a signature refers to something else than the element around it";
    Transform "saml_transform" "a signature transforms what it signs in a way that is not taken";
    Algorithm "saml_algorithm" "a signature has an algorithm that is not taken";
    Sha1 "saml_sha1" "a signature uses SHA-1, which is not taken from this provider";
    Signature "saml_signature" "a signature is not by a certificate of the provider, or what it signs was changed";
    Encryption "saml_encryption" "the assertion is encrypted in a way that is not taken";
    NoKey "saml_no_key" "the assertion is encrypted, and there is no key to decrypt it with";
    NotDecrypted "saml_not_decrypted" "the assertion could not be decrypted";
    Issuer "saml_issuer" "the issuer is not the provider";
    Destination "saml_destination" "the response was meant for another address";
    Recipient "saml_recipient" "the assertion was meant for another address";
    Audience "saml_audience" "the assertion was meant for another audience";
    Condition "saml_condition" "the assertion has a condition that is not understood";
    NotYetValid "saml_not_yet_valid" "the assertion is not valid yet";
    Expired "saml_expired" "the assertion is not valid any more";
    SessionOver "saml_session_over" "the session at the provider is over";
    InResponseTo "saml_in_response_to" "the response answers another request";
    Unsolicited "saml_unsolicited" "nobody asked, and the provider may not begin a login";
    Confirmation "saml_confirmation" "the assertion is not confirmed for whoever bears it";
    NameId "saml_name_id" "the assertion names nobody, or in a way that is not taken";
    Statement "saml_no_authentication" "the assertion does not say that somebody was authenticated";
    Context "saml_context" "the provider does not say that a second factor was given, which is required";
    Certificates "saml_certificates" "the provider has no certificate to check a signature with";
}

/// A response that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// What stood there, cut to what a line of the log can take and without control characters. Nobody vouches for it.
    pub found: Option<String>,
}

/// The longest `found` of a [`Refused`], in characters.
const LONGEST_FOUND: usize = 200;

/// What somebody else said, as a line of the log can take it: short, and without control characters.
pub(crate) fn line(text: &str) -> String {
    let visible = text.chars().filter(|c| !c.is_control());
    let mut found: String = visible.take(LONGEST_FOUND + 1).collect();
    if let Some((end, _)) = found.char_indices().nth(LONGEST_FOUND) {
        found.truncate(end);
        found.push('…');
    }
    found
}

impl Refused {
    /// With what stood there.
    fn found(why: Refusal, text: &str) -> Self {
        Refused {
            why,
            found: Some(line(text)),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Refused { why, found: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why.sentence())?;
        match &self.found {
            Some(found) => write!(f, ": `{found}`"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_its_own_word_and_sentence() {
        let words: BTreeSet<_> = Refusal::ALL.iter().map(|one| one.word()).collect();
        let sentences: BTreeSet<_> = Refusal::ALL.iter().map(|one| one.sentence()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        assert_eq!(sentences.len(), Refusal::ALL.len());
        for word in words {
            let tail = word.strip_prefix("saml_").unwrap();
            assert!(
                tail.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            );
        }
    }

    #[test]
    fn what_was_found_is_one_short_visible_line() {
        let refused = Refused::found(
            Refusal::Issuer,
            &format!("a\n\u{1b}[31mb{}", "x".repeat(300)),
        );
        let found = refused.found.as_deref().unwrap();
        assert_eq!(found.chars().count(), LONGEST_FOUND + 1);
        assert!(found.starts_with("a[31mb") && found.ends_with('…'));
        assert_eq!(
            Refused::found(Refusal::Issuer, "urn:x").to_string(),
            "the issuer is not the provider: `urn:x`"
        );
    }
}

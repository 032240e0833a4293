//! Asking a provider for a login: the address that a browser is sent to.
//!
//! HTTP-Redirect (saml-bindings-2.0, section 3.4): the request is compressed into the query, and a signature is over the
//! query as it is sent, so that it is put together once and never read back.

use std::io::Write as _;

use bergshamra_crypto::sign;
use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use kryptering::{KeyAlgorithm, SoftwareKey};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::signature::RSA_SHA256;
use super::xml::{escaped, ns};
use super::{Binding, KeyPair, Ours, Provider};
use crate::clock::{Source, Time};
use crate::error::{Error, Kind, Result};

/// The longest `RelayState`, in bytes (saml-bindings-2.0, section 3.4.3).
pub const LONGEST_RELAY_STATE: usize = 80;

/// Random bytes of a request's id: more than the 128 bits that the specification asks for (saml-core-2.0, section 1.3.4).
const ID_BYTES: usize = 20;

/// What to ask for, beside a login.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Whether somebody who is logged in at the provider has to log in again.
    pub force: bool,
    /// What the provider gives back with its response: at most 80 letters, digits, `-`, `_` and `.`.
    pub relay_state: Option<&'a str>,
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id, which the response has to name.
    pub id: String,
    /// Where the browser is sent.
    pub url: String,
}

/// Makes a request. It is signed where we have a key to sign with.
///
/// # Errors
/// [`Kind::InvalidValue`] where the provider takes no HTTP-Redirect, or its address, the key or `RelayState` cannot be used;
/// [`Kind::Io`] when the system gives no randomness.
pub fn redirect(
    provider: &Provider,
    ours: &Ours,
    wanted: Wanted<'_>,
    source: &dyn Source,
) -> Result<Request> {
    if provider.sso.binding != Binding::Redirect {
        return Err(Error::new(
            Kind::InvalidValue,
            format!(
                "the provider takes no HTTP-Redirect at `{}`",
                provider.sso.url
            ),
        ));
    }
    let url = Url::parse(&provider.sso.url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| {
            Error::new(
                Kind::InvalidValue,
                format!("`{}` is no address of the web", provider.sso.url),
            )
        })?;
    let mut bytes = [0; ID_BYTES];
    source.fill(&mut bytes)?;
    // An id begins with no digit.
    let id = format!("_{}", HEXLOWER.encode(&bytes));
    let message = authn_request(&id, provider, ours, wanted, source.now());
    let query = query(&message, wanted.relay_state, ours.signing.as_ref())?;
    let mut address = url;
    address.set_fragment(None);
    let own = address.query().map(str::to_owned);
    address.set_query(None);
    let url = match own.as_deref() {
        None | Some("") => format!("{address}?{query}"),
        Some(own) => format!("{address}?{own}&{query}"),
    };
    Ok(Request { id, url })
}

fn authn_request(
    id: &str,
    provider: &Provider,
    ours: &Ours,
    wanted: Wanted<'_>,
    now: Time,
) -> String {
    let force = if wanted.force {
        r#" ForceAuthn="true""#
    } else {
        ""
    };
    let format = provider
        .name_id_format
        .as_deref()
        .map_or_else(String::new, |format| {
            format!(r#" Format="{}""#, escaped(format))
        });
    let mut contexts = String::new();
    let asked = provider.second_factor.required && provider.second_factor.asked;
    for class in provider.second_factor.contexts.iter().filter(|_| asked) {
        contexts.push_str(&format!(
            "<saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef>",
            escaped(class)
        ));
    }
    if !contexts.is_empty() {
        contexts = format!(
            r#"<samlp:RequestedAuthnContext Comparison="exact">{contexts}</samlp:RequestedAuthnContext>"#
        );
    }
    format!(
        concat!(
            r#"<samlp:AuthnRequest xmlns:samlp="{protocol}" xmlns:saml="{assertion}" ID="{id}" Version="2.0""#,
            r#" IssueInstant="{now}" Destination="{to}"{force} ProtocolBinding="{post}""#,
            r#" AssertionConsumerServiceURL="{acs}"><saml:Issuer>{issuer}</saml:Issuer>"#,
            r#"<samlp:NameIDPolicy{format} AllowCreate="true"/>{contexts}</samlp:AuthnRequest>"#
        ),
        protocol = ns::PROTOCOL,
        assertion = ns::ASSERTION,
        id = id,
        now = now,
        to = escaped(&provider.sso.url),
        force = force,
        post = Binding::Post.uri(),
        acs = escaped(&ours.acs_url),
        issuer = escaped(&ours.entity_id),
        format = format,
        contexts = contexts,
    )
}

/// The query that carries `message`, with a signature over itself where there is a key.
fn query(message: &str, relay_state: Option<&str>, key: Option<&KeyPair>) -> Result<String> {
    let coded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let mut query = format!("SAMLRequest={}", coded(&deflated(message)?));
    if let Some(state) = relay_state {
        check_relay_state(state)?;
        query.push_str(&format!("&RelayState={}", coded(state)));
    }
    if let Some(pair) = key {
        query.push_str(&format!("&SigAlg={}", coded(RSA_SHA256)));
        let signature = sign(pair, query.as_bytes())?;
        query.push_str(&format!("&Signature={}", coded(&BASE64.encode(&signature))));
    }
    Ok(query)
}

/// Providers put the query together again to check its signature, and write what is not one of these in different ways.
fn check_relay_state(state: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if state.len() <= LONGEST_RELAY_STATE && state.chars().all(plain) {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidValue,
        "RelayState is at most 80 letters, digits, `-`, `_` and `.`",
    ))
}

fn deflated(message: &str) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, "the request could not be compressed").because(error)
    };
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message.as_bytes()).map_err(failed)?;
    Ok(BASE64.encode(&encoder.finish().map_err(failed)?))
}

fn sign(pair: &KeyPair, bytes: &[u8]) -> Result<Vec<u8>> {
    let unusable = |error: String| {
        Error::new(Kind::InvalidValue, "our key for requests cannot sign")
            .because(anyhow::anyhow!(error))
    };
    let key = SoftwareKey::from_pkcs8_der(KeyAlgorithm::Rsa, &pair.key)
        .map_err(|error| unusable(error.to_string()))?;
    sign::from_uri(RSA_SHA256)
        .and_then(|algorithm| algorithm.sign(&key, bytes))
        .map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::DeflateDecoder;
    use kryptering::{HashAlgorithm, SignatureAlgorithm, SoftwareVerifier, Verifier as _};

    use super::super::SecondFactor;
    use super::super::testing::{NOW, OURS, ours, pair, provider};
    use super::*;
    use crate::clock::Fixed;

    fn asked(provider: &Provider, ours: &Ours, wanted: Wanted<'_>) -> (Request, String) {
        let request = redirect(provider, ours, wanted, &Fixed::new(NOW, 7)).unwrap();
        let url = Url::parse(&request.url).unwrap();
        let (_, coded) = url
            .query_pairs()
            .find(|(name, _)| name == "SAMLRequest")
            .unwrap();
        let mut xml = String::new();
        DeflateDecoder::new(&BASE64.decode(coded.as_bytes()).unwrap()[..])
            .read_to_string(&mut xml)
            .unwrap();
        (request, xml)
    }

    #[test]
    fn a_plain_request_says_who_asks_and_where_to_answer() {
        let (request, xml) = asked(&provider(), &ours(), Wanted::default());
        let id = &request.id;
        assert!(id.starts_with('_') && id.len() == 41);
        assert_eq!(
            xml,
            format!(
                concat!(
                    r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion""#,
                    r#" ID="{}" Version="2.0" IssueInstant="2026-01-31T12:00:00Z" Destination="https://idp.example.com/sso""#,
                    r#" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" AssertionConsumerServiceURL="https://sp.example.org/acs">"#,
                    r#"<saml:Issuer>https://sp.example.org</saml:Issuer><samlp:NameIDPolicy AllowCreate="true"/></samlp:AuthnRequest>"#
                ),
                id
            )
        );
        assert!(
            request
                .url
                .starts_with("https://idp.example.com/sso?SAMLRequest=")
        );
    }

    #[test]
    fn what_is_wanted_beside_a_login_is_asked_for() {
        let mut provider = provider();
        provider.sso.url = "https://idp.example.com/sso?tenant=a&b=%20#x".to_owned();
        provider.name_id_format =
            Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned());
        provider.second_factor = SecondFactor {
            required: true,
            asked: true,
            contexts: vec!["urn:a".to_owned(), "urn:<b>".to_owned()],
            attribute: None,
        };
        let wanted = Wanted {
            force: true,
            relay_state: Some("a-b_c.7"),
        };
        let (request, xml) = asked(&provider, &ours(), wanted);
        assert!(xml.contains(r#" ForceAuthn="true" "#));
        assert!(xml.contains(r#"<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" AllowCreate="true"/>"#));
        assert!(xml.contains(concat!(
            r#"<samlp:RequestedAuthnContext Comparison="exact"><saml:AuthnContextClassRef>urn:a</saml:AuthnContextClassRef>"#,
            "<saml:AuthnContextClassRef>urn:&lt;b&gt;</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
        )));
        provider.second_factor.asked = false;
        let (_, unasked) = asked(&provider, &ours(), wanted);
        assert!(!unasked.contains("RequestedAuthnContext"));
        let url = Url::parse(&request.url).unwrap();
        let names: Vec<_> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        assert_eq!(names, ["tenant", "b", "SAMLRequest", "RelayState"]);
        assert_eq!(url.query_pairs().last().unwrap().1, "a-b_c.7");
    }

    #[test]
    fn a_signature_is_over_the_query_as_it_is_sent() {
        let mut ours = ours();
        ours.signing = Some(pair(OURS));
        let wanted = Wanted {
            relay_state: Some("challenge-7"),
            ..Wanted::default()
        };
        let (request, _) = asked(&provider(), &ours, wanted);
        let (signed, signature) = request.url.split_once("&Signature=").unwrap();
        let (_, signed) = signed.split_once('?').unwrap();
        assert!(signed.ends_with("&RelayState=challenge-7&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256"));
        let coded = url::form_urlencoded::parse(format!("s={signature}").as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned();
        let key = pair(OURS).certificate.key().unwrap();
        let verifier =
            SoftwareVerifier::new(SignatureAlgorithm::RsaPkcs1v15(HashAlgorithm::Sha256), key)
                .unwrap();
        let signature = BASE64.decode(coded.as_bytes()).unwrap();
        assert!(verifier.verify(signed.as_bytes(), &signature).unwrap());
        assert!(
            !verifier
                .verify(signed.replace("-7", "-8").as_bytes(), &signature)
                .unwrap()
        );
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let why = |change: &dyn Fn(&mut Provider, &mut Ours), state: &str| {
            let (mut provider, mut ours) = (provider(), ours());
            change(&mut provider, &mut ours);
            let wanted = Wanted {
                relay_state: Some(state),
                ..Wanted::default()
            };
            redirect(&provider, &ours, wanted, &Fixed::new(NOW, 7)).map_err(|error| error.message())
        };
        assert!(why(&|_, _| {}, &"x".repeat(80)).is_ok());
        for state in [&"x".repeat(81), "a b", "a&b", "ä", "~"] {
            assert_eq!(
                why(&|_, _| {}, state).unwrap_err(),
                "RelayState is at most 80 letters, digits, `-`, `_` and `.`"
            );
        }
        let post = |provider: &mut Provider, _: &mut Ours| provider.sso.binding = Binding::Post;
        assert_eq!(
            why(&post, "").unwrap_err(),
            "the provider takes no HTTP-Redirect at `https://idp.example.com/sso`"
        );
        let script =
            |provider: &mut Provider, _: &mut Ours| provider.sso.url = "javascript:x".to_owned();
        assert_eq!(
            why(&script, "").unwrap_err(),
            "`javascript:x` is no address of the web"
        );
        let broken = |_: &mut Provider, ours: &mut Ours| {
            let mut pair = pair(OURS);
            pair.key = zeroize::Zeroizing::new(vec![1, 2, 3]);
            ours.signing = Some(pair);
        };
        assert!(
            why(&broken, "")
                .unwrap_err()
                .starts_with("our key for requests cannot sign: ")
        );
    }
}

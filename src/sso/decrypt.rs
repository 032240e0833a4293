//! Taking an encrypted assertion apart. What comes out is no more believed than what went in.
//!
//! One word is said of everything that fails once a key of ours was used ([`Refusal::NotDecrypted`]), so that the answer
//! tells nothing about the padding. RSA with PKCS #1 v1.5 is refused for the same reason; CBC has to be taken, since Entra
//! ID, Okta and Shibboleth encrypt with it.

use bergshamra_enc::EncContext;
use bergshamra_keys::KeysManager;
use bergshamra_keys::key::{Key, KeyData, KeyUsage};
use kryptering::KeyAlgorithm;

use super::xml::{Element, ns};
use super::{KeyPair, Refusal};

const CIPHERS: &[&str] = &[
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
];

const TRANSPORTS: &[&str] = &[
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
    "http://www.w3.org/2009/xmlenc11#rsa-oaep",
];

/// The type of what has to come out.
const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";

/// A type that nobody knows.
const BYTES: &str = "urn:bytes";

/// The whole of `text` with the assertion in place of what was encrypted.
///
/// # Errors
/// It is encrypted in a way that is not taken, there is no key, or the key does not fit.
pub(super) fn decrypt(
    text: &str,
    encrypted: Element<'_>,
    root: Element<'_>,
    key: Option<&KeyPair>,
) -> Result<String, Refusal> {
    shape(encrypted, root)?;
    let key = key.ok_or(Refusal::NoKey)?;
    let private =
        KeyData::from_pkcs8_der(KeyAlgorithm::Rsa, &key.key).map_err(|_| Refusal::NoKey)?;
    let mut keys = KeysManager::new();
    keys.add_key(Key::new(private, KeyUsage::Any));
    let context = EncContext::new(keys)
        .with_disable_cipher_reference(true)
        .with_max_pbkdf2_iterations(0);
    let data = encrypted
        .only(ns::ENC, "EncryptedData")
        .ok_or(Refusal::Encryption)?;
    let range = data.source().ok_or(Refusal::Encryption)?;
    let (before, after) = (&text[..range.start], &text[range.end..]);
    let opaque = format!("{before}{}{after}", as_bytes(&text[range])?);
    let plain = bergshamra_enc::decrypt::decrypt_to_bytes(&context, &opaque)
        .map_err(|_| Refusal::NotDecrypted)?;
    let plain = String::from_utf8(plain).map_err(|_| Refusal::NotDecrypted)?;
    let plain = match plain.split_once("?>") {
        Some((declaration, rest)) if declaration.starts_with("<?xml ") => rest,
        _ => &plain,
    };
    Ok(format!("{before}{plain}{after}"))
}

/// The encrypted element with a type that makes bergshamra hand out the bytes as they were encrypted: what it takes for XML
/// it writes anew before it puts it in place, and the digest of what was signed is over the old spelling.
fn as_bytes(data: &str) -> Result<String, Refusal> {
    let end = data.find('>').ok_or(Refusal::Encryption)?;
    let (tag, rest) = data.split_at(end);
    let replaced = tag.replacen(ELEMENT, BYTES, 1);
    if replaced == tag {
        return Err(Refusal::Encryption);
    }
    Ok(format!("{replaced}{rest}"))
}

/// One element is encrypted, for one key, and nothing has to be fetched, derived or agreed upon.
fn shape(encrypted: Element<'_>, root: Element<'_>) -> Result<(), Refusal> {
    let of = |name: &str| {
        root.all()
            .into_iter()
            .filter(|one| one.local_name() == name)
            .collect::<Vec<_>>()
    };
    let (data, keys) = (of("EncryptedData"), of("EncryptedKey"));
    let ([data], [key]) = (&data[..], &keys[..]) else {
        return Err(Refusal::Encryption);
    };
    let inside =
        |one: &Element<'_>| one.is(ns::ENC, one.local_name()) && encrypted.all().contains(one);
    if !inside(data) || data.parent() != Some(encrypted) || !inside(key) {
        return Err(Refusal::Encryption);
    }
    if data.attribute("Type") != Some(ELEMENT) {
        return Err(Refusal::Encryption);
    }
    let known = |one: &Element<'_>, list: &[&str]| {
        one.only(ns::ENC, "EncryptionMethod")
            .and_then(|method| method.attribute("Algorithm"))
            .is_some_and(|name| list.contains(&name))
    };
    let odd = ["CipherReference", "DerivedKey", "AgreementMethod"];
    if !known(data, CIPHERS)
        || !known(key, TRANSPORTS)
        || odd.iter().any(|name| !of(name).is_empty())
    {
        return Err(Refusal::Encryption);
    }
    Ok(())
}

//! A key pair of ours: what signs requests and opens assertions that were encrypted for us.
//!
//! It is RSA, which is what every provider takes. The certificate carries the public half to the other side; it is signed
//! by the key itself, for there it is trusted because somebody put it there, as theirs is here.

use std::str::FromStr as _;
use std::time::Duration;

use data_encoding::BASE64;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::sha2::Sha256;
use x509_cert::builder::{Builder as _, CertificateBuilder, Profile};
use x509_cert::der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{EncodePublicKey as _, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time as X509Time, Validity};
use zeroize::Zeroizing;

use super::KeyPair;
use super::certificate::Certificate;
use crate::clock::{Source, Time};
use crate::error::{Error, Kind, Result};

/// The modulus of a new key, in bits: as strong as a symmetric key of 128 (NIST SP 800-57, part 1).
const BITS: usize = 3072;
/// How long its certificate is good for. Nobody asks whether it still is, but some providers look at the date.
const YEARS: i64 = 10;
/// The longest text of a pair.
pub const LONGEST: usize = 64 * 1024;

/// Makes a pair. It takes a second or two: primes have to be found.
///
/// # Errors
/// [`Kind::Io`] when the system gives no randomness.
pub fn make(source: &dyn Source) -> Result<KeyPair> {
    let mut seed = Zeroizing::new([0u8; 32]);
    source.fill(seed.as_mut())?;
    let mut generator = ChaCha20Rng::from_seed(*seed);
    let key = RsaPrivateKey::new(&mut generator, BITS).map_err(unmade)?;
    let mut serial = [0u8; 16];
    source.fill(&mut serial)?;
    // A serial number is positive, and has no more octets than 20 (RFC 5280, section 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    let certificate = certificate(&key, &serial, source.now())?;
    let key = key.to_pkcs8_der().map_err(unmade)?;
    Ok(KeyPair {
        key: Zeroizing::new(key.as_bytes().to_vec()),
        certificate,
    })
}

fn unmade(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Io, "a key pair could not be made").because(anyhow::anyhow!("{error}"))
}

fn certificate(key: &RsaPrivateKey, serial: &[u8], now: Time) -> Result<Certificate> {
    let subject = Name::from_str("CN=twofa").map_err(unmade)?;
    let public = key.to_public_key().to_public_key_der().map_err(unmade)?;
    let public = SubjectPublicKeyInfoOwned::from_der(public.as_bytes()).map_err(unmade)?;
    let signer = SigningKey::<Sha256>::new(key.clone());
    let profile = Profile::Leaf {
        issuer: subject.clone(),
        enable_key_agreement: false,
        enable_key_encipherment: true,
    };
    let validity = Validity {
        not_before: moment(now)?,
        not_after: moment(now.plus(YEARS * 365 * 86_400))?,
    };
    let serial = SerialNumber::new(serial).map_err(unmade)?;
    let builder = CertificateBuilder::new(profile, serial, validity, subject, public, &signer)
        .map_err(unmade)?;
    let made = builder
        .build::<rsa::pkcs1v15::Signature>()
        .map_err(unmade)?;
    Certificate::from_der(&made.to_der().map_err(unmade)?)
}

/// A moment as a certificate writes it: two digits of the year until 2049 (RFC 5280, section 4.1.2.5).
fn moment(time: Time) -> Result<X509Time> {
    let seconds = Duration::from_secs(u64::try_from(time.0).map_err(unmade)?);
    match UtcTime::from_unix_duration(seconds) {
        Ok(time) => Ok(X509Time::UtcTime(time)),
        Err(_) => GeneralizedTime::from_unix_duration(seconds)
            .map(X509Time::GeneralTime)
            .map_err(unmade),
    }
}

fn unread(why: &str) -> Error {
    Error::new(
        Kind::InvalidValue,
        format!("the key pair cannot be used: {why}"),
    )
}

/// What stands between the lines of a PEM file that name `label`.
fn inside<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (inner, _) = rest.split_once(&format!("-----END {label}-----"))?;
    Some(inner)
}

/// Reads a pair from PEM: a key in PKCS#8 and its certificate, in either order.
///
/// # Errors
/// [`Kind::InvalidValue`] when one of them is missing or cannot be used, or they do not belong together.
pub fn read(text: &str) -> Result<KeyPair> {
    let Some(inner) = inside(text, "PRIVATE KEY") else {
        return Err(no_key(text));
    };
    let bare: Zeroizing<String> = Zeroizing::new(inner.split_ascii_whitespace().collect());
    let key = BASE64
        .decode(bare.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| unread("its key is not base64"))?;
    if inside(text, "CERTIFICATE").is_none() {
        return Err(unread("the certificate is missing").hint("put it behind the key in the file"));
    }
    let start = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_default();
    let pair = KeyPair {
        certificate: Certificate::from_text(&text[start..])?,
        key,
    };
    if is_whole(&pair)? {
        Ok(pair)
    } else {
        Err(unread("the key is not the one of the certificate"))
    }
}

fn no_key(text: &str) -> Error {
    let convert = "`openssl pkcs8 -topk8 -nocrypt -in KEY.pem` writes PKCS#8";
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        unread("its key is locked with a passphrase").hint(convert)
    } else if text.contains(" PRIVATE KEY-----") {
        unread("its key is not PKCS#8").hint(convert)
    } else {
        unread("the key is missing").hint("it is the PEM of a private key and of its certificate")
    }
}

/// Whether the key of a pair is the one of its certificate.
///
/// # Errors
/// [`Kind::InvalidValue`] when the key cannot be used at all.
pub fn is_whole(pair: &KeyPair) -> Result<bool> {
    let key = RsaPrivateKey::from_pkcs8_der(&pair.key)
        .map_err(|_| unread("its key is no RSA key in PKCS#8"))?;
    let public = key
        .to_public_key()
        .to_public_key_der()
        .map_err(|_| unread("its key cannot be read"))?;
    Ok(pair.certificate.public_key()? == public.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CURVE, NOW, OURS, PROVIDER, SHORT, pair};
    use super::*;
    use crate::clock::Fixed;

    #[test]
    fn a_pair_that_is_made_is_one_and_another_each_time() {
        let source = Fixed::new(NOW, 7);
        let made = make(&source).unwrap();
        assert!(is_whole(&made).unwrap());
        assert_eq!(made.certificate.not_before(), NOW);
        assert_eq!(made.certificate.not_after(), NOW.plus(YEARS * 365 * 86_400));
        let again = make(&Fixed::new(NOW, 7)).unwrap();
        assert_eq!(again.certificate, made.certificate);
        let other = KeyPair {
            certificate: made.certificate,
            key: pair(OURS).key,
        };
        assert!(!is_whole(&other).unwrap());
    }

    #[test]
    fn a_pair_is_read_in_either_order() {
        let read_one = read(OURS).unwrap();
        let (key, certificate) = OURS.split_once("-----BEGIN CERTIFICATE-----").unwrap();
        let turned = format!("-----BEGIN CERTIFICATE-----{certificate}\n{key}");
        let turned = read(&turned).unwrap();
        assert_eq!(read_one.key, pair(OURS).key);
        assert_eq!(
            (turned.key, turned.certificate),
            (read_one.key, read_one.certificate)
        );
    }

    #[test]
    fn what_is_no_pair_is_refused_and_said() {
        let why = |text: &str| read(text).unwrap_err().message();
        let half = |pem: &'static str| pem.split_once("-----BEGIN CERTIFICATE-----").unwrap();
        let mixed = format!(
            "{}-----BEGIN CERTIFICATE-----{}",
            half(OURS).0,
            half(PROVIDER).1
        );
        let pkcs1 = OURS.replace(" PRIVATE KEY", " RSA PRIVATE KEY");
        let locked = OURS.replace(" PRIVATE KEY", " ENCRYPTED PRIVATE KEY");
        let broken = OURS.replacen("MIIE", "!!!!", 1);
        for (text, reason) in [
            ("", "the key is missing"),
            (SHORT, "the key is missing"),
            (half(OURS).0, "the certificate is missing"),
            (mixed.as_str(), "the key is not the one of the certificate"),
            (CURVE, "its key is no RSA key in PKCS#8"),
            (&pkcs1, "its key is not PKCS#8"),
            (&locked, "its key is locked with a passphrase"),
            (&broken, "its key is not base64"),
        ] {
            assert_eq!(why(text), format!("the key pair cannot be used: {reason}"));
        }
    }
}

//! The certificates of a provider: carriers of keys, and of a day on which somebody has to change them.
//!
//! Nobody signs them but themselves: a certificate is trusted because an administrator put it here, and only for the one
//! provider. That is why its dates do not decide on a login (saml-metadata-iop, section 2.6.1); `doctor` tells of them.

use data_encoding::{BASE64, HEXLOWER};
use kryptering::{EcCurve, KeyAlgorithm, SoftwareKey};
use sha2::{Digest as _, Sha256};
use x509_cert::der::{Decode as _, Encode as _};

use crate::clock::Time;
use crate::error::{Error, Kind, Result};

/// The longest certificate that is read, in bytes.
const LONGEST: usize = 16 * 1024;

/// The shortest modulus of an RSA key, in bits (NIST SP 800-131A).
const SHORTEST_RSA: usize = 2048;

/// A certificate whose key can check signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    not_before: Time,
    not_after: Time,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`] when it is no certificate, or its key is none that signatures are taken from.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        if der.len() > LONGEST {
            return Err(unread("it is longer than 16 KiB"));
        }
        let parsed =
            x509_cert::Certificate::from_der(der).map_err(|_| unread("it is not X.509 in DER"))?;
        let validity = &parsed.tbs_certificate.validity;
        let seconds = |time: &x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let certificate = Certificate {
            der: der.to_vec(),
            not_before: Time(seconds(&validity.not_before)),
            not_after: Time(seconds(&validity.not_after)),
        };
        certificate.key()?;
        Ok(certificate)
    }

    /// Reads PEM, or the bare base64 that stands in metadata.
    ///
    /// # Errors
    /// As [`Certificate::from_der`].
    pub fn from_text(text: &str) -> Result<Self> {
        if text.len() > 2 * LONGEST {
            return Err(unread("it is longer than 16 KiB"));
        }
        if let Some(error) = mistaken(text) {
            return Err(error);
        }
        let inner = match text.split_once("-----BEGIN CERTIFICATE-----") {
            Some((_, rest)) => {
                let (inner, after) = rest
                    .split_once("-----END CERTIFICATE-----")
                    .ok_or_else(|| unread("the PEM has no end"))?;
                if after.contains("-----BEGIN CERTIFICATE-----") {
                    return Err(unread("there are several; give them one by one"));
                }
                inner
            }
            None => text,
        };
        let bare: String = inner.split_ascii_whitespace().collect();
        let der = BASE64
            .decode(bare.as_bytes())
            .map_err(|_| unread("it is neither PEM nor base64"))?;
        Certificate::from_der(&der)
    }

    /// The certificate as it stands in messages and in the store.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// The last moment of its validity.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// SHA-256 over its DER, in lower-case hexadecimal digits: what vendors show as its thumbprint.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Certificate::fingerprint_of(&self.der)
    }

    /// The fingerprint of what may be one.
    #[must_use]
    pub fn fingerprint_of(der: &[u8]) -> String {
        HEXLOWER.encode(&Sha256::digest(der))
    }

    /// Its key for people: what it is, and how long.
    #[must_use]
    pub fn key_in_words(&self) -> String {
        let Ok(parsed) = x509_cert::Certificate::from_der(&self.der) else {
            return "no key".to_owned();
        };
        let key = &parsed
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key;
        // A point of a curve is a byte and two coordinates (SEC 1, section 2.3.3).
        match (key.raw_bytes().len(), modulus_bits(key.raw_bytes())) {
            (65, 0) => "P-256".to_owned(),
            (97, 0) => "P-384".to_owned(),
            (133, 0) => "P-521".to_owned(),
            (_, bits) => format!("RSA, {bits} bits"),
        }
    }

    /// Its public key as it stands there (`SubjectPublicKeyInfo` in DER).
    pub(super) fn public_key(&self) -> Result<Vec<u8>> {
        let parsed = x509_cert::Certificate::from_der(&self.der)
            .map_err(|_| unread("it is not X.509 in DER"))?;
        let public = &parsed.tbs_certificate.subject_public_key_info;
        public
            .to_der()
            .map_err(|_| unread("its key cannot be read"))
    }

    /// Its public key.
    pub(super) fn key(&self) -> Result<SoftwareKey> {
        let parsed = x509_cert::Certificate::from_der(&self.der)
            .map_err(|_| unread("it is not X.509 in DER"))?;
        let public = &parsed.tbs_certificate.subject_public_key_info;
        let spki = public
            .to_der()
            .map_err(|_| unread("its key cannot be read"))?;
        if let Ok(key) = SoftwareKey::from_spki_der(KeyAlgorithm::Rsa, &spki) {
            if modulus_bits(public.subject_public_key.raw_bytes()) < SHORTEST_RSA {
                return Err(unread("its RSA key is shorter than 2048 bits"));
            }
            return Ok(key);
        }
        [EcCurve::P256, EcCurve::P384, EcCurve::P521]
            .into_iter()
            .find_map(|curve| SoftwareKey::from_spki_der(KeyAlgorithm::Ec(curve), &spki).ok())
            .ok_or_else(|| {
                unread("its key is neither RSA nor on one of the curves P-256, P-384 and P-521")
            })
    }
}

/// What somebody took for a certificate.
fn mistaken(text: &str) -> Option<Error> {
    let text = text.trim_start();
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return None;
    }
    if text.is_empty() {
        Some(unread("it is empty"))
    } else if text.contains("PRIVATE KEY-----") {
        Some(unread("it is a private key").hint(
            "give the certificate, which the provider makes known; a key of theirs is for nobody else",
        ))
    } else if text.contains("-----BEGIN CERTIFICATE REQUEST") {
        Some(unread("it is a request for a certificate"))
    } else if text.starts_with('<') {
        Some(unread("it is XML").hint("--metadata FILE takes the metadata of a provider"))
    } else {
        None
    }
}

/// The bits of the modulus of an RSA key (`RSAPublicKey` of RFC 8017, appendix A.1.1).
fn modulus_bits(key: &[u8]) -> usize {
    use x509_cert::der::asn1::UintRef;
    use x509_cert::der::{Reader as _, SliceReader};
    let read = || {
        let mut reader = SliceReader::new(key)?;
        reader.sequence(|inner| {
            let modulus = UintRef::decode(inner)?;
            UintRef::decode(inner)?;
            let bytes = modulus.as_bytes();
            let zeros = bytes
                .first()
                .map_or(0, |byte| byte.leading_zeros() as usize);
            Ok(bytes.len() * 8 - zeros)
        })
    };
    read().unwrap_or(0)
}

fn unread(why: &str) -> Error {
    Error::new(
        Kind::InvalidValue,
        format!("the certificate cannot be used: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64_MIME;

    use super::super::testing::{CURVE, PROVIDER, SHORT};
    use super::*;

    #[test]
    fn pem_base64_and_der_are_the_same_certificate() {
        let pem = Certificate::from_text(PROVIDER).unwrap();
        assert_eq!(Certificate::from_der(pem.der()).unwrap(), pem);
        let folded = BASE64_MIME.encode(pem.der());
        assert_eq!(Certificate::from_text(&folded).unwrap(), pem);
        assert!(pem.not_before() < pem.not_after());
        assert_eq!(pem.fingerprint().len(), 64);
        assert_eq!(
            format!("{pem:?}"),
            format!("Certificate({})", pem.fingerprint())
        );
        assert_eq!(pem.key_in_words(), "RSA, 2048 bits");
        let curve = Certificate::from_text(CURVE).unwrap();
        assert_eq!(curve.key_in_words(), "P-256");
    }

    #[test]
    fn what_cannot_check_signatures_is_refused() {
        let why = |text: &str| Certificate::from_text(text).unwrap_err().message();
        assert_eq!(
            why(SHORT),
            "the certificate cannot be used: its RSA key is shorter than 2048 bits"
        );
        for text in [
            "",
            "AAAA",
            "not base64!",
            "-----BEGIN CERTIFICATE-----\nAAAA",
        ] {
            assert!(
                why(text).starts_with("the certificate cannot be used: "),
                "{text}"
            );
        }
        assert_eq!(
            why(&format!("{PROVIDER}{CURVE}")),
            "the certificate cannot be used: there are several; give them one by one"
        );
        assert!(Certificate::from_der(&vec![0x30; LONGEST + 1]).is_err());
    }
}

//! The key that signs OAuth tokens: ES256, the signature that verifiers in the wild know best beside RSA.
//!
//! The data key of purpose `token` is 32 random bytes, and no number on the curve yet; the scalar follows from it by
//! candidates that are tested (FIPS 186-5, A.2.2), so that the store keeps one kind of data key. What it promises: one
//! algorithm, one key. The library that reads tokens asks [`PROVIDER`] for a signature, and it knows no other than ES256
//! by a P-256 key: a token that says `none`, or HS256 with the public key as its secret, finds nobody who could verify it.

use hmac::Mac as _;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
    EllipticCurveKeyType, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p256::ecdsa::signature::{Error as SignatureError, Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Purpose, Vault, mac};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The frozen name of the step from the data key to the scalar. Changing it makes tokens unreadable.
const DERIVED: &[u8] = b"data_key.token.es256";
/// What the header of an access token says it is (RFC 9068, section 2.1).
const TYPE: &str = "at+jwt";
/// The bytes of a coordinate.
const COORDINATE: usize = 32;

/// The current key for tokens.
pub(crate) struct TokenKey {
    signing: EncodingKey,
    public: Jwk,
}

/// Why a token is not one that this key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// It is no token, or lacks what ours have.
    Malformed,
    /// It names another algorithm or another type of token.
    Algorithm,
    /// Its signature is not by this key.
    Signature,
}

impl Vault {
    /// The current key for tokens.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the store has none.
    pub(crate) fn token_key(&self) -> Result<TokenKey> {
        install();
        let key = self.current(Purpose::Token)?;
        // One candidate in four thousand million is no scalar.
        let mut found = None;
        for attempt in 0..=u8::MAX {
            let mut mac = mac(&key.key);
            mac.update(DERIVED);
            mac.update(&[attempt]);
            let candidate: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
            if let Ok(signing) = SigningKey::from_slice(candidate.as_ref()) {
                found = Some((signing, EncodingKey::from_ec_der(candidate.as_ref())));
                break;
            }
        }
        let (scalar, signing) =
            found.ok_or_else(|| Error::new(Kind::Storage, "the store's token key is unusable"))?;
        let public = public(scalar.verifying_key()).map_err(|error| unusable(&error))?;
        Ok(TokenKey { signing, public })
    }
}

impl TokenKey {
    /// The public half, as a set of keys lists it (RFC 7517). Its id is its thumbprint (RFC 7638): whoever has the key can
    /// compute it, and it says nothing of the store.
    pub(crate) fn public(&self) -> &Jwk {
        &self.public
    }

    /// Signs claims.
    ///
    /// # Errors
    /// [`Kind::Storage`] when the key is unusable.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<Secret> {
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: self.public.common.key_id.clone(),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &self.signing)
            .map(Secret::new)
            .map_err(|error| unusable(&error))
    }

    /// The claims of a token that this key signed. Who it is for and how long it is good is for the caller to judge: the
    /// clock of the library is not ours.
    pub(crate) fn verify<T: DeserializeOwned>(&self, token: &Secret) -> Result<T, Unsigned> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_jwk(&self.public).map_err(|_| Unsigned::Malformed)?;
        let read = jsonwebtoken::decode::<T>(token.expose(), &key, &validation);
        let read = read.map_err(|error| match error.kind() {
            ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Unsigned::Algorithm,
            ErrorKind::InvalidSignature => Unsigned::Signature,
            _ => Unsigned::Malformed,
        })?;
        // Something else that this key signed is no access token (RFC 8725, section 3.11).
        if read.header.typ.as_deref() != Some(TYPE) {
            return Err(Unsigned::Algorithm);
        }
        Ok(read.claims)
    }
}

fn unusable(error: &JwtError) -> Error {
    Error::new(Kind::Storage, "the store's token key is unusable")
        .because(anyhow::anyhow!("{error}"))
}

fn public(key: &VerifyingKey) -> Result<Jwk, JwtError> {
    let point = key.to_sec1_point(false);
    let bytes = point.as_bytes();
    // A byte that says "uncompressed", then both coordinates (SEC 1, section 2.3.3).
    let (x, y) = match bytes.split_at_checked(1) {
        Some(([4], both)) if both.len() == 2 * COORDINATE => both.split_at(COORDINATE),
        _ => return Err(ErrorKind::InvalidEcdsaKey.into()),
    };
    let text = |part: &[u8]| data_encoding::BASE64URL_NOPAD.encode(part);
    let mut jwk = Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::ES256),
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
            key_type: EllipticCurveKeyType::EC,
            curve: EllipticCurve::P256,
            x: text(x),
            y: text(y),
        }),
    };
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    Ok(jwk)
}

/// What signs and verifies for the library. It is the process's, and there is one: who comes second finds it there.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::ES256 => {
            let scalar = SigningKey::from_slice(key.as_bytes());
            Ok(Box::new(Es256(
                scalar.map_err(|_| ErrorKind::InvalidEcdsaKey)?,
            )))
        }
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::ES256 => {
            let point = VerifyingKey::from_sec1_bytes(key.try_get_as_bytes()?);
            Ok(Box::new(Es256(
                point.map_err(|_| ErrorKind::InvalidEcdsaKey)?,
            )))
        }
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        compute_digest: |bytes, hash| match hash {
            ThumbprintHash::SHA256 => Ok(Sha256::digest(bytes).to_vec()),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
    },
};

fn install() {
    // An error says that it is there already.
    let _ = PROVIDER.install_default();
}

/// A key of one half or the other, for ES256 and nothing else.
struct Es256<K>(K);

impl Signer<Vec<u8>> for Es256<SigningKey> {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        let signature: Signature = self.0.try_sign(message)?;
        Ok(signature.to_bytes().to_vec())
    }
}

impl JwtSigner for Es256<SigningKey> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

impl Verifier<Vec<u8>> for Es256<VerifyingKey> {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        self.0.verify(message, &Signature::from_slice(signature)?)
    }
}

impl JwtVerifier for Es256<VerifyingKey> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::tests::fresh;

    /// What this key signs one day for something else is no access token.
    #[test]
    fn another_type_of_token_is_none_of_ours() {
        let fresh = fresh();
        let key = fresh.store.vault().unwrap().token_key().unwrap();
        let claims = json!({ "sub": "a" });
        let good = key.sign(&claims).unwrap();
        assert_eq!(key.verify::<Value>(&good), Ok(claims.clone()));
        let header = Header::new(Algorithm::ES256);
        let other = jsonwebtoken::encode(&header, &claims, &key.signing).unwrap();
        let other = key.verify::<Value>(&other.as_str().into());
        assert_eq!(other, Err(Unsigned::Algorithm));
    }

    /// Changing how the scalar follows from the data key makes every token unreadable: it is known from outside.
    #[test]
    fn the_scalar_is_the_tested_candidate_of_the_data_key() {
        let fresh = fresh();
        let vault = fresh.store.vault().unwrap();
        let key = vault.token_key().unwrap();
        let data = vault.current(Purpose::Token).unwrap();
        let mut mac =
            <hmac::Hmac<Sha256> as hmac::KeyInit>::new_from_slice(data.key.as_ref()).unwrap();
        mac.update(b"data_key.token.es256\0");
        assert_eq!(
            key.signing.as_bytes(),
            mac.finalize().into_bytes().as_slice()
        );
    }
}

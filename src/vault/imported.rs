//! Password hashes of other systems: read, bounded, and compared until the next login replaces them.
//!
//! They were made without our pepper, so whoever has one can test guesses against it; they are kept sealed. What costs
//! more memory or time than a login may cost is refused when it is brought in, not when somebody logs in.

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use data_encoding::{BASE64, BASE64_NOPAD, Encoding};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::same;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The most memory an Argon2 hash may ask for, in KiB, and the most that its passes go over.
const ARGON2_KIB: u32 = 256 << 10;
const ARGON2_KIB_OF_PASSES: u64 = 1 << 20;
/// The most lanes.
const ARGON2_LANES: u32 = 16;
/// The costs of bcrypt: 2^cost rounds. Below 4 it is not defined (Provos and Mazières, "A Future-Adaptable Password
/// Scheme", section 4).
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=16;
/// How many bytes of a password bcrypt looks at.
const BCRYPT_BYTES: usize = 72;
/// The most iterations of PBKDF2.
const PBKDF2_ROUNDS: u32 = 5_000_000;
/// The shortest derived key that says something, and the longest that is one block of its digest, in bytes.
const PBKDF2_SHORTEST: usize = 16;
const PBKDF2_LONGEST: usize = 64;

/// The longest text of a hash, in bytes.
const LONGEST: usize = 1024;

/// A hash of another system, as it was written there.
#[derive(Clone)]
pub struct Imported {
    text: Secret,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Argon2,
    Bcrypt,
    Pbkdf2 {
        digest: Digest,
        rounds: u32,
        salt: Vec<u8>,
        key: Zeroizing<Vec<u8>>,
    },
}

#[derive(Clone, Copy)]
enum Digest {
    Sha256,
    Sha512,
}

impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Imported(…)")
    }
}

fn refused(why: &str) -> Error {
    Error::new(Kind::InvalidValue, format!("the password hash {why}")).hint(
        "it is Argon2 ($argon2id$…), bcrypt ($2b$…) or PBKDF2 ($pbkdf2-sha256$…, pbkdf2_sha256$…)",
    )
}

impl Imported {
    /// Reads a hash: Argon2 as PHC string, bcrypt, PBKDF2 with SHA-256 or SHA-512 as PHC string, as passlib or as Django
    /// write it.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`], which does not quote the hash.
    pub fn read(text: &str) -> Result<Imported> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(refused("is too long"));
        }
        let form = match text.split('$').collect::<Vec<_>>().as_slice() {
            ["", "argon2id" | "argon2i" | "argon2d", ..] => argon2(text)?,
            ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(cost, rest)?,
            ["", name, rounds, salt, key] if name.starts_with("pbkdf2-") => {
                let digest = digest(name.trim_start_matches("pbkdf2-"))?;
                phc_or_passlib(digest, rounds, salt, key)?
            }
            [name, rounds, salt, key] if name.starts_with("pbkdf2_") => {
                let digest = digest(name.trim_start_matches("pbkdf2_"))?;
                pbkdf2(digest, rounds, salt.as_bytes().to_vec(), key, &BASE64)?
            }
            _ => return Err(refused("is of a kind that is not read")),
        };
        Ok(Imported {
            text: Secret::new(text.to_owned()),
            form,
        })
    }

    /// The text, to be sealed.
    pub(crate) fn text(&self) -> &str {
        self.text.expose()
    }

    /// Whether it is the hash of a password.
    ///
    /// # Errors
    /// [`Kind::Storage`]: never "wrong password".
    pub(crate) fn is_of(&self, password: &Secret) -> Result<bool> {
        let plain = password.expose().as_bytes();
        let broken = |error: &dyn std::fmt::Display| {
            Error::new(
                Kind::Storage,
                "an imported password hash cannot be compared",
            )
            .because(anyhow::anyhow!("{error}"))
        };
        match &self.form {
            Form::Argon2 => {
                let hash = PasswordHash::new(self.text()).map_err(|error| broken(&error))?;
                match Argon2::default().verify_password(plain, &hash) {
                    Ok(()) => Ok(true),
                    Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(error) => Err(broken(&error)),
                }
            }
            // bcrypt repeats the password and a NUL until it has 72 bytes, so one with a NUL in it may look like another.
            Form::Bcrypt if plain.contains(&0) => Ok(false),
            Form::Bcrypt => bcrypt::verify(plain, self.text()).map_err(|error| broken(&error)),
            Form::Pbkdf2 {
                digest,
                rounds,
                salt,
                key,
            } => {
                let mut derived = Zeroizing::new(vec![0u8; key.len()]);
                match digest {
                    Digest::Sha256 => {
                        pbkdf2::pbkdf2_hmac::<Sha256>(plain, salt, *rounds, &mut derived);
                    }
                    Digest::Sha512 => {
                        pbkdf2::pbkdf2_hmac::<Sha512>(plain, salt, *rounds, &mut derived);
                    }
                }
                Ok(same(&derived, key))
            }
        }
    }
}

impl Imported {
    /// Whether no other password has the same hash: bcrypt looks at 72 bytes and no further.
    pub(crate) fn tells_all_of(&self, password: &Secret) -> bool {
        !matches!(self.form, Form::Bcrypt) || password.expose().len() <= BCRYPT_BYTES
    }
}

fn argon2(text: &str) -> Result<Form> {
    let hash = PasswordHash::new(text).map_err(|_| refused("cannot be read"))?;
    let params =
        Params::try_from(&hash).map_err(|_| refused("has parameters that are not allowed"))?;
    if params.m_cost() > ARGON2_KIB
        || u64::from(params.m_cost()) * u64::from(params.t_cost()) > ARGON2_KIB_OF_PASSES
        || params.p_cost() > ARGON2_LANES
    {
        return Err(refused("costs more than a login may cost"));
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(refused("lacks its salt or its hash"));
    }
    Ok(Form::Argon2)
}

fn bcrypt(cost: &str, rest: &str) -> Result<Form> {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let is_number = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || rest.len() != 53 || !rest.bytes().all(alphabet) {
        return Err(refused("cannot be read"));
    }
    match cost.parse() {
        Ok(cost) if BCRYPT_COST.contains(&cost) => Ok(Form::Bcrypt),
        _ => Err(refused("costs more or less than a login may cost")),
    }
}

fn digest(name: &str) -> Result<Digest> {
    match name {
        "sha256" => Ok(Digest::Sha256),
        "sha512" => Ok(Digest::Sha512),
        _ => Err(refused("is PBKDF2 with a digest that is not read")),
    }
}

/// `$pbkdf2-sha256$i=600000,l=32$salt$key` (PHC) or `$pbkdf2-sha256$29000$salt$key` (passlib, which writes `.` for `+`).
fn phc_or_passlib(digest: Digest, rounds: &str, salt: &str, key: &str) -> Result<Form> {
    let rounds = rounds
        .split(',')
        .find_map(|pair| pair.strip_prefix("i="))
        .unwrap_or(rounds);
    let salt = decode(&BASE64_NOPAD, &salt.replace('.', "+"))?;
    pbkdf2(digest, rounds, salt, &key.replace('.', "+"), &BASE64_NOPAD)
}

fn pbkdf2(
    digest: Digest,
    rounds: &str,
    salt: Vec<u8>,
    key: &str,
    encoding: &Encoding,
) -> Result<Form> {
    let rounds = rounds.parse().map_err(|_| refused("cannot be read"))?;
    if !(1..=PBKDF2_ROUNDS).contains(&rounds) {
        return Err(refused("costs more or less than a login may cost"));
    }
    let key = Zeroizing::new(decode(encoding, key)?);
    if !(PBKDF2_SHORTEST..=PBKDF2_LONGEST).contains(&key.len()) {
        return Err(refused("is too short or too long"));
    }
    Ok(Form::Pbkdf2 {
        digest,
        rounds,
        salt,
        key,
    })
}

fn decode(encoding: &Encoding, text: &str) -> Result<Vec<u8>> {
    encoding
        .decode(text.as_bytes())
        .map_err(|_| refused("cannot be read"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by the programs that write them, all of the password `correct horse`: argon2-cffi, bcrypt (as it says itself,
    /// as OpenBSD said, as PHP says), passlib, Django, and the PHC form of the same.
    const MADE: &[&str] = &[
        "$argon2id$v=19$m=256,t=2,p=1$2tkbhtQg/gST3HdpciaSNw$MwA7F/5rZhnUhn1pq98H99FJo3+RWF7xYm0Dp8Gcomg",
        "$argon2i$v=19$m=64,t=1,p=2$xTd7EGeMXuojozVoNLSLPw$diu3rJk7xdpTvEFTR1kBvFa20uwhy1aZPItUSqzg/d8",
        "$2b$04$szS2u1041Frh9mk3IEBL.e3Qa9C.fQia0g.hqkdSUJi.NOxFCDFDi",
        "$2a$04$5lKVSYg0Utrq6CGBX/76M.RfdDHDm/BWW8vnvggQRjE4xacO7aXNm",
        "$2y$04$5lKVSYg0Utrq6CGBX/76M.RfdDHDm/BWW8vnvggQRjE4xacO7aXNm",
        "$pbkdf2-sha256$1000$Twnh/B/jXOu9V2qNUUoJIQ$NeUUkDaOxzIx1cnBKuB1Jsp.4s3z3LDpc3ig9Q1dGVk",
        "$pbkdf2-sha256$i=1000,l=32$Twnh/B/jXOu9V2qNUUoJIQ$NeUUkDaOxzIx1cnBKuB1Jsp+4s3z3LDpc3ig9Q1dGVk",
        "$pbkdf2-sha512$1000$Pifk3Pt/r9UawxjDGIPwfg$RZgLCM2Gbk9hFHkZXfVKvOeUUHkBEn6jkEOMa9zmgxPOwE9xbKac8YDq.Hdn8Fcp1.zZ3P5bvBbyBXRezjy4ag",
        "pbkdf2_sha256$1000$saltySALT123$eShGjpKPm6Y3wDmOEBjyANjzV9eTHjbbulRRNLYPxpU=",
    ];

    #[test]
    fn what_other_programs_wrote_is_read() {
        for text in MADE {
            let hash = Imported::read(text).unwrap();
            assert!(hash.is_of(&"correct horse".into()).unwrap(), "{text}");
            assert!(!hash.is_of(&"correct horsf".into()).unwrap(), "{text}");
            assert!(!hash.is_of(&"".into()).unwrap(), "{text}");
        }
    }

    #[test]
    fn bcrypt_tells_nothing_beyond_its_72_bytes() {
        let hash = Imported::read(MADE[2]).unwrap();
        assert!(hash.tells_all_of(&"x".repeat(72).as_str().into()));
        assert!(!hash.tells_all_of(&"x".repeat(73).as_str().into()));
        assert!(!hash.is_of(&"correct horse\0correct horse".into()).unwrap());
        assert!(
            Imported::read(MADE[0])
                .unwrap()
                .tells_all_of(&"x".repeat(73).as_str().into())
        );
    }

    #[test]
    fn what_is_none_or_costs_too_much_is_refused_without_quoting_it() {
        for text in [
            "",
            "secret",
            "$1$abc$def",
            "{SSHA}abc",
            "$2b$03$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
            "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
            "$2b$10$tooshort",
            "$2b$+9$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
            "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=65536,t=99999,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=65536,t=1,p=1$c2FsdHNhbHQ",
            "$argon2id$v=19",
            "$argon2id$v=19$m=262144,t=5,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$1000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha1$1000$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$0$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$99999999999$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
            "$pbkdf2-sha256$1000$c2FsdA$AAAA",
            "pbkdf2_sha256$1000$salt$!!!!",
        ] {
            let error = Imported::read(text).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidValue, "{text}");
            let said = format!("{error:?}{}", error.message());
            assert!(text.is_empty() || !said.contains(text), "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\$(argon2id|2b|pbkdf2-sha256)|pbkdf2_sha512)?[$a-zA-Z0-9=,./+]{0,60}") {
            let _ = Imported::read(&text);
        }
    }
}

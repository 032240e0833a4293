//! Codes of authenticator apps (TOTP, RFC 6238): making a secret, its URI, and judging a code. No I/O.
//!
//! What it promises: comparisons take a time that does not tell which digit differed; a step at or below the last
//! consumed one is never accepted again, whatever the clock does.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use subtle::ConstantTimeEq as _;
use totp_rs::{Algorithm as Hash, Builder, Totp};
use zeroize::Zeroizing;

use crate::clock::{Source, Time};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// The hash of a TOTP (RFC 6238, section 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// HMAC-SHA-1: what apps expect.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// The word of the otpauth URI and of the store.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        }
    }

    fn hash(self) -> Hash {
        match self {
            Algorithm::Sha1 => Hash::SHA1,
            Algorithm::Sha256 => Hash::SHA256,
            Algorithm::Sha512 => Hash::SHA512,
        }
    }
}

impl FromSql for Algorithm {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_str()?;
        [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.code() == code)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// How a secret makes codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a code, 6 to 8.
    pub digits: u8,
    /// Seconds a code lives, 1 to 3600.
    pub period: u32,
}

impl Default for Parameters {
    /// What Google and Microsoft Authenticator read: SHA-1, 6 digits, 30 s.
    fn default() -> Self {
        Parameters {
            algorithm: Algorithm::Sha1,
            digits: 6,
            period: 30,
        }
    }
}

/// Bytes of a new secret: 160 bits, the length of SHA-1's output (RFC 4226, section 4, R6).
pub const SECRET_BYTES: usize = 20;

/// Draws a new secret.
///
/// # Errors
/// [`Kind::Io`] when the system gives no randomness.
pub(crate) fn new_secret(source: &dyn Source) -> Result<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(vec![0u8; SECRET_BYTES]);
    source.fill(&mut secret)?;
    Ok(secret)
}

/// A secret as people type it into an app: base32 without padding (RFC 4648, section 6).
#[must_use]
pub(crate) fn base32(secret: &[u8]) -> Secret {
    Secret::new(data_encoding::BASE32_NOPAD.encode(secret))
}

/// The `otpauth://totp/ISSUER:LOGIN?…` URI that apps read.
///
/// # Errors
/// [`Kind::InvalidValue`] for an issuer or login the URI cannot carry.
pub(crate) fn uri(
    secret: &[u8],
    parameters: Parameters,
    issuer: &str,
    login: &str,
) -> Result<Secret> {
    let issuer = Some(issuer.trim()).filter(|issuer| !issuer.is_empty());
    let failed = |error: totp_rs::TotpError| {
        Error::new(
            Kind::InvalidValue,
            "the login or the issuer does not fit into an authenticator app's URI",
        )
        .because(anyhow::anyhow!("{error}"))
    };
    let totp = builder(secret, parameters)
        .with_issuer(issuer)
        .with_account_name(login)
        .build()
        .map_err(failed)?;
    totp.to_url().map(Secret::new).map_err(failed)
}

fn builder(secret: &[u8], parameters: Parameters) -> Builder {
    Builder::new()
        .with_secret(secret.to_vec())
        .with_algorithm(parameters.algorithm.hash())
        .with_digits(parameters.digits)
        .with_step_duration(u64::from(parameters.period))
}

/// What a code is, at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Right, and the step it belongs to ends at this second: from now on nothing at or before it is accepted.
    Right {
        /// The second at which the consumed step ends.
        ends_at: Time,
    },
    /// Right, but its step or a later one was consumed before.
    Replay,
    /// None of the codes around now.
    Wrong,
}

/// Judges a code within `drift` steps on each side of `now`. `consumed_until` is the second at which the last consumed
/// step ended.
///
/// # Errors
/// [`Kind::Storage`] for a stored secret no code can be made with.
pub(crate) fn judge(
    secret: &[u8],
    parameters: Parameters,
    code: &Secret,
    now: Time,
    drift: i64,
    consumed_until: Time,
) -> Result<Judged> {
    let Some(code) = normalised(code, parameters.digits) else {
        return Ok(Judged::Wrong);
    };
    let totp = generator(secret, parameters)?;
    let period = i64::from(parameters.period);
    let step = now.0.div_euclid(period);
    let mut judged = Judged::Wrong;
    // Every step of the window is compared, so that the time does not tell which one matched; of two steps with one
    // code the newer wins, for it leaves nothing to replay.
    for candidate in step - drift..=step + drift {
        let Ok(start) = u64::try_from(candidate * period) else {
            continue;
        };
        let expected = Zeroizing::new(totp.generate(start).to_string());
        let matches: bool = expected.as_bytes().ct_eq(code.as_bytes()).into();
        let ends_at = Time((candidate + 1) * period);
        if matches && ends_at > consumed_until {
            judged = Judged::Right { ends_at };
        } else if matches && judged == Judged::Wrong {
            judged = Judged::Replay;
        }
    }
    Ok(judged)
}

fn generator(secret: &[u8], parameters: Parameters) -> Result<Totp> {
    let sound = (6..=8).contains(&parameters.digits)
        && (1..=3600).contains(&parameters.period)
        && !secret.is_empty();
    if !sound {
        return Err(Error::new(
            Kind::Storage,
            "an authenticator app's secret makes no codes",
        ));
    }
    // `build` refuses the short secrets of old imports; the bounds that matter were checked above.
    Ok(builder(secret, parameters).build_noncompliant())
}

/// A code as apps show it, without the spaces people type: exactly `digits` digits, or nothing.
fn normalised(code: &Secret, digits: u8) -> Option<Zeroizing<String>> {
    let plain: Zeroizing<String> = Zeroizing::new(
        code.expose()
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect(),
    );
    let sound =
        plain.len() == usize::from(digits) && plain.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEVER: Time = Time(0);

    /// RFC 6238, appendix B: the secrets are the ASCII digits repeated to the length of the hash.
    #[test]
    fn rfc_6238_appendix_b() {
        let secret = |length: usize| {
            b"1234567890"
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect::<Vec<u8>>()
        };
        for (now, sha1, sha256, sha512) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ] {
            for (algorithm, length, code) in [
                (Algorithm::Sha1, 20, sha1),
                (Algorithm::Sha256, 32, sha256),
                (Algorithm::Sha512, 64, sha512),
            ] {
                let parameters = Parameters {
                    algorithm,
                    digits: 8,
                    period: 30,
                };
                let judged = judge(
                    &secret(length),
                    parameters,
                    &code.into(),
                    Time(now),
                    0,
                    NEVER,
                )
                .unwrap();
                assert_eq!(
                    judged,
                    Judged::Right {
                        ends_at: Time((now / 30 + 1) * 30)
                    },
                    "{algorithm:?} at {now}"
                );
            }
        }
    }

    /// RFC 4226, appendix D: counters 0 to 9, six digits.
    #[test]
    fn rfc_4226_appendix_d() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (counter, code) in (0i64..).zip(codes) {
            let judged = judge(
                b"12345678901234567890",
                Parameters::default(),
                &code.into(),
                Time(counter * 30),
                0,
                NEVER,
            )
            .unwrap();
            assert_eq!(
                judged,
                Judged::Right {
                    ends_at: Time((counter + 1) * 30)
                },
                "counter {counter}"
            );
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        for (typed, right) in [
            ("287082", true),
            ("287 082", true),
            (" 287082\n", true),
            ("28708", false),
            ("2870822", false),
            ("28708x", false),
            ("", false),
        ] {
            let judged = judge(
                b"12345678901234567890",
                Parameters::default(),
                &typed.into(),
                Time(30),
                0,
                NEVER,
            )
            .unwrap();
            assert_eq!(judged != Judged::Wrong, right, "{typed:?}");
        }
    }

    #[test]
    fn the_uri_is_what_apps_read() {
        let uri = uri(
            b"12345678901234567890",
            Parameters::default(),
            "Acme Co",
            "alice@example.com",
        )
        .unwrap();
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Acme%20Co:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20Co"
        );
    }

    proptest! {
        /// However the clock jumps, no step is accepted twice, and none after a later one.
        #[test]
        fn accepted_steps_only_rise(jumps in prop::collection::vec((0i64..40_000, -3i64..=3), 1..40), drift in 0i64..3) {
            let secret = b"12345678901234567890";
            let parameters = Parameters::default();
            let mut watermark = NEVER;
            for (now, offset) in jumps {
                let now = Time(1_000_000 + now);
                let step = (now.0 / 30 + offset) * 30;
                let code = generator(secret, parameters).unwrap().generate(u64::try_from(step).unwrap()).to_string();
                if let Judged::Right { ends_at } = judge(secret, parameters, &Secret::new(code), now, drift, watermark).unwrap() {
                    prop_assert!(ends_at > watermark);
                    prop_assert!((ends_at.0 - 30 - now.0 / 30 * 30).abs() <= drift * 30);
                    watermark = ends_at;
                }
            }
        }
    }
}

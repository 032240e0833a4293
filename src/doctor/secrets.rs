//! Secrets of apps that protect nobody: too short, published, or of several users.
//!
//! None is opened. How long one is shows in the length of the sealed value, and what it is in its fingerprint.

use std::collections::BTreeSet;

use super::finding::{Findings, Tally};
use super::moments::logins;
use super::{Looked, Patient};
use crate::authenticator::fingerprint;
use crate::error::Result;
use crate::name::{argument, counted};
use crate::vault;

/// The shortest secret, in bytes: 128 bits (RFC 4226, section 4, R6).
const SHORTEST: usize = 16;

/// Secrets that stand in specifications and manuals, where people copy them from.
const PUBLISHED: &[&[u8]] = &[
    // RFC 4226, appendix D, and RFC 6238, appendix B, for SHA-1, SHA-256 and SHA-512.
    b"12345678901234567890",
    b"12345678901234567890123456789012",
    b"1234567890123456789012345678901234567890123456789012345678901234",
    // JBSWY3DPEHPK3PXP of Google Authenticator's "Key Uri Format", and the same twice, as those write it who were told that it is
    // too short.
    b"Hello!\xde\xad\xbe\xef",
    b"Hello!\xde\xad\xbe\xefHello!\xde\xad\xbe\xef",
    // HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ of the same page.
    b"\x3d\xc6\xca\xa4\x82\x4a\x6d\x28\x87\x67\xb2\x33\x1e\x20\xb4\x31\x66\xcb\x85\xd9",
    // The examples of totp-rs, and of what is written with it.
    b"TestSecretSuperSecret",
];

const SHORT: &str = "SELECT login FROM authenticator JOIN user ON user.id = authenticator.user
    WHERE length(secret) < ?1 ORDER BY login";

const OF_FINGERPRINT: &str =
    "SELECT login FROM authenticator JOIN user ON user.id = authenticator.user
    WHERE fingerprint = ?1 ORDER BY login";

/// Read from the index alone.
const SHARED: &str =
    "SELECT fingerprint FROM authenticator GROUP BY fingerprint HAVING count(*) > 1";

pub(super) fn secrets(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let short = logins(store, SHORT, [vault::sealed_length(SHORTEST)])?;
    let connect = |login: &str| format!("twofa authenticator connect {}", argument(login));
    if short.count > 0 {
        let message = format!(
            "{} a secret of fewer than 128 bits: {}. Each needs to be connected anew.",
            counted(short.count, "app has", "apps have"),
            short.listed()
        );
        out.add("short_secret", short.count, message)
            .names(&short.names)
            .mend_each(connect);
    }
    let mut query = store.db().prepare(SHARED)?;
    let shared = query
        .query_map([], |row| row.get::<_, Vec<u8>>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut users = Tally::default();
    for print in &shared {
        let mut query = store.db().prepare_cached(OF_FINGERPRINT)?;
        let mut rows = query.query([print])?;
        while let Some(row) = rows.next()? {
            users.add(row.get::<_, String>(0)?);
        }
    }
    if users.count > 0 {
        let message = format!(
            "{} share {}: {}. Each needs to be connected anew.",
            counted(users.count, "app", "apps"),
            counted(shared.len() as u64, "secret", "secrets"),
            users.listed()
        );
        out.add("shared_secret", users.count, message)
            .names(&users.names)
            .mend_each(connect);
    }
    // Last: without the key file these are not known, and the others are.
    let published = PUBLISHED
        .iter()
        .map(|secret| fingerprint(store, secret).map(Vec::from))
        .collect::<Result<BTreeSet<Vec<u8>>>>()?;
    let mut known = Tally::default();
    for print in &published {
        for login in logins(store, OF_FINGERPRINT, [print])?.names {
            known.add(login);
        }
    }
    if known.count > 0 {
        let message = format!(
            "{} a secret that stands in a manual: {}. Each needs to be connected anew.",
            counted(known.count, "app has", "apps have"),
            known.listed()
        );
        out.add("published_secret", known.count, message)
            .names(&known.names)
            .mend_each(connect);
    }
    Ok(Looked::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_secrets_are_those_of_their_pages() {
        for written in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "JBSWY3DPEHPK3PXP",
            "HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ",
        ] {
            let secret = data_encoding::BASE32.decode(written.as_bytes()).unwrap();
            assert!(
                PUBLISHED.contains(&secret.as_slice()),
                "{written} {secret:x?}"
            );
        }
    }

    #[test]
    fn a_secret_of_128_bits_is_long_enough() {
        let fresh = crate::store::tests::fresh();
        let vault = fresh.store.vault().unwrap();
        let seal = |secret: &[u8]| {
            let label = crate::authenticator::SECRET;
            vault.seal(label, 1, secret, fresh.store.source()).unwrap()
        };
        let shortest = usize::try_from(vault::sealed_length(SHORTEST)).unwrap();
        assert_eq!(seal(&[1; SHORTEST]).len(), shortest);
        assert_eq!(seal(&[1; SHORTEST - 1]).len(), shortest - 1);
    }

    #[test]
    fn shared_secrets_are_read_from_the_index() {
        let fresh = crate::store::tests::fresh();
        let plan = |sql: &str| -> String {
            let db = fresh.store.db();
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            db.query_row(&sql, [], |row| row.get(3)).unwrap()
        };
        assert_eq!(
            plan(SHARED),
            "SCAN authenticator USING COVERING INDEX authenticator_fingerprint"
        );
        assert!(
            plan(&OF_FINGERPRINT.replace("?1", "x'00'")).starts_with("SEARCH authenticator USING")
        );
    }
}

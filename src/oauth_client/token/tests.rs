//! Tokens that nobody should take: each is refused for its own reason, and in bounded time.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::value::RawValue;

use super::*;
use crate::store::tests::fresh;

/// What is wrong with a token.
fn reason(store: &Store, token: &str) -> String {
    let error = check(store, &token.into(), None).unwrap_err();
    assert_eq!(error.kind(), Kind::TokenRefused, "{error}");
    error.detail()["reason"].as_str().unwrap().to_owned()
}

/// A token that this store's key signed, whatever it says.
fn signed(store: &Store, claims: &str) -> String {
    let claims = RawValue::from_string(claims.to_owned()).unwrap();
    let key = store.vault().unwrap().token_key().unwrap();
    key.sign(&claims).unwrap().expose().to_owned()
}

fn encoded(text: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(text.as_bytes())
}

#[test]
fn what_is_no_token_is_told_so_whoever_signed_it() {
    let fresh = fresh();
    let store = &fresh.store;
    let whole = format!(
        r#"{{"iss":"{}","sub":"s","aud":"a","client_id":"c","iat":0,"exp":9999999999,"jti":"1.a""#,
        issuer(store)
    );
    // As it should be it gets as far as its client.
    assert_eq!(
        reason(store, &signed(store, &format!("{whole}}}"))),
        "revoked"
    );
    let deep = "[".repeat(400) + &"]".repeat(400);
    // What nobody asks for is passed over, however deep it is.
    let more = signed(store, &format!(r#"{whole},"more":{deep}}}"#));
    assert_eq!(reason(store, &more), "revoked");
    for claims in [
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        // Twice the same claim: readers differ on which one counts.
        format!(r#"{whole},"exp":1}}"#),
        format!(r#"{whole},"aud":"b"}}"#),
        format!(r#"{whole},"scope":["a"]}}"#),
        whole.replace(r#""exp":9999999999"#, r#""exp":"9999999999""#) + "}",
        whole.replace(r#""exp":9999999999"#, r#""exp":1e99"#) + "}",
        whole.replace(r#""aud":"a""#, r#""aud":["a"]"#) + "}",
        whole.replace(r#""aud":"a""#, &format!(r#""aud":{deep}"#)) + "}",
    ] {
        assert_eq!(
            reason(store, &signed(store, &claims)),
            "malformed",
            "{claims}"
        );
    }
}

#[test]
fn the_header_chooses_no_other_way_to_verify() {
    let fresh = fresh();
    let store = &fresh.store;
    let good = signed(store, "{}");
    let parts: Vec<&str> = good.split('.').collect();
    let with = |header: &str| format!("{}.{}.{}", encoded(header), parts[1], parts[2]);
    for (header, expected) in [
        (r#"{"alg":"none"}"#, "malformed"),
        (r#"{"alg":"None"}"#, "malformed"),
        (r#"{"alg":"HS256"}"#, "algorithm"),
        (r#"{"alg":"ES384"}"#, "algorithm"),
        (r#"{"alg":"EdDSA"}"#, "algorithm"),
        (r#"{"alg":"ES256","alg":"none"}"#, "malformed"),
        (r#"{"alg":"ES256","typ":"at+jwt"}"#, "signature"),
        (r#"{"alg":"ES256","crit":["exp"]}"#, "malformed"),
    ] {
        assert_eq!(reason(store, &with(header)), expected, "{header}");
    }
    // Without a signature, and with one that fits nothing.
    for tail in ["", "AA", "!", &"A".repeat(86)] {
        let token = format!("{}.{}.{tail}", parts[0], parts[1]);
        assert!(
            matches!(reason(store, &token).as_str(), "signature" | "malformed"),
            "{tail}"
        );
    }
}

#[test]
fn a_mebibyte_is_refused_before_it_is_read() {
    let fresh = fresh();
    for piece in ["a", ".", "{", "[", "eyJhbGciOiJFUzI1NiJ9."] {
        let token = piece.repeat((1 << 20) / piece.len());
        let error = check(&fresh.store, &token.as_str().into(), None).unwrap_err();
        assert_eq!(
            error.message(),
            "the token is not good: it is longer than any of ours"
        );
    }
}

#[test]
fn the_key_is_one_however_often_it_is_asked_for() {
    let fresh = fresh();
    let id = || {
        let key = fresh.store.vault().unwrap().token_key().unwrap();
        key.public().common.key_id.clone().unwrap()
    };
    assert_eq!(id(), id());
    assert_eq!(id().len(), 43);
}

#[test]
fn nothing_that_is_typed_panics_or_is_good() {
    let fresh = fresh();
    let typed = "\\PC{0,60}|([A-Za-z0-9_-]{0,40}\\.){0,4}[A-Za-z0-9_-]{0,40}";
    let judge = |token: String| {
        prop_assert!(check(&fresh.store, &token.as_str().into(), None).is_err());
        Ok(())
    };
    TestRunner::default().run(&typed, judge).unwrap();
}

/// Of a good token one letter is another.
#[test]
fn no_letter_may_differ() {
    let fresh = fresh();
    let token = signed(&fresh.store, r#"{"iss":"x"}"#);
    let change = (any::<prop::sample::Index>(), "[A-Za-z0-9_-]");
    let judge = |(at, to): (prop::sample::Index, String)| {
        let at = at.index(token.len());
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        if changed != token {
            let error = check(&fresh.store, &changed.as_str().into(), None).unwrap_err();
            prop_assert_eq!(error.kind(), Kind::TokenRefused);
        }
        Ok(())
    };
    TestRunner::default().run(&change, judge).unwrap();
}

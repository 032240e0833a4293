//! What others were broken by, end to end: each attack is refused with its own reason in the log, and spoils nothing. The
//! corpus itself is that of `sso`; here is of each kind one.

use super::To;
use super::tests::{World, made};
use crate::sso::testing::{ACS, Made, STRANGER, Signing};

/// Each is refused for its own reason. It could have been anybody who sent it: the login waits for its answer still.
fn refused(attacks: impl IntoIterator<Item = (&'static str, impl Fn(&str) -> String)>) {
    let world = World::new();
    for (word, attack) in attacks {
        let (token, request) = world.send(Some("alice"));
        let verdict = world.answer(To::Challenge(&token), &attack(&request));
        let told = world.word(&verdict);
        assert_eq!(told.split(' ').next(), Some(word));
        let answer = made(&request, |_| ());
        let good = world.answer(To::Challenge(&token), &answer);
        assert_eq!(world.word(&good), "in granted alice", "{word}");
    }
}

type Change = fn(&mut Made);

#[test]
fn what_a_provider_would_not_sign() {
    let changes: [(&str, Change); 7] = [
        ("saml_unsigned", |made| made.assertion = None),
        ("saml_signature", |made| {
            let key = STRANGER;
            made.assertion = Some(Signing {
                key,
                ..Signing::default()
            });
        }),
        ("saml_sha1", |made| {
            let method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
            made.assertion = Some(Signing {
                method,
                ..Signing::default()
            });
        }),
        ("saml_audience", |made| {
            made.conditions = made.conditions.replace("sp.example.org", "sp.example.net");
        }),
        ("saml_recipient", |made| {
            made.confirmation = made.confirmation.replace(ACS, "https://other.example/acs");
        }),
        ("saml_issuer", |made| {
            made.issuer = "https://other.example".to_owned();
        }),
        ("saml_expired", |made| {
            let past = "2026-01-31T11:56:00Z";
            made.conditions = made.conditions.replace("2026-01-31T12:05:00.500Z", past);
        }),
    ];
    refused(changes.map(|(word, change)| (word, move |request: &str| made(request, change))));
}

type Spoil = fn(String) -> String;

#[test]
fn what_is_done_to_what_it_signed() {
    let spoils: [(&str, Spoil); 5] = [
        ("saml_signature", |xml| xml.replacen("alice@", "admin@", 1)),
        ("saml_comment", |xml| {
            let cut = "alice@example.com<!---->.evil.example";
            xml.replacen("alice@example.com", cut, 1)
        }),
        ("saml_several_assertions", |xml| {
            let begin = xml.find("<saml:Assertion").unwrap();
            let end = xml.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
            let evil = xml[begin..end]
                .replace("alice", "admin")
                .replace("_assertion", "_evil");
            format!("{}{evil}{}", &xml[..begin], &xml[begin..])
        }),
        ("saml_dtd", |xml| {
            format!(r#"<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>{xml}"#)
        }),
        ("saml_dtd", |xml| {
            let mut bomb = String::new();
            for at in 0..20 {
                bomb += &format!(r#"<!ENTITY l{} "&l{at};&l{at};&l{at};">"#, at + 1);
            }
            format!(r#"<!DOCTYPE r [<!ENTITY l0 "lol">{bomb}]>{xml}"#)
        }),
    ];
    let good = |request: &str| made(request, |_| ());
    refused(spoils.map(|(word, spoil)| (word, move |request: &str| spoil(good(request)))));
}

#[test]
fn what_is_none_and_costs_much_to_read() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let hostile = [
        ("saml_too_deep", nested(10_000)),
        // Ten megabytes of it.
        ("saml_too_large", nested(1_500_000)),
        ("saml_malformed", "hello".to_owned()),
    ];
    refused(hostile.map(|(word, text)| (word, move |_: &str| text.clone())));
}

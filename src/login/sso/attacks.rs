//! What others were broken by, end to end: each attack is refused with its own reason in the log, and spoils nothing.

use super::To;
use super::tests::{World, made};
use crate::sso::testing::{ACS, Made, STRANGER, Signing};

/// What the issue names, each refused with its own reason in the log, and none lets anybody in.
#[test]
fn each_attack_has_its_reason_in_the_log() {
    let world = World::new();
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let dtd = |what: &str| format!("<!DOCTYPE samlp:Response [{what}]>");
    let bomb: String = (0..20)
        .map(|at| format!(r#"<!ENTITY l{} "&l{at};&l{at};&l{at};">"#, at + 1))
        .collect();
    type Attack<'a> = (&'a str, Box<dyn Fn(&str) -> String + 'a>);
    let good = |request: &str| made(request, |_| ());
    let with = |change: fn(&mut Made)| move |request: &str| made(request, change);
    let attacks: Vec<Attack<'_>> = vec![
        (
            "saml_unsigned",
            Box::new(with(|made| made.assertion = None)),
        ),
        (
            "saml_signature",
            Box::new(with(|made| {
                made.assertion = Some(Signing {
                    key: STRANGER,
                    ..Signing::default()
                });
            })),
        ),
        (
            "saml_sha1",
            Box::new(with(|made| {
                let method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
                made.assertion = Some(Signing {
                    method,
                    ..Signing::default()
                });
            })),
        ),
        (
            "saml_comment",
            Box::new(|request| {
                good(request).replacen(
                    "alice@example.com",
                    "alice@example.com<!---->.evil.example",
                    1,
                )
            }),
        ),
        (
            "saml_signature",
            Box::new(|request| good(request).replacen("alice@example.com", "admin@example.com", 1)),
        ),
        (
            "saml_several_assertions",
            Box::new(|request| {
                let xml = good(request);
                let begin = xml.find("<saml:Assertion").unwrap();
                let end = xml.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
                let evil = xml[begin..end]
                    .replace("alice", "admin")
                    .replace("_assertion", "_evil");
                format!("{}{evil}{}", &xml[..begin], &xml[begin..])
            }),
        ),
        (
            "saml_audience",
            Box::new(with(|made| {
                made.conditions = made.conditions.replace("sp.example.org", "sp.example.net")
            })),
        ),
        (
            "saml_recipient",
            Box::new(with(|made| {
                made.confirmation = made.confirmation.replace(ACS, "https://other.example/acs")
            })),
        ),
        (
            "saml_issuer",
            Box::new(with(|made| {
                made.issuer = "https://other.example".to_owned()
            })),
        ),
        (
            "saml_expired",
            Box::new(with(|made| {
                made.conditions = made
                    .conditions
                    .replace("2026-01-31T12:05:00.500Z", "2026-01-31T11:56:00Z");
            })),
        ),
        ("saml_dtd", Box::new(|request| dtd("") + &good(request))),
        (
            "saml_dtd",
            Box::new(|request| dtd(r#"<!ENTITY x SYSTEM "file:///etc/passwd">"#) + &good(request)),
        ),
        (
            "saml_dtd",
            Box::new(|request| dtd(&format!(r#"<!ENTITY l0 "lol">{bomb}"#)) + &good(request)),
        ),
        ("saml_too_deep", Box::new(|_| nested(10_000))),
        ("saml_too_large", Box::new(|_| nested(1_500_000))),
        ("saml_malformed", Box::new(|_| "hello".to_owned())),
    ];
    for (word, attack) in attacks {
        let (token, request) = world.send(Some("alice"));
        let verdict = world.answer(To::Challenge(&token), &attack(&request));
        let told = world.word(&verdict);
        assert_eq!(told.split(' ').next(), Some(word));
        // It could have been anybody who sent that: the login waits for its answer still.
        let answer = made(&request, |_| ());
        let good = world.answer(To::Challenge(&token), &answer);
        assert_eq!(world.word(&good), "in granted alice", "{word}");
    }
}

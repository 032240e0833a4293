//! What others were broken by, end to end: each attack is refused with its own reason in the log, and spoils nothing. The
//! corpus itself is that of `sso`; here is of each kind one.

use super::To;
use super::tests::{World, made, says};
use crate::sso::testing::{ACS, Made, REQUEST, STRANGER, Signing};

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

/// A login that nobody asked for here, which the provider may begin.
fn begun(change: impl FnOnce(&mut Made)) -> String {
    made(REQUEST, |made| {
        let answer = format!(r#" InResponseTo="{REQUEST}""#);
        made.head = made.head.replace(&answer, "");
        made.confirmation = made.confirmation.replace(&answer, "");
        change(made);
    })
}

/// Two providers may have one entity id and one certificate (two sets of rules for one tenant): what counted with one of
/// them has counted.
#[test]
fn an_assertion_counts_once_for_all_rows_of_its_provider() {
    let world = World::new();
    world.sql(
        "UPDATE idp SET may_begin = 1;
         INSERT INTO idp (id, name, name_key, kind, enabled, entity_id, sso_url, own_entity_id, acs_url, may_begin,
             employees, externals, created_at)
             SELECT 22, 'second', 'second', kind, 1, entity_id, sso_url, own_entity_id, acs_url, 1, employees, externals, 0
             FROM idp WHERE id = 21;
         INSERT INTO idp_certificate (idp, fingerprint, der, not_before_at, not_after_at)
             SELECT 22, fingerprint, der, 0, 1 FROM idp_certificate WHERE idp = 21",
    );
    let xml = begun(|_| ());
    let first = world.answer(To::Nothing("entra"), &xml);
    assert_eq!(world.word(&first), "in granted alice");
    let again = world.answer(To::Nothing("second"), &xml);
    assert_eq!(world.word(&again), "saml_replay sso_used ");
    // Of another provider an id says nothing.
    world.sql("DELETE FROM sso_assertion WHERE idp = 22; UPDATE idp SET entity_id = 'urn:other' WHERE id = 21");
    let other = world.answer(To::Nothing("second"), &xml);
    assert_eq!(world.word(&other), "in granted alice");
}

/// Letters that lower case makes the same: the Kelvin sign is another letter than K, and may be another user there.
#[test]
fn a_sign_that_is_written_as_a_letter_is_another_name() {
    let world = World::new();
    world.sql(
        "INSERT INTO user (id, login, type, created_at) VALUES (15, 'kate', 'employee', 0), (16, 'åsa', 'employee', 0);
         INSERT INTO identity VALUES ('kate', 15, 1, 0), ('åsa', 16, 1, 0)",
    );
    for (name, comes) in [
        ("\u{212a}ate", "sso_unknown_user sso_refused "),
        ("\u{212b}sa", "sso_unknown_user sso_refused "),
        ("KATE", "in granted kate"),
        ("Åsa", "in granted åsa"),
    ] {
        let (token, request) = world.send(None);
        let xml = made(&request, |made| {
            made.name_id = format!("<saml:NameID>{name}</saml:NameID>");
        });
        let verdict = world.answer(To::Challenge(&token), &xml);
        assert_eq!(world.word(&verdict), comes, "{name}");
    }
}

/// A provider that says much fills neither the log nor an answer.
#[test]
fn what_was_found_is_cut_whoever_said_it() {
    let world = World::new();
    world.sql("UPDATE idp SET login_attribute = 'uid'");
    for login in [None, Some("alice")] {
        let (token, request) = world.send(login);
        let long = "x".repeat(50_000);
        let xml = made(&request, |made| {
            made.attributes = says(&[("uid", &[&long])]);
        });
        let verdict = world.answer(To::Challenge(&token), &xml);
        world.word(&verdict);
        let found = verdict.sso.unwrap().found.unwrap();
        assert_eq!(found.chars().count(), 201, "{login:?}");
        assert_eq!(
            world.told("SELECT length(json_extract(detail, '$.found')) FROM audit ORDER BY seq DESC LIMIT 1"),
            "201"
        );
    }
}

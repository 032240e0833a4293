//! Tests of what an assertion has to say, to whom and when, once its signature is right.

use super::testing::{ACS, ENTITY, Made, NOW, REQUEST, Signing, judged, judged_by, word};
use super::{Asserted, Attribute, NameId, Refused, SecondFactor};
use crate::clock::Time;

fn by(change: impl FnOnce(&mut Made)) -> Made {
    let mut made = Made::default();
    change(&mut made);
    made
}

fn at(now: Time, made: &Made) -> Result<Asserted, Refused> {
    judged_by(&made.xml(), Some(REQUEST), now, |_, _| {})
}

fn refused(result: Result<Asserted, Refused>) -> &'static str {
    result.map_or_else(|refused| refused.why.word(), |_| "believed")
}

#[test]
fn what_was_asserted_is_told_whole() {
    let asserted = judged(&Made::default().xml()).unwrap();
    assert_eq!(
        asserted,
        Asserted {
            name_id: NameId {
                value: "alice@example.com".to_owned(),
                format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned()),
            },
            assertion_id: "_assertion".to_owned(),
            remember_until: NOW.plus(300 + 180),
            session_index: Some("_session".to_owned()),
            contexts: vec![
                "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport".to_owned()
            ],
            second_factor: false,
            authn_at: Some(NOW),
            attributes: vec![Attribute {
                name: "groups".to_owned(),
                friendly_name: Some("Groups".to_owned()),
                values: vec!["Staff".to_owned(), "Ops".to_owned()],
            }],
            unread: Vec::new(),
            in_response_to: Some(REQUEST.to_owned()),
            not_on_or_after: NOW.plus(300),
        }
    );
}

/// What the fuzzer begins with is what the others begin with.
#[test]
fn the_response_in_the_file_is_the_good_one() {
    let file = include_str!("../../tests/saml/signed.xml");
    assert_eq!(file.trim_end(), Made::default().xml());
}

#[test]
fn it_is_for_us_and_from_the_provider() {
    let other = "https://elsewhere.example.net/acs";
    let made = by(|made| made.head = made.head.replace(ACS, other));
    let why = judged(&made.xml()).unwrap_err();
    assert_eq!(why.why.word(), "saml_destination");
    assert_eq!(why.found.as_deref(), Some(other));
    let made = by(|made| made.confirmation = made.confirmation.replace(ACS, other));
    assert_eq!(word(&made.xml()), "saml_recipient");
    let made =
        by(|made| made.conditions = made.conditions.replace("sp.example.org", "sp.example.net"));
    assert_eq!(word(&made.xml()), "saml_audience");
    let made = by(|made| made.conditions.clear());
    assert_eq!(word(&made.xml()), "saml_audience");
    let made = by(|made| made.issuer = "https://idp.example.com/metadata/".to_owned());
    assert_eq!(word(&made.xml()), "saml_issuer");
    let second = "<saml:AudienceRestriction><saml:Audience>urn:other</saml:Audience></saml:AudienceRestriction></saml:Conditions>";
    let made = by(|made| made.conditions = made.conditions.replace("</saml:Conditions>", second));
    assert_eq!(word(&made.xml()), "saml_audience");
    let unknown = r#"<x:Only xmlns:x="urn:x"/></saml:Conditions>"#;
    let made = by(|made| made.conditions = made.conditions.replace("</saml:Conditions>", unknown));
    assert_eq!(word(&made.xml()), "saml_condition");
    let once = "<saml:OneTimeUse/></saml:Conditions>";
    let made = by(|made| made.conditions = made.conditions.replace("</saml:Conditions>", once));
    assert_eq!(word(&made.xml()), "believed");
    // The response's own issuer, where only the assertion is signed.
    let xml = Made::default().xml().replacen(ENTITY, "urn:other", 1);
    assert_eq!(word(&xml), "saml_issuer");
}

#[test]
fn a_signed_response_says_where_it_goes() {
    let gone = format!(r#" Destination="{ACS}""#);
    let made = by(|made| made.head = made.head.replace(&gone, ""));
    assert_eq!(word(&made.xml()), "believed");
    let made = Made {
        response: Some(Signing::default()),
        ..made
    };
    assert_eq!(word(&made.xml()), "saml_destination");
}

#[test]
fn times_hold_to_the_second_with_the_skew() {
    let made = Made::default();
    // 11:55:00 − 180 s, and 12:05:00 + 180 s, which is the first moment that is not taken.
    assert_eq!(refused(at(NOW.plus(-300 - 180), &made)), "believed");
    assert_eq!(
        refused(at(NOW.plus(-300 - 181), &made)),
        "saml_not_yet_valid"
    );
    assert_eq!(refused(at(NOW.plus(300 + 179), &made)), "believed");
    assert_eq!(refused(at(NOW.plus(300 + 180), &made)), "saml_expired");
    let long = by(|made| made.conditions = made.conditions.replace("12:05:00.500Z", "23:05:00Z"));
    assert_eq!(refused(at(NOW.plus(300 + 180), &long)), "saml_expired");
    let endless = by(|made| {
        made.confirmation = made
            .confirmation
            .replace(r#" NotOnOrAfter="2026-01-31T12:05:00Z""#, "");
    });
    assert_eq!(word(&endless.xml()), "saml_confirmation");
    let early = by(|made| {
        made.confirmation = made.confirmation.replace(
            "NotOnOrAfter",
            r#"NotBefore="2026-01-31T12:04:00Z" NotOnOrAfter"#,
        );
    });
    assert_eq!(word(&early.xml()), "saml_not_yet_valid");
    let over = by(|made| made.statement = made.statement.replace("T20:00:00Z", "T11:00:00Z"));
    assert_eq!(word(&over.xml()), "saml_session_over");
    let odd =
        by(|made| made.conditions = made.conditions.replace("2026-01-31T11:55:00Z", "yesterday"));
    assert_eq!(word(&odd.xml()), "saml_malformed");
}

#[test]
fn it_answers_the_request_or_none_was_made() {
    let made = Made::default();
    assert_eq!(
        refused(judged_by(&made.xml(), Some("_other"), NOW, |_, _| {})),
        "saml_in_response_to"
    );
    let unasked = judged_by(&made.xml(), None, NOW, |provider, _| {
        provider.may_begin = true;
    });
    assert_eq!(refused(unasked), "saml_in_response_to");
    let answer = format!(r#" InResponseTo="{REQUEST}""#);
    let begun = by(|made| {
        made.head = made.head.replace(&answer, "");
        made.confirmation = made.confirmation.replace(&answer, "");
    });
    assert_eq!(
        refused(judged_by(&begun.xml(), None, NOW, |_, _| {})),
        "saml_unsolicited"
    );
    let taken = judged_by(&begun.xml(), None, NOW, |provider, _| {
        provider.may_begin = true;
    });
    assert_eq!(taken.unwrap().in_response_to, None);
    // What was begun by the provider answers nothing that was asked, even where it may begin.
    let smuggled = judged_by(&begun.xml(), Some(REQUEST), NOW, |provider, _| {
        provider.may_begin = true;
    });
    assert_eq!(refused(smuggled), "saml_in_response_to");
    // Where only the assertion is signed, what stands on the response proves nothing.
    let half = by(|made| made.confirmation = made.confirmation.replace(&answer, ""));
    assert_eq!(word(&half.xml()), "saml_in_response_to");
}

#[test]
fn the_subject_is_confirmed_for_its_bearer() {
    let made =
        by(|made| made.confirmation = made.confirmation.replace("cm:bearer", "cm:holder-of-key"));
    assert_eq!(word(&made.xml()), "saml_confirmation");
    let made = by(|made| made.confirmation.clear());
    assert_eq!(word(&made.xml()), "saml_confirmation");
    let made = by(|made| {
        made.confirmation = made
            .confirmation
            .replace(&format!(r#" Recipient="{ACS}""#), "");
    });
    assert_eq!(word(&made.xml()), "saml_recipient");
    // One confirmation that holds is enough, and the id is remembered for the one that holds longest.
    let later = by(|made| {
        let longer = made.confirmation.replace("12:05:00Z", "12:09:00Z");
        let bad = made
            .confirmation
            .replace(ACS, "https://elsewhere.example.net");
        made.confirmation = format!("{}{longer}{bad}", made.confirmation);
        made.conditions = made.conditions.replace("12:05:00.500Z", "12:30:00Z");
    });
    let asserted = judged(&later.xml()).unwrap();
    assert_eq!(asserted.remember_until, NOW.plus(540 + 180));
}

#[test]
fn somebody_is_named_and_was_authenticated() {
    for name_id in [
        "",
        "<saml:NameID/>",
        "<saml:NameID> </saml:NameID>",
        "<saml:NameID>a&#10;b</saml:NameID>",
        "<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>",
        "<saml:EncryptedID/>",
    ] {
        let made = by(|made| made.name_id = name_id.to_owned());
        assert_eq!(word(&made.xml()), "saml_name_id", "{name_id}");
    }
    let long = by(|made| made.name_id = format!("<saml:NameID>{}</saml:NameID>", "x".repeat(1025)));
    assert_eq!(word(&long.xml()), "saml_name_id");
    let spaced = by(|made| made.name_id = "<saml:NameID>\n  alice\n</saml:NameID>".to_owned());
    assert_eq!(judged(&spaced.xml()).unwrap().name_id.value, "alice");
    let made = by(|made| made.statement.clear());
    assert_eq!(word(&made.xml()), "saml_no_authentication");
    let mfa = "https://refeds.org/profile/mfa";
    let wanted = |made: &Made| {
        refused(judged_by(&made.xml(), Some(REQUEST), NOW, |provider, _| {
            provider.second_factor = SecondFactor {
                required: true,
                contexts: vec![mfa.to_owned()],
                attribute: Some(("methods".to_owned(), "multiple".to_owned())),
                ..SecondFactor::default()
            };
        }))
    };
    assert_eq!(wanted(&Made::default()), "saml_context");
    let methods = |value: &str| {
        let attribute = format!(
            r#"<saml:AttributeStatement><saml:Attribute Name="methods"><saml:AttributeValue>password</saml:AttributeValue><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"#
        );
        by(|made| made.attributes = attribute)
    };
    assert_eq!(wanted(&methods("multiple")), "believed");
    assert_eq!(wanted(&methods("multiples")), "saml_context");
    let made = by(|made| {
        made.statement = made.statement.replace(
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            mfa,
        );
    });
    assert_eq!(wanted(&made), "believed");
}

#[test]
fn what_the_provider_says_went_wrong_is_told() {
    let made = by(|made| {
        made.status = r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode><samlp:StatusMessage>AADSTS50105: not assigned</samlp:StatusMessage>"#;
    });
    let why = judged(&made.xml()).unwrap_err();
    assert_eq!(
        why.to_string(),
        "the provider did not log the user in: `Responder: AuthnFailed: AADSTS50105: not assigned`"
    );
}

#[test]
fn attributes_that_are_no_text_are_named() {
    let made = by(|made| {
        made.attributes = concat!(
            r#"<saml:AttributeStatement><saml:Attribute Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.10"><saml:AttributeValue>"#,
            r#"<saml:NameID>opaque</saml:NameID></saml:AttributeValue></saml:Attribute>"#,
            r#"<saml:Attribute Name="picture"><saml:AttributeValue><x/></saml:AttributeValue></saml:Attribute>"#,
            r#"<saml:Attribute Name="empty"/><saml:EncryptedAttribute/></saml:AttributeStatement>"#
        )
        .to_owned();
    });
    let asserted = judged(&made.xml()).unwrap();
    let read: Vec<_> = asserted
        .attributes
        .iter()
        .map(|one| (one.name.as_str(), one.values.join(",")))
        .collect();
    assert_eq!(
        read,
        [
            ("urn:oid:1.3.6.1.4.1.5923.1.1.1.10", "opaque".to_owned()),
            ("empty", String::new())
        ]
    );
    assert_eq!(asserted.unread, ["picture", "EncryptedAttribute"]);
}

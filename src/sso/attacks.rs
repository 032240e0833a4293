//! The attack corpus: what was done to others, done to a good response, one thing at a time.
//!
//! Nothing here is bounded by a clock: each is refused by what is counted or listed, before anything costly begins.

use super::testing::{
    CURVE, ENVELOPED, EXCLUSIVE, Made, NOW, PROVIDER, REQUEST, STRANGER, Signing, judged,
    judged_by, word,
};
use data_encoding::BASE64;

pub(super) const EVIL: &str = r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_evil" Version="2.0" IssueInstant="2026-01-31T12:00:00Z"><saml:Issuer>https://idp.example.com/metadata</saml:Issuer><saml:Subject><saml:NameID>admin@example.com</saml:NameID></saml:Subject></saml:Assertion>"#;

pub(super) fn signed_assertion() -> String {
    Made::default().xml()
}

pub(super) fn signed_response() -> String {
    Made {
        response: Some(Signing::default()),
        assertion: None,
        ..Made::default()
    }
    .xml()
}

/// A document taken apart: before an element, the element, behind it.
pub(super) fn cut<'x>(xml: &'x str, open: &str, close: &str) -> (&'x str, &'x str, &'x str) {
    let begin = xml.find(open).unwrap();
    let end = begin + xml[begin..].find(close).unwrap() + close.len();
    (&xml[..begin], &xml[begin..end], &xml[end..])
}

pub(super) fn assertion_of(xml: &str) -> (&str, &str, &str) {
    cut(xml, "<saml:Assertion", "</saml:Assertion>")
}

fn signature_of(xml: &str) -> (&str, &str, &str) {
    cut(xml, "<ds:Signature ", "</ds:Signature>")
}

/// Puts `inside` before the end tag of what `element` opens with.
fn within(element: &str, inside: &str) -> String {
    let at = element.rfind("</").unwrap();
    format!("{}{inside}{}", &element[..at], &element[at..])
}

#[test]
fn the_response_that_all_attacks_start_from_is_believed() {
    for xml in [signed_assertion(), signed_response()] {
        let asserted = judged(&xml).unwrap();
        assert_eq!(asserted.name_id.value, "alice@example.com");
    }
}

/// The eight shapes of "On Breaking SAML: Be Whoever You Want to Be" (Somorovsky and others, 2012).
#[test]
fn no_signature_is_wrapped_around_something_else() {
    let whole = signed_response();
    let (before, signature, after) = signature_of(&whole);
    let bare = format!("{before}{after}");
    let evil_root = bare
        .replace("_response", "_evil_response")
        .replace("alice@", "admin@")
        .replace("_assertion", "_evil");
    let (head, tail) = evil_root.split_once("<samlp:Status>").unwrap();
    let rest = format!("<samlp:Status>{tail}");
    let object = |inner: &str| within(signature, &format!("<ds:Object>{inner}</ds:Object>"));

    let one = signed_assertion();
    let (before, assertion, after) = assertion_of(&one);
    let (a, inner_signature, b) = signature_of(assertion);
    let bare = format!("{a}{b}");
    let carrying =
        |inside: &str| EVIL.replacen("<saml:Subject>", &format!("{inside}<saml:Subject>"), 1);
    let inner_object = within(inner_signature, &format!("<ds:Object>{bare}</ds:Object>"));
    let extensions = format!("<samlp:Extensions>{EVIL}</samlp:Extensions>");
    let shapes = [
        format!("{head}{}{rest}", object(&bare_response(&whole))),
        format!("{head}{}{signature}{rest}", bare_response(&whole)),
        format!("{before}{EVIL}{assertion}{after}"),
        format!("{before}{}{after}", within(EVIL, assertion)),
        format!("{before}{}{bare}{after}", carrying(inner_signature)),
        format!(
            "{before}{}{after}",
            carrying(&within(inner_signature, &bare))
        ),
        format!(
            "{}{assertion}{after}",
            before.replacen("<samlp:Status>", &format!("{extensions}<samlp:Status>"), 1)
        ),
        format!("{before}{}{after}", carrying(&inner_object)),
    ];
    for (number, xml) in shapes.iter().enumerate() {
        assert_eq!(word(xml), "saml_several_assertions", "XSW{}", number + 1);
    }
    // With the same id, which a look by id would find first.
    let twin = EVIL.replace("_evil", "_assertion");
    for xml in [
        format!("{before}{twin}{assertion}{after}"),
        format!("{before}{assertion}{twin}{after}"),
    ] {
        assert_eq!(word(&xml), "saml_duplicate_id");
    }
}

fn bare_response(whole: &str) -> String {
    let (before, _, after) = signature_of(whole);
    format!("{before}{after}")
}

/// Wrapping without a second assertion: the signature has to stand in what it signs.
#[test]
fn a_signature_covers_the_element_around_it_or_nothing() {
    let one = signed_assertion();
    let (before, assertion, after) = assertion_of(&one);
    let (a, signature, b) = signature_of(assertion);
    let bare = format!("{a}{b}");
    let moved = before.replacen("<samlp:Status>", &format!("{signature}<samlp:Status>"), 1);
    assert_eq!(word(&format!("{moved}{bare}{after}")), "saml_reference");
    let hidden = before.replacen(
        "</samlp:Status>",
        &format!("<samlp:StatusDetail>{signature}</samlp:StatusDetail></samlp:Status>"),
        1,
    );
    assert_eq!(
        word(&format!("{hidden}{bare}{after}")),
        "saml_misplaced_signature"
    );
    assert_eq!(word(&format!("{before}{bare}{after}")), "saml_unsigned");
    let twice = format!("{before}{a}{signature}{signature}{b}{after}");
    assert_eq!(word(&twice), "saml_misplaced_signature");
    let deeper = format!("{before}<samlp:Extensions>{assertion}</samlp:Extensions>{after}");
    assert_eq!(word(&deeper), "saml_no_assertion");
    let whole = signed_response();
    let outer = whole.replacen("<samlp:Response ", "<samlp:Extensions ", 1);
    let nested = format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_evil" Version="2.0"><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{}</samlp:Response>"#,
        outer.replacen("</samlp:Response>", "</samlp:Extensions>", 1)
    );
    assert_eq!(word(&nested), "saml_no_assertion");
    // An id that only another parser takes for one.
    let prefixed = one.replacen(
        r#" ID="_assertion""#,
        r#" xmlns:x="urn:x" x:ID="_assertion""#,
        1,
    );
    assert_eq!(word(&prefixed), "saml_reference");
}

#[test]
fn a_reference_names_the_element_around_it_by_its_id_alone() {
    for uri in [
        "",
        "#",
        "#_response",
        "#xpointer(/)",
        "#xpointer(id('_assertion'))",
        "cid:_assertion",
        "file:///etc/passwd",
        "https://example.com/",
        "_assertion",
    ] {
        let good = signed_assertion();
        let xml = good.replacen(r##"URI="#_assertion""##, &format!(r#"URI="{uri}""#), 1);
        assert_eq!(word(&xml), "saml_reference", "{uri:?}");
    }
    let whole = Made {
        assertion: Some(Signing {
            uri: Some(""),
            ..Signing::default()
        }),
        ..Made::default()
    };
    assert_eq!(word(&whole.xml()), "saml_reference");
    let none = signed_assertion().replacen(r##" URI="#_assertion""##, "", 1);
    assert_eq!(word(&none), "saml_reference");
    let (before, reference, after) = cut(&none, "<ds:Reference", "</ds:Reference>");
    assert_eq!(word(&format!("{before}{after}")), "saml_signature_shape");
    let two = signed_assertion().replacen(
        "</ds:SignedInfo>",
        &format!("{reference}</ds:SignedInfo>"),
        1,
    );
    assert_eq!(word(&two), "saml_signature_shape");
}

#[test]
fn only_a_certificate_of_the_provider_signs() {
    let by = |key| Made {
        assertion: Some(Signing {
            key,
            ..Signing::default()
        }),
        ..Made::default()
    };
    assert_eq!(word(&by(STRANGER).xml()), "saml_signature");
    // The key that the response brings along is not looked at, in whatever form it comes.
    let certificate = BASE64.encode(super::testing::pair(STRANGER).certificate.der());
    for info in [
        format!(
            "<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>"
        ),
        "<ds:KeyName>provider</ds:KeyName>".to_owned(),
        r#"<ds:RetrievalMethod URI="file:///etc/passwd"/>"#.to_owned(),
    ] {
        let info = format!("<ds:KeyInfo>{info}</ds:KeyInfo>");
        let made = |key| Made {
            assertion: Some(Signing {
                key,
                key_info: info.clone(),
                ..Signing::default()
            }),
            ..Made::default()
        };
        assert_eq!(word(&made(STRANGER).xml()), "saml_signature");
        assert_eq!(word(&made(PROVIDER).xml()), "believed");
    }
    let none = judged_by(&signed_assertion(), Some(REQUEST), NOW, |provider, _| {
        provider.certificates.clear();
    });
    assert_eq!(none.unwrap_err().why.word(), "saml_certificates");
    // A good signature beside a bad one does not help.
    let both = Made {
        response: Some(Signing {
            key: STRANGER,
            ..Signing::default()
        }),
        ..Made::default()
    };
    assert_eq!(word(&both.xml()), "saml_signature");
}

#[test]
fn what_was_changed_after_it_was_signed_is_not_believed() {
    for (good, from, to) in [
        (signed_assertion(), "alice@", "admin@"),
        (signed_assertion(), "Staff", "Admins"),
        (signed_response(), "alice@", "admin@"),
        (
            signed_response(),
            r#"InResponseTo="_request""#,
            r#"InResponseTo="_another""#,
        ),
    ] {
        let xml = good.replacen(from, to, 1);
        assert_ne!(xml, good);
        assert_eq!(word(&xml), "saml_signature");
    }
}

#[test]
fn algorithms_come_from_a_list() {
    let by = |method, digest| Made {
        assertion: Some(Signing {
            method,
            digest,
            ..Signing::default()
        }),
        ..Made::default()
    };
    let (rsa, sha) = (Signing::default().method, Signing::default().digest);
    let rsa_sha1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
    let sha1 = "http://www.w3.org/2000/09/xmldsig#sha1";
    for made in [by(rsa_sha1, sha), by(rsa, sha1), by(rsa_sha1, sha1)] {
        assert_eq!(word(&made.xml()), "saml_sha1");
        let taken = judged_by(&made.xml(), Some(REQUEST), NOW, |provider, _| {
            provider.sha1 = true;
        });
        assert!(taken.is_ok());
    }
    // The certificate as a shared secret.
    let hmac = by("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", sha);
    assert_eq!(word(&hmac.xml()), "saml_algorithm");
    let short = signed_assertion().replacen(
        r#"rsa-sha256"/>"#,
        r#"rsa-sha256"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>"#,
        1,
    );
    assert_eq!(word(&short), "saml_signature_shape");
    for name in [
        "",
        "none",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha1",
    ] {
        assert_eq!(
            word(&signed_assertion().replacen(rsa, name, 1)),
            "saml_algorithm",
            "{name}"
        );
        assert_eq!(
            word(&signed_assertion().replacen(sha, name, 1)),
            "saml_algorithm",
            "{name}"
        );
        let canonical = format!(r#"CanonicalizationMethod Algorithm="{name}""#);
        let xml = signed_assertion().replacen(
            r#"CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#""#,
            &canonical,
            1,
        );
        assert_eq!(word(&xml), "saml_algorithm", "{name}");
    }
    assert_eq!(
        word(&signed_assertion().replacen(
            rsa,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
            1
        )),
        "saml_sha1"
    );
}

#[test]
fn an_algorithm_fits_the_key_that_it_is_used_with() {
    // A name that fits another kind of key, with a key of the provider.
    assert_eq!(
        word(&signed_assertion().replacen("rsa-sha256", "ecdsa-sha256", 1)),
        "saml_signature"
    );
    for (method, key) in [
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", CURVE),
        (
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            PROVIDER,
        ),
    ] {
        let made = Made {
            assertion: Some(Signing {
                key,
                method,
                ..Signing::default()
            }),
            ..Made::default()
        };
        let certificate = super::testing::pair(PROVIDER).certificate;
        let curve = super::certificate::Certificate::from_text(CURVE).unwrap();
        let taken = judged_by(&made.xml(), Some(REQUEST), NOW, |provider, _| {
            provider.certificates = vec![certificate, curve];
        });
        assert!(taken.is_ok());
    }
}

#[test]
fn transforms_come_from_a_list_and_stand_in_order() {
    let xslt = r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"/></ds:Transform>"#;
    let xpath = r#"<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>0</ds:XPath></ds:Transform>"#;
    let foreign =
        r#"<Transform xmlns="urn:x" Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"/>"#;
    let base64 = r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/>"#;
    let good = format!("{ENVELOPED}{EXCLUSIVE}");
    for transforms in [
        String::new(),
        EXCLUSIVE.to_owned(),
        format!("{EXCLUSIVE}{ENVELOPED}"),
        format!("{ENVELOPED}{ENVELOPED}"),
        format!("{ENVELOPED}{EXCLUSIVE}{EXCLUSIVE}"),
        format!("{ENVELOPED}{xslt}"),
        format!("{xslt}{EXCLUSIVE}"),
        format!("{ENVELOPED}{xpath}"),
        format!("{ENVELOPED}{foreign}"),
        format!("{ENVELOPED}{base64}"),
    ] {
        let xml = signed_assertion().replacen(&good, &transforms, 1);
        assert_eq!(word(&xml), "saml_transform", "{transforms}");
    }
    let alone = Made {
        assertion: Some(Signing {
            transforms: ENVELOPED.to_owned(),
            ..Signing::default()
        }),
        ..Made::default()
    };
    assert_eq!(word(&alone.xml()), "believed");
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let made = Made {
        assertion: Some(Signing {
            canonical: inclusive,
            transforms: format!(r#"{ENVELOPED}<ds:Transform Algorithm="{inclusive}"/>"#),
            ..Signing::default()
        }),
        ..Made::default()
    };
    assert_eq!(word(&made.xml()), "believed");
}

#[test]
fn a_signature_has_its_parts_and_no_other() {
    let with = |object: &str| Made {
        assertion: Some(Signing {
            object: object.to_owned(),
            ..Signing::default()
        }),
        ..Made::default()
    };
    assert_eq!(
        word(&with("<ds:Object><x/></ds:Object>").xml()),
        "saml_signature_shape"
    );
    assert_eq!(word(&with("<x/>").xml()), "saml_signature_shape");
    let prefixed = signed_assertion().replacen(
        "<ds:SignatureMethod Algorithm",
        r#"<ds:SignatureMethod xmlns:x="urn:x" x:Algorithm="urn:x" Algorithm"#,
        1,
    );
    assert_eq!(word(&prefixed), "saml_signature_shape");
    let good = signed_assertion();
    let (before, info, after) = cut(&good, "<ds:SignedInfo>", "</ds:SignedInfo>");
    assert_eq!(
        word(&format!("{before}{info}{info}{after}")),
        "saml_signature_shape"
    );
    assert_eq!(word(&format!("{before}{after}")), "saml_signature_shape");
}

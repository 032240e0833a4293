//! Hostile bytes: names that are to be cut, document types, bombs, things that are no response, and one byte changed.

use data_encoding::BASE64;
use proptest::prelude::*;

use super::attacks::{EVIL, assertion_of, cut, signed_assertion, signed_response};
use super::response::{self, Expected, SKEW};
use super::testing::{
    Made, NOW, REQUEST, STRANGER, Signing, judged, judged_by, ours, pair, provider, word,
};
use super::xml::RESPONSE;
use super::{Asserted, Refused};

#[test]
fn a_name_is_not_cut() {
    let good = signed_assertion();
    for cut in [
        "alice@example.com<!-- -->.evil.org",
        "<!-- x -->alice@example.com",
        "alice<!---->@example.com",
    ] {
        assert_eq!(
            word(&good.replacen("alice@example.com", cut, 1)),
            "saml_comment"
        );
    }
    let named = |name: &str| {
        let made = Made::default();
        let name_id = made.name_id.replace("alice@example.com", name);
        Made { name_id, ..made }.xml()
    };
    assert_eq!(
        word(&named("alice@example.com<?x?>.evil.org")),
        "saml_instruction"
    );
    assert_eq!(
        word(&named("alice@example.com<x/>.evil.org")),
        "saml_name_id"
    );
    let whole = judged(&named("alice@example.com<![CDATA[.evil]]>.org")).unwrap();
    assert_eq!(whole.name_id.value, "alice@example.com.evil.org");
}

#[test]
fn document_types_are_refused_before_anything_parses_them() {
    let good = signed_assertion();
    let xxe = r#"<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>"#;
    let mut laughs = String::from(r#"<!DOCTYPE r [<!ENTITY l0 "lol">"#);
    for level in 1..20 {
        let previous = format!("&l{};", level - 1).repeat(10);
        laughs.push_str(&format!(r#"<!ENTITY l{level} "{previous}">"#));
    }
    laughs.push_str("]>");
    for head in [
        "<!DOCTYPE r>",
        xxe,
        &laughs,
        r#"<!DOCTYPE r SYSTEM "https://example.com/x.dtd">"#,
    ] {
        let xml = format!("{head}{}", good.replacen("alice@example.com", "&x;", 1));
        assert_eq!(word(&xml), "saml_dtd");
        assert_eq!(word(&format!(r#"<?xml version="1.0"?>{xml}"#)), "saml_dtd");
    }
    assert_eq!(
        word(&good.replacen("alice@example.com", "&x;", 1)),
        "saml_malformed"
    );
}

#[test]
fn size_depth_and_number_are_bounded() {
    let depth = 10 * (1 << 20) / 7;
    assert_eq!(
        word(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))),
        "saml_too_large"
    );
    assert_eq!(word(&"<a>".repeat((1 << 20) / 3)), "saml_too_deep");
    let attributes = many(50_000, |at| format!(" a{at}=''"));
    assert_eq!(word(&format!("<a{attributes}/>")), "saml_too_many");
    assert_eq!(
        word(&format!("<a>{}</a>", "<b/>".repeat(100_000))),
        "saml_too_many"
    );
    let spaces = many(50_000, |at| format!(" xmlns:a{at}='u'"));
    assert_eq!(word(&format!("<a{spaces}/>")), "saml_too_many");
    // What is compressed is not inflated: it is no text.
    let bomb = {
        use std::io::Write as _;
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![b'<'; 10 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(
        field(&BASE64.encode(&bomb)).unwrap_err().why.word(),
        "saml_encoding"
    );
    // As many namespaces around as many elements as are taken, before anybody knows that the signature is wrong.
    let open = many(30, |level| {
        format!("<x xmlns:a{level}='a' xmlns:b{level}='b'>")
    });
    let wide = "<x/>".repeat(RESPONSE.elements - 100);
    let around = format!("{open}{wide}{}</saml:Conditions>", "</x>".repeat(30));
    let xml = signed_assertion().replacen("</saml:Conditions>", &around, 1);
    assert_eq!(word(&xml), "saml_signature");
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let xml = xml.replace("http://www.w3.org/2001/10/xml-exc-c14n#", inclusive);
    assert_eq!(word(&xml), "saml_signature");
    let xml = xml.replacen("<x ", "<x xmlns:c='c' xmlns:d='d' xmlns:e='e' ", 1);
    assert_eq!(word(&xml), "saml_too_many");
    // As much as is taken is judged, and in the end believed.
    let values = "<saml:AttributeValue>0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0</saml:AttributeValue>"
        .repeat(9_000);
    let made = Made {
        attributes: format!(
            r#"<saml:AttributeStatement><saml:Attribute Name="groups">{values}</saml:Attribute></saml:AttributeStatement>"#
        ),
        ..Made::default()
    };
    assert_eq!(
        judged(&made.xml()).unwrap().attributes[0].values.len(),
        9_000
    );
}

/// As many as `count`, put together.
fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

fn field(text: &str) -> Result<Asserted, Refused> {
    let (provider, ours) = (provider(), ours());
    let expected = Expected {
        provider: &provider,
        ours: &ours,
        request: Some(REQUEST),
        now: NOW,
        skew: SKEW,
    };
    response::judge(text, &expected)
}

#[test]
fn what_is_no_response_is_told_apart() {
    let refused = |text: &str| field(text).unwrap_err().why.word();
    let good = BASE64.encode(signed_assertion().as_bytes());
    assert!(field(&good).is_ok());
    let lines = good.as_bytes().chunks(64);
    let folded = lines
        .map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap()))
        .collect::<Vec<_>>()
        .concat();
    assert!(field(&folded).is_ok());
    for text in [
        "PGEvPg==AAAA",
        "PGEvPg==!",
        "PGEvPg=",
        "PGEvPh==",
        "%",
        "PGEv-_==",
    ] {
        assert_eq!(refused(text), "saml_base64", "{text}");
    }
    assert_eq!(refused(""), "saml_malformed");
    assert_eq!(
        refused(&BASE64.encode(b"\xff\xfe<\0a\0/\0>\0")),
        "saml_encoding"
    );
    for (tail, expected) in [
        ("x", "saml_malformed"),
        ("<x/>", "saml_malformed"),
        ("\u{0}", "saml_malformed"),
        ("<!-- x -->", "saml_comment"),
    ] {
        assert_eq!(word(&format!("{}{tail}", signed_assertion())), expected);
    }
    assert_eq!(word(&format!("{}\n", signed_assertion())), "believed");
    assert_eq!(word("<Response/>"), "saml_not_a_response");
    assert_eq!(
        word(&signed_assertion().replace("SAML:2.0:protocol", "SAML:1.1:protocol")),
        "saml_not_a_response"
    );
    assert_eq!(
        word(&signed_assertion().replacen(r#"Version="2.0""#, r#"Version="1.1""#, 1)),
        "saml_not_a_response"
    );
    let good = signed_assertion();
    let (before, _, after) = assertion_of(&good);
    assert_eq!(word(&format!("{before}{after}")), "saml_no_assertion");
}

#[test]
fn encrypted_assertions_are_believed_no_more_than_others() {
    let gcm = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
    let cbc = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
    let oaep = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
    let made = Made::default();
    let unsigned = Made {
        assertion: None,
        ..Made::default()
    };
    let around = Made {
        response: Some(Signing::default()),
        assertion: None,
        ..Made::default()
    };
    let stranger = Made {
        assertion: Some(Signing {
            key: STRANGER,
            ..Signing::default()
        }),
        ..Made::default()
    };
    for cipher in [gcm, cbc] {
        assert_eq!(word(&made.encrypted(cipher, oaep)), "believed");
        assert_eq!(word(&around.encrypted(cipher, oaep)), "believed");
        assert_eq!(word(&unsigned.encrypted(cipher, oaep)), "saml_unsigned");
        assert_eq!(word(&stranger.encrypted(cipher, oaep)), "saml_signature");
    }
    // What is decrypted is spelled as it was when it was signed.
    let spelled = Made {
        attributes: "<saml:AttributeStatement><saml:Attribute Name='a' ><saml:AttributeValue></saml:AttributeValue><saml:AttributeValue >\nAlïce &amp; &lt;Co&gt;&#13;</saml:AttributeValue><saml:AttributeValue\n/></saml:Attribute></saml:AttributeStatement>".to_owned(),
        ..Made::default()
    };
    let asserted = judged(&spelled.encrypted(cbc, oaep)).unwrap();
    assert_eq!(asserted.attributes[0].values, ["", "Alïce & <Co>", ""]);
    let good = made.encrypted(gcm, oaep);
    let content = good.replacen("xmlenc#Element", "xmlenc#Content", 1);
    assert_eq!(word(&content), "saml_encryption");
    assert_eq!(
        word(&good.replacen("#rsa-oaep-mgf1p", "#rsa-1_5", 1)),
        "saml_encryption"
    );
    assert_eq!(
        word(&good.replacen("#aes256-gcm", "#tripledes-cbc", 1)),
        "saml_encryption"
    );
    let without = judged_by(&good, Some(REQUEST), NOW, |_, ours| {
        ours.decryption = None;
    });
    assert_eq!(without.unwrap_err().why.word(), "saml_no_key");
    let other = judged_by(&good, Some(REQUEST), NOW, |_, ours| {
        ours.decryption = Some(pair(STRANGER));
    });
    assert_eq!(other.unwrap_err().why.word(), "saml_not_decrypted");
    let (before, assertion, after) = cut(
        &good,
        "<saml:EncryptedAssertion",
        "</saml:EncryptedAssertion>",
    );
    assert_eq!(
        word(&format!("{before}{assertion}{EVIL}{after}")),
        "saml_several_assertions"
    );
    assert_eq!(
        word(&format!("{before}{assertion}{assertion}{after}")),
        "saml_several_assertions"
    );
    let reference = good.replacen(
        "<xenc:CipherData>",
        r#"<xenc:CipherData><xenc:CipherReference URI="file:///etc/passwd"/>"#,
        1,
    );
    assert_eq!(word(&reference), "saml_encryption");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever one byte is changed to, the response is refused or says what it said.
    #[test]
    fn one_byte_more_or_less_changes_nothing_that_is_believed(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        whole in any::<bool>(),
    ) {
        use std::sync::LazyLock;
        static GOOD: LazyLock<[(String, Asserted); 2]> = LazyLock::new(|| {
            [signed_assertion(), signed_response()].map(|xml| {
                let asserted = judged(&xml).unwrap();
                (xml, asserted)
            })
        });
        let (xml, asserted) = &GOOD[usize::from(whole)];
        let mut bytes = xml.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(other) = field(&BASE64.encode(&bytes)) {
            prop_assert_eq!(&other, asserted);
        }
    }
}

//! Logins with responses of identity providers that are not ours: pysaml2 with xmlsec1, and npm's samlp.
//!
//! Both are given our metadata and our request as they stand, and check what they check of them; what they answer is judged
//! by the library, and by nothing of these tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use twofa::clock::{Source as _, System};
use twofa::sso::certificate::Certificate;
use twofa::sso::request::{Request, Wanted, redirect};
use twofa::sso::response::{Expected, SKEW, judge};
use twofa::sso::{Asserted, Binding, Endpoint, KeyPair, Ours, Provider, SecondFactor, metadata};
use zeroize::Zeroizing;

use crate::world::World;
use crate::{peer, succeeds};

pub const PROVIDER: &str = include_str!("../keys/provider.pem");
pub const OURS: &str = include_str!("../keys/ours.pem");
pub const MFA: &str = "https://refeds.org/profile/mfa";

/// What stands between the lines of a file of `tests/keys` that name `label`, with these lines.
pub fn part<'t>(pem: &'t str, label: &str) -> &'t str {
    let begin = pem.find(&format!("-----BEGIN {label}-----")).unwrap();
    let last = format!("-----END {label}-----\n");
    let end = pem.find(&last).unwrap() + last.len();
    &pem[begin..end]
}

fn pair(pem: &str) -> KeyPair {
    let lines = part(pem, "PRIVATE KEY").lines();
    let bare: String = lines.filter(|line| !line.starts_with("-----")).collect();
    KeyPair {
        key: Zeroizing::new(BASE64.decode(bare.as_bytes()).unwrap()),
        certificate: Certificate::from_text(pem).unwrap(),
    }
}

fn ours() -> Ours {
    Ours {
        entity_id: "https://sp.example.org/twofa".to_owned(),
        acs_url: "https://sp.example.org/acs".to_owned(),
        decryption: Some(pair(OURS)),
        signing: Some(pair(OURS)),
    }
}

/// A provider's directory, with its key and with our metadata.
fn directory(world: &World, ours: &Ours) -> PathBuf {
    let at = world.file("provider");
    std::fs::create_dir(&at).unwrap();
    std::fs::write(at.join("key.pem"), part(PROVIDER, "PRIVATE KEY")).unwrap();
    std::fs::write(at.join("cert.pem"), part(PROVIDER, "CERTIFICATE")).unwrap();
    std::fs::write(at.join("sp.xml"), metadata::print(ours)).unwrap();
    std::fs::write(at.join("sp.pem"), part(OURS, "CERTIFICATE")).unwrap();
    at
}

pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peer")
        .join(name)
}

fn asked(provider: &Provider, ours: &Ours) -> Request {
    let wanted = Wanted {
        force: true,
        relay_state: Some("challenge-7_a.b"),
    };
    redirect(provider, ours, wanted, &System).unwrap()
}

/// Judges an answer twice: as it is, and with one letter of the name changed.
fn believed(answer: &str, provider: &Provider, ours: &Ours, request: &str) -> Asserted {
    let expected = Expected {
        provider,
        ours,
        request: Some(request),
        now: System.now(),
        skew: SKEW,
    };
    let asserted = judge(answer, &expected).unwrap_or_else(|refused| {
        let xml = BASE64.decode(answer.as_bytes()).unwrap();
        panic!("{refused}\n{}", String::from_utf8_lossy(&xml))
    });
    let xml = String::from_utf8(BASE64.decode(answer.as_bytes()).unwrap()).unwrap();
    let forged = xml.replace("alice@example.com", "admin@example.com");
    if forged != xml {
        let refused = judge(&BASE64.encode(forged.as_bytes()), &expected).unwrap_err();
        assert_eq!(refused.why.word(), "saml_signature");
    }
    let late = Expected {
        now: System.now().plus(86_400),
        ..expected
    };
    assert_eq!(judge(answer, &late).unwrap_err().why.word(), "saml_expired");
    asserted
}

fn values<'a>(asserted: &'a Asserted, end: &str) -> Vec<&'a str> {
    asserted
        .attributes
        .iter()
        .filter(|one| one.name.ends_with(end) || one.friendly_name.as_deref() == Some(end))
        .flat_map(|one| one.values.iter().map(String::as_str))
        .collect()
}

#[test]
fn pysaml2_logs_in() {
    let python = peer("python3", "apt-get install python3");
    peer("xmlsec1", "apt-get install xmlsec1");
    succeeds(Command::new(&python).args(["-c", "import saml2"]));
    let world = World::new();
    let mut ours = ours();
    let at = directory(&world, &ours);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command
            .args(["-W", "ignore"])
            .arg(script("saml_idp.py"))
            .arg(&at);
        succeeds(command.args(arguments))
    };
    let described = metadata::read(&run(&["metadata"]), None, System.now()).unwrap();
    assert!(described.wants_signed_requests);
    let provider = Provider {
        entity_id: described.entity_id,
        sso: described.sso,
        slo: described.slo,
        certificates: described.certificates,
        name_id_format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned()),
        sha1: false,
        may_begin: false,
        second_factor: SecondFactor {
            required: true,
            asked: true,
            contexts: vec![MFA.to_owned()],
            attribute: None,
        },
    };
    for kind in ["response", "assertion", "both", "encrypted"] {
        let request = asked(&provider, &ours);
        let answer = run(&["answer", &request.url, kind]);
        let asserted = believed(answer.trim(), &provider, &ours, &request.id);
        assert_eq!(asserted.name_id.value, "alice@example.com", "{kind}");
        assert_eq!(asserted.contexts, [MFA], "{kind}");
        assert_eq!(values(&asserted, "givenName"), ["Alïce & <Co>"], "{kind}");
        assert_eq!(asserted.in_response_to, Some(request.id), "{kind}");
    }
    let request = asked(&provider, &ours);
    let answer = run(&["answer", &request.url, "encrypted"]);
    ours.decryption = None;
    let expected = Expected {
        provider: &provider,
        ours: &ours,
        request: Some(&request.id),
        now: System.now(),
        skew: SKEW,
    };
    let refused = judge(answer.trim(), &expected).unwrap_err();
    assert_eq!(refused.why.word(), "saml_no_key");
}

#[test]
fn samlp_logs_in() {
    let node = peer("node", "apt-get install nodejs");
    let npm = peer("npm", "apt-get install npm");
    let modules = succeeds(Command::new(npm).args(["root", "--global"]));
    let world = World::new();
    let ours = ours();
    let at = directory(&world, &ours);
    let provider = Provider {
        entity_id: "urn:samlp.example.com".to_owned(),
        sso: Endpoint {
            url: "https://samlp.example.com/sso?tenant=a".to_owned(),
            binding: Binding::Redirect,
        },
        slo: None,
        certificates: vec![Certificate::from_text(PROVIDER).unwrap()],
        name_id_format: None,
        sha1: false,
        may_begin: false,
        second_factor: SecondFactor::default(),
    };
    for kind in ["response", "assertion", "both", "encrypted"] {
        let request = asked(&provider, &ours);
        let mut command = Command::new(&node);
        command.env("NODE_PATH", modules.trim());
        command.arg(script("saml_idp.js")).arg(&at);
        let answer = succeeds(command.args([&request.url, kind]));
        let asserted = believed(answer.trim(), &provider, &ours, &request.id);
        assert_eq!(asserted.name_id.value, "alice@example.com", "{kind}");
        assert_eq!(values(&asserted, "givenname"), ["Alïce & <Co>"], "{kind}");
    }
}

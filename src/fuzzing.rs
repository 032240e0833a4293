//! Every parser of this library that reads what others wrote, in one table: for the fuzzer (`fuzz/`) and for the tests.
//!
//! An entry takes any bytes and returns. That it never panics is half of the promise; the other half stands in the entry:
//! what was taken is taken again and means the same, what cannot be right is refused. Not part of the library: it is
//! built for tests and with the feature `fuzzing`.

// What does not hold is a panic, which is what a fuzzer looks for.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "this module is a test that two programs run"
)]

use std::io::Cursor;
use std::rc::Rc;
use std::time::Duration;

use crate::actor::Process;
use crate::audit::{Anchor, verify_archive};
use crate::clock::{self, Time};
use crate::delivery;
use crate::init::{Init, init};
use crate::mailbox;
use crate::name;
use crate::oauth_client::token::check;
use crate::plan::Plan as _;
use crate::policy;
use crate::secret::Secret;
use crate::setting;
use crate::sms_provider::http::{Answer, Receipt, Success};
use crate::sms_provider::{Http, Smpp, header, sender};
use crate::store::{Place, Store};
use crate::template;
use crate::totp::{self, Parameters};
use crate::user::import::{ImportUsers, Options, mapping};
use crate::user::rules;
use crate::vault::{Imported, KeySource, Label, Ring};
use crate::verb::verb;

/// A parser: its name, what it reads when all is well, and a run of it.
pub struct Parser {
    pub name: &'static str,
    pub seeds: &'static [&'static [u8]],
    pub run: fn(&[u8]),
}

pub const PARSERS: &[Parser] = &[
    Parser {
        name: "policy",
        seeds: &[
            include_bytes!("../examples/small-firm.toml"),
            br#"{"version":1,"settings":{"Enable2FA":true},"users":{"a":{"email":"a@example.com","groups":["Staff"]}}}"#,
        ],
        run: policy::fuzz,
    },
    Parser {
        name: "import",
        seeds: &[
            include_bytes!("../examples/people.csv"),
            b"login;name;email;phone;type;language;groups;password_hash;active\na;\"A \"\"B\"\"\";a@example.com;+4930123456;external;de;x;;no\n",
        ],
        run: import,
    },
    Parser {
        name: "hash",
        seeds: &[
            b"$2b$04$szS2u1041Frh9mk3IEBL.e3Qa9C.fQia0g.hqkdSUJi.NOxFCDFDi",
            b"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
            b"$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
            b"pbkdf2_sha256$1000$salt$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ=",
        ],
        run: hash,
    },
    Parser {
        name: "key_file",
        seeds: &[b"# keys\ntwofa-key-1 0123abcd AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"],
        run: key_file,
    },
    Parser {
        name: "anchor",
        seeds: &[br#"{"store_id":"a","seq":1,"at":"2026-01-01T00:00:00Z","mac":"0000000000000000000000000000000000000000000000000000000000000000"}"#],
        run: anchor,
    },
    Parser {
        name: "archive",
        seeds: &[b"{\"twofa_audit_archive\":1,\"store_id\":\"\",\"archive\":\"a\"}\n{\"seq\":1}\n{\"rows\":1,\"key\":1,\"proof\":\"00\"}\n"],
        run: archive,
    },
    Parser {
        name: "store_file",
        seeds: &[b"SQLite format 3\0\x10\x00\x02\x02\x00\x40\x20\x20\x00\x00\x00\x01\x00\x00\x00\x01"],
        run: store_file,
    },
    Parser {
        name: "sealed",
        seeds: &[b"\x01\x00\x00\x00\x01nonce nonce nonce nonce ciphertext and tag"],
        run: sealed,
    },
    Parser {
        name: "time",
        seeds: &[b"2026-01-31T12:00:00+02:00", b"2026-01-31", b"15m ago", b"in 1w 2d", b"1h30m", b"90s"],
        run: time,
    },
    Parser {
        name: "person",
        seeds: &[b"alice@example.com", b"+4930123456", b"de-AT", b"\xc3\x84rger", b"\"a b\"@example.com"],
        run: person,
    },
    Parser {
        name: "name",
        seeds: &[b"System administrators", b"=cmd|' /C calc'!A0", b"a\x1b[31m\r\nb", b"\xef\xac\x81\xcc\x81\xe2\x80\xae"],
        run: names,
    },
    Parser {
        name: "setting",
        seeds: &[b"5m", b"90s", b"on", b"trial", b"1000000", b"-1", b"2FA verification code"],
        run: settings,
    },
    Parser {
        name: "code",
        seeds: &[b"123456", b"123 456", b"xgbnw-7xrdm", b"\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6"],
        run: code,
    },
    Parser {
        name: "mailbox",
        seeds: &[b"smtp.example.com:587", b"smtp://mail.example.com:25", b"[::1]:2525", b"'Ops, Inc.' <no-reply@example.com>", b"no-reply@example.com"],
        run: mailbox,
    },
    Parser {
        name: "sms_provider",
        seeds: &[b"smsc.example.com:2775", b"Authorization: Bearer #Secret#", b"X-Key:1", b"Example", b"+4930123456"],
        run: provider,
    },
    Parser {
        name: "http_rule",
        seeds: &[
            b"status=200,201 /result/code=0|accepted text~ok\0{\"result\":{\"code\":0}}",
            b"/0/id\0[{\"id\":17}]",
            b"header:X-Id\0<ok/>",
        ],
        run: http_rule,
    },
    Parser {
        name: "template",
        seeds: &[
            include_bytes!("template/en/verification-code.html"),
            b"#! explains\nSubject: Your code\n\nIt is #SecondFactorCode#.\n--- html ---\n<a href=\"https://example.com/?c=#SecondFactorCode#\">x</a>\n",
        ],
        run: template::fuzz,
    },
    Parser {
        name: "smtp",
        seeds: &[b"220 mail.example.com ESMTP\r\n", b"250-mail.example.com\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n", b"354\r\n", b"451 4.7.1 later\r\n"],
        run: delivery::fuzz_smtp,
    },
    Parser {
        name: "smpp",
        seeds: &[b"\x00\x00\x00\x15\x80\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x01SMSC\x00"],
        run: delivery::fuzz_smpp,
    },
    Parser {
        name: "token",
        seeds: &[b"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJ1cm46dHdvZmE6YSJ9.AAAA", b"eyJhbGciOiJub25lIn0.e30."],
        run: token,
    },
    #[cfg(feature = "saml")]
    Parser {
        name: "saml_response",
        seeds: saml::RESPONSES,
        run: saml::response,
    },
    #[cfg(feature = "saml")]
    Parser {
        name: "saml_metadata",
        seeds: saml::METADATA,
        run: saml::metadata,
    },
    #[cfg(feature = "saml")]
    Parser {
        name: "certificate",
        seeds: saml::CERTIFICATES,
        run: saml::certificate,
    },
];

/// Runs the parser of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let parser = PARSERS.iter().find(|parser| parser.name == name);
    (parser.expect("a parser of this name").run)(bytes);
}

thread_local! {
    /// A store for what needs one. Nothing is written to it.
    static STORE: (tempfile::TempDir, Store) = {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place::new(directory.path().join("twofa.db"), None);
        let wait = Duration::from_secs(10);
        let source: Rc<dyn clock::Source> = Rc::new(clock::System);
        init(&place, &Init::default(), &Process::default(), wait, &source).expect("a store");
        let store = Store::open(&place, verb("login verify").expect("a verb"), wait, source);
        (directory, store.expect("a store"))
    };
}

fn text(bytes: &[u8]) -> &str {
    // Where only text can come in, so much of it as is text.
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(),
    }
}

fn import(bytes: &[u8]) {
    STORE.with(|(_, store)| {
        let file = Box::new(Cursor::new(bytes.to_vec()));
        let import = ImportUsers::new(file, Options::default()).unwrap();
        // Judged twice, as before and under the lock: what was found does not depend on how often it is read.
        let first = import.changes(store).map(|changes| changes.len());
        let again = import.changes(store).map(|changes| changes.len());
        assert_eq!(first.is_ok(), again.is_ok());
        assert_eq!(first.unwrap_or(0), again.unwrap_or(0));
    });
    if let Ok((column, _)) = mapping(text(bytes)) {
        assert!(text(bytes).contains(&column));
    }
}

fn hash(bytes: &[u8]) {
    let read = text(bytes);
    if let Ok(imported) = Imported::read(read) {
        assert!(Imported::read(imported.text()).is_ok(), "{read:?}");
    }
}

fn key_file(bytes: &[u8]) {
    if let Ok(ring) = Ring::parse(&KeySource::file("key"), bytes) {
        assert!(!ring.ids().is_empty());
        assert!(ring.ids().iter().all(|id| text(bytes).contains(id)));
    }
}

fn anchor(bytes: &[u8]) {
    if let Ok(anchor) = Anchor::parse(bytes) {
        let printed = serde_json::to_vec(&anchor).unwrap();
        let again = Anchor::parse(&printed).unwrap();
        assert_eq!(serde_json::to_vec(&again).unwrap(), printed);
    }
}

fn archive(bytes: &[u8]) {
    STORE.with(|(_, store)| {
        // Any bytes, and the same behind a first line that names this store. Nobody else can make one that verifies.
        let head = format!(
            "{{\"twofa_audit_archive\":1,\"store_id\":\"{}\",\"archive\":\"a\"}}\n",
            store.id()
        );
        for whole in [bytes.to_vec(), [head.as_bytes(), bytes].concat()] {
            if let Ok(verified) = verify_archive(store, &mut whole.as_slice()) {
                assert!(!verified.intact);
            }
        }
    });
}

fn store_file(bytes: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(directory.path().join("x.db"), None);
    // As it is, and with the mark of a store in its header.
    let mut marked = bytes.to_vec();
    if let Some(mark) = marked.get_mut(68..72) {
        mark.copy_from_slice(b"2FA\x01");
    }
    for file in [bytes, &marked] {
        std::fs::write(&place.db, file).unwrap();
        let source = Rc::new(clock::System);
        let opened = Store::open(&place, verb("status").unwrap(), Duration::ZERO, source);
        if let Ok(store) = opened {
            assert!(store.vault().is_err());
        }
        assert_eq!(std::fs::read(&place.db).unwrap(), *file, "it was touched");
    }
}

fn sealed(bytes: &[u8]) {
    STORE.with(|(_, store)| {
        let vault = store.vault().unwrap();
        let label = Label("mailbox.password");
        assert!(vault.open_sealed(label, 1, bytes).is_err(), "forged");
        // One of ours, its bits turned by these bytes.
        let mut ours = vault.seal(label, 1, b"plain", store.source()).unwrap();
        let mut changed = false;
        for (ours, other) in ours.iter_mut().zip(bytes) {
            *ours ^= other;
            changed |= *other != 0;
        }
        assert_eq!(vault.open_sealed(label, 1, &ours).is_err(), changed);
        assert!(vault.open_sealed(label, 2, &ours).is_err());
    });
}

fn time(bytes: &[u8]) {
    let now = Time(1_767_225_600);
    if let Ok(time) = Time::parse(text(bytes), now) {
        assert_eq!(Time::parse(&time.to_string(), now).unwrap(), time);
    }
    if let Ok(seconds) = clock::seconds(text(bytes)) {
        assert!(seconds >= 0);
        assert_eq!(clock::seconds(&clock::spoken(seconds)).unwrap(), seconds);
    }
}

fn person(bytes: &[u8]) {
    let typed = text(bytes);
    for rule in [
        rules::login,
        rules::email,
        rules::phone,
        rules::language,
        rules::os_user,
    ] {
        if let Ok(kept) = rule(typed) {
            assert_eq!(rule(&kept).unwrap(), kept, "{typed:?}");
            assert!(!kept.chars().any(char::is_control), "{typed:?}");
        }
    }
    if let Ok(phone) = rules::phone(typed) {
        let digits = phone.strip_prefix('+').unwrap();
        assert!((7..=15).contains(&digits.len()) && !digits.starts_with('0'));
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
        let _ = rules::improbable(&phone);
    }
}

fn names(bytes: &[u8]) {
    let typed = text(bytes);
    let folded = name::fold(typed);
    assert_eq!(name::fold(&folded), folded, "{typed:?}");
    assert!(!name::visible(typed).chars().any(char::is_control));
    // What a spreadsheet would run is a number, or stands behind a quote.
    let cell = name::spreadsheet(typed);
    let is_number = cell
        .strip_prefix(['+', '-'])
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    assert!(!runs || (is_number && cell.len() > 1), "{typed:?}");
    let _ = name::argument(typed);
    let _ = name::nearest(typed, ["alice", "bob", typed]);
}

fn settings(bytes: &[u8]) {
    let typed = text(bytes);
    let _ = setting::find(typed);
    STORE.with(|(_, store)| {
        for setting in setting::ALL {
            if let Ok(value) = setting.parse(store, typed) {
                let _ = setting.json(&value);
                let _ = setting.spoken(&value);
            }
        }
    });
}

fn code(bytes: &[u8]) {
    let typed = Secret::new(text(bytes).to_owned());
    let (secret, now) = (b"12345678901234567890", Time(59));
    let judged = totp::judge(secret, Parameters::default(), &typed, now, 1, Time(60)).unwrap();
    // What was consumed is never right again (RFC 6238, appendix B: 287082 at second 59).
    if let totp::Judged::Right { ends_at } = judged {
        assert!(ends_at > Time(60));
    }
    let _ = totp::uri(
        secret,
        Parameters::default(),
        typed.expose(),
        typed.expose(),
    );
}

fn mailbox(bytes: &[u8]) {
    let typed = text(bytes);
    for tls in [None, Some(mailbox::Tls::Tls)] {
        let _ = mailbox::Smtp::parse(typed, tls);
    }
    if let Ok(from) = mailbox::From::parse(typed) {
        let written = from.to_string();
        assert!(!written.contains(['\r', '\n']), "{typed:?}");
        let again = mailbox::From::parse(&written).unwrap_or_else(|error| {
            panic!("{typed:?} was written as {written:?}: {error}");
        });
        assert_eq!(again.to_string(), written);
    }
}

fn provider(bytes: &[u8]) {
    let typed = text(bytes);
    let _ = Smpp::address(typed);
    let http = Http {
        url: typed.to_owned(),
        method: "POST".to_owned(),
        headers: header(typed).into_iter().collect(),
        body: Some(typed.to_owned()),
        username: Some(typed.to_owned()),
        success: None,
        receipt: None,
        ca_file: None,
    };
    let to = |url: &str| Http {
        url: url.to_owned(),
        body: None,
        username: None,
        ..http.clone()
    };
    let _ = http.check(true);
    // What was taken makes one line of a request.
    let alone = to("https://sms.example.com/");
    if alone.check(true).is_ok() {
        let line = |text: &String| !text.chars().any(char::is_control);
        assert!(
            alone
                .headers
                .iter()
                .all(|(name, value)| line(name) && line(value))
        );
    }
    if let Ok(kept) = sender(typed) {
        assert_eq!(sender(&kept).unwrap(), kept);
    }
}

fn http_rule(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (rule, body) = (parts.next().unwrap_or_default(), parts.next());
    let answer = Answer {
        status: 200,
        headers: vec![("x-id".to_owned(), "17".to_owned())],
        body: String::from_utf8_lossy(body.unwrap_or(rule)).into_owned(),
    };
    if let Ok(rule) = Success::parse(Some(text(rule))) {
        let _ = rule.judge(&answer);
    }
    if let Ok(place) = Receipt::parse(text(rule)) {
        let _ = place.find(&answer);
    }
}

fn token(bytes: &[u8]) {
    STORE.with(|(_, store)| {
        let token = Secret::new(text(bytes).to_owned());
        assert!(check(store, &token, None).is_err(), "forged");
    });
}

#[cfg(feature = "saml")]
mod saml;
#[cfg(test)]
mod tests;

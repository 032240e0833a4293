//! Short messages through real message centres over SMPP: every alphabet, several parts, and every way a centre says no.

use serde_json::Value;

use crate::smsc::{Centre, Kannel, LOGIN};
use crate::smtpd::certificate;
use crate::world::World;

/// Whom messages go to.
const PHONE: &str = "+491701234567";

/// A provider of this name for the centre at `port`.
fn provider(world: &World, name: &str, port: u16, options: &str) {
    world
        .run(&format!(
            "sms-provider add '{name}' --smpp 127.0.0.1:{port} --username {} --password-stdin {options}",
            LOGIN.0
        ))
        .stdin(&format!("{}\n", LOGIN.1))
        .succeeds();
}

/// Sends a test message, which names its provider. No secret is in the conversation.
fn tested(world: &World, name: &str) -> Value {
    let tested = world.json(&format!("sms-provider test '{name}' --to {PHONE}"));
    assert_eq!(tested["provider"], name, "{tested}");
    assert_eq!(tested["to"], PHONE, "{tested}");
    assert_eq!(tested["delivered"], true, "{tested}");
    assert!(!tested.to_string().contains(LOGIN.1), "{tested}");
    tested
}

/// What was said in a conversation, a line each, with its speaker.
fn conversation(tested: &Value) -> Vec<String> {
    let lines = tested["conversation"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let (from, text) = (&line["from"], &line["text"]);
            format!("{}: {}", from.as_str().unwrap(), text.as_str().unwrap())
        })
        .collect()
}

/// The words of a failed test message from the centre's name on, and whether trying again may help.
fn refused(world: &World, port: u16) -> String {
    let error = world
        .run(&format!("sms-provider test carrier --to {PHONE} -o json"))
        .exits(1)
        .error();
    assert_eq!(error["kind"], "delivery", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(!message.contains(LOGIN.1), "{message}");
    let message = message.replace(&format!("127.0.0.1:{port}"), "SERVER");
    let words = message.find("SERVER").map(|at| &message[at..]);
    let kind = if error["temporary"] == true {
        "temporary"
    } else {
        "permanent"
    };
    format!("{kind}: {}", words.unwrap_or(&message))
}

/// Codes go by SMS through `carrier`, and alice has a phone.
fn codes_by_sms(world: &World) {
    world.ok(&format!("user edit alice --phone {PHONE}"));
    world.ok("setting set SmsProvider carrier");
    world.ok("method enable sms --primary");
    world.ok("setting set Enable2FA on --yes --allow-lockout");
}

/// Alice logs in with the code that the centre got.
fn logs_in(world: &World, centre: &Centre) {
    codes_by_sms(world);
    let before = centre.messages().len();
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    assert_eq!(verdict["method"], "sms", "{verdict}");
    assert_eq!(centre.messages().len(), before + 1);
    let message = centre.last();
    assert_eq!(message["to"], PHONE.trim_start_matches('+'), "{message}");
    let text = message["text"].as_str().unwrap();
    let code = text
        .split(|c: char| !c.is_ascii_digit())
        .find(|digits| digits.len() == 6)
        .unwrap_or_else(|| panic!("no code in the message: {text}"));
    let challenge = verdict["challenge"].as_str().unwrap();
    let verify = format!("login verify {challenge} --code {code} -o json");
    let granted = world.run(&verify).json(0);
    assert_eq!(granted["outcome"], "granted", "{granted}");
    world.run(&verify).json(12);
}

#[test]
fn a_code_logs_in() {
    let place = World::empty();
    // A centre that asks whether we are there before it answers is nothing special.
    for centre in Centre::each(&place.file("in"), &["--enquire"]) {
        let world = World::peopled();
        provider(
            &world,
            "carrier",
            centre.port,
            "--tls none --system-type VMA --from Example",
        );
        logs_in(&world, &centre);
        let message = centre.last();
        for (field, value) in [
            ("system_id", Value::from(LOGIN.0)),
            ("system_type", "VMA".into()),
            ("interface_version", 0x34.into()),
            ("from", "Example".into()),
            ("from_ton", 5.into()),
            ("from_npi", 0.into()),
            ("to_ton", 1.into()),
            ("to_npi", 1.into()),
            ("data_coding", 0.into()),
            ("esm_class", 0.into()),
            ("parts", 1.into()),
        ] {
            assert_eq!(message[field], value, "{field}: {message}");
        }
    }
}

#[test]
fn a_session_is_told_step_by_step() {
    let place = World::empty();
    for centre in Centre::each(&place.file("in"), &[]) {
        let world = World::peopled();
        provider(&world, "carrier", centre.port, "--tls none");
        let tested = tested(&world, "carrier");
        assert_eq!(tested["receipt"], "peer-1", "{tested}");
        let said = conversation(&tested);
        // How long the words are is not this test's business.
        let said: Vec<&str> = said
            .iter()
            .map(|line| line.split(", data_coding").next().unwrap())
            .collect();
        assert_eq!(
            said,
            [
                &format!("note: connecting to 127.0.0.1:{}", centre.port),
                "client: bind_transmitter system_id=ops password=**** system_type=",
                "server: bind_transmitter_resp ESME_ROK (0x00000000) system_id=peer",
                "client: submit_sm part 1 of 1 to `491701234567`",
                "server: submit_sm_resp ESME_ROK (0x00000000) message_id=peer-1",
                "client: unbind",
                "server: unbind_resp ESME_ROK (0x00000000)",
            ]
        );
        assert_eq!(centre.last()["from"], "");
    }
}

#[test]
fn every_alphabet_arrives() {
    let place = World::empty();
    for centre in Centre::each(&place.file("in"), &[]) {
        let world = World::peopled();
        for (name, coding, several) in [
            ("carrier", 0, false),
            ("Zürich äöü€[] @_$ {}~^|", 0, false),
            ("Связь 🔑", 8, false),
            // Too long for one message, however little is said around it.
            (
                "Поставщик коротких сообщений 🔑 для второго фактора, весьма надёжный 🔑",
                8,
                true,
            ),
        ] {
            provider(&world, name, centre.port, "--tls none --from 12345");
            let receipt = tested(&world, name)["receipt"].clone();
            let message = centre.last();
            let text = message["text"].as_str().unwrap();
            assert!(text.contains(name), "{message}");
            assert_eq!(message["data_coding"], coding, "{message}");
            assert_eq!(message["from_ton"], 3, "{message}");
            let parts = message["parts"].as_u64().unwrap();
            assert_eq!(parts > 1, several, "{message}");
            let receipts = receipt.as_str().unwrap().split(' ').count();
            assert_eq!(u64::try_from(receipts).unwrap(), parts, "{receipt}");
        }
    }
}

#[test]
fn tls_with_a_certificate_of_our_own_ca() {
    let world = World::peopled();
    certificate(world.path(), "good", "IP:127.0.0.1");
    let (cert, key) = (world.file("good.pem"), world.file("good.key"));
    let centre = Centre::node(
        &world.file("in"),
        &[
            "--cert",
            cert.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
        ],
    );
    provider(
        &world,
        "carrier",
        centre.port,
        "--tls tls --ca-file good.ca.pem",
    );
    let tested = tested(&world, "carrier");
    let said = conversation(&tested);
    assert!(said[1].starts_with("note: TLSv1_3, "), "{said:#?}");
    assert_eq!(centre.last()["tls"], true);
    logs_in(&world, &centre);
    // The system does not know our CA, and a centre with TLS does not understand us without.
    let taken = centre.messages().len();
    world.ok("sms-provider edit carrier --no-ca-file");
    let words = refused(&world, centre.port);
    assert!(
        words.starts_with("permanent: SERVER is not good: "),
        "{words}"
    );
    world.run("sms-provider edit carrier --tls none").exits(2);
    world
        .run("sms-provider edit carrier --tls none --password-stdin")
        .stdin(&format!("{}\n", LOGIN.1))
        .succeeds();
    refused(&world, centre.port);
    assert_eq!(centre.messages().len(), taken);
}

#[test]
fn every_refusal_has_its_own_words() {
    let place = World::empty();
    for (options, words) in [
        (
            ["--refuse", "0x58"].as_slice(),
            "temporary: SERVER refused for now: ESME_RTHROTTLED (0x00000058): more was sent than is allowed in this time",
        ),
        (
            &["--refuse", "0x0b"],
            "permanent: SERVER refused: ESME_RINVDSTADR (0x0000000b): the destination address is not valid",
        ),
        (&["--leave"], "temporary: SERVER closed the connection"),
    ] {
        for centre in Centre::each(&place.file(options.last().unwrap()), options) {
            let world = World::peopled();
            provider(&world, "carrier", centre.port, "--tls none");
            assert_eq!(refused(&world, centre.port), words);
            assert_eq!(centre.messages().len(), 0);

            // A code that cannot be sent is no try, and no wrong code.
            codes_by_sms(&world);
            let error = world
                .run("login start alice --password-stdin -o json")
                .stdin("alice-pw\n")
                .exits(1)
                .error();
            assert_eq!(error["kind"], "delivery", "{error}");
            assert_eq!(world.tries("alice"), 0);
        }
    }
}

#[test]
fn a_wrong_password_is_refused() {
    let place = World::empty();
    for centre in Centre::each(&place.file("in"), &[]) {
        let world = World::peopled();
        provider(&world, "carrier", centre.port, "--tls none");
        for password in ["not-it", "a-password-longer-than-eight"] {
            world
                .run("sms-provider edit carrier --password-stdin")
                .stdin(&format!("{password}\n"))
                .succeeds();
            assert_eq!(
                refused(&world, centre.port),
                "permanent: SERVER refused: ESME_RINVPASWD (0x0000000e): the password is wrong"
            );
        }
        assert_eq!(centre.messages().len(), 0);
        let port = centre.port;
        drop(centre);
        assert_eq!(
            refused(&world, port),
            "temporary: SERVER: nothing listens there"
        );
    }
}

#[test]
fn half_a_message_is_said_to_be_half() {
    let place = World::empty();
    let name = "Поставщик коротких сообщений 🔑 для второго фактора, весьма надёжный 🔑";
    for centre in Centre::each(
        &place.file("in"),
        &["--refuse", "0x14", "--refuse-from", "2"],
    ) {
        let world = World::peopled();
        provider(&world, name, centre.port, "--tls none");
        let error = world
            .run(&format!("sms-provider test '{name}' --to {PHONE} -o json"))
            .exits(1)
            .error();
        assert_eq!(error["temporary"], false, "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("ESME_RMSGQFUL"), "{message}");
        assert!(message.ends_with(" parts had been accepted)"), "{message}");
        assert_eq!(centre.messages().len(), 0);
    }
}

#[test]
fn kannel_finds_nothing_wrong_with_us() {
    for (name, words) in [
        ("carrier", "carrier"),
        // It knows no alphabet, and shows octets: those of UCS-2 begin with none.
        ("Связь", ""),
    ] {
        let world = World::peopled();
        let kannel = Kannel::start(&world.file("kannel.log"));
        provider(&world, name, kannel.port, "--tls none --from Example");
        let tested = tested(&world, name);
        // It gives none.
        assert_eq!(tested["receipt"], "accepted, without a message id");
        let said = conversation(&tested);
        assert_eq!(
            said.last().unwrap(),
            "server: unbind_resp ESME_ROK (0x00000000)"
        );
        let log = kannel.log();
        let handled: Vec<_> = log
            .lines()
            .filter_map(|line| Some(line.split_once("Handling SMPP PDU of type ")?.1))
            .collect();
        assert_eq!(
            handled,
            ["bind_transmitter", "submit_sm", "unbind"],
            "{log}"
        );
        let taken = log.lines().find(|line| line.contains("short_message = <"));
        assert!(taken.is_some_and(|line| line.contains(words)), "{log}");
        for complaint in ["WARNING", "garbage", "unpacking failed", "Unhandled"] {
            assert!(!log.contains(complaint), "{complaint}: {log}");
        }
    }
}

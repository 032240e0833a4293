//! Mail through a real Postfix: STARTTLS and TLS with a login, letters beyond ASCII, IPv6, and every way it says no.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::peer;
use crate::postfix::Postfix;
use crate::smtp::{logs_in_by, mailbox_at, refused_to};
use crate::smtpd::{LOGIN, certificate};
use crate::world::World;

/// Where the tests that are not about IPv6 find it.
const HOST: &str = "127.0.0.1";

/// The options of a mailbox that logs in.
const LOGS_IN: &str = "--username ops --password-stdin --ca-file good.ca.pem";

/// A Postfix, and a world whose CA it has.
fn postfix() -> (World, Postfix) {
    let world = World::peopled();
    certificate(world.path(), "good", "IP:127.0.0.1");
    let postfix = Postfix::start(&world, HOST);
    (world, postfix)
}

fn at(port: u16) -> String {
    format!("{HOST}:{port}")
}

/// What a mail program makes of a message: `from` (name and address), `to`, `subject`, `text`, `html` and `defects`.
fn read(message: &str) -> serde_json::Value {
    let script = "
import email, email.policy, json, sys
message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
sender, = message['From'].addresses
text, html = message.get_body(['plain']), message.get_body(['html'])
print(json.dumps({
    'from': [sender.display_name, sender.addr_spec],
    'to': message['To'],
    'subject': message['Subject'],
    'text': text.get_content(),
    'html': html and html.get_content(),
    'defects': [repr(it) for part in message.walk() for it in part.defects],
}))";
    let mut child = Command::new(peer("python3", "apt-get install python3"))
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(message.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{message}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The newest row of the outbox, which `outbox show` gives as well.
fn newest(world: &World) -> serde_json::Value {
    let list = world.json("outbox list --limit 1");
    let row = list[0].clone();
    assert_eq!(row, world.json(&format!("outbox show {}", row["id"])));
    row
}

/// The number of the message in Postfix's queue, which the receipt names.
#[track_caller]
fn queued(world: &World) -> String {
    let row = newest(world);
    assert_eq!(row["state"], "accepted", "{row}");
    assert_eq!(row["tries"], 1, "{row}");
    let receipt = row["receipt"].as_str().unwrap();
    let id = receipt
        .strip_prefix("250 2.0.0 Ok: queued as ")
        .unwrap_or_else(|| panic!("{row}"));
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{row}");
    id.to_owned()
}

/// How the message came to Postfix: by which protocol, under which number.
#[track_caller]
fn came(message: &str, protocol: &str, id: &str) {
    let unfolded = message.replace("\n\t", " ");
    let received: Vec<&str> = unfolded
        .lines()
        .filter(|line| line.starts_with("Received: "))
        .collect();
    let [received] = received.as_slice() else {
        panic!("{message}")
    };
    // The name of this machine is nobody's business.
    assert!(
        received.starts_with("Received: from [127.0.0.1] (unknown ["),
        "{received}"
    );
    assert!(
        received.contains(&format!(" with {protocol} id {id} ")),
        "{protocol} {id}: {received}"
    );
    assert_eq!(
        received.contains("(using TLSv1.3 with cipher "),
        protocol.contains("SMTPS"),
        "{received}"
    );
}

#[test]
fn starttls_with_a_login() {
    let (world, postfix) = postfix();
    mailbox_at(
        &world,
        &at(postfix.submission),
        &format!("--tls starttls {LOGS_IN}"),
    );
    let message = logs_in_by(&world, || postfix.received("alice"));
    came(&message, "ESMTPSA", &queued(&world));
    let headers: Vec<&str> = message
        .lines()
        .take_while(|line| !line.is_empty())
        .collect();
    for line in [
        "Return-Path: <ops@example.com>",
        "Delivered-To: alice@example.com",
        "From: Ops <ops@example.com>",
        "To: alice@example.com",
        "Subject: Your verification code",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert!(headers.contains(&line), "{line}\n{message}");
    }
    // They are ours: Postfix would add those that are missing.
    for (name, begins, ends) in [
        ("Message-ID: ", "<1767225600.", "@example.com>"),
        ("Date: ", "Thu, 01 Jan 2026 00:00:00 ", "+0000"),
    ] {
        let named: Vec<&str> = headers
            .iter()
            .filter_map(|line| line.strip_prefix(name))
            .collect();
        let [value] = named.as_slice() else {
            panic!("{name}\n{message}")
        };
        assert!(
            value.starts_with(begins) && value.ends_with(ends),
            "{name}{value}"
        );
    }
    postfix.logs("sasl_method=PLAIN, sasl_username=ops@example.com", 1);
    postfix.is_done();
}

#[test]
fn tls_from_the_first_byte_with_a_login_by_login() {
    let (world, postfix) = postfix();
    mailbox_at(&world, &at(postfix.smtps), &format!("--tls tls {LOGS_IN}"));
    world.ok("mailbox edit ops --auth login");
    let message = logs_in_by(&world, || postfix.received("alice"));
    came(&message, "ESMTPSA", &queued(&world));
    postfix.logs("sasl_method=LOGIN, sasl_username=ops@example.com", 1);
    postfix.logs("sasl_method=PLAIN", 0);

    world
        .run("mailbox edit ops --password-stdin")
        .stdin("wrong\n")
        .succeeds();
    snapbox::assert_data_eq!(
        refused_to(&world, &at(postfix.smtps), "alice@example.com"),
        snapbox::str![[
            r#"the mailbox `ops` could not send: SERVER refused: 535 5.7.8 Error: authentication failed: authentication failure"#
        ]]
    );
    postfix.is_done();
}

#[test]
fn as_another_server_without_a_login() {
    let (world, postfix) = postfix();
    mailbox_at(&world, &at(postfix.mx), "--tls none");
    let message = logs_in_by(&world, || postfix.received("alice"));
    came(&message, "ESMTP", &queued(&world));
    postfix.is_done();
}

#[test]
fn over_ipv6() {
    let world = World::peopled();
    certificate(world.path(), "good", "IP:::1");
    let postfix = Postfix::start(&world, "::1");
    mailbox_at(
        &world,
        &format!("[::1]:{}", postfix.submission),
        &format!("--tls starttls {LOGS_IN}"),
    );
    let message = logs_in_by(&world, || postfix.received("alice"));
    came(&message, "ESMTPSA", &queued(&world));
    assert!(message.contains("(unknown [IPv6:::1])"), "{message}");
}

#[test]
fn letters_beyond_ascii() {
    let (world, postfix) = postfix();
    mailbox_at(
        &world,
        &at(postfix.submission),
        &format!("--tls starttls {LOGS_IN}"),
    );
    world.ok("mailbox edit ops --from 'Zoë Größe, Müller & Söhne <ops@example.com>'");
    world.ok("user edit alice --name 'Ålice “Ωmega” 李'");
    let message = logs_in_by(&world, || postfix.received("alice"));
    // Only an address needs a server that knows of them: the rest is written in ASCII.
    came(&message, "ESMTPSA", &queued(&world));
    assert!(message.is_ascii(), "{message}");
    let read = read(&message);
    assert_eq!(read["defects"], serde_json::json!([]), "{message}");
    assert_eq!(
        read["from"],
        serde_json::json!(["Zoë Größe, Müller & Söhne", "ops@example.com"])
    );
    assert_eq!(read["subject"], "Your verification code");
    let (text, html) = (
        read["text"].as_str().unwrap(),
        read["html"].as_str().unwrap(),
    );
    assert!(text.starts_with("Hello Ålice “Ωmega” 李,\n"), "{text}");
    assert!(html.contains("<p>Hello Ålice “Ωmega” 李,</p>"), "{html}");
}

#[test]
fn an_address_beyond_ascii() {
    let (world, postfix) = postfix();
    mailbox_at(
        &world,
        &at(postfix.submission),
        &format!("--tls starttls {LOGS_IN}"),
    );
    world.ok("user edit alice --email zoë@example.com");
    let message = logs_in_by(&world, || postfix.received("zoë"));
    came(&message, "UTF8SMTPSA", &queued(&world));
    let read = read(&message);
    assert_eq!(read["to"], "zoë@example.com", "{message}");
    assert_eq!(read["defects"], serde_json::json!([]), "{message}");
    assert!(
        message.contains("\nDelivered-To: zoë@example.com\n"),
        "{message}"
    );
}

#[test]
fn every_refusal_has_its_own_words() {
    let (world, mut postfix) = postfix();
    certificate(world.path(), "other", "IP:127.0.0.1");
    let submission = at(postfix.submission);
    mailbox_at(&world, &submission, &format!("--tls starttls {LOGS_IN}"));
    let edit = |options: &str| {
        world
            .run(&format!("mailbox edit ops {options}"))
            .stdin(&format!("{}\n", LOGIN.1))
            .succeeds();
    };
    let mut said = Vec::new();
    let mut keep = |server: &str, to: &str| said.push(refused_to(&world, server, to));

    world
        .run("mailbox edit ops --password-stdin")
        .stdin("wrong\n")
        .succeeds();
    keep(&submission, "alice@example.com");
    edit("--auth xoauth2 --password-stdin");
    keep(&submission, "alice@example.com");
    edit("--auth auto --password-stdin");

    keep(&submission, "nobody@example.com");
    keep(&submission, "later@example.com");

    edit("--ca-file other.ca.pem");
    keep(&submission, "alice@example.com");
    // The system does not know our CA either.
    edit("--no-ca-file");
    keep(&submission, "alice@example.com");
    // The same server, under a name that its certificate does not have.
    let localhost = format!("localhost:{}", postfix.submission);
    edit(&format!(
        "--smtp smtp://{localhost} --ca-file good.ca.pem --password-stdin"
    ));
    keep(&localhost, "alice@example.com");
    edit(&format!("--smtp smtp://{submission} --password-stdin"));

    // STARTTLS is expected of us, and before it no login is offered.
    edit("--tls none --password-stdin");
    keep(&submission, "alice@example.com");
    edit("--no-username");
    keep(&submission, "alice@example.com");
    edit("--tls starttls");
    keep(&submission, "alice@example.com");
    edit("--tls tls");
    keep(&submission, "alice@example.com");

    // Whom it does not know may write to example.com, and to nobody else.
    let mx = at(postfix.mx);
    edit(&format!("--smtp smtp://{mx} --tls none"));
    keep(&mx, "carol@example.org");

    postfix.is_done();
    postfix.stop();
    keep(&mx, "alice@example.com");

    for (at, message) in said.iter().enumerate() {
        assert!(!said[..at].contains(message), "twice: {message}\n{said:#?}");
    }
    snapbox::assert_data_eq!(
        said.join("\n"),
        snapbox::str![[r#"
the mailbox `ops` could not send: SERVER refused: 535 5.7.8 Error: authentication failed: authentication failure
the mailbox `ops` could not send: SERVER does not offer to log in by XOAUTH2
the mailbox `ops` could not send: SERVER refused: 550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown in virtual mailbox table
the mailbox `ops` could not send: SERVER refused for now: 450 4.2.1 <later@example.com>: Recipient address rejected: the mailbox is busy
the mailbox `ops` could not send: the certificate of SERVER is not good: it was issued by nobody who is trusted (trusted: the certificates in `[DIR]/other.ca.pem`)
the mailbox `ops` could not send: the certificate of SERVER is not good: it was issued by nobody who is trusted (trusted: the system's certificates)
the mailbox `ops` could not send: the certificate of SERVER is not good: certificate not valid for name "localhost"; certificate is only valid for IpAddress(127.0.0.1) (trusted: the certificates in `[DIR]/good.ca.pem`)
the mailbox `ops` could not send: SERVER does not offer to log in by PLAIN or LOGIN
the mailbox `ops` could not send: SERVER refused: 530 5.7.0 Must issue a STARTTLS command first
the mailbox `ops` could not send: SERVER refused: 554 5.7.1 <alice@example.com>: Recipient address rejected: Access denied
the mailbox `ops` could not send: SERVER does not speak TLS from the first byte
the mailbox `ops` could not send: SERVER refused: 554 5.7.1 <carol@example.org>: Relay access denied
the mailbox `ops` could not send: SERVER: nothing listens there
"#]]
    );
}

#[test]
fn who_is_put_off_is_tried_three_times() {
    let (world, mut postfix) = postfix();
    mailbox_at(
        &world,
        &at(postfix.submission),
        &format!("--tls starttls {LOGS_IN}"),
    );
    world.ok("setting set 2FAmailbox ops");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    world.ok("user edit alice --email later@example.com");
    let done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    let error = done.error();
    assert_eq!(error["kind"], "delivery", "{error}");
    assert_eq!(error["temporary"], true, "{error}");
    let said = format!(
        "127.0.0.1:{} refused for now: 450 4.2.1 <later@example.com>: Recipient address rejected: the mailbox is busy",
        postfix.submission
    );
    assert_eq!(
        error["message"],
        format!("the mailbox `ops` could not send: {said}")
    );
    let row = newest(&world);
    assert_eq!(row["state"], "failed", "{row}");
    assert_eq!(row["tries"], 3, "{row}");
    assert_eq!(row["error"], said.as_str(), "{row}");
    assert_eq!(row["receipt"], serde_json::Value::Null, "{row}");
    postfix.logs("the mailbox is busy", 3);
    postfix.is_done();

    // What is refused for good is tried once.
    world.ok("user edit alice --email nobody@example.com");
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    let row = newest(&world);
    assert_eq!(row["tries"], 1, "{row}");
    postfix.logs("User unknown", 1);

    // A server that is away may be back in a moment.
    postfix.stop();
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    let row = newest(&world);
    assert_eq!(row["tries"], 3, "{row}");
    assert_eq!(
        row["error"],
        format!("127.0.0.1:{}: nothing listens there", postfix.submission),
        "{row}"
    );
}

#[test]
fn starttls_against_tls_ends_with_the_life_of_the_code() {
    let (world, postfix) = postfix();
    mailbox_at(
        &world,
        &at(postfix.smtps),
        &format!("--tls starttls {LOGS_IN}"),
    );
    world.ok("setting set 2FAmailbox ops SecondFactorCodeTTL 2");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    let done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    assert_eq!(
        done.error()["message"],
        format!(
            "the mailbox `ops` could not send: 127.0.0.1:{} did not answer within 2 s; a server with TLS from the first byte says nothing before that: smtps://",
            postfix.smtps
        )
    );
    postfix.is_done();
}

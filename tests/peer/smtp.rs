//! Mail through a real SMTP server: plain, STARTTLS and TLS, and every way a server says no.

use crate::smtpd::{LOGIN, Server, certificate, code};
use crate::world::World;

/// A server with STARTTLS or TLS and a login, and a world whose CA it has.
fn protected(tls: &str) -> (World, Server) {
    let world = World::peopled();
    certificate(world.path(), "good", "IP:127.0.0.1");
    certificate(world.path(), "other", "IP:127.0.0.1");
    certificate(world.path(), "elsewhere", "DNS:mail.example.com");
    let server = with_login(&world, tls, "good");
    (world, server)
}

fn with_login(world: &World, tls: &str, certificate: &str) -> Server {
    let (cert, key) = (
        world.file(&format!("{certificate}.pem")),
        world.file(&format!("{certificate}.key")),
    );
    let mut options = vec!["--tls", tls, "--username", LOGIN.0, "--password", LOGIN.1];
    if tls != "none" {
        options.extend(["--cert", cert.to_str().unwrap()]);
        options.extend(["--key", key.to_str().unwrap()]);
    }
    Server::start(&world.file(&format!("in-{certificate}")), &options)
}

/// A mailbox `ops` for a server at `port`.
fn mailbox(world: &World, port: u16, options: &str) {
    mailbox_at(world, &format!("127.0.0.1:{port}"), options);
}

/// A mailbox `ops` for a server.
pub fn mailbox_at(world: &World, server: &str, options: &str) {
    let login = if options.contains("--username") {
        LOGIN.1
    } else {
        ""
    };
    world
        .run(&format!(
            "mailbox add ops --smtp smtp://{server} --from 'Ops <ops@example.com>' {options}"
        ))
        .stdin(&format!("{login}\n"))
        .succeeds();
}

/// The error of `mailbox test`: its message, the port left out.
fn refused(world: &World, port: u16) -> String {
    refused_to(world, &format!("127.0.0.1:{port}"), "carol@example.com")
}

/// The error of `mailbox test` to a recipient: its message, the server left out.
pub fn refused_to(world: &World, server: &str, to: &str) -> String {
    let done = world
        .run(&format!("mailbox test ops --to {to} -o json"))
        .exits(1);
    assert_eq!(done.stdout, "");
    let last = done.stderr.lines().last().unwrap_or_default();
    let error: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(error["error"]["kind"], "delivery", "{error}");
    // What did not leave stands in the audit log as failed.
    let audit = world.json("audit list --event mailbox.tested --limit 1");
    assert_eq!(audit[0]["outcome"], "failed", "{audit}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(!message.contains(LOGIN.1), "{message}");
    message
        .replace(server, "SERVER")
        .replace(&world.path().display().to_string(), "[DIR]")
}

/// Alice logs in with the code that the server got.
fn logs_in(world: &World, server: &Server) {
    let before = server.messages().len();
    logs_in_by(world, || {
        assert_eq!(server.messages().len(), before + 1);
        server.last()
    });
}

/// Alice logs in with the code in the message that `received` then gives, which is returned.
pub fn logs_in_by(world: &World, received: impl FnOnce() -> String) -> String {
    world.ok("setting set 2FAmailbox ops");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    assert_eq!(verdict["method"], "email", "{verdict}");
    let message = received();
    let challenge = verdict["challenge"].as_str().unwrap();
    let code = code(&message);
    let verify = format!("login verify {challenge} --code {code} -o json");
    let granted = world.run(&verify).json(0);
    assert_eq!(granted["outcome"], "granted", "{granted}");
    world.run(&verify).json(12);
    message
}

#[test]
fn plain() {
    let world = World::peopled();
    let server = Server::start(&world.file("in"), &["--tls", "none"]);
    mailbox(&world, server.port, "--tls none");
    logs_in(&world, &server);
    let message = server.last();
    for line in [
        "X-Peer-From: ops@example.com",
        "X-Peer-To: alice@example.com",
        "X-Peer-Tls: no",
        "X-Peer-Login: -",
        // The name of this machine is nobody's business.
        "X-Peer-Hello: [127.0.0.1]",
        "From: Ops <ops@example.com>",
        "To: alice@example.com",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(
            message.lines().any(|said| said == line),
            "{line}\n{message}"
        );
    }
    assert!(message.contains("\nMessage-ID: <"), "{message}");
    assert!(message.contains("\nDate: Thu, 01 Jan 2026 "), "{message}");
}

#[test]
fn starttls_with_a_login() {
    let (world, server) = protected("starttls");
    mailbox(
        &world,
        server.port,
        "--tls starttls --username ops --password-stdin --ca-file good.ca.pem",
    );
    let tested = world.json("mailbox test ops --to carol@example.com");
    assert!(
        tested.to_string().contains("queued as peer-1"),
        "the receipt is the server's: {tested}"
    );
    let message = server.last();
    for line in [
        "X-Peer-To: carol@example.com",
        "X-Peer-Tls: yes",
        "X-Peer-Login: ops",
    ] {
        assert!(message.contains(line), "{line}\n{message}");
    }
    logs_in(&world, &server);
}

#[test]
fn tls_from_the_first_byte_with_a_login() {
    let (world, server) = protected("tls");
    mailbox(
        &world,
        server.port,
        "--tls tls --username ops --password-stdin --ca-file good.ca.pem",
    );
    logs_in(&world, &server);
    let message = server.last();
    assert!(message.contains("X-Peer-Tls: yes"), "{message}");
    assert!(message.contains("X-Peer-Login: ops"), "{message}");
}

#[test]
fn an_access_token() {
    let (world, server) = protected("starttls");
    mailbox(
        &world,
        server.port,
        "--tls starttls --username ops --auth xoauth2 --password-stdin --ca-file good.ca.pem",
    );
    let tested = world.json("mailbox test ops --to carol@example.com");
    let conversation = tested["conversation"].to_string();
    assert!(
        conversation.contains(r#""AUTH XOAUTH2 ****""#) && !conversation.contains("AUTH PLAIN "),
        "{conversation}"
    );
    logs_in(&world, &server);
    let message = server.last();
    assert!(message.contains("X-Peer-Login: ops"), "{message}");

    world
        .run("mailbox edit ops --password-stdin")
        .stdin("expired\n")
        .succeeds();
    let before = server.messages().len();
    snapbox::assert_data_eq!(
        refused(&world, server.port),
        snapbox::str![[
            r#"the mailbox `ops` could not send: SERVER refused: 535 5.7.8 Authentication credentials invalid"#
        ]]
    );
    assert_eq!(server.messages().len(), before);
}

#[test]
fn every_refusal_has_its_own_words() {
    let (world, server) = protected("starttls");
    let port = server.port;
    mailbox(
        &world,
        port,
        "--tls starttls --username ops --password-stdin --ca-file good.ca.pem",
    );
    let edit = |options: &str, stdin: &str| {
        world
            .run(&format!("mailbox edit ops {options}"))
            .stdin(stdin)
            .succeeds();
    };
    let mut said = Vec::new();
    let mut keep = |message: String| said.push(message);
    let password = format!("{}\n", LOGIN.1);

    edit("--password-stdin", "wrong\n");
    keep(refused(&world, port));
    edit("--password-stdin", &format!("{}\n", LOGIN.1));

    // A server that wants a login and is not given one.
    edit("--no-username", "");
    keep(refused(&world, port));
    edit("--username ops --password-stdin", &format!("{}\n", LOGIN.1));

    edit("--ca-file other.ca.pem", "");
    keep(refused(&world, port));
    edit("--ca-file absent.pem", "");
    keep(refused(&world, port));
    world.write("empty.pem", "no certificate\n");
    edit("--ca-file empty.pem", "");
    keep(refused(&world, port));
    // The system does not know our CA either.
    edit("--no-ca-file", "");
    keep(refused(&world, port));
    assert_eq!(server.messages().len(), 0);

    let elsewhere = with_login(&world, "starttls", "elsewhere");
    edit(
        &format!(
            "--smtp smtp://127.0.0.1:{} --ca-file elsewhere.ca.pem --password-stdin",
            elsewhere.port
        ),
        &password,
    );
    keep(refused(&world, elsewhere.port));
    assert_eq!(elsewhere.messages().len(), 0);

    // STARTTLS is not offered: nothing is sent, the password least of all.
    let plain = with_login(&world, "none", "plain");
    edit(
        &format!(
            "--smtp smtp://127.0.0.1:{} --ca-file good.ca.pem --password-stdin",
            plain.port
        ),
        &password,
    );
    keep(refused(&world, plain.port));
    assert_eq!(plain.messages().len(), 0);

    // TLS against a server that speaks plain, and plain against one that speaks TLS.
    edit("--tls tls", "");
    keep(refused(&world, plain.port));

    let full = Server::start(
        &world.file("in-full"),
        &["--tls", "none", "--refuse", "552 5.2.2 mailbox full"],
    );
    edit(
        &format!(
            "--smtp smtp://127.0.0.1:{} --tls none --no-username",
            full.port
        ),
        "",
    );
    keep(refused(&world, full.port));
    let greylisting = Server::start(
        &world.file("in-grey"),
        &["--tls", "none", "--refuse", "451 4.7.1 try again later"],
    );
    edit(&format!("--smtp smtp://127.0.0.1:{}", greylisting.port), "");
    keep(refused(&world, greylisting.port));

    let gone = greylisting.port;
    drop(greylisting);
    keep(refused(&world, gone));

    for (at, message) in said.iter().enumerate() {
        assert!(!said[..at].contains(message), "twice: {message}\n{said:#?}");
    }
    snapbox::assert_data_eq!(
        said.join("\n"),
        snapbox::str![[r#"
the mailbox `ops` could not send: SERVER refused: 535 5.7.8 Authentication credentials invalid
the mailbox `ops` could not send: SERVER refused: 530 5.7.0 Authentication required
the mailbox `ops` could not send: the certificate of SERVER is not good: it was issued by nobody who is trusted (trusted: the certificates in `[DIR]/other.ca.pem`)
the mailbox `ops` could not send: the CA file `[DIR]/absent.pem` cannot be used: No such file or directory (os error 2)
the mailbox `ops` could not send: the CA file `[DIR]/empty.pem` cannot be used: there is no certificate in it
the mailbox `ops` could not send: the certificate of SERVER is not good: it was issued by nobody who is trusted (trusted: the system's certificates)
the mailbox `ops` could not send: the certificate of SERVER is not good: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("mail.example.com") (trusted: the certificates in `[DIR]/elsewhere.ca.pem`)
the mailbox `ops` could not send: SERVER does not offer STARTTLS, and nothing was sent without it
the mailbox `ops` could not send: SERVER does not speak TLS from the first byte
the mailbox `ops` could not send: SERVER refused: 552 5.2.2 mailbox full
the mailbox `ops` could not send: SERVER refused for now: 451 4.7.1 try again later
the mailbox `ops` could not send: SERVER: nothing listens there
"#]]
    );
}

#[test]
fn a_server_that_never_speaks_costs_the_life_of_the_code() {
    let world = World::peopled();
    let server = Server::start(&world.file("in"), &["--tls", "none", "--silent"]);
    mailbox(&world, server.port, "--tls none");
    world.ok("setting set 2FAmailbox ops SecondFactorCodeTTL 2");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test measures by the machine's clock"
    )]
    let begun = std::time::Instant::now();
    let done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    let took = begun.elapsed().as_secs();
    // It gives up a moment before, to be heard.
    assert!((1..15).contains(&took), "{took} s");
    assert!(
        done.stderr.contains(&format!(
            "127.0.0.1:{} did not answer within 2 s",
            server.port
        )),
        "{}",
        done.stderr
    );
    // A delivery that failed is no try.
    let audit = world.json("audit list --limit 5");
    assert!(!audit.to_string().contains("denied"), "{audit}");
}

//! Findings of `twofa doctor --online`: whether what codes leave by answers.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use snapbox::str;

use crate::doctor::{finds_with, healthy, paste, report};
use crate::mail_server::polite;
use crate::world::World;

/// A port that nobody listens on.
fn nobody() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn by_mail(port: u16) -> World {
    let world = World::with_email();
    world
        .run(&format!("mailbox add post --smtp 127.0.0.1:{port} --tls none --username u --password-stdin --from a@example.com"))
        .stdin("mail-secret\n")
        .succeeds();
    world.ok("setting set 2FAmailbox post");
    world
}

#[test]
fn a_mail_server_that_answers_gets_no_message() {
    let server = polite("", "");
    let world = by_mail(server.port);
    let found = report(&world, "doctor --online");
    assert_eq!(found["healthy"], true, "{found:#}");
    let heard = server.thread.join().unwrap();
    let said: Vec<&str> = heard
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(said, ["EHLO", "AUTH", "QUIT"]);
    assert_eq!(world.number("SELECT count(*) FROM outbox"), 0);
}

#[test]
fn a_mail_server_that_does_not() {
    let server = polite("AUTH", "535 5.7.8 no mail-secret of mine\r\n");
    let world = by_mail(server.port);
    let port = server.port.to_string();
    let found = report(&world, "doctor --online");
    server.thread.join().unwrap();
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert_eq!(
        message.replace(&port, "[PORT]"),
        "The mailbox `post` cannot be reached: 127.0.0.1:[PORT] refused: 535 5.7.8 no **** of mine."
    );
    // Without --online it is not known.
    healthy(&world);

    let world = by_mail(1);
    let mend = finds_with(
        &world,
        "doctor --online",
        "mailbox_unreachable",
        str![[r#"
{
  "check": "senders",
  "kind": "mailbox_unreachable",
  "severity": "error",
  "message": "The mailbox `post` cannot be reached: 127.0.0.1:1: nothing listens there.",
  "count": 1,
  "names": [
    "post"
  ],
  "mend": [
    "twofa mailbox edit post --smtp URL"
  ]
}

"#]],
    );
    let server = polite("", "");
    let address = format!(
        "--smtp 127.0.0.1:{} --username u --password-stdin",
        server.port
    );
    paste(&world, &mend, &[("--smtp URL", &address)]);
    assert_eq!(report(&world, "doctor --online")["healthy"], true);
    server.thread.join().unwrap();
}

#[test]
fn an_interface_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::with_email();
    world
        .run(&format!("sms-provider add api --http http://127.0.0.1:{port}/send --body 'to=#Phone#&text=#Text#&token=#Token#' --token-stdin"))
        .stdin("secret\n")
        .succeeds();
    world.ok("setting set SmsProvider api");
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_end(&mut heard)
            .unwrap();
        heard
    });
    assert_eq!(report(&world, "doctor --online")["healthy"], true);
    assert_eq!(heard.join().unwrap(), b"", "nothing was asked");
    world
        .run("sms-provider edit api --http http://127.0.0.1:1/ --token-stdin")
        .stdin("secret\n")
        .succeeds();
    let mend = finds_with(
        &world,
        "doctor --online",
        "provider_unreachable",
        str![[r#"
{
  "check": "senders",
  "kind": "provider_unreachable",
  "severity": "error",
  "message": "The SMS provider `api` cannot be reached: 127.0.0.1:1: nothing listens there.",
  "count": 1,
  "names": [
    "api"
  ],
  "mend": [
    "twofa sms-provider edit api --http URL"
  ]
}

"#]],
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "--http http://{}/ --token-stdin",
        listener.local_addr().unwrap()
    );
    paste(&world, &mend, &[("--http URL", &url)]);
    assert_eq!(report(&world, "doctor --online")["healthy"], true);
    // Twilio's shape is called in the same way.
    world
        .run("sms-provider add twilio --twilio --account AC1 --base-url http://127.0.0.1:1 --from +493012345678 --token-stdin")
        .stdin("secret\n")
        .succeeds();
    world.ok("setting set SmsProvider twilio");
    finds_with(
        &world,
        "doctor --online",
        "provider_unreachable",
        str![[r#"
{
  "check": "senders",
  "kind": "provider_unreachable",
  "severity": "error",
  "message": "The SMS provider `twilio` cannot be reached: 127.0.0.1:1: nothing listens there.",
  "count": 1,
  "names": [
    "twilio"
  ],
  "mend": [
    "twofa sms-provider edit twilio --base-url URL"
  ]
}

"#]],
    );
}

/// A centre that binds, or does not, and counts what it is asked: the length, the command and its answer (SMPP 3.4,
/// sections 4.1 and 4.2).
fn centre(status: u32) -> (u16, std::thread::JoinHandle<Vec<u32>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut asked = Vec::new();
        let mut head = [0u8; 16];
        while stream.read_exact(&mut head).is_ok() {
            let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            let (length, command, sequence) = (number(0), number(4), number(12));
            let mut body = vec![0; length as usize - 16];
            stream.read_exact(&mut body).unwrap();
            asked.push(command);
            let status = if command == 2 { status } else { 0 };
            let body: &[u8] = if command == 2 && status == 0 {
                b"c\0"
            } else {
                b""
            };
            let mut answer = Vec::new();
            for number in [
                16 + u32::try_from(body.len()).unwrap(),
                command | 0x8000_0000,
                status,
                sequence,
            ] {
                answer.extend(number.to_be_bytes());
            }
            answer.extend(body);
            if stream.write_all(&answer).is_err() {
                break;
            }
        }
        asked
    });
    (port, thread)
}

#[test]
fn a_message_centre_that_binds_and_one_that_does_not() {
    let (port, asked) = centre(0);
    let world = World::with_email();
    world
        .run(&format!(
            "sms-provider add centre --smpp 127.0.0.1:{port} --username u --password-stdin"
        ))
        .stdin("secret\n")
        .succeeds();
    world.ok("setting set SmsProvider centre");
    assert_eq!(report(&world, "doctor --online")["healthy"], true);
    // bind_transmitter and unbind.
    assert_eq!(asked.join().unwrap(), [2, 6]);
    let (port, asked) = centre(0x0e);
    world
        .run(&format!(
            "sms-provider edit centre --smpp 127.0.0.1:{port} --password-stdin"
        ))
        .stdin("secret\n")
        .succeeds();
    let found = report(&world, "doctor --online");
    asked.join().unwrap();
    assert_eq!(found["findings"][0]["kind"], "provider_unreachable");
    assert_eq!(
        found["findings"][0]["mend"],
        serde_json::json!(["twofa sms-provider edit centre --smpp HOST:PORT"])
    );
    world
        .run(&format!(
            "sms-provider edit centre --smpp 127.0.0.1:{} --password-stdin",
            nobody()
        ))
        .stdin("secret\n")
        .succeeds();
    let found = report(&world, "doctor --online");
    assert_eq!(found["findings"][0]["severity"], "error", "{found:#}");
}

/// What writes files and runs programs calls nobody.
#[test]
fn what_calls_nobody_is_looked_at_without_it() {
    let world = World::with_email();
    world.ok("sms-provider add text --file sms");
    world.ok("setting set SmsProvider text");
    assert_eq!(report(&world, "doctor --online")["healthy"], true);
}

//! What a server, a program or a helper may not bring to light: secrets, codes and tokens.

use std::io::{BufRead as _, BufReader, Write as _};

use crate::mail_server::Server;
use crate::world::World;

/// A server that repeats whatever it is told, in the answer to `at`, and says no there if `no`.
fn parrot(at: &'static str, no: bool) -> Server {
    Server::new(move |stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut heard = String::new();
        let mut lines = BufReader::new(stream).lines();
        let mut letter = false;
        writer.write_all(b"220 test\r\n").unwrap();
        while let Some(Ok(line)) = lines.next() {
            heard.push_str(&line);
            heard.push(' ');
            if letter && line != "." {
                continue;
            }
            letter = line == "DATA";
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let answer = match verb {
                _ if verb == at => {
                    let said: String = heard.chars().filter(|c| !c.is_control()).collect();
                    format!("{} I heard {said}\r\n", if no { 550 } else { 250 })
                }
                "EHLO" => "250-test\r\n250 AUTH PLAIN\r\n".to_owned(),
                "AUTH" => "235 welcome\r\n".to_owned(),
                "DATA" => "354 go on\r\n".to_owned(),
                "QUIT" => "221 bye\r\n".to_owned(),
                _ => "250 fine\r\n".to_owned(),
            };
            if writer.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
        heard
    })
}

fn served(world: &World, server: &Server) {
    world
        .run(&format!(
            "mailbox edit trial --smtp smtp://127.0.0.1:{} --tls none --username u --password-stdin",
            server.port
        ))
        .stdin("hunter2pass\n")
        .succeeds();
}

/// Everything readable in the store and its log.
fn readable(world: &World) -> String {
    let mut text = String::new();
    for name in ["twofa.db", "twofa.db-wal"] {
        if let Ok(bytes) = std::fs::read(world.file(name)) {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    text
}

#[test]
fn a_password_that_a_server_repeats_is_hidden() {
    let plain = data_encoding::BASE64.encode(b"\0u\0hunter2pass");
    for no in [true, false] {
        let world = World::peopled();
        let server = parrot("AUTH", no);
        served(&world, &server);
        let done = world
            .run("mailbox test trial --to me@example.com -o json")
            .done();
        for said in [
            &done.stdout,
            &done.stderr,
            &world.json("audit list").to_string(),
            &world.json("outbox list").to_string(),
            &readable(&world),
        ] {
            assert!(!said.contains("hunter2pass"), "{said}");
            assert!(!said.contains(&plain), "{said}");
        }
        assert!(done.stderr.contains("I heard"), "{}", done.stderr);
        assert!(server.thread.join().unwrap().contains(&plain));
    }
}

#[test]
fn a_code_that_a_server_repeats_is_hidden() {
    let world = World::with_email();
    let server = parrot(".", false);
    served(&world, &server);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    let heard = server.thread.join().unwrap();
    let code = heard
        .split_whitespace()
        .find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap();
    let row = world.json("outbox show 1");
    assert!(
        row["receipt"].as_str().unwrap().contains("I heard"),
        "{row}"
    );
    assert!(
        row["receipt"].as_str().unwrap().chars().count() < 240,
        "{row}"
    );
    assert!(!row.to_string().contains(code), "{row}");
    assert!(!readable(&world).contains(code));
}

/// A program that prints what it was given gives no receipt with a code in it.
#[cfg(unix)]
#[test]
fn a_code_that_a_program_repeats_is_hidden() {
    let world = World::peopled();
    world.ok("user edit alice --phone +493012345678");
    world.ok("sms-provider add cat --command /bin/cat --arg -");
    world.ok("setting set SmsProvider cat");
    world.ok("method enable sms --primary");
    world.ok("method enable email");
    world.ok("setting set Enable2FA on --yes");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    assert_eq!(world.json("outbox show 1")["receipt"], "****");
}

/// A token counts once a server has it, and never before; and nobody reads it in the words of a refusal.
#[test]
fn a_recovery_token_that_was_not_sent_is_worth_nothing() {
    let world = World::peopled();
    world.ok("setting set SSPRegistrationMailbox trial");
    let server = parrot(".", true);
    served(&world, &server);
    world.ok("password recover alice");
    let heard = server.thread.join().unwrap();
    let token = heard
        .split_whitespace()
        .find(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .unwrap()
        .to_owned();
    crate::password_recover::settled(&world);
    assert_eq!(world.json("outbox show 1")["state"], "failed");
    assert!(!world.json("audit list").to_string().contains(&token));
    assert!(!world.json("outbox list").to_string().contains(&token));
    world
        .run("password recover alice --token-stdin --new-password-stdin")
        .stdin(&format!("Another-pw-1\n{token}\n"))
        .exits(10);
}

/// A server that says nothing at the end has taken the message all the same.
#[test]
fn a_server_that_is_silent_at_the_end() {
    let world = World::with_email();
    let server = Server::new(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut letter = false;
        writer.write_all(b"220 test\r\n").unwrap();
        while let Some(Ok(line)) = lines.next() {
            if (letter && line != ".") || line == "QUIT" {
                continue;
            }
            letter = line == "DATA";
            let answer: &[u8] = if letter {
                b"354 go on\r\n"
            } else {
                b"250 fine\r\n"
            };
            writer.write_all(answer).unwrap();
        }
        String::new()
    });
    world.ok("setting set SecondFactorCodeTTL 2");
    world.ok(&format!(
        "mailbox edit trial --smtp smtp://127.0.0.1:{} --tls none",
        server.port
    ));
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    assert_eq!(world.json("outbox show 1")["state"], "accepted");
}

/// Addresses that few have and every server knows.
#[test]
fn addresses_in_quotes_and_at_a_number() {
    let world = World::peopled();
    world.ok("mailbox test trial --to '\"a b\"@example.com'");
    assert!(world.letter().contains("To: \"a b\"@example.com"));
    world.ok("mailbox test trial --to 'a@[127.0.0.1]'");
}

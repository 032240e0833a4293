//! Mail servers that are hostile, dying or unusual: each costs the deadline at most, and is told from the others.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::mail_server::{Server, polite};
use crate::world::World;

/// A mailbox `trial` for the server, and what `mailbox test` says of it: the message of its error.
fn said(server: &Server, options: &str) -> String {
    let world = World::peopled();
    let mut edit = world.run(&format!(
        "mailbox edit trial --smtp smtp://127.0.0.1:{} {options}",
        server.port
    ));
    if options.contains("--password-stdin") {
        edit = edit.stdin("mailbox-pw\n");
    }
    edit.succeeds();
    let mut done = world
        .run("mailbox test trial --to me@example.com -o json")
        .done();
    server.redact(&mut done);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(!done.stderr.contains("mailbox-pw"), "{}", done.stderr);
    done.error()["message"].as_str().unwrap().to_owned()
}

const COULD_NOT: &str = "the mailbox `trial` could not send: 127.0.0.1:[PORT]";

/// Sends `what` over and over, until the other side hangs up.
fn forever(mut stream: TcpStream, what: &[u8]) -> String {
    while stream.write_all(what).is_ok() {}
    String::new()
}

#[test]
fn an_endless_line() {
    let server = Server::new(|stream| forever(stream, &[b'x'; 1000]));
    assert_eq!(
        said(&server, "--tls none"),
        format!("{COULD_NOT} sent a line of more than 2000 bytes")
    );
    server.thread.join().unwrap();
}

#[test]
fn an_answer_of_endless_lines() {
    let server = Server::new(|stream| forever(stream, b"220-and so on\r\n"));
    assert_eq!(
        said(&server, "--tls none"),
        format!("{COULD_NOT} answers without end")
    );
    server.thread.join().unwrap();
}

#[test]
fn bytes_that_are_no_text() {
    let server = Server::answering(|_| Some("\u{0}\u{1}\u{7f}\r\n"));
    let message = said(&server, "--tls none");
    assert_eq!(
        message,
        format!("{COULD_NOT} does not speak SMTP: it answered `\\u{{0}}\\u{{1}}\\u{{7f}}`")
    );
}

/// What stands in the clear behind the answer to STARTTLS was put there by somebody in between (RFC 3207, section 6).
#[test]
fn words_smuggled_in_before_tls() {
    let server = Server::answering(|line| {
        Some(match line.split(' ').next().unwrap_or_default() {
            "" => "220 test\r\n",
            "EHLO" => "250-test\r\n250 STARTTLS\r\n",
            _ => "220 go on\r\n250 2.0.0 queued already\r\n",
        })
    });
    assert_eq!(
        said(&server, "--tls starttls"),
        format!(
            "{COULD_NOT} said more than it was asked before TLS began; somebody may stand in between"
        )
    );
    assert_eq!(
        server.thread.join().unwrap(),
        "EHLO [127.0.0.1]\nSTARTTLS\n"
    );
}

#[test]
fn a_server_that_dies_in_the_middle_of_the_letter() {
    let server = Server::new(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines();
        writer.write_all(b"220 test\r\n").unwrap();
        while let Some(Ok(line)) = lines.next() {
            let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
                "DATA" => b"354 go on\r\n",
                // It dies before it has taken anything.
                "From" => break,
                _ => b"250 fine\r\n",
            };
            writer.write_all(answer).unwrap();
        }
        String::new()
    });
    assert_eq!(
        said(&server, "--tls none"),
        format!("{COULD_NOT} closed the connection")
    );
}

#[test]
fn a_server_that_asks_without_end_who_logs_in() {
    let server = Server::answering(|line| {
        Some(match line.split(' ').next().unwrap_or_default() {
            "" => "220 test\r\n",
            "EHLO" => "250-test\r\n250 AUTH LOGIN\r\n",
            _ => "334 UGFzc3dvcmQ6\r\n",
        })
    });
    assert_eq!(
        said(&server, "--tls none --username u --password-stdin"),
        format!("{COULD_NOT} asks without end who logs in")
    );
}

#[test]
fn a_server_that_offers_no_login_of_ours() {
    let server = Server::answering(|line| {
        Some(match line.split(' ').next().unwrap_or_default() {
            "" => "220 test\r\n",
            _ => "250-test\r\n250 AUTH CRAM-MD5\r\n",
        })
    });
    assert_eq!(
        said(&server, "--tls none --username u --password-stdin"),
        format!("{COULD_NOT} does not offer to log in by PLAIN or LOGIN")
    );
}

/// What Google says of a token that has run out: a question, which has to be answered with nothing, and then no.
#[test]
fn an_access_token() {
    let answers = |token: &'static str| {
        move |line: &str| {
            Some(match line.split(' ').next().unwrap_or_default() {
                "" if line.is_empty() => "220 test\r\n",
                "EHLO" => "250-test\r\n250 AUTH LOGIN PLAIN XOAUTH2\r\n",
                "AUTH" => {
                    let sent = line.rsplit(' ').next().unwrap_or_default();
                    let sent = data_encoding::BASE64.decode(sent.as_bytes()).unwrap();
                    let right = format!("user=ops\u{1}auth=Bearer {token}\u{1}\u{1}");
                    if sent == right.as_bytes() {
                        "235 2.7.0 accepted\r\n"
                    } else {
                        "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"
                    }
                }
                _ if line.starts_with("MAIL") || line.starts_with("RCPT") => "250 fine\r\n",
                "DATA" => "354 go on\r\n",
                "." => "250 queued as 7\r\n",
                "QUIT" => "221 bye\r\n",
                _ => "250 fine\r\n",
            })
        }
    };
    let server = Server::answering(answers("mailbox-pw"));
    let world = World::peopled();
    world
        .run(&format!(
            "mailbox edit trial --smtp smtp://127.0.0.1:{} --tls none --username ops --auth xoauth2 --password-stdin",
            server.port
        ))
        .stdin("mailbox-pw\n")
        .succeeds();
    let mut done = world
        .run("mailbox test trial --to me@example.com")
        .succeeds();
    server.redact(&mut done);
    assert!(
        done.stderr
            .contains("> AUTH XOAUTH2 ****\n< 235 2.7.0 accepted\n"),
        "{}",
        done.stderr
    );
    assert_eq!(world.json("mailbox show trial")["auth"], "xoauth2");
    // `Server` takes an empty line for the greeting's turn; what it says then ends the conversation all the same.
    let server = Server::answering({
        let answer = answers("another");
        let mut asked = std::cell::Cell::new(false);
        let _ = asked.get_mut();
        move |line: &str| {
            if line.is_empty() && asked.replace(true) {
                return Some("535 5.7.8 the token has run out\r\n");
            }
            answer(line)
        }
    });
    assert_eq!(
        said(
            &server,
            "--tls none --username ops --auth xoauth2 --password-stdin"
        ),
        format!("{COULD_NOT} refused: 535 5.7.8 the token has run out")
    );
}

/// An address that only SMTPUTF8 can write goes to no server that does not know it; a domain has a form for every one.
#[test]
fn addresses_with_letters_beyond_ascii() {
    let world = World::peopled();
    let to = |server: &Server, address: &str| {
        world.ok(&format!(
            "mailbox edit trial --smtp smtp://127.0.0.1:{} --tls none",
            server.port
        ));
        let mut done = world
            .run(&format!("mailbox test trial --to {address} -o json -q"))
            .done();
        server.redact(&mut done);
        done
    };
    let server = polite("", "");
    let done = to(&server, "zoë@example.com");
    assert_eq!(
        done.error()["message"],
        format!("{COULD_NOT} takes no addresses with letters beyond ASCII (SMTPUTF8)")
    );
    let server = polite("", "");
    assert_eq!(to(&server, "zoe@bücher.example").code, Some(0));
    let heard = server.thread.join().unwrap();
    assert!(
        heard.contains("\nRCPT TO:<zoe@xn--bcher-kva.example>\n"),
        "{heard}"
    );
    assert!(
        heard.contains("\nTo: zoe@xn--bcher-kva.example\n"),
        "{heard}"
    );

    let server = Server::answering(|line| {
        Some(match line.split([' ', ':']).next().unwrap_or_default() {
            "" => "220 test\r\n",
            "EHLO" => "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        })
    });
    assert_eq!(to(&server, "zoë@example.com").code, Some(0));
    let heard = server.thread.join().unwrap();
    assert!(
        heard.contains("\nMAIL FROM:<no-reply@example.com> SMTPUTF8"),
        "{heard}"
    );
    assert!(heard.contains("\nRCPT TO:<zoë@example.com>\n"), "{heard}");
}

#[test]
fn a_server_at_an_address_of_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        panic!("this machine has no IPv6 on its loopback");
    };
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"554 no service here\r\n").unwrap();
        let mut line = String::new();
        let _ = BufReader::new(stream).read_line(&mut line);
    });
    let world = World::peopled();
    world.ok(&format!(
        "mailbox edit trial --smtp smtp://[::1]:{port} --tls none"
    ));
    let done = world
        .run("mailbox test trial --to me@example.com -o json")
        .exits(1);
    assert_eq!(
        done.error()["message"],
        format!("the mailbox `trial` could not send: [::1]:{port} refused: 554 no service here")
    );
    thread.join().unwrap();
}

/// Nothing that a name, an address or the words hold becomes a header or a command of its own.
#[test]
fn nothing_is_injected() {
    let world = World::with_email();
    // Past every rule that would have refused it.
    world.sql("UPDATE user SET name = 'x' || char(13, 10) || 'Bcc: eve@example.com' || char(13, 10, 13, 10) || '.' || char(13, 10) || 'QUIT', email = 'alice@example.com' WHERE login = 'alice'");
    let server = polite("", "");
    world.ok(&format!(
        "mailbox edit trial --smtp smtp://127.0.0.1:{} --tls none",
        server.port
    ));
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    let heard = server.thread.join().unwrap();
    let lines: Vec<&str> = heard.lines().collect();
    assert!(
        !lines.iter().any(|line| line.starts_with("Bcc:")),
        "{heard}"
    );
    assert_eq!(
        lines.iter().filter(|line| **line == ".").count(),
        1,
        "{heard}"
    );
    assert_eq!(
        lines.iter().filter(|line| **line == "QUIT").count(),
        1,
        "{heard}"
    );
    for (field, value) in [
        (
            "email",
            "alice@example.com' || char(13, 10) || 'RCPT TO:<eve@example.com>",
        ),
        ("email", "alice@example.com> SIZE=1 <"),
    ] {
        world.sql(&format!(
            "UPDATE user SET {field} = '{value}' WHERE login = 'alice'"
        ));
        let done = world
            .run("login start alice --password-stdin -o json")
            .stdin("alice-pw\n")
            .done();
        // No server runs any more: had it been written, the connection would have failed instead.
        assert!(
            !done.stderr.contains("nothing listens there"),
            "{value}: {}",
            done.stderr
        );
        assert_ne!(done.code, Some(0));
    }
}

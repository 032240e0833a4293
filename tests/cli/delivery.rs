//! What comes of a message: real letters, and mailboxes that misbehave. A failed delivery is exit 1 with its own words,
//! never a wrong code, and no try is counted for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use snapbox::str;

use crate::mail_server::{Server, polite, polite_of};
use crate::world::{Done, World};

/// How often a message is tried that is refused for now.
const TRIES: usize = 3;

/// Codes live one second, so that no server is waited for longer.
fn world(port: u16, more: &str) -> World {
    let world = World::with_email();
    world.ok("setting set SecondFactorCodeTTL 1");
    world.ok(&format!(
        "mailbox edit trial --smtp smtp://127.0.0.1:{port} {more}"
    ));
    world
}

/// A login whose code cannot be sent. Whatever went wrong: exit 1, `delivery`, no try counted, nobody locked.
fn fails(world: &World, server: &Server) -> Done {
    let mut done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .done();
    server.redact(&mut done);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert_eq!(done.stdout, "");
    assert!(
        done.stderr.contains(r#""kind":"delivery""#),
        "{}",
        done.stderr
    );
    assert!(!done.stderr.contains("wrong"), "{}", done.stderr);
    let rows = world.json("audit list --event login.code_failed");
    assert_eq!(rows[0]["outcome"], "failed");
    assert_eq!(world.tries("alice"), 0);
    done
}

#[test]
fn a_server_that_is_not_there() {
    let server = Server::new(|_| String::new());
    let world = world(server.port, "--tls none");
    // Taken and given back: nobody listens there now.
    drop(TcpStream::connect(("127.0.0.1", server.port)).unwrap());
    let port = server.port;
    server.thread.join().unwrap();
    let gone = Server {
        port,
        thread: std::thread::spawn(String::new),
    };
    fails(&world, &gone).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT]: nothing listens there
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT]: nothing listens there","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
    // Its code was never valid, and saying any code is not a wrong one.
    let challenge = world.text("SELECT token FROM challenge");
    let done = world
        .run(&format!("login verify {challenge} --code 123456"))
        .exits(13);
    assert!(!done.stderr.contains("wrong"), "{}", done.stderr);
    assert_eq!(world.tries("alice"), 0);
}

#[test]
fn a_host_that_has_no_address() {
    let world = World::with_email();
    world.ok("setting set SecondFactorCodeTTL 1");
    world.ok("mailbox edit trial --smtp smtp://mail.invalid:25 --tls none");
    // What a resolver says, and how fast, is the machine's.
    let done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(1);
    assert!(
        done.stderr
            .starts_with("error: the mailbox `trial` could not send: mail.invalid:25"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains(r#""kind":"delivery""#),
        "{}",
        done.stderr
    );
}

#[test]
fn a_server_that_closes_at_once() {
    let server = Server::of(TRIES, |_| String::new());
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] closed the connection
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] closed the connection","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
}

#[test]
fn a_server_that_speaks_something_else() {
    let server = Server::answering(|_| Some("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] does not speak SMTP: it answered `HTTP/1.1 400 Bad Request`
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] does not speak SMTP: it answered `HTTP/1.1 400 Bad Request`","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":false,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
}

#[test]
fn a_server_that_never_answers() {
    let server = Server::new(|stream| {
        // Until the other side gives up.
        let _ = BufReader::new(stream).read_line(&mut String::new());
        String::new()
    });
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] did not answer within 1 s; a server with TLS from the first byte says nothing before that: smtps://
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] did not answer within 1 s; a server with TLS from the first byte says nothing before that: smtps://","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
    server.thread.join().unwrap();
}

#[test]
fn a_server_that_answers_drop_by_drop() {
    let server = Server::new(|mut stream| {
        // Each byte comes in time; the whole does not.
        let pause = std::time::Duration::from_millis(100);
        stream.set_read_timeout(Some(pause)).unwrap();
        let mut reader = stream.try_clone().unwrap();
        while stream.write_all(b"2").is_ok() {
            if matches!(std::io::Read::read(&mut reader, &mut [0]), Ok(0)) {
                break;
            }
        }
        String::new()
    });
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] did not answer within 1 s
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] did not answer within 1 s","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
    server.thread.join().unwrap();
}

#[test]
fn a_server_that_refuses_the_recipient() {
    let server = polite("RCPT", "550 5.1.1 no such user here\r\n");
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] refused: 550 5.1.1 no such user here
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] refused: 550 5.1.1 no such user here","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":false,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
}

#[test]
fn a_server_that_puts_off() {
    let server = polite_of(TRIES, "MAIL", "451 4.7.1 greylisted, come back later\r\n");
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] refused for now: 451 4.7.1 greylisted, come back later
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] refused for now: 451 4.7.1 greylisted, come back later","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
}

#[test]
fn a_server_whose_words_would_paint_the_terminal() {
    let server = polite("RCPT", "550 5.1.1 \x1b[2Jgone\r\n");
    let world = world(server.port, "--tls none");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] refused: 550 5.1.1 \u{1b}[2Jgone
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] refused: 550 5.1.1 \\u{1b}[2Jgone","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":false,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
}

#[test]
fn a_server_without_starttls_is_not_spoken_to_in_clear() {
    let server = polite("", "");
    let world = world(server.port, "--tls starttls");
    fails(&world, &server).shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] does not offer STARTTLS, and nothing was sent without it
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] does not offer STARTTLS, and nothing was sent without it","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":false,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
    let heard = server.thread.join().unwrap();
    assert!(!heard.contains("MAIL"), "{heard}");
}

#[test]
fn a_server_that_has_no_tls_at_all() {
    let server = polite("", "");
    let world = world(server.port, "--tls tls");
    fails(&world, &server);
}

#[test]
fn a_ca_file_that_is_not_there() {
    let server = polite("", "");
    let world = world(server.port, "--tls starttls --ca-file absent.pem");
    let done = fails(&world, &server);
    let first = done.stderr.lines().next().unwrap();
    assert_eq!(
        first,
        "error: the mailbox `trial` could not send: the CA file `[DIR]/absent.pem` cannot be used: No such file or directory (os error 2)"
    );
}

#[test]
fn a_server_that_refuses_the_password() {
    let server = polite("AUTH", "535 5.7.8 authentication failed\r\n");
    let world = World::with_email();
    world
        .run(&format!(
            "mailbox edit trial --smtp smtp://127.0.0.1:{} --tls none --username u --password-stdin",
            server.port
        ))
        .stdin("mailbox-pw\n")
        .succeeds();
    let mut done = world
        .run("mailbox test trial --to me@example.com -o json")
        .done();
    server.redact(&mut done);
    done.shows(str![[r#"
$ twofa mailbox test trial --to me@example.com -o json
? 1
--- stderr
= connecting to 127.0.0.1:[PORT]
< 220 test ESMTP
> EHLO [127.0.0.1]
< 250-test
< 250 AUTH PLAIN LOGIN
> AUTH PLAIN ****
< 535 5.7.8 authentication failed
error: the mailbox `trial` could not send: 127.0.0.1:[PORT] refused: 535 5.7.8 authentication failed
 hint: `twofa mailbox show trial` tells how it sends, `twofa mailbox edit trial` changes it
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: 127.0.0.1:[PORT] refused: 535 5.7.8 authentication failed","hint":"`twofa mailbox show trial` tells how it sends, `twofa mailbox edit trial` changes it","temporary":false,"conversation":[{"from":"note","text":"connecting to 127.0.0.1:[PORT]"},{"from":"server","text":"220 test ESMTP"},{"from":"client","text":"EHLO [127.0.0.1]"},{"from":"server","text":"250-test"},{"from":"server","text":"250 AUTH PLAIN LOGIN"},{"from":"client","text":"AUTH PLAIN ****"},{"from":"server","text":"535 5.7.8 authentication failed"}]}}

"#]]);
    let rows = world.json("audit list --event mailbox");
    assert!(!rows.to_string().contains("mailbox-pw"));
}

/// What a good server hears: the envelope, the headers, the words; and nothing of this machine.
#[test]
fn a_letter_over_smtp() {
    let server = polite("", "");
    let world = world(server.port, "--tls none");
    let challenge = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    assert_eq!(challenge["destination"], "a***e@example.com");
    let heard = server.thread.join().unwrap();
    let (envelope, letter) = heard.split_once("DATA\n").unwrap();
    snapbox::assert_data_eq!(
        envelope,
        str![[r#"
EHLO [127.0.0.1]
MAIL FROM:<no-reply@example.com>
RCPT TO:<alice@example.com>

"#]]
    );
    let headers: Vec<&str> = letter
        .split("\n\n")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("Content-Type") && !line.starts_with(" boundary"))
        .collect();
    snapbox::assert_data_eq!(
        headers.join("\n"),
        str![[r#"
From: no-reply@example.com
To: alice@example.com
Subject: Your verification code
Message-ID: <1767225600.6c765e1499fb09727bcfe297c52ca632@example.com>
Date: Thu, 01 Jan 2026 00:00:00 +0000
Auto-Submitted: auto-generated
MIME-Version: 1.0
"#]]
    );
}

#[test]
fn letters_in_files_are_private_and_whole() {
    let world = World::peopled();
    world.ok("mailbox edit trial --from '\"Wächter, Ltd\" <no-reply@example.com>'");
    world.ok("mailbox test trial --to me@example.com");
    let files: Vec<_> = std::fs::read_dir(world.file("mail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = files[0].metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let letter = std::fs::read_to_string(&files[0]).unwrap();
    snapbox::assert_data_eq!(
        letter.replace('\r', ""),
        str![[r#"
From: =?utf-8?b?V8OkY2h0ZXIsIEx0ZA==?= <no-reply@example.com>
To: me@example.com
Subject: twofa test message
Message-ID: <1767225600.383ee9b8ae3473488c5ee74b65625638@example.com>
Date: Thu, 01 Jan 2026 00:00:00 +0000
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

This message shows that the mailbox "trial" can send.


"#]]
    );
}

/// A name goes into the text of a letter and never into its headers; it cannot bring headers of its own.
#[test]
fn a_name_cannot_bring_headers() {
    let world = World::with_email();
    world
        .run("user edit alice --name 'Alice\r\nBcc: evil@example.com'")
        .shows(str![[r#"
$ twofa user edit alice --name Alice
Bcc: evil@example.com
? 4
--- stderr
error: the name `Alice\u{d}\u{a}Bcc: evil@example.com` has a control character in it

"#]]);
    world
        .run("mailbox edit trial --from 'Ops\r\nBcc: evil@example.com <ops@example.com>'")
        .shows(str![[r#"
$ twofa mailbox edit trial --from Ops
Bcc: evil@example.com <ops@example.com>
? 4
--- stderr
error: the sender's name `Ops\u{d}\u{a}Bcc: evil@example.com` has a control character in it

"#]]);
    world
        .run("mailbox test trial --to 'me@example.com\r\nBcc: evil@example.com'")
        .shows(str![[r#"
$ twofa mailbox test trial --to me@example.com
Bcc: evil@example.com
? 4
--- stderr
error: the email address `me@example.com\u{d}\u{a}Bcc: evil@example.com` has a control character in it

"#]]);
    // Put there by another program, it still stays where it belongs.
    world.sql("UPDATE user SET name = 'A' || char(13, 10) || 'Bcc: evil@example.com' || char(13, 10, 13, 10) || 'B' WHERE login = 'alice'");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    let letter = world.letter();
    let headers = letter.split("\r\n\r\n").next().unwrap();
    assert!(
        !headers.lines().any(|line| line.starts_with("Bcc")),
        "{headers}"
    );
    world.sql("UPDATE mailbox SET from_name = 'Ops' || char(13, 10) || 'Bcc: evil@example.com'");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: the sender's name: it has a control character in it
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes

"#]]);
}

#[test]
fn a_directory_that_is_gone() {
    let world = World::with_email();
    std::fs::remove_dir_all(world.file("mail")).unwrap();
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: the directory `[DIR]/mail` is not there
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes

"#]]);
    assert_eq!(world.tries("alice"), 0);
}

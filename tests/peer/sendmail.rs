//! Mail through a sendmail program: msmtp, which hands it on to a real server.

use crate::peer;
use crate::smtpd::{Server, code};
use crate::world::World;

/// A world with a mailbox `local` that runs msmtp, configured for a server at `port`.
fn world(port: u16) -> World {
    let msmtp = peer("msmtp", "apt-get install msmtp");
    let world = World::peopled();
    // It reads `.msmtprc` of the home directory, and refuses one that others may read.
    world.write(
        ".msmtprc",
        &format!("account default\nhost 127.0.0.1\nport {port}\ntls off\nauth off\ndomain localhost\nset_from_header off\n"),
    );
    world.ok(&format!(
        "mailbox add local --sendmail {} --from 'Ops <ops@example.com>'",
        msmtp.display()
    ));
    world
}

#[test]
fn msmtp_delivers_a_code() {
    let mail = tempfile::TempDir::new().unwrap();
    let server = Server::start(mail.path(), &["--tls", "none"]);
    let world = world(server.port);
    let home = world.path().display().to_string();
    world.ok("setting set 2FAmailbox local");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .env("HOME", &home)
        .stdin("alice-pw\n")
        .json(18);
    let message = server.last();
    for line in [
        "X-Peer-From: ops@example.com",
        "X-Peer-To: alice@example.com",
        "From: Ops <ops@example.com>",
        "To: alice@example.com",
    ] {
        assert!(
            message.lines().any(|said| said == line),
            "{line}\n{message}"
        );
    }
    let challenge = verdict["challenge"].as_str().unwrap();
    let code = code(&message);
    let granted = world
        .run(&format!("login verify {challenge} --code {code} -o json"))
        .json(0);
    assert_eq!(granted["outcome"], "granted", "{granted}");
}

#[test]
fn what_msmtp_says_is_what_we_say() {
    let mail = tempfile::TempDir::new().unwrap();
    let server = Server::start(
        mail.path(),
        &["--tls", "none", "--refuse", "550 5.1.1 no such mailbox"],
    );
    let world = world(server.port);
    let done = world
        .run("mailbox test local --to carol@example.com")
        .env("HOME", &world.path().display().to_string())
        .exits(1);
    assert!(
        done.stderr.contains("the mailbox `local` could not send")
            && done.stderr.contains("550 5.1.1 no such mailbox"),
        "{}",
        done.stderr
    );
    assert!(server.messages().is_empty());
}

//! Messages that leave through a sendmail program, and what comes of a program that misbehaves.

use std::io::Write as _;

use snapbox::str;

use crate::world::{Done, World};

/// A program beside the store. Another process writes it: this one may be forking while the file is still open for
/// writing, and a program that is open for writing cannot be run.
fn program(world: &World, script: &str) {
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", "cat > send && chmod 700 send"])
        .current_dir(world.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("#!/bin/sh\n{script}\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

fn world() -> World {
    let world = World::with_email();
    world.ok("setting set SecondFactorCodeTTL 1");
    world.ok("mailbox edit trial --sendmail ./send");
    world
}

fn start(world: &World) -> Done {
    world
        .run("login start alice --password-stdin")
        .env("PATH", "/usr/bin:/bin")
        .stdin("alice-pw\n")
        .done()
}

#[test]
fn it_gets_the_envelope_and_the_letter() {
    let world = world();
    program(&world, "echo \"$@\" > arguments; cat > letter");
    let done = start(&world);
    assert_eq!(done.code, Some(18), "{}", done.stderr);
    let arguments = std::fs::read_to_string(world.file("arguments")).unwrap();
    assert_eq!(
        arguments,
        "-i -f no-reply@example.com -- alice@example.com\n"
    );
    let letter = std::fs::read_to_string(world.file("letter")).unwrap();
    assert!(
        letter.starts_with("From: no-reply@example.com\r\n"),
        "{letter}"
    );
}

#[test]
fn it_is_not_there() {
    let world = world();
    start(&world).shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: cannot run `[DIR]/send`: No such file or directory (os error 2)
 hint: this user has no other method; `twofa mailbox test NAME` tries the mailbox

"#]]);
    assert_eq!(world.tries("alice"), 0);
}

#[test]
fn it_fails_for_now_or_for_good() {
    let world = world();
    program(&world, "echo 'queue is full' >&2; exit 75");
    start(&world).shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: `[DIR]/send` failed for now (exit status: 75): queue is full
 hint: this user has no other method; `twofa mailbox test NAME` tries the mailbox

"#]]);
    program(&world, "cat > /dev/null; echo 'no such user' >&2; exit 67");
    start(&world).shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: `[DIR]/send` failed (exit status: 67): no such user
 hint: this user has no other method; `twofa mailbox test NAME` tries the mailbox

"#]]);
    assert_eq!(world.tries("alice"), 0);
}

#[test]
fn it_says_yes_without_reading_or_never_ends() {
    let world = world();
    program(&world, "exec sleep 60");
    start(&world).shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: `[DIR]/send` did not finish within 1 s
 hint: this user has no other method; `twofa mailbox test NAME` tries the mailbox

"#]]);
    assert_eq!(world.tries("alice"), 0);
}

#[test]
fn it_floods_us_with_words() {
    let world = world();
    program(
        &world,
        "cat > /dev/null; yes complaint | head -c 1000000 >&2; exit 1",
    );
    let done = start(&world);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("failed (exit status: 1)"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.len() < 4_000);
}

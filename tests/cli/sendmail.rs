//! Messages that leave through a sendmail program, and what comes of a program that misbehaves.

use std::io::Write as _;

use snapbox::str;

use crate::world::{Done, World};

/// A program beside the store. Another process writes it: this one may be forking while the file is still open for
/// writing, and a program that is open for writing cannot be run.
pub fn program(world: &World, script: &str) {
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
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes

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
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes

"#]]);
    program(&world, "cat > /dev/null; echo 'no such user' >&2; exit 67");
    start(&world).shows(str![[r#"
$ twofa login start alice --password-stdin
? 1
--- stderr
error: the mailbox `trial` could not send: `[DIR]/send` failed (exit status: 67): no such user
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes

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
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes

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

#[test]
fn it_complains_before_it_reads() {
    let world = world();
    // So long a text takes its time in a build without optimisation, and it is not the limit that is tested.
    world.ok("setting set SecondFactorCodeTTL 30");
    // More than a pipe holds, both ways.
    world.sql(&format!(
        "UPDATE user SET name = '{}' WHERE login = 'alice'",
        "x".repeat(200_000)
    ));
    program(
        &world,
        "yes complaint | head -c 1000000 >&2; cat > letter; exit 0",
    );
    let done = start(&world);
    assert_eq!(done.code, Some(18), "{}", done.stderr);
    assert!(world.file("letter").metadata().unwrap().len() > 100_000);
}

#[test]
fn it_leaves_another_running() {
    let world = world();
    // The other one holds the pipes, and says nothing of ours.
    program(&world, "cat > letter; sleep 20 & exit 0");
    let done = start(&world);
    assert_eq!(done.code, Some(18), "{}", done.stderr);
}

#[test]
fn what_it_started_ends_with_it() {
    let world = world();
    program(&world, "sleep 61 & echo $! > below; wait");
    assert_eq!(start(&world).code, Some(1));
    let below = std::fs::read_to_string(world.file("below")).unwrap();
    let id = nix::unistd::Pid::from_raw(below.trim().parse().unwrap());
    // Killed, it may still wait for somebody to ask how it ended.
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let is_gone = nix::sys::signal::kill(id, None).is_err() || state.contains(") Z ");
    assert!(is_gone, "{state}");
}

#[test]
fn it_sees_nothing_of_ours() {
    let world = world();
    program(&world, "env > seen; cat > /dev/null");
    let done = world
        .run("login start alice --password-stdin")
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nowhere")
        .env("LANG", "C.UTF-8")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("TWOFA_REASON", "not its business")
        .env("SECRET", "neither")
        .stdin("alice-pw\n")
        .done();
    assert_eq!(done.code, Some(18), "{}", done.stderr);
    let seen = std::fs::read_to_string(world.file("seen")).unwrap();
    let mut names: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        // The shell's own.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "LC_ALL", "PATH", "TZ"]);
}

//! What another process of the same account sees of one that has keys in its memory and in its environment.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::machine::{Machine, OWNER};
use crate::peer;

/// What can be looked at of a process by whoever may trace it.
const LOOK: &str = "for file in environ mem maps; do
  if dd if=/proc/$1/$file of=/dev/null bs=1 count=0 2>/dev/null; then echo \"$file opens\"; else echo \"$file refused\"; fi
done
if ls /proc/$1/fd >/dev/null 2>&1; then echo 'fd opens'; else echo 'fd refused'; fi";

/// A command of the store's owner.
fn owned(words: &[&str]) -> Command {
    let (uid, gid) = OWNER.ids();
    let mut command = Command::new(peer("setpriv", "apt-get install util-linux"));
    command
        .args([format!("--reuid={uid}"), format!("--regid={gid}")])
        .args(["--clear-groups", "--"])
        .args(words)
        .stdin(Stdio::null());
    command
}

/// What the account sees of a process of its own.
fn seen(of: &Child) -> String {
    let id = of.id().to_string();
    let output = owned(&["/bin/sh", "-c", LOOK, "sh", &id]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn its_own_account_reads_neither_memory_nor_environment() {
    let machine = Machine::new();
    let world = &machine.world;
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    world.ok("mailbox edit trial --sendmail ./send");
    world.ok("key rotate --yes --key-form environment");
    // The program that sends says that it runs by opening one pipe, and waits at another.
    world.write("send", "#!/bin/sh\necho > runs\nread -r _ < goes\n");
    world.write("phrase", "alice-pw\n");
    for (file, mode) in [("send", 0o755), ("phrase", 0o644)] {
        machine.mode(file, mode);
    }
    for pipe in ["runs", "goes"] {
        nix::unistd::mkfifo(&world.file(pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
        machine.mode(pipe, 0o666);
    }
    machine.give_away();
    let key = world.file("share/twofa/twofa.db.key");
    let text = fs::read_to_string(&key).unwrap();
    let value = text.lines().last().unwrap().replace("TWOFA_KEY=", "");
    fs::remove_file(&key).unwrap();

    // What is seen of any other program of the account.
    let mut other = owned(&["/bin/sh", "-c", "echo > runs; read -r _ < goes"])
        .current_dir(world.path())
        .spawn()
        .unwrap();
    fs::read(world.file("runs")).unwrap();
    assert_eq!(
        seen(&other),
        "environ opens\nmem opens\nmaps opens\nfd opens\n"
    );
    other.kill().unwrap();
    other.wait().unwrap();

    let program = world.file("twofa").display().to_string();
    let mut child = owned(&[
        &program,
        "login",
        "start",
        "alice",
        "--password-file",
        "phrase",
    ])
    .current_dir(world.path())
    .env_clear()
    .env("PATH", "/usr/bin:/bin")
    .env("XDG_DATA_HOME", world.file("share"))
    .env("TWOFA_KEY", &value)
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    fs::read(world.file("runs")).unwrap();
    assert_eq!(
        seen(&child),
        "environ refused\nmem refused\nmaps refused\nfd refused\n"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

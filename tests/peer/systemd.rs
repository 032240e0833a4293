//! A key that systemd keeps: encrypted and decrypted by its own program, and given to a service where systemd runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::world::World;
use crate::{peer, succeeds};

const HOW: &str = "apt-get install systemd";

#[expect(
    clippy::print_stderr,
    reason = "what a machine cannot show is said aloud"
)]
#[test]
fn a_credential_that_systemd_encrypted_opens_the_store() {
    let world = World::with_email();
    let program = peer("systemd-creds", HOW);
    let creds = || {
        let mut command = Command::new(&program);
        command.current_dir(world.path());
        command
    };
    // The key that is none: a machine for tests has no other, and gets none from here.
    succeeds(creds().args([
        "encrypt",
        "--with-key=tpm2-absent",
        "--name=twofa",
        "twofa.db.key",
        "twofa.cred",
    ]));
    let plain = fs::read(world.file("twofa.db.key")).unwrap();
    fs::remove_file(world.file("twofa.db.key")).unwrap();
    assert_ne!(fs::read(world.file("twofa.cred")).unwrap(), plain);
    // As systemd lays it out for a service.
    fs::create_dir(world.file("credentials")).unwrap();
    succeeds(creds().args(["decrypt", "twofa.cred", "--name=twofa", "credentials/twofa"]));
    for (file, mode) in [("credentials/twofa", 0o400), ("credentials", 0o500)] {
        fs::set_permissions(world.file(file), fs::Permissions::from_mode(mode)).unwrap();
    }
    let directory = world.file("credentials").display().to_string();
    let run = |line: &str| {
        world
            .run(line)
            .env("CREDENTIALS_DIRECTORY", &directory)
            .env("TWOFA_KEY_FILE", "credential:twofa")
            .succeeds()
    };
    run("key check");
    run("doctor -q");
    if !Path::new("/run/systemd/system").exists() {
        eprintln!("systemd does not run on this machine: nothing was given to a service of it");
        return;
    }
    fs::write(world.file("twofa.key"), plain).unwrap();
    succeeds(
        Command::new(peer("systemd-run", HOW))
            .args(["--quiet", "--wait", "--pipe", "--collect"])
            .arg(format!(
                "--property=LoadCredential=twofa:{}",
                world.file("twofa.key").display()
            ))
            .arg(env!("CARGO_BIN_EXE_twofa"))
            .arg("--db")
            .arg(world.file("twofa.db"))
            .args(["--key-file", "credential:twofa", "key", "check"]),
    );
}

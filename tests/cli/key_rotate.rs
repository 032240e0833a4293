//! `twofa key rotate` and `key retire`.

use serde_json::{Value, json};
use snapbox::str;

use crate::completions::told;
use crate::world::World;

/// A store with an app, recovery codes, and the password of a mail server.
fn sealed() -> (World, String) {
    let (world, secret) = World::with_app();
    world
        .run("mailbox add post --smtp smtp://mail.example.com --tls starttls --username u --password-stdin --from a@example.com")
        .stdin("mail-pw\n")
        .succeeds();
    (world, secret)
}

fn ring(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.file("twofa.db.key")).unwrap();
    let keys = text.lines().filter(|line| !line.starts_with('#'));
    keys.map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn the_old_key_goes_once_nothing_needs_it() {
    let (world, secret) = sealed();
    world.run("key rotate").exits(2);
    let [old] = ring(&world).try_into().unwrap();
    let done = world.run("key rotate --yes -o json").succeeds();
    let made: Value = serde_json::from_str(&done.stdout).unwrap();
    let new = made["ring_key"].as_str().unwrap().to_owned();
    assert_eq!(ring(&world), [new.clone(), old.clone()]);
    assert_eq!(
        made,
        json!({ "ring_key": new, "key_file": "twofa.db.key", "retirable": [old], "values": 2, "broken": [],
                "resumed": false, "recovery_codes_void": 0, "connect_anew": [], "secrets_void": [], "pairs_known": [], "changed": true, "warnings": [] })
    );
    assert_eq!(
        done.stderr,
        format!(
            "The key `{new}` is current; 2 values were sealed anew.\n\
             Keep a copy of the key file in a safe place, apart from the backups.\n\
             Next, once no backup needs it: `twofa key retire {old}`.\n"
        )
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = world
            .file("twofa.db.key")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // The app goes on, with its watermark.
    world.later(30);
    let code = world.app(&secret);
    world.ok(&format!(
        "setting set Enable2FA off --yes --confirm-code {code}"
    ));
    world.ok("key check");
    world.ok("audit verify");
    let refused = world
        .run(&format!("key retire {new} --yes -o json"))
        .exits(4);
    assert_eq!(refused.error()["kind"], "in_use");
    world.run(&format!("key retire {old}")).exits(2);
    assert_eq!(told(&world, "twofa key retire "), [old.as_str(), "--help"]);
    world.ok(&format!("key retire {old} --yes"));
    assert_eq!(ring(&world), [new]);
    world.ok("key check");
    world.run("key retire 00000000 --yes").exits(3);
    world.run("audit list --event key").shows(str![[r#"
$ twofa audit list --event key
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT         SUBJECT   OUTCOME  REASON
15   2026-01-01T00:01:00Z  Supervisor  key.retired   374708ff  ok       –
12   2026-01-01T00:00:30Z  Supervisor  key.resealed  –         ok       –
11   2026-01-01T00:00:30Z  Supervisor  key.rotated   b5b9498a  ok       planned

"#]]);
}

#[test]
fn after_a_theft() {
    let (world, _) = sealed();
    world.ok("method enable recovery-codes");
    world.ok("recovery-codes generate alice");
    let done = world.run("key rotate --compromised --yes").succeeds();
    assert!(
        done.stderr
            .contains("10 recovery codes are void, and 1 user has to connect an app anew"),
        "{}",
        done.stderr
    );
    assert_eq!(world.json("recovery-codes show alice")["left"], 0);
    world.ok("key check");
    world.ok("audit verify");
    // Passwords are compared as before: the pepper is only wrapped anew.
    assert_eq!(world.first_factor("alice", "alice-pw"), Some(16));
}

#[test]
fn a_key_file_that_stays_as_it_is() {
    let (world, _) = sealed();
    world.ok("key rotate --new-key-file next.key --yes");
    world.run("key check").exits(1);
    world.ok("key check --key-file next.key");
    world
        .run("key rotate --new-key-file next.key --key-file next.key --yes")
        .shows(str![[r#"
$ twofa key rotate --new-key-file next.key --key-file next.key --yes
? 4
--- stderr
error: the key file `next.key` is there already
 hint: name one that is not there yet

"#]]);
}

#[test]
fn who_may() {
    let (world, _) = sealed();
    world.ok("permission grant CanManageAdministration --user alice");
    world.run("key rotate --yes --as alice").exits(5);
    world.run("key retire 00000000 --yes --as alice").exits(5);
    std::fs::remove_file(world.file("twofa.db.key")).unwrap();
    let missing = world.run("key rotate --yes -o json").exits(1);
    assert_eq!(missing.error()["kind"], "key_missing");
}

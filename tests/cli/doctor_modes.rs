//! Findings of `twofa doctor` about the modes and owners of files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use snapbox::str;

use crate::doctor::{finds, healthy, provoked, report};
use crate::world::World;

fn set(world: &World, name: &str, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(world.file(name), mode).unwrap();
}

#[test]
fn a_file_or_a_directory_that_is_open_to_others() {
    let world = World::with_email();
    provoked(
        &world,
        "open_file",
        |world| {
            set(world, "twofa.db", 0o644);
            set(world, "twofa.db.key", 0o640);
        },
        &[],
        str![[r#"
{
  "check": "files",
  "kind": "open_file",
  "severity": "error",
  "message": "Others may open `twofa.db` (mode 0644).",
  "count": 1,
  "names": [
    "twofa.db"
  ],
  "mend": [
    "chmod 600 twofa.db"
  ]
}
{
  "check": "files",
  "kind": "open_file",
  "severity": "error",
  "message": "Others may open `twofa.db-wal` (mode 0644).",
  "count": 1,
  "names": [
    "twofa.db-wal"
  ],
  "mend": [
    "chmod 600 twofa.db-wal"
  ]
}
{
  "check": "files",
  "kind": "open_file",
  "severity": "error",
  "message": "Others may open `twofa.db.key` (mode 0640).",
  "count": 1,
  "names": [
    "twofa.db.key"
  ],
  "mend": [
    "chmod 600 twofa.db.key"
  ]
}

"#]],
    );
    provoked(
        &world,
        "open_directory",
        |world| set(world, ".", 0o777),
        &[],
        str![[r#"
{
  "check": "files",
  "kind": "open_directory",
  "severity": "error",
  "message": "Others may write into `.` (mode 0777).",
  "count": 1,
  "names": [
    "."
  ],
  "mend": [
    "chmod go-w ."
  ]
}

"#]],
    );
}

/// Root may write all the same, and the store's owner may not.
#[test]
fn a_mode_that_keeps_its_owner_out() {
    let world = World::with_email();
    provoked(
        &world,
        "unwritable",
        |world| set(world, "twofa.db", 0o400),
        &[],
        str![[r#"
{
  "check": "files",
  "kind": "unwritable",
  "severity": "warning",
  "message": "The owner may not write `twofa.db` (mode 0400).",
  "count": 1,
  "names": [
    "twofa.db"
  ],
  "mend": [
    "chmod u+rw twofa.db"
  ]
}
{
  "check": "files",
  "kind": "unwritable",
  "severity": "warning",
  "message": "The owner may not write `twofa.db-wal` (mode 0400).",
  "count": 1,
  "names": [
    "twofa.db-wal"
  ],
  "mend": [
    "chmod u+rw twofa.db-wal"
  ]
}

"#]],
    );
}

/// To root a mode is no obstacle. Anybody else cannot make the log there, and so not look at the rules of columns.
#[test]
fn a_directory_that_cannot_be_written() {
    let world = World::with_email();
    fs::remove_file(world.file("twofa.db-shm")).ok();
    set(&world, ".", 0o500);
    let found = report(&world, "doctor");
    let mend = finds(
        &world,
        "unwritable",
        str![[r#"
{
  "check": "files",
  "kind": "unwritable",
  "severity": "warning",
  "message": "The owner may not write into `.` (mode 0500).",
  "count": 1,
  "names": [
    "."
  ],
  "mend": [
    "chmod u+wx ."
  ]
}

"#]],
    );
    set(&world, ".", 0o700);
    let state = if nix::unistd::geteuid().is_root() {
        "ok"
    } else {
        "not_checked"
    };
    assert_eq!(found["checks"][0]["state"], state, "{found:#}");
    assert_eq!(mend, ["chmod u+wx ."]);
    healthy(&world);
}

/// Only root gives a file away; what is found is tested for everybody beside the code.
#[test]
fn a_key_of_another_account() {
    if !nix::unistd::geteuid().is_root() {
        let other = nix::unistd::Uid::from_raw(54_321);
        let world = World::with_email();
        let given = nix::unistd::chown(&world.file("twofa.db.key"), Some(other), None);
        assert_eq!(given, Err(nix::errno::Errno::EPERM));
        return;
    }
    let world = World::with_email();
    provoked(
        &world,
        "other_owner",
        |world| {
            let other = nix::unistd::Uid::from_raw(54_321);
            nix::unistd::chown(&world.file("twofa.db.key"), Some(other), None).unwrap();
        },
        &[],
        str![[r#"
{
  "check": "files",
  "kind": "other_owner",
  "severity": "error",
  "message": "`twofa.db.key` belongs to `54321`, and the store to `root`.",
  "count": 1,
  "names": [
    "twofa.db.key"
  ],
  "mend": [
    "chown root twofa.db.key"
  ]
}

"#]],
    );
}

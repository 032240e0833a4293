//! Directories that messages go into: whose they are, and who may write there.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use snapbox::str;

use crate::world::World;

fn mode(world: &World, name: &str, mode: u32) {
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(world.file(name), mode).unwrap();
}

#[test]
fn a_directory_that_others_may_write_into_is_warned_of() {
    let world = World::new();
    std::fs::create_dir(world.file("open")).unwrap();
    mode(&world, "open", 0o1777);
    world
        .run("mailbox add trial --file open --from x@example.com -o json")
        .shows(str![[r#"
$ twofa mailbox add trial --file open --from x@example.com -o json
? 0
--- stdout
{
  "name": "trial",
  "kind": "file",
  "from": "x@example.com",
  "host": null,
  "port": null,
  "tls": null,
  "username": null,
  "auth": null,
  "password": null,
  "ca_file": null,
  "path": "[DIR]/open",
  "changed": true,
  "warnings": [
    {
      "kind": "directory_open",
      "message": "others may write into `[DIR]/open` (mode 1777), and so take messages away.",
      "hint": "`chmod go-w [DIR]/open`"
    }
  ]
}
--- stderr
warning: others may write into `[DIR]/open` (mode 1777), and so take messages away.
   hint: `chmod go-w [DIR]/open`
The mailbox `trial` was added.
Next: `twofa mailbox test trial`, then `twofa setting set 2FAmailbox trial`.

"#]]);
    world
        .run("mailbox test trial --to y@example.com -q")
        .shows(str![[r#"
$ twofa mailbox test trial --to y@example.com -q
? 0
--- stdout
mailbox    trial
to         y@example.com
delivered  yes
receipt    2026-01-01T000000Z-631f02fd7996237f.eml
--- stderr
warning: others may write into `[DIR]/open` (mode 1777), and so take messages away.
   hint: `chmod go-w [DIR]/open`

"#]]);
    let answer = world.json("mailbox edit trial --from z@example.com");
    assert_eq!(answer["warnings"][0]["kind"], "directory_open");
    let answer = world.json("mailbox test trial --to y@example.com");
    assert_eq!(answer["warnings"][0]["kind"], "directory_open");
    // The store's own group may; everybody may read.
    for harmless in [0o700, 0o755] {
        mode(&world, "open", harmless);
        let answer = world.json("mailbox test trial --to y@example.com");
        assert_eq!(answer["warnings"], serde_json::json!([]), "{harmless:o}");
    }
    let group = world.file("twofa.db").metadata().unwrap().gid();
    chown(world.file("open"), None, Some(group)).unwrap();
    mode(&world, "open", 0o770);
    let answer = world.json("mailbox test trial --to y@example.com");
    assert_eq!(answer["warnings"], serde_json::json!([]));
}

#[test]
fn a_directory_that_root_makes_is_the_owners() {
    if !nix::unistd::geteuid().is_root() {
        #[expect(clippy::disallowed_methods, reason = "a skip is told")]
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: only root works on another account's store; run this test as root too"
        );
        return;
    }
    let world = World::empty();
    world.ok("init --owner daemon");
    std::fs::create_dir(world.file("mine")).unwrap();
    world.ok("mailbox add deep --file new/mail --from x@example.com");
    world.ok("mailbox add there --file mine --from x@example.com");
    let owner = |name: &str| {
        let found = world.file(name).metadata().unwrap();
        (found.uid(), found.gid())
    };
    let theirs = owner("twofa.db");
    assert_ne!(theirs.0, 0);
    assert_eq!([owner("new"), owner("new/mail")], [theirs, theirs]);
    // What was there stays whose it is, and another group that may write there is a foreign one.
    assert_eq!(owner("mine").0, 0);
    mode(&world, "mine", 0o770);
    let answer = world.json("mailbox test there --to y@example.com");
    assert_eq!(answer["warnings"][0]["kind"], "directory_open");
}

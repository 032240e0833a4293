//! Findings of `twofa doctor` about the directories and programs of this machine that messages leave by.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use snapbox::str;

use crate::doctor::provoked;
use crate::world::World;

fn set(world: &World, name: &str, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(world.file(name), mode).unwrap();
}

#[test]
fn a_directory_that_messages_go_into() {
    let world = World::with_email();
    provoked(
        &world,
        "directory_gone",
        |world| fs::remove_dir(world.file("mail")).unwrap(),
        &[],
        str![[r#"
{
  "check": "methods",
  "kind": "directory_gone",
  "severity": "error",
  "message": "The mailbox `trial` writes into `[DIR]/mail`, which is no directory.",
  "count": 1,
  "names": [
    "trial"
  ],
  "mend": [
    "mkdir -p -m 700 [DIR]/mail"
  ]
}

"#]],
    );
    provoked(
        &world,
        "directory_unwritable",
        |world| set(world, "mail", 0o500),
        &[],
        str![[r#"
{
  "check": "methods",
  "kind": "directory_unwritable",
  "severity": "error",
  "message": "The mailbox `trial` writes into `[DIR]/mail`, which its owner may not write into.",
  "count": 1,
  "names": [
    "trial"
  ],
  "mend": [
    "chmod u+wx [DIR]/mail"
  ]
}

"#]],
    );
    provoked(
        &world,
        "directory_open",
        |world| set(world, "mail", 0o777),
        &[],
        str![[r#"
{
  "check": "methods",
  "kind": "directory_open",
  "severity": "warning",
  "message": "Others may write into `[DIR]/mail`, where the mailbox `trial` puts messages.",
  "count": 1,
  "names": [
    "trial"
  ],
  "mend": [
    "chmod go-w [DIR]/mail"
  ]
}

"#]],
    );
}

#[test]
fn a_program_that_sends() {
    let world = World::with_email();
    world.write("send", "#!/bin/sh\ncat > sent\n");
    set(&world, "send", 0o700);
    world.write("sendmail", "#!/bin/sh\ncat > sent\n");
    set(&world, "sendmail", 0o700);
    world.ok("sms-provider add local --command ./send");
    world.ok("mailbox add post --sendmail ./sendmail --from a@example.com");
    world.ok("setting set SmsProvider local 2FAmailbox post");
    provoked(
        &world,
        "program_not_executable",
        |world| {
            set(world, "send", 0o600);
            set(world, "sendmail", 0o600);
        },
        &[],
        str![[r#"
{
  "check": "methods",
  "kind": "program_not_executable",
  "severity": "error",
  "message": "The mailbox `post` runs `[DIR]/sendmail`, which is not executable.",
  "count": 1,
  "names": [
    "post"
  ],
  "mend": [
    "chmod u+x [DIR]/sendmail"
  ]
}
{
  "check": "methods",
  "kind": "program_not_executable",
  "severity": "error",
  "message": "The SMS provider `local` runs `[DIR]/send`, which is not executable.",
  "count": 1,
  "names": [
    "local"
  ],
  "mend": [
    "chmod u+x [DIR]/send"
  ]
}

"#]],
    );
    provoked(
        &world,
        "program_gone",
        |world| {
            fs::rename(world.file("send"), world.file("sent-by")).unwrap();
            fs::rename(world.file("sendmail"), world.file("mailer")).unwrap();
        },
        &[
            ("--command PROGRAM", "--command ./sent-by"),
            ("--sendmail PROGRAM", "--sendmail ./mailer"),
        ],
        str![[r#"
{
  "check": "methods",
  "kind": "program_gone",
  "severity": "error",
  "message": "The mailbox `post` runs `[DIR]/sendmail`, which is no file.",
  "count": 1,
  "names": [
    "post"
  ],
  "mend": [
    "twofa mailbox edit post --sendmail PROGRAM"
  ]
}
{
  "check": "methods",
  "kind": "program_gone",
  "severity": "error",
  "message": "The SMS provider `local` runs `[DIR]/send`, which is no file.",
  "count": 1,
  "names": [
    "local"
  ],
  "mend": [
    "twofa sms-provider edit local --command PROGRAM"
  ]
}

"#]],
    );
}

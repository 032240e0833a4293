//! Keys that are not in a file of ours: in the environment, or a credential of systemd.

use std::fs;

use snapbox::str;

use crate::world::World;

const ROTATE: &str = "key rotate --yes -q";

/// A store whose key file went into one line of an environment file; what the variable is set to.
fn in_environment() -> (World, String) {
    let world = World::with_email();
    world.ok("key rotate --yes --key-form environment");
    let text = fs::read_to_string(world.file("twofa.db.key")).unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("TWOFA_KEY="))
        .unwrap()
        .to_owned();
    fs::rename(world.file("twofa.db.key"), world.file("key.env")).unwrap();
    (world, value)
}

/// A store whose key file is a credential, in a directory as systemd makes it.
fn credential() -> World {
    let world = World::with_email();
    fs::create_dir(world.file("credentials")).unwrap();
    fs::rename(world.file("twofa.db.key"), world.file("credentials/twofa")).unwrap();
    #[cfg(unix)]
    for (name, mode) in [("credentials/twofa", 0o400), ("credentials", 0o500)] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(world.file(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    world
}

/// A command with the credentials of a service.
fn served(world: &World, line: &str) -> crate::world::Done {
    let directory = world.file("credentials").display().to_string();
    world
        .run(line)
        .env("CREDENTIALS_DIRECTORY", &directory)
        .env("TWOFA_KEY_FILE", "credential:twofa")
        .done()
}

#[test]
fn keys_in_the_environment_open_the_store() {
    let (world, value) = in_environment();
    assert_eq!(value.matches("twofa-key-1:").count(), 2, "{value}");
    assert!(!value.contains([' ', '"', '\'', ';', '$']), "{value}");
    world
        .run("key check")
        .env("TWOFA_KEY", &value)
        .shows(str![[r#"
$ twofa key check
? 0
--- stdout
ring keys  e8dd943d
values     0
broken     –
retirable  374708ff
loose      –
--- stderr
The variable TWOFA_KEY is the right one; nothing is sealed yet.

"#]]);
    // As somebody might write it by hand: as the lines of a key file, one behind the other, or quoted.
    let lines = value.replace(':', " ").replace(',', "\n");
    world
        .run("key check -q")
        .env("TWOFA_KEY", &lines)
        .succeeds();
    world
        .run("key check -q")
        .env("TWOFA_KEY", &format!(" {value}, "))
        .succeeds();
    // The environment file itself is a key file.
    world.ok("key check --key-file key.env");
    // A command that logs somebody in, and one that runs behind the answer, have the same keys.
    world
        .run("login start alice --password-stdin")
        .env("TWOFA_KEY", &value)
        .stdin("alice-pw\n")
        .exits(18);
    // What is named comes first.
    world
        .run("key check --key-file absent.key")
        .env("TWOFA_KEY", &value)
        .shows(str![[r#"
$ twofa key check --key-file absent.key
? 1
--- stderr
error: the key file `absent.key` is missing
 hint: put its copy back, or name it with --key-file; a new key cannot open what the old one sealed

"#]]);
}

#[test]
fn what_is_wrong_with_the_variable_is_said_of_the_variable() {
    let (world, value) = in_environment();
    for wrong in ["", "twofa-key-1", "twofa-key-1:1f2e3d4c:AAAA", "hunter2,"] {
        let done = world.run("key check").env("TWOFA_KEY", wrong).exits(1);
        assert!(
            done.stderr
                .starts_with("error: the variable TWOFA_KEY is not a twofa key file (line 1)\n"),
            "{wrong}: {}",
            done.stderr
        );
        assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    }
    let other = World::empty();
    other.ok("help events");
    other.ok("init --key-form environment");
    let text = fs::read_to_string(other.file("twofa.db.key")).unwrap();
    let foreign = text.lines().last().unwrap().replace("TWOFA_KEY=", "");
    world
        .run("key check -o json")
        .env("TWOFA_KEY", &foreign)
        .shows(str![[r#"
$ twofa key check -o json
? 1
--- stderr
error: the variable TWOFA_KEY does not open this store: it lacks the key `e8dd943d`
 hint: set TWOFA_KEY to the right keys, or name a key file with --key-file
{"error":{"kind":"key_wrong","message":"the variable TWOFA_KEY does not open this store: it lacks the key `e8dd943d`","hint":"set TWOFA_KEY to the right keys, or name a key file with --key-file"}}

"#]]);
    world
        .run("doctor")
        .env("TWOFA_KEY", &foreign)
        .shows(str![[r#"
$ twofa doctor
? 20
--- stdout
error: The variable TWOFA_KEY does not open this store: it lacks the key
  `e8dd943d`.
    twofa key check --key-file KEYFILE

1 error in 18 checks.
Not checked: key, audit, secrets (the variable TWOFA_KEY does not open this
  store: it lacks the key `e8dd943d`).
Not checked: senders (nobody is called without --online).

"#]]);
    let long = format!("{value},{}", "#".repeat(65 * 1024));
    world
        .run("key check")
        .env("TWOFA_KEY", &long)
        .shows(str![[r#"
$ twofa key check
? 1
--- stderr
error: the variable TWOFA_KEY is longer than a twofa key file can be (65536 bytes)
 hint: set TWOFA_KEY to the right keys, or name a key file with --key-file

"#]]);
}

#[test]
fn keys_that_can_be_read_only_go_into_a_new_file() {
    let (world, value) = in_environment();
    world.run(ROTATE).env("TWOFA_KEY", &value).shows(str![[r#"
$ twofa key rotate --yes -q
? 2
--- stderr
error: the variable TWOFA_KEY can be read only, and new keys must be kept somewhere
 hint: `twofa key rotate --new-key-file FILE` writes them all; then give FILE in the place of the old ones

"#]]);
    // Whether it may be done is judged before anything is asked, and before what is missing.
    world
        .run("key rotate --as alice")
        .env("TWOFA_KEY", &value)
        .exits(5);
    let old = value.split(':').nth(3).unwrap().to_owned();
    world
        .run(&format!("key retire {old} --yes"))
        .env("TWOFA_KEY", &value)
        .shows(str![[r#"
$ twofa key retire 374708ff --yes
? 2
--- stderr
error: the variable TWOFA_KEY can be read only: no key goes out of it here
 hint: name the file that it is made from with --key-file, and give it anew afterwards

"#]]);
    world
        .run("key rotate --yes --new-key-file new.env")
        .env("TWOFA_KEY", &value)
        .shows(str![[r#"
$ twofa key rotate --yes --new-key-file new.env
? 0
--- stdout
ring key             b5b9498a
key file             new.env
retirable            e8dd943d, 374708ff
values               0
broken               –
resumed              no
recovery codes void  0
connect anew         –
secrets void         –
pairs known          –
changed              yes
--- stderr
The key `b5b9498a` is current; 0 values were sealed anew.
From now on the store needs the keys of new.env: TWOFA_KEY comes from there, as in EnvironmentFile=.
Keep a copy of the key file in a safe place, apart from the backups.
Next, once no backup needs it: `twofa --key-file new.env key retire e8dd943d`.

"#]]);
    // In the form it had.
    let text = fs::read_to_string(world.file("new.env")).unwrap();
    let new = text.lines().last().unwrap();
    let new = new.strip_prefix("TWOFA_KEY=").unwrap();
    world.run("key check -q").env("TWOFA_KEY", new).succeeds();
    world.run("key check").env("TWOFA_KEY", &value).exits(1);
    // Where it is made from, a key goes, and the form stays.
    world.ok(&format!("key retire {old} --yes --key-file new.env"));
    let text = fs::read_to_string(world.file("new.env")).unwrap();
    assert!(
        text.lines()
            .last()
            .unwrap()
            .starts_with("TWOFA_KEY=twofa-key-1:")
    );
    assert!(!text.contains(&old));
}

#[test]
fn a_credential_opens_the_store_and_its_modes_are_not_ours() {
    let world = credential();
    served(&world, "key check").shows(str![[r#"
$ twofa key check
? 0
--- stdout
ring keys  374708ff
values     0
broken     –
retirable  –
loose      –
--- stderr
The credential `twofa` is the right one; nothing is sealed yet.

"#]]);
    let found = served(&world, "doctor -o json");
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let files = found["checks"].as_array().unwrap();
    let files = files.iter().find(|check| check["check"] == "files");
    assert_eq!(files.unwrap()["state"], "ok", "{found}");
    let backup = served(&world, "backup saved");
    assert_eq!(backup.code, Some(0), "{}", backup.stderr);
    assert!(backup.stderr.contains("keep a copy of `credential:twofa`"));
    // It goes over a store that is gone, with the same keys.
    fs::remove_file(world.file("twofa.db")).unwrap();
    let restored = served(&world, "restore saved --yes");
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    served(&world, ROTATE).shows(str![[r#"
$ twofa key rotate --yes -q
? 2
--- stderr
error: the credential `twofa` can be read only, and new keys must be kept somewhere
 hint: `twofa key rotate --new-key-file FILE` writes them all; then give FILE in the place of the old ones

"#]]);
    served(&world, "key retire 374708ff --yes").shows(str![[r#"
$ twofa key retire 374708ff --yes
? 4
--- stderr
error: the key `374708ff` is in use: it opens this store
 hint: `twofa key rotate` puts another one in its place first

"#]]);
    served(&world, "key rotate --yes --new-key-file new.key").shows(str![[r#"
$ twofa key rotate --yes --new-key-file new.key
? 0
--- stdout
ring key             7083252a
key file             new.key
retirable            374708ff
values               0
broken               –
resumed              no
recovery codes void  0
connect anew         –
secrets void         –
pairs known          –
changed              yes
--- stderr
The key `7083252a` is current; 0 values were sealed anew.
From now on the store needs the keys of new.key: make the credential `twofa` from it, and start the service anew.
Keep a copy of the key file in a safe place, apart from the backups.
Next, once no backup needs it: `twofa --key-file new.key key retire 374708ff`.

"#]]);
    served(&world, "key check").shows(str![[r#"
$ twofa key check
? 1
--- stderr
error: the credential `twofa` does not open this store: it lacks the key `7083252a`
 hint: give the service the right one: LoadCredential=twofa:FILE; or name a key file with --key-file

"#]]);
    world.ok("key check --key-file new.key");
}

#[test]
fn a_credential_that_is_not_there() {
    let world = credential();
    // Outside of the service.
    world
        .run("key check --key-file credential:twofa")
        .shows(str![[r#"
$ twofa key check --key-file credential:twofa
? 1
--- stderr
error: the credential `twofa` is missing
 hint: the unit of the service gives it, LoadCredential=twofa:FILE, and a command outside of the service has none: name a key file with --key-file

"#]]);
    let directory = world.file("credentials").display().to_string();
    let named = |name: &str| {
        world
            .run("key check")
            .env("CREDENTIALS_DIRECTORY", &directory)
            .env("TWOFA_KEY_FILE", &format!("credential:{name}"))
            .done()
    };
    named("other").shows(str![[r#"
$ twofa key check
? 1
--- stderr
error: the credential `other` is missing
 hint: the unit of the service gives it, LoadCredential=other:FILE, and a command outside of the service has none: name a key file with --key-file

"#]]);
    for wrong in ["", ".", "..", "../credentials/twofa", "/etc/passwd"] {
        assert_eq!(named(wrong).code, Some(2), "{wrong}");
    }
    named("../twofa").shows(str![[r#"
$ twofa key check
? 2
--- stderr
error: `../twofa` cannot be the name of a credential
 hint: write credential:NAME, as the unit has it: LoadCredential=NAME:FILE

"#]]);
    // A file of that name is named so.
    fs::copy(
        world.file("credentials/twofa"),
        world.file("credential:twofa"),
    )
    .unwrap();
    world.ok("key check -q --key-file ./credential:twofa");
}

#[test]
fn a_new_store_takes_the_keys_that_are_given() {
    let (made, value) = in_environment();
    drop(made);
    let world = World::empty();
    world.run("init").env("TWOFA_KEY", &value).shows(str![[r#"
$ twofa init
? 0
--- stdout
store     twofa.db
key file  TWOFA_KEY
admin     Supervisor
changed   yes
--- stderr
The store is ready. Keep a copy of TWOFA_KEY in a safe place: without it everything sealed in the store is lost.
Next: `twofa password set Supervisor`.

"#]]);
    assert!(!world.file("twofa.db.key").exists());
    world.run("init").env("TWOFA_KEY", &value).succeeds();
    world.run("init").exits(1);
    // A new key that nobody keeps is never made.
    let world = World::empty();
    world
        .run("init --key-file credential:twofa")
        .shows(str![[r#"
$ twofa init --key-file credential:twofa
? 1
--- stderr
error: the credential `twofa` is missing
 hint: the unit of the service gives it, LoadCredential=twofa:FILE, and a command outside of the service has none: name a key file with --key-file

"#]]);
    assert!(!world.file("twofa.db").exists());
    // Nor is what is given open taken for locked.
    world
        .run("init --passphrase-stdin")
        .env("TWOFA_KEY", &value)
        .stdin("correct horse battery\n")
        .shows(str![[r#"
$ twofa init --passphrase-stdin
? 4
--- stderr
error: the variable TWOFA_KEY is there already, and is not locked
 hint: `twofa key rotate --new-passphrase` locks it, with new keys in it

"#]]);
}

/// Programs that we start have no use for our keys.
#[cfg(unix)]
#[test]
fn programs_that_we_start_do_not_inherit_them() {
    let (world, value) = in_environment();
    let program = "#!/bin/sh\nenv > inherited\ncat > /dev/null\n";
    crate::sendmail::program(&world, program.trim_start_matches("#!/bin/sh\n"));
    world
        .run("mailbox edit trial --sendmail ./send")
        .env("TWOFA_KEY", &value)
        .succeeds();
    world
        .run("login start alice --password-stdin")
        .env("TWOFA_KEY", &value)
        .env("CREDENTIALS_DIRECTORY", "/run/credentials/x")
        .env("PATH", "/usr/bin:/bin")
        .stdin("alice-pw\n")
        .exits(18);
    let inherited = fs::read_to_string(world.file("inherited")).unwrap();
    assert!(inherited.contains("PATH="), "{inherited}");
    assert!(!inherited.contains("TWOFA"), "{inherited}");
    assert!(!inherited.contains("CREDENTIALS"), "{inherited}");

    // Nor the editor, which has the environment of whoever sits there.
    world.write("editor.sh", "env > inherited");
    let run = world
        .run("template edit '2FA SMS code'")
        .env("TWOFA_KEY", &value)
        .env("CREDENTIALS_DIRECTORY", "/run/credentials/x")
        .env("SOMETHING", "else")
        .env("TWOFA_CONFIRM_CODE", "123456")
        .env("EDITOR", "sh editor.sh");
    let terminal = crate::terminal::Terminal::of(&world, &run, 120);
    let (seen, code) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    let inherited = fs::read_to_string(world.file("inherited")).unwrap();
    assert!(inherited.contains("SOMETHING=else"), "{inherited}");
    // Where the store is, it may know: somebody may work on with twofa from there.
    assert!(inherited.contains("TWOFA_DB="), "{inherited}");
    for secret in ["TWOFA_KEY", "TWOFA_CONFIRM_CODE", "CREDENTIALS"] {
        assert!(!inherited.contains(secret), "{inherited}");
    }
}

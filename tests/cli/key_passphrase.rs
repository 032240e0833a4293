//! A key file that a passphrase locks.

use std::fs;

use snapbox::str;

use crate::world::{Done, World};

const PHRASE: &str = "correct horse battery staple";
const OTHER: &str = "a wholly different set of words";

/// A store whose key file is locked, with `alice` and `bob`.
fn locked() -> World {
    let world = World::with_email();
    world
        .run("key rotate --yes --new-passphrase-stdin")
        .stdin(&format!("{PHRASE}\n"))
        .succeeds();
    world
}

/// A command with a passphrase, and further lines, on its standard input.
fn with(world: &World, line: &str, lines: &[&str]) -> Done {
    let mut typed = lines.join("\n");
    if !lines.is_empty() {
        typed.push('\n');
    }
    world
        .run(&format!("{line} --passphrase-stdin"))
        .stdin(&typed)
        .done()
}

fn key_file(world: &World) -> String {
    fs::read_to_string(world.file("twofa.db.key")).unwrap()
}

#[test]
fn a_new_store_is_locked() {
    let world = World::empty();
    world.run("init --passphrase").shows(str![[r#"
$ twofa init --passphrase
? 2
--- stderr
error: a passphrase for the key file `twofa.db.key` is needed
 hint: give it with --passphrase-stdin or --passphrase-file

"#]]);
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), 0);
    with(&world, "init", &["too short"]).shows(str![[r#"
$ twofa init --passphrase-stdin
? 4
--- stderr
error: a passphrase has at least 12 characters
 hint: whoever has the file can guess at it undisturbed: several words are better than one

"#]]);
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), 0);
    with(&world, "init", &[PHRASE]).shows(str![[r#"
$ twofa init --passphrase-stdin
? 0
--- stdout
store     twofa.db
key file  twofa.db.key
admin     Supervisor
changed   yes
--- stderr
The store is ready. Keep a copy of twofa.db.key, and the passphrase, in a safe place: without them everything sealed in the store is lost.
Next: `twofa password set Supervisor`.

"#]]);
    let text = key_file(&world);
    let line = text.lines().last().unwrap();
    // OWASP asks for 19 MiB and two passes at least; this is RFC 9106's second recommended option with one lane.
    assert!(line.starts_with("twofa-locked-1 65536 3 1 "), "{line}");
    assert!(!text.contains("twofa-key-1"), "{text}");
    with(&world, "init", &[PHRASE]).shows(str![[r#"
$ twofa init --passphrase-stdin
? 0
--- stdout
store     twofa.db
key file  twofa.db.key
admin     Supervisor
changed   no
--- stderr
The store was there already; nothing was changed.

"#]]);
    world.run("init").shows(str![[r#"
$ twofa init
? 2
--- stderr
error: the key file `twofa.db.key` is locked: its passphrase is needed
 hint: give it with --passphrase-stdin or --passphrase-file

"#]]);
    with(&world, "init", &[OTHER]).shows(str![[r#"
$ twofa init --passphrase-stdin
? 1
--- stderr
error: the passphrase does not open the key file `twofa.db.key`
 hint: type it again; without it, only an unlocked copy of the keys opens the store

"#]]);
    // What is there and open is not taken for locked.
    let world = World::new();
    with(&world, "init", &[PHRASE]).shows(str![[r#"
$ twofa init --passphrase-stdin
? 4
--- stderr
error: the key file `twofa.db.key` is there already, and is not locked
 hint: `twofa key rotate --new-passphrase` locks it, with new keys in it

"#]]);
}

#[test]
fn a_command_that_needs_the_keys_asks_once_and_others_do_not() {
    let world = locked();
    world.run("key check -o json").shows(str![[r#"
$ twofa key check -o json
? 2
--- stderr
error: the key file `twofa.db.key` is locked: its passphrase is needed
 hint: give it with --passphrase-stdin or --passphrase-file
{"error":{"kind":"missing_answer","message":"the key file `twofa.db.key` is locked: its passphrase is needed","hint":"give it with --passphrase-stdin or --passphrase-file"}}

"#]]);
    with(&world, "key check", &[PHRASE]).shows(str![[r#"
$ twofa key check --passphrase-stdin
? 0
--- stdout
ring keys  4ff190b4
values     0
broken     –
retirable  374708ff
loose      –
--- stderr
The key file is the right one; nothing is sealed yet.

"#]]);
    with(&world, "key check -o json", &[OTHER]).shows(str![[r#"
$ twofa key check -o json --passphrase-stdin
? 1
--- stderr
error: the passphrase does not open the key file `twofa.db.key`
 hint: type it again; without it, only an unlocked copy of the keys opens the store
{"error":{"kind":"key_wrong","message":"the passphrase does not open the key file `twofa.db.key`","hint":"type it again; without it, only an unlocked copy of the keys opens the store","wrong":"passphrase"}}

"#]]);
    with(&world, "key check", &[]).shows(str![[r#"
$ twofa key check --passphrase-stdin
? 2
--- stderr
error: standard input has no line for --passphrase-stdin

"#]]);
    world.write("phrase", &format!("{PHRASE}\n"));
    world.ok("key check -q --passphrase-file phrase");
    world
        .run("key check -q")
        .env("TWOFA_PASSPHRASE_FILE", "phrase")
        .succeeds();
    world
        .run("key check --passphrase-file phrase --passphrase-stdin")
        .exits(2);
    // Reading needs no keys, and says what it did not look at.
    world.ok("user list");
    world.ok("setting list");
    world.ok("completions bash");
    let status = world.ok("status -q");
    snapbox::assert_data_eq!(
        status.stderr,
        str![[r#"
warning: the key file `twofa.db.key` is locked, and was not looked at: whether it opens this store is not known
   hint: `twofa key check` asks for the passphrase

"#]]
    );
    let quiet = world.ok("status -q --passphrase-file phrase");
    assert_eq!(quiet.stderr, "");
    // What writes proves its row of the log, and is asked before it holds the lock.
    world.run("user add carol").shows(str![[r#"
$ twofa user add carol
? 2
--- stderr
error: the key file `twofa.db.key` is locked: its passphrase is needed
 hint: give it with --passphrase-stdin or --passphrase-file

"#]]);
    assert_eq!(
        world.number("SELECT count(*) FROM user WHERE login = 'carol'"),
        0
    );
}

#[test]
fn the_passphrase_is_the_first_line() {
    let world = locked();
    with(
        &world,
        "login start alice --password-stdin -o json",
        &[PHRASE, "alice-pw"],
    )
    .shows(str![[r#"
$ twofa login start alice --password-stdin -o json --passphrase-stdin
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "qtv3klsi4djhl6ivmtch7gakoi",
  "method": "email",
  "methods": [
    "email"
  ],
  "destination": "a***e@example.com",
  "expires_at": "2026-01-01T00:01:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify qtv3klsi4djhl6ivmtch7gakoi --code N`.

"#]]);
    // The other way round is a wrong passphrase, and no try.
    let done = with(
        &world,
        "login start bob --password-stdin",
        &["bob-pw", PHRASE],
    );
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!(world.tries("bob"), 0);
    world
        .run("user import - --passphrase-stdin")
        .stdin(&format!("{PHRASE}\nlogin\ncarol\n"))
        .shows(str![[r#"
$ twofa user import - --passphrase-stdin
? 2
--- stderr
error: standard input cannot be both the file and the passphrase
 hint: use --passphrase-file

"#]]);
}

#[test]
fn it_is_changed_and_taken_off_with_new_keys() {
    let world = locked();
    let before = key_file(&world);
    with(
        &world,
        "key rotate --yes --new-passphrase-stdin",
        &[PHRASE, OTHER],
    )
    .shows(str![[r#"
$ twofa key rotate --yes --new-passphrase-stdin --passphrase-stdin
? 0
--- stdout
ring key             e1204f7f
key file             twofa.db.key
retirable            4ff190b4, 374708ff
values               0
broken               –
resumed              no
recovery codes void  0
connect anew         –
secrets void         –
pairs known          –
changed              yes
--- stderr
The key `e1204f7f` is current; 0 values were sealed anew.
The new passphrase opens the key file. A copy from before opens with what it had, and holds the old keys.
Keep a copy of the key file, and the passphrase, in a safe place, apart from the backups.
Next, once no backup needs it: `twofa key retire 4ff190b4`.

"#]]);
    assert_ne!(key_file(&world), before);
    assert_eq!(with(&world, "key check", &[PHRASE]).code, Some(1));
    with(&world, "key check", &[OTHER]).shows(str![[r#"
$ twofa key check --passphrase-stdin
? 0
--- stdout
ring keys  e1204f7f
values     0
broken     –
retirable  4ff190b4, 374708ff
loose      –
--- stderr
The key file is the right one; nothing is sealed yet.

"#]]);
    // The old file opens with the old passphrase, but not the store.
    world.write("old.key", &before);
    with(&world, "key check --key-file old.key", &[PHRASE]).shows(str![[r#"
$ twofa key check --key-file old.key --passphrase-stdin
? 1
--- stderr
error: the key file `old.key` does not open this store: it lacks the key `e1204f7f`
 hint: name the right key file with --key-file

"#]]);
    // Without a word about it, it stays.
    let old = world.text("SELECT ring_key FROM data_key LIMIT 1");
    assert_eq!(with(&world, "key rotate --yes", &[OTHER]).code, Some(0));
    let retired = with(&world, &format!("key retire {old} --yes"), &[OTHER]);
    assert_eq!(retired.code, Some(0), "{}", retired.stderr);
    assert!(key_file(&world).contains("\ntwofa-locked-1 "));
    assert!(with(&world, "key check", &[OTHER]).code == Some(0));
    // In an environment file too.
    assert_eq!(
        with(
            &world,
            "key rotate --yes --new-key-file key.env --key-form environment",
            &[OTHER]
        )
        .code,
        Some(0)
    );
    let text = fs::read_to_string(world.file("key.env")).unwrap();
    let value = text.lines().last().unwrap().replace("TWOFA_KEY=", "");
    assert!(value.starts_with("twofa-locked-1:65536:3:1:"), "{value}");
    world
        .run("key check --passphrase-stdin -q")
        .env("TWOFA_KEY", &value)
        .stdin(&format!("{OTHER}\n"))
        .succeeds();
    with(
        &world,
        "key rotate --yes --key-file key.env --no-passphrase",
        &[OTHER],
    )
    .shows(str![[r#"
$ twofa key rotate --yes --key-file key.env --no-passphrase --passphrase-stdin
? 0
--- stdout
ring key             9c175cca
key file             key.env
retirable            b1d15d1a, 6f245697, 4ff190b4, 374708ff
values               0
broken               –
resumed              no
recovery codes void  0
connect anew         –
secrets void         –
pairs known          –
changed              yes
--- stderr
The key `9c175cca` is current; 0 values were sealed anew.
The key file is no longer locked.
Keep a copy of the key file in a safe place, apart from the backups.
Next, once no backup needs it: `twofa --key-file key.env key retire b1d15d1a`.

"#]]);
    world.ok("key check --key-file key.env");
    for both in [
        "--new-passphrase --no-passphrase",
        "--new-passphrase-stdin --no-passphrase",
        "--new-passphrase-stdin --new-passphrase-file x",
    ] {
        world.run(&format!("key rotate --yes {both}")).exits(2);
    }
    world
        .run("key rotate --yes --new-passphrase --key-file key.env")
        .shows(str![[r#"
$ twofa key rotate --yes --new-passphrase --key-file key.env
? 2
--- stderr
error: new passphrase is needed
 hint: give it with --new-passphrase-stdin

"#]]);
}

#[test]
fn a_hostile_file_asks_for_neither_too_much_nor_too_little() {
    let world = locked();
    let text = key_file(&world);
    let with_cost = |cost: &str| {
        let text = text.replace("65536 3 1", cost);
        world.write("hostile.key", &text);
        with(&world, "key check --key-file hostile.key", &[PHRASE])
    };
    with_cost("104857600 3 1").shows(str![[r#"
$ twofa key check --key-file hostile.key --passphrase-stdin
? 1
--- stderr
error: the key file `hostile.key` asks for what no passphrase may cost: 104857600 KiB, passes 3, lanes 1
 hint: name the right key file with --key-file

"#]]);
    for cost in [
        "8 3 1",
        "65536 0 1",
        "65536 4000000000 1",
        "65536 3 0",
        "65536 3 200000",
        "19455 3 1",
    ] {
        let done = with_cost(cost);
        assert_eq!(done.code, Some(1), "{cost}: {}", done.stderr);
        assert!(
            done.stderr.contains("asks for what no passphrase may cost"),
            "{cost}: {}",
            done.stderr
        );
    }
    // Within the bounds, but not what it was locked with: the seal is bound to it.
    let done = with_cost("65536 2 1");
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("the passphrase does not open"),
        "{}",
        done.stderr
    );
    for broken in ["65536 3", "-1 3 1", "99999999999 3 1", "a 3 1"] {
        let done = with_cost(broken);
        assert!(
            done.stderr.contains("is not a twofa key file (line 3)"),
            "{broken}: {}",
            done.stderr
        );
    }
    // Nothing stands beside what is locked: no key can be put in front of it, or behind.
    let key = "twofa-key-1 00000000 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let line = text.lines().last().unwrap();
    for both in [
        format!("{key}\n{line}\n"),
        format!("{line}\n{key}\n"),
        format!("{line}\n{line}\n"),
    ] {
        world.write("hostile.key", &both);
        let done = with(&world, "key check --key-file hostile.key", &[PHRASE]);
        assert!(
            done.stderr.contains("is not a twofa key file"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn a_doctor_is_told_of_a_wrong_passphrase_and_does_not_move_the_file_away() {
    let world = locked();
    world.run("doctor").shows(str![[r#"
$ twofa doctor
? 2
--- stderr
error: the key file `twofa.db.key` is locked: its passphrase is needed
 hint: give it with --passphrase-stdin or --passphrase-file

"#]]);
    let done = with(&world, "doctor -o ndjson", &[OTHER]);
    assert_eq!(done.code, Some(20), "{}", done.stderr);
    let finding = done.stdout.lines().find(|line| line.contains("key_wrong"));
    snapbox::assert_data_eq!(
        finding.unwrap().to_owned(),
        str![[
            r#"{"check":"key","kind":"key_wrong","severity":"error","message":"The passphrase does not open the key file `twofa.db.key`.","count":1,"names":["twofa.db.key"],"mend":["twofa key check"]}"#
        ]]
    );
}

#[test]
fn what_runs_behind_an_answer_has_the_passphrase_too() {
    let world = locked();
    world.write("phrase", &format!("{PHRASE}\n"));
    world.ok("setting set SSPRegistrationMailbox trial --passphrase-file phrase");
    let count = || fs::read_dir(world.file("mail")).map_or(0, Iterator::count);
    let before = count();
    let done = with(&world, "password recover alice", &[PHRASE]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    crate::password_recover::settled(&world);
    assert_eq!(count(), before + 1);
}

#[cfg(unix)]
mod at_a_terminal {
    use super::*;
    use crate::terminal::Terminal;

    #[test]
    fn it_is_asked_for_twice_when_it_is_new_and_once_when_it_is_not() {
        let world = World::empty();
        let mut terminal = Terminal::new(&world, "init --passphrase", 80);
        terminal.sees("A passphrase locks the key file `twofa.db.key`.");
        terminal.sees("Passphrase:");
        terminal.types_secret(PHRASE);
        terminal.sees("Passphrase again:");
        terminal.types_secret(PHRASE);
        let (seen, code) = terminal.ends();
        assert_eq!(code, 0, "{seen}");
        assert!(!seen.contains(PHRASE), "{seen}");

        let mut terminal = Terminal::new(&world, "key rotate --new-passphrase", 80);
        terminal.sees("Passphrase:");
        terminal.types_secret(PHRASE);
        terminal.sees("New passphrase:");
        terminal.types_secret(OTHER);
        terminal.sees("New passphrase again:");
        terminal.types_secret(OTHER);
        terminal.sees("Are you sure? [y/N]");
        terminal.types("y");
        let (seen, code) = terminal.ends();
        assert_eq!(code, 0, "{seen}");
        assert_eq!(seen.matches("A passphrase locks").count(), 1, "{seen}");
        assert_eq!(with(&world, "key check", &[OTHER]).code, Some(0));

        // Whoever waits for an answer does not hold the write lock.
        let mut terminal = Terminal::new(&world, "user add bob", 80);
        terminal.sees("Passphrase:");
        let other = with(&world, "user add carol --wait 0s", &[OTHER]);
        assert_eq!(other.code, Some(0), "{}", other.stderr);
        terminal.types_secret(PHRASE);
        let (seen, code) = terminal.ends();
        assert_eq!(code, 1, "{seen}");
        assert!(
            seen.contains("the passphrase does not open the key file `twofa.db.key`"),
            "{seen}"
        );
    }
}

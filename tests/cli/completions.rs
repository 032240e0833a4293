//! `twofa completions`, and what a shell is told when it asks for words.

use snapbox::str;

use crate::world::World;

#[test]
fn the_scripts_are_the_files() {
    let world = World::empty();
    for (shell, file) in [
        ("bash", "twofa.bash"),
        ("zsh", "_twofa"),
        ("fish", "twofa.fish"),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("completions")
            .join(file);
        let done = world.ok(&format!("completions {shell}"));
        assert_eq!(
            done.stdout,
            std::fs::read_to_string(path).unwrap(),
            "{shell}"
        );
        assert_eq!(done.stderr, "", "{shell}");
    }
}

#[test]
fn other_shells() {
    let world = World::empty();
    world.run("completions powershell").shows(str![[r#"
$ twofa completions powershell
? 2
--- stderr
error: invalid value 'powershell' for '<SHELL>'
  [possible values: bash, zsh, fish]

For more information, try '--help'.

"#]]);
    world.run("completions").shows(str![[r#"
$ twofa completions
? 2
--- stderr
error: the following required arguments were not provided:
  <SHELL>

Usage: twofa completions --db <FILE> <SHELL>

For more information, try '--help'.

"#]]);
    world.run("completions bash -o json").shows(str![[r#"
$ twofa completions bash -o json
? 2
--- stderr
error: this command does not print in that format
 hint: leave --output out
{"error":{"kind":"usage","message":"this command does not print in that format","hint":"leave --output out"}}

"#]]);
}

/// What bash is told for a line whose last word is being typed; one candidate a line.
pub fn told(world: &World, line: &str) -> Vec<String> {
    told_with(world, line, &[])
}

fn told_with(world: &World, line: &str, variables: &[(&str, &str)]) -> Vec<String> {
    // A word that is only begun is empty.
    let line = if line.ends_with(' ') {
        format!("{line}''")
    } else {
        line.to_owned()
    };
    // The words stand behind `--`, the program's own name first; the last is being typed.
    let last = words(&line) - 1;
    let mut run = world
        .run(&format!("-- {line}"))
        .env("TWOFA_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", &last.to_string());
    for (name, value) in variables {
        run = run.env(name, value);
    }
    let done = run.succeeds();
    assert_eq!(done.stderr, "", "{line}");
    done.stdout
        .split('\n')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn words(line: &str) -> usize {
    let mut quoted = false;
    1 + line
        .chars()
        .filter(|c| {
            quoted ^= *c == '\'';
            *c == ' ' && !quoted
        })
        .count()
}

#[test]
fn words_of_the_command_line() {
    let world = World::empty();
    assert_eq!(told(&world, "twofa us"), ["user"]);
    assert_eq!(told(&world, "twofa user de"), ["deactivate"]);
    assert_eq!(told(&world, "twofa user add --must"), ["--must-change"]);
    assert_eq!(
        told(&world, "twofa user list --type e"),
        ["employee", "external"].map(str::to_owned)[..]
    );
    assert_eq!(told(&world, "twofa user list --without t"), ["totp"]);
    assert_eq!(told(&world, "twofa setting set enable2"), ["Enable2FA"]);
    assert_eq!(
        told(&world, "twofa setting set Enable2FA "),
        ["true", "false"]
    );
    assert_eq!(
        told(&world, "twofa audit list --event idp"),
        ["idp.added", "idp.edited", "idp.removed"]
    );
    assert_eq!(
        told(&world, "twofa audit list --event user.un"),
        ["user.unlocked"]
    );
    assert_eq!(told(&world, "twofa -o nd"), ["ndjson"]);
    // The alias works and is not offered; the name is.
    assert_eq!(told(&world, "twofa me"), ["method"]);
    let nouns = told(&world, "twofa ");
    assert!(
        nouns.contains(&"method".to_owned()) && !nouns.contains(&"lookup".to_owned()),
        "{nouns:?}"
    );
    world.ok("init");
    world.ok("lookup list");
    assert_eq!(
        told(&world, "twofa help e"),
        ["export", "exit-codes", "environment", "events"]
    );
    assert_eq!(told(&world, "twofa help set"), ["setting"]);
    assert_eq!(told(&world, "twofa help setting g"), ["get"]);
    let below = told(&world, "twofa help setting get ");
    assert!(below.iter().all(|word| word.starts_with("--")), "{below:?}");
}

#[test]
fn names_come_from_the_store() {
    let world = World::peopled();
    world.ok("user add 'Al Capone'");
    world.ok("user add zoë --email al@example.com");
    assert_eq!(told(&world, "twofa user show al"), ["Al Capone", "alice"]);
    assert_eq!(told(&world, "twofa user show AL"), ["Al Capone", "alice"]);
    assert_eq!(told(&world, "twofa user show zo"), ["zoë"]);
    assert_eq!(told(&world, "twofa user show nobody"), Vec::<String>::new());
    assert_eq!(
        told(&world, "twofa user list --group 'system a'"),
        ["System administrators"]
    );
    assert_eq!(told(&world, "twofa mailbox show t"), ["trial"]);
    assert_eq!(
        told(&world, "twofa template show pass"),
        ["Password recovery"]
    );
    world.ok("template set '2FA SMS code' --language de-at --text '#SecondFactorCode#'");
    assert_eq!(
        told(&world, "twofa template preview '2FA SMS code' --language d"),
        ["de", "de-at"]
    );
    assert_eq!(told(&world, "twofa setting set 2FAmailbox "), ["trial"]);
    world.ok("sms-provider add text --file sms");
    assert_eq!(told(&world, "twofa sms-provider test t"), ["text"]);
    assert_eq!(told(&world, "twofa setting set SmsProvider "), ["text"]);
    world.ok("mailbox test trial --to me@example.com");
    assert_eq!(told(&world, "twofa outbox show 1"), ["1"]);
    assert_eq!(told(&world, "twofa audit list --user b"), ["bob"]);
}

#[test]
fn the_store_of_the_line_is_asked() {
    let world = World::peopled();
    world.ok("init --db other/store.db --admin alberta");
    assert_eq!(
        told(&world, "twofa --db other/store.db user show al"),
        ["alberta"]
    );
    assert_eq!(
        told(&world, "twofa --db=other/store.db user show al"),
        ["alberta"]
    );
    assert_eq!(
        told(&world, "twofa user show --db other/store.db al"),
        ["alberta"]
    );
    assert_eq!(
        told_with(
            &world,
            "twofa user show al",
            &[("TWOFA_DB", "other/store.db")]
        ),
        ["alberta"]
    );
}

#[test]
fn a_store_that_is_broken_or_missing_is_silence() {
    let world = World::peopled();
    world.write("foreign", &"not a store at all ".repeat(20));
    for db in ["nowhere.db", "foreign", "."] {
        assert_eq!(
            told(&world, &format!("twofa --db {db} user show al")),
            Vec::<String>::new(),
            "{db}"
        );
        // The words that need no store are there all the same.
        assert_eq!(
            told(&world, &format!("twofa --db {db} user sh")),
            ["show"],
            "{db}"
        );
    }
    // Names need no key.
    std::fs::remove_file(world.file("twofa.db.key")).unwrap();
    assert_eq!(told(&world, "twofa user show al"), ["alice"]);
    world.sql("DROP TABLE identity");
    assert_eq!(told(&world, "twofa user show al"), Vec::<String>::new());
}

#[test]
fn a_locked_store_is_not_waited_for() {
    let world = World::peopled();
    #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
    let db = rusqlite::Connection::open(world.file("twofa.db")).unwrap();
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; UPDATE user SET name = 'x'",
    )
    .unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test measures by the machine's clock"
    )]
    let before = std::time::Instant::now();
    assert_eq!(told(&world, "twofa user show al"), Vec::<String>::new());
    world.run("user list --wait 0s").shows(str![[r#"
$ twofa user list --wait 0s
? 75
--- stderr
error: the store is busy
 hint: another command is writing; try again, or wait longer with --wait

"#]]);
    world
        .run("user edit bob --name Bob --wait 0s -o json")
        .shows(str![[r#"
$ twofa user edit bob --name Bob --wait 0s -o json
? 75
--- stderr
error: the store is busy
 hint: another command is writing; try again, or wait longer with --wait
{"error":{"kind":"busy","message":"the store is busy","hint":"another command is writing; try again, or wait longer with --wait"}}

"#]]);
    // Whoever does not say how long they wait, waits for ten seconds.
    assert!(before.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn a_name_that_would_paint_the_terminal_is_not_offered() {
    let world = World::peopled();
    world.sql("UPDATE user SET login = 'al' || char(10) || 'ice' WHERE login = 'alice'");
    assert_eq!(told(&world, "twofa user show al"), Vec::<String>::new());
}

#[test]
fn asking_changes_nothing() {
    let world = World::peopled();
    let before = std::fs::read(world.file("twofa.db")).unwrap();
    told(&world, "twofa user show al");
    assert_eq!(std::fs::read(world.file("twofa.db")).unwrap(), before);
    assert_eq!(world.json("audit list").as_array().unwrap().len(), 5);
}

#[test]
fn an_unknown_shell_asks_in_vain() {
    let world = World::empty();
    let done = world
        .run("-- twofa us")
        .env("TWOFA_COMPLETE", "tcsh")
        .exits(1);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
}

/// The nouns of who may are completed like the others.
#[test]
fn groups_and_operations() {
    let world = World::peopled();
    world.ok("group add Helpdesk");
    assert_eq!(told(&world, "twofa permission show CanU"), ["CanUse2FA"]);
    assert_eq!(
        told(&world, "twofa permission grant CanReset2FA --group help"),
        ["Helpdesk"]
    );
    assert_eq!(
        told(&world, "twofa permission check CanUse2FA al"),
        ["alice"]
    );
    assert_eq!(
        told(&world, "twofa group add-member Helpdesk --user bo"),
        ["bob"]
    );
    assert_eq!(
        told(&world, "twofa group show All"),
        ["All employees", "All external users"]
    );
    assert_eq!(told(&world, "twofa group re"), ["remove", "remove-member"]);
    // What is not for people is not offered.
    assert!(!told(&world, "twofa ").contains(&"deliver".to_owned()));
}

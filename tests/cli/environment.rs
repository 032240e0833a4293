//! Variables in place of options: one for each, read as strictly as the option.

use snapbox::str;

use crate::world::World;

const SWITCHES: &[&str] = &[
    "TWOFA_YES",
    "TWOFA_QUIET",
    "TWOFA_NO_INPUT",
    "TWOFA_OVERRIDE",
    "TWOFA_CONFIRM_CODE_STDIN",
];

#[test]
fn a_switch_is_yes_or_no_and_nothing_else() {
    let world = World::peopled();
    for variable in SWITCHES {
        for value in ["banana", "", "2", "tru"] {
            let done = world.run("status").env(variable, value).exits(2);
            assert_eq!(done.stdout, "", "{variable}={value}");
        }
        for value in ["0", "false", "no", "off"] {
            world.run("status").env(variable, value).succeeds();
        }
    }
    world
        .run("user remove bob")
        .env("TWOFA_YES", "banana")
        .shows(str![[r#"
$ twofa user remove bob
? 2
--- stderr
error: invalid value 'banana' for '--yes': value was not a boolean

For more information, try '--help'.

"#]]);
    world.run("user remove bob").env("TWOFA_YES", "0").exits(2);
    world
        .run("user remove bob")
        .env("TWOFA_YES", "on")
        .succeeds();
}

#[test]
fn a_confirmation_is_overridden_or_read_by_variable() {
    let (world, secret) = World::with_app();
    world.run("user add carol").env("TWOFA_YES", "1").succeeds();
    let action = "user edit carol --group 'System administrators'";
    world.run(action).exits(5);
    world
        .run(action)
        .env("TWOFA_OVERRIDE", "1")
        .env("TWOFA_REASON", "the app is at home")
        .succeeds();
    assert_eq!(world.json("status")["overrides"], 1);
    let code = world.app(&secret);
    world
        .run("user edit carol --no-group")
        .env("TWOFA_CONFIRM_CODE_STDIN", "true")
        .stdin(&format!("{code}\n"))
        .succeeds();
    world
        .run("user add dave --confirm-code 123456")
        .env("TWOFA_CONFIRM_CODE_STDIN", "true")
        .shows(str![[r#"
$ twofa user add dave --confirm-code 123456
? 2
--- stderr
error: --confirm-code and --confirm-code-stdin exclude each other
 hint: give one of them

"#]]);
    // Switched off it is as if it were not there.
    world.later(30);
    world
        .run(action)
        .env("TWOFA_CONFIRM_CODE_STDIN", "0")
        .env("TWOFA_CONFIRM_CODE", &world.app(&secret))
        .succeeds();
}

#[test]
fn every_global_option_has_its_variable() {
    let world = World::empty();
    let help = world.ok("init --help").stdout;
    let mut options: Vec<&str> = help
        .split("Store:\n")
        .nth(1)
        .unwrap()
        .lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")))
        .filter(|option| !["--help", "--version"].contains(option))
        .collect();
    options.sort_unstable();
    let rows = world.json("help environment");
    let mut have: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["variable"].as_str().unwrap().starts_with("TWOFA_"))
        .map(|row| row["option"].as_str().unwrap())
        .collect();
    have.sort_unstable();
    // The keys themselves stand for the file of them.
    have.dedup();
    assert_eq!(have, options);
    assert!(options.contains(&"--override"));
}

#[test]
fn a_wait_may_be_a_bare_number_of_seconds() {
    let world = World::new();
    for wait in ["0", "5", "5s", "1m"] {
        world.ok(&format!("status --wait {wait}"));
    }
    world.run("status").env("TWOFA_WAIT", "7").succeeds();
    world.run("status --wait soon").exits(2);
}

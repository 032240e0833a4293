//! The rules for passwords, wherever one is set.

use snapbox::str;

use crate::world::{Done, World};

fn set(world: &World, login: &str, password: &str) -> Done {
    world
        .run(&format!("password set {login} --password-stdin"))
        .stdin(&format!("{password}\n"))
        .done()
}

#[test]
fn every_broken_rule_is_told() {
    let world = World::peopled();
    world.ok("setting set MinPasswordLength 10 MinPasswordLowercaseCharCount 1 MinPasswordUppercaseCharCount 1 MinPasswordNumericCharCount 2 MinPasswordSpecialCharCount 1 PasswordNotEqualToUserLogin on PasswordNotFromWeakList on");
    world
        .run("password set alice --password-stdin -o json")
        .stdin("ALICE\n")
        .shows(str![[r#"
$ twofa password set alice --password-stdin -o json
? 4
--- stderr
error: the password breaks 6 rules:
  it needs 10 characters and has 5
  it needs 1 lowercase letter and has 0
  it needs 2 digits and has 0
  it needs 1 special character and has 0
  it is the login
  it is a common one
 hint: the rules are the settings MinPasswordLength, MinPasswordLowercaseCharCount, MinPasswordNumericCharCount, MinPasswordSpecialCharCount, PasswordNotEqualToUserLogin, PasswordNotFromWeakList
{"error":{"kind":"password_policy","message":"the password breaks 6 rules:\n  it needs 10 characters and has 5\n  it needs 1 lowercase letter and has 0\n  it needs 2 digits and has 0\n  it needs 1 special character and has 0\n  it is the login\n  it is a common one","hint":"the rules are the settings MinPasswordLength, MinPasswordLowercaseCharCount, MinPasswordNumericCharCount, MinPasswordSpecialCharCount, PasswordNotEqualToUserLogin, PasswordNotFromWeakList","rules":["MinPasswordLength","MinPasswordLowercaseCharCount","MinPasswordNumericCharCount","MinPasswordSpecialCharCount","PasswordNotEqualToUserLogin","PasswordNotFromWeakList"]}}

"#]]);
    world
        .run("user add dave --password-stdin")
        .stdin("letmein\n")
        .shows(str![[r#"
$ twofa user add dave --password-stdin
? 4
--- stderr
error: the password breaks 5 rules:
  it needs 10 characters and has 7
  it needs 1 uppercase letter and has 0
  it needs 2 digits and has 0
  it needs 1 special character and has 0
  it is a common one
 hint: the rules are the settings MinPasswordLength, MinPasswordUppercaseCharCount, MinPasswordNumericCharCount, MinPasswordSpecialCharCount, PasswordNotFromWeakList

"#]]);
    world.run("user show dave").exits(3);
    world
        .run("user add dave --password-stdin")
        .stdin("Correct horse 42!\n")
        .succeeds();
    // Again is fine, whatever the rules have become: a password is given at creation only.
    world.ok("setting set MinPasswordLength 100");
    world
        .run("user add dave --password-stdin")
        .stdin("Correct horse 42!\n")
        .succeeds();
    // A password that breaks the rules of today still logs in.
    world
        .run("login start dave --password-stdin")
        .stdin("Correct horse 42!\n")
        .succeeds();
}

#[test]
fn a_new_password_differs_from_the_last_ones() {
    let world = World::peopled();
    // Nothing is kept while nothing is asked for.
    assert_eq!(set(&world, "alice", "one").code, Some(0));
    assert_eq!(world.number("SELECT count(*) FROM password_history"), 0);
    world.ok("setting set PasswordHistoryRecordCount 1");
    world
        .run("password set alice --password-stdin -o json")
        .stdin("one\n")
        .shows(str![[r#"
$ twofa password set alice --password-stdin -o json
? 4
--- stderr
error: the password is the one they have
 hint: the rule is the setting PasswordHistoryRecordCount
{"error":{"kind":"password_policy","message":"the password is the one they have","hint":"the rule is the setting PasswordHistoryRecordCount","rules":["PasswordHistoryRecordCount"]}}

"#]]);
    world.ok("setting set PasswordHistoryRecordCount 3");
    for next in ["two", "three"] {
        assert_eq!(set(&world, "alice", next).code, Some(0), "{next}");
    }
    for last in ["one", "two", "three"] {
        let done = set(&world, "alice", last);
        assert_eq!(done.code, Some(4), "{last}");
        assert!(done.stderr.contains("the password is one of the last 3"));
    }
    assert_eq!(set(&world, "alice", "four").code, Some(0));
    assert_eq!(set(&world, "alice", "one").code, Some(0));
    assert_eq!(set(&world, "alice", "two").code, Some(0));
    // Each user has their own, and as many as are asked for.
    assert_eq!(set(&world, "bob", "two").code, Some(0));
    assert_eq!(world.number("SELECT count(*) FROM password_history"), 3);
    world.ok("setting set PasswordHistoryRecordCount 2");
    assert_eq!(set(&world, "alice", "five").code, Some(0));
    assert_eq!(world.number("SELECT count(*) FROM password_history"), 2);
    world.ok("user remove alice --yes");
    assert_eq!(world.number("SELECT count(*) FROM password_history"), 1);
}

#[test]
fn the_list_of_common_passwords_can_be_replaced() {
    let world = World::peopled();
    world.ok("setting set PasswordNotFromWeakList on");
    for common in ["123456", "QWERTY", "iloveyou"] {
        let done = set(&world, "alice", common);
        assert_eq!(done.code, Some(4), "{common}");
        assert_eq!(
            done.stderr,
            "error: the password is a common one\n hint: the rule is the setting PasswordNotFromWeakList\n"
        );
    }
    world.write("twofa.db.weak-passwords", "acme\r\nAcme2026\n");
    assert_eq!(set(&world, "alice", "123456").code, Some(0));
    assert_eq!(set(&world, "alice", "acME2026").code, Some(4));
    assert_eq!(set(&world, "alice", "Acme").code, Some(4));
    assert_eq!(set(&world, "alice", "acme2027").code, Some(0));
    // One that cannot be read is no list of nothing.
    std::fs::remove_file(world.file("twofa.db.weak-passwords")).unwrap();
    std::fs::create_dir(world.file("twofa.db.weak-passwords")).unwrap();
    let done = set(&world, "alice", "fine");
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with(
        "error: cannot read the list of common passwords `twofa.db.weak-passwords`: "
    ));
}

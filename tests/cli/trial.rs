//! What a first trial stumbled over: answers that led nowhere, were cut, or claimed what was not so.

use serde_json::json;
use snapbox::str;

use crate::world::World;

#[test]
fn a_template_must_carry_what_the_setting_sends() {
    let world = World::new();
    world
        .run("setting set TwoFactorAuthEmailTemplate 'Password recovery'")
        .shows(str![[r#"
$ twofa setting set TwoFactorAuthEmailTemplate Password recovery
? 4
--- stderr
error: the template `Password recovery` has no macro `#SecondFactorCode#`
 hint: `twofa template list` shows the macros of each

"#]]);
    world
        .run("setting set PasswordRecoveryEmailTemplate '2FA verification code'")
        .exits(4);
    world.ok("setting set TwoFactorAuthEmailTemplate '2fa VERIFICATION code'");
}

#[test]
fn an_empty_text_is_the_default() {
    let world = World::new();
    world.ok("setting set TotpIssuer Acme");
    let set = world.json("setting set TotpIssuer ''");
    assert_eq!(
        (&set["value"], &set["changed"]),
        (&json!("twofa"), &json!(true))
    );
    assert_eq!(world.json("setting set TotpIssuer ''")["changed"], false);
    assert_eq!(world.json("setting set TotpIssuer ' '")["changed"], false);
}

#[test]
fn what_has_no_effect_yet_warns() {
    let world = World::new();
    let set = world.json("setting set MinPasswordLength 12 SecondFactorCodeTTL 90");
    assert_eq!(
        set["warnings"],
        json!([{
            "kind": "no_effect",
            "message": "MinPasswordLength has no effect yet: it comes with the password rules.",
            "hint": null
        }])
    );
    world
        .run("setting set MinPasswordLength 12")
        .shows(str![[r#"
$ twofa setting set MinPasswordLength 12
? 0
--- stdout
code      MinPasswordLength
name      Minimum password length
type      int
unit      characters
value     12
default   0
modified  yes
minimum   0
maximum   128
meaning   How many characters a password has at the least.
note      no effect yet: it comes with the password rules
changed   no
--- stderr
warning: MinPasswordLength has no effect yet: it comes with the password rules.
MinPasswordLength is already 12 characters.

"#]]);
    assert_eq!(
        world.json("setting reset MinPasswordLength")["warnings"],
        json!([])
    );
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

#[test]
fn an_empty_code_is_a_missing_answer() {
    let (world, _) = World::with_app();
    world.connect("alice");
    world.later(30);
    let start = "login start alice --password-stdin -o json";
    let token = world.run(start).stdin("alice-pw\n").json(18)["challenge"].clone();
    let token = token.as_str().unwrap();
    world
        .run(&format!("login verify {token} --code ''"))
        .exits(2);
    world
        .run(&format!("login verify {token} --code-stdin"))
        .stdin("\n")
        .exits(2);
    world
        .run("recovery-codes generate Supervisor --code ''")
        .exits(2);
    // An unset variable of a script is no confirmation code either.
    let refused = world
        .run("setting set Enable2FA off --yes -q")
        .env("TWOFA_CONFIRM_CODE", "")
        .exits(5);
    assert!(
        refused.stderr.contains("--confirm-code"),
        "{}",
        refused.stderr
    );
    assert_eq!((world.tries("alice"), world.tries("Supervisor")), (0, 0));
}

#[test]
fn sms_leads_nowhere_and_says_so() {
    let world = World::peopled();
    world.run("method enable sms --primary").shows(str![[r#"
$ twofa method enable sms --primary
? 0
--- stdout
code     sms
name     SMS
enabled  yes
primary  yes
changed  yes
--- stderr
warning: SMS is enabled, but this version sends no SMS.
warning: 3 active users have no phone.
   hint: twofa user list --without sms
SMS is enabled and primary.

"#]]);
    assert_eq!(
        world.json("status")["next"],
        "twofa method enable email --primary"
    );
    world.ok("method enable email");
    assert_eq!(
        world.json("status")["next"],
        "twofa setting set Enable2FA on"
    );
    world.ok("setting set Enable2FA on --yes");
    assert_eq!(world.json("status")["next"], "twofa login simulate LOGIN");
}

#[test]
fn a_missing_mailbox_is_named_where_it_locks_out() {
    let world = World::peopled();
    world.ok("method enable email --primary");
    world.ok("setting reset 2FAmailbox");
    world.run("setting set Enable2FA on --yes").shows(str![[r#"
$ twofa setting set Enable2FA on --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: email is enabled and no mailbox is set: `twofa setting set 2FAmailbox NAME` first, or say --allow-lockout=2 if it is meant

"#]]);
}

#[test]
fn a_command_with_a_name_in_it_can_be_copied() {
    let world = World::new();
    let added = world.ok("mailbox add 'Ops mail' --file mail --from a@example.com");
    assert!(
        added.stderr.contains(
            "`twofa mailbox test 'Ops mail'`, then `twofa setting set 2FAmailbox 'Ops mail'`"
        ),
        "{}",
        added.stderr
    );
    let conflict = world
        .run("mailbox add 'Ops mail' --file other --from a@example.com")
        .exits(4);
    assert!(
        conflict.stderr.contains("`twofa mailbox edit 'Ops mail'`"),
        "{}",
        conflict.stderr
    );
    let tested = world.ok("mailbox test 'Ops mail' --to b@example.com");
    assert!(
        tested.stderr.contains("2FAmailbox 'Ops mail'`"),
        "{}",
        tested.stderr
    );
    std::fs::remove_dir_all(world.file("mail")).unwrap();
    let failed = world
        .run("mailbox test 'Ops mail' --to b@example.com")
        .exits(1);
    assert!(
        failed.stderr.contains("`twofa mailbox show 'Ops mail'`"),
        "{}",
        failed.stderr
    );
    world.ok("user add 'Ann Lee'");
    let next = world.ok("authenticator connect 'Ann Lee'");
    assert!(
        next.stderr.contains("confirm 'Ann Lee' --setup-token"),
        "{}",
        next.stderr
    );
    let none = world
        .run("authenticator confirm Supervisor --code 123456")
        .exits(3);
    assert!(
        none.stderr.contains("connect Supervisor`"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_header_that_is_no_header_tells_what_is_wrong_with_it() {
    let world = World::new();
    let hint = |header: &str| {
        world.write("people.csv", &format!("{header}\n"));
        let refused = world.run("user import people.csv --yes").exits(4);
        refused.stderr.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        hint("login;name;email"),
        " hint: commas stand between the fields: `login,email`"
    );
    for header in [
        "login,password",
        "login,passwort_hash",
        "login,password_hsh",
    ] {
        assert!(
            !hint(header).contains("did you mean `password_hash`"),
            "{header}"
        );
    }
    assert_eq!(
        hint("login,password"),
        " hint: leave the column out, and set passwords with `twofa password set`"
    );
    assert_eq!(hint("login,nmae"), " hint: did you mean `name`?");
}

#[test]
fn what_is_quoted_has_a_limit() {
    let world = World::new();
    world.write(
        "people.csv",
        &format!("login,phone\neve,{}\n", "9".repeat(50_000)),
    );
    let refused = world.run("user import people.csv --yes").exits(4);
    assert!(refused.stderr.len() < 500, "{} bytes", refused.stderr.len());
    assert!(refused.stderr.contains("9…` is no phone number"));
    world.write(
        "people.csv",
        &format!("login,name\neve,\"{}\n", "x".repeat(90_000)),
    );
    world.run("user import people.csv --yes").shows(str![[r#"
$ twofa user import people.csv --yes
? 4
--- stderr
error: line 2: it is longer than 64 KiB
 hint: a quote that is not closed takes in the lines below it

"#]]);
}

#[test]
fn a_name_with_something_invisible_in_it_is_the_same_name() {
    let world = World::new();
    world.ok("user add eve");
    for hidden in ['\u{ad}', '\u{2060}', '\u{61c}', '\u{200d}'] {
        let spelled = format!("e{hidden}ve");
        assert_eq!(world.json(&format!("user show {spelled}"))["login"], "eve");
        let refused = world.run(&format!("user add {spelled}")).exits(4);
        assert!(refused.stderr.contains("invisible"), "{}", refused.stderr);
    }
}

#[test]
fn a_technical_user_has_a_password_in_vain() {
    let world = World::peopled();
    world
        .run("user edit alice --type technical --yes")
        .shows(str![[r#"
$ twofa user edit alice --type technical --yes
? 0
--- stdout
login                alice
name                 Alice
email                alice@example.com
phone                –
type                 technical
language             en
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          no
os user              –
must change          no
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              yes
--- stderr
warning: `alice` has a password, and technical users never log in with one.
   hint: twofa user edit alice --type employee
`alice` was changed: type.

"#]]);
    let added = world
        .run("user add robot --type technical --password-stdin -o json")
        .stdin("robot-pw\n")
        .json(0);
    assert_eq!(added["warnings"][0]["kind"], "no_password_login");
    assert_eq!(
        world.json("user edit alice --name Alice2")["warnings"],
        json!([])
    );
    assert_eq!(
        world.json("user add other --type technical")["warnings"],
        json!([])
    );
}

//! `twofa password change`.

use snapbox::str;

use crate::world::{Done, World};

/// Changes a password; whatever else is on the line comes after it.
fn change(world: &World, line: &str, old: &str, new: &str) -> Done {
    world
        .run(&format!(
            "password change {line} --password-stdin --new-password-stdin"
        ))
        .stdin(&format!("{old}\n{new}\n"))
        .done()
}

#[test]
fn the_old_password_is_enough_without_2fa() {
    let world = World::peopled();
    world.later(60);
    world
        .run("password change ALICE@example.com --password-stdin --new-password-stdin")
        .stdin("alice-pw\nfresh\n")
        .shows(str![[r#"
$ twofa password change ALICE@example.com --password-stdin --new-password-stdin
? 0
--- stdout
login                alice
name                 Alice
email                alice@example.com
phone                –
type                 employee
language             en
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              –
must change          no
password changed at  2026-01-01T00:01:00Z
last login at        –
changed              yes
--- stderr
The password of `alice` was changed.

"#]]);
    assert_eq!(world.first_factor("alice", "alice-pw"), Some(10));
    assert_eq!(world.first_factor("alice", "fresh"), Some(0));
    // As oneself, which nobody needs an operation for.
    assert_eq!(
        change(&world, "alice --as alice", "fresh", "newer").code,
        Some(0)
    );
    assert_eq!(change(&world, "alice --as bob", "newer", "x").code, Some(5));
    world.run("password change alice").shows(str![[r#"
$ twofa password change alice
? 2
--- stderr
error: password is needed
 hint: give it with --password-stdin

"#]]);
    world
        .run("password change alice --password-stdin --new-password-stdin")
        .stdin("newer\n")
        .shows(str![[r#"
$ twofa password change alice --password-stdin --new-password-stdin
? 2
--- stderr
error: standard input has no line for --new-password-stdin

"#]]);
    world.run("password change ' ' --password-stdin").exits(2);
    world
        .run("audit list --event password -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event password -o ndjson
? 0
--- stdout
{"seq":9,"at":"2026-01-01T00:01:00Z","actor":"alice","os_user":"[ACCOUNT]","event":"password.changed","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":null}
{"seq":6,"at":"2026-01-01T00:01:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.changed","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":null}

"#]]);
}

/// One answer for everything that whoever lacks the password may not learn, with the same rows as at a login.
#[test]
fn a_first_factor_that_is_wrong_is_one_answer() {
    let world = World::peopled();
    world.ok("user add robot --type technical");
    world
        .run("user add carol --password-stdin")
        .stdin("carol-pw\n")
        .succeeds();
    world.ok("user deactivate carol --yes");
    let answers = [
        change(&world, "nobody -o json", "x", "new"),
        change(&world, "alice -o json", "wrong", "new"),
        change(&world, "carol -o json", "carol-pw", "new"),
        change(&world, "robot -o json", "x", "new"),
    ];
    for done in &answers {
        assert_eq!((done.code, done.stdout.as_str()), (Some(10), ""));
        assert_eq!(done.stderr, answers[0].stderr);
    }
    assert_eq!(
        answers[0].stderr.lines().next(),
        Some("error: the login was refused")
    );
    let reasons = world.text("SELECT group_concat(reason, ' ') FROM (SELECT reason FROM audit WHERE event = 'password.denied' ORDER BY seq)");
    assert_eq!(
        reasons,
        "unknown_user wrong_password inactive technical_user"
    );
    // It is a try like one at a login.
    world.ok("setting set LoginAttemptCount 2 LoginAttemptBeforeWarningCount 1 DisplayAccountLockoutMessageAtLogin on");
    let second = change(&world, "alice -o json", "wrong", "new");
    assert_eq!(second.error()["hint"], "1 try is left.");
    assert_eq!(change(&world, "alice", "wrong", "new").code, Some(10));
    let locked = change(&world, "alice", "alice-pw", "new");
    assert_eq!(locked.code, Some(14));
    assert!(
        locked
            .stderr
            .starts_with("error: the user is locked until 2026-01-01T00:15:00Z\n")
    );
    world.later(15 * 60);
    assert_eq!(change(&world, "alice", "alice-pw", "new").code, Some(0));
}

/// What a login refuses for, a change is there to mend.
#[test]
fn a_password_that_must_be_changed_or_has_expired_can_be() {
    let world = World::peopled();
    world.ok("user edit alice --must-change");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 17
--- stdout
outcome      denied
reason       password_must_change
user         alice
--- stderr
error: the password must be changed
 hint: `twofa password change alice`

"#]]);
    assert_eq!(change(&world, "alice", "alice-pw", "new").code, Some(0));
    assert_eq!(world.first_factor("alice", "new"), Some(0));
    world.ok("setting set MaxPasswordAge 1");
    world.later(86_400);
    assert_eq!(world.first_factor("alice", "new"), Some(17));
    assert_eq!(change(&world, "alice", "new", "newer").code, Some(0));
    assert_eq!(world.first_factor("alice", "newer"), Some(0));
}

#[test]
fn the_rules_hold_and_are_judged_after_the_first_factor() {
    let world = World::peopled();
    world.ok("setting set MinPasswordLength 8 PasswordHistoryRecordCount 2");
    assert_eq!(change(&world, "alice", "wrong", "short").code, Some(10));
    let done = change(&world, "alice -o json", "alice-pw", "short");
    assert_eq!(done.code, Some(4));
    assert_eq!(
        done.error()["rules"],
        serde_json::json!(["MinPasswordLength"])
    );
    assert_eq!(
        change(&world, "alice", "alice-pw", "alice-pw").code,
        Some(4)
    );
    assert_eq!(
        change(&world, "alice", "alice-pw", "long enough").code,
        Some(0)
    );
    assert_eq!(
        change(&world, "alice", "long enough", "alice-pw").code,
        Some(4)
    );
    assert_eq!(world.first_factor("alice", "long enough"), Some(0));
}

#[test]
fn an_app_proves_it_in_one_step() {
    let (world, _) = World::with_app();
    let secret = world.connect("alice");
    world.later(30);
    let needed = change(&world, "alice -o json", "alice-pw", "new");
    assert_eq!(needed.code, Some(18));
    assert_eq!(needed.error()["kind"], "second_factor_required");
    assert_eq!(needed.error()["hint"], "repeat the command with --code N");
    let wrong = change(&world, "alice --code 000000 -o json", "alice-pw", "new");
    assert_eq!(wrong.code, Some(11));
    assert_eq!(wrong.error()["hint"], "4 tries are left");
    let code = world.app(&secret);
    let lines = format!("alice-pw\nnew\n{code}\n");
    world
        .run("password change alice --password-stdin --new-password-stdin --code-stdin")
        .stdin(&lines)
        .succeeds();
    // Consumed, and counted like every replay.
    let again = change(&world, &format!("alice --code {code}"), "new", "newer");
    assert_eq!(again.code, Some(12));
    assert_eq!(world.first_factor("alice", "new"), Some(18));
    assert_eq!(
        change(&world, "alice --method email --code 1", "new", "newer").code,
        Some(4)
    );
}

#[test]
fn a_code_by_mail_proves_it_in_two_steps() {
    let world = World::with_email();
    let asked = change(&world, "alice -o json", "alice-pw", "new");
    assert_eq!(asked.code, Some(18), "{}", asked.stderr);
    let error_of = asked.error();
    let challenge = error_of["challenge"].as_str().unwrap();
    assert_eq!(error_of["destination"], "a***e@example.com");
    let code = world.code();
    // A code without its challenge is not thrown away for a new one.
    let alone = change(&world, &format!("alice --code {code}"), "alice-pw", "new");
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    // Neither a login nor a confirmation takes the challenge, nor a change of somebody else.
    world
        .run(&format!("login verify {challenge} --code {code}"))
        .exits(3);
    let with = format!("--challenge {challenge} --code {code}");
    assert_eq!(
        change(&world, &format!("bob {with}"), "bob-pw", "new").code,
        Some(11)
    );
    assert_eq!(
        change(&world, &format!("alice {with}"), "wrong", "new").code,
        Some(10)
    );
    assert_eq!(
        change(
            &world,
            &format!("alice --challenge {challenge} --code 000000"),
            "alice-pw",
            "new"
        )
        .code,
        Some(11)
    );
    assert_eq!(
        change(&world, &format!("alice {with}"), "alice-pw", "new").code,
        Some(0)
    );
    assert_eq!(
        change(&world, &format!("alice {with}"), "new", "newer").code,
        Some(12)
    );
    assert_eq!(world.first_factor("alice", "new"), Some(18));
    // A code that has run out is none.
    let challenge = change(&world, "alice -o json", "new", "newer").error()["challenge"]
        .as_str()
        .unwrap()
        .to_owned();
    let code = world.code();
    world.later(60);
    let late = change(
        &world,
        &format!("alice --challenge {challenge} --code {code}"),
        "new",
        "newer",
    );
    assert_eq!(late.code, Some(13));
    world.ok("audit verify");
}

/// Logins that were begun with the old password end; so does whoever could use no second factor.
#[test]
fn pending_logins_end_and_nobody_is_passed_without_a_method() {
    let world = World::with_email();
    let begun = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    let code = world.code();
    world.ok("setting set Enable2FA off --yes");
    assert_eq!(change(&world, "alice", "alice-pw", "new").code, Some(0));
    world.ok("setting set Enable2FA on --yes");
    let challenge = begun["challenge"].as_str().unwrap();
    world
        .run(&format!("login verify {challenge} --code {code}"))
        .exits(12);
    world.ok("user edit alice --no-email --allow-lockout");
    assert_eq!(change(&world, "alice", "new", "newer").code, Some(16));
}

/// A challenge is no way around the methods that are enabled.
#[test]
fn a_disabled_method_proves_nothing() {
    let world = World::with_email();
    world.ok("method enable recovery-codes");
    let codes = world.json("recovery-codes generate alice");
    let code = codes["codes"][0].as_str().unwrap();
    let asked = change(&world, "alice -o json", "alice-pw", "new");
    let challenge = asked.error()["challenge"].as_str().unwrap().to_owned();
    world.ok("method disable recovery-codes --yes");
    let line =
        format!("alice --challenge {challenge} --method recovery-codes --code {code} -o json");
    let done = change(&world, &line, "alice-pw", "new");
    assert_eq!(
        (done.code, &done.error()["kind"]),
        (Some(4), &"method_not_usable".into())
    );
    world.ok("method enable recovery-codes");
    assert_eq!(change(&world, &line, "alice-pw", "new").code, Some(0));
}

/// Whoever has not connected the app yet can change a password that must be: a login asks for that first, and connects the
/// app with no more than the password.
#[test]
fn what_must_be_changed_is_no_dead_end() {
    let world = World::peopled();
    world.ok("method enable totp --primary");
    world.ok("setting set Enable2FA on --yes");
    world.ok("user edit alice --must-change");
    assert_eq!(world.first_factor("alice", "alice-pw"), Some(17));
    assert_eq!(change(&world, "alice", "wrong", "new").code, Some(10));
    assert_eq!(change(&world, "alice", "alice-pw", "new").code, Some(0));
    assert_eq!(
        world.text("SELECT reason FROM audit WHERE event = 'password.changed'"),
        "not_connected_yet"
    );
    assert_eq!(world.first_factor("alice", "new"), Some(16));
    // With the app connected it is asked for.
    world.connect("alice");
    assert_eq!(change(&world, "alice", "new", "newer").code, Some(18));
}

/// The password that holds finds nothing out about those before it, and is none to change to where it must be changed.
#[test]
fn the_history_is_asked_after_the_second_factor() {
    let (world, _) = World::with_app();
    world.ok("setting set PasswordHistoryRecordCount 3");
    world
        .run("password set alice --password-stdin")
        .stdin("second\n")
        .succeeds();
    let secret = world.connect("alice");
    world.later(30);
    for guess in ["alice-pw", "not it"] {
        assert_eq!(
            change(&world, "alice", "second", guess).code,
            Some(18),
            "{guess}"
        );
    }
    let code = world.app(&secret);
    let refused = change(
        &world,
        &format!("alice --code {code} -o json"),
        "second",
        "alice-pw",
    );
    assert_eq!(refused.error()["kind"], "password_policy");
    world.ok("setting set PasswordHistoryRecordCount 0");
    world.ok("user edit alice --must-change");
    world.later(30);
    let code = world.app(&secret);
    let same = change(&world, &format!("alice --code {code}"), "second", "second");
    assert_eq!(same.code, Some(4), "{}", same.stderr);
    assert_eq!(
        change(&world, &format!("alice --code {code}"), "second", "third").code,
        Some(0)
    );
}

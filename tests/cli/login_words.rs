//! What a login says beside its verdict: the words of a refused first factor, the tries left, the password that expires.

use snapbox::str;

use crate::world::World;

fn first_factor(world: &World, login: &str, password: &str) -> crate::world::Done {
    world
        .run(&format!("login start {login} --password-stdin -o json"))
        .stdin(&format!("{password}\n"))
        .done()
}

/// The sentence and the hint for people.
fn words(done: &crate::world::Done) -> String {
    let lines = done.stderr.lines().filter(|line| !line.starts_with('{'));
    lines.collect::<Vec<_>>().join("\n")
}

/// Four combinations of the two settings. The exit status and the document never depend on them.
#[test]
fn the_words_of_a_refusal_are_chosen_and_nothing_else_is() {
    const REFUSED: &str = "error: the login was refused";
    const WRONG: &str = "error: the login or the password is wrong";
    const LOCKED: &str = "error: the user is locked until 2026-01-01T00:15:00Z\n hint: an administrator can take the lock off with `twofa user unlock bob`";
    let mut documents = Vec::new();
    for (lockout, wrong, says) in [
        ("off", "off", [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]),
        ("off", "on", [WRONG, WRONG, WRONG, WRONG, REFUSED]),
        ("on", "off", [REFUSED, REFUSED, REFUSED, LOCKED, LOCKED]),
        ("on", "on", [WRONG, WRONG, WRONG, LOCKED, LOCKED]),
    ] {
        let world = World::peopled();
        world
            .run("user add carol --password-stdin")
            .stdin("carol-pw\n")
            .succeeds();
        world.ok("user deactivate carol --yes");
        world.ok(&format!("setting set DisplayAccountLockoutMessageAtLogin {lockout} DisplayIncorrectPasswordMessageAtLogin {wrong} LoginAttemptCount 1"));
        for _ in 0..2 {
            first_factor(&world, "bob", "no");
        }
        let all = [
            first_factor(&world, "nobody", "x"),
            first_factor(&world, "alice", "no"),
            first_factor(&world, "carol", "carol-pw"),
            first_factor(&world, "bob", "no"),
            first_factor(&world, "bob", "bob-pw"),
        ];
        assert_eq!(
            all.each_ref().map(|done| done.code),
            [10, 10, 10, 10, 14].map(Some)
        );
        assert_eq!(all.each_ref().map(words), says, "{lockout} {wrong}");
        // A program that reads the error gets the words, too.
        let last = all[4].stderr.lines().last().unwrap();
        let error: serde_json::Value = serde_json::from_str(last).unwrap();
        let message = says[4]
            .lines()
            .next()
            .unwrap()
            .strip_prefix("error: ")
            .unwrap();
        assert_eq!(error["error"]["message"], message);
        documents.push(all.map(|done| done.stdout));
    }
    documents.dedup();
    assert_eq!(documents.len(), 1);
}

#[test]
fn the_tries_left_are_told_once_there_were_so_many() {
    let world = World::peopled();
    world.ok("setting set LoginAttemptCount 3 LoginAttemptBeforeWarningCount 2");
    let left = || {
        let done = first_factor(&world, "alice", "no");
        assert_eq!(done.code, Some(10));
        let verdict: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        verdict["warnings"][0]["message"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(left(), None);
    assert_eq!(left().as_deref(), Some("2 tries are left."));
    assert_eq!(left().as_deref(), Some("1 try is left."));
    // The fourth locks: nothing is left to tell.
    assert_eq!(left(), None);
    assert_eq!(first_factor(&world, "alice", "alice-pw").code, Some(14));
    // Where nothing locks, nothing is left to count.
    world.ok("user unlock alice");
    world.ok("setting set UserLockoutDuration 0");
    for _ in 0..5 {
        assert_eq!(left(), None);
    }
    // A login nobody has is counted by nobody.
    assert!(
        !first_factor(&world, "nobody", "x")
            .stdout
            .contains("tries_left")
    );
}

#[test]
fn a_password_that_expires_soon_is_told() {
    let world = World::with_email();
    world.ok("setting set MaxPasswordAge 30 PasswordChangeReminding 7");
    let granted = |world: &World| {
        let started = first_factor(world, "alice", "alice-pw");
        let verdict: serde_json::Value = serde_json::from_str(&started.stdout).unwrap();
        assert_eq!(verdict["warnings"], serde_json::json!([]));
        let challenge = verdict["challenge"].as_str().unwrap().to_owned();
        let code = world.code();
        world.ok(&format!("login verify {challenge} --code {code}"))
    };
    let day = 86_400;
    world.later(23 * day - 1);
    assert!(!granted(&world).stderr.contains("expires"));
    world.later(1);
    world.ok("setting set Enable2FA off --yes --override --reason test");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 0
--- stdout
outcome      granted
user         alice
--- stderr
warning: The password expires at 2026-01-31T00:00:00Z.
   hint: twofa password change alice
`alice` is logged in.

"#]]);
    world.ok("setting set Enable2FA on --yes");
    let done = granted(&world);
    assert!(
        done.stderr
            .contains("The password expires at 2026-01-31T00:00:00Z."),
        "{}",
        done.stderr
    );
    // Not without an age, and not when it is too late.
    world.ok("setting set MaxPasswordAge 0");
    assert!(!granted(&world).stderr.contains("expires"));
    world.ok("setting set MaxPasswordAge 23");
    assert_eq!(first_factor(&world, "alice", "alice-pw").code, Some(17));
}

//! `twofa password recover`.

use snapbox::str;

use crate::world::{Done, World};

/// People, and a mailbox that recovery mails leave by.
fn recoverable() -> World {
    let world = World::peopled();
    world.ok("setting set SSPRegistrationMailbox trial");
    world
}

/// Waits until every message has left: each round is a query and no pause.
pub fn settled(world: &World) {
    for _ in 0..100_000 {
        let left = "SELECT (SELECT count(*) FROM recovery_request WHERE user IS NOT NULL)
             + (SELECT count(*) FROM outbox WHERE state = 'pending')";
        if world.number(left) == 0 {
            return;
        }
        std::thread::yield_now();
    }
    panic!("a message never left");
}

/// Asks for a token and reads it in the mail.
fn token(world: &World, login: &str) -> String {
    world.ok(&format!("password recover {login}"));
    settled(world);
    let letter = world.letter();
    let word = letter
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 32 && line.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    word.expect("the message carries a token").to_owned()
}

fn finish(world: &World, line: &str, token: &str, new: &str) -> Done {
    world
        .run(&format!(
            "password recover {line} --token-stdin --new-password-stdin"
        ))
        .stdin(&format!("{new}\n{token}\n"))
        .done()
}

#[test]
fn a_token_by_mail_sets_a_new_password() {
    let world = recoverable();
    world.run("password recover alice").shows(str![[r#"
$ twofa password recover alice
? 0
--- stdout
login       alice
expires at  2026-01-01T00:20:00Z
changed     yes
--- stderr
If there is such a user who may recover their password, a token is on its way.
Next: `twofa password recover alice --token-stdin`, until 2026-01-01T00:20:00Z.

"#]]);
    settled(&world);
    let letter = world.letter();
    assert!(letter.contains("To: alice@example.com\r\n"), "{letter}");
    assert!(
        letter.contains("Subject: Your new password\r\n"),
        "{letter}"
    );
    assert!(
        letter.contains("It can be used once, within 20 minutes."),
        "{letter}"
    );
    let token = token(&world, "ALICE@example.com");
    world
        .run("password recover alice --token-stdin --new-password-stdin -o json")
        .stdin(&format!("fresh\n{token}\n"))
        .succeeds();
    assert_eq!(world.first_factor("alice", "alice-pw"), Some(10));
    assert_eq!(world.first_factor("alice", "fresh"), Some(0));
    // Once, and the others that were mailed before it go with it.
    world
        .run("password recover alice --token-stdin --new-password-stdin -o json")
        .stdin(&format!("other\n{token}\n"))
        .shows(str![[r#"
$ twofa password recover alice --token-stdin --new-password-stdin -o json
? 10
--- stderr
error: the recovery token is wrong, was used, or has expired
 hint: `twofa password recover LOGIN` mails a new one
{"error":{"kind":"first_factor_wrong","message":"the recovery token is wrong, was used, or has expired","hint":"`twofa password recover LOGIN` mails a new one"}}

"#]]);
    assert_eq!(
        world.number("SELECT count(*) FROM challenge WHERE closed_at IS NULL"),
        0
    );
    assert_eq!(
        world.number("SELECT count(*) FROM outbox WHERE body IS NOT NULL"),
        0
    );
    world
        .run("audit list --event password -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event password -o ndjson
? 0
--- stdout
{"seq":14,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.denied","subject":"alice","outcome":"denied","reason":"wrong_token","note":null,"detail":null}
{"seq":11,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.recovered","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":null}
{"seq":10,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.recovery_sent","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"sender":"trial","said":null}}
{"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.recovery_requested","subject":null,"outcome":"ok","reason":null,"note":null,"detail":{"login_hash":"f634ed07ae8774450bb100c48f1b93d76f9f4e1be0a712a8209d7f469dab462a","length":17}}
{"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.recovery_sent","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"sender":"trial","said":null}}
{"seq":7,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.recovery_requested","subject":null,"outcome":"ok","reason":null,"note":null,"detail":{"login_hash":"d3bd35aab138416cc3065e6cbb101efae68cc604ca4135e4283dc9de689bf7cf","length":5}}

"#]]);
    world.ok("audit verify");
}

/// Whoever asks learns nothing: the same words, the same status, for whoever it names.
#[test]
fn the_answer_does_not_tell_whether_the_login_exists() {
    let world = recoverable();
    world.ok("user add robot --type technical --email robot@example.com");
    world.ok("user add mute");
    world.ok("user add partner --type external --email partner@example.com");
    world.ok("user deactivate bob --yes");
    world.ok("setting set UsePasswordRecoveryForInternalUsers off");
    let mut answers = Vec::new();
    for login in ["nobody", "alice", "bob", "robot", "mute", "partner"] {
        let done = world
            .run(&format!("password recover {login} -o json"))
            .done();
        settled(&world);
        let plain = |text: &str| text.replace(login, "LOGIN");
        answers.push((done.code, plain(&done.stdout), plain(&done.stderr)));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, Some(0));
    let mails = std::fs::read_dir(world.file("mail")).unwrap().count();
    assert_eq!(mails, 1, "employees may not, external users always may");
    // Who asked is told by nothing that was written before the answer; what came of it is written after it.
    let asked = "SELECT count(*) FROM audit WHERE event = 'password.recovery_requested' AND user IS NULL AND subject IS NULL AND reason IS NULL";
    assert_eq!(world.number(asked), 6);
    let came = world.text("SELECT group_concat(subject || ' ' || coalesce(reason, 'mailed'), ', ') FROM (SELECT subject, reason FROM audit WHERE event IN ('password.recovery_sent', 'password.recovery_failed') ORDER BY seq)");
    assert_eq!(
        came,
        "alice not_for_employees, bob inactive, robot technical_user, mute not_for_employees, partner mailed"
    );
    // People type passwords where a login is asked for.
    world.ok("password recover my-secret-password");
    assert!(
        !world
            .ok("audit list -o json")
            .stdout
            .contains("my-secret-password")
    );
    // So does the second step: a wrong token and a login nobody has are one answer.
    let wrong = ["nobody", "alice", "bob", "robot"]
        .map(|login| finish(&world, &format!("{login} -o json"), &"a".repeat(32), "new"));
    for done in &wrong {
        assert_eq!((done.code, &done.stderr), (Some(10), &wrong[0].stderr));
    }
}

/// Requests are limited by what was typed, known or not.
#[test]
fn requests_are_limited_within_the_hour() {
    let world = recoverable();
    world.ok("setting set PasswordRecoveryLimit 2");
    for login in ["alice", "nobody"] {
        world.ok(&format!("password recover {login}"));
        world.later(60);
        world.ok(&format!("password recover ' {}'", login.to_uppercase()));
        let full = world
            .run(&format!("password recover {login} -o json"))
            .exits(4);
        assert_eq!(full.error()["kind"], "send_limit");
        assert_eq!(full.error()["retry_after"], 3_540);
        settled(&world);
    }
    // By another name of the same user it is another request.
    world.ok("password recover alice@example.com");
    world.later(3_540);
    world.ok("password recover nobody");
    world.ok("setting set PasswordRecoveryLimit 0");
    for _ in 0..7 {
        world.ok("password recover nobody");
    }
    // What is over an hour old is not kept.
    world.later(3_600);
    world.ok("password recover nobody");
    assert_eq!(world.number("SELECT count(*) FROM recovery_request"), 1);
    settled(&world);
}

/// What belongs to the second step is no request for a token.
#[test]
fn half_a_second_step_asks_for_nothing() {
    let world = recoverable();
    for rest in ["--new-password-stdin", "--code 123456", "--challenge x"] {
        let done = world
            .run(&format!("password recover alice {rest}"))
            .stdin("new\n")
            .exits(2);
        assert!(
            done.stderr.contains("comes with the token that was mailed"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(world.number("SELECT count(*) FROM outbox"), 0);
}

#[test]
fn without_a_mailbox_nobody_recovers() {
    let world = World::peopled();
    for login in ["alice", "nobody"] {
        let done = world.run(&format!("password recover {login}")).exits(1);
        assert_eq!(
            done.stderr,
            "error: nothing is set up to send recovery mails\n hint: `twofa setting set SSPRegistrationMailbox NAME`\n"
        );
    }
    // One that cannot send is not told either; the log and the outbox have it.
    world.ok("mailbox add broken --file nowhere/mail --from a@example.com");
    world.ok("setting set SSPRegistrationMailbox broken");
    std::fs::remove_dir_all(world.file("nowhere")).ok();
    world.write("nowhere", "a file");
    world.ok("password recover alice");
    settled(&world);
    assert_eq!(world.text("SELECT state FROM outbox"), "failed");
    assert_eq!(
        world.text("SELECT event FROM audit ORDER BY seq DESC LIMIT 1"),
        "password.recovery_failed"
    );
}

#[test]
fn a_token_has_a_life_and_waits_for_no_lock() {
    let world = recoverable();
    world.ok("setting set PasswordRecoveryTtl 5 MinPasswordLength 4");
    let token = token(&world, "alice");
    assert_eq!(finish(&world, "alice", &token, "new").code, Some(4));
    assert_eq!(finish(&world, "bob", &token, "fresh").code, Some(10));
    world.ok("user deactivate alice --yes");
    assert_eq!(finish(&world, "alice", &token, "fresh").code, Some(10));
    world.ok("user activate alice");
    // What was mailed before does not outlive it.
    assert_eq!(finish(&world, "alice", &token, "fresh").code, Some(10));
    let token = self::token(&world, "alice");
    world.sql("UPDATE user SET locked_until_at = 1767225700 WHERE login = 'alice'");
    assert_eq!(finish(&world, "alice", &token, "fresh").code, Some(14));
    world.later(299);
    assert_eq!(
        finish(&world, "alice", &token.to_uppercase(), "fresh").code,
        Some(0)
    );
    let late = self::token(&world, "alice");
    world.later(300);
    assert_eq!(finish(&world, "alice", &late, "fresher").code, Some(10));
    world
        .run("password recover alice --token-stdin")
        .shows(str![[r#"
$ twofa password recover alice --token-stdin
? 2
--- stderr
error: standard input has no line for --token-stdin

"#]]);
}

/// The second factor is asked for, by anything but email where there is anything else.
#[test]
fn two_factors_are_asked_for_where_there_are_two() {
    let (world, _) = World::with_app();
    world.ok("setting set SSPRegistrationMailbox trial");
    world.ok("method enable email");
    let secret = world.connect("alice");
    world.later(30);
    let by_app = token(&world, "alice");
    let needed = finish(&world, "alice -o json", &by_app, "new");
    assert_eq!(
        (needed.code, &needed.error()["method"]),
        (Some(18), &"totp".into())
    );
    assert_eq!(
        finish(&world, "alice --method email", &by_app, "new").code,
        Some(4)
    );
    assert_eq!(
        finish(&world, "alice --code 000000", &by_app, "new").code,
        Some(11)
    );
    let code = world.app(&secret);
    assert_eq!(
        finish(&world, &format!("alice --code {code}"), &by_app, "new").code,
        Some(0)
    );
    // bob has nothing but his mail: it is one channel, and the log says so.
    let by_mail = token(&world, "bob");
    let asked = finish(&world, "bob -o json", &by_mail, "new");
    assert_eq!(asked.code, Some(18), "{}", asked.stderr);
    let challenge = asked.error()["challenge"].as_str().unwrap().to_owned();
    let line = format!("bob --challenge {challenge} --code {}", world.code());
    assert_eq!(finish(&world, &line, &by_mail, "new").code, Some(0));
    let reasons = world.text("SELECT group_concat(subject || ' ' || coalesce(reason, '-'), ', ') FROM audit WHERE event = 'password.recovered'");
    assert_eq!(reasons, "alice -, bob single_channel");
}

/// A token alone finds nothing out about the password there is, and whoever tries is seen.
#[test]
fn the_history_is_asked_after_the_second_factor() {
    let (world, _) = World::with_app();
    world.ok(
        "setting set SSPRegistrationMailbox trial PasswordHistoryRecordCount 3 MinPasswordLength 4",
    );
    let secret = world.connect("alice");
    world.later(30);
    let token = token(&world, "alice");
    for guess in ["alice-pw", "not it"] {
        assert_eq!(
            finish(&world, "alice", &token, guess).code,
            Some(18),
            "{guess}"
        );
    }
    assert_eq!(finish(&world, "alice", &token, "x").code, Some(4));
    let code = world.app(&secret);
    let refused = finish(
        &world,
        &format!("alice --code {code} -o json"),
        &token,
        "alice-pw",
    );
    assert_eq!(refused.error()["kind"], "password_policy");
    // The code is spent, the token is not.
    assert_eq!(
        finish(&world, &format!("alice --code {code}"), &token, "fresh").code,
        Some(12)
    );
    world.later(30);
    let code = world.app(&secret);
    assert_eq!(
        finish(&world, &format!("alice --code {code}"), &token, "fresh").code,
        Some(0)
    );
    // Whoever sets a password could guess by the history too, and is seen as well.
    world
        .run("password set alice --password-stdin")
        .stdin("fresh\n")
        .exits(4);
    let kept = world.text("SELECT group_concat(subject || ' ' || reason, ', ') FROM audit WHERE event = 'change.refused'");
    assert_eq!(
        kept,
        "password recover password_policy, password set password_policy"
    );
}

/// A request is taken up once, whoever takes it up.
#[test]
fn a_request_is_delivered_once() {
    let world = recoverable();
    world.ok("password recover alice");
    settled(&world);
    let mails = || std::fs::read_dir(world.file("mail")).unwrap().count();
    let sent = mails();
    for request in ["1", "0", "99"] {
        world.ok(&format!("deliver {request}"));
    }
    assert_eq!(mails(), sent);
}

/// Recoveries that others ask for take no code away from a login.
#[test]
fn recoveries_use_up_no_codes() {
    let world = World::with_email();
    world.ok("setting set SSPRegistrationMailbox trial SecondFactorSendLimit 1");
    for _ in 0..3 {
        world.ok("password recover alice");
    }
    settled(&world);
    assert_eq!(world.first_factor("alice", "alice-pw"), Some(18));
}

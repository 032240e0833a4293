//! Several processes at once: no code lets two in, and no try goes uncounted.

use std::io::Write as _;
use std::process::Child;

use serde_json::Value;

use crate::login::WRONG;
use crate::world::{Run, World};

/// Starts all of them before waiting for any; returns the exit statuses, sorted, and what they printed.
fn together(runs: Vec<(Run<'_>, String)>) -> (Vec<i32>, Vec<Value>) {
    let mut children: Vec<(Child, String)> = runs
        .iter()
        .map(|(run, stdin)| (run.command().spawn().unwrap(), stdin.clone()))
        .collect();
    // They all wait for their line of standard input: a start as close together as can be.
    for (child, stdin) in &mut children {
        child
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
    }
    let mut codes = Vec::new();
    let mut verdicts = Vec::new();
    for (child, _) in children {
        let output = child.wait_with_output().unwrap();
        codes.push(output.status.code().unwrap());
        verdicts.push(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
    }
    codes.sort_unstable();
    (codes, verdicts)
}

fn answer<'w>(world: &'w World, challenge: &str, code: &str) -> (Run<'w>, String) {
    let run = world.run(&format!(
        "login verify {challenge} --code-stdin --wait 60s -o json"
    ));
    (run, format!("{code}\n"))
}

#[test]
fn sixteen_answers_with_one_code_let_one_in() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 100");
    let challenge = world.challenge("alice");
    let code = world.code();
    let runs = (0..16).map(|_| answer(&world, &challenge, &code)).collect();
    let (codes, verdicts) = together(runs);
    assert_eq!(codes, [[0].as_slice(), &[12; 15]].concat());
    let granted = verdicts
        .iter()
        .filter(|verdict| verdict["outcome"] == "granted")
        .count();
    assert_eq!(granted, 1);
    assert_eq!(world.kept("login.granted").len(), 1);
    assert_eq!(world.kept("login.denied").len(), 15);
    world.ok("audit verify");
}

#[test]
fn sixteen_logins_with_one_app_code_let_one_in() {
    let world = World::with_email();
    world.ok("method primary totp");
    world.ok("setting set SecondFactorAttemptCount 100");
    let secret = world.connect("alice");
    world.later(30);
    let code = world.app(&secret);
    let line = "login simulate alice --password-stdin --code-stdin --wait 60s -o json";
    let runs = (0..16)
        .map(|_| (world.run(line), format!("alice-pw\n{code}\n")))
        .collect();
    let (codes, _) = together(runs);
    assert_eq!(codes, [[0].as_slice(), &[12; 15]].concat());
    assert_eq!(world.kept("login.started").len(), 16);
    assert_eq!(world.kept("login.granted").len(), 1);
    world.ok("audit verify");
}

#[test]
fn sixteen_logins_with_one_recovery_code_let_one_in() {
    let world = World::with_email();
    world.ok("method enable recovery-codes");
    world.ok("setting set SecondFactorAttemptCount 100");
    let code = world.recovery("alice").remove(0);
    let challenges: Vec<String> = (0..16)
        .map(|_| world.challenge("alice --method recovery-codes"))
        .collect();
    let runs = challenges
        .iter()
        .map(|challenge| answer(&world, challenge, &code))
        .collect();
    let (codes, _) = together(runs);
    assert_eq!(codes, [[0].as_slice(), &[12; 15]].concat());
    assert_eq!(world.json("recovery-codes show alice")["left"], 9);
}

#[test]
fn twelve_wrong_guesses_against_a_limit_of_three() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 3");
    let challenge = world.challenge("alice");
    let runs = (0..12).map(|_| answer(&world, &challenge, WRONG)).collect();
    let (codes, _) = together(runs);
    assert_eq!(codes, [[11; 2].as_slice(), &[14; 10]].concat());
    assert_eq!(
        world.kept("user.locked"),
        [
            r#"user.locked alice ok second_factor_attempts {"failures":3,"locked_until":"2026-01-01T00:15:00Z"}"#,
        ]
    );
    world.ok("audit verify");
}

#[test]
fn wrong_passwords_at_once_are_all_counted() {
    let world = World::with_email();
    world.ok("setting set LoginAttemptCount 3");
    let line = "login start alice --password-stdin --wait 60s -o json";
    let runs = (0..8)
        .map(|_| (world.run(line), "wrong\n".to_owned()))
        .collect();
    let (codes, _) = together(runs);
    assert_eq!(codes, [10; 8]);
    assert_eq!(world.kept("user.locked").len(), 1);
    world.start("alice").exits(14);
}

#[test]
fn right_passwords_at_once_never_lock() {
    let world = World::peopled();
    world.ok("setting set LoginAttemptCount 1");
    let line = "login start alice --password-stdin --wait 60s -o json";
    let runs = (0..8)
        .map(|_| (world.run(line), "alice-pw\n".to_owned()))
        .collect();
    let (codes, _) = together(runs);
    // Those beyond the tries that were under way are refused, and that is all.
    assert!(
        codes[0] == 0 && codes.iter().all(|code| [0, 10].contains(code)),
        "{codes:?}"
    );
    assert_eq!(world.kept("user.locked"), Vec::<String>::new());
    world.start("alice").succeeds();
}

#[test]
fn of_eight_resends_one_is_sent() {
    let world = World::with_email();
    let challenge = world.challenge("alice");
    world.later(30);
    let line = format!("login resend {challenge} --wait 60s -o json");
    let runs = (0..8).map(|_| (world.run(&line), String::new())).collect();
    let (codes, _) = together(runs);
    assert_eq!(codes, [[4; 7].as_slice(), &[18]].concat());
    assert_eq!(world.kept("login.code_sent").len(), 2);
    world.verify(&challenge, &world.code()).succeeds();
}

#[test]
fn one_enrolment_is_confirmed_once() {
    let world = World::peopled();
    world.ok("method primary totp");
    world.ok("setting set Enable2FA on --yes");
    let verdict = world.start("alice").json(16);
    let challenge = verdict["challenge"].as_str().unwrap();
    let code = world.app(verdict["enrolment"]["secret"].as_str().unwrap());
    let runs = (0..8).map(|_| answer(&world, challenge, &code)).collect();
    let (codes, _) = together(runs);
    assert_eq!(codes, [[0].as_slice(), &[12; 7]].concat());
    assert_eq!(world.kept("authenticator.connected").len(), 1);
}

/// One assertion, handed in by all at once: to the login that it answers, and where a provider began it.
#[cfg(feature = "saml")]
#[test]
fn sixteen_answers_of_one_provider_let_one_in() {
    let world = crate::login_sso::world();
    let challenge = crate::login_sso::begun(&world, "login start alice --idp corp");
    let asked = crate::login_sso::answered(&world, |_| ());
    world.ok("idp edit corp --idp-initiated yes");
    let unasked = crate::login_sso::answered(&world, |made| {
        for part in [&mut made.head, &mut made.confirmation] {
            let answer = format!(" InResponseTo=\"{}\"", crate::made::REQUEST);
            *part = part.replace(&answer, "");
        }
        made.id = "_unasked".to_owned();
    });
    for (to, answer) in [(challenge.as_str(), asked), ("--idp corp", unasked)] {
        let line = format!("login verify {to} --saml-response-stdin --wait 60s");
        let runs = (0..16)
            .map(|_| (world.run(&line), answer.clone()))
            .collect();
        let (codes, _) = together(runs);
        assert_eq!(codes, [[0].as_slice(), &[12; 15]].concat(), "{to}");
    }
    assert_eq!(world.kept("login.granted").len(), 2);
    world.ok("audit verify");
}

//! Codes made by oathtool are the codes we take.

use std::process::Command;

use crate::world::World;
use crate::{peer, succeeds};

/// What `oathtool` shows for a base32 secret at `when`, in words it understands.
fn shown(secret: &str, when: &str) -> String {
    let oathtool = peer("oathtool", "apt-get install oathtool");
    succeeds(Command::new(oathtool).args(["--totp", "-b", "--now", when, secret]))
        .trim()
        .to_owned()
}

/// Seconds since 1970, as oathtool takes them.
fn at(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap()
        .strftime("%Y-%m-%d %H:%M:%S UTC")
        .to_string()
}

/// Alice with 2FA on and the app as the only method; returns her app's secret, not confirmed yet.
fn connecting(world: &World) -> String {
    world.ok("method enable totp --primary");
    world.ok("setting set Enable2FA on --yes");
    let enrolment = world.json("authenticator connect alice");
    enrolment["secret"].as_str().unwrap().to_owned()
}

/// Starts a login of alice, which asks for her app; returns the challenge.
fn asked(world: &World) -> String {
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    assert_eq!(verdict["outcome"], "second_factor_required", "{verdict}");
    assert_eq!(verdict["method"], "totp", "{verdict}");
    verdict["challenge"].as_str().unwrap().to_owned()
}

/// Answers it; returns the verdict.
fn answered(world: &World, challenge: &str, code: &str, exit: i32) -> serde_json::Value {
    world
        .run(&format!("login verify {challenge} --code {code} -o json"))
        .json(exit)
}

#[test]
fn with_the_real_clock_its_codes_confirm_and_log_in_once() {
    let world = World::peopled();
    world.use_real_clock();
    let secret = connecting(&world);
    // The clock may step on between any two commands; one step of drift on each side allows for that.
    let code = shown(&secret, "now");
    world.ok(&format!("authenticator confirm alice --code {code}"));

    let challenge = asked(&world);
    let replayed = answered(&world, &challenge, &code, 12);
    assert_eq!(replayed["outcome"], "denied", "{replayed}");

    let next = shown(&secret, "now + 30 seconds");
    let granted = answered(&world, &challenge, &next, 0);
    assert_eq!(granted["outcome"], "granted", "{granted}");

    let challenge = asked(&world);
    let replayed = answered(&world, &challenge, &next, 12);
    assert_eq!(replayed["outcome"], "denied", "{replayed}");
}

#[test]
fn its_steps_are_our_steps() {
    let world = World::peopled();
    let secret = connecting(&world);
    let code = shown(&secret, &at(world.now()));
    world.ok(&format!("authenticator confirm alice --code {code}"));

    // One step of drift is the default: (seconds from now, exit).
    for (away, exit) in [(-60, 11), (-30, 0), (60, 11), (30, 0)] {
        world.later(600);
        let challenge = asked(&world);
        let code = shown(&secret, &at(world.now() + away));
        let verdict = answered(&world, &challenge, &code, exit);
        let outcome = if exit == 0 { "granted" } else { "denied" };
        assert_eq!(verdict["outcome"], outcome, "{away}: {verdict}");
    }

    // Years ahead the two still count alike, and an old code stays old.
    for years in [1, 20] {
        let old = shown(&secret, &at(world.now()));
        world.later(years * 31_557_600);
        let challenge = asked(&world);
        answered(&world, &challenge, &old, 11);
        let code = shown(&secret, &at(world.now()));
        answered(&world, &challenge, &code, 0);
    }
}

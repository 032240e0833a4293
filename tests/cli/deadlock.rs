//! The only administrator is in trouble, and gets out of it: without any method, with a lost phone, locked by an attacker.

use serde_json::Value;

use crate::world::World;

fn log_in(world: &World, login: &str, password: &str) -> Value {
    let done = world
        .run(&format!("login start {login} --password-stdin -o json"))
        .stdin(&format!("{password}\n"))
        .done();
    serde_json::from_str(&done.stdout).unwrap()
}

/// A store whose only administrator has a password and an app; the secret of the app.
fn alone() -> (World, String) {
    let (world, secret) = World::with_app();
    let code = world.app(&secret);
    world
        .run(&format!(
            "password set Supervisor --password-stdin --confirm-code {code}"
        ))
        .stdin("root-pw\n")
        .succeeds();
    world.later(30);
    (world, secret)
}

#[test]
fn without_any_method_everything_passes_with_a_warning() {
    let world = World::with_email();
    world
        .run("password set Supervisor --password-stdin")
        .stdin("root-pw\n")
        .succeeds();
    // The login is stuck, and says so; the store is not.
    assert_eq!(
        log_in(&world, "Supervisor", "root-pw")["reason"],
        "no_second_factor"
    );
    for line in [
        "setting set Enable2FA off --yes",
        "setting set Enable2FA on --yes --allow-lockout",
        "user edit Supervisor --email root@example.com",
    ] {
        world.ok(line);
    }
    let unconfirmed = world.number("SELECT count(*) FROM audit WHERE event = 'confirmation.skipped' AND reason = 'no_usable_method'");
    // The password, turning 2FA off, and the address.
    assert_eq!(unconfirmed, 3);
    // With a first method the way back is closed.
    assert_eq!(log_in(&world, "Supervisor", "root-pw")["method"], "email");
    world
        .run("user edit Supervisor --no-email --allow-lockout")
        .exits(5);
}

#[test]
fn with_a_lost_phone_override_is_the_way_out() {
    let (world, _) = alone();
    // Everything that could be tried without it.
    for line in [
        "authenticator disconnect Supervisor --yes",
        "authenticator disconnect Supervisor --yes --override",
        "setting set Enable2FA off --yes",
        "user edit Supervisor --email root@example.com",
        "password set Supervisor --password-file new",
    ] {
        world.write("new", "new-pw\n");
        let code = world.run(line).done().code;
        assert_eq!(
            code,
            Some(if line.contains("--override") { 2 } else { 5 }),
            "{line}"
        );
    }
    world.ok("authenticator disconnect Supervisor --yes --override --reason 'phone lost'");
    assert_eq!(world.json("status")["overrides"], 1);
    // The next login connects a new one, without anybody's help.
    let verdict = log_in(&world, "Supervisor", "root-pw");
    assert_eq!(verdict["outcome"], "enrolment_required");
    let secret = verdict["enrolment"]["secret"].as_str().unwrap();
    let challenge = verdict["challenge"].as_str().unwrap();
    let code = world.app(secret);
    world.ok(&format!("login verify {challenge} --code {code}"));
}

#[test]
fn locked_by_an_attacker_is_unlocked_by_root() {
    for lockout in [15, 0] {
        let (world, secret) = alone();
        world.ok(&format!(
            "setting set UserLockoutDuration {lockout} SecondFactorAttemptCount 3"
        ));
        let verdict = log_in(&world, "Supervisor", "root-pw");
        let challenge = verdict["challenge"].as_str().unwrap();
        for expected in [11, 11, 14] {
            world
                .run(&format!("login verify {challenge} --code 000000"))
                .exits(expected);
        }
        // Where others are deactivated, the last administrator is locked.
        assert_eq!(log_in(&world, "Supervisor", "root-pw")["reason"], "locked");
        // Under root and the owner the first administrator still acts; the factor does not confirm while locked.
        let code = world.app(&secret);
        world
            .run(&format!(
                "setting set Enable2FA off --yes --confirm-code {code}"
            ))
            .exits(5);
        world.ok("user unlock Supervisor");
        world.ok(&format!(
            "setting set Enable2FA off --yes --confirm-code {code}"
        ));
        assert_eq!(
            log_in(&world, "Supervisor", "root-pw")["outcome"],
            "granted"
        );
    }
    // Without anybody's help the lock runs out.
    let (world, secret) = alone();
    world.ok("setting set SecondFactorAttemptCount 1");
    let challenge = log_in(&world, "Supervisor", "root-pw")["challenge"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .run(&format!("login verify {challenge} --code 000000"))
        .exits(14);
    world.later(15 * 60);
    let code = world.app(&secret);
    world.ok(&format!("login verify {challenge} --code {code}"));
}

/// An administrator who is not the first, and whom nobody is left to help, cannot come about by command or by penalty.
#[test]
fn nobody_can_take_the_last_administrator_away() {
    let (world, secret) = alone();
    let confirm = |line: &str| {
        world.later(30);
        let code = world.app(&secret);
        world
            .run(&format!("{line} --yes --confirm-code {code}"))
            .done()
    };
    for line in [
        "user deactivate Supervisor",
        "user edit Supervisor --no-group",
        "user edit Supervisor --type technical",
        "group remove-member 'System administrators' --user Supervisor",
        "user remove Supervisor",
    ] {
        let done = confirm(line);
        assert_eq!(done.code, Some(4), "{line}: {}", done.stderr);
    }
}

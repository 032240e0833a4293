//! Ways around the rules of who may, each of which was open once.

use crate::world::World;

#[test]
fn a_type_makes_no_administrator_unseen() {
    let (world, secret) = World::with_app();
    let confirmed = |line: &str| {
        world.later(30);
        let code = world.app(&secret);
        world.ok(&format!("{line} --yes --confirm-code {code}"));
    };
    world.ok("group add Vendors");
    confirmed("group add-member Vendors --group 'All external users'");
    confirmed("group add-member 'System administrators' --group Vendors");
    world.write("people.csv", "login,type\nerin,external\n");
    for line in [
        "user add eve --type external",
        "user edit bob --type external",
        "user import people.csv",
    ] {
        let done = world.run(&format!("{line} --yes -o json")).exits(5);
        assert_eq!(done.error()["kind"], "confirmation_required", "{line}");
    }
    confirmed("user edit bob --type external");
    let done = world
        .run("user edit bob --type employee --yes -o json")
        .exits(5);
    assert_eq!(done.error()["kind"], "confirmation_required");
    world.ok("user add carol");
}

/// Rows that run out later count: 2FA that ends for an administrator next week has to be confirmed today.
#[test]
fn a_row_that_runs_out_hides_nothing() {
    let (world, secret) = World::with_app();
    world.ok("group add Everybody");
    world.ok("group add-member Everybody --group 'All employees'");
    world.ok("permission grant CanUse2FA --group Everybody --position 1");
    world.ok("permission grant CanUse2FA --user Supervisor --until 'in 1m' --position 1");
    world.ok("permission revoke CanUse2FA --group 'All employees' --yes");
    for line in [
        "permission revoke CanUse2FA --group Everybody",
        "permission deny CanUse2FA --group Everybody",
        "group remove-member Everybody --group 'All employees'",
        "group remove Everybody",
        "user edit Supervisor --type external",
    ] {
        let done = world.run(&format!("{line} --yes -o json")).exits(5);
        assert_eq!(done.error()["kind"], "confirmation_required", "{line}");
    }
    world.later(30);
    let code = world.app(&secret);
    world.ok(&format!(
        "permission revoke CanUse2FA --group Everybody --yes --confirm-code {code}"
    ));
}

/// The way back to permissions must be open at every moment, not only now and at the end of time.
#[test]
fn somebody_can_change_who_may_at_every_moment() {
    let world = World::peopled();
    let code = "CanChangeAdminOperationGrantee";
    world.ok(&format!(
        "permission grant {code} --user Supervisor --until 'in 1m' --position 1"
    ));
    world
        .run(&format!(
            "permission deny {code} --group 'All employees' --until 2999-12-31 --position 2"
        ))
        .exits(4);
    // It need not be the same one.
    world.ok(&format!(
        "permission grant {code} --user alice --until 2999-12-31 --position 2"
    ));
    world.ok(&format!(
        "permission deny {code} --group 'All employees' --until 2999-12-31 --position 3"
    ));
    world.later(120);
    world.run("permission deny CanReset2FA --user bob").exits(5);
    world.ok("permission deny CanReset2FA --user bob --as alice");
}

/// An exemption that runs out leaves whoever has no method locked out then.
#[test]
fn an_exemption_that_runs_out_is_no_way_around_the_lockout() {
    let world = World::peopled();
    world
        .run("user add carol --password-stdin")
        .stdin("carol-pw\n")
        .succeeds();
    world.ok("method enable email --primary");
    world.ok("permission deny CanUse2FA --user carol --position 1 --until 'in 1d'");
    let done = world
        .run("setting set Enable2FA on --yes --allow-lockout=0")
        .exits(4);
    assert!(done.stderr.contains("`carol`"), "{}", done.stderr);
    world.ok("permission deny CanUse2FA --user carol");
    let done = world.run("setting set Enable2FA on --yes").done();
    assert!(!done.stderr.contains("`carol`"), "{}", done.stderr);
}

/// Whoever can change permissions must be there and active: by command and by penalty.
#[test]
fn the_last_who_can_change_permissions_stays_active() {
    let world = World::with_email();
    let code = "CanChangeAdminOperationGrantee";
    world.ok(&format!("permission grant {code} --user alice"));
    world.ok(&format!(
        "permission revoke {code} --group 'System administrators' --yes"
    ));
    world.run("user deactivate alice --yes").exits(4);
    world.run("user edit alice --type technical --yes").exits(4);
    world.ok("setting set UserLockoutDuration 0 SecondFactorAttemptCount 1");
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    let challenge = verdict["challenge"].as_str().unwrap();
    // Others are deactivated; she is locked.
    world
        .run(&format!("login verify {challenge} --code 000000"))
        .exits(14);
}

/// Being locked out from tomorrow on is one thing, and from now on another.
#[test]
fn a_lockout_that_comes_earlier_is_a_new_one() {
    let world = World::with_email();
    world
        .run("user add carol --password-stdin")
        .stdin("carol-pw\n")
        .done();
    world.ok("permission deny CanUse2FA --user carol --position 1 --allow-lockout");
    world
        .run("permission deny CanUse2FA --user carol --until 'in 365d'")
        .exits(4);
    world.ok("permission deny CanUse2FA --user carol --until 'in 365d' --allow-lockout=1");
    for earlier in [
        "permission revoke CanUse2FA --user carol --yes",
        "permission deny CanUse2FA --user carol --until 'in 1d'",
    ] {
        world.run(earlier).exits(4);
    }
    world.ok("permission deny CanUse2FA --user carol --until 'in 400d'");
    world.ok("permission revoke CanUse2FA --user carol --yes --allow-lockout");
}

/// What waits for an answer ends when its user is shut out, or the way of its code changes.
#[test]
fn nothing_that_was_asked_outlives_its_reason() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email old@example.com");
    let asked = world
        .run("setting set Enable2FA off --yes -o json")
        .exits(5);
    let challenge = asked.error()["challenge"].as_str().unwrap().to_owned();
    let code = world.code();
    world.ok("user edit Supervisor --email new@example.com --override --reason compromised");
    let line = format!(
        "setting set Enable2FA off --yes --confirm-challenge {challenge} --confirm-code {code} -o json"
    );
    assert_eq!(
        world.run(&line).exits(5).error()["kind"],
        "confirmation_used"
    );
    // Nor does a method that is no longer enabled confirm.
    world.ok("method enable recovery-codes");
    world.ok("recovery-codes generate Supervisor --override --reason test");
    let asked = world
        .run("setting set Enable2FA off --yes -o json")
        .exits(5);
    let challenge = asked.error()["challenge"].as_str().unwrap().to_owned();
    let code = world.code();
    world.ok("method disable email --yes --allow-lockout --override --reason test");
    let line = format!(
        "setting set Enable2FA off --yes --confirm-challenge {challenge} --confirm-code {code} -o json"
    );
    let refused = world.run(&line).exits(5);
    assert!(
        refused.stderr.contains("you cannot use that method now"),
        "{}",
        refused.stderr
    );
}

/// A code asked for to take one away takes no other away.
#[test]
fn a_confirmation_is_bound_to_what_goes() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email root@example.com");
    for login in ["carol", "dora"] {
        let line =
            format!("user add {login} --group 'System administrators' --override --reason test");
        world.ok(&line);
    }
    let asked = world
        .run("group remove-member 'System administrators' --user carol --yes -o json")
        .exits(5);
    let challenge = asked.error()["challenge"].as_str().unwrap().to_owned();
    let confirmed = format!(
        "--yes --confirm-challenge {challenge} --confirm-code {}",
        world.code()
    );
    let other = world
        .run(&format!(
            "group remove-member 'System administrators' --user dora {confirmed}"
        ))
        .exits(5);
    assert!(
        other
            .stderr
            .contains("the challenge confirms another command"),
        "{}",
        other.stderr
    );
    world.ok(&format!(
        "group remove-member 'System administrators' --user carol {confirmed}"
    ));
}

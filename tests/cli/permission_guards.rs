//! What a change of groups and permissions may not bring about: nobody who may, nobody who can log in, an administrator
//! made, unmade or left without 2FA unconfirmed.

use snapbox::str;

use crate::world::World;

#[test]
fn somebody_can_always_change_who_may() {
    let world = World::peopled();
    world
        .run("permission revoke CanChangeAdminOperationGrantee --group 'System administrators' --yes")
        .shows(str![[r#"
$ twofa permission revoke CanChangeAdminOperationGrantee --group System administrators --yes
? 4
--- stderr
error: this would leave nobody active who has `CanChangeAdminOperationGrantee`, and nobody could give it back
 hint: grant it to somebody else first, without --until

"#]]);
    world
        .run("permission deny CanChangeAdminOperationGrantee --group 'System administrators'")
        .exits(4);
    // One that runs out is no way back.
    world
        .run("permission grant CanChangeAdminOperationGrantee --group 'System administrators' --until 'in 1d'")
        .exits(4);
    world
        .run("permission deny CanChangeAdminOperationGrantee --group 'All employees' --position 1")
        .exits(4);
    world.ok("permission grant CanChangeAdminOperationGrantee --user alice");
    world.ok(
        "permission revoke CanChangeAdminOperationGrantee --group 'System administrators' --yes",
    );
    // Whom to ask is who can, administrator or not.
    let done = world.run("permission deny CanReset2FA --user bob").exits(5);
    assert!(
        done.stderr
            .contains("to grant it, such as `alice`, or act as"),
        "{}",
        done.stderr
    );
    world.run("user remove alice --yes").exits(4);
    world.ok("permission deny CanReset2FA --user bob --as alice");
    assert_eq!(
        world.text("SELECT group_concat(reason) FROM audit WHERE event = 'change.refused'"),
        "guard,guard,guard,guard,guard"
    );
}

#[test]
fn the_last_administrator_stays() {
    let world = World::peopled();
    world
        .run("group remove-member 'System administrators' --user Supervisor --yes")
        .shows(str![[r#"
$ twofa group remove-member System administrators --user Supervisor --yes
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`

"#]]);
    world.ok("group add Owners");
    world.ok("group add-member Owners --user alice");
    world.ok("group add-member 'System administrators' --group Owners");
    world.ok("group remove-member 'System administrators' --user Supervisor --yes");
    for line in [
        "group remove-member 'System administrators' --group Owners --yes",
        "group remove Owners --yes",
        "group remove-member Owners --user alice --yes",
        "user edit alice --no-group",
    ] {
        let done = world.run(&format!("{line} --as alice")).exits(4);
        assert!(
            done.stderr
                .contains("this would leave the store without an active administrator"),
            "{line}: {}",
            done.stderr
        );
    }
    world.ok("user list --as alice");
}

#[test]
fn a_lockout_by_a_grantee_or_a_membership_is_refused() {
    let world = World::with_email();
    // Everybody but the staff without addresses uses 2FA.
    world
        .run("user add carol --password-stdin")
        .stdin("carol-pw\n")
        .exits(0);
    world.ok("group add Exempt");
    world.ok("group add Plant");
    world.ok("group add-member Exempt --group Plant");
    world.ok("permission deny CanUse2FA --group Exempt --position 1");
    world.ok("group add-member Plant --user carol");
    world.ok("user edit carol --no-email");
    world
        .run("permission revoke CanUse2FA --group Exempt --yes")
        .shows(str![[r#"
$ twofa permission revoke CanUse2FA --group Exempt --yes
? 4
--- stderr
error: this would leave 1 user with no way to log in: `carol`
 hint: give them a method first, or say --allow-lockout=1 if it is meant

"#]]);
    for line in [
        "permission move CanUse2FA --group Exempt --position 3",
        "permission grant CanUse2FA --group Exempt",
        "permission grant CanUse2FA --user carol --position 1",
        "group remove-member Plant --user carol --yes",
        "group remove-member Exempt --group Plant --yes",
        "group remove Plant --yes",
        "group remove Exempt --yes",
    ] {
        let done = world.run(line).exits(4);
        assert!(
            done.stderr.contains("with no way to log in: `carol`"),
            "{line}: {}",
            done.stderr
        );
    }
    world
        .run("group remove Exempt --yes --allow-lockout=1")
        .exits(0);
}

/// Without the second factor of whoever acts nothing of this is done; with it, it is.
#[test]
fn what_touches_administrators_is_confirmed() {
    let (world, secret) = World::with_app();
    world.ok("group add Plain");
    world.ok("group add Nested");
    world.ok("group add-member Nested --user bob");
    for (line, what) in [
        (
            "group add-member 'System administrators' --user alice",
            "making `alice` an administrator",
        ),
        (
            "group add-member 'System administrators' --group Nested",
            "making `bob` an administrator",
        ),
        (
            "group add-member Nested --user alice",
            "changing the membership of the administrator `alice`",
        ),
        (
            "group add-member Plain --user Supervisor",
            "changing the membership of the administrator `Supervisor`",
        ),
        (
            "permission deny CanUse2FA --group Plain --position 1",
            "turning 2FA off for the administrator `Supervisor`",
        ),
        (
            "group remove-member Plain --user Supervisor --yes",
            "changing the membership of the administrator `Supervisor`",
        ),
        (
            "group remove Nested --yes",
            "changing the membership of the administrator `alice`",
        ),
        (
            "permission deny CanUse2FA --user Supervisor --position 1",
            "turning 2FA off for the administrator `Supervisor`",
        ),
    ] {
        let done = world.run(&format!("{line} --no-input")).exits(5);
        assert!(
            done.stderr.contains(&format!("error: confirm {what}: ")),
            "{line}: {}",
            done.stderr
        );
        world.later(30);
        let code = world.app(&secret);
        let done = world.run(&format!("{line} --confirm-code {code}")).done();
        // The last administrator's 2FA may be off; what is refused here is refused by no guard.
        assert_eq!(done.code, Some(0), "{line}: {}", done.stderr);
        if line.contains("deny CanUse2FA --group") {
            // Put back what the next line is about.
            world.ok("permission revoke CanUse2FA --group Plain --yes");
        }
    }
}

//! Findings of `twofa doctor` about the clock, and what is locked, left over or run out.

use snapbox::str;

use crate::doctor::{finds, healthy, paste, provoked};
use crate::world::World;

#[test]
fn a_clock_that_went_back() {
    let world = World::with_email();
    world.later(-3_600);
    let mend = finds(
        &world,
        "clock_behind",
        str![[r#"
{
  "check": "clock",
  "kind": "clock_behind",
  "severity": "error",
  "message": "The clock of this machine says 2025-12-31T23:00:00Z, and the store remembers 2026-01-01T00:00:00Z: codes and locks end too late.",
  "count": 1,
  "names": [],
  "mend": [
    "timedatectl set-ntp true"
  ]
}

"#]],
    );
    assert_eq!(mend, ["timedatectl set-ntp true"]);
    // That sets the clock of a machine; the one of this test is set by hand.
    world.later(3_600);
    healthy(&world);
}

#[test]
fn an_app_that_accepted_a_code_of_tomorrow() {
    let world = World::with_email();
    world.connect("alice");
    world.later(60);
    provoked(
        &world,
        "code_ahead",
        |world| world.sql("UPDATE authenticator SET consumed_until_at = consumed_until_at + 86400"),
        &[],
        str![[r#"
{
  "check": "clock",
  "kind": "code_ahead",
  "severity": "warning",
  "message": "1 app accepted a code of a time that has not come, and no other is accepted before it: `alice`.",
  "count": 1,
  "names": [
    "alice"
  ],
  "mend": [
    "twofa authenticator connect alice"
  ]
}

"#]],
    );
}

#[test]
fn what_was_over_long_ago() {
    let world = World::with_email();
    world.ok("authenticator connect alice");
    world.ok("authenticator connect bob");
    world.later(7 * 86_400);
    healthy(&world);
    world.later(120);
    let mend = finds(
        &world,
        "stale_setup",
        str![[r#"
{
  "check": "pending",
  "kind": "stale_setup",
  "severity": "warning",
  "message": "2 set-ups of apps were begun and not confirmed more than a week ago: `alice`, `bob`. The next one clears some.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa authenticator connect alice",
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);

    let start = |user: &str| {
        world
            .run(&format!("login start {user} --password-stdin"))
            .stdin(&format!("{user}-pw\n"))
            .exits(18);
    };
    start("alice");
    start("bob");
    world.sql(
        "UPDATE challenge SET purpose = 'confirmation' WHERE id = (SELECT max(id) FROM challenge)",
    );
    world.later(7 * 86_400);
    healthy(&world);
    world.later(1_200);
    let mend = finds(
        &world,
        "stale_challenge",
        str![[r#"
{
  "check": "pending",
  "kind": "stale_challenge",
  "severity": "warning",
  "message": "2 questions that nobody answered have been over for more than a week. The next login clears some.",
  "count": 2,
  "names": [
    "mdissb5fvrrqfmfjowtjzd6qye",
    "tqlvzstmieamcjnyxkbaq4tlca"
  ],
  "mend": [
    "twofa login cancel mdissb5fvrrqfmfjowtjzd6qye",
    "sqlite3 twofa.db \"UPDATE challenge SET closed_at = expires_at, closed_as = 'expired', code_hash = NULL WHERE closed_at IS NULL AND expires_at <= 1767831720\""
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
    // The next login clears what has been over for a day, and whoever answers still hears that it is.
    start("alice");
    let token = world.text("SELECT token FROM challenge WHERE closed_at IS NULL");
    world.later(86_400 + 1_200 + 1);
    start("bob");
    let closed = "SELECT count(*) FROM challenge WHERE closed_as = 'expired'";
    assert_eq!(world.number(closed), 2);
    world
        .run(&format!("login verify {token} --code 000000"))
        .exits(13);
}

#[test]
fn who_is_locked_now() {
    let world = World::with_email();
    for n in 0..12 {
        world.ok(&format!("user add 'p {n:02}' --email p{n}@example.com"));
    }
    healthy(&world);
    world.sql("UPDATE user SET locked_until_at = 1767225700 WHERE login LIKE 'p %'");
    world.run("doctor").shows(str![[r#"
$ twofa doctor
? 20
--- stdout
warning: 12 users are locked now: `p 00`, `p 01`, `p 02`, `p 03`, `p 04`,
  `p 05`, `p 06`, `p 07`, `p 08`, `p 09` and 2 more.
    twofa user unlock 'p 00'
    twofa user unlock 'p 01'
    twofa user unlock 'p 02'
    twofa user unlock 'p 03'
    twofa user unlock 'p 04'
    twofa user unlock 'p 05'
    twofa user unlock 'p 06'
    twofa user unlock 'p 07'
    twofa user unlock 'p 08'
    twofa user unlock 'p 09'
    … and so for 2 more

1 warning in 21 checks.
Not checked: senders (nobody is called without --online).

"#]]);
    let mend = finds(
        &world,
        "locked",
        str![[r#"
{
  "check": "locks",
  "kind": "locked",
  "severity": "warning",
  "message": "12 users are locked now: `p 00`, `p 01`, `p 02`, `p 03`, `p 04`, `p 05`, `p 06`, `p 07`, `p 08`, `p 09` and 2 more.",
  "count": 12,
  "names": [
    "p 00",
    "p 01",
    "p 02",
    "p 03",
    "p 04",
    "p 05",
    "p 06",
    "p 07",
    "p 08",
    "p 09"
  ],
  "mend": [
    "twofa user unlock 'p 00'",
    "twofa user unlock 'p 01'",
    "twofa user unlock 'p 02'",
    "twofa user unlock 'p 03'",
    "twofa user unlock 'p 04'",
    "twofa user unlock 'p 05'",
    "twofa user unlock 'p 06'",
    "twofa user unlock 'p 07'",
    "twofa user unlock 'p 08'",
    "twofa user unlock 'p 09'"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    // Those beyond the ten that were named.
    let mend = finds(
        &world,
        "locked",
        str![[r#"
{
  "check": "locks",
  "kind": "locked",
  "severity": "warning",
  "message": "2 users are locked now: `p 10`, `p 11`.",
  "count": 2,
  "names": [
    "p 10",
    "p 11"
  ],
  "mend": [
    "twofa user unlock 'p 10'",
    "twofa user unlock 'p 11'"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
    world.sql("UPDATE user SET locked_until_at = 1767225700 WHERE login = 'alice'");
    world.later(100);
    healthy(&world);
}

#[test]
fn permissions_that_have_run_out() {
    let world = World::with_email();
    world.ok("group add 'Night shift'");
    world.ok("permission grant CanReset2FA --group 'Night shift' --until 2026-01-01T00:01:00Z");
    world.ok("permission grant CanManageUsers --user alice --until 2026-01-01T00:01:00Z");
    provoked(
        &world,
        "expired_grant",
        |world| world.later(60),
        &[],
        str![[r#"
{
  "check": "grants",
  "kind": "expired_grant",
  "severity": "warning",
  "message": "2 permissions have run out: `CanManageUsers of alice`, `CanReset2FA of Night shift`.",
  "count": 2,
  "names": [
    "CanManageUsers of alice",
    "CanReset2FA of Night shift"
  ],
  "mend": [
    "twofa permission revoke CanManageUsers --user alice",
    "twofa permission revoke CanReset2FA --group 'Night shift'"
  ]
}

"#]],
    );
}

//! Administrator actions ask for the acting user's own second factor (SEMANTICS, "Administrator actions").

use snapbox::str;

use crate::world::World;

/// A code that the app of `secret` does not show now.
fn wrong(world: &World, secret: &str) -> String {
    let right = world.app(secret);
    let last = (right.as_bytes()[5] - b'0' + 5) % 10;
    format!("{}{last}", &right[..5])
}

/// Every action the rules name, on an administrator or for everybody, and whether it asks.
#[test]
fn what_asks_and_what_does_not() {
    let (world, _) = World::with_app();
    world.ok("method enable email");
    world.ok("recovery-codes generate bob");
    world.ok("method enable recovery-codes");
    world
        .run("user add carol --email carol@example.com --group 'System administrators' --reason test --override")
        .succeeds();
    for (line, what) in [
        (
            "setting set Enable2FA off",
            "turning 2FA off for administrators too",
        ),
        (
            "setting reset Enable2FA",
            "turning 2FA off for administrators too",
        ),
        (
            "setting set TotpDriftSteps 2 Enable2FA off",
            "turning 2FA off for administrators too",
        ),
        (
            "method disable totp",
            "disabling Authenticator app for administrators too",
        ),
        (
            "method disable email",
            "disabling Email for administrators too",
        ),
        (
            "user edit carol --login carola",
            "changing the login of the administrator `carol`",
        ),
        (
            "user edit carol --email c@example.com",
            "changing the email of the administrator `carol`",
        ),
        (
            "user edit carol --no-email",
            "changing the email of the administrator `carol`",
        ),
        (
            "user edit carol --phone +4930123456",
            "changing the phone of the administrator `carol`",
        ),
        (
            "user edit carol --no-group",
            "changing the membership of the administrator `carol`",
        ),
        (
            "user edit alice --group 'System administrators'",
            "changing the membership of the administrator `alice`",
        ),
        (
            "user add dave --group 'System administrators'",
            "making `dave` an administrator",
        ),
        (
            "user deactivate carol",
            "deactivating the administrator `carol`",
        ),
        ("user remove carol", "removing the administrator `carol`"),
        (
            "password set carol --password-stdin",
            "changing the password of the administrator `carol`",
        ),
        (
            "authenticator disconnect Supervisor",
            "disconnecting the authenticator app of the administrator `Supervisor`",
        ),
    ] {
        let done = world
            .run(&format!("{line} --yes -o json"))
            .stdin("new-pw\n")
            .exits(5);
        assert!(
            done.stderr.contains(r#""kind":"confirmation_required""#),
            "{line}: {}",
            done.stderr
        );
        assert!(
            done.stderr.contains(&format!("error: confirm {what}")),
            "{line}: {}",
            done.stderr
        );
        assert_eq!(done.stdout, "");
    }
    for line in [
        "user edit carol --name Carol",
        "user edit alice --email al@example.com",
        "user deactivate alice --yes",
        "user remove alice --yes",
        "setting set TotpDriftSteps 2",
        "setting set Enable2FA on",
        "recovery-codes delete bob --yes",
        "authenticator disconnect bob --yes",
        "method primary email",
    ] {
        world.ok(line);
    }
}

#[test]
fn by_app_in_one_step() {
    let (world, secret) = World::with_app();
    world.run("setting set Enable2FA off --yes").shows(str![[r#"
$ twofa setting set Enable2FA off --yes
? 5
--- stderr
error: confirm turning 2FA off for administrators too: your second factor is needed
 hint: repeat the command with --confirm-code N, a code of your authenticator app

"#]]);
    let code = world.app(&secret);
    world
        .run(&format!(
            "setting set Enable2FA off --yes --confirm-code {code} -q -o ndjson"
        ))
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes --confirm-code 602108 -q -o ndjson
? 0
--- stdout
{"code":"Enable2FA","name":"Enable 2FA","type":"bool","unit":null,"value":false,"default":false,"modified":false,"minimum":null,"maximum":null,"meaning":"Asks everybody who may use 2FA for a second factor at login.","changed":true,"warnings":[]}

"#]]);
    world.ok("setting set Enable2FA on --yes");
    // Used once is used: the same code again, and it is no try here.
    world
        .run(&format!(
            "setting set Enable2FA off --yes --confirm-code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes --confirm-code 602108 -o json
? 5
--- stderr
error: the confirmation code was used before
 hint: repeat the command to confirm it anew
{"error":{"kind":"confirmation_used","message":"the confirmation code was used before","hint":"repeat the command to confirm it anew"}}

"#]]);
    assert_eq!(world.tries("Supervisor"), 0);
    let no = wrong(&world, &secret);
    let done = world
        .run(&format!(
            "setting set Enable2FA off --yes --confirm-code {no} -o json"
        ))
        .exits(5);
    assert!(
        done.stderr.contains(r#""kind":"confirmation_wrong""#),
        "{}",
        done.stderr
    );
    assert_eq!(world.tries("Supervisor"), 1);
    world.run("setting get Enable2FA").shows(str![[r#"
$ twofa setting get Enable2FA
? 0
--- stdout
true

"#]]);
    // From standard input.
    world.later(30);
    let code = world.app(&secret);
    world
        .run("setting set Enable2FA off --yes --confirm-code-stdin -q -o ndjson")
        .stdin(&format!("{code}\n"))
        .succeeds();
    assert_eq!(
        world.tries("Supervisor"),
        0,
        "a right one starts the count anew"
    );
    world
        .run("audit list --event confirmation -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event confirmation -o ndjson
? 0
--- stdout
{"seq":18,"at":"2026-01-01T00:01:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.given","subject":"Supervisor","outcome":"ok","reason":null,"note":null,"detail":{"command":"setting set"}}
{"seq":16,"at":"2026-01-01T00:00:30Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.wrong","subject":"Supervisor","outcome":"denied","reason":"confirmation_wrong","note":null,"detail":{"command":"setting set"}}
{"seq":14,"at":"2026-01-01T00:00:30Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.wrong","subject":"Supervisor","outcome":"denied","reason":"confirmation_used","note":null,"detail":{"command":"setting set"}}
{"seq":11,"at":"2026-01-01T00:00:30Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.given","subject":"Supervisor","outcome":"ok","reason":null,"note":null,"detail":{"command":"setting set"}}

"#]]);
}

#[test]
fn wrong_ones_bring_the_penalty() {
    let (world, secret) = World::with_app();
    world.ok("user add second --email second@example.com --group 'System administrators' --override --reason test");
    world.ok("setting set SecondFactorAttemptCount 2");
    let no = wrong(&world, &secret);
    let line = format!("user deactivate second --yes --confirm-code {no}");
    world.run(&line).exits(5);
    let done = world.run(&line).exits(5);
    assert_eq!(
        done.stderr.lines().next().unwrap(),
        "error: the confirmation is refused: you are locked"
    );
    let until = world.json("user show Supervisor")["locked_until"].clone();
    assert_eq!(until, "2026-01-01T00:15:30Z");
    let right = world.app(&secret);
    world
        .run(&format!(
            "user deactivate second --yes --confirm-code {right}"
        ))
        .exits(5);
    assert_eq!(world.json("user show second")["active"], true);
}

#[test]
fn by_recovery_code() {
    let (world, secret) = World::with_app();
    world.ok("method enable recovery-codes");
    // New codes of an administrator would confirm what administrators do: they are confirmed themselves.
    world.run("recovery-codes generate Supervisor").exits(5);
    let code = world.app(&secret);
    let codes = world
        .run(&format!(
            "recovery-codes generate Supervisor --code {code} -o json"
        ))
        .json(0);
    let one = codes["codes"][0].as_str().unwrap();
    world
        .run(&format!("setting set Enable2FA off --yes --confirm-method recovery-codes --confirm-code {one} -q -o ndjson"))
        .succeeds();
    world.ok("setting set Enable2FA on --yes");
    let done = world
        .run(&format!("setting set Enable2FA off --yes --confirm-method recovery-codes --confirm-code {one} -o json"))
        .exits(5);
    assert!(
        done.stderr.contains(r#""kind":"confirmation_used""#),
        "{}",
        done.stderr
    );
    assert_eq!(world.json("recovery-codes show Supervisor")["left"], 9);
    assert_eq!(world.tries("Supervisor"), 0);
}

/// Through a group within the administrators' group, too.
#[test]
fn an_indirect_membership_is_one() {
    let (world, _) = World::with_app();
    world.sql("INSERT INTO \"group\" (name, name_key, created_at) VALUES ('Night shift', 'night shift', 0);
        INSERT INTO group_group (\"group\", member) SELECT a.id, n.id FROM \"group\" a, \"group\" n WHERE a.built_in = 'administrators' AND n.name = 'Night shift';
        INSERT INTO grantee (operation, position, user, access) SELECT 'CanManageUsers', 2, id, 'allow' FROM user WHERE login = 'bob'");
    for line in [
        "user add dave --group 'Night shift'",
        "user edit alice --group 'Night shift'",
    ] {
        let done = world.run(&format!("{line} -o json")).exits(5);
        assert!(
            done.stderr.contains(r#""kind":"confirmation_required""#),
            "{line}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_method_one_cannot_confirm_by() {
    let (world, secret) = World::with_app();
    let code = world.app(&secret);
    world
        .run(&format!(
            "setting set Enable2FA off --yes --confirm-method email --confirm-code {code}"
        ))
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes --confirm-method email --confirm-code 602108
? 4
--- stderr
error: you cannot confirm by Email now
 hint: you can use totp

"#]]);
    world
        .run(&format!(
            "setting set Enable2FA off --yes --confirm-method fax --confirm-code {code}"
        ))
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes --confirm-method fax --confirm-code 602108
? 3
--- stderr
error: no 2FA method is named `fax`
 hint: `twofa method list` lists what there is

"#]]);
}

#[test]
fn without_a_usable_method_it_passes_with_a_warning_and_a_row() {
    let world = World::with_email();
    world
        .run("setting set Enable2FA off --yes -q")
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes -q
? 0
--- stdout
code      Enable2FA
name      Enable 2FA
type      bool
unit      –
value     no
default   no
modified  no
minimum   –
maximum   –
meaning   Asks everybody who may use 2FA for a second factor at login.
changed   yes
--- stderr
warning: this administrator action was not confirmed: the acting user has no usable second factor.

"#]]);
    world
        .run("audit list --event confirmation -o json")
        .shows(str![[r#"
$ twofa audit list --event confirmation -o json
? 0
--- stdout
[
  {"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.skipped","subject":"Supervisor","outcome":"ok","reason":"no_usable_method","note":null,"detail":{"command":"setting set"}}
]

"#]]);
    // Without 2FA there is nothing to confirm with, and nothing to say.
    world
        .run("user edit Supervisor --email boss@example.com -q -o ndjson")
        .shows(str![[r#"
$ twofa user edit Supervisor --email boss@example.com -q -o ndjson
? 0
--- stdout
{"login":"Supervisor","name":null,"email":"boss@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    assert_eq!(
        world
            .json("audit list --event confirmation")
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn override_needs_a_reason_and_status_shows_it_for_a_week() {
    let (world, _) = World::with_app();
    world
        .run("setting set Enable2FA off --yes --override")
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes --override
? 2
--- stderr
error: --override needs a reason
 hint: say why with --reason TEXT; it is kept in the audit log

"#]]);
    world
        .run("setting set Enable2FA off --yes --override --reason ' '")
        .exits(2);
    assert_eq!(world.json("status")["overrides"], 0);
    world
        .run("setting set Enable2FA off --yes --override --reason 'phone in the lake' -q -o ndjson")
        .shows(str![[r#"
$ twofa setting set Enable2FA off --yes --override --reason phone in the lake -q -o ndjson
? 0
--- stdout
{"code":"Enable2FA","name":"Enable 2FA","type":"bool","unit":null,"value":false,"default":false,"modified":false,"minimum":null,"maximum":null,"meaning":"Asks everybody who may use 2FA for a second factor at login.","changed":true,"warnings":[{"kind":"unconfirmed","message":"this administrator action was not confirmed: --override.","hint":null}]}
--- stderr
warning: this administrator action was not confirmed: --override.

"#]]);
    world
        .run("audit list --event confirmation -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event confirmation -o ndjson
? 0
--- stdout
{"seq":10,"at":"2026-01-01T00:00:30Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"confirmation.skipped","subject":"Supervisor","outcome":"ok","reason":"override","note":"phone in the lake","detail":{"command":"setting set"}}

"#]]);
    world.run("status").shows(str![[r#"
$ twofa status
? 0
--- stdout
2FA is off. Were it on, 2 of 2 users would be asked for a second factor.
0 of them (0.0%) have a usable method; 2 would connect an app first.
3 users, 3 active.

Email              off       2 users could use it
SMS                off       0 users could use it
Authenticator app  primary   1 user could use it
Recovery codes     off       0 users could use it

Codes by email leave through the mailbox `trial`.
1 administrator action went unconfirmed by --override within the last seven days: `twofa audit list --event confirmation.skipped`.

AT                    EVENT                    SUBJECT     OUTCOME  REASON
2026-01-01T00:00:30Z  setting.changed          Enable2FA   ok       –
2026-01-01T00:00:30Z  confirmation.skipped     Supervisor  ok       override
2026-01-01T00:00:30Z  setting.changed          Enable2FA   ok       –
2026-01-01T00:00:00Z  authenticator.connected  Supervisor  ok       –
2026-01-01T00:00:00Z  authenticator.started    Supervisor  ok       –

Next: `twofa setting set Enable2FA on`.

"#]]);
    world.later(7 * 86_400);
    assert_eq!(world.json("status")["overrides"], 1);
    world.later(1);
    assert_eq!(world.json("status")["overrides"], 0);
    // Where nothing is asked, an override is none.
    world.ok("user edit alice --name A --override --reason none");
    assert_eq!(world.json("status")["overrides"], 0);
}

/// A second administrator disconnects the app of the first.
#[test]
fn disconnecting_an_administrators_app() {
    let (world, secret) = World::with_app();
    world.ok("user add carol --email carol@example.com --group 'System administrators' --override --reason test");
    world
        .run("authenticator disconnect Supervisor --yes")
        .shows(str![[r#"
$ twofa authenticator disconnect Supervisor --yes
? 5
--- stderr
error: confirm disconnecting the authenticator app of the administrator `Supervisor`: your second factor is needed
 hint: repeat the command with --confirm-code N, a code of your authenticator app

"#]]);
    let code = world.app(&secret);
    world
        .run(&format!(
            "authenticator disconnect Supervisor --yes --confirm-code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator disconnect Supervisor --yes --confirm-code 602108 -o json
? 0
--- stdout
{
  "user": "Supervisor",
  "connected": false,
  "connected_at": null,
  "algorithm": null,
  "digits": null,
  "period": null,
  "pending_until": null,
  "changed": true,
  "warnings": []
}
--- stderr
The authenticator app of `Supervisor` is disconnected.
Next: `twofa authenticator connect Supervisor`.

"#]]);
    // Carol's first method needs no confirmation.
    world.ok("authenticator connect carol");
    world.run("audit verify").shows(str![[r#"
$ twofa audit verify
? 0
--- stdout
intact     yes
rows       15
archived   0
head       15
first bad  –
damage     –
archives   –
--- stderr
The audit log is intact.

"#]]);
}

/// Nothing to change ends before anything is asked.
#[test]
fn what_is_so_already_asks_nothing() {
    let (world, _) = World::with_app();
    world
        .run("setting set Enable2FA on -q -o ndjson")
        .shows(str![[r#"
$ twofa setting set Enable2FA on -q -o ndjson
? 0
--- stdout
{"code":"Enable2FA","name":"Enable 2FA","type":"bool","unit":null,"value":true,"default":false,"modified":true,"minimum":null,"maximum":null,"meaning":"Asks everybody who may use 2FA for a second factor at login.","changed":false,"warnings":[]}

"#]]);
    world.run("user activate Supervisor -q").succeeds();
    assert_eq!(world.number("SELECT count(*) FROM challenge"), 0);
}

//! `twofa user remove`, `activate`, `deactivate` and `unlock`.

use snapbox::str;

use crate::world::World;

#[test]
fn remove_asks_and_removes() {
    let world = World::peopled();
    world.run("user remove alice").shows(str![[r#"
$ twofa user remove alice
? 2
--- stderr
error: are you sure? The user `alice` will be removed for good, with their authenticator app and recovery codes.
 hint: say yes with --yes

"#]]);
    world.run("user remove alice --no-input -o json").shows(str![[r#"
$ twofa user remove alice --no-input -o json
? 2
--- stderr
error: are you sure? The user `alice` will be removed for good, with their authenticator app and recovery codes.
 hint: say yes with --yes
{"error":{"kind":"missing_answer","message":"are you sure? The user `alice` will be removed for good, with their authenticator app and recovery codes.","hint":"say yes with --yes"}}

"#]]);
    world.run("user remove ALICE@example.com --yes -o ndjson").shows(str![[r#"
$ twofa user remove ALICE@example.com --yes -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
The user `alice` was removed.

"#]]);
    world.run("user remove alice --yes").shows(str![[r#"
$ twofa user remove alice --yes
? 3
--- stderr
error: no user is named `alice`
 hint: `twofa user list` lists what there is

"#]]);
    world
        .run("user remove alice --yes --if-exists")
        .shows(str![[r#"
$ twofa user remove alice --yes --if-exists
? 0
--- stdout
login    alice
changed  no
--- stderr
There is no user `alice`.

"#]]);
    world
        .run("user remove alice --if-exists -o json")
        .shows(str![[r#"
$ twofa user remove alice --if-exists -o json
? 0
--- stdout
{
  "login": "alice",
  "changed": false,
  "warnings": []
}
--- stderr
There is no user `alice`.

"#]]);
    world.run("user remove bbo --yes").shows(str![[r#"
$ twofa user remove bbo --yes
? 3
--- stderr
error: no user is named `bbo`
 hint: did you mean `bob`?

"#]]);
    world
        .run("user remove '' --yes --if-exists")
        .shows(str![[r#"
$ twofa user remove  --yes --if-exists
? 2
--- stderr
error: the login is blank

"#]]);
    // The name is free, and leads to somebody new with nothing of the old.
    world.run("user add alice --email alice@example.com -q -o ndjson").shows(str![[r#"
$ twofa user add alice --email alice@example.com -q -o ndjson
? 0
--- stdout
{"login":"alice","name":null,"email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world.run("audit list --event user.removed -o ndjson").shows(str![[r#"
$ twofa audit list --event user.removed -o ndjson
? 0
--- stdout
{"seq":6,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.removed","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":"alice","new":null},"email":{"old":"alice@example.com","new":null},"type":{"old":"employee","new":null}}}

"#]]);
}

#[test]
fn a_removed_user_takes_everything_along() {
    let world = World::with_email();
    let secret = world.json("authenticator connect alice")["secret"].clone();
    let code = world.app(secret.as_str().unwrap());
    world.ok(&format!("authenticator confirm alice --code {code}"));
    world.ok("recovery-codes generate alice");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    world.ok("user remove alice --yes");
    world.run("login list").shows(str![[r#"
$ twofa login list
? 0
--- stdout
CHALLENGE  USER  PURPOSE  METHOD  CREATED AT  EXPIRES AT

"#]]);
    world.run("authenticator list").shows(str![[r#"
$ twofa authenticator list
? 0
--- stdout
USER  CONNECTED  CONNECTED AT  PENDING UNTIL

"#]]);
    world.run("key check").exits(0);
    world.run("audit verify").exits(0);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(10);
}

#[test]
fn the_first_administrator_is_never_removed() {
    let world = World::new();
    world.run("user remove Supervisor --yes").shows(str![[r#"
$ twofa user remove Supervisor --yes
? 4
--- stderr
error: `Supervisor` is the first administrator and cannot be removed
 hint: `twofa user edit` renames it, `twofa user deactivate` shuts it out

"#]]);
    world.ok("user add alice --group 'System administrators'");
    world.run("user remove supervisor --yes --if-exists -o json").shows(str![[r#"
$ twofa user remove supervisor --yes --if-exists -o json
? 4
--- stderr
error: `Supervisor` is the first administrator and cannot be removed
 hint: `twofa user edit` renames it, `twofa user deactivate` shuts it out
{"error":{"kind":"guard","message":"`Supervisor` is the first administrator and cannot be removed","hint":"`twofa user edit` renames it, `twofa user deactivate` shuts it out"}}

"#]]);
}

#[test]
fn there_is_always_an_active_administrator() {
    let world = World::new();
    world.run("user deactivate Supervisor").shows(str![[r#"
$ twofa user deactivate Supervisor
? 2
--- stderr
error: are you sure? The user `Supervisor` will no longer be able to log in.
 hint: say yes with --yes

"#]]);
    world.run("user deactivate Supervisor --yes -o json").shows(str![[r#"
$ twofa user deactivate Supervisor --yes -o json
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`
{"error":{"kind":"guard","message":"this would leave the store without an active administrator","hint":"make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`"}}

"#]]);
    world.run("audit list --outcome refused").shows(str![[r#"
$ twofa audit list --outcome refused
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT           SUBJECT          OUTCOME  REASON
2    2026-01-01T00:00:00Z  Supervisor  change.refused  user deactivate  refused  guard

"#]]);
    world.ok("user add alice --group 'System administrators'");
    world.run("user deactivate Supervisor --yes -q -o ndjson").shows(str![[r#"
$ twofa user deactivate Supervisor --yes -q -o ndjson
? 0
--- stdout
{"login":"Supervisor","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":false,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world.run("user deactivate alice --yes").shows(str![[r#"
$ twofa user deactivate alice --yes
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`

"#]]);
    world.run("user remove alice --yes").shows(str![[r#"
$ twofa user remove alice --yes
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`

"#]]);
    world.run("user edit alice --no-group").exits(4);
    world.ok("user activate Supervisor");
    world.ok("user remove alice --yes");
}

#[test]
fn deactivate_and_activate() {
    let world = World::peopled();
    world.run("user deactivate alice").shows(str![[r#"
$ twofa user deactivate alice
? 2
--- stderr
error: are you sure? The user `alice` will no longer be able to log in.
 hint: say yes with --yes

"#]]);
    world.run("user deactivate alice --yes -o ndjson").shows(str![[r#"
$ twofa user deactivate alice --yes -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":false,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` is now deactivated.

"#]]);
    world.run("user deactivate alice").shows(str![[r#"
$ twofa user deactivate alice
? 0
--- stdout
login                alice
name                 Alice
email                alice@example.com
phone                –
type                 employee
language             en
active               no
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              –
must change          no
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              no
--- stderr
`alice` is already deactivated.

"#]]);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(10);
    world.run("user activate alice -o ndjson").shows(str![[r#"
$ twofa user activate alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` is now active.

"#]]);
    world.run("user activate alice -o ndjson").shows(str![[r#"
$ twofa user activate alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":false,"warnings":[]}
--- stderr
`alice` is already active.

"#]]);
    world.run("user activate alic").shows(str![[r#"
$ twofa user activate alic
? 3
--- stderr
error: no user is named `alic`
 hint: did you mean `alice`?

"#]]);
    world.run("user deactivate ''").shows(str![[r#"
$ twofa user deactivate 
? 2
--- stderr
error: the login is blank

"#]]);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(0);
}

#[test]
fn somebody_without_a_method_may_be_activated() {
    let world = World::with_email();
    world.ok("user deactivate alice --yes");
    world.ok("user edit alice --no-email");
    world.run("user activate alice -o ndjson").shows(str![[r#"
$ twofa user activate alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[{"kind":"no_second_factor","message":"`alice` has no usable second factor and cannot log in.","hint":"twofa user edit alice --email ADDRESS"}]}
--- stderr
warning: `alice` has no usable second factor and cannot log in.
   hint: twofa user edit alice --email ADDRESS
`alice` is now active.

"#]]);
}

#[test]
fn unlock_takes_off_the_lock_and_the_tries() {
    let world = World::with_email();
    world.run("user unlock alice -o ndjson").shows(str![[r#"
$ twofa user unlock alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":false,"warnings":[]}
--- stderr
`alice` was not locked.

"#]]);
    world.ok("setting set SecondFactorAttemptCount 2");
    let start = || {
        let login = world
            .run("login start alice --password-stdin -o json")
            .stdin("alice-pw\n")
            .json(18);
        login["challenge"].as_str().unwrap().to_owned()
    };
    let challenge = start();
    world
        .run(&format!("login verify {challenge} --code 0"))
        .exits(11);
    // One try is forgotten too, though there is no lock yet.
    world.run("user unlock alice -o ndjson").shows(str![[r#"
$ twofa user unlock alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` is unlocked, and wrong tries are forgotten.

"#]]);
    let challenge = start();
    world
        .run(&format!("login verify {challenge} --code 0"))
        .exits(11);
    world
        .run(&format!("login verify {challenge} --code 1"))
        .exits(14);
    assert_eq!(
        world.json("user show alice")["locked_until"],
        "2026-01-01T00:15:00Z"
    );
    world.run("user unlock alice").shows(str![[r#"
$ twofa user unlock alice
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
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              yes
--- stderr
`alice` is unlocked, and wrong tries are forgotten.

"#]]);
    world.run("audit list --event user.unlocked -o ndjson").shows(str![[r#"
$ twofa audit list --event user.unlocked -o ndjson
? 0
--- stdout
{"seq":18,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.unlocked","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"locked_until":{"old":"2026-01-01T00:15:00Z","new":null},"second_factor_failures":{"old":2,"new":0}}}
{"seq":12,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.unlocked","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"second_factor_failures":{"old":1,"new":0}}}

"#]]);
    let challenge = start();
    let code = world.code();
    world
        .run(&format!("login verify {challenge} --code {code}"))
        .exits(0);
    world.run("user unlock nobody").shows(str![[r#"
$ twofa user unlock nobody
? 3
--- stderr
error: no user is named `nobody`
 hint: `twofa user list` lists what there is

"#]]);
}

#[test]
fn activating_forgets_a_lock_too() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 1 UserLockoutDuration 0");
    let login = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    world
        .run(&format!(
            "login verify {} --code 0",
            login["challenge"].as_str().unwrap()
        ))
        .exits(15);
    world.run("user unlock alice").shows(str![[r#"
$ twofa user unlock alice
? 0
--- stdout
login                alice
name                 Alice
email                alice@example.com
phone                –
type                 employee
language             en
active               no
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              –
must change          no
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              yes
--- stderr
`alice` is unlocked, and wrong tries are forgotten.
Still deactivated. Next: `twofa user activate alice`.

"#]]);
    assert_eq!(world.json("user show alice")["active"], false);
    world.run("user activate alice -q -o ndjson").shows(str![[r#"
$ twofa user activate alice -q -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
}

#[test]
fn what_is_logged_about_a_user_is_found_from_the_first_row() {
    let world = World::new();
    world.ok("user add alice");
    world.ok("user edit alice --login anna");
    world.ok("user deactivate anna --yes");
    world.ok("user activate anna");
    world.run("audit list --user anna").shows(str![[r#"
$ twofa audit list --user anna
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT             SUBJECT  OUTCOME  REASON
5    2026-01-01T00:00:00Z  Supervisor  user.activated    anna     ok       –
4    2026-01-01T00:00:00Z  Supervisor  user.deactivated  anna     ok       –
3    2026-01-01T00:00:00Z  Supervisor  user.edited       alice    ok       –
2    2026-01-01T00:00:00Z  Supervisor  user.added        alice    ok       –

"#]]);
}

#[test]
fn what_makes_an_administrator_is_confirmed_and_the_rest_is_not() {
    let world = World::with_email();
    world.ok("user add carol --group 'System administrators'");
    world.ok("user edit Supervisor --email supervisor@example.com");
    for change in [
        "user edit carol --login anna",
        "user edit carol --email carol@example.com",
        "user edit carol --phone +4930123456",
        "user edit carol --no-group",
        "user edit alice --group 'System administrators'",
        "user deactivate carol --yes",
        "user remove carol --yes",
    ] {
        let refused = world.run(&format!("{change} -o json")).exits(5);
        assert!(
            refused
                .stderr
                .contains("\"kind\":\"confirmation_required\""),
            "{refused:?}"
        );
        // What is confirmed is judged before anything is written.
        assert_eq!(world.json("user show carol")["active"], true, "{change}");
    }
    for change in [
        "user edit carol --name Carol --language de --os-user carol --must-change",
        "user edit alice --login anna --phone +4930123456",
        "user unlock carol",
        "user activate carol",
        "user deactivate bob --yes",
    ] {
        world.ok(change);
    }
}

#[test]
fn an_ordinary_user_sees_themselves_only() {
    let world = World::peopled();
    assert_eq!(
        world.json("user show ALICE@example.com --as alice")["login"],
        "alice"
    );
    world.run("user show bob --as alice").shows(str![[r#"
$ twofa user show bob --as alice
? 5
--- stderr
error: `alice` lacks the operation `CanManageUsers`, which `twofa user show` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world.run("user list --as alice -o json").shows(str![[r#"
$ twofa user list --as alice -o json
? 5
--- stderr
error: `alice` lacks the operation `CanManageUsers`, which `twofa user list` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as
{"error":{"kind":"not_permitted","message":"`alice` lacks the operation `CanManageUsers`, which `twofa user list` needs","hint":"ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as","operation":"CanManageUsers"}}

"#]]);
    // The operation is judged before any question, and before the name is looked up.
    world.run("user remove bob --as alice").exits(5);
    world.run("user remove nobody --as alice").exits(5);
    world.run("user add carol --as alice").exits(5);
    world.run("user edit alice --name Anna --as alice").exits(5);
    world
        .run("audit list --outcome denied --limit 2")
        .shows(str![[r#"
$ twofa audit list --outcome denied --limit 2
? 0
--- stdout
SEQ  AT                    ACTOR  EVENT              SUBJECT    OUTCOME  REASON
11   2026-01-01T00:00:00Z  alice  permission.denied  user edit  denied   not_permitted
10   2026-01-01T00:00:00Z  alice  permission.denied  user add   denied   not_permitted

"#]]);
}

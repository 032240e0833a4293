//! `twofa password set`.

use snapbox::str;

use crate::world::World;

#[test]
fn set_from_standard_input_and_from_a_file() {
    let world = World::new();
    world.ok("user add alice --email alice@example.com");
    world
        .run("password set ALICE@example.com --password-stdin --must-change")
        .stdin("first\r\nrest\n")
        .shows(str![[r#"
$ twofa password set ALICE@example.com --password-stdin --must-change
? 0
--- stdout
login                alice
name                 –
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
must change          yes
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              yes
--- stderr
The password of `alice` was set.

"#]]);
    // What ends the line is no part of it, and nothing else is taken off.
    world
        .run("login start alice --password-stdin")
        .stdin("first\n")
        .exits(17);
    world
        .run("login start alice --password-stdin")
        .stdin(" first\n")
        .exits(10);
    world.later(60);
    world.write("password", " second \nnot this\n");
    world
        .run("password set alice --password-file password -o ndjson")
        .shows(str![[r#"
$ twofa password set alice --password-file password -o ndjson
? 0
--- stdout
{"login":"alice","name":null,"email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:01:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
The password of `alice` was set.

"#]]);
    world
        .run("login start alice --password-stdin")
        .stdin(" second \n")
        .exits(0);
    world
        .run("login start alice --password-stdin")
        .stdin("first\n")
        .exits(10);
    // The same password again is a change: a salted hash does not tell.
    world
        .run("password set alice --password-file password -q -o ndjson")
        .shows(str![[r#"
$ twofa password set alice --password-file password -q -o ndjson
? 0
--- stdout
{"login":"alice","name":null,"email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:01:00Z","last_login_at":"2026-01-01T00:01:00Z","changed":true,"warnings":[]}

"#]]);
    world.run("audit list --event password.set -o ndjson").shows(str![[r#"
$ twofa audit list --event password.set -o ndjson
? 0
--- stdout
{"seq":9,"at":"2026-01-01T00:01:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.set","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"password":{"old":"set","new":"changed"}}}
{"seq":6,"at":"2026-01-01T00:01:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.set","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"password":{"old":"set","new":"changed"},"must_change":{"old":true,"new":false}}}
{"seq":3,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"password.set","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"password":{"old":null,"new":"set"},"must_change":{"old":false,"new":true}}}

"#]]);
}

#[test]
fn a_password_is_never_shown() {
    let world = World::new();
    world.ok("user add alice");
    let run = world
        .run("password set alice --password-stdin -o json")
        .stdin("hunter2-hunter2\n");
    let done = run.succeeds();
    assert!(
        !done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"),
        "{done:?}"
    );
    let log = world.ok("audit list -o json").stdout;
    assert!(!log.contains("hunter2") && !log.contains("argon2"), "{log}");
    let bytes = std::fs::read(world.file("twofa.db")).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
}

#[test]
fn what_is_missing_or_wrong() {
    let world = World::new();
    world.ok("user add alice");
    world.ok("user add robot --type technical");
    world.run("password set alice").shows(str![[r#"
$ twofa password set alice
? 2
--- stderr
error: new password is needed
 hint: give it with --password-stdin

"#]]);
    world.run("password set alice --no-input -o json").shows(str![[r#"
$ twofa password set alice --no-input -o json
? 2
--- stderr
error: new password is needed
 hint: give it with --password-stdin
{"error":{"kind":"missing_answer","message":"new password is needed","hint":"give it with --password-stdin"}}

"#]]);
    world
        .run("password set alice --password-stdin")
        .shows(str![[r#"
$ twofa password set alice --password-stdin
? 2
--- stderr
error: standard input has no line for --password-stdin

"#]]);
    world
        .run("password set alice --password-stdin")
        .stdin("\n")
        .shows(str![[r#"
$ twofa password set alice --password-stdin
? 4
--- stderr
error: the password is empty

"#]]);
    let long = format!("{}\n", "x".repeat(4097));
    world
        .run("password set alice --password-stdin")
        .stdin(&long)
        .shows(str![[r#"
$ twofa password set alice --password-stdin
? 4
--- stderr
error: the line for --password-stdin is longer than 4096 bytes

"#]]);
    world
        .run("password set alice --password-stdin")
        .stdin(&long[1..])
        .exits(0);
    world
        .run("password set alice --password-file nowhere")
        .exits(1);
    world.write("empty", "");
    world
        .run("password set alice --password-file empty")
        .shows(str![[r#"
$ twofa password set alice --password-file empty
? 2
--- stderr
error: `empty` has no line for --password-file

"#]]);
    world
        .run("password set alcie --password-stdin")
        .stdin("x\n")
        .shows(str![[r#"
$ twofa password set alcie --password-stdin
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    world
        .run("password set '' --password-stdin")
        .stdin("x\n")
        .shows(str![[r#"
$ twofa password set  --password-stdin
? 2
--- stderr
error: the login is blank

"#]]);
    world
        .run("password set robot --password-stdin")
        .stdin("x\n")
        .shows(str![[r#"
$ twofa password set robot --password-stdin
? 4
--- stderr
error: `robot` is a technical user and never logs in with a password

"#]]);
    world.run("password set alice secret").shows(str![[r#"
$ twofa password set alice secret
? 2
--- stderr
error: unexpected argument 'secret' found

Usage: twofa password set [OPTIONS] <LOGIN>

For more information, try '--help'.

"#]]);
}

#[test]
fn a_first_password_without_a_second_factor_is_a_warning() {
    let world = World::with_email();
    world.ok("user add 'Carol Day'");
    world
        .run("password set 'carol day' --password-stdin -o ndjson")
        .stdin("secret\n")
        .shows(str![[r#"
$ twofa password set carol day --password-stdin -o ndjson
? 0
--- stdout
{"login":"Carol Day","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[{"kind":"no_second_factor","message":"`Carol Day` has no usable second factor and cannot log in.","hint":"twofa user edit 'Carol Day' --email ADDRESS"}]}
--- stderr
warning: `Carol Day` has no usable second factor and cannot log in.
   hint: twofa user edit 'Carol Day' --email ADDRESS
The password of `Carol Day` was set.

"#]]);
}

#[test]
fn the_password_of_an_administrator_is_confirmed() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email supervisor@example.com");
    let asked = world
        .run("password set Supervisor --password-stdin -o json")
        .stdin("secret\n")
        .exits(5);
    assert!(
        asked.stderr.contains("\"kind\":\"confirmation_required\""),
        "{}",
        asked.stderr
    );
    let list = world.json("login list");
    let challenge = list[0]["challenge"].as_str().unwrap();
    let code = world.code();
    // The lines of standard input come in the order of the contract: password, then confirmation code.
    world
        .run(&format!("password set Supervisor --password-stdin --confirm-code-stdin --confirm-challenge {challenge} -o ndjson"))
        .stdin(&format!("secret\n{code}\n"))
        .shows(str![[r#"
$ twofa password set Supervisor --password-stdin --confirm-code-stdin --confirm-challenge 4eqe675laig3dcqgsdkslrf75m -o ndjson
? 0
--- stdout
{"login":"Supervisor","name":null,"email":"supervisor@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
The password of `Supervisor` was set.

"#]]);
}

//! The names that lead to a user: logins and addresses, in any spelling, and what comes near.

use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn logins_and_addresses_share_one_space_of_names() {
    let world = World::new();
    world.ok("user add alice --email alice@example.com");
    world.ok("user add carol@example.com");
    world.run("user add Alice@Example.COM").shows(str![[r#"
$ twofa user add Alice@Example.COM
? 4
--- stderr
error: the login `Alice@Example.COM` already leads to the user `alice`
 hint: logins and email addresses share one space of names

"#]]);
    world
        .run("user add bob --email ALICE@example.com")
        .shows(str![[r#"
$ twofa user add bob --email ALICE@example.com
? 4
--- stderr
error: the email address `ALICE@example.com` already leads to the user `alice`
 hint: logins and email addresses share one space of names

"#]]);
    world
        .run("user add bob --email CAROL@example.com")
        .shows(str![[r#"
$ twofa user add bob --email CAROL@example.com
? 4
--- stderr
error: the email address `CAROL@example.com` already leads to the user `carol@example.com`
 hint: logins and email addresses share one space of names

"#]]);
    world.run("user add bob --os-user al -q -o ndjson").shows(str![[r#"
$ twofa user add bob --os-user al -q -o ndjson
? 0
--- stdout
{"login":"bob","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":"al","must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world.run("user add dave --os-user al").shows(str![[r#"
$ twofa user add dave --os-user al
? 4
--- stderr
error: the account `al` is already mapped to `bob`

"#]]);
    // The login may be the address.
    world
        .run("user add eve@example.com --email Eve@example.com -q -o ndjson")
        .shows(str![[r#"
$ twofa user add eve@example.com --email Eve@example.com -q -o ndjson
? 0
--- stdout
{"login":"eve@example.com","name":null,"email":"Eve@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world.run("user edit bob --login ALICE").shows(str![[r#"
$ twofa user edit bob --login ALICE
? 4
--- stderr
error: the login `ALICE` already leads to the user `alice`
 hint: logins and email addresses share one space of names

"#]]);
    world
        .run("user edit bob --email carol@example.com")
        .shows(str![[r#"
$ twofa user edit bob --email carol@example.com
? 4
--- stderr
error: the email address `carol@example.com` already leads to the user `carol@example.com`
 hint: logins and email addresses share one space of names

"#]]);
    world.run("user edit bob --os-user al -q -o ndjson").shows(str![[r#"
$ twofa user edit bob --os-user al -q -o ndjson
? 0
--- stdout
{"login":"bob","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":"al","must_change":false,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}

"#]]);
    // A name that was given up is free.
    world.ok("user edit alice --no-email");
    world.ok("user edit bob --email alice@example.com");
    assert_eq!(world.json("user show alice@example.com")["login"], "bob");
}

#[test]
fn names_are_unicode() {
    let world = World::new();
    world
        .run("user add 'Zoë Straße' --name 'Ζωή Ωμέγα 🦀' --email zoë@example.com -o ndjson")
        .shows(str![[r#"
$ twofa user add Zoë Straße --name Ζωή Ωμέγα 🦀 --email zoë@example.com -o ndjson
? 0
--- stdout
{"login":"Zoë Straße","name":"Ζωή Ωμέγα 🦀","email":"zoë@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
The user `Zoë Straße` was added.
Next: `twofa password set 'Zoë Straße'`.

"#]]);
    // Decomposed, in capitals, full width: all the same name.
    for spelling in ["ZOE\u{308} STRASSE", "ｚｏë straße", "zoë STRASSE "] {
        let found = world.json(&format!("user show '{spelling}'"));
        assert_eq!(found["login"], "Zoë Straße", "{spelling}");
    }
    world.run("user add 'ZOË STRASSE' -q -o ndjson").shows(str![[r#"
$ twofa user add ZOË STRASSE -q -o ndjson
? 0
--- stdout
{"login":"Zoë Straße","name":"Ζωή Ωμέγα 🦀","email":"zoë@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}

"#]]);
    world.run("user show 'Zoe Strasse'").shows(str![[r#"
$ twofa user show Zoe Strasse
? 3
--- stderr
error: no user is named `Zoe Strasse`
 hint: did you mean `Zoë Straße`?

"#]]);
    world.run("user list").shows(str![[r#"
$ twofa user list
? 0
--- stdout
LOGIN       NAME          EMAIL            TYPE      ACTIVE  AUTHENTICATOR  RECOVERY CODES LEFT
Supervisor  –             –                employee  yes     no             0
Zoë Straße  Ζωή Ωμέγα 🦀  zoë@example.com  employee  yes     no             0

"#]]);
    // A name that would paint the terminal is refused, and shown as text.
    let done = world.run("user add 'a\u{202e}b'").exits(4);
    assert_eq!(
        done.stderr,
        "error: the login `a\\u{202e}b` has an invisible character in it\n"
    );
    let done = world.run("user add bob --name 'a\u{1b}[31mb'").exits(4);
    assert_eq!(
        done.stderr,
        "error: the name `a\\u{1b}[31mb` has a control character in it\n"
    );
}

#[test]
fn a_near_miss_is_offered_by_login_and_by_address() {
    let world = World::new();
    world.ok("user add alice --email alice@example.com");
    world.ok("user add zoltan");
    world.run("user show alcie").shows(str![[r#"
$ twofa user show alcie
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    world.run("user show ali -o json").shows(str![[r#"
$ twofa user show ali -o json
? 3
--- stderr
error: no user is named `ali`
 hint: did you mean `alice`?
{"error":{"kind":"not_found","message":"no user is named `ali`","hint":"did you mean `alice`?","near":"alice"}}

"#]]);
    world.run("user show alice@exmaple.com").shows(str![[r#"
$ twofa user show alice@exmaple.com
? 3
--- stderr
error: no user is named `alice@exmaple.com`
 hint: did you mean `alice@example.com`?

"#]]);
    world.run("user show somebody").shows(str![[r#"
$ twofa user show somebody
? 3
--- stderr
error: no user is named `somebody`
 hint: `twofa user list` lists what there is

"#]]);
    world.run("user show --noise").shows(str![[r#"
$ twofa user show --noise
? 2
--- stderr
error: unexpected argument '--noise' found

  tip: to pass '--noise' as a value, use '-- --noise'

Usage: twofa user show [OPTIONS] <LOGIN>

For more information, try '--help'.

"#]]);
    world.run("user shw alice -o json").shows(str![[r#"
$ twofa user shw alice -o json
? 2
--- stderr
error: unrecognized subcommand 'shw'

  tip: a similar subcommand exists: 'show'

Usage: twofa user [OPTIONS] <COMMAND>

For more information, try '--help'.
{"error":{"kind":"usage","message":"unrecognized subcommand 'shw'","hint":"a similar subcommand exists: 'show'"}}

"#]]);
}

#[test]
fn a_stored_name_cannot_paint_the_terminal() {
    let world = World::new();
    world.sql("INSERT INTO user (login, name, type, language, created_at) VALUES ('eve', 'E' || char(27) || '[2J' || char(8238) || 've', 'employee', 'en', 0)");
    world.sql("INSERT INTO identity (key, user, is_login, is_email) SELECT 'eve', id, 1, 0 FROM user WHERE login = 'eve'");
    world.run("user list").shows(str![[r#"
$ twofa user list
? 0
--- stdout
LOGIN       NAME                  EMAIL  TYPE      ACTIVE  AUTHENTICATOR  RECOVERY CODES LEFT
eve         E\u{1b}[2J\u{202e}ve  –      employee  yes     no             0
Supervisor  –                     –      employee  yes     no             0

"#]]);
    let shown = world.ok("user show eve").stdout;
    assert!(shown.contains(r"E\u{1b}[2J\u{202e}ve"), "{shown}");
    // For programs it is what is stored, escaped by JSON.
    assert_eq!(world.json("user show eve")["name"], "E\u{1b}[2J\u{202e}ve");
}

#[test]
fn a_name_with_something_invisible_in_it_is_the_same_name() {
    let world = World::new();
    world.ok("user add eve");
    for hidden in ['\u{ad}', '\u{2060}', '\u{61c}', '\u{200d}'] {
        let spelled = format!("e{hidden}ve");
        assert_eq!(world.json(&format!("user show {spelled}"))["login"], "eve");
        let refused = world.run(&format!("user add {spelled}")).exits(4);
        assert!(refused.stderr.contains("invisible"), "{}", refused.stderr);
    }
}

#[test]
fn a_display_name_may_be_persian() {
    let world = World::new();
    world.ok("user add ali --name 'علی\u{200c}رضا'");
    assert_eq!(world.json("user show ali")["name"], "علی\u{200c}رضا");
    let added = world.ok("user show ali").stdout;
    assert!(added.contains(r"علی\u{200c}رضا"), "{added}");
}

/// The commands that a hint names can be copied into a shell, whatever the login looks like.
#[test]
fn a_login_with_a_space_is_quoted_in_every_command_that_is_shown() {
    let world = World::peopled();
    world.ok("method enable totp --primary");
    world.ok("method enable recovery-codes");
    world.ok("setting set Enable2FA on --yes");
    world.ok("user edit alice --login 'alice b'");
    let start = || {
        let run = world.run("login start 'alice b' --password-stdin -o json");
        let asked = run.stdin("alice-pw\n").done().stdout;
        let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
        asked["challenge"].as_str().unwrap().to_owned()
    };
    let challenge = start();
    let told = world.run(&format!("login resend {challenge}")).exits(4);
    assert!(
        told.stderr.contains("`twofa login start 'alice b'`"),
        "{}",
        told.stderr
    );
    for _ in 0..4 {
        world.verify(&challenge, WRONG).exits(11);
    }
    let told = world.verify(&challenge, WRONG).exits(11);
    assert!(
        told.stderr.contains("hint: twofa login start 'alice b'"),
        "{}",
        told.stderr
    );
    world.ok("authenticator connect 'alice b'");
    world.later(121);
    let told = world
        .run(&format!("authenticator confirm 'alice b' --code {WRONG}"))
        .exits(13);
    assert!(
        told.stderr
            .contains("`twofa authenticator connect 'alice b'` begins anew"),
        "{}",
        told.stderr
    );
    world.connect("'alice b'");
    let codes = world.json("recovery-codes generate 'alice b'");
    world.sql("DELETE FROM recovery_code WHERE id > 1");
    let challenge = start();
    let first = codes["codes"][0].as_str().unwrap();
    let told = world
        .run(&format!(
            "login verify {challenge} --method recovery-codes --code {first}"
        ))
        .exits(0);
    assert!(
        told.stderr
            .contains("hint: twofa recovery-codes generate 'alice b'"),
        "{}",
        told.stderr
    );
}

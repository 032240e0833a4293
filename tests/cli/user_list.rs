//! `twofa user list`.

use snapbox::str;

use crate::world::World;

/// Six users of whom each filter leaves some out.
fn crowd() -> World {
    let world = World::with_email();
    world.ok("user add carol --type external --phone +4930123456 --group 'System administrators'");
    world.ok("user add dora@example.org --type technical");
    world.ok("user deactivate bob --yes");
    world.ok("method enable recovery-codes");
    world.ok("recovery-codes generate carol");
    let secret = world.json("authenticator connect carol")["secret"].clone();
    let code = world.app(secret.as_str().unwrap());
    world.ok(&format!("authenticator confirm carol --code {code}"));
    // Locked by wrong codes.
    world.ok("setting set SecondFactorAttemptCount 1");
    let login = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    world
        .run(&format!(
            "login verify {} --code 0",
            login["challenge"].as_str().unwrap()
        ))
        .exits(14);
    world
}

#[test]
fn list_filters() {
    let world = crowd();
    world.run("user list").shows(str![[r#"
$ twofa user list
? 0
--- stdout
LOGIN             NAME   EMAIL              TYPE       ACTIVE  AUTHENTICATOR  RECOVERY CODES LEFT
alice             Alice  alice@example.com  employee   yes     no             0
bob               –      bob@example.com    employee   no      no             0
carol             –      –                  external   yes     yes            10
dora@example.org  –      –                  technical  yes     no             0
Supervisor        –      –                  employee   yes     no             0

"#]]);
    world.run("user list -o json").shows(str![[r#"
$ twofa user list -o json
? 0
--- stdout
[
  {"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":"2026-01-01T00:15:00Z","groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null},
  {"login":"bob","name":null,"email":"bob@example.com","phone":null,"type":"employee","language":"en","active":false,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null},
  {"login":"carol","name":null,"email":null,"phone":"+4930123456","type":"external","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":true,"recovery_codes_left":10,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null},
  {"login":"dora@example.org","name":null,"email":null,"phone":null,"type":"technical","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":false,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null},
  {"login":"Supervisor","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null}
]

"#]]);
    world.run("user list -o csv --limit 2").shows(str![[r#"
$ twofa user list -o csv --limit 2
? 0
--- stdout
login,name,email,phone,type,language,active,locked_until,groups,authenticator,recovery_codes_left,can_use_2fa,os_user,must_change,password_changed_at,last_login_at
alice,Alice,alice@example.com,,employee,en,true,2026-01-01T00:15:00Z,,false,0,true,,false,2026-01-01T00:00:00Z,
bob,,bob@example.com,,employee,en,false,,,false,0,true,,false,2026-01-01T00:00:00Z,

"#]]);
    world.run("user list -o ndjson --locked").shows(str![[r#"
$ twofa user list -o ndjson --locked
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":"2026-01-01T00:15:00Z","groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null}

"#]]);
    let logins = |options: &str| -> Vec<String> {
        let rows = world.json(&format!("user list {options}"));
        let rows = rows.as_array().unwrap();
        rows.iter()
            .map(|row| row["login"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        logins("--group 'system administrators'"),
        ["carol", "Supervisor"]
    );
    assert_eq!(
        logins("--group 'All employees'"),
        ["alice", "bob", "Supervisor"]
    );
    assert_eq!(logins("--group 'All external users'"), ["carol"]);
    assert_eq!(logins("--type Technical"), ["dora@example.org"]);
    assert_eq!(logins("--locked"), ["alice"]);
    assert_eq!(logins("--inactive"), ["bob"]);
    assert_eq!(logins("--type employee --inactive"), ["bob"]);
    // A login that is an address is one.
    assert_eq!(logins("--without email"), ["carol", "Supervisor"]);
    assert_eq!(
        logins("--without SMS"),
        ["alice", "bob", "dora@example.org", "Supervisor"]
    );
    assert_eq!(logins("--without totp --limit 1"), ["alice"]);
    assert_eq!(
        logins("--without 'recovery codes' --type external"),
        Vec::<String>::new()
    );
    assert_eq!(logins("--limit 0"), Vec::<String>::new());
    world.later(15 * 60);
    assert_eq!(logins("--locked"), Vec::<String>::new());
    world.run("user list --locked").shows(str![[r#"
$ twofa user list --locked
? 0
--- stdout
LOGIN  NAME  EMAIL  TYPE  ACTIVE  AUTHENTICATOR  RECOVERY CODES LEFT

"#]]);
    world.run("user list --locked -o csv").shows(str![[r#"
$ twofa user list --locked -o csv
? 0
--- stdout
login,name,email,phone,type,language,active,locked_until,groups,authenticator,recovery_codes_left,can_use_2fa,os_user,must_change,password_changed_at,last_login_at

"#]]);
    world.run("user list --locked -o ndjson").shows(str![[r#"
$ twofa user list --locked -o ndjson
? 0

"#]]);
    world.run("user list --locked -o json").shows(str![[r#"
$ twofa user list --locked -o json
? 0
--- stdout
[]

"#]]);
    world.run("user list --group Staf").shows(str![[r#"
$ twofa user list --group Staf
? 3
--- stderr
error: no group is named `Staf`
 hint: `twofa group list` lists what there is

"#]]);
    world.run("user list --without pager").shows(str![[r#"
$ twofa user list --without pager
? 3
--- stderr
error: no 2FA method is named `pager`
 hint: `twofa method list` lists what there is

"#]]);
    world.run("user list --type boss").shows(str![[r#"
$ twofa user list --type boss
? 4
--- stderr
error: `boss` is no user type
 hint: it is employee, external or technical

"#]]);
    world.run("user list --limit -1").shows(str![[r#"
$ twofa user list --limit -1
? 2
--- stderr
error: unexpected argument '-1' found

Usage: twofa user list [OPTIONS]

For more information, try '--help'.

"#]]);
}

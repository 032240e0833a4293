//! `twofa user edit`.

use snapbox::str;

use crate::world::World;

#[test]
fn edit_changes_what_is_given_and_tells_what() {
    let world = World::new();
    world.ok("user add alice --name Alice");
    world
        .run("user edit alice --name 'Alice Adams' --email alice@example.com --phone +4930123456 --language de --os-user al --must-change")
        .shows(str![[r#"
$ twofa user edit alice --name Alice Adams --email alice@example.com --phone +4930123456 --language de --os-user al --must-change
? 0
--- stdout
login                alice
name                 Alice Adams
email                alice@example.com
phone                +4930123456
type                 employee
language             de
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              al
must change          yes
password changed at  –
last login at        –
changed              yes
--- stderr
`alice` was changed: name, email, phone, language, os_user, must_change.

"#]]);
    world
        .run("user edit Alice@example.com --name 'Alice Adams' --language DE -o ndjson")
        .shows(str![[r#"
$ twofa user edit Alice@example.com --name Alice Adams --language DE -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice Adams","email":"alice@example.com","phone":"+4930123456","type":"employee","language":"de","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":"al","must_change":true,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}
--- stderr
`alice` is like that already.

"#]]);
    world.run("user edit alice -o ndjson").shows(str![[r#"
$ twofa user edit alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice Adams","email":"alice@example.com","phone":"+4930123456","type":"employee","language":"de","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":"al","must_change":true,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}
--- stderr
`alice` is like that already.

"#]]);
    world.run("audit show 3 -o ndjson").shows(str![[r#"
$ twofa audit show 3 -o ndjson
? 0
--- stdout
{"seq":3,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.edited","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":"Alice","new":"Alice Adams"},"email":{"old":null,"new":"alice@example.com"},"phone":{"old":null,"new":"+4930123456"},"language":{"old":"en","new":"de"},"os_user":{"old":null,"new":"al"},"must_change":{"old":false,"new":true}}}

"#]]);
}

#[test]
fn edit_clears() {
    let world = World::new();
    world.ok("user add alice --name Alice --email alice@example.com --phone +4930123456 --os-user al --must-change --group 'System administrators'");
    world
        .run("user edit alice --no-name --no-email --no-phone --no-os-user --no-must-change --no-group -o ndjson")
        .shows(str![[r#"
$ twofa user edit alice --no-name --no-email --no-phone --no-os-user --no-must-change --no-group -o ndjson
? 0
--- stdout
{"login":"alice","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` was changed: name, email, phone, groups, os_user, must_change.

"#]]);
    world
        .run("user edit alice --no-name --no-email --no-phone --no-os-user --no-must-change --no-group -o ndjson")
        .shows(str![[r#"
$ twofa user edit alice --no-name --no-email --no-phone --no-os-user --no-must-change --no-group -o ndjson
? 0
--- stdout
{"login":"alice","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}
--- stderr
`alice` is like that already.

"#]]);
    world
        .run("user edit alice --no-email --email a@example.com")
        .shows(str![[r#"
$ twofa user edit alice --no-email --email a@example.com
? 2
--- stderr
error: the argument '--no-email' cannot be used with '--email <ADDRESS>'

Usage: twofa user edit --no-email --db <FILE> <LOGIN>

For more information, try '--help'.

"#]]);
    world.run("user show alice@example.com").exits(3);
}

#[test]
fn a_new_login_leads_to_the_same_user() {
    let world = World::new();
    world.ok("user add alice --email alice@example.com");
    world.run("user edit alice --login anna -o ndjson").shows(str![[r#"
$ twofa user edit alice --login anna -o ndjson
? 0
--- stdout
{"login":"anna","name":null,"email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` was changed: login.

"#]]);
    world.run("user show alice").shows(str![[r#"
$ twofa user show alice
? 3
--- stderr
error: no user is named `alice`
 hint: did you mean `alice@example.com`?

"#]]);
    assert_eq!(world.json("user show alice@example.com")["login"], "anna");
    // Another case of the same name is a change, and no collision.
    world.run("user edit anna --login Anna -o ndjson").shows(str![[r#"
$ twofa user edit anna --login Anna -o ndjson
? 0
--- stdout
{"login":"Anna","name":null,"email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`anna` was changed: login.

"#]]);
    world.run("user edit Anna --login Anna -o ndjson").shows(str![[r#"
$ twofa user edit Anna --login Anna -o ndjson
? 0
--- stdout
{"login":"Anna","name":null,"email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}
--- stderr
`Anna` is like that already.

"#]]);
    world.run("user edit anna --login ' '").shows(str![[r#"
$ twofa user edit anna --login  
? 2
--- stderr
error: the login is blank

"#]]);
    world
        .run("user edit anna --login Supervisor")
        .shows(str![[r#"
$ twofa user edit anna --login Supervisor
? 4
--- stderr
error: the login `Supervisor` already leads to the user `Supervisor`
 hint: logins and email addresses share one space of names

"#]]);
    // The first administrator may be renamed, and stays what it is.
    world.run("user edit Supervisor --login root -q -o ndjson").shows(str![[r#"
$ twofa user edit Supervisor --login root -q -o ndjson
? 0
--- stdout
{"login":"root","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world.run("user remove root --yes").shows(str![[r#"
$ twofa user remove root --yes
? 4
--- stderr
error: `root` is the first administrator and cannot be removed
 hint: `twofa user edit` renames it, `twofa user deactivate` shuts it out

"#]]);
    // What was logged about the user is found under the new name.
    world.run("audit list --user Anna").shows(str![[r#"
$ twofa audit list --user Anna
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT        SUBJECT  OUTCOME  REASON
4    2026-01-01T00:00:00Z  Supervisor  user.edited  anna     ok       –
3    2026-01-01T00:00:00Z  Supervisor  user.edited  alice    ok       –
2    2026-01-01T00:00:00Z  Supervisor  user.added   alice    ok       –

"#]]);
}

#[test]
fn groups_are_replaced() {
    let world = World::new();
    world.sql("INSERT INTO \"group\" (name, name_key, created_at) VALUES ('Staff', 'staff', 0), ('Été', 'été', 0)");
    world.ok("user add alice --group Staff");
    let groups = |line: &str| world.json(line)["groups"].clone();
    assert_eq!(
        groups("user edit alice --group ÉTÉ --group staff --group STAFF"),
        serde_json::json!(["Staff", "Été"])
    );
    assert_eq!(
        groups("user edit alice --group été"),
        serde_json::json!(["Été"])
    );
    world.run("user edit alice --group été").shows(str![[r#"
$ twofa user edit alice --group été
? 0
--- stdout
login                alice
name                 –
email                –
phone                –
type                 employee
language             en
active               yes
locked until         –
groups               Été
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              –
must change          no
password changed at  –
last login at        –
changed              no
--- stderr
`alice` is like that already.

"#]]);
    world.run("user edit alice --group stuff").shows(str![[r#"
$ twofa user edit alice --group stuff
? 3
--- stderr
error: no group is named `stuff`
 hint: did you mean `Staff`?

"#]]);
    world
        .run("user edit alice --group 'all EMPLOYEES'")
        .shows(str![[r#"
$ twofa user edit alice --group all EMPLOYEES
? 4
--- stderr
error: `All employees` takes no members: everybody of that type is in it
 hint: `twofa user edit LOGIN --type TYPE` changes the type

"#]]);
    assert_eq!(groups("user edit alice --no-group"), serde_json::json!([]));
}

#[test]
fn bad_values_change_nothing() {
    let world = World::new();
    world.ok("user add alice");
    world.run("user edit alcie --name x").shows(str![[r#"
$ twofa user edit alcie --name x
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    world.run("user edit ''").shows(str![[r#"
$ twofa user edit 
? 2
--- stderr
error: the login is blank

"#]]);
    world
        .run("user edit alice --name Alice --email alice")
        .shows(str![[r#"
$ twofa user edit alice --name Alice --email alice
? 4
--- stderr
error: `alice` is no email address
 hint: write it as name@example.com

"#]]);
    world
        .run("user edit alice --name Alice --phone +0123456789")
        .shows(str![[r#"
$ twofa user edit alice --name Alice --phone +0123456789
? 4
--- stderr
error: `+0123456789` is no phone number: it is + and 7 to 15 digits, the first not 0
 hint: write it as +493012345678, without spaces

"#]]);
    world.run("user edit alice --type boss").shows(str![[r#"
$ twofa user edit alice --type boss
? 4
--- stderr
error: `boss` is no user type
 hint: it is employee, external or technical

"#]]);
    world.run("user edit alice --language ''").shows(str![[r#"
$ twofa user edit alice --language 
? 4
--- stderr
error: `` is no language
 hint: write it as en, de or pt-br

"#]]);
    world.run("user edit alice --os-user a/b").shows(str![[r#"
$ twofa user edit alice --os-user a/b
? 4
--- stderr
error: `a/b` is no account name

"#]]);
    world
        .run("user edit alice --no-phone --phone +4930123456")
        .shows(str![[r#"
$ twofa user edit alice --no-phone --phone +4930123456
? 2
--- stderr
error: the argument '--no-phone' cannot be used with '--phone <PHONE>'

Usage: twofa user edit --no-phone --db <FILE> <LOGIN>

For more information, try '--help'.

"#]]);
    assert_eq!(
        world.json("user show alice")["name"],
        serde_json::Value::Null
    );
    let events = world.json("audit list --event user.edited");
    assert_eq!(events, serde_json::json!([]));
}

#[test]
fn taking_the_last_address_of_somebody_is_refused() {
    let world = World::with_email();
    world.run("user edit alice --no-email").shows(str![[r#"
$ twofa user edit alice --no-email
? 4
--- stderr
error: this would leave 1 user with no way to log in: `alice`
 hint: give them a method first, or say --allow-lockout=1 if it is meant

"#]]);
    world
        .run("user edit alice --no-email --allow-lockout=1 -o ndjson")
        .shows(str![[r#"
$ twofa user edit alice --no-email --allow-lockout=1 -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` was changed: email.

"#]]);
    // Alice is out already: this command takes nothing from her.
    world.run("user edit alice --name Alicia -q -o ndjson").shows(str![[r#"
$ twofa user edit alice --name Alicia -q -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alicia","email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    world.run("user edit bob --no-email --allow-lockout -q -o ndjson").shows(str![[r#"
$ twofa user edit bob --no-email --allow-lockout -q -o ndjson
? 0
--- stdout
{"login":"bob","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null,"changed":true,"warnings":[]}

"#]]);
}

#[test]
fn the_last_administrator_stays_one() {
    let world = World::new();
    world.run("user deactivate Supervisor --yes").exits(4);
    world.run("user edit Supervisor --no-group").shows(str![[r#"
$ twofa user edit Supervisor --no-group
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`

"#]]);
    world.run("user edit Supervisor --type technical --yes").shows(str![[r#"
$ twofa user edit Supervisor --type technical --yes
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`

"#]]);
    world.ok("user add alice --group 'System administrators'");
    world.run("user edit Supervisor --no-group -q -o ndjson").shows(str![[r#"
$ twofa user edit Supervisor --no-group -q -o ndjson
? 0
--- stdout
{"login":"Supervisor","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
}

#[test]
fn a_type_is_changed() {
    let world = World::new();
    world.ok("user add alice");
    world.run("user edit alice --type External --yes -o ndjson").shows(str![[r#"
$ twofa user edit alice --type External --yes -o ndjson
? 0
--- stdout
{"login":"alice","name":null,"email":null,"phone":null,"type":"external","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
`alice` was changed: type.

"#]]);
    world
        .run("user list --group 'All external users'")
        .shows(str![[r#"
$ twofa user list --group All external users
? 0
--- stdout
LOGIN  NAME  EMAIL  TYPE      ACTIVE  AUTHENTICATOR  RECOVERY CODES LEFT
alice  –     –      external  yes     no             0

"#]]);
}

#[test]
fn a_technical_user_has_a_password_in_vain() {
    let world = World::peopled();
    world
        .run("user edit alice --type technical --yes")
        .shows(str![[r#"
$ twofa user edit alice --type technical --yes
? 0
--- stdout
login                alice
name                 Alice
email                alice@example.com
phone                –
type                 technical
language             en
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          no
os user              –
must change          no
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              yes
--- stderr
warning: `alice` has a password, and technical users never log in with one.
   hint: twofa user edit alice --type employee
`alice` was changed: type.

"#]]);
    let added = world
        .run("user add robot --type technical --password-stdin -o json")
        .stdin("robot-pw\n")
        .json(0);
    assert_eq!(added["warnings"][0]["kind"], "no_password_login");
    assert_eq!(
        world.json("user edit alice --name Alice2")["warnings"],
        serde_json::json!([])
    );
    assert_eq!(
        world.json("user add other --type technical")["warnings"],
        serde_json::json!([])
    );
}

//! `twofa user add` and `show`.

use snapbox::str;

use crate::world::World;

#[test]
fn add_and_show() {
    let world = World::new();
    world
        .run("user add alice --name 'Alice Adams' --email alice@example.com --phone +493012345678 --type external --language pt-BR --os-user al --must-change --password-stdin")
        .stdin("secret\n")
        .shows(str![[r#"
$ twofa user add alice --name Alice Adams --email alice@example.com --phone +493012345678 --type external --language pt-BR --os-user al --must-change --password-stdin
? 0
--- stdout
login                alice
name                 Alice Adams
email                alice@example.com
phone                +493012345678
type                 external
language             pt-br
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              al
must change          yes
password changed at  2026-01-01T00:00:00Z
last login at        –
changed              yes
--- stderr
The user `alice` was added.

"#]]);
    world.run("user show ALICE@Example.com").shows(str![[r#"
$ twofa user show ALICE@Example.com
? 0
--- stdout
login                alice
name                 Alice Adams
email                alice@example.com
phone                +493012345678
type                 external
language             pt-br
active               yes
locked until         –
groups               –
authenticator        no
recovery codes left  0
can use 2fa          yes
os user              al
must change          yes
password changed at  2026-01-01T00:00:00Z
last login at        –

"#]]);
    world.run("user show ' Alice ' -o json").shows(str![[r#"
$ twofa user show  Alice  -o json
? 0
--- stdout
{
  "login": "alice",
  "name": "Alice Adams",
  "email": "alice@example.com",
  "phone": "+493012345678",
  "type": "external",
  "language": "pt-br",
  "active": true,
  "locked_until": null,
  "groups": [],
  "authenticator": false,
  "recovery_codes_left": 0,
  "can_use_2fa": true,
  "os_user": "al",
  "must_change": true,
  "password_changed_at": "2026-01-01T00:00:00Z",
  "last_login_at": null
}

"#]]);
    world.run("user show alice -o ndjson").shows(str![[r#"
$ twofa user show alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice Adams","email":"alice@example.com","phone":"+493012345678","type":"external","language":"pt-br","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":"al","must_change":true,"password_changed_at":"2026-01-01T00:00:00Z","last_login_at":null}

"#]]);
    world.run("user show alice -o csv").shows(str![[r#"
$ twofa user show alice -o csv
? 0
--- stdout
login,name,email,phone,type,language,active,locked_until,groups,authenticator,recovery_codes_left,can_use_2fa,os_user,must_change,password_changed_at,last_login_at
alice,Alice Adams,alice@example.com,+493012345678,external,pt-br,true,,,false,0,true,al,true,2026-01-01T00:00:00Z,

"#]]);
    world.run("user add robot --type technical -o ndjson").shows(str![[r#"
$ twofa user add robot --type technical -o ndjson
? 0
--- stdout
{"login":"robot","name":null,"email":null,"phone":null,"type":"technical","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":false,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
The user `robot` was added.

"#]]);
    world
        .run("user add bob --group 'system ADMINISTRATORS' -o ndjson")
        .shows(str![[r#"
$ twofa user add bob --group system ADMINISTRATORS -o ndjson
? 0
--- stdout
{"login":"bob","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}
--- stderr
The user `bob` was added.
Next: `twofa password set bob`.

"#]]);
}

#[test]
fn adding_again_is_fine_and_adding_another_is_a_conflict() {
    let world = World::new();
    world.ok("user add alice --name Alice --email alice@example.com");
    world
        .run("user add alice --name Alice --email alice@example.com -o ndjson")
        .shows(str![[r#"
$ twofa user add alice --name Alice --email alice@example.com -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}
--- stderr
The user `alice` is there already.
Next: `twofa password set alice`.

"#]]);
    // Only the fields given are compared; the password and must-change count at creation only.
    world
        .run("user add ALICE --must-change --password-stdin -o ndjson")
        .stdin("secret\n")
        .shows(str![[r#"
$ twofa user add ALICE --must-change --password-stdin -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":false,"warnings":[]}
--- stderr
The user `alice` is there already.
Next: `twofa password set alice`.

"#]]);
    world
        .run("user add alice --name Alicia --email a@example.com --phone +4930123456 --type external --language de --os-user al --group 'System administrators'")
        .shows(str![[r#"
$ twofa user add alice --name Alicia --email a@example.com --phone +4930123456 --type external --language de --os-user al --group System administrators
? 4
--- stderr
error: the user `alice` exists and differs in name, email, phone, type, language, os_user, groups
 hint: `twofa user edit alice` changes it

"#]]);
    world.run("user show alice -o ndjson").shows(str![[r#"
$ twofa user show alice -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice","email":"alice@example.com","phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null}

"#]]);
    let events = world.json("audit list --event user");
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    // `--group` asks for membership, not for the whole list.
    world.sql("INSERT INTO \"group\" (name, name_key, created_at) VALUES ('Staff', 'staff', 0)");
    world.ok("user edit alice --group 'System administrators' --group Staff");
    let again = world.json("user add alice --group staff");
    assert_eq!(again["changed"], false);
    assert_eq!(
        again["groups"],
        serde_json::json!(["Staff", "System administrators"])
    );
}

#[test]
fn bad_values_are_refused_with_the_rule() {
    let world = World::new();
    world.run("user add ' '").shows(str![[r#"
$ twofa user add  
? 2
--- stderr
error: the login is blank

"#]]);
    world.run("user add '' -o json").shows(str![[r#"
$ twofa user add  -o json
? 2
--- stderr
error: the login is blank
{"error":{"kind":"blank_login","message":"the login is blank","hint":null}}

"#]]);
    world.run("user show ''").shows(str![[r#"
$ twofa user show 
? 2
--- stderr
error: the login is blank

"#]]);
    world.run("user add a:b").shows(str![[r#"
$ twofa user add a:b
? 4
--- stderr
error: the login `a:b` has a colon in it
 hint: authenticator apps and HTTP take a colon as a separator

"#]]);
    world
        .run(&format!("user add {} -q", "x".repeat(251)))
        .exits(4);
    world
        .run(&format!("user add {} -q", "é".repeat(250)))
        .exits(0);
    world.run("user add bob --email bob").shows(str![[r#"
$ twofa user add bob --email bob
? 4
--- stderr
error: `bob` is no email address
 hint: write it as name@example.com

"#]]);
    world.run("user add bob --email ''").shows(str![[r#"
$ twofa user add bob --email 
? 4
--- stderr
error: the email address `` is blank

"#]]);
    world.run("user add bob --phone 0301234567").shows(str![[r#"
$ twofa user add bob --phone 0301234567
? 4
--- stderr
error: `0301234567` is no phone number: it is + and 7 to 15 digits, the first not 0
 hint: write it as +493012345678, without spaces

"#]]);
    world
        .run("user add bob --phone '+49 30 1234567'")
        .shows(str![[r#"
$ twofa user add bob --phone +49 30 1234567
? 4
--- stderr
error: `+49 30 1234567` is no phone number: it is + and 7 to 15 digits, the first not 0
 hint: write it as +493012345678, without spaces

"#]]);
    world.run("user add bob --type boss").shows(str![[r#"
$ twofa user add bob --type boss
? 4
--- stderr
error: `boss` is no user type
 hint: it is employee, external or technical

"#]]);
    world.run("user add bob --language 1").shows(str![[r#"
$ twofa user add bob --language 1
? 4
--- stderr
error: `1` is no language
 hint: write it as en, de or pt-br

"#]]);
    world.run("user add bob --os-user 'a b'").shows(str![[r#"
$ twofa user add bob --os-user a b
? 4
--- stderr
error: `a b` is no account name

"#]]);
    world.run("user add bob --name ''").shows(str![[r#"
$ twofa user add bob --name 
? 4
--- stderr
error: the name `` is blank

"#]]);
    world.run("user add bob --group Staf").shows(str![[r#"
$ twofa user add bob --group Staf
? 3
--- stderr
error: no group is named `Staf`
 hint: `twofa group list` lists what there is

"#]]);
    world
        .run("user add bob --group 'system administrator'")
        .shows(str![[r#"
$ twofa user add bob --group system administrator
? 3
--- stderr
error: no group is named `system administrator`
 hint: did you mean `System administrators`?

"#]]);
    world
        .run("user add bob --group 'All employees'")
        .shows(str![[r#"
$ twofa user add bob --group All employees
? 4
--- stderr
error: `All employees` takes no members: everybody of that type is in it
 hint: `twofa user edit LOGIN --type TYPE` changes the type

"#]]);
    world
        .run("user add bob --password-stdin")
        .stdin("\n")
        .shows(str![[r#"
$ twofa user add bob --password-stdin
? 4
--- stderr
error: the password is empty

"#]]);
    world.run("user add bob --password-stdin").shows(str![[r#"
$ twofa user add bob --password-stdin
? 2
--- stderr
error: standard input has no line for --password-stdin

"#]]);
    world
        .run("user add bob --password-stdin --password-file x")
        .shows(str![[r#"
$ twofa user add bob --password-stdin --password-file x
? 2
--- stderr
error: the argument '--password-stdin' cannot be used with '--password-file <FILE>'

Usage: twofa user add --password-stdin --db <FILE> <LOGIN>

For more information, try '--help'.

"#]]);
    world.run("user add bob --password-file nowhere").exits(1);
    world.run("user add").shows(str![[r#"
$ twofa user add
? 2
--- stderr
error: the following required arguments were not provided:
  <LOGIN>

Usage: twofa user add --db <FILE> <LOGIN>

For more information, try '--help'.

"#]]);
    world.run("user show bob").shows(str![[r#"
$ twofa user show bob
? 3
--- stderr
error: no user is named `bob`
 hint: `twofa user list` lists what there is

"#]]);
}

#[test]
fn making_an_administrator_is_confirmed() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email supervisor@example.com");
    world
        .run("user add carol --group 'System administrators' -o json")
        .shows(str![[r#"
$ twofa user add carol --group System administrators -o json
? 5
--- stderr
error: confirm making `carol` an administrator: a code was sent to s***r@example.com
 hint: repeat the command with --confirm-challenge qtv3klsi4djhl6ivmtch7gakoi --confirm-code N
{"error":{"kind":"confirmation_required","message":"confirm making `carol` an administrator: a code was sent to s***r@example.com","hint":"repeat the command with --confirm-challenge qtv3klsi4djhl6ivmtch7gakoi --confirm-code N","challenge":"qtv3klsi4djhl6ivmtch7gakoi","method":"email","expires_at":"2026-01-01T00:01:00Z"}}

"#]]);
    world.run("user show carol").exits(3);
    let code = world.code();
    let asked = world.json("login list");
    let challenge = asked[0]["challenge"].as_str().unwrap();
    world
        .run(&format!("user add carol --group 'System administrators' --confirm-challenge {challenge} --confirm-code {code} -q"))
        .succeeds();
    // Nobody is asked for what is so already, nor for people who administer nothing.
    world.ok("user add carol --group 'System administrators'");
    world.ok("user add dora");
}

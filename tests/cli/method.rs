//! `twofa method`.

use snapbox::str;

use crate::world::World;

#[test]
fn list_and_show() {
    let world = World::new();
    world.run("method list").shows(str![[r#"
$ twofa method list
? 0
--- stdout
CODE            NAME               ENABLED  PRIMARY
email           Email              no       no
sms             SMS                no       no
totp            Authenticator app  no       no
recovery-codes  Recovery codes     no       no

"#]]);
    world.run("lookup list -o json").shows(str![[r#"
$ twofa lookup list -o json
? 0
--- stdout
[
  {"code":"email","name":"Email","enabled":false,"primary":false},
  {"code":"sms","name":"SMS","enabled":false,"primary":false},
  {"code":"totp","name":"Authenticator app","enabled":false,"primary":false},
  {"code":"recovery-codes","name":"Recovery codes","enabled":false,"primary":false}
]

"#]]);
    world.run("method list -o csv").shows(str![[r#"
$ twofa method list -o csv
? 0
--- stdout
code,name,enabled,primary
email,Email,false,false
sms,SMS,false,false
totp,Authenticator app,false,false
recovery-codes,Recovery codes,false,false

"#]]);
    world.run("method list -o ndjson").shows(str![[r#"
$ twofa method list -o ndjson
? 0
--- stdout
{"code":"email","name":"Email","enabled":false,"primary":false}
{"code":"sms","name":"SMS","enabled":false,"primary":false}
{"code":"totp","name":"Authenticator app","enabled":false,"primary":false}
{"code":"recovery-codes","name":"Recovery codes","enabled":false,"primary":false}

"#]]);
    world.run("method show 'authenticator APP'").shows(str![[r#"
$ twofa method show authenticator APP
? 0
--- stdout
code     totp
name     Authenticator app
enabled  no
primary  no

"#]]);
    world.run("method show emial").shows(str![[r#"
$ twofa method show emial
? 3
--- stderr
error: no 2FA method is named `emial`
 hint: did you mean `email`?

"#]]);
    world.run("method show emial -o json").shows(str![[r#"
$ twofa method show emial -o json
? 3
--- stderr
error: no 2FA method is named `emial`
 hint: did you mean `email`?
{"error":{"kind":"not_found","message":"no 2FA method is named `emial`","hint":"did you mean `email`?","near":"email"}}

"#]]);
}

#[test]
fn enable_reports_what_is_missing() {
    let world = World::new();
    world.ok("user add alice");
    world.run("method enable email --primary").shows(str![[r#"
$ twofa method enable email --primary
? 0
--- stdout
code     email
name     Email
enabled  yes
primary  yes
changed  yes
--- stderr
warning: Email is enabled, but `2FAmailbox` is not set.
   hint: twofa setting set 2FAmailbox NAME
warning: 2 active users have no address.
   hint: twofa user list --without email
Email is enabled and primary.
Next: `twofa setting set 2FAmailbox NAME`.

"#]]);
    world.run("method enable Email -o json").shows(str![[r#"
$ twofa method enable Email -o json
? 0
--- stdout
{
  "code": "email",
  "name": "Email",
  "enabled": true,
  "primary": true,
  "changed": false,
  "warnings": [
    {
      "kind": "prerequisite",
      "message": "Email is enabled, but `2FAmailbox` is not set.",
      "hint": "twofa setting set 2FAmailbox NAME"
    },
    {
      "kind": "users_lack",
      "message": "2 active users have no address.",
      "hint": "twofa user list --without email"
    }
  ]
}
--- stderr
warning: Email is enabled, but `2FAmailbox` is not set.
   hint: twofa setting set 2FAmailbox NAME
warning: 2 active users have no address.
   hint: twofa user list --without email
Email is already enabled and primary.
Next: `twofa setting set 2FAmailbox NAME`.

"#]]);
    world
        .run("method enable recovery-codes --primary")
        .shows(str![[r#"
$ twofa method enable recovery-codes --primary
? 4
--- stderr
error: recovery codes cannot be the primary method
 hint: they stand in when another method fails; `twofa method enable recovery-codes`

"#]]);
}

#[test]
fn primary_moves_and_disable_clears_it() {
    let world = World::new();
    world.ok("method enable email --primary");
    world.run("method primary totp -q").shows(str![[r#"
$ twofa method primary totp -q
? 0
--- stdout
code     totp
name     Authenticator app
enabled  yes
primary  yes
changed  yes
--- stderr
warning: 1 active user has no authenticator app connected.
   hint: twofa user list --without totp

"#]]);
    world.run("method disable totp").shows(str![[r#"
$ twofa method disable totp
? 2
--- stderr
error: are you sure? Authenticator app will be disabled, and no method will be primary.
 hint: say yes with --yes

"#]]);
    world.run("method disable totp --yes").shows(str![[r#"
$ twofa method disable totp --yes
? 0
--- stdout
code     totp
name     Authenticator app
enabled  no
primary  no
changed  yes
--- stderr
Authenticator app is disabled.
No method is primary now.

"#]]);
    world.run("method disable totp").shows(str![[r#"
$ twofa method disable totp
? 0
--- stdout
code     totp
name     Authenticator app
enabled  no
primary  no
changed  no
--- stderr
Authenticator app is already disabled.

"#]]);
    world.run("method list").shows(str![[r#"
$ twofa method list
? 0
--- stdout
CODE            NAME               ENABLED  PRIMARY
email           Email              yes      no
sms             SMS                no       no
totp            Authenticator app  no       no
recovery-codes  Recovery codes     no       no

"#]]);
}

#[test]
fn disabling_the_last_method_of_people_is_refused() {
    let world = World::with_email();
    world
        .run("method disable email --yes -o json")
        .shows(str![[r#"
$ twofa method disable email --yes -o json
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: give them a method first, or say --allow-lockout=2 if it is meant
{"error":{"kind":"lockout","message":"this would leave 2 users with no way to log in: `alice`, `bob`","hint":"give them a method first, or say --allow-lockout=2 if it is meant","count":2,"users":["alice","bob"]}}

"#]]);
    world
        .run("method disable email --yes --allow-lockout=1")
        .shows(str![[r#"
$ twofa method disable email --yes --allow-lockout=1
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: give them a method first, or say --allow-lockout=2 if it is meant

"#]]);
    world
        .run("method disable email --yes --allow-lockout=2 -q -o ndjson")
        .shows(str![[r#"
$ twofa method disable email --yes --allow-lockout=2 -q -o ndjson
? 0
--- stdout
{"code":"email","name":"Email","enabled":false,"primary":false,"changed":true,"warnings":[{"kind":"unconfirmed","message":"this administrator action was not confirmed: the acting user has no usable second factor.","hint":null}]}
--- stderr
warning: this administrator action was not confirmed: the acting user has no usable second factor.

"#]]);
}

#[test]
fn sms_leads_to_its_provider() {
    let world = World::peopled();
    world.run("method enable sms --primary").shows(str![[r#"
$ twofa method enable sms --primary
? 0
--- stdout
code     sms
name     SMS
enabled  yes
primary  yes
changed  yes
--- stderr
warning: SMS is enabled, but `SmsProvider` is not set.
   hint: twofa setting set SmsProvider NAME
warning: 3 active users have no phone.
   hint: twofa user list --without sms
SMS is enabled and primary.
Next: `twofa setting set SmsProvider NAME`.

"#]]);
    let next = |world: &World| world.json("status")["next"].as_str().unwrap().to_owned();
    assert_eq!(
        next(&world),
        "twofa sms-provider add NAME --twilio --account SID --from NUMBER"
    );
    world.ok("sms-provider add text --file sms");
    assert_eq!(next(&world), "twofa setting set SmsProvider NAME");
    world.ok("setting set SmsProvider text");
    // Nobody has a phone.
    assert_eq!(next(&world), "twofa coverage");
    world.ok("method enable email");
    assert_eq!(next(&world), "twofa setting set Enable2FA on");
    world.ok("setting set Enable2FA on --yes");
    assert_eq!(world.json("status")["next"], "twofa login simulate LOGIN");
}

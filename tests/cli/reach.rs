//! The commands that are told next reach the store that was named.

use snapbox::str;

use crate::world::World;

#[test]
fn the_next_command_names_the_store_that_was_named() {
    let world = World::new();
    world.ok("init --db 'other store.db'");
    world
        .run("user add alice --db 'other store.db' --key-file 'other store.db.key' -q -o json")
        .shows(str![[r#"
$ twofa user add alice --db other store.db --key-file other store.db.key -q -o json
? 0
--- stdout
{
  "login": "alice",
  "name": null,
  "email": null,
  "phone": null,
  "type": "employee",
  "language": "en",
  "active": true,
  "locked_until": null,
  "groups": [],
  "authenticator": false,
  "recovery_codes_left": 0,
  "can_use_2fa": true,
  "os_user": null,
  "must_change": false,
  "password_changed_at": null,
  "last_login_at": null,
  "changed": true,
  "warnings": []
}

"#]]);
    world
        .run("user add bob --db 'other store.db'")
        .shows(str![[r#"
$ twofa user add bob --db other store.db
? 0
--- stdout
login                bob
name                 –
email                –
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
password changed at  –
last login at        –
changed              yes
--- stderr
The user `bob` was added.
Next: `twofa --db 'other store.db' password set bob`.

"#]]);
    world
        .run("user show alcie --db 'other store.db'")
        .shows(str![[r#"
$ twofa user show alcie --db other store.db
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    world.run("status --db 'other store.db'").shows(str![[r#"
$ twofa status --db other store.db
? 0
--- stdout
2FA is off. Nobody has a password to log in with.
3 users, 3 active.

Email              off       0 users could use it
SMS                off       0 users could use it
Authenticator app  off       0 users could use it
Recovery codes     off       0 users could use it

AT                    EVENT          SUBJECT     OUTCOME  REASON
2026-01-01T00:00:00Z  user.added     bob         ok       –
2026-01-01T00:00:00Z  user.added     alice       ok       –
2026-01-01T00:00:00Z  store.created  Supervisor  ok       –

Next: `twofa --db 'other store.db' method enable email --primary`.

"#]]);
}

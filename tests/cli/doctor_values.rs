//! Findings of `twofa doctor` about values that no command writes.

use snapbox::str;

use crate::doctor::provoked;
use crate::world::World;

#[test]
fn users_whose_values_cannot_be_read() {
    let world = World::with_email();
    let broken = |sql: &str| {
        let sql = format!("UPDATE user SET {sql} WHERE login = 'alice'");
        move |world: &World| world.sql(&sql)
    };
    provoked(
        &world,
        "unreadable_password",
        broken("password_hash = '$argon2id$broken'"),
        &[("password set alice", "password set alice --password-stdin")],
        str![[r#"
{
  "check": "values",
  "kind": "unreadable_password",
  "severity": "error",
  "message": "1 password hash cannot be read: `alice`.",
  "count": 1,
  "names": [
    "alice"
  ],
  "mend": [
    "twofa password set alice"
  ]
}

"#]],
    );
    provoked(
        &world,
        "unreadable_address",
        broken("email = 'alice at home'"),
        &[("ADDRESS", "alice@example.com")],
        str![[r#"
{
  "check": "values",
  "kind": "unreadable_address",
  "severity": "error",
  "message": "1 email address cannot be read: `alice`.",
  "count": 1,
  "names": [
    "alice"
  ],
  "mend": [
    "twofa user edit alice --email ADDRESS"
  ]
}

"#]],
    );
    provoked(
        &world,
        "unreadable_phone",
        broken("phone = '0049 30'"),
        &[("NUMBER", "+4930123456")],
        str![[r#"
{
  "check": "values",
  "kind": "unreadable_phone",
  "severity": "error",
  "message": "1 phone number cannot be read: `alice`.",
  "count": 1,
  "names": [
    "alice"
  ],
  "mend": [
    "twofa user edit alice --phone NUMBER"
  ]
}

"#]],
    );
}

#[test]
fn settings_that_are_none() {
    let world = World::with_email();
    provoked(
        &world,
        "foreign_value",
        |world| world.sql("UPDATE setting SET number = NULL, text = 'on' WHERE code = 'Enable2FA'"),
        &[],
        str![[r#"
{
  "check": "values",
  "kind": "foreign_value",
  "severity": "error",
  "message": "The value of `Enable2FA` is of another type than it has.",
  "count": 1,
  "names": [
    "Enable2FA"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM setting WHERE code = 'Enable2FA'\""
  ]
}

"#]],
    );
    provoked(
        &world,
        "unknown_setting",
        |world| world.sql("INSERT INTO setting (code, text) VALUES ('EnableIt''s', 'x')"),
        &[],
        str![[r#"
{
  "check": "values",
  "kind": "unknown_setting",
  "severity": "warning",
  "message": "There is no setting `EnableIt's`.",
  "count": 1,
  "names": [
    "EnableIt's"
  ],
  "mend": [
    "sqlite3 twofa.db \"DELETE FROM setting WHERE code = 'EnableIt''s'\""
  ]
}

"#]],
    );
}

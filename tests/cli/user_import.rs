//! `twofa user import`: all of a file, or nothing of it.

use snapbox::str;

use crate::world::World;

const PEOPLE: &str = "\
login,name,email,phone,type,language,groups,active
alice,Alice Adams,alice@example.com,+493012345678,employee,de,System administrators,yes
bob,\"Bob, the builder\",,,External,,,
zoë,Ζωή,zoë@example.com,,,,,no
";

fn imported(text: &str) -> World {
    let world = World::new();
    world.write("people.csv", text);
    world.ok("user import people.csv --yes");
    world
}

#[test]
fn a_file_is_imported_once() {
    let world = World::new();
    world.write("people.csv", PEOPLE);
    world.run("user import people.csv").shows(str![[r#"
$ twofa user import people.csv
? 2
--- stderr
error: are you sure? 3 users will be added.
 hint: say yes with --yes

"#]]);
    world.run("user import people.csv --yes").shows(str![[r#"
$ twofa user import people.csv --yes
? 0
--- stdout
added      3
updated    0
unchanged  0
skipped    0
rejected   0
changed    yes
--- stderr
3 users were added, 0 were there already.

"#]]);
    world.run("user list -o ndjson").shows(str![[r#"
$ twofa user list -o ndjson
? 0
--- stdout
{"login":"alice","name":"Alice Adams","email":"alice@example.com","phone":"+493012345678","type":"employee","language":"de","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null}
{"login":"bob","name":"Bob, the builder","email":null,"phone":null,"type":"external","language":"en","active":true,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null}
{"login":"Supervisor","name":null,"email":null,"phone":null,"type":"employee","language":"en","active":true,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null}
{"login":"zoë","name":"Ζωή","email":"zoë@example.com","phone":null,"type":"employee","language":"en","active":false,"locked_until":null,"groups":[],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null}

"#]]);
    // Again is fine, and asks nothing.
    world.run("user import people.csv -o json").shows(str![[r#"
$ twofa user import people.csv -o json
? 0
--- stdout
{
  "added": 0,
  "updated": 0,
  "unchanged": 3,
  "skipped": 0,
  "rejected": 0,
  "changed": false,
  "warnings": []
}
--- stderr
0 users were added, 3 were there already.

"#]]);
    world.write(
        "people.csv",
        &format!("{PEOPLE}dora\n").replace("dora", "dora,,,,,,,"),
    );
    world
        .run("user import people.csv --yes -o ndjson")
        .shows(str![[r#"
$ twofa user import people.csv --yes -o ndjson
? 0
--- stdout
{"added":1,"updated":0,"unchanged":3,"skipped":0,"rejected":0,"changed":true,"warnings":[]}
--- stderr
1 user was added, 3 were there already.

"#]]);
    world.run("audit list --event user -o ndjson").shows(str![[r#"
$ twofa audit list --event user -o ndjson
? 0
--- stdout
{"seq":7,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.imported","subject":null,"outcome":"ok","reason":null,"note":null,"detail":{"added":1,"updated":0,"unchanged":3,"skipped":0,"rejected":0,"sha256":"788b245ef66dca391c16c06a6d410655ee5e53b567b197a1c50d5cdc22dddaad"}}
{"seq":6,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"dora","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"dora"},"type":{"old":null,"new":"employee"},"language":{"old":null,"new":"en"}}}
{"seq":5,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.imported","subject":null,"outcome":"ok","reason":null,"note":null,"detail":{"added":3,"updated":0,"unchanged":0,"skipped":0,"rejected":0,"sha256":"367252786de444ed7ea0b0ff28acd52f8a8302c16c478fff95a3670292291826"}}
{"seq":4,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"zoë","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"zoë"},"name":{"old":null,"new":"Ζωή"},"email":{"old":null,"new":"zoë@example.com"},"type":{"old":null,"new":"employee"},"language":{"old":null,"new":"en"},"active":{"old":true,"new":false}}}
{"seq":3,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"bob","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"bob"},"name":{"old":null,"new":"Bob, the builder"},"type":{"old":null,"new":"external"},"language":{"old":null,"new":"en"}}}
{"seq":2,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.added","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"login":{"old":null,"new":"alice"},"name":{"old":null,"new":"Alice Adams"},"email":{"old":null,"new":"alice@example.com"},"phone":{"old":null,"new":"+493012345678"},"type":{"old":null,"new":"employee"},"language":{"old":null,"new":"de"},"groups":{"old":[],"new":["System administrators"]}}}

"#]]);
}

#[test]
fn an_empty_field_is_one_that_is_not_given() {
    let world = imported(PEOPLE);
    world.write("people.csv", "Login,EMAIL,Name\nALICE,,\nbob,,\n");
    world
        .run("user import people.csv -q -o ndjson")
        .shows(str![[r#"
$ twofa user import people.csv -q -o ndjson
? 0
--- stdout
{"added":0,"updated":0,"unchanged":2,"skipped":0,"rejected":0,"changed":false,"warnings":[]}

"#]]);
}

#[test]
fn a_row_that_differs_is_refused_with_its_line() {
    let world = imported(PEOPLE);
    world.write(
        "people.csv",
        "login,name,active\ncarol,Carol,\nalice,Alicia,\nzoë,,yes\nbob,,\n",
    );
    world.run("user import people.csv --yes -o json").shows(str![[r#"
$ twofa user import people.csv --yes -o json
? 4
--- stderr
error: 2 lines cannot be imported:
  line 3: the user `alice` exists and differs in name
  line 4: the user `zoë` exists and differs in active
 hint: nothing was imported; mend the lines and run it again, or take the others with --rejects FILE
{"error":{"kind":"conflict","message":"2 lines cannot be imported:\n  line 3: the user `alice` exists and differs in name\n  line 4: the user `zoë` exists and differs in active","hint":"nothing was imported; mend the lines and run it again, or take the others with --rejects FILE","rejected":2,"lines":[3,4],"problems":[{"line":3,"message":"the user `alice` exists and differs in name"},{"line":4,"message":"the user `zoë` exists and differs in active"}]}}

"#]]);
    world.write("people.csv", "login,name\ncarol,Carol\nalice,Alicia\n");
    world.run("user import people.csv --yes -o json").shows(str![[r#"
$ twofa user import people.csv --yes -o json
? 4
--- stderr
error: line 3: the user `alice` exists and differs in name
 hint: `twofa user edit alice` changes it, --on-conflict update changes all of them
{"error":{"kind":"conflict","message":"line 3: the user `alice` exists and differs in name","hint":"`twofa user edit alice` changes it, --on-conflict update changes all of them","line":3,"rejected":1,"lines":[3],"problems":[{"line":3,"message":"the user `alice` exists and differs in name"}]}}

"#]]);
    world.run("user show carol").exits(3);
}

#[test]
fn a_bad_row_is_named_and_nothing_is_imported() {
    let world = World::new();
    world.ok("user add taken --email taken@example.com");
    for (name, text) in [
        ("email", "login,email\nalice,alice@example.com\nbob,bob\n"),
        ("phone", "login,phone\nalice,+4930123456\nbob,030\n"),
        ("type", "login,type\nalice,boss\n"),
        ("language", "login,language\nalice,1\n"),
        ("blank", "login,name\nalice,A\n ,B\n"),
        ("active", "login,active\nalice,perhaps\n"),
        ("column", "login,emial\nalice,a@example.com\n"),
        ("missing", "name,email\nAlice,alice@example.com\n"),
        (
            "twice",
            "login,email\nalice,bob@example.com\nBOB@example.com,\n",
        ),
        ("ragged", "login,name\nalice,A\nbob\n"),
        ("hash", "login,password_hash\nalice,$2y$10$x\n"),
        ("collides", "login,email\nalice,\nbob,TAKEN@example.com\n"),
        (
            "several",
            "login,phone\nalice,0\nbob\nalice,\nALICE,\ncarol,1,2\n",
        ),
        ("group", "login,groups\nalice,\nbob,Sytem administrators\n"),
    ] {
        world.write(&format!("{name}.csv"), text);
    }
    world.run("user import email.csv --yes -o json").shows(str![[r#"
$ twofa user import email.csv --yes -o json
? 4
--- stderr
error: line 3: `bob` is no email address
 hint: write it as name@example.com
{"error":{"kind":"invalid_value","message":"line 3: `bob` is no email address","hint":"write it as name@example.com","line":3,"rejected":1,"lines":[3],"problems":[{"line":3,"message":"`bob` is no email address"}]}}

"#]]);
    world.run("user import phone.csv --yes").shows(str![[r#"
$ twofa user import phone.csv --yes
? 4
--- stderr
error: line 3: `030` is no phone number: it is + and 7 to 15 digits, the first not 0
 hint: write it as +493012345678, without spaces

"#]]);
    world.run("user import type.csv --yes").shows(str![[r#"
$ twofa user import type.csv --yes
? 4
--- stderr
error: line 2: `boss` is no user type
 hint: it is employee, external or technical

"#]]);
    world.run("user import language.csv --yes").shows(str![[r#"
$ twofa user import language.csv --yes
? 4
--- stderr
error: line 2: `1` is no language
 hint: write it as en, de or pt-br

"#]]);
    world.run("user import blank.csv --yes").shows(str![[r#"
$ twofa user import blank.csv --yes
? 2
--- stderr
error: line 3: the login is blank

"#]]);
    world.run("user import active.csv --yes").shows(str![[r#"
$ twofa user import active.csv --yes
? 4
--- stderr
error: line 2: `perhaps` is neither true nor false

"#]]);
    world.run("user import column.csv --yes").shows(str![[r#"
$ twofa user import column.csv --yes
? 4
--- stderr
error: line 1: `emial` is no column
 hint: did you mean `email`?

"#]]);
    world.run("user import missing.csv --yes").shows(str![[r#"
$ twofa user import missing.csv --yes
? 4
--- stderr
error: line 1: the column `login` is missing
 hint: the first line names the columns: login,name,email,phone,type,language,groups,password_hash,active

"#]]);
    world.run("user import twice.csv --yes").shows(str![[r#"
$ twofa user import twice.csv --yes
? 4
--- stderr
error: line 3: `BOB@example.com` stands in line 2 already

"#]]);
    world.run("user import ragged.csv --yes").shows(str![[r#"
$ twofa user import ragged.csv --yes
? 4
--- stderr
error: line 3: it has 1 field where the first line names 2

"#]]);
    world.run("user import hash.csv --yes").shows(str![[r#"
$ twofa user import hash.csv --yes
? 4
--- stderr
error: line 2: the password hash cannot be read
 hint: it is Argon2 ($argon2id$…), bcrypt ($2b$…) or PBKDF2 ($pbkdf2-sha256$…, pbkdf2_sha256$…)

"#]]);
    world.run("user import collides.csv --yes").shows(str![[r#"
$ twofa user import collides.csv --yes
? 4
--- stderr
error: line 3: the email address `TAKEN@example.com` already leads to the user `taken`
 hint: logins and email addresses share one space of names

"#]]);
    world.run("user import group.csv --yes").shows(str![[r#"
$ twofa user import group.csv --yes
? 3
--- stderr
error: line 3: no group is named `Sytem administrators`
 hint: did you mean `System administrators`?

"#]]);
    world.run("user import several.csv --yes -o json").shows(str![[r#"
$ twofa user import several.csv --yes -o json
? 4
--- stderr
error: 5 lines cannot be imported:
  line 2: `0` is no phone number: it is + and 7 to 15 digits, the first not 0
  line 3: it has 1 field where the first line names 2
  line 4: `alice` stands in line 2 already
  line 5: `ALICE` stands in line 2 already
  line 6: it has 3 fields where the first line names 2
 hint: nothing was imported; mend the lines and run it again, or take the others with --rejects FILE
{"error":{"kind":"invalid_value","message":"5 lines cannot be imported:\n  line 2: `0` is no phone number: it is + and 7 to 15 digits, the first not 0\n  line 3: it has 1 field where the first line names 2\n  line 4: `alice` stands in line 2 already\n  line 5: `ALICE` stands in line 2 already\n  line 6: it has 3 fields where the first line names 2","hint":"nothing was imported; mend the lines and run it again, or take the others with --rejects FILE","rejected":5,"lines":[2,3,4,5,6],"problems":[{"line":2,"message":"`0` is no phone number: it is + and 7 to 15 digits, the first not 0"},{"line":3,"message":"it has 1 field where the first line names 2"},{"line":4,"message":"`alice` stands in line 2 already"},{"line":5,"message":"`ALICE` stands in line 2 already"},{"line":6,"message":"it has 3 fields where the first line names 2"}]}}

"#]]);
    let users = world.json("user list");
    assert_eq!(users.as_array().unwrap().len(), 2, "{users}");
    world.run("audit list --limit 1").shows(str![[r#"
$ twofa audit list --limit 1
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT       SUBJECT  OUTCOME  REASON
2    2026-01-01T00:00:00Z  Supervisor  user.added  taken    ok       –

"#]]);
}

#[test]
fn many_bad_rows_are_told_at_once() {
    let world = World::new();
    let mut people = String::from("login,groups\n");
    for number in 1..=12 {
        people.push_str(&format!("user{number},Nowhere\n"));
    }
    world.write("people.csv", &people);
    world.run("user import people.csv --yes").shows(str![[r#"
$ twofa user import people.csv --yes
? 3
--- stderr
error: 12 lines cannot be imported:
  line 2: no group is named `Nowhere`
  line 3: no group is named `Nowhere`
  line 4: no group is named `Nowhere`
  line 5: no group is named `Nowhere`
  line 6: no group is named `Nowhere`
  line 7: no group is named `Nowhere`
  line 8: no group is named `Nowhere`
  line 9: no group is named `Nowhere`
  line 10: no group is named `Nowhere`
  line 11: no group is named `Nowhere`
  and 2 more
 hint: nothing was imported; mend the lines and run it again, or take the others with --rejects FILE

"#]]);
    assert_eq!(world.json("user list").as_array().unwrap().len(), 1);
}

#[test]
fn byte_order_mark_and_line_ends_do_not_matter() {
    let world = World::new();
    let text = format!("\u{feff}{}", PEOPLE.replace('\n', "\r\n"));
    world.write("people.csv", &text);
    world
        .run("user import people.csv --yes -q -o ndjson")
        .shows(str![[r#"
$ twofa user import people.csv --yes -q -o ndjson
? 0
--- stdout
{"added":3,"updated":0,"unchanged":0,"skipped":0,"rejected":0,"changed":true,"warnings":[]}

"#]]);
    world.write("people.csv", PEOPLE);
    world
        .run("user import people.csv -q -o ndjson")
        .shows(str![[r#"
$ twofa user import people.csv -q -o ndjson
? 0
--- stdout
{"added":0,"updated":0,"unchanged":3,"skipped":0,"rejected":0,"changed":false,"warnings":[]}

"#]]);
    world.write("bad.csv", "\u{feff}login,phone\r\ncarol,\r\n\r\ndora,0\r\n");
    // A blank line is none, and the lines are counted all the same.
    world.run("user import bad.csv --yes").shows(str![[r#"
$ twofa user import bad.csv --yes
? 4
--- stderr
error: line 4: `0` is no phone number: it is + and 7 to 15 digits, the first not 0
 hint: write it as +493012345678, without spaces

"#]]);
}

#[test]
fn standard_input_is_a_file_too() {
    let world = World::new();
    world
        .run("user import - --yes -o ndjson")
        .stdin("login\nalice\n")
        .shows(str![[r#"
$ twofa user import - --yes -o ndjson
? 0
--- stdout
{"added":1,"updated":0,"unchanged":0,"skipped":0,"rejected":0,"changed":true,"warnings":[]}
--- stderr
1 user was added, 0 were there already.

"#]]);
    world
        .run("user import -")
        .stdin("login\nbob\n")
        .shows(str![[r#"
$ twofa user import -
? 2
--- stderr
error: are you sure? 1 user will be added.
 hint: say yes with --yes

"#]]);
    world.run("user import - --yes").shows(str![[r#"
$ twofa user import - --yes
? 4
--- stderr
error: line 1: the column `login` is missing
 hint: the first line names the columns: login,name,email,phone,type,language,groups,password_hash,active

"#]]);
    world
        .run("user import - --yes")
        .stdin("login\n")
        .shows(str![[r#"
$ twofa user import - --yes
? 0
--- stdout
added      0
updated    0
unchanged  0
skipped    0
rejected   0
changed    no
--- stderr
0 users were added, 0 were there already.

"#]]);
    world
        .run("user import - --yes --confirm-code-stdin")
        .stdin("login\nbob\n")
        .shows(str![[r#"
$ twofa user import - --yes --confirm-code-stdin
? 2
--- stderr
error: standard input cannot be both the file and the confirmation code
 hint: use --confirm-code

"#]]);
}

#[test]
fn what_is_no_file_of_people() {
    let world = World::new();
    let done = world.run("user import nowhere.csv --yes").exits(1);
    assert!(
        done.stderr
            .starts_with("error: cannot read `nowhere.csv`: "),
        "{done:?}"
    );
    std::fs::write(world.file("latin1.csv"), b"login,name\nalice,Zo\xeb\n").unwrap();
    world.run("user import latin1.csv --yes").shows(str![[r#"
$ twofa user import latin1.csv --yes
? 4
--- stderr
error: line 2: it is not UTF-8

"#]]);
    world.run("user import twofa.db --yes").exits(4);
    world.run("user import").shows(str![[r#"
$ twofa user import
? 2
--- stderr
error: the following required arguments were not provided:
  <FILE.csv>

Usage: twofa user import --db <FILE> <FILE.csv>

For more information, try '--help'.

"#]]);
}

#[test]
fn only_new_administrators_are_confirmed() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email supervisor@example.com");
    world.write(
        "staff.csv",
        "login,groups\ncarol,\nSupervisor,System administrators\n",
    );
    world
        .run("user import staff.csv --yes -q -o ndjson")
        .shows(str![[r#"
$ twofa user import staff.csv --yes -q -o ndjson
? 0
--- stdout
{"added":1,"updated":0,"unchanged":1,"skipped":0,"rejected":0,"changed":true,"warnings":[]}

"#]]);
    world.write("staff.csv", "login,groups\ndora,System administrators; \n");
    world.run("user import staff.csv --yes").shows(str![[r#"
$ twofa user import staff.csv --yes
? 5
--- stderr
error: confirm importing administrators: a code was sent to s***r@example.com
 hint: repeat the command with --confirm-challenge dxymwvp4e467qllum3fvlkhxiq --confirm-code N

"#]]);
    world.run("user show dora").exits(3);
}

#[test]
fn a_header_that_is_no_header_tells_what_is_wrong_with_it() {
    let world = World::new();
    let hint = |header: &str| {
        world.write("people.csv", &format!("{header}\n"));
        let refused = world.run("user import people.csv --yes").exits(4);
        refused.stderr.lines().last().unwrap().to_owned()
    };
    for header in ["login,password", "login,password_hsh"] {
        assert_eq!(
            hint(header),
            " hint: a file has hashes and no passwords: the column is `password_hash`; `twofa password set` sets a password",
            "{header}"
        );
    }
    assert_eq!(
        hint("login,passwort_hash"),
        " hint: did you mean `password_hash`?"
    );
    assert_eq!(hint("login,nmae"), " hint: did you mean `name`?");
}

#[test]
fn what_is_quoted_has_a_limit() {
    let world = World::new();
    world.write(
        "people.csv",
        &format!("login,phone\neve,{}\n", "9".repeat(50_000)),
    );
    let refused = world.run("user import people.csv --yes").exits(4);
    assert!(refused.stderr.len() < 500, "{} bytes", refused.stderr.len());
    assert!(refused.stderr.contains("9…` is no phone number"));
    world.write(
        "people.csv",
        &format!("login,name\neve,\"{}\n", "x".repeat(90_000)),
    );
    world.run("user import people.csv --yes").shows(str![[r#"
$ twofa user import people.csv --yes
? 4
--- stderr
error: line 2: it is longer than 64 KiB
 hint: a quote that is not closed takes in the lines below it

"#]]);
}

//! `user import` of files that are not all new, and `user export`.

use std::fs;

use serde_json::json;
use snapbox::IntoData as _;
use snapbox::str;

use crate::world::World;

const PEOPLE: &str = "login,name,phone,groups
alice,Alice Adams,+493012345678,
bob,,12,
carol,Carol,,Nowhere
dave,Dave,,
DAVE,Twice,,
erin,\"Erin
E.\",,
frank,Frank,+493012345679,System administrators
";

/// The good rows come in, and the others are a file that is fed again once it is mended.
#[test]
fn rejected_rows_are_a_file_to_mend() {
    let world = World::peopled();
    world.write("people.csv", PEOPLE);
    world.run("user import people.csv --yes").exits(4);
    assert_eq!(world.json("user list").as_array().unwrap().len(), 3);
    world
        .run("user import people.csv --yes --rejects rejects.csv")
        .shows(str![[r#"
$ twofa user import people.csv --yes --rejects rejects.csv
? 0
--- stdout
added      2
updated    0
unchanged  0
skipped    0
rejected   5
changed    yes
--- stderr
warning: 5 rows were not taken.
   hint: mend them in `rejects.csv`, and import that file
2 users were added, 0 were there already.

"#]]);
    let rejects = fs::read_to_string(world.file("rejects.csv")).unwrap();
    snapbox::assert_data_eq!(
        rejects.clone().raw(),
        str![[r#"
line,reason,login,name,phone,groups
2,"the user `alice` exists and differs in name, phone",alice,Alice Adams,+493012345678,
3,"`12` is no phone number: it is + and 7 to 15 digits, the first not 0",bob,,12,
4,no group is named `Nowhere`,carol,Carol,,Nowhere
6,`DAVE` stands in line 5 already,DAVE,Twice,,
7,the name `Erin\u{a}E.` has a control character in it,erin,"Erin
E.",,

"#]]
        .raw()
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(world.file("rejects.csv"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // None is written over, and no link is followed.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", world.file("link.csv")).unwrap();
        let done = world
            .run("user import people.csv --yes --rejects link.csv -o json")
            .exits(4);
        assert_eq!(done.error()["kind"], "conflict");
    }
    let done = world
        .run("user import people.csv --yes --rejects rejects.csv -o json")
        .exits(4);
    assert_eq!(done.error()["kind"], "conflict");
    let mended = rejects
        .replace("bob,,12", "bob,,+493012345670")
        .replace("Nowhere", "")
        .replace("DAVE,Twice", "gina,Gina")
        .replace("\"Erin\nE.\"", "Erin E.");
    world.write("mended.csv", &mended);
    let done = world
        .run("user import mended.csv --yes --on-conflict update --rejects again.csv -o json")
        .json(0);
    assert_eq!(
        done,
        json!({"added": 3, "updated": 2, "unchanged": 0, "skipped": 0, "rejected": 0, "changed": true, "warnings": []})
    );
    // There is no file where nothing was rejected.
    assert!(!world.file("again.csv").exists());
}

/// What is refused leaves no file behind.
#[test]
fn a_refusal_leaves_no_rejects() {
    let world = World::peopled();
    world.write("people.csv", PEOPLE);
    world
        .run("user import people.csv --rejects rejects.csv")
        .exits(2);
    world
        .run("user import people.csv --rejects nowhere/rejects.csv --yes")
        .exits(1);
    let names: Vec<_> = fs::read_dir(world.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("rejects") || name.contains("unfinished"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(world.json("user list").as_array().unwrap().len(), 3);
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = World::peopled();
    world.write("people.csv", "login,name\nalice,Other\ncarol,Carol\n");
    let writer = world.writer();
    let before = world.bytes();
    world
        .run("user import people.csv --dry-run --on-conflict update")
        .shows(str![[r#"
$ twofa user import people.csv --dry-run --on-conflict update
? 20
--- stdout
added      1
updated    1
unchanged  0
skipped    0
rejected   0
changed    yes
--- stderr
1 user would be added, 1 user would be changed, 0 were there already.

"#]]);
    world.run("user import people.csv --dry-run").exits(4);
    world
        .run("user import people.csv --dry-run --rejects rejects.csv -o json")
        .exits(20);
    assert!(world.bytes() == before);
    assert!(!world.file("rejects.csv").exists());
    world.write("people.csv", "login\nalice\n");
    world
        .run("user import people.csv --dry-run -o json")
        .exits(0);
    drop(writer);
}

#[test]
fn users_who_differ_stay_or_change() {
    let world = World::with_email();
    world.ok("group add Staff");
    world.write(
        "people.csv",
        "login;name;email;groups\nalice;A. Adams;alice@example.org;\"Staff; \"\nbob;;;\n",
    );
    world
        .run("user import people.csv --yes --on-conflict skip")
        .shows(str![[r#"
$ twofa user import people.csv --yes --on-conflict skip
? 0
--- stdout
added      0
updated    0
unchanged  1
skipped    1
rejected   0
changed    no
--- stderr
0 users were added, 1 was there already, 1 left as they are.

"#]]);
    world
        .run("user import people.csv --yes --on-conflict update")
        .shows(str![[r#"
$ twofa user import people.csv --yes --on-conflict update
? 0
--- stdout
added      0
updated    1
unchanged  1
skipped    0
rejected   0
changed    yes
--- stderr
0 users were added, 1 user was changed, 1 was there already.

"#]]);
    world
        .run("audit list --limit 2 -o ndjson")
        .shows(str![[r#"
$ twofa audit list --limit 2 -o ndjson
? 0
--- stdout
{"seq":10,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.imported","subject":null,"outcome":"ok","reason":null,"note":null,"detail":{"added":0,"updated":1,"unchanged":1,"skipped":0,"rejected":0,"sha256":"70ef372fe0ab7be96e1dcea0ae14875d605d933728aa2029eb5b7cc60e12b516"}}
{"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"user.edited","subject":"alice","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":"Alice","new":"A. Adams"},"email":{"old":"alice@example.com","new":"alice@example.org"},"groups":{"old":[],"new":["Staff"]}}}

"#]]);
    let again = world
        .run("user import people.csv --on-conflict update -o json")
        .json(0);
    assert_eq!(
        (&again["changed"], &again["unchanged"]),
        (&json!(false), &json!(2))
    );
}

/// The rules of `user edit` hold: a way in is not taken from anybody by mistake.
#[test]
fn a_lockout_is_refused() {
    let world = World::with_email();
    world.ok("method enable sms");
    world.ok("sms-provider add text --file sms");
    world.ok("setting set SmsProvider text");
    world.ok("user edit alice --no-email --phone +493012345678");
    world.ok("user add 'a@example.com'");
    world.write("people.csv", "login,type\nalice,technical\n");
    // Who never logs in is not locked out.
    world.ok("user import people.csv --yes --on-conflict update");
    world
        .run("user import people.csv --on-conflict change")
        .exits(2);
}

/// Whoever imports changes administrators as by `user edit`: with a confirmation.
#[test]
fn administrators_are_confirmed() {
    let (world, secret) = World::with_app();
    world.write("people.csv", "login,name,email\nSupervisor,Boss,\n");
    // A name is nobody's way in.
    world.ok("user import people.csv --yes --on-conflict update");
    world.write(
        "people.csv",
        "login,name,email\nSupervisor,Boss,boss@example.com\n",
    );
    world
        .run("user import people.csv --yes --on-conflict update")
        .shows(str![[r#"
$ twofa user import people.csv --yes --on-conflict update
? 5
--- stderr
error: confirm changing the administrator `Supervisor`: your second factor is needed
 hint: repeat the command with --confirm-code N, a code of your authenticator app

"#]]);
    let code = world.app(&secret);
    world.ok(&format!(
        "user import people.csv --yes --on-conflict update --confirm-code {code}"
    ));
}

#[test]
fn columns_of_other_names_are_mapped() {
    let world = World::new();
    world.write(
        "people.csv",
        "uid,mail,shoe size\nalice,alice@example.com,42\n",
    );
    world
        .run("user import people.csv --yes")
        .shows(str![[r#"
$ twofa user import people.csv --yes
? 4
--- stderr
error: line 1: `uid` is no column
 hint: the columns are login, name, email, phone, type, language, groups, password_hash, active; --map names another

"#]]);
    world
        .run("user import people.csv --yes --map uid=login --map 'shoe size=' --map mail=emial")
        .shows(str![[r#"
$ twofa user import people.csv --yes --map uid=login --map shoe size= --map mail=emial
? 2
--- stderr
error: invalid value 'mail=emial' for '--map <COLUMN=FIELD>': no field of a user is named `emial`: did you mean `email`?

For more information, try '--help'.

"#]]);
    world.ok("user import people.csv --yes --map uid=login --map 'shoe size=' --map Mail=email");
    assert_eq!(world.json("user show alice")["email"], "alice@example.com");
}

/// In its own store nothing changes by it, and in a new one the same users are.
#[test]
fn export_is_the_file_that_import_reads() {
    let world = World::peopled();
    world.ok("group add Staff");
    world.ok("user edit alice --name '=cmd|calc' --phone +493012345678 --group Staff --group 'System administrators'");
    world.ok("user add zoë --type external --language de --name '  Zoë \"Z\", Z. '");
    world.ok("user deactivate bob --yes");
    world.write(
        "hash.csv",
        "login,password_hash\ngina,$2b$04$AAAAAAAAAAAAAAAAAAAAAOJ0f4QZ5xkFz0V0m7o3kXn3TtYwq6e9C\n",
    );
    world.ok("user import hash.csv --yes");
    world.run("user export").shows(str![[r#"
$ twofa user export
? 0
--- stdout
login,name,email,phone,type,language,groups,password_hash,active
Supervisor,,,,employee,en,System administrators,,true
alice,'=cmd|calc,alice@example.com,+493012345678,employee,en,System administrators;Staff,,true
bob,,bob@example.com,,employee,en,,,false
zoë,"Zoë ""Z"", Z.",,,external,de,,,true
gina,,,,employee,en,,$2b$04$AAAAAAAAAAAAAAAAAAAAAOJ0f4QZ5xkFz0V0m7o3kXn3TtYwq6e9C,true
--- stderr
warning: 2 users have a password that only this store can check: the file leaves it out.
   hint: where the file is imported, they get another with `twofa password set`

"#]]);
    let file = world.ok("user export -q").stdout;
    world.write("all.csv", &file);
    let again = world.run("user import all.csv -o json").json(0);
    assert_eq!(
        (&again["changed"], &again["unchanged"]),
        (&json!(false), &json!(5))
    );
    let other = World::new();
    other.ok("group add Staff");
    other.write("all.csv", &file);
    other.ok("user import all.csv --yes");
    assert_eq!(other.ok("user export -q").stdout, file);
    world.run("user export -o ndjson").shows(str![[r#"
$ twofa user export -o ndjson
? 0
--- stdout
{"login":"Supervisor","name":null,"email":null,"phone":null,"type":"employee","language":"en","groups":["System administrators"],"password_hash":null,"active":true}
{"login":"alice","name":"=cmd|calc","email":"alice@example.com","phone":"+493012345678","type":"employee","language":"en","groups":["System administrators","Staff"],"password_hash":null,"active":true}
{"login":"bob","name":null,"email":"bob@example.com","phone":null,"type":"employee","language":"en","groups":[],"password_hash":null,"active":false}
{"login":"zoë","name":"Zoë \"Z\", Z.","email":null,"phone":null,"type":"external","language":"de","groups":[],"password_hash":null,"active":true}
{"login":"gina","name":null,"email":null,"phone":null,"type":"employee","language":"en","groups":[],"password_hash":"$2b$04$AAAAAAAAAAAAAAAAAAAAAOJ0f4QZ5xkFz0V0m7o3kXn3TtYwq6e9C","active":true}
--- stderr
warning: 2 users have a password that only this store can check: the file leaves it out.
   hint: where the file is imported, they get another with `twofa password set`

"#]]);
    world.ok("user add helga");
    let error = world.run("user export --as helga -o json").exits(5).error();
    assert_eq!(error["operation"], "CanManageAdministration");
}

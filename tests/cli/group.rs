//! `twofa group`.

use snapbox::str;

use crate::world::World;

/// Runs each line and shows it whole; the snapshot is filled in by the tool.
#[test]
fn groups_come_and_go() {
    let world = World::peopled();
    world.run("group add Helpdesk -o json").shows(str![[r#"
$ twofa group add Helpdesk -o json
? 0
--- stdout
{
  "name": "Helpdesk",
  "built_in": false,
  "users": [],
  "groups": [],
  "member_of": [],
  "changed": true,
  "warnings": []
}
--- stderr
The group `Helpdesk` was added.
Next: `twofa group add-member Helpdesk --user LOGIN`.

"#]]);
    world.run("group add ' HELPDESK '").shows(str![[r#"
$ twofa group add  HELPDESK 
? 0
--- stdout
name       Helpdesk
built in   no
users      –
groups     –
member of  –
changed    no
--- stderr
The group `Helpdesk` is there already.
Next: `twofa group add-member Helpdesk --user LOGIN`.

"#]]);
    world.ok("group add Support");
    world
        .run("group add-member Support --group helpdesk --user bob")
        .shows(str![[r#"
$ twofa group add-member Support --group helpdesk --user bob
? 0
--- stdout
name       Support
built in   no
users      bob
groups     Helpdesk
member of  –
changed    yes
--- stderr
2 members came into `Support`.

"#]]);
    world
        .run("group add-member Helpdesk --user ALICE@example.com --user bob -o json")
        .shows(str![[r#"
$ twofa group add-member Helpdesk --user ALICE@example.com --user bob -o json
? 0
--- stdout
{
  "name": "Helpdesk",
  "built_in": false,
  "users": [
    "alice",
    "bob"
  ],
  "groups": [],
  "member_of": [
    "Support"
  ],
  "changed": true,
  "warnings": []
}
--- stderr
2 members came into `Helpdesk`.

"#]]);
    world
        .run("group add-member Helpdesk --user alice")
        .shows(str![[r#"
$ twofa group add-member Helpdesk --user alice
? 0
--- stdout
name       Helpdesk
built in   no
users      alice, bob
groups     –
member of  Support
changed    no
--- stderr
In `Helpdesk` already.

"#]]);
    world.run("group list").shows(str![[r#"
$ twofa group list
? 0
--- stdout
NAME                   BUILT IN  USERS  GROUPS
All employees          yes       3      0
All external users     yes       0      0
Helpdesk               no        2      0
Support                no        1      1
System administrators  yes       1      0

"#]]);
    world.run("group list -o csv").shows(str![[r#"
$ twofa group list -o csv
? 0
--- stdout
name,built_in,users,groups
All employees,true,3,0
All external users,true,0,0
Helpdesk,false,2,0
Support,false,1,1
System administrators,true,1,0

"#]]);
    world.run("group show Support -o json").shows(str![[r#"
$ twofa group show Support -o json
? 0
--- stdout
{
  "name": "Support",
  "built_in": false,
  "users": [
    "bob"
  ],
  "groups": [
    "Helpdesk"
  ],
  "member_of": []
}
--- stderr
`twofa user list --group Support` lists everybody who is in it.

"#]]);
    world.run("group show helpdesk").shows(str![[r#"
$ twofa group show helpdesk
? 0
--- stdout
name       Helpdesk
built in   no
users      alice, bob
groups     –
member of  Support
--- stderr
`twofa user list --group Helpdesk` lists everybody who is in it.

"#]]);
    world
        .run("group show 'All employees' -o ndjson")
        .shows(str![[r#"
$ twofa group show All employees -o ndjson
? 0
--- stdout
{"name":"All employees","built_in":true,"users":null,"groups":[],"member_of":[]}
--- stderr
`twofa user list --group 'All employees'` lists everybody who is in it.

"#]]);
    // Through nesting.
    world.run("user list --group Support -o csv").shows(str![[r#"
$ twofa user list --group Support -o csv
? 0
--- stdout
login,name,email,phone,type,language,active,locked_until,groups,authenticator,recovery_codes_left,can_use_2fa,os_user,must_change,password_changed_at,last_login_at
alice,Alice,alice@example.com,,employee,en,true,,Helpdesk,false,0,true,,false,2026-01-01T00:00:00Z,
bob,,bob@example.com,,employee,en,true,,Helpdesk;Support,false,0,true,,false,2026-01-01T00:00:00Z,

"#]]);
    world
        .run("group edit Support --name 'First level'")
        .shows(str![[r#"
$ twofa group edit Support --name First level
? 0
--- stdout
name       First level
built in   no
users      bob
groups     Helpdesk
member of  –
changed    yes
--- stderr
`Support` is `First level` now.

"#]]);
    world
        .run("group edit 'first level' --name 'FIRST LEVEL'")
        .shows(str![[r#"
$ twofa group edit first level --name FIRST LEVEL
? 0
--- stdout
name       FIRST LEVEL
built in   no
users      bob
groups     Helpdesk
member of  –
changed    yes
--- stderr
`First level` is `FIRST LEVEL` now.

"#]]);
    world
        .run("group edit 'first level' --name 'FIRST LEVEL'")
        .shows(str![[r#"
$ twofa group edit first level --name FIRST LEVEL
? 0
--- stdout
name       FIRST LEVEL
built in   no
users      bob
groups     Helpdesk
member of  –
changed    no
--- stderr
`FIRST LEVEL` is called that already.

"#]]);
    world
        .run("group remove-member Helpdesk --user bob")
        .shows(str![[r#"
$ twofa group remove-member Helpdesk --user bob
? 2
--- stderr
error: are you sure? Out of `Helpdesk`: the user `bob`.
 hint: say yes with --yes

"#]]);
    world
        .run("group remove-member Helpdesk --user bob --yes -o json")
        .shows(str![[r#"
$ twofa group remove-member Helpdesk --user bob --yes -o json
? 0
--- stdout
{
  "name": "Helpdesk",
  "built_in": false,
  "users": [
    "alice"
  ],
  "groups": [],
  "member_of": [
    "FIRST LEVEL"
  ],
  "changed": true,
  "warnings": []
}
--- stderr
1 member left `Helpdesk`.

"#]]);
    world
        .run("group remove-member Helpdesk --user bob")
        .shows(str![[r#"
$ twofa group remove-member Helpdesk --user bob
? 0
--- stdout
name       Helpdesk
built in   no
users      alice
groups     –
member of  FIRST LEVEL
changed    no
--- stderr
Not directly in `Helpdesk`.

"#]]);
    world.ok("permission grant CanReset2FA --group Helpdesk");
    world.run("group remove Helpdesk").shows(str![[r#"
$ twofa group remove Helpdesk
? 2
--- stderr
error: are you sure? The group `Helpdesk` goes; 1 user and 0 groups are directly in it, and stay. Who is in it leaves `FIRST LEVEL` too. The rows of CanReset2FA allow that name it go.
 hint: say yes with --yes

"#]]);
    world
        .run("group remove Helpdesk --yes -o json")
        .shows(str![[r#"
$ twofa group remove Helpdesk --yes -o json
? 0
--- stdout
{
  "name": "Helpdesk",
  "built_in": false,
  "users": [
    "alice"
  ],
  "groups": [],
  "member_of": [
    "FIRST LEVEL"
  ],
  "changed": true,
  "warnings": []
}
--- stderr
The group `Helpdesk` was removed.

"#]]);
    world.run("group remove Helpdesk --yes").shows(str![[r#"
$ twofa group remove Helpdesk --yes
? 3
--- stderr
error: no group is named `Helpdesk`
 hint: `twofa group list` lists what there is

"#]]);
    world
        .run("group remove Helpdesk --if-exists -o json")
        .shows(str![[r#"
$ twofa group remove Helpdesk --if-exists -o json
? 0
--- stdout
{
  "name": "Helpdesk",
  "changed": false,
  "warnings": []
}
--- stderr
There is no group `Helpdesk`.

"#]]);
    world
        .run("group show 'first level' -o json")
        .shows(str![[r#"
$ twofa group show first level -o json
? 0
--- stdout
{
  "name": "FIRST LEVEL",
  "built_in": false,
  "users": [
    "bob"
  ],
  "groups": [],
  "member_of": []
}
--- stderr
`twofa user list --group 'FIRST LEVEL'` lists everybody who is in it.

"#]]);
    world.run("audit list --event group -o ndjson").shows(str![[r#"
$ twofa audit list --event group -o ndjson
? 0
--- stdout
{"seq":16,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.removed","subject":"Helpdesk","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":"Helpdesk","new":null},"users":{"old":1,"new":0},"member_of":{"old":["FIRST LEVEL"],"new":[]},"grantee_of":{"old":["CanReset2FA allow"],"new":[]}}}
{"seq":14,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.member_removed","subject":"Helpdesk","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"bob","new":null}}}
{"seq":13,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.edited","subject":"First level","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":"First level","new":"FIRST LEVEL"}}}
{"seq":12,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.edited","subject":"Support","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":"Support","new":"First level"}}}
{"seq":11,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.member_added","subject":"Helpdesk","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":null,"new":"bob"}}}
{"seq":10,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.member_added","subject":"Helpdesk","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":null,"new":"alice"}}}
{"seq":9,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.member_added","subject":"Support","outcome":"ok","reason":null,"note":null,"detail":{"group":{"old":null,"new":"Helpdesk"}}}
{"seq":8,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.member_added","subject":"Support","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":null,"new":"bob"}}}
{"seq":7,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.added","subject":"Support","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":null,"new":"Support"}}}
{"seq":6,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"group.added","subject":"Helpdesk","outcome":"ok","reason":null,"note":null,"detail":{"name":{"old":null,"new":"Helpdesk"}}}

"#]]);
    world.ok("audit verify");
}

#[test]
fn what_cannot_be_is_refused() {
    let world = World::peopled();
    for group in ["A", "B", "C"] {
        world.ok(&format!("group add {group}"));
    }
    world.ok("group add-member B --group A");
    world.ok("group add-member C --group B");
    world.run("group add-member A --group C -o json").shows(str![[r#"
$ twofa group add-member A --group C -o json
? 4
--- stderr
error: `C` cannot be a member of `A`: `A` is in `B`, `B` is in `C`
{"error":{"kind":"guard","message":"`C` cannot be a member of `A`: `A` is in `B`, `B` is in `C`","hint":null,"path":["A","B","C"]}}

"#]]);
    world.run("group add-member A --group a").shows(str![[r#"
$ twofa group add-member A --group a
? 4
--- stderr
error: `A` cannot be a member of `A`: it is the same group

"#]]);
    world
        .run("group add-member 'All employees' --user alice")
        .shows(str![[r#"
$ twofa group add-member All employees --user alice
? 4
--- stderr
error: `All employees` takes no members: everybody of that type is in it
 hint: `twofa user edit LOGIN --type TYPE` changes the type

"#]]);
    world
        .run("group add-member 'All external users' --group A")
        .shows(str![[r#"
$ twofa group add-member All external users --group A
? 4
--- stderr
error: `All external users` takes no members: everybody of that type is in it
 hint: `twofa user edit LOGIN --type TYPE` changes the type

"#]]);
    world
        .run("group edit 'All employees' --name Everybody")
        .shows(str![[r#"
$ twofa group edit All employees --name Everybody
? 4
--- stderr
error: `All employees` is built in and cannot be renamed

"#]]);
    world
        .run("group remove 'system administrators' --yes")
        .shows(str![[r#"
$ twofa group remove system administrators --yes
? 4
--- stderr
error: `System administrators` is built in and cannot be removed

"#]]);
    world.run("group edit A --name b").shows(str![[r#"
$ twofa group edit A --name b
? 4
--- stderr
error: there is a group `B` already
 hint: `twofa group show B` shows it

"#]]);
    world.run("group add ' '").shows(str![[r#"
$ twofa group add  
? 4
--- stderr
error: the group name `` is blank

"#]]);
    world.run("group add-member A").shows(str![[r#"
$ twofa group add-member A
? 2
--- stderr
error: the following required arguments were not provided:
  <--user <LOGIN>|--group <GROUP>>

Usage: twofa group add-member --db <FILE> <--user <LOGIN>|--group <GROUP>> <GROUP>

For more information, try '--help'.

"#]]);
    world.run("group add-member A --user alic").shows(str![[r#"
$ twofa group add-member A --user alic
? 3
--- stderr
error: no user is named `alic`
 hint: did you mean `alice`?

"#]]);
    world.run("group add-member D --user alice").shows(str![[r#"
$ twofa group add-member D --user alice
? 3
--- stderr
error: no group is named `D`
 hint: did you mean `A`?

"#]]);
    world
        .run("group show 'Systm administrators'")
        .shows(str![[r#"
$ twofa group show Systm administrators
? 3
--- stderr
error: no group is named `Systm administrators`
 hint: did you mean `System administrators`?

"#]]);
    for name in ["a;b", "-x"] {
        let done = world.run(&format!("group add -- '{name}'")).exits(4);
        assert!(
            done.stderr
                .starts_with(&format!("error: the group name `{name}` "))
        );
    }
    // Of several members one of which cannot be, none comes in.
    world
        .run("group add-member A --user alice --group C")
        .exits(4);
    assert_eq!(world.json("group show A")["users"], serde_json::json!([]));
}

/// A user and a group of one name never stand for each other.
#[test]
fn a_group_is_not_the_user_of_that_name() {
    let world = World::peopled();
    world.ok("group add alice");
    world.run("group add-member bob --user alice").exits(3);
    world.ok("group add-member alice --user bob");
    world.ok("permission grant CanManageLookups --group alice");
    world.run("template list --as alice").exits(5);
    world.ok("template list --as bob");
    world
        .run("permission check CanManageLookups alice -o json")
        .exits(5);
    world.ok("permission grant CanManageSysSettings --user alice");
    world.ok("mailbox list --as alice");
    world.run("mailbox list --as bob").exits(5);
    world.ok("permission revoke CanManageSysSettings --group alice --yes");
    world.ok("mailbox list --as alice");
    world.ok("user remove alice --yes");
    world.ok("template list --as bob");
}

/// Changing a type says which memberships go, through nesting too, and asks.
#[test]
fn a_type_change_says_what_goes() {
    let world = World::peopled();
    for group in ["Staff", "Canteen", "Parking"] {
        world.ok(&format!("group add {group}"));
    }
    world.ok("group add-member Staff --group 'All employees'");
    world.ok("group add-member Canteen --group Staff");
    world.ok("group add-member Canteen --group 'All external users'");
    world.ok("group add-member Parking --user alice");
    world.run("user edit alice --type external").shows(str![[r#"
$ twofa user edit alice --type external
? 2
--- stderr
error: are you sure? `alice` will leave `All employees`, `Staff`.
 hint: say yes with --yes

"#]]);
    world
        .run("user edit alice --type technical --group Canteen")
        .shows(str![[r#"
$ twofa user edit alice --type technical --group Canteen
? 2
--- stderr
error: are you sure? `alice` will leave `All employees`, `Parking`, `Staff`. As a technical user `alice` will never log in with a password.
 hint: say yes with --yes

"#]]);
    world.ok("user edit alice --type external --yes");
    let listed = |group: &str| {
        let users = world.json(&format!("user list --group {group}"));
        let logins = users.as_array().unwrap().iter();
        logins
            .map(|user| user["login"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("Staff"), ["bob", "Supervisor"]);
    assert_eq!(listed("Canteen"), ["alice", "bob", "Supervisor"]);
    assert_eq!(listed("Parking"), ["alice"]);
}

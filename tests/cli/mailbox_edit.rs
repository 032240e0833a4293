//! `twofa mailbox edit`, `remove` and `test`.

use snapbox::str;

use crate::world::World;

#[test]
fn edit_changes_what_is_named_and_keeps_the_rest() {
    let world = World::new();
    world
        .run("mailbox add ops --smtp mail.example.com --username ops --password-stdin --from ops@example.com")
        .stdin("one\n")
        .succeeds();
    world.run("mailbox edit ops --from 'Ops <ops@example.com>' -o ndjson").shows(str![[r#"
$ twofa mailbox edit ops --from Ops <ops@example.com> -o ndjson
? 0
--- stdout
{"name":"ops","kind":"smtp","from":"Ops <ops@example.com>","host":"mail.example.com","port":587,"tls":"starttls","username":"ops","auth":null,"password":"set","ca_file":null,"path":null,"changed":true,"warnings":[]}
--- stderr
The mailbox `ops` was changed.
Next: `twofa mailbox test ops`, then `twofa setting set 2FAmailbox ops`.

"#]]);
    // The password of one server is not for another to learn, nor for the network.
    world
        .run("mailbox edit ops --smtp smtp://relay.example.com:2525")
        .shows(str![[r#"
$ twofa mailbox edit ops --smtp smtp://relay.example.com:2525
? 2
--- stderr
error: password of the mail server is needed
 hint: give it with --password-stdin

"#]]);
    world.run("mailbox edit ops --tls none").shows(str![[r#"
$ twofa mailbox edit ops --tls none
? 2
--- stderr
error: password of the mail server is needed
 hint: give it with --password-stdin

"#]]);
    world
        .run("mailbox edit ops --smtp smtp://relay.example.com:2525 --name relay --password-stdin")
        .stdin("one\n")
        .shows(str![[r#"
$ twofa mailbox edit ops --smtp smtp://relay.example.com:2525 --name relay --password-stdin
? 0
--- stdout
name      relay
kind      smtp
from      Ops <ops@example.com>
host      relay.example.com
port      2525
tls       starttls
username  ops
password  set
changed   yes
--- stderr
The mailbox `relay` was changed.
Next: `twofa mailbox test relay`, then `twofa setting set 2FAmailbox relay`.

"#]]);
    world.run("mailbox edit relay --tls tls -o ndjson -q").shows(str![[r#"
$ twofa mailbox edit relay --tls tls -o ndjson -q
? 0
--- stdout
{"name":"relay","kind":"smtp","from":"Ops <ops@example.com>","host":"relay.example.com","port":2525,"tls":"tls","username":"ops","auth":null,"password":"set","ca_file":null,"path":null,"changed":true,"warnings":[]}

"#]]);
    world.run("mailbox edit relay --tls tls -o ndjson").shows(str![[r#"
$ twofa mailbox edit relay --tls tls -o ndjson
? 0
--- stdout
{"name":"relay","kind":"smtp","from":"Ops <ops@example.com>","host":"relay.example.com","port":2525,"tls":"tls","username":"ops","auth":null,"password":"set","ca_file":null,"path":null,"changed":false,"warnings":[]}
--- stderr
The mailbox `relay` is like that already.
Next: `twofa mailbox test relay`, then `twofa setting set 2FAmailbox relay`.

"#]]);
    world.run("mailbox edit relay --password-stdin -o ndjson").stdin("two\n").shows(str![[r#"
$ twofa mailbox edit relay --password-stdin -o ndjson
? 0
--- stdout
{"name":"relay","kind":"smtp","from":"Ops <ops@example.com>","host":"relay.example.com","port":2525,"tls":"tls","username":"ops","auth":null,"password":"set","ca_file":null,"path":null,"changed":true,"warnings":[]}
--- stderr
The mailbox `relay` was changed.
Next: `twofa mailbox test relay`, then `twofa setting set 2FAmailbox relay`.

"#]]);
    world.run("mailbox edit relay --password-stdin -o ndjson").stdin("two\n").shows(str![[r#"
$ twofa mailbox edit relay --password-stdin -o ndjson
? 0
--- stdout
{"name":"relay","kind":"smtp","from":"Ops <ops@example.com>","host":"relay.example.com","port":2525,"tls":"tls","username":"ops","auth":null,"password":"set","ca_file":null,"path":null,"changed":false,"warnings":[]}
--- stderr
The mailbox `relay` is like that already.
Next: `twofa mailbox test relay`, then `twofa setting set 2FAmailbox relay`.

"#]]);
    world.run("mailbox edit relay --no-username -o ndjson").shows(str![[r#"
$ twofa mailbox edit relay --no-username -o ndjson
? 0
--- stdout
{"name":"relay","kind":"smtp","from":"Ops <ops@example.com>","host":"relay.example.com","port":2525,"tls":"tls","username":null,"auth":null,"password":null,"ca_file":null,"path":null,"changed":true,"warnings":[]}
--- stderr
The mailbox `relay` was changed.
Next: `twofa mailbox test relay`, then `twofa setting set 2FAmailbox relay`.

"#]]);
    world.run("mailbox edit relay --file mail -o ndjson").shows(str![[r#"
$ twofa mailbox edit relay --file mail -o ndjson
? 0
--- stdout
{"name":"relay","kind":"file","from":"Ops <ops@example.com>","host":null,"port":null,"tls":null,"username":null,"auth":null,"password":null,"ca_file":null,"path":"[DIR]/mail","changed":true,"warnings":[]}
--- stderr
The mailbox `relay` was changed.
Next: `twofa mailbox test relay`, then `twofa setting set 2FAmailbox relay`.

"#]]);
    world.run("mailbox edit relya --file mail").shows(str![[r#"
$ twofa mailbox edit relya --file mail
? 3
--- stderr
error: no mailbox is named `relya`
 hint: did you mean `relay`?

"#]]);
    world.ok("mailbox add other --file mail --from other@example.com");
    world.run("mailbox edit other --name RELAY").shows(str![[r#"
$ twofa mailbox edit other --name RELAY
? 4
--- stderr
error: there is a mailbox `relay` already

"#]]);
    world.run("mailbox edit other --name Other -o ndjson").shows(str![[r#"
$ twofa mailbox edit other --name Other -o ndjson
? 0
--- stdout
{"name":"Other","kind":"file","from":"other@example.com","host":null,"port":null,"tls":null,"username":null,"auth":null,"password":null,"ca_file":null,"path":"[DIR]/mail","changed":true,"warnings":[]}
--- stderr
The mailbox `Other` was changed.
Next: `twofa mailbox test Other`, then `twofa setting set 2FAmailbox Other`.

"#]]);
    let details: Vec<String> = world
        .json("audit list --event mailbox")
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["event"], row["subject"], row["detail"]))
        .collect();
    snapbox::assert_data_eq!(
        details.join("\n"),
        str![[r#"
"mailbox.edited" "other" {"name":{"old":"other","new":"Other"}}
"mailbox.added" "other" {"name":{"old":null,"new":"other"},"kind":{"old":null,"new":"file"},"from":{"old":null,"new":"other@example.com"},"path":{"old":null,"new":"[DIR]/mail"}}
"mailbox.edited" "relay" {"kind":{"old":"smtp","new":"file"},"host":{"old":"relay.example.com","new":null},"port":{"old":2525,"new":null},"tls":{"old":"tls","new":null},"path":{"old":null,"new":"[DIR]/mail"}}
"mailbox.edited" "relay" {"username":{"old":"ops","new":null},"password":{"old":"set","new":null}}
"mailbox.edited" "relay" {"password":{"old":"set","new":"changed"}}
"mailbox.edited" "relay" {"tls":{"old":"starttls","new":"tls"}}
"mailbox.edited" "ops" {"name":{"old":"ops","new":"relay"},"host":{"old":"mail.example.com","new":"relay.example.com"},"port":{"old":587,"new":2525}}
"mailbox.edited" "ops" {"from":{"old":"ops@example.com","new":"Ops <ops@example.com>"}}
"mailbox.added" "ops" {"name":{"old":null,"new":"ops"},"kind":{"old":null,"new":"smtp"},"from":{"old":null,"new":"ops@example.com"},"host":{"old":null,"new":"mail.example.com"},"port":{"old":null,"new":587},"tls":{"old":null,"new":"starttls"},"username":{"old":null,"new":"ops"},"password":{"old":null,"new":"set"}}
"#]]
    );
}

#[test]
fn remove_asks_and_what_is_in_use_stays() {
    let world = World::peopled();
    world.run("mailbox remove trial --yes -o json").shows(str![[r#"
$ twofa mailbox remove trial --yes -o json
? 4
--- stderr
error: the setting `2FAmailbox` points at the mailbox `trial`
 hint: `twofa setting set 2FAmailbox OTHER`, or `twofa setting reset 2FAmailbox`, first
{"error":{"kind":"in_use","message":"the setting `2FAmailbox` points at the mailbox `trial`","hint":"`twofa setting set 2FAmailbox OTHER`, or `twofa setting reset 2FAmailbox`, first"}}

"#]]);
    world.ok("setting reset 2FAmailbox");
    world.run("mailbox remove trial").shows(str![[r#"
$ twofa mailbox remove trial
? 2
--- stderr
error: are you sure? The mailbox `trial` will be removed.
 hint: say yes with --yes

"#]]);
    world
        .run("mailbox remove TRIAL --yes -o json")
        .shows(str![[r#"
$ twofa mailbox remove TRIAL --yes -o json
? 0
--- stdout
{
  "name": "trial",
  "kind": "file",
  "from": "no-reply@example.com",
  "host": null,
  "port": null,
  "tls": null,
  "username": null,
  "auth": null,
  "password": null,
  "ca_file": null,
  "path": "[DIR]/mail",
  "changed": true,
  "warnings": []
}
--- stderr
The mailbox `trial` was removed.

"#]]);
    world.run("mailbox remove trial --yes").shows(str![[r#"
$ twofa mailbox remove trial --yes
? 3
--- stderr
error: no mailbox is named `trial`
 hint: `twofa mailbox list` lists what there is

"#]]);
    world
        .run("mailbox remove trial --yes --if-exists")
        .shows(str![[r#"
$ twofa mailbox remove trial --yes --if-exists
? 0
--- stdout
name     trial
changed  no
--- stderr
There is no mailbox `trial`.

"#]]);
    world.run("mailbox list").shows(str![[r#"
$ twofa mailbox list
? 0
--- stdout
NAME  KIND  FROM  HOST  PATH

"#]]);
}

#[test]
fn a_test_message_is_a_real_one() {
    let world = World::peopled();
    world.run("mailbox test trial").shows(str![[r#"
$ twofa mailbox test trial
? 2
--- stderr
error: you have no email address the message could go to
 hint: name one with --to ADDRESS

"#]]);
    world
        .run("mailbox test trial --to me@example.com")
        .shows(str![[r#"
$ twofa mailbox test trial --to me@example.com
? 0
--- stdout
mailbox    trial
to         me@example.com
delivered  yes
receipt    2026-01-01T000000Z-7f01fa92af6ff3dd.eml
--- stderr
= wrote [DIR]/mail/2026-01-01T000000Z-7f01fa92af6ff3dd.eml
The test message to me@example.com was accepted.

"#]]);
    world.run("mailbox test trial --to nobody").shows(str![[r#"
$ twofa mailbox test trial --to nobody
? 4
--- stderr
error: `nobody` is no email address
 hint: write it as name@example.com

"#]]);
    world.run("mailbox test trail").shows(str![[r#"
$ twofa mailbox test trail
? 3
--- stderr
error: no mailbox is named `trail`
 hint: did you mean `trial`?

"#]]);
    world.run("mailbox test trial --as bob").shows(str![[r#"
$ twofa mailbox test trial --as bob
? 5
--- stderr
error: `bob` lacks the operation `CanManageSysSettings`, which `twofa mailbox test` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world
        .run("audit list --event mailbox.tested -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event mailbox.tested -o ndjson
? 0
--- stdout
{"seq":6,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"mailbox.tested","subject":"trial","outcome":"ok","reason":null,"note":null,"detail":{"to":"me@example.com","said":"2026-01-01T000000Z-7f01fa92af6ff3dd.eml"}}

"#]]);
}

#[test]
fn passwords_come_from_a_file_too() {
    let world = World::new();
    world.write("secret", "from-a-file\nsecond line\n");
    world.ok("mailbox add ops --smtp mail.example.com --username ops --password-file secret --from a@example.com");
    world
        .run("mailbox add ops --smtp mail.example.com --username ops --password-stdin --from a@example.com -o ndjson -q")
        .stdin("from-a-file\n")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp mail.example.com --username ops --password-stdin --from a@example.com -o ndjson -q
? 0
--- stdout
{"name":"ops","kind":"smtp","from":"a@example.com","host":"mail.example.com","port":587,"tls":"starttls","username":"ops","auth":null,"password":"set","ca_file":null,"path":null,"changed":false,"warnings":[]}

"#]]);
    world
        .run("mailbox edit ops --password-file absent")
        .shows(str![[r#"
$ twofa mailbox edit ops --password-file absent
? 1
--- stderr
error: cannot read `absent`: No such file or directory (os error 2)

"#]]);
    world
        .run("mailbox edit ops --password-file secret --password-stdin")
        .exits(2);
    world.write("empty", "");
    world
        .run("mailbox edit ops --password-file empty")
        .shows(str![[r#"
$ twofa mailbox edit ops --password-file empty
? 2
--- stderr
error: `empty` has no line for --password-file

"#]]);
}

#[test]
fn a_command_with_a_name_in_it_can_be_copied() {
    let world = World::new();
    let added = world.ok("mailbox add 'Ops mail' --file mail --from a@example.com");
    assert!(
        added.stderr.contains(
            "`twofa mailbox test 'Ops mail'`, then `twofa setting set 2FAmailbox 'Ops mail'`"
        ),
        "{}",
        added.stderr
    );
    let conflict = world
        .run("mailbox add 'Ops mail' --file other --from a@example.com")
        .exits(4);
    assert!(
        conflict.stderr.contains("`twofa mailbox edit 'Ops mail'`"),
        "{}",
        conflict.stderr
    );
    let tested = world.ok("mailbox test 'Ops mail' --to b@example.com");
    assert!(
        tested.stderr.contains("2FAmailbox 'Ops mail'`"),
        "{}",
        tested.stderr
    );
    std::fs::remove_dir_all(world.file("mail")).unwrap();
    let failed = world
        .run("mailbox test 'Ops mail' --to b@example.com")
        .exits(1);
    assert!(
        failed.stderr.contains("`twofa mailbox show 'Ops mail'`"),
        "{}",
        failed.stderr
    );
    world.ok("user add 'Ann Lee'");
    let next = world.ok("authenticator connect 'Ann Lee'");
    assert!(
        next.stderr.contains("confirm 'Ann Lee' --setup-token"),
        "{}",
        next.stderr
    );
    let none = world
        .run("authenticator confirm Supervisor --code 123456")
        .exits(3);
    assert!(
        none.stderr.contains("connect Supervisor`"),
        "{}",
        none.stderr
    );
}

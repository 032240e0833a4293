//! `twofa mailbox add`, `list` and `show`. The other verbs stand in `mailbox_edit.rs`; what happens when a mailbox
//! misbehaves, in `delivery.rs`.

use snapbox::str;

use crate::world::World;

#[test]
fn add_smtp_list_and_show() {
    let world = World::new();
    world
        .run("mailbox add ops --smtp smtp://mail.example.com --tls starttls --username ops --password-stdin --from 'Ops Team <ops@example.com>'")
        .stdin("hunter2\n")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp smtp://mail.example.com --tls starttls --username ops --password-stdin --from Ops Team <ops@example.com>
? 0
--- stdout
name      ops
kind      smtp
from      Ops Team <ops@example.com>
host      mail.example.com
port      587
tls       starttls
username  ops
password  set
changed   yes
--- stderr
The mailbox `ops` was added.
Next: `twofa mailbox test ops`, then `twofa setting set 2FAmailbox ops`.

"#]]);
    world
        .run("mailbox add ops --smtp smtp://mail.example.com --tls starttls --username ops --password-stdin --from 'Ops Team <ops@example.com>' -o json")
        .stdin("hunter2\n")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp smtp://mail.example.com --tls starttls --username ops --password-stdin --from Ops Team <ops@example.com> -o json
? 0
--- stdout
{
  "name": "ops",
  "kind": "smtp",
  "from": "Ops Team <ops@example.com>",
  "host": "mail.example.com",
  "port": 587,
  "tls": "starttls",
  "username": "ops",
  "auth": null,
  "password": "set",
  "ca_file": null,
  "path": null,
  "changed": false,
  "warnings": []
}
--- stderr
The mailbox `ops` is like that already.
Next: `twofa mailbox test ops`, then `twofa setting set 2FAmailbox ops`.

"#]]);
    world
        .run("mailbox add other --smtp smtps://mail.example.com:4650 --from ops@example.com -o ndjson")
        .shows(str![[r#"
$ twofa mailbox add other --smtp smtps://mail.example.com:4650 --from ops@example.com -o ndjson
? 0
--- stdout
{"name":"other","kind":"smtp","from":"ops@example.com","host":"mail.example.com","port":4650,"tls":"tls","username":null,"auth":null,"password":null,"ca_file":null,"path":null,"changed":true,"warnings":[]}
--- stderr
The mailbox `other` was added.
Next: `twofa mailbox test other`, then `twofa setting set 2FAmailbox other`.

"#]]);
    world
        .run("mailbox add plain --smtp '[::1]:2525' --tls none --username u --password-stdin --from ops@example.com -q")
        .stdin("pw\n")
        .shows(str![[r#"
$ twofa mailbox add plain --smtp [::1]:2525 --tls none --username u --password-stdin --from ops@example.com -q
? 0
--- stdout
name      plain
kind      smtp
from      ops@example.com
host      ::1
port      2525
tls       none
username  u
password  set
changed   yes
--- stderr
warning: the password goes over the network unprotected.
   hint: --tls starttls or --tls tls

"#]]);
    world.run("mailbox list").shows(str![[r#"
$ twofa mailbox list
? 0
--- stdout
NAME   KIND  FROM                        HOST              PATH
ops    smtp  Ops Team <ops@example.com>  mail.example.com  –
other  smtp  ops@example.com             mail.example.com  –
plain  smtp  ops@example.com             ::1               –

"#]]);
    world.run("mailbox list -o csv").shows(str![[r#"
$ twofa mailbox list -o csv
? 0
--- stdout
name,kind,from,host,port,tls,username,auth,password,ca_file,path
ops,smtp,Ops Team <ops@example.com>,mail.example.com,587,starttls,ops,,set,,
other,smtp,ops@example.com,mail.example.com,4650,tls,,,,,
plain,smtp,ops@example.com,::1,2525,none,u,,set,,

"#]]);
    world.run("mailbox show OPS -o json").shows(str![[r#"
$ twofa mailbox show OPS -o json
? 0
--- stdout
{
  "name": "ops",
  "kind": "smtp",
  "from": "Ops Team <ops@example.com>",
  "host": "mail.example.com",
  "port": 587,
  "tls": "starttls",
  "username": "ops",
  "auth": null,
  "password": "set",
  "ca_file": null,
  "path": null
}

"#]]);
    world.run("mailbox show opz").shows(str![[r#"
$ twofa mailbox show opz
? 3
--- stderr
error: no mailbox is named `opz`
 hint: did you mean `ops`?

"#]]);
    world.run("mailbox show nothing-like-it").shows(str![[r#"
$ twofa mailbox show nothing-like-it
? 3
--- stderr
error: no mailbox is named `nothing-like-it`
 hint: `twofa mailbox list` lists what there is

"#]]);
    // The password is nowhere in the clear.
    let bytes = std::fs::read(world.file("twofa.db")).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
}

#[test]
fn add_file_and_sendmail() {
    let world = World::new();
    world
        .run("mailbox add trial --file mail --from no-reply@example.com -o json")
        .shows(str![[r#"
$ twofa mailbox add trial --file mail --from no-reply@example.com -o json
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
The mailbox `trial` was added.
Next: `twofa mailbox test trial`, then `twofa setting set 2FAmailbox trial`.

"#]]);
    assert!(world.file("mail").is_dir());
    world
        .run("mailbox add trial --file mail --from no-reply@example.com -q -o ndjson")
        .shows(str![[r#"
$ twofa mailbox add trial --file mail --from no-reply@example.com -q -o ndjson
? 0
--- stdout
{"name":"trial","kind":"file","from":"no-reply@example.com","host":null,"port":null,"tls":null,"username":null,"auth":null,"password":null,"ca_file":null,"path":"[DIR]/mail","changed":false,"warnings":[]}

"#]]);
    // Whether it is there is another machine's matter: then a warning says that it is not.
    let local = world.json("mailbox add local --sendmail --from no-reply@example.com");
    assert_eq!(local["path"], "/usr/sbin/sendmail");
    world
        .run("mailbox add third --sendmail ./bin/send --from no-reply@example.com -q -o json")
        .shows(str![[r#"
$ twofa mailbox add third --sendmail ./bin/send --from no-reply@example.com -q -o json
? 0
--- stdout
{
  "name": "third",
  "kind": "sendmail",
  "from": "no-reply@example.com",
  "host": null,
  "port": null,
  "tls": null,
  "username": null,
  "auth": null,
  "password": null,
  "ca_file": null,
  "path": "[DIR]/bin/send",
  "changed": true,
  "warnings": [
    {
      "kind": "file_absent",
      "message": "there is no file `[DIR]/bin/send`.",
      "hint": "--sendmail names it; a path is read from the current directory, and PATH is not searched"
    }
  ]
}
--- stderr
warning: there is no file `[DIR]/bin/send`.
   hint: --sendmail names it; a path is read from the current directory, and PATH is not searched

"#]]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_made_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.ok("mailbox add trial --file a/b --from no-reply@example.com");
    for made in ["a", "a/b"] {
        let mode = world.file(made).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{made}");
    }
    world.write("in-the-way", "");
    world
        .run("mailbox add bad --file in-the-way --from no-reply@example.com")
        .shows(str![[r#"
$ twofa mailbox add bad --file in-the-way --from no-reply@example.com
? 1
--- stderr
error: cannot make the directory `[DIR]/in-the-way`: File exists (os error 17)

"#]]);
}

#[test]
fn a_different_one_of_that_name_is_a_conflict() {
    let world = World::new();
    world.ok("mailbox add trial --file mail --from no-reply@example.com");
    world
        .run("mailbox add Trial --file mail --from other@example.com -o json")
        .shows(str![[r#"
$ twofa mailbox add Trial --file mail --from other@example.com -o json
? 4
--- stderr
error: the mailbox `trial` exists and has another from
 hint: `twofa mailbox edit trial` changes it
{"error":{"kind":"conflict","message":"the mailbox `trial` exists and has another from","hint":"`twofa mailbox edit trial` changes it"}}

"#]]);
    world
        .run("mailbox add trial --smtp mail.example.com --from no-reply@example.com")
        .shows(str![[r#"
$ twofa mailbox add trial --smtp mail.example.com --from no-reply@example.com
? 4
--- stderr
error: the mailbox `trial` exists and has another kind, host, port, tls, path
 hint: `twofa mailbox edit trial` changes it

"#]]);
    world
        .run("mailbox add TRIAL --file mail --from no-reply@example.com -o ndjson")
        .shows(str![[r#"
$ twofa mailbox add TRIAL --file mail --from no-reply@example.com -o ndjson
? 0
--- stdout
{"name":"trial","kind":"file","from":"no-reply@example.com","host":null,"port":null,"tls":null,"username":null,"auth":null,"password":null,"ca_file":null,"path":"[DIR]/mail","changed":false,"warnings":[]}
--- stderr
The mailbox `trial` is like that already.
Next: `twofa mailbox test trial`, then `twofa setting set 2FAmailbox trial`.

"#]]);
    // Another password is a difference too.
    world
        .run("mailbox add ops --smtp mail.example.com --username ops --password-stdin --from ops@example.com")
        .stdin("one\n")
        .succeeds();
    world
        .run("mailbox add ops --smtp mail.example.com --username ops --password-stdin --from ops@example.com")
        .stdin("two\n")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp mail.example.com --username ops --password-stdin --from ops@example.com
? 4
--- stderr
error: the mailbox `ops` exists and has another password
 hint: `twofa mailbox edit ops` changes it

"#]]);
}

#[test]
fn what_is_no_server_no_sender_no_name() {
    let world = World::new();
    for (line, code) in [
        ("--smtp http://mail.example.com --from a@example.com", 4),
        ("--smtp smtp:// --from a@example.com", 4),
        (
            "--smtp 'smtp://u:secret-pw@mail.example.com' --from a@example.com",
            4,
        ),
        (
            "--smtp smtp://mail.example.com/inbox --from a@example.com",
            4,
        ),
        ("--smtp mail.example.com:99999 --from a@example.com", 4),
        ("--smtp mail.example.com:0 --from a@example.com", 4),
        ("--smtp 'mail example com' --from a@example.com", 4),
        (
            "--smtp smtps://mail.example.com --tls none --from a@example.com",
            2,
        ),
        ("--smtp mail.example.com --from nobody", 4),
        ("--smtp mail.example.com --from 'Ops <nobody>'", 4),
        ("--smtp mail.example.com --from 'Ops a@example.com>'", 4),
        ("--smtp mail.example.com", 2),
        ("--from a@example.com", 2),
        (
            "--smtp mail.example.com --file mail --from a@example.com",
            2,
        ),
        ("--smtp mail.example.com --tls half --from a@example.com", 2),
    ] {
        let done = world.run(&format!("mailbox add bad {line}")).exits(code);
        assert_eq!(done.stdout, "", "{line}");
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
    }
    world
        .run("mailbox add bad --smtp http://mail.example.com --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add bad --smtp http://mail.example.com --from a@example.com
? 4
--- stderr
error: `http://mail.example.com` is no SMTP server
 hint: write it as smtp://mail.example.com:587; the password comes with --password-stdin

"#]]);
    world.run("mailbox add bad --smtp mail.example.com:99999 --from a@example.com -o json").shows(str![[r#"
$ twofa mailbox add bad --smtp mail.example.com:99999 --from a@example.com -o json
? 4
--- stderr
error: `mail.example.com:99999` is no SMTP server
 hint: write it as smtp://mail.example.com:587; the password comes with --password-stdin
{"error":{"kind":"invalid_value","message":"`mail.example.com:99999` is no SMTP server","hint":"write it as smtp://mail.example.com:587; the password comes with --password-stdin"}}

"#]]);
    world
        .run("mailbox add bad --smtp smtps://mail.example.com --tls none --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add bad --smtp smtps://mail.example.com --tls none --from a@example.com
? 2
--- stderr
error: smtps:// means --tls tls, not --tls none

"#]]);
    world
        .run("mailbox add bad --smtp mail.example.com --from 'Ops <nobody>'")
        .shows(str![[r#"
$ twofa mailbox add bad --smtp mail.example.com --from Ops <nobody>
? 4
--- stderr
error: `nobody` is no email address
 hint: write it as name@example.com

"#]]);
    world
        .run("mailbox add bad --smtp mail.example.com")
        .shows(str![[r#"
$ twofa mailbox add bad --smtp mail.example.com
? 2
--- stderr
error: the sender is needed
 hint: give it with --from

"#]]);
    world
        .run("mailbox add bad --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add bad --from a@example.com
? 2
--- stderr
error: how the mailbox sends is not said
 hint: give --smtp URL, --file DIR or --sendmail

"#]]);
    world
        .run("mailbox add '' --file mail --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add  --file mail --from a@example.com
? 4
--- stderr
error: the mailbox name `` is blank

"#]]);
    world
        .run("mailbox add 'two\nlines' --file mail --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add two
lines --file mail --from a@example.com
? 4
--- stderr
error: the mailbox name `two\u{a}lines` has a control character in it

"#]]);
    world
        .run("mailbox add --file mail --from a@example.com -- --yes")
        .shows(str![[r#"
$ twofa mailbox add --file mail --from a@example.com -- --yes
? 4
--- stderr
error: the mailbox name `--yes` begins with a dash
 hint: what begins with a dash is an option to every command

"#]]);
    world.run("mailbox list -o json").shows(str![[r#"
$ twofa mailbox list -o json
? 0
--- stdout
[]

"#]]);
}

/// A password in a URL would stand in the process list; refused, it must not stand in the message either.
#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    let world = World::new();
    world
        .run("mailbox add bad --smtp http://u:sesame@mail.example.com --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add bad --smtp http://u:sesame@mail.example.com --from a@example.com
? 4
--- stderr
error: `…@mail.example.com` is no SMTP server
 hint: write it as smtp://mail.example.com:587; the password comes with --password-stdin

"#]]);
    world
        .run("mailbox add bad --smtp 'smtp://u:sesame@mail.example.com' --from a@example.com -o json")
        .shows(str![[r#"
$ twofa mailbox add bad --smtp smtp://u:sesame@mail.example.com --from a@example.com -o json
? 4
--- stderr
error: the address of an SMTP server has no username or password in it
 hint: give them with --username NAME --password-stdin
{"error":{"kind":"invalid_value","message":"the address of an SMTP server has no username or password in it","hint":"give them with --username NAME --password-stdin"}}

"#]]);
}

#[test]
fn a_username_and_a_password_go_together() {
    let world = World::new();
    world
        .run("mailbox add ops --smtp mail.example.com --username ops --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp mail.example.com --username ops --from a@example.com
? 2
--- stderr
error: password of the mail server is needed
 hint: give it with --password-stdin

"#]]);
    world
        .run("mailbox add ops --smtp mail.example.com --password-stdin --from a@example.com")
        .stdin("pw\n")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp mail.example.com --password-stdin --from a@example.com
? 2
--- stderr
error: a password goes with a username of an SMTP server
 hint: give --smtp URL --username NAME with it

"#]]);
    world
        .run("mailbox add ops --smtp mail.example.com --username ops --password-stdin --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add ops --smtp mail.example.com --username ops --password-stdin --from a@example.com
? 2
--- stderr
error: standard input has no line for --password-stdin

"#]]);
    world.run("mailbox list -o json").shows(str![[r#"
$ twofa mailbox list -o json
? 0
--- stdout
[]

"#]]);
}

#[test]
fn what_belongs_to_smtp_is_refused_elsewhere() {
    let world = World::new();
    world
        .run("mailbox add trial --file mail --tls tls --from a@example.com")
        .shows(str![[r#"
$ twofa mailbox add trial --file mail --tls tls --from a@example.com
? 2
--- stderr
error: --tls, --username, --auth and --ca-file go with --smtp

"#]]);
    world.run("mailbox add trial --sendmail ./send --username u --password-stdin --from a@example.com").stdin("pw\n").shows(str![[r#"
$ twofa mailbox add trial --sendmail ./send --username u --password-stdin --from a@example.com
? 2
--- stderr
error: --tls, --username, --auth and --ca-file go with --smtp

"#]]);
    world.ok("mailbox add trial --file mail --from a@example.com");
    world
        .run("mailbox edit trial --password-stdin")
        .stdin("pw\n")
        .shows(str![[r#"
$ twofa mailbox edit trial --password-stdin
? 2
--- stderr
error: a password goes with a username of an SMTP server
 hint: give --smtp URL --username NAME with it

"#]]);
    world
        .run("mailbox edit trial --ca-file ca.pem")
        .shows(str![[r#"
$ twofa mailbox edit trial --ca-file ca.pem
? 2
--- stderr
error: --tls, --username, --auth and --ca-file go with --smtp

"#]]);
    world
        .run("mailbox edit trial --sendmail --username u")
        .shows(str![[r#"
$ twofa mailbox edit trial --sendmail --username u
? 2
--- stderr
error: --tls, --username, --auth and --ca-file go with --smtp

"#]]);
    world.run("mailbox list").shows(str![[r#"
$ twofa mailbox list
? 0
--- stdout
NAME   KIND  FROM           HOST  PATH
trial  file  a@example.com  –     [DIR]/mail

"#]]);
}

//! `apply`, `diff` and `export`: what a policy file declares, end to end.

use std::fs;

use serde_json::{Value, json};
use snapbox::str;

use crate::world::World;

/// A small set-up. `DIR` stands for the world's directory.
pub const SMALL: &str = r#"version = 1

[settings]
Enable2FA = true
2FAmailbox = "ops"
SecondFactorCodeTTL = "5m"

[methods.email]
enabled = true
primary = true

[mailboxes.ops]
kind = "file"
from = "twofa <twofa@example.com>"
path = "DIR/post"

[templates."2FA SMS code".de]
text = """
#SecondFactorCode# ist der Code.
Er gilt #SecondFactorCodeTTL#.
"""

[groups.Helpdesk]
users = ["alice"]

[groups.Staff]
groups = ["Helpdesk"]

[users.alice]
name = "Alice Adams"
email = "alice@example.com"

[users."carol@example.com"]
type = "external"
language = "de"
groups = ["Staff"]

[permissions]
CanReset2FA = [
    { group = "System administrators", access = "allow" },
    { group = "Helpdesk", access = "allow", until = 2027-01-01T00:00:00Z },
]
"#;

/// A world with the file `policy.toml`.
pub fn world(text: &str) -> World {
    let world = World::new();
    write(&world, text);
    world
}

fn write(world: &World, text: &str) {
    let directory = world.path().display().to_string();
    world.write("policy.toml", &text.replace("DIR", &directory));
}

#[test]
fn diff_tells_apply_makes_it_so_and_export_writes_it_down() {
    let world = world(SMALL);
    world.run("diff policy.toml").shows(str![[r#"
$ twofa diff policy.toml
? 20
--- stdout
+ group Helpdesk
+ group Staff
+ mailbox ops
    kind: file
    from: twofa <twofa@example.com>
    path: [DIR]/post
~ template 2FA SMS code (de)
    text:
      - #SecondFactorCode# ist Ihr Code zum Anmelden. Er gilt #SecondFactorCodeTTL# Sekunden.
      + #SecondFactorCode# ist der Code.
      + Er gilt #SecondFactorCodeTTL#.
+ user alice
    name: Alice Adams
    email: alice@example.com
    type: employee
    language: en
+ user carol@example.com
    type: external
    language: de
~ group Staff
    + group Helpdesk
~ group Helpdesk
    + user alice
~ group Staff
    + user carol@example.com
+ permission CanReset2FA: group Helpdesk
    position: 2
    access: allow
    until: 2027-01-01T00:00:00Z
~ setting Enable2FA: false → true
~ setting 2FAmailbox: – → ops
~ setting SecondFactorCodeTTL: 60 → 300
~ method email
    enabled: false → true
    primary: false → true
--- stderr
14 changes (6 added, 8 edited). Next: `twofa apply policy.toml`.

"#]]);
    let diff = world.run("diff policy.toml -o json").json(20);
    let applied = world.run("apply policy.toml --yes -o json").json(0);
    assert_eq!(diff, applied);
    assert_eq!(diff["changed"], true);
    assert_eq!(
        diff["changes"][0],
        json!({"noun": "group", "key": "Helpdesk", "op": "add", "fields": [{"name": "name", "old": null, "new": "Helpdesk"}]})
    );
    world.run("apply policy.toml").shows(str![[r#"
$ twofa apply policy.toml
? 0
--- stderr
The store is as the file declares it already.

"#]]);
    world.run("diff policy.toml -o json").shows(str![[r#"
$ twofa diff policy.toml -o json
? 0
--- stdout
{
  "changes": [],
  "impact": [],
  "changed": false,
  "warnings": []
}
--- stderr
Nothing differs.

"#]]);
    world.run("export").shows(str![[r#"
$ twofa export
? 0
--- stdout
# Written by `twofa export`. `twofa diff FILE` tells what it would change, `twofa apply FILE` makes it so.
version = 1

[settings]
Enable2FA = true
2FAmailbox = "ops"
SecondFactorCodeTTL = 300

[methods.email]
enabled = true
primary = true

[methods.sms]
enabled = false

[methods.totp]
enabled = false

[methods.recovery-codes]
enabled = false

[mailboxes.ops]
kind = "file"
from = "twofa <twofa@example.com>"
path = "[DIR]/post"

[sms_providers]

[templates."2FA SMS code".de]
text = """
#SecondFactorCode# ist der Code.
Er gilt #SecondFactorCodeTTL#."""

[groups.Helpdesk]
users = ["alice"]
groups = []

[groups.Staff]
users = ["carol@example.com"]
groups = ["Helpdesk"]

[groups."System administrators"]
users = ["Supervisor"]
groups = []

[users.alice]
name = "Alice Adams"
email = "alice@example.com"
type = "employee"

[users."carol@example.com"]
type = "external"
language = "de"

[users.Supervisor]
type = "employee"

[permissions]
CanUse2FA = [
    { group = "All employees", access = "allow" },
    { group = "All external users", access = "allow" },
]
CanReset2FA = [
    { group = "System administrators", access = "allow" },
    { group = "Helpdesk", access = "allow", until = "2027-01-01T00:00:00Z" },
]
CanManageUsers = [
    { group = "System administrators", access = "allow" },
]
CanManageLookups = [
    { group = "System administrators", access = "allow" },
]
CanManageSysSettings = [
    { group = "System administrators", access = "allow" },
]
CanChangeAdminOperationGrantee = [
    { group = "System administrators", access = "allow" },
]
CanViewSysOperationAudit = [
    { group = "System administrators", access = "allow" },
]
CanManageSysOperationAudit = [
    { group = "System administrators", access = "allow" },
]
CanManageAdministration = [
    { group = "System administrators", access = "allow" },
]

"#]]);
    world
        .run("export --only setting --only methods -o json")
        .shows(str![[r#"
$ twofa export --only setting --only methods -o json
? 0
--- stdout
{
  "version": 1,
  "settings": {
    "Enable2FA": true,
    "2FAmailbox": "ops",
    "SecondFactorCodeTTL": 300
  },
  "methods": {
    "email": {
      "enabled": true,
      "primary": true
    },
    "sms": {
      "enabled": false
    },
    "totp": {
      "enabled": false
    },
    "recovery-codes": {
      "enabled": false
    }
  }
}

"#]]);
    world
        .run("audit list --limit 4 --event policy")
        .shows(str![[r#"
$ twofa audit list --limit 4 --event policy
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT           SUBJECT  OUTCOME  REASON
16   2026-01-01T00:00:00Z  Supervisor  policy.applied  –        ok       –

"#]]);
    assert!(world.file("post").is_dir());
}

#[test]
fn a_policy_is_json_too_and_comes_from_standard_input() {
    let world = World::new();
    let text = r#"{"$schema": "policy.schema.json", "version": 1, "users": {"alice": {"email": "alice@example.com"}}}"#;
    world.run("diff - -o json").stdin(text).json(20);
    let done = world.run("apply - --yes -o json").stdin(text).json(0);
    assert_eq!(done["changes"][0]["key"], "alice");
    let again = world.run("apply - -o json").stdin(text).json(0);
    assert_eq!(again["changed"], false);
    let named = world
        .run("apply - --yes --confirm-code-stdin")
        .stdin(text)
        .exits(2);
    assert!(
        named
            .stderr
            .contains("cannot be both the file and the confirmation code")
    );
}

/// The last row is wrong: nothing of those before it stays.
#[test]
fn all_of_it_or_nothing() {
    let world = world(SMALL);
    let before = world.ok("export").stdout;
    write(
        &world,
        &format!("{SMALL}CanManageUsers = [{{ group = \"Nobody\", access = \"allow\" }}]\n"),
    );
    let done = world.run("apply policy.toml --yes -o json").exits(3);
    assert_eq!(
        done.error()["message"],
        "line 43: permissions.CanManageUsers.0: no group is named `Nobody`"
    );
    assert_eq!(world.ok("export").stdout, before);
    assert!(!world.file("post").exists());
    world.ok("audit verify");
}

/// What only looks leaves the file and its log as they are, byte for byte.
#[test]
fn looking_changes_nothing() {
    let world = world(SMALL);
    // A log that is not empty, as a writer leaves it that has not ended.
    let writer = world.writer();
    let before = world.bytes();
    for line in [
        "diff policy.toml",
        "diff policy.toml --prune",
        "apply policy.toml --dry-run",
    ] {
        world.run(line).exits(20);
        assert!(world.bytes() == before, "{line}");
    }
    world.ok("export");
    assert!(world.bytes() == before);
    drop(writer);
}

#[test]
fn a_dry_run_is_a_diff() {
    let world = world(SMALL);
    let diff = world.run("diff policy.toml --prune").done();
    let dry = world.run("apply policy.toml --prune --dry-run").done();
    assert_eq!(
        (diff.code, &diff.stdout, &diff.stderr),
        (dry.code, &dry.stdout, &dry.stderr)
    );
    // Nobody is asked, and nothing is confirmed.
    assert_eq!(dry.code, Some(20));
}

#[test]
fn apply_asks_first() {
    let world = world(SMALL);
    world.run("apply policy.toml").shows(str![[r#"
$ twofa apply policy.toml
? 2
--- stderr
error: are you sure? 14 changes will be made: 6 to add, 8 to edit, 0 to remove.
 hint: say yes with --yes

"#]]);
    assert_eq!(world.json("user list").as_array().unwrap().len(), 1);
}

/// A name that one user gives up is another's in the same run, in whatever order the file names them.
#[test]
fn names_change_hands() {
    let world = World::peopled();
    world.write(
        "policy.toml",
        "version = 1\n[users.alice]\nemail = 'bob@example.com'\n[users.bob]\nemail = 'b@example.com'\n[users.'alice@example.com']\n",
    );
    world.ok("apply policy.toml --yes");
    assert_eq!(
        world.run("apply policy.toml -o json").json(0)["changed"],
        false
    );
    assert_eq!(world.json("user show bob@example.com")["login"], "alice");
}

/// Along a row, too: each takes the next one's.
#[test]
fn names_are_handed_on_along_a_row() {
    let world = World::new();
    let file = |shift: usize| {
        (0..40).fold("version = 1\n".to_owned(), |text, at| {
            text + &format!("[users.u{at}]\nemail = 'a{}@example.com'\n", at + shift)
        })
    };
    world.write("policy.toml", &file(0));
    world.ok("apply policy.toml --yes");
    world.write("policy.toml", &file(1));
    world.ok("apply policy.toml --yes");
    assert_eq!(world.json("user show u7")["email"], "a8@example.com");
}

/// An empty text clears, and what is absent stays.
#[test]
fn an_empty_text_clears() {
    let world = World::peopled();
    world.ok("user edit alice --phone +493012345678");
    world.write(
        "policy.toml",
        "version = 1\n[users.alice]\nphone = ''\n[settings]\n2FAmailbox = ''\n",
    );
    world.run("apply policy.toml --yes").shows(str![[r#"
$ twofa apply policy.toml --yes
? 0
--- stdout
~ user alice
    phone: +493012345678 → –
~ setting 2FAmailbox: trial → –
--- stderr
Applied: 2 changes (2 edited).
Next: `twofa status`.

"#]]);
    let alice = world.json("user show alice");
    assert_eq!(
        (&alice["phone"], &alice["email"]),
        (&Value::Null, &json!("alice@example.com"))
    );
}

#[test]
fn a_read_only_store_can_be_looked_at() {
    let world = world(SMALL);
    let database = world.file("twofa.db");
    let mut rights = fs::metadata(&database).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&database, rights).unwrap();
    world.run("diff policy.toml").exits(20);
    world.ok("export");
}

#[test]
fn the_help_of_the_file_is_its_schema() {
    let world = World::empty();
    world.run("help policy").shows(str![[r#"
$ twofa help policy
? 0
--- stdout
A policy file declares a set-up: TOML, or JSON. `twofa diff FILE` tells what it
would change, `twofa apply FILE` makes it so, `twofa export` writes one.

A section that is absent is not managed. Within a section, what is not named
stays as it is, and goes with --prune. A key that is absent stays as it is; an
empty text clears it.

`twofa help policy -o json` prints the JSON Schema, for editors.

version = 1

[settings]
  System settings by code. With --prune, those not named are reset.

[methods]
  The 2FA methods by code: email, sms, totp, recovery-codes. With --prune, those not named are disabled.
    enabled      Whether it may be used.
    primary      Whether it is asked first. It enables the method, and no other one is primary.

[mailboxes]
  Mailboxes by name. With --prune, those not named are removed.
    kind         How it sends; needed for a new one.
    from         Who its messages come from: `ADDRESS` or `NAME <ADDRESS>`; needed for a new one.
    host         smtp: the server.
    port         smtp: its port; without it, 25, 587 or 465 as `tls` says.
    tls          smtp: how the connection is protected; without it, starttls.
    username     smtp: who logs in.
    auth         smtp: how the server is told so; without it, as the server offers.
    password     smtp: where the password is.
    ca_file      smtp: certificates to trust instead of the system's, as an absolute path.
    path         file: the directory; sendmail: the program; as an absolute path.

[sms_providers]
  SMS providers by name. With --prune, those not named are removed.
    kind         How it sends; needed for a new one.
    from         Whom its messages say they are from; without it, the setting `SmsSenderName`.
    account      twilio: the account.
    username     http, smpp: who logs in.
    secret       twilio, http, smpp: where the token or password is.
    url          twilio: where the interface is; http: where a message is sent to, with macros.
    method       http: GET, POST or PUT.
    headers      http: headers, each as `Name: value`, with macros.
    body         http: what is sent, with macros.
    success      http: what counts as success beside the status.
    receipt      http: where in the answer the receipt is.
    host         smpp: the message centre.
    port         smpp: its port.
    tls          smpp: none or tls.
    system_type  smpp: the system type that binds.
    ca_file      twilio, http, smpp: certificates to trust instead of the system's, as an absolute path.
    path         command: the program; file: the directory; as an absolute path.
    arguments    command: its arguments, with macros.

[templates]
  The words of templates, by template and language. With --prune, those not named are the shipped ones.
    subject      Of an email.
    text         Plain text.
    html         The HTML part of an email; empty: none.

[groups]
  Groups by name. With --prune, those not named are removed, save the built-in ones.
    users        Logins of users who are in it directly.
    groups       Names of groups that are in it directly.

[users]
  Users by login. With --prune, those not named are removed, save the first administrator.
    name         Full name.
    email        Email address.
    phone        Phone: + and 7 to 15 digits.
    type         employee, external or technical; a new one is an employee.
    language     Language of messages, as a tag; a new user has en.
    active       Whether they may log in at all; a new one may.
    os_user      The account of the machine that acts as this user.
    groups       Names of groups to be in directly, beside those whose `users` name this user.

[permissions]
  Who may, by operation: always the whole list, in order. With --prune, lists not named are those of a new store.
    user         A user, by login.
    group        A group, by name.
    access       allow or deny.
    until        From when on the row does not match, as 2026-12-31T12:00:00Z.

A secret never stands in the file. It is referred to as
  env:NAME          a variable of the environment
  file:/PATH        the first line of a file
  credential:NAME   a credential that systemd handed to the unit

"#]]);
    let schema = world.json("help policy");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(
        schema["properties"]["settings"]["properties"]["Enable2FA"]["type"],
        "boolean"
    );
}

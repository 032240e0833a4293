//! Secrets of a policy file: by reference, compared and sealed, and in no output.

use snapbox::str;

use crate::world::World;

const MAIL: &str = "version = 1
[mailboxes.\"Ops & co\"]
kind = 'smtp'
from = 'ops@example.com'
host = 'mail.example.com'
username = 'ops'
password = 'env:SMTP'
[sms_providers.text]
kind = 'twilio'
account = 'AC0123'
secret = 'file:DIR/token'
";

fn world() -> World {
    let world = World::new();
    let directory = world.path().display().to_string();
    world.write("policy.toml", &MAIL.replace("DIR", &directory));
    world.write("token", "twilio-token\nsecond line\n");
    world
}

#[test]
fn secrets_come_from_where_the_file_says() {
    let world = world();
    let apply = || {
        world
            .run("apply policy.toml --yes -o json")
            .env("SMTP", "hunter2")
    };
    let done = apply().json(0);
    let text = done.to_string();
    assert!(
        !text.contains("hunter2") && !text.contains("twilio-token"),
        "{text}"
    );
    assert_eq!(apply().json(0)["changed"], false);
    // Another secret is a change, which tells nothing of it.
    world.write("token", "other-token\n");
    world
        .run("diff policy.toml")
        .env("SMTP", "hunter3")
        .shows(str![[r#"
$ twofa diff policy.toml
? 20
--- stdout
~ mailbox Ops & co
    password: set → changed
~ sms-provider text
    secret: set → changed
--- stderr
2 changes (2 edited). Next: `twofa apply policy.toml`.

"#]]);
    let done = world
        .run("apply policy.toml --yes -o json")
        .env("SMTP", "hunter3")
        .json(0);
    assert_eq!(done["changed"], true);
    let log = world.ok("audit list -o json").stdout;
    let exported = world.ok("export").stdout;
    for secret in ["hunter", "other-token", "twilio-token"] {
        assert!(!log.contains(secret) && !exported.contains(secret));
    }
    world
        .run("export --only mailbox --only sms-provider")
        .shows(str![[r#"
$ twofa export --only mailbox --only sms-provider
? 0
--- stdout
# Written by `twofa export`. `twofa diff FILE` tells what it would change, `twofa apply FILE` makes it so.
version = 1

[mailboxes."Ops & co"]
kind = "smtp"
from = "ops@example.com"
host = "mail.example.com"
port = 587
tls = "starttls"
username = "ops"
password = "env:MAILBOX_OPS___CO_PASSWORD"

[sms_providers.text]
kind = "twilio"
account = "AC0123"
secret = "env:SMS_PROVIDER_TEXT_SECRET"
url = "https://api.twilio.com"

"#]]);
}

/// Whoever only looks need not have the secrets; whoever applies must.
#[test]
fn a_secret_that_cannot_be_read() {
    let world = world();
    world.run("apply policy.toml --yes").shows(str![[r#"
$ twofa apply policy.toml --yes
? 3
--- stderr
error: line 7: mailboxes.Ops & co.password: the variable `SMTP` is not set

"#]]);
    world.run("diff policy.toml").shows(str![[r#"
$ twofa diff policy.toml
? 20
--- stdout
+ mailbox Ops & co
    kind: smtp
    from: ops@example.com
    host: mail.example.com
    port: 587
    tls: starttls
    username: ops
    password: set
+ sms-provider text
    kind: twilio
    account: AC0123
    secret: set
    url: https://api.twilio.com
--- stderr
warning: mailboxes.Ops & co.password was not compared: the variable `SMTP` is not set.
   hint: `twofa apply` needs it
2 changes (2 added). Next: `twofa apply policy.toml`.

"#]]);
    world
        .run("apply policy.toml --yes")
        .env("SMTP", "hunter2")
        .succeeds();
    std::fs::remove_file(world.file("token")).unwrap();
    let diff = world
        .run("diff policy.toml -o json")
        .env("SMTP", "hunter2")
        .json(0);
    assert_eq!(diff["warnings"][0]["kind"], "secret_unread");
    let said = world
        .run("diff policy.toml")
        .env("SMTP", "hunter2")
        .succeeds();
    assert!(
        said.stderr
            .ends_with("Nothing differs in what was compared.\n")
    );
    let done = world
        .run("apply policy.toml --yes -o json")
        .env("SMTP", "hunter2")
        .exits(1);
    assert_eq!(done.error()["kind"], "io");
    let done = world
        .run("apply policy.toml --yes -o json")
        .env("SMTP", "")
        .exits(4);
    assert_eq!(
        done.error()["message"],
        "line 7: mailboxes.Ops & co.password: the secret at `env:SMTP` is empty"
    );
}

#[test]
fn a_credential_of_systemd() {
    let world = world();
    let text = MAIL
        .replace("env:SMTP", "credential:smtp")
        .replace("file:DIR/token", "credential:token");
    world.write("policy.toml", &text);
    std::fs::create_dir(world.file("credentials")).unwrap();
    world.write("credentials/smtp", "hunter2");
    world.write("credentials/token", "t");
    let directory = world.file("credentials").display().to_string();
    let done = world
        .run("apply policy.toml --yes -o json")
        .env("CREDENTIALS_DIRECTORY", &directory)
        .json(0);
    assert_eq!(done["changed"], true);
    let error = world
        .run("apply policy.toml --yes -o json")
        .exits(3)
        .error();
    assert_eq!(
        error["message"],
        "line 7: mailboxes.Ops & co.password: this process has no credentials"
    );
}

/// A secret in the file is refused, and not repeated: not even by what tells of the mistake.
#[test]
fn no_secret_stands_in_the_file() {
    let world = world();
    for secret in ["'hunter2'", "4711", "{ value = 'hunter2' }"] {
        world.write("policy.toml", &MAIL.replace("'env:SMTP'", secret));
        for format in ["table", "json"] {
            let done = world
                .run(&format!("apply policy.toml --yes -o {format}"))
                .exits(4);
            assert!(
                !done.stderr.contains("hunter2") && !done.stderr.contains("4711"),
                "{}",
                done.stderr
            );
        }
    }
    world.write("policy.toml", &MAIL.replace("'env:SMTP'", "'hunter2'"));
    world.run("diff policy.toml").shows(str![[r#"
$ twofa diff policy.toml
? 4
--- stderr
error: line 7: a secret does not stand in the file: say where it is, as env:NAME, file:/PATH or credential:NAME

"#]]);
}

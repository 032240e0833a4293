//! An identity provider that is enabled, becomes the default and goes again, and what it calls users.

use snapbox::str;

use crate::idp::{ACS, with_corp, world};

#[test]
fn a_provider_is_enabled_made_the_default_and_taken_away() {
    let world = world();
    world.ok(&format!(
        "idp add corp --metadata entra.xml --acs-url {ACS}"
    ));
    world.run("idp default corp").shows(str![[r#"
$ twofa idp default corp
? 4
--- stderr
error: the identity provider `corp` is not enabled
 hint: `twofa idp enable corp`

"#]]);
    world
        .run("setting set DefaultSsoProvider corp")
        .shows(str![[r#"
$ twofa setting set DefaultSsoProvider corp
? 4
--- stderr
error: the identity provider `corp` is not enabled
 hint: `twofa idp enable corp`

"#]]);
    for line in ["setting set DefaultSsoProvider crop", "idp default crop"] {
        let error = world.run(&format!("{line} -o json")).exits(3).error();
        assert_eq!(error["near"], "corp", "{line}");
    }
    let said = world.ok("idp enable corp");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` is enabled.
Next: `twofa idp default corp` makes it that of users who have none of their own.

"#]]
    );
    assert_eq!(world.json("idp enable corp")["changed"], false);
    world.run("idp default corp").shows(str![[r#"
$ twofa idp default corp
? 0
--- stdout
code      DefaultSsoProvider
name      Default SSO provider
type      idp
unit      –
value     corp
default   –
modified  yes
minimum   –
maximum   –
meaning   The identity provider of users who have none of their own.
changed   yes
--- stderr
`corp` is the provider of users who have none of their own.

"#]]);
    assert_eq!(world.json("idp show corp")["default"], true);
    world.run("idp remove corp --yes").shows(str![[r#"
$ twofa idp remove corp --yes
? 4
--- stderr
error: the setting `DefaultSsoProvider` points at the identity provider `corp`
 hint: `twofa setting set DefaultSsoProvider OTHER`, or `twofa setting reset DefaultSsoProvider`, first

"#]]);
    world.run("idp disable corp").shows(str![[r#"
$ twofa idp disable corp
? 2
--- stderr
error: are you sure? Nobody will log in through `corp` any more; nobody came through it so far. The setting `DefaultSsoProvider` points at it.
 hint: say yes with --yes

"#]]);
    let said = world.ok("idp disable corp --yes");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` is disabled.
The setting `DefaultSsoProvider` points at it. Next: `twofa idp default OTHER`, or `--none`.

"#]]
    );
    world.run("idp default --none").shows(str![[r#"
$ twofa idp default --none
? 0
--- stdout
code      DefaultSsoProvider
name      Default SSO provider
type      idp
unit      –
value     –
default   –
modified  no
minimum   –
maximum   –
meaning   The identity provider of users who have none of their own.
changed   yes
--- stderr
There is no default provider; it was `corp`.

"#]]);
    world.run("idp remove corp").shows(str![[r#"
$ twofa idp remove corp
? 2
--- stderr
error: are you sure? The identity provider `corp` will be removed. Nobody came through it so far; users stay.
 hint: say yes with --yes

"#]]);
    let said = world.ok("idp remove corp --yes");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` was removed.

"#]]
    );
    world.run("idp remove corp --if-exists").shows(str![[r#"
$ twofa idp remove corp --if-exists
? 0
--- stdout
name     corp
changed  no
--- stderr
There is no identity provider `corp`.

"#]]);
    for table in ["idp", "idp_certificate", "idp_group", "idp_user"] {
        let left = world.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(left, 0, "{table}");
    }
    snapbox::assert_data_eq!(
        world.text("SELECT group_concat(event || ' ' || subject || ' ' || outcome, x'0a') FROM (SELECT * FROM audit WHERE event LIKE 'idp.%' OR event = 'setting.changed' AND subject LIKE 'Def%' ORDER BY seq)"),
        str![[r#"
idp.added corp ok
idp.edited corp ok
setting.changed DefaultSsoProvider ok
idp.edited corp ok
setting.changed DefaultSsoProvider ok
idp.removed corp ok
"#]]
    );
}

/// The next step is said where it is one, and who is replaced.
#[test]
fn the_default_is_spoken_of_where_there_is_none() {
    let world = with_corp();
    world.ok(&format!(
        "idp add partners --metadata okta.xml --acs-url {ACS} --employees none --externals existing"
    ));
    world.ok(&format!(
        "idp add firm --metadata onelogin.xml --acs-url {ACS}"
    ));
    let mut said = String::new();
    for line in [
        "idp enable partners",
        "idp default corp",
        "idp enable firm",
        "idp default firm",
        "idp default firm",
        "idp default --none",
    ] {
        said.push_str(&format!("{line}: {}", world.ok(line).stderr));
    }
    snapbox::assert_data_eq!(
        said,
        str![[r#"
idp enable partners: The identity provider `partners` is enabled.
idp default corp: `corp` is the provider of users who have none of their own.
idp enable firm: The identity provider `firm` is enabled.
idp default firm: `firm` is the provider of users who have none of their own; it was `corp`.
idp default firm: `firm` is the provider of users who have none of their own already.
idp default --none: There is no default provider; it was `firm`.

"#]]
    );
}

#[test]
fn what_the_provider_calls_a_user_is_forgotten() {
    let world = with_corp();
    world.sql(
        "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
        SELECT 1, 'a-1', id, '[]', 0, 0, 0 FROM user WHERE login = 'alice'",
    );
    assert_eq!(world.json("idp show corp")["users"], 1);
    for login in ["bob", "alcie"] {
        let error = world
            .run(&format!("idp edit corp --unlink alice {login} -o json"))
            .exits(3)
            .error();
        assert_eq!(error["kind"], "not_found", "{login}");
    }
    assert_eq!(
        crate::completions::told(&world, "twofa idp edit corp --unlink "),
        ["alice"]
    );
    world.json("idp edit corp --unlink alice --quiet");
    assert_eq!(world.json("idp show corp")["users"], 0);
    world.run("idp edit corp --unlink alice").exits(3);
    world.run("idp edit corp --unlink alcie").shows(str![[r#"
$ twofa idp edit corp --unlink alcie
? 3
--- stderr
error: no user who came through `corp` is named `alcie`
 hint: `twofa user list` lists what there is

"#]]);
    let detail =
        world.text("SELECT detail FROM audit WHERE event = 'idp.edited' ORDER BY seq DESC LIMIT 1");
    assert_eq!(detail, r#"{"linked":{"old":["alice"],"new":null}}"#);
}

/// Employees who have no password to log in with and nobody to go to are locked out, whatever it is that shuts the door.
#[test]
fn whom_nobody_else_takes_is_not_locked_out_unseen() {
    let world = with_corp();
    world.ok("idp default corp");
    world.ok("setting set DisableInternalUserPasswordAuth on");
    for line in [
        "idp disable corp --yes",
        "idp edit corp --employees none --externals existing",
        "idp default --none",
    ] {
        let error = world.run(&format!("{line} -o json")).exits(4).error();
        assert_eq!(error["kind"], "lockout", "{line}");
        assert_eq!(
            error["users"],
            serde_json::json!(["alice", "bob"]),
            "{line}"
        );
    }
    world.run("idp disable corp --yes").shows(str![[r#"
$ twofa idp disable corp --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=2 if it is meant

"#]]);
    world.run("login start alice -o json").exits(18);
    world.ok("idp edit corp --employees none --externals existing --allow-lockout=2");
    world.ok("idp edit corp --employees existing");
    world.ok("idp default --none --allow-lockout");
    // Who came through one has it still, until that goes too.
    world.sql(
        "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
             SELECT 1, login, id, '[]', 0, 0, 0 FROM user WHERE login = 'alice'",
    );
    for line in ["idp edit corp --unlink alice", "idp remove corp --yes"] {
        let error = world.run(&format!("{line} -o json")).exits(4).error();
        assert_eq!(error["users"], serde_json::json!(["alice"]), "{line}");
    }
    world.ok("idp disable corp --yes --allow-lockout=1");
    world.ok("idp remove corp --yes");
    // Where passwords are not off, they have theirs.
    world.ok("setting set DisableInternalUserPasswordAuth off");
    world.ok("idp add corp --metadata entra.xml --acs-url https://sp.example.org/acs");
    world.ok("idp enable corp");
    world.ok("idp disable corp --yes");
}

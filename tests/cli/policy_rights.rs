//! `apply`: rights, guards, confirmation and what people notice. All as for the single commands.

use serde_json::json;
use snapbox::str;

use crate::world::World;

fn policy(world: &World, text: &str) {
    world.write("policy.toml", &format!("version = 1\n{text}"));
}

/// Whoever may apply changes with a file only what they may change without it.
#[test]
fn each_change_needs_its_operation() {
    let world = World::peopled();
    world.ok("permission grant CanManageAdministration --user bob");
    for (text, operation) in [
        ("[settings]\nTotpDriftSteps = 2\n", "CanManageSysSettings"),
        (
            "[mailboxes.other]\nkind = 'sendmail'\nfrom = 'a@example.com'\npath = '/usr/sbin/sendmail'\n",
            "CanManageSysSettings",
        ),
        ("[methods.totp]\nenabled = true\n", "CanManageLookups"),
        (
            "[templates.'2FA SMS code'.en]\ntext = 'Code: #SecondFactorCode#'\n",
            "CanManageLookups",
        ),
        ("[users.dave]\n", "CanManageUsers"),
        ("[groups.Staff]\n", "CanManageUsers"),
        (
            "[permissions]\nCanReset2FA = [{user = 'bob', access = 'allow'}]\n",
            "CanChangeAdminOperationGrantee",
        ),
    ] {
        policy(&world, text);
        world.run("diff policy.toml --as bob").exits(20);
        let error = world
            .run("apply policy.toml --yes --as bob -o json")
            .exits(5)
            .error();
        assert_eq!(error["kind"], "not_permitted", "{text}");
        assert_eq!(error["operation"], operation, "{text}");
        let denied = world.json("audit list --limit 1");
        assert_eq!(denied[0]["event"], "permission.denied", "{text}");
        assert_eq!(denied[0]["actor"], "bob", "{text}");
    }
    policy(&world, "[users.alice]\nname = 'Alice'\n");
    assert_eq!(
        world.run("apply policy.toml --as bob -o json").json(0)["changed"],
        false
    );
    let done = world.run("export --as alice -o json").exits(5);
    assert_eq!(done.error()["operation"], "CanManageAdministration");
}

#[test]
fn who_would_notice_is_told_and_a_lockout_is_refused() {
    let world = World::with_email();
    policy(
        &world,
        "[methods.email]\nenabled = false\n[methods.sms]\nenabled = true\nprimary = true\n[users.alice]\nphone = '+493012345678'\n",
    );
    world.run("diff policy.toml").shows(str![[r#"
$ twofa diff policy.toml
? 20
--- stdout
~ user alice
    phone: – → +493012345678
~ method email
    enabled: true → false
    primary: true → false
~ method sms
    enabled: false → true
    primary: false → true

At their next login:
  2 users lose the only method, Email, and cannot log in: `alice`, `bob`.
--- stderr
warning: `twofa apply` would refuse it: this would leave 2 users with no way to log in: `alice`, `bob`.
   hint: SMS is enabled and no provider is set: `twofa setting set SmsProvider NAME` first, or say --allow-lockout=2 if it is meant
3 changes (3 edited). Next: `twofa apply policy.toml`.

"#]]);
    let json = world.run("diff policy.toml -o json").json(20);
    assert_eq!(
        json["impact"],
        json!([{"kind": "locked_out", "message": "2 users lose the only method, Email, and cannot log in: `alice`, `bob`", "count": 2, "users": ["alice", "bob"]}])
    );
    world.run("apply policy.toml --yes").shows(str![[r#"
$ twofa apply policy.toml --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: SMS is enabled and no provider is set: `twofa setting set SmsProvider NAME` first, or say --allow-lockout=2 if it is meant

"#]]);
    assert_eq!(world.json("method show email")["enabled"], true);
    assert_eq!(world.json("user show alice")["phone"], json!(null));
    world
        .run("apply policy.toml --yes --allow-lockout=1")
        .exits(4);
    world.ok("apply policy.toml --yes --allow-lockout=2");
    assert_eq!(world.json("method show email")["enabled"], false);
    let kept = world.json("audit list --event change.refused");
    assert_eq!(
        (&kept[0]["subject"], &kept[0]["reason"]),
        (&json!("apply"), &json!("lockout"))
    );
}

#[test]
fn the_next_logins_are_foretold() {
    let world = World::peopled();
    policy(
        &world,
        "[settings]\nEnable2FA = true\n[methods.email]\nprimary = true\n",
    );
    world.run("apply policy.toml --yes").shows(str![[r#"
$ twofa apply policy.toml --yes
? 0
--- stdout
~ setting Enable2FA: false → true
~ method email
    enabled: false → true
    primary: false → true

At their next login:
  2 users will be asked for a second factor, Email, from now on: `alice`, `bob`.
--- stderr
Applied: 2 changes (2 edited).
Next: `twofa status`.

"#]]);
    policy(
        &world,
        "[methods.email]\nenabled = false\n[methods.totp]\nprimary = true\n[permissions]\nCanUse2FA = [\n  {user = 'bob', access = 'deny'},\n  {group = 'All employees', access = 'allow'},\n]\n",
    );
    world.run("diff policy.toml").shows(str![[r#"
$ twofa diff policy.toml
? 20
--- stdout
+ permission CanUse2FA: user bob
    position: 1
    access: deny
~ permission CanUse2FA: group All employees
    position: 1 → 2
- permission CanUse2FA: group All external users
~ method email
    enabled: true → false
    primary: true → false
~ method totp
    enabled: false → true
    primary: false → true

At their next login:
  1 user will have to connect an authenticator app at the next login: `alice`.
  1 user will log in with the password alone: `bob`.
--- stderr
5 changes (1 added, 3 edited, 1 removed). Next: `twofa apply policy.toml`.

"#]]);
}

/// One confirmation, of the acting user, bound to all of it.
#[test]
fn apply_confirms_once() {
    let (world, secret) = World::with_app();
    world.ok("method enable email");
    world.ok("user edit bob --language de");
    policy(
        &world,
        "[users.carol]\n[groups.'System administrators']\nusers = ['carol', 'bob']\n[settings]\nEnable2FA = false\n",
    );
    world.run("apply policy.toml --yes").shows(str![[r#"
$ twofa apply policy.toml --yes
? 5
--- stderr
error: confirm making `bob` an administrator, and 1 change more: your second factor is needed
 hint: repeat the command with --confirm-code N, a code of your authenticator app

"#]]);
    let code = world.app(&secret);
    let done = world
        .run(&format!(
            "apply policy.toml --yes --confirm-code {code} -o json"
        ))
        .json(0);
    assert_eq!(done["changed"], true);
    let given = world.json("audit list --event confirmation.given");
    assert_eq!(given.as_array().unwrap().len(), 1);
    // Nothing more to confirm.
    assert_eq!(
        world.run("apply policy.toml --yes -o json").json(0)["changed"],
        false
    );
}

/// A code that was sent for one file confirms no other.
#[test]
fn a_confirmation_is_bound_to_the_file() {
    let world = World::with_email();
    world.ok("user edit Supervisor --email root@example.com");
    policy(&world, "[settings]\nEnable2FA = false\n");
    let asked = world
        .run("apply policy.toml --yes -o json")
        .exits(5)
        .error();
    let challenge = asked["challenge"].as_str().unwrap().to_owned();
    let code = world.code();
    policy(
        &world,
        "[settings]\nEnable2FA = false\nTotpDriftSteps = 5\n",
    );
    let line = format!(
        "apply policy.toml --yes --confirm-challenge {challenge} --confirm-code {code} -o json"
    );
    let error = world.run(&line).exits(5).error();
    assert_eq!(error["kind"], "confirmation_wrong");
    policy(&world, "[settings]\nEnable2FA = false\n");
    assert_eq!(world.run(&line).json(0)["changed"], true);
}

/// Nobody is left without an administrator by a file either.
#[test]
fn an_administrator_stays() {
    let world = World::peopled();
    policy(&world, "[groups.'System administrators']\nusers = []\n");
    world
        .run("apply policy.toml --prune --yes")
        .shows(str![[r#"
$ twofa apply policy.toml --prune --yes
? 4
--- stderr
error: this would leave the store without an active administrator
 hint: make somebody else an administrator first: `twofa user edit LOGIN --group 'System administrators'`

"#]]);
    policy(
        &world,
        "[permissions]\nCanChangeAdminOperationGrantee = []\n",
    );
    let error = world
        .run("apply policy.toml --yes -o json")
        .exits(4)
        .error();
    assert_eq!(error["kind"], "guard");
}

/// A directory is made for what is applied, and for nothing else: not for who may not, nor before somebody said yes.
#[test]
fn directories_are_made_last() {
    let world = World::peopled();
    world.ok("permission grant CanManageAdministration --user bob");
    let made = world.file("made");
    let mailbox = |kind: &str| {
        let path = made.display();
        policy(
            &world,
            &format!("[mailboxes.m]\n{kind}from = 'a@example.com'\npath = '{path}'\n"),
        );
    };
    mailbox("kind = 'file'\n");
    let declared = std::fs::read_to_string(world.file("policy.toml")).unwrap();
    let nobody = "[permissions]\nCanChangeAdminOperationGrantee = []\n";
    std::fs::write(world.file("policy.toml"), format!("{declared}{nobody}")).unwrap();
    let refused = world.run("apply policy.toml --yes -o json").exits(4);
    assert_eq!(refused.error()["kind"], "guard");
    assert!(!made.exists(), "a guard refused it");
    std::fs::write(world.file("policy.toml"), declared).unwrap();
    world.run("apply policy.toml --yes --as bob").exits(5);
    world.run("apply policy.toml").exits(2);
    world.run("apply policy.toml --dry-run").exits(20);
    assert!(!made.exists());
    world.ok("mailbox add m --file other --from b@example.com");
    // Of what kind it is, the store knows.
    mailbox("");
    world.ok("apply policy.toml --yes");
    assert!(made.is_dir());
}

/// Who cannot log in any more notices it too, and so does whoever runs the command.
#[test]
fn who_loses_a_login_or_a_right_is_told() {
    let world = World::with_email();
    world.ok("permission grant CanManageAdministration --user bob");
    world.ok("permission grant CanManageUsers --user bob");
    policy(
        &world,
        "[users.alice]\nactive = false\n[permissions]\nCanManageAdministration = [{ group = 'System administrators', access = 'allow' }]\n",
    );
    world.run("diff policy.toml --as bob").shows(str![[r#"
$ twofa diff policy.toml --as bob
? 20
--- stdout
~ user alice
    active: true → false
- permission CanManageAdministration: user bob

At their next login:
  1 user who can log in now will not be able to any more: `alice`.
--- stderr
warning: `bob`, who runs this, loses CanManageAdministration.
   hint: the next run needs another user, with --as
2 changes (1 edited, 1 removed). Next: `twofa apply policy.toml`.

"#]]);
    let told = world.run("diff policy.toml -o json").json(20);
    assert_eq!(told["warnings"], json!([]));
    assert_eq!(told["impact"][0]["kind"], "barred");
    assert_eq!(told["impact"][0]["users"], json!(["alice"]));
    policy(&world, "[users.Supervisor]\n[users.bob]\n");
    let pruned = world.run("diff policy.toml --prune -o json").json(20);
    assert_eq!(pruned["impact"][0]["users"], json!(["alice"]));
    world.ok("user deactivate alice --yes");
    policy(&world, "[users.alice]\nactive = true\n");
    let back = world.run("diff policy.toml -o json").json(20);
    assert_eq!(back["impact"][0]["kind"], "let_in");
}

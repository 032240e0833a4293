//! `apply --prune`: what is not declared goes, and nothing else.

use serde_json::Value;
use snapbox::str;

use crate::policy::{SMALL, world};
use crate::world::World;

/// Only what is named goes, only in the sections that are there, and only with --prune.
#[test]
fn prune_takes_what_is_not_declared() {
    let world = world(SMALL);
    world.ok("apply policy.toml --yes");
    world.ok("user add dave --email dave@example.com");
    world.ok("group add Old");
    world.ok("group add-member Helpdesk --user dave");
    world.ok("setting set TotpDriftSteps 3");
    world.ok("method enable totp");
    world.ok("mailbox add spare --file spare --from a@example.com");
    world.ok("permission deny CanUse2FA --user dave");
    world.ok("template set '2FA SMS code' --language fr --text 'Code: #SecondFactorCode#'");
    assert_eq!(
        world.run("apply policy.toml -o json").json(0)["changed"],
        false
    );
    world.run("diff policy.toml --prune").shows(str![[r#"
$ twofa diff policy.toml --prune
? 20
--- stdout
- user dave
~ setting TotpDriftSteps: 3 → 1
~ method totp
    enabled: true → false
~ template 2FA SMS code (fr)
    text: Code: #SecondFactorCode# → #SecondFactorCode# est votre code de connexion. Il est valable #SecondFactorCodeTTL# secondes.
- mailbox spare
- group Old
--- stderr
warning: the first administrator `Supervisor` is not declared, and stays.
6 changes (3 edited, 3 removed). Next: `twofa apply policy.toml --prune`.

"#]]);
    world
        .run("diff policy.toml --prune --only group --only mailbox")
        .shows(str![[r#"
$ twofa diff policy.toml --prune --only group --only mailbox
? 20
--- stdout
~ group Helpdesk
    - user dave
- mailbox spare
- group Old
--- stderr
3 changes (1 edited, 2 removed). Next: `twofa apply policy.toml --prune --only group --only mailbox`.

"#]]);
    let done = world.run("apply policy.toml --prune --yes -o json").json(0);
    let kinds: Vec<&Value> = done["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["unconfirmed", "first_administrator_kept"]);
    let again = world.run("apply policy.toml --prune -o json").json(0);
    assert_eq!(again["changed"], false);
    let logins: Vec<Value> = world
        .json("user list")
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["login"].clone())
        .collect();
    assert_eq!(logins, ["alice", "carol@example.com", "Supervisor"]);
}

/// What --prune would take away and the file names all the same is a contradiction.
#[test]
fn prune_does_not_take_what_is_named() {
    let world = World::peopled();
    world.ok("group add Staff");
    world.ok("group add-member Staff --user bob");
    for (text, message) in [
        (
            "[users.alice]\n[groups.Staff]\nusers = ['bob']\n",
            "line 4: groups.Staff.users.0: the user `bob` is named here and would go: `users` does not declare it",
        ),
        (
            "[users.alice]\n[permissions]\nCanReset2FA = [{user = 'BOB', access = 'deny'}]\n",
            "line 4: permissions.CanReset2FA.0: the user `BOB` is named here and would go: `users` does not declare it",
        ),
        // By address it is the same user.
        (
            "[users.alice]\n[groups.Staff]\nusers = ['BOB@example.com']\n",
            "line 4: groups.Staff.users.0: the user `BOB@example.com` is named here and would go: `users` does not declare it",
        ),
        (
            "[groups.Other]\ngroups = ['Staff']\n",
            "line 3: groups.Other.groups.0: the group `Staff` is named here and would go: `groups` does not declare it",
        ),
        (
            "[groups]\n[users.alice]\ngroups = ['staff']\n",
            "line 4: users.alice.groups.0: the group `staff` is named here and would go: `groups` does not declare it",
        ),
    ] {
        world.write("policy.toml", &format!("version = 1\n{text}"));
        let done = world
            .run("apply policy.toml --prune --yes -o json")
            .exits(4);
        assert_eq!(done.error()["message"], message);
    }
    world.write("policy.toml", "version = 1\n[mailboxes]\n");
    world.run("apply policy.toml --prune --yes").shows(str![[r#"
$ twofa apply policy.toml --prune --yes
? 4
--- stderr
error: line 2: mailboxes: the setting `2FAmailbox` points at the mailbox `trial`
 hint: `twofa setting set 2FAmailbox OTHER`, or `twofa setting reset 2FAmailbox`, first

"#]]);
}

/// An operation has a code and a name: its list stands once, and --prune knows it by either.
#[test]
fn an_operation_is_one_by_code_and_name() {
    let world = World::peopled();
    world.write(
        "policy.toml",
        "version = 1\n[permissions]\n\"can use 2fa\" = [{user = 'bob', access = 'deny'}]\n",
    );
    world.ok("apply policy.toml --prune --yes");
    let rows = world.json("permission show CanUse2FA")["grantees"].clone();
    assert_eq!(
        (&rows[0]["user"], rows.as_array().unwrap().len()),
        (&"bob".into(), 1)
    );
    assert_eq!(
        world.run("apply policy.toml --prune -o json").json(0)["changed"],
        false
    );
    world.write(
        "policy.toml",
        "version = 1\n[permissions]\nCanUse2FA = []\n\"Can use 2FA\" = []\n",
    );
    let error = world
        .run("apply policy.toml --yes -o json")
        .exits(4)
        .error();
    assert_eq!(
        error["message"],
        "line 4: permissions.Can use 2FA: `CanUse2FA` stands twice"
    );
}

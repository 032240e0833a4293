//! What is wrong with a policy file is told with its line.

use snapbox::str;

use crate::world::World;

/// What is wrong is told with its line, and nothing is changed.
#[test]
fn mistakes_have_a_line() {
    let world = World::new();
    for (text, message, hint, kind, exit) in [
        (
            "[users.alice]\nemial = 'a@example.com'\n",
            "line 3: `emial` is no key here",
            "did you mean `email`?",
            "invalid_value",
            4,
        ),
        (
            "[users.alice]\nphone = '123'\n",
            "line 2: users.alice: `123` is no phone number: it is + and 7 to 15 digits, the first not 0",
            "write it as +493012345678, without spaces",
            "invalid_value",
            4,
        ),
        (
            "[settings]\nEnable2FA = 'maybe'\n",
            "line 3: settings.Enable2FA: `maybe` is no value for `Enable2FA`: it is true or false (on, off, yes, no)",
            "`twofa setting show Enable2FA` tells what it takes",
            "invalid_value",
            4,
        ),
        (
            "[settings]\nEnable2FAA = true\n",
            "line 3: settings.Enable2FAA: no setting is named `Enable2FAA`",
            "did you mean `Enable2FA`?",
            "not_found",
            3,
        ),
        (
            "[groups.Staff]\nusers = ['Supervisor',\n  'alcie']\n[users.alice]\n",
            "line 4: groups.Staff.users.1: no user is named `alcie`",
            "did you mean `alice`?",
            "not_found",
            3,
        ),
        (
            "[permissions]\nCanReset2FA = [\n  {user='Supervisor', access='allow'},\n  {user='Supervisor', group='x', access='allow'}]\n",
            "line 5: permissions.CanReset2FA.1: a row names either a `user` or a `group`",
            "",
            "invalid_value",
            4,
        ),
        (
            "[methods]\nemail = {primary = true}\ntotp = {primary = true}\n",
            "line 4: methods.totp: Email is primary already: only one is",
            "",
            "invalid_value",
            4,
        ),
        (
            "[methods.recovery-codes]\nprimary = true\n",
            "line 2: methods.recovery-codes: recovery codes cannot be the primary method",
            "they stand in when another method fails; `twofa method enable recovery-codes`",
            "invalid_value",
            4,
        ),
        (
            "[groups.A]\ngroups = ['B']\n[groups.B]\ngroups = ['A']\n",
            "line 4: groups.B: `A` cannot be a member of `B`: `B` is in `A`",
            "",
            "guard",
            4,
        ),
        (
            "[mailboxes.ops]\nkind = 'file'\nfrom = 'a@example.com'\npath = 'mail'\n",
            "line 2: mailboxes.ops: the path `mail` does not begin at the root",
            "a policy is applied from anywhere: write the whole path",
            "invalid_value",
            4,
        ),
        (
            "[mailboxes.ops]\nkind = 'file'\nhost = 'mail.example.com'\n",
            "line 2: mailboxes.ops: `host` does not go with the kind `file`",
            "it goes with smtp",
            "invalid_value",
            4,
        ),
        (
            "[mailboxes.ops]\nfrom = 'a@example.com'\n",
            "line 2: mailboxes.ops: `kind` is missing",
            "it is smtp, file or sendmail",
            "invalid_value",
            4,
        ),
        (
            "[users.'']\n",
            "line 2: users.: the login is blank",
            "",
            "blank_login",
            2,
        ),
        (
            "[users.alice]\nemail = 'x@example.com'\n[users.bob]\nemail = 'X@example.com'\n",
            "line 4: users.bob: the email address `X@example.com` already leads to the user `alice`",
            "logins and email addresses share one space of names",
            "conflict",
            4,
        ),
    ] {
        world.write("policy.toml", &format!("version = 1\n{text}"));
        for line in [
            "diff policy.toml -o json",
            "apply policy.toml --yes -o json",
        ] {
            let done = world.run(line).exits(exit);
            let error = done.error();
            assert_eq!(error["message"], message, "{text}");
            assert_eq!(error["hint"].as_str().unwrap_or_default(), hint, "{text}");
            assert_eq!(error["kind"], kind, "{text}");
            assert!(
                error["line"].as_u64().is_some_and(|line| line > 0),
                "{text}"
            );
        }
    }
    assert_eq!(world.json("user list").as_array().unwrap().len(), 1);
    assert!(!world.file("mail").exists());
    world.run("diff nowhere.toml").shows(str![[r#"
$ twofa diff nowhere.toml
? 1
--- stderr
error: cannot read `nowhere.toml`: No such file or directory (os error 2)

"#]]);
    world.run("diff policy.toml --only grups").shows(str![[r#"
$ twofa diff policy.toml --only grups
? 3
--- stderr
error: no noun of a policy is named `grups`
 hint: `twofa help policy` lists what there is

"#]]);
}

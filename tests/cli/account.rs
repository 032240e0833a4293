//! Accounts of the machine that are neither root nor the store's owner. Only root can play another account, so these
//! tests say loudly that they were skipped when an ordinary account runs them.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use snapbox::str;

use crate::world::{Done, World};

/// An account that owns nothing.
const NOBODY: u32 = 65_534;

/// A store that every account of the machine can open, with `bob` mapped to the account.
fn world() -> Option<(World, String)> {
    let skip = |why: &str| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a skipped test says so past the capture"
        )]
        let mut stderr = std::io::stderr();
        let _ = writeln!(stderr, "SKIPPED: {why}");
        None
    };
    if !nix::unistd::geteuid().is_root() {
        return skip(
            "this test plays another account of the machine, which only root can; run it as root too",
        );
    }
    let Ok(Some(account)) = nix::unistd::User::from_uid(NOBODY.into()) else {
        return skip("no account has the number 65534 here");
    };
    let world = World::peopled();
    let open = |name: &str, mode: u32| {
        std::fs::set_permissions(world.file(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, mode) in [("", 0o777), ("twofa.db", 0o666), ("twofa.db.key", 0o644)] {
        open(name, mode);
    }
    let mut command = world.run("help exit-codes").command();
    if command.uid(NOBODY).gid(NOBODY).output().is_err() {
        return skip("the account cannot run the program where it was built");
    }
    Some((world, account.name))
}

/// Runs a command under the other account.
fn run(world: &World, account: &str, line: &str, variables: &[(&str, &str)]) -> Done {
    let mut command = world.run(line).command();
    command
        .uid(NOBODY)
        .gid(NOBODY)
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(&format!("`{account}`"), "`[ACCOUNT]`")
            .replace(&format!("--os-user {account}"), "--os-user [ACCOUNT]")
    };
    Done {
        line: line.to_owned(),
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn an_account_acts_as_the_user_it_is_mapped_to() {
    let Some((world, account)) = world() else {
        return;
    };
    run(&world, &account, "user show bob", &[]).shows(str![[r#"
$ twofa user show bob
? 5
--- stderr
error: no user of the store is mapped to the account `[ACCOUNT]`
 hint: an administrator maps one with `twofa user edit LOGIN --os-user [ACCOUNT]`

"#]]);
    let kept = world.json("audit list --event permission");
    assert_eq!(kept[0]["os_user"], account.as_str());
    assert_eq!(kept[0]["actor"], serde_json::Value::Null);
    world.ok(&format!("user edit bob --os-user {account}"));
    let done = run(&world, &account, "user show bob -o json", &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    run(&world, &account, "user list", &[]).shows(str![[r#"
$ twofa user list
? 5
--- stderr
error: `bob` lacks the operation `CanManageUsers`, which `twofa user list` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`

"#]]);
    run(&world, &account, "user list --as Supervisor", &[]).shows(str![[r#"
$ twofa user list --as Supervisor
? 5
--- stderr
error: only root and the store's owner choose the acting user with --as

"#]]);
    run(&world, &account, "key check", &[]).shows(str![[r#"
$ twofa key check
? 5
--- stderr
error: `twofa key check` is for root or the store's owner

"#]]);
    world.ok("user deactivate bob --yes");
    run(&world, &account, "status", &[]).shows(str![[r#"
$ twofa status
? 5
--- stderr
error: the acting user `bob` is deactivated

"#]]);
}

/// Who manages users and is no administrator changes no administrator, makes none, and maps no account.
#[test]
fn who_is_no_administrator_touches_none() {
    let Some((world, account)) = world() else {
        return;
    };
    world.ok(&format!("user edit bob --os-user {account}"));
    world.ok("user add second --group 'System administrators'");
    world.sql("INSERT INTO grantee (operation, position, user, access) SELECT 'CanManageUsers', 2, id, 'allow' FROM user WHERE login = 'bob';
        INSERT INTO \"group\" (name, name_key, created_at) VALUES ('Night shift', 'night shift', 0);
        INSERT INTO group_group (\"group\", member) SELECT a.id, n.id FROM \"group\" a, \"group\" n WHERE a.built_in = 'administrators' AND n.name = 'Night shift'");
    world.write("people.csv", "login,groups\nerin,System administrators\n");
    world.write("secret", "new-pw\n");
    for name in ["people.csv", "secret"] {
        std::fs::set_permissions(world.file(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    run(&world, &account, "user edit Supervisor --name Boss", &[]).shows(str![[r#"
$ twofa user edit Supervisor --name Boss
? 5
--- stderr
error: `bob` is not an administrator, and only administrators change administrators and the mapping of accounts
 hint: ask an administrator, such as `Supervisor`, `second`

"#]]);
    for line in [
        "user edit Supervisor --login boss",
        "user deactivate Supervisor --yes",
        "user remove second --yes",
        "password set Supervisor --password-file secret",
        "user add dave --group 'System administrators'",
        "user add dave --group 'Night shift'",
        "user edit alice --group 'System administrators'",
        "user edit alice --group 'Night shift'",
        "user edit alice --os-user daemon",
        "user add dave --os-user daemon",
        "user import people.csv --yes",
    ] {
        let done = run(&world, &account, line, &[]);
        assert_eq!(done.code, Some(5), "{line}: {}", done.stderr);
        assert!(
            done.stderr
                .contains("is not an administrator, and only administrators change administrators"),
            "{line}: {}",
            done.stderr
        );
    }
    let done = run(&world, &account, "user edit alice --name A", &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let denied = world.json("audit list --event permission");
    assert_eq!(denied.as_array().unwrap().len(), 12);
    assert_eq!(denied[0]["actor"], "bob");
}

/// Through sudo to the store's owner: nothing that names the store, its key, a file, or another acting user.
#[test]
fn a_delegated_caller_names_nothing() {
    let Some((world, account)) = world() else {
        return;
    };
    std::os::unix::fs::chown(world.file("twofa.db"), Some(NOBODY), Some(NOBODY)).unwrap();
    std::os::unix::fs::chown(world.file("twofa.db.key"), Some(NOBODY), Some(NOBODY)).unwrap();
    // The owner themselves, sudo to oneself included.
    let done = run(
        &world,
        &account,
        "user list --as bob",
        &[("SUDO_UID", "65534")],
    );
    assert!(
        done.stderr.contains("`bob` lacks the operation"),
        "{}",
        done.stderr
    );
    for caller in [
        ("SUDO_UID", "1"),
        ("PKEXEC_UID", "1"),
        ("DOAS_USER", "daemon"),
    ] {
        let done = run(&world, &account, "user list", &[caller]);
        assert_eq!(done.code, Some(5));
        assert_eq!(
            done.stderr.lines().next().unwrap(),
            "error: the variable TWOFA_DB is not for delegated callers"
        );
    }
}

/// What a delegated caller changes comes as an option or on standard input: no file is theirs to name, and an editor
/// runs whatever it is told to.
#[test]
fn a_delegated_caller_starts_no_editor() {
    let Some((world, _)) = world() else {
        return;
    };
    world.ok("user edit bob --os-user daemon");
    world.ok("permission grant CanManageLookups --user bob");
    std::fs::create_dir(world.file("twofa")).unwrap();
    for name in ["", "twofa.db", "twofa.db.key"] {
        let path = world.file("twofa").join(name);
        if !name.is_empty() {
            std::fs::rename(world.file(name), &path).unwrap();
        }
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = |line: &str| {
        let mut command = world.run(line).command();
        for name in ["TWOFA_DB", "TWOFA_TEST_NOW", "TWOFA_TEST_SEED"] {
            command.env_remove(name);
        }
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .env("XDG_DATA_HOME", world.path())
            .env("SUDO_UID", "1")
            .env("EDITOR", "true");
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(b"#SecondFactorCode#");
        let output = child.wait_with_output().unwrap();
        Done {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    };
    run("template edit '2FA SMS code'").shows(str![[r#"
$ twofa template edit '2FA SMS code'
? 5
--- stderr
error: `twofa template edit` is not for delegated callers
 hint: only root and the store's owner choose the store, its key, files and programs

"#]]);
    run("template set '2FA SMS code' --text-file secret").shows(str![[r#"
$ twofa template set '2FA SMS code' --text-file secret
? 5
--- stderr
error: the option --text-file is not for delegated callers
 hint: only root and the store's owner choose the store, its key, files and programs

"#]]);
    run("template set '2FA SMS code' --text-file - -o ndjson").shows(str![[r##"
$ twofa template set '2FA SMS code' --text-file - -o ndjson
? 0
--- stdout
{"name":"2FA SMS code","kind":"sms","language":"en","modified":true,"subject":null,"text":"#SecondFactorCode#","html":null,"changed":true,"warnings":[]}
--- stderr
The words of `2FA SMS code` in `en` were changed.
Next: `twofa template preview '2FA SMS code' --language en`.

"##]]);
}

/// What one operation is not worth: to be an administrator, by any door, or to take their second factor from them.
#[test]
fn an_operation_is_worth_what_it_says() {
    let Some((world, account)) = world() else {
        return;
    };
    world.ok(&format!(
        "user edit bob --os-user {account} --type external --yes"
    ));
    world.ok("permission grant CanManageUsers --user bob");
    world.ok("permission grant CanChangeAdminOperationGrantee --user bob");
    world.ok("permission grant CanManageSysSettings --user bob");
    world.ok("permission grant CanManageLookups --user bob");
    // What 2FA does not apply to needs no confirmation, and is worth no more for it.
    world.ok("permission deny CanUse2FA --user bob --position 1");
    world.ok("group add Vendors");
    world.ok("group add-member 'System administrators' --group Vendors");
    world.ok("group add-member Vendors --group 'All employees'");
    world.ok("user edit alice --type external --yes");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes --allow-lockout");
    world.write("people.csv", "login\nerin\n");
    std::fs::set_permissions(
        world.file("people.csv"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    for line in [
        // Every employee is an administrator here.
        "user add eve",
        "user edit bob --type employee",
        "user edit alice --type employee",
        "user import people.csv",
        "group add-member Vendors --user bob",
        "group remove Vendors",
        "permission deny CanUse2FA --user Supervisor --position 1",
        "permission deny CanUse2FA --group 'System administrators' --position 1",
        "permission revoke CanUse2FA --group 'All employees'",
        "setting set Enable2FA off",
        "setting reset Enable2FA",
        "method disable email",
        "group edit Vendors --name Plain",
        "password set Supervisor --password-stdin",
    ] {
        let done = run(&world, &account, &format!("{line} --yes -o json"), &[]);
        assert_eq!(done.code, Some(5), "{line}: {}", done.stderr);
        assert!(
            done.stderr.contains("`bob` is not an administrator"),
            "{line}: {}",
            done.stderr
        );
    }
    for line in [
        "user add eve --type external",
        "permission deny CanUse2FA --user alice --position 1",
        "group add Plain",
    ] {
        let done = run(&world, &account, &format!("{line} --yes"), &[]);
        assert_eq!(done.code, Some(0), "{line}: {}", done.stderr);
    }
}

/// In advance, while 2FA is off, is no better.
#[test]
fn administrators_are_not_exempted_in_advance() {
    let Some((world, account)) = world() else {
        return;
    };
    world.ok(&format!("user edit bob --os-user {account}"));
    world.ok("permission grant CanChangeAdminOperationGrantee --user bob");
    let line = "permission deny CanUse2FA --group 'System administrators' --position 1";
    let done = run(&world, &account, line, &[]);
    assert_eq!(done.code, Some(5), "{}", done.stderr);
    world.ok(line);
}

/// Whoever acts for the owner names no file of the owner's, no program and no secret, in a policy file either.
#[test]
fn a_policy_names_no_file_for_another_account() {
    let Some((world, account)) = world() else {
        return;
    };
    world.ok(&format!("user edit bob --os-user {account}"));
    world.ok("permission grant CanManageAdministration --user bob");
    world.ok("permission grant CanManageSysSettings --user bob");
    let apply = |text: &str| {
        world.write("policy.toml", &format!("version = 1\n{text}"));
        run(
            &world,
            &account,
            "apply policy.toml --yes",
            &[("SECRET", "s")],
        )
    };
    for (text, place) in [
        (
            "[mailboxes.m]\nkind = 'sendmail'\nfrom = 'a@example.com'\npath = '/bin/sh'\n",
            "mailboxes.m.path",
        ),
        (
            "[mailboxes.m]\nkind = 'smtp'\nhost = 'h'\nfrom = 'a@example.com'\nusername = 'u'\npassword = 'file:/etc/shadow'\n",
            "mailboxes.m.password",
        ),
        (
            "[mailboxes.m]\nca_file = '/etc/shadow'\n",
            "mailboxes.m.ca_file",
        ),
        (
            "[sms_providers.p]\nkind = 'command'\npath = '/bin/sh'\n",
            "sms_providers.p.path",
        ),
        (
            "[sms_providers.p]\narguments = ['-c', 'id']\n",
            "sms_providers.p.arguments",
        ),
        (
            "[sms_providers.p]\nkind = 'twilio'\naccount = 'a'\nsecret = 'env:SECRET'\n",
            "sms_providers.p.secret",
        ),
    ] {
        let done = apply(text);
        assert_eq!(done.code, Some(5), "{text}: {}", done.stderr);
        assert!(
            done.stderr
                .contains(&format!("`{place}` names a file, a program or a secret")),
            "{}",
            done.stderr
        );
    }
    let done = apply("[settings]\nTotpDriftSteps = 2\n");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

/// Neither a policy nor a file of users changes an administrator, or makes one, for who is none: in one step or in several.
#[test]
fn no_file_touches_administrators_for_others() {
    let Some((world, account)) = world() else {
        return;
    };
    world.ok("user add second --group 'System administrators' --email second@example.com");
    world.ok("group add Night");
    world.ok(&format!("user edit bob --os-user {account}"));
    for operation in [
        "CanManageAdministration",
        "CanManageUsers",
        "CanManageLookups",
        "CanManageSysSettings",
        "CanChangeAdminOperationGrantee",
    ] {
        world.ok(&format!("permission grant {operation} --user bob"));
    }
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    let before = world.ok("export").stdout;
    let open = |name: &str| {
        std::fs::set_permissions(world.file(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    };
    let refused = |line: &str, text: &str| {
        let done = run(&world, &account, line, &[]);
        assert_eq!(done.code, Some(5), "{text}: {}", done.stderr);
        assert!(
            done.stderr.contains("is not an administrator"),
            "{text}: {}",
            done.stderr
        );
    };
    for text in [
        "[groups.'System administrators']\nusers = ['bob']\n",
        "[groups.'System administrators']\ngroups = ['Night']\n[groups.Night]\nusers = ['bob']\n",
        "[groups.Night]\nusers = ['bob']\n[groups.New]\ngroups = ['Night']\n[groups.'System administrators']\ngroups = ['New']\n",
        "[users.eve]\ngroups = ['System administrators']\n",
        "[users.second]\nemail = 'bob2@example.com'\n",
        "[users.second]\nactive = false\n",
        "[users.alice]\nos_user = 'daemon'\n",
        "[settings]\nEnable2FA = false\n",
        "[methods.email]\nenabled = false\n[methods.totp]\nenabled = true\n",
        "[permissions]\nCanUse2FA = []\n",
        "[groups.Night]\nusers = ['second']\n[permissions]\nCanUse2FA = [{group = 'Night', access = 'deny'}, {group = 'All employees', access = 'allow'}]\n",
    ] {
        world.write("policy.toml", &format!("version = 1\n{text}"));
        open("policy.toml");
        refused("apply policy.toml --yes", text);
    }
    world.write(
        "policy.toml",
        "version = 1\n[users.Supervisor]\n[users.alice]\n[users.bob]\n",
    );
    refused("apply policy.toml --prune --yes", "prune");
    for text in [
        "login,groups\nbob,System administrators\n",
        "login,groups\neve,System administrators\n",
        "login,email\nsecond,bob2@example.com\n",
        "login,name\nsecond,Renamed\n",
        "login,active\nsecond,no\n",
    ] {
        world.write("people.csv", text);
        open("people.csv");
        refused("user import people.csv --yes --on-conflict update", text);
    }
    assert_eq!(world.ok("export").stdout, before);
}

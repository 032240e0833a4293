//! Other accounts of the machine: what a file's mode lets through, who is mapped, and what sudo may not say.
//!
//! It must run as root, for only root becomes somebody else. It uses accounts that every Debian has and makes none.

use crate::machine::{CALLER, Machine, NOBODY, OWNER};

#[test]
fn a_closed_store_is_closed() {
    let machine = Machine::new();
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "status"),
        snapbox::str![[r#"
$ status
? 1
error: cannot read the store `twofa.db`: Permission denied (os error 13)

"#]]
    );
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "user add carol"),
        snapbox::str![[r#"
$ user add carol
? 1
error: cannot read the store `twofa.db`: Permission denied (os error 13)

"#]]
    );
}

#[test]
fn who_is_not_mapped_is_refused() {
    let machine = Machine::new();
    machine.mode("twofa.db", 0o666);
    machine.mode(".", 0o777);
    let before = std::fs::read(machine.world.file("twofa.db")).unwrap();
    for line in ["status", "user list", "user add carol", "user show alice"] {
        let said = machine.shows(NOBODY, line);
        assert_eq!(
            said,
            format!(
                "$ {line}\n? 5\nerror: no user of the store is mapped to the account `nobody`\n hint: an administrator maps one with `twofa user edit LOGIN --os-user nobody`\nwarning: the refusal could not be recorded: the key file `twofa.db.key` cannot be read: Permission denied (os error 13)\n"
            )
        );
    }
    // To claim somebody else does not help.
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "--as Supervisor status"),
        snapbox::str![[r#"
$ --as Supervisor status
? 5
error: only root and the store's owner choose the acting user with --as
warning: the refusal could not be recorded: the key file `twofa.db.key` cannot be read: Permission denied (os error 13)

"#]]
    );
    assert_eq!(
        before,
        std::fs::read(machine.world.file("twofa.db")).unwrap()
    );
}

#[test]
fn a_mapped_account_acts_as_its_user() {
    let machine = Machine::new();
    machine.world.ok("user edit alice --os-user nobody");
    machine.mode("twofa.db", 0o666);
    machine.mode(".", 0o777);
    let said = machine.run(
        NOBODY,
        "user show alice -o json",
        &[("TWOFA_DB", "twofa.db")],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "user list"),
        snapbox::str![[r#"
$ user list
? 5
error: `alice` lacks the operation `CanManageUsers`, which `twofa user list` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`
warning: the refusal could not be recorded: the key file `twofa.db.key` cannot be read: Permission denied (os error 13)

"#]]
    );
    // With the key, the refusal is kept, with the account.
    machine.mode("twofa.db.key", 0o644);
    let said = machine.shows(NOBODY, "user list");
    assert!(!said.contains("could not be recorded"), "{said}");
    machine.mode("twofa.db.key", 0o600);
    let audit = machine.world.json("audit list --limit 1");
    assert_eq!(audit[0]["event"], "permission.denied", "{audit}");
    assert_eq!(audit[0]["actor"], "alice", "{audit}");
    assert_eq!(audit[0]["os_user"], "nobody", "{audit}");
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "authenticator connect alice"),
        snapbox::str![[r#"
$ authenticator connect alice
? 1
error: the key file `twofa.db.key` cannot be read: Permission denied (os error 13)
 hint: run the command as the store's owner

"#]]
    );
}

#[test]
fn a_store_that_can_only_be_read_can_be_read() {
    let machine = Machine::new();
    machine.world.ok("user edit alice --os-user nobody");
    for (store, directory) in [(0o644, 0o755), (0o666, 0o755)] {
        machine.mode("twofa.db", store);
        machine.mode(".", directory);
        let what = format!("{store:o} in {directory:o}");
        let said = machine.shows(NOBODY, "setting get TotpIssuer");
        assert_eq!(said, "$ setting get TotpIssuer\n? 0\ntwofa\n", "{what}");
        // A refusal that cannot be kept is a refusal all the same, and says so.
        let said = machine.shows(NOBODY, "user list");
        assert!(said.contains("? 5\n"), "{what}: {said}");
        let said = machine.shows(NOBODY, "recovery-codes delete alice --yes");
        assert!(said.contains("? 1\n"), "{what}: {said}");
        assert!(
            said.contains("error: the store `twofa.db` cannot be "),
            "{what}: {said}"
        );
        // Nothing of another account's is left beside the store.
        for beside in ["twofa.db-wal", "twofa.db-shm"] {
            assert!(!machine.world.file(beside).exists(), "{what}: {beside}");
        }
    }
    machine.mode("twofa.db", 0o644);
    machine.mode(".", 0o755);
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "recovery-codes delete alice --yes"),
        snapbox::str![[r#"
$ recovery-codes delete alice --yes
? 1
error: the store `twofa.db` cannot be written: Permission denied (os error 13)
 hint: run the command as the store's owner; reading commands still work

"#]]
    );
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "user list"),
        snapbox::str![[r#"
$ user list
? 5
error: `alice` lacks the operation `CanManageUsers`, which `twofa user list` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`
warning: the refusal could not be recorded: the store `twofa.db` cannot be written: Permission denied (os error 13)

"#]]
    );
    machine.mode("twofa.db", 0o666);
    snapbox::assert_data_eq!(
        machine.shows(NOBODY, "recovery-codes delete alice --yes"),
        snapbox::str![[r#"
$ recovery-codes delete alice --yes
? 1
error: the store `twofa.db` cannot be opened: attempt to write a readonly database: Error code 1544: attempt to write a readonly database
 hint: SQLite keeps a log beside the file: the directory must be writable, and files there that end in -wal and -shm too

"#]]
    );
}

#[test]
fn a_delegated_caller_chooses_no_file_and_no_user() {
    let machine = Machine::new();
    machine.give_away();
    // Mapped to an administrator: it is not for want of rights.
    machine.owned("user edit alice --os-user games --group 'System administrators'");
    let store = machine.world.file("share/twofa/twofa.db");
    let before = std::fs::read(&store).unwrap();
    let refused = |line: &str, variables: &[(&str, &str)], what: &str| {
        let said = machine.delegated(line, variables);
        assert_eq!(said.code, Some(5), "{line} {variables:?}: {said:?}");
        assert_eq!(said.stdout, "", "{line} {variables:?}");
        assert_eq!(
            said.stderr,
            format!(
                "error: {what} is not for delegated callers\n hint: only root and the store's owner choose the store, its key, files and programs\n"
            ),
            "{line} {variables:?}"
        );
    };
    for (line, what) in [
        ("--db share/twofa/twofa.db status", "the option --db"),
        ("--db /nowhere status", "the option --db"),
        ("status --key-file /nowhere", "the option --key-file"),
        ("--as Supervisor status", "the option --as"),
        ("user import people.csv --yes", "the option --file"),
        (
            "password set bob --password-file secret",
            "the option --password-file",
        ),
        (
            "login start bob --password-file secret",
            "the option --password-file",
        ),
        (
            "user add carol --password-file secret",
            "the option --password-file",
        ),
        (
            "mailbox add x --file mail --from x@example.com",
            "the option --file",
        ),
        ("mailbox edit trial --file mail", "the option --file"),
        (
            "mailbox add x --sendmail --from x@example.com",
            "the option --sendmail",
        ),
        (
            "mailbox add x --sendmail /bin/true --from x@example.com",
            "the option --sendmail",
        ),
        (
            "mailbox add x --smtp smtp://x --ca-file secret --from x@example.com",
            "the option --ca-file",
        ),
        (
            "authenticator connect bob --qr png --out f.png",
            "the option --out",
        ),
        // A dash is a stream where the command says so, and a file everywhere else.
        (
            "mailbox add x --sendmail=- --from x@example.com",
            "the option --sendmail",
        ),
        (
            "mailbox add x --file - --from x@example.com",
            "the option --file",
        ),
        (
            "mailbox add x --smtp smtp://x --ca-file - --from x@example.com",
            "the option --ca-file",
        ),
        ("--db - status", "the option --db"),
        ("status --key-file -", "the option --key-file"),
        (
            "password set bob --password-file -",
            "the option --password-file",
        ),
        ("init", "`twofa init`"),
        ("init --admin x", "`twofa init`"),
        ("key check", "`twofa key check`"),
    ] {
        refused(line, &[], what);
    }
    for variable in [
        "TWOFA_DB",
        "TWOFA_KEY_FILE",
        "TWOFA_AS",
        "TWOFA_YES",
        "TWOFA_OUTPUT",
        "TWOFA_TEST_NOW",
        "TWOFA_ANYTHING",
    ] {
        let value = if variable == "TWOFA_OUTPUT" {
            "table"
        } else {
            "1"
        };
        refused(
            "status",
            &[(variable, value)],
            &format!("the variable {variable}"),
        );
    }
    // Completion reads directories and stores: it is no way around.
    let said = machine.delegated("-- twofa --db=/var/", &[("TWOFA_COMPLETE", "fish")]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(5), ""), "{said:?}");
    assert_eq!(before, std::fs::read(&store).unwrap());
    assert!(!machine.world.file("f.png").exists());
}

#[test]
fn a_delegated_caller_acts_as_their_user_and_nobody_else() {
    let machine = Machine::new();
    machine.give_away();
    let not_mapped = "error: no user of the store is mapped to the account `games`";
    let said = machine.delegated("status", &[]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.stderr.contains(not_mapped), "{said:?}");

    machine.owned("user edit alice --os-user games");
    let said = machine.delegated("user show alice", &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = machine.delegated("user add carol", &[]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(
        said.stderr
            .contains("`alice` lacks the operation `CanManageUsers`"),
        "{said:?}"
    );

    // doas and pkexec say it in their own way.
    let caller = CALLER.ids().0.to_string();
    let nobody = NOBODY.ids().0.to_string();
    for (variable, value) in [("DOAS_USER", "games"), ("PKEXEC_UID", caller.as_str())] {
        let share = machine.world.file("share").display().to_string();
        let said = machine.run(
            OWNER,
            "user add carol",
            &[("XDG_DATA_HOME", &share), (variable, value)],
        );
        assert_eq!(said.code, Some(5), "{variable}: {said:?}");
    }
    // Another caller is another user.
    let said = machine.delegated("user show alice", &[("SUDO_UID", &nobody)]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(
        said.stderr.contains("mapped to the account `nobody`"),
        "{said:?}"
    );

    let audit = machine
        .owned("audit list --event permission.denied -o json")
        .stdout;
    let audit: serde_json::Value = serde_json::from_str(&audit).unwrap();
    let who: Vec<_> = audit
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["actor"].as_str(), row["os_user"].as_str()))
        .collect();
    let alice = (Some("alice"), Some("games"));
    assert_eq!(
        who,
        [
            (None, Some("nobody")),
            alice,
            alice,
            alice,
            (None, Some("games"))
        ],
        "{audit}"
    );
    // `-` is no file.
    let said = machine.delegated("authenticator connect alice --qr svg --out -", &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("<svg"), "{said:?}");
}

/// What the variables of sudo, doas and pkexec say can only take rights away.
#[test]
fn who_cannot_be_told_is_nobody() {
    let machine = Machine::new();
    machine.give_away();
    machine.owned("user edit alice --os-user games");
    machine.owned("user edit bob --os-user nobody");
    let share = machine.world.file("share").display().to_string();
    let [owner, caller, other] = [OWNER, CALLER, NOBODY].map(|account| account.ids().0.to_string());
    let run = |variables: &[(&str, &str)]| {
        let all = [&[("XDG_DATA_HOME", share.as_str())], variables].concat();
        machine.run(OWNER, "user list", &all)
    };
    for variables in [
        &[("DOAS_USER", "an-account-that-was-deleted")][..],
        &[("DOAS_USER", "")],
        &[("SUDO_UID", "junk")],
        &[("SUDO_UID", "")],
        &[("SUDO_UID", "-1"), ("PKEXEC_UID", &owner)],
        &[("SUDO_UID", &caller), ("DOAS_USER", "nobody")],
        &[("PKEXEC_UID", "4000000001")],
    ] {
        let said = run(variables);
        assert_eq!(said.code, Some(5), "{variables:?}: {said:?}");
        assert!(
            said.stderr
                .starts_with("error: the account that called cannot be told\n"),
            "{variables:?}: {said:?}"
        );
    }
    // None outranks another.
    for (variables, user) in [
        (
            &[("SUDO_UID", owner.as_str()), ("DOAS_USER", "games")][..],
            "alice",
        ),
        (&[("SUDO_UID", &caller), ("PKEXEC_UID", &owner)], "alice"),
        (&[("PKEXEC_UID", &other), ("DOAS_USER", "nobody")], "bob"),
    ] {
        let said = run(variables);
        assert_eq!(said.code, Some(5), "{variables:?}: {said:?}");
        assert!(
            said.stderr.starts_with(&format!(
                "error: `{user}` lacks the operation `CanManageUsers`"
            )),
            "{variables:?}: {said:?}"
        );
    }
    assert_eq!(
        run(&[("SUDO_UID", &owner), ("DOAS_USER", "daemon")]).code,
        Some(0)
    );
    // With the owner's rights lent by a set-uid program, the real account is the caller, whatever the variables say.
    for variables in [
        &[][..],
        &[("SUDO_UID", owner.as_str())],
        &[("SUDO_UID", &other)],
    ] {
        let all = [&[("XDG_DATA_HOME", share.as_str())], variables].concat();
        let said = machine.run_lent(CALLER, OWNER, "user list", &all);
        assert_eq!(said.code, Some(5), "{variables:?}: {said:?}");
        assert!(
            said.stderr
                .starts_with("error: `alice` lacks the operation"),
            "{variables:?}: {said:?}"
        );
        let said = machine.run_lent(CALLER, OWNER, "--as Supervisor user list", &all);
        assert!(
            said.stderr
                .starts_with("error: the option --as is not for delegated callers"),
            "{variables:?}: {said:?}"
        );
    }
}

/// An account that is neither root nor the owner is itself: it cannot say that sudo was somebody else's.
#[test]
fn another_account_claims_nobody() {
    let machine = Machine::new();
    machine
        .world
        .ok("user edit alice --os-user games --group 'System administrators'");
    machine.mode("twofa.db", 0o666);
    machine.mode(".", 0o777);
    let caller = CALLER.ids().0.to_string();
    let variables = [("TWOFA_DB", "twofa.db"), ("SUDO_UID", caller.as_str())];
    let said = machine.run(NOBODY, "status", &variables);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(
        said.stderr.contains("mapped to the account `nobody`"),
        "{said:?}"
    );
}

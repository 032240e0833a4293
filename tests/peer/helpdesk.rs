//! A helpdesk that real sudo lets run the program as the store's owner: it may do what the operations of its user say,
//! and nothing else.
//!
//! It must run as root, and makes the system store and a file of sudoers for as long as it runs. The accounts are those
//! that every Debian has.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{User, geteuid};
use serde_json::Value;
use twofa::verb::{Needs, Opens, Operation, VERBS, Verb};

use crate::lines::{FILES, SETUP, line};
use crate::peer;
use crate::world::World;

/// Owns the store.
const OWNER: &str = "daemon";
/// Comes through sudo.
const CALLER: &str = "games";
const DIRECTORY: &str = "/var/lib/twofa";
const SUDOERS: &str = "/etc/sudoers.d/twofa-peer-test";

/// The system store with its people, and a helpdesk of one: `helga`, whom the account [`CALLER`] acts as.
struct Desk {
    world: World,
    program: PathBuf,
    /// A pending login of alice.
    challenge: String,
    _alone: std::sync::RwLockWriteGuard<'static, ()>,
}

#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is left of a test that failed would be in the way of the next one.
        let _ = std::fs::remove_file(SUDOERS);
        let _ = std::fs::remove_dir_all(DIRECTORY);
    }
}

impl Desk {
    fn new() -> Desk {
        assert!(
            geteuid().is_root(),
            "this test must run as root: it writes sudoers"
        );
        peer("sudo", "apt-get install sudo");
        let alone = crate::SYSTEM_STORE
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(
            !Path::new(DIRECTORY).exists(),
            "this machine has a system store, and is no place for this test: {DIRECTORY}"
        );
        let world = World::empty();
        let program = world.file("twofa");
        std::fs::copy(env!("CARGO_BIN_EXE_twofa"), &program).unwrap();
        for path in [world.path().to_owned(), program.clone()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        world.write("secret", "alice-pw\n");
        world.write("people.csv", "login\nerin\n");
        let rule = format!(
            "Defaults:{CALLER} !lecture, env_keep += \"TWOFA_*\"\n{CALLER} ALL=({OWNER}) NOPASSWD: {}\n",
            program.display()
        );
        let mut desk = Desk {
            world,
            program,
            challenge: String::new(),
            _alone: alone,
        };
        std::fs::write(SUDOERS, rule).unwrap();
        std::fs::set_permissions(SUDOERS, std::fs::Permissions::from_mode(0o440)).unwrap();
        desk.people();
        desk
    }

    /// What a sysadmin does first, as root.
    fn people(&mut self) {
        self.root(&format!("init --owner {OWNER}"), "");
        self.root(
            "user add alice --email alice@example.com --password-stdin",
            "alice-pw\n",
        );
        self.root(
            "user add bob --email bob@example.com --password-stdin",
            "bob-pw\n",
        );
        self.root(
            &format!("mailbox add trial --file {DIRECTORY}/mail --from a@example.com"),
            "",
        );
        self.root(
            "setting set 2FAmailbox trial SSPRegistrationMailbox trial",
            "",
        );
        self.root("method enable email --primary", "");
        self.root("method enable totp", "");
        for (name, text) in FILES {
            self.world.write(name, text);
        }
        for line in SETUP {
            self.root(
                &line.replace("--file mail", &format!("--file {DIRECTORY}/mail")),
                "",
            );
        }
        self.root("setting set Enable2FA on --yes", "");
        let started = self.root("login start alice --password-stdin -o json", "alice-pw\n");
        let verdict: Value = serde_json::from_str(&started).unwrap();
        verdict["challenge"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.challenge);
        self.connect("alice");
        self.root(
            &format!("user add helga --email helga@example.com --os-user {CALLER}"),
            "",
        );
        self.root("group add Helpdesk", "");
        self.root("group add-member Helpdesk --user helga", "");
        self.root("permission grant CanReset2FA --group Helpdesk", "");
    }

    fn connect(&self, login: &str) -> String {
        let begun = self.root(&format!("authenticator connect {login} -o json"), "");
        let begun: Value = serde_json::from_str(&begun).unwrap();
        let secret = data_encoding::BASE32_NOPAD
            .decode(begun["secret"].as_str().unwrap().as_bytes())
            .unwrap();
        let code = totp_rs::Builder::new()
            .with_secret(secret.clone())
            .build()
            .unwrap()
            .generate_current();
        self.root(&format!("authenticator confirm {login} --code {code}"), "");
        data_encoding::BASE32_NOPAD.encode(&secret)
    }

    fn run(command: &mut Command, input: &str) -> Said {
        use std::io::Write as _;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command as root, which must succeed.
    #[track_caller]
    fn root(&self, line: &str, input: &str) -> String {
        let words = self.world.run(line).command();
        let mut command = Command::new(&self.program);
        command
            .args(words.get_args())
            .env_clear()
            .current_dir(self.world.path());
        let said = Desk::run(&mut command, input);
        assert!(matches!(said.code, Some(0 | 18)), "{line}: {said:?}");
        said.stdout
    }

    /// Runs a command as the helpdesk does: `sudo -u OWNER twofa …`, with these variables in its environment.
    fn helpdesk(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let caller = User::from_name(CALLER)
            .unwrap()
            .expect("every Debian has this account");
        let words = self.world.run(line).command();
        let mut command = Command::new(peer("setpriv", "apt-get install util-linux"));
        command
            .arg(format!("--reuid={}", caller.uid))
            .arg(format!("--regid={}", caller.gid))
            .args(["--clear-groups", "--", "sudo", "-n", "-u", OWNER])
            .arg("--")
            .arg(&self.program)
            .args(words.get_args())
            .current_dir(self.world.path())
            .envs(variables.iter().copied());
        Desk::run(&mut command, "")
    }

    /// What the store declares, as root sees it.
    fn declared(&self) -> String {
        [
            "user list -o ndjson",
            "group list -o ndjson",
            "group show Staff -o ndjson",
            "permission list -o ndjson",
            "setting list -o ndjson",
            "method list -o ndjson",
            "mailbox list -o ndjson",
            "login list -o ndjson",
        ]
        .map(|line| self.root(line, ""))
        .concat()
    }
}

/// Whether somebody who has `CanReset2FA` and nothing else may run a verb about somebody else.
fn is_open(verb: &Verb) -> bool {
    match verb.needs {
        Needs::Nothing => verb.opens != Opens::Create,
        Needs::Mapped => true,
        Needs::OneselfOr(operation)
        | Needs::OneselfConfirmedOr(operation)
        | Needs::Operation(operation) => operation == Operation::CanReset2FA,
        Needs::OneselfConfirmedOrAdministrator(_) | Needs::OwnerAsAdministrator => false,
    }
}

/// Without the operation these show what is one's own.
const OWN: [&str; 2] = ["authenticator list", "login list"];

#[test]
fn every_command_is_run_through_sudo() {
    let desk = Desk::new();
    let before = desk.declared();
    let mut refused = 0;
    for verb in VERBS
        .iter()
        .filter(|verb| verb.path != "authenticator disconnect")
    {
        let line = line(verb).replace("CHALLENGE", &desk.challenge);
        let said = desk.helpdesk(&format!("{line} --yes"), &[]);
        if is_open(verb) || OWN.contains(&verb.path) {
            assert_eq!(said.code, Some(0), "{line}: {said:?}");
            continue;
        }
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (Some(5), ""),
            "{line}: {said:?}"
        );
        // A file that the line names is refused before it is asked who may.
        refused += usize::from(!said.stderr.contains("is not for delegated callers"));
    }
    assert_eq!(desk.declared(), before);
    assert!(refused > 40, "{refused}");
    let denied = desk.root(
        "audit list --event permission --outcome denied --actor helga -o ndjson",
        "",
    );
    let denied: Vec<Value> = denied
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(denied.len(), refused);
    assert!(denied.iter().all(|row| row["os_user"] == CALLER));
    // What it is there for.
    let shown = desk.helpdesk("authenticator show alice -o json", &[]);
    assert!(shown.stdout.contains(r#""connected": true"#), "{shown:?}");
    let done = desk.helpdesk(
        "authenticator disconnect alice --yes --reason 'phone lost' -o json",
        &[],
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    let row = desk.root(
        "audit list --event authenticator.disconnected --limit 1 -o ndjson",
        "",
    );
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(
        [
            &row["actor"],
            &row["os_user"],
            &row["subject"],
            &row["note"]
        ],
        ["helga", CALLER, "alice", "phone lost"]
    );
    desk.root("audit verify", "");
}

/// An administrator is no business of a helpdesk, and its own second factor is asked of it like of anybody.
#[test]
fn administrators_and_oneself_are_out_of_reach() {
    let desk = Desk::new();
    desk.connect("Supervisor");
    let said = desk.helpdesk("authenticator disconnect Supervisor --yes", &[]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(
        said.stderr
            .contains("only administrators change administrators"),
        "{said:?}"
    );
    for line in [
        "group add-member 'System administrators' --user helga",
        "permission grant CanManageUsers --user helga",
        "user edit helga --os-user root",
        "authenticator disconnect alice --yes --override --reason x",
    ] {
        let said = desk.helpdesk(line, &[]);
        // Nothing of alice's has to be confirmed, so there is nothing to override.
        let expected = if line.contains("--override") { 0 } else { 5 };
        assert_eq!(said.code, Some(expected), "{line}: {said:?}");
    }
    // The account that is taken off the list is out at once.
    desk.root("permission revoke CanReset2FA --group Helpdesk --yes", "");
    assert_eq!(desk.helpdesk("authenticator show alice", &[]).code, Some(5));
    desk.root("user edit helga --no-os-user", "");
    let said = desk.helpdesk("status", &[]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.stderr.contains(&format!(
        "no user of the store is mapped to the account `{CALLER}`"
    )));
}

/// No file, program, store, key, user or variable is theirs to choose, whatever sudo lets through.
#[test]
fn nothing_that_names_a_file_is_taken() {
    let desk = Desk::new();
    let said = |line: &str, variables: &[(&str, &str)]| {
        let said = desk.helpdesk(line, variables);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (Some(5), ""),
            "{line} {variables:?}: {said:?}"
        );
        assert!(
            said.stderr.contains("is not for delegated callers"),
            "{line} {variables:?}: {said:?}"
        );
    };
    let own = desk.world.file("own.db");
    let own = own.display();
    for line in [
        format!("--db {own} status"),
        format!("--db {DIRECTORY}/twofa.db status"),
        format!("status --key-file {own}.key"),
        "status --as Supervisor".to_owned(),
        format!("init --db {own}"),
        "user import people.csv".to_owned(),
        "password set alice --password-file secret".to_owned(),
        "password change alice --new-password-file secret".to_owned(),
        "password recover alice --token-file secret".to_owned(),
        "mailbox add x --sendmail /bin/sh --from a@example.com".to_owned(),
        "sms-provider add x --command /bin/sh".to_owned(),
        "sms-provider add x --file sms".to_owned(),
        // What a program is given is as good as the program.
        "sms-provider edit text --arg=-c --arg 'id > mine'".to_owned(),
        "sms-provider add x --twilio --account a --token-file secret".to_owned(),
        "sms-provider add x --http https://a.example/ --body-file secret".to_owned(),
        "sms-provider edit text --ca-file secret".to_owned(),
        "template set '2FA SMS code' --text-file secret".to_owned(),
        "authenticator connect helga --qr png --out helga.png".to_owned(),
        "man --out pages".to_owned(),
        "key check".to_owned(),
    ] {
        said(&line, &[]);
    }
    for variable in [
        "TWOFA_DB",
        "TWOFA_KEY_FILE",
        "TWOFA_AS",
        "TWOFA_YES",
        "TWOFA_OUTPUT",
    ] {
        let value = if variable == "TWOFA_OUTPUT" {
            "json"
        } else {
            "1"
        };
        said("status", &[(variable, value)]);
    }
    assert!(!desk.world.file("own.db").exists());
    // Nor before there is a store: whoever makes one would be its administrator.
    std::fs::remove_dir_all(DIRECTORY).unwrap();
    for line in ["init --admin me", &format!("init --db {own} --admin me")] {
        let refused = desk.helpdesk(line, &[]);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (Some(5), ""),
            "{line}: {refused:?}"
        );
    }
    assert!(!desk.world.file("own.db").exists());
}

/// sudo says who calls, and not whoever calls.
#[test]
fn the_caller_is_who_sudo_says() {
    let desk = Desk::new();
    let owner = User::from_name(OWNER).unwrap().unwrap().uid.to_string();
    for uid in ["0", owner.as_str(), ""] {
        let variables = [("SUDO_UID", uid), ("DOAS_USER", OWNER), ("PKEXEC_UID", uid)];
        assert_eq!(desk.helpdesk("status", &variables).code, Some(0), "{uid}");
        assert_eq!(
            desk.helpdesk("user list", &variables).code,
            Some(5),
            "{uid}"
        );
    }
}

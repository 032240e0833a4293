//! A world that other accounts of the machine can reach, and a program that they can run.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::peer;
use crate::world::World;

/// An account of the machine.
#[derive(Clone, Copy)]
pub struct Account(pub &'static str);

impl Account {
    #[track_caller]
    pub fn ids(self) -> (u32, u32) {
        let user = User::from_name(self.0)
            .unwrap()
            .unwrap_or_else(|| panic!("this test needs the account `{}`: useradd -r {0}", self.0));
        (user.uid.as_raw(), user.gid.as_raw())
    }
}

pub const NOBODY: Account = Account("nobody");
/// Owns the store.
pub const OWNER: Account = Account("daemon");
/// Comes through sudo.
pub const CALLER: Account = Account("games");

/// A world that other accounts can reach, with a program they can run.
pub struct Machine {
    pub world: World,
    program: PathBuf,
    _no_system_store: std::sync::RwLockReadGuard<'static, ()>,
}

/// What a command answered.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Machine {
    pub fn new() -> Machine {
        assert!(
            geteuid().is_root(),
            "this test must run as root: it becomes other accounts"
        );
        let no_system_store = crate::SYSTEM_STORE
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let system = std::path::Path::new("/var/lib/twofa/twofa.db");
        assert!(
            !system.exists(),
            "this machine has a system store, and its accounts are no place for this test"
        );
        let world = World::peopled();
        world.write("people.csv", "login\ncarol\n");
        world.write("secret", "carol-pw\n");
        // The build's own directory may be closed to other accounts.
        let program = world.file("twofa");
        std::fs::copy(env!("CARGO_BIN_EXE_twofa"), &program).unwrap();
        let machine = Machine {
            world,
            program,
            _no_system_store: no_system_store,
        };
        machine.mode(".", 0o755);
        machine.mode("twofa", 0o755);
        machine.mode("people.csv", 0o644);
        machine.mode("secret", 0o644);
        machine
    }

    pub fn mode(&self, file: &str, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.world.file(file), mode).unwrap();
    }

    /// Runs a command as an account. The environment is empty but for these.
    pub fn run(&self, account: Account, line: &str, variables: &[(&str, &str)]) -> Said {
        self.run_lent(account, account, line, variables)
    }

    /// Runs a command as an account with the rights of another, as a set-uid program does.
    pub fn run_lent(
        &self,
        account: Account,
        lender: Account,
        line: &str,
        variables: &[(&str, &str)],
    ) -> Said {
        let ((real, gid), (effective, _)) = (account.ids(), lender.ids());
        let directory = self.world.path().display().to_string();
        let output = Command::new(peer("setpriv", "apt-get install util-linux"))
            .arg(format!("--ruid={real}"))
            .arg(format!("--euid={effective}"))
            .arg(format!("--regid={gid}"))
            .arg("--clear-groups")
            .arg("--")
            .arg(&self.program)
            .args(self.world.run(line).command().get_args())
            .current_dir(self.world.path())
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(&directory, "[DIR]")
        };
        Said {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The whole of what a command says, as one text.
    pub fn shows(&self, account: Account, line: &str) -> String {
        let said = self.run(account, line, &[("TWOFA_DB", "twofa.db")]);
        format!(
            "$ {line}\n? {}\n{}{}",
            said.code.unwrap(),
            said.stdout,
            said.stderr
        )
    }

    /// Moves the store to where an account without a system store has it, and gives it to [`OWNER`].
    pub fn give_away(&self) {
        let home = self.world.file("share/twofa");
        std::fs::create_dir_all(&home).unwrap();
        let (uid, gid) = OWNER.ids();
        for name in ["twofa.db", "twofa.db.key"] {
            std::fs::rename(self.world.file(name), home.join(name)).unwrap();
            chown(home.join(name), Some(uid), Some(gid)).unwrap();
        }
        chown(&home, Some(uid), Some(gid)).unwrap();
        self.mode("share", 0o755);
        self.mode("share/twofa", 0o700);
    }

    /// Runs a command as the store's owner on behalf of the caller, as sudo does.
    pub fn delegated(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let share = self.world.file("share").display().to_string();
        let caller = CALLER.ids().0.to_string();
        let mut all = vec![
            ("XDG_DATA_HOME", share.as_str()),
            ("SUDO_UID", caller.as_str()),
        ];
        all.extend_from_slice(variables);
        self.run(OWNER, line, &all)
    }

    /// As the store's owner itself.
    pub fn owned(&self, line: &str) -> Said {
        let share = self.world.file("share").display().to_string();
        let said = self.run(OWNER, line, &[("XDG_DATA_HOME", &share)]);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        said
    }
}

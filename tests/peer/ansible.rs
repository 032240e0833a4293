//! Ansible: the playbook of the examples sets a machine up, a second run changes nothing, and `--check` only tells.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use nix::unistd::geteuid;

use crate::world::World;
use crate::{peer, repository, succeeds};

/// Of the mailbox.
const PASSWORD: &str = "never-to-be-seen";

/// How a run of the playbook ended.
struct Played {
    /// Its exit status was 0.
    ok: bool,
    /// The counts of the last line, with single spaces.
    recap: String,
    /// All that it printed.
    said: String,
}

impl Played {
    /// The run ended well, and said that so many tasks changed something.
    #[track_caller]
    fn changed(&self, count: u32) {
        let ended = self.ok && self.recap.contains(" failed=0 ");
        assert!(ended, "{}", self.said);
        assert!(
            self.recap.contains(&format!(" changed={count} ")),
            "{count} wanted\n{}",
            self.said
        );
    }
}

/// Runs the playbook on this machine, on the store of `world`, without a network, the user's home or their settings. The
/// password is in nothing that it says.
fn play(world: &World, more: &[&str]) -> Played {
    let ansible = peer(
        "ansible-playbook",
        "python3 -m pip install ansible-core, or apt install ansible-core",
    );
    // The Python that runs Ansible runs its modules too.
    let python = peer("python3", "apt install python3");
    let python = succeeds(Command::new(python).args(["-c", "import sys; print(sys.executable)"]));
    let own = |name: &str| world.file(name).display().to_string();
    let vars = format!(
        "twofa_program={} twofa_store={} twofa_credentials={} ansible_connection=local \
         ansible_python_interpreter={} ansible_become=false",
        env!("CARGO_BIN_EXE_twofa"),
        own("twofa.db"),
        own("credentials"),
        python.trim(),
    );
    let vault = format!("vault_twofa_smtp_password: {PASSWORD}\n");
    world.write("vault.yml", &vault);
    world.write("ansible.cfg", "");
    #[expect(
        clippy::disallowed_methods,
        reason = "peers are where the machine has them"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = Command::new(ansible)
        .args(["-i", "machine,", "-e", "@vault.yml", "-e", &vars])
        .args(more)
        .arg(repository("examples/ansible/site.yml"))
        .current_dir(world.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", world.path())
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_CONFIG", own("ansible.cfg"))
        .env("ANSIBLE_HOME", own("ansible"))
        .env("ANSIBLE_LOCAL_TEMP", own("ansible/tmp"))
        .env("ANSIBLE_REMOTE_TEMP", own("ansible/tmp"))
        // To become root from root is to run sudo all the same.
        .env("ANSIBLE_BECOME_ALLOW_SAME_USER", "1")
        .env("ANSIBLE_NOCOLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(PASSWORD), "{said}");
    let recap = said.lines().rev().find(|line| line.starts_with("machine "));
    Played {
        ok: output.status.success(),
        recap: recap
            .unwrap_or_else(|| panic!("{said}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        said,
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let world = World::empty();
    world.use_real_clock();
    // Before anything is there, --check tells so and makes nothing.
    play(&world, &["--check"]).changed(1);
    for made in ["twofa.db", "twofa.db.key", "credentials"] {
        assert!(!world.file(made).exists(), "{made}");
    }
    // The directory, the password, the store, the policy, the people.
    play(&world, &[]).changed(5);
    play(&world, &[]).changed(0);
    play(&world, &["--check"]).changed(0);
    // What it says is so.
    assert_eq!(world.json("setting show Enable2FA")["value"], true);
    assert_eq!(world.json("setting show 2FAmailbox")["value"], "relay");
    assert_eq!(world.json("method show email")["primary"], true);
    assert_eq!(world.json("method show totp")["enabled"], true);
    assert_eq!(world.json("user show alice")["groups"][0], "Helpdesk");
    assert_eq!(world.json("user show carol")["type"], "external");
    assert_eq!(world.json("user list").as_array().unwrap().len(), 4);
    let checked = world.json("permission check CanReset2FA alice");
    assert_eq!(checked["granted"], true, "{checked}");
    // The password is the one that was given, and only root reads it.
    let mode = fs::metadata(world.file("credentials/smtp")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    let same = world
        .run("mailbox edit relay --password-stdin -o json")
        .stdin(&format!("{PASSWORD}\n"))
        .json(0);
    assert_eq!(same["changed"], false, "{same}");
}

#[test]
fn what_somebody_changed_by_hand_is_told_and_mended() {
    let world = World::empty();
    world.use_real_clock();
    play(&world, &[]).changed(5);
    let store = || fs::read(world.file("twofa.db")).unwrap();
    // A person: the policy holds, and only the people would change.
    world.ok("user edit carol --name Somebody");
    let before = store();
    play(&world, &["--check"]).changed(1);
    assert!(before == store(), "--check wrote into the store");
    play(&world, &[]).changed(1);
    assert_eq!(world.json("user show carol")["name"], "Carol Clark");
    // The password in the store: it is compared, and told without its bytes.
    world
        .run("mailbox edit relay --password-stdin")
        .stdin("another\n")
        .succeeds();
    play(&world, &["--check"]).changed(1);
    play(&world, &[]).changed(1);
    // The policy, and a group that the people need with it.
    world.ok("method disable totp --yes");
    world.ok("permission revoke CanReset2FA --group Helpdesk --yes");
    world.ok("group remove Helpdesk --yes");
    let before = store();
    play(&world, &["--check"]).changed(1);
    assert!(before == store(), "--check wrote into the store");
    assert_eq!(world.json("method show totp")["enabled"], false);
    play(&world, &[]).changed(2);
    assert_eq!(world.json("method show totp")["enabled"], true);
    assert_eq!(world.json("user show alice")["groups"][0], "Helpdesk");
    play(&world, &[]).changed(0);
}

/// A run that cannot go on fails, says why, and leaves the store as it was.
#[test]
fn a_mistake_fails_the_run() {
    let world = World::empty();
    world.use_real_clock();
    play(&world, &[]).changed(5);
    world.write(
        "mistaken.toml",
        "version = 1\n[settings]\nTotpDriftSteps = 2\n[users.carol]\nemial = 'c@example.com'\n",
    );
    let mistaken = format!("twofa_policy={}", world.file("mistaken.toml").display());
    for more in [&["-e", &mistaken][..], &["-e", &mistaken, "--check"]] {
        let played = play(&world, more);
        assert!(!played.ok, "{}", played.said);
        assert!(played.recap.contains(" failed=1 "), "{}", played.said);
        assert!(
            played.said.contains("line 5: `emial` is no key here"),
            "{}",
            played.said
        );
        // That it has no answer is no second error, and no change.
        assert!(!played.said.contains("from_json"), "{}", played.said);
        assert!(played.recap.contains(" changed=0 "), "{}", played.recap);
    }
    assert_eq!(world.json("setting show TotpDriftSteps")["value"], 1);
}

/// As it stands the playbook becomes root by sudo, whose variables then say that root called.
#[test]
fn the_playbook_becomes_root() {
    assert!(
        geteuid().is_root(),
        "this test must run as root: the playbook becomes root without a password"
    );
    peer("sudo", "apt install sudo");
    let world = World::empty();
    world.use_real_clock();
    // Tells all that it runs, command lines and arguments.
    let become_root = ["-e", "ansible_become=true", "-vvv"];
    let first = play(&world, &become_root);
    first.changed(5);
    assert!(first.said.contains("sudo -H"), "{}", first.said);
    play(&world, &become_root).changed(0);
    let audit = world.json("audit list --event policy.applied");
    // The account that runs this test is root.
    assert_eq!(audit[0]["os_user"], "[ACCOUNT]", "{audit}");
}

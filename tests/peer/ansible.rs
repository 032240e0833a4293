//! Ansible: the playbook of the examples sets a machine up, and a second run changes nothing.

use std::path::Path;
use std::process::Command;

use crate::world::World;
use crate::{peer, succeeds};

/// Runs the playbook on this machine; the recap of its last line.
fn play(world: &World, more: &[&str]) -> String {
    peer("ansible-playbook", "python3 -m pip install ansible-core");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ansible");
    let own = |name: &str| world.file(name).display().to_string();
    // The Python that runs Ansible runs its modules too.
    let python = peer("python3", "apt install python3");
    let python = succeeds(Command::new(python).args(["-c", "import sys; print(sys.executable)"]));
    let vars = format!(
        "twofa_program={} twofa_store={} twofa_directory={} ansible_connection=local ansible_python_interpreter={}",
        env!("CARGO_BIN_EXE_twofa"),
        own("twofa.db"),
        own("declared"),
        python.trim(),
    );
    let output = Command::new("ansible-playbook")
        .args(["-i", "machine,", "-e", &vars])
        .args(more)
        .arg(examples.join("site.yml"))
        .current_dir(world.path())
        // Nothing of it is kept anywhere else.
        .env("HOME", world.path())
        .env("ANSIBLE_HOME", own("ansible"))
        .env("ANSIBLE_LOCAL_TEMP", own("ansible/tmp"))
        .env("ANSIBLE_REMOTE_TEMP", own("ansible/tmp"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let recap = said.lines().rev().find(|line| line.starts_with("machine"));
    recap
        .unwrap_or_else(|| panic!("{said}"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_second_run_changes_nothing() {
    let world = World::empty();
    world.use_real_clock();
    // Before anything is there, --check makes nothing.
    let checked = play(&world, &["--check"]);
    assert!(checked.contains("failed=0"), "{checked}");
    assert!(!world.file("twofa.db").exists());
    let first = play(&world, &[]);
    assert!(
        first.contains("changed=6 ") && first.contains("failed=0"),
        "{first}"
    );
    let second = play(&world, &[]);
    assert!(
        second.contains("changed=0 ") && second.contains("failed=0"),
        "{second}"
    );
    // What it says is so.
    assert_eq!(world.json("setting show Enable2FA")["value"], true);
    assert_eq!(world.json("user show alice")["groups"][0], "Helpdesk");
    assert_eq!(world.json("method show email")["primary"], true);
    let rows = world.json("permission show CanReset2FA")["grantees"].clone();
    assert_eq!(rows[1]["group"], "Helpdesk");
    // Somebody turns it by hand: --check tells, and changes nothing; the next run mends it.
    world.ok("setting set TotpDriftSteps 2");
    world.ok("method disable totp --yes --allow-lockout --override --reason test");
    let checked = play(&world, &["--check"]);
    assert!(checked.contains("changed=1 "), "{checked}");
    assert_eq!(world.json("method show totp")["enabled"], false);
    let mended = play(&world, &[]);
    assert!(mended.contains("changed=1 "), "{mended}");
    assert_eq!(world.json("method show totp")["enabled"], true);
}

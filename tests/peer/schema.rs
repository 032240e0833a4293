//! The published JSON Schema, by an independent validator: what the examples and an export hold it takes, and what the
//! program refuses for its form it refuses too.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::World;
use crate::{peer, repository};

/// What the validator says of each file.
fn judged(world: &World, files: &[String]) -> Vec<String> {
    let python = peer("python3", "apt install python3");
    let has = Command::new(&python)
        .args(["-c", "import jsonschema"])
        .output()
        .unwrap();
    assert!(
        has.status.success(),
        "this test needs the peer `jsonschema`, which is not installed: python3 -m pip install jsonschema, or run .ci/run"
    );
    let schema = world.ok("help policy -o json").stdout;
    let mut child = Command::new(python)
        .arg(repository("tests/peer/schema.py"))
        .args(files)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(schema.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

/// The policies in and below a directory, so that none is forgotten.
fn policies(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            policies(&path, found);
        } else if path.extension().is_some_and(|end| end == "toml") {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn examples_and_exports_are_valid() {
    let world = World::with_email();
    world.ok("group add Staff");
    world.ok("permission grant CanReset2FA --group Staff --until 2027-01-01");
    world.ok("template set '2FA SMS code' --language nl --text '#SecondFactorCode#'");
    world.ok("sms-provider add text --file sms");
    let export = world.ok("export -o json").stdout;
    world.write("export.json", &export);
    let export = world.ok("export").stdout;
    world.write("export.toml", &export);
    let mut files = Vec::new();
    policies(&repository("examples"), &mut files);
    assert!(files.len() >= 3, "{files:?}");
    files.extend(["export.json", "export.toml"].map(|name| world.file(name).display().to_string()));
    assert_eq!(judged(&world, &files), vec!["valid"; files.len()]);
}

#[test]
fn what_is_no_policy_is_invalid() {
    let world = World::new();
    let cases = [
        (
            "[users.alice]\nemial = 'a@example.com'\n",
            "invalid $.users.alice",
        ),
        (
            "[settings]\nEnable2FA = 'maybe'\n",
            "invalid $.settings.Enable2FA",
        ),
        (
            "[settings]\nSecondFactorCodeTTL = 0\n",
            "invalid $.settings.SecondFactorCodeTTL",
        ),
        ("[settings]\nEnable3FA = true\n", "invalid $.settings"),
        ("[methods.post]\n", "invalid $.methods"),
        (
            "[mailboxes.m]\npassword = 'hunter2'\n",
            "invalid $.mailboxes.m.password",
        ),
        ("[mailboxes.m]\nport = 0\n", "invalid $.mailboxes.m.port"),
        (
            "[permissions]\nCanUse2FA = [{ access = 'allow' }]\n",
            "invalid $.permissions.CanUse2FA[0]",
        ),
        (
            "[permissions]\nCanUse2FA = [{ user = 'a', group = 'b', access = 'allow' }]\n",
            "invalid $.permissions.CanUse2FA[0]",
        ),
        (
            "[permissions]\nCanUse2FA = [{ user = 'a', access = 'alow' }]\n",
            "invalid $.permissions.CanUse2FA[0].access",
        ),
        ("[frobs]\n", "invalid $"),
    ];
    let mut files = Vec::new();
    for (at, (text, _)) in cases.iter().enumerate() {
        let name = format!("{at}.toml");
        world.write(&name, &format!("version = 1\n{text}"));
        let refused = world.run(&format!("diff {name}")).done();
        assert_ne!(refused.code, Some(20), "{text}");
        assert_ne!(refused.code, Some(0), "{text}");
        files.push(world.file(&name).display().to_string());
    }
    let wanted: Vec<&str> = cases.iter().map(|(_, said)| *said).collect();
    assert_eq!(judged(&world, &files), wanted);
}

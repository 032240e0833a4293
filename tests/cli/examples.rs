//! The examples do what they say, and the published schema is that of the program.

use std::fs;
use std::path::PathBuf;

use snapbox::IntoData as _;

use crate::world::{Run, World};

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// The file that editors read. `SNAPSHOTS=overwrite` writes it anew.
#[test]
fn the_schema_is_current() {
    let path = example("policy.schema.json");
    let schema = World::empty().ok("help policy -o json").stdout;
    #[expect(clippy::disallowed_methods, reason = "snapbox reads it too")]
    let action = std::env::var_os("SNAPSHOTS");
    if action.is_some_and(|action| action == "overwrite") {
        fs::write(path, schema).unwrap();
    } else {
        let text = fs::read_to_string(path).unwrap();
        snapbox::assert_data_eq!(schema.raw(), text.raw());
    }
}

/// With the secrets that the examples refer to.
fn run<'w>(world: &'w World, line: &str) -> Run<'w> {
    let credentials = world.file("credentials");
    fs::create_dir_all(&credentials).unwrap();
    for name in ["smtp", "sms"] {
        fs::write(credentials.join(name), "secret\n").unwrap();
    }
    world
        .run(line)
        .env("SMTP_PASSWORD", "secret")
        .env("CREDENTIALS_DIRECTORY", &credentials.display().to_string())
        // What an export refers to.
        .env("MAILBOX_OFFICE_PASSWORD", "secret")
        .env("MAILBOX_RELAY_PASSWORD", "secret")
        .env("SMS_PROVIDER_TEXT_SECRET", "secret")
}

/// Each is told, applied, and so from then on; and what it made is exported and made again.
#[test]
fn each_is_applied_once_and_exported() {
    for (name, people) in [
        ("small-firm.toml", None),
        ("organisation.toml", Some("organisation.csv")),
        ("ansible/policy.toml", Some("ansible/people.csv")),
    ] {
        let world = World::new();
        let copy = |from: &str, to: &str| fs::copy(example(from), world.file(to)).unwrap();
        copy(name, "policy.toml");
        let before = run(&world, "diff policy.toml -o json").json(20);
        let applied = run(&world, "apply policy.toml --yes -o json").json(0);
        assert_eq!(before["changes"], applied["changes"], "{name}");
        if let Some(people) = people {
            copy(people, "people.csv");
            let import = "user import people.csv --yes --on-conflict update -o json";
            assert_eq!(world.run(import).json(0)["changed"], true, "{name}");
            assert_eq!(world.run(import).json(0)["changed"], false, "{name}");
        }
        let again = run(&world, "apply policy.toml --yes -o json").json(0);
        assert_eq!(again["changed"], false, "{name}");
        let after = run(&world, "diff policy.toml -o json").json(0);
        assert_eq!(after["changes"].as_array().unwrap().len(), 0, "{name}");
        let exported = world.ok("export").stdout;
        let other = World::new();
        other.write("export.toml", &exported);
        run(&other, "apply export.toml --yes").succeeds();
        assert_eq!(other.ok("export").stdout, exported, "{name}");
        let held = run(&other, "diff export.toml --prune -o json").json(0);
        assert_eq!(held["changed"], false, "{name}");
    }
}

/// The organisation has as many people as its file says, a helpdesk that may, and a gatehouse that need not.
#[test]
fn the_organisation_is_as_it_says() {
    let world = World::new();
    let copy = |name: &str| fs::copy(example(name), world.file(name)).unwrap();
    copy("organisation.toml");
    copy("organisation.csv");
    run(&world, "apply organisation.toml --yes").succeeds();
    world.ok("user import organisation.csv --yes");
    assert_eq!(world.json("user list").as_array().unwrap().len(), 301);
    let one = |group: &str| {
        let users = world.json(&format!("user list --group '{group}' --limit 1"));
        users[0]["login"].as_str().unwrap().to_owned()
    };
    let desk = one("Helpdesk");
    for (operation, user, granted) in [
        ("CanReset2FA", desk.as_str(), true),
        ("CanManageUsers", desk.as_str(), true),
        ("CanChangeAdminOperationGrantee", desk.as_str(), false),
        ("CanUse2FA", desk.as_str(), true),
        ("CanUse2FA", one("Gatehouse terminals").as_str(), false),
        ("CanViewSysOperationAudit", one("Auditors").as_str(), true),
    ] {
        let exit = if granted { 0 } else { 5 };
        let said = world
            .run(&format!("permission check {operation} {user} -o json"))
            .json(exit);
        assert_eq!(said["granted"], granted, "{operation} {user}");
    }
    assert_eq!(
        world.json("group show Services")["groups"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

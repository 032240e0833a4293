//! The examples do what they say, and the published schema is that of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Every policy: how its store is made, and the people who belong to it.
const EXAMPLES: &[(&str, &str, Option<&str>)] = &[
    ("small-firm.toml", "init --admin amina", None),
    ("organisation.toml", "init", Some("organisation.csv")),
    ("ansible/policy.toml", "init", Some("ansible/people.csv")),
];

/// The files in and below a directory of the examples that end so, by their names from there.
fn ending(directory: &Path, end: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(ending(&path, end));
        } else if path.extension().is_some_and(|is| is == end) {
            let name = path.strip_prefix(example("")).unwrap();
            found.insert(name.display().to_string().replace('\\', "/"));
        }
    }
    found
}

/// A policy that is put there is run here, and names the schema beside it for editors.
#[test]
fn none_is_forgotten() {
    let policies: BTreeSet<String> = EXAMPLES.iter().map(|(name, ..)| (*name).into()).collect();
    assert_eq!(ending(&example(""), "toml"), policies);
    let published = example("policy.schema.json").canonicalize().unwrap();
    for name in policies {
        let text = fs::read_to_string(example(&name)).unwrap();
        let schema = text.lines().next().unwrap().strip_prefix("#:schema ");
        let schema = schema.unwrap_or_else(|| panic!("{name} names no schema in its first line"));
        let beside = example(&name).with_file_name(schema);
        assert_eq!(beside.canonicalize().unwrap(), published, "{name}");
    }
}

/// No example leads to anybody: addresses are of the names that RFC 2606 keeps for examples, numbers of those that Ofcom
/// keeps for drama (+44 20 7946 0000 to 0999).
#[test]
fn nobody_is_real() {
    let root = example("");
    let files = ending(&root, "toml")
        .into_iter()
        .chain(ending(&root, "csv"));
    let (mut addresses, mut numbers) = (0, 0);
    for name in files {
        let text = fs::read_to_string(example(&name)).unwrap();
        for word in text.split(|c: char| !(c.is_alphanumeric() || "@+.-_".contains(c))) {
            if let Some((_, host)) = word.split_once('@') {
                let reserved = ["example.com", "example.net", "example.org"];
                let kept = reserved.contains(&host) || host.ends_with(".example");
                assert!(kept, "{name}: {word}");
                addresses += 1;
            }
            if let Some(number) = word.strip_prefix('+') {
                let last = number.strip_prefix("4420794").unwrap_or_default();
                let kept =
                    last.len() == 5 && (60_000..=60_999).contains(&last.parse().unwrap_or(0));
                assert!(kept, "{name}: {word}");
                numbers += 1;
            }
        }
    }
    assert!(addresses > 300 && numbers > 100, "{addresses} {numbers}");
}

/// Each is told, applied, and so from then on; and what it made is exported and made again.
#[test]
fn each_is_applied_once_and_exported() {
    for (name, init, people) in EXAMPLES {
        let world = World::empty();
        world.ok(init);
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
        // It names all that it manages: the people of the other file stay, and so do their memberships.
        let pruned = run(&world, "diff policy.toml --prune -o json").json(0);
        assert_eq!(pruned["changed"], false, "{name}");
        let exported = world.ok("export").stdout;
        let other = World::empty();
        other.ok(init);
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

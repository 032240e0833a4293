//! Lines of the design that no compiler holds: where a file stands and how it opens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn rust_files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn stems(directory: &str) -> BTreeSet<String> {
    let names = fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    names
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(stem)
        .collect()
}

fn stem(path: PathBuf) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .display()
        .to_string()
        .replace('\\', "/")
}

#[test]
fn no_test_file_is_forgotten() {
    for suite in ["tests/cli", "tests/peer"] {
        let main = fs::read_to_string(root().join(suite).join("main.rs")).unwrap();
        for name in stems(suite).into_iter().filter(|name| name != "main") {
            assert!(
                main.contains(&format!("mod {name};")),
                "{suite}/{name}.rs is not in {suite}/main.rs"
            );
        }
    }
}

#[test]
fn every_noun_has_its_three_files() {
    let tested = stems("tests/cli");
    for noun in stems("src/bin/twofa/commands")
        .into_iter()
        .filter(|name| name != "mod")
    {
        assert!(tested.contains(&noun), "tests/cli/{noun}.rs is missing");
    }
}

#[test]
fn files_are_one_thing() {
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        let name = relative(&path);
        assert!(
            text.starts_with("//! "),
            "{name} does not open with why it exists"
        );
        assert!(
            text.lines().count() <= 600,
            "{name} is longer than 600 lines: is it one thing?"
        );
        for word in ["utils", "helpers", "manager", "common", "misc"] {
            assert_ne!(stem(path.clone()), word, "{name} is a place for anything");
        }
    }
}

/// Declared state is written by the plans of nouns, by the penalty, and where a store is made.
#[test]
fn only_the_write_paths_take_the_write_lock() {
    let allowed = [
        "src/store/",
        "src/change.rs",
        "src/actor.rs",
        "src/login/",
        "src/enrol.rs",
        "src/init.rs",
        "src/delivery/mod.rs",
    ];
    for path in rust_files("src") {
        let name = relative(&path);
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if code.contains("store.write(|tx|") || code.contains(".write(|tx| ") {
            assert!(
                allowed.iter().any(|prefix| name.starts_with(prefix)),
                "{name} takes the write lock"
            );
        }
    }
}

/// Nothing in the tree names a machine's paths.
#[test]
fn no_path_of_one_machine() {
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        for word in [
            concat!("/wo", "rk/"),
            concat!("/ro", "ot/"),
            concat!("/fa", "rm/"),
        ] {
            assert!(!text.contains(word), "{} names {word}", relative(&path));
        }
    }
}

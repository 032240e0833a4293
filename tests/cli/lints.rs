//! Lines of the design that no compiler holds: where a file stands and how it opens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fences::is_for_tests;

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

/// A noun is one file in each column: its words on the command line, its part of the library, its tests.
#[test]
fn every_noun_has_its_three_files() {
    // Commands that are no nouns: the library knows nothing of them, but they are tested like the others.
    const NO_NOUNS: &[&str] = &[
        // What the shell completes is asked of the command line itself.
        "completions",
        // So are the topics of help.
        "help",
        // And the manual.
        "man",
    ];
    // Nouns whose part of the library has another name.
    const ELSEWHERE: &[(&str, &str)] = &[
        // The key file is read and made by the vault; what `key check` looks through is everything sealed.
        ("key", "sealed"),
        // What is kept of a message is kept by what sends it.
        ("outbox", "delivery/outbox"),
        // The login calls the method by one word.
        ("recovery_codes", "recovery"),
    ];
    let commands = stems("src/bin/twofa/commands");
    for name in NO_NOUNS
        .iter()
        .chain(ELSEWHERE.iter().map(|(noun, _)| noun))
    {
        assert!(commands.contains(*name), "{name} is no command any more");
    }
    let tested = stems("tests/cli");
    for noun in commands.iter().filter(|name| *name != "mod") {
        assert!(tested.contains(noun), "tests/cli/{noun}.rs is missing");
        let here = ELSEWHERE.iter().find(|(name, _)| name == noun);
        let module = here.map_or(noun.as_str(), |(_, module)| module);
        let places = [format!("src/{module}.rs"), format!("src/{module}/mod.rs")];
        let found = places.iter().any(|place| root().join(place).exists());
        if NO_NOUNS.contains(&noun.as_str()) {
            assert!(
                !found,
                "{noun} has a part of the library: it is a noun after all"
            );
        } else {
            assert!(found, "{} is missing", places.join(" or "));
        }
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
        "src/actor/",
        "src/backup/",
        "src/login/",
        "src/enrol.rs",
        "src/init.rs",
        "src/oauth_client/token.rs",
        "src/rotation.rs",
        "src/delivery/mod.rs",
    ];
    for path in rust_files("src")
        .into_iter()
        .filter(|path| !is_for_tests(path))
    {
        let name = relative(&path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            !takes_the_write_lock(&text) || allowed.iter().any(|prefix| name.starts_with(prefix)),
            "{name} takes the write lock"
        );
        let begins = ["Transaction::", "transaction(", "\"BEGIN"];
        assert!(
            name.starts_with("src/store/")
                || !begins.iter().any(|word| program(&text).contains(word)),
            "{name} begins a transaction beside the store's"
        );
    }
}

/// A file without its tests and without white space, so that a call looks the same however its line is broken.
fn program(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let (mut code, mut lines) = (String::new(), lines.peekable());
    while let Some(line) = lines.next() {
        // Tests end a file; a `#[cfg(test)]` elsewhere is one line.
        if line == "#[cfg(test)]"
            && lines
                .peek()
                .is_some_and(|next| next.ends_with("mod tests {"))
        {
            break;
        }
        if !line.starts_with("//") {
            code.extend(line.split_whitespace());
        }
    }
    code
}

/// Whether a call of `Store::write` stands in a file, by the name of what is written to or by what is handed over:
/// plans take the transaction (`tx`), files `true`, bytes or nothing; whatever else is called `write` takes the work.
fn takes_the_write_lock(text: &str) -> bool {
    let code = program(text);
    code.contains("Store::write")
        || code.contains(".write_for_one(")
        || code.match_indices(".write(").any(|(at, call)| {
            let argument = &code[at + call.len()..];
            let on_a_store = ["store", "twin", "store()", "writing_twin()?"]
                .iter()
                .any(|name| code[..at].ends_with(name));
            on_a_store
                || !["tx)", "tx,", "true)", ")", "&"]
                    .iter()
                    .any(|known| argument.starts_with(known))
        })
}

#[test]
fn the_write_lock_is_seen_in_every_spelling() {
    for taken in [
        "store.write(|tx| plan.write(tx))",
        "store.write(|_| Ok(()))",
        "session.store\n    .write(f)?",
        "self.store()\n    // now\n    .write(tx)",
        "let f = Store::write;",
        "store.write_for_one(judged)",
        "db.write(move |tx| Ok(()))",
    ] {
        assert!(takes_the_write_lock(taken), "{taken}");
    }
    for free in [
        "plan.write(tx)?",
        "ring.write()?",
        "fs::OpenOptions::new().write(true).open(path)",
        "// store.write(|tx|",
        "fn a() {}\n#[cfg(test)]\nmod tests {\n store.write(f)\n}",
    ] {
        assert!(!takes_the_write_lock(free), "{free}");
    }
    // A module of tests that is declared at the head hides nothing.
    assert!(takes_the_write_lock(
        "#[cfg(test)]\nmod indexed;\nstore.write(f)"
    ));
}

/// What is called a secret and is plain text or bytes in a struct, each with what makes it none.
const PLAIN: &[(&str, &str, &str)] = &[
    ("src/authenticator.rs", "secret", "sealed"),
    ("src/authenticator.rs", "token_hash", "a keyed hash"),
    ("src/bin/twofa/cli.rs", "code", "typed on the command line"),
    (
        "src/bin/twofa/cli.rs",
        "confirm_code",
        "typed on the command line",
    ),
    (
        "src/bin/twofa/commands/authenticator.rs",
        "setup_token",
        "typed on the command line",
    ),
    (
        "src/bin/twofa/commands/setting.rs",
        "code",
        "the name of a setting",
    ),
    ("src/challenge.rs", "code_hash", "a keyed hash"),
    (
        "src/challenge.rs",
        "token",
        "the id of a challenge, which opens nothing by itself",
    ),
    (
        "src/login/redirected.rs",
        "token",
        "the id of a challenge, which opens nothing by itself",
    ),
    ("src/mailbox/mod.rs", "password", "sealed"),
    ("src/oauth_client/mod.rs", "secret_hash", "a keyed hash"),
    ("src/sms_provider/mod.rs", "secret", "sealed"),
    (
        "src/user/export.rs",
        "password_hash",
        "a hash, printed because it was asked for",
    ),
];

#[test]
fn secrets_have_their_type() {
    let words = [
        "password",
        "passphrase",
        "secret",
        "token",
        "pepper",
        "code",
    ];
    let mut found = BTreeSet::new();
    for path in rust_files("src")
        .into_iter()
        .filter(|path| !is_for_tests(path))
    {
        let text = fs::read_to_string(&path).unwrap();
        // Tests end a file.
        let text = text.split("\nmod tests {").next().unwrap();
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        for line in text.lines().filter(|line| !line.contains("//")) {
            let Some((name, kind)) = line.trim().split_once(": ") else {
                continue;
            };
            let name = name.rsplit(' ').next().unwrap();
            let is_field = name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && kind.ends_with(',')
                && !kind.contains(['(', '{']);
            let kind = kind.trim_start_matches("Option<");
            let is_plain = ["String", "Vec<u8>", "[u8;"]
                .iter()
                .any(|plain| kind.starts_with(plain));
            if is_field && is_plain && words.iter().any(|word| name.contains(word)) {
                found.insert((file.clone(), name.to_owned()));
            }
        }
    }
    let listed: BTreeSet<(String, String)> = PLAIN
        .iter()
        .map(|(file, name, _)| ((*file).to_owned(), (*name).to_owned()))
        .collect();
    assert_eq!(
        found, listed,
        "a secret is a `Secret`, or is wiped in another way"
    );
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

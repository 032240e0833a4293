//! `twofa doctor`: the way in which the tests of its findings go.
//!
//! Every finding has a test that provokes it, looks at the whole of it, runs the command that it prints, and sees that it
//! is gone: in the files `doctor_….rs` beside this one. A test here holds that none is forgotten.

use std::fs;
use std::process::Command;

use serde_json::Value;
use snapbox::IntoData as _;
use snapbox::data::Inline;
use twofa::doctor::{CHECKS, FAILED};

use crate::lints::{root, rust_files};
use crate::world::World;

/// The report, which must exit as it says.
pub fn report(world: &World, line: &str) -> Value {
    let done = world.run(&format!("{line} -o json")).done();
    let report: Value = serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", done.stdout, done.stderr));
    let healthy = report["findings"].as_array().unwrap().is_empty();
    assert_eq!(report["healthy"], healthy);
    assert_eq!(done.code, Some(if healthy { 0 } else { 20 }));
    let codes: Vec<&str> = CHECKS.iter().map(|check| check.code).collect();
    let checks = report["checks"].as_array().unwrap();
    let ran: Vec<&str> = checks
        .iter()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    assert_eq!(ran, codes, "each check, in its order");
    report
}

/// The findings of a kind, compared with the snapshot; the lines that mend them.
#[track_caller]
pub fn finds(world: &World, kind: &str, snapshot: Inline) -> Vec<String> {
    finds_with(world, "doctor", kind, snapshot)
}

/// The same of a command with options.
#[track_caller]
pub fn finds_with(world: &World, line: &str, kind: &str, snapshot: Inline) -> Vec<String> {
    let report = report(world, line);
    let all = report["findings"].as_array().unwrap();
    let found: Vec<Value> = all
        .iter()
        .filter(|finding| finding["kind"] == kind)
        .cloned()
        .collect();
    assert!(!found.is_empty(), "no `{kind}` in {report:#}");
    for finding in &found {
        let checks = report["checks"].as_array().unwrap();
        let check = checks
            .iter()
            .find(|check| check["check"] == finding["check"]);
        let state = check.unwrap()["state"].as_str().unwrap();
        assert_ne!(state, "ok", "{report:#}");
    }
    let texts: Vec<String> = found
        .iter()
        .map(|finding| format!("{finding:#}\n"))
        .collect();
    let text = texts.concat();
    snapbox::Assert::new()
        .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
        .eq(text.raw(), snapshot.raw());
    let lines = found
        .iter()
        .flat_map(|finding| finding["mend"].as_array().unwrap());
    lines
        .map(|line| line.as_str().unwrap().to_owned())
        .collect()
}

/// Runs lines as they are printed, with the words in capitals filled in.
pub fn paste(world: &World, lines: &[String], fill: &[(&str, &str)]) {
    for line in lines {
        let mut line = line.replace("[DIR]", &world.path().display().to_string());
        for (word, value) in fill {
            line = line.replace(word, value);
        }
        if let Some(login) = line.strip_prefix("twofa authenticator connect ") {
            // Whoever has the app confirms it.
            world.connect(login);
        } else if let Some(rest) = line.strip_prefix("twofa ") {
            world
                .run(rest)
                .env("TWOFA_YES", "1")
                .stdin("secret\n")
                .succeeds();
        } else if let Some(rest) = line.strip_prefix("sqlite3 ") {
            let words = words(rest);
            assert_eq!((words.len(), words[0].as_str()), (2, "twofa.db"), "{line}");
            world.sql(&words[1]);
        } else {
            let done = Command::new("sh")
                .args(["-c", &line])
                .current_dir(world.path())
                .output()
                .unwrap();
            assert!(done.status.success(), "{line}: {done:?}");
        }
    }
}

/// A line as a shell splits it: blanks, `'…'` and `"…"`, and a backslash before a quote.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut escaped) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' if quote.is_none() => escaped = true,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            ' ' if quote.is_none() => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words
}

/// Nothing is found any more.
#[track_caller]
pub fn healthy(world: &World) {
    let report = report(world, "doctor");
    assert_eq!(report["healthy"], true, "{report:#}");
}

/// A copy of the store, as it is put back: `cp BACKUP twofa.db`.
pub fn back_up(world: &World) {
    fs::copy(world.file("twofa.db"), world.file("BACKUP")).unwrap();
}

/// Provokes, finds, runs what is printed, and finds nothing.
#[track_caller]
pub fn provoked(
    world: &World,
    kind: &str,
    provoke: impl FnOnce(&World),
    fill: &[(&str, &str)],
    snapshot: Inline,
) {
    healthy(world);
    provoke(world);
    let mend = finds(world, kind, snapshot);
    paste(world, &mend, fill);
    healthy(world);
}

#[test]
fn every_finding_has_a_test_that_provokes_it() {
    let tests: String = rust_files("tests/cli")
        .iter()
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("doctor_"))
        })
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(root().join("tests/cli/doctor_file.rs").exists());
    let kinds = CHECKS.iter().flat_map(|check| check.finds).chain([&FAILED]);
    for (kind, _) in kinds {
        let found = ["provoked(", "finds(", "finds_with("]
            .iter()
            .flat_map(|call| tests.match_indices(call))
            .any(|(at, _)| {
                tests[at..]
                    .split(';')
                    .next()
                    .unwrap()
                    .contains(&format!("\"{kind}\""))
            });
        assert!(found, "nothing provokes `{kind}`");
    }
}

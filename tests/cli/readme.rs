//! The README's tour is run: every `console` block, line by line, in one directory with one fixed clock, and what each
//! line prints stands below it.
//!
//! A block ```` ```toml NAME ```` is a file that the reader writes. With `SNAPSHOTS=overwrite` the outputs are written into
//! the README. Words in capitals stand for what an earlier line printed: CHALLENGE, CODE (of the newest message) and APP
//! (what the authenticator app shows).

use std::path::{Path, PathBuf};
use std::process::Command;

use snapbox::IntoData as _;
use twofa::error::EXIT_CODES;
use twofa::verb::VERBS;

use crate::world::World;

/// What the reader gets from their identity providers.
const DOWNLOADED: &[(&str, &str)] = &[
    ("entra.xml", include_str!("../saml/entra.xml")),
    ("okta.xml", include_str!("../saml/okta.xml")),
    ("onelogin.xml", include_str!("../saml/onelogin.xml")),
    ("idp.pem", include_str!("../keys/vendor.pem")),
    ("ours.pem", include_str!("../keys/ours.pem")),
];

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

#[test]
fn the_tour_does_what_it_says() {
    let path = path();
    let text = std::fs::read_to_string(&path).unwrap();
    let world = World::empty();
    for (name, text) in DOWNLOADED {
        world.write(name, text);
    }
    let mut tour = Tour {
        world: &world,
        said: String::new(),
        count: 0,
    };
    let mut renewed = String::new();
    let mut inside = false;
    // A file that the reader is told to write.
    let mut file: Option<(String, String)> = None;
    for line in text.lines() {
        match &mut file {
            Some((name, held)) if line == "```" => {
                world.write(name, held);
                file = None;
            }
            Some((_, held)) => held.push_str(&format!("{line}\n")),
            None => {
                let name = line.strip_prefix("```toml ");
                file = name.map(|name| (name.to_owned(), String::new()));
            }
        }
        if line == "```console" {
            inside = true;
        } else if line == "```" && inside {
            inside = false;
        } else if inside {
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            renewed.push_str(&format!("{line}\n{}", tour.run(command)));
            continue;
        }
        renewed.push_str(&format!("{line}\n"));
    }
    #[expect(clippy::disallowed_methods, reason = "snapbox reads it too")]
    let action = std::env::var_os("SNAPSHOTS");
    if action.is_some_and(|action| action == "overwrite") {
        std::fs::write(&path, renewed).unwrap();
    } else {
        // Raw: a backslash of the shell is not one of a path.
        snapbox::assert_data_eq!(renewed.raw(), text.raw());
    }
}

/// The table of exit codes is the one of `help exit-codes`, in its order. Codes that belong together may share a row
/// (`11 / 12 / 13`), which then says once what their meanings begin with.
#[test]
fn the_exit_codes_are_those_of_the_program() {
    let text = std::fs::read_to_string(path()).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| *line != "| exit | meaning |")
        .skip(2)
        .map_while(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .split_once(" | ")
        });
    let mut rest = EXIT_CODES;
    for (codes, meaning) in rows {
        let codes: Vec<u8> = codes
            .split(" / ")
            .map(|code| code.parse().unwrap())
            .collect();
        let (row, others) = rest
            .split_at_checked(codes.len())
            .expect("the README has more codes than the program");
        rest = others;
        assert!(
            codes.iter().eq(row.iter().map(|(code, _)| code)),
            "the README has {codes:?} where the program has {row:?}"
        );
        let meanings: Vec<&str> = row.iter().map(|(_, meaning)| *meaning).collect();
        assert_eq!(meaning.replace('`', ""), joined(&meanings));
    }
    assert_eq!(rest, [], "codes that the README leaves out");
}

/// `a b / c / d` of `a b`, `a c` and `a d`.
fn joined(meanings: &[&str]) -> String {
    let words: Vec<Vec<&str>> = meanings
        .iter()
        .map(|meaning| meaning.split(' ').collect())
        .collect();
    let (first, others) = words.split_first().unwrap();
    let shared = first
        .iter()
        .enumerate()
        .take_while(|(at, word)| others.iter().all(|other| other.get(*at) == Some(word)))
        .count();
    let mut text = first.join(" ");
    for other in others {
        text.push_str(&format!(" / {}", other[shared..].join(" ")));
    }
    text
}

/// What follows `twofa` in code, and code that begins with a noun, is a command of the program.
#[test]
fn every_command_it_names_exists() {
    let text = std::fs::read_to_string(path()).unwrap();
    let is_noun = |word: &str| {
        VERBS
            .iter()
            .any(|verb| verb.path.split(' ').next() == Some(word))
    };
    let mut named: Vec<Vec<&str>> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let codes: Vec<&str> = if fenced {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for code in codes {
            for (at, _) in code.match_indices("twofa ") {
                // Not the end of a path or of another word.
                if !code[..at].ends_with(|c: char| c.is_alphanumeric() || "/.-_".contains(c)) {
                    named.push(words(&code[at + "twofa ".len()..]));
                }
            }
            if !fenced && words(code).first().is_some_and(|word| is_noun(word)) {
                named.push(words(code));
            }
        }
    }
    let mut found = std::collections::BTreeSet::new();
    for words in named {
        let verb = VERBS
            .iter()
            .find(|verb| words.starts_with(&verb.path.split(' ').collect::<Vec<_>>()));
        let verb = verb.unwrap_or_else(|| panic!("there is no `twofa {}`", words.join(" ")));
        found.insert(verb.path);
    }
    // Those that the tour shows are among them, so something was looked at.
    assert!(found.contains("login simulate"), "{found:?}");
    assert!(found.contains("recovery-codes generate"), "{found:?}");
}

/// The words of a line, up to what a shell reads itself.
fn words(code: &str) -> Vec<&str> {
    code.split([')', '|', ';', '&', '`'])
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect()
}

/// The shell of the tour.
struct Tour<'w> {
    world: &'w World,
    /// Everything that was printed so far.
    said: String,
    count: u64,
}

impl Tour<'_> {
    /// Runs a line through sh, in a world of its own: the program first in PATH, everything else as on any machine.
    fn run(&mut self, line: &str) -> String {
        if line.starts_with("export ") {
            return String::new();
        }
        let program = Path::new(env!("CARGO_BIN_EXE_twofa")).parent().unwrap();
        self.count += 1;
        let output = Command::new("sh")
            .args(["-c", &format!("{} 2>&1", self.filled(line))])
            .current_dir(self.world.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("TWOFA_DB", "twofa.db")
            .env("TWOFA_TEST_NOW", self.world.clock())
            .env("TWOFA_TEST_SEED", self.count.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let directory = self
            .world
            .path()
            .canonicalize()
            .unwrap()
            .display()
            .to_string();
        let mut text = text.replace(&directory, "/home/admin");
        self.said.push_str(&text);
        if !output.status.success() {
            text.push_str(&format!("(exit {})\n", output.status.code().unwrap()));
        }
        text
    }

    /// The line with the words in capitals replaced.
    fn filled(&self, line: &str) -> String {
        let mut line = line.to_owned();
        if line.contains("CHALLENGE") {
            line = line.replace("CHALLENGE", self.last("challenge"));
        }
        if line.contains("CODE") {
            line = line.replace("CODE", &self.world.code());
        }
        if line.contains("APP") {
            line = line.replace(
                "APP",
                &self.world.app(&self.last("secret").replace(' ', "")),
            );
        }
        line
    }

    /// The value of a field as it was last printed.
    fn last(&self, field: &str) -> &str {
        let found = self
            .said
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(&format!("{field} ")));
        found
            .unwrap_or_else(|| panic!("nothing printed {field}"))
            .trim()
    }
}

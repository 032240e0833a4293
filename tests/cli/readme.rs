//! The README's tour is run: every `console` block, line by line, in one directory with one fixed clock, and what each
//! line prints stands below it.
//!
//! With `SNAPSHOTS=overwrite` the outputs are written into the README. Words in capitals stand for what an earlier line
//! printed: CHALLENGE, CODE (of the newest message) and APP (what the authenticator app shows).

use std::path::Path;
use std::process::Command;

use snapbox::IntoData as _;

use crate::world::World;

#[test]
fn the_tour_does_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let world = World::empty();
    let mut tour = Tour {
        world: &world,
        said: String::new(),
        count: 0,
    };
    let mut renewed = String::new();
    let mut inside = false;
    for line in text.lines() {
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
    if std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
        std::fs::write(&path, renewed).unwrap();
    } else {
        // Raw: a backslash of the shell is not one of a path.
        snapbox::assert_data_eq!(renewed.raw(), text.raw());
    }
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

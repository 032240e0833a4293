//! The manual, read by the two programs that read manuals: mandoc, and man with groff.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::world::World;
use crate::{peer, succeeds};

fn pages(world: &World) -> Vec<PathBuf> {
    world.ok("man --out man8");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(world.file("man8"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    assert!(pages.len() > 100, "{pages:?}");
    pages
}

/// mandoc objects to nothing but the date, which a page does not have, and the length of lines that nobody writes.
#[test]
fn mandoc_finds_nothing() {
    let mandoc = peer("mandoc", "apt-get install mandoc");
    let world = World::empty();
    for page in pages(&world) {
        let done = Command::new(&mandoc)
            .arg("-Tlint")
            .arg(&page)
            .output()
            .unwrap();
        let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        let objections: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("missing date, using \"\""))
            .filter(|line| !line.contains("STYLE: input text line longer than 80 bytes"))
            // Another system's manual, and pages of ours that are not installed there.
            .filter(|line| !line.contains("STYLE: referenced manual not found"))
            .collect();
        assert_eq!(objections, [""; 0], "{}", page.display());
    }
}

/// What a person sees on a terminal of 80 columns.
fn seen(page: &PathBuf) -> String {
    let text = succeeds(
        Command::new(peer("man", "apt-get install man-db"))
            .args(["--warnings=w", "-l"])
            .arg(page)
            .env("MANWIDTH", "80")
            .env("MANPAGER", "cat")
            .env("LC_ALL", "C.UTF-8")
            .env("GROFF_NO_SGR", "1")
            .env_remove("MANOPT")
            .stderr(Stdio::inherit()),
    );
    // Bold is a letter struck twice.
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\u{8}' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    plain
}

#[test]
fn man_shows_what_was_written() {
    let world = World::empty();
    for page in pages(&world) {
        let text = seen(&page);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", page.display());
        }
        // No word is cut, no roff is left, and what is typed is what a shell takes.
        for sign in ['\u{2010}', '\u{2018}', '\u{2019}', '\u{2c6}', '\u{2dc}'] {
            assert!(!text.contains(sign), "{}: {sign}\n{text}", page.display());
        }
        assert!(!text.contains("\\f"), "{}\n{text}", page.display());
    }
    let page = seen(&world.file("man8/twofa-password-set.8"));
    assert!(
        page.contains(
            "       printf '%s\\n' \"$PASSWORD\" | twofa password set alice --password-stdin\n"
        ),
        "{page}"
    );
    let page = seen(&world.file("man8/twofa-completions.8"));
    assert!(
        page.contains("> ~/.config/fish/completions/twofa.fish\n"),
        "{page}"
    );
}

/// Where man looks, `man twofa-user-add` finds the page.
#[test]
fn man_finds_the_pages() {
    let world = World::empty();
    std::fs::create_dir(world.file("manual")).unwrap();
    world.ok("man --out manual/man8");
    let found = succeeds(
        Command::new(peer("man", "apt-get install man-db"))
            .args(["-w", "8", "twofa-user-add"])
            .env("MANPATH", world.file("manual")),
    );
    assert_eq!(
        found.trim(),
        world
            .file("manual/man8/twofa-user-add.8")
            .display()
            .to_string()
    );
}

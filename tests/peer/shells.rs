//! Completion in real interactive shells, on a real terminal.
//!
//! A test types part of a line and Tab, then lets the shell print the words of the line as it understands them: what
//! is compared is what would be run.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Expect as _, Session};

use crate::shells_lines::{BEHIND, LINES};
use crate::world::World;
use crate::{peer, repository};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bash,
    Zsh,
    Fish,
}

/// An interactive shell with our completion, in the directory of a world.
struct Shell {
    kind: Kind,
    session: OsSession,
    lines: usize,
}

impl Shell {
    fn start(kind: Kind, world: &World) -> Shell {
        let completions = repository("completions").display().to_string();
        let (program, arguments, setup) = match kind {
            Kind::Bash => (
                peer("bash", "apt-get install bash"),
                &["--noprofile", "--norc", "-i"][..],
                // As sourced from a start file, and with the key that a person presses.
                format!(
                    "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source {completions}/twofa.bash; words() {{ printf '<%s>' \"$@\"; echo; }}"
                ),
            ),
            Kind::Zsh => (
                peer("zsh", "apt-get install zsh"),
                &["-f", "-i"][..],
                // As found in a directory of fpath.
                format!(
                    "unsetopt zle_bracketed_paste; unset zle_bracketed_paste; setopt no_beep interactive_comments; bindkey -e; fpath=({completions} $fpath); autoload -Uz compinit; compinit -u -D; words() {{ printf '<%s>' \"$@\"; echo; }}"
                ),
            ),
            Kind::Fish => (
                peer("fish", "apt-get install fish"),
                &["--no-config", "-i"][..],
                format!(
                    "set -g fish_autosuggestion_enabled 0; function fish_prompt; echo 'READY> '; end; source {completions}/twofa.fish; function words; printf '<%s>' $argv; echo; end"
                ),
            ),
        };
        let twofa = Path::new(env!("CARGO_BIN_EXE_twofa")).parent().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "read go; stty rows 50 cols 200; exec \"$0\" \"$@\""])
            .arg(program)
            .args(arguments)
            .current_dir(world.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin", twofa.display()),
            )
            .env("HOME", world.path())
            .env("TERM", "xterm")
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .env("PS1", "READY> ")
            .env("TWOFA_DB", "twofa.db");
        let mut session = Session::spawn(command).unwrap();
        // The terminal is given a size when it is made; only after that ours holds.
        session.send("\n").unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(20)));
        let mut shell = Shell {
            kind,
            session,
            lines: 0,
        };
        shell.send(&format!("{setup}\r"));
        // The answer, not the echo of the question.
        shell.send("words rea''dy\r");
        shell.await_text("<ready>");
        shell
    }

    fn send(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
    }

    /// Waits until the terminal shows a text, and returns all that came before it.
    #[track_caller]
    fn await_text(&mut self, text: &str) -> String {
        match self.session.expect(text) {
            Ok(found) => String::from_utf8_lossy(found.before()).into_owned(),
            Err(error) => {
                let mut rest = vec![0; 100_000];
                let read = self.session.try_read(&mut rest).unwrap_or(0);
                panic!(
                    "{:?} never showed {text:?}: {error}\n{}",
                    self.kind,
                    String::from_utf8_lossy(&rest[..read])
                );
            }
        }
    }

    /// The words of the line after `keys` were typed.
    #[track_caller]
    fn words(&mut self, keys: &str) -> String {
        self.lines += 1;
        let mark = format!("end-{}", self.lines);
        self.send(keys);
        // To the beginning of the line, and what is there becomes the arguments of `words`.
        self.send("\u{1}words \r");
        self.send(&format!("words en''d-{}\r", self.lines));
        let shown = self.await_text(&format!("<{mark}>"));
        for word in ["bash:", "zsh:", "fish:", "_twofa:", "error"] {
            assert!(
                !shown.contains(word),
                "{:?} {keys:?} complains:\n{shown}",
                self.kind
            );
        }
        shown
            .lines()
            .map(|line| line.rsplit('\r').next().unwrap_or(line))
            .filter_map(|line| line.find("<twofa>").map(|at| line[at..].to_owned()))
            .next_back()
            .unwrap_or_else(|| panic!("{:?} {keys:?}: no words in\n{shown}", self.kind))
            .trim_end()
            .to_owned()
    }

    /// What the terminal shows after `keys` were typed: these texts, in this order. The shell ends with it.
    #[track_caller]
    fn shows(mut self, keys: &str, texts: &[&str]) {
        self.send(keys);
        for text in texts {
            self.await_text(text);
        }
    }
}

fn world() -> World {
    let world = World::new();
    let logins = [
        "alice@example.org",
        "albert",
        "bob",
        "Carol Adams",
        "zoë",
        "o'brien",
        "eq=ual",
        "cash$",
        "say \"hi\"",
        "back\\slash",
        "semi;colon",
        "sta*r",
        "paren(s)",
        "ünal",
    ];
    for login in logins {
        world.run("user add").words([login].into_iter()).succeeds();
    }
    for line in [
        "mailbox add trial --file mail --from no-reply@example.com",
        "mailbox add it:ops --file mail --from no-reply@example.com",
        "sms-provider add text --file sms",
        "group add Helpdesk",
        "group add 'Night shift'",
        "group add co:lon",
        "group add Robots",
        "group add-member Helpdesk --user bob",
        "group add-member Robots --group 'Night shift'",
        "permission grant CanReset2FA --group Helpdesk",
        "setting set TotpIssuer 'Example Ltd'",
        "method enable email",
        "setting set 2FAmailbox trial",
        "--db other.db init --admin erika",
    ] {
        world.ok(line);
    }
    world
        .run("user edit bob --email bob@example.com")
        .succeeds();
    world
        .run("password set bob --password-stdin")
        .stdin("bob-pw\n")
        .succeeds();
    world.connect("albert");
    world.ok("recovery-codes generate bob");
    world.ok("setting set Enable2FA on --yes --allow-lockout");
    world.ok("mailbox test trial --to me@example.com");
    std::fs::create_dir(world.file("dir with space")).unwrap();
    std::fs::create_dir(world.file("sub")).unwrap();
    world.write("sub/inner.db", "");
    world.write("policy.toml", "version = 1\n");
    world.write("people.csv", "uid;mail\n");
    std::fs::copy(
        world.file("other.db"),
        world.file("dir with space/store.db"),
    )
    .unwrap();
    world
}

fn completes(kind: Kind) {
    let world = world();
    // A challenge ends soon, by the clock that the shell sees.
    world.use_real_clock();
    let login = world
        .run("login start bob --password-stdin -o json")
        .stdin("bob-pw\n")
        .json(18);
    let challenge = login["challenge"].as_str().unwrap();
    let mut shell = Shell::start(kind, &world);
    let mut wrong = Vec::new();
    let behind = if kind == Kind::Fish { &[] } else { BEHIND };
    for (keys, words) in LINES.iter().chain(behind) {
        let keys = keys
            .replace("CHALL\t", &format!("{}\t", &challenge[..6]))
            .replace('←', "\u{2}");
        let words = words
            .replace("CHALLENGE", challenge)
            .replace("HOME", &world.path().display().to_string());
        let got = shell.words(&keys);
        if got != words {
            wrong.push(format!("{keys:?}: {got}, not {words}"));
        }
    }
    assert!(wrong.is_empty(), "{kind:?}\n{}", wrong.join("\n"));
    // Several candidates: the second Tab shows them, and nothing else stands on the line.
    shell.shows("twofa setting set Enable2FA \t\t", &["true", "false"]);
    let shell = Shell::start(kind, &world);
    shell.shows("twofa user show al\t\t", &["albert", "alice@example.org"]);
}

#[test]
fn bash() {
    completes(Kind::Bash);
}

#[test]
fn zsh() {
    completes(Kind::Zsh);
}

#[test]
fn fish() {
    completes(Kind::Fish);
}

#[test]
fn a_broken_store_is_silent() {
    let world = world();
    world.write("broken.db", "this is no store");
    for kind in [Kind::Bash, Kind::Zsh, Kind::Fish] {
        let mut shell = Shell::start(kind, &world);
        for db in ["broken.db", "absent.db"] {
            let keys = format!("twofa user show --db={db} nob\t");
            let words = format!("<twofa><user><show><--db={db}><nob>");
            assert_eq!(shell.words(&keys), words);
        }
        // What needs no store still works.
        assert_eq!(
            shell.words("twofa --db=broken.db us\t"),
            "<twofa><--db=broken.db><user>"
        );
    }
}

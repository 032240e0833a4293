//! A real pseudo-terminal: prompts, "are you sure?", and the QR code.

use std::io::Read as _;
use std::process::Command;
use std::time::{Duration, Instant};

use expectrl::{Eof, Expect as _, Regex, session::OsSession};

use crate::world::{Run, World};

/// How long a prompt may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command on a terminal of its own.
pub struct Terminal {
    session: OsSession,
    seen: String,
}

impl Terminal {
    pub fn new(world: &World, line: &str, columns: u16) -> Terminal {
        Terminal::of(world, &world.run(line), columns)
    }

    /// A command with variables of its own.
    pub fn of(world: &World, run: &Run<'_>, columns: u16) -> Terminal {
        let twofa = run.command();
        // The terminal gets its width when whoever made it is done with it, and before the command looks at it.
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                "read -r go; stty echo cols \"$0\" rows 100; exec \"$@\"",
            ])
            .arg(columns.to_string())
            .arg(twofa.get_program())
            .args(twofa.get_args())
            .current_dir(world.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm")
            .envs(
                twofa
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let mut session = OsSession::spawn(command).unwrap();
        session.set_expect_timeout(Some(PATIENCE));
        session.send("\r").unwrap();
        Terminal {
            session,
            seen: String::new(),
        }
    }

    /// Waits for a text.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        let pattern = Regex(regex_escape(text));
        match self.session.expect(pattern) {
            Ok(captures) => {
                self.seen
                    .push_str(&String::from_utf8_lossy(captures.before()));
                self.seen.push_str(text);
            }
            Err(error) => panic!("no `{text}`: {error}\n{}", self.seen),
        }
    }

    /// Types a secret once the terminal no longer shows what is typed: what comes before that is thrown away.
    pub fn types_secret(&mut self, secret: &str) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test measures by the machine's clock"
        )]
        let begun = Instant::now();
        while self.session.get_process().get_echo().unwrap() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.seen);
            std::thread::yield_now();
        }
        self.types(secret);
    }

    pub fn types(&mut self, line: &str) {
        self.session.send(format!("{line}\r")).unwrap();
    }

    /// Waits for the end; returns all that was seen and the exit status.
    pub fn ends(mut self) -> (String, i32) {
        match self.session.expect(Eof) {
            Ok(captures) => self
                .seen
                .push_str(&String::from_utf8_lossy(captures.as_bytes())),
            // Linux ends a terminal whose other side is closed with EIO.
            Err(expectrl::Error::IO(_)) => {
                let mut rest = Vec::new();
                let _ = self.session.read_to_end(&mut rest);
                self.seen.push_str(&String::from_utf8_lossy(&rest));
            }
            Err(error) => panic!("no end: {error}\n{}", self.seen),
        }
        let status = self.session.get_process().wait().unwrap();
        let code = match status {
            expectrl::process::unix::WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}\n{}", self.seen),
        };
        (self.seen, code)
    }
}

fn regex_escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let special = "\\.+*?()|[]{}^$".contains(c);
            special.then_some('\\').into_iter().chain([c])
        })
        .collect()
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let world = World::peopled();
    let mut terminal = Terminal::new(&world, "password set alice", 120);
    terminal.sees("New password:");
    terminal.types_secret("first try");
    terminal.sees("New password again:");
    terminal.types_secret("another");
    terminal.sees("They differ; once more.");
    terminal.sees("New password:");
    terminal.types_secret("correct horse");
    terminal.sees("New password again:");
    terminal.types_secret("correct horse");
    terminal.sees("The password of `alice` was set.");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(
        !seen.contains("first try") && !seen.contains("horse"),
        "{seen}"
    );
    world
        .run("login start alice --password-stdin")
        .stdin("correct horse\n")
        .exits(0);
}

#[test]
fn are_you_sure_shows_the_twin_and_the_default_is_no() {
    let world = World::peopled();
    for (answer, code) in [("", 4), ("n", 4), ("nay", 4), ("any", 4), ("Yes", 0)] {
        let mut terminal = Terminal::new(&world, "user remove bob --reason 'left us'", 120);
        terminal.sees("The user `bob` will be removed for good, with their authenticator app and recovery codes.");
        terminal.sees("Without asking: twofa user remove bob --reason 'left us' --yes");
        terminal.sees("Are you sure? [y/N]");
        // A whole line: nothing of it is left for whoever reads next.
        terminal.types(answer);
        let (seen, exit) = terminal.ends();
        assert_eq!(exit, code, "{answer}: {seen}");
        if code == 4 {
            assert!(seen.contains("nothing was changed"), "{seen}");
            world.ok("user show bob");
        } else {
            assert!(seen.contains("The user `bob` was removed."), "{seen}");
            world.run("user show bob").exits(3);
        }
    }
}

#[test]
fn nothing_is_asked_where_it_shall_not_be() {
    let world = World::peopled();
    let (seen, code) = Terminal::new(&world, "user remove bob --no-input", 120).ends();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("say yes with --yes"), "{seen}");
    let (seen, code) = Terminal::new(&world, "password set bob --no-input", 120).ends();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("give it with --password-stdin"), "{seen}");
    let (seen, code) = Terminal::new(&world, "user remove bob --yes", 120).ends();
    assert_eq!(code, 0, "{seen}");
    assert!(!seen.contains("sure"), "{seen}");
}

#[test]
fn a_login_is_simulated_with_prompts() {
    let world = World::with_email();
    let mut terminal = Terminal::new(&world, "login simulate alice", 120);
    terminal.sees("Password");
    terminal.types_secret("alice-pw");
    terminal.sees("Code sent to a***e@example.com");
    let code = world.code();
    terminal.types(&code);
    terminal.sees("`alice` is logged in.");
    let (seen, exit) = terminal.ends();
    assert_eq!(exit, 0, "{seen}");
    assert!(!seen.contains("alice-pw"), "{seen}");
    // A wrong code is a wrong code here too.
    let mut terminal = Terminal::new(&world, "login simulate alice", 120);
    terminal.sees("Password");
    terminal.types_secret("alice-pw");
    terminal.sees("Code sent to");
    terminal.types("no");
    let (seen, exit) = terminal.ends();
    assert_eq!(exit, 11, "{seen}");
}

#[test]
fn a_confirmation_is_asked_for() {
    let (world, secret) = World::with_app();
    let mut terminal = Terminal::new(&world, "setting set Enable2FA off", 120);
    terminal.sees("From now on a password alone will be enough to log in.");
    terminal.sees("Without asking: twofa setting set Enable2FA off --yes");
    terminal.sees("Are you sure? [y/N]");
    terminal.types("yes");
    // What explains stands on its own line, for a prompt wider than the terminal repeats itself.
    terminal.sees("To confirm turning 2FA off for administrators too: Authenticator app code\r\n");
    terminal.sees("Code:");
    let code = world.app(&secret);
    terminal.types(&code);
    let (seen, exit) = terminal.ends();
    assert_eq!(exit, 0, "{seen}");
    assert!(seen.contains("Enable2FA is false."), "{seen}");
}

#[test]
fn a_qr_code_where_it_fits_and_text_where_not() {
    let world = World::peopled();
    world.ok("method enable totp");
    let (seen, code) = Terminal::new(&world, "authenticator connect alice", 120).ends();
    assert_eq!(code, 0, "{seen}");
    assert!(
        seen.contains('▀') || seen.contains('█') || seen.contains('▄'),
        "{seen}"
    );
    // Black on white, whatever the colours of the terminal are.
    assert!(seen.contains("\u{1b}["), "{seen}");
    assert!(seen.contains("secret       "), "{seen}");
    assert!(seen.contains("uri          otpauth://totp/"), "{seen}");
    let (seen, code) = Terminal::new(&world, "authenticator connect alice", 40).ends();
    assert_eq!(code, 0, "{seen}");
    assert!(
        !seen.contains('▀') && !seen.contains('█') && !seen.contains('▄'),
        "{seen}"
    );
    assert!(
        seen.contains("The terminal is too narrow for the QR code"),
        "{seen}"
    );
    assert!(seen.contains("secret       "), "{seen}");
    let (seen, code) = Terminal::new(&world, "authenticator connect alice -o json", 120).ends();
    assert_eq!(code, 0, "{seen}");
    assert!(
        seen.contains("\"setup_token\"") && !seen.contains('▀'),
        "{seen}"
    );
}

#[test]
fn tables_wrap_at_the_width_and_colours_are_for_terminals() {
    let world = World::peopled();
    let (seen, code) = Terminal::new(&world, "setting list", 90).ends();
    assert_eq!(code, 0, "{seen}");
    for line in seen.lines() {
        assert!(line.trim_end().chars().count() <= 90, "{line}");
    }
    assert!(seen.contains("Enable2FA"));
    assert!(
        !seen.contains("2FA verification code  "),
        "it wraps: {seen}"
    );
    // Only spaces break a line, however narrow the terminal is: what is copied is whole.
    world.ok("user edit alice --email a-very-long-name-of-a-person@a-very-long-name-of-a-company.example.com");
    let (seen, _) = Terminal::new(&world, "user list", 40).ends();
    for word in [
        "a-very-long-name-of-a-person@a-very-long-name-of-a-company.example.com",
        "Supervisor",
        "AUTHENTICATOR",
    ] {
        assert!(seen.contains(word), "{word}: {seen}");
    }
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    let start = "login start bob --password-stdin -o json";
    let token = world.run(start).stdin("bob-pw\n").json(18)["challenge"].clone();
    let (seen, _) = Terminal::new(&world, "login list", 40).ends();
    assert!(seen.contains(token.as_str().unwrap()), "{seen}");
    assert!(seen.contains("2026-01-01T00:00:00Z"), "{seen}");
    let (seen, _) = Terminal::new(&world, "user show nobody", 100).ends();
    assert!(seen.contains("\u{1b}["), "{seen:?}");
    let (seen, _) = Terminal::new(&world, "user show nobody --color never", 100).ends();
    assert!(!seen.contains("\u{1b}["), "{seen:?}");
}

#[test]
fn a_table_that_just_fits_is_drawn_closer() {
    let world = World::with_email();
    world.ok("user deactivate bob --yes");
    for (width, heads) in [(80, "OUTCOME REASON"), (100, "OUTCOME  REASON")] {
        let (seen, exit) = Terminal::new(&world, "audit list", width).ends();
        assert_eq!(exit, 0, "{seen}");
        assert!(seen.contains(heads), "{width}: {seen}");
        assert!(seen.contains("user.deactivated"), "{seen}");
        let widest = seen
            .lines()
            .map(|line| line.trim_end().chars().count())
            .max();
        assert!(widest <= Some(width.into()), "{widest:?}: {seen}");
    }
}

#[test]
fn a_password_is_changed_and_the_code_asked_for() {
    let world = World::with_email();
    let mut terminal = Terminal::new(&world, "password change alice", 80);
    terminal.sees("Password:");
    terminal.types_secret("alice-pw");
    terminal.sees("New password:");
    terminal.types_secret("correct horse");
    terminal.sees("New password again:");
    terminal.types_secret("correct horse");
    terminal.sees("The code sent to a***e@example.com");
    terminal.sees("Code:");
    terminal.types(&world.code());
    terminal.sees("The password of `alice` was changed.");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    assert!(
        !seen.contains("alice-pw") && !seen.contains("horse"),
        "{seen}"
    );
    assert_eq!(world.first_factor("alice", "correct horse"), Some(18));
}

#[test]
fn what_goes_with_a_group_is_said_before_it_goes() {
    let world = World::peopled();
    world.ok("group add Helpdesk");
    world.ok("group add-member Helpdesk --user bob");
    world.ok("permission grant CanReset2FA --group Helpdesk");
    for (answer, code) in [("n", 4), ("y", 0)] {
        let mut terminal = Terminal::new(&world, "group remove Helpdesk", 80);
        terminal
            .sees("The group `Helpdesk` goes; 1 user and 0 groups are directly in it, and stay.");
        terminal.sees("The rows of CanReset2FA allow that name it go.");
        terminal.sees("Without asking: twofa group remove Helpdesk --yes");
        terminal.sees("Are you sure? [y/N]");
        terminal.types(answer);
        let (seen, ended) = terminal.ends();
        assert_eq!(ended, code, "{seen}");
    }
    world.run("group show Helpdesk").exits(3);
    world.ok("user show bob");
}

/// What a script gives on standard input a person is asked for, unseen.
#[test]
fn a_token_that_is_typed_is_not_shown() {
    let world = World::peopled();
    let mut terminal = Terminal::new(&world, "password recover alice --token-stdin", 80);
    terminal.sees("Token:");
    terminal.types_secret("some-token");
    terminal.sees("New password:");
    terminal.types_secret("fresh");
    terminal.sees("New password again:");
    terminal.types_secret("fresh");
    terminal.sees("the recovery token is wrong");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 10, "{seen}");
    assert!(
        !seen.contains("some-token") && !seen.contains("fresh"),
        "{seen}"
    );
}

//! The whole job, once, on real input: a store is made, the people of `people.csv` and the settings of `settings.txt` go
//! in, email, authenticator app and recovery codes are set up as the chapters of the source page say, and logins are
//! run: granted, wrong, replayed, locked.
//!
//! `cargo run --locked --release --example first-login [DIRECTORY]` builds the program and drives it through its command
//! line; every line it prints can be typed. The store stays in DIRECTORY (`first-login`), to go on with; a second run changes
//! only what passes with a login.

#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]
#![expect(
    clippy::disallowed_methods,
    reason = "it stands for a person: their words, their environment, the clock of their phone"
)]

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("first-login: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The program, and the directory it works in.
struct Desk {
    program: PathBuf,
    directory: PathBuf,
}

fn show() -> Result<()> {
    let directory = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .unwrap_or_else(|| "first-login".into()),
    );
    fs::create_dir_all(&directory)?;
    let desk = Desk {
        program: build()?,
        directory: std::path::absolute(directory)?,
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for file in ["people.csv", "settings.txt"] {
        fs::copy(examples.join(file), desk.directory.join(file))?;
    }

    chapter("A store, its people and its settings");
    let fresh = !desk.directory.join("twofa.db").exists();
    desk.run("init --admin admin --email admin@example.com", None, 0)?;
    desk.run("user import people.csv --yes", None, 0)?;
    // In a store that was here already everybody has a password, and alice, an administrator, would have to be confirmed.
    for login in ["alice", "bob", "carol@partner.example", "dave"]
        .into_iter()
        .filter(|_| fresh)
    {
        desk.run(
            &format!("password set {login} --password-stdin -q -o ndjson"),
            Some(PASSWORD),
            0,
        )?;
    }
    let settings = fs::read_to_string(desk.directory.join("settings.txt"))?;
    let settings = settings.split_whitespace().collect::<Vec<_>>().join(" ");
    desk.run(&format!("setting set {settings}"), None, 0)?;

    chapter("Set up 2FA via email");
    desk.run(
        "mailbox add trial --file mail --from no-reply@example.com",
        None,
        0,
    )?;
    desk.run("method enable email --primary", None, 0)?;
    desk.run("setting set 2FAmailbox trial", None, 0)?;
    desk.run("setting set Enable2FA on --yes", None, 0)?;

    let (phone, recovery) = set_up_app(&desk)?;
    log_in(&desk, phone, &recovery)?;

    chapter("What happened");
    desk.run("audit list --limit 12", None, 0)?;
    desk.run("audit verify", None, 0)?;
    desk.run("status", None, 0)?;
    println!(
        "\nThe store is {}; the password of everybody is `{PASSWORD}`. Go on with it:",
        desk.directory.join("twofa.db").display()
    );
    println!(
        "  cd {} && TWOFA_DB=twofa.db {} login simulate carol@partner.example",
        desk.directory.display(),
        desk.program.display()
    );
    Ok(())
}

/// An app for bob, and recovery codes: the phone, at the step that confirmed it, and one of the codes.
fn set_up_app(desk: &Desk) -> Result<(Phone, String)> {
    chapter("Set up 2FA via the authenticator app");
    desk.run("method enable totp", None, 0)?;
    desk.run("authenticator connect bob --qr png --out bob.png", None, 0)?;
    let secret = desk.quiet("authenticator connect bob -o json", "secret")?;
    let confirmed = Phone {
        secret,
        step: now()? / 30,
    };
    desk.run(
        &format!("authenticator confirm bob --code {}", confirmed.code()?),
        None,
        0,
    )?;
    // Scanned, it has done its work: whoever reads it can make codes, and the next run draws another.
    fs::remove_file(desk.directory.join("bob.png"))?;

    chapter("Set up recovery codes");
    desk.run("method enable recovery-codes", None, 0)?;
    let recovery = desk.run("recovery-codes generate bob", None, 0)?;
    let recovery = recovery
        .lines()
        .find(|line| line.len() == 11 && line.contains('-'))
        .ok_or("no recovery code")?;
    let recovery = recovery.to_owned();
    Ok((confirmed, recovery))
}

/// Granted three ways, refused three ways.
fn log_in(desk: &Desk, confirmed: Phone, recovery: &str) -> Result<()> {
    chapter("Logins: granted by email");
    let challenge = desk.start("alice", "", 18)?;
    let code = desk.mailed()?;
    desk.run(&format!("login verify {challenge} --code {code}"), None, 0)?;

    chapter("Logins: granted by the authenticator app; the same code again is a replay");
    // The next step's code is accepted already (TotpDriftSteps); the step that confirmed the app is consumed.
    let next = Phone {
        step: confirmed.step + 1,
        ..confirmed
    };
    let challenge = desk.start("bob", "--method totp", 18)?;
    desk.run(
        &format!("login verify {challenge} --code {}", next.code()?),
        None,
        0,
    )?;
    let challenge = desk.start("bob", "--method totp", 18)?;
    desk.run(
        &format!("login verify {challenge} --code {}", next.code()?),
        None,
        12,
    )?;

    chapter("Logins: granted by a recovery code, when the phone is lost");
    desk.run(
        &format!("login verify {challenge} --method recovery-codes --code {recovery}"),
        None,
        0,
    )?;

    chapter("Logins: wrong codes, and the third locks");
    desk.run("user unlock dave", None, 0)?;
    let challenge = desk.start("dave", "", 18)?;
    let wrong = if desk.mailed()? == "000000" {
        "111111"
    } else {
        "000000"
    };
    for exit in [11, 11, 14] {
        desk.run(
            &format!("login verify {challenge} --code {wrong}"),
            None,
            exit,
        )?;
    }
    Ok(())
}

const PASSWORD: &str = "correct horse battery staple";

fn chapter(title: &str) {
    println!("\n== {title}");
}

fn now() -> Result<u64> {
    let now = SystemTime::now();
    Ok(now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs())
}

/// Builds the program; `cargo run --example` builds the example alone.
fn build() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    // target/PROFILE/examples/first-login
    let profile = example
        .parent()
        .and_then(Path::parent)
        .ok_or("the example is not where cargo puts it")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--locked", "--quiet", "--bin", "twofa"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells a program about its package makes build scripts that look at it run again, here and, when these
    // are gone, in the next build.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            cargo.env_remove(&name);
        }
    }
    cargo
        .arg("--target-dir")
        .arg(profile.parent().ok_or("no target directory")?);
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("cargo build failed".into());
    }
    Ok(profile.join(format!("twofa{}", std::env::consts::EXE_SUFFIX)))
}

/// An authenticator app: a secret, and the step it shows.
struct Phone {
    secret: String,
    step: u64,
}

impl Phone {
    fn code(&self) -> Result<String> {
        let secret = data_encoding::BASE32_NOPAD.decode(self.secret.as_bytes())?;
        let totp = totp_rs::Builder::new().with_secret(secret).build()?;
        Ok(totp.generate(self.step * 30).to_string())
    }
}

impl Desk {
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(line.split(' '))
            .current_dir(&self.directory)
            .env("TWOFA_DB", "twofa.db")
            .stdin(Stdio::piped());
        command
    }

    /// Shows a command and runs it; it must exit so. Returns what it printed.
    fn run(&self, line: &str, secret: Option<&str>, exit: i32) -> Result<String> {
        match secret {
            Some(secret) => println!("\n$ echo '{secret}' | twofa {line}"),
            None => println!("\n$ twofa {line}"),
        }
        let mut child = self
            .command(line)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("no standard input")?;
        if let Some(secret) = secret {
            stdin.write_all(format!("{secret}\n").as_bytes())?;
        }
        drop(stdin);
        let output = child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        print!("{text}{}", String::from_utf8(output.stderr)?);
        let code = output.status.code().unwrap_or(-1);
        if code != 0 {
            println!("(exit {code})");
        }
        if code != exit {
            return Err(format!("`twofa {line}` exited {code}, not {exit}").into());
        }
        Ok(text)
    }

    /// Runs a command without showing its answer, which holds a secret, and returns one field of it.
    fn quiet(&self, line: &str, field: &str) -> Result<String> {
        println!("\n$ twofa {line}");
        let output = self.command(line).output()?;
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        println!("(the secret goes into the app)");
        Ok(answer[field].as_str().ok_or("no such field")?.to_owned())
    }

    /// Starts a login; returns the challenge.
    fn start(&self, login: &str, more: &str, exit: i32) -> Result<String> {
        let line = format!("login start {login} --password-stdin {more}");
        let text = self.run(line.trim(), Some(PASSWORD), exit)?;
        let challenge = text
            .lines()
            .find_map(|line| line.strip_prefix("challenge"))
            .ok_or("no challenge")?;
        Ok(challenge.trim().to_owned())
    }

    /// The code in the newest message.
    fn mailed(&self) -> Result<String> {
        let mut messages = Vec::new();
        for entry in fs::read_dir(self.directory.join("mail"))? {
            let entry = entry?;
            messages.push((entry.metadata()?.modified()?, entry.path()));
        }
        messages.sort();
        let (_, newest) = messages.last().ok_or("no message has arrived")?;
        println!(
            "\n$ grep -A 2 'code is' mail/{}",
            newest.file_name().unwrap_or_default().display()
        );
        let text = fs::read_to_string(newest)?;
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        let code = text
            .lines()
            .map(str::trim)
            .find(is_code)
            .ok_or("the message has no code")?;
        println!("your verification code is\n\n    {code}");
        Ok(code.to_owned())
    }
}

//! What a test stands in: an empty directory, a cleared environment, a clock that stands still, random bytes that
//! repeat. A new store's name is `twofa.db`, relative to the directory, so that outputs name no path of the machine.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use snapbox::IntoData as _;
use tempfile::TempDir;

/// The moment at which a world begins: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

/// A directory with its clock.
pub struct World {
    directory: TempDir,
    /// Seconds after `START`.
    clock: Cell<i64>,
    /// Whether commands see the machine's own clock and random bytes instead.
    real: Cell<bool>,
    commands: Cell<u64>,
    /// The names of the directory in which it was built, which audit rows still say; none for a world begun empty.
    built_in: &'static [String],
}

impl World {
    /// An empty directory.
    pub fn empty() -> World {
        World {
            directory: TempDir::new().unwrap(),
            clock: Cell::new(0),
            real: Cell::new(false),
            commands: Cell::new(0),
            built_in: &[],
        }
    }

    /// A new store in it, with the first administrator `Supervisor` and nobody else.
    pub fn new() -> World {
        static BUILT: OnceLock<Built> = OnceLock::new();
        BUILT
            .get_or_init(|| Built::of(&World::build_new(), ""))
            .copy()
    }

    fn build_new() -> World {
        let world = World::empty();
        world.ok("init");
        world
    }

    /// A store with `alice` and `bob`, who have passwords (`alice-pw`, `bob-pw`) and addresses, and a mailbox `trial`
    /// that writes into `mail`, used for codes. 2FA is off and no method is enabled.
    pub fn peopled() -> World {
        static BUILT: OnceLock<Built> = OnceLock::new();
        BUILT
            .get_or_init(|| Built::of(&World::build_peopled(), ""))
            .copy()
    }

    fn build_peopled() -> World {
        let world = World::build_new();
        world
            .run("user add alice --name Alice --email alice@example.com --password-stdin")
            .stdin("alice-pw\n")
            .succeeds();
        world
            .run("user add bob --email bob@example.com --password-stdin")
            .stdin("bob-pw\n")
            .succeeds();
        world.ok("mailbox add trial --file mail --from no-reply@example.com");
        world.ok("setting set 2FAmailbox trial");
        world
    }

    /// As [`World::peopled`], with email enabled, primary, and 2FA on.
    pub fn with_email() -> World {
        static BUILT: OnceLock<Built> = OnceLock::new();
        let build = || {
            let world = World::build_peopled();
            world.ok("method enable email --primary");
            world.ok("setting set Enable2FA on --yes");
            Built::of(&world, "")
        };
        BUILT.get_or_init(build).copy()
    }

    /// As [`World::peopled`], with the authenticator app enabled, 2FA on, and Supervisor's app connected. Returns the
    /// secret of the app as well; the step of its last code has passed.
    pub fn with_app() -> (World, String) {
        static BUILT: OnceLock<Built> = OnceLock::new();
        let build = || {
            let world = World::build_peopled();
            world.ok("method enable totp --primary");
            let secret = world.connect("Supervisor");
            world.later(30);
            world.ok("setting set Enable2FA on --yes");
            Built::of(&world, &secret)
        };
        let built = BUILT.get_or_init(build);
        (built.copy(), built.secret.clone())
    }

    /// A world of one's own that is built once; the others are copies.
    pub fn once(built: &'static OnceLock<Built>, build: fn() -> World) -> World {
        built.get_or_init(|| Built::of(&build(), "")).copy()
    }

    /// Connects a user's app; returns its secret. The code of this moment is consumed.
    pub fn connect(&self, login: &str) -> String {
        let enrolment = self.json(&format!("authenticator connect {login}"));
        let secret = enrolment["secret"].as_str().unwrap().to_owned();
        let code = self.app(&secret);
        self.ok(&format!("authenticator confirm {login} --code {code}"));
        secret
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Moves the clock.
    pub fn later(&self, seconds: i64) {
        self.clock.set(self.clock.get() + seconds);
    }

    /// From here on commands see the machine's own clock and random bytes, as the peers beside them do.
    #[allow(dead_code, reason = "only the peer suite has peers")]
    pub fn use_real_clock(&self) {
        self.real.set(true);
    }

    /// Now, in seconds since 1970.
    pub fn now(&self) -> i64 {
        START + self.clock.get()
    }

    /// Now, as the program is told.
    pub fn clock(&self) -> String {
        jiff::Timestamp::from_second(self.now())
            .unwrap()
            .to_string()
    }

    /// A command whose words are split at spaces; quote with `'…'`.
    pub fn run(&self, line: &str) -> Run<'_> {
        Run {
            world: self,
            words: split(line),
            stdin: String::new(),
            variables: Vec::new(),
        }
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, line: &str) -> Done {
        self.run(line).succeeds()
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub fn json(&self, line: &str) -> serde_json::Value {
        self.run(&format!("{line} -o json")).json(0)
    }

    /// How a login with a password ends.
    pub fn first_factor(&self, login: &str, password: &str) -> Option<i32> {
        self.run(&format!("login start {login} --password-stdin"))
            .stdin(&format!("{password}\n"))
            .done()
            .code
    }

    /// The newest message.
    pub fn letter(&self) -> String {
        self.newest("mail")
    }

    /// The newest SMS.
    pub fn note(&self) -> String {
        self.newest("sms")
    }

    fn newest(&self, directory: &str) -> String {
        let mut messages: Vec<PathBuf> = fs::read_dir(self.file(directory))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        messages.sort_by_key(|path| (path.metadata().unwrap().modified().unwrap(), path.clone()));
        fs::read_to_string(messages.last().unwrap()).unwrap()
    }

    /// The code in the newest message.
    pub fn code(&self) -> String {
        let text = self.letter();
        let code = text
            .lines()
            .map(str::trim)
            .find(|line| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit()));
        code.expect("the message carries a code").to_owned()
    }

    /// The code in the newest SMS.
    pub fn note_code(&self) -> String {
        let text = self.note();
        let code = text
            .split(|c: char| !c.is_ascii_digit())
            .find(|word| word.len() == 6);
        code.expect("the message carries a code").to_owned()
    }

    /// What the app of a base32 secret shows now.
    pub fn app(&self, secret: &str) -> String {
        let secret = data_encoding::BASE32_NOPAD
            .decode(secret.as_bytes())
            .unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(self.now()).unwrap())
            .to_string()
    }

    /// One number of the store.
    pub fn number(&self, query: &str) -> i64 {
        self.value(query)
    }

    /// One text of the store.
    pub fn text(&self, query: &str) -> String {
        self.value(query)
    }

    /// Wrong tries of both factors that are counted against a user.
    pub fn tries(&self, login: &str) -> i64 {
        self.number(&format!(
            "SELECT second_factor_failures + password_failures FROM user WHERE login = '{login}'"
        ))
    }

    fn value<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let db = rusqlite::Connection::open(self.file("twofa.db")).unwrap();
        db.query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// Another program that has written to the store and is still there, so that its log is not empty.
    pub fn writer(&self) -> rusqlite::Connection {
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let db = rusqlite::Connection::open(self.file("twofa.db")).unwrap();
        db.execute_batch(
            "PRAGMA wal_autocheckpoint = 0; UPDATE unknown_login SET failures = failures + 1",
        )
        .unwrap();
        assert!(!self.bytes().1.is_empty());
        db
    }

    /// The bytes of the store and of its log.
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let log = fs::read(self.file("twofa.db-wal"));
        (
            fs::read(self.file("twofa.db")).unwrap(),
            log.unwrap_or_default(),
        )
    }

    /// Runs SQL on the store, as somebody with the sqlite3 shell would.
    pub fn sql(&self, sql: &str) {
        #[expect(clippy::disallowed_methods, reason = "this stands for another program")]
        let db = rusqlite::Connection::open(self.file("twofa.db")).unwrap();
        db.execute_batch(sql).unwrap();
    }
}

/// A world that was built, its directory read into memory: building one starts up to nine processes, and a thousand
/// tests stand in four of them.
pub struct Built {
    /// What to write, directories before what is in them: the name, its mode, and the bytes of a file.
    entries: Vec<(PathBuf, fs::Permissions, Option<Vec<u8>>)>,
    /// See [`names`].
    directory: Vec<String>,
    /// A mailbox's directory is kept as an absolute path.
    has_mailbox: bool,
    clock: i64,
    commands: u64,
    /// Of the app that was connected.
    secret: String,
}

impl Built {
    fn of(world: &World, secret: &str) -> Built {
        let has_mailbox = world.number("SELECT count(*) FROM mailbox") > 0;
        let mut entries = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(world.path().join(&directory)).unwrap() {
                let entry = entry.unwrap();
                let name = directory.join(entry.file_name());
                let about = entry.metadata().unwrap();
                let bytes = if about.is_dir() {
                    open.push(name.clone());
                    None
                } else {
                    Some(fs::read(entry.path()).unwrap())
                };
                entries.push((name, about.permissions(), bytes));
            }
        }
        assert!(
            !world.file("twofa.db-wal").exists(),
            "the store is not whole without its log"
        );
        Built {
            entries,
            directory: names(world.path()),
            has_mailbox,
            clock: world.clock.get(),
            commands: world.commands.get(),
            secret: secret.to_owned(),
        }
    }

    /// The same world in a directory of its own: the next command draws the bytes it would have drawn in the first,
    /// and mailboxes write here.
    fn copy(&'static self) -> World {
        let world = World::empty();
        for (name, mode, bytes) in &self.entries {
            let path = world.file(&name.to_string_lossy());
            match bytes {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::create_dir(&path).unwrap(),
            }
            fs::set_permissions(&path, mode.clone()).unwrap();
        }
        if self.has_mailbox {
            let mut sql = "PRAGMA synchronous = OFF;".to_owned();
            for (old, new) in self.directory.iter().zip(names(world.path())) {
                sql.push_str(&format!(
                    "UPDATE mailbox SET path = replace(path, '{old}', '{new}');"
                ));
            }
            world.sql(&sql);
        }
        World {
            clock: Cell::new(self.clock),
            commands: Cell::new(self.commands),
            built_in: &self.directory,
            ..world
        }
    }
}

/// What a directory of this machine is called: as the system resolves it, and as it was made.
fn names(directory: &Path) -> Vec<String> {
    let resolved = directory.canonicalize().unwrap();
    vec![
        resolved.display().to_string(),
        directory.display().to_string(),
    ]
}

/// A command about to run.
pub struct Run<'w> {
    world: &'w World,
    words: Vec<String>,
    stdin: String,
    variables: Vec<(String, String)>,
}

impl Run<'_> {
    /// More words, as they are.
    pub fn words<'w>(mut self, words: impl Iterator<Item = &'w str>) -> Self {
        self.words.extend(words.map(str::to_owned));
        self
    }

    /// What stands on its standard input.
    pub fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The process, not started yet: for tests that run several at once.
    pub fn command(&self) -> Command {
        let world = self.world;
        let count = world.commands.get();
        world.commands.set(count + 1);
        let mut command = Command::new(env!("CARGO_BIN_EXE_twofa"));
        command
            .args(&self.words)
            .current_dir(world.path())
            .env_clear()
            .env("TWOFA_DB", "twofa.db")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !world.real.get() {
            command
                .env("TWOFA_TEST_NOW", world.clock())
                .env("TWOFA_TEST_SEED", count.to_string());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "Windows finds nothing without it"
        )]
        let root = std::env::var_os("SystemRoot");
        if let Some(root) = root {
            command.env("SystemRoot", root);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it, its standard input written.
    pub fn start(&self) -> Child {
        let mut child = self.command().spawn().unwrap();
        // A command that reads nothing closes the pipe before it is written; that is its right.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        child
    }

    /// Runs it.
    pub fn done(self) -> Done {
        let child = self.start();
        self.ended(child)
    }

    /// Waits for the end of it.
    pub fn ended(self, child: Child) -> Done {
        let output = child.wait_with_output().unwrap();
        Done {
            line: self.words.join(" "),
            code: output.status.code(),
            stdout: self
                .world
                .redact(&String::from_utf8(output.stdout).unwrap()),
            stderr: self
                .world
                .redact(&String::from_utf8(output.stderr).unwrap()),
        }
    }

    /// Runs it; it must exit 0.
    pub fn succeeds(self) -> Done {
        self.exits(0)
    }

    /// Runs it; it must exit so.
    pub fn exits(self, code: i32) -> Done {
        let done = self.done();
        assert_eq!(
            done.code,
            Some(code),
            "twofa {}\n{}\n{}",
            done.line,
            done.stdout,
            done.stderr
        );
        done
    }

    /// Runs it; it must exit so and print one JSON document.
    pub fn json(self, code: i32) -> serde_json::Value {
        let done = self.exits(code);
        serde_json::from_str(&done.stdout)
            .unwrap_or_else(|error| panic!("twofa {}: {error}\n{}", done.line, done.stdout))
    }

    /// Runs it and compares exit status, stdout and stderr with the snapshot.
    #[track_caller]
    pub fn shows(self, snapshot: snapbox::data::Inline) {
        self.done().shows(snapshot);
    }
}

/// A command that has run.
#[derive(Debug)]
pub struct Done {
    pub line: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// The error that ends stderr under json.
    #[track_caller]
    pub fn error(&self) -> serde_json::Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let error: serde_json::Value = serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.line, self.stderr));
        error["error"].clone()
    }

    /// Compares the whole with the snapshot.
    #[track_caller]
    pub fn shows(&self, snapshot: snapbox::data::Inline) {
        let code = self
            .code
            .map_or("killed".to_owned(), |code| code.to_string());
        let mut whole = format!("$ twofa {}\n? {code}\n", self.line);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                whole.push_str(&format!("--- {name}\n{text}"));
                if !text.ends_with('\n') {
                    whole.push_str("(no line end)\n");
                }
            }
        }
        snapbox::Assert::new()
            .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
            .eq(whole.raw(), snapshot.raw());
    }
}

impl World {
    /// Takes what belongs to this machine out of an output: the directory, and the name of the account.
    fn redact(&self, text: &str) -> String {
        let names = names(self.path());
        let text = names
            .iter()
            .chain(self.built_in)
            .fold(text.to_owned(), |text, name| text.replace(name, "[DIR]"));
        #[cfg(unix)]
        if let Ok(Some(user)) = nix::unistd::User::from_uid(nix::unistd::getuid()) {
            // As JSON in two forms, as CSV, and as CEF have it.
            let forms = [
                "\"os_user\": \"?\"",
                "\"os_user\":\"?\"",
                "Supervisor,?,",
                "osUser cs2=?",
            ];
            return forms.iter().fold(text, |text, form| {
                text.replace(
                    &form.replace('?', &user.name),
                    &form.replace('?', "[ACCOUNT]"),
                )
            });
        }
        text
    }
}

/// Splits a line at spaces, as a shell would with `'…'`.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut open, mut quoted) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, open) = (!quoted, true),
            ' ' if !quoted => {
                if open {
                    words.push(std::mem::take(&mut word));
                    open = false;
                }
            }
            _ => {
                word.push(c);
                open = true;
            }
        }
    }
    if open {
        words.push(word);
    }
    words
}

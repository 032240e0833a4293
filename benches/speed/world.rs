//! Stores to measure on: as many users as wanted, each with a password, an authenticator app and an open challenge.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rusqlite::{Connection, params};
use twofa::actor::{Process, Session};
use twofa::clock::{Source, System};
use twofa::error::Result;
use twofa::init::{Init, init};
use twofa::secret::Secret;
use twofa::store::{Place, Store};
use twofa::vault::Label;
use twofa::verb::verb;

/// The code that was sent to everybody.
pub const SENT: &str = "271828";
/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// Chains of groups, and how many groups each has.
pub const CHAINS: u64 = 200;
pub const DEPTH: u64 = 50;

/// A store in a directory of its own, removed when this goes.
pub struct World {
    directory: tempfile::TempDir,
    pub users: u64,
    /// The id of the first of `users`.
    first: i64,
}

impl World {
    /// Makes a store and fills it in one transaction. The rows are what the commands would have written, seals and
    /// keyed hashes included; only their audit rows are missing.
    pub fn of(users: u64) -> Result<World> {
        // The disk decides what a commit costs: another one can be named.
        let parent = std::env::var_os("TWOFA_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        let directory = tempfile::tempdir_in(parent)
            .unwrap_or_else(|error| fail("no directory to measure in", &error));
        let mut world = World {
            directory,
            users,
            first: 0,
        };
        init(
            &world.place(),
            &Init::default(),
            &Process::default(),
            Duration::from_secs(10),
            &source(),
        )?;
        world.fill()?;
        Ok(world)
    }

    pub fn place(&self) -> Place {
        Place::new(self.db(), None)
    }

    pub fn db(&self) -> PathBuf {
        self.directory.path().join("twofa.db")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The store, opened as `login verify` opens it.
    pub fn open(&self) -> Result<Store> {
        Store::open(
            &self.place(),
            verb("login verify")?,
            Duration::from_secs(10),
            source(),
        )
    }

    /// The same with an acting user: the first administrator, who answers for everybody.
    pub fn session(&self) -> Result<Session> {
        Session::begin(
            self.open()?,
            verb("login verify")?,
            &Process::default(),
            None,
            None,
        )
    }

    /// Another program's connection, set to what the store's own is set to.
    #[expect(
        clippy::disallowed_methods,
        reason = "the bare loop and the bulk insert are not the store"
    )]
    pub fn bare(&self) -> rusqlite::Result<Connection> {
        let db = Connection::open(self.db())?;
        db.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192",
        )?;
        Ok(db)
    }

    /// The login of user `number`, from 0.
    pub fn login(number: u64) -> String {
        format!("user{number:07}")
    }

    /// The challenge of user `number`, from 0.
    pub fn challenge(number: u64) -> String {
        format!("challenge{number:017}")
    }

    /// The row id of user `number`, from 0.
    pub fn id(&self, number: u64) -> i64 {
        self.first + number.cast_signed()
    }

    /// Makes [`CHAINS`] chains of groups, each within the next, and puts every user into the lowest of one. The top of
    /// every second chain has `CanReset2FA`.
    pub fn nest_groups(&self) -> Result<()> {
        let db = self.bare()?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        {
            let mut group = db.prepare(
                "INSERT INTO \"group\" (id, name, name_key, created_at) VALUES (?1, ?2, ?2, 0)",
            )?;
            let mut inside =
                db.prepare("INSERT INTO group_group (\"group\", member) VALUES (?1, ?2)")?;
            let mut grant = db.prepare(
                "INSERT INTO grantee (operation, position, \"group\", access)
                 SELECT 'CanReset2FA', max(position) + 1, ?1, 'allow' FROM grantee WHERE operation = 'CanReset2FA'",
            )?;
            for chain in 0..CHAINS {
                for level in 0..DEPTH {
                    let id = World::group(chain, level);
                    group.execute(params![id, format!("g{id}")])?;
                    if level > 0 {
                        inside.execute([id, World::group(chain, level - 1)])?;
                    }
                }
                if chain.is_multiple_of(2) {
                    grant.execute([World::group(chain, DEPTH - 1)])?;
                }
            }
            let mut member =
                db.prepare("INSERT INTO group_user (\"group\", user) VALUES (?1, ?2)")?;
            for number in 0..self.users {
                member.execute([World::group(number % CHAINS, 0), self.id(number)])?;
            }
        }
        db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }

    /// The id of a group of a chain, from the lowest.
    fn group(chain: u64, level: u64) -> i64 {
        (1_000 + chain * DEPTH + level).cast_signed()
    }

    fn fill(&mut self) -> Result<()> {
        let store = self.open()?;
        let (vault, source, now) = (store.vault()?, store.source(), store.now());
        let password = vault.hash_password(&Secret::from(PASSWORD), source)?;
        let db = self.bare()?;
        let last: i64 = db.query_row("SELECT max(id) FROM user", [], |row| row.get(0))?;
        self.first = last + 1;
        db.execute_batch(
            "BEGIN IMMEDIATE;
             UPDATE method SET enabled = 1 WHERE code <> 'sms';
             INSERT INTO setting (code, number) VALUES ('Enable2FA', 1), ('SecondFactorAttemptCount', 1000000);
             CREATE TABLE bare (id INTEGER PRIMARY KEY, at INTEGER, user INTEGER, event TEXT);",
        )?;
        {
            let mut user = db.prepare(
                "INSERT INTO user (id, login, name, email, phone, type, password_hash, password_changed_at, created_at)
                 VALUES (?1, ?2, ?3, ?4, '+4930123456', 'employee', ?5, ?6, ?6)",
            )?;
            let mut identity = db.prepare(
                "INSERT INTO identity (key, user, is_login, is_email) VALUES (?1, ?3, 1, 0), (?2, ?3, 0, 1)",
            )?;
            let mut app = db.prepare(
                "INSERT INTO authenticator (id, user, secret, fingerprint, algorithm, digits, period, consumed_until_at, connected_at)
                 VALUES (?1, ?1, ?2, ?3, 'SHA1', 6, 30, 0, ?4)",
            )?;
            let mut challenge = db.prepare(
                "INSERT INTO challenge (id, token, user, purpose, method, code_hash, accepted_at, code_expires_at, created_at, expires_at)
                 VALUES (?1, ?2, ?1, 'login', 'email', ?3, ?4, ?5, ?4, ?5)",
            )?;
            let mut secret = [0u8; twofa::totp::SECRET_BYTES];
            for number in 0..self.users {
                let (id, login) = (self.id(number), World::login(number));
                let email = format!("{login}@example.com");
                user.execute(params![
                    id,
                    login,
                    format!("User {number}"),
                    email,
                    password,
                    now
                ])?;
                identity.execute(params![login, email, id])?;
                source.fill(&mut secret)?;
                let sealed = vault.seal(Label("authenticator.secret"), id, &secret, source)?;
                let print = vault.hash(Label("authenticator.fingerprint"), &[&secret])?;
                app.execute(params![id, sealed, print, now])?;
                let code = vault.hash(
                    Label("challenge.code"),
                    &[&id.to_be_bytes(), SENT.as_bytes()],
                )?;
                challenge.execute(params![
                    id,
                    World::challenge(number),
                    code,
                    now,
                    now.plus(86_400)
                ])?;
            }
        }
        db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }
}

fn source() -> Rc<dyn Source> {
    Rc::new(System)
}

/// Ends the bench: without what it needs there is nothing to report.
#[expect(clippy::exit, reason = "the bench has a main of its own")]
#[expect(clippy::disallowed_methods, reason = "the bench has a main of its own")]
#[expect(clippy::print_stderr, reason = "the bench speaks to whoever runs it")]
pub fn fail(what: &str, why: &dyn std::fmt::Display) -> ! {
    eprintln!("speed: {what}: {why}");
    std::process::exit(1)
}

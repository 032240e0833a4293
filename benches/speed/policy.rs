//! A policy file of ten thousand users that changes nothing, beside the sqlite3 shell that reads their rows.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use crate::commands::{in_turns, report, time, twofa};
use crate::world::{World, fail};
use crate::{heading, say};

/// Groups, of which each user is in two.
const GROUPS: u64 = 20;

/// What the file declares of a user, and the groups they are in.
const ROWS: &str = "SELECT login, name, email, phone, type, language, active, os_user,
    (SELECT group_concat(name, ';') FROM group_user JOIN \"group\" ON id = \"group\" WHERE user = user.id)
    FROM user";

/// The policy of a store of so many users.
fn policy(users: u64) -> String {
    let mut text = "version = 1\n".to_owned();
    for group in 0..GROUPS {
        let inside = |user: &u64| user % GROUPS == group || (user + 7) % GROUPS == group;
        let logins: Vec<String> = (0..users)
            .filter(inside)
            .map(|user| format!("'p{user:05}'"))
            .collect();
        let _ = writeln!(text, "[groups.G{group}]\nusers = [{}]", logins.join(", "));
    }
    for user in 0..users {
        let _ = writeln!(
            text,
            "[users.p{user:05}]\nname = 'Person {user}'\nemail = 'p{user:05}@example.com'\nphone = '+4930{user:07}'\ntype = 'employee'"
        );
    }
    text
}

/// `apply` of a policy that is so already, and the sqlite3 shell printing the same rows.
pub fn against_a_bare_read(world: &World) {
    heading("An unchanged policy of 10,000 users", "twofa", "sqlite3");
    if let Err(error) = Command::new("sqlite3").arg("--version").output() {
        say(&format!(
            "  NOT MEASURED: the sqlite3 shell is missing ({error}). Install it: it is the peer of this measurement."
        ));
        return;
    }
    let file = world.path().join("policy.toml");
    if let Err(error) = fs::write(&file, policy(10_000)) {
        fail("the policy cannot be written", &error);
    }
    let db = world.db();
    let line = format!("apply {} --yes -q", file.display());
    time(twofa(&db, &line), 0);
    let ours = || twofa(&db, &line);
    let theirs = || {
        let mut command = Command::new("sqlite3");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .arg("-readonly")
            .arg(&db)
            .arg(ROWS)
            .stdin(Stdio::null());
        command
    };
    report(
        "apply, nothing to change",
        &in_turns(&ours, &theirs),
        Some(3.0),
    );
}

//! A full disk, played by a limit on the size of files: the store is as it was before.

use snapbox::str;

use crate::world::World;

/// Runs a command whose files may not grow beyond so many blocks of 512 bytes.
fn limited(world: &World, blocks: u64, line: &str, stdin: &str) -> std::process::Output {
    use std::io::Write as _;
    let twofa = world.run(line).command();
    let mut child = std::process::Command::new("/bin/sh")
        // Beyond the limit a write ends the process with SIGXFSZ, unless that is ignored.
        .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\""])
        .arg(blocks.to_string())
        .arg(twofa.get_program())
        .args(twofa.get_args())
        .current_dir(world.path())
        .env_clear()
        .envs(
            twofa
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_full_disk_leaves_the_state_before() {
    let world = World::with_email();
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let users = world.json("user list");
    let settings = world.json("setting list");
    let rows = world.number("SELECT count(*) FROM audit");
    // Nothing fits; then the beginning of a change fits and its end does not.
    let mut policy = "version = 1\n[settings]\nTotpDriftSteps = 2\n".to_owned();
    for at in 0..100 {
        policy.push_str(&format!("[users.u{at}]\nemail = 'u{at}@example.com'\n"));
    }
    world.write("policy.toml", &policy);
    let people = (0..200).fold("login,email\nalice,\n".to_owned(), |text, at| {
        text + &format!("i{at},i{at}@example.com\n")
    });
    world.write("people.csv", &people);
    for blocks in [0, 4, 8, 16, 24] {
        for line in [
            "user edit alice --name Somebody -o json",
            "setting set TotpDriftSteps 2 -o json",
            "apply policy.toml --yes -o json",
            "user import people.csv --yes -o json",
        ] {
            let output = limited(&world, blocks, line, "");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(1),
                "{blocks} {line} (0: that many are enough, choose less): {} {said}",
                output.status
            );
            let kind = if blocks == 0 { "storage" } else { "disk_full" };
            assert!(
                said.contains(&format!(r#""kind":"{kind}""#)),
                "{blocks} {line}: {said}"
            );
            assert!(output.stdout.is_empty(), "{blocks} {line}");
            assert_eq!(world.json("user list"), users, "{blocks} {line}");
            assert_eq!(world.json("setting list"), settings, "{blocks} {line}");
            assert_eq!(
                world.number("SELECT count(*) FROM audit"),
                rows,
                "{blocks} {line}"
            );
        }
        let output = limited(
            &world,
            blocks,
            "login start alice --password-stdin -o json",
            "alice-pw\n",
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{blocks}: {said}");
        assert!(!said.contains("wrong"), "{blocks}: {said}");
        assert_eq!(world.tries("alice"), 0);
    }
    let output = limited(&world, 8, "user edit alice --name Somebody", "");
    snapbox::assert_data_eq!(
        String::from_utf8(output.stderr).unwrap(),
        str![[r#"
error: no space is left for the store: disk I/O error
 hint: make room where the store lies; it is as it was before

"#]]
    );
    // Reading goes on.
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let output = limited(&world, 8, "user list -o json", "");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    world.ok("audit verify");
    world.ok("user edit alice --name Somebody");
}

#[test]
fn init_on_a_full_disk_leaves_no_store() {
    let world = World::empty();
    let output = limited(&world, 16, "init -o json", "");
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!world.file("twofa.db").exists());
    let left: Vec<_> = std::fs::read_dir(world.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "twofa.db.key")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    world.ok("init");
    world.run("key check -q -o ndjson").shows(str![[r#"
$ twofa key check -q -o ndjson
? 0
--- stdout
{"ring_keys":["374708ff"],"values":0,"broken":[],"retirable":[],"loose":[]}

"#]]);
}

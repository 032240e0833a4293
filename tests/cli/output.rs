//! How every command prints: formats, quiet, colour, errors for programs, and secrets on standard input.

use std::process::Stdio;

use snapbox::str;

use crate::world::World;

#[test]
fn a_format_a_command_does_not_speak() {
    let world = World::new();
    for line in [
        "setting get Enable2FA -o csv",
        "completions bash -o json",
        "method list -o yaml",
        "export -o csv",
        "diff policy.toml -o csv",
        "status -o xml",
    ] {
        let done = world.run(line).exits(2);
        assert_eq!(done.stdout, "", "{line}");
    }
    world.run("method list -o toml").shows(str![[r#"
$ twofa method list -o toml
? 2
--- stderr
error: only `twofa export` prints TOML
 hint: leave --output out

"#]]);
}

/// In every format the same rows.
#[test]
fn one_answer_in_four_formats() {
    let world = World::peopled();
    world.ok(
        "user edit alice --name '=cmd|calc' --phone +4930123456 --group 'System administrators'",
    );
    world.run("user list").shows(str![[r#"
$ twofa user list
? 0
--- stdout
LOGIN       NAME       EMAIL              TYPE      ACTIVE  AUTHENTICATOR  RECOVERY CODES LEFT
alice       =cmd|calc  alice@example.com  employee  yes     no             0
bob         –          bob@example.com    employee  yes     no             0
Supervisor  –          –                  employee  yes     no             0

"#]]);
    world.run("user list -o csv").shows(str![[r#"
$ twofa user list -o csv
? 0
--- stdout
login,name,email,phone,type,language,active,locked_until,groups,authenticator,recovery_codes_left,can_use_2fa,os_user,must_change,password_changed_at,last_login_at
alice,'=cmd|calc,alice@example.com,+4930123456,employee,en,true,,System administrators,false,0,true,,false,2026-01-01T00:00:00Z,
bob,,bob@example.com,,employee,en,true,,,false,0,true,,false,2026-01-01T00:00:00Z,
Supervisor,,,,employee,en,true,,System administrators,false,0,true,,false,,

"#]]);
    let json = world.json("user list");
    let ndjson = world.ok("user list -o ndjson");
    let lines: Vec<serde_json::Value> = ndjson
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json.as_array().unwrap(), &lines);
    // The variable does what the option does, and the option wins.
    let done = world
        .run("user list")
        .env("TWOFA_OUTPUT", "ndjson")
        .succeeds();
    assert_eq!(done.stdout, ndjson.stdout);
    let done = world
        .run("user list -o ndjson")
        .env("TWOFA_OUTPUT", "csv")
        .succeeds();
    assert_eq!(done.stdout, ndjson.stdout);
}

#[test]
fn a_misused_command_line_ends_in_json_for_programs() {
    let world = World::new();
    world.run("method lsit -o json").shows(str![[r#"
$ twofa method lsit -o json
? 2
--- stderr
error: unrecognized subcommand 'lsit'

  tip: a similar subcommand exists: 'list'

Usage: twofa method [OPTIONS] <COMMAND>

For more information, try '--help'.
{"error":{"kind":"usage","message":"unrecognized subcommand 'lsit'","hint":"a similar subcommand exists: 'list'"}}

"#]]);
    world.run("method lsit").shows(str![[r#"
$ twofa method lsit
? 2
--- stderr
error: unrecognized subcommand 'lsit'

  tip: a similar subcommand exists: 'list'

Usage: twofa method [OPTIONS] <COMMAND>

For more information, try '--help'.

"#]]);
    world.run("user add -o ndjson").shows(str![[r#"
$ twofa user add -o ndjson
? 2
--- stderr
error: the following required arguments were not provided:
  <LOGIN>

Usage: twofa user add --output <FORMAT> --db <FILE> <LOGIN>

For more information, try '--help'.
{"error":{"kind":"usage","message":"the following required arguments were not provided: <LOGIN>","hint":"`twofa --help` lists the commands"}}

"#]]);
    world
        .run("user list --limit many --output=json")
        .shows(str![[r#"
$ twofa user list --limit many --output=json
? 2
--- stderr
error: invalid value 'many' for '--limit <N>': invalid digit found in string

For more information, try '--help'.
{"error":{"kind":"usage","message":"invalid value 'many' for '--limit <N>': invalid digit found in string","hint":"`twofa --help` lists the commands"}}

"#]]);
    world
        .run("method list --no-such")
        .env("TWOFA_OUTPUT", "json")
        .shows(str![[r#"
$ twofa method list --no-such
? 2
--- stderr
error: unexpected argument '--no-such' found

Usage: twofa method list [OPTIONS]

For more information, try '--help'.
{"error":{"kind":"usage","message":"unexpected argument '--no-such' found","hint":"`twofa --help` lists the commands"}}

"#]]);
    world.run("-ojson user").shows(str![[r#"
$ twofa -ojson user
? 2
--- stderr
error: 'twofa user' requires a subcommand but one was not provided
  [subcommands: add, list, show, edit, remove, activate, deactivate, unlock, import, export]

Usage: twofa user [OPTIONS] <COMMAND>

For more information, try '--help'.
{"error":{"kind":"usage","message":"'twofa user' requires a subcommand but one was not provided [subcommands: add, list, show, edit, remove, activate, deactivate, unlock, import, export]","hint":"`twofa --help` lists the commands"}}

"#]]);
    world
        .run("setting set Enable2FA on --confirm-code 1 --confirm-code-stdin -o json")
        .shows(str![[r#"
$ twofa setting set Enable2FA on --confirm-code 1 --confirm-code-stdin -o json
? 2
--- stderr
error: --confirm-code and --confirm-code-stdin exclude each other
 hint: give one of them
{"error":{"kind":"usage","message":"--confirm-code and --confirm-code-stdin exclude each other","hint":"give one of them"}}

"#]]);
    for line in [
        "method lsit -o json",
        "user add -o json",
        "--no-such -o ndjson",
        "-ojson user",
        "-o json",
    ] {
        let done = world.run(line).exits(2);
        let last = done.stderr.lines().last().unwrap();
        let error: serde_json::Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{line}: {error}: {last}"));
        assert_eq!(error["error"]["kind"], "usage", "{line}");
        assert_eq!(done.stdout, "", "{line}");
    }
}

#[test]
fn quiet_silences_status_and_not_warnings() {
    let world = World::new();
    world.run("method enable email --quiet").shows(str![[r#"
$ twofa method enable email --quiet
? 0
--- stdout
code     email
name     Email
enabled  yes
primary  no
changed  yes
--- stderr
warning: Email is enabled, but `2FAmailbox` is not set.
   hint: twofa setting set 2FAmailbox NAME
warning: 1 active user has no address.
   hint: twofa user list --without email

"#]]);
    world
        .run("method enable email")
        .env("TWOFA_QUIET", "1")
        .shows(str![[r#"
$ twofa method enable email
? 0
--- stdout
code     email
name     Email
enabled  yes
primary  no
changed  no
--- stderr
warning: Email is enabled, but `2FAmailbox` is not set.
   hint: twofa setting set 2FAmailbox NAME
warning: 1 active user has no address.
   hint: twofa user list --without email

"#]]);
    world.run("method show nothing -q").shows(str![[r#"
$ twofa method show nothing -q
? 3
--- stderr
error: no 2FA method is named `nothing`
 hint: `twofa method list` lists what there is

"#]]);
    // A variable that says no is no.
    let done = world
        .run("method enable email")
        .env("TWOFA_QUIET", "0")
        .succeeds();
    assert!(
        done.stderr.contains("Email is already enabled."),
        "{}",
        done.stderr
    );
}

#[test]
fn colour_only_where_it_is_wanted() {
    let world = World::new();
    let colours = |line: &str, variables: &[(&str, &str)]| {
        let run = variables
            .iter()
            .fold(world.run(line), |run, (name, value)| run.env(name, value));
        let done = run.exits(3);
        done.stderr.contains('\u{1b}')
    };
    assert!(!colours("user show nobody", &[]), "a pipe has no colour");
    assert!(colours("user show nobody --color always", &[]));
    assert!(!colours("user show nobody --color never", &[]));
    assert!(colours("user show nobody", &[("TWOFA_COLOR", "always")]));
    assert!(!colours(
        "user show nobody",
        &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]
    ));
    assert!(!colours(
        "user show nobody --color auto",
        &[("NO_COLOR", "1")]
    ));
    // The JSON that ends stderr has none, whatever is asked for.
    let done = world
        .run("user show nobody -o json --color always")
        .exits(3);
    let last = done.stderr.lines().last().unwrap();
    serde_json::from_str::<serde_json::Value>(last).unwrap();
}

/// What was ever secret, searched for in everything that is kept or said.
#[test]
fn secrets_appear_nowhere() {
    let world = World::peopled();
    world.ok("method enable totp");
    world.ok("method enable recovery-codes");
    world.ok("method enable email --primary");
    let mut secrets = vec![
        "alice-pw".to_owned(),
        "bob-pw".to_owned(),
        "sesame-1".to_owned(),
        "sesame-2".to_owned(),
    ];
    world
        .run("password set bob --password-stdin --reason why")
        .stdin("sesame-1\n")
        .succeeds();
    world
        .run("mailbox add ops --smtp mail.example.com --username u --password-stdin --from a@example.com")
        .stdin("sesame-2\n")
        .succeeds();
    let enrolment = world.json("authenticator connect alice");
    let secret = enrolment["secret"].as_str().unwrap().to_owned();
    secrets.push(enrolment["setup_token"].as_str().unwrap().to_owned());
    let code = world.app(&secret);
    secrets.push(secret);
    let done = world.ok(&format!("authenticator confirm alice --code {code}"));
    let mut said = done.stdout + &done.stderr;
    let codes = world.json("recovery-codes generate alice");
    for code in codes["codes"].as_array().unwrap() {
        secrets.push(code.as_str().unwrap().to_owned());
    }
    world.ok("setting set Enable2FA on --yes");
    let start = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .done();
    said += &(start.stdout.clone() + &start.stderr);
    secrets.push(world.code());
    let challenge = serde_json::from_str::<serde_json::Value>(&start.stdout).unwrap()["challenge"]
        .as_str()
        .unwrap()
        .to_owned();
    let sent = world.code();
    for wrong in [codes["codes"][0].as_str().unwrap(), &sent] {
        let done = world
            .run(&format!(
                "login verify {challenge} --code-stdin --method totp -o json"
            ))
            .stdin(&format!("{wrong}\n"))
            .done();
        said += &(done.stdout + &done.stderr);
    }
    // An unknown login may be a password that was typed into the wrong field.
    secrets.push("Hunter-Typed-It".to_owned());
    let done = world
        .run("login start Hunter-Typed-It --password-stdin")
        .stdin("alice-pw\n")
        .done();
    assert_eq!(done.code, Some(10), "{}", done.stderr);
    for line in [
        "audit list -o json",
        "login list -o json",
        "user list -o json",
        "mailbox list -o json",
        "authenticator list -o json",
    ] {
        said += &world.ok(line).stdout;
    }
    let mut files = Vec::new();
    for name in ["twofa.db", "twofa.db-wal"] {
        files.extend(std::fs::read(world.file(name)).unwrap_or_default());
    }
    for secret in &secrets {
        assert!(!said.contains(secret.as_str()), "said: {secret}");
        // Six digits may stand anywhere by chance.
        let found = secret.len() > 6
            && files
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
        assert!(!found, "in the store: {secret}");
    }
}

/// One line each, in one order: password, token, code, confirmation code.
#[test]
fn lines_on_standard_input_come_in_order() {
    let (world, secret) = World::with_app();
    world.ok("user add carol --group 'System administrators' --override --reason test");
    let code = world.app(&secret);
    world
        .run("password set carol --confirm-code-stdin --password-stdin -q -o ndjson")
        .stdin(&format!("carol-pw\n{code}\n"))
        .succeeds();
    world.later(30);
    let enrolment = world.json("authenticator connect carol");
    let app = world.app(enrolment["secret"].as_str().unwrap());
    let token = enrolment["setup_token"].as_str().unwrap();
    let code = world.app(&secret);
    world
        .run("authenticator confirm carol --confirm-code-stdin --code-stdin --setup-token-stdin -q -o ndjson")
        .stdin(&format!("{token}\r\n{app}\r\n{code}\r\nwhat follows is not read\n"))
        .succeeds();
    world.later(30);
    let app = world.app(enrolment["secret"].as_str().unwrap());
    world
        .run("login simulate carol --code-stdin --password-stdin -o json")
        .stdin(&format!("carol-pw\n{app}"))
        .json(0);
}

#[test]
fn lines_that_are_missing_too_long_or_no_text() {
    let world = World::peopled();
    world
        .run("password set alice --password-stdin")
        .shows(str![[r#"
$ twofa password set alice --password-stdin
? 2
--- stderr
error: standard input has no line for --password-stdin

"#]]);
    world
        .run("login simulate alice --password-stdin --code-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login simulate alice --password-stdin --code-stdin
? 2
--- stderr
error: standard input has no line for --code-stdin

"#]]);
    world
        .run("password set alice --password-stdin -o json")
        .stdin(&("x".repeat(4_097) + "\n"))
        .shows(str![[r#"
$ twofa password set alice --password-stdin -o json
? 4
--- stderr
error: the line for --password-stdin is longer than 4096 bytes
{"error":{"kind":"invalid_value","message":"the line for --password-stdin is longer than 4096 bytes","hint":null}}

"#]]);
    world
        .run("password set alice --password-stdin -q -o ndjson")
        .stdin(&("x".repeat(4_096) + "\n"))
        .succeeds();
    // Spaces at the ends belong to a password; a line end does not.
    world
        .run("password set alice --password-stdin")
        .stdin(" spaced \r\n")
        .succeeds();
    world
        .run("login start alice --password-stdin")
        .stdin(" spaced ")
        .exits(0);
    world
        .run("login start alice --password-stdin")
        .stdin("spaced")
        .exits(10);
    world
        .run("password set alice --password-stdin")
        .stdin("\n")
        .shows(str![[r#"
$ twofa password set alice --password-stdin
? 4
--- stderr
error: the password is empty

"#]]);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    use std::io::Write as _;
    let world = World::peopled();
    let mut child = world
        .run("password set alice --password-stdin")
        .command()
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"\xff\xfe\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: the line for --password-stdin is not UTF-8\n"
    );
}

/// `twofa … | head -1`: the reader is gone, and nobody is told.
#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_quietly() {
    let world = World::peopled();
    for line in [
        "setting list",
        "setting list -o csv",
        "user list -o json",
        "help exit-codes",
        "--help",
        "completions bash",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = world.run(line).command();
        command.stdin(Stdio::null()).stdout(writer);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        assert_eq!(output.status.code(), Some(0), "{line}: {}", output.status);
    }
}

/// A change that was made and an answer that cannot be written are two things; the second is said.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let world = World::peopled();
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for line in [
        "setting list",
        "setting get Enable2FA",
        "user list -o json",
        "help exit-codes",
        "completions bash",
        "--help",
        "--version",
    ] {
        let mut command = world.run(line).command();
        command.stdin(Stdio::null()).stdout(full());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(
            said.starts_with("error: cannot write the answer: "),
            "{line}: {said}"
        );
    }
    // A command that writes says what became of the change.
    let lost = |line: &str| {
        let mut command = world.run(line).command();
        command.stdin(Stdio::null()).stdout(full());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        said
    };
    let error = "error: cannot write the answer: No space left on device (os error 28)\n";
    for (line, hint) in [
        (
            "user edit alice --name Anna",
            "the change was made; only its answer was lost",
        ),
        (
            "user edit alice --name Anna",
            "nothing was changed: it was so already",
        ),
        (
            "mailbox test trial --to x@example.com -q",
            "the command was carried out; only its answer was lost",
        ),
        (
            "authenticator connect alice --qr svg --out -",
            "the command was carried out; only its answer was lost",
        ),
    ] {
        assert_eq!(lost(line), format!("{error} hint: {hint}\n"), "{line}");
    }
    let said = lost("user add carol -o json");
    assert!(
        said.contains(r#""hint":"the change was made; only its answer was lost""#),
        "{said}"
    );
    assert_eq!(world.json("user show alice")["name"], "Anna");
    world.ok("user show carol");
    // With nobody on stderr either, a command still does its work.
    let mut command = world.run("method enable totp").command();
    command.stdin(Stdio::null()).stderr(full());
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}

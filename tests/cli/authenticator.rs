//! `twofa authenticator`.

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

#[test]
fn connect_shows_what_the_app_needs() {
    let world = World::peopled();
    world.run("authenticator connect alice").shows(str![[r#"
$ twofa authenticator connect alice
? 0
--- stdout
secret       FQNZ A2DH 2MJ6 T3QH 7YRK 7RDU HHXS UJ3M
uri          otpauth://totp/twofa:alice?secret=FQNZA2DH2MJ6T3QH7YRK7RDUHHXSUJ3M&issuer=twofa
setup token  lrs5ttbcvy7g6fkk5eppbnvnj4
expires at   2026-01-01T00:02:00Z
--- stderr
Next: `twofa authenticator confirm alice --setup-token lrs5ttbcvy7g6fkk5eppbnvnj4 --code N`, until 2026-01-01T00:02:00Z.

"#]]);
    world
        .run("authenticator connect ALICE@example.com -o json")
        .shows(str![[r#"
$ twofa authenticator connect ALICE@example.com -o json
? 0
--- stdout
{
  "setup_token": "ha7otofogrzurdc645fwkyswha",
  "uri": "otpauth://totp/twofa:alice?secret=6YLGECKQYQJZ3NTOY634QLJK4CWPHH2I&issuer=twofa",
  "secret": "6YLGECKQYQJZ3NTOY634QLJK4CWPHH2I",
  "expires_at": "2026-01-01T00:02:00Z",
  "changed": true,
  "warnings": []
}
--- stderr
Next: `twofa authenticator confirm alice --setup-token ha7otofogrzurdc645fwkyswha --code N`, until 2026-01-01T00:02:00Z.

"#]]);
    world.run("authenticator connect alcie").shows(str![[r#"
$ twofa authenticator connect alcie
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    world.run("authenticator show alice").shows(str![[r#"
$ twofa authenticator show alice
? 0
--- stdout
user           alice
connected      no
connected at   –
algorithm      –
digits         –
period         –
pending until  2026-01-01T00:02:00Z

"#]]);
    assert_eq!(world.json("user show alice")["authenticator"], false);
}

#[test]
fn the_issuer_is_a_setting() {
    let world = World::peopled();
    world.ok("setting set TotpIssuer 'Acme & Co'");
    let setup = world.json("authenticator connect alice");
    assert_eq!(
        setup["uri"],
        format!(
            "otpauth://totp/Acme%20%26%20Co:alice?secret={}&issuer=Acme%20%26%20Co",
            setup["secret"].as_str().unwrap()
        )
    );
}

#[test]
fn the_terminal_shows_a_code_in_explicit_colours() {
    let world = World::peopled();
    let done = world.ok("authenticator connect alice --qr terminal");
    let lines: Vec<&str> = done.stdout.lines().collect();
    let code: Vec<&&str> = lines.iter().filter(|line| line.contains('▀')).collect();
    // Version 5 has 37 modules, and four of white on every side; a line holds two rows.
    assert_eq!(code.len(), 23);
    assert!(code.iter().all(|line| line.matches('▀').count() == 45
        && line.starts_with("\u{1b}[38;5;231;48;5;231m")
        && line.ends_with("\u{1b}[0m")));
    assert!(done.stdout.contains("\nsecret       "));
    assert!(
        done.stderr
            .starts_with("Next: `twofa authenticator confirm alice --setup-token ")
    );
}

#[test]
fn pictures_go_into_files() {
    let world = World::peopled();
    world
        .run("authenticator connect alice --qr svg --out code.svg -o json")
        .shows(str![[r#"
$ twofa authenticator connect alice --qr svg --out code.svg -o json
? 0
--- stdout
{
  "setup_token": "lrs5ttbcvy7g6fkk5eppbnvnj4",
  "uri": "otpauth://totp/twofa:alice?secret=FQNZA2DH2MJ6T3QH7YRK7RDUHHXSUJ3M&issuer=twofa",
  "secret": "FQNZA2DH2MJ6T3QH7YRK7RDUHHXSUJ3M",
  "expires_at": "2026-01-01T00:02:00Z",
  "changed": true,
  "warnings": []
}
--- stderr
The QR code is in code.svg. Whoever reads it can make codes: remove it when it was scanned.
Next: `twofa authenticator confirm alice --setup-token lrs5ttbcvy7g6fkk5eppbnvnj4 --code N`, until 2026-01-01T00:02:00Z.

"#]]);
    let svg = std::fs::read_to_string(world.file("code.svg")).unwrap();
    assert!(
        svg.contains("<svg") && svg.trim_end().ends_with("</svg>"),
        "{svg}"
    );
    // The name says which kind.
    world
        .run("authenticator connect alice --out code.PNG")
        .shows(str![[r#"
$ twofa authenticator connect alice --out code.PNG
? 0
--- stdout
setup token  ha7otofogrzurdc645fwkyswha
uri          otpauth://totp/twofa:alice?secret=6YLGECKQYQJZ3NTOY634QLJK4CWPHH2I&issuer=twofa
secret       6YLGECKQYQJZ3NTOY634QLJK4CWPHH2I
expires at   2026-01-01T00:02:00Z
changed      yes
--- stderr
The QR code is in code.PNG. Whoever reads it can make codes: remove it when it was scanned.
Next: `twofa authenticator confirm alice --setup-token ha7otofogrzurdc645fwkyswha --code N`, until 2026-01-01T00:02:00Z.

"#]]);
    let png = std::fs::read(world.file("code.PNG")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    world.ok("authenticator connect alice --out plain");
    assert!(
        std::fs::read_to_string(world.file("plain"))
            .unwrap()
            .contains("<svg")
    );
    #[cfg(unix)]
    for name in ["code.svg", "code.PNG", "plain"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = world.file(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name} can be read by others");
    }
}

#[test]
fn a_picture_on_standard_output_stands_alone() {
    let world = World::peopled();
    let done = world.ok("authenticator connect alice --qr svg --out -");
    assert!(done.stdout.trim_start().starts_with("<?xml") || done.stdout.starts_with("<svg"));
    assert!(done.stdout.trim_end().ends_with("</svg>"));
    assert!(
        done.stderr
            .starts_with("Next: `twofa authenticator confirm alice --setup-token ")
    );
    // A PNG is no text: it is looked at as bytes.
    let png = world
        .run("authenticator connect alice --qr png --out -")
        .command()
        .output()
        .unwrap();
    assert!(png.status.success());
    assert!(
        png.stdout.starts_with(b"\x89PNG\r\n\x1a\n") && png.stdout.ends_with(b"IEND\xaeB`\x82")
    );
}

#[test]
fn pictures_that_cannot_be_are_refused_before_anything_is_made() {
    let world = World::peopled();
    world
        .run("authenticator connect alice --qr terminal --out code.svg")
        .shows(str![[r#"
$ twofa authenticator connect alice --qr terminal --out code.svg
? 2
--- stderr
error: --out goes with --qr svg or --qr png

"#]]);
    world
        .run("authenticator connect alice --qr png")
        .shows(str![[r#"
$ twofa authenticator connect alice --qr png
? 2
--- stderr
error: an SVG or PNG needs a place
 hint: name it with --out FILE, or - for standard output

"#]]);
    world
        .run("authenticator connect alice --qr svg --out - -o json")
        .shows(str![[r#"
$ twofa authenticator connect alice --qr svg --out - -o json
? 2
--- stderr
error: standard output cannot hold both the picture and the answer
 hint: name a file with --out
{"error":{"kind":"usage","message":"standard output cannot hold both the picture and the answer","hint":"name a file with --out"}}

"#]]);
    world
        .run("authenticator connect alice --qr gif --out x -q")
        .exits(2);
    assert_eq!(world.json("authenticator list"), json!([]));
    // A file that cannot be written keeps what was pending.
    let setup = world.json("authenticator connect alice");
    let done = world
        .run("authenticator connect alice --out nowhere/code.svg")
        .exits(1);
    assert!(
        done.stderr
            .starts_with("error: cannot write `nowhere/code.svg`: "),
        "{}",
        done.stderr
    );
    world
        .run("authenticator connect alice --out mail -q")
        .exits(1);
    // What is there already is kept, whatever it is.
    let before = ["twofa.db", "twofa.db.key"].map(|name| std::fs::read(world.file(name)).unwrap());
    world
        .run("authenticator connect alice --out twofa.db.key -o json")
        .shows(str![[r#"
$ twofa authenticator connect alice --out twofa.db.key -o json
? 4
--- stderr
error: `twofa.db.key` is there already
 hint: name another file with --out, or remove this one
{"error":{"kind":"conflict","message":"`twofa.db.key` is there already","hint":"name another file with --out, or remove this one"}}

"#]]);
    world
        .run("authenticator connect alice --out twofa.db")
        .exits(4);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", world.file("link.svg")).unwrap();
        world
            .run("authenticator connect alice --out link.svg")
            .exits(4);
    }
    let after = ["twofa.db", "twofa.db.key"].map(|name| std::fs::read(world.file(name)).unwrap());
    assert_eq!(before, after);
    let code = world.app(setup["secret"].as_str().unwrap());
    world.ok(&format!("authenticator confirm alice --code {code}"));
}

#[test]
fn list_shows_connected_and_pending_ones() {
    let world = World::peopled();
    world.run("authenticator list").shows(str![[r#"
$ twofa authenticator list
? 0
--- stdout
USER  CONNECTED  CONNECTED AT  PENDING UNTIL

"#]]);
    world.connect("alice");
    world.json("authenticator connect bob");
    world.run("authenticator list").shows(str![[r#"
$ twofa authenticator list
? 0
--- stdout
USER   CONNECTED  CONNECTED AT          PENDING UNTIL
alice  yes        2026-01-01T00:00:00Z  –
bob    no         –                     2026-01-01T00:02:00Z

"#]]);
    world.run("authenticator list -o json").shows(str![[r#"
$ twofa authenticator list -o json
? 0
--- stdout
[
  {"user":"alice","connected":true,"connected_at":"2026-01-01T00:00:00Z","algorithm":"SHA1","digits":6,"period":30,"pending_until":null},
  {"user":"bob","connected":false,"connected_at":null,"algorithm":null,"digits":null,"period":null,"pending_until":"2026-01-01T00:02:00Z"}
]

"#]]);
    world.run("authenticator show bob").shows(str![[r#"
$ twofa authenticator show bob
? 0
--- stdout
user           bob
connected      no
connected at   –
algorithm      –
digits         –
period         –
pending until  2026-01-01T00:02:00Z

"#]]);
}

#[test]
fn disconnect_asks_and_again_is_fine() {
    let world = World::peopled();
    world.connect("alice");
    world.json("authenticator connect alice");
    world.run("authenticator disconnect alice").shows(str![[r#"
$ twofa authenticator disconnect alice
? 2
--- stderr
error: are you sure? The authenticator app of `alice` will be disconnected.
 hint: say yes with --yes

"#]]);
    world
        .run("authenticator disconnect alice --yes -o json")
        .shows(str![[r#"
$ twofa authenticator disconnect alice --yes -o json
? 0
--- stdout
{
  "user": "alice",
  "connected": false,
  "connected_at": null,
  "algorithm": null,
  "digits": null,
  "period": null,
  "pending_until": null,
  "changed": true,
  "warnings": []
}
--- stderr
The authenticator app of `alice` is disconnected.
Next: `twofa authenticator connect alice`.

"#]]);
    // What was pending went with it.
    assert_eq!(world.json("authenticator list"), json!([]));
    world.run("authenticator disconnect alice").shows(str![[r#"
$ twofa authenticator disconnect alice
? 0
--- stdout
user           alice
connected      no
connected at   –
algorithm      –
digits         –
period         –
pending until  –
changed        no
--- stderr
`alice` has no authenticator app connected.

"#]]);
    world
        .run("authenticator disconnect alcie --yes -q")
        .exits(3);
    assert_eq!(
        world.kept("authenticator.disconnected"),
        [
            r#"authenticator.disconnected alice ok - {"connected_at":{"old":"2026-01-01T00:00:00Z","new":null}}"#,
        ]
    );
}

#[test]
fn disconnecting_leaves_recovery_codes_and_locks_nobody_out() {
    let world = World::peopled();
    world.ok("method primary totp");
    world.connect("alice");
    world.recovery("alice");
    world.connect("bob");
    world.ok("setting set Enable2FA on --yes");
    world.ok("authenticator disconnect alice --yes");
    assert_eq!(world.json("user show alice")["recovery_codes_left"], 10);
    // The app is enabled, so bob will connect it at the next login: that is no lock-out.
    world.ok("authenticator disconnect bob --yes");
    assert_eq!(world.start("bob").json(16)["outcome"], "enrolment_required");
}

#[test]
fn users_see_to_their_own_app() {
    let world = World::with_email();
    world.ok("method primary totp");
    let setup: Value = world
        .run("authenticator connect alice --as alice -o json")
        .json(0);
    let secret = setup["secret"].as_str().unwrap().to_owned();
    // She has a second factor already, and adds another with it.
    let app = world.app(&secret);
    let asked = world
        .run(&format!(
            "authenticator confirm alice --as alice --code {app} -o json"
        ))
        .exits(5);
    let asked: Value = serde_json::from_str(asked.stderr.lines().last().unwrap()).unwrap();
    let challenge = asked["error"]["challenge"].as_str().unwrap();
    world
        .run(&format!("authenticator confirm alice --as alice --code {app} --confirm-challenge {challenge} --confirm-code {WRONG}"))
        .exits(5);
    assert_eq!(world.json("authenticator show alice")["connected"], false);
    world.ok(&format!(
        "authenticator confirm alice --as alice --code {app} --confirm-challenge {challenge} --confirm-code {}",
        world.code()
    ));
    world.ok("authenticator show alice --as alice");
    for line in [
        "connect bob",
        "confirm bob --code 1",
        "show bob",
        "disconnect bob --yes",
    ] {
        let done = world
            .run(&format!("authenticator {line} --as alice"))
            .exits(5);
        assert_eq!(done.stdout, "", "{line}");
    }
    let own = world.run("authenticator list --as alice -o json").json(0);
    assert_eq!(own.as_array().unwrap().len(), 1);
    assert_eq!(own[0]["user"], "alice");
    // Nobody replaces the app without the app.
    let setup: Value = world
        .run("authenticator connect alice --as alice -o json")
        .json(0);
    let other = world.app(setup["secret"].as_str().unwrap());
    let done = world
        .run(&format!(
            "authenticator confirm alice --as alice --code {other} --confirm-method totp"
        ))
        .exits(5);
    assert!(
        done.stderr
            .contains("confirm connecting another authenticator app"),
        "{}",
        done.stderr
    );
    // For oneself a code of the app says that it is oneself.
    world
        .run("authenticator disconnect alice --as alice --yes -o json")
        .shows(str![[r#"
$ twofa authenticator disconnect alice --as alice --yes -o json
? 5
--- stderr
error: confirm disconnecting your authenticator app: your second factor is needed
 hint: repeat the command with --confirm-code N, a code of your authenticator app
{"error":{"kind":"confirmation_required","message":"confirm disconnecting your authenticator app: your second factor is needed","hint":"repeat the command with --confirm-code N, a code of your authenticator app","method":"totp"}}

"#]]);
    world
        .run(&format!(
            "authenticator disconnect alice --as alice --yes --code {WRONG} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator disconnect alice --as alice --yes --code 000000 -o json
? 5
--- stderr
error: the confirmation code is wrong
 hint: repeat the command to confirm it anew
{"error":{"kind":"confirmation_wrong","message":"the confirmation code is wrong","hint":"repeat the command to confirm it anew"}}

"#]]);
    world.later(30);
    let code = world.app(&secret);
    world
        .run("authenticator disconnect alice --as alice --yes --code-stdin -o json")
        .stdin(&format!("{code}\n"))
        .shows(str![[r#"
$ twofa authenticator disconnect alice --as alice --yes --code-stdin -o json
? 0
--- stdout
{
  "user": "alice",
  "connected": false,
  "connected_at": null,
  "algorithm": null,
  "digits": null,
  "period": null,
  "pending_until": null,
  "changed": true,
  "warnings": []
}
--- stderr
The authenticator app of `alice` is disconnected.
Next: `twofa authenticator connect alice`.

"#]]);
    assert_eq!(world.json("authenticator show alice")["connected"], false);
}

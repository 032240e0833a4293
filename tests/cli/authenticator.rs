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
    let code = world.app(setup["secret"].as_str().unwrap());
    world.ok(&format!("authenticator confirm alice --code {code}"));
}

#[test]
fn confirm_connects_and_consumes_the_code() {
    let world = World::with_email();
    world.ok("method primary totp");
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap();
    let code = world.app(secret);
    // Root and the store's owner need no setup token.
    world
        .run(&format!(
            "authenticator confirm alice --code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 098439 -o json
? 0
--- stdout
{
  "user": "alice",
  "connected": true,
  "connected_at": "2026-01-01T00:00:00Z",
  "algorithm": "SHA1",
  "digits": 6,
  "period": 30,
  "pending_until": null,
  "changed": true,
  "warnings": []
}
--- stderr
The authenticator app of `alice` is connected.

"#]]);
    let challenge = world.challenge("alice");
    world.verify(&challenge, &code).exits(12);
    world
        .run(&format!("authenticator confirm alice --code {code}"))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 098439
? 3
--- stderr
error: no authenticator app of `alice` waits to be confirmed
 hint: `twofa authenticator connect alice` begins

"#]]);
    assert_eq!(world.json("user show alice")["authenticator"], true);
}

#[test]
fn a_setup_token_that_is_given_must_be_right() {
    let world = World::peopled();
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap();
    let token = setup["setup_token"].as_str().unwrap();
    let code = world.app(secret);
    world
        .run(&format!(
            "authenticator confirm alice --setup-token nothing --code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --setup-token nothing --code 814587 -o json
? 11
--- stderr
error: the code or the setup token is wrong
 hint: 4 tries are left; is the clock of the device right?
{"error":{"kind":"second_factor_wrong","message":"the code or the setup token is wrong","hint":"4 tries are left; is the clock of the device right?","tries_left":4}}

"#]]);
    world
        .run("authenticator confirm alice --setup-token-stdin --code-stdin")
        .stdin(&format!("{}\n{code}\n", token.to_uppercase()))
        .shows(str![[r#"
$ twofa authenticator confirm alice --setup-token-stdin --code-stdin
? 0
--- stdout
user           alice
connected      yes
connected at   2026-01-01T00:00:00Z
algorithm      SHA1
digits         6
period         30
pending until  –
changed        yes
--- stderr
The authenticator app of `alice` is connected.

"#]]);
    let setup = world.json("authenticator connect bob");
    let token = setup["setup_token"].as_str().unwrap();
    let code = world.app(setup["secret"].as_str().unwrap());
    world.ok(&format!(
        "authenticator confirm bob --setup-token {token} --code '{} {}'",
        &code[..3],
        &code[3..]
    ));
    // Without an answer and nobody to ask it says which is missing.
    world.json("authenticator connect bob");
    world.run("authenticator confirm bob").shows(str![[r#"
$ twofa authenticator confirm bob
? 2
--- stderr
error: code of the new app is needed
 hint: give it with --code

"#]]);
}

#[test]
fn five_wrong_confirmations_void_the_setup_and_are_no_tries() {
    let world = World::with_email();
    world.ok("method enable totp");
    world.ok("setting set SecondFactorAttemptCount 2");
    let setup = world.json("authenticator connect alice");
    let code = world.app(setup["secret"].as_str().unwrap());
    world
        .run(&format!(
            "authenticator confirm alice --code {WRONG} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 000000 -o json
? 11
--- stderr
error: the code or the setup token is wrong
 hint: 4 tries are left; is the clock of the device right?
{"error":{"kind":"second_factor_wrong","message":"the code or the setup token is wrong","hint":"4 tries are left; is the clock of the device right?","tries_left":4}}

"#]]);
    for left in ["3 tries are left", "2 tries are left", "1 try is left"] {
        let done = world
            .run(&format!("authenticator confirm alice --code {WRONG}"))
            .exits(11);
        assert!(done.stderr.contains(left), "{}", done.stderr);
    }
    world
        .run(&format!(
            "authenticator confirm alice --code {WRONG} -o json"
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 000000 -o json
? 11
--- stderr
error: the code or the setup token is wrong, and the set-up is void
 hint: `twofa authenticator connect alice` begins anew
{"error":{"kind":"second_factor_wrong","message":"the code or the setup token is wrong, and the set-up is void","hint":"`twofa authenticator connect alice` begins anew"}}

"#]]);
    world
        .run(&format!("authenticator confirm alice --code {code}"))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 607824
? 3
--- stderr
error: no authenticator app of `alice` waits to be confirmed
 hint: `twofa authenticator connect alice` begins

"#]]);
    // The counter of logins knows nothing of it.
    let challenge = world.challenge("alice");
    world.verify(&challenge, WRONG).exits(11);
    world.verify(&challenge, &world.code()).succeeds();
    let kept = world.kept("authenticator");
    assert_eq!(kept.len(), 6);
    assert_eq!(
        kept[4..],
        [
            r#"authenticator.wrong alice denied second_factor_wrong {"failures":4}"#,
            r#"authenticator.wrong alice denied setup_void {"failures":5}"#,
        ]
    );
}

#[test]
fn a_setup_expires() {
    let world = World::peopled();
    let setup = world.json("authenticator connect alice");
    let secret = setup["secret"].as_str().unwrap().to_owned();
    assert_eq!(setup["expires_at"], "2026-01-01T00:02:00Z");
    world.later(119);
    assert_eq!(
        world.json("authenticator show alice")["pending_until"],
        "2026-01-01T00:02:00Z"
    );
    world.later(1);
    world
        .run(&format!(
            "authenticator confirm alice --code {} -o json",
            world.app(&secret)
        ))
        .shows(str![[r#"
$ twofa authenticator confirm alice --code 685308 -o json
? 13
--- stderr
error: the time to confirm has run out
 hint: `twofa authenticator connect alice` begins anew
{"error":{"kind":"second_factor_expired","message":"the time to confirm has run out","hint":"`twofa authenticator connect alice` begins anew"}}

"#]]);
    assert_eq!(
        world.json("authenticator show alice")["pending_until"],
        Value::Null
    );
    assert_eq!(world.json("authenticator list"), json!([]));
    world.ok("setting set TotpSetupTokenTtl 10");
    assert_eq!(
        world.json("authenticator connect alice")["expires_at"],
        "2026-01-01T00:12:00Z"
    );
}

#[test]
fn a_second_connect_replaces_the_pending_one() {
    let world = World::peopled();
    let first = world.json("authenticator connect alice");
    let second = world.json("authenticator connect alice");
    assert_ne!(first["secret"], second["secret"]);
    let code = world.app(first["secret"].as_str().unwrap());
    world
        .run(&format!("authenticator confirm alice --code {code} -q"))
        .exits(11);
    let code = world.app(second["secret"].as_str().unwrap());
    let old = first["setup_token"].as_str().unwrap();
    world
        .run(&format!(
            "authenticator confirm alice --setup-token {old} --code {code} -q"
        ))
        .exits(11);
    world.ok(&format!("authenticator confirm alice --code {code}"));
}

#[test]
fn a_connected_app_is_kept_until_the_new_one_is_confirmed() {
    let world = World::with_email();
    world.ok("method primary totp");
    let old = world.connect("alice");
    world.later(60);
    let setup = world.json("authenticator connect alice");
    let new = setup["secret"].as_str().unwrap();
    world
        .run("authenticator show alice -o json")
        .shows(str![[r#"
$ twofa authenticator show alice -o json
? 0
--- stdout
{
  "user": "alice",
  "connected": true,
  "connected_at": "2026-01-01T00:00:00Z",
  "algorithm": "SHA1",
  "digits": 6,
  "period": 30,
  "pending_until": "2026-01-01T00:03:00Z"
}

"#]]);
    let challenge = world.challenge("alice");
    world.verify(&challenge, &world.app(&old)).succeeds();
    world.ok(&format!(
        "authenticator confirm alice --code {}",
        world.app(new)
    ));
    world.later(60);
    let challenge = world.challenge("alice");
    world.verify(&challenge, &world.app(&old)).exits(11);
    world.verify(&challenge, &world.app(new)).succeeds();
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
    world.ok(&format!(
        "authenticator confirm alice --as alice --code {}",
        world.app(&secret)
    ));
    world.ok("authenticator show alice --as alice");
    for line in [
        "connect bob",
        "confirm bob --code 1",
        "show bob",
        "disconnect bob --yes",
        "list",
    ] {
        let done = world
            .run(&format!("authenticator {line} --as alice"))
            .exits(5);
        assert_eq!(done.stdout, "", "{line}");
    }
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

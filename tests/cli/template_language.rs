//! Messages in the language of whoever gets them, whatever their name is.

use snapbox::str;

use crate::password_recover::settled;
use crate::world::World;

/// Starts a login of alice, who has this language; returns the message that carries the code.
fn letter(world: &World, language: &str) -> String {
    world.ok(&format!("user edit alice --language {language}"));
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .exits(18);
    let letter = world.letter();
    // The next one is the only one, and too many in an hour are none.
    for file in std::fs::read_dir(world.file("mail")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    world.later(3_600);
    letter
}

fn subject(letter: &str) -> &str {
    letter
        .lines()
        .find_map(|line| line.strip_prefix("Subject: "))
        .unwrap()
}

#[test]
fn a_login_speaks_the_language_of_its_user() {
    let world = World::with_email();
    let english = "Your verification code";
    assert_eq!(subject(&letter(&world, "en")), english);
    let german = letter(&world, "de");
    assert_eq!(subject(&german), "Ihr =?utf-8?b?QmVzdMOkdGlndW5nc2NvZGU=?=");
    assert!(german.contains("Guten Tag Alice,"), "{german}");
    assert!(letter(&world, "fr").contains("Bonjour Alice,"));
    // Austria has no words of its own, and Polish none at all.
    assert!(letter(&world, "de-AT").contains("Guten Tag Alice,"));
    assert_eq!(world.json("user show alice")["language"], "de-at");
    assert_eq!(subject(&letter(&world, "pl")), english);
    world.ok("template set '2FA verification code' --language de-at --subject Servus --no-html --text '#SecondFactorCode#'");
    let austrian = letter(&world, "de-at");
    assert_eq!(subject(&austrian), "Servus");
    assert!(!austrian.contains("text/html"), "{austrian}");
    assert!(letter(&world, "de").contains("Guten Tag Alice,"));
    world.ok("template reset '2FA verification code' --all");
    assert!(letter(&world, "de-at").contains("Guten Tag Alice,"));
}

#[test]
fn a_recovery_speaks_it_too() {
    let world = World::peopled();
    world.ok("setting set SSPRegistrationMailbox trial");
    world.ok("user edit alice --language de");
    world.ok("template set 'Password recovery' --language de --subject Neu --text 'Nur #RecoveryToken#, #Username#'");
    world.ok("password recover alice");
    settled(&world);
    let letter = world.letter();
    assert_eq!(subject(&letter), "Neu");
    let body = letter.split_once("\r\n\r\n").unwrap().1;
    let body = body.trim_end();
    assert!(
        body.starts_with("Nur ") && body.ends_with(", Alice"),
        "{letter}"
    );
    let shown = world.json("template preview 'Password recovery' --user alice");
    assert_eq!(shown["language"], "de");
    assert_eq!(shown["modified"], true);
    assert_eq!(shown["text"], "Nur example-token, Alice\n");
}

#[test]
fn a_preview_is_what_a_user_gets() {
    let world = World::peopled();
    world.ok("user edit alice --language de-ch");
    world
        .run("template preview '2FA verification code' --user alice")
        .shows(str![[r#"
$ twofa template preview 2FA verification code --user alice
? 0
--- stdout
Subject: Ihr Bestätigungscode

Guten Tag Alice,

Ihr Bestätigungscode lautet

    123456

Er gilt 60 Sekunden und kann einmal verwendet werden.

Wenn Sie ihn nicht angefordert haben, kennt jemand anderes Ihr Passwort: Ändern Sie es, und sagen Sie es Ihrer Administration.
--- stderr
There is an HTML part too: --output json shows it.
There are no words in `de-ch`; these are those in `de`.

"#]]);
    world
        .run("template preview '2FA SMS code' --user alice --language fr")
        .shows(str![[r#"
$ twofa template preview 2FA SMS code --user alice --language fr
? 0
--- stdout
123456 est votre code de connexion. Il est valable 60 secondes.

"#]]);
    world
        .run("template preview '2FA SMS code' --language pl -o ndjson")
        .shows(str![[r#"
$ twofa template preview 2FA SMS code --language pl -o ndjson
? 0
--- stdout
{"name":"2FA SMS code","kind":"sms","language":"en","modified":false,"subject":null,"text":"123456 is your verification code. It is valid for 60 seconds.","html":null}
--- stderr
There are no words in `pl`; these are those in `en`.

"#]]);
    world
        .run("template preview '2FA SMS code' --language _")
        .exits(4);
}

/// Rules for names keep such ones out; a renderer does not rely on it.
#[test]
fn a_hostile_name_is_text() {
    let world = World::peopled();
    world.ok("template set '2FA verification code' --subject 'For #Username#'");
    world.ok("template set '2FA verification code' --html '<p title=\"#Username#\">#Username#</p> <a href=\"https://example.com/?u=#Username#\">#SecondFactorCode#</a>'");
    world
        .run("user edit bob --name '<script>alert(1)</script>\" onclick=x'")
        .succeeds();
    world
        .run("template preview '2FA verification code' --user bob -o json")
        .shows(str![[r#"
$ twofa template preview 2FA verification code --user bob -o json
? 0
--- stdout
{
  "name": "2FA verification code",
  "kind": "email",
  "language": "en",
  "modified": true,
  "subject": "For <script>alert(1)</script>\" onclick=x",
  "text": "Hello <script>alert(1)</script>\" onclick=x,\n\nyour verification code is\n\n    123456\n\nIt is valid for 60 seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n",
  "html": "<p title=\"&lt;script&gt;alert(1)&lt;/script&gt;&quot; onclick=x\">&lt;script&gt;alert(1)&lt;/script&gt;&quot; onclick=x</p> <a href=\"https://example.com/?u=&lt;script&gt;alert(1)&lt;/script&gt;&quot; onclick=x\">123456</a>\n"
}

"#]]);
    world.sql(
        "UPDATE user SET name = 'Bob' || char(13, 10) || 'Bcc: eve@example.com' || char(0x2028, 27) || '#SecondFactorCode#' WHERE login = 'bob'",
    );
    world
        .run("template preview '2FA verification code' --user bob -o json")
        .shows(str![[r#"
$ twofa template preview 2FA verification code --user bob -o json
? 0
--- stdout
{
  "name": "2FA verification code",
  "kind": "email",
  "language": "en",
  "modified": true,
  "subject": "For Bob  Bcc: eve@example.com  #SecondFactorCode#",
  "text": "Hello Bob  Bcc: eve@example.com  #SecondFactorCode#,\n\nyour verification code is\n\n    123456\n\nIt is valid for 60 seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n",
  "html": "<p title=\"Bob  Bcc: eve@example.com  #SecondFactorCode#\">Bob  Bcc: eve@example.com  #SecondFactorCode#</p> <a href=\"https://example.com/?u=Bob  Bcc: eve@example.com  #SecondFactorCode#\">123456</a>\n"
}

"#]]);
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    world
        .run("login start bob --password-stdin")
        .stdin("bob-pw\n")
        .exits(18);
    let letter = world.letter();
    let (head, body) = letter.split_once("\r\n\r\n").unwrap();
    assert!(
        !head.lines().any(|line| line.starts_with("Bcc")),
        "{letter}"
    );
    // The name takes no code with it, and the code is there all the same.
    assert!(
        body.contains("Bcc: eve@example.com  #SecondFactorCode#"),
        "{letter}"
    );
    assert_eq!(world.code().len(), 6);
}

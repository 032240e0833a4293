//! `twofa template`.

use snapbox::str;

use crate::world::World;

#[test]
fn list() {
    let world = World::new();
    world.run("template list").shows(str![[r#"
$ twofa template list
? 0
--- stdout
NAME                   KIND   LANGUAGES   MODIFIED  MACROS
2FA verification code  email  en, de, fr  –         Username, SecondFactorCode, SecondFactorCodeTTL
2FA SMS code           sms    en, de, fr  –         Username, SecondFactorCode, SecondFactorCodeTTL
Password recovery      email  en, de, fr  –         Username, RecoveryToken, RecoveryTokenTTL

"#]]);
    world.run("template list -o json").shows(str![[r#"
$ twofa template list -o json
? 0
--- stdout
[
  {"name":"2FA verification code","kind":"email","languages":["en","de","fr"],"modified":[],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"]},
  {"name":"2FA SMS code","kind":"sms","languages":["en","de","fr"],"modified":[],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"]},
  {"name":"Password recovery","kind":"email","languages":["en","de","fr"],"modified":[],"macros":["Username","RecoveryToken","RecoveryTokenTTL"]}
]

"#]]);
    world.run("template list -o csv").shows(str![[r#"
$ twofa template list -o csv
? 0
--- stdout
name,kind,languages,modified,macros
2FA verification code,email,en;de;fr,,Username;SecondFactorCode;SecondFactorCodeTTL
2FA SMS code,sms,en;de;fr,,Username;SecondFactorCode;SecondFactorCodeTTL
Password recovery,email,en;de;fr,,Username;RecoveryToken;RecoveryTokenTTL

"#]]);
}

#[test]
fn show() {
    let world = World::new();
    world
        .run("template show '2fa VERIFICATION code'")
        .shows(str![[r#"
$ twofa template show 2fa VERIFICATION code
? 0
--- stdout
Subject: Your verification code

Hello #Username#,

your verification code is

    #SecondFactorCode#

It is valid for #SecondFactorCodeTTL# seconds and can be used once.

If you did not ask for it, somebody else knows your password: change it and tell your administrator.
--- stderr
There is an HTML part too: --output json shows it.

"#]]);
    world.run("template show '2FA SMS code' -o ndjson").shows(str![[r##"
$ twofa template show 2FA SMS code -o ndjson
? 0
--- stdout
{"name":"2FA SMS code","kind":"sms","language":"en","modified":false,"subject":null,"text":"#SecondFactorCode# is your verification code. It is valid for #SecondFactorCodeTTL# seconds.","html":null}

"##]]);
    world.run("template show 'Password recovery' -o json").shows(str![[r#"
$ twofa template show Password recovery -o json
? 0
--- stdout
{
  "name": "Password recovery",
  "kind": "email",
  "language": "en",
  "modified": false,
  "subject": "Your new password",
  "text": "Hello #Username#,\n\nsomebody asked for a new password for your account. To choose one, use this token:\n\n    #RecoveryToken#\n\nIt can be used once, within #RecoveryTokenTTL# minutes.\n\nIf it was not you, there is nothing to do: your password stays as it is.\n",
  "html": null
}

"#]]);
    world
        .run("template show '2FA verificaton code'")
        .shows(str![[r#"
$ twofa template show 2FA verificaton code
? 3
--- stderr
error: no template is named `2FA verificaton code`
 hint: did you mean `2FA verification code`?

"#]]);
    world.run("template show letter -o json").shows(str![[r#"
$ twofa template show letter -o json
? 3
--- stderr
error: no template is named `letter`
 hint: `twofa template list` lists what there is
{"error":{"kind":"not_found","message":"no template is named `letter`","hint":"`twofa template list` lists what there is"}}

"#]]);
    world.run("template show").exits(2);
}

#[test]
fn show_in_a_language() {
    let world = World::new();
    world
        .run("template show '2FA verification code' --language de -o json")
        .shows(str![[r#"
$ twofa template show 2FA verification code --language de -o json
? 0
--- stdout
{
  "name": "2FA verification code",
  "kind": "email",
  "language": "de",
  "modified": false,
  "subject": "Ihr Bestätigungscode",
  "text": "Guten Tag #Username#,\n\nIhr Bestätigungscode lautet\n\n    #SecondFactorCode#\n\nEr gilt #SecondFactorCodeTTL# Sekunden und kann einmal verwendet werden.\n\nWenn Sie ihn nicht angefordert haben, kennt jemand anderes Ihr Passwort: Ändern Sie es, und sagen Sie es Ihrer Administration.\n",
  "html": "<!doctype html>\n<html lang=\"de\">\n<body style=\"font-family: sans-serif\">\n<p>Guten Tag #Username#,</p>\n<p>Ihr Bestätigungscode lautet</p>\n<p style=\"font-family: monospace; font-size: 2em; letter-spacing: 0.2em\">#SecondFactorCode#</p>\n<p>Er gilt #SecondFactorCodeTTL# Sekunden und kann einmal verwendet werden.</p>\n<p>Wenn Sie ihn nicht angefordert haben, kennt jemand anderes Ihr Passwort: Ändern Sie es, und sagen Sie es Ihrer Administration.</p>\n</body>\n</html>\n"
}

"#]]);
    world
        .run("template show '2FA verification code' --language FR")
        .shows(str![[r#"
$ twofa template show 2FA verification code --language FR
? 0
--- stdout
Subject: Votre code de vérification

Bonjour #Username#,

votre code de vérification est

    #SecondFactorCode#

Il est valable #SecondFactorCodeTTL# secondes et ne peut être utilisé qu'une fois.

Si vous ne l'avez pas demandé, quelqu'un d'autre connaît votre mot de passe : changez-le et prévenez votre administrateur.
--- stderr
There is an HTML part too: --output json shows it.

"#]]);
    // Exactly this language: what its users get instead is what a preview tells.
    world
        .run("template show '2FA SMS code' --language de-at -o json")
        .shows(str![[r#"
$ twofa template show 2FA SMS code --language de-at -o json
? 3
--- stderr
error: the template `2FA SMS code` has no words in `de-at`
 hint: it has words in en, de, fr
{"error":{"kind":"not_found","message":"the template `2FA SMS code` has no words in `de-at`","hint":"it has words in en, de, fr","languages":["en","de","fr"]}}

"#]]);
    world
        .run("template show '2FA SMS code' --language 'no language'")
        .shows(str![[r#"
$ twofa template show 2FA SMS code --language no language
? 4
--- stderr
error: `no language` is no language
 hint: write it as en, de or pt-br

"#]]);
}

#[test]
fn set_and_reset() {
    let world = World::new();
    world.write("text", "Code: #SecondFactorCode#\r\n\r\nBye.\r\n");
    world
        .run("template set '2FA verification code' --subject 'Code for #Username#' --text-file text --no-html")
        .shows(str![[r#"
$ twofa template set 2FA verification code --subject Code for #Username# --text-file text --no-html
? 0
--- stdout
Subject: Code for #Username#

Code: #SecondFactorCode#

Bye.
--- stderr
The words of `2FA verification code` in `en` were changed.
Next: `twofa template preview '2FA verification code' --language en`.

"#]]);
    let again = "template set '2FA verification code' --subject 'Code for #Username#' -o json";
    world.run(again).shows(str![[r#"
$ twofa template set 2FA verification code --subject Code for #Username# -o json
? 0
--- stdout
{
  "name": "2FA verification code",
  "kind": "email",
  "language": "en",
  "modified": true,
  "subject": "Code for #Username#",
  "text": "Code: #SecondFactorCode#\n\nBye.\n",
  "html": null,
  "changed": false,
  "warnings": []
}
--- stderr
The words of `2FA verification code` in `en` are as they were.

"#]]);
    world.run("template list").shows(str![[r#"
$ twofa template list
? 0
--- stdout
NAME                   KIND   LANGUAGES   MODIFIED  MACROS
2FA verification code  email  en, de, fr  en        Username, SecondFactorCode, SecondFactorCodeTTL
2FA SMS code           sms    en, de, fr  –         Username, SecondFactorCode, SecondFactorCodeTTL
Password recovery      email  en, de, fr  –         Username, RecoveryToken, RecoveryTokenTTL

"#]]);
    // What is given changes, and the rest stays.
    world
        .run("template set '2FA verification code' --html-file - -o ndjson")
        .stdin("<p>#SecondFactorCode#</p>")
        .shows(str![[r#"
$ twofa template set 2FA verification code --html-file - -o ndjson
? 0
--- stdout
{"name":"2FA verification code","kind":"email","language":"en","modified":true,"subject":"Code for #Username#","text":"Code: #SecondFactorCode#\n\nBye.\n","html":"<p>#SecondFactorCode#</p>\n","changed":true,"warnings":[]}
--- stderr
The words of `2FA verification code` in `en` were changed.
Next: `twofa template preview '2FA verification code' --language en`.

"#]]);
    world
        .run("audit list --event template -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event template -o ndjson
? 0
--- stdout
{"seq":3,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"template.changed","subject":"2FA verification code (en)","outcome":"ok","reason":null,"note":null,"detail":{"html":{"old":null,"new":"<p>#SecondFactorCode#</p>\n"}}}
{"seq":2,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"template.changed","subject":"2FA verification code (en)","outcome":"ok","reason":null,"note":null,"detail":{"subject":{"old":"Your verification code","new":"Code for #Username#"},"text":{"old":"Hello #Username#,\n\nyour verification code is\n\n    #SecondFactorCode#\n\nIt is valid for #SecondFactorCodeTTL# seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n","new":"Code: #SecondFactorCode#\n\nBye.\n"},"html":{"old":"<!doctype html>\n<html lang=\"en\">\n<body style=\"font-family: sans-serif\">\n<p>Hello #Username#,</p>\n<p>your verification code is</p>\n<p style=\"font-family: monospace; font-size: 2em; letter-spacing: 0.2em\">#SecondFactorCode#</p>\n<p>It is valid for #SecondFactorCodeTTL# seconds and can be used once.</p>\n<p>If you did not ask for it, somebody else knows your password: change it and tell your administrator.</p>\n</body>\n</html>\n","new":null}}}

"#]]);
    world
        .run("template reset '2fa verification CODE'")
        .shows(str![[r#"
$ twofa template reset 2fa verification CODE
? 0
--- stdout
Subject: Your verification code

Hello #Username#,

your verification code is

    #SecondFactorCode#

It is valid for #SecondFactorCodeTTL# seconds and can be used once.

If you did not ask for it, somebody else knows your password: change it and tell your administrator.
--- stderr
There is an HTML part too: --output json shows it.
`2FA verification code` has the shipped words in `en` again.

"#]]);
    world
        .run("template reset '2FA verification code' -o ndjson")
        .shows(str![[r#"
$ twofa template reset 2FA verification code -o ndjson
? 0
--- stdout
{"name":"2FA verification code","kind":"email","language":"en","modified":false,"subject":"Your verification code","text":"Hello #Username#,\n\nyour verification code is\n\n    #SecondFactorCode#\n\nIt is valid for #SecondFactorCodeTTL# seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n","html":"<!doctype html>\n<html lang=\"en\">\n<body style=\"font-family: sans-serif\">\n<p>Hello #Username#,</p>\n<p>your verification code is</p>\n<p style=\"font-family: monospace; font-size: 2em; letter-spacing: 0.2em\">#SecondFactorCode#</p>\n<p>It is valid for #SecondFactorCodeTTL# seconds and can be used once.</p>\n<p>If you did not ask for it, somebody else knows your password: change it and tell your administrator.</p>\n</body>\n</html>\n","changed":false,"warnings":[]}
--- stderr
`2FA verification code` has the shipped words in `en` already.

"#]]);
    assert_eq!(world.number("SELECT count(*) FROM template_words"), 0);
    world
        .run("audit list --event template.reset --limit 1 -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event template.reset --limit 1 -o ndjson
? 0
--- stdout
{"seq":4,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"template.reset","subject":"2FA verification code (en)","outcome":"ok","reason":null,"note":null,"detail":{"subject":{"old":"Code for #Username#","new":"Your verification code"},"text":{"old":"Code: #SecondFactorCode#\n\nBye.\n","new":"Hello #Username#,\n\nyour verification code is\n\n    #SecondFactorCode#\n\nIt is valid for #SecondFactorCodeTTL# seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n"},"html":{"old":"<p>#SecondFactorCode#</p>\n","new":"<!doctype html>\n<html lang=\"en\">\n<body style=\"font-family: sans-serif\">\n<p>Hello #Username#,</p>\n<p>your verification code is</p>\n<p style=\"font-family: monospace; font-size: 2em; letter-spacing: 0.2em\">#SecondFactorCode#</p>\n<p>It is valid for #SecondFactorCodeTTL# seconds and can be used once.</p>\n<p>If you did not ask for it, somebody else knows your password: change it and tell your administrator.</p>\n</body>\n</html>\n"}}}

"#]]);
    world.ok("audit verify");
}

#[test]
fn the_shipped_words_are_not_kept() {
    let world = World::new();
    let shown = world.json("template show 'Password recovery' --language de");
    world.write("text", shown["text"].as_str().unwrap());
    world.ok("template set 'Password recovery' --language de --subject Anders");
    assert_eq!(world.number("SELECT count(*) FROM template_words"), 1);
    let back = world.json("template set 'Password recovery' --language de --subject 'Ihr neues Passwort' --text-file text");
    assert_eq!(back["changed"], true);
    assert_eq!(back["modified"], false);
    assert_eq!(world.number("SELECT count(*) FROM template_words"), 0);
    // Words that a later program ships as they were set here are no others.
    world.sql(&format!(
        "INSERT INTO template_words (template, language, subject, text, changed_at)
         SELECT id, 'de', 'Ihr neues Passwort', '{}', 0 FROM template WHERE name = 'Password recovery'",
        shown["text"].as_str().unwrap()
    ));
    let shown = world.json("template show 'Password recovery' --language de");
    assert_eq!(shown["modified"], false);
    let done = world.json("template reset 'Password recovery' --language de");
    assert_eq!(done["changed"], false);
}

#[test]
fn preview() {
    let world = World::peopled();
    world
        .run("template preview '2FA verification code' --user alice")
        .shows(str![[r#"
$ twofa template preview 2FA verification code --user alice
? 0
--- stdout
Subject: Your verification code

Hello Alice,

your verification code is

    123456

It is valid for 60 seconds and can be used once.

If you did not ask for it, somebody else knows your password: change it and tell your administrator.
--- stderr
There is an HTML part too: --output json shows it.

"#]]);
    world.ok("user edit bob --name 'Bob <b>#SecondFactorCode#</b> & Sons'");
    world.ok("setting set SecondFactorCodeTTL 90");
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
  "modified": false,
  "subject": "Your verification code",
  "text": "Hello Bob <b>#SecondFactorCode#</b> & Sons,\n\nyour verification code is\n\n    123456\n\nIt is valid for 90 seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n",
  "html": "<!doctype html>\n<html lang=\"en\">\n<body style=\"font-family: sans-serif\">\n<p>Hello Bob &lt;b&gt;#SecondFactorCode#&lt;/b&gt; &amp; Sons,</p>\n<p>your verification code is</p>\n<p style=\"font-family: monospace; font-size: 2em; letter-spacing: 0.2em\">123456</p>\n<p>It is valid for 90 seconds and can be used once.</p>\n<p>If you did not ask for it, somebody else knows your password: change it and tell your administrator.</p>\n</body>\n</html>\n"
}

"#]]);
    // Without --user it is the acting user.
    world.run("template preview '2FA SMS code'").shows(str![[r#"
$ twofa template preview 2FA SMS code
? 0
--- stdout
123456 is your verification code. It is valid for 90 seconds.

"#]]);
    world
        .run("template preview '2FA SMS code' --user alcie")
        .shows(str![[r#"
$ twofa template preview 2FA SMS code --user alcie
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    // Nothing was sent.
    assert!(
        !world.file("mail").exists()
            || std::fs::read_dir(world.file("mail"))
                .unwrap()
                .next()
                .is_none()
    );
}

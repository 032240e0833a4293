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
NAME                   KIND   LANGUAGES  MACROS
2FA verification code  email  en         Username, SecondFactorCode, SecondFactorCodeTTL
2FA SMS code           sms    en         Username, SecondFactorCode, SecondFactorCodeTTL
Password recovery      email  en         Username, RecoveryToken, RecoveryTokenTTL

"#]]);
    world.run("template list -o json").shows(str![[r#"
$ twofa template list -o json
? 0
--- stdout
[
  {"name":"2FA verification code","kind":"email","languages":["en"],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"]},
  {"name":"2FA SMS code","kind":"sms","languages":["en"],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"]},
  {"name":"Password recovery","kind":"email","languages":["en"],"macros":["Username","RecoveryToken","RecoveryTokenTTL"]}
]

"#]]);
    world.run("template list -o csv").shows(str![[r#"
$ twofa template list -o csv
? 0
--- stdout
name,kind,languages,macros
2FA verification code,email,en,Username;SecondFactorCode;SecondFactorCodeTTL
2FA SMS code,sms,en,Username;SecondFactorCode;SecondFactorCodeTTL
Password recovery,email,en,Username;RecoveryToken;RecoveryTokenTTL

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
{"name":"2FA SMS code","kind":"sms","language":"en","subject":null,"text":"#SecondFactorCode# is your verification code. It is valid for #SecondFactorCodeTTL# seconds.\n","html":null}

"##]]);
    world.run("template show 'Password recovery' -o json").shows(str![[r#"
$ twofa template show Password recovery -o json
? 0
--- stdout
{
  "name": "Password recovery",
  "kind": "email",
  "language": "en",
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

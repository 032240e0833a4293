//! `twofa template set`: languages of one's own, and what is refused.

use snapbox::str;

use crate::world::World;

#[test]
fn a_language_of_ones_own() {
    let world = World::new();
    world
        .run("template set 'Password recovery' --language es --text '#RecoveryToken#'")
        .shows(str![[r#"
$ twofa template set Password recovery --language es --text #RecoveryToken#
? 2
--- stderr
error: the subject is needed: `Password recovery` has no words in `es` yet
 hint: give it with --subject

"#]]);
    world
        .run("template set 'Password recovery' --language es --subject Hola -o json")
        .shows(str![[r#"
$ twofa template set Password recovery --language es --subject Hola -o json
? 2
--- stderr
error: the text is needed: `Password recovery` has no words in `es` yet
 hint: give it with --text or --text-file
{"error":{"kind":"missing_answer","message":"the text is needed: `Password recovery` has no words in `es` yet","hint":"give it with --text or --text-file"}}

"#]]);
    world
        .run("template set '2FA SMS code' --language pt-BR --text 'Codigo: #SecondFactorCode#'")
        .shows(str![[r#"
$ twofa template set 2FA SMS code --language pt-BR --text Codigo: #SecondFactorCode#
? 0
--- stdout
Codigo: #SecondFactorCode#
--- stderr
The words of `2FA SMS code` in `pt-br` were changed.
Next: `twofa template preview '2FA SMS code' --language pt-br`.

"#]]);
    world.ok("template set '2FA SMS code' --language de --text 'Code: #SecondFactorCode#'");
    world.run("template list -o json").shows(str![[r#"
$ twofa template list -o json
? 0
--- stdout
[
  {"name":"2FA verification code","kind":"email","languages":["en","de","fr"],"modified":[],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"]},
  {"name":"2FA SMS code","kind":"sms","languages":["en","de","fr","pt-br"],"modified":["de","pt-br"],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"]},
  {"name":"Password recovery","kind":"email","languages":["en","de","fr"],"modified":[],"macros":["Username","RecoveryToken","RecoveryTokenTTL"]}
]

"#]]);
    world
        .run("template reset '2FA SMS code' --language pt-br")
        .shows(str![[r#"
$ twofa template reset 2FA SMS code --language pt-br
? 0
--- stdout
#SecondFactorCode# is your verification code. It is valid for #SecondFactorCodeTTL# seconds.
--- stderr
`2FA SMS code` has no words in `pt-br` any more; its users get those in `en`.

"#]]);
    world
        .run("template reset '2FA SMS code' --language pt-br")
        .shows(str![[r#"
$ twofa template reset 2FA SMS code --language pt-br
? 3
--- stderr
error: the template `2FA SMS code` has no words in `pt-br`
 hint: it has words in en, de, fr

"#]]);
    world.ok("template set '2FA SMS code' --language nl --text '#SecondFactorCode#'");
    world
        .run("template reset '2FA SMS code' --all")
        .shows(str![[r#"
$ twofa template reset 2FA SMS code --all
? 0
--- stdout
name       2FA SMS code
kind       sms
languages  en, de, fr
modified   –
macros     Username, SecondFactorCode, SecondFactorCodeTTL
changed    yes
--- stderr
`2FA SMS code` has the shipped words in every language again, and no others.

"#]]);
    world
        .run("template reset '2FA SMS code' --all -o ndjson")
        .shows(str![[r#"
$ twofa template reset 2FA SMS code --all -o ndjson
? 0
--- stdout
{"name":"2FA SMS code","kind":"sms","languages":["en","de","fr"],"modified":[],"macros":["Username","SecondFactorCode","SecondFactorCodeTTL"],"changed":false,"warnings":[]}
--- stderr
`2FA SMS code` has the shipped words in every language already, and no others.

"#]]);
    world
        .run("template reset '2FA SMS code' --all --language de")
        .exits(2);
}

#[test]
fn words_that_break_a_rule() {
    let world = World::new();
    let verification = "template set '2FA verification code'";
    for (line, kind, message) in [
        (
            format!("{verification} --text Hello"),
            "invalid_value",
            "the text has no `#SecondFactorCode#`: the message would bring no code",
        ),
        (
            format!("{verification} --html '<p>Hello</p>'"),
            "invalid_value",
            "the HTML has no `#SecondFactorCode#`: the message would bring no code",
        ),
        (
            format!("{verification} --subject ' '"),
            "invalid_value",
            "the subject is blank",
        ),
        (
            format!("{verification} --html '<script>#SecondFactorCode#</script>'"),
            "invalid_value",
            "the HTML has the element `script`, which no message may have",
        ),
        (
            format!(
                "{verification} --html '#SecondFactorCode# <img src=\"https://example.com/#Username#\">'"
            ),
            "invalid_value",
            "`#Username#` stands in the HTML where a value is not safe",
        ),
        (
            "template set '2FA SMS code' --subject Code".to_owned(),
            "invalid_value",
            "an SMS has no subject",
        ),
        (
            "template set '2FA SMS code' --html '#SecondFactorCode#'".to_owned(),
            "invalid_value",
            "an SMS has no HTML",
        ),
        (
            "template set letter --text x".to_owned(),
            "not_found",
            "no template is named `letter`",
        ),
    ] {
        let done = world.run(&format!("{line} -o json")).done();
        let error = done.error();
        assert_eq!(error["kind"], kind, "{line}");
        assert_eq!(error["message"], message, "{line}");
        assert_eq!(done.stdout, "");
        assert_eq!(done.code, Some(if kind == "not_found" { 3 } else { 4 }));
    }
    world
        .run("template set 'Password recovery' --text 'Dear #UserName#, #RecoveryToken#'")
        .shows(str![[r#"
$ twofa template set Password recovery --text Dear #UserName#, #RecoveryToken#
? 4
--- stderr
error: `#UserName#` is no macro of this template
 hint: did you mean `#Username#`?

"#]]);
    world
        .run("template set '2FA SMS code' --text '#SecondFactorCode# #RecoveryTokenTTL#'")
        .shows(str![[r#"
$ twofa template set 2FA SMS code --text #SecondFactorCode# #RecoveryTokenTTL#
? 4
--- stderr
error: `#RecoveryTokenTTL#` is no macro of this template
 hint: its macros are #Username#, #SecondFactorCode#, #SecondFactorCodeTTL#

"#]]);
    world
        .run("template set '2FA verification code' --subject 'Code #SecondFactorCode#' -o ndjson")
        .shows(str![[r#"
$ twofa template set 2FA verification code --subject Code #SecondFactorCode# -o ndjson
? 0
--- stdout
{"name":"2FA verification code","kind":"email","language":"en","modified":true,"subject":"Code #SecondFactorCode#","text":"Hello #Username#,\n\nyour verification code is\n\n    #SecondFactorCode#\n\nIt is valid for #SecondFactorCodeTTL# seconds and can be used once.\n\nIf you did not ask for it, somebody else knows your password: change it and tell your administrator.\n","html":"<!doctype html>\n<html lang=\"en\">\n<body style=\"font-family: sans-serif\">\n<p>Hello #Username#,</p>\n<p>your verification code is</p>\n<p style=\"font-family: monospace; font-size: 2em; letter-spacing: 0.2em\">#SecondFactorCode#</p>\n<p>It is valid for #SecondFactorCodeTTL# seconds and can be used once.</p>\n<p>If you did not ask for it, somebody else knows your password: change it and tell your administrator.</p>\n</body>\n</html>\n","changed":true,"warnings":[{"kind":"code_in_subject","message":"`#SecondFactorCode#` stands in the subject, which a locked screen may show.","hint":"`twofa template set '2FA verification code' --language en --subject SUBJECT` changes it"}]}
--- stderr
warning: `#SecondFactorCode#` stands in the subject, which a locked screen may show.
   hint: `twofa template set '2FA verification code' --language en --subject SUBJECT` changes it
The words of `2FA verification code` in `en` were changed.
Next: `twofa template preview '2FA verification code' --language en`.

"#]]);
}

#[test]
fn files_that_cannot_be_words() {
    let world = World::new();
    let set = "template set '2FA SMS code'";
    world.run(set).shows(str![[r#"
$ twofa template set 2FA SMS code
? 2
--- stderr
error: the following required arguments were not provided:
  <--subject <SUBJECT>|--text <TEXT>|--text-file <FILE>|--html <HTML>|--html-file <FILE>|--no-html>

Usage: twofa template set --db <FILE> <--subject <SUBJECT>|--text <TEXT>|--text-file <FILE>|--html <HTML>|--html-file <FILE>|--no-html> <TEMPLATE>

For more information, try '--help'.

"#]]);
    world.run(&format!("{set} --text-file absent")).exits(1);
    std::fs::write(world.file("latin"), b"#SecondFactorCode# \xe4").unwrap();
    world
        .run(&format!("{set} --text-file latin"))
        .shows(str![[r#"
$ twofa template set 2FA SMS code --text-file latin
? 4
--- stderr
error: `latin` is not UTF-8

"#]]);
    world.write("large", &"a".repeat(200_000));
    world
        .run(&format!("{set} --text-file large"))
        .shows(str![[r#"
$ twofa template set 2FA SMS code --text-file large
? 4
--- stderr
error: `large` is longer than 65536 bytes

"#]]);
    world
        .run("template set '2FA verification code' --text-file - --html-file -")
        .shows(str![[r#"
$ twofa template set 2FA verification code --text-file - --html-file -
? 2
--- stderr
error: standard input can be only one of the text, the HTML and the confirmation code
 hint: name a file

"#]]);
    world.run(&format!("{set} --text a --text-file b")).exits(2);
    assert_eq!(world.number("SELECT count(*) FROM template_words"), 0);
}

/// Each part of an SMS is paid for.
#[test]
fn words_that_make_more_than_one_sms_are_warned_of() {
    let world = World::new();
    let long = "x".repeat(150);
    let set = |text: &str| world.json(&format!("template set '2FA SMS code' --text '{text}'"));
    let warned = |answer: &serde_json::Value| answer["warnings"][0]["message"].clone();
    assert_eq!(
        warned(&set(&format!("{long} #SecondFactorCode#"))),
        serde_json::Value::Null
    );
    assert_eq!(
        warned(&set(&format!("{long} xxxxxxxxxx #SecondFactorCode#"))),
        "these words make 2 SMS of each."
    );
    // A letter that the GSM alphabet does not have halves what one part holds.
    assert_eq!(
        warned(&set(&format!("{} ś #SecondFactorCode#", "x".repeat(62)))),
        "these words make 2 SMS of each."
    );
    assert_eq!(
        warned(&set("#Username#: #SecondFactorCode# ś")),
        serde_json::Value::Null
    );
}

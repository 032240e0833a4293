//! Codes by SMS, through a program and into a directory, from the number to the login.

use snapbox::str;

use crate::world::World;

/// A program gets the words on its standard input, the number as an argument, and no shell in between.
#[cfg(unix)]
#[test]
fn a_program_of_this_machine() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.write(
        "send",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > arguments\ncat > words\nenv > environment\necho \"  id-77 \"\n",
    );
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.file("send"), mode).unwrap();
    world.ok("sms-provider add local --command ./send --arg --to --arg '#Phone#' --arg '$(id)#Sender#;#PhoneDigits#' --from 'Ex. 1'");
    world
        .run("sms-provider test local --to +493012345678 -o json")
        .shows(str![[r#"
$ twofa sms-provider test local --to +493012345678 -o json
? 0
--- stdout
{
  "provider": "local",
  "to": "+493012345678",
  "delivered": true,
  "receipt": "id-77",
  "conversation": [
    {
      "from": "note",
      "text": "running [DIR]/send --to +493012345678 $(id)Ex. 1;493012345678"
    },
    {
      "from": "note",
      "text": "it ended with exit status: 0"
    }
  ],
  "warnings": []
}
--- stderr
= running [DIR]/send --to +493012345678 $(id)Ex. 1;493012345678
= it ended with exit status: 0
The test message to +493012345678 was accepted.
Next: `twofa setting set SmsProvider local`.

"#]]);
    let read = |name: &str| std::fs::read_to_string(world.file(name)).unwrap();
    assert_eq!(
        read("arguments"),
        "--to\n+493012345678\n$(id)Ex. 1;493012345678\n"
    );
    assert_eq!(
        read("words"),
        "This message shows that the SMS provider \"local\" can send.\n"
    );
    assert!(
        !read("environment").contains("TWOFA_"),
        "{}",
        read("environment")
    );

    world.write(
        "send",
        "#!/bin/sh\ncat > /dev/null\necho 'no credit left' >&2\nexit 3\n",
    );
    world
        .run("sms-provider test local --to +493012345678 -q")
        .shows(str![[r#"
$ twofa sms-provider test local --to +493012345678 -q
? 1
--- stderr
error: the SMS provider `local` could not send: `[DIR]/send` failed (exit status: 3): no credit left
 hint: `twofa sms-provider show local` tells how it sends, `twofa sms-provider edit local` changes it

"#]]);
    world.write(
        "send",
        "#!/bin/sh\ncat > /dev/null\necho busy >&2\nexit 75\n",
    );
    let error = world
        .run("sms-provider test local --to +493012345678 -q -o json")
        .exits(1)
        .error();
    assert_eq!(error["temporary"], true, "{error}");
}

/// From the first number to the login, by SMS.
#[test]
fn a_code_by_sms_logs_in() {
    let world = World::peopled();
    world.ok("user edit alice --phone +493012345678");
    world.ok("sms-provider add trial --file sms");
    world.ok("setting set SmsProvider trial SmsSenderName Example");
    world.ok("method enable sms --primary");
    world.ok("method enable email");
    world.ok("setting set Enable2FA on --yes");
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 18
--- stdout
{
  "outcome": "second_factor_required",
  "reason": "second_factor_required",
  "user": "alice",
  "challenge": "ww4utcsdjnrzbrd567o6c7th54",
  "method": "sms",
  "methods": [
    "sms",
    "email"
  ],
  "destination": "+49*******678",
  "expires_at": "2026-01-01T00:01:00Z",
  "enrolment": null,
  "sso": null,
  "warnings": []
}
--- stderr
Next: `twofa login verify ww4utcsdjnrzbrd567o6c7th54 --code N`.

"#]]);
    snapbox::assert_data_eq!(
        world.note(),
        str![[r#"
To: +493012345678
From: Example
Date: 2026-01-01T00:00:00Z

565353 is your verification code. It is valid for 60 seconds.

"#]]
    );
    let challenge = world.text("SELECT token FROM challenge");
    world
        .run(&format!(
            "login verify {challenge} --code {} -o ndjson",
            world.note_code()
        ))
        .shows(str![[r#"
$ twofa login verify ww4utcsdjnrzbrd567o6c7th54 --code 565353 -o ndjson
? 0
--- stdout
{"outcome":"granted","reason":null,"user":"alice","challenge":"ww4utcsdjnrzbrd567o6c7th54","method":"sms","methods":["sms","email"],"destination":null,"expires_at":null,"enrolment":null,"sso":null,"warnings":[]}
--- stderr
`alice` is logged in.

"#]]);
    // Whoever has no phone is asked by mail.
    let verdict = world
        .run("login start bob --password-stdin -o json")
        .stdin("bob-pw\n")
        .json(18);
    assert_eq!(verdict["method"], "email");
}

/// Where nothing can be sent, the answer says so at once, and what else this user has.
#[test]
fn what_cannot_be_sent_names_the_other_methods() {
    let world = World::peopled();
    world.ok("user edit alice --phone +493012345678");
    world.ok("sms-provider add trial --file sms");
    world.ok("setting set SmsProvider trial");
    world.ok("method enable sms --primary");
    world.ok("method enable email");
    world.ok("setting set Enable2FA on --yes");
    std::fs::remove_dir(world.file("sms")).unwrap();
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin -o json
? 1
--- stderr
error: the SMS provider `trial` could not send: the directory `[DIR]/sms` is not there
 hint: `twofa login resend ww4utcsdjnrzbrd567o6c7th54 --method email` asks by another method
{"error":{"kind":"delivery","message":"the SMS provider `trial` could not send: the directory `[DIR]/sms` is not there","hint":"`twofa login resend ww4utcsdjnrzbrd567o6c7th54 --method email` asks by another method","temporary":true,"outbox":1,"challenge":"ww4utcsdjnrzbrd567o6c7th54","methods":["email"]}}

"#]]);
    let challenge = world.text("SELECT token FROM challenge");
    world
        .run(&format!("login resend {challenge} --method email"))
        .exits(18);
    let code = world.code();
    world.ok(&format!("login verify {challenge} --code {code}"));
    assert_eq!(world.tries("alice"), 0);
}

/// An administrator action is confirmed by SMS like by mail: the first run sends, the second one has the code.
#[test]
fn a_confirmation_by_sms() {
    let world = World::peopled();
    world.ok("user edit Supervisor --phone +493012345678");
    world.ok("sms-provider add trial --file sms");
    world.ok("setting set SmsProvider trial");
    world.ok("method enable sms --primary");
    world.ok("method enable email");
    world.ok("setting set Enable2FA on --yes");
    let off = "setting set Enable2FA off --yes";
    let error = world.run(&format!("{off} -o json")).exits(5).error();
    assert_eq!(error["kind"], "confirmation_required", "{error}");
    assert_eq!(error["method"], "sms", "{error}");
    let challenge = error["challenge"].as_str().unwrap();
    let code = world.note_code();
    let confirm = format!("{off} --confirm-challenge {challenge} --confirm-code");
    world.run(&format!("{confirm} 000000")).exits(5);
    world.ok(&format!("{confirm} {code}"));
    assert_eq!(world.ok("setting get Enable2FA").stdout, "false\n");
}

/// A directory that nothing can be kept of is not made.
#[test]
fn without_the_key_nothing_is_left_behind() {
    let world = World::new();
    std::fs::rename(world.file("twofa.db.key"), world.file("away.key")).unwrap();
    world.run("sms-provider add trial --file sms").exits(1);
    world
        .run("mailbox add trial --file mail --from a@example.com")
        .exits(1);
    assert!(!world.file("sms").exists() && !world.file("mail").exists());
}

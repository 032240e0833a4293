//! `twofa sms-provider`.

use snapbox::str;

use crate::world::World;

#[test]
fn add_show_list_edit_remove() {
    let world = World::new();
    world
        .run("sms-provider add trial --file sms --from Example")
        .shows(str![[r#""#]]);
    // Again is fine, in another spelling too; something else of that name is not.
    world
        .run("sms-provider add TRIAL --file sms --from Example -o ndjson")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider add trial --file elsewhere")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider add carrier --smpp smsc.example.com:2775 --username ops --password-stdin --tls tls --system-type VMA -o json")
        .stdin("smpp-pw\n")
        .shows(str![[r#""#]]);
    world.run("sms-provider list").shows(str![[r#""#]]);
    world.run("sms-provider list -o csv").shows(str![[r#""#]]);
    world.run("sms-provider show carier").shows(str![[r#""#]]);
    world
        .run("sms-provider edit carrier --from +493012345678 --no-system-type --name Carrier")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider remove Carrier")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider remove Carrier --yes")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider remove Carrier --yes")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider remove Carrier --yes --if-exists -o ndjson")
        .shows(str![[r#""#]]);
    // The password is sealed, and stands nowhere else.
    assert!(!world.json("audit list").to_string().contains("smpp-pw"));
}

#[test]
fn a_provider_in_use_stays() {
    let world = World::new();
    world.ok("sms-provider add trial --file sms");
    world
        .run("setting set SmsProvider trail")
        .shows(str![[r#""#]]);
    world
        .run("setting set SmsProvider Trial")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider remove trial --yes")
        .shows(str![[r#""#]]);
    // A new name is the setting's too.
    world.ok("sms-provider edit trial --name other");
    assert_eq!(world.ok("setting get SmsProvider").stdout, "other\n");
    world.ok("setting reset SmsProvider");
    world.ok("sms-provider remove other --yes");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_asked() {
    let world = World::new();
    for line in [
        "sms-provider add x",
        "sms-provider add x --file sms --twilio",
        "sms-provider add x --file sms --method POST",
        "sms-provider add x --file sms --token-stdin",
        "sms-provider add x --smpp smsc.example.com --username ops --password-stdin",
        "sms-provider add x --smpp smsc.example.com:2775",
        "sms-provider add x --smpp smsc.example.com:2775 --username ops",
        "sms-provider add x --smpp smsc.example.com:2775 --username a-name-that-is-too-long --password-stdin",
        "sms-provider add x --smpp smsc.example.com:2775 --username ops --tls starttls --password-stdin",
        "sms-provider add x --twilio --from +493012345678",
        "sms-provider add x --twilio --account AC1 --from +493012345678",
        "sms-provider add x --command ./send --arg '#Text#'",
        "sms-provider add x --file sms --from 'A name of fifteen'",
        "sms-provider add x --file sms --from -rf",
        "sms-provider test x",
    ] {
        let done = world.run(line).stdin("secret\n").done();
        assert!(
            matches!(done.code, Some(2..=4)),
            "{line}: {:?}\n{}",
            done.code,
            done.stderr
        );
    }
    world
        .run("sms-provider add x --file sms --method POST")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider add x --command ./send --arg '#Text#'")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider add x --file sms --from -rf")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider add x --twilio --account AC1")
        .shows(str![[r#""#]]);
    assert_eq!(world.number("SELECT count(*) FROM sms_provider"), 0);
}

/// One account's secret is not for another to learn.
#[test]
fn another_server_needs_the_secret_anew() {
    let world = World::new();
    world
        .run("sms-provider add c --smpp a.example.com:2775 --username ops --password-stdin --tls tls")
        .stdin("pw\n")
        .succeeds();
    world
        .run("sms-provider edit c --smpp b.example.com:2775")
        .shows(str![[r#""#]]);
    world.run("sms-provider edit c --tls none").exits(2);
    world
        .run("sms-provider edit c --password-stdin -o ndjson")
        .stdin("pw\n")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider edit c --password-stdin -o ndjson")
        .stdin("other\n")
        .shows(str![[r#""#]]);
    let change = &world.json("audit list --event sms_provider.edited")[0]["detail"];
    assert_eq!(
        change.to_string(),
        r#"{"secret":{"old":"set","new":"changed"}}"#
    );
}

#[test]
fn test_writes_a_message_and_shows_each_step() {
    let world = World::new();
    world.ok("sms-provider add trial --file sms --from Example");
    world
        .run("sms-provider test trial --to +493012345678")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider test trial --to +19999999999 -o json")
        .shows(str![[r#""#]]);
    world
        .run("sms-provider test trial --to 030123")
        .shows(str![[r#""#]]);
    world.run("sms-provider test trial").shows(str![[r#""#]]);
    snapbox::assert_data_eq!(world.note(), str![[r#""#]]);
}

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
        .shows(str![[r#""#]]);
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
        .shows(str![[r#""#]]);
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
        .shows(str![[r#""#]]);
    snapbox::assert_data_eq!(world.note(), str![[r#""#]]);
    let challenge = world.text("SELECT token FROM challenge");
    world
        .run(&format!(
            "login verify {challenge} --code {} -o ndjson",
            world.note_code()
        ))
        .shows(str![[r#""#]]);
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
        .shows(str![[r#""#]]);
    let challenge = world.text("SELECT token FROM challenge");
    world.ok(&format!("login resend {challenge} --method email"));
    let code = world.code();
    world.ok(&format!("login verify {challenge} --code {code}"));
    assert_eq!(world.tries("alice"), 0);
}

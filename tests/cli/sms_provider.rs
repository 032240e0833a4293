//! `twofa sms-provider`.

use snapbox::str;

use crate::world::World;

#[test]
fn add_show_list_edit_remove() {
    let world = World::new();
    world
        .run("sms-provider add trial --file sms --from Example")
        .shows(str![[r#"
$ twofa sms-provider add trial --file sms --from Example
? 0
--- stdout
name     trial
kind     file
from     Example
path     [DIR]/sms
changed  yes
--- stderr
The SMS provider `trial` was added.
Next: `twofa sms-provider test trial`, then `twofa setting set SmsProvider trial`.

"#]]);
    // Again is fine, in another spelling too; something else of that name is not.
    world
        .run("sms-provider add TRIAL --file sms --from Example -o ndjson")
        .shows(str![[r#"
$ twofa sms-provider add TRIAL --file sms --from Example -o ndjson
? 0
--- stdout
{"name":"trial","kind":"file","from":"Example","account":null,"username":null,"secret":null,"url":null,"method":null,"headers":null,"body":null,"success":null,"receipt":null,"host":null,"port":null,"tls":null,"system_type":null,"ca_file":null,"path":"[DIR]/sms","arguments":null,"changed":false,"warnings":[]}
--- stderr
The SMS provider `trial` is like that already.
Next: `twofa sms-provider test trial`, then `twofa setting set SmsProvider trial`.

"#]]);
    world
        .run("sms-provider add trial --file elsewhere")
        .shows(str![[r#"
$ twofa sms-provider add trial --file elsewhere
? 4
--- stderr
error: the SMS provider `trial` exists and has another from, path
 hint: `twofa sms-provider edit trial` changes it

"#]]);
    world
        .run("sms-provider add carrier --smpp smsc.example.com:2775 --username ops --password-stdin --tls tls --system-type VMA -o json")
        .stdin("smpp-pw\n")
        .shows(str![[r#"
$ twofa sms-provider add carrier --smpp smsc.example.com:2775 --username ops --password-stdin --tls tls --system-type VMA -o json
? 0
--- stdout
{
  "name": "carrier",
  "kind": "smpp",
  "from": null,
  "account": null,
  "username": "ops",
  "secret": "set",
  "url": null,
  "method": null,
  "headers": null,
  "body": null,
  "success": null,
  "receipt": null,
  "host": "smsc.example.com",
  "port": 2775,
  "tls": "tls",
  "system_type": "VMA",
  "ca_file": null,
  "path": null,
  "arguments": null,
  "changed": true,
  "warnings": []
}
--- stderr
The SMS provider `carrier` was added.
Next: `twofa sms-provider test carrier`, then `twofa setting set SmsProvider carrier`.

"#]]);
    world.run("sms-provider list").shows(str![[r#"
$ twofa sms-provider list
? 0
--- stdout
NAME     KIND  FROM     SECRET
carrier  smpp  –        set
trial    file  Example  –

"#]]);
    world.run("sms-provider list -o csv").shows(str![[r#"
$ twofa sms-provider list -o csv
? 0
--- stdout
name,kind,from,account,username,secret,url,method,headers,body,success,receipt,host,port,tls,system_type,ca_file,path,arguments
carrier,smpp,,,ops,set,,,,,,,smsc.example.com,2775,tls,VMA,,,
trial,file,Example,,,,,,,,,,,,,,,[DIR]/sms,

"#]]);
    world.run("sms-provider show carier").shows(str![[r#"
$ twofa sms-provider show carier
? 3
--- stderr
error: no SMS provider is named `carier`
 hint: did you mean `carrier`?

"#]]);
    world
        .run("sms-provider edit carrier --from +493012345678 --no-system-type --name Carrier")
        .shows(str![[r#"
$ twofa sms-provider edit carrier --from +493012345678 --no-system-type --name Carrier
? 0
--- stdout
name      Carrier
kind      smpp
from      +493012345678
username  ops
secret    set
host      smsc.example.com
port      2775
tls       tls
changed   yes
--- stderr
The SMS provider `Carrier` was changed.
Next: `twofa sms-provider test Carrier`, then `twofa setting set SmsProvider Carrier`.

"#]]);
    world.run("sms-provider remove Carrier").shows(str![[r#"
$ twofa sms-provider remove Carrier
? 2
--- stderr
error: are you sure? The SMS provider `Carrier` will be removed.
 hint: say yes with --yes

"#]]);
    world
        .run("sms-provider remove Carrier --yes")
        .shows(str![[r#"
$ twofa sms-provider remove Carrier --yes
? 0
--- stdout
name      Carrier
kind      smpp
from      +493012345678
username  ops
secret    set
host      smsc.example.com
port      2775
tls       tls
changed   yes
--- stderr
The SMS provider `Carrier` was removed.

"#]]);
    world
        .run("sms-provider remove Carrier --yes")
        .shows(str![[r#"
$ twofa sms-provider remove Carrier --yes
? 3
--- stderr
error: no SMS provider is named `Carrier`
 hint: `twofa sms-provider list` lists what there is

"#]]);
    world
        .run("sms-provider remove Carrier --yes --if-exists -o ndjson")
        .shows(str![[r#"
$ twofa sms-provider remove Carrier --yes --if-exists -o ndjson
? 0
--- stdout
{"name":"Carrier","changed":false,"warnings":[]}
--- stderr
There is no SMS provider `Carrier`.

"#]]);
    // The noun is spelled here as everywhere.
    let events = world.json("audit list --event sms-provider");
    assert_eq!(events.as_array().unwrap().len(), 4, "{events}");
    // The password is sealed, and stands nowhere else.
    assert!(!world.json("audit list").to_string().contains("smpp-pw"));
}

#[test]
fn a_provider_in_use_stays() {
    let world = World::new();
    world.ok("sms-provider add trial --file sms");
    world.run("setting set SmsProvider trail").shows(str![[r#"
$ twofa setting set SmsProvider trail
? 3
--- stderr
error: no SMS provider is named `trail`
 hint: did you mean `trial`?

"#]]);
    world.run("setting set SmsProvider Trial").shows(str![[r#"
$ twofa setting set SmsProvider Trial
? 0
--- stdout
code      SmsProvider
name      SMS provider
type      sms-provider
unit      –
value     trial
default   –
modified  yes
minimum   –
maximum   –
meaning   The provider that SMS are sent through.
changed   yes
--- stderr
SmsProvider is trial.

"#]]);
    world.run("sms-provider remove trial --yes").shows(str![[r#"
$ twofa sms-provider remove trial --yes
? 4
--- stderr
error: the setting `SmsProvider` points at the SMS provider `trial`
 hint: `twofa setting set SmsProvider OTHER`, or `twofa setting reset SmsProvider`, first

"#]]);
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
        "sms-provider add x --file sms --from=-rf",
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
        .shows(str![[r#"
$ twofa sms-provider add x --file sms --method POST
? 2
--- stderr
error: --method goes with --http

"#]]);
    world
        .run("sms-provider add x --command ./send --arg '#Text#'")
        .shows(str![[r#"
$ twofa sms-provider add x --command ./send --arg #Text#
? 4
--- stderr
error: an argument cannot hold `#Text#`: everybody on the machine sees the arguments of a program
 hint: the words come on the program's standard input

"#]]);
    world
        .run("sms-provider add x --file sms --from=-rf")
        .shows(str![[r#"
$ twofa sms-provider add x --file sms --from=-rf
? 4
--- stderr
error: `-rf` is no sender of an SMS
 hint: it is a number such as +493012345678, a short code, or up to 11 letters and digits

"#]]);
    world
        .run("sms-provider add x --twilio --account AC1")
        .shows(str![[r#"
$ twofa sms-provider add x --twilio --account AC1
? 2
--- stderr
error: token of the account is needed
 hint: give it with --token-stdin

"#]]);
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
        .shows(str![[r#"
$ twofa sms-provider edit c --smpp b.example.com:2775
? 2
--- stderr
error: the password, which is not kept for another server or without protection, is needed
 hint: give it with --password-stdin

"#]]);
    world.run("sms-provider edit c --tls none").exits(2);
    world
        .run("sms-provider edit c --password-stdin -o ndjson")
        .stdin("pw\n")
        .shows(str![[r#"
$ twofa sms-provider edit c --password-stdin -o ndjson
? 0
--- stdout
{"name":"c","kind":"smpp","from":null,"account":null,"username":"ops","secret":"set","url":null,"method":null,"headers":null,"body":null,"success":null,"receipt":null,"host":"a.example.com","port":2775,"tls":"tls","system_type":null,"ca_file":null,"path":null,"arguments":null,"changed":false,"warnings":[]}
--- stderr
The SMS provider `c` is like that already.
Next: `twofa sms-provider test c`, then `twofa setting set SmsProvider c`.

"#]]);
    world
        .run("sms-provider edit c --password-stdin -o ndjson")
        .stdin("other\n")
        .shows(str![[r#"
$ twofa sms-provider edit c --password-stdin -o ndjson
? 0
--- stdout
{"name":"c","kind":"smpp","from":null,"account":null,"username":"ops","secret":"set","url":null,"method":null,"headers":null,"body":null,"success":null,"receipt":null,"host":"a.example.com","port":2775,"tls":"tls","system_type":null,"ca_file":null,"path":null,"arguments":null,"changed":true,"warnings":[]}
--- stderr
The SMS provider `c` was changed.
Next: `twofa sms-provider test c`, then `twofa setting set SmsProvider c`.

"#]]);
    // Nor for whoever knows it not: as another account, or where it could be read.
    world.run("sms-provider edit c --username other").exits(2);
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
        .shows(str![[r#"
$ twofa sms-provider test trial --to +493012345678
? 0
--- stdout
provider   trial
to         +493012345678
delivered  yes
receipt    2026-01-01T000000Z-705be1047ba534f1.sms
--- stderr
= wrote [DIR]/sms/2026-01-01T000000Z-705be1047ba534f1.sms
The test message to +493012345678 was accepted.
Next: `twofa setting set SmsProvider trial`.

"#]]);
    world
        .run("sms-provider test trial --to +19999999999 -o json")
        .shows(str![[r#"
$ twofa sms-provider test trial --to +19999999999 -o json
? 0
--- stdout
{
  "provider": "trial",
  "to": "+19999999999",
  "delivered": true,
  "receipt": "2026-01-01T000000Z-4221aa56a46373f0.sms",
  "conversation": [
    {
      "from": "note",
      "text": "wrote [DIR]/sms/2026-01-01T000000Z-4221aa56a46373f0.sms"
    }
  ],
  "warnings": [
    {
      "kind": "phone_improbable",
      "message": "no numbering plan knows the phone `+19999999999`: look at it once more.",
      "hint": null
    }
  ]
}
--- stderr
= wrote [DIR]/sms/2026-01-01T000000Z-4221aa56a46373f0.sms
warning: no numbering plan knows the phone `+19999999999`: look at it once more.
The test message to +19999999999 was accepted.
Next: `twofa setting set SmsProvider trial`.

"#]]);
    world
        .run("sms-provider test trial --to 030123")
        .shows(str![[r#"
$ twofa sms-provider test trial --to 030123
? 4
--- stderr
error: `030123` is no phone number: it is + and 7 to 15 digits, the first not 0
 hint: write it as +493012345678, without spaces

"#]]);
    world.run("sms-provider test trial").shows(str![[r#"
$ twofa sms-provider test trial
? 2
--- stderr
error: you have no phone the message could go to
 hint: name one with --to NUMBER

"#]]);
    snapbox::assert_data_eq!(
        world.note(),
        str![[r#"
To: +19999999999
From: Example
Date: 2026-01-01T00:00:00Z

This message shows that the SMS provider "trial" can send.

"#]]
    );
}

/// What is sealed is the token, and nothing secret is kept beside it.
#[test]
fn an_interface_over_http() {
    let world = World::new();
    world
        .run("sms-provider add api --http https://sms.example.com/v1/send --header 'Authorization: Bearer #Token#' --body '{\"to\":\"#Phone#\",\"text\":\"#Text#\"}' --success 'status=200,202 /status=queued|sent' --receipt /id --token-stdin")
        .stdin("api-token\n")
        .shows(str![[r##"
$ twofa sms-provider add api --http https://sms.example.com/v1/send --header Authorization: Bearer #Token# --body {"to":"#Phone#","text":"#Text#"} --success status=200,202 /status=queued|sent --receipt /id --token-stdin
? 0
--- stdout
name     api
kind     http
secret   set
url      https://sms.example.com/v1/send
method   POST
headers  Authorization: Bearer #Token#
body     {"to":"#Phone#","text":"#Text#"}
success  status=200,202 /status=queued|sent
receipt  /id
changed  yes
--- stderr
The SMS provider `api` was added.
Next: `twofa sms-provider test api`, then `twofa setting set SmsProvider api`.

"##]]);
    for line in [
        "sms-provider add x --http https://sms.example.com/?text=#Text#&to=#Phone#&key=abc --header 'X-Api-Key: abc'",
        "sms-provider add x --http https://u:abc@sms.example.com/?text=#Text#&to=#Phone#",
        "sms-provider add x --http ftp://sms.example.com/ --body '#Phone# #Text#'",
        "sms-provider add x --http https://sms.example.com/ --body '{\"to\":\"#Phone#\",\"text\":#Text#}'",
        "sms-provider add x --http https://sms.example.com/ --body 'to=#Phone#&text=#Txt#'",
        "sms-provider add x --http https://sms.example.com/ --header X --body 'to=#Phone#&text=#Text#'",
        "sms-provider add x --http https://sms.example.com/ --success gut --body 'to=#Phone#&text=#Text#'",
        "sms-provider add x --http https://sms.example.com/",
    ] {
        let done = world.run(line).done();
        assert_eq!(done.code, Some(4), "{line}\n{}", done.stderr);
        assert!(!done.stderr.contains("abc"), "{line}\n{}", done.stderr);
        assert!(done.stderr.contains("\n hint: "), "{line}\n{}", done.stderr);
    }
    world
        .run("sms-provider edit api --no-headers")
        .shows(str![[r##"
$ twofa sms-provider edit api --no-headers
? 0
--- stdout
name     api
kind     http
url      https://sms.example.com/v1/send
method   POST
headers  –
body     {"to":"#Phone#","text":"#Text#"}
success  status=200,202 /status=queued|sent
receipt  /id
changed  yes
--- stderr
The SMS provider `api` was changed.
Next: `twofa sms-provider test api`, then `twofa setting set SmsProvider api`.

"##]]);
    world
        .run("sms-provider edit api --http https://evil.example.com/")
        .shows(str![[r##"
$ twofa sms-provider edit api --http https://evil.example.com/
? 0
--- stdout
name     api
kind     http
url      https://evil.example.com/
method   POST
headers  –
body     {"to":"#Phone#","text":"#Text#"}
success  status=200,202 /status=queued|sent
receipt  /id
changed  yes
--- stderr
The SMS provider `api` was changed.
Next: `twofa sms-provider test api`, then `twofa setting set SmsProvider api`.

"##]]);
    assert!(!world.json("audit list").to_string().contains("api-token"));
}

/// A secret is not sent where whoever edits a provider, and does not know it, could read it.
#[test]
fn a_token_stays_in_its_place() {
    let world = World::new();
    world
        .run("sms-provider add api --http https://sms.example.com/a --header 'Authorization: Bearer #Token#' --body 'to=#Phone#&text=#Text#' --token-stdin")
        .stdin("api-token\n")
        .succeeds();
    for (edit, code) in [
        ("--body 'to=#Phone#&text=#Token# #Text#'", 2),
        ("--http https://sms.example.com/b", 2),
        ("--http http://sms.example.com/a", 2),
        ("--method PUT", 2),
        ("--header 'X-Key: #Token#'", 2),
        ("--username ops --no-headers", 2),
        ("--body 'to=#Phone#&text=#Text#&from=#Sender#'", 0),
        ("--receipt /id", 0),
        ("--no-system-type", 2),
    ] {
        let done = world.run(&format!("sms-provider edit api {edit}")).done();
        assert_eq!(done.code, Some(code), "{edit}: {}", done.stderr);
        assert_eq!(
            world.json("sms-provider show api")["secret"],
            "set",
            "{edit}"
        );
    }
    // Where nothing holds it any more, it goes.
    world.ok("sms-provider edit api --no-headers");
    assert_eq!(
        world.number("SELECT count(*) FROM sms_provider WHERE secret IS NULL"),
        1
    );
    world.ok("sms-provider edit api --file sms");
    world.ok("sms-provider edit api --command ./send --arg '#Phone#'");
    world.run("sms-provider edit api --arg '#Phon#'").exits(4);
    world.run("sms-provider edit api --arg '#Token#'").exits(4);
}

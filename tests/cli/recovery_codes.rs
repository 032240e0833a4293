//! `twofa recovery-codes`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use snapbox::str;

use crate::login::WRONG;
use crate::world::World;

/// 2FA on, email primary, recovery codes enabled.
fn enabled() -> World {
    let world = World::with_email();
    world.ok("method enable recovery-codes");
    world
}

#[test]
fn an_administrator_generates_and_they_are_shown_once() {
    let world = enabled();
    world.run("recovery-codes show alice").shows(str![[r#"
$ twofa recovery-codes show alice
? 0
--- stdout
total         0
left          0
generated at  –

"#]]);
    world.run("recovery-codes generate alice").shows(str![[r#"
$ twofa recovery-codes generate alice
? 0
--- stdout
xgbnw-7xrdm
vssfz-9zqrr
sq4b6-nfs0d
cpyms-v9jvf
40k7v-4h6mq
w2h80-fazdn
kqe84-9wsh3
whtks-vyd5v
nvqp4-deg0e
gx92e-st4w0
--- stderr
These codes of `alice` are shown this once; each works once. Older ones are void.

"#]]);
    world
        .run("recovery-codes generate alice -o json")
        .shows(str![[r#"
$ twofa recovery-codes generate alice -o json
? 0
--- stdout
{
  "codes": [
    "d8njq-66sjk",
    "k63m0-ew5s0",
    "t75kf-egp18",
    "bqz88-jbcxm",
    "ea30q-f5nj8",
    "wxnm3-nwjwf",
    "ed5vm-44ftn",
    "d9ekj-d1jye",
    "t48sz-jptrn",
    "8rrtv-ws65r"
  ],
  "changed": true,
  "warnings": []
}
--- stderr
These codes of `alice` are shown this once; each works once. Older ones are void.

"#]]);
    world
        .run("recovery-codes show Alice@example.com -o json")
        .shows(str![[r#"
$ twofa recovery-codes show Alice@example.com -o json
? 0
--- stdout
{
  "total": 10,
  "left": 10,
  "generated_at": "2026-01-01T00:00:00Z"
}

"#]]);
    world.run("recovery-codes generate alcie").shows(str![[r#"
$ twofa recovery-codes generate alcie
? 3
--- stderr
error: no user is named `alcie`
 hint: did you mean `alice`?

"#]]);
    assert_eq!(world.json("user show alice")["recovery_codes_left"], 10);
}

#[test]
fn codes_are_ten_different_ones_without_look_alikes() {
    let world = enabled();
    let (first, second) = (world.recovery("alice"), world.recovery("alice"));
    let all: BTreeSet<&String> = first.iter().chain(&second).collect();
    assert_eq!(all.len(), 20);
    for code in all {
        let (left, right) = code.split_once('-').unwrap();
        assert_eq!((left.len(), right.len()), (5, 5), "{code}");
        assert!(
            left.chars()
                .chain(right.chars())
                .all(|c| "0123456789abcdefghjkmnpqrstvwxyz".contains(c)),
            "{code}"
        );
    }
    // No code is anywhere in the store or in its log.
    let log = world.ok("audit list -o json").stdout;
    for file in ["twofa.db", "twofa.db-wal"] {
        let bytes = std::fs::read(world.file(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        for code in &second {
            assert!(!text.contains(code) && !text.contains(&code.replace('-', "")));
            assert!(!log.contains(code));
        }
    }
}

#[test]
fn generating_before_the_method_is_enabled_says_so() {
    let world = World::peopled();
    world.run("recovery-codes generate alice").shows(str![[r#"
$ twofa recovery-codes generate alice
? 0
--- stdout
cvg87-kk9e7
w5sc2-eyfna
wc0mp-gz7sp
63ndj-gnf80
2v416-305fb
js2mk-vwtw7
8vefr-qc0s1
typ41-jwc7g
1c2md-tx56q
71kg8-rr1jw
--- stderr
warning: Recovery codes are not enabled yet.
   hint: twofa method enable recovery-codes
These codes of `alice` are shown this once; each works once. Older ones are void.

"#]]);
}

#[test]
fn a_new_set_voids_the_old_one() {
    let world = enabled();
    let old = world.recovery("alice");
    let challenge = world.challenge("alice --method recovery-codes");
    world.verify(&challenge, &old[0]).succeeds();
    let new = world.recovery("alice");
    assert_eq!(
        world.json("recovery-codes show alice"),
        json!({"total": 10, "left": 10, "generated_at": "2026-01-01T00:00:00Z"})
    );
    let challenge = world.challenge("alice --method recovery-codes");
    // Used or not, one of the old set is just wrong.
    world.verify(&challenge, &old[0]).exits(11);
    world.verify(&challenge, &old[1]).exits(11);
    world.verify(&challenge, &new[0]).succeeds();
    assert_eq!(world.json("recovery-codes show alice")["left"], 9);
    assert_eq!(
        world.kept("recovery_codes"),
        [
            r#"recovery_codes.generated alice ok - {"left":{"old":0,"new":10}}"#,
            r#"recovery_codes.generated alice ok - {"left":{"old":9,"new":10}}"#,
        ]
    );
}

#[test]
fn delete_asks_voids_and_again_is_fine() {
    let world = enabled();
    let codes = world.recovery("alice");
    world.run("recovery-codes delete alice").shows(str![[r#"
$ twofa recovery-codes delete alice
? 2
--- stderr
error: are you sure? The recovery codes of `alice` will be void (10 codes left).
 hint: say yes with --yes

"#]]);
    world
        .run("recovery-codes delete alice --yes -o json")
        .shows(str![[r#"
$ twofa recovery-codes delete alice --yes -o json
? 0
--- stdout
{
  "total": 0,
  "left": 0,
  "generated_at": null,
  "changed": true,
  "warnings": []
}
--- stderr
The recovery codes of `alice` are void.

"#]]);
    world.run("recovery-codes delete alice").shows(str![[r#"
$ twofa recovery-codes delete alice
? 0
--- stdout
total         0
left          0
generated at  –
changed       no
--- stderr
`alice` has no recovery codes.

"#]]);
    let challenge = world.challenge("alice");
    world
        .run(&format!(
            "login verify {challenge} --method recovery-codes --code {} -q",
            codes[0]
        ))
        .exits(11);
    world.verify(&challenge, &world.code()).succeeds();
}

#[test]
fn deleting_the_last_way_in_is_refused() {
    let world = enabled();
    world.recovery("bob");
    world.ok("user edit bob --no-email");
    world
        .run("recovery-codes delete bob --yes -o json")
        .shows(str![[r#"
$ twofa recovery-codes delete bob --yes -o json
? 4
--- stderr
error: this would leave 1 user with no way to log in: `bob`
 hint: give them a method first, or say --allow-lockout=1 if it is meant
{"error":{"kind":"lockout","message":"this would leave 1 user with no way to log in: `bob`","hint":"give them a method first, or say --allow-lockout=1 if it is meant","count":1,"users":["bob"]}}

"#]]);
    world.ok("recovery-codes delete bob --yes --allow-lockout=1");
}

#[test]
fn codes_are_accepted_as_people_write_them() {
    let world = enabled();
    let codes = world.recovery("alice");
    let ways: [fn(&str) -> String; 5] = [
        str::to_owned,
        str::to_uppercase,
        |code| code.replace('-', ""),
        |code| code.replace('-', " "),
        |code| format!(" {} ", code.replace('-', " - ")),
    ];
    for (code, way) in codes.iter().zip(ways) {
        let challenge = world.challenge("alice --method recovery-codes");
        let typed = way(code);
        world.verify(&challenge, &format!("'{typed}'")).succeeds();
    }
    // Look-alikes are read as what they look like.
    let with_digits = codes[5..]
        .iter()
        .find(|code| code.contains(['0', '1']))
        .unwrap();
    let typed = with_digits.replace('0', "O").replace('1', "l");
    let challenge = world.challenge("alice --method recovery-codes");
    world.verify(&challenge, &typed).succeeds();
}

#[test]
fn users_generate_their_own_with_their_second_factor() {
    let world = enabled();
    world.ok("method enable totp");
    let secret = world.connect("alice");
    world.later(30);
    // The code goes out by email; repeated with it, the command is carried out.
    let done = world
        .run("recovery-codes generate alice --as alice -o json")
        .exits(5);
    assert_eq!(done.stdout, "");
    let error: Value = serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["kind"], "confirmation_required");
    let challenge = error["error"]["challenge"].as_str().unwrap();
    world
        .run(&format!("recovery-codes generate alice --as alice --challenge {challenge} --code {WRONG} -o json"))
        .shows(str![[r#"
$ twofa recovery-codes generate alice --as alice --challenge ww4utcsdjnrzbrd567o6c7th54 --code 000000 -o json
? 5
--- stderr
error: the confirmation code is wrong
 hint: repeat the command to confirm it anew
{"error":{"kind":"confirmation_wrong","message":"the confirmation code is wrong","hint":"repeat the command to confirm it anew"}}

"#]]);
    let code = world.code();
    world
        .run(&format!(
            "recovery-codes generate alice --as alice --challenge {challenge} --code-stdin -o json"
        ))
        .stdin(&format!("{code}\n"))
        .shows(str![[r#"
$ twofa recovery-codes generate alice --as alice --challenge ww4utcsdjnrzbrd567o6c7th54 --code-stdin -o json
? 0
--- stdout
{
  "codes": [
    "g35a8-5vwx3",
    "ykp2w-pv9na",
    "ar8pa-67wc5",
    "j3n2k-18cb7",
    "qd0yv-8scvb",
    "vdfrm-b4csk",
    "byq8j-x5cgk",
    "27zek-y7hy2",
    "72e1h-qqxtq",
    "w2a22-mx9sd"
  ],
  "changed": true,
  "warnings": []
}
--- stderr
These codes of `alice` are shown this once; each works once. Older ones are void.

"#]]);
    // The same code does not do it again.
    world
        .run(&format!(
            "recovery-codes generate alice --as alice --challenge {challenge} --code {code} -o json"
        ))
        .shows(str![[r#"
$ twofa recovery-codes generate alice --as alice --challenge ww4utcsdjnrzbrd567o6c7th54 --code 565353 -o json
? 5
--- stderr
error: the confirmation code was used before
 hint: repeat the command to confirm it anew
{"error":{"kind":"confirmation_used","message":"the confirmation code was used before","hint":"repeat the command to confirm it anew"}}

"#]]);
    // With the app one run is enough.
    world
        .run(&format!(
            "recovery-codes generate alice --as alice --method totp --code {} -q",
            world.app(&secret)
        ))
        .succeeds();
    world
        .run(&format!(
            "recovery-codes generate alice --as alice --method totp --code {} -q",
            world.app(&secret)
        ))
        .exits(5);
    // Of others it takes an administrator.
    for line in ["generate bob", "show bob", "delete bob --yes"] {
        world
            .run(&format!("recovery-codes {line} --as alice -q"))
            .exits(5);
    }
    world.ok("recovery-codes show alice --as alice");
    world.ok("recovery-codes delete alice --as alice --yes");
}

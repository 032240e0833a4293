//! Again is fine (DESIGN, section 2): every command that declares something says `"changed"`, in one JSON document, asks
//! nothing with `--yes`, and is unchanged when it is run once more.

use twofa::verb::{Opens, VERBS};

use crate::world::World;

/// What makes a world ready, the first line, and what it says of the change when it is run again.
struct Case {
    verb: &'static str,
    before: &'static [&'static str],
    line: &'static str,
}

const fn case(verb: &'static str, before: &'static [&'static str], line: &'static str) -> Case {
    Case { verb, before, line }
}

/// A provider that can be enabled.
const CORP: &str = "idp add corp --metadata entra.xml --acs-url https://sp.example.org/acs";

const CASES: &[Case] = &[
    case("init", &[], "init --db other.db"),
    case("apply", &[], "apply policy.toml"),
    case("method enable", &[], "method enable totp"),
    case(
        "method disable",
        &["method enable totp"],
        "method disable totp",
    ),
    case("method primary", &[], "method primary totp"),
    case("setting set", &[], "setting set TotpDriftSteps 2"),
    case(
        "setting reset",
        &["setting set TotpDriftSteps 2"],
        "setting reset TotpDriftSteps",
    ),
    case("user add", &[], "user add dave --email dave@example.com"),
    case("user edit", &[], "user edit alice --name A"),
    case("user remove", &[], "user remove alice --if-exists"),
    case(
        "user activate",
        &["user deactivate alice --yes"],
        "user activate alice",
    ),
    case("user deactivate", &[], "user deactivate alice"),
    case("user import", &[], "user import people.csv"),
    case(
        "audit archive",
        &[],
        "audit archive --from 2026-01-01 --till 2026-01-01 --event user --out old.jsonl",
    ),
    case(
        "restore",
        &["backup copy.db", "user add carol"],
        "restore copy.db",
    ),
    case("group add", &[], "group add Staff"),
    case(
        "group edit",
        &["group add Old"],
        "group edit Old --name OLD",
    ),
    case(
        "group remove",
        &["group add Old"],
        "group remove Old --if-exists",
    ),
    case(
        "group add-member",
        &["group add Staff"],
        "group add-member Staff --user alice",
    ),
    case(
        "group remove-member",
        &["group add Staff", "group add-member Staff --user alice"],
        "group remove-member Staff --user alice",
    ),
    case(
        "permission grant",
        &[],
        "permission grant CanReset2FA --user alice",
    ),
    case(
        "permission deny",
        &[],
        "permission deny CanReset2FA --user alice",
    ),
    case(
        "permission revoke",
        &["permission grant CanReset2FA --user alice"],
        "permission revoke CanReset2FA --user alice",
    ),
    case(
        "permission move",
        &["permission grant CanReset2FA --user alice"],
        "permission move CanReset2FA --user alice --position 1",
    ),
    case(
        "mailbox add",
        &[],
        "mailbox add other --file other --from a@example.com",
    ),
    case(
        "mailbox edit",
        &[],
        "mailbox edit trial --from a@example.com",
    ),
    case(
        "mailbox remove",
        &["mailbox add spare --file spare --from a@example.com"],
        "mailbox remove spare --if-exists",
    ),
    case("idp add", &[], "idp add corp --metadata entra.xml"),
    case(
        "idp edit",
        &["idp add corp --metadata entra.xml"],
        "idp edit corp --update-users yes --mfa-context urn:a",
    ),
    case(
        "idp remove",
        &["idp add corp --metadata entra.xml"],
        "idp remove corp --if-exists",
    ),
    case("idp enable", &[CORP], "idp enable corp"),
    case(
        "idp disable",
        &[CORP, "idp enable corp"],
        "idp disable corp",
    ),
    case(
        "idp default",
        &[CORP, "idp enable corp"],
        "idp default corp",
    ),
    case(
        "oauth-client add",
        &["user add robot --type technical"],
        "oauth-client add billing --user robot --scope read",
    ),
    case(
        "oauth-client edit",
        &[
            "user add robot --type technical",
            "oauth-client add billing --user robot",
        ],
        "oauth-client edit billing --active no",
    ),
    case(
        "oauth-client remove",
        &[
            "user add robot --type technical",
            "oauth-client add billing --user robot",
        ],
        "oauth-client remove billing --if-exists",
    ),
    case("sms-provider add", &[], "sms-provider add text --file sms"),
    case(
        "sms-provider edit",
        &["sms-provider add text --file sms"],
        "sms-provider edit text --from Example",
    ),
    case(
        "sms-provider remove",
        &["sms-provider add text --file sms"],
        "sms-provider remove text --if-exists",
    ),
    case(
        "template set",
        &[],
        "template set '2FA SMS code' --text 'Code: #SecondFactorCode#'",
    ),
    case(
        "template reset",
        &["template set '2FA SMS code' --text 'Code: #SecondFactorCode#'"],
        "template reset '2FA SMS code'",
    ),
    case(
        "recovery-codes delete",
        &[
            "method enable recovery-codes",
            "recovery-codes generate alice",
        ],
        "recovery-codes delete alice",
    ),
    case(
        "password set",
        &[],
        "password set alice --password-file secret",
    ),
];

/// What declares nothing, or is another thing each time.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "user unlock",
        "needs a lock, which needs wrong codes: `user_state` has it",
    ),
    ("authenticator connect", "draws a new secret each time"),
    ("authenticator confirm", "a code is good once"),
    (
        "authenticator disconnect",
        "`authenticator` has it, with an app",
    ),
    ("recovery-codes generate", "draws new codes each time"),
    (
        "password change",
        "proves an old password, which is another afterwards",
    ),
    ("password recover", "mails a token, and tells nothing"),
    ("deliver", "sends what another command left"),
    ("mailbox test", "sends a message"),
    ("sms-provider test", "sends a message"),
    ("outbox retry", "sends a message"),
    ("template edit", "is for a person and an editor"),
    ("key rotate", "makes new keys each time"),
    (
        "oauth-client rotate-secret",
        "makes another secret each time",
    ),
    ("oauth-client token", "gives another token each time"),
    (
        "key retire",
        "takes a key out whose name is not known before",
    ),
    ("login start", "logs in"),
    ("login resend", "logs in"),
    ("login verify", "logs in"),
    ("login cancel", "logs in"),
    ("login simulate", "logs in"),
];

/// Passwords are hashed with a salt, and set anew each time.
const ALWAYS: &[&str] = &["password set"];

#[test]
fn every_command_that_declares_is_run_twice() {
    for verb in VERBS
        .iter()
        .filter(|verb| matches!(verb.opens, Opens::Write | Opens::Create))
    {
        let here = CASES.iter().filter(|case| case.verb == verb.path).count();
        let there = ELSEWHERE
            .iter()
            .filter(|(path, _)| *path == verb.path)
            .count();
        assert_eq!(here + there, 1, "`{}` has no place here, or two", verb.path);
    }
    for case in CASES {
        let world = World::peopled();
        world.write("secret", "alice-pw-2\n");
        world.write("people.csv", "login\nerin\n");
        world.write("entra.xml", include_str!("../saml/entra.xml"));
        world.write(
            "policy.toml",
            "version = 1\n[users.frank]\n[settings]\nTotpDriftSteps = 2\n",
        );
        for line in case.before {
            world.ok(line);
        }
        let line = format!("{} --yes --no-input -o json", case.line);
        // One document: what is behind it would not be read.
        let first = world.run(&line).json(0);
        assert_eq!(first["changed"], true, "{}: {first}", case.line);
        assert!(first["warnings"].is_array(), "{}: {first}", case.line);
        let second = world.run(&line).json(0);
        assert_eq!(
            second["changed"],
            ALWAYS.contains(&case.verb),
            "{}: {second}",
            case.line
        );
    }
}

/// The other half of it: a different thing of that name is refused and names `edit`, and what is not there is not found,
/// each in one JSON document at the end of stderr, with nothing on stdout.
#[test]
fn a_different_thing_is_refused_and_an_absent_one_not_found() {
    let world = World::peopled();
    world.ok("sms-provider add text --file sms");
    world.ok("user add robot --type technical");
    world.ok("oauth-client add billing --user robot");
    world.write("entra.xml", include_str!("../saml/entra.xml"));
    world.ok(CORP);
    let mut seen = Vec::new();
    for (line, exit, hint) in [
        ("user add alice --name Other", 4, "twofa user edit alice"),
        (
            "mailbox add trial --file mail --from other@example.com",
            4,
            "twofa mailbox edit trial",
        ),
        (
            "sms-provider add text --file other",
            4,
            "twofa sms-provider edit text",
        ),
        (
            "oauth-client add billing --user robot --ttl 10m",
            4,
            "twofa oauth-client edit billing",
        ),
        (
            "idp add corp --metadata entra.xml --update-users yes",
            4,
            "twofa idp edit corp",
        ),
        ("user remove alcie", 3, "did you mean `alice`?"),
        (
            "group remove 'All employee'",
            3,
            "did you mean `All employees`?",
        ),
        ("mailbox remove trail", 3, "did you mean `trial`?"),
        ("idp remove crop", 3, "did you mean `corp`?"),
        ("oauth-client remove biling", 3, "did you mean `billing`?"),
        ("sms-provider remove test", 3, "did you mean `text`?"),
    ] {
        let said = world
            .run(&format!("{line} --yes --no-input -o json"))
            .exits(exit);
        assert_eq!(said.stdout, "", "{line}");
        let last = said.stderr.lines().last().unwrap();
        let error: serde_json::Value = serde_json::from_str(last).unwrap();
        let error = &error["error"];
        seen.push(format!("{line}: {}", error["kind"].as_str().unwrap()));
        assert!(
            error["hint"].as_str().unwrap_or_default().contains(hint),
            "{line}: {error}"
        );
    }
    assert!(
        seen[..5].iter().all(|said| said.ends_with(": conflict")),
        "{seen:#?}"
    );
    assert!(
        seen[5..].iter().all(|said| said.ends_with(": not_found")),
        "{seen:#?}"
    );
}

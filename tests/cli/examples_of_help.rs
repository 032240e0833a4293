//! The examples that stand in the help of every command are run, each in a world of its own: what a reader types first
//! does something, and none rots. `examples_of_help.txt` shows what each exits with.

use std::sync::OnceLock;

use snapbox::IntoData as _;

use crate::help::commands;
use crate::shell_words::{examples, of_twofa};
use crate::world::{Built, World};

/// What ends with exit 2 where nobody can be asked: they ask for a secret or open an editor, on a terminal.
const ASK: &[&str] = &[
    "twofa authenticator confirm",
    "twofa init --passphrase",
    "twofa key rotate --new-passphrase",
    "twofa login simulate",
    "twofa login start",
    "twofa password change",
    "twofa password recover",
    "twofa password set",
    "twofa template edit",
];

/// Files that examples name.
fn with_files(world: World) -> World {
    world.write("policy.toml", "version = 1\n[groups.Support]\n");
    world.write("people.csv", "login,name\ndave,Dave\n");
    world.write("hr.csv", "uid,name\ndave,Dave\n");
    world.write("secret", "correct horse battery\n");
    world.write("token", "a token\n");
    world.write("words.txt", "#SecondFactorCode#\n");
    world.write("entra.xml", include_str!("../saml/entra.xml"));
    world.write("okta.xml", include_str!("../saml/okta.xml"));
    world.write("idp.pem", include_str!("../keys/stranger.pem"));
    world
}

/// What the examples speak of is there.
fn furnished() -> World {
    let world = with_files(World::with_email());
    for line in [
        "user edit alice --phone +493012345678",
        "user edit Supervisor --email admin@example.com --phone +493012345679",
        "group add Helpdesk",
        "group add Support",
        "group add Robots",
        "group add-member Helpdesk --user bob",
        "group add-member Support --group Helpdesk",
        "permission grant CanReset2FA --group Helpdesk",
        "permission grant CanReset2FA --user bob",
        "permission grant CanManageUsers --user alice",
        "permission deny CanUse2FA --group Robots",
        "mailbox add ops --smtp smtp://127.0.0.1:1 --username ops --password-file secret --from ops@example.com",
        "sms-provider add carrier --twilio --account AC1 --token-file token --base-url https://127.0.0.1:1",
        "sms-provider add api --http https://sms.example.com/ --body 'to=#Phone#&text=#Text#'",
        "method enable sms",
        "setting set SSPRegistrationMailbox trial",
        "user add robot --type technical",
        "oauth-client add billing --user robot",
        "idp add corp --metadata entra.xml --acs-url https://app.example.com/saml/acs",
        "idp enable corp",
    ] {
        world.ok(&format!("{line} --yes"));
    }
    world
}

/// Where an example is tried: what it adds is not there yet.
fn place(words: &[String]) -> World {
    static BARE: OnceLock<Built> = OnceLock::new();
    static FURNISHED: OnceLock<Built> = OnceLock::new();
    if words.iter().any(|word| word == "init") {
        with_files(World::empty())
    } else if words.get(1).is_some_and(|word| word == "add") {
        World::once(&BARE, || {
            let world = with_files(World::new());
            world.ok("user add robot --type technical");
            world
        })
    } else {
        World::once(&FURNISHED, furnished)
    }
}

/// A pending login of alice: one that waits for a code, or for what a provider answers.
fn challenge(world: &World, by_provider: bool) -> String {
    let begin = if by_provider {
        "login start alice --idp corp -o json"
    } else {
        "login start alice --password-stdin -o json"
    };
    let login = world.run(begin).stdin("alice-pw\n").json(18);
    login["challenge"].as_str().unwrap().to_owned()
}

fn walk(world: &World, words: &str, each: &mut dyn FnMut(&str)) {
    let help = world.ok(format!("{words} --help").trim_start()).stdout;
    for example in examples(&help) {
        each(&example);
    }
    for command in commands(&help) {
        walk(world, &format!("{words} {command}"), each);
    }
}

#[test]
fn every_example_runs() {
    let mut whole = String::new();
    walk(&World::empty(), "", &mut |example| {
        let mut words = of_twofa(example).unwrap();
        let world = place(&words);
        // The manual of this machine is not ours.
        for word in words.iter_mut().filter(|word| word.starts_with('/')) {
            *word = word.trim_start_matches("/usr/local/share/man/").to_owned();
        }
        let by_provider = words.iter().any(|word| word == "--saml-response-stdin");
        for word in words.iter_mut().filter(|word| *word == "CHALLENGE") {
            *word = challenge(&world, by_provider);
        }
        // What is piped into it, or typed.
        let stdin = if example.ends_with(" -") {
            "version = 1\n"
        } else {
            "alice-pw\nanother password 1\n123456\n"
        };
        let done = world
            .run("--yes --no-input")
            .words(words.iter().map(String::as_str))
            .stdin(stdin)
            .done();
        let code = done.code.unwrap();
        let asks = ASK.iter().any(|command| example.starts_with(command));
        assert!(
            code != 2 || (asks && done.stderr.contains("\n hint: ")),
            "{example}\n{}",
            done.stderr
        );
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        // Whether this machine has the account, and who runs the tests, is not ours either.
        if example.contains(" --owner ") {
            assert!([0, 3, 5].contains(&code), "{example}: {code}");
        } else {
            whole.push_str(&format!("{code:>2}  {example}\n"));
        }
    });
    snapbox::Assert::new()
        .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
        .eq(whole.raw(), snapbox::file!["examples_of_help.txt"].raw());
}

//! Completion of values that depend on the rest of the line, or on what is in the store.

use crate::completions::told;
use crate::world::World;

const NOTHING: [&str; 0] = [];

/// Options follow what an argument can be; they are not asked about here.
fn values(world: &World, line: &str) -> Vec<String> {
    let mut told = told(world, line);
    told.retain(|word| !word.starts_with('-'));
    told
}

#[test]
fn grantees_of_the_operation() {
    let world = World::peopled();
    for line in [
        "group add Helpdesk",
        "group add Robots",
        "permission grant CanReset2FA --group Helpdesk",
        "permission grant CanReset2FA --user alice",
    ] {
        world.ok(line);
    }
    for verb in ["revoke", "move"] {
        assert_eq!(
            values(
                &world,
                &format!("twofa permission {verb} canreset2fa --group ")
            ),
            ["System administrators", "Helpdesk"]
        );
        assert_eq!(
            values(
                &world,
                &format!("twofa permission {verb} CanReset2FA --user ")
            ),
            ["alice"]
        );
        assert_eq!(
            values(
                &world,
                &format!("twofa permission {verb} CanUse2FA --user ")
            ),
            NOTHING
        );
        // The operation is not said yet, or is none.
        assert_eq!(
            values(&world, &format!("twofa permission {verb} --user ")),
            NOTHING
        );
        assert_eq!(
            values(&world, &format!("twofa permission {verb} CanFly --user ")),
            NOTHING
        );
    }
    // A grant is for anybody.
    assert_eq!(
        values(&world, "twofa permission grant CanReset2FA --user "),
        ["alice", "bob", "Supervisor"]
    );
    assert_eq!(
        values(
            &world,
            "twofa permission grant CanReset2FA --user bob --position "
        ),
        ["1", "2", "3", "4"]
    );
    assert_eq!(
        values(
            &world,
            "twofa permission deny CanReset2FA --user bob --until in"
        ),
        ["in 1h", "in 1d", "in 7d", "in 30d"]
    );
    assert_eq!(told(&world, "twofa permission show canm").len(), 5);
}

#[test]
fn members_of_the_group() {
    let world = World::peopled();
    for line in [
        "group add Helpdesk",
        "group add Support",
        "group add Robots",
        "group add-member Helpdesk --user bob",
        "group add-member Helpdesk --group Support",
    ] {
        world.ok(line);
    }
    assert_eq!(
        values(&world, "twofa group remove-member Helpdesk --user "),
        ["bob"]
    );
    assert_eq!(
        values(&world, "twofa group remove-member helpdesk --group "),
        ["Support"]
    );
    assert_eq!(
        values(&world, "twofa group remove-member Robots --user "),
        NOTHING
    );
    assert_eq!(
        values(&world, "twofa group remove-member nothing --user "),
        NOTHING
    );
    assert_eq!(
        values(&world, "twofa group add-member Helpdesk --user "),
        ["alice", "bob", "Supervisor"]
    );
}

#[test]
fn those_who_have_something_to_lose() {
    let (world, _) = World::with_app();
    for line in ["authenticator show", "authenticator disconnect"] {
        assert_eq!(
            values(&world, &format!("twofa {line} ")),
            ["Supervisor"],
            "{line}"
        );
        assert_eq!(
            values(&world, &format!("twofa {line} ali")),
            NOTHING,
            "{line}"
        );
    }
    assert_eq!(
        values(&world, "twofa authenticator connect "),
        ["alice", "bob", "Supervisor"]
    );
    assert_eq!(values(&world, "twofa recovery-codes show "), NOTHING);
    world.ok("recovery-codes generate bob");
    for line in ["recovery-codes show", "recovery-codes delete"] {
        assert_eq!(values(&world, &format!("twofa {line} ")), ["bob"], "{line}");
    }
}

/// An address is as good as a login; it is offered where one is begun.
#[test]
fn users_by_address() {
    let world = World::peopled();
    assert_eq!(
        values(&world, "twofa user show alice@"),
        ["alice@example.com"]
    );
    assert_eq!(
        values(&world, "twofa user show BOB@EX"),
        ["bob@example.com"]
    );
    assert_eq!(values(&world, "twofa user show a"), ["alice"]);
}

#[test]
fn values_of_settings() {
    let world = World::peopled();
    assert_eq!(
        values(&world, "twofa setting set Enable2FA "),
        ["true", "false"]
    );
    assert_eq!(values(&world, "twofa setting set enable2fa T"), ["true"]);
    assert_eq!(
        values(&world, "twofa setting set SecondFactorCodeTTL "),
        ["60"]
    );
    world.ok("setting set SecondFactorCodeTTL 5m TotpIssuer 'Example Ltd'");
    // What it is, and what it was.
    assert_eq!(
        values(&world, "twofa setting set SecondFactorCodeTTL "),
        ["300", "60"]
    );
    assert_eq!(
        values(&world, "twofa setting set TotpIssuer "),
        ["Example Ltd", "twofa"]
    );
    assert_eq!(values(&world, "twofa setting set SmsSenderName "), NOTHING);
    assert_eq!(
        values(&world, "twofa setting set DefaultSsoProvider "),
        NOTHING
    );
    assert_eq!(
        values(&world, "twofa setting set TwoFactorAuthEmailTemplate "),
        ["2FA verification code"]
    );
    // The next pair begins.
    assert_eq!(
        values(&world, "twofa setting set Enable2FA true TotpI"),
        ["TotpIssuer"]
    );
}

#[test]
fn times_numbers_and_outcomes() {
    let world = World::peopled();
    let past = ["1h ago", "1d ago", "7d ago", "30d ago"];
    let coming = ["in 1h", "in 1d", "in 7d", "in 30d"];
    assert_eq!(values(&world, "twofa audit list --since "), past);
    assert_eq!(values(&world, "twofa outbox list --until "), past);
    assert_eq!(
        values(&world, "twofa login explain alice --at "),
        [coming, past].concat()
    );
    assert_eq!(
        values(&world, "twofa audit list --outcome "),
        ["ok", "denied", "refused", "failed"]
    );
    assert_eq!(
        values(&world, "twofa audit show "),
        ["5", "4", "3", "2", "1"]
    );
    assert_eq!(
        values(&world, "twofa status --wait "),
        ["0s", "10s", "1m", "5m"]
    );
    assert_eq!(
        values(&world, "twofa user add dave --language "),
        ["en", "de", "fr"]
    );
    // Whatever is offered is what the option takes.
    for time in [past, coming].concat() {
        world.ok(&format!("login explain alice --at '{time}'"));
    }
    for wait in ["0s", "10s", "1m", "5m"] {
        world.ok(&format!("status --wait {wait}"));
    }
}

#[test]
fn open_challenges() {
    let world = World::with_email();
    world.use_real_clock();
    let open = || {
        let login = world
            .run("login start alice --password-stdin -o json")
            .stdin("alice-pw\n")
            .json(18);
        login["challenge"].as_str().unwrap().to_owned()
    };
    let (first, second) = (open(), open());
    for line in [
        "login verify",
        "login resend",
        "login cancel",
        "status --confirm-challenge",
        "recovery-codes generate alice --challenge",
        "password change alice --challenge",
    ] {
        let mut found = values(&world, &format!("twofa {line} "));
        found.sort();
        let mut want = vec![first.clone(), second.clone()];
        want.sort();
        assert_eq!(found, want, "{line}");
        assert_eq!(
            values(&world, &format!("twofa {line} {}", &second[..8])),
            std::slice::from_ref(&second),
            "{line}"
        );
    }
    world.ok(&format!("login cancel {first}"));
    assert_eq!(values(&world, "twofa login verify "), [second]);
}

#[test]
fn columns_of_a_file() {
    let world = World::peopled();
    world.write("people.csv", "\u{feff}uid;\"mail\";full name\nx;y;z\n");
    assert_eq!(
        values(&world, "twofa user import people.csv --map "),
        ["uid=", "mail=", "full name="]
    );
    assert_eq!(
        values(&world, "twofa user import people.csv --map uid=lo"),
        ["uid=login"]
    );
    assert_eq!(
        values(&world, "twofa user import people.csv --map=u"),
        NOTHING
    );
    assert_eq!(
        told(&world, "twofa user import people.csv --map=u"),
        ["--map=uid="]
    );
    assert_eq!(
        values(&world, "twofa user import nowhere.csv --map "),
        NOTHING
    );
    assert_eq!(values(&world, "twofa user import --map "), NOTHING);
}

#[test]
#[cfg(unix)]
fn accounts_of_this_machine() {
    let world = World::empty();
    assert_eq!(values(&world, "twofa init --os-user roo"), ["root"]);
    assert_eq!(
        values(&world, "twofa user add x --os-user no-such-account"),
        NOTHING
    );
}

/// A pipe would be waited for, for ever.
#[test]
#[cfg(unix)]
fn a_pipe_is_not_waited_for() {
    let world = World::empty();
    nix::unistd::mkfifo(&world.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(values(&world, "twofa --db pipe user show a"), NOTHING);
    assert_eq!(values(&world, "twofa user import pipe --map a"), NOTHING);
}

/// What an option is given is no command, be it called like one.
#[test]
fn values_that_are_called_like_commands() {
    let world = World::peopled();
    world.ok("user add user");
    world.ok("user add show");
    for line in [
        "twofa --as user user show us",
        "twofa user show --as show us",
        "twofa -o json user show us",
        "twofa -q user -o json show us",
        "twofa --as=user user show us",
    ] {
        assert_eq!(values(&world, line), ["user"], "{line}");
    }
    assert_eq!(values(&world, "twofa user show show --reason us"), NOTHING);
    assert_eq!(values(&world, "twofa --db user us"), ["user"]);
    // clap's own `help` below every noun is none of ours.
    assert_eq!(values(&world, "twofa user h"), NOTHING);
    assert_eq!(values(&world, "twofa lookup sh"), ["show"]);
}

/// What every command takes is offered to whoever begins an option, and does not stand in the way of anything else.
#[test]
fn global_options_are_asked_for() {
    let world = World::peopled();
    assert_eq!(
        told(&world, "twofa user show "),
        ["alice", "bob", "Supervisor", "--help"]
    );
    assert_eq!(
        told(&world, "twofa user remove alice "),
        ["--if-exists", "--help"]
    );
    assert_eq!(told(&world, "twofa apply policy.toml --on"), ["--only"]);
    let all = told(&world, "twofa user show --");
    assert!(
        all.contains(&"--db".to_owned()) && all.len() > 10,
        "{all:?}"
    );
    assert_eq!(told(&world, "twofa user show --d"), ["--db"]);
    assert_eq!(told(&world, "twofa user show -o j"), ["json"]);
}

#[test]
fn words_of_a_page() {
    let world = World::empty();
    assert_eq!(told(&world, "twofa man us"), ["user"]);
    assert_eq!(told(&world, "twofa man user un"), ["unlock"]);
    // What is a topic of help has no page, and what is not for people has none either.
    assert_eq!(told(&world, "twofa man exit"), NOTHING);
    assert_eq!(told(&world, "twofa man deli"), NOTHING);
    assert_eq!(told(&world, "twofa help deli"), NOTHING);
}

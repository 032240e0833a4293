//! Who may: the acting user's permissions, enforced on every verb of the table.

use snapbox::str;
use twofa::verb::{Needs, Opens, Operation, VERBS, Verb};

use crate::lines::{FILES, SETUP, line};
use crate::world::World;

/// A store with people, a pending login of alice, and files that lines name.
fn world() -> (World, String) {
    let world = World::with_email();
    for (name, text) in FILES {
        world.write(name, text);
    }
    for line in SETUP {
        world.ok(line);
    }
    world.write("secret", "alice-pw\n");
    world.write("people.csv", "login\nerin\n");
    // It declares nothing: what it changes needs the operations of that too.
    world.write("policy.toml", "version = 1\n");
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    let challenge = verdict["challenge"].as_str().unwrap().to_owned();
    (world, challenge)
}

/// The verbs that work on a store.
fn verbs() -> impl Iterator<Item = &'static Verb> {
    VERBS
        .iter()
        .filter(|verb| matches!(verb.opens, Opens::Read | Opens::Write))
}

/// The same, without the lists of what belongs to somebody: without the operation they show one's own.
fn refusable() -> impl Iterator<Item = &'static Verb> {
    verbs().filter(|verb| !matches!(verb.path, "authenticator list" | "login list"))
}

/// What the store declares, without the audit log and what belongs to it.
fn declared(world: &World) -> String {
    [
        "SELECT group_concat(code || enabled || is_primary) FROM method",
        "SELECT coalesce(group_concat(code || coalesce(number, '') || coalesce(mailbox, '')), '') FROM setting",
        "SELECT group_concat(login || coalesce(name, '') || coalesce(email, '') || active || coalesce(password_hash, '') || second_factor_failures || password_failures) FROM user",
        "SELECT group_concat(name) FROM \"group\"",
        "SELECT group_concat(\"group\" || ' ' || user) FROM group_user",
        "SELECT group_concat(operation || position || access || coalesce(user, '') || coalesce(\"group\", '')) FROM grantee",
        "SELECT group_concat(name || from_address || coalesce(path, '')) FROM mailbox",
        "SELECT count(*) || '' FROM template_words",
        "SELECT count(*) || '' FROM authenticator_setup",
        "SELECT count(*) || '' FROM recovery_code",
        "SELECT group_concat(token || coalesce(closed_as, '')) FROM challenge",
        "SELECT count(*) || '' FROM outbox",
    ]
    .map(|query| world.text(query))
    .join("\n")
}

/// A plain user is refused for every verb that needs an operation: exit 5, the operation and who could grant it are
/// named, one row is kept, and nothing else changes.
#[test]
fn a_plain_user_is_refused_everywhere() {
    let (world, challenge) = world();
    let before = declared(&world);
    for verb in refusable() {
        let Some(operation) = verb.needs.operation() else {
            continue;
        };
        let rows = world.number("SELECT max(seq) FROM audit");
        let done = world
            .run(&format!(
                "{} --as bob -o json",
                line(verb).replace("CHALLENGE", &challenge)
            ))
            .exits(5);
        assert_eq!(done.stdout, "", "{}", verb.path);
        let error: serde_json::Value =
            serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
        let error = &error["error"];
        assert_eq!(error["kind"], "not_permitted", "{}", verb.path);
        if matches!(verb.needs, Needs::OneselfConfirmedOrAdministrator(_)) {
            assert_eq!(
                error["message"],
                format!(
                    "`bob` is not an administrator, which `twofa {}` needs",
                    verb.path
                )
            );
        } else {
            assert_eq!(error["operation"], operation.code(), "{}", verb.path);
            assert_eq!(
                error["message"],
                format!(
                    "`bob` lacks the operation `{}`, which `twofa {}` needs",
                    operation.code(),
                    verb.path
                )
            );
            assert_eq!(
                error["hint"],
                "ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as"
            );
        }
        assert!(error["not_recorded"].is_null(), "{}", done.stderr);
        let kept = world.text("SELECT event || ' ' || actor || ' ' || subject || ' ' || outcome || ' ' || reason FROM audit ORDER BY seq DESC LIMIT 1");
        assert_eq!(
            kept,
            format!("permission.denied bob {} denied not_permitted", verb.path)
        );
        assert_eq!(
            world.number("SELECT max(seq) FROM audit"),
            rows + 1,
            "{}",
            verb.path
        );
    }
    assert_eq!(declared(&world), before);
    world.ok("audit verify");
}

/// Everybody but one operation: a verb that needs exactly that one is refused, every other is not refused for a right.
#[test]
fn exactly_the_missing_operation_is_missed() {
    for missing in Operation::ALL {
        let needing: Vec<&Verb> = refusable()
            .filter(|verb| verb.needs.operation() == Some(*missing))
            .collect();
        if needing.is_empty() {
            continue;
        }
        let (world, challenge) = world();
        for operation in Operation::ALL.iter().filter(|other| other != &missing) {
            grant(&world, "bob", operation.code());
        }
        for verb in needing {
            let done = world
                .run(&format!(
                    "{} --yes --as bob",
                    line(verb).replace("CHALLENGE", &challenge)
                ))
                .exits(5);
            assert!(
                done.stderr.contains(missing.code())
                    || done.stderr.contains("is not an administrator"),
                "{}: {}",
                verb.path,
                done.stderr
            );
        }
    }
}

/// Gives a user an operation, before every other row.
fn grant(world: &World, login: &str, operation: &str) {
    world.ok(&format!(
        "permission grant {operation} --user {login} --position 1"
    ));
}

/// One operation opens exactly the verbs that need it.
#[test]
fn one_operation_opens_its_verbs_and_no_other() {
    for given in Operation::ALL {
        let opens = |verb: &Verb| {
            verb.needs.operation() == Some(*given)
                && !matches!(verb.needs, Needs::OneselfConfirmedOrAdministrator(_))
        };
        if !VERBS.iter().any(opens) {
            continue;
        }
        let (world, challenge) = world();
        grant(&world, "bob", given.code());
        for verb in refusable().filter(|verb| verb.needs.operation().is_some()) {
            // A login that has been answered or sent a moment ago is refused for that; it is not a right that lacks.
            let done = world
                .run(&format!(
                    "{} --yes --as bob -o json",
                    line(verb).replace("CHALLENGE", &challenge)
                ))
                .done();
            let refused = done.stderr.contains(r#""kind":"not_permitted""#);
            assert_eq!(
                refused,
                !opens(verb),
                "{} with {}: {}",
                verb.path,
                given.code(),
                done.stderr
            );
        }
    }
}

/// The verbs of root and the owner need an administrator too.
#[test]
fn the_owners_verbs_need_an_administrator() {
    let (world, _) = world();
    for verb in VERBS
        .iter()
        .filter(|verb| verb.needs == Needs::OwnerAsAdministrator)
    {
        let done = world.run(&format!("{} --as bob", line(verb))).exits(5);
        assert_eq!(
            done.stderr,
            format!(
                "error: `bob` is not an administrator, which `twofa {}` needs\n hint: ask an administrator, such as `Supervisor`\n",
                verb.path
            )
        );
        // No key is there yet that could be retired.
        let exit = if verb.path == "key retire" { 3 } else { 0 };
        world.run(&format!("{} --yes", line(verb))).exits(exit);
    }
}

#[test]
fn a_refusal_in_full() {
    let (world, _) = world();
    world
        .run("setting set TotpDriftSteps 2 --as bob")
        .shows(str![[r#"
$ twofa setting set TotpDriftSteps 2 --as bob
? 5
--- stderr
error: `bob` lacks the operation `CanManageSysSettings`, which `twofa setting set` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world.run("user list --as bob -o json").shows(str![[r#"
$ twofa user list --as bob -o json
? 5
--- stderr
error: `bob` lacks the operation `CanManageUsers`, which `twofa user list` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as
{"error":{"kind":"not_permitted","message":"`bob` lacks the operation `CanManageUsers`, which `twofa user list` needs","hint":"ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as","operation":"CanManageUsers"}}

"#]]);
    // A denial is kept for a reading verb as well, and who reads the log may see it.
    world
        .run("audit list --event permission -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event permission -o ndjson
? 0
--- stdout
{"seq":26,"at":"2026-01-01T00:00:00Z","actor":"bob","os_user":"[ACCOUNT]","event":"permission.denied","subject":"user list","outcome":"denied","reason":"not_permitted","note":null,"detail":{"operation":"CanManageUsers"}}
{"seq":25,"at":"2026-01-01T00:00:00Z","actor":"bob","os_user":"[ACCOUNT]","event":"permission.denied","subject":"setting set","outcome":"denied","reason":"not_permitted","note":null,"detail":{"operation":"CanManageSysSettings"}}
{"seq":15,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanViewSysOperationAudit","outcome":"ok","reason":null,"note":null,"detail":{"group":{"old":"Staff","new":"Staff"},"position":{"old":null,"new":2},"access":{"old":null,"new":"allow"}}}

"#]]);
    // Whether a login exists is not told to those who may not know.
    world.run("user show nobody --as bob").shows(str![[r#"
$ twofa user show nobody --as bob
? 5
--- stderr
error: `bob` lacks the operation `CanManageUsers`, which `twofa user show` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world.run("user show alice --as bob").shows(str![[r#"
$ twofa user show alice --as bob
? 5
--- stderr
error: `bob` lacks the operation `CanManageUsers`, which `twofa user show` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world.run("user show nobody").shows(str![[r#"
$ twofa user show nobody
? 3
--- stderr
error: no user is named `nobody`
 hint: `twofa user list` lists what there is

"#]]);
}

/// What every mapped user may: what is about no one, and what is about oneself.
#[test]
fn oneself_and_what_everybody_may() {
    let world = World::with_email();
    for verb in verbs().filter(|verb| verb.needs == Needs::Mapped) {
        world.ok(&format!("{} --as bob", line(verb)));
    }
    for line in [
        "user show bob",
        "user show BOB@example.com",
        "authenticator show bob",
        "recovery-codes show bob",
        "login list --user bob",
        "authenticator connect bob",
    ] {
        world.ok(&format!("{line} --as bob"));
    }
    let verdict = world
        .run("login start bob --password-stdin --as bob -o json")
        .stdin("bob-pw\n")
        .json(18);
    let challenge = verdict["challenge"].as_str().unwrap();
    let code = world.code();
    // Another user's challenge is none of alice's business.
    world
        .run(&format!(
            "login verify {challenge} --code {code} --as alice"
        ))
        .exits(5);
    world.ok(&format!("login verify {challenge} --code {code} --as bob"));
    // Lists show one's own.
    let own = world.run("authenticator list --as bob -o json").json(0);
    assert_eq!(own.as_array().unwrap().len(), 1);
    assert_eq!(own[0]["user"], "bob");
    world.ok("login list --as bob");
}

/// Generating one's own codes takes one's own second factor, and another's takes an administrator with the operation.
#[test]
fn generating_recovery_codes() {
    let world = World::with_email();
    world.ok("method enable recovery-codes");
    let done = world
        .run("recovery-codes generate bob --as bob -o json")
        .exits(5);
    assert!(
        done.stderr.contains(r#""kind":"confirmation_required""#),
        "{}",
        done.stderr
    );
    let error: serde_json::Value =
        serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
    let (challenge, code) = (error["error"]["challenge"].as_str().unwrap(), world.code());
    let codes = world
        .run(&format!(
            "recovery-codes generate bob --as bob -o json --challenge {challenge} --code {code}"
        ))
        .json(0);
    assert_eq!(codes["codes"].as_array().unwrap().len(), 10);
    // The operation alone is not enough for another's.
    grant(&world, "bob", "CanReset2FA");
    world
        .run("recovery-codes generate alice --as bob")
        .shows(str![[r#"
$ twofa recovery-codes generate alice --as bob
? 5
--- stderr
error: `bob` is not an administrator, which `twofa recovery-codes generate` needs
 hint: ask an administrator, such as `Supervisor`

"#]]);
    // Nor is being an administrator.
    world.sql("UPDATE grantee SET access = 'deny' WHERE operation = 'CanReset2FA' AND \"group\" IS NOT NULL");
    world.run("recovery-codes generate alice").shows(str![[r#"
$ twofa recovery-codes generate alice
? 5
--- stderr
error: `Supervisor` lacks the operation `CanReset2FA`, which `twofa recovery-codes generate` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
}

#[test]
fn an_unfit_acting_user_is_refused() {
    let world = World::with_email();
    world.ok("user add robot --type technical");
    world.ok("user add second --group 'System administrators'");
    for unfit in ["robot", "alice", "bob"] {
        grant(&world, unfit, "CanManageUsers");
    }
    world.ok("user list --as alice");
    world.ok("user deactivate alice --yes");
    world.sql("UPDATE user SET locked_until_at = 1767225660 WHERE login IN ('bob', 'Supervisor')");
    world.run("user list --as robot").shows(str![[r#"
$ twofa user list --as robot
? 5
--- stderr
error: the acting user `robot` is a technical user

"#]]);
    world.run("user list --as alice").shows(str![[r#"
$ twofa user list --as alice
? 5
--- stderr
error: the acting user `alice` is deactivated

"#]]);
    world.run("user list --as bob -o json").shows(str![[r#"
$ twofa user list --as bob -o json
? 5
--- stderr
error: the acting user `bob` is locked
{"error":{"kind":"not_permitted","message":"the acting user `bob` is locked","hint":null,"user":"bob"}}

"#]]);
    world.run("status --as bob").exits(5);
    world.run("user list --as nobody").shows(str![[r#"
$ twofa user list --as nobody
? 3
--- stderr
error: no user is named `nobody`
 hint: `twofa user list` lists what there is

"#]]);
    // The first administrator is excused under root and the owner, or a store could be lost by a typo.
    world.ok("user list");
    world.ok("user deactivate Supervisor --yes");
    world.ok("user activate Supervisor");
    // A lock that has run out is none.
    world.later(60);
    world.ok("user list --as bob");
    world
        .run("audit list --event permission -o ndjson")
        .shows(str![[r#"
$ twofa audit list --event permission -o ndjson
? 0
--- stdout
{"seq":18,"at":"2026-01-01T00:00:00Z","actor":"bob","os_user":"[ACCOUNT]","event":"permission.denied","subject":"status","outcome":"denied","reason":"not_permitted","note":null,"detail":null}
{"seq":17,"at":"2026-01-01T00:00:00Z","actor":"bob","os_user":"[ACCOUNT]","event":"permission.denied","subject":"user list","outcome":"denied","reason":"not_permitted","note":null,"detail":null}
{"seq":16,"at":"2026-01-01T00:00:00Z","actor":"alice","os_user":"[ACCOUNT]","event":"permission.denied","subject":"user list","outcome":"denied","reason":"not_permitted","note":null,"detail":null}
{"seq":15,"at":"2026-01-01T00:00:00Z","actor":"robot","os_user":"[ACCOUNT]","event":"permission.denied","subject":"user list","outcome":"denied","reason":"not_permitted","note":null,"detail":null}
{"seq":13,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanManageUsers","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"bob","new":"bob"},"position":{"old":null,"new":1},"access":{"old":null,"new":"allow"}}}
{"seq":12,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanManageUsers","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"alice","new":"alice"},"position":{"old":null,"new":1},"access":{"old":null,"new":"allow"}}}
{"seq":11,"at":"2026-01-01T00:00:00Z","actor":"Supervisor","os_user":"[ACCOUNT]","event":"permission.changed","subject":"CanManageUsers","outcome":"ok","reason":null,"note":null,"detail":{"user":{"old":"robot","new":"robot"},"position":{"old":null,"new":1},"access":{"old":null,"new":"allow"}}}

"#]]);
}

#[test]
fn positions_expiry_and_denial_decide() {
    let world = World::with_email();
    world.ok("permission grant CanManageUsers --user bob --until 'in 99s'");
    world.ok("user list --as bob");
    world.later(99);
    world.run("user list --as bob").exits(5);
    // A denial before an allowance of the administrators' group.
    grant(&world, "Supervisor", "CanManageLookups");
    world.ok("template list");
    world.ok("permission deny CanManageLookups --user Supervisor");
    world.run("template list").exits(5);
    // Through a group in a group.
    world.ok("group add Outer");
    world.ok("group add Inner");
    world.ok("group add-member Outer --group Inner");
    world.ok("group add-member Inner --user alice");
    world.ok("permission grant CanViewSysOperationAudit --group Outer");
    world.ok("audit verify --as alice");
    world.run("audit verify --as bob").exits(5);
}

/// 5 goes before 2: who may not is told so before anything is asked or missed.
#[test]
fn the_operation_is_judged_before_any_question() {
    let (world, _) = world();
    for line in [
        "user remove carol",
        "password set alice",
        "setting set Enable2FA off",
        "mailbox add x --smtp mail.example.com --username u --from a@example.com",
        "login start alice",
        "login simulate alice",
    ] {
        let done = world.run(&format!("{line} --as bob")).done();
        assert_eq!(done.code, Some(5), "{line}: {}", done.stderr);
    }
}

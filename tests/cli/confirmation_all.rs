//! Every administrator action, without a confirmation, with a wrong one, one that was used, one that has expired, and
//! with the right one.

use serde_json::Value;

use crate::world::{Done, World};

/// An action; what it reads; what puts things back for the next one.
type Action = (&'static str, &'static str, &'static [&'static str]);

const ACTIONS: &[Action] = &[
    (
        "setting set Enable2FA off",
        "",
        &["setting set Enable2FA on"],
    ),
    ("setting reset Enable2FA", "", &["setting set Enable2FA on"]),
    ("method disable email", "", &["method enable email"]),
    (
        "setting reset 2FAmailbox",
        "",
        &["setting set 2FAmailbox trial"],
    ),
    (
        "permission deny CanUse2FA --user carol --position 1",
        "",
        &["permission revoke CanUse2FA --user carol"],
    ),
    (
        "permission grant CanUse2FA --group 'All employees' --until 'in 9d'",
        "",
        &["permission grant CanUse2FA --group 'All employees'"],
    ),
    (
        "permission revoke CanUse2FA --group 'All employees'",
        "",
        &["permission grant CanUse2FA --group 'All employees' --position 2"],
    ),
    ("group add-member Exempt --user carol", "", &[]),
    ("group remove-member Exempt --user carol", "", &[]),
    ("group add-member Team --user carol", "", &[]),
    // Through a group that carol is in.
    ("group add-member Exempt --group Team", "", &[]),
    ("group remove Team", "", &[]),
    (
        "group add-member 'System administrators' --group Owners",
        "",
        &[],
    ),
    ("group add-member Owners --user alice", "", &[]),
    (
        "group remove-member 'System administrators' --group Owners",
        "",
        &[],
    ),
    ("user edit carol --login caro", "", &[]),
    ("user edit caro --email caro@example.org", "", &[]),
    ("user edit caro --phone +4930123456", "", &[]),
    ("user edit caro --type external", "", &[]),
    (
        "user edit caro --group Owners --group 'System administrators'",
        "",
        &[],
    ),
    ("user deactivate caro", "", &[]),
    ("user activate caro", "", &[]),
    ("password set caro --password-stdin", "caro-pw\n", &[]),
    ("user remove caro", "", &[]),
    ("user add dave --group 'System administrators'", "", &[]),
    ("user import people.csv", "", &[]),
    ("user edit alice --group 'System administrators'", "", &[]),
    ("authenticator disconnect alice", "", &[]),
];

struct Acting {
    world: World,
    secret: String,
    used: String,
}

impl Acting {
    fn run(&self, action: &Action, confirmation: &str) -> Done {
        let (line, stdin, _) = action;
        self.world
            .run(&format!("{line} --yes {confirmation} -o json"))
            .stdin(stdin)
            .done()
    }

    fn refused(&self, action: &Action, confirmation: &str, kind: &str) -> Value {
        let done = self.run(action, confirmation);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(5), ""),
            "{}: {kind}: {}",
            action.0,
            done.stderr
        );
        let last: Value = serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["kind"], kind, "{}: {}", action.0, done.stderr);
        last["error"].clone()
    }

    /// A code that has not been used, of the next step.
    fn fresh(&mut self) -> String {
        self.world.later(30);
        self.used = self.world.app(&self.secret);
        self.used.clone()
    }
}

fn acting() -> Acting {
    let (world, secret) = World::with_app();
    let used = String::new();
    let mut acting = Acting {
        world,
        secret,
        used,
    };
    acting.world.ok("method enable email");
    acting
        .world
        .write("people.csv", "login,groups\nerin,System administrators\n");
    for line in [
        "user edit Supervisor --email root@example.com",
        "user add carol --email carol@example.com --group 'System administrators'",
    ] {
        let code = acting.fresh();
        acting.world.ok(&format!("{line} --confirm-code {code}"));
    }
    for group in ["Exempt", "Team", "Owners"] {
        acting.world.ok(&format!("group add {group}"));
    }
    acting
        .world
        .ok("permission deny CanUse2FA --group Exempt --position 1");
    acting.world.ok("group add-member Owners --user bob");
    acting.world.connect("alice");
    acting
}

#[test]
fn every_action_is_confirmed() {
    let mut acting = acting();
    for action in ACTIONS {
        let state = acting.world.text("SELECT count(*) || ' ' || (SELECT count(*) FROM audit WHERE event NOT LIKE 'confirmation.%' AND event NOT LIKE 'permission.denied' AND event NOT LIKE 'login.code%') FROM user");
        acting.refused(action, "", "confirmation_required");
        acting.refused(action, "--confirm-code 000000", "confirmation_wrong");
        let used = format!("--confirm-code {}", acting.used);
        acting.refused(action, &used, "confirmation_used");
        let asked = acting.refused(action, "--confirm-method email", "confirmation_required");
        let challenge = asked["challenge"].as_str().unwrap();
        let sent = format!(
            "--confirm-challenge {challenge} --confirm-code {}",
            acting.world.code()
        );
        acting.world.later(60);
        acting.refused(action, &sent, "confirmation_expired");
        assert_eq!(
            acting.world.text("SELECT count(*) || ' ' || (SELECT count(*) FROM audit WHERE event NOT LIKE 'confirmation.%' AND event NOT LIKE 'permission.denied' AND event NOT LIKE 'login.code%') FROM user"),
            state,
            "{}",
            action.0
        );
        let code = acting.fresh();
        let done = acting.run(action, &format!("--confirm-code {code}"));
        assert_eq!(done.code, Some(0), "{}: {}", action.0, done.stderr);
        assert!(done.stdout.contains(r#""changed": true"#), "{}", action.0);
        // A confirmation is good for one action.
        for undo in action.2 {
            acting.world.ok(&format!("{undo} --yes"));
        }
    }
    acting.world.ok("audit verify");
    let given = acting
        .world
        .number("SELECT count(*) FROM audit WHERE event = 'confirmation.given'");
    assert_eq!(given, i64::try_from(ACTIONS.len()).unwrap() + 2);
}

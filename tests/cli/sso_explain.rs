//! `twofa login explain` of whoever logs in through an identity provider.

use serde_json::{Value, json};
use snapbox::str;

use crate::sso_required::{came, provider};
use crate::world::World;

fn required() -> World {
    let world = World::with_email();
    provider(&world, "corp");
    world.ok("setting set DefaultSsoProvider corp DisableInternalUserPasswordAuth on");
    world
}

/// What a login comes to, by which rule, and what would change it.
fn told(world: &World, line: &str) -> (Value, Value, Value, Value) {
    let told = world.json(&format!("login explain {line}"));
    let last = told["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["effect"], told["outcome"], "{told}");
    (
        told["reason"].clone(),
        last["rule"].clone(),
        last["because"].clone(),
        told["change_with"].clone(),
    )
}

#[test]
fn a_helpdesk_sees_where_it_goes_and_why() {
    let world = required();
    world.run("login explain alice").shows(str![[r#"
$ twofa login explain alice
? 0
--- stdout
alice is sent to corp, which asks for everything else.

RULE           BECAUSE                                                                                                                            EFFECT
type           alice is an employee.                                                                                                              continues
sso            Employees have to use single sign-on, and alice is no administrator; alice came through none so far, and corp is the default one.  continues
idp            corp is enabled, and it signs with a certificate that ends at 2027-01-01T00:00:00Z. It takes employees.                            continues
active         The account is active.                                                                                                             continues
lock           The account is not locked.                                                                                                         continues
second_factor  No second factor is asked for here, and corp need not assert one; alice has not come through it yet.                               redirect

What would change it:
  twofa setting set DisableInternalUserPasswordAuth off

"#]]);
    came(&world, "alice", "corp");
    world.sql("UPDATE idp SET require_mfa = 1, mfa_contexts = '[\"https://refeds.org/profile/mfa\"]', mfa_attribute = 'amr', mfa_value = 'mfa'");
    world
        .run("login explain alice --at 2027-06-01 -o json")
        .shows(str![[r#"
$ twofa login explain alice --at 2027-06-01 -o json
? 0
--- stdout
{
  "outcome": "redirect",
  "reason": "sso_redirect",
  "user": "alice",
  "at": "2027-06-01T00:00:00Z",
  "channel": "web",
  "idp": "corp",
  "method": null,
  "methods": [],
  "summary": "alice is sent to corp, which asks for everything else.",
  "change_with": [
    "twofa setting set DisableInternalUserPasswordAuth off"
  ],
  "steps": [
    {
      "rule": "type",
      "fact": "employee",
      "decided_by": "user type",
      "because": "alice is an employee.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "sso",
      "fact": {
        "required": true,
        "provider": "corp",
        "known": "before"
      },
      "decided_by": "setting DisableInternalUserPasswordAuth",
      "because": "Employees have to use single sign-on, and alice is no administrator; alice came through corp before.",
      "effect": "continues",
      "change_with": "twofa setting set DisableInternalUserPasswordAuth off"
    },
    {
      "rule": "idp",
      "fact": {
        "takes": "existing",
        "refuses_administrator": false,
        "name": "corp",
        "enabled": true,
        "certificates": [
          {
            "fingerprint": "f1",
            "not_before": "2026-01-01T00:00:00Z",
            "not_after": "2027-01-01T00:00:00Z"
          }
        ]
      },
      "decided_by": "idp corp",
      "because": "corp is enabled, and its certificate ended at 2027-01-01T00:00:00Z, which keeps nobody out. It takes employees.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "active",
      "fact": true,
      "decided_by": "user active",
      "because": "The account is active.",
      "effect": "continues",
      "change_with": "twofa user deactivate alice"
    },
    {
      "rule": "lock",
      "fact": {
        "locked_until": null,
        "locked": false
      },
      "decided_by": "user locked_until",
      "because": "The account is not locked.",
      "effect": "continues",
      "change_with": null
    },
    {
      "rule": "second_factor",
      "fact": {
        "required": true,
        "contexts": [
          "https://refeds.org/profile/mfa"
        ],
        "attribute": "amr=mfa",
        "last_login": {
          "at": "2026-01-01T00:00:00Z",
          "contexts": [
            "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
          ],
          "second_factor": false
        }
      },
      "decided_by": "idp corp",
      "because": "corp has to assert a second factor, by the context https://refeds.org/profile/mfa or the attribute amr=mfa; the last login, at 2026-01-01T00:00:00Z, was without one (urn:oasis:names:tc:SAML:2.0:ac:classes:Password).",
      "effect": "redirect",
      "change_with": "twofa idp edit corp --require-mfa-context no"
    }
  ]
}
--- stderr
--at was understood as 2027-06-01T00:00:00Z.

"#]]);
}

#[test]
fn what_keeps_somebody_out_is_the_last_rule() {
    let world = required();
    world.ok("user deactivate bob --yes");
    assert_eq!(
        told(&world, "bob"),
        (
            json!("deactivated"),
            json!("active"),
            json!("The account is deactivated."),
            json!(["twofa user activate bob"])
        )
    );
    world.sql("UPDATE user SET locked_until_at = 1767229200 WHERE login = 'alice'");
    assert_eq!(
        told(&world, "alice"),
        (
            json!("locked"),
            json!("lock"),
            json!("The account is locked until 2026-01-01T01:00:00Z."),
            json!(["twofa user unlock alice"])
        )
    );
    world.sql("UPDATE user SET locked_until_at = NULL, active = 1; DELETE FROM idp_certificate");
    assert_eq!(
        told(&world, "bob"),
        (
            json!("sso_refused"),
            json!("idp"),
            json!("corp has no certificate, so that nothing it says is believed."),
            json!(["twofa idp edit corp --add-certificate FILE"])
        )
    );
    // Without a provider a password is asked for, and is of no use.
    world.sql("UPDATE idp SET enabled = 0");
    world.run("login explain bob").shows(str![[r#"
$ twofa login explain bob
? 0
--- stdout
bob cannot log in: employees have to use single sign-on.

RULE      BECAUSE                                                                                                               EFFECT
type      bob is an employee, and employees have to use single sign-on.                                                         continues
active    The account is active.                                                                                                continues
password  The password is taken to be typed right.                                                                              continues
lock      The account is not locked.                                                                                            continues
channel   The login comes through the page for people.                                                                          continues
sso       Employees have to use single sign-on, and bob is no administrator: a password is of no use, and corp is not enabled.  denied

What would change it:
  twofa idp enable corp

"#]]);
    world.sql("UPDATE idp SET enabled = 1, employees = 'none'");
    assert_eq!(
        told(&world, "bob").3,
        json!(["twofa idp edit corp --employees existing"])
    );
    world.sql("DELETE FROM setting WHERE code = 'DefaultSsoProvider'");
    world.ok("user add carol");
    assert_eq!(
        told(&world, "carol"),
        (
            json!("sso_required"),
            json!("sso"),
            json!(
                "Employees have to use single sign-on, and carol is no administrator: a password is of no use, and no identity provider takes them."
            ),
            json!(["twofa idp default NAME"])
        )
    );
}

#[test]
fn a_provider_is_named_for_anybody() {
    let world = required();
    world.ok("user add erin --type external");
    world.ok("user add robot --type technical");
    assert_eq!(
        told(&world, "erin --idp CORP"),
        (
            json!("sso_refused"),
            json!("idp"),
            json!(
                "corp is enabled, and it signs with a certificate that ends at 2027-01-01T00:00:00Z. It takes no external users."
            ),
            json!(["twofa idp edit corp --externals existing"])
        )
    );
    assert_eq!(
        told(&world, "Supervisor --idp corp").3,
        json!(["twofa idp edit corp --administrators yes"])
    );
    assert_eq!(told(&world, "robot --idp corp").1, "type");
    world.sql("UPDATE idp SET administrators = 1, externals = 'create'");
    world
        .run("login explain Supervisor --idp corp")
        .shows(str![[r#"
$ twofa login explain Supervisor --idp corp
? 0
--- stdout
Supervisor is sent to corp, which asks for everything else.

RULE           BECAUSE                                                                                                                             EFFECT
type           Supervisor is an employee.                                                                                                          continues
sso            The login names corp.                                                                                                               continues
idp            corp is enabled, and it signs with a certificate that ends at 2027-01-01T00:00:00Z. It takes employees, administrators among them.  continues
active         The account is active.                                                                                                              continues
lock           The account is not locked.                                                                                                          continues
second_factor  No second factor is asked for here, and corp need not assert one; Supervisor has not come through it yet.                           redirect

"#]]);
    assert_eq!(told(&world, "erin --idp corp").0, "sso_redirect");
    world.sql("UPDATE idp SET enabled = 0");
    assert_eq!(
        told(&world, "erin --idp corp"),
        (
            json!("invalid_value"),
            json!("idp"),
            json!("corp is not enabled."),
            json!(["twofa idp enable corp"])
        )
    );
    world.run("login explain erin --idp corq").shows(str![[r#"
$ twofa login explain erin --idp corq
? 3
--- stderr
error: no identity provider is named `corq`
 hint: did you mean `corp`?

"#]]);
    world
        .run("login explain erin --idp corp --channel forms")
        .shows(str![[r#"
$ twofa login explain erin --idp corp --channel forms
? 2
--- stderr
error: a login through an identity provider comes by the channel `web`

"#]]);
}

#[test]
fn who_came_through_one_is_told_so() {
    let world = required();
    world.ok("setting set DisableInternalUserPasswordAuth off");
    world.ok("user add carol");
    came(&world, "alice", "corp");
    came(&world, "carol", "corp");
    // With a password, one rule more; without, that is the way.
    let rule = |world: &World, login: &str| {
        let told = world.json(&format!("login explain {login}"));
        let steps = told["steps"].as_array().unwrap().clone();
        let sso = steps.into_iter().find(|step| step["rule"] == "sso");
        (
            told["outcome"].clone(),
            sso.map(|sso| sso["because"].clone()),
        )
    };
    assert_eq!(
        rule(&world, "alice"),
        (
            json!("second_factor_required"),
            Some(json!(
                "alice came through corp before; the password is of use all the same."
            ))
        )
    );
    assert_eq!(
        rule(&world, "carol"),
        (
            json!("redirect"),
            Some(json!("No password is set; carol came through corp before."))
        )
    );
    assert_eq!(rule(&world, "bob").1, None);
    world.sql("UPDATE idp SET enabled = 0");
    world.run("login explain carol").shows(str![[r#"
$ twofa login explain carol
? 0
--- stdout
carol cannot log in: no password is set.

RULE      BECAUSE                                                                      EFFECT
type      carol is an employee, and employees log in with a password.                  continues
active    The account is active.                                                       continues
sso       carol last came through corp at 2026-01-01T00:00:00Z, which is not enabled.  continues
password  No password is set, so that none is right.                                   denied

What would change it:
  twofa idp enable corp
  twofa password set carol

"#]]);
    assert_eq!(
        rule(&world, "alice").1,
        Some(json!(
            "alice last came through corp at 2026-01-01T00:00:00Z, which is not enabled."
        ))
    );
}

#[test]
fn another_channel_than_the_page_takes_nobody_there() {
    let world = required();
    assert_eq!(told(&world, "alice --channel forms").0, "channel_refused");
    assert_eq!(told(&world, "alice --method email").0, "sso_required");
    world.ok("setting set Enable2FA off --yes");
    assert_eq!(
        told(&world, "alice --channel forms"),
        (
            json!("sso_required"),
            json!("sso"),
            json!(
                "Employees have to use single sign-on, and alice is no administrator: a password is of no use, and the login goes through corp, by the channel `web`."
            ),
            json!(["twofa setting set DisableInternalUserPasswordAuth off"])
        )
    );
    // Administrators and external users are told why it is not about them.
    let told = world.json("login explain Supervisor");
    let sso = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["rule"] == "sso");
    assert!(sso.is_none(), "{told}");
    world
        .run("password set Supervisor --password-stdin")
        .stdin("some-pw\n")
        .succeeds();
    let told = world.json("login explain Supervisor");
    let sso = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["rule"] == "sso");
    assert_eq!(
        sso.unwrap()["because"],
        "The password is of use: only employees who are no administrators have to use single sign-on."
    );
}

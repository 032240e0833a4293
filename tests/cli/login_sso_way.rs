//! Who goes to an identity provider when no password is given, and who has to.

use serde_json::json;
use snapbox::str;

use crate::login_sso::{answered, begun, told, world};

#[test]
fn who_has_come_through_a_provider_and_has_no_password_goes_there() {
    let world = world();
    world.ok("user add carol --email carol@example.com");
    // Nobody knows yet where she belongs.
    world.run("login start carol").exits(2);
    let challenge = begun(&world, "login start carol --idp corp");
    let answer = answered(&world, |made| {
        made.name_id = "<saml:NameID>carol@example.com</saml:NameID>".to_owned();
    });
    let verdict = world
        .run(&format!(
            "login verify {challenge} --saml-response-stdin -o json"
        ))
        .stdin(&answer)
        .json(0);
    assert_eq!(told(&verdict), json!(["granted", null, "carol", null]));
    let sent = world
        .run("login start carol --force-authn -o json")
        .json(18);
    assert_eq!(sent["sso"]["idp"], "corp");
    // Whoever has a password uses it, unless a provider is named.
    let challenge = begun(&world, "login start alice --idp corp");
    let answer = answered(&world, |_| ());
    let line = format!("login verify {challenge} --saml-response-stdin -o json");
    world.run(&line).stdin(&answer).json(0);
    world.run("login start alice").exits(2);
    world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(0);
}

#[test]
fn employees_have_to_where_their_passwords_are_off() {
    let world = world();
    world.ok("idp default corp");
    world.ok("setting set DisableInternalUserPasswordAuth on");
    world
        .run("login start alice --password-stdin")
        .stdin("alice-pw\n")
        .shows(str![[r#"
$ twofa login start alice --password-stdin
? 4
--- stdout
outcome      denied
reason       sso_required
user         alice
--- stderr
error: this user logs in through an identity provider, and not with a password
 hint: `twofa login start alice` without a password sends them there, and `twofa login explain alice` tells more

"#]]);
    let wrong = world
        .run("login start alice --password-stdin -o json")
        .stdin("wrong\n")
        .json(10);
    assert_eq!(
        wrong["reason"], "first_factor_wrong",
        "nobody else learns of it"
    );
    let sent = world.run("login start alice -o json").json(18);
    assert_eq!(sent["sso"]["idp"], "corp");
    // Administrators, and users who are no employees, use their passwords.
    world.run("login start Supervisor").exits(2);
    world.ok("user add eve --type external");
    world.run("login start eve").exits(2);
}

#[test]
fn the_response_does_not_go_with_a_code_or_a_method() {
    let world = world();
    let challenge = begun(&world, "login start alice --idp corp");
    for beside in ["--code 1", "--code-stdin", "--method totp"] {
        let line = format!("login verify {challenge} --saml-response-stdin {beside}");
        let done = world.run(&line).stdin("x").exits(2);
        assert!(
            done.stderr.contains("cannot be used with"),
            "{}",
            done.stderr
        );
    }
}

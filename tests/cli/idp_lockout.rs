//! What would leave users without a way in who come through a provider is refused, unless it is meant.

use snapbox::str;

use crate::login_sso::{answered, begun, world};
use crate::world::World;

/// `corp` is the default, and employees have to come through one.
fn required() -> World {
    let world = world();
    world.ok("idp default corp");
    world.ok("setting set DisableInternalUserPasswordAuth on");
    world
}

#[test]
fn the_provider_that_employees_have_to_use_stays() {
    let world = required();
    world.run("idp disable corp --yes").shows(str![[r#"
$ twofa idp disable corp --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=2 if it is meant

"#]]);
    world
        .run("idp edit corp --employees none --externals existing -o json")
        .shows(str![[r#"
$ twofa idp edit corp --employees none --externals existing -o json
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=2 if it is meant
{"error":{"kind":"lockout","message":"this would leave 2 users with no way to log in: `alice`, `bob`","hint":"no identity provider takes them: `twofa idp default NAME` first, or say --allow-lockout=2 if it is meant","count":2,"users":["alice","bob"]}}

"#]]);
    // What else it is leads nobody anywhere.
    world.ok("idp edit corp --own-entity-id https://sp.example.org/2");
    world
        .run("idp disable corp --yes --allow-lockout=1")
        .exits(4);
    let done = world
        .run("idp disable corp --yes --allow-lockout=2")
        .exits(0);
    assert!(done.stderr.contains("is disabled"), "{}", done.stderr);
    // Who is out already is not left so anew.
    world.ok("idp default --none");
    world.ok("idp remove corp --yes");
}

#[test]
fn whoever_has_no_password_keeps_the_provider_they_came_through() {
    let world = world();
    world.ok("idp edit corp --employees create");
    // Whoever was never let in is not locked out.
    world.ok("user add fresh");
    let challenge = begun(&world, "login start --idp corp");
    let answer = answered(&world, |made| {
        made.name_id = "<saml:NameID>carol@example.com</saml:NameID>".to_owned();
    });
    world
        .run(&format!(
            "login verify {challenge} --saml-response-stdin -o json"
        ))
        .stdin(&answer)
        .json(0);
    for line in [
        "idp disable corp --yes",
        "idp remove corp --yes",
        "idp edit corp --employees none --externals existing",
        "idp edit corp --unlink carol@example.com",
    ] {
        let refused = world.run(line).exits(4);
        assert!(
            refused
                .stderr
                .contains("this would leave 1 user with no way to log in: `carol@example.com`"),
            "{line}: {}",
            refused.stderr
        );
    }
    world.run("idp disable corp --yes").shows(str![[r#"
$ twofa idp disable corp --yes
? 4
--- stderr
error: this would leave 1 user with no way to log in: `carol@example.com`
 hint: they have no password and come through no other provider: `twofa password set LOGIN` first, or say --allow-lockout=1 if it is meant

"#]]);
    world
        .run("password set carol@example.com --password-stdin")
        .stdin("carol-pw\n")
        .exits(0);
    world.ok("idp disable corp --yes");
}

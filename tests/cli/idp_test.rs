//! `twofa idp test`: what a login would fail of, and what a response that somebody copied comes to.

use data_encoding::BASE64;
use snapbox::str;

use crate::idp::{ACS, with_corp, world};
use crate::made::{self, Made, PROVIDER, STRANGER, Signing};
use crate::world::World;

/// A store whose provider is the one of `made.rs`, at the moment of its responses.
fn lab() -> World {
    let world = world();
    world.later(-333 * 86_400 + 30 * 86_400 + 43_200);
    world.ok(&format!("idp add lab --entity-id {} --sso-url https://idp.example.com/sso --certificate vendor.pem --acs-url {ACS} --own-entity-id https://sp.example.org --groups-attribute groups", made::ENTITY));
    world.ok("group add Operations");
    world.ok("idp edit lab --group Ops=Operations");
    world.ok("idp enable lab");
    world
}

/// How a response is told of.
fn told(world: &World, xml: &str) -> crate::world::Done {
    world
        .run("idp test lab --saml-response-stdin")
        .stdin(&format!("{}\n", BASE64.encode(xml.as_bytes())))
        .done()
}

/// The row that tells of `check`.
fn row(world: &World, made: &Made, check: &str) -> (bool, String, String) {
    let tested = world
        .run("idp test lab --saml-response-stdin -o json")
        .stdin(&BASE64.encode(made.xml().as_bytes()))
        .done();
    let tested: serde_json::Value = serde_json::from_str(&tested.stdout).unwrap();
    let rows = tested["checks"].as_array().unwrap();
    let row = rows.iter().rfind(|row| row["check"] == check).unwrap();
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (row["ok"] == true, text("message"), text("hint"))
}

#[test]
fn a_sound_provider_has_nothing_wrong() {
    let world = with_corp();
    let before = world.bytes();
    let done = world.ok("idp test corp");
    let (text, url) = done.stdout.split_once("https://login").unwrap();
    snapbox::assert_data_eq!(
        text,
        str![[r#"
ok   certificate    f633ccf07f1ee5fc… (RSA, 2048 bits) is valid until 2035-01-01T00:00:00Z.
ok   acs_url        Responses go to https://sp.example.org/acs.
ok   sha1           Signatures with SHA-1 are not taken.
ok   users          It speaks for employees: those who are here; external users: none; no administrators.
ok   request        A request can be made, not signed. Who asks is urn:twofa:692865c9a376a1a82d161b0f95785955.

A login would begin at

"#]]
    );
    assert!(url.contains("?SAMLRequest="), "{url}");
    assert_eq!(done.stderr, "Nothing is wrong.\n");
    assert_eq!(world.bytes(), before);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let world = world();
    world.ok("idp add corp --metadata entra.xml --allow-sha1 yes --employees none --require-mfa-context yes");
    world.ok("idp edit corp --no-mfa-attribute --remove-certificate f633ccf0");
    world.run("idp test corp").shows(str![[r#"
$ twofa idp test corp
? 20
--- stdout
BAD  certificate    It has no certificate: its signatures cannot be checked.
                    `twofa idp edit corp --add-certificate FILE`
BAD  acs_url        Nobody has said where the application takes responses.
                    `twofa idp edit corp --acs-url URL`
BAD  sha1           Signatures with SHA-1 are taken, which can be forged.
                    let the provider sign with SHA-256, then `twofa idp edit corp --allow-sha1 no`
BAD  users          It may speak for nobody.
                    `twofa idp edit corp --employees existing`, or --externals
BAD  second_factor  A second factor has to be asserted, and nothing that it sends would do so.
                    `twofa idp edit corp --mfa-context URI` or --mfa-attribute NAME=VALUE
--- stderr
5 things are wrong.

"#]]);
    // A response cannot be judged then.
    let tested = world
        .run("idp test corp --saml-response-stdin -o json")
        .stdin("PHgvPg==")
        .json(20);
    assert_eq!(tested["response"], serde_json::Value::Null);
    assert!(tested.to_string().contains("cannot be judged"), "{tested}");
}

#[test]
fn certificates_have_their_days() {
    let world = with_corp();
    let day = 86_400;
    let mut text = String::new();
    let mut tell = |world: &World, what: &str| {
        let tested = world.run("idp test corp -o json").json(20);
        let row = &tested["checks"][0];
        text.push_str(&format!("{what}: {}\n  {}\n", row["message"], row["hint"]));
    };
    world.later(2_940 * day);
    tell(&world, "soon");
    world.later(30 * day);
    tell(&world, "over");
    world.ok("idp edit corp --add-certificate provider.pem");
    world.ok("idp edit corp --remove-certificate f633ccf0");
    world.later(-2_980 * day);
    tell(&world, "not yet");
    world.later(-1_000 * day);
    for line in [
        "idp enable corp",
        "idp edit corp --add-certificate stranger.pem",
    ] {
        let done = world.run(&format!("{line} -o json")).json(0);
        text.push_str(&format!("{line}: {}\n", done["warnings"]));
    }
    snapbox::assert_data_eq!(
        text,
        str![[r#"
soon: "f633ccf07f1ee5fc… (RSA, 2048 bits) is valid until 2035-01-01T00:00:00Z, for 14 days more."
  "get the new one from the provider, then `twofa idp edit corp --metadata FILE` or --add-certificate FILE"
over: "f633ccf07f1ee5fc… (RSA, 2048 bits) was valid until 2035-01-01T00:00:00Z, 16 days ago. Signatures are checked with it all the same."
  "get the new one from the provider, then `twofa idp edit corp --metadata FILE` or --add-certificate FILE"
not yet: "d1ebefa1ce0e6d2e… (RSA, 2048 bits) is valid from 2026-11-28T22:46:33Z on, not yet."
  "signatures are checked with it all the same; look at the clocks of both sides"
idp enable corp: [{"kind":"certificate_not_yet_valid","message":"the certificate of `corp` is not valid before 2026-11-28T22:46:33Z; signatures are checked with it all the same.","hint":"get the new one from the provider, then `twofa idp edit corp --metadata FILE`"}]
idp edit corp --add-certificate stranger.pem: [{"kind":"certificate_not_yet_valid","message":"the certificate of `corp` is not valid before 2026-11-28T22:46:33Z; signatures are checked with it all the same.","hint":"get the new one from the provider, then `twofa idp edit corp --metadata FILE`"}]

"#]]
    );
}

/// While a newer certificate is there, the end of an older one is nothing wrong, here as for `doctor`.
#[test]
fn a_certificate_from_which_another_takes_over_is_fine() {
    let world = with_corp();
    world.write("ending.pem", include_str!("../keys/ending.pem"));
    world.ok("idp edit corp --add-certificate ending.pem");
    let mut text = String::new();
    for days in [0, 20, 20] {
        world.later(days * 86_400);
        let tested = world.json("idp test corp");
        for row in tested["checks"].as_array().unwrap() {
            if row["check"] == "certificate" {
                text.push_str(&format!("{} {}\n", row["message"], row["hint"]));
            }
        }
    }
    // Alone it is not.
    world
        .run("idp edit corp --remove-certificate f633ccf0")
        .shows(str![[r#"
$ twofa idp edit corp --remove-certificate f633ccf0
? 0
--- stdout
name                 corp
kind                 entra
enabled              yes
default              no
entity id            https://sts.windows.net/11111111-2222-3333-4444-555555555555/
sso url              https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2
slo url              https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2
own entity id        urn:twofa:692865c9a376a1a82d161b0f95785955
acs url              https://sp.example.org/acs
name id format       urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress
idp initiated        no
sign requests        no
allow sha1           no
require mfa context  no
mfa attribute        http://schemas.microsoft.com/claims/authnmethodsreferences=http://schemas.microsoft.com/claims/multipleauthn
employees            existing
externals            none
administrators       no
update users         no
attribute map        http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress=email, http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname=first_name, http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname=last_name, http://schemas.microsoft.com/identity/claims/displayname=name
groups attribute     http://schemas.microsoft.com/ws/2008/06/identity/claims/groups
certificates         f389ee50fafd377fbf05c3e337ea9fd56bdb14485e209023fbd2bf38c8694b8c 2025-01-01T00:00:00Z 2026-12-20T00:00:00Z
users                0
created at           2026-11-30T00:00:00Z
changed              yes
--- stderr
warning: the certificate of `corp` was valid until 2026-12-20T00:00:00Z; signatures are checked with it all the same.
   hint: get the new one from the provider, then `twofa idp edit corp --metadata FILE`
The identity provider `corp` was changed: certificates.
It has 1 certificate. Gone: f633ccf07f1ee5fc… (until 2035-01-01T00:00:00Z).

"#]]);
    world.run("idp test corp").exits(20);
    snapbox::assert_data_eq!(
        text,
        str![[r#"
"f633ccf07f1ee5fc… (RSA, 2048 bits) is valid until 2035-01-01T00:00:00Z." null
"f389ee50fafd377f… (RSA, 2048 bits) is valid until 2026-12-20T00:00:00Z, for 20 days more; f633ccf07f1ee5fc… takes over from it." "once the provider signs with the newer one, `twofa idp edit corp --remove-certificate f389ee50fafd377f`"
"f633ccf07f1ee5fc… (RSA, 2048 bits) is valid until 2035-01-01T00:00:00Z." null
"f389ee50fafd377f… (RSA, 2048 bits) is valid until 2026-12-20T00:00:00Z, for less than a day more; f633ccf07f1ee5fc… takes over from it." "once the provider signs with the newer one, `twofa idp edit corp --remove-certificate f389ee50fafd377f`"
"f633ccf07f1ee5fc… (RSA, 2048 bits) is valid until 2035-01-01T00:00:00Z." null
"f389ee50fafd377f… (RSA, 2048 bits) was valid until 2026-12-20T00:00:00Z, 20 days ago; f633ccf07f1ee5fc… takes over from it." "once the provider signs with the newer one, `twofa idp edit corp --remove-certificate f389ee50fafd377f`"

"#]]
    );
}

#[test]
fn a_response_that_is_believed_tells_whom_it_leads_to() {
    let world = lab();
    let before = world.bytes();
    let done = told(&world, &Made::default().xml());
    let (text, _) = done.stdout.split_once("\nA login would begin").unwrap();
    snapbox::assert_data_eq!(
        text,
        str![[r#"
ok   certificate    f633ccf07f1ee5fc… (RSA, 2048 bits) is valid until 2035-01-01T00:00:00Z.
ok   acs_url        Responses go to https://sp.example.org/acs.
ok   sha1           Signatures with SHA-1 are not taken.
ok   users          It speaks for employees: those who are here; external users: none; no administrators.
ok   request        A request can be made, not signed. Who asks is https://sp.example.org.
ok   response       The response is believed.
ok   user           It leads to `alice`.

SAID            VALUE
name_id         alice@example.com
name_id_format  urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress
contexts        urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport
second_factor   no
unread          –
groups          Operations
login           alice@example.com
user            alice
added           no

ATTRIBUTE  VALUE
groups     Staff, Ops

"#]]
    );
    // Nothing of it counts: once more is as good.
    let again = told(&world, &Made::default().xml());
    assert_eq!((done.code, again.code), (Some(0), Some(0)));
    assert!(again.stdout.starts_with(text));
    assert_eq!(world.bytes(), before);
}

const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

#[test]
fn whom_it_may_not_speak_for_is_said() {
    let world = lab();
    let mut text = String::new();
    let mut tell = |world: &World, name: &str, what: &str| {
        let made = Made {
            name_id: format!("<saml:NameID>{name}</saml:NameID>"),
            ..Made::default()
        };
        let (ok, message, hint) = row(world, &made, "user");
        text.push_str(&format!("{what}: {ok} {message}\n  {hint}\n"));
    };
    world.ok("user add robot --type technical");
    world.ok("user add guest --type external");
    world.ok("user deactivate bob --yes");
    tell(&world, "Supervisor", "an administrator");
    tell(&world, "robot", "a technical user");
    tell(&world, "guest", "an external user");
    tell(&world, "bob", "who is deactivated");
    tell(&world, "eve", "a stranger");
    world.ok("idp edit lab --employees create --administrators yes --externals existing");
    tell(&world, "Supervisor", "an administrator");
    tell(&world, "guest", "an external user");
    tell(&world, "eve", "a stranger");
    tell(&world, "a:b", "no login");
    world.ok("idp edit lab --employees existing --externals create");
    tell(&world, "eve", "a stranger");
    world.ok("idp edit lab --external-when groups=Guests");
    tell(&world, "eve", "an employee");
    world.ok("idp edit lab --external-when groups=Staff");
    tell(&world, "eve", "an external user");
    world.ok("idp edit lab --login-attribute upn");
    tell(&world, "alice", "no such attribute");
    world.ok("idp edit lab --login-attribute groups");
    tell(&world, "alice", "two names");
    world.ok("idp edit lab --no-login-attribute");
    world.sql(
        "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
        SELECT 1, 'eve', id, '[]', 0, 0, 0 FROM user WHERE login = 'alice'",
    );
    tell(&world, "eve", "whom it calls so");
    let transient = Made {
        name_id: format!("<saml:NameID Format=\"{TRANSIENT}\">alice</saml:NameID>"),
        ..Made::default()
    };
    let (ok, message, hint) = row(&world, &transient, "user");
    text.push_str(&format!("transient: {ok} {message}\n  {hint}\n"));
    snapbox::assert_data_eq!(
        text,
        str![[r#"
an administrator: false It leads to `Supervisor`, an administrator, for whom it may not speak.
  `twofa idp edit lab --administrators yes`
a technical user: false It leads to `robot`, a technical user, who never logs in.
  let the provider send another name
an external user: false It leads to `guest`, an external user, for whom it may not speak.
  `twofa idp edit lab --externals existing`
who is deactivated: false It leads to `bob`, who is deactivated.
  `twofa user activate bob`
a stranger: false Nobody here is called `eve`, and it may not add an external user.
  `twofa user add`, or `twofa idp edit lab --externals create`
an administrator: true It leads to `Supervisor`.
  
an external user: true It leads to `guest`.
  
a stranger: true `eve` would be added as an employee.
  
no login: false `a:b` cannot be added: the login `a:b` has a colon in it.
  --login-attribute names another attribute that says who it is
a stranger: true `eve` would be added as an external user.
  
an employee: false Nobody here is called `eve`, and it may not add an employee.
  `twofa user add`, or `twofa idp edit lab --employees create`
an external user: true `eve` would be added as an external user.
  
no such attribute: false The attribute `upn`, which says who it is, is not there.
  let the provider send it, or name another with --login-attribute
two names: false The attribute `groups`, which says who it is, has 2 values.
  let the provider send one, or name another with --login-attribute
whom it calls so: true It leads to `alice`.
  
transient: false A transient NameID is another one each time, and leads to nobody.
  --login-attribute names the attribute that says who it is

"#]]
    );
}

#[test]
fn a_refusal_is_explained_by_what_nearly_fitted() {
    let world = lab();
    let good = Made::default();
    let made = |change: &dyn Fn(&mut Made)| {
        let mut made = good.clone();
        change(&mut made);
        row(&world, &made, "response")
    };
    let mut text = String::new();
    let mut tell = |what: &str, (ok, message, hint): (bool, String, String)| {
        text.push_str(&format!("{what}: {ok} {message}\n  {hint}\n"));
    };
    tell("slash", made(&|made| made.issuer.push('/')));
    tell("issuer", made(&|made| made.issuer = "urn:x".to_owned()));
    let audience = |to: &'static str| {
        move |made: &mut Made| {
            made.conditions = made
                .conditions
                .replace("https://sp.example.org<", &format!("{to}<"));
        }
    };
    tell("audience", made(&audience("urn:other")));
    tell("scheme", made(&audience("http://sp.example.org")));
    tell(
        "recipient",
        made(&|made| {
            made.confirmation = made.confirmation.replace(ACS, "https://sp.example.org/ACS");
        }),
    );
    tell(
        "destination",
        made(&|made| made.head = made.head.replace(ACS, "https://sp.example.org/acs/")),
    );
    tell(
        "stranger",
        made(&|made| {
            made.assertion = Some(Signing {
                key: STRANGER,
                ..Signing::default()
            });
        }),
    );
    tell("unsigned", made(&|made| made.assertion = None));
    tell(
        "sha1",
        made(&|made| {
            made.assertion = Some(Signing {
                key: PROVIDER,
                method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
                digest: "http://www.w3.org/2000/09/xmldsig#sha1",
                ..Signing::default()
            });
        }),
    );
    tell(
        "status",
        made(&|made| {
            made.status =
                r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/>"#;
        }),
    );
    world.ok("idp edit lab --require-mfa-context yes");
    tell("context", made(&|_| {}));
    world.ok("idp edit lab --require-mfa-context no");
    world.later(3600);
    tell("late", made(&|_| {}));
    world.later(-7200);
    tell("early", made(&|_| {}));
    world.later(3600);
    tell("unsolicited", {
        let mut made = good.clone();
        let answer = format!(" InResponseTo=\"{}\"", made::REQUEST);
        made.head = made.head.replace(&answer, "");
        made.confirmation = made.confirmation.replace(&answer, "");
        row(&world, &made, "idp_initiated")
    });
    snapbox::assert_data_eq!(
        text,
        str![[r#"
slash: false The issuer is not the provider: `https://idp.example.com/metadata/`. It should be `https://idp.example.com/metadata`: only the slash at the end differs.
  if that is the provider, `twofa idp edit lab --entity-id https://idp.example.com/metadata/`
issuer: false The issuer is not the provider: `urn:x`. It should be `https://idp.example.com/metadata`.
  if that is the provider, `twofa idp edit lab --entity-id urn:x`
audience: false The assertion was meant for another audience: `urn:other`. It should be `https://sp.example.org`.
  set the audience (entity id) at the provider to https://sp.example.org, or `twofa idp edit lab --own-entity-id urn:other`
scheme: false The assertion was meant for another audience: `http://sp.example.org`. It should be `https://sp.example.org`: only the scheme differs.
  set the audience (entity id) at the provider to https://sp.example.org, or `twofa idp edit lab --own-entity-id http://sp.example.org`
recipient: false The assertion was meant for another address: `https://sp.example.org/ACS`. It should be `https://sp.example.org/acs`: only capitals differ.
  set the address (ACS, recipient) at the provider to https://sp.example.org/acs, or `twofa idp edit lab --acs-url https://sp.example.org/ACS`
destination: false The response was meant for another address: `https://sp.example.org/acs/`. It should be `https://sp.example.org/acs`: only the slash at the end differs.
  set the address (ACS, recipient) at the provider to https://sp.example.org/acs, or `twofa idp edit lab --acs-url https://sp.example.org/acs/`
stranger: false A signature is not by a certificate of the provider, or what it signs was changed.
  if the provider has a new certificate, `twofa idp edit lab --metadata FILE` or --add-certificate FILE
unsigned: false Neither the response nor its assertion is signed.
  the provider has to send it otherwise; its documentation says how
sha1: false A signature uses SHA-1, which is not taken from this provider.
  let the provider sign with SHA-256; as long as it cannot, `twofa idp edit lab --allow-sha1 yes`
status: false The provider did not log the user in: `Responder`.
  the log of the provider says why
context: false The provider does not say that a second factor was given, which is required: `urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport`.
  let the provider ask for a second factor; `twofa idp edit lab --mfa-context URI` says what asserts one
late: false The assertion is not valid any more: it was valid until 2026-01-31T12:05:00Z, 55m ago.
  copy a fresh response, and look at the clocks of both sides
early: false The assertion is not valid yet: it is valid from 2026-01-31T11:55:00Z on, in 55m.
  copy a fresh response, and look at the clocks of both sides
unsolicited: false The provider began this login itself, which it may not do here.
  begin at the application; or `twofa idp edit lab --idp-initiated yes`

"#]]
    );
}

#[test]
fn what_is_no_response_is_said() {
    let world = lab();
    world
        .run("idp test lab --saml-response-stdin")
        .shows(str![[r#"
$ twofa idp test lab --saml-response-stdin
? 2
--- stderr
error: standard input has no response for --saml-response-stdin

"#]]);
    for (stdin, why) in [
        ("%%%", "The response is not base64."),
        ("PHg+", "The response is not well-formed XML."),
        ("PHgvPg==", "This is not a SAML 2.0 response."),
    ] {
        let tested = world
            .run("idp test lab --saml-response-stdin -o json")
            .stdin(stdin)
            .json(20);
        let rows = tested["checks"].as_array().unwrap();
        assert_eq!(rows.last().unwrap()["message"], why);
    }
    let long = "A".repeat(4 << 20);
    let done = world
        .run("idp test lab --saml-response-stdin -o json")
        .stdin(&long)
        .json(20);
    assert!(
        done.to_string().contains("longer than what is read"),
        "{done}"
    );
}

//! `twofa idp …`: identity providers, from their metadata to the setting that points at one. What is refused: `idp_rules.rs`;
//! certificates and keys: `idp_keys.rs`; what is tested before anybody logs in: `idp_test.rs`.

use serde_json::Value;
use snapbox::str;

use crate::world::World;

pub const ACS: &str = "https://sp.example.org/acs";

/// A store with people and the files of providers: metadata in the shape of each vendor's, and the keys of `tests/keys`.
pub fn world() -> World {
    let world = World::peopled();
    for (name, text) in [
        ("entra.xml", include_str!("../saml/entra.xml")),
        ("okta.xml", include_str!("../saml/okta.xml")),
        ("onelogin.xml", include_str!("../saml/onelogin.xml")),
        ("vendor.pem", include_str!("../keys/vendor.pem")),
        ("provider.pem", include_str!("../keys/provider.pem")),
        ("stranger.pem", include_str!("../keys/stranger.pem")),
        ("curve.pem", include_str!("../keys/curve.pem")),
        ("short.pem", include_str!("../keys/short.pem")),
        ("ours.pem", include_str!("../keys/ours.pem")),
    ] {
        world.write(name, text);
    }
    // The other certificates begin on the day before.
    world.later(333 * 86_400);
    world
}

/// The same with the provider `corp` of Entra, which is enabled.
pub fn with_corp() -> World {
    let world = world();
    world.ok(&format!(
        "idp add corp --metadata entra.xml --acs-url {ACS}"
    ));
    world.ok("idp enable corp");
    world
}

#[test]
fn entra_is_added_from_its_metadata() {
    let world = world();
    world
        .run("idp add corp --metadata entra.xml")
        .shows(str![[r#"
$ twofa idp add corp --metadata entra.xml
? 0
--- stdout
name                 corp
kind                 entra
enabled              no
default              no
entity id            https://sts.windows.net/11111111-2222-3333-4444-555555555555/
sso url              https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2
slo url              https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2
own entity id        urn:twofa:692865c9a376a1a82d161b0f95785955
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
certificates         f633ccf07f1ee5fc47ad94ad7b0b33effc00804f7a87cb1a76a28e307794d994 2025-01-01T00:00:00Z 2035-01-01T00:00:00Z
users                0
created at           2026-11-30T00:00:00Z
changed              yes
--- stderr
The identity provider `corp` was added. Nobody comes through it yet.
By its entity id it is Microsoft Entra ID.
Next: `twofa idp edit corp --acs-url URL`, where the application takes responses.

"#]]);
    let shown = world.json("idp show corp");
    world.ok("idp edit corp --acs-url https://sp.example.org/acs");
    world.run("idp show CORP -o json").shows(str![[r#"
$ twofa idp show CORP -o json
? 0
--- stdout
{
  "name": "corp",
  "kind": "entra",
  "enabled": false,
  "default": false,
  "entity_id": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
  "sso_url": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2",
  "slo_url": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2",
  "own_entity_id": "urn:twofa:692865c9a376a1a82d161b0f95785955",
  "acs_url": "https://sp.example.org/acs",
  "name_id_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
  "login_attribute": null,
  "idp_initiated": false,
  "sign_requests": false,
  "allow_sha1": false,
  "require_mfa_context": false,
  "mfa_contexts": [],
  "mfa_attribute": "http://schemas.microsoft.com/claims/authnmethodsreferences=http://schemas.microsoft.com/claims/multipleauthn",
  "employees": "existing",
  "externals": "none",
  "external_when": null,
  "administrators": false,
  "update_users": false,
  "attribute_map": {
    "email": [
      "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
    ],
    "first_name": [
      "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"
    ],
    "last_name": [
      "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"
    ],
    "name": [
      "http://schemas.microsoft.com/identity/claims/displayname"
    ]
  },
  "groups_attribute": "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
  "group_map": {},
  "certificates": [
    {
      "fingerprint": "f633ccf07f1ee5fc47ad94ad7b0b33effc00804f7a87cb1a76a28e307794d994",
      "not_before": "2025-01-01T00:00:00Z",
      "not_after": "2035-01-01T00:00:00Z"
    }
  ],
  "own_certificate": null,
  "users": 0,
  "created_at": "2026-11-30T00:00:00Z"
}

"#]]);
    assert_eq!(shown["acs_url"], Value::Null);
    world
        .run("idp add Corp --metadata entra.xml")
        .shows(str![[r#"
$ twofa idp add Corp --metadata entra.xml
? 0
--- stdout
name                 corp
kind                 entra
enabled              no
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
certificates         f633ccf07f1ee5fc47ad94ad7b0b33effc00804f7a87cb1a76a28e307794d994 2025-01-01T00:00:00Z 2035-01-01T00:00:00Z
users                0
created at           2026-11-30T00:00:00Z
changed              no
--- stderr
The identity provider `corp` is like that already.

"#]]);
}

#[test]
fn every_product_is_recognised_and_brings_its_habits() {
    let world = world();
    for kind in ["okta", "onelogin"] {
        world.ok(&format!("idp add {kind} --metadata {kind}.xml"));
    }
    world.ok("idp add lab --entity-id https://idp.example.com/metadata --sso-url https://idp.example.com/sso --certificate provider.pem curve.pem provider.pem");
    world.run("idp list").shows(str![[r#"
$ twofa idp list
? 0
--- stdout
NAME      KIND      ENABLED  DEFAULT  EMPLOYEES  EXTERNALS  USERS
lab       custom    no       no       existing   none       0
okta      okta      no       no       existing   none       0
onelogin  onelogin  no       no       existing   none       0

"#]]);
    for kind in ["okta", "onelogin", "lab"] {
        let shown = world.json(&format!("idp show {kind}"));
        let habits: Vec<&Value> = [
            "kind",
            "name_id_format",
            "attribute_map",
            "groups_attribute",
            "mfa_contexts",
            "mfa_attribute",
            "slo_url",
        ]
        .iter()
        .map(|name| &shown[name])
        .collect();
        let text = habits.iter().map(|one| format!("{one}\n"));
        snapbox::Assert::new()
            .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
            .eq(text.collect::<String>(), snapshot_of(kind));
    }
    assert_eq!(
        world.json("idp show lab")["certificates"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

fn snapshot_of(kind: &str) -> snapbox::data::Inline {
    match kind {
        "okta" => str![[r#"
"okta"
"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
{"email":["email"],"first_name":["firstName"],"last_name":["lastName"],"name":["displayName"]}
"groups"
[]
"amr=mfa"
null

"#]],
        "onelogin" => str![[r#"
"onelogin"
"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
{"email":["User.email"],"first_name":["User.FirstName"],"last_name":["User.LastName"]}
"memberOf"
[]
null
"https://example.onelogin.com/trust/saml2/http-redirect/slo/1234567"

"#]],
        _ => str![[r#"
"custom"
null
{"email":["urn:oid:0.9.2342.19200300.100.1.3","mail"],"first_name":["urn:oid:2.5.4.42","givenName"],"last_name":["urn:oid:2.5.4.4","sn"],"name":["urn:oid:2.16.840.1.113730.3.1.241","displayName"]}
null
["https://refeds.org/profile/mfa"]
null
null

"#]],
    }
}

#[test]
fn entra_s_issuer_gets_its_slash_and_it_is_said() {
    let world = world();
    world
        .run("idp add corp --kind entra --entity-id https://sts.windows.net/1111 --sso-url https://login.microsoftonline.com/1111/saml2 --certificate provider.pem -o json --quiet")
        .succeeds();
    assert_eq!(
        world.json("idp show corp")["entity_id"],
        "https://sts.windows.net/1111/"
    );
    let said = world
        .run("idp add other --entity-id https://sts.windows.net/2222 --sso-url https://login.microsoftonline.com/2222/saml2 --certificate provider.pem")
        .succeeds();
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `other` was added. Nobody comes through it yet.
By its entity id it is Microsoft Entra ID.
Its entity id got the slash at its end that Entra's has: https://sts.windows.net/2222/
Next: `twofa idp edit other --acs-url URL`, where the application takes responses.

"#]]
    );
    // Who says that it is no Entra gets what was typed.
    let said = world
        .run("idp add third --kind custom --entity-id https://sts.windows.net/3333 --sso-url https://sts.example.com/ --certificate provider.pem")
        .succeeds();
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `third` was added. Nobody comes through it yet.
Next: `twofa idp edit third --acs-url URL`, where the application takes responses.

"#]]
    );
    assert_eq!(
        world.json("idp show third")["entity_id"],
        "https://sts.windows.net/3333"
    );
}

#[test]
fn a_product_that_is_not_the_one_of_the_entity_id_is_told() {
    let world = world();
    let said = world.ok("idp add x --metadata okta.xml --kind entra");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
warning: by its entity id it is Okta, and it got the attributes of Microsoft Entra ID.
   hint: if that is not meant, remove it and add it without --kind
The identity provider `x` was added. Nobody comes through it yet.
Next: `twofa idp edit x --acs-url URL`, where the application takes responses.

"#]]
    );
    let said = world.ok("idp add y --metadata okta.xml --kind custom");
    assert!(!said.stderr.contains("warning"), "{}", said.stderr);
}

/// Some providers want to know us before they say who they are.
#[test]
fn our_metadata_is_there_before_the_provider_is() {
    let world = world();
    world
        .run(&format!("idp metadata --acs-url {ACS}"))
        .shows(str![[r#"
$ twofa idp metadata --acs-url https://sp.example.org/acs
? 0
--- stdout
<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="urn:twofa:692865c9a376a1a82d161b0f95785955">
  <md:SPSSODescriptor AuthnRequestsSigned="false" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example.org/acs" index="0" isDefault="true"/>
  </md:SPSSODescriptor>
</md:EntityDescriptor>

"#]]);
    world
        .run(&format!(
            "idp metadata --acs-url {ACS} --own-entity-id urn:us --out twofa.xml"
        ))
        .shows(str![[r#"
$ twofa idp metadata --acs-url https://sp.example.org/acs --own-entity-id urn:us --out twofa.xml
? 0
--- stdout
file  twofa.xml
--- stderr
Give it to the provider. Next: `twofa idp add NAME --metadata FILE --acs-url https://sp.example.org/acs --own-entity-id urn:us`.

"#]]);
    let mut said = String::new();
    for line in [
        "idp metadata --acs-url sp.example.org",
        "idp metadata --acs-url https://sp.example.org/acs --own-entity-id 'a b'",
        "idp metadata",
        "idp metadata --acs-url https://sp.example.org/acs --out absent/twofa.xml",
    ] {
        let done = world.run(line).done();
        said.push_str(&format!("{line} {:?}\n{}", done.code, done.stderr));
    }
    snapbox::assert_data_eq!(
        said,
        str![[r#"
idp metadata --acs-url sp.example.org Some(4)
error: `sp.example.org` is no address of the web
 hint: --acs-url takes an address such as https://app.example.com/saml/acs
idp metadata --acs-url https://sp.example.org/acs --own-entity-id 'a b' Some(4)
error: the entity id `a b` has a space in it
idp metadata Some(2)
error: whom the metadata is for is needed
 hint: name a provider; for one that is not here yet give --acs-url URL
idp metadata --acs-url https://sp.example.org/acs --out absent/twofa.xml Some(1)
error: cannot write `absent/twofa.xml`: there is no directory `absent`

"#]]
    );
}

#[test]
fn every_field_is_edited_and_cleared() {
    let world = world();
    world.ok("idp add corp --metadata entra.xml");
    world.ok("group add Helpdesk");
    world.ok("group add Staff");
    world.ok("idp edit corp --name Corp --kind custom --acs-url https://sp.example.org/acs --own-entity-id https://sp.example.org --name-id-format persistent --login-attribute upn --idp-initiated yes --allow-sha1 yes --require-mfa-context yes --mfa-context urn:a urn:b urn:a --mfa-attribute amr=mfa --employees create --externals create --external-when userType=Guest --administrators yes --update-users yes --map urn:x?a=b=email phone=PHONE --groups-attribute roles --group h=Helpdesk h=staff 's=1=Staff' --slo-url https://idp.example.com/slo");
    let text = world.ok("idp show corp").stdout;
    snapbox::assert_data_eq!(
        text,
        str![[r#"
name                 Corp
kind                 custom
enabled              no
default              no
entity id            https://sts.windows.net/11111111-2222-3333-4444-555555555555/
sso url              https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2
slo url              https://idp.example.com/slo
own entity id        https://sp.example.org
acs url              https://sp.example.org/acs
name id format       urn:oasis:names:tc:SAML:2.0:nameid-format:persistent
login attribute      upn
idp initiated        yes
sign requests        no
allow sha1           yes
require mfa context  yes
mfa contexts         urn:a, urn:b
mfa attribute        amr=mfa
employees            create
externals            create
external when        userType=Guest
administrators       yes
update users         yes
attribute map        urn:x?a=b=email, phone=phone
groups attribute     roles
group map            h=Helpdesk, h=Staff, s=1=Staff
certificates         f633ccf07f1ee5fc47ad94ad7b0b33effc00804f7a87cb1a76a28e307794d994 2025-01-01T00:00:00Z 2035-01-01T00:00:00Z
users                0
created at           2026-11-30T00:00:00Z

"#]]
    );
    world.ok("idp edit corp --no-group h --group s=1=Helpdesk");
    assert_eq!(
        world.json("idp show corp")["group_map"].to_string(),
        r#"{"s=1":["Helpdesk"]}"#
    );
    world.ok("idp edit corp --employees existing --no-slo-url --no-own-entity-id --no-name-id-format --no-login-attribute --no-mfa-context --no-mfa-attribute --no-external-when --no-map --no-groups-attribute --no-group s=1");
    let text = world.ok("idp show corp").stdout;
    snapbox::assert_data_eq!(
        text,
        str![[r#"
name                 Corp
kind                 custom
enabled              no
default              no
entity id            https://sts.windows.net/11111111-2222-3333-4444-555555555555/
sso url              https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml2
own entity id        urn:twofa:692865c9a376a1a82d161b0f95785955
acs url              https://sp.example.org/acs
idp initiated        yes
sign requests        no
allow sha1           yes
require mfa context  yes
employees            existing
externals            create
administrators       yes
update users         yes
certificates         f633ccf07f1ee5fc47ad94ad7b0b33effc00804f7a87cb1a76a28e307794d994 2025-01-01T00:00:00Z 2035-01-01T00:00:00Z
users                0
created at           2026-11-30T00:00:00Z

"#]]
    );
    world
        .run("idp edit corp --no-map --idp-initiated yes --administrators yes -o json")
        .json(0);
    assert_eq!(
        world.json("idp edit corp --no-map --administrators yes")["changed"],
        false
    );
}

#[test]
fn a_group_that_goes_takes_what_stands_for_it() {
    let world = with_corp();
    world.ok("group add Helpdesk");
    world.ok("idp edit corp --group h=Helpdesk");
    world.ok("group edit Helpdesk --name Support");
    assert_eq!(
        world.json("idp show corp")["group_map"].to_string(),
        r#"{"h":["Support"]}"#
    );
    world.run("group remove Support").shows(str![[r#"
$ twofa group remove Support
? 2
--- stderr
error: are you sure? The group `Support` goes; 0 users and 0 groups are directly in it, and stay. The identity provider `corp` puts people into it by the value `h`, and will not any more.
 hint: say yes with --yes

"#]]);
    world.ok("group remove Support --yes");
    assert_eq!(world.json("idp show corp")["group_map"].to_string(), "{}");
}

#[test]
fn our_metadata_is_printed_and_written_once() {
    let world = with_corp();
    world.run("idp metadata corp").shows(str![[r#"
$ twofa idp metadata corp
? 0
--- stdout
<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="urn:twofa:692865c9a376a1a82d161b0f95785955">
  <md:SPSSODescriptor AuthnRequestsSigned="false" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example.org/acs" index="0" isDefault="true"/>
  </md:SPSSODescriptor>
</md:EntityDescriptor>

"#]]);
    world.run("idp metadata corp --out sp.xml").shows(str![[r#"
$ twofa idp metadata corp --out sp.xml
? 0
--- stdout
file  sp.xml
--- stderr
Give it to the provider. Next: `twofa idp test corp`.

"#]]);
    let whole = std::fs::read_to_string(world.file("sp.xml")).unwrap();
    assert_eq!(whole, world.ok("idp metadata corp --out -").stdout);
    world.run("idp metadata corp --out sp.xml").shows(str![[r#"
$ twofa idp metadata corp --out sp.xml
? 4
--- stderr
error: `sp.xml` is there already
 hint: name another file with --out, or remove this one

"#]]);
    world.run("idp metadata corp -o json").exits(2);
    world.ok("idp add bare --metadata okta.xml");
    world.run("idp metadata bare").shows(str![[r#"
$ twofa idp metadata bare
? 4
--- stderr
error: nobody has said where the application takes the responses of `bare`
 hint: `twofa idp edit bare --acs-url URL`

"#]]);
}

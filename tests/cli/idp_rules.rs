//! What no identity provider may be: each rule of an address, of whom it speaks for, and of what it needs before it is enabled.

use snapbox::str;

use crate::idp::{ACS, with_corp, world};
use crate::world::World;

/// What a command is refused with, a line each.
fn refusals(world: &World, lines: &[&str]) -> String {
    let mut all = String::new();
    for line in lines {
        let done = world.run(&format!("{line} --yes -o json")).done();
        let error = done.error();
        let part = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
        all.push_str(&format!(
            "{line}\n  {} {}: {}\n  {}\n",
            done.code.unwrap(),
            part("kind"),
            part("message"),
            part("hint")
        ));
    }
    all
}

#[test]
fn addresses_and_names_keep_their_rules() {
    let world = world();
    world.ok("idp add corp --metadata entra.xml");
    let long = format!("idp edit corp --entity-id {}", "x".repeat(1025));
    let text = refusals(
        &world,
        &[
            "idp edit corp --acs-url http://sp.example.org/acs",
            "idp edit corp --acs-url https://a:b@sp.example.org/acs",
            "idp edit corp --acs-url https://sp.example.org/acs#x",
            "idp edit corp --sso-url javascript:alert(1)",
            "idp edit corp --slo-url idp.example.com",
            "idp edit corp --entity-id 'a b'",
            "idp edit corp --name-id-format mail",
            "idp edit corp --name-id-format transient",
            "idp edit corp --mfa-attribute amr",
            "idp edit corp --map mail",
            "idp edit corp --map mail=password",
            "idp edit corp --group Staff",
            "idp edit corp --group a=Stuff",
            "idp edit corp --no-group Staff",
            "idp edit corp --name -x",
            "idp edit crop --name x",
        ],
    );
    snapbox::assert_data_eq!(
        text,
        str![[r#"
idp edit corp --acs-url http://sp.example.org/acs
  4 invalid_value: `http://sp.example.org/acs` is not protected: it is https://, and http:// only for localhost
  --acs-url takes an address such as https://app.example.com/saml/acs
idp edit corp --acs-url https://a:b@sp.example.org/acs
  4 invalid_value: `https://a:b@sp.example.org/acs` has a user name or a password in it
  --acs-url takes an address such as https://app.example.com/saml/acs
idp edit corp --acs-url https://sp.example.org/acs#x
  4 invalid_value: `https://sp.example.org/acs#x` has a fragment (#…) in it, which no browser sends
  --acs-url takes an address such as https://app.example.com/saml/acs
idp edit corp --sso-url javascript:alert(1)
  4 invalid_value: `javascript:alert(1)` is no address of the web
  --sso-url takes an address such as https://idp.example.com/saml
idp edit corp --slo-url idp.example.com
  4 invalid_value: `idp.example.com` is no address of the web
  --slo-url takes an address such as https://idp.example.com/saml
idp edit corp --entity-id 'a b'
  4 invalid_value: the entity id `a b` has a space in it
  -
idp edit corp --name-id-format mail
  4 invalid_value: `mail` is no format of NameID
  it is email, persistent, transient, unspecified, or a URI
idp edit corp --name-id-format transient
  4 invalid_value: a transient NameID is another one each time, and leads to nobody
  --login-attribute NAME names the attribute that says who it is
idp edit corp --mfa-attribute amr
  4 invalid_value: `amr` is not NAME=VALUE
  write it as NAME=VALUE
idp edit corp --map mail
  4 invalid_value: `mail` is not ATTRIBUTE=FIELD
  write it as ATTRIBUTE=FIELD
idp edit corp --map mail=password
  4 invalid_value: `password` is no field
  it is login, name, first_name, last_name, email, phone, language
idp edit corp --group Staff
  4 invalid_value: `Staff` is not VALUE=GROUP
  write it as VALUE=GROUP
idp edit corp --group a=Stuff
  3 not_found: no group is named `Stuff`
  `twofa group list` lists what there is
idp edit corp --no-group Staff
  3 not_found: no value that stands for groups is named `Staff`
  `twofa idp show corp` lists what there is
idp edit corp --name -x
  2 usage: unexpected argument '-x' found
  to pass '-x' as a value, use '-- -x'
idp edit crop --name x
  3 not_found: no identity provider is named `crop`
  did you mean `corp`?

"#]]
    );
    assert!(refusals(&world, &[&long]).contains("is longer than 1024 characters"));
    world.ok("idp edit corp --acs-url http://localhost:8080/acs");
    world.ok("idp edit corp --name-id-format transient --login-attribute mail");
}

#[test]
fn what_a_new_provider_lacks_is_asked_for() {
    let world = world();
    let ours = include_str!("../keys/ours.pem");
    let (key, _) = ours.split_once("-----BEGIN CERTIFICATE").unwrap();
    world.write("key.pem", key);
    world.write("empty.xml", "");
    world.ok(&format!("idp metadata --acs-url {ACS} --out own.xml"));
    let text = refusals(
        &world,
        &[
            "idp add lab",
            "idp add lab --certificate provider.pem",
            "idp add lab --entity-id urn:x --certificate provider.pem",
            "idp add lab --entity-id urn:x --sso-url https://idp.example.com/sso",
            "idp add lab --entity-id urn:x --sso-url https://idp.example.com/sso --certificate short.pem",
            "idp add lab --entity-id urn:x --sso-url https://idp.example.com/sso --certificate absent.pem",
            "idp add lab --metadata entra.xml --entity-id urn:x",
            "idp add lab --metadata provider.pem",
            "idp add lab --metadata key.pem",
            "idp add lab --metadata empty.xml",
            "idp add lab --metadata -",
            "idp add lab --metadata own.xml",
            "idp add lab --metadata https://idp.example.com/metadata",
            "idp add lab --metadata absent.xml",
            "idp add lab --certificate key.pem",
            "idp add lab --certificate entra.xml",
            "idp add lab --certificate empty.xml",
        ],
    );
    snapbox::assert_data_eq!(
        text,
        str![[r#"
idp add lab
  2 missing_answer: a certificate of the provider is needed, to check its signatures with
  give --certificate FILE, or all at once with --metadata FILE
idp add lab --certificate provider.pem
  2 missing_answer: the entity id of the provider is needed
  give --entity-id URI, or all at once with --metadata FILE
idp add lab --entity-id urn:x --certificate provider.pem
  2 missing_answer: the address of the provider is needed
  give --sso-url URL, or all at once with --metadata FILE
idp add lab --entity-id urn:x --sso-url https://idp.example.com/sso
  2 missing_answer: a certificate of the provider is needed, to check its signatures with
  give --certificate FILE, or all at once with --metadata FILE
idp add lab --entity-id urn:x --sso-url https://idp.example.com/sso --certificate short.pem
  4 invalid_value: `short.pem`: the certificate cannot be used: its RSA key is shorter than 2048 bits
  -
idp add lab --entity-id urn:x --sso-url https://idp.example.com/sso --certificate absent.pem
  1 io: cannot read `absent.pem`: No such file or directory (os error 2)
  -
idp add lab --metadata entra.xml --entity-id urn:x
  3 not_found: the metadata does not describe `urn:x`, but `https://sts.windows.net/11111111-2222-3333-4444-555555555555/`
  --entity-id URI says which is meant
idp add lab --metadata provider.pem
  4 invalid_value: the metadata cannot be used: it is a certificate
  a new provider takes it with --certificate, one that is here with --add-certificate
idp add lab --metadata key.pem
  4 invalid_value: the metadata cannot be used: it is a private key
  -
idp add lab --metadata empty.xml
  4 invalid_value: the metadata cannot be used: it is empty
  -
idp add lab --metadata -
  2 missing_answer: standard input has no metadata for --metadata -
  -
idp add lab --metadata own.xml
  4 invalid_value: the metadata cannot be used: it describes a service, as we are one, and no identity provider
  ours is for the provider; download what the provider says of itself
idp add lab --metadata https://idp.example.com/metadata
  4 invalid_value: `https://idp.example.com/metadata` is an address, and a file is wanted
  download it first, and give the name of the file
idp add lab --metadata absent.xml
  1 io: cannot read `absent.xml`: No such file or directory (os error 2)
  -
idp add lab --certificate key.pem
  4 invalid_value: `key.pem`: the certificate cannot be used: it is a private key
  give the certificate, which the provider makes known; a key of theirs is for nobody else
idp add lab --certificate entra.xml
  4 invalid_value: `entra.xml`: the certificate cannot be used: it is XML
  --metadata FILE takes the metadata of a provider
idp add lab --certificate empty.xml
  4 invalid_value: `empty.xml`: the certificate cannot be used: it is empty
  -

"#]]
    );
    assert_eq!(world.number("SELECT count(*) FROM idp"), 0);
}

#[test]
fn metadata_is_read_as_it_says() {
    let world = world();
    let okta = include_str!("../saml/okta.xml");
    // Only by HTTP-POST, which we do not send by.
    let post = okta.replace("bindings:HTTP-Redirect", "bindings:SOAP");
    world.write("post.xml", &post);
    world
        .run("idp add corp --metadata post.xml")
        .shows(str![[r#"
$ twofa idp add corp --metadata post.xml
? 4
--- stderr
error: `http://www.okta.com/exk1fcia6d6EMsf331d8` takes requests by HTTP-POST only, and they are sent by HTTP-Redirect

"#]]);
    let signed = okta
        .replace("WantAuthnRequestsSigned=\"false\"", "WantAuthnRequestsSigned=\"true\" validUntil=\"2027-01-01T00:00:00Z\"")
        .replace("<md:NameIDFormat>", "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://example.okta.com/slo\"/><md:NameIDFormat>");
    world.write("signed.xml", &signed);
    let said = world.ok("idp add corp --metadata signed.xml");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
warning: it takes logouts by HTTP-POST only: their address is left out.
warning: it wants requests to be signed.
   hint: --make-key --sign-requests yes, then give it our metadata
warning: the metadata vouches for itself until 2027-01-01T00:00:00Z.
   hint: take it over again before: `twofa idp edit NAME --metadata FILE`
The identity provider `corp` was added. Nobody comes through it yet.
By its entity id it is Okta.
Next: `twofa idp edit corp --acs-url URL`, where the application takes responses.

"#]]
    );
    // Several in one file.
    let (head, one) = okta.split_once("<md:EntityDescriptor").unwrap();
    let one = format!("<md:EntityDescriptor{one}");
    let two = one.replace("exk1", "exk2");
    let both = format!(
        "{}<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{one}{two}</md:EntitiesDescriptor>",
        head.split_once("<!--").unwrap().0
    );
    world.write("both.xml", &both);
    world
        .run("idp add two --metadata both.xml")
        .shows(str![[r#"
$ twofa idp add two --metadata both.xml
? 4
--- stderr
error: the metadata describes 2 providers: `http://www.okta.com/exk1fcia6d6EMsf331d8`, `http://www.okta.com/exk2fcia6d6EMsf331d8`
 hint: --entity-id URI says which is meant

"#]]);
    world
        .ok("idp add two --metadata both.xml --entity-id http://www.okta.com/exk2fcia6d6EMsf331d8");
    // What it is already is meant.
    assert_eq!(
        world.json("idp edit two --metadata both.xml")["changed"],
        false
    );
    let done = world
        .run("idp add three --metadata - --quiet")
        .stdin(okta)
        .succeeds();
    assert_eq!(done.stderr, "");
}

/// A wrong file makes no provider another one.
#[test]
fn metadata_of_another_provider_is_refused() {
    let world = with_corp();
    world
        .run("idp edit corp --metadata okta.xml")
        .shows(str![[r#"
$ twofa idp edit corp --metadata okta.xml
? 4
--- stderr
error: the metadata describes `http://www.okta.com/exk1fcia6d6EMsf331d8`, and `corp` is `https://sts.windows.net/11111111-2222-3333-4444-555555555555/`
 hint: if it has another entity id now, say so: --entity-id http://www.okta.com/exk1fcia6d6EMsf331d8

"#]]);
    assert_eq!(world.json("idp show corp")["kind"], "entra");
    world
        .run("idp edit corp --metadata okta.xml --entity-id http://www.okta.com/exk1fcia6d6EMsf331d8 --kind okta -o csv")
        .shows(str![[r#"
$ twofa idp edit corp --metadata okta.xml --entity-id http://www.okta.com/exk1fcia6d6EMsf331d8 --kind okta -o csv
? 0
--- stdout
name,kind,enabled,default,entity_id,sso_url,slo_url,own_entity_id,acs_url,name_id_format,login_attribute,idp_initiated,sign_requests,allow_sha1,require_mfa_context,mfa_contexts,mfa_attribute,employees,externals,external_when,administrators,update_users,attribute_map,groups_attribute,group_map,certificates,own_certificate,users,created_at,changed,warnings
corp,okta,true,false,http://www.okta.com/exk1fcia6d6EMsf331d8,https://example.okta.com/app/example_twofa_1/exk1fcia6d6EMsf331d8/sso/saml,,urn:twofa:692865c9a376a1a82d161b0f95785955,https://sp.example.org/acs,urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress,,false,false,false,false,,http://schemas.microsoft.com/claims/authnmethodsreferences=http://schemas.microsoft.com/claims/multipleauthn,existing,none,,false,false,"{""email"":[""http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress""],""first_name"":[""http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname""],""last_name"":[""http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname""],""name"":[""http://schemas.microsoft.com/identity/claims/displayname""]}",http://schemas.microsoft.com/ws/2008/06/identity/claims/groups,{},"[{""fingerprint"":""f633ccf07f1ee5fc47ad94ad7b0b33effc00804f7a87cb1a76a28e307794d994"",""not_before"":""2025-01-01T00:00:00Z"",""not_after"":""2035-01-01T00:00:00Z""}]",,0,2026-11-30T00:00:00Z,true,
--- stderr
The identity provider `corp` was changed: kind, entity id, sso url, slo url.

"#]]);
    world.run("idp edit corp --metadata okta.xml").succeeds();
}

#[test]
fn nobody_comes_through_a_provider_that_lacks_something() {
    let world = world();
    world.ok("idp add corp --metadata entra.xml");
    let enable = "idp enable corp";
    let mut text = refusals(&world, &[enable]);
    world.ok(&format!("idp edit corp --acs-url {ACS} --employees none"));
    text.push_str(&refusals(&world, &[enable]));
    world.ok("idp edit corp --employees existing --remove-certificate f633ccf0");
    text.push_str(&refusals(&world, &[enable]));
    world.ok("idp edit corp --add-certificate provider.pem");
    world.ok(enable);
    // What is enabled stays so, or is not changed.
    text.push_str(&refusals(
        &world,
        &[
            "idp edit corp --employees none",
            "idp edit corp --remove-certificate d1ebefa1",
            "idp edit corp --sign-requests yes",
            "idp edit corp --employees create --externals create",
        ],
    ));
    snapbox::assert_data_eq!(
        text,
        str![[r#"
idp enable corp
  4 invalid_value: `corp` cannot be enabled: nobody has said where the application takes its responses
  `twofa idp edit corp --acs-url URL`
idp enable corp
  4 invalid_value: `corp` cannot be enabled: it may speak for nobody
  `twofa idp edit corp --employees existing`, or --externals
idp enable corp
  4 invalid_value: `corp` cannot be enabled: without a certificate its signatures cannot be checked
  `twofa idp edit corp --add-certificate FILE`
idp edit corp --employees none
  4 invalid_value: `corp` cannot stay enabled: it may speak for nobody
  `twofa idp disable corp`, first
idp edit corp --remove-certificate d1ebefa1
  4 invalid_value: `corp` cannot stay enabled: without a certificate its signatures cannot be checked
  `twofa idp disable corp`, first
idp edit corp --sign-requests yes
  4 invalid_value: requests can be signed only with a key pair of ours
  --make-key makes one, --key-pair FILE takes yours
idp edit corp --employees create --externals create
  4 invalid_value: nothing tells a new external user from a new employee
  --external-when ATTRIBUTE=VALUE says what does

"#]]
    );
    world.ok("idp edit corp --employees create --externals create --external-when userType=Guest");
    assert!(
        refusals(&world, &["idp edit corp --no-external-when"])
            .contains("nothing tells a new external user")
    );
}

#[test]
fn a_provider_makes_no_administrators() {
    let world = with_corp();
    world.ok("group add Ops");
    world.ok("group add Inner");
    world.ok("group add-member 'System administrators' --group Ops");
    world.ok("group add-member Ops --group Inner");
    let text = refusals(
        &world,
        &[
            "idp edit corp --group a='System administrators'",
            "idp edit corp --group a=Ops",
            "idp edit corp --group a=Inner",
            "idp edit corp --group a='All employees'",
        ],
    );
    snapbox::assert_data_eq!(
        text,
        str![[r#"
idp edit corp --group a='System administrators'
  4 guard: `a` cannot stand for `System administrators`: whoever is in it is an administrator, and a provider makes none
  -
idp edit corp --group a=Ops
  4 guard: `a` cannot stand for `Ops`: whoever is in it is an administrator, and a provider makes none
  -
idp edit corp --group a=Inner
  4 guard: `a` cannot stand for `Inner`: whoever is in it is an administrator, and a provider makes none
  -
idp edit corp --group a='All employees'
  4 guard: `All employees` takes no members: everybody of that type is in it
  `twofa user edit LOGIN --type TYPE` changes the type

"#]]
    );
    // A group that becomes powerful later is as little a provider's.
    world.ok("group add Later");
    world.ok("idp edit corp --group a=Later");
    world.ok("group add-member Later --user bob");
    world.ok("idp edit corp --externals create");
    world.ok("group add Outer");
    world.ok("group add-member Outer --group Later");
    let text = refusals(
        &world,
        &[
            "group add-member Ops --group Later",
            "group add-member Inner --group Outer",
            "group add-member Ops --group 'All external users'",
        ],
    );
    snapbox::assert_data_eq!(
        text,
        str![[r#"
group add-member Ops --group Later
  4 guard: `Later` cannot be a member of `Ops`: the identity provider `corp` puts people into `Later`, and makes no administrators
  `twofa idp edit corp --no-group a`, first
group add-member Inner --group Outer
  4 guard: `Outer` cannot be a member of `Inner`: the identity provider `corp` puts people into `Later`, and makes no administrators
  `twofa idp edit corp --no-group a`, first
group add-member Ops --group 'All external users'
  4 guard: `All external users` cannot be a member of `Ops`: the identity provider `corp` puts people into `All external users`, and makes no administrators
  `twofa idp edit corp --externals existing`, first

"#]]
    );
    world.ok("group add-member Ops --group 'All employees'");
    let text = refusals(
        &world,
        &["idp edit corp --employees create --externals none"],
    );
    snapbox::assert_data_eq!(
        text,
        str![[r#"
idp edit corp --employees create --externals none
  4 guard: a new user of the type employee would be an administrator, and a provider makes none
  -

"#]]
    );
}

/// Who comes through a provider is asked for no second factor, so that letting administrators in is confirmed with one.
#[test]
fn letting_administrators_in_is_confirmed() {
    let (world, secret) = World::with_app();
    for (name, text) in [
        ("entra.xml", include_str!("../saml/entra.xml")),
        ("stranger.pem", include_str!("../keys/stranger.pem")),
    ] {
        world.write(name, text);
    }
    world.ok(&format!(
        "idp add corp --metadata entra.xml --acs-url {ACS} --administrators yes"
    ));
    world.run("idp enable corp").shows(str![[r#"
$ twofa idp enable corp
? 5
--- stderr
error: confirm letting administrators in through an identity provider: your second factor is needed
 hint: repeat the command with --confirm-code N, a code of your authenticator app

"#]]);
    let code = world.app(&secret);
    world.ok(&format!("idp enable corp --confirm-code {code}"));
    world.later(30);
    assert!(
        refusals(&world, &["idp edit corp --add-certificate stranger.pem"])
            .contains("confirmation_required")
    );
    world.ok("idp edit corp --name firm");
    world.ok("idp disable firm --yes");
}

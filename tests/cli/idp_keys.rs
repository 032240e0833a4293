//! Certificates that take over from one another, and the key pair that is ours.

use snapbox::str;

use crate::idp::{ACS, with_corp, world};

#[test]
fn a_certificate_takes_over_from_another() {
    let world = with_corp();
    let said = world.ok("idp edit corp --add-certificate stranger.pem curve.pem provider.pem");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` was changed: certificates.
It has 4 certificates. New: 8788977493b68491… (until 2126-11-04T22:46:39Z), 94c5272ba9d204b5… (until 2126-11-04T22:46:36Z), d1ebefa1ce0e6d2e… (until 2126-11-04T22:46:33Z).

"#]]
    );
    assert_eq!(
        world.json("idp edit corp --add-certificate curve.pem")["changed"],
        false
    );
    world
        .run("idp edit corp --remove-certificate 94")
        .shows(str![[r#"
$ twofa idp edit corp --remove-certificate 94
? 4
--- stderr
error: `94` is no fingerprint
 hint: it is hexadecimal digits, at least the first 4

"#]]);
    world
        .run("idp edit corp --remove-certificate 00000000")
        .shows(str![[r#"
$ twofa idp edit corp --remove-certificate 00000000
? 3
--- stderr
error: no certificate is named `00000000`
 hint: `twofa idp show corp` lists what there is

"#]]);
    // As openssl prints it.
    let said = world.ok("idp edit corp --remove-certificate '94:C5:27:2B' 8788");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` was changed: certificates.
It has 2 certificates. Gone: 8788977493b68491… (until 2126-11-04T22:46:39Z), 94c5272ba9d204b5… (until 2126-11-04T22:46:36Z).

"#]]
    );
    // What the file lacks goes, and what it has comes.
    world.ok("idp edit corp --add-certificate stranger.pem");
    let renewed = include_str!("../saml/entra.xml").replace("/saml2", "/saml3");
    world.write("renewed.xml", &renewed);
    let said = world.ok("idp edit corp --metadata renewed.xml");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` was changed: sso url, slo url, certificates.
It has 1 certificate. Gone: 94c5272ba9d204b5… (until 2126-11-04T22:46:36Z), d1ebefa1ce0e6d2e… (until 2126-11-04T22:46:33Z).

"#]]
    );
    assert_eq!(
        world.json("idp show corp")["sso_url"],
        "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/saml3"
    );
    assert_eq!(
        world.json("idp edit corp --metadata renewed.xml")["changed"],
        false
    );
}

#[test]
fn a_key_pair_of_ours_signs_and_is_given_to_the_provider() {
    let world = with_corp();
    let said = world.ok("idp edit corp --key-pair ours.pem --sign-requests yes");
    snapbox::assert_data_eq!(
        said.stderr,
        str![[r#"
The identity provider `corp` was changed: sign requests, own certificate.
The provider has to know that: `twofa idp metadata corp`.

"#]]
    );
    let shown = world.json("idp show corp");
    assert_eq!(
        shown["own_certificate"]["fingerprint"],
        "88c969c888271d2223a07f78e8fdff9bcdd99a7818b80a5f6875338a0bc23909"
    );
    assert_eq!(
        world.json("idp edit corp --key-pair ours.pem")["changed"],
        false
    );
    let metadata = world.ok("idp metadata corp").stdout;
    assert!(
        metadata.contains("AuthnRequestsSigned=\"true\""),
        "{metadata}"
    );
    assert_eq!(metadata.matches("<md:KeyDescriptor use=").count(), 2);
    let url = world.json("idp test corp")["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        url.contains("&SigAlg=") && url.contains("&Signature="),
        "{url}"
    );
    world.run("idp edit corp --no-key-pair").shows(str![[r#"
$ twofa idp edit corp --no-key-pair
? 4
--- stderr
error: requests can be signed only with a key pair of ours
 hint: --make-key makes one, --key-pair FILE takes yours

"#]]);
    world.ok("idp edit corp --no-key-pair --sign-requests no");
    assert!(world.json("idp show corp")["own_certificate"].is_null());
    for (file, why) in [
        ("curve.pem", "its key is no RSA key in PKCS#8"),
        ("short.pem", "the key is missing"),
        ("entra.xml", "the key is missing"),
    ] {
        let error = world
            .run(&format!("idp edit corp --key-pair {file} -o json"))
            .exits(4)
            .error();
        assert_eq!(
            error["message"],
            format!("the key pair cannot be used: {why}"),
            "{file}"
        );
    }
    // The key is sealed, and nothing of it is in the log.
    let sealed = world
        .number("SELECT count(*) FROM audit WHERE detail LIKE '%PRIVATE%' OR detail LIKE '%MIIE%'");
    assert_eq!(sealed, 0);
}

#[test]
fn a_key_pair_is_made() {
    let world = with_corp();
    let made = world.json("idp edit corp --make-key --sign-requests yes");
    let until = made["own_certificate"]["not_after"].as_str().unwrap();
    assert!(until.starts_with("2036-11-"), "{until}");
    let tested = world.json("idp test corp");
    assert_eq!(tested["ok"], true, "{tested}");
    let again = world.json("idp edit corp --make-key");
    assert_ne!(made["own_certificate"], again["own_certificate"]);
    assert_eq!(again["changed"], true);
    world.run("key check").succeeds();
}

#[test]
fn the_same_pair_mends_a_damaged_key() {
    let world = world();
    world.ok(&format!(
        "idp add corp --metadata entra.xml --acs-url {ACS} --key-pair ours.pem"
    ));
    world.sql("UPDATE idp SET private_key = zeroblob(100)");
    assert_eq!(world.run("idp test corp -o json").json(20)["ok"], false);
    assert_eq!(
        world.json("idp edit corp --key-pair ours.pem")["changed"],
        true
    );
    assert_eq!(world.json("idp test corp")["ok"], true);
}

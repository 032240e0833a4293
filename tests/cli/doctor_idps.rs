//! Findings of `twofa doctor` about identity providers.

use snapbox::str;

use crate::doctor::{finds, healthy, paste, provoked};
use crate::idp::with_corp;
use crate::world::World;

const FILL: &[(&str, &str)] = &[("FILE", "entra.xml")];

/// A store that is healthy, with the provider `corp`, and certificates that end on 2026-12-20.
fn sound() -> World {
    let world = with_corp();
    world.write("ending.pem", include_str!("../keys/ending.pem"));
    world.write("ending_ours.pem", include_str!("../keys/ending_ours.pem"));
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    world
}

#[test]
fn certificates_end_and_are_replaced() {
    let world = sound();
    // While another takes over, the old one is no finding.
    world.ok("idp edit corp --add-certificate ending.pem");
    healthy(&world);
    let print = "f633ccf0";
    provoked(
        &world,
        "certificate_ends",
        |world| {
            world.ok(&format!("idp edit corp --remove-certificate {print}"));
        },
        FILL,
        str![[r#"
{
  "check": "idps",
  "kind": "certificate_ends",
  "severity": "warning",
  "message": "The certificate of `corp` is valid until 2026-12-20T00:00:00Z.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --metadata FILE"
  ]
}

"#]],
    );
    // Nor when it is over.
    world.ok("idp edit corp --add-certificate ending.pem");
    world.later(30 * 86_400);
    healthy(&world);
    world.ok(&format!("idp edit corp --remove-certificate {print}"));
    let mend = finds(
        &world,
        "certificate_over",
        str![[r#"
{
  "check": "idps",
  "kind": "certificate_over",
  "severity": "error",
  "message": "A certificate of `corp` was valid until 2026-12-20T00:00:00Z.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --metadata FILE"
  ]
}

"#]],
    );
    paste(&world, &mend, FILL);
    healthy(&world);
    provoked(
        &world,
        "own_certificate_ends",
        |world| {
            world.ok("idp edit corp --key-pair ending_ours.pem");
        },
        &[],
        str![[r#"
{
  "check": "idps",
  "kind": "own_certificate_ends",
  "severity": "warning",
  "message": "Our certificate with `corp` is valid until 2026-12-20T00:00:00Z.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --make-key"
  ]
}

"#]],
    );
}

#[test]
fn a_certificate_of_tomorrow_checks_nothing_today() {
    let world = sound();
    world.ok("idp edit corp --add-certificate provider.pem");
    world.ok("idp edit corp --remove-certificate f633ccf0");
    healthy(&world);
    world.later(-10 * 86_400);
    let mend = finds(
        &world,
        "certificate_early",
        str![[r#"
{
  "check": "idps",
  "kind": "certificate_early",
  "severity": "warning",
  "message": "The certificate of `corp` is not valid before 2026-11-28T22:46:33Z.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --metadata FILE"
  ]
}

"#]],
    );
    assert_eq!(mend, ["twofa idp edit corp --metadata FILE"]);
    // The clock goes on, or the file has another.
    world.ok("idp edit corp --add-certificate ending.pem");
    assert!(
        !crate::doctor::report(&world, "doctor")
            .to_string()
            .contains("certificate_early")
    );
}

#[test]
fn what_was_damaged_is_taken_from_the_file_again() {
    let world = sound();
    for (sql, kind) in [
        (
            "UPDATE idp_certificate SET not_after_at = not_after_at + 1",
            "dates",
        ),
        (
            "UPDATE idp_certificate SET fingerprint = 'abcd'",
            "fingerprint",
        ),
        (
            "UPDATE idp_certificate SET der = zeroblob(100)",
            "certificate",
        ),
    ] {
        world.sql(sql);
        let report = crate::doctor::report(&world, "doctor");
        let kinds: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["kind"].clone())
            .collect();
        assert_eq!(kinds, ["certificate_disagrees"], "{kind}");
        world.ok("idp edit corp --metadata entra.xml");
        healthy(&world);
    }
    provoked(
        &world,
        "certificate_disagrees",
        |world| world.sql("UPDATE idp_certificate SET not_before_at = 0"),
        FILL,
        str![[r#"
{
  "check": "idps",
  "kind": "certificate_disagrees",
  "severity": "error",
  "message": "What is kept of a certificate of `corp` is not what it says.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --metadata FILE"
  ]
}

"#]],
    );
    provoked(
        &world,
        "no_certificate",
        |world| world.sql("DELETE FROM idp_certificate"),
        FILL,
        str![[r#"
{
  "check": "idps",
  "kind": "no_certificate",
  "severity": "error",
  "message": "`corp` is enabled and has no certificate: nobody comes through it.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --metadata FILE"
  ]
}

"#]],
    );
    world.ok("idp edit corp --key-pair ours.pem");
    provoked(
        &world,
        "sealed_idp",
        |world| world.sql("UPDATE idp SET private_key = zeroblob(length(private_key))"),
        &[],
        str![[r#"
{
  "check": "key",
  "kind": "sealed_idp",
  "severity": "error",
  "message": "1 key of ours with an identity provider cannot be opened: `corp`.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --make-key"
  ]
}

"#]],
    );
}

#[test]
fn what_is_allowed_or_shut_is_told() {
    let world = sound();
    provoked(
        &world,
        "sha1_allowed",
        |world| {
            world.ok("idp edit corp --allow-sha1 yes");
        },
        &[],
        str![[r#"
{
  "check": "idps",
  "kind": "sha1_allowed",
  "severity": "warning",
  "message": "Signatures with SHA-1 are taken from `corp`, which can be forged.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp edit corp --allow-sha1 no"
  ]
}

"#]],
    );
    world.ok("idp default corp");
    provoked(
        &world,
        "default_disabled",
        |world| {
            world.ok("idp disable corp --yes");
        },
        &[],
        str![[r#"
{
  "check": "idps",
  "kind": "default_disabled",
  "severity": "error",
  "message": "The setting `DefaultSsoProvider` points at `corp`, which is not enabled.",
  "count": 1,
  "names": [
    "corp"
  ],
  "mend": [
    "twofa idp enable corp"
  ]
}

"#]],
    );
}

/// Of a provider that nobody comes through, only damage is told.
#[test]
fn a_disabled_provider_may_have_old_certificates() {
    let world = sound();
    world.ok(
        "idp edit corp --allow-sha1 yes --add-certificate ending.pem --remove-certificate f633ccf0",
    );
    world.ok("idp disable corp --yes");
    healthy(&world);
}

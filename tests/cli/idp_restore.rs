//! What a restore and stolen keys make of identity providers: nothing comes back that was taken away.

use serde_json::{Value, json};

use crate::idp::{ACS, with_corp};
use crate::world::World;

/// A login under way at the provider, and an assertion that counted.
fn under_way(world: &World, token: &str, hash: &str) {
    world.sql(&format!(
        "INSERT INTO sso_login (token, idp, request, created_at, expires_at) VALUES ('{token}', 1, 'r', 0, 9999999999);
         INSERT INTO sso_assertion (idp, id_hash, until_at) VALUES (1, x'{hash}', 9999999999)"
    ));
}

fn open(world: &World) -> i64 {
    world.number("SELECT count(*) FROM sso_login WHERE closed_at IS NULL")
}

fn of(world: &World, name: &str, field: &str) -> Value {
    world.json(&format!("idp show {name}"))[field].clone()
}

#[test]
fn a_restore_gives_nothing_back_that_was_taken_away() {
    let world = with_corp();
    for name in ["gone", "shut"] {
        world.ok(&format!(
            "idp add {name} --metadata okta.xml --acs-url {ACS}"
        ));
        world.ok(&format!("idp enable {name}"));
    }
    world.ok("idp edit corp --add-certificate stranger.pem --administrators yes --idp-initiated yes --allow-sha1 yes");
    under_way(&world, "before", "01");
    world.ok("backup kept.db");
    world.ok("idp edit corp --remove-certificate f633ccf0 --administrators no --idp-initiated no --allow-sha1 no --require-mfa-context yes");
    world.ok("idp edit corp --add-certificate curve.pem --name firm");
    world.ok("idp disable shut --yes");
    world.ok("idp remove gone --yes");
    world.ok("idp add young --metadata okta.xml");
    under_way(&world, "after", "02");
    world.ok("restore kept.db --yes");
    let corp = world.json("idp show corp");
    for (field, want) in [
        ("enabled", json!(true)),
        ("administrators", json!(false)),
        ("idp_initiated", json!(false)),
        ("allow_sha1", json!(false)),
        ("require_mfa_context", json!(true)),
    ] {
        assert_eq!(corp[field], want, "{field}");
    }
    // The one that both trust; the one that came later was not there.
    let prints: Vec<&str> = corp["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["fingerprint"].as_str().unwrap()[..8])
        .collect();
    assert_eq!(prints, ["94c5272b"]);
    assert_eq!(of(&world, "shut", "enabled"), false);
    assert_eq!(of(&world, "gone", "enabled"), false);
    world.run("idp show young").exits(3);
    assert_eq!(open(&world), 0);
    assert_eq!(
        world.text("SELECT group_concat(hex(id_hash)) FROM sso_assertion"),
        "01,02"
    );
}

/// For whom it speaks no more, and what it called somebody and was told to forget.
#[test]
fn a_restore_opens_no_provider_to_more_people() {
    let world = with_corp();
    world.ok(&format!(
        "idp add guests --metadata okta.xml --acs-url {ACS} --employees none --externals create"
    ));
    world.ok("idp enable guests");
    world.ok("idp edit corp --employees create --externals existing");
    world.sql(
        "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
             SELECT 1, 'was ' || login, id, '[]', 0, 0, 0 FROM user WHERE login IN ('alice', 'bob')",
    );
    world.ok("backup kept.db");
    world.ok("idp edit corp --employees existing --externals none --unlink alice");
    world.ok("idp edit guests --employees existing --externals none");
    world.ok("restore kept.db --yes");
    assert_eq!(of(&world, "corp", "employees"), "existing");
    assert_eq!(of(&world, "corp", "externals"), "none");
    assert_eq!(of(&world, "corp", "enabled"), true);
    assert_eq!(
        world.text("SELECT group_concat(subject) FROM idp_user"),
        "was bob"
    );
    // Nobody is left whom it speaks for in both.
    assert_eq!(of(&world, "guests", "enabled"), false);
    world.run("audit verify").succeeds();
}

/// One that lost the last certificate that both trust lets nobody in.
#[test]
fn a_provider_that_nothing_is_left_of_is_disabled() {
    let world = with_corp();
    world.ok("backup kept.db");
    world.ok("idp edit corp --add-certificate curve.pem --remove-certificate f633ccf0");
    world.ok("restore kept.db --yes");
    assert_eq!(of(&world, "corp", "certificates"), json!([]));
    assert_eq!(of(&world, "corp", "enabled"), false);
    world.run("audit verify").succeeds();
}

#[test]
fn without_a_live_store_logins_under_way_are_void() {
    let world = with_corp();
    under_way(&world, "before", "01");
    world.ok("backup kept.db");
    std::fs::remove_file(world.file("twofa.db")).unwrap();
    world.ok("restore kept.db --yes");
    assert_eq!(open(&world), 0);
    assert_eq!(of(&world, "corp", "enabled"), true);
    assert_eq!(
        world.text("SELECT group_concat(hex(id_hash)) FROM sso_assertion"),
        "01"
    );
}

#[test]
fn stolen_keys_void_logins_and_name_the_pairs() {
    let world = with_corp();
    world.ok("idp edit corp --key-pair ours.pem");
    world.ok("idp add plain --metadata okta.xml");
    under_way(&world, "before", "01");
    world.ok("key rotate --yes");
    assert_eq!(open(&world), 1);
    let done = world.run("key rotate --compromised --yes -o json").exits(0);
    let rotated: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(rotated["pairs_known"], json!(["corp"]));
    assert!(
        done.stderr.contains("1 identity provider needs another key pair of ours, for the old key is known: `twofa idp edit NAME --make-key`."),
        "{}",
        done.stderr
    );
    assert_eq!(open(&world), 0);
    assert_eq!(world.json("idp test corp")["ok"], true);
}

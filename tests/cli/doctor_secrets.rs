//! Findings of `twofa doctor` about secrets of apps.

use std::rc::Rc;
use std::time::Duration;

use twofa::clock::{Source, System};
use twofa::store::{Place, Store};
use twofa::vault::Label;
use twofa::verb::verb;

use snapbox::str;

use crate::doctor::{finds, healthy, paste, provoked};
use crate::world::World;

/// Gives the connected app of a user a secret, as an import from elsewhere would.
fn with_secret(world: &World, login: &str, base32: &str) {
    let bytes = data_encoding::BASE32.decode(base32.as_bytes()).unwrap();
    let source: Rc<dyn Source> = Rc::new(System);
    let store = Store::open(
        &Place::new(world.file("twofa.db"), None),
        verb("status").unwrap(),
        Duration::from_secs(5),
        source,
    )
    .unwrap();
    let vault = store.vault().unwrap();
    let id = world.number(&format!(
        "SELECT authenticator.id FROM authenticator JOIN user ON user.id = user WHERE login = '{login}'"
    ));
    let label = Label("authenticator.secret");
    let sealed = vault.seal(label, id, &bytes, store.source()).unwrap();
    let print = vault.hash(Label("authenticator.fingerprint"), &[&bytes]);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    world.sql(&format!(
        "UPDATE authenticator SET secret = x'{}', fingerprint = x'{}' WHERE id = {id}",
        hex(&sealed),
        hex(&print.unwrap())
    ));
}

#[test]
fn secrets_that_protect_nobody() {
    let world = World::with_email();
    for login in ["alice", "bob"] {
        world.connect(login);
    }
    provoked(
        &world,
        "short_secret",
        // 120 bits, of nobody's manual.
        |world| with_secret(world, "alice", "MFRGGZDFMZTWQ2LKNNWG23TP"),
        &[],
        str![[r#"
{
  "check": "secrets",
  "kind": "short_secret",
  "severity": "error",
  "message": "1 app has a secret of fewer than 128 bits: `alice`. Each needs to be connected anew.",
  "count": 1,
  "names": [
    "alice"
  ],
  "mend": [
    "twofa authenticator connect alice"
  ]
}

"#]],
    );
    // So is this one, and shorter.
    with_secret(&world, "bob", "JBSWY3DPEHPK3PXP");
    finds(
        &world,
        "short_secret",
        str![[r#"
{
  "check": "secrets",
  "kind": "short_secret",
  "severity": "error",
  "message": "1 app has a secret of fewer than 128 bits: `bob`. Each needs to be connected anew.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
    let mend = finds(
        &world,
        "published_secret",
        str![[r#"
{
  "check": "secrets",
  "kind": "published_secret",
  "severity": "error",
  "message": "1 app has a secret that stands in a manual: `bob`. Each needs to be connected anew.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
    provoked(
        &world,
        "published_secret",
        |world| with_secret(world, "bob", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        &[],
        str![[r#"
{
  "check": "secrets",
  "kind": "published_secret",
  "severity": "error",
  "message": "1 app has a secret that stands in a manual: `bob`. Each needs to be connected anew.",
  "count": 1,
  "names": [
    "bob"
  ],
  "mend": [
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
    provoked(
        &world,
        "shared_secret",
        |world| {
            for login in ["alice", "bob"] {
                with_secret(world, login, "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U");
            }
        },
        &[],
        str![[r#"
{
  "check": "secrets",
  "kind": "shared_secret",
  "severity": "error",
  "message": "2 apps share 1 secret: `alice`, `bob`. Each needs to be connected anew.",
  "count": 2,
  "names": [
    "alice",
    "bob"
  ],
  "mend": [
    "twofa authenticator connect alice",
    "twofa authenticator connect bob"
  ]
}

"#]],
    );
}

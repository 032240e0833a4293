//! `twofa audit archive`, `export`, `anchor`, and what `verify` holds them against.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use snapbox::str;

use crate::world::World;

/// Events of January and of February.
fn eventful() -> World {
    let world = World::with_email();
    world.later(40 * 86_400);
    world.ok("user edit alice --name 'Alice Adams' --reason 'a=b|c'");
    world.ok("user edit bob --name Bob");
    world
}

#[test]
fn old_rows_go_into_a_file_and_the_chain_goes_on() {
    let world = eventful();
    let anchor = world.ok("audit anchor -o json").stdout;
    world.write("anchor.json", &anchor);
    let done = world
        .run("audit archive --from 2026-01-01 --till 2026-01-31 --out old.jsonl --yes -o json")
        .succeeds();
    assert_eq!(
        done.stderr,
        "--from was understood as 2026-01-01T00:00:00Z, --till as 2026-01-31T00:00:00Z.\n7 rows went into `old.jsonl`. Keep it: the log keeps only their digests.\n"
    );
    let made: Value = serde_json::from_str(&done.stdout).unwrap();
    let bytes = std::fs::read(world.file("old.jsonl")).unwrap();
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    assert_eq!(
        made,
        json!({ "archive": "0d68b5523766a619", "file": "old.jsonl", "rows": 7, "first": 1, "last": 7, "sha256": sha256,
                "changed": true, "warnings": [] })
    );
    world.run("audit list").shows(str![[r#"
$ twofa audit list
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT           SUBJECT           OUTCOME  REASON
10   2026-02-10T00:00:00Z  Supervisor  audit.archived  0d68b5523766a619  ok       –
9    2026-02-10T00:00:00Z  Supervisor  user.edited     bob               ok       –
8    2026-02-10T00:00:00Z  Supervisor  user.edited     alice             ok       –

"#]]);
    world
        .run("audit verify --anchor anchor.json --archive old.jsonl")
        .shows(str![[r#"
$ twofa audit verify --anchor anchor.json --archive old.jsonl
? 0
--- stdout
intact     yes
rows       3
archived   7
head       10
first bad  –
damage     –
archives   0d68b5523766a619 intact 7 7
--- stderr
The audit log is intact.
The archive `old.jsonl` is intact.

"#]]);
    let found = world.json("audit verify --archive old.jsonl");
    assert_eq!(
        (
            &found["rows"],
            &found["archived"],
            &found["archives"][0]["rows"]
        ),
        (&json!(3), &json!(7), &json!(7))
    );
    // What is gone is gone; what leads to it leads no further.
    world.run("audit show 3").exits(3);
    world.ok("audit list --user alice");
    world.ok("user edit alice --name Alice");
    world.ok("audit verify");
    world
        .run("audit archive --from 2026-01-01 --till 2026-01-31 --out more.jsonl --yes")
        .shows(str![[r#"
$ twofa audit archive --from 2026-01-01 --till 2026-01-31 --out more.jsonl --yes
? 0
--- stdout
archive  –
file     more.jsonl
rows     0
first    –
last     –
sha256   –
changed  no
--- stderr
--from was understood as 2026-01-01T00:00:00Z, --till as 2026-01-31T00:00:00Z.
There is nothing to archive.

"#]]);
    assert!(!world.file("more.jsonl").exists());
}

#[test]
fn what_stops_it() {
    let world = eventful();
    let archive = "audit archive --from 2026-01-01 --till 2026-01-31 --out";
    world.run(&format!("{archive} old.jsonl")).shows(str![[r#"
$ twofa audit archive --from 2026-01-01 --till 2026-01-31 --out old.jsonl
? 2
--- stderr
error: are you sure? 7 rows go from the audit log into `old.jsonl`; the chain keeps their digests.
 hint: say yes with --yes

"#]]);
    assert!(!world.file("old.jsonl").exists());
    assert_eq!(
        std::fs::read_dir(world.path())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().contains("unfinished")
            })
            .count(),
        0
    );
    world.write("old.jsonl", "mine");
    world
        .run(&format!("{archive} old.jsonl --yes"))
        .shows(str![[r#"
$ twofa audit archive --from 2026-01-01 --till 2026-01-31 --out old.jsonl --yes
? 4
--- stderr
error: `old.jsonl` is there already
 hint: an archive never takes the place of another file: name another one

"#]]);
    world
        .run(&format!("{archive} nowhere/old.jsonl --yes"))
        .exits(1);
    world
        .run("audit archive --from 2026-02-01 --till 2026-01-01 --out x --yes")
        .exits(4);
    world
        .run("audit archive --from 2026-02-01 --out x")
        .exits(2);
    world
        .run("audit archive --from 2026-01-01 --till 2026-01-31 --event logon --out x --yes")
        .exits(3);
    world.ok("permission grant CanViewSysOperationAudit --user alice");
    let denied = world
        .run(&format!("{archive} x --yes --as alice -o json"))
        .exits(5);
    assert_eq!(denied.error()["operation"], "CanManageSysOperationAudit");
    // A log that was tampered with is kept as it is.
    world.sql("UPDATE audit SET subject = 'x' WHERE seq = 3");
    world.run(&format!("{archive} y --yes")).shows(str![[r#"
$ twofa audit archive --from 2026-01-01 --till 2026-01-31 --out y --yes
? 4
--- stderr
error: row 3 of the audit log was tampered with
 hint: `twofa audit verify` says how; an archive would make it true

"#]]);
    assert!(!world.file("y").exists());
}

/// Each kind of damage by the command, and what it exits with.
#[test]
fn damage_is_named() {
    let world = eventful();
    let anchor = world.ok("audit anchor -o json").stdout;
    world.write("anchor.json", &anchor);
    world.ok("audit archive --from 2026-01-01 --till 2026-01-31 --out old.jsonl --yes");
    let text = std::fs::read_to_string(world.file("old.jsonl")).unwrap();
    world.write("old.jsonl", &text.replacen("alice", "mallory", 1));
    world.run("audit verify --archive old.jsonl -q").exits(20);
    world.write("old.jsonl", &text);
    world.ok("audit verify --archive old.jsonl");
    world.run("audit verify --archive anchor.json").exits(4);
    world.run("audit verify --archive nothing").exits(1);
    world.run("audit verify --anchor old.jsonl").shows(str![[r#"
$ twofa audit verify --anchor old.jsonl
? 4
--- stderr
error: this is no anchor: missing field `seq` at line 1 column 169
 hint: `twofa audit anchor -o json` prints one

"#]]);
    // An older file in its place.
    let older = World::with_email();
    let kept: Value = serde_json::from_str(&anchor).unwrap();
    assert_eq!(older.json("audit anchor")["store_id"], kept["store_id"]);
    older.write("anchor.json", &anchor);
    older
        .run("audit verify --anchor anchor.json")
        .shows(str![[r#"
$ twofa audit verify --anchor anchor.json
? 20
--- stdout
intact     no
rows       7
archived   0
head       7
first bad  8
damage     rolled_back
archives   –
--- stderr
The audit log was tampered with: row 8 (the file was rolled back behind the anchor).

"#]]);
    older.write(
        "anchor.json",
        &anchor.replace(kept["store_id"].as_str().unwrap(), "another"),
    );
    older.run("audit verify --anchor anchor.json").exits(4);
}

#[test]
fn for_other_systems() {
    let world = eventful();
    world
        .run("audit export --user alice --limit 3")
        .shows(str![[r#"
$ twofa audit export --user alice --limit 3
? 0
--- stdout
seq,at,actor,os_user,event,subject,outcome,reason,note,detail
2,2026-01-01T00:00:00Z,Supervisor,[ACCOUNT],user.added,alice,ok,,,"{""login"":{""old"":null,""new"":""alice""},""name"":{""old"":null,""new"":""Alice""},""email"":{""old"":null,""new"":""alice@example.com""},""type"":{""old"":null,""new"":""employee""},""language"":{""old"":null,""new"":""en""},""password"":{""old"":null,""new"":""set""}}"
8,2026-02-10T00:00:00Z,Supervisor,[ACCOUNT],user.edited,alice,ok,,a=b|c,"{""name"":{""old"":""Alice"",""new"":""Alice Adams""}}"

"#]]);
    let lines = world.ok("audit export --event user -o ndjson").stdout;
    let seqs: Vec<i64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert!(seqs.is_sorted() && seqs.len() == 4, "{seqs:?}");
    assert_eq!(world.json("audit export").as_array().unwrap().len(), 9);
    world
        .run("audit export --since 2026-02-01 --limit 1 --lines syslog")
        .shows(str![[r#"
$ twofa audit export --since 2026-02-01 --limit 1 --lines syslog
? 0
--- stdout
<85>1 2026-02-10T00:00:00Z - twofa - user.edited - CEF:0|twofa|twofa|0.1.0|user.edited|a user was edited|3|rt=1770681600000 externalId=8 suser=Supervisor outcome=ok msg=a\=b|c cs1Label=subject cs1=alice cs2Label=osUser cs2=[ACCOUNT] cs3Label=detail cs3={"name":{"old":"Alice","new":"Alice Adams"}}
--- stderr
--since was understood as 2026-02-01T00:00:00Z.

"#]]);
    let cef = world
        .ok("audit export --since 2026-02-01 --lines cef")
        .stdout;
    assert_eq!(
        cef.lines()
            .filter(|line| line.starts_with("CEF:0|twofa|"))
            .count(),
        2
    );
    world.run("audit export --lines cef -o json").exits(2);
    world.run("audit export --lines leef").exits(2);
}

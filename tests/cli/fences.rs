//! Fences that no compiler holds: who may know whom, and who writes which table.
//!
//! Both read the sources as text, without comments and without what is compiled for tests alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::lints::{relative, root, rust_files};

/// The modules of the library from the ground up: each may use those above it in this list, and itself. A module within
/// another has a line of its own where those below its parent use it.
///
/// The binary stands above all of them, which the compiler holds: it is another crate.
const ORDER: &[&str] = &[
    // What everything stands on.
    "error",
    "verb",
    "name",
    "clock",
    "secret",
    "files",
    "progress",
    "totp",
    // SAML, which knows no store.
    "sso",
    "vault",
    "store",
    "audit",
    "plan",
    "ask",
    // The nouns.
    "user::rules",
    "user::kind",
    "template",
    "mailbox",
    "sms_provider",
    "idp",
    "setting",
    "idp::row",
    "method",
    "challenge",
    "permission",
    "group",
    "user",
    "idp::subject",
    "idp::edit",
    "idp::checkup",
    "password",
    "recovery",
    "authenticator",
    // Who runs a command. Below the login, for a denied one is kept in the audit log as whoever ran it.
    "actor",
    "oauth_client",
    "delivery",
    "sealed",
    // What is decided, and how it is written.
    "login",
    "guard",
    "confirmation",
    "change",
    // Commands with no noun of their own.
    "enrol",
    "init",
    "coverage",
    "status",
    "archive",
    "rotation",
    "doctor",
    "backup",
    // Many plans of the nouns as one.
    "policy",
    // The parsers of all of them, for tests and the fuzzer.
    "fuzzing",
];

/// Who writes a table: its noun, and who else for a reason.
const WRITERS: &[(&str, &[&str])] = &[
    // Every sealed column is sealed anew, whatever its table.
    ("{table", &["rotation.rs"]),
    ("audit", &["audit/mod.rs", "audit/archive.rs"]),
    ("audit_head", &["audit/mod.rs"]),
    ("audit_block", &["audit/block.rs"]),
    ("audit_tombstone", &["audit/tombstone.rs"]),
    ("authenticator", &["authenticator.rs"]),
    ("authenticator_setup", &["authenticator.rs"]),
    ("challenge", &["challenge.rs"]),
    ("data_key", &["vault.rs", "vault/rotate.rs"]),
    // Rows come and go with grants; the gaps that a removed user or group leaves are closed by the module itself.
    ("grantee", &["permission/grant.rs", "permission/mod.rs"]),
    // The groups of `schema.sql` get the moment at which their store was made.
    ("group", &["group/edit.rs", "store/create.rs"]),
    ("group_group", &["group/member.rs"]),
    // A file of users writes many rows at a time.
    ("group_user", &["group/member.rs", "user/import/write.rs"]),
    ("identity", &["user/edit.rs", "user/import/write.rs"]),
    // A restore keeps what the live store took away.
    ("idp", &["idp/edit/mod.rs", "idp/kept.rs"]),
    ("idp_certificate", &["idp/edit/mod.rs", "idp/kept.rs"]),
    ("idp_group", &["idp/edit/mod.rs"]),
    (
        "idp_user",
        &["idp/edit/mod.rs", "idp/kept.rs", "idp/subject.rs"],
    ),
    ("mailbox", &["mailbox/mod.rs"]),
    ("method", &["method.rs"]),
    // A client keeps when it got its last token; a restore keeps what the live store took away.
    (
        "oauth_client",
        &[
            "oauth_client/edit.rs",
            "oauth_client/mod.rs",
            "oauth_client/token.rs",
        ],
    ),
    ("outbox", &["delivery/outbox.rs"]),
    ("password_history", &["password/history.rs"]),
    ("recovery_code", &["recovery.rs"]),
    ("recovery_request", &["login/recover.rs"]),
    ("setting", &["setting/mod.rs"]),
    // The store names its first administrator in the transaction that makes them.
    ("sms_provider", &["sms_provider/edit.rs"]),
    // Ids go on behind those of the store that a backup takes the place of.
    ("sqlite_sequence", &["store/copy.rs"]),
    ("sso_assertion", &["idp/kept.rs", "login/redirected.rs"]),
    ("sso_login", &["idp/kept.rs", "login/redirected.rs"]),
    ("store", &["store/create.rs", "user/edit.rs"]),
    ("template_words", &["template/edit.rs"]),
    ("unknown_login", &["login/tries.rs"]),
    // A password is a noun of its own in a column of the user; tries count, lock and deactivate; the log keeps there
    // where a user's events begin.
    (
        "user",
        &[
            "user/edit.rs",
            "user/state.rs",
            "user/import/write.rs",
            "password/mod.rs",
            "login/tries.rs",
            "audit/mod.rs",
        ],
    ),
];

/// The code of every file of the library, by its path below `src/`.
fn library() -> BTreeMap<String, String> {
    let src = root().join("src");
    rust_files("src")
        .into_iter()
        .filter(|path| !path.starts_with(src.join("bin")) && *path != src.join("lib.rs"))
        .filter(|path| !is_for_tests(path))
        .map(|path| {
            let name = relative(&path)["src/".len()..].to_owned();
            (name, code(&fs::read_to_string(path).unwrap()))
        })
        .collect()
}

/// How a module of tests begins.
const TESTS: [&str; 2] = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub(crate) mod "];

/// Whether the module above includes this file for tests alone.
pub fn is_for_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    let above = [
        path.with_file_name("mod.rs"),
        path.parent().unwrap().with_extension("rs"),
    ];
    above.iter().any(|above| {
        fs::read_to_string(above).is_ok_and(|text| {
            TESTS
                .iter()
                .any(|head| text.contains(&format!("{head}{name};")))
        })
    })
}

/// `text` without comments and without its module of tests, which ends a file.
fn code(text: &str) -> String {
    let end = TESTS
        .iter()
        .filter_map(|head| {
            text.match_indices(head).map(|(at, _)| at).find(|at| {
                text[*at..]
                    .lines()
                    .nth(1)
                    .is_some_and(|line| line.ends_with('{'))
            })
        })
        .min()
        .unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// The module of a file, as segments.
fn module(file: &str) -> Vec<&str> {
    let path = file.trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').collect()
}

/// Every path of `code` that starts at the crate, at this module or at the one above; braces are taken apart.
fn paths(code: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for head in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(head) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':') {
                continue;
            }
            let rest = &code[at..];
            let plain = rest.find(|c| !is_word(c) && c != ':').unwrap_or(rest.len());
            let whole = if rest[plain..].starts_with('{') && rest[..plain].ends_with("::") {
                plain + closing(&rest[plain..])
            } else {
                plain
            };
            taken_apart(&rest[..whole], &mut found);
        }
    }
    found
}

/// The length of what stands in braces at the start of `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn taken_apart(path: &str, found: &mut Vec<String>) {
    let Some(open) = path.find('{') else {
        let path = path.split_whitespace().next().unwrap_or_default();
        found.push(path.trim_end_matches(':').to_owned());
        return;
    };
    let (prefix, inside) = (&path[..open], &path[open + 1..path.len() - 1]);
    let (mut depth, mut start) = (0, 0);
    let mut items = Vec::new();
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&inside[start..]);
    for item in items
        .into_iter()
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        taken_apart(&format!("{prefix}{item}"), found);
    }
}

/// The segments of `path` from the crate down, read in the module `here`.
fn absolute<'a>(here: &[&'a str], path: &'a str) -> Vec<&'a str> {
    let mut at = here.to_vec();
    for (place, segment) in path.split("::").enumerate() {
        match segment {
            "crate" => at.clear(),
            "super" => {
                at.pop();
            }
            "self" if place == 0 => {}
            other => at.push(other),
        }
    }
    at
}

/// The place in [`ORDER`] of what `segments` leads to.
fn rank(segments: &[&str]) -> Option<usize> {
    (1..=segments.len()).rev().find_map(|length| {
        let name = segments[..length].join("::");
        ORDER.iter().position(|module| *module == name)
    })
}

#[test]
fn arrows_point_one_way() {
    let mut wrong = BTreeSet::new();
    let mut arrows = BTreeSet::new();
    for (file, code) in library() {
        let here = module(&file);
        let Some(user) = rank(&here) else {
            wrong.insert(format!("src/{file} has no place in ORDER"));
            continue;
        };
        for path in paths(&code) {
            match rank(&absolute(&here, &path)) {
                None => {
                    wrong.insert(format!(
                        "src/{file} uses `{path}`, which has no place in ORDER"
                    ));
                }
                Some(used) if used > user => {
                    wrong.insert(format!(
                        "src/{file} uses `{path}`: `{}` stands above `{}`",
                        ORDER[used], ORDER[user]
                    ));
                }
                Some(used) => {
                    arrows.insert((user, used));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Each module but those at the ground leans on `error` at least: what finds fewer arrows reads nothing.
    assert!(arrows.len() > 3 * ORDER.len(), "{arrows:?}");
}

#[test]
fn every_place_in_the_order_is_a_module() {
    for name in ORDER {
        let path = root().join("src").join(name.replace("::", "/"));
        assert!(
            path.with_extension("rs").is_file() || path.join("mod.rs").is_file(),
            "`{name}` is no module"
        );
        assert_eq!(ORDER.iter().filter(|other| other == &name).count(), 1);
    }
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = "//! crate::no\nuse crate::a::{self, B as C, d::{E, f::G}};\nuse super::{h, i};\n\
                pub use self::j::K;\nfn l() -> crate::m::N { n_crate::o(self.p, super::super::q()) }\n\
                #[cfg(test)]\nfn kept() { crate::r() }\n#[cfg(test)]\nmod tests {\n    use crate::s;\n}\n";
    let mut found = paths(&code(text));
    found.sort();
    assert_eq!(
        found,
        [
            "crate::a::B",
            "crate::a::d::E",
            "crate::a::d::f::G",
            "crate::a::self",
            "crate::m::N",
            "crate::r",
            "self::j::K",
            "super::h",
            "super::i",
            "super::super::q",
        ]
    );
    let here = module("user/mod.rs");
    assert_eq!(here, ["user"]);
    assert_eq!(
        absolute(&here, "self::kind::Type"),
        ["user", "kind", "Type"]
    );
    let here = module("user/edit.rs");
    assert_eq!(
        absolute(&here, "super::kind::Type"),
        ["user", "kind", "Type"]
    );
    assert_eq!(absolute(&here, "super::super::name"), ["name"]);
    assert!(rank(&["user", "kind", "Type"]) < rank(&["user", "User"]));
}

/// The tables that the statements in `code` write.
fn written(code: &str) -> Vec<String> {
    let mut tables = Vec::new();
    for verb in ["INTO", "UPDATE", "DELETE FROM"] {
        for (at, _) in code.match_indices(verb) {
            let rest = &code[at + verb.len()..];
            // Not a part of a longer word.
            if !rest.starts_with(char::is_whitespace) {
                continue;
            }
            let word = rest.split_whitespace().next().unwrap_or_default();
            let table = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '{');
            // `ON CONFLICT DO UPDATE SET` names no table.
            if table != "SET" {
                tables.push(table.to_owned());
            }
        }
    }
    tables
}

#[test]
fn a_table_is_written_by_its_noun() {
    let mut wrong = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (file, code) in library() {
        // What the doctor prints for a person to run it does not run: it has nothing that writes.
        if file.starts_with("doctor/") {
            let writes = ["Tx", ".write(", "write_for_one", "execute"];
            let found = writes.into_iter().find(|word| code.contains(word));
            assert_eq!(found, None, "src/{file} could write");
            continue;
        }
        // An overlay has tables of the same names in memory, and writes no store's.
        if file == "store/overlay.rs" {
            continue;
        }
        for table in written(&code) {
            let allowed = WRITERS
                .iter()
                .find(|(name, _)| *name == table)
                .is_some_and(|(_, files)| files.contains(&file.as_str()));
            if !allowed {
                wrong.insert(format!("src/{file} writes the table `{table}`"));
            }
            seen.insert((table, file.clone()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (table, files) in WRITERS {
        for file in *files {
            assert!(
                seen.contains(&((*table).to_owned(), (*file).to_owned())),
                "src/{file} no longer writes `{table}`"
            );
        }
    }
}

#[test]
fn every_writing_statement_is_seen() {
    let text = r#"
        "INSERT INTO a (b) VALUES (1)" "INSERT OR IGNORE INTO \"c\" (d)" "REPLACE INTO e VALUES (1)"
        "UPDATE f SET g = 1" "DELETE FROM h" "INSERT INTO i (j) ON CONFLICT (j) DO UPDATE SET j = 1"
        "UPDATE
             k SET l = 1" format!("DELETE FROM {table}") "SELECT m FROM n" Opens::UPDATES"#;
    let mut tables = written(text);
    tables.sort();
    assert_eq!(tables, ["a", "c", "e", "f", "h", "i", "k", "{table"]);
}

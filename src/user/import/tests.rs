//! What holds for every file.

use std::io::Cursor;

use proptest::prelude::*;

use super::seen::TOLD;
use super::*;
use crate::store::tests::{Fresh, fresh};
use crate::user::export;

fn with(text: &[u8], options: Options) -> Result<ImportUsers> {
    let file = Box::new(Cursor::new(text.to_vec()));
    ImportUsers::new(file, options)
}

fn read(text: &[u8]) -> Result<ImportUsers> {
    with(text, Options::default())
}

fn on_conflict(text: &str, on_conflict: OnConflict) -> ImportUsers {
    let options = Options {
        on_conflict,
        ..Options::default()
    };
    with(text.as_bytes(), options).unwrap()
}

fn take(fresh: &Fresh, import: &ImportUsers) -> Result<Counts> {
    if !import.changes(&fresh.store)?.is_empty() {
        fresh.store.write(|tx| import.write(tx))?;
    }
    Ok(import.counts())
}

/// All users, as a file.
fn exported(fresh: &Fresh) -> Vec<export::Exported> {
    let mut all = Vec::new();
    export::export(&fresh.store, &mut |one| {
        all.push(one);
        Ok(())
    })
    .unwrap();
    all
}

#[test]
fn files_are_read_with_bom_crlf_and_quoted_breaks() {
    let text = "\u{feff}login,Name,email,groups,active\r\nalice,\"Alice\nA.\",alice@example.com,System administrators; ,yes\r\nbob,,,,\r\n";
    // A line break inside a name is a control character, and refused with its line.
    let fresh = fresh();
    let error = read(text.as_bytes())
        .and_then(|import| import.changes(&fresh.store))
        .unwrap_err();
    assert_eq!(
        error.message(),
        "line 2: the name `Alice\\u{a}A.` has a control character in it"
    );
    let text = text.replace("Alice\nA.", "Alice A.");
    let import = read(text.as_bytes()).unwrap();
    assert_eq!(import.changes(&fresh.store).unwrap().len(), 2);
    fresh.store.write(|tx| import.write(tx)).unwrap();
    assert!(
        import.changes(&fresh.store).unwrap().is_empty(),
        "again is fine"
    );
    assert_eq!(
        crate::user::find(&fresh.store, "ALICE@example.com")
            .unwrap()
            .login,
        "alice"
    );
}

#[test]
fn a_bad_line_is_named() {
    let fresh = fresh();
    for (text, said) in [
        ("", "line 1: the column `login` is missing"),
        ("login,emial\na,b\n", "line 1: `emial` is no column"),
        (
            "login,login\na,b\n",
            "line 1: the column `login` stands twice",
        ),
        (
            "login,phone\nalice,123\n",
            "line 2: `123` is no phone number: it is + and 7 to 15 digits, the first not 0",
        ),
        (
            "login\nalice\nALICE\n",
            "line 3: `ALICE` stands in line 2 already",
        ),
        (
            "login,active\nalice,maybe\n",
            "line 2: `maybe` is neither true nor false",
        ),
        ("login,name\n,x\n", "line 2: the login is blank"),
        (
            "login,password_hash\na,$2b$x\n",
            "line 2: the password hash is of a kind that is not read",
        ),
    ] {
        assert_eq!(
            read(text.as_bytes())
                .and_then(|import| import.changes(&fresh.store))
                .unwrap_err()
                .message(),
            said
        );
    }
}

#[test]
fn records_have_a_limit() {
    let fresh = fresh();
    let said = |head: &str, length: usize| {
        let text = [head.as_bytes(), &vec![b'x'; length]].concat();
        let error = read(&text).unwrap().changes(&fresh.store).unwrap_err();
        error.message()
    };
    // An open quote swallows what follows: reading stops long before the end of the file.
    assert_eq!(
        said("login,name\nalice,\"", 1 << 20),
        "line 2: it is longer than 64 KiB"
    );
    assert_eq!(said("", 1 << 20), "line 1: it is longer than 64 KiB");
}

#[test]
fn one_run_tells_every_kind_of_problem() {
    let fresh = fresh();
    let text = b"login,phone,groups\nalice\nbob,123,\n\xff,,\ncarol,,Nowhere\nBOB,,\ndave,,\n";
    let error = read(&text[..])
        .and_then(|import| import.changes(&fresh.store))
        .unwrap_err();
    assert_eq!(
        error.message(),
        "5 lines cannot be imported:\n  line 2: it has 1 field where the first line names 3\n  line 3: `123` is no phone number: it is + and 7 to 15 digits, the first not 0\n  line 4: it is not UTF-8\n  line 5: no group is named `Nowhere`\n  line 6: `BOB` stands in line 3 already"
    );
    assert_eq!(error.detail()["lines"], serde_json::json!([2, 3, 4, 5, 6]));
    assert_eq!(
        error.detail()["problems"][2],
        serde_json::json!({ "line": 4, "message": "it is not UTF-8" })
    );
}

proptest! {
    #[test]
    fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}

#[test]
fn what_separates_fields_is_seen_from_the_first_line() {
    for text in [
        "login,name,groups\nalice,A,System administrators\n",
        "login;name;groups\nalice;A;\"System administrators; \"\n",
        "login\tname\tgroups\nalice\tA\tSystem administrators\n",
        "\"login\";\"na,me,\";\"name\"\nalice;;A\n",
    ] {
        let fresh = fresh();
        let options = Options {
            mappings: vec![("na,me,".into(), None)],
            ..Options::default()
        };
        let options = if text.contains("na,me,") {
            options
        } else {
            Options::default()
        };
        let import = with(text.as_bytes(), options).unwrap();
        assert_eq!(take(&fresh, &import).unwrap().added, 1, "{text}");
        let alice = crate::user::find(&fresh.store, "alice").unwrap();
        assert_eq!(alice.name.as_deref(), Some("A"), "{text}");
    }
}

/// An open quote takes in the lines below it, also in a column that is left out; a closed one has its line breaks.
#[test]
fn a_quote_is_closed() {
    let fresh = fresh();
    let options = || Options {
        mappings: vec![("dept".into(), None)],
        ..Options::default()
    };
    for text in [
        "login,dept\na,\"foo\nb,bar\nc,baz\n",
        "login,dept\na,x\nb,\"foo\nbar",
        "login,dept\na,\"foo\nbar\"\"\n",
    ] {
        let import = with(text.as_bytes(), options()).unwrap();
        let error = import.changes(&fresh.store).unwrap_err();
        assert!(
            error.message().ends_with("a quote is not closed"),
            "{text}: {error}"
        );
    }
    for text in [
        "login,dept\na,\"foo\nbar\"\n",
        "login,dept\na,\"foo\n\"\"bar\"\"\"\r\n\n",
        "dept,login\n\"foo\nbar\",a\n",
        "login,dept\na,5\" disk\n",
    ] {
        let import = with(text.as_bytes(), options()).unwrap();
        assert_eq!(import.changes(&fresh.store).unwrap().len(), 1, "{text}");
    }
}

#[test]
fn columns_are_mapped() {
    let fresh = fresh();
    let map = |texts: &[&str]| Options {
        mappings: texts.iter().map(|text| mapping(text).unwrap()).collect(),
        ..Options::default()
    };
    let text = b"UID,Mail,Password\nalice,a@example.com,x\n";
    let import = with(text, map(&["uid=login", "MAIL=email", "password="])).unwrap();
    assert_eq!(take(&fresh, &import).unwrap().added, 1);
    assert_eq!(
        crate::user::find(&fresh.store, "a@example.com")
            .unwrap()
            .login,
        "alice"
    );
    for (options, message) in [
        (
            map(&["uid=login", "mial=email"]),
            "line 1: no column is named `mial`",
        ),
        (
            map(&["uid=login", "mail=login"]),
            "line 1: the column `login` stands twice",
        ),
    ] {
        let error = with(text, options)
            .unwrap()
            .changes(&fresh.store)
            .unwrap_err();
        assert_eq!(error.message(), message);
    }
    assert_eq!(mapping("a").unwrap_err().kind(), Kind::Usage);
    assert_eq!(
        mapping("a=emial").unwrap_err().hint_text(),
        Some("did you mean `email`?")
    );
}

#[test]
fn a_user_who_differs_is_rejected_left_or_changed() {
    let fresh = fresh();
    take(
        &fresh,
        &read(b"login,name,phone\nalice,A,+4930123456\nbob,B,\n").unwrap(),
    )
    .unwrap();
    let text = "login,name,phone,groups\nALICE,Alice,,System administrators\nbob,B,,\ncarol,,,\n";
    let refused = on_conflict(text, OnConflict::Fail);
    assert_eq!(
        refused.changes(&fresh.store).unwrap_err().message(),
        "line 2: the user `alice` exists and differs in name, groups"
    );
    let skipped = on_conflict(text, OnConflict::Skip);
    let counts = Counts {
        added: 1,
        unchanged: 1,
        skipped: 1,
        ..Counts::default()
    };
    assert_eq!(take(&fresh, &skipped).unwrap(), counts);
    let updated = on_conflict(text, OnConflict::Update);
    let counts = Counts {
        updated: 1,
        unchanged: 2,
        ..Counts::default()
    };
    assert_eq!(take(&fresh, &updated).unwrap(), counts);
    let alice = crate::user::find(&fresh.store, "alice").unwrap();
    // What is not given stays, and so does how the login is written.
    assert_eq!(
        (
            alice.login.as_str(),
            alice.name.as_deref(),
            alice.phone.as_deref()
        ),
        ("alice", Some("Alice"), Some("+4930123456"))
    );
    let counts = Counts {
        unchanged: 3,
        ..Counts::default()
    };
    assert_eq!(
        take(&fresh, &on_conflict(text, OnConflict::Update)).unwrap(),
        counts
    );
}

/// A file that becomes another one between two readings is not imported.
#[test]
fn the_file_is_the_same_each_time() {
    #[derive(Debug)]
    struct Changing(Cursor<Vec<u8>>, u32);
    impl std::io::Read for Changing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl std::io::Seek for Changing {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.1 += 1;
            // The end, then two for each reading.
            if self.1 > 3 {
                self.0.get_mut()[6] = b'b';
            }
            self.0.seek(to)
        }
    }
    let fresh = fresh();
    let file = Box::new(Changing(Cursor::new(b"login\nalice\n".to_vec()), 0));
    let import = ImportUsers::new(file, Options::default()).unwrap();
    import.changes(&fresh.store).unwrap();
    let error = fresh.store.write(|tx| import.write(tx)).unwrap_err();
    assert_eq!(error.message(), "the file changed while it was read");
    assert!(exported(&fresh).is_empty());
}

/// Many users leave one row, and fewer a row each.
#[test]
fn more_than_a_thousand_users_are_told_of_once() {
    let file = |count: usize| {
        (0..count).fold("login\n".to_owned(), |text, user| {
            text + &format!("u{user}\n")
        })
    };
    let fresh = fresh();
    let import = read(file(TOLD).as_bytes()).unwrap();
    assert_eq!(import.changes(&fresh.store).unwrap().len(), TOLD);
    let import = read(file(TOLD + 1).as_bytes()).unwrap();
    let changes = import.changes(&fresh.store).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].event, Event::USERS_IMPORTED);
    assert_eq!(changes[0].detail().unwrap()["added"], TOLD + 1);
    assert!(import.summary(&changes).is_none());
}

/// A cell as `user export` prints it.
fn cell(text: &str) -> String {
    let row = crate::name::spreadsheet(text);
    format!("\"{}\"", row.replace('"', "\"\""))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// What was exported makes the same users of a new store, and changes nothing in its own.
    #[test]
    fn an_export_comes_back(
        users in prop::collection::vec(("['=@+a-zÀ-ž\"; ,-]{0,12}", any::<bool>(), 0..3u8, any::<bool>()), 0..20)
    ) {
        let first = fresh();
        let mut text = "login,name,email,type,active,phone\n".to_owned();
        for (at, (name, email, kind, active)) in users.iter().enumerate() {
            let kind = ["employee", "external", "technical"][usize::from(*kind)];
            let email = if *email { format!("u{at}@example.com") } else { String::new() };
            text.push_str(&format!("u{at},{},{email},{kind},{active},+49301234{at:03}\n", cell(name)));
        }
        let import = read(text.as_bytes()).unwrap();
        if take(&first, &import).is_err() {
            return Err(TestCaseError::reject("a name that is refused"));
        }
        let all = exported(&first);
        let mut file = format!("{}\n", COLUMNS.join(","));
        for one in &all {
            let of = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
            file.push_str(&format!(
                "{},{},{},{},{},{},{},,{}\n",
                cell(&one.login), of(&one.name), of(&one.email), of(&one.phone), one.kind.code(), one.language, cell(&one.groups.join(";")), one.active
            ));
        }
        let second = fresh();
        take(&second, &read(file.as_bytes()).unwrap()).unwrap();
        prop_assert_eq!(exported(&second), all.clone());
        let again = take(&first, &read(file.as_bytes()).unwrap()).unwrap();
        prop_assert_eq!(again, Counts { unchanged: all.len() as u64, ..Counts::default() });
    }
}

//! What a login costs does not follow the number of users, challenges, messages or events: no statement of it reads a
//! whole table of them.
//!
//! The test runs every way a login can go, collects the statements that were executed, and asks `SQLite` how it carries
//! each of them out. The plans of deletions tell of the foreign keys they follow, too.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::decide::Channel;
use super::run::{self, Start};
use super::verdict::{Outcome, Verdict};
use crate::actor::{Actor, Authority, Process, Session};
use crate::audit;
use crate::challenge;
use crate::clock::{Fixed, Source};
use crate::error::Kind;
use crate::group;
use crate::init::{Init, init};
use crate::method::Method;
use crate::secret::Secret;
use crate::store::Store;
use crate::store::tests::{Fresh, fresh, traced};
use crate::user;
use crate::verb::verb;

/// The tables that grow with the number of users or with time.
const LARGE: &[&str] = &[
    "user",
    "identity",
    "group_user",
    "authenticator",
    "authenticator_setup",
    "recovery_code",
    "password_history",
    "challenge",
    "outbox",
    "audit",
    "audit_tombstone",
    "idp_user",
    "sso_login",
    "sso_assertion",
];

const PASSWORD: &str = "correct horse";

/// A store with its administrator and some users, 2FA on, and a mailbox that writes files.
fn filled() -> Fresh {
    let fresh = fresh();
    let store = &fresh.store;
    let source: Rc<dyn Source> = fresh.clock.clone();
    let wait = Duration::from_secs(5);
    init(
        store.place(),
        &Init::default(),
        &Process::default(),
        wait,
        &source,
    )
    .unwrap();
    let hash = store
        .vault()
        .unwrap()
        .hash_password(&PASSWORD.into(), store.source())
        .unwrap();
    let mail = fresh.directory.path().join("mail");
    std::fs::create_dir(&mail).unwrap();
    store
        .write(|tx| {
            let db = tx.db();
            for (login, email) in [("alice", Some("alice@example.com")), ("bob", None), ("carol", None)] {
                db.execute(
                    "INSERT INTO user (login, email, type, password_hash, password_changed_at, created_at)
                     VALUES (?1, ?2, 'employee', ?3, ?4, ?4)",
                    rusqlite::params![login, email, hash, tx.now()],
                )?;
                let id = db.last_insert_rowid();
                db.execute("INSERT INTO identity VALUES (?1, ?2, 1, 0)", rusqlite::params![login, id])?;
            }
            db.execute(
                "INSERT INTO mailbox (name, name_key, kind, from_address, path, created_at)
                 VALUES ('files', 'files', 'file', 'a@example.com', ?1, 0)",
                [mail.display().to_string()],
            )?;
            db.execute_batch(
                "UPDATE method SET enabled = 1 WHERE code <> 'sms';
                 UPDATE method SET is_primary = 1 WHERE code = 'totp';
                 INSERT INTO setting (code, number) VALUES ('Enable2FA', 1);
                 INSERT INTO setting (code, mailbox) SELECT '2FAmailbox', id FROM mailbox;
                 INSERT INTO idp (name, name_key, kind, enabled, entity_id, sso_url, acs_url, employees, externals, created_at)
                     VALUES ('corp', 'corp', 'custom', 1, 'e', 'https://idp.example/', 'https://app.example/', 'existing', 'none', 0);
                 INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
                     SELECT idp.id, 'b', user.id, '[]', 0, 0, 0 FROM idp, user WHERE login = 'bob';
                 INSERT INTO setting (code, idp) SELECT 'DefaultSsoProvider', id FROM idp;",
            )?;
            Ok(())
        })
        .unwrap();
    fresh
}

fn act_as(session: &mut Session, login: &str, authority: Authority) {
    let user = user::find(&session.store, login).unwrap();
    session.actor = Actor {
        user,
        authority,
        os_user: None,
    };
}

fn start(session: &Session, login: &str, password: &str, method: Option<Method>) -> Verdict {
    let password = Secret::from(password);
    run::start(
        session,
        &Start {
            login,
            password: &password,
            method,
            channel: Channel::Web,
        },
    )
    .unwrap()
}

/// What the app of a base32 secret shows at the moment of the store.
fn app(session: &Session, secret: &Secret) -> Secret {
    let secret = data_encoding::BASE32_NOPAD
        .decode(secret.expose().as_bytes())
        .unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = u64::try_from(session.store.now().0).unwrap();
    Secret::new(totp.generate(now).to_string())
}

/// Every way a login can go.
#[expect(
    clippy::too_many_lines,
    reason = "one story, told in the order in which it happens"
)]
fn every_login(session: &mut Session, clock: &Fixed) {
    let later = |seconds| clock.set(clock.now().plus(seconds));
    let wrong = Secret::from("000000");
    let verify = |session: &Session, token: &str, code: &Secret, method| {
        run::verify(session, token, code, method).unwrap().outcome
    };
    // By email, with everything a challenge can meet.
    let asked = start(session, "ALICE", PASSWORD, Some(Method::Email));
    let token = asked.challenge.unwrap();
    assert_eq!(
        verify(session, &token, &wrong, None),
        Outcome::Denied(Kind::SecondFactorWrong)
    );
    later(31);
    run::resend(session, &token, None).unwrap();
    run::cancel(session, &token).unwrap();
    assert_eq!(
        verify(session, &token, &wrong, None),
        Outcome::Denied(Kind::SecondFactorUsed)
    );
    // A set-up begun twice, the second one confirmed by the login.
    start(session, "bob", PASSWORD, None);
    let asked = start(session, "bob", PASSWORD, None);
    let (token, secret) = (asked.challenge.unwrap(), asked.enrolment.unwrap().secret);
    let code = app(session, &secret);
    assert_eq!(
        verify(session, &token, &wrong, None),
        Outcome::Denied(Kind::SecondFactorWrong)
    );
    assert_eq!(verify(session, &token, &code, None), Outcome::Granted);
    // By app: a replay, a grant, and the wrong ones that lock.
    let token = start(session, "bob", PASSWORD, None).challenge.unwrap();
    assert_eq!(
        verify(session, &token, &code, None),
        Outcome::Denied(Kind::SecondFactorUsed)
    );
    later(60);
    let code = app(session, &secret);
    assert_eq!(verify(session, &token, &code, None), Outcome::Granted);
    let token = start(session, "bob", PASSWORD, None).challenge.unwrap();
    verify(
        session,
        &token,
        &"aaaaa-aaaaa".into(),
        Some(Method::RecoveryCodes),
    );
    for _ in 0..5 {
        verify(session, &token, &wrong, None);
    }
    assert_eq!(
        verify(session, &token, &wrong, None),
        Outcome::Denied(Kind::Locked)
    );
    start(session, "bob", "no", None);
    start(session, "nobody", PASSWORD, None);
    later(16 * 60);
    // The lock has run out; now the penalty is deactivation.
    session
        .store
        .write(|tx| {
            tx.db().execute(THE_TESTS_OWN, [])?;
            Ok(())
        })
        .unwrap();
    for login in ["bob", "Supervisor"] {
        let id = user::find(&session.store, login).unwrap().id;
        let opened = session.store.write(|tx| {
            challenge::open(
                tx,
                id,
                challenge::Purpose::Login,
                Method::RecoveryCodes,
                challenge::About::default(),
            )
        });
        let token = opened.unwrap().token;
        for _ in 0..5 {
            verify(session, &token, &"aaaaa-aaaaa".into(), None);
        }
    }
    // Who has to come through a provider, and did or did not so far.
    session
        .store
        .write(|tx| Ok(tx.db().execute(NO_PASSWORDS, [])?))
        .unwrap();
    for login in ["alice", "carol"] {
        assert_eq!(
            start(session, login, PASSWORD, None).outcome,
            Outcome::Denied(Kind::SsoRequired)
        );
    }
    assert!(!user::find(&session.store, "bob").unwrap().active);
    assert!(user::find(&session.store, "Supervisor").unwrap().active);
    challenge::list(&session.store, None).unwrap();
    challenge::list(&session.store, Some(session.actor.user.id)).unwrap();
    for among in [
        user::Among::Everybody,
        user::Among::WithApp,
        user::Among::WithCodes,
        user::Among::InGroup(1),
    ] {
        user::candidates(&session.store, among, "al", 10).unwrap();
    }
    group::beginning(&session.store, "al", 10).unwrap();
    challenge::candidates(&session.store, "al", 10).unwrap();
    challenge::candidates(&session.store, "", 10).unwrap();
    refusals(session, &token);
}

/// Somebody who may not: the refusal names administrators, and its row stays.
fn refusals(session: &mut Session, token: &str) {
    let wrong = Secret::from("000000");
    act_as(session, "carol", Authority::Other);
    let denied = run::verify(session, token, &wrong, None).unwrap_err();
    assert_eq!(denied.kind(), Kind::NotPermitted);
    let unknown = run::verify(session, "nothing", &wrong, None).unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotPermitted);
    let mut kept = 0;
    let of = audit::Filter {
        events: vec!["permission".to_owned()],
        ..audit::Filter::default()
    };
    // Not a statement of a login; what it reads is its own affair.
    let reader = session.store.writing_twin().unwrap();
    audit::list(&reader, &of, &mut |record| {
        assert_eq!(record.subject.as_deref(), Some("login verify"));
        kept += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(kept, 2, "the rows of both refusals were committed");
    user::find(&session.store, "alicf").unwrap_err();
}

#[test]
fn no_statement_of_a_login_reads_a_whole_table() {
    let Fresh {
        mut store,
        clock,
        directory: _directory,
    } = filled();
    let seen = traced(&mut store);
    let verb = verb("login verify").unwrap();
    let mut session = Session::begin(store, verb, &Process::default(), None, None).unwrap();
    every_login(&mut session, &clock);
    let statements: BTreeSet<String> = seen.lock().unwrap().clone();
    assert!(statements.len() > 40, "{} statements", statements.len());
    leave_alone_what_holds_for_everybody(&statements);
    let scans = scans(&session.store, &statements);
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}

/// The statements that read a whole table of those that grow, each with the step of its plan that does.
pub(super) fn scans(store: &Store, statements: &BTreeSet<String>) -> Vec<String> {
    let mut scans = Vec::new();
    for sql in statements {
        // What a foreign key does is traced as a comment; it stands in the plan of what caused it.
        if sql.starts_with("--") {
            continue;
        }
        let mut query = store
            .tampered()
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let mut rows = query.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            let words: Vec<&str> = step.split_whitespace().collect();
            if let ["SCAN", table, ..] = words.as_slice()
                && LARGE.contains(table)
                && !BOUNDED.iter().any(|bounded| sql.contains(bounded))
            {
                scans.push(format!("{step}: {sql}"));
            }
        }
    }
    scans
}

/// What [`crate::store::Store::write_for_one`] promises; the facts that a process keeps rest on it.
fn leave_alone_what_holds_for_everybody(statements: &BTreeSet<String>) {
    const SHARED: &[&str] = &[
        "setting",
        "method",
        "mailbox",
        "template",
        "grantee",
        "group",
        "group_user",
        "group_group",
        "idp",
        "idp_certificate",
        "idp_group",
    ];
    let own = [THE_TESTS_OWN, NO_PASSWORDS];
    for sql in statements.iter().filter(|sql| !own.contains(&sql.as_str())) {
        let words: Vec<&str> = sql.split_whitespace().take(3).collect();
        let written = match words.as_slice() {
            ["INSERT" | "DELETE", _, table] | ["UPDATE", table, ..] => table.trim_matches('"'),
            _ => continue,
        };
        assert!(!SHARED.contains(&written), "{sql}");
    }
}

const THE_TESTS_OWN: &str = "INSERT INTO setting (code, number) VALUES ('UserLockoutDuration', 0)";

const NO_PASSWORDS: &str =
    "INSERT INTO setting (code, number) VALUES ('DisableInternalUserPasswordAuth', 1)";

/// Statements that begin to read a table in the order of an index and stop after a fixed number of rows.
const BOUNDED: &[&str] = &["ORDER BY key LIMIT 200", " LIMIT :few"];

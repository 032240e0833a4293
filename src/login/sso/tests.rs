//! Tests of logins through a provider: who is let in, who is added, and what the log says of everybody else.

use std::rc::Rc;
use std::time::Duration;

use data_encoding::BASE64;

use super::super::indexed::scans;
use super::*;
use crate::actor::{Actor, Authority, Process};
use crate::clock::{Fixed, Source};
use crate::idp::vendor::TRANSIENT;
use crate::init::{Init, init};
use crate::sso::certificate::Certificate;
use crate::sso::testing::{Made, NOW, PROVIDER, REQUEST};
use crate::store::tests::{fresh, traced};
use crate::verb::verb;

/// A store with the provider `entra`, which may speak for those who are here, and for `alice`, `bob` and `eve`.
pub(super) struct World {
    session: Session,
    clock: Rc<Fixed>,
    force: bool,
    _directory: tempfile::TempDir,
}

const USERS: &str = "
    INSERT INTO user (id, login, email, type, created_at) VALUES
        (11, 'alice', 'alice@example.com', 'employee', 0), (12, 'bob', NULL, 'employee', 0),
        (13, 'eve', 'eve@partner.example', 'external', 0), (14, 'robot', NULL, 'technical', 0);
    INSERT INTO identity VALUES ('alice', 11, 1, 0), ('alice@example.com', 11, 0, 1), ('bob', 12, 1, 0),
        ('eve', 13, 1, 0), ('eve@partner.example', 13, 0, 1), ('robot', 14, 1, 0);
    INSERT INTO \"group\" (id, name, name_key, created_at) VALUES (31, 'Staff', 'staff', 0), (32, 'Ops', 'ops', 0);
    INSERT INTO idp (id, name, name_key, kind, enabled, entity_id, sso_url, own_entity_id, acs_url, employees, externals,
        created_at)
        VALUES (21, 'entra', 'entra', 'custom', 1, 'https://idp.example.com/metadata', 'https://idp.example.com/sso',
        'https://sp.example.org', 'https://sp.example.org/acs', 'existing', 'existing', 0);
    INSERT INTO idp_group VALUES (21, 'Staff', 31), (21, 'Ops', 32), (21, 'Ops', 31);";

impl World {
    pub(super) fn new() -> World {
        let fresh = fresh();
        let source: Rc<dyn Source> = fresh.clock.clone();
        let wait = Duration::from_secs(5);
        init(
            fresh.store.place(),
            &Init::default(),
            &Process::default(),
            wait,
            &source,
        )
        .unwrap();
        let db = fresh.store.tampered();
        db.execute_batch(USERS).unwrap();
        let certificate = Certificate::from_text(PROVIDER).unwrap();
        db.execute(
            "INSERT INTO idp_certificate (idp, fingerprint, der, not_before_at, not_after_at) VALUES (21, ?1, ?2, 0, 1)",
            rusqlite::params![certificate.fingerprint(), certificate.der()],
        )
        .unwrap();
        fresh.clock.set(NOW);
        let user = user::find(&fresh.store, "Supervisor").unwrap();
        let session = Session {
            store: fresh.store,
            actor: Actor {
                user,
                authority: Authority::Owner,
                os_user: None,
            },
            verb: verb("login verify").unwrap(),
            note: None,
        };
        World {
            session,
            clock: fresh.clock,
            force: false,
            _directory: fresh.directory,
        }
    }

    pub(super) fn sql(&self, sql: &str) {
        self.session.store.tampered().execute_batch(sql).unwrap();
    }

    /// The values of a query, one a line.
    pub(super) fn told(&self, sql: &str) -> String {
        let db = self.session.store.db();
        let mut query = db.prepare(sql).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|at| match row.get_ref(at).unwrap() {
                rusqlite::types::ValueRef::Null => "–".to_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap_or("blob").to_owned(),
            });
            lines.push(values.collect::<Vec<_>>().join(" "));
        }
        lines.join("\n")
    }

    pub(super) fn send(&self, login: Option<&str>) -> (String, String) {
        let idp = idp::find(&self.session.store, "entra").unwrap();
        let force = self.force;
        let verdict = send(
            &self.session,
            &Send {
                login,
                idp: &idp,
                force,
            },
        )
        .unwrap();
        assert_eq!(verdict.outcome, Came::Redirect);
        let token = verdict.challenge.unwrap();
        let url = verdict.sso.unwrap().redirect_url.unwrap();
        assert!(url.starts_with("https://idp.example.com/sso?SAMLRequest="));
        assert!(url.ends_with(&format!("&RelayState={token}")), "{url}");
        let sent = redirected::find(&self.session.store, &token).unwrap();
        (token, sent.unwrap().request)
    }

    pub(super) fn answer(&self, to: To<'_>, xml: &str) -> Verdict {
        verify(&self.session, to, &BASE64.encode(xml.as_bytes())).unwrap()
    }

    /// A login that is begun for `login`, and answered with what `change` makes of a good response.
    fn login(&self, login: Option<&str>, change: impl FnOnce(&mut Made)) -> Verdict {
        let (token, request) = self.send(login);
        self.answer(To::Challenge(&token), &made(&request, change))
    }

    /// What it came to, in a word, and what the newest row of the log says of it.
    pub(super) fn word(&self, verdict: &Verdict) -> String {
        let newest =
            self.told("SELECT event, outcome, reason, user FROM audit ORDER BY seq DESC LIMIT 1");
        let word = verdict.sso.as_ref().unwrap().refusal.unwrap_or("in");
        let kind = verdict.reason.unwrap_or("granted");
        let expected = match word {
            "in" => "login.granted ok –".to_owned(),
            word => format!("login.denied denied {word}"),
        };
        assert!(newest.starts_with(&expected), "{newest}: {expected}");
        format!("{word} {kind} {}", verdict.user)
    }
}

/// A good response to `request`, with one change.
pub(super) fn made(request: &str, change: impl FnOnce(&mut Made)) -> String {
    let mut made = Made {
        id: format!("_assertion{request}"),
        ..Made::default()
    };
    change(&mut made);
    // The id is part of what is signed.
    for part in [&mut made.head, &mut made.confirmation] {
        *part = part.replace(REQUEST, request);
    }
    made.xml()
}

fn named(name_id: &str) -> impl FnOnce(&mut Made) + '_ {
    move |made| made.name_id = format!("<saml:NameID>{name_id}</saml:NameID>")
}

pub(super) fn says(attributes: &[(&str, &[&str])]) -> String {
    let mut text = "<saml:AttributeStatement>".to_owned();
    for (name, values) in attributes {
        text.push_str(&format!(r#"<saml:Attribute Name="{name}">"#));
        for value in *values {
            text.push_str(&format!(
                "<saml:AttributeValue>{value}</saml:AttributeValue>"
            ));
        }
        text.push_str("</saml:Attribute>");
    }
    text + "</saml:AttributeStatement>"
}

#[test]
fn a_believed_answer_lets_its_user_in_once() {
    let world = World::new();
    let (token, request) = world.send(Some("ALICE"));
    let xml = made(&request, |_| ());
    let verdict = world.answer(To::Challenge(&token), &xml);
    assert_eq!(world.word(&verdict), "in granted alice");
    let said = verdict.sso.unwrap();
    assert_eq!(said.name_id.as_deref(), Some("alice@example.com"));
    assert_eq!((said.second_factor, said.created), (Some(false), false));
    assert_eq!(
        world.told("SELECT event, user, json_extract(detail, '$.idp') FROM audit WHERE event LIKE 'login.%'"),
        "login.redirected 11 entra\nlogin.granted 11 entra"
    );
    assert_eq!(
        world.told("SELECT idp, subject, user, mfa, created, last_login_at FROM idp_user"),
        format!("21 alice@example.com 11 0 0 {}", NOW.0)
    );
    assert_eq!(
        world.told("SELECT last_login_at FROM user WHERE id = 11"),
        NOW.0.to_string()
    );
    let again = world.answer(To::Challenge(&token), &xml);
    assert_eq!(world.word(&again), "sso_used sso_used alice");
    assert_eq!(again.outcome.exit(), 12);
}

#[test]
fn an_answer_is_to_its_own_login_while_that_is_open() {
    let world = World::new();
    let (first, asked) = world.send(None);
    let (second, _) = world.send(Some("alice"));
    let xml = made(&asked, |_| ());
    let other = world.answer(To::Challenge(&second), &xml);
    assert_eq!(world.word(&other), "saml_in_response_to sso_refused alice");
    let (row, changed) = redirected::cancel(&world.session, &second)
        .unwrap()
        .unwrap();
    assert_eq!((row.user.as_deref(), changed), (Some("alice"), true));
    let (_, changed) = redirected::cancel(&world.session, &second)
        .unwrap()
        .unwrap();
    assert!(!changed, "again");
    let cancelled = world.answer(To::Challenge(&second), &xml);
    assert_eq!(world.word(&cancelled), "sso_used sso_used alice");
    let good = world.answer(To::Challenge(&first), &xml);
    assert_eq!(world.word(&good), "in granted alice");
    let (late, asked) = world.send(Some("alice"));
    let xml = made(&asked, |_| ());
    world.clock.set(NOW.plus(challenge::LIFE));
    let late = world.answer(To::Challenge(&late), &xml);
    assert_eq!(world.word(&late), "sso_expired sso_expired alice");
    assert_eq!(late.outcome.exit(), 13);
}

#[test]
fn what_a_provider_begins_counts_once_where_it_may() {
    let world = World::new();
    let begun = made(REQUEST, |made| {
        let answer = format!(r#" InResponseTo="{REQUEST}""#);
        made.head = made.head.replace(&answer, "");
        made.confirmation = made.confirmation.replace(&answer, "");
    });
    let answer = || world.answer(To::Nothing("Entra"), &begun);
    assert_eq!(world.word(&answer()), "saml_unsolicited sso_refused ");
    world.sql("UPDATE idp SET may_begin = 1");
    assert_eq!(world.word(&answer()), "in granted alice");
    assert_eq!(world.word(&answer()), "saml_replay sso_used ");
    let answers = made(REQUEST, |_| ());
    let answers = world.answer(To::Nothing("entra"), &answers);
    assert_eq!(world.word(&answers), "saml_in_response_to sso_refused ");
    world.sql("UPDATE idp SET enabled = 0");
    assert_eq!(world.word(&answer()), "sso_disabled sso_refused ");
}

#[test]
fn a_provider_speaks_for_its_own_users_alone() {
    let world = World::new();
    let came = |name: &str| world.word(&world.login(None, named(name)));
    assert_eq!(came("Alice@Example.com"), "in granted alice");
    assert_eq!(came("eve"), "in granted eve");
    assert_eq!(came("nobody"), "sso_unknown_user sso_refused ");
    assert_eq!(came("robot"), "technical_user sso_refused robot");
    assert_eq!(
        came("supervisor"),
        "sso_administrator sso_refused Supervisor"
    );
    world.sql("UPDATE idp SET administrators = 1, externals = 'none'");
    assert_eq!(came("supervisor"), "in granted Supervisor");
    assert_eq!(came("eve"), "sso_type sso_refused eve");
    world.sql("UPDATE user SET active = 0 WHERE login = 'alice'; UPDATE user SET locked_until_at = 9999999999 WHERE login = 'bob'");
    assert_eq!(came("alice"), "deactivated deactivated alice");
    let locked = world.login(None, named("bob"));
    assert_eq!(world.word(&locked), "locked locked bob");
    assert_eq!(locked.expires_at.map(|at| at.0), Some(9_999_999_999));
    // Names that only look alike may be two at the provider.
    assert_eq!(came("ａlice"), "sso_unknown_user sso_refused ");
}

#[test]
fn whom_a_login_was_begun_for_comes_or_nobody() {
    let world = World::new();
    let came = |login: &str| world.word(&world.login(Some(login), |_| ()));
    assert_eq!(came("alice@example.com"), "in granted alice");
    assert_eq!(came("bob"), "sso_other_user sso_refused alice");
    assert_eq!(came("mallory"), "sso_other_user sso_refused alice");
    let nobody = world.login(Some("bob"), named("nobody"));
    assert_eq!(world.word(&nobody), "sso_other_user sso_refused bob");
    // What was typed and is nobody's stands in the log as a hash.
    let kept = world.told("SELECT detail FROM audit WHERE event = 'login.redirected' ORDER BY seq DESC LIMIT 1 OFFSET 1");
    assert!(
        kept.contains("login_hash") && !kept.contains("mallory"),
        "{kept}"
    );
    // Somebody may have got the login meanwhile.
    let (token, request) = world.send(Some("carol"));
    world.sql("INSERT INTO user (id, login, type, created_at) VALUES (15, 'carol', 'employee', 0); INSERT INTO identity VALUES ('carol', 15, 1, 0)");
    let verdict = world.answer(To::Challenge(&token), &made(&request, named("Carol")));
    assert_eq!(world.word(&verdict), "in granted carol");
}

#[test]
fn what_a_provider_calls_somebody_stays_theirs() {
    let world = World::new();
    let came = |name: &str| world.word(&world.login(None, named(name)));
    assert_eq!(came("alice"), "in granted alice");
    world.sql(
        "UPDATE user SET login = 'smith' WHERE id = 11; UPDATE identity SET key = 'smith' WHERE key = 'alice';
         UPDATE user SET login = 'alice' WHERE id = 12; UPDATE identity SET key = 'alice' WHERE key = 'bob'",
    );
    assert_eq!(came("alice"), "in granted smith", "and not who was bob");
    // An attribute names them, and NameID is another each time.
    world.sql("UPDATE idp SET login_attribute = 'uid'; DELETE FROM idp_user");
    let transient = |uid: &[&str]| {
        let attributes = says(&[("uid", uid)]);
        world.login(None, |made| {
            made.attributes = attributes;
            made.name_id = format!(r#"<saml:NameID Format="{TRANSIENT}">_7f</saml:NameID>"#);
        })
    };
    assert_eq!(world.word(&transient(&["smith"])), "in granted smith");
    assert_eq!(world.told("SELECT subject, user FROM idp_user"), "smith 11");
    assert_eq!(world.word(&transient(&["alice"])), "in granted alice");
    for values in [&[][..], &["alice", "smith"], &[" "]] {
        let verdict = transient(values);
        assert_eq!(world.word(&verdict), "sso_no_login sso_refused ");
    }
    // Without an attribute it leads to nobody, and nobody is added for it each time anew.
    world.sql("UPDATE idp SET login_attribute = NULL, employees = 'create'");
    let verdict = transient(&["alice"]);
    assert_eq!(world.word(&verdict), "sso_no_login sso_refused ");
    assert_eq!(world.told("SELECT count(*) FROM user"), "5");
}

#[test]
fn a_login_that_has_to_be_anew_is_answered_by_one() {
    let mut world = World::new();
    world.clock.set(NOW.plus(120));
    let came = |world: &World| world.word(&world.login(None, |_| ()));
    assert_eq!(came(&world), "in granted alice");
    world.force = true;
    assert_eq!(came(&world), "in granted alice", "as far as clocks differ");
    // Logged in there before this was asked for.
    world.clock.set(NOW.plus(SKEW + 1));
    assert_eq!(came(&world), "sso_not_anew sso_refused ");
    world.force = false;
    assert_eq!(came(&world), "in granted alice");
}

/// A name that was given to somebody new does not lead to whoever had it, where the provider's identifiers tell them apart.
#[test]
fn a_name_that_has_another_owner_now_leads_to_nobody() {
    let world = World::new();
    world.sql("UPDATE idp SET login_attribute = 'uid'");
    let came = |subject: &str, uid: &str| {
        let attributes = says(&[("uid", &[uid])]);
        let verdict = world.login(None, |made| {
            made.attributes = attributes;
            made.name_id = format!(
                r#"<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{subject}</saml:NameID>"#
            );
        });
        world.word(&verdict)
    };
    assert_eq!(came("S1", "alice"), "in granted alice");
    assert_eq!(came("S2", "alice"), "sso_other_subject sso_refused ");
    assert_eq!(came("s1", "alice"), "sso_other_subject sso_refused ");
    assert_eq!(came("S1", "anything"), "in granted alice");
    assert_eq!(came("S2", "bob"), "in granted bob");
    world.sql("DELETE FROM idp_user WHERE user = 11");
    assert_eq!(came("S3", "alice"), "in granted alice");
}

/// Names of people are one in either case, also after a user was renamed.
#[test]
fn another_case_gets_past_no_rename() {
    let world = World::new();
    let came = |name: &str| world.word(&world.login(None, named(name)));
    assert_eq!(came("Alice"), "in granted alice");
    world.sql(
        "UPDATE user SET login = 'smith' WHERE id = 11; UPDATE identity SET key = 'smith' WHERE key = 'alice';
         UPDATE user SET login = 'alice' WHERE id = 12; UPDATE identity SET key = 'alice' WHERE key = 'bob'",
    );
    assert_eq!(came("ALICE"), "in granted smith");
}

#[test]
fn whoever_is_new_is_added_as_the_provider_says() {
    let world = World::new();
    world.sql(
        r#"UPDATE idp SET employees = 'create', externals = 'create', external_attribute = 'kind', external_value = 'guest',
           groups_attribute = 'groups', attribute_map =
           '[["mail","email"],["first","first_name"],["last","last_name"],["tel","phone"],["lang","language"]]'"#,
    );
    let attributes = says(&[
        ("mail", &["new@example.com"]),
        ("first", &["Nora"]),
        ("last", &["New"]),
        ("tel", &["none of your business"]),
        ("lang", &["de"]),
        ("groups", &["Ops", "Unmapped"]),
    ]);
    let verdict = world.login(Some("new@example.com"), |made| {
        named("nora")(made);
        made.attributes = attributes;
    });
    assert_eq!(world.word(&verdict), "in granted nora");
    assert!(verdict.sso.as_ref().unwrap().created);
    let warnings: Vec<_> = verdict.warnings.iter().map(|one| one.kind).collect();
    assert_eq!(warnings, ["sso_field_ignored"], "the phone");
    assert_eq!(
        world.told("SELECT login, name, email, phone, type, language, active, password_hash FROM user WHERE login = 'nora'"),
        "nora Nora New new@example.com – employee de 1 –"
    );
    assert_eq!(
        world.told("SELECT \"group\".name FROM group_user JOIN \"group\" ON \"group\".id = \"group\" JOIN user ON user.id = user WHERE login = 'nora'"),
        "Staff\nOps"
    );
    assert_eq!(
        world.told("SELECT event, reason, subject FROM audit ORDER BY seq DESC LIMIT 2"),
        "login.granted – nora\nuser.added sso nora"
    );
    assert_eq!(world.told("SELECT created FROM idp_user"), "1");
    let guest = says(&[("kind", &["member", "guest"])]);
    let verdict = world.login(None, |made| {
        named("guest")(made);
        made.attributes = guest;
    });
    assert_eq!(world.word(&verdict), "in granted guest");
    assert_eq!(
        world.told("SELECT type FROM user WHERE login = 'guest'"),
        "external"
    );
    let again = world.login(None, named("guest"));
    assert!(!again.sso.unwrap().created);
}

#[test]
fn whoever_cannot_be_added_is_not() {
    let world = World::new();
    world.sql(r#"UPDATE idp SET externals = 'create', attribute_map = '[["mail","email"]]'"#);
    let users = || world.told("SELECT count(*) FROM user");
    let before = users();
    let came = |login: Option<&str>, name: &str, mail: &str| {
        let attributes = says(&[("mail", &[mail])]);
        let verdict = world.login(login, |made| {
            named(name)(made);
            made.attributes = attributes;
        });
        (
            world.word(&verdict),
            verdict.sso.unwrap().found.unwrap_or_default(),
        )
    };
    let (word, found) = came(None, "new", "Alice@example.com");
    assert_eq!(word, "sso_invalid_user sso_refused ");
    assert!(
        found.contains("already leads to the user `alice`"),
        "{found}"
    );
    let (word, _) = came(None, "a:b", "x@example.com");
    assert_eq!(word, "sso_invalid_user sso_refused ");
    let (word, _) = came(None, "ａlice", "x@example.com");
    assert_eq!(word, "sso_invalid_user sso_refused ", "looks like alice");
    let (word, _) = came(Some("mallory"), "new", "x@example.com");
    assert_eq!(word, "sso_other_user sso_refused ");
    assert_eq!(users(), before);
    let (word, _) = came(None, "new", "x@example.com");
    assert_eq!(word, "in granted new");
    assert_eq!(
        world.told("SELECT type FROM user WHERE login = 'new'"),
        "external"
    );
}

#[test]
fn each_login_brings_a_user_up_to_date_where_that_is_wanted() {
    let world = World::new();
    world.sql(
        r#"UPDATE idp SET administrators = 1, groups_attribute = 'groups', attribute_map = '[["name","name"],["mail","email"]]';
           INSERT INTO group_user VALUES (32, 11)"#,
    );
    let come = |name: &str, attributes: String| {
        let verdict = world.login(None, |made| {
            named(name)(made);
            made.attributes = attributes;
        });
        world.word(&verdict);
        let warnings: Vec<_> = verdict.warnings.iter().map(|one| one.kind).collect();
        warnings.join(" ")
    };
    let alice = || {
        world.told("SELECT name, email, (SELECT group_concat(\"group\") FROM group_user WHERE user = 11) FROM user WHERE id = 11")
    };
    let said = says(&[("name", &["Alice A."]), ("groups", &["Staff"])]);
    come("alice", said.clone());
    assert_eq!(alice(), "– alice@example.com 32", "not wanted");
    world.sql("UPDATE idp SET update_users = 1");
    assert_eq!(come("alice", said.clone()), "");
    assert_eq!(alice(), "Alice A. alice@example.com 31", "Ops is gone");
    assert_eq!(
        world.told("SELECT event, reason, subject FROM audit WHERE reason = 'sso' ORDER BY seq"),
        "user.edited sso alice\ngroup.member_added sso Staff\ngroup.member_removed sso Ops"
    );
    let taken = says(&[("name", &["Alice B."]), ("mail", &["eve@partner.example"])]);
    assert_eq!(come("alice", taken), "sso_user_kept");
    assert_eq!(
        alice(),
        "Alice A. alice@example.com –",
        "no groups were said"
    );
    let elsewhere = says(&[(
        "http://schemas.microsoft.com/claims/groups.link",
        &["https://graph"],
    )]);
    world.sql("INSERT INTO group_user VALUES (31, 11)");
    assert_eq!(come("alice", elsewhere), "sso_groups_unread");
    assert_eq!(alice(), "Alice A. alice@example.com 31");
    come(
        "supervisor",
        says(&[("name", &["Root"]), ("groups", &["Staff"])]),
    );
    assert_eq!(
        world.told(
            "SELECT name, (SELECT count(*) FROM group_user WHERE user = 1) FROM user WHERE id = 1"
        ),
        "– 1",
        "an administrator stays as they are"
    );
    // A group that has become one of administrators since it was mapped.
    world.sql(
        "INSERT INTO group_group SELECT id, 31 FROM \"group\" WHERE built_in = 'administrators'",
    );
    come("bob", said);
    assert_eq!(
        world.told("SELECT count(*) FROM group_user WHERE user = 12"),
        "0"
    );
}

/// As of the other ways to log in (`indexed.rs`): through a provider, with users who are added and brought up to date.
#[test]
fn no_statement_of_it_reads_a_whole_table() {
    let mut world = World::new();
    world.sql(
        r#"UPDATE idp SET employees = 'create', update_users = 1, groups_attribute = 'groups', attribute_map = '[["name","name"]]'"#,
    );
    let seen = traced(&mut world.session.store);
    for (login, name) in [(Some("alice"), "alice"), (None, "new"), (None, "new")] {
        let attributes = says(&[("name", &[name]), ("groups", &["Ops"])]);
        let verdict = world.login(login, |made| {
            named(name)(made);
            made.attributes = attributes;
        });
        assert_eq!(verdict.outcome, Came::Granted, "{name}");
    }
    world.login(Some("nobody"), |_| ());
    way(&world.session, Some("alice"), None).unwrap();
    let (token, _) = world.send(Some("bob"));
    redirected::cancel(&world.session, &token).unwrap();
    redirected::list(&world.session.store, None).unwrap();
    redirected::list(&world.session.store, Some(11)).unwrap();
    redirected::candidates(&world.session.store, "", 10).unwrap();
    redirected::candidates(&world.session.store, "ab", 10).unwrap();
    let statements = seen.lock().unwrap().clone();
    assert!(statements.len() > 40, "{} statements", statements.len());
    let scans = scans(&world.session.store, &statements);
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}

#[test]
fn a_second_factor_is_asserted_where_it_has_to_be() {
    let world = World::new();
    world.sql(
        "UPDATE idp SET require_mfa = 1, mfa_contexts = '[\"https://refeds.org/profile/mfa\"]', mfa_attribute = 'amr', mfa_value = 'mfa'",
    );
    let lacking = world.login(None, |_| ());
    assert_eq!(world.word(&lacking), "saml_context sso_refused ");
    let told = says(&[("amr", &["pwd", "mfa"])]);
    let verdict = world.login(None, |made| made.attributes = told);
    assert_eq!(world.word(&verdict), "in granted alice");
    assert_eq!(verdict.sso.unwrap().second_factor, Some(true));
    assert_eq!(world.told("SELECT mfa FROM idp_user"), "1");
}

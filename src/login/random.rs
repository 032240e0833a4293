//! Random stores, users and moments: what is foretold is held against what is done.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::{named_params, params};

use crate::actor::{Process, Session};
use crate::authenticator;
use crate::clock::{Fixed, Source, Time};
use crate::files::with_suffix;
use crate::init::{Init, init};
use crate::method::Method;
use crate::plan::Plan as _;
use crate::recovery::GenerateCodes;
use crate::secret::Secret;
use crate::store::tests::START;
use crate::store::{Place, Store};
use crate::verb::verb;

pub(crate) const PASSWORD: &str = "correct horse";
const DAY: i64 = 86_400;
const SECRET: [u8; 20] = [7; 20];

/// A user, as the store has them.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    kind: &'static str,
    active: bool,
    password: bool,
    must_change: bool,
    /// Seconds from the start.
    changed_at: Option<i64>,
    locked_until: Option<i64>,
    failures: i64,
    email: bool,
    login_is_address: bool,
    phone: bool,
    app: bool,
    codes: bool,
    group: Option<i64>,
    administrator: bool,
    /// Through which of the providers they came, and how long ago.
    logins: Vec<(usize, i64)>,
}

/// An identity provider.
#[derive(Debug, Clone)]
struct Provider {
    enabled: bool,
    employees: bool,
    externals: bool,
    administrators: bool,
    certificate: bool,
}

/// What holds for everybody.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    enabled: bool,
    methods: [bool; 4],
    primary: Option<usize>,
    mailbox: bool,
    provider: bool,
    max_age: i64,
    attempts: i64,
    lockout: i64,
    send_limit: i64,
    /// Whom the rows of `CanUse2FA` name: a group of one's own, the employees, a user; whether they allow; until when.
    grantees: Vec<(usize, bool, Option<i64>)>,
    nested: bool,
    no_internal_passwords: bool,
    providers: Vec<Provider>,
    default_sso: Option<usize>,
}

/// Moments at which something may change, and their neighbours.
pub(crate) fn moment() -> impl Strategy<Value = i64> {
    let edge = prop_oneof![
        Just(0),
        Just(900),
        Just(DAY),
        Just(30 * DAY),
        Just(-DAY),
        -100 * DAY..100 * DAY
    ];
    (edge, -1i64..=1).prop_map(|(edge, beside)| edge + beside)
}

prop_compose! {
    pub(crate) fn made()(
        kind in prop_oneof![8 => Just("employee"), 3 => Just("external"), 1 => Just("technical")],
        active in prop::bool::weighted(0.9), password in prop::bool::weighted(0.9),
        must_change in prop::bool::weighted(0.1), changed_at in prop::option::weighted(0.8, moment()),
        locked_until in prop::option::weighted(0.3, moment()), failures in 0i64..6,
        email in any::<bool>(), login_is_address in prop::bool::weighted(0.2), phone in any::<bool>(),
        app in any::<bool>(), codes in any::<bool>(), group in prop::option::of(0i64..2),
        administrator in prop::bool::weighted(0.2),
        logins in prop::collection::vec((0usize..2, 0i64..3), 0..3),
    ) -> Made {
        Made { kind, active, password, must_change, changed_at, locked_until, failures, email,
               login_is_address, phone, app, codes, group, administrator, logins }
    }
}

prop_compose! {
    fn vouching()(
        enabled in prop::bool::weighted(0.7), employees in prop::bool::weighted(0.7), externals in any::<bool>(),
        administrators in any::<bool>(), certificate in prop::bool::weighted(0.9),
    ) -> Provider {
        Provider { enabled, employees, externals, administrators, certificate }
    }
}

prop_compose! {
    pub(crate) fn shared()(
        enabled in prop::bool::weighted(0.85), methods in prop::array::uniform4(prop::bool::weighted(0.6)),
        primary in prop::option::of(0usize..3), mailbox in prop::bool::weighted(0.8),
        provider in prop::bool::weighted(0.8), max_age in prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(30)],
        attempts in prop_oneof![Just(0), Just(3), Just(5)], lockout in prop_oneof![Just(0), Just(15)],
        send_limit in prop_oneof![Just(0), Just(1), Just(30)],
        grantees in prop::collection::vec((0usize..4, prop::bool::weighted(0.7), prop::option::weighted(0.3, moment())), 0..4),
        nested in any::<bool>(), no_internal_passwords in prop::bool::weighted(0.4),
        providers in prop::collection::vec(vouching(), 2), default_sso in prop::option::of(0usize..2),
    ) -> Shared {
        Shared { enabled, methods, primary, mailbox, provider, max_age, attempts, lockout, send_limit, grantees, nested,
                 no_internal_passwords, providers, default_sso }
    }
}

/// A store that is made so, with who administers it, and a second look at it that only reads.
pub(crate) struct World {
    directory: tempfile::TempDir,
    pub(crate) clock: Rc<Fixed>,
    pub(crate) session: Session,
    seeing: Rc<dyn Source>,
    /// Of each user's app, as it is now.
    pub(crate) secrets: RefCell<Vec<Vec<u8>>>,
    pub(crate) codes: Vec<Vec<Secret>>,
}

impl World {
    pub(crate) fn new(shared: &Shared, users: &[Made]) -> World {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(directory.path().join("twofa.db"), None);
        let clock = Rc::new(Fixed::new(START, 7));
        let source: Rc<dyn Source> = Rc::clone(&clock) as Rc<dyn Source>;
        let wait = Duration::from_secs(5);
        init(&place, &Init::default(), &Process::default(), wait, &source).unwrap();
        let simulate = verb("login simulate").unwrap();
        let store = Store::open(&place, simulate, wait, source).unwrap();
        let mut world = World {
            session: Session::begin(store, simulate, &Process::default(), None, None).unwrap(),
            directory,
            clock,
            // Its own time is another one: it must be made to stand still.
            seeing: Rc::new(Fixed::new(Time(1), 7)),
            secrets: RefCell::new(vec![SECRET.to_vec(); users.len()]),
            codes: Vec::new(),
        };
        world.fill(shared, users);
        world
    }

    fn fill(&mut self, shared: &Shared, users: &[Made]) {
        let store = &self.session.store;
        let db = store.tampered();
        let sink = self.directory.path().join("sink");
        std::fs::create_dir(&sink).unwrap();
        let sink = sink.display().to_string();
        // Thousands of commits; what a power cut does is not asked here.
        db.execute_batch(
            "PRAGMA synchronous = OFF; DELETE FROM grantee WHERE operation = 'CanUse2FA'",
        )
        .unwrap();
        db.execute("INSERT INTO mailbox (name, name_key, kind, from_address, path, created_at) VALUES ('m', 'm', 'file', 'a@example.com', ?1, 0)", [&sink])
            .unwrap();
        db.execute("INSERT INTO sms_provider (name, name_key, kind, path, created_at) VALUES ('p', 'p', 'file', ?1, 0)", [&sink])
            .unwrap();
        for (at, method) in Method::ALL.iter().enumerate() {
            let enabled = shared.methods[at] || shared.primary == Some(at);
            db.execute(
                "UPDATE method SET enabled = ?2, is_primary = ?3 WHERE code = ?1",
                params![method.code(), enabled, shared.primary == Some(at)],
            )
            .unwrap();
        }
        let number = "INSERT INTO setting (code, number) VALUES (?1, ?2)";
        for (code, value) in [
            ("Enable2FA", i64::from(shared.enabled)),
            ("MaxPasswordAge", shared.max_age),
            ("SecondFactorAttemptCount", shared.attempts),
            ("UserLockoutDuration", shared.lockout),
            ("SecondFactorSendLimit", shared.send_limit),
            (
                "DisableInternalUserPasswordAuth",
                i64::from(shared.no_internal_passwords),
            ),
        ] {
            db.execute(number, params![code, value]).unwrap();
        }
        if shared.mailbox {
            db.execute_batch("INSERT INTO setting (code, mailbox) VALUES ('2FAmailbox', 1)")
                .unwrap();
        }
        if shared.provider {
            db.execute_batch("INSERT INTO setting (code, provider) VALUES ('SmsProvider', 1)")
                .unwrap();
        }
        db.execute_batch("INSERT INTO \"group\" (id, name, name_key, created_at) VALUES (11, 'A', 'a', 0), (12, 'B', 'b', 0)")
            .unwrap();
        if shared.nested {
            db.execute_batch("INSERT INTO group_group VALUES (12, 11)")
                .unwrap();
        }
        self.provide(shared);
        self.codes = users
            .iter()
            .enumerate()
            .map(|(at, made)| self.add(i64::try_from(at).unwrap() + 100, made))
            .collect();
        let employees = "(SELECT id FROM \"group\" WHERE built_in = 'employees')";
        for (position, (whom, allow, until)) in (1i64..).zip(&shared.grantees) {
            let (column, whom) = match whom {
                0 => ("\"group\"", "11"),
                1 => ("\"group\"", "12"),
                2 => ("\"group\"", employees),
                _ => ("user", "100"),
            };
            db.execute(
                &format!("INSERT INTO grantee (operation, position, {column}, access, until_at) VALUES ('CanUse2FA', ?1, {whom}, ?2, ?3)"),
                params![position, if *allow { "allow" } else { "deny" }, until.map(|until| START.plus(until))],
            )
            .unwrap();
        }
    }

    /// Adds the providers; their ids are 1 and 2.
    fn provide(&self, shared: &Shared) {
        let db = self.session.store.tampered();
        let takes = |some| if some { "existing" } else { "none" };
        for (id, provider) in (1i64..).zip(&shared.providers) {
            let name = format!("p{id}");
            db.execute(
                "INSERT INTO idp (id, name, name_key, kind, enabled, entity_id, sso_url, acs_url, employees, externals,
                     administrators, created_at)
                 VALUES (?1, ?2, ?2, 'custom', ?3, 'e', 'https://idp.example/', 'https://app.example/', ?4, ?5, ?6, 0)",
                params![
                    id,
                    name,
                    provider.enabled,
                    takes(provider.employees),
                    takes(provider.externals),
                    provider.administrators
                ],
            )
            .unwrap();
            if provider.certificate {
                db.execute(
                    "INSERT INTO idp_certificate (idp, fingerprint, der, not_before_at, not_after_at) VALUES (?1, 'f', x'', 0, 1)",
                    [id],
                )
                .unwrap();
            }
        }
        if let Some(at) = shared.default_sso {
            let default = i64::try_from(at).unwrap() + 1;
            db.execute(
                "INSERT INTO setting (code, idp) VALUES ('DefaultSsoProvider', ?1)",
                [default],
            )
            .unwrap();
        }
    }

    /// Adds a user, and gives their recovery codes.
    fn add(&self, id: i64, made: &Made) -> Vec<Secret> {
        let store = &self.session.store;
        let db = store.tampered();
        let login = if made.login_is_address {
            format!("u{id}@example.org")
        } else {
            format!("u{id}")
        };
        let hash = store.vault().unwrap().hash_cheaply(&PASSWORD.into());
        db.execute(
            "INSERT INTO user (id, login, email, phone, type, active, locked_until_at, second_factor_failures,
                 password_hash, password_changed_at, must_change, created_at)
             VALUES (:id, :login, :email, :phone, :type, :active, :locked, :failures, :hash, :changed, :must, 0)",
            named_params! {
                ":id": id, ":login": login, ":email": made.email.then(|| format!("m{id}@example.com")),
                ":phone": made.phone.then(|| format!("+4930123{id}")), ":type": made.kind, ":active": made.active,
                ":locked": made.locked_until.map(|until| START.plus(until)), ":failures": made.failures,
                ":hash": made.password.then_some(hash), ":changed": made.changed_at.map(|at| START.plus(at)),
                ":must": made.must_change,
            },
        )
        .unwrap();
        db.execute(
            "INSERT INTO identity VALUES (?1, ?2, 1, ?3)",
            params![login, id, made.login_is_address],
        )
        .unwrap();
        if let Some(group) = made.group {
            db.execute(
                "INSERT INTO group_user VALUES (?1, ?2)",
                params![group + 11, id],
            )
            .unwrap();
        }
        self.join(id, made);
        store
            .write(|tx| {
                if made.app {
                    let next = tx.next_id("authenticator")?;
                    let sealed = tx.vault()?.seal(authenticator::SECRET, next, &SECRET, tx.source())?;
                    tx.db().execute(
                        "INSERT INTO authenticator (user, secret, fingerprint, algorithm, digits, period, consumed_until_at, connected_at)
                         VALUES (?1, ?2, ?3, 'SHA1', 6, 30, 0, 0)",
                        params![id, sealed, authenticator::fingerprint(tx, &SECRET)?],
                    )?;
                }
                if !made.codes {
                    return Ok(Vec::new());
                }
                let codes = GenerateCodes::new(id);
                codes.write(tx)?;
                Ok(codes.into_codes())
            })
            .unwrap()
    }

    /// Makes a user what they are beside that: an administrator, somebody who came through providers.
    fn join(&self, id: i64, made: &Made) {
        let db = self.session.store.tampered();
        if made.administrator {
            db.execute(
                "INSERT INTO group_user SELECT id, ?1 FROM \"group\" WHERE built_in = 'administrators'",
                [id],
            )
            .unwrap();
        }
        for (at, (provider, ago)) in made.logins.iter().enumerate() {
            db.execute(
                "INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
                 VALUES (?1, ?2, ?3, '[]', 0, 0, ?4)",
                params![
                    i64::try_from(*provider).unwrap() + 1,
                    format!("{id}/{at}"),
                    id,
                    START.plus(-ago)
                ],
            )
            .unwrap();
        }
    }

    fn bytes(&self) -> [Vec<u8>; 2] {
        let file = self.directory.path().join("twofa.db");
        [
            std::fs::read(&file).unwrap(),
            std::fs::read(with_suffix(&file, "-wal")).unwrap_or_default(),
        ]
    }

    /// Looks at a moment, through a connection that only reads and whose own clock shows another time.
    pub(crate) fn look<T>(&self, path: &str, at: Time, look: impl FnOnce(&Store) -> T) -> T {
        let before = self.bytes();
        let place = self.session.store.place();
        let seeing = Rc::clone(&self.seeing);
        let verb = verb(path).unwrap();
        let mut store = Store::open(place, verb, Duration::from_secs(5), seeing).unwrap();
        store.stand_still(at);
        let seen = look(&store);
        drop(store);
        assert!(self.bytes() == before, "whoever looked wrote something");
        seen
    }
}

/// How many stores are made; more of them with `PROPTEST_CASES`.
pub(crate) fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if usual.cases == 256 { 32 } else { usual.cases };
    ProptestConfig { cases, ..usual }
}

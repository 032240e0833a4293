//! What is foretold is what is then done: random stores, users and moments are explained, and then log in.

use proptest::prelude::*;

use super::words::CONTINUES;
use super::*;
use crate::login::random::{PASSWORD, World, cases, made, moment, shared};
use crate::login::run::{self, Start};
use crate::login::verdict::Verdict;
use crate::secret::Secret;
use crate::store::tests::START;
use crate::user;

/// A login: of whom, when, how.
#[derive(Debug, Clone)]
struct Login {
    user: usize,
    at: i64,
    channel: Channel,
    wished: Option<Method>,
}

fn login() -> impl Strategy<Value = Login> {
    let channel = prop_oneof![
        8 => Just(Channel::Web), 1 => Just(Channel::Forms), 1 => Just(Channel::Oauth)
    ];
    let wished = prop::option::weighted(0.3, prop::sample::select(Method::ALL.to_vec()));
    (0usize..4, moment(), channel, wished).prop_map(|(user, at, channel, wished)| Login {
        user,
        at,
        channel,
        wished,
    })
}

/// The code that answers a challenge.
fn answer(world: &World, verdict: &Verdict, user: usize, at: Time) -> Option<Secret> {
    let app = |secret: Vec<u8>| {
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        let now = u64::try_from(at.0).unwrap();
        Secret::new(totp.generate(now).to_string())
    };
    if let Some(enrolment) = &verdict.enrolment {
        let secret = data_encoding::BASE32_NOPAD.decode(enrolment.secret.expose().as_bytes());
        world.secrets.borrow_mut()[user] = secret.unwrap();
    }
    match verdict.method? {
        Method::Totp => Some(app(world.secrets.borrow()[user].clone())),
        Method::RecoveryCodes => world.codes[user].first().cloned(),
        Method::Email | Method::Sms => None,
    }
}

fn compared(world: &World, login: &Login) -> Result<(), TestCaseError> {
    let at = START.plus(login.at);
    let id = i64::try_from(login.user).unwrap() + 100;
    let question = Question {
        channel: login.channel,
        method: login.wished,
        idp: None,
    };
    let told = world.look("login explain", at, |store| {
        explain(store, &user::get(store, id).unwrap(), question).unwrap()
    });
    prop_assert_eq!(told.at, at);
    let deciding = told
        .steps
        .iter()
        .filter(|rule| rule.effect == told.outcome.code());
    prop_assert!(deciding.count() >= 1, "{:?}", told);
    world.clock.set(at);
    let name = user::get(&world.session.store, id).unwrap().login;
    let password = Secret::from(PASSWORD);
    let start = Start {
        login: &name,
        password: &password,
        method: login.wished,
        channel: login.channel,
    };
    let verdict = match run::start(&world.session, &start) {
        Ok(verdict) => verdict,
        Err(error) => {
            prop_assert_eq!(
                (told.outcome.code(), told.reason),
                ("denied", Some(error.kind().code()))
            );
            prop_assert_eq!(error.kind(), Kind::SendLimit);
            return Ok(());
        }
    };
    // Where no password is of use, an explanation goes on without one.
    let goes_on = |rule: &Rule| {
        rule.rule == "password" && rule.effect == CONTINUES && rule.fact["set"] == json!(false)
    };
    if told.idp.is_some() || told.steps.iter().any(goes_on) {
        return elsewhere(&told, &verdict);
    }
    prop_assert_eq!(
        (told.outcome, told.reason, told.method, &told.methods),
        (
            verdict.outcome,
            verdict.reason,
            verdict.method,
            &verdict.methods
        ),
        "{:?}",
        told
    );
    answered(world, login, &told, &verdict)
}

/// A challenge is answered rightly: in, unless the code was used, and then offered what was foretold.
fn answered(
    world: &World,
    login: &Login,
    told: &Explanation,
    verdict: &Verdict,
) -> Result<(), TestCaseError> {
    let at = START.plus(login.at);
    let offers = told.steps.iter().any(|rule| rule.rule == "offer");
    let (Some(challenge), Some(code)) =
        (&verdict.challenge, answer(world, verdict, login.user, at))
    else {
        return Ok(());
    };
    let then = run::verify(&world.session, challenge, &code, None).unwrap();
    // One step of an app and one recovery code let somebody in once.
    if then.outcome == Outcome::Granted {
        prop_assert_eq!(offers, then.enrolment.is_some());
    } else {
        prop_assert_eq!(
            then.reason
                .unwrap_or_default()
                .replace("locked", "second_factor_used")
                .replace("deactivated", "second_factor_used"),
            "second_factor_used"
        );
    }
    Ok(())
}

/// Who has to go to a provider, or has nothing else: no password lets them in, and what keeps out there keeps out here.
fn elsewhere(told: &Explanation, verdict: &Verdict) -> Result<(), TestCaseError> {
    let Outcome::Denied(kind) = verdict.outcome else {
        return Err(TestCaseError::fail(format!("{told:?}")));
    };
    let expected: &[Kind] = match told.outcome {
        Outcome::Denied(Kind::Deactivated) => &[Kind::FirstFactorWrong],
        // Whoever is not believed there is not asked whether a lock holds.
        Outcome::Denied(Kind::Locked | Kind::SsoRefused | Kind::ChannelRefused) => {
            &[Kind::Locked, Kind::SsoRequired, Kind::FirstFactorWrong]
        }
        _ => &[Kind::SsoRequired, Kind::FirstFactorWrong],
    };
    prop_assert!(expected.contains(&kind), "{:?}", told);
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_foretold_is_what_is_done(
        shared in shared(), users in prop::collection::vec(made(), 4), logins in prop::collection::vec(login(), 16)
    ) {
        let world = World::new(&shared, &users);
        for login in &logins {
            compared(&world, login)?;
        }
    }
}

//! The numbers are those of asking about everybody, one after the other.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::error::Kind;
use crate::login::explain::{Question, explain};
use crate::login::random::{World, cases, made, moment, shared};
use crate::login::verdict::Outcome;
use crate::store::tests::START;
use crate::user;

/// What a login of somebody comes to, by the words of `explain`, where nothing but the second factor stands in the way.
fn class(told: &crate::login::explain::Explanation) -> &'static str {
    match (told.outcome, told.method) {
        (Outcome::Granted, _) => "password_only",
        (Outcome::SecondFactorRequired, Some(method)) => method.code(),
        (Outcome::EnrolmentRequired, _) => "connects_app",
        (Outcome::Denied(Kind::SsoRequired), _) => "no_identity_provider",
        (Outcome::Denied(Kind::FirstFactorWrong), _) => "no_password",
        _ => "no_method",
    }
}

/// Asks about everybody, once each with nothing in the way, and counts.
fn asked_one_by_one(world: &World, at: Time) -> BTreeMap<&'static str, Vec<String>> {
    world
        .session
        .store
        .write(|tx| {
            // What is no second factor would end the explanation before it is asked for one.
            tx.db().execute_batch(
                "DELETE FROM setting WHERE code IN ('Enable2FA', 'MaxPasswordAge', 'SecondFactorSendLimit');
                 INSERT INTO setting (code, number) VALUES ('Enable2FA', 1), ('SecondFactorSendLimit', 0);
                 UPDATE user SET must_change = 0, locked_until_at = NULL",
            )?;
            Ok(())
        })
        .unwrap();
    world.look("login explain", at, |store| {
        let mut found: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        user::each(store, &mut |user| {
            if !user.active || user.kind == user::Type::Technical {
                return Ok(());
            }
            let told = explain(store, &user, Question::default())?;
            // What it comes to there is the provider's affair, and what keeps an administrator out of it.
            let class = if told.idp.is_some() {
                "sso"
            } else {
                class(&told)
            };
            found.entry(class).or_default().push(user.login);
            Ok(())
        })
        .unwrap();
        found
    })
}

fn compared(world: &World, at: Time) -> Result<(), TestCaseError> {
    let scope = Scope {
        group: None,
        all: true,
    };
    let seen = world.look("coverage", at, |store| coverage(store, scope).unwrap());
    let told = asked_one_by_one(world, at);
    let mut asked = 0;
    for row in &seen.rows {
        if ["falls_back", "no_recovery_codes", "held_up"].contains(&row.row) {
            continue;
        }
        let names = told.get(row.row).cloned().unwrap_or_default();
        prop_assert_eq!(row.count, names.len() as u64, "{}", row.row);
        if ![
            "password_only",
            "no_password",
            "sso",
            "no_identity_provider",
        ]
        .contains(&row.row)
        {
            asked += row.count;
        }
        if let Some(users) = &row.users {
            let (mut users, mut names) = (users.clone(), names);
            users.sort();
            names.sort();
            prop_assert_eq!(users, names);
        }
    }
    let numbers = seen.numbers;
    prop_assert_eq!(numbers.asked, asked);
    let count = |class: &str| told.get(class).map_or(0, |names| names.len() as u64);
    let none = (count("connects_app"), count("no_method"));
    prop_assert_eq!((numbers.connects_app, numbers.no_method), none);
    prop_assert_eq!(numbers.covered, asked - none.0 - none.1);
    let there = (count("sso"), count("no_identity_provider"));
    prop_assert_eq!((numbers.sso, numbers.no_identity_provider), there);
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn it_counts_what_is_explained(
        shared in shared(), users in prop::collection::vec(made(), 12), moments in prop::collection::vec(moment(), 3)
    ) {
        let world = World::new(&shared, &users);
        for at in moments {
            compared(&world, START.plus(at))?;
        }
    }
}

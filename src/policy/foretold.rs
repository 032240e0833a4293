//! What is told of a store as a policy would make it is what is told of the store once the policy was applied.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::export;
use super::tests::{apply, document, fitting, made_of, read};
use crate::coverage::{Coverage, Scope, coverage};
use crate::login::decide::Channel;
use crate::login::explain::{Explanation, Question, explain};
use crate::method::Method;
use crate::store::Store;
use crate::user;

/// What everybody is told, by login, and what all of them come to.
fn told(store: &Store, question: Question) -> (BTreeMap<String, Explanation>, Coverage) {
    let mut found = BTreeMap::new();
    user::each(store, &mut |user| {
        // A file gives nobody a password, and without one an explanation ends early.
        let user = user::User {
            has_password: true,
            ..user
        };
        let told = explain(store, &user, question)?;
        found.insert(user.login, told);
        Ok(())
    })
    .unwrap();
    let scope = Scope {
        group: None,
        all: true,
    };
    (found, coverage(store, scope).unwrap())
}

fn question() -> impl Strategy<Value = Question<'static>> {
    let channel = prop_oneof![8 => Just(Channel::Web), 1 => Just(Channel::Forms)];
    let method = prop::option::weighted(0.3, prop::sample::select(Method::ALL.to_vec()));
    (channel, method).prop_map(|(channel, method)| Question {
        channel,
        method,
        idp: None,
    })
}

/// What no file gives: passwords, and providers with those who came through them.
const GIVEN: &str = "UPDATE user SET password_hash = 'x' WHERE id % 3 <> 0;
    INSERT INTO idp (id, name, name_key, kind, enabled, entity_id, sso_url, acs_url, employees, externals, created_at)
        VALUES (1, 'p', 'p', 'custom', 1, 'e', 'https://idp.example/', 'https://app.example/', 'existing', 'none', 0),
               (2, 'q', 'q', 'custom', 1, 'e', 'https://idp.example/', 'https://app.example/', 'existing', 'existing', 0);
    INSERT INTO idp_certificate (idp, fingerprint, der, not_before_at, not_after_at) VALUES (1, 'f', x'', 0, 1);
    INSERT INTO idp_user (idp, subject, user, contexts, mfa, created, last_login_at)
        SELECT 1 + id % 2, id, id, '[]', 0, 0, id FROM user WHERE id % 5 < 2;
    INSERT OR REPLACE INTO setting (code, idp) VALUES ('DefaultSsoProvider', 1);
    INSERT OR REPLACE INTO setting (code, number) VALUES ('DisableInternalUserPasswordAuth', 1);";

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_a_policy_would_make_is_what_it_makes(
        first in document(), second in document(), prune in any::<bool>(), question in question()
    ) {
        let fresh = made_of(first);
        fresh.store.tampered().execute_batch(GIVEN).unwrap();
        let second = fitting(second, &export(&fresh.store, &[]).unwrap(), prune);
        let policy = read(&second, prune).unwrap();
        let Ok(would_be) = policy.would_be(&fresh.store) else {
            return Ok(());
        };
        let foretold = told(would_be.as_deref().unwrap_or(&fresh.store), question);
        apply(&fresh, &policy).unwrap();
        let done = told(&fresh.store, question);
        prop_assert_eq!(foretold.0, done.0);
        prop_assert_eq!(foretold.1, done.1);
    }
}

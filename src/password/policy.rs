//! The rules a new password keeps: length, kinds of characters, not the login, not a common one, not one of the last.
//!
//! Every rule that is broken is named, so that the next try need not find the next one. The history costs one hash for
//! each password in it, so it is asked last, and with no transaction open.

use zeroize::Zeroizing;

use super::{history, weak};
use crate::error::{Error, Kind, Result};
use crate::name::{counted, fold};
use crate::secret::Secret;
use crate::setting::{self, Setting, Settings};
use crate::store::Store;
use crate::user::User;

/// A rule that a password breaks.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    rule: &'static Setting,
    /// What it has to do with it, as in "the password …".
    does: String,
}

/// Refuses a password that breaks a rule. `user`: whose earlier passwords it must differ from; `None` for a new user.
///
/// # Errors
/// As [`check_words`].
pub(super) fn check(store: &Store, login: &str, user: Option<&User>, new: &Secret) -> Result<()> {
    let settings = Settings::load(store)?;
    let mut broken = of_words(store, &settings, login, new)?;
    let last = settings.number(&setting::HISTORY);
    if let Some(user) = user
        && history::holds(store, user.id, last, new)?
    {
        broken.push(Broken {
            rule: &setting::HISTORY,
            does: match last {
                1 => "is the one they have".to_owned(),
                _ => format!("is one of the last {last}"),
            },
        });
    }
    refuse(&broken)
}

/// Refuses a password that breaks a rule which is no secret of a user: everything but the history.
///
/// # Errors
/// [`Kind::PasswordPolicy`] with every broken rule; [`Kind::InvalidValue`] for an empty one; [`Kind::Io`] when the list
/// of common passwords cannot be read.
pub(crate) fn check_words(store: &Store, login: &str, new: &Secret) -> Result<()> {
    refuse(&of_words(store, &Settings::load(store)?, login, new)?)
}

fn of_words(store: &Store, settings: &Settings, login: &str, new: &Secret) -> Result<Vec<Broken>> {
    if new.is_empty() {
        return Err(Error::new(Kind::InvalidValue, "the password is empty"));
    }
    let mut broken = of_characters(settings, login, new.expose());
    if settings.flag(&setting::NOT_WEAK) && weak::is_common(store, new)? {
        broken.push(Broken {
            rule: &setting::NOT_WEAK,
            does: "is a common one".to_owned(),
        });
    }
    Ok(broken)
}

fn refuse(broken: &[Broken]) -> Result<()> {
    if broken.is_empty() {
        return Ok(());
    }
    let rules: Vec<&str> = broken.iter().map(|broken| broken.rule.code).collect();
    let message = if let [only] = broken {
        format!("the password {}", only.does)
    } else {
        let lines: Vec<String> = broken
            .iter()
            .map(|one| format!("\n  it {}", one.does))
            .collect();
        format!(
            "the password breaks {} rules:{}",
            broken.len(),
            lines.concat()
        )
    };
    Err(Error::new(Kind::PasswordPolicy, message)
        .hint(match rules.as_slice() {
            [rule] => format!("the rule is the setting {rule}"),
            rules => format!("the rules are the settings {}", rules.join(", ")),
        })
        .with("rules", rules))
}

/// A rule about how many characters of a kind there are at the least.
type Count = (
    &'static Setting,
    (&'static str, &'static str),
    fn(char) -> bool,
);

const COUNTS: [Count; 5] = [
    (&setting::MIN_LENGTH, ("character", "characters"), |_| true),
    (
        &setting::MIN_LOWER,
        ("lowercase letter", "lowercase letters"),
        char::is_lowercase,
    ),
    (
        &setting::MIN_UPPER,
        ("uppercase letter", "uppercase letters"),
        char::is_uppercase,
    ),
    (&setting::MIN_DIGITS, ("digit", "digits"), char::is_numeric),
    (
        &setting::MIN_SPECIAL,
        ("special character", "special characters"),
        |c| !c.is_alphanumeric(),
    ),
];

/// The rules that need nothing but the password and the login.
fn of_characters(settings: &Settings, login: &str, new: &str) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (rule, what, is) in COUNTS {
        let least = usize::try_from(settings.number(rule)).unwrap_or(0);
        let have = new.chars().filter(|c| is(*c)).count();
        if have < least {
            broken.push(Broken {
                rule,
                does: format!(
                    "needs {} and has {have}",
                    counted(least as u64, what.0, what.1)
                ),
            });
        }
    }
    if settings.flag(&setting::NOT_LOGIN) && *Zeroizing::new(fold(new)) == fold(login) {
        broken.push(Broken {
            rule: &setting::NOT_LOGIN,
            does: "is the login".to_owned(),
        });
    }
    broken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tests::fresh;

    fn broken(rules: &[(&Setting, i64)], login: &str, password: &str) -> Vec<&'static str> {
        let fresh = fresh();
        for (rule, value) in rules {
            let insert = "INSERT INTO setting (code, number) VALUES (?1, ?2)";
            let values = rusqlite::params![rule.code, value];
            fresh.store.tampered().execute(insert, values).unwrap();
        }
        match check(&fresh.store, login, None, &password.into()) {
            Ok(()) => Vec::new(),
            Err(error) => {
                assert_eq!(error.kind(), Kind::PasswordPolicy);
                let rules = error.detail()["rules"].as_array().unwrap().clone();
                let code =
                    |rule: &serde_json::Value| setting::find(rule.as_str().unwrap()).unwrap().code;
                rules.iter().map(code).collect()
            }
        }
    }

    #[test]
    fn every_broken_rule_is_named() {
        let all = [
            (&setting::MIN_LENGTH, 8),
            (&setting::MIN_LOWER, 2),
            (&setting::MIN_UPPER, 2),
            (&setting::MIN_DIGITS, 2),
            (&setting::MIN_SPECIAL, 2),
            (&setting::NOT_LOGIN, 1),
            (&setting::NOT_WEAK, 1),
        ];
        for (login, password, rules) in [
            ("alice", "Straße 42 AB!", vec![]),
            (
                "alice",
                "xq",
                vec![
                    "MinPasswordLength",
                    "MinPasswordUppercaseCharCount",
                    "MinPasswordNumericCharCount",
                    "MinPasswordSpecialCharCount",
                ],
            ),
            (
                "STRASSE 42 ab!",
                "Straße 42 AB!",
                vec!["PasswordNotEqualToUserLogin"],
            ),
            (
                "alice",
                "P@ssw0rd",
                vec![
                    "MinPasswordUppercaseCharCount",
                    "MinPasswordNumericCharCount",
                    "MinPasswordSpecialCharCount",
                    "PasswordNotFromWeakList",
                ],
            ),
            // A letter is what its script says, and is counted once.
            ("alice", "ΑΒγδ٤٢·!", vec![]),
        ] {
            assert_eq!(broken(&all, login, password), rules, "{password}");
        }
        // None is on in a new store, and an empty password is none.
        assert!(broken(&[], "alice", "alice").is_empty());
        let empty = check(&fresh().store, "alice", None, &"".into()).unwrap_err();
        assert_eq!(empty.kind(), Kind::InvalidValue);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// A rule of a count is broken exactly when there are fewer.
        #[test]
        fn counts_are_counts(password in "[a-cA-C0-3!? éÉ]{1,12}", least in 0i64..8) {
            for (rule, _, is) in COUNTS {
                let have = password.chars().filter(|c| is(*c)).count();
                let fewer = i64::try_from(have).unwrap() < least;
                prop_assert_eq!(broken(&[(rule, least)], "x", &password) == [rule.code], fewer);
            }
        }
    }
}

//! What holds for every policy and every store.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::document::{
    Document, Grantee, Group, Mailbox, MailboxKind, Method as Entry, Named, ProviderKind, Scalar,
    SmsProvider, User, VERSION, Words,
};
use super::*;
use crate::clock::Time;
use crate::mailbox::Tls;
use crate::permission::Access;
use crate::secret::Secret;
use crate::store::tests::{Fresh, fresh};
use crate::user::Type;

/// Every reference leads to a secret that is its own name.
struct Known;

impl Vaults for Known {
    fn read(&self, reference: &Reference) -> Result<Secret> {
        Ok(Secret::new(format!("secret of {reference}")))
    }
}

pub(super) fn read(document: &Document, prune: bool) -> Result<Policy> {
    let options = Options {
        prune,
        ..Options::default()
    };
    Policy::read(
        to_toml(document)?.as_bytes(),
        &options,
        &Known,
        Unread::Refuse,
    )
}

/// Applies it, as `change.rs` does under the lock.
pub(super) fn apply(fresh: &Fresh, policy: &Policy) -> Result<Vec<Change>> {
    policy.changes(&fresh.store)?;
    fresh.store.write(|tx| {
        let changes = policy.changes(tx)?;
        policy.write(tx)?;
        Ok(changes)
    })
}

fn subset<T: Clone + std::fmt::Debug + 'static>(
    names: &[&'static str],
    thing: impl Strategy<Value = T> + Clone + 'static,
) -> BoxedStrategy<Named<T>> {
    let some = proptest::sample::subsequence(names.to_vec(), 0..=names.len());
    some.prop_flat_map(move |names| {
        let things = prop::collection::vec(thing.clone(), names.len());
        things.prop_map(move |things| {
            let names = names.iter().map(|name| (*name).to_owned());
            Named(names.zip(things).collect())
        })
    })
    .boxed()
}

fn text(words: &[&'static str]) -> impl Strategy<Value = Option<String>> + Clone {
    prop::option::of(proptest::sample::select(words.to_vec()).prop_map(str::to_owned))
}

const USERS: &[&str] = &["alice", "Bob", "carol@example.com", "Zoë", "dave"];
const GROUPS: &[&str] = &["Helpdesk", "staff", "Über uns", "Auditors"];
const BOXES: &[&str] = &["ops", "spare box"];

fn users() -> impl Strategy<Value = Named<User>> {
    let kind = proptest::sample::select(vec![
        None,
        Some(Type::Employee),
        Some(Type::External),
        Some(Type::Technical),
    ]);
    let user = (
        text(&["", "A. Adams", "Ünal = \"quoted\""]),
        0..3u8,
        text(&["", "+493012345678", "+4915112345"]),
        kind,
        text(&["en", "de", "pt-br"]),
        prop::option::of(any::<bool>()),
        prop::option::of(proptest::sample::subsequence(GROUPS.to_vec(), 0..=2)),
    );
    subset(USERS, user).prop_map(|named| {
        let entries = named.0.into_iter().map(|(login, user)| {
            let (name, email, phone, kind, language, active, groups) = user;
            // An address of their own, for each has one only.
            let own = fold(&login).replace('@', ".");
            let email = match email {
                0 => None,
                1 => Some(String::new()),
                _ => Some(format!("{own}@example.org")),
            };
            let user = User {
                name,
                email,
                phone,
                kind,
                language,
                active,
                os_user: None,
                groups: groups.map(|groups| groups.into_iter().map(str::to_owned).collect()),
            };
            (login, user)
        });
        Named(entries.collect())
    })
}

fn groups() -> impl Strategy<Value = Named<Group>> {
    let group = (
        prop::option::of(proptest::sample::subsequence(
            USERS.to_vec(),
            0..=USERS.len(),
        )),
        prop::option::of(any::<bool>()),
    );
    subset(GROUPS, group).prop_map(|named| {
        let names: Vec<String> = named.0.iter().map(|(name, _)| name.clone()).collect();
        let entries = named
            .0
            .into_iter()
            .enumerate()
            .map(|(at, (name, (users, nests)))| {
                // Only in the order of the names, so that there is no cycle.
                let below = names[at + 1..].iter().take(2).cloned().collect();
                let group = Group {
                    users: users.map(|users| users.into_iter().map(str::to_owned).collect()),
                    groups: nests.map(|nests| if nests { below } else { Vec::new() }),
                };
                (name, group)
            });
        Named(entries.collect())
    })
}

fn mailboxes() -> impl Strategy<Value = Named<Mailbox>> {
    let mailbox = (
        any::<bool>(),
        any::<bool>(),
        proptest::sample::select(vec![Tls::None, Tls::Tls]),
    );
    subset(BOXES, mailbox).prop_map(|named| {
        let entries = named.0.into_iter().map(|(name, (smtp, login, tls))| {
            let mut mailbox = Mailbox {
                from: Some("Ops <ops@example.com>".into()),
                ..Mailbox::default()
            };
            if smtp {
                mailbox.kind = Some(MailboxKind::Smtp);
                mailbox.host = Some("mail.example.com".into());
                mailbox.tls = Some(tls);
                mailbox.username = Some(if login { "ops".into() } else { String::new() });
                mailbox.password = login.then(|| Reference::File("/run/secrets/x".into()));
            } else {
                mailbox.kind = Some(MailboxKind::File);
                mailbox.path = Some("/var/spool/mail-of-tests".into());
            }
            (name, mailbox)
        });
        Named(entries.collect())
    })
}

fn sms_providers() -> impl Strategy<Value = Named<SmsProvider>> {
    subset(&["text"], any::<bool>()).prop_map(|named| {
        let entries = named.0.into_iter().map(|(name, smpp)| {
            let provider = if smpp {
                SmsProvider {
                    kind: Some(ProviderKind::Smpp),
                    host: Some("smsc.example.com".into()),
                    username: Some("smpp".into()),
                    secret: Some(Reference::Credential("smpp".into())),
                    ..SmsProvider::default()
                }
            } else {
                SmsProvider {
                    kind: Some(ProviderKind::Http),
                    url: Some("https://sms.example.com/send".into()),
                    headers: Some(vec!["Authorization: Bearer #Token#".into()]),
                    body: Some("{\"to\": \"#Phone#\", \"text\": \"#Text#\"}".into()),
                    secret: Some(Reference::Variable("TOKEN".into())),
                    ..SmsProvider::default()
                }
            };
            (name, provider)
        });
        Named(entries.collect())
    })
}

fn templates() -> impl Strategy<Value = Named<Named<Words>>> {
    let words = text(&["Code #SecondFactorCode#", "#SecondFactorCode#\nis it"]);
    subset(
        &["2FA SMS code"],
        subset(&["en", "de", "nl"], words).boxed(),
    )
    .prop_map(|named| {
        let entries = named.0.into_iter().map(|(name, languages)| {
            let words = languages.0.into_iter().map(|(language, text)| {
                let text = Some(text.unwrap_or_else(|| "Hello #SecondFactorCode#".into()));
                (
                    language,
                    Words {
                        text,
                        ..Words::default()
                    },
                )
            });
            (name, Named(words.collect()))
        });
        Named(entries.collect())
    })
}

fn settings() -> impl Strategy<Value = Named<Scalar>> {
    let value = (any::<bool>(), 1..9i64);
    let codes = &[
        "Enable2FA",
        "DisableInternalUserPasswordAuth",
        "SecondFactorCodeTTL",
        "TotpIssuer",
        "MinPasswordLength",
        "UserLockoutDuration",
    ];
    subset(codes, value).prop_map(|named| {
        let entries = named.0.into_iter().map(|(code, (flag, number))| {
            let value = match code.as_str() {
                "Enable2FA" | "DisableInternalUserPasswordAuth" => Scalar::Bool(flag),
                "TotpIssuer" => Scalar::Text(format!("Issuer {number}")),
                "UserLockoutDuration" => Scalar::Text(format!("{number}h")),
                _ => Scalar::Int(number),
            };
            (code, value)
        });
        Named(entries.collect())
    })
}

fn methods() -> impl Strategy<Value = Named<Entry>> {
    let enabled = prop::option::of(any::<bool>());
    (
        subset(&["email", "sms", "totp", "recovery-codes"], enabled),
        0..4usize,
    )
        .prop_map(|(named, first)| {
            let entries = named
                .0
                .into_iter()
                .enumerate()
                .map(|(at, (code, enabled))| {
                    let primary =
                        (at == first && code != "recovery-codes" && enabled != Some(false))
                            .then_some(true);
                    (code, Entry { enabled, primary })
                });
            Named(entries.collect())
        })
}

fn permissions() -> impl Strategy<Value = Named<Vec<Grantee>>> {
    let everybody = USERS.iter().map(|name| (true, *name));
    let every_group = GROUPS
        .iter()
        .chain(&["All employees", "System administrators"]);
    let all: Vec<(bool, &str)> = everybody
        .chain(every_group.map(|name| (false, *name)))
        .collect();
    let rows = proptest::sample::subsequence(all, 0..4).prop_shuffle();
    let rows = (rows, any::<bool>(), prop::option::of(1..2_000_000_000i64));
    subset(&["CanUse2FA", "CanReset2FA", "CanManageUsers"], rows).prop_map(|named| {
        let entries = named.0.into_iter().map(|(code, (rows, allow, until))| {
            let rows = rows.into_iter().map(|(is_user, name)| Grantee {
                user: is_user.then(|| name.to_owned()),
                group: (!is_user).then(|| name.to_owned()),
                access: if allow { Access::Allow } else { Access::Deny },
                until: until.map(Time),
            });
            (code, rows.collect())
        });
        Named(entries.collect())
    })
}

pub(super) fn document() -> impl Strategy<Value = Document> {
    let things = (
        prop::option::of(settings()),
        prop::option::of(methods()),
        prop::option::of(mailboxes()),
        prop::option::of(sms_providers()),
        prop::option::of(templates()),
    );
    let people = (
        prop::option::weighted(0.8, groups()),
        prop::option::weighted(0.8, users()),
        prop::option::of(permissions()),
    );
    (things, people, 0..3usize).prop_map(|(things, people, which)| {
        let (settings, methods, mailboxes, sms_providers, templates) = things;
        let (groups, users, permissions) = people;
        let mut document = Document {
            schema: None,
            version: VERSION,
            settings,
            methods,
            mailboxes,
            sms_providers,
            templates,
            groups,
            users,
            permissions,
        };
        // A setting points at one of them.
        let first = document
            .mailboxes
            .as_ref()
            .and_then(|named| named.0.get(which));
        if let (Some((name, _)), Some(settings)) = (first, &mut document.settings) {
            let value = Scalar::Text(name.to_uppercase());
            settings.0.push(("2fAmailbox".to_owned(), value));
        }
        document
    })
}

/// The document without names of users and groups that nobody has: those that it declares, and those of `known`, unless it
/// prunes them.
pub(super) fn fitting(mut document: Document, known: &Document, prune: bool) -> Document {
    fn there<T>(
        declared: Option<&Named<T>>,
        known: Option<&Named<T>>,
        prune: bool,
    ) -> BTreeSet<String> {
        let kept = known.filter(|_| declared.is_none() || !prune);
        keys(declared).union(&keys(kept)).cloned().collect()
    }
    let users = there(document.users.as_ref(), known.users.as_ref(), prune);
    let mut groups = there(document.groups.as_ref(), known.groups.as_ref(), prune);
    let is_there = |names: &BTreeSet<String>, name: &str| names.contains(&fold(name));
    for (_, group) in document.groups.iter_mut().flat_map(|named| &mut named.0) {
        group
            .users
            .iter_mut()
            .for_each(|list| list.retain(|name| is_there(&users, name)));
    }
    for (_, user) in document.users.iter_mut().flat_map(|named| &mut named.0) {
        user.groups
            .iter_mut()
            .for_each(|list| list.retain(|name| is_there(&groups, name)));
    }
    groups.extend([
        "all employees".to_owned(),
        "system administrators".to_owned(),
    ]);
    for (_, rows) in document
        .permissions
        .iter_mut()
        .flat_map(|named| &mut named.0)
    {
        rows.retain(|row| {
            row.user.as_ref().is_none_or(|name| is_there(&users, name))
                && row
                    .group
                    .as_ref()
                    .is_none_or(|name| is_there(&groups, name))
        });
    }
    document
}

/// A store of which a document is true.
pub(super) fn made_of(document: Document) -> Fresh {
    let fresh = fresh();
    let document = fitting(document, &Document::default(), false);
    apply(&fresh, &read(&document, false).unwrap()).unwrap();
    fresh
}

fn keys<T>(section: Option<&Named<T>>) -> BTreeSet<String> {
    section
        .into_iter()
        .flat_map(Named::iter)
        .map(|(name, _)| fold(name))
        .collect()
}

/// What a file declares of members, by folded names.
fn members(document: &Document, group: &str) -> BTreeSet<String> {
    let groups = document.groups.iter().flat_map(Named::iter);
    let of_group = groups
        .filter(|(name, _)| fold(name) == fold(group))
        .flat_map(|(_, group)| group.users.iter().flatten().map(|user| fold(user)));
    let users = document.users.iter().flat_map(Named::iter);
    let of_users = users
        .filter(|(_, user)| {
            user.groups
                .iter()
                .flatten()
                .any(|name| fold(name) == fold(group))
        })
        .map(|(login, _)| fold(login));
    of_group.chain(of_users).collect()
}

/// After --prune nothing is there but what is declared, in the sections that are declared.
fn nothing_else(document: &Document, after: &Document) -> std::result::Result<(), TestCaseError> {
    if document.users.is_some() {
        prop_assert_eq!(keys(document.users.as_ref()), keys(after.users.as_ref()));
    }
    if document.mailboxes.is_some() {
        prop_assert_eq!(
            keys(document.mailboxes.as_ref()),
            keys(after.mailboxes.as_ref())
        );
    }
    if document.sms_providers.is_some() {
        let declared = keys(document.sms_providers.as_ref());
        prop_assert_eq!(declared, keys(after.sms_providers.as_ref()));
    }
    if let Some(groups) = &document.groups {
        let built_in = BTreeSet::from(["system administrators".to_owned()]);
        let declared: BTreeSet<String> = keys(Some(groups)).union(&built_in).cloned().collect();
        prop_assert_eq!(declared, keys(after.groups.as_ref()));
        for (name, group) in groups.iter() {
            let have = after
                .groups
                .as_ref()
                .and_then(|groups| groups.get(name))
                .unwrap();
            let of = |names: Option<&Vec<String>>| -> BTreeSet<String> {
                names.into_iter().flatten().map(|name| fold(name)).collect()
            };
            if group.users.is_some() {
                prop_assert_eq!(members(document, name), of(have.users.as_ref()));
            }
            if group.groups.is_some() {
                prop_assert_eq!(of(group.groups.as_ref()), of(have.groups.as_ref()));
            }
        }
    }
    if let Some(settings) = &document.settings {
        let modified = keys(after.settings.as_ref());
        prop_assert!(modified.is_subset(&keys(Some(settings))), "{:?}", modified);
    }
    if let Some(methods) = &document.methods {
        for (code, method) in after.methods.iter().flat_map(Named::iter) {
            prop_assert!(method.enabled == Some(false) || methods.get(code).is_some());
        }
    }
    if let Some(lists) = &document.permissions {
        for (code, rows) in after.permissions.iter().flat_map(Named::iter) {
            let declared = lists.get(code).map_or(0, Vec::len);
            prop_assert!(rows.len() == declared || lists.get(code).is_none());
        }
    }
    Ok(())
}

/// What is not declared stays as it was, without --prune.
fn everything_else(before: &Document, after: &Document) -> std::result::Result<(), TestCaseError> {
    for (was, is) in [
        (keys(before.users.as_ref()), keys(after.users.as_ref())),
        (keys(before.groups.as_ref()), keys(after.groups.as_ref())),
        (
            keys(before.mailboxes.as_ref()),
            keys(after.mailboxes.as_ref()),
        ),
    ] {
        prop_assert!(was.is_subset(&is));
    }
    for (name, group) in before.groups.iter().flat_map(Named::iter) {
        let is = after
            .groups
            .as_ref()
            .and_then(|groups| groups.get(name))
            .unwrap();
        for user in group.users.iter().flatten() {
            prop_assert!(
                is.users.iter().flatten().any(|other| other == user),
                "{}",
                user
            );
        }
    }
    Ok(())
}

/// What was foretold is what somebody is asked about; what is done is found out again.
#[test]
fn what_was_told_is_asked_about_once() {
    let fresh = fresh();
    let text = b"version = 1\n[groups.staff]\n[groups.interns]\n";
    let policy = Policy::read(text, &Options::default(), &Known, Unread::Refuse).unwrap();
    let told = policy.forecast(&fresh.store, None).unwrap().changes;
    let name = "interns".to_owned();
    fresh
        .store
        .write(|tx| crate::group::edit::AddGroup { name }.write(tx))
        .unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!(policy.changes(&fresh.store).unwrap(), told);
    let now = policy.changes(&fresh.store).unwrap();
    assert_eq!(now, told.get(..1).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A file says what was written, in both forms.
    #[test]
    fn a_file_is_read_as_it_was_written(document in document()) {
        for text in [to_toml(&document).unwrap(), serde_json::to_string_pretty(&document).unwrap()] {
            let read = Source::read(text.as_bytes()).unwrap().document;
            prop_assert_eq!(&read, &document, "{}", text);
        }
    }

    /// Applied twice is applied once; nothing differs then; what is not declared goes with --prune, and stays without.
    #[test]
    fn apply_makes_it_so(first in document(), second in document(), prune in any::<bool>()) {
        let fresh = made_of(first);
        let before = export(&fresh.store, &[]).unwrap();
        let second = fitting(second, &before, prune);
        let policy = read(&second, prune).unwrap();
        let bytes = std::fs::read(&fresh.store.place().db).unwrap();
        let log = std::fs::read(crate::files::with_suffix(&fresh.store.place().db, "-wal")).unwrap();
        let foreseen = policy.forecast(&fresh.store, None);
        prop_assert_eq!(std::fs::read(&fresh.store.place().db).unwrap(), bytes);
        prop_assert_eq!(std::fs::read(crate::files::with_suffix(&fresh.store.place().db, "-wal")).unwrap(), log);
        let Ok(foreseen) = foreseen else {
            prop_assert_eq!(export(&fresh.store, &[]).unwrap(), before);
            return Ok(());
        };
        prop_assert_eq!(apply(&fresh, &policy).unwrap(), foreseen.changes);
        prop_assert!(policy.changes(&fresh.store).unwrap().is_empty());
        let again = policy.forecast(&fresh.store, None).unwrap();
        prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
        let after = export(&fresh.store, &[]).unwrap();
        fresh.store.write(|tx| policy.write(tx)).unwrap();
        prop_assert_eq!(&export(&fresh.store, &[]).unwrap(), &after);
        if prune {
            nothing_else(&second, &after)?;
        } else {
            everything_else(&before, &after)?;
        }
    }

    /// What was exported makes the same of a new store, and nothing of the old one.
    #[test]
    fn an_export_makes_the_same_store(document in document()) {
        let fresh = made_of(document);
        let exported = export(&fresh.store, &[]).unwrap();
        let new = self::fresh();
        apply(&new, &read(&exported, false).unwrap()).unwrap();
        prop_assert_eq!(&export(&new.store, &[]).unwrap(), &exported);
        for prune in [false, true] {
            let again = read(&exported, prune).unwrap().forecast(&new.store, None).unwrap();
            prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
        }
    }
}

//! Completion: the shell asks this program for the words.
//!
//! A completer sees the current word only, so the line is read again for `--db`. The store is opened to read, without
//! waiting, and whatever goes wrong means no candidates: a Tab press never prints an error.

#[cfg(feature = "saml")]
mod idps;
mod line;
mod storeless;

use std::ffi::OsStr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::CompletionCandidate;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use clap_complete::env::Shells;
use serde_json::Value;
use twofa::actor::Session;
use twofa::clock::System;
use twofa::delivery::outbox::{self, Filter};
use twofa::error::{Kind, Result};
#[cfg(feature = "saml")]
use twofa::login::redirected;
use twofa::method::Method;
use twofa::permission::{self, Named};
use twofa::setting::{self, Setting, Shape};
use twofa::store::Store;
use twofa::user::{self, Among, Type};
use twofa::verb::{Opens, Operation, VERBS};
use twofa::{audit, challenge, group, idp, mailbox, oauth_client, policy, sms_provider, template};

use crate::cli::Cli;
use crate::commands::help::TOPICS;
use crate::complete::line::{before, given, place};
use crate::process;

#[cfg(feature = "saml")]
pub use self::idps::{
    fingerprints, group_values, idps, idps_that, linked_users, mapped, name_id_formats,
    valued_groups,
};
pub use self::storeless::{
    accounts, lives, mappings, outcomes, times, times_past, times_to_come, waits,
};

/// The variable that turns the program into a completer.
const VARIABLE: &str = "TWOFA_COMPLETE";
/// How many names of a store are offered at once.
const MOST: i64 = 200;
/// How many of what has numbers and no names.
const NEWEST: i64 = 50;

/// Whether a shell asks.
pub fn requested() -> bool {
    process::variable(VARIABLE).is_some_and(|shell| !shell.is_empty())
}

/// Answers the shell. Its words are `twofa -- twofa WORD…`. A delegated caller gets no answer: candidates come out of
/// directories and stores that they may not choose.
pub fn answer() -> ExitCode {
    if process::is_delegated(&process::process(), line::store().as_deref(), None) {
        return ExitCode::from(Kind::NotPermitted.exit());
    }
    let shell = process::text(VARIABLE).unwrap_or_default();
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(&shell) else {
        return ExitCode::FAILURE;
    };
    let (mut command, words) = line::command();
    let mut out = Vec::new();
    let directory = std::env::current_dir().ok();
    if completer
        .write_complete(&mut command, words, directory.as_deref(), &mut out)
        .is_ok()
    {
        #[expect(
            clippy::disallowed_methods,
            reason = "the candidates are the whole answer to the shell"
        )]
        let mut stdout = std::io::stdout();
        // Nobody listens: nothing to do.
        let _ = std::io::Write::write_all(&mut stdout, &out);
    }
    ExitCode::SUCCESS
}

/// What the store of the line has to say, to somebody who may list users; else nothing.
fn ask(what: impl FnOnce(&Store) -> Result<Vec<String>>) -> Vec<CompletionCandidate> {
    ask_as("user list", what)
}

/// What the store has to say to somebody who may run this command, which reads; else nothing.
fn ask_as(
    path: &str,
    what: impl FnOnce(&Store) -> Result<Vec<String>>,
) -> Vec<CompletionCandidate> {
    let found = || -> Option<Vec<String>> {
        let verb = VERBS
            .iter()
            .find(|verb| verb.path == path && verb.opens == Opens::Read)?;
        let place = place()?;
        // A pipe of that name would be waited for.
        if !place.db.is_file() {
            return None;
        }
        let store = Store::open(&place, verb, Duration::ZERO, Rc::new(System)).ok()?;
        let session = Session::look(store, verb, &process::process()).ok()?;
        what(&session.store).ok()
    };
    sound(found().unwrap_or_default())
}

/// Candidates, but for those that would break the line of the shell's protocol.
fn sound(names: Vec<String>) -> Vec<CompletionCandidate> {
    names
        .into_iter()
        .filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
        .map(CompletionCandidate::new)
        .collect()
}

fn fixed(words: impl IntoIterator<Item = &'static str>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

/// Logins.
pub fn users() -> ArgValueCompleter {
    among(|_| Ok(Among::Everybody))
}

/// Logins of those who have an app.
pub fn users_with_app() -> ArgValueCompleter {
    among(|_| Ok(Among::WithApp))
}

/// Logins of those who have recovery codes.
pub fn users_with_codes() -> ArgValueCompleter {
    among(|_| Ok(Among::WithCodes))
}

/// Logins of those who are directly in the group of the line.
pub fn member_users() -> ArgValueCompleter {
    among(|store| Ok(group_of_line(store)?.map_or(Among::Everybody, |it| Among::InGroup(it.id))))
}

fn among(whom: fn(&Store) -> Result<Among>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let prefix = current.to_string_lossy().into_owned();
        ask(|store| user::candidates(store, whom(store)?, &prefix, MOST))
    })
}

fn group_of_line(store: &Store) -> Result<Option<group::Group>> {
    given("group")
        .map(|name| group::find(store, &name.to_string_lossy()))
        .transpose()
}

/// Names that begin with the current word, in any case.
fn named(all: fn(&Store) -> Result<Vec<String>>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| ask(|store| begun(all(store)?, current)))
}

/// Those of `names` that begin with `current`, in any case.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends closures whose names may not be there"
)]
fn begun(names: Vec<String>, current: &OsStr) -> Result<Vec<String>> {
    let prefix = twofa::name::fold(&current.to_string_lossy());
    Ok(names
        .into_iter()
        .filter(|name| twofa::name::fold(name).starts_with(&prefix))
        .collect())
}

/// Groups.
pub fn groups() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let prefix = current.to_string_lossy().into_owned();
        ask(|store| group::beginning(store, &prefix, MOST))
    })
}

/// Groups that are directly in the group of the line.
pub fn member_groups() -> ArgValueCompleter {
    named(|store| match group_of_line(store)? {
        Some(group) => group::within(store, &group),
        None => group::candidates(store),
    })
}

/// Users on the list of the operation of the line.
pub fn grantee_users() -> ArgValueCompleter {
    named(|store| {
        grantees(store, |whom| match whom {
            Named::User(login) => Some(login),
            Named::Group(_) => None,
        })
    })
}

/// Groups on the list of the operation of the line.
pub fn grantee_groups() -> ArgValueCompleter {
    named(|store| {
        grantees(store, |whom| match whom {
            Named::Group(name) => Some(name),
            Named::User(_) => None,
        })
    })
}

fn grantees(store: &Store, pick: fn(Named) -> Option<String>) -> Result<Vec<String>> {
    let Some(operation) = given("operation") else {
        return Ok(Vec::new());
    };
    let operation = permission::find(store, &operation.to_string_lossy())?;
    let rows = permission::show(store, operation)?.grantees;
    Ok(rows.into_iter().filter_map(|row| pick(row.whom)).collect())
}

/// Positions of the list of the operation of the line, and the one behind them.
pub fn positions() -> ArgValueCompleter {
    named(|store| {
        let Some(operation) = given("operation") else {
            return Ok(Vec::new());
        };
        let operation = permission::find(store, &operation.to_string_lossy())?;
        let count = permission::show(store, operation)?.grantees.len();
        Ok((1..=count + 1).map(|place| place.to_string()).collect())
    })
}

/// Words that begin with the current one, in any case.
fn in_any_case(
    words: impl Iterator<Item = &'static str>,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let prefix = twofa::name::fold(&current.to_string_lossy());
    fixed(words.filter(|word| twofa::name::fold(word).starts_with(&prefix)))
}

/// Operations, in any case.
pub fn operations() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        in_any_case(Operation::ALL.iter().map(|one| one.code()), current)
    })
}

/// Mailboxes.
pub fn mailboxes() -> ArgValueCompleter {
    named(mailbox::candidates)
}

/// Names of OAuth clients.
pub fn oauth_clients() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        ask_as("oauth-client list", |store| {
            begun(oauth_client::candidates(store)?, current)
        })
    })
}

/// Numbers of the newest messages.
pub fn messages() -> ArgValueCompleter {
    named(|store| {
        let newest = Filter {
            limit: Some(NEWEST),
            ..Filter::default()
        };
        let mut numbers = Vec::new();
        outbox::list(store, &newest, &mut |message| {
            numbers.push(message.id.to_string());
            Ok(())
        })?;
        Ok(numbers)
    })
}

/// Names of SMS providers.
pub fn sms_providers() -> ArgValueCompleter {
    named(sms_provider::candidates)
}

/// Open challenges.
pub fn challenges() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let prefix = current.to_string_lossy().into_owned();
        ask_as("login list", |store| {
            #[cfg_attr(not(feature = "saml"), expect(unused_mut, reason = "nothing is added"))]
            let mut tokens = challenge::candidates(store, &prefix, NEWEST)?;
            #[cfg(feature = "saml")]
            tokens.extend(redirected::candidates(store, &prefix, NEWEST)?);
            Ok(tokens)
        })
    })
}

/// Numbers of the newest events.
pub fn seqs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        ask_as("audit show", |store| {
            let newest = audit::Filter {
                limit: Some(NEWEST),
                ..audit::Filter::default()
            };
            let mut numbers = Vec::new();
            audit::list(store, &newest, &mut |record| {
                numbers.push(record.seq.to_string());
                Ok(())
            })?;
            begun(numbers, current)
        })
    })
}

/// Keys of the key file that can be retired.
pub fn ring_keys() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let prefix = current.to_string_lossy().into_owned();
        ask_as("key check", |store| {
            let mut ids = twofa::sealed::retirable(store)?;
            ids.retain(|id| id.starts_with(&prefix));
            Ok(ids)
        })
    })
}

/// Templates.
pub fn templates() -> ArgValueCompleter {
    named(|store| {
        Ok(template::list(store)?
            .into_iter()
            .map(|row| row.name)
            .collect())
    })
}

/// Languages that a template has words in.
pub fn languages() -> ArgValueCompleter {
    named(template::languages)
}

/// 2FA methods, in any case.
pub fn methods() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        in_any_case(Method::ALL.into_iter().map(Method::code), current)
    })
}

/// Nouns of a policy file.
pub fn policy_nouns() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(policy::SECTIONS.map(|(noun, _)| noun)))
}

/// Types of users.
pub fn types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(Type::ALL.map(Type::code)))
}

/// Settings, in any case.
pub fn settings() -> ArgValueCompleter {
    ArgValueCompleter::new(codes)
}

fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    let prefix = twofa::name::fold(&current.to_string_lossy());
    setting::ALL
        .iter()
        .filter(|setting| twofa::name::fold(setting.code).starts_with(&prefix))
        .map(|setting| CompletionCandidate::new(setting.code).help(Some(setting.meaning.into())))
        .collect()
}

/// Settings and their values in turn: after a code, what it takes.
pub fn settings_and_values() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        match before().last().map(|word| setting::find(word)) {
            Some(Ok(setting)) => ask_values(setting, current),
            _ => codes(current),
        }
    })
}

fn ask_values(setting: &'static Setting, current: &OsStr) -> Vec<CompletionCandidate> {
    match setting.shape {
        Shape::Bool => in_any_case(["true", "false"].into_iter(), current),
        Shape::Mailbox => ask(|store| begun(mailbox::candidates(store)?, current)),
        Shape::Provider => ask(|store| begun(sms_provider::candidates(store)?, current)),
        Shape::Template { kind, carries } => ask(|store| {
            let names = template::list(store)?
                .into_iter()
                .filter(|row| row.kind == kind && row.macros.contains(&carries))
                .map(|row| row.name);
            begun(names.collect(), current)
        }),
        Shape::Idp => ask(|store| {
            let enabled = idp::list(store)?.into_iter().filter(|idp| idp.enabled);
            begun(enabled.map(|idp| idp.name).collect(), current)
        }),
        // What it is, and what it was in the beginning.
        Shape::Int { .. } | Shape::Text { .. } | Shape::SmsSender => ask(|store| {
            let row = setting::show(store, setting)?;
            let mut values: Vec<String> = [row.value, row.default]
                .into_iter()
                .filter_map(|value| match value {
                    Value::Number(number) => Some(number.to_string()),
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect();
            values.dedup();
            begun(values, current)
        }),
    }
}

/// The words of commands, one after another, and the topics of `help`.
pub fn help_words() -> ArgValueCompleter {
    words_of_commands("help", TOPICS)
}

/// The words of commands, for `man`.
pub fn command_words() -> ArgValueCompleter {
    words_of_commands("man", &[])
}

/// The words of commands after `asked`, one after another; `topics` stand beside the first.
fn words_of_commands(asked: &'static str, topics: &'static [&'static str]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let before = before();
        let before: Vec<&String> = before
            .iter()
            .skip_while(|word| *word != asked)
            .skip(1)
            .collect();
        let mut command = Cli::command();
        for word in &before {
            let Some(next) = command.find_subcommand(word.as_str()).cloned() else {
                return Vec::new();
            };
            command = next;
        }
        let topics = if before.is_empty() { topics } else { &[] };
        let prefix = current.to_string_lossy();
        command
            .get_subcommands()
            .filter(|below| !below.is_hide_set())
            .map(|below| {
                CompletionCandidate::new(below.get_name().to_owned())
                    .help(below.get_about().cloned())
            })
            .chain(topics.iter().map(CompletionCandidate::new))
            .filter(|candidate| {
                candidate
                    .get_value()
                    .to_string_lossy()
                    .starts_with(&*prefix)
            })
            .collect()
    })
}

/// Events and their nouns.
pub fn events() -> ArgValueCandidates {
    ArgValueCandidates::new(|| fixed(audit::Event::ALL.iter().map(|(event, _)| event.code())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that nobody can offer, by the id of their argument, and why not.
    const FREE: &[(&str, &str)] = &[
        ("account", "an account of an SMS provider"),
        ("acs_url", "an address of the network"),
        ("admin", "a name that is new"),
        ("allow_lockout", "a number that the refusal tells"),
        ("audience", "an address of the network"),
        ("base_url", "an address of the network"),
        ("body", "words"),
        ("code", "a secret"),
        ("confirm_code", "a secret"),
        ("email", "an address"),
        ("entity_id", "a name on another machine"),
        ("external_when", "words of the provider"),
        ("fail_under", "a number"),
        ("from", "an address or a number"),
        ("groups_attribute", "words of the provider"),
        ("headers", "words"),
        ("html", "words"),
        ("http", "an address of the network"),
        ("limit", "a number"),
        ("login_attribute", "words of the provider"),
        ("mfa_attribute", "words of the provider"),
        ("mfa_contexts", "words of the provider"),
        ("name", "a name that is new"),
        ("new_login", "a name that is new"),
        ("new_name", "a name that is new"),
        ("own_entity_id", "a name on another machine"),
        ("phone", "a number"),
        ("reason", "words"),
        ("receipt", "words"),
        ("request", "not for people"),
        ("scopes", "words of the integration"),
        ("setup_token", "a secret"),
        ("slo_url", "an address of the network"),
        ("smpp", "an address of the network"),
        ("smtp", "an address of the network"),
        ("sso_url", "an address of the network"),
        ("subject", "words"),
        ("success", "words"),
        ("system_type", "words"),
        ("text", "words"),
        ("to", "an address or a number"),
        ("username", "a name on another machine"),
    ];
    /// The same, where another command's argument of that id can be completed.
    const FREE_HERE: &[(&str, &str, &str)] = &[("user add", "login", "a name that is new")];

    /// Every argument that takes a value is completed, or stands in a list with the reason why not.
    #[test]
    fn every_value_is_completed() {
        fn walk(command: &clap::Command, path: &str, used: &mut Vec<String>) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let takes = argument
                    .get_num_args()
                    .is_some_and(|range| range.takes_values());
                let completed = argument.get::<ArgValueCompleter>().is_some()
                    || argument.get::<ArgValueCandidates>().is_some()
                    || !argument.get_possible_values().is_empty()
                    || argument.get_value_hint() != clap::ValueHint::Unknown;
                let here = FREE_HERE
                    .iter()
                    .any(|(at, free, _)| (*at, *free) == (path, id));
                let free = here || FREE.iter().any(|(free, _)| *free == id);
                // `mailbox show NAME` is completed, `mailbox add NAME` cannot be.
                assert!(
                    !takes || completed || free,
                    "`{path}` does not complete `{id}`"
                );
                if takes && !completed {
                    used.push(id.to_owned());
                }
            }
            for sub in command.get_subcommands() {
                let path = format!("{path} {}", sub.get_name());
                walk(sub, path.trim(), used);
            }
        }
        let mut command = Cli::command();
        command.build();
        let mut used = Vec::new();
        walk(&command, "", &mut used);
        for (id, why) in FREE {
            assert!(
                used.iter().any(|one| one == id),
                "`{id}` ({why}) stands in the list for nothing"
            );
        }
    }
}

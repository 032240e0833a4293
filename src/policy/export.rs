//! From a store to a policy file: what is there, without secrets, so that the file makes the same of a new store.
//!
//! A setting stands in it where it differs from its default, and words where they differ from the shipped ones; the lists
//! of all operations stand in it whole. A secret is a reference to a variable.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::document::{
    Document, Grantee, Group, Mailbox, MailboxKind, Method, Named, ProviderKind, Scalar,
    SmsProvider, User, VERSION, Words,
};
use super::reference::Reference;
use crate::error::{Error, Kind, Result};
use crate::name::fold;
use crate::permission::{self, Named as Whom};
use crate::sms_provider::ProviderRow;
use crate::store::Store;
use crate::verb::Operation;
use crate::{group, mailbox, method, setting, sms_provider, template, user};

/// What a file begins with.
const HEAD: &str = "# Written by `twofa export`. `twofa diff FILE` tells what it would change, `twofa apply FILE` makes it so.\n";

/// What is there, of these sections; of all, where none is named.
///
/// # Errors
/// [`Kind::Storage`].
pub fn export(store: &Store, only: &[&str]) -> Result<Document> {
    let _moment = store.db().snapshot()?;
    let wants = |section| only.is_empty() || only.contains(&section);
    let mut document = Document {
        version: VERSION,
        ..Document::default()
    };
    if wants("settings") {
        document.settings = Some(settings(store)?);
    }
    if wants("methods") {
        document.methods = Some(methods(store)?);
    }
    if wants("mailboxes") {
        document.mailboxes = Some(mailboxes(store)?);
    }
    if wants("sms_providers") {
        document.sms_providers = Some(sms_providers(store)?);
    }
    if wants("templates") {
        document.templates = Some(templates(store)?);
    }
    if wants("groups") {
        document.groups = Some(groups(store)?);
    }
    if wants("users") {
        document.users = Some(users(store)?);
    }
    if wants("permissions") {
        document.permissions = Some(permissions(store)?);
    }
    Ok(document)
}

/// The file, as TOML.
///
/// # Errors
/// [`Kind::Io`] for what TOML cannot say; there is nothing of that kind in a policy.
pub fn to_toml(document: &Document) -> Result<String> {
    let failed = |error: toml::ser::Error| {
        Error::new(Kind::Io, "the policy cannot be written as TOML").because(error)
    };
    let mut rest = document.clone();
    let permissions = rest.permissions.take();
    let mut text = format!("{HEAD}{}", toml::to_string_pretty(&rest).map_err(failed)?);
    // A list reads best with a row on a line.
    if let Some(permissions) = permissions {
        text.push_str("\n[permissions]\n");
        for (code, rows) in permissions.iter() {
            let _ = writeln!(text, "{code} = [");
            for row in rows {
                let row = toml::Value::try_from(row).map_err(failed)?;
                let _ = writeln!(text, "    {row},");
            }
            text.push_str("]\n");
        }
    }
    Ok(text)
}

fn settings(store: &Store) -> Result<Named<Scalar>> {
    let rows = setting::list(store)?.into_iter().filter(|row| row.modified);
    let pairs = rows.filter_map(|row| {
        let value = match row.value {
            Value::Bool(value) => Scalar::Bool(value),
            Value::Number(number) => Scalar::Int(number.as_i64()?),
            Value::String(text) => Scalar::Text(text),
            _ => return None,
        };
        Some((row.code.to_owned(), value))
    });
    Ok(Named(pairs.collect()))
}

fn methods(store: &Store) -> Result<Named<Method>> {
    let rows = method::list(store)?.into_iter().map(|row| {
        let entry = Method {
            enabled: Some(row.enabled),
            primary: row.primary.then_some(true),
        };
        (row.code.code().to_owned(), entry)
    });
    Ok(Named(rows.collect()))
}

/// References for secrets, each another one.
#[derive(Default)]
struct References(HashSet<String>);

impl References {
    fn of(&mut self, noun: &str, name: &str, field: &str) -> Reference {
        let mut tried = name.to_owned();
        for number in 2.. {
            let reference = Reference::of(noun, &tried, field);
            if self.0.insert(reference.to_string()) {
                return reference;
            }
            tried = format!("{name} {number}");
        }
        Reference::of(noun, name, field)
    }
}

fn mailboxes(store: &Store) -> Result<Named<Mailbox>> {
    use crate::mailbox::Transport;
    let mut references = References::default();
    let mut all = Vec::new();
    for have in mailbox::list(store)? {
        let mut entry = Mailbox {
            from: Some(have.from.to_string()),
            ..Mailbox::default()
        };
        match &have.transport {
            Transport::File { directory } => {
                entry.kind = Some(MailboxKind::File);
                entry.path = Some(directory.clone());
            }
            Transport::Sendmail { program } => {
                entry.kind = Some(MailboxKind::Sendmail);
                entry.path = Some(program.clone());
            }
            Transport::Smtp(smtp) => {
                entry.kind = Some(MailboxKind::Smtp);
                entry.host = Some(smtp.host.clone());
                entry.port = Some(smtp.port);
                entry.tls = Some(smtp.tls);
                entry.username.clone_from(&smtp.username);
                entry.auth = smtp.auth;
                entry.ca_file.clone_from(&smtp.ca_file);
                entry.password = have
                    .has_password()
                    .then(|| references.of("mailbox", &have.name, "password"));
            }
        }
        all.push((have.name, entry));
    }
    Ok(Named(all))
}

fn sms_providers(store: &Store) -> Result<Named<SmsProvider>> {
    use crate::sms_provider::Transport;
    let mut references = References::default();
    let mut all = Vec::new();
    for have in sms_provider::list(store)? {
        let row = ProviderRow::from(&have);
        let (kind, tls) = match &have.transport {
            Transport::Twilio(_) => (ProviderKind::Twilio, None),
            Transport::Http(_) => (ProviderKind::Http, None),
            Transport::Smpp(smpp) => (ProviderKind::Smpp, Some(smpp.tls)),
            Transport::Command { .. } => (ProviderKind::Command, None),
            Transport::File { .. } => (ProviderKind::File, None),
        };
        let entry = SmsProvider {
            kind: Some(kind),
            from: row.from,
            account: row.account,
            username: row.username,
            secret: have
                .has_secret()
                .then(|| references.of("sms_provider", &have.name, "secret")),
            url: row.url,
            method: row.method,
            headers: row.headers.filter(|headers| !headers.is_empty()),
            body: row.body,
            success: row.success,
            receipt: row.receipt,
            host: row.host,
            port: row.port,
            tls,
            system_type: row.system_type,
            ca_file: row.ca_file,
            path: row.path,
            arguments: row.arguments,
        };
        all.push((have.name, entry));
    }
    Ok(Named(all))
}

fn templates(store: &Store) -> Result<Named<Named<Words>>> {
    let mut all = Vec::new();
    for row in template::list(store)? {
        let mut languages = Vec::new();
        for language in &row.modified {
            let shown = template::show(store, &row, language)?;
            let is_email = shown.kind == "email";
            let words = Words {
                subject: shown.words.subject,
                text: Some(shown.words.text),
                // The shipped words may have a part that these have not.
                html: shown.words.html.or(is_email.then(String::new)),
            };
            languages.push((language.clone(), words));
        }
        if !languages.is_empty() {
            all.push((row.name, Named(languages)));
        }
    }
    Ok(Named(all))
}

fn groups(store: &Store) -> Result<Named<Group>> {
    let mut found: Vec<(String, group::Group)> = group::all(store)?.into_iter().collect();
    found.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let mut all = Vec::new();
    for (_, group) in found {
        let view = group::show(store, &group)?;
        // Who is in a computed group follows from the types.
        if let Some(users) = view.users {
            let entry = Group {
                users: Some(users),
                groups: Some(view.groups),
            };
            all.push((group.name, entry));
        }
    }
    Ok(Named(all))
}

fn users(store: &Store) -> Result<Named<User>> {
    let mut all = Vec::new();
    user::each(store, &mut |user| {
        let entry = User {
            name: user.name,
            email: user.email,
            phone: user.phone,
            kind: Some(user.kind),
            language: Some(user.language).filter(|language| language != template::FALLBACK),
            active: (!user.active).then_some(false),
            os_user: user.os_user,
            groups: None,
        };
        all.push((user.login, entry));
        Ok(())
    })?;
    all.sort_by_cached_key(|(login, _)| fold(login));
    Ok(Named(all))
}

fn permissions(store: &Store) -> Result<Named<Vec<Grantee>>> {
    let mut all = Vec::new();
    for operation in Operation::ALL {
        let rows = permission::show(store, *operation)?.grantees;
        let rows = rows.into_iter().map(|row| {
            let (user, group) = match row.whom {
                Whom::User(login) => (Some(login), None),
                Whom::Group(name) => (None, Some(name)),
            };
            Grantee {
                user,
                group,
                access: row.access,
                until: row.until,
            }
        });
        all.push((operation.code().to_owned(), rows.collect()));
    }
    Ok(Named(all))
}

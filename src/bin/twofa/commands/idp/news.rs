//! What is said after a provider was edited: what of it is another now, and what that asks of somebody.

use serde_json::Value;
use twofa::change::Committed;
use twofa::idp::Idp;
use twofa::name::{argument, counted, visible};
use twofa::plan::Field;

use super::{next, with_slash};

/// The sentences, in order. `typed` is the entity id that was typed.
pub fn news(idp: &Idp, done: &Committed, typed: Option<&str>) -> Vec<String> {
    let name = visible(&idp.name);
    if !done.changed() {
        return vec![format!(
            "The identity provider `{name}` is like that already."
        )];
    }
    let fields: Vec<&Field> = done
        .changes
        .iter()
        .flat_map(|change| &change.fields)
        .collect();
    let what: Vec<String> = fields
        .iter()
        .map(|field| field.name.replace('_', " "))
        .collect();
    let mut said = vec![format!(
        "The identity provider `{name}` was changed: {}.",
        what.join(", ")
    )];
    let of = |name: &str| fields.iter().find(|field| field.name == name);
    said.extend(of("certificates").map(|field| rolled_over(field)));
    said.extend(of("linked").map(|field| forgotten(field)));
    said.extend(with_slash(idp, typed));
    // What our metadata says.
    let knows_us = [
        "acs_url",
        "own_entity_id",
        "sign_requests",
        "own_certificate",
    ]
    .iter()
    .all(|name| of(name).is_none());
    if !knows_us && idp.enabled {
        let name = argument(&idp.name);
        said.push(format!(
            "The provider has to know that: `twofa idp metadata {name}`."
        ));
    }
    said.extend(next(idp, knows_us));
    said
}

/// Whose names at the provider are gone.
fn forgotten(field: &Field) -> String {
    let logins = field.old.as_array().into_iter().flatten();
    let logins: Vec<String> = logins
        .filter_map(Value::as_str)
        .map(|login| format!("`{}`", visible(login)))
        .collect();
    format!("What it calls {} is forgotten.", logins.join(", "))
}

/// Which certificates came and which went.
fn rolled_over(field: &Field) -> String {
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (old, new) = (all(&field.old), all(&field.new));
    let short = |one: &Value| {
        let print = one["fingerprint"].as_str().unwrap_or_default();
        let until = one["not_after"].as_str().unwrap_or_default();
        format!("{print:.16}… (until {until})")
    };
    let list = |ones: &[Value], others: &[Value]| {
        let differ = ones.iter().filter(|one| !others.contains(one));
        differ.map(short).collect::<Vec<_>>().join(", ")
    };
    let (came, went) = (list(&new, &old), list(&old, &new));
    let have = counted(new.len() as u64, "certificate", "certificates");
    let mut said = format!("It has {have}.");
    for (word, which) in [("New", came), ("Gone", went)] {
        if !which.is_empty() {
            said.push_str(&format!(" {word}: {which}."));
        }
    }
    said
}

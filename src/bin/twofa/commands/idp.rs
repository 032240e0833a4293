//! `idp`: identity providers, which log users in and vouch for them.

mod checked;
mod given;
mod metadata;
mod news;

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand, ValueHint};
use serde_json::Value;
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::idp::edit::{Certificates, Fields, PutIdp, RemoveIdp, default_to};
use twofa::idp::row::{FIELDS, IdpRow};
use twofa::idp::{self, Idp as Stored, Taken, Vendor, days};
use twofa::name::{argument, visible};
use twofa::plan::Warning;
use twofa::setting;
use twofa::store::Store;

use self::checked::Test;
pub use self::checked::response;
use self::given::{Given, Gone, Understood, certificates};
use self::metadata::Metadata;
use self::news::news;
use super::or_none;
use crate::answer::{Answer, Row, row};
use crate::cli::{Format, Lockout};
use crate::complete;
use crate::session::Context;

/// Manage identity providers (SAML 2.0)
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa idp add corp --metadata entra.xml \\\n      --acs-url https://app.example.com/saml/acs\n  twofa idp metadata corp --out twofa.xml\n  twofa idp test corp\n  twofa idp enable corp"
)]
pub enum Idp {
    /// Add a provider; nobody comes through it until it is enabled
    Add(Box<Add>),
    /// List providers
    #[command(after_help = "Examples:\n  twofa idp list\n  twofa idp list -o json")]
    List,
    /// Show one provider
    #[command(after_help = "Examples:\n  twofa idp show corp\n  twofa idp show corp -o json")]
    Show(Named),
    /// Change a provider
    Edit(Box<Edit>),
    /// Remove a provider; the users who came through it stay
    #[command(
        after_help = "Examples:\n  twofa idp remove corp\n  twofa idp remove corp --if-exists --yes"
    )]
    Remove(Remove),
    /// Let users log in through a provider
    #[command(after_help = "Examples:\n  twofa idp enable corp\n  twofa idp enable corp -o json")]
    Enable(Disabled),
    /// Let nobody log in through a provider
    #[command(
        after_help = "Examples:\n  twofa idp disable corp\n  twofa idp disable corp --yes --allow-lockout=3"
    )]
    Disable(Disable),
    /// Make a provider that of users who have none of their own
    #[command(after_help = "Examples:\n  twofa idp default corp\n  twofa idp default --none")]
    Default(DefaultIdp),
    /// Print our metadata, for a provider that is here or will be
    #[command(
        after_help = "Examples:\n  twofa idp metadata corp\n  twofa idp metadata corp --out twofa.xml\n  twofa idp metadata --acs-url https://app.example.com/saml/acs"
    )]
    Metadata(Metadata),
    /// Look for what a login through a provider would fail of; nothing is sent
    #[command(
        after_help = "Examples:\n  twofa idp test corp\n  twofa idp test corp --saml-response-stdin < response.txt"
    )]
    Test(Test),
}

/// A provider by name.
#[derive(Debug, Args)]
pub struct Named {
    /// The name, in any case
    #[arg(value_name = "NAME", add = complete::idps())]
    name: String,
}

/// `idp enable`.
#[derive(Debug, Args)]
pub struct Disabled {
    /// The name, in any case
    #[arg(value_name = "NAME", add = complete::idps_that(false))]
    name: String,
}

const ADD: &str = "Examples:
  twofa idp add corp --metadata entra.xml
  twofa idp add partners --metadata okta.xml --employees none \\
      --externals create --acs-url https://app.example.com/saml/acs
  twofa idp add lab --entity-id https://idp.example.com/metadata \\
      --sso-url https://idp.example.com/sso --certificate idp.pem";

const EDIT: &str = "Examples:
  twofa idp edit corp --acs-url https://app.example.com/saml/acs
  twofa idp edit corp --metadata entra.xml
  twofa idp edit corp --add-certificate idp.pem
  twofa idp edit corp --group 9d2c=Helpdesk --update-users yes
  twofa idp edit corp --make-key --sign-requests yes";

/// `idp add`.
#[derive(Debug, Args)]
#[command(after_help = ADD)]
pub struct Add {
    /// Name of the new provider
    #[arg(value_name = "NAME")]
    name: String,
    /// What it signs with (PEM or DER)
    #[arg(long = "certificate", value_name = "FILE", num_args = 1.., action = ArgAction::Append, value_hint = ValueHint::FilePath, conflicts_with = "metadata")]
    certificates: Vec<PathBuf>,
    #[command(flatten)]
    given: Given,
}

/// `idp edit`.
#[derive(Debug, Args)]
#[command(after_help = EDIT, mut_args(crate::cli::without_default))]
pub struct Edit {
    #[command(flatten)]
    named: Named,
    /// New name
    #[arg(long = "name", value_name = "NEW", id = "new_name")]
    new_name: Option<String>,
    #[command(flatten)]
    lockout: Lockout,
    #[command(flatten)]
    gone: Gone,
    #[command(flatten)]
    given: Given,
}

/// `idp disable`.
#[derive(Debug, Args)]
pub struct Disable {
    /// The name, in any case
    #[arg(value_name = "NAME", add = complete::idps_that(true))]
    name: String,
    #[command(flatten)]
    lockout: Lockout,
}

/// `idp remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    named: Named,
    /// It is fine if there is no such provider
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    lockout: Lockout,
}

/// `idp default`.
#[derive(Debug, Args)]
pub struct DefaultIdp {
    /// The name, in any case
    #[arg(value_name = "NAME", add = complete::idps_that(true), required_unless_present = "none")]
    name: Option<String>,
    /// There is no default
    #[arg(long, conflicts_with = "name")]
    none: bool,
    #[command(flatten)]
    lockout: Lockout,
}

const TABLE: &[&str] = &[
    "name",
    "kind",
    "enabled",
    "default",
    "employees",
    "externals",
    "users",
];

pub fn run(context: &mut Context, verb: Idp) -> Result<Answer> {
    match verb {
        Idp::Add(args) => add(context, &args),
        Idp::List => {
            let session = context.session()?;
            let store = &session.store;
            let rows = idp::list(store)?;
            let rows = rows.iter().map(|idp| IdpRow::of(store, idp));
            let rows = rows.collect::<Result<Vec<_>>>()?;
            Ok(Answer::list(FIELDS, TABLE, rows))
        }
        Idp::Show(named) => {
            let session = context.session()?;
            let idp = idp::find(&session.store, &named.name)?;
            shown(context, &session.store, &idp)
        }
        Idp::Edit(args) => edit(context, &args),
        Idp::Remove(args) => remove(context, &args),
        Idp::Enable(named) => enable(context, &named.name, true, Allowance::Nobody),
        Idp::Disable(args) => enable(context, &args.name, false, args.lockout.allowance()),
        Idp::Default(args) => default(context, &args),
        Idp::Metadata(args) => metadata::metadata(context, &args),
        Idp::Test(args) => checked::test(context, &args),
    }
}

fn shown(context: &Context, store: &Store, idp: &Stored) -> Result<Answer> {
    let mut whole = row(&IdpRow::of(store, idp)?)?;
    if context.globals.output == Format::Table {
        for_eyes(&mut whole);
    }
    Ok(Answer::thing(&whole)?.shown_without_nothing())
}

/// What maps one thing to others, as it is typed; what is empty is left out.
fn for_eyes(whole: &mut Row) {
    let pairs = |map: &Value, turned: bool| {
        let one = |key: &String, value: &Value| {
            let value = value.as_str().unwrap_or_default();
            if turned {
                format!("{value}={key}")
            } else {
                format!("{key}={value}")
            }
        };
        let entries = map.as_object().into_iter().flatten();
        let pairs = entries.flat_map(|(key, values)| {
            let values = values.as_array().into_iter().flatten();
            values.map(move |value| one(key, value))
        });
        Value::from(pairs.collect::<Vec<_>>())
    };
    for (name, turned) in [("attribute_map", true), ("group_map", false)] {
        let shown = pairs(&whole[name], turned);
        whole[name] = shown;
    }
    whole.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
}

/// The next commands on the way of a provider to its users. Where nothing of ours is new it was given our metadata already.
fn next(idp: &Stored, knows_us: bool) -> Option<String> {
    let name = argument(&idp.name);
    if idp.enabled {
        return None;
    }
    Some(match &idp.acs_url {
        None => format!(
            "Next: `twofa idp edit {name} --acs-url URL`, where the application takes responses."
        ),
        Some(_) if knows_us => {
            format!("Next: `twofa idp test {name}`, then `twofa idp enable {name}`.")
        }
        Some(_) => format!(
            "Next: `twofa idp metadata {name}` for the provider, `twofa idp test {name}`, then `twofa idp enable {name}`."
        ),
    })
}

/// What was made of an entity id that was typed.
fn with_slash(idp: &Stored, typed: Option<&str>) -> Option<String> {
    let is_longer = typed.is_some_and(|typed| idp.entity_id == format!("{typed}/"));
    is_longer.then(|| {
        format!(
            "Its entity id got the slash at its end that Entra's has: {}",
            idp.entity_id
        )
    })
}

/// Whose product it is, where nobody said so.
fn recognised(idp: &Stored, given: &Given) -> Option<String> {
    (given.kind.is_none() && idp.vendor != Vendor::Custom)
        .then(|| format!("By its entity id it is {}.", idp.vendor.name()))
}

/// What is worth saying of a product that was named and is not the one of the entity id. Who says `custom` means it.
fn other_product(idp: &Stored, given: &Given) -> Option<Warning> {
    let known = Vendor::recognised(&idp.entity_id);
    let is_named = given.kind.is_some_and(|kind| kind != Vendor::Custom);
    (is_named && known != Vendor::Custom && known != idp.vendor).then(|| Warning {
        kind: "other_product",
        message: format!(
            "by its entity id it is {}, and it got the attributes of {}.",
            known.name(),
            idp.vendor.name()
        ),
        hint: Some("if that is not meant, remove it and add it without --kind".to_owned()),
    })
}

fn add(context: &mut Context, args: &Add) -> Result<Answer> {
    let session = context.session()?;
    let Understood {
        mut fields,
        warnings,
    } = args.given.understood(context, None, None)?;
    if !args.certificates.is_empty() {
        fields.certificates = Certificates::Are(certificates(&args.certificates)?);
    }
    let is_bare = matches!(fields.certificates, Certificates::Keep);
    if is_bare && idp::find(&session.store, &args.name).is_err() {
        return Err(Error::new(
            Kind::MissingAnswer,
            "a certificate of the provider is needed, to check its signatures with",
        )
        .hint("give --certificate FILE, or all at once with --metadata FILE"));
    }
    let typed = fields.entity_id.clone();
    let plan = PutIdp {
        id: None,
        name: args.name.clone(),
        vendor: args.given.kind,
        fields,
    };
    let mut done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    done.warnings.extend(warnings);
    let idp = idp::find(&session.store, &args.name)?;
    done.warnings.extend(days::warning(&session.store, &idp)?);
    if done.changed() {
        done.warnings.extend(other_product(&idp, &args.given));
    }
    let (changed, name) = (done.changed(), visible(&idp.name));
    let mut answer = shown(context, &session.store, &idp)?.changed(changed, done.warnings);
    if !changed {
        return Ok(answer.say(format!(
            "The identity provider `{name}` is like that already."
        )));
    }
    answer = answer.say(format!(
        "The identity provider `{name}` was added. Nobody comes through it yet."
    ));
    let said = [
        recognised(&idp, &args.given),
        with_slash(&idp, typed.as_deref()),
        next(&idp, false),
    ];
    Ok(said.into_iter().flatten().fold(answer, Answer::say))
}

fn edit(context: &mut Context, args: &Edit) -> Result<Answer> {
    let session = context.session()?;
    let have = idp::find(&session.store, &args.named.name)?;
    let Understood { fields, warnings } =
        args.given
            .understood(context, Some(&args.gone), Some(&have))?;
    let typed = fields.entity_id.clone();
    let plan = PutIdp {
        id: Some(have.id),
        name: args.new_name.clone().unwrap_or(have.name),
        vendor: args.given.kind,
        fields,
    };
    let mut done = context.commit(&session, &plan, args.lockout.allowance(), None)?;
    done.warnings.extend(warnings);
    let idp = idp::find(&session.store, &plan.name)?;
    let has_others = done.changes.iter().any(|one| one.changes("certificates"));
    if has_others {
        done.warnings.extend(days::warning(&session.store, &idp)?);
    }
    let said = news(&idp, &done, typed.as_deref());
    let changed = done.changed();
    let answer = shown(context, &session.store, &idp)?.changed(changed, done.warnings);
    Ok(said.into_iter().fold(answer, Answer::say))
}

fn remove(context: &mut Context, args: &Remove) -> Result<Answer> {
    let session = context.session()?;
    let name = args.named.name.as_str();
    let found = idp::find(&session.store, name);
    let have = match or_none(found, args.if_exists, "identity provider", "name", name)? {
        Ok(have) => have,
        Err(none) => return Ok(none),
    };
    let gone = shown(context, &session.store, &have)?;
    let plan = RemoveIdp { id: have.id };
    let done = context.commit(&session, &plan, args.lockout.allowance(), None)?;
    Ok(gone.changed(done.changed(), done.warnings).say(format!(
        "The identity provider `{}` was removed.",
        visible(&have.name)
    )))
}

fn enable(
    context: &mut Context,
    name: &str,
    enabled: bool,
    allowance: Allowance,
) -> Result<Answer> {
    let session = context.session()?;
    let have = idp::find(&session.store, name)?;
    let plan = PutIdp {
        id: Some(have.id),
        name: have.name.clone(),
        vendor: None,
        fields: Fields {
            enabled: Some(enabled),
            ..Fields::default()
        },
    };
    let mut done = context.commit(&session, &plan, allowance, None)?;
    let idp = idp::find(&session.store, &have.name)?;
    if enabled {
        done.warnings.extend(days::warning(&session.store, &idp)?);
    }
    let row = IdpRow::of(&session.store, &idp)?;
    let name = visible(&idp.name);
    let already = if done.changed() { "" } else { " already" };
    let (state, next) = if enabled {
        let next = format!(
            "Next: `twofa idp default {}` makes it that of users who have none of their own.",
            argument(&idp.name)
        );
        let has_default = !setting::show(&session.store, &setting::DEFAULT_SSO)?
            .value
            .is_null();
        let is_for_them = idp.employees != Taken::None;
        ("enabled", (is_for_them && !has_default).then_some(next))
    } else {
        let next = "The setting `DefaultSsoProvider` points at it. Next: `twofa idp default OTHER`, or `--none`.";
        ("disabled", row.default.then(|| next.to_owned()))
    };
    let answer = shown(context, &session.store, &idp)?
        .changed(done.changed(), done.warnings)
        .say(format!(
            "The identity provider `{name}` is {state}{already}."
        ));
    Ok(next.into_iter().fold(answer, Answer::say))
}

fn default(context: &mut Context, args: &DefaultIdp) -> Result<Answer> {
    let session = context.session()?;
    let plan = default_to(args.name.as_deref());
    let before = setting::show(&session.store, &setting::DEFAULT_SSO)?;
    let done = context.commit(&session, &plan, args.lockout.allowance(), None)?;
    let row = setting::show(&session.store, &setting::DEFAULT_SSO)?;
    let already = if done.changed() { "" } else { " already" };
    let mut sentence = match row.value.as_str() {
        Some(name) => format!(
            "`{}` is the provider of users who have none of their own{already}",
            visible(name)
        ),
        None => format!("There is no default provider{already}"),
    };
    if let (true, Some(other)) = (done.changed(), before.value.as_str()) {
        sentence.push_str(&format!("; it was `{}`", visible(other)));
    }
    Ok(super::setting::show(row)?
        .changed(done.changed(), done.warnings)
        .say(format!("{sentence}.")))
}

//! `apply`, `diff` and `export`: a whole set-up as one file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::Value;
use twofa::actor::Session;
use twofa::error::{Error, Kind, Result};
use twofa::name::{argument, counted};
use twofa::plan::{Change, Op, Warning};
use twofa::policy::{self, Forecast, Options, Policy, Reference, Unread, Vaults};
use twofa::secret::Secret;
use twofa::user;

use crate::answer::Answer;
use crate::cli::{Format, Lockout};
use crate::plan_text;
use crate::session::Context;
use crate::{complete, process, ui};

/// Make the store as a policy file declares it
///
/// All of it or nothing, in one transaction; a second run changes nothing. What a section does not name stays as it is,
/// unless --prune. Each change needs the operation that its single command needs. `twofa help policy` tells of the file.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa apply policy.toml --dry-run\n  twofa apply policy.toml\n  twofa apply policy.toml --prune --only permission --yes"
)]
pub struct Apply {
    #[command(flatten)]
    file: File,
    /// Tell what would change, and change nothing: exits 20 when something would
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    lockout: Lockout,
}

/// Tell what a policy file would change, and for whom
///
/// Exits 20 when there are differences, 0 when there are none.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa diff policy.toml\n  twofa diff policy.toml --prune -o json\n  ssh ops.example.com twofa export | twofa diff -"
)]
pub struct Diff {
    #[command(flatten)]
    file: File,
}

/// Write the store down as a policy file
///
/// Without secrets: where there is one, a reference to a variable stands. Settings and words are written where they are not
/// the usual ones.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa export > policy.toml\n  twofa export --only permission -o json"
)]
pub struct Export {
    /// Only this noun; repeat for more
    #[arg(long, value_name = "NOUN", add = complete::policy_nouns())]
    only: Vec<String>,
}

/// A policy file, and how it is read.
#[derive(Debug, Args)]
pub struct File {
    /// The file, TOML or JSON; - reads standard input
    #[arg(value_name = "FILE", id = "file", value_hint = ValueHint::FilePath)]
    path: PathBuf,
    /// Remove, reset or disable what the sections of the file do not name
    #[arg(long)]
    prune: bool,
    /// Only this noun; repeat for more
    #[arg(long, value_name = "NOUN", add = complete::policy_nouns())]
    only: Vec<String>,
}

/// Where secrets are on this machine.
struct Machine;

impl Vaults for Machine {
    fn read(&self, reference: &Reference) -> Result<Secret> {
        let secret = match reference {
            Reference::Variable(name) => {
                let value = process::text(name).ok_or_else(|| {
                    Error::new(Kind::NotFound, format!("the variable `{name}` is not set"))
                })?;
                Secret::new(value)
            }
            Reference::File(path) => ui::read_file(path.as_ref(), "the secret")?,
            Reference::Credential(name) => {
                let directory = process::variable("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    Error::new(Kind::NotFound, "this process has no credentials")
                        .hint("systemd hands them to a unit with LoadCredential=")
                })?;
                ui::read_file(&PathBuf::from(directory).join(name), "the credential")?
            }
        };
        if secret.expose().is_empty() {
            return Err(Error::new(
                Kind::InvalidValue,
                format!("the secret at `{reference}` is empty"),
            ));
        }
        Ok(secret)
    }
}

fn sections(only: &[String]) -> Result<Vec<&'static str>> {
    only.iter().map(|noun| policy::section(noun)).collect()
}

impl File {
    /// The words of a command that takes this file in the same way.
    fn words(&self) -> String {
        // A dash alone reads standard input, quoted or not.
        let mut words = match self.path.to_str() {
            Some("-") => "-".to_owned(),
            _ => argument(&self.path.to_string_lossy()),
        };
        if self.prune {
            words.push_str(" --prune");
        }
        for noun in &self.only {
            words.push_str(&format!(" --only {}", argument(noun)));
        }
        words
    }

    fn read(&self, context: &Context, session: &Session, unread: Unread) -> Result<Policy> {
        let options = Options {
            only: sections(&self.only)?,
            prune: self.prune,
            delegated: false,
        };
        read(context, session, &self.path, options, unread)
    }
}

/// Reads a policy file; `-` is standard input.
pub fn read(
    context: &Context,
    session: &Session,
    path: &Path,
    options: Options,
    unread: Unread,
) -> Result<Policy> {
    let options = Options {
        // Whoever acts for the owner through sudo names no file of the owner's, not even in a file.
        delegated: !session.actor.authority.is_own(),
        ..options
    };
    Policy::read(&bytes(context, path)?, &options, &Machine, unread)
}

fn bytes(context: &Context, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("cannot read `{}`", path.display())).because(error)
    };
    // One byte more than is taken tells that it is too long.
    let limit = policy::LONGEST + 1;
    if path.as_os_str() == "-" {
        let input = context.file_from_input()?;
        input.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

const FORMATS: &[Format] = &[Format::Table, Format::Json, Format::Ndjson];

pub fn diff(context: &mut Context, args: &Diff) -> Result<Answer> {
    context.only(FORMATS)?;
    let session = context.session()?;
    look(context, &session, &args.file)
}

/// What the file would change; nothing is written.
fn look(context: &Context, session: &Session, file: &File) -> Result<Answer> {
    let forecast = file
        .read(context, session, Unread::Warn)?
        .forecast(&session.store, Some(&session.actor.user))?;
    let (exit, sentence) = if forecast.changes.is_empty() {
        let unread = |warning: &Warning| warning.kind == policy::SECRET_UNREAD;
        let all = if forecast.warnings.iter().any(unread) {
            "Nothing differs in what was compared."
        } else {
            "Nothing differs."
        };
        (0, all.to_owned())
    } else {
        let counts = plan_text::counts(&forecast.changes);
        let next = format!("{counts}. Next: `twofa apply {}`.", file.words());
        (Kind::Differences.exit(), next)
    };
    Ok(answer(forecast)?.exits(exit).say(sentence))
}

fn answer(forecast: Forecast) -> Result<Answer> {
    let text = plan_text::plan(&forecast.changes, &forecast.impact);
    Ok(Answer::thing(&forecast)?
        .changed(!forecast.changes.is_empty(), forecast.warnings)
        .shown_as(text))
}

pub fn apply(context: &mut Context, args: &Apply) -> Result<Answer> {
    context.only(FORMATS)?;
    if args.dry_run {
        // It reads, and opens the store as what reads.
        let session = context.session_to_look()?;
        return look(context, &session, &args.file);
    }
    const SO_ALREADY: &str = "The store is as the file declares it already.";
    let session = context.session()?;
    let policy = args.file.read(context, &session, Unread::Refuse)?;
    let foretold = policy.forecast(&session.store, Some(&session.actor.user))?;
    if foretold.changes.is_empty() {
        return Ok(answer(foretold)?.say(SO_ALREADY));
    }
    let mut plan = plan_text::plan(&foretold.changes, &foretold.impact);
    for warning in &foretold.warnings {
        plan.push_str(&format!("\n{}\n", warning.message));
    }
    context.ui.before_asking(&plan);
    let done = context.commit(&session, &policy, args.lockout.allowance(), None)?;
    let (impact, sentence) = if done.changed() {
        let counts = plan_text::counts(&done.changes);
        (foretold.impact, format!("Applied: {counts}."))
    } else {
        (Vec::new(), SO_ALREADY.to_owned())
    };
    let next = next(&session, &done.changes)?;
    // What a guard would have refused was allowed, or is so no more.
    let kept = foretold
        .warnings
        .into_iter()
        .filter(|warning| ![Kind::Lockout.code(), Kind::Guard.code()].contains(&warning.kind));
    let whole = answer(Forecast {
        changes: done.changes,
        impact,
        warnings: done.warnings.into_iter().chain(kept).collect(),
    })?
    .say(sentence);
    Ok(match next {
        Some(next) => whole.say(next),
        None => whole,
    })
}

/// What comes after: who was added has no password yet, for a file never holds one.
fn next(session: &Session, changes: &[Change]) -> Result<Option<String>> {
    let added = changes
        .iter()
        .filter(|change| change.noun == "user" && change.op == Op::Add);
    let mut without = Vec::new();
    for change in added {
        let user = user::find(&session.store, &change.key)?;
        if !user.has_password && user.kind != user::Type::Technical {
            without.push(user.login);
        }
    }
    let Some(first) = without.first() else {
        return Ok((!changes.is_empty()).then(|| "Next: `twofa status`.".to_owned()));
    };
    let (who, have) = (
        counted(without.len() as u64, "new user", "new users"),
        if without.len() == 1 { "has" } else { "have" },
    );
    Ok(Some(format!(
        "{who} {have} no password. Next: `twofa password set {}`.",
        argument(first)
    )))
}

pub fn export(context: &mut Context, args: &Export) -> Result<Answer> {
    context.only(&[Format::Table, Format::Toml, Format::Json, Format::Ndjson])?;
    let session = context.session()?;
    let document = policy::export(&session.store, &sections(&args.only)?)?;
    if context.globals.output.is_json() {
        Answer::thing(&document)
    } else {
        Ok(Answer::text(policy::to_toml(&document)?))
    }
}

/// `help policy`: what a file may hold, from its schema.
pub fn help(format: Format) -> Result<Answer> {
    let schema = policy::schema();
    if format.is_json() {
        return Answer::thing(&schema);
    }
    let text = |value: &Value| value["description"].as_str().unwrap_or_default().to_owned();
    let mut said = format!("{}\n", HELP.trim());
    let properties = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (section, about) in properties
        .iter()
        .filter(|(name, _)| !["$schema", "version"].contains(&name.as_str()))
    {
        said.push_str(&format!("\n[{section}]\n  {}\n", text(about)));
        let keys = entry(&schema, about);
        for (key, about) in keys.iter().flatten() {
            said.push_str(&format!("    {key:<12} {}\n", text(about)));
        }
    }
    said.push_str(&format!("\n{SECRETS}"));
    Ok(Answer::text(said))
}

/// The keys of one thing of a section.
fn entry(schema: &Value, section: &Value) -> Option<serde_json::Map<String, Value>> {
    let mut here = section.clone();
    // A section holds things by name, words by language too; a list holds rows.
    loop {
        here = match &here {
            Value::Object(map) if map.contains_key("$ref") => {
                let pointer = map["$ref"].as_str()?.trim_start_matches('#').to_owned();
                let found = schema.pointer(&pointer)?.clone();
                return found["properties"].as_object().cloned();
            }
            Value::Object(map)
                if map
                    .get("additionalProperties")
                    .is_some_and(Value::is_object) =>
            {
                map["additionalProperties"].clone()
            }
            Value::Object(map) if map.contains_key("items") => map["items"].clone(),
            Value::Object(map) if map.contains_key("anyOf") => map["anyOf"][0].clone(),
            Value::Object(map) if map.contains_key("properties") => {
                let first = map["properties"].as_object()?.values().next()?.clone();
                // Settings are values, and each has its own.
                if first.get("$ref").is_none() && first.get("items").is_none() {
                    return None;
                }
                first
            }
            _ => return None,
        };
    }
}

const HELP: &str = "
A policy file declares a set-up: TOML, or JSON. `twofa diff FILE` tells what it
would change, `twofa apply FILE` makes it so, `twofa export` writes one.

A section that is absent is not managed. Within a section, what is not named
stays as it is, and goes with --prune. A key that is absent stays as it is; an
empty text clears it.

`twofa help policy -o json` prints the JSON Schema, for editors.

version = 1
";

const SECRETS: &str = "\
A secret never stands in the file. It is referred to as
  env:NAME          a variable of the environment
  file:/PATH        the first line of a file
  credential:NAME   a credential that systemd handed to the unit
";

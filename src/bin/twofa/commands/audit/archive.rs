//! `audit archive`, `audit export`, `audit anchor`, and what `audit verify` holds them against.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde_json::Value;
use twofa::archive::ArchiveRows;
use twofa::audit::{self, Anchor, Copied, Lines, Record, Selection, VerifiedArchive};
use twofa::clock::Time;
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::name::{counted, visible};

use super::{COLUMNS, Chosen, events};
use crate::answer::{Answer, row};
use crate::cli::Format;
use crate::complete;
use crate::session::Context;

/// `audit verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY)]
pub struct Verify {
    /// An anchor that was kept elsewhere: the log must hold the row it is of
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    anchor: Option<PathBuf>,
    /// An archive to look at too; repeat for more
    #[arg(long = "archive", value_name = "FILE", value_hint = ValueHint::FilePath)]
    archives: Vec<PathBuf>,
}

const VERIFY: &str = "Examples:
  twofa audit verify
  twofa audit verify --anchor anchor.json --archive old.jsonl";

/// `audit archive`.
#[derive(Debug, Args)]
#[command(after_help = ARCHIVE)]
pub struct Archive {
    /// The oldest moment of what goes
    #[arg(long, value_name = "TIME", add = complete::times_past())]
    from: String,
    /// The newest moment of what goes
    #[arg(long, value_name = "TIME", add = complete::times_past())]
    till: String,
    /// Only this event, or all events of a noun; repeat for more
    #[arg(long = "event", value_name = "EVENT", add = complete::events())]
    events: Vec<String>,
    /// The file they go into; there must be none of that name
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
}

const ARCHIVE: &str = "Examples:
  twofa audit archive --from 2026-01-01 --till 2026-06-30 --out old.jsonl
  twofa audit archive --from 2026-01-01 --till 2026-06-30 \\
      --event login --out logins.jsonl";

/// `audit export`.
#[derive(Debug, Args)]
#[command(after_help = EXPORT)]
pub struct Export {
    #[command(flatten)]
    chosen: Chosen,
    /// One line for each event, in the form that a log collector reads
    #[arg(long, value_name = "FORM")]
    lines: Option<Form>,
}

const EXPORT: &str = "Examples:
  twofa audit export > audit.csv
  twofa audit export --since '1d ago' --event login -o ndjson
  twofa audit export --since '1h ago' --lines syslog";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Common Event Format
    Cef,
    /// The same in a syslog message (RFC 5424)
    Syslog,
}

pub fn anchor(context: &mut Context) -> Result<Answer> {
    let session = context.session()?;
    let anchor = audit::anchor(&session.store)?;
    Ok(Answer::thing(&anchor)?
        .say("Keep it where nobody can write who can write the store; `twofa audit verify --anchor FILE` reads it."))
}

pub fn verify(context: &mut Context, args: &Verify) -> Result<Answer> {
    let session = context.session()?;
    let anchor = args.anchor.as_deref().map(read_anchor).transpose()?;
    let found = audit::verify(&session.store, anchor.as_ref())?;
    let mut archives = Vec::new();
    for path in &args.archives {
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        archives.push(audit::verify_archive(
            &session.store,
            &mut BufReader::new(file),
        )?);
    }
    let mut answer = row(&found)?;
    let documents = archives.iter().map(|one| row(one).map(Value::Object));
    answer.insert(
        "archives".into(),
        documents.collect::<Result<Vec<Value>>>()?.into(),
    );
    let mut answer = Answer::thing(&answer)?;
    let mut intact = found.intact;
    answer = match (found.damage, found.first_bad) {
        (Some(damage), Some(seq)) => answer.say(format!(
            "The audit log was tampered with: row {seq} ({}).",
            damage.words()
        )),
        _ => answer.say("The audit log is intact."),
    };
    for (path, found) in args.archives.iter().zip(&archives) {
        intact &= found.intact;
        answer = answer.say(of_archive(path, found));
    }
    Ok(if intact {
        answer
    } else {
        answer.exits(Kind::Findings.exit())
    })
}

fn of_archive(path: &Path, found: &VerifiedArchive) -> String {
    let path = path.display().to_string();
    let path = visible(&path);
    match (found.damage, found.first_bad) {
        (Some(damage), Some(seq)) => format!(
            "The archive `{path}` was tampered with: row {seq} ({}).",
            damage.words()
        ),
        _ if found.tombstones < found.rows => format!(
            "The archive `{path}` is intact; {} of its {} are not archived in this store.",
            found.rows - found.tombstones,
            counted(found.rows.unsigned_abs(), "row", "rows")
        ),
        _ => format!("The archive `{path}` is intact."),
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot read `{}`", path.display())).because(error)
}

fn read_anchor(path: &Path) -> Result<Anchor> {
    let mut bytes = Vec::new();
    File::open(path)
        // One byte more than is taken tells that it is too long.
        .and_then(|file| file.take(audit::LONGEST_ANCHOR + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, error))?;
    Anchor::parse(&bytes)
}

pub fn archive(context: &mut Context, args: &Archive) -> Result<Answer> {
    let events = events(&args.events)?;
    let moment = |text: &str| Time::parse(text, context.source.now());
    let (from, till) = (moment(&args.from)?, moment(&args.till)?);
    if till < from {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("--till, {till}, is before --from, {from}"),
        )
        .hint("give them the other way round"));
    }
    let session = context.session()?;
    session.permit(None)?;
    let selection = Selection {
        from,
        till,
        events,
        now: context.source.now(),
    };
    let plan = ArchiveRows(Copied::copy(&session.store, selection, &args.out)?);
    let committed = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let changed = committed.changed();
    let made = plan.0.answer();
    let understood = format!("--from was understood as {from}, --till as {till}.");
    let done = if changed {
        format!(
            "{} went into `{}`. Keep it: the log keeps only their digests.",
            counted(made.rows.unsigned_abs(), "row", "rows"),
            visible(&made.file)
        )
    } else {
        "There is nothing to archive.".to_owned()
    };
    Ok(Answer::thing(made)?
        .changed(changed, committed.warnings)
        .say(understood)
        .say(done))
}

pub fn export(context: &mut Context, args: Export) -> Result<Answer> {
    if args.lines.is_some() && context.globals.output != Format::Table {
        return Err(Error::new(Kind::Usage, "--lines is a form of its own")
            .hint("leave --output or --lines out"));
    }
    let session = context.session()?;
    let (filter, said) = args.chosen.filter(context, &session.store)?;
    let lines = args.lines.map(|form| match form {
        Form::Cef => Lines::Cef,
        Form::Syslog => Lines::Syslog,
    });
    let answer = match lines {
        Some(lines) => Answer::lines(move |each| {
            audit::history(&session.store, &filter, &mut |record: Record| {
                each(&lines.line(&record))
            })
        }),
        None => Answer::stream(COLUMNS, COLUMNS, move |each| {
            audit::history(&session.store, &filter, &mut |record: Record| {
                each(row(&record)?)
            })
        })
        .usually_csv(),
    };
    Ok(said.into_iter().fold(answer, Answer::say))
}

//! `user import` and `user export`: many users as one CSV file.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use twofa::actor::Session;
use twofa::error::{Error, Kind, Result};
use twofa::name::counted;
use twofa::plan::{Plan as _, Warning};
use twofa::progress::Silent;
use twofa::user::export;
use twofa::user::import::{self, Counts, ImportUsers, Mapping, Options, Rereadable};

use crate::answer::{Answer, only, row};
use crate::cli::{Format, Lockout};
use crate::complete;
use crate::session::Context;
use crate::ui::Ui;

/// `user import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The file; - reads standard input
    #[arg(value_name = "FILE.csv", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Tell what would change, and change nothing: exits 20 when something would
    #[arg(long)]
    dry_run: bool,
    /// What becomes of a row whose user exists and differs
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    on_conflict: OnConflict,
    /// Take the good rows, and write the others to this new file, with their line and the reason
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rejects: Option<PathBuf>,
    /// A column of another name; without a field it is left out; repeat for more
    #[arg(long = "map", value_name = "COLUMN=FIELD", value_parser = mapping, add = complete::mappings())]
    mappings: Vec<Mapping>,
    #[command(flatten)]
    lockout: Lockout,
}

fn mapping(text: &str) -> Result<Mapping, String> {
    import::mapping(text).map_err(|error| match error.hint_text() {
        Some(hint) => format!("{}: {hint}", error.message()),
        None => error.message(),
    })
}

/// What becomes of a row whose user exists and differs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OnConflict {
    /// The row is rejected
    Fail,
    /// The user stays as they are
    Skip,
    /// The user gets what the row gives; groups are added
    Update,
}

impl From<OnConflict> for import::OnConflict {
    fn from(what: OnConflict) -> Self {
        match what {
            OnConflict::Fail => import::OnConflict::Fail,
            OnConflict::Skip => import::OnConflict::Skip,
            OnConflict::Update => import::OnConflict::Update,
        }
    }
}

/// The file, as one that can be read again.
fn open(context: &Context, args: &Import) -> Result<Box<dyn Rereadable>> {
    if args.file.as_os_str() == "-" {
        return Ok(Box::new(import::spool(context.file_from_input()?)?));
    }
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, format!("cannot read `{}`", args.file.display())).because(error)
    };
    let file = std::fs::File::open(&args.file).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    // What comes through a pipe is there once.
    if found.is_file() {
        Ok(Box::new(file))
    } else {
        Ok(Box::new(import::spool(file)?))
    }
}

pub fn import(context: &mut Context, args: &Import) -> Result<Answer> {
    let session = if args.dry_run {
        context.session_to_look()?
    } else {
        context.session()?
    };
    if args
        .rejects
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-")
    {
        return Err(Error::new(Kind::Usage, "--rejects takes a file")
            .hint("standard output has the answer"));
    }
    let options = Options {
        on_conflict: args.on_conflict.into(),
        mappings: args.mappings.clone(),
        rejects: args.rejects.clone(),
    };
    let plan = ImportUsers::new(open(context, args)?, options)?;
    if args.dry_run {
        return look(&session, &plan);
    }
    let allowance = args.lockout.allowance();
    let store = &session.store;
    let mut done = plan.with_rejects(store, || context.commit(&session, &plan, allowance, None))?;
    let counts = plan.counts();
    done.warnings.extend(rejected(counts, args));
    let changed = done.changed();
    answer(counts, changed, done.warnings, "")
}

/// What an import would do; nothing is written, not even the rejected rows.
fn look(session: &Session, plan: &ImportUsers) -> Result<Answer> {
    let changes = plan.changes(&session.store)?;
    let counts = plan.counts();
    let exit = if changes.is_empty() {
        0
    } else {
        Kind::Differences.exit()
    };
    Ok(answer(counts, !changes.is_empty(), Vec::new(), "would be ")?.exits(exit))
}

/// What is said of the rows that were not taken.
fn rejected(counts: Counts, args: &Import) -> Option<Warning> {
    let path = args.rejects.as_ref().filter(|_| counts.rejected > 0)?;
    Some(Warning {
        kind: "rows_rejected",
        message: format!(
            "{} not taken.",
            counted(counts.rejected, "row was", "rows were")
        ),
        hint: Some(format!(
            "mend them in `{}`, and import that file",
            path.display()
        )),
    })
}

fn answer(counts: Counts, changed: bool, warnings: Vec<Warning>, would: &str) -> Result<Answer> {
    let mut answer = only("added", counts.added);
    for (name, count) in [
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("skipped", counts.skipped),
        ("rejected", counts.rejected),
    ] {
        answer.insert(name.into(), count.into());
    }
    let verb = |count| {
        if would.is_empty() {
            counted(count, "user was ", "users were ")
        } else {
            format!("{} {would}", counted(count, "user", "users"))
        }
    };
    let mut said = vec![format!("{}added", verb(counts.added))];
    if counts.updated > 0 {
        said.push(format!("{}changed", verb(counts.updated)));
    }
    said.push(format!(
        "{} there already",
        counted(counts.unchanged, "was", "were")
    ));
    if counts.skipped > 0 {
        said.push(format!("{} left as they are", counts.skipped));
    }
    Ok(Answer::thing(&answer)?
        .changed(changed, warnings)
        .say(format!("{}.", said.join(", "))))
}

/// `user export`: with CSV as its usual format.
pub fn export(context: &mut Context) -> Result<Answer> {
    let session = context.session()?;
    if Ui::answers_at_terminal() {
        session.store.watch(Box::new(Silent));
    }
    let warning = export::not_portable(&session.store)?.map(|count| Warning {
        kind: "password_not_portable",
        message: format!(
            "{} a password that only this store can check: the file leaves it out.",
            counted(count, "user has", "users have")
        ),
        hint: Some(
            "where the file is imported, they get another with `twofa password set`".to_owned(),
        ),
    });
    let answer = Answer::stream(&import::COLUMNS, &import::COLUMNS, move |each| {
        export::export(&session.store, &mut |one: export::Exported| {
            each(row(&one)?)
        })
    });
    let answer = if context.globals.output == Format::Table {
        answer.usually_csv()
    } else {
        answer
    };
    Ok(answer.warn(warning))
}

//! `doctor`: what is wrong, and what mends it.

use clap::Args;
use twofa::doctor::{Finding, Report, Severity, examine, is_ungoverned};
use twofa::error::{Kind, Result};
use twofa::name::{counted, unabridged};
use unicode_width::UnicodeWidthStr as _;

use crate::answer::Answer;
use crate::cli::Format;
use crate::reach::Reach;
use crate::session::Context;

/// Say what is wrong with the store, and which command mends it
///
/// It looks at the file and its references, the schema, the modes of files, the key and what it opens, the audit log, the
/// clock, what the enabled methods need, settings, the secrets of apps, and what is locked, left over or out of place. It
/// changes nothing. Words in capitals in a command are for you to fill in; a line for sqlite3 stands where no command of
/// this program reaches, and it is best run after a copy was made. It exits 20 when something was found.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  twofa doctor\n  twofa doctor --online -o json",
    after_long_help = "Examples:\n  twofa doctor\n  twofa doctor --online -o json"
)]
pub struct Doctor {
    /// Call the mailbox and the SMS provider in use as well, without sending anything
    #[arg(long)]
    online: bool,
}

const COLUMNS: &[&str] = &[
    "check", "kind", "severity", "message", "count", "names", "mend",
];

pub fn run(context: &mut Context, args: &Doctor) -> Result<Answer> {
    let store = match context.session() {
        Ok(session) => session.store,
        // A store that is too damaged to say who acts is what a doctor is for.
        Err(error) if error.kind() == Kind::Storage => {
            context.damaged_store().map_err(|_| error)?
        }
        // Nor can anybody be permitted anything where nobody administers.
        Err(error) if error.kind() == Kind::NotPermitted => match context.damaged_store().ok() {
            Some(store) if is_ungoverned(&store) => store,
            _ => return Err(error),
        },
        Err(error) => return Err(error),
    };
    // A wrong passphrase is a finding; nobody to ask for one is a missing answer.
    store.unlock().or_else(|error| match error.kind() {
        Kind::MissingAnswer => Err(error),
        _ => Ok(()),
    })?;
    let reach = Reach::of(&context.globals);
    let mut report = examine(&store, args.online);
    for finding in &mut report.findings {
        for line in &mut finding.mend {
            *line = reach.command(line);
        }
    }
    let exit = if report.healthy {
        0
    } else {
        Kind::Findings.exit()
    };
    let answer = match context.globals.output {
        // A list of findings has no place for what was not looked at.
        Format::Ndjson | Format::Csv => {
            let looked = summary(&report);
            Answer::list(COLUMNS, COLUMNS, report.findings).say(looked.trim_end())
        }
        _ => {
            let shown = table(&report);
            Answer::thing(&report)?.shown_as(shown)
        }
    };
    Ok(answer.exits(exit))
}

/// The report for eyes: what is wrong and below it what mends it, then what was looked at.
fn table(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&paragraph(finding));
        text.push('\n');
    }
    text.push_str(&summary(report));
    text
}

fn paragraph(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = wrapped(&format!("{severity}: {}", unabridged(&finding.message)));
    for line in &finding.mend {
        text.push_str(&format!("    {line}\n"));
    }
    let more = finding.count.saturating_sub(finding.names.len() as u64);
    if more > 0 && finding.mend.len() == finding.names.len() {
        text.push_str(&format!("    … and so for {more} more\n"));
    }
    text
}

/// What was looked at, and what was not.
fn summary(report: &Report) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for checked in &report.checks {
        let Some(why) = checked.why.as_deref() else {
            continue;
        };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, checks)) => checks.push(checked.check),
            None => reasons.push((why, vec![checked.check])),
        }
    }
    let not: usize = reasons.iter().map(|(_, checks)| checks.len()).sum();
    let looked = counted((report.checks.len() - not) as u64, "check", "checks");
    let of = |severity, one, many| {
        let all = report.findings.iter();
        let count = all.filter(|finding| finding.severity == severity).count() as u64;
        (count > 0).then(|| counted(count, one, many))
    };
    let errors = of(Severity::Error, "error", "errors");
    let warnings = of(Severity::Warning, "warning", "warnings");
    let found: Vec<String> = errors.into_iter().chain(warnings).collect();
    let mut text = if found.is_empty() {
        format!("Nothing is wrong: {looked} found nothing.\n")
    } else {
        format!("{} in {looked}.\n", found.join(" and "))
    };
    for (why, checks) in reasons {
        let line = format!("Not checked: {} ({}).", checks.join(", "), unabridged(why));
        text.push_str(&wrapped(&line));
    }
    text
}

/// The width of a terminal, where nobody says otherwise.
const WIDTH: usize = 80;

/// Lines of words, those after the first moved in a little. A word that is longer than a line stays whole, and so does
/// what stands in backticks.
fn wrapped(text: &str) -> String {
    wrapped_to(WIDTH, 0, 2, text)
}

/// The same, `used` of whose first line is taken already, and with the other lines moved in by `indent`.
pub fn wrapped_to(most: usize, used: usize, indent: usize, text: &str) -> String {
    let (mut lines, mut width, mut quoted) = (String::new(), used, false);
    let mut is_first = true;
    let words = text.split(|c: char| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    });
    for word in words {
        let long = word.width();
        if !is_first && width + 1 + long > most {
            lines.push_str(&format!("\n{:indent$}", ""));
            width = indent;
        } else if !is_first {
            lines.push(' ');
            width += 1;
        }
        is_first = false;
        lines.push_str(word);
        width += long;
    }
    lines.push('\n');
    lines
}

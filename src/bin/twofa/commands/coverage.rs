//! `coverage`: who would be asked for what, as numbers, as a picture, and with names.

use clap::Args;
use serde_json::{Map, Value};
use twofa::coverage::{self, Coverage, CoverageRow, Numbers, Scope, Share};
use twofa::error::{Kind, Result};
use twofa::name::{argument, counted, visible};

use crate::answer::{self, Answer};
use crate::cli::Format;
use crate::complete;
use crate::session::Context;
use crate::what_if::WhatIf;

/// Show who would be asked for which method, and who could not log in
///
/// Everybody who logs in with a password is judged as a login judges them, as if 2FA were on: it tells before 2FA is turned
/// on what comes after. Covered is who has a usable method now; whoever would have to connect an authenticator app first is
/// not, but can log in. Whoever logs in through an identity provider is asked there. Nothing is sent or written.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CoverageArgs {
    #[command(flatten)]
    what_if: WhatIf,
    /// Only who is in this group, through nested ones too
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    group: Option<String>,
    /// Tell every name, and not the first ten
    #[arg(long)]
    all: bool,
    /// Exit with 20 where fewer than this share of those who are asked have a usable method
    #[arg(long, value_name = "PERCENT")]
    fail_under: Option<String>,
}

const EXAMPLES: &str = "Examples:
  twofa coverage
  twofa coverage --group Helpdesk --all
  twofa coverage --policy policy.toml --fail-under 99% -o json";

const COLUMNS: &[&str] = &[
    "row",
    "name",
    "count",
    "percent",
    "administrators",
    "users",
    "left_out",
];

pub fn run(context: &mut Context, args: &CoverageArgs) -> Result<Answer> {
    context.only(&[Format::Table, Format::Json, Format::Ndjson, Format::Csv])?;
    let share: Option<Share> = args.fail_under.as_deref().map(str::parse).transpose()?;
    let session = context.session()?;
    session.permit(None)?;
    let scope = Scope {
        group: args.group.as_deref(),
        all: args.all,
    };
    let looked = args
        .what_if
        .look(context, session, |store| coverage::coverage(store, scope))?;
    let found = &looked.found;
    let mut answer = if context.globals.output == Format::Csv {
        Answer::list(COLUMNS, COLUMNS, found.rows.clone())
    } else {
        let shown = shown(found, &looked.preface, crate::terminal_width())?;
        Answer::thing(found)?.shown_as(shown)
    };
    answer = looked.said(answer);
    if let Some(share) = share.filter(|share| found.is_under(*share)) {
        answer = answer.exits(Kind::Findings.exit()).say(format!(
            "The coverage is {:.1}%, which is under {share}.",
            found.numbers.percent
        ));
    }
    // Those whom no provider takes are out already; the others are once 2FA is on.
    let mut stranded = ["no_identity_provider", "no_method"]
        .into_iter()
        .filter_map(|wanted| found.rows.iter().find(|row| row.row == wanted));
    let first = stranded.find_map(|row| row.users.as_ref()?.first());
    Ok(match first {
        Some(login) => answer.say(format!("Next: `twofa login explain {}`.", argument(login))),
        None => answer,
    })
}

/// The answer for eyes: sentences, a line for each way of being asked, and who is worth a look.
fn shown(found: &Coverage, preface: &str, width: Option<u16>) -> Result<String> {
    let said = sentences(found.enabled, &found.numbers, found.group.as_deref());
    let mut text = format!("{preface}{said}\n");
    if found.numbers.asked > 0 {
        text.push('\n');
        for row in found.rows.iter().filter(|row| is_part(row)) {
            text.push_str(&line(row, found.numbers.asked, width));
        }
    }
    let rows = found.rows.iter().filter(|row| row.count > 0);
    let named: Vec<answer::Row> = rows.filter_map(|row| row_of_names(found, row)).collect();
    if !named.is_empty() {
        text.push('\n');
        text.push_str(&answer::table(
            &["who", "users", "administrators", "names"],
            &named,
            width,
        )?);
    }
    Ok(text)
}

/// For how many of how many 2FA is on, or would be, and what becomes of them.
pub fn sentences(enabled: bool, numbers: &Numbers, group: Option<&str>) -> String {
    let Numbers { asked, covered, .. } = *numbers;
    let group = group.map_or(String::new(), |group| format!(" in `{}`", visible(group)));
    let users = counted(numbers.users, "user", "users");
    let first = match (enabled, numbers.users) {
        (true, 0) => format!("2FA is on. Nobody{group} has a password to log in with."),
        (false, 0) => format!("2FA is off. Nobody{group} has a password to log in with."),
        (true, _) => format!(
            "2FA is on: {asked} of {users}{group} {} asked for a second factor.",
            are(asked)
        ),
        (false, _) => format!(
            "2FA is off. Were it on, {asked} of {users}{group} would be asked for a second factor."
        ),
    };
    let elsewhere = elsewhere(numbers);
    if asked == 0 {
        return format!("{first}{elsewhere}");
    }
    let mut rest = String::new();
    if numbers.connects_app > 0 {
        rest.push_str(&format!(
            "; {} would connect an app first",
            numbers.connects_app
        ));
    }
    if numbers.no_method > 0 {
        rest.push_str(&format!("; {} could not log in", numbers.no_method));
    }
    let have = if covered == 1 { "has" } else { "have" };
    format!(
        "{first}\n{covered} of them ({:.1}%) {have} a usable method{rest}.{elsewhere}",
        numbers.percent
    )
}

/// How many log in through an identity provider, or would have to.
fn elsewhere(numbers: &Numbers) -> String {
    let mut lines = String::new();
    if numbers.sso > 0 {
        let log = if numbers.sso == 1 { "logs" } else { "log" };
        lines.push_str(&format!(
            "\n{} {log} in through an identity provider, and {} asked there.",
            counted(numbers.sso, "user", "users"),
            are(numbers.sso)
        ));
    }
    if numbers.no_identity_provider > 0 {
        let has = if numbers.no_identity_provider == 1 {
            "has"
        } else {
            "have"
        };
        lines.push_str(&format!(
            "\n{} {has} to use single sign-on, no identity provider takes them, and they cannot log in.",
            counted(numbers.no_identity_provider, "user", "users")
        ));
    }
    lines
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Whether a row is one of the parts that those who are asked fall into.
fn is_part(row: &CoverageRow) -> bool {
    row.users.is_none() || ["connects_app", "no_method"].contains(&row.row)
}

/// A line of the picture: how many, and on a terminal how long a bar that is.
fn line(row: &CoverageRow, asked: u64, width: Option<u16>) -> String {
    let numbers = format!(
        "{:<20}  {:>8}  {:>5.1}%",
        row.name,
        row.count,
        row.percent.unwrap_or_default()
    );
    let room = width.map_or(0, |width| {
        usize::from(width).saturating_sub(numbers.len() + 3)
    });
    let bar = bar(row.count, asked, room.min(LONGEST_BAR));
    format!("{}\n", format!("{numbers}  {bar}").trim_end())
}

/// The longest bar, in cells: on a wide screen it stays beside its numbers.
const LONGEST_BAR: usize = 60;

/// The part of `room` cells that `count` of `all` fill, in eighths; whoever counts for anything is seen.
fn bar(count: u64, all: u64, room: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let room = room as u128 * 8;
    let filled = (u128::from(count) * room)
        .checked_div(u128::from(all))
        .unwrap_or(0);
    let filled = if count > 0 && room > 0 {
        filled.max(1)
    } else {
        filled
    };
    let filled = usize::try_from(filled).unwrap_or(0);
    format!("{}{}", "█".repeat(filled / 8), EIGHTHS[filled % 8])
}

/// A row of names, for those who are worth a look.
fn row_of_names(found: &Coverage, row: &CoverageRow) -> Option<answer::Row> {
    let users = row.users.as_ref()?;
    let mut names = users.clone();
    if row.left_out > 0 {
        names.push(format!("and {} more", row.left_out));
    }
    let who = match (row.row, found.primary) {
        ("falls_back", Some(primary)) => format!("Fall back from {}", primary.name()),
        _ => row.name.to_owned(),
    };
    Some(Map::from_iter([
        ("who".to_owned(), Value::from(who)),
        ("users".to_owned(), row.count.into()),
        ("administrators".to_owned(), row.administrators.into()),
        ("names".to_owned(), names.into()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_their_room() {
        assert_eq!(bar(0, 10, 10), "");
        assert_eq!(bar(10, 10, 10), "█".repeat(10));
        assert_eq!(bar(5, 10, 3), "█▌");
        // Nobody who counts is left out of the picture, and without a terminal there is none.
        assert_eq!(bar(1, 1_000_000, 10), "▏");
        assert_eq!(bar(1, 2, 0), "");
        assert_eq!(bar(0, 0, 10), "");
    }
}

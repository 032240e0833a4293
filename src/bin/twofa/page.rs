//! A page of the manual, as roff: what the help of a command says, in the order of a manual.
//!
//! clap_mangen writes title, name and synopsis. The rest is written here, since clap_mangen makes chapters of the headings
//! of options, says nothing of options that the short help leaves out, and knows nothing of the verb table.
//!
//! A page carries no date: the same program makes the same bytes. Its version stands in the footer.

use clap::builder::PossibleValue;
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use twofa::error::{EXIT_CODES, Error, Kind, Result};
use twofa::store::Place;
use twofa::verb::{Opens, VERBS, Verb};

use crate::commands::help::environment;
use crate::tree::{EXAMPLES, who};

/// System administration.
const SECTION: &str = "8";

const FILES: &[(&str, &str)] = &[
    (
        Place::SYSTEM,
        "The system store, used without `--db` and `TWOFA_DB` if it exists or you are root. Its mode is 0600.",
    ),
    (
        "$XDG_DATA_HOME/twofa/twofa.db",
        "The store of any other account; `~/.local/share` stands in for the variable.",
    ),
    (
        "STORE.key",
        "The key file of the store, unless `--key-file` names another one, or the keys stand in the variable TWOFA_KEY. Its mode is 0600. Keep a copy in a safe place, apart from the backups of the store: without it authenticator apps, recovery codes, mailbox passwords and user passwords are lost.",
    ),
    (
        "STORE.weak-passwords",
        "The passwords that `PasswordNotFromWeakList` refuses, one a line; without it, the list shipped with twofa.",
    ),
];

/// The commands below one that people are told of.
pub fn below(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && (is_root(command) || sub.get_name() != "help"))
}

/// The name of the file that a page belongs in.
pub fn file(command: &Command) -> String {
    format!("{}.{SECTION}", name(command))
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn is_root(command: &Command) -> bool {
    name(command) == "twofa"
}

/// The page of a command of a tree that was built.
pub fn page(command: &Command) -> Result<String> {
    let path = command
        .get_bin_name()
        .and_then(|words| words.strip_prefix("twofa "))
        .unwrap_or_default();
    let verb = VERBS.iter().find(|verb| verb.path == path);
    let mut roff = Roff::new();
    description(&mut roff, command);
    if let Some(verb) = verb {
        roff.control("SH", ["WHO MAY RUN IT"]);
        roff.text(marked(&who(verb)));
    }
    commands(&mut roff, command);
    options(&mut roff, command);
    variables(&mut roff, command, path);
    exits(&mut roff, is_root(command) || verb.is_some());
    after(&mut roff, command);
    files(&mut roff, command, verb);
    see_also(&mut roff, command);
    let body = roff.to_roff().replace('\'', r"\(aq");
    Ok(head(command)? + &literal(&body))
}

/// Characters that roff sets as others, as themselves. What was written with a backslash comes as two of them.
fn literal(roff: &str) -> String {
    roff.replace(r"\\", r"\e")
        .replace('`', r"\(ga")
        .replace('^', r"\(ha")
        .replace('~', r"\(ti")
}

/// Title, name and synopsis.
fn head(command: &Command) -> Result<String> {
    let mut command = command.clone();
    let usage = command.render_usage().to_string();
    let command = command.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let version = concat!("twofa ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone())
        .title(name(&command).to_uppercase())
        .section(SECTION)
        // An argument that is empty is not written, and the next one would stand in its place.
        .date("\"\"")
        .source(version)
        .manual("Two-factor authentication");
    let mut bytes = Vec::new();
    page.render_title(&mut bytes)
        .and_then(|()| page.render_name_section(&mut bytes))
        .and_then(|()| page.render_synopsis_section(&mut bytes))
        .map_err(|error| Error::new(Kind::Io, "the page cannot be written").because(error))?;
    let text = String::from_utf8_lossy(&bytes);
    // Each part begins with a definition of the apostrophe, which has a name of its own.
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "))
        .collect();
    let mut text = literal(&lines.join("\n")).replace(r"\*(Aq", r"\(aq");
    // Names of options and settings are never broken with a hyphen of their own.
    text = text.replacen("\n.SH NAME", "\n.nh\n.ad l\n.SH NAME", 1);
    Ok(text + "\n")
}

/// Text in which what stands between backticks is set in bold.
fn marked(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(
            |(at, part)| {
                if at % 2 == 1 { bold(part) } else { roman(part) }
            },
        )
        .collect()
}

/// A paragraph of a help text as a sentence.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ':', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Paragraphs of text; what is indented is left as it is.
fn paragraphs(roff: &mut Roff, text: &str) {
    for (at, paragraph) in text.split("\n\n").enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        let (plain, indented): (Vec<&str>, Vec<&str>) =
            paragraph.lines().partition(|line| !line.starts_with("  "));
        if !plain.is_empty() {
            roff.text(marked(&sentence(&plain.join(" "))));
        }
        if !indented.is_empty() {
            roff.control("PP", []);
            verbatim(roff, &indented);
        }
    }
}

/// Lines as they are, but for the two blanks before each.
fn verbatim(roff: &mut Roff, lines: &[&str]) {
    roff.control("EX", []);
    for line in lines {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("EE", []);
    // That turned hyphenation on again.
    roff.control("nh", []);
}

/// What something is called, and what it is.
fn item(roff: &mut Roff, called: Vec<Inline>, is: &str) {
    roff.control("TP", []);
    roff.text(called);
    roff.text(marked(&sentence(is)));
}

fn description(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["DESCRIPTION"]);
    let about = command.get_long_about().or(command.get_about());
    paragraphs(roff, &about.map(ToString::to_string).unwrap_or_default());
    let notes = split(command).0;
    if !notes.is_empty() {
        roff.control("PP", []);
        paragraphs(roff, &notes);
    }
}

fn commands(roff: &mut Roff, command: &Command) {
    if below(command).next().is_none() {
        return;
    }
    roff.control("SH", ["COMMANDS"]);
    for sub in below(command) {
        let about = sub.get_about().map(ToString::to_string);
        let called = vec![bold(name(sub)), roman(format!("({SECTION})"))];
        item(roff, called, &about.unwrap_or_default());
    }
}

/// The options of this command; those that every command takes stand in the page of twofa.
fn options(roff: &mut Roff, command: &Command) {
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter(|argument| {
            is_root(command) || !(argument.is_global_set() || argument.get_id() == "help")
        })
        .collect();
    roff.control("SH", ["OPTIONS"]);
    let mut headings = vec![None];
    for argument in &own {
        if !headings.contains(&argument.get_help_heading()) {
            headings.push(argument.get_help_heading());
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            roff.control("SS", [heading]);
        }
        let (positional, named): (Vec<&Arg>, Vec<&Arg>) = own
            .iter()
            .filter(|argument| argument.get_help_heading() == heading)
            .partition(|argument| argument.is_positional());
        for argument in positional.iter().chain(&named) {
            option(roff, argument);
        }
        if heading.is_none() && !is_root(command) {
            if !(positional.is_empty() && named.is_empty()) {
                roff.control("PP", []);
            }
            refer(roff, "the options that every command takes");
        }
    }
}

/// Where something stands that no page says again.
fn refer(roff: &mut Roff, what: &str) {
    roff.text([
        bold("twofa"),
        roman(format!("({SECTION}) tells of {what}.")),
    ]);
}

fn option(roff: &mut Roff, argument: &Arg) {
    let mut called = Vec::new();
    if let Some(short) = argument.get_short() {
        called.extend([bold(format!("-{short}")), roman(", ")]);
    }
    if let Some(long) = argument.get_long() {
        called.push(bold(format!("--{long}")));
    }
    let takes = argument
        .get_num_args()
        .filter(clap::builder::ValueRange::takes_values);
    if let Some(range) = takes {
        let value = argument
            .get_value_names()
            .map(|names| names.join(" "))
            .unwrap_or_default();
        let value = italic(format!("<{value}>"));
        called.extend(match (argument.is_positional(), range.min_values()) {
            (true, _) => vec![value],
            (false, 0) if argument.is_require_equals_set() => {
                vec![roman("[="), value, roman("]")]
            }
            (false, 0) => vec![roman(" ["), value, roman("]")],
            (false, _) => vec![roman(" "), value],
        });
    }
    roff.control("TP", []);
    roff.text(called);
    let help = argument.get_long_help().or(argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    for (at, paragraph) in help.split("\n\n").enumerate() {
        if at > 0 {
            roff.control("IP", []);
        }
        roff.text(marked(&sentence(paragraph)));
    }
    let default: Vec<_> = argument.get_default_values().iter().collect();
    if takes.is_some() && !default.is_empty() {
        let default: Vec<_> = default
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        roff.text([roman("Default: "), bold(default.join(" ")), roman(".")]);
    }
    if let Some(variable) = argument.get_env() {
        roff.text([
            roman("Variable: "),
            bold(variable.to_string_lossy()),
            roman("."),
        ]);
    }
    if takes.is_some() {
        values(roff, &argument.get_possible_values());
    }
}

/// What an option may be.
fn values(roff: &mut Roff, possible: &[PossibleValue]) {
    let shown: Vec<&PossibleValue> = possible.iter().filter(|one| !one.is_hide_set()).collect();
    if shown.iter().any(|value| value.get_help().is_some()) {
        roff.control("RS", []);
        for value in shown {
            let is = value.get_help().map(ToString::to_string);
            item(roff, vec![bold(value.get_name())], &is.unwrap_or_default());
        }
        roff.control("RE", []);
    } else if !shown.is_empty() {
        let names: Vec<&str> = shown.iter().map(|value| value.get_name()).collect();
        roff.text(marked(&format!("Values: `{}`.", names.join("`, `"))));
    }
}

fn variables(roff: &mut Roff, command: &Command, path: &str) {
    roff.control("SH", ["ENVIRONMENT"]);
    let rows = environment();
    let own = rows
        .iter()
        .filter(|row| is_root(command) || row.option == path);
    let mut any = false;
    for row in own {
        item(roff, vec![bold(row.variable.as_str())], &row.meaning);
        any = true;
    }
    if !is_root(command) {
        if any {
            roff.control("PP", []);
        }
        refer(roff, "the variables that every command reads");
    }
}

fn exits(roff: &mut Roff, all: bool) {
    roff.control("SH", ["EXIT STATUS"]);
    if !all {
        return refer(roff, "what a command exits with");
    }
    roff.control("PD", ["0"]);
    for (exit, meaning) in EXIT_CODES {
        roff.control("TP", []);
        roff.text([bold(exit.to_string())]);
        roff.text([roman(*meaning)]);
    }
    roff.control("PD", []);
}

/// What stands after the options in the help: notes, and the lines of the examples.
fn split(command: &Command) -> (String, String) {
    let after = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let (examples, notes): (Vec<&str>, Vec<&str>) = after
        .split("\n\n")
        .filter(|paragraph| !paragraph.is_empty())
        .partition(|paragraph| paragraph.starts_with(EXAMPLES));
    let examples = examples.concat();
    (
        notes.join("\n\n"),
        examples.trim_start_matches(EXAMPLES).to_owned(),
    )
}

fn after(roff: &mut Roff, command: &Command) {
    let examples = split(command).1;
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        verbatim(roff, &examples.lines().collect::<Vec<_>>());
    }
}

fn files(roff: &mut Roff, command: &Command, verb: Option<&Verb>) {
    let opens = verb.is_some_and(|verb| verb.opens != Opens::Nothing);
    if !is_root(command) && !opens {
        return;
    }
    roff.control("SH", ["FILES"]);
    for (file, about) in FILES {
        if is_root(command) || *file == Place::SYSTEM {
            item(roff, vec![bold(*file)], about);
        }
    }
}

/// The pages above and below.
fn see_also(roff: &mut Roff, command: &Command) {
    let words = command.get_bin_name().unwrap_or_default();
    let mut pages: Vec<String> = words
        .match_indices(' ')
        .map(|(at, _)| words[..at].replace(' ', "-"))
        .collect();
    pages.extend(below(command).map(|sub| name(sub).to_owned()));
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for page in pages {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(page), roman(format!("({SECTION})"))]);
    }
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What roff would take for its own, at the beginning of a line and within, is text.
    #[test]
    fn no_text_is_taken_for_roff() {
        let mut command = Command::new("twofa")
            .version("1")
            .about(".so what 'is' \\fBthis\\fR")
            .long_about("'Quoted' `~/.x` ^\n\n.TH of a path\n  'a\\n'\n  .b")
            .arg(Arg::new("dots").long("dots").value_name("N").help(".. up"))
            .after_help(
                "Examples:\n  printf '%s\\n' \"$A\" | twofa --dots -1\n  .hidden\n  'quoted'",
            );
        command.build();
        let text = page(&command).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .skip_while(|line| *line != ".SH NAME")
            .take_while(|line| *line != ".SH ENVIRONMENT")
            .collect();
        assert_eq!(
            lines,
            [
                ".SH NAME",
                r"twofa \- .so what \(aqis\(aq \efBthis\efR",
                ".SH SYNOPSIS",
                r"\fBtwofa\fR [OPTIONS]",
                ".SH DESCRIPTION",
                r"\&\(aqQuoted\(aq \fB\(ti/.x\fR \(ha.",
                ".PP",
                r"\&.TH of a path.",
                ".PP",
                ".EX",
                r"\&\(aqa\en\(aq",
                r"\&.b",
                ".EE",
                ".nh",
                ".SH OPTIONS",
                ".TP",
                r"\fB\-\-dots\fR \fI<N>\fR",
                r"\&.. up.",
                ".TP",
                r"\fB\-h\fR, \fB\-\-help\fR",
                r"Print help (see a summary with \(aq\-h\(aq).",
                ".TP",
                r"\fB\-V\fR, \fB\-\-version\fR",
                "Print version.",
            ]
        );
        let examples: Vec<&str> = text
            .lines()
            .skip_while(|line| *line != ".SH EXAMPLES")
            .take_while(|line| *line != ".nh")
            .collect();
        assert_eq!(
            examples,
            [
                ".SH EXAMPLES",
                ".EX",
                r#"printf \(aq%s\en\(aq "$A" | twofa \-\-dots \-1"#,
                r"\&.hidden",
                r"\&\(aqquoted\(aq",
                ".EE",
            ]
        );
    }

    #[test]
    fn every_page_has_its_chapters() {
        fn walk(command: &Command, found: &mut Vec<(String, String)>) {
            found.push((file(command), page(command).unwrap()));
            for sub in below(command) {
                walk(sub, found);
            }
        }
        let mut root = <crate::cli::Cli as clap::CommandFactory>::command();
        root.build();
        let mut found = Vec::new();
        walk(&root, &mut found);
        for (file, text) in &found {
            let stem = file.trim_end_matches(".8");
            assert!(
                text.starts_with(&format!(".TH {} 8 ", stem.to_uppercase())),
                "{file}"
            );
            for heading in [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "ENVIRONMENT",
                "\"EXIT STATUS\"",
                "EXAMPLES",
                "\"SEE ALSO\"",
            ] {
                let line = format!("\n.SH {heading}\n");
                assert_eq!(text.matches(&line).count(), 1, "{file}: {heading}");
            }
            assert!(!text.contains("\n\n"), "{file} has an empty line");
        }
        // Every verb people are told of has its page, and nothing else but the groups and the whole.
        let mut names: Vec<&str> = found.iter().map(|(file, _)| file.as_str()).collect();
        for verb in VERBS.iter().filter(|verb| verb.path != "deliver") {
            let name = format!("twofa-{}.8", verb.path.replace(' ', "-"));
            let (_, text) = &found[names.iter().position(|one| *one == name).unwrap()];
            assert!(text.contains(".SH \"WHO MAY RUN IT\"\n"), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), found.len());
    }
}

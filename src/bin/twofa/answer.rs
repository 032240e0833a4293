//! The one answer: handlers return it, and only here is it printed.
//!
//! A row is a struct with named fields; table, JSON, NDJSON and CSV are made from the same serialised row, so none of
//! them can say something else. Lists are printed as they come, without holding them all.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use serde_json::{Map, Value};
use twofa::error::{Error, Kind, Result};
use twofa::name::{spreadsheet, unabridged};
use twofa::plan::Warning;
use twofa::verb::{Opens, Verb};

use crate::cli::Format;

/// A row: named fields in their order.
pub type Row = Map<String, Value>;

/// Takes rows one by one.
pub type Each<'a> = &'a mut dyn FnMut(Row) -> Result<()>;

/// Takes lines one by one.
pub type EachLine<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// How many rows a table measures at once; a longer list is printed as several tables under one another.
const BLOCK: usize = 5_000;

/// Fields of a thing that stderr tells people of.
const TOLD: [&str; 2] = ["warnings", "conversation"];

/// What a command answers.
pub struct Answer {
    body: Body,
    /// Sentences for stderr: what was done, and the next command.
    pub status: Vec<String>,
    /// What is worth saying beside it.
    pub warnings: Vec<Warning>,
    /// The exit status.
    pub exit: u8,
    /// A refusal that is an answer too: it ends stderr under json.
    pub refusal: Option<Error>,
    /// Whether anything was changed, where the command says so.
    changed: Option<bool>,
    /// What is done when the answer is out.
    after: Option<After>,
    /// What `table`, which is asked for by saying nothing, means.
    usual: Format,
}

/// What is done when an answer is out: its reader has it by then.
pub type After = Box<dyn FnOnce() -> Result<()>>;

enum Body {
    Text(String),
    Bytes(Vec<u8>),
    Thing {
        row: Row,
        table: Option<String>,
        /// Whether a table shows the fields that are `null`.
        nothing: bool,
    },
    Lines(Box<dyn FnOnce(EachLine<'_>) -> Result<()>>),
    List {
        columns: &'static [&'static str],
        table: &'static [&'static str],
        rows: Box<dyn FnOnce(Each<'_>) -> Result<()>>,
    },
}

/// A struct as a row.
pub fn row(of: &impl Serialize) -> Result<Row> {
    match serde_json::to_value(of) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(other) => Ok(Map::from_iter([("value".to_owned(), other)])),
        Err(error) => Err(Error::new(Kind::Io, "the answer cannot be written").because(error)),
    }
}

/// Rows as a table shows them.
pub fn table(columns: &[&str], rows: &[Row], width: Option<u16>) -> Result<String> {
    let mut table = heads(columns);
    for row in rows {
        table.add_row(columns.iter().map(|name| table_cell(&row[*name])));
    }
    let mut text = Vec::new();
    match write_table(&mut table, width, &mut text) {
        Ok(()) | Err(Stop::ClosedPipe) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// A row of one field.
pub fn only(name: &str, value: impl Into<Value>) -> Row {
    Map::from_iter([(name.to_owned(), value.into())])
}

impl Answer {
    fn new(body: Body) -> Answer {
        Answer {
            body,
            status: Vec::new(),
            warnings: Vec::new(),
            exit: 0,
            refusal: None,
            changed: None,
            after: None,
            usual: Format::Table,
        }
    }

    /// What is done when the answer is out.
    pub fn then(mut self, after: impl FnOnce() -> Result<()> + 'static) -> Answer {
        self.after = Some(Box::new(after));
        self
    }

    /// Text as it is, in any format.
    pub fn text(text: impl Into<String>) -> Answer {
        Answer::new(Body::Text(text.into()))
    }

    /// Bytes as they are.
    pub fn bytes(bytes: Vec<u8>) -> Answer {
        Answer::new(Body::Bytes(bytes))
    }

    /// One thing.
    pub fn thing(thing: &impl Serialize) -> Result<Answer> {
        Ok(Answer::new(Body::Thing {
            row: row(thing)?,
            table: None,
            nothing: true,
        }))
    }

    /// A list; `columns` are the fields of a row, `table` those a table shows.
    pub fn list<T: Serialize + 'static>(
        columns: &'static [&'static str],
        table: &'static [&'static str],
        rows: Vec<T>,
    ) -> Answer {
        Answer::stream(columns, table, move |each| {
            rows.iter().try_for_each(|one| each(row(one)?))
        })
    }

    /// A list whose rows are made while it is printed.
    pub fn stream(
        columns: &'static [&'static str],
        table: &'static [&'static str],
        rows: impl FnOnce(Each<'_>) -> Result<()> + 'static,
    ) -> Answer {
        Answer::new(Body::List {
            columns,
            table,
            rows: Box::new(rows),
        })
    }

    /// Lines as they are, made while they are printed.
    pub fn lines(lines: impl FnOnce(EachLine<'_>) -> Result<()> + 'static) -> Answer {
        Answer::new(Body::Lines(Box::new(lines)))
    }

    /// Adds `changed` and `warnings`, as every writing verb answers.
    pub fn changed(mut self, changed: bool, warnings: Vec<Warning>) -> Answer {
        if let Body::Thing { row, .. } = &mut self.body {
            row.insert("changed".into(), changed.into());
            row.insert(
                "warnings".into(),
                serde_json::to_value(&warnings).unwrap_or_default(),
            );
        }
        self.warnings = warnings;
        self.changed = Some(changed);
        self
    }

    /// Printed as CSV where no other format is asked for.
    pub fn usually_csv(mut self) -> Answer {
        self.usual = Format::Csv;
        self
    }

    /// Adds what is worth saying beside it.
    pub fn warn(mut self, warning: Option<Warning>) -> Answer {
        self.warnings.extend(warning);
        self
    }

    /// What the table format shows instead of the fields: rows as a list shows them.
    pub fn shown_as_list(
        self,
        columns: &[&str],
        rows: &[Row],
        width: Option<u16>,
    ) -> Result<Answer> {
        Ok(self.shown_as(table(columns, rows, width)?))
    }

    /// Leaves out of the table format what a thing of its kind does not have.
    pub fn shown_without_nothing(mut self) -> Answer {
        if let Body::Thing { nothing, .. } = &mut self.body {
            *nothing = false;
        }
        self
    }

    /// What the table format shows instead of the fields.
    pub fn shown_as(mut self, text: String) -> Answer {
        if let Body::Thing { table, .. } = &mut self.body {
            *table = Some(text);
        }
        self
    }

    /// A sentence for stderr.
    pub fn say(mut self, sentence: impl Into<String>) -> Answer {
        self.status.push(sentence.into());
        self
    }

    /// The exit status.
    pub fn exits(mut self, exit: u8) -> Answer {
        self.exit = exit;
        self
    }

    /// Prints the body. A closed pipe ends the printing, quietly. When the answer of a verb that writes is lost, the
    /// error says what became of the change.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that writes to stdout"
    )]
    pub fn print(self, verb: &Verb, format: Format, width: Option<u16>) -> Result<Printed> {
        let writes = matches!(verb.opens, Opens::Write | Opens::Create);
        let format = if format == Format::Table {
            self.usual
        } else {
            format
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        let done = write(self.body, format, width, &mut out)
            .and_then(|()| out.flush().map_err(Stop::from));
        match done {
            Ok(()) | Err(Stop::ClosedPipe) => Ok(Printed {
                status: self.status,
                warnings: self.warnings,
                exit: self.exit,
                refusal: self.refusal,
                after: self.after,
            }),
            Err(Stop::Failed(error)) if writes => Err(error.hint(match self.changed {
                Some(true) => "the change was made; only its answer was lost",
                Some(false) => "nothing was changed: it was so already",
                None => "the command was carried out; only its answer was lost",
            })),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// What is left to say once the answer stands on stdout.
pub struct Printed {
    pub status: Vec<String>,
    pub warnings: Vec<Warning>,
    pub exit: u8,
    pub refusal: Option<Error>,
    pub after: Option<After>,
}

enum Stop {
    ClosedPipe,
    Failed(Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Stop::ClosedPipe
        } else {
            Stop::Failed(Error::new(Kind::Io, "cannot write the answer").because(error))
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

fn write(body: Body, format: Format, width: Option<u16>, out: &mut dyn Write) -> Result<(), Stop> {
    match body {
        Body::Text(text) => {
            out.write_all(text.as_bytes())?;
            if !text.is_empty() && !text.ends_with('\n') {
                out.write_all(b"\n")?;
            }
            Ok(())
        }
        Body::Bytes(bytes) => Ok(out.write_all(&bytes)?),
        Body::Lines(lines) => {
            let mut stopped = None;
            let done = lines(&mut |line| {
                writeln!(out, "{line}").map_err(|error| {
                    stopped = Some(Stop::from(error));
                    Error::new(Kind::Io, "the lines were stopped")
                })
            });
            match stopped {
                Some(stop) => Err(stop),
                None => Ok(done?),
            }
        }
        Body::Thing {
            mut row,
            table,
            nothing,
        } => {
            if format == Format::Table && !nothing {
                row.retain(|_, value| !value.is_null());
            }
            thing(row, table, format, width, out)
        }
        Body::List {
            columns,
            table,
            rows,
        } => list(columns, table, rows, format, width, out),
    }
}

fn thing(
    row: Row,
    shown: Option<String>,
    format: Format,
    width: Option<u16>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    match format {
        Format::Json => writeln!(out, "{:#}", Value::Object(row))?,
        Format::Ndjson => writeln!(out, "{}", Value::Object(row))?,
        Format::Csv => {
            let columns: Vec<&str> = row.keys().map(String::as_str).collect();
            record(out, columns.iter().map(|name| (*name).to_owned()))?;
            record(out, row.values().map(csv_cell))?;
        }
        // TOML is text, which is printed as it is.
        Format::Table | Format::Toml => {
            if let Some(text) = shown {
                write!(out, "{text}")?;
            } else {
                let mut table = Table::new();
                table.load_style(presets::NOTHING);
                for (name, value) in row
                    .iter()
                    .filter(|(name, _)| !TOLD.contains(&name.as_str()))
                {
                    table.add_row([spaced(name), table_cell(value)]);
                }
                write_table(&mut table, width, out)?;
            }
        }
    }
    Ok(())
}

fn list(
    columns: &'static [&'static str],
    shown: &'static [&'static str],
    rows: Box<dyn FnOnce(Each<'_>) -> Result<()>>,
    format: Format,
    width: Option<u16>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    // A row that cannot be written stops the list; what stopped it is kept here, for the callback speaks in our errors.
    let mut stopped = None;
    let mut count = 0usize;
    let mut table = heads(shown);
    if format == Format::Json {
        write!(out, "[")?;
    }
    if format == Format::Csv {
        record(out, columns.iter().map(|name| (*name).to_owned()))?;
    }
    let done = rows(&mut |row| {
        debug_assert!(
            row.keys().map(String::as_str).eq(columns.iter().copied()),
            "the columns of a list are those of its rows"
        );
        count += 1;
        let written = match format {
            Format::Json => write!(
                out,
                "{}\n  {}",
                if count > 1 { "," } else { "" },
                Value::Object(row)
            )
            .map_err(Stop::from),
            Format::Ndjson => writeln!(out, "{}", Value::Object(row)).map_err(Stop::from),
            Format::Csv => record(out, columns.iter().map(|name| csv_cell(&row[*name]))),
            // TOML is text, which is printed as it is.
            Format::Table | Format::Toml => {
                table.add_row(shown.iter().map(|name| table_cell(&row[*name])));
                if count.is_multiple_of(BLOCK) {
                    let mut full = std::mem::replace(&mut table, heads(shown));
                    write_table(&mut full, width, out)
                } else {
                    Ok(())
                }
            }
        };
        written.map_err(|stop| {
            stopped = Some(stop);
            Error::new(Kind::Io, "the list was stopped")
        })
    });
    if let Some(stop) = stopped {
        return Err(stop);
    }
    done?;
    match format {
        Format::Json => writeln!(out, "{}]", if count > 0 { "\n" } else { "" })?,
        Format::Table if count == 0 || !count.is_multiple_of(BLOCK) => {
            write_table(&mut table, width, out)?;
        }
        _ => {}
    }
    Ok(())
}

fn heads(shown: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(shown.iter().map(|name| spaced(name).to_uppercase()));
    table
}

/// Wraps at `width` where it is known; without a terminal lines are as long as they are.
fn write_table(table: &mut Table, width: Option<u16>, out: &mut dyn Write) -> Result<(), Stop> {
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    let widest = longest_words(table);
    let words = widest
        .iter()
        .fold(0u16, |sum, word| sum.saturating_add(*word));
    let gaps = |gap: usize| u16::try_from(gap * widest.len().saturating_sub(1)).unwrap_or(u16::MAX);
    // Narrow gaps rather than a line that the terminal breaks.
    let is_tight = width.is_some_and(|width| words.saturating_add(gaps(2)) > width);
    let gap = if is_tight { 1 } else { 2 };
    for (column, word) in table.column_iter_mut().zip(widest) {
        column.set_padding((0, gap));
        // An id or an address broken in two cannot be copied: rather a line longer than the terminal.
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
            word.saturating_add(gap),
        )));
    }
    Ok(writeln!(out, "{}", table.trim_fmt())?)
}

/// The width of the longest word of each column, its head included.
fn longest_words(table: &mut Table) -> Vec<u16> {
    let mut widest = vec![0; table.column_count()];
    for row in table.header().into_iter().chain(table.row_iter()) {
        for (cell, width) in row.cell_iter().zip(&mut widest) {
            let content = cell.content();
            let words = content
                .split_whitespace()
                .map(unicode_width::UnicodeWidthStr::width);
            *width = words.max().map_or(*width, |word| {
                (*width).max(u16::try_from(word).unwrap_or(u16::MAX))
            });
        }
    }
    widest
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

fn table_cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => unabridged(text).into_owned(),
        Value::Array(items) if items.is_empty() => "–".to_owned(),
        Value::Array(items) => items.iter().map(table_cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields)
            if fields
                .values()
                .any(|value| value.is_object() || value.is_array()) =>
        {
            unabridged(&value.to_string()).into_owned()
        }
        // A thing within a thing is told by its values, and by the names of what is true of it.
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| match value {
                Value::String(text) => Some(unabridged(text)),
                Value::Number(number) => Some(number.to_string().into()),
                Value::Bool(true) => Some(name.as_str().into()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join(" "),
        Value::Number(_) => value.to_string(),
    }
}

/// A value as a cell of CSV.
fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => spreadsheet(text).into_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            spreadsheet(&items.join(";")).into_owned()
        }
        other => other.to_string(),
    }
}

fn record(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> Result<(), Stop> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let failed =
        |error: csv::Error| Stop::Failed(Error::new(Kind::Io, "cannot write CSV").because(error));
    writer.write_record(cells).map_err(failed)?;
    let bytes = writer
        .into_inner()
        .map_err(|error| Stop::from(io::Error::other(error.to_string())))?;
    Ok(out.write_all(&bytes)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(body: Body, format: Format) -> String {
        let mut out = Vec::new();
        assert!(write(body, format, None, &mut out).is_ok());
        String::from_utf8(out).unwrap()
    }

    fn sample(rows: Vec<Value>) -> Body {
        Body::List {
            columns: &["login", "phone", "groups"],
            table: &["login", "groups"],
            rows: Box::new(move |each| {
                rows.iter()
                    .try_for_each(|row| each(row.as_object().unwrap().clone()))
            }),
        }
    }

    #[test]
    fn one_list_in_four_formats() {
        let rows = || {
            sample(vec![
                json!({"login": "=cmd()", "phone": "+4930123", "groups": ["A", "B"]}),
                json!({"login": "b\u{1b}[1m", "phone": null, "groups": []}),
            ])
        };
        assert_eq!(
            printed(rows(), Format::Table),
            "LOGIN       GROUPS\n=cmd()      A, B\nb\\u{1b}[1m  –\n"
        );
        assert_eq!(
            printed(rows(), Format::Ndjson),
            "{\"login\":\"=cmd()\",\"phone\":\"+4930123\",\"groups\":[\"A\",\"B\"]}\n{\"login\":\"b\\u001b[1m\",\"phone\":null,\"groups\":[]}\n"
        );
        assert_eq!(
            printed(rows(), Format::Csv),
            "login,phone,groups\n'=cmd(),+4930123,A;B\nb\u{1b}[1m,,\n"
        );
        let json: Value = serde_json::from_str(&printed(rows(), Format::Json)).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_empty_list_is_still_a_document() {
        assert_eq!(printed(sample(vec![]), Format::Json), "[]\n");
        assert_eq!(printed(sample(vec![]), Format::Csv), "login,phone,groups\n");
        assert_eq!(printed(sample(vec![]), Format::Ndjson), "");
        assert_eq!(printed(sample(vec![]), Format::Table), "LOGIN  GROUPS\n");
    }
}

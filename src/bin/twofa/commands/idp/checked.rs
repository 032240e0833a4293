//! `idp test`: what was looked at, for eyes and for programs.

use std::io::Read as _;

use clap::Args;
use serde_json::Value;
use twofa::error::{Error, Kind, Result};
use twofa::idp;
use twofa::idp::checkup::{CheckRow, Tested, look};
use twofa::name::{counted, unabridged};
use twofa::sso::response::LONGEST;

use super::super::doctor::wrapped_to;
use super::Named;
use crate::answer::{Answer, Row, row, table};
use crate::cli::Format;
use crate::session::Context;

/// `idp test`.
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    named: Named,
    /// Judge a response that was copied from a browser: the field SAMLResponse, read whole from standard input
    #[arg(long)]
    saml_response_stdin: bool,
}

pub fn test(context: &mut Context, args: &Test) -> Result<Answer> {
    context.only(&[Format::Table, Format::Json, Format::Ndjson])?;
    let session = context.session()?;
    let idp = idp::find(&session.store, &args.named.name)?;
    let response = if args.saml_response_stdin {
        Some(response(context)?)
    } else {
        None
    };
    let tested = look(&session.store, &idp, response.as_deref())?;
    let bad = tested.checks.iter().filter(|row| !row.ok).count() as u64;
    let sentence = match bad {
        0 => "Nothing is wrong.".to_owned(),
        _ => format!("{} wrong.", counted(bad, "thing is", "things are")),
    };
    let exit = if tested.ok { 0 } else { Kind::Findings.exit() };
    let text = shown(&tested)?;
    Ok(Answer::thing(&tested)?
        .shown_as(text)
        .exits(exit)
        .say(sentence))
}

/// A response, whole: one byte more than is read tells that it is too long.
pub fn response(context: &Context) -> Result<String> {
    let mut bytes = Vec::new();
    context
        .file_from_input()?
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(Kind::Io, "cannot read the response").because(error))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::new(
            Kind::MissingAnswer,
            "standard input has no response for --saml-response-stdin",
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The checks, each with what to do below it, then what the response says, then the address.
fn shown(tested: &Tested) -> Result<String> {
    let width = crate::terminal_width().map_or(usize::MAX, usize::from);
    let mut text: String = tested
        .checks
        .iter()
        .map(|check| lines(check, width))
        .collect();
    if let Some(response) = &tested.response {
        let mut fields = row(response)?;
        let attributes = fields.shift_remove("attributes").unwrap_or_default();
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        for (head, fields) in [("said", fields), ("attribute", attributes)] {
            let rows: Vec<Row> = fields
                .into_iter()
                .map(|(name, value)| pair(head, &name, value))
                .collect();
            if !rows.is_empty() {
                let shown = table(&[head, "value"], &rows, crate::terminal_width())?;
                text.push_str(&format!("\n{shown}"));
            }
        }
    }
    if let Some(url) = &tested.url {
        text.push_str(&format!("\nA login would begin at\n{url}\n"));
    }
    Ok(text)
}

/// Where the words of a check begin.
const WORDS: usize = 20;

/// A check and what to do, as wide as a terminal is.
fn lines(check: &CheckRow, width: usize) -> String {
    let mark = if check.ok { "ok  " } else { "BAD " };
    let most = width.max(WORDS * 2);
    let words = |text: &str| wrapped_to(most, WORDS, WORDS, &unabridged(text));
    let mut text = format!("{mark} {:<14} {}", check.check, words(&check.message));
    if let Some(hint) = &check.hint {
        text.push_str(&format!("{:WORDS$}{}", "", words(hint)));
    }
    text
}

fn pair(head: &str, name: &str, value: Value) -> Row {
    let row = [(head.to_owned(), name.into()), ("value".to_owned(), value)];
    row.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_as_wide_as_the_terminal() {
        let check = CheckRow {
            check: "acs_url",
            ok: false,
            message: "Nobody has said where it is taken.".to_owned(),
            hint: Some("`twofa idp edit corp --acs-url URL`".to_owned()),
        };
        assert_eq!(
            lines(&check, 45),
            concat!(
                "BAD  acs_url        Nobody has said where it\n",
                "                    is taken.\n",
                "                    `twofa idp edit corp --acs-url URL`\n"
            )
        );
    }
}

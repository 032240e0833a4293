//! A text that must not be seen: passwords, codes, tokens. It has no `Display`, its `Debug` tells nothing, and its
//! memory is overwritten when it goes.
//!
//! Keys are arrays of the vault and go the same way; so do the words around a code, from the template to the wire. What is
//! not ours is not overwritten: the environment of the process, the buffer of standard input, what the libraries for mail,
//! HTTP and TLS copy while they send, and an answer that is printed because somebody asked for the secret in it.

use std::fmt;

use zeroize::Zeroizing;

/// The longest secret that is read, in bytes.
pub const LONGEST: usize = 4096;

/// A secret text.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was given.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret::new(text.to_owned())
    }
}

//! Asking a person, for those who cannot know whether there is one.

use crate::error::Result;
use crate::secret::Secret;

/// Somebody who can be asked.
pub trait Ask {
    /// Asks "are you sure?"; the default is no. Returns whether a person has seen what was asked: a script said yes before.
    ///
    /// # Errors
    /// [`crate::error::Kind::MissingAnswer`] when nobody can be asked, [`crate::error::Kind::Declined`].
    fn sure(&mut self, question: &str) -> Result<bool>;

    /// Asks for a one-time code. `None`: nobody can be asked.
    ///
    /// # Errors
    /// [`crate::error::Kind::Io`].
    fn code(&mut self, prompt: &str) -> Result<Option<Secret>>;
}

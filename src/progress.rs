//! How far something long has come, for those who cannot know whether anybody watches.
//!
//! The library says what it does and how far it is; whether and how that is shown is the caller's. What it promises:
//! [`Progress::begin`] and [`Progress::end`] come in pairs, one within no other, and `end` comes on failure as well.

/// Somebody who watches.
pub trait Progress {
    /// Something begins. `what` is a few words for a person, such as `Reading the file`; `total` is how much of it
    /// there is, where that is known. The unit is whatever can be counted (bytes of a file, rows of a table): only the
    /// part that is done is told, never the number.
    fn begin(&mut self, what: &str, total: Option<u64>);

    /// So much of it is done, in the unit of `total`. It looks at the clock each time: for rows, once
    /// in some hundred of them is enough.
    fn at(&mut self, done: u64);

    /// It is over, well or not.
    fn end(&mut self);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _what: &str, _total: Option<u64>) {}

    fn at(&mut self, _done: u64) {}

    fn end(&mut self) {}
}

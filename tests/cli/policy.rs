//! `apply`, `diff` and `export`.

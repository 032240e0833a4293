//! The command line, end to end: every command with stdout, stderr and exit status asserted whole, in a cleared
//! environment with a fixed clock.
//!
//! One binary for all nouns; one file for each. A snapshot is filled in or renewed with `SNAPSHOTS=overwrite cargo test
//! --test cli`, and then read.

mod lints;
mod method;
mod setting;
mod world;

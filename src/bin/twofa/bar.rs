//! The bar that shows how far something long has come.
//!
//! It is drawn on stderr, where that is a terminal, for what takes longer than a second, and never with `--quiet`. When
//! it is over nothing of it is left.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use twofa::name::unabridged;
use twofa::progress::Progress;

/// What is over sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar, or nothing where nobody would see it.
pub struct Bar {
    /// Whether anything may be drawn at all.
    seen: bool,
    shown: Option<ProgressBar>,
    drawn: bool,
}

impl Bar {
    pub fn new(quiet: bool) -> Bar {
        Bar {
            // A pipe, a file and a terminal that cannot move its cursor get none.
            seen: !quiet && !ProgressDrawTarget::stderr().is_hidden(),
            shown: None,
            drawn: false,
        }
    }
}

impl Progress for Bar {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        if !self.seen {
            return;
        }
        let template = if total.is_some() {
            "{msg} [{bar:30}] {percent:>3}% {eta:>4}"
        } else {
            "{msg} {spinner} {elapsed}"
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> ").tick_chars("|/-\\ "));
        }
        bar.set_message(unabridged(what).into_owned());
        self.shown = Some(bar);
        self.drawn = false;
    }

    fn at(&mut self, done: u64) {
        let Some(bar) = &self.shown else { return };
        bar.set_position(done);
        if !self.drawn && bar.elapsed() >= PATIENCE {
            self.drawn = true;
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.shown.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

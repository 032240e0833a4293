//! The way that led to a verdict: which rule was asked, what it looked at, and what it found.
//!
//! The decision leaves it behind while it decides, so that it cannot tell another story than the one that happened. It is
//! facts only; the words are those of `explain/words.rs`.

use super::decide::{Channel, First};
use crate::clock::Time;
use crate::idp::Taken;
use crate::method::Method;
use crate::user::Type;

/// A rule that was asked, in the order of judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Whether a user of this type logs in at all.
    Type(Type),
    /// Whether the user is active.
    Active(bool),
    /// What comparing the password came to.
    Password {
        /// Whether there is one.
        set: bool,
        /// What it came to.
        came: First,
    },
    /// Whether a lock holds.
    Lock {
        /// Its end, be it to come or past.
        until: Option<Time>,
        /// Whether it holds.
        holds: bool,
    },
    /// Whether a login may come in this way.
    Channel {
        /// The way.
        channel: Channel,
        /// Whether it may.
        open: bool,
    },
    /// Whether the password is of no use: asked where that is possible, or the user came through a provider.
    Sso {
        /// Whether it is.
        must: bool,
        /// How the user's provider is known, if one takes them.
        known: Option<Known>,
    },
    /// Whether a provider may speak for this user.
    Idp {
        /// Which users of the type it takes.
        takes: Taken,
        /// Whether the user is an administrator, …
        administrator: bool,
        /// … and whether it may speak for those.
        administrators: bool,
    },
    /// Whether a new password is asked for.
    MustChange(bool),
    /// Whether the password is too old.
    PasswordAge {
        /// When it was set.
        changed_at: Option<Time>,
        /// `MaxPasswordAge`, in days; 0: never too old.
        max_age: i64,
        /// Whether it is.
        expired: bool,
    },
    /// `Enable2FA`.
    Enabled(bool),
    /// Whether `CanUse2FA` allows the user.
    Permission(bool),
    /// Whether a method could be used.
    Method(Method, Usability),
    /// Which one is asked for.
    Order {
        /// The one that was wished for.
        wished: Option<Method>,
        /// Whether it, or any, is usable.
        usable: bool,
    },
    /// Whether an app may be connected instead: nothing is usable.
    Connect(bool),
}

/// How the provider of a user is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// They came through it.
    Before,
    /// It is the default one.
    ByDefault,
}

/// Whether a method could be used, or the first thing that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usability {
    /// It could.
    Usable,
    /// It is not enabled.
    Disabled,
    /// Nothing is set up to send its codes.
    NoSender,
    /// The user has no address or phone that its codes could go to.
    NoDestination,
    /// The user has no app connected.
    NotConnected,
    /// The user has no recovery code left.
    NoCodes,
}

/// Who hears of the steps.
pub(crate) trait Trail {
    /// A rule was asked.
    fn leave(&mut self, step: Step);
}

/// Nobody: a login that is not explained.
impl Trail for () {
    fn leave(&mut self, _step: Step) {}
}

impl Trail for Vec<Step> {
    fn leave(&mut self, step: Step) {
        self.push(step);
    }
}

impl Usability {
    /// The word scripts match on.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Usability::Usable => "usable",
            Usability::Disabled => "disabled",
            Usability::NoSender => "no_sender",
            Usability::NoDestination => "no_destination",
            Usability::NotConnected => "not_connected",
            Usability::NoCodes => "no_codes",
        }
    }
}

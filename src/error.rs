//! What can go wrong, said once.
//!
//! One closed list of kinds, [`Kind::ALL`], carries the word scripts match on, the exit code and its meaning; `help
//! exit-codes` prints it. A message says what happened and quotes the value in backticks; a hint names the next
//! command. No secret ever enters an error.

use std::fmt;

use serde_json::{Map, Value};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($($variant:ident $code:literal $exit:literal $meaning:literal;)*) => {
        /// Why a command did not do what was asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of their exit codes.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// The word scripts match on.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Kind::$variant => $code,)* }
            }

            /// The exit status of a command that ends with this kind.
            #[must_use]
            pub fn exit(self) -> u8 {
                match self { $(Kind::$variant => $exit,)* }
            }

            /// One line for people.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    Io "io" 1 "a file or stream could not be read or written";
    Storage "storage" 1 "the store could not be read or written";
    StoreMissing "store_missing" 1 "there is no store at this path";
    ForeignStore "foreign_store" 1 "the file is not a twofa store";
    NewerStore "newer_store" 1 "the store was written by a newer twofa";
    ReadOnly "read_only" 1 "the store, or its directory, cannot be written";
    DiskFull "disk_full" 1 "no space is left for the store";
    KeyMissing "key_missing" 1 "the keys are absent or unreadable";
    KeyWrong "key_wrong" 1 "the keys do not open this store";
    Delivery "delivery" 1 "a message could not be delivered";
    Usage "usage" 2 "the command line is wrong";
    MissingAnswer "missing_answer" 2 "an answer is needed and nobody can be asked";
    BlankLogin "blank_login" 2 "the login is blank";
    NotFound "not_found" 3 "nothing has this name";
    InvalidValue "invalid_value" 4 "a value breaks its rule";
    Conflict "conflict" 4 "the name is taken by something different";
    InUse "in_use" 4 "something else still needs it";
    Guard "guard" 4 "the change would break the store's own rules";
    Declined "declined" 4 "the question was answered with no";
    Lockout "lockout" 4 "the change would leave users with no way to log in";
    TooSoon "too_soon" 4 "it was done a moment ago";
    SendLimit "send_limit" 4 "too many codes were sent to this user within the hour";
    PasswordPolicy "password_policy" 4 "a password breaks the rules for passwords";
    MethodNotUsable "method_not_usable" 4 "this user cannot use the method now";
    ChannelRefused "channel_refused" 4 "passwords are not accepted on this channel";
    SsoRequired "sso_required" 4 "this user logs in through an identity provider, and not with a password";
    NotPermitted "not_permitted" 5 "the acting user may not do this";
    ConfirmationRequired "confirmation_required" 5 "the acting user must confirm with their second factor";
    ConfirmationWrong "confirmation_wrong" 5 "the confirmation code is wrong";
    ConfirmationUsed "confirmation_used" 5 "the confirmation code was used before";
    ConfirmationExpired "confirmation_expired" 5 "the confirmation code has expired";
    FirstFactorWrong "first_factor_wrong" 10 "first factor wrong: unknown user, wrong password or inactive user";
    ClientRefused "client_refused" 10 "the OAuth client is unknown or not active, or its secret is wrong";
    TokenRefused "token_refused" 10 "the access token is not one of ours, was taken back, or is for somebody else";
    SecondFactorWrong "second_factor_wrong" 11 "second factor wrong";
    SsoRefused "sso_refused" 11 "what the identity provider answered is not believed, or is about nobody it may speak for";
    SecondFactorUsed "second_factor_used" 12 "second factor already used, or the challenge was answered";
    SsoUsed "sso_used" 12 "what the identity provider answered counted before, or the login was answered";
    SecondFactorExpired "second_factor_expired" 13 "second factor or challenge expired";
    SsoExpired "sso_expired" 13 "what the identity provider answered has expired, or the login has";
    TokenExpired "token_expired" 13 "the access token has expired";
    Locked "locked" 14 "the user is locked";
    Deactivated "deactivated" 15 "the user is deactivated";
    NoSecondFactor "no_second_factor" 16 "no usable second factor";
    EnrolmentRequired "enrolment_required" 16 "an authenticator app must be connected first";
    PasswordExpired "password_expired" 17 "the password has expired";
    PasswordMustChange "password_must_change" 17 "the password must be changed";
    SecondFactorRequired "second_factor_required" 18 "first factor right, second factor required: not logged in yet";
    SsoRedirect "sso_redirect" 18 "the login goes on at the identity provider: not logged in yet";
    Differences "differences" 20 "there are differences";
    Findings "findings" 20 "there are findings";
    Busy "busy" 75 "the store stayed busy; nothing was changed";
}

/// The exit codes with what they mean, one row each, for `help exit-codes`.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done; yes; granted"),
    (1, "failed: I/O, storage, delivery"),
    (2, "usage, a missing answer, a blank login"),
    (3, "not found"),
    (
        4,
        "refused: invalid value, conflict, a guard, too soon, over a limit",
    ),
    (
        5,
        "not permitted: the acting user lacks the operation, or did not confirm",
    ),
    (
        10,
        "first factor wrong: unknown user, wrong password, inactive user are one answer",
    ),
    (11, "second factor wrong"),
    (12, "second factor already used or answered"),
    (13, "second factor expired"),
    (14, "locked"),
    (15, "deactivated"),
    (
        16,
        "no usable second factor, or an authenticator app must be connected first",
    ),
    (17, "the password has expired or must be changed"),
    (
        18,
        "first factor right, second factor required: not logged in yet",
    ),
    (20, "there are differences or findings"),
    (
        75,
        "the store stayed busy longer than --wait; nothing was changed",
    ),
];

/// A failure: its kind, the sentence, the next command, and fields for scripts.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    hint: Option<String>,
    detail: Map<String, Value>,
    source: Option<anyhow::Error>,
    /// Whether the system failed, and what the store holds may be sound.
    of_system: bool,
}

impl Error {
    /// `message` begins in lower case and has no full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            detail: Map::new(),
            source: None,
            of_system: false,
        }))
    }

    /// Whether memory or the disk failed a command, which tells nothing about what the file holds.
    #[must_use]
    pub(crate) fn is_of_system(&self) -> bool {
        self.0.of_system
    }

    /// The next command, or what to look at.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// A field of the error object that scripts read beside `kind`, `message` and `hint`.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.detail.insert(key.to_owned(), value.into());
        self
    }

    /// The same error of a command that had committed something before: a field `committed` for scripts, and a warning
    /// for people. Refusals say themselves what they left.
    #[must_use]
    pub fn after_commit(self) -> Self {
        let failed = matches!(
            self.kind(),
            Kind::Io
                | Kind::Storage
                | Kind::DiskFull
                | Kind::ReadOnly
                | Kind::KeyMissing
                | Kind::KeyWrong
        );
        if !failed || self.detail().contains_key("committed") {
            return self;
        }
        self.with("committed", true)
    }

    /// The same error of a commit. Where the system failed in the midst of one, its change may be found later in the log,
    /// or not: `committed` is `null`, and a warning says it.
    #[must_use]
    pub(crate) fn in_commit(self) -> Self {
        if !self.is_of_system() {
            return self;
        }
        // Of no room for the index of the log, which comes after the log itself, the hint says more than is known.
        let known = self.kind() != Kind::DiskFull;
        let error = self.with("committed", Value::Null);
        if known {
            error
        } else {
            error.hint("make room where the store lies")
        }
    }

    /// What the system or a library said.
    #[must_use]
    pub fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error with where it lies said in front: `line 4`, `users.alice`.
    #[must_use]
    pub(crate) fn in_front(mut self, place: &str) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// The kind, which decides the exit code.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The sentence, with what the system said behind it.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.0.source {
            None => self.0.message.clone(),
            Some(source) => {
                let mut said: Vec<String> = Vec::new();
                for cause in source.chain().map(ToString::to_string) {
                    if !said.iter().any(|earlier| earlier.contains(&cause)) {
                        said.push(cause);
                    }
                }
                format!("{}: {}", self.0.message, said.join(": "))
            }
        }
    }

    /// The hint, if there is one.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The fields added by `with`.
    #[must_use]
    pub fn detail(&self) -> &Map<String, Value> {
        &self.0.detail
    }

    /// The whole as the object that ends stderr under json and ndjson.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("kind".into(), self.kind().code().into());
        error.insert("message".into(), self.message().into());
        error.insert("hint".into(), self.hint_text().into());
        for (key, value) in self.detail() {
            error.insert(key.clone(), value.clone());
        }
        let mut whole = Map::new();
        whole.insert("error".into(), Value::Object(error));
        Value::Object(whole)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind().code(), self.message())
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    /// Storage errors keep their own kinds: busy, full, read-only and damaged are four different mornings.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        const FULL: Option<&str> = Some("make room where the store lies; it is as it was before");
        if matches!(error, rusqlite::Error::InvalidQuery) {
            return Error::new(
                Kind::Storage,
                "a statement that writes was run without the write lock",
            )
            .hint(
                "this is a defect of twofa, and the store is as it was before: please report it",
            );
        }
        let (kind, message, hint) = match error.sqlite_error_code() {
            Some(C::DatabaseBusy | C::DatabaseLocked) => (
                Kind::Busy,
                "the store is busy",
                Some("another command is writing; try again, or wait longer with --wait"),
            ),
            Some(C::DiskFull) => (Kind::DiskFull, "no space is left for the store", FULL),
            // The index of the log is made longer before anything is written; it fails for want of space alone.
            Some(C::SystemIoFailure)
                if error.sqlite_error().is_some_and(|error| {
                    error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
                }) =>
            {
                (Kind::DiskFull, "no space is left for the store", FULL)
            }
            Some(C::SystemIoFailure) => (
                Kind::Storage,
                "the store could not be read or written",
                Some("look at the disk: space, quota, and what the system's log says of it"),
            ),
            Some(C::ReadOnly) => (
                Kind::ReadOnly,
                "the store cannot be written",
                Some("look at the modes and owner of the file and of its directory"),
            ),
            Some(C::NotADatabase) => (Kind::ForeignStore, "the file is not a twofa store", None),
            // SQLite says so too of a disk that fails to read (`SQLITE_IOERR_CORRUPTFS`).
            Some(C::DatabaseCorrupt) => (
                Kind::Storage,
                "the store is damaged",
                Some(
                    "`twofa doctor` says where; if it finds nothing, the disk failed to read: look at it, else restore a backup",
                ),
            ),
            _ => (Kind::Storage, "the store failed", None),
        };
        let mut whole = Error::new(kind, message);
        whole.0.of_system = matches!(
            error.sqlite_error_code(),
            Some(C::SystemIoFailure | C::OutOfMemory | C::CannotOpen)
        );
        if kind != Kind::Busy {
            // What SQLite says, once: the error below it says the same again with its number.
            whole = whole.because(anyhow::Error::msg(error.to_string()));
        }
        match hint {
            Some(hint) => whole.hint(hint),
            None => whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_of_a_kind_is_explained_and_every_word_is_unique() {
        let mut words = std::collections::BTreeSet::new();
        for kind in Kind::ALL {
            assert!(words.insert(kind.code()), "{} stands twice", kind.code());
            assert!(
                EXIT_CODES.iter().any(|(exit, _)| *exit == kind.exit()),
                "{kind:?} has no row"
            );
        }
        for (exit, _) in EXIT_CODES.iter().filter(|(exit, _)| *exit != 0) {
            assert!(
                Kind::ALL.iter().any(|kind| kind.exit() == *exit),
                "no kind exits {exit}"
            );
        }
    }

    #[test]
    fn an_error_is_one_object_with_its_fields() {
        let error = Error::new(Kind::TooSoon, "a code was sent 5 s ago")
            .hint("wait")
            .with("retry_after", 25);
        assert_eq!(
            error.to_json().to_string(),
            r#"{"error":{"kind":"too_soon","message":"a code was sent 5 s ago","hint":"wait","retry_after":25}}"#
        );
    }

    #[test]
    fn what_the_system_said_is_not_repeated() {
        let error =
            Error::new(Kind::Io, "cannot read `x`").because(std::io::Error::other("it broke"));
        assert_eq!(error.message(), "cannot read `x`: it broke");
    }
}

//! What can happen, how it ends, and the entry that tells of it. The next event is one row of the table below.

use serde_json::Value;

macro_rules! events {
    ($($constant:ident $code:literal $meaning:literal;)*) => {
        /// What can happen: dotted nouns and verbs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Event(&'static str);

        #[allow(missing_docs)]
        impl Event {
            $(pub const $constant: Event = Event($code);)*

            /// Every event with its meaning.
            pub const ALL: &'static [(Event, &'static str)] = &[$((Event($code), $meaning),)*];
        }
    };
}

events! {
    STORE_CREATED "store.created" "the store was made";
    STORE_RESTORED "store.restored" "a backup took the place of the store";
    PERMISSION_DENIED "permission.denied" "a command was refused for lack of an operation or of a confirmation";
    CHANGE_REFUSED "change.refused" "a command was refused by a guard";
    CONFIRMATION_ASKED "confirmation.asked" "the acting user was asked to confirm with a second factor";
    CONFIRMATION_GIVEN "confirmation.given" "the acting user confirmed with a second factor";
    CONFIRMATION_WRONG "confirmation.wrong" "a confirmation code was wrong, used or expired";
    CONFIRMATION_SKIPPED "confirmation.skipped" "an administrator action went unconfirmed";
    METHOD_CHANGED "method.changed" "a 2FA method was enabled, disabled or made primary";
    SETTING_CHANGED "setting.changed" "a system setting was set or reset";
    USER_ADDED "user.added" "a user was added";
    USER_EDITED "user.edited" "a user was edited";
    USER_REMOVED "user.removed" "a user was removed";
    USER_ACTIVATED "user.activated" "a user was activated";
    USER_DEACTIVATED "user.deactivated" "a user was deactivated, by command or by penalty";
    USER_LOCKED "user.locked" "a user was locked by penalty";
    USER_UNLOCKED "user.unlocked" "a user was unlocked by command";
    USER_LOCK_ENDED "user.lock_ended" "a lock ran out";
    USERS_IMPORTED "user.imported" "users were imported from a file";
    GROUP_ADDED "group.added" "a group was added";
    GROUP_EDITED "group.edited" "a group was renamed";
    GROUP_REMOVED "group.removed" "a group was removed";
    GROUP_MEMBER_ADDED "group.member_added" "a user or a group came into a group";
    GROUP_MEMBER_REMOVED "group.member_removed" "a user or a group left a group";
    POLICY_APPLIED "policy.applied" "a policy file was applied; a row for each change stands before";
    GRANTEE_CHANGED "permission.changed" "a row of an operation's list came, went or was changed";
    PASSWORD_SET "password.set" "an administrator set a password";
    PASSWORD_ASKED "password.asked" "a second factor was asked for, for a new password";
    PASSWORD_CHANGED "password.changed" "a user changed their password";
    PASSWORD_DENIED "password.denied" "a change or a recovery of a password was denied";
    RECOVERY_REQUESTED "password.recovery_requested" "somebody asked to recover a password";
    RECOVERY_SENT "password.recovery_sent" "a recovery token was accepted for delivery";
    RECOVERY_FAILED "password.recovery_failed" "a recovery token could not be delivered";
    PASSWORD_RECOVERED "password.recovered" "a user recovered their password";
    PASSWORD_UPGRADED "password.upgraded" "an imported password hash was replaced by our own, at a login";
    MAILBOX_ADDED "mailbox.added" "a mailbox was added";
    MAILBOX_EDITED "mailbox.edited" "a mailbox was edited";
    MAILBOX_REMOVED "mailbox.removed" "a mailbox was removed";
    MAILBOX_TESTED "mailbox.tested" "a test message was sent";
    SMS_PROVIDER_ADDED "sms_provider.added" "an SMS provider was added";
    SMS_PROVIDER_EDITED "sms_provider.edited" "an SMS provider was edited";
    SMS_PROVIDER_REMOVED "sms_provider.removed" "an SMS provider was removed";
    SMS_PROVIDER_TESTED "sms_provider.tested" "a test message was sent by SMS";
    OAUTH_CLIENT_ADDED "oauth_client.added" "an OAuth client was added";
    OAUTH_CLIENT_EDITED "oauth_client.edited" "an OAuth client was edited";
    OAUTH_CLIENT_REMOVED "oauth_client.removed" "an OAuth client was removed";
    OAUTH_SECRET_ROTATED "oauth_client.secret_rotated" "an OAuth client got another secret";
    OAUTH_TOKEN_ISSUED "oauth_client.token_issued" "an OAuth client got an access token";
    OAUTH_TOKEN_DENIED "oauth_client.token_denied" "an access token was denied to an OAuth client";
    IDP_ADDED "idp.added" "an identity provider was added";
    IDP_EDITED "idp.edited" "an identity provider was edited, enabled or disabled";
    IDP_REMOVED "idp.removed" "an identity provider was removed";
    OUTBOX_RETRIED "outbox.retried" "an administrator had a message sent once more";
    TEMPLATE_CHANGED "template.changed" "the words of a template were changed in a language";
    TEMPLATE_RESET "template.reset" "the words of a template went back to the shipped ones in a language";
    AUTHENTICATOR_STARTED "authenticator.started" "connecting an authenticator app was begun";
    AUTHENTICATOR_WRONG "authenticator.wrong" "a code that should confirm an authenticator app was wrong";
    AUTHENTICATOR_CONNECTED "authenticator.connected" "an authenticator app was connected";
    AUTHENTICATOR_DISCONNECTED "authenticator.disconnected" "an authenticator app was disconnected";
    RECOVERY_CODES_GENERATED "recovery_codes.generated" "recovery codes were generated; older ones are void";
    RECOVERY_CODES_DELETED "recovery_codes.deleted" "recovery codes were deleted";
    LOGIN_STARTED "login.started" "a first factor was right and the second is asked for";
    LOGIN_REDIRECTED "login.redirected" "a login was sent to an identity provider";
    LOGIN_CODE_SENT "login.code_sent" "a code was accepted for delivery";
    LOGIN_CODE_FAILED "login.code_failed" "a code could not be delivered";
    LOGIN_GRANTED "login.granted" "a login was granted";
    LOGIN_DENIED "login.denied" "a login was denied";
    LOGIN_CANCELLED "login.cancelled" "a pending login was cancelled";
    KEY_ROTATED "key.rotated" "new keys were made; what is sealed is sealed anew from here on";
    KEY_RESEALED "key.resealed" "what old keys had sealed is sealed anew, and the old keys are gone";
    KEY_RETIRED "key.retired" "a key went out of the key file";
    AUDIT_ARCHIVED "audit.archived" "rows of the audit log went into an archive";
}

impl Event {
    /// The dotted words.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// A right or a factor is lacking.
    Denied,
    /// A guard or rule forbids it.
    Refused,
    /// It was tried and did not work.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 4] = [
        Outcome::Ok,
        Outcome::Denied,
        Outcome::Refused,
        Outcome::Failed,
    ];

    /// The word in the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Denied => "denied",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// Who runs the command, as the log keeps it.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// Login of the acting user.
    pub actor: Option<String>,
    /// Account of the machine.
    pub os_user: Option<String>,
    /// `--reason`.
    pub note: Option<String>,
}

/// One thing to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(super) event: Event,
    pub(super) outcome: Outcome,
    pub(super) subject: Option<String>,
    pub(super) user: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<Value>,
}

impl Entry {
    /// `event` ended as `outcome`.
    #[must_use]
    pub(crate) fn new(event: Event, outcome: Outcome) -> Entry {
        Entry {
            event,
            outcome,
            subject: None,
            user: None,
            reason: None,
            detail: None,
        }
    }

    /// What it is about, by the name it has now.
    #[must_use]
    pub(crate) fn subject(mut self, name: impl Into<String>) -> Entry {
        self.subject = Some(name.into());
        self
    }

    /// The user it is about: name and id.
    #[must_use]
    pub(crate) fn user(mut self, id: i64, login: impl Into<String>) -> Entry {
        self.user = Some(id);
        self.subject = Some(login.into());
        self
    }

    /// The id of the user it is about, beside a subject of its own.
    #[must_use]
    pub(crate) fn user_id(mut self, id: Option<i64>) -> Entry {
        self.user = id;
        self
    }

    /// Why it was decided so.
    #[must_use]
    pub(crate) fn reason(mut self, reason: impl Into<String>) -> Entry {
        self.reason = Some(reason.into());
        self
    }

    /// Old and new values. Never a secret.
    #[must_use]
    pub(crate) fn detail(mut self, detail: Value) -> Entry {
        self.detail = Some(detail);
        self
    }
}

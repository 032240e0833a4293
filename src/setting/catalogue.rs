//! The catalogue of system settings: code, type, unit, bounds, default, meaning.
//!
//! The next setting is one row here.

use super::{Setting, Shape, Unit};

macro_rules! catalogue {
    ($($constant:ident $code:literal $name:literal $shape:expr, $default:expr, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $constant: Setting = Setting {
                code: $code, name: $name, shape: $shape, default: $default, meaning: $meaning,
            };
        )*

        /// Every setting, in the order in which `setting list` shows them.
        pub static ALL: &[&Setting] = &[$(&$constant,)*];
    };
}

const BOOL: Shape = Shape::Bool;

const fn int(unit: Unit, min: i64, max: i64) -> Shape {
    Shape::Int { unit, min, max }
}

const fn number(value: i64) -> super::Preset {
    super::Preset::Number(value)
}

const fn word(value: &'static str) -> super::Preset {
    super::Preset::Name(value)
}

const NONE: super::Preset = super::Preset::None;

catalogue! {
    ENABLE_2FA "Enable2FA" "Enable 2FA" BOOL, number(0),
        "Asks everybody who may use 2FA for a second factor at login.";
    MAILBOX_2FA "2FAmailbox" "Mailbox for sending emails that contain 2FA verification code" Shape::Mailbox, NONE,
        "The mailbox that verification codes are sent from.";
    SECOND_FACTOR_CODE_TTL "SecondFactorCodeTTL" "2FA confirmation code lifetime (seconds)" int(Unit::Seconds, 1, 86_400), number(60),
        "How long a code sent by email or SMS is valid once the server has taken it.";
    SECOND_FACTOR_ATTEMPT_COUNT "SecondFactorAttemptCount" "The number of attempts to verify the second factor" int(Unit::Tries, 0, 1_000_000), number(5),
        "How many wrong second factors lock or deactivate the user; 0 means no limit.";
    TOTP_SETUP_TOKEN_TTL "TotpSetupTokenTtl" "TOTP Setup Token Ttl" int(Unit::Minutes, 1, 1_440), number(2),
        "How long the code that connects an authenticator app is valid.";
    USER_LOCKOUT_DURATION "UserLockoutDuration" "User locking time" int(Unit::Minutes, 0, 525_600), number(15),
        "How long a user stays locked; 0 means that wrong passwords never lock and wrong second factors deactivate.";
    EMAIL_TEMPLATE "TwoFactorAuthEmailTemplate" "Template of the 2FA email" Shape::Template { kind: "email", carries: "SecondFactorCode" }, word("2FA verification code"),
        "The words of the email that carries a verification code.";
    SMS_TEMPLATE "TwoFactorAuthSmsTemplate" "Template of the 2FA SMS" Shape::Template { kind: "sms", carries: "SecondFactorCode" }, word("2FA SMS code"),
        "The words of the SMS that carries a verification code.";
    SMS_PROVIDER "SmsProvider" "SMS provider" Shape::Provider, NONE,
        "The provider that SMS are sent through.";
    SMS_SENDER_NAME "SmsSenderName" "SMS sender name" Shape::SmsSender, NONE,
        "Whom SMS say they are from, where their provider says nothing else: a number, or up to 11 letters and digits.";
    LOGIN_ATTEMPT_COUNT "LoginAttemptCount" "Login attempts" int(Unit::Tries, 0, 1_000_000), number(0),
        "How many wrong passwords are allowed; one more locks the user; 0 means no limit.";
    LOGIN_WARNING_COUNT "LoginAttemptBeforeWarningCount" "Login attempts before warning" int(Unit::Tries, 0, 1_000_000), number(0),
        "After how many wrong passwords the answer tells the tries left, and so that the login exists; 0 means never.";
    SHOW_LOCKOUT "DisplayAccountLockoutMessageAtLogin" "Display account lockout message at login" BOOL, number(0),
        "Whether the words of a refused first factor tell of a lock, and so that the login exists.";
    SHOW_WRONG_PASSWORD "DisplayIncorrectPasswordMessageAtLogin" "Display incorrect password message at login" BOOL, number(0),
        "Whether the words of a refused first factor say that the login or the password is wrong.";
    MIN_LENGTH "MinPasswordLength" "Minimum password length" int(Unit::Characters, 0, 128), number(0),
        "How many characters a password has at the least.";
    MIN_LOWER "MinPasswordLowercaseCharCount" "Minimum lowercase characters" int(Unit::Characters, 0, 128), number(0),
        "How many lowercase letters a password has at the least.";
    MIN_UPPER "MinPasswordUppercaseCharCount" "Minimum uppercase characters" int(Unit::Characters, 0, 128), number(0),
        "How many uppercase letters a password has at the least.";
    MIN_DIGITS "MinPasswordNumericCharCount" "Minimum digits" int(Unit::Characters, 0, 128), number(0),
        "How many digits a password has at the least.";
    MIN_SPECIAL "MinPasswordSpecialCharCount" "Minimum special characters" int(Unit::Characters, 0, 128), number(0),
        "How many characters of a password are neither letters nor digits, at the least.";
    NOT_LOGIN "PasswordNotEqualToUserLogin" "Password differs from login" BOOL, number(0),
        "Refuses a password that is the user's login.";
    NOT_WEAK "PasswordNotFromWeakList" "Password not from the weak list" BOOL, number(0),
        "Refuses passwords from the list of common ones: the one shipped with twofa, or the file STORE.weak-passwords.";
    HISTORY "PasswordHistoryRecordCount" "Password history" int(Unit::Passwords, 0, 128), number(0),
        "From how many earlier passwords a new one must differ.";
    MAX_AGE "MaxPasswordAge" "Maximum password age" int(Unit::Days, 0, 3_650), number(0),
        "After how long a password expires; 0 means never.";
    REMINDING "PasswordChangeReminding" "Password change reminder" int(Unit::Days, 0, 3_650), number(0),
        "How long before a password expires its user is reminded; 0 means never.";
    RECOVERY_INTERNAL "UsePasswordRecoveryForInternalUsers" "Password recovery for employees" BOOL, number(1),
        "Whether employees may recover their password; external users always may.";
    RECOVERY_MAILBOX "SSPRegistrationMailbox" "Mailbox for password recovery" Shape::Mailbox, NONE,
        "The mailbox that recovery mails are sent from.";
    RECOVERY_TEMPLATE "PasswordRecoveryEmailTemplate" "Template of the recovery email" Shape::Template { kind: "email", carries: "RecoveryToken" }, word("Password recovery"),
        "The words of the mail that carries a recovery token.";
    NO_INTERNAL_PASSWORDS "DisableInternalUserPasswordAuth" "Disable password login of employees" BOOL, number(0),
        "Makes employees use single sign-on; administrators still log in with password and 2FA.";
    DEFAULT_SSO "DefaultSsoProvider" "Default SSO provider" Shape::Idp, NONE,
        "The identity provider of users who have none of their own.";
    RESEND_INTERVAL "SecondFactorResendInterval" "Resend interval" int(Unit::Seconds, 0, 3_600), number(30),
        "How long a code of one challenge and method cannot be sent anew.";
    SEND_LIMIT "SecondFactorSendLimit" "Codes per hour" int(Unit::PerHour, 0, 10_000), number(30),
        "How many codes are sent to one user within an hour; 0 means no limit.";
    RECOVERY_TTL "PasswordRecoveryTtl" "Recovery token lifetime" int(Unit::Minutes, 1, 1_440), number(20),
        "How long a recovery token is valid.";
    RECOVERY_LIMIT "PasswordRecoveryLimit" "Recoveries per hour" int(Unit::PerHour, 0, 10_000), number(5),
        "How many recovery mails are asked for one login within an hour; 0 means no limit.";
    TOTP_ISSUER "TotpIssuer" "Issuer" Shape::Text { max: 64 }, super::Preset::Name("twofa"),
        "The name that authenticator apps show beside the login.";
    TOTP_DRIFT "TotpDriftSteps" "Accepted drift" int(Unit::Steps, 0, 10), number(1),
        "How many steps before and after now a code of an authenticator app is accepted.";
}

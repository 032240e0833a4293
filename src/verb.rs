//! The verb table: what each command needs, and how it opens the store.
//!
//! The store cannot be opened without a row of [`VERBS`]; a test holds the command line's leaves and this table one to
//! one, and each handler gets its own row. The next verb is one row here.

use crate::error::{Error, Kind, Result};

macro_rules! operations {
    ($($variant:ident)*) => {
        /// What a permission governs, by the source page's codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Operation { $($variant,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Operation] = &[$(Operation::$variant,)*];

            /// The code, as on the command line and in the store.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Operation::$variant => stringify!($variant),)* }
            }
        }
    };
}

operations! {
    CanUse2FA
    CanReset2FA
    CanManageUsers
    CanManageLookups
    CanManageSysSettings
    CanChangeAdminOperationGrantee
    CanViewSysOperationAudit
    CanManageSysOperationAudit
    CanManageAdministration
}

/// How a command opens the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// Not at all.
    Nothing,
    /// To read: the file and its log stay as they are.
    Read,
    /// To write.
    Write,
    /// Makes it.
    Create,
}

/// Who may run a command (SEMANTICS, "Who uses 2FA").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody who can run the program.
    Nothing,
    /// Any user the caller is mapped to.
    Mapped,
    /// The user it is about, or whoever has the operation.
    OneselfOr(Operation),
    /// The user it is about with their second factor, or whoever has the operation.
    OneselfConfirmedOr(Operation),
    /// The user it is about with their second factor, or an administrator who has the operation.
    OneselfConfirmedOrAdministrator(Operation),
    /// Whoever has the operation.
    Operation(Operation),
    /// Root or the store's owner, acting as an administrator.
    OwnerAsAdministrator,
}

impl Needs {
    /// Whether being the user it is about can be enough.
    #[must_use]
    pub fn depends_on_whom(self) -> bool {
        matches!(
            self,
            OneselfOr(_) | OneselfConfirmedOr(_) | OneselfConfirmedOrAdministrator(_)
        )
    }

    /// The operation that opens this to people other than the user it is about.
    #[must_use]
    pub fn operation(self) -> Option<Operation> {
        match self {
            OneselfOr(operation)
            | OneselfConfirmedOr(operation)
            | OneselfConfirmedOrAdministrator(operation)
            | Needs::Operation(operation) => Some(operation),
            Nothing | Mapped | OwnerAsAdministrator => None,
        }
    }
}

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    /// The words of the command line: `setting get`.
    pub path: &'static str,
    /// Who may.
    pub needs: Needs,
    /// How it opens the store.
    pub opens: Opens,
    /// Whether it asks "are you sure?" (DESIGN, section 2, "Prompts"; `setting set` only for `Enable2FA`, `user edit` for a
    /// type change).
    pub severe: bool,
}

impl Verb {
    /// Whether an account that acts for the store's owner through sudo may run it at all.
    #[must_use]
    pub fn is_delegable(&self) -> bool {
        // An editor can run anything, with the owner's rights.
        self.opens != Opens::Create
            && self.needs != OwnerAsAdministrator
            && self.path != "template edit"
    }
}

const fn row(path: &'static str, needs: Needs, opens: Opens, severe: bool) -> Verb {
    Verb {
        path,
        needs,
        opens,
        severe,
    }
}

use Needs::{
    Mapped, Nothing, OneselfConfirmedOr, OneselfConfirmedOrAdministrator, OneselfOr,
    Operation as Op, OwnerAsAdministrator,
};
use Operation::{
    CanChangeAdminOperationGrantee, CanManageAdministration, CanManageLookups,
    CanManageSysOperationAudit, CanManageSysSettings, CanManageUsers, CanReset2FA,
    CanViewSysOperationAudit,
};

/// Every command there is.
pub const VERBS: &[Verb] = &[
    row("init", Nothing, Opens::Create, false),
    row("status", Mapped, Opens::Read, false),
    row("coverage", Op(CanManageUsers), Opens::Read, false),
    row("doctor", Op(CanManageAdministration), Opens::Read, false),
    row("completions", Nothing, Opens::Nothing, false),
    row("man", Nothing, Opens::Nothing, false),
    row("help", Nothing, Opens::Nothing, false),
    row("apply", Op(CanManageAdministration), Opens::Write, true),
    row("diff", Op(CanManageAdministration), Opens::Read, false),
    row("export", Op(CanManageAdministration), Opens::Read, false),
    row("backup", OwnerAsAdministrator, Opens::Read, false),
    row("restore", OwnerAsAdministrator, Opens::Write, true),
    row("method list", Mapped, Opens::Read, false),
    row("method show", Mapped, Opens::Read, false),
    row("method enable", Op(CanManageLookups), Opens::Write, false),
    row("method disable", Op(CanManageLookups), Opens::Write, true),
    row("method primary", Op(CanManageLookups), Opens::Write, false),
    row("setting list", Mapped, Opens::Read, false),
    row("setting show", Mapped, Opens::Read, false),
    row("setting get", Mapped, Opens::Read, false),
    row("setting set", Op(CanManageSysSettings), Opens::Write, true),
    row(
        "setting reset",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    row("user add", Op(CanManageUsers), Opens::Write, false),
    row("user list", Op(CanManageUsers), Opens::Read, false),
    row("user show", OneselfOr(CanManageUsers), Opens::Read, false),
    row("user edit", Op(CanManageUsers), Opens::Write, true),
    row("user remove", Op(CanManageUsers), Opens::Write, true),
    row("user activate", Op(CanManageUsers), Opens::Write, false),
    row("user deactivate", Op(CanManageUsers), Opens::Write, true),
    row("user unlock", Op(CanManageUsers), Opens::Write, false),
    row("user import", Op(CanManageUsers), Opens::Write, true),
    row(
        "user export",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row("group add", Op(CanManageUsers), Opens::Write, false),
    row("group list", Op(CanManageUsers), Opens::Read, false),
    row("group show", Op(CanManageUsers), Opens::Read, false),
    row("group edit", Op(CanManageUsers), Opens::Write, false),
    row("group remove", Op(CanManageUsers), Opens::Write, true),
    row("group add-member", Op(CanManageUsers), Opens::Write, false),
    row(
        "group remove-member",
        Op(CanManageUsers),
        Opens::Write,
        true,
    ),
    row(
        "permission list",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row(
        "permission show",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row(
        "permission grant",
        Op(CanChangeAdminOperationGrantee),
        Opens::Write,
        false,
    ),
    row(
        "permission deny",
        Op(CanChangeAdminOperationGrantee),
        Opens::Write,
        false,
    ),
    row(
        "permission revoke",
        Op(CanChangeAdminOperationGrantee),
        Opens::Write,
        true,
    ),
    row(
        "permission move",
        Op(CanChangeAdminOperationGrantee),
        Opens::Write,
        false,
    ),
    row(
        "permission check",
        OneselfOr(CanManageUsers),
        Opens::Read,
        false,
    ),
    row(
        "authenticator connect",
        OneselfOr(CanManageUsers),
        Opens::Write,
        false,
    ),
    row(
        "authenticator confirm",
        OneselfOr(CanManageUsers),
        Opens::Write,
        false,
    ),
    row(
        "authenticator list",
        OneselfOr(CanManageUsers),
        Opens::Read,
        false,
    ),
    row(
        "authenticator show",
        OneselfOr(CanReset2FA),
        Opens::Read,
        false,
    ),
    row(
        "authenticator disconnect",
        OneselfConfirmedOr(CanReset2FA),
        Opens::Write,
        true,
    ),
    row(
        "recovery-codes generate",
        OneselfConfirmedOrAdministrator(CanReset2FA),
        Opens::Write,
        false,
    ),
    row(
        "recovery-codes show",
        OneselfOr(CanReset2FA),
        Opens::Read,
        false,
    ),
    row(
        "recovery-codes delete",
        OneselfOr(CanManageUsers),
        Opens::Write,
        true,
    ),
    row("password set", Op(CanManageUsers), Opens::Write, false),
    row(
        "password change",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "password recover",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    // Not for people: it sends what `password recover` left for after its answer, and nothing else.
    row("deliver", Mapped, Opens::Write, false),
    row("mailbox add", Op(CanManageSysSettings), Opens::Write, false),
    row("mailbox list", Op(CanManageSysSettings), Opens::Read, false),
    row("mailbox show", Op(CanManageSysSettings), Opens::Read, false),
    row(
        "mailbox edit",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    row(
        "mailbox remove",
        Op(CanManageSysSettings),
        Opens::Write,
        true,
    ),
    row(
        "mailbox test",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    row(
        "sms-provider add",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    row(
        "sms-provider list",
        Op(CanManageSysSettings),
        Opens::Read,
        false,
    ),
    row(
        "sms-provider show",
        Op(CanManageSysSettings),
        Opens::Read,
        false,
    ),
    row(
        "sms-provider edit",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    row(
        "sms-provider remove",
        Op(CanManageSysSettings),
        Opens::Write,
        true,
    ),
    row(
        "sms-provider test",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    #[cfg(feature = "saml")]
    row("idp add", Op(CanManageAdministration), Opens::Write, false),
    #[cfg(feature = "saml")]
    row("idp list", Op(CanManageAdministration), Opens::Read, false),
    #[cfg(feature = "saml")]
    row("idp show", Op(CanManageAdministration), Opens::Read, false),
    #[cfg(feature = "saml")]
    row("idp edit", Op(CanManageAdministration), Opens::Write, false),
    #[cfg(feature = "saml")]
    row(
        "idp remove",
        Op(CanManageAdministration),
        Opens::Write,
        true,
    ),
    #[cfg(feature = "saml")]
    row(
        "idp enable",
        Op(CanManageAdministration),
        Opens::Write,
        false,
    ),
    #[cfg(feature = "saml")]
    row(
        "idp disable",
        Op(CanManageAdministration),
        Opens::Write,
        true,
    ),
    #[cfg(feature = "saml")]
    row(
        "idp default",
        Op(CanManageAdministration),
        Opens::Write,
        false,
    ),
    #[cfg(feature = "saml")]
    row(
        "idp metadata",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    #[cfg(feature = "saml")]
    row("idp test", Op(CanManageAdministration), Opens::Read, false),
    row(
        "oauth-client add",
        Op(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "oauth-client list",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row(
        "oauth-client show",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row(
        "oauth-client edit",
        Op(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "oauth-client remove",
        Op(CanManageAdministration),
        Opens::Write,
        true,
    ),
    row(
        "oauth-client token",
        Op(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "oauth-client check",
        Op(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row(
        "oauth-client rotate-secret",
        Op(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row("outbox list", Op(CanManageSysSettings), Opens::Read, false),
    row("outbox show", Op(CanManageSysSettings), Opens::Read, false),
    row(
        "outbox retry",
        Op(CanManageSysSettings),
        Opens::Write,
        false,
    ),
    row("template list", Op(CanManageLookups), Opens::Read, false),
    row("template show", Op(CanManageLookups), Opens::Read, false),
    row("template edit", Op(CanManageLookups), Opens::Write, false),
    row("template set", Op(CanManageLookups), Opens::Write, false),
    row("template reset", Op(CanManageLookups), Opens::Write, false),
    row("template preview", Op(CanManageLookups), Opens::Read, false),
    row(
        "login start",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "login resend",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "login verify",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "login cancel",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row("login explain", OneselfOr(CanReset2FA), Opens::Read, false),
    row(
        "login list",
        OneselfOr(CanManageAdministration),
        Opens::Read,
        false,
    ),
    row(
        "login simulate",
        OneselfOr(CanManageAdministration),
        Opens::Write,
        false,
    ),
    row(
        "audit list",
        Op(CanViewSysOperationAudit),
        Opens::Read,
        false,
    ),
    row(
        "audit show",
        Op(CanViewSysOperationAudit),
        Opens::Read,
        false,
    ),
    row(
        "audit verify",
        Op(CanViewSysOperationAudit),
        Opens::Read,
        false,
    ),
    row(
        "audit export",
        Op(CanViewSysOperationAudit),
        Opens::Read,
        false,
    ),
    row(
        "audit anchor",
        Op(CanViewSysOperationAudit),
        Opens::Read,
        false,
    ),
    row(
        "audit archive",
        Op(CanManageSysOperationAudit),
        Opens::Write,
        true,
    ),
    row("key check", OwnerAsAdministrator, Opens::Read, false),
    row("key rotate", OwnerAsAdministrator, Opens::Write, true),
    row("key retire", OwnerAsAdministrator, Opens::Write, true),
];

/// The row of a command.
///
/// # Errors
/// [`Kind::Usage`] for words that are no command.
pub fn verb(path: &str) -> Result<&'static Verb> {
    VERBS.iter().find(|verb| verb.path == path).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("`{path}` is not a command of the verb table"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_stands_twice() {
        let mut paths: Vec<_> = VERBS.iter().map(|verb| verb.path).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count);
    }

    #[test]
    fn only_writing_commands_are_severe() {
        for verb in VERBS.iter().filter(|verb| verb.severe) {
            assert_eq!(verb.opens, Opens::Write, "{}", verb.path);
        }
    }
}

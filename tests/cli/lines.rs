//! A full command line for every verb, for the tests that run all of them.

use twofa::verb::Verb;

/// What the lines stand on, beside `alice`, `bob` and the mailbox `trial`, a pending login of alice, and the files `secret`
/// and `people.csv`.
pub const SETUP: &[&str] = &[
    "user add carol",
    "mailbox add spare --file mail --from a@example.com",
    "group add Staff",
    "group add Old",
    "group add Spare",
    "group add-member Staff --user carol",
    "permission grant CanViewSysOperationAudit --group Staff",
];

/// A full command line for a verb, about somebody else than the acting user `bob`. `CHALLENGE` stands for a pending login
/// of alice.
pub fn line(verb: &Verb) -> &'static str {
    match verb.path {
        "init" => "init",
        "help" => "help exit-codes",
        "completions" => "completions bash",
        "status" => "status",
        "method list" => "method list",
        "method show" => "method show email",
        "method enable" => "method enable totp",
        "method disable" => "method disable totp",
        "method primary" => "method primary email",
        "setting list" => "setting list",
        "setting show" => "setting show Enable2FA",
        "setting get" => "setting get Enable2FA",
        "setting set" => "setting set TotpDriftSteps 2",
        "setting reset" => "setting reset TotpDriftSteps",
        "user add" => "user add dave --email dave@example.com",
        "user list" => "user list",
        "user show" => "user show alice",
        "user edit" => "user edit alice --name A",
        "user remove" => "user remove carol",
        "user activate" => "user activate alice",
        "user deactivate" => "user deactivate carol",
        "user unlock" => "user unlock alice",
        "user import" => "user import people.csv",
        "group add" => "group add Fresh",
        "group list" => "group list",
        "group show" => "group show Staff",
        "group edit" => "group edit Old --name New",
        "group remove" => "group remove Spare",
        "group add-member" => "group add-member Staff --user alice",
        "group remove-member" => "group remove-member Staff --user carol",
        "permission list" => "permission list",
        "permission show" => "permission show CanReset2FA",
        "permission grant" => "permission grant CanReset2FA --user carol",
        "permission deny" => "permission deny CanReset2FA --user alice",
        "permission revoke" => "permission revoke CanViewSysOperationAudit --group Staff",
        "permission move" => "permission move CanViewSysOperationAudit --group Staff --position 1",
        "permission check" => "permission check CanReset2FA alice",
        "authenticator connect" => "authenticator connect alice",
        "authenticator confirm" => "authenticator confirm alice --code 000000",
        "authenticator list" => "authenticator list",
        "authenticator show" => "authenticator show alice",
        "authenticator disconnect" => "authenticator disconnect alice",
        "recovery-codes generate" => "recovery-codes generate alice",
        "recovery-codes show" => "recovery-codes show alice",
        "recovery-codes delete" => "recovery-codes delete alice",
        "password set" => "password set alice --password-file secret",
        "password change" => {
            "password change alice --password-file secret --new-password-file secret"
        }
        "password recover" => "password recover alice",
        "deliver" => "deliver 0",
        "mailbox add" => "mailbox add other --file mail --from a@example.com",
        "mailbox list" => "mailbox list",
        "mailbox show" => "mailbox show trial",
        "mailbox edit" => "mailbox edit trial --from a@example.com",
        "mailbox remove" => "mailbox remove spare",
        "mailbox test" => "mailbox test trial --to a@example.com",
        "template list" => "template list",
        "template show" => "template show '2FA SMS code'",
        "template preview" => "template preview '2FA SMS code'",
        "login start" => "login start alice --password-file secret",
        "login resend" => "login resend CHALLENGE",
        "login verify" => "login verify CHALLENGE --code 000000",
        "login cancel" => "login cancel CHALLENGE",
        "login list" => "login list",
        "login simulate" => "login simulate alice --password-file secret",
        "audit list" => "audit list",
        "audit show" => "audit show 1",
        "audit verify" => "audit verify",
        "key check" => "key check",
        other => panic!("`{other}` has no line here: the next verb is one row in this table too"),
    }
}

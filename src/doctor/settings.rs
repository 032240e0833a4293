//! Settings outside of what is recommended.
//!
//! A default is never objected to: what a new store has is nobody's mistake. What somebody has set is, where it lies
//! outside of what a source recommends. Of what is too much the command sets the most that is not, and of too little the
//! default, where that is enough: the least that is would hardly be what is wanted.

use super::finding::Findings;
use super::{Looked, Patient};
use crate::error::Result;
use crate::setting::{self, Setting, list};

/// What is recommended for a setting.
struct Range {
    setting: &'static Setting,
    from: i64,
    to: i64,
    /// Why not less, and why not more.
    low: &'static str,
    high: &'static str,
}

const fn range(
    setting: &'static Setting,
    (from, to): (i64, i64),
    low: &'static str,
    high: &'static str,
) -> Range {
    Range {
        setting,
        from,
        to,
        low,
        high,
    }
}

/// The ranges, each with its source.
///
/// * `SecondFactorCodeTTL`: NIST SP 800-63B, section 5.1.3.2, has a code sent out of band expire within 10 minutes; less
///   than half a minute is less than a mail takes (RFC 5321 promises none at all).
/// * `SecondFactorAttemptCount`, `LoginAttemptCount`: NIST SP 800-63B, section 5.2.2, allows 100 failed attempts at most
///   and wants few for short codes; PCI DSS 4.0, requirement 8.3.4, allows 10. RFC 4226, section 7.3, wants a limit.
/// * `TotpSetupTokenTtl`, `PasswordRecoveryTtl`: OWASP, "Forgot Password Cheat Sheet": a token expires after a short time;
///   an hour is the longest that is in use.
/// * `UserLockoutDuration`: OWASP, "Authentication Cheat Sheet", "Account Lockout": whoever knows a login can lock it,
///   so a lock is no longer than it must be; a day stops any guessing.
/// * `TotpDriftSteps`: RFC 6238, section 5.2, recommends one step; each more is one more code that fits.
/// * `SecondFactorResendInterval`, `SecondFactorSendLimit`, `PasswordRecoveryLimit`: OWASP, "Multifactor Authentication
///   Cheat Sheet" and "Forgot Password Cheat Sheet": what sends is limited, or it floods a mailbox and costs money.
/// * `MinPasswordLength`: NIST SP 800-63B, section 5.1.1.2: 8 at least, and 64 must be possible.
/// * `MaxPasswordAge`: NIST SP 800-63B, section 5.1.1.2: no change without a reason; who must have one soon again varies
///   the last one.
const RANGES: &[Range] = &[
    range(
        &setting::SECOND_FACTOR_CODE_TTL,
        (30, 600),
        "codes are over before they are read",
        "a code is valid longer than 10 minutes",
    ),
    range(
        &setting::SECOND_FACTOR_ATTEMPT_COUNT,
        (1, 10),
        "a second factor can be guessed without end",
        "more than 10 guesses at a second factor are free",
    ),
    range(
        &setting::TOTP_SETUP_TOKEN_TTL,
        (1, 60),
        "",
        "an app can be connected longer than an hour",
    ),
    range(
        &setting::USER_LOCKOUT_DURATION,
        (0, 1_440),
        "",
        "who knows a login can lock its user out for more than a day",
    ),
    range(
        &setting::LOGIN_ATTEMPT_COUNT,
        (0, 100),
        "",
        "more than 100 guesses at a password are free",
    ),
    range(
        &setting::MIN_LENGTH,
        (8, 64),
        "passwords of fewer than 8 characters are taken",
        "passwords of 64 characters are refused",
    ),
    range(
        &setting::MAX_AGE,
        (30, 3_650),
        "passwords that expire so soon are varied, not changed",
        "",
    ),
    range(
        &setting::RESEND_INTERVAL,
        (1, 3_600),
        "nothing slows down who has codes sent",
        "",
    ),
    range(
        &setting::SEND_LIMIT,
        (1, 100),
        "nothing limits how many codes are sent",
        "more than 100 codes an hour are sent to one user",
    ),
    range(
        &setting::RECOVERY_TTL,
        (1, 60),
        "",
        "a recovery token is valid longer than an hour",
    ),
    range(
        &setting::RECOVERY_LIMIT,
        (1, 20),
        "nothing limits how many recovery mails are sent",
        "more than 20 recovery mails an hour are sent to one user",
    ),
    range(
        &setting::TOTP_DRIFT,
        (0, 2),
        "",
        "codes of more than 2 steps before and after now are accepted",
    ),
];

pub(super) fn settings(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    for row in list(patient.store)?.iter().filter(|row| row.modified) {
        let range = RANGES.iter().find(|range| range.setting.code == row.code);
        let (Some(range), Some(value)) = (range, row.value.as_i64()) else {
            continue;
        };
        let (better, why) = if value < range.from {
            let usual = row.default.as_i64().filter(|usual| *usual >= range.from);
            (usual.unwrap_or(range.from), range.low)
        } else if value > range.to {
            (range.to, range.high)
        } else {
            continue;
        };
        let message = format!("{} is {}: {why}.", row.code, row.shown);
        out.add("unwise", 1, message)
            .names(&[row.code.to_owned()])
            .mend(format!("twofa setting set {} {better}", row.code));
    }
    Ok(Looked::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::{Preset, Shape};

    /// What can be set below or above has its reason, and what a new store has stands to reason.
    #[test]
    fn the_ranges_lie_within_what_can_be_set() {
        for range in RANGES {
            let code = range.setting.code;
            let Shape::Int { min, max, .. } = range.setting.shape else {
                panic!("{code} is no int");
            };
            assert!(
                min <= range.from && range.from <= range.to && range.to <= max,
                "{code}"
            );
            assert_eq!(range.low.is_empty(), range.from <= min, "{code}");
            assert_eq!(range.high.is_empty(), range.to >= max, "{code}");
            let Preset::Number(default) = range.setting.default else {
                panic!("{code} has no default");
            };
            // A limit that is off as a store is made has its own reason to be on.
            let within = range.from <= default && default <= range.to;
            assert!(within || default == 0, "{code}");
        }
    }
}

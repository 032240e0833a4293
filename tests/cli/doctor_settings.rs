//! Findings of `twofa doctor` about settings.

use snapbox::str;

use crate::doctor::{finds, healthy, paste};
use crate::world::World;

/// Each setting that has a range, below it and above it.
#[test]
fn settings_that_are_unwise() {
    let world = World::with_email();
    world.ok("setting set SecondFactorAttemptCount 0 SecondFactorCodeTTL 20 SecondFactorSendLimit 0 SecondFactorResendInterval 0 PasswordRecoveryLimit 0 MinPasswordLength 6 MaxPasswordAge 7");
    let mend = finds(
        &world,
        "unwise",
        str![[r#"
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorCodeTTL is 20 seconds: codes are over before they are read.",
  "count": 1,
  "names": [
    "SecondFactorCodeTTL"
  ],
  "mend": [
    "twofa setting set SecondFactorCodeTTL 60"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorAttemptCount is 0 tries: a second factor can be guessed without end.",
  "count": 1,
  "names": [
    "SecondFactorAttemptCount"
  ],
  "mend": [
    "twofa setting set SecondFactorAttemptCount 5"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "MinPasswordLength is 6 characters: passwords of fewer than 8 characters are taken.",
  "count": 1,
  "names": [
    "MinPasswordLength"
  ],
  "mend": [
    "twofa setting set MinPasswordLength 8"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "MaxPasswordAge is 7 days: passwords that expire so soon are varied, not changed.",
  "count": 1,
  "names": [
    "MaxPasswordAge"
  ],
  "mend": [
    "twofa setting set MaxPasswordAge 30"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorResendInterval is 0 seconds: nothing slows down who has codes sent.",
  "count": 1,
  "names": [
    "SecondFactorResendInterval"
  ],
  "mend": [
    "twofa setting set SecondFactorResendInterval 30"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorSendLimit is 0 per hour: nothing limits how many codes are sent.",
  "count": 1,
  "names": [
    "SecondFactorSendLimit"
  ],
  "mend": [
    "twofa setting set SecondFactorSendLimit 30"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "PasswordRecoveryLimit is 0 per hour: nothing limits how many recovery mails are sent.",
  "count": 1,
  "names": [
    "PasswordRecoveryLimit"
  ],
  "mend": [
    "twofa setting set PasswordRecoveryLimit 5"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
    world.ok("setting set SecondFactorAttemptCount 11 SecondFactorCodeTTL 601 SecondFactorSendLimit 101 PasswordRecoveryLimit 21 MinPasswordLength 65 TotpSetupTokenTtl 61 UserLockoutDuration 1441 LoginAttemptCount 101 PasswordRecoveryTtl 61 TotpDriftSteps 3");
    let mend = finds(
        &world,
        "unwise",
        str![[r#"
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorCodeTTL is 601 seconds (10m 1s): a code is valid longer than 10 minutes.",
  "count": 1,
  "names": [
    "SecondFactorCodeTTL"
  ],
  "mend": [
    "twofa setting set SecondFactorCodeTTL 600"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorAttemptCount is 11 tries: more than 10 guesses at a second factor are free.",
  "count": 1,
  "names": [
    "SecondFactorAttemptCount"
  ],
  "mend": [
    "twofa setting set SecondFactorAttemptCount 10"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "TotpSetupTokenTtl is 61 minutes (1h 1m): an app can be connected longer than an hour.",
  "count": 1,
  "names": [
    "TotpSetupTokenTtl"
  ],
  "mend": [
    "twofa setting set TotpSetupTokenTtl 60"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "UserLockoutDuration is 1441 minutes (1d 1m): who knows a login can lock its user out for more than a day.",
  "count": 1,
  "names": [
    "UserLockoutDuration"
  ],
  "mend": [
    "twofa setting set UserLockoutDuration 1440"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "LoginAttemptCount is 101 tries: more than 100 guesses at a password are free.",
  "count": 1,
  "names": [
    "LoginAttemptCount"
  ],
  "mend": [
    "twofa setting set LoginAttemptCount 100"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "MinPasswordLength is 65 characters: passwords of 64 characters are refused.",
  "count": 1,
  "names": [
    "MinPasswordLength"
  ],
  "mend": [
    "twofa setting set MinPasswordLength 64"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "SecondFactorSendLimit is 101 per hour: more than 100 codes an hour are sent to one user.",
  "count": 1,
  "names": [
    "SecondFactorSendLimit"
  ],
  "mend": [
    "twofa setting set SecondFactorSendLimit 100"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "PasswordRecoveryTtl is 61 minutes (1h 1m): a recovery token is valid longer than an hour.",
  "count": 1,
  "names": [
    "PasswordRecoveryTtl"
  ],
  "mend": [
    "twofa setting set PasswordRecoveryTtl 60"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "PasswordRecoveryLimit is 21 per hour: more than 20 recovery mails an hour are sent to one user.",
  "count": 1,
  "names": [
    "PasswordRecoveryLimit"
  ],
  "mend": [
    "twofa setting set PasswordRecoveryLimit 20"
  ]
}
{
  "check": "settings",
  "kind": "unwise",
  "severity": "warning",
  "message": "TotpDriftSteps is 3 steps: codes of more than 2 steps before and after now are accepted.",
  "count": 1,
  "names": [
    "TotpDriftSteps"
  ],
  "mend": [
    "twofa setting set TotpDriftSteps 2"
  ]
}

"#]],
    );
    paste(&world, &mend, &[]);
    healthy(&world);
}

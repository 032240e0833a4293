//! `twofa setting`.

use snapbox::str;

use crate::world::World;

#[test]
fn list() {
    let world = World::new();
    world.run("setting list").shows(str![[r#"
$ twofa setting list
? 0
--- stdout
CODE                                    VALUE                  UNIT        DEFAULT
Enable2FA                               no                     –           no
2FAmailbox                              –                      –           –
SecondFactorCodeTTL                     60                     seconds     60
SecondFactorAttemptCount                5                      tries       5
TotpSetupTokenTtl                       2                      minutes     2
UserLockoutDuration                     15                     minutes     15
TwoFactorAuthEmailTemplate              2FA verification code  –           2FA verification code
TwoFactorAuthSmsTemplate                2FA SMS code           –           2FA SMS code
SmsProvider                             –                      –           –
SmsSenderName                           –                      –           –
LoginAttemptCount                       0                      tries       0
LoginAttemptBeforeWarningCount          0                      tries       0
DisplayAccountLockoutMessageAtLogin     no                     –           no
DisplayIncorrectPasswordMessageAtLogin  no                     –           no
MinPasswordLength                       0                      characters  0
MinPasswordLowercaseCharCount           0                      characters  0
MinPasswordUppercaseCharCount           0                      characters  0
MinPasswordNumericCharCount             0                      characters  0
MinPasswordSpecialCharCount             0                      characters  0
PasswordNotEqualToUserLogin             no                     –           no
PasswordNotFromWeakList                 no                     –           no
PasswordHistoryRecordCount              0                      passwords   0
MaxPasswordAge                          0                      days        0
PasswordChangeReminding                 0                      days        0
UsePasswordRecoveryForInternalUsers     yes                    –           yes
SSPRegistrationMailbox                  –                      –           –
PasswordRecoveryEmailTemplate           Password recovery      –           Password recovery
DisableInternalUserPasswordAuth         no                     –           no
DefaultSsoProvider                      –                      –           –
SecondFactorResendInterval              30                     seconds     30
SecondFactorSendLimit                   30                     per hour    30
PasswordRecoveryTtl                     20                     minutes     20
PasswordRecoveryLimit                   5                      per hour    5
TotpIssuer                              twofa                  –           twofa
TotpDriftSteps                          1                      steps       1

"#]]);
    world.run("setting list -o csv").shows(str![[r#"
$ twofa setting list -o csv
? 0
--- stdout
code,name,type,unit,value,default,modified
Enable2FA,Enable 2FA,bool,,false,false,false
2FAmailbox,Mailbox for sending emails that contain 2FA verification code,mailbox,,,,false
SecondFactorCodeTTL,2FA confirmation code lifetime (seconds),int,seconds,60,60,false
SecondFactorAttemptCount,The number of attempts to verify the second factor,int,tries,5,5,false
TotpSetupTokenTtl,TOTP Setup Token Ttl,int,minutes,2,2,false
UserLockoutDuration,User locking time,int,minutes,15,15,false
TwoFactorAuthEmailTemplate,Template of the 2FA email,template,,2FA verification code,2FA verification code,false
TwoFactorAuthSmsTemplate,Template of the 2FA SMS,template,,2FA SMS code,2FA SMS code,false
SmsProvider,SMS provider,sms-provider,,,,false
SmsSenderName,SMS sender name,text,,,,false
LoginAttemptCount,Login attempts,int,tries,0,0,false
LoginAttemptBeforeWarningCount,Login attempts before warning,int,tries,0,0,false
DisplayAccountLockoutMessageAtLogin,Display account lockout message at login,bool,,false,false,false
DisplayIncorrectPasswordMessageAtLogin,Display incorrect password message at login,bool,,false,false,false
MinPasswordLength,Minimum password length,int,characters,0,0,false
MinPasswordLowercaseCharCount,Minimum lowercase characters,int,characters,0,0,false
MinPasswordUppercaseCharCount,Minimum uppercase characters,int,characters,0,0,false
MinPasswordNumericCharCount,Minimum digits,int,characters,0,0,false
MinPasswordSpecialCharCount,Minimum special characters,int,characters,0,0,false
PasswordNotEqualToUserLogin,Password differs from login,bool,,false,false,false
PasswordNotFromWeakList,Password not from the weak list,bool,,false,false,false
PasswordHistoryRecordCount,Password history,int,passwords,0,0,false
MaxPasswordAge,Maximum password age,int,days,0,0,false
PasswordChangeReminding,Password change reminder,int,days,0,0,false
UsePasswordRecoveryForInternalUsers,Password recovery for employees,bool,,true,true,false
SSPRegistrationMailbox,Mailbox for password recovery,mailbox,,,,false
PasswordRecoveryEmailTemplate,Template of the recovery email,template,,Password recovery,Password recovery,false
DisableInternalUserPasswordAuth,Disable password login of employees,bool,,false,false,false
DefaultSsoProvider,Default SSO provider,idp,,,,false
SecondFactorResendInterval,Resend interval,int,seconds,30,30,false
SecondFactorSendLimit,Codes per hour,int,per hour,30,30,false
PasswordRecoveryTtl,Recovery token lifetime,int,minutes,20,20,false
PasswordRecoveryLimit,Recoveries per hour,int,per hour,5,5,false
TotpIssuer,Issuer,text,,twofa,twofa,false
TotpDriftSteps,Accepted drift,int,steps,1,1,false

"#]]);
    let rows = world.json("setting list");
    assert_eq!(rows.as_array().unwrap().len(), 35);
    assert_eq!(
        rows[0],
        serde_json::json!({"code": "Enable2FA", "name": "Enable 2FA", "type": "bool", "unit": null, "value": false, "default": false, "modified": false})
    );
}

#[test]
fn show_tells_bounds_meaning_and_what_has_no_effect_yet() {
    let world = World::new();
    world
        .run("setting show secondfactorcodettl")
        .shows(str![[r#"
$ twofa setting show secondfactorcodettl
? 0
--- stdout
code      SecondFactorCodeTTL
name      2FA confirmation code lifetime (seconds)
type      int
unit      seconds
value     60
default   60
modified  no
minimum   1
maximum   86400
meaning   How long a code sent by email or SMS is valid once the server has taken it.

"#]]);
    world
        .run("setting show MinPasswordLength -o json")
        .shows(str![[r#"
$ twofa setting show MinPasswordLength -o json
? 0
--- stdout
{
  "code": "MinPasswordLength",
  "name": "Minimum password length",
  "type": "int",
  "unit": "characters",
  "value": 0,
  "default": 0,
  "modified": false,
  "minimum": 0,
  "maximum": 128,
  "meaning": "How many characters a password has at the least."
}

"#]]);
    world.run("setting show Enable2AF").shows(str![[r#"
$ twofa setting show Enable2AF
? 3
--- stderr
error: no setting is named `Enable2AF`
 hint: did you mean `Enable2FA`?

"#]]);
}

#[test]
fn get_prints_the_bare_value() {
    let world = World::new();
    world.run("setting get Enable2FA").shows(str![[r#"
$ twofa setting get Enable2FA
? 0
--- stdout
false

"#]]);
    world.run("setting get UserLockoutDuration").shows(str![[r#"
$ twofa setting get UserLockoutDuration
? 0
--- stdout
15

"#]]);
    world
        .run("setting get TwoFactorAuthEmailTemplate")
        .shows(str![[r#"
$ twofa setting get TwoFactorAuthEmailTemplate
? 0
--- stdout
2FA verification code

"#]]);
    world.run("setting get 2FAmailbox").shows(str![[r#"
$ twofa setting get 2FAmailbox
? 0
--- stdout


"#]]);
    world.run("setting get 2FAmailbox -o json").shows(str![[r#"
$ twofa setting get 2FAmailbox -o json
? 0
--- stdout
null

"#]]);
    world.run("setting get TotpIssuer -o json").shows(str![[r#"
$ twofa setting get TotpIssuer -o json
? 0
--- stdout
"twofa"

"#]]);
    world.run("setting get TotpIssuer -o csv").shows(str![[r#"
$ twofa setting get TotpIssuer -o csv
? 2
--- stderr
error: this command does not print in that format
 hint: leave --output out

"#]]);
}

#[test]
fn set_one_or_several_or_none() {
    let world = World::new();
    world
        .run("setting set SecondFactorCodeTTL 5m")
        .shows(str![[r#"
$ twofa setting set SecondFactorCodeTTL 5m
? 0
--- stdout
code      SecondFactorCodeTTL
name      2FA confirmation code lifetime (seconds)
type      int
unit      seconds
value     300
default   60
modified  yes
minimum   1
maximum   86400
meaning   How long a code sent by email or SMS is valid once the server has taken it.
changed   yes
--- stderr
SecondFactorCodeTTL is 300 seconds (5m).

"#]]);
    world
        .run("setting set SecondFactorCodeTTL 300 -o json")
        .shows(str![[r#"
$ twofa setting set SecondFactorCodeTTL 300 -o json
? 0
--- stdout
{
  "code": "SecondFactorCodeTTL",
  "name": "2FA confirmation code lifetime (seconds)",
  "type": "int",
  "unit": "seconds",
  "value": 300,
  "default": 60,
  "modified": true,
  "minimum": 1,
  "maximum": 86400,
  "meaning": "How long a code sent by email or SMS is valid once the server has taken it.",
  "changed": false,
  "warnings": []
}
--- stderr
SecondFactorCodeTTL is already 300 seconds (5m).

"#]]);
    world
        .run("setting set UserLockoutDuration 1h TotpDriftSteps 2 PasswordNotEqualToUserLogin yes")
        .shows(str![[r#"
$ twofa setting set UserLockoutDuration 1h TotpDriftSteps 2 PasswordNotEqualToUserLogin yes
? 0
--- stdout
CODE                         VALUE  UNIT     DEFAULT
UserLockoutDuration          60     minutes  15
TotpDriftSteps               2      steps    1
PasswordNotEqualToUserLogin  yes    –        no
--- stderr
UserLockoutDuration is 60 minutes (1h).
TotpDriftSteps is 2 steps.
PasswordNotEqualToUserLogin is true.

"#]]);
    world
        .run("setting set UserLockoutDuration 30 TotpDriftSteps 11")
        .shows(str![[r#"
$ twofa setting set UserLockoutDuration 30 TotpDriftSteps 11
? 4
--- stderr
error: `11` is no value for `TotpDriftSteps`: it is a whole number from 0 to 10, in steps
 hint: `twofa setting show TotpDriftSteps` tells what it takes

"#]]);
    world.run("setting get UserLockoutDuration").shows(str![[r#"
$ twofa setting get UserLockoutDuration
? 0
--- stdout
60

"#]]);
    world
        .run("setting reset UserLockoutDuration TotpDriftSteps -o json")
        .shows(str![[r#"
$ twofa setting reset UserLockoutDuration TotpDriftSteps -o json
? 0
--- stdout
{
  "settings": [
    {
      "code": "UserLockoutDuration",
      "name": "User locking time",
      "type": "int",
      "unit": "minutes",
      "value": 15,
      "default": 15,
      "modified": false
    },
    {
      "code": "TotpDriftSteps",
      "name": "Accepted drift",
      "type": "int",
      "unit": "steps",
      "value": 1,
      "default": 1,
      "modified": false
    }
  ],
  "changed": true,
  "warnings": []
}
--- stderr
UserLockoutDuration is 15 minutes.
TotpDriftSteps is 1 step.

"#]]);
    world.run("setting set Enable2FA").shows(str![[r#"
$ twofa setting set Enable2FA
? 2
--- stderr
error: 2 values required by '<CODE VALUE> <CODE VALUE>...'; only 1 was provided

Usage: twofa setting set [OPTIONS] <CODE VALUE> <CODE VALUE>...

For more information, try '--help'.

"#]]);
    world.run("setting set A 1 B").shows(str![[r#"
$ twofa setting set A 1 B
? 2
--- stderr
error: `B` has no value
 hint: codes and values come in turn

"#]]);
    world
        .run("setting set TotpDriftSteps 1 totpdriftsteps 2")
        .shows(str![[r#"
$ twofa setting set TotpDriftSteps 1 totpdriftsteps 2
? 2
--- stderr
error: `TotpDriftSteps` is named twice

"#]]);
    world.run("setting set 2FAmailbox nowhere").shows(str![[r#"
$ twofa setting set 2FAmailbox nowhere
? 3
--- stderr
error: no mailbox is named `nowhere`
 hint: `twofa mailbox list` lists what there is

"#]]);
    world.run("setting set SmsProvider x").shows(str![[r#"
$ twofa setting set SmsProvider x
? 3
--- stderr
error: no SMS provider is named `x`
 hint: `twofa sms-provider list` lists what there is

"#]]);
    world
        .run("setting set TwoFactorAuthEmailTemplate '2FA SMS code'")
        .shows(str![[r#"
$ twofa setting set TwoFactorAuthEmailTemplate 2FA SMS code
? 4
--- stderr
error: the template `2FA SMS code` is for sms, not for email

"#]]);
    world.run("setting set TotpDriftSteps -5").shows(str![[r#"
$ twofa setting set TotpDriftSteps -5
? 4
--- stderr
error: `-5` is no value for `TotpDriftSteps`: it is a whole number from 0 to 10, in steps
 hint: `twofa setting show TotpDriftSteps` tells what it takes

"#]]);
}

#[test]
fn turning_2fa_on_asks_and_guards() {
    let world = World::peopled();
    world.run("setting set Enable2FA on").shows(str![[r#"
$ twofa setting set Enable2FA on
? 2
--- stderr
error: are you sure? From now on everybody who may use 2FA will be asked for a second factor at login.
 hint: say yes with --yes

"#]]);
    world.run("setting set Enable2FA on --yes").shows(str![[r#"
$ twofa setting set Enable2FA on --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: give them a method first, or say --allow-lockout=2 if it is meant

"#]]);
    world.ok("method enable email");
    world.run("setting set Enable2FA on --yes").shows(str![[r#"
$ twofa setting set Enable2FA on --yes
? 0
--- stdout
code      Enable2FA
name      Enable 2FA
type      bool
unit      –
value     yes
default   no
modified  yes
minimum   –
maximum   –
meaning   Asks everybody who may use 2FA for a second factor at login.
changed   yes
--- stderr
Enable2FA is true.
Next: `twofa login simulate LOGIN`.

"#]]);
    world.run("setting set Enable2FA on").shows(str![[r#"
$ twofa setting set Enable2FA on
? 0
--- stdout
code      Enable2FA
name      Enable 2FA
type      bool
unit      –
value     yes
default   no
modified  yes
minimum   –
maximum   –
meaning   Asks everybody who may use 2FA for a second factor at login.
changed   no
--- stderr
Enable2FA is already true.

"#]]);
    world.run("audit list --event setting").shows(str![[r#"
$ twofa audit list --event setting
? 0
--- stdout
SEQ  AT                    ACTOR       EVENT            SUBJECT     OUTCOME  REASON
8    2026-01-01T00:00:00Z  Supervisor  setting.changed  Enable2FA   ok       –
5    2026-01-01T00:00:00Z  Supervisor  setting.changed  2FAmailbox  ok       –

"#]]);
}

#[test]
fn a_template_must_carry_what_the_setting_sends() {
    let world = World::new();
    world
        .run("setting set TwoFactorAuthEmailTemplate 'Password recovery'")
        .shows(str![[r#"
$ twofa setting set TwoFactorAuthEmailTemplate Password recovery
? 4
--- stderr
error: the template `Password recovery` has no macro `#SecondFactorCode#`
 hint: `twofa template list` shows the macros of each

"#]]);
    world
        .run("setting set PasswordRecoveryEmailTemplate '2FA verification code'")
        .exits(4);
    world.ok("setting set TwoFactorAuthEmailTemplate '2fa VERIFICATION code'");
}

#[test]
fn an_empty_text_is_the_default() {
    let world = World::new();
    world.ok("setting set TotpIssuer Acme");
    let set = world.json("setting set TotpIssuer ''");
    assert_eq!(
        (&set["value"], &set["changed"]),
        (&serde_json::json!("twofa"), &serde_json::json!(true))
    );
    assert_eq!(world.json("setting set TotpIssuer ''")["changed"], false);
    assert_eq!(world.json("setting set TotpIssuer ' '")["changed"], false);
}

#[test]
fn a_missing_mailbox_is_named_where_it_locks_out() {
    let world = World::peopled();
    world.ok("method enable email --primary");
    world.ok("setting reset 2FAmailbox");
    world.run("setting set Enable2FA on --yes").shows(str![[r#"
$ twofa setting set Enable2FA on --yes
? 4
--- stderr
error: this would leave 2 users with no way to log in: `alice`, `bob`
 hint: email is enabled and no mailbox is set: `twofa setting set 2FAmailbox NAME` first, or say --allow-lockout=2 if it is meant

"#]]);
}

//! `twofa help`, and the help of every command in one snapshot (`help.txt`).

use snapbox::{IntoData as _, str};

use crate::world::World;

/// The commands below the one of these words, as its help lists them.
pub fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The part of a help that tells of the global options: the same in every one.
fn globals(help: &str) -> &str {
    let from = help.find("Store:\n").unwrap();
    let last = "[env: TWOFA_OVERRIDE]\n";
    &help[from..help.find(last).unwrap() + last.len()]
}

/// The long help of every command, in the order in which they are listed; the global options once.
fn all(world: &World, words: &str, found: &mut String) {
    let help = world.ok(format!("{words} --help").trim_start()).stdout;
    let below = commands(&help);
    if words.is_empty() {
        found.push_str(&format!("$ twofa --help\n{help}\n"));
    } else {
        let globals = globals(found).to_owned();
        assert!(help.contains(&globals), "{words} has other global options");
        let help = help.replace(
            &globals,
            "[Store, Output, Answers, Confirmation: as above]\n",
        );
        found.push_str(&format!("$ twofa{words} --help\n{help}\n"));
    }
    for command in below {
        all(world, &format!("{words} {command}"), found);
    }
}

#[test]
fn the_help_of_every_command() {
    let world = World::empty();
    let mut whole = String::new();
    all(&world, "", &mut whole);
    snapbox::Assert::new()
        .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
        .eq(whole.raw(), snapbox::file!["help.txt"].raw());
}

/// `help WORD…` says what `WORD… --help` says, and both are full of what a reader looks for.
#[test]
fn both_ways_to_ask_give_one_answer() {
    let world = World::empty();
    for words in [
        "",
        "user",
        "user add",
        "init",
        "setting set",
        "lookup",
        "recovery-codes generate",
    ] {
        let asked = world.ok(format!("help {words}").trim_end()).stdout;
        let flagged = world.ok(format!("{words} --help").trim_start()).stdout;
        assert_eq!(asked, flagged, "{words}");
    }
    // No command shows how its source is written.
    let mut whole = String::new();
    all(&world, "", &mut whole);
    for mark in ["`SQLite`", "$`", "[`", "<smtp"] {
        assert!(!whole.contains(mark), "{mark} stands in a help text");
    }
}

#[test]
fn short_help_is_short() {
    World::empty().run("-h").shows(str![[r#"
$ twofa -h
? 0
--- stdout
Administer and run two-factor authentication kept in one SQLite file

Usage: twofa [OPTIONS] <COMMAND>

Commands:
  init            Make a store, its key file and the first administrator
  status          Show what is on, for how many, and what to do next
  coverage        Show who would be asked for which method, and who could not log in
  doctor          Say what is wrong with the store, and which command mends it
  method          Manage the 2FA methods: email, SMS, authenticator app, recovery codes
  setting         Manage system settings
  user            Manage users
  group           Manage groups of users and groups
  permission      Say who may do what
  authenticator   Manage authenticator apps
  recovery-codes  Manage recovery codes
  password        Manage passwords
  mailbox         Manage mailboxes
  sms-provider    Manage SMS providers
  template        Manage message templates
  outbox          Look at the messages that were sent
  login           Run logins
  idp             Manage identity providers (SAML 2.0)
  oauth-client    Manage OAuth clients
  apply           Make the store as a policy file declares it
  diff            Tell what a policy file would change, and for whom
  export          Write the store down as a policy file
  backup          Copy the store into a file
  restore         Put a backup in the place of the store
  audit           Look at the audit log
  key             Look after the key file
  completions     Print the completion script of a shell
  man             Print the manual page of a command, or write all of them
  help            Show the help of a command or a topic

Options:
  -h, --help     Print help (see more with '--help')
  -V, --version  Print version

Store:
      --db <FILE>  The store [env: TWOFA_DB]

Output:
  -o, --output <FORMAT>  How the answer is printed [env: TWOFA_OUTPUT] [default: table] [possible
                         values: table, json, ndjson, csv, toml]
  -q, --quiet            Say nothing but answers, warnings and errors [env: TWOFA_QUIET]

Answers:
  -y, --yes  Answer "are you sure?" with yes, and nothing else [env: TWOFA_YES]

Examples:
  twofa init --admin alice --email alice@example.com
  twofa status
  twofa user add bob --name 'Bob Brown' --email bob@example.com

`twofa help exit-codes` lists what a script can match on, `twofa help environment` the variables.

"#]]);
    World::empty().run("user add -h").shows(str![[r#"
$ twofa user add -h
? 0
--- stdout
Add a user

Usage: twofa user add [OPTIONS] <LOGIN>

Arguments:
  <LOGIN>  Login of the new user

Options:
      --name <NAME>           Full name
      --email <ADDRESS>       Email address
      --phone <PHONE>         Phone: + and 7 to 15 digits
      --type <TYPE>           employee, external or technical; technical users never log in with a
                              password
      --language <LANGUAGE>   Language of messages
      --group <GROUP>         A group to be a direct member of; repeat for more (`edit`: replaces
                              all)
      --os-user <NAME>        The account of this machine that acts as this user
      --must-change           Ask for a new password at the next login
      --password-stdin        Read the password from standard input, one line
      --password-file <FILE>  Read the password from the first line of a file
  -h, --help                  Print help (see more with '--help')

Store:
      --db <FILE>  The store [env: TWOFA_DB]

Output:
  -o, --output <FORMAT>  How the answer is printed [env: TWOFA_OUTPUT] [default: table] [possible
                         values: table, json, ndjson, csv, toml]
  -q, --quiet            Say nothing but answers, warnings and errors [env: TWOFA_QUIET]

Answers:
  -y, --yes  Answer "are you sure?" with yes, and nothing else [env: TWOFA_YES]

Needs the operation CanManageUsers.

Examples:
  twofa user add alice --name 'Alice Adams' --email alice@example.com
  twofa user add bob --type external --phone +493012345678
  printf '%s\n' "$PASSWORD" | twofa user add carol --password-stdin

"#]]);
}

#[test]
fn without_a_command() {
    let world = World::empty();
    let bare = world.run("").exits(2);
    assert_eq!(bare.stdout, "");
    assert!(bare.stderr.contains("Usage: twofa"), "{}", bare.stderr);
    let noun = world.run("user").exits(2);
    assert!(noun.stderr.contains("Usage: twofa user"), "{}", noun.stderr);
    world.run("--version").shows(str![[r#"
$ twofa --version
? 0
--- stdout
twofa 0.1.0

"#]]);
    world.run("usr list").shows(str![[r#"
$ twofa usr list
? 2
--- stderr
error: unrecognized subcommand 'usr'

  tip: a similar subcommand exists: 'user'

Usage: twofa [OPTIONS] <COMMAND>

For more information, try '--help'.

"#]]);
    world.run("user add -o json").shows(str![[r#"
$ twofa user add -o json
? 2
--- stderr
error: the following required arguments were not provided:
  <LOGIN>

Usage: twofa user add --output <FORMAT> --db <FILE> <LOGIN>

For more information, try '--help'.
{"error":{"kind":"usage","message":"the following required arguments were not provided: <LOGIN>","hint":"`twofa --help` lists the commands"}}

"#]]);
    world.run("completions tcsh -o ndjson").shows(str![[r#"
$ twofa completions tcsh -o ndjson
? 2
--- stderr
error: invalid value 'tcsh' for '<SHELL>'
  [possible values: bash, zsh, fish]

  tip: a similar value exists: 'zsh'

For more information, try '--help'.
{"error":{"kind":"usage","message":"invalid value 'tcsh' for '<SHELL>' [possible values: bash, zsh, fish]","hint":"a similar value exists: 'zsh'"}}

"#]]);
    world.run("usr list -o json").shows(str![[r#"
$ twofa usr list -o json
? 2
--- stderr
error: unrecognized subcommand 'usr'

  tip: a similar subcommand exists: 'user'

Usage: twofa [OPTIONS] <COMMAND>

For more information, try '--help'.
{"error":{"kind":"usage","message":"unrecognized subcommand 'usr'","hint":"a similar subcommand exists: 'user'"}}

"#]]);
}

#[test]
fn exit_codes() {
    let world = World::empty();
    world.run("help exit-codes").shows(str![[r#"
$ twofa help exit-codes
? 0
--- stdout
EXIT  MEANING                                                                         KINDS
0     done; yes; granted                                                              –
1     failed: I/O, storage, delivery                                                  io, storage, store_missing, foreign_store, newer_store, read_only, disk_full, key_missing, key_wrong, delivery
2     usage, a missing answer, a blank login                                          usage, missing_answer, blank_login
3     not found                                                                       not_found
4     refused: invalid value, conflict, a guard, too soon, over a limit               invalid_value, conflict, in_use, guard, declined, lockout, too_soon, send_limit, password_policy, method_not_usable, channel_refused, sso_required
5     not permitted: the acting user lacks the operation, or did not confirm          not_permitted, confirmation_required, confirmation_wrong, confirmation_used, confirmation_expired
10    first factor wrong: unknown user, wrong password, inactive user are one answer  first_factor_wrong, client_refused, token_refused
11    second factor wrong                                                             second_factor_wrong, sso_refused
12    second factor already used or answered                                          second_factor_used, sso_used
13    second factor expired                                                           second_factor_expired, sso_expired, token_expired
14    locked                                                                          locked
15    deactivated                                                                     deactivated
16    no usable second factor, or an authenticator app must be connected first        no_second_factor, enrolment_required
17    the password has expired or must be changed                                     password_expired, password_must_change
18    first factor right, second factor required: not logged in yet                   second_factor_required, sso_redirect
20    there are differences or findings                                               differences, findings
75    the store stayed busy longer than --wait; nothing was changed                   busy

"#]]);
    world.run("help exit-codes -o csv").shows(str![[r#"
$ twofa help exit-codes -o csv
? 0
--- stdout
exit,kinds,meaning
0,,done; yes; granted
1,io;storage;store_missing;foreign_store;newer_store;read_only;disk_full;key_missing;key_wrong;delivery,"failed: I/O, storage, delivery"
2,usage;missing_answer;blank_login,"usage, a missing answer, a blank login"
3,not_found,not found
4,invalid_value;conflict;in_use;guard;declined;lockout;too_soon;send_limit;password_policy;method_not_usable;channel_refused;sso_required,"refused: invalid value, conflict, a guard, too soon, over a limit"
5,not_permitted;confirmation_required;confirmation_wrong;confirmation_used;confirmation_expired,"not permitted: the acting user lacks the operation, or did not confirm"
10,first_factor_wrong;client_refused;token_refused,"first factor wrong: unknown user, wrong password, inactive user are one answer"
11,second_factor_wrong;sso_refused,second factor wrong
12,second_factor_used;sso_used,second factor already used or answered
13,second_factor_expired;sso_expired;token_expired,second factor expired
14,locked,locked
15,deactivated,deactivated
16,no_second_factor;enrolment_required,"no usable second factor, or an authenticator app must be connected first"
17,password_expired;password_must_change,the password has expired or must be changed
18,second_factor_required;sso_redirect,"first factor right, second factor required: not logged in yet"
20,differences;findings,there are differences or findings
75,busy,the store stayed busy longer than --wait; nothing was changed

"#]]);
    let rows = world.json("help exit-codes");
    assert_eq!(rows[4]["exit"], 4);
}

#[test]
fn environment() {
    World::empty().run("help environment").shows(str![[r#"
$ twofa help environment
? 0
--- stdout
VARIABLE                  OPTION                MEANING
TWOFA_DB                  --db                  The store
TWOFA_KEY_FILE            --key-file            The key file, or credential:NAME
TWOFA_PASSPHRASE_FILE     --passphrase-file     Read the passphrase of the key file from the first line of a file
TWOFA_PASSPHRASE_STDIN    --passphrase-stdin    Read it from standard input, before every other secret
TWOFA_AS                  --as                  Act as this user (root and the store's owner only)
TWOFA_WAIT                --wait                How long to wait for a busy store
TWOFA_OUTPUT              --output              How the answer is printed
TWOFA_COLOR               --color               When to use colour; NO_COLOR is honoured
TWOFA_QUIET               --quiet               Say nothing but answers, warnings and errors
TWOFA_YES                 --yes                 Answer "are you sure?" with yes, and nothing else
TWOFA_NO_INPUT            --no-input            Never ask: a missing answer is an error that names its option
TWOFA_REASON              --reason              Why, for the audit log
TWOFA_CONFIRM_CODE        --confirm-code        A code of your own second factor
TWOFA_CONFIRM_CODE_STDIN  --confirm-code-stdin  Read that code from standard input, after every other secret
TWOFA_CONFIRM_METHOD      --confirm-method      The method to confirm by
TWOFA_CONFIRM_CHALLENGE   --confirm-challenge   The challenge a code was sent for
TWOFA_OVERRIDE            --override            Go without confirmation (root and the store's owner only; needs --reason)
TWOFA_KEY                 --key-file            The keys themselves, in one line: `key rotate --key-form environment` writes it
CREDENTIALS_DIRECTORY     --key-file            Where systemd puts what credential:NAME names
NO_COLOR                  --color never         Set to anything, it turns colour off
XDG_DATA_HOME             --db                  Where the store of an ordinary account is, in twofa/twofa.db
VISUAL                    template edit         The editor and its arguments; without it EDITOR, then vi

"#]]);
}

#[test]
fn events() {
    World::empty().run("help events").shows(str![[r#"
$ twofa help events
? 0
--- stdout
EVENT                        MEANING
store.created                the store was made
store.restored               a backup took the place of the store
permission.denied            a command was refused for lack of an operation or of a confirmation
change.refused               a command was refused by a guard
confirmation.asked           the acting user was asked to confirm with a second factor
confirmation.given           the acting user confirmed with a second factor
confirmation.wrong           a confirmation code was wrong, used or expired
confirmation.skipped         an administrator action went unconfirmed
method.changed               a 2FA method was enabled, disabled or made primary
setting.changed              a system setting was set or reset
user.added                   a user was added
user.edited                  a user was edited
user.removed                 a user was removed
user.activated               a user was activated
user.deactivated             a user was deactivated, by command or by penalty
user.locked                  a user was locked by penalty
user.unlocked                a user was unlocked by command
user.lock_ended              a lock ran out
user.imported                users were imported from a file
group.added                  a group was added
group.edited                 a group was renamed
group.removed                a group was removed
group.member_added           a user or a group came into a group
group.member_removed         a user or a group left a group
policy.applied               a policy file was applied; a row for each change stands before
permission.changed           a row of an operation's list came, went or was changed
password.set                 an administrator set a password
password.asked               a second factor was asked for, for a new password
password.changed             a user changed their password
password.denied              a change or a recovery of a password was denied
password.recovery_requested  somebody asked to recover a password
password.recovery_sent       a recovery token was accepted for delivery
password.recovery_failed     a recovery token could not be delivered
password.recovered           a user recovered their password
password.upgraded            an imported password hash was replaced by our own, at a login
mailbox.added                a mailbox was added
mailbox.edited               a mailbox was edited
mailbox.removed              a mailbox was removed
mailbox.tested               a test message was sent
sms_provider.added           an SMS provider was added
sms_provider.edited          an SMS provider was edited
sms_provider.removed         an SMS provider was removed
sms_provider.tested          a test message was sent by SMS
oauth_client.added           an OAuth client was added
oauth_client.edited          an OAuth client was edited
oauth_client.removed         an OAuth client was removed
oauth_client.secret_rotated  an OAuth client got another secret
oauth_client.token_issued    an OAuth client got an access token
oauth_client.token_denied    an access token was denied to an OAuth client
idp.added                    an identity provider was added
idp.edited                   an identity provider was edited, enabled or disabled
idp.removed                  an identity provider was removed
outbox.retried               an administrator had a message sent once more
template.changed             the words of a template were changed in a language
template.reset               the words of a template went back to the shipped ones in a language
authenticator.started        connecting an authenticator app was begun
authenticator.wrong          a code that should confirm an authenticator app was wrong
authenticator.connected      an authenticator app was connected
authenticator.disconnected   an authenticator app was disconnected
recovery_codes.generated     recovery codes were generated; older ones are void
recovery_codes.deleted       recovery codes were deleted
login.started                a first factor was right and the second is asked for
login.redirected             a login was sent to an identity provider
login.code_sent              a code was accepted for delivery
login.code_failed            a code could not be delivered
login.granted                a login was granted
login.denied                 a login was denied
login.cancelled              a pending login was cancelled
key.rotated                  new keys were made; what is sealed is sealed anew from here on
key.resealed                 what old keys had sealed is sealed anew, and the old keys are gone
key.retired                  a key went out of the key file
audit.archived               rows of the audit log went into an archive

"#]]);
}

#[test]
fn a_topic_that_is_not_there() {
    let world = World::empty();
    world.run("help exitcodes").shows(str![[r#"
$ twofa help exitcodes
? 3
--- stderr
error: there is no command or topic `exitcodes`
 hint: did you mean `twofa help exit-codes`?

"#]]);
    world.run("help user ad -o json").shows(str![[r#"
$ twofa help user ad -o json
? 3
--- stderr
error: there is no command or topic `user ad`
 hint: did you mean `twofa help user add`?
{"error":{"kind":"not_found","message":"there is no command or topic `user ad`","hint":"did you mean `twofa help user add`?"}}

"#]]);
    world.run("help weather").shows(str![[r#"
$ twofa help weather
? 3
--- stderr
error: there is no command or topic `weather`
 hint: `twofa --help` lists the commands

"#]]);
    world.run("help user events").shows(str![[r#"
$ twofa help user events
? 3
--- stderr
error: there is no command or topic `user events`
 hint: `twofa --help` lists the commands

"#]]);
    world.run("help help").exits(0);
}

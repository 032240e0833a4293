//! `user`: people and technical accounts that log in.

mod exchange;

use clap::{Args, Subcommand};
use twofa::actor::Session;
use twofa::change::Committed;
use twofa::error::Result;
use twofa::group;
use twofa::guard::Allowance;
use twofa::method::Method;
use twofa::name::{argument, visible};
use twofa::password;
use twofa::plan::Warning;
use twofa::status::{stranded, uses_password};
use twofa::user::edit::{AddUser, EditUser, Fields, Patch};
use twofa::user::state::{RemoveUser, SetActive, Unlock};
use twofa::user::{self, Filter, Type, UserRow, rules};

use self::exchange::Import;
use super::or_none;
use crate::answer::{Answer, row};
use crate::cli::{Lockout, PasswordFrom};
use crate::complete;
use crate::session::Context;
use crate::ui::Wanted;

/// Manage users
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa user add alice --name 'Alice Adams' --email alice@example.com\n  twofa user list --without totp\n  twofa user import people.csv --yes"
)]
pub enum User {
    /// Add a user
    #[command(
        after_help = "Examples:\n  twofa user add alice --name 'Alice Adams' --email alice@example.com\n  twofa user add bob --type external --phone +493012345678\n  printf '%s\\n' \"$PASSWORD\" | twofa user add carol --password-stdin"
    )]
    Add(Add),
    /// List users
    #[command(
        after_help = "Examples:\n  twofa user list\n  twofa user list --group Helpdesk --without totp\n  twofa user list --locked -o json"
    )]
    List(List),
    /// Show one user
    #[command(
        after_help = "Examples:\n  twofa user show alice\n  twofa user show alice@example.com -o json"
    )]
    Show(Named),
    /// Change a user
    #[command(
        after_help = "Examples:\n  twofa user edit alice --phone +493012345678\n  twofa user edit alice --login adams --email adams@example.com\n  twofa user edit bob --no-phone --group Helpdesk"
    )]
    Edit(Edit),
    /// Remove a user for good
    #[command(
        after_help = "Examples:\n  twofa user remove bob\n  twofa user remove bob --if-exists --yes"
    )]
    Remove(Remove),
    /// Let a user log in again
    #[command(
        after_help = "Examples:\n  twofa user activate alice\n  twofa user activate alice --reason 'back from leave'"
    )]
    Activate(Named),
    /// Shut a user out
    #[command(
        after_help = "Examples:\n  twofa user deactivate bob\n  twofa user deactivate bob --yes --reason 'left the firm'"
    )]
    Deactivate(Named),
    /// Take off a lock and forget wrong tries
    #[command(
        after_help = "Examples:\n  twofa user unlock alice\n  twofa user unlock alice@example.com --reason 'called back, is herself'"
    )]
    Unlock(Named),
    /// Bring users in from a CSV file, all of them or none
    ///
    /// The first line names the columns: login, name, email, phone, type, language, groups (split by ;), password_hash
    /// (Argon2, bcrypt or PBKDF2, as another system wrote it), active. Only login is required. Commas, semicolons or tabs
    /// stand between the fields. An empty field is one that is not given.
    #[command(
        after_help = "Examples:\n  twofa user import people.csv --dry-run\n  twofa user import people.csv --yes\n  twofa user import hr.csv --map uid=login --on-conflict update"
    )]
    Import(Import),
    /// Write all users as the CSV file that `user import` reads
    ///
    /// With the password hashes that other systems made, until they are replaced at a login. Those of this store are
    /// left out: they are worth nothing without its key.
    #[command(
        after_help = "Examples:\n  twofa user export > people.csv\n  twofa user export -o csv --reason 'yearly review'"
    )]
    Export,
}

/// A user by login or email.
#[derive(Debug, Args)]
pub struct Named {
    /// Login or email address, in any case
    #[arg(value_name = "LOGIN", add = complete::users())]
    login: String,
}

/// What a user has.
#[derive(Debug, Args)]
pub struct Described {
    /// Full name
    #[arg(long)]
    name: Option<String>,
    /// Email address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Phone: + and 7 to 15 digits
    #[arg(long)]
    phone: Option<String>,
    /// employee, external or technical; technical users never log in with a password
    #[arg(long = "type", value_name = "TYPE", add = complete::types())]
    kind: Option<String>,
    /// Language of messages
    #[arg(long, add = complete::languages())]
    language: Option<String>,
    /// A group to be a direct member of; repeat for more (`edit`: replaces all)
    #[arg(long = "group", value_name = "GROUP", add = complete::groups())]
    groups: Vec<String>,
    /// The account of this machine that acts as this user
    #[arg(long, value_name = "NAME", add = complete::accounts())]
    os_user: Option<String>,
    /// Ask for a new password at the next login
    #[arg(long)]
    must_change: bool,
}

/// `user add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Login of the new user
    #[arg(value_name = "LOGIN")]
    login: String,
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    password: PasswordFrom,
}

/// `user edit`.
#[derive(Debug, Args)]
pub struct Edit {
    #[command(flatten)]
    named: Named,
    /// New login
    #[arg(long = "login", value_name = "NEW", id = "new_login")]
    new_login: Option<String>,
    #[command(flatten)]
    described: Described,
    /// Clear the name
    #[arg(long, conflicts_with = "name")]
    no_name: bool,
    /// Clear the email address
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// Clear the phone
    #[arg(long, conflicts_with = "phone")]
    no_phone: bool,
    /// Be a direct member of no group
    #[arg(long, conflicts_with = "groups")]
    no_group: bool,
    /// Clear the account of this machine
    #[arg(long, conflicts_with = "os_user")]
    no_os_user: bool,
    /// Do not ask for a new password
    #[arg(long, conflicts_with = "must_change")]
    no_must_change: bool,
    #[command(flatten)]
    lockout: Lockout,
}

/// `user list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only members of this group, through any nesting
    #[arg(long, add = complete::groups())]
    group: Option<String>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE", add = complete::types())]
    kind: Option<String>,
    /// Only those who are locked now
    #[arg(long)]
    locked: bool,
    /// Only those who are deactivated
    #[arg(long)]
    inactive: bool,
    /// Only those who could not use this method
    #[arg(long, value_name = "METHOD", add = complete::methods())]
    without: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// `user remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    named: Named,
    /// It is fine if there is no such user
    #[arg(long)]
    if_exists: bool,
}

const COLUMNS: &[&str] = &[
    "login",
    "name",
    "email",
    "phone",
    "type",
    "language",
    "active",
    "locked_until",
    "groups",
    "authenticator",
    "recovery_codes_left",
    "can_use_2fa",
    "os_user",
    "must_change",
    "password_changed_at",
    "last_login_at",
];
const TABLE: &[&str] = &[
    "login",
    "name",
    "email",
    "type",
    "active",
    "authenticator",
    "recovery_codes_left",
];

pub fn run(context: &mut Context, verb: User) -> Result<Answer> {
    match verb {
        User::Add(args) => add(context, args),
        User::List(args) => list(context, &args),
        User::Show(named) => {
            let session = context.session()?;
            let user = session.about(&named.login)?;
            Answer::thing(&user::show(&session.store, &user)?)
        }
        User::Edit(args) => edit(context, args),
        User::Remove(args) => remove(context, &args),
        User::Activate(named) => set_active(context, &named, true),
        User::Deactivate(named) => set_active(context, &named, false),
        User::Unlock(named) => {
            let session = context.session()?;
            let user = user::find(&session.store, &named.login)?;
            let done =
                context.commit(&session, &Unlock { id: user.id }, Allowance::Nobody, None)?;
            let state = if done.changed() {
                "is unlocked, and wrong tries are forgotten"
            } else {
                "was not locked"
            };
            let answer =
                shown(&session, user.id, done)?.say(format!("`{}` {state}.", visible(&user.login)));
            Ok(if user.active {
                answer
            } else {
                answer.say(format!(
                    "Still deactivated. Next: `twofa user activate {}`.",
                    argument(&user.login)
                ))
            })
        }
        User::Import(args) => exchange::import(context, &args),
        User::Export => exchange::export(context),
    }
}

fn fields(described: Described) -> Result<Fields> {
    Ok(Fields {
        login: None,
        name: Patch::from_options(described.name, false),
        email: Patch::from_options(described.email, false),
        phone: Patch::from_options(described.phone, false),
        kind: described.kind.as_deref().map(Type::parse).transpose()?,
        language: described.language,
        os_user: Patch::from_options(described.os_user, false),
        groups: Some(described.groups).filter(|groups| !groups.is_empty()),
        must_change: described.must_change.then_some(true),
        active: None,
    })
}

/// The user as `show` gives them, after a writing verb.
fn shown(session: &Session, id: i64, done: Committed) -> Result<Answer> {
    let row = user::show(&session.store, &user::get(&session.store, id)?)?;
    let changed = done.changed();
    Ok(Answer::thing(&row)?.changed(changed, done.warnings))
}

/// A password that no login takes: technical users have it in vain.
fn in_vain(user: &user::User) -> Option<Warning> {
    (user.kind == Type::Technical && user.has_password).then(|| Warning {
        kind: "no_password_login",
        message: format!(
            "`{}` has a password, and technical users never log in with one.",
            visible(&user.login)
        ),
        hint: Some(format!(
            "twofa user edit {} --type employee",
            argument(&user.login)
        )),
    })
}

/// What is worth saying of a user's phone.
fn improbable(user: &user::User) -> Option<Warning> {
    rules::improbable(user.phone.as_deref()?)
}

fn add(context: &mut Context, args: Add) -> Result<Answer> {
    let session = context.session()?;
    let mut lines = context.lines(Wanted {
        password: args.password.password_stdin,
        ..Wanted::default()
    })?;
    let with_password = args.password.password_stdin || args.password.password_file.is_some();
    let mut hash = None;
    if with_password {
        let secret = context.password(&args.password, &mut lines, "Password", true)?;
        // A password is given at creation only: whoever is there already keeps theirs.
        if user::lookup(&session.store, &args.login)?.is_none() {
            hash = Some(password::hash(&session.store, &args.login, None, &secret)?);
        }
    }
    let plan = AddUser {
        login: args.login.clone(),
        fields: fields(args.described)?,
        password: hash,
        imported: None,
    };
    let mut done = context.commit(&session, &plan, Allowance::Nobody, Some(lines))?;
    let user = user::find(&session.store, &args.login)?;
    done.warnings.extend(stranded(&session.store, &user)?);
    done.warnings.extend(in_vain(&user));
    if done.changed() {
        done.warnings.extend(improbable(&user));
    }
    let login = visible(&user.login).into_owned();
    let sentence = if done.changed() {
        format!("The user `{login}` was added.")
    } else {
        format!("The user `{login}` is there already.")
    };
    let answer = shown(&session, user.id, done)?.say(sentence);
    Ok(
        if user.has_password || !uses_password(&session.store, &user)? {
            answer
        } else {
            answer.say(format!(
                "Next: `twofa password set {}`.",
                argument(&user.login)
            ))
        },
    )
}

fn list(context: &mut Context, args: &List) -> Result<Answer> {
    let session = context.session()?;
    let filter = Filter {
        group: args
            .group
            .as_deref()
            .map(|name| group::find(&session.store, name))
            .transpose()?
            .map(|group| group.id),
        kind: args.kind.as_deref().map(Type::parse).transpose()?,
        locked: args.locked,
        inactive: args.inactive,
        without: args.without.as_deref().map(Method::parse).transpose()?,
        limit: args.limit.map(i64::from),
    };
    Ok(Answer::stream(COLUMNS, TABLE, move |each| {
        user::list(&session.store, &filter, &mut |one: UserRow| {
            each(row(&one)?)
        })
    }))
}

fn edit(context: &mut Context, args: Edit) -> Result<Answer> {
    let session = context.session()?;
    let user = user::find(&session.store, &args.named.login)?;
    let mut fields = fields(args.described)?;
    fields.login = args.new_login;
    for (patch, clear) in [
        (&mut fields.name, args.no_name),
        (&mut fields.email, args.no_email),
        (&mut fields.phone, args.no_phone),
        (&mut fields.os_user, args.no_os_user),
    ] {
        if clear {
            *patch = Patch::Clear;
        }
    }
    if args.no_group {
        fields.groups = Some(Vec::new());
    }
    if args.no_must_change {
        fields.must_change = Some(false);
    }
    let mut done = context.commit(
        &session,
        &EditUser {
            id: user.id,
            fields,
        },
        args.lockout.allowance(),
        None,
    )?;
    let what: Vec<&str> = done
        .changes
        .iter()
        .flat_map(|change| &change.fields)
        .map(|field| field.name)
        .collect();
    // A change of something else is no news of the type.
    if what.contains(&"type") {
        done.warnings
            .extend(in_vain(&user::get(&session.store, user.id)?));
    }
    if what.contains(&"phone") {
        done.warnings
            .extend(improbable(&user::get(&session.store, user.id)?));
    }
    let login = visible(&user.login).into_owned();
    let sentence = if what.is_empty() {
        format!("`{login}` is like that already.")
    } else {
        format!("`{login}` was changed: {}.", what.join(", "))
    };
    shown(&session, user.id, done).map(|answer| answer.say(sentence))
}

fn remove(context: &mut Context, args: &Remove) -> Result<Answer> {
    let session = context.session()?;
    let found = user::find(&session.store, &args.named.login);
    let user = match or_none(found, args.if_exists, "user", "login", &args.named.login)? {
        Ok(user) => user,
        Err(none) => return Ok(none),
    };
    let row = user::show(&session.store, &user)?;
    let done = context.commit(
        &session,
        &RemoveUser { id: user.id },
        Allowance::Nobody,
        None,
    )?;
    let changed = done.changed();
    Ok(Answer::thing(&row)?
        .changed(changed, done.warnings)
        .say(format!("The user `{}` was removed.", visible(&user.login))))
}

fn set_active(context: &mut Context, named: &Named, active: bool) -> Result<Answer> {
    let session = context.session()?;
    let user = user::find(&session.store, &named.login)?;
    let plan = SetActive {
        id: user.id,
        active,
    };
    let mut done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    if active {
        let now = user::get(&session.store, user.id)?;
        done.warnings.extend(stranded(&session.store, &now)?);
    }
    let state = if active { "active" } else { "deactivated" };
    let already = if done.changed() { "now" } else { "already" };
    shown(&session, user.id, done)
        .map(|answer| answer.say(format!("`{}` is {already} {state}.", visible(&user.login))))
}

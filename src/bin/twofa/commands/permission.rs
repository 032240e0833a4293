//! `permission`: who may.

use clap::{Args, Subcommand};
use twofa::actor::Session;
use twofa::error::{Kind, Result};
use twofa::group;
use twofa::guard::Allowance;
use twofa::name::visible;
use twofa::permission::{
    self, Access, Decision, Edit, GranteeRow, Named, OperationRow, SetGrantees, Whom,
};
use twofa::user;

use crate::answer::{Answer, row, table};
use crate::cli::Lockout;
use crate::complete;
use crate::session::Context;

/// Say who may do what
///
/// An operation has an ordered list of users and groups. The first row that names the user, or a group they are in,
/// decides; if none does, the answer is no.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa permission grant CanReset2FA --group Helpdesk\n  twofa permission deny CanUse2FA --group Robots --position 1\n  twofa permission check CanReset2FA alice"
)]
pub enum Permission {
    /// List the operations and who has them
    #[command(after_help = "Examples:\n  twofa permission list\n  twofa permission list -o json")]
    List,
    /// Show one operation: who has it, and the commands it opens
    #[command(
        after_help = "Examples:\n  twofa permission show CanReset2FA\n  twofa permission show CanUse2FA -o json"
    )]
    Show(Operated),
    /// Allow a user or a group
    ///
    /// The first row that names the user, or a group they are in, decides. A row that is there already is changed where it
    /// stands.
    #[command(
        after_help = "Examples:\n  twofa permission grant CanReset2FA --group Helpdesk\n  twofa permission grant CanManageUsers --user alice --until 'in 7d'"
    )]
    Grant(Put),
    /// Deny a user or a group
    ///
    /// The first row that names the user, or a group they are in, decides, so a denial below an allowance does nothing:
    /// `--position 1` puts it before everything. A row that is there already is changed where it stands.
    #[command(
        after_help = "Examples:\n  twofa permission deny CanUse2FA --group Robots --position 1\n  twofa permission deny CanReset2FA --user bob --position 1"
    )]
    Deny(Put),
    /// Take a user or a group off the list
    #[command(
        after_help = "Examples:\n  twofa permission revoke CanReset2FA --group Helpdesk\n  twofa permission revoke CanManageUsers --user alice --yes"
    )]
    #[command(mut_arg("user", |it| it.add(complete::grantee_users())), mut_arg("group", |it| it.add(complete::grantee_groups())))]
    Revoke(Revoke),
    /// Move a user or a group up or down the list
    #[command(
        after_help = "Examples:\n  twofa permission move CanUse2FA --group Robots --position 1\n  twofa permission move CanReset2FA --user bob --position 2"
    )]
    #[command(mut_arg("user", |it| it.add(complete::grantee_users())), mut_arg("group", |it| it.add(complete::grantee_groups())))]
    Move(Move),
    /// Say whether a user may, and which row decides; exit status 0 or 5
    #[command(
        after_help = "Examples:\n  twofa permission check CanReset2FA alice\n  twofa permission check CanUse2FA bob -o json"
    )]
    Check(Check),
}

/// An operation by code.
#[derive(Debug, Args)]
pub struct Operated {
    /// Code or name of the operation, in any case
    #[arg(value_name = "OPERATION", add = complete::operations())]
    operation: String,
}

/// Whom a row names.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Who {
    /// A user, by login or email
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
    /// A group
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    group: Option<String>,
}

impl Who {
    fn find(&self, session: &Session) -> Result<Whom> {
        let store = &session.store;
        Ok(match (&self.user, &self.group) {
            (Some(login), _) => Whom::User(user::find(store, login)?.id),
            (None, group) => {
                Whom::Group(group::find(store, group.as_deref().unwrap_or_default())?.id)
            }
        })
    }
}

/// `permission grant` and `permission deny`.
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    operated: Operated,
    #[command(flatten)]
    who: Who,
    /// Where in the list, from 1; without it a new row goes to the end
    #[arg(long, value_name = "N", allow_negative_numbers = true, add = complete::positions())]
    position: Option<i64>,
    /// Until when the row matches: 2026-12-31T12:00:00Z, 2026-12-31 (its first second, UTC), 'in 7d'; without it, always
    #[arg(long, value_name = "TIME", add = complete::times_to_come())]
    until: Option<String>,
    #[command(flatten)]
    lockout: Lockout,
}

/// `permission revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    #[command(flatten)]
    operated: Operated,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    lockout: Lockout,
}

/// `permission move`.
#[derive(Debug, Args)]
pub struct Move {
    #[command(flatten)]
    operated: Operated,
    #[command(flatten)]
    who: Who,
    /// Where in the list, from 1
    #[arg(long, value_name = "N", allow_negative_numbers = true, add = complete::positions())]
    position: i64,
    #[command(flatten)]
    lockout: Lockout,
}

/// `permission check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    operated: Operated,
    /// Login or email address, in any case
    #[arg(value_name = "LOGIN", add = complete::users())]
    login: String,
}

const COLUMNS: &[&str] = &["code", "name", "grantees", "opens"];
const TABLE: &[&str] = &["code", "name", "grantees"];

pub fn run(context: &mut Context, verb: Permission) -> Result<Answer> {
    match verb {
        Permission::List => {
            let session = context.session()?;
            let rows = permission::list(&session.store)?;
            Ok(Answer::list(COLUMNS, TABLE, rows))
        }
        Permission::Show(args) => {
            let session = context.session()?;
            let operation = permission::find(&session.store, &args.operation)?;
            shown(&permission::show(&session.store, operation)?, true)
        }
        Permission::Grant(args) => put(context, &args, Access::Allow),
        Permission::Deny(args) => put(context, &args, Access::Deny),
        Permission::Revoke(args) => {
            let edit = Edit::Remove;
            set(
                context,
                &args.operated,
                &args.who,
                edit,
                None,
                args.lockout.allowance(),
            )
        }
        Permission::Move(args) => {
            let edit = Edit::Move {
                position: args.position,
            };
            set(
                context,
                &args.operated,
                &args.who,
                edit,
                None,
                args.lockout.allowance(),
            )
        }
        Permission::Check(args) => check(context, &args),
    }
}

/// An operation as `show` gives it. For eyes, the list of a verb that changed it leaves out what it opens.
fn shown(found: &OperationRow, opens: bool) -> Result<Answer> {
    let rows = found
        .grantees
        .iter()
        .map(|one| {
            let mut cells = row(one)?;
            let (kind, name) = kind_and_name(one);
            cells.insert("grantee".into(), name.into());
            cells.insert("is".into(), kind.into());
            Ok(cells)
        })
        .collect::<Result<Vec<_>>>()?;
    let list = if rows.is_empty() {
        "Nobody has it.\n".to_owned()
    } else {
        let columns = ["position", "grantee", "is", "access", "until", "expired"];
        table(&columns, &rows, crate::terminal_width())?
    };
    let mut text = format!("{}: {}\n\n{list}", found.code, found.name);
    if opens && !found.opens.is_empty() {
        text.push_str("\nIt opens:\n");
        for path in &found.opens {
            text.push_str(&format!("  {path}\n"));
        }
    }
    Ok(Answer::thing(found)?.shown_as(text))
}

fn kind_and_name(row: &GranteeRow) -> (&'static str, &str) {
    match &row.whom {
        Named::User(login) => ("user", login),
        Named::Group(name) => ("group", name),
    }
}

fn put(context: &mut Context, args: &Put, access: Access) -> Result<Answer> {
    let until = context.time(args.until.as_deref())?;
    let edit = Edit::Put {
        access,
        until,
        position: args.position,
    };
    let answer = set(
        context,
        &args.operated,
        &args.who,
        edit,
        args.until.as_deref(),
        args.lockout.allowance(),
    )?;
    Ok(match until {
        Some(until) => answer.say(format!("--until was understood as {until}.")),
        None => answer,
    })
}

fn set(
    context: &mut Context,
    operated: &Operated,
    who: &Who,
    edit: Edit,
    said: Option<&str>,
    allowance: Allowance,
) -> Result<Answer> {
    let session = context.session()?;
    let operation = permission::find(&session.store, &operated.operation)?;
    let plan = SetGrantees {
        operation,
        whom: who.find(&session)?,
        edit,
        said: said.map(str::to_owned),
    };
    let mut done = context.commit(&session, &plan, allowance, None)?;
    let changed = done.changed();
    let found = permission::show(&session.store, operation)?;
    if matches!(edit, Edit::Put { .. } | Edit::Move { .. }) {
        done.warnings
            .extend(permission::shadowed(&session.store, operation, plan.whom)?);
    }
    let for_good = done
        .changes
        .iter()
        .flat_map(|change| &change.fields)
        .any(|field| field.name == "until" && field.new.is_null() && edit != Edit::Remove);
    let sentence = match (changed, edit) {
        (true, Edit::Remove) => format!("Off the list of `{}`.", operation.code()),
        (true, _) => format!("The list of `{}` was changed.", operation.code()),
        (false, Edit::Remove) => format!("Not on the list of `{}`.", operation.code()),
        (false, _) => format!("The list of `{}` is like that already.", operation.code()),
    };
    let answer = shown(&found, false)?
        .changed(changed, done.warnings)
        .say(sentence);
    Ok(if for_good {
        answer.say("The row no longer runs out.")
    } else {
        answer
    })
}

fn check(context: &mut Context, args: &Check) -> Result<Answer> {
    let session = context.session()?;
    let user = session.about(&args.login)?;
    let operation = permission::find(&session.store, &args.operated.operation)?;
    let found = permission::check(&session.store, operation, user.id, user.kind, &user.login)?;
    let sentence = because(&found);
    let exit = if found.granted {
        0
    } else {
        Kind::NotPermitted.exit()
    };
    Ok(Answer::thing(&found)?.exits(exit).say(sentence))
}

/// The decision in words.
fn because(found: &Decision) -> String {
    let user = visible(&found.user);
    let may = if found.granted { "has" } else { "lacks" };
    let Some(row) = &found.row else {
        let lacks = format!(
            "`{user}` lacks `{}`: no row of its list matches",
            found.operation
        );
        return match &found.expired {
            Some(GranteeRow {
                position,
                until: Some(until),
                ..
            }) => {
                format!("{lacks}; row {position} did until {until}.")
            }
            _ => format!("{lacks}."),
        };
    };
    let (kind, name) = kind_and_name(row);
    let does = match row.access {
        Access::Allow => "allows",
        Access::Deny => "denies",
    };
    let way = match found.through.as_slice() {
        [] | [_] => String::new(),
        through => {
            let names: Vec<String> = through
                .iter()
                .map(|name| format!("`{}`", visible(name)))
                .collect();
            format!(", by way of {}", names.join(" in "))
        }
    };
    format!(
        "`{user}` {may} `{}`: row {} {does} the {kind} `{}`{way}.",
        found.operation,
        row.position,
        visible(name)
    )
}

//! `group`: sets of users and groups.

use clap::{Args, Subcommand};
use twofa::actor::Session;
use twofa::change::Committed;
use twofa::error::Result;
use twofa::group::edit::{AddGroup, RemoveGroup, RenameGroup};
use twofa::group::member::SetMembers;
use twofa::group::{self, Group as Found};
use twofa::guard::Allowance;
use twofa::name::{argument, counted, visible};
use twofa::user;

use super::or_none;
use crate::answer::{Answer, row};
use crate::cli::Lockout;
use crate::complete;
use crate::session::Context;

/// Manage groups of users and groups
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa group add Helpdesk\n  twofa group add-member Helpdesk --user alice --user bob\n  twofa group add-member Support --group Helpdesk"
)]
pub enum Group {
    /// Add an empty group
    #[command(
        after_help = "Examples:\n  twofa group add Helpdesk\n  twofa group add 'Night shift' -o json"
    )]
    Add(Add),
    /// List groups
    #[command(after_help = "Examples:\n  twofa group list\n  twofa group list -o json")]
    List,
    /// Show one group, and who is directly in it
    ///
    /// `twofa user list --group GROUP` lists everybody who is in it, through any nesting.
    #[command(
        after_help = "Examples:\n  twofa group show Helpdesk\n  twofa group show 'System administrators' -o json"
    )]
    Show(Named),
    /// Rename a group
    #[command(
        after_help = "Examples:\n  twofa group edit Helpdesk --name Support\n  twofa group edit Helpdesk --name 'First line'"
    )]
    Edit(Edit),
    /// Remove a group; who is in it stays
    #[command(
        after_help = "Examples:\n  twofa group remove Helpdesk\n  twofa group remove Helpdesk --if-exists --yes"
    )]
    Remove(Remove),
    /// Bring users and groups in
    #[command(
        after_help = "Examples:\n  twofa group add-member Helpdesk --user alice --user bob\n  twofa group add-member Support --group Helpdesk"
    )]
    AddMember(AddMember),
    /// Take users and groups out
    #[command(
        after_help = "Examples:\n  twofa group remove-member Helpdesk --user bob\n  twofa group remove-member Support --group Helpdesk --yes"
    )]
    #[command(mut_arg("users", |it| it.add(complete::member_users())), mut_arg("member", |it| it.add(complete::member_groups())))]
    RemoveMember(RemoveMember),
}

/// A group by name.
#[derive(Debug, Args)]
pub struct Named {
    /// Name of the group, in any case
    #[arg(value_name = "GROUP", add = complete::groups())]
    group: String,
}

/// `group add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Name of the new group
    #[arg(value_name = "GROUP")]
    name: String,
}

/// `group edit`.
#[derive(Debug, Args)]
pub struct Edit {
    #[command(flatten)]
    named: Named,
    /// New name
    #[arg(long, value_name = "NEW")]
    name: String,
}

/// `group remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    named: Named,
    /// It is fine if there is no such group
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    lockout: Lockout,
}

/// Who comes or goes.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Who {
    /// A user, by login or email; repeat for more
    #[arg(long = "user", value_name = "LOGIN", add = complete::users())]
    users: Vec<String>,
    /// A group; repeat for more
    #[arg(long = "group", value_name = "GROUP", id = "member", add = complete::groups())]
    groups: Vec<String>,
}

/// `group add-member`.
#[derive(Debug, Args)]
pub struct AddMember {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    lockout: Lockout,
}

/// `group remove-member`.
#[derive(Debug, Args)]
pub struct RemoveMember {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    lockout: Lockout,
}

const COLUMNS: &[&str] = &["name", "built_in", "users", "groups"];

pub fn run(context: &mut Context, verb: Group) -> Result<Answer> {
    match verb {
        Group::Add(args) => add(context, args),
        Group::List => {
            let session = context.session()?;
            Ok(Answer::stream(COLUMNS, COLUMNS, move |each| {
                group::list(&session.store, &mut |one| each(row(&one)?))
            }))
        }
        Group::Show(named) => {
            let session = context.session()?;
            let group = group::find(&session.store, &named.group)?;
            let answer = Answer::thing(&group::show(&session.store, &group)?)?;
            Ok(answer.say(format!(
                "`twofa user list --group {}` lists everybody who is in it.",
                argument(&group.name)
            )))
        }
        Group::Edit(args) => edit(context, args),
        Group::Remove(args) => remove(context, &args),
        Group::AddMember(args) => members(context, &args.named, &args.who, &args.lockout, true),
        Group::RemoveMember(args) => members(context, &args.named, &args.who, &args.lockout, false),
    }
}

/// The group as `show` gives it, after a writing verb.
fn shown(session: &Session, group: &Found, done: Committed) -> Result<Answer> {
    let changed = done.changed();
    let view = group::show(&session.store, group)?;
    Ok(Answer::thing(&view)?.changed(changed, done.warnings))
}

fn add(context: &mut Context, args: Add) -> Result<Answer> {
    let session = context.session()?;
    let plan = AddGroup { name: args.name };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let group = group::find(&session.store, &plan.name)?;
    let name = visible(&group.name).into_owned();
    let sentence = if done.changed() {
        format!("The group `{name}` was added.")
    } else {
        format!("The group `{name}` is there already.")
    };
    Ok(shown(&session, &group, done)?.say(sentence).say(format!(
        "Next: `twofa group add-member {} --user LOGIN`.",
        argument(&group.name)
    )))
}

fn edit(context: &mut Context, args: Edit) -> Result<Answer> {
    let session = context.session()?;
    let group = group::find(&session.store, &args.named.group)?;
    let plan = RenameGroup {
        id: group.id,
        name: args.name,
    };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let now = group::find(&session.store, &plan.name)?;
    let sentence = if done.changed() {
        format!(
            "`{}` is `{}` now.",
            visible(&group.name),
            visible(&now.name)
        )
    } else {
        format!("`{}` is called that already.", visible(&now.name))
    };
    Ok(shown(&session, &now, done)?.say(sentence))
}

fn remove(context: &mut Context, args: &Remove) -> Result<Answer> {
    let session = context.session()?;
    let found = group::find(&session.store, &args.named.group);
    let group = match or_none(found, args.if_exists, "group", "name", &args.named.group)? {
        Ok(group) => group,
        Err(none) => return Ok(none),
    };
    let view = group::show(&session.store, &group)?;
    let plan = RemoveGroup { id: group.id };
    let done = context.commit(&session, &plan, args.lockout.allowance(), None)?;
    let changed = done.changed();
    Ok(Answer::thing(&view)?
        .changed(changed, done.warnings)
        .say(format!("The group `{}` was removed.", visible(&group.name))))
}

fn members(
    context: &mut Context,
    named: &Named,
    who: &Who,
    lockout: &Lockout,
    member: bool,
) -> Result<Answer> {
    let session = context.session()?;
    let store = &session.store;
    let group = group::find(store, &named.group)?;
    let users = who
        .users
        .iter()
        .map(|login| Ok(user::find(store, login)?.id));
    let groups = who
        .groups
        .iter()
        .map(|name| Ok(group::find(store, name)?.id));
    let plan = SetMembers {
        group: group.id,
        users: users.collect::<Result<_>>()?,
        groups: groups.collect::<Result<_>>()?,
        member,
    };
    let done = context.commit(&session, &plan, lockout.allowance(), None)?;
    let count = done.changes.len() as u64;
    let name = visible(&group.name).into_owned();
    let sentence = match (done.changed(), member) {
        (true, true) => format!(
            "{} came into `{name}`.",
            counted(count, "member", "members")
        ),
        (true, false) => format!("{} left `{name}`.", counted(count, "member", "members")),
        (false, true) => format!("In `{name}` already."),
        (false, false) => format!("Not directly in `{name}`."),
    };
    Ok(shown(&session, &group, done)?.say(sentence))
}

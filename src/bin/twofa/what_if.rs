//! `--at` and `--policy`: a store as at another moment, or as a policy file would make it.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use twofa::actor::Session;
use twofa::clock::Time;
use twofa::error::Result;
use twofa::plan::Warning;
use twofa::policy::{Options, Unread};
use twofa::status;
use twofa::store::Store;
use twofa::verb::Operation;

use crate::answer::Answer;
use crate::commands::policy;
use crate::complete;
use crate::session::Context;

/// What is to be supposed.
#[derive(Debug, Args)]
pub struct WhatIf {
    /// At this moment, past or to come, with the store as it stands now
    #[arg(long, value_name = "TIME", add = complete::times())]
    at: Option<String>,
    /// As this policy file would make the store; - reads standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

/// What was found, and on what it rests.
pub struct Looked<T> {
    pub found: T,
    /// What the words of the answer begin with: the moment and the policy, if they are others.
    pub preface: String,
    at: Option<Time>,
    /// That the key file does not open the store: a login would fail, whatever is told.
    key: Option<Warning>,
}

impl WhatIf {
    /// Looks with `look` at the store that is supposed. A policy tells what else is in a store, so that it needs the right
    /// to read policies.
    pub fn look<T>(
        &self,
        context: &Context,
        mut session: Session,
        look: impl FnOnce(&Store) -> Result<T>,
    ) -> Result<Looked<T>> {
        let at = context.time(self.at.as_deref())?;
        let key = status::key_trouble(&session.store)?;
        let mut would = None;
        if let Some(path) = &self.policy {
            session.needs_too(Operation::CanManageAdministration)?;
            // Where a secret is changes nothing of what is looked at.
            let policy = policy::read(context, &session, path, Options::default(), Unread::Warn)?;
            would = policy.would_be(&session.store)?;
        }
        if let Some(at) = at {
            session.store.stand_still(at);
            if let Some(would) = &mut would {
                would.stand_still(at);
            }
        }
        let store: &Store = would.as_deref().unwrap_or(&session.store);
        let preface = match (at, &self.policy) {
            (Some(at), Some(_)) => format!("At {at}, with this policy: "),
            (Some(at), None) => format!("At {at}: "),
            (None, Some(_)) => "With this policy: ".to_owned(),
            (None, None) => String::new(),
        };
        Ok(Looked {
            found: look(store)?,
            preface,
            at,
            key,
        })
    }
}

impl<T> Looked<T> {
    /// The answer, with how the moment was understood.
    pub fn said(&self, answer: Answer) -> Answer {
        let answer = answer.warn(self.key.clone());
        match self.at {
            Some(at) => answer.say(format!("--at was understood as {at}.")),
            None => answer,
        }
    }
}

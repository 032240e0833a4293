//! `oauth-client`: integrations, which get in by a client secret and never by a password.

use clap::{ArgAction, Args, Subcommand};
use serde_json::{Value, json};
use twofa::clock::seconds;
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::name::{argument, visible};
use twofa::oauth_client::edit::{Fields, PutClient, RemoveClient, RotateSecret, rotate_with};
use twofa::oauth_client::token::{check, issue, key_set};
use twofa::oauth_client::{self, Client, ClientRow, FIELDS};
use twofa::plan::Warning;
use twofa::secret::Secret;
use twofa::store::Store;

use super::or_none;
use crate::answer::{Answer, Row, row};
use crate::cli::Format;
use crate::complete;
use crate::session::Context;
use crate::ui::Wanted;

/// Manage OAuth clients
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa oauth-client add billing --user robot --scope invoices:read\n  twofa oauth-client list"
)]
pub enum OauthClient {
    /// Add a client; its secret is shown this once
    #[command(
        after_help = "Examples:\n  twofa oauth-client add billing --user robot\n  twofa oauth-client add billing --user robot --ttl 10m \\\n      --audience https://api.example.com --scope invoices:read -o json"
    )]
    Add(Add),
    /// List clients, or the keys that their tokens are verified with
    #[command(
        after_help = "Examples:\n  twofa oauth-client list\n  twofa oauth-client list --jwks"
    )]
    List(List),
    /// Show one client
    #[command(
        after_help = "Examples:\n  twofa oauth-client show billing\n  twofa oauth-client show billing -o json"
    )]
    Show(Named),
    /// Change a client, or shut it out
    #[command(
        after_help = "Examples:\n  twofa oauth-client edit billing --ttl 10m\n  twofa oauth-client edit billing --active no"
    )]
    Edit(Edit),
    /// Remove a client; its tokens are void at once
    #[command(
        after_help = "Examples:\n  twofa oauth-client remove billing\n  twofa oauth-client remove billing --if-exists --yes"
    )]
    Remove(Remove),
    /// Give an access token for a client's secret
    #[command(
        after_help = "Examples:\n  twofa oauth-client token billing --client-secret-stdin < secret\n  twofa oauth-client token billing --client-secret-stdin -o json < secret"
    )]
    Token(Token),
    /// Check whether an access token is good now
    #[command(
        after_help = "Examples:\n  twofa oauth-client check --token-stdin < token\n  twofa oauth-client check --token-stdin --audience https://api < token"
    )]
    Check(Check),
    /// Give a client another secret, which is shown this once
    #[command(
        after_help = "Examples:\n  twofa oauth-client rotate-secret billing\n  twofa oauth-client rotate-secret billing --keep-old-for 2h"
    )]
    RotateSecret(Rotate),
}

/// A client by name.
#[derive(Debug, Args)]
pub struct Named {
    /// The name, in any case, or the client id
    #[arg(value_name = "NAME", add = complete::oauth_clients())]
    name: String,
}

/// What a client's tokens are.
#[derive(Debug, Args)]
pub struct Tokens {
    /// How long a token is good, such as 10m: 1m to 1d [default: 1h]
    #[arg(long, value_name = "DURATION", add = complete::lives())]
    ttl: Option<String>,
    /// Whom tokens are for, as their readers call themselves [default: this store]
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// What tokens are good for: one word or several
    #[arg(long = "scope", value_name = "SCOPE", num_args = 1.., action = ArgAction::Append)]
    scopes: Vec<String>,
}

/// `oauth-client add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Name of the new client
    #[arg(value_name = "NAME")]
    name: String,
    /// The technical user it acts as
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: String,
    #[command(flatten)]
    tokens: Tokens,
}

/// `oauth-client list`.
#[derive(Debug, Args)]
pub struct List {
    /// Print the public keys instead, as a JSON Web Key Set
    #[arg(long)]
    jwks: bool,
}

/// `oauth-client edit`.
#[derive(Debug, Args)]
#[command(mut_args(crate::cli::without_default))]
pub struct Edit {
    #[command(flatten)]
    named: Named,
    /// New name
    #[arg(long = "name", value_name = "NEW", id = "new_name")]
    new_name: Option<String>,
    /// The technical user it acts as; tokens that are out are void
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
    #[command(flatten)]
    tokens: Tokens,
    /// Tokens are for this store
    #[arg(long, conflicts_with = "audience")]
    no_audience: bool,
    /// Tokens have no scope
    #[arg(long, conflicts_with = "scopes")]
    no_scope: bool,
    /// Whether it gets tokens; with no, those that are out are void
    #[arg(long, value_name = "YES|NO", value_parser = crate::cli::YesOrNo, action = ArgAction::Set)]
    active: Option<bool>,
}

/// `oauth-client remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    named: Named,
    /// It is fine if there is no such client
    #[arg(long)]
    if_exists: bool,
}

/// `oauth-client token`.
#[derive(Debug, Args)]
pub struct Token {
    /// The name, in any case, or the client id
    #[arg(value_name = "CLIENT", add = complete::oauth_clients())]
    client: String,
    /// Read the client secret from standard input, one line
    #[arg(long)]
    client_secret_stdin: bool,
    /// Only these scopes, of those the client has
    #[arg(long = "scope", value_name = "SCOPE", num_args = 1.., action = ArgAction::Append)]
    scopes: Vec<String>,
}

/// `oauth-client check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Read the access token from standard input, one line
    #[arg(long)]
    token_stdin: bool,
    /// Whom the token must be for [default: the audience of its client]
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
}

/// `oauth-client rotate-secret`.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    named: Named,
    /// Take the old secret too for so long, and leave its tokens good
    #[arg(long, value_name = "DURATION", add = complete::lives())]
    keep_old_for: Option<String>,
}

const TABLE: &[&str] = &["name", "user", "active", "ttl", "audience", "scopes"];

pub fn run(context: &mut Context, verb: OauthClient) -> Result<Answer> {
    match verb {
        OauthClient::Add(args) => add(context, args),
        OauthClient::List(args) => list(context, &args),
        OauthClient::Show(named) => {
            let session = context.session()?;
            let client = oauth_client::find(&session.store, &named.name)?;
            shown(&session.store, &client)
        }
        OauthClient::Edit(args) => edit(context, args),
        OauthClient::Remove(args) => remove(context, &args),
        OauthClient::Token(args) => token(context, &args),
        OauthClient::Check(args) => is_good(context, &args),
        OauthClient::RotateSecret(args) => rotate(context, &args),
    }
}

fn shown(store: &Store, client: &Client) -> Result<Answer> {
    Answer::thing(&ClientRow::of(store, client))
}

/// A client with its secret, where there is a new one.
fn with_secret(store: &Store, client: &Client, secret: Option<&Secret>) -> Result<Answer> {
    let mut whole: Row = row(&ClientRow::of(store, client))?;
    let secret = secret.map(|secret| Value::from(secret.expose()));
    whole.insert("client_secret".into(), secret.unwrap_or_default());
    Answer::thing(&whole)
}

fn list(context: &Context, args: &List) -> Result<Answer> {
    if args.jwks {
        context.only(&[Format::Table, Format::Json])?;
    }
    let session = context.session()?;
    let store = &session.store;
    if args.jwks {
        let keys = serde_json::to_string_pretty(&key_set(store)?)
            .map_err(|error| Error::new(Kind::Io, "cannot write the keys").because(error))?;
        return Ok(Answer::text(keys + "\n"));
    }
    let clients = oauth_client::list(store)?;
    let rows = clients.iter().map(|client| ClientRow::of(store, client));
    Ok(Answer::list(FIELDS, TABLE, rows.collect::<Vec<_>>()))
}

impl Tokens {
    fn fields(self, no_audience: bool, no_scope: bool) -> Result<Fields> {
        let scopes = (no_scope || !self.scopes.is_empty()).then_some(self.scopes);
        Ok(Fields {
            ttl: self.ttl.as_deref().map(seconds).transpose()?,
            audience: if no_audience {
                Some(None)
            } else {
                self.audience.map(Some)
            },
            scopes,
            ..Fields::default()
        })
    }
}

fn add(context: &mut Context, args: Add) -> Result<Answer> {
    let session = context.session()?;
    let name = args.name;
    let fields = Fields {
        user: Some(args.user),
        ..args.tokens.fields(false, false)?
    };
    let plan = PutClient::add(name.clone(), fields);
    let mut done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let client = oauth_client::find(&session.store, &name)?;
    let secret = plan.into_secret();
    let name = visible(&client.name).into_owned();
    if secret.is_none() {
        done.warnings.push(Warning {
            kind: "no_new_secret",
            message: "It keeps the secret it has, which cannot be shown again.".to_owned(),
            hint: Some(rotate_with(&client.name)),
        });
    }
    let answer = with_secret(&session.store, &client, secret.as_ref())?
        .changed(done.changed(), done.warnings);
    Ok(match secret {
        Some(_) => answer
            .say(format!(
                "The OAuth client `{name}` was added. Its secret is shown this once."
            ))
            .say(format!(
                "Next: `twofa oauth-client token {} --client-secret-stdin`.",
                argument(&client.name)
            )),
        None => answer.say(format!("The OAuth client `{name}` is like that already.")),
    })
}

fn edit(context: &mut Context, args: Edit) -> Result<Answer> {
    let session = context.session()?;
    let have = oauth_client::find(&session.store, &args.named.name)?;
    let fields = Fields {
        user: args.user,
        active: args.active,
        ..args.tokens.fields(args.no_audience, args.no_scope)?
    };
    let name = args.new_name.unwrap_or_else(|| have.name.clone());
    let plan = PutClient::edit(have.id, name, fields);
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let client = oauth_client::find(&session.store, &have.client_id)?;
    let name = visible(&client.name);
    let sentence = if done.changed() {
        format!("The OAuth client `{name}` was changed.")
    } else {
        format!("The OAuth client `{name}` is like that already.")
    };
    Ok(shown(&session.store, &client)?
        .changed(done.changed(), done.warnings)
        .say(sentence))
}

fn remove(context: &mut Context, args: &Remove) -> Result<Answer> {
    let session = context.session()?;
    let found = oauth_client::find(&session.store, &args.named.name);
    let have = match or_none(
        found,
        args.if_exists,
        "OAuth client",
        "name",
        &args.named.name,
    )? {
        Ok(have) => have,
        Err(none) => return Ok(none),
    };
    let plan = RemoveClient { id: have.id };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    Ok(shown(&session.store, &have)?
        .changed(done.changed(), done.warnings)
        .say(format!(
            "The OAuth client `{}` was removed, and its tokens are void.",
            visible(&have.name)
        )))
}

fn rotate(context: &mut Context, args: &Rotate) -> Result<Answer> {
    let session = context.session()?;
    let have = oauth_client::find(&session.store, &args.named.name)?;
    let keep = args.keep_old_for.as_deref().map(seconds).transpose()?;
    let plan = RotateSecret::new(have.id, keep)?;
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let client = oauth_client::find(&session.store, &have.client_id)?;
    let row = ClientRow::of(&session.store, &client);
    let name = visible(&client.name);
    let sentence = match row.old_secret_until {
        Some(until) => format!(
            "The OAuth client `{name}` has another secret, shown this once. The old one is taken until {until}."
        ),
        None => format!(
            "The OAuth client `{name}` has another secret, shown this once. The old one and its tokens are void."
        ),
    };
    let secret = plan.into_secret();
    Ok(with_secret(&session.store, &client, secret.as_ref())?
        .changed(done.changed(), done.warnings)
        .say(sentence))
}

fn token(context: &mut Context, args: &Token) -> Result<Answer> {
    context.only(&[Format::Table, Format::Json, Format::Ndjson])?;
    let session = context.session()?;
    let mut lines = context.lines(Wanted {
        client_secret: args.client_secret_stdin,
        ..Wanted::default()
    })?;
    let secret = match lines.client_secret.take() {
        Some(secret) => secret,
        None => context
            .ui
            .secret("Client secret", "--client-secret-stdin", false)?,
    };
    let issued = issue(&session, &args.client, &secret, &args.scopes)?;
    let shown = format!("{}\n", issued.access_token.expose());
    Ok(Answer::thing(&json!({
        "access_token": issued.access_token.expose(), "token_type": "Bearer",
        "expires_in": issued.expires_in, "scope": issued.scope,
    }))?
    .shown_as(shown))
}

fn is_good(context: &mut Context, args: &Check) -> Result<Answer> {
    let session = context.session()?;
    let mut lines = context.lines(Wanted {
        token: args.token_stdin.then_some("--token-stdin"),
        ..Wanted::default()
    })?;
    let token = match lines.token.take() {
        Some(token) => token,
        None => context.ui.secret("Token", "--token-stdin", false)?,
    };
    let mut whole = row(&check(&session.store, &token, args.audience.as_deref())?)?;
    if context.globals.output == Format::Table {
        // They say the same once more, for programs.
        whole.shift_remove("claims");
    }
    Answer::thing(&whole)
}

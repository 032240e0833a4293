//! `authenticator`: authenticator apps.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use twofa::authenticator::{self, AuthenticatorRow, Disconnect, Enrolment};
use twofa::enrol;
use twofa::error::{Error, Kind, Result};
use twofa::files::PrivateFile;
use twofa::name::{argument, visible};
use twofa::secret::Secret;

use crate::answer::{Answer, row};
use crate::cli::{CodeFrom, Format, Lockout};
use crate::complete;
use crate::qr;
use crate::session::Context;
use crate::ui::Wanted;

/// Manage authenticator apps
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa authenticator connect alice\n  twofa authenticator confirm alice --code 123456\n  twofa authenticator disconnect alice"
)]
pub enum Authenticator {
    /// Begin to connect a user's app: a QR code, a secret and a setup token
    ///
    /// An app that is connected already is kept until the new one is confirmed.
    #[command(
        after_help = "Examples:\n  twofa authenticator connect alice\n  twofa authenticator connect alice --out alice.png\n  twofa authenticator connect alice -o json"
    )]
    Connect(Connect),
    /// Confirm with a code of the new app
    #[command(
        after_help = "Examples:\n  twofa authenticator confirm alice --code 123456\n  twofa authenticator confirm alice --setup-token TOKEN --code 123456"
    )]
    Confirm(Confirm),
    /// List the users with an app
    #[command(
        after_help = "Examples:\n  twofa authenticator list\n  twofa authenticator list -o csv"
    )]
    List,
    /// Show a user's app
    #[command(
        after_help = "Examples:\n  twofa authenticator show alice\n  twofa authenticator show alice -o json"
    )]
    #[command(mut_arg("user", |it| it.add(complete::users_with_app())))]
    Show(Named),
    /// Disconnect a user's app, for example when a device was lost
    #[command(
        after_help = "Examples:\n  twofa authenticator disconnect alice --reason 'phone lost'\n  twofa authenticator disconnect alice --yes -o json"
    )]
    #[command(mut_arg("user", |it| it.add(complete::users_with_app())))]
    Disconnect(Lost),
}

/// A user by login or email.
#[derive(Debug, Args)]
pub struct Named {
    /// Login or email address, in any case
    #[arg(value_name = "USER", add = complete::users())]
    user: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Picture {
    /// In the terminal
    Terminal,
    /// An SVG document
    Svg,
    /// A PNG file
    Png,
}

/// `authenticator connect`.
#[derive(Debug, Args)]
pub struct Connect {
    #[command(flatten)]
    named: Named,
    /// How the QR code is drawn [default: terminal, on a terminal]
    #[arg(long, value_name = "HOW")]
    qr: Option<Picture>,
    /// Where an SVG or PNG goes; - is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

/// `authenticator confirm`.
#[derive(Debug, Args)]
pub struct Confirm {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    code: CodeFrom,
    /// The setup token of `connect`; root and the store's owner need none
    #[arg(long, value_name = "T", conflicts_with = "setup_token_stdin")]
    setup_token: Option<String>,
    /// Read the setup token from standard input, one line
    #[arg(long)]
    setup_token_stdin: bool,
}

/// `authenticator disconnect`.
#[derive(Debug, Args)]
pub struct Lost {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    code: CodeFrom,
    #[command(flatten)]
    lockout: Lockout,
}

const COLUMNS: &[&str] = &[
    "user",
    "connected",
    "connected_at",
    "algorithm",
    "digits",
    "period",
    "pending_until",
];
const TABLE: &[&str] = &["user", "connected", "connected_at", "pending_until"];

pub fn run(context: &mut Context, verb: Authenticator) -> Result<Answer> {
    match verb {
        Authenticator::Connect(args) => connect(context, &args),
        Authenticator::Confirm(args) => confirm(context, &args),
        Authenticator::List => {
            let session = context.session()?;
            let only = session.only_oneself()?;
            Ok(Answer::stream(COLUMNS, TABLE, move |each| {
                authenticator::list(&session.store, only, &mut |one: AuthenticatorRow| {
                    each(row(&one)?)
                })
            }))
        }
        Authenticator::Show(named) => {
            let session = context.session()?;
            let user = session.about(&named.user)?;
            Answer::thing(&authenticator::show(&session.store, user.id)?)
        }
        Authenticator::Disconnect(args) => disconnect(context, &args),
    }
}

/// The picture that is asked for, in words or by the name of its file.
fn wanted_picture(args: &Connect) -> Result<Option<Picture>> {
    Ok(match (args.qr, &args.out) {
        (Some(Picture::Terminal), Some(_)) => {
            return Err(Error::new(
                Kind::Usage,
                "--out goes with --qr svg or --qr png",
            ));
        }
        (Some(Picture::Svg | Picture::Png), None) => {
            return Err(Error::new(Kind::Usage, "an SVG or PNG needs a place")
                .hint("name it with --out FILE, or - for standard output"));
        }
        (None, Some(path))
            if path
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("png")) =>
        {
            Some(Picture::Png)
        }
        (None, Some(_)) => Some(Picture::Svg),
        (picture, _) => picture,
    })
}

fn connect(context: &mut Context, args: &Connect) -> Result<Answer> {
    let to_stdout = args
        .out
        .as_deref()
        .is_some_and(|path| path.as_os_str() == "-");
    let picture = wanted_picture(args)?;
    if to_stdout && context.globals.output != Format::Table {
        return Err(Error::new(
            Kind::Usage,
            "standard output cannot hold both the picture and the answer",
        )
        .hint("name a file with --out"));
    }
    let session = context.session()?;
    let user = session.about(&args.named.user)?;
    // A place that cannot be written is found before a pending set-up is replaced.
    let place = match &args.out {
        Some(path) if !to_stdout => {
            if path.symlink_metadata().is_ok() && !path.is_dir() {
                return Err(unwritable(path, ErrorKind::AlreadyExists.into()));
            }
            let file = PrivateFile::begin(path).map_err(|error| unwritable(path, error))?;
            Some((path, file))
        }
        _ => None,
    };
    let enrolment = enrol::connect(&session, &user)?;
    let login = argument(&user.login);
    let drawn = match picture {
        Some(Picture::Svg) => Some(qr::svg(&enrolment.uri)?.into_bytes()),
        Some(Picture::Png) => Some(qr::png(&enrolment.uri)?),
        Some(Picture::Terminal) | None => None,
    };
    let token = enrolment.setup_token.expose().to_owned();
    let next = format!(
        "Next: `twofa authenticator confirm {login} --setup-token {token} --code N`, until {}.",
        enrolment.expires_at
    );
    if let (Some(bytes), true) = (&drawn, to_stdout) {
        return Ok(Answer::bytes(bytes.clone()).say(next));
    }
    let mut answer = Answer::thing(&enrolment)?.changed(true, Vec::new());
    if let (Some(bytes), Some((path, mut file))) = (drawn, place) {
        file.fill(&bytes)
            .and_then(|()| file.finish())
            .map_err(|error| unwritable(path, error))?;
        answer = answer.say(format!(
            "The QR code is in {}. Whoever reads it can make codes: remove it when it was scanned.",
            path.display()
        ));
    } else if context.globals.output == Format::Table {
        answer = answer.shown_as(on_terminal(&enrolment, picture.is_some())?);
    }
    Ok(answer.say(next))
}

/// Nothing is written over: what is there may be the key file.
fn unwritable(path: &Path, error: io::Error) -> Error {
    if error.kind() == ErrorKind::AlreadyExists {
        return Error::new(
            Kind::Conflict,
            format!("`{}` is there already", path.display()),
        )
        .hint("name another file with --out, or remove this one");
    }
    Error::new(Kind::Io, format!("cannot write `{}`", path.display())).because(error)
}

/// The enrolment for eyes: the QR code where it fits and can be seen, and always the text.
pub fn on_terminal(enrolment: &Enrolment, always: bool) -> Result<String> {
    let size = crate::terminal_width();
    let mut text = String::new();
    if always || size.is_some() {
        match qr::terminal(&enrolment.uri, size)? {
            Some(lines) => text.push_str(&lines),
            None => text.push_str("The terminal is too narrow for the QR code; type the secret into the app, or use --qr png --out FILE.\n"),
        }
        text.push('\n');
    }
    let spaced: Vec<String> = enrolment
        .secret
        .expose()
        .as_bytes()
        .chunks(4)
        .map(|four| String::from_utf8_lossy(four).into_owned())
        .collect();
    text.push_str(&format!("secret       {}\n", spaced.join(" ")));
    text.push_str(&format!("uri          {}\n", enrolment.uri.expose()));
    text.push_str(&format!(
        "setup token  {}\n",
        enrolment.setup_token.expose()
    ));
    text.push_str(&format!("expires at   {}\n", enrolment.expires_at));
    Ok(text)
}

fn confirm(context: &mut Context, args: &Confirm) -> Result<Answer> {
    let session = context.session()?;
    let user = session.about(&args.named.user)?;
    let mut lines = context.lines(Wanted {
        token: args.setup_token_stdin.then_some("--setup-token-stdin"),
        code: args.code.code_stdin,
        ..Wanted::default()
    })?;
    let token = lines
        .token
        .take()
        .or_else(|| args.setup_token.clone().map(Secret::new));
    let code = context.code(&args.code, &mut lines, "Code of the new app")?;
    let given = context.given(&mut lines)?;
    let warnings = enrol::confirm(
        &session,
        &user,
        &code,
        token.as_ref(),
        &given,
        &mut context.ui,
    )?;
    let shown = authenticator::show(&session.store, user.id)?;
    Ok(Answer::thing(&shown)?.changed(true, warnings).say(format!(
        "The authenticator app of `{}` is connected.",
        visible(&user.login)
    )))
}

fn disconnect(context: &mut Context, args: &Lost) -> Result<Answer> {
    let session = context.session()?;
    let user = session.about(&args.named.user)?;
    let mut lines = context.lines(Wanted {
        code: args.code.code_stdin,
        ..Wanted::default()
    })?;
    let confirm = context.given_with(&args.code, &mut lines)?;
    let plan = Disconnect { user: user.id };
    let done = context.commit_with(&session, &plan, args.lockout.allowance(), confirm)?;
    let shown = authenticator::show(&session.store, user.id)?;
    let login = visible(&user.login).into_owned();
    let changed = done.changed();
    let sentence = if changed {
        format!("The authenticator app of `{login}` is disconnected.")
    } else {
        format!("`{login}` has no authenticator app connected.")
    };
    let answer = Answer::thing(&shown)?
        .changed(changed, done.warnings)
        .say(sentence);
    Ok(if changed {
        answer.say(format!(
            "Next: `twofa authenticator connect {}`.",
            argument(&user.login)
        ))
    } else {
        answer
    })
}

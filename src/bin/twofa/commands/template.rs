//! `template`: the words in which a code leaves us.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use twofa::actor::Session;
use twofa::change::Committed;
use twofa::delivery;
use twofa::error::{Error, Kind, Result};
use twofa::guard::Allowance;
use twofa::name::{argument, visible};
use twofa::plan::{Plan as _, Warning};
use twofa::setting::{self, Settings};
use twofa::store::Store;
use twofa::template::{
    self, Draft, FALLBACK, Html, LONGEST, ResetWords, SetWords, TemplateRow, TemplateText,
};
use twofa::user;
use twofa::user::rules::language;

use crate::answer::Answer;
use crate::cli::Format;
use crate::complete;
use crate::editor;
use crate::session::Context;
use crate::ui;

/// Manage message templates
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  twofa template edit '2FA verification code'\n  twofa template preview '2FA verification code' --user alice"
)]
pub enum Template {
    /// List the templates
    #[command(after_help = "Examples:\n  twofa template list\n  twofa template list -o json")]
    List,
    /// Show the words of a template
    #[command(
        after_help = "Examples:\n  twofa template show '2FA verification code'\n  twofa template show '2FA SMS code' --language de -o json"
    )]
    Show(Worded),
    /// Change the words of a template in your editor
    ///
    /// It is the command of the variable VISUAL, else of EDITOR, else vi.
    #[command(
        after_help = "Examples:\n  twofa template edit '2FA verification code'\n  twofa template edit '2FA SMS code' --language de"
    )]
    Edit(Worded),
    /// Change the words of a template
    ///
    /// What is not given stays as it is. A language that has no words yet needs all of them. The code's macro stays in
    /// every part; `template list` shows the macros of each template.
    #[command(
        after_help = "Examples:\n  twofa template set '2FA SMS code' --text 'Code: #SecondFactorCode#'\n  twofa template set '2FA verification code' --language es \\\n      --subject 'Tu código' --text-file words.txt\n  twofa template set '2FA verification code' --no-html"
    )]
    Set(Set),
    /// Go back to the shipped words of a template
    ///
    /// A language that ships none has no words any more.
    #[command(
        after_help = "Examples:\n  twofa template reset '2FA SMS code'\n  twofa template reset '2FA verification code' --all"
    )]
    Reset(Reset),
    /// Show a template as a user would get it; nothing is sent
    ///
    /// That is in the user's language, else in the one it is a variant of (pt for pt-br), else in English.
    #[command(
        after_help = "Examples:\n  twofa template preview '2FA verification code' --user alice\n  twofa template preview '2FA SMS code' --language de"
    )]
    Preview(Preview),
}

/// A template by name.
#[derive(Debug, Args)]
pub struct Named {
    /// The name, in any case
    #[arg(value_name = "TEMPLATE", add = complete::templates())]
    name: String,
}

/// The words of a template in a language.
#[derive(Debug, Args)]
pub struct Worded {
    #[command(flatten)]
    named: Named,
    /// The language, such as en, de or pt-br
    #[arg(long, value_name = "TAG", default_value = FALLBACK, add = complete::languages())]
    language: String,
}

/// `template set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("given").args(["subject", "text", "text_file", "html", "html_file", "no_html"]).multiple(true).required(true))]
pub struct Set {
    #[command(flatten)]
    worded: Worded,
    /// The subject, of an email
    #[arg(long)]
    subject: Option<String>,
    /// The text
    #[arg(long, conflicts_with = "text_file")]
    text: Option<String>,
    /// Read the text from a file; - reads standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    text_file: Option<PathBuf>,
    /// The HTML, of an email
    #[arg(long, conflicts_with_all = ["html_file", "no_html"])]
    html: Option<String>,
    /// Read the HTML from a file; - reads standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_html")]
    html_file: Option<PathBuf>,
    /// Send no HTML
    #[arg(long)]
    no_html: bool,
}

/// `template reset`.
#[derive(Debug, Args)]
pub struct Reset {
    #[command(flatten)]
    worded: Worded,
    /// Every language
    #[arg(long, conflicts_with = "language")]
    all: bool,
}

/// `template preview`.
#[derive(Debug, Args)]
pub struct Preview {
    #[command(flatten)]
    named: Named,
    /// The user it would go to [default: the acting user]
    #[arg(long, value_name = "LOGIN", add = complete::users())]
    user: Option<String>,
    /// As if this were the user's language
    #[arg(long, value_name = "TAG", add = complete::languages())]
    language: Option<String>,
}

const COLUMNS: &[&str] = &["name", "kind", "languages", "modified", "macros"];

pub fn run(context: &mut Context, verb: Template) -> Result<Answer> {
    match verb {
        Template::List => {
            let session = context.session()?;
            Ok(Answer::list(
                COLUMNS,
                COLUMNS,
                template::list(&session.store)?,
            ))
        }
        Template::Show(args) => {
            let session = context.session()?;
            let row = template::find(&session.store, &args.named.name)?;
            let found = template::show(&session.store, &row, &language(&args.language)?)?;
            shown(context, &found)
        }
        Template::Set(args) => set(context, args),
        Template::Edit(args) => edit(context, &args),
        Template::Reset(args) => reset(context, &args),
        Template::Preview(args) => preview(context, &args),
    }
}

/// The words as they are read, and in JSON all there is.
fn shown(context: &Context, found: &TemplateText) -> Result<Answer> {
    let mut text = String::new();
    if let Some(subject) = &found.words.subject {
        text.push_str(&format!("Subject: {subject}\n\n"));
    }
    text.push_str(&found.words.text);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let answer = Answer::thing(found)?.shown_as(text);
    let hidden = found.words.html.is_some() && context.globals.output == Format::Table;
    Ok(if hidden {
        answer.say("There is an HTML part too: --output json shows it.")
    } else {
        answer
    })
}

/// The words as `show` gives them, after a verb that writes.
fn written(
    context: &Context,
    session: &Session,
    plan: &SetWords,
    mut done: Committed,
) -> Result<Answer> {
    done.warnings.extend(plan.warnings(&session.store)?);
    done.warnings
        .extend(long(session, &plan.template, &plan.language)?);
    // A language whose words were not changed may still have none.
    let found = template::fallen_back(&session.store, &plan.template, &plan.language)?;
    let (changed, name) = (done.changed(), &plan.template.name);
    let answer = shown(context, &found)?.changed(changed, done.warnings);
    let (shown, language) = (visible(name), &plan.language);
    Ok(if changed {
        answer
            .say(format!(
                "The words of `{shown}` in `{language}` were changed."
            ))
            .say(format!(
                "Next: `twofa template preview {} --language {language}`.",
                argument(name)
            ))
    } else {
        answer.say(format!(
            "The words of `{shown}` in `{language}` are as they were."
        ))
    })
}

fn set(context: &mut Context, args: Set) -> Result<Answer> {
    let session = context.session()?;
    let is_stream =
        |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let streams = [
        is_stream(&args.text_file),
        is_stream(&args.html_file),
        context.globals.confirm_code_stdin,
    ];
    if streams.iter().filter(|is_stream| **is_stream).count() > 1 {
        return Err(Error::new(
            Kind::Usage,
            "standard input can be only one of the text, the HTML and the confirmation code",
        )
        .hint("name a file"));
    }
    let read = |path: Option<PathBuf>| path.as_deref().map(file).transpose();
    let text = read(args.text_file)?;
    let html = read(args.html_file)?;
    let plan = SetWords {
        template: template::find(&session.store, &args.worded.named.name)?,
        language: language(&args.worded.language)?,
        subject: args.subject,
        text: args.text.or(text),
        html: match args.html.or(html) {
            Some(html) => Html::Set(html),
            None if args.no_html => Html::Clear,
            None => Html::Keep,
        },
        based_on: None,
    };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    written(context, &session, &plan, done)
}

/// A file of words, or standard input.
fn file(path: &Path) -> Result<String> {
    let shown = path.display();
    let (source, name): (Box<dyn Read>, String) = if path.as_os_str() == "-" {
        (Box::new(ui::input()), "standard input".to_owned())
    } else {
        let file = std::fs::File::open(path).map_err(|error| {
            Error::new(Kind::Io, format!("cannot read `{shown}`")).because(error)
        })?;
        (Box::new(file), format!("`{shown}`"))
    };
    // Twice as much: line ends of two characters become one.
    let most = LONGEST * 2;
    let mut bytes = Vec::new();
    source
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(Kind::Io, format!("cannot read {name}")).because(error))?;
    if bytes.len() > most {
        return Err(Error::new(
            Kind::InvalidValue,
            format!("{name} is longer than {LONGEST} bytes"),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::InvalidValue, format!("{name} is not UTF-8")))
}

fn edit(context: &mut Context, args: &Worded) -> Result<Answer> {
    let session = context.session()?;
    let row = template::find(&session.store, &args.named.name)?;
    let language = language(&args.language)?;
    if !context.ui.can_ask() {
        return Err(
            Error::new(Kind::MissingAnswer, "an editor needs a terminal").hint(format!(
                "`twofa template set {} --language {language}` takes the words as options or from files",
                argument(&row.name)
            )),
        );
    }
    let draft = Draft::begin(&session.store, &row, &language)?;
    let mut text = draft.text.clone();
    let plan = loop {
        text = editor::edit(&text)?;
        if text == draft.text {
            let found = template::fallen_back(&session.store, &row, &language)?;
            return Ok(shown(context, &found)?
                .changed(false, Vec::new())
                .say("Nothing was changed."));
        }
        let checked = draft.finish(&text).and_then(|plan| {
            plan.changes(&session.store)?;
            Ok(plan)
        });
        match checked {
            Ok(plan) => break plan,
            Err(error) if error.kind() == Kind::InvalidValue => {
                ui::error(&error, context.globals.color, false);
                if !ui::wants("Edit it again?")? {
                    return Err(Error::new(Kind::Declined, "nothing was changed"));
                }
            }
            Err(error) => return Err(error),
        }
    };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    written(context, &session, &plan, done)
}

fn reset(context: &mut Context, args: &Reset) -> Result<Answer> {
    let session = context.session()?;
    let row = template::find(&session.store, &args.worded.named.name)?;
    let language = language(&args.worded.language)?;
    let plan = ResetWords {
        template: row.clone(),
        language: (!args.all).then(|| language.clone()),
    };
    let done = context.commit(&session, &plan, Allowance::Nobody, None)?;
    let (changed, name) = (done.changed(), visible(&row.name));
    if args.all {
        let row: TemplateRow = template::find(&session.store, &row.name)?;
        let sentence = if changed {
            format!("`{name}` has the shipped words in every language again, and no others.")
        } else {
            format!("`{name}` has the shipped words in every language already, and no others.")
        };
        return Ok(Answer::thing(&row)?
            .changed(changed, done.warnings)
            .say(sentence));
    }
    let found = template::fallen_back(&session.store, &row, &language)?;
    let sentence = if found.language != language {
        format!(
            "`{name}` has no words in `{language}` any more; its users get those in `{}`.",
            found.language
        )
    } else if changed {
        format!("`{name}` has the shipped words in `{language}` again.")
    } else {
        format!("`{name}` has the shipped words in `{language}` already.")
    };
    Ok(shown(context, &found)?
        .changed(changed, done.warnings)
        .say(sentence))
}

/// Whoever has a name of usual length gets the words in one SMS, or there is something to say.
fn long(session: &Session, row: &TemplateRow, language: &str) -> Result<Option<Warning>> {
    if row.kind != "sms" {
        return Ok(None);
    }
    let found = filled(&session.store, row, language, "Alexandra Anderson")?;
    let parts = delivery::sms_parts(&found.words.text);
    Ok((parts > 1).then(|| Warning {
        kind: "long_sms",
        message: format!("these words make {parts} SMS of each."),
        hint: Some(
            "one holds 160 characters, or 70 with letters that the GSM alphabet does not have"
                .to_owned(),
        ),
    }))
}

/// The words that somebody of this name and language gets, with a code and a token that nothing accepts.
fn filled(store: &Store, row: &TemplateRow, language: &str, name: &str) -> Result<TemplateText> {
    let settings = Settings::load(store)?;
    let life = |setting| settings.number(setting).to_string();
    let seconds = life(&setting::SECOND_FACTOR_CODE_TTL);
    let minutes = life(&setting::RECOVERY_TTL);
    let values = [
        ("Username", name),
        ("SecondFactorCode", "123456"),
        ("SecondFactorCodeTTL", seconds.as_str()),
        ("RecoveryToken", "example-token"),
        ("RecoveryTokenTTL", minutes.as_str()),
    ];
    template::preview(store, row, language, &values)
}

fn preview(context: &Context, args: &Preview) -> Result<Answer> {
    let session = context.session()?;
    let row = template::find(&session.store, &args.named.name)?;
    let user = match &args.user {
        Some(login) => user::find(&session.store, login)?,
        None => session.actor.user.clone(),
    };
    let language = match &args.language {
        Some(tag) => language(tag)?,
        None => user.language.clone(),
    };
    let name = user.name.as_deref().unwrap_or(&user.login);
    let found = filled(&session.store, &row, &language, name)?;
    let answer = shown(context, &found)?;
    Ok(if found.language == language {
        answer
    } else {
        answer.say(format!(
            "There are no words in `{}`; these are those in `{}`.",
            visible(&language),
            found.language
        ))
    })
}

//! What the command line gives of a provider, and what the library is told of it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, ValueHint};
use twofa::error::{Error, Kind, Result};
use twofa::idp::edit::{Certificates, Fields, Pair};
use twofa::idp::rules::{divided, same_provider};
use twofa::idp::{Idp, Mapped, Said, Taken, Vendor};
use twofa::name::visible;
use twofa::plan::Warning;
use twofa::sso::certificate::Certificate;
use twofa::sso::metadata::{self, Described};
use twofa::sso::{Binding, pair};
use zeroize::Zeroizing;

use crate::cli::YesOrNo;
use crate::complete;
use crate::session::Context;

const PROVIDER: &str = "The provider";
const OURS: &str = "What it knows of us";
const PEOPLE: &str = "Whom it may speak for";
const BELIEVED: &str = "What is believed of it";

/// The longest file of a certificate.
const LONGEST_CERTIFICATE: usize = 64 * 1024;

/// One of some words, as the library knows it.
fn word<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    code: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let words: Vec<&str> = all.iter().map(|one| code(*one)).collect();
    PossibleValuesParser::new(words).try_map(move |typed| {
        let found = all.iter().copied().find(|one| code(*one) == typed);
        found.ok_or_else(|| format!("`{typed}` is none of them"))
    })
}

/// What is given of a provider that is added as well as of one that is edited.
#[derive(Debug, Args)]
pub struct Given {
    /// Whose product it is [default: what its entity id says, else custom]
    #[arg(long, value_name = "KIND", value_parser = word(Vendor::ALL, Vendor::code), help_heading = PROVIDER)]
    pub kind: Option<Vendor>,
    /// Take its metadata from a file; - reads standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["sso_url", "slo_url"], help_heading = PROVIDER)]
    metadata: Option<PathBuf>,
    /// Its entity id; with --metadata, which of those in the file is meant
    #[arg(long, value_name = "URI", help_heading = PROVIDER)]
    entity_id: Option<String>,
    /// Where a browser is sent to log in (HTTP-Redirect)
    #[arg(long, value_name = "URL", help_heading = PROVIDER)]
    sso_url: Option<String>,
    /// Where a logout is asked for
    #[arg(long, value_name = "URL", help_heading = PROVIDER)]
    slo_url: Option<String>,
    /// Where the application takes responses (HTTP-POST)
    #[arg(long, value_name = "URL", help_heading = OURS)]
    acs_url: Option<String>,
    /// Our entity id with it [default: one of the store]
    #[arg(long, value_name = "URI", help_heading = OURS)]
    own_entity_id: Option<String>,
    /// Make a key of ours and its certificate, in the place of what is there
    #[arg(long, conflicts_with = "key_pair", help_heading = OURS)]
    make_key: bool,
    /// Take a key of ours and its certificate from a file (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OURS)]
    key_pair: Option<PathBuf>,
    /// Whether requests are signed with it
    #[arg(long, value_name = "YES|NO", value_parser = YesOrNo, action = ArgAction::Set, help_heading = OURS)]
    sign_requests: Option<bool>,
    /// Which employees come through it [default: existing]
    #[arg(long, value_name = "WHICH", value_parser = word(Taken::ALL, Taken::code), help_heading = PEOPLE)]
    employees: Option<Taken>,
    /// Which external users come through it [default: none]
    #[arg(long, value_name = "WHICH", value_parser = word(Taken::ALL, Taken::code), help_heading = PEOPLE)]
    externals: Option<Taken>,
    /// A new user is an external one where this attribute has this value
    #[arg(long, value_name = "ATTRIBUTE=VALUE", help_heading = PEOPLE)]
    external_when: Option<String>,
    /// Whether administrators may come through it
    #[arg(long, value_name = "YES|NO", value_parser = YesOrNo, action = ArgAction::Set, help_heading = PEOPLE)]
    administrators: Option<bool>,
    /// The attribute that says who it is [default: NameID]
    #[arg(long, value_name = "NAME", help_heading = PEOPLE)]
    login_attribute: Option<String>,
    /// Attributes and the fields they fill (login, name, first_name, last_name, email, phone, language), all of them
    #[arg(long = "map", value_name = "ATTRIBUTE=FIELD", num_args = 1.., action = ArgAction::Append, add = complete::mapped(), help_heading = PEOPLE)]
    map: Vec<String>,
    /// Whether each login brings these fields up to date
    #[arg(long, value_name = "YES|NO", value_parser = YesOrNo, action = ArgAction::Set, help_heading = PEOPLE)]
    update_users: Option<bool>,
    /// The attribute whose values stand for groups
    #[arg(long, value_name = "NAME", help_heading = PEOPLE)]
    groups_attribute: Option<String>,
    /// A value of it, and a group that it stands for
    #[arg(long = "group", value_name = "VALUE=GROUP", num_args = 1.., action = ArgAction::Append, add = complete::valued_groups(), help_heading = PEOPLE)]
    groups: Vec<String>,
    /// The format of NameID to ask for: email, persistent, transient, unspecified or a URI
    #[arg(long, value_name = "FORMAT", add = complete::name_id_formats(), help_heading = BELIEVED)]
    name_id_format: Option<String>,
    /// Whether it may begin a login that nobody asked for here
    #[arg(long, value_name = "YES|NO", value_parser = YesOrNo, action = ArgAction::Set, help_heading = BELIEVED)]
    idp_initiated: Option<bool>,
    /// Whether signatures with SHA-1 are taken
    #[arg(long, value_name = "YES|NO", value_parser = YesOrNo, action = ArgAction::Set, help_heading = BELIEVED)]
    allow_sha1: Option<bool>,
    /// Whether it has to assert a second factor
    #[arg(long, value_name = "YES|NO", value_parser = YesOrNo, action = ArgAction::Set, help_heading = BELIEVED)]
    require_mfa_context: Option<bool>,
    /// Contexts that assert one, all of them
    #[arg(long = "mfa-context", value_name = "URI", num_args = 1.., action = ArgAction::Append, help_heading = BELIEVED)]
    mfa_contexts: Vec<String>,
    /// An attribute that asserts one where it has this value
    #[arg(long, value_name = "NAME=VALUE", help_heading = BELIEVED)]
    mfa_attribute: Option<String>,
}

/// What takes away.
#[derive(Debug, Args)]
pub struct Gone {
    /// It has no address for logouts
    #[arg(long, conflicts_with = "slo_url")]
    no_slo_url: bool,
    /// Our entity id is the one of the store
    #[arg(long, conflicts_with = "own_entity_id")]
    no_own_entity_id: bool,
    /// We have no key with it
    #[arg(long, conflicts_with_all = ["make_key", "key_pair"])]
    no_key_pair: bool,
    /// Nothing tells new external users from new employees
    #[arg(long, conflicts_with = "external_when")]
    no_external_when: bool,
    /// NameID says who it is
    #[arg(long, conflicts_with = "login_attribute")]
    no_login_attribute: bool,
    /// No attribute fills a field
    #[arg(long, conflicts_with = "map")]
    no_map: bool,
    /// No attribute stands for groups
    #[arg(long, conflicts_with = "groups_attribute")]
    no_groups_attribute: bool,
    /// A value that stands for no group any more
    #[arg(long = "no-group", value_name = "VALUE", num_args = 1.., action = ArgAction::Append, add = complete::group_values())]
    no_groups: Vec<String>,
    /// Ask for no format of NameID
    #[arg(long, conflicts_with = "name_id_format")]
    no_name_id_format: bool,
    /// No context asserts a second factor
    #[arg(long, conflicts_with = "mfa_contexts")]
    no_mfa_context: bool,
    /// No attribute asserts one
    #[arg(long, conflicts_with = "mfa_attribute")]
    no_mfa_attribute: bool,
    /// Take a certificate too, beside the others
    #[arg(long = "add-certificate", value_name = "FILE", num_args = 1.., action = ArgAction::Append, value_hint = ValueHint::FilePath, conflicts_with = "metadata")]
    add_certificates: Vec<PathBuf>,
    /// Take a certificate away, by the beginning of its fingerprint
    #[arg(long = "remove-certificate", value_name = "FINGERPRINT", num_args = 1.., action = ArgAction::Append, conflicts_with = "metadata", add = complete::fingerprints())]
    remove_certificates: Vec<String>,
    /// Forget what the provider calls this user
    #[arg(long, value_name = "LOGIN", num_args = 1.., action = ArgAction::Append, add = complete::linked_users())]
    unlink: Vec<String>,
}

/// What was given, and what is worth saying of it.
pub struct Understood {
    pub fields: Fields,
    pub warnings: Vec<Warning>,
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let typed = path.to_string_lossy();
    if typed.starts_with("https://") || typed.starts_with("http://") {
        let message = format!("`{}` is an address, and a file is wanted", visible(&typed));
        return Error::new(Kind::InvalidValue, message)
            .hint("download it first, and give the name of the file");
    }
    Error::new(Kind::Io, format!("cannot read `{}`", path.display())).because(error)
}

/// A file that is text, at most so many bytes of it.
fn text(path: &Path, most: usize) -> Result<Zeroizing<String>> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let mut text = Zeroizing::new(String::new());
    file.take(most as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(path, error))?;
    if text.len() > most {
        let message = format!("`{}` is longer than {most} bytes", path.display());
        return Err(Error::new(Kind::InvalidValue, message));
    }
    Ok(text)
}

/// A certificate in PEM or DER.
fn certificate(path: &Path) -> Result<Certificate> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    file.take(LONGEST_CERTIFICATE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, error))?;
    let read = match std::str::from_utf8(&bytes) {
        Ok(text) => Certificate::from_text(text),
        Err(_) => Certificate::from_der(&bytes),
    };
    read.map_err(|error| {
        let message = format!("`{}`: {}", path.display(), error.message());
        let named = Error::new(error.kind(), message);
        match error.hint_text() {
            Some(hint) => named.hint(hint),
            None => named,
        }
    })
}

pub fn certificates(paths: &[PathBuf]) -> Result<Vec<Certificate>> {
    paths.iter().map(|path| certificate(path)).collect()
}

fn said(text: Option<&str>, form: &str) -> Result<Option<Said>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let (attribute, value) = divided(text, form)?;
    Ok(Some(Said {
        attribute: attribute.to_owned(),
        value: value.to_owned(),
    }))
}

/// What is set, cleared or left alone.
#[expect(
    clippy::option_option,
    reason = "as the library has it: what is not said, and what is cleared"
)]
fn patch<T>(given: Option<T>, gone: bool) -> Option<Option<T>> {
    match given {
        Some(given) => Some(Some(given)),
        None => gone.then_some(None),
    }
}

impl Given {
    /// What the metadata says; of several providers in it the one that is named, else the one that is `known`. A file of
    /// another one is taken for a mistake.
    fn described(&self, context: &Context, known: Option<&Idp>) -> Result<Option<Described>> {
        let Some(path) = &self.metadata else {
            return Ok(None);
        };
        let limit = metadata::LONGEST as u64 + 1;
        let mut bytes = Vec::new();
        if path.as_os_str() == "-" {
            let input = context.file_from_input()?;
            input.take(limit).read_to_end(&mut bytes)
        } else {
            let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
            file.take(limit).read_to_end(&mut bytes)
        }
        .map_err(|error| unreadable(path, error))?;
        if path.as_os_str() == "-" && bytes.iter().all(u8::is_ascii_whitespace) {
            let message = "standard input has no metadata for --metadata -";
            return Err(Error::new(Kind::MissingAnswer, message));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            let message = format!("`{}` is not UTF-8", path.display());
            Error::new(Kind::InvalidValue, message)
        })?;
        let now = context.source.now();
        let read = match (metadata::read(&text, self.entity_id.as_deref(), now), known) {
            (Err(error), Some(known)) if error.kind() == Kind::Conflict => {
                metadata::read(&text, Some(&known.entity_id), now)
            }
            (read, _) => read,
        };
        let described = read.map_err(|error| match error.kind() {
            Kind::Conflict | Kind::NotFound => error.hint("--entity-id URI says which is meant"),
            _ => error,
        })?;
        if let (Some(known), None) = (known, &self.entity_id) {
            same_provider(known, &described.entity_id)?;
        }
        Ok(Some(described))
    }

    fn pair(&self, context: &Context, gone: bool) -> Result<Pair> {
        if self.make_key {
            return pair::make(context.source.as_ref()).map(Pair::New);
        }
        Ok(match &self.key_pair {
            Some(path) => Pair::New(pair::read(&text(path, pair::LONGEST)?)?),
            None if gone => Pair::None,
            None => Pair::Keep,
        })
    }

    fn attribute_map(&self, gone: bool) -> Result<Option<Vec<(String, Mapped)>>> {
        if self.map.is_empty() {
            return Ok(gone.then(Vec::new));
        }
        let pair = |text: &String| {
            let (attribute, field) = divided(text, "ATTRIBUTE=FIELD")?;
            Ok((attribute.to_owned(), Mapped::parse(field)?))
        };
        self.map.iter().map(pair).collect::<Result<_>>().map(Some)
    }

    /// What the library is told. `gone` is what an edit takes away, `known` the provider that is there.
    pub fn understood(
        &self,
        context: &Context,
        gone: Option<&Gone>,
        known: Option<&Idp>,
    ) -> Result<Understood> {
        let is_gone = |what: fn(&Gone) -> bool| gone.is_some_and(what);
        let groups = self.groups.iter().map(|text| {
            let (value, group) = divided(text, "VALUE=GROUP")?;
            Ok((value.to_owned(), group.to_owned()))
        });
        let contexts = is_gone(|gone| gone.no_mfa_context) || !self.mfa_contexts.is_empty();
        let external = said(self.external_when.as_deref(), "ATTRIBUTE=VALUE")?;
        let mfa = said(self.mfa_attribute.as_deref(), "NAME=VALUE")?;
        let own = |text: &Option<String>, what| patch(text.clone(), is_gone(what));
        let mut fields = Fields {
            entity_id: self.entity_id.clone(),
            sso_url: self.sso_url.clone(),
            slo_url: own(&self.slo_url, |gone| gone.no_slo_url),
            own_entity_id: own(&self.own_entity_id, |gone| gone.no_own_entity_id),
            acs_url: self.acs_url.clone(),
            name_id_format: own(&self.name_id_format, |gone| gone.no_name_id_format),
            login_attribute: own(&self.login_attribute, |gone| gone.no_login_attribute),
            may_begin: self.idp_initiated,
            sign_requests: self.sign_requests,
            sha1: self.allow_sha1,
            require_mfa: self.require_mfa_context,
            mfa_contexts: contexts.then(|| self.mfa_contexts.clone()),
            mfa_attribute: patch(mfa, is_gone(|gone| gone.no_mfa_attribute)),
            employees: self.employees,
            externals: self.externals,
            external_when: patch(external, is_gone(|gone| gone.no_external_when)),
            administrators: self.administrators,
            update_users: self.update_users,
            attribute_map: self.attribute_map(is_gone(|gone| gone.no_map))?,
            groups_attribute: own(&self.groups_attribute, |gone| gone.no_groups_attribute),
            groups: groups.collect::<Result<_>>()?,
            no_groups: gone.map_or_else(Vec::new, |gone| gone.no_groups.clone()),
            certificates: gone.map_or(Ok(Certificates::Keep), Gone::certificates)?,
            pair: self.pair(context, is_gone(|gone| gone.no_key_pair))?,
            unlink: gone.map_or_else(Vec::new, |gone| gone.unlink.clone()),
            enabled: None,
        };
        let described = self.described(context, known)?;
        let warnings = match described {
            Some(described) => take_over(&mut fields, described)?,
            None => Vec::new(),
        };
        Ok(Understood { fields, warnings })
    }
}

impl Gone {
    fn certificates(&self) -> Result<Certificates> {
        if self.add_certificates.is_empty() && self.remove_certificates.is_empty() {
            return Ok(Certificates::Keep);
        }
        Ok(Certificates::Change {
            add: certificates(&self.add_certificates)?,
            remove: self.remove_certificates.clone(),
        })
    }
}

/// Takes over what metadata says. What it says and is of no use here is said.
fn take_over(fields: &mut Fields, described: Described) -> Result<Vec<Warning>> {
    if described.sso.binding != Binding::Redirect {
        let message = format!(
            "`{}` takes requests by HTTP-POST only, and they are sent by HTTP-Redirect",
            visible(&described.entity_id)
        );
        return Err(Error::new(Kind::InvalidValue, message));
    }
    let mut warnings = Vec::new();
    let mut warn = |kind, message: String, hint: Option<&str>| {
        warnings.push(Warning {
            kind,
            message,
            hint: hint.map(str::to_owned),
        });
    };
    let slo = described.slo.and_then(|slo| {
        if slo.binding == Binding::Redirect {
            return Some(slo.url);
        }
        warn(
            "slo_by_post",
            "it takes logouts by HTTP-POST only: their address is left out.".to_owned(),
            None,
        );
        None
    });
    if described.wants_signed_requests && fields.sign_requests.is_none() {
        warn(
            "wants_signed_requests",
            "it wants requests to be signed.".to_owned(),
            Some("--make-key --sign-requests yes, then give it our metadata"),
        );
    }
    if let Some(until) = described.valid_until {
        warn(
            "metadata_until",
            format!("the metadata vouches for itself until {until}."),
            Some("take it over again before: `twofa idp edit NAME --metadata FILE`"),
        );
    }
    fields.entity_id = Some(described.entity_id);
    fields.sso_url = Some(described.sso.url);
    fields.slo_url = Some(slo);
    fields.certificates = Certificates::Are(described.certificates);
    Ok(warnings)
}

//! `idp metadata`: what we are, for a provider that is here, or that wants to know us before it says who it is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use twofa::error::{Error, Kind, Result};
use twofa::files::PrivateFile;
use twofa::idp;
use twofa::name::argument;

use crate::answer::{Answer, only};
use crate::cli::Format;
use crate::complete;
use crate::session::Context;

/// `idp metadata`.
#[derive(Debug, Args)]
pub struct Metadata {
    /// The name, in any case; without one, --acs-url
    #[arg(value_name = "NAME", add = complete::idps())]
    name: Option<String>,
    /// For a provider that is not here yet: where the application takes responses
    #[arg(long, value_name = "URL", conflicts_with = "name")]
    acs_url: Option<String>,
    /// Our entity id with it, where it is not the one of the store
    #[arg(long, value_name = "URI", requires = "acs_url")]
    own_entity_id: Option<String>,
    /// Write it into a new file; - is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

impl Metadata {
    /// The text, and what comes next.
    fn made(&self, context: &mut Context) -> Result<(String, String)> {
        let store = &context.session()?.store;
        let own = self.own_entity_id.as_deref();
        if let Some(url) = &self.acs_url {
            let text = idp::our_metadata_at(store, url, own)?;
            let mut next = format!(
                "twofa idp add NAME --metadata FILE --acs-url {}",
                argument(url)
            );
            if let Some(own) = own {
                next.push_str(&format!(" --own-entity-id {}", argument(own)));
            }
            return Ok((text, next));
        }
        let Some(name) = &self.name else {
            return Err(
                Error::new(Kind::MissingAnswer, "whom the metadata is for is needed")
                    .hint("name a provider; for one that is not here yet give --acs-url URL"),
            );
        };
        let idp = idp::find(store, name)?;
        let next = format!("twofa idp test {}", argument(&idp.name));
        Ok((idp::our_metadata(store, &idp)?, next))
    }
}

pub fn metadata(context: &mut Context, args: &Metadata) -> Result<Answer> {
    let (text, next) = args.made(context)?;
    let Some(path) = args.out.as_deref().filter(|path| path.as_os_str() != "-") else {
        context.only(&[Format::Table])?;
        return Ok(Answer::text(text));
    };
    let file = || {
        let mut file = PrivateFile::begin(path)?;
        file.fill(text.as_bytes())?;
        file.finish()
    };
    if path.symlink_metadata().is_ok() {
        return Err(unwritable(path, ErrorKind::AlreadyExists.into()));
    }
    file().map_err(|error| unwritable(path, error))?;
    Ok(Answer::thing(&only("file", path.display().to_string()))?
        .say(format!("Give it to the provider. Next: `{next}`.")))
}

/// Nothing is written over.
fn unwritable(path: &Path, error: std::io::Error) -> Error {
    if error.kind() == ErrorKind::AlreadyExists {
        let message = format!("`{}` is there already", path.display());
        return Error::new(Kind::Conflict, message)
            .hint("name another file with --out, or remove this one");
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.exists()) {
        let (file, directory) = (path.display(), parent.display());
        let message = format!("cannot write `{file}`: there is no directory `{directory}`");
        return Error::new(Kind::Io, message);
    }
    Error::new(Kind::Io, format!("cannot write `{}`", path.display())).because(error)
}

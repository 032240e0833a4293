//! What the source page asks for before 2FA works: a mailbox, a provider, of each person what the primary method
//! needs, and that nobody is left without a way to log in.

use std::path::Path;

use super::finding::{Findings, Tally};
use super::senders::in_use;
use super::{Looked, Patient};
use crate::coverage::{self, Scope};
use crate::delivery::{Sender, open_directory};
use crate::error::Result;
use crate::login::crowd::{self, Brought};
use crate::login::decide::{self, Way};
use crate::login::facts::System;
use crate::method::Method;
use crate::name::{argument, counted, visible};
use crate::permission::{self, Access, Grantees};
use crate::store::Store;
use crate::user::Type;
use crate::verb::Operation;
use crate::{idp, mailbox, sms_provider};

/// What the methods need to send.
pub(super) fn methods(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let system = System::load(store)?;
    if system.enabled && !system.methods.iter().any(|row| row.enabled) {
        out.add(
            "no_method",
            1,
            "2FA is on and no method is enabled: whoever may use it cannot log in.",
        )
        .mend("twofa method enable email --primary");
    }
    if system.is_enabled(Method::Email) && !system.mailbox {
        let names = mailbox::candidates(store)?;
        let finding = out.add(
            "no_mailbox",
            1,
            "Codes by email are enabled, and no mailbox sends them.",
        );
        if names.is_empty() {
            finding.mend("twofa mailbox add NAME --smtp URL --tls starttls --from ADDRESS");
        }
        finding.mend(format!("twofa setting set 2FAmailbox {}", only(&names)));
    }
    if system.is_enabled(Method::Sms) && !system.provider {
        let names = sms_provider::candidates(store)?;
        let finding = out.add(
            "no_provider",
            1,
            "Codes by SMS are enabled, and no provider sends them.",
        );
        if names.is_empty() {
            finding.mend("twofa sms-provider add NAME --twilio --account SID --from NUMBER");
        }
        finding.mend(format!("twofa setting set SmsProvider {}", only(&names)));
    }
    for sender in in_use(store)? {
        look_at(store, &sender, out);
    }
    Ok(Looked::Whole)
}

/// The one name there is, else the word that stands for one.
fn only(names: &[String]) -> String {
    match names {
        [name] => argument(name),
        _ => "NAME".to_owned(),
    }
}

/// The files of this machine that a sender needs.
fn look_at(store: &Store, sender: &Sender, out: &mut Findings<'_>) {
    match sender {
        Sender::Mailbox(mailbox) => match &mailbox.transport {
            mailbox::Transport::Smtp(smtp) => {
                certificates(sender, smtp.ca_file.as_deref(), out);
            }
            mailbox::Transport::File { directory } => in_directory(store, sender, directory, out),
            mailbox::Transport::Sendmail { program } => {
                by_program(sender, program, "--sendmail PROGRAM", out);
            }
        },
        Sender::Provider(provider) => match &provider.transport {
            sms_provider::Transport::Twilio(server) => {
                certificates(sender, server.ca_file.as_deref(), out);
            }
            sms_provider::Transport::Http(server) => {
                certificates(sender, server.ca_file.as_deref(), out);
            }
            sms_provider::Transport::Smpp(server) => {
                certificates(sender, server.ca_file.as_deref(), out);
            }
            sms_provider::Transport::Command { program, .. } => {
                by_program(sender, program, "--command PROGRAM", out);
            }
            sms_provider::Transport::File { directory } => {
                in_directory(store, sender, directory, out);
            }
        },
    }
}

/// `` The mailbox `ops` ``.
fn whose(sender: &Sender) -> String {
    let noun = match sender {
        Sender::Mailbox(_) => "mailbox",
        Sender::Provider(_) => "SMS provider",
    };
    format!("The {noun} `{}`", visible(sender.name()))
}

fn edit(sender: &Sender, how: &str) -> String {
    format!(
        "twofa {} edit {} {how}",
        sender.command(),
        argument(sender.name())
    )
}

fn certificates(sender: &Sender, file: Option<&str>, out: &mut Findings<'_>) {
    let Some(file) = file.filter(|file| !Path::new(file).is_file()) else {
        return;
    };
    let message = format!(
        "{} trusts the certificates in `{}`, which is no file.",
        whose(sender),
        visible(file)
    );
    out.add("certificates_gone", 1, message)
        .names(&[sender.name().to_owned()])
        .mend(edit(sender, "--ca-file FILE"));
}

fn in_directory(store: &Store, sender: &Sender, directory: &str, out: &mut Findings<'_>) {
    let path = Path::new(directory);
    let (shown, word) = (visible(directory), argument(directory));
    let name = [sender.name().to_owned()];
    if !path.is_dir() {
        let message = format!(
            "{} writes into `{shown}`, which is no directory.",
            whose(sender)
        );
        out.add("directory_gone", 1, message)
            .names(&name)
            .mend(format!("mkdir -p -m 700 {word}"));
        return;
    }
    if lacks(path, 0o300) {
        let message = format!(
            "{} writes into `{shown}`, which its owner may not write into.",
            whose(sender)
        );
        out.add("directory_unwritable", 1, message)
            .names(&name)
            .mend(format!("chmod u+wx {word}"));
    }
    if open_directory(store, path).is_some() {
        let message = format!(
            "Others may write into `{shown}`, where {} puts messages.",
            whose(sender).replacen("The", "the", 1)
        );
        out.add("directory_open", 1, message)
            .names(&name)
            .mend(format!("chmod go-w {word}"));
    }
}

fn by_program(sender: &Sender, program: &str, option: &str, out: &mut Findings<'_>) {
    let path = Path::new(program);
    let name = [sender.name().to_owned()];
    if !path.is_file() {
        let message = format!(
            "{} runs `{}`, which is no file.",
            whose(sender),
            visible(program)
        );
        out.add("program_gone", 1, message)
            .names(&name)
            .mend(edit(sender, option));
    } else if lacks(path, 0o100) {
        let message = format!(
            "{} runs `{}`, which is not executable.",
            whose(sender),
            visible(program)
        );
        out.add("program_not_executable", 1, message)
            .names(&name)
            .mend(format!("chmod u+x {}", argument(program)));
    }
}

/// Whether the mode of a file keeps its owner from something.
fn lacks(path: &Path, needs: u32) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata()
            .is_ok_and(|found| found.permissions().mode() & needs != needs)
    }
    #[cfg(not(unix))]
    {
        let _ = (path, needs);
        false
    }
}

/// Who has to come through an identity provider, and is taken by none.
fn identity_providers(store: &Store, system: &System, out: &mut Findings<'_>) -> Result<()> {
    let mut tally = Tally::default();
    let what = "Asking who comes through a provider";
    crowd::each(store, Brought::Matters, what, &mut |passer| {
        let way = decide::way(system, passer.means(false), passer.has_password);
        if way == Way::NoProvider {
            tally.add(passer.login);
        }
        Ok(())
    })?;
    if tally.count == 0 {
        return Ok(());
    }
    let message = format!(
        "{} to use single sign-on, and no identity provider takes them: {}.",
        counted(tally.count, "user has", "users have"),
        tally.listed()
    );
    let names = idp::taking(store, Type::Employee)?;
    let mend = if names.is_empty() {
        "twofa setting set DisableInternalUserPasswordAuth off".to_owned()
    } else {
        format!("twofa setting set DefaultSsoProvider {}", only(&names))
    };
    out.add("no_identity_provider", tally.count, message)
        .names(&tally.names)
        .mend(mend);
    Ok(())
}

/// Who must answer with a second factor, has none, and could connect no app: they cannot log in.
pub(super) fn second_factors(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let store = patient.store;
    let system = System::load(store)?;
    if system.no_internal_passwords {
        identity_providers(store, &system, out)?;
    }
    if !system.enabled {
        return Ok(Looked::Whole);
    }
    // Whoever has nothing connects an app, where that is enabled: nobody need be asked about. Whether anybody is asked at
    // all, the rows tell.
    let can_use = Grantees::load(store, Operation::CanUse2FA)?;
    let allows = |row: &permission::Grantee| row.access == Access::Allow;
    if system.is_enabled(Method::Totp) && can_use.0.iter().any(allows) {
        return Ok(Looked::Whole);
    }
    let found = coverage::coverage(store, Scope::default())?;
    if found.numbers.users > 0 && found.numbers.asked == 0 {
        let message =
            "2FA is on, and no row of CanUse2FA reaches anybody who could log in: nobody is asked.";
        out.add("nobody_asked", found.numbers.users, message)
            .mend("twofa permission grant CanUse2FA --group 'All employees'");
    }
    let Some(row) = found
        .rows
        .iter()
        .find(|row| row.row == "no_method" && row.count > 0)
    else {
        return Ok(Looked::Whole);
    };
    let tally = Tally {
        count: row.count,
        names: row.users.clone().unwrap_or_default(),
    };
    let message = format!(
        "{} no usable second factor and cannot log in: {}.",
        counted(tally.count, "user has", "users have"),
        tally.listed()
    );
    let finding = out
        .add("no_second_factor", tally.count, message)
        .names(&tally.names);
    if system.is_enabled(Method::Email) && system.mailbox {
        finding.mend_each(|login| format!("twofa user edit {} --email ADDRESS", argument(login)));
    } else if system.is_enabled(Method::Sms) && system.provider {
        finding.mend_each(|login| format!("twofa user edit {} --phone NUMBER", argument(login)));
    } else {
        finding.mend("twofa method enable totp");
    }
    Ok(Looked::Whole)
}

/// Who could log in, may use 2FA and lacks what the primary method needs: active people with a password. One without a
/// password cannot log in anyway, and whoever must come through a provider is asked there.
fn lacking(store: &Store, method: Method) -> Result<Option<Tally>> {
    // Of the other methods each user needs one at the most, and which one is theirs to choose.
    let system = System::load(store)?;
    if system.primary() != Some(method) {
        return Ok(None);
    }
    let can_use = Grantees::load(store, Operation::CanUse2FA)?;
    let mut tally = Tally::default();
    let what = "Asking who lacks what";
    crowd::each(store, Brought::DoesNot, what, &mut |passer| {
        let means = passer.means(true);
        if passer.has_password
            && !means.serves(method)
            && !decide::must_use_sso(&system, means)
            && can_use.allow(passer.id, passer.groups, store.now())
        {
            tally.add(passer.login);
        }
        Ok(())
    })?;
    Ok(Some(tally).filter(|tally| tally.count > 0))
}

pub(super) fn addresses(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    if let Some(tally) = lacking(patient.store, Method::Email)? {
        let message = format!(
            "{} no address, and codes go by email: {}.",
            counted(tally.count, "user has", "users have"),
            tally.listed()
        );
        out.add("no_address", tally.count, message)
            .names(&tally.names)
            .mend_each(|login| format!("twofa user edit {} --email ADDRESS", argument(login)));
    }
    Ok(Looked::Whole)
}

pub(super) fn phones(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    if let Some(tally) = lacking(patient.store, Method::Sms)? {
        let message = format!(
            "{} no phone, and codes go by SMS: {}.",
            counted(tally.count, "user has", "users have"),
            tally.listed()
        );
        out.add("no_phone", tally.count, message)
            .names(&tally.names)
            .mend_each(|login| format!("twofa user edit {} --phone NUMBER", argument(login)));
    }
    Ok(Looked::Whole)
}

pub(super) fn apps(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    if let Some(tally) = lacking(patient.store, Method::Totp)? {
        let message = format!(
            "{} no app connected, and codes come from an app: {}.",
            counted(tally.count, "user has", "users have"),
            tally.listed()
        );
        out.add("no_app", tally.count, message)
            .names(&tally.names)
            .mend_each(|login| format!("twofa authenticator connect {}", argument(login)));
    }
    Ok(Looked::Whole)
}

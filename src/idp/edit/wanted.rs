//! A provider as it shall be: what is there, with what the command line gives, held against the rules.
//!
//! The rules about values stand in `rules.rs`; those about a whole provider stand here, and hold for one that is added, edited
//! and enabled alike: there is no order of commands that gets around them.

use crate::error::{Error, Kind, Result};
use crate::idp::row::Groups;
use crate::idp::vendor::TRANSIENT;
use crate::idp::{Idp, Mapped, Own, Said, Stored, Taken, Vendor, certificates, groups, rules};
use crate::name::{argument, visible};
use crate::sso::KeyPair;
use crate::sso::certificate::Certificate;
use crate::store::Store;
use crate::user::Type;
use crate::{group, permission};

/// How many certificates a provider has at the most.
const MOST_CERTIFICATES: usize = 16;
/// How much of a fingerprint names a certificate.
const SHORTEST_PREFIX: usize = 4;

/// What becomes of the certificates of a provider.
#[derive(Debug, Clone, Default)]
pub enum Certificates {
    /// They stay.
    #[default]
    Keep,
    /// It has these and no others.
    Are(Vec<Certificate>),
    /// Some come, and some go, by the beginnings of their fingerprints.
    Change {
        /// Those that come.
        add: Vec<Certificate>,
        /// Those that go.
        remove: Vec<String>,
    },
}

/// What becomes of our key pair.
#[derive(Debug, Clone, Default)]
pub enum Pair {
    /// It stays.
    #[default]
    Keep,
    /// It is this one.
    New(KeyPair),
    /// There is none.
    None,
}

/// What the command line gives of a provider. What it does not name stays, or is as the product has it.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Its name in every message.
    pub entity_id: Option<String>,
    /// Where a browser is sent.
    pub sso_url: Option<String>,
    /// Where a logout is asked for.
    pub slo_url: Option<Option<String>>,
    /// Our name in every message; `Some(None)`: that of the store.
    pub own_entity_id: Option<Option<String>>,
    /// Where the application takes responses.
    pub acs_url: Option<String>,
    /// The format of `NameID`, by word or URI.
    pub name_id_format: Option<Option<String>>,
    /// The attribute that says who it is.
    pub login_attribute: Option<Option<String>>,
    /// Whether it may begin a login.
    pub may_begin: Option<bool>,
    /// Whether requests are signed.
    pub sign_requests: Option<bool>,
    /// Whether signatures with SHA-1 are taken.
    pub sha1: Option<bool>,
    /// Whether a second factor has to be asserted.
    pub require_mfa: Option<bool>,
    /// The contexts that assert one, all of them.
    pub mfa_contexts: Option<Vec<String>>,
    /// The attribute that asserts one.
    pub mfa_attribute: Option<Option<Said>>,
    /// Which employees come through it.
    pub employees: Option<Taken>,
    /// Which external users.
    pub externals: Option<Taken>,
    /// What tells a new external user from a new employee.
    pub external_when: Option<Option<Said>>,
    /// Whether administrators may come through it.
    pub administrators: Option<bool>,
    /// Whether each login brings the mapped fields up to date.
    pub update_users: Option<bool>,
    /// Attributes and what they say, all of them.
    pub attribute_map: Option<Vec<(String, Mapped)>>,
    /// The attribute whose values stand for groups.
    pub groups_attribute: Option<Option<String>>,
    /// Values and groups that they stand for; of a value that is named, all of them.
    pub groups: Vec<(String, String)>,
    /// Values that stand for no group any more.
    pub no_groups: Vec<String>,
    /// What becomes of its certificates.
    pub certificates: Certificates,
    /// What becomes of our key pair.
    pub pair: Pair,
    /// Logins of users whose names there are forgotten.
    pub unlink: Vec<String>,
    /// Whether anybody comes through it.
    pub enabled: Option<bool>,
}

/// A provider with what stands in other tables.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) idp: Idp,
    pub(crate) certificates: Vec<Stored>,
    pub(crate) groups: Groups,
}

impl Whole {
    /// The one that is stored.
    pub(crate) fn load(store: &Store, idp: Idp) -> Result<Whole> {
        Ok(Whole {
            certificates: certificates(store, idp.id)?,
            groups: groups(store, idp.id)?,
            idp,
        })
    }

    /// A new one, with the habits of its product.
    fn new(store: &Store, vendor: Vendor) -> Whole {
        let habits = vendor.habits();
        let own = |text: &str| text.to_owned();
        let idp = Idp {
            id: 0,
            name: String::new(),
            vendor,
            enabled: false,
            entity_id: String::new(),
            sso_url: String::new(),
            slo_url: None,
            own_entity_id: None,
            acs_url: None,
            name_id_format: habits.name_id_format.map(own),
            login_attribute: None,
            may_begin: false,
            sign_requests: false,
            sha1: false,
            require_mfa: false,
            mfa_contexts: habits.contexts.iter().copied().map(own).collect(),
            mfa_attribute: habits.mfa_attribute(),
            employees: Taken::Existing,
            externals: Taken::None,
            external_when: None,
            administrators: false,
            update_users: false,
            attribute_map: habits.attribute_map(),
            groups_attribute: habits.groups.map(own),
            own: None,
            created_at: store.now(),
        };
        Whole {
            idp,
            certificates: Vec::new(),
            groups: Groups::new(),
        }
    }
}

/// The product that is meant: the one that was said, else the one that is there, else the one whose entity id it is.
fn vendor(given: Option<Vendor>, have: Option<&Whole>, fields: &Fields) -> Vendor {
    let recognised = || fields.entity_id.as_deref().map(Vendor::recognised);
    given
        .or(have.map(|have| have.idp.vendor))
        .or_else(recognised)
        .unwrap_or(Vendor::Custom)
}

/// The provider as it shall be.
///
/// # Errors
/// [`Kind::MissingAnswer`] for what a new one lacks; [`Kind::InvalidValue`], [`Kind::NotFound`], [`Kind::Guard`].
pub(crate) fn wanted(
    store: &Store,
    have: Option<&Whole>,
    name: &str,
    given: Option<Vendor>,
    fields: &Fields,
) -> Result<Whole> {
    let vendor = vendor(given, have, fields);
    let mut whole = have.cloned().unwrap_or_else(|| Whole::new(store, vendor));
    whole.idp.vendor = vendor;
    whole.idp.name = rules::name(name)?;
    addresses(&mut whole.idp, fields)?;
    whose(&mut whole.idp, fields)?;
    trusted(&mut whole.idp, fields)?;
    change_certificates(&mut whole, &fields.certificates)?;
    change_groups(store, &mut whole, fields)?;
    match &fields.pair {
        Pair::Keep => {}
        Pair::None => whole.idp.own = None,
        Pair::New(pair) => {
            whole.idp.own = Some(Own {
                sealed: Vec::new(),
                certificate: pair.certificate.der().to_vec(),
            });
        }
    }
    set(&mut whole.idp.enabled, fields.enabled);
    sound(store, &whole, have.is_some_and(|have| have.idp.enabled))?;
    Ok(whole)
}

/// Takes over what was given.
fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// Checks what was given, and takes it over; `Some(None)` clears it.
fn patch<G: Clone, T>(
    field: &mut Option<T>,
    given: Option<&Option<G>>,
    check: impl Fn(&G) -> Result<T>,
) -> Result<()> {
    if let Some(given) = given {
        *field = given.as_ref().map(check).transpose()?;
    }
    Ok(())
}

/// What an address of theirs and one of ours look like.
const THEIRS: &str = "https://idp.example.com/saml";
const OURS: &str = "https://app.example.com/saml/acs";

/// An address; what is none names the option that it was given by.
fn address(url: &str, option: &str, such_as: &str) -> Result<String> {
    let say = format!("{option} takes an address such as {such_as}");
    rules::address(url).map_err(|error| error.hint(say))
}

fn addresses(idp: &mut Idp, fields: &Fields) -> Result<()> {
    let entity_id = fields.entity_id.as_deref().map(rules::entity_id);
    if let Some(entity_id) = entity_id.transpose()? {
        idp.entity_id = idp.vendor.entity_id(&entity_id).into_owned();
    }
    let sso_url = fields.sso_url.as_deref();
    set(
        &mut idp.sso_url,
        sso_url
            .map(|url| address(url, "--sso-url", THEIRS))
            .transpose()?,
    );
    patch(&mut idp.slo_url, fields.slo_url.as_ref(), |url| {
        address(url, "--slo-url", THEIRS)
    })?;
    patch(
        &mut idp.own_entity_id,
        fields.own_entity_id.as_ref(),
        |id| rules::entity_id(id),
    )?;
    if let Some(url) = &fields.acs_url {
        idp.acs_url = Some(address(url, "--acs-url", OURS)?);
    }
    for (is_missing, what, option) in [
        (idp.entity_id.is_empty(), "the entity id", "--entity-id URI"),
        (idp.sso_url.is_empty(), "the address", "--sso-url URL"),
    ] {
        if is_missing {
            let message = format!("{what} of the provider is needed");
            return Err(Error::new(Kind::MissingAnswer, message).hint(format!(
                "give {option}, or all at once with --metadata FILE"
            )));
        }
    }
    Ok(())
}

/// Whom it may speak for, and what of it becomes of a user.
fn whose(idp: &mut Idp, fields: &Fields) -> Result<()> {
    set(&mut idp.employees, fields.employees);
    set(&mut idp.externals, fields.externals);
    set(&mut idp.administrators, fields.administrators);
    set(&mut idp.update_users, fields.update_users);
    patch(
        &mut idp.external_when,
        fields.external_when.as_ref(),
        rules::said,
    )?;
    let map = fields.attribute_map.as_deref().map(rules::map);
    set(&mut idp.attribute_map, map.transpose()?);
    let attribute = |name: &String| rules::attribute(name);
    patch(
        &mut idp.login_attribute,
        fields.login_attribute.as_ref(),
        attribute,
    )?;
    patch(
        &mut idp.groups_attribute,
        fields.groups_attribute.as_ref(),
        attribute,
    )
}

/// What of it is believed, and how it is asked.
fn trusted(idp: &mut Idp, fields: &Fields) -> Result<()> {
    patch(
        &mut idp.name_id_format,
        fields.name_id_format.as_ref(),
        |format| rules::format(format),
    )?;
    set(&mut idp.may_begin, fields.may_begin);
    set(&mut idp.sign_requests, fields.sign_requests);
    set(&mut idp.sha1, fields.sha1);
    set(&mut idp.require_mfa, fields.require_mfa);
    let contexts = fields.mfa_contexts.as_deref().map(rules::contexts);
    set(&mut idp.mfa_contexts, contexts.transpose()?);
    patch(
        &mut idp.mfa_attribute,
        fields.mfa_attribute.as_ref(),
        rules::said,
    )
}

fn stored(certificate: &Certificate) -> Stored {
    Stored {
        der: certificate.der().to_vec(),
        fingerprint: certificate.fingerprint(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    }
}

fn change_certificates(whole: &mut Whole, change: &Certificates) -> Result<()> {
    let have = &mut whole.certificates;
    let added: &[Certificate] = match change {
        Certificates::Keep => return Ok(()),
        Certificates::Are(new) => {
            have.clear();
            new
        }
        Certificates::Change { add, remove } => {
            for beginning in remove {
                let at = named(have, &whole.idp.name, beginning)?;
                have.remove(at);
            }
            add
        }
    };
    for certificate in added {
        let new = stored(certificate);
        if !have.iter().any(|one| one.der == new.der) {
            have.push(new);
        }
    }
    if have.len() > MOST_CERTIFICATES {
        let message = format!("a provider has at most {MOST_CERTIFICATES} certificates");
        return Err(Error::new(Kind::InvalidValue, message)
            .hint("--remove-certificate FINGERPRINT takes an old one away"));
    }
    // As they are read from the store.
    have.sort_by(|one, other| {
        let key = |one: &Stored| (std::cmp::Reverse(one.not_after), one.fingerprint.clone());
        key(one).cmp(&key(other))
    });
    Ok(())
}

/// The place of the certificate whose fingerprint begins so. Colons and blanks, with which some print it, do not count.
fn named(have: &[Stored], idp: &str, beginning: &str) -> Result<usize> {
    let bare: String = beginning
        .chars()
        .filter(|c| !matches!(c, ':' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    if bare.len() < SHORTEST_PREFIX || !bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("`{}` is no fingerprint", visible(beginning));
        return Err(Error::new(Kind::InvalidValue, message)
            .hint("it is hexadecimal digits, at least the first 4"));
    }
    let mut found = (0..have.len()).filter(|at| have[*at].fingerprint.starts_with(&bare));
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(Error::new(
            Kind::Conflict,
            format!("several certificates begin with `{}`", visible(beginning)),
        )
        .hint("give more digits")),
        (None, _) => Err(crate::name::not_found(
            "certificate",
            beginning,
            have.iter().map(|one| one.fingerprint.as_str()),
            &format!("twofa idp show {}", argument(idp)),
        )),
    }
}

/// A value given to groups stands for these and no others.
fn change_groups(store: &Store, whole: &mut Whole, fields: &Fields) -> Result<()> {
    for value in &fields.no_groups {
        let value = rules::value(value)?;
        if whole.groups.remove(&value).is_none() {
            return Err(crate::name::not_found(
                "value that stands for groups",
                &value,
                whole.groups.keys(),
                &format!("twofa idp show {}", argument(&whole.idp.name)),
            ));
        }
    }
    let mut named = Groups::new();
    for (value, name) in &fields.groups {
        let group = group::find(store, name)?.takes_members()?;
        let stands_for = named.entry(rules::value(value)?).or_default();
        if !stands_for.iter().any(|(id, _)| *id == group.id) {
            stands_for.push((group.id, group.name));
        }
    }
    for stands_for in named.values_mut() {
        stands_for.sort_by_cached_key(|(_, name)| crate::name::fold(name));
    }
    whole.groups.extend(named);
    Ok(())
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(Kind::InvalidValue, message.into()).hint(hint.into())
}

/// What holds for a whole provider.
fn sound(store: &Store, whole: &Whole, is_used: bool) -> Result<()> {
    let idp = &whole.idp;
    if idp.sign_requests && idp.own.is_none() {
        return Err(refused(
            "requests can be signed only with a key pair of ours",
            "--make-key makes one, --key-pair FILE takes yours",
        ));
    }
    let both = idp.employees == Taken::Create && idp.externals == Taken::Create;
    if both && idp.external_when.is_none() {
        return Err(refused(
            "nothing tells a new external user from a new employee",
            "--external-when ATTRIBUTE=VALUE says what does",
        ));
    }
    if idp.name_id_format.as_deref() == Some(TRANSIENT) && idp.login_attribute.is_none() {
        return Err(refused(
            "a transient NameID is another one each time, and leads to nobody",
            "--login-attribute NAME names the attribute that says who it is",
        ));
    }
    makes_no_administrators(store, whole)?;
    if idp.enabled {
        can_be_used(whole, is_used)?;
    }
    Ok(())
}

/// A provider makes no administrators.
fn makes_no_administrators(store: &Store, whole: &Whole) -> Result<()> {
    let powerful = permission::administrator_groups(store)?;
    for (value, stands_for) in &whole.groups {
        if let Some((_, name)) = stands_for.iter().find(|(id, _)| powerful.contains(id)) {
            let message = format!(
                "`{}` cannot stand for `{}`: whoever is in it is an administrator, and a provider makes none",
                visible(value),
                visible(name)
            );
            return Err(Error::new(Kind::Guard, message));
        }
    }
    for kind in [Type::Employee, Type::External] {
        let everybody = permission::everybody(kind)
            .map(|which| permission::built_in_group(store, which))
            .transpose()?;
        let is_powerful = everybody.is_some_and(|group| powerful.contains(&group));
        if is_powerful && whole.idp.takes(kind) == Taken::Create {
            let message = format!(
                "a new user of the type {} would be an administrator, and a provider makes none",
                kind.code()
            );
            return Err(Error::new(Kind::Guard, message));
        }
    }
    Ok(())
}

/// What an enabled provider has; one that is enabled keeps it.
fn can_be_used(whole: &Whole, is_used: bool) -> Result<()> {
    let idp = &whole.idp;
    let name = argument(&idp.name);
    let edit = format!("twofa idp edit {name}");
    let lacks = if idp.acs_url.is_none() {
        Some((
            "nobody has said where the application takes its responses",
            format!("`{edit} --acs-url URL`"),
        ))
    } else if whole.certificates.is_empty() {
        Some((
            "without a certificate its signatures cannot be checked",
            format!("`{edit} --add-certificate FILE`"),
        ))
    } else if idp.employees == Taken::None && idp.externals == Taken::None {
        Some((
            "it may speak for nobody",
            format!("`{edit} --employees existing`, or --externals"),
        ))
    } else {
        None
    };
    let shown = visible(&idp.name);
    match lacks {
        None => Ok(()),
        Some((why, _)) if is_used => Err(refused(
            format!("`{shown}` cannot stay enabled: {why}"),
            format!("`twofa idp disable {name}`, first"),
        )),
        Some((why, hint)) => Err(refused(format!("`{shown}` cannot be enabled: {why}"), hint)),
    }
}

//! What the protocol is to know of a provider and of us, from what the store has.

use super::{Idp, Vendor, certificates, rules};
use crate::error::{Error, Kind, Result};
use crate::name::{argument, visible};
use crate::sso::certificate::Certificate;
use crate::sso::{Binding, Endpoint, KeyPair, Ours, Provider, SecondFactor};
use crate::store::Store;

/// What a provider is to the protocol.
///
/// # Errors
/// [`Kind::Storage`], also when a stored certificate cannot be read.
pub(crate) fn provider(store: &Store, idp: &Idp) -> Result<Provider> {
    let at = |url: &str| Endpoint {
        url: url.to_owned(),
        binding: Binding::Redirect,
    };
    Ok(Provider {
        entity_id: idp.entity_id.clone(),
        sso: at(&idp.sso_url),
        slo: idp.slo_url.as_deref().map(at),
        certificates: certificates(store, idp.id)?
            .iter()
            .map(|stored| certificate(idp, &stored.der))
            .collect::<Result<_>>()?,
        name_id_format: idp.name_id_format.clone(),
        sha1: idp.sha1,
        may_begin: idp.may_begin,
        second_factor: SecondFactor {
            required: idp.require_mfa,
            // The products refuse a login whose context is another than was asked for, also where it is a better one.
            asked: idp.vendor == Vendor::Custom,
            contexts: idp.mfa_contexts.clone(),
            attribute: idp
                .mfa_attribute
                .clone()
                .map(|said| (said.attribute, said.value)),
        },
    })
}

fn certificate(idp: &Idp, der: &[u8]) -> Result<Certificate> {
    Certificate::from_der(der).map_err(|error| {
        let message = format!(
            "a certificate of the identity provider `{}` is damaged",
            visible(&idp.name)
        );
        Error::new(Kind::Storage, message).because(anyhow::anyhow!(error.message()))
    })
}

/// What we are to a provider. The private key is opened.
///
/// # Errors
/// [`Kind::InvalidValue`] as long as nobody said where responses are taken; storage and key errors.
pub(crate) fn ours(store: &Store, idp: &Idp) -> Result<Ours> {
    let acs_url = idp.acs_url.clone().ok_or_else(|| {
        let message = format!(
            "nobody has said where the application takes the responses of `{}`",
            visible(&idp.name)
        );
        Error::new(Kind::InvalidValue, message).hint(format!(
            "`twofa idp edit {} --acs-url URL`",
            argument(&idp.name)
        ))
    })?;
    let pair = match (&idp.own, idp.private_key(store)?) {
        (Some(own), Some(key)) => Some(KeyPair {
            key,
            certificate: certificate(idp, &own.certificate)?,
        }),
        _ => None,
    };
    Ok(Ours {
        entity_id: idp.own_entity_id(store),
        acs_url,
        signing: pair.clone().filter(|_| idp.sign_requests),
        decryption: pair,
    })
}

/// Our metadata for a provider that is not here yet: without keys, for those come with it.
///
/// # Errors
/// [`Kind::InvalidValue`].
pub(crate) fn our_metadata_at(
    store: &Store,
    acs_url: &str,
    own_entity_id: Option<&str>,
) -> Result<String> {
    let entity_id = match own_entity_id {
        Some(given) => rules::entity_id(given)?,
        None => super::own_entity_id(store),
    };
    Ok(crate::sso::metadata::print(&Ours {
        entity_id,
        acs_url: rules::address(acs_url).map_err(|error| {
            error.hint("--acs-url takes an address such as https://app.example.com/saml/acs")
        })?,
        signing: None,
        decryption: None,
    }))
}

/// Our metadata, for the provider: who we are, where responses are taken, and what to encrypt them for.
///
/// # Errors
/// As [`ours`].
pub(crate) fn our_metadata(store: &Store, idp: &Idp) -> Result<String> {
    ours(store, idp).map(|ours| crate::sso::metadata::print(&ours))
}

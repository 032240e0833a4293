//! What the products are like: one table of habits, put in when a provider is added, and edited like everything else.
//!
//! Who says so stands beside it. Where a product lets its administrator choose a name, it is the one that the README tells
//! them to choose.

use std::borrow::Cow;

use super::{Mapped, Said, Vendor};

/// `NameID` is an address (saml-core-2.0, section 8.3.2).
pub const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
/// It is for the provider to choose (section 8.3.1).
pub const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
/// It says nothing to anybody and stays the same (section 8.3.7).
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// It is another each time (section 8.3.8).
pub const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// Words for formats of `NameID`.
pub const FORMATS: &[(&str, &str)] = &[
    ("email", EMAIL),
    ("persistent", PERSISTENT),
    ("transient", TRANSIENT),
    ("unspecified", UNSPECIFIED),
];

/// What is put in.
#[derive(Debug)]
pub(crate) struct Habits {
    /// The format of `NameID` that is asked for.
    pub(crate) name_id_format: Option<&'static str>,
    /// Attributes and what they say.
    pub(crate) attributes: &'static [(&'static str, Mapped)],
    /// The attribute whose values stand for groups.
    pub(crate) groups: Option<&'static str>,
    /// Contexts that assert a second factor.
    pub(crate) contexts: &'static [&'static str],
    /// The attribute that does, with its value.
    pub(crate) asserts: Option<(&'static str, &'static str)>,
}

/// Claims of Microsoft Entra ID ("Customize SAML token claims", "SAML token claims reference"). A second factor shows in the
/// methods of authentication; the context says `Password` all the same.
const ENTRA: Habits = Habits {
    name_id_format: Some(EMAIL),
    attributes: &[
        (
            "http://schemas.microsoft.com/identity/claims/displayname",
            Mapped::Name,
        ),
        (
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
            Mapped::FirstName,
        ),
        (
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
            Mapped::LastName,
        ),
        (
            "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
            Mapped::Email,
        ),
    ],
    groups: Some("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"),
    contexts: &[],
    asserts: Some((
        "http://schemas.microsoft.com/claims/authnmethodsreferences",
        "http://schemas.microsoft.com/claims/multipleauthn",
    )),
};

/// Okta sends what its administrator defines ("Define attribute statements"); `amr` is to be `session.amr` ("Pass dynamic
/// authentication context"), one of whose values is `mfa` where there was more than one factor (RFC 8176).
const OKTA: Habits = Habits {
    name_id_format: Some(UNSPECIFIED),
    attributes: &[
        ("displayName", Mapped::Name),
        ("firstName", Mapped::FirstName),
        ("lastName", Mapped::LastName),
        ("email", Mapped::Email),
    ],
    groups: Some("groups"),
    contexts: &[],
    asserts: Some(("amr", "mfa")),
};

/// Parameters of `OneLogin`'s connectors as they are called by default. It does not say whether there was a second factor.
const ONELOGIN: Habits = Habits {
    name_id_format: Some(EMAIL),
    attributes: &[
        ("User.FirstName", Mapped::FirstName),
        ("User.LastName", Mapped::LastName),
        ("User.email", Mapped::Email),
    ],
    groups: Some("memberOf"),
    contexts: &[],
    asserts: None,
};

/// What research and education agree on: attributes of inetOrgPerson (RFC 2798) and X.520 by their object ids, as in the
/// X.500/LDAP attribute profile (saml-profiles-2.0, section 8.2), and by their names; the MFA profile of REFEDS.
const CUSTOM: Habits = Habits {
    name_id_format: None,
    attributes: &[
        ("urn:oid:2.16.840.1.113730.3.1.241", Mapped::Name),
        ("displayName", Mapped::Name),
        ("urn:oid:2.5.4.42", Mapped::FirstName),
        ("givenName", Mapped::FirstName),
        ("urn:oid:2.5.4.4", Mapped::LastName),
        ("sn", Mapped::LastName),
        ("urn:oid:0.9.2342.19200300.100.1.3", Mapped::Email),
        ("mail", Mapped::Email),
    ],
    groups: None,
    contexts: &["https://refeds.org/profile/mfa"],
    asserts: None,
};

/// What the entity ids of a product begin with.
const BEGINNINGS: &[(&str, Vendor)] = &[
    (ENTRA_ISSUER, Vendor::Entra),
    ("http://www.okta.com/", Vendor::Okta),
    ("https://app.onelogin.com/saml/metadata/", Vendor::OneLogin),
];

/// Entra's issuer is this, the id of the tenant and a slash.
const ENTRA_ISSUER: &str = "https://sts.windows.net/";

impl Vendor {
    /// The product whose entity id it is.
    #[must_use]
    pub fn recognised(entity_id: &str) -> Vendor {
        let known = BEGINNINGS
            .iter()
            .find(|(begins, _)| entity_id.starts_with(begins));
        known.map_or(Vendor::Custom, |(_, vendor)| *vendor)
    }

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Vendor::Entra => "Microsoft Entra ID",
            Vendor::Okta => "Okta",
            Vendor::OneLogin => "OneLogin",
            Vendor::Custom => "a custom provider",
        }
    }

    pub(crate) fn habits(self) -> &'static Habits {
        match self {
            Vendor::Entra => &ENTRA,
            Vendor::Okta => &OKTA,
            Vendor::OneLogin => &ONELOGIN,
            Vendor::Custom => &CUSTOM,
        }
    }

    /// An entity id as the product writes it: Entra's ends with a slash, which its portal shows and people leave out.
    #[must_use]
    pub fn entity_id(self, typed: &str) -> Cow<'_, str> {
        let lacks_slash = self == Vendor::Entra
            && typed.starts_with(ENTRA_ISSUER)
            && typed.len() > ENTRA_ISSUER.len()
            && !typed.ends_with('/');
        if lacks_slash {
            Cow::Owned(format!("{typed}/"))
        } else {
            Cow::Borrowed(typed)
        }
    }
}

impl Habits {
    pub(crate) fn attribute_map(&self) -> Vec<(String, Mapped)> {
        let own = |(name, field): &(&str, Mapped)| ((*name).to_owned(), *field);
        self.attributes.iter().map(own).collect()
    }

    pub(crate) fn mfa_attribute(&self) -> Option<Said> {
        self.asserts.map(|(attribute, value)| Said {
            attribute: attribute.to_owned(),
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_known_by_its_entity_id() {
        for (entity_id, vendor) in [
            ("https://sts.windows.net/7d7c/", Vendor::Entra),
            ("http://www.okta.com/exk1", Vendor::Okta),
            ("https://app.onelogin.com/saml/metadata/1", Vendor::OneLogin),
            ("https://idp.example.com/", Vendor::Custom),
            (
                "https://evil.example.com/https://sts.windows.net/",
                Vendor::Custom,
            ),
        ] {
            assert_eq!(Vendor::recognised(entity_id), vendor, "{entity_id}");
        }
    }

    #[test]
    fn only_entra_gets_its_slash() {
        let tenant = "https://sts.windows.net/7d7c";
        assert_eq!(Vendor::Entra.entity_id(tenant), format!("{tenant}/"));
        assert_eq!(
            Vendor::Entra.entity_id("https://sts.windows.net/7d7c/"),
            format!("{tenant}/")
        );
        assert_eq!(Vendor::Entra.entity_id(ENTRA_ISSUER), ENTRA_ISSUER);
        assert_eq!(Vendor::Entra.entity_id("urn:x"), "urn:x");
        assert_eq!(Vendor::Custom.entity_id(tenant), tenant);
    }

    #[test]
    fn no_habit_says_who_it_is() {
        for vendor in Vendor::ALL {
            let map = vendor.habits().attribute_map();
            assert!(map.iter().all(|(_, field)| *field != Mapped::Login));
            let mut names: Vec<_> = map.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), map.len(), "{vendor:?}");
        }
    }
}

//! What a signed assertion says, and whether it says it to us, now, about whoever brought it.

use jiff::Timestamp;

use super::response::{Expected, answers};
use super::xml::{Element, ns};
use super::{Asserted, Attribute, NameId, Refusal, Refused};
use crate::clock::Time;

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";

/// The longest `NameID` that is taken, in characters (the specification's own limit for persistent ones is 256).
const LONGEST_NAME: usize = 1024;

/// Judges an assertion whose signature was checked.
///
/// # Errors
/// The first reason not to believe it.
pub(super) fn judge(assertion: Element<'_>, expected: &Expected<'_>) -> Result<Asserted, Refused> {
    if assertion.attribute("Version") != Some("2.0") {
        return Err(Refusal::NotAResponse.into());
    }
    let id = assertion
        .attribute("ID")
        .filter(|id| !id.is_empty() && id.len() <= LONGEST_NAME)
        .ok_or(Refusal::NoAssertion)?;
    let said = assertion
        .only(ns::ASSERTION, "Issuer")
        .ok_or(Refusal::Issuer)?;
    issuer(said, expected)?;
    let conditions_end = conditions(assertion, expected)?;
    let subject = assertion
        .only(ns::ASSERTION, "Subject")
        .ok_or(Refusal::NameId)?;
    let confirmed_end = confirmation(subject, expected)?;
    let name_id = name_id(subject)?;
    let statements = statements(assertion, expected)?;
    let (attributes, unread) = attributes(assertion);
    let wanted = &expected.provider.second_factor;
    let second_factor = wanted.is_asserted(&statements.contexts, &attributes);
    if wanted.required && !second_factor {
        let found = statements.contexts.join(", ");
        return Err(Refused::found(Refusal::Context, &found));
    }
    let end = conditions_end.map_or(confirmed_end, |end| end.min(confirmed_end));
    Ok(Asserted {
        name_id,
        assertion_id: id.to_owned(),
        remember_until: end.plus(expected.skew),
        session_index: statements.session_index,
        contexts: statements.contexts,
        second_factor,
        authn_at: statements.authn_at,
        attributes,
        unread,
        in_response_to: expected.request.map(str::to_owned),
        not_on_or_after: end,
    })
}

/// Whether an issuer is the provider.
pub(super) fn issuer(said: Element<'_>, expected: &Expected<'_>) -> Result<(), Refused> {
    let format = said.attribute("Format").unwrap_or(ENTITY);
    let name = said.text().ok_or(Refusal::Issuer)?;
    if format == ENTITY && name == expected.provider.entity_id {
        Ok(())
    } else {
        Err(Refused::found(Refusal::Issuer, &name))
    }
}

/// A moment of a message, in UTC, to the second that it lies in.
pub(super) fn moment(text: &str) -> Option<Time> {
    let stamp: Timestamp = text.parse().ok()?;
    Some(Time(stamp.as_second()))
}

fn time(element: Element<'_>, name: &str) -> Result<Option<Time>, Refused> {
    let Some(text) = element.attribute(name) else {
        return Ok(None);
    };
    match moment(text) {
        Some(time) => Ok(Some(time)),
        None => Err(Refused::found(Refusal::Malformed, text)),
    }
}

/// Whether the moment lies within the times of `element`.
fn within(element: Element<'_>, expected: &Expected<'_>) -> Result<Option<Time>, Refused> {
    if let Some(begin) = time(element, "NotBefore")?
        && expected.now.plus(expected.skew) < begin
    {
        return Err(Refused::found(Refusal::NotYetValid, &begin.to_string()));
    }
    let end = time(element, "NotOnOrAfter")?;
    if let Some(end) = end
        && expected.now >= end.plus(expected.skew)
    {
        return Err(Refused::found(Refusal::Expired, &end.to_string()));
    }
    Ok(end)
}

/// The conditions; each audience restriction has to name us, and there has to be one.
fn conditions(assertion: Element<'_>, expected: &Expected<'_>) -> Result<Option<Time>, Refused> {
    let conditions = assertion
        .only(ns::ASSERTION, "Conditions")
        .ok_or(Refusal::Audience)?;
    let end = within(conditions, expected)?;
    let mut for_us = false;
    for condition in conditions.children() {
        if condition.is(ns::ASSERTION, "AudienceRestriction") {
            let audiences: Vec<String> = condition
                .named(ns::ASSERTION, "Audience")
                .filter_map(Element::text)
                .collect();
            if !audiences.contains(&expected.ours.entity_id) {
                return Err(Refused::found(Refusal::Audience, &audiences.join(", ")));
            }
            for_us = true;
        } else if !condition.is(ns::ASSERTION, "OneTimeUse")
            && !condition.is(ns::ASSERTION, "ProxyRestriction")
        {
            return Err(Refused::found(Refusal::Condition, condition.local_name()));
        }
    }
    if for_us {
        Ok(end)
    } else {
        Err(Refusal::Audience.into())
    }
}

/// Until when the subject is confirmed for whoever bears the assertion (saml-profiles-2.0, section 4.1.4.2). One
/// confirmation is enough, and the one that lasts longest counts; if none holds, the last one says why.
fn confirmation(subject: Element<'_>, expected: &Expected<'_>) -> Result<Time, Refused> {
    let mut why = Refused::from(Refusal::Confirmation);
    let mut longest: Option<Time> = None;
    for confirmation in subject.named(ns::ASSERTION, "SubjectConfirmation") {
        if confirmation.attribute("Method") != Some(BEARER) {
            continue;
        }
        match confirmed(confirmation, expected) {
            Ok(end) => longest = longest.max(Some(end)),
            Err(refused) => why = refused,
        }
    }
    longest.ok_or(why)
}

fn confirmed(confirmation: Element<'_>, expected: &Expected<'_>) -> Result<Time, Refused> {
    let data = confirmation
        .only(ns::ASSERTION, "SubjectConfirmationData")
        .ok_or(Refusal::Confirmation)?;
    match data.attribute("Recipient") {
        Some(to) if to == expected.ours.acs_url => {}
        Some(to) => return Err(Refused::found(Refusal::Recipient, to)),
        None => return Err(Refusal::Recipient.into()),
    }
    answers(data.attribute("InResponseTo"), expected)?;
    within(data, expected)?.ok_or_else(|| Refusal::Confirmation.into())
}

fn name_id(subject: Element<'_>) -> Result<NameId, Refused> {
    let name = subject
        .only(ns::ASSERTION, "NameID")
        .ok_or(Refusal::NameId)?;
    let value = name.text().ok_or(Refusal::NameId)?;
    let fits = !value.is_empty()
        && value.chars().count() <= LONGEST_NAME
        && !value.chars().any(char::is_control);
    if !fits {
        return Err(Refused::found(Refusal::NameId, &value));
    }
    Ok(NameId {
        value,
        format: name.attribute("Format").map(str::to_owned),
    })
}

/// What the provider says about how somebody was authenticated.
struct Statements {
    session_index: Option<String>,
    authn_at: Option<Time>,
    contexts: Vec<String>,
}

fn statements(assertion: Element<'_>, expected: &Expected<'_>) -> Result<Statements, Refused> {
    let mut found = Statements {
        session_index: None,
        authn_at: None,
        contexts: Vec::new(),
    };
    let mut any = false;
    for statement in assertion.named(ns::ASSERTION, "AuthnStatement") {
        any = true;
        if let Some(end) = time(statement, "SessionNotOnOrAfter")?
            && expected.now >= end.plus(expected.skew)
        {
            return Err(Refused::found(Refusal::SessionOver, &end.to_string()));
        }
        if let Some(at) = time(statement, "AuthnInstant")? {
            found.authn_at = Some(found.authn_at.map_or(at, |other| other.min(at)));
        }
        if found.session_index.is_none() {
            found.session_index = statement.attribute("SessionIndex").map(str::to_owned);
        }
        for context in statement.named(ns::ASSERTION, "AuthnContext") {
            let classes = context.named(ns::ASSERTION, "AuthnContextClassRef");
            found.contexts.extend(classes.filter_map(Element::text));
        }
    }
    if !any {
        return Err(Refusal::Statement.into());
    }
    Ok(found)
}

/// The attributes, and the names of those whose values are no text.
fn attributes(assertion: Element<'_>) -> (Vec<Attribute>, Vec<String>) {
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for statement in assertion.named(ns::ASSERTION, "AttributeStatement") {
        for attribute in statement.children() {
            let name = attribute.attribute("Name").unwrap_or_default().to_owned();
            if !attribute.is(ns::ASSERTION, "Attribute") {
                unread.push(attribute.local_name().to_owned());
                continue;
            }
            let values: Option<Vec<String>> = attribute
                .named(ns::ASSERTION, "AttributeValue")
                .map(value)
                .collect();
            match values {
                Some(values) => read.push(Attribute {
                    name,
                    friendly_name: attribute.attribute("FriendlyName").map(str::to_owned),
                    values,
                }),
                None => unread.push(name),
            }
        }
    }
    (read, unread)
}

/// A value: a text, or the identifier that some providers wrap once more.
fn value(value: Element<'_>) -> Option<String> {
    value
        .text()
        .or_else(|| value.only(ns::ASSERTION, "NameID").and_then(Element::text))
}

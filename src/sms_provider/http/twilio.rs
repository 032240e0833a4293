//! Twilio's way of sending, which others speak as well: <https://www.twilio.com/docs/messaging/api/message-resource>.

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::mask::Mask;
use super::place::percent;
use super::rules::{bad, url};
use super::{Address, Answer, Prepared, Values, basic};
use crate::error::Result;
use crate::name::visible;
use crate::secret::Secret;
use crate::sms_provider::Twilio;

impl Twilio {
    /// Checks all of it.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`](crate::error::Kind::InvalidValue) with the rule that is broken. No URL with credentials is
    /// repeated.
    pub(crate) fn check(&self) -> Result<()> {
        // It is the name of a login as well, where a colon would end it (RFC 7617, section 2).
        if !(1..=64).contains(&self.account.len())
            || !self.account.bytes().all(|byte| byte.is_ascii_graphic())
            || self.account.contains(['/', ':'])
        {
            return Err(bad(
                format!("`{}` is no account", visible(&self.account)),
                "the account SID, which begins with AC, stands in the provider's console",
            ));
        }
        let address = url(&self.url)?;
        if address.tail.contains(['?', '#']) {
            return Err(bad(
                "the URL of an interface in Twilio's shape has no query and no macros",
                "write it as https://api.twilio.com",
            ));
        }
        Ok(())
    }

    /// The request that sends a message.
    ///
    /// # Errors
    /// Why there is none, as a sentence without a secret in it.
    pub(crate) fn request(&self, values: &Values<'_>) -> Result<Prepared, String> {
        let address = Address::read(&self.url).ok_or("the URL cannot be used")?;
        let token = values.secret.map(Secret::expose);
        let token = token.ok_or("there is no token to log in with")?;
        let (authorization, credentials) = basic(&self.account, token);
        let mut form = Serializer::new(String::new());
        form.append_pair("To", values.to);
        if let Some(from) = values.from {
            form.append_pair(sender(from), from);
        }
        form.append_pair("Body", values.text);
        let target = format!(
            "{}/2010-04-01/Accounts/{}/Messages.json",
            address.tail.trim_end_matches('/'),
            percent(&self.account)
        );
        let kind = "application/x-www-form-urlencoded";
        Ok(Prepared {
            shown: vec![
                format!("POST {target} HTTP/1.1"),
                "Authorization: ****".to_owned(),
                format!("Content-Type: {kind}"),
            ],
            address,
            method: "POST".to_owned(),
            target,
            headers: vec![authorization, ("Content-Type".to_owned(), kind.to_owned())],
            body: Some(form.finish()),
            mask: Mask::new(&[token, credentials.expose()], values.text),
        })
    }
}

/// The field that a sender stands in: a messaging service has an identifier of its own shape.
fn sender(from: &str) -> &'static str {
    if from.len() == 34 && from.starts_with("MG") {
        "MessagingServiceSid"
    } else {
        "From"
    }
}

/// The receipt in an answer with a status of success.
///
/// # Errors
/// Why the message will not arrive, as a sentence that may repeat what the server said.
pub(crate) fn receipt(answer: &Answer) -> Result<String, String> {
    let document = answer.document().unwrap_or_default();
    let text = |name: &str| document[name].as_str().filter(|text| !text.is_empty());
    if let Some(status @ ("failed" | "undelivered")) = text("status") {
        let why = complaint(&document["error_code"], text("error_message"), None);
        return Err(match why {
            Some(why) => format!("the message is {status}: {why}"),
            None => format!("the message is {status}"),
        });
    }
    let sid = text("sid").ok_or("the answer has no `sid`, as Twilio's would")?;
    Ok(sid.to_owned())
}

/// What an answer with a status of failure says of itself.
pub(crate) fn refusal(answer: &Answer) -> Option<String> {
    let document = answer.document()?;
    complaint(
        &document["code"],
        document["message"].as_str(),
        document["more_info"].as_str(),
    )
}

fn complaint(code: &Value, message: Option<&str>, more: Option<&str>) -> Option<String> {
    let code = code.as_i64().map(|code| format!("error {code}"));
    let said: Vec<&str> = code.as_deref().into_iter().chain(message).collect();
    if said.is_empty() {
        return None;
    }
    let more = more.map_or_else(String::new, |more| format!(" ({more})"));
    Some(format!("{}{more}", said.join(": ")))
}

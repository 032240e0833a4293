//! How an SMS provider is reached, as it is stored.

use crate::mailbox::Tls;

/// A REST interface in Twilio's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twilio {
    /// The account, which is the name that logs in as well.
    pub account: String,
    /// Where the interface is: `https://api.twilio.com`, without the path of a version.
    pub url: String,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// Any other interface over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where a message is sent to; it may have macros.
    pub url: String,
    /// `GET`, `POST` or `PUT`.
    pub method: String,
    /// Names and values of headers, which may have macros.
    pub headers: Vec<(String, String)>,
    /// What is sent; it may have macros, whose values are written as its type wants them.
    pub body: Option<String>,
    /// Who logs in (RFC 7617), with the secret as the password.
    pub username: Option<String>,
    /// What counts as success beside the status.
    pub success: Option<String>,
    /// Where in the answer the receipt is.
    pub receipt: Option<String>,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// A message centre that speaks SMPP 3.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smpp {
    /// Host name, or an address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected: not at all, or TLS from the first byte.
    pub tls: Tls,
    /// The `system_id` that binds.
    pub username: String,
    /// The `system_type` that binds.
    pub system_type: Option<String>,
    /// A file of certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// How an SMS provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Twilio, or what speaks like it.
    Twilio(Twilio),
    /// Any interface over HTTP.
    Http(Http),
    /// A message centre.
    Smpp(Smpp),
    /// A program of this machine; the message comes on its standard input.
    Command {
        /// The program.
        program: String,
        /// Its arguments, which may have macros.
        arguments: Vec<String>,
    },
    /// Into a directory, one file a message.
    File {
        /// The directory.
        directory: String,
    },
}

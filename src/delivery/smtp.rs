//! Sending to an SMTP server.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, Tls as LettreTls, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport as _};

use super::Failure;
use crate::mailbox::{Smtp, Tls};
use crate::secret::Secret;

/// Sends within `deadline`, all steps together: lettre's own limit is for each step, and a server may answer just in
/// time for many steps. The thread that is left behind ends with the process.
pub(super) fn send(
    server: Smtp,
    password: Option<Secret>,
    message: Message,
    deadline: Duration,
) -> Result<String, Failure> {
    let (answer, wait) = mpsc::channel();
    let shown = format!("{}:{}", server.host, server.port);
    thread::spawn(move || {
        // The receiver may have given up.
        let _ = answer.send(converse(&server, password, &message, deadline));
    });
    wait.recv_timeout(deadline)
        .unwrap_or_else(|_| Err(hangs(&shown, deadline)))
}

fn hangs(server: &str, deadline: Duration) -> Failure {
    Failure::temporary(format!(
        "{server} did not answer within {} s",
        deadline.as_secs()
    ))
}

fn converse(
    server: &Smtp,
    password: Option<Secret>,
    message: &Message,
    deadline: Duration,
) -> Result<String, Failure> {
    let shown = format!("{}:{}", server.host, server.port);
    let tls = match server.tls {
        Tls::None => LettreTls::None,
        Tls::Starttls => LettreTls::Required(parameters(server)?),
        Tls::Tls => LettreTls::Wrapper(parameters(server)?),
    };
    let mut builder = SmtpTransport::builder_dangerous(server.host.as_str())
        .port(server.port)
        .tls(tls)
        .timeout(Some(deadline))
        // Not the name of this machine, which is nobody's business.
        .hello_name(ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST));
    if let (Some(username), Some(password)) = (&server.username, password) {
        builder = builder
            .credentials(Credentials::new(
                username.clone(),
                password.expose().to_owned(),
            ))
            .authentication(vec![Mechanism::Plain, Mechanism::Login]);
    }
    match builder.build().send(message) {
        Ok(response) => {
            let said: Vec<&str> = response.message().collect();
            Ok(format!("{} {}", response.code(), said.join(" "))
                .trim()
                .to_owned())
        }
        Err(error) => Err(failure(&error, server, &shown, deadline)),
    }
}

/// How a certificate begins (RFC 7468, section 5.1).
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn parameters(server: &Smtp) -> Result<TlsParameters, Failure> {
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca_file {
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::permanent(format!("the CA file `{path}` cannot be used: {error}"))
        };
        let pem = std::fs::read(path).map_err(|error| unreadable(&error))?;
        let certificates = Certificate::from_pem(&pem).map_err(|error| unreadable(&error))?;
        // A file without any would trust nobody, and the server would get the blame.
        if !pem
            .windows(CERTIFICATE.len())
            .any(|part| part == CERTIFICATE)
        {
            return Err(unreadable(&"there is no certificate in it"));
        }
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificates);
    }
    builder
        .build_rustls()
        .map_err(|error| Failure::permanent(format!("TLS cannot be set up: {error}")))
}

/// What lettre says and the errors below it, and the system's own kind among them.
fn causes(error: &lettre::transport::smtp::Error) -> (String, Option<std::io::ErrorKind>) {
    use std::error::Error as _;
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    let mut io = None;
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            io = Some(error.kind());
        }
        let said = inner.to_string();
        if !causes.iter().any(|known| known.contains(&said)) {
            causes.push(said);
        }
        cause = inner.source();
    }
    (causes.join(": "), io)
}

/// What lettre says, in words an administrator can act on.
fn failure(
    error: &lettre::transport::smtp::Error,
    mailbox: &Smtp,
    server: &str,
    deadline: Duration,
) -> Failure {
    let (said, io) = causes(error);
    // A socket that waited too long says "Resource temporarily unavailable".
    if error.is_timeout()
        || matches!(
            io,
            Some(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        )
    {
        return hangs(server, deadline);
    }
    // lettre and rustls tell these by their words only. Trying again does not help against any of them.
    if let Some((_, why)) = said.split_once("invalid peer certificate: ") {
        let trusted = match &mailbox.ca_file {
            Some(path) => format!("the certificates in `{path}`"),
            None => "the system's certificates".to_owned(),
        };
        return Failure::permanent(format!(
            "the certificate of {server} is not good: {why} (trusted: {trusted})"
        ));
    }
    if said.contains("STARTTLS is not supported") {
        return Failure::permanent(format!(
            "{server} does not offer STARTTLS, and nothing was sent without it"
        ));
    }
    if mailbox.tls == Tls::Tls && said.contains("received corrupt message") {
        return Failure::permanent(format!(
            "{server} does not speak TLS from the first byte; it may offer STARTTLS"
        ));
    }
    match io {
        Some(std::io::ErrorKind::ConnectionRefused) => {
            return Failure::temporary(format!("{server}: nothing listens there"));
        }
        Some(
            std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::BrokenPipe
            | std::io::ErrorKind::UnexpectedEof,
        ) => return Failure::temporary(format!("{server} closed the connection")),
        _ => {}
    }
    if error.is_response() {
        // An answer that ends early is a closed connection; any other that cannot be read comes from no mail server.
        return Failure::temporary(if said.contains("incomplete") {
            format!("{server} closed the connection")
        } else {
            let answer = said.rsplit_once(" at: ").map_or("", |(_, answer)| answer);
            format!(
                "{server} does not speak SMTP: it answered `{}`",
                answer.trim()
            )
        });
    }
    if error.is_permanent() {
        return Failure::permanent(format!("{server} refused: {said}"));
    }
    if error.is_transient() {
        return Failure::temporary(format!("{server} refused for now: {said}"));
    }
    if error.is_client() || error.is_tls() {
        let said = said.trim_start_matches("internal client error: ");
        return Failure::permanent(format!("{server}: {said}"));
    }
    Failure::temporary(format!("{server}: {said}"))
}

//! The wire to a server: TCP, with or without TLS, that never waits beyond its deadline and never keeps more than so much.
//!
//! A server may be slow, hostile or dying. An endless line, an endless answer, a certificate that is not its own and a
//! connection that ends in the middle each have their own words, and none of them costs memory or time without end.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest as _, Sha256};

use super::Failure;
use super::conversation::{Deadline, Talk};

/// The most that is taken from a server in one conversation, in bytes: many times what any has to say.
const MOST: usize = 256 * 1024;

/// How long the answer to a farewell is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// How much is read at once, in bytes.
const CHUNK: usize = 4096;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection to a server.
pub(super) struct Wire {
    stream: Stream,
    /// `host:port`, for the words of a failure.
    server: String,
    deadline: Deadline,
    /// What was read and not yet asked for.
    waiting: Vec<u8>,
    /// How much more may be read.
    allowed: usize,
}

impl Wire {
    /// Connects to the first address of `host` that answers, IPv6 or IPv4.
    pub(super) fn connect(
        host: &str,
        port: u16,
        deadline: Deadline,
        talk: &Talk,
    ) -> Result<Wire, Failure> {
        let server = named(host, port);
        let addresses: Vec<_> = (host, port)
            .to_socket_addrs()
            .map_err(|error| Failure::temporary(format!("{server} has no address: {error}")))?
            .collect();
        let mut refused = Failure::temporary(format!("{server} has no address"));
        for (at, address) in addresses.iter().enumerate() {
            talk.note(format!("connecting to {address}"));
            // Each of several gets its share: the first may be one that no packet reaches.
            let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(address, deadline.left() / others) {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(Wire {
                        stream: Stream::Plain(stream),
                        server,
                        deadline,
                        waiting: Vec::new(),
                        allowed: MOST,
                    });
                }
                Err(error) => {
                    refused = broken(&server, deadline, &error);
                    talk.note(&refused.said);
                }
            }
        }
        Err(refused)
    }

    /// The same wire under TLS. `ca_file`: trust the certificates in this file instead of the system's.
    pub(super) fn secured(
        self,
        host: &str,
        ca_file: Option<&str>,
        talk: &Talk,
    ) -> Result<Wire, Failure> {
        let Wire {
            stream,
            server,
            deadline,
            waiting,
            allowed,
        } = self;
        // What came in clear before the handshake could have been put there by anybody (RFC 3207, section 6).
        if !waiting.is_empty() {
            return Err(Failure::permanent(format!(
                "{server} said more than it was asked before TLS began; somebody may stand in between"
            )));
        }
        let stream = match stream {
            Stream::Tls(_) => stream,
            Stream::Plain(socket) => {
                let session = session(host, ca_file)?;
                let secured = shaken(session, socket, &server, deadline, ca_file)?;
                talk.note(met(&secured.conn));
                Stream::Tls(Box::new(secured))
            }
        };
        Ok(Wire {
            stream,
            server,
            deadline,
            waiting,
            allowed,
        })
    }

    /// From here on there are farewells only: a server that keeps silent must not cost the message that it has.
    pub(super) fn leave(&mut self) {
        let moment = (self.deadline.left() / 2).min(GOODBYE);
        self.deadline = Deadline::within(moment);
    }

    /// Whether nothing was heard that was not asked for.
    pub(super) fn is_silent(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends all of `bytes`.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = self.hurry().and_then(|()| match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(socket) => socket.write_all(bytes).and_then(|()| socket.flush()),
        });
        sent.map_err(|error| broken(&self.server, self.deadline, &error))
    }

    /// The next line without its end, at most `longest` bytes of it.
    pub(super) fn line(&mut self, longest: usize) -> Result<Vec<u8>, Failure> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.waiting[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let mut line: Vec<u8> = self.waiting.drain(..=searched + at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.waiting.len();
            if searched > longest {
                return Err(Failure::temporary(format!(
                    "{} sent a line of more than {longest} bytes",
                    self.server
                )));
            }
            self.more()?;
        }
    }

    /// The next `count` bytes.
    pub(super) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.waiting.len() < count {
            self.more()?;
        }
        Ok(self.waiting.drain(..count).collect())
    }

    /// What has come, as much of it as `into` holds; nothing once the server has closed.
    pub(super) fn some(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        if self.waiting.is_empty() && !self.read_on()? {
            return Ok(0);
        }
        let count = self.waiting.len().min(into.len());
        for (place, byte) in into.iter_mut().zip(self.waiting.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    /// Whether it is under TLS.
    pub(super) fn is_secured(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Reads on; the server has more to say.
    fn more(&mut self) -> Result<(), Failure> {
        if self.read_on()? {
            Ok(())
        } else {
            Err(closed(&self.server))
        }
    }

    /// Reads on, unless the server has closed.
    fn read_on(&mut self) -> Result<bool, Failure> {
        let mut chunk = [0; CHUNK];
        let read = self.hurry().and_then(|()| match &mut self.stream {
            Stream::Plain(socket) => socket.read(&mut chunk),
            Stream::Tls(socket) => socket.read(&mut chunk),
        });
        match read {
            Ok(0) => Ok(false),
            Ok(count) if count > self.allowed => Err(Failure::temporary(format!(
                "{} sent more than {} KiB",
                self.server,
                MOST / 1024
            ))),
            Ok(count) => {
                self.allowed -= count;
                self.waiting.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            // Many servers end TLS without the word for it.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(broken(&self.server, self.deadline, &error)),
        }
    }

    fn hurry(&self) -> std::io::Result<()> {
        match &self.stream {
            Stream::Plain(socket) => limit(socket, self.deadline),
            Stream::Tls(stream) => limit(&stream.sock, self.deadline),
        }
    }
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn named(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The server of an address, as [`named`] writes it.
pub(super) fn of_url(text: &str) -> String {
    url::Url::parse(text).ok().map_or_else(String::new, |url| {
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        named(host, url.port_or_known_default().unwrap_or(0))
    })
}

/// The socket waits no longer than what is left.
fn limit(socket: &TcpStream, deadline: Deadline) -> std::io::Result<()> {
    let left = Some(deadline.left());
    socket.set_read_timeout(left)?;
    socket.set_write_timeout(left)
}

fn session(host: &str, ca_file: Option<&str>) -> Result<ClientConnection, Failure> {
    let unfit = |error: rustls::Error| Failure::permanent(format!("TLS cannot be set up: {error}"));
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted(ca_file)?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::permanent(format!("no certificate can be for `{host}`")))?;
    ClientConnection::new(Arc::new(config), name).map_err(unfit)
}

/// The certificates that are trusted: those of a file, or the system's.
pub(super) fn trusted(ca_file: Option<&str>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(path) = ca_file else {
        return Ok(rustls_native_certs::load_native_certs().certs);
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::permanent(format!("the CA file `{path}` cannot be used: {error}"))
    };
    let pem = std::fs::read(path).map_err(|error| unreadable(&error))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(&error))?;
    // A file without any would trust nobody, and the server would get the blame.
    if certificates.is_empty() {
        return Err(unreadable(&"there is no certificate in it"));
    }
    Ok(certificates)
}

/// Shakes hands.
fn shaken(
    mut session: ClientConnection,
    mut socket: TcpStream,
    server: &str,
    deadline: Deadline,
    ca_file: Option<&str>,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Failure> {
    while session.is_handshaking() {
        limit(&socket, deadline).map_err(|error| broken(server, deadline, &error))?;
        if let Err(error) = session.complete_io(&mut socket) {
            return Err(match tls_error(&error) {
                Some(why) => refused(server, ca_file, why),
                None => broken(server, deadline, &error),
            });
        }
    }
    Ok(StreamOwned::new(session, socket))
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Why there is no TLS with a server, in words an administrator can act on. Trying again helps against none of it.
fn refused(server: &str, ca_file: Option<&str>, error: &rustls::Error) -> Failure {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
    let trusted = match ca_file {
        Some(path) => format!("the certificates in `{path}`"),
        None => "the system's certificates".to_owned(),
    };
    Failure::permanent(match error {
        InvalidCertificate(why) => {
            let why = match why {
                CertificateError::UnknownIssuer => {
                    "it was issued by nobody who is trusted".to_owned()
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "it has expired".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "it is not valid yet".to_owned()
                }
                other if other.to_string().contains("CaUsedAsEndEntity") => {
                    "it is that of an authority, and not of a server".to_owned()
                }
                other => other.to_string(),
            };
            format!("the certificate of {server} is not good: {why} (trusted: {trusted})")
        }
        InvalidMessage(_) => format!("{server} does not speak TLS from the first byte"),
        AlertReceived(alert) => format!("{server} ended the TLS handshake: {alert:?}"),
        PeerIncompatible(why) => format!("{server} speaks no TLS that is safe: {why:?}"),
        other => format!("TLS with {server} failed: {other}"),
    })
}

/// What TLS was agreed on: the version, the cipher and the fingerprint of the certificate.
fn met(session: &ClientConnection) -> String {
    let version = session
        .protocol_version()
        .and_then(|version| version.as_str())
        .unwrap_or("TLS");
    let cipher = session
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or("an unknown cipher");
    let certificate = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map_or_else(String::new, |certificate| {
            let print = Sha256::digest(certificate);
            format!(
                ", certificate SHA-256 {}",
                data_encoding::HEXLOWER.encode(&print)
            )
        });
    format!("{version}, {cipher}{certificate}")
}

pub(super) fn closed(server: &str) -> Failure {
    Failure::temporary(format!("{server} closed the connection"))
}

/// What the system says of a connection, in words that tell one mishap from the other.
fn broken(server: &str, deadline: Deadline, error: &std::io::Error) -> Failure {
    if let Some(why) = tls_error(error) {
        return Failure::temporary(format!("TLS with {server} failed: {why}"));
    }
    match error.kind() {
        // A socket that waited too long says "Resource temporarily unavailable".
        ErrorKind::WouldBlock | ErrorKind::TimedOut => deadline.passed(server),
        ErrorKind::ConnectionRefused => {
            Failure::temporary(format!("{server}: nothing listens there"))
        }
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => closed(server),
        _ => Failure::temporary(format!("{server}: {error}")),
    }
}

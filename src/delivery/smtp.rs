//! Sending to an SMTP server (RFC 5321).
//!
//! The words of the protocol are lettre's: its commands, its reading of an answer, its mechanisms. What is ours is the
//! wire below them, which has an end, and the order in which they are said, so that each step can be shown and a failure
//! tells how far it came. Nothing is ever sent in clear that the mailbox wants protected.

use lettre::address::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Quit, Rcpt, Starttls};
use lettre::transport::smtp::extension::{
    ClientId, Extension, MailBodyParameter, MailParameter, ServerInfo,
};
use lettre::transport::smtp::response::{Response, Severity};

use zeroize::Zeroizing;

use super::Failure;
use super::conversation::{Deadline, LAST_WORDS, MASKED, Talk};
use super::letter::Letter;
use super::wire::{Wire, named, trusted};
use crate::mailbox::{Smtp, Tls};
use crate::secret::Secret;

/// The longest line of an answer that is read, in bytes; RFC 5321, section 4.5.3.1.5, says 512.
const LONGEST_LINE: usize = 2_000;

/// The most lines of one answer. Servers have about twenty things to say at EHLO.
const MOST_LINES: usize = 200;

/// The most questions that a server asks before it knows who logs in. LOGIN has two.
const MOST_QUESTIONS: usize = 3;

/// Sends a letter. Returns what the server said when it took it.
pub(super) fn send(
    server: &Smtp,
    password: Option<&Secret>,
    letter: &Letter,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    let deadline = deadline.ahead(LAST_WORDS);
    let mut session = Session::open(server, deadline, talk)?;
    if let (Some(username), Some(password)) = (&server.username, password) {
        session.log_in(server, username, password)?;
    }
    let receipt = session.hand_over(letter)?;
    // It is accepted: whatever the server says from here on changes nothing.
    session.wire.leave();
    let _ = session
        .say(&Quit.to_string())
        .and_then(|()| session.answer());
    Ok(receipt)
}

/// Does all that comes before a letter, and none of it.
pub(super) fn call(
    server: &Smtp,
    password: Option<&Secret>,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    let deadline = deadline.ahead(LAST_WORDS);
    let mut session = Session::open(server, deadline, talk)?;
    if let (Some(username), Some(password)) = (&server.username, password) {
        session.log_in(server, username, password)?;
    }
    session.wire.leave();
    let _ = session
        .say(&Quit.to_string())
        .and_then(|()| session.answer());
    Ok(String::new())
}

/// A conversation with one server.
struct Session<'a> {
    wire: Wire,
    name: String,
    offers: ServerInfo,
    talk: &'a Talk,
}

impl<'a> Session<'a> {
    /// Connects, protects the connection as the mailbox says, and asks what the server offers.
    fn open(server: &Smtp, deadline: Deadline, talk: &'a Talk) -> Result<Session<'a>, Failure> {
        let name = named(&server.host, server.port);
        // A file that trusts nobody is told before the server is bothered.
        if server.tls != Tls::None && server.ca_file.is_some() {
            trusted(server.ca_file.as_deref())?;
        }
        let mut wire = Wire::connect(&server.host, server.port, deadline, talk)?;
        if server.tls == Tls::Tls {
            wire = wire.secured(&server.host, server.ca_file.as_deref(), talk)?;
        }
        let mut session = Session {
            wire,
            name,
            offers: ServerInfo::default(),
            talk,
        };
        let greeting = session.answer().map_err(|failure| {
            let silent =
                server.tls != Tls::Tls && deadline.is_over() && session.wire.is_silent();
            Failure {
                said: if silent {
                    format!(
                        "{}; a server with TLS from the first byte says nothing before that: smtps://",
                        failure.said
                    )
                } else {
                    failure.said
                },
                ..failure
            }
        })?;
        session.positive(&greeting)?;
        session.hello()?;
        if server.tls == Tls::Starttls {
            session = session.protected(server)?;
        }
        Ok(session)
    }

    /// STARTTLS (RFC 3207). What was offered before it counts for nothing after it.
    fn protected(mut self, server: &Smtp) -> Result<Session<'a>, Failure> {
        if !self.offers.supports_feature(Extension::StartTls) {
            return Err(Failure::permanent(format!(
                "{} does not offer STARTTLS, and nothing was sent without it",
                self.name
            )));
        }
        self.command(&Starttls.to_string())?;
        let wire = self
            .wire
            .secured(&server.host, server.ca_file.as_deref(), self.talk)?;
        let mut session = Session { wire, ..self };
        session.hello()?;
        Ok(session)
    }

    fn hello(&mut self) -> Result<(), Failure> {
        // Not the name of this machine, which is nobody's business.
        let us = ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST);
        let answer = self.command(&Ehlo::new(us).to_string())?;
        self.offers = ServerInfo::from_response(&answer).map_err(|_| self.no_smtp(""))?;
        Ok(())
    }

    /// Logs in (RFC 4954), by the mechanism of the mailbox or the first of ours that is offered. lettre's credentials are
    /// plain text, and are not wiped when they go.
    fn log_in(&mut self, server: &Smtp, username: &str, password: &Secret) -> Result<(), Failure> {
        let ours: &[Mechanism] = match server.auth {
            Some(auth) => &[auth.mechanism()],
            None => &[Mechanism::Plain, Mechanism::Login],
        };
        let Some(mechanism) = self.offers.get_auth_mechanism(ours) else {
            let names: Vec<String> = ours.iter().map(Mechanism::to_string).collect();
            return Err(Failure::permanent(format!(
                "{} does not offer to log in by {}",
                self.name,
                names.join(" or ")
            )));
        };
        let credentials = Credentials::new(username.to_owned(), password.expose().to_owned());
        let unfit = |error: lettre::transport::smtp::Error| {
            Failure::permanent(format!("the login cannot be written: {error}"))
        };
        let first = Auth::new(mechanism, credentials.clone(), None).map_err(unfit)?;
        self.talk.client(if mechanism.supports_initial_response() {
            format!("AUTH {mechanism} {MASKED}")
        } else {
            format!("AUTH {mechanism}")
        });
        self.wire
            .send(Zeroizing::new(first.to_string()).as_bytes())?;
        let mut answer = self.answer()?;
        for _ in 0..MOST_QUESTIONS {
            if !answer.has_code(334) {
                break;
            }
            self.talk.client(MASKED);
            // To XOAUTH2 a question is an error, told in full once it is answered with nothing.
            let more = Zeroizing::new(match mechanism {
                Mechanism::Xoauth2 => "\r\n".to_owned(),
                _ => Auth::new_from_response(mechanism, credentials.clone(), &answer)
                    .map_err(unfit)?
                    .to_string(),
            });
            self.wire.send(more.as_bytes())?;
            answer = self.answer()?;
        }
        if answer.has_code(334) {
            return Err(Failure::permanent(format!(
                "{} asks without end who logs in",
                self.name
            )));
        }
        self.positive(&answer)
    }

    /// Sender, recipient and the letter itself.
    fn hand_over(&mut self, letter: &Letter) -> Result<String, Failure> {
        let mut parameters = Vec::new();
        if !(is_ascii(&letter.from) && is_ascii(&letter.to)) {
            // RFC 6531, section 3.1: such an address reaches nobody through a server that does not know of them.
            if !self.offers.supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure::permanent(format!(
                    "{} takes no addresses with letters beyond ASCII (SMTPUTF8)",
                    self.name
                )));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !letter.bytes.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.command(&Mail::new(Some(letter.from.clone()), parameters).to_string())?;
        self.command(&Rcpt::new(letter.to.clone(), Vec::new()).to_string())?;
        self.command(&Data.to_string())?;
        // The letter is not repeated: there is a code in it.
        self.talk
            .client(format!("(the message, {} bytes)", letter.bytes.len()));
        self.wire.send(&stuffed(&letter.bytes))?;
        let answer = self.answer()?;
        self.positive(&answer)?;
        Ok(words(&answer))
    }

    /// Says a command and hears the answer, which is yes.
    fn command(&mut self, command: &str) -> Result<Response, Failure> {
        self.say(command)?;
        let answer = self.answer()?;
        self.positive(&answer)?;
        Ok(answer)
    }

    fn say(&mut self, command: &str) -> Result<(), Failure> {
        self.talk.client(command.trim_end());
        self.wire.send(command.as_bytes())
    }

    /// One answer, all its lines.
    fn answer(&mut self) -> Result<Response, Failure> {
        let mut whole = String::new();
        for _ in 0..MOST_LINES {
            let line = self.wire.line(LONGEST_LINE)?;
            let line = String::from_utf8_lossy(&line);
            self.talk.server(&line);
            match gather(&mut whole, &line) {
                Gathered::Whole(answer) => return Ok(answer),
                Gathered::More => {}
                Gathered::Strange => return Err(self.no_smtp(&line)),
            }
        }
        Err(Failure::temporary(format!(
            "{} answers without end",
            self.name
        )))
    }

    /// What a refusal says, told from one that may be another tomorrow.
    fn positive(&self, answer: &Response) -> Result<(), Failure> {
        let said = words(answer);
        match answer.code().severity {
            Severity::PositiveCompletion | Severity::PositiveIntermediate => Ok(()),
            Severity::TransientNegativeCompletion => Err(Failure::temporary(format!(
                "{} refused for now: {said}",
                self.name
            ))),
            Severity::PermanentNegativeCompletion => {
                Err(Failure::permanent(format!("{} refused: {said}", self.name)))
            }
        }
    }

    fn no_smtp(&self, line: &str) -> Failure {
        Failure::permanent(format!(
            "{} does not speak SMTP: it answered `{}`",
            self.name,
            line.trim()
        ))
    }
}

/// What a line of an answer makes of it.
enum Gathered {
    Whole(Response),
    More,
    /// This is no SMTP.
    Strange,
}

/// Takes a line of an answer, without its end.
fn gather(whole: &mut String, line: &str) -> Gathered {
    whole.push_str(line);
    // The last line has a blank behind its number, or nothing (RFC 5321, section 4.2.1).
    let is_last = match line.as_bytes() {
        [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9'] => {
            whole.push(' ');
            true
        }
        [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9', b' ', ..] => true,
        [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9', b'-', ..] => false,
        _ => return Gathered::Strange,
    };
    whole.push_str("\r\n");
    if !is_last {
        return Gathered::More;
    }
    whole.parse().map_or(Gathered::Strange, Gathered::Whole)
}

/// Reads answers as they come over the wire: for the fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let mut whole = String::new();
    for line in bytes.split(|byte| *byte == b'\n').take(MOST_LINES) {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        match gather(&mut whole, &line) {
            Gathered::Whole(answer) => {
                assert!(words(&answer).starts_with(&line[..3]));
                whole.clear();
            }
            Gathered::More => {}
            Gathered::Strange => return,
        }
    }
}

/// An answer in one line: its number and its words.
fn words(answer: &Response) -> String {
    let said: Vec<&str> = answer.message().map(str::trim).collect();
    format!("{} {}", answer.code(), said.join(" "))
        .trim()
        .to_owned()
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// A letter as it goes over the wire: a dot before each line that begins with one, and a line with a dot alone at its
/// end (RFC 5321, section 4.5.2). A line break is CR LF there, and never one of the two alone.
fn stuffed(letter: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(letter.len() + 16);
    let ends = letter.strip_suffix(b"\n").unwrap_or(letter);
    for line in ends.split(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend(line.iter().copied().filter(|byte| *byte != b'\r'));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

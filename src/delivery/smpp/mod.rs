//! Sending through a message centre that speaks SMPP 3.4 (Short Message Peer-to-Peer Protocol Specification, issue 1.2).
//!
//! One message is one session: bind as a transmitter, submit, unbind (section 2.2). We ask one thing at a time, and while
//! we wait for the answer the centre may ask something itself. What it sends is bounded in size here and in time and sum
//! by the wire.

mod address;
mod alphabet;
mod pdu;
#[cfg(test)]
mod scripted;
mod status;
#[cfg(test)]
mod tests;

use self::address::Address;
use self::alphabet::Encoded;
use self::pdu::{Command, Fields, Pdu};
use self::status::Status;

use super::conversation::{Deadline, LAST_WORDS, MASKED, Talk};
use super::wire::{Wire, named};
use super::{Failure, Sms};
use crate::mailbox::Tls;
use crate::name::visible;
use crate::secret::Secret;
use crate::sms_provider::Smpp;

/// The version that we speak (section 5.2.4).
const VERSION: u8 = 0x34;

/// `esm_class` of a part: a header stands before the words (section 5.2.12).
const WITH_HEADER: u8 = 0x40;

/// The longest names, in octets without the NUL at their end (sections 5.2.1, 5.2.2 and 5.2.3).
const LONGEST_SYSTEM_ID: usize = 15;
const LONGEST_PASSWORD: usize = 8;
const LONGEST_SYSTEM_TYPE: usize = 12;

/// The longest `message_id` (section 5.2.23).
const LONGEST_MESSAGE_ID: usize = 64;

/// How much else a centre may say before it answers.
const PATIENCE: usize = 100;

/// In how many parts a message goes to a phone.
pub(super) fn parts(text: &str) -> usize {
    match alphabet::encode(text, 0) {
        Ok(encoded) => encoded.parts.len(),
        Err(parts) => parts,
    }
}

/// Sends `sms` through the centre. Returns what it calls the parts, and all that passes between us is told to `talk`,
/// but for the password and the words. `reference` is any number: it tells the parts of one long message from those of
/// another.
pub(super) fn send(
    server: &Smpp,
    password: Option<&Secret>,
    sms: &Sms,
    reference: u8,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    // What cannot be sent is known before anybody is called.
    let letter = Letter::of(sms, reference)?;
    let mut session = Session::open(server, password, deadline, talk)?;
    let came = session.submit(&letter);
    session.leave();
    came
}

/// Reads what a centre may say, and writes what a message may have in it: for the fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Some((length, rest)) = bytes.split_first_chunk()
        && let Some(octets) = pdu::rest(*length)
        && let Some(pdu) = rest.get(..octets).and_then(Pdu::decode)
    {
        let _ = pdu.command.name();
        assert!(!pdu.text(65).chars().any(char::is_control));
        assert_eq!(pdu.encode().as_slice(), &bytes[..octets + 4]);
    }
    let _ = alphabet::encode(&String::from_utf8_lossy(bytes), 7);
}

/// Binds and unbinds, and submits nothing.
pub(super) fn call(
    server: &Smpp,
    password: Option<&Secret>,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    Session::open(server, password, deadline, talk)?.leave();
    Ok(String::new())
}

/// A message with all that a centre must know of it.
struct Letter {
    from: Address,
    to: Address,
    words: Encoded,
}

impl Letter {
    fn of(sms: &Sms, reference: u8) -> Result<Letter, Failure> {
        let words = alphabet::encode(&sms.text, reference).map_err(|parts| {
            Failure::permanent(format!(
                "the message is too long: it would take {parts} short messages, and {} is the most",
                alphabet::MOST_PARTS
            ))
        })?;
        Ok(Letter {
            from: Address::source(sms.from.as_deref())?,
            to: Address::destination(&sms.to)?,
            words,
        })
    }

    /// The body of the `submit_sm` that takes `part` (section 4.4.1). No receipt is asked for: nobody would be there.
    fn body(&self, part: &[u8]) -> Vec<u8> {
        let class = if self.words.parts.len() > 1 {
            WITH_HEADER
        } else {
            0
        };
        Fields::default()
            .text("") // service_type
            .octet(self.from.ton)
            .octet(self.from.npi)
            .text(&self.from.text)
            .octet(self.to.ton)
            .octet(self.to.npi)
            .text(&self.to.text)
            .octet(class)
            .octet(0) // protocol_id
            .octet(0) // priority_flag
            .text("") // schedule_delivery_time
            .text("") // validity_period
            .octet(0) // registered_delivery
            .octet(0) // replace_if_present_flag
            .octet(self.words.coding.data_coding())
            .octet(0) // sm_default_msg_id
            .counted(part) // sm_length, short_message
            .done()
    }
}

/// The body of `bind_transmitter` (section 4.1.1).
fn bind(server: &Smpp, password: Option<&Secret>) -> Result<Vec<u8>, Failure> {
    let password = password.map_or("", Secret::expose);
    let system_type = server.system_type.as_deref().unwrap_or_default();
    // A NUL ends such a field, and what stands after it would be read as the next one.
    for (what, text) in [
        ("system_id", server.username.as_str()),
        ("password", password),
        ("system_type", system_type),
    ] {
        if text.contains('\0') {
            return Err(Failure::permanent(format!(
                "the {what} has a NUL in it, which SMPP cannot send"
            )));
        }
    }
    Ok(Fields::default()
        .text(&server.username)
        .text(password)
        .text(system_type)
        .octet(VERSION)
        .octet(0) // addr_ton
        .octet(0) // addr_npi
        .text("") // address_range
        .done())
}

/// A session with a centre.
struct Session<'a> {
    wire: Wire,
    /// `host:port`, for the words of a failure.
    server: String,
    talk: &'a Talk,
    /// The number of our last request (section 5.1.4).
    sequence: u32,
    /// Whether there is nobody left to take leave of.
    over: bool,
}

impl<'a> Session<'a> {
    /// Connects and logs in.
    fn open(
        server: &Smpp,
        password: Option<&Secret>,
        deadline: Deadline,
        talk: &'a Talk,
    ) -> Result<Session<'a>, Failure> {
        let bind = bind(server, password)?;
        let deadline = deadline.ahead(LAST_WORDS);
        let mut wire = Wire::connect(&server.host, server.port, deadline, talk)?;
        if server.tls != Tls::None {
            wire = wire.secured(&server.host, server.ca_file.as_deref(), talk)?;
        }
        let mut session = Session {
            wire,
            server: named(&server.host, server.port),
            talk,
            sequence: 0,
            over: false,
        };
        session.bind(server, password, bind)?;
        Ok(session)
    }

    /// Logs in.
    ///
    /// A name or password that is longer than SMPP 3.4 has it goes as it is, with a note: many centres take longer ones,
    /// those that do not say so, and a part of a password would only be a wrong one.
    fn bind(
        &mut self,
        server: &Smpp,
        password: Option<&Secret>,
        body: Vec<u8>,
    ) -> Result<(), Failure> {
        let system_type = server.system_type.as_deref().unwrap_or_default();
        let password = password.map_or("", Secret::expose);
        for (what, text, longest) in [
            ("system_id", server.username.as_str(), LONGEST_SYSTEM_ID),
            ("password", password, LONGEST_PASSWORD),
            ("system_type", system_type, LONGEST_SYSTEM_TYPE),
        ] {
            if text.len() > longest {
                self.talk.note(format!(
                    "the {what} is longer than the {longest} characters of SMPP 3.4, and not every centre takes it"
                ));
            }
        }
        self.talk.client(format!(
            "bind_transmitter system_id={} password={} system_type={}",
            visible(&server.username),
            if password.is_empty() { "" } else { MASKED },
            visible(system_type),
        ));
        let answer = self.ask(Command::BIND_TRANSMITTER, body)?;
        let centre = answer.text(LONGEST_SYSTEM_ID);
        self.heard(&answer, &format!("system_id={centre}"))
    }

    /// Submits all parts of a message, one after the other.
    fn submit(&mut self, letter: &Letter) -> Result<String, Failure> {
        let parts = &letter.words.parts;
        let mut ids = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let from = &letter.from.text;
            self.talk.client(format!(
                "submit_sm part {} of {}{} to `{}`, data_coding {} ({}), {} bytes",
                at + 1,
                parts.len(),
                if from.is_empty() {
                    String::new()
                } else {
                    format!(" from `{from}`")
                },
                letter.to.text,
                letter.words.coding.data_coding(),
                letter.words.coding.name(),
                part.len()
            ));
            match self.submit_part(letter.body(part)) {
                Ok(id) => ids.push(id),
                Err(failure) if at == 0 => return Err(failure),
                // The parts that were accepted would come, and be paid for, twice.
                Err(failure) => {
                    return Err(Failure::permanent(format!(
                        "{} ({at} of {} parts had been accepted)",
                        failure.said,
                        parts.len()
                    )));
                }
            }
        }
        ids.retain(|id| !id.is_empty());
        Ok(if ids.is_empty() {
            "accepted, without a message id".to_owned()
        } else {
            ids.join(" ")
        })
    }

    /// Submits one part. Returns what the centre calls it.
    fn submit_part(&mut self, body: Vec<u8>) -> Result<String, Failure> {
        let answer = self.ask(Command::SUBMIT_SM, body)?;
        let id = answer.text(LONGEST_MESSAGE_ID);
        self.heard(&answer, &format!("message_id={id}"))?;
        Ok(id)
    }

    /// Takes leave (section 4.2). Nothing depends on it any more: whether the message went is known.
    fn leave(mut self) {
        if self.over {
            return;
        }
        self.wire.leave();
        self.talk.client(Command::UNBIND.name());
        let left = self
            .ask(Command::UNBIND, Vec::new())
            .and_then(|answer| self.heard(&answer, ""));
        if let Err(failure) = left {
            self.talk.note(format!(
                "{}, which changes nothing: the session is over",
                failure.said
            ));
        }
    }

    /// Sends a request and waits for its answer.
    fn ask(&mut self, command: Command, body: Vec<u8>) -> Result<Pdu, Failure> {
        self.sequence += 1;
        let request = Pdu {
            command,
            status: Status::OK.0,
            sequence: self.sequence,
            body,
        };
        self.say(&request)?;
        for _ in 0..PATIENCE {
            let pdu = self.hear()?;
            if pdu.command == command.answer() && pdu.sequence == request.sequence {
                return Ok(pdu);
            }
            // One that cannot tell what it was has no number for it (section 4.3.1).
            if pdu.command == Command::GENERIC_NACK && [request.sequence, 0].contains(&pdu.sequence)
            {
                return Err(self.not_understood(command, Status(pdu.status)));
            }
            self.aside(&pdu)?;
        }
        self.over = true;
        Err(Failure::temporary(format!(
            "{} said {PATIENCE} other things, and did not answer {}",
            self.server,
            command.name()
        )))
    }

    /// What is not the answer that we wait for.
    fn aside(&mut self, pdu: &Pdu) -> Result<(), Failure> {
        let name = pdu.command.name();
        if pdu.command.is_answer() {
            self.talk.server(format!(
                "{name} {} for request {}",
                Status(pdu.status),
                pdu.sequence
            ));
            self.talk
                .note("that answers nothing that was asked here; it is ignored");
            return Ok(());
        }
        self.talk.server(&*name);
        match pdu.command {
            Command::ENQUIRE_LINK => self.answer(pdu, pdu.command.answer(), Status::OK, &[]),
            // With its message_id, which is empty (section 4.6.2). It is not ours to take: a receiver's it is.
            Command::DELIVER_SM => self.answer(pdu, pdu.command.answer(), Status::WRONG_BIND, &[0]),
            Command::UNBIND => {
                self.answer(pdu, pdu.command.answer(), Status::OK, &[])?;
                self.over = true;
                Err(Failure::temporary(format!(
                    "{} ended the session (unbind)",
                    self.server
                )))
            }
            // Nobody waits for an answer to these (sections 4.1.7 and 4.12.1).
            Command::OUTBIND | Command::ALERT_NOTIFICATION => Ok(()),
            _ => self.answer(pdu, Command::GENERIC_NACK, Status::UNKNOWN_COMMAND, &[]),
        }
    }

    /// Answers what the centre asks.
    fn answer(
        &mut self,
        to: &Pdu,
        command: Command,
        status: Status,
        body: &[u8],
    ) -> Result<(), Failure> {
        self.talk.client(format!("{} {status}", command.name()));
        self.say(&Pdu {
            command,
            status: status.0,
            sequence: to.sequence,
            body: body.to_vec(),
        })
    }

    fn say(&mut self, pdu: &Pdu) -> Result<(), Failure> {
        let said = self.wire.send(&pdu.encode());
        self.over |= said.is_err();
        said
    }

    fn hear(&mut self) -> Result<Pdu, Failure> {
        let heard = self.next();
        self.over |= heard.is_err();
        heard
    }

    fn next(&mut self) -> Result<Pdu, Failure> {
        let head = self.wire.exactly(size_of::<u32>())?;
        let length = head.first_chunk().copied().unwrap_or_default();
        let rest = pdu::rest(length).ok_or_else(|| self.strange(length))?;
        let rest = self.wire.exactly(rest)?;
        Pdu::decode(&rest).ok_or_else(|| self.strange(length))
    }

    /// Tells what an answer says, and whether it is yes.
    fn heard(&self, answer: &Pdu, more: &str) -> Result<(), Failure> {
        let status = Status(answer.status);
        let line = format!("{} {status}", answer.command.name());
        if status == Status::OK {
            self.talk.server(format!("{line} {more}").trim_end());
            return Ok(());
        }
        self.talk.server(line);
        let what = format!("{status}: {}", status.meaning());
        Err(if status.is_temporary() {
            Failure::temporary(format!("{} refused for now: {what}", self.server))
        } else {
            Failure::permanent(format!("{} refused: {what}", self.server))
        })
    }

    fn not_understood(&self, command: Command, status: Status) -> Failure {
        self.talk
            .server(format!("{} {status}", Command::GENERIC_NACK.name()));
        Failure {
            said: format!(
                "{} did not understand {}: {status}: {}",
                self.server,
                command.name(),
                status.meaning()
            ),
            temporary: status.is_temporary(),
        }
    }

    /// Who begins like this is no message centre.
    fn strange(&self, length: [u8; 4]) -> Failure {
        let what = match length {
            // An alert or a handshake (RFC 8446, section 5.1).
            [0x15 | 0x16, 3, ..] => "TLS; it may want it from the first byte".to_owned(),
            _ if length.iter().all(|c| *c == b' ' || c.is_ascii_graphic()) => {
                format!("`{}`", String::from_utf8_lossy(&length))
            }
            _ => format!("a length of {} bytes", u32::from_be_bytes(length)),
        };
        Failure::temporary(format!(
            "{} does not speak SMPP: it sent {what}",
            self.server
        ))
    }
}

//! What goes over the wire: a header of 16 octets, then the fields of its command (SMPP 3.4, section 3.2).

use std::borrow::Cow;

use zeroize::{Zeroize as _, Zeroizing};

use crate::name::unabridged;

/// The octets of a header.
pub(super) const HEADER: usize = 16;

/// The longest that is taken from a centre, in octets: no answer comes near.
pub(super) const LONGEST: usize = 64 * 1024;

/// The bit that tells an answer from what it answers (SMPP 3.4, section 5.1.2).
const ANSWER: u32 = 0x8000_0000;

/// `command_id` (SMPP 3.4, section 5.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command(pub u32);

impl Command {
    pub(super) const GENERIC_NACK: Command = Command(ANSWER);
    pub(super) const BIND_TRANSMITTER: Command = Command(0x0002);
    pub(super) const SUBMIT_SM: Command = Command(0x0004);
    pub(super) const DELIVER_SM: Command = Command(0x0005);
    pub(super) const UNBIND: Command = Command(0x0006);
    pub(super) const OUTBIND: Command = Command(0x000b);
    pub(super) const ENQUIRE_LINK: Command = Command(0x0015);
    pub(super) const ALERT_NOTIFICATION: Command = Command(0x0102);

    /// What answers it.
    pub(super) fn answer(self) -> Command {
        Command(self.0 | ANSWER)
    }

    /// Whether it is an answer itself.
    pub(super) fn is_answer(self) -> bool {
        self.0 & ANSWER != 0
    }

    /// Its name, or its number when it has none.
    pub(super) fn name(self) -> Cow<'static, str> {
        let known = match self.0 & !ANSWER {
            0x0000 if self.is_answer() => return "generic_nack".into(),
            0x0001 => "bind_receiver",
            0x0002 => "bind_transmitter",
            0x0003 => "query_sm",
            0x0004 => "submit_sm",
            0x0005 => "deliver_sm",
            0x0006 => "unbind",
            0x0007 => "replace_sm",
            0x0008 => "cancel_sm",
            0x0009 => "bind_transceiver",
            0x000b => "outbind",
            0x0015 => "enquire_link",
            0x0021 => "submit_multi",
            0x0102 => "alert_notification",
            0x0103 => "data_sm",
            _ => return format!("the unknown command {:#010x}", self.0).into(),
        };
        if self.is_answer() {
            format!("{known}_resp").into()
        } else {
            known.into()
        }
    }
}

/// A protocol data unit. It has no `Debug`: that of a bind holds the password.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Pdu {
    pub command: Command,
    /// `command_status`: what came of a request, in an answer to it.
    pub status: u32,
    pub sequence: u32,
    /// The fields, as they stand.
    pub body: Vec<u8>,
}

impl Drop for Pdu {
    /// The password of a bind, or the words of a message.
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl Pdu {
    /// As it goes over the wire.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Bodies of ours are some hundred octets.
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let header = [length, self.command.0, self.status, self.sequence];
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER + 4 + self.body.len()));
        bytes.extend(header.into_iter().flat_map(u32::to_be_bytes));
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// What comes after `command_length`.
    pub(super) fn decode(rest: &[u8]) -> Option<Pdu> {
        let (command, rest) = rest.split_first_chunk()?;
        let (status, rest) = rest.split_first_chunk()?;
        let (sequence, body) = rest.split_first_chunk()?;
        Some(Pdu {
            command: Command(u32::from_be_bytes(*command)),
            status: u32::from_be_bytes(*status),
            sequence: u32::from_be_bytes(*sequence),
            body: body.to_vec(),
        })
    }

    /// The C-octet string that the body begins with, as it may be shown: `system_id` or `message_id` of an answer, of at
    /// most `most` octets. A centre that leaves it out, or its end, is forgiven.
    pub(super) fn text(&self, most: usize) -> String {
        let end = self.body.iter().position(|octet| *octet == 0);
        let end = end.unwrap_or(self.body.len()).min(most);
        unabridged(&String::from_utf8_lossy(&self.body[..end])).into_owned()
    }
}

/// How many octets follow a `command_length`, when that can be one.
pub(super) fn rest(length: [u8; 4]) -> Option<usize> {
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    (HEADER..=LONGEST)
        .contains(&length)
        .then(|| length - size_of::<u32>())
}

/// Puts the fields of a body together (SMPP 3.4, section 3.1).
#[derive(Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    /// An integer of one octet.
    pub(super) fn octet(mut self, value: u8) -> Fields {
        self.0.push(value);
        self
    }

    /// A C-octet string. The caller has seen that there is no NUL in it.
    pub(super) fn text(mut self, text: &str) -> Fields {
        self.0.extend_from_slice(text.as_bytes());
        self.octet(0)
    }

    /// Octets after their number. The caller has seen that there are no more than 254 (SMPP 3.4, section 5.2.21).
    pub(super) fn counted(mut self, octets: &[u8]) -> Fields {
        self.0.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(octets);
        self
    }

    /// The body.
    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bind_is_written_as_the_specification_has_it() {
        // SMPP 3.4, section 3.2.2, with a system_type of its own.
        let body = Fields::default()
            .text("SMPP3TEST")
            .text("secret08")
            .text("SUBMIT1")
            .octet(0)
            .octet(1)
            .octet(1)
            .text("")
            .done();
        let pdu = Pdu {
            command: Command::BIND_TRANSMITTER,
            status: 0,
            sequence: 1,
            body,
        };
        assert_eq!(
            data_encoding::HEXUPPER.encode(&pdu.encode()),
            "0000002F 00000002 00000000 00000001 534D50503354455354 00 7365637265743038 00 5355424D495431 00 00 01 01 00"
                .replace(' ', "")
        );
    }

    #[test]
    fn a_length_is_neither_too_small_nor_too_large() {
        for (length, rest_of_it) in [
            (0, None),
            (15, None),
            (16, Some(12)),
            (65_536, Some(65_532)),
            (65_537, None),
            (u32::MAX, None),
        ] {
            assert_eq!(rest(u32::to_be_bytes(length)), rest_of_it, "{length}");
        }
    }

    #[test]
    fn commands_have_names() {
        assert_eq!(Command::GENERIC_NACK.name(), "generic_nack");
        assert_eq!(Command::SUBMIT_SM.answer().name(), "submit_sm_resp");
        assert_eq!(Command(0).name(), "the unknown command 0x00000000");
        assert_eq!(
            Command(0x8000_7777).name(),
            "the unknown command 0x80007777"
        );
    }

    #[test]
    fn a_text_ends_where_it_ends() {
        let pdu = |body: &[u8]| Pdu {
            command: Command::SUBMIT_SM.answer(),
            status: 0,
            sequence: 1,
            body: body.to_vec(),
        };
        assert_eq!(pdu(b"4F2A\0more").text(65), "4F2A");
        assert_eq!(pdu(b"4F2A").text(65), "4F2A");
        assert_eq!(pdu(b"").text(65), "");
        assert_eq!(pdu(b"\0").text(65), "");
        assert_eq!(pdu(&[b'x'; 200]).text(65).len(), 65);
        assert_eq!(pdu(b"\x1b[31m\n\0").text(65), "\\u{1b}[31m\\u{a}");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(pdu) = Pdu::decode(&bytes) {
                prop_assert_eq!(&pdu.encode()[4..], bytes.as_slice());
                prop_assert!(!pdu.text(65).contains('\0'));
                prop_assert!(!pdu.command.name().is_empty());
            } else {
                prop_assert!(bytes.len() < 12);
            }
        }

        #[test]
        fn what_is_written_is_read(
            command in any::<u32>(),
            status in any::<u32>(),
            sequence in any::<u32>(),
            body in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let pdu = Pdu { command: Command(command), status, sequence, body };
            let bytes = pdu.encode();
            let (length, after) = bytes.split_first_chunk().unwrap();
            prop_assert_eq!(rest(*length), Some(after.len()));
            prop_assert_eq!(Pdu::decode(after), Some(pdu));
        }
    }
}

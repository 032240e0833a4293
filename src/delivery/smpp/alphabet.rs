//! The words of a short message: the GSM alphabet or UCS-2, in as many parts as they need.
//!
//! A part holds 140 octets on the air (3GPP TS 23.040, section 9.2.3.24): 160 characters of seven bits or 70 of sixteen,
//! less what the header of a part takes when there are several.

/// The GSM 7-bit default alphabet (3GPP TS 23.038, section 6.2.1), by code. 0x1B leads to [`EXTENSION`].
const ALPHABET: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The code that leads to the extension table.
const ESCAPE: u8 = 0x1b;

/// The extension table (3GPP TS 23.038, section 6.2.1.1), each after [`ESCAPE`].
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// The most parts that are sent for one message: nobody reads a code in a novel.
pub(super) const MOST_PARTS: usize = 10;

/// How the octets of a message are to be read (SMPP 3.4, section 5.2.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// The centre's default alphabet, which is GSM's: one octet for each code of seven bits.
    Gsm,
    /// UCS-2, big-endian; what lies beyond 16 bits as surrogates.
    Ucs2,
}

impl Coding {
    /// The value of `data_coding`.
    pub(super) fn data_coding(self) -> u8 {
        match self {
            Coding::Gsm => 0x00,
            Coding::Ucs2 => 0x08,
        }
    }

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Gsm => "GSM",
            Coding::Ucs2 => "UCS-2",
        }
    }

    /// The octets of `c`, if it has any: they are never torn apart.
    fn octets(self, c: char) -> Option<Vec<u8>> {
        match self {
            Coding::Gsm => gsm(c),
            Coding::Ucs2 => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                Some(units.flat_map(|unit| unit.to_be_bytes()).collect())
            }
        }
    }

    /// How many octets of `short_message` are one message, and how many are left in each of several.
    fn room(self) -> (usize, usize) {
        match self {
            // The header is 6 octets, which is 7 septets with what fills them up.
            Coding::Gsm => (160, 153),
            Coding::Ucs2 => (140, 134),
        }
    }
}

/// A message as it goes to the centre.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    /// How it is to be read.
    pub coding: Coding,
    /// `short_message` of each part. Where there are several, each begins with a header.
    pub parts: Vec<Vec<u8>>,
}

/// Encodes `text`, in as many parts as it needs; `reference` tells the parts of this message from those of another
/// (3GPP TS 23.040, section 9.2.3.24.1). The error is the number of parts, when it is more than [`MOST_PARTS`].
pub(super) fn encode(text: &str, reference: u8) -> Result<Encoded, usize> {
    let coding = if text.chars().all(|c| gsm(c).is_some()) {
        Coding::Gsm
    } else {
        Coding::Ucs2
    };
    let (whole, each) = coding.room();
    let letters: Vec<Vec<u8>> = text.chars().filter_map(|c| coding.octets(c)).collect();
    if letters.iter().map(Vec::len).sum::<usize>() <= whole {
        let parts = vec![letters.concat()];
        return Ok(Encoded { coding, parts });
    }
    let mut bodies = vec![Vec::new()];
    for letter in letters {
        match bodies.last_mut() {
            Some(body) if body.len() + letter.len() <= each => body.extend(letter),
            _ => bodies.push(letter),
        }
    }
    let total = match u8::try_from(bodies.len()) {
        Ok(total) if bodies.len() <= MOST_PARTS => total,
        _ => return Err(bodies.len()),
    };
    let parts = (1..=total)
        .zip(bodies)
        .map(|(at, body)| [&[5, 0, 3, reference, total, at], body.as_slice()].concat())
        .collect();
    Ok(Encoded { coding, parts })
}

/// The codes of `c` in the GSM alphabet: one, or two for what stands in the extension table.
pub(super) fn gsm(c: char) -> Option<Vec<u8>> {
    let code = ALPHABET.iter().position(|known| *known == c);
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(ESCAPE) => None,
        Some(code) => Some(vec![code]),
        None => EXTENSION
            .iter()
            .find(|(_, known)| *known == c)
            .map(|(code, _)| vec![ESCAPE, *code]),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads what a phone would read.
    pub(in crate::delivery::smpp) fn decode(coding: u8, octets: &[u8]) -> String {
        if coding == 8 {
            assert_eq!(octets.len() % 2, 0, "half a unit");
            let units = octets
                .chunks(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]));
            return char::decode_utf16(units).collect::<Result<_, _>>().unwrap();
        }
        let mut text = String::new();
        let mut octets = octets.iter();
        while let Some(octet) = octets.next() {
            text.push(if *octet == ESCAPE {
                let code = octets.next().expect("half an escape");
                EXTENSION.iter().find(|(known, _)| known == code).unwrap().1
            } else {
                ALPHABET[usize::from(*octet)]
            });
        }
        text
    }

    /// The parts of a message put together, each of which must make sense by itself.
    fn joined(encoded: &Encoded, reference: u8) -> String {
        let coding = encoded.coding.data_coding();
        let several = encoded.parts.len() > 1;
        let total = u8::try_from(encoded.parts.len()).unwrap();
        (1..=total)
            .zip(&encoded.parts)
            .map(|(at, part)| {
                let body = if several {
                    assert_eq!(part[..6], [5, 0, 3, reference, total, at]);
                    &part[6..]
                } else {
                    part
                };
                let (header, bits) = if several { (6, 7) } else { (0, 0) };
                match encoded.coding {
                    Coding::Gsm => assert!(body.len() + bits <= 160, "{} septets", body.len()),
                    Coding::Ucs2 => assert!(body.len() + header <= 140, "{} octets", body.len()),
                }
                decode(coding, body)
            })
            .collect()
    }

    fn shape(text: &str) -> (Coding, Vec<usize>) {
        let encoded = encode(text, 7).unwrap();
        (encoded.coding, encoded.parts.iter().map(Vec::len).collect())
    }

    #[test]
    fn the_alphabet_is_the_standard_s() {
        let encoded = encode("@£ÄöÜß§ éçÇ", 0).unwrap();
        assert_eq!(encoded.coding, Coding::Ucs2, "there is no ç in it");
        let encoded = encode("Hi @_$ äöüß €[]{}^~|\\", 0).unwrap();
        assert_eq!(encoded.coding, Coding::Gsm);
        assert_eq!(
            data_encoding::HEXUPPER.encode(&encoded.parts[0]),
            "48692000110220 7B7C7E1E20 1B651B3C1B3E1B281B291B141B3D1B401B2F".replace(' ', "")
        );
        // Each character stands at one place only, and ASCII's letters and digits at their own.
        for (at, c) in ALPHABET.iter().enumerate() {
            assert_eq!(ALPHABET.iter().position(|other| other == c), Some(at));
            assert!(!c.is_ascii_alphanumeric() || *c as usize == at);
        }
        assert_eq!(gsm('\u{1b}'), None);
    }

    #[test]
    fn a_message_has_the_parts_it_needs() {
        use Coding::{Gsm, Ucs2};
        assert_eq!(shape(""), (Gsm, vec![0]));
        assert_eq!(shape(&"a".repeat(160)), (Gsm, vec![160]));
        assert_eq!(shape(&"a".repeat(161)), (Gsm, vec![6 + 153, 6 + 8]));
        assert_eq!(shape(&"€".repeat(80)), (Gsm, vec![160]));
        // 153 is odd: an escape and what it stands for stay together.
        assert_eq!(shape(&"€".repeat(81)), (Gsm, vec![6 + 152, 6 + 10]));
        assert_eq!(shape(&"ж".repeat(70)), (Ucs2, vec![140]));
        assert_eq!(shape(&"ж".repeat(71)), (Ucs2, vec![6 + 134, 6 + 8]));
        // 67 is odd too: so do the surrogates of 🔑.
        assert_eq!(shape(&"🔑".repeat(35)), (Ucs2, vec![140]));
        assert_eq!(shape(&"🔑".repeat(36)), (Ucs2, vec![6 + 132, 6 + 12]));
        assert_eq!(shape(&"a".repeat(1530)).1.len(), 10);
        assert_eq!(encode(&"a".repeat(1531), 0), Err(11));
        assert_eq!(encode(&"ж".repeat(671), 0), Err(11));
        assert_eq!(encode(&"a".repeat(153 * 300), 0), Err(300));
    }

    proptest! {
        #[test]
        fn what_is_split_can_be_joined(text in any::<String>(), times in 1..40_usize, reference in any::<u8>()) {
            let text = text.repeat(times);
            if let Ok(encoded) = encode(&text, reference) {
                prop_assert_eq!(joined(&encoded, reference), text);
            } else {
                prop_assert!(text.encode_utf16().count() > 600);
            }
        }

        #[test]
        fn gsm_too(text in "[a-zA-Z0-9@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæß É!\\[\\]{}|^~€\\\\]{0,1200}", reference in any::<u8>()) {
            if let Ok(encoded) = encode(&text, reference) {
                prop_assert_eq!(encoded.coding, Coding::Gsm);
                prop_assert_eq!(joined(&encoded, reference), text);
            } else {
                prop_assert!(text.chars().count() > 760);
            }
        }
    }
}

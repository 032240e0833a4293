//! Whom a message is from and whom it is for, as a centre takes it (SMPP 3.4, sections 5.2.5 to 5.2.9).

use super::alphabet::gsm;
use crate::delivery::Failure;
use crate::name::visible;

/// The longest number that has room in an address.
const LONGEST_NUMBER: usize = 20;

/// The longest name of letters, in septets: the field of a phone has ten octets (3GPP TS 23.040, section 9.1.2.5).
const LONGEST_NAME: usize = 11;

/// `type_of_number`.
const UNKNOWN: u8 = 0;
const INTERNATIONAL: u8 = 1;
const NETWORK_SPECIFIC: u8 = 3;
const ALPHANUMERIC: u8 = 5;

/// `numbering_plan_indicator`: E.164.
const E164: u8 = 1;

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub ton: u8,
    pub npi: u8,
    pub text: String,
}

impl Address {
    /// Whom a message is from: the centre's own choice, a number with `+`, a short code, or a name.
    pub(super) fn source(from: Option<&str>) -> Result<Address, Failure> {
        let Some(from) = from else {
            return Ok(Address {
                ton: UNKNOWN,
                npi: UNKNOWN,
                text: String::new(),
            });
        };
        if let Some(number) = number(from) {
            return Ok(number);
        }
        let (ton, fits) = if (3..=8).contains(&from.len()) && is_digits(from) {
            (NETWORK_SPECIFIC, true)
        } else {
            // One with `+` was meant to be a number.
            (ALPHANUMERIC, is_name(from) && !from.starts_with('+'))
        };
        if !fits {
            return Err(Failure::permanent(format!(
                "the sender `{}` is none: it must be `+` and digits, 3 to 8 digits, or at most {LONGEST_NAME} letters, \
                 digits and signs that ASCII and the GSM alphabet have",
                visible(from)
            )));
        }
        Ok(Address {
            ton,
            npi: UNKNOWN,
            text: from.to_owned(),
        })
    }

    /// Whom a message is for.
    pub(super) fn destination(to: &str) -> Result<Address, Failure> {
        number(to).ok_or_else(|| {
            Failure::permanent(format!(
                "`{}` is no number that a message can go to: it must be `+` and digits",
                visible(to)
            ))
        })
    }
}

/// A number with `+`, which the address does without.
fn number(text: &str) -> Option<Address> {
    let digits = text.strip_prefix('+')?;
    (is_digits(digits) && digits.len() <= LONGEST_NUMBER).then(|| Address {
        ton: INTERNATIONAL,
        npi: E164,
        text: digits.to_owned(),
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` can be a name: the address is ASCII, and a phone reads it in the GSM alphabet.
fn is_name(text: &str) -> bool {
    let septets = |c: char| gsm(c).filter(|_| c == ' ' || c.is_ascii_graphic());
    let lengths: Option<Vec<usize>> = text.chars().map(|c| Some(septets(c)?.len())).collect();
    lengths.is_some_and(|lengths| (1..=LONGEST_NAME).contains(&lengths.iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(from: &str) -> Option<(u8, u8, String)> {
        let address = Address::source(Some(from)).ok()?;
        Some((address.ton, address.npi, address.text))
    }

    #[test]
    fn a_sender_is_a_number_a_short_code_or_a_name() {
        let none = Address::source(None).unwrap();
        assert_eq!((none.ton, none.npi, none.text.as_str()), (0, 0, ""));
        let is = |ton, npi, text: &str| Some((ton, npi, text.to_owned()));
        assert_eq!(source("+491701234567"), is(1, 1, "491701234567"));
        assert_eq!(source("123"), is(3, 0, "123"));
        assert_eq!(source("12345678"), is(3, 0, "12345678"));
        assert_eq!(source("12"), is(5, 0, "12"));
        assert_eq!(source("123456789"), is(5, 0, "123456789"));
        assert_eq!(source("Example Inc"), is(5, 0, "Example Inc"));
        assert_eq!(source("a@b_c[d]"), is(5, 0, "a@b_c[d]"));
        for from in [
            "",
            "Example Inc.",
            "[[[[[[",
            "Müller",
            "Привет",
            "a`b",
            "a\0b",
            "a\nb",
            "+",
            "+49170x",
            "+491701234567890123456",
        ] {
            assert_eq!(source(from), None, "{from}");
        }
        let failure = Address::source(Some("a\0b")).unwrap_err();
        assert!(!failure.temporary);
        assert_eq!(
            failure.said,
            "the sender `a\\u{0}b` is none: it must be `+` and digits, 3 to 8 digits, or at most 11 letters, digits and \
             signs that ASCII and the GSM alphabet have"
        );
    }

    #[test]
    fn a_destination_is_a_number() {
        let to = Address::destination("+491701234567").unwrap();
        assert_eq!((to.ton, to.npi, to.text.as_str()), (1, 1, "491701234567"));
        for to in [
            "",
            "+",
            "491701234567",
            "+49 170",
            "+٤٩",
            "+49\0",
            "+123456789012345678901",
        ] {
            let failure = Address::destination(to).unwrap_err();
            assert!(!failure.temporary, "{to}");
        }
    }
}

//! Telephone numbers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A telephone number in E.164 form: `+`, then 7 to 15 digits of which the first is not 0.
///
/// `Debug` masks it, so that a number cannot reach a log by accident; `Display` writes it whole.
/// Source: ITU-T E.164 (at most 15 digits).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct E164(String);

/// Why a text is not a telephone number one could call back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a phone number is + followed by 7 to 15 digits")]
pub struct PhoneError;

/// Numbers that Twilio documents for callers who withhold theirs ("anonymous", "unknown",
/// "restricted" spelled on a telephone's keys); they look like E.164 and belong to nobody.
const WITHHELD: [&str; 4] = ["+266696687", "+86282452253", "+7378742833", "+2562533"];

impl E164 {
    /// The number, with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for E164 {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').ok_or(PhoneError)?;
        let plausible = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
            && !WITHHELD.contains(&text);
        if plausible { Ok(Self(text.to_owned())) } else { Err(PhoneError) }
    }
}

impl TryFrom<String> for E164 {
    type Error = PhoneError;

    fn try_from(text: String) -> Result<Self, PhoneError> {
        text.parse()
    }
}

impl From<E164> for String {
    fn from(number: E164) -> String {
        number.0
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_phone(&self.0))
    }
}

/// A number for logs: at most the last two digits stay, `+972541234567` becomes `+**********67`.
pub fn mask_phone(number: &str) -> String {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let hidden = if digits > 4 { digits - 2 } else { digits };
    let mut seen = 0;
    number
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                seen += 1;
                if seen <= hidden { '*' } else { c }
            } else if c == '+' {
                '+'
            } else {
                '*'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_e164_form_are_accepted() {
        for number in ["+972541234567", "+15125550123", "+4930123456"] {
            assert_eq!(number.parse::<E164>().unwrap().to_string(), number);
        }
    }

    #[test]
    fn withheld_and_malformed_numbers_are_no_numbers() {
        for text in ["", "anonymous", "0541234567", "+1", "+266696687", "+0541234567", "client:x"] {
            assert!(text.parse::<E164>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_masked_number_shows_two_digits_at_most() {
        assert_eq!(mask_phone("+972541234567"), "+**********67");
        assert_eq!(mask_phone("112"), "***");
        assert_eq!(format!("{:?}", "+972541234567".parse::<E164>().unwrap()), "+**********67");
    }
}

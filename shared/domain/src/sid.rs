//! Twilio's identifiers: two letters and thirty-two hexadecimal digits.
//!
//! Source: Twilio's OpenAPI description, pattern `^(AC|CA|RE)[0-9a-fA-F]{32}$`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// Why a text is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} is {prefix} followed by 32 hexadecimal digits")]
pub struct SidError {
    kind: &'static str,
    prefix: &'static str,
}

/// Letters and digits of an identifier.
const LENGTH: usize = 34;

/// The text's bytes, where it is an identifier that starts with `prefix`.
fn sid(text: &str, prefix: &str) -> Option<[u8; LENGTH]> {
    let bytes: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
    let digits = bytes.strip_prefix(prefix.as_bytes())?;
    // To the end in any case, which takes several digits at a time.
    digits.iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit()).then_some(bytes)
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name([u8; LENGTH]);

        impl $name {
            /// The two letters every identifier of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The identifier as Twilio writes it.
            pub fn as_str(&self) -> &str {
                // It is ASCII, so there is no other case.
                str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = SidError;

            fn from_str(text: &str) -> Result<Self, SidError> {
                let error = SidError { kind: stringify!($name), prefix: $prefix };
                sid(text, $prefix).map(Self).ok_or(error)
            }
        }

        impl TryFrom<String> for $name {
            type Error = SidError;

            fn try_from(text: String) -> Result<Self, SidError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(sid: $name) -> String {
                sid.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

sid!(
    /// An account or sub-account at Twilio.
    AccountSid,
    "AC"
);
sid!(
    /// One call (a leg, in Twilio's terms).
    CallSid,
    "CA"
);
sid!(
    /// One recording of a call; a call can have several.
    RecordingSid,
    "RE"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_its_prefix_and_32_hexadecimal_digits() {
        let text = "CA0123456789abcdefABCDEF0123456789";
        assert_eq!(text.parse::<CallSid>().unwrap().as_str(), text);
        for wrong in [
            "",
            "CA",
            "RE0123456789abcdefABCDEF0123456789",
            "CA0123456789abcdefABCDEF012345678",
            "CA0123456789abcdefABCDEF01234567890",
            "CA0123456789abcdefABCDEF012345678g",
            "ca0123456789abcdefABCDEF0123456789",
            "CA0123456789abcdefABCDEF01234567é",
        ] {
            assert!(wrong.parse::<CallSid>().is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn the_error_names_what_is_allowed_and_does_not_repeat_the_input() {
        let error = "nonsense".parse::<RecordingSid>().unwrap_err().to_string();
        assert_eq!(error, "a RecordingSid is RE followed by 32 hexadecimal digits");
    }

    #[test]
    fn a_malformed_sid_in_json_is_refused() {
        assert!(serde_json::from_str::<CallSid>("\"CA1\"").is_err());
    }
}

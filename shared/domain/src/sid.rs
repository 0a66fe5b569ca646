//! Twilio's identifiers: two letters and thirty-two hexadecimal digits.
//!
//! Source: Twilio's OpenAPI description, pattern `^(AC|CA|RE)[0-9a-fA-F]{32}$`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} is {prefix} followed by 32 hexadecimal digits")]
pub struct SidError {
    kind: &'static str,
    prefix: &'static str,
}

fn is_sid(text: &str, prefix: &str) -> bool {
    text.len() == 34
        && text.starts_with(prefix)
        && text.as_bytes()[2..].iter().all(u8::is_ascii_hexdigit)
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The two letters every identifier of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The identifier as Twilio writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SidError;

            fn from_str(text: &str) -> Result<Self, SidError> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = SidError;

            fn try_from(text: String) -> Result<Self, SidError> {
                if is_sid(&text, $prefix) {
                    Ok(Self(text))
                } else {
                    Err(SidError { kind: stringify!($name), prefix: $prefix })
                }
            }
        }

        impl From<$name> for String {
            fn from(sid: $name) -> String {
                sid.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
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

//! Signatures after the Standard Webhooks specification 1.0: HMAC-SHA256 over `id.timestamp.body`,
//! in base64, behind `v1,`.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A signing secret.
pub struct Secret(Vec<u8>);

/// A text that is no signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ followed by 24 to 64 bytes in base64")]
pub struct WrongSecret;

impl FromStr for Secret {
    type Err = WrongSecret;

    fn from_str(text: &str) -> Result<Self, WrongSecret> {
        let encoded = text.strip_prefix("whsec_").ok_or(WrongSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| WrongSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(WrongSecret) }
    }
}

/// The value of the header `webhook-signature`. `timestamp` is in seconds since 1970 (UTC).
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &str) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("a key of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_own_example_is_signed_as_it_says() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_short_or_not_marked_is_refused() {
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(wrong.parse::<Secret>().is_err(), "{wrong} was accepted");
        }
    }
}

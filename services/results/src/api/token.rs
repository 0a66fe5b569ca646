//! Tokens: what they allow, and how the settings write them.

use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a token allows; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To look.
    Read,
    /// To edit leads and to have calls transcribed again.
    Write,
    /// To pause queues and to move dead letters.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The name in settings and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A token that is accepted. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What it allows.
    pub scope: Scope,
    hash: [u8; 32],
}

/// A token in the settings that cannot be used; the message does not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongToken {
    /// It could be guessed.
    #[error("holds a token of fewer than 16 characters")]
    Short,
    /// What follows `sha256:` is no hash.
    #[error("holds sha256: without 64 hexadecimal digits after it")]
    Hash,
}

impl Token {
    /// Reads `[read=|write=|admin=](TOKEN|sha256:HASH)`; without a scope it allows everything.
    ///
    /// # Errors
    /// When the token is too short, or the hash is none.
    pub fn parse(text: &str) -> Result<Self, WrongToken> {
        let named = Scope::ALL.into_iter().find_map(|scope| {
            let rest = text.strip_prefix(scope.as_str())?.strip_prefix('=')?;
            Some((scope, rest.trim()))
        });
        let (scope, secret) = named.unwrap_or((Scope::Admin, text));
        let hash = match secret.strip_prefix("sha256:") {
            Some(hash) => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(hash, &mut bytes).map_err(|_| WrongToken::Hash)?;
                bytes
            }
            None if secret.len() < 16 => return Err(WrongToken::Short),
            None => digest(secret),
        };
        Ok(Self { scope, hash })
    }
}

/// Finds the token that was presented, in a time that does not tell how near a guess was: hashes
/// are compared whole, and all of them.
pub fn find(tokens: &[Token], presented: &str) -> Option<usize> {
    let presented = digest(presented);
    let mut found = None;
    for (place, token) in tokens.iter().enumerate() {
        if bool::from(token.hash.ct_eq(&presented)) {
            found = Some(place);
        }
    }
    found
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_itself_or_by_its_hash_and_allows_what_stands_before_it() {
        // printf %s a-token-of-enough-length | sha256sum
        let hashed = "read=sha256:aa56544bf65dece89d1274a503cc4e64910f4348996fe55ffe62a4a1ccc0c4ab";
        let plain = "another-long-token-to-rotate";
        let tokens: Vec<Token> = [hashed, "write=some-other-token-here", plain]
            .into_iter()
            .map(|text| Token::parse(text).unwrap())
            .collect();
        let scope = |presented: &str| find(&tokens, presented).map(|place| tokens[place].scope);
        assert_eq!(scope("a-token-of-enough-length"), Some(Scope::Read));
        assert_eq!(scope("some-other-token-here"), Some(Scope::Write));
        assert_eq!(scope(plain), Some(Scope::Admin));
        assert_eq!(scope(&hashed["read=".len()..]), None, "the hash is not the token");
        assert_eq!(scope(""), None);
    }

    #[test]
    fn a_token_that_could_be_guessed_and_a_hash_that_is_none_are_refused() {
        assert_eq!(Token::parse("short").err(), Some(WrongToken::Short));
        assert_eq!(Token::parse("read=short").err(), Some(WrongToken::Short));
        assert_eq!(Token::parse("sha256:abc").err(), Some(WrongToken::Hash));
    }
}

//! A service account and its access tokens.
//!
//! Source: Google's OAuth 2.0 for service accounts: a JWT signed with RS256 is exchanged for a token
//! that is good for an hour.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{rand::SystemRandom, signature};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use crate::engines::{EngineError, http};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion is good for; an hour is the most.
const ASSERTION: Duration = Duration::from_secs(3600);

/// A token is replaced this long before its end, so that no request meets it.
const EARLY: Duration = Duration::from_secs(120);

/// Who asks.
pub struct ServiceAccount {
    email: String,
    token_url: Url,
    key: signature::RsaKeyPair,
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default = "token_uri")]
    token_uri: String,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".into()
}

impl ServiceAccount {
    /// Reads a key file as Google's console gives it.
    ///
    /// # Errors
    /// What is wrong with it, without its contents.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let file: KeyFile = serde_json::from_str(&text)
            .map_err(|_| "it is not the JSON key of a service account".to_owned())?;
        let token_url = Url::parse(&file.token_uri).map_err(|_| "its token_uri is no address")?;
        let key = read_pem(&file.private_key).ok_or("its private_key cannot be read")?;
        Ok(Self { email: file.client_email, token_url, key })
    }

    /// A signed assertion for the token endpoint.
    fn assertion(&self, now: Duration) -> Result<String, EngineError> {
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_url.as_str(),
            "iat": now.as_secs(),
            "exp": (now + ASSERTION).as_secs(),
        });
        let signed = format!("{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
        let mut seal = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut seal)
            .map_err(|_| EngineError::Refused("the assertion cannot be signed".into()))?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(seal)))
    }
}

/// The access token, fetched when there is none that lasts.
pub struct Tokens {
    account: ServiceAccount,
    held: Mutex<Option<(String, Instant)>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    /// No token yet.
    pub fn new(account: ServiceAccount) -> Self {
        Self { account, held: Mutex::default() }
    }

    /// A token that is good for a while.
    ///
    /// # Errors
    /// When Google gives none.
    pub async fn token(&self, http: &http::Client) -> Result<String, EngineError> {
        let mut held = self.held.lock().await;
        if let Some((token, until)) = held.as_ref()
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let assertion = self.account.assertion(now)?;
        let form = [("grant_type", GRANT), ("assertion", &assertion)];
        let answered = http.send(http.post(self.account.token_url.clone()).form(&form)).await?;
        if !answered.status.is_success() {
            let status = answered.status.as_u16();
            // invalid_grant and invalid_client come with 400.
            return Err(match answered.refusal("token") {
                EngineError::Refused(_) | EngineError::Forbidden { .. } => {
                    EngineError::Credentials { status }
                }
                other => other,
            });
        }
        let Granted { access_token, expires_in } = answered.json()?;
        let lasts = Duration::from_secs(expires_in).saturating_sub(EARLY);
        *held = Some((access_token.clone(), Instant::now() + lasts));
        Ok(access_token)
    }

    /// Drops a token that was refused.
    pub async fn forget(&self) {
        *self.held.lock().await = None;
    }
}

/// A private key in PEM, PKCS #8.
fn read_pem(pem: &str) -> Option<signature::RsaKeyPair> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let packed: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = BASE64_STANDARD.decode(packed).ok()?;
    signature::RsaKeyPair::from_pkcs8(&der).ok()
}

#[cfg(test)]
impl ServiceAccount {
    /// The claims of an assertion, if this account signed it.
    pub fn claims_of(&self, assertion: &str) -> Option<serde_json::Value> {
        let (signed, seal) = assertion.rsplit_once('.')?;
        let seal = BASE64_URL_SAFE_NO_PAD.decode(seal).ok()?;
        let public = signature::UnparsedPublicKey::new(
            &signature::RSA_PKCS1_2048_8192_SHA256,
            self.key.public().as_ref(),
        );
        public.verify(signed.as_bytes(), &seal).ok()?;
        let claims = BASE64_URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}

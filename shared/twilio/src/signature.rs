//! Twilio's signature of a callback, `X-Twilio-Signature`.
//!
//! Source: Twilio's "Webhooks Security" page, and the test vectors of its helper libraries.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::Form;

/// Name of the header that carries the signature.
pub const HEADER: &str = "x-twilio-signature";

/// Name of the query parameter that carries the digest of a JSON body.
const BODY_DIGEST: &str = "bodySHA256";

/// Bytes of the longest text that is decoded as a signature: those of an HMAC-SHA1, and what the
/// decoder wants to have in reserve. What is longer is none.
const LONGEST_SIGNATURE: usize = 24;

/// What was posted, as far as the signature covers it.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// A form: every parameter is signed.
    Form(&'a Form<'a>),
    /// Any other body: the URL is signed and carries the SHA-256 of these bytes.
    Raw(&'a [u8]),
}

/// An auth token made ready to sign with: the key schedule of its HMAC, which is the same for every
/// callback.
#[derive(Clone)]
pub struct Key(Hmac<Sha1>);

impl Key {
    /// The key of a token.
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub fn new(token: &SecretString) -> Self {
        let keyed = Hmac::new_from_slice(token.expose_secret().as_bytes());
        Self(keyed.expect("HMAC takes a key of any length"))
    }

    fn mac(&self, url: &str, parameters: &[(&str, &str)]) -> Hmac<Sha1> {
        let mut mac = self.0.clone();
        mac.update(url.as_bytes());
        for (name, value) in parameters {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// The signature of a form posted to `url`, in base64.
pub fn sign(token: &SecretString, url: &str, form: &Form<'_>) -> String {
    let mac = Key::new(token).mac(url, &signed_parameters(form));
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The signature of a request that has no form: of its URL alone, in base64.
pub fn sign_url(token: &SecretString, url: &str) -> String {
    sign(token, url, &Form::default())
}

/// Whether `signature` is that of `payload` posted to `url`, with any of the keys.
///
/// `url` is the public one as it is entered at Twilio, from the scheme to the end of the query.
/// Twilio may leave out or add the scheme's default port, and drop the port and the user
/// information of an HTTPS URL, so their variants are tried. Compares in constant time.
pub fn is_valid(keys: &[Key], signature: &str, url: &str, payload: Payload<'_>) -> bool {
    let mut decoded = [0; LONGEST_SIGNATURE];
    let Ok(length) = STANDARD.decode_slice(signature, &mut decoded) else { return false };
    let signature = &decoded[..length];
    let parameters = match payload {
        Payload::Form(form) => signed_parameters(form),
        Payload::Raw(body) if digest_fits(url, body) => Vec::new(),
        Payload::Raw(_) => return false,
    };
    let fits = |url: &str| {
        keys.iter().any(|key| key.mac(url, &parameters).verify_slice(signature).is_ok())
    };
    fits(url) || variants(url).iter().any(|url| fits(url))
}

/// Every parameter as name and value, sorted by name; the values of a repeated name sorted, each
/// once.
fn signed_parameters<'a>(form: &'a Form<'_>) -> Vec<(&'a str, &'a str)> {
    let pairs = form.pairs().iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn digest_fits(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut digests = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == BODY_DIGEST)
        .map(|(_, value)| hex::decode(value.as_bytes()));
    let (Some(Ok(claimed)), None) = (digests.next(), digests.next()) else { return false };
    // The digest is no secret (it stands in the URL), so a plain comparison gives nothing away.
    claimed == Sha256::digest(body).as_slice()
}

/// The ways Twilio may have written the URL, the likeliest first, each once.
///
/// The text is taken apart by hand: a URL parser would change the case of the host and the
/// escapes, which are signed as they stand.
fn variants(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let (user, host_port) = match authority.rsplit_once('@') {
        Some((user, host_port)) => (Some(user), host_port),
        None => (None, authority),
    };
    let host = without_port(host_port);
    let default_port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    let with_default_port = format!("{host}:{default_port}");

    let mut users = vec![user.map(|user| format!("{user}@")).unwrap_or_default()];
    if user.is_some() {
        users.push(String::new());
    }
    let mut paths = vec![path.to_owned()];
    if path.contains('\'') {
        // Twilio signs an apostrophe in a query escaped, whatever it then sends.
        paths.push(path.replace('\'', "%27"));
    }
    let mut all = Vec::with_capacity(4);
    for path in &paths {
        for user in &users {
            for host in [host_port, host, &with_default_port] {
                let candidate = format!("{scheme}://{user}{host}{path}");
                if !all.contains(&candidate) {
                    all.push(candidate);
                }
            }
        }
    }
    all
}

fn without_port(host_port: &str) -> &str {
    match host_port.rsplit_once(':') {
        // The last colon of `[::1]` stands inside the brackets.
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host_port,
    }
}

#[cfg(test)]
mod tests;

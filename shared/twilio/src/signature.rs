//! Twilio's signature of a callback, `X-Twilio-Signature`.
//!
//! Source: Twilio's "Webhooks Security" page, and the test vectors of its helper libraries.

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

/// What was posted, as far as the signature covers it.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// A form: every parameter is signed.
    Form(&'a Form<'a>),
    /// Any other body: the URL is signed and carries the SHA-256 of these bytes.
    Raw(&'a [u8]),
}

/// The signature of a form posted to `url`, in base64.
pub fn sign(token: &SecretString, url: &str, form: &Form<'_>) -> String {
    STANDARD.encode(mac(token, url, &signed_parameters(form)).finalize().into_bytes())
}

/// The signature of a request that has no form: of its URL alone, in base64.
pub fn sign_url(token: &SecretString, url: &str) -> String {
    sign(token, url, &Form::default())
}

/// Whether `signature` is that of `payload` posted to `url`, with any of the tokens.
///
/// `url` is the public one as it is entered at Twilio, from the scheme to the end of the query.
/// Twilio may leave out or add the scheme's default port, and drop the port and the user
/// information of an HTTPS URL, so their variants are tried. Compares in constant time.
pub fn is_valid(tokens: &[SecretString], signature: &str, url: &str, payload: Payload<'_>) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let parameters = match payload {
        Payload::Form(form) => signed_parameters(form),
        Payload::Raw(body) if digest_fits(url, body) => String::new(),
        Payload::Raw(_) => return false,
    };
    let fits = |url: &str| {
        tokens.iter().any(|token| mac(token, url, &parameters).verify_slice(&signature).is_ok())
    };
    fits(url) || variants(url).iter().any(|url| fits(url))
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(token: &SecretString, url: &str, parameters: &str) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    mac.update(parameters.as_bytes());
    mac
}

/// Every parameter as name and value, sorted by name; the values of a repeated name sorted, each
/// once.
fn signed_parameters(form: &Form<'_>) -> String {
    let mut pairs: Vec<(&str, &str)> =
        form.pairs().iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let length = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    pairs.iter().fold(String::with_capacity(length), |mut text, (name, value)| {
        text.push_str(name);
        text.push_str(value);
        text
    })
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

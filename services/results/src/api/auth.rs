//! Who may use the API.

use http::uri::Authority;
use sha2::{Digest, Sha256};
use warp::http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HOST, ORIGIN},
};

use super::Problem;
use crate::settings::ApiSettings;

/// Who may use the API: whoever knows a token, or, without tokens, programs on this machine.
pub struct Access {
    /// Hashes, so that the comparison takes the same time whatever is presented.
    tokens: Vec<[u8; 32]>,
    hosts: Vec<String>,
}

impl Access {
    /// Access by the settings' tokens.
    pub fn new(settings: &ApiSettings) -> Self {
        let tokens = settings.token_list().into_iter().map(digest).collect();
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Self { tokens, hosts: own.into_iter().chain(settings.allowed_hosts.clone()).collect() }
    }

    /// Lets a request pass, or says why not.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.tokens.is_empty() { self.check_local(headers) } else { self.check_token(headers) }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let presented = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| digest(token.trim()));
        match presented {
            Some(presented) if self.tokens.contains(&presented) => Ok(()),
            Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not known")),
            None => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "send the header Authorization: Bearer TOKEN, with a token of results.api.tokens",
            )),
        }
    }

    /// Loopback keeps other machines out, not the pages in this machine's browser: those name
    /// themselves as Origin, or come through a name of their own that points here.
    fn check_local(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = host.parse::<Authority>().is_ok_and(|host| self.is_known(host.host()));
        let origin = headers.get(ORIGIN).map(|value| value.to_str().unwrap_or_default());
        let own = origin.is_none_or(|origin| {
            origin.parse::<http::Uri>().ok().and_then(|uri| uri.authority().cloned())
                == host.parse().ok()
        });
        if known && own {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "without results.api.tokens only requests to localhost itself are answered",
        ))
    }

    fn is_known(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

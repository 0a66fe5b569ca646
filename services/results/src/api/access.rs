//! Who may use the API.

use http::uri::Authority;
use warp::http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HOST, ORIGIN},
};

pub use super::token::Scope;
use super::{
    Problem,
    token::{self, Token},
};
use crate::settings::ApiSettings;

/// Who may use the API: whoever knows a token, or, without tokens, programs on this machine.
pub struct Access {
    tokens: Vec<Token>,
    /// There is no token in the settings, not even one that cannot be used.
    is_local: bool,
    hosts: Vec<String>,
}

/// Who a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub scope: Scope,
    /// The place of their token in the settings; `None` is a program on this machine.
    pub token: Option<usize>,
}

impl Access {
    /// Access by the settings' tokens, which were checked at the start.
    pub fn new(settings: &ApiSettings) -> Self {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let tokens = settings.token_list();
        Self {
            is_local: tokens.as_ref().is_ok_and(Vec::is_empty),
            tokens: tokens.unwrap_or_default(),
            hosts: own.into_iter().chain(settings.allowed_hosts.clone()).collect(),
        }
    }

    /// Who a request comes from, or why it is not answered.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.is_local {
            self.check_local(headers)?;
            return Ok(Caller { scope: Scope::Admin, token: None });
        }
        let presented = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        match presented.map(|presented| token::find(&self.tokens, presented)) {
            Some(Some(place)) => Ok(Caller { scope: self.tokens[place].scope, token: Some(place) }),
            Some(None) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not known")
                .challenge("Bearer error=\"invalid_token\"")),
            None => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "send the header Authorization: Bearer TOKEN, with a token of results.api.tokens",
            )
            .challenge("Bearer")),
        }
    }

    /// What is open to whoever reaches the API stays closed to other sites' pages.
    pub fn check_open(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.is_local { self.check_local(headers) } else { Ok(()) }
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

impl Caller {
    /// Whether they may do what needs a scope.
    pub fn check(self, needed: Scope) -> Result<(), Problem> {
        if self.scope >= needed {
            return Ok(());
        }
        let needed = needed.as_str();
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "this needs a token that allows {needed}; yours allows {}",
                self.scope.as_str()
            ),
        )
        .challenge(&format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"")))
    }
}

//! The address under which Twilio reaches the service.

use std::{fmt, str::FromStr};

use domain::mask_url;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A base URL, kept as it was written: the case of its host is part of what Twilio signs, and so are
/// user and password, which are shown nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl {
    text: String,
    path: String,
}

impl PublicUrl {
    /// The path prefix, without a slash at its end: empty or `/callscribe`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether nobody but this machine reaches it.
    pub(crate) fn is_loopback(&self) -> bool {
        match Url::parse(&self.text).as_ref().map(Url::host) {
            Ok(Some(Host::Domain(name))) => name == "localhost",
            Ok(Some(Host::Ipv4(address))) => address.is_loopback(),
            Ok(Some(Host::Ipv6(address))) => address.is_loopback(),
            _ => false,
        }
    }

    /// The URL of a path and query below the base.
    pub fn join(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        [self.text.as_str(), path, mark, query].concat()
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        match Url::parse(text) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    && url.query().is_none()
                    && url.fragment().is_none() =>
            {
                let path = url.path().trim_end_matches('/').to_owned();
                Ok(Self { text: text.to_owned(), path })
            }
            _ => Err(format!(
                "{:?} is no base URL; allowed is http(s)://host[:port][/prefix], without query \
                 and fragment",
                mask_url(text)
            )),
        }
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_url(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_it_is_signed_and_never_shown() {
        let url: PublicUrl = "https://user:secret@example.com/x".parse().unwrap();
        assert_eq!(url.join("/y", ""), "https://user:secret@example.com/x/y");
        assert_eq!(url.to_string(), "https://***@example.com/x");
        assert_eq!(serde_json::to_value(&url).unwrap(), "https://***@example.com/x");
        let error = "https://user:secret@example.com/x?y=z".parse::<PublicUrl>().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}

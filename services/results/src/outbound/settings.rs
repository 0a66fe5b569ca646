//! Who wants to know, and how hard we try.

use std::time::Duration;

use chassis::config::{masked, masked_url_path};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Secret, is_public};

/// What there is to tell.
const EVENT_TYPES: [&str; 3] = ["call.completed", "call.failed", "lead.updated"];

/// Events out.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Who is told. Default nobody.
    pub endpoints: Vec<EndpointSettings>,
    /// Allow targets in private, link-local and loopback networks, and plain http. Default `false`.
    pub allow_private_targets: bool,
    /// Seconds until an endpoint must have answered. Default 15.
    pub timeout_seconds: u64,
    /// Milliseconds until the first repetition; doubles with each, full jitter. Default 5000.
    pub first_retry_ms: u64,
    /// Seconds between repetitions at most. Default 3600.
    pub longest_retry_seconds: u64,
    /// Seconds after which an event is given up, to the dead letters. Default 86400.
    pub give_up_after_seconds: u64,
    /// Failures in a row after which an endpoint is left alone for a while. Default 5.
    pub circuit_failures: u32,
    /// For how many seconds it is left alone then. Default 60.
    pub circuit_seconds: u64,
    /// Days that events, those given up and the log of their delivery are kept. Default 30.
    pub keep_days: u32,
}

/// One who is told.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// Name, for logs and for the pause of its circuit: letters, digits, `-` and `_`.
    pub name: String,
    /// Where events are posted to.
    #[serde(serialize_with = "masked_url_path")]
    pub url: String,
    /// Secret of the signature: `whsec_` and 24 to 64 bytes in base64.
    #[serde(serialize_with = "masked")]
    pub secret: SecretString,
    /// Which events. Default all: `call.completed`, `call.failed`, `lead.updated`.
    #[serde(default)]
    pub events: Vec<String>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            allow_private_targets: false,
            timeout_seconds: 15,
            first_retry_ms: 5_000,
            longest_retry_seconds: 3_600,
            give_up_after_seconds: 86_400,
            circuit_failures: 5,
            circuit_seconds: 60,
            keep_days: 30,
        }
    }
}

impl WebhookSettings {
    pub(super) fn first_retry(&self) -> Duration {
        Duration::from_millis(self.first_retry_ms)
    }

    pub(super) fn longest_retry(&self) -> Duration {
        Duration::from_secs(self.longest_retry_seconds)
    }

    /// The endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&EndpointSettings> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        for (place, endpoint) in self.endpoints.iter().enumerate() {
            let name = &endpoint.name;
            let at = format!("results.webhooks.endpoints ({name:?})");
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || name.len() > 60 || !name.chars().all(is_plain) {
                return Err(format!("{at}: a name has letters, digits, - and _, 60 at most"));
            }
            if self.endpoints[..place].iter().any(|earlier| earlier.name == *name) {
                return Err(format!("{at}: two endpoints have this name"));
            }
            if let Some(unknown) =
                endpoint.events.iter().find(|event| !EVENT_TYPES.contains(&event.as_str()))
            {
                return Err(format!(
                    "{at}: {unknown:?} is no event; there are {}",
                    EVENT_TYPES.join(", ")
                ));
            }
            endpoint
                .secret
                .expose_secret()
                .parse::<Secret>()
                .map_err(|error| format!("{at}: {error}"))?;
            let url = Url::parse(&endpoint.url).map_err(|error| {
                format!("{at}: {:?} is no URL ({error})", domain::mask_url_path(&endpoint.url))
            })?;
            self.check_target(&url).map_err(|error| format!("{at}: {error}"))?;
        }
        if self.circuit_failures == 0 {
            return Err("results.webhooks.circuit_failures is 0; allowed is 1 or more".into());
        }
        Ok(())
    }

    fn check_target(&self, url: &Url) -> Result<(), String> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a user name or a password; the signature is enough".into());
        }
        if self.allow_private_targets {
            return match url.scheme() {
                "http" | "https" => Ok(()),
                other => Err(format!("the URL is {other}; allowed are https and http")),
            };
        }
        if url.scheme() != "https" {
            return Err("the URL is not https (see results.webhooks.allow_private_targets)".into());
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            // Names are looked up, and the answers checked, when an event is delivered.
            _ => return Ok(()),
        };
        if is_public(address) {
            return Ok(());
        }
        Err("the URL's address is not public (see results.webhooks.allow_private_targets)".into())
    }
}

impl EndpointSettings {
    /// Whether it is told of events of this type.
    pub fn wants(&self, event_type: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| event == event_type)
    }
}

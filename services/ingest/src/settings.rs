//! The settings of ingest.

use std::net::SocketAddr;

use chassis::{
    ProcessConfig, config::OtherService, ops::OpsSettings, serve::HttpSettings,
    telemetry::TelemetrySettings,
};
use serde::{Deserialize, Serialize};

use crate::PublicUrl;

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where Redis is.
    pub redis: queue::RedisSettings,
    /// Logs, metrics and traces.
    pub telemetry: TelemetrySettings,
    /// The ops listener.
    pub ops: OpsSettings,
    /// The accounts whose callbacks are accepted.
    pub twilio: twilio::TwilioSettings,
    /// What is ingest's own.
    pub ingest: IngestSettings,
    /// Not read here.
    pub transcriber: OtherService,
    /// Not read here.
    pub results: OtherService,
    /// Not read here: what is masked in transcripts.
    pub redact: OtherService,
}

/// How callbacks are taken.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestSettings {
    /// The listener. Default `127.0.0.1:8080`.
    #[serde(deserialize_with = "http_settings")]
    pub http: HttpSettings,
    /// The base of the URLs entered at Twilio, such as `https://calls.example.com` or
    /// `https://example.com/callscribe` behind a proxy. Signatures are checked against it, written
    /// exactly as at Twilio. Default: the listener's own URL.
    #[serde(deserialize_with = "empty_is_none")]
    pub public_url: Option<PublicUrl>,
    /// Seconds after a call's end until its recordings are looked up, so that Twilio has listed
    /// them. Default 60.
    pub resolve_delay_seconds: u64,
    /// Milliseconds Redis may take to store an entry before the callback is answered 503.
    /// Default 900.
    pub enqueue_timeout_ms: u64,
    /// When a callback counts as stored: `written`, once Redis has acknowledged it (with
    /// `appendfsync everysec` a crash of the machine or of Redis can still lose about two seconds,
    /// which reconciliation brings back); `aof`, once it is on Redis's disk, which takes Redis 7.2
    /// and answers up to a second later with `everysec`. Default `written`.
    pub durability: Durability,
    /// The share of Redis's `maxmemory` above which callbacks are refused with 503, so that the
    /// work already there can finish. Only where `maxmemory` is set. Default 0.85.
    pub redis_high_water: f64,
    /// Further paths that callbacks may come to, such as those of a predecessor: tables in the
    /// file, or in a variable one JSON text, `[{"path": "/old", "kind": "call"}]`. Default: none.
    pub aliases: Vec<Alias>,
    /// Takes callbacks without looking at their signature. For development: refused unless the
    /// listener is on a loopback address. Default `false`.
    pub accept_unsigned: bool,
}

/// When a callback counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Redis has acknowledged it.
    Written,
    /// It is on Redis's disk.
    Aof,
}

/// One further path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The path, such as `/webhook/recording_status`.
    pub path: String,
    /// Which callback comes to it: `recording` or `call`.
    pub kind: Kind,
    /// Whether Twilio expects TwiML there (an `action` URL rather than a status callback): then an
    /// empty `<Response/>` is answered. Default `false`.
    #[serde(default)]
    pub twiml: bool,
}

/// The two callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `recordingStatusCallback`, and the `action` of `<Record>`.
    Recording,
    /// The `statusCallback` of a call.
    Call,
}

impl Kind {
    /// The name in paths, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Call => "call",
        }
    }

    /// The path that is always there.
    pub fn path(self) -> &'static str {
        match self {
            Self::Recording => "/webhooks/twilio/recording",
            Self::Call => "/webhooks/twilio/call",
        }
    }
}

/// Where a listener is that nobody configured.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            http: HttpSettings::at(LISTEN),
            public_url: None,
            resolve_delay_seconds: 60,
            enqueue_timeout_ms: 900,
            durability: Durability::Written,
            redis_high_water: 0.85,
            aliases: Vec::new(),
            accept_unsigned: false,
        }
    }
}

impl ProcessConfig for Config {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }

    fn validate(&self) -> Result<(), String> {
        self.twilio.validate()?;
        self.ingest.validate()
    }
}

impl IngestSettings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        let listen = self.http.listen;
        if self.accept_unsigned && !listen.ip().is_loopback() {
            return Err(format!(
                "ingest.accept_unsigned is true while ingest.http.listen is {listen}: unsigned \
                 callbacks are allowed on a loopback address only, such as 127.0.0.1:8080"
            ));
        }
        let public = self.public_url.as_ref().filter(|url| !url.is_loopback());
        if let (true, Some(url)) = (self.accept_unsigned, public) {
            return Err(format!(
                "ingest.accept_unsigned is true while ingest.public_url is {url}: what is reached \
                 from outside has to check signatures"
            ));
        }
        self.http.validate("ingest.http")?;
        if self.enqueue_timeout_ms == 0 {
            return Err("ingest.enqueue_timeout_ms is 0; allowed is 1 and more".into());
        }
        if !(self.redis_high_water > 0.0 && self.redis_high_water <= 1.0) {
            return Err(format!(
                "ingest.redis_high_water is {}; allowed is more than 0, up to 1",
                self.redis_high_water
            ));
        }
        for (index, alias) in self.aliases.iter().enumerate() {
            let path = &alias.path;
            if !path.starts_with('/') || path.contains(['?', '#']) {
                return Err(format!(
                    "ingest.aliases has the path {path:?}; a path starts with / and has neither a \
                     query nor a fragment"
                ));
            }
            let own = [Kind::Recording, Kind::Call].iter().any(|kind| kind.path() == path);
            if own || self.aliases[..index].iter().any(|earlier| earlier.path == *path) {
                return Err(format!("ingest.aliases has the path {path:?}, which is taken"));
            }
        }
        Ok(())
    }
}

fn http_settings<'de, D: serde::Deserializer<'de>>(from: D) -> Result<HttpSettings, D::Error> {
    Ok(HttpSettings::deserialize(from)?.or_at(LISTEN))
}

/// A variable that is set to nothing is a setting that is not made.
fn empty_is_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PublicUrl>, D::Error> {
    let text = Option::<String>::deserialize(from)?.filter(|text| !text.trim().is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let config: Config =
            chassis::config::load_from(None, variables).map_err(|error| error.to_string())?;
        config.validate().map(|()| config)
    }

    #[test]
    fn a_setting_of_the_listener_leaves_its_address_alone() {
        let config = load(&[("CALLSCRIBE_INGEST__HTTP__MAX_CONNECTIONS", "7")]).unwrap();
        assert_eq!(config.ingest.http.max_connections, 7);
        assert_eq!(config.ingest.http.listen, LISTEN);
        let config = load(&[("CALLSCRIBE_INGEST__HTTP__LISTEN", "127.0.0.1:0")]).unwrap();
        assert_eq!(config.ingest.http.listen.port(), 0);
    }

    #[test]
    fn unsigned_callbacks_are_for_loopback_only() {
        let unsigned = ("CALLSCRIBE_INGEST__ACCEPT_UNSIGNED", "true");
        assert!(load(&[unsigned]).is_ok());
        let error = load(&[unsigned, ("CALLSCRIBE_INGEST__HTTP__LISTEN", "0.0.0.0:8080")]);
        assert!(error.unwrap_err().contains("ingest.accept_unsigned"));
        // A loopback address behind a proxy or a tunnel is reached by everybody.
        let public = |url| load(&[unsigned, ("CALLSCRIBE_INGEST__PUBLIC_URL", url)]);
        assert!(public("http://localhost:8080").is_ok() && public("http://[::1]:80").is_ok());
        let error = public("https://calls.example.com").unwrap_err();
        assert!(error.contains("ingest.public_url is https://calls.example.com"), "{error}");
    }

    #[test]
    fn a_listener_that_would_answer_nobody_stops_the_start() {
        for name in ["MAX_CONNECTIONS", "HEADER_TIMEOUT_SECONDS", "REQUEST_TIMEOUT_SECONDS"] {
            let error = load(&[(&format!("CALLSCRIBE_INGEST__HTTP__{name}"), "0")]).unwrap_err();
            assert!(error.contains("ingest.http.") && error.contains("1 and more"), "{error}");
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        for (name, value, named) in [
            ("CALLSCRIBE_INGEST__PUBLIC_URL", "calls.example.com", "public_url"),
            ("CALLSCRIBE_INGEST__PUBLIC_URL", "https://example.com/x?y=1", "public_url"),
            ("CALLSCRIBE_INGEST__ENQUEUE_TIMEOUT_MS", "0", "enqueue_timeout_ms"),
            ("CALLSCRIBE_INGEST__REDIS_HIGH_WATER", "85", "redis_high_water"),
            ("CALLSCRIBE_INGEST__DURABILITY", "always", "durability"),
            ("CALLSCRIBE_INGEST__RESOLVE_DELAY_SECONDS", "soon", "resolve_delay_seconds"),
        ] {
            let error = load(&[(name, value)]).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_example_of_aliases_can_be_used_as_it_is() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/aliases.toml");
        let config: Config = chassis::config::load_from(Some(example.as_ref()), []).unwrap();
        assert_eq!(config.validate(), Ok(()));
        let paths: Vec<_> = config.ingest.aliases.iter().map(|alias| alias.path.as_str()).collect();
        assert_eq!(paths.len(), 4);
        assert!(paths.contains(&"/webhook/recording_status"));
    }

    #[test]
    fn aliases_and_accounts_can_be_set_by_variables() {
        let aliases = r#"[{"path": "/old/call", "kind": "call", "twiml": true}]"#;
        let accounts = format!(r#"[{{"account_sid": "AC{:032x}", "auth_tokens": ["t", "u"]}}]"#, 7);
        let config = load(&[
            ("CALLSCRIBE_INGEST__ALIASES", aliases),
            ("CALLSCRIBE_TWILIO__ACCOUNTS", &accounts),
        ])
        .unwrap();
        let expected = Alias { path: "/old/call".into(), kind: Kind::Call, twiml: true };
        assert_eq!(config.ingest.aliases, [expected]);
        let account = &config.twilio.all_accounts()[0];
        assert_eq!(account.sid.as_str(), format!("AC{:032x}", 7));
        assert_eq!(account.auth_tokens.len(), 2);
    }

    #[test]
    fn the_public_url_keeps_its_case_and_loses_only_a_slash() {
        let url = ("CALLSCRIBE_INGEST__PUBLIC_URL", "https://Calls.Example.com/scribe/");
        let url = load(&[url]).unwrap().ingest.public_url.unwrap();
        assert_eq!(url.join("/x", "y=1"), "https://Calls.Example.com/scribe/x?y=1");
        assert_eq!(url.path(), "/scribe");
        assert_eq!(load(&[("CALLSCRIBE_INGEST__PUBLIC_URL", "")]).unwrap().ingest.public_url, None);
    }

    #[test]
    fn an_alias_takes_no_path_that_is_taken() {
        let alias = |path: &str| Alias { path: path.into(), kind: Kind::Call, twiml: false };
        let with = |aliases| IngestSettings { aliases, ..Default::default() };
        assert!(with(vec![alias("/old")]).validate().is_ok());
        for aliases in [
            vec![alias("/old"), alias("/old")],
            vec![alias("/webhooks/twilio/call")],
            vec![alias("old")],
            vec![alias("/old?x=1")],
        ] {
            let error = with(aliases).validate().unwrap_err();
            assert!(error.contains("ingest.aliases"), "{error}");
        }
    }
}

//! The service's settings.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use chassis::{
    ProcessConfig,
    config::{OtherService, comma_list, masked, masked_option},
    ops::OpsSettings,
    serve::HttpSettings,
    telemetry::TelemetrySettings,
};
use domain::AccountSid;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Token, WrongToken},
    outbound::WebhookSettings,
    reconcile::ReconcileSettings,
    retention::RetentionSettings,
    store,
};

/// The configuration of this service, as a process of its own reads it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where Redis is.
    pub redis: queue::RedisSettings,
    /// Logs, metrics and traces.
    pub telemetry: TelemetrySettings,
    /// The ops listener.
    pub ops: OpsSettings,
    /// This service.
    pub results: ResultsSettings,
    /// The Twilio accounts, for what the API fetches from there and what the database is compared
    /// with.
    pub twilio: twilio::TwilioSettings,
    /// Read by ingest.
    pub ingest: OtherService,
    /// Read by the transcriber.
    pub transcriber: OtherService,
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
        self.results.validate()
    }
}

/// The results service: rows, leads, API.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResultsSettings {
    /// The database.
    pub database: DatabaseSettings,
    /// The REST API.
    pub api: ApiSettings,
    /// Events out.
    pub webhooks: WebhookSettings,
    /// How long what is kept.
    pub retention: RetentionSettings,
    /// Events persisted in one transaction at most, 1 to 500. Default 500.
    pub batch_events: usize,
    /// How sure a field must be to enter a lead, between 0 and 1. Default 0.8.
    pub lead_threshold: f64,
    /// The same for single accounts, by AccountSid. Default none.
    pub lead_thresholds: BTreeMap<AccountSid, f64>,
    /// The comparison with Twilio's own list of recordings.
    pub reconcile: ReconcileSettings,
}

/// The database.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite://FOLDER/FILE.db` (`sqlite:///var/lib/callscribe.db` for an absolute path; missing
    /// folders and file are made) or `postgres://USER:PASSWORD@HOST/DATABASE`, with
    /// `?sslmode=verify-full` for TLS. Default `sqlite://data/callscribe.db`.
    #[serde(serialize_with = "masked_url")]
    pub url: SecretString,
    /// Connections at once: all of them on Postgres, those that only read on SQLite. Default 8.
    pub max_connections: u32,
    /// Seconds to wait for a free connection. Default 10.
    pub acquire_timeout_seconds: u64,
    /// Seconds one statement may take on Postgres. Default 30.
    pub statement_timeout_seconds: u64,
    /// Milliseconds to wait for another process that writes the same SQLite file. Default 10000.
    pub busy_timeout_ms: u64,
    /// Check the SQLite file's integrity at start. Default `true`.
    pub check_integrity: bool,
}

/// The REST API.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Address and port. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// Bearer tokens that are accepted, several with commas (for a change of token): each is the
    /// token itself or `sha256:` and the SHA-256 of it in hexadecimal digits, behind `read=`,
    /// `write=` or `admin=`; without one of these it allows everything. Without a token the API
    /// listens on loopback only. Default none.
    #[serde(serialize_with = "masked_option")]
    pub tokens: Option<SecretString>,
    /// Connections at once. Default 1024.
    pub max_connections: usize,
    /// Requests a minute that are answered for each token, and for each address without one; 0 is
    /// any number. Default 6000.
    pub requests_per_minute: u32,
    /// PEM file with the certificate chain; TLS is on when this and `tls_key` are set.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub tls_key: Option<PathBuf>,
    /// Names by which a browser may reach an API without a token, besides the loopback's own,
    /// several with commas. Default none.
    #[serde(deserialize_with = "comma_list")]
    pub allowed_hosts: Vec<String>,
}

impl Default for ResultsSettings {
    fn default() -> Self {
        Self {
            database: DatabaseSettings::default(),
            api: ApiSettings::default(),
            webhooks: WebhookSettings::default(),
            retention: RetentionSettings::default(),
            batch_events: 500,
            lead_threshold: 0.8,
            lead_thresholds: BTreeMap::new(),
            reconcile: ReconcileSettings::default(),
        }
    }
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self::at("sqlite://data/callscribe.db")
    }
}

impl DatabaseSettings {
    /// The defaults, with a database of one's own.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            max_connections: 8,
            acquire_timeout_seconds: 10,
            statement_timeout_seconds: 30,
            busy_timeout_ms: 10_000,
            check_integrity: true,
        }
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            tokens: None,
            max_connections: 1024,
            requests_per_minute: 6000,
            tls_certificate: None,
            tls_key: None,
            allowed_hosts: Vec::new(),
        }
    }
}

impl ApiSettings {
    /// What the accept loop needs.
    pub fn http(&self) -> HttpSettings {
        HttpSettings {
            max_connections: self.max_connections,
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            ..HttpSettings::at(self.listen)
        }
    }

    /// The tokens, one by one.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn token_list(&self) -> Result<Vec<Token>, WrongToken> {
        let tokens = self.tokens.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let tokens = tokens.split(',').map(str::trim).filter(|token| !token.is_empty());
        tokens.map(Token::parse).collect()
    }
}

impl ResultsSettings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        self.reconcile.validate()?;
        store::kind(self.database.url.expose_secret()).map_err(|error| error.to_string())?;
        if !(1..=500).contains(&self.batch_events) {
            return Err(format!(
                "results.batch_events is {}; allowed is 1 to 500",
                self.batch_events
            ));
        }
        if self.database.max_connections == 0 {
            return Err("results.database.max_connections is 0; allowed is 1 or more".into());
        }
        let thresholds = self.lead_thresholds.values().chain([&self.lead_threshold]);
        if let Some(wrong) = thresholds.into_iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(format!("results.lead_threshold is {wrong}; allowed is 0 to 1"));
        }
        self.webhooks.validate()?;
        self.retention.validate()?;
        let tokens =
            self.api.token_list().map_err(|error| format!("results.api.tokens {error}"))?;
        if tokens.is_empty() && !self.api.listen.ip().is_loopback() {
            return Err(format!(
                "results.api.listen is {}; without results.api.tokens only a loopback address such \
                 as 127.0.0.1:8081 is allowed",
                self.api.listen
            ));
        }
        Ok(())
    }

    /// How sure a field must be to enter a lead of this account.
    pub fn threshold(&self, account_sid: &str) -> f64 {
        let own =
            account_sid.parse().ok().and_then(|sid: AccountSid| self.lead_thresholds.get(&sid));
        own.copied().unwrap_or(self.lead_threshold)
    }
}

/// A SQLite file's name is no secret; a server's address may hold a password.
fn masked_url<S: serde::Serializer>(url: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    if url.expose_secret().starts_with("sqlite:") {
        return to.serialize_str(url.expose_secret());
    }
    match url::Url::parse(url.expose_secret()) {
        Ok(parsed) if parsed.query_pairs().any(|(name, _)| name == "password") => masked(url, to),
        Ok(mut parsed) if parsed.password().is_some() => {
            if parsed.set_password(Some("***")).is_err() {
                return masked(url, to);
            }
            to.serialize_str(parsed.as_str())
        }
        Ok(parsed) => to.serialize_str(parsed.as_str()),
        Err(_) => masked(url, to),
    }
}

//! The whole configuration: every section of every service.

use chassis::{
    ProcessConfig,
    config::{ConfigError, Given, OtherService},
    ops::OpsSettings,
    telemetry::TelemetrySettings,
};
use serde::{Deserialize, Serialize};

/// Every setting there is; each is documented on its field, in the crate that uses it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where Redis is.
    pub redis: queue::RedisSettings,
    /// Logs, metrics and traces.
    pub telemetry: TelemetrySettings,
    /// The ops listener.
    pub ops: OpsSettings,
    /// The account at Twilio.
    pub twilio: twilio::TwilioSettings,
    /// What is masked in transcripts before they are told or stored.
    pub redact: domain::RedactSettings,
    /// Callbacks in.
    pub ingest: ingest::IngestSettings,
    /// Recordings to transcripts.
    pub transcriber: transcriber::TranscriberSettings,
    /// Rows, leads, API.
    pub results: results::ResultsSettings,
}

impl Config {
    /// Loads and checks it, with the record of what was given rather than left to its default.
    ///
    /// # Errors
    /// The sentence to print before exiting with code 64.
    pub fn load() -> Result<(Self, Given), String> {
        let (config, given): (Self, Given) =
            chassis::config::load_with_given().map_err(|error: ConfigError| error.to_string())?;
        config.validate()?;
        Ok((config, given))
    }

    /// What ingest reads.
    pub fn ingest(&self) -> ingest::Config {
        ingest::Config {
            redis: self.redis.clone(),
            telemetry: self.telemetry.clone(),
            ops: self.ops.clone(),
            twilio: self.twilio.clone(),
            ingest: self.ingest.clone(),
            transcriber: OtherService::default(),
            results: OtherService::default(),
            redact: OtherService::default(),
        }
    }

    /// What the transcriber reads.
    pub fn transcriber(&self) -> transcriber::Config {
        transcriber::Config {
            redis: self.redis.clone(),
            telemetry: self.telemetry.clone(),
            ops: self.ops.clone(),
            twilio: self.twilio.clone(),
            redact: self.redact.clone(),
            transcriber: self.transcriber.clone(),
            ingest: OtherService::default(),
            results: OtherService::default(),
        }
    }

    /// What results reads.
    pub fn results(&self) -> results::Config {
        results::Config {
            redis: self.redis.clone(),
            telemetry: self.telemetry.clone(),
            ops: self.ops.clone(),
            twilio: self.twilio.clone(),
            redact: self.redact.clone(),
            results: self.results.clone(),
            ingest: OtherService::default(),
            transcriber: OtherService::default(),
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
        self.ingest().validate()?;
        self.transcriber().validate()?;
        self.results().validate()
    }
}

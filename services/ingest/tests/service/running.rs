//! The running service with its Redis and a Twilio to post its callbacks.

use callscribe_ingest::{Config, IngestSettings, run};
use chassis::{Process, serve::HttpSettings};
use domain::{AccountSid, CallEvent, CallJob, CallSid, RecordingSid};
use queue::RedisSettings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twilio::double::{Double, DoubleCall, DoubleRecording};

use super::redis_server::{RedisServer, eventually};

pub fn account() -> AccountSid {
    format!("AC{:032x}", 1).parse().unwrap()
}

pub fn call(n: u32) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

pub fn recording(n: u32) -> RecordingSid {
    format!("RE{n:032x}").parse().unwrap()
}

pub struct Running {
    pub redis: RedisServer,
    pub double: Double,
    pub url: String,
    pub process: Process,
    service: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(IngestSettings::default()).await
    }

    pub async fn with(settings: IngestSettings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redis = RedisServer::start().await;
        let double = Double::start(account(), "token").await.unwrap();
        let config = Config {
            redis: RedisSettings { url: redis.url().into(), ..Default::default() },
            twilio: double.settings(),
            ingest: IngestSettings {
                http: HttpSettings { listen: HttpSettings::default().listen, ..settings.http },
                ..settings
            },
            ..Default::default()
        };
        let process = Process::new(CancellationToken::new());
        let service = tokio::spawn(run(config, process.clone()));
        let url = process.listener("ingest").await.unwrap();
        let running = Self { redis, double, url, process, service };
        running.ready().await;
        running
    }

    pub async fn ready(&self) {
        eventually("ingest is ready", async || self.readiness().is_ok()).await;
    }

    pub fn readiness(&self) -> Result<(), String> {
        self.process.checks()["redis"].clone()
    }

    /// Adds a call with one recording to the double.
    pub fn add_call(&self, n: u32) {
        self.double.add_call(DoubleCall::inbound(call(n), "+15125550123", "+15125550199"));
        self.double.add_recording(DoubleRecording::new(recording(n), call(n), "RIFF"));
    }

    pub async fn post_recording(&self, n: u32) -> u16 {
        let url = format!("{}/webhooks/twilio/recording", self.url);
        self.double.post_recording_callback(&url, &recording(n)).await.unwrap()
    }

    pub async fn post_call(&self, n: u32) -> u16 {
        let url = format!("{}/webhooks/twilio/call", self.url);
        self.double.post_call_callback(&url, &call(n)).await.unwrap()
    }

    /// The jobs that wait to be taken.
    pub fn jobs(&self) -> Vec<CallJob> {
        self.bodies("{callscribe}:calls")
    }

    /// The events that wait to be written.
    pub fn events(&self) -> Vec<CallEvent> {
        self.bodies("{callscribe}:results")
    }

    /// How many jobs wait for their time.
    pub fn scheduled(&self) -> String {
        self.redis.cli(&["ZCARD", "{callscribe}:calls:retry"]).concat()
    }

    fn bodies<T: serde::de::DeserializeOwned>(&self, stream: &str) -> Vec<T> {
        let lines = self.redis.cli(&["XRANGE", stream, "-", "+"]);
        let bodies = lines.iter().zip(lines.iter().skip(1)).filter(|(name, _)| *name == "body");
        bodies.map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }

    /// Asks the service to stop and waits until it has.
    pub async fn stop(self) {
        self.process.stop().cancel();
        self.service.await.unwrap().unwrap();
    }
}

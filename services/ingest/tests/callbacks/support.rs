//! The service on a free port, with a queue that remembers what it was given.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use callscribe_ingest::{Gate, Ingest, IngestSettings, Intake, PublicUrl, Target, endpoint};
use chassis::serve::{HttpSettings, Server};
use domain::{AccountSid, CallSid, RecordingSid};
use queue::{Enqueued, Entry, QueueError};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use twilio::{Form, double::Double, signature};

pub const TOKEN: &str = "an auth token";

pub fn account() -> AccountSid {
    format!("AC{:032x}", 1).parse().unwrap()
}

pub fn call() -> CallSid {
    format!("CA{:032x}", 2).parse().unwrap()
}

pub fn recording() -> RecordingSid {
    format!("RE{:032x}", 3).parse().unwrap()
}

/// How the queue behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Willing,
    Refusing,
    Silent,
}

#[derive(Clone)]
pub struct Recorder {
    given: Arc<Mutex<Vec<(Target, Entry)>>>,
    known: Arc<Mutex<HashSet<String>>>,
    mood: Mood,
}

impl Intake for Recorder {
    async fn enqueue(&self, target: Target, entry: Entry) -> Result<Enqueued, QueueError> {
        match self.mood {
            Mood::Willing => {}
            Mood::Refusing => return Err(QueueError::Refused("OOM".into())),
            Mood::Silent => std::future::pending().await,
        }
        let again = |once: &queue::Once| !self.known.lock().unwrap().insert(once.key.clone());
        if entry.once.as_ref().is_some_and(again) {
            return Ok(Enqueued::Duplicate);
        }
        let brought = entry.emit.iter().filter_map(|brought| brought.entry.once.as_ref());
        let is_whole = brought.filter(|once| again(once)).count() == 0;
        self.given.lock().unwrap().push((target, entry));
        let id = "1-0".to_owned();
        Ok(if is_whole { Enqueued::Added(id) } else { Enqueued::InPart(id) })
    }
}

pub struct Running {
    pub url: String,
    pub double: Double,
    recorder: Recorder,
    stop: CancellationToken,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(IngestSettings::default(), Mood::Willing).await
    }

    pub async fn with(settings: IngestSettings, mood: Mood) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let double = Double::start(account(), TOKEN).await.unwrap();
        let server = Server::bind(&HttpSettings::default()).await.unwrap();
        let url = server.url().unwrap();
        let public: PublicUrl = settings.public_url.clone().unwrap_or_else(|| url.parse().unwrap());
        let gate = Gate::new(&double.settings(), public, settings.accept_unsigned);
        let recorder = Recorder { given: Arc::default(), known: Arc::default(), mood };
        let ingest = Arc::new(Ingest::new(&settings, gate, recorder.clone()));
        let stop = CancellationToken::new();
        tokio::spawn(server.run(endpoint(ingest), stop.clone()));
        Self { url, double, recorder, stop }
    }

    /// What the queue was given so far.
    pub fn given(&self) -> Vec<(Target, Entry)> {
        self.recorder.given.lock().unwrap().clone()
    }

    /// Posts a form with the signature Twilio would give it.
    pub async fn post(&self, path: &str, body: &str) -> reqwest::Response {
        let signed = self.signature(path, body);
        self.request(path, body).header(signature::HEADER, signed).send().await.unwrap()
    }

    /// A request with a form, not signed yet.
    pub fn request(&self, path: &str, body: &str) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
            .body(body.to_owned())
    }

    /// Posts JSON to a URL that carries the digest of `digested`, with the signature of that URL.
    pub async fn post_json(&self, path: &str, body: &str, digested: &str) -> reqwest::Response {
        let digest = hex::encode(Sha256::digest(digested));
        let url = format!("{}{path}?bodySHA256={digest}", self.url);
        reqwest::Client::new()
            .post(&url)
            .header("content-type", "application/json")
            .header(signature::HEADER, signature::sign_url(&TOKEN.into(), &url))
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
    }

    pub fn signature(&self, path: &str, body: &str) -> String {
        let url = format!("{}{path}", self.url);
        signature::sign(&TOKEN.into(), &url, &Form::parse(body.as_bytes()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The form of a finished recording.
pub fn recording_form() -> String {
    format!(
        "AccountSid={}&CallSid={}&RecordingSid={}&RecordingStatus=completed&RecordingDuration=17",
        account(),
        call(),
        recording()
    )
}

/// The form of a call in some status.
pub fn call_form(status: &str) -> String {
    format!(
        "AccountSid={}&CallSid={}&CallStatus={status}&From=%2B15125550123&Direction=inbound",
        account(),
        call()
    )
}

/// The same as JSON.
pub fn recording_json() -> String {
    serde_json::json!({
        "AccountSid": account(), "CallSid": call(), "RecordingSid": recording(),
        "RecordingStatus": "completed", "RecordingDuration": 17, "From": null,
    })
    .to_string()
}

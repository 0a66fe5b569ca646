//! A Twilio on loopback, as strict as the real one: for the sample calls and for tests.
//!
//! It checks credentials, answers errors in JSON or XML with Twilio's codes, pages its lists, lets
//! media be "not ready yet", redirects downloads to another host that refuses credentials, and
//! posts signed callbacks.

mod answer;
mod callbacks;
mod lists;
mod model;
mod server;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{AccountSid, CallSid, RecordingSid};
use secrecy::SecretString;
use tokio::task::JoinHandle;

use self::model::State;
pub use self::model::{DoubleCall, DoubleRecording, Fault};

/// A running double. Stops when dropped.
pub struct Double {
    account_sid: AccountSid,
    auth_token: SecretString,
    api: SocketAddr,
    storage: SocketAddr,
    shared: Arc<Shared>,
    servers: [JoinHandle<()>; 2],
}

/// What the servers of a double share with it.
struct Shared {
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Double {
    /// Starts a double with one account on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(account_sid: AccountSid, auth_token: &str) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::new(State::default()) });
        shared.lock().credentials.push((account_sid.to_string(), auth_token.to_owned()));
        let (storage, storage_server) = server::storage(shared.clone()).await?;
        let (api, api_server) = server::api(account_sid.clone(), storage, shared.clone()).await?;
        Ok(Self {
            account_sid,
            auth_token: auth_token.into(),
            api,
            storage,
            shared,
            servers: [api_server, storage_server],
        })
    }

    /// The account it serves.
    pub fn account_sid(&self) -> &AccountSid {
        &self.account_sid
    }

    /// What to set `twilio.api_base` to.
    pub fn api_base(&self) -> String {
        format!("http://{}/2010-04-01", self.api)
    }

    /// The host that redirected downloads lead to.
    pub fn storage_base(&self) -> String {
        format!("http://{}", self.storage)
    }

    /// Settings for a client of this double.
    pub fn settings(&self) -> crate::TwilioSettings {
        crate::TwilioSettings {
            account_sid: Some(self.account_sid.clone()),
            auth_token: Some(self.auth_token.clone()),
            api_base: self.api_base(),
            max_requests_per_second: 1000,
            ..Default::default()
        }
    }

    /// Accepts an API key beside the account's token.
    pub fn accept_api_key(&self, sid: &str, secret: &str) {
        self.shared.lock().credentials.push((sid.to_owned(), secret.to_owned()));
    }

    /// Adds a call, or replaces the one with its SID.
    pub fn add_call(&self, call: DoubleCall) {
        self.shared.lock().calls.insert(call.sid.clone(), call);
    }

    /// Adds a recording, or replaces the one with its SID.
    pub fn add_recording(&self, recording: DoubleRecording) {
        let mut state = self.shared.lock();
        match state.recordings.iter_mut().find(|known| known.sid == recording.sid) {
            Some(known) => *known = recording,
            None => state.recordings.push(recording),
        }
    }

    /// Answers the next requests to the API with a fault, then as usual.
    pub fn inject(&self, fault: Fault, times: usize) {
        self.shared.lock().faults.extend(std::iter::repeat_n(fault, times));
    }

    /// Gives at most so many recordings on a page, whatever is asked. Default: what is asked.
    pub fn limit_page_size(&self, recordings: usize) {
        self.shared.lock().page_limit = Some(recordings);
    }

    /// Requests to the API so far, media included.
    pub fn api_requests(&self) -> usize {
        self.shared.lock().api_requests
    }

    /// Requests for a recording's media so far, "not ready yet" and other errors included.
    pub fn media_requests(&self, recording: &RecordingSid) -> usize {
        self.shared.lock().media_requests.get(recording).copied().unwrap_or(0)
    }

    /// How often a recording's media was handed out.
    pub fn media_served(&self, recording: &RecordingSid) -> usize {
        self.shared.lock().media_served.get(recording).copied().unwrap_or(0)
    }

    /// How many bytes of a recording's media were sent so far.
    pub fn media_bytes(&self, recording: &RecordingSid) -> usize {
        self.shared.lock().media_bytes.get(recording).copied().unwrap_or(0)
    }

    /// Whether the storage host was ever shown credentials.
    pub fn storage_saw_credentials(&self) -> bool {
        self.shared.lock().storage_saw_credentials
    }

    /// Whether a recording is still there.
    pub fn has_recording(&self, recording: &RecordingSid) -> bool {
        self.shared.lock().recordings.iter().any(|known| known.sid == *recording)
    }

    /// The calls it knows.
    pub fn call_sids(&self) -> Vec<CallSid> {
        self.shared.lock().calls.keys().cloned().collect()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

//! The access log: one line a request, numbers masked.

use std::time::Duration;

use domain::mask_phone;
use warp::http::StatusCode;

use crate::{Refusal, service::Taken};

/// How much of an unknown path is logged.
const LOGGED_PATH: usize = 100;

/// What a line says of every request.
pub(crate) struct Line<'a> {
    pub request_id: &'a str,
    pub path: &'a str,
    pub status: StatusCode,
    pub took: Duration,
    /// Whether Twilio says that it sent this before.
    pub repeated: bool,
}

impl Line<'_> {
    pub fn write(&self, taken: &Result<Taken, Refusal>) {
        let Self { request_id, path, status, took, repeated } = *self;
        let path = path.get(..LOGGED_PATH).unwrap_or(path);
        let (status, ms) = (status.as_u16(), took.as_micros() as f64 / 1000.0);
        match taken {
            Ok(taken @ Taken { work, outcome }) => {
                tracing::info!(
                    target: "access",
                    request_id, path, status, ms, outcome = outcome.as_str(), repeated,
                    call_sid = work.call_sid.as_str(),
                    recording_sid = work.recording_sid.as_ref().map(|sid| sid.as_str()),
                    source = work.job().map(|job| job.source().as_str()),
                    from = work.call.from.as_deref().map(mask_phone),
                    to = work.call.to.as_deref().map(mask_phone),
                    "{}", taken.in_words()
                );
            }
            Err(Refusal::Unavailable { reason }) => {
                tracing::warn!(target: "access", request_id, path, status, ms, repeated, reason,
                    outcome = "unavailable", "callback refused");
            }
            Err(refusal) => {
                tracing::info!(target: "access", request_id, path, status, ms, repeated,
                    outcome = refusal.name(), reason = %refusal, "callback refused");
            }
        }
    }
}

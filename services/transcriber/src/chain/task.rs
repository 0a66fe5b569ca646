//! One recording on its way through the chain.

use std::sync::Arc;

use domain::Speaker;
use tokio::time::Instant;

use crate::audio::Recording;

/// What is to be transcribed, for whom.
#[derive(Clone)]
pub struct Task {
    /// The recording.
    pub recording: Arc<Recording>,
    /// Who speaks on each of its channels.
    pub speakers: Vec<Speaker>,
    /// The language, where it is known.
    pub language: Option<String>,
    /// What makes this work the same work in a later attempt: recording and generation.
    pub work: String,
    /// Who pays.
    pub account: String,
    /// Until when a place at an engine is waited for; then the call goes back into the queue, where
    /// waiting counts no attempt, and what was transcribed of it is kept.
    pub waits_until: Instant,
}

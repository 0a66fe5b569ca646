//! What counts as speech.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::empty_is_none;

/// What counts as speech.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechSettings {
    /// What judges the sound: `earshot`, which is compiled in, or `silero`, which needs a model and
    /// takes less noise for speech. Default `earshot`.
    pub detector: DetectorName,
    /// Silero's model: a file in ggml form, such as `ggml-silero-v6.2.0.bin`. Default none.
    #[serde(deserialize_with = "empty_is_none")]
    pub silero_model: Option<PathBuf>,
    /// Score of the detector from which a frame is speech, between 0 and 1. Default 0.5.
    pub threshold: f32,
    /// Frames quieter than this are never speech, in decibels below full scale. Default -60.
    pub floor_dbfs: f32,
    /// A recording with less speech than this, in milliseconds, holds none. Default 200.
    pub min_speech_ms: u64,
}

/// What judges the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorName {
    /// The crate earshot.
    Earshot,
    /// Silero VAD through whisper.cpp.
    Silero,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        Self {
            detector: DetectorName::Earshot,
            silero_model: None,
            threshold: 0.5,
            floor_dbfs: -60.0,
            min_speech_ms: 200,
        }
    }
}

impl SpeechSettings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name, its value and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        let threshold = self.threshold;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(format!("transcriber.speech.threshold is {threshold}; allowed are 0 to 1"));
        }
        Ok(())
    }
}

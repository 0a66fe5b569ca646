//! Silero VAD through whisper.cpp: judges windows of 32 ms.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use whisper_rs::{WhisperVadContext, WhisperVadContextParams};

use super::{FRAME, SpeechSettings};
use crate::{audio::AudioError, ggml};

/// Frames in a window of the model.
const FRAMES: usize = 2;

/// Samples in a window.
const WINDOW: usize = FRAMES * FRAME;

/// Samples judged at once, half a minute: the model's memory lasts as long as a call of it, so
/// blocks are long, and memory does not grow with the recording.
const BLOCK: usize = 30 * 16_000 / WINDOW * WINDOW;

/// Samples of the block before, heard again to fill the model's memory; their scores are left out.
const LEAD: usize = 32 * WINDOW;

/// The model, with as many contexts as channels are listened to at once.
pub struct Silero {
    path: String,
    idle: Mutex<Vec<WhisperVadContext>>,
}

impl fmt::Debug for Silero {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Silero").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Silero {
    /// Loads the model of the settings.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn new(settings: &SpeechSettings) -> Result<Self, String> {
        let Some(path) = &settings.silero_model else {
            return Err(
                "transcriber.speech.detector is silero, and transcriber.speech.silero_model \
                        is not set; it is the path of Silero's model in ggml form"
                    .into(),
            );
        };
        let wrong =
            |why: String| format!("transcriber.speech.silero_model is {}: {why}", path.display());
        ggml::check_silero(path).map_err(|error| wrong(error.to_string()))?;
        let Some(path) = path.to_str() else { return Err(wrong("it is not UTF-8".into())) };
        whisper_rs::install_logging_hooks();
        let silero = Self { path: path.to_owned(), idle: Mutex::default() };
        let first = silero.context().map_err(|error| wrong(error.to_string()))?;
        silero.give_back(first);
        Ok(silero)
    }

    fn context(&self) -> Result<WhisperVadContext, AudioError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(context) = idle {
            return Ok(context);
        }
        let mut parameters = WhisperVadContextParams::new();
        // The model is small: with more threads most of the time goes into waking them.
        parameters.set_n_threads(1);
        WhisperVadContext::new(&self.path, parameters)
            .map_err(|_| AudioError::Detector("whisper.cpp refuses Silero's model".into()))
    }

    fn give_back(&self, context: WhisperVadContext) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(context);
    }

    /// A score for every window, the last one filled up with silence.
    fn scores(&self, samples: &[f32]) -> Result<Vec<f32>, AudioError> {
        let mut context = self.context()?;
        context
            .detect_speech(samples)
            .map_err(|_| AudioError::Detector("Silero gave no answer".into()))?;
        let scores = context.probabilities().to_vec();
        self.give_back(context);
        if scores.len() == samples.len().div_ceil(WINDOW) {
            return Ok(scores);
        }
        Err(AudioError::Detector("Silero's model has windows of another length".into()))
    }
}

/// Silero at work on one channel.
pub struct SileroEar {
    silero: Arc<Silero>,
    /// What was heard before, then what is not judged yet.
    samples: Vec<f32>,
    lead: usize,
    is_audible: bool,
}

impl SileroEar {
    /// At the beginning of a channel.
    pub fn new(silero: Arc<Silero>) -> Self {
        Self { silero, samples: Vec::new(), lead: 0, is_audible: false }
    }

    /// Takes a frame; adds scores once a block is full.
    pub fn push(
        &mut self,
        frame: &[i16],
        is_audible: bool,
        scores: &mut Vec<f32>,
    ) -> Result<(), AudioError> {
        self.samples.extend(frame.iter().map(|sample| f32::from(*sample) / 32768.0));
        self.is_audible |= is_audible;
        if self.samples.len() - self.lead < BLOCK { Ok(()) } else { self.judge(scores) }
    }

    /// Adds the scores of what is left; one more than frames where the last window is half full.
    pub fn finish(&mut self, scores: &mut Vec<f32>) -> Result<(), AudioError> {
        if self.samples.len() == self.lead { Ok(()) } else { self.judge(scores) }
    }

    fn judge(&mut self, scores: &mut Vec<f32>) -> Result<(), AudioError> {
        let fresh = self.samples.len() - self.lead;
        let judged = if self.is_audible {
            self.silero.scores(&self.samples)?.split_off(self.lead / WINDOW)
        } else {
            vec![0.0; fresh.div_ceil(WINDOW)]
        };
        scores.extend(judged.into_iter().flat_map(|score| [score; FRAMES]));
        let before = self.samples.len().saturating_sub(LEAD);
        self.samples.drain(..before);
        self.lead = self.samples.len();
        self.is_audible = false;
        Ok(())
    }
}

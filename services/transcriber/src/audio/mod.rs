//! From a media file to 16 kHz mono channels with the speech in them marked.
//!
//! Decoding, resampling and speech detection run in one pass over small blocks; the samples go to
//! a temporary file a channel, so that memory does not grow with the length of a recording.

mod aside;
mod channel;
mod cut;
mod decode;
mod likeness;
mod mp3;
mod read;
mod resample;
mod speech;
mod wav;

pub use channel::Channel;
pub use cut::{CutRule, around, cut};
pub use decode::{Container, Decoder};
pub use read::{AudioLimits, Recording, read};
pub use speech::{DetectorName, SpeechDetector, SpeechSettings, Stretch};

/// Samples per second of everything behind the decoder; what speech engines are trained on.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Samples per millisecond at [`SAMPLE_RATE_HZ`].
pub const SAMPLES_PER_MS: u64 = SAMPLE_RATE_HZ as u64 / 1000;

/// Why a media file could not be turned into audio.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// It begins like no audio file that is supported.
    #[error("the media is neither a WAV nor an MP3 file")]
    NotAudio,
    /// It is audio of a kind that is not supported.
    #[error("the media cannot be decoded: {0}")]
    Unsupported(String),
    /// It is damaged so far that nothing could be decoded.
    #[error("the media is damaged: {0}")]
    Broken(String),
    /// It is longer than allowed.
    #[error("the recording is longer than the {limit_seconds} s allowed")]
    TooLong {
        /// `transcriber.max_seconds`.
        limit_seconds: u64,
    },
    /// The detector of speech does not run.
    #[error("the detector of speech failed: {0}")]
    Detector(String),
    /// The temporary file could not be read or written.
    #[error("temporary audio file: {0}")]
    Io(#[from] std::io::Error),
}

impl AudioError {
    /// The code under which an operator finds it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAudio => "not_audio",
            Self::Unsupported(_) => "audio_unsupported",
            Self::Broken(_) => "audio_broken",
            Self::TooLong { .. } => "audio_too_long",
            Self::Detector(_) => "speech_detector",
            Self::Io(_) => "temporary_file",
        }
    }
}

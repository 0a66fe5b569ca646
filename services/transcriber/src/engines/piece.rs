//! What goes into an engine and what comes out.

use std::sync::Arc;

use crate::audio::{SAMPLE_RATE_HZ, SAMPLES_PER_MS, Stretch};

/// A piece of one channel: 16 kHz, mono.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Where in the recording it lies.
    pub at: Stretch,
    /// Its samples.
    pub samples: Vec<i16>,
    /// Where in it somebody speaks, in milliseconds from its own beginning.
    pub speech: Vec<Stretch>,
    /// Whether everybody is on its channel, so that an engine that tells voices apart is of use.
    pub is_mixed: bool,
    /// Languages it can be in, for engines that choose; empty where it can be any.
    pub languages: Arc<[String]>,
}

impl Piece {
    /// A piece of which no more is known.
    pub fn new(at: Stretch, samples: Vec<i16>) -> Self {
        Self { at, samples, speech: Vec::new(), is_mixed: false, languages: Arc::default() }
    }

    /// Its length in milliseconds.
    pub fn length_ms(&self) -> u64 {
        self.samples.len() as u64 / SAMPLES_PER_MS
    }
}

/// What an engine heard in one piece.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Heard {
    /// In order of their start.
    pub segments: Vec<HeardSegment>,
    /// BCP 47 language, where the engine says which it heard.
    pub language: Option<String>,
    /// The model that heard it, where that is another one than the engine's identity says.
    #[serde(default)]
    pub model: Option<String>,
}

/// A stretch of text with its times inside the piece.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HeardSegment {
    /// Start, in milliseconds from the beginning of the piece.
    pub start_ms: u64,
    /// End.
    pub end_ms: u64,
    /// The words.
    pub text: String,
    /// The engine's confidence between 0 and 1, where it gives one.
    pub confidence: Option<f32>,
    /// How sure the engine is that nobody spoke, between 0 and 1, where it says so.
    pub no_speech: Option<f32>,
    /// Which of the voices that the engine told apart in this piece, counted from 1 in the order in
    /// which they were heard; absent where it told none apart.
    #[serde(default)]
    pub voice: Option<usize>,
}

impl HeardSegment {
    /// A text between two times in seconds, which are kept inside the piece.
    pub fn timed(piece: &Piece, start: f64, end: f64, text: &str) -> Self {
        let ms = |seconds: f64| ((seconds.max(0.0) * 1000.0).round() as u64).min(piece.length_ms());
        let start_ms = ms(start);
        Self {
            start_ms,
            end_ms: ms(end).max(start_ms),
            text: text.trim().to_owned(),
            confidence: None,
            no_speech: None,
            voice: None,
        }
    }

    /// The same with the engine's confidence, if that is one.
    pub fn with_confidence(self, confidence: Option<f32>) -> Self {
        let confidence = confidence.filter(|confidence| (0.0..=1.0).contains(confidence));
        Self { confidence, ..self }
    }
}

impl Heard {
    /// One text for the whole piece; nothing heard is no segment.
    pub fn whole(piece: &Piece, text: &str, confidence: Option<f32>) -> Self {
        let text = text.trim();
        let segment = HeardSegment {
            start_ms: 0,
            end_ms: piece.length_ms(),
            text: text.to_owned(),
            confidence,
            no_speech: None,
            voice: None,
        };
        let segments = if text.is_empty() { Vec::new() } else { vec![segment] };
        Self { segments, ..Self::default() }
    }
}

/// Numbers voices by the order in which they are heard, whatever an engine calls them.
#[derive(Debug, Default)]
pub struct Voices(Vec<String>);

impl Voices {
    /// The number of the voice that the engine calls so, counted from 1.
    pub fn number(&mut self, name: impl ToString) -> usize {
        let name = name.to_string();
        let known = self.0.iter().position(|known| *known == name);
        known.map_or_else(
            || {
                self.0.push(name);
                self.0.len()
            },
            |at| at + 1,
        )
    }
}

/// A piece as a WAV file: PCM, 16 bits, 16 kHz, mono.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data_bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&data_bytes.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&SAMPLE_RATE_HZ.to_le_bytes());
    file.extend_from_slice(&(SAMPLE_RATE_HZ * 2).to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&data_bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

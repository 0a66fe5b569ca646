//! A piece without its long silences.
//!
//! PocketSphinx normalises over everything it is given, so long silences in it spoil the words.
//! Where it removes silence by itself, it counts time without it, and no word's time is known.

use std::path::Path;

use crate::{
    audio::{AudioLimits, CutRule, SpeechDetector, Stretch, cut, read},
    engines::{EngineError, Piece, command::temporary_wav},
};

/// Silences from this length on are left out, up to the margin that every stretch keeps.
const LONGEST_SILENCE_MS: u64 = 700;

/// The stretches of a piece that hold speech, one right after the other.
#[derive(Debug)]
pub(super) struct Condensed {
    /// The sound.
    pub(super) audio: Piece,
    stretches: Vec<Stretch>,
}

impl Condensed {
    /// Condenses a piece; one in which no speech is found stays whole. Blocks.
    pub(super) fn new(piece: &Piece) -> Result<Self, EngineError> {
        let failed = |what: String| EngineError::Program(format!("temporary audio file: {what}"));
        let file = temporary_wav(piece)?;
        let folder = file.path().parent().unwrap_or(Path::new("/"));
        let limits = AudioLimits {
            max_seconds: piece.length_ms() / 1000 + 1,
            speech: SpeechDetector::default(),
        };
        let recording =
            read(file.path(), folder, limits).map_err(|error| failed(error.to_string()))?;
        let rule = CutRule { longest_ms: u64::MAX, at_silence_ms: Some(LONGEST_SILENCE_MS) };
        let mut stretches = Vec::new();
        let mut samples = Vec::new();
        if let Some(channel) = recording.channels.first() {
            for at in cut(channel, rule) {
                samples.extend(channel.read(at).map_err(|error| failed(error.to_string()))?);
                stretches.push(at);
            }
        }
        if stretches.is_empty() {
            stretches.push(Stretch { start_ms: 0, end_ms: piece.length_ms() });
            samples.clone_from(&piece.samples);
        }
        Ok(Self { audio: Piece { at: piece.at, samples }, stretches })
    }

    /// Where in the piece something lies that was found in the condensed sound.
    pub(super) fn in_piece(&self, found: Stretch) -> Stretch {
        let middle_ms = found.start_ms + found.length_ms() / 2;
        let mut left_out_ms = 0;
        let mut until_ms = 0;
        let mut around = Stretch { start_ms: 0, end_ms: 0 };
        for stretch in &self.stretches {
            left_out_ms = stretch.start_ms.saturating_sub(until_ms);
            until_ms += stretch.length_ms();
            around = *stretch;
            if middle_ms < until_ms {
                break;
            }
        }
        let moved = |ms: u64| (ms + left_out_ms).clamp(around.start_ms, around.end_ms);
        Stretch { start_ms: moved(found.start_ms), end_ms: moved(found.end_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moved_by_the_silence_left_out_before_them() {
        let at = |start_ms, end_ms| Stretch { start_ms, end_ms };
        let audio = Piece { at: at(0, 9000), samples: Vec::new() };
        let condensed = Condensed { audio, stretches: vec![at(0, 1000), at(3000, 4000)] };
        assert_eq!(condensed.in_piece(at(200, 900)), at(200, 900));
        assert_eq!(condensed.in_piece(at(1200, 1500)), at(3200, 3500));
        // A word the engine draws over the seam belongs to the side that holds more of it.
        assert_eq!(condensed.in_piece(at(900, 1400)), at(3000, 3400));
        assert_eq!(condensed.in_piece(at(1800, 2100)), at(3800, 4000));
    }

    #[test]
    fn a_piece_without_speech_stays_whole() {
        let at = Stretch { start_ms: 500, end_ms: 1500 };
        let condensed = Condensed::new(&Piece { at, samples: vec![0; 16_000] }).unwrap();
        assert_eq!(condensed.audio.samples.len(), 16_000);
        let word = Stretch { start_ms: 100, end_ms: 200 };
        assert_eq!(condensed.in_piece(word), word);
    }
}

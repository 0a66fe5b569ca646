//! A piece without its long silences.
//!
//! PocketSphinx normalises over everything it is given, so long silences in it spoil the words.
//! Where it removes silence by itself, it counts time without it, and no word's time is known.

use crate::{
    audio::{CutRule, SAMPLES_PER_MS, Stretch, around},
    engines::Piece,
};

/// Silences from this length on are left out, up to the margin that every stretch keeps.
const LONGEST_SILENCE_MS: u64 = 700;

/// The stretches of a piece that hold speech, one right after the other.
#[derive(Debug)]
pub(super) struct Condensed {
    /// The sound.
    pub(super) samples: Vec<i16>,
    stretches: Vec<Stretch>,
}

impl Condensed {
    /// Condenses a piece; one in which no speech is known stays whole.
    pub(super) fn new(piece: &Piece) -> Self {
        let rule = CutRule { longest_ms: u64::MAX, at_silence_ms: Some(LONGEST_SILENCE_MS) };
        let mut stretches = around(&piece.speech, piece.length_ms(), rule);
        if stretches.is_empty() {
            stretches.push(Stretch { start_ms: 0, end_ms: piece.length_ms() });
        }
        let sample = |ms: u64| {
            usize::try_from(ms * SAMPLES_PER_MS).map_or(0, |n| n.min(piece.samples.len()))
        };
        let samples = stretches
            .iter()
            .flat_map(|at| &piece.samples[sample(at.start_ms)..sample(at.end_ms)])
            .copied()
            .collect();
        Self { samples, stretches }
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

    fn at(start_ms: u64, end_ms: u64) -> Stretch {
        Stretch { start_ms, end_ms }
    }

    #[test]
    fn times_are_moved_by_the_silence_left_out_before_them() {
        let condensed =
            Condensed { samples: Vec::new(), stretches: vec![at(0, 1000), at(3000, 4000)] };
        assert_eq!(condensed.in_piece(at(200, 900)), at(200, 900));
        assert_eq!(condensed.in_piece(at(1200, 1500)), at(3200, 3500));
        // A word the engine draws over the seam belongs to the side that holds more of it.
        assert_eq!(condensed.in_piece(at(900, 1400)), at(3000, 3400));
        assert_eq!(condensed.in_piece(at(1800, 2100)), at(3800, 4000));
    }

    #[test]
    fn a_piece_of_which_no_speech_is_known_stays_whole() {
        let condensed = Condensed::new(&Piece::new(at(500, 1500), vec![0; 16_000]));
        assert_eq!(condensed.samples.len(), 16_000);
        assert_eq!(condensed.in_piece(at(100, 200)), at(100, 200));
    }

    #[test]
    fn long_silences_are_left_out_and_short_ones_stay() {
        let samples: Vec<i16> = (0..160_000).map(|n| (n / 16) as i16).collect();
        let speech = vec![at(1_000, 2_000), at(2_500, 3_000), at(8_000, 9_000)];
        let piece = Piece { speech, ..Piece::new(at(0, 10_000), samples) };
        let condensed = Condensed::new(&piece);
        assert_eq!(condensed.stretches, [at(750, 3_250), at(7_750, 9_250)]);
        assert_eq!(condensed.samples.len(), (2_500 + 1_500) * 16);
        // Each sample is its millisecond: nothing but the silence is gone.
        assert_eq!((condensed.samples[0], condensed.samples[2_500 * 16]), (750, 7_750));
    }
}

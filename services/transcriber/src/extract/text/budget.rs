//! How much of a call is read.

/// How much is read; one budget is shared by all segments of a call. Bounds time and memory,
/// whatever is written.
#[derive(Debug, Clone)]
pub struct Budget {
    pub(super) words: usize,
    /// Letters and marks once composed characters are taken apart: one can stand for eighteen.
    pub(super) pieces: usize,
}

/// An hour and twenty minutes of talk; what comes after says nothing new.
const MAX_WORDS: usize = 12_000;
/// Of a word with its points and the blank after it, on average; the longest are longer.
const PIECES_PER_WORD: usize = 20;

impl Default for Budget {
    fn default() -> Self {
        Self { words: MAX_WORDS, pieces: MAX_WORDS * PIECES_PER_WORD }
    }
}

impl Budget {
    /// Whether nothing more is read.
    pub fn is_spent(&self) -> bool {
        self.words == 0 || self.pieces == 0
    }
}

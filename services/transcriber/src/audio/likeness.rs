//! Whether two channels hold the same sound: a mono call written as stereo would otherwise have
//! every word twice.

/// Compares two channels as they go by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Likeness {
    first: f64,
    second: f64,
    common: f64,
}

/// Squared correlation from which two channels count as one; codec noise stays above it, two people
/// never come near it.
const SAME: f64 = 0.99;

impl Likeness {
    /// Takes the next samples of both.
    pub fn push(&mut self, first: &[f32], second: &[f32]) {
        for (a, b) in first.iter().zip(second) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            self.first += a * a;
            self.second += b * b;
            self.common += a * b;
        }
    }

    /// Whether they are the same, at whatever volume.
    pub fn is_same(&self) -> bool {
        let product = self.first * self.second;
        product > 0.0 && self.common > 0.0 && self.common * self.common / product > SAME
    }

    /// Whether the second is the louder one.
    pub fn second_is_louder(&self) -> bool {
        self.second > self.first
    }
}

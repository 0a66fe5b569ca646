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
        self.first += product(first, first);
        self.second += product(second, second);
        self.common += product(first, second);
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

/// The sum of the products of two blocks of samples, side by side in lanes as processors have them.
fn product(first: &[f32], second: &[f32]) -> f64 {
    const LANES: usize = 8;
    let (first, first_rest) = first.as_chunks::<LANES>();
    let (second, second_rest) = second.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in first.iter().zip(second) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = first_rest.iter().zip(second_rest).map(|(a, b)| f64::from(a * b));
    sums.into_iter().map(f64::from).sum::<f64>() + rest.sum::<f64>()
}

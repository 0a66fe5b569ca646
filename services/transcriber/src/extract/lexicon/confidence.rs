//! From evidence to a probability.

/// Below this nothing is said: a value more often wrong than right helps nobody.
pub const FLOOR: f32 = 0.5;

/// Knots of the calibration: evidence in log-odds, and the share of values that are right there.
/// Measured on calls the rules had not seen, made monotone, and drawn low where those were few:
/// what is given 0.8 and more is acted upon without a person looking, and at least 97 of 100 such
/// values are to be right.
const KNOTS: [(f32, f32); 7] =
    [(-2.0, 0.1), (0.0, 0.4), (1.0, 0.6), (2.0, 0.72), (2.9, 0.8), (3.5, 0.9), (6.0, 0.98)];

/// The confidence of a value whose evidence is `score` and leads the next best by `margin`.
pub fn confidence(score: f32, margin: f32) -> f32 {
    let evidence = score.min(score * 0.5 + margin);
    let mut below = KNOTS[0];
    for above in KNOTS {
        if evidence <= above.0 {
            let share =
                if above.0 > below.0 { (evidence - below.0) / (above.0 - below.0) } else { 1.0 };
            return below.1 + (above.1 - below.1) * share.clamp(0.0, 1.0);
        }
        below = above;
    }
    below.1
}

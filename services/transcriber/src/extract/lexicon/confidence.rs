//! From evidence to a probability.

/// Below this nothing is said: a value more often wrong than right helps nobody.
pub const FLOOR: f32 = 0.5;

/// Knots of the calibration: evidence in log-odds, and the share of values that were right there.
/// Measured on the tuning half of the labelled calls, made monotone, drawn towards one half by
/// one imagined right and one imagined wrong value a bin.
const KNOTS: [(f32, f32); 6] =
    [(-2.0, 0.1), (0.0, 0.4), (1.0, 0.6), (2.0, 0.82), (3.5, 0.93), (6.0, 0.98)];

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

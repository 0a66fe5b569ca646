//! From evidence to a probability.

/// Below this nothing is said: a value more often wrong than right helps nobody.
pub const FLOOR: f32 = 0.5;

/// How probable the best of these scores is against the others and against no value, whose score
/// is 0.
pub fn posterior(scores: &[f32], sharpness: f32) -> f32 {
    let best = scores.iter().copied().fold(f32::MIN, f32::max);
    let weight = |score: f32| ((score - best) * sharpness).exp();
    1.0 / (scores.iter().copied().map(weight).sum::<f32>() + weight(0.0))
}

/// The share of right values where the posterior is this: straight lines between the knots.
pub fn calibrated(posterior: f32, knots: &[(f32, f32)]) -> f32 {
    let after = knots.partition_point(|(at, _)| *at < posterior);
    let (Some(below), Some(above)) = (knots.get(after.saturating_sub(1)), knots.get(after)) else {
        return knots.last().map_or(0.0, |(_, share)| *share);
    };
    if after == 0 || above.0 <= below.0 {
        return above.1;
    }
    below.1 + (above.1 - below.1) * (posterior - below.0) / (above.0 - below.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_for_another_value_and_for_none_takes_away_from_the_best() {
        assert!((posterior(&[0.0], 1.0) - 0.5).abs() < 1e-6);
        assert!(posterior(&[3.0], 1.0) > 0.9);
        assert!(posterior(&[3.0, 3.0], 1.0) < 0.5);
        assert!(posterior(&[f32::MAX, f32::MIN], 1.0) > 0.99);
    }

    #[test]
    fn a_posterior_between_two_knots_is_on_the_line_between_them() {
        let knots = [(0.2, 0.1), (0.6, 0.5), (0.9, 0.95)];
        for (posterior, share) in [(0.0, 0.1), (0.4, 0.3), (0.6, 0.5), (1.0, 0.95)] {
            assert!((calibrated(posterior, &knots) - share).abs() < 1e-6, "{posterior}");
        }
        assert!(calibrated(0.5, &[]) == 0.0);
    }
}

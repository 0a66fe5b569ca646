//! What engines charge.

/// A price in US dollars as micro-dollars (10⁻⁶ USD); `None` for one that is no price.
pub fn microusd(usd: f64) -> Option<u64> {
    (usd.is_finite() && usd >= 0.0).then(|| (usd * 1e6).round() as u64)
}

/// The price of some audio, rounded up: a limit on spending must not be passed by rounding.
pub fn cost_microusd(microusd_per_minute: u64, audio_ms: u64) -> u64 {
    microusd_per_minute.saturating_mul(audio_ms).div_ceil(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minute_costs_half_of_a_minute() {
        assert_eq!(cost_microusd(6_000, 30_000), 3_000);
        assert_eq!(cost_microusd(6_000, 1), 1);
        assert_eq!(microusd(0.006), Some(6_000));
        assert_eq!(microusd(f64::NAN), None);
    }
}

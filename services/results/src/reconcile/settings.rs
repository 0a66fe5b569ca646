//! The settings of the reconciliation.

use serde::{Deserialize, Serialize};

/// The comparison with Twilio's own list of recordings.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcileSettings {
    /// Whether it runs by itself. Needs a Twilio account. Default `true`.
    pub enabled: bool,
    /// Seconds from one comparison to the next, up to a day. Default 600.
    pub interval_seconds: u64,
    /// Hours before the high-water mark that are listed again, for what came late. Default 24.
    pub overlap_hours: u32,
    /// Hours before its very first run that are compared; older recordings are left to
    /// `callscribe backfill`. Default 24.
    pub first_hours: u32,
    /// Recordings enqueued a second at most. Default 50.
    pub max_per_second: u32,
    /// The share of Redis's `maxmemory` above which nothing is enqueued until there is room.
    /// Default 0.7.
    pub redis_high_water: f64,
}

/// The longest time between two comparisons, in seconds: leases are held for two of them.
const LONGEST_INTERVAL: u64 = 24 * 3600;

impl Default for ReconcileSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_seconds: 600,
            overlap_hours: 24,
            first_hours: 24,
            max_per_second: 50,
            redis_high_water: 0.7,
        }
    }
}

impl ReconcileSettings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        for (name, value) in [
            ("interval_seconds", self.interval_seconds),
            ("max_per_second", u64::from(self.max_per_second)),
        ] {
            if value == 0 {
                return Err(format!("results.reconcile.{name} is 0; allowed is 1 and more"));
            }
        }
        if self.interval_seconds > LONGEST_INTERVAL {
            return Err(format!(
                "results.reconcile.interval_seconds is {}; allowed is a day ({LONGEST_INTERVAL}) \
                 and less",
                self.interval_seconds
            ));
        }
        if !(self.redis_high_water > 0.0 && self.redis_high_water <= 1.0) {
            return Err(format!(
                "results.reconcile.redis_high_water is {}; allowed is more than 0, up to 1",
                self.redis_high_water
            ));
        }
        Ok(())
    }
}

//! Who is on which channel.
//!
//! Twilio writes the parent call on the first channel and the child on the second.

use domain::Speaker;
use serde::{Deserialize, Serialize};

/// Who is on the first of two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstChannel {
    /// The caller of an inbound call, the agent of an outbound one.
    ByDirection,
    /// Always the caller.
    Caller,
    /// Always the agent.
    Agent,
}

/// The speaker of each channel. One channel holds everybody, and of more than two nothing is known.
pub fn speakers(first: FirstChannel, direction: Option<&str>, channels: usize) -> Vec<Speaker> {
    if channels != 2 {
        return vec![Speaker::Unknown; channels];
    }
    let caller_first = match (first, direction) {
        (FirstChannel::Caller, _) => Some(true),
        (FirstChannel::Agent, _) => Some(false),
        (FirstChannel::ByDirection, Some("inbound")) => Some(true),
        (FirstChannel::ByDirection, Some(other)) if other.starts_with("outbound") => Some(false),
        (FirstChannel::ByDirection, _) => None,
    };
    match caller_first {
        Some(true) => vec![Speaker::Caller, Speaker::Agent],
        Some(false) => vec![Speaker::Agent, Speaker::Caller],
        None => vec![Speaker::Unknown; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_says_who_is_on_the_first_channel_unless_configured() {
        use FirstChannel::{Agent, ByDirection, Caller};
        let first = |setting, direction| speakers(setting, direction, 2)[0];
        assert_eq!(first(ByDirection, Some("inbound")), Speaker::Caller);
        assert_eq!(first(ByDirection, Some("outbound-api")), Speaker::Agent);
        assert_eq!(first(ByDirection, None), Speaker::Unknown);
        assert_eq!(first(Agent, Some("inbound")), Speaker::Agent);
        assert_eq!(first(Caller, None), Speaker::Caller);
        assert_eq!(speakers(Caller, None, 1), [Speaker::Unknown]);
    }
}

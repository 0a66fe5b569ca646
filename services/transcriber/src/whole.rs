//! Whether what was fetched of a recording is all of it.

use crate::{
    audio::Recording,
    setback::{Setback, Treatment},
};

/// Less than this is lacking by rounding: Twilio counts begun seconds.
const ROUNDING_MS: u64 = 2_000;

/// Whether nothing is known to be lacking: nothing was damaged, and it lasts about as long as Twilio
/// says, where it does. A little less says nothing; less than half does.
pub fn is_whole(recording: &Recording, told_seconds: Option<u32>) -> bool {
    let told_ms = u64::from(told_seconds.unwrap_or(0)) * 1000;
    !recording.damaged && recording.facts.duration_ms * 2 + ROUNDING_MS >= told_ms
}

/// The setback of a recording that lacks something.
pub fn cut_off(treatment: Treatment) -> Setback {
    let message = "the media is shorter than its header, or Twilio, says";
    Setback::new(treatment, "media_cut_off", message)
}

#[cfg(test)]
mod tests {
    use domain::RecordingFacts;

    use super::*;

    #[test]
    fn a_recording_that_is_damaged_or_far_too_short_is_not_whole() {
        for (duration_ms, told, damaged, whole) in [
            (0, None, false, true),
            (0, Some(0), false, true),
            (400, Some(1), false, true),
            (29_400, Some(30), false, true),
            (3_000, Some(30), false, false),
            (0, Some(30), false, false),
            (30_000, Some(30), true, false),
        ] {
            let recording = Recording {
                channels: Vec::new(),
                facts: RecordingFacts { duration_ms, ..Default::default() },
                identical_channels: false,
                damaged,
                silent: true,
            };
            assert_eq!(is_whole(&recording, told), whole, "{duration_ms} ms of {told:?} s");
        }
    }
}

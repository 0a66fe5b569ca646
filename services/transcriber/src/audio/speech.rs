//! Where in a channel somebody speaks.
//!
//! A small neural detector that is compiled in (earshot, 16 ms a frame) judges the sound; a level
//! below which nothing is audible guards it, steady tones (dialling, ringing, beeps), which the
//! detector takes for vowels, are told by their even zero crossings, and short gaps and short noises
//! are smoothed away.

use earshot::{DefaultPredictor, Detector};
use serde::{Deserialize, Serialize};

use super::SAMPLES_PER_MS;

/// Samples in one frame of the detector.
pub const FRAME: usize = 256;

/// Length of a frame.
pub const FRAME_MS: u64 = FRAME as u64 / SAMPLES_PER_MS;

/// What counts as speech.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechSettings {
    /// Score of the detector from which a frame is speech, between 0 and 1. Default 0.5.
    pub threshold: f32,
    /// Frames quieter than this are never speech, in decibels below full scale. Default -60.
    pub floor_dbfs: f32,
    /// A recording with less speech than this, in milliseconds, holds none. Default 200.
    pub min_speech_ms: u64,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        Self { threshold: 0.5, floor_dbfs: -60.0, min_speech_ms: 200 }
    }
}

/// Gaps up to this length belong to the speech around them.
const GAP_MS: u64 = 250;

/// Anything shorter is a click, not a word.
const SHORTEST_MS: u64 = 90;

/// Inaudible frames in a row after which the detector rests, and begins anew with the next sound.
const QUIET_FRAMES: u32 = 12;

/// Zero crossings of speech vary by more than this share of their mean; those of a tone do not.
const STEADY: f64 = 0.12;

/// A stretch of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stretch {
    /// Start, in milliseconds from the beginning of the recording.
    pub start_ms: u64,
    /// End.
    pub end_ms: u64,
}

impl Stretch {
    /// Its length in milliseconds.
    pub fn length_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms)
    }

    /// The part of it inside another, counted from the beginning of that one.
    pub fn within(&self, other: Stretch) -> Option<Stretch> {
        let start_ms = self.start_ms.max(other.start_ms);
        let end_ms = self.end_ms.min(other.end_ms);
        let moved = |ms: u64| ms - other.start_ms;
        (start_ms < end_ms).then(|| Stretch { start_ms: moved(start_ms), end_ms: moved(end_ms) })
    }

    /// How many milliseconds it shares with another.
    pub fn overlap_ms(&self, other: &Stretch) -> u64 {
        let (start, end) = (self.start_ms.max(other.start_ms), self.end_ms.min(other.end_ms));
        end.saturating_sub(start)
    }
}

/// Listens to one channel.
pub struct Listener {
    settings: SpeechSettings,
    detector: Box<Detector<DefaultPredictor>>,
    waiting: Vec<i16>,
    frames: u64,
    quiet_frames: u32,
    stretches: Vec<(Stretch, Crossings)>,
    levels: Vec<u8>,
}

/// How often the sound of a stretch crosses zero, frame by frame.
#[derive(Debug, Clone, Copy, Default)]
struct Crossings {
    frames: f64,
    sum: f64,
    of_squares: f64,
}

impl Crossings {
    fn push(&mut self, frame: &[i16]) {
        let crossings = frame.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        self.frames += 1.0;
        self.sum += crossings as f64;
        self.of_squares += (crossings * crossings) as f64;
    }

    fn are_steady(&self) -> bool {
        let mean = self.sum / self.frames;
        let variance = (self.of_squares / self.frames - mean * mean).max(0.0);
        variance.sqrt() < STEADY * mean
    }
}

impl Listener {
    /// A listener at the beginning of a channel.
    pub fn new(settings: SpeechSettings) -> Self {
        Self {
            settings,
            detector: Box::new(Detector::default()),
            waiting: Vec::with_capacity(2 * FRAME),
            frames: 0,
            quiet_frames: 0,
            stretches: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i16]) {
        self.waiting.extend_from_slice(samples);
        let whole = self.waiting.len() / FRAME * FRAME;
        let waiting = std::mem::take(&mut self.waiting);
        for frame in waiting[..whole].chunks_exact(FRAME) {
            self.frame(frame);
        }
        self.waiting = waiting;
        self.waiting.drain(..whole);
    }

    fn frame(&mut self, frame: &[i16]) {
        let level = level_dbfs(frame);
        self.levels.push((-level).clamp(0.0, 255.0) as u8);
        let is_audible = level > self.settings.floor_dbfs;
        if self.is_speech(frame, is_audible) {
            let start_ms = self.frames * FRAME_MS;
            let end_ms = start_ms + FRAME_MS;
            let follows = self.stretches.last().is_some_and(|(s, _)| start_ms - s.end_ms <= GAP_MS);
            if !follows {
                self.stretches.push((Stretch { start_ms, end_ms }, Crossings::default()));
            }
            if let Some((stretch, crossings)) = self.stretches.last_mut() {
                stretch.end_ms = end_ms;
                crossings.push(frame);
            }
        }
        self.frames += 1;
    }

    /// Asks the detector, which is most of the work, only while there is something to hear.
    fn is_speech(&mut self, frame: &[i16], is_audible: bool) -> bool {
        self.quiet_frames = if is_audible { 0 } else { self.quiet_frames + 1 };
        if self.quiet_frames > QUIET_FRAMES {
            if self.quiet_frames == QUIET_FRAMES + 1 {
                self.detector.reset();
            }
            return false;
        }
        self.detector.predict_i16(frame) >= self.settings.threshold && is_audible
    }

    /// The stretches of speech in order, and the level of every frame in decibels below full scale.
    pub fn finish(mut self) -> (Vec<Stretch>, Vec<u8>) {
        if !self.waiting.is_empty() {
            let mut last = std::mem::take(&mut self.waiting);
            last.resize(FRAME, 0);
            self.frame(&last);
        }
        let is_speech = |(stretch, crossings): &(Stretch, Crossings)| {
            stretch.length_ms() >= SHORTEST_MS && !crossings.are_steady()
        };
        let stretches = self.stretches.into_iter().filter(is_speech).map(|(stretch, _)| stretch);
        (stretches.collect(), self.levels)
    }
}

fn level_dbfs(frame: &[i16]) -> f32 {
    let energy: f64 = frame.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    let mean = energy / frame.len().max(1) as f64 / (32768.0 * 32768.0);
    (10.0 * mean.max(1e-20).log10()) as f32
}

/// Milliseconds in which somebody speaks in any of the channels.
pub fn union_ms<'a>(channels: impl Iterator<Item = &'a [Stretch]>) -> u64 {
    let mut all: Vec<Stretch> = channels.flatten().copied().collect();
    all.sort_by_key(|stretch| stretch.start_ms);
    let mut until = 0;
    let mut total = 0;
    for stretch in all {
        total += stretch.end_ms.saturating_sub(until.max(stretch.start_ms));
        until = until.max(stretch.end_ms);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_noise_and_tones_are_no_speech() {
        let mut random = fastrand::Rng::with_seed(7);
        let second = 16_000;
        let silence = vec![0; second * 3];
        let hiss: Vec<i16> = (0..second * 3).map(|_| random.i16(-300..300)).collect();
        let tone = |hz: f32| -> Vec<i16> {
            (0..second * 3)
                .map(|n| ((n as f32 * std::f32::consts::TAU * hz / 16_000.0).sin() * 8e3) as i16)
                .collect()
        };
        let ringing = tone(440.0).iter().zip(tone(480.0)).map(|(a, b)| (a + b) / 2).collect();
        for (name, sound) in [
            ("silence", silence),
            ("hiss", hiss),
            ("dial tone", tone(425.0)),
            ("beep", tone(1e3)),
            ("ringing", ringing),
        ] {
            let mut listener = Listener::new(SpeechSettings::default());
            listener.push(&sound);
            let (stretches, levels) = listener.finish();
            assert_eq!(stretches, [], "{name}");
            assert_eq!(levels.len(), sound.len().div_ceil(FRAME));
        }
    }

    #[test]
    fn overlapping_speech_is_counted_once() {
        let one = [Stretch { start_ms: 0, end_ms: 100 }, Stretch { start_ms: 200, end_ms: 300 }];
        let two = [Stretch { start_ms: 50, end_ms: 250 }];
        assert_eq!(union_ms([&one[..], &two[..]].into_iter()), 300);
    }
}

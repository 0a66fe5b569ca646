//! Where in a channel somebody speaks.
//!
//! A small neural detector judges the sound; a level below which nothing is audible guards it, steady
//! tones (dialling, ringing, beeps), which a detector may take for vowels, are told by their even zero
//! crossings, and short gaps and short noises are smoothed away.

mod detector;
mod settings;
#[cfg(feature = "whisper")]
mod silero;

use std::collections::VecDeque;

use self::detector::Ear;
pub use self::{
    detector::SpeechDetector,
    settings::{DetectorName, SpeechSettings},
};
use super::{AudioError, SAMPLES_PER_MS, aside::Work};

/// Samples that are judged together.
pub const FRAME: usize = 256;

/// Length of a frame.
pub const FRAME_MS: u64 = FRAME as u64 / SAMPLES_PER_MS;

/// Gaps up to this length belong to the speech around them.
const GAP_MS: u64 = 250;

/// Anything shorter is a click, not a word.
const SHORTEST_MS: u64 = 90;

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

/// The stretches of speech in a channel, in order, and the level of every frame in decibels below
/// full scale.
pub type Heard = (Vec<Stretch>, Vec<u8>);

/// Listens to one channel.
pub struct Listener {
    settings: SpeechSettings,
    ear: Ear,
    waiting: Vec<i16>,
    /// Frames the ear has not judged yet.
    open: VecDeque<Frame>,
    scores: Vec<f32>,
    judged: u64,
    stretches: Vec<(Stretch, Crossings)>,
    levels: Vec<u8>,
    failure: Option<AudioError>,
}

/// What is known of a frame before it is judged.
struct Frame {
    is_audible: bool,
    crossings: usize,
}

/// How often the sound of a stretch crosses zero, frame by frame.
#[derive(Debug, Clone, Copy, Default)]
struct Crossings {
    frames: f64,
    sum: f64,
    of_squares: f64,
}

impl Crossings {
    fn push(&mut self, crossings: usize) {
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
    pub fn new(detector: &SpeechDetector) -> Self {
        Self {
            settings: detector.settings().clone(),
            ear: detector.ear(),
            waiting: Vec::with_capacity(2 * FRAME),
            open: VecDeque::new(),
            scores: Vec::new(),
            judged: 0,
            stretches: Vec::new(),
            levels: Vec::new(),
            failure: None,
        }
    }

    fn frame(&mut self, frame: &[i16]) {
        let level = level_dbfs(frame);
        self.levels.push((-level).clamp(0.0, 255.0) as u8);
        let is_audible = level > self.settings.floor_dbfs;
        let crossings = if is_audible { crossings(frame) } else { 0 };
        self.open.push_back(Frame { is_audible, crossings });
        if self.failure.is_none() {
            let outcome = self.ear.push(frame, is_audible, &mut self.scores);
            self.judge(outcome);
        }
    }

    fn judge(&mut self, outcome: Result<(), AudioError>) {
        self.failure = outcome.err();
        let mut scores = std::mem::take(&mut self.scores);
        scores.drain(..).for_each(|score| self.judge_one(score));
        self.scores = scores;
    }

    fn judge_one(&mut self, score: f32) {
        // A last window may reach beyond the end.
        let Some(frame) = self.open.pop_front() else { return };
        if score >= self.settings.threshold && frame.is_audible {
            let start_ms = self.judged * FRAME_MS;
            let end_ms = start_ms + FRAME_MS;
            let follows = self.stretches.last().is_some_and(|(s, _)| start_ms - s.end_ms <= GAP_MS);
            if !follows {
                self.stretches.push((Stretch { start_ms, end_ms }, Crossings::default()));
            }
            if let Some((stretch, crossings)) = self.stretches.last_mut() {
                stretch.end_ms = end_ms;
                crossings.push(frame.crossings);
            }
        }
        self.judged += 1;
    }
}

impl Work<i16> for Listener {
    type Done = Heard;

    fn push(&mut self, samples: &[i16]) -> Result<(), AudioError> {
        self.waiting.extend_from_slice(samples);
        let whole = self.waiting.len() / FRAME * FRAME;
        let waiting = std::mem::take(&mut self.waiting);
        for frame in waiting[..whole].chunks_exact(FRAME) {
            self.frame(frame);
        }
        self.waiting = waiting;
        self.waiting.drain(..whole);
        Ok(())
    }

    fn finish(mut self) -> Result<Heard, AudioError> {
        if !self.waiting.is_empty() {
            let mut last = std::mem::take(&mut self.waiting);
            last.resize(FRAME, 0);
            self.frame(&last);
        }
        if self.failure.is_none() {
            let outcome = self.ear.finish(&mut self.scores);
            self.judge(outcome);
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let is_speech = |(stretch, crossings): &(Stretch, Crossings)| {
            stretch.length_ms() >= SHORTEST_MS && !crossings.are_steady()
        };
        let stretches = self.stretches.into_iter().filter(is_speech).map(|(stretch, _)| stretch);
        Ok((stretches.collect(), self.levels))
    }
}

fn crossings(frame: &[i16]) -> usize {
    frame.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count()
}

fn level_dbfs(frame: &[i16]) -> f32 {
    let energy: i64 = frame.iter().map(|s| i64::from(i32::from(*s) * i32::from(*s))).sum();
    let mean = energy as f64 / frame.len().max(1) as f64 / (32768.0 * 32768.0);
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
pub(super) mod tests;

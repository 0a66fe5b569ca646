//! Holds the detectors of speech against each other on the sample calls, clean and in noise.
//!
//! `cargo run --release -p callscribe-transcriber --example speech_detectors [SILERO_MODEL]`
//!
//! The samples' voices are synthetic and their pauses are silent, so where somebody speaks is known
//! from the level of the clean sound. Printed are, for each detector and signal-to-noise ratio, how
//! much of the speech was found, how much of the rest was taken for speech, and the speed.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use callscribe_transcriber::{
    audio::{
        AudioLimits, DetectorName, SAMPLE_RATE_HZ, SpeechDetector, SpeechSettings, Stretch, read,
    },
    engines::wav,
};

/// Frames louder than this are speech, in the clean sound.
const LOUD_DBFS: f64 = -45.0;
/// Samples a frame: 10 ms.
const FRAME: usize = 160;
/// Gaps up to this many frames belong to the speech around them, as for the detectors.
const GAP: usize = 25;
/// Decibels between speech and noise.
const RATIOS: [Option<f64>; 4] = [None, Some(20.0), Some(10.0), Some(3.0)];

fn main() -> anyhow::Result<()> {
    let model = std::env::args().nth(1).map(PathBuf::from);
    let mut detectors = vec![("earshot", SpeechDetector::default())];
    if let Some(model) = model {
        let detector = DetectorName::Silero;
        let settings = SpeechSettings { detector, silero_model: Some(model), ..Default::default() };
        detectors.push(("silero", SpeechDetector::new(&settings).map_err(anyhow::Error::msg)?));
    }
    let channels = samples()?;
    println!("detector  noise   found   wrongly  times real time");
    for (name, detector) in detectors {
        for ratio in RATIOS {
            let mut score = Score::default();
            for clean in &channels {
                score.add(clean, ratio, &detector)?;
            }
            let noise = ratio.map_or("none".into(), |decibels| format!("{decibels} dB"));
            println!(
                "{name:<9} {noise:<6} {:5.1} %  {:5.1} %  {:6.0}",
                100.0 * score.found / score.speech,
                100.0 * score.wrong / (score.total - score.speech),
                score.total / 1000.0 / score.took.as_secs_f64(),
            );
        }
    }
    Ok(())
}

/// The channels of the sample calls that hold speech.
fn samples() -> anyhow::Result<Vec<Vec<i16>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../callscribe/samples");
    let temporary = tempfile::tempdir()?;
    let mut channels = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "wav" && ending != "mp3") {
            continue;
        }
        let limits = AudioLimits { max_seconds: 100, speech: SpeechDetector::default() };
        let recording =
            read(&path, temporary.path(), limits).with_context(|| format!("{path:?}"))?;
        for channel in recording.channels {
            let samples = channel.read(Stretch { start_ms: 0, end_ms: channel.length_ms() })?;
            if speech(&samples).iter().any(|is_speech| *is_speech) {
                channels.push(samples);
            }
        }
    }
    Ok(channels)
}

/// Milliseconds of everything.
#[derive(Default)]
struct Score {
    total: f64,
    speech: f64,
    found: f64,
    wrong: f64,
    took: Duration,
}

impl Score {
    fn add(
        &mut self,
        clean: &[i16],
        ratio: Option<f64>,
        detector: &SpeechDetector,
    ) -> anyhow::Result<()> {
        let truth = speech(clean);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sound.wav");
        std::fs::write(&path, wav(&noisy(clean, &truth, ratio)))?;
        let limits = AudioLimits { max_seconds: 100, speech: detector.clone() };
        let began = Instant::now();
        let recording = read(&path, folder.path(), limits)?;
        self.took += began.elapsed();
        let stretches = recording.channels.first().map(|channel| channel.stretches());
        for (frame, is_speech) in truth.iter().enumerate() {
            let middle_ms = frame as u64 * 10 + 5;
            let is_found = stretches
                .unwrap_or_default()
                .iter()
                .any(|stretch| (stretch.start_ms..stretch.end_ms).contains(&middle_ms));
            self.total += 10.0;
            self.speech += if *is_speech { 10.0 } else { 0.0 };
            self.found += if *is_speech && is_found { 10.0 } else { 0.0 };
            self.wrong += if !*is_speech && is_found { 10.0 } else { 0.0 };
        }
        Ok(())
    }
}

/// Which frames hold speech, from the level of the clean sound.
fn speech(clean: &[i16]) -> Vec<bool> {
    let mut frames: Vec<bool> = clean
        .chunks(FRAME)
        .map(|frame| 20.0 * (level(frame) / 32768.0).max(1e-10).log10() > LOUD_DBFS)
        .collect();
    let mut last = None;
    for frame in 0..frames.len() {
        if !frames[frame] {
            continue;
        }
        if let Some(last) = last
            && frame - last <= GAP
        {
            frames[last..frame].fill(true);
        }
        last = Some(frame);
    }
    frames
}

fn level(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

/// White noise so far below the level of the speech.
fn noisy(clean: &[i16], truth: &[bool], ratio: Option<f64>) -> Vec<i16> {
    let Some(ratio) = ratio else { return clean.to_vec() };
    let frames = clean.chunks(FRAME).zip(truth).filter(|(_, is_speech)| **is_speech);
    let speech: Vec<i16> = frames.flat_map(|(frame, _)| frame.iter().copied()).collect();
    // Evenly distributed noise has a level of its peak by the root of three.
    let peak = level(&speech) / 10_f64.powf(ratio / 20.0) * 3_f64.sqrt();
    let mut random = fastrand::Rng::with_seed(u64::from(SAMPLE_RATE_HZ));
    let add = |sample: &i16| {
        let noise = (random.f64() * 2.0 - 1.0) * peak;
        (f64::from(*sample) + noise).clamp(-32768.0, 32767.0) as i16
    };
    clean.iter().map(add).collect()
}

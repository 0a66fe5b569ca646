//! How fast recordings are read, and in how much memory.
//!
//! Prints a JSON list of rows: an hour of two channels at 8 kHz, decoded, resampled and searched for
//! speech on one core, against the bare resampler and detector; and the memory that three hours
//! take.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};

use audioadapter_buffers::direct::SequentialSlice;
use callscribe_transcriber::audio::{AudioLimits, SpeechDetector, read};
use rubato::{Fft, FixedSync, Resampler};
use serde_json::json;

/// Times real time.
const GOAL: f64 = 200.0;
/// Megabytes.
const MEMORY_GOAL: f64 = 64.0;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // First, because what is measured is the most the process ever took.
    let memory = three_hours(folder.path())?;
    let value = an_hour(folder.path())?;
    let baseline = bare()?;
    let rows = json!([
        {
            "name": "audio.decode_realtime", "value": value, "unit": "times real time",
            "baseline": baseline, "ratio": value / baseline, "goal": GOAL, "holds": value >= GOAL,
        },
        {
            "name": "memory.three_hours_mb", "value": memory, "unit": "MB",
            "baseline": MEMORY_GOAL, "ratio": memory / MEMORY_GOAL, "goal": MEMORY_GOAL,
            "holds": memory <= MEMORY_GOAL,
        },
    ]);
    println!("{rows}");
    Ok(())
}

fn limits() -> AudioLimits {
    AudioLimits { max_seconds: 20_000, speech: SpeechDetector::default() }
}

fn an_hour(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("hour.wav");
    write(&path, 3_600)?;
    let start = Instant::now();
    let recording = read(&path, folder, limits())?;
    let took = start.elapsed().as_secs_f64();
    Ok(recording.facts.duration_ms as f64 / 1000.0 / took)
}

/// The most memory the process took, in megabytes; 0 where the system does not tell.
fn three_hours(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("three.wav");
    write(&path, 3 * 3_600)?;
    read(&path, folder, limits())?;
    std::fs::remove_file(&path)?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.unwrap_or(0.0) / 1024.0)
}

/// The libraries alone: a minute of one channel in memory, resampled and searched, for two channels.
fn bare() -> anyhow::Result<f64> {
    const STEP: usize = 1024;
    let samples: Vec<f32> = (0..60 * 8_000 / STEP * STEP).map(sound).collect();
    let mut resampler = Fft::<f32>::new(8_000, 16_000, STEP, 1, FixedSync::Input)?;
    let mut detector = earshot::Detector::default();
    let mut out = vec![0.0; resampler.output_frames_max()];
    let room = out.len();
    let start = Instant::now();
    for block in samples.chunks_exact(STEP) {
        let input = SequentialSlice::new(block, 1, STEP)?;
        let mut output = SequentialSlice::new_mut(&mut out, 1, room)?;
        let (_, written) = resampler.process_into_buffer(&input, &mut output, None)?;
        let rounded: Vec<i16> = out[..written].iter().map(|s| (s * 32767.0) as i16).collect();
        for frame in rounded.chunks_exact(256) {
            detector.predict_i16(frame);
        }
    }
    Ok(samples.len() as f64 / 8_000.0 / start.elapsed().as_secs_f64() / 2.0)
}

/// Something between voice and noise, on for two seconds and off for one.
fn sound(n: usize) -> f32 {
    let seconds = n as f32 / 8_000.0;
    let pitch = 120.0 + 30.0 * (seconds * 2.0).sin();
    let voice: f32 =
        (1..6).map(|k| (seconds * pitch * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum();
    if seconds as u64 % 3 < 2 { voice * 0.2 } else { 0.0 }
}

/// Two channels, µ-law, 8 kHz, written piece by piece.
fn write(path: &Path, seconds: u32) -> anyhow::Result<()> {
    let bytes = seconds * 16_000;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&(bytes + 36).to_le_bytes())?;
    file.write_all(b"WAVEfmt \x10\0\0\0\x07\0\x02\0")?;
    file.write_all(&8_000_u32.to_le_bytes())?;
    file.write_all(&16_000_u32.to_le_bytes())?;
    file.write_all(b"\x02\0\x08\0data")?;
    file.write_all(&bytes.to_le_bytes())?;
    // Six seconds, over and over, one channel half a period later.
    let coded: Vec<u8> = (0..48_000).map(|n| coded(sound(n))).collect();
    for n in 0..seconds as usize * 8_000 {
        file.write_all(&[coded[n % 48_000], coded[(n + 12_000) % 48_000]])?;
    }
    Ok(file.flush()?)
}

/// G.711 µ-law by its definition: a logarithm.
fn coded(sample: f32) -> u8 {
    let magnitude = (255.0 * sample.abs().min(1.0)).ln_1p() / 256f32.ln();
    let byte = (magnitude * 127.0).round() as u8;
    !(if sample < 0.0 { byte | 0x80 } else { byte })
}

//! Media files made for the tests.

use std::path::{Path, PathBuf};

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Pcm8,
    Pcm16,
    Pcm24,
    Pcm32,
    Float32,
    MuLaw,
    ALaw,
}

pub const CODINGS: [Coding; 7] = [
    Coding::Pcm8,
    Coding::Pcm16,
    Coding::Pcm24,
    Coding::Pcm32,
    Coding::Float32,
    Coding::MuLaw,
    Coding::ALaw,
];

impl Coding {
    fn format_and_bits(self) -> (u16, u16) {
        match self {
            Self::Pcm8 => (1, 8),
            Self::Pcm16 => (1, 16),
            Self::Pcm24 => (1, 24),
            Self::Pcm32 => (1, 32),
            Self::Float32 => (3, 32),
            Self::ALaw => (6, 8),
            Self::MuLaw => (7, 8),
        }
    }

    fn write(self, sample: f32, to: &mut Vec<u8>) {
        let whole = (sample * 32767.0).round() as i16;
        match self {
            Self::Pcm8 => to.push(((whole >> 8) + 128) as u8),
            Self::Pcm16 => to.extend(whole.to_le_bytes()),
            Self::Pcm24 => to.extend(&(i32::from(whole) << 8).to_le_bytes()[..3]),
            Self::Pcm32 => to.extend((i32::from(whole) << 16).to_le_bytes()),
            Self::Float32 => to.extend(sample.to_le_bytes()),
            Self::MuLaw => to.push(mu_law(whole)),
            Self::ALaw => to.push(a_law(whole)),
        }
    }
}

/// ITU-T G.711, µ-law.
fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = (7 - (magnitude.leading_zeros() as i32 - 17)).clamp(0, 7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// ITU-T G.711, A-law.
fn a_law(sample: i16) -> u8 {
    let sign = if sample >= 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs() >> 3).min(4095);
    let coded = if magnitude < 32 {
        magnitude >> 1
    } else {
        let exponent = 27 - magnitude.leading_zeros() as i32;
        (exponent << 4) | ((magnitude >> exponent) & 0x0f)
    };
    (sign | coded as u8) ^ 0x55
}

/// A WAV file of channels of equal length.
pub fn wav(coding: Coding, rate_hz: u32, channels: &[Vec<f32>]) -> Vec<u8> {
    let (format, bits) = coding.format_and_bits();
    let count = channels.len() as u16;
    let mut data = Vec::new();
    for frame in 0..channels[0].len() {
        for channel in channels {
            coding.write(channel[frame], &mut data);
        }
    }
    let block = count * bits / 8;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(format.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend((rate_hz * u32::from(block)).to_le_bytes());
    file.extend(block.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

pub fn tone(hz: f32, amplitude: f32, rate_hz: u32, seconds: f32) -> Vec<f32> {
    (0..(rate_hz as f32 * seconds) as usize)
        .map(|n| (n as f32 * std::f32::consts::TAU * hz / rate_hz as f32).sin() * amplitude)
        .collect()
}

/// A file of the shared test data, or `None` with a message where it is not there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    let found = path.is_file();
    if !found {
        eprintln!("skipped: ../shared/data/{name} is not there");
    }
    found.then_some(path)
}

/// The samples of a WAV file with PCM of 16 bits.
pub fn samples(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let data = bytes.windows(4).position(|four| four == b"data").unwrap() + 8;
    let pairs = bytes[data..].chunks_exact(2);
    pairs.map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0).collect()
}

/// Speech of about eleven seconds at 16 kHz.
pub fn speech() -> Option<Vec<f32>> {
    shared("jfk.wav").map(|path| samples(&path))
}

/// So many seconds at 16 kHz of something that the detector takes for speech.
pub fn voice(seconds: usize) -> Vec<f32> {
    (0..seconds * 16_000)
        .map(|n| {
            let t = n as f32 / 16_000.0;
            let pitch = 120.0 + 30.0 * (t * 2.0).sin();
            let open = 0.6 + 0.4 * (t * 9.0).sin();
            let voice: f32 = (1..20)
                .map(|k| (t * pitch * k as f32 * std::f32::consts::TAU).sin() / k as f32)
                .sum();
            voice * open * 0.18
        })
        .collect()
}

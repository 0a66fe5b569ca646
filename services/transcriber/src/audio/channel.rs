//! One channel of a recording, on disk.

use std::{
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    AudioError, SAMPLES_PER_MS,
    aside::{Work, Working},
    resample::Resampler,
    speech::{FRAME_MS, Listener, Stretch},
};

/// How much of the temporary file is written or read at once.
const BLOCK_BYTES: usize = 32 * 1024;

/// One channel at 16 kHz: its samples in a temporary file, and where it holds speech.
#[derive(Debug)]
pub struct Channel {
    samples: File,
    length: u64,
    stretches: Vec<Stretch>,
    levels: Vec<u8>,
}

impl Channel {
    /// A silent channel that claims to hold speech.
    #[cfg(test)]
    pub fn of(length_ms: u64, stretches: Vec<Stretch>) -> Self {
        let samples = tempfile::tempfile().unwrap();
        let length = length_ms * SAMPLES_PER_MS;
        samples.set_len(length * 2).unwrap();
        let levels = vec![90; usize::try_from(length_ms / FRAME_MS + 1).unwrap()];
        Self { samples, length, stretches, levels }
    }

    /// Its length in milliseconds.
    pub fn length_ms(&self) -> u64 {
        self.length / SAMPLES_PER_MS
    }

    /// Where somebody speaks, in order.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// How much speech it holds, in milliseconds.
    pub fn speech_ms(&self) -> u64 {
        self.stretches.iter().map(Stretch::length_ms).sum()
    }

    /// The samples of a stretch, as far as the channel reaches.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn read(&self, stretch: Stretch) -> std::io::Result<Vec<i16>> {
        let end = (stretch.end_ms * SAMPLES_PER_MS).min(self.length);
        let start = (stretch.start_ms * SAMPLES_PER_MS).min(end);
        let (mut at, end) = (start * 2, end * 2);
        let mut samples = Vec::with_capacity(usize::try_from((end - at) / 2).unwrap_or(0));
        let mut block = [0; BLOCK_BYTES];
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let bytes = &mut block[..left.min(BLOCK_BYTES)];
            self.samples.read_exact_at(bytes, at)?;
            let (pairs, _) = bytes.as_chunks();
            samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
            at += bytes.len() as u64;
        }
        Ok(samples)
    }

    /// The quietest moment between two times, for a cut where there is no silence.
    pub fn quietest_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        let frame = |ms: u64| usize::try_from(ms / FRAME_MS).unwrap_or(usize::MAX);
        let end = frame(to_ms).min(self.levels.len());
        let start = frame(from_ms).min(end);
        let quietest = (start..end).max_by_key(|index| self.levels[*index]);
        quietest.map_or(to_ms, |index| index as u64 * FRAME_MS + FRAME_MS / 2)
    }
}

/// Builds a channel from blocks of samples at the media's rate.
pub struct ChannelWriter {
    resampler: Resampler,
    spill: Spill,
}

struct Spill {
    file: BufWriter<File>,
    listening: Working<i16, Listener>,
    length: u64,
    rounded: Vec<i16>,
    bytes: Vec<u8>,
}

impl ChannelWriter {
    /// A writer into an unnamed temporary file in `folder`.
    ///
    /// # Errors
    /// When the file cannot be made, or there is no filter for the rate.
    pub fn new(
        rate_hz: u32,
        folder: &Path,
        listening: Working<i16, Listener>,
    ) -> Result<Self, AudioError> {
        let spill = Spill {
            file: BufWriter::with_capacity(BLOCK_BYTES, tempfile::tempfile_in(folder)?),
            listening,
            length: 0,
            rounded: Vec::new(),
            bytes: Vec::new(),
        };
        Ok(Self { resampler: Resampler::new(rate_hz)?, spill })
    }
}

impl Work<f32> for ChannelWriter {
    type Done = Channel;

    fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.resampler.push(samples, |ready| self.spill.push(ready))
    }

    fn finish(mut self) -> Result<Channel, AudioError> {
        self.resampler.finish(|ready| self.spill.push(ready))?;
        let Spill { file, listening, length, .. } = self.spill;
        let samples = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        let (mut stretches, levels) = listening.finish()?;
        // The last frame of the detector may reach beyond the end.
        if let Some(last) = stretches.last_mut() {
            last.end_ms = last.end_ms.min(length / SAMPLES_PER_MS).max(last.start_ms);
        }
        Ok(Channel { samples, length, stretches, levels })
    }
}

impl Spill {
    fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.rounded.clear();
        self.rounded.extend(samples.iter().map(|sample| rounded(sample * 32767.0)));
        self.bytes.resize(self.rounded.len() * 2, 0);
        let (pairs, _) = self.bytes.as_chunks_mut();
        pairs.iter_mut().zip(&self.rounded).for_each(|(pair, one)| *pair = one.to_le_bytes());
        self.file.write_all(&self.bytes)?;
        self.listening.push(&self.rounded)?;
        self.length += samples.len() as u64;
        Ok(())
    }
}

/// The nearest whole number, by way of one so large that a float has no room for fractions beside it:
/// there is no instruction for it on every processor, and this needs none.
#[inline]
fn rounded(sample: f32) -> i16 {
    const NO_FRACTIONS: f32 = 12_582_912.0; // 1.5 × 2²³
    (sample.clamp(-32_768.0, 32_767.0) + NO_FRACTIONS).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_rounded_to_the_nearest_and_never_wrap() {
        for whole in i16::MIN..=i16::MAX {
            for off in [-0.49, 0.0, 0.49] {
                let nearest = (f32::from(whole) + off).round().clamp(-32_768.0, 32_767.0) as i16;
                assert_eq!(rounded(f32::from(whole) + off), nearest, "{whole} {off:+}");
            }
        }
        assert_eq!([-1e9, 1e9, f32::NAN].map(rounded), [i16::MIN, i16::MAX, 0]);
    }
}

//! Any rate to 16 kHz, block by block, with a band-limiting filter.

use audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::{AudioError, SAMPLE_RATE_HZ};

/// Frames in one step of the filter: long enough to be fast, short enough for a small memory.
const STEP: usize = 1024;

/// Resamples one channel. What goes in comes out with its timing kept: the filter's delay is cut
/// off at the start and pushed out at the end.
pub struct Resampler {
    filter: Option<Filter>,
}

struct Filter {
    fft: Fft<f32>,
    waiting: Vec<f32>,
    out: Vec<f32>,
    ratio: f64,
    taken: u64,
    given: u64,
    to_skip: usize,
}

impl Resampler {
    /// From `rate_hz` to 16 kHz.
    ///
    /// # Errors
    /// When there is no filter for that rate.
    pub fn new(rate_hz: u32) -> Result<Self, AudioError> {
        if rate_hz == SAMPLE_RATE_HZ {
            return Ok(Self { filter: None });
        }
        let (from, to) = (rate_hz as usize, SAMPLE_RATE_HZ as usize);
        let fft = Fft::new(from, to, STEP, 1, FixedSync::Input)
            .map_err(|error| AudioError::Unsupported(error.to_string()))?;
        let filter = Filter {
            waiting: Vec::with_capacity(2 * fft.input_frames_max()),
            out: vec![0.0; fft.output_frames_max()],
            ratio: f64::from(SAMPLE_RATE_HZ) / f64::from(rate_hz),
            taken: 0,
            given: 0,
            to_skip: fft.output_delay(),
            fft,
        };
        Ok(Self { filter: Some(filter) })
    }

    /// Takes samples and hands on what is ready.
    ///
    /// # Errors
    /// As `sink`'s, or the filter's.
    pub fn push(
        &mut self,
        samples: &[f32],
        mut sink: impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        let Some(filter) = &mut self.filter else { return sink(samples) };
        filter.taken += samples.len() as u64;
        filter.waiting.extend_from_slice(samples);
        filter.run(&mut sink)
    }

    /// Hands on the rest.
    ///
    /// # Errors
    /// As [`Resampler::push`].
    pub fn finish(
        &mut self,
        mut sink: impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        let Some(filter) = &mut self.filter else { return Ok(()) };
        let due = (filter.taken as f64 * filter.ratio).round() as u64;
        while filter.given < due {
            let step = filter.fft.input_frames_next();
            filter.waiting.resize(filter.waiting.len().max(step), 0.0);
            let left = due - filter.given;
            let mut of_due = left as usize;
            filter.run(&mut |samples: &[f32]| {
                let kept = samples.len().min(of_due);
                of_due -= kept;
                sink(&samples[..kept])
            })?;
        }
        Ok(())
    }
}

impl Filter {
    fn run(
        &mut self,
        sink: &mut impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        let mut start = 0;
        loop {
            let step = self.fft.input_frames_next();
            if self.waiting.len() - start < step {
                break;
            }
            let written = self.step(start, step)?;
            start += step;
            let skipped = written.min(self.to_skip);
            self.to_skip -= skipped;
            if written > skipped {
                self.given += (written - skipped) as u64;
                sink(&self.out[skipped..written])?;
            }
        }
        self.waiting.drain(..start);
        Ok(())
    }

    fn step(&mut self, start: usize, step: usize) -> Result<usize, AudioError> {
        let broken = |error: String| AudioError::Unsupported(format!("resampling: {error}"));
        let input = SequentialSlice::new(&self.waiting[start..start + step], 1, step)
            .map_err(|error| broken(error.to_string()))?;
        let room = self.out.len();
        let mut output = SequentialSlice::new_mut(&mut self.out, 1, room)
            .map_err(|error| broken(error.to_string()))?;
        let (_, written) = self
            .fft
            .process_into_buffer(&input, &mut output, None::<&Indexing>)
            .map_err(|error| broken(error.to_string()))?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(rate_hz: u32, samples: &[f32]) -> Vec<f32> {
        let mut resampler = Resampler::new(rate_hz).unwrap();
        let mut out = Vec::new();
        for block in samples.chunks(997) {
            resampler
                .push(block, |s| {
                    out.extend_from_slice(s);
                    Ok(())
                })
                .unwrap();
        }
        resampler
            .finish(|s| {
                out.extend_from_slice(s);
                Ok(())
            })
            .unwrap();
        out
    }

    #[test]
    fn length_and_timing_are_kept_at_every_rate() {
        for rate_hz in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let mut samples = vec![0.0; rate_hz as usize * 2];
            // A click at one second must stay at one second.
            samples[rate_hz as usize] = 1.0;
            let out = resampled(rate_hz, &samples);
            assert!(out.len().abs_diff(32_000) <= 1, "{rate_hz}: {}", out.len());
            let peak = (0..out.len()).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs()));
            assert!(peak.unwrap().abs_diff(16_000) <= 2, "{rate_hz}: {peak:?}");
        }
    }

    #[test]
    fn a_tone_above_the_new_band_does_not_fold_into_it() {
        let tone: Vec<f32> = (0..48_000)
            .map(|n| (n as f32 * std::f32::consts::TAU * 11_000.0 / 48_000.0).sin())
            .collect();
        let out = resampled(48_000, &tone);
        let middle = &out[4_000..12_000];
        let power = middle.iter().map(|s| s * s).sum::<f32>() / middle.len() as f32;
        assert!(power < 1e-5, "{power}");
    }
}

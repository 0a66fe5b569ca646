//! Media files to blocks of samples, a vector a channel.

use std::{fs::File, path::Path};

use super::{
    AudioError,
    mp3::Mp3Reader,
    wav::{WavReader, read_up_to},
};

/// A kind of media file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// RIFF WAVE.
    Wav,
    /// MPEG audio, layer III.
    Mp3,
}

impl Container {
    /// What a file is by its first bytes (twelve are enough), whatever its type was said to be.
    pub fn of(head: &[u8]) -> Option<Self> {
        let riff = head.len() >= 12 && &head[..4] == b"RIFF" && &head[8..12] == b"WAVE";
        let frame_sync = head.len() >= 2 && head[0] == 0xff && head[1] & 0xe6 == 0xe2;
        if riff {
            Some(Self::Wav)
        } else if frame_sync || head.starts_with(b"ID3") {
            Some(Self::Mp3)
        } else {
            None
        }
    }
}

/// Rates outside this range are no recordings of speech but damaged headers.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Twilio's "empty recording" is a WAV header of this length and nothing else.
const BARE_HEADER_BYTES: u64 = 44;

/// Decodes a file block by block.
pub struct Decoder {
    reader: Reader,
    block: Vec<Vec<f32>>,
    rate_hz: u32,
    frames: u64,
}

enum Reader {
    Wav(WavReader),
    Mp3(Box<Mp3Reader>),
}

impl Decoder {
    /// Opens a file; `None` when it is a header without any samples.
    ///
    /// # Errors
    /// When it is no audio, or none that is supported.
    pub fn open(path: &Path) -> Result<Option<Self>, AudioError> {
        let mut file = File::open(path)?;
        let mut head = [0; 12];
        let read = read_up_to(&mut file, &mut head)?;
        let container = Container::of(&head[..read]).ok_or(AudioError::NotAudio)?;
        let length = file.metadata()?.len();
        let (reader, rate_hz) = match container {
            Container::Wav if length <= BARE_HEADER_BYTES => return Ok(None),
            Container::Wav => {
                let wav = WavReader::open(file)?;
                let rate_hz = wav.rate_hz();
                (Reader::Wav(wav), rate_hz)
            }
            Container::Mp3 => {
                let mp3 = Mp3Reader::open(File::open(path)?)?;
                let rate_hz = mp3.rate_hz();
                (Reader::Mp3(Box::new(mp3)), rate_hz)
            }
        };
        if !RATES_HZ.contains(&rate_hz) {
            return Err(AudioError::Unsupported(format!("{rate_hz} samples per second")));
        }
        Ok(Some(Self { reader, block: Vec::new(), rate_hz, frames: 0 }))
    }

    /// Samples per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Samples decoded so far, in each channel.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the file ended before its header said it would, or parts could not be decoded; known
    /// at the end.
    pub fn is_damaged(&self) -> bool {
        match &self.reader {
            Reader::Wav(wav) => wav.is_truncated(),
            Reader::Mp3(mp3) => mp3.is_damaged(),
        }
    }

    /// The next samples, a vector a channel, all of one length, each sample between -1 and 1;
    /// `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, changes its format on the way, or nothing at all could be
    /// decoded.
    pub fn next_block(&mut self) -> Result<Option<&[Vec<f32>]>, AudioError> {
        let any = match &mut self.reader {
            Reader::Wav(wav) => wav.next_block(&mut self.block)?,
            Reader::Mp3(mp3) => mp3.next_block(&mut self.block)?,
        };
        if !any {
            return Ok(None);
        }
        self.frames += self.block.first().map_or(0, Vec::len) as u64;
        Ok(Some(&self.block))
    }
}

/// A sample as it may go on, where its coding lets it say anything.
pub(super) fn bounded(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

//! WAV files as telephony writes them.
//!
//! A reader of its own because those of the libraries refuse files that exist (µ-law in a format
//! chunk of 16 bytes, sizes that a streaming writer never filled in) and panic on hostile headers.
//! Sources: the RIFF and WAVE multimedia registrations; ITU-T G.711.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

use super::{AudioError, decode::bounded};

/// Frames in one block.
const BLOCK_FRAMES: usize = 4096;

/// Sizes from here on mean "written as a stream, nobody knew".
const UNKNOWN_SIZE: u32 = 0xffff_ff00;

/// Chunks before the data; real files have two or three.
const MAX_CHUNKS: usize = 1000;

/// More channels than this are a damaged header; Twilio makes two at most.
const CHANNELS: std::ops::RangeInclusive<usize> = 1..=8;

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
    ALaw,
    MuLaw,
}

impl Coding {
    fn of(tag: u16, bits: u16) -> Option<Self> {
        match (tag, bits) {
            (1, 8) => Some(Self::Unsigned8),
            (1, 16) => Some(Self::Signed16),
            (1, 24) => Some(Self::Signed24),
            (1, 32) => Some(Self::Signed32),
            (3, 32) => Some(Self::Float32),
            (3, 64) => Some(Self::Float64),
            (6, 8) => Some(Self::ALaw),
            (7, 8) => Some(Self::MuLaw),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 | Self::ALaw | Self::MuLaw => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Appends one channel's samples, each between -1 and 1, from whole frames of `channels`
    /// samples. Which coding it is is asked once a block, not once a sample.
    fn read(self, bytes: &[u8], channels: usize, channel: usize, out: &mut Vec<f32>) {
        let of = Block { bytes, channels, channel };
        match self {
            Self::Unsigned8 => of.each(out, |[a]| (f32::from(a) - 128.0) / 128.0),
            Self::ALaw => of.each(out, |[a]| f32::from(a_law(a)) / 32768.0),
            Self::MuLaw => of.each(out, |[a]| f32::from(mu_law(a)) / 32768.0),
            Self::Signed16 => of.each(out, |pair| f32::from(i16::from_le_bytes(pair)) / 32768.0),
            Self::Signed24 => of.each(out, |[a, b, c]| of_32_bits([0, a, b, c])),
            Self::Signed32 => of.each(out, of_32_bits),
            Self::Float32 => of.each(out, |four| bounded(f32::from_le_bytes(four))),
            Self::Float64 => of.each(out, |eight| bounded(f64::from_le_bytes(eight) as f32)),
        }
    }
}

/// One channel in a block of frames.
struct Block<'a> {
    bytes: &'a [u8],
    channels: usize,
    channel: usize,
}

impl Block<'_> {
    fn each<const WIDTH: usize>(self, out: &mut Vec<f32>, read: impl Fn([u8; WIDTH]) -> f32) {
        let (samples, _) = self.bytes.as_chunks();
        out.extend(samples.iter().skip(self.channel).step_by(self.channels).map(|s| read(*s)));
    }
}

fn of_32_bits(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

fn mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = (byte >> 4) & 7;
    let mantissa = i16::from(byte & 15);
    let magnitude = (((mantissa << 3) + 132) << exponent) - 132;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

fn a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let exponent = (byte >> 4) & 7;
    let mantissa = i16::from(byte & 15) << 4;
    let magnitude = match exponent {
        0 => mantissa + 8,
        exponent => (mantissa + 264) << (exponent - 1),
    };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Reads a WAV file block by block.
pub struct WavReader {
    data: std::io::Take<BufReader<File>>,
    coding: Coding,
    channels: usize,
    rate_hz: u32,
    is_sized: bool,
    bytes: Vec<u8>,
    truncated: bool,
}

struct Format {
    coding: Coding,
    channels: usize,
    rate_hz: u32,
}

impl WavReader {
    /// Opens a file that begins with the magic of WAV.
    ///
    /// # Errors
    /// When its format is missing, damaged or not supported, or there is no data chunk.
    pub fn open(file: File) -> Result<Self, AudioError> {
        let broken = |what: &str| AudioError::Broken(what.to_owned());
        let mut file = BufReader::new(file);
        file.seek(SeekFrom::Start(12))?;
        let mut format = None;
        for _ in 0..MAX_CHUNKS {
            let mut head = [0; 8];
            if read_up_to(&mut file, &mut head)? < head.len() {
                return Err(broken("it has no data chunk"));
            }
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            match &head[..4] {
                b"fmt " => format = Some(read_format(&mut file, size)?),
                b"data" => {
                    let Format { coding, channels, rate_hz } =
                        format.ok_or_else(|| broken("it has no format before its data"))?;
                    let is_sized = size != 0 && size < UNKNOWN_SIZE;
                    let limit = if is_sized { u64::from(size) } else { u64::MAX };
                    let bytes = vec![0; BLOCK_FRAMES * channels * coding.bytes()];
                    let data = file.take(limit);
                    let truncated = false;
                    return Ok(Self {
                        data,
                        coding,
                        channels,
                        rate_hz,
                        is_sized,
                        bytes,
                        truncated,
                    });
                }
                // Chunks begin at even places.
                _ => drop(file.seek(SeekFrom::Current(i64::from(size) + i64::from(size & 1)))?),
            }
        }
        Err(broken("it has too many chunks before its data"))
    }

    /// Samples per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Whether the file ended before its header said it would; known at the end.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Replaces `block` by the next samples, a vector a channel; `false` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_block(&mut self, block: &mut Vec<Vec<f32>>) -> Result<bool, AudioError> {
        let read = read_up_to(&mut self.data, &mut self.bytes)?;
        let (width, channels) = (self.coding.bytes(), self.channels);
        block.resize_with(channels, Vec::new);
        let whole = read - read % (width * channels);
        for (index, channel) in block.iter_mut().enumerate() {
            channel.clear();
            self.coding.read(&self.bytes[..whole], channels, index, channel);
        }
        let any = whole > 0;
        if !any {
            self.truncated = self.is_sized && self.data.limit() > 0;
        }
        Ok(any)
    }
}

fn read_format(file: &mut BufReader<File>, size: u32) -> Result<Format, AudioError> {
    let mut chunk = [0; 40];
    let wanted = chunk.len().min(size as usize);
    if wanted < 16 || read_up_to(file, &mut chunk[..wanted])? < wanted {
        return Err(AudioError::Broken("its format chunk is too short".into()));
    }
    file.seek(SeekFrom::Current(i64::from(size) - wanted as i64 + i64::from(size & 1)))?;
    let number = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
    let tag = match number(0) {
        // The extensible format names the coding in the first bytes of a GUID.
        0xfffe if wanted == 40 => number(24),
        tag => tag,
    };
    let (channels, bits) = (usize::from(number(2)), number(14));
    let rate_hz = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
    if !CHANNELS.contains(&channels) {
        return Err(AudioError::Unsupported(format!("{channels} channels")));
    }
    let coding = Coding::of(tag, bits).ok_or_else(|| {
        AudioError::Unsupported(format!("WAV with format tag {tag} and {bits} bits"))
    })?;
    Ok(Format { coding, channels, rate_hz })
}

/// Fills the buffer as far as the source reaches.
pub(super) fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_is_decoded_as_the_recommendation_s_tables_say() {
        assert_eq!([0xff, 0x7f, 0x80, 0x00].map(mu_law), [0, 0, 32_124, -32_124]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(a_law), [8, -8, 32_256, -32_256]);
    }
}

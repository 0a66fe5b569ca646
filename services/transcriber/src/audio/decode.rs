//! WAV and MP3 to blocks of samples, a vector a channel.

use std::{
    fs::File,
    io::{Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::{MediaSource, MediaSourceStream, ReadOnlySource},
    meta::MetadataOptions,
};

use super::AudioError;

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

    fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
        }
    }
}

/// Rates outside this range are no recordings of speech but damaged headers.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// More channels than this are a damaged header; Twilio makes two at most.
const MAX_CHANNELS: usize = 8;

/// Decodes a file block by block.
pub struct Decoder {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate_hz: u32,
    channels: usize,
    block: Vec<Vec<f32>>,
    truncated: bool,
    damage: Option<String>,
    frames: u64,
}

impl Decoder {
    /// Opens a file; `None` when it is a well-formed one without any samples (Twilio's "empty
    /// recording" is a WAV header of 44 bytes and nothing else).
    ///
    /// # Errors
    /// When it is no audio, or none that is supported.
    pub fn open(path: &Path) -> Result<Option<Self>, AudioError> {
        let mut file = File::open(path)?;
        let mut head = [0; 12];
        let read = read_up_to(&mut file, &mut head)?;
        let container = Container::of(&head[..read]).ok_or(AudioError::NotAudio)?;
        if container == Container::Wav && file.metadata()?.len() <= 44 {
            return Ok(None);
        }
        Self::probe(File::open(path)?, container).map(Some)
    }

    fn probe(file: File, container: Container) -> Result<Self, AudioError> {
        let mut hint = Hint::new();
        hint.with_extension(container.extension());
        let stream = MediaSourceStream::new(source(file, container)?, Default::default());
        let reader = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| AudioError::Broken(error.to_string()))?;
        let track = reader.default_track(TrackType::Audio);
        let track = track.ok_or_else(|| AudioError::Broken("no audio track".into()))?;
        let id = track.id;
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or_else(|| AudioError::Broken("no codec named".into()))?;
        let rate_hz = parameters.sample_rate.unwrap_or(0);
        if !RATES_HZ.contains(&rate_hz) {
            return Err(AudioError::Unsupported(format!("{rate_hz} samples per second")));
        }
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        if channels > MAX_CHANNELS {
            return Err(AudioError::Unsupported(format!("{channels} channels")));
        }
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|error| AudioError::Unsupported(error.to_string()))?;
        Ok(Self {
            reader,
            decoder,
            track: id,
            rate_hz,
            channels,
            block: Vec::new(),
            truncated: false,
            damage: None,
            frames: 0,
        })
    }

    /// Samples per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Samples decoded so far, in each channel.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether the file ended before its header said it would, or parts could not be decoded.
    pub fn is_damaged(&self) -> bool {
        self.truncated || self.damage.is_some()
    }

    /// The next samples, a vector a channel, all of one length, each sample between -1 and 1;
    /// `None` at the end.
    ///
    /// # Errors
    /// When the file changes its rate or its number of channels on the way, or when nothing at all
    /// could be decoded.
    pub fn next_block(&mut self) -> Result<Option<&[Vec<f32>]>, AudioError> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return self.end(),
                Err(Error::IoError(_)) => {
                    self.truncated = true;
                    return self.end();
                }
                Err(error) => {
                    self.damage = Some(error.to_string());
                    return self.end();
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = match self.decoder.decode(&packet) {
                Ok(decoded) => decoded,
                // One damaged packet does not cost the rest of the recording.
                Err(error) => {
                    self.damage = Some(error.to_string());
                    continue;
                }
            };
            if decoded.frames() == 0 {
                continue;
            }
            let (rate_hz, channels) = (decoded.spec().rate(), decoded.num_planes());
            if self.frames == 0 && channels > 0 && channels <= MAX_CHANNELS {
                self.channels = channels;
            }
            if rate_hz != self.rate_hz || channels != self.channels {
                return Err(AudioError::Unsupported("its format changes on the way".into()));
            }
            decoded.copy_to_vecs_planar(&mut self.block);
            self.frames += decoded.frames() as u64;
            for sample in self.block.iter_mut().flatten() {
                *sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
            }
            return Ok(Some(&self.block));
        }
    }

    fn end(&mut self) -> Result<Option<&[Vec<f32>]>, AudioError> {
        match self.damage.take() {
            Some(damage) if self.frames == 0 => Err(AudioError::Broken(damage)),
            damage => {
                self.damage = damage;
                Ok(None)
            }
        }
    }
}

/// How far into a file its format chunk is looked for.
const HEAD_BYTES: usize = 4096;

/// The file as the decoder wants it: µ-law and A-law may stand in a format chunk of 16 bytes, as
/// telephony writes them, but the decoder insists on the 18 of the later standard.
fn source(mut file: File, container: Container) -> std::io::Result<Box<dyn MediaSource>> {
    if container == Container::Wav {
        let mut head = vec![0; HEAD_BYTES];
        let read = read_up_to(&mut file, &mut head)?;
        head.truncate(read);
        if let Some(at) = short_g711_chunk(&head) {
            head.splice(at + 24..at + 24, [0, 0]);
            head[at + 4] = 18;
            return Ok(Box::new(ReadOnlySource::new(Cursor::new(head).chain(file))));
        }
        file.seek(SeekFrom::Start(0))?;
    }
    Ok(Box::new(file))
}

/// Where a format chunk of 16 bytes for µ-law (7) or A-law (6) begins.
fn short_g711_chunk(head: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        let chunk = head.get(at..at + 24)?;
        let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        if &chunk[..4] == b"fmt " {
            return (size == 16 && matches!(chunk[8..10], [6 | 7, 0])).then_some(at);
        }
        let padded = usize::try_from(size).ok()?.checked_add(size as usize & 1)?;
        at = at.checked_add(8)?.checked_add(padded)?;
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

//! MP3 files.

use std::fs::File;

use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use super::{AudioError, decode::bounded};

/// Reads an MP3 file frame by frame.
pub struct Mp3Reader {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate_hz: u32,
    channels: usize,
    damage: Option<String>,
    decoded: bool,
}

impl Mp3Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// When no MPEG audio is found in it.
    pub fn open(file: File) -> Result<Self, AudioError> {
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let reader = symphonia::default::get_probe()
            .probe(
                Hint::new().with_extension("mp3"),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
            .map_err(|error| AudioError::Broken(error.to_string()))?;
        let broken = |what: &str| AudioError::Broken(what.to_owned());
        let track = reader.default_track(TrackType::Audio);
        let track = track.ok_or_else(|| broken("it has no audio"))?;
        let id = track.id;
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or_else(|| broken("it names no codec"))?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|error| AudioError::Unsupported(error.to_string()))?;
        Ok(Self {
            rate_hz: parameters.sample_rate.unwrap_or(0),
            channels: parameters.channels.as_ref().map_or(0, |channels| channels.count()),
            reader,
            decoder,
            track: id,
            damage: None,
            decoded: false,
        })
    }

    /// Samples per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Whether parts could not be decoded.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some()
    }

    /// Replaces `block` by the next samples, a vector a channel; `false` at the end.
    ///
    /// # Errors
    /// When the format changes on the way, or nothing at all could be decoded.
    pub fn next_block(&mut self, block: &mut Vec<Vec<f32>>) -> Result<bool, AudioError> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return self.end(),
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
                // One damaged frame does not cost the rest of the recording.
                Err(error @ (Error::DecodeError(_) | Error::IoError(_))) => {
                    self.damage = Some(error.to_string());
                    continue;
                }
                Err(error) => return Err(AudioError::Broken(error.to_string())),
            };
            if decoded.frames() == 0 {
                continue;
            }
            let (rate_hz, channels) = (decoded.spec().rate(), decoded.num_planes());
            if rate_hz != self.rate_hz || channels != self.channels {
                return Err(AudioError::Unsupported("its format changes on the way".into()));
            }
            decoded.copy_to_vecs_planar(block);
            block.iter_mut().flatten().for_each(|sample| *sample = bounded(*sample));
            self.decoded = true;
            return Ok(true);
        }
    }

    fn end(&self) -> Result<bool, AudioError> {
        match &self.damage {
            Some(damage) if !self.decoded => Err(AudioError::Broken(damage.clone())),
            _ => Ok(false),
        }
    }
}

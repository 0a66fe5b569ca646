//! One pass over a media file.

use std::path::Path;

use domain::RecordingFacts;

use super::{
    AudioError, Channel, Decoder,
    aside::Working,
    channel::ChannelWriter,
    likeness::Likeness,
    speech::{Listener, SpeechDetector, union_ms},
};

/// What reading a recording may cost.
#[derive(Debug, Clone)]
pub struct AudioLimits {
    /// Longest recording, in seconds.
    pub max_seconds: u64,
    /// What finds speech.
    pub speech: SpeechDetector,
}

/// A recording that has been read.
#[derive(Debug)]
pub struct Recording {
    /// The channels that differ: two for a dual-channel recording, one where both hold the same.
    pub channels: Vec<Channel>,
    /// What there is to say of the media.
    pub facts: RecordingFacts,
    /// Whether the media's two channels held the same sound.
    pub identical_channels: bool,
    /// Whether the file was cut off or damaged in part.
    pub damaged: bool,
    /// Whether nobody speaks in it.
    pub silent: bool,
}

impl Recording {
    /// How long somebody speaks in any of the channels, in milliseconds.
    pub fn speech_ms(&self) -> u64 {
        union_ms(self.channels.iter().map(Channel::stretches))
    }
}

/// Decodes, resamples, and looks for speech.
///
/// `folder` takes the temporary files, 115 MB for an hour of one channel, gone with the value.
/// Blocks: call it where blocking is allowed.
///
/// # Errors
/// When the file is no audio, not supported, damaged so that nothing can be read, or too long.
pub fn read(media: &Path, folder: &Path, limits: AudioLimits) -> Result<Recording, AudioError> {
    let Some(mut decoder) = Decoder::open(media)? else { return Ok(empty()) };
    let rate_hz = decoder.rate_hz();
    let most_frames = limits.max_seconds.saturating_mul(rate_hz.into());
    let mut writers = Vec::new();
    let mut likeness = Likeness::default();
    while let Some(block) = decoder.next_block()? {
        if writers.is_empty() {
            writers = for_channels(block.len(), rate_hz, folder, &limits.speech)?;
        }
        for (writer, samples) in writers.iter_mut().zip(block) {
            writer.push(samples)?;
        }
        if let [first, second] = block {
            likeness.push(first, second);
        }
        if decoder.frames() > most_frames {
            return Err(AudioError::TooLong { limit_seconds: limits.max_seconds });
        }
    }
    if decoder.frames() == 0 {
        return Ok(empty());
    }
    let channels = writers.into_iter().map(Working::finish).collect::<Result<Vec<_>, _>>()?;
    Ok(assembled(channels, &decoder, likeness, limits.speech.settings().min_speech_ms))
}

/// As many threads as channels, this one among them; one channel alone is written here and heard
/// aside. With one more, the threads would be moved between two processors and wait for each other.
fn for_channels(
    channels: usize,
    rate_hz: u32,
    folder: &Path,
    speech: &SpeechDetector,
) -> Result<Vec<Working<f32, ChannelWriter>>, AudioError> {
    let helpers = speech.helpers();
    let heard = || Listener::new(speech);
    let whole = || ChannelWriter::new(rate_hz, folder, Working::here(heard()));
    if channels == 1 {
        let listening = Working::aside(helpers, || Ok(heard()))?;
        return Ok(vec![Working::here(ChannelWriter::new(rate_hz, folder, listening)?)]);
    }
    let aside = (1..channels).map(|_| Working::aside(helpers, whole));
    aside.chain([whole().map(Working::here)]).collect()
}

fn assembled(
    mut channels: Vec<Channel>,
    decoder: &Decoder,
    likeness: Likeness,
    min_speech_ms: u64,
) -> Recording {
    let speech_ms = union_ms(channels.iter().map(Channel::stretches));
    let duration_ms = decoder.frames() * 1000 / u64::from(decoder.rate_hz());
    let facts = RecordingFacts {
        channels: u16::try_from(channels.len()).unwrap_or(u16::MAX),
        sample_rate_hz: decoder.rate_hz(),
        duration_ms,
        speech_ratio: Some((speech_ms as f32 / duration_ms.max(1) as f32).min(1.0)),
        started_at_ms: None,
    };
    let identical_channels = channels.len() == 2 && likeness.is_same();
    if identical_channels {
        channels.swap_remove(usize::from(!likeness.second_is_louder()));
    }
    let silent = speech_ms < min_speech_ms;
    Recording { channels, facts, identical_channels, damaged: decoder.is_damaged(), silent }
}

fn empty() -> Recording {
    Recording {
        channels: Vec::new(),
        facts: RecordingFacts::default(),
        identical_channels: false,
        damaged: false,
        silent: true,
    }
}

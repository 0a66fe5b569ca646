//! The engines in their order, and one recording's way through them.

use std::sync::Arc;

use domain::{Segment, Speaker, Transcript};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    audio::{Channel, Recording, Stretch, cut},
    engines::{Engine, EngineError, Heard, Piece},
    price,
    setback::Setback,
};

/// Pieces of one recording at an engine at once.
const PIECES_AT_ONCE: usize = 2;

/// The engines, the first one first, the others when it fails.
#[derive(Clone)]
pub struct Chain {
    engines: Arc<[Arc<dyn Engine>]>,
}

/// What the chain made of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// What was said.
    pub transcript: Transcript,
    /// What it cost, in micro-dollars; `None` where no price is known.
    pub cost_microusd: Option<u64>,
}

impl Chain {
    /// A chain of at least one engine.
    pub fn new(engines: Vec<Arc<dyn Engine>>) -> Self {
        Self { engines: engines.into() }
    }

    /// The engines' names, in order.
    pub fn names(&self) -> Vec<String> {
        self.engines.iter().map(|engine| engine.identity().name).collect()
    }

    /// Transcribes a recording with the first engine that can.
    ///
    /// # Errors
    /// The first engine's setback, when none can: it is the one that was wanted.
    pub async fn transcribe(
        &self,
        recording: &Arc<Recording>,
        speakers: &[Speaker],
        language: Option<&str>,
    ) -> Result<Transcription, Setback> {
        let mut first_setback = None;
        for engine in self.engines.iter() {
            match through(engine.as_ref(), recording, speakers, language).await {
                Ok(transcription) => return Ok(transcription),
                Err(error) => {
                    let name = engine.identity().name;
                    tracing::debug!(engine = %name, %error, "an engine of the chain failed");
                    first_setback.get_or_insert_with(|| Setback::from_engine(&name, &error));
                }
            }
        }
        Err(first_setback.unwrap_or_else(|| {
            Setback::new(crate::setback::Treatment::Retry, "no_engine", "no engine is configured")
        }))
    }
}

/// Every piece of every channel through one engine.
async fn through(
    engine: &dyn Engine,
    recording: &Arc<Recording>,
    speakers: &[Speaker],
    language: Option<&str>,
) -> Result<Transcription, EngineError> {
    let rule = engine.cut_rule();
    let work: Vec<(usize, Stretch)> = recording
        .channels
        .iter()
        .enumerate()
        .flat_map(|(index, channel)| cut(channel, rule).into_iter().map(move |at| (index, at)))
        .collect();
    let audio_ms = work.iter().map(|(_, at)| at.length_ms()).sum();
    let heard: Vec<(usize, Stretch, Heard)> = stream::iter(work)
        .map(|(index, at)| async move {
            let piece = read(recording.clone(), index, at).await?;
            let heard = asked(engine, &piece, language).await?;
            Ok::<_, EngineError>((index, at, heard))
        })
        .buffered(PIECES_AT_ONCE)
        .try_collect()
        .await?;
    let transcript = Transcript {
        language: language.map(str::to_owned).or_else(|| spoken(&heard)),
        segments: merged(&heard, &recording.channels, speakers),
        engine: engine.identity(),
    };
    let per_minute = engine.microusd_per_minute();
    let cost_microusd = per_minute.map(|price| price::cost_microusd(price, audio_ms));
    Ok(Transcription { transcript, cost_microusd })
}

async fn asked(
    engine: &dyn Engine,
    piece: &Piece,
    language: Option<&str>,
) -> Result<Heard, EngineError> {
    let heard = engine.transcribe(piece, language).await;
    let outcome = heard.as_ref().map_or_else(EngineError::code, |_| "ok");
    let name = engine.identity().name;
    metrics::counter!(
        "transcriber_engine_requests_total", "engine" => name, "outcome" => outcome
    )
    .increment(1);
    heard
}

async fn read(recording: Arc<Recording>, index: usize, at: Stretch) -> Result<Piece, EngineError> {
    let failed = |what: String| EngineError::Program(format!("temporary audio file: {what}"));
    tokio::task::spawn_blocking(move || recording.channels[index].read(at))
        .await
        .map_err(|error| failed(error.to_string()))?
        .map(|samples| Piece { at, samples })
        .map_err(|error| failed(error.to_string()))
}

/// The language of most of the text.
fn spoken(heard: &[(usize, Stretch, Heard)]) -> Option<String> {
    let mut weights = std::collections::BTreeMap::<&str, usize>::new();
    for (_, _, heard) in heard {
        if let Some(language) = &heard.language {
            let chars: usize = heard.segments.iter().map(|s| s.text.chars().count()).sum();
            *weights.entry(language).or_default() += chars;
        }
    }
    weights.into_iter().max_by_key(|(_, chars)| *chars).map(|(language, _)| language.to_owned())
}

/// The segments of all channels in the order of their start.
fn merged(
    heard: &[(usize, Stretch, Heard)],
    channels: &[Channel],
    speakers: &[Speaker],
) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (index, at, heard) in heard {
        let length_ms = channels.get(*index).map_or(at.end_ms, Channel::length_ms);
        let speaker = speakers.get(*index).copied().unwrap_or(Speaker::Unknown);
        for part in &heard.segments {
            segments.push(Segment {
                speaker,
                start_ms: (at.start_ms + part.start_ms).min(length_ms),
                end_ms: (at.start_ms + part.end_ms).min(length_ms),
                text: part.text.clone(),
                confidence: part.confidence,
            });
        }
    }
    segments.sort_by_key(|segment| (segment.start_ms, segment.end_ms));
    segments
}

//! All pieces of a recording through one engine.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{Segment, Speaker, Transcript};
use futures_util::{StreamExt, stream};

use super::{
    Shared, Task, Transcription,
    link::{Link, LinkError},
};
use crate::{
    audio::{Channel, Recording, Stretch, cut},
    engines::{EngineError, Heard, Piece},
    plausibility::{self, Doubt, Spoken},
    price,
};

/// Pieces of one recording at an engine at once.
const PIECES_AT_ONCE: usize = 2;

/// What was heard in one piece of one channel.
struct Answer {
    channel: usize,
    at: Stretch,
    heard: Heard,
}

/// Every piece of every channel through one engine, judged and merged. Pieces that it transcribed in
/// an earlier attempt are taken from the ledger.
///
/// # Errors
/// The first failure of a piece.
pub async fn through(
    link: &Link,
    task: &Task,
    shared: &Shared,
) -> Result<Transcription, LinkError> {
    let rule = link.engine.cut_rule();
    let Task { recording, speakers, language, .. } = task;
    let work: Vec<(usize, Stretch)> = recording
        .channels
        .iter()
        .enumerate()
        .flat_map(|(index, channel)| cut(channel, rule).into_iter().map(move |at| (index, at)))
        .collect();
    let audio_ms = work.iter().map(|(_, at)| at.length_ms()).sum();
    let kept = shared.ledger.heard(&task.work).await;
    let is_kept =
        |(channel, at): &(usize, Stretch)| kept.contains_key(&name_of(link, task, *channel, *at));
    if !work.iter().all(is_kept) {
        link.look(&task.account, shared).await?;
    }
    // When a piece fails, none is begun any more, and those under way are paid for: they end.
    let failed = AtomicBool::new(false);
    let answers: Vec<Option<Result<Answer, LinkError>>> = stream::iter(work)
        .map(|(channel, at)| {
            let (kept, failed) = (&kept, &failed);
            async move {
                if failed.load(Ordering::Relaxed) {
                    return None;
                }
                let answer = piece(link, task, shared, kept, (channel, at)).await;
                failed.fetch_or(answer.is_err(), Ordering::Relaxed);
                Some(answer)
            }
        })
        .buffered(PIECES_AT_ONCE)
        .collect()
        .await;
    let answers = answers.into_iter().flatten().collect::<Result<Vec<Answer>, _>>()?;
    let language = language.as_deref();
    let spoken_in = Spoken { language, allowed: &shared.languages };
    let (segments, doubts) = judged(&answers, &recording.channels, speakers, spoken_in);
    let per_minute = link.engine.microusd_per_minute();
    Ok(Transcription {
        transcript: Transcript {
            language: language.map(str::to_owned).or_else(|| spoken(&answers)),
            segments,
            engine: link.engine.identity(),
        },
        cost_microusd: per_minute.map(|price| price::cost_microusd(price, audio_ms)),
        flags: doubts.into_iter().map(|doubt| doubt.as_str().to_owned()).collect(),
    })
}

/// One piece: from the ledger, or from the engine into the ledger.
async fn piece(
    link: &Link,
    task: &Task,
    shared: &Shared,
    kept: &HashMap<String, Heard>,
    (channel, at): (usize, Stretch),
) -> Result<Answer, LinkError> {
    let name = name_of(link, task, channel, at);
    if let Some(heard) = kept.get(&name) {
        return Ok(Answer { channel, at, heard: heard.clone() });
    }
    let read = read(task.recording.clone(), channel, at).await.map_err(LinkError::Failed)?;
    let piece = Piece { languages: shared.languages.clone(), ..read };
    let heard = link.ask(&piece, task, shared).await?;
    shared.ledger.keep(&task.work, &name, &heard).await;
    Ok(Answer { channel, at, heard })
}

/// What makes a piece the same piece to the same engine.
fn name_of(link: &Link, task: &Task, channel: usize, at: Stretch) -> String {
    let model = link.engine.identity().model.unwrap_or_default();
    let language = task.language.as_deref().unwrap_or("any");
    format!("{}/{model}/{language}/{channel}/{}-{}", link.name, at.start_ms, at.end_ms)
}

async fn read(recording: Arc<Recording>, index: usize, at: Stretch) -> Result<Piece, EngineError> {
    let failed = |what: String| EngineError::Program(format!("temporary audio file: {what}"));
    tokio::task::spawn_blocking(move || {
        let channel = &recording.channels[index];
        let is_mixed = recording.channels.len() == 1;
        let speech = channel.stretches().iter().filter_map(|speech| speech.within(at)).collect();
        channel.read(at).map(|samples| Piece { speech, is_mixed, ..Piece::new(at, samples) })
    })
    .await
    .map_err(|error| failed(error.to_string()))?
    .map_err(|error| failed(error.to_string()))
}

/// The language of most of the text.
fn spoken(answers: &[Answer]) -> Option<String> {
    let mut weights = BTreeMap::<&str, usize>::new();
    for Answer { heard, .. } in answers {
        if let Some(language) = &heard.language {
            let chars: usize = heard.segments.iter().map(|s| s.text.chars().count()).sum();
            *weights.entry(language).or_default() += chars;
        }
    }
    weights.into_iter().max_by_key(|(_, chars)| *chars).map(|(language, _)| language.to_owned())
}

/// The believable segments of all channels in the order of their start, and the doubts about them.
fn judged(
    answers: &[Answer],
    channels: &[Channel],
    speakers: &[Speaker],
    spoken_in: Spoken<'_>,
) -> (Vec<Segment>, Vec<Doubt>) {
    let mut doubts = Vec::new();
    let mut all = Vec::new();
    for (index, channel) in channels.iter().enumerate() {
        let speaker = speakers.get(index).copied().unwrap_or(Speaker::Unknown);
        let own = answers.iter().filter(|answer| answer.channel == index);
        // Nobody can say that the first voice of one piece is the first of another.
        let is_one_piece = channels.len() == 1 && own.clone().count() == 1;
        let heard: Vec<_> =
            own.clone().flat_map(|answer| placed(answer, channel.length_ms())).collect();
        doubts.extend(own.filter_map(|answer| spoken_in.doubt(&answer.heard)));
        let judged = plausibility::judge(heard, channel.stretches(), spoken_in);
        doubts.extend(judged.doubts);
        all.extend(judged.kept.into_iter().map(|heard| Segment {
            speaker: heard.voice.filter(|_| is_one_piece).map_or(speaker, Speaker::voice),
            start_ms: heard.start_ms,
            end_ms: heard.end_ms,
            text: heard.text,
            confidence: heard.confidence,
        }));
    }
    all.sort_by_key(|segment| (segment.start_ms, segment.end_ms));
    doubts.sort_unstable();
    doubts.dedup();
    (all, doubts)
}

/// The segments of an answer with their times in the recording.
fn placed(
    answer: &Answer,
    length_ms: u64,
) -> impl Iterator<Item = crate::engines::HeardSegment> + use<'_> {
    let offset = answer.at.start_ms;
    answer.heard.segments.iter().cloned().map(move |mut segment| {
        segment.start_ms = (offset + segment.start_ms).min(length_ms);
        segment.end_ms = (offset + segment.end_ms).min(length_ms);
        segment
    })
}

//! All pieces of a recording through one engine.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{Segment, Speaker, Transcript};
use futures_util::{StreamExt, stream};
use tracing::debug;

use super::{
    Shared, Task, Transcription,
    link::{Link, LinkError},
};
use crate::{
    audio::{Channel, CutRule, Recording, Stretch, cut},
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

/// Why a recording did not get through an engine, and what that cost.
#[derive(Debug)]
pub struct Failed {
    /// The first failure of a piece.
    pub error: LinkError,
    /// The price of the pieces that were transcribed, in micro-dollars; `None` where it is not known.
    pub cost_microusd: Option<u64>,
}

/// A piece of a channel.
type Part = (usize, Stretch);

/// Smaller pieces than this are not made for an engine that finds them too large.
const SMALLEST_MS: u64 = 5_000;

/// Every piece of every channel through one engine, judged and merged. Pieces that it transcribed in
/// an earlier attempt are taken from the ledger. An engine that finds a piece too large, as one behind
/// a proxy with a limit of its own does, gets smaller ones.
///
/// # Errors
/// The first failure of a piece.
pub async fn through(link: &Link, task: &Task, shared: &Shared) -> Result<Transcription, Failed> {
    let mut rule = link.engine.cut_rule();
    let mut kept = shared.ledger.heard(&task.work).await;
    let mut paid = HashMap::new();
    let cost = |paid: &HashMap<String, u64>| {
        let per_minute = link.engine.microusd_per_minute();
        per_minute.map(|price| price::cost_microusd(price, paid.values().sum()))
    };
    loop {
        let parts = parts(&task.recording, rule);
        let longest_ms = parts.iter().map(|(_, at)| at.length_ms()).max().unwrap_or(0);
        match all(link, task, shared, parts, &mut kept, &mut paid).await {
            Ok(answers) => return Ok(merged(link, task, shared, &answers, cost(&paid))),
            Err(LinkError::Failed(EngineError::TooLarge)) if longest_ms / 2 >= SMALLEST_MS => {
                rule.longest_ms = longest_ms / 2;
                debug!(engine = %link.name, longest_ms = rule.longest_ms, "smaller pieces");
            }
            Err(error) => return Err(Failed { error, cost_microusd: cost(&paid) }),
        }
    }
}

fn parts(recording: &Recording, rule: CutRule) -> Vec<Part> {
    let channels = recording.channels.iter().enumerate();
    channels
        .flat_map(|(index, channel)| cut(channel, rule).into_iter().map(move |at| (index, at)))
        .collect()
}

/// All pieces through the engine; what is transcribed is put to what is `kept`, and its length to
/// what is `paid`.
async fn all(
    link: &Link,
    task: &Task,
    shared: &Shared,
    parts: Vec<Part>,
    kept: &mut HashMap<String, Heard>,
    paid: &mut HashMap<String, u64>,
) -> Result<Vec<Answer>, LinkError> {
    let mut is_all_kept = true;
    for part in &parts {
        let name = name_of(link, task, *part);
        if kept.contains_key(&name) {
            paid.insert(name, part.1.length_ms());
        } else {
            is_all_kept = false;
        }
    }
    if !is_all_kept {
        link.look(&task.account, shared).await?;
    }
    // When a piece fails, none is begun any more, and those under way are paid for: they end.
    let failed = AtomicBool::new(false);
    let answers: Vec<Option<Result<Answer, LinkError>>> = stream::iter(parts)
        .map(|part| {
            let (kept, failed) = (&*kept, &failed);
            async move {
                if failed.load(Ordering::Relaxed) {
                    return None;
                }
                let answer = piece(link, task, shared, kept, part).await;
                failed.fetch_or(answer.is_err(), Ordering::Relaxed);
                Some(answer)
            }
        })
        .buffered(PIECES_AT_ONCE)
        .collect()
        .await;
    for Answer { channel, at, heard } in answers.iter().flatten().flatten() {
        let name = name_of(link, task, (*channel, *at));
        paid.insert(name.clone(), at.length_ms());
        kept.entry(name).or_insert_with(|| heard.clone());
    }
    answers.into_iter().flatten().collect()
}

/// What was heard in all pieces, judged and in order.
fn merged(
    link: &Link,
    task: &Task,
    shared: &Shared,
    answers: &[Answer],
    cost_microusd: Option<u64>,
) -> Transcription {
    let Task { recording, speakers, language, .. } = task;
    let language = language.as_deref();
    let spoken_in = Spoken { language, allowed: &shared.languages };
    let (segments, doubts) = judged(answers, &recording.channels, speakers, spoken_in);
    Transcription {
        transcript: Transcript {
            language: language.map(str::to_owned).or_else(|| spoken(answers)),
            segments,
            engine: identity(link, answers),
        },
        cost_microusd,
        flags: doubts.into_iter().map(|doubt| doubt.as_str().to_owned()).collect(),
    }
}

/// The engine with the models that heard the pieces, each named once.
fn identity(link: &Link, answers: &[Answer]) -> domain::Engine {
    let identity = link.engine.identity();
    let own = identity.model.as_deref();
    let models: BTreeSet<&str> =
        answers.iter().filter_map(|answer| answer.heard.model.as_deref().or(own)).collect();
    if models.is_empty() {
        return identity;
    }
    let models: Vec<_> = models.into_iter().collect();
    domain::Engine { model: Some(models.join(", ")), ..identity }
}

/// One piece: from the ledger, or from the engine into the ledger.
async fn piece(
    link: &Link,
    task: &Task,
    shared: &Shared,
    kept: &HashMap<String, Heard>,
    part: Part,
) -> Result<Answer, LinkError> {
    let (name, (channel, at)) = (name_of(link, task, part), part);
    if let Some(heard) = kept.get(&name) {
        return Ok(Answer { channel, at, heard: heard.clone() });
    }
    let read = async {
        let read = read(task.recording.clone(), channel, at).await?;
        Ok(Piece { languages: shared.languages.clone(), ..read })
    };
    let heard = link.ask(read, task, shared).await?;
    shared.ledger.keep(&task.work, &name, &heard).await;
    Ok(Answer { channel, at, heard })
}

/// What makes a piece the same piece to the same engine.
fn name_of(link: &Link, task: &Task, (channel, at): Part) -> String {
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

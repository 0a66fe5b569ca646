//! One recording's way from its identifier to its fields, top to bottom.

mod attempt;

use std::{
    future::Future,
    ops::ControlFlow::{self, Break, Continue},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use domain::{
    CallMetadata, EventKind, Extraction, RecordingFacts, Redactor, StageTimings, Transcribed,
};
use queue::Lane;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};
use twilio::{Client, RecordingStatus, TwilioError};

pub use self::attempt::{Attempt, Attempted};
use crate::{
    audio::{self, AudioError, AudioLimits, Recording, SpeechDetector},
    chain::{self, Chain, Task, Transcription},
    extract::{Extracted, Extractor, llm::LlmError},
    fetch::{FetchError, FetchLimits, Fetched, Forms, Listed, fetch},
    setback::{Setback, Treatment},
    settings::TranscriberSettings,
    speakers::{FirstChannel, speakers},
    whole,
};

/// What the stages need.
pub struct Pipeline {
    twilio: Client,
    chain: Chain,
    extractor: Extractor,
    redactor: Redactor,
    limits: FetchLimits,
    audio: AudioLimits,
    folder: PathBuf,
    language: Option<String>,
    first_channel: FirstChannel,
    waits_for_place: Duration,
    slots: Semaphore,
    slots_for_bulk: Semaphore,
    stop: CancellationToken,
}

/// Looks after the time is over, before it is believed that there is nothing: what waited behind a
/// backlog or an outage has not been looked at once by then.
const LAST_LOOKS: u32 = 3;

/// The channels of a recording are asked for so often; then all of them in one are taken.
const LOOKS_FOR_CHANNELS: u32 = 3;

/// How long a call that was ready for an engine waits for another worker when its own stops.
const HANDED_ON: Duration = Duration::from_secs(1);

/// Where no engine heard a word, less speech than this was a cough or a breath.
const LEAST_SPEECH_MS: u64 = 1_000;

/// A place at the engines, until it is dropped.
struct Slot<'p> {
    _bulk: Option<SemaphorePermit<'p>>,
    _slot: SemaphorePermit<'p>,
}

impl Pipeline {
    /// The pipeline of a process, which begins no more work at the engines once it stops.
    pub fn new(
        settings: &TranscriberSettings,
        twilio: Client,
        speech: SpeechDetector,
        chain: Chain,
        extractor: Extractor,
        redactor: Redactor,
        stop: CancellationToken,
    ) -> Self {
        Self {
            twilio,
            chain,
            extractor,
            redactor,
            limits: FetchLimits {
                max_bytes: settings.max_media_bytes,
                timeout: Duration::from_secs(settings.media_timeout_seconds),
            },
            audio: AudioLimits { max_seconds: settings.max_seconds, speech },
            folder: settings.folder(),
            language: settings.only_language(),
            first_channel: settings.first_channel,
            // The other half is for the pieces that are at the engine by then.
            waits_for_place: Duration::from_secs(settings.job_timeout_seconds / 2),
            slots: Semaphore::new(settings.slots),
            slots_for_bulk: Semaphore::new(settings.slots - queue::kept_for_live(settings.slots)),
            stop,
        }
    }

    /// Whether there is any use in taking a recording all the way now: whether an engine may be
    /// asked, or all of it was heard in an attempt that came to no end.
    ///
    /// # Errors
    /// What keeps all engines.
    pub async fn look(&self, attempt: &Attempt<'_>) -> Result<(), Setback> {
        let looked = self.chain.look(attempt.account.as_str(), self.language.as_deref()).await;
        match looked {
            Err(_) if self.chain.ledger().is_complete(&attempt.work()).await => Ok(()),
            looked => looked,
        }
    }

    /// Takes a recording all the way.
    pub async fn run(&self, attempt: &Attempt<'_>) -> Attempted {
        let (call, listed) = tokio::join!(
            self.twilio.call(attempt.account, attempt.call),
            self.twilio.recording(attempt.account, attempt.recording),
        );
        let observed = match call {
            Ok(details) => Some(CallMetadata::from(details)),
            // A call that Twilio does not list any more still has its recording.
            Err(TwilioError::NotFound { .. }) => None,
            Err(error) => {
                let outcome = Err(attempt.set_back(&error));
                return Attempted { observed: None, outcome };
            }
        };
        let direction = observed.as_ref().and_then(|call| call.direction.as_deref());
        let outcome = match self.listed(attempt, listed).await {
            Continue(listed) => self.transcribed(attempt, listed, direction).await,
            Break(ended) => ended,
        };
        if outcome.is_ok() {
            self.chain.release(&attempt.work()).await;
        }
        Attempted { observed, outcome }
    }

    /// What Twilio's list says, or how the attempt ends there.
    async fn listed(
        &self,
        attempt: &Attempt<'_>,
        answer: Result<twilio::Recording, TwilioError>,
    ) -> ControlFlow<Result<EventKind, Setback>, twilio::Recording> {
        let gone = |code: &str| Break(Ok(EventKind::NoRecording { code: code.into() }));
        let patience = attempt.patience;
        let recording = match answer {
            Ok(recording) => recording,
            Err(TwilioError::NotFound { .. }) => {
                let message = "Twilio does not list the recording";
                let wait = patience.next_wait();
                return Break(self.waits_or_ends(attempt, wait, "deleted", message).await);
            }
            Err(error) => return Break(Err(attempt.set_back(&error))),
        };
        match &recording.status {
            RecordingStatus::Deleted => return gone("deleted"),
            RecordingStatus::Absent => return gone("absent"),
            RecordingStatus::Failed => return gone("failed"),
            status if status.is_pending() => {
                let message = format!("Twilio says the recording is {}", status.as_str());
                let wait = patience.while_under_way();
                return Break(self.waits_or_ends(attempt, wait, "not_ready", &message).await);
            }
            _ => {}
        }
        if recording.encrypted {
            let message = "the recording is encrypted with a key of the account's owner";
            return Break(Err(Setback::new(Treatment::GiveUp, "encrypted", message)));
        }
        Continue(recording)
    }

    /// Waits for what is not there, or, when the time for that is over and some last looks have not
    /// found it either, ends with "no recording" and this code.
    async fn waits_or_ends(
        &self,
        attempt: &Attempt<'_>,
        wait: Option<Duration>,
        code: &str,
        message: &str,
    ) -> Result<EventKind, Setback> {
        match self.wait(attempt, wait, "not_ready").await {
            Some(wait) => Err(Setback::new(Treatment::Wait(wait), "not_ready", message)),
            None => Ok(EventKind::NoRecording { code: code.into() }),
        }
    }

    /// The wait, or that for one of the last looks; `None` once those are over too.
    async fn wait(
        &self,
        attempt: &Attempt<'_>,
        wait: Option<Duration>,
        reason: &str,
    ) -> Option<Duration> {
        if wait.is_some() {
            return wait;
        }
        let is_over = self.looks(attempt, reason).await >= Some(LAST_LOOKS);
        (!is_over).then(|| attempt.patience.last_wait())
    }

    /// How often the work was looked at in vain for this reason, this time included. Attempts do not
    /// tell: they are counted for an engine or a Twilio that was away, too.
    async fn looks(&self, attempt: &Attempt<'_>, reason: &str) -> Option<u32> {
        self.chain.ledger().look(&attempt.work(), reason).await
    }

    async fn transcribed(
        &self,
        attempt: &Attempt<'_>,
        listed: twilio::Recording,
        direction: Option<&str>,
    ) -> Result<EventKind, Setback> {
        let mut timings = StageTimings { queued_ms: attempt.queued_ms, ..Default::default() };
        let (started_at_ms, told_seconds) = (listed.start_time_ms, listed.duration_seconds);
        let listed = Listed { channels: listed.channels, outside: listed.external_media };
        let fetched = stage("fetch", &mut timings.fetch_ms, self.fetched(attempt, &listed)).await;
        let media = match fetched {
            Ok(media) => media,
            Err(FetchError::NotThere) => {
                let (wait, message) = (attempt.patience.next_wait(), "the media is not there yet");
                let waiting = self.waits_or_ends(attempt, wait, "not_ready", message).await;
                // What the account itself has lost, somebody should look for.
                return if listed.outside.is_some() {
                    waiting.and(Err(lost_outside()))
                } else {
                    waiting
                };
            }
            Err(error) => {
                return Err(Setback::from_fetch(&error, attempt.account, attempt.patience));
            }
        };
        if media.is_cut_off
            && let Some(wait) = self.wait(attempt, attempt.patience.next_wait(), "cut_off").await
        {
            return Err(whole::cut_off(Treatment::Wait(wait)));
        }
        let (is_mixed, is_cut_off) = (media.is_mixed, media.is_cut_off);
        let recording = stage("audio", &mut timings.audio_ms, self.read(media)).await?;
        let facts = RecordingFacts { started_at_ms, ..recording.facts.clone() };
        let is_whole = !is_cut_off && whole::is_whole(&recording, told_seconds);
        let no_speech = |timings, cost_microusd| match is_whole {
            true => Ok(EventKind::NoSpeech { recording: facts.clone(), timings, cost_microusd }),
            // Somebody may speak in what did not come.
            false => Err(whole::cut_off(Treatment::Retry)),
        };
        if recording.silent {
            return no_speech(timings, None);
        }
        let waits_until = attempt.began + self.waits_for_place;
        let mut waited_ms = 0;
        let slot = stage("slot", &mut waited_ms, self.slot(attempt.lane, waits_until)).await?;
        timings.queued_ms += waited_ms;
        let task = Task {
            speakers: speakers(self.first_channel, direction, recording.channels.len()),
            recording: recording.clone(),
            language: self.language.clone(),
            work: attempt.work(),
            account: attempt.account.to_string(),
            waits_until,
        };
        let work = self.chain.transcribe(&task);
        let Transcription { mut transcript, cost_microusd, mut flags } =
            stage("transcribe", &mut timings.transcribe_ms, work).await?;
        drop(slot);
        self.chain.ledger().complete(&task.work).await;
        if transcript.spoken_chars() == 0 && recording.speech_ms() < LEAST_SPEECH_MS {
            return no_speech(timings, cost_microusd);
        }
        info!(call_sid = %attempt.call, recording_sid = %attempt.recording,
            engine = %transcript.engine.name, chars = transcript.spoken_chars(), "transcript obtained");
        // Before anything looks at the words or passes them on.
        self.redactor.transcript(&mut transcript);
        let work = self.extractor.extract(&transcript);
        let Extracted { extraction, without_model } =
            stage("extract", &mut timings.extract_ms, work).await;
        log_fields(attempt, &extraction, without_model.as_ref());
        if recording.damaged {
            flags.push("damaged_media".into());
        }
        if is_mixed {
            flags.push("channels_mixed".into());
        }
        Ok(EventKind::Transcribed(Box::new(Transcribed {
            transcript,
            extraction,
            recording: facts,
            timings,
            cost_microusd,
            flags,
        })))
    }

    /// Waits until a slot is free. What waits when the process stops goes back into the queue.
    async fn slot(&self, lane: Lane, until: Instant) -> Result<Slot<'_>, Setback> {
        let slot = async {
            let bulk = match lane {
                Lane::Live => None,
                Lane::Bulk => Some(self.slots_for_bulk.acquire().await.ok()?),
            };
            Some(Slot { _bulk: bulk, _slot: self.slots.acquire().await.ok()? })
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                let message = "the worker stops; another one takes the call";
                Err(Setback::new(Treatment::Wait(HANDED_ON), "worker_stopping", message))
            }
            slot = timeout_at(until, slot) => {
                slot.ok().flatten().ok_or_else(|| chain::busy("every slot"))
            }
        }
    }

    async fn fetched(&self, attempt: &Attempt<'_>, listed: &Listed) -> Result<Fetched, FetchError> {
        let Attempt { account, recording, .. } = attempt;
        let fetch = |forms| {
            fetch(&self.twilio, account, recording, listed, forms, &self.folder, self.limits)
        };
        match fetch(Forms::Apart).await {
            Err(FetchError::NotApart(_))
                if self.looks(attempt, "mixed").await > Some(LOOKS_FOR_CHANNELS) =>
            {
                fetch(Forms::Any).await
            }
            fetched => fetched,
        }
    }

    async fn read(&self, media: Fetched) -> Result<Arc<Recording>, Setback> {
        let (folder, limits) = (self.folder.clone(), self.audio.clone());
        let reading =
            tokio::task::spawn_blocking(move || audio::read(&media.file, &folder, limits));
        // A decoder that panics on a hostile file costs this recording, not the process.
        let read = reading.await.unwrap_or_else(|_| {
            Err(AudioError::Broken("the decoder could not cope with it".into()))
        });
        Ok(Arc::new(read?))
    }
}

/// Runs a stage in a span of its own and keeps its time.
async fn stage<T>(name: &'static str, took_ms: &mut u64, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let done = work.instrument(info_span!("stage", otel.name = name, stage = name)).await;
    let took = start.elapsed();
    *took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    metrics::histogram!("transcriber_stage_seconds", "stage" => name).record(took.as_secs_f64());
    done
}

fn lost_outside() -> Setback {
    let message = "the account keeps its recordings outside Twilio, and this one is not there";
    Setback::new(Treatment::GiveUp, "external_media", message)
}

fn log_fields(attempt: &Attempt<'_>, extraction: &Extraction, without_model: Option<&LlmError>) {
    match without_model {
        // Said once, when it began.
        None | Some(LlmError::LeftAlone { .. }) => {}
        Some(error) => {
            warn!(call_sid = %attempt.call, recording_sid = %attempt.recording, %error,
                "no fields from the language model; the rules' result stands");
        }
    }
    let id = |field: &Option<domain::Field>| {
        field.as_ref().map_or_else(|| "none".to_owned(), |field| field.id.clone())
    };
    info!(call_sid = %attempt.call, recording_sid = %attempt.recording,
        service = id(&extraction.service), city = id(&extraction.city),
        confidence = extraction.confidence().unwrap_or(0.0), "extracted");
}

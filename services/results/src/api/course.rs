//! The course of a call: every step with its time, and the attempts they make up.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    projection::{Order, Step, Steps, time},
    store::{
        calls::CallDetail,
        entities::{deliveries, outbox},
    },
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub event: Happened,
    /// The recording it is about; null is the call as a whole.
    pub recording_sid: Option<String>,
    /// Which try; null where it is no part of one.
    pub attempt: Option<Try>,
    /// Who asked for it, what went wrong, or the type of the event that was posted.
    pub code: Option<String>,
    /// What went wrong, in a sentence.
    pub message: Option<String>,
    /// The endpoint an event was posted to.
    pub endpoint: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// Twilio told us about the call.
    Observed,
    /// Work was enqueued.
    Queued,
    /// A transcriber took it in hand.
    Started,
    /// An attempt failed, another follows.
    Failed,
    /// An attempt failed, and it was the last one.
    GivenUp,
    /// There is no recording, or it is gone.
    NoRecording,
    /// The recording holds no speech.
    NoSpeech,
    /// A transcript was obtained.
    Transcribed,
    /// An endpoint took an event about it.
    Delivered,
    /// An endpoint did not take an event about it.
    NotDelivered,
}

/// Which try at the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Try {
    /// How many times a person asked to transcribe again.
    pub generation: u32,
    /// How many times the work was taken out of the dead letters.
    pub redrive: u32,
    /// Which attempt, counted from 1; 0 before the first.
    pub number: u32,
}

/// One attempt at a recording, or at finding the recordings of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attempt {
    /// The recording; null is the search for recordings.
    pub recording_sid: Option<String>,
    /// Which one.
    pub attempt: Try,
    /// When a transcriber took it in hand, as far as that is known.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; null while it lasts, and where its worker died.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<Happened>,
    /// What went wrong.
    pub error_code: Option<String>,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
}

/// Everything that happened to a call, in the order of time.
pub fn timeline(
    call: &CallDetail,
    changes: &[outbox::Model],
    deliveries: &[deliveries::Model],
) -> Vec<Moment> {
    let mut moments: Vec<Moment> =
        pieces(call).flat_map(|(sid, steps)| steps.iter().map(move |s| moment(sid, s))).collect();
    moments.extend(deliveries.iter().map(|delivery| {
        let change = changes.iter().find(|change| change.event_id == delivery.event_id);
        Moment {
            at: delivery.attempted_at,
            event: match delivery.error {
                None => Happened::Delivered,
                Some(_) => Happened::NotDelivered,
            },
            recording_sid: None,
            attempt: None,
            code: change.map(|change| change.event_type.clone()),
            message: delivery.error.clone(),
            endpoint: Some(delivery.endpoint.clone()),
        }
    }));
    // Stable: what happened at the same time stays in the order of tries.
    moments.sort_by_key(|moment| moment.at);
    moments
}

/// The attempts at every recording, and at finding them, in the order they were made.
pub fn attempts(call: &CallDetail) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for (sid, steps) in pieces(call) {
        let begins = attempts.len();
        for step in steps.iter().filter(|step| step.order().2 > 0) {
            let number = Try::from(step.order());
            if attempts[begins..].last().is_none_or(|last| last.attempt != number) {
                attempts.push(Attempt::new(sid, number));
            }
            if let Some(attempt) = attempts.last_mut() {
                attempt.add(step);
            }
        }
    }
    attempts.sort_by_key(|attempt| attempt.started_at.or(attempt.ended_at));
    attempts
}

fn pieces(call: &CallDetail) -> impl Iterator<Item = (Option<&str>, &Steps)> {
    let recordings = call
        .recordings
        .iter()
        .map(|recording| (Some(recording.recording_sid.as_str()), &recording.fold.steps));
    std::iter::once((None, &call.call.fold.track.steps)).chain(recordings)
}

fn moment(recording_sid: Option<&str>, step: &Step) -> Moment {
    Moment {
        at: time::at(step.at_ms()),
        event: Happened::of_rank(step.rank()),
        recording_sid: recording_sid.map(str::to_owned),
        attempt: (step.rank() > 0).then(|| step.order().into()),
        code: step.code().map(str::to_owned),
        message: step.message().map(str::to_owned),
        endpoint: None,
    }
}

impl Attempt {
    fn new(recording_sid: Option<&str>, attempt: Try) -> Self {
        Self {
            recording_sid: recording_sid.map(str::to_owned),
            attempt,
            started_at: None,
            ended_at: None,
            outcome: None,
            error_code: None,
            error: None,
        }
    }

    fn add(&mut self, step: &Step) {
        let at = Some(time::at(step.at_ms()));
        if !step.is_end() {
            self.started_at = at;
            return;
        }
        self.ended_at = at;
        self.outcome = Some(Happened::of_rank(step.rank()));
        self.error_code = step.code().map(str::to_owned);
        self.error = step.message().map(str::to_owned);
    }
}

impl Happened {
    /// What an event of this rank means ([`domain::EventKind::rank`]).
    fn of_rank(rank: u8) -> Self {
        match rank {
            0 => Self::Observed,
            1 => Self::Queued,
            2 => Self::Started,
            3 => Self::Failed,
            4 => Self::GivenUp,
            5 => Self::NoRecording,
            6 => Self::NoSpeech,
            _ => Self::Transcribed,
        }
    }
}

impl From<Order> for Try {
    fn from(Order(generation, redrive, number): Order) -> Self {
        Self { generation, redrive, number }
    }
}

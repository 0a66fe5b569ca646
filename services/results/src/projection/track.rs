//! What happened to one piece of work, merged so that the order of arrival does not matter.
//!
//! Every part of a [`Track`] is a maximum or a minimum over the events seen so far. Those are
//! commutative, associative and idempotent, and so is merging events into a track.

use std::cmp::Ordering;

use domain::{AttemptOrder, CallEvent, EventKind};
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Status, Steps};

/// Orders everything that happened to one recording, or to a call as a whole.
///
/// Two events with the same try and rank differ at most in a repetition after a crash: the later
/// one stands, and should even the times be the same, the digest decides.
///
/// Within a generation an outcome is final, whichever try brought it, and within a redrive giving up
/// is: work that is taken up anew after a loss begins at attempt 1 again, and what it comes to must
/// not count as older than what was begun before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Which try.
    pub order: Order,
    /// Rank of the event within the try.
    pub rank: u8,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    digest: String,
}

/// [`AttemptOrder`] in few letters: it stands several times in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Order(pub u32, pub u32, pub u32);

impl From<AttemptOrder> for Order {
    fn from(order: AttemptOrder) -> Self {
        Self(order.generation, order.redrive, order.attempt)
    }
}

/// Rank of the first event that is an outcome, and of giving up.
const OUTCOME: u8 = 5;
const GIVEN_UP: u8 = 4;

impl Ord for Stamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let times = (self.at_ms, &self.digest).cmp(&(other.at_ms, &other.digest));
        self.weight().cmp(&other.weight()).then(times)
    }
}

impl PartialOrd for Stamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Stamp {
    /// What decides before the time does.
    fn weight(&self) -> (u32, bool, u32, bool, u32, u8) {
        let Order(generation, redrive, attempt) = self.order;
        (generation, self.rank >= OUTCOME, redrive, self.rank >= GIVEN_UP, attempt, self.rank)
    }

    fn of(event: &CallEvent) -> Self {
        let json = serde_json::to_vec(&event.kind).unwrap_or_default();
        let digest = hex::encode(&Sha256::digest(&json)[..8]);
        Self { order: event.order.into(), rank: event.kind.rank(), at_ms: event.at_ms, digest }
    }
}

/// A failure, or the reason why there is nothing to transcribe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When in the order of tries.
    pub stamp: Stamp,
    /// A short code.
    pub code: String,
    /// A sentence, where there is one.
    pub message: Option<String>,
}

/// What happened to one piece of work, as far as later events need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(default)]
pub struct Track {
    /// The newest event.
    pub latest: Option<Stamp>,
    /// The newest event with a result: a transcript, or that nobody speaks.
    pub result: Option<Stamp>,
    /// The newest trouble.
    pub trouble: Option<Trouble>,
    /// Generation, and first time it was enqueued at.
    pub queued: Option<(u32, i64)>,
    /// Time of the earliest event.
    pub first_ms: Option<i64>,
    /// Time of the latest event.
    pub last_ms: Option<i64>,
    /// The course, for people.
    #[serde(skip_serializing_if = "Steps::is_empty")]
    pub steps: Steps,
}

impl Track {
    /// Merges an event; `true` when it carries the result that stands from now on.
    pub fn merge(&mut self, event: &CallEvent) -> bool {
        self.touch(event.at_ms);
        self.steps.merge(event);
        let stamp = Stamp::of(event);
        if let EventKind::Queued { .. } = event.kind {
            self.merge_queued(event.order.generation, event.at_ms);
        }
        if let Some(trouble) = trouble_of(event, &stamp)
            && self.trouble.as_ref().is_none_or(|known| known.stamp < trouble.stamp)
        {
            self.trouble = Some(trouble);
        }
        let brings = matches!(event.kind, EventKind::Transcribed(_) | EventKind::NoSpeech { .. });
        let stands = brings && self.result.as_ref() < Some(&stamp);
        if stands {
            self.result = Some(stamp.clone());
        }
        if self.latest.as_ref() < Some(&stamp) {
            self.latest = Some(stamp);
        }
        stands
    }

    /// Widens the span of time this track covers.
    pub fn touch(&mut self, at_ms: i64) {
        self.first_ms = Some(self.first_ms.map_or(at_ms, |first| first.min(at_ms)));
        self.last_ms = Some(self.last_ms.map_or(at_ms, |last| last.max(at_ms)));
    }

    fn merge_queued(&mut self, generation: u32, at_ms: i64) {
        let newer = match self.queued {
            None => true,
            Some((known, _)) if known != generation => known < generation,
            Some((_, first)) => at_ms < first,
        };
        if newer {
            self.queued = Some((generation, at_ms));
        }
    }

    /// Where the work stands. That there is nothing to transcribe any more takes no result away.
    pub fn status(&self) -> Status {
        let Some(latest) = &self.latest else { return Status::Observed };
        match (Status::of_rank(latest.rank), &self.result) {
            (Status::NoRecording, Some(result)) => Status::of_rank(result.rank),
            (status, _) => status,
        }
    }

    /// The trouble that no later result has overcome.
    pub fn standing_trouble(&self) -> Option<&Trouble> {
        let trouble = self.trouble.as_ref()?;
        let overcome =
            self.result.as_ref().is_some_and(|result| result.weight() > trouble.stamp.weight());
        (!overcome).then_some(trouble)
    }

    /// The generation that is worked on, or was last.
    pub fn generation(&self) -> u32 {
        self.latest.as_ref().map_or(0, |stamp| stamp.order.0)
    }

    /// Whether it was last heard of after a dead letter was put back to work.
    pub fn is_redriven(&self) -> bool {
        self.latest.as_ref().is_some_and(|stamp| stamp.order.1 > 0)
    }

    /// Attempts the present work has taken.
    pub fn attempts(&self) -> u32 {
        self.latest.as_ref().map_or(0, |stamp| stamp.order.2)
    }
}

fn trouble_of(event: &CallEvent, stamp: &Stamp) -> Option<Trouble> {
    let (code, message) = match &event.kind {
        EventKind::Failed { code, message, .. } => (code, Some(message.clone())),
        EventKind::NoRecording { code } => (code, None),
        _ => return None,
    };
    Some(Trouble { stamp: stamp.clone(), code: code.clone(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(redrive: u32, attempt: u32, at_ms: i64, kind: EventKind) -> CallEvent {
        CallEvent {
            account_sid: format!("AC{:032x}", 1).parse().unwrap(),
            call_sid: format!("CA{:032x}", 2).parse().unwrap(),
            recording_sid: None,
            order: AttemptOrder { generation: 0, redrive, attempt },
            at_ms,
            kind,
        }
    }

    fn failed(is_final: bool) -> EventKind {
        let (code, message) = ("engine_down".into(), "no answer".into());
        EventKind::Failed { code, message, attempts: 3, is_final }
    }

    fn status_after(events: &[CallEvent]) -> Status {
        let mut forwards = Track::default();
        for event in events {
            forwards.merge(event);
        }
        let mut backwards = Track::default();
        for event in events.iter().rev() {
            backwards.merge(event);
        }
        assert_eq!(forwards.status(), backwards.status());
        assert_eq!(forwards.standing_trouble(), backwards.standing_trouble());
        forwards.status()
    }

    #[test]
    fn work_taken_up_anew_after_a_loss_ends_although_its_attempts_begin_at_one_again() {
        let outcome = EventKind::NoRecording { code: "deleted".into() };
        let events = [
            event(0, 3, 10, failed(false)),
            event(0, 4, 20, EventKind::Started),
            event(0, 1, 30, outcome),
        ];
        assert_eq!(status_after(&events), Status::NoRecording);
    }

    #[test]
    fn a_look_up_that_was_given_up_and_is_asked_for_again_ends_with_what_it_finds() {
        let outcome = EventKind::NoRecording { code: "none_listed".into() };
        let events = [
            event(0, 8, 10, failed(true)),
            event(0, 1, 20, EventKind::Started),
            event(0, 1, 30, outcome),
        ];
        assert_eq!(status_after(&events), Status::NoRecording);
    }

    #[test]
    fn a_redrive_is_newer_than_giving_up_before_it() {
        let again = EventKind::Queued { source: domain::JobSource::Manual };
        let events = [event(0, 8, 10, failed(true)), event(1, 1, 20, again)];
        assert_eq!(status_after(&events), Status::Queued);
    }
}

//! What a recording that Twilio lists needs, by its row, its age and what Twilio says of it.

use twilio::{Recording, RecordingStatus};

use super::{Summary, seen::Seen};

/// Up to this age of its work, a recording without a finished row is offered to the queue, which
/// still remembers what it has (the `once` keys live three days). Of older work nothing but a look
/// into the queue tells.
const REMEMBERED_MS: i64 = 2 * 24 * 3600 * 1000;
/// How long a recording is waited for that Twilio does not finish. A call lasts a day at most; one
/// that is stuck would keep the mark where it is, and every comparison would list more days.
/// Source: Twilio, "Programmable Voice: limits", maximum call duration.
const WAITED_FOR_MS: i64 = 3 * 24 * 3600 * 1000;
/// How long after its end a recording is left to its callback, which comes into the live lane.
const ON_ITS_WAY_MS: i64 = 3 * 60 * 1000;

/// What one recording needs.
pub(super) enum Need {
    /// Nothing; where it is counted.
    Nothing(fn(&mut Summary) -> &mut u64),
    /// Twilio has not finished it, or only just.
    Time,
    /// Twilio has not finished it for so long that nobody waits for it.
    Nobody,
    /// It is lacking, in this generation.
    Work { generation: u32, remembered: bool },
}

impl Need {
    /// Leaves nothing to what the queue remembers: where nothing is offered to it, it says nothing.
    pub(super) fn ask_the_queues(&mut self) {
        if let Self::Work { remembered, .. } = self {
            *remembered = false;
        }
    }
}

/// When it was created, as far as Twilio tells.
pub(super) fn created_ms(recording: &Recording) -> Option<i64> {
    recording.created_ms.or(recording.start_time_ms)
}

/// About when it ended.
fn ended_ms(recording: &Recording) -> Option<i64> {
    let seconds = recording.duration_seconds.unwrap_or_default();
    Some(created_ms(recording)? + i64::from(seconds) * 1000)
}

/// What a recording needs that Twilio lists, of what is known of it.
pub(super) fn need(recording: &Recording, seen: &Seen, floor_ms: i64, now_ms: i64) -> Need {
    let created = created_ms(recording);
    if created.is_some_and(|created| created < floor_ms) {
        return Need::Nothing(|summary| &mut summary.too_old);
    }
    if seen.is_erased(recording) {
        return Need::Nothing(|summary| &mut summary.erased);
    }
    let row = seen.row(recording);
    if row.is_none() && seen.is_imported(recording) {
        return Need::Nothing(|summary| &mut summary.known);
    }
    let on_its_way = row.is_none() && ended_ms(recording) > Some(now_ms - ON_ITS_WAY_MS);
    let is_stuck = created.is_some_and(|created| created < now_ms - WAITED_FOR_MS);
    if recording.status.is_pending() && is_stuck {
        return Need::Nobody;
    }
    if recording.status.is_pending() || on_its_way {
        return Need::Time;
    }
    match (row, &recording.status) {
        // It came after all. Who asks for it at the same time gets the same generation, and the queue
        // takes the two for one.
        (Some(row), RecordingStatus::Completed) if row.missed => {
            Need::Work { generation: row.generation.saturating_add(1), remembered: true }
        }
        (Some(row), _) if row.finished => Need::Nothing(|summary| &mut summary.known),
        (_, RecordingStatus::Absent | RecordingStatus::Failed | RecordingStatus::Deleted) => {
            Need::Nothing(|summary| &mut summary.without_media)
        }
        // Its letter was put back to work: should Redis have lost it, the hourly look at the unfinished
        // gives it its next generation. As the same one it could not be given up again.
        (Some(row), _) if row.redriven => Need::Nothing(|summary| &mut summary.under_way),
        (Some(row), _) => {
            let remembered = row.enqueued_ms >= now_ms - REMEMBERED_MS;
            Need::Work { generation: row.generation, remembered }
        }
        (None, _) => {
            // Where the events wait for days, nothing but the queues knows what was done.
            let remembered = created.is_some_and(|created| created >= now_ms - REMEMBERED_MS);
            Need::Work { generation: 0, remembered }
        }
    }
}

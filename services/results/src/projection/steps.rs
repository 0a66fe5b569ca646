//! The course of a piece of work, for people: what [`super::Track`] decides by is what came out of
//! it.
//!
//! A step is told from others by its try and its rank. Of the same step told twice, the earlier
//! one stands for a beginning and the later one for an end; of too many, the newest tries stay.
//! Both do not depend on the order of arrival.

use domain::{CallEvent, EventKind};
use serde::{Deserialize, Serialize};

use super::Order;

/// Steps of one piece of work at most. Work that is tried, given up and redriven without end keeps
/// the newest.
const MOST: usize = 40;
/// Characters of a message.
const MESSAGE: usize = 200;
/// The highest rank of an event with which something begins.
const BEGINS: u8 = 2;

/// One step. In few letters: it stands in the row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Step(Order, u8, i64, Option<String>, Option<String>);

/// Steps in the order of tries and ranks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steps(Vec<Step>);

impl Step {
    fn of(event: &CallEvent) -> Self {
        let (code, message) = match &event.kind {
            EventKind::Queued { source } => (Some(source.as_str().to_owned()), None),
            EventKind::Failed { code, message, .. } => {
                (Some(code.clone()), Some(message.chars().take(MESSAGE).collect()))
            }
            EventKind::NoRecording { code } => (Some(code.clone()), None),
            _ => (None, None),
        };
        Self(event.order.into(), event.kind.rank(), event.at_ms, code, message)
    }

    /// Which try.
    pub fn order(&self) -> Order {
        self.0
    }

    /// Rank of its event ([`domain::EventKind::rank`]).
    pub fn rank(&self) -> u8 {
        self.1
    }

    /// When, in milliseconds since 1970 (UTC).
    pub fn at_ms(&self) -> i64 {
        self.2
    }

    /// Who asked for it, or what went wrong.
    pub fn code(&self) -> Option<&str> {
        self.3.as_deref()
    }

    /// What went wrong, in a sentence.
    pub fn message(&self) -> Option<&str> {
        self.4.as_deref()
    }

    /// Whether something ended with it.
    pub fn is_end(&self) -> bool {
        self.1 > BEGINS
    }
}

impl Steps {
    /// Merges an event.
    pub fn merge(&mut self, event: &CallEvent) {
        let step = Step::of(event);
        match self.0.binary_search_by_key(&(step.0, step.1), |known| (known.0, known.1)) {
            Ok(place) => {
                let stands =
                    if step.is_end() { step > self.0[place] } else { step < self.0[place] };
                if stands {
                    self.0[place] = step;
                }
            }
            Err(place) => self.0.insert(place, step),
        }
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// The steps, in the order of tries and ranks.
    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }

    /// Whether nothing is known: so it is with rows that an earlier version wrote.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use domain::{AttemptOrder, JobSource};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn event(generation: u32, attempt: u32, at_ms: i64, end: Option<&str>) -> CallEvent {
        let kind = match end {
            None if attempt == 0 => EventKind::Queued { source: JobSource::Callback },
            None => EventKind::Started,
            Some(code) => EventKind::Failed {
                code: code.into(),
                message: code.into(),
                attempts: attempt,
                is_final: false,
            },
        };
        CallEvent {
            account_sid: format!("AC{:032x}", 1).parse().unwrap(),
            call_sid: format!("CA{:032x}", 2).parse().unwrap(),
            recording_sid: None,
            order: AttemptOrder { generation, redrive: 0, attempt },
            at_ms,
            kind,
        }
    }

    fn merged<'a>(events: impl IntoIterator<Item = &'a CallEvent>) -> Steps {
        let mut steps = Steps::default();
        events.into_iter().for_each(|event| steps.merge(event));
        steps
    }

    fn any_event() -> impl Strategy<Value = CallEvent> {
        let end = prop::option::of(prop::sample::select(vec!["a", "b"]));
        (0..30u32, 0..3u32, 0..5i64, end).prop_map(|(g, a, at, end)| event(g, a, at, end))
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_leave_the_same_steps(
            (events, shuffled) in vec(any_event(), 0..120).prop_flat_map(|events| {
                let mut doubled = events.clone();
                doubled.extend(events.iter().take(30).cloned());
                (Just(events), Just(doubled).prop_shuffle())
            })
        ) {
            let steps = merged(&events);
            prop_assert_eq!(&merged(&shuffled), &steps);
            prop_assert!(steps.iter().count() <= MOST);
        }
    }

    #[test]
    fn what_begins_counts_from_the_first_time_and_what_ends_from_the_last() {
        let told = [
            event(0, 1, 20, None),
            event(0, 1, 10, None),
            event(0, 1, 30, Some("a")),
            event(0, 1, 40, Some("a")),
        ];
        let times: Vec<i64> = merged(&told).iter().map(Step::at_ms).collect();
        assert_eq!(times, [10, 40]);
    }
}

//! Where a list goes on: opaque to clients, checked when it comes back.

use std::str::FromStr;

use chrono::DateTime;
use domain::CallSid;

use crate::store::calls::Place;

/// A place in a list of calls, as text.
pub struct Cursor(pub Place);

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("take next_cursor from the answer before, unchanged")]
pub struct NoCursor;

impl Cursor {
    /// The text to hand out.
    pub fn text(place: &Place) -> String {
        format!("{}-{}", place.created_at.timestamp_millis(), place.sid)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (at_ms, sid) = text.split_once('-').ok_or(NoCursor)?;
        let created_at = at_ms
            .parse()
            .ok()
            .filter(|at_ms| (0..=253_402_300_799_999).contains(at_ms))
            .and_then(DateTime::from_timestamp_millis)
            .ok_or(NoCursor)?;
        let sid: CallSid = sid.parse().map_err(|_| NoCursor)?;
        Ok(Self(Place { created_at, sid: sid.into() }))
    }
}

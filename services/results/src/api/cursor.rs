//! Where a list of calls goes on: opaque to clients, checked when it comes back.

use std::str::FromStr;

use chrono::DateTime;

use crate::store::calls::Place;

/// A call, and its time in microseconds since 1970 (UTC): the databases keep no finer ones.
pub struct Cursor(Place);

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("take next_cursor from the answer before, unchanged")]
pub struct NoCursor;

impl Cursor {
    /// The text to hand out.
    pub fn of_place(place: &Place) -> String {
        format!("{:016}-{}", place.created_at.timestamp_micros().max(0), place.sid)
    }

    /// The place it stands for.
    pub fn place(self) -> Place {
        self.0
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (time, sid) = text.split_once('-').ok_or(NoCursor)?;
        let time = time.parse().ok().and_then(DateTime::from_timestamp_micros).ok_or(NoCursor)?;
        Ok(Self(Place { created_at: time, sid: sid.to_owned() }))
    }
}

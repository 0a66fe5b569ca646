//! Where a list of calls goes on: opaque to clients, checked when it comes back.

use std::str::FromStr;

use crate::{projection::time, store::calls::Place};

/// A number and a call: the time in milliseconds since 1970 (UTC) in a list by time, the row's
/// number in a search.
pub struct Cursor {
    number: i64,
    sid: String,
}

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("take next_cursor from the answer before, unchanged")]
pub struct NoCursor;

impl Cursor {
    /// The text to hand out for a list by time.
    pub fn of_place(place: &Place) -> String {
        format!("{}-{}", place.created_at.timestamp_millis(), place.sid)
    }

    /// The text to hand out for a search.
    pub fn of_row(id: i64, sid: &str) -> String {
        format!("{id}-{sid}")
    }

    /// The place in a list by time.
    pub fn place(self) -> Place {
        Place { created_at: time::at(self.number), sid: self.sid }
    }

    /// The row of a search.
    pub fn row(&self) -> i64 {
        self.number
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (number, sid) = text.split_once('-').ok_or(NoCursor)?;
        Ok(Self { number: number.parse().map_err(|_| NoCursor)?, sid: sid.to_owned() })
    }
}

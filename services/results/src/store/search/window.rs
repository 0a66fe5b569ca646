//! The time in which a search looks first, and where it goes on when it found too little.

use chrono::{DateTime, TimeDelta, Utc};

/// How many times as long as the one before a window is.
const GROWTH: i32 = 4;
/// The shortest window: where all calls came in one moment, a multiple of nothing ends nowhere.
const SHORTEST: TimeDelta = TimeDelta::seconds(1);

/// A stretch of time; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From here.
    pub start: DateTime<Utc>,
    /// Until here.
    pub end: DateTime<Utc>,
}

/// Windows that make up the whole, in the order of the list. The first one is `near` long.
pub fn windows(whole: Window, near: TimeDelta, oldest_first: bool) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut rest = whole;
    let mut length = near.max(SHORTEST);
    while rest.start < rest.end {
        let left = rest.end - rest.start;
        let mut window = rest;
        if length < left && oldest_first {
            window.end = rest.start + length;
        } else if length < left {
            window.start = rest.end - length;
        }
        if oldest_first {
            rest.start = window.end
        } else {
            rest.end = window.start
        }
        windows.push(window);
        length = length.checked_mul(GROWTH).unwrap_or(left);
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_make_up_the_whole_and_grow() {
        let hours = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        let window = |(start, end)| Window { start: hours(start), end: hours(end) };
        let near = TimeDelta::hours(2);
        let whole = window((0, 30));
        let newest_first = [(28, 30), (20, 28), (0, 20)].map(window);
        assert_eq!(windows(whole, near, false), newest_first);
        let oldest_first = [(0, 2), (2, 10), (10, 30)].map(window);
        assert_eq!(windows(whole, near, true), oldest_first);
        assert_eq!(windows(whole, TimeDelta::days(9), true), [whole]);
        assert_eq!(windows(window((0, 0)), near, true), []);
        let of_nothing = windows(window((0, 1)), TimeDelta::zero(), true);
        assert_eq!((of_nothing[1].end - of_nothing[1].start).num_seconds(), 4);
    }
}

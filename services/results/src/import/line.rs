//! One line of an export, and what may be wrong with it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line's number in the file, counted from 1.
    pub line: u64,
    /// The column, where it is one column's fault.
    pub column: Option<String>,
    /// What would be allowed, or what is wrong with the line. Never the value: it may be anything.
    pub allowed: String,
}

impl Problem {
    pub(super) fn new(line: u64, column: &str, allowed: impl Into<String>) -> Self {
        Self { line, column: Some(column.to_owned()), allowed: allowed.into() }
    }

    pub(super) fn of_line(line: u64, allowed: impl Into<String>) -> Self {
        Self { line, column: None, allowed: allowed.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => {
                write!(f, "line {}: {column}: allowed is {}", self.line, self.allowed)
            }
            None => write!(f, "line {}: {}", self.line, self.allowed),
        }
    }
}

/// A line's values by column. An empty value is none.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub number: u64,
    values: BTreeMap<String, String>,
}

impl Line {
    pub(super) fn new(number: u64, values: BTreeMap<String, String>) -> Self {
        Self { number, values }
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.values.contains_key(column)
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(super) fn text(&self, column: &str) -> Result<Option<String>, Problem> {
        let Some(value) = self.values.get(column) else { return Ok(None) };
        let value = value.trim();
        if value.contains('\0') {
            return Err(Problem::new(self.number, column, "a text without NUL characters"));
        }
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }

    pub(super) fn parsed<T: FromStr>(
        &self,
        column: &str,
        allowed: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(column)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::new(self.number, column, allowed))
    }

    pub(super) fn required<T: FromStr>(&self, column: &str, allowed: &str) -> Result<T, Problem> {
        let missing = || Problem::new(self.number, column, format!("{allowed}; it is missing"));
        self.parsed(column, allowed)?.ok_or_else(missing)
    }

    /// A share between 0 and 1.
    pub(super) fn share(&self, column: &str) -> Result<Option<f64>, Problem> {
        const ALLOWED: &str = "a number between 0 and 1";
        let share: Option<f64> = self.parsed(column, ALLOWED)?;
        match share {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(Problem::new(self.number, column, ALLOWED))
            }
            share => Ok(share),
        }
    }

    /// A yes or no, as exports write it.
    pub(super) fn switch(&self, column: &str) -> Result<Option<bool>, Problem> {
        let Some(text) = self.text(column)? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "yes" => Ok(Some(true)),
            "false" | "f" | "0" | "no" => Ok(Some(false)),
            _ => Err(Problem::new(self.number, column, "true or false")),
        }
    }

    /// A time after RFC 3339, or as databases write it; without a zone it is UTC.
    pub(super) fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.text(column)? else { return Ok(None) };
        let time = read_time(&text).filter(|time| time.timestamp_millis() >= 0);
        let allowed = "a time such as 2026-01-31T09:30:00Z or 2026-01-31 09:30:00 (UTC)";
        time.map(Some).ok_or_else(|| Problem::new(self.number, column, allowed))
    }
}

fn read_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    // `2026-01-31 09:30:00+02`, `… +02:00`, `… +0200`
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.to_utc());
        }
    }
    let text = text.trim_end_matches(" UTC");
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_databases_write_them() {
        let expected = "2026-01-31T09:30:00Z".parse::<DateTime<Utc>>().unwrap();
        for text in [
            "2026-01-31T09:30:00Z",
            "2026-01-31T11:30:00+02:00",
            "2026-01-31 09:30:00",
            "2026-01-31 09:30:00.000",
            "2026-01-31 11:30:00+02",
            "2026-01-31 11:30:00.000+02:00",
            "2026-01-31 09:30:00 UTC",
        ] {
            assert_eq!(read_time(text), Some(expected), "{text}");
        }
        for text in ["31.01.2026", "2026-01-31", "now", "2026-13-01 00:00:00"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }
}

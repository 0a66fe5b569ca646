//! From a file to lines, one at a time.

use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
};

use serde_json::Value;

use super::{
    ImportError,
    line::{Line, Problem},
};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values after RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// The longest line: a day's conversation fits.
const LONGEST: u64 = 8 * 1024 * 1024;

/// The lines of a file.
pub(super) enum Lines<R> {
    Csv { reader: Box<csv::Reader<R>>, columns: Vec<String> },
    Json { reader: R, number: u64 },
}

type Next = Option<Result<Line, Problem>>;

impl<R: BufRead> Lines<R> {
    pub(super) fn new(file: R, format: Format) -> Result<Self, ImportError> {
        if format == Format::JsonLines {
            return Ok(Self::Json { reader: file, number: 0 });
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let columns = reader.headers().map_err(unreadable)?;
        let columns = columns
            .iter()
            .map(|name| name.trim().trim_start_matches('\u{feff}').to_owned())
            .collect();
        Ok(Self::Csv { reader: Box::new(reader), columns })
    }

    /// The next line with content.
    pub(super) fn next(&mut self) -> Result<Next, ImportError> {
        match self {
            Self::Csv { reader, columns } => next_record(reader, columns),
            Self::Json { reader, number } => next_object(reader, number),
        }
    }
}

fn next_record<R: Read>(
    reader: &mut csv::Reader<R>,
    columns: &[String],
) -> Result<Next, ImportError> {
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(error) => {
            let number = error.position().map_or(0, csv::Position::line);
            return match error.kind() {
                csv::ErrorKind::Utf8 { .. } => {
                    Ok(Some(Err(Problem::of_line(number, "the line is not UTF-8"))))
                }
                _ => Err(unreadable(error)),
            };
        }
    }
    let number = record.position().map_or(0, csv::Position::line);
    if record.len() != columns.len() {
        let allowed =
            format!("{} values are in the line; the header has {}", record.len(), columns.len());
        return Ok(Some(Err(Problem::of_line(number, allowed))));
    }
    let values = columns.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
    Ok(Some(Ok(Line::new(number, values))))
}

fn next_object<R: BufRead>(reader: &mut R, number: &mut u64) -> Result<Next, ImportError> {
    loop {
        *number += 1;
        let mut bytes = Vec::new();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 == LONGEST && bytes.last() != Some(&b'\n') {
            skip_line(reader)?;
            let allowed = format!("the line is longer than {LONGEST} bytes");
            return Ok(Some(Err(Problem::of_line(*number, allowed))));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        return Ok(Some(object(*number, &bytes)));
    }
}

fn skip_line<R: BufRead>(reader: &mut R) -> std::io::Result<()> {
    loop {
        let mut rest = Vec::new();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut rest)?;
        if read == 0 || rest.last() == Some(&b'\n') {
            return Ok(());
        }
    }
}

fn object(number: u64, bytes: &[u8]) -> Result<Line, Problem> {
    let wrong = |_| Problem::of_line(number, "the line is no JSON object");
    let fields: BTreeMap<String, Value> = serde_json::from_slice(bytes).map_err(wrong)?;
    let mut values = BTreeMap::new();
    for (name, value) in fields {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(Problem::new(number, &name, "a text, a number, true, false or null"));
            }
        };
        values.insert(name, text);
    }
    Ok(Line::new(number, values))
}

fn unreadable(error: csv::Error) -> ImportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ImportError::Read(error),
        other => ImportError::Table(format!("the file is no CSV: {other:?}")),
    }
}

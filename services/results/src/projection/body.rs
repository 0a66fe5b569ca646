//! From a stream entry's body to an event.

use domain::CallEvent;
use serde_json::Value;

use super::time;

/// Why a body is no event. The message holds nothing of the body: it may be somebody's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// It is not JSON, or not an event's.
    #[error("not an event: {kind} at line {line}, column {column}")]
    Shape {
        /// What is wrong: syntax, data, an early end.
        kind: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Its time cannot be one.
    #[error("at_ms is not a time between 1970 and 9999")]
    Time,
}

/// Reads an event.
///
/// # Errors
/// When the body is none; it never will be.
pub fn parse(body: &str) -> Result<CallEvent, MalformedEvent> {
    let event = read(body).map_err(|error| MalformedEvent::Shape {
        kind: match error.classify() {
            serde_json::error::Category::Data => "a value is missing or of the wrong kind",
            serde_json::error::Category::Eof => "it ends early",
            _ => "it is not JSON",
        },
        line: error.line(),
        column: error.column(),
    })?;
    if time::plausible(event.at_ms).is_none() {
        return Err(MalformedEvent::Time);
    }
    Ok(event)
}

fn read(body: &str) -> serde_json::Result<CallEvent> {
    // Postgres cannot hold the character NUL, and nobody can read it: it goes, the words stay.
    if !body.contains("\\u0000") {
        return serde_json::from_str(body);
    }
    let mut value = serde_json::from_str(body)?;
    without_nul(&mut value);
    serde_json::from_value(value)
}

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(fields) => fields.values_mut().for_each(without_nul),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(at_ms: i64, text: &str) -> String {
        format!(
            r#"{{"account_sid":"AC{:032x}","call_sid":"CA{:032x}","recording_sid":null,
                "at_ms":{at_ms},"event":"failed","code":"x","message":"{text}","attempts":1,
                "final":true}}"#,
            1, 2
        )
    }

    #[test]
    fn a_nul_goes_and_the_words_around_it_stay() {
        let event = parse(&body(1, "be\\u0000fore")).unwrap();
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["message"], "before");
    }

    #[test]
    fn what_is_wrong_is_told_without_the_body_s_words() {
        let wrong = body(1, "x").replace("\"final\":true", "\"final\":\"+15125550123\"");
        let error = parse(&wrong).unwrap_err().to_string();
        assert!(error.contains("of the wrong kind") && !error.contains("5125550123"), "{error}");
        assert!(parse("").unwrap_err().to_string().contains("ends early"));
    }

    #[test]
    fn a_time_beyond_the_year_9999_is_refused() {
        assert_eq!(parse(&body(i64::MAX, "x")), Err(MalformedEvent::Time));
        assert_eq!(parse(&body(-1, "x")), Err(MalformedEvent::Time));
    }
}

//! Log lines as JSON: time, level, the event's own fields, target, in one flat object.
//!
//! The formatter of `tracing-subscriber` makes the same lines by way of a map of values; this one
//! writes each field where it belongs at once, which matters where every request has a line.

use std::fmt::{self, Debug, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent;
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Room for most lines.
const USUAL_LINE: usize = 512;

/// The format of a line. Spans are no part of it: every line names its call itself.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Gathered here, since each piece handed to the writer is a call it cannot see through.
        let mut line = String::with_capacity(USUAL_LINE);
        // What comes by way of the `log` crate names its target in a field.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut Writer::new(&mut line))?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(metadata.level().as_str())?;
        line.write_char('"')?;
        let mut fields = Fields { line: &mut line, outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        line.write_str(",\"target\":")?;
        text(&mut line, metadata.target())?;
        line.write_str("}\n")?;
        writer.write_str(&line)
    }
}

/// Writes the fields of an event, each with a comma before it.
struct Fields<'a, W> {
    line: &'a mut W,
    outcome: fmt::Result,
}

impl<W: Write> Fields<'_, W> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let name = field.name();
        if self.outcome.is_err() || name.starts_with("log.") {
            return;
        }
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.outcome = self
            .line
            .write_str(",\"")
            // A name in the program's own text, which has nothing to escape.
            .and_then(|()| self.line.write_str(name))
            .and_then(|()| self.line.write_str("\":"))
            .and_then(|()| value(self.line));
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |line| match value.is_finite() {
            true => write!(line, "{value}"),
            false => line.write_str("null"),
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |line| line.write_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |line| text(line, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field, |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }
}

fn text(line: &mut impl Write, text: &str) -> fmt::Result {
    line.write_char('"')?;
    Escaped(line).write_str(text)?;
    line.write_char('"')
}

/// Escapes what must not stand in a JSON string (RFC 8259, section 7).
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        while let Some(at) = rest.bytes().position(special) {
            self.0.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                control => write!(self.0, "\\u{control:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::{Layer, layer::SubscriberExt};

    use super::*;

    fn line(log: impl FnOnce()) -> serde_json::Value {
        let written = Arc::new(Mutex::new(Vec::new()));
        let out = written.clone();
        let writer = move || Shared(out.clone());
        let layer = tracing_subscriber::fmt::layer().event_format(Json).with_writer(writer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.boxed()), log);
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(written.ends_with("}\n") && written.matches('\n').count() == 1, "{written}");
        serde_json::from_str(&written).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_kind_of_value_is_json_and_lies_flat() {
        let line = line(|| {
            tracing::warn!(
                target: "access",
                call_sid = %"CA1", status = 204u16, ms = 1.5, whole = 2.0, nothing = f64::NAN,
                below = -1, repeated = true, absent = None::<&str>, r#type = ?Some(1), "job enqueued"
            );
        });
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == 27, "{time}");
        let mut line = line;
        line.as_object_mut().unwrap().remove("timestamp");
        let expected = serde_json::json!({
            "level": "WARN", "target": "access", "message": "job enqueued", "call_sid": "CA1",
            "status": 204, "ms": 1.5, "whole": 2, "nothing": null, "below": -1, "repeated": true,
            "type": "Some(1)",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn whatever_a_value_holds_the_line_stays_one_line_of_json() {
        let hostile = "a\"b\\c\nd\re\tf\u{0}g\u{1b}[31mh\u{7f}עפולה 😀";
        let line = line(|| tracing::info!(shown = hostile, debugged = ?hostile, "{hostile}"));
        assert_eq!(line["shown"], hostile);
        assert_eq!(line["message"], hostile);
        assert_eq!(line["debugged"], format!("{hostile:?}"));
    }
}

//! What a parameter may be. One definition both checks a value and describes it.

use chrono::{DateTime, NaiveDate};
use serde_json::{Value, json};

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text of 1 to so many characters, without NUL.
    Text(usize),
    /// A whole number between two, both included.
    Number(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A time after RFC 3339.
    Time,
    /// A day, `2026-11-22`.
    Day,
    /// Twilio's identifier with these two letters.
    Sid(&'static str),
    /// A number in E.164 form.
    Phone,
    /// Where a list of calls goes on.
    CallCursor,
    /// Where another list goes on.
    RowCursor,
    /// The id of an entry in a stream.
    StreamId,
}

impl Kind {
    /// Checks a value.
    ///
    /// # Errors
    /// What is allowed.
    pub fn check(self, value: &str) -> Result<(), String> {
        let is_right = match self {
            _ if value.contains('\0') => return Err("holds the character NUL".into()),
            Self::Text(_) if value.is_empty() => {
                return Err("is empty; leave it out instead".into());
            }
            Self::Text(most) => value.chars().count() <= most,
            Self::Number(least, most) => {
                is_digits(value, 19)
                    && value.parse().is_ok_and(|number| (least..=most).contains(&number))
            }
            Self::Choice(words) => words.contains(&value),
            Self::Switch => matches!(value, "true" | "false"),
            Self::Time => DateTime::parse_from_rfc3339(value).is_ok() && !value.contains(' '),
            Self::Day => value.len() == 10 && NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok(),
            Self::Sid(prefix) => is_sid(value, prefix),
            Self::Phone => value.strip_prefix('+').is_some_and(|digits| {
                digits.len() >= 7 && is_digits(digits, 15) && !digits.starts_with('0')
            }),
            Self::CallCursor => value.split_once('-').is_some_and(|(time, sid)| {
                time.len() == 16 && is_digits(time, 16) && is_sid(sid, "CA")
            }),
            Self::RowCursor => is_digits(value, 19) && value.parse::<i64>().is_ok(),
            Self::StreamId => value
                .split_once('-')
                .is_some_and(|(ms, place)| is_digits(ms, 15) && is_digits(place, 15)),
        };
        if is_right { Ok(()) } else { Err(self.allowed()) }
    }

    /// What is allowed, for people.
    pub fn allowed(self) -> String {
        match self {
            Self::Text(most) => format!("1 to {most} characters"),
            Self::Number(least, i64::MAX) => format!("a number from {least}"),
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Switch => "true or false".into(),
            Self::Time => "a time such as 2026-11-22T09:30:00Z".into(),
            Self::Day => "a day such as 2026-11-22".into(),
            Self::Sid(prefix) => format!("{prefix} followed by 32 hexadecimal digits"),
            Self::Phone => "a number in E.164 form, such as +15125550123".into(),
            Self::CallCursor | Self::RowCursor => {
                "take next_cursor from the answer before, unchanged".into()
            }
            Self::StreamId => "an id of a dead letter, such as 1790000000000-0".into(),
        }
    }

    /// The same as a JSON schema.
    pub fn schema(self) -> Value {
        let text = |pattern: &str, example: &str| json!({ "type": "string", "pattern": pattern, "examples": [example] });
        match self {
            Self::Text(most) => json!({
                "type": "string", "minLength": 1, "maxLength": most, "pattern": r"^[^\u0000]*$",
            }),
            Self::Number(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Self::Choice(words) => json!({ "type": "string", "enum": words }),
            Self::Switch => json!({ "type": "boolean" }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
            Self::Day => json!({ "type": "string", "format": "date" }),
            Self::Sid(prefix) => {
                text(&format!("^{prefix}[0-9a-fA-F]{{32}}$"), &format!("{prefix}{:032x}", 1))
            }
            Self::Phone => text(r"^\+[1-9][0-9]{6,14}$", "+15125550123"),
            Self::CallCursor => text(
                "^[0-9]{16}-CA[0-9a-fA-F]{32}$",
                "1790000000000000-CA00000000000000000000000000000001",
            ),
            Self::RowCursor => text("^([0-9]{1,18}|[0-8][0-9]{18})$", "100"),
            Self::StreamId => text("^[0-9]{1,15}-[0-9]{1,15}$", "1790000000000-0"),
        }
    }
}

fn is_digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_the_edges_are_told_from_those_beyond() {
        let sid = format!("CA{:032x}", 7);
        let cursor = format!("9999999999999999-{sid}");
        for (kind, right, wrong) in [
            (Kind::Text(3), vec!["a", "אבג"], vec!["", "abcd", "\0"]),
            (Kind::Number(1, 200), vec!["1", "200"], vec!["0", "201", "+5", "1.0", "", "x"]),
            (Kind::Switch, vec!["true", "false"], vec!["1", "True", ""]),
            (
                Kind::Time,
                vec!["2026-09-21T14:13:20.003Z", "0001-01-01T00:00:00+23:59"],
                vec!["2026-09-21", "2026-09-21 14:13:20Z", "yesterday"],
            ),
            (Kind::Day, vec!["2026-09-21"], vec!["2026-9-21", "2026-02-30", "+2026-09-21"]),
            (
                Kind::Sid("CA"),
                vec![sid.as_str()],
                vec!["CA1", "RE00000000000000000000000000000007"],
            ),
            (Kind::Phone, vec!["+15125550123"], vec!["12", "5125550123", "+0512", "anonymous"]),
            (Kind::CallCursor, vec![cursor.as_str()], vec!["x", "1-CA1", "-"]),
            (Kind::RowCursor, vec!["0", "9223372036854775807"], vec!["-1", "9223372036854775808"]),
            (Kind::StreamId, vec!["0-0"], vec!["0", "-", "1-x"]),
        ] {
            for value in right {
                assert_eq!(kind.check(value), Ok(()), "{kind:?} {value:?}");
            }
            for value in wrong {
                assert!(kind.check(value).is_err(), "{kind:?} {value:?}");
            }
        }
    }
}

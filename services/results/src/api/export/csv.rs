//! Rows as CSV (RFC 4180).

use csv::{Terminator, Writer, WriterBuilder};
use serde::Serialize;
use serde_json::Value;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The line with the names of the columns.
pub fn head(columns: &[&str], bom: bool) -> anyhow::Result<Vec<u8>> {
    let mark = if bom { BYTE_ORDER_MARK } else { &[] };
    let mut writer = writer(mark.to_vec());
    writer.write_record(columns)?;
    finished(writer)
}

/// One line a row.
pub fn lines(columns: &[&str], rows: &[impl Serialize]) -> anyhow::Result<Vec<u8>> {
    let mut writer = writer(Vec::new());
    for row in rows {
        let fields = serde_json::to_value(row)?;
        writer.write_record(columns.iter().map(|column| cell(&fields[*column])))?;
    }
    finished(writer)
}

fn writer(start: Vec<u8>) -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(start)
}

fn finished(writer: Writer<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if is_formula(text) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a spreadsheet may take a text for a formula. A telephone number is none: as a formula it
/// would come to itself.
///
/// Source: OWASP, "CSV Injection".
fn is_formula(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let is_number = text
        .strip_prefix('+')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
        && !is_number
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formulas_are_defused_and_numbers_and_words_stay_as_they_are() {
        for (text, written) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1+1|cmd", "'-1+1|cmd"),
            ("+1-1", "'+1-1"),
            ("\t=1", "'\t=1"),
            ("+15125550123", "+15125550123"),
            ("caller: = is fine here", "caller: = is fine here"),
            ("", ""),
        ] {
            assert_eq!(cell(&json!(text)), written);
        }
    }

    #[test]
    fn quotes_commas_and_lines_stay_within_their_cell() {
        let row = json!({ "a": "he said \"in Austin, now\"\nand hung up", "b": 0.9, "c": null });
        let text = String::from_utf8(lines(&["a", "b", "c"], &[row]).unwrap()).unwrap();
        assert_eq!(text, "\"he said \"\"in Austin, now\"\"\nand hung up\",0.9,\r\n");
        assert_eq!(head(&["a", "b"], true).unwrap(), "\u{feff}a,b\r\n".as_bytes());
    }
}

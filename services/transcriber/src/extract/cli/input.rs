//! What `callscribe extract` reads: a transcript in JSON, or plain text.

use domain::{Engine, Segment, Speaker, Transcript};
use serde::Deserialize;

/// A transcript in JSON, as the API gives it or as a labelled set has it: only the words are needed.
#[derive(Deserialize)]
struct Told {
    segments: Vec<Said>,
    language: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default = "nobody_told")]
    speaker: Speaker,
    #[serde(default)]
    start_ms: u64,
    #[serde(default)]
    end_ms: u64,
    text: String,
    confidence: Option<f32>,
}

/// Reads a transcript. Text that begins with `{`, or with `[` as a list in JSON does, is JSON; the
/// lines of any other text, "[laughs] hello" too, may begin with `caller:` or `agent:`.
///
/// # Errors
/// When the JSON is no transcript, or more than one.
pub(super) fn transcript(input: &str) -> serde_json::Result<Transcript> {
    // Some editors begin a file with a byte order mark.
    let input = input.trim_start_matches('\u{feff}').trim_start();
    let listed = input.strip_prefix('[').map(str::trim_start);
    if input.starts_with('{') || listed.is_some_and(|rest| rest.starts_with(['{', '[', ']', '"'])) {
        serde_json::from_str(input).map(of_json)
    } else {
        Ok(of_text(input))
    }
}

fn of_json(told: Told) -> Transcript {
    let segments = told.segments.into_iter().map(|said| {
        let Said { speaker, start_ms, end_ms, text, confidence } = said;
        Segment { speaker, start_ms, end_ms, text, confidence }
    });
    Transcript { segments: segments.collect(), language: told.language, engine: engine("json") }
}

fn of_text(input: &str) -> Transcript {
    let segments = input.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let (speaker, text) = spoken(line.trim());
        Segment { speaker, start_ms: 0, end_ms: 0, text: text.to_owned(), confidence: None }
    });
    Transcript { segments: segments.collect(), language: None, engine: engine("text") }
}

fn nobody_told() -> Speaker {
    Speaker::Unknown
}

fn engine(name: &str) -> Engine {
    Engine { name: name.to_owned(), model: None, version: None }
}

fn spoken(line: &str) -> (Speaker, &str) {
    let named = line.split_once(':').map(|(name, text)| (name.trim().to_lowercase(), text.trim()));
    match named {
        Some((name, text)) if name == "caller" => (Speaker::Caller, text),
        Some((name, text)) if name == "agent" => (Speaker::Agent, text),
        _ => (Speaker::Unknown, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_in_json_needs_no_more_than_its_words() {
        let input = r#" {"id":"a","language":"en","segments":[{"text":"hello"},
            {"speaker":"caller","start_ms":5,"end_ms":9,"text":"hi","confidence":0.5}]}"#;
        let read = transcript(input).unwrap();
        assert_eq!(read.language.as_deref(), Some("en"));
        let said: Vec<_> = read.segments.iter().map(|s| (s.speaker, s.text.as_str())).collect();
        assert_eq!(said, [(Speaker::Unknown, "hello"), (Speaker::Caller, "hi")]);
        assert_eq!((read.segments[1].start_ms, read.segments[1].end_ms), (5, 9));
    }

    #[test]
    fn json_that_is_no_transcript_is_not_taken_for_words() {
        for input in [r#"{"text":"hi"}"#, r#"{"segments":[{"speaker":"caller"}]}"#, "{\"a\": "] {
            assert!(transcript(input).is_err(), "{input}");
        }
        let two = r#"{"segments":[]}
            {"segments":[]}"#;
        assert!(transcript(two).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_list_is_json_and_a_remark_in_brackets_is_not() {
        for input in [r#"[{"text":"hi"}]"#, " [\n {\"segments\":[]}]", "[]", r#"["hi"]"#] {
            assert!(transcript(input).is_err(), "{input}");
        }
        for input in ["[laughs] a plumber", "[00:01] a plumber"] {
            assert_eq!(transcript(input).unwrap().segments[0].text, input);
        }
    }

    #[test]
    fn lines_of_text_say_who_speaks_or_do_not() {
        let read = transcript("\u{feff}Agent: yes?\n\nCALLER : a plumber\nat 9:30\n").unwrap();
        let said: Vec<_> = read.segments.iter().map(|s| (s.speaker, s.text.as_str())).collect();
        let expected = [
            (Speaker::Agent, "yes?"),
            (Speaker::Caller, "a plumber"),
            (Speaker::Unknown, "at 9:30"),
        ];
        assert_eq!(said, expected);
    }
}

//! A call's transcript as text, subtitles or JSON.

use std::fmt::Write;

use domain::{Segment, Speaker};
use schemars::JsonSchema;
use serde::Serialize;
use warp::{http::StatusCode, reply::Response};

use super::{
    Api, Problem, Request,
    calls::{self, RECORDING, SID},
    json,
    kind::Kind,
    problem,
    route::{Answer, Content, JSON, Parameter, Route, schema},
};
use crate::store::entities::{call_logs, recordings};

const FORMAT: Parameter = Parameter::new(
    "format",
    Kind::Choice(&["txt", "srt", "vtt", "json"]),
    "Plain text unless given; or subtitles, or segments as JSON.",
);

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    summary: "A call's transcript as text, subtitles or JSON",
    description: "Of all recordings of the call one after the other, or of one.",
    segments: &[SID],
    query: &[FORMAT, RECORDING],
    answers: &[Answer::json(&[
        (TEXT, Content::Text),
        (SUBRIP, Content::Text),
        (WEBVTT, Content::Text),
        (JSON, Content::Json(schema::<Transcript>)),
    ])],
    problems: &[(404, "There is no such call or recording, or no transcript of it.")],
    ..Route::get("/v1/calls/{sid}/transcript", "get_transcript", |api, request| {
        Box::pin(get(api, request))
    })
}];

const TEXT: &str = "text/plain; charset=utf-8";
const SUBRIP: &str = "application/x-subrip; charset=utf-8";
const WEBVTT: &str = "text/vtt; charset=utf-8";

#[derive(Serialize, JsonSchema)]
struct Transcript {
    call_sid: String,
    /// BCP 47 language of the first recording that has one.
    language: Option<String>,
    /// The words. Of a call that was imported, they are all there is.
    text: String,
    segments: Vec<Segment>,
}

async fn get(api: &Api, request: &Request) -> Result<Response, Problem> {
    let recording = request.params.get("recording");
    let call = calls::find(api, request).await?;
    let read: Vec<_> = call
        .recordings
        .iter()
        .filter(|row| recording.is_none_or(|sid| sid == row.recording_sid))
        .filter(|row| row.transcript.is_some())
        .collect();
    if let (true, None, Some(words)) = (read.is_empty(), recording, &call.call.final_transcript) {
        return imported(request, &call.call, words);
    }
    if read.is_empty() {
        let status = &call.call.status;
        return Err(Problem::not_found(format!("there is no transcript; the call is {status}")));
    }
    let segments = joined(&read);
    let (content_type, text) = match request.params.get("format") {
        Some("srt") => (SUBRIP, as_subrip(&segments)),
        Some("vtt") => (WEBVTT, as_webvtt(&segments)),
        Some("json") => {
            let language = read.iter().find_map(|recording| recording.language.clone());
            let (call_sid, text) = (call.call.call_sid, as_text(&segments));
            return json(&Transcript { call_sid, language, text, segments });
        }
        _ => (TEXT, as_text(&segments)),
    };
    Ok(problem::response(StatusCode::OK, content_type, text.into_bytes()))
}

/// Words that were taken over from another system, which knew no times.
fn imported(request: &Request, call: &call_logs::Model, words: &str) -> Result<Response, Problem> {
    match request.params.get("format") {
        Some("srt" | "vtt") => Err(Problem::not_found(
            "the transcript was imported and has no times, so there are no subtitles; ask for txt \
             or json",
        )),
        Some("json") => json(&Transcript {
            call_sid: call.call_sid.clone(),
            language: call.transcript_language.clone(),
            text: format!("{words}\n"),
            segments: Vec::new(),
        }),
        _ => Ok(problem::response(StatusCode::OK, TEXT, format!("{words}\n").into_bytes())),
    }
}

/// The segments of recordings played one after the other.
fn joined(recordings: &[&recordings::Model]) -> Vec<Segment> {
    let mut before_ms = 0;
    let mut all = Vec::new();
    for recording in recordings {
        let json = recording.segments.clone().unwrap_or_default();
        let segments: Vec<Segment> = serde_json::from_value(json).unwrap_or_default();
        all.extend(segments.into_iter().map(|segment| Segment {
            start_ms: segment.start_ms.saturating_add(before_ms),
            end_ms: segment.end_ms.saturating_add(before_ms),
            ..segment
        }));
        let length = recording.duration_ms.and_then(|ms| u64::try_from(ms).ok());
        before_ms = before_ms.saturating_add(length.unwrap_or_default());
    }
    all
}

fn as_text(segments: &[Segment]) -> String {
    let mut text = String::new();
    for segment in segments {
        text.push_str(&spoken(segment));
        text.push('\n');
    }
    text
}

fn as_subrip(segments: &[Segment]) -> String {
    let mut text = String::new();
    for (number, segment) in segments.iter().enumerate() {
        let (start, end) = (clock(segment.start_ms, ','), clock(segment.end_ms, ','));
        // Writing to a String cannot fail.
        let _ = write!(text, "{}\n{start} --> {end}\n{}\n\n", number + 1, spoken(segment));
    }
    text
}

/// Source: W3C WebVTT, "voice span" and "character reference".
fn as_webvtt(segments: &[Segment]) -> String {
    let mut text = String::from("WEBVTT\n\n");
    for segment in segments {
        let words = one_line(&segment.text).replace('&', "&amp;").replace('<', "&lt;");
        let words = words.replace('>', "&gt;");
        let voice = match segment.speaker {
            Speaker::Unknown => String::new(),
            known => format!("<v {}>", known.as_str()),
        };
        let (start, end) = (clock(segment.start_ms, '.'), clock(segment.end_ms, '.'));
        let _ = write!(text, "{start} --> {end}\n{voice}{words}\n\n");
    }
    text
}

fn spoken(segment: &Segment) -> String {
    let words = one_line(&segment.text);
    match segment.speaker {
        Speaker::Unknown => words,
        known => format!("{}: {words}", known.as_str()),
    }
}

/// An empty line would end a subtitle.
fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clock(ms: u64, separator: char) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("{:02}:{:02}:{seconds:02}{separator}{ms:03}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> [Segment; 2] {
        [
            Segment {
                speaker: Speaker::Caller,
                start_ms: 0,
                end_ms: 1_500,
                text: " a locksmith\n\nin <Austin> & now".into(),
                confidence: None,
            },
            Segment {
                speaker: Speaker::Unknown,
                start_ms: 3_661_002,
                end_ms: 3_662_000,
                text: "שלום".into(),
                confidence: None,
            },
        ]
    }

    #[test]
    fn subtitles_have_their_clock_and_no_empty_line_within() {
        assert_eq!(
            as_subrip(&segments()),
            "1\n00:00:00,000 --> 00:00:01,500\ncaller: a locksmith in <Austin> & now\n\n\
             2\n01:01:01,002 --> 01:01:02,000\nשלום\n\n"
        );
    }

    #[test]
    fn webvtt_names_the_voice_and_escapes_what_would_be_markup() {
        assert_eq!(
            as_webvtt(&segments()),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n\
             <v caller>a locksmith in &lt;Austin&gt; &amp; now\n\n\
             01:01:01.002 --> 01:01:02.000\nשלום\n\n"
        );
    }
}

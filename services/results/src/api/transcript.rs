//! A call's transcript as text, subtitles or JSON.

use std::{fmt::Write, str::FromStr};

use domain::{RecordingSid, Segment, Speaker};
use serde_json::json;
use warp::{http::StatusCode, reply::Response};

use super::{Api, Problem, Request, calls, json, params::Params, problem};
use crate::store::entities::recordings;

#[derive(Clone, Copy)]
enum Format {
    Text,
    SubRip,
    WebVtt,
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "txt" => Ok(Self::Text),
            "srt" => Ok(Self::SubRip),
            "vtt" => Ok(Self::WebVtt),
            "json" => Ok(Self::Json),
            _ => Err("one of txt, srt, vtt, json"),
        }
    }
}

/// `GET /v1/calls/{sid}/transcript`: of all recordings of the call one after the other, or of one.
pub async fn get(api: &Api, request: &Request, sid: &str) -> Result<Response, Problem> {
    let params = Params::read(&request.query, &["format", "recording"])?;
    let format = params.parsed("format")?.unwrap_or(Format::Text);
    let recording: Option<RecordingSid> = params.parsed("recording")?;
    let sid = calls::call_sid(sid)?;
    let call = api.store.call(sid.as_str()).await?.ok_or_else(calls::unknown)?;
    let wanted = |row: &&recordings::Model| {
        recording.as_ref().is_none_or(|sid| sid.as_str() == row.recording_sid)
    };
    let read: Vec<_> = call
        .recordings
        .iter()
        .filter(wanted)
        .filter(|recording| recording.transcript.is_some())
        .collect();
    if read.is_empty() {
        let status = &call.call.status;
        return Err(Problem::not_found(format!("there is no transcript; the call is {status}")));
    }
    let segments = joined(&read);
    let (content_type, text) = match format {
        Format::Text => ("text/plain; charset=utf-8", as_text(&segments)),
        Format::SubRip => ("application/x-subrip; charset=utf-8", as_subrip(&segments)),
        Format::WebVtt => ("text/vtt; charset=utf-8", as_webvtt(&segments)),
        Format::Json => {
            let language = read.iter().find_map(|recording| recording.language.as_deref());
            return json(&json!({ "call_sid": sid, "language": language, "segments": segments }));
        }
    };
    Ok(problem::response(StatusCode::OK, content_type, text.into_bytes()))
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

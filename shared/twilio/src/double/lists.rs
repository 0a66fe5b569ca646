//! The list of recordings, and their media.

use std::net::SocketAddr;

use chrono::{DateTime, NaiveDate};
use domain::AccountSid;
use serde_json::{Value, json};
use warp::{http::StatusCode, reply::Response};

use super::{DoubleRecording, answer, model::State, server::Asked};

/// Recordings on a page when nothing else is asked.
const DEFAULT_PAGE: usize = 50;
/// The most one may ask for.
const LARGEST_PAGE: usize = 1000;

/// One page of `Recordings.json`, newest first.
pub(super) fn page(state: &State, account: &AccountSid, asked: &Asked) -> Response {
    let wrong = |what: &str| answer::error(StatusCode::BAD_REQUEST, 20001, what, false);
    let Ok(span) = Span::read(asked) else { return wrong("a date is YYYY-MM-DD") };
    let asked_size = asked.parameter("PageSize").map_or(Ok(DEFAULT_PAGE), str::parse);
    let Some(asked_size) = asked_size.ok().filter(|size| (1..=LARGEST_PAGE).contains(size)) else {
        return wrong("PageSize is 1 to 1000");
    };
    let size = asked_size.min(state.page_limit.unwrap_or(asked_size));

    let call = asked.parameter("CallSid");
    let mut listed: Vec<&DoubleRecording> = state
        .recordings
        .iter()
        .filter(|recording| call.is_none_or(|call| recording.call_sid.as_str() == call))
        .filter(|recording| span.holds(recording.start_time_ms))
        .collect();
    listed.sort_by(|a, b| (b.start_time_ms, &b.sid).cmp(&(a.start_time_ms, &a.sid)));

    // A token names the last recording of the page before: what comes in meanwhile moves nothing.
    let start = match asked.parameter("PageToken") {
        None => 0,
        Some(token) => {
            let last = token.strip_prefix("PA").unwrap_or_default();
            match listed.iter().position(|recording| recording.sid.as_str() == last) {
                Some(position) => position + 1,
                None => return wrong("this PageToken is not known"),
            }
        }
    };
    let end = (start + size).min(listed.len());
    let recordings: Vec<Value> =
        listed[start..end].iter().map(|recording| answer::recording(account, recording)).collect();
    let number: usize = asked.parameter("Page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let next = (end < listed.len()).then(|| next_uri(asked, number + 1, &listed[end - 1].sid));
    answer::json(&json!({
        "recordings": recordings,
        "page": number,
        "page_size": size,
        "next_page_uri": next,
        "uri": asked.path,
    }))
}

fn next_uri(asked: &Asked, page: usize, last: &domain::RecordingSid) -> String {
    let kept = asked.query.iter().filter(|(name, _)| name != "Page" && name != "PageToken");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept);
    query.append_pair("Page", &page.to_string());
    query.append_pair("PageToken", &format!("PA{last}"));
    format!("{}?{}", asked.path, query.finish())
}

/// Days a list is bound to: those from the first on, and those before the other.
struct Span {
    since: Option<NaiveDate>,
    before: Option<NaiveDate>,
}

impl Span {
    fn read(asked: &Asked) -> Result<Self, chrono::ParseError> {
        let day = |name| asked.parameter(name).map(str::parse::<NaiveDate>).transpose();
        let only = day("DateCreated")?;
        let behind = only.and_then(|day| day.succ_opt());
        Ok(Self { since: only.or(day("DateCreated>")?), before: behind.or(day("DateCreated<")?) })
    }

    fn holds(&self, ms: i64) -> bool {
        let day = DateTime::from_timestamp_millis(ms).unwrap_or_default().date_naive();
        self.since.is_none_or(|since| day >= since) && self.before.is_none_or(|before| day < before)
    }
}

/// A recording's media, or `None` where it is not there (yet).
pub(super) fn media(
    state: &mut State,
    sid: &str,
    storage: SocketAddr,
    asked: &Asked,
) -> Option<Response> {
    let recording = state.recordings.iter_mut().find(|known| known.sid.as_str() == sid)?;
    *state.media_requests.entry(recording.sid.clone()).or_default() += 1;
    if recording.status != crate::RecordingStatus::Completed || recording.external.is_some() {
        return None;
    }
    if recording.not_ready_times > 0 {
        recording.not_ready_times -= 1;
        return None;
    }
    if recording.channels < 2 && asked.parameter("RequestedChannels") == Some("2") {
        return Some(answer::mono_only());
    }
    if recording.redirected {
        return Some(answer::redirect(storage, sid));
    }
    let (bytes, content_type) = if asked.path.ends_with(".mp3") {
        if recording.encrypted {
            return Some(answer::no_mp3_of_encrypted());
        }
        (recording.mp3.clone()?, "audio/mpeg")
    } else {
        let both = asked.parameter("RequestedChannels") == Some("2");
        let mixed = recording.mixed.clone().filter(|_| !both);
        (mixed.unwrap_or_else(|| recording.media.clone()), "audio/x-wav")
    };
    let sid = recording.sid.clone();
    Some(state.hand_out(&sid, &bytes, content_type, asked.range.as_deref()))
}

//! What the double knows.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use domain::{CallSid, RecordingSid};

use warp::{
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::answer;
use crate::RecordingStatus;

/// A call at the double.
#[derive(Debug, Clone)]
pub struct DoubleCall {
    /// Its identifier.
    pub sid: CallSid,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// `inbound`, `outbound-api`, …
    pub direction: String,
    /// `completed`, `no-answer`, …
    pub status: String,
    /// How long it lasted, in seconds.
    pub duration_seconds: Option<u32>,
    /// The leg that started this one.
    pub parent_call_sid: Option<CallSid>,
    /// When it started, in milliseconds since 1970 (UTC).
    pub start_time_ms: i64,
}

impl DoubleCall {
    /// A completed inbound call of half a minute, just now.
    pub fn inbound(sid: CallSid, from: &str, to: &str) -> Self {
        Self {
            sid,
            from: from.into(),
            to: to.into(),
            direction: "inbound".into(),
            status: "completed".into(),
            duration_seconds: Some(30),
            parent_call_sid: None,
            start_time_ms: chrono::Utc::now().timestamp_millis() - 30_000,
        }
    }
}

/// A recording at the double.
#[derive(Debug, Clone)]
pub struct DoubleRecording {
    /// Its identifier.
    pub sid: RecordingSid,
    /// The call it was made of.
    pub call_sid: CallSid,
    /// How far it is.
    pub status: RecordingStatus,
    /// Length in seconds; `None` is told as `-1`.
    pub duration_seconds: Option<u32>,
    /// Channels; of one with 1 nobody gets 2.
    pub channels: u16,
    /// When it started and came into the list, in milliseconds since 1970 (UTC).
    pub start_time_ms: i64,
    /// What made it.
    pub source: String,
    /// The bytes of its WAV, of whatever kind.
    pub media: Bytes,
    /// The WAV with both channels mixed, for whoever does not ask for two. Default: `media`.
    pub mixed: Option<Bytes>,
    /// The bytes of its MP3. Default: none.
    pub mp3: Option<Bytes>,
    /// How many requests for its media are answered 404 first.
    pub not_ready_times: u32,
    /// Whether its media is encrypted (there is no MP3 then).
    pub encrypted: bool,
    /// Whether downloads are redirected to the storage host.
    pub redirected: bool,
    /// The next downloads lose their connection after so many bytes each. Default: none.
    pub breaks_after: VecDeque<usize>,
    /// Address of its media outside Twilio, where the account keeps it; Twilio has none then.
    pub external: Option<String>,
    /// Whether a part of its media may be asked for. Default: yes.
    pub gives_parts: bool,
    /// Whether it is listed as one of no call.
    pub of_no_call: bool,
}

impl DoubleRecording {
    /// A completed mono recording, just now.
    pub fn new(sid: RecordingSid, call_sid: CallSid, media: impl Into<Bytes>) -> Self {
        Self {
            sid,
            call_sid,
            status: RecordingStatus::Completed,
            duration_seconds: Some(30),
            channels: 1,
            start_time_ms: chrono::Utc::now().timestamp_millis() - 30_000,
            source: "OutboundAPI".into(),
            media: media.into(),
            mixed: None,
            mp3: None,
            not_ready_times: 0,
            encrypted: false,
            redirected: false,
            breaks_after: VecDeque::new(),
            external: None,
            of_no_call: false,
            gives_parts: true,
        }
    }
}

/// What a request to the API may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 with code 20429, and a `Retry-After` of so many seconds.
    TooManyRequests {
        /// Seconds in the header; no header where absent.
        retry_after_seconds: Option<u64>,
    },
    /// 503 without a body that means anything.
    Unavailable,
    /// 200 with a page of HTML.
    Nonsense,
    /// No answer at all.
    Silence,
    /// A redirect to the storage host.
    Redirect,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) credentials: Vec<(String, String)>,
    pub(super) calls: BTreeMap<CallSid, DoubleCall>,
    pub(super) recordings: Vec<DoubleRecording>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) page_limit: Option<usize>,
    pub(super) api_requests: usize,
    pub(super) media_requests: HashMap<RecordingSid, usize>,
    pub(super) media_served: HashMap<RecordingSid, usize>,
    pub(super) media_bytes: HashMap<RecordingSid, usize>,
    pub(super) storage_saw_credentials: bool,
}

impl State {
    pub(super) fn recording(&self, sid: &str) -> Option<&DoubleRecording> {
        self.recordings.iter().find(|recording| recording.sid.as_str() == sid)
    }

    /// The media itself, or the part that is asked for where it gives parts; a download that is to
    /// break off does.
    pub(super) fn hand_out(
        &mut self,
        sid: &RecordingSid,
        bytes: &Bytes,
        content_type: &'static str,
        range: Option<&str>,
    ) -> Response {
        let Some(recording) = self.recordings.iter_mut().find(|known| known.sid == *sid) else {
            return answer::status(StatusCode::NOT_FOUND);
        };
        let range = range.filter(|_| recording.gives_parts);
        let breaks_after = recording.breaks_after.pop_front();
        let (mut response, sent) = answer::media(bytes, content_type, range, breaks_after);
        if recording.gives_parts {
            let parts = HeaderValue::from_static("bytes");
            response.headers_mut().insert(header::ACCEPT_RANGES, parts);
        }
        *self.media_served.entry(sid.clone()).or_default() += 1;
        *self.media_bytes.entry(sid.clone()).or_default() += sent;
        response
    }
}

//! Answers in Twilio's words.

use std::net::SocketAddr;

use bytes::Bytes;
use chrono::DateTime;
use domain::AccountSid;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use warp::{
    Reply,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{DoubleCall, DoubleRecording, Fault};
use crate::TwilioError;

pub(super) fn status(status: StatusCode) -> Response {
    with(status, "text/plain", Bytes::new())
}

pub(super) fn json(value: &Value) -> Response {
    with(StatusCode::OK, "application/json", value.to_string())
}

/// Media, or the part of it that a header `Range` asks for, and how many bytes are sent: all of them,
/// unless the connection breaks before.
pub(super) fn media(
    bytes: &Bytes,
    content_type: &'static str,
    range: Option<&str>,
    breaks_after: Option<usize>,
) -> (Response, usize) {
    let whole = bytes.len();
    let (answer, part, told) = match range.and_then(|range| part(range, whole)) {
        None => (StatusCode::OK, bytes.clone(), None),
        Some((first, last)) if first < whole => {
            let told = format!("bytes {first}-{last}/{whole}");
            (StatusCode::PARTIAL_CONTENT, bytes.slice(first..=last), Some(told))
        }
        Some(_) => {
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), Some(format!("bytes */{whole}")))
        }
    };
    let breaks_after = breaks_after.filter(|after| *after < part.len());
    let sent = breaks_after.unwrap_or(part.len());
    let mut response = with(answer, content_type, part.clone());
    if breaks_after.is_some() {
        response = breaking(response, &part, sent);
    }
    let told = told.and_then(|told| HeaderValue::from_str(&told).ok());
    response.headers_mut().extend(told.map(|told| (header::CONTENT_RANGE, told)));
    (response, sent)
}

/// The same answer, whose connection ends after so many bytes.
fn breaking(response: Response, bytes: &Bytes, after: usize) -> Response {
    let (mut head, _) = response.into_parts();
    head.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    let sent = stream::iter([Ok(bytes.slice(..after))]);
    let lost = stream::once(async {
        // What was sent leaves before the connection does.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("the connection is lost"))
    });
    let body = warp::reply::stream(sent.chain(lost)).into_response().into_body();
    Response::from_parts(head, body)
}

/// First and last byte of `bytes=0-99`, `bytes=100-` or `bytes=-100`.
fn part(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = whole.saturating_sub(1);
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => Some((first, last.min(end))),
        (Ok(first), Err(_)) => Some((first, end)),
        (Err(_), Ok(count)) => Some((whole.saturating_sub(count), end)),
        (Err(_), Err(_)) => None,
    }
}

pub(super) fn redirect(storage: SocketAddr, path: &str) -> Response {
    let mut response = status(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(target) = HeaderValue::from_str(&format!("http://{storage}/{path}")) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

pub(super) fn not_found(path: &str, xml: bool) -> Response {
    let message = format!("The requested resource {path} was not found");
    error(StatusCode::NOT_FOUND, 20404, &message, xml)
}

pub(super) fn mono_only() -> Response {
    let message = "Requested channels is not available for a mono recording";
    error(StatusCode::BAD_REQUEST, TwilioError::MONO_ONLY, message, true)
}

pub(super) fn no_mp3_of_encrypted() -> Response {
    let message = "An encrypted recording has no mp3";
    error(StatusCode::BAD_REQUEST, TwilioError::NO_MP3_OF_ENCRYPTED, message, true)
}

pub(super) fn error(status: StatusCode, code: u32, message: &str, xml: bool) -> Response {
    let info = format!("https://www.twilio.com/docs/errors/{code}");
    let number = status.as_u16();
    if xml {
        let text = format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException>\
             <Code>{code}</Code><Message>{message}</Message><MoreInfo>{info}</MoreInfo>\
             <Status>{number}</Status></RestException></TwilioResponse>"
        );
        return with(status, "application/xml", text);
    }
    let body = json!({ "code": code, "message": message, "more_info": info, "status": number });
    with(status, "application/json", body.to_string())
}

pub(super) fn fault(fault: Fault, storage: SocketAddr) -> Response {
    match fault {
        Fault::TooManyRequests { retry_after_seconds } => {
            let mut response =
                error(StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests", false);
            if let Some(seconds) = retry_after_seconds {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Fault::Nonsense => with(StatusCode::OK, "text/html", "<html>an error page</html>"),
        Fault::Redirect => redirect(storage, "elsewhere"),
        Fault::Unavailable | Fault::Silence => status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

pub(super) fn call(account: &AccountSid, call: &DoubleCall) -> Value {
    json!({
        "account_sid": account,
        "sid": call.sid,
        "from": call.from,
        "to": call.to,
        "direction": call.direction,
        "status": call.status,
        "duration": call.duration_seconds.map(|seconds| seconds.to_string()),
        "start_time": rfc2822(call.start_time_ms),
        "parent_call_sid": call.parent_call_sid,
        "uri": format!("/2010-04-01/Accounts/{account}/Calls/{}.json", call.sid),
    })
}

pub(super) fn recording(account: &AccountSid, recording: &DoubleRecording) -> Value {
    let path = format!("/2010-04-01/Accounts/{account}/Recordings/{}", recording.sid);
    let details = recording.encrypted.then(|| json!({ "type": "rsa-aes" }));
    json!({
        "account_sid": account,
        "sid": recording.sid,
        "call_sid": (!recording.of_no_call).then_some(&recording.call_sid),
        "status": recording.status.as_str(),
        "duration": duration(recording),
        "channels": recording.channels,
        "start_time": rfc2822(recording.start_time_ms),
        "date_created": rfc2822(recording.start_time_ms),
        "source": recording.source,
        "error_code": null,
        "price": null,
        "encryption_details": details,
        "media_url": recording.external.clone().unwrap_or(format!("https://api.twilio.com{path}")),
        "uri": format!("{path}.json"),
    })
}

/// A recording's length as Twilio tells it: a text, `-1` while unknown.
pub(super) fn duration(recording: &DoubleRecording) -> String {
    recording.duration_seconds.map_or_else(|| "-1".into(), |seconds| seconds.to_string())
}

/// `Fri, 14 Oct 2016 21:56:34 +0000`.
pub(super) fn rfc2822(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc2822()
}

fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

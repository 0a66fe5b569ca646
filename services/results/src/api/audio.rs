//! A recording's audio: from Twilio to the listener, piece by piece, without the credentials.

use domain::{AccountSid, CallSid, RecordingSid};
use futures_util::StreamExt;
use twilio::{ByteRange, Client, Media, MediaFormat, Rest, TwilioError};
use url::Url;
use warp::{
    http::{
        HeaderValue, StatusCode,
        header::{
            ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE, RETRY_AFTER,
        },
    },
    reply::Response,
};

use super::{
    Api, Problem, Request,
    again::stored,
    calls::{self, RECORDING, SID},
    kind::Kind,
    range::{self, Part},
    route::{Answer, Content, Parameter, Route},
    streaming,
};
use crate::store::entities::recordings;

const FORMAT: Parameter =
    Parameter::new("format", Kind::Choice(&["wav", "mp3"]), "WAV unless given.");
const CONTENT: &[(&str, Content)] = &[
    ("audio/x-wav", Content::Binary),
    ("audio/wav", Content::Binary),
    ("audio/mpeg", Content::Binary),
];
const TAG: (&str, &str) = ("ETag", "Tells one recording from another, for `If-Range`.");

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    summary: "A recording's audio",
    description: "Streamed from Twilio, or from where the account keeps its recordings (in the format \
                  they have there), whole or in part. Of a call with several recordings it is \
                  the first one, unless `recording` says which.",
    segments: &[SID],
    query: &[RECORDING, FORMAT],
    headers: &[
        Parameter::new("range", Kind::Text(100), "One stretch, such as `bytes=0-65535`."),
        Parameter::new("if-range", Kind::Text(100), "`Range` counts if this is the `ETag`."),
    ],
    answers: &[
        Answer {
            status: 200,
            description: "The whole recording.",
            content: CONTENT,
            headers: &[TAG],
        },
        Answer {
            status: 206,
            description: "The stretch that was asked for.",
            content: CONTENT,
            headers: &[TAG, ("Content-Range", "Which stretch, and the length of the whole.")],
        },
    ],
    problems: &[
        (404, "There is no such call or recording, or Twilio does not have it."),
        (410, "The recording was deleted at Twilio by retention."),
        (416, "The recording is shorter than that."),
        (
            502,
            "Twilio, or where the account keeps it, refuses or sends something that is no audio.",
        ),
    ],
    ..Route::get("/v1/calls/{sid}/audio", "get_audio", |api, request| Box::pin(get(api, request)))
}];

async fn get(api: &Api, request: &Request) -> Result<Response, Problem> {
    let sid: CallSid = request.params.parsed("sid")?.ok_or_else(calls::unknown)?;
    let call = calls::find(api, request).await?;
    let wanted = request.params.get("recording");
    let recording = call
        .recordings
        .into_iter()
        .find(|row| wanted.is_none_or(|wanted| wanted == row.recording_sid))
        .ok_or_else(|| Problem::not_found("the call has no such recording"))?;
    if recording.media_deleted_at.is_some() {
        return Err(Problem::new(StatusCode::GONE, "the recording was deleted at Twilio"));
    }
    let place = streaming::take(&api.places.audio)?;
    let format = match request.params.get("format") {
        Some("mp3") => MediaFormat::Mp3,
        _ => MediaFormat::Wav,
    };
    let tag = format!("\"{}-{format:?}\"", recording.recording_sid).to_lowercase();
    let range = asked_range(request, &tag);
    let media = open(api, &recording, format, range).await?;
    let content_type = media.content_type.clone().unwrap_or_default();
    if !content_type.starts_with("audio/") {
        return Err(Problem::new(
            StatusCode::BAD_GATEWAY,
            "Twilio sent something that is no audio",
        ));
    }

    let part = range::part(range, media.stretch, media.content_length)?;
    let (skip, length) = (part.skip(), part.length());
    let body = range::cut(media.into_stream(), skip, length).map(move |piece| {
        piece.inspect_err(|error| tracing::warn!(call_sid = %sid, %error, "audio broke off"))
    });
    let mut response = streaming::response(&content_type, body, place);
    describe(&mut response, &part, &tag);
    Ok(response)
}

/// A part is only asked for of the recording that the listener has the other parts of.
fn asked_range(request: &Request, tag: &str) -> Option<ByteRange> {
    let same = request.params.get(IF_RANGE.as_str()).is_none_or(|asked| asked == tag);
    request.params.get(RANGE.as_str()).filter(|_| same).and_then(range::parse)
}

async fn open(
    api: &Api,
    recording: &recordings::Model,
    format: MediaFormat,
    range: Option<ByteRange>,
) -> Result<Media, Problem> {
    let account: AccountSid = stored(recording.account_sid.parse())?;
    let sid: RecordingSid = stored(recording.recording_sid.parse())?;
    let Some(client) = &api.twilio else {
        return Err(Problem::not_found("no Twilio account is configured to fetch it from"));
    };
    let error = match client.media_part(&account, &sid, format, range).await {
        Ok(media) => return Ok(media),
        Err(missing @ TwilioError::NotFound { .. }) => {
            match outside(client, &account, &sid).await {
                Ok(Some(place)) => return open_outside(client, &place, &recording.call_sid).await,
                Ok(None) => missing,
                Err(unknown) => unknown,
            }
        }
        Err(error) => error,
    };
    if !matches!(error, TwilioError::NotFound { .. }) {
        tracing::warn!(call_sid = recording.call_sid, %error, "audio could not be fetched");
    }
    Err(of_twilio(&error))
}

/// Where the account keeps the recording, when that is not Twilio. Twilio itself says so: an address
/// from anywhere else would not be asked.
async fn outside(
    client: &Client,
    account: &AccountSid,
    sid: &RecordingSid,
) -> Result<Option<Url>, TwilioError> {
    Ok(client.recording(account, sid).await?.external_media)
}

/// The whole of it, of which a part is cut out here, in the format it is kept in.
async fn open_outside(client: &Client, place: &Url, call_sid: &str) -> Result<Media, Problem> {
    client.external_media(place, &Rest::default()).await.map_err(|error| {
        let host = place.host_str().unwrap_or_default();
        tracing::warn!(call_sid, host, %error, "audio kept outside Twilio could not be fetched");
        let detail = format!(
            "the account keeps this recording outside Twilio, at {host}, which does not give it to \
             Callscribe: open it there"
        );
        Problem::new(StatusCode::BAD_GATEWAY, detail)
    })
}

fn of_twilio(error: &TwilioError) -> Problem {
    match error {
        TwilioError::NotFound { .. } => {
            Problem::not_found("Twilio does not have the recording, or not yet")
        }
        TwilioError::UnknownAccount(_) => {
            Problem::not_found("the account is not configured, so Twilio cannot be asked")
        }
        TwilioError::Api { status: 416, .. } => range::beyond(None),
        error if error.is_transient() => {
            let seconds = error.retry_after().map_or(5, |wait| wait.as_secs().max(1));
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Twilio cannot be asked now; try again")
                .with(RETRY_AFTER, seconds.to_string())
        }
        _ => Problem::new(StatusCode::BAD_GATEWAY, "Twilio refuses; the log says why"),
    }
}

fn describe(response: &mut Response, part: &Part, tag: &str) {
    let mut told = vec![(ETAG, tag.to_owned())];
    if let Some(length) = part.length() {
        told.push((CONTENT_LENGTH, length.to_string()));
        told.push((ACCEPT_RANGES, "bytes".to_owned()));
    }
    if let Some(stretch) = part.content_range() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        told.push((CONTENT_RANGE, stretch));
    }
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

//! Downloads.

use std::fmt;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use reqwest::{
    Method, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use url::Url;

use super::{
    Credentials,
    transport::{Transport, accepted},
};
use crate::TwilioError;

/// In which format a recording is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaFormat {
    /// WAV, as it was recorded.
    Wav,
    /// MP3, smaller and lossy.
    Mp3,
}

impl MediaFormat {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
        }
    }
}

/// A stretch of bytes, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From one byte, counted from 0, to another one or to the end.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(first, Some(last)) => write!(f, "bytes={first}-{last}"),
            Self::From(first, None) => write!(f, "bytes={first}-"),
            Self::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
}

/// What stretch of a recording a download is: `Content-Range` of an answer 206.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// Bytes of the whole.
    pub whole: u64,
}

impl Stretch {
    /// Reads `bytes 0-99/1000`.
    fn parse(text: &str) -> Option<Self> {
        let (stretch, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = stretch.split_once('-')?;
        let (first, last, whole) = (first.parse().ok()?, last.parse().ok()?, whole.parse().ok()?);
        (first <= last && last < whole).then_some(Self { first, last, whole })
    }
}

/// A download that has begun.
pub struct Media {
    /// Which part it is, where a part was asked for and Twilio gives parts; else it is the whole.
    pub stretch: Option<Stretch>,
    /// Length in bytes, where Twilio said it.
    pub content_length: Option<u64>,
    /// What Twilio says it is; not to be relied on.
    pub content_type: Option<String>,
    body: BoxStream<'static, Result<Bytes, TwilioError>>,
}

impl Media {
    /// The body, piece by piece. The caller bounds its size and its time.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, TwilioError>> + Send + Unpin {
        self.body
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("content_length", &self.content_length)
            .finish_non_exhaustive()
    }
}

/// Sends the request and follows redirects, leaving the credentials behind.
pub(super) async fn open(
    transport: &Transport,
    credentials: &Credentials,
    url: Url,
    range: Option<ByteRange>,
) -> Result<Media, TwilioError> {
    let range = range.and_then(|range| HeaderValue::from_str(&range.to_string()).ok());
    let headers: HeaderMap = range.map(|range| (header::RANGE, range)).into_iter().collect();
    let asking = transport.send_with(Method::GET, credentials, url.clone(), headers.clone());
    let mut response = asking.await?;
    if response.status().is_redirection() {
        let target = response.headers().get(header::LOCATION);
        let target = target.and_then(|target| target.to_str().ok());
        let target = target
            .and_then(|target| url.join(target).ok())
            .ok_or_else(|| TwilioError::Unreadable("a redirect that leads nowhere".into()))?;
        response = transport.follow(target, headers).await?;
    }
    let response = accepted(response).await?;
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let stretch = match response.status() {
        StatusCode::PARTIAL_CONTENT => Some(
            text(header::CONTENT_RANGE)
                .and_then(Stretch::parse)
                .ok_or_else(|| TwilioError::Unreadable("a part that does not say which".into()))?,
        ),
        _ => None,
    };
    Ok(Media {
        stretch,
        content_length: response.content_length(),
        content_type: text(header::CONTENT_TYPE).map(str::to_owned),
        body: response.bytes_stream().map(|piece| piece.map_err(TwilioError::from)).boxed(),
    })
}

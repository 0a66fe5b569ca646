//! Downloads.

use std::fmt;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use reqwest::{
    Method, Response, StatusCode,
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

/// What is left of a download that broke off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rest {
    /// The first byte that is missing.
    pub from: u64,
    /// What the media was called by its server then ([`Media::version`]): of another one, the rest
    /// would not fit.
    pub version: Option<String>,
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
    /// Whether the server says that it gives parts.
    pub gives_parts: bool,
    /// What the server calls these bytes: other bytes have another name.
    pub version: Option<String>,
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
            .field("stretch", &self.stretch)
            .field("content_length", &self.content_length)
            .finish_non_exhaustive()
    }
}

impl Rest {
    /// Source: RFC 9110, sections 14.2 (`Range`) and 13.1.5 (`If-Range`).
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = range((self.from > 0).then_some(ByteRange::From(self.from, None)));
        if !headers.is_empty()
            && let Some(Ok(version)) = self.version.as_ref().map(|version| version.parse())
        {
            headers.insert(header::IF_RANGE, version);
        }
        headers
    }
}

/// Sends the request and follows redirects, leaving the credentials behind.
pub(super) async fn open(
    transport: &Transport,
    credentials: &Credentials,
    url: Url,
    headers: HeaderMap,
) -> Result<Media, TwilioError> {
    let asking = transport.send_in_turn(Method::GET, credentials, url.clone(), headers.clone());
    let mut response = asking.await?;
    if response.status().is_redirection() {
        let target = response.headers().get(header::LOCATION);
        let target = target.and_then(|target| target.to_str().ok());
        let target = target
            .and_then(|target| url.join(target).ok())
            .ok_or_else(|| TwilioError::Unreadable("a redirect that leads nowhere".into()))?;
        response = transport.follow(target, headers).await?;
    }
    Media::of(accepted(response).await?)
}

/// Asks without credentials.
pub(super) async fn open_external(
    transport: &Transport,
    url: &Url,
    headers: HeaderMap,
) -> Result<Media, TwilioError> {
    Media::of(accepted(transport.follow(url.clone(), headers).await?).await?)
}

/// What asks for a part.
pub(super) fn range(range: Option<ByteRange>) -> HeaderMap {
    let range = range.and_then(|range| HeaderValue::from_str(&range.to_string()).ok());
    range.map(|range| (header::RANGE, range)).into_iter().collect()
}

impl Media {
    /// Which byte of the whole comes first.
    pub fn starts_at(&self) -> u64 {
        self.stretch.map_or(0, |stretch| stretch.first)
    }

    /// Length of the whole in bytes, where the server said it.
    pub fn total(&self) -> Option<u64> {
        self.stretch.map_or(self.content_length, |stretch| Some(stretch.whole))
    }

    fn of(response: Response) -> Result<Self, TwilioError> {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let stretch = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                Some(text(header::CONTENT_RANGE).and_then(Stretch::parse).ok_or_else(|| {
                    TwilioError::Unreadable("a part that does not say which".into())
                })?)
            }
            _ => None,
        };
        // A weak name does not promise the same bytes.
        let name = text(header::ETAG).filter(|name| !name.starts_with("W/"));
        Ok(Self {
            stretch,
            content_length: response.content_length(),
            gives_parts: stretch.is_some() || text(header::ACCEPT_RANGES) == Some("bytes"),
            version: name.or_else(|| text(header::LAST_MODIFIED)).map(str::to_owned),
            content_type: text(header::CONTENT_TYPE).map(str::to_owned),
            body: response.bytes_stream().map(|piece| piece.map_err(TwilioError::from)).boxed(),
        })
    }
}

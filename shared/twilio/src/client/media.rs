//! Downloads.

use std::fmt;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use reqwest::{Method, Response, StatusCode, header, header::HeaderMap};
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

/// A download that has begun.
pub struct Media {
    /// Which byte of the whole comes first.
    pub starts_at: u64,
    /// Length of the whole in bytes, where the server said it.
    pub total: Option<u64>,
    /// Whether the server says that it gives parts.
    pub in_parts: bool,
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
            .field("starts_at", &self.starts_at)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Rest {
    /// Source: RFC 9110, sections 14.2 (`Range`) and 13.1.5 (`If-Range`).
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.from > 0
            && let Ok(range) = format!("bytes={}-", self.from).parse()
        {
            headers.insert(header::RANGE, range);
            let version = self.version.as_ref().and_then(|version| version.parse().ok());
            headers.extend(version.map(|version| (header::IF_RANGE, version)));
        }
        headers
    }
}

/// Sends the request and follows redirects, leaving the credentials behind.
pub(super) async fn open(
    transport: &Transport,
    credentials: &Credentials,
    url: Url,
    rest: &Rest,
) -> Result<Media, TwilioError> {
    let mut response = transport.send(Method::GET, credentials, url.clone(), rest.headers()).await?;
    if response.status().is_redirection() {
        let target = response.headers().get(header::LOCATION);
        let target = target.and_then(|target| target.to_str().ok());
        let target = target
            .and_then(|target| url.join(target).ok())
            .ok_or_else(|| TwilioError::Unreadable("a redirect that leads nowhere".into()))?;
        response = transport.follow(target, rest.headers()).await?;
    }
    Media::of(accepted(response).await?)
}

/// Asks without credentials.
pub(super) async fn open_external(
    transport: &Transport,
    url: &Url,
    rest: &Rest,
) -> Result<Media, TwilioError> {
    Media::of(accepted(transport.follow(url.clone(), rest.headers()).await?).await?)
}

impl Media {
    fn of(response: Response) -> Result<Self, TwilioError> {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        let (starts_at, total) = if is_part {
            text(header::CONTENT_RANGE)
                .and_then(span)
                .ok_or_else(|| TwilioError::Unreadable("a part of nobody knows what".into()))?
        } else {
            (0, response.content_length())
        };
        // A weak name does not promise the same bytes.
        let name = text(header::ETAG).filter(|name| !name.starts_with("W/"));
        Ok(Self {
            starts_at,
            total,
            in_parts: is_part || text(header::ACCEPT_RANGES) == Some("bytes"),
            version: name.or_else(|| text(header::LAST_MODIFIED)).map(str::to_owned),
            content_type: text(header::CONTENT_TYPE).map(str::to_owned),
            body: response.bytes_stream().map(|piece| piece.map_err(TwilioError::from)).boxed(),
        })
    }
}

/// `bytes 100-199/200` as 100 and 200; the length may be unknown (`*`).
fn span(text: &str) -> Option<(u64, Option<u64>)> {
    let (first, rest) = text.strip_prefix("bytes ")?.split_once('-')?;
    let (_, total) = rest.split_once('/')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_as_the_rfc_writes_it() {
        assert_eq!(span("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(span("bytes 0-9/*"), Some((0, None)));
        assert_eq!(span("bytes */200"), None);
        assert_eq!(span("items 0-1/2"), None);
    }
}

//! Downloads.

use std::fmt;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use reqwest::{Method, header};
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

/// A download that has begun.
pub struct Media {
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
) -> Result<Media, TwilioError> {
    let mut response = transport.send(Method::GET, credentials, url.clone()).await?;
    if response.status().is_redirection() {
        let target = response.headers().get(header::LOCATION);
        let target = target.and_then(|target| target.to_str().ok());
        let target = target
            .and_then(|target| url.join(target).ok())
            .ok_or_else(|| TwilioError::Unreadable("a redirect that leads nowhere".into()))?;
        response = transport.follow(target).await?;
    }
    let response = accepted(response).await?;
    let content_type = response.headers().get(header::CONTENT_TYPE);
    Ok(Media {
        content_length: response.content_length(),
        content_type: content_type.and_then(|value| value.to_str().ok()).map(str::to_owned),
        body: response.bytes_stream().map(|piece| piece.map_err(TwilioError::from)).boxed(),
    })
}

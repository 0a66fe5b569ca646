//! One form of a recording's media, taken up again where its connection broke.

use std::time::Duration;

use domain::{AccountSid, RecordingSid};
use futures_util::StreamExt;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tracing::debug;
use twilio::{Client, Media, MediaFormat, Rest, TwilioError};
use url::Url;

use super::FetchError;

/// Connections in a row that may end without a byte more than the one before.
const FRUITLESS: u32 = 4;

/// The first pause before a download is taken up again; doubles with each fruitless one.
const PAUSE: Duration = Duration::from_millis(200);

/// Where media is asked for.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// At Twilio, in this format, with so many channels where that is said.
    Twilio(MediaFormat, Option<u8>),
    /// Where the account keeps it.
    Outside(Url),
}

impl Place {
    /// Whether all channels come as one.
    pub(super) fn is_mixed(&self) -> bool {
        matches!(self, Self::Twilio(_, None))
    }
}

/// A download into a file.
pub(super) struct Download<'a> {
    pub(super) client: &'a Client,
    pub(super) account: &'a AccountSid,
    pub(super) recording: &'a RecordingSid,
    pub(super) place: &'a Place,
    pub(super) max_bytes: u64,
}

/// What there is of it so far.
struct Saved {
    file: tokio::fs::File,
    bytes: u64,
    /// Whether more can be had without what there is, and what it was called.
    in_parts: bool,
    version: Option<String>,
}

impl Download<'_> {
    /// Saves the whole, however many connections that takes; returns its length.
    ///
    /// # Errors
    /// When it is too large or cannot be written, when it does not begin, and when connections break
    /// without bringing it further.
    pub(super) async fn save(&self, file: std::fs::File) -> Result<u64, FetchError> {
        let file = tokio::fs::File::from_std(file);
        let mut saved = Saved { file, bytes: 0, in_parts: false, version: None };
        let mut most = 0;
        let mut fruitless = 0;
        loop {
            let Err(error) = self.go_on(&mut saved).await else { return Ok(saved.bytes) };
            fruitless = if saved.bytes > most { 0 } else { fruitless + 1 };
            most = most.max(saved.bytes);
            // What did not begin is left to whoever knows what a repetition costs.
            if most == 0 || fruitless >= FRUITLESS || !can_heal(&error) {
                return Err(error);
            }
            debug!(recording_sid = %self.recording, bytes = saved.bytes, %error, "download goes on");
            let asked = match &error {
                FetchError::Twilio(error) => error.retry_after(),
                _ => None,
            };
            tokio::time::sleep(asked.unwrap_or(PAUSE * 2_u32.pow(fruitless))).await;
        }
    }

    /// One connection: what is missing, or all of it where it is not given in parts.
    async fn go_on(&self, saved: &mut Saved) -> Result<(), FetchError> {
        let media = self.ask(&saved.rest()).await?;
        let total = media.total();
        if total.is_some_and(|total| total > self.max_bytes) {
            return Err(FetchError::TooLarge { max_bytes: self.max_bytes });
        }
        saved.take(media, self.max_bytes).await?;
        match total {
            Some(expected) if expected != saved.bytes => {
                Err(FetchError::Incomplete { received: saved.bytes, expected })
            }
            _ => Ok(()),
        }
    }

    async fn ask(&self, rest: &Rest) -> Result<Media, TwilioError> {
        match self.place {
            Place::Twilio(format, channels) => {
                let (account, recording) = (self.account, self.recording);
                self.client.rest_of_media(account, recording, *format, *channels, rest).await
            }
            Place::Outside(url) => self.client.external_media(url, rest).await,
        }
    }
}

impl Saved {
    fn rest(&self) -> Rest {
        if !self.in_parts {
            return Rest::default();
        }
        Rest { from: self.bytes, version: self.version.clone() }
    }

    async fn begin_anew(&mut self) -> std::io::Result<()> {
        self.file.set_len(0).await?;
        self.file.rewind().await?;
        self.bytes = 0;
        Ok(())
    }

    /// Writes what comes; as much of it as came is kept when it ends early.
    async fn take(&mut self, media: Media, max_bytes: u64) -> Result<(), FetchError> {
        if media.starts_at() != self.bytes {
            if media.starts_at() != 0 {
                let what = "a part that was not asked for";
                return Err(TwilioError::Unreadable(what.into()).into());
            }
            self.begin_anew().await?;
        }
        self.in_parts = media.gives_parts;
        self.version.clone_from(&media.version);
        let mut body = media.into_stream();
        let ended = loop {
            match body.next().await {
                None => break Ok(()),
                Some(Err(error)) => break Err(error.into()),
                Some(Ok(part)) if self.bytes + part.len() as u64 > max_bytes => {
                    break Err(FetchError::TooLarge { max_bytes });
                }
                Some(Ok(part)) => {
                    self.file.write_all(&part).await?;
                    self.bytes += part.len() as u64;
                }
            }
        };
        self.file.flush().await?;
        ended
    }
}

/// Whether another connection may bring more.
fn can_heal(error: &FetchError) -> bool {
    match error {
        FetchError::Incomplete { .. } => true,
        FetchError::Twilio(error) => {
            error.is_transient() || matches!(error, TwilioError::Unreadable(_))
        }
        _ => false,
    }
}

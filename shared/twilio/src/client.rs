//! Twilio's REST API, as far as Callscribe needs it.

mod call;
mod media;
mod pace;
mod pages;
mod transport;

use std::{collections::HashMap, sync::Arc};

use domain::{AccountSid, CallSid, RecordingSid};
use reqwest::Method;
use secrecy::SecretString;
use url::Url;

use self::transport::Transport;
pub use self::{
    call::CallDetails,
    media::{ByteRange, Media, MediaFormat, Rest, Stretch},
    pages::{Days, RecordingPages},
};
use crate::{Recording, TwilioError, TwilioSettings, recording::RecordingJson};

/// Recordings on one page of a list: the most Twilio gives.
const PAGE_SIZE: u32 = 1000;

/// A client for all configured accounts. Cheap to clone; the clones share connections and pace.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    credentials: Arc<HashMap<AccountSid, Credentials>>,
}

/// User name and password towards Twilio.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

impl Client {
    /// A client with the settings' accounts, base and limits. Connects to nothing yet.
    ///
    /// # Errors
    /// When the base is no URL, or TLS cannot be set up.
    pub fn new(settings: &TwilioSettings) -> Result<Self, TwilioError> {
        let credentials = settings.all_accounts().into_iter().filter_map(|account| {
            let (user, password) = account.credentials?;
            Some((account.sid, Credentials { user, password }))
        });
        Ok(Self {
            credentials: Arc::new(credentials.collect()),
            transport: Transport::new(settings)?,
        })
    }

    /// The accounts that can be asked about, in no particular order.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountSid> {
        self.credentials.keys()
    }

    /// What Twilio knows of a call.
    ///
    /// # Errors
    /// As Twilio answers; busy and broken answers were repeated before.
    pub async fn call(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<CallDetails, TwilioError> {
        let url = self.transport.url(account, &format!("Calls/{call}.json"), &[]);
        self.transport.json(self.credentials(account)?, url).await
    }

    /// The recordings of a call, all of them.
    ///
    /// # Errors
    /// As Twilio answers; busy and broken answers were repeated before.
    pub async fn recordings_of_call(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<Vec<Recording>, TwilioError> {
        let of_call = vec![("CallSid", call.to_string())];
        let mut pages = self.pages(account, Days::default(), of_call)?;
        let mut all = Vec::new();
        while let Some(page) = pages.next_page().await? {
            all.extend(page);
        }
        match pages.unreadable() {
            0 => Ok(all),
            // One that is left out would be taken for one that does not exist.
            count => Err(TwilioError::Unreadable(format!("{count} recordings without their SIDs"))),
        }
    }

    /// The recordings made in a span of days, page by page, as Twilio orders them (newest first).
    ///
    /// # Errors
    /// When the account is not configured. The pages have errors of their own.
    pub fn recordings(
        &self,
        account: &AccountSid,
        days: Days,
    ) -> Result<RecordingPages, TwilioError> {
        self.pages(account, days, days.parameters())
    }

    /// What Twilio knows of a recording.
    ///
    /// # Errors
    /// As Twilio answers; busy and broken answers were repeated before.
    pub async fn recording(
        &self,
        account: &AccountSid,
        recording: &RecordingSid,
    ) -> Result<Recording, TwilioError> {
        let url = self.transport.url(account, &format!("Recordings/{recording}.json"), &[]);
        let json: RecordingJson = self.transport.json(self.credentials(account)?, url).await?;
        Ok(json.into_recording(self.transport.host()))
    }

    /// Starts the download of a recording's media.
    ///
    /// Not repeated here: whoever downloads knows what a repetition costs. The body may be an error
    /// page in spite of a good status, so look at its first bytes before calling it audio.
    ///
    /// # Errors
    /// [`TwilioError::NotFound`] while the media is not ready; code
    /// [`TwilioError::MONO_ONLY`] when two channels were asked of a recording that has one.
    pub async fn media(
        &self,
        account: &AccountSid,
        recording: &RecordingSid,
        format: MediaFormat,
        requested_channels: Option<u8>,
    ) -> Result<Media, TwilioError> {
        self.rest_of_media(account, recording, format, requested_channels, &Rest::default()).await
    }

    /// As [`Client::media`], for a download that broke off: what is left of it, or all of it where
    /// it cannot be had in parts ([`Media::starts_at`] says which).
    ///
    /// # Errors
    /// As [`Client::media`].
    pub async fn rest_of_media(
        &self,
        account: &AccountSid,
        recording: &RecordingSid,
        format: MediaFormat,
        requested_channels: Option<u8>,
        rest: &Rest,
    ) -> Result<Media, TwilioError> {
        let path = format!("Recordings/{recording}.{}", format.extension());
        let channels = requested_channels.map(|channels| channels.to_string());
        let query: Vec<_> =
            channels.iter().map(|channels| ("RequestedChannels", channels.as_str())).collect();
        let url = self.transport.url(account, &path, &query);
        media::open(&self.transport, self.credentials(account)?, url, rest.headers()).await
    }

    /// Starts the download of media that the account keeps outside Twilio, without credentials.
    /// `url` is [`Recording::external_media`], never an address out of a callback.
    ///
    /// # Errors
    /// As that place answers.
    pub async fn external_media(&self, url: &Url, rest: &Rest) -> Result<Media, TwilioError> {
        media::open_external(&self.transport, url, rest.headers()).await
    }

    /// Starts the download of a part of a recording's media, as somebody listens to it: channels
    /// mixed. Where Twilio gives no parts, the whole comes, and [`Media::stretch`] is `None`.
    ///
    /// # Errors
    /// As [`Client::media`]; [`TwilioError::Api`] with status 416 when the recording is shorter.
    pub async fn media_part(
        &self,
        account: &AccountSid,
        recording: &RecordingSid,
        format: MediaFormat,
        range: Option<ByteRange>,
    ) -> Result<Media, TwilioError> {
        let path = format!("Recordings/{recording}.{}", format.extension());
        let url = self.transport.url(account, &path, &[]);
        media::open(&self.transport, self.credentials(account)?, url, media::range(range)).await
    }

    /// Deletes a recording at Twilio; one that is gone already counts as deleted.
    ///
    /// # Errors
    /// As Twilio answers; busy and broken answers were repeated before.
    pub async fn delete_recording(
        &self,
        account: &AccountSid,
        recording: &RecordingSid,
    ) -> Result<(), TwilioError> {
        let url = self.transport.url(account, &format!("Recordings/{recording}.json"), &[]);
        match self.transport.ask(Method::DELETE, self.credentials(account)?, &url).await {
            Ok(_) | Err(TwilioError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn pages(
        &self,
        account: &AccountSid,
        days: Days,
        mut filter: Vec<(&'static str, String)>,
    ) -> Result<RecordingPages, TwilioError> {
        filter.push(("PageSize", PAGE_SIZE.to_string()));
        let query: Vec<_> = filter.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = self.transport.url(account, "Recordings.json", &query);
        let credentials = self.credentials(account)?.clone();
        Ok(RecordingPages::new(self.transport.clone(), credentials, url, days))
    }

    fn credentials(&self, account: &AccountSid) -> Result<&Credentials, TwilioError> {
        self.credentials.get(account).ok_or_else(|| TwilioError::UnknownAccount(account.clone()))
    }
}

//! Lists of recordings, page by page.

use chrono::NaiveDate;
use serde::Deserialize;
use url::Url;

use super::{Credentials, transport::Transport};
use crate::{Recording, TwilioError, recording::RecordingJson};

/// A span of days (UTC), both ends included; an open end is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Days {
    /// The first day.
    pub since: Option<NaiveDate>,
    /// The last day.
    pub until: Option<NaiveDate>,
}

/// The pages of a list that have not been read yet.
pub struct RecordingPages {
    transport: Transport,
    credentials: Credentials,
    next: Option<Url>,
}

#[derive(Deserialize)]
struct Page {
    recordings: Vec<RecordingJson>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

impl RecordingPages {
    pub(super) fn new(transport: Transport, credentials: Credentials, first: Url) -> Self {
        Self { transport, credentials, next: Some(first) }
    }

    /// The next page, or `None` after the last. After an error the same page can be asked again.
    ///
    /// # Errors
    /// As Twilio answers; busy and broken answers were repeated before.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Recording>>, TwilioError> {
        let Some(url) = self.next.clone() else { return Ok(None) };
        let page: Page = self.transport.json(&self.credentials, url.clone()).await?;
        self.next = page.next_page_uri.as_deref().and_then(|uri| following(&url, uri));
        let host = self.transport.host();
        Ok(Some(page.recordings.into_iter().map(|json| json.into_recording(host)).collect()))
    }
}

/// The same list, further on. Only the query is taken from the answer: the credentials go where
/// they went before.
fn following(current: &Url, uri: &str) -> Option<Url> {
    let (_, query) = uri.split_once('?')?;
    let mut next = current.clone();
    next.set_query(Some(query));
    (next != *current).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_of_the_same_host_whatever_the_answer_names() {
        let current =
            Url::parse("https://api.twilio.com/2010-04-01/A/Recordings.json?x=1").unwrap();
        let next = following(&current, "https://evil.example/steal?Page=1&PageToken=t").unwrap();
        assert_eq!(
            next.as_str(),
            "https://api.twilio.com/2010-04-01/A/Recordings.json?Page=1&PageToken=t"
        );
        assert_eq!(following(&current, "/2010-04-01/A/Recordings.json?x=1"), None);
    }
}

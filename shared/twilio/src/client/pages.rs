//! Lists of recordings, page by page.

use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::Value;
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

impl Days {
    /// The parameters that bind a list to these days.
    ///
    /// On the wire `DateCreated>=2026-01-31`, that is: a parameter of the name `DateCreated>`. The
    /// upper bound means midnight, when that day begins: a list bound to 2014-10-13 ends with
    /// 2014-10-12T23:59:53 (<https://github.com/twilio/twilio-python/issues/225>). So the day behind
    /// the last one is asked for, and what is created then after all is left out.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let since = self.since.map(|day| ("DateCreated>", day.to_string()));
        let behind = self.until.and_then(|day| day.succ_opt());
        since.into_iter().chain(behind.map(|day| ("DateCreated<", day.to_string()))).collect()
    }

    fn hold(&self, recording: &Recording) -> bool {
        let behind = self.until.and_then(|day| day.succ_opt());
        let behind_ms = behind.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
        let created_ms = recording.created_ms.or(recording.start_time_ms);
        created_ms.zip(behind_ms).is_none_or(|(created, behind)| created < behind)
    }
}

/// The pages of a list that have not been read yet.
pub struct RecordingPages {
    transport: Transport,
    credentials: Credentials,
    next: Option<Url>,
    days: Days,
    unreadable: u64,
}

#[derive(Deserialize)]
struct Page {
    recordings: Vec<Value>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

impl RecordingPages {
    pub(super) fn new(
        transport: Transport,
        credentials: Credentials,
        first: Url,
        days: Days,
    ) -> Self {
        Self { transport, credentials, next: Some(first), days, unreadable: 0 }
    }

    /// How many recordings of the pages so far were left out because they have no SID, or none of a
    /// call: one of them must not hide the others.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The next page, or `None` after the last. After an error the same page can be asked again.
    ///
    /// # Errors
    /// As Twilio answers; busy and broken answers were repeated before.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Recording>>, TwilioError> {
        let Some(url) = self.next.clone() else { return Ok(None) };
        let page: Page = self.transport.json(&self.credentials, url.clone()).await?;
        self.next = page.next_page_uri.as_deref().and_then(|uri| following(&url, uri));
        let mut recordings = Vec::with_capacity(page.recordings.len());
        for listed in page.recordings {
            match RecordingJson::deserialize(&listed) {
                Ok(json) => recordings.push(json.into_recording(self.transport.host())),
                Err(error) => {
                    let recording_sid = listed["sid"].as_str();
                    tracing::debug!(recording_sid, %error,
                        "Twilio lists a recording that cannot be worked on");
                    self.unreadable += 1;
                }
            }
        }
        recordings.retain(|recording| self.days.hold(recording));
        Ok(Some(recordings))
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

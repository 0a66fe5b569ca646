//! Callbacks as Twilio posts them.

use domain::{CallSid, RecordingSid};

use super::{Double, answer};
use crate::{Form, signature};

/// A form's pairs, in the order they are posted.
pub type Pairs = Vec<(String, String)>;

impl Double {
    /// Posts the callback of a recording's present status, signed, and returns the answer's status.
    ///
    /// `url` is what would be entered at Twilio, its fragment (`#rc=5&rp=all`) included: with
    /// `rp=all` or `rp=5xx`, an answer of 5xx or none at all is followed by up to `rc` repetitions.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post_recording_callback(
        &self,
        url: &str,
        recording: &RecordingSid,
    ) -> Result<u16, reqwest::Error> {
        self.post(url, url, &self.recording_form(recording)).await
    }

    /// Posts the callback of a call's present status, signed, and returns the answer's status.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post_call_callback(
        &self,
        url: &str,
        call: &CallSid,
    ) -> Result<u16, reqwest::Error> {
        self.post(url, url, &self.call_form(call)).await
    }

    /// Posts any form to `url`, with the signature it would have if `public_url` had been entered
    /// at Twilio (behind a proxy the two differ).
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post(
        &self,
        url: &str,
        public_url: &str,
        pairs: &[(String, String)],
    ) -> Result<u16, reqwest::Error> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let (address, fragment) = url.split_once('#').unwrap_or((url, ""));
        let public = public_url.split_once('#').map_or(public_url, |(public, _)| public);
        let signed = signature::sign(&self.auth_token, public, &Form::parse(body.as_bytes()));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(15))
            .build()?;
        let mut repetitions = repetitions(fragment);
        let mut request = client
            .post(address)
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
            .header(signature::HEADER, signed)
            .header("user-agent", "TwilioProxy/1.1")
            .body(body);
        loop {
            let again = request.try_clone();
            let outcome = request.send().await.map(|response| response.status().as_u16());
            let good = matches!(outcome, Ok(status) if status < 500);
            let Some(next) = again.filter(|_| !good && repetitions > 0) else { return outcome };
            repetitions -= 1;
            request =
                next.header("i-twilio-idempotency-token", format!("{:016x}", fastrand::u64(..)));
        }
    }

    /// The form of a recording's callback.
    pub fn recording_form(&self, recording: &RecordingSid) -> Pairs {
        let state = self.shared.lock();
        let Some(recording) = state.recording(recording.as_str()) else { return Vec::new() };
        let media = format!("{}/Accounts/{}/Recordings/", self.api_base(), self.account_sid);
        owned([
            ("AccountSid", self.account_sid.to_string()),
            ("CallSid", recording.call_sid.to_string()),
            ("RecordingSid", recording.sid.to_string()),
            ("RecordingUrl", format!("{media}{}", recording.sid)),
            ("RecordingStatus", recording.status.as_str().to_owned()),
            ("RecordingDuration", answer::duration(recording)),
            ("RecordingChannels", recording.channels.to_string()),
            ("RecordingStartTime", answer::rfc2822(recording.start_time_ms)),
            ("RecordingSource", recording.source.clone()),
            ("RecordingTrack", "both".to_owned()),
            ("ErrorCode", "0".to_owned()),
        ])
    }

    /// The form of a call's callback.
    pub fn call_form(&self, call: &CallSid) -> Pairs {
        let state = self.shared.lock();
        let Some(call) = state.calls.get(call) else { return Vec::new() };
        let duration = call.duration_seconds.map(|seconds| seconds.to_string());
        let parent = call.parent_call_sid.as_ref().map(ToString::to_string);
        let certain = owned([
            ("AccountSid", self.account_sid.to_string()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("CallSid", call.sid.to_string()),
            ("From", call.from.clone()),
            ("To", call.to.clone()),
            ("Direction", call.direction.clone()),
            ("CallStatus", call.status.clone()),
            ("Timestamp", answer::rfc2822(call.start_time_ms)),
            ("SequenceNumber", "0".to_owned()),
            ("CallbackSource", "call-progress-events".to_owned()),
        ]);
        let known = [("CallDuration", duration), ("ParentCallSid", parent)];
        let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
        certain.into_iter().chain(owned(known)).collect()
    }
}

fn owned<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Pairs {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How often the fragment of a callback's URL asks to repeat what failed.
fn repetitions(fragment: &str) -> u32 {
    let pairs: Vec<_> = form_urlencoded::parse(fragment.as_bytes()).collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let count = value("rc").and_then(|count| count.parse().ok()).unwrap_or(0u32).min(5);
    let policies = value("rp").unwrap_or_default();
    if policies.split(',').any(|policy| matches!(policy, "all" | "5xx")) { count } else { 0 }
}

//! Signed recording callbacks, as bytes on the wire, made before the clock starts.

use bytes::Bytes;
use twilio::{Form, signature};

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PATH: &str = "/webhooks/twilio/recording";

/// Makes requests, each about another recording.
pub struct Requests {
    /// What they are signed for.
    pub url: String,
    made: u64,
}

impl Requests {
    pub fn new(base: &str) -> Self {
        Self { url: format!("{base}{PATH}"), made: 0 }
    }

    pub fn next(&mut self, count: usize) -> Vec<Bytes> {
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> Bytes {
        self.made += 1;
        let n = self.made;
        let body = format!(
            "AccountSid={ACCOUNT}&CallSid=CA{n:032x}&RecordingSid=RE{n:032x}\
             &RecordingUrl=https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2F{ACCOUNT}\
             %2FRecordings%2FRE{n:032x}&RecordingStatus=completed&RecordingDuration=37\
             &RecordingChannels=2&RecordingStartTime=Fri%2C+14+Oct+2016+21%3A56%3A34+%2B0000\
             &RecordingSource=DialVerb&RecordingTrack=both&ErrorCode=0"
        );
        let signed = signature::sign(&TOKEN.into(), &self.url, &Form::parse(body.as_bytes()));
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: calls.example.com\r\n\
             content-type: application/x-www-form-urlencoded; charset=UTF-8\r\n\
             x-twilio-signature: {signed}\r\ni-twilio-idempotency-token: {n:016x}\r\n\
             user-agent: TwilioProxy/1.1\r\naccept: */*\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        request.into()
    }
}

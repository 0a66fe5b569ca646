//! What is fuzzed: by `cargo fuzz run <target>` without an end, and by the tests for a while.

use callscribe_ingest::{
    Kind,
    callbacks::{self, News},
};
use domain::{CallEvent, CallJob};
use secrecy::SecretString;
use twilio::{
    Form,
    signature::{self, Key, Payload},
};

/// Any body is a form that survives being written and read again.
#[allow(dead_code, reason = "each fuzz target uses one")]
pub fn form(data: &[u8]) {
    let form = Form::parse(data);
    let read: Vec<_> = form_urlencoded::parse(data).collect();
    assert_eq!(form.pairs(), read);
    let written =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(form.pairs()).finish();
    assert_eq!(form, Form::parse(written.as_bytes()));
    for form in [Some(form), Form::from_json(data)].into_iter().flatten() {
        for (name, _) in form.pairs() {
            if let Some(value) = form.get(name) {
                assert!(!value.trim().is_empty());
            }
        }
    }
}

/// A token, a URL and a body, a line each: our signature fits, and no other token's does.
#[allow(dead_code, reason = "each fuzz target uses one")]
pub fn signature(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (token, url, body) = (text(), text(), text());
    let (other, token) = (SecretString::from(format!("{token}x")), SecretString::from(token));
    let form = Form::parse(body.as_bytes());
    let signed = signature::sign(&token, &url, &form);
    let fits = |token: &SecretString, shown: &str| {
        signature::is_valid(&[Key::new(token)], shown, &url, Payload::Form(&form))
    };
    assert!(fits(&token, &signed));
    assert!(!fits(&other, &signed));
    assert!(!fits(&token, &body), "a body is no signature");
    // A body that is no form needs its digest in the URL.
    let shown = signature::sign_url(&token, &url);
    let raw = Payload::Raw(body.as_bytes());
    let taken = signature::is_valid(&[Key::new(&token)], &shown, &url, raw);
    assert!(!taken || url.contains("bodySHA256"));
}

/// Any form is refused with a sentence that repeats nothing, or is work whose parts belong
/// together and can be written to a stream and read back.
#[allow(dead_code, reason = "each fuzz target uses one")]
pub fn callback(data: &[u8]) {
    let form = Form::parse(data);
    for kind in [Kind::Recording, Kind::Call] {
        let work = match callbacks::read(kind, &form, 1) {
            Ok(work) => work,
            Err(error) => {
                let sentence = error.to_string();
                let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == ':';
                assert!(sentence.chars().all(plain), "{sentence}");
                continue;
            }
        };
        let (job, event) = match &work.news {
            News::Nothing => (None, None),
            News::Recorded { job, observed } => (Some(job), observed.as_ref()),
            News::Happened(event) => (None, Some(event)),
            News::Ended { observed, job, .. } => (Some(job), Some(observed)),
        };
        if let Some(job) = job {
            assert_eq!(*job.call_sid(), work.call_sid);
            let written = serde_json::to_string(job).unwrap();
            assert_eq!(serde_json::from_str::<CallJob>(&written).unwrap(), *job);
        }
        if let Some(event) = event {
            assert_eq!(event.call_sid, work.call_sid);
            let written = serde_json::to_string(event).unwrap();
            assert_eq!(serde_json::from_str::<CallEvent>(&written).unwrap(), *event);
        }
    }
}

//! The sample calls: a Twilio on loopback that has their recordings and posts their callbacks.

mod script;

use anyhow::{Context, ensure};
use include_dir::{Dir, include_dir};
use twilio::double::{Double, DoubleCall, DoubleRecording};

pub use self::script::SampleCall;
use self::script::{Callbacks, Script};
use crate::Config;

/// The dialogues and their recordings, part of the program.
static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/samples");

/// How long after a sample call's end its recordings are looked up: the Twilio on loopback needs
/// no minute to list them.
const RESOLVE_DELAY_SECONDS: u64 = 2;

/// The sample calls and the Twilio that has them.
pub struct Samples {
    calls: Vec<SampleCall>,
    twilio: Double,
}

impl Samples {
    /// Starts the Twilio on loopback, gives it the calls, and points the configuration to it.
    ///
    /// # Errors
    /// When the samples in the program do not fit together, or no port is free.
    pub async fn prepare(config: &mut Config) -> anyhow::Result<Self> {
        let script = read_script()?;
        let token: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        let twilio = Double::start(script.account_sid, &token).await?;
        for call in &script.calls {
            give(&twilio, call)?;
        }
        config.twilio = twilio.settings();
        config.ingest.resolve_delay_seconds = RESOLVE_DELAY_SECONDS;
        Ok(Self { calls: script.calls, twilio })
    }

    /// The calls, in the order in which they are played.
    pub fn calls(&self) -> &[SampleCall] {
        &self.calls
    }

    /// Posts a call's callbacks to ingest, signed, as Twilio would.
    ///
    /// # Errors
    /// When ingest does not accept one.
    pub async fn post(&self, call: &SampleCall, ingest: &str) -> anyhow::Result<()> {
        if matches!(call.callbacks, Callbacks::Both | Callbacks::Call) {
            let url = format!("{ingest}/webhooks/twilio/call");
            let status = self.twilio.post_call_callback(&url, &call.call_sid).await?;
            ensure!(status < 300, "ingest answered {status} to the call callback of {}", call.name);
        }
        if let (Some(recording), Callbacks::Both | Callbacks::Recording) =
            (&call.recording_sid, call.callbacks)
        {
            let url = format!("{ingest}/webhooks/twilio/recording");
            let status = self.twilio.post_recording_callback(&url, recording).await?;
            ensure!(
                status < 300,
                "ingest answered {status} to the recording callback of {}",
                call.name
            );
        }
        Ok(())
    }
}

fn read_script() -> anyhow::Result<Script> {
    let file = FOLDER.get_file("dialogues.toml").and_then(|file| file.contents_utf8());
    let text = file.context("the program holds no dialogues.toml")?;
    toml::from_str(text).context("the program's dialogues.toml cannot be read")
}

fn give(twilio: &Double, call: &SampleCall) -> anyhow::Result<()> {
    twilio.add_call(DoubleCall {
        direction: call.direction.clone(),
        duration_seconds: Some(call.duration_seconds),
        ..DoubleCall::inbound(call.call_sid.clone(), &call.from, &call.to)
    });
    let Some(recording_sid) = &call.recording_sid else { return Ok(()) };
    let name = format!("{}.wav", call.name);
    let media = FOLDER.get_file(&name).with_context(|| format!("the program holds no {name}"))?;
    twilio.add_recording(DoubleRecording {
        channels: call.channels,
        duration_seconds: Some(call.duration_seconds),
        not_ready_times: call.media_not_ready,
        ..DoubleRecording::new(recording_sid.clone(), call.call_sid.clone(), media.contents())
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_sample_call_has_its_recording_in_the_program() {
        let script = read_script().unwrap();
        assert!(script.calls.len() >= 8);
        for call in script.calls {
            let name = format!("{}.wav", call.name);
            let file = FOLDER.get_file(&name);
            assert_eq!(file.is_some(), call.recording_sid.is_some(), "{name}");
            if let Some(file) = file {
                assert_eq!(&file.contents()[..4], b"RIFF", "{name}");
            }
        }
    }
}

//! The sample calls: a Twilio on loopback that has their recordings and posts their callbacks.

mod script;

use std::collections::HashSet;

use anyhow::Context;
use bytes::Bytes;
use domain::{AccountSid, CallSid};
use include_dir::{Dir, include_dir};
use twilio::double::{Double, DoubleCall, DoubleRecording};

pub use script::SampleCall;
use script::Script;

use crate::Config;

/// The dialogues and their recordings, part of the program.
static FOLDER: Dir = include_dir!("$CARGO_MANIFEST_DIR/samples");

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
        let script = FOLDER.get_file("dialogues.toml").and_then(|file| file.contents_utf8());
        let script: Script = toml::from_str(script.context("the program holds no dialogues.toml")?)?;
        let token = random_token();
        let twilio = Double::start(script.account_sid.clone(), &token).await?;
        for call in &script.calls {
            give(&twilio, call)?;
        }
        config.twilio.account_sid = Some(script.account_sid);
        config.twilio.auth_token = Some(token.into());
        config.twilio.api_base = twilio.api_base();
        Ok(Self { calls: script.calls, twilio })
    }

    /// The calls, in the order in which they are played.
    pub fn calls(&self) -> &[SampleCall] {
        &self.calls
    }

    /// Posts the callbacks of a call to ingest, signed, as Twilio would.
    ///
    /// # Errors
    /// When ingest does not accept one.
    pub async fn post(&self, call: &SampleCall, ingest: &str) -> anyhow::Result<()> {
        todo!()
    }
}

//! Speech engines behind one trait, one file each.

mod choice;
mod command;
mod deepgram;
mod error;
mod google;
mod http;
mod openai;
mod piece;
mod pocketsphinx;
mod program;
mod whisper;

pub use choice::{EnginesSettings, chosen};
pub use command::{Command, CommandSettings};
pub use deepgram::{Deepgram, DeepgramSettings};
pub use error::EngineError;
pub use google::{Google, GoogleSettings};
pub use openai::{Openai, OpenaiSettings};
pub use piece::{Heard, HeardSegment, Piece, Voices, wav};
pub use pocketsphinx::{PocketSphinx, PocketSphinxSettings};
#[cfg(feature = "whisper")]
pub use whisper::{Model as WhisperModel, Whisper};
pub use whisper::{WHISPER_IS_BUILT_IN, WhisperSettings, is_model as is_whisper_model};

use futures_util::future::BoxFuture;

use crate::audio::CutRule;

/// Turns pieces of speech into text.
pub trait Engine: Send + Sync + 'static {
    /// Who it is: recorded with every transcript.
    fn identity(&self) -> domain::Engine;

    /// What pieces it takes.
    fn cut_rule(&self) -> CutRule;

    /// What a minute of audio costs, in micro-dollars (10⁻⁶ USD); `None` where no price is known.
    fn microusd_per_minute(&self) -> Option<u64>;

    /// What an account may spend on it in a day (UTC), in micro-dollars; `None` without a limit.
    fn microusd_per_day(&self) -> Option<u64> {
        None
    }

    /// How many pieces it takes at once, from all slots of the process together.
    fn places(&self) -> usize;

    /// How many requests it takes a minute, from all slots of the process together; `None` without
    /// a limit.
    fn requests_per_minute(&self) -> Option<u32> {
        None
    }

    /// Whether it may be asked for speech in this language, a code such as `he`: of two engines, the
    /// one that would refuse or is not wanted for it is passed over.
    fn knows(&self, _language: &str) -> bool {
        true
    }

    /// Whether it only stands in for another engine of its chain: it is asked where that one fails
    /// or hears no word, not where that one only has to be waited for, and its words never replace another engine's. For engines that make
    /// fluent text of any sound.
    fn stands_in(&self) -> bool {
        false
    }

    /// Transcribes one piece. `language` is the one the audio is in, where that is known.
    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        language: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>>;
}

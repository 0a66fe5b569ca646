//! What the engine is told.

use std::path::PathBuf;

use chassis::config::comma_list;
use serde::{Deserialize, Serialize};

use crate::{engines::program::cores, settings::empty_is_none};

/// The engine `whisper`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhisperSettings {
    /// The model: a file in ggml form, such as `ggml-small.bin`. Default none: the engine is off,
    /// except that `callscribe up` takes the newest Whisper model (`*.bin`) of the folder `models`
    /// in its data folder, where `make model` puts it.
    #[serde(deserialize_with = "empty_is_none")]
    pub model: Option<PathBuf>,
    /// Threads for one piece. Default: one for each core.
    pub threads: usize,
    /// The languages that may be spoken, where neither `transcriber.language` names the one that is
    /// nor `transcriber.languages` those that calls are in: the likeliest of these is taken, since a
    /// free choice takes short Hebrew for English. `auto`: any that the model knows. Default `he,en`.
    #[serde(deserialize_with = "comma_list")]
    pub languages: Vec<String>,
    /// Time limit for one piece, in seconds. Default 900.
    pub timeout_seconds: u64,
    /// Longest piece, in seconds. Default 120.
    pub longest_piece_seconds: u64,
    /// Pieces worked on at once, for all slots of the process; each needs the memory of another
    /// state (about 200 MB for `base`, 500 MB for `large-v3-turbo`) besides the shared weights.
    /// Default 1.
    pub max_concurrent: usize,
}

impl Default for WhisperSettings {
    fn default() -> Self {
        Self {
            model: None,
            threads: cores(),
            languages: vec!["he".into(), "en".into()],
            timeout_seconds: 900,
            longest_piece_seconds: 120,
            max_concurrent: 1,
        }
    }
}

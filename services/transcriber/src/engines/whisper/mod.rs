//! whisper.cpp in this process: offline, Hebrew and English, telephone audio; needs a model file.

#[cfg(feature = "whisper")]
mod engine;
#[cfg(feature = "whisper")]
mod seat;
mod settings;

use std::{path::Path, sync::Arc};

#[cfg(feature = "whisper")]
pub use engine::{Model, Whisper};
pub use settings::WhisperSettings;

use super::Engine;
#[cfg(feature = "whisper")]
use crate::ggml;

/// Whether this build has whisper.cpp in it.
pub const WHISPER_IS_BUILT_IN: bool = cfg!(feature = "whisper");

/// The engine with its model loaded. Blocks for as long as the file takes to read.
///
/// # Errors
/// A sentence that names the setting that is missing or wrong, or says how to build it in.
#[cfg(feature = "whisper")]
pub fn open(settings: &WhisperSettings) -> Result<Arc<dyn Engine>, String> {
    Ok(Arc::new(Whisper::new(settings)?))
}

/// Whether a file is a Whisper model: one that is damaged is, one of another kind is not.
#[cfg(feature = "whisper")]
pub fn is_model(path: &Path) -> bool {
    !matches!(ggml::check_whisper(path), Err(ggml::WrongModel::Other(_)))
}

/// Whether a file is a Whisper model, which nothing is to a build without whisper.cpp.
#[cfg(not(feature = "whisper"))]
pub fn is_model(_: &Path) -> bool {
    false
}

/// Refuses: this build has no whisper.cpp in it.
///
/// # Errors
/// Always.
#[cfg(not(feature = "whisper"))]
pub fn open(_: &WhisperSettings) -> Result<Arc<dyn Engine>, String> {
    Err("the engine whisper is not in this build: build it with the feature `whisper` (cargo build \
         --features whisper; it needs cmake and a C++ compiler), or take another engine in \
         transcriber.engines.chain"
        .into())
}

#[cfg(test)]
#[cfg(feature = "whisper")]
mod tests;

#[cfg(test)]
#[cfg(not(feature = "whisper"))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_whisper_says_how_to_get_one_with_it() {
        let sentence = open(&WhisperSettings::default()).err().unwrap();
        assert!(sentence.contains("--features whisper"), "{sentence}");
    }
}

//! Which service, which city, how sure, and where it was said.

pub mod catalogue;
pub mod cli;
pub mod evaluate;
mod extractor;
mod lexicon;
pub mod llm;
mod matching;
mod settings;
mod text;

pub use extractor::{ExtractError, Extracted, Extractor};
pub use lexicon::{CueError, GistError, Heard, Lexicon, Ruled, learning};
pub use settings::{ExtractSettings, LlmSettings};

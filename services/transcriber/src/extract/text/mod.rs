//! Words as the matcher sees them, each with its place in the text as it was written.

mod normalise;
mod token;

pub use normalise::{MAX_WORD_CHARS, normalise_name};
pub use token::{Break, Budget, Script, Text, Token};

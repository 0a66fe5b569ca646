//! Words as the matcher sees them, each with its place in the text as it was written.

mod budget;
mod normalise;
mod token;

pub use budget::Budget;
pub use normalise::{MAX_WORD_CHARS, normalise_name};
pub use token::{Break, Script, Text, Token};

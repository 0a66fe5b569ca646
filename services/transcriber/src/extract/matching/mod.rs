//! Finding catalogue names and cue phrases in a text: one pass, one pattern language.

mod fuzzy;
mod matcher;
mod pattern;
mod read;
mod vocabulary;

pub use matcher::{Hit, Matcher, MatcherBuilder};
pub use pattern::{Pattern, PatternError, Slot};
pub use vocabulary::{Prefix, Reading, Vocabulary, WordId};

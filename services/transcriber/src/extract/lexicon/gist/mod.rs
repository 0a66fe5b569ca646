//! The gist of a call: which service everything the caller says is about, taken together.
//!
//! A linear classifier, one against all others for each service, over stems, pairs of neighbouring
//! stems and strings of four letters, which outlive misspelling and a word cut in two. Its weights
//! are data: `examples/extract_learn` learns them from the examples in `data/phrases` and writes
//! `data/gist.bin`. It knows the services of the catalogue that the program brings along; for others
//! the [`phrases`](super::phrases) stand in.

mod features;
mod file;
mod model;

pub use features::{Bag, bag};
pub use file::{GistError, Learned, LearnedFeature};
pub use model::Gist;

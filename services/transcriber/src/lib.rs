//! Recording in, transcript and extracted fields out.
pub mod extract;

//! Recording in, transcript and extracted fields out.

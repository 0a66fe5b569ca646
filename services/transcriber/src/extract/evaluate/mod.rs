//! Scoring the extractor on labelled calls: the figures the README reports.

mod labelled;
mod render;
mod report;
mod wilson;

pub use labelled::{Labelled, LabelledError, Spoken, read};
pub use render::render;
pub use report::{Bin, Miss, Report, Score, evaluate};
pub use wilson::{Interval, wilson};

//! Events → rows, in any order and any number of times with the same outcome.
//!
//! The pure part is in [`track`], [`recording`], [`call`] and [`lead`]; [`batch`] puts a batch of
//! events through it in one transaction; [`handler`] is the queue's side of it.

mod batch;
mod body;
pub(crate) mod call;
mod handler;
pub(crate) mod lead;
pub(crate) mod leads_of_batch;
pub(crate) mod outbox;
pub(crate) mod recording;
mod status;
mod steps;
pub(crate) mod time;
mod track;
pub(crate) mod write;

pub(crate) use batch::Change;
pub use batch::{Effect, Projection};
pub use body::{MalformedEvent, parse};
pub use call::{CallFold, Said};
pub use handler::Projector;
pub use status::{Status, UnknownStatus};
pub use steps::{Step, Steps};
pub use track::{Order, Stamp, Track, Trouble};

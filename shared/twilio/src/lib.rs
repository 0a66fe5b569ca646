//! What Callscribe knows of Twilio: signatures, callback forms, the REST client.
//!
//! Nothing here knows of queues or databases. URLs are built from SIDs and the configured base,
//! never taken from what somebody sent.

pub mod callback;
mod client;
mod error;
mod form;
mod recording;
mod settings;
pub mod signature;

#[cfg(feature = "double")]
pub mod double;

pub use client::{
    ByteRange, CallDetails, Client, Days, Media, MediaFormat, RecordingPages, Stretch,
};
pub use error::TwilioError;
pub use form::Form;
pub use recording::{Recording, RecordingStatus};
pub use settings::{Account, AccountSettings, TwilioSettings};

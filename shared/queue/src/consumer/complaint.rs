//! What goes wrong again and again is logged once.

use crate::QueueError;

/// What was last logged as going wrong, until something goes right.
#[derive(Debug, Default)]
pub(crate) struct Complaint(Option<String>);

impl Complaint {
    /// The message of an error that is to be logged now: Redis refused, and said something else
    /// before. What keeps all commands from working is logged by the link.
    pub fn news<'e>(&mut self, error: &'e QueueError) -> Option<&'e str> {
        let QueueError::Redis(message) = error else { return None };
        if self.0.as_ref() == Some(message) {
            return None;
        }
        self.0 = Some(message.clone());
        Some(message)
    }
}

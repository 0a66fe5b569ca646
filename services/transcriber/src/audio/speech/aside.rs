//! Listening on a thread of its own, beside the one that decodes: judging the sound is most of the
//! work, and the two channels of a call can be judged at once.

use std::{
    num::NonZero,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{FRAME, Heard, Listener, SpeechDetector};
use crate::audio::AudioError;

/// Samples handed over at once, half a second.
const PART: usize = 32 * FRAME;

/// Parts that wait for the listener at most, a minute: who listens to a channel that is silent for a
/// while must not wait for one that is not, and memory must not grow with the recording.
const PARTS: usize = 128;

/// The threads that a process has for listening: one for each processor, for all recordings together.
#[derive(Debug, Clone)]
pub struct Helpers(Arc<Semaphore>);

impl Default for Helpers {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new(processors)))
    }
}

/// Listens to one channel: aside where there is a thread for it, else here, with the same result.
pub enum Listening {
    /// On the thread that decodes.
    Here(Box<Listener>),
    /// On its own.
    Aside(Aside),
}

/// A listener's thread, and what it gets.
pub struct Aside {
    part: Vec<i16>,
    parts: SyncSender<Vec<i16>>,
    thread: JoinHandle<Result<Heard, AudioError>>,
}

impl Listening {
    /// At the beginning of a channel.
    pub fn new(detector: &SpeechDetector) -> Self {
        let helper = detector.helpers().0.clone().try_acquire_owned().ok();
        let aside = helper.and_then(|helper| Aside::new(Listener::new(detector), helper));
        aside.map_or_else(|| Self::Here(Box::new(Listener::new(detector))), Self::Aside)
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i16]) {
        match self {
            Self::Here(listener) => listener.push(samples),
            Self::Aside(aside) => aside.push(samples),
        }
    }

    /// What was heard, see [`Listener::finish`].
    ///
    /// # Errors
    /// When the detector failed.
    pub fn finish(self) -> Result<Heard, AudioError> {
        match self {
            Self::Here(listener) => listener.finish(),
            Self::Aside(aside) => aside.finish(),
        }
    }
}

impl Aside {
    fn new(mut listener: Listener, helper: OwnedSemaphorePermit) -> Option<Self> {
        let (parts, received) = sync_channel::<Vec<i16>>(PARTS);
        let listen = move || {
            let _helper = helper;
            received.iter().for_each(|part| listener.push(&part));
            listener.finish()
        };
        let thread = thread::Builder::new().name("listener".into()).spawn(listen).ok()?;
        Some(Self { part: Vec::with_capacity(PART), parts, thread })
    }

    fn push(&mut self, samples: &[i16]) {
        self.part.extend_from_slice(samples);
        if self.part.len() >= PART {
            let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART));
            // Refused only by a thread that panicked, which its end tells.
            let _ = self.parts.send(part);
        }
    }

    fn finish(self) -> Result<Heard, AudioError> {
        let Self { part, parts, thread } = self;
        let _ = parts.send(part);
        drop(parts);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

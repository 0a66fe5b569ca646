//! Work on a channel on a thread of its own, beside the one that decodes: resampling and judging the
//! sound are most of what a recording takes, and the two channels of a call can be worked on at once.

use std::{
    num::NonZero,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AudioError;

/// Samples handed over at once, a second of a telephone's.
const PART: usize = 8192;

/// Parts that wait for the thread at most, a minute or more: whoever works on a channel that is silent
/// for a while must not wait for one that is not, and memory must not grow with the recording.
const PARTS: usize = 128;

/// The threads that a process has for channels: one for each processor, for all recordings together.
#[derive(Debug, Clone)]
pub struct Helpers(Arc<Semaphore>);

impl Default for Helpers {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new(processors)))
    }
}

/// Something that is made of samples as they come.
pub trait Work<S>: Send + 'static {
    /// What it comes to.
    type Done: Send + 'static;

    /// Takes the next samples.
    fn push(&mut self, samples: &[S]) -> Result<(), AudioError>;

    /// What they came to.
    fn finish(self) -> Result<Self::Done, AudioError>;
}

/// Work on this thread or on one of its own, with the same result.
pub enum Working<S, W: Work<S>> {
    /// On the thread that hands it its samples.
    Here(Box<W>),
    /// On its own.
    Aside(Aside<S, W::Done>),
}

/// A thread, and what it gets.
pub struct Aside<S, D> {
    part: Vec<S>,
    parts: SyncSender<Vec<S>>,
    thread: JoinHandle<Result<D, AudioError>>,
}

impl<S: Copy + Send + 'static, W: Work<S>> Working<S, W> {
    /// On this thread.
    pub fn here(work: W) -> Self {
        Self::Here(Box::new(work))
    }

    /// On a thread of its own where one is free, else on this one.
    ///
    /// # Errors
    /// As `work`'s.
    pub fn aside(
        helpers: &Helpers,
        work: impl Fn() -> Result<W, AudioError>,
    ) -> Result<Self, AudioError> {
        if let Ok(helper) = helpers.0.clone().try_acquire_owned()
            && let Some(aside) = Aside::new(work()?, helper)
        {
            return Ok(Self::Aside(aside));
        }
        Ok(Self::here(work()?))
    }

    /// Takes the next samples.
    ///
    /// # Errors
    /// As the work's; aside, that is told at the end.
    pub fn push(&mut self, samples: &[S]) -> Result<(), AudioError> {
        match self {
            Self::Here(work) => work.push(samples),
            Self::Aside(aside) => {
                aside.push(samples);
                Ok(())
            }
        }
    }

    /// What they came to.
    ///
    /// # Errors
    /// As the work's.
    pub fn finish(self) -> Result<W::Done, AudioError> {
        match self {
            Self::Here(work) => work.finish(),
            Self::Aside(aside) => aside.finish(),
        }
    }
}

impl<S: Copy + Send + 'static, D: Send + 'static> Aside<S, D> {
    fn new(mut work: impl Work<S, Done = D>, helper: OwnedSemaphorePermit) -> Option<Self> {
        let (parts, received) = sync_channel::<Vec<S>>(PARTS);
        let work = move || {
            let _helper = helper;
            received.iter().try_for_each(|part| work.push(&part))?;
            work.finish()
        };
        let thread = thread::Builder::new().name("channel".into()).spawn(work).ok()?;
        Some(Self { part: Vec::with_capacity(PART), parts, thread })
    }

    fn push(&mut self, samples: &[S]) {
        self.part.extend_from_slice(samples);
        if self.part.len() >= PART {
            let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART));
            // Refused only by a thread that failed, which its end tells.
            let _ = self.parts.send(part);
        }
    }

    fn finish(self) -> Result<D, AudioError> {
        let Self { part, parts, thread } = self;
        let _ = parts.send(part);
        drop(parts);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::audio::{
        SAMPLE_RATE_HZ, SpeechDetector, Stretch,
        channel::ChannelWriter,
        speech::{
            Listener,
            tests::{detectors, speech},
        },
    };

    /// On a thread of its own, and here because no thread is left.
    fn both<S: Copy + Send + 'static, W: Work<S>>(
        helpers: &Helpers,
        work: impl Fn() -> Result<W, AudioError>,
    ) -> [Working<S, W>; 2] {
        let aside = Working::aside(helpers, &work).unwrap();
        let others = helpers.0.try_acquire_many(helpers.0.available_permits() as u32).unwrap();
        let here = Working::aside(helpers, work).unwrap();
        drop(others);
        assert!(matches!((&aside, &here), (Working::Aside(_), Working::Here(_))));
        [aside, here]
    }

    fn writer(folder: &Path, detector: &SpeechDetector) -> Result<ChannelWriter, AudioError> {
        let listener = Working::here(Listener::new(detector));
        ChannelWriter::new(SAMPLE_RATE_HZ, folder, listener)
    }

    #[test]
    fn work_aside_comes_to_the_same_as_work_here() {
        let Some(speech) = speech() else { return };
        let folder = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(5);
        let noisy: Vec<i16> =
            speech.iter().map(|s| s.saturating_add(random.i16(-200..200))).collect();
        let long = [speech, vec![0; 16_000 * 3 + 77], noisy].concat();
        let floats: Vec<f32> = long.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        for detector in detectors() {
            let helpers = detector.helpers();
            let [aside, here] = both(helpers, || Ok(Listener::new(&detector))).map(|mut one| {
                long.chunks(4_001).for_each(|part| one.push(part).unwrap());
                one.finish().unwrap()
            });
            assert_eq!(aside, here);
            assert!(!here.0.is_empty());
            let channels = both(helpers, || writer(folder.path(), &detector)).map(|mut one| {
                floats.chunks(4_001).for_each(|part| one.push(part).unwrap());
                one.finish().unwrap()
            });
            let whole = Stretch { start_ms: 0, end_ms: channels[1].length_ms() };
            let [aside, here] = channels
                .map(|channel| (channel.stretches().to_vec(), channel.read(whole).unwrap()));
            assert_eq!(aside, here);
            assert!(!here.0.is_empty());
        }
    }

    /// Fails at its second part.
    struct Failing(bool);

    impl Work<f32> for Failing {
        type Done = ();

        fn push(&mut self, _: &[f32]) -> Result<(), AudioError> {
            if std::mem::replace(&mut self.0, true) {
                return Err(AudioError::Detector("it fails".into()));
            }
            Ok(())
        }

        fn finish(self) -> Result<(), AudioError> {
            Ok(())
        }
    }

    #[test]
    fn a_failure_aside_is_told_at_the_end_and_gives_its_thread_back() {
        let helpers = Helpers::default();
        let threads = helpers.0.available_permits();
        let mut working = Working::aside(&helpers, || Ok(Failing(false))).unwrap();
        // More than may wait: a thread that is gone must not hold up who feeds it.
        for _ in 0..2 * PARTS {
            working.push(&[0.0; PART]).unwrap();
        }
        assert!(matches!(working.finish(), Err(AudioError::Detector(_))));
        assert_eq!(helpers.0.available_permits(), threads);
    }
}

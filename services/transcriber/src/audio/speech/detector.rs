//! The neural detectors.

use earshot::{DefaultPredictor, Detector};

#[cfg(feature = "whisper")]
use super::silero::{Silero, SileroEar};
use super::{DetectorName, SpeechSettings};
use crate::audio::{AudioError, aside::Helpers};

/// Inaudible frames in a row after which earshot rests, and begins anew with the next sound.
const QUIET_FRAMES: u32 = 12;

/// What finds speech in a channel; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SpeechDetector {
    settings: SpeechSettings,
    helpers: Helpers,
    #[cfg(feature = "whisper")]
    silero: Option<std::sync::Arc<Silero>>,
}

impl SpeechDetector {
    /// The detector of the settings, its model loaded.
    ///
    /// # Errors
    /// A sentence that names the setting that is missing or wrong.
    pub fn new(settings: &SpeechSettings) -> Result<Self, String> {
        let (settings, helpers) = (settings.clone(), Helpers::default());
        match settings.detector {
            DetectorName::Earshot => Ok(Self {
                settings,
                helpers,
                #[cfg(feature = "whisper")]
                silero: None,
            }),
            #[cfg(feature = "whisper")]
            DetectorName::Silero => {
                let silero = Some(std::sync::Arc::new(Silero::new(&settings)?));
                Ok(Self { settings, helpers, silero })
            }
            #[cfg(not(feature = "whisper"))]
            DetectorName::Silero => Err("transcriber.speech.detector is silero, which is not in \
                                         this build: build it with the feature `whisper`, or take \
                                         earshot"
                .into()),
        }
    }

    /// What counts as speech.
    pub fn settings(&self) -> &SpeechSettings {
        &self.settings
    }

    /// The threads for working on channels.
    pub(in crate::audio) fn helpers(&self) -> &Helpers {
        &self.helpers
    }

    /// For one channel, from its beginning.
    pub(super) fn ear(&self) -> Ear {
        #[cfg(feature = "whisper")]
        if let Some(silero) = &self.silero {
            return Ear::Silero(SileroEar::new(silero.clone()));
        }
        Ear::Earshot(EarshotEar { detector: Box::new(Detector::default()), quiet_frames: 0 })
    }
}

/// A detector at work on one channel.
pub(super) enum Ear {
    /// Judges frame by frame.
    Earshot(EarshotEar),
    /// Judges block by block.
    #[cfg(feature = "whisper")]
    Silero(SileroEar),
}

impl Ear {
    /// Takes a frame; adds the scores that are known by now, of the frames in their order.
    pub(super) fn push(
        &mut self,
        frame: &[i16],
        is_audible: bool,
        scores: &mut Vec<f32>,
    ) -> Result<(), AudioError> {
        match self {
            Self::Earshot(ear) => scores.push(ear.score(frame, is_audible)),
            #[cfg(feature = "whisper")]
            Self::Silero(ear) => ear.push(frame, is_audible, scores)?,
        }
        Ok(())
    }

    /// Adds the scores that are still owed.
    pub(super) fn finish(
        &mut self,
        #[cfg_attr(
            not(feature = "whisper"),
            allow(unused_variables, clippy::ptr_arg, reason = "only Silero owes any")
        )]
        scores: &mut Vec<f32>,
    ) -> Result<(), AudioError> {
        match self {
            Self::Earshot(_) => Ok(()),
            #[cfg(feature = "whisper")]
            Self::Silero(ear) => ear.finish(scores),
        }
    }
}

/// earshot, 16 ms a frame.
pub(super) struct EarshotEar {
    detector: Box<Detector<DefaultPredictor>>,
    quiet_frames: u32,
}

impl EarshotEar {
    /// Asks the detector, which is most of the work, only while there is something to hear.
    fn score(&mut self, frame: &[i16], is_audible: bool) -> f32 {
        self.quiet_frames = if is_audible { 0 } else { self.quiet_frames + 1 };
        if self.quiet_frames > QUIET_FRAMES {
            if self.quiet_frames == QUIET_FRAMES + 1 {
                self.detector.reset();
            }
            return 0.0;
        }
        self.detector.predict_i16(frame)
    }
}

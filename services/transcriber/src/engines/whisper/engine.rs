//! The model, shared, and the places at it.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use whisper_rs::{WHISPER_CPP_VERSION, WhisperContext, WhisperContextParameters};

use super::{
    WhisperSettings,
    seat::{Limit, Seat, Spoken},
};
use crate::{
    audio::CutRule,
    engines::{Engine, EngineError, Heard, Piece},
    ggml,
};

/// Silences from here on end a piece: whole windows of nothing cost as much as speech, and are where
/// the model invents.
const AT_SILENCE_MS: u64 = 10_000;

/// The longest piece that may be asked for, in seconds.
const LONGEST_SECONDS: u64 = 3600;

/// A loaded model.
#[derive(Debug)]
pub struct Model {
    context: WhisperContext,
    name: String,
}

impl Model {
    /// Loads a file that was looked through. Blocks.
    ///
    /// # Errors
    /// When whisper.cpp refuses it.
    pub fn load(path: &Path) -> Result<Self, String> {
        whisper_rs::install_logging_hooks();
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::default())
            .map_err(|_| {
                let hint = "its log says why: telemetry.log=info,whisper_rs=debug";
                format!("whisper.cpp refuses the model {} ({hint})", path.display())
            })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.strip_prefix("ggml-").unwrap_or(&stem).to_owned();
        Ok(Self { context, name })
    }

    #[cfg(test)]
    pub(super) fn context(&self) -> &WhisperContext {
        &self.context
    }
}

/// Runs whisper.cpp.
pub struct Whisper {
    model: Arc<Model>,
    spoken: Spoken,
    threads: i32,
    limit: Duration,
    longest_ms: u64,
    places: usize,
    permits: Arc<Semaphore>,
    seats: Arc<Mutex<Vec<Seat>>>,
}

impl Whisper {
    /// The engine with the model of the settings. Blocks for as long as it takes to read.
    ///
    /// # Errors
    /// A sentence that names the setting that is missing or wrong.
    pub fn new(settings: &WhisperSettings) -> Result<Self, String> {
        let Some(path) = &settings.model else {
            return Err("transcriber.engines.whisper.model is not set; it is the path of a model \
                        file in ggml form, which `make model` fetches"
                .into());
        };
        processor_suffices()?;
        ggml::check_whisper(path).map_err(|wrong| {
            format!("transcriber.engines.whisper.model is {}: {wrong}", path.display())
        })?;
        Self::with(Model::load(path)?, settings)
    }

    /// The engine with a model that was loaded before.
    ///
    /// # Errors
    /// A sentence that names the wrong setting.
    pub fn with(model: Model, settings: &WhisperSettings) -> Result<Self, String> {
        let named = |name: &str, value: u64, most: u64| {
            if (1..=most).contains(&value) {
                return Ok(());
            }
            Err(format!("transcriber.engines.whisper.{name} is {value}; allowed are 1 to {most}"))
        };
        named("threads", settings.threads as u64, 256)?;
        named("max_concurrent", settings.max_concurrent as u64, 64)?;
        named("longest_piece_seconds", settings.longest_piece_seconds, LONGEST_SECONDS)?;
        Ok(Self {
            spoken: Spoken::new(&settings.languages, model.context.is_multilingual())?,
            threads: i32::try_from(settings.threads).unwrap_or(1),
            limit: Duration::from_secs(settings.timeout_seconds),
            longest_ms: settings.longest_piece_seconds * 1000,
            places: settings.max_concurrent,
            permits: Arc::new(Semaphore::new(settings.max_concurrent)),
            seats: Arc::default(),
            model: Arc::new(model),
        })
    }

    async fn run(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        let spoken = self.spoken.of(language, &piece.languages)?;
        let failed = |what: &str| EngineError::Program(format!("whisper.cpp: {what}"));
        // The permit goes with the work: work that was given up keeps its place until it has ended.
        let permits = self.permits.clone().acquire_owned().await;
        let permit = permits.map_err(|_| failed("the engine is closed"))?;
        let given_up = Arc::new(AtomicBool::new(false));
        let _given_up_with_the_future = SetOnDrop(given_up.clone());
        let (model, seats) = (self.model.clone(), self.seats.clone());
        let (threads, limit) = (self.threads, self.limit);
        let piece = piece.clone();
        let work = move || {
            let _permit = permit;
            let free = || seats.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = free().pop();
            let mut seat = match waiting {
                Some(seat) => seat,
                None => Seat::new(&model.context, threads)?,
            };
            let limit = Limit::of(limit, given_up);
            // A seat that failed is not used again: nobody knows what state it is in.
            let heard = seat.hear(&piece, &spoken, limit)?;
            free().push(seat);
            Ok(heard)
        };
        let ended = tokio::task::spawn_blocking(work).await;
        ended.unwrap_or_else(|error| Err(failed(&error.to_string())))
    }
}

impl Engine for Whisper {
    fn identity(&self) -> domain::Engine {
        domain::Engine {
            name: "whisper".into(),
            model: Some(self.model.name.clone()),
            version: Some(format!("whisper.cpp {WHISPER_CPP_VERSION}")),
        }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: self.longest_ms, at_silence_ms: Some(AT_SILENCE_MS) }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        Some(0)
    }

    fn places(&self) -> usize {
        self.places
    }

    fn knows(&self, language: &str) -> bool {
        self.spoken.pinned(Some(language)).is_ok()
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        language: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(self.run(piece, language))
    }
}

/// Tells the work that nobody waits for it any more.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// whisper.cpp is built for processors from 2013 on; an older one would end the process.
#[cfg(target_arch = "x86_64")]
fn processor_suffices() -> Result<(), String> {
    let suffices = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("bmi2");
    if suffices {
        return Ok(());
    }
    Err("the engine whisper needs a processor with AVX2, FMA, F16C and BMI2; take another engine in \
         transcriber.engines.chain"
        .into())
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_suffices() -> Result<(), String> {
    Ok(())
}

//! One place at the model: a state of whisper.cpp and what it is told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperError, WhisperSegment, WhisperState,
    WhisperTokenId, get_lang_id, get_lang_str,
};

use crate::{
    audio::SAMPLES_PER_MS,
    engines::{EngineError, Heard, HeardSegment, Piece},
    language,
};

/// Candidates followed at once; what whisper.cpp's own program uses.
const BEAM: i32 = 5;

/// Pieces are filled up with silence to this length: whisper.cpp returns nothing for less than a
/// tenth of a second, and hears badly in less than a second.
const SHORTEST_MS: u64 = 1_000;

/// Less than this holds no word.
const NOTHING_MS: u64 = 50;

/// The languages among which the spoken one is looked for, by whisper.cpp's own names; none stands
/// for all it knows.
#[derive(Debug, Clone)]
pub struct Spoken {
    candidates: Vec<&'static str>,
    multilingual: bool,
}

impl Spoken {
    /// From the setting.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn new(languages: &[String], multilingual: bool) -> Result<Self, String> {
        if !multilingual {
            return Ok(Self { candidates: vec!["en"], multilingual });
        }
        if matches!(languages, [only] if only == "auto") {
            return Ok(Self { candidates: Vec::new(), multilingual });
        }
        let wrong = |name: &String| {
            format!(
                "transcriber.engines.whisper.languages contains {name:?}; allowed are auto or codes \
                 such as he,en"
            )
        };
        if languages.is_empty() {
            return Err(wrong(&String::new()));
        }
        let candidates: Result<Vec<_>, _> =
            languages.iter().map(|name| known(name).ok_or_else(|| wrong(name))).collect();
        Ok(Self { candidates: candidates?, multilingual })
    }

    /// For a piece: the language that is known to be spoken, or else those that calls are in, where
    /// that is known; one that the model does not know is none of them.
    ///
    /// # Errors
    /// When the model knows none of them.
    pub fn of(&self, known: Option<&str>, languages: &[String]) -> Result<Self, EngineError> {
        if known.is_some() || languages.is_empty() {
            return self.pinned(known);
        }
        let each = languages.iter().filter_map(|language| self.pinned(Some(language)).ok());
        let candidates: Vec<_> = each.flat_map(|one| one.candidates).collect();
        match candidates.is_empty() {
            true => Err(EngineError::UnsupportedLanguage),
            false => Ok(Self { candidates, multilingual: self.multilingual }),
        }
    }

    /// With the language that is known to be spoken.
    ///
    /// # Errors
    /// When the model does not know it.
    pub fn pinned(&self, language: Option<&str>) -> Result<Self, EngineError> {
        let Some(language) = language else { return Ok(self.clone()) };
        match known(language) {
            Some(known) if self.multilingual || known == "en" => {
                Ok(Self { candidates: vec![known], multilingual: self.multilingual })
            }
            _ => Err(EngineError::UnsupportedLanguage),
        }
    }
}

/// whisper.cpp's own name of a language.
fn known(name: &str) -> Option<&'static str> {
    // Anything else that is asked for may hold a zero byte, which ends the process.
    get_lang_str(get_lang_id(&language::code(name)?)?)
}

/// How long a piece may take.
pub struct Limit {
    until: Instant,
    allowed: Duration,
    given_up: Arc<AtomicBool>,
}

impl Limit {
    /// So long from now on, or until nobody waits for it any more.
    pub fn of(allowed: Duration, given_up: Arc<AtomicBool>) -> Self {
        Self { until: Instant::now() + allowed, allowed, given_up }
    }

    /// Whether it is.
    pub fn is_over(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || Instant::now() >= self.until
    }
}

/// The limit of the piece that is worked on.
type Watch = Arc<Mutex<Option<Limit>>>;

/// A state of whisper.cpp: taken by one piece at a time, and kept for the next.
pub struct Seat {
    state: WhisperState,
    threads: i32,
    first_special: WhisperTokenId,
    watch: Watch,
    /// By language. Made once each: whisper-rs never frees the texts and callbacks it is given.
    parameters: HashMap<&'static str, FullParams<'static, 'static>>,
}

impl Seat {
    /// A new state of a model.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(context: &WhisperContext, threads: i32) -> Result<Self, EngineError> {
        Ok(Self {
            state: context.create_state().map_err(failed)?,
            threads,
            first_special: context.token_eot(),
            watch: Arc::default(),
            parameters: HashMap::new(),
        })
    }

    /// Transcribes a piece. Blocks; the limit is looked at after every window of thirty seconds is
    /// encoded and with every token.
    ///
    /// # Errors
    /// The limit, or whisper.cpp's failure.
    pub fn hear(
        &mut self,
        piece: &Piece,
        spoken: &Spoken,
        limit: Limit,
    ) -> Result<Heard, EngineError> {
        if piece.length_ms() < NOTHING_MS {
            return Ok(Heard::default());
        }
        let seconds = limit.allowed.as_secs();
        if limit.is_over() {
            return Err(EngineError::Timeout { seconds });
        }
        self.watch(Some(limit));
        let outcome = self.run(piece, spoken);
        let is_over = self.is_over();
        self.watch(None);
        match outcome {
            Ok(heard) => Ok(heard),
            Err(_) if is_over => Err(EngineError::Timeout { seconds }),
            Err(error) => Err(failed(error)),
        }
    }

    fn run(&mut self, piece: &Piece, spoken: &Spoken) -> Result<Heard, WhisperError> {
        let samples = padded(&piece.samples);
        let language = self.language(&samples, spoken)?;
        let (watch, threads) = (self.watch.clone(), self.threads);
        let parameters =
            self.parameters.entry(language).or_insert_with(|| parameters(language, threads, watch));
        self.state.full(parameters.clone(), &samples)?;
        let segments = self.state.as_iter().filter_map(|segment| self.segment(piece, &segment));
        let segments = segments.collect();
        Ok(Heard { segments, language: language::code(language), ..Heard::default() })
    }

    /// The likeliest of the languages that may be spoken.
    fn language(&mut self, samples: &[f32], spoken: &Spoken) -> Result<&'static str, WhisperError> {
        if let [only] = spoken.candidates[..] {
            return Ok(only);
        }
        let threads = usize::try_from(self.threads).unwrap_or(1);
        self.state.pcm_to_mel(samples, threads)?;
        let (likeliest, probabilities) = self.state.lang_detect(0, threads)?;
        let probability = |language: &&str| {
            let id = get_lang_id(language).and_then(|id| usize::try_from(id).ok());
            id.and_then(|id| probabilities.get(id)).copied().unwrap_or(0.0)
        };
        let best = spoken.candidates.iter().copied();
        let best = best.max_by(|one, other| probability(one).total_cmp(&probability(other)));
        Ok(best.or_else(|| get_lang_str(likeliest)).unwrap_or("en"))
    }

    fn segment(&self, piece: &Piece, segment: &WhisperSegment<'_>) -> Option<HeardSegment> {
        let text = segment.to_str_lossy().ok()?;
        // Times are hundredths of a second.
        let seconds = |hundredths: i64| hundredths as f64 / 100.0;
        let start = seconds(segment.start_timestamp());
        let end = seconds(segment.end_timestamp());
        let no_speech = Some(segment.no_speech_probability());
        let heard = HeardSegment::timed(piece, start, end, &text);
        let heard = heard.with_confidence(self.confidence(segment));
        Some(HeardSegment { no_speech: no_speech.filter(|p| (0.0..=1.0).contains(p)), ..heard })
            .filter(|heard| !heard.text.is_empty())
    }

    /// The geometric mean of the probabilities of the text's tokens, which is what OpenAI's
    /// `avg_logprob` is the logarithm of.
    fn confidence(&self, segment: &WhisperSegment<'_>) -> Option<f32> {
        let tokens = (0..segment.n_tokens()).filter_map(|index| segment.get_token(index));
        let of_text: Vec<f32> = tokens
            .filter(|token| token.token_id() < self.first_special)
            .map(|token| token.token_probability())
            .collect();
        geometric_mean(&of_text)
    }

    fn is_over(&self) -> bool {
        is_over(&self.watch)
    }

    fn watch(&self, limit: Option<Limit>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }
}

fn is_over(watch: &Watch) -> bool {
    let limit = watch.lock().unwrap_or_else(PoisonError::into_inner);
    limit.as_ref().is_some_and(Limit::is_over)
}

fn geometric_mean(probabilities: &[f32]) -> Option<f32> {
    if probabilities.is_empty() {
        return None;
    }
    let sum: f32 = probabilities.iter().map(|probability| probability.max(1e-6).ln()).sum();
    Some((sum / probabilities.len() as f32).exp())
}

fn padded(samples: &[i16]) -> Vec<f32> {
    let length = samples.len().max(usize::try_from(SHORTEST_MS * SAMPLES_PER_MS).unwrap_or(0));
    let mut padded: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32768.0).collect();
    padded.resize(length, 0.0);
    padded
}

fn parameters(language: &'static str, threads: i32, watch: Watch) -> FullParams<'static, 'static> {
    let strategy = SamplingStrategy::BeamSearch { beam_size: BEAM, patience: -1.0 };
    let mut parameters = FullParams::new(strategy);
    parameters.set_n_threads(threads);
    parameters.set_language(Some(language));
    // What was heard before pulls it into loops.
    parameters.set_no_context(true);
    parameters.set_suppress_nst(true);
    // It writes what it hears to standard output otherwise.
    parameters.set_print_special(false);
    parameters.set_print_progress(false);
    parameters.set_print_realtime(false);
    parameters.set_print_timestamps(false);
    // whisper-rs 0.16 calls whatever it is given as this very type.
    let abort: Box<dyn FnMut() -> bool> = Box::new(move || is_over(&watch));
    parameters.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(abort);
    parameters
}

fn failed(error: WhisperError) -> EngineError {
    EngineError::Program(format!("whisper.cpp: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_is_the_geometric_mean_of_the_text_s_tokens() {
        assert_eq!(geometric_mean(&[]), None);
        assert!((geometric_mean(&[0.9, 0.4]).unwrap() - 0.6).abs() < 1e-6);
        let with_an_impossible_one = geometric_mean(&[1.0, 0.0]).unwrap();
        assert!((0.0..0.01).contains(&with_an_impossible_one), "{with_an_impossible_one}");
    }

    #[test]
    fn languages_are_whisper_s_own_and_a_known_one_is_pinned() {
        let spoken = Spoken::new(&["iw-IL".into(), "english".into()], true).unwrap();
        assert_eq!(spoken.candidates, ["he", "en"]);
        assert_eq!(spoken.pinned(Some("he")).unwrap().candidates, ["he"]);
        assert_eq!(spoken.pinned(None).unwrap().candidates, ["he", "en"]);
        assert!(Spoken::new(&["auto".into()], true).unwrap().candidates.is_empty());
        let calls = ["ru".to_owned(), "zz".to_owned(), "en".to_owned()];
        assert_eq!(spoken.of(None, &calls).unwrap().candidates, ["ru", "en"]);
        assert_eq!(spoken.of(Some("he"), &calls).unwrap().candidates, ["he"]);
        assert_eq!(spoken.of(None, &[]).unwrap().candidates, ["he", "en"]);
        assert!(spoken.of(None, &calls[1..2]).is_err());
        for wrong in [vec!["zz".to_owned()], vec![], vec!["h\0e".to_owned()]] {
            let sentence = Spoken::new(&wrong, true).unwrap_err();
            assert!(sentence.contains("transcriber.engines.whisper.languages"), "{sentence}");
        }
    }

    #[test]
    fn a_model_for_english_takes_nothing_else() {
        let spoken = Spoken::new(&["he".into(), "en".into()], false).unwrap();
        assert_eq!(spoken.candidates, ["en"]);
        assert!(matches!(spoken.pinned(Some("he")), Err(EngineError::UnsupportedLanguage)));
        assert_eq!(spoken.pinned(Some("en-US")).unwrap().candidates, ["en"]);
        assert_eq!(spoken.of(None, &["ru".into(), "en".into()]).unwrap().candidates, ["en"]);
        assert!(spoken.of(None, &["ru".into()]).is_err());
    }
}

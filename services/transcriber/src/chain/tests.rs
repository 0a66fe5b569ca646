mod languages;
mod soonest;
mod standing_in;

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;

use self::standing_in::stand_in;
use super::*;
use crate::{
    audio::{Channel, CutRule, Recording, Stretch},
    engines::{EngineError, Heard, HeardSegment, Piece},
};

/// Answers as it is told, then always the same.
struct Scripted {
    name: &'static str,
    answers: Mutex<VecDeque<Result<&'static str, EngineError>>>,
    then: Result<&'static str, EngineError>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    places: usize,
    per_minute: Option<u32>,
    /// Language and voices it says it heard.
    told: (Option<&'static str>, &'static [usize]),
    stands_in: bool,
    /// Languages it knows; all where there are none.
    knows: &'static [&'static str],
    takes: Duration,
}

impl Scripted {
    fn new(name: &'static str, then: Result<&'static str, EngineError>) -> Arc<Self> {
        Arc::new(Self {
            name,
            answers: Mutex::default(),
            then,
            asked: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            places: 2,
            per_minute: None,
            told: (None, &[]),
            stands_in: false,
            knows: &[],
            takes: Duration::ZERO,
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Engine for Scripted {
    fn identity(&self) -> domain::Engine {
        domain::Engine { name: self.name.into(), model: None, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: 30_000, at_silence_ms: Some(700) }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        Some(6_000)
    }

    fn places(&self) -> usize {
        self.places
    }

    fn requests_per_minute(&self) -> Option<u32> {
        self.per_minute
    }

    fn stands_in(&self) -> bool {
        self.stands_in
    }

    fn knows(&self, language: &str) -> bool {
        self.knows.is_empty() || self.knows.contains(&language)
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            tokio::task::yield_now().await;
            tokio::time::sleep(self.takes).await;
            let answer = self.answers.lock().unwrap().pop_front();
            let answer = answer.unwrap_or_else(|| self.then.clone());
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            answer.map(|text| {
                let mut heard = Heard::whole(piece, text, None);
                heard.language = self.told.0.map(str::to_owned);
                let voices = self.told.1.iter().map(|voice| Some(*voice));
                let segments = heard.segments.clone();
                let told = voices.flat_map(|voice| {
                    segments.iter().cloned().map(move |segment| HeardSegment { voice, ..segment })
                });
                heard.segments =
                    if self.told.1.is_empty() { segments.clone() } else { told.collect() };
                heard
            })
        })
    }
}

/// Ten seconds with four of speech.
fn recording() -> Arc<Recording> {
    let channel = Channel::of(10_000, vec![Stretch { start_ms: 2_000, end_ms: 6_000 }]);
    Arc::new(Recording {
        channels: vec![channel],
        facts: domain::RecordingFacts::default(),
        identical_channels: false,
        damaged: false,
        silent: false,
    })
}

const SAID: &str = "i need a locksmith in austin";

fn down() -> EngineError {
    EngineError::Unavailable("status 503".into())
}

fn task() -> Task {
    Task {
        recording: recording(),
        speakers: vec![domain::Speaker::Unknown],
        language: None,
        work: "RE1:0".into(),
        account: "AC1".into(),
        waits_until: tokio::time::Instant::now() + Duration::from_secs(3600),
    }
}

fn chain(engines: Vec<Arc<dyn Engine>>) -> Chain {
    Chain::new(engines, Ledger::off())
}

async fn ask(chain: &Chain) -> Result<Transcription, Setback> {
    chain.transcribe(&task()).await
}

#[tokio::test]
async fn the_next_engine_takes_over_when_the_first_fails_and_is_named_in_the_transcript() {
    for error in [down(), EngineError::TooLarge, EngineError::QuotaExhausted] {
        let (first, second) =
            (Scripted::new("first", Err(error)), Scripted::new("second", Ok(SAID)));
        let chain = chain(vec![first, second]);
        let given = ask(&chain).await.unwrap();
        assert_eq!(given.transcript.engine.name, "second");
        assert_eq!(given.transcript.text(), SAID);
    }
}

#[tokio::test]
async fn a_doubtful_transcript_is_tried_on_the_next_engine_and_both_are_paid() {
    let (first, second) = (Scripted::new("first", Ok("")), Scripted::new("second", Ok(SAID)));
    let given = ask(&chain(vec![first, second])).await.unwrap();
    assert_eq!((given.transcript.text().as_str(), given.flags.len()), (SAID, 0));
    // 4.5 seconds (the speech and its margins) at 6,000 a minute, twice.
    assert_eq!(given.cost_microusd, Some(900));
}

#[tokio::test]
async fn an_empty_retry_does_not_replace_words_that_were_heard() {
    let (first, second) = (Scripted::new("first", Ok("ok bye")), Scripted::new("second", Ok("")));
    let given = ask(&chain(vec![first, second])).await.unwrap();
    assert_eq!(given.transcript.engine.name, "first");
    assert_eq!(given.flags, ["little_text_for_speech"]);
}

#[tokio::test]
async fn where_no_word_was_heard_an_engine_that_may_hear_some_later_is_waited_for() {
    let limited = || EngineError::RateLimited { after: None };
    for (error, code) in [(down(), "engine_unavailable"), (limited(), "engine_rate_limited")] {
        let first = Scripted::new("first", Ok(""));
        let setback = ask(&chain(vec![first, Scripted::new("second", Err(error))])).await;
        assert_eq!(setback.unwrap_err().failure.code, code);
    }
    // One that would refuse again changes nothing: there is speech without words, and that is said.
    let refused = Err(EngineError::Refused("status 400".into()));
    let (first, second) = (Scripted::new("first", Ok("")), Scripted::new("second", refused));
    let given = ask(&chain(vec![first, second])).await.unwrap();
    assert_eq!(given.flags, ["no_text_for_speech"]);
}

#[tokio::test]
async fn a_failing_engine_is_left_alone_and_calls_wait_without_counting() {
    let engine = Scripted::new("only", Err(down()));
    let chain = chain(vec![engine.clone()]);
    for _ in 0..5 {
        assert_eq!(ask(&chain).await.unwrap_err().treatment, Treatment::Retry);
    }
    let setback = ask(&chain).await.unwrap_err();
    assert!(matches!(setback.treatment, Treatment::Wait(wait) if wait <= Duration::from_secs(30)));
    assert_eq!(engine.asked(), 5);
}

#[tokio::test]
async fn an_exhausted_quota_parks_the_engine_for_everybody() {
    let engine = Scripted::new("only", Err(EngineError::QuotaExhausted));
    let chain = chain(vec![engine.clone()]);
    let setback = ask(&chain).await.unwrap_err();
    assert_eq!(setback.failure.code, "engine_quota_exhausted");
    assert!(matches!(setback.treatment, Treatment::Park { by, .. } if by == "engine:only"));
    // The others wait without parking it once more, which would undo what a person resumed.
    for _ in 0..3 {
        let setback = ask(&chain).await.unwrap_err();
        assert_eq!(setback.failure.code, "engine_quota_exhausted");
        assert!(matches!(setback.treatment, Treatment::Wait(wait) if wait.as_secs() <= 30));
    }
    assert_eq!(engine.asked(), 1);
}

#[tokio::test]
async fn a_rate_limited_engine_is_asked_again_when_it_said() {
    let after = Some(Duration::from_secs(7));
    let engine = Scripted::new("only", Err(EngineError::RateLimited { after }));
    let chain = chain(vec![engine.clone()]);
    let setback = ask(&chain).await.unwrap_err();
    assert_eq!(setback.treatment, Treatment::Wait(Duration::from_secs(7)));
    let setback = ask(&chain).await.unwrap_err();
    assert!(matches!(setback.treatment, Treatment::Wait(wait) if wait.as_secs() >= 6));
    assert_eq!(engine.asked(), 1);
}

#[tokio::test]
async fn what_time_can_heal_comes_before_what_it_cannot() {
    let first = Scripted::new("first", Err(EngineError::UnsupportedLanguage));
    let second = Scripted::new("second", Err(down()));
    let setback = ask(&chain(vec![first.clone(), second])).await.unwrap_err();
    assert_eq!(setback.treatment, Treatment::Retry);
    let setback = ask(&chain(vec![first])).await.unwrap_err();
    assert_eq!(setback.treatment, Treatment::GiveUp);
}

#[tokio::test]
async fn what_an_engine_was_paid_before_it_failed_is_part_of_the_cost() {
    let first = Scripted::new("first", Err(down()));
    first.answers.lock().unwrap().push_back(Ok(SAID));
    let speech = |start_ms| Stretch { start_ms, end_ms: start_ms + 4_000 };
    let channel = Channel::of(60_000, vec![speech(2_000), speech(50_000)]);
    let recording = Arc::into_inner(recording()).unwrap();
    let recording = Arc::new(Recording { channels: vec![channel], ..recording });
    let task = Task { recording, ..task() };
    let chain = chain(vec![first, Scripted::new("second", Ok(SAID))]);
    // Three pieces of 4.5 seconds at 6,000 a minute: one of the first, two of the second.
    assert_eq!(chain.transcribe(&task).await.unwrap().cost_microusd, Some(1_350));
}

#[tokio::test]
async fn an_engine_that_finds_a_piece_too_large_gets_smaller_ones() {
    let channel = Channel::of(30_000, vec![Stretch { start_ms: 1_000, end_ms: 29_000 }]);
    let recording = Arc::into_inner(recording()).unwrap();
    let recording = Arc::new(Recording { channels: vec![channel], ..recording });
    let task = Task { recording, ..task() };
    let engine = Scripted::new("only", Ok("and so on and so forth"));
    let too_large = || Err(EngineError::TooLarge);
    // Other words each time: the same ones would be a loop.
    let said = ["we went home again", "by the long way round", "and it rained", "all the time"];
    let answers = [too_large(), too_large()].into_iter().chain(said.map(Ok));
    engine.answers.lock().unwrap().extend(answers);
    let given = chain(vec![engine.clone()]).transcribe(&task).await.unwrap();
    let longest = given.transcript.segments.iter().map(|s| s.end_ms - s.start_ms).max();
    assert!(longest <= Some(7_500), "{:?}", given.transcript.segments);
    assert_eq!(given.transcript.segments.last().unwrap().end_ms, 29_250);
    // Where nothing is small enough, somebody has time to raise the limit.
    let engine = Scripted::new("only", Err(EngineError::TooLarge));
    let setback = chain(vec![engine.clone()]).transcribe(&task).await.unwrap_err();
    assert_eq!((setback.treatment, engine.asked() < 10), (Treatment::Retry, true));
}

#[tokio::test]
async fn no_more_pieces_are_at_an_engine_than_it_has_places() {
    let engine = Scripted::new("only", Ok(SAID));
    let chain = chain(vec![engine.clone()]);
    let calls = (0..20).map(|_| ask(&chain));
    for given in futures_util::future::join_all(calls).await {
        given.unwrap();
    }
    assert_eq!(engine.asked(), 20);
    assert_eq!(engine.most_at_once.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_no_place_in_time_waits_in_the_queue_without_counting() {
    let engine = Arc::new(Scripted {
        places: 1,
        takes: Duration::from_secs(60),
        ..own(Scripted::new("only", Ok(SAID)))
    });
    let stand_in = stand_in();
    let chain = chain(vec![engine.clone(), stand_in.clone()]);
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    let hurried = || Task { waits_until: until, ..task() };
    let (first, second) = (hurried(), hurried());
    let (first, second) = tokio::join!(chain.transcribe(&first), chain.transcribe(&second));
    // Whichever came first has the place.
    let (given, setback) = if first.is_ok() { (first, second) } else { (second, first) };
    let (given, setback) = (given.unwrap(), setback.unwrap_err());
    assert_eq!(given.transcript.engine.name, "only");
    assert_eq!(setback.failure.code, "engine_busy");
    assert!(matches!(setback.treatment, Treatment::Wait(_)), "{setback:?}");
    assert_eq!((engine.asked(), stand_in.asked()), (1, 0));
}

/// A scripted engine that is not shared yet.
fn own(engine: Arc<Scripted>) -> Scripted {
    Arc::into_inner(engine).unwrap()
}

/// Who speaks in the segments of what an engine that tells two voices apart hears.
async fn voices_in(channels: Vec<Channel>, speakers: Vec<domain::Speaker>) -> Vec<domain::Speaker> {
    let told = (None, &[1, 2][..]);
    let engine = Arc::new(Scripted { told, ..own(Scripted::new("voices", Ok(SAID))) });
    let recording = Arc::into_inner(recording()).unwrap();
    let recording = Arc::new(Recording { channels, ..recording });
    let task = Task { recording, speakers, ..task() };
    let given = chain(vec![engine]).transcribe(&task).await.unwrap();
    given.transcript.segments.iter().map(|segment| segment.speaker).collect()
}

#[tokio::test]
async fn voices_are_labelled_in_a_mono_recording_of_one_piece_and_nowhere_else() {
    use domain::Speaker::{Agent, Caller, Unknown, Voice};
    let speech = |start_ms| Stretch { start_ms, end_ms: start_ms + 4_000 };
    let one = || Channel::of(10_000, vec![speech(2_000)]);
    assert_eq!(voices_in(vec![one()], vec![Unknown]).await, [Voice(1), Voice(2)]);
    let two = Channel::of(60_000, vec![speech(2_000), speech(50_000)]);
    let apart = voices_in(vec![two], vec![Unknown]).await;
    assert!(apart.iter().all(|speaker| *speaker == Unknown), "{apart:?}");
    let labelled = voices_in(vec![one(), one()], vec![Caller, Agent]).await;
    assert!(labelled.iter().all(|speaker| [Caller, Agent].contains(speaker)), "{labelled:?}");
}

#[tokio::test]
async fn a_language_that_is_not_allowed_is_tried_on_the_next_engine() {
    let told = (Some("fr"), &[][..]);
    let first = Arc::new(Scripted { told, ..own(Scripted::new("first", Ok(SAID))) });
    let second = Scripted::new("second", Ok(SAID));
    let chain = chain(vec![first.clone(), second]).in_languages(&["he".into(), "en".into()]);
    assert_eq!(ask(&chain).await.unwrap().transcript.engine.name, "second");
    let alone = Chain::new(vec![first], Ledger::off()).in_languages(&["en".into()]);
    assert_eq!(ask(&alone).await.unwrap().flags, ["language_not_allowed"]);
}

#[tokio::test(start_paused = true)]
async fn requests_keep_the_engine_s_pace_whoever_asks() {
    let per_minute = Some(60);
    let engine = Arc::new(Scripted { per_minute, ..own(Scripted::new("paced", Ok(SAID))) });
    let chain = chain(vec![engine.clone()]);
    let start = tokio::time::Instant::now();
    for given in futures_util::future::join_all((0..5).map(|_| ask(&chain))).await {
        given.unwrap();
    }
    assert_eq!(engine.asked(), 5);
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_turn_too_far_away_is_waited_for_in_the_queue_or_taken_by_the_next_engine() {
    let per_minute = Some(1);
    let scripted = || Scripted { per_minute, ..own(Scripted::new("rare", Ok(SAID))) };
    let alone = chain(vec![Arc::new(scripted())]);
    let asked = futures_util::future::join_all((0..4).map(|_| ask(&alone))).await;
    let waits: Vec<_> = asked.into_iter().filter_map(Result::err).collect();
    assert!(!waits.is_empty());
    for setback in waits {
        assert_eq!(setback.failure.code, "engine_rate_limited");
        assert!(matches!(setback.treatment, Treatment::Wait(wait) if wait.as_secs() > 30));
    }
    let helped = chain(vec![Arc::new(scripted()), Scripted::new("ready", Ok(SAID))]);
    let asked = futures_util::future::join_all((0..4).map(|_| ask(&helped))).await;
    let names = asked.into_iter().map(|given| given.unwrap().transcript.engine.name);
    assert!(names.into_iter().any(|name| name == "ready"));
}

//! What the call sounds like: how much its clauses, all taken together, are like what is said
//! about each service.

use std::ops::Range;

use domain::Speaker;

use super::model::{Looked, Phrases};
use crate::extract::{
    lexicon::{
        cue::Cue,
        scene::{Passage, Scene},
    },
    text::Break,
};

/// Words that are judged together, at most; a longer clause is judged in overlapping parts.
const WINDOW: usize = 10;
/// How much a clause counts of which one word alone says something: that is said for any reason.
const LONE: f32 = 0.6;
/// Windows that are listened to. A call of ten minutes has three hundred. Bounds the time.
const MAX_WINDOWS: usize = 1_000;
/// How much the agent's words count: they repeat what the caller wants, and ask for more.
const AGENT: f32 = 0.5;
/// A lower sum of posteriors is noise.
const AUDIBLE: f32 = 0.15;

/// Words that sound like a service.
#[derive(Debug, Clone)]
struct Heard {
    posterior: f32,
    segment: usize,
    window: Range<usize>,
}

/// How much all clauses sound like each class.
#[derive(Debug)]
pub struct Impression<'p> {
    phrases: &'p Phrases,
    /// Sums of posteriors, by class.
    sums: Vec<f32>,
    /// The words that sound most like it, by class.
    best: Vec<Option<Heard>>,
}

impl<'p> Impression<'p> {
    /// Listens to the call. What the company says before anybody else is about the company.
    pub fn new(phrases: &'p Phrases, scene: &Scene<'_>) -> Self {
        let classes = phrases.classes();
        let mut impression = Self { phrases, sums: vec![0.0; classes], best: vec![None; classes] };
        let mut left = MAX_WINDOWS;
        let mut answered = false;
        for (segment, passage) in scene.passages.iter().enumerate() {
            let agent = passage.speaker == Speaker::Agent;
            answered |= !agent;
            if !answered || left == 0 {
                continue;
            }
            let share = if agent { AGENT } else { 1.0 };
            let looked = phrases.look(&passage.text);
            for window in windows(passage).take(left) {
                left -= 1;
                // "Well,": what a word alone says, the rules know.
                if window.len() < 2 || is_beside(passage, &window) {
                    continue;
                }
                if let Some((posterior, telling)) = looked.posterior(window.clone()) {
                    let share = if telling == 1 { share * LONE } else { share };
                    impression.add(&posterior, share, segment, &window);
                }
            }
        }
        impression
    }

    /// Adds what one window says: nothing, as far as it is small talk.
    fn add(&mut self, posterior: &[f32], share: f32, segment: usize, window: &Range<usize>) {
        let (talk, work): (Vec<_>, Vec<_>) =
            posterior.iter().enumerate().partition(|(class, _)| self.phrases.is_talk(*class));
        let about_work = 1.0 - talk.into_iter().map(|(_, own)| own).sum::<f32>();
        for (class, own) in work {
            self.sums[class] += own * about_work * share;
            let own = own * share;
            if self.best[class].as_ref().is_none_or(|known| known.posterior < own) {
                let window = window.clone();
                self.best[class] = Some(Heard { posterior: own, segment, window });
            }
        }
    }

    /// The services it sounds like, by their numbers in the catalogue, each with the sum of its
    /// posteriors.
    pub fn services(&self) -> impl Iterator<Item = (usize, f32)> {
        let loud = self.sums.iter().enumerate().filter(|(_, sum)| **sum >= AUDIBLE);
        loud.filter_map(|(class, sum)| Some((self.phrases.entry(class)?, *sum)))
    }

    /// The words that sound most like a service, with their segment.
    pub fn words(&self, scene: &Scene<'_>, entry: usize) -> Option<(usize, Range<usize>)> {
        let class = (0..self.sums.len()).find(|class| self.phrases.entry(*class) == Some(entry))?;
        let heard = self.best[class].as_ref()?;
        let looked = self.phrases.look(&scene.passages[heard.segment].text);
        Some((heard.segment, telling(&looked, &heard.window, class)))
    }
}

/// The clauses of a segment, in parts short enough to be about one thing.
fn windows(passage: &Passage) -> impl Iterator<Item = Range<usize>> {
    let tokens = &passage.text.tokens;
    let mut start = 0;
    let clauses = std::iter::from_fn(move || {
        let from = start;
        let rest = tokens.get(from + 1..)?;
        let next = rest.iter().position(|token| token.before >= Break::Comma);
        start = next.map_or(tokens.len(), |at| from + 1 + at);
        Some(from..start)
    });
    clauses.flat_map(|clause| {
        let last = clause.end.saturating_sub(WINDOW / 2).max(clause.start + 1);
        let part = move |from: usize| from..(from + WINDOW).min(clause.end);
        (clause.start..last).step_by(WINDOW / 2).map(part)
    })
}

/// Whether a clause is not about work that the caller wants: "I don't need…", "my husband is a…".
fn is_beside(passage: &Passage, window: &Range<usize>) -> bool {
    let around = window.start.saturating_sub(WINDOW / 2)..=window.start;
    let start = around.rev().find(|at| *at == 0 || passage.text.tokens[*at].before >= Break::Comma);
    let start = start.unwrap_or(window.start.saturating_sub(WINDOW / 2));
    let cues = passage.cues_in(start..window.end);
    let negated = |at: usize| {
        let rest = &cues[at..];
        let need = rest.iter().find(|(cue, _)| *cue == Cue::Need);
        need.is_some_and(|(_, span)| span.start <= cues[at].1.end)
    };
    cues.iter().enumerate().any(|(at, (cue, _))| match cue {
        Cue::Negate => negated(at),
        Cue::Done | Cue::TradeOfKin | Cue::Recommend | Cue::Idle | Cue::Applicant => true,
        _ => false,
    })
}

/// The words of a window from the first to the second most telling one, as they stand.
fn telling(looked: &Looked<'_>, window: &Range<usize>, class: usize) -> Range<usize> {
    let mut words: Vec<usize> = window.clone().collect();
    words.sort_by(|a, b| looked.gain(*b, class).total_cmp(&looked.gain(*a, class)));
    let two = words.iter().take(2);
    let from = two.clone().min().copied().unwrap_or(window.start);
    from..two.max().map_or(window.end, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{Engine, Extraction, Segment, Transcript};

    use crate::extract::{
        Lexicon,
        catalogue::{Catalogue, Kind, Strength},
        lexicon::confidence::FLOOR,
    };

    use super::*;

    /// The built-in services, of which the rules know no more than their names.
    fn by_name_only() -> Lexicon {
        let mut catalogue = Catalogue::built_in().unwrap();
        for entry in catalogue.entries.iter_mut().filter(|entry| entry.kind == Kind::Service) {
            entry.phrases.retain(|phrase| phrase.strength == Strength::Name);
        }
        Lexicon::new(Arc::new(catalogue)).unwrap()
    }

    fn call(segments: &[(Speaker, &str)]) -> Transcript {
        let segments = segments.iter().map(|(speaker, text)| Segment {
            speaker: *speaker,
            start_ms: 0,
            end_ms: 1,
            text: (*text).to_owned(),
            confidence: None,
        });
        let engine = Engine { name: "test".into(), model: None, version: None };
        Transcript { segments: segments.collect(), language: None, engine }
    }

    fn service(extraction: &Extraction) -> Option<&str> {
        extraction.service.as_ref().map(|field| field.id.as_str())
    }

    #[test]
    fn a_symptom_no_rule_knows_gets_its_service_unsurely_and_in_the_callers_words() {
        let lexicon = by_name_only();
        for (text, id) in [
            ("Hi there. My key snapped inside the lock, and I am stuck outside.", "locksmith"),
            ("hello, half the outlets are dead and the breaker keeps tripping", "electrician"),
            ("Yes, there are roaches and ants running around at night.", "pest-control"),
            ("שלום, המפתח נשבר בתוך המנעול ואני תקוע בחוץ", "locksmith"),
            ("תשמע, יש לי קצר בחשמל והפקק קופץ כל הזמן", "electrician"),
        ] {
            let transcript = call(&[(Speaker::Agent, "Hello?"), (Speaker::Caller, text)]);
            let extraction = lexicon.extract(&transcript, None);
            assert_eq!(service(&extraction), Some(id), "{text}");
            let field = extraction.service.unwrap();
            let place = &field.evidence;
            let length = place.end_char - place.start_char;
            let quote: String = text.chars().skip(place.start_char).take(length).collect();
            assert_eq!((place.segment, quote.as_str()), (1, place.quote.as_str()));
            assert!(!field.raw.is_empty() && quote.contains(&field.raw), "{field:?}");
            assert!((FLOOR..0.8).contains(&field.confidence), "{field:?}");
        }
    }

    #[test]
    fn small_talk_and_the_companys_words_give_no_service() {
        let lexicon = by_name_only();
        let symptom = "So your key snapped inside the lock and you are stuck outside.";
        for spoken in [
            (Speaker::Caller, "Yes hello, can you hear me? I will be home all afternoon, thanks."),
            (Speaker::Caller, "My number is the one I am calling from."),
            (Speaker::Caller, "בוקר טוב, שומעים אותי? אני אהיה בבית כל היום, תודה רבה."),
            (Speaker::Agent, symptom),
        ] {
            let extraction = lexicon.extract(&call(&[spoken]), None);
            assert_eq!(extraction.service, None, "{spoken:?}");
        }
    }

    #[test]
    fn what_the_caller_says_not_to_need_is_not_given() {
        let lexicon = by_name_only();
        for text in [
            "I do not need my roof shingles or the gutters replaced.",
            "My husband is an electrician and already fixed the breaker and the outlets.",
        ] {
            let extraction = lexicon.extract(&call(&[(Speaker::Caller, text)]), None);
            assert_eq!(extraction.service, None, "{text}");
        }
    }

    #[test]
    fn a_service_that_the_catalogue_lacks_is_not_taken_for_another() {
        let source = "[[service]]\nid = \"painter\"\nen = [\"painter\"]\n\
                      [[city]]\nid = \"haifa\"\nen = [\"Haifa\"]\n";
        let catalogue = Catalogue::parse("own.toml", source).unwrap();
        let lexicon = Lexicon::new(Arc::new(catalogue)).unwrap();
        let said = |text| lexicon.extract(&call(&[(Speaker::Caller, text)]), None);
        let paint = said("The ceiling paint is peeling and I want the walls painted white.");
        assert_eq!(service(&paint), Some("painter"));
        assert_eq!(said("My key snapped inside the lock and I am stuck outside.").service, None);
    }
}

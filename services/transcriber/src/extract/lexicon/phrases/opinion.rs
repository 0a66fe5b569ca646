//! What the call sounds like: how much its clauses, all taken together, are like what is said
//! about each service.

use std::ops::Range;

use super::model::{Looked, Phrases};
use crate::extract::{
    catalogue::Kind,
    lexicon::{
        cue::Cue,
        gist::Gist,
        part::Part,
        scene::{Passage, Scene},
    },
    text::Break,
};

/// Words that are judged together, at most; a longer clause is judged in overlapping parts.
const WINDOW: usize = 10;
/// Windows that are listened to. A call of ten minutes has three hundred. Bounds the time.
const MAX_WINDOWS: usize = 1_000;
/// Words of the first thing of substance that a caller says, and of all that a caller says, which
/// are judged as a whole; calls are counted so, too.
const OPENING: usize = 40;
const WHOLE: usize = 400;
/// A window that sounds less like a service says nothing of it.
const AUDIBLE: f32 = 0.12;

/// And one that hardly does is not summed up.
const FAINT: f32 = 1e-4;

/// Words that sound like a service.
#[derive(Debug, Clone)]
pub struct Window {
    /// The entry's number in the catalogue.
    pub entry: usize,
    /// How much they do, 0 to 1.
    pub posterior: f32,
    /// Their segment.
    pub segment: usize,
    /// The words.
    pub tokens: Range<usize>,
}

/// How much the parts of a call sound like one thing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sound {
    /// Sums of posteriors, by part.
    pub sums: [f32; 4],
    /// The highest posteriors, by part.
    pub most: [f32; 4],
    /// The posterior of the first thing of substance that the caller says.
    pub opening: f32,
    /// The posterior of all that the caller says, taken together.
    pub whole: f32,
}

/// How much all clauses sound like each class.
#[derive(Debug)]
pub struct Impression<'p> {
    phrases: &'p Phrases,
    gist: &'p Gist,
    /// By class.
    sounds: Vec<Sound>,
    /// The words that sound like a service.
    pub windows: Vec<Window>,
    /// How much of what the caller says is small talk, 0 to 1.
    pub talk: f32,
    /// How much the call sounds like one that wants no work.
    pub idle: Sound,
}

impl<'p> Impression<'p> {
    /// Listens to the call, of which the parts are known.
    pub fn new(phrases: &'p Phrases, gist: &'p Gist, scene: &Scene<'_>, parts: &[Part]) -> Self {
        let mut impression = Self {
            phrases,
            gist,
            sounds: vec![Sound::default(); phrases.classes()],
            windows: Vec::new(),
            talk: 0.0,
            idle: Sound::default(),
        };
        let mut left = MAX_WINDOWS;
        let mut heard = 0.0;
        let mut told = Vec::new();
        for (segment, (passage, part)) in scene.passages.iter().zip(parts).enumerate() {
            if left == 0 {
                break;
            }
            let looked = phrases.look(&passage.text);
            for window in windows(passage).take(left) {
                left -= 1;
                if is_unneeded(passage, &window) {
                    continue;
                }
                let Some(posterior) = looked.posterior(window.clone()) else { continue };
                let talk = impression.add(&posterior, *part, segment, &window);
                if part.is_caller() {
                    impression.talk += talk;
                    heard += 1.0;
                }
            }
            if part.is_caller() {
                told.push((*part, segment, looked));
            }
        }
        impression.talk /= f32::max(heard, 1.0);
        impression.judge_whole(scene, &told);
        impression
    }

    /// Judges what the caller says first, and all of it, as a whole each.
    fn judge_whole(&mut self, scene: &Scene<'_>, told: &[(Part, usize, Looked<'p>)]) {
        type Note = fn(&mut Sound, f32);
        let scopes: [(_, usize, Note); 2] = [
            (&[Part::Opening][..], OPENING, |sound, own| sound.opening = own),
            (&[Part::Opening, Part::Caller], WHOLE, |sound, own| sound.whole = own),
        ];
        for (parts, words, note) in scopes {
            let told = || told.iter().filter(|(part, ..)| parts.contains(part));
            let texts = told().map(|(_, segment, _)| &scene.passages[*segment].text);
            let Some(gist) = self.gist.posterior(texts, words) else { continue };
            note(&mut self.idle, gist.idle());
            for (entry, chance) in gist.services() {
                if let Some(class) = self.phrases.class(entry) {
                    note(&mut self.sounds[class], chance);
                }
            }
            // Services of a catalogue of one's own.
            let unknown = |class: &usize| {
                self.phrases.entry(*class).is_some_and(|entry| !self.gist.knows(entry))
            };
            let unknown: Vec<usize> = (0..self.sounds.len()).filter(unknown).collect();
            if unknown.is_empty() {
                continue;
            }
            let posterior = self.phrases.posterior(told().map(|(_, _, text)| text), words);
            for (class, own) in unknown.into_iter().zip(posterior.into_iter().flatten()) {
                note(&mut self.sounds[class], own);
            }
        }
    }

    /// Adds what one window says, as far as it is no small talk. Gives how much of it is.
    fn add(&mut self, posterior: &[f32], part: Part, segment: usize, tokens: &Range<usize>) -> f32 {
        let talk: f32 = posterior
            .iter()
            .enumerate()
            .filter(|(class, _)| self.phrases.is_talk(*class))
            .map(|(_, own)| own)
            .sum();
        let at = part as usize;
        for (class, own) in posterior.iter().enumerate() {
            if *own < FAINT || self.phrases.is_talk(class) {
                continue;
            }
            let own = own * (1.0 - talk);
            let idle = self.phrases.is_idle(class);
            let sound = if idle { &mut self.idle } else { &mut self.sounds[class] };
            sound.sums[at] += own;
            sound.most[at] = sound.most[at].max(own);
            if let Some(entry) = self.phrases.entry(class).filter(|_| own >= AUDIBLE) {
                self.windows.push(Window {
                    entry,
                    posterior: own,
                    segment,
                    tokens: tokens.clone(),
                });
            }
        }
        talk
    }

    /// The services it could sound like, by their numbers in the catalogue.
    pub fn services(&self) -> impl Iterator<Item = (usize, &Sound)> {
        let known = |(class, sound)| Some((self.phrases.entry(class)?, sound));
        self.sounds.iter().enumerate().filter_map(known)
    }

    /// The words that sound most like a service, with their segment: the caller's, if any.
    pub fn words(
        &self,
        scene: &Scene<'_>,
        parts: &[Part],
        entry: usize,
    ) -> Option<(usize, Range<usize>)> {
        let own = self.windows.iter().filter(|window| window.entry == entry);
        let best = own.max_by(|a, b| {
            let rank = |w: &Window| (parts[w.segment].is_caller(), w.posterior);
            let ((a, least), (b, most)) = (rank(a), rank(b));
            a.cmp(&b).then(least.total_cmp(&most))
        })?;
        let class = self.phrases.class(entry)?;
        let looked = self.phrases.look(&scene.passages[best.segment].text);
        // "Not Haifa, Acre": the name of a city says nothing of the work.
        let cities: Vec<&Range<usize>> = scene
            .mentions
            .iter()
            .filter(|m| m.kind == Kind::City && m.segment == best.segment)
            .map(|m| &m.tokens)
            .collect();
        let is_city = |word: &usize| cities.iter().any(|tokens| tokens.contains(word));
        let words = best.tokens.clone().filter(|word| !is_city(word));
        Some((best.segment, telling(&looked, words.collect(), class)?))
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

/// Whether a clause is about what the caller does not need: "I don't need…".
fn is_unneeded(passage: &Passage, window: &Range<usize>) -> bool {
    let cues = passage.cues_in(window.start.saturating_sub(WINDOW / 2)..window.end);
    let of = |wanted: Cue| cues.iter().filter(move |(cue, _)| *cue == wanted);
    of(Cue::Negate).any(|(_, denial)| {
        let needed = of(Cue::Need).any(|(_, need)| {
            (denial.start..=denial.end).contains(&need.start) && need.end > denial.start + 1
        });
        needed && passage.unbroken(denial.end..window.start + 1, Break::Comma)
    })
}

/// The words from the first to the second most telling one, as they stand; `None` where none of them
/// tells anything.
fn telling(looked: &Looked<'_>, mut words: Vec<usize>, class: usize) -> Option<Range<usize>> {
    words.sort_by(|a, b| looked.gain(*b, class).total_cmp(&looked.gain(*a, class)));
    let most = words.first().filter(|word| looked.gain(**word, class) > 0.0)?;
    let other = words.get(1).unwrap_or(most);
    Some(*most.min(other)..most.max(other) + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{Extraction, Speaker};

    use crate::extract::{
        Lexicon,
        catalogue::{Catalogue, Kind, Strength},
        lexicon::{confidence::FLOOR, spoken::call},
    };

    /// The built-in services, of which the rules know no more than their names.
    fn by_name_only() -> Lexicon {
        let mut catalogue = Catalogue::built_in().unwrap();
        for entry in catalogue.entries.iter_mut().filter(|entry| entry.kind == Kind::Service) {
            entry.phrases.retain(|phrase| phrase.strength == Strength::Name);
        }
        Lexicon::new(Arc::new(catalogue)).unwrap()
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
            "I don't need a plumber, thank you.",
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

//! How much each mention of a city says about where the work is.

mod clues;
mod denial;
mod names;
mod others;
mod ranking;
mod subject;
mod turns;

use domain::Speaker;

use super::{
    cue::Cue,
    scene::{Mention, Passage, Scene},
    stance::Stance,
    weights::CityWeights,
};
use crate::extract::{
    catalogue::Kind,
    text::{Break, Script},
};

/// An answer names the city among its first words.
const ANSWER: usize = 14;
/// Fewer words between a cue and a city leave nothing else that it could be about.
const CLOSE: usize = 4;
/// Cues of a clause reach this many words.
const CLAUSE: usize = 8;

pub use clues::Clues;
pub use ranking::{ABSENCES, CIRCUMSTANCES, CityRanking};
use subject::Subject;
pub use turns::{hear_turns, repeats_guess};

/// Weighs one mention.
pub fn judge(scene: &Scene<'_>, weights: &CityWeights, number: usize) -> Stance {
    let mention = &scene.mentions[number];
    let place = Place::new(scene, weights, mention);
    let mut stance = Stance::new(number, place.prior());
    place.weigh_spelling(&mut stance);
    place.weigh_place(&mut stance);
    place.weigh_subject(&mut stance);
    place.weigh_way(&mut stance);
    place.weigh_others(&mut stance);
    place.exclude_names(&mut stance);
    place.exclude_denied(&mut stance);
    stance
}

struct Place<'s, 'c> {
    scene: &'s Scene<'c>,
    mention: &'s Mention,
    passage: &'s Passage,
    start: usize,
    end: usize,
    agent: bool,
    within: bool,
    from: bool,
    to: bool,
    answers: bool,
    weights: &'s CityWeights,
}

impl<'s, 'c> Place<'s, 'c> {
    fn new(scene: &'s Scene<'c>, weights: &'s CityWeights, mention: &'s Mention) -> Self {
        let passage = scene.passage(mention);
        let (start, end) = (mention.tokens.start, mention.tokens.end);
        let inside = passage.before(Cue::Inside, start, 0, Break::Comma).is_some();
        let said_before = |word: &str| {
            let token = start.checked_sub(1).and_then(|at| passage.text.tokens.get(at));
            token.is_some_and(|token| passage.text.word(token) == word)
        };
        let mut place = Self {
            scene,
            mention,
            passage,
            start,
            end,
            agent: passage.speaker == Speaker::Agent,
            within: mention.prefix.within || inside || said_before("ב"),
            from: mention.prefix.from || said_before("from") || said_before("מ"),
            to: mention.prefix.to || said_before("to") || said_before("ל"),
            answers: false,
            weights,
        };
        place.answers = place.answers();
        place
    }

    /// As [`Place::before`], within what was said since the caller last began to speak of
    /// himself: in "my neighbour recommended you, I'm from Afula" nobody recommended Afula.
    fn lately(&self, cue: Cue, reach: usize) -> bool {
        self.lately_at(cue, reach).is_some()
    }

    /// How many words ago, see [`Place::lately`].
    fn lately_at(&self, cue: Cue, reach: usize) -> Option<usize> {
        let back = |cue| self.passage.before(cue, self.start, reach, Break::Sentence);
        let anew = [Cue::Me, Cue::But, Cue::Here].into_iter().filter_map(back).min();
        let need = back(Cue::Need).filter(|_| cue != Cue::Kin);
        let site = back(Cue::Site).filter(|_| cue == Cue::Elsewhere);
        let anew = anew.into_iter().chain(need).chain(site).min();
        back(cue).filter(|distance| anew.is_none_or(|anew| *distance < anew))
    }

    fn before(&self, cue: Cue, reach: usize) -> bool {
        self.passage.before(cue, self.start, reach, Break::Sentence).is_some()
    }

    fn beside(&self, cue: Cue, reach: usize) -> bool {
        self.passage.before(cue, self.start, reach, Break::Comma).is_some()
    }

    fn after(&self, cue: Cue, reach: usize) -> bool {
        self.passage.after(cue, self.end, reach, Break::Comma).is_some()
    }

    fn prior(&self) -> f32 {
        let weight = self.scene.catalogue.entries[self.mention.entry].weight;
        let speaker = match self.passage.speaker {
            Speaker::Caller => self.weights.caller,
            Speaker::Unknown | Speaker::Voice(_) => self.weights.unknown,
            Speaker::Agent => self.weights.agent,
        };
        speaker + weight
    }

    /// Whether the other side just asked for the city, or guessed one.
    fn answers(&self) -> bool {
        let segment = self.mention.segment;
        let asked = self.scene.previous(segment).is_some_and(|p| {
            let guessed = p.has(Cue::Tag) || p.asks();
            p.speaker == Speaker::Agent
                && (p.has(Cue::AskCity)
                    || p.has(Cue::Guess)
                    || guessed && self.guessed().is_some()
                    || (guessed || self.guessed().is_some()) && self.start < 3)
        });
        let guessed = self.guessed();
        let refused = guessed.is_some() && self.passage.refuses();
        let first = !self.scene.mentions[..self.number()].iter().rev().take(4).any(|m| {
            m.segment == segment
                && m.kind == Kind::City
                && m.entry != self.mention.entry
                && !(refused && guessed == Some(m.entry))
        });
        let turned = [Cue::But, Cue::Correct, Cue::No]
            .iter()
            .any(|cue| self.passage.before(*cue, self.start, 4, Break::Question).is_some());
        // "You in Knoxville?" "Yes, sir. I live in Chattanooga."
        let open = self.scene.previous(segment).is_some_and(|p| p.has(Cue::AskCity));
        if let Some(guess) = guessed.filter(|_| self.passage.speaker == Speaker::Caller) {
            let own = guess == self.mention.entry;
            let accepted = self.passage.opens_with(Cue::Yes, 1) && !refused && !open;
            if accepted && !own && !turned || refused && own && !self.is_said_before() {
                return false;
            }
        }
        // On one channel the question is in the same segment.
        let both = self.passage.speaker == Speaker::Unknown;
        if both && self.asked_just_before() {
            return true;
        }
        // "On Fourth Street, but my husband is in Worcester": that is where he is.
        let theirs = self.start > 3 && self.beside(Cue::Third, 1);
        self.passage.speaker == Speaker::Caller
            && asked
            && self.start < ANSWER
            && (first || turned)
            && (!theirs || self.scene.acts_for_another())
    }

    /// Nobody names another city in the whole call.
    fn is_only_city(&self) -> bool {
        self.scene.only_city == Some(self.mention.entry)
    }

    fn asked_just_before(&self) -> bool {
        let asked = self.passage.cues_in(self.start.saturating_sub(8)..self.start);
        asked.iter().any(|(cue, span)| {
            *cue == Cue::AskCity && span.end <= self.start && self.start - span.end <= 3
        })
    }

    /// Words that only a place has around it.
    fn is_placed(&self) -> bool {
        self.within
            || self.beside(Cue::Near, 1)
            || self.agent && self.is_guess()
            || self.answers && self.start < 5
            || self.region() > 0
            || self.before(Cue::Serve, 0)
            || self.is_address()
            || self.is_destination()
            || self.from
                && (self.before(Cue::Me, 1)
                    || self.before(Cue::Named, 3)
                    || self.before(Cue::Person, 3))
            || self.subject() == Subject::Site
            || self.is_pointed_at()
            || self.to
                && (self.before(Cue::Need, CLAUSE)
                    || self.before(Cue::Serve, 3)
                    || self.before(Cue::Moved, 6))
    }

    /// "214 Maple Street, Tampa", or a sentence of nothing but the city.
    fn is_address(&self) -> bool {
        let text = &self.passage.text;
        let opens = match text.tokens.get(self.start) {
            Some(token) if self.start > 0 => token.before,
            _ => Break::Sentence,
        };
        let ends = match text.tokens.get(self.end) {
            Some(next) => next.before,
            None => Break::Sentence,
        };
        let apart = opens.min(ends) >= Break::Comma && opens.max(ends) >= Break::Sentence;
        // "רחוב ויצמן כפר סבא"
        let street = self.passage.before(Cue::StreetBefore, self.start, 3, Break::Sentence);
        let hebrew = text.tokens.get(self.start).is_some_and(|t| t.script == Script::Hebrew);
        apart
            || hebrew && street.is_some_and(|words| words > 0)
            || self.passage.before(Cue::StreetAfter, self.start, 1, Break::Sentence).is_some()
    }

    /// "זה רחובות.", and nothing more.
    fn is_pointed_at(&self) -> bool {
        let tokens = &self.passage.text.tokens;
        let before = self.start.checked_sub(1).and_then(|at| tokens.get(at));
        let ends = tokens.get(self.end).is_none_or(|token| token.before >= Break::Comma);
        ends && before.is_some_and(|token| matches!(self.passage.text.word(token), "זה" | "זאת"))
    }

    fn region(&self) -> usize {
        self.scene.region_after(&self.passage.text, self.mention)
    }

    fn weigh_spelling(&self, stance: &mut Stance) {
        let phrase = self.scene.phrase(self.mention);
        let placed = self.is_placed();
        stance.weigh(self.mention.distance == 1, self.weights.by_sound);
        stance.weigh(self.mention.distance == 2, self.weights.misspelt);
        stance.weigh(self.mention.distance == 3, self.weights.by_ear);
        stance.exclude(self.mention.distance == 3 && !placed && !self.answers);
        stance.weigh(self.mention.distance > 0 && !placed, self.weights.misspelt_unplaced);
        stance.weigh(phrase.landmark, self.weights.landmark);
        stance.weigh(phrase.doubtful && !placed, self.weights.doubtful);
    }

    fn weigh_place(&self, stance: &mut Stance) {
        stance.weigh(self.within, self.weights.within);
        stance.weigh(!self.within && self.beside(Cue::Near, 1), self.weights.near);
        let aside = self.contrasted() || self.before(Cue::Work, 4);
        stance.weigh(self.is_address() && !self.agent, self.weights.address);
        // What a caller says last is often the place, with or without a comma before it.
        let last = self.end == self.passage.text.tokens.len() && !self.is_address();
        stance.weigh(last && !self.agent, self.weights.last);
        stance.weigh(
            self.answers,
            if aside { self.weights.answer_aside } else { self.weights.answer },
        );
        let told = self.is_placed()
            || [Cue::Site, Cue::Live, Cue::Serve].iter().any(|cue| self.before(*cue, CLAUSE));
        stance.weigh(!told && !self.answers, self.weights.untold);
        stance.weigh(self.is_only_city(), self.weights.alone);
        stance.weigh(!self.scene.asks_for_service(), self.weights.no_service);
        stance.weigh(self.region() > 0, self.weights.region);
        stance.weigh(self.before(Cue::Site, CLOSE - 1), self.weights.site);
        let far = !self.before(Cue::Site, CLOSE - 1) && self.before(Cue::Site, CLAUSE);
        stance.weigh(far, self.weights.site_far);
        stance.weigh(self.before(Cue::Live, CLAUSE), self.weights.live);
        stance.weigh(self.before(Cue::Serve, CLAUSE), self.weights.serve);
        stance.weigh(self.before(Cue::Need, 12), self.weights.need);
        stance.weigh(self.before(Cue::But, CLAUSE), self.weights.but);
        stance.weigh(self.before(Cue::KinNeeds, CLAUSE), self.weights.kin_needs);
        let replies = !self.agent && self.scene.previous(self.mention.segment).is_some();
        stance.weigh(replies && self.passage.text.tokens.len() <= 4, self.weights.reply);
        let sums_up = self.passage.has(Cue::Recap) || self.passage.has(Cue::Dispatch);
        stance.weigh(self.agent && sums_up, self.weights.summed_up);
        stance.weigh(self.is_read_back(), self.weights.read_back);
    }

    /// What is said to be there.
    fn weigh_subject(&self, stance: &mut Stance) {
        let subject = self.subject();
        stance.weigh(subject == Subject::Site, self.weights.subject_site);
        stance.weigh(subject == Subject::Foreign, self.weights.subject_foreign);
        let close = self.before(Cue::Site, 1) && !self.beside(Cue::Me, 1);
        stance.site = subject == Subject::Site || close && subject != Subject::Foreign;
        let own = self.before(Cue::Me, 2) || self.before(Cue::Live, 1) || self.from;
        stance.own = own && !stance.site;
        let asked = |at: usize| {
            let next = self.passage.text.tokens.get(at);
            next.map_or(self.passage.asks(), |token| token.before == Break::Question)
        };
        // "Philadelphia? I'm in Pittsburgh."
        let echo = !self.agent && asked(self.end) && self.next_city(8).is_some();
        stance.weigh(echo, self.weights.echoed);
    }

    /// To and from.
    fn weigh_way(&self, stance: &mut Stance) {
        let wanted = self.before(Cue::Need, 12) || self.before(Cue::Serve, CLAUSE);
        let moved = self.before(Cue::Moved, 6);
        stance.weigh(self.to && wanted, self.weights.to_wanted);
        stance.weigh(self.is_destination(), self.weights.destination);
        stance.weigh(self.to && moved, self.weights.to_moved);
        stance.weigh(self.from && moved, self.weights.from_moved);
        let introduced = self.before(Cue::Me, 1) || self.before(Cue::Named, 3);
        stance.weigh(self.from && !moved && introduced, self.weights.from_introduced);
        let underway = self.before(Cue::Origin, 3);
        stance.weigh(underway && !self.answers, self.weights.origin);
        stance.weigh(underway && self.to, self.weights.to_origin);
    }

    fn weigh_others(&self, stance: &mut Stance) {
        // "עברנו גבעתיים"
        let moved_here = self.to && self.before(Cue::Moved, 6) || self.beside(Cue::Moved, 0);
        let past = self.lately_at(Cue::Past, CLAUSE).filter(|_| !moved_here);
        stance.weigh(past.is_some_and(|words| words < CLOSE), self.weights.past);
        stance.weigh(past.is_some_and(|words| words >= CLOSE), self.weights.past_far);
        stance.weigh(past.is_some() && self.is_only_city(), self.weights.past_alone);
        let beneficiary = self.scene.acts_for_another();
        let kin = self.lately_at(Cue::Kin, CLAUSE);
        let kin = kin.filter(|_| !self.before(Cue::KinNeeds, CLAUSE));
        let weight = if beneficiary { self.weights.kin_beneficiary } else { self.weights.kin };
        stance.weigh(kin.is_some_and(|words| words < CLOSE), weight);
        let far = if beneficiary { self.weights.kin_beneficiary } else { self.weights.kin_far };
        stance.weigh(kin.is_some_and(|words| words >= CLOSE), far);
        stance.weigh(kin.is_some() && self.is_only_city(), self.weights.kin_alone);
        // In "the flat is old, it is in Hadera" Hebrew says "she".
        let third = self.beside(Cue::Third, 1)
            && !self.before(Cue::Site, CLAUSE)
            && self.scene.speaks_of_kin();
        stance.weigh(
            third,
            if beneficiary { self.weights.third_beneficiary } else { self.weights.third },
        );
        stance.weigh(beneficiary && self.before(Cue::Me, 1), self.weights.me_for_another);
        stance.weigh(
            self.lately(Cue::Recommend, CLAUSE)
                || self.after(Cue::Recommend, 3) && !self.after(Cue::Kin, 2),
            self.weights.recommended,
        );
        stance.weigh(self.before(Cue::Work, 4), self.weights.work);
        // "Where are you?" "We are in Acre.": the company about itself.
        let own = self.passage.has(Cue::Own) || self.before(Cue::Me, 3) && !self.passage.asks();
        stance.weigh(self.agent && own, self.weights.own);
        stance.weigh(self.contrasted(), self.weights.contrasted);
        let elsewhere = self.lately(Cue::Elsewhere, CLAUSE) || self.after(Cue::Elsewhere, 1);
        stance.weigh(elsewhere, self.weights.elsewhere);
        stance.beside = elsewhere
            || kin.is_some()
            || past.is_some()
            || third && !beneficiary
            || self.is_landmark_of_another();
        stance.weigh(self.is_origin_of_move(), self.weights.from_to);
        stance.weigh(self.is_landmark_of_another(), self.weights.near_another);
        stance.exclude(self.is_numbered_street());
        // "You are in Jaffa, right?" asks where the company is.
        let asks = !self.agent && self.beside(Cue::Guess, 1) && !self.answers;
        stance.weigh(asks && self.passage.speaker == Speaker::Caller, self.weights.caller_guess);
        stance.weigh(self.is_followed_by_site(), self.weights.before_site);
        stance.weigh(self.is_part_of_next(), self.weights.before_another);
    }

    /// Where the next other city is named in the same segment.
    fn next_city(&self, reach: usize) -> Option<usize> {
        let own = self.scene.mentions.iter().skip(self.number() + 1);
        own.take_while(|m| m.segment == self.mention.segment && m.tokens.start <= self.end + reach)
            .find(|m| m.kind == Kind::City && m.entry != self.mention.entry)
            .map(|m| m.tokens.start)
    }

    fn number(&self) -> usize {
        let key = (self.mention.segment, self.start);
        self.scene.mentions.partition_point(|m| (m.segment, m.tokens.start) < key)
    }
}

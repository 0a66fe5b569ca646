//! How much each mention of a city says about where the work is.

use domain::Speaker;

use super::{
    cue::Cue,
    scene::{Mention, Passage, Scene},
    stance::Stance,
};
use crate::extract::text::Break;

/// An answer names the city among its first words.
const ANSWER: usize = 14;
/// Cues of a clause reach this many words.
const CLAUSE: usize = 8;

/// Weighs one mention.
pub fn judge(scene: &Scene<'_>, number: usize) -> Stance {
    let mention = &scene.mentions[number];
    let place = Place::new(scene, mention);
    let mut stance = Stance::new(number, place.prior());
    place.weigh_spelling(&mut stance);
    place.weigh_place(&mut stance);
    place.weigh_others(&mut stance);
    place.exclude(&mut stance);
    stance
}

struct Place<'s, 'c> {
    scene: &'s Scene<'c>,
    mention: &'s Mention,
    passage: &'s Passage,
    start: usize,
    end: usize,
}

impl<'s, 'c> Place<'s, 'c> {
    fn new(scene: &'s Scene<'c>, mention: &'s Mention) -> Self {
        let passage = scene.passage(mention);
        let (start, end) = (mention.tokens.start, mention.tokens.end);
        Self { scene, mention, passage, start, end }
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
            Speaker::Caller => 0.6,
            Speaker::Unknown => 0.5,
            Speaker::Agent => -1.5,
        };
        speaker + weight
    }

    fn answers(&self) -> bool {
        let asked = self
            .scene
            .previous(self.mention.segment)
            .is_some_and(|p| p.speaker == Speaker::Agent && p.has(Cue::AskCity));
        self.passage.speaker == Speaker::Caller && asked && self.start < ANSWER
    }

    /// Words that only a place has around it.
    fn is_placed(&self) -> bool {
        self.mention.prefix.within
            || self.beside(Cue::Inside, 0)
            || self.beside(Cue::Near, 1)
            || self.answers() && self.start < 4
            || self.region_follows()
    }

    fn region_follows(&self) -> bool {
        let entry = &self.scene.catalogue.entries[self.mention.entry];
        let text = &self.passage.text;
        entry.region.iter().any(|region| {
            let words = region.split(' ');
            let mut at = self.end;
            words.into_iter().all(|word| {
                let same = text.tokens.get(at).is_some_and(|token| text.word(token) == word);
                at += 1;
                same
            })
        })
    }

    fn weigh_spelling(&self, stance: &mut Stance) {
        let phrase = self.scene.phrase(self.mention);
        stance.weigh(self.mention.distance == 1, -0.4);
        stance.weigh(self.mention.distance == 2, -0.9);
        stance.weigh(phrase.landmark, -0.6);
        stance.weigh(phrase.doubtful && !self.is_placed(), -2.5);
        stance.weigh(phrase.doubtful && self.is_placed(), -0.3);
    }

    fn weigh_place(&self, stance: &mut Stance) {
        let within = self.mention.prefix.within || self.beside(Cue::Inside, 0);
        stance.weigh(within, 1.4);
        stance.weigh(!within && self.beside(Cue::Near, 1), 1.1);
        stance.weigh(self.answers(), 2.4);
        stance.weigh(self.region_follows(), 0.8);
        stance.weigh(self.before(Cue::Site, CLAUSE), 1.0);
        stance.weigh(self.before(Cue::Live, CLAUSE), 0.9);
        stance.weigh(self.before(Cue::Serve, CLAUSE), 1.0);
        stance.weigh(self.before(Cue::Need, 12), 0.7);
        stance.weigh(self.before(Cue::But, CLAUSE), 0.8);
        stance.weigh(self.before(Cue::KinNeeds, CLAUSE), 0.8);
        let short = self.passage.text.tokens.len() <= 4 && self.passage.speaker == Speaker::Caller;
        stance.weigh(short, 1.0);
    }

    fn weigh_others(&self, stance: &mut Stance) {
        let kin = self.before(Cue::Kin, 5) && !self.before(Cue::KinNeeds, CLAUSE);
        stance.weigh(self.before(Cue::Past, CLAUSE), -2.0);
        stance.weigh(kin, -1.6);
        stance.weigh(self.before(Cue::Recommend, CLAUSE) || self.after(Cue::Recommend, 3), -2.0);
        stance.weigh(self.before(Cue::Work, 4), -1.6);
        let origin = self.mention.prefix.from || self.beside(Cue::Origin, 1);
        stance.weigh(origin && !self.before(Cue::Live, 2), -1.2);
        let own = self.passage.speaker == Speaker::Agent && self.passage.has(Cue::Own);
        stance.weigh(own, -2.0);
    }

    fn exclude(&self, stance: &mut Stance) {
        let phrase = self.scene.phrase(self.mention);
        let negated = self.beside(Cue::Negate, 2) && !self.beside(Cue::Near, 1);
        stance.exclude(negated);
        stance.exclude(self.beside(Cue::StreetBefore, 0) && !self.mention.prefix.within);
        stance.exclude(self.after(Cue::StreetAfter, 0));
        let person = self.beside(Cue::Person, 0) || self.after(Cue::PersonAfter, 0);
        stance.exclude(person && phrase.doubtful && !self.answers());
        let greeting = self.passage.has(Cue::Greeting) && self.mention.segment < 2;
        let opening = self.mention.segment == 0 && self.passage.speaker == Speaker::Agent;
        stance.exclude(greeting && self.passage.speaker == Speaker::Agent || opening);
    }
}

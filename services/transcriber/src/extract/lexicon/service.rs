//! How much each mention of a service says about what the caller wants.

use domain::Speaker;

use super::{
    cue::Cue,
    scene::{Mention, Passage, Scene},
    stance::Stance,
};
use crate::extract::{catalogue::Strength, text::Break};

/// Weighs one mention.
pub fn judge(scene: &Scene<'_>, number: usize) -> Stance {
    let mention = &scene.mentions[number];
    let wish = Wish { scene, mention, passage: scene.passage(mention) };
    let mut stance = Stance::new(number, wish.prior());
    wish.weigh_wish(&mut stance);
    wish.weigh_others(&mut stance);
    wish.exclude(&mut stance);
    stance
}

struct Wish<'s, 'c> {
    scene: &'s Scene<'c>,
    mention: &'s Mention,
    passage: &'s Passage,
}

impl Wish<'_, '_> {
    fn before(&self, cue: Cue, reach: usize) -> bool {
        self.passage.before(cue, self.mention.tokens.start, reach, Break::Sentence).is_some()
    }

    fn beside(&self, cue: Cue, reach: usize) -> bool {
        self.passage.before(cue, self.mention.tokens.start, reach, Break::Comma).is_some()
    }

    fn after(&self, cue: Cue, reach: usize) -> bool {
        self.passage.after(cue, self.mention.tokens.end, reach, Break::Comma).is_some()
    }

    fn prior(&self) -> f32 {
        let entry = &self.scene.catalogue.entries[self.mention.entry];
        let strength = match self.scene.phrase(self.mention).strength {
            Strength::Name => 1.4,
            Strength::Sign => 1.3,
            Strength::Hint => 0.0,
        };
        let speaker = match self.passage.speaker {
            Speaker::Caller => 0.5,
            Speaker::Unknown => 0.4,
            Speaker::Agent => -2.0,
        };
        strength + speaker + entry.weight - 0.4 * f32::from(self.mention.distance)
    }

    fn weigh_wish(&self, stance: &mut Stance) {
        let phrase = self.scene.phrase(self.mention);
        let needed = self.before(Cue::Need, 7);
        stance.weigh(needed, 1.3);
        stance.weigh(phrase.doubtful && !needed, -1.5);
        stance.weigh(self.before(Cue::Serve, 4), 0.5);
        let asked = self.scene.previous(self.mention.segment);
        stance.weigh(asked.is_some_and(|p| p.has(Cue::AskService)), 0.5);
    }

    fn weigh_others(&self, stance: &mut Stance) {
        let name = self.scene.phrase(self.mention).strength == Strength::Name;
        let done = self.beside(Cue::Done, 3) || self.after(Cue::Done, 1);
        stance.weigh(name && done, -2.2);
        stance.weigh(name && self.before(Cue::Past, 5), -1.2);
        stance.weigh(name && self.before(Cue::Recommend, 6), -1.0);
    }

    fn exclude(&self, stance: &mut Stance) {
        let name = self.scene.phrase(self.mention).strength == Strength::Name;
        let negated = self.beside(Cue::Negate, 3) && !self.beside(Cue::Need, 0);
        stance.exclude(name && (negated || self.beside(Cue::Negate, 1)));
        stance.exclude(name && self.beside(Cue::TradeOfKin, 1));
        let greeting = self.passage.has(Cue::Greeting) && self.mention.segment < 2;
        let opening = self.mention.segment == 0 && self.passage.speaker == Speaker::Agent;
        stance.exclude(greeting && self.passage.speaker == Speaker::Agent || opening);
    }
}

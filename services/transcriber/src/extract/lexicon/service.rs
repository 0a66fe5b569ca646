//! How much each mention of a service says about what the caller wants.

use domain::Speaker;

use super::{
    cue::Cue,
    scene::{Mention, Passage, Scene},
    stance::Stance,
    weights::ServiceWeights,
};
use crate::extract::{
    catalogue::{Kind, Strength},
    text::Break,
};

/// Weighs one mention.
pub fn judge(scene: &Scene<'_>, weights: &ServiceWeights, number: usize) -> Stance {
    let mention = &scene.mentions[number];
    let passage = scene.passage(mention);
    let wish = Wish {
        scene,
        mention,
        passage,
        strength: scene.phrase(mention).strength,
        agent: passage.speaker == Speaker::Agent,
        weights,
    };
    let mut stance = Stance::new(number, wish.prior());
    wish.weigh_wish(&mut stance);
    wish.weigh_others(&mut stance);
    wish.weigh_agent(&mut stance);
    wish.exclude(&mut stance);
    stance
}

struct Wish<'s, 'c> {
    scene: &'s Scene<'c>,
    mention: &'s Mention,
    passage: &'s Passage,
    strength: Strength,
    agent: bool,
    weights: &'s ServiceWeights,
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
        let strength = match self.strength {
            Strength::Name => self.weights.name,
            Strength::Said => self.weights.said,
            Strength::Sign => self.weights.sign,
            Strength::Thing => self.weights.thing,
            Strength::Hint => self.weights.hint,
        };
        let speaker = match self.passage.speaker {
            Speaker::Caller => self.weights.caller,
            Speaker::Unknown | Speaker::Voice(_) => self.weights.unknown,
            Speaker::Agent => self.weights.agent,
        };
        let weight = if self.strength < Strength::Sign { 0.0 } else { entry.weight };
        strength + speaker + weight + self.weights.misspelt * f32::from(self.mention.distance)
    }

    fn weigh_wish(&self, stance: &mut Stance) {
        let phrase = self.scene.phrase(self.mention);
        let needed = self.before(Cue::Need, 7);
        let bonus = match self.strength {
            Strength::Name => self.weights.name_needed,
            Strength::Said => self.weights.said_needed,
            Strength::Sign => self.weights.sign_needed,
            Strength::Thing | Strength::Hint => self.weights.hint_needed,
        };
        stance.weigh(needed, bonus);
        stance.weigh(phrase.doubtful && !needed, self.weights.doubtful);
        let served = self.before(Cue::Serve, 4) && self.strength == Strength::Name;
        stance.weigh(served, self.weights.served);
        // The first thing a caller says is mostly why they call.
        let first = !self.agent && self.scene.opening == Some(self.mention.segment);
        stance.weigh(first, self.weights.first);
        let greeted = self.scene.greeted.contains(&self.mention.entry);
        stance.weigh(!self.agent && greeted, self.weights.greeted);
        if self.strength == Strength::Thing {
            self.weigh_thing(stance);
        }
        let asked = self.scene.previous(self.mention.segment);
        stance.weigh(
            !self.agent && asked.is_some_and(|p| p.has(Cue::AskService)),
            self.weights.asked,
        );
    }

    /// A thing says what is wanted by what is wrong with it or to be done to it.
    fn weigh_thing(&self, stance: &mut Stance) {
        let place = &self.mention.tokens;
        let near = |cue, before, after| {
            self.passage.before(cue, place.start, before, Break::Sentence).is_some()
                || self.passage.after(cue, place.end, after, Break::Sentence).is_some()
        };
        let aside = self.beside(Cue::Aside, 0) || self.mention.prefix.within;
        let fault = near(Cue::Fault, 4, 5);
        stance.weigh(fault, self.weights.thing_fault);
        stance.weigh(!fault && near(Cue::Fault, 10, 10), self.weights.thing_fault_far);
        stance.weigh(near(Cue::Mend, 4, 3), self.weights.thing_mend);
        stance.weigh(aside, self.weights.aside);
        // "Behind the fridge": nothing is wanted of it.
        stance.exclude(aside && !fault && !near(Cue::Mend, 4, 3));
    }

    /// Tradesmen of the past, of others, and those who never came.
    fn weigh_others(&self, stance: &mut Stance) {
        let name = self.strength == Strength::Name;
        let place = self.mention.tokens.clone();
        let unserved = self.passage.after(Cue::Unserved, place.end, 12, Break::Sentence).is_some();
        stance.weigh(name && unserved, self.weights.unserved);
        let done = self.beside(Cue::Done, 3) || self.after(Cue::Done, 1);
        stance.weigh(name && done && !unserved, self.weights.name_done);
        stance.weigh(!name && self.beside(Cue::Done, 2), self.weights.sign_done);
        stance.weigh(name && !unserved && self.before(Cue::Past, 5), self.weights.past);
        stance.weigh(name && self.before(Cue::Recommend, 6), self.weights.recommended);
        stance
            .weigh(name && self.before(Cue::Kin, 3) && self.after(Cue::Third, 1), self.weights.kin);
    }

    /// What the agent makes of it counts once the caller has spoken; a menu of trades does not.
    fn weigh_agent(&self, stance: &mut Stance) {
        if !self.agent {
            return;
        }
        let concludes = self.passage.has(Cue::Recap) || self.passage.has(Cue::Dispatch);
        let heard = self.scene.passages[..self.mention.segment].iter().take(8);
        let spoken = heard.clone().any(|p| p.speaker != Speaker::Agent);
        stance.weigh(spoken && concludes, self.weights.concluded);
        // "So a plumber then": a dispatcher's conclusion weighs more than the caller's symptoms.
        stance.weigh(spoken && self.beside(Cue::Recap, 2), self.weights.recap);
        let number = self.scene.mentions.partition_point(|m| m.segment < self.mention.segment);
        let menu = self.scene.mentions[number..]
            .iter()
            .take(24)
            .take_while(|m| m.segment == self.mention.segment)
            .any(|m| {
                m.kind == Kind::Service
                    && m.entry != self.mention.entry
                    && self.scene.phrase(m).strength == Strength::Name
            });
        stance.weigh(menu, self.weights.menu);
    }

    fn exclude(&self, stance: &mut Stance) {
        let name = self.strength >= Strength::Said;
        stance.deny(self.is_negated() && name);
        stance.weigh(self.is_negated() && !name, self.weights.denied_sign);
        stance.exclude(self.beside(Cue::Negate, 0) && self.strength == Strength::Hint);
        stance.exclude(name && self.beside(Cue::TradeOfKin, 1));
        let greeted = self.mention.segment < 2 && self.passage.has(Cue::Greeting);
        let guess = self.beside(Cue::Recap, 3) && !greeted;
        stance.exclude(self.agent && (greeted || self.mention.segment == 0 && !guess));
        let opens = self.mention.segment == 0 && self.mention.tokens.start < 5;
        let end = self.mention.tokens.end;
        let greets = self.passage.after(Cue::Greeting, end, 4, Break::Question).is_some();
        stance.exclude(opens && greets);
    }

    /// "I don't need a plumber", but not "I don't need a plumber I need an electrician".
    fn is_negated(&self) -> bool {
        let start = self.mention.tokens.start;
        let Some(distance) = self.passage.before(Cue::Negate, start, 4, Break::Comma) else {
            return false;
        };
        let from = start - distance;
        let again = self.passage.cues_in(from + 1..start);
        !again.iter().any(|(cue, span)| *cue == Cue::Need && span.start > from)
    }
}

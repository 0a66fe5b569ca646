//! Which city is denied, and by what.

use domain::Speaker;

use super::Place;
use crate::extract::{
    catalogue::Kind,
    lexicon::{cue::Cue, stance::Stance},
    text::{Break, Token},
};

impl Place<'_, '_> {
    pub(super) fn exclude_denied(&self, stance: &mut Stance) {
        let negated = self.is_negated();
        // "Not Sderot in Tel Aviv": another one of the same name.
        let namesake = negated && self.is_namesake();
        stance.deny(negated && !self.agent && !namesake);
        stance.exclude(!negated && self.is_namesakes_place());
        stance.exclude(negated);
        // "Haifa, no, Acre"; "are you in Charleston no I'm in Savannah".
        let no = self.passage.after(Cue::No, self.end, 1, Break::Question);
        let next = self.next_city(8).filter(|_| !self.agent && no.is_some());
        let taken_back = next.is_some_and(|next| !self.is_contrast(next));
        stance.deny(taken_back);
        let both_sides = self.passage.speaker == Speaker::Unknown && self.beside(Cue::Guess, 1);
        stance.weigh(both_sides && !self.passage.has(Cue::Yes), self.weights.guessed);
    }

    /// Whether what is denied is a place of that name in the city named right after it, or in the
    /// region of a relative clause ("לא טייבה שבגליל").
    fn is_namesake(&self) -> bool {
        let next = self.scene.mentions.get(self.number() + 1..).into_iter().flatten();
        let next =
            next.into_iter().find(|m| m.kind == Kind::City && m.segment == self.mention.segment);
        let within = |m: &crate::extract::lexicon::scene::Mention| {
            // "לא בירושלים אני במעלה אדומים"
            m.tokens.start == self.end
                && m.entry != self.mention.entry
                && (m.prefix.within
                    || self.passage.before(Cue::Inside, m.tokens.start, 0, Break::Comma).is_some())
        };
        let clause = self.passage.text.tokens.get(self.end).is_some_and(|token| {
            token.before == Break::None && self.passage.text.word(token).starts_with("שב")
        });
        next.is_some_and(within) || clause
    }

    fn is_namesakes_place(&self) -> bool {
        let before = self.scene.mentions[..self.number()].iter().next_back();
        before.is_some_and(|m| {
            m.kind == Kind::City
                && m.segment == self.mention.segment
                && m.tokens.end == self.start
                && m.entry != self.mention.entry
                && {
                    let place = Place::new(self.scene, self.weights, m);
                    place.is_negated() && place.is_namesake()
                }
        })
    }

    /// "בחולון לא בבת ים": without a pause the Hebrew "no" is a "not", and denies the next city.
    pub(super) fn is_contrast(&self, next: usize) -> bool {
        let text = &self.passage.text;
        let no = next.checked_sub(1).and_then(|at| text.tokens.get(at));
        let paused = text.tokens.get(next).is_some_and(|token| token.before >= Break::Comma);
        no.is_some_and(|token| text.word(token) == "לא") && !paused
    }

    /// "A locksmith for Arad", "מנעולן לערד".
    pub(super) fn is_destination(&self) -> bool {
        let services = self.scene.mentions[..self.number()].iter().rev().take(6);
        self.to
            && services.into_iter().any(|m| {
                m.segment == self.mention.segment
                    && m.kind == Kind::Service
                    && m.tokens.end <= self.start
                    && self.start - m.tokens.end <= 2
            })
    }

    pub(super) fn is_negated(&self) -> bool {
        let passage = self.passage;
        let Some(distance) = passage.before(Cue::Negate, self.start, 2, Break::Comma) else {
            return false;
        };
        let at = self.start - distance;
        // "Not in Haifa", but not "it isn't working in Haifa".
        let joins = |token: &Token| {
            matches!(
                self.passage.text.word(token),
                "in" | "at" | "from" | "to" | "near" | "the" | "for"
            )
        };
        // "לא בלפור בתל אביב, בת ים"
        let elsewhere = self.within && distance == 1 && {
            let next = self.next_city(1).and_then(|next| passage.text.tokens.get(next));
            next.is_some_and(|token| token.before >= Break::Comma)
        };
        if !self.passage.text.tokens[at..self.start].iter().all(joins)
            && !self.beside(Cue::Inside, 0)
            && !elsewhere
        {
            return false;
        }
        // "Not Minneapolis, Saint Paul": the city right after the denial is the one denied.
        let number = self.number();
        let other = self.scene.mentions[..number].iter().rev().take(4).any(|m| {
            m.segment == self.mention.segment && m.kind == Kind::City && m.tokens.start >= at
        });
        if other {
            return false;
        }
        let corrects = |(cue, _): &(Cue, std::ops::Range<usize>)| *cue == Cue::Correct;
        if passage.cues_in(at..self.start).iter().any(corrects) {
            return false;
        }
        // "Not far from"; "no, I'm in Savannah": the denial ended before the city.
        if self.beside(Cue::Near, 1)
            || distance > 0 && self.passage.before(Cue::Me, self.start, 1, Break::Comma).is_some()
        {
            return false;
        }
        // "לא בנשר" answers a guess; it denies that city, not this one.
        let opens = at <= 2 && passage.cues_in(0..1).iter().any(|(cue, _)| *cue == Cue::No);
        let guess = self.guessed();
        let insists = opens && self.is_said_before();
        !(insists || opens && guess.is_some_and(|entry| entry != self.mention.entry))
    }

    /// "Even Yehuda." "Even Yehuda Street?" "No, Even Yehuda": the same speaker said so before.
    pub(super) fn is_said_before(&self) -> bool {
        self.scene.mentions[..self.number()].iter().any(|m| {
            m.segment < self.mention.segment
                && m.entry == self.mention.entry
                && self.scene.passage(m).speaker == self.passage.speaker
        })
    }

    /// The city that the other side named just before.
    pub(super) fn guessed(&self) -> Option<usize> {
        let segment = self.mention.segment;
        let mine = self.scene.mentions.partition_point(|m| m.segment < segment);
        let last =
            self.scene.mentions[..mine].iter().rev().take(6).find(|m| m.kind == Kind::City)?;
        let recent = segment - last.segment <= 2;
        let theirs = self.scene.passage(last).speaker != self.passage.speaker;
        (recent && theirs).then_some(last.entry)
    }
}

//! Streets, institutions, companies and persons that bear a city's name.

use super::Place;
use crate::extract::{
    lexicon::{cue::Cue, stance::Stance},
    text::Break,
};

impl Place<'_, '_> {
    /// Streets, institutions, companies and persons that bear a city's name.
    pub(super) fn exclude_names(&self, stance: &mut Stance) {
        let doubtful = self.scene.phrase(self.mention).doubtful;
        stance.street = self.beside(Cue::StreetBefore, 0) && !self.mention.prefix.within;
        stance.exclude(stance.street);
        stance.exclude(self.after(Cue::StreetAfter, 0) && self.region() == 0);
        // "שדרות ירושלים" is a boulevard, not a town and a city.
        let own = self.passage.text.word_at(self.start);
        let boulevard = own == "שדרות";
        stance.exclude(boulevard && self.next_city(0).is_some());
        // "אזור חיפה" is no town called so.
        let area = own.ends_with("אזור");
        let more = self.passage.text.tokens.get(self.end);
        stance.exclude(area && more.is_some_and(|next| next.before == Break::None));
        let placed = self.within || self.from || self.answers;
        let person = self.beside(Cue::Person, 0) || self.after(Cue::PersonAfter, 0);
        stance.placed = placed || self.is_placed();
        stance.exclude(doubtful && person && !stance.placed);
        let named = self.beside(Cue::Named, 0) && !self.within && !self.from;
        stance.exclude(named);
        let asked_name =
            self.scene.previous(self.mention.segment).is_some_and(|p| p.has(Cue::AskName));
        let placed = self.within || self.from || self.region() > 0;
        let gives_name = asked_name && self.start < 4 && !placed;
        stance.exclude(gives_name);
        stance.person = named || gives_name;
        let greeted = self.agent && self.mention.segment < 2 && self.passage.has(Cue::Greeting)
            || self.agent && self.mention.segment == 0 && !self.asks_shortly();
        let opens = self.start < 5
            && self.passage.after(Cue::Greeting, self.end, 4, Break::Question).is_some();
        stance.exclude((greeted || opens && self.mention.segment == 0) && !self.is_guess());
    }

    /// "Toledo?": no greeting is as short, or a question.
    fn asks_shortly(&self) -> bool {
        self.passage.asks() && self.passage.text.tokens.len() <= 3
    }

    /// "Are you in Haifa?", "לקריית גת, נכון?".
    pub(super) fn is_guess(&self) -> bool {
        self.beside(Cue::Guess, 1)
            || self.passage.after(Cue::Tag, self.end, 1, Break::Sentence).is_some_and(|distance| {
                // "Right?" ends what is said; the "no" of "Haifa, we are not" does not.
                let tokens = &self.passage.text.tokens;
                let next = tokens.get(self.end + distance + 1);
                next.is_none_or(|token| token.before >= Break::Sentence)
            })
    }
}

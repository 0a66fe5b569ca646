//! What weighs for and against a mention.

use domain::Speaker;

use super::scene::{Mention, Scene};

/// A judged mention.
#[derive(Debug, Clone)]
pub struct Stance {
    /// The mention's number in the scene.
    pub mention: usize,
    /// Evidence in log-odds; above zero speaks for the entry.
    pub score: f32,
    /// Said to be wrong, or not about the work at all: never a value, whatever the score.
    pub excluded: bool,
    /// Said to be the wrong one: its entry is distrusted wherever else it is named.
    pub denied: bool,
    /// Said of something else than the work: it corrects nothing.
    pub beside: bool,
    /// A person bears the name.
    pub person: bool,
    /// A street bears the name.
    pub street: bool,
    /// Only adds to what the caller just agreed to: "You're in Nashville?" "Yes, Germantown."
    pub aside: bool,
    /// Words around it speak of a place.
    pub placed: bool,
    /// What is worked on is said to be there.
    pub site: bool,
    /// The caller is said to be there, or to come from there.
    pub own: bool,
}

impl Stance {
    /// Starts with what is known before the words around it are heard.
    pub fn new(mention: usize, score: f32) -> Self {
        Self {
            mention,
            score,
            excluded: false,
            denied: false,
            beside: false,
            person: false,
            street: false,
            aside: false,
            placed: false,
            site: false,
            own: false,
        }
    }

    /// Adds a weight where a condition holds.
    pub fn weigh(&mut self, holds: bool, weight: f32) {
        if holds {
            self.score += weight;
        }
    }

    /// Never a value where a condition holds.
    pub fn exclude(&mut self, holds: bool) {
        self.excluded |= holds;
    }

    /// Never a value, and its entry distrusted, where a condition holds.
    pub fn deny(&mut self, holds: bool) {
        self.excluded |= holds;
        self.denied |= holds;
    }

    /// Whether it tells nothing of where the work is: a person's name or a street's, the company's
    /// own greeting, a part of the city that the caller agreed to, a place of the past or of
    /// somebody else that nothing speaks for.
    pub fn is_no_place(&self, scene: &Scene<'_>) -> bool {
        let company = scene.passage(self.of(scene)).speaker == Speaker::Agent;
        self.excluded && (self.person || self.street || company)
            || self.aside
            || self.beside && self.score < 0.0
    }

    /// Its mention.
    pub fn of<'s>(&self, scene: &'s Scene<'_>) -> &'s Mention {
        &scene.mentions[self.mention]
    }
}

//! Cities of one name are told apart by their regions, wherever these are said.

use super::{Mention, Scene};
use crate::extract::{
    catalogue::Kind,
    text::{Break, Text},
};

impl Scene<'_> {
    /// Of cities of one name the one whose region is said is meant, or else the first; and a
    /// region said after its city is not a city ("Buffalo, New York").
    pub(super) fn settle_regions(&self, text: &Text, mentions: &mut Vec<Mention>) {
        let mut settled: Vec<Mention> = Vec::with_capacity(mentions.len());
        for mention in mentions.drain(..) {
            let Some(last) = settled.iter_mut().rev().take(4).find(|m| m.kind == Kind::City) else {
                settled.push(mention);
                continue;
            };
            if mention.kind == Kind::City && last.tokens == mention.tokens {
                let better = self.region_after(text, &mention) > self.region_after(text, last);
                if better {
                    let worse = std::mem::replace(last, mention);
                    last.rivals = worse.rivals;
                    last.rivals.push(worse.entry);
                } else {
                    last.rivals.push(mention.entry);
                }
                continue;
            }
            let is_region = mention.kind == Kind::City
                && last.tokens.end == mention.tokens.start
                && self.region_after(text, last) > 0;
            let is_region = is_region || self.is_added_region(text, last, &mention);
            if !is_region {
                settled.push(mention);
            }
        }
        *mentions = settled;
    }

    /// "Rochester, Minnesota?" "New York, dear." "Arlington Texas?" "No, Virginia.": the reply
    /// tells cities of one name apart, and is no city itself.
    pub(super) fn settle_by_reply(&mut self) {
        for number in 0..self.mentions.len() {
            let mention = &self.mentions[number];
            let (segment, own) = (mention.segment, mention.entry);
            self.settle_own_region(number, segment, own);
            let mention = &self.mentions[number];
            let last = |entry: usize| {
                (segment + 1..segment + 3).rev().find(|at| self.says_region(*at, entry))
            };
            let settled = |rival: &usize| last(*rival).is_some_and(|at| Some(at) > last(own));
            let Some(rival) = mention.rivals.iter().copied().find(settled) else { continue };
            let region = self.catalogue.entries[rival].region.clone();
            for later in &mut self.mentions[number + 1..] {
                if later.segment > segment + 2 {
                    break;
                }
                let entry = &self.catalogue.entries[later.entry];
                if later.kind == Kind::City && region.iter().any(|name| entry.is_called(name)) {
                    later.kind = Kind::Region;
                }
            }
            let mention = &mut self.mentions[number];
            mention.rivals.push(own);
            mention.rivals.retain(|known| *known != rival);
            mention.entry = rival;
            mention.settled = true;
        }
    }

    /// "Vancouver." "Canada?" "Washington.": the state that the caller adds is no city.
    fn settle_own_region(&mut self, number: usize, segment: usize, own: usize) {
        let reply = segment + 2;
        let speaker = |at: usize| self.passages.get(at).map(|p| p.speaker);
        let between = self.mentions[number..]
            .iter()
            .any(|m| m.segment == segment + 1 && m.kind == Kind::City && m.entry != own);
        if speaker(segment) != speaker(reply) || between || !self.says_region(reply, own) {
            return;
        }
        let region = self.catalogue.entries[own].region.clone();
        for later in &mut self.mentions[number + 1..] {
            let entry = &self.catalogue.entries[later.entry];
            let named = region.iter().any(|name| entry.is_called(name));
            if later.segment == reply && later.kind == Kind::City && later.entry != own && named {
                later.kind = Kind::Region;
            }
        }
    }

    /// "Rochester, Park Ave area, New York": the state comes a few words later.
    fn is_added_region(&self, text: &Text, city: &Mention, mention: &Mention) -> bool {
        let apart = mention.tokens.start.saturating_sub(city.tokens.end);
        let word = |at: usize| text.word_at(at);
        let last = mention.tokens.start.checked_sub(1).map_or("", word);
        let entry = &self.catalogue.entries[mention.entry];
        mention.kind == Kind::City
            && city.entry != mention.entry
            && (1..=4).contains(&apart)
            && !matches!(last, "in" | "to" | "from" | "near" | "of" | "not" | "or" | "and" | "no")
            && self.catalogue.entries[city.entry].region.iter().any(|name| entry.is_called(name))
    }

    /// Whether a state's full name is among the first words of a segment.
    fn says_region(&self, segment: usize, entry: usize) -> bool {
        let Some(passage) = self.passages.get(segment) else { return false };
        let first: Vec<&str> =
            passage.text.tokens.iter().take(6).map(|t| passage.text.word(t)).collect();
        let region = &self.catalogue.entries[entry].region;
        region.iter().filter(|name| name.len() > 2).any(|name| {
            let words: Vec<&str> = name.split(' ').collect();
            first.windows(words.len()).any(|window| window == words)
        })
    }

    /// How many words after a city name its region; 0 where it is not said.
    pub fn region_after(&self, text: &Text, mention: &Mention) -> usize {
        let region = &self.catalogue.entries[mention.entry].region;
        let said = |name: &&String| {
            let mut tokens = text.tokens.iter().skip(mention.tokens.end);
            name.split(' ').enumerate().all(|(index, word)| {
                tokens.next().is_some_and(|token| {
                    let apart = index > 0 || token.before == Break::Comma || !is_word(word);
                    // "Rochester. New York, not the other one."
                    let full = index == 0 && name.len() > 2 && token.before == Break::Sentence;
                    (token.before < Break::Sentence || full) && apart && text.word(token) == word
                })
            })
        };
        region.iter().filter(said).map(|name| name.split(' ').count()).max().unwrap_or(0)
    }
}

/// Abbreviations of states that are words when they are heard.
fn is_word(region: &str) -> bool {
    matches!(
        region,
        "in" | "or" | "me" | "ok" | "hi" | "oh" | "ma" | "pa" | "id" | "al" | "de" | "la" | "co"
    )
}

//! What another city in the same segment says about this one.

use domain::Speaker;

use super::{CLAUSE, Place};
use crate::extract::{
    catalogue::Kind,
    lexicon::cue::Cue,
    text::{Break, Script},
};

/// Numbers of houses.
const FEMININE: [&str; 17] = [
    "שתימ",
    "שלוש",
    "ארבע",
    "חמש",
    "שש",
    "שבע",
    "שמונה",
    "תשע",
    "עשר",
    "עשרימ",
    "שלושימ",
    "ארבעימ",
    "חמישימ",
    "שישימ",
    "שבעימ",
    "שמונימ",
    "תשעימ",
];

/// What else is counted in the feminine.
const UNITS: [&str; 8] = ["מעלות", "שנה", "שנימ", "דקות", "שעות", "יחידות", "דירות", "פעמימ"];

impl Place<'_, '_> {
    /// "In Gan Yavne near Ashdod": the second only says where the first is.
    pub(super) fn is_landmark_of_another(&self) -> bool {
        let near = self.beside(Cue::Near, 1);
        let mut earlier = self.scene.mentions[..self.number()].iter().rev().take(6);
        near && earlier.any(|m| {
            m.kind == Kind::City
                && m.entry != self.mention.entry
                && m.segment == self.mention.segment
                && self.start - m.tokens.end.min(self.start) <= 4
        })
    }

    /// "Canton. Baltimore.", "by Sahara and Decatur, Vegas": a part or a street of the next.
    pub(super) fn is_part_of_next(&self) -> bool {
        let next =
            self.scene.mentions.iter().skip(self.number() + 1).find(|m| m.kind == Kind::City);
        next.is_some_and(|m| {
            m.segment == self.mention.segment
                && m.tokens.start == self.end
                && m.entry != self.mention.entry
                && !m.prefix.any
                && !self.agent
                && !self.mention.prefix.from
        })
    }

    /// "From Herzliya to Kfar Saba": one of the two is enough.
    pub(super) fn is_origin_of_move(&self) -> bool {
        let next = self.next_city(8).filter(|_| self.from);
        next.is_some_and(|next| {
            let mut joints = self.passage.text.tokens.get(self.end..next).into_iter().flatten();
            let token = self.passage.text.tokens.get(next);
            joints.any(|token| self.passage.text.word(token) == "to")
                || token.is_some_and(|token| self.passage.text.word(token).starts_with('ל'))
        })
    }

    /// "ירושלים 22, קריית ים": a street and its number before the city.
    pub(super) fn is_numbered_street(&self) -> bool {
        let text = &self.passage.text;
        let number = text.tokens.get(self.end).is_some_and(|token| {
            let word = text.word(token);
            word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit())
        });
        // English puts the number before the street: "Akron, 814 Toledo Avenue".
        let hebrew = text.tokens.get(self.start).is_some_and(|t| t.script == Script::Hebrew);
        hebrew && (number && self.next_city(4).is_some() || self.is_counted())
    }

    /// "אילת שמונה": a street and its number, which Hebrew counts in the feminine.
    fn is_counted(&self) -> bool {
        let text = &self.passage.text;
        let number = text.tokens.get(self.end).is_some_and(|token| {
            token.before == Break::None && FEMININE.contains(&text.word(token))
        });
        let unit = text.tokens[self.end..].iter().skip(1).take(3).any(|token| {
            let word = text.word(token);
            UNITS.contains(&word)
        });
        number && !unit && !self.within && !self.to && !self.from
    }

    /// "In la ray dough." "Laredo, okay.": the agent repeats the city that the caller just said.
    pub(super) fn is_read_back(&self) -> bool {
        let Some(before) = self.mention.segment.checked_sub(1).filter(|_| self.agent) else {
            return false;
        };
        let answered = &self.scene.passages[before];
        let asked = before.checked_sub(1).and_then(|at| self.scene.passages.get(at));
        let asked = asked.is_some_and(|p| p.speaker == Speaker::Agent && p.has(Cue::AskCity));
        let first = self.number();
        let named = self.scene.mentions[..first].iter().rev().take(8);
        let named = named.into_iter().any(|m| m.segment == before && m.kind == Kind::City);
        answered.speaker != Speaker::Agent && (asked || named) && self.start < 3
    }

    /// "I'm from Hadera, the flat is in Jisr": the next city is where the work is.
    pub(super) fn is_followed_by_site(&self) -> bool {
        let Some(next) = self.next_city(10).filter(|_| !self.before(Cue::Site, CLAUSE)) else {
            return false;
        };
        let between = self.passage.cues_in(self.end..next);
        between.iter().any(|(cue, span)| *cue == Cue::Site && span.end <= next)
    }

    /// "I live in Holon but the apartment is in Bat Yam": what follows the "but" counts.
    pub(super) fn contrasted(&self) -> bool {
        let Some(distance) = self.passage.after(Cue::But, self.end, 10, Break::Question) else {
            return false;
        };
        self.next_city(12 + distance).is_some_and(|next| next > self.end + distance)
    }
}

//! What is said to be in a city: the house, or someone and something else.

use super::Place;
use crate::extract::{
    catalogue::Kind,
    lexicon::cue::Cue,
    text::{Break, Script},
};

/// What stands before a city as being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nothing that one could tell.
    Unknown,
    /// "My condo in", "the Phoenix house": where work is done.
    Site,
    /// "Our super's in", "הספק מחדרה": anyone and anything else.
    Foreign,
}

/// Words between a thing and the city it is in.
const LINKS: [&str; 24] = [
    "in", "at", "near", "from", "is", "are", "was", "over", "out", "up", "down", "back", "here",
    "still", "now", "right", "just", "located", "living", "lives", "based", "all", "way", "by",
];
/// Before a thing.
const DETERMINERS: [&str; 12] =
    ["my", "our", "his", "her", "their", "the", "a", "an", "this", "that", "another", "your"];
/// What work is done on or at.
const SITES: [&str; 63] = [
    "house",
    "home",
    "apartment",
    "apt",
    "condo",
    "townhouse",
    "townhome",
    "place",
    "duplex",
    "unit",
    "flat",
    "studio",
    "loft",
    "office",
    "store",
    "shop",
    "restaurant",
    "cafe",
    "bar",
    "salon",
    "clinic",
    "church",
    "school",
    "warehouse",
    "building",
    "property",
    "rental",
    "cabin",
    "cottage",
    "trailer",
    "garage",
    "yard",
    "lot",
    "car",
    "truck",
    "van",
    "vehicle",
    "rv",
    "bike",
    "motorcycle",
    "kitchen",
    "bathroom",
    "basement",
    "roof",
    "pool",
    "driveway",
    "gym",
    "rowhouse",
    "farm",
    "barn",
    "dorm",
    "bungalow",
    "mansion",
    "job",
    "site",
    "address",
    "one",
    "location",
    "villa",
    "airbnb",
    "listing",
    "ranch",
    "suite",
];
/// Neither a place nor anyone's.
const NEUTRAL: [&str; 40] = [
    "problem",
    "emergency",
    "issue",
    "situation",
    "quote",
    "estimate",
    "appointment",
    "area",
    "middle",
    "outskirts",
    "suburbs",
    "neighborhood",
    "part",
    "side",
    "corner",
    "city",
    "town",
    "highway",
    "street",
    "road",
    "parking",
    "hotel",
    "mall",
    "airport",
    "walmart",
    "costco",
    "target",
    "hospital",
    "moment",
    "morning",
    "afternoon",
    "evening",
    "day",
    "week",
    "weekend",
    "heart",
    "edge",
    "family",
    "team",
    "way",
];
const HEBREW_SITES: [&str; 30] = [
    "בית",
    "דירה",
    "וילה",
    "משרד",
    "חנות",
    "מסעדה",
    "צימר",
    "מחסנ",
    "גינה",
    "חצר",
    "רכב",
    "אוטו",
    "משאית",
    "מרפאה",
    "קליניקה",
    "סטודיו",
    "מפעל",
    "בניינ",
    "בנינ",
    "נכס",
    "מטבח",
    "גג",
    "בריכה",
    "חניה",
    "קוטג",
    "פנטהאוז",
    "יחידה",
    "עסק",
    "כתובת",
    "מושב",
];

impl Place<'_, '_> {
    pub(super) fn subject(&self) -> Subject {
        let text = &self.passage.text;
        match text.tokens.get(self.start).map(|token| token.script) {
            Some(Script::Hebrew) => self.hebrew_subject(),
            Some(Script::Latin) => self.english_subject(),
            _ => Subject::Unknown,
        }
    }

    fn word_at(&self, at: usize) -> &str {
        self.passage.text.word_at(at)
    }

    /// Whether nothing separates a word from the one before it.
    fn joins(&self, at: usize) -> bool {
        self.passage.text.tokens.get(at).is_some_and(|token| token.before == Break::None)
    }

    fn english_subject(&self) -> Subject {
        // "At the Phoenix house".
        let owned =
            self.start.checked_sub(1).is_some_and(|at| DETERMINERS.contains(&self.word_at(at)));
        if owned && self.joins(self.end) && SITES.contains(&self.word_at(self.end)) {
            return Subject::Site;
        }
        let mut at = self.start;
        let mut linked = false;
        while at > 0
            && self.start - at < 5
            && self.joins(at)
            && LINKS.contains(&self.word_at(at - 1))
        {
            linked |= matches!(self.word_at(at - 1), "in" | "at" | "from" | "near");
            at -= 1;
        }
        if !linked || at == 0 || !self.joins(at) {
            return Subject::Unknown;
        }
        let noun = at - 1;
        let owned = (1..=2).any(|back| {
            noun >= back
                && (noun - back + 1..=noun).all(|at| self.joins(at))
                && DETERMINERS.contains(&self.word_at(noun - back))
        });
        self.sort(noun, owned, &SITES, self.word_at(noun))
    }

    fn hebrew_subject(&self) -> Subject {
        let linked = self.within || self.from;
        let Some(last) = self.start.checked_sub(1).filter(|_| linked && self.joins(self.start))
        else {
            return Subject::Unknown;
        };
        let own = matches!(self.word_at(last), "שלי" | "שלנו" | "שלו" | "שלה" | "שלהמ");
        let Some(noun) = last.checked_sub(usize::from(own)) else { return Subject::Unknown };
        let word = self.word_at(noun);
        let stem = word.strip_prefix('ה');
        let plain = stem.unwrap_or(word);
        let site = HEBREW_SITES.contains(&plain) || HEBREW_SITES.contains(&word);
        if site {
            return Subject::Site;
        }
        let definite = stem.is_some_and(|stem| stem.chars().nth(2).is_some())
            && !plain.starts_with('ת')
            && !self.passage.cues_in(noun..noun + 1).iter().any(|(cue, _)| {
                !matches!(cue, Cue::Elsewhere | Cue::Kin | Cue::Own | Cue::Named | Cue::Done)
            });
        self.sort(noun, own || definite, &HEBREW_SITES, plain)
    }

    fn sort(&self, noun: usize, owned: bool, sites: &[&str], word: &str) -> Subject {
        if sites.contains(&word) {
            return Subject::Site;
        }
        let segment = self.mention.segment;
        let mut earlier = self.scene.mentions[..self.number()].iter().rev().take(8);
        let serviced = earlier
            .any(|m| m.segment == segment && m.kind == Kind::Service && m.tokens.contains(&noun));
        if serviced {
            Subject::Site
        } else if owned && !NEUTRAL.contains(&word) {
            Subject::Foreign
        } else {
            Subject::Unknown
        }
    }
}

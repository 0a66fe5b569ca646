//! The services and cities that can be found, and what they are called.

mod file;
mod load;

use std::collections::BTreeMap;

pub use load::CatalogueError;

use super::{matching::Pattern, text::normalise_name};

/// A language the catalogue has names in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Hebrew.
    He,
}

/// Which of the two fields an entry can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What the caller wants.
    Service,
    /// Where.
    City,
    /// A state, which fills no field.
    Region,
}

/// How firmly a phrase says its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Could be said for other reasons too: "leak".
    Hint,
    /// What the service works on: "fridge".
    Thing,
    /// Describes what only this service mends: "locked out of my apartment".
    Sign,
    /// Asks for it in other words: "change the locks".
    Said,
    /// Its name.
    Name,
}

impl Strength {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [Self::Hint, Self::Thing, Self::Sign, Self::Said, Self::Name];
}

/// One phrase of an entry.
#[derive(Debug, Clone)]
pub struct Phrase {
    /// What to look for.
    pub pattern: Pattern,
    /// How firmly it says the entry.
    pub strength: Strength,
    /// Also a person's name or an ordinary word ("Austin", "מודיעין"): counts only where the
    /// words around it speak of a place.
    pub doubtful: bool,
    /// A place inside the city rather than the city ("Dizengoff Center").
    pub landmark: bool,
    /// What a speech engine makes of the name ("loo a vull"), or a nickname.
    pub heard: bool,
}

/// A service or a city.
#[derive(Debug, Clone)]
pub struct Entry {
    /// An English slug, unique within its kind.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its names, canonical first, as they are written.
    pub names: BTreeMap<Language, Vec<String>>,
    /// State or country part that tells cities of one name apart, normalised.
    pub region: Vec<String>,
    /// Added to every score of the entry; above zero for what is asked for more often.
    pub weight: f32,
    /// What to look for.
    pub phrases: Vec<Phrase>,
}

/// All services and cities.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// The entries; a position in this list is an entry's number.
    pub entries: Vec<Entry>,
}

impl Entry {
    /// The canonical name in a language, or else in the other one, or else the slug.
    pub fn name(&self, language: Language) -> &str {
        let own = self.names.get(&language).and_then(|names| names.first());
        let any = || self.names.values().find_map(|names| names.first());
        own.or_else(any).unwrap_or(&self.id)
    }

    /// Whether a text is one of its names, spelling differences aside.
    pub fn is_called(&self, name: &str) -> bool {
        let wanted = normalise_name(name);
        let slug = normalise_name(&self.id);
        slug == wanted || self.names.values().flatten().any(|own| normalise_name(own) == wanted)
    }
}

impl Catalogue {
    /// The entry of a kind with this slug.
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind && entry.id == id)
    }

    /// The cities that are called this in any language, or this with their region: "Portland,
    /// Maine".
    pub fn cities_called(&self, name: &str) -> impl Iterator<Item = &Entry> {
        let wanted = normalise_name(name);
        let is_meant = move |entry: &&Entry| {
            let mut regions = entry.region.iter();
            entry.is_called(&wanted)
                || regions.any(|region| {
                    let name = wanted.strip_suffix(region.as_str()).map(str::trim_end);
                    name.is_some_and(|name| entry.is_called(name))
                })
        };
        self.of(Kind::City).filter(is_meant)
    }

    /// The entries of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }
}

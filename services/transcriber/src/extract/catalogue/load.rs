//! Reading and checking a catalogue.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    path::Path,
};

use super::{
    Catalogue, Entry, Kind, Language, Phrase, Strength,
    file::{CityRow, File, ServiceRow},
};
use crate::extract::{
    matching::{Pattern, PatternError},
    text::normalise_name,
};

/// The catalogue that is built in, one file after the other.
const BUILT_IN: [(&str, &str); 3] = [
    ("services.toml", include_str!("../../../data/services.toml")),
    ("cities-israel.toml", include_str!("../../../data/cities-israel.toml")),
    ("cities-us.toml", include_str!("../../../data/cities-us.toml")),
];

/// Why a catalogue cannot be used. Each names the file and the line to look at.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("cannot read the catalogue {file}: {source}; check transcriber.extract.catalogue")]
    Unreadable {
        /// The path as configured.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or not a catalogue.
    #[error("{file}, line {line}: {reason}")]
    Invalid {
        /// The path as configured.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// A catalogue without entries of a kind would never find one.
    #[error("{file} has no [[{kind}]]; a catalogue needs at least one")]
    Lacking {
        /// The path as configured.
        file: String,
        /// `service` or `city`.
        kind: &'static str,
    },
}

impl Catalogue {
    /// The built-in catalogue: home and road services, Israel's cities and towns, the largest
    /// cities of the United States.
    ///
    /// # Errors
    /// Never, as long as the tests of this module pass.
    pub fn built_in() -> Result<Self, CatalogueError> {
        let mut loading = Loading::default();
        for (file, source) in BUILT_IN {
            loading.read(file, source)?;
        }
        loading.finish("the built-in catalogue")
    }

    /// Reads a catalogue file, which replaces the built-in one.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or an entry is wrong: with its line.
    pub fn load(path: &Path) -> Result<Self, CatalogueError> {
        let file = path.display().to_string();
        let source = std::fs::read_to_string(path)
            .map_err(|source| CatalogueError::Unreadable { file: file.clone(), source })?;
        Self::parse(&file, &source)
    }

    /// Reads a catalogue from a text; `file` is what errors call it.
    ///
    /// # Errors
    /// As [`Catalogue::load`].
    pub fn parse(file: &str, source: &str) -> Result<Self, CatalogueError> {
        let mut loading = Loading::default();
        loading.read(file, source)?;
        loading.finish(file)
    }
}

#[derive(Default)]
struct Loading {
    catalogue: Catalogue,
    /// Where a slug was first used.
    slugs: HashMap<(Kind, String), String>,
    /// Which entries a name belongs to; cities of one name in different regions share it.
    names: HashMap<(Kind, String), Vec<usize>>,
    /// Landmarks and the entries they stand for, each with the error if it is another city's name.
    landmarks: Vec<(String, usize, CatalogueError)>,
}

/// Where in which file an error is.
struct Place<'a> {
    file: &'a str,
    source: &'a str,
    span: Range<usize>,
}

impl Place<'_> {
    /// Counted from 1.
    fn line(&self) -> usize {
        let before = self.source.get(..self.span.start).unwrap_or(self.source);
        before.matches('\n').count() + 1
    }

    fn error(&self, reason: impl Into<String>) -> CatalogueError {
        CatalogueError::Invalid {
            file: self.file.to_owned(),
            line: self.line(),
            reason: reason.into(),
        }
    }

    /// The same entry, at the line where this text stands in it.
    fn at(&self, text: &str) -> Place<'_> {
        let entry = self.source.get(self.span.start..).unwrap_or_default();
        // The span of a table is its header; its lines reach to the next header.
        let entry = entry.get(..entry.find("\n[[").unwrap_or(entry.len())).unwrap_or(entry);
        let found = entry.find(&format!("\"{text}\"")).or_else(|| entry.find(text));
        let start = self.span.start + found.unwrap_or(0);
        Place { file: self.file, source: self.source, span: start..start }
    }
}

impl Loading {
    fn read(&mut self, file: &str, source: &str) -> Result<(), CatalogueError> {
        let parsed: File = toml::from_str(source).map_err(|error| {
            let span = error.span().unwrap_or_default();
            Place { file, source, span }.error(error.message())
        })?;
        for row in parsed.service {
            let place = Place { file, source, span: row.span() };
            self.service(row.into_inner(), &place)?;
        }
        for row in parsed.city {
            let place = Place { file, source, span: row.span() };
            self.city(row.into_inner(), &place)?;
        }
        Ok(())
    }

    fn service(&mut self, row: ServiceRow, place: &Place<'_>) -> Result<(), CatalogueError> {
        let mut reader = Phrases {
            place,
            doubtful: normal(&row.doubtful),
            known: known(&row.en, &row.he),
            read: Vec::new(),
        };
        let mut weak = single_words(&row.things, Pattern::inflect);
        weak.extend(single_words(&row.hints, |_| {}));
        // "Garage" and "מזגן" are what people call the trade, and things they own.
        let firm = |name: &&String| !weak.contains(&normalise_name(name));
        reader.names(row.en.iter().chain(&row.he).filter(firm), loosened)?;
        reader.phrases(&row.said, Strength::Said)?;
        reader.phrases(&row.signs, Strength::Sign)?;
        reader.phrases(&row.hints, Strength::Hint)?;
        reader.things(&row.things)?;
        reader.doubtful_are_known(&row.doubtful)?;
        let entry = Entry {
            id: row.id,
            kind: Kind::Service,
            names: names(row.en, row.he),
            region: Vec::new(),
            weight: row.weight,
            phrases: reader.read,
        };
        self.add(entry, place)
    }

    fn city(&mut self, row: CityRow, place: &Place<'_>) -> Result<(), CatalogueError> {
        let mut reader = Phrases {
            place,
            doubtful: normal(&row.doubtful),
            known: known(&row.en, &row.he),
            read: Vec::new(),
        };
        reader.names(row.en.iter().chain(&row.he), |pattern| pattern)?;
        reader.others(&row.heard, |phrase| phrase.heard = true)?;
        reader.others(&row.landmarks, |phrase| phrase.landmark = true)?;
        reader.doubtful_are_known(&row.doubtful)?;
        let number = self.catalogue.entries.len();
        for landmark in &row.landmarks {
            let error = place.at(landmark).error(format!(
                "landmark \"{landmark}\" of \"{}\" is the name of another city; remove one",
                row.id
            ));
            self.landmarks.push((normalise_name(landmark), number, error));
        }
        let entry = Entry {
            id: row.id,
            kind: Kind::City,
            names: names(row.en, row.he),
            region: row.region.iter().map(|region| normalise_name(region)).collect(),
            weight: row.weight,
            phrases: reader.read,
        };
        self.add(entry, place)
    }

    fn add(&mut self, entry: Entry, place: &Place<'_>) -> Result<(), CatalogueError> {
        if !is_slug(&entry.id) {
            return Err(
                place.error(format!("id \"{}\" is not a slug; use a-z, 0-9 and hyphens", entry.id))
            );
        }
        if entry.names.is_empty() {
            return Err(place.error(format!("\"{}\" has no name; give en or he", entry.id)));
        }
        if !(-2.0..=2.0).contains(&entry.weight) {
            return Err(place.at("weight").error("weight is outside -2 to 2"));
        }
        let here = format!("{}, line {}", place.file, place.line());
        if let Some(first) = self.slugs.insert((entry.kind, entry.id.clone()), here) {
            return Err(place.error(format!("id \"{}\" is already used in {first}", entry.id)));
        }
        self.claim_names(&entry, place)?;
        self.catalogue.entries.push(entry);
        Ok(())
    }

    /// A name belongs to one entry; cities may share one when their regions tell them apart.
    fn claim_names(&mut self, entry: &Entry, place: &Place<'_>) -> Result<(), CatalogueError> {
        let number = self.catalogue.entries.len();
        for name in entry.names.values().flatten() {
            let owners = self.names.entry((entry.kind, normalise_name(name))).or_default();
            if owners.contains(&number) {
                continue;
            }
            let others = owners.iter().filter_map(|owner| self.catalogue.entries.get(*owner));
            if let Some(owner) = others.into_iter().find(|owner| !are_apart(owner, entry)) {
                return Err(place.at(name).error(format!(
                    "\"{name}\" is already a name of \"{}\"; remove one, or give each its region",
                    owner.id
                )));
            }
            owners.push(number);
        }
        Ok(())
    }

    /// Called when all names are known.
    fn check_landmarks(&mut self) -> Result<(), CatalogueError> {
        for (name, number, error) in std::mem::take(&mut self.landmarks) {
            let owners = self.names.get(&(Kind::City, name)).into_iter().flatten();
            let entry = |number: usize| self.catalogue.entries.get(number);
            let own = entry(number);
            let mut others = owners.filter(|owner| **owner != number).filter_map(|o| entry(*o));
            if others.any(|other| own.is_some_and(|own| !are_apart(own, other))) {
                return Err(error);
            }
        }
        Ok(())
    }

    fn finish(mut self, file: &str) -> Result<Catalogue, CatalogueError> {
        self.check_landmarks()?;
        for (kind, name) in [(Kind::Service, "service"), (Kind::City, "city")] {
            if self.catalogue.of(kind).next().is_none() {
                return Err(CatalogueError::Lacking { file: file.to_owned(), kind: name });
            }
        }
        Ok(self.catalogue)
    }
}

/// Whether regions tell two cities apart.
fn are_apart(one: &Entry, other: &Entry) -> bool {
    !one.region.is_empty() && !other.region.is_empty() && one.region != other.region
}

struct Phrases<'a> {
    place: &'a Place<'a>,
    doubtful: HashSet<String>,
    /// The names and phrases so far, normalised.
    known: HashSet<String>,
    read: Vec<Phrase>,
}

impl Phrases<'_> {
    fn names<'n>(
        &mut self,
        names: impl Iterator<Item = &'n String>,
        shape: fn(Pattern) -> Pattern,
    ) -> Result<(), CatalogueError> {
        for name in names {
            let pattern = self.checked(name, Pattern::name(name))?;
            self.push(name, shape(pattern), Strength::Name);
        }
        Ok(())
    }

    fn phrases(&mut self, phrases: &[String], strength: Strength) -> Result<(), CatalogueError> {
        for phrase in phrases {
            for pattern in self.checked(phrase, Pattern::phrase(phrase))? {
                self.push(phrase, pattern, strength);
            }
        }
        Ok(())
    }

    fn things(&mut self, phrases: &[String]) -> Result<(), CatalogueError> {
        for phrase in phrases {
            for mut pattern in self.checked(phrase, Pattern::phrase(phrase))? {
                pattern.inflect();
                self.push(phrase, pattern, Strength::Thing);
            }
        }
        Ok(())
    }

    /// Names that are of another sort.
    fn others(&mut self, names: &[String], mark: fn(&mut Phrase)) -> Result<(), CatalogueError> {
        let from = self.read.len();
        self.names(names.iter(), |pattern| pattern)?;
        self.read[from..].iter_mut().for_each(mark);
        Ok(())
    }

    fn doubtful_are_known(&self, doubtful: &[String]) -> Result<(), CatalogueError> {
        match doubtful.iter().find(|phrase| !self.known.contains(&normalise_name(phrase))) {
            Some(phrase) => Err(self.place.at(phrase).error(format!(
                "doubtful \"{phrase}\" is none of the entry's names and phrases; write it as it \
                 stands there"
            ))),
            None => Ok(()),
        }
    }

    fn checked<T>(&self, phrase: &str, read: Result<T, PatternError>) -> Result<T, CatalogueError> {
        read.map_err(|error| self.place.at(phrase).error(error.to_string()))
    }

    fn push(&mut self, phrase: &str, pattern: Pattern, strength: Strength) {
        let name = normalise_name(phrase);
        let doubtful = self.doubtful.contains(&name);
        self.known.insert(name);
        self.read.push(Phrase { pattern, strength, doubtful, landmark: false, heard: false });
    }
}

/// Hebrew puts its article and prepositions inside a service's name: טכנאי המזגנים.
fn loosened(mut pattern: Pattern) -> Pattern {
    for slot in &mut pattern.slots {
        slot.prefixable = true;
    }
    pattern
}

fn names(en: Vec<String>, he: Vec<String>) -> BTreeMap<Language, Vec<String>> {
    let both = [(Language::En, en), (Language::He, he)];
    both.into_iter().filter(|(_, names)| !names.is_empty()).collect()
}

fn known(en: &[String], he: &[String]) -> HashSet<String> {
    normal(en).into_iter().chain(normal(he)).collect()
}

fn normal(names: &[String]) -> HashSet<String> {
    names.iter().map(|name| normalise_name(name)).collect()
}

/// The phrases of one word, in all forms that are made of them, and the longer ones as they are
/// written.
fn single_words(phrases: &[String], forms: fn(&mut Pattern)) -> HashSet<String> {
    let mut words = HashSet::new();
    for phrase in phrases {
        words.insert(normalise_name(phrase));
        for mut pattern in Pattern::phrase(phrase).into_iter().flatten() {
            forms(&mut pattern);
            if let [slot] = &pattern.slots[..] {
                words.extend(slot.words.iter().cloned());
            }
        }
    }
    words
}

fn is_slug(id: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !id.is_empty() && id.chars().all(letter) && !id.starts_with('-') && !id.ends_with('-')
}

#[cfg(test)]
mod tests;

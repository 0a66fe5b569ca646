//! A catalogue as it is written in TOML.

use serde::Deserialize;
use toml::Spanned;

/// A catalogue file. Several files are read as one catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Services.
    #[serde(default)]
    pub service: Vec<Spanned<ServiceRow>>,
    /// Cities.
    #[serde(default)]
    pub city: Vec<Spanned<CityRow>>,
}

/// A service in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRow {
    /// English slug: letters, digits and hyphens.
    pub id: String,
    /// English names, canonical first.
    #[serde(default)]
    pub en: Vec<String>,
    /// Hebrew names, canonical first.
    #[serde(default)]
    pub he: Vec<String>,
    /// Phrases (see [`Pattern`](super::super::matching::Pattern)) that name it.
    #[serde(default)]
    pub said: Vec<String>,
    /// Phrases that only this service mends.
    #[serde(default)]
    pub signs: Vec<String>,
    /// What it works on, in the singular: says little alone, and much beside a fault or the wish
    /// to have it mended or installed.
    #[serde(default)]
    pub things: Vec<String>,
    /// Phrases that point to it and to others.
    #[serde(default)]
    pub hints: Vec<String>,
    /// Those of the phrases above that are also ordinary words.
    #[serde(default)]
    pub doubtful: Vec<String>,
    /// −2 to 2; 0 for most.
    #[serde(default)]
    pub weight: f32,
}

/// A city in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityRow {
    /// English slug: letters, digits and hyphens.
    pub id: String,
    /// English names, canonical first.
    #[serde(default)]
    pub en: Vec<String>,
    /// Hebrew names, canonical first.
    #[serde(default)]
    pub he: Vec<String>,
    /// Nicknames, and how speech engines write the names down: found as they stand, never misspelt
    /// any further.
    #[serde(default)]
    pub heard: Vec<String>,
    /// Districts, landmarks and streets that stand for the city.
    #[serde(default)]
    pub landmarks: Vec<String>,
    /// State, as a name and an abbreviation.
    #[serde(default)]
    pub region: Vec<String>,
    /// Those of the names above that are also ordinary words or names of persons.
    #[serde(default)]
    pub doubtful: Vec<String>,
    /// −2 to 2; 0 for most.
    #[serde(default)]
    pub weight: f32,
}

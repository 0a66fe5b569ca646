//! What the pipeline calls.

use std::sync::Arc;

use domain::{Extraction, Transcript};

use super::{
    ExtractSettings,
    catalogue::{Catalogue, CatalogueError, Language},
    lexicon::{CueError, Lexicon},
};

/// Why extraction cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The catalogue is wrong.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The built-in phrases are wrong.
    #[error(transparent)]
    Cues(#[from] CueError),
}

/// Finds the service and the city of a call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Extractor {
    lexicon: Lexicon,
    values: Option<Language>,
}

impl Extractor {
    /// Loads the catalogue and compiles the rules.
    ///
    /// # Errors
    /// When the catalogue cannot be read or is wrong; the error names the line.
    pub fn from_settings(settings: &ExtractSettings) -> Result<Self, ExtractError> {
        let catalogue = match &settings.catalogue {
            Some(path) => Catalogue::load(path)?,
            None => Catalogue::built_in()?,
        };
        Ok(Self { lexicon: Lexicon::new(Arc::new(catalogue))?, values: settings.values })
    }

    /// What the caller wants and where, with evidence.
    pub async fn extract(&self, transcript: &Transcript) -> Extraction {
        self.lexicon.extract(transcript, self.values)
    }

    /// The rules alone, without any network.
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// The language values are given in; without one, the language of each call.
    pub fn values(&self) -> Option<Language> {
        self.values
    }
}

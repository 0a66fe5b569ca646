//! What the pipeline calls.

use std::sync::Arc;

use domain::{Agreement, Extraction, Field, Transcript};

use super::{
    ExtractSettings, LlmSettings,
    catalogue::{Catalogue, CatalogueError, Language},
    lexicon::{CueError, Lexicon, language_of},
    llm::{Found, Llm, LlmError},
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
    /// The language model cannot be asked.
    #[error(transparent)]
    Llm(#[from] LlmError),
}

/// Finds the service and the city of a call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Extractor {
    lexicon: Lexicon,
    llm: Option<Llm>,
    values: Option<Language>,
}

impl Extractor {
    /// Loads the catalogue and compiles the rules.
    ///
    /// # Errors
    /// When the catalogue cannot be read or is wrong (the error names the line), or the HTTP
    /// client of the language model cannot be built.
    pub fn from_settings(settings: &ExtractSettings) -> Result<Self, ExtractError> {
        let catalogue = match &settings.catalogue {
            Some(path) => Catalogue::load(path)?,
            None => Catalogue::built_in()?,
        };
        let lexicon = Lexicon::new(Arc::new(catalogue))?;
        Self { lexicon, llm: None, values: settings.values }.with_llm(&settings.llm)
    }

    /// The same rules beside another language model, or none where none is configured.
    ///
    /// # Errors
    /// When its HTTP client cannot be built.
    pub fn with_llm(self, settings: &LlmSettings) -> Result<Self, ExtractError> {
        Ok(Self { llm: Llm::from_settings(settings)?, ..self })
    }

    /// What the caller wants and where, with evidence. Where a language model is configured and
    /// fails, the rules' result stands.
    pub async fn extract(&self, transcript: &Transcript) -> Extraction {
        let ruled = self.lexicon.extract(transcript, self.values);
        let Some(llm) = &self.llm else { return ruled };
        let language = self.values.unwrap_or_else(|| language_of(transcript));
        match llm.ask(&self.lexicon, transcript, language).await {
            Ok(found) => combine(ruled, found),
            Err(error) => {
                tracing::warn!(%error, "no fields from the language model; the rules' result stands");
                ruled
            }
        }
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

/// What both say is surer than what one says; where they differ the surer one is kept, as unsure
/// as a contradicted value is.
fn combine(ruled: Extraction, found: Found) -> Extraction {
    let agreement = Agreement {
        service: agree(ruled.service.as_ref(), found.service.as_ref()),
        city: agree(ruled.city.as_ref(), found.city.as_ref()),
    };
    let mut extra = found.extra;
    // A number or a name that the rules read off the transcript needs no second opinion.
    extra.extend(ruled.extra);
    Extraction {
        service: merge(ruled.service, found.service),
        city: merge(ruled.city, found.city),
        extra,
        agreement: Some(agreement),
    }
}

fn agree(ruled: Option<&Field>, found: Option<&Field>) -> Option<bool> {
    match (ruled, found) {
        (None, None) => None,
        (one, other) => Some(one.map(|field| &field.id) == other.map(|field| &field.id)),
    }
}

fn merge(ruled: Option<Field>, found: Option<Field>) -> Option<Field> {
    match (ruled, found) {
        (Some(mut ruled), Some(found)) if ruled.id == found.id => {
            // Two independent witnesses: wrong only if both are.
            let wrong = (1.0 - ruled.confidence) * (1.0 - found.confidence);
            ruled.confidence = (1.0 - wrong).max(ruled.confidence);
            Some(ruled)
        }
        (Some(ruled), Some(found)) => {
            let doubt = 1.0 - ruled.confidence.min(found.confidence);
            let mut kept = if ruled.confidence >= found.confidence { ruled } else { found };
            kept.confidence *= (1.0 - doubt).max(0.5);
            Some(kept)
        }
        (ruled, found) => ruled.or(found),
    }
}

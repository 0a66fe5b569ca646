//! What the pipeline calls.

use std::sync::Arc;

use domain::{Agreement, Extraction, Field, Transcript};

use super::{
    ExtractSettings, LlmSettings,
    catalogue::{Catalogue, CatalogueError, Language},
    lexicon::{CueError, Lexicon, Ruled},
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

/// What an extraction came to.
#[derive(Debug)]
pub struct Extracted {
    /// The fields.
    pub extraction: Extraction,
    /// Why the configured language model has no part in them.
    pub without_model: Option<LlmError>,
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
    pub async fn extract(&self, transcript: &Transcript) -> Extracted {
        let ruled = self.lexicon.rule(transcript, self.values);
        let answer = match &self.llm {
            Some(llm) => Some(llm.ask(&self.lexicon, transcript, &ruled).await),
            None => None,
        };
        let (by, outcome) = match &answer {
            None => ("rules", "ok"),
            Some(Ok(_)) => ("both", "ok"),
            Some(Err(error)) => ("rules", error.code()),
        };
        metrics::counter!("transcriber_extractions_total", "by" => by, "outcome" => outcome)
            .increment(1);
        match answer {
            Some(Ok(found)) => Extracted { extraction: combine(ruled, found), without_model: None },
            Some(Err(error)) => {
                Extracted { extraction: ruled.extraction, without_model: Some(error) }
            }
            None => Extracted { extraction: ruled.extraction, without_model: None },
        }
    }

    /// Whether a language model is configured beside the rules.
    pub fn has_model(&self) -> bool {
        self.llm.is_some()
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

/// The rules' confidence from which another witness may make a value sure enough to act on.
const FOUNDED: f32 = 0.7;
/// Agreement on what the rules have only hints of: worth showing, not worth acting on.
const AGREED_ON_HINTS: f32 = 0.79;

/// What both say is surer than what one says; where they differ the surer one is kept, as unsure
/// as a contradicted value is.
fn combine(ruled: Ruled, found: Found) -> Extraction {
    let Ruled { extraction: rules, firm_service, firm_city, .. } = ruled;
    let agreement = Agreement {
        service: agree(rules.service.as_ref(), found.service.as_ref()),
        city: agree(rules.city.as_ref(), found.city.as_ref()),
    };
    let mut extra = found.extra;
    // A number or a name that the rules read off the transcript needs no second opinion.
    extra.extend(rules.extra);
    Extraction {
        service: merge(rules.service, firm_service, found.service),
        city: merge(rules.city, firm_city, found.city),
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

/// `firm` says whether the rules have more than hints.
fn merge(ruled: Option<Field>, firm: bool, found: Option<Field>) -> Option<Field> {
    match (ruled, found) {
        (Some(mut ruled), Some(found)) if ruled.id == found.id => {
            let surer = ruled.confidence.max(found.confidence);
            // As if they were independent: wrong only if both are. They are not quite, for both
            // read the same words, so what two weak guesses agree on stays a guess.
            let together = 1.0 - (1.0 - ruled.confidence) * (1.0 - found.confidence);
            let most = if firm && ruled.confidence >= FOUNDED { 1.0 } else { AGREED_ON_HINTS };
            ruled.confidence = together.min(most).max(surer);
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

#[cfg(test)]
mod tests {
    use domain::{Evidence, Speaker};

    use super::*;

    fn field(confidence: f32) -> Option<Field> {
        let evidence = Evidence {
            quote: "plumber".into(),
            segment: 0,
            start_char: 0,
            end_char: 7,
            speaker: Speaker::Caller,
            start_ms: 0,
        };
        let (id, value, raw) = ("plumber".into(), "plumber".into(), "plumber".into());
        Some(Field { id, value, raw, confidence, evidence })
    }

    #[test]
    fn agreement_makes_sure_only_what_the_rules_have_founded() {
        let merged = |ruled, firm, found| merge(field(ruled), firm, field(found)).unwrap();
        assert!((merged(0.8, true, 0.75).confidence - 0.95).abs() < 1e-6);
        assert!(merged(0.7, true, 0.75).confidence > 0.9);
        for (ruled, firm) in [(0.5, true), (0.69, true), (0.75, false)] {
            let confidence = merged(ruled, firm, 0.75).confidence;
            assert!((0.75..0.8).contains(&confidence), "{ruled} {firm}: {confidence}");
        }
        // Who measured the model and trusts it alone loses nothing by agreement.
        assert!(merged(0.5, true, 0.9).confidence >= 0.9);
    }
}

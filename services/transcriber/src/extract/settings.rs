//! How extraction is configured.

use std::{collections::BTreeMap, path::PathBuf};

use chassis::config::{masked_option, masked_url_option};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::catalogue::Language;
use crate::settings::empty_is_none;

/// The `[transcriber.extract]` section.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtractSettings {
    /// A catalogue of services and cities (TOML) that replaces the built-in one. Checked at
    /// start; an error names its line.
    #[serde(deserialize_with = "empty_is_none")]
    pub catalogue: Option<PathBuf>,
    /// The language of the values, `en` or `he`. Without it, the language of each call: מנעולן
    /// for a Hebrew one.
    #[serde(deserialize_with = "empty_is_none")]
    pub values: Option<Language>,
    /// A language model beside the rules; off without a URL.
    pub llm: LlmSettings,
}

/// The `[transcriber.extract.llm]` section: any OpenAI-compatible chat endpoint.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlmSettings {
    /// The API's base, such as `https://api.openai.com/v1`; `chat/completions` is added. Without
    /// it no transcript leaves the transcriber for extraction.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked_url_option")]
    pub url: Option<Url>,
    /// Sent as a bearer token where it is set.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "masked_option")]
    pub api_key: Option<SecretString>,
    /// The model's name at that endpoint. Default `gpt-4o-mini`.
    pub model: String,
    /// Seconds one answer may take, connecting included. Then the rules' result stands.
    /// Default 20.
    pub timeout_seconds: u64,
    /// The confidence of a value that the model gives and the rules do not confirm. Nobody has
    /// calibrated the model: keep it below the threshold from which values are acted upon until
    /// `callscribe evaluate` says otherwise. Default 0.75.
    pub unconfirmed_confidence: f32,
    /// Characters of a transcript that are sent at most; a longer one is left to the rules.
    /// Default 60,000.
    pub max_chars: usize,
    /// Further fields to extract, each with a description for the model, such as
    /// `appointment = "day and time the caller asks for"`.
    pub fields: BTreeMap<String, String>,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            url: None,
            api_key: None,
            model: "gpt-4o-mini".to_owned(),
            timeout_seconds: 20,
            unconfirmed_confidence: 0.75,
            max_chars: 60_000,
            fields: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_an_error() {
        assert!(toml::from_str::<ExtractSettings>("catalog = \"x\"").is_err());
        assert!(toml::from_str::<ExtractSettings>("[llm]\nurls = \"x\"").is_err());
        let settings: ExtractSettings =
            toml::from_str("values = \"he\"\n[llm]\nfields.appointment = \"when\"").unwrap();
        assert_eq!(settings.values, Some(Language::He));
        assert_eq!(settings.llm.timeout_seconds, 20);
    }

    #[test]
    fn an_empty_setting_is_none_as_an_empty_variable_is() {
        let empty = "catalogue = \"\"\nvalues = \"\"\n[llm]\nurl = \"\"\napi_key = \"\"";
        let settings: ExtractSettings = toml::from_str(empty).unwrap();
        assert!(settings.catalogue.is_none() && settings.values.is_none());
        assert!(settings.llm.url.is_none() && settings.llm.api_key.is_none());
    }
}

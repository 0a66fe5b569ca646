//! How extraction is configured.

use std::{collections::BTreeMap, path::PathBuf};

use chassis::config::{masked_option, masked_url_option};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
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

impl ExtractSettings {
    /// Checks what the types cannot say. The catalogue is checked where it is read.
    ///
    /// # Errors
    /// A sentence with the setting's name, its value and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        self.llm.validate()
    }
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
    /// Seconds one answer may take, connecting included; 1 to 120. Then the rules' result stands.
    /// A model that fails three times in a row is left alone for a minute. Default 20.
    pub timeout_seconds: u64,
    /// The confidence, 0 to 1, of a value that the model gives and the rules do not confirm. Nobody
    /// has calibrated the model: keep it below the threshold from which values are acted upon until
    /// `callscribe evaluate --llm` says otherwise. Default 0.75.
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

impl LlmSettings {
    fn validate(&self) -> Result<(), String> {
        if let Some(url) = &self.url
            && !(matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            // The rest of it may hold a password.
            return Err(format!(
                "transcriber.extract.llm.url begins with \"{}:\"; it is an http or https address \
                 such as https://host/v1",
                url.scheme()
            ));
        }
        let is_sendable = |key: &SecretString| HeaderValue::from_str(key.expose_secret()).is_ok();
        if !self.api_key.as_ref().is_none_or(is_sendable) {
            return Err(
                "transcriber.extract.llm.api_key cannot be sent in an HTTP header; allowed \
                        are visible ASCII characters, without a line break"
                    .to_owned(),
            );
        }
        if !(1..=120).contains(&self.timeout_seconds) {
            return Err(format!(
                "transcriber.extract.llm.timeout_seconds is {}; allowed are 1 to 120",
                self.timeout_seconds
            ));
        }
        // Not a number is in no range.
        if !(0.0..=1.0).contains(&self.unconfirmed_confidence) {
            return Err(format!(
                "transcriber.extract.llm.unconfirmed_confidence is {}; allowed are 0 to 1",
                self.unconfirmed_confidence
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_of_the_model_is_named_with_what_is_allowed() {
        let wrong = |change: fn(&mut LlmSettings)| {
            let mut settings = ExtractSettings::default();
            change(&mut settings.llm);
            settings.validate().unwrap_err()
        };
        for address in ["file:///etc/hunter2", "mailto:hunter2@host", "ftp://hunter2@host/v1"] {
            let mut settings = ExtractSettings::default();
            settings.llm.url = Some(address.parse().unwrap());
            let error = settings.validate().unwrap_err();
            assert!(error.contains("transcriber.extract.llm.url"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = wrong(|llm| llm.api_key = Some("hunter2\n".to_owned().into()));
        assert!(error.contains("llm.api_key cannot") && !error.contains("hunter2"), "{error}");
        assert!(wrong(|llm| llm.timeout_seconds = 0).contains("timeout_seconds is 0; allowed"));
        assert!(wrong(|llm| llm.timeout_seconds = 121).contains("allowed are 1 to 120"));
        for confidence in [f32::NAN, f32::INFINITY, -0.1, 1.1] {
            let llm = LlmSettings { unconfirmed_confidence: confidence, ..Default::default() };
            let error = ExtractSettings { llm, ..Default::default() }.validate().unwrap_err();
            assert!(error.contains("unconfirmed_confidence is"), "{error}");
        }
        let llm = LlmSettings {
            url: Some("http://[::1]:8080/v1".parse().unwrap()),
            api_key: Some("sk-abc".to_owned().into()),
            ..LlmSettings::default()
        };
        assert_eq!(ExtractSettings { llm, ..Default::default() }.validate(), Ok(()));
    }

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

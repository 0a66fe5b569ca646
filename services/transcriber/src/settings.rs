//! The transcriber's configuration.

use std::{path::PathBuf, sync::Arc};

use chassis::{
    ProcessConfig,
    config::{OtherService, comma_list},
    ops::OpsSettings,
    telemetry::TelemetrySettings,
};
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer};

use crate::{
    audio::SpeechSettings,
    engines::{Engine, EnginesSettings},
    extract::ExtractSettings,
    language,
    speakers::FirstChannel,
};

/// Everything a transcriber process is configured with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where Redis is.
    pub redis: queue::RedisSettings,
    /// Logs, metrics and traces.
    pub telemetry: TelemetrySettings,
    /// The ops listener.
    pub ops: OpsSettings,
    /// The Twilio accounts.
    pub twilio: twilio::TwilioSettings,
    /// The transcriber's own settings.
    pub transcriber: TranscriberSettings,
    /// What is masked before it is told or stored.
    pub redact: domain::RedactSettings,
    /// Another service's section, not read here.
    pub ingest: OtherService,
    /// Another service's section, not read here.
    pub results: OtherService,
}

/// How recordings become transcripts.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TranscriberSettings {
    /// Calls at the speech engines at once. Default 4.
    pub slots: usize,
    /// Calls whose recordings are fetched and read beforehand while all slots are taken, so that
    /// no engine waits for a recording. They are in hand as well, and take room in
    /// `temporary_folder`. Default: one for every four slots, at least one.
    pub ahead: Option<usize>,
    /// Hard limit for one call, in seconds. A call that waits for a place at a speech engine when
    /// half of it is over goes back into the queue without an attempt being counted. Default 3600.
    pub job_timeout_seconds: u64,
    /// Attempts before a call is given up and stands among the dead letters; waiting for something
    /// is none. Default 16, which is about an hour.
    pub max_attempts: u32,
    /// How long a stop waits for calls in hand before handing them back, in seconds. Default 20.
    pub grace_seconds: u64,
    /// How long media that Twilio does not have yet, or not all of, is waited for, in seconds; a
    /// recording that Twilio says is still being made is waited for a day, and so is Twilio itself
    /// while it is away. Default 1800.
    pub not_ready_seconds: u64,
    /// Largest download, in bytes. Default 1,000,000,000.
    pub max_media_bytes: u64,
    /// Time limit for one download, in seconds. Default 600.
    pub media_timeout_seconds: u64,
    /// Longest recording, in seconds. Default 14,400 (four hours).
    pub max_seconds: u64,
    /// Folder for temporary files, about 230 MB for an hour of two channels; the engines that are
    /// programs get their pieces there, too. Default: the system's.
    #[serde(deserialize_with = "empty_is_none")]
    pub temporary_folder: Option<PathBuf>,
    /// The language spoken, `he` or `en`, where all calls have the same one: engines that guess
    /// take short Hebrew for English. Default none: the engine decides.
    #[serde(deserialize_with = "empty_is_none")]
    pub language: Option<String>,
    /// The languages that calls are in, such as `he,en`: a transcript in another one is doubted,
    /// tried on the next engine, and flagged `language_not_allowed`; engines that can choose
    /// choose among these (Whisper, Deepgram); Google cannot, and several languages with it in the
    /// chain need `language`. One alone counts as `language`. Default none: any.
    #[serde(deserialize_with = "comma_list")]
    pub languages: Vec<String>,
    /// Who is on the first channel: `caller`, `agent`, or `by_direction`: the caller of an inbound
    /// call, the agent of an outbound one. Default `by_direction`.
    pub first_channel: FirstChannel,
    /// What counts as speech.
    pub speech: SpeechSettings,
    /// The speech engines.
    pub engines: EnginesSettings,
    /// How service and city are found.
    pub extract: ExtractSettings,
}

impl Default for TranscriberSettings {
    fn default() -> Self {
        Self {
            slots: 4,
            ahead: None,
            job_timeout_seconds: 3600,
            max_attempts: 16,
            grace_seconds: 20,
            not_ready_seconds: 1800,
            max_media_bytes: 1_000_000_000,
            media_timeout_seconds: 600,
            max_seconds: 14_400,
            temporary_folder: None,
            language: None,
            languages: Vec::new(),
            first_channel: FirstChannel::ByDirection,
            speech: SpeechSettings::default(),
            engines: EnginesSettings::default(),
            extract: ExtractSettings::default(),
        }
    }
}

impl TranscriberSettings {
    /// Where temporary files go.
    pub fn folder(&self) -> PathBuf {
        self.temporary_folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Calls that are prepared while all slots are taken.
    pub fn ahead(&self) -> usize {
        self.ahead.unwrap_or_else(|| self.slots.div_ceil(4))
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// A sentence with the setting's name, its value and what is allowed.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=1024).contains(&self.slots) {
            return Err(format!("transcriber.slots is {}; allowed are 1 to 1024", self.slots));
        }
        if self.ahead() > 1024 {
            return Err(format!("transcriber.ahead is {}; allowed are 0 to 1024", self.ahead()));
        }
        if self.max_attempts == 0 {
            return Err("transcriber.max_attempts is 0; at least 1 is needed".into());
        }
        let folder = self.folder();
        if !folder.is_dir() {
            let folder = folder.display();
            return Err(format!("transcriber.temporary_folder is {folder}; it is not a folder"));
        }
        self.validate_languages()?;
        self.extract.validate()?;
        self.speech.validate()
    }

    /// The language of every call, where there is only one.
    pub fn only_language(&self) -> Option<String> {
        match (&self.language, self.languages.as_slice()) {
            (None, [only]) => Some(only.clone()),
            (language, _) => language.clone(),
        }
    }

    /// Checks that there is an engine for the calls.
    ///
    /// # Errors
    /// A sentence with the setting's name and the engines', when none of them knows any language
    /// that calls are in.
    pub fn check_engines(&self, engines: &[Arc<dyn Engine>]) -> Result<(), String> {
        let (setting, languages) = match &self.language {
            Some(only) => ("transcriber.language", vec![only.clone()]),
            None => ("transcriber.languages", self.languages.clone()),
        };
        let is_known = |language: &String| engines.iter().any(|engine| engine.knows(language));
        if languages.is_empty() || languages.iter().any(is_known) {
            return Ok(());
        }
        let names: Vec<_> = engines.iter().map(|engine| engine.identity().name).collect();
        Err(format!(
            "{setting} is {}, which no engine of transcriber.engines.chain ({}) knows: add one that \
             does, or see that engine's own languages",
            languages.join(", "),
            names.join(", ")
        ))
    }

    fn validate_languages(&self) -> Result<(), String> {
        language::check("transcriber.language", &self.language)?;
        language::check("transcriber.languages", &self.languages)?;
        match &self.language {
            Some(language) if !self.languages.is_empty() && !self.languages.contains(language) => {
                Err(format!(
                    "transcriber.language is {language:?}, which is not among \
                     transcriber.languages ({})",
                    self.languages.join(", ")
                ))
            }
            None if self.languages.len() > 1 && self.engines.chain.contains(&"google".into()) => {
                Err(format!(
                    "transcriber.languages is {}, and the engine google takes one language for \
                     granted: name it as transcriber.language, or leave google out of \
                     transcriber.engines.chain",
                    self.languages.join(", ")
                ))
            }
            _ => Ok(()),
        }
    }
}

impl ProcessConfig for Config {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }

    fn validate(&self) -> Result<(), String> {
        self.twilio.validate()?;
        domain::Redactor::new(&self.redact).map_err(|error| error.to_string())?;
        self.transcriber.validate()
    }
}

/// For `deserialize_with`: an empty text is none, as compose files and manifests pass variables
/// that are not set.
pub(crate) fn empty_is_none<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = Option::<String>::deserialize(from)?;
    let text = text.filter(|text| !text.trim().is_empty());
    text.map(|text| T::deserialize(text.into_deserializer())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(variables: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        chassis::config::load_from(None, variables).unwrap()
    }

    #[test]
    fn variables_that_are_passed_empty_are_not_set() {
        let config = loaded(&[
            ("CALLSCRIBE_TRANSCRIBER__LANGUAGE", ""),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__API_KEY", ""),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__BASE_URL", " "),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__COMMAND__TEMPLATE", ""),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__GOOGLE__CREDENTIALS", ""),
            ("CALLSCRIBE_TRANSCRIBER__LANGUAGES", ""),
            ("CALLSCRIBE_TRANSCRIBER__EXTRACT__CATALOGUE", ""),
            ("CALLSCRIBE_TRANSCRIBER__EXTRACT__VALUES", ""),
            ("CALLSCRIBE_TRANSCRIBER__EXTRACT__LLM__URL", ""),
            ("CALLSCRIBE_TRANSCRIBER__EXTRACT__LLM__API_KEY", ""),
        ]);
        let settings = config.transcriber;
        assert_eq!(settings.validate(), Ok(()));
        assert!(settings.language.is_none() && settings.engines.google.credentials.is_none());
        assert!(!settings.engines.openai.is_configured());
        assert!(settings.engines.command.template.is_none());
        assert!(settings.languages.is_empty() && settings.extract.values.is_none());
        assert!(settings.extract.llm.url.is_none() && settings.extract.llm.api_key.is_none());
    }

    #[test]
    fn what_is_printed_of_the_settings_holds_no_secret() {
        let config = loaded(&[
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__API_KEY", "hunter2"),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__BASE_URL", "http://me:hunter2@whisper/v1"),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__DEEPGRAM__BASE_URL", "https://dg/?key=hunter2"),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__GOOGLE__BASE_URL", "https://hunter2@google"),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__COMMAND__TEMPLATE", "asr --token hunter2 {audio}"),
            ("CALLSCRIBE_TRANSCRIBER__EXTRACT__LLM__URL", "https://hunter2@llm/v1"),
            ("CALLSCRIBE_TRANSCRIBER__EXTRACT__LLM__API_KEY", "hunter2"),
        ]);
        let printed = serde_json::to_string(&config.transcriber).unwrap();
        assert!(!printed.contains("hunter2"), "{printed}");
        for shown in ["http://***@whisper/v1", "asr ***", "https://***@llm/v1"] {
            assert!(printed.contains(shown), "{shown}: {printed}");
        }
    }

    #[test]
    fn a_chain_and_a_limit_come_from_variables() {
        let config = loaded(&[
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__CHAIN", "openai, pocketsphinx"),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__USD_PER_DAY", "2.5"),
            ("CALLSCRIBE_TRANSCRIBER__ENGINES__OPENAI__LANGUAGES", "he, en"),
            ("CALLSCRIBE_TRANSCRIBER__FIRST_CHANNEL", "agent"),
        ]);
        assert_eq!(config.transcriber.engines.chain, ["openai", "pocketsphinx"]);
        assert_eq!(config.transcriber.engines.openai.usd_per_day, Some(2.5));
        assert_eq!(config.transcriber.engines.openai.languages, ["he", "en"]);
        assert_eq!(config.transcriber.first_channel, FirstChannel::Agent);
    }

    #[test]
    fn one_call_is_prepared_for_every_four_slots_unless_it_is_said_how_many() {
        let settings = |slots| TranscriberSettings { slots, ..Default::default() };
        assert_eq!([1, 4, 5, 64].map(|slots| settings(slots).ahead()), [1, 1, 2, 16]);
        let config = loaded(&[("CALLSCRIBE_TRANSCRIBER__AHEAD", "0")]);
        assert_eq!(config.transcriber.ahead(), 0);
    }

    #[test]
    fn engines_that_know_none_of_the_languages_are_named_with_them() {
        let english = |settings: &mut TranscriberSettings| {
            settings.engines.chain = vec!["command".into()];
            settings.engines.command.template = Some("cat {audio}".into());
            settings.engines.command.languages = vec!["en".into()];
        };
        let refused = |language: Option<&str>, languages: &[&str]| {
            let mut settings = TranscriberSettings::default();
            english(&mut settings);
            settings.language = language.map(str::to_owned);
            settings.languages = languages.iter().map(|one| (*one).to_owned()).collect();
            let engines = crate::engines::chosen(&settings.engines, &settings.folder()).unwrap();
            settings.check_engines(&engines).err()
        };
        assert_eq!(refused(None, &[]), None);
        assert_eq!(refused(None, &["he", "en"]), None);
        let sentence = refused(None, &["he", "ru"]).unwrap();
        assert!(sentence.contains("transcriber.languages is he, ru"), "{sentence}");
        assert!(sentence.contains("transcriber.engines.chain (command)"), "{sentence}");
        let sentence = refused(Some("he"), &["he", "en"]).unwrap();
        assert!(sentence.contains("transcriber.language is he"), "{sentence}");
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_is_allowed() {
        let wrong = |change: fn(&mut TranscriberSettings)| {
            let mut settings = TranscriberSettings::default();
            change(&mut settings);
            settings.validate().unwrap_err()
        };
        assert!(wrong(|s| s.slots = 0).contains("transcriber.slots is 0; allowed are 1"));
        assert!(wrong(|s| s.ahead = Some(2000)).contains("transcriber.ahead is 2000; allowed"));
        assert!(wrong(|s| s.language = Some("hebrew".into())).contains("such as en or he"));
        assert!(wrong(|s| s.language = Some("iw".into())).contains("such as en or he"));
        assert!(wrong(|s| s.languages = vec!["Hebrew".into()]).contains("transcriber.languages"));
        let both = |s: &mut TranscriberSettings| {
            s.language = Some("ru".into());
            s.languages = vec!["he".into(), "en".into()];
        };
        assert!(wrong(both).contains("not among transcriber.languages (he, en)"));
        // Of several languages Google would hear one in all of them.
        let of_google = |s: &mut TranscriberSettings| {
            s.languages = vec!["he".into(), "en".into()];
            s.engines.chain = vec!["whisper".into(), "google".into()];
        };
        assert!(wrong(of_google).contains("name it as transcriber.language"));
        let mut named = TranscriberSettings::default();
        of_google(&mut named);
        named.language = Some("he".into());
        assert_eq!(named.validate(), Ok(()));
        assert!(wrong(|s| s.speech.threshold = 2.0).contains("transcriber.speech.threshold"));
        assert!(
            wrong(|s| s.extract.llm.timeout_seconds = 0).contains("extract.llm.timeout_seconds")
        );
        assert!(wrong(|s| s.temporary_folder = Some("/no/such".into())).contains("/no/such"));
    }
}

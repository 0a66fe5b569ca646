//! Any local program that takes an audio file and prints what was said.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use chassis::config::comma_list;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Heard, Piece, program, wav};
use crate::{audio::CutRule, language, settings::empty_is_none, temporary};

/// The engine `command`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandSettings {
    /// The program and its arguments, split as a shell splits words, without a shell: `{audio}`
    /// becomes the path of a WAV file (16 kHz, mono, 16 bits) and `{language}` the language, or
    /// `auto`. It prints the text. Default none: the engine is off.
    #[serde(deserialize_with = "empty_is_none", serialize_with = "program_alone")]
    pub template: Option<String>,
    /// Name recorded with its transcripts. Default `command`.
    pub name: String,
    /// Model recorded with its transcripts. Default none.
    #[serde(deserialize_with = "empty_is_none")]
    pub model: Option<String>,
    /// The languages it is asked for, such as `he,en`: calls that can only be in others go to the
    /// next engine without a request. Default none: any.
    #[serde(deserialize_with = "comma_list")]
    pub languages: Vec<String>,
    /// Time limit for one piece, in seconds. Default 300.
    pub timeout_seconds: u64,
    /// Longest piece, in seconds. Default 30.
    pub longest_piece_seconds: u64,
    /// Programs running at once, for all slots of the process. Default: one for each core.
    pub max_concurrent: usize,
    /// Price of a minute of audio in US dollars. Default 0.
    pub usd_per_minute: f64,
    /// What an account may spend in a day (UTC), in US dollars, by the price above; calls beyond it
    /// wait until tomorrow or go to the next engine. At least what the longest piece costs. Default
    /// none: no limit.
    pub usd_per_day: Option<f64>,
}

impl Default for CommandSettings {
    fn default() -> Self {
        Self {
            template: None,
            name: "command".into(),
            model: None,
            languages: Vec::new(),
            timeout_seconds: 300,
            longest_piece_seconds: 30,
            max_concurrent: program::cores(),
            usd_per_minute: 0.0,
            usd_per_day: None,
        }
    }
}

/// Arguments can be secrets: a template is printed as its program and `***`.
fn program_alone<S: serde::Serializer>(
    template: &Option<String>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let words = template.as_deref().and_then(shlex::split).unwrap_or_default();
    let shown = words.first().map(|program| format!("{program} ***"));
    shown.or(template.as_ref().map(|_| "***".into())).serialize(to)
}

/// Runs a program for each piece.
pub struct Command {
    settings: CommandSettings,
    program: String,
    arguments: Vec<String>,
    folder: PathBuf,
}

impl Command {
    /// The engine, from its settings; the audio goes through files in the folder.
    ///
    /// # Errors
    /// A sentence, when the template is missing, malformed, or names no program that is installed.
    pub fn new(settings: &CommandSettings, folder: &Path) -> Result<Self, String> {
        language::check("transcriber.engines.command.languages", &settings.languages)?;
        let setting = "transcriber.engines.command.template";
        let template = settings.template.as_deref().unwrap_or_default();
        let words = shlex::split(template).filter(|words| !words.is_empty()).ok_or_else(|| {
            format!(
                "{setting} cannot be read: it names a program, its arguments and {{audio}}, and \
                 every quote in it ends"
            )
        })?;
        if !words.iter().any(|word| word.contains("{audio}")) {
            return Err(format!("{setting} is {} ***; it must contain {{audio}}", words[0]));
        }
        let program = words[0].clone();
        if program::find(&program).is_none() {
            return Err(format!("{setting} names {program}, which is not installed"));
        }
        let (settings, arguments) = (settings.clone(), words[1..].to_vec());
        Ok(Self { settings, program, arguments, folder: folder.into() })
    }

    async fn run(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        let audio = temporary_wav(&piece.samples, &self.folder)?;
        let path = audio.path().to_string_lossy();
        let arguments: Vec<OsString> = self
            .arguments
            .iter()
            .map(|word| {
                word.replace("{audio}", &path).replace("{language}", language.unwrap_or("auto"))
            })
            .map(OsString::from)
            .collect();
        let limit = Duration::from_secs(self.settings.timeout_seconds);
        let printed = program::output(&self.program, &arguments, limit).await?;
        let words: Vec<&str> = printed.split_whitespace().collect();
        Ok(Heard::whole(piece, &words.join(" "), None))
    }
}

impl Engine for Command {
    fn identity(&self) -> domain::Engine {
        let CommandSettings { name, model, .. } = self.settings.clone();
        domain::Engine { name, model, version: None }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule {
            longest_ms: self.settings.longest_piece_seconds.max(2) * 1000,
            at_silence_ms: Some(700),
        }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        crate::price::microusd(self.settings.usd_per_minute)
    }

    fn microusd_per_day(&self) -> Option<u64> {
        self.settings.usd_per_day.and_then(crate::price::microusd)
    }

    fn places(&self) -> usize {
        self.settings.max_concurrent
    }

    fn knows(&self, language: &str) -> bool {
        language::is_among(&self.settings.languages, language)
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        language: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(self.run(piece, language))
    }
}

/// Sound as a file in the folder that goes with the value.
pub(super) fn temporary_wav(
    samples: &[i16],
    folder: &Path,
) -> Result<tempfile::NamedTempFile, EngineError> {
    let failed = |error: std::io::Error| EngineError::Program(format!("temporary file: {error}"));
    let mut file = temporary::builder().suffix(".wav").tempfile_in(folder).map_err(failed)?;
    file.write_all(&wav(samples)).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Stretch;

    fn engine(template: &str, timeout_seconds: u64) -> Command {
        let template = Some(template.into());
        let settings = CommandSettings { template, timeout_seconds, ..Default::default() };
        Command::new(&settings, &std::env::temp_dir()).unwrap()
    }

    fn piece() -> Piece {
        Piece::new(Stretch { start_ms: 0, end_ms: 1000 }, vec![0; 16_000])
    }

    #[tokio::test]
    async fn a_program_gets_the_audio_file_and_its_output_is_the_text() {
        // wc prints the size: 44 bytes of header and two for each sample.
        let heard = engine("sh -c 'wc -c < {audio}; echo {language}'", 20)
            .transcribe(&piece(), Some("he"))
            .await
            .unwrap();
        assert_eq!(heard.segments[0].text, "32044 he");
        assert_eq!((heard.segments[0].start_ms, heard.segments[0].end_ms), (0, 1000));
    }

    #[tokio::test]
    async fn the_audio_lies_in_the_folder_for_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let template = Some("echo {audio}".into());
        let settings = CommandSettings { template, ..Default::default() };
        let engine = Command::new(&settings, folder.path()).unwrap();
        let heard = engine.transcribe(&piece(), None).await.unwrap();
        assert!(Path::new(&heard.segments[0].text).starts_with(folder.path()), "{heard:?}");
    }

    #[tokio::test]
    async fn a_program_that_fails_is_an_error_and_one_that_prints_nothing_heard_nothing() {
        let error = engine("false {audio}", 20).transcribe(&piece(), None).await.unwrap_err();
        assert_eq!(error.code(), "engine_program_failed");
        let heard = engine("true {audio}", 20).transcribe(&piece(), None).await.unwrap();
        assert_eq!(heard, Heard::default());
    }

    #[tokio::test]
    async fn a_program_past_its_limit_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("alive");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // The grandchild holds the pipe open for writing as long as it lives.
        let template =
            format!("sh -c 'sh -c \"exec 3>{}; sleep 600\" & wait; : {{audio}}'", fifo.display());
        let engine = engine(&template, 1);
        let reader = tokio::task::spawn_blocking(move || std::fs::read(fifo));
        let error = engine.transcribe(&piece(), None).await.unwrap_err();
        assert_eq!(error, EngineError::Timeout { seconds: 1 });
        // Reading ends only when the grandchild is gone.
        reader.await.unwrap().unwrap();
    }

    #[test]
    fn a_template_without_audio_or_program_is_refused_by_name() {
        for template in ["", "echo hello", "no-such-program-anywhere {audio}", "'unclosed {audio}"]
        {
            let settings =
                CommandSettings { template: Some(template.into()), ..Default::default() };
            let sentence = Command::new(&settings, Path::new("/")).err().unwrap();
            assert!(sentence.contains("transcriber.engines.command.template"), "{sentence}");
        }
        for template in ["asr --token hunter2", "'asr --token hunter2 {audio}"] {
            let settings =
                CommandSettings { template: Some(template.into()), ..Default::default() };
            let sentence = Command::new(&settings, Path::new("/")).err().unwrap();
            assert!(!sentence.contains("hunter2"), "{sentence}");
        }
    }
}

//! PocketSphinx: English, offline, no key, no download; the engine of last resort.
//!
//! It reads clear wideband speech and little else: telephone audio (8 kHz) it does not understand.
//! Two command lines exist. Up to 5prealpha (Debian 12, Ubuntu 24.04) `pocketsphinx_batch` takes a
//! list of files; its sibling `pocketsphinx_continuous` normalises as it goes and hears less.
//! From 5.0 on (Homebrew) `pocketsphinx single` takes one file and prints JSON.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Heard, Piece, command::temporary_wav, program};
use crate::{audio::CutRule, settings::empty_is_none};

/// The engine `pocketsphinx`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PocketSphinxSettings {
    /// The program. Default: `pocketsphinx` or `pocketsphinx_batch`, whichever is installed.
    #[serde(deserialize_with = "empty_is_none")]
    pub program: Option<String>,
    /// Folder with the model `en-us`, `en-us.lm.bin` and `cmudict-en-us.dict`. Default: where the
    /// packages put it.
    #[serde(deserialize_with = "empty_is_none")]
    pub model_folder: Option<PathBuf>,
    /// Time limit for one piece, in seconds. Default 180.
    pub timeout_seconds: u64,
    /// Programs running at once, for all slots of the process. Default: one for each core.
    pub max_concurrent: usize,
}

impl Default for PocketSphinxSettings {
    fn default() -> Self {
        Self {
            program: None,
            model_folder: None,
            timeout_seconds: 180,
            max_concurrent: program::cores(),
        }
    }
}

/// Where packages put the English model.
const MODEL_FOLDERS: [&str; 4] = [
    "/usr/share/pocketsphinx/model/en-us",
    "/usr/local/share/pocketsphinx/model/en-us",
    "/opt/homebrew/share/pocketsphinx/model/en-us",
    "/home/linuxbrew/.linuxbrew/share/pocketsphinx/model/en-us",
];

/// The command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Batch,
    Single,
}

/// Runs PocketSphinx for each piece.
pub struct PocketSphinx {
    program: String,
    dialect: Dialect,
    model: Option<PathBuf>,
    limit: Duration,
    places: usize,
}

impl PocketSphinx {
    /// The engine, if it is installed with its model.
    ///
    /// # Errors
    /// A sentence that says what is missing and how it is installed.
    pub fn new(settings: &PocketSphinxSettings) -> Result<Self, String> {
        let candidates = match &settings.program {
            Some(program) => vec![program.as_str()],
            None => vec!["pocketsphinx", "pocketsphinx_batch"],
        };
        let program = candidates.into_iter().find(|name| program::find(name).is_some());
        let program = program.ok_or(
            "PocketSphinx is not installed (Debian, Ubuntu: apt-get install pocketsphinx \
             pocketsphinx-en-us; Fedora: dnf install pocketsphinx pocketsphinx-models; macOS: brew \
             install pocketsphinx)",
        )?;
        let is_batch =
            Path::new(program).file_name().is_some_and(|name| name == "pocketsphinx_batch");
        let dialect = if is_batch { Dialect::Batch } else { Dialect::Single };
        let model = model_folder(settings.model_folder.as_deref())?;
        if dialect == Dialect::Batch && model.is_none() {
            return Err("PocketSphinx is installed without its English model (Debian, Ubuntu: \
                        apt-get install pocketsphinx-en-us), or set \
                        transcriber.engines.pocketsphinx.model_folder"
                .into());
        }
        let limit = Duration::from_secs(settings.timeout_seconds);
        let places = settings.max_concurrent;
        Ok(Self { program: program.into(), dialect, model, limit, places })
    }

    async fn run(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        if language.is_some_and(|language| !language.starts_with("en")) {
            return Err(EngineError::UnsupportedLanguage);
        }
        let audio = temporary_wav(piece)?;
        let heard = match self.dialect {
            Dialect::Batch => {
                let list = list_of(audio.path())?;
                let printed = self.output(batch_arguments(audio.path(), list.path())).await?;
                Heard::whole(piece, batch_text(&printed), None)
            }
            Dialect::Single => {
                let printed = self.output(vec!["single".into(), audio.path().into()]).await?;
                Heard::whole(piece, &single_text(&printed)?, None)
            }
        };
        Ok(Heard { language: Some("en".into()), ..heard })
    }

    async fn output(&self, mut arguments: Vec<OsString>) -> Result<String, EngineError> {
        if let Some(model) = &self.model {
            let options = [
                ("-hmm", model.join("en-us")),
                ("-lm", model.join("en-us.lm.bin")),
                ("-dict", model.join("cmudict-en-us.dict")),
            ];
            let options = options.into_iter().flat_map(|(name, path)| [name.into(), path.into()]);
            arguments.splice(0..0, options);
        }
        program::output(&self.program, &arguments, self.limit).await
    }
}

impl Engine for PocketSphinx {
    fn identity(&self) -> domain::Engine {
        let model = Some("en-us".into());
        let version = match self.dialect {
            Dialect::Batch => "5prealpha",
            Dialect::Single => "5",
        };
        domain::Engine { name: "pocketsphinx".into(), model, version: Some(version.into()) }
    }

    fn cut_rule(&self) -> CutRule {
        CutRule { longest_ms: 30_000, at_silence_ms: Some(700) }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        Some(0)
    }

    fn places(&self) -> usize {
        self.places
    }

    fn transcribe<'a>(
        &'a self,
        piece: &'a Piece,
        language: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Heard, EngineError>> {
        Box::pin(self.run(piece, language))
    }
}

fn model_folder(configured: Option<&Path>) -> Result<Option<PathBuf>, String> {
    let is_model = |folder: &Path| folder.join("en-us").is_dir();
    match configured {
        Some(folder) if is_model(folder) => Ok(Some(folder.into())),
        Some(folder) => Err(format!(
            "transcriber.engines.pocketsphinx.model_folder is {}; it must hold the folder en-us",
            folder.display()
        )),
        None => {
            Ok(MODEL_FOLDERS.iter().map(Path::new).find(|folder| is_model(folder)).map(Into::into))
        }
    }
}

/// The list of one file that `pocketsphinx_batch` reads: names without folder and ending.
fn list_of(audio: &Path) -> Result<tempfile::NamedTempFile, EngineError> {
    let failed = |error: std::io::Error| EngineError::Program(format!("temporary file: {error}"));
    let mut list = tempfile::Builder::new().prefix("callscribe-").tempfile().map_err(failed)?;
    let stem = audio.file_stem().unwrap_or_default().to_string_lossy();
    writeln!(list, "{stem}").map_err(failed)?;
    Ok(list)
}

fn batch_arguments(audio: &Path, list: &Path) -> Vec<OsString> {
    let folder = audio.parent().unwrap_or(Path::new("/"));
    // The header of 44 bytes is skipped: the samples have the rate of the model.
    let plain = ["-adcin", "yes", "-adchdr", "44", "-cepext", ".wav", "-logfn", "/dev/null"];
    let mut arguments: Vec<OsString> = plain.into_iter().map(OsString::from).collect();
    arguments.extend(["-cepdir".into(), folder.into()]);
    arguments.extend(["-ctl".into(), list.into()]);
    arguments.extend(["-hyp".into(), "/dev/stdout".into()]);
    arguments
}

/// `the words (name -12345)`.
fn batch_text(printed: &str) -> &str {
    let line = printed.lines().next().unwrap_or_default();
    line.rsplit_once('(').map_or(line, |(text, _)| text)
}

/// `{"b":0.0,"d":1.2,"p":0.1,"t":"the words","w":[…]}`; the list of words is not JSON when it is
/// empty, so only what stands before it is read. `p` is the probability of the whole sequence,
/// which shrinks with its length: no confidence.
fn single_text(printed: &str) -> Result<String, EngineError> {
    #[derive(Deserialize)]
    struct Line {
        t: String,
    }
    let line = printed.lines().next().unwrap_or_default();
    let head = line.split_once(",\"w\":").map_or(line, |(head, _)| head);
    let closed = format!("{}}}", head.trim_end_matches('}'));
    let line: Line = serde_json::from_str(&closed)
        .map_err(|_| EngineError::Malformed("pocketsphinx printed no result".into()))?;
    // Fillers such as <sil> and [NOISE] are no words.
    let words: Vec<&str> =
        line.t.split_whitespace().filter(|word| !word.starts_with(['<', '['])).collect();
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_command_lines_are_read() {
        assert_eq!(
            batch_text("send a plumber to dallas (callscribe-x -25774)\n").trim(),
            "send a plumber to dallas"
        );
        assert_eq!(batch_text("").trim(), "");
        let line = r#"{"b":0.000,"d":2.600,"p":0.870,"t":"go forward","w":[{"b":0.0,"d":0.2,"p":1.0,"t":"<s>"}]}"#;
        assert_eq!(single_text(line).unwrap(), "go forward");
        let nothing = r#"{"b":0.000,"d":2.600,"p":1.000,"t":"","w":]}"#;
        assert_eq!(single_text(nothing).unwrap(), "");
        assert!(single_text("ERROR").is_err());
    }

    #[tokio::test]
    async fn hebrew_is_refused_before_anything_is_run() {
        let engine = PocketSphinx {
            program: "no-such-program".into(),
            dialect: Dialect::Single,
            model: None,
            limit: Duration::from_secs(1),
            places: 1,
        };
        let at = crate::audio::Stretch { start_ms: 0, end_ms: 10 };
        let piece = Piece { at, samples: vec![0; 160] };
        let error = engine.transcribe(&piece, Some("he")).await.unwrap_err();
        assert_eq!(error, EngineError::UnsupportedLanguage);
    }
}

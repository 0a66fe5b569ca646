//! PocketSphinx: English, offline, no key, no download; the engine of last resort.
//!
//! It reads clear wideband speech; of telephone audio (8 kHz) it misreads much.
//! Two command lines exist. Up to 5prealpha (Debian 12, Ubuntu 24.04) `pocketsphinx_batch` takes a
//! list of files; its sibling `pocketsphinx_continuous` normalises as it goes and hears less.
//! From 5.0 on (Homebrew) `pocketsphinx single` takes one file and prints JSON. Both normalise over
//! a whole piece, so long pieces are read better than single sentences.

mod condensed;
mod words;

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use condensed::Condensed;

use super::{Engine, EngineError, Heard, Piece, command::temporary_wav, program};
use crate::{audio::CutRule, settings::empty_is_none, temporary};

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
    /// Time limit for one piece, in seconds. Default 300.
    pub timeout_seconds: u64,
    /// Programs running at once, for all slots of the process. Default: one for each core.
    pub max_concurrent: usize,
}

impl Default for PocketSphinxSettings {
    fn default() -> Self {
        Self {
            program: None,
            model_folder: None,
            timeout_seconds: 300,
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

/// Longest piece: enough for normalising over it, and far below the time limit.
const LONGEST_MS: u64 = 60_000;

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
    folder: PathBuf,
}

impl PocketSphinx {
    /// The engine, if it is installed with its model; the audio goes through files in the folder.
    ///
    /// # Errors
    /// A sentence that says what is missing and how it is installed.
    pub fn new(settings: &PocketSphinxSettings, folder: &Path) -> Result<Self, String> {
        let candidates = match &settings.program {
            Some(program) => vec![program.as_str()],
            None => vec!["pocketsphinx", "pocketsphinx_batch"],
        };
        let program = candidates.into_iter().find(|name| program::find(name).is_some());
        let program = program.ok_or(
            "PocketSphinx is not installed (Debian, Ubuntu: apt-get install pocketsphinx \
             pocketsphinx-en-us; Fedora: dnf install pocketsphinx pocketsphinx-models; macOS: brew \
             install cmu-pocketsphinx)",
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
        let (program, folder) = (program.into(), folder.into());
        Ok(Self { program, dialect, model, limit, places, folder })
    }

    async fn run(&self, piece: &Piece, language: Option<&str>) -> Result<Heard, EngineError> {
        if language.is_some_and(|language| !self.knows(language)) {
            return Err(EngineError::UnsupportedLanguage);
        }
        let condensed = Condensed::new(piece);
        let audio = temporary_wav(&condensed.samples, &self.folder)?;
        let words = match self.dialect {
            Dialect::Batch => {
                let list = list_of(audio.path(), &self.folder)?;
                let printed = self.output(batch_arguments(audio.path(), list.path())).await?;
                words::from_hypseg(&printed)?
            }
            Dialect::Single => {
                let printed = self.output(vec!["single".into(), audio.path().into()]).await?;
                words::from_json(&printed)?
            }
        };
        let segments = words::segments(words, &condensed);
        Ok(Heard { segments, language: Some("en".into()), ..Heard::default() })
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
        CutRule { longest_ms: LONGEST_MS, at_silence_ms: None }
    }

    fn microusd_per_minute(&self) -> Option<u64> {
        Some(0)
    }

    fn places(&self) -> usize {
        self.places
    }

    fn stands_in(&self) -> bool {
        true
    }

    fn knows(&self, language: &str) -> bool {
        language.starts_with("en")
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
fn list_of(audio: &Path, folder: &Path) -> Result<tempfile::NamedTempFile, EngineError> {
    let failed = |error: std::io::Error| EngineError::Program(format!("temporary file: {error}"));
    let mut list = temporary::builder().tempfile_in(folder).map_err(failed)?;
    let stem = audio.file_stem().unwrap_or_default().to_string_lossy();
    writeln!(list, "{stem}").map_err(failed)?;
    Ok(list)
}

fn batch_arguments(audio: &Path, list: &Path) -> Vec<OsString> {
    let folder = audio.parent().unwrap_or(Path::new("/"));
    // The header of 44 bytes is skipped: the samples have the rate of the model.
    let plain = ["-adcin", "yes", "-adchdr", "44", "-cepext", ".wav", "-logfn", "/dev/null"];
    let mut arguments: Vec<OsString> = plain.into_iter().map(OsString::from).collect();
    // Frames of removed silence are not counted, which would shift all times after them.
    arguments.extend(["-remove_silence".into(), "no".into()]);
    arguments.extend(["-cepdir".into(), folder.into()]);
    arguments.extend(["-ctl".into(), list.into()]);
    arguments.extend(["-hypseg".into(), "/dev/stdout".into()]);
    arguments
}

#[cfg(test)]
mod tests;

//! The texts behind `callscribe extract` and `callscribe evaluate`; the program only wires them
//! to its command line.

mod input;

use std::{
    fmt::Write,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use domain::{Extraction, Field, Transcript};

use super::{
    Extractor,
    evaluate::{self, Labelled, LabelledError, Report},
};

/// Bold, for the words a value rests on.
const BOLD: (&str, &str) = ("\u{1b}[1m", "\u{1b}[0m");
/// The same without colours.
const PLAIN: (&str, &str) = ("[", "]");

/// Why a command cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file cannot be read.
    #[error("cannot read {path}: {why}")]
    Read {
        /// The file, `-` for the standard input.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// What was given to `extract` is JSON, but not one transcript.
    #[error(
        "{path} is no transcript: {why}; allowed: one JSON object with a list `segments` of objects \
         with a `text`, or plain text (a set of labelled calls is for `callscribe evaluate`)"
    )]
    Transcript {
        /// The file, `-` for the standard input.
        path: String,
        /// What is wrong with it.
        why: serde_json::Error,
    },
    /// A labelled set is wrong.
    #[error(transparent)]
    Labelled(#[from] LabelledError),
    /// A folder without labelled calls.
    #[error("{0} holds no *.jsonl; each line of one is a labelled call")]
    NoCalls(String),
    /// The result cannot be written as JSON.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    /// JSON for programs instead of text for people.
    pub json: bool,
    /// Bold evidence instead of brackets; for a terminal.
    pub colour: bool,
    /// The misses below the figures of `evaluate`.
    pub misses: bool,
}

/// `callscribe extract FILE|-`: the fields of one call. The input is a transcript in JSON or plain
/// text, whose lines may begin with `caller:` or `agent:`.
///
/// # Errors
/// When the input cannot be read or is JSON that is no transcript.
pub async fn extract(
    extractor: &Extractor,
    path: &str,
    output: Output,
) -> Result<String, CliError> {
    let input = whole(path).map_err(|why| CliError::Read { path: path.to_owned(), why })?;
    let transcript = input::transcript(&input)
        .map_err(|why| CliError::Transcript { path: path.to_owned(), why })?;
    let extraction = extractor.extract(&transcript).await.extraction;
    if output.json {
        return Ok(serde_json::to_string_pretty(&extraction)? + "\n");
    }
    Ok(describe(&extraction, &transcript, if output.colour { BOLD } else { PLAIN }))
}

/// `callscribe evaluate FILE|DIR`: the rules' figures on a labelled set. A folder stands for all
/// its `*.jsonl`.
///
/// # Errors
/// When a file cannot be read or a line is not a labelled call.
pub fn evaluate(extractor: &Extractor, path: &Path, output: Output) -> Result<String, CliError> {
    let mut calls: Vec<Labelled> = Vec::new();
    for file in labelled_files(path)? {
        let name = file.display().to_string();
        let opened = File::open(&file);
        let opened = opened.map_err(|why| CliError::Read { path: name.clone(), why })?;
        calls.extend(evaluate::read(&name, BufReader::new(opened))?);
    }
    let lexicon = extractor.lexicon();
    let mut report: Report = evaluate::evaluate(lexicon.catalogue(), &calls, |call| {
        lexicon.extract(&call.transcript(), extractor.values())
    });
    if output.json {
        if !output.misses {
            report.misses.clear();
        }
        return Ok(serde_json::to_string_pretty(&report)? + "\n");
    }
    Ok(evaluate::render(&report, output.misses))
}

fn whole(path: &str) -> std::io::Result<String> {
    if path != "-" {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn labelled_files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let name = path.display().to_string();
    let failed = |why| CliError::Read { path: name.clone(), why };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(CliError::NoCalls(name)) } else { Ok(files) }
}

fn describe(extraction: &Extraction, transcript: &Transcript, mark: (&str, &str)) -> String {
    let mut out = String::new();
    let extra = extraction.extra.iter().map(|(name, field)| (name.as_str(), Some(field)));
    let fields = [("service", extraction.service.as_ref()), ("city", extraction.city.as_ref())];
    for (name, field) in fields.into_iter().chain(extra) {
        match field {
            Some(field) => {
                let _ =
                    writeln!(out, "{name}: {} ({}) {:.2}", field.value, field.id, field.confidence);
                let _ = writeln!(out, "  {}", highlighted(field, transcript, mark));
            }
            None => {
                let _ = writeln!(out, "{name}: nothing said");
            }
        }
    }
    if let Some(agreement) = extraction.agreement {
        let word = |same: Option<bool>| match same {
            Some(true) => "agree",
            Some(false) => "differ",
            None => "neither found one",
        };
        let _ = writeln!(
            out,
            "rules and model: service {}, city {}",
            word(agreement.service),
            word(agreement.city)
        );
    }
    out
}

/// The segment with the evidence marked: speaker and number, then the words.
fn highlighted(field: &Field, transcript: &Transcript, mark: (&str, &str)) -> String {
    let evidence = &field.evidence;
    let text = transcript.segments.get(evidence.segment).map_or("", |s| s.text.as_str());
    let part = |from: usize, to: usize| text.chars().skip(from).take(to - from).collect::<String>();
    let end = text.chars().count();
    format!(
        "{} #{}: {}{}{}{}{}",
        evidence.speaker.as_str(),
        evidence.segment,
        part(0, evidence.start_char),
        mark.0,
        part(evidence.start_char, evidence.end_char.max(evidence.start_char)),
        mark.1,
        part(evidence.end_char, end.max(evidence.end_char)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::ExtractSettings;

    fn extractor() -> Extractor {
        Extractor::from_settings(&ExtractSettings::default()).unwrap()
    }

    #[tokio::test]
    async fn extract_marks_the_words_a_value_rests_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("call.txt");
        std::fs::write(&file, "agent: Which city?\ncaller: I need a plumber in Haifa.\n").unwrap();
        let text = extract(&extractor(), file.to_str().unwrap(), Output::default()).await.unwrap();
        assert!(text.contains("city: Haifa (haifa)"), "{text}");
        assert!(text.contains("caller #1: [I need a plumber in Haifa]."), "{text}");
    }

    #[test]
    fn evaluate_reads_a_folder_and_gives_json() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            evaluate(&extractor(), folder.path(), Output::default()),
            Err(CliError::NoCalls(_))
        ));
        let call = r#"{"id":"a","language":"en","segments":[{"speaker":"caller",
            "text":"I need a plumber in Haifa."}],"expect":{"service":["שרברב"],"city":null}}"#;
        let line = call.replace('\n', " ");
        std::fs::write(folder.path().join("a.jsonl"), line).unwrap();
        let output = Output { json: true, misses: true, ..Output::default() };
        let text = evaluate(&extractor(), folder.path(), output).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["scores"]["service"]["en"]["right"], 1);
        assert_eq!(report["scores"]["city"]["en"]["wrong"], 1);
        assert_eq!(report["misses"][0]["given"], "haifa");
    }

    #[test]
    fn a_line_that_is_no_call_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, "\n{\"id\":1}\n").unwrap();
        let error = evaluate(&extractor(), &file, Output::default()).unwrap_err().to_string();
        assert!(error.contains("a.jsonl, line 2"), "{error}");
    }
}

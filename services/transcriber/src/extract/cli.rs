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
    Extracted, Extractor,
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
    /// `evaluate --llm` without a language model.
    #[error("no language model is configured; set transcriber.extract.llm.url, or leave out --llm")]
    NoModel,
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

/// What a command has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// The result, for the standard output.
    pub text: String,
    /// What a person should know of how it came about, for the standard error.
    pub note: Option<String>,
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
) -> Result<Printed, CliError> {
    let input = whole(path).map_err(|why| CliError::Read { path: path.to_owned(), why })?;
    let transcript = input::transcript(&input)
        .map_err(|why| CliError::Transcript { path: path.to_owned(), why })?;
    let Extracted { extraction, without_model } = extractor.extract(&transcript).await;
    let text = if output.json {
        serde_json::to_string_pretty(&extraction)? + "\n"
    } else {
        describe(&extraction, &transcript, if output.colour { BOLD } else { PLAIN })
    };
    let note = without_model.map(|error| format!("these are the rules' fields alone: {error}"));
    Ok(Printed { text, note })
}

/// `callscribe evaluate FILE|DIR`: the rules' figures on a labelled set, or those of rules and
/// language model together. A folder stands for all its `*.jsonl`.
///
/// # Errors
/// When a file cannot be read, a line is not a labelled call or there is none, or the language
/// model is wanted and none is configured.
pub async fn evaluate(
    extractor: &Extractor,
    path: &Path,
    with_model: bool,
    output: Output,
) -> Result<Printed, CliError> {
    if with_model && !extractor.has_model() {
        return Err(CliError::NoModel);
    }
    let mut calls: Vec<Labelled> = Vec::new();
    for file in labelled_files(path)? {
        let name = file.display().to_string();
        let opened = File::open(&file);
        let opened = opened.map_err(|why| CliError::Read { path: name.clone(), why })?;
        calls.extend(evaluate::read(&name, BufReader::new(opened))?);
    }
    let (mut found, mut unanswered) = (Vec::with_capacity(calls.len()), Vec::new());
    for call in &calls {
        let transcript = call.transcript();
        found.push(if with_model {
            let Extracted { extraction, without_model } = extractor.extract(&transcript).await;
            unanswered.extend(without_model);
            extraction
        } else {
            extractor.lexicon().extract(&transcript, extractor.values())
        });
    }
    let note = unanswered.first().map(|first| {
        let (missing, all) = (unanswered.len(), calls.len());
        format!("{missing} of {all} calls were read by the rules alone: {first}")
    });
    let mut found = found.into_iter();
    let catalogue = extractor.lexicon().catalogue();
    let mut report: Report =
        evaluate::evaluate(catalogue, &calls, |_| found.next().unwrap_or_default());
    if output.json && !output.misses {
        report.misses.clear();
    }
    let text = if output.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        evaluate::render(&report, output.misses)
    };
    Ok(Printed { text, note })
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
                let (name, value, id) = (shown(name), shown(&field.value), shown(&field.id));
                let _ = writeln!(out, "{name}: {value} ({id}) {:.2}", field.confidence);
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

/// A text without what would move a terminal's cursor, change its colours or turn its lines round.
fn shown(text: &str) -> String {
    let moves = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if moves(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The segment with the evidence marked: speaker and number, then the words.
fn highlighted(field: &Field, transcript: &Transcript, mark: (&str, &str)) -> String {
    let evidence = &field.evidence;
    let text = transcript.segments.get(evidence.segment).map_or("", |s| s.text.as_str());
    let part = |from: usize, to: usize| {
        shown(&text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>())
    };
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

    fn written(lines: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, lines).unwrap();
        (folder, file)
    }

    #[tokio::test]
    async fn extract_marks_the_words_a_value_rests_on() {
        let (_folder, file) = written("agent: Which city?\ncaller: I need a plumber in Haifa.\n");
        let extractor = extractor();
        let printed = extract(&extractor, file.to_str().unwrap(), Output::default());
        let Printed { text, note } = printed.await.unwrap();
        assert!(text.contains("city: Haifa (haifa)"), "{text}");
        assert!(text.contains("caller #1: [I need a plumber in Haifa]."), "{text}");
        assert_eq!(note, None);
    }

    #[tokio::test]
    async fn what_a_caller_says_does_not_write_on_the_terminal() {
        let (_folder, file) = written(
            "{\"segments\":[{\"text\":\"I need\\u001b[2J a\\nplumber \\u202e in Haifa.\"}]}",
        );
        let extractor = extractor();
        let printed = extract(&extractor, file.to_str().unwrap(), Output::default());
        let text = printed.await.unwrap().text;
        for shown in [r"I need\u{1b}[2J a\n", r"plumber \u{202e} in Haifa"] {
            assert!(text.contains(shown), "{text}");
        }
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }

    #[tokio::test]
    async fn it_says_so_when_a_model_is_configured_and_the_rules_alone_answered() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens on the discard port.
        let url = Some("http://127.0.0.1:9/v1".parse().unwrap());
        let llm = crate::extract::LlmSettings { url, ..Default::default() };
        let extractor = extractor().with_llm(&llm).unwrap();
        let (_folder, file) = written("caller: I need a plumber in Haifa.");
        let printed = extract(&extractor, file.to_str().unwrap(), Output::default()).await.unwrap();
        assert!(printed.text.contains("city: Haifa (haifa)"));
        let note = printed.note.unwrap();
        assert!(note.contains("the rules' fields alone: the language model did not"), "{note}");

        let (_folder, set) = written(&[CALL; 2].join("\n"));
        let printed = evaluate(&extractor, &set, true, Output::default()).await.unwrap();
        assert!(printed.note.unwrap().starts_with("2 of 2 calls were read by the rules alone"));
        assert_eq!(evaluate(&extractor, &set, false, Output::default()).await.unwrap().note, None);
    }

    const CALL: &str = r#"{"id":"a","language":"en","segments":[{"speaker":"caller","text":"I need a plumber in Haifa."}],"expect":{"service":["שרברב"],"city":null}}"#;

    #[tokio::test]
    async fn evaluate_reads_a_folder_and_gives_json() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            evaluate(&extractor(), empty.path(), false, Output::default()).await,
            Err(CliError::NoCalls(_))
        ));
        let (folder, _) = written(&format!("\u{feff}{CALL}\n"));
        let output = Output { json: true, misses: true, ..Output::default() };
        let text = evaluate(&extractor(), folder.path(), false, output).await.unwrap().text;
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["scores"]["service"]["en"]["right"], 1);
        assert_eq!(report["scores"]["city"]["en"]["wrong"], 1);
        assert_eq!(report["misses"][0]["given"], "haifa");
    }

    #[tokio::test]
    async fn what_is_no_labelled_call_is_named_with_its_line() {
        let extractor = extractor();
        for (wrong, part) in [
            ("{\"id\":1}", "line 2"),
            (&CALL.replace("\"service\"", "\"services\"")[..], "unknown field `services`"),
            (&CALL.replace(",\"city\":null", "")[..], "missing field `city`"),
            (&CALL.replace("[\"שרברב\"]", "[]")[..], "line 2: no name in the list; "),
        ] {
            let (_folder, file) = written(&format!("{CALL}\n{wrong}\n"));
            let error = evaluate(&extractor, &file, false, Output::default()).await.unwrap_err();
            let error = error.to_string();
            assert!(error.contains("a.jsonl, line 2") && error.contains(part), "{error}");
        }
        for nothing in ["", "\n\n", "\u{feff}"] {
            let (_folder, file) = written(nothing);
            let error = evaluate(&extractor, &file, false, Output::default()).await.unwrap_err();
            assert!(error.to_string().contains("a.jsonl holds no labelled call"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_model_that_is_not_configured_cannot_be_evaluated() {
        let (_folder, file) = written(CALL);
        let error = evaluate(&extractor(), &file, true, Output::default()).await.unwrap_err();
        assert!(error.to_string().contains("transcriber.extract.llm.url"), "{error}");
    }
}

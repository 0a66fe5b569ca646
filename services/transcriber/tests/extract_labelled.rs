//! The tuning calls of the labelled set. The others are for reporting, not for tests.

use std::{fs::File, io::BufReader, path::Path, sync::Arc};

use callscribe_transcriber::extract::{Lexicon, catalogue::Catalogue, evaluate};

#[test]
fn the_tuning_calls_are_still_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/labelled");
    let mut calls = Vec::new();
    for file in [
        "tuning-en.jsonl",
        "tuning-en-2.jsonl",
        "tuning-en-3.jsonl",
        "tuning-en-4.jsonl",
        "tuning-en-5.jsonl",
        "tuning-en-6.jsonl",
        "tuning-en-7.jsonl",
        "tuning-en-8.jsonl",
        "tuning-he.jsonl",
        "tuning-he-2.jsonl",
        "tuning-he-3.jsonl",
        "tuning-he-4.jsonl",
        "tuning-he-5.jsonl",
        "tuning-he-6.jsonl",
        "tuning-he-7.jsonl",
        "tuning-he-8.jsonl",
    ] {
        let opened = File::open(folder.join(file)).unwrap();
        calls.extend(evaluate::read(file, BufReader::new(opened)).unwrap());
    }
    let lexicon = Lexicon::new(Arc::new(Catalogue::built_in().unwrap())).unwrap();
    let report = evaluate::evaluate(lexicon.catalogue(), &calls, |call| {
        lexicon.extract(&call.transcript(), None)
    });
    for (field, languages) in &report.scores {
        for (language, score) in languages {
            let text = evaluate::render(&report, true);
            assert!(score.f1 >= 0.93, "{field} {language}\n{text}");
            assert!(score.sure_precision >= 0.98, "{field} {language}\n{text}");
        }
    }
}

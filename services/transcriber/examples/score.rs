//! Scores the lexicon on labelled calls: `score FILE… [--misses]`.

use std::{fs::File, io::BufReader, sync::Arc};

use callscribe_transcriber::extract::{Lexicon, catalogue::Catalogue, evaluate};

fn main() -> anyhow::Result<()> {
    let (flags, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let lexicon = Lexicon::new(Arc::new(Catalogue::built_in()?))?;
    let mut calls = Vec::new();
    for file in &files {
        calls.extend(evaluate::read(file, BufReader::new(File::open(file)?))?);
    }
    let report = evaluate::evaluate(lexicon.catalogue(), &calls, |call| {
        lexicon.extract(&call.transcript(), None)
    });
    print!("{}", evaluate::render(&report, flags.iter().any(|flag| flag == "--misses")));
    Ok(())
}

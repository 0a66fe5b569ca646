//! What the examples that tune extraction share: their arguments, and the data as it is on disk, so
//! that it can be changed without a compiler.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use callscribe_transcriber::extract::{
    Lexicon,
    catalogue::Catalogue,
    evaluate::{self, Labelled},
};

/// The folder of the data.
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// The rules, with everything from disk.
pub fn lexicon() -> anyhow::Result<Lexicon> {
    let read = |file: &str| std::fs::read_to_string(data().join(file));
    let files = ["services.toml", "cities-israel.toml", "cities-us.toml"];
    let source = files.into_iter().map(read).collect::<Result<Vec<_>, _>>()?.join("\n");
    let catalogue = Arc::new(Catalogue::parse("data", &source)?);
    Ok(Lexicon::with_cues(catalogue, &read("cues.toml")?)?
        .with_weights(&read("weights.toml")?)?
        .with_ranking(&read("ranking.toml")?)?
        .with_city_ranking(&read("ranking-cities.toml")?)?
        .with_gist(&std::fs::read(data().join("gist.bin"))?)?
        .with_calls(&read("phrases/calls.tsv")?))
}

/// Whether an argument such as `--write` was given.
pub fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// The files that were named.
pub fn files() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect()
}

/// The labelled calls of a file.
pub fn calls(file: &str) -> anyhow::Result<Vec<Labelled>> {
    Ok(evaluate::read(file, BufReader::new(File::open(file)?))?)
}

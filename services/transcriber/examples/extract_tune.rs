//! Scores the rules with the catalogue, cues and weights on disk, so that data can be tuned without a
//! compiler: `cargo run --example extract_tune -- FILE…`.

use std::{fs::File, io::BufReader, path::Path, sync::Arc};

use callscribe_transcriber::extract::{
    Lexicon,
    catalogue::{Catalogue, Kind},
    evaluate,
};

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut source = String::new();
    for file in ["services.toml", "cities-israel.toml", "cities-us.toml"] {
        source += &std::fs::read_to_string(data.join(file))?;
        source += "\n";
    }
    let catalogue = Catalogue::parse("data", &source)?;
    let cues = std::fs::read_to_string(data.join("cues.toml"))?;
    let weights = std::fs::read_to_string(data.join("weights.toml"))?;
    let ranking = std::fs::read_to_string(data.join("ranking.toml"))?;
    let city_ranking = std::fs::read_to_string(data.join("ranking-cities.toml"))?;
    let said = std::fs::read_to_string(data.join("phrases/calls.tsv"))?;
    let lexicon = Lexicon::with_cues(Arc::new(catalogue), &cues)?
        .with_weights(&weights)?
        .with_ranking(&ranking)?
        .with_city_ranking(&city_ranking)?
        .with_calls(&said);
    let misses = std::env::args().any(|a| a == "--misses");
    let mut calls = Vec::new();
    for file in std::env::args().skip(1).filter(|a| !a.starts_with("--")) {
        let opened = File::open(&file)?;
        calls.extend(evaluate::read(&file, BufReader::new(opened))?);
    }
    if std::env::args().any(|a| a == "--posteriors") {
        for call in &calls {
            let heard = lexicon.hear(&call.transcript());
            for (kind, expected) in
                [(Kind::Service, &call.expect.service), (Kind::City, &call.expect.city)]
            {
                let found = lexicon.judge(&heard, kind);
                let Some((entry, score)) = found.first() else { continue };
                let rest: f32 = found.iter().map(|(_, s)| (s - score).exp()).sum();
                let right = expected.iter().flatten().any(|name| entry.is_called(name));
                let posterior = 1.0 / (rest + (-score).exp());
                println!("{kind:?} {} {posterior:.3} {right}", call.language);
            }
        }
        return Ok(());
    }
    let report = evaluate::evaluate(lexicon.catalogue(), &calls, |call| {
        lexicon.extract(&call.transcript(), None)
    });
    if misses {
        for m in &report.misses {
            let mut line = serde_json::to_value(m)?;
            if let Some(call) = calls.iter().find(|call| call.id == m.id) {
                let kind = if m.field == "city" { Kind::City } else { Kind::Service };
                let heard = lexicon.hear(&call.transcript());
                let found = lexicon.judge(&heard, kind);
                let top = found.iter().take(4).map(|(e, s)| format!("{} {s:.1}", e.id));
                line["top"] = top.collect::<Vec<_>>().into();
            }
            println!("{line}");
        }
    } else {
        println!("{}", evaluate::render(&report, false));
    }
    Ok(())
}

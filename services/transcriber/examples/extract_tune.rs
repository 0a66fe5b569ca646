//! Scores the rules with the catalogue, cues and weights on disk, so that data can be tuned without a
//! compiler: `cargo run --example extract_tune -- FILE…`.

mod support;

use callscribe_transcriber::extract::{catalogue::Kind, evaluate};
use support::flag;

fn main() -> anyhow::Result<()> {
    let lexicon = support::lexicon()?;
    let mut calls = Vec::new();
    for file in support::files() {
        calls.extend(support::calls(&file)?);
    }
    if flag("--posteriors") {
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
    if flag("--misses") {
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

//! Fits `data/unwanted.tsv` to labelled calls: `cargo run --example extract_unwanted -- FILE…`.
//!
//! Logistic regression with a penalty on every weight, in fixed order: the same files give the
//! same weights. Each file is left out once, to show what the fit is worth on calls it has not
//! seen; `--write` writes the fit to all of them.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
    fs::File,
    io::BufReader,
    path::Path,
    sync::Arc,
};

use callscribe_transcriber::extract::{Lexicon, catalogue::Catalogue, evaluate};

/// Words of fewer calls teach nothing.
const LEAST: usize = 3;
/// Words of a larger share of calls neither.
const MOST: f64 = 0.5;
/// Passes over all calls.
const PASSES: usize = 16;
/// How far a step goes.
const STEP: f64 = 0.1;
/// How strongly a weight is drawn to nothing, over all calls together.
const PULL: f64 = 1.0;
/// Smaller weights are not kept.
const SMALLEST: f64 = 0.08;

struct Example {
    file: usize,
    said: Vec<usize>,
    unwanted: bool,
}

struct Fit {
    bias: f64,
    weights: Vec<f64>,
}

fn main() -> anyhow::Result<()> {
    let lexicon = Lexicon::new(Arc::new(Catalogue::built_in()?))?;
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut examples = Vec::new();
    for (file, name) in files.iter().enumerate() {
        for call in evaluate::read(name, BufReader::new(File::open(name)?))? {
            let mut said = lexicon.hear(&call.transcript()).said();
            said.sort_unstable();
            said.dedup();
            let mut number = |words: String| {
                let next = numbers.len();
                *numbers.entry(words).or_insert(next)
            };
            let said = said.into_iter().map(&mut number).collect();
            let unwanted = call.expect.service.is_none() && call.expect.city.is_none();
            examples.push(Example { file, said, unwanted });
        }
    }
    let mut unseen = Vec::new();
    for file in 0..files.len() {
        let (held_in, held_out): (Vec<&Example>, Vec<&Example>) =
            examples.iter().partition(|example| example.file != file);
        let fitted = fit(&held_in, numbers.len());
        unseen.extend(held_out.iter().map(|example| (fitted.score(example), example.unwanted)));
    }
    for from in [-2.0, -1.0, 0.0, 1.0] {
        let above: Vec<bool> = unseen.iter().filter(|(z, _)| *z > from).map(|(_, y)| *y).collect();
        let right = above.iter().filter(|y| **y).count();
        println!("unseen, log-odds above {from}: {right} unwanted, {} wanted", above.len() - right);
    }
    if std::env::args().any(|a| a == "--write") {
        let all: Vec<&Example> = examples.iter().collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/unwanted.tsv");
        std::fs::write(path, render(&fit(&all, numbers.len()), &numbers)?)?;
    }
    Ok(())
}

fn fit(examples: &[&Example], words: usize) -> Fit {
    let mut counts = vec![0_usize; words];
    for number in examples.iter().flat_map(|example| &example.said) {
        counts[*number] += 1;
    }
    let most = examples.len() as f64 * MOST;
    let kept: HashSet<usize> =
        (0..words).filter(|n| counts[*n] >= LEAST && (counts[*n] as f64) < most).collect();
    let mut fitted = Fit { bias: -2.0, weights: vec![0.0; words] };
    let mut squares = vec![1e-2_f64; words];
    // A stride without a common divisor mixes files and languages.
    let stride = (examples.len() * 5 / 8..).find(|s| coprime(*s, examples.len())).unwrap_or(1);
    for pass in 0..PASSES {
        for step in 0..examples.len() {
            let example = examples[(step * stride + pass) % examples.len()];
            let odds = fitted.score(example).clamp(-30.0, 30.0);
            let error = 1.0 / (1.0 + (-odds).exp()) - f64::from(u8::from(example.unwanted));
            for &number in example.said.iter().filter(|number| kept.contains(number)) {
                let slope = error + PULL * fitted.weights[number] / counts[number] as f64;
                squares[number] += slope * slope;
                fitted.weights[number] -= STEP * slope / squares[number].sqrt();
            }
            fitted.bias -= 0.02 * error;
        }
    }
    fitted
}

impl Fit {
    fn score(&self, example: &Example) -> f64 {
        self.bias + example.said.iter().map(|number| self.weights[*number]).sum::<f64>()
    }
}

fn coprime(mut a: usize, mut b: usize) -> bool {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

fn render(fitted: &Fit, numbers: &BTreeMap<String, usize>) -> anyhow::Result<String> {
    let mut out = format!("\t{:.2}\n", fitted.bias);
    for (words, number) in numbers {
        let weight = fitted.weights[*number];
        if weight.abs() >= SMALLEST {
            writeln!(out, "{words}\t{weight:.2}")?;
        }
    }
    Ok(out)
}

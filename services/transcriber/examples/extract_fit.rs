//! Fits `data/weights.toml` to labelled calls: `cargo run --example extract_fit -- FILE…`.
//!
//! Coordinate descent on the log-loss of the right entry (or of no value), held near the weights
//! it starts from. With `--folds` each file is left out once, to show what the fit is worth on
//! files it has not seen. `--city` and `--service` fit one field and leave the other's weights.
//! The knots of the confidence stay as they are: they are drawn by hand, low. Nothing is drawn at random: the same
//! files give the same weights.

mod support;

use std::path::Path;

use callscribe_transcriber::extract::{
    Heard, Lexicon,
    catalogue::{Catalogue, Kind},
    evaluate::Labelled,
};
use support::flag;
use toml::{Table, Value};

/// How strongly a weight is drawn to where it started.
const PULL: f64 = 0.5;
/// Step sizes, coarse to fine.
const STEPS: [f64; 4] = [0.8, 0.4, 0.2, 0.1];

struct Example<'l> {
    file: usize,
    heard: Heard<'l>,
    /// Slugs of the right entries by field; empty where nothing is expected.
    right: [Vec<String>; 2],
}

const KINDS: [Kind; 2] = [Kind::Service, Kind::City];

fn main() -> anyhow::Result<()> {
    let path = support::data().join("weights.toml");
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/extract_fit.toml");
    let plain: Table = std::fs::read_to_string(plain)?.parse()?;
    let mut start: Table = std::fs::read_to_string(&path)?.parse()?;
    for (section, name) in names(&plain) {
        set(&mut start, &section, &name, get(&plain, &section, &name));
    }
    let lexicon = support::lexicon()?;
    let files = support::files();
    let mut examples = Vec::new();
    for (file, name) in files.iter().enumerate() {
        for call in support::calls(name)? {
            let heard = lexicon.hear(&call.transcript());
            let right = KINDS.map(|kind| right(lexicon.catalogue(), kind, &call));
            examples.push(Example { file, heard, right });
        }
    }
    let mut unseen: [Vec<(f32, bool)>; 2] = Default::default();
    let folds = if flag("--folds") { files.len() } else { 0 };
    for (left_out, name) in files.iter().enumerate().take(folds) {
        let (held_in, held_out): (Vec<&Example>, Vec<&Example>) =
            examples.iter().partition(|example| example.file != left_out);
        let weights = fit(&lexicon, &held_in, start.clone())?;
        let judge = lexicon.with_weights(&weights.to_string())?;
        for (field, kind) in KINDS.into_iter().enumerate() {
            let found: Vec<(f32, bool)> =
                held_out.iter().filter_map(|example| best(&judge, example, kind)).collect();
            let wanted = held_out.iter().filter(|e| !e.right[field].is_empty()).count();
            report(name, kind, &found, wanted);
            unseen[field].extend(found);
        }
    }
    let all: Vec<&Example> = examples.iter().collect();
    let fitted = fit(&lexicon, &all, start)?;
    for (kind, found) in KINDS.into_iter().zip(unseen) {
        reliability(kind, &found);
    }
    let mut weights: Table = std::fs::read_to_string(&path)?.parse()?;
    for (section, name) in names(&fitted) {
        let value = get(&fitted, &section, &name);
        set(&mut weights, &section, &name, value);
    }
    if flag("--write") {
        std::fs::write(path, render(&weights))?;
    }
    Ok(())
}

/// Weights of both fields that only one of them feels.
const OF_CITY: [&str; 2] = ["confirmed_city", "no_city"];
/// The same of the other.
const OF_SERVICE: [&str; 3] = ["confirmed_service", "no_service", "corrected_guess"];

/// Whether a weight is to be fitted.
fn is_wanted(section: &str, name: &str) -> bool {
    let city = section == "city" || OF_CITY.contains(&name);
    let service = section == "service" || OF_SERVICE.contains(&name);
    (!flag("--city") || city) && (!flag("--service") || service)
}

fn right(catalogue: &Catalogue, kind: Kind, call: &Labelled) -> Vec<String> {
    let expected = if kind == Kind::City { &call.expect.city } else { &call.expect.service };
    let Some(names) = expected else { return Vec::new() };
    let mut slugs: Vec<String> = catalogue
        .of(kind)
        .filter(|entry| names.iter().any(|name| entry.is_called(name)))
        .map(|entry| entry.id.clone())
        .collect();
    if slugs.is_empty() {
        slugs.push(String::new());
    }
    slugs
}

fn fit(lexicon: &Lexicon, examples: &[&Example<'_>], start: Table) -> anyhow::Result<Table> {
    let mut weights = start.clone();
    let both: &[Kind] = match (flag("--city"), flag("--service")) {
        (true, false) => &[Kind::City],
        (false, true) => &[Kind::Service],
        _ => &KINDS,
    };
    let mut least = loss(lexicon, examples, &weights, &start, both)?;
    for step in STEPS {
        for (section, name) in names(&start) {
            let kinds = felt_by(&section, &name);
            let others = least - loss(lexicon, examples, &weights, &start, kinds)?;
            for step in [step, -step] {
                loop {
                    let before = get(&weights, &section, &name);
                    set(&mut weights, &section, &name, before + step);
                    let now = loss(lexicon, examples, &weights, &start, kinds)? + others;
                    if now >= least - 1e-6 {
                        set(&mut weights, &section, &name, before);
                        break;
                    }
                    least = now;
                }
            }
        }
    }
    eprintln!("loss {least:.2}");
    Ok(weights)
}

/// The fields that feel a weight.
fn felt_by(section: &str, name: &str) -> &'static [Kind] {
    if section == "city" || OF_CITY.contains(&name) {
        &[Kind::City]
    } else if section == "service" || OF_SERVICE.contains(&name) {
        &[Kind::Service]
    } else {
        &KINDS
    }
}

fn loss(
    lexicon: &Lexicon,
    examples: &[&Example<'_>],
    weights: &Table,
    start: &Table,
    kinds: &[Kind],
) -> anyhow::Result<f64> {
    let judge = lexicon.with_weights(&weights.to_string())?;
    let mut sum = 0.0;
    for kind in kinds {
        sum += examples.iter().map(|example| surprise(&judge, example, *kind)).sum::<f64>();
    }
    for (section, name) in names(start) {
        sum += PULL * (get(weights, &section, &name) - get(start, &section, &name)).powi(2);
    }
    Ok(sum)
}

/// How little the right answer was expected.
fn surprise(judge: &Lexicon, example: &Example<'_>, kind: Kind) -> f64 {
    let right = &example.right[usize::from(kind == Kind::City)];
    let found = judge.judge(&example.heard, kind);
    let mut all = 1.0;
    let mut hit = if right.is_empty() { 1.0 } else { 0.0 };
    for (entry, score) in &found {
        let weight = f64::from(*score).clamp(-30.0, 30.0).exp();
        all += weight;
        if right.contains(&entry.id) {
            hit += weight;
        }
    }
    // A value nobody could find teaches nothing but to be careful.
    if !right.is_empty() && hit == 0.0 {
        return 0.3 * f64::ln(all);
    }
    -(hit / all).ln()
}

/// The posterior of the best entry and whether it is right.
fn best(judge: &Lexicon, example: &Example<'_>, kind: Kind) -> Option<(f32, bool)> {
    let right = &example.right[usize::from(kind == Kind::City)];
    let found = judge.judge(&example.heard, kind);
    let (entry, score) = found.first()?;
    let rest: f32 = found.iter().map(|(_, s)| (s - score).exp()).sum();
    Some((1.0 / (rest + (-score).exp()), right.contains(&entry.id)))
}

fn report(name: &str, kind: Kind, found: &[(f32, bool)], wanted: usize) {
    let given: Vec<bool> =
        found.iter().filter(|(p, _)| *p >= 0.45).map(|(_, right)| *right).collect();
    let right = given.iter().filter(|right| **right).count();
    let (precision, recall) = (right as f64 / given.len() as f64, right as f64 / wanted as f64);
    let f1 = 2.0 * right as f64 / (given.len() + wanted) as f64;
    println!("{name:40} {kind:?}: P {precision:.3} R {recall:.3} F1 {f1:.3}");
}

/// How often the best entry is right where its posterior is this.
fn reliability(kind: Kind, found: &[(f32, bool)]) {
    for (from, to) in [(0.0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.97), (0.97, 1.01)] {
        let bin: Vec<bool> =
            found.iter().filter(|(p, _)| (from..to).contains(p)).map(|(_, right)| *right).collect();
        let right = bin.iter().filter(|right| **right).count();
        println!("{kind:?} posterior from {from:.2}: {right} of {} right", bin.len());
    }
}

fn names(weights: &Table) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for section in ["service", "city", "decide"] {
        if let Some(Value::Table(table)) = weights.get(section) {
            let wanted = table.keys().filter(|name| is_wanted(section, name));
            names.extend(wanted.map(|name| (section.to_owned(), name.clone())));
        }
    }
    names
}

fn get(weights: &Table, section: &str, name: &str) -> f64 {
    weights[section][name].as_float().unwrap_or_default()
}

fn set(weights: &mut Table, section: &str, name: &str, value: f64) {
    if let Some(Value::Table(table)) = weights.get_mut(section) {
        table.insert(name.to_owned(), Value::Float((value * 100.0).round() / 100.0));
    }
}

fn render(weights: &Table) -> String {
    let head = "# Weights of the rules, in log-odds, fitted by examples/extract_fit.rs to the tuning\n\
        # calls of data/labelled. The knots of the confidence (posterior, share of right values)\n\
        # are drawn by hand, low.\n\n";
    format!("{head}{weights}")
}

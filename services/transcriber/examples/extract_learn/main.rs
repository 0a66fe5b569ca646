//! Learns from labelled calls by what values are ranked: `data/ranking.toml` for services and
//! `data/ranking-cities.toml` for cities, and writes what callers said into `data/phrases/calls.tsv`:
//! `cargo run --release --example extract_learn -- FILE… [--write]`.
//!
//! Two steps for each field, both logistic regression held near zero. First how relevant each clue
//! is, by the words around it; then how the clues of a value, and what the call sounds like, weigh
//! against those of others and against no value at all. The second step learns from relevances that
//! were learned without the call's own file, and every call is heard by phrases that were counted
//! without its own file. The figures printed are of calls whose own file was left out of
//! everything learned. Nothing is drawn at random: the same files give the same weights.
//!
//! For services, every fourth call is learned from once more as it is heard by rules that know names
//! alone, so that a catalogue of one's own, which often has no more than names, is ranked well too.

mod calls;
mod city;
mod regression;
mod report;
mod service;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeMap, sync::Arc};

use callscribe_transcriber::extract::{
    Lexicon,
    catalogue::{Kind, Strength},
    evaluate::Labelled,
    learning::{ABSENCES, CIRCUMSTANCES, CITY_ABSENCES, CITY_CIRCUMSTANCES},
};
use regression::{Trial, posterior, weigh};

/// The files are left out in so many groups.
const FOLDS: usize = 8;
/// How strongly the weights of circumstances are held near zero.
const HOLD: f32 = 2.0;

struct Call {
    file: usize,
    labelled: Labelled,
}

impl Call {
    fn fold(&self) -> usize {
        self.file % FOLDS
    }
}

/// The weights of a field: of circumstances, then of absences.
struct Learned {
    circumstances: Vec<f32>,
    absences: Vec<f32>,
}

fn main() -> anyhow::Result<()> {
    let names = support::files();
    let mut calls = Vec::new();
    for (file, path) in names.iter().enumerate() {
        calls.extend(support::calls(path)?.into_iter().map(|labelled| Call { file, labelled }));
    }
    let lexicon = support::lexicon()?;
    let without = |fold| said(&lexicon, calls.iter().filter(move |call| call.fold() != fold));
    let listeners: Vec<Lexicon> =
        (0..FOLDS).map(|fold| lexicon.with_calls(&without(fold))).collect();
    let by_name = by_name(&lexicon)?;
    let by_name: Vec<Lexicon> = (0..FOLDS).map(|fold| by_name.with_calls(&without(fold))).collect();
    let (cities, city_weights) = learn_cities(&names, &listeners, &calls)?;
    let (services, weights) = learn_services(&names, [&listeners, &by_name], &calls)?;
    if support::flag("--write") {
        let data = support::data();
        let source = city::render(&cities, &city_weights.circumstances, &city_weights.absences);
        std::fs::write(data.join("ranking-cities.toml"), source)?;
        let source = service::render(&services, &weights.circumstances, &weights.absences);
        std::fs::write(data.join("ranking.toml"), source)?;
        std::fs::write(data.join("phrases/calls.tsv"), said(&lexicon, calls.iter()))?;
    }
    Ok(())
}

fn learn_services(
    names: &[String],
    [listeners, by_name]: [&[Lexicon]; 2],
    calls: &[Call],
) -> anyhow::Result<(Vec<f32>, Learned)> {
    let mut examples = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let fold = call.fold();
        let right = right(&listeners[fold], Kind::Service, &call.labelled);
        let transcript = call.labelled.transcript();
        let named = (number % 4 == 2).then_some(&by_name[fold]);
        for listener in std::iter::once(&listeners[fold]).chain(named) {
            let heard = listener.hear(&transcript);
            examples.push(service::Example {
                fold,
                file: call.file,
                counts: std::ptr::eq(listener, &listeners[fold]),
                language: call.labelled.language.clone(),
                clues: listener.study(&heard).0,
                heard,
                right: right.clone(),
            });
        }
    }
    let mut trials = Vec::new();
    for (fold, listener) in listeners.iter().enumerate() {
        let others: Vec<_> = examples.iter().filter(|e| e.fold != fold).collect();
        let source = service::render(&service::relevance(&others), &[], &[]);
        let judge = listener.with_ranking(&source)?;
        let own = examples.iter().filter(|e| e.fold == fold);
        trials.extend(own.filter_map(|example| example.trial(judge.study(&example.heard).1)));
    }
    let learned = learn("services", names, &trials, [CIRCUMSTANCES.len(), ABSENCES.len()]);
    let all: Vec<_> = examples.iter().collect();
    Ok((service::relevance(&all), learned))
}

fn learn_cities(
    names: &[String],
    listeners: &[Lexicon],
    calls: &[Call],
) -> anyhow::Result<(BTreeMap<String, f32>, Learned)> {
    let examples: Vec<city::Example<'_>> = calls
        .iter()
        .map(|call| {
            let listener = &listeners[call.fold()];
            let heard = listener.hear(&call.labelled.transcript());
            city::Example {
                fold: call.fold(),
                file: call.file,
                counts: true,
                language: call.labelled.language.clone(),
                clues: listener.study_cities(&heard).0,
                heard,
                right: right(listener, Kind::City, &call.labelled),
            }
        })
        .collect();
    let mut trials = Vec::new();
    for (fold, listener) in listeners.iter().enumerate() {
        let others: Vec<_> = examples.iter().filter(|e| e.fold != fold).collect();
        let source = city::render(&city::relevance(&others), &[], &[]);
        let judge = listener.with_city_ranking(&source)?;
        let own = examples.iter().filter(|e| e.fold == fold);
        trials
            .extend(own.filter_map(|example| example.trial(judge.study_cities(&example.heard).1)));
    }
    let counts = [CITY_CIRCUMSTANCES.len(), CITY_ABSENCES.len()];
    let learned = learn("cities", names, &trials, counts);
    let all: Vec<_> = examples.iter().collect();
    Ok((city::relevance(&all), learned))
}

/// Learns the second step, and reports what it is worth.
fn learn(field: &str, names: &[String], trials: &[Trial], counts: [usize; 2]) -> Learned {
    let mut unseen = Vec::new();
    for fold in 0..FOLDS {
        let others: Vec<&Trial> = trials.iter().filter(|t| t.fold != fold).collect();
        let weights = weigh(&others, counts, HOLD);
        let own = trials.iter().filter(|t| t.fold == fold && t.counts);
        unseen.extend(own.map(|trial| (trial, posterior(trial, &weights, counts[0]))));
    }
    println!("{field}");
    report::report(names, &unseen);
    let all: Vec<&Trial> = trials.iter().collect();
    let mut circumstances = weigh(&all, counts, HOLD);
    let absences = circumstances.split_off(counts[0]);
    Learned { circumstances, absences }
}

/// The same services, of which the rules know no more than their names.
fn by_name(lexicon: &Lexicon) -> anyhow::Result<Lexicon> {
    let mut catalogue = lexicon.catalogue().clone();
    for entry in catalogue.entries.iter_mut().filter(|entry| entry.kind == Kind::Service) {
        entry.phrases.retain(|phrase| phrase.strength == Strength::Name);
    }
    Ok(Lexicon::new(Arc::new(catalogue))?)
}

/// Numbers of the right entries; `None` where the right one is not in the catalogue.
fn right(lexicon: &Lexicon, kind: Kind, call: &Labelled) -> Option<Vec<usize>> {
    let expected = if kind == Kind::City { &call.expect.city } else { &call.expect.service };
    let expected = expected.clone().unwrap_or_default();
    let entries = lexicon.catalogue().entries.iter().enumerate();
    let right: Vec<usize> = entries
        .filter(|(_, e)| e.kind == kind && expected.iter().any(|name| e.is_called(name)))
        .map(|(number, _)| number)
        .collect();
    (expected.is_empty() || !right.is_empty()).then_some(right)
}

/// What callers said, as in `data/phrases/calls.tsv`.
fn said<'c>(lexicon: &Lexicon, calls: impl Iterator<Item = &'c Call>) -> String {
    let mut said = String::new();
    for call in calls {
        let right = right(lexicon, Kind::Service, &call.labelled).unwrap_or_default();
        let ids: Vec<&str> =
            right.iter().map(|number| lexicon.catalogue().entries[*number].id.as_str()).collect();
        for line in calls::lines(&call.labelled, &ids) {
            said += &line;
            said.push('\n');
        }
    }
    said
}

//! Learns from labelled calls by what values are ranked: `data/ranking.toml` for services and
//! `data/ranking-cities.toml` for cities; what callers said, into `data/phrases/calls.tsv`; and by that
//! and all other examples how to tell the gist of a call, `data/gist.bin`:
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
mod gist;
mod machine;
mod regression;
mod report;
mod service;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use callscribe_transcriber::extract::{
    Lexicon,
    catalogue::{Kind, Strength},
    evaluate::Labelled,
    learning::{ABSENCES, CIRCUMSTANCES, CITY_CIRCUMSTANCES},
};
use regression::{Trial, posterior, weigh};

/// The files are left out in so many groups.
const FOLDS: usize = 8;
/// How strongly the weights of circumstances are held near zero.
const HOLD: f32 = 2.0;

struct Call {
    file: usize,
    labelled: Labelled,
    /// Numbers of the right services and of the right cities; `None` where the right one is not in the
    /// catalogue.
    service: Option<Vec<usize>>,
    city: Option<Vec<usize>>,
    /// What the caller says, as in `data/phrases/calls.tsv`.
    said: String,
}

impl Call {
    fn new(file: usize, labelled: Labelled, lexicon: &Lexicon) -> Self {
        let service = right(lexicon, Kind::Service, &labelled);
        let city = right(lexicon, Kind::City, &labelled);
        let id = |number: &usize| lexicon.catalogue().entries[*number].id.as_str();
        let ids: Vec<&str> = service.iter().flatten().map(id).collect();
        let lines = calls::lines(&labelled, &ids).into_iter().map(|line| line + "\n");
        let said = lines.collect();
        Self { file, labelled, service, city, said }
    }

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
    let lexicon = support::lexicon()?;
    let mut calls = Vec::new();
    for (file, path) in names.iter().enumerate() {
        let labelled = support::calls(path)?.into_iter();
        calls.extend(labelled.map(|labelled| Call::new(file, labelled, &lexicon)));
    }
    let without = |fold| -> String {
        let others = calls.iter().filter(|call| call.fold() != fold);
        others.map(|call| call.said.as_str()).collect()
    };
    let examples = gist::Examples::new(lexicon.catalogue());
    let gists: Vec<Vec<u8>> = (0..FOLDS).map(|f| examples.learn(&without(f)).encode()).collect();
    let by_name = by_name(&lexicon)?;
    let hear = |lexicon: &Lexicon| -> anyhow::Result<Vec<Lexicon>> {
        let one = |fold| Ok(lexicon.with_calls(&without(fold)).with_gist(&gists[fold])?);
        (0..FOLDS).map(one).collect()
    };
    let (listeners, by_name) = (hear(&lexicon)?, hear(&by_name)?);
    let cities = learn_cities(&names, &listeners, &calls)?;
    let (services, weights) = learn_services(&names, [&listeners, &by_name], &calls)?;
    if support::flag("--write") {
        let data = support::data();
        std::fs::write(data.join("ranking-cities.toml"), cities.render())?;
        let source = service::render(&services, &weights.circumstances, &weights.absences);
        std::fs::write(data.join("ranking.toml"), source)?;
        let said: String = calls.iter().map(|call| call.said.as_str()).collect();
        std::fs::write(data.join("gist.bin"), examples.learn(&said).encode())?;
        std::fs::write(data.join("phrases/calls.tsv"), said)?;
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
                right: call.service.clone(),
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
) -> anyhow::Result<city::Weights> {
    let example = |call: &Call| {
        let listener = &listeners[call.fold()];
        let heard = listener.hear(&call.labelled.transcript());
        let (clues, standings) = listener.study_cities(&heard);
        city::Example {
            fold: call.fold(),
            file: call.file,
            language: call.labelled.language.clone(),
            clues,
            standings,
            heard,
            right: call.city.clone(),
        }
    };
    let examples: Vec<city::Example<'_>> = calls.iter().map(example).collect();
    let mut unseen = Vec::new();
    for (fold, listener) in listeners.iter().enumerate() {
        let others: Vec<_> = examples.iter().filter(|e| e.fold != fold).collect();
        let learned = city::Weights::learn(&others);
        let judge = listener.with_city_ranking(&learned.render())?;
        let weights = learned.of_standings();
        for trial in examples.iter().filter(|e| e.fold == fold).filter_map(|e| e.trial(&judge)) {
            let found = posterior(&trial, &weights, CITY_CIRCUMSTANCES.len());
            unseen.push((trial, found));
        }
    }
    println!("cities");
    report::report(names, &unseen);
    Ok(city::Weights::learn(&examples.iter().collect::<Vec<_>>()))
}

/// Learns the second step, and reports what it is worth.
fn learn(field: &str, names: &[String], trials: &[Trial], counts: [usize; 2]) -> Learned {
    let mut unseen = Vec::new();
    for fold in 0..FOLDS {
        let others: Vec<&Trial> = trials.iter().filter(|t| t.fold != fold).collect();
        let weights = weigh(&others, counts, HOLD);
        let own = trials.iter().filter(|t| t.fold == fold && t.counts);
        unseen.extend(own.map(|trial| (trial.clone(), posterior(trial, &weights, counts[0]))));
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

//! Learns `data/ranking.toml`, by which services are ranked, from labelled calls:
//! `cargo run --release --example extract_learn -- FILE… [--write]`.
//!
//! Two steps, both logistic regression held near zero. First how relevant each clue is, by the
//! words around it; then how the clues of a service, and what the call sounds like, weigh against
//! those of others and against no service at all. The second step learns from relevances that were
//! learned without the call's own file. The figures printed are of calls whose own file was left
//! out of both. Nothing is drawn at random: the same files give the same weights.
//!
//! Every fourth call is learned from once more as it is heard by rules that know names alone, so that
//! a catalogue of one's own, which often has no more than names, is ranked well too.

use std::{collections::BTreeMap, fmt::Write, fs::File, io::BufReader, path::Path, sync::Arc};

use callscribe_transcriber::extract::{
    Heard, Lexicon,
    catalogue::{Catalogue, Kind, Strength},
    evaluate,
    learning::{ABSENCES, CIRCUMSTANCES, Clue, FEATURES, Source, Standing, name},
};

/// The files are left out in so many groups.
const FOLDS: usize = 8;
/// How strongly weights are held near zero.
const HOLD: [f32; 2] = [3.0, 2.0];
/// Steps down the slope.
const STEPS: usize = 400;

struct Example<'l> {
    fold: usize,
    file: usize,
    /// Whether it is reported on: heard by all the rules.
    counts: bool,
    heard: Heard<'l>,
    clues: Vec<Clue>,
    /// Numbers of the right entries; `None` where the right one is not in the catalogue.
    right: Option<Vec<usize>>,
}

/// One choice: each service with its circumstances, and what speaks for none.
struct Trial {
    fold: usize,
    file: usize,
    counts: bool,
    language: String,
    services: Vec<(Vec<f32>, bool)>,
    absences: Vec<f32>,
    wanted: bool,
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let lexicon = lexicon(&data)?;
    let names: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let by_name = by_name(&lexicon)?;
    let mut examples = Vec::new();
    let mut languages = Vec::new();
    for (file, path) in names.iter().enumerate() {
        for call in evaluate::read(path, BufReader::new(File::open(path)?))? {
            let expected = call.expect.service.clone().unwrap_or_default();
            let entries = lexicon.catalogue().entries.iter().enumerate();
            let right: Vec<usize> = entries
                .filter(|(_, e)| e.kind == Kind::Service)
                .filter(|(_, e)| expected.iter().any(|name| e.is_called(name)))
                .map(|(number, _)| number)
                .collect();
            let right = (expected.is_empty() || !right.is_empty()).then_some(right);
            let transcript = call.transcript();
            let named = (examples.len() % 4 == 2).then_some(&by_name);
            for listener in std::iter::once(&lexicon).chain(named) {
                let heard = listener.hear(&transcript);
                let clues = lexicon.study(&heard).0;
                let counts = std::ptr::eq(listener, &lexicon);
                let right = right.clone();
                examples.push(Example { fold: file % FOLDS, file, counts, heard, clues, right });
                languages.push(call.language.clone());
            }
        }
    }
    let mut trials = Vec::new();
    for fold in 0..FOLDS {
        let others: Vec<&Example<'_>> = examples.iter().filter(|e| e.fold != fold).collect();
        let judge = lexicon.with_ranking(&render(&relevance(&others), &[], &[]))?;
        for (example, language) in examples.iter().zip(&languages).filter(|(e, _)| e.fold == fold) {
            trials.extend(trial(&judge, example, language));
        }
    }
    let mut unseen = Vec::new();
    for fold in 0..FOLDS {
        let others: Vec<&Trial> = trials.iter().filter(|t| t.fold != fold).collect();
        let weights = weigh(&others);
        unseen.extend(
            trials
                .iter()
                .filter(|t| t.fold == fold && t.counts)
                .map(|t| (t, posterior(t, &weights))),
        );
    }
    report(&names, &unseen);
    let all: Vec<&Trial> = trials.iter().collect();
    let weights = weigh(&all);
    let (services, absences) = weights.split_at(CIRCUMSTANCES.len());
    let everything: Vec<&Example<'_>> = examples.iter().collect();
    if std::env::args().any(|a| a == "--write") {
        let source = render(&relevance(&everything), services, absences);
        std::fs::write(data.join("ranking.toml"), source)?;
    }
    Ok(())
}

fn lexicon(data: &Path) -> anyhow::Result<Lexicon> {
    let read = |file: &str| std::fs::read_to_string(data.join(file));
    let files = ["services.toml", "cities-israel.toml", "cities-us.toml"];
    let source = files.into_iter().map(read).collect::<Result<Vec<_>, _>>()?.join("\n");
    let catalogue = Catalogue::parse("data", &source)?;
    let lexicon = Lexicon::with_cues(Arc::new(catalogue), &read("cues.toml")?)?;
    Ok(lexicon.with_weights(&read("weights.toml")?)?)
}

/// The same services, of which the rules know no more than their names.
fn by_name(lexicon: &Lexicon) -> anyhow::Result<Lexicon> {
    let mut catalogue = lexicon.catalogue().clone();
    for entry in catalogue.entries.iter_mut().filter(|entry| entry.kind == Kind::Service) {
        entry.phrases.retain(|phrase| phrase.strength == Strength::Name);
    }
    Ok(Lexicon::new(Arc::new(catalogue))?)
}

fn trial(judge: &Lexicon, example: &Example<'_>, language: &str) -> Option<Trial> {
    let right = example.right.as_ref()?;
    let standings = judge.study(&example.heard).1;
    let service = |s: &Standing| (s.circumstances.to_vec(), right.contains(&s.entry));
    Some(Trial {
        fold: example.fold,
        file: example.file,
        counts: example.counts,
        language: language.to_owned(),
        services: standings.services.iter().map(service).collect(),
        absences: standings.absences.to_vec(),
        wanted: !right.is_empty(),
    })
}

/// Weights of the clues' features: of mentions, then of words.
fn relevance(examples: &[&Example<'_>]) -> Vec<f32> {
    let mut rows: Vec<(Vec<(usize, f32)>, f32)> = Vec::new();
    let mut spread = vec![0_u32; 2 * FEATURES];
    for example in examples {
        let Some(right) = &example.right else { continue };
        for clue in &example.clues {
            let offset = if clue.source == Source::Mention { 0 } else { FEATURES };
            let row: Vec<_> = clue.features.iter().map(|(f, x)| (f + offset, *x)).collect();
            row.iter().for_each(|(feature, _)| spread[*feature] += 1);
            rows.push((row, f32::from(u8::from(right.contains(&clue.entry)))));
        }
    }
    descend(2 * FEATURES, HOLD[0], |weights, slope| {
        for (row, right) in &rows {
            let sum: f32 = row.iter().map(|(feature, x)| weights[*feature] * x).sum();
            let miss = 1.0 / (1.0 + (-sum).exp()) - right;
            // What was seen a few times only teaches nothing.
            for (feature, x) in row.iter().filter(|(feature, _)| spread[*feature] >= 5) {
                slope[*feature] += miss * x;
            }
        }
    })
}

/// Weights of the circumstances, then of the absences.
fn weigh(trials: &[&Trial]) -> Vec<f32> {
    let count = CIRCUMSTANCES.len();
    let mut scale = vec![(0.0_f32, 0.0_f32, 0.0_f32); count + ABSENCES.len()];
    let mut see = |at: usize, x: f32| {
        let (n, sum, square) = &mut scale[at];
        (*n, *sum, *square) = (*n + 1.0, *sum + x, *square + x * x);
    };
    for trial in trials {
        let services = trial.services.iter().flat_map(|(own, _)| own.iter().enumerate());
        services.for_each(|(at, x)| see(at, *x));
        trial.absences.iter().enumerate().for_each(|(at, x)| see(count + at, *x));
    }
    let scale: Vec<f32> = scale
        .iter()
        .map(|(n, sum, square)| (square / n - (sum / n).powi(2)).max(0.0).sqrt() + 0.1)
        .collect();
    let weights = descend(scale.len(), HOLD[1], |weights, slope| {
        let real: Vec<f32> = weights.iter().zip(&scale).map(|(w, s)| w / s).collect();
        for trial in trials {
            let chances = chances(trial, &real);
            let right = |at: usize| match at {
                0 => !trial.wanted,
                _ => trial.services[at - 1].1,
            };
            let hit: f32 = (0..chances.len()).filter(|at| right(*at)).map(|at| chances[at]).sum();
            if hit < 1e-6 {
                continue;
            }
            for (at, chance) in chances.iter().enumerate() {
                let miss = chance - if right(at) { chance / hit } else { 0.0 };
                let (own, offset) = match at {
                    0 => (&trial.absences, count),
                    _ => (&trial.services[at - 1].0, 0),
                };
                for (feature, x) in own.iter().enumerate() {
                    slope[offset + feature] += miss * x / scale[offset + feature];
                }
            }
        }
    });
    weights.iter().zip(&scale).map(|(w, s)| w / s).collect()
}

/// Follows the slope of a loss down, each weight with a pace of its own (Adam, with all examples
/// in each step).
fn descend(count: usize, hold: f32, slope: impl Fn(&[f32], &mut [f32])) -> Vec<f32> {
    let mut weights = vec![0.0_f32; count];
    let (mut mean, mut square) = (vec![0.0_f32; count], vec![0.0_f32; count]);
    let mut gradient = vec![0.0_f32; count];
    for step in 0..STEPS {
        gradient.iter_mut().zip(&weights).for_each(|(g, w)| *g = hold * w);
        slope(&weights, &mut gradient);
        let pace = 0.08 * (1.0 - step as f32 / STEPS as f32);
        let rounds = step as i32 + 1;
        for at in 0..count {
            mean[at] = 0.9 * mean[at] + 0.1 * gradient[at];
            square[at] = 0.99 * square[at] + 0.01 * gradient[at].powi(2);
            let (own, spread) = (
                mean[at] / (1.0 - 0.9_f32.powi(rounds)),
                square[at] / (1.0 - 0.99_f32.powi(rounds)),
            );
            weights[at] -= pace * own / (spread.sqrt() + 1e-6);
        }
    }
    weights
}

/// How probable none is, and then each service.
fn chances(trial: &Trial, weights: &[f32]) -> Vec<f32> {
    let (circumstances, absences) = weights.split_at(CIRCUMSTANCES.len());
    let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
    let none = dot(&trial.absences, absences);
    let services = trial.services.iter().map(|(own, _)| dot(own, circumstances));
    let mut all: Vec<f32> = std::iter::once(none).chain(services).collect();
    let best = all.iter().copied().fold(f32::MIN, f32::max);
    all.iter_mut().for_each(|x| *x = (*x - best).exp());
    let sum: f32 = all.iter().sum();
    all.iter_mut().for_each(|x| *x /= sum);
    all
}

/// The posterior of the best service, and whether it is right.
fn posterior(trial: &Trial, weights: &[f32]) -> Option<(f32, bool)> {
    let chances = chances(trial, weights);
    let best = (1..chances.len()).max_by(|a, b| chances[*a].total_cmp(&chances[*b]))?;
    Some((chances[best], trial.services[best - 1].1))
}

/// A trial, the posterior of its best service, and whether that is right.
type Outcome<'t> = (&'t Trial, Option<(f32, bool)>);

fn report(names: &[String], unseen: &[Outcome<'_>]) {
    let mut groups: BTreeMap<String, Vec<&Outcome<'_>>> = BTreeMap::new();
    for found in unseen {
        groups.entry(names[found.0.file].clone()).or_default().push(found);
        groups.entry(format!("all {}", found.0.language)).or_default().push(found);
    }
    for (name, calls) in groups {
        let given: Vec<bool> =
            calls.iter().filter_map(|c| c.1).filter(|(p, _)| *p >= 0.45).map(|(_, r)| r).collect();
        let right = given.iter().filter(|right| **right).count();
        let wanted = calls.iter().filter(|c| c.0.wanted).count();
        let f1 = 2.0 * right as f64 / (given.len() + wanted) as f64;
        println!("{name:60} {right} right of {} given, {wanted} wanted: F1 {f1:.3}", given.len());
    }
    let edges = [0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.01];
    for pair in edges.windows(2) {
        let within = |p: &f32| (pair[0]..pair[1]).contains(p);
        let bin: Vec<bool> =
            unseen.iter().filter_map(|c| c.1).filter(|(p, _)| within(p)).map(|(_, r)| r).collect();
        let right = bin.iter().filter(|right| **right).count();
        let share = right as f64 / bin.len().max(1) as f64;
        println!("posterior from {:.3}: {right} of {} right, {share:.3}", pair[0], bin.len());
    }
}

fn render(relevance: &[f32], services: &[f32], absences: &[f32]) -> String {
    let mut source = "# What services are ranked by, in log-odds, learned by examples/extract_learn.rs \
                      from the\n# tuning calls of data/labelled. What is not listed weighs nothing.\n"
        .to_owned();
    let features: Vec<String> = (0..FEATURES).map(name).collect();
    let (mentions, windows) = relevance.split_at(FEATURES);
    let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    for (section, names, weights) in [
        ("mention", &features, mentions),
        ("window", &features, windows),
        ("service", &texts(&CIRCUMSTANCES), services),
        ("none", &texts(&ABSENCES), absences),
    ] {
        let _ = writeln!(source, "\n[{section}]");
        for (name, weight) in names.iter().zip(weights).filter(|(_, w)| w.abs() >= 0.005) {
            let _ = writeln!(source, "{name} = {weight:.2}");
        }
    }
    source
}

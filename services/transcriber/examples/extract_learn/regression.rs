//! Logistic regressions, held near zero.

use callscribe_transcriber::extract::{
    Heard,
    learning::{Standing, Standings},
};

/// Steps down the slope.
const STEPS: usize = 250;

/// One choice: each value with its circumstances, and what speaks for none.
#[derive(Clone)]
pub struct Trial {
    /// The group of files that is left out with it.
    pub fold: usize,
    /// The number of its file.
    pub file: usize,
    /// Whether it is reported on.
    pub counts: bool,
    /// Of the call.
    pub language: String,
    /// Each value's circumstances, and whether it is right.
    pub values: Vec<(Vec<f32>, bool)>,
    /// What speaks for none.
    pub absences: Vec<f32>,
    /// Whether there is a right one.
    pub wanted: bool,
}

/// A call as it is heard without its own file, what in it may be about a field, and the right values.
pub struct Example<'l, Clue> {
    /// The group of files that is left out with it.
    pub fold: usize,
    /// The number of its file.
    pub file: usize,
    /// Whether it is reported on: heard by all the rules.
    pub counts: bool,
    /// Of the call.
    pub language: String,
    /// The call.
    pub heard: Heard<'l>,
    /// What may be about it.
    pub clues: Vec<Clue>,
    /// Numbers of the right entries; `None` where the right one is not in the catalogue.
    pub right: Option<Vec<usize>>,
}

impl<Clue> Example<'_, Clue> {
    /// The choice of the call where its values stand so; `None` where nobody can choose right.
    pub fn trial(&self, standings: Standings) -> Option<Trial> {
        let right = self.right.as_ref()?;
        let value = |s: &Standing| (s.circumstances.clone(), right.contains(&s.entry));
        Some(Trial {
            fold: self.fold,
            file: self.file,
            counts: self.counts,
            language: self.language.clone(),
            values: standings.values.iter().map(value).collect(),
            absences: standings.absences,
            wanted: !right.is_empty(),
        })
    }
}

/// Weights of the circumstances, then of the absences.
pub fn weigh(trials: &[&Trial], [count, absences]: [usize; 2], hold: f32) -> Vec<f32> {
    let mut scale = vec![(0.0_f32, 0.0_f32, 0.0_f32); count + absences];
    let mut see = |at: usize, x: f32| {
        let (n, sum, square) = &mut scale[at];
        (*n, *sum, *square) = (*n + 1.0, *sum + x, *square + x * x);
    };
    for trial in trials {
        let values = trial.values.iter().flat_map(|(own, _)| own.iter().enumerate());
        values.for_each(|(at, x)| see(at, *x));
        trial.absences.iter().enumerate().for_each(|(at, x)| see(count + at, *x));
    }
    let scale: Vec<f32> = scale
        .iter()
        .map(|(n, sum, square)| (square / n - (sum / n).powi(2)).max(0.0).sqrt() + 0.1)
        .collect();
    let weights = descend(
        scale.len(),
        |_| hold,
        |weights, slope| {
            let real: Vec<f32> = weights.iter().zip(&scale).map(|(w, s)| w / s).collect();
            for trial in trials {
                let chances = chances(trial, &real, count);
                let right = |at: usize| match at {
                    0 => !trial.wanted,
                    _ => trial.values[at - 1].1,
                };
                let hit: f32 =
                    (0..chances.len()).filter(|at| right(*at)).map(|at| chances[at]).sum();
                if hit < 1e-6 {
                    continue;
                }
                for (at, chance) in chances.iter().enumerate() {
                    let miss = chance - if right(at) { chance / hit } else { 0.0 };
                    let (own, offset) = match at {
                        0 => (&trial.absences, count),
                        _ => (&trial.values[at - 1].0, 0),
                    };
                    for (feature, x) in own.iter().enumerate() {
                        slope[offset + feature] += miss * x / scale[offset + feature];
                    }
                }
            }
        },
    );
    weights.iter().zip(&scale).map(|(w, s)| w / s).collect()
}

/// Follows the slope of a loss down, each weight with a pace of its own (Adam, with all examples
/// in each step).
pub fn descend(
    count: usize,
    hold: impl Fn(usize) -> f32,
    slope: impl Fn(&[f32], &mut [f32]),
) -> Vec<f32> {
    let mut weights = vec![0.0_f32; count];
    let (mut mean, mut square) = (vec![0.0_f32; count], vec![0.0_f32; count]);
    let mut gradient = vec![0.0_f32; count];
    for step in 0..STEPS {
        let held = gradient.iter_mut().zip(&weights).enumerate();
        held.for_each(|(at, (g, w))| *g = hold(at) * w);
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

/// How probable none is, and then each value.
fn chances(trial: &Trial, weights: &[f32], count: usize) -> Vec<f32> {
    let (circumstances, absences) = weights.split_at(count);
    let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
    let none = dot(&trial.absences, absences);
    let values = trial.values.iter().map(|(own, _)| dot(own, circumstances));
    let mut all: Vec<f32> = std::iter::once(none).chain(values).collect();
    let best = all.iter().copied().fold(f32::MIN, f32::max);
    all.iter_mut().for_each(|x| *x = (*x - best).exp());
    let sum: f32 = all.iter().sum();
    all.iter_mut().for_each(|x| *x /= sum);
    all
}

/// The posterior of the best value, and whether it is right.
pub fn posterior(trial: &Trial, weights: &[f32], count: usize) -> Option<(f32, bool)> {
    let chances = chances(trial, weights, count);
    let best = (1..chances.len()).max_by(|a, b| chances[*a].total_cmp(&chances[*b]))?;
    Some((chances[best], trial.values[best - 1].1))
}

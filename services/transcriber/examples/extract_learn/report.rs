//! What the weights are worth on calls whose file was left out.

use std::collections::BTreeMap;

use crate::regression::Trial;

/// A trial, the posterior of its best value, and whether that is right.
pub type Outcome = (Trial, Option<(f32, bool)>);

pub fn report(names: &[String], unseen: &[Outcome]) {
    let mut groups: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
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

//! Counting what was right.

use std::collections::BTreeMap;

use domain::{Extraction, Field};
use serde::Serialize;

use super::{
    labelled::Labelled,
    wilson::{Interval, wilson},
};
use crate::extract::{
    catalogue::{Catalogue, Kind},
    text::normalise_name,
};

/// Lower ends of the bins of the reliability table.
const BINS: [f32; 6] = [0.0, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Values at least this sure are acted upon without a person looking.
pub const SURE: f32 = 0.8;

/// How well one field was found in one language.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Score {
    /// Calls.
    pub calls: u64,
    /// Values that were given and right.
    pub right: u64,
    /// Values that were given and wrong, or where nothing was expected.
    pub wrong: u64,
    /// Values that were expected and not given, or given wrong.
    pub missed: u64,
    /// Right of those given.
    pub precision: f64,
    /// Its 95 % interval.
    pub precision_interval: Option<Interval>,
    /// Right of those expected.
    pub recall: f64,
    /// Its 95 % interval.
    pub recall_interval: Option<Interval>,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Values given at a confidence of 0.8 or more.
    pub sure: u64,
    /// Right of those.
    pub sure_precision: f64,
    /// Its 95 % interval.
    pub sure_interval: Option<Interval>,
}

/// One row of the reliability table.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Bin {
    /// Lowest confidence of the row.
    pub from: f32,
    /// Values in it.
    pub values: u64,
    /// Right of those.
    pub right: u64,
    /// Sum of their confidences, for the mean.
    #[serde(skip)]
    sum: f64,
    /// Mean confidence.
    pub confidence: f64,
    /// Share that was right.
    pub precision: f64,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
}

/// A value that is not what was expected.
#[derive(Debug, Clone, Serialize)]
pub struct Miss {
    /// The call.
    pub id: String,
    /// `service` or `city`.
    pub field: &'static str,
    /// What was expected; nothing is `None`.
    pub expected: Option<String>,
    /// What was given.
    pub given: Option<String>,
    /// How sure the extractor was.
    pub confidence: Option<f32>,
    /// The words it took it from.
    pub quote: Option<String>,
}

/// All figures of a labelled set.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Calls scored.
    pub calls: u64,
    /// By field and language: `city`, then `he`.
    pub scores: BTreeMap<String, BTreeMap<String, Score>>,
    /// Whether a confidence means what it says.
    pub reliability: Vec<Bin>,
    /// What went wrong.
    pub misses: Vec<Miss>,
}

/// Scores an extractor.
pub fn evaluate(
    catalogue: &Catalogue,
    calls: &[Labelled],
    mut extract: impl FnMut(&Labelled) -> Extraction,
) -> Report {
    let mut report = Report {
        reliability: BINS.map(|from| Bin { from, ..Bin::default() }).to_vec(),
        ..Report::default()
    };
    for call in calls {
        let found = extract(call);
        report.calls += 1;
        let fields = [
            (Kind::Service, "service", &call.expect.service, found.service),
            (Kind::City, "city", &call.expect.city, found.city),
        ];
        for (kind, field, expected, given) in fields {
            let right = match (expected, &given) {
                (Some(names), Some(value)) => is_right(catalogue, kind, names, value),
                _ => false,
            };
            report.count(call, field, expected.is_some(), given.as_ref(), right);
            if !right && (expected.is_some() || given.is_some()) {
                report.miss(call, field, expected.as_deref(), given);
            }
        }
    }
    report.finish();
    report
}

/// A value is right if any name of its entry is one of those accepted.
fn is_right(catalogue: &Catalogue, kind: Kind, accepted: &[String], value: &Field) -> bool {
    let entry = catalogue.get(kind, &value.id);
    accepted.iter().any(|name| match entry {
        Some(entry) => entry.is_called(name),
        None => normalise_name(name) == normalise_name(&value.value),
    })
}

impl Report {
    fn count(
        &mut self,
        call: &Labelled,
        field: &str,
        wanted: bool,
        given: Option<&Field>,
        right: bool,
    ) {
        let languages = self.scores.entry(field.to_owned()).or_default();
        let score = languages.entry(call.language.clone()).or_default();
        score.calls += 1;
        score.right += u64::from(right);
        score.wrong += u64::from(given.is_some() && !right);
        score.missed += u64::from(wanted && !right);
        let Some(given) = given else { return };
        if given.confidence >= SURE {
            score.sure += 1;
            score.sure_precision += f64::from(u8::from(right));
        }
        if let Some(bin) =
            self.reliability.iter_mut().rev().find(|bin| bin.from <= given.confidence)
        {
            bin.values += 1;
            bin.right += u64::from(right);
            bin.sum += f64::from(given.confidence);
        }
    }

    fn miss(
        &mut self,
        call: &Labelled,
        field: &'static str,
        expected: Option<&[String]>,
        given: Option<Field>,
    ) {
        self.misses.push(Miss {
            id: call.id.clone(),
            field,
            expected: expected.map(|names| names.first().cloned().unwrap_or_default()),
            confidence: given.as_ref().map(|field| field.confidence),
            quote: given.as_ref().map(|field| field.evidence.quote.clone()),
            given: given.map(|field| field.id),
        });
    }

    fn finish(&mut self) {
        for score in self.scores.values_mut().flat_map(BTreeMap::values_mut) {
            let (given, wanted) = (score.right + score.wrong, score.right + score.missed);
            let sure_right = score.sure_precision as u64;
            score.precision = share(score.right, given);
            score.recall = share(score.right, wanted);
            score.f1 = share(2 * score.right, given + wanted);
            score.precision_interval = Some(wilson(score.right, given));
            score.recall_interval = Some(wilson(score.right, wanted));
            score.sure_precision = share(sure_right, score.sure);
            score.sure_interval = Some(wilson(sure_right, score.sure));
        }
        for bin in &mut self.reliability {
            bin.confidence = if bin.values > 0 { bin.sum / bin.values as f64 } else { 0.0 };
            bin.precision = share(bin.right, bin.values);
            bin.interval = Some(wilson(bin.right, bin.values));
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

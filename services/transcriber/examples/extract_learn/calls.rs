//! What callers said in the labelled calls: `data/phrases/calls.tsv`.

use callscribe_transcriber::extract::evaluate::{Labelled, Spoken};
use domain::Speaker;

/// A segment of no more words is a greeting.
const GREETING: usize = 4;
/// Words of the first thing of substance a caller says.
const OPENING: usize = 40;
/// Words of all else.
const REST: usize = 360;

/// The lines of a call: one for each of the services that would do, by id; none of what is not in
/// the catalogue.
pub fn lines(call: &Labelled, services: &[&str]) -> Vec<String> {
    let said = |spoken: &&Spoken| {
        spoken.speaker != Speaker::Agent && spoken.text.split_whitespace().nth(GREETING).is_some()
    };
    let mut said = call.segments.iter().filter(said).map(|spoken| spoken.text.as_str());
    let Some(opening) = said.next() else { return Vec::new() };
    let rest: Vec<&str> = opening
        .split_whitespace()
        .skip(OPENING)
        .chain(said.flat_map(str::split_whitespace))
        .collect();
    let rest = rest[..rest.len().min(REST)].join(" ");
    let opening: Vec<&str> = opening.split_whitespace().take(OPENING).collect();
    let opening = opening.join(" ");
    let services = if call.expect.service.is_none() { &["nothing"] } else { services };
    services.iter().map(|id| format!("{id}\t{opening}\t{rest}").trim_end().to_owned()).collect()
}

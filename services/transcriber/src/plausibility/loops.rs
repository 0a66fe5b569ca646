//! Engines that lose the thread repeat themselves.

use crate::engines::HeardSegment;

/// Longest phrase that is looked for, in words.
const LONGEST: usize = 12;

/// A segment that begins so long after the one before does not go on with it: somebody who listens
/// says "okay" again and again, and waits in between.
const PAUSE_MS: u64 = 1_000;

/// How often a phrase, or a segment, stands in a row before it is a loop. People say "no" many times,
/// and hardly ever a sentence.
fn limit(words: usize) -> usize {
    match words {
        1 => 10,
        2 => 6,
        _ => 4,
    }
}

/// The segments with each loop said once, and whether there was one.
pub fn unrolled(segments: Vec<HeardSegment>) -> (Vec<HeardSegment>, bool) {
    let mut looped = false;
    let mut kept: Vec<HeardSegment> = Vec::with_capacity(segments.len());
    let mut run = 0;
    let mut ended_ms = 0;
    for mut segment in segments {
        if let Some(once) = without_loops(&segment.text) {
            looped = true;
            segment.text = once;
        }
        let follows = segment.start_ms.saturating_sub(ended_ms) < PAUSE_MS;
        let repeats = kept.last().is_some_and(|last| last.text.trim() == segment.text.trim());
        run = if follows && repeats { run + 1 } else { 1 };
        ended_ms = segment.end_ms;
        let limit = limit(segment.text.split_whitespace().count());
        kept.push(segment);
        if run == limit {
            looped = true;
            kept.truncate(kept.len() + 1 - limit);
        } else if run > limit {
            kept.pop();
        }
    }
    (kept, looped)
}

/// The text with each loop said once; `None` when there is none.
fn without_loops(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut kept: Vec<&str> = Vec::with_capacity(words.len());
    let mut at = 0;
    let mut looped = false;
    while at < words.len() {
        let found = (1..=LONGEST).find_map(|length| {
            let times = repetitions(&words[at..], length);
            (times >= limit(length)).then_some((length, times))
        });
        let (length, times) = found.unwrap_or((1, 1));
        looped |= times > 1;
        kept.extend(&words[at..at + length]);
        at += length * times;
    }
    looped.then(|| kept.join(" "))
}

/// How often the first `length` words stand at the beginning, one time after the other.
fn repetitions(words: &[&str], length: usize) -> usize {
    if words.len() < length {
        return 0;
    }
    let same = |a: &&str, b: &&str| {
        let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        plain(a) == plain(b)
    };
    let mut chunks = words.chunks_exact(length);
    let Some(first) = chunks.next() else { return 0 };
    1 + chunks.take_while(|chunk| chunk.iter().zip(first).all(|(a, b)| same(a, b))).count()
}

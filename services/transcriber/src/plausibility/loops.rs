//! Engines that lose the thread repeat themselves.

use crate::engines::HeardSegment;

/// Longest phrase that is looked for, in words.
const LONGEST: usize = 12;

/// Segments in a row with the same text before they count as a loop.
const SAME_SEGMENTS: usize = 4;

/// How often a phrase stands in a row before it is a loop. People say "no" many times, and hardly
/// ever a sentence.
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
    for mut segment in segments {
        if let Some(once) = without_loops(&segment.text) {
            looped = true;
            segment.text = once;
        }
        let repeats = kept.last().is_some_and(|last| last.text.trim() == segment.text.trim());
        run = if repeats { run + 1 } else { 1 };
        kept.push(segment);
        if run == SAME_SEGMENTS {
            looped = true;
            kept.truncate(kept.len() + 1 - SAME_SEGMENTS);
        } else if run > SAME_SEGMENTS {
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

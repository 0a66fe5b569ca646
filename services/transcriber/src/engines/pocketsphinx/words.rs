//! From what PocketSphinx prints to segments.

use serde::Deserialize;

use super::condensed::Condensed;
use crate::{
    audio::Stretch,
    engines::{EngineError, HeardSegment},
};

/// A silence of this length ends a segment.
const PAUSE_MS: u64 = 500;

/// Length of a frame of PocketSphinx.
const FRAME_MS: u64 = 10;

/// A word, or a filler such as `<sil>`, with its times inside the condensed sound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    text: String,
    at: Stretch,
    /// Posterior probability, where it is printed.
    probability: Option<f32>,
}

/// The line `-hypseg` writes: a name, `S`, `T`, `A` and `L` each with a score, then for every word
/// its first frame, two scores and itself, and at last the number of frames. Where nothing was found
/// it has no words; a file that cannot be read has no line, and the program succeeds all the same.
pub(super) fn from_hypseg(printed: &str) -> Result<Vec<Word>, EngineError> {
    const HEAD: usize = 9;
    let malformed = || EngineError::Malformed("pocketsphinx_batch printed no list of words".into());
    let fields: Vec<&str> = printed.lines().next().unwrap_or_default().split_whitespace().collect();
    if fields.len() <= HEAD || fields[1] != "S" || (fields.len() - HEAD) % 4 != 1 {
        return Err(malformed());
    }
    let fields = &fields[HEAD..];
    let start_ms = |index: usize| {
        let frame: Option<u64> = fields.get(index).and_then(|frame| frame.parse().ok());
        frame.map(|frame| frame.saturating_mul(FRAME_MS)).ok_or_else(malformed)
    };
    (0..fields.len() - 1)
        .step_by(4)
        .map(|at| {
            Ok(Word {
                text: fields[at + 3].to_owned(),
                at: Stretch { start_ms: start_ms(at)?, end_ms: start_ms(at + 4)? },
                probability: None,
            })
        })
        .collect()
}

/// The line of `pocketsphinx single`: `{"b":0.0,"d":1.2,"p":0.9,"t":"the words","w":[…]}`, times in
/// seconds. An empty list of words is printed as `]`, which is not JSON.
pub(super) fn from_json(printed: &str) -> Result<Vec<Word>, EngineError> {
    #[derive(Deserialize)]
    struct Line {
        w: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        b: f64,
        d: f64,
        p: Option<f32>,
        t: String,
    }
    let line = printed.lines().next().unwrap_or_default().replace(r#""w":]"#, r#""w":[]"#);
    let line: Line = serde_json::from_str(&line)
        .map_err(|_| EngineError::Malformed("pocketsphinx printed no result".into()))?;
    let ms = |seconds: f64| (seconds.max(0.0) * 1000.0).round() as u64;
    let word = |entry: Entry| Word {
        at: Stretch { start_ms: ms(entry.b), end_ms: ms(entry.b + entry.d) },
        probability: entry.p.filter(|p| (0.0..=1.0).contains(p)),
        text: entry.t,
    };
    Ok(line.w.into_iter().map(word).collect())
}

/// Words between pauses, with times inside the piece. The confidence of a segment is the mean of its
/// words' probabilities.
pub(super) fn segments(words: Vec<Word>, condensed: &Condensed) -> Vec<HeardSegment> {
    let mut groups: Vec<Vec<Word>> = Vec::new();
    for word in words.into_iter().filter(|word| !is_filler(&word.text)) {
        let word = Word { at: condensed.in_piece(word.at), ..word };
        let end_ms = groups.last().and_then(|group| group.last()).map(|last| last.at.end_ms);
        match groups.last_mut() {
            Some(group) if end_ms.is_some_and(|end| word.at.start_ms < end + PAUSE_MS) => {
                group.push(word);
            }
            _ => groups.push(vec![word]),
        }
    }
    groups.iter().map(|group| segment(group)).collect()
}

fn segment(words: &[Word]) -> HeardSegment {
    let texts: Vec<&str> = words.iter().map(|word| spelt(&word.text)).collect();
    let sum: Option<f32> = words.iter().map(|word| word.probability).sum();
    HeardSegment {
        start_ms: words.first().map_or(0, |word| word.at.start_ms),
        end_ms: words.last().map_or(0, |word| word.at.end_ms),
        text: texts.join(" "),
        confidence: sum.map(|sum| sum / words.len() as f32),
        no_speech: None,
        voice: None,
    }
}

/// `<s>`, `<sil>`, `[NOISE]`, `++BREATH++`.
fn is_filler(text: &str) -> bool {
    text.is_empty() || text.starts_with(['<', '[']) || text.starts_with("++")
}

/// Another pronunciation of a word has a number: `hello(2)`.
fn spelt(text: &str) -> &str {
    match text.strip_suffix(')').and_then(|open| open.rsplit_once('(')) {
        Some((word, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => word,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::Piece;

    /// A piece of this length, all of it kept.
    fn whole(length_ms: u64) -> Condensed {
        let at = Stretch { start_ms: 0, end_ms: length_ms };
        let samples = vec![0; usize::try_from(length_ms).unwrap() * 16];
        Condensed::new(&Piece::new(at, samples))
    }

    fn told(segments: &[HeardSegment]) -> Vec<(u64, u64, &str, Option<f32>)> {
        segments.iter().map(|s| (s.start_ms, s.end_ms, s.text.as_str(), s.confidence)).collect()
    }

    #[test]
    fn a_hypseg_line_becomes_segments_between_its_pauses() {
        let line = "callscribe-x S 0 T -37 A -33 L -42 0 -46 0 <s> 19 -17 -40 hello(2) \
                    66 -61 -52 <sil> 112 -78 -19 a(2) 130 -30 -61 locksmith 208 -17 -52 [NOISE] \
                    278 -8 -4 ++UH++ 290 -5 -3 yes 340 -5 -3 </s> 360\n";
        let heard = segments(from_hypseg(line).unwrap(), &whole(3300));
        let expected = [(190, 2080, "hello a locksmith", None), (2900, 3300, "yes", None)];
        assert_eq!(told(&heard), expected);
    }

    #[test]
    fn the_json_of_the_newer_program_becomes_segments_with_the_mean_probability() {
        let line = r#"{"b":0.000,"d":2.600,"p":0.870,"t":"go forward now","w":[{"b":0.00,"d":0.20,"p":1.0,"t":"<s>"},{"b":0.20,"d":0.30,"p":0.5,"t":"go"},{"b":0.50,"d":0.40,"p":1.0,"t":"forward(2)"},{"b":0.90,"d":0.80,"p":1.0,"t":"<sil>"},{"b":1.70,"d":0.50,"p":0.25,"t":"now"}]}"#;
        let heard = segments(from_json(line).unwrap(), &whole(2600));
        let expected = [(200, 900, "go forward", Some(0.75)), (1700, 2200, "now", Some(0.25))];
        assert_eq!(told(&heard), expected);
    }

    #[test]
    fn nothing_found_is_no_segment_and_anything_else_is_an_error() {
        let nothing = r#"{"b":0.000,"d":2.600,"p":1.000,"t":"","w":]}"#;
        assert_eq!(from_json(nothing).unwrap(), []);
        assert_eq!(from_hypseg("x S 0 T 0 A 0 L 0 120\n").unwrap(), []);
        for bad in ["", "ERROR", "x S 0 T 0 A 0 L 0 1 2 3\n", "x S 0 T 0 A 0 L 0 a 1 2 hello 9\n"] {
            assert_eq!(from_hypseg(bad).unwrap_err().code(), "engine_malformed_answer", "{bad}");
        }
        assert!(from_json("ERROR").is_err());
    }
}

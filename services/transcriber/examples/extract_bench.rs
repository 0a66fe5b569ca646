//! Times the rules and prints a row for `make bench`: a ten-minute transcript, and a megabyte of
//! hostile text. Run it in release.

use std::{sync::Arc, time::Instant};

use callscribe_transcriber::extract::{Lexicon, catalogue::Catalogue};
use domain::{Engine, Segment, Speaker, Transcript};

/// Words in ten minutes at 150 a minute.
const WORDS: usize = 1500;

fn main() -> anyhow::Result<()> {
    let lexicon = Lexicon::new(Arc::new(Catalogue::built_in()?))?;
    let call = ten_minutes();
    let mut times: Vec<f64> = (0..200).map(|_| milliseconds(&lexicon, &call)).collect();
    times.sort_by(f64::total_cmp);
    row("extract.lexicon_ms", times[times.len() / 2], 2.0);
    let best =
        |call: &Transcript| (0..3).map(|_| milliseconds(&lexicon, call)).fold(f64::MAX, f64::min);
    let worst = hostile().iter().map(best).fold(0.0, f64::max);
    row("extract.hostile_ms", worst, 200.0);
    Ok(())
}

fn milliseconds(lexicon: &Lexicon, call: &Transcript) -> f64 {
    let start = Instant::now();
    std::hint::black_box(lexicon.extract(std::hint::black_box(call), None));
    start.elapsed().as_secs_f64() * 1000.0
}

fn row(name: &str, value: f64, limit: f64) {
    let row = serde_json::json!({
        "name": name,
        "value": value,
        "unit": "ms",
        "baseline": limit,
        "ratio": value / limit,
        "goal": format!("<= {limit} ms"),
        "holds": value <= limit,
    });
    println!("{row}");
}

/// Both languages, turn by turn, until enough was said.
fn ten_minutes() -> Transcript {
    let turns = [
        (Speaker::Agent, "Thank you for calling, how can I help you today?"),
        (
            Speaker::Caller,
            "Hi, so the thing is, my kitchen sink has been backing up since Tuesday.",
        ),
        (Speaker::Agent, "I see. And whereabouts are you located, what city is that?"),
        (
            Speaker::Caller,
            "We used to live in Dallas, but now the house is in Fort Worth, near the zoo.",
        ),
        (
            Speaker::Caller,
            "אז ככה, יש לי נזילה מתחת לכיור כבר יומיים, ואני צריכה אינסטלטור לפתח תקווה.",
        ),
        (Speaker::Agent, "בסדר גמור, אני רושמת, ומישהו יחזור אלייך עוד היום אחר הצהריים."),
    ];
    let mut words = 0;
    let mut segments = Vec::new();
    for (speaker, text) in turns.into_iter().cycle() {
        if words >= WORDS {
            break;
        }
        words += text.split_whitespace().count();
        segments.push((speaker, text.to_owned()));
    }
    transcript(segments)
}

fn hostile() -> Vec<Transcript> {
    let words = [
        "haifa ",
        "in haifa no ",
        "sink ",
        "i need ",
        "א",
        "petahtikvo ",
        "בחיפה לא ",
        "\"",
        "st. ",
        "new york ",
        "are you in haifa yes ",
        "מזגן לא מקרר ",
        "washer wont spin ",
        "plumbre ",
        "כשלמנעולנ ",
        "x",
        "five ",
        "my name is ",
        "ﷺ",
        "㌖",
        "が",
        "a b c d ",
    ];
    let mut calls = Vec::new();
    for word in words {
        let text = word.repeat(1_000_000 / word.len());
        calls.push(transcript(vec![(Speaker::Caller, text)]));
    }
    for word in ["x", "haifa", "no", "ﷺ"] {
        let segments = vec![(Speaker::Caller, word.to_owned()); 1_000_000 / word.len()];
        calls.push(transcript(segments));
    }
    calls
}

fn transcript(segments: Vec<(Speaker, String)>) -> Transcript {
    let segments = segments.into_iter().map(|(speaker, text)| Segment {
        speaker,
        start_ms: 0,
        end_ms: 1,
        text,
        confidence: None,
    });
    let engine = Engine { name: "bench".into(), model: None, version: None };
    Transcript { segments: segments.collect(), language: None, engine }
}

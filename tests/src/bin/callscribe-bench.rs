//! All benches, one after the other: a table, and `target/bench.json`.
//!
//! `callscribe-bench [NAME]` runs only those benches whose name begins with NAME.

#![expect(clippy::expect_used, reason = "a bench that cannot run must say so")]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// The programs, and the first words of the names of what they measure.
const PROGRAMS: [(&str, &str, &[&str]); 8] = [
    ("callscribe-queue", "queue_bench", &["queue."]),
    ("callscribe-ingest", "bench", &["ingest.", "memory.ingest_"]),
    ("callscribe-transcriber", "bench_audio", &["audio.", "memory.three_hours_mb"]),
    ("callscribe-transcriber", "bench_transcriber", &["transcriber."]),
    ("callscribe-transcriber", "extract_bench", &["extract."]),
    ("callscribe-results", "bench_persist", &["results.persist_"]),
    ("callscribe-results", "bench_queries", &["results.query_", "results.export_"]),
    ("callscribe-tests", "bench_whole", &["end_to_end.", "memory."]),
];

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let mut rows = Vec::new();
    for (package, example, names) in PROGRAMS {
        if names.iter().any(|name| name.starts_with(&only) || only.starts_with(name)) {
            eprintln!("running {example} of {package}");
            rows.extend(rows_of(package, example));
        }
    }
    rows.retain(|row| row["name"].as_str().is_some_and(|name| name.starts_with(&only)));
    println!(
        "{:<32} {:>12} {:<10} {:>12} {:>6} {:>6}  holds",
        "name", "value", "unit", "baseline", "ratio", "goal"
    );
    for row in &rows {
        println!(
            "{:<32} {:>12} {:<10} {:>12} {:>6} {:>6}  {}",
            text(&row["name"]),
            text(&row["value"]),
            text(&row["unit"]),
            text(&row["baseline"]),
            text(&row["ratio"]),
            text(&row["goal"]),
            text(&row["holds"]),
        );
    }
    let all = serde_json::to_string_pretty(&rows).expect("rows are JSON");
    std::fs::write("target/bench.json", all).expect("target/bench.json can be written");
}

/// Runs one program; its rows are the lines of its output that are JSON objects with a name, or lists
/// of them, or the list in the file it was given.
fn rows_of(package: &str, example: &str) -> Vec<Value> {
    let file = Path::new("target").join(format!("{example}.json"));
    // What an earlier run left must not be taken for this one's.
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--release", "--locked", "-p", package, "--example", example]);
    if example == "queue_bench" {
        command.args(["--", "--json"]).arg(&file);
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines = printed.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut rows: Vec<Value> = lines
        .flat_map(|line| match line {
            Value::Array(list) => list,
            one => vec![one],
        })
        .collect();
    if let Ok(list) = std::fs::read(&file) {
        rows.extend(serde_json::from_slice::<Vec<Value>>(&list).unwrap_or_default());
    }
    rows.retain(|row| row["name"].is_string());
    if rows.is_empty() {
        eprintln!("{example} of {package} measured nothing ({})", output.status);
    }
    rows
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Number(number) => match number.as_f64() {
            Some(value) if value.abs() >= 1000.0 => format!("{value:.0}"),
            Some(value) => format!("{}", (value * 100.0).round() / 100.0),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

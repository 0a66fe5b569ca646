//! The sample calls on the terminal: a line for each change, and a table at the end.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chassis::Process;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets::UTF8_FULL_CONDENSED};
use results::{
    projection::Status,
    store::{Store, calls::CallProgress},
};

use crate::{
    Config,
    up::samples::{SampleCall, Samples},
};

/// How often the rows are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Rows read at a look: the sample calls, and room for others in the same database.
const ROWS: u64 = 200;
/// Longest transcript in the table, in characters.
const SHORTENED: usize = 60;
/// Width of the table where the output is no terminal.
const WIDTH: u16 = 180;
/// The table's columns.
const HEADER: [&str; 12] = [
    "call",
    "length",
    "status",
    "service",
    "city",
    "sure",
    "waited",
    "fetch",
    "audio",
    "speech",
    "fields",
    "transcript",
];

/// What the database says of the sample calls, by CallSid.
type Rows = HashMap<String, CallProgress>;

/// Posts the callbacks of the calls that have not reached their end, and shows them until all
/// have. Returns whether all have; `false` when the process was stopped first.
///
/// # Errors
/// When the database cannot be read or a callback is refused.
pub async fn play(
    samples: &Samples,
    config: &Config,
    process: &Process,
    ingest: &str,
) -> anyhow::Result<bool> {
    // The database is there, with its tables, once the results service listens.
    let Some(_) = process.listener("results").await else { return Ok(false) };
    let store = Store::open_read(&config.results.database).await?;
    let known = rows(&store).await?;
    let open: Vec<_> = samples.calls().iter().filter(|call| !has_ended(call, &known)).collect();
    println!(
        "{} sample calls, {} of them done in an earlier run.",
        samples.calls().len(),
        samples.calls().len() - open.len()
    );
    for call in &open {
        match samples.post(call, ingest).await {
            Ok(()) => {}
            // Whoever stops in the middle of it has not failed; the next run posts the rest.
            Err(_) if process.stop().is_cancelled() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    let finished = watch(&open, &store, process).await?;
    if finished {
        println!("\n{}", table(samples.calls(), &rows(&store).await?));
    }
    Ok(finished)
}

async fn watch(open: &[&SampleCall], store: &Store, process: &Process) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut shown: HashMap<&str, String> = HashMap::new();
    loop {
        let rows = rows(store).await?;
        for call in open {
            let Some(state) = rows.get(call.call_sid.as_str()).map(describe) else { continue };
            if shown.get(call.name.as_str()) != Some(&state) {
                println!("{:7.1} s  {:<28} {state}", began.elapsed().as_secs_f32(), call.name);
                shown.insert(&call.name, state);
            }
        }
        if open.iter().all(|call| has_ended(call, &rows)) {
            return Ok(true);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = process.stop().cancelled() => return Ok(false),
        }
    }
}

async fn rows(store: &Store) -> anyhow::Result<Rows> {
    let progress = store.progress(ROWS).await?;
    Ok(progress.into_iter().map(|row| (row.call.call_sid.clone(), row)).collect())
}

fn has_ended(call: &SampleCall, rows: &Rows) -> bool {
    let status = rows.get(call.call_sid.as_str()).and_then(|row| row.call.status.parse().ok());
    status.is_some_and(Status::is_terminal)
}

/// A row in a few words.
fn describe(row: &CallProgress) -> String {
    let call = &row.call;
    match (&call.extracted_service, &call.extracted_city, &call.last_error_code) {
        (Some(service), Some(city), _) => format!("{}: {service}, {city}", call.status),
        (Some(only), None, _) | (None, Some(only), _) => format!("{}: {only}", call.status),
        (None, None, Some(code)) => format!("{}: {code}", call.status),
        (None, None, None) => call.status.clone(),
    }
}

fn table(calls: &[SampleCall], rows: &Rows) -> Table {
    let mut table = Table::new();
    let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0.max(80));
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(HEADER);
    for call in calls {
        if let Some(row) = rows.get(call.call_sid.as_str()) {
            let mut line = Row::from(cells(call, row));
            line.max_height(2);
            table.add_row(line);
        }
    }
    // The transcript takes the room that is left.
    for column in table.column_iter_mut().take(HEADER.len() - 1) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

fn cells(call: &SampleCall, row: &CallProgress) -> [String; HEADER.len()] {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let sure = [row.call.service_confidence, row.call.city_confidence]
        .map(|share| share.map_or("-".into(), |share| format!("{share:.2}")))
        .join(" ");
    let length = row.recorded_ms.map_or("-".into(), |ms| duration(ms.unsigned_abs()));
    [
        call.name.clone(),
        length,
        row.call.status.clone(),
        text(&row.call.extracted_service),
        text(&row.call.extracted_city),
        sure,
        duration(row.timings.queued_ms),
        duration(row.timings.fetch_ms),
        duration(row.timings.audio_ms),
        duration(row.timings.transcribe_ms),
        duration(row.timings.extract_ms),
        shortened(&text(&row.call.final_transcript)),
    ]
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
    }
}

fn shortened(text: &str) -> String {
    let words = text.replace('\n', " / ");
    if words.chars().count() <= SHORTENED {
        return words;
    }
    let start: String = words.chars().take(SHORTENED - 1).collect();
    format!("{}…", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transcript_is_shortened_between_characters() {
        let text = "שלום ".repeat(40);
        let short = shortened(&text);
        assert!(short.chars().count() <= SHORTENED && short.ends_with('…'), "{short}");
        assert_eq!(shortened("hello\nthere"), "hello / there");
    }

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        assert_eq!(duration(7), "7 ms");
        assert_eq!(duration(12_345), "12.3 s");
    }
}

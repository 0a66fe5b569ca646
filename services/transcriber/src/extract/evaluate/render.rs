//! A report for a terminal.

use std::fmt::Write;

use super::{Interval, Report};

/// The report as text; the misses only where they are asked for.
pub fn render(report: &Report, misses: bool) -> String {
    let mut out = format!("{} calls\n\n", report.calls);
    out.push_str(
        "field    lang  precision            recall               F1     at 0.8 and above\n",
    );
    for (field, languages) in &report.scores {
        for (language, score) in languages {
            let _ = writeln!(
                out,
                "{field:<8} {language:<5} {:.3} {}  {:.3} {}  {:.3}  {:.3} {} of {}",
                score.precision,
                range(score.precision_interval),
                score.recall,
                range(score.recall_interval),
                score.f1,
                score.sure_precision,
                range(score.sure_interval),
                score.sure,
            );
        }
    }
    out.push_str("\nconfidence  values  mean   right\n");
    for bin in report.reliability.iter().filter(|bin| bin.values > 0) {
        let _ = writeln!(
            out,
            "from {:.1}    {:>6}  {:.3}  {:.3} {}",
            bin.from,
            bin.values,
            bin.confidence,
            bin.precision,
            range(bin.interval),
        );
    }
    if misses && !report.misses.is_empty() {
        out.push_str("\nmisses\n");
        for miss in &report.misses {
            let _ = writeln!(
                out,
                "{}  {:<7}  expected {}, given {}{}{}",
                miss.id,
                miss.field,
                miss.expected.as_deref().unwrap_or("nothing"),
                miss.given.as_deref().unwrap_or("nothing"),
                miss.confidence.map(|c| format!(" at {c:.2}")).unwrap_or_default(),
                miss.quote.as_ref().map(|quote| format!(": \"{quote}\"")).unwrap_or_default(),
            );
        }
    }
    out
}

fn range(interval: Option<Interval>) -> String {
    interval.map(|i| format!("[{:.3}, {:.3}]", i.low, i.high)).unwrap_or_default()
}

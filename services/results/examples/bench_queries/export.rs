//! What the service holds while it exports every call of a database over HTTP.

use std::{fs, time::Instant};

use callscribe_results::{Config, DatabaseSettings, settings::ApiSettings};
use chassis::Process;
use tokio_util::sync::CancellationToken;

/// An export that was taken.
pub struct Export {
    pub rows: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// What the process held more at the peak than before, where the system tells it.
    pub grown_mb: Option<f64>,
}

/// Takes the whole, as JSON Lines, piece by piece.
pub async fn take(url: String) -> Export {
    chassis::install_tls();
    let process = Process::new(CancellationToken::new());
    let mut config = Config::default();
    // Nobody listens there: what is exported needs no queue.
    config.redis.url = "redis+unix:///nowhere/none.sock".to_owned().into();
    config.results.database =
        DatabaseSettings { check_integrity: false, ..DatabaseSettings::at(url) };
    config.results.api =
        ApiSettings { listen: ([127, 0, 0, 1], 0).into(), ..ApiSettings::default() };
    let service = tokio::spawn(callscribe_results::run(config, process.clone()));
    let api = process.listener("results").await.unwrap();
    // The peak begins anew at what is held now.
    let told = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = peak_mb();
    let begun = Instant::now();
    let mut response = reqwest::get(format!("{api}/v1/calls/export?format=jsonl")).await.unwrap();
    let (mut rows, mut bytes) = (0, 0);
    while let Some(piece) = response.chunk().await.unwrap() {
        rows += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        bytes += piece.len() as u64;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let grown_mb = before.zip(peak_mb()).filter(|_| told).map(|(before, after)| after - before);
    process.stop().cancel();
    service.await.unwrap().unwrap();
    Export { rows, bytes, seconds, grown_mb }
}

/// Peak of the resident memory.
fn peak_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kb: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kb / 1024.0)
}

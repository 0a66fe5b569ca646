//! The ops listener: `/livez`, `/readyz`, `/metrics`, on a port of its own.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use warp::{Filter, Reply, http::StatusCode};

use crate::{
    Process,
    serve::{HttpSettings, Server},
};

/// How often the histograms are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where the ops listener is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsSettings {
    /// Address and port of `/livez`, `/readyz` and `/metrics`. Default `127.0.0.1:9464`.
    pub listen: SocketAddr,
}

impl Default for OpsSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}

/// Binds the listener and answers in the background until the process stops. The process counts as
/// ready once each of these services has said of the check with its name that it serves.
///
/// # Errors
/// When the port is taken.
pub async fn start(
    settings: &OpsSettings,
    process: &Process,
    metrics: PrometheusHandle,
    services: &[&str],
) -> anyhow::Result<()> {
    for service in services {
        process.check(*service);
    }
    let server = Server::bind(&HttpSettings::at(settings.listen)).await?;
    process.announce("ops", server.url()?);
    tokio::spawn(upkeep(metrics.clone(), process.stop().clone()));
    let service = warp::service(routes(process.clone(), metrics));
    tokio::spawn(server.run(service, process.stop().clone()));
    Ok(())
}

/// Sums up what the histograms have gathered: without it every sample is kept until the next
/// scrape, and there may never be one.
async fn upkeep(metrics: PrometheusHandle, stop: CancellationToken) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = interval.tick() => metrics.run_upkeep(),
            () = stop.cancelled() => return,
        }
    }
}

fn routes(
    process: Process,
    metrics: PrometheusHandle,
) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
    let live = warp::path!("livez").map(|| "alive\n");
    let ready = warp::path!("readyz").map(move || readiness(&process));
    let scrape = warp::path!("metrics").map(move || {
        metrics.run_upkeep();
        metrics.render()
    });
    warp::get().and(live.or(ready).or(scrape))
}

fn readiness(process: &Process) -> impl Reply + use<> {
    let checks = process.checks();
    let stopping = process.stop().is_cancelled();
    let ready = !stopping && checks.values().all(Result::is_ok);
    let states: BTreeMap<_, _> = checks
        .into_iter()
        .map(|(name, state)| (name, state.err().unwrap_or_else(|| "ok".into())))
        .collect();
    let body = serde_json::json!({ "ready": ready, "stopping": stopping, "checks": states });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    warp::reply::with_status(warp::reply::json(&body), status)
}

//! The service, from its start to its end.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chassis::{Check, Process, serve::Server};
use queue::{ConsumerOptions, Link, Queue};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, api,
    health::DatabaseHealth,
    outbound,
    projection::{Projection, Projector},
    reconcile::Reconciler,
    retention::Retention,
    settings::ResultsSettings,
    store::{Store, StoreError},
};

/// How often readiness is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Persists events and serves the API until the process stops. Waits for a database that is away,
/// at the start as well as later.
///
/// # Errors
/// When the port is taken, or the database's schema does not fit this program.
pub async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let settings = Arc::new(config.results);
    let link = Link::open(&config.redis).await.context("redis")?;
    let server = Server::bind(&settings.api.http()).await?;
    let database = process.check("database");
    let redis = process.check("redis");
    let Some(store) = open(&settings, &database, process.stop()).await? else { return Ok(()) };
    let health = DatabaseHealth::new(database);

    let results = chassis::queues::results(link.clone());
    let calls = chassis::queues::calls(link.clone());
    let reconciling = reconcile(&config.twilio, &settings, &store, &calls, process.stop())?;
    let client = config.twilio.is_configured().then(|| twilio::Client::new(&config.twilio));
    let client = client.transpose()?;
    let state = api::Api::new(
        store.clone(),
        &link,
        settings.clone(),
        client.clone(),
        process.stop().clone(),
    );
    let telling = outbound::run(
        store.clone(),
        outbound::queue(link.clone()),
        Arc::new(settings.webhooks.clone()),
        process.stop().clone(),
    );
    process.announce("results", server.url()?);
    process.check("results").ready();
    let serving = server.run(warp::service(api::routes(state)), process.stop().clone());
    let projection = Projection::new(store.clone(), settings.clone())
        .redacting(domain::Redactor::new(&config.redact)?);
    let consuming =
        consume(results, projection, settings.batch_events, health.clone(), process.stop());
    let watching = health.watch(store.clone(), LOOK, process.stop().clone());
    let retention = Retention::new(store.clone(), client, settings.clone())
        .with_webhooks(outbound::queue(link.clone()))
        .with_dead_letters(
            chassis::queues::calls(link.clone()),
            chassis::queues::results(link.clone()),
        );
    let tidying = retention.run(process.stop().clone());
    let looking = chassis::queues::watch_redis(link, redis, LOOK, process.stop().clone());
    let lookouts = async {
        tokio::join!(serving, watching, looking, reconciling, tidying);
        Ok(())
    };
    tokio::try_join!(consuming, telling, lookouts)?;
    store.close().await.context("the database could not be closed in order")
}

/// Opens the database; waits while it is away. `None` when the process stops first.
async fn open(
    settings: &ResultsSettings,
    check: &Check,
    stop: &CancellationToken,
) -> Result<Option<Store>, StoreError> {
    let mut pause = Duration::from_millis(250);
    loop {
        match Store::open(&settings.database).await {
            Ok(store) => return Ok(Some(store)),
            Err(error) if error.is_transient() => check.not_ready(error.to_string()),
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// The comparison with Twilio's lists, where there is an account to compare.
fn reconcile(
    twilio: &twilio::TwilioSettings,
    settings: &ResultsSettings,
    store: &Store,
    calls: &Queue,
    stop: &CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let reconciler = if settings.reconcile.enabled && twilio.is_configured() {
        let client = twilio::Client::new(twilio)?;
        let settings = settings.reconcile.clone();
        Some(Reconciler::new(store.clone(), calls.clone(), client, settings, stop.clone()))
    } else {
        None
    };
    Ok(async move {
        if let Some(reconciler) = reconciler {
            reconciler.run().await;
        }
    })
}

async fn consume(
    results: Queue,
    projection: Projection,
    batch_events: usize,
    health: DatabaseHealth,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let options = ConsumerOptions {
        concurrency: batch_events,
        // A process that is killed thrice with the same batch in hand says nothing about the events
        // in it, and projecting them again does no harm.
        max_deliveries: u32::MAX,
        ..Default::default()
    };
    let projector = Projector::new(projection, health, stop.clone());
    tracing::info!(queue = results.name(), batch = batch_events, "worker loop started");
    queue::consume_batches(results, options, projector, stop.clone()).await?;
    Ok(())
}

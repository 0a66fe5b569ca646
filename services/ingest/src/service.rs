//! The service: from a request's body to an entry, and its life from start to stop.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chassis::{Process, queues::now_ms, serve::Server, telemetry};
use queue::{Enqueued, Link};
use tracing::{Instrument, Span};
use twilio::Form;

use crate::{
    Config, Durability, Gate, IngestSettings, Intake, Kind, Refusal,
    callbacks::{self, Work},
    enqueue, http,
    queues::Queues,
};

/// How much longer than Redis's answer the disk may take, with `durability = "aof"`.
const DISK_TIMEOUT: Duration = Duration::from_secs(3);

/// How often the gauges of the queues are set.
const STANDING: Duration = Duration::from_secs(10);

/// Takes callbacks and stores their entries.
#[derive(Clone)]
pub struct Ingest<Q> {
    routes: HashMap<String, Route>,
    gate: Gate,
    intake: Q,
    resolve_delay: Duration,
    enqueue_timeout: Duration,
}

/// What comes to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) kind: Kind,
    /// Whether TwiML is expected.
    pub(crate) twiml: bool,
}

/// A callback that was taken.
pub(crate) struct Taken {
    pub(crate) work: Work,
    /// `accepted`, `duplicate` or `ignored`.
    pub(crate) outcome: &'static str,
}

impl<Q: Intake> Ingest<Q> {
    /// What takes callbacks that the gate lets in.
    pub fn new(settings: &IngestSettings, gate: Gate, intake: Q) -> Self {
        let own = [Kind::Recording, Kind::Call]
            .map(|kind| (kind.path().to_owned(), Route { kind, twiml: false }));
        let aliases = settings
            .aliases
            .iter()
            .map(|alias| (alias.path.clone(), Route { kind: alias.kind, twiml: alias.twiml }));
        Self {
            routes: own.into_iter().chain(aliases).collect(),
            gate,
            intake,
            resolve_delay: Duration::from_secs(settings.resolve_delay_seconds),
            enqueue_timeout: Duration::from_millis(settings.enqueue_timeout_ms)
                + if settings.durability == Durability::Aof {
                    DISK_TIMEOUT
                } else {
                    Duration::ZERO
                },
        }
    }

    /// What comes to this path, and the path below the public base.
    pub(crate) fn route<'a>(&self, path: &'a str) -> Option<(Route, &'a str)> {
        let path = self.gate.below_base(path);
        Some((*self.routes.get(path)?, path))
    }

    /// Takes one form: checks who sent it, reads it, and stores what it means.
    ///
    /// # Errors
    /// Why it is refused; then nothing is stored, or (after [`Refusal::Unavailable`]) nothing is
    /// known, and the same callback may come again without harm.
    pub(crate) async fn take(
        &self,
        kind: Kind,
        body: &[u8],
        signature: Option<&str>,
        path_and_query: &str,
    ) -> Result<Taken, Refusal> {
        let form = Form::parse(body);
        self.gate.admit(&form, signature, path_and_query)?;
        let work = callbacks::read(kind, &form, now_ms())?;
        // The trace of the call begins here.
        let span = tracing::info_span!(
            "callback",
            otel.name = span_name(kind),
            otel.kind = "server",
            call_sid = work.call_sid.as_str(),
        );
        let outcome = self.store(&work).instrument(span).await?;
        Ok(Taken { work, outcome })
    }

    async fn store(&self, work: &Work) -> Result<&'static str, Refusal> {
        let unavailable = |reason: String| Refusal::Unavailable { reason };
        let traceparent = telemetry::traceparent(&Span::current());
        let entry = enqueue::entry(&work.news, self.resolve_delay, traceparent)
            .map_err(|error| unavailable(error.to_string()))?;
        let Some((target, entry)) = entry else { return Ok("ignored") };
        let stored = tokio::time::timeout(self.enqueue_timeout, self.intake.enqueue(target, entry));
        match stored.await {
            Ok(Ok(Enqueued::Duplicate)) => Ok("duplicate"),
            Ok(Ok(Enqueued::Added(_) | Enqueued::Scheduled)) => Ok("accepted"),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(_) => Err(unavailable("Redis did not answer in time".into())),
        }
    }
}

fn span_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Recording => "callback recording",
        Kind::Call => "callback call",
    }
}

/// Runs the service until the process stops.
///
/// # Errors
/// When the port is taken, or a setting cannot be used.
pub async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let settings = &config.ingest;
    let link = Link::open(&config.redis).await?;
    let server = Server::bind(&settings.http).await?;
    let url = server.url()?;
    let public_url = match &settings.public_url {
        Some(public_url) => public_url.clone(),
        None => url.parse().map_err(anyhow::Error::msg)?,
    };
    say_where(&config, &public_url.to_string());
    report_queues(&link, &process);
    let intake = Queues::new(link, settings);
    let (check, stop) = (process.check("redis"), process.stop().clone());
    tokio::spawn(intake.clone().watch(settings.redis_high_water, check, stop));
    let gate = Gate::new(&config.twilio, public_url, settings.accept_unsigned);
    let ingest = Arc::new(Ingest::new(settings, gate, intake));
    process.announce("ingest", url);
    server.run(warp::service(http::routes(ingest)), process.stop().clone()).await;
    Ok(())
}

/// Exports how both queues stand: ingest is up when nobody works on them, and that is when an
/// operator must see them grow.
fn report_queues(link: &Link, process: &Process) {
    for queue in [chassis::queues::calls(link.clone()), chassis::queues::results(link.clone())] {
        tokio::spawn(queue::export_stats(queue, STANDING, process.stop().clone()));
    }
}

/// Tells what to enter at Twilio, and what will be refused.
fn say_where(config: &Config, public_url: &str) {
    // Without the fragment Twilio does not repeat a callback that was answered 503.
    let recording = format!("{public_url}{}#rc=5&rp=all", Kind::Recording.path());
    let call = format!("{public_url}{}#rc=5&rp=all", Kind::Call.path());
    tracing::info!(%recording, %call, "callback URLs to enter at Twilio");
    if config.ingest.accept_unsigned {
        tracing::warn!("ingest.accept_unsigned is on: signatures are not checked");
    } else if config.twilio.all_accounts().iter().all(|account| account.auth_tokens.is_empty()) {
        tracing::warn!(
            "no auth token is configured, so every callback will be refused: set \
             twilio.account_sid and twilio.auth_token"
        );
    }
}

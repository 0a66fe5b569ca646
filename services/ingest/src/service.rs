//! The service: from a request's body to an entry, and its life from start to stop.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chassis::{Process, Worker, queues::now_ms, serve::Server, telemetry};
use queue::{Durable, Enqueued, Link};
use tracing::{Instrument, Span};
use twilio::{Form, signature::Payload};

use crate::{
    Config, Durability, Gate, IngestSettings, Intake, Kind, Refusal,
    callbacks::{self, News, Work},
    enqueue, http,
    meters::Meters,
    queues::{MemoryMark, Queues},
};

/// How much longer than Redis's answer the disk may take, with `durability = "aof"`.
const DISK_TIMEOUT: Duration = Duration::from_secs(3);

/// Threads that take callbacks, each with all it needs. One Redis has work for two: it takes three
/// quarters of the time for a callback that a thread does.
const WORKERS: usize = 2;

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
    meters: Meters,
}

/// What comes to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) kind: Kind,
    /// Whether TwiML is expected.
    pub(crate) twiml: bool,
}

/// What was posted to a path.
#[derive(Clone, Copy)]
pub(crate) struct Posted<'a> {
    pub encoding: Encoding,
    pub body: &'a [u8],
    /// The signature that was shown.
    pub signature: Option<&'a str>,
    /// Below the public base.
    pub path: &'a str,
    /// Without its question mark.
    pub query: &'a str,
}

/// How the parameters of a callback are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Form,
    Json,
}

/// A callback that was taken.
pub(crate) struct Taken {
    pub(crate) work: Work,
    pub(crate) outcome: Outcome,
}

/// What became of a callback that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is stored.
    Accepted,
    /// It was stored before.
    Duplicate,
    /// It means nothing yet.
    Ignored,
}

impl Outcome {
    /// The name in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
        }
    }
}

impl Taken {
    /// What the log calls it. Operators look for the first of these sentences.
    pub(crate) fn in_words(&self) -> &'static str {
        match (&self.work.news, self.outcome) {
            (News::Ended { presumed: true, .. }, Outcome::Accepted) => {
                if self.work.call.call_status.is_none() {
                    "job enqueued: the callback has no CallStatus, so the call may be over"
                } else {
                    "job enqueued: the callback names no recording, so they are looked up"
                }
            }
            (News::Recorded { .. } | News::Ended { .. }, Outcome::Accepted) => "job enqueued",
            _ => "callback",
        }
    }
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
            meters: Meters::new(),
        }
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// What comes to this path, and the path below the public base. A prefix that looks like the
    /// beginning of our own paths is stripped only where the whole path is none of them.
    pub(crate) fn route<'p>(&self, path: &'p str) -> Option<(Route, &'p str)> {
        let known = |path: &'p str| Some((*self.routes.get(path)?, path));
        known(path).or_else(|| known(self.gate.below_base(path)))
    }

    /// Takes one callback: checks who sent it, reads it, and stores what it means.
    ///
    /// # Errors
    /// Why it is refused; then nothing is stored, or (after [`Refusal::Unavailable`]) nothing is
    /// known, and the same callback may come again without harm.
    pub(crate) async fn take(&self, route: Route, posted: Posted<'_>) -> Result<Taken, Refusal> {
        let work = self.read(route, posted)?;
        // The trace of the call begins here.
        let span = tracing::info_span!(
            "callback",
            otel.name = span_name(route.kind),
            otel.kind = "server",
            call_sid = work.call_sid.as_str(),
        );
        let outcome = self.store(&work).instrument(span).await?;
        Ok(Taken { work, outcome })
    }

    fn read(&self, route: Route, posted: Posted<'_>) -> Result<Work, Refusal> {
        let Posted { encoding, body, signature, path, query } = posted;
        let form = match encoding {
            Encoding::Form => Form::parse(body),
            Encoding::Json => Form::from_json(body).ok_or(Refusal::Json)?,
        };
        let payload = match encoding {
            Encoding::Form => Payload::Form(&form),
            Encoding::Json => Payload::Raw(body),
        };
        self.gate.admit(&form, payload, signature, path, query)?;
        let read = if route.twiml { callbacks::read_action } else { callbacks::read };
        Ok(read(route.kind, &form, now_ms())?)
    }

    async fn store(&self, work: &Work) -> Result<Outcome, Refusal> {
        let unavailable = |reason: String| Refusal::Unavailable { reason };
        let traceparent = telemetry::traceparent(&Span::current());
        let entry = enqueue::entry(&work.news, self.resolve_delay, traceparent)
            .map_err(|error| unavailable(error.to_string()))?;
        let Some((target, entry)) = entry else { return Ok(Outcome::Ignored) };
        let stored = tokio::time::timeout(self.enqueue_timeout, self.intake.enqueue(target, entry));
        match stored.await {
            // Of an end that comes again, what it says is kept; its look-up was enqueued before.
            Ok(Ok(Enqueued::Duplicate | Enqueued::InPart(_))) => Ok(Outcome::Duplicate),
            Ok(Ok(Enqueued::Added(_) | Enqueued::Scheduled)) => Ok(Outcome::Accepted),
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
    let server = Server::bind(&settings.http).await?.finishing_abandoned();
    let url = server.url()?;
    let public_url = match &settings.public_url {
        Some(public_url) => public_url.clone(),
        None => url.parse().map_err(anyhow::Error::msg)?,
    };
    say_where(&config, &public_url.to_string());
    report_queues(&link, &process);
    let mark = MemoryMark::default();
    let (check, stop) = (process.check("redis"), process.stop().clone());
    tokio::spawn(mark.clone().watch(link.clone(), settings.redis_high_water, check, stop));
    let gate = Gate::new(&config.twilio, public_url, settings.accept_unsigned);
    let on_disk = settings.durability == Durability::Aof;
    let durable = on_disk.then(|| Durable::new(link.clone()));
    let workers = (0..WORKERS).map(|_| Worker::start("callbacks"));
    let workers = workers.collect::<Result<Vec<_>, _>>()?;
    let places = workers.iter().map(|worker| {
        let _here = worker.runtime().enter();
        let intake = Queues::new(&link.apart(), durable.as_ref(), &mark);
        let ingest = Ingest::new(settings, gate.clone(), intake);
        (worker.runtime().clone(), http::endpoint(Arc::new(ingest)))
    });
    process.announce("ingest", url);
    process.check("ingest").ready();
    server.run_on(places.collect(), process.stop().clone()).await;
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

//! From the queue to the endpoint.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::queues::now_ms;
use chrono::Utc;
use queue::{Delivery, Failure, Handler, Queue, Settlement, Verdict};
use reqwest::{Client, StatusCode, header::RETRY_AFTER, redirect::Policy};
use sea_orm::{ActiveValue::NotSet, EntityTrait, IntoActiveModel};
use secrecy::ExposeSecret;

use super::{
    EndpointSettings, WebhookSettings, relay::Outgoing, share::Share, sign, target::PublicOnly,
};
use crate::{
    erasure,
    store::{Store, StoreError, entities::deliveries},
};

/// The longest an endpoint may put us off with `Retry-After`.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(3600);

/// About how long an event waits elsewhere whose endpoint is slow.
const PUT_OFF: Duration = Duration::from_secs(10);

/// How soon the database is asked again whether an event may be told.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Posts events to endpoints.
pub struct Deliverer {
    store: Store,
    queue: Queue,
    settings: Arc<WebhookSettings>,
    client: Client,
    /// Failures in a row, by endpoint.
    failures: Mutex<HashMap<String, u32>>,
    /// The endpoints' shares, by name.
    shares: HashMap<String, Share>,
}

/// What an endpoint answered, or why it did not.
struct Answer {
    status: Option<StatusCode>,
    error: Option<String>,
    retry_after: Option<Duration>,
}

impl Deliverer {
    /// A deliverer with a client that follows no redirect and, unless allowed, reaches public
    /// addresses only.
    pub fn new(store: Store, queue: Queue, settings: Arc<WebhookSettings>) -> anyhow::Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("callscribe/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(settings.timeout_seconds));
        let client = if settings.allow_private_targets {
            client
        } else {
            client.https_only(true).dns_resolver(Arc::new(PublicOnly))
        };
        let names = settings.endpoints.iter().map(|endpoint| endpoint.name.clone());
        let shares = names.map(|name| (name, Share::new())).collect();
        let failures = Mutex::default();
        Ok(Self { store, queue, settings, client: client.build()?, failures, shares })
    }

    async fn deliver(&self, delivery: &Delivery, outgoing: &Outgoing) -> Settlement {
        let Some(endpoint) = self.settings.endpoint(&outgoing.endpoint) else {
            return dead("unknown_endpoint", "no endpoint of this name is configured any more");
        };
        if let Some(wait) = self.left_alone(&endpoint.name).await {
            if self.is_too_old(delivery) {
                return dead("given_up", format!("{}: left alone for too long", endpoint.name));
            }
            let failure = Failure::new("endpoint_left_alone", "the endpoint failed too often");
            return Verdict::Retry { after: Some(wait), failure, counts: false }.into();
        }
        let _turn = match self.shares.get(&endpoint.name) {
            None => None,
            Some(share) => match share.turn().await {
                Some(turn) => Some(turn),
                None if self.is_too_old(delivery) => {
                    return dead("given_up", format!("{}: slow for too long", endpoint.name));
                }
                None => {
                    let failure = Failure::new("endpoint_slow", "earlier events take their time");
                    let after = Some(PUT_OFF.mul_f64(0.5 + fastrand::f64()));
                    return Verdict::Retry { after, failure, counts: false }.into();
                }
            },
        };
        let told_of = [Some(&outgoing.event_id), outgoing.call_sid.as_ref()];
        let told_of = told_of.into_iter().flatten().map(String::as_str);
        match erasure::buried(self.store.reader(), told_of).await {
            Ok(buried) if buried.is_empty() => {}
            Ok(_) => return Settlement::done(),
            // Whether it may still be told is not known.
            Err(error) => {
                let failure = Failure::new("database_unavailable", error.to_string());
                return Verdict::Retry { after: Some(ASK_AGAIN), failure, counts: false }.into();
            }
        }
        let begun = Instant::now();
        let answer = self.post(endpoint, outgoing).await;
        let row = log_row(delivery, outgoing, &answer, begun.elapsed());
        if let Err(error) = self.log(row).await {
            // The event went out all the same; only the log of it has a gap.
            tracing::warn!(event_id = outgoing.event_id, %error, "a delivery was not logged");
        }
        self.settle(delivery, endpoint, answer)
    }

    async fn post(&self, endpoint: &EndpointSettings, outgoing: &Outgoing) -> Answer {
        let failed =
            |error: &str| Answer { status: None, error: Some(error.to_owned()), retry_after: None };
        let Ok(secret) = endpoint.secret.expose_secret().parse() else {
            return failed("the endpoint's secret cannot be used");
        };
        let timestamp = Utc::now().timestamp();
        let signature = sign(&secret, &outgoing.event_id, timestamp, &outgoing.body);
        let sent = self
            .client
            .post(&endpoint.url)
            .header("content-type", "application/json")
            .header("webhook-id", &outgoing.event_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(outgoing.body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => {
                let seconds = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
                let retry_after = seconds.and_then(|v| v.parse().ok()).map(Duration::from_secs);
                let status = response.status();
                let error = (!status.is_success()).then(|| format!("answered {status}"));
                Answer { status: Some(status), error, retry_after }
            }
            Err(error) if error.is_timeout() => failed("no answer in time"),
            Err(error) if error.is_connect() => failed("no connection"),
            Err(_) => failed("the connection broke"),
        }
    }

    /// How long the endpoint is still left alone.
    async fn left_alone(&self, endpoint: &str) -> Option<Duration> {
        // Without an answer the endpoint is tried: the pause only spares it.
        let pause = self.queue.pauses().await.ok()?.remove(&pause_of(endpoint))?;
        let left = pause.until_ms?.saturating_sub(now_ms());
        u64::try_from(left).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
    }

    fn settle(
        &self,
        delivery: &Delivery,
        endpoint: &EndpointSettings,
        answer: Answer,
    ) -> Settlement {
        let Some(error) = answer.error else {
            self.count(&endpoint.name, true);
            return Settlement::done();
        };
        let failures = self.count(&endpoint.name, false);
        if answer.status == Some(StatusCode::GONE) {
            return dead("endpoint_gone", "the endpoint answered 410: it wants no more events");
        }
        if self.is_too_old(delivery) {
            return dead("given_up", format!("{}: {error}", endpoint.name));
        }
        let failure = Failure::new("webhook_failed", format!("{}: {error}", endpoint.name));
        if failures.is_multiple_of(self.settings.circuit_failures) {
            tracing::warn!(endpoint = endpoint.name, failures, "endpoint left alone for a while");
            let wait = Duration::from_secs(self.settings.circuit_seconds);
            return Verdict::Park { by: pause_of(&endpoint.name), wait, failure }.into();
        }
        let after = answer.retry_after.map(|wait| wait.min(LONGEST_PUT_OFF));
        Verdict::Retry { after, failure, counts: true }.into()
    }

    fn is_too_old(&self, delivery: &Delivery) -> bool {
        let age_ms = u64::try_from(now_ms().saturating_sub(delivery.born_ms)).unwrap_or_default();
        age_ms >= self.settings.give_up_after_seconds.saturating_mul(1000)
    }

    /// Failures in a row, this one included.
    fn count(&self, endpoint: &str, worked: bool) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(endpoint.to_owned()).or_default();
        *count = if worked { 0 } else { count.saturating_add(1) };
        *count
    }

    async fn log(&self, row: deliveries::Model) -> Result<(), StoreError> {
        let transaction = self.store.begin().await?;
        let row = deliveries::ActiveModel { id: NotSet, ..row.into_active_model() };
        deliveries::Entity::insert(row).exec_without_returning(&transaction).await?;
        Ok(transaction.commit().await?)
    }
}

impl Handler for Deliverer {
    async fn handle(&self, delivery: Delivery) -> Settlement {
        match serde_json::from_str(&delivery.body) {
            Ok(outgoing) => self.deliver(&delivery, &outgoing).await,
            Err(_) => dead("malformed_event", "the entry is no event on its way out"),
        }
    }
}

fn log_row(
    delivery: &Delivery,
    outgoing: &Outgoing,
    answer: &Answer,
    took: Duration,
) -> deliveries::Model {
    deliveries::Model {
        id: 0,
        event_id: outgoing.event_id.clone(),
        endpoint: outgoing.endpoint.clone(),
        attempt: delivery.attempt.into(),
        status_code: answer.status.map(|status| status.as_u16().into()),
        error: answer.error.clone(),
        took_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        attempted_at: Utc::now(),
    }
}

fn pause_of(endpoint: &str) -> String {
    format!("endpoint:{endpoint}")
}

fn dead(code: &str, message: impl Into<String>) -> Settlement {
    Verdict::Dead { failure: Failure::new(code, message) }.into()
}

//! Events out: from the outbox to the webhooks of whoever wants to know.
//!
//! The projection writes events into the outbox in its own transaction. [`relay`] puts them onto a
//! queue of their own, once for each endpoint, and marks them. [`deliver`] takes them from there,
//! signed after the Standard Webhooks specification, and tries for a day. Whatever dies between
//! two steps is taken up again: by the mark that is missing, or by the queue.

mod deliver;
mod relay;
mod settings;
mod share;
mod sign;
mod target;
mod waiting;

use std::sync::Arc;

use queue::{ConsumerOptions, Link, Queue, QueueOptions};
use tokio_util::sync::CancellationToken;

pub(crate) use relay::Outgoing;
pub use settings::{EndpointSettings, WebhookSettings};
pub use sign::{Secret, WrongSecret, sign};
pub use target::is_public;

use crate::store::Store;

/// Name of the queue that carries events on their way out.
pub const WEBHOOKS: &str = "webhooks";

/// The queue of events on their way out.
pub fn queue(link: Link) -> Queue {
    Queue::new(link, WEBHOOKS, QueueOptions::default())
}

/// Relays and delivers until `stop` is cancelled.
///
/// # Errors
/// When a setting cannot be used.
pub async fn run(
    store: Store,
    queue: Queue,
    settings: Arc<WebhookSettings>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let deliverer = deliver::Deliverer::new(store.clone(), queue.clone(), settings.clone())?;
    let options = ConsumerOptions {
        // Room for every endpoint's share, and to put off what is beyond it.
        concurrency: share::DELIVERIES * (settings.endpoints.len() + 1),
        // The day's limit is kept by the deliverer: it goes by age, not by number.
        max_attempts: u32::MAX,
        // A process that is killed thrice says nothing about the events it had in hand.
        max_deliveries: u32::MAX,
        backoff: settings.first_retry(),
        max_backoff: settings.longest_retry(),
        ..ConsumerOptions::default()
    };
    let telling = waiting::tell(store.clone(), stop.clone());
    let relaying = relay::run(store, queue.clone(), settings, stop.clone());
    let delivering = queue::consume(queue, options, deliverer, stop);
    let ((), (), delivered) = tokio::join!(telling, relaying, delivering);
    Ok(delivered?)
}

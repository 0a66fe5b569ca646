//! Live changes as server-sent events, read from the outbox: whichever replica wrote a change, every
//! listener of every replica is told.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warp::{http::HeaderValue, reply::Response};

use super::{
    Api, Problem, Request,
    kind::Kind,
    route::{Answer, Content, Parameter, Route},
    streaming,
};
use crate::store::{Store, entities::outbox::Model};

/// How often the outbox is looked at, and something is sent at least.
const LOOK: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes read in one go.
const CHANGES: u64 = 100;
/// The first words to a listener: how long to wait before coming again, in milliseconds.
const WELCOME: &str = "retry: 2000\n: listening\n\n";

/// What it serves.
pub const ROUTES: &[Route] = &[Route {
    summary: "Changes as they happen",
    description: "Server-sent events `call.completed`, `call.failed` and `lead.updated`; the data \
                  is the body of the webhook of the same name, with its `id`. Resume with the id \
                  of the last event received, in the header that browsers send on their own or in \
                  `after`; changes are kept for `results.webhooks.keep_days`. An id beyond the \
                  last change is one of a database that was lost or restored: everything that is \
                  kept is sent. A comment every 15 seconds shows that the line stands.",
    query: &[Parameter::new(
        "after",
        Kind::RowCursor,
        "Id of the last event received; only what happens from now on unless given.",
    )],
    headers: &[Parameter::new("last-event-id", Kind::RowCursor, "The same; it counts first.")],
    answers: &[Answer {
        status: 200,
        description: "Events, until either side ends it.",
        content: &[("text/event-stream", Content::Text)],
        headers: &[],
    }],
    ..Route::get("/v1/events", "listen", |api, request| Box::pin(listen(api, request)))
}];

async fn listen(api: &Api, request: &Request) -> Result<Response, Problem> {
    let place = streaming::take(&api.places.listeners)?;
    let resumed: Option<i64> = request.params.parsed("last-event-id")?;
    let last = api.store.last_change().await?;
    let after = match resumed.or(request.params.parsed("after")?) {
        // An id of a database that was lost or restored: all that happened in this one is news.
        Some(after) if after > last => 0,
        Some(after) => after,
        None => last,
    };
    let listener = Listener {
        store: api.store.clone(),
        stop: api.stop.clone(),
        after,
        unsent: VecDeque::from([Bytes::from_static(WELCOME.as_bytes())]),
        sent: Instant::now(),
    };
    let mut response = streaming::response("text/event-stream", listener.events(), place);
    // A proxy that collects an answer before it sends it on would keep the events.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Listener {
    store: Store,
    stop: CancellationToken,
    after: i64,
    unsent: VecDeque<Bytes>,
    sent: Instant,
}

impl Listener {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let piece = listener.next().await?;
            listener.sent = Instant::now();
            Some((Ok(piece), listener))
        })
    }

    /// What to send next; `None` when the process stops.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.unsent.pop_front() {
                return Some(piece);
            }
            // A database that is away is told by readiness; listeners wait for it.
            if let Ok(changes) = self.store.changes_after(self.after, CHANGES).await {
                self.after = changes.last().map_or(self.after, |change| change.seq);
                self.unsent.extend(changes.iter().map(written));
            }
            if !self.unsent.is_empty() {
                continue;
            }
            if self.sent.elapsed() >= HEARTBEAT {
                return Some(Bytes::from_static(b": still here\n\n"));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.stop.cancelled() => return None,
            }
        }
    }
}

/// Source: the HTML standard, "Server-sent events". JSON has no line breaks of its own.
fn written(change: &Model) -> Bytes {
    let mut data = change.payload.clone();
    if let Value::Object(fields) = &mut data {
        fields.insert("id".into(), change.event_id.clone().into());
    }
    format!("id: {}\nevent: {}\ndata: {data}\n\n", change.seq, change.event_type).into()
}

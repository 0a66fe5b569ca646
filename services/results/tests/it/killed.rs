//! The real binary, killed between any two steps from an event in to an event out.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use callscribe_results::{outbound, store::entities::outbox};
use chassis::{
    queues,
    serve::{HttpSettings, Server},
};
use queue::{Link, Queue};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use warp::{Filter, http::HeaderMap};

use crate::support::{Db, events::usual, eventually, on_both, service::Redis};

const T: i64 = 1_790_000_000_000;
const CALLS: u32 = 12;

/// A customer's server that answers only while it is let.
#[derive(Clone, Default)]
struct Receiver {
    /// Bodies by event, each with how often it came.
    told: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    is_silent: Arc<AtomicBool>,
}

impl Receiver {
    async fn start(&self, stop: &CancellationToken) -> String {
        let server = Server::bind(&HttpSettings::default()).await.unwrap();
        let url = format!("{}/hook", server.url().unwrap());
        let receiver = self.clone();
        let routes = warp::post()
            .and(warp::header::headers_cloned())
            .and(warp::body::bytes())
            .then(move |headers: HeaderMap, body: bytes::Bytes| {
                let receiver = receiver.clone();
                async move {
                    let id = headers["webhook-id"].to_str().unwrap().to_owned();
                    let body = String::from_utf8(body.into()).unwrap();
                    receiver.told.lock().unwrap().entry(id).or_default().push(body);
                    if receiver.is_silent.load(Ordering::Relaxed) {
                        std::future::pending::<()>().await;
                    }
                    http::Response::builder().status(204).body("").unwrap()
                }
            });
        tokio::spawn(server.run(warp::service(routes), stop.clone()));
        url
    }

    fn ids(&self) -> BTreeSet<String> {
        self.told.lock().unwrap().keys().cloned().collect()
    }

    fn requests(&self) -> usize {
        self.told.lock().unwrap().values().map(Vec::len).sum()
    }
}

struct World {
    db: Db,
    redis: Redis,
    results: Queue,
    webhooks: Queue,
    receiver: Receiver,
    folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl World {
    async fn new(db: Db) -> Self {
        let redis = Redis::start().await;
        let link = Link::open(&redis.settings()).await.unwrap();
        let (stop, receiver) = (CancellationToken::new(), Receiver::default());
        let url = receiver.start(&stop).await;
        let folder = tempfile::tempdir().unwrap();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let settings = format!(
            "[results.webhooks]\nallow_private_targets = true\nfirst_retry_ms = 1\n\
             [[results.webhooks.endpoints]]\nname = \"crm\"\nurl = \"{url}\"\nsecret = \"{secret}\"\n"
        );
        std::fs::write(folder.path().join("callscribe.toml"), settings).unwrap();
        Self {
            db,
            redis,
            results: queues::results(link.clone()),
            webhooks: outbound::queue(link),
            receiver,
            folder,
            _stop: stop.drop_guard(),
        }
    }

    fn start(&self) -> Killed {
        let child = Command::new(env!("CARGO_BIN_EXE_callscribe-results"))
            .current_dir(self.folder.path())
            .env("CALLSCRIBE_REDIS__URL", self.redis.url())
            .env("CALLSCRIBE_RESULTS__DATABASE__URL", self.db.settings.url.expose_secret())
            .env("CALLSCRIBE_RESULTS__API__LISTEN", "127.0.0.1:0")
            .env("CALLSCRIBE_OPS__LISTEN", "127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Killed(child)
    }

    async fn publish(&self, first: u32) {
        let calls = first..first + CALLS;
        let events = calls.flat_map(|n| {
            let caller = format!("+1512555{n:04}");
            usual(n, T + i64::from(n), &caller, "Austin")
        });
        let entries = events.map(|event| queues::event_entry(&event, None).unwrap());
        self.results.enqueue_batch(entries.collect()).await.unwrap();
    }

    /// What a minute without the dead process does.
    async fn end_leases(&self) {
        for queue in [&self.results, &self.webhooks] {
            queue.end_leases().await.unwrap();
        }
    }

    async fn not_relayed(&self) -> u64 {
        let find = outbox::Entity::find().filter(outbox::Column::RelayedAt.is_null());
        find.count(self.db.store.reader()).await.unwrap()
    }

    async fn out(&self) -> u64 {
        let stats = self.webhooks.stats().await.unwrap();
        stats.waiting_live + stats.in_flight + stats.scheduled
    }
}

/// SIGKILL at the end of its scope.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

on_both! {
    async fn a_kill_between_any_two_steps_loses_no_event_and_repeats_it_with_the_same_id(db: Db) {
        let world = World::new(db).await;
        let receiver = &world.receiver;

        // With events in hand, before their rows are there.
        let process = world.start();
        eventually("it is up", || async {
            world.results.stats().await.unwrap().consumers > 0
        })
        .await;
        let blocked = world.db.store.begin().await.unwrap();
        world.publish(1).await;
        eventually("events are in hand", || async {
            world.results.stats().await.unwrap().in_flight > 0
        })
        .await;
        drop(process);
        blocked.rollback().await.unwrap();
        assert_eq!(world.not_relayed().await, 0);
        world.end_leases().await;

        // With events in the outbox that nobody has handed on: the queue is not there.
        receiver.is_silent.store(true, Ordering::Relaxed);
        let process = world.start();
        eventually("the outbox is filled", || async {
            world.not_relayed().await > 0 || world.out().await > 0
        })
        .await;
        drop(process);
        world.end_leases().await;

        // While the endpoint has the request and has not answered.
        world.publish(101).await;
        let process = world.start();
        eventually("requests came", || async { receiver.requests() >= 3 }).await;
        drop(process);
        assert!(receiver.requests() > 0);
        world.end_leases().await;

        // Handed on, and the mark lost with the crash: handed on once more, and known.
        world.db.execute("UPDATE outbox SET relayed_at = NULL").await;

        // In the midst of it.
        receiver.is_silent.store(false, Ordering::Relaxed);
        world.publish(201).await;
        let before = receiver.requests();
        let process = world.start();
        eventually("some went out", || async { receiver.requests() > before + 10 }).await;
        drop(process);
        world.end_leases().await;

        let process = world.start();
        let expected = usize::try_from(3 * CALLS * 2).unwrap();
        eventually("every event arrived", || async { receiver.ids().len() >= expected }).await;
        eventually("nothing is left", || async {
            let stats = world.results.stats().await.unwrap();
            world.not_relayed().await == 0
                && world.out().await == 0
                && stats.waiting_live + stats.in_flight + stats.scheduled == 0
        })
        .await;
        drop(process);
        let written: BTreeSet<String> =
            world.db.outbox().await.into_iter().map(|event| event.event_id).collect();
        assert_eq!(written.len(), expected, "one completed call and one lead each");
        assert_eq!(receiver.ids(), written);
        for (id, bodies) in receiver.told.lock().unwrap().iter() {
            assert!(bodies.iter().all(|body| *body == bodies[0]), "{id} changed: {bodies:?}");
        }
    }
}

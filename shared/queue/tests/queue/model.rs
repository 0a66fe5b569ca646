//! The queue against a model: random operations, crashes, restarts and the passing of time, on a
//! real redis-server. After every step, each entry is in exactly one state.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use callscribe_queue::{
    ConsumerOptions, Delivery, Enqueued, Entry, Failure, Handler, Queue, QueueOptions, Selection,
    Settlement, Verdict,
};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use tokio::sync::{mpsc, oneshot};

use crate::support::{Redis, Running, eventually, quick};

#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        key: u8,
        bulk: bool,
        delay_ms: u64,
    },
    StartWorker,
    CrashWorker(usize),
    StopWorker(usize),
    Finish {
        which: usize,
        outcome: Outcome,
    },
    KillRedis,
    CutConnections,
    FlushScripts,
    Pause,
    Resume,
    RedriveAll,
    DiscardOne,
    /// Long enough for a lease to run out.
    WaitForALease,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Done,
    Retry,
    RetryUncounted,
    Dead,
    Park,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Done),
        4 => Just(Outcome::Retry),
        1 => Just(Outcome::RetryUncounted),
        1 => Just(Outcome::Dead),
        1 => Just(Outcome::Park),
    ];
    let step = prop_oneof![
        8 => (0..30_u8, any::<bool>(), prop_oneof![2 => Just(0), 1 => 1..60_u64])
            .prop_map(|(key, bulk, delay_ms)| Step::Enqueue { key, bulk, delay_ms }),
        3 => Just(Step::StartWorker),
        2 => any::<usize>().prop_map(Step::CrashWorker),
        1 => any::<usize>().prop_map(Step::StopWorker),
        12 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Finish { which, outcome }),
        1 => Just(Step::KillRedis),
        1 => Just(Step::CutConnections),
        1 => Just(Step::FlushScripts),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => Just(Step::RedriveAll),
        1 => Just(Step::DiscardOne),
        1 => Just(Step::WaitForALease),
    ];
    vec(step, 10..40)
}

/// Hands each delivery to the test, which decides.
struct Asking(mpsc::UnboundedSender<Job>);

struct Job {
    delivery: Delivery,
    answer: oneshot::Sender<Settlement>,
}

impl Handler for Asking {
    async fn handle(&self, delivery: Delivery) -> Settlement {
        let (answer, decision) = oneshot::channel();
        let _ = self.0.send(Job { delivery, answer });
        match decision.await {
            Ok(settlement) => settlement,
            Err(_) => std::future::pending().await,
        }
    }
}

/// What is known of an entry that was accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    counted_failures: u32,
    redrives: u32,
}

/// Where the copies of each key are: state and attempt.
type Places = BTreeMap<String, Vec<(&'static str, u32)>>;

struct World {
    redis: Redis,
    queue: Queue,
    workers: Vec<Running>,
    asked: mpsc::UnboundedReceiver<Job>,
    asking: mpsc::UnboundedSender<Job>,
    jobs: Vec<Job>,
    entries: HashMap<String, Known>,
    discarded: BTreeSet<String>,
}

impl World {
    async fn new() -> Self {
        let redis = Redis::durable().await;
        let queue = redis.queue("calls").await;
        let (asking, asked) = mpsc::unbounded_channel();
        Self {
            redis,
            queue,
            workers: Vec::new(),
            asked,
            asking,
            jobs: Vec::new(),
            entries: HashMap::new(),
            discarded: BTreeSet::new(),
        }
    }

    fn options() -> ConsumerOptions {
        ConsumerOptions {
            concurrency: 3,
            max_attempts: 3,
            grace: Duration::from_millis(20),
            ..quick()
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Enqueue { key, bulk, delay_ms } => self.enqueue(*key, *bulk, *delay_ms).await,
            Step::StartWorker if self.workers.len() < 3 => {
                // A process of its own, as far as Redis can tell.
                let queue = Queue::new(self.redis.link().await, "calls", QueueOptions::default());
                let handler = Asking(self.asking.clone());
                self.workers.push(Running::start(&queue, Self::options(), handler));
            }
            Step::CrashWorker(which) if !self.workers.is_empty() => {
                self.workers.swap_remove(which % self.workers.len()).crash().await;
            }
            Step::StopWorker(which) if !self.workers.is_empty() => {
                self.workers.swap_remove(which % self.workers.len()).stop().await;
            }
            Step::Finish { which, outcome } => self.finish(*which, *outcome).await,
            Step::KillRedis => self.redis.restart().await,
            Step::CutConnections => {
                let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
                self.redis.raw::<redis::Value>(&kill).await;
            }
            Step::FlushScripts => self.redis.raw::<()>(&["SCRIPT", "FLUSH"]).await,
            Step::Pause => {
                self.settled(async |queue| queue.pause("operator", None, "test").await.is_ok())
                    .await;
            }
            Step::Resume => {
                self.settled(async |queue| queue.resume("operator").await.is_ok()).await;
            }
            Step::RedriveAll => self.redrive_all().await,
            Step::DiscardOne => self.discard_one().await,
            Step::WaitForALease if !self.workers.is_empty() => {
                let begin = tokio::time::Instant::now();
                eventually("a lease passes", async || begin.elapsed() > World::options().lease * 2)
                    .await;
            }
            _ => {}
        }
    }

    /// Tries until Redis takes it.
    async fn settled(&self, mut attempt: impl AsyncFnMut(&Queue) -> bool) {
        eventually("Redis takes it", async || attempt(&self.queue).await).await;
    }

    async fn enqueue(&mut self, key: u8, bulk: bool, delay_ms: u64) {
        let key = key.to_string();
        let mut entry = Entry::new(&key, "{}")
            .once(&key, Duration::from_secs(3_600))
            .delayed(Duration::from_millis(delay_ms));
        if bulk {
            entry = entry.bulk();
        }
        let mut answer = None;
        self.settled(async |queue| {
            answer = queue.enqueue(entry.clone()).await.ok();
            answer.is_some()
        })
        .await;
        let known = self.entries.insert(key.clone(), Known::default());
        match known {
            Some(known) => {
                self.entries.insert(key, known);
                assert_eq!(answer, Some(Enqueued::Duplicate));
            }
            None if delay_ms > 0 => {
                // After an answer that was lost, its repetition is a duplicate.
                assert_ne!(answer.map(|a| matches!(a, Enqueued::Added(_))), Some(true));
            }
            None => assert_ne!(answer, Some(Enqueued::Scheduled)),
        }
    }

    fn gather(&mut self) {
        while let Ok(job) = self.asked.try_recv() {
            let known = self.entries[&job.delivery.key];
            assert_eq!(job.delivery.attempt, known.counted_failures + 1, "{:?}", job.delivery);
            assert_eq!(job.delivery.redrive, known.redrives, "{:?}", job.delivery);
            assert!((1..=Self::options().max_deliveries).contains(&job.delivery.deliveries));
            self.jobs.push(job);
        }
        self.jobs.retain(|job| !job.delivery.abandoned.is_cancelled() && !job.answer.is_closed());
    }

    /// Decides one job, and waits for the decision to show, or for the job to be somebody else's.
    async fn finish(&mut self, which: usize, outcome: Outcome) {
        self.gather();
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs.swap_remove(which % self.jobs.len());
        let (key, attempt) = (job.delivery.key.clone(), job.delivery.attempt);
        let failure = Failure::new("made_up", "by the test");
        let verdict = match outcome {
            Outcome::Done => Verdict::Done,
            Outcome::Retry => Verdict::Retry { after: None, failure, counts: true },
            Outcome::RetryUncounted => {
                Verdict::Retry { after: Some(Duration::ZERO), failure, counts: false }
            }
            Outcome::Dead => Verdict::Dead { failure },
            Outcome::Park => {
                Verdict::Park { by: "engine".into(), wait: Duration::from_millis(5), failure }
            }
        };
        let mut settlement = Settlement::from(verdict);
        if matches!(outcome, Outcome::Done) {
            settlement = settlement.emit("results", Entry::new(&key, ""));
        }
        let exhausts = matches!(outcome, Outcome::Retry) && attempt >= Self::options().max_attempts;
        let id = job.delivery.id.clone();
        if job.answer.send(settlement).is_err() {
            return;
        }
        let mut took_effect = false;
        eventually("the decision shows, or the lease is lost", async || {
            let pending: Vec<redis::Value> = {
                let stream = ["{test}:calls", "{test}:calls:bulk"];
                let lane = stream[usize::from(job.delivery.lane == callscribe_queue::Lane::Bulk)];
                self.redis
                    .try_raw(&["XRANGE", lane, &id, &id])
                    .await
                    .unwrap_or_else(|_| vec![redis::Value::Nil])
            };
            took_effect = pending.is_empty();
            took_effect || job.delivery.abandoned.is_cancelled()
        })
        .await;
        if !took_effect {
            return;
        }
        if matches!(outcome, Outcome::Retry) && !exhausts {
            self.entries.get_mut(&key).unwrap().counted_failures += 1;
        }
    }

    async fn redrive_all(&mut self) {
        let dead = self.dead().await;
        self.settled(async |queue| queue.redrive(&Selection::All).await.is_ok()).await;
        for key in dead {
            let known = self.entries.get_mut(&key).unwrap();
            *known = Known { counted_failures: 0, redrives: known.redrives + 1 };
        }
    }

    async fn discard_one(&mut self) {
        let Ok(letters) = self.queue.dead_letters(None, 1).await else { return };
        let Some(letter) = letters.into_iter().next() else { return };
        let one = Selection::One(letter.id);
        self.settled(async |queue| queue.discard(&one).await.is_ok()).await;
        self.discarded.insert(letter.key);
    }

    async fn dead(&self) -> Vec<String> {
        let places = self.places().await;
        let is_dead = |places: &[(&str, u32)]| places.iter().any(|(state, _)| *state == "dead");
        places.into_iter().filter(|(_, places)| is_dead(places)).map(|(key, _)| key).collect()
    }

    /// All copies of all entries, at one instant.
    async fn places(&self) -> Places {
        let script = "local found = {}
            for _, name in ipairs({'live', 'bulk', 'dead', 'results'}) do
              local key = ({live='{test}:calls', bulk='{test}:calls:bulk',
                dead='{test}:calls:dead', results='{test}:results'})[name]
              for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
                local fields = {}
                for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
                found[#found + 1] = { name, fields.key, fields.attempt or '1' }
              end
            end
            for _, member in ipairs(redis.call('ZRANGE', '{test}:calls:retry', 0, -1)) do
              local entry = cjson.decode(member)
              found[#found + 1] = { 'retry', entry.key, entry.attempt }
            end
            return found";
        let mut found: Vec<(String, String, u32)> = Vec::new();
        eventually("a snapshot", async || match self.redis.try_raw(&["EVAL", script, "0"]).await {
            Ok(all) => {
                found = all;
                true
            }
            Err(_) => false,
        })
        .await;
        let mut places = Places::new();
        for (state, key, attempt) in found {
            let state = ["live", "bulk", "dead", "results", "retry"]
                .into_iter()
                .find(|known| *known == state)
                .unwrap();
            places.entry(key).or_default().push((state, attempt));
        }
        places
    }

    /// The property.
    async fn check(&self) {
        let places = self.places().await;
        for key in self.entries.keys() {
            let copies = places.get(key).map_or(&[][..], Vec::as_slice);
            let expected = usize::from(!self.discarded.contains(key));
            assert_eq!(copies.len(), expected, "entry {key} is in {copies:?}");
        }
        assert!(places.keys().all(|key| self.entries.contains_key(key)), "{places:?}");
    }

    /// Everything that is left gets done, by one worker that succeeds.
    async fn finish_all(mut self) {
        for worker in self.workers.drain(..) {
            worker.crash().await;
        }
        self.take(&Step::Resume).await;
        self.redrive_all().await;
        let handler = crate::support::Each(|delivery: Delivery| async move {
            Settlement::done().emit("results", Entry::new(delivery.key, ""))
        });
        let options = ConsumerOptions { max_deliveries: 99, ..Self::options() };
        let worker = Running::start(&self.queue, options, handler);
        eventually("all is done", async || {
            let Ok(stats) = self.queue.stats().await else { return false };
            stats.waiting_live + stats.waiting_bulk + stats.in_flight + stats.scheduled == 0
        })
        .await;
        worker.stop().await;
        self.check().await;
        assert_eq!(self.queue.stats().await.unwrap().dead, 0);
        let results = self.redis.entries("{test}:results").await.len();
        assert_eq!(results, self.entries.len() - self.discarded.len());
        let indexes = ["EXISTS", "{test}:calls:born", "{test}:calls:retry:born"];
        let left: u64 = self.redis.raw(&indexes).await;
        assert_eq!(left, 0, "nothing is left in the indexes of births");
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 16,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn whatever_happens_each_entry_is_in_exactly_one_state(steps in steps()) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.take(step).await;
                world.check().await;
            }
            world.finish_all().await;
        });
    }
}

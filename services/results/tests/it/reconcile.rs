//! The comparison with Twilio's list.

mod backfill;
mod losses;

use callscribe_results::{
    erasure,
    reconcile::{Backfill, Progress, ReconcileError, ReconcileSettings, Reconciler, Summary},
    store::{
        Store,
        entities::{reconcile_marks, tombstones},
    },
};
use chassis::queues;
use chrono::{Days, NaiveDate, Utc};
use domain::{AccountSid, CallJob, EventKind, JobSource};
use queue::{Link, Queue};
use sea_orm::{ActiveValue::Set, EntityTrait};
use tokio_util::sync::CancellationToken;
use twilio::{
    Client, RecordingStatus, TwilioSettings,
    double::{Double, DoubleRecording, Fault},
};

use crate::support::{
    Db,
    events::{account, call_sid, no_speech, of_call, of_recording, queued, recording_sid},
    on_both,
    service::Redis,
};

const HOUR_MS: i64 = 3600 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A database, a queue, and a Twilio with recordings.
struct World {
    db: Db,
    redis: Redis,
    calls: Queue,
    twilio: Double,
}

impl World {
    async fn new(db: Db) -> Self {
        chassis::install_tls();
        let redis = Redis::start().await;
        let calls = queues::calls(Link::open(&redis.settings()).await.unwrap());
        let twilio = Double::start(account_sid(), "token").await.unwrap();
        Self { db, redis, calls, twilio }
    }

    fn reconciler(&self) -> Reconciler {
        self.with(self.twilio.settings(), ReconcileSettings::default(), CancellationToken::new())
    }

    fn with(
        &self,
        twilio: TwilioSettings,
        settings: ReconcileSettings,
        stop: CancellationToken,
    ) -> Reconciler {
        let client = Client::new(&twilio).unwrap();
        let settings = ReconcileSettings { max_per_second: 1000, ..settings };
        Reconciler::new(self.db.store.clone(), self.calls.clone(), client, settings, stop)
    }

    /// Adds a recording made at some time, of a call with the same number.
    fn add_at(&self, n: u32, at_ms: i64, status: RecordingStatus) {
        let sid = recording_sid(n).parse().unwrap();
        let call = call_sid(n).parse().unwrap();
        let mut made = DoubleRecording::new(sid, call, "RIFF");
        made.start_time_ms = at_ms;
        made.status = status;
        self.twilio.add_recording(made);
    }

    /// Adds a recording made an hour ago.
    fn add(&self, n: u32, status: RecordingStatus) {
        self.add_at(n, queues::now_ms() - HOUR_MS, status);
    }

    async fn erase(&self, sid: &str) {
        let row = tombstones::ActiveModel {
            sid_hash: Set(erasure::hash(sid)),
            created_at: Set(Utc::now()),
        };
        let transaction = self.db.store.begin().await.unwrap();
        tombstones::Entity::insert(row).exec(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn waiting_in_bulk(&self) -> u64 {
        self.calls.stats().await.unwrap().waiting_bulk
    }

    /// Replaces Redis by one that knows nothing.
    async fn lose_redis(&mut self) {
        self.redis = Redis::start().await;
        self.calls = queues::calls(Link::open(&self.redis.settings()).await.unwrap());
    }

    /// Ends all work, with its outcomes persisted into a database that is lost then.
    async fn lose_database(&mut self) {
        for queue in [&self.calls, &queues::results(self.calls.link().clone())] {
            queue.erase(|_| true).await.unwrap();
        }
        self.db = Db::sqlite().await;
    }

    /// The jobs that wait, as the queue's entries have them.
    async fn jobs(&self) -> Vec<CallJob> {
        let mut jobs = Vec::new();
        let read = |kept: &queue::Kept| jobs.push(serde_json::from_str(&kept.body).unwrap());
        self.calls.look_through(read).await.unwrap();
        jobs.dedup();
        jobs
    }
}

fn account_sid() -> AccountSid {
    account().parse().unwrap()
}

async fn mark_ms(store: &Store) -> i64 {
    let scope = format!("reconcile:{}", account());
    let row = reconcile_marks::Entity::find_by_id(scope).one(store.reader()).await.unwrap();
    row.unwrap().mark_ms
}

async fn pass(reconciler: &Reconciler) -> Summary {
    reconciler.pass(&account_sid()).await.unwrap().unwrap()
}

on_both! {
    async fn what_twilio_lists_and_we_lack_is_enqueued_in_the_bulk_lane_once(db: Db) {
        let world = World::new(db).await;
        world.twilio.limit_page_size(2);
        for n in 1..=5 {
            world.add(n, RecordingStatus::Completed);
        }
        world.add(6, RecordingStatus::Processing);
        world.add(7, RecordingStatus::Absent);
        world.db.persist(&[of_recording(1, 1, (0, 0, 1), 1, no_speech())]).await.unwrap();
        world.erase(&recording_sid(2)).await;
        world.erase(&call_sid(3)).await;

        let reconciler = world.reconciler();
        let expected = Summary {
            listed: 7,
            known: 1,
            erased: 2,
            pending: 1,
            without_media: 1,
            enqueued: 2,
            ..Default::default()
        };
        assert_eq!(pass(&reconciler).await, expected);
        assert_eq!(world.waiting_in_bulk().await, 2);
        let again = Summary { enqueued: 0, under_way: 2, ..expected };
        assert_eq!(pass(&reconciler).await, again);
        assert_eq!(world.waiting_in_bulk().await, 2);
    }
}

on_both! {
    async fn the_mark_waits_for_a_recording_that_is_not_finished(db: Db) {
        let world = World::new(db).await;
        let made_ms = queues::now_ms() - 3 * HOUR_MS;
        world.add_at(1, made_ms, RecordingStatus::InProgress);
        let reconciler = world.reconciler();
        pass(&reconciler).await;
        assert!(mark_ms(&world.db.store).await < made_ms);

        world.add_at(1, made_ms, RecordingStatus::Completed);
        assert_eq!(pass(&reconciler).await.enqueued, 1);
        assert!(mark_ms(&world.db.store).await < made_ms, "Redis alone knows of it");

        world.db.persist(&[of_recording(1, 1, (0, 0, 1), made_ms, no_speech())]).await.unwrap();
        let before_ms = queues::now_ms();
        assert_eq!(pass(&reconciler).await.known, 1);
        assert!(mark_ms(&world.db.store).await >= before_ms);
    }
}

#[tokio::test]
async fn the_mark_waits_for_old_work_that_redis_alone_knows_but_not_for_a_dead_letter() {
    let world = World::new(Db::sqlite().await).await;
    let made_ms = queues::now_ms() - 5 * DAY_MS;
    world.add_at(1, made_ms, RecordingStatus::Completed);
    let settings = ReconcileSettings { first_hours: 24 * 7, ..Default::default() };
    let reconciler = world.with(world.twilio.settings(), settings, CancellationToken::new());
    assert_eq!(pass(&reconciler).await.enqueued, 1);
    assert!(mark_ms(&world.db.store).await < made_ms);
    assert_eq!(pass(&reconciler).await.under_way, 1);
    assert!(mark_ms(&world.db.store).await < made_ms);

    // The database has refused its outcome.
    world.calls.erase(|_| true).await.unwrap();
    let results = queues::results(world.calls.link().clone());
    results.erase(|_| true).await.unwrap();
    let mut dead = redis::cmd("XADD");
    dead.arg("{callscribe}:results:dead").arg(&["*", "key", &call_sid(1), "body", "{}"]);
    let _: String = world.calls.link().query(&dead).await.unwrap();
    let before_ms = queues::now_ms();
    assert_eq!(pass(&reconciler).await.under_way, 1);
    assert!(mark_ms(&world.db.store).await >= before_ms);
}

#[tokio::test]
async fn a_recording_that_twilio_never_finishes_is_not_waited_for_beyond_days() {
    let world = World::new(Db::sqlite().await).await;
    let made_ms = queues::now_ms() - 4 * DAY_MS;
    world.add_at(1, made_ms, RecordingStatus::Paused);
    let settings = ReconcileSettings { first_hours: 24 * 7, ..Default::default() };
    let reconciler = world.with(world.twilio.settings(), settings, CancellationToken::new());
    let before_ms = queues::now_ms();
    let expected = Summary { listed: 1, pending: 1, ..Default::default() };
    assert_eq!(pass(&reconciler).await, expected);
    assert!(mark_ms(&world.db.store).await >= before_ms);
}

on_both! {
    async fn one_replica_at_a_time(db: Db) {
        let world = World::new(db).await;
        world.add(1, RecordingStatus::Completed);
        let (first, second) = (world.reconciler(), world.reconciler());
        pass(&first).await;
        assert_eq!(second.pass(&account_sid()).await.unwrap(), None);
        assert_eq!(pass(&first).await.listed, 1);
    }
}

#[tokio::test]
async fn a_recording_that_has_just_ended_is_left_to_its_callback() {
    let world = World::new(Db::sqlite().await).await;
    let made_ms = queues::now_ms() - 30_000;
    world.add_at(1, made_ms, RecordingStatus::Completed);
    let found = pass(&world.reconciler()).await;
    assert_eq!((found.pending, found.enqueued), (1, 0));
    assert!(mark_ms(&world.db.store).await < made_ms, "and is looked at again");
}

#[tokio::test]
async fn what_was_made_long_before_the_first_run_is_left_to_a_back_fill() {
    let world = World::new(Db::sqlite().await).await;
    world.add_at(1, queues::now_ms() - 2 * HOUR_MS, RecordingStatus::Completed);
    world.add_at(2, queues::now_ms() - 4 * HOUR_MS, RecordingStatus::Completed);
    let settings = ReconcileSettings { first_hours: 3, ..Default::default() };
    let stop = CancellationToken::new();
    let reconciler = world.with(world.twilio.settings(), settings, stop);
    let found = pass(&reconciler).await;
    // The older one may be of another day, and is not listed then.
    assert_eq!((found.enqueued, found.listed - found.too_old), (1, 1));
    assert_eq!(pass(&reconciler).await.under_way, 1, "later runs keep to it");
}

on_both! {
    async fn a_mark_or_a_floor_that_a_wrong_clock_wrote_is_none(db: Db) {
        let world = World::new(db).await;
        pass(&world.reconciler()).await;
        world.add(1, RecordingStatus::Completed);
        let ahead_ms = queues::now_ms() + 400 * DAY_MS;
        world.db.execute(&format!(
            "UPDATE reconcile_marks SET mark_ms = {ahead_ms}, floor_ms = {ahead_ms}, \
             leased_until_ms = 0"
        )).await;
        assert_eq!(pass(&world.reconciler()).await.enqueued, 1);
        assert!(mark_ms(&world.db.store).await < queues::now_ms());
    }
}

#[tokio::test]
async fn where_the_first_run_begins_is_settled_once_twilio_has_answered() {
    let world = World::new(Db::sqlite().await).await;
    world.add_at(1, queues::now_ms() - 5 * DAY_MS, RecordingStatus::Completed);
    let wrong = TwilioSettings { auth_token: Some("wrong".into()), ..world.twilio.settings() };
    let refused = world.with(wrong, ReconcileSettings::default(), CancellationToken::new());
    refused.pass(&account_sid()).await.unwrap_err();
    world.db.execute("UPDATE reconcile_marks SET leased_until_ms = 0").await;

    let settings = ReconcileSettings { first_hours: 24 * 7, ..Default::default() };
    let reconciler = world.with(world.twilio.settings(), settings, CancellationToken::new());
    assert_eq!(pass(&reconciler).await.enqueued, 1);
    let floor_ms = async || {
        let rows = reconcile_marks::Entity::find_by_id(format!("reconcile:{}", account()));
        rows.one(world.db.store.reader()).await.unwrap().unwrap().floor_ms
    };
    let settled_ms = floor_ms().await;
    assert!(settled_ms < queues::now_ms() - 6 * DAY_MS);
    pass(&reconciler).await;
    assert_eq!(floor_ms().await, settled_ms);
}

#[tokio::test]
async fn a_process_that_stops_leaves_its_lease_to_the_others() {
    let world = World::new(Db::sqlite().await).await;
    let stop = CancellationToken::new();
    let reconciler =
        world.with(world.twilio.settings(), ReconcileSettings::default(), stop.clone());
    pass(&reconciler).await;
    let other = world.reconciler();
    assert_eq!(other.pass(&account_sid()).await.unwrap(), None);
    stop.cancel();
    reconciler.run().await;
    assert!(other.pass(&account_sid()).await.unwrap().is_some());
}

fn transcribe(n: u32, generation: u32) -> CallJob {
    CallJob::Transcribe {
        account_sid: account_sid(),
        call_sid: call_sid(n).parse().unwrap(),
        recording_sid: recording_sid(n).parse().unwrap(),
        generation,
        source: JobSource::Reconcile,
    }
}

#[tokio::test]
async fn a_recording_that_came_after_it_was_given_up_is_worked_on_in_its_next_generation() {
    let world = World::new(Db::sqlite().await).await;
    let then_ms = queues::now_ms() - 2 * HOUR_MS;
    for n in [1, 2] {
        world.add_at(n, then_ms, RecordingStatus::Completed);
    }
    world.add_at(3, then_ms, RecordingStatus::Processing);
    world.add_at(4, then_ms, RecordingStatus::Deleted);
    for (n, code) in [(1, "not_ready"), (2, "deleted"), (3, "not_ready"), (4, "deleted")] {
        let kind = EventKind::NoRecording { code: code.into() };
        world.db.persist(&[of_recording(n, n, (0, 0, 1), then_ms, kind)]).await.unwrap();
    }
    let reconciler = world.reconciler();
    assert_eq!(pass(&reconciler).await.enqueued, 2);
    let mut jobs = world.jobs().await;
    jobs.sort_by_key(|job| job.call_sid().clone());
    assert_eq!(jobs, [transcribe(1, 1), transcribe(2, 1)]);
    assert_eq!(pass(&reconciler).await.enqueued, 0);
}

on_both! {
    async fn unfinished_work_that_no_queue_holds_is_resumed_however_old_it_is(db: Db) {
        let mut world = World::new(db).await;
        let then_ms = queues::now_ms() - 5 * DAY_MS;
        let looked_up = of_call(3, then_ms, queued());
        let events = [1, 2].map(|n| of_recording(n, n, (0, 0, 0), then_ms, queued()));
        world.db.persist(&events).await.unwrap();
        world.db.persist(&[looked_up]).await.unwrap();
        // The first still waits in the queue, although nothing remembers its key.
        let entry = queues::job_entry(&transcribe(1, 0), None).unwrap();
        let held = queue::Entry { once: None, emit: vec![], ..entry };
        world.calls.enqueue(held).await.unwrap();
        assert_eq!(pass(&world.reconciler()).await.resumed, 2);
        let resolve = CallJob::Resolve {
            account_sid: account_sid(),
            call_sid: call_sid(3).parse().unwrap(),
            source: JobSource::Reconcile,
        };
        let jobs = world.jobs().await;
        assert_eq!(jobs.len(), 3, "{jobs:?}");
        assert!(jobs.contains(&transcribe(2, 0)) && jobs.contains(&resolve), "{jobs:?}");

        // The look is an hour's; the one after that finds what Redis has lost meanwhile.
        world.lose_redis().await;
        world.db.execute("UPDATE reconcile_marks SET leased_until_ms = 0").await;
        assert_eq!(pass(&world.reconciler()).await.resumed, 0);
        world.db.execute("UPDATE reconcile_marks SET mark_ms = 0, leased_until_ms = 0").await;
        assert_eq!(pass(&world.reconciler()).await.resumed, 3);
    }
}

#[tokio::test]
async fn an_outcome_on_its_way_into_the_database_is_not_worked_for_again() {
    let world = World::new(Db::sqlite().await).await;
    let then_ms = queues::now_ms() - 5 * DAY_MS;
    world.db.persist(&[of_recording(1, 1, (0, 0, 0), then_ms, queued())]).await.unwrap();
    let outcome = of_recording(1, 1, (0, 0, 1), then_ms, no_speech());
    let results = queues::results(world.calls.link().clone());
    results.enqueue(queues::event_entry(&outcome, None).unwrap()).await.unwrap();
    assert_eq!(pass(&world.reconciler()).await.resumed, 0);
}

#[tokio::test]
async fn an_outcome_that_has_waited_for_days_without_any_row_is_not_paid_for_again() {
    let world = World::new(Db::sqlite().await).await;
    let then_ms = queues::now_ms() - 5 * DAY_MS;
    for n in [1, 2] {
        world.add_at(n, then_ms, RecordingStatus::Completed);
    }
    let outcome = of_recording(1, 1, (0, 0, 1), then_ms, no_speech());
    let results = queues::results(world.calls.link().clone());
    results.enqueue(queues::event_entry(&outcome, None).unwrap()).await.unwrap();
    let settings = ReconcileSettings { first_hours: 24 * 7, ..Default::default() };
    let reconciler = world.with(world.twilio.settings(), settings, CancellationToken::new());
    let expected = Summary { listed: 2, enqueued: 1, under_way: 1, ..Default::default() };
    assert_eq!(pass(&reconciler).await, expected);
    assert_eq!(world.jobs().await, [transcribe(2, 0)]);
}

#[tokio::test]
async fn a_listed_recording_of_no_call_is_counted_and_keeps_nothing_up() {
    let world = World::new(Db::sqlite().await).await;
    world.add(1, RecordingStatus::Completed);
    let sid = recording_sid(2).parse().unwrap();
    let odd = DoubleRecording::new(sid, call_sid(2).parse().unwrap(), "RIFF");
    world.twilio.add_recording(DoubleRecording { of_no_call: true, ..odd });
    let outcome = of_recording(1, 1, (0, 0, 1), queues::now_ms(), no_speech());
    world.db.persist(&[outcome]).await.unwrap();
    let expected = Summary { listed: 2, known: 1, unreadable: 1, ..Default::default() };
    assert_eq!(pass(&world.reconciler()).await, expected);
    assert!(mark_ms(&world.db.store).await > queues::now_ms() - HOUR_MS);
}

#[tokio::test]
async fn a_redis_that_does_not_tell_how_full_it_is_is_taken_to_have_room() {
    let world = World::new(Db::sqlite().await).await;
    world.add(1, RecordingStatus::Completed);
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "default", "-info"]);
    let _: () = world.calls.link().query(&user).await.unwrap();
    assert_eq!(pass(&world.reconciler()).await.enqueued, 1);
}

#[tokio::test]
async fn a_busy_twilio_is_asked_again_and_a_refusing_one_leaves_the_mark_alone() {
    let world = World::new(Db::sqlite().await).await;
    world.add(1, RecordingStatus::Completed);
    world.twilio.inject(Fault::TooManyRequests { retry_after_seconds: Some(0) }, 7);
    assert_eq!(pass(&world.reconciler()).await.enqueued, 1);

    let before_ms = mark_ms(&world.db.store).await;
    let scope = format!("reconcile:{}", account());
    world
        .db
        .execute(&format!("UPDATE reconcile_marks SET leased_until_ms = 0 WHERE scope = '{scope}'"))
        .await;
    let wrong = TwilioSettings { auth_token: Some("wrong".into()), ..world.twilio.settings() };
    let reconciler = world.with(wrong, ReconcileSettings::default(), CancellationToken::new());
    let error = reconciler.pass(&account_sid()).await.unwrap_err();
    assert!(matches!(error, ReconcileError::Twilio(_)), "{error}");
    assert_eq!(mark_ms(&world.db.store).await, before_ms);
}
